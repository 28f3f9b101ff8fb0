/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A process held still while its sockets are elsewhere, so that it does not see what happens to
 * them. It goes on when it is let go, or when the one who holds it ends.
 */
#ifndef TERN_LIB_HELD_H
#define TERN_LIB_HELD_H

#include <stddef.h>
#include <sys/types.h>

struct held_thread {
	pid_t id;
	int signal; /* that it was about to take; 0: none */
};

struct held {
	struct held_thread *threads; /* on the heap */
	unsigned int n, room;
};

/* Stops every thread. Returns 0, or -1 with a sentence in `why`. To be let go by the same thread.
 */
int held_take(struct held *held, pid_t pid, char *why, size_t size);

/* Harmless if it holds nobody: all zero, or let go. */
void held_release(struct held *held);

#endif
