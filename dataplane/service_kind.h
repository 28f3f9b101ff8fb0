/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the service set (service.c) and the kinds of service (http.c, echo.c, ...) share.
 *
 * A kind is a few functions. The set accepts and closes connections; a kind's run() makes all the
 * progress that is possible, whatever happened, and says with its verdict how to go on.
 */
#ifndef TERN_DATAPLANE_SERVICE_KIND_H
#define TERN_DATAPLANE_SERVICE_KIND_H

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "dataplane/http_parser.h"
#include "dataplane/service.h"
#include "dataplane/service_content.h"

struct service;
struct service_conn;

enum service_verdict {
	SERVICE_WAIT,    /* for the peer: run again when the engine has news */
	SERVICE_AGAIN,   /* enough for now: run again in the next iteration */
	SERVICE_STARVED, /* mbufs are short: run again in the next iteration */
	SERVICE_CLOSE,   /* done: what is queued is sent, then FIN */
	SERVICE_LINGER,  /* done, but the peer may be sending: FIN, read its rest, then close */
	SERVICE_BROKEN,  /* the engine reported the connection's error */
};

struct service_ops {
	/* Makes progress. Unread data, free send room, the end of the stream: it looks for itself.
	 */
	enum service_verdict (*run)(struct service_conn *conn);
};

extern const struct service_ops http_ops;
extern const struct service_ops echo_ops;
extern const struct service_ops discard_ops;
extern const struct service_ops chargen_ops;

/* What http is sending. */
struct http_answer {
	const struct content_file *file; /* NULL: generated stream, or an error's text */
	uint64_t first;                  /* next byte of the body to send */
	uint64_t length;                 /* bytes of body still to send after the head */
	uint64_t total;                  /* bytes of the whole body, whatever the range */
	uint32_t date_s;                 /* Date, seconds since 1970 */
	uint16_t head_sent;              /* bytes of the head that are queued already */
	uint16_t status;
	bool head_done : 1;  /* the head is queued */
	bool no_body : 1;    /* the method is HEAD */
	bool generated : 1;  /* the body is the pattern's stream */
	bool close : 1;      /* the connection ends with this answer */
	bool linger : 1;     /* ... and the peer may still be sending */
	bool keep_alive : 1; /* say so: HTTP/1.0 */
};

struct http_conn {
	bool answering; /* which of the two: */
	union {
		struct http_request request;
		struct http_answer answer;
	};
};

struct chargen_conn {
	uint32_t at; /* next byte of the pattern */
};

TAILQ_HEAD(service_conns, service_conn);

/*
 * Connections by the time of their last progress, oldest first. A stamp is renewed when it is older
 * than TIMEOUT_GRAIN_US, so that a busy connection seldom moves in the list.
 */
struct service_timeouts {
	struct service_conns conns;
	uint64_t timeout_us; /* 0: none */
};

/* A connection's slot. */
struct service_conn {
	struct tcp_conn *tcp; /* NULL: the slot is free */
	struct service *service;
	TAILQ_ENTRY(service_conn) by_activity; /* in a service_timeouts, or in the free slots */
	TAILQ_ENTRY(service_conn) by_turn;     /* in set->waiting, if `waiting` */
	uint64_t active_us;                    /* stamp of its last progress */
	uint32_t send_room;                    /* bytes; tcp_send_room() at that stamp */
	uint32_t empty_room;                   /* tcp_send_room() with an empty send queue */
	bool moved;                            /* progress in the present run() */
	bool waiting;
	bool lingering;
	union {
		struct http_conn http;
		struct chargen_conn chargen;
		uint32_t drained_bytes; /* while lingering */
	};
};

static_assert(sizeof(struct service_conn) <= 128, "two cache lines for a connection");

/* One configured service on this lane. */
struct service {
	const struct service_ops *ops;
	struct service_set *set;
	const struct content_site *site;
	struct service_timeouts idle;
};

struct service_listener {
	struct tcp_conn *tcp;
	struct service *service;
};

struct service_set {
	struct tcp_engine *engine;
	struct rte_mempool *ref_pool;
	struct rte_mbuf_ext_shared_info *shared; /* counts this lane's references to content */
	struct service_content *content;
	uint64_t now_us;
	uint64_t sweep_us; /* no timeout is due before; UINT64_MAX: none at all */
	uint64_t wall_taken_us;
	uint32_t wall_s;  /* seconds since 1970, at wall_taken_us */
	uint32_t n_conns; /* slots */
	struct service_conns free;
	struct service_conns waiting;      /* verdict AGAIN or STARVED */
	struct service_timeouts lingering; /* stamped once, when lingering starts */
	struct service_conn *conns;
	struct service services[CONFIG_MAX_SERVICES];
	unsigned int n_services;
	struct service_listener listeners[CONFIG_MAX_SERVICES * CONFIG_MAX_LISTEN];
	unsigned int n_listeners;
	char scratch[HTTP_HEAD_MAX];    /* a request that lies in several mbufs */
	char path[HTTP_TARGET_MAX + 2]; /* a request's path */
	struct service_stats stats;
};

#define SERVICE_COUNT(set, name, n)                                                                \
	__atomic_store_n(&(set)->stats.name, (set)->stats.name + (uint64_t)(n), __ATOMIC_RELAXED)

/* The wall clock, read at most once a second. */
uint32_t service_wall_s(struct service_set *set);

/* Copies bytes into the send queue. Returns how many, 0 without room; or negative: *verdict is it.
 */
ssize_t service_send(struct service_conn *conn, const void *data, size_t bytes, int flags,
		     enum service_verdict *verdict);

/*
 * Queues bytes of a stream that repeats a blob, by reference: as many of `bytes` as there is room
 * for. Returns how many; *verdict says why it were not all.
 */
uint64_t service_send_blob(struct service_conn *conn, const struct content_blob *blob,
			   uint64_t offset, uint64_t bytes, enum service_verdict *verdict);

/* Reads and drops everything. Returns WAIT, CLOSE at the end of the stream, or BROKEN. */
enum service_verdict service_drain(struct service_conn *conn, size_t *bytes);

/* Removes bytes that were dealt with from the receive queue. */
void service_consume(struct service_conn *conn, size_t bytes);

#endif
