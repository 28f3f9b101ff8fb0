/* SPDX-License-Identifier: BSD-3-Clause */
/* The commands of the control socket: version, stats, ss, neighbours, pools, addresses, lanes,
 * attach, those of Fast Open (commands_fastopen.c), of addresses (commands_address.c) and of the
 * load generator (commands_bench.c). */
#ifndef TERN_DATAPLANE_COMMANDS_H
#define TERN_DATAPLANE_COMMANDS_H

#include <jansson.h>

#include "dataplane/control.h"

/* A control_handler; ctx is the struct daemon. */
json_t *commands_answer(void *ctx, const char *command, const json_t *request,
			struct control_cursor *cursor, const char **error);

/* ---- commands_fastopen.c; *error is "a lane does not answer" before */

struct daemon;

/* The cache of lane "lane", 0 by default; and its guard. */
json_t *commands_fastopen(struct daemon *daemon, const json_t *request,
			  struct control_cursor *cursor, const char **error);
json_t *commands_fastopen_guard(struct daemon *daemon, const json_t *request,
				struct control_cursor *cursor, const char **error);

/* Forgets the cookie of "address", or all. */
json_t *commands_fastopen_flush(struct daemon *daemon, const json_t *request,
				struct control_cursor *cursor, const char **error);

/* The keys, after setting them to "keys" ([primary, backup]), or, with "new", to another one. */
json_t *commands_fastopen_key(struct daemon *daemon, const json_t *request,
			      struct control_cursor *cursor, const char **error);

/* ---- commands_address.c; likewise */

/*
 * Gives "address" ("198.18.0.9/24") to port "port", 0 by default. "taken_over": another station had
 * it until now. Both answer with "port" and "prefix_len".
 */
json_t *commands_address_add(struct daemon *daemon, const json_t *request,
			     struct control_cursor *cursor, const char **error);
json_t *commands_address_del(struct daemon *daemon, const json_t *request,
			     struct control_cursor *cursor, const char **error);

/* ---- commands_bench.c; likewise */

/*
 * A load: "workload" (rr, crr, stream, idle, fastopen) on "targets" (one for each lane of "lanes",
 * or one for all), "connections", "pipeline", "request" and "answer" bytes, "ports", "greet",
 * "server_closes", "up", "down", "warmup_ms", "measure_ms", "patience_ms". How it goes. Its end:
 * "ended" is false while connections are being closed.
 */
json_t *commands_bench_start(struct daemon *daemon, const json_t *request,
			     struct control_cursor *cursor, const char **error);
json_t *commands_bench(struct daemon *daemon, const json_t *request, struct control_cursor *cursor,
		       const char **error);
json_t *commands_bench_end(struct daemon *daemon, const json_t *request,
			   struct control_cursor *cursor, const char **error);

#endif
