/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What there is to tell of a running ternd, as JSON: for the control socket and for telemetry.
 *
 * Counters are read where they lie; tables are asked of their lanes. Every function returns a new
 * reference, or NULL without memory or if a lane does not answer. Any thread, while lanes run.
 */
#ifndef TERN_DATAPLANE_REPORT_H
#define TERN_DATAPLANE_REPORT_H

#include <jansson.h>

#include "dataplane/control.h"
#include "dataplane/daemon.h"

/* {"lane": 0, "tcp": {...}, "net": {...}, "service": {...}, "loop": {...}} */
json_t *report_counters(const struct daemon *daemon, const struct lane *lane);

/* What the counters count: the same groups, with texts. */
json_t *report_texts(const struct daemon *daemon);

/* {"port": 0, "name": "net_tap0", "counters": {...}} */
json_t *report_port_counters(const struct port_device *port);

/* {"port": 0, "name":, "driver":, "link":, "mac":, "mtu":, "addresses": [...]} */
json_t *report_port(const struct port_device *port);

/* {"name": "http", "listen": ["*:80"], "about": "root = conf/www"} */
json_t *report_service(const struct config_service *service);

/* {"lane": 0, "lcore": 1, "cpu": 1, "connections": ...}: what it runs on, and what it holds. */
json_t *report_lane(struct lane *lane);

/* [{"lane": 0, "pool": "rx", "size":, "available":, "in_use":, "cached":}, ...] */
json_t *report_pools(const struct lane *lane);

/* The next part of a list over all lanes: an array; moves the cursor on, and sets its `more`. */
json_t *report_connections(const struct daemon *daemon, struct control_cursor *cursor,
			   bool details);
json_t *report_neighbours(const struct daemon *daemon, struct control_cursor *cursor);

/* report_connection.c: entry i of a lane's answer to ASK_CONNECTIONS; with all that TCP knows. */
json_t *report_connection(const struct daemon *daemon, const struct lane *lane,
			  const struct lane_request *request, unsigned int i, bool details);

#endif
