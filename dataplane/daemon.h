/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ternd as a whole, between EAL's start and its end: ports, services and lanes. What
 * the control socket and telemetry tell of.
 */
#ifndef TERN_DATAPLANE_DAEMON_H
#define TERN_DATAPLANE_DAEMON_H

#include <stdbool.h>

#include "dataplane/config.h"
#include "dataplane/lane.h"
#include "dataplane/port.h"
#include "dataplane/prefixes.h"
#include "dataplane/programs.h"

struct daemon {
	struct config config;
	struct port_device ports[CONFIG_MAX_PORTS];
	struct lane *lanes[CONFIG_MAX_LANES]; /* NULL: not made (yet) */
	uint8_t port_lanes[LANE_PORTS];       /* the lanes' own */
	struct lane_steer *steer;
	struct programs *programs;
	struct shm_prefix prefixes[PREFIXES_MAX]; /* that programs are told of */
	uint64_t bench_lanes;                     /* that have a run of the load generator */
	bool restoring; /* lanes keep silent about what they do not know; set before the start */
	uint64_t restoring_until; /* seconds of CLOCK_MONOTONIC */
	int fault_event;          /* eventfd: a gateway says that a program is bad */
	int link_event;           /* eventfd: a driver says that a link changed */
};

/*
 * Makes ports and lanes by daemon->config (the rest is zero) and sets lanes running. hugepages
 * tells whether memory has NUMA nodes. Returns 0, or -1 after telling why not; daemon_stop() in
 * either case.
 */
int daemon_start(struct daemon *daemon, bool hugepages);

/* Tells on the log what is served, and where. */
void daemon_tell(const struct daemon *daemon);

/* Looks after the links of all ports, and tells lanes of changes. */
void daemon_check_links(struct daemon *daemon);

/*
 * Started with `restoring`, lanes keep silent about connections that nobody knows, for they are
 * about to be restored: for DAEMON_RESTORING_S at most. The first of these tells so; ending it
 * returns whether it was on, and `why` is for the log.
 */
enum { DAEMON_RESTORING_S = 60 };
void daemon_tell_restoring(struct daemon *daemon);
bool daemon_end_restoring(struct daemon *daemon, const char *why);
void daemon_check_restoring(struct daemon *daemon);

/* Tells on the log of plugins that held up a lane. */
void daemon_check_services(struct daemon *daemon);

/* Detaches all programs: their connections are closed. */
void daemon_detach_programs(struct daemon *daemon);

/* Tells lanes to let their connections finish, or (LANE_STOP) to end at once. */
void daemon_order(struct daemon *daemon, enum lane_order order);
bool daemon_has_stopped(const struct daemon *daemon);

/* Ends lanes, closes ports, stops services and frees everything. */
void daemon_stop(struct daemon *daemon);

#endif
