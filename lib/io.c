/* SPDX-License-Identifier: BSD-3-Clause */
/* The calls of tern.h that move bytes. */
#include <errno.h>
#include <limits.h>
#include <time.h>

#include <linux/errqueue.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fastopen.h"
#include "message.h"
#include "result.h"
#include "stream.h"
#include "tern.h"

/* ---- Reading */

static ssize_t
receive(int fd, const struct iovec *iov, size_t n, int flags)
{
	struct file *file;
	struct sock_extended_err report;
	ssize_t got;

	pthread_testcancel();
	file = socket_get(fd);
	if (file == NULL)
		return tern_result(-EBADF);
	got = message_check_vector(iov, n, (flags & MSG_TRUNC) == 0);
	if (got == 0 && (flags & MSG_ERRQUEUE) != 0)
		got = stream_report(file, &report);
	else if (got == 0)
		got = stream_receive(file, iov, n, flags);
	file_put(file);
	return tern_result_bytes(got);
}

ssize_t
tern_recv(int fd, void *buffer, size_t bytes, int flags)
{
	struct iovec iov = {.iov_base = buffer, .iov_len = bytes};

	return receive(fd, &iov, 1, flags);
}

ssize_t
tern_recvfrom(int fd, void *buffer, size_t bytes, int flags, struct sockaddr *address,
	      socklen_t *length)
{
	ssize_t got = tern_recv(fd, buffer, bytes, flags);

	/* As Linux: a stream names nobody, and says so once there is something. */
	if (got < 0 || address == NULL)
		return got;
	if (memory_is_bad(length, sizeof(*length)))
		return tern_result(-EFAULT);
	if ((int)*length < 0)
		return tern_result(-EINVAL);
	*length = 0;
	return got;
}

ssize_t
tern_read(int fd, void *buffer, size_t bytes)
{
	struct iovec iov = {.iov_base = buffer, .iov_len = bytes};

	return tern_readv(fd, &iov, 1);
}

ssize_t
tern_readv(int fd, const struct iovec *iov, int n)
{
	int status = n < 0 || n > IOV_MAX ? -EINVAL : message_check_vector(iov, (size_t)n, false);

	if (status < 0)
		return tern_result(status);
	/* recv() waits for what it cannot take, read() does not. */
	for (int i = 0; i < n; i++)
		if (iov[i].iov_len > 0)
			return receive(fd, iov, (size_t)n, 0);
	return 0;
}

/* ---- Writing */

static ssize_t
transmit(int fd, const struct iovec *iov, size_t n, int flags, const struct sockaddr *address,
	 socklen_t length)
{
	struct fastopen_target target;
	struct file *file;
	ssize_t taken;

	pthread_testcancel();
	file = socket_get(fd);
	if (file == NULL)
		return tern_result(-EBADF);
	taken = message_check_vector(iov, n, true);
	if (taken == 0)
		taken = fastopen_target(file, address, length, &target);
	if (taken == 0)
		taken = stream_send(file, iov, n, flags, &target);
	file_put(file);
	return stream_sent(taken, flags);
}

ssize_t
tern_send(int fd, const void *buffer, size_t bytes, int flags)
{
	return tern_sendto(fd, buffer, bytes, flags, NULL, 0);
}

ssize_t
tern_sendto(int fd, const void *buffer, size_t bytes, int flags, const struct sockaddr *address,
	    socklen_t length)
{
	/* Only read. */
	struct iovec iov = {.iov_base = (void *)(uintptr_t)buffer, .iov_len = bytes};

	return transmit(fd, &iov, 1, flags, address, length);
}

ssize_t
tern_write(int fd, const void *buffer, size_t bytes)
{
	return tern_send(fd, buffer, bytes, 0);
}

/* Not a write of no bytes, which would start a deferred handshake: as on Linux, none at all. */
static bool
is_empty(const struct iovec *iov, size_t n)
{
	if (message_check_vector(iov, n, false) < 0)
		return false;
	for (size_t i = 0; i < n; i++)
		if (iov[i].iov_len > 0)
			return false;
	return true;
}

ssize_t
tern_writev(int fd, const struct iovec *iov, int n)
{
	struct file *file;

	if (n < 0 || n > IOV_MAX)
		return tern_result(-EINVAL);
	if (is_empty(iov, (size_t)n)) {
		file = socket_get(fd);
		if (file == NULL)
			return tern_result(-EBADF);
		file_put(file);
		return 0;
	}
	return transmit(fd, iov, (size_t)n, 0, NULL, 0);
}
