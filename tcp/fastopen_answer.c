/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What comes back to a client that used Fast Open, RFC 7413 §4.2.1 and §7.1: SYN-ACKs that
 * acknowledge all, part or none of the SYN's data, silence, ICMP errors, crossing SYNs; what they
 * teach goes to the cache, and the signs of a black hole, which are Linux's, to the guard:
 *
 *     the third time-out in a row, during the handshake or after it, or an end by time-out earlier
 *     a FIN or a reset that came out of order where no data came at all
 *
 * Leaves out: nothing that Linux has.
 */
#include "engine.h"

/* Tells other engines; the guard itself is told by the caller. */
static void
tell(struct tcp_engine *e, enum tcp_fastopen_news_kind kind)
{
	struct tcp_fastopen_news news = {.kind = kind};

	if (e->env.fastopen_news != NULL)
		e->env.fastopen_news(e->env.ctx, &news);
}

bool
tcp_fastopen_crossed(struct tcp_conn *c)
{
	if (tcp_sent_append(c, 1, SENT_SYN) == NULL)
		return false;
	c->snd_nxt = c->iss + 1;
	c->progress_us = c->engine->now_us;
	c->fastopen.deferred = false;
	c->ecn = 0; /* no SYN of ours has asked for it */
	TCP_COUNT(c->engine, active_opens);
	return true;
}

void
tcp_fastopen_crossed_answer(struct tcp_conn *c)
{
	tcp_transmit_syn(c, TCP_SYN | TCP_ACK, NULL);
	tcp_rtx_restart(c);
}

/* ---- SYN-ACKs */

void
tcp_fastopen_synack(struct tcp_conn *c, const struct tcp_segment *seg)
{
	struct tcp_fastopen_client *f = &c->fastopen;
	bool again = c->retransmits != f->retransmits_before;
	bool unacked = c->snd_una != c->snd_nxt;
	struct fastopen_lesson lesson = {
		.local = c->tuple.local,
		.remote = c->tuple.remote,
		.mss = c->peer_mss,
	};

	if (f->option_out && seg->opt.has_fastopen)
		lesson.cookie = &seg->opt.fastopen;
	else if (f->option_out && again)
		/* It seems that only the SYN without data and option arrived. */
		lesson.lost = unacked;
	else if (f->option_out && !f->data_out)
		lesson.kinds_tried = f->experimental ? 2 : 1;
	fastopen_cache_learn(c->engine, &lesson);

	if (unacked) {
		f->fail = again ? FASTOPEN_FAIL_SYN_AGAIN : FASTOPEN_FAIL_NOT_ACKED;
		TCP_COUNT(c->engine, fastopen_active_fail);
		tcp_resend_smaller(c, 0);
	} else if (f->data_out) {
		f->data_acked = true;
		TCP_COUNT(c->engine, fastopen_active);
		/* As Linux: SYN and data were one segment. */
		c->delivered_segs -= c->delivered_segs > 1;
	}
}

/* ---- Trouble */

void
tcp_fastopen_too_big(struct tcp_conn *c)
{
	tcp_retransmit(c, TAILQ_FIRST(&c->sent));
	tcp_rtx_restart(c);
}

static void
black_hole(struct tcp_engine *e)
{
	if (e->config.fastopen_blackhole_s == 0)
		return;
	TCP_COUNT(e, fastopen_blackhole);
	fastopen_guard_note(e);
	tell(e, TCP_FASTOPEN_NEWS_BLACK_HOLE);
}

void
tcp_fastopen_timeout(struct tcp_conn *c, bool last)
{
	if (!tcp_fastopen_was_used(&c->fastopen))
		return;
	if (c->retries == 2 || (c->retries < 2 && last)) {
		black_hole(c->engine);
		TCP_COUNT(c->engine, fastopen_active_fail);
	}
}

void
tcp_fastopen_odd_reset(struct tcp_conn *c)
{
	if (c->fastopen.option_out && c->data_segs_in == 0 && c->state == TCP_ESTABLISHED)
		black_hole(c->engine);
}

void
tcp_fastopen_over(struct tcp_conn *c)
{
	struct tcp_engine *e = c->engine;

	if (c->data_segs_in == 0) {
		if ((c->flags & CONN_FIN_KNOWN) && !tcp_peer_finished(c))
			black_hole(e);
	} else if (c->fastopen.probing && e->fastopen_guard.times > 0 &&
		   !e->env.is_local(e->env.ctx, &c->tuple.remote)) {
		fastopen_guard_clear(e);
		tell(e, TCP_FASTOPEN_NEWS_WORKS);
	}
}
