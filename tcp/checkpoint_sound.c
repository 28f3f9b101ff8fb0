/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Whether a checkpoint can be a connection. It may come from a file that anybody wrote: every
 * relation of states, numbers and lengths is looked at here, and each number that is reckoned with
 * later has to be in the range that it can get by itself, or by setsockopt(). So nothing that is
 * restored overflows, divides by zero, or sends faster than any other connection.
 *
 * What only makes a connection slow, or ends it sooner, is its owner's affair: how large a window
 * it has, when its timers fire.
 */
#include <errno.h>
#include <netinet/in.h>

#include "engine.h"

enum {
	SEQ_SPAN_MAX = 1 << 30, /* of what is in flight, of a window: RFC 7323 §2.3 */
	BUFFER_MAX = 1 << 30,
	CWND_MAX = 1 << 24,
	RTT_MAX = 1 << 30,
	RTO_LEAST_US = 1000,
	ERRNO_MAX = 133,
	DUE_MAX_S = 86400, /* no timer is set for longer */

	/* what setsockopt() takes */
	RTO_MAX_LEAST_MS = 1000,
	RTO_MIN_LEAST_US = 2000,
	USER_MSS_MIN = 88,
	USER_MSS_MAX = 32767,
	KEEPALIVE_MAX_S = 32767,
	KEEPALIVE_COUNT_MAX = 127,
	LINGER2_MAX_S = 120,
};

/* Ends a function that returns what is wrong, NULL for nothing. */
#define SOUND(condition, otherwise)                                                                \
	do {                                                                                       \
		if (!(condition))                                                                  \
			return otherwise;                                                          \
	} while (0)

static bool
chain_holds(const struct rte_mbuf *m, uint32_t bytes)
{
	uint64_t sum = 0;

	for (; m != NULL; m = m->next) {
		if (m->data_len == 0)
			return false;
		sum += m->data_len;
	}
	return sum == bytes;
}

static bool
is_opening(const struct tcp_checkpoint *in)
{
	return in->state == TCP_SYN_SENT || in->state == TCP_SYN_RECEIVED;
}

static const char *
address_fault(const struct tcp_checkpoint *in)
{
	bool is4 = ip_is4(&in->tuple.local);

	SOUND(is4 == ip_is4(&in->tuple.remote), "its addresses are of two families");
	SOUND(is4 || in->ipv6, "an IPv4 socket has IPv6 addresses");
	SOUND(!is4 || !in->ipv6 || !in->v6only, "an IPv6-only socket has IPv4 addresses");
	SOUND(!ip_is_any(&in->tuple.local) && !ip_is_multicast(&in->tuple.local) &&
		      be16_get(in->tuple.lport) != 0,
	      "its local address is nobody's");
	SOUND(!ip_is_any(&in->tuple.remote) && !ip_is_multicast(&in->tuple.remote) &&
		      be16_get(in->tuple.rport) != 0,
	      "its remote address is nobody's");
	return NULL;
}

/* What a FIN of either side says, and what the state says of them. */
static const char *
state_fault(const struct tcp_checkpoint *in)
{
	bool we_finish = in->state == TCP_FIN_WAIT_1 || in->state == TCP_FIN_WAIT_2 ||
			 in->state == TCP_CLOSING || in->state == TCP_LAST_ACK;
	bool peer_finished = in->state == TCP_CLOSE_WAIT || in->state == TCP_CLOSING ||
			     in->state == TCP_LAST_ACK;
	bool fin_acked = in->fin_sent && in->snd_una == in->snd_nxt;

	SOUND(in->state >= TCP_SYN_SENT && in->state <= TCP_LAST_ACK,
	      "its state is none that has a peer");
	SOUND(!in->orphan || (in->fin_due && in->recvq_bytes == 0),
	      "its user has closed it, but it is not to end, or has bytes for him");
	SOUND(!in->fin_sent || (in->fin_due && in->unsent_bytes == 0),
	      "its FIN was sent before its data");
	SOUND(is_opening(in) || in->fin_due == we_finish,
	      "its state and its own FIN contradict each other");
	SOUND(in->peer_fin == peer_finished, "its state and the peer's FIN contradict each other");
	SOUND(fin_acked == (in->state == TCP_FIN_WAIT_2),
	      "its state and its FIN's acknowledgment contradict each other");
	if (!is_opening(in))
		return NULL;
	SOUND(in->snd_una == in->iss, "its SYN is acknowledged before it is open");
	SOUND(!in->fin_sent && (!in->fin_due || in->state == TCP_SYN_RECEIVED),
	      "its FIN was sent before it is open");
	SOUND(in->recvq_bytes == 0, "it has received data before it is open");
	return NULL;
}

/* Sequence numbers, and the lengths of the queues that follow from them. */
static const char *
number_fault(const struct tcp_checkpoint *in)
{
	uint32_t out = in->snd_nxt - in->snd_una;
	uint32_t counted = (uint32_t)is_opening(in) + (in->fin_sent && in->state != TCP_FIN_WAIT_2);
	uint32_t ahead = in->rcv_adv - in->rcv_nxt;

	SOUND(in->sendq_bytes <= BUFFER_MAX && in->recvq_bytes <= BUFFER_MAX,
	      "its queues are too long");
	SOUND(in->unsent_bytes <= in->sendq_bytes, "more is unsent than queued");
	SOUND(out <= SEQ_SPAN_MAX && out >= counted &&
		      out - counted == in->sendq_bytes - in->unsent_bytes,
	      "its numbers do not count what is sent of the send queue");
	SOUND(in->snd_wnd <= in->max_wnd && in->max_wnd <= SEQ_SPAN_MAX,
	      "the peer's window is larger than it ever was");
	if (in->urg_send)
		SOUND(seq_leq(in->snd_up, in->snd_nxt + in->unsent_bytes),
		      "its urgent byte is not queued yet");
	SOUND(seq_leq(in->rcv_wup, in->rcv_nxt), "it has acknowledged what has not come");
	if (in->state == TCP_SYN_SENT)
		return NULL;
	SOUND(in->rcv_nxt - in->rcv_wup <= SEQ_SPAN_MAX &&
		      in->rcv_adv - in->rcv_wup <= SEQ_SPAN_MAX &&
		      (ahead <= SEQ_SPAN_MAX || -ahead <= SEQ_SPAN_MAX),
	      "its window is not where its numbers are");
	SOUND(in->rcv_nxt - in->snd_wl1 + SEQ_SPAN_MAX <= 2u * SEQ_SPAN_MAX,
	      "the peer's window is not of its numbers");
	return NULL;
}

/* What the SYNs agreed on, and what the user said. */
static const char *
option_fault(const struct tcp_checkpoint *in)
{
	SOUND(in->snd_wscale_shift <= TCP_MAX_WSCALE_SHIFT &&
		      in->rcv_wscale_shift <= TCP_MAX_WSCALE_SHIFT,
	      "a window scale is beyond 14");
	SOUND(in->wscale || in->state == TCP_SYN_SENT ||
		      (in->snd_wscale_shift == 0 && in->rcv_wscale_shift == 0),
	      "windows are scaled that are not");
	SOUND((in->ecn & ~(ECN_ON | ECN_SEEN | ECN_ECHO | ECN_TELL_CWR)) == 0, "its ECN is none");
	SOUND(in->urg_state <= URG_READ, "its urgent byte is in no state");
	SOUND(in->ttl > 0 || in->ipv6, "its TTL is 0");
	SOUND((in->tos & IP_ECN_MASK) == 0, "its TOS has ECN's bits");
	SOUND(in->mtu_discover <= IP_PMTUDISC_OMIT, "its IP_MTU_DISCOVER is none");
	SOUND(in->user_mss == 0 || (in->user_mss >= USER_MSS_MIN && in->user_mss <= USER_MSS_MAX),
	      "its TCP_MAXSEG is out of range");
	SOUND(in->user_timeout_ms <= INT32_MAX, "its TCP_USER_TIMEOUT is out of range");
	SOUND(in->keepidle_s <= KEEPALIVE_MAX_S && in->keepintvl_s <= KEEPALIVE_MAX_S &&
		      in->keepcnt <= KEEPALIVE_COUNT_MAX,
	      "its keepalive is out of range");
	SOUND(in->linger2_s >= -1 && in->linger2_s <= LINGER2_MAX_S,
	      "its TCP_LINGER2 is out of range");
	SOUND(in->rcvlowat_bytes > 0 && in->rcvlowat_bytes <= INT32_MAX,
	      "its SO_RCVLOWAT is out of range");
	SOUND(in->rcvtimeo_ms >= 0 && in->sndtimeo_ms >= 0, "a waiting time is negative");
	SOUND(memchr(in->congestion, 0, sizeof(in->congestion)) != NULL,
	      "its congestion control has no name");
	return NULL;
}

/* An error that a socket call may return once: not one that says "later". */
static bool
is_an_end(uint8_t error)
{
	return error <= ERRNO_MAX && error != EAGAIN && error != EINTR && error != EINPROGRESS &&
	       error != EALREADY;
}

/* What is reckoned with later: that it stays in range. */
static const char *
measure_fault(const struct tcp_checkpoint *in)
{
	SOUND(in->cwnd > 0 && in->cwnd <= CWND_MAX && in->ssthresh > 0,
	      "its congestion window is out of range");
	SOUND(in->reordering > 0 && in->reordering <= UINT16_MAX, "its reordering is out of range");
	SOUND(in->srtt_us <= RTT_MAX && in->rttvar_us <= RTT_MAX && in->mdev_us <= RTT_MAX &&
		      in->mdev_max_us <= RTT_MAX && in->delack_ato_us <= RTT_MAX,
	      "its round trip is out of range");
	SOUND(in->rto_us >= RTO_LEAST_US && in->rto_us <= RTT_MAX &&
		      in->rto_max_ms >= RTO_MAX_LEAST_MS &&
		      in->rto_max_ms <= TCP_RTO_MAX_US / 1000 &&
		      in->rto_min_us >= RTO_MIN_LEAST_US && in->rto_min_us <= TCP_RTO_MIN_US,
	      "its time-out is out of range");
	SOUND(is_an_end(in->soft_error), "its error is none");
	SOUND(!in->ack_delayed || in->ack_in_us >= 0, "its acknowledgment waits for no timer");
#define KEPT_DUE_US(name, field)                                                                   \
	SOUND(in->name <= DUE_MAX_S * INT64_C(1000000), "it waits for longer than a day");
#include "checkpoint.def"
	SOUND(in->rcvbuf_bytes > 0 && in->rcvbuf_bytes <= BUFFER_MAX && in->sndbuf_bytes > 0 &&
		      in->sndbuf_bytes <= BUFFER_MAX,
	      "its buffers are out of range");
	SOUND(in->window_clamp <= SEQ_SPAN_MAX && in->rcv_ssthresh <= SEQ_SPAN_MAX &&
		      in->rcv_ratio > 0 && (in->rcv_mss > 0 || in->state == TCP_SYN_SENT),
	      "what its window follows from is out of range");
	return NULL;
}

const char *
tcp_checkpoint_fault(const struct tcp_checkpoint *in)
{
	const char *fault = state_fault(in);

	if (fault == NULL)
		fault = address_fault(in);
	if (fault == NULL)
		fault = number_fault(in);
	if (fault == NULL)
		fault = option_fault(in);
	if (fault == NULL)
		fault = measure_fault(in);
	if (fault == NULL && !chain_holds(in->recvq, in->recvq_bytes))
		fault = "its receive queue has another length";
	if (fault == NULL && !chain_holds(in->sendq, in->sendq_bytes))
		fault = "its send queue has another length";
	return fault;
}

bool
tcp_checkpoint_is_sound(const struct tcp_checkpoint *in)
{
	return tcp_checkpoint_fault(in) == NULL;
}
