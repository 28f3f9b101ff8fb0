/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Options of a socket that may have to be set again: where another one takes its place before it is
 * connected or listens. That is the kernel's when it becomes Tern's (side.h), and Tern's when it
 * goes to another lane (lanes.h).
 *
 * Threads: who calls sees to it that one at a time does, for one file.
 */
#ifndef TERN_LIB_KEPT_H
#define TERN_LIB_KEPT_H

#include <sys/socket.h>

#include "file.h"

enum {
	KEPT_BYTES = 256, /* longer values are none of Tern's options, and not kept */
};

struct kept_option {
	int level, name;
	uint32_t bytes;
	uint8_t value[KEPT_BYTES];
};

/* Keeps what was set. */
void kept_add(struct file *file, int level, int name, const void *value, socklen_t bytes);

/* What an option was set to last; NULL: it was not. */
const struct kept_option *kept_find(const struct file *file, int level, int name);

/*
 * Sets all, in their order. set() returns 0 or a negative errno, which is nobody's to tell but one:
 * returns -EPERM if the program may repair on one side and not on the other, for its connect()
 * would not be what it thinks; else 0.
 */
int kept_repeat(const struct file *file,
		int (*set)(void *to, int level, int name, const void *value, socklen_t bytes),
		void *to);

#endif
