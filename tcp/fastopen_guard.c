/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The guard against black holes, RFC 7413 §7.1, as Linux's tcp_fastopen_blackhole_timeout_sec:
 * some middle boxes swallow SYNs with data or with the option, or all that follows them. Once that
 * was seen, Fast Open is off for everybody for t * 2^min(n - 1, 6) seconds, where n is how often it
 * was seen since data in a SYN arrived last. Then the next connections try it again.
 *
 * t = 0: there is no guard. What counts as a black hole is fastopen_client.c's to say.
 */
#include <rte_common.h>

#include "engine.h"

enum { DOUBLINGS_MAX = 6 };

static uint64_t
until_us(const struct tcp_engine *e)
{
	unsigned int doublings = RTE_MIN(e->fastopen_guard.times - 1, (uint32_t)DOUBLINGS_MAX);
	uint64_t s = (uint64_t)e->config.fastopen_blackhole_s << doublings;

	return e->fastopen_guard.found_us + s * 1000000;
}

bool
fastopen_guard_forbids(const struct tcp_engine *e, bool *probing)
{
	bool found = e->config.fastopen_blackhole_s != 0 && e->fastopen_guard.times > 0;

	*probing = found && e->now_us >= until_us(e);
	return found && !*probing;
}

void
fastopen_guard_note(struct tcp_engine *e)
{
	if (e->config.fastopen_blackhole_s == 0)
		return;
	e->fastopen_guard.times++;
	e->fastopen_guard.found_us = e->now_us;
}

void
fastopen_guard_clear(struct tcp_engine *e)
{
	e->fastopen_guard.times = 0;
}

void
tcp_fastopen_guard(const struct tcp_engine *e, struct tcp_fastopen_guard *guard)
{
	*guard = e->fastopen_guard;
	guard->until_us = guard->times > 0 ? until_us(e) : 0;
}
