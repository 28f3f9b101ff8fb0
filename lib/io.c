/* SPDX-License-Identifier: BSD-3-Clause */
/* The calls of tern.h that move bytes, and tern_poll(). */
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

/* ---- poll */

/* What tern_poll() waits for: the files of its descriptors that are Tern's, NULL for the others. */
struct polled {
	struct pollfd *fds;
	struct file **files;
	nfds_t n;
};

/* Fills in the revents of Tern's descriptors. Returns how many have some. */
static int
look(const struct polled *polled)
{
	int n = 0;

	for (nfds_t i = 0; i < polled->n; i++) {
		if (polled->files[i] == NULL)
			continue;
		polled->fds[i].revents = (short)(stream_events(polled->files[i]) &
						 (polled->fds[i].events | POLLERR | POLLHUP));
		n += polled->fds[i].revents != 0;
	}
	return n;
}

static bool
any_is_ready(void *arg)
{
	const struct polled *polled = arg;

	for (nfds_t i = 0; i < polled->n; i++)
		if (polled->files[i] != NULL && (stream_events(polled->files[i]) &
						 (polled->fds[i].events | POLLERR | POLLHUP)) != 0)
			return true;
	return false;
}

/* Looks, and waits if nothing is ready. `others` has room for the kernel's descriptors. */
static int
poll_all(struct polled *polled, struct pollfd *others, int64_t deadline_ns)
{
	struct wait wait = {
		.ready = any_is_ready, .arg = polled, .fds = others, .deadline_ns = deadline_ns};
	nfds_t at = 0;
	int n, status;

	for (nfds_t i = 0; i < polled->n; i++)
		if (polled->files[i] == NULL)
			others[wait.n_fds++] = polled->fds[i];
	if (look(polled) > 0)
		status = wait.n_fds > 0 ? kernel.poll(others, wait.n_fds, 0) : 0;
	else
		status = wait_for(&wait);
	if (status < 0 && status != -ETIMEDOUT)
		return status;
	n = look(polled);
	for (nfds_t i = 0; i < polled->n; i++) {
		if (polled->files[i] != NULL)
			continue;
		polled->fds[i].revents = others[at++].revents;
		n += polled->fds[i].revents != 0;
	}
	return n;
}

int
tern_poll(struct pollfd *fds, nfds_t n, int timeout_ms)
{
	struct polled polled = {.fds = fds, .n = n};
	struct pollfd *others = malloc((n + 1) * sizeof(*others));
	int64_t deadline_ns = WAIT_FOREVER;
	int status = -ENOMEM;

	polled.files = malloc((n + 1) * sizeof(*polled.files));
	if (timeout_ms >= 0)
		deadline_ns = wait_now_ns() + timeout_ms * INT64_C(1000000);
	if (others != NULL && polled.files != NULL) {
		for (nfds_t i = 0; i < n; i++)
			polled.files[i] = socket_get(fds[i].fd);
		status = poll_all(&polled, others, deadline_ns);
		for (nfds_t i = 0; i < n; i++)
			if (polled.files[i] != NULL)
				file_put(polled.files[i]);
	}
	free(others);
	free(polled.files);
	return tern_result(status);
}
