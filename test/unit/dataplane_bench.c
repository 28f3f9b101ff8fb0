/* SPDX-License-Identifier: BSD-3-Clause */
/* dataplane/bench*.c: the generator on one engine, echo, discard, chargen and the bench server on
 * the other, and what the one counts of the other. */
#include "service_pair.h"
#include "unit.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/bench.h"

enum {
	ECHO = 7,
	DISCARD = 9,
	CHARGEN = 19,
	NOBODY = 99,
	BENCH = SERVICE_PAIR_PORT,
};

struct rig {
	struct service_pair pair;
	struct config config; /* the generator's side */
	struct service_set *set;
	struct bench_result result;
};

static struct rig rig;

static void
client_notify(void *ctx, struct tcp_conn *c, void *user)
{
	struct rig *r = ctx;

	service_set_notify(r->set, c, user);
}

static void
start(void)
{
	struct service_set_config set = {.config = &rig.config, .socket_id = SOCKET_ID_ANY};

	memset(&rig, 0, sizeof(rig));
	service_pair_start_with(&rig.pair, service_plugin_built_in("bench"));
	rig.config.connections = SERVICE_PAIR_CONNS;
	rig.config.lanes = 1;
	strcpy(rig.config.services[0].name, "bench");
	rig.config.services[0].plugin = service_plugin_built_in("bench");
	rig.config.n_services = 1;
	CU_ASSERT_FATAL(service_plugins_start(&rig.config, stderr) == 0);
	set.engine = rig.pair.pair.side[0].engine;
	set.ref_pool = rig.pair.pair.pools.ref;
	rig.set = service_set_create(&set, stderr);
	CU_ASSERT_FATAL(rig.set != NULL);
	rig.pair.pair.side[0].notify = client_notify;
	rig.pair.pair.side[0].notify_ctx = &rig;
	CU_ASSERT(!service_set_has_turns(rig.set));
}

static void
run(uint64_t ms)
{
	for (uint64_t i = 0; i < ms; i++) {
		service_pair_run(&rig.pair, 1);
		service_set_begin(rig.set, rig.pair.pair.now_us);
		service_set_advance(rig.set, rig.pair.pair.now_us);
		tcp_flush(rig.pair.pair.side[0].engine);
	}
}

static void
end(void)
{
	service_set_close(rig.set);
	rig.pair.pair.side[0].notify = NULL;
	pair_run_until(&rig.pair.pair, rig.pair.pair.now_us + 1000000);
	service_set_destroy(rig.set, stderr);
	CU_ASSERT(service_pair_end(&rig.pair));
	service_plugin_close(rig.config.services[0].plugin);
}

static struct bench_plan
plan_of(enum bench_workload workload, uint16_t port)
{
	struct bench_plan plan = {
		.workload = workload,
		.n_ports = 1,
		.connections = 4,
		.pipeline = 1,
		.request_bytes = 100,
		.answer_bytes = 100,
		.greets = port == BENCH,
		.warmup_us = 20000,
		.measure_us = 100000,
		.patience_us = 500000,
	};
	struct sockaddr_in *to = (struct sockaddr_in *)&plan.target;

	to->sin_family = AF_INET;
	to->sin_port = htons(port);
	memcpy(&to->sin_addr, &rig.pair.pair.side[1].ip.w[3], sizeof(to->sin_addr));
	return plan;
}

/* Runs a plan to its end; what it measured is in rig.result. */
static void
measure(const struct bench_plan *plan)
{
	struct bench_run *run_ = bench_run_make(plan);

	CU_ASSERT_FATAL(run_ != NULL);
	UNIT_EQ(bench_start(rig.set, run_), 0);
	CU_ASSERT(service_set_has_turns(rig.set));
	for (unsigned int i = 0; i < 3000; i++) {
		run(1);
		UNIT_EQ(bench_read(rig.set, &rig.result), 0);
		if (rig.result.phase == BENCH_DONE)
			break;
	}
	UNIT_EQ(rig.result.phase, BENCH_DONE);
	UNIT_EQ(rig.result.open, 0);
	CU_ASSERT(!service_set_has_turns(rig.set));
	UNIT_EQ(bench_end(rig.set, &run_), 0);
	CU_ASSERT_FATAL(run_ != NULL);
	bench_run_free(run_);
	UNIT_EQ(bench_read(rig.set, &rig.result), -ENOENT);
	run(20);
}

/* A round trip takes 2 ms on this link, and an iteration 1 ms: four connections have so many turns.
 */
static void
check_rate(uint64_t per_connection)
{
	UNIT_EQ(rig.result.error, 0);
	UNIT_EQ(rig.result.counts.errors, 0);
	UNIT_EQ(rig.result.most, 4);
	UNIT_EQ(rig.result.measured_us, 100000);
	CU_ASSERT(rig.result.counts.requests >= 4 * per_connection * 8 / 10);
	CU_ASSERT(rig.result.counts.requests <= 4 * per_connection);
	UNIT_EQ(rig.result.latency.n, rig.result.counts.requests);
}

/* What is wrong ends a run before it measures. */
static void
fails(const struct bench_plan *plan, int error)
{
	measure(plan);
	UNIT_EQ(rig.result.error, error);
	UNIT_EQ(rig.result.measured_us, 0);
}

UNIT_CASE(requests_to_an_echo_are_answered)
{
	struct bench_plan plan;

	start();
	plan = plan_of(BENCH_RR, ECHO);
	measure(&plan);
	check_rate(50);
	CU_ASSERT(rig.result.counts.bytes_in >= rig.result.counts.requests * 100);
	end();
}

UNIT_CASE(the_server_answers_as_it_was_greeted)
{
	struct bench_plan plan;

	start();
	plan = plan_of(BENCH_RR, BENCH);
	plan.request_bytes = 7;
	plan.answer_bytes = 9001;
	measure(&plan);
	check_rate(50);
	UNIT_EQ(rig.result.counts.bytes_in / 9001, rig.result.counts.requests);
	plan.request_bytes = 300000;
	plan.answer_bytes = 1;
	measure(&plan);
	UNIT_EQ(rig.result.error, 0);
	CU_ASSERT(rig.result.counts.requests > 0);
	UNIT_EQ(rig.result.counts.bytes_in, rig.result.counts.requests);
	end();
}

UNIT_CASE(a_pipeline_is_that_much_faster)
{
	struct bench_plan plan;

	start();
	plan = plan_of(BENCH_RR, BENCH);
	plan.pipeline = 7;
	measure(&plan);
	check_rate(7 * 50);
	end();
}

/* The first connection gets the cookie, before anything is measured; with the client's close a
 * connection is over with its answer, one round trip after its SYN, and not two. */
UNIT_CASE(requests_leave_in_syns)
{
	struct bench_plan plan;
	struct tcp_stats stats;
	uint64_t slow;

	service_pair_fastopen = TCP_FASTOPEN_CLIENT | TCP_FASTOPEN_SERVER;
	start();
	plan = plan_of(BENCH_CRR, BENCH);
	measure(&plan);
	check_rate(25);
	UNIT_EQ(rig.result.counts.syn_data, 0);
	UNIT_EQ(rig.result.counts.cookies_asked, 0);
	slow = rig.result.counts.requests;
	plan.workload = BENCH_FASTOPEN;
	measure(&plan);
	check_rate(50);
	CU_ASSERT(rig.result.counts.requests >= slow * 3 / 2);
	tcp_stats_read(rig.pair.pair.side[1].engine, &stats);
	UNIT_EQ(stats.fastopen_cookie_reqd, 1);
	UNIT_EQ(rig.result.counts.syn_data, rig.result.counts.connects);
	UNIT_EQ(rig.result.counts.cookies_asked, 0);
	plan.server_closes = true;
	plan.request_bytes = 5000; /* more than a SYN takes */
	plan.answer_bytes = 3;
	measure(&plan);
	UNIT_EQ(rig.result.error, 0);
	UNIT_EQ(rig.result.counts.errors, 0);
	CU_ASSERT(rig.result.counts.requests > 20);
	UNIT_EQ(rig.result.counts.syn_data, rig.result.counts.connects);
	end();
	service_pair_fastopen = 0;
}

/* Whoever answers has no Fast Open: first there is no cookie, then one that is of no use. */
UNIT_CASE(requests_are_answered_without_fast_open)
{
	struct bench_plan plan, with;

	service_pair_fastopen = TCP_FASTOPEN_CLIENT | TCP_FASTOPEN_SERVER;
	start();
	plan = plan_of(BENCH_FASTOPEN, ECHO);
	with = plan_of(BENCH_FASTOPEN, BENCH);
	measure(&plan);
	check_rate(25);
	UNIT_EQ(rig.result.counts.syn_data, 0);
	UNIT_EQ(rig.result.counts.cookies_asked, rig.result.counts.connects);
	measure(&with);
	UNIT_EQ(rig.result.counts.syn_data, rig.result.counts.connects);
	measure(&plan);
	check_rate(25);
	UNIT_EQ(rig.result.counts.syn_data, 0);
	UNIT_EQ(rig.result.counts.cookies_asked, 0);
	end();
	service_pair_fastopen = TCP_FASTOPEN_SERVER;
	start();
	plan = plan_of(BENCH_FASTOPEN, BENCH);
	fails(&plan, EOPNOTSUPP);
	end();
	service_pair_fastopen = 0;
}

UNIT_CASE(a_second_load_waits_and_a_first_can_be_ended)
{
	struct bench_run *first, *second, *back;
	struct bench_plan plan;

	start();
	plan = plan_of(BENCH_RR, ECHO);
	plan.measure_us = UINT32_MAX;
	first = bench_run_make(&plan);
	second = bench_run_make(&plan);
	UNIT_EQ(bench_start(rig.set, first), 0);
	UNIT_EQ(bench_start(rig.set, second), -EBUSY);
	bench_run_free(second);
	run(100);
	UNIT_EQ(bench_read(rig.set, &rig.result), 0);
	UNIT_EQ(rig.result.phase, BENCH_MEASURING);
	UNIT_EQ(bench_end(rig.set, &back), -EBUSY);
	run(10);
	UNIT_EQ(bench_end(rig.set, &back), 0);
	CU_ASSERT(back == first);
	bench_run_free(back);
	UNIT_EQ(bench_end(rig.set, &back), 0);
	CU_ASSERT(back == NULL);
	end();
}

UNIT_CASE(a_run_that_cannot_be_says_why)
{
	struct bench_plan plan;

	start();
	plan = plan_of(BENCH_RR, NOBODY);
	fails(&plan, ECONNREFUSED);
	plan = plan_of(BENCH_RR, ECHO);
	plan.answer_bytes = 99;
	fails(&plan, EPROTO);
	plan = plan_of(BENCH_RR, ECHO);
	plan.connections = 4 * SERVICE_PAIR_CONNS;
	fails(&plan, EAGAIN);
	end();
}

UNIT_CASE(the_server_wants_a_greeting)
{
	struct tcp_conn *c;
	uint8_t byte;
	int how;

	start();
	c = service_pair_connect(&rig.pair, BENCH);
	service_pair_send(&rig.pair, c, "tern", 4); /* not all of it is there yet */
	UNIT_EQ(service_pair_read(&rig.pair, c, &byte, 1, &how), 0);
	UNIT_EQ(how, 0);
	service_pair_send(&rig.pair, c, "GET /", 5);
	UNIT_EQ(service_pair_read(&rig.pair, c, &byte, 1, &how), 0);
	UNIT_EQ(how, -ECONNRESET);
	tcp_close(c);
	UNIT_EQ(service_pair_own(&rig.pair, 4, "ungreeted"), 1);
	end();
}

UNIT_MAIN_EAL(UNIT_RUN(requests_to_an_echo_are_answered),
	      UNIT_RUN(the_server_answers_as_it_was_greeted),
	      UNIT_RUN(a_pipeline_is_that_much_faster), UNIT_RUN(requests_leave_in_syns),
	      UNIT_RUN(requests_are_answered_without_fast_open),
	      UNIT_RUN(a_second_load_waits_and_a_first_can_be_ended),
	      UNIT_RUN(a_run_that_cannot_be_says_why), UNIT_RUN(the_server_wants_a_greeting))
