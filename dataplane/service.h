/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Services: programs that run to completion inside a lane, written against tern_service.h.
 *
 * A lane has one service set: its own listeners and connections of every configured service, driven
 * by the lane's thread.
 */
#ifndef TERN_DATAPLANE_SERVICE_H
#define TERN_DATAPLANE_SERVICE_H

#include <stdio.h>

#include <rte_mempool.h>

#include "dataplane/config.h"
#include "dataplane/tern_service.h"
#include "tcp/tcp.h"

struct lane_stats;
struct service_set;

/* Counters of one lane's services, in the order of service_stats.def. */
struct service_stats {
#define SERVICE_STAT(name, text) uint64_t name;
#include "dataplane/service_stats.def"
#undef SERVICE_STAT
};

extern const char *const service_stats_names[];
extern const char *const service_stats_texts[];
#define SERVICE_STATS_COUNT (sizeof(struct service_stats) / sizeof(uint64_t))

/* The way out for packets of a service's own (bench_flood.c), past the engine. */
struct service_wire {
	void *ctx;                                             /* first argument of all */
	bool (*is_local)(void *ctx, const struct ip_addr *ip); /* one of our addresses */
	bool (*resolve)(void *ctx, uint32_t hop);              /* net_resolve() */
	void (*transmit)(void *ctx, struct rte_mbuf **packets, unsigned int n); /* as tcp_env's */
	int (*path)(void *ctx, const struct ip_addr *remote, const struct ip_addr *local,
		    struct tcp_path *path); /* as tcp_env's */
	struct rte_mempool *pool;
};

struct service_set_config {
	const struct config *config; /* its services are started */
	struct tcp_engine *engine;
	struct rte_mempool *ref_pool; /* mbufs without data room, to refer to what is sent */
	int socket_id;
	unsigned int lane;
	const struct lane_stats *loop;   /* the lane's own; NULL: there is no loop */
	const struct service_wire *wire; /* stays; NULL: there is none */
};

/*
 * Starts every service in one lane and opens its listeners. Returns NULL with a message on
 * `errors`. By the lane's thread, as everything here that does not say otherwise.
 */
struct service_set *service_set_create(const struct service_set_config *config, FILE *errors);

/* Closes listeners and connections. NULL is ignored. */
void service_set_close(struct service_set *set);

/*
 * Ends the services in this lane and frees the set, after service_set_close() if that was not done;
 * with every mbuf back in its pool. Mistakes of services are told on `errors`. NULL is ignored.
 */
void service_set_destroy(struct service_set *set, FILE *errors);

/* tcp_env.notify for connections of this set: `user` is what the set gave to tcp_set_user(). */
void service_set_notify(struct service_set *set, struct tcp_conn *c, void *user);

/* tcp_env.may_fold, fold and unfold, likewise. */
bool service_set_may_fold(const void *user);
void service_set_fold(void *user, struct tcp_folded *folded);
void service_set_unfold(void *user, struct tcp_conn *c);

/* An iteration begins: what the one before took counts. */
void service_set_begin(struct service_set *set, uint64_t now_us);

/* Gives waiting connections, timers and idle time-outs their turn; call once an iteration. */
void service_set_advance(struct service_set *set, uint64_t now_us);

/*
 * Offers packets for the engine to a service that sends past it. Returns how many are left, in
 * their order, for tcp_input(). `set` may be NULL.
 */
unsigned int service_set_take(struct service_set *set, struct rte_mbuf **packets, unsigned int n);

/* Whether a service wants to be called in every iteration: lane_turn(). */
bool service_set_has_turns(const struct service_set *set);

/* When service_set_advance() has something to do next; UINT64_MAX: never. */
uint64_t service_set_next_timer(const struct service_set *set);

/* ---- Connections that move: service_move.c */

enum {
	SERVICE_SAVED_BYTES_MAX = TERN_SERVICE_SAVED_BYTES_MAX + 2,
};

/* The service that has a connection, by its place in the configuration; -1: none has. */
int service_set_owner(const struct service_set *set, const void *user);

/* The service that listens there; -1: none does. */
int service_set_listens(const struct service_set *set, const struct tcp_endpoint *local);

/*
 * Whether the service's connections can move at all: 0, or -EOPNOTSUPP with the reason in `why`,
 * TERN_SERVICE_WHY_BYTES.
 */
int service_set_movable(const struct service_set *set, unsigned int service, char *why);

/* From now on its service hears nothing of it, whatever happens; and again. */
void service_set_freeze(struct service_set *set, void *user);
void service_set_thaw(struct service_set *set, void *user);
bool service_set_is_frozen(const void *user);

/*
 * Writes what its service needs to go on with it elsewhere, SERVICE_SAVED_BYTES_MAX at most.
 * Returns how many bytes, or a negative errno with the reason in `why`.
 */
ssize_t service_set_save(struct service_set *set, void *user, uint8_t *to, char *why);

/* It goes on elsewhere: tells the service, and closes it silently. */
void service_set_leave(struct service_set *set, void *user);

/*
 * Hands a connection that is in repair still to a service, with what was saved of it; what that is
 * comes from outside. With 0 bytes it had no service, and is as one that was accepted. Returns 0,
 * and its first callbacks come in the next iteration; or a negative errno with the reason in `why`,
 * and the connection is the caller's.
 */
int service_set_restore(struct service_set *set, unsigned int service, struct tcp_conn *c,
			const uint8_t *from, size_t bytes, char *why);

/* ---- From other threads */

/*
 * The longest of the iterations that took too long since this was called last, 0 if none did;
 * *services are those of plugins that ran in such iterations, by bit. Main thread.
 */
uint64_t service_set_take_slow(struct service_set *set, uint32_t *services);

/* Copies the counters; any thread. */
void service_stats_read(const struct service_set *set, struct service_stats *stats);

/* One of the counters that the configuration's service of that index has of its own; any thread. */
uint64_t service_counter_read(const struct service_set *set, unsigned int service,
			      unsigned int counter);

/* Bytes of memory that a lane takes for each connection that the services may have. */
uint32_t service_conn_bytes(const struct config *config);

#endif
