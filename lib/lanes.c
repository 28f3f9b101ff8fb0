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
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "epoll.h"
#include "kept.h"
#include "lanes.h"
#include "repair.h"
#include "socket.h"
#include "wait.h"

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
lanes_may_listen(const struct file *file)
{
	const struct shm_status *status = file_status(file);

	return lanes_are_many() &&
	       __atomic_load_n(&status->state, __ATOMIC_ACQUIRE) == SHM_OPENED &&
	       __atomic_load_n(&status->send_limit, __ATOMIC_ACQUIRE) == 0;
}

bool
lanes_may_change(const struct file *file)
{
	return !file->bound && lanes_may_listen(file);
}

static int
set_again(void *to, int level, int name, const void *value, socklen_t bytes)
{
	return socket_setsockopt(to, level, name, value, bytes);
}

static bool
is_shared(const struct file *file)
{
	return (__atomic_load_n(&file_status(file)->flags, __ATOMIC_ACQUIRE) & SHM_SHARED) != 0;
}

/* Another lane on which sockets may be. */
static bool
is_other(const struct file *file, unsigned int lane)
{
	return lane != file->lane && (arena.header.peers >> lane & 1) != 0;
}

struct part {
	unsigned int lane;
	uint32_t slot;
};

static int
ask_part(const struct part *part, enum shm_op op, uint32_t arg, uint64_t arg2, const void *payload,
	 size_t bytes)
{
	/* The payload is only read. */
	struct iovec iov = {.iov_base = (void *)(uintptr_t)payload, .iov_len = bytes};
	struct arena_call call = {.lane = part->lane,
				  .op = op,
				  .socket = part->slot,
				  .arg = arg,
				  .arg2 = arg2,
				  .payload = &iov,
				  .bytes = (uint32_t)bytes};

	return arena_call(&call);
}

static int
name_of(const struct file *file, struct shm_endpoint *local)
{
	struct arena_call call = {.lane = file->lane,
				  .op = SHM_SOCKNAME,
				  .socket = file->slot,
				  .data = local,
				  .data_room = sizeof(*local)};

	return arena_call(&call);
}

/* Opens it again on a lane, and binds it there if `local` says to what. */
static int
move(struct file *file, unsigned int lane, const struct shm_endpoint *local, uint32_t how)
{
	struct file *fresh;
	int status;

	if (is_shared(file) || file->taken_over)
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
	if (status == 0 && local != NULL)
		status = ask_part(&(struct part){lane, fresh->slot}, SHM_BIND, how, 0, local,
				  sizeof(*local));
	if (status == 0)
		file_trade_slots(file, fresh);
	file_put(fresh);
	if (status == 0)
		epoll_look_again(file);
	return status;
}

int
lanes_move(struct file *file, unsigned int lane)
{
	return move(file, lane, NULL, 0);
}

int
lanes_follow(struct file *file, const struct shm_elsewhere *to)
{
	struct shm_endpoint local;
	int status = is_other(file, to->lane) ? name_of(file, &local) : -EBUSY;

	return status < 0 ? status : move(file, to->lane, &local, to->how);
}

/* ---- Listeners, which have parts */

bool
lanes_may_bind(const struct file *file, const struct shm_bound *bound)
{
	for (unsigned int i = 0; i < arena.header.lanes && bound->local.port != 0; i++) {
		const struct part part = {i, 0};

		if (is_other(file, i) &&
		    ask_part(&part, SHM_MAY_BIND, 0, 0, bound, sizeof(*bound)) == -EADDRINUSE)
			return false;
	}
	return true;
}

static int
set_on_part(void *to, int level, int name, const void *value, socklen_t bytes)
{
	return ask_part(to, SHM_SETSOCKOPT, (uint32_t)level, (uint32_t)name, value, bytes);
}

/* Opens a part that listens. Returns whether it does. */
static bool
open_part(struct file *file, unsigned int lane, const struct shm_endpoint *local, uint32_t backlog,
	  uint64_t name)
{
	int64_t slot = file_take_part(lane);
	struct part part = {lane, (uint32_t)slot};
	int status;

	if (slot < 0)
		return false;
	if (ask_part(&part, SHM_OPEN, (uint32_t)file->family, file->smc, NULL, 0) < 0) {
		file_give_part(lane, part.slot);
		return false;
	}
	pthread_mutex_lock(&file->writing);
	status = kept_repeat(file, set_on_part, &part);
	pthread_mutex_unlock(&file->writing);
	if (status == 0)
		status = ask_part(&part, SHM_BIND, SHM_BIND_PART, 0, local, sizeof(*local));
	if (status == 0)
		status = ask_part(&part, SHM_LISTEN, backlog, name, NULL, 0);
	if (status == 0 && file_add_part(file, lane, part.slot))
		return true;
	arena_post(lane, SHM_CLOSE, part.slot, 0, NULL, 0);
	file_give_part(lane, part.slot);
	return false;
}

static bool
listens(unsigned int lane, uint32_t slot)
{
	return __atomic_load_n(&arena.views[lane].status[slot].state, __ATOMIC_ACQUIRE) ==
	       SHM_LISTENING;
}

/* A part is there already. If it has stopped listening it has given its port back. */
static bool
listen_again(const struct file *file, unsigned int lane, const struct shm_endpoint *local,
	     uint32_t backlog, uint64_t name)
{
	const struct part part = {lane, file_part(file, lane)};

	return (listens(lane, part.slot) ||
		ask_part(&part, SHM_BIND, SHM_BIND_PART, 0, local, sizeof(*local)) == 0) &&
	       ask_part(&part, SHM_LISTEN, backlog, name, NULL, 0) == 0;
}

/* What no other listener of ours has, nor of a process that may be asked for beside us; even. */
static uint64_t
name_for_lanes(const struct file *file)
{
	return (uint64_t)getpid() << 32 | (uint64_t)file->lane << 25 | (uint64_t)file->slot << 1;
}

/* Returns whether it listens on all other lanes. */
static bool
listen_elsewhere(struct file *file, const struct shm_endpoint *local, uint32_t backlog,
		 uint64_t name)
{
	bool may_open = !is_shared(file) && !file->taken_over && !repair_is_on(file);
	bool everywhere = true, opened = false;

	if (file->parts == NULL && !may_open)
		return false;
	for (unsigned int i = 0; i < arena.header.lanes; i++) {
		bool listening = false;

		if (!is_other(file, i))
			continue;
		if (file_part(file, i) != FILE_NO_SLOT)
			listening = listen_again(file, i, local, backlog, name);
		else if (may_open)
			opened |= listening = open_part(file, i, local, backlog, name);
		everywhere &= listening;
	}
	/* A child that was forked meanwhile knows nothing of them. */
	if (opened && is_shared(file)) {
		lanes_ask_parts(file, SHM_SHUTDOWN, SHUT_RDWR, 0, NULL, 0);
		return false;
	}
	return everywhere;
}

/*
 * Parts come first, so that each connection is wholly on the lane to which its packets come: one
 * that the socket's own lane began to accept for another lane would be lost when that listens, too.
 * Only if the port is not chosen yet that lane must begin; but nobody knows the port then.
 */
int
lanes_listen(struct file *file, uint32_t backlog)
{
	const struct part own = {file->lane, file->slot};
	bool again = listens(own.lane, own.slot);
	const uint64_t name = name_for_lanes(file), everywhere = name | SHM_LISTEN_EVERYWHERE;
	struct shm_endpoint local = {.port = 0};
	bool first, all = false;
	int status;

	first = (again || lanes_may_listen(file)) && name_of(file, &local) >= 0 && local.port != 0;
	if (first)
		all = listen_elsewhere(file, &local, backlog, name);
	status = ask_part(&own, SHM_LISTEN, backlog, all ? everywhere : name, NULL, 0);
	if (status < 0 && first)
		lanes_ask_parts(file, SHM_SHUTDOWN, SHUT_RDWR, 0, NULL, 0);
	else if (status == 0 && !first && name_of(file, &local) >= 0 &&
		 listen_elsewhere(file, &local, backlog, name))
		ask_part(&own, SHM_LISTEN, backlog, everywhere, NULL, 0);
	if (status == 0 && file->parts != NULL) {
		epoll_look_again(file);
		wait_look_again();
	}
	return status;
}

void
lanes_shut_listener(const struct file *file)
{
	const struct part own = {file->lane, file->slot};

	if (!lanes_are_many() || is_shared(file) || !listens(own.lane, own.slot))
		return;
	ask_part(&own, SHM_SHUTDOWN, SHUT_RDWR, 0, NULL, 0);
	lanes_ask_parts(file, SHM_SHUTDOWN, SHUT_RDWR, 0, NULL, 0);
}

void
lanes_ask_parts(const struct file *file, enum shm_op op, uint32_t arg, uint32_t arg2,
		const void *payload, size_t bytes)
{
	if (__atomic_load_n(&file->parts, __ATOMIC_ACQUIRE) == NULL)
		return;
	for (unsigned int i = 0; i < arena.header.lanes; i++) {
		const struct part part = {i, file_part(file, i)};

		if (part.slot != FILE_NO_SLOT)
			ask_part(&part, op, arg, arg2, payload, bytes);
	}
}

/* Whether somebody waits to be accepted, and since when. */
static bool
waits(unsigned int lane, uint32_t slot, uint64_t *since_us)
{
	const struct shm_status *status = &arena.views[lane].status[slot];

	*since_us = __atomic_load_n(&status->since_us, __ATOMIC_ACQUIRE);
	return listens(lane, slot) &&
	       (__atomic_load_n(&status->poll, __ATOMIC_ACQUIRE) & POLLIN) != 0;
}

bool
lanes_next_to_accept(const struct file *file, uint64_t *asked, unsigned int *lane, uint32_t *slot)
{
	uint64_t first_us = 0, since_us;

	*lane = file->lane;
	*slot = file->slot;
	for (unsigned int i = 0, found = 0; file->parts != NULL && i < arena.header.lanes; i++) {
		uint32_t at = i == file->lane ? file->slot : file_part(file, i);

		if (at == FILE_NO_SLOT || (*asked >> i & 1) != 0 || !waits(i, at, &since_us) ||
		    (found != 0 && since_us >= first_us))
			continue;
		found = 1;
		first_us = since_us;
		*lane = i;
		*slot = at;
	}
	if ((*asked >> *lane & 1) != 0)
		return false;
	*asked |= UINT64_C(1) << *lane;
	return true;
}

void
lanes_add_waiting(const struct file *file, void *info, size_t bytes)
{
	const size_t at = offsetof(struct tcp_info, tcpi_unacked);
	uint32_t all, n;

	if (file->parts == NULL || bytes < at + sizeof(all))
		return;
	memcpy(&all, (uint8_t *)info + at, sizeof(all));
	for (unsigned int i = 0; i < arena.header.lanes; i++) {
		uint32_t slot = file_part(file, i), most = sizeof(struct tcp_info);
		struct iovec iov = {.iov_base = &most, .iov_len = sizeof(most)};
		struct tcp_info of_part = {0};
		struct arena_call call = {.lane = i,
					  .op = SHM_GETSOCKOPT,
					  .socket = slot,
					  .arg = IPPROTO_TCP,
					  .arg2 = TCP_INFO,
					  .payload = &iov,
					  .bytes = sizeof(most),
					  .data = &of_part,
					  .data_room = sizeof(of_part)};

		if (slot == FILE_NO_SLOT || arena_call(&call) < 0)
			continue;
		memcpy(&n, (uint8_t *)&of_part + at, sizeof(n));
		all += of_part.tcpi_state == TCP_LISTEN ? n : 0;
	}
	memcpy((uint8_t *)info + at, &all, sizeof(all));
}
