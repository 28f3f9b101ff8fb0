/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A connection out of the engine and into it, by the table of checkpoint.def.
 *
 * A restored connection begins in repair, its timers out of the wheel. What was in flight is so
 * still, in records of full segments, none of them known to be lost or to have arrived; what had
 * arrived out of order is gone, and the peer, who was told of it by SACK only, sends it again (RFC
 * 2018 §8). Loss recovery that was under way is over, with the window that it would have left.
 *
 * A checkpoint may come from a file: nothing in it is believed before all of it has been looked at
 * (checkpoint_sound.c).
 */
#include <errno.h>

#include <rte_common.h>

#include "engine.h"

/* ---- saving */

static int64_t
due_of(uint64_t at_us, uint64_t now_us)
{
	if (at_us == UINT64_MAX)
		return -1;
	return at_us > now_us ? (int64_t)(at_us - now_us) : 0;
}

static int64_t
age_of(uint64_t at_us, uint64_t now_us)
{
	return at_us == 0 || at_us > now_us ? -1 : (int64_t)(now_us - at_us);
}

void
tcp_checkpoint_rows(const struct tcp_conn *c, struct tcp_checkpoint *out)
{
	/* In repair time stands still. */
	uint64_t now_us = c->frozen ? c->repair.since_us : c->engine->now_us;
	uint32_t now_ms = (uint32_t)(now_us / 1000);

#define KEPT_FLAG(name, flag) out->name = (c->flags & (flag)) != 0;
#define KEPT_VALUE(type, name, field) out->name = c->field;
#define KEPT_DUE_US(name, field) out->name = due_of(c->field, now_us);
#define KEPT_SINCE_US(name, field) out->name = age_of(c->field, now_us);
#define KEPT_SINCE_MS(name, field) out->name = now_ms - c->field;
#include "checkpoint.def"
}

static void
prefetch(const struct tcp_conn *c)
{
	for (size_t at = 0; at < sizeof(*c); at += RTE_CACHE_LINE_SIZE)
		__builtin_prefetch((const uint8_t *)c + at, 1);
}

void
tcp_checkpoint_prefetch(const struct tcp_conn *c)
{
	prefetch(c);
}

void
tcp_checkpoint_congestion(const struct tcp_cc_ops *cc, struct tcp_checkpoint *out)
{
	memset(out->congestion, 0, sizeof(out->congestion));
	memcpy(out->congestion, cc->name, RTE_MIN(strlen(cc->name), sizeof(out->congestion) - 1));
}

/* Or does so: how far it has got there is not in a checkpoint. */
static bool
is_to_talk_clc(const struct tcp_conn *c)
{
	return tcp_clc_is_on(c) ||
	       (c->smc.speaks_clc && c->smc.syn && c->state <= TCP_SYN_RECEIVED);
}

int
tcp_checkpoint(struct tcp_conn *c, struct tcp_checkpoint *out)
{
	if (c->state == TCP_CLOSED || c->state == TCP_LISTEN)
		return -EINVAL;
	if ((c->flags & CONN_OPENING) || is_to_talk_clc(c))
		return -EBUSY;
	tcp_repair_acknowledge(c);
	out->tuple = c->tuple;
	out->state = c->state;
	out->ts_now = tcp_now_ts(c->engine, c->ts_offset);
	out->ts_recent_age = tcp_now_s(c->engine) - c->ts_recent_s;
	out->orphan = (c->flags & CONN_ORPHAN) != 0;
	out->recvq = c->recvq.head;
	out->sendq = c->sendq.head;
	out->recvq_bytes = c->recvq.bytes;
	out->sendq_bytes = c->sendq.bytes;
	out->unsent_bytes = c->unsent_bytes;
	tcp_checkpoint_rows(c, out);
	tcp_checkpoint_congestion(c->cc, out);
	if (c->ca_state >= CA_CWR)
		out->cwnd = RTE_MAX(RTE_MIN(c->cwnd, c->ssthresh), 1u);
	/* What is lost, and when to probe, it finds out anew. */
	if (c->rtx_kind != RTX_TIMEOUT)
		out->rtx_in_us = -1;
	TCP_COUNT(c->engine, checkpoints);
	return 0;
}

void
tcp_close_silently(struct tcp_conn *c)
{
	tcp_repair_close(c);
}

/* The SYN counts while it is not acknowledged, and so does the FIN. */
static bool
syn_is_out(const struct tcp_checkpoint *in)
{
	return in->state < TCP_ESTABLISHED;
}

static bool
fin_is_out(const struct tcp_checkpoint *in)
{
	return in->fin_sent && in->snd_una != in->snd_nxt;
}

/* ---- restoring */

static uint64_t
at_of(int64_t due_us, uint64_t now_us)
{
	return due_us < 0 ? UINT64_MAX : now_us + RTE_MIN((uint64_t)due_us, WHEEL_SPAN_US);
}

/* A moment before the clock began is its beginning. */
static uint64_t
since_of(int64_t age_us, uint64_t now_us)
{
	if (age_us < 0)
		return 0;
	return (uint64_t)age_us < now_us ? now_us - (uint64_t)age_us : 1;
}

static void
load_rows(struct tcp_conn *c, const struct tcp_checkpoint *in)
{
	uint64_t now_us = c->engine->now_us;
	uint32_t now_ms = c->engine->now_ms;

#define KEPT_FLAG(name, flag)                                                                      \
	c->flags = in->name ? c->flags | (uint32_t)(flag) : c->flags & ~(uint32_t)(flag);
#define KEPT_VALUE(type, name, field) c->field = in->name;
#define KEPT_DUE_US(name, field) c->field = at_of(in->name, now_us);
#define KEPT_SINCE_US(name, field) c->field = since_of(in->name, now_us);
#define KEPT_SINCE_MS(name, field) c->field = now_ms - in->name;
#include "checkpoint.def"
}

/* Its place in the flow table, and its share in its port. */
static int
take_place(struct tcp_conn *c)
{
	struct flow_table *t = &c->engine->flows;
	int status = tcp_port_take_tuple(c);

	if (status < 0)
		return status;
	if (flow_set(t, &c->tuple, flow_hash(t, &c->tuple), flow_make(c, FLOW_FROZEN)) < 0) {
		TCP_COUNT(c->engine, drop_flow_table);
		return -ENOBUFS;
	}
	c->flags |= CONN_IN_FLOWS;
	tcp_hold_take(c);
	return 0;
}

/* All that it can find out by itself, and then what the checkpoint says. */
static void
begin(struct tcp_conn *c, const struct tcp_checkpoint *in)
{
	c->snd_una = in->snd_una;
	c->snd_nxt = in->snd_nxt;
	c->cc->start(c);
	load_rows(c, in);
	if (in->state > TCP_SYN_SENT)
		tcp_conn_start_path(c);
	else
		tcp_conn_set_mss(c);
	tcp_rcv_announce(c);
	c->cubic.per = RTE_MAX(c->cubic.per, 1u);
	c->state = in->state;
	c->ts_offset = in->ts_now - c->engine->now_ms;
	c->ts_recent_s = tcp_now_s(c->engine) - in->ts_recent_age;
	c->rtt_seq = c->snd_nxt;
	c->recover = c->rack.fack = c->snd_una;
	c->autotune.window_end = c->autotune.space_seq = c->rcv_nxt;
	if (in->peer_fin) {
		c->flags |= CONN_FIN_KNOWN;
		c->fin_seq = c->rcv_nxt - 1;
	}
	if (in->min_rtt_us > 0)
		for (unsigned int i = 0; i < RTE_DIM(c->min_rtts); i++)
			c->min_rtts[i] = (struct tcp_rtt_at){c->engine->now_ms, in->min_rtt_us};
}

/* Records of what is out; false without memory. The numbers are those that were sent. */
static bool
lay_out_sent(struct tcp_conn *c, const struct tcp_checkpoint *in)
{
	seq_t end = c->snd_nxt;
	bool ok = true;

	c->snd_nxt = c->snd_una;
	if (syn_is_out(in)) {
		ok = tcp_sent_append(c, 1, SENT_SYN | SENT_EVER_RETRANS) != NULL;
		c->snd_nxt += ok;
	}
	if (ok && in->unsent_bytes < in->sendq_bytes)
		ok = tcp_repair_mark_sent(c, in->unsent_bytes);
	if (ok && fin_is_out(in)) {
		ok = tcp_sent_append(c, 1, SENT_FIN | SENT_EVER_RETRANS) != NULL;
		c->snd_nxt += ok;
	}
	c->snd_nxt = end;
	c->snd_sml = in->snd_sml;
	c->pushed_seq = in->pushed_seq;
	return ok;
}

/* Takes the chains into the queues, as they are. */
static void
take_queues(struct tcp_conn *c, const struct tcp_checkpoint *in)
{
	struct tcp_engine *e = c->engine;

	for (struct rte_mbuf *m = in->sendq; m != NULL; m = m->next)
		m->packet_type = 0;
	mbufq_append(&c->sendq, in->sendq);
	e->queued_bufs += c->sendq.bufs;
	mbufq_append(&c->recvq, in->recvq);
	tcp_rcv_adjust_held(e, 0, c->recvq.bufs);
	c->unsent_m = c->sendq.head;
	c->unsent_off = c->unsent_m != NULL ? c->unsent_m->data_off : 0;
	c->unsent_bytes = c->sendq.bytes;
	if (in->unsent_bytes > 0 && !in->more)
		c->sendq.tail->packet_type = MBUF_PUSH; /* a write ended there */
}

/* Whether the lane keeps buffers for what arrives: as with the peer's data, no queue takes the
 * last. */
static bool
fits(const struct tcp_engine *e, const struct tcp_conn *c)
{
	return c->recvq.bufs == 0 || e->held_bufs <= e->config.max_held_bufs;
}

/* Gives the chains back to their owner: the connection that would have had them goes. */
static void
give_up(struct tcp_conn *c)
{
	struct tcp_engine *e = c->engine;

	tcp_sent_clear(c);
	e->queued_bufs -= c->sendq.bufs;
	tcp_rcv_adjust_held(e, c->recvq.bufs, 0);
	c->sendq = c->recvq = (struct mbufq){0};
	c->unsent_m = NULL;
	tcp_conn_free(c);
}

int
tcp_restore(struct tcp_engine *e, const struct tcp_checkpoint *in, struct tcp_conn **out)
{
	const struct tcp_cc_ops *cc;
	struct tcp_conn *c;
	int status;

	if (!tcp_checkpoint_is_sound(in))
		return -EINVAL;
	cc = tcp_cc_find(in->congestion);
	if (cc == NULL)
		return -ENOENT;
	c = tcp_conn_new(e);
	if (c == NULL)
		return -ENOBUFS;
	c->cc = cc;
	c->frozen = true;
	c->repair.since_us = e->now_us;
	c->tuple = in->tuple;
	c->flags |= in->active ? CONN_ACTIVE : 0;
	status = tcp_conn_find_path(c);
	if (status == 0)
		status = take_place(c);
	if (status == 0) {
		begin(c, in);
		take_queues(c, in);
		status = fits(e, c) && lay_out_sent(c, in) ? 0 : -ENOBUFS;
	}
	if (status < 0) {
		give_up(c);
		return status;
	}
	TCP_COUNT(e, restores);
	/* They come in numbers: the next one's place. */
	if (e->conns.free_head != NULL)
		prefetch(e->conns.free_head);
	*out = c;
	return 0;
}

void
tcp_go_on(struct tcp_conn *c)
{
	tcp_repair_leave(c);
}

void
tcp_ask(struct tcp_conn *c)
{
	if (!c->frozen && c->state > TCP_SYN_RECEIVED)
		tcp_repair_ask(c);
}

void
tcp_resume(struct tcp_conn *c)
{
	bool was_frozen = c->frozen;

	tcp_go_on(c);
	if (was_frozen)
		tcp_ask(c);
}

struct rte_mbuf *
tcp_copy_bytes(struct tcp_engine *e, const void *bytes, size_t n)
{
	struct mbufq q = {0};
	const uint8_t *from = bytes;
	struct rte_mbuf *m;

	while (n > 0) {
		m = tcp_repair_copy(e, from, n, UINT16_MAX);
		if (m == NULL) {
			mbufq_clear(&q);
			return NULL;
		}
		from += m->data_len;
		n -= m->data_len;
		mbufq_append(&q, m);
	}
	return q.head;
}
