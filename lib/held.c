/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * See held.h. By ptrace(), which needs no signal that the process or its parent would see. Calls in
 * which its threads wait begin anew, but for those that any stop interrupts with EINTR, such as
 * epoll_wait() (signal(7)).
 *
 * Left out: other processes that share its sockets go on.
 */
#include "held.h"

#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

static bool
is_held(const struct held *held, pid_t thread)
{
	for (unsigned int i = 0; i < held->n; i++)
		if (held->threads[i].id == thread)
			return true;
	return false;
}

/* Waits until it has stopped; false if it ended instead. */
static bool
stops(struct held_thread *thread)
{
	int status;

	if (waitpid(thread->id, &status, __WALL) != thread->id || !WIFSTOPPED(status))
		return false;
	/* A stop of ours is an event; else a signal stopped it, which it is to get nevertheless. */
	thread->signal = status >> 16 == 0 ? WSTOPSIG(status) : 0;
	return true;
}

/* Returns 0, also for one that has ended meanwhile; -1 with errno. */
static int
hold(struct held *held, pid_t thread)
{
	if (held->n == held->room) {
		unsigned int room = held->room * 2 + 16;
		struct held_thread *more = realloc(held->threads, room * sizeof(*more));

		if (more == NULL)
			return -1;
		held->threads = more;
		held->room = room;
	}
	held->threads[held->n].id = thread;
	if (ptrace(PTRACE_SEIZE, thread, NULL, NULL) < 0)
		return errno == ESRCH ? 0 : -1;
	if (ptrace(PTRACE_INTERRUPT, thread, NULL, NULL) == 0 && stops(&held->threads[held->n]))
		held->n++;
	return 0;
}

/* One look at the threads. Returns how many were new, -1 with errno. */
static int
hold_new(struct held *held, pid_t pid)
{
	struct dirent *entry;
	char path[64];
	int n = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	dir = opendir(path);
	if (dir == NULL)
		return -1;
	while (n >= 0 && (entry = readdir(dir)) != NULL) {
		pid_t thread = (pid_t)strtol(entry->d_name, NULL, 10);

		if (thread > 0 && !is_held(held, thread))
			n = hold(held, thread) < 0 ? -1 : n + 1;
	}
	closedir(dir);
	return n;
}

int
held_take(struct held *held, pid_t pid, char *why, size_t size)
{
	int n;

	memset(held, 0, sizeof(*held));
	/* Threads that run may start others. */
	while ((n = hold_new(held, pid)) > 0)
		;
	if (n == 0 && held->n > 0)
		return 0;
	if (n == 0 || errno == ENOENT)
		errno = ESRCH;
	snprintf(why, size, "cannot hold process %d still: %s", (int)pid,
		 errno == EPERM ? "no permission, or a debugger has it" : strerror(errno));
	held_release(held);
	return -1;
}

void
held_release(struct held *held)
{
	for (unsigned int i = 0; i < held->n; i++)
		ptrace(PTRACE_DETACH, held->threads[i].id, NULL,
		       (void *)(intptr_t)held->threads[i].signal);
	free(held->threads);
	memset(held, 0, sizeof(*held));
}
