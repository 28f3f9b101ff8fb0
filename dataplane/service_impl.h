/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the service set (service.c) and the functions of tern_service.h (service_*.c) share.
 *
 * The set knows of a service only its descriptor, whether it came from a file or is built in.
 */
#ifndef TERN_DATAPLANE_SERVICE_IMPL_H
#define TERN_DATAPLANE_SERVICE_IMPL_H

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include <rte_mbuf.h>

#include "dataplane/service.h"
#include "dataplane/tern_service.h"

/* How a connection is to end, when the callback that runs has returned. */
enum service_ending {
	ENDING_NOT,
	ENDING_CLOSE,  /* the service closed it */
	ENDING_FINISH, /* the same, but the peer may be sending: FIN, read its rest, then close */
	ENDING_ABORT,  /* the service reset it */
	ENDING_GONE,   /* the peer or the network ended it */
	ENDING_BROKEN, /* a call reported its error: reset it */
	ENDING_REFUSED,
	ENDING_IDLE,       /* nothing moved, and all was sent */
	ENDING_IDLE_RESET, /* nothing moved, and not all was sent */
};

TAILQ_HEAD(service_conns, tern_service_conn);
STAILQ_HEAD(service_turns, tern_service_conn);

/*
 * Connections by the time of their last progress, oldest first. A stamp is renewed when it is older
 * than TIMEOUT_GRAIN_US, so that a busy connection seldom moves in the list.
 */
struct service_timeouts {
	struct service_conns conns;
	uint64_t timeout_us; /* 0: none */
};

/* A connection's slot; the service's state of it lies behind. */
struct tern_service_conn {
	union {
		struct tcp_conn *tcp;      /* NULL: the slot is free */
		struct tcp_folded *folded; /* while is_folded: what stands for it */
	};
	struct tern_service_lane *lane;
	TAILQ_ENTRY(tern_service_conn) by_activity; /* in a service_timeouts, or the free slots */
	STAILQ_ENTRY(tern_service_conn) by_turn;    /* in set->waiting, if `waiting` */
	uint64_t active_us;                         /* stamp of its last progress */
	union {
		uint32_t send_room;     /* bytes; tcp_send_room() at that stamp */
		uint32_t drained_bytes; /* while lingering */
		int32_t error;          /* positive errno to tell, while ending */
	};
	uint32_t timer_at; /* its place in set->timers, from 1; 0: none */
	uint8_t ending;    /* enum service_ending */
	bool waiting : 1;
	bool moved : 1; /* progress in the present turn */
	bool lingering : 1;
	bool connecting : 1;
	bool wants_room : 1; /* writable() is to be called */
	bool starved : 1;    /* ... in the next turn, for mbufs were short */
	bool room_due : 1;   /* ... in the next turn, for there is room already */
	bool yielded : 1;    /* readable() is to be called in the next turn */
	bool told_end : 1;   /* peer_closed() was called */
	bool shut : 1;       /* the service sends no more */
	bool is_folded : 1;  /* idle: see tcp_unfold() */
	bool frozen : 1;     /* about to move: no callback comes, nothing is read or sent */
	_Alignas(16) uint8_t state[];
};

static_assert(sizeof(struct tern_service_conn) == 64, "a cache line");

/* One configured service on this lane. */
struct tern_service_lane {
	const struct tern_service_plugin *ops; /* every callback is there */
	struct service_set *set;
	struct service_plugin *plugin;
	void *state;      /* of this service in this lane */
	void *shared;     /* of this service */
	uint64_t *counts; /* of the plugin's own counters */
	struct service_timeouts idle;
	unsigned int index; /* in the configuration */
	unsigned int n_counts;
	bool started;
	bool closes_at_end; /* it has no peer_closed() */
};

struct service_listener {
	struct tcp_conn *tcp;
	struct tern_service_lane *lane;
};

/* A timer that is set. */
struct service_timer {
	uint64_t due_us;
	struct tern_service_conn *conn;
};

/*
 * A send by reference on its way, until its release callback was called; or received bytes that are
 * held (release is NULL). It is free if neither `release` nor `buffer` is set.
 */
struct tern_service_held {
	struct rte_mbuf_ext_shared_info shared; /* counts the mbufs that refer to the bytes */
	struct service_set *set;
	struct tern_service_held *next; /* in set->free_refs or set->released */
	void (*release)(void *arg, size_t bytes);
	union {
		void *arg;               /* of release() */
		struct rte_mbuf *buffer; /* held */
	};
	size_t bytes;
};

static_assert(sizeof(struct tern_service_held) == 64, "a cache line");

struct service_set {
	struct tcp_engine *engine;
	struct rte_mempool *ref_pool;
	const struct lane_stats *loop; /* counters of the lane's loop; NULL: none */
	const struct service_wire *wire;
	/* service_set_take(), and its first argument; NULL: nobody wants to. */
	unsigned int (*take)(void *ctx, struct rte_mbuf **packets, unsigned int n);
	void *take_ctx;
	uint64_t now_us;
	uint64_t begun_us; /* when the iteration began */
	uint64_t sweep_us; /* no timeout is due before; UINT64_MAX: none at all */
	uint64_t wall_taken_us;
	uint32_t wall_s;  /* seconds since 1970, at wall_taken_us */
	uint32_t n_conns; /* slots */
	uint32_t n_fresh; /* slots from 0 on that were ever used */
	uint32_t slot_bytes;
	struct tern_service_conn *running; /* whose callback runs; NULL: none */
	struct service_conns free;
	struct service_turns waiting;      /* for a turn in the next iteration, or for its end */
	struct service_timeouts lingering; /* stamped once, when lingering starts */
	uint8_t *conns;                    /* slots */
	struct service_timer *timers;      /* a heap, the earliest first, from 1 on */
	uint32_t n_timers;
	uint32_t ran;     /* services with callbacks in this iteration, by bit */
	uint32_t trusted; /* those that are built in */
	uint32_t turners; /* those with a lane_turn() */
	bool closed;
	unsigned int index; /* the lane's */
	unsigned int n_lanes;
	unsigned int n_services;
	struct tern_service_lane services[CONFIG_MAX_SERVICES];
	unsigned int n_listeners;
	struct service_listener listeners[CONFIG_MAX_SERVICES * CONFIG_MAX_LISTEN];
	struct service_stats stats;

	/* References to what is sent, and holds of what was received; see service_memory.c. */
	struct tern_service_held *refs;
	struct tern_service_held *free_refs;
	uint32_t n_refs, n_fresh_refs, n_used_refs;
	uint32_t n_holds;

	/* Written by the lane, taken by the main thread. */
	uint64_t slow_us;  /* the longest iteration since it was taken; atomic */
	uint32_t slow_ran; /* services in such iterations, by bit; atomic */

	/* Written by whoever frees mbufs. */
	struct tern_service_held *released __rte_cache_aligned; /* atomic; a stack */
	struct rte_mbuf_ext_shared_info shared; /* of sends that nobody wants to be told of */
};

#define SERVICE_COUNT(set, name, n)                                                                \
	__atomic_store_n(&(set)->stats.name, (set)->stats.name + (uint64_t)(n), __ATOMIC_RELAXED)

/* ---- service.c, for the functions of tern_service.h */

/* Has the connection its turn in the next iteration. */
void service_wait_for_turn(struct tern_service_conn *conn);

/* Has it end when the callback that runs has returned, unless it does already. */
void service_end(struct tern_service_conn *conn, enum service_ending ending, int error);

/* A free slot for a connection, zeroed; NULL, and counted, if there is none. */
struct tern_service_conn *service_slot_take(struct tern_service_lane *lane, struct tcp_conn *tcp);

/* Gives back a slot of a connection that nobody was told of. */
void service_slot_free(struct tern_service_conn *conn);

/* Has a connection that was restored, whose service is in conn->lane, go on as one that lingers. */
void service_linger_on(struct tern_service_conn *conn);

/* It is gone, without a packet: tells the service, and frees the slot. */
void service_gone(struct tern_service_conn *conn);

/* Has a folded connection come back. Returns whether there was room for it. */
bool service_unfold(struct tern_service_conn *conn);

/* Whether anything can be asked of the engine about it now; a folded one comes back. */
static inline bool
service_is_here(const struct tern_service_conn *conn)
{
	return likely(!conn->frozen) &&
	       (likely(!conn->is_folded) ||
		service_unfold((struct tern_service_conn *)(uintptr_t)conn));
}

/* Ends a connection because ternd ends. */
void service_shut_down(struct tern_service_conn *conn);

static inline struct tern_service_conn *
service_slot_at(const struct service_set *set, uint32_t i)
{
	return (struct tern_service_conn *)(set->conns + (size_t)i * set->slot_bytes);
}

/* ---- service_timers.c */

/* Sets, moves or (UINT64_MAX) takes away a connection's timer. */
void service_timer_set(struct tern_service_conn *conn, uint64_t due_us);

/* Takes off a connection whose timer is due; NULL: none is. */
struct tern_service_conn *service_timer_pop(struct service_set *set, uint64_t now_us);

static inline uint64_t
service_timer_next(const struct service_set *set)
{
	return set->n_timers == 0 ? UINT64_MAX : set->timers[1].due_us;
}

/* ---- service_io.c */

/* The engine took n of `wanted` bytes. */
void service_sent(struct tern_service_conn *conn, size_t n, size_t wanted);

/* The engine took none, for this negative error. Returns what the service is to be told. */
ssize_t service_send_failed(struct tern_service_conn *conn, ssize_t error);

/* ---- service_memory.c */

bool service_refs_create(struct service_set *set, uint32_t sends, int socket_id);

/* Calls the release callbacks of what has been released. */
void service_refs_run(struct service_set *set);

/* Frees what is held, and the table. Returns how many holds there were. */
unsigned int service_refs_destroy(struct service_set *set);

/*
 * Makes a chain of mbufs that refer to up to `bytes` bytes of memory from `offset` on, of as many
 * as `most` mbufs. Returns NULL when the pool is empty or there is nothing to refer to.
 */
struct rte_mbuf *service_refer(const struct tern_service_memory *memory, size_t offset,
			       size_t bytes, unsigned int most,
			       struct rte_mbuf_ext_shared_info *shared, struct rte_mempool *pool);

enum {
	SERVICE_CHUNK_BYTES = 32768, /* one mbuf refers to bytes of one chunk at most */
	SERVICE_LINGER_US = 10 * 1000000,
	SERVICE_HOLDS = 1024, /* pieces that a lane's services may hold */
};

#endif
