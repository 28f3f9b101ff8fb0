/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Starting DPDK's EAL from our configuration.
 *
 * What the user wrote among the EAL arguments wins: it is passed through as it stands, and of ours
 * only what it does not settle is added (file prefix, lcores, memory, log level).
 *
 * Lanes are worker lcores 1..n, pinned one by one from the last allowed CPU downward; the main
 * thread is lcore 0, sleeps, and may run on any allowed CPU.
 *
 * Memory comes from huge pages in files, so that a secondary process (dpdk-dumpcap) can attach;
 * without enough of them from ordinary pages, where none can.
 */
#ifndef TERN_DATAPLANE_EAL_H
#define TERN_DATAPLANE_EAL_H

#include <stdbool.h>
#include <stdint.h>

#include "dataplane/config.h"

enum {
	EAL_MAX_CPUS = 1024,
	EAL_MAX_NODES = 32,
	EAL_MAX_ARGS = 256,
};

/* What the machine has. */
struct eal_host {
	unsigned int n_cpus; /* that we may run on, ascending */
	struct {
		uint16_t id;
		uint16_t node;
	} cpus[EAL_MAX_CPUS];
	uint64_t huge_free[EAL_MAX_NODES]; /* bytes, in sizes that a hugetlbfs is mounted for */
	bool huge_mounted;
	uint64_t memory; /* bytes of it in all; 0: unknown */
};

void eal_survey(struct eal_host *host);

struct eal_plan {
	int argc;
	char *argv[EAL_MAX_ARGS + 1];   /* our copies; EAL may reorder them */
	char *args[EAL_MAX_ARGS + 1];   /* the same, to be freed */
	char prefix[CONFIG_NAME_BYTES]; /* names files and folders of EAL */
	bool hugepages;                 /* memory is in huge pages */
	char note[512];                 /* to be told, "" if there is nothing */
	char warning[512];              /* likewise */
	char error[512];                /* why there is no plan */
};

/* What one lane takes, bytes. */
struct eal_need {
	uint64_t huge;  /* in huge pages */
	uint64_t small; /* in ordinary pages */
};

/*
 * Makes the argument vector. extra are the arguments after "--" on our command line. Returns 0, or
 * -1 with plan->error. eal_plan_free() in either case.
 */
int eal_plan_make(struct eal_plan *plan, const struct config *config, const struct eal_host *host,
		  const struct eal_need *need, char **extra, int n_extra);
void eal_plan_free(struct eal_plan *plan);

/*
 * Starts EAL and checks that it has a worker for every lane. Returns 0, or -1 after telling why and
 * removing what it left behind.
 */
int eal_start(struct eal_plan *plan, unsigned int lanes);

/* Ends EAL and removes its runtime folder and huge-page files. */
void eal_stop(struct eal_plan *plan);

#endif
