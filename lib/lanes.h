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

/* Whether a socket might have to go to another lane: it is neither bound, nor was it ever
 * connected, nor does it listen. */
bool lanes_may_change(const struct file *file);

/*
 * Opens a socket again on another lane, where it has the same options and is neither bound nor
 * connected, and closes it where it was. Returns 0 or a negative errno: -EBUSY when it cannot go,
 * for another process has it, too, or had it first. Then it is as it was.
 */
int lanes_move(struct file *file, unsigned int lane);

/* Before close(): a listener that no other process has answers nobody any more, on whichever lane
 * he is who asks. Does nothing to other sockets. */
void lanes_shut_listener(const struct file *file);

#endif
