/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Writing in place: the program fills in a payload of the arena, which the lane then sends from. A
 * payload is no socket's: it is taken from a few that the process has, and is free again when the
 * lane has taken the message that names it. If the credit does not suffice any more when it is
 * full, it is sent as other memory is.
 *
 * Reading in place: the program looks at delivered bytes where the lane has put them, and says how
 * many it is done with. Until then they are not read: they count for the window, and their blocks
 * stay as they are.
 *
 * Bytes that are not in the arena (blocks are short, urgent data is near) are lent from a copy,
 * which the file holds until they are done with.
 *
 * A loan ends early where the lane takes back what it has delivered: when the process forks, goes
 * into repair, and at connect() to AF_UNSPEC. Then the memory may be another socket's already;
 * nothing of the stream is lost, since nothing of it was read.
 *
 * Left out: reading in place from sockets that several processes have.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "epoll.h"
#include "message.h"
#include "payload.h"
#include "repair.h"
#include "result.h"
#include "stream.h"
#include "tern.h"

/* ---- Reading */

/* One attempt, under the lock. Returns bytes, 0 at the end, -EAGAIN when there is nothing now. */
static ssize_t
lend(struct file *file, struct iovec *iov, size_t n)
{
	ssize_t got;

	if (file->lent > 0)
		return -EBUSY;
	if (__atomic_load_n(&file_status(file)->flags, __ATOMIC_ACQUIRE) & SHM_SHARED)
		return -EOPNOTSUPP;
	if (repair_is_on(file))
		return -EPERM;
	got = (ssize_t)stream_lend(file, iov, n);
	if (got > 0) {
		file->lent = (size_t)got;
		return got;
	}
	if (file->lent_copy == NULL)
		file->lent_copy = malloc(SHM_REPLY_DATA);
	if (file->lent_copy == NULL)
		return -ENOMEM;
	iov[0] = (struct iovec){file->lent_copy, SHM_REPLY_DATA};
	for (size_t i = 1; i < n; i++)
		iov[i] = (struct iovec){0};
	got = stream_peek(file, iov);
	if (got > 0) {
		iov[0].iov_len = (size_t)got;
		file->lent = (size_t)got;
	}
	return got;
}

ssize_t
tern_recv_zc(int fd, struct iovec *iov, int n, int flags)
{
	struct file *file = socket_get(fd);
	ssize_t got;

	if (file == NULL)
		return tern_result(-EBADF);
	for (;;) {
		if (n <= 0 || n > IOV_MAX || (flags & ~MSG_DONTWAIT) != 0) {
			got = -EINVAL;
			break;
		}
		if (memory_is_bad(iov, (size_t)n)) {
			got = -EFAULT;
			break;
		}
		pthread_mutex_lock(&file->reading);
		got = lend(file, iov, (size_t)n);
		pthread_mutex_unlock(&file->reading);
		if (got != -EAGAIN || file->nonblocking || (flags & MSG_DONTWAIT) != 0)
			break;
		got = stream_wait(file, POLLIN | POLLRDHUP, file->receive_ns);
		if (got < 0)
			break;
	}
	file_put(file);
	return tern_result_bytes(got);
}

/* Under the lock. Returns 0 or a negative errno. */
static int
take_back(struct file *file, size_t bytes)
{
	uint32_t recalled = __atomic_load_n(&file_status(file)->recalled, __ATOMIC_ACQUIRE);
	bool lost = (int32_t)(recalled - file->lent_from) > 0;

	if (bytes > file->lent)
		return -EINVAL;
	file->lent = 0;
	if (lost)
		return -ESTALE;
	return bytes > 0 ? stream_drop(file, bytes) : 0;
}

int
tern_recv_zc_done(int fd, size_t bytes)
{
	struct file *file = socket_get(fd);
	int status;

	if (file == NULL)
		return tern_result(-EBADF);
	pthread_mutex_lock(&file->reading);
	status = take_back(file, bytes);
	pthread_mutex_unlock(&file->reading);
	file_put(file);
	return tern_result(status);
}

/* ---- Writing */

/* The room that there is now; whoever can send without credit has all of a payload. */
static size_t
room_for(const struct file *file, size_t bytes)
{
	uint64_t limit = __atomic_load_n(&file_status(file)->send_limit, __ATOMIC_ACQUIRE);
	uint64_t sent = __atomic_load_n(&file->sent, __ATOMIC_RELAXED);

	if (bytes > SHM_PAYLOAD_MAX)
		bytes = SHM_PAYLOAD_MAX;
	return limit > sent && limit - sent < bytes ? limit - sent : bytes;
}

static ssize_t
reserve(struct file *file, void **buffer, size_t bytes, int flags)
{
	int status = 0;

	if (memory_is_bad(buffer, sizeof(*buffer)))
		return -EFAULT;
	if (bytes == 0 || (flags & ~MSG_DONTWAIT) != 0)
		return -EINVAL;
	if ((stream_events(file) & (POLLOUT | POLLERR | POLLHUP)) == 0) {
		epoll_not_writable(file);
		if (file->nonblocking || (flags & MSG_DONTWAIT) != 0)
			return -EAGAIN;
		status = stream_wait(file, POLLOUT, file->send_ns);
	}
	if (status == 0)
		status = payload_take();
	if (status < 0)
		return status;
	*buffer = payload_memory(status);
	return (ssize_t)room_for(file, bytes);
}

ssize_t
tern_send_zc(int fd, void **buffer, size_t bytes, int flags)
{
	struct file *file = socket_get(fd);
	ssize_t room;

	if (file == NULL)
		return tern_result(-EBADF);
	room = reserve(file, buffer, bytes, flags);
	file_put(file);
	return tern_result_bytes(room);
}

/* Posts it if the credit still suffices. Returns false if it does not. */
static bool
post_payload(struct file *file, int index, size_t bytes, int flags)
{
	uint64_t limit = __atomic_load_n(&file_status(file)->send_limit, __ATOMIC_ACQUIRE);
	bool suffices = limit >= file->sent && limit - file->sent >= bytes &&
			!__atomic_load_n(&arena.dead, __ATOMIC_ACQUIRE);
	struct arena_mark mark;

	if (!suffices)
		return false;
	mark = arena_post_placed(file->lane, file->slot, (uint32_t)(flags & (MSG_MORE | MSG_EOR)),
				 (uint32_t)index, (uint32_t)bytes);
	file->sent += bytes;
	payload_give_back(index, &mark);
	return true;
}

ssize_t
tern_send_zc_done(int fd, void *buffer, size_t bytes, int flags)
{
	int index = payload_find(buffer);
	struct file *file;
	bool posted;
	ssize_t sent;

	if (index < 0 || bytes > SHM_PAYLOAD_MAX)
		return tern_result(-EINVAL);
	file = bytes == 0 ? NULL : socket_get(fd);
	if (file == NULL) {
		payload_give_back(index, NULL);
		return bytes == 0 ? 0 : tern_result(-EBADF);
	}
	pthread_mutex_lock(&file->writing);
	posted = post_payload(file, index, bytes, flags);
	pthread_mutex_unlock(&file->writing);
	file_put(file);
	if (posted)
		return (ssize_t)bytes;
	sent = tern_send(fd, buffer, bytes, flags);
	payload_give_back(index, NULL);
	return sent;
}
