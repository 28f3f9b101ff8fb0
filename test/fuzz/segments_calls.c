/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The segments harness's rarer calls of users: ioctls, poll, urgent data read out of turn, and the
 * socket options by the engine's own lists, so that a new one is tried without being named here.
 * What they answer is compared with what the connection is known to hold.
 */
#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <linux/sockios.h>

#include "invariants.h"
#include "segments.h"
#include "tcp/sockopt.h"

static struct seg_socket *
next_socket(struct world *w)
{
	return &w->sockets[fuzz_u8(&w->in) % SEG_SOCKETS];
}

static bool
is_marked(const struct tcp_conn *c)
{
	return (c->flags & CONN_URG_MARK) != 0;
}

static bool
is_handshaking(const struct tcp_conn *c)
{
	return c->state == TCP_SYN_SENT || c->state == TCP_SYN_RECEIVED;
}

/* ---- ioctl */

/* SIOCINQ, against the bytes between what was read and what arrived. */
static void
check_inq(const struct tcp_conn *c, int inq)
{
	uint32_t ahead = c->urg_seq - fuzz_read_seq(c), want = c->recvq.bytes;

	if (is_marked(c) && !c->oob_inline)
		want = RTE_MIN(want, ahead);
	if (is_handshaking(c))
		want = 0;
	FUZZ_CHECK(inq >= 0 && (uint32_t)inq == want, "SIOCINQ says %d, not %u", inq, want);
}

/* SIOCOUTQ and SIOCOUTQNSD, against what was queued since the start. */
static void
check_outq(const struct seg_socket *s, int outq, int unsent)
{
	const struct tcp_conn *c = s->c;
	bool open = c->state != TCP_CLOSED && !is_handshaking(c);
	bool fin = (c->flags & CONN_FIN_DUE) != 0, fin_sent = (c->flags & CONN_FIN_SENT) != 0;
	uint32_t want = open ? c->iss + 1 + s->queued + fin - c->snd_una : 0;

	FUZZ_CHECK(outq >= 0 && (uint32_t)outq == want, "in %s, SIOCOUTQ says %d, not %u",
		   tcp_state_name(c->state), outq, want);
	FUZZ_CHECK(unsent >= 0 && unsent <= outq, "%d unsent of %d", unsent, outq);
	want = c->unsent_bytes + (fin && !fin_sent);
	FUZZ_CHECK(!open || (uint32_t)unsent == want, "SIOCOUTQNSD says %d, not %u", unsent, want);
}

static void
do_ioctl(struct world *w)
{
	const struct seg_socket *s = next_socket(w);
	int inq = -1, outq = -1, unsent = -1, at_mark = -1, other = -1, status;
	uint16_t unknown = fuzz_u16(&w->in);
	struct tcp_conn *c = s->c;

	if (c == NULL)
		return;
	status = tcp_ioctl(c, unknown, &other);
	FUZZ_CHECK(status == 0 || other == -1, "ioctl %x fails and answers %d", unknown, other);
	FUZZ_CHECK(tcp_ioctl(c, SIOCATMARK, &at_mark) == 0, "no SIOCATMARK");
	FUZZ_CHECK(at_mark == (is_marked(c) && c->urg_seq == fuzz_read_seq(c)),
		   "SIOCATMARK says %d", at_mark);
	status = tcp_ioctl(c, SIOCINQ, &inq);
	FUZZ_CHECK(tcp_ioctl(c, SIOCOUTQ, &outq) == status &&
			   tcp_ioctl(c, SIOCOUTQNSD, &unsent) == status,
		   "not all of them answer");
	FUZZ_CHECK(status == (c->state == TCP_LISTEN ? -EINVAL : 0), "SIOCINQ: %d", status);
	if (status != 0)
		return;
	check_inq(c, inq);
	check_outq(s, outq, unsent);
}

/* ---- poll */

/* What poll() promises of reading holds, and what it does not promise is not there. */
static void
do_poll(struct world *w)
{
	struct seg_socket *s = next_socket(w);
	short events;
	uint8_t byte;
	ssize_t n;

	if (s->c == NULL)
		return;
	events = tcp_poll(s->c);
	if (s->c->state == TCP_LISTEN || is_handshaking(s->c)) {
		FUZZ_CHECK((events & POLLPRI) == 0, "events %x", (unsigned int)events);
		return;
	}
	FUZZ_CHECK(((events & POLLPRI) != 0) == (is_marked(s->c) && s->c->urg_state == URG_HERE),
		   "events %x, urgent data %d", (unsigned int)events, s->c->urg_state);
	FUZZ_CHECK(((events & POLLERR) != 0) == (s->c->error != 0), "events %x, error %d",
		   (unsigned int)events, s->c->error);
	/* SO_PEEK_OFF may let MSG_PEEK look behind all there is. */
	if ((events & POLLERR) || s->c->peek_off > 0)
		return;
	n = tcp_recv(s->c, &byte, 1, MSG_PEEK);
	/* SO_RCVLOWAT: there may be bytes, but too few to tell of. */
	if (n > 0 && (events & POLLIN) == 0 && tcp_readable(s->c) < s->c->rcvlowat_bytes)
		return;
	FUZZ_CHECK((n == -EAGAIN) == ((events & POLLIN) == 0) || n == -ENOTCONN,
		   "events %x, and recv() gives %zd", (unsigned int)events, n);
}

/* ---- urgent data */

static void
do_recv_urgent(struct world *w)
{
	struct seg_socket *s = next_socket(w);
	uint8_t what = fuzz_u8(&w->in);

	seg_recv(w, s, what & 3, MSG_OOB | (what & 4 ? MSG_PEEK : 0));
}

static void
do_send_urgent(struct world *w)
{
	struct seg_socket *s = next_socket(w);
	uint8_t bytes = fuzz_u8(&w->in);

	seg_send(w, s, bytes, MSG_OOB);
}

/* ---- options */

/* The n-th option whose value is an int, of all the engine's. */
static const struct tcp_int_option *
int_option(unsigned int n)
{
	static const struct tcp_option_list *const lists[] = {&tcp_socket_options, &tcp_tcp_options,
							      &tcp_ip_options, &tcp_life_options};
	size_t all = 0, at;

	for (size_t i = 0; i < RTE_DIM(lists); i++)
		all += lists[i]->n_ints;
	at = n % all;
	for (size_t i = 0;; at -= lists[i++]->n_ints)
		if (at < lists[i]->n_ints)
			return &lists[i]->ints[at];
}

static bool
is_switch(const struct tcp_int_option *o)
{
	static const int names[][2] = {
		{SOL_SOCKET, SO_OOBINLINE},         {SOL_SOCKET, SO_KEEPALIVE},
		{SOL_SOCKET, SO_REUSEADDR},         {SOL_SOCKET, SO_REUSEPORT},
		{IPPROTO_TCP, 1 /* TCP_NODELAY */}, {IPPROTO_TCP, 3 /* TCP_CORK */},
	};

	for (size_t i = 0; i < RTE_DIM(names); i++)
		if (o->level == names[i][0] && o->name == names[i][1])
			return true;
	return false;
}

static void
do_int_option(struct world *w)
{
	static const int values[16] = {0,       1,       2,       3,      -1,    -2,
				       10,      100,     1000,    4096,   65535, 65536,
				       1 << 20, 1 << 30, INT_MAX, INT_MIN};
	const struct seg_socket *s = next_socket(w);
	const struct tcp_int_option *o = int_option(fuzz_u8(&w->in));
	int value = values[fuzz_u8(&w->in) & 15], got = -1;
	size_t len = sizeof(got);
	int status;

	if (s->c == NULL)
		return;
	status = tcp_setsockopt(s->c, o->level, o->name, &value, sizeof(value));
	FUZZ_CHECK(o->set != NULL || status != 0, "option %d of level %d is set", o->name,
		   o->level);
	if (status != 0 || !is_switch(o))
		return;
	FUZZ_CHECK(tcp_getsockopt(s->c, o->level, o->name, &got, &len) == 0 && len == sizeof(got) &&
			   got == (value != 0),
		   "option %d of level %d was set to %d and is %d", o->name, o->level, value, got);
}

/* ---- settings */

static uint32_t *
setting32(struct tcp_config *c, uint8_t which)
{
	uint32_t *const all[] = {
		&c->rcvbuf_max_bytes, &c->sndbuf_max_bytes,  &c->timewait_ms,
		&c->keepalive_time_s, &c->keepalive_intvl_s, &c->probe_interval_s,
		&c->initial_cwnd,     &c->user_timeout_ms,   &c->notsent_lowat_bytes,
	};

	return all[which % RTE_DIM(all)];
}

static uint16_t *
setting16(struct tcp_config *c, uint8_t which)
{
	uint16_t *const all[] = {&c->base_mss, &c->probe_threshold, &c->min_tso_segs,
				 &c->reordering, &c->max_reordering};

	return all[which % RTE_DIM(all)];
}

static uint8_t *
setting8(struct tcp_config *c, uint8_t which)
{
	uint8_t *const all[] = {&c->keepalive_probes,
				&c->syn_retries,
				&c->syn_linear_timeouts,
				&c->synack_retries,
				&c->retries,
				&c->orphan_retries,
				&c->ttl};

	return all[which % RTE_DIM(all)];
}

/* Any value for any setting: refused, or lived with. */
static void
do_setting(struct world *w)
{
	uint8_t which = fuzz_u8(&w->in), value = fuzz_u8(&w->in);
	struct tcp_config c = w->e->config;
	uint32_t edge = (1u << (value & 31)) - (value >> 5 & 1);
	int status;

	switch (which & 3) {
	case 0:
		*setting32(&c, which >> 2) = edge;
		break;
	case 1:
		*setting16(&c, which >> 2) = (uint16_t)edge;
		break;
	case 2:
		*setting8(&c, which >> 2) = value;
		break;
	default:
		c.tw_reuse = value & 1;
		break;
	}
	status = tcp_reconfigure(w->e, &c);
	FUZZ_CHECK(status == 0 || status == -EINVAL, "tcp_reconfigure gives %d", status);
}

void
seg_call(struct world *w)
{
	static void (*const calls[])(struct world *) = {
		do_ioctl,      do_poll,    do_recv_urgent, do_send_urgent,
		do_int_option, do_setting, seg_urgent,     seg_urgent,
	};

	calls[fuzz_u8(&w->in) % RTE_DIM(calls)](w);
}
