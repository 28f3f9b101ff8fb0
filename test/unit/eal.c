/* SPDX-License-Identifier: BSD-3-Clause */
/* DPDK's EAL for tests: memory only, so that many test programs run side by side as any user. */
#include <sys/mman.h>

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_memory.h>

#include "unit.h"

void
unit_eal_start(void)
{
	char *argv[] = {"unit", "--no-huge", "--no-shconf", "--no-pci", "--no-telemetry",
			"-m",   "512",       "-l",          "0",        "--log-level=lib.eal:error",
			NULL};
	int argc = (int)(sizeof(argv) / sizeof(argv[0])) - 1;

	if (rte_eal_init(argc, argv) < 0) {
		fprintf(stderr, "EAL does not start: %s\n", rte_strerror(rte_errno));
		exit(2);
	}
}

void
unit_eal_stop(void)
{
	rte_eal_cleanup();
}

/* Maps the list's memory anew over itself, so that what is written from now on is ours alone. */
static int
make_private(const struct rte_memseg_list *list, void *arg)
{
	const struct rte_memseg *first = rte_mem_virt2memseg(list->base_va, list);
	int fd = first != NULL ? rte_memseg_get_fd(first) : -1;

	(void)arg;
	if (fd < 0)
		return 0;
	if (mmap(list->base_va, list->len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED, fd,
		 0) == MAP_FAILED) {
		perror("mmap");
		exit(2);
	}
	return 1;
}

void
unit_eal_unshare(void)
{
	if (rte_memseg_list_walk(make_private, NULL) != 1) {
		fprintf(stderr, "EAL's memory cannot be made private\n");
		exit(2);
	}
}
