/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The short way out: one small segment of new data, which carries the acknowledgment, as an answer
 * or a request is. Most of output.c, sent.c and transmit.c is for what is not so: windows that are
 * full, losses, several segments, what is referred to rather than copied.
 *
 *     may_leave()    asks at a glance whether all of what is unsent may leave now, in one segment
 *     record()       as take_segment() of output.c
 *     build()        as transmit() of transmit.c
 *     tcp_fast_output() the rest of output(), in its order
 *
 * Invariant: whatever is sent here, and all that is remembered of it, is as if the general way had
 * been taken; test/sim compares. So a question that cannot be answered at once is answered no, and
 * nothing has changed then. What is left out: everything else.
 */
#include "headers.h"

/* What of a connection's flags rules the short way out. */
enum {
	IN_THE_WAY =
		(int)(CONN_SEND_PROBE | CONN_MORE | CONN_FIN_DUE | CONN_DSACK_DUE | CONN_URG_SEND),
};

/* Nothing asks for anything but that new data leaves. */
static bool
is_ordinary(const struct tcp_conn *c)
{
	return c->state == TCP_ESTABLISHED &&
	       (c->flags & ((uint32_t)IN_THE_WAY | CONN_CORK)) == 0 && c->ca_state <= CA_DISORDER &&
	       c->unrepaired_segs == 0 && c->ecn == 0 && !c->frozen && !c->frto_new_first &&
	       !c->eor_used && !c->pacing.on && !c->mtu_search.on && c->dupacks_due == 0 &&
	       TAILQ_EMPTY(&c->ranges) && c->paths_generation == c->engine->paths_generation;
}

/* Nagle, in Minshall's form: should_hold() of output.c. */
static bool
nagle_holds(const struct tcp_conn *c)
{
	return (c->flags & CONN_NODELAY) == 0 && c->snd_nxt != c->snd_una &&
	       seq_gt(c->snd_sml, c->snd_una);
}

/* Whether all that is unsent may leave as one segment, shorter than a full one, from one mbuf. */
static bool
may_leave(const struct tcp_conn *c)
{
	uint32_t len = c->unsent_bytes, wnd = c->snd_una + c->snd_wnd - c->snd_nxt;
	const struct rte_mbuf *m = c->unsent_m;

	return len > 0 && len <= TCP_COPY_MAX_BYTES && len < c->mss && is_ordinary(c) &&
	       (int32_t)wnd >= (int32_t)len && tcp_flight_segs(c) < c->cwnd && !nagle_holds(c) &&
	       (uint32_t)m->data_off + m->data_len - c->unsent_off == len &&
	       !c->engine->no_data_mbuf && c->engine->config.fast_paths;
}

/* An mbuf that holds headers and payload, as alloc_for() of transmit.c; NULL: none, or none is
 * large enough. */
static struct rte_mbuf *
alloc_for(struct tcp_engine *e, uint32_t len)
{
	if (len <= headers_leave(e->config.header_pool))
		return rte_pktmbuf_alloc(e->config.header_pool);
	return len <= headers_leave(e->config.data_pool) ? rte_pktmbuf_alloc(e->config.data_pool)
							 : NULL;
}

/* Moves it from what is unsent to what was sent; NULL, nothing changed, without a record for it. */
static struct tcp_sent *
record(struct tcp_conn *c)
{
	uint32_t len = c->unsent_bytes;
	struct tcp_sent *s = tcp_sent_append(c, len, 0);

	if (s == NULL)
		return NULL;
	s->m = c->unsent_m;
	s->data_off = (uint16_t)c->unsent_off;
	if (s->m->packet_type & MBUF_PUSH)
		s->flags |= SENT_PSH;
	c->snd_nxt += len;
	c->snd_sml = c->snd_nxt;
	c->unsent_bytes = 0;
	c->unsent_m = NULL;
	c->unsent_off = 0;
	return s;
}

/* The segment of a record, in an mbuf that has room for it. */
static void
build(struct tcp_conn *c, const struct tcp_sent *s, struct rte_mbuf *m)
{
	unsigned int options_len = c->flags & CONN_TIMESTAMPS ? TCP_TIMESTAMPS_ALIGNED_BYTES : 0;
	struct tcp_header *th = headers_start(m, &c->tuple, options_len);
	uint8_t *options = (uint8_t *)(th + 1);
	uint32_t len = s->end - s->seq;
	struct tcp_engine *e = c->engine;

	if (options_len != 0)
		tcp_options_encode_timestamps(tcp_now_ts(e, c->ts_offset), c->ts_recent, options);
	th->seq = be32(s->seq);
	th->ack = be32(c->rcv_nxt);
	th->flags = s->flags & SENT_PSH ? TCP_ACK | TCP_PSH : TCP_ACK;
	th->wnd = be16((uint16_t)RTE_MIN(tcp_window_to_offer(c) >> c->rcv_wscale_shift, 0xffffu));
	memcpy(options + options_len, (const uint8_t *)s->m->buf_addr + s->data_off, len);
	m->data_len = (uint16_t)(m->data_len + len);
	m->pkt_len += len;
	headers_finish(e, m, &c->tuple, (struct headers_marks){c->ttl, c->tos}, c->path_flags);
	tcp_transmit_enqueue(e, m, c->hop, 1);
}

/* What TCP_INFO and the counters tell of it. */
static void
count(struct tcp_conn *c, uint32_t len)
{
	c->segs_out++;
	c->data_segs_out++;
	c->bytes_sent += len;
	c->last_data_sent_ms = c->engine->now_ms;
	TCP_ADD(c->engine, bytes_out, len);
	TCP_COUNT(c->engine, short_out);
}

/* As depart() of output.c: nothing was in flight before it. */
static void
flight_begins(struct tcp_conn *c)
{
	c->progress_us = c->engine->now_us;
	tcp_rtx_restart(c);
}

bool
tcp_fast_output(struct tcp_conn *c)
{
	uint32_t len = c->unsent_bytes, idle_ms = c->engine->now_ms - c->last_data_sent_ms;
	bool resumes, limited;
	struct tcp_sent *s;
	struct rte_mbuf *m;

	if (!may_leave(c))
		return false;
	m = alloc_for(c->engine, len);
	if (m == NULL)
		return false;
	s = record(c);
	if (s == NULL) {
		rte_pktmbuf_free(m);
		return false;
	}
	build(c, s, m);
	count(c, len);
	tcp_note_ack_sent(c, true);
	resumes = tcp_flight_segs(c) <= 1;
	if (resumes && c->cc->resumes != NULL)
		c->cc->resumes(c, idle_ms);
	if (c->sent_segs == 1)
		flight_begins(c);
	limited = tcp_flight_segs(c) >= c->cwnd;
	tcp_cwnd_validate(c, limited);
	tcp_chrono_stop(c, CHRONO_RWND);
	if (!limited && (c->flags & CONN_WANT_ROOM))
		tcp_chrono_start(c, CHRONO_SNDBUF);
	if (c->rtx_kind == RTX_TLP && c->sent_segs > 1)
		tcp_tlp_schedule(c, tcp_rto_at(c));
	if (c->rtx_at_us == UINT64_MAX)
		tcp_rtx_restart(c);
	tcp_timer_by(c, c->rtx_at_us);
	return true;
}
