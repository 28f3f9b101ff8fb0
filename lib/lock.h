/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A packet filter of the kernel's that keeps connections still: no segment of theirs comes in or
 * leaves while it is there. For the interval in which they are somewhere between the kernel and
 * Tern; other traffic does not notice.
 */
#ifndef TERN_LIB_LOCK_H
#define TERN_LIB_LOCK_H

#include <stddef.h>

#include "endpoint.h"

/* Mark (SO_MARK) of segments that come in over loopback nevertheless: kernel_inject.c sends them.
 */
enum { LOCK_PASS_MARK = 0x7e12 };

struct lock;

/*
 * Locks n connections, in the network namespace of the calling thread. NULL: `why` says why not.
 * A connection may be locked more than once; it is free when the last lock is.
 */
struct lock *lock_take(const struct endpoints *connections, unsigned int n, char *why, size_t size);

/* Removes it. NULL is ignored. It goes by itself when the process ends, however it ends. */
void lock_release(struct lock *lock);

#endif
