/* SPDX-License-Identifier: BSD-3-Clause */
/* The calls of tern.h that move bytes. */
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kernel.h"
#include "result.h"
#include "stream.h"
#include "tern.h"

/* ---- Reading */

static ssize_t
receive(int fd, const struct iovec *iov, size_t n, int flags)
{
	struct file *file = socket_get(fd);
	ssize_t got;

	if (file == NULL)
		return tern_result(-EBADF);
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
	(void)address;
	(void)length;
	return tern_recv(fd, buffer, bytes, flags);
}

ssize_t
tern_recvmsg(int fd, struct msghdr *message, int flags)
{
	ssize_t n = receive(fd, message->msg_iov, message->msg_iovlen, flags);

	if (n >= 0) {
		message->msg_namelen = 0;
		message->msg_controllen = 0;
		message->msg_flags = flags & MSG_OOB;
	}
	return n;
}

ssize_t
tern_read(int fd, void *buffer, size_t bytes)
{
	return tern_recv(fd, buffer, bytes, 0);
}

ssize_t
tern_readv(int fd, const struct iovec *iov, int n)
{
	if (n < 0 || n > IOV_MAX)
		return tern_result(-EINVAL);
	return receive(fd, iov, (size_t)n, 0);
}

/* ---- Writing */

static ssize_t
transmit(int fd, const struct iovec *iov, size_t n, int flags)
{
	struct file *file = socket_get(fd);
	ssize_t taken;

	if (file == NULL)
		return tern_result(-EBADF);
	taken = stream_send(file, iov, n, flags);
	file_put(file);
	if (taken == -EPIPE && (flags & MSG_NOSIGNAL) == 0)
		pthread_kill(pthread_self(), SIGPIPE);
	return tern_result_bytes(taken);
}

ssize_t
tern_send(int fd, const void *buffer, size_t bytes, int flags)
{
	/* Only read. */
	struct iovec iov = {.iov_base = (void *)(uintptr_t)buffer, .iov_len = bytes};

	return transmit(fd, &iov, 1, flags);
}

ssize_t
tern_sendto(int fd, const void *buffer, size_t bytes, int flags, const struct sockaddr *address,
	    socklen_t length)
{
	(void)address;
	(void)length;
	return tern_send(fd, buffer, bytes, flags);
}

ssize_t
tern_sendmsg(int fd, const struct msghdr *message, int flags)
{
	return transmit(fd, message->msg_iov, message->msg_iovlen, flags);
}

ssize_t
tern_write(int fd, const void *buffer, size_t bytes)
{
	return tern_send(fd, buffer, bytes, 0);
}

ssize_t
tern_writev(int fd, const struct iovec *iov, int n)
{
	if (n < 0 || n > IOV_MAX)
		return tern_result(-EINVAL);
	return transmit(fd, iov, (size_t)n, 0);
}
