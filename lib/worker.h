/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Work that must be brought to its end or undone, whatever happens to the command: a child of it
 * does the work, with signals blocked, and goes on if the command is killed.
 */
#ifndef TERN_LIB_WORKER_H
#define TERN_LIB_WORKER_H

/*
 * Runs work() in a child and returns its status, as the shell would. Signals to end are passed on;
 * the child takes them when it is worker_done().
 */
int worker_run(int (*work)(void *arg), void *arg);

/* In the child: signals do what they did before; to be called before a program is executed. */
void worker_done(void);

#endif
