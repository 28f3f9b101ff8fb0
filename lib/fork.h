/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Sockets over fork(). Threads: any.
 */
#ifndef TERN_LIB_FORK_H
#define TERN_LIB_FORK_H

/* In a child: takes up the sockets that it shares with its parent, if it has not yet. */
void fork_take_inheritance(void);

#endif
