/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the comparison test must notice: preloaded, it answers one call of one kind with a wrong
 * errno, says of one state one event too many, says of a window in repair that it is one byte
 * larger, and leaves the rest to libc.
 */
#include <dlfcn.h>
#include <errno.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

/* The next one of this name. POSIX lets an object's pointer be a function's. */
static void
next(void *function, const char *name)
{
	void *found = dlsym(RTLD_NEXT, name);

	memcpy(function, &found, sizeof(found));
}

__attribute__((visibility("default"))) int
shutdown(int fd, int how)
{
	static int (*real)(int, int);
	int status;

	if (real == NULL)
		next(&real, "shutdown");
	status = real(fd, how);
	if (status < 0 && errno == ENOTCONN)
		errno = EINVAL;
	return status;
}

__attribute__((visibility("default"))) int
poll(struct pollfd *fds, nfds_t n, int timeout_ms)
{
	static int (*real)(struct pollfd *, nfds_t, int);
	int status;

	if (real == NULL)
		next(&real, "poll");
	status = real(fds, n, timeout_ms);
	for (nfds_t i = 0; i < n; i++)
		if (fds[i].revents == (POLLOUT | POLLWRNORM | POLLHUP))
			fds[i].revents |= POLLIN;
	return status;
}

__attribute__((visibility("default"))) int
getsockopt(int fd, int level, int name, void *value, socklen_t *bytes)
{
	static int (*real)(int, int, int, void *, socklen_t *);
	int status;

	if (real == NULL)
		next(&real, "getsockopt");
	status = real(fd, level, name, value, bytes);
	if (status == 0 && level == IPPROTO_TCP && name == TCP_REPAIR_WINDOW)
		((struct tcp_repair_window *)value)->rcv_wnd++;
	return status;
}
