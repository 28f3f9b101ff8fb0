/* SPDX-License-Identifier: BSD-3-Clause */
/* A run of the generator in a lane: its phases, how many connections live, and its end. See
 * bench.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/bench_impl.h"
#include "dataplane/lane_stats.h"
#include "dataplane/service_impl.h"

enum {
	OPEN_BURST = 64,   /* connections begun in an iteration */
	OPENING_MAX = 256, /* that are being opened at a time: what small rings take */
	CLOSE_BURST = 256, /* connections closed in an iteration */
};

/* ---- Making and freeing, by the main thread */

static void
put_number(uint8_t *p, uint32_t v)
{
	for (unsigned int i = 0; i < 4; i++)
		p[i] = (uint8_t)(v >> 8 * i);
}

static void
put_greeting(uint8_t *p, const struct bench_plan *plan)
{
	bool stream = plan->workload == BENCH_STREAM;
	uint32_t flags = 0;

	if (stream && plan->down)
		flags |= BENCH_SOURCE;
	if (bench_reconnects(plan->workload) && plan->server_closes)
		flags |= BENCH_CLOSE;
	memset(p, 0, BENCH_GREETING_BYTES);
	memcpy(p, "tern bn1", 8);
	put_number(p + 8, flags);
	put_number(p + 12, stream ? 0 : plan->request_bytes);
	put_number(p + 16, stream ? 0 : plan->answer_bytes);
}

/* The greeting, and as many requests as are queued at a time. */
static bool
write_text(struct bench_run *run)
{
	const struct bench_plan *plan = &run->plan;
	uint32_t request = plan->workload == BENCH_STREAM || plan->request_bytes == 0
				   ? BENCH_PATTERN_BYTES
				   : plan->request_bytes;
	uint32_t lead = plan->greets ? BENCH_GREETING_BYTES : 0, n;
	uint8_t *text;

	n = BENCH_PATTERN_BYTES / request < plan->pipeline ? BENCH_PATTERN_BYTES / request
							   : plan->pipeline;
	run->lead_bytes = lead;
	run->text_bytes = lead + (n > 0 ? n * request : BENCH_PATTERN_BYTES);
	if (tern_service_memory_alloc(run->text_bytes, &run->memory) < 0)
		return false;
	text = tern_service_memory_data(run->memory);
	if (lead > 0)
		put_greeting(text, plan);
	for (uint32_t i = lead; i < run->text_bytes; i++)
		text[i] = (uint8_t)('a' + (i - lead) % 26);
	run->text = text;
	return true;
}

struct bench_run *
bench_run_make(const struct bench_plan *plan)
{
	struct bench_run *run = calloc(1, sizeof(*run));
	size_t n = plan->connections;

	if (run == NULL)
		return NULL;
	run->plan = *plan;
	if (plan->workload != BENCH_RR)
		run->plan.pipeline = 1;
	if (plan->workload == BENCH_STREAM)
		run->plan.answer_bytes = 0;
	run->conns = calloc(n, sizeof(struct tern_service_conn *));
	run->free = calloc(n, sizeof(uint32_t));
	run->stamps = calloc(n * run->plan.pipeline, sizeof(uint64_t));
	if (run->conns == NULL || run->free == NULL || run->stamps == NULL || !write_text(run)) {
		bench_run_free(run);
		return NULL;
	}
	for (uint32_t i = 0; i < n; i++)
		run->free[i] = (uint32_t)n - 1 - i;
	run->n_free = (uint32_t)n;
	return run;
}

void
bench_run_free(struct bench_run *run)
{
	if (run == NULL)
		return;
	tern_service_memory_free(run->memory);
	free(run->conns);
	free(run->free);
	free(run->stamps);
	free(run);
}

/* ---- Phases */

static void
enter(struct bench_run *run, enum bench_phase phase, uint64_t due_us)
{
	run->phase = phase;
	run->due_us = due_us;
	if (phase == BENCH_CLOSING) {
		run->target = 0;
		run->closing = run->plan.connections;
	}
}

void
bench_run_fail(struct bench_run *run, int error)
{
	if (run->error == 0 && run->phase < BENCH_CLOSING)
		run->error = error;
	if (run->phase < BENCH_CLOSING)
		enter(run, BENCH_CLOSING, 0);
}

/* What the lane's loop has counted until now. */
static void
read_loop(const struct service_set *set, struct bench_counts *counts)
{
	if (set->loop == NULL)
		return;
	counts->frames_in = set->loop->frames_in;
	counts->frames_out = set->loop->frames_out;
	counts->cycles_busy = set->loop->cycles_busy;
	counts->turns = set->loop->turns;
	counts->frames_lost =
		set->loop->drop_tx_full + set->loop->drop_tx_prepare + set->loop->drop_tx_no_memory;
}

void
bench_run_measure(struct bench_run *run, const struct service_set *set)
{
	memset(&run->latency, 0, sizeof(run->latency));
	run->counts = (struct bench_counts){0};
	read_loop(set, &run->before);
	run->measuring_us = set->now_us;
	enter(run, BENCH_MEASURING, set->now_us + run->plan.measure_us);
}

/* What is counted so far, of the time that is measured. */
static struct bench_counts
counted(const struct bench_run *run, const struct service_set *set)
{
	struct bench_counts counts = run->counts;

	read_loop(set, &counts);
	counts.frames_in -= run->before.frames_in;
	counts.frames_out -= run->before.frames_out;
	counts.cycles_busy -= run->before.cycles_busy;
	counts.turns -= run->before.turns;
	counts.frames_lost -= run->before.frames_lost;
	return counts;
}

void
bench_run_measured(struct bench_run *run, const struct service_set *set)
{
	run->counts = counted(run, set);
	run->measured_us = set->now_us - run->measuring_us;
	enter(run, BENCH_CLOSING, 0);
}

static void
next_phase(struct bench_run *run, const struct service_set *set)
{
	switch (run->phase) {
	case BENCH_OPENING:
		if (run->opened >= run->plan.connections)
			enter(run, BENCH_WARMING, set->now_us + run->plan.warmup_us);
		else
			bench_run_fail(run, ETIMEDOUT);
		break;
	case BENCH_WARMING:
		bench_run_measure(run, set);
		break;
	case BENCH_MEASURING:
		bench_run_measured(run, set);
		break;
	case BENCH_CLOSING:
	case BENCH_DONE:
		break;
	}
}

/* ---- Connections */

void
bench_run_opened(struct bench_run *run, struct tern_service_conn *conn)
{
	uint64_t now_us = tern_service_now_us(tern_service_lane_of(conn));

	run->opened++;
	run->open++;
	run->counts.connects++;
	if (run->open > run->most)
		run->most = run->open;
	if (run->phase != BENCH_OPENING)
		return;
	run->due_us = now_us + run->plan.patience_us;
	if (run->opened == run->plan.connections) {
		run->open_us = now_us - run->begun_us;
		run->due_us = now_us;
	}
}

void
bench_run_closed(struct bench_run *run, const struct bench_flow *flow, int error)
{
	run->conns[flow->index] = NULL;
	run->free[run->n_free++] = flow->index;
	run->live--;
	if (flow->connected)
		run->open--;
	if (flow->complete && error == 0)
		return;
	if (run->phase == BENCH_OPENING)
		bench_run_fail(run, error != 0 ? error : EPIPE);
	else if (run->phase <= BENCH_MEASURING)
		run->counts.errors++;
}

/* Whether no more may be begun now. With Fast Open the first one gets the cookie for all others. */
static bool
opens_enough(const struct bench_run *run)
{
	return run->live - run->open >= OPENING_MAX ||
	       (run->plan.workload == BENCH_FASTOPEN && run->opened == 0 && run->live > 0);
}

static void
open_some(struct bench_run *run, struct tern_service_lane *lane)
{
	for (unsigned int i = 0; i < OPEN_BURST && run->live < run->target; i++) {
		int status;

		if (opens_enough(run))
			return;
		status = bench_flow_open(run, lane, run->free[run->n_free - 1]);
		if (status == -EADDRNOTAVAIL && run->phase != BENCH_OPENING) {
			run->counts.no_port++; /* some will be free again */
			return;
		}
		if (status < 0) {
			bench_run_fail(run, -status);
			return;
		}
		run->n_free--;
		run->live++;
		/* Such a connection may be over as soon as it is open. */
		if (run->plan.workload == BENCH_FASTOPEN && run->live > run->most)
			run->most = run->live;
	}
}

static void
close_some(struct bench_run *run)
{
	for (unsigned int i = 0; i < CLOSE_BURST && run->closing > 0; i++)
		if (run->conns[--run->closing] != NULL)
			tern_service_close(run->conns[run->closing]);
}

bool
bench_run_turn(struct bench_run *run, struct tern_service_lane *lane)
{
	if (run->plan.workload == BENCH_FLOOD)
		return bench_flood_turn(run, lane);
	if (lane->set->now_us >= run->due_us)
		next_phase(run, lane->set);
	if (run->live < run->target)
		open_some(run, lane);
	if (run->phase != BENCH_CLOSING)
		return true;
	close_some(run);
	if (run->live > 0)
		return true;
	run->phase = BENCH_DONE;
	return false;
}

void
bench_run_read(const struct bench_run *run, const struct service_set *set,
	       struct bench_result *result)
{
	*result = (struct bench_result){
		.workload = run->plan.workload,
		.phase = run->phase,
		.error = run->error,
		.open = run->open,
		.most = run->most,
		.open_us = run->open_us,
		.measured_us = run->measured_us,
		.counts = run->counts,
	};
	if (run->phase == BENCH_MEASURING) {
		result->counts = counted(run, set);
		result->measured_us = set->now_us - run->measuring_us;
	}
	result->latency = run->latency;
}
