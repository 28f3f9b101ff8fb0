/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * See wait.h. While the list is locked all signals are blocked, so that a handler may wait, too;
 * they are let through by ppoll() alone, which leaves no gap between the last look and the sleep.
 * Cancellation is let through there, too, and nowhere else.
 *
 * The handshake with the lanes: `sleepers` in the arena is raised, then, after a fence, the
 * condition is looked at once more, then comes the sleep. A lane writes its news, then, after a
 * fence, reads `sleepers`.
 *
 * A wait that others may look at lies on the heap, in a sleeper: a handler that jumps out of the
 * wait leaves it in the list, harmless. The thread's next wait sees it by its frame: what is really
 * interrupted has a frame further up the stack. A leader that is about to jump says so, and is none
 * any more, whether it comes back or not: wait_jumping().
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
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

/* A thread's wait. */
struct sleeper {
	struct wait wait;
	_Alignas(max_align_t) uint8_t arg[WAIT_ARG_BYTES]; /* wait.arg, if that is a copy */
	struct pollfd *fds;                                /* on the heap, or NULL */
	const uint8_t *frame;                              /* of wait_for() */
	bool listed;
	bool counted; /* in the arena's `sleepers`: there was an arena */
	bool leads;   /* it is in ppoll() as leader */
	bool jumped;  /* a handler has called longjmp() since: perhaps nobody is in ppoll() */
	bool woken;
	int wake_fd;
	sigset_t old; /* the thread's mask, and its state of cancellation */
	int cancel;
	struct sleeper *next;  /* in `waiting` */
	struct sleeper *outer; /* of the same thread: the wait that a handler has interrupted */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct sleeper *waiting; /* all who wait */
static bool has_leader;

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t key;

static __thread struct thread {
	int wake_fd; /* + 1; 0: none yet */
	struct sleeper *innermost;
	struct sleeper *spare; /* by `outer` */
} me;

int64_t
wait_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

int64_t
wait_limit_ns(const struct timespec *timeout)
{
	if (timeout == NULL || timeout->tv_sec > INT32_MAX)
		return WAIT_FOREVER;
	if (timeout->tv_sec < 0 || timeout->tv_nsec < 0 || timeout->tv_nsec >= 1000000000)
		return -EINVAL;
	return wait_now_ns() + timeout->tv_sec * INT64_C(1000000000) + timeout->tv_nsec;
}

/* ---- The list; under the lock */

static void
wake(struct sleeper *sleeper)
{
	if (!sleeper->woken)
		eventfd_write(sleeper->wake_fd, 1);
	sleeper->woken = true;
}

static void
wake_ready_others(const struct sleeper *self)
{
	for (struct sleeper *s = waiting; s != NULL; s = s->next)
		if (s != self && s->wait.ready(s->wait.arg))
			wake(s);
}

/* Someone who is there is to become leader. */
static void
appoint(void)
{
	struct sleeper *s = waiting;

	while (s != NULL && s->jumped)
		s = s->next;
	if (!has_leader && s != NULL)
		wake(s);
}

/* Also what was meant for a wait of the same thread that was left by a jump. */
static void
take_wake(struct sleeper *sleeper)
{
	eventfd_t n;

	eventfd_read(sleeper->wake_fd, &n);
	sleeper->woken = false;
}

static void
count(struct sleeper *sleeper)
{
	if (arena.shared == NULL || sleeper->counted)
		return;
	sleeper->counted = true;
	__atomic_add_fetch(&arena.shared->sleepers, 1, __ATOMIC_SEQ_CST);
}

static void
enter(struct sleeper *sleeper)
{
	sleeper->woken = false;
	sleeper->listed = true;
	sleeper->next = waiting;
	waiting = sleeper;
	sleeper->counted = false;
	count(sleeper);
}

static void
leave(struct sleeper *sleeper)
{
	struct sleeper **at = &waiting;

	if (!sleeper->listed) /* a child was made in a handler */
		return;
	while (*at != sleeper)
		at = &(*at)->next;
	*at = sleeper->next;
	sleeper->listed = false;
	if (sleeper->woken)
		take_wake(sleeper);
	if (sleeper->leads)
		has_leader = false;
	sleeper->leads = false;
	if (sleeper->counted)
		__atomic_sub_fetch(&arena.shared->sleepers, 1, __ATOMIC_SEQ_CST);
	appoint();
}

/* ---- Sleepers of a thread */

static void
put_sleeper(struct sleeper *sleeper)
{
	me.innermost = sleeper->outer;
	free(sleeper->fds);
	sleeper->fds = NULL;
	sleeper->outer = me.spare;
	me.spare = sleeper;
}

/* A wait that nobody comes back to: the innermost. */
static void
abandon(void *arg)
{
	struct sleeper *sleeper = arg;

	pthread_mutex_lock(&lock);
	leave(sleeper);
	pthread_mutex_unlock(&lock);
	put_sleeper(sleeper);
	if (sleeper->wait.abandon != NULL)
		sleeper->wait.abandon(sleeper->wait.held);
}

/* The program's own clean-up comes after this. */
static void
end_cancelled(void *arg)
{
	struct sleeper *sleeper = arg;
	sigset_t old = sleeper->old;

	abandon(sleeper);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
}

static bool
is_within(const uint8_t *at, const stack_t *stack)
{
	const uint8_t *begin = stack->ss_sp;

	return at >= begin && at < begin + stack->ss_size;
}

/* Whether a handler has jumped out of the innermost wait: no more than frames nearer to the stack's
 * beginning than its own can still be there. Handlers may have a stack of their own. */
static bool
was_left(const uint8_t *frame)
{
	stack_t other;

	if (sigaltstack(NULL, &other) == 0 && (other.ss_flags & SS_DISABLE) == 0) {
		bool inner_is_there = is_within(frame, &other);
		bool outer_is_there = is_within(me.innermost->frame, &other);

		if (inner_is_there != outer_is_there)
			return outer_is_there;
	}
	return me.innermost->frame <= frame;
}

static void
end_thread(void *unused)
{
	struct sleeper *sleeper;

	(void)unused;
	while (me.innermost != NULL)
		abandon(me.innermost);
	while ((sleeper = me.spare) != NULL) {
		me.spare = sleeper->outer;
		free(sleeper);
	}
	descriptor_close_own(me.wake_fd - 1);
	me.wake_fd = 0;
}

static void
make_key(void)
{
	if (pthread_key_create(&key, end_thread) != 0)
		abort();
}

/* Returns NULL with *error. */
static struct sleeper *
take_sleeper(const struct wait *wait, const uint8_t *frame, int *error)
{
	struct sleeper *sleeper = me.spare;

	if (me.wake_fd == 0) {
		pthread_once(&once, make_key);
		me.wake_fd = descriptor_own(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) + 1;
		*error = -errno;
		if (me.wake_fd == 0)
			return NULL;
		pthread_setspecific(key, &me);
	}
	*error = -ENOMEM;
	if (sleeper == NULL)
		sleeper = aligned_alloc(_Alignof(struct sleeper), sizeof(*sleeper));
	else
		me.spare = sleeper->outer;
	if (sleeper == NULL)
		return NULL;
	*sleeper = (struct sleeper){
		.wait = *wait, .frame = frame, .wake_fd = me.wake_fd - 1, .outer = me.innermost};
	if (wait->n_fds + OWN_FDS > STACK_FDS) {
		sleeper->fds = malloc((wait->n_fds + OWN_FDS) * sizeof(struct pollfd));
		if (sleeper->fds == NULL) {
			free(sleeper);
			return NULL;
		}
	}
	if (wait->arg_bytes > 0) {
		memcpy(sleeper->arg, wait->arg, wait->arg_bytes);
		sleeper->wait.arg = sleeper->arg;
	}
	me.innermost = sleeper;
	return sleeper;
}

/* ---- Sleeping */

/* ppoll(), at which a thread may be cancelled: then it has no locks, and its own mask. */
static int
sleep_in_kernel(struct sleeper *sleeper, struct pollfd *fds, unsigned int n,
		const struct timespec *limit, const sigset_t *mask)
{
	int status, unused;

	if (sleeper->wait.deaf)
		return kernel.ppoll(fds, n, limit, mask) < 0 ? -errno : 1;
	pthread_cleanup_push(end_cancelled, sleeper);
	pthread_setcancelstate(sleeper->cancel, &unused);
	status = kernel.ppoll(fds, n, limit, mask);
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &unused);
	if (status < 0)
		status = -errno;
	pthread_cleanup_pop(0);
	return status;
}

/* Whether a wait of this thread's is in ppoll() as leader: a signal handler may find so. */
static bool
leads_already(const struct sleeper *sleeper)
{
	for (const struct sleeper *s = sleeper->outer; s != NULL; s = s->outer)
		if (s->leads)
			return true;
	return false;
}

/* Until a descriptor is ready; leader or not. Called and returns with the lock held. */
static int
sleep_once(struct sleeper *sleeper, struct pollfd *fds, const sigset_t *mask)
{
	const struct wait *wait = &sleeper->wait;
	bool leads = (!has_leader || leads_already(sleeper)) &&
		     __atomic_load_n(&arena.memory, __ATOMIC_ACQUIRE) != NULL;
	unsigned int n = 0;
	struct timespec timeout, *limit = NULL;
	eventfd_t rings;
	int status;

	fds[n++] = (struct pollfd){.fd = sleeper->wake_fd, .events = POLLIN};
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
	sleeper->leads = leads;
	pthread_mutex_unlock(&lock);
	status = sleep_in_kernel(sleeper, fds, n, limit, mask);
	pthread_mutex_lock(&lock);
	if (sleeper->woken || fds[0].revents != 0)
		take_wake(sleeper);
	if (sleeper->leads)
		has_leader = false;
	sleeper->leads = sleeper->jumped = false;
	if (leads) {
		if (status > 0 && fds[1].revents != 0)
			eventfd_read(arena.doorbell, &rings);
		if (status > 0 && fds[2].revents != 0)
			arena_take_message();
		wake_ready_others(sleeper);
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

/*
 * Whether the call that a handler has interrupted goes on. Which handler it was nobody tells: it
 * does if all that are there, and not blocked, have SA_RESTART.
 *
 * DEVIATION: on Linux the one that ran decides; test/interop/waits.sh.
 */
static bool
handlers_restart(const sigset_t *mask)
{
	for (int i = 1; i < NSIG; i++) {
		struct sigaction action;

		if (sigismember(mask, i) != 0 || sigaction(i, NULL, &action) < 0 ||
		    action.sa_handler == SIG_DFL || action.sa_handler == SIG_IGN)
			continue;
		if ((action.sa_flags & SA_RESTART) == 0)
			return false;
	}
	return true;
}

static int
wait_listed(struct sleeper *sleeper, struct pollfd *fds, const sigset_t *mask)
{
	const struct wait *wait = &sleeper->wait;
	int status = 0;

	pthread_mutex_lock(&lock);
	for (;;) {
		if (!sleeper->listed)
			enter(sleeper);
		if (wait->ready(wait->arg)) {
			status = 0;
			break;
		}
		if (wait->deadline_ns != WAIT_FOREVER && wait_now_ns() >= wait->deadline_ns &&
		    status == 1) {
			status = -ETIMEDOUT;
			break;
		}
		status = sleep_once(sleeper, fds, mask);
		if (any_fd(wait)) {
			status = 0;
			break;
		}
		if (status < 0 && !(status == -EINTR && wait->deaf)) {
			if (wait->ready(wait->arg))
				status = 0;
			else if (status == -EINTR && wait->restarts && handlers_restart(mask))
				continue;
			break;
		}
		status = 1; /* has slept */
	}
	leave(sleeper);
	pthread_mutex_unlock(&lock);
	return status;
}

int
wait_for(struct wait *wait)
{
	const uint8_t *frame = __builtin_frame_address(0);
	struct pollfd few[STACK_FDS];
	struct sleeper *sleeper;
	const sigset_t *mask;
	int status, cancel;
	sigset_t all, old;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	if (!wait->deaf)
		while (me.innermost != NULL && was_left(frame))
			abandon(me.innermost);
	sleeper = take_sleeper(wait, frame, &status);
	if (sleeper != NULL) {
		mask = wait->deaf ? &all : wait->sigmask != NULL ? wait->sigmask : &old;
		sleeper->old = old;
		sleeper->cancel = cancel;
		status = wait_listed(sleeper, sleeper->fds != NULL ? sleeper->fds : few, mask);
		put_sleeper(sleeper);
	}
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_setcancelstate(cancel, NULL);
	return status;
}

/* With the signals blocked, as wherever the list is locked. */
static void
look_again(bool all)
{
	sigset_t every, old;

	if (__atomic_load_n(&waiting, __ATOMIC_SEQ_CST) == NULL)
		return;
	sigfillset(&every);
	pthread_sigmask(SIG_SETMASK, &every, &old);
	pthread_mutex_lock(&lock);
	for (struct sleeper *s = waiting; s != NULL; s = s->next) {
		count(s);
		if (all || s->wait.ready(s->wait.arg))
			wake(s);
	}
	pthread_mutex_unlock(&lock);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
}

void
wait_attached(void)
{
	look_again(true);
}

void
wait_look_again(void)
{
	look_again(false);
}

void
wait_jumping(void)
{
	sigset_t every, old;

	if (me.innermost == NULL)
		return;
	sigfillset(&every);
	pthread_sigmask(SIG_SETMASK, &every, &old);
	pthread_mutex_lock(&lock);
	for (struct sleeper *s = me.innermost; s != NULL; s = s->outer) {
		s->jumped = true;
		if (s->leads)
			has_leader = false;
		s->leads = false;
	}
	appoint();
	pthread_mutex_unlock(&lock);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
}

void
wait_reset(void)
{
	for (struct sleeper *s = waiting; s != NULL; s = s->next)
		s->listed = s->leads = false;
	waiting = NULL;
	has_leader = false;
	pthread_mutex_init(&lock, NULL);

	/* The parent's thread has the same one. */
	descriptor_close_own(me.wake_fd - 1);
	me.wake_fd = 0;
}
