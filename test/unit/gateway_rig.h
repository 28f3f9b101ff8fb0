/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A gateway on one of two engines, and programs whose arenas a test writes by hand. The other
 * engine has plain sockets: the peers.
 */
#ifndef TERN_TEST_GATEWAY_RIG_H
#define TERN_TEST_GATEWAY_RIG_H

#include "dataplane/gateway.h"
#include "dataplane/move.h"
#include "lib/shm.h"
#include "test/sim/pair.h"

enum {
	RIG_PROGRAMS = 3,
	RIG_SOCKETS = 64, /* slots of each program */
	RIG_BLOCKS = 64,
	RIG_RINGS = 2,
	RIG_REPLIES = 4,
	RIG_PAYLOADS = 2,
	RIG_GATEWAY_SOCKETS = 32,
};

struct rig_program {
	struct gateway_program *gateway; /* NULL: gone */
	uint8_t *arena;
	struct shm_header header;
	struct shm_view view;
	struct shm_reply *replies;
	int doorbell;
	uint32_t tickets;
	uint32_t next_chunk[RIG_SOCKETS]; /* read_delivered()'s */
	uint16_t chunk_read[RIG_SOCKETS];
};

struct gateway_rig {
	struct pair pair;
	struct gateway *gateway;
	struct move_stats moves;
	int fault_event;
	struct rig_program programs[RIG_PROGRAMS];
};

void rig_start(struct gateway_rig *r);

/* Takes all down; false if anything is missing. Peers must be closed. */
bool rig_end(struct gateway_rig *r);

/* Lets virtual time pass, with an iteration of the lane each millisecond. */
void rig_run(struct gateway_rig *r, uint64_t ms);

/* Attaches program i, with references to `from`'s sockets if that is not NULL; detaches it. */
struct rig_program *rig_attach(struct gateway_rig *r, unsigned int i, struct rig_program *from);
void rig_detach(struct gateway_rig *r, struct rig_program *p);

/* Writes a message into ring 0, as it is. */
void rig_post(struct rig_program *p, const struct shm_request *request, const void *payload);

/* Posts a request that wants an answer and runs one iteration. Returns the answer; data in reply 0.
 */
int rig_call(struct gateway_rig *r, struct rig_program *p, enum shm_op op, uint32_t slot,
	     uint32_t arg, uint64_t arg2, const void *payload, uint32_t bytes);

/* Posts a request without an answer. */
void rig_tell(struct rig_program *p, enum shm_op op, uint32_t slot, uint32_t arg,
	      const void *payload, uint32_t bytes);

/* A listening socket in a slot, and a connection from a peer to it, accepted into another. */
void rig_listen(struct gateway_rig *r, struct rig_program *p, uint32_t slot, uint16_t port);
struct tcp_conn *rig_connect(struct gateway_rig *r, uint16_t port);
int rig_accept(struct gateway_rig *r, struct rig_program *p, uint32_t listener, uint32_t slot);

/* rig_start(), and a program that may repair, with all three; returns the peer. Its end. */
struct tcp_conn *rig_start_repairing(struct gateway_rig *r, struct rig_program **p,
				     uint32_t listener, uint32_t slot, uint16_t port);
bool rig_end_with(struct gateway_rig *r, struct tcp_conn *peer);

/* Copies up to `bytes` of what is delivered, and says in the arena that they are read. */
size_t rig_read(struct rig_program *p, uint32_t slot, void *to, size_t bytes);

struct gateway_stats rig_stats(const struct gateway_rig *r);

#endif
