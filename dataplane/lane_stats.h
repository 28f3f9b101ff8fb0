/* SPDX-License-Identifier: BSD-3-Clause */
/* Counters of a lane's loop, in the order of lane_stats.def. */
#ifndef TERN_DATAPLANE_LANE_STATS_H
#define TERN_DATAPLANE_LANE_STATS_H

#include <stdint.h>

struct lane_stats {
#define LANE_STAT(name, text) uint64_t name;
#include "dataplane/lane_stats.def"
#undef LANE_STAT
};

extern const char *const lane_stats_names[];
extern const char *const lane_stats_texts[];
#define LANE_STATS_COUNT (sizeof(struct lane_stats) / sizeof(uint64_t))

#endif
