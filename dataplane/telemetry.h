/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * DPDK's telemetry socket (dpdk-telemetry.py): /tern/stats, /tern/lanes, /tern/connections,
 * /tern/pools and /tern/neighbours, told by the same code as the control socket's answers.
 *
 * DPDK calls from threads of its own, at any time after telemetry_start() and until EAL ends;
 * after telemetry_stop() they find nothing to tell.
 */
#ifndef TERN_DATAPLANE_TELEMETRY_H
#define TERN_DATAPLANE_TELEMETRY_H

#include "dataplane/daemon.h"

void telemetry_start(const struct daemon *daemon);

/* Returns when no call is under way any more. */
void telemetry_stop(void);

#endif
