/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Sockets over exec and posix_spawn.
 *
 * Before the call a plan is made: a share of those sockets whose descriptors the next image keeps,
 * a table of them in a memfd, and an environment that names both. The image's own libtern takes
 * them up when it is loaded. An image without libtern keeps the share's channel, and with it the
 * sockets open, as it would the kernel's, and can do nothing with them.
 *
 * Threads: any; plans of several threads wait for each other, and so do forks.
 */
#ifndef TERN_LIB_EXEC_H
#define TERN_LIB_EXEC_H

#include <stdbool.h>
#include <stddef.h>

/* What a child does with its descriptors before it executes: posix_spawn()'s file actions. */
struct exec_action {
	enum exec_action_kind {
		EXEC_CLOSE,      /* fd */
		EXEC_DUP2,       /* from, fd */
		EXEC_OPEN,       /* fd becomes something else */
		EXEC_CLOSE_FROM, /* fd and all above: no socket is kept */
	} kind;
	int from, fd;
};

struct exec_plan {
	char *const *environment; /* of the next image */

	/* exec.c's own. */
	bool holds;
	int cancel; /* the thread's state of cancellation */
	int table, channel;
	char **made; /* the environment, if it is not the caller's */
	char *named;
};

/* Plans for an image with this environment. Without sockets to keep, it is the caller's own. The
 * process's descriptors stay as they are. `child` is whether the image gets a process of its own.
 */
void exec_begin(struct exec_plan *plan, char *const *environment, bool child,
		const struct exec_action *actions, size_t n);

/* The exec has failed, or the child has executed. Leaves errno alone. */
void exec_end(struct exec_plan *plan);

#endif
