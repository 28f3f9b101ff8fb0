/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A connection's timers. It has five times, and one place in the wheel that fires no later than the
 * earliest of them:
 *
 *     rtx_at_us   while something is unacknowledged: retransmission (RFC 6298 §5);
 *                 while data waits for a window and nothing is in flight: persist
 *                 (RFC 9293 §3.8.6.1)
 *     ack_at_us   while an acknowledgment is delayed
 *     life_at_us  while the user has closed and the peer has not: the end of FIN-WAIT-2;
 *                 while a CLC message is awaited: until when (clc_exchange.c)
 *     keep_at_us  with SO_KEEPALIVE: when to look whether the peer is silent (keepalive.c)
 *     pace_at_us  while something waits for its slot (pacing.c)
 *
 * A time that moves later is not moved in the wheel; the timer fires, finds nothing due, and is
 * added again for the time that holds now. When a silent peer is given up is give_up.c's question.
 */
#include <errno.h>

#include <rte_common.h>

#include "engine.h"

/* How soon to try again what failed for want of memory. */
enum { STARVED_RETRY_US = 100 * 1000 };

static uint64_t
earliest(const struct tcp_conn *c)
{
	return RTE_MIN(c->pace_at_us, RTE_MIN(RTE_MIN(c->rtx_at_us, c->ack_at_us),
					      RTE_MIN(c->life_at_us, c->keep_at_us)));
}

void
tcp_timers_arm(struct tcp_conn *c)
{
	uint64_t at_us = earliest(c);

	if (c->frozen || at_us == UINT64_MAX ||
	    (wheel_is_armed(&c->timer) && c->timer.at_us <= at_us))
		return;
	wheel_remove(&c->timer);
	wheel_add(&c->engine->wheel, &c->timer, at_us);
}

/* RTO or probe interval after `backoffs` doublings. */
static uint64_t
backed_off(const struct tcp_conn *c)
{
	uint64_t us = (uint64_t)c->rto_us << RTE_MIN(c->backoffs, (uint8_t)16);

	return RTE_MIN(us, (uint64_t)c->rto_max_ms * 1000);
}

uint64_t
tcp_rto_at(const struct tcp_conn *c)
{
	const struct tcp_sent *s = TAILQ_FIRST(&c->sent);

	return (s != NULL ? s->sent_us : c->engine->now_us) + backed_off(c);
}

void
tcp_rtx_restart(struct tcp_conn *c)
{
	bool flies = !TAILQ_EMPTY(&c->sent);
	bool waits = flies || c->unsent_bytes > 0 ||
		     (c->flags & (CONN_FIN_DUE | CONN_FIN_SENT)) == CONN_FIN_DUE;
	/* Its user found no mbuf to put a first byte into: no acknowledgment will tell him. */
	bool starves = (c->flags & CONN_WANT_ROOM) && c->sendq.bytes == 0;

	if (c->flags & CONN_OPENING)
		return; /* it is the SYN-ACK's time, whatever is sent or acknowledged */
	if (!flies || !tcp_tlp_schedule(c, c->engine->now_us + backed_off(c))) {
		c->rtx_kind = RTX_TIMEOUT;
		c->rtx_at_us = waits ? c->engine->now_us + tcp_pacing_delay_us(c) + backed_off(c)
			       : starves ? c->engine->now_us + TCP_STARVED_USER_US
					 : UINT64_MAX;
		/* A peer who answers keeps a closed window no longer than the user likes. */
		if (waits && !flies && c->backoffs > 0)
			c->rtx_at_us = tcp_clamp_to_user_timeout(c, c->rtx_at_us, c->progress_us);
	}
	tcp_timer_by(c, c->rtx_at_us);
}

static void
give_up(struct tcp_conn *c)
{
	TCP_COUNT(c->engine, timeouts);
	tcp_conn_end(c, c->soft_error != 0 ? c->soft_error : ETIMEDOUT);
}

static void
retransmission_timeout(struct tcp_conn *c)
{
	bool last = tcp_rtx_timed_out(c);

	tcp_fastopen_timeout(c, last);
	if (last) {
		give_up(c);
		return;
	}
	TCP_COUNT(c->engine, rto);
	c->total_rtos++;
	if (c->state >= TCP_ESTABLISHED) {
		tcp_mtu_black_hole(c);
		tcp_recovery_timeout(c);
	}
	c->rtx_kind = RTX_TIMEOUT;
	if (!tcp_retransmit(c, TAILQ_FIRST(&c->sent)) && tcp_conn_has_path(c)) {
		/* Want of memory here is no news of the network: no backing off. */
		c->rtx_at_us = c->engine->now_us + STARVED_RETRY_US;
		return;
	}
	if (c->retries == 0)
		c->rtx_since_us = c->engine->now_us;
	c->retries = (uint8_t)RTE_MIN(c->retries + 1, 255);
	if (c->state != TCP_SYN_SENT || c->retries > c->engine->config.syn_linear_timeouts)
		c->backoffs = (uint8_t)RTE_MIN(c->backoffs + 1, 255);
	c->probes = (uint8_t)RTE_MIN(c->probes + 1, 255);
	c->rtx_at_us = tcp_clamp_to_user_timeout(c, c->engine->now_us + backed_off(c),
						 c->state == TCP_SYN_SENT ? c->progress_us
									  : c->rtx_since_us);
}

static void
persist_timeout(struct tcp_conn *c)
{
	if (c->backoffs == 0)
		c->progress_us = c->engine->now_us;
	else if (tcp_persist_timed_out(c)) {
		give_up(c);
		return;
	}
	c->probes = (uint8_t)RTE_MIN(c->probes + 1, 255);
	c->backoffs = (uint8_t)RTE_MIN(c->backoffs + 1, 255);
	c->flags |= CONN_SEND_PROBE;
	tcp_mark_dirty(c);
	c->rtx_at_us =
		tcp_clamp_to_user_timeout(c, c->engine->now_us + backed_off(c), c->progress_us);
}

/* Data waits for a window, or its user for an mbuf to put data into. */
static void
nothing_in_flight(struct tcp_conn *c)
{
	if (c->unsent_bytes > 0 || (c->flags & (CONN_FIN_DUE | CONN_FIN_SENT)) == CONN_FIN_DUE) {
		persist_timeout(c);
		return;
	}
	c->rtx_at_us = UINT64_MAX;
	if (c->flags & CONN_WANT_ROOM) {
		c->flags &= ~CONN_WANT_ROOM;
		tcp_mark_event(c);
	}
}

/* After RACK's turn, or TLP's without a probe, the time-out is next. */
static void
then_timeout(struct tcp_conn *c)
{
	c->rtx_kind = RTX_TIMEOUT;
	c->rtx_at_us = RTE_MAX(tcp_rto_at(c), c->engine->now_us + 1);
}

static void
rtx_timer_fired(struct tcp_conn *c)
{
	if (c->flags & CONN_OPENING) {
		tcp_fastopen_synack_timeout(c);
		return;
	}
	if (TAILQ_EMPTY(&c->sent)) {
		nothing_in_flight(c);
		return;
	}
	switch (c->rtx_kind) {
	case RTX_REORDER:
		then_timeout(c);
		tcp_recovery_reorder_timeout(c);
		break;
	case RTX_TLP:
		if (tcp_tlp_send(c)) {
			/* RFC 8985 §7.3: the time-out runs anew. */
			c->rtx_kind = RTX_TIMEOUT;
			c->rtx_at_us = c->engine->now_us + backed_off(c);
		} else {
			then_timeout(c);
		}
		break;
	default:
		retransmission_timeout(c);
		break;
	}
}

static void
conn_timer_fired(struct tcp_conn *c)
{
	uint64_t now_us = c->engine->now_us;

	if (now_us >= c->life_at_us && tcp_clc_is_on(c)) {
		tcp_clc_timeout(c);
		return;
	}
	if (now_us >= c->life_at_us) {
		TCP_COUNT(c->engine, timeouts);
		tcp_conn_end(c, ETIMEDOUT);
		return;
	}
	if (now_us >= c->ack_at_us)
		tcp_delack_timeout(c);
	if (now_us >= c->pace_at_us) {
		c->pace_at_us = UINT64_MAX;
		tcp_mark_dirty(c);
	}
	if (now_us >= c->rtx_at_us)
		rtx_timer_fired(c);
	if ((c->flags & CONN_DEAD) == 0 && now_us >= c->keep_at_us)
		tcp_keepalive_fired(c);
	if ((c->flags & CONN_DEAD) == 0 && c->state != TCP_CLOSED)
		tcp_timers_arm(c);
}

void
tcp_timer_fired(struct tcp_engine *e, struct wheel_timer *t)
{
	if (slab_contains(&e->conns, t))
		conn_timer_fired(
			(struct tcp_conn *)((uint8_t *)t - offsetof(struct tcp_conn, timer)));
	else
		tcp_request_timeout(e, (struct tcp_request *)((uint8_t *)t -
							      offsetof(struct tcp_request, timer)));
}

void
tcp_user_closed(struct tcp_conn *c)
{
	uint64_t ms, us;

	if (c->state != TCP_FIN_WAIT_2)
		return;
	if (c->linger2_s < 0) {
		tcp_conn_reset(c, 0);
		return;
	}
	ms = c->linger2_s > 0 ? (uint64_t)c->linger2_s * 1000 : c->engine->config.timewait_ms;
	/* As Linux: a FIN must have the time to be sent again. */
	us = RTE_MAX(ms * 1000, (uint64_t)c->rto_us * 7 / 2);
	c->life_at_us = c->engine->now_us + us;
	tcp_timers_arm(c);
}

void
tcp_advance(struct tcp_engine *e, uint64_t now_us)
{
	struct wheel_timer *t;

	e->now_us = now_us;
	e->now_ms = (uint32_t)(now_us / 1000);
	wheel_advance(&e->wheel, now_us);
	while ((t = wheel_take_due(&e->wheel)) != NULL)
		tcp_timer_fired(e, t);
	if (now_us >= e->timewait_next_us)
		tcp_timewait_advance(e);
	if (now_us >= e->pmtu_next_us)
		tcp_pmtu_advance(e);
	if (now_us >= e->mutes.next_us)
		tcp_mute_advance(e);
	if (now_us >= e->folds.next_us || e->conns.used >= e->folds.pressed_at)
		tcp_fold_sweep(e);
	tcp_deliver_events(e);
}

uint64_t
tcp_next_timer(const struct tcp_engine *e)
{
	bool work_waits = e->dirty_head != NULL || e->events_head != NULL || e->n_tx > 0;

	if (work_waits)
		return e->now_us;
	return RTE_MIN(RTE_MIN(wheel_next(&e->wheel), e->timewait_next_us),
		       RTE_MIN(RTE_MIN(e->pmtu_next_us, e->mutes.next_us), e->folds.next_us));
}
