/* SPDX-License-Identifier: BSD-3-Clause */
/* What the machine has: the CPUs that we may run on, their NUMA nodes, memory, and free huge pages.
 */
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "dataplane/eal.h"
#include "dataplane/eal_files.h"

/* A number from a file of sysfs; 0 if it cannot be read. */
static unsigned long long
read_number(const char *path)
{
	FILE *f = fopen(path, "re");
	unsigned long long n = 0;

	if (f == NULL)
		return 0;
	if (fscanf(f, "%llu", &n) != 1)
		n = 0;
	fclose(f);
	return n;
}

/* The NUMA node of a CPU; 0 on a machine that knows of none. */
static uint16_t
node_of(unsigned int cpu)
{
	char path[96];

	for (uint16_t node = 0; node < EAL_MAX_NODES; node++) {
		snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%u/node%u", cpu, node);
		if (access(path, F_OK) == 0)
			return node;
	}
	return 0;
}

static void
survey_mount(const char *folder, unsigned long long page_bytes, void *arg)
{
	struct eal_host *host = arg;
	unsigned long long kb = page_bytes >> 10;
	bool nodes = access("/sys/devices/system/node/node0", F_OK) == 0;
	char path[128];

	(void)folder;
	host->huge_mounted = true;
	for (unsigned int node = 0; node < (nodes ? EAL_MAX_NODES : 1); node++) {
		if (nodes)
			snprintf(path, sizeof(path),
				 "/sys/devices/system/node/node%u/hugepages/hugepages-%llukB/"
				 "free_hugepages",
				 node, kb);
		else
			snprintf(path, sizeof(path),
				 "/sys/kernel/mm/hugepages/hugepages-%llukB/free_hugepages", kb);
		/* Several mounts of one size share its pages: count them once. */
		if (host->huge_free[node] < read_number(path) * page_bytes)
			host->huge_free[node] = read_number(path) * page_bytes;
	}
}

void
eal_survey(struct eal_host *host)
{
	long pages = sysconf(_SC_PHYS_PAGES);
	cpu_set_t set;

	memset(host, 0, sizeof(*host));
	CPU_ZERO(&set);
	if (sched_getaffinity(0, sizeof(set), &set) == 0)
		for (unsigned int cpu = 0; cpu < CPU_SETSIZE && host->n_cpus < EAL_MAX_CPUS; cpu++)
			if (CPU_ISSET(cpu, &set)) {
				host->cpus[host->n_cpus].id = (uint16_t)cpu;
				host->cpus[host->n_cpus++].node = node_of(cpu);
			}
	host->memory = pages < 0 ? 0 : (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE);
	eal_files_each_mount(survey_mount, host);
}
