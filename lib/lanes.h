/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * On which of ternd's lanes a socket is. It is on one from the call that opens it: lanes take
 * turns. It stays there, but that a local port is one lane's (shm_lane_of_port()): bind() has the
 * socket opened again on that one, with the options that were set; and where a lane has no port
 * left to choose, the other lanes are asked. With one lane nothing of this happens.
 *
 * Threads: any.
 */
#ifndef TERN_LIB_LANES_H
#define TERN_LIB_LANES_H

#include "file.h"

/* Whether sockets can be on more than one. */
static inline bool
lanes_are_many(void)
{
	return (arena.header.peers & (arena.header.peers - 1)) != 0;
}

/* Opens a socket, as socket_open_on(), on the lane whose turn it is; on another if that one has no
 * slot left. The arena is there. */
int lanes_open(struct file *file);

/* Whose a local port is. */
static inline unsigned int
lanes_of_port(uint16_t port)
{
	return shm_lane_of_port(arena.header.peers, port);
}

/* Whether it might be made to listen: it never was connected, and does not listen. */
bool lanes_may_listen(const struct file *file);

/* Whether a socket might have to go to another lane: it is neither bound, nor was it ever
 * connected, nor does it listen. */
bool lanes_may_change(const struct file *file);

/*
 * Opens a socket again on another lane, where it has the same options and is neither bound nor
 * connected, and closes it where it was. Returns 0 or a negative errno: -EBUSY when it cannot go,
 * for another process has it, too, or had it first. Then it is as it was.
 */
int lanes_move(struct file *file, unsigned int lane);

/* The same with one that is bound, and is so there, too. */
int lanes_follow(struct file *file, const struct shm_elsewhere *to);

/* Whether what other lanes have of a port lets a socket have it. */
bool lanes_may_bind(const struct file *file, const struct shm_bound *bound);

/*
 * Listens on its lane and on all others, where the socket gets parts with its options. Where one
 * cannot be had, that lane gives what comes to it to the socket's own.
 */
int lanes_listen(struct file *file, uint32_t backlog);

/* Before close(): when that returns nobody is answered on any lane any more, if this process is the
 * last that has the listener. Does nothing to a socket that does not listen. */
void lanes_shut_listener(const struct file *file);

/* Asks all parts of a listener, if it has some. */
void lanes_ask_parts(const struct file *file, enum shm_op op, uint32_t arg, uint32_t arg2,
		     const void *payload, size_t bytes);

/*
 * Which of a listener's slots to ask next for a connection: of those that have one and are not
 * `asked` yet, a bit for each lane, that where it waits longest; its own, if none has. False: all
 * are.
 */
bool lanes_next_to_accept(const struct file *file, uint64_t *asked, unsigned int *lane,
			  uint32_t *slot);

/* A listener's TCP_INFO tells of all that wait, parts included. */
void lanes_add_waiting(const struct file *file, void *info, size_t bytes);

#endif
