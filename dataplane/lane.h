/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A lane: one worker lcore with everything it needs, and its loop.
 *
 *     rx burst -> net_input -> tcp_input -> timers -> services -> inbox -> tcp_flush -> tx burst
 *
 * A lane shares nothing with others on the packet path. What must cross goes through its inbox, an
 * rte_ring with many producers: news from other lanes, which nobody waits for, and requests from
 * other threads, which do. Packets that a device brought to another lane come through a second one.
 *
 * Threads: lane_create() to lane_destroy() belong to the main thread; the loop has the lane between
 * lane_launch() and lane_join(). lane_ask() and the counters are for any thread meanwhile.
 */
#ifndef TERN_DATAPLANE_LANE_H
#define TERN_DATAPLANE_LANE_H

#include <stdbool.h>
#include <stdint.h>

#include <rte_ring.h>

#include "dataplane/bench.h"
#include "dataplane/gateway.h"
#include "dataplane/lane_steer.h"
#include "dataplane/lane_stats.h"
#include "dataplane/move.h"
#include "dataplane/net.h"
#include "dataplane/pools.h"
#include "dataplane/port.h"
#include "dataplane/service.h"
#include "tcp/tcp.h"

enum {
	LANE_RX_BURST = 64,
	LANE_GROUP = 16, /* of these are answered before the next are looked at: lane_input() */
	LANE_TX_FRAMES = 512, /* that may wait for a device */
	LANE_TX_BURST = 64,   /* are handed over as soon as there are so many */
	/* Of one connection's in a turn: then acknowledgments are read, and others have theirs. */
	LANE_FLUSH_BYTES = 131072,
	LANE_INBOX = 4096,  /* messages; a power of 2 */
	LANE_LIST = 128,    /* entries of one part of a list */
	LANE_HANDED = 2048, /* packets of other lanes that wait; a power of 2 */
	LANE_PORTS = 65536,
	LANE_OWNERS = 4,         /* programs told of one socket */
	LANE_DRAIN_US = 2000000, /* for connections to finish at the end */
	LANE_RANDOM_BYTES = 4096,
};

/* ---- Messages */

/* From lane to lanes: made by the sender from its pool, and put back there by who takes it. */
enum lane_news_kind {
	NEWS_NEIGHBOUR,
	NEWS_ICMP,
	NEWS_FASTOPEN,
	NEWS_REQUEST, /* not from a lane: `request` is answered, then belongs to who asked */
};

struct lane_request;

struct lane_news {
	enum lane_news_kind kind;
	struct rte_mempool *pool; /* where it goes back to; NULL: part of the request */
	union {
		struct net_neighbour_news neighbour;
		struct tcp_icmp icmp;
		struct tcp_fastopen_news fastopen;
		struct lane_request *request;
	};
};

enum lane_request_kind {
	ASK_CONNECTIONS,
	ASK_WAITING, /* at this lane's part of a listener: n */
	ASK_NEIGHBOURS,
	ASK_USAGE,
	ASK_FASTOPEN,       /* the cache of cookies */
	ASK_FASTOPEN_GUARD, /* the guard against black holes */
	ASK_FASTOPEN_FLUSH, /* has cookies forgotten */
	ASK_FASTOPEN_KEYS,  /* has cookies made with other keys */
	ASK_LINK,           /* tells that a port's link went up or down */
	ASK_ADDRESS,        /* has an address added to a port, or removed */
	ASK_ATTACH,
	ASK_DETACH,
	ASK_CHECKPOINT, /* and the next six: see lane_moves.h */
	ASK_CHECKPOINT_END,
	ASK_RESTORE_CHECK,
	ASK_RESTORE,
	ASK_RESTORE_END,
	ASK_RESTORE_PEERS,
	ASK_RESTORING, /* whether to keep silent: `up` */
	ASK_BENCH_START,
	ASK_BENCH, /* how it goes */
	ASK_BENCH_END,
};

enum lane_request_state {
	REQUEST_WAITING,
	REQUEST_ANSWERED,
	REQUEST_REFUSED,   /* the lane has stopped */
	REQUEST_ABANDONED, /* who asked is gone: the lane frees it */
};

struct lane_usage {
	struct tcp_usage tcp;
	uint32_t neighbour_bufs; /* mbufs in neighbours' queues */
	uint32_t tx_bufs;        /* mbufs that wait for a device */
};

/* Whose a connection is. */
struct lane_owner {
	bool is_service;   /* of the lane's */
	uint64_t listener; /* which it is on all lanes; 0: on this one alone, or it is none */
	unsigned int n;    /* programs that share it */
	struct gateway_user users[LANE_OWNERS];
};

/* A question to a lane and its answer; on the heap. */
struct lane_request {
	struct lane_news message; /* what goes into the ring */
	uint32_t state;           /* atomic: enum lane_request_state */
	enum lane_request_kind kind;
	uint64_t cursor;                    /* lists: 0 at first */
	unsigned int n;                     /* lists: entries that follow */
	bool over;                          /* lists: nothing comes behind them */
	int status;                         /* ASK_ADDRESS, ASK_BENCH...: what it returned */
	uint16_t port;                      /* ASK_LINK, ASK_ADDRESS; ASK_WAITING: TCP's */
	uint64_t listener;                  /* ASK_WAITING */
	bool up;                            /* ASK_LINK, ASK_RESTORING */
	struct gateway_program *program;    /* ASK_ATTACH, ASK_DETACH: this lane's part of it */
	int bell;                           /* ASK_ATTACH, ASK_DETACH: the program's */
	struct gateway_program *share_from; /* ASK_ATTACH: whose sockets it shares; or NULL */
	uint64_t now_us;                    /* ASK_FASTOPEN, _GUARD: what times are compared with */
	struct lane_moves *moves;           /* ASK_CHECKPOINT, _END, ASK_RESTORE */
	union {
		struct {
			struct tcp_listing connections[LANE_LIST];
			struct lane_owner owners[LANE_LIST]; /* of each */
		};
		struct net_neighbour_listing neighbours[LANE_LIST];
		struct lane_usage usage;
		struct tcp_fastopen_entry cookies[LANE_LIST];
		struct tcp_fastopen_guard guard;
		struct ip_addr flush; /* whose cookie; any-address: all */
		struct tcp_fastopen_keys keys;
		struct {
			struct config_address address;
			bool add, taken_over;
		};
		struct {
			struct bench_run *run; /* ..._START: begins; ..._END: comes back */
			struct bench_result result;
		} bench;
	};
};

/* ---- The lane */

/* Its sleep: see lane_idle.c. */
struct lane_idle {
	bool armed;        /* who has something for it rings */
	bool interrupts;   /* devices tell of packets */
	bool naps;         /* not all that may come is told of */
	bool nobody_rang;  /* it has just slept for the longest time */
	uint32_t nap_us;   /* the next one at most */
	uint64_t since_us; /* nothing to do; 0: from now */
	int epoll;         /* what may wake it */
	int rx;            /* epoll descriptor of the devices */
};

/* What others see of it; on a cache line that seldom changes, for some look with each burst. */
struct lane_door {
	bool sleeps;     /* now and then; fixed */
	uint32_t asleep; /* atomic: lane_idle.armed */
	int bell;        /* eventfd */
};

/* What a lane is to do, set by the main thread; each may only follow the one before. */
enum lane_order {
	LANE_RUN,
	LANE_DRAIN, /* close everything and let connections finish, LANE_DRAIN_US at most */
	LANE_STOP,
};

/* Packets as for tcp_input(), collected for another lane; in mbufs of any lane's pools. */
struct lane_hand {
	struct rte_ring *ring; /* where that takes them */
	unsigned int n;
	struct rte_mbuf *packet[LANE_RX_BURST];
};

struct lane_port {
	const struct port_device *device;
	bool has_queue;       /* else it sends by another lane's, and receives nothing */
	bool carries;         /* sends for others */
	bool steers;          /* the device brings it packets of other lanes */
	uint16_t queue;       /* of the device; without one of its own: the other lane's */
	struct lane *carrier; /* whose that is; itself where it has one */
	unsigned int n_tx;
	uint64_t reap_us, reap_end_us; /* when a driver that keeps_sent is asked, and no more */
	struct rte_mbuf *tx[LANE_TX_FRAMES]; /* oldest first */
};

struct lane {
	/* The loop's. */
	uint64_t now_us;
	uint64_t tsc_base, tsc_mult; /* see lane.c */
	uint64_t turn_tsc;           /* when the iteration began */
	struct tcp_engine *tcp;
	struct tcp_config tcp_config; /* its own, for changes */
	char name[16];
	struct net *net;
	struct service_set *services;
	struct service_wire wire; /* of the services */
	struct gateway *gateway;
	unsigned int n_ports;
	struct lane_port ports[CONFIG_MAX_PORTS];
	struct rte_ring *inbox;
	struct lane_pools pools;
	struct lane **lanes; /* all, by index */
	unsigned int n_lanes;
	unsigned int index;
	uint64_t peers;          /* lanes that have its ports, too, by bit; and itself */
	uint8_t *port_lanes;     /* see lane_ports.c; NULL: there is one lane */
	struct rte_ring *handed; /* packets of other lanes; NULL: there is one lane */
	struct lane_hand *hands; /* for each lane; or NULL */
	uint64_t handing_to;     /* bit i: hands[i].n is not 0 */
	uint32_t lend_above;     /* see pools.h */
	const struct lane_steer *steer;
	struct lane_idle idle;
	bool was_busy;   /* frames came or went in the iteration before */
	bool taking;     /* in the midst of another lane's packets */
	bool steering;   /* in the midst of a device's packets, which may be other lanes' */
	bool shares_cpu; /* with another lane: yields when idle */
	bool draining;
	uint64_t drain_end_us;
	struct lane_stats stats;
	struct move_stats moves;
	unsigned int random_used;
	uint8_t random[LANE_RANDOM_BYTES];

	/* Others' as well. */
	struct lane_door door __rte_cache_aligned;
	uint32_t drained; /* atomic: it has nothing more to say, but works for the others */
	uint32_t order;   /* atomic: enum lane_order */
	uint32_t stopped; /* atomic: the loop has ended, or not begun */

	/* Fixed. */
	const struct config *config;
	unsigned int lcore;
	int socket_id;
};

/* What all lanes share. */
struct lane_setup {
	const struct config *config;
	const struct port_device *ports;
	struct lane **lanes;
	unsigned int n_lanes;
	uint64_t tsc_base;
	uint8_t *port_lanes; /* LANE_PORTS, zeroed: see lane_ports.c */
	const struct lane_steer *steer;
	int fault_event; /* see gateway.h */
	bool restoring;  /* connections of ours are about to be restored */
};

/*
 * In this order: allocate (pools and inbox), then, with the ports configured and started, build
 * (the IP layer, the engine, and, on the lane's lcore, services), then launch. Return NULL or -1
 * after telling why not.
 */
struct lane *lane_create(const struct config *config, unsigned int index, unsigned int lcore,
			 int socket_id, uint16_t max_mtu);
int lane_build(struct lane *lane, const struct lane_setup *setup);
int lane_launch(struct lane *lane);

void lane_order(struct lane *lane, enum lane_order order);
bool lane_has_stopped(const struct lane *lane);

/* Waits for the loop to end, and takes apart what lane_build() made. NULL is ignored. */
void lane_dismantle(struct lane *lane);

/* With all lanes' loops ended: drops the news that came too late. */
void lane_inbox_clear(struct lane *lane);

/* With the ports closed and all inboxes cleared: frees the rest. Returns the number of pools that
 * were not full. */
unsigned int lane_destroy(struct lane *lane);

/* An empty request; NULL without memory. free() it after lane_ask() returned 0. */
struct lane_request *lane_request_make(enum lane_request_kind kind);

/*
 * Asks, and waits for the answer, which takes the lane one iteration. Returns 0, or -1 if the lane
 * does not answer within 3 seconds; the request is not the caller's then.
 */
int lane_ask(struct lane *lane, struct lane_request *request);

/*
 * The same in two steps, for one question of many, and in a hurry: between them the lane works on
 * it, and its end spins for a while before it sleeps. Each returns as lane_ask() does.
 */
int lane_ask_begin(struct lane *lane, struct lane_request *request);
int lane_ask_end(struct lane_request *request);

/* Copies the loop's counters; any thread. */
void lane_stats_read(const struct lane *lane, struct lane_stats *stats);

#endif
