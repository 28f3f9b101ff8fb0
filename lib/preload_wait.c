/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * poll, select and epoll under libc's names. What has none of Tern's sockets in it goes to the
 * kernel as it is.
 */
#include <errno.h>
#include <limits.h>

#include "epoll.h"
#include "kernel.h"
#include "polling.h"
#include "preload.h"
#include "result.h"
#include "select.h"
#include "tern.h"
#include "wait.h"

int __poll_chk(struct pollfd *fds, nfds_t n, int timeout_ms, size_t room);
int __ppoll_chk(struct pollfd *fds, nfds_t n, const struct timespec *timeout, const sigset_t *mask,
		size_t room);

extern void __chk_fail(void) __attribute__((noreturn));

/* ---- Times */

static int64_t
deadline_after(int timeout_ms)
{
	return timeout_ms < 0 ? WAIT_FOREVER : wait_now_ns() + timeout_ms * INT64_C(1000000);
}

/* ---- poll() */

static bool
any_of_ours(const struct pollfd *fds, nfds_t n)
{
	if (file_highest_fd() < 0 || fds == NULL)
		return false;
	for (nfds_t i = 0; i < n; i++)
		if (file_peek(fds[i].fd) != NULL)
			return true;
	return false;
}

int
poll(struct pollfd *fds, nfds_t n, int timeout_ms)
{
	if (!any_of_ours(fds, n))
		return kernel.poll(fds, n, timeout_ms);
	return tern_result(poll_until(fds, n, deadline_after(timeout_ms), NULL));
}

int
__poll_chk(struct pollfd *fds, nfds_t n, int timeout_ms, size_t room)
{
	if (room / sizeof(*fds) < n)
		__chk_fail();
	return poll(fds, n, timeout_ms);
}

int
ppoll(struct pollfd *fds, nfds_t n, const struct timespec *timeout, const sigset_t *mask)
{
	int64_t deadline_ns;

	if (!any_of_ours(fds, n))
		return kernel.ppoll(fds, n, timeout, mask);
	deadline_ns = wait_limit_ns(timeout);
	if (deadline_ns < 0)
		return tern_result(-EINVAL);
	return tern_result(poll_until(fds, n, deadline_ns, mask));
}

int
__ppoll_chk(struct pollfd *fds, nfds_t n, const struct timespec *timeout, const sigset_t *mask,
	    size_t room)
{
	if (room / sizeof(*fds) < n)
		__chk_fail();
	return ppoll(fds, n, timeout, mask);
}

/* ---- select() */

int
pselect(int n, fd_set *readable, fd_set *writable, fd_set *except, const struct timespec *timeout,
	const sigset_t *mask)
{
	return select_has_ours(n, readable, writable, except)
		       ? tern_pselect(n, readable, writable, except, timeout, mask)
		       : kernel.pselect(n, readable, writable, except, timeout, mask);
}

int
select(int n, fd_set *readable, fd_set *writable, fd_set *except, struct timeval *timeout)
{
	return select_has_ours(n, readable, writable, except)
		       ? tern_select(n, readable, writable, except, timeout)
		       : kernel.select(n, readable, writable, except, timeout);
}

/* ---- epoll */

int
epoll_create1(int flags)
{
	return tern_epoll_create1(flags);
}

int
epoll_create(int size)
{
	return size <= 0 ? tern_result(-EINVAL) : tern_epoll_create1(0);
}

int
epoll_ctl(int epfd, int operation, int fd, struct epoll_event *event)
{
	return file_peek(epfd) != NULL ? tern_epoll_ctl(epfd, operation, fd, event)
				       : kernel.epoll_ctl(epfd, operation, fd, event);
}

int
epoll_wait(int epfd, struct epoll_event *events, int n, int timeout_ms)
{
	return file_peek(epfd) != NULL ? tern_epoll_wait(epfd, events, n, timeout_ms)
				       : kernel.epoll_wait(epfd, events, n, timeout_ms);
}

int
epoll_pwait(int epfd, struct epoll_event *events, int n, int timeout_ms, const sigset_t *mask)
{
	return file_peek(epfd) != NULL ? tern_epoll_pwait(epfd, events, n, timeout_ms, mask)
				       : kernel.epoll_pwait(epfd, events, n, timeout_ms, mask);
}

int
epoll_pwait2(int epfd, struct epoll_event *events, int n, const struct timespec *timeout,
	     const sigset_t *mask)
{
	int64_t deadline_ns;

	if (file_peek(epfd) == NULL)
		return kernel.epoll_pwait2(epfd, events, n, timeout, mask);
	deadline_ns = wait_limit_ns(timeout);
	if (deadline_ns < 0)
		return tern_result(-EINVAL);
	return tern_result(epoll_wait_until(epfd, events, n, deadline_ns, mask));
}
