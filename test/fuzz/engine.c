/* SPDX-License-Identifier: BSD-3-Clause */
/* One engine for all inputs: see engine.h. */
#include "engine.h"

#include <string.h>

static struct tcp_engine *pristine;

static void
configure(struct tcp_config *config)
{
	tcp_config_defaults(config);
	config->name = "fuzz";
	config->max_conns = FUZZ_CONNS;
	config->max_requests = FUZZ_REQUESTS;
	config->max_timewait = FUZZ_TIMEWAIT;
	config->max_held_bufs = FUZZ_HELD_BUFS;
	/* Who could guess a cookie? */
	config->fastopen = TCP_FASTOPEN_CLIENT | TCP_FASTOPEN_SERVER | TCP_FASTOPEN_SERVER_BARE |
			   TCP_FASTOPEN_EVERY_LISTENER;
	config->header_pool = fuzz_pools[FUZZ_POOL_HEADER];
	config->data_pool = fuzz_pools[FUZZ_POOL_DATA];
	config->ref_pool = fuzz_pools[FUZZ_POOL_REF];
}

struct tcp_engine *
fuzz_engine_make(const struct tcp_env *env)
{
	struct tcp_config config;
	struct tcp_engine *e;
	int status;

	configure(&config);
	status = tcp_engine_create(&config, env, &e);
	FUZZ_CHECK(status == 0, "no engine: %d", status);
	tcp_advance(e, FUZZ_START_US);
	pristine = malloc(sizeof(*pristine));
	FUZZ_CHECK(pristine != NULL, "no memory");
	memcpy(pristine, e, sizeof(*e));
	return e;
}

static void
check_empty(const struct tcp_engine *e)
{
	static const struct tcp_usage nothing;
	struct tcp_usage used;

	tcp_usage(e, &used);
	FUZZ_CHECK(memcmp(&used, &nothing, sizeof(used)) == 0,
		   "left: %u conns, %u listeners, %u orphans, %u requests, %u timewait, %u flows, "
		   "%u held, %u queued, %u sent, %u ranges",
		   used.conns, used.listeners, used.orphans, used.requests, used.timewait,
		   used.flows, used.held_bufs, used.queued_bufs, used.sent_records, used.ranges);
	FUZZ_CHECK(used.ports == 0, "%u ports held", used.ports);
	FUZZ_CHECK(e->n_tx == 0, "%u packets", e->n_tx);
	FUZZ_CHECK(e->timewait_next_us == UINT64_MAX, "TIME-WAIT has a time");
}

/* The tables are empty, so that what the engine itself knows is all there is to put back. */
void
fuzz_engine_restart(struct tcp_engine *e)
{
	check_empty(e);
	memcpy(e, pristine, sizeof(*e));
}

uint64_t
fuzz_engine_drain(struct tcp_engine *e, uint64_t now_us)
{
	unsigned int turns = 0;
	uint64_t next;

	tcp_flush(e);
	while ((next = tcp_next_timer(e)) != UINT64_MAX) {
		FUZZ_CHECK(++turns < 100000, "the engine does not come to rest");
		now_us = RTE_MAX(now_us, next);
		tcp_advance(e, now_us);
		tcp_flush(e);
	}
	check_empty(e);
	return now_us;
}
