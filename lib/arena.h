/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A process's attachment to ternd: its channel, its doorbell, its arena, and how requests are
 * posted and answered. See shm.h for the layout.
 *
 * Threads: any, at any time after arena_attach() returned 0.
 */
#ifndef TERN_LIB_ARENA_H
#define TERN_LIB_ARENA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "shm.h"

enum {
	ARENA_LANES_MAX = 64,
};

struct arena {
	int channel;
	int doorbell;
	int bell;        /* wakes lanes */
	uint8_t *memory; /* NULL: not attached */
	struct shm_header header;
	struct shm_header *shared; /* the header in the arena: for `sleepers` */
	const struct shm_prefix *prefixes;
	uint8_t *payloads;
	struct shm_reply *replies;
	struct shm_view views[ARENA_LANES_MAX];
	bool dead; /* atomic: ternd has gone, or has detached us */
};

/* This process's. */
extern struct arena arena;

/*
 * Attaches, if this process has not yet: to the control socket that TERN_SOCKET names, or the only
 * one in /run/tern. Returns 0 or a negative errno: -ENOENT when no ternd runs, -ECONNREFUSED when
 * it does not let us, -EPROTO when it is of another version, and those of the calls that it takes.
 * Why not is told on stderr when TERN_DEBUG is set.
 */
int arena_attach(void);

/* Takes over a channel that another process made for this one. Returns as arena_attach() does. */
int arena_adopt(int channel);

/* Asks for a channel with references to all sockets of this process. Returns it, or a negative
 * errno. */
int arena_share(void);

/* This process is somebody else now: it has no more rights with ternd than he has. */
void arena_give_up_rights(void);

/* Around a fork: nobody attaches meanwhile. */
void arena_hold(void);
void arena_release(void);

/*
 * In place of an arena that cannot be had, one whose ternd has gone: all its sockets are reset.
 * `header` is that of the arena that they were in.
 */
void arena_stand_in(const struct shm_header *header);

/* In a child: forgets the parent's, without a word to ternd. */
void arena_forget(void);

/* Reads the channel after poll() found something in it: it has ended, or ternd says good-bye. */
void arena_take_message(void);

/*
 * Posts a request that wants no answer, with a payload gathered from `iov`, of which it takes the
 * first `bytes`. Waits while the ring is full. Requests of one socket are taken in the order in
 * which they are posted.
 */
void arena_post(unsigned int lane, enum shm_op op, uint32_t socket, uint32_t arg,
		const struct iovec *iov, uint32_t bytes);

/* Where a message is in a ring: behind it the lane has taken it. */
struct arena_mark {
	const struct shm_ring *ring;
	uint32_t end;
};

/* Posts SHM_SEND_PLACED: the first bytes of a payload, which are to stay until it is taken. */
struct arena_mark arena_post_placed(unsigned int lane, uint32_t socket, uint32_t arg,
				    uint32_t payload, uint32_t bytes);

static inline bool
arena_has_taken(const struct arena_mark *mark)
{
	uint32_t left = mark->end - __atomic_load_n(&mark->ring->head, __ATOMIC_ACQUIRE);

	return left == 0 || left > SHM_RING_BYTES;
}

/* What a request asks for, and where its answer's data goes. */
struct arena_call {
	unsigned int lane;
	enum shm_op op;
	uint32_t socket;
	uint32_t arg;
	uint32_t offset;
	uint64_t arg2;
	const struct iovec *payload; /* `bytes` gathered from it */
	uint32_t bytes;
	void *data;          /* of the answer; may be NULL */
	uint32_t data_room;  /* bytes; the rest of the answer's data is dropped */
	uint32_t data_bytes; /* out */
};

/* Posts a request and waits for its answer. Returns it; -ECONNRESET when ternd has gone. */
int arena_call(struct arena_call *call);

#endif
