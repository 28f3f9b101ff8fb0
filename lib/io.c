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

/* ---- Several messages in a call */

int
tern_sendmmsg(int fd, struct mmsghdr *messages, unsigned int n, int flags)
{
	unsigned int done = 0;
	ssize_t sent = 0;

	if (n > IOV_MAX)
		n = IOV_MAX;
	while (done < n && (sent = tern_sendmsg(fd, &messages[done].msg_hdr, flags)) >= 0)
		messages[done++].msg_len = (unsigned int)sent;
	return done > 0 || sent >= 0 ? (int)done : -1;
}

/* The time is looked at after each message, as on Linux: it ends no wait for the next. */
int
tern_recvmmsg(int fd, struct mmsghdr *messages, unsigned int n, int flags, struct timespec *timeout)
{
	int64_t deadline_ns = WAIT_FOREVER;
	unsigned int done = 0;
	ssize_t got = 0;

	if (timeout != NULL &&
	    (timeout->tv_sec < 0 || timeout->tv_nsec < 0 || timeout->tv_nsec >= 1000000000))
		return tern_result(-EINVAL);
	if (timeout != NULL && timeout->tv_sec < INT32_MAX)
		deadline_ns =
			wait_now_ns() + timeout->tv_sec * INT64_C(1000000000) + timeout->tv_nsec;
	if (n > IOV_MAX)
		n = IOV_MAX;
	while (done < n) {
		got = tern_recvmsg(fd, &messages[done].msg_hdr, flags & ~MSG_WAITFORONE);
		if (got < 0)
			break;
		messages[done++].msg_len = (unsigned int)got;
		if (flags & MSG_WAITFORONE)
			flags |= MSG_DONTWAIT;
		if (deadline_ns != WAIT_FOREVER && wait_now_ns() >= deadline_ns)
			break;
	}
	return done > 0 || got >= 0 ? (int)done : -1;
}
