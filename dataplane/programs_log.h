/* SPDX-License-Identifier: BSD-3-Clause */
/* What the log is told of connections that programs have moved. Main thread. */
#ifndef TERN_DATAPLANE_PROGRAMS_LOG_H
#define TERN_DATAPLANE_PROGRAMS_LOG_H

#include <stdint.h>

#include "dataplane/gateway.h"

/* Zeroed at first. */
struct programs_log {
	int64_t last_s;  /* when `left` was reckoned; CLOCK_MONOTONIC */
	uint32_t left;   /* lines that may be written now */
	uint64_t silent; /* moves since the last line */
	uint64_t lost;   /* lines that found no room with the lanes */
};

/* Reads the lanes' journals. */
void programs_log_moves(struct programs_log *log, struct gateway *const *gateways, unsigned int n);

#endif
