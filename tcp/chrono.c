/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a sender spent its time with: how long there was anything to send or to be acknowledged
 * (busy), and of that how long the peer's window or our own send buffer was what held it back. As
 * TCP_INFO tells it on Linux; times in microseconds.
 *
 * A connection is in one of these at a time, the later ones take precedence.
 */
#include "engine.h"

static void
change(struct tcp_conn *c, enum tcp_chrono_kind kind)
{
	struct tcp_chrono *t = &c->chrono;
	uint64_t now_us = c->engine->now_us;

	if (t->kind != CHRONO_IDLE)
		t->us[t->kind] += now_us - t->since_us;
	t->since_us = now_us;
	t->kind = (uint8_t)kind;
}

static bool
has_nothing_to_do(const struct tcp_conn *c)
{
	return TAILQ_EMPTY(&c->sent) && c->unsent_bytes == 0;
}

void
tcp_chrono_start(struct tcp_conn *c, enum tcp_chrono_kind kind)
{
	if (kind > c->chrono.kind)
		change(c, kind);
}

void
tcp_chrono_stop(struct tcp_conn *c, enum tcp_chrono_kind kind)
{
	if (has_nothing_to_do(c)) {
		if (c->chrono.kind != CHRONO_IDLE)
			change(c, CHRONO_IDLE);
	} else if (c->chrono.kind == kind) {
		change(c, CHRONO_BUSY);
	}
}

void
tcp_chrono_read(const struct tcp_conn *c, uint64_t *busy_us, uint64_t *rwnd_us, uint64_t *sndbuf_us)
{
	const struct tcp_chrono *t = &c->chrono;
	uint64_t us[CHRONO_KINDS] = {0};

	for (int i = CHRONO_BUSY; i < CHRONO_KINDS; i++)
		us[i] = t->us[i] + (t->kind == i ? c->engine->now_us - t->since_us : 0);
	*rwnd_us = us[CHRONO_RWND];
	*sndbuf_us = us[CHRONO_SNDBUF];
	*busy_us = us[CHRONO_BUSY] + us[CHRONO_RWND] + us[CHRONO_SNDBUF];
}
