/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Services: programs that run to completion inside a lane (http, echo, discard, chargen).
 *
 * A lane has one service set: its own listeners and connections of every configured service, driven
 * by the lane's thread. What is read-only and large (http's files) is loaded once and shared.
 */
#ifndef TERN_DATAPLANE_SERVICE_H
#define TERN_DATAPLANE_SERVICE_H

#include <stdio.h>

#include <rte_mempool.h>

#include "dataplane/config.h"
#include "tcp/tcp.h"

struct service_content;
struct service_set;

/*
 * Loads what services serve: http's files, and the pattern behind /bytes/N and chargen, into memory
 * that devices may read from. Main thread, after EAL started. Returns NULL with a message on
 * `errors`.
 */
struct service_content *service_content_load(const struct config *config, FILE *errors);
void service_content_free(struct service_content *content);

/* Counters of one lane's services, in the order of service_stats.def. */
struct service_stats {
#define SERVICE_STAT(name, text) uint64_t name;
#include "dataplane/service_stats.def"
#undef SERVICE_STAT
};

extern const char *const service_stats_names[];
extern const char *const service_stats_texts[];
#define SERVICE_STATS_COUNT (sizeof(struct service_stats) / sizeof(uint64_t))

struct service_set_config {
	const struct config *config;
	struct service_content *content;
	struct tcp_engine *engine;
	struct rte_mempool *ref_pool; /* mbufs without data room, to refer to content */
	int socket_id;
};

/* Opens every listener of one lane. Returns NULL with a message on `errors`. */
struct service_set *service_set_create(const struct service_set_config *config, FILE *errors);

/* Closes listeners and connections, and frees the set. */
void service_set_destroy(struct service_set *set);

/* tcp_env.notify for connections of this set: `user` is what the set gave to tcp_set_user(). */
void service_set_notify(struct service_set *set, struct tcp_conn *c, void *user);

/* Lets idle connections be closed and waiting ones go on; call once an iteration. */
void service_set_advance(struct service_set *set, uint64_t now_us);

/* When service_set_advance() has something to do next; UINT64_MAX: never. */
uint64_t service_set_next_timer(const struct service_set *set);

/* Copies the counters; any thread. */
void service_stats_read(const struct service_set *set, struct service_stats *stats);

#endif
