/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * See wait.h. While the list is locked all signals are blocked, so that a handler may wait, too;
 * they are let through by ppoll() alone, which leaves no gap between the last look and the sleep.
 *
 * The handshake with the lanes: `sleepers` in the arena is raised, then, after a fence, the
 * condition is looked at once more, then comes the sleep. A lane writes its news, then, after a
 * fence, reads `sleepers`.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "arena.h"
#include "descriptors.h"
#include "kernel.h"
#include "wait.h"

enum {
	OWN_FDS = 3,    /* that a sleeper polls besides its user's */
	STACK_FDS = 64, /* more are on the heap */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct wait *waiting; /* all who wait */
static bool has_leader;
static __thread bool
	leading; /* this thread is in ppoll() as leader; a signal handler may find so */

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t key; /* a thread's wake_fd + 1 */

int64_t
wait_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

/* ---- A thread's descriptor to be woken by */

static void
close_wake_fd(void *value)
{
	descriptor_close_own((int)(intptr_t)value - 1);
}

static void
make_key(void)
{
	if (pthread_key_create(&key, close_wake_fd) != 0)
		abort();
}

static int
wake_fd_of_thread(void)
{
	int fd;

	pthread_once(&once, make_key);
	fd = (int)(intptr_t)pthread_getspecific(key) - 1;
	if (fd >= 0)
		return fd;
	fd = descriptor_own(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
	if (fd < 0)
		return -errno;
	pthread_setspecific(key, (void *)(intptr_t)(fd + 1));
	return fd;
}

/* ---- The list; under the lock */

static void
wake(struct wait *wait)
{
	if (!wait->woken)
		eventfd_write(wait->wake_fd, 1);
	wait->woken = true;
}

static void
wake_ready_others(const struct wait *self)
{
	for (struct wait *w = waiting; w != NULL; w = w->next)
		if (w != self && w->ready(w->arg))
			wake(w);
}

static void
take_wake(struct wait *wait)
{
	eventfd_t n;

	if (wait->woken)
		eventfd_read(wait->wake_fd, &n);
	wait->woken = false;
}

static void
enter(struct wait *wait)
{
	wait->woken = false;
	wait->next = waiting;
	waiting = wait;
	if (arena.shared != NULL)
		__atomic_add_fetch(&arena.shared->sleepers, 1, __ATOMIC_SEQ_CST);
}

static void
leave(struct wait *wait)
{
	struct wait **at = &waiting;

	while (*at != wait)
		at = &(*at)->next;
	*at = wait->next;
	take_wake(wait);
	if (arena.shared != NULL)
		__atomic_sub_fetch(&arena.shared->sleepers, 1, __ATOMIC_SEQ_CST);
	if (!has_leader && waiting != NULL)
		wake(waiting);
}

/* ---- Sleeping */

/* Until a descriptor is ready; leader or not. Called and returns with the lock held. */
static int
sleep_once(struct wait *wait, struct pollfd *fds, const sigset_t *mask)
{
	bool leads = (!has_leader || leading) && arena.memory != NULL;
	unsigned int n = 0;
	struct timespec timeout, *limit = NULL;
	eventfd_t rings;
	int status;

	fds[n++] = (struct pollfd){.fd = wait->wake_fd, .events = POLLIN};
	fds[n++] = (struct pollfd){.fd = leads ? arena.doorbell : -1, .events = POLLIN};
	fds[n++] =
		(struct pollfd){.fd = leads && !arena.dead ? arena.channel : -1, .events = POLLIN};
	for (unsigned int i = 0; i < wait->n_fds; i++)
		fds[n++] = wait->fds[i];
	if (wait->deadline_ns != WAIT_FOREVER) {
		int64_t left = wait->deadline_ns - wait_now_ns();

		if (left < 0)
			left = 0;
		timeout.tv_sec = left / 1000000000;
		timeout.tv_nsec = left % 1000000000;
		limit = &timeout;
	}
	has_leader |= leads;
	leading = leads;
	pthread_mutex_unlock(&lock);
	status = kernel.ppoll(fds, n, limit, mask);
	if (status < 0)
		status = -errno;
	pthread_mutex_lock(&lock);
	leading = false;
	take_wake(wait);
	if (leads) {
		has_leader = false;
		if (status > 0 && fds[1].revents != 0)
			eventfd_read(arena.doorbell, &rings);
		if (status > 0 && fds[2].revents != 0)
			arena_take_message();
		wake_ready_others(wait);
	}
	for (unsigned int i = 0; i < wait->n_fds; i++)
		wait->fds[i].revents = status > 0 ? fds[OWN_FDS + i].revents : 0;
	return status;
}

static bool
any_fd(const struct wait *wait)
{
	for (unsigned int i = 0; i < wait->n_fds; i++)
		if (wait->fds[i].revents != 0)
			return true;
	return false;
}

/* What a thread that is cancelled in its sleep leaves behind. */
struct sleep {
	struct wait *wait;
	struct pollfd *fds;
	const sigset_t *mask;
};

static void
abandon(void *arg)
{
	struct sleep *sleep = arg;

	pthread_mutex_lock(&lock);
	if (leading)
		has_leader = false;
	leading = false;
	leave(sleep->wait);
	pthread_mutex_unlock(&lock);
	if (sleep->wait->n_fds + OWN_FDS > STACK_FDS)
		free(sleep->fds);
}

static int
wait_listed(struct wait *wait, struct pollfd *fds, const sigset_t *mask)
{
	int status = 0;

	pthread_mutex_lock(&lock);
	enter(wait);
	for (;;) {
		if (wait->ready(wait->arg)) {
			status = 0;
			break;
		}
		if (wait->deadline_ns != WAIT_FOREVER && wait_now_ns() >= wait->deadline_ns &&
		    status == 1) {
			status = -ETIMEDOUT;
			break;
		}
		status = sleep_once(wait, fds, mask);
		if (any_fd(wait)) {
			status = 0;
			break;
		}
		if (status < 0 && !(status == -EINTR && wait->deaf)) {
			if (wait->ready(wait->arg))
				status = 0;
			break;
		}
		status = 1; /* has slept */
	}
	leave(wait);
	pthread_mutex_unlock(&lock);
	return status;
}

int
wait_for(struct wait *wait)
{
	struct pollfd few[STACK_FDS];
	struct sleep sleep = {.wait = wait, .fds = few};
	sigset_t all, old;
	int status;

	wait->wake_fd = wake_fd_of_thread();
	if (wait->wake_fd < 0)
		return wait->wake_fd;
	if (wait->n_fds + OWN_FDS > STACK_FDS) {
		sleep.fds = malloc((wait->n_fds + OWN_FDS) * sizeof(struct pollfd));
		if (sleep.fds == NULL)
			return -ENOMEM;
	}
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	if (wait->deaf)
		sleep.mask = &all;
	else
		sleep.mask = wait->sigmask != NULL ? wait->sigmask : &old;
	pthread_cleanup_push(abandon, &sleep);
	status = wait_listed(wait, sleep.fds, sleep.mask);
	pthread_cleanup_pop(0);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (sleep.fds != few)
		free(sleep.fds);
	return status;
}

void
wait_reset(void)
{
	/* The parent's thread has the same one. */
	pthread_once(&once, make_key);
	close_wake_fd(pthread_getspecific(key));
	pthread_setspecific(key, NULL);

	waiting = NULL;
	has_leader = false;
	pthread_mutex_init(&lock, NULL);
}
