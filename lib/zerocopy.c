/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Reading in place: the program looks at delivered bytes where the lane has put them, and says how
 * many it is done with. Until then they are not read: they count for the window, and their blocks
 * stay as they are.
 *
 * Bytes that are not in the arena (blocks are short, urgent data is near) are lent from a copy,
 * which the file holds until they are done with.
 *
 * A loan ends early where the lane takes back what it has delivered: when the process forks, and at
 * connect() to AF_UNSPEC. Then the memory may be another socket's already; nothing of the stream is
 * lost, since nothing of it was read.
 *
 * Left out: writing in place, and sockets that several processes have.
 */
#include <errno.h>
#include <stdlib.h>

#include "message.h"
#include "result.h"
#include "stream.h"
#include "tern.h"

/* One attempt, under the lock. Returns bytes, 0 at the end, -EAGAIN when there is nothing now. */
static ssize_t
lend(struct file *file, struct iovec *iov, size_t n)
{
	ssize_t got;

	if (file->lent > 0)
		return -EBUSY;
	if (__atomic_load_n(&file_status(file)->flags, __ATOMIC_ACQUIRE) & SHM_SHARED)
		return -EOPNOTSUPP;
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
