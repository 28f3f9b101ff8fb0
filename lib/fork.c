/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * See fork.h. The child gets references of its own to all sockets, by a channel that the parent
 * asks for before it forks (arena_share()). It takes them up when it first needs one; until then,
 * and if it never does, the open channel keeps them.
 *
 * From before the share until the fork is done everything that a child could find half done stands
 * still: the table of descriptors, all sockets, all epoll sets, and attaching. Not held are the
 * list of waiters and the answers on their way, which a child begins anew: no other thread lives in
 * it.
 *
 * Sockets that other threads were just opening, accepting or closing have a slot that no descriptor
 * of the child names: it closes them when it takes up the others.
 *
 * The handlers are there before the program's first instruction, so that the program's own handlers
 * (pthread_atfork) run while nothing is held, and may use sockets.
 *
 * A child that cannot have a share (ternd has gone, or its limit on programs is reached) finds its
 * sockets reset, as if ternd had gone.
 */
#include <pthread.h>
#include <stdbool.h>

#include "descriptors.h"
#include "epoll.h"
#include "file.h"
#include "fork.h"
#include "payload.h"
#include "wait.h"

static bool pending; /* atomic: a child's sockets are not taken up yet */
static int channel = -1;
static struct shm_header header; /* of the parent's arena */
static pthread_mutex_t taking = PTHREAD_MUTEX_INITIALIZER;

/* From before_fork() to what follows it. */
static bool shares;
static int cancel_state;

static void
before_fork(void)
{
	int cancel;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
	fork_take_inheritance();
	arena_hold();
	cancel_state = cancel;
	file_hold_all();
	epoll_hold();
	shares = arena.memory != NULL;
	if (shares && !arena.dead)
		channel = descriptor_own(arena_share());
}

static void
after_fork_in_parent(void)
{
	int cancel = cancel_state;

	descriptor_close_own(channel);
	channel = -1;
	epoll_release();
	file_release_all();
	arena_release();
	pthread_setcancelstate(cancel, NULL);
}

static void
after_fork_in_child(void)
{
	header = arena.header;
	arena_forget();
	wait_reset();
	pthread_mutex_init(&taking, NULL);
	epoll_reset();
	payload_reset();
	file_begin_anew();
	__atomic_store_n(&pending, shares, __ATOMIC_RELEASE);
	pthread_setcancelstate(cancel_state, NULL);
}

void
fork_take_inheritance(void)
{
	int cancel;

	if (!__atomic_load_n(&pending, __ATOMIC_ACQUIRE))
		return;
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
	pthread_mutex_lock(&taking);
	if (pending) {
		descriptor_disown(channel);
		if (channel < 0 || arena_adopt(channel) < 0)
			arena_stand_in(&header);
		channel = -1;
		if (arena.memory != NULL)
			file_match_arena();
		epoll_begin_anew();
		__atomic_store_n(&pending, false, __ATOMIC_RELEASE);
	}
	pthread_mutex_unlock(&taking);
	pthread_setcancelstate(cancel, NULL);
}

__attribute__((constructor(102))) static void
watch_forks(void)
{
	pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
}
