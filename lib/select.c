/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * See select.h. select() by poll(), with what Linux's select() makes of its bits. Sets may be
 * larger than fd_set, as far as the program has allocated them.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>

#include "file.h"
#include "polling.h"
#include "result.h"
#include "select.h"
#include "tern.h"
#include "wait.h"

enum {
	READABLE = POLLIN | POLLRDNORM | POLLRDBAND | POLLHUP | POLLERR,
	WRITABLE = POLLOUT | POLLWRNORM | POLLWRBAND | POLLERR,
	EXCEPT = POLLPRI,
	MAX_FDS = 1 << 20,
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
	struct pollfd *fds;
	nfds_t members = 0;
	int status;

	if (n > MAX_FDS) /* the kernel looks at no more than there can be, either */
		n = MAX_FDS;
	fds = calloc((size_t)n + 1, sizeof(*fds));
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

bool
select_has_ours(int n, fd_set *readable, fd_set *writable, fd_set *except)
{
	struct sets sets = sets_of(readable, writable, except);
	int highest = file_highest_fd();

	for (int fd = 0; fd < n && fd <= highest; fd++)
		if (file_peek(fd) != NULL && wanted(&sets, fd) != 0)
			return true;
	return false;
}

int
tern_pselect(int n, fd_set *readable, fd_set *writable, fd_set *except,
	     const struct timespec *timeout, const sigset_t *mask)
{
	struct sets sets = sets_of(readable, writable, except);
	int64_t deadline_ns = wait_limit_ns(timeout);

	if (n < 0 || deadline_ns < 0)
		return tern_result(-EINVAL);
	return tern_result(select_until(n, &sets, deadline_ns, mask));
}

/* Linux's select() leaves what remains of the time. */
int
tern_select(int n, fd_set *readable, fd_set *writable, fd_set *except, struct timeval *timeout)
{
	struct sets sets = sets_of(readable, writable, except);
	int64_t deadline_ns = WAIT_FOREVER, left;
	int status;

	if (n < 0 || (timeout != NULL && (timeout->tv_sec < 0 || timeout->tv_usec < 0)))
		return tern_result(-EINVAL);
	if (timeout != NULL && timeout->tv_sec < INT32_MAX)
		deadline_ns = wait_now_ns() + timeout->tv_sec * INT64_C(1000000000) +
			      timeout->tv_usec * INT64_C(1000);
	status = select_until(n, &sets, deadline_ns, NULL);
	if (deadline_ns != WAIT_FOREVER) {
		left = deadline_ns - wait_now_ns();
		if (left < 0)
			left = 0;
		timeout->tv_sec = left / 1000000000;
		timeout->tv_usec = left % 1000000000 / 1000;
	}
	return tern_result(status);
}
