/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * When a silent peer is given up: RFC 9293 §3.8.3's R2, RFC 5482 (TCP_USER_TIMEOUT), RFC 6429
 * (probes of a closed window).
 *
 * As on Linux retransmissions are not counted but timed: `retries` stands for the time that so many
 * would take from the first on, were the time-out TCP_RTO_MIN_US at first and doubled each time up
 * to its maximum. TCP_USER_TIMEOUT replaces that time. An orphan, whose user will not hear of it,
 * has less patience. Probes of a closed window are counted, and any answer starts the count anew:
 * a peer may keep its window closed as long as it likes, but not towards an orphan, and not beyond
 * TCP_USER_TIMEOUT.
 */
#include <rte_common.h>

#include "engine.h"

/* As Linux: how long a socket that sent something a moment ago is tried, if nobody says. */
enum { ORPHAN_RETRIES_ALIVE = 8 };

static uint32_t
rto_max_us(const struct tcp_conn *c)
{
	return c->rto_max_ms * 1000;
}

/* The time that `retries` retransmissions and the last one's time-out take. */
static uint64_t
model_us(const struct tcp_conn *c, unsigned int retries, uint64_t base_us)
{
	uint64_t us = 0, rto_us = base_us;

	for (unsigned int i = 0; i <= retries; i++) {
		us += rto_us;
		rto_us = RTE_MIN(rto_us * 2, (uint64_t)rto_max_us(c));
	}
	return us;
}

/* The time-out is still short: it sent something a moment ago. */
static bool
is_alive(const struct tcp_conn *c)
{
	return (uint64_t)c->rto_us << RTE_MIN(c->backoffs, (uint8_t)16) < rto_max_us(c);
}

static uint8_t
orphan_retries(const struct tcp_conn *c)
{
	uint8_t retries = c->engine->config.orphan_retries;

	if (c->soft_error != 0 && !is_alive(c))
		return 0;
	return retries == 0 && is_alive(c) ? ORPHAN_RETRIES_ALIVE : retries;
}

static bool
user_timed_out(const struct tcp_conn *c, uint64_t since_us)
{
	return c->user_timeout_ms != 0 &&
	       c->engine->now_us - since_us >= (uint64_t)c->user_timeout_ms * 1000;
}

/*
 * Handshakes: by their number, and by the user's time-out or, without one, by the time that so many
 * would take if none followed the one before evenly.
 */
static bool
handshake_timed_out(const struct tcp_conn *c)
{
	const struct tcp_config *config = &c->engine->config;
	unsigned int allowed = c->syn_retries, even = 0;

	if (allowed == 0)
		allowed = c->state == TCP_SYN_SENT ? config->syn_retries : config->synack_retries;
	if (c->state == TCP_SYN_SENT)
		even = config->syn_linear_timeouts;
	if (c->retries >= allowed + even)
		return true;
	if (c->retries == 0)
		return false;
	if (c->user_timeout_ms != 0)
		return user_timed_out(c, c->progress_us);
	return c->engine->now_us - c->progress_us >= model_us(c, allowed, TCP_RTO_INITIAL_US);
}

/*
 * A peer who shrank its window to nothing under what is in flight, and who still answers, is alive;
 * not so to an orphan, nor to a user who said how long he waits.
 */
static bool
is_held_by_peer(const struct tcp_conn *c)
{
	uint32_t silent_ms = c->engine->now_ms - c->heard_ms;

	return c->snd_wnd == 0 && (c->flags & CONN_ORPHAN) == 0 && c->user_timeout_ms == 0 &&
	       silent_ms <= 2 * c->rto_max_ms;
}

bool
tcp_rtx_timed_out(const struct tcp_conn *c)
{
	uint64_t since_us = c->engine->now_us - c->rtx_since_us;
	uint8_t allowed = c->engine->config.retries;

	if (c->state < TCP_ESTABLISHED)
		return handshake_timed_out(c);
	if (c->retries == 0 || is_held_by_peer(c))
		return false;
	if (c->user_timeout_ms != 0)
		return user_timed_out(c, c->rtx_since_us);
	if (c->flags & CONN_ORPHAN)
		allowed = orphan_retries(c);
	return since_us >= model_us(c, allowed, TCP_RTO_MIN_US);
}

bool
tcp_persist_timed_out(const struct tcp_conn *c)
{
	uint8_t allowed = c->engine->config.retries;

	if (user_timed_out(c, c->progress_us))
		return true;
	if (c->flags & CONN_ORPHAN) {
		allowed = orphan_retries(c);
		if (!is_alive(c) && c->backoffs >= allowed)
			return true;
	}
	return c->probes >= allowed;
}

uint64_t
tcp_clamp_to_user_timeout(const struct tcp_conn *c, uint64_t at_us, uint64_t since_us)
{
	uint64_t end_us = since_us + (uint64_t)c->user_timeout_ms * 1000;

	if (c->user_timeout_ms == 0 || at_us <= end_us)
		return at_us;
	return RTE_MAX(end_us, c->engine->now_us + 1000);
}
