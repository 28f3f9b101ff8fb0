/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Keep-alives: RFC 9293 §3.8.4, RFC 1122 §4.2.3.6; off unless SO_KEEPALIVE asks for them.
 *
 * A connection with nothing to send, from whose peer nothing came for TCP_KEEPIDLE, is probed each
 * TCP_KEEPINTVL: a segment without payload before snd_una, which the peer must answer. After
 * TCP_KEEPCNT probes without an answer it is reset; with TCP_USER_TIMEOUT, as on Linux, once the
 * peer was silent for so long and at least one probe went out, whatever their number.
 *
 * While something is unacknowledged its own time-outs show whether the peer lives.
 */
#include <errno.h>

#include "engine.h"

/* How soon to try again what failed for want of memory. */
enum { STARVED_RETRY_US = 500 * 1000 };

static uint32_t
idle_ms(const struct tcp_conn *c)
{
	return (c->keepidle_s != 0 ? c->keepidle_s : c->engine->config.keepalive_time_s) * 1000;
}

static uint32_t
interval_ms(const struct tcp_conn *c)
{
	return (c->keepintvl_s != 0 ? c->keepintvl_s : c->engine->config.keepalive_intvl_s) * 1000;
}

static uint8_t
probes_allowed(const struct tcp_conn *c)
{
	return c->keepcnt != 0 ? c->keepcnt : c->engine->config.keepalive_probes;
}

static uint32_t
silent_ms(const struct tcp_conn *c)
{
	return c->engine->now_ms - c->heard_ms;
}

static void
look_again_in(struct tcp_conn *c, uint64_t us)
{
	c->keep_at_us = c->engine->now_us + us;
	tcp_timers_arm(c);
}

void
tcp_keepalive_start(struct tcp_conn *c)
{
	c->keep_at_us = UINT64_MAX;
	if (c->keepalive && c->state >= TCP_SYN_RECEIVED)
		look_again_in(c, (uint64_t)idle_ms(c) * 1000);
}

void
tcp_keepalive_idle_changed(struct tcp_conn *c)
{
	uint32_t idle = idle_ms(c), silent = silent_ms(c);

	if (c->keep_at_us != UINT64_MAX)
		look_again_in(c, idle > silent ? (uint64_t)(idle - silent) * 1000 : 0);
}

static bool
is_hopeless(const struct tcp_conn *c)
{
	if (c->user_timeout_ms != 0)
		return c->probes > 0 && silent_ms(c) >= c->user_timeout_ms;
	return c->probes >= probes_allowed(c);
}

void
tcp_keepalive_fired(struct tcp_conn *c)
{
	uint32_t idle = idle_ms(c), silent = silent_ms(c), due;

	if (!TAILQ_EMPTY(&c->sent) || c->unsent_bytes > 0) {
		look_again_in(c, (uint64_t)idle * 1000);
		return;
	}
	if (silent < idle) {
		look_again_in(c, (uint64_t)(idle - silent) * 1000);
		return;
	}
	if (is_hopeless(c)) {
		TCP_COUNT(c->engine, timeouts);
		tcp_conn_reset(c, c->soft_error != 0 ? c->soft_error : ETIMEDOUT);
		return;
	}
	/* A peer who awaits the handshake's last ACK takes none at this number: it is still due. */
	due = c->flags & CONN_ACK_NOW;
	if (!tcp_transmit_segment(c, c->snd_una - 1, TCP_ACK, NULL, 0, 0)) {
		look_again_in(c, STARVED_RETRY_US);
		return;
	}
	c->flags |= due;
	TCP_COUNT(c->engine, keepalive_probes);
	c->probes = (uint8_t)(c->probes < UINT8_MAX ? c->probes + 1 : UINT8_MAX);
	look_again_in(c, (uint64_t)interval_ms(c) * 1000);
}
