/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * poll, select and epoll under libc's names. What has none of Tern's sockets in it goes to the
 * kernel as it is.
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "epoll.h"
#include "kernel.h"
#include "polling.h"
#include "preload.h"
#include "result.h"
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

/* ---- select(): by poll(), with what Linux's select() makes of its bits. Sets may be larger than
   fd_set, as far as the program has allocated them. */

enum {
	READABLE = POLLIN | POLLRDNORM | POLLRDBAND | POLLHUP | POLLERR,
	WRITABLE = POLLOUT | POLLWRNORM | POLLWRBAND | POLLERR,
	EXCEPT = POLLPRI,
};

struct sets {
	unsigned long *readable, *writable, *except; /* NULL: not asked for */
};

#define WORD_BITS (int)(8 * sizeof(unsigned long))

static bool
has(const unsigned long *set, int fd)
{
	return set != NULL && (set[fd / WORD_BITS] >> (fd % WORD_BITS) & 1) != 0;
}

/* Keeps a bit that is set if it holds. Returns 1 if it does. */
static int
keep(unsigned long *set, int fd, bool holds)
{
	if (!has(set, fd))
		return 0;
	if (!holds)
		set[fd / WORD_BITS] &= ~(1ul << (fd % WORD_BITS));
	return holds;
}

static short
wanted(const struct sets *sets, int fd)
{
	return (short)((has(sets->readable, fd) ? READABLE : 0) |
		       (has(sets->writable, fd) ? WRITABLE : 0) |
		       (has(sets->except, fd) ? EXCEPT : 0));
}

static bool
select_has_ours(int n, const struct sets *sets)
{
	int highest = file_highest_fd();

	for (int fd = 0; fd < n && fd <= highest; fd++)
		if (file_peek(fd) != NULL && wanted(sets, fd) != 0)
			return true;
	return false;
}

/* Returns how many bits are set, or a negative errno. */
static int
report(const struct sets *sets, const struct pollfd *fds, nfds_t n)
{
	int found = 0;

	for (nfds_t i = 0; i < n; i++)
		if (fds[i].revents & POLLNVAL)
			return -EBADF;
	for (nfds_t i = 0; i < n; i++) {
		found += keep(sets->readable, fds[i].fd, (fds[i].revents & READABLE) != 0);
		found += keep(sets->writable, fds[i].fd, (fds[i].revents & WRITABLE) != 0);
		found += keep(sets->except, fds[i].fd, (fds[i].revents & EXCEPT) != 0);
	}
	return found;
}

static int
select_until(int n, const struct sets *sets, int64_t deadline_ns, const sigset_t *mask)
{
	struct pollfd *fds = calloc((size_t)n, sizeof(*fds));
	nfds_t members = 0;
	int status;

	if (fds == NULL)
		return -ENOMEM;
	for (int fd = 0; fd < n; fd++)
		if (wanted(sets, fd) != 0)
			fds[members++] = (struct pollfd){.fd = fd, .events = wanted(sets, fd)};
	status = poll_until(fds, members, deadline_ns, mask);
	if (status >= 0)
		status = report(sets, fds, members);
	free(fds);
	return status;
}

static struct sets
sets_of(fd_set *readable, fd_set *writable, fd_set *except)
{
	return (struct sets){(unsigned long *)readable, (unsigned long *)writable,
			     (unsigned long *)except};
}

int
pselect(int n, fd_set *readable, fd_set *writable, fd_set *except, const struct timespec *timeout,
	const sigset_t *mask)
{
	struct sets sets = sets_of(readable, writable, except);
	int64_t deadline_ns;

	if (n <= 0 || !select_has_ours(n, &sets))
		return kernel.pselect(n, readable, writable, except, timeout, mask);
	deadline_ns = wait_limit_ns(timeout);
	if (deadline_ns < 0)
		return tern_result(-EINVAL);
	return tern_result(select_until(n, &sets, deadline_ns, mask));
}

/* Linux's select() leaves what remains of the time. */
int
select(int n, fd_set *readable, fd_set *writable, fd_set *except, struct timeval *timeout)
{
	struct sets sets = sets_of(readable, writable, except);
	int64_t deadline_ns = WAIT_FOREVER, left;
	int status;

	if (n <= 0 || !select_has_ours(n, &sets))
		return kernel.select(n, readable, writable, except, timeout);
	if (timeout != NULL) {
		if (timeout->tv_sec < 0 || timeout->tv_usec < 0)
			return tern_result(-EINVAL);
		if (timeout->tv_sec < INT32_MAX)
			deadline_ns = wait_now_ns() + timeout->tv_sec * INT64_C(1000000000) +
				      timeout->tv_usec * INT64_C(1000);
	}
	status = select_until(n, &sets, deadline_ns, NULL);
	if (timeout != NULL && deadline_ns != WAIT_FOREVER) {
		left = deadline_ns - wait_now_ns();
		if (left < 0)
			left = 0;
		timeout->tv_sec = left / 1000000000;
		timeout->tv_usec = left % 1000000000 / 1000;
	}
	return tern_result(status);
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
