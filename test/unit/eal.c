/* SPDX-License-Identifier: BSD-3-Clause */
/* DPDK's EAL for tests: memory only, so that many test programs run side by side as any user. */
#include <rte_eal.h>
#include <rte_errno.h>

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
