/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * See lanes.h. What a lane has of a socket that is neither bound nor connected is its options,
 * which are kept here for as long as it may have to move.
 *
 * Left out: a socket that is shared with another process before it is bound, or came over exec like
 * that, stays where it is; bind() to another lane's port answers EADDRINUSE then. No program that
 * knows nothing of Tern comes to that: until bind() or connect() its socket is the kernel's.
 */
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "epoll.h"
#include "kept.h"
#include "lanes.h"
#include "socket.h"

/* The one whose turn it is. */
static unsigned int
next(void)
{
	static uint32_t turns; /* atomic */
	uint32_t turn;

	if (!lanes_are_many())
		return lanes_of_port(0);
	/* Many processes make one connection each. */
	turn = __atomic_fetch_add(&turns, 1, __ATOMIC_RELAXED) + (uint32_t)getpid();
	return lanes_of_port((uint16_t)turn);
}

int
lanes_open(struct file *file)
{
	unsigned int first = next();
	int status = socket_open_on(file, first);

	for (unsigned int i = 0; i < arena.header.lanes && status == -ENFILE; i++)
		if (i != first && (arena.header.peers >> i & 1) != 0)
			status = socket_open_on(file, i);
	return status;
}

bool
lanes_may_change(const struct file *file)
{
	const struct shm_status *status = file_status(file);

	return lanes_are_many() && !file->bound &&
	       __atomic_load_n(&status->state, __ATOMIC_ACQUIRE) == SHM_OPENED &&
	       __atomic_load_n(&status->send_limit, __ATOMIC_ACQUIRE) == 0;
}

static int
set_again(void *to, int level, int name, const void *value, socklen_t bytes)
{
	return socket_setsockopt(to, level, name, value, bytes);
}

int
lanes_move(struct file *file, unsigned int lane)
{
	bool shared =
		(__atomic_load_n(&file_status(file)->flags, __ATOMIC_ACQUIRE) & SHM_SHARED) != 0;
	struct file *fresh;
	int status;

	if (shared || file->taken_over)
		return -EBUSY;
	fresh = file_make_plain();
	if (fresh == NULL)
		return -ENOMEM;
	fresh->family = file->family;
	fresh->smc = file->smc;
	status = socket_open_on(fresh, lane);
	if (status < 0) {
		file_discard(fresh);
		return status;
	}
	pthread_mutex_lock(&file->writing);
	status = kept_repeat(file, set_again, fresh);
	pthread_mutex_unlock(&file->writing);
	if (status == 0)
		file_trade_slots(file, fresh);
	file_put(fresh);
	if (status == 0)
		epoll_look_again(file);
	return status;
}

/*
 * What is posted to one lane and to another is done in no order: a connection that is opened on
 * another lane after the close() would still find the listener, and then be reset. So it is waited
 * for that the listener is none any more.
 */
void
lanes_shut_listener(const struct file *file)
{
	const struct shm_status *status = file_status(file);
	struct arena_call shut = {
		.lane = file->lane, .op = SHM_SHUTDOWN, .socket = file->slot, .arg = SHUT_RDWR};

	if (lanes_are_many() &&
	    __atomic_load_n(&status->state, __ATOMIC_ACQUIRE) == SHM_LISTENING &&
	    (__atomic_load_n(&status->flags, __ATOMIC_ACQUIRE) & SHM_SHARED) == 0)
		arena_call(&shut);
}
