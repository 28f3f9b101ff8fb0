/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the arena harness consists of: arena.c, which writes what the input says; arena_world.c, an
 * engine that talks to itself and the good program beside; arena_check.c, what must hold of the
 * gateway between two turns.
 */
#ifndef TERN_TEST_FUZZ_ARENA_H
#define TERN_TEST_FUZZ_ARENA_H

#include "dataplane/gateway.h"
#include "fuzz.h"

enum {
	BAD,   /* written by the input */
	CHILD, /* shares BAD's sockets, and is written by the input as well */
	GOOD,
	PROGRAMS,
	SLOTS = 16,
	BLOCKS = 12,
	RINGS = 3,
	REPLIES = 4,
	PAYLOADS = 2,
	SOCKETS = 12, /* of the gateway */
	WIRE = 128,   /* packets under way */
	ECHO_PORT = 7,
	BAD_PORT = 9,
	BAD_PEERS = 3,
	GOOD_SLOT = 5,
	PIECE = 700, /* bytes that the good program sends at once */
	TURNS_TO_FINISH = 4000,
};
struct program {
	struct gateway_program *gateway; /* NULL: not attached */
	uint8_t *arena;
	struct shm_view view;
	struct shm_reply *replies;
	uint32_t tickets;
};
struct arena_world {
	struct tcp_engine *e;
	struct gateway *gateway;
	uint64_t random, now_us;
	int event; /* every program's doorbell, and the gateway's word of faults */
	struct rte_mbuf *wire[WIRE];
	unsigned int n_wire;
	struct program programs[PROGRAMS];
	struct tcp_conn *listener, *echo; /* echo: the good program's peer */
	struct tcp_conn *peers[BAD_PEERS];
	uint64_t good_sent, good_read; /* bytes of its stream */
	uint32_t good_chunk;
	void *held; /* the user of a connection that is held; NULL: none is */
};

extern struct arena_world arena_world;

/* EAL, the engine and the arenas; once. */
void arena_make(void);

/* The one address: of both ends of every connection. */
struct ip_addr arena_address(void);
struct shm_endpoint arena_endpoint(uint16_t port);

/* Attaches a program, with references to `from`'s sockets if that is not NULL; detaches it. */
void arena_attach(unsigned int i, const struct program *from);
void arena_detach(unsigned int i);

/* Writes a message into a ring, behind the last one, wherever that ends. */
void arena_post(struct program *p, uint32_t ring, const struct shm_request *request,
		const void *payload, uint32_t bytes);

/* Posts a request and takes turns until it is answered. Returns the answer. */
int arena_ask(struct program *p, enum shm_op op, uint32_t slot, uint32_t arg, const void *payload,
	      uint32_t bytes);

/* What is under way arrives, and timers fire. */
void arena_deliver_wire(void);

/* An iteration of the lane after so many microseconds, and what the main thread does after it;
 * n of them, a millisecond apart. */
void arena_turn(uint64_t us);
void arena_turns(unsigned int n);

/* The good program: attaches and connects; sends as its credit allows; reads and checks its bytes;
 * waits for all that it sent. */
void arena_good_starts(void);
void arena_good_sends(void);
void arena_good_reads(void);
void arena_good_finishes(void);

/* Ends the process if something does not hold. */
void arena_check_gateway(const struct gateway *gateway);

/* No program is attached any more: nothing is left of them. */
void arena_check_empty(const struct gateway *gateway);

#endif
