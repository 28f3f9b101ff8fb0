/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * TCP_INFO: what a connection can tell of itself, in Linux's layout, which programs compile in. The
 * layout only ever grows at its end; a caller with an older one gets its beginning.
 *
 * Left out (zero): what Tern has not, or does not count: rehashing, when the last acknowledgment
 * left, time-out recoveries and their time, Accurate ECN; pacing has no rate where there is none.
 */
#include <rte_common.h>

#include "sockopt.h"

/* Linux's states. */
enum {
	LINUX_ESTABLISHED = 1,
	LINUX_SYN_SENT,
	LINUX_SYN_RECV,
	LINUX_FIN_WAIT1,
	LINUX_FIN_WAIT2,
	LINUX_TIME_WAIT,
	LINUX_CLOSE,
	LINUX_CLOSE_WAIT,
	LINUX_LAST_ACK,
	LINUX_LISTEN,
	LINUX_CLOSING,
};

static_assert(offsetof(struct tcp_details, pacing_rate) == 104, "as Linux's tcp_info");
static_assert(offsetof(struct tcp_details, delivery_rate) == 160, "as Linux's tcp_info");
static_assert(offsetof(struct tcp_details, dsack_dups) == 216, "as Linux's tcp_info");
static_assert(offsetof(struct tcp_details, snd_wnd) == 228, "as Linux's tcp_info");

static const uint8_t linux_states[TCP_STATES] = {
	[TCP_CLOSED] = LINUX_CLOSE,
	[TCP_LISTEN] = LINUX_LISTEN,
	[TCP_SYN_SENT] = LINUX_SYN_SENT,
	[TCP_SYN_RECEIVED] = LINUX_SYN_RECV,
	[TCP_ESTABLISHED] = LINUX_ESTABLISHED,
	[TCP_FIN_WAIT_1] = LINUX_FIN_WAIT1,
	[TCP_FIN_WAIT_2] = LINUX_FIN_WAIT2,
	[TCP_CLOSE_WAIT] = LINUX_CLOSE_WAIT,
	[TCP_CLOSING] = LINUX_CLOSING,
	[TCP_LAST_ACK] = LINUX_LAST_ACK,
	[TCP_TIME_WAIT] = LINUX_TIME_WAIT,
};

static uint8_t
options_of(const struct tcp_conn *c)
{
	return (uint8_t)((c->flags & CONN_TIMESTAMPS ? TCP_DETAILS_TIMESTAMPS : 0) |
			 (c->flags & CONN_SACK ? TCP_DETAILS_SACK : 0) |
			 (c->flags & CONN_WSCALE ? TCP_DETAILS_WSCALE : 0) |
			 (c->ecn & ECN_ON ? TCP_DETAILS_ECN : 0) |
			 (c->ecn & ECN_SEEN ? TCP_DETAILS_ECN_SEEN : 0) |
			 (c->fastopen.data_acked || c->fastopen_server.data_taken
				  ? TCP_DETAILS_SYN_DATA
				  : 0) |
			 (c->fastopen_server.is_child ? TCP_DETAILS_FASTOPEN_CHILD : 0));
}

static uint32_t
ms_since(const struct tcp_conn *c, uint32_t then_ms)
{
	return c->engine->now_ms - then_ms;
}

static void
fill_sender(const struct tcp_conn *c, struct tcp_details *i)
{
	uint64_t backed_off = (uint64_t)c->rto_us << RTE_MIN(c->backoffs, (uint8_t)16);

	i->rto = (uint32_t)RTE_MIN(backed_off, (uint64_t)TCP_RTO_MAX_US);
	i->retransmits = c->retries;
	i->probes = c->probes;
	i->backoff = c->backoffs;
	i->snd_mss = c->mss;
	i->unacked = c->sent_segs;
	i->sacked = c->sacked_segs;
	i->lost = c->lost_segs;
	i->retrans = c->retrans_segs;
	i->rtt = c->srtt_us >> 3;
	i->rttvar = c->mdev_us >> 2;
	i->min_rtt = c->rack.min_rtt_us != 0 ? c->rack.min_rtt_us : UINT32_MAX;
	i->snd_ssthresh = RTE_MIN(c->ssthresh, (uint32_t)INT32_MAX);
	i->snd_cwnd = c->cwnd;
	i->reordering = c->reordering;
	i->total_retrans = c->retransmits;
	i->notsent_bytes = c->unsent_bytes;
	i->delivered = c->delivered_segs;
	i->delivery_rate = tcp_rate_shown(c);
	i->delivered_ce = c->delivered_ce_segs;
	i->dsack_dups = c->dsack_dups;
	i->reord_seen = c->reord_seen;
	i->snd_wnd = c->snd_wnd;
	i->pmtu = c->mtu;
	i->total_rto = c->total_rtos;
	tcp_chrono_read(c, &i->busy_time, &i->rwnd_limited, &i->sndbuf_limited);
}

static void
fill_receiver(const struct tcp_conn *c, struct tcp_details *i)
{
	i->ato = c->delack.ato_us;
	i->rcv_mss = c->rcv_mss;
	i->rcv_ssthresh = c->rcv_ssthresh;
	i->advmss = c->adv_mss;
	i->rcv_rtt = c->autotune.rtt_us >> 3;
	i->rcv_space = c->autotune.space_bytes;
	i->rcv_ooopack = c->rcv_ooopack;
	i->rcv_wnd = seq_gt(c->rcv_adv, c->rcv_nxt) ? c->rcv_adv - c->rcv_nxt : 0;
}

static void
fill_totals(const struct tcp_conn *c, struct tcp_details *i)
{
	i->bytes_acked = c->bytes_acked;
	i->bytes_received = c->bytes_received;
	i->bytes_sent = c->bytes_sent;
	i->bytes_retrans = c->bytes_retrans;
	i->segs_out = c->segs_out;
	i->segs_in = c->segs_in;
	i->data_segs_in = c->data_segs_in;
	i->data_segs_out = c->data_segs_out;
	i->last_data_sent = ms_since(c, c->last_data_sent_ms);
	i->last_data_recv = ms_since(c, c->last_data_recv_ms);
	i->last_ack_recv = ms_since(c, c->heard_ms);
}

void
tcp_details_get(const struct tcp_conn *c, struct tcp_details *i)
{
	*i = (struct tcp_details){
		.state = linux_states[c->state],
		.ca_state = c->ca_state,
		.options = options_of(c),
		.wscales = (uint8_t)(c->snd_wscale_shift | c->rcv_wscale_shift << 4),
		.flags = (uint8_t)(c->rate.sample_app_limited | c->fastopen.fail << 1),
		.pacing_rate = tcp_pacing_rate(c),
		.max_pacing_rate = c->pacing.max_rate,
	};
	fill_sender(c, i);
	fill_receiver(c, i);
	fill_totals(c, i);
	if (c->state == TCP_LISTEN) {
		i->unacked = c->bound->waiting;
		i->sacked = (uint32_t)c->bound->backlog;
	}
}

int
tcp_info_get(struct tcp_conn *c, void *value, size_t *len)
{
	struct tcp_details i;

	tcp_details_get(c, &i);
	return tcp_put_value(&i, sizeof(i), value, len);
}
