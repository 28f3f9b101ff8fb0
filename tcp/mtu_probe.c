/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Finding a path's MTU without routers' help: RFC 4821 (and RFC 8899's reasons), by Linux's rules
 * for tcp_mtu_probing.
 *
 *     low        size          high      MTUs: low is known to go through, high is not known not to
 *     |-----------|-------------|
 *        arrived: low = size       lost: high = size - 1
 *
 * A probe is a segment of ordinary data, larger than the others, so that nothing is sent but what
 * is due anyway. It leaves only if enough data stands behind it for its loss to be seen without a
 * time-out, in an open window, with nothing lost. If it is lost, that is taken for its size and not
 * for congestion: it is sent again, smaller, and the congestion window stays. Whatever else is sent
 * again meanwhile makes it prove nothing.
 *
 * BLACK_HOLE begins with it when a segment was sent again for so long (three time-outs of the
 * shortest kind) that something seems to swallow large ones; ON with the connection. Each further
 * such silence halves low. When high and low are close the search rests for probe_interval_s, and
 * then looks upward again.
 *
 * As in Linux a connection that we accepted begins with the path's MSS, and one that we opened with
 * base_mss.
 */
#include <rte_common.h>

#include "engine.h"

enum {
	PROBE_CWND_MIN = 11, /* segments; below it, losing one costs too much */
	BLACK_HOLE_MS = ((2 << 3) - 1) * TCP_RTO_MIN_US / 1000, /* Linux's tcp_retries1 is 3 */
};

/* The MTU that segments of `mss` need, options included. */
static uint16_t
mtu_of(const struct tcp_conn *c, uint32_t mss)
{
	uint32_t ip =
		ip_is4(&c->tuple.remote) ? sizeof(struct ip4_header) : sizeof(struct ip6_header);
	uint32_t options = c->flags & CONN_TIMESTAMPS ? TCP_TIMESTAMPS_ALIGNED_BYTES : 0;
	uint32_t mtu = mss + ip + (uint32_t)sizeof(struct tcp_header) + options;

	return (uint16_t)RTE_MIN(mtu, (uint32_t)UINT16_MAX);
}

/* The MTU beyond which the peer takes nothing: its MSS is without options. */
static uint16_t
widest(const struct tcp_conn *c)
{
	uint32_t ip =
		ip_is4(&c->tuple.remote) ? sizeof(struct ip4_header) : sizeof(struct ip6_header);
	uint32_t mss = c->peer_mss;

	if (c->user_mss != 0 && c->user_mss < mss)
		mss = c->user_mss;
	return (uint16_t)RTE_MIN(mss + ip + (uint32_t)sizeof(struct tcp_header),
				 (uint32_t)UINT16_MAX);
}

void
tcp_mtu_probe_start(struct tcp_conn *c)
{
	const struct tcp_config *config = &c->engine->config;

	c->mtu_search = (struct tcp_mtu_search){
		.on = config->mtu_probing == TCP_MTU_PROBING_ON,
		.low = mtu_of(c, config->base_mss),
		.high = widest(c),
		.began_s = tcp_now_s(c->engine),
	};
}

/* The search has ended: begins it anew, from what is in use upward, when it has rested. */
static void
rest(struct tcp_conn *c)
{
	struct tcp_mtu_search *s = &c->mtu_search;
	uint32_t now_s = tcp_now_s(c->engine);

	if (now_s - s->began_s < c->engine->config.probe_interval_s)
		return;
	s->low = mtu_of(c, c->mss);
	s->high = widest(c);
	s->began_s = now_s;
}

enum tcp_mtu_probe
tcp_mtu_probe(struct tcp_conn *c)
{
	struct tcp_mtu_search *s = &c->mtu_search;
	uint32_t wnd_left = c->snd_una + c->snd_wnd - c->snd_nxt, flight, bytes, needed;
	uint16_t high = s->high < c->mtu ? s->high : c->mtu;
	seq_t start = c->snd_nxt;

	if (s->size != 0 || c->ca_state != CA_OPEN || c->cwnd < PROBE_CWND_MIN ||
	    tcp_sack_option_bytes(c) != 0)
		return TCP_MTU_PROBE_NONE;
	if (high < s->low || high - s->low < c->engine->config.probe_threshold) {
		rest(c);
		return TCP_MTU_PROBE_NONE;
	}
	bytes = tcp_mss_of_mtu(c, (uint16_t)((s->low + high) / 2));
	needed = bytes + (c->reordering + 1) * c->mss;
	if (c->unsent_bytes < needed || c->snd_wnd < needed)
		return TCP_MTU_PROBE_NONE;
	if ((int32_t)wnd_left < 0 || wnd_left < needed)
		return TCP_MTU_PROBE_WAIT;
	flight = tcp_flight_segs(c);
	if (flight + 2 > c->cwnd)
		return flight == 0 ? TCP_MTU_PROBE_NONE : TCP_MTU_PROBE_WAIT;
	if (!tcp_send_exactly(c, bytes))
		return TCP_MTU_PROBE_NONE;
	TCP_COUNT(c->engine, mtu_probes);
	c->cwnd--; /* it is worth two */
	s->size = mtu_of(c, bytes);
	s->start = start;
	s->end = c->snd_nxt;
	return TCP_MTU_PROBE_SENT;
}

void
tcp_mtu_probe_acked(struct tcp_conn *c)
{
	struct tcp_mtu_search *s = &c->mtu_search;
	uint64_t cwnd;

	if (seq_lt(c->snd_una, s->end))
		return;
	TCP_COUNT(c->engine, mtu_probes_arrived);
	/* As many bytes as before, in fewer segments. */
	cwnd = (uint64_t)c->cwnd * mtu_of(c, c->mss) / s->size;
	c->cwnd = (uint32_t)RTE_MAX(cwnd, UINT64_C(1));
	c->cwnd_count = 0;
	if (c->ca_state < CA_CWR)
		c->ssthresh = RTE_MAX(c->ssthresh, (c->cwnd >> 1) + (c->cwnd >> 2));
	s->low = s->size;
	s->size = 0;
	tcp_conn_set_mss(c);
}

bool
tcp_mtu_probe_lost(struct tcp_conn *c)
{
	struct tcp_mtu_search *s = &c->mtu_search;

	if (s->size == 0 || c->ca_state >= CA_CWR || c->snd_una != s->start)
		return false;
	TCP_COUNT(c->engine, mtu_probes_lost);
	s->high = (uint16_t)(s->size - 1);
	s->size = 0;
	c->cwnd++;
	tcp_resend_smaller(c, c->mss);
	return true;
}

void
tcp_mtu_black_hole(struct tcp_conn *c)
{
	const struct tcp_config *config = &c->engine->config;
	struct tcp_mtu_search *s = &c->mtu_search;
	uint32_t since_ms = tcp_now_ts(c->engine, c->ts_offset) - c->undo.retrans_ts;
	uint32_t mss;

	if (config->mtu_probing == TCP_MTU_PROBING_OFF || c->retries == 0 ||
	    c->undo.retrans_ts == 0 || (int32_t)since_ms < BLACK_HOLE_MS)
		return;
	TCP_COUNT(c->engine, mtu_black_holes);
	if (!s->on) {
		s->on = true;
		s->began_s = tcp_now_s(c->engine);
	} else {
		mss = RTE_MIN((uint32_t)tcp_mss_of_mtu(c, s->low) / 2, (uint32_t)config->base_mss);
		s->low = mtu_of(c, RTE_MAX(mss, (uint32_t)TCP_MSS_MIN));
	}
	tcp_conn_set_mss(c);
}
