/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Waiting: until something in the arena has changed, a kernel descriptor is ready, the time is
 * over, or a signal comes.
 *
 * All threads of a process share one doorbell. Of those that wait one, the leader, polls it;
 * whenever it rings, the leader looks whose condition has come true, and wakes those. The others
 * poll a descriptor of their own. A leader that leaves makes another one leader.
 *
 * A thread may be cancelled while it waits, and a signal handler may leave a wait by siglongjmp()
 * and never come back. Then what its callers hold is given back by `abandon`: at once, or when the
 * thread waits the next time or ends. Until then others still ask ready().
 */
#ifndef TERN_LIB_WAIT_H
#define TERN_LIB_WAIT_H

#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WAIT_FOREVER INT64_MAX

enum {
	WAIT_ARG_BYTES = 64,
};

struct wait {
	/* What is waited for. Called by any thread, and often: it only looks. */
	bool (*ready)(void *arg);
	void *arg;          /* not on a stack, unless ... */
	size_t arg_bytes;   /* ... so many bytes of it are copied, at most WAIT_ARG_BYTES */
	struct pollfd *fds; /* kernel descriptors that end it too; revents are filled in */
	unsigned int n_fds;
	int64_t deadline_ns;     /* CLOCK_MONOTONIC, or WAIT_FOREVER */
	const sigset_t *sigmask; /* while waiting; NULL: the thread's own */
	bool deaf;               /* neither signals nor cancellation end it; locks may be held */
	bool restarts;           /* handlers with SA_RESTART do not end it */

	/* The wait is left for good: gives back what callers hold, with `held`. May be NULL. */
	void (*abandon)(void *held);
	void *held;
};

/* Nanoseconds of CLOCK_MONOTONIC. */
int64_t wait_now_ns(void);

/* When a wait ends that may last so long; NULL: never. -EINVAL for what is no time. */
struct timespec;
int64_t wait_limit_ns(const struct timespec *timeout);

/*
 * Returns 0 when it is ready or a descriptor of `fds` is; -ETIMEDOUT, -EINTR when a signal was
 * handled, or the errno of making a descriptor to wait on. The end of ternd ends no wait by itself:
 * ready() looks for that.
 */
int wait_for(struct wait *wait);

/* There is an arena now: who waits already is to be woken by it, too. */
void wait_attached(void);

/* Something has changed of which no lane tells: who is ready by it wakes. */
void wait_look_again(void);

/*
 * A handler is about to jump, perhaps out of this thread's waits: none of them counts on it any
 * more. A program without libtern-preload.so does not call this: there other threads' waits hear of
 * nothing until the one that jumped waits again.
 */
void wait_jumping(void);

/* In a child, after fork: nobody waits. */
void wait_reset(void);

#endif
