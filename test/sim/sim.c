/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The simulator: two engines, a link that treats their packets badly, and users, all decided by a
 * seed.
 *
 *     sim [COUNT]               seeds 1 to COUNT (2000)
 *     sim --seeds A-B           seeds A to B
 *     sim --seed N              one seed
 *         --moves               connections are moved meanwhile: checkpointed and restored
 *         --compare             each seed once more by engines without short ways
 *         --verbose             shows each packet
 *         --report              shows how often what occurred
 *     sim --goodput [TIMES]     how fast a transfer is under loss, against theory
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "sim.h"
#include "test/unit/unit.h"

enum {
	COUNT = 2000,
	/* From so many seeds on each event must occur. */
	COMPLETE_FROM = 1500,
	COMPLETE_MOVES_FROM = 500,
	/* Every so many seeds one is run by engines without short ways first: the same must come
	 * of it. */
	COMPARE_EVERY = 25,
	MAX_FAILURES = 10,
};

static struct sim sim;
static struct sim_pools pools;

struct arguments {
	uint64_t first, last;
	bool verbose, moves, report, goodput, compare;
	unsigned int times;
};

static int
usage(void)
{
	fprintf(stderr, "usage: sim [COUNT | --seed N | --seeds A-B] [--moves] [--compare] "
			"[--verbose] [--report]\n"
			"       sim --goodput [TIMES]\n");
	return 2;
}

static bool
read_number(const char *text, uint64_t *value, char end)
{
	char *stop;

	*value = strtoull(text, &stop, 10);
	return stop != text && *stop == end;
}

static bool
read_arguments(int argc, char **argv, struct arguments *a)
{
	*a = (struct arguments){.first = 1, .last = COUNT, .times = 5};
	for (int i = 1; i < argc; i++) {
		const char *dash = i + 1 < argc ? strchr(argv[i + 1], '-') : NULL;
		uint64_t n;

		if (strcmp(argv[i], "--verbose") == 0) {
			a->verbose = true;
		} else if (strcmp(argv[i], "--moves") == 0) {
			a->moves = true;
		} else if (strcmp(argv[i], "--compare") == 0) {
			a->compare = true;
		} else if (strcmp(argv[i], "--report") == 0) {
			a->report = true;
		} else if (strcmp(argv[i], "--goodput") == 0) {
			a->goodput = true;
		} else if (strcmp(argv[i], "--seed") == 0 && i + 1 < argc &&
			   read_number(argv[i + 1], &a->first, '\0')) {
			a->last = a->first;
			i++;
		} else if (strcmp(argv[i], "--seeds") == 0 && dash != NULL &&
			   read_number(argv[i + 1], &a->first, '-') &&
			   read_number(dash + 1, &a->last, '\0')) {
			i++;
		} else if (read_number(argv[i], &n, '\0') && n > 0) {
			a->last = n;
			a->times = (unsigned int)n;
		} else {
			return false;
		}
	}
	return a->first <= a->last;
}

/* A calm seed is compared always: it is there for that. */
static bool
run_seed(uint64_t seed, unsigned int how, unsigned int compare_every)
{
	bool compare = seed % compare_every == 0 || sim_is_calm(seed);
	uint64_t hash = 0;

	if (compare) {
		if (!sim_run(&sim, &pools, seed, how | SIM_GENERAL))
			return false;
		hash = sim.hash;
	}
	if (!sim_run(&sim, &pools, seed, how))
		return false;
	if (compare && sim.hash != hash) {
		sim_fail(&sim, "the same seed went differently without short ways");
		return false;
	}
	return true;
}

static int
run_seeds(const struct arguments *a)
{
	struct sim_report report = {0};
	struct timespec start, end;
	unsigned int how = (a->verbose ? SIM_VERBOSE : 0u) | (a->moves ? SIM_WITH_MOVES : 0u);
	bool good = true;

	clock_gettime(CLOCK_MONOTONIC, &start);
	for (uint64_t seed = a->first; seed <= a->last && report.failed < MAX_FAILURES; seed++) {
		good &= run_seed(seed, how, a->compare ? 1 : COMPARE_EVERY);
		sim_report_add(&report, &sim);
		fflush(stdout);
	}
	clock_gettime(CLOCK_MONOTONIC, &end);
	if (a->report)
		sim_report_print(&report);
	if (report.seeds >= COMPLETE_FROM)
		good &= sim_report_is_complete(&report, false);
	if (a->moves && report.seeds >= COMPLETE_MOVES_FROM)
		good &= sim_report_is_complete(&report, true);
	printf("%" PRIu64 " seeds, %" PRIu64 " failed, %.1f s\n", report.seeds, report.failed,
	       (double)(end.tv_sec - start.tv_sec) + (double)(end.tv_nsec - start.tv_nsec) * 1e-9);
	return good ? 0 : 1;
}

int
main(int argc, char **argv)
{
	struct arguments a;
	int status;

	if (!read_arguments(argc, argv, &a))
		return usage();
	unit_eal_start();
	sim_pools_make(&pools);
	status = a.goodput ? sim_goodput(&pools, a.times) : run_seeds(&a);
	if (!sim_pools_free(&pools))
		status = 1;
	unit_eal_stop();
	return status;
}
