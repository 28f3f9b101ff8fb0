/* SPDX-License-Identifier: BSD-3-Clause */
/* See descriptors.h. */
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#include "descriptors.h"
#include "kernel.h"

enum {
	MAX_FDS = 1 << 20, /* larger numbers are not told apart */
	HIGH = 256,        /* below the limit on descriptors is where ours begin */
};

static uint8_t own[MAX_FDS / 8]; /* atomic; a bit each */

static void
mark(int fd, bool is_own)
{
	uint8_t bit = (uint8_t)(1u << (fd % 8));

	if (fd >= MAX_FDS)
		return;
	if (is_own)
		__atomic_fetch_or(&own[fd / 8], bit, __ATOMIC_RELAXED);
	else
		__atomic_fetch_and(&own[fd / 8], (uint8_t)~bit, __ATOMIC_RELAXED);
}

int
descriptor_own(int fd)
{
	struct rlimit limit;
	int high = 3, moved, error;

	if (fd < 0)
		return -1;
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur > 2 * HIGH)
		high = (int)(limit.rlim_cur < MAX_FDS ? limit.rlim_cur : MAX_FDS) - HIGH;
	moved = kernel.fcntl(fd, F_DUPFD_CLOEXEC, high);
	if (moved < 0)
		moved = kernel.fcntl(fd, F_DUPFD_CLOEXEC, 3);
	error = errno;
	mark(fd, false);
	kernel.close(fd);
	errno = error;
	if (moved >= 0)
		mark(moved, true);
	return moved;
}

bool
descriptor_is_own(int fd)
{
	return fd >= 0 && fd < MAX_FDS &&
	       (__atomic_load_n(&own[fd / 8], __ATOMIC_RELAXED) & 1u << (fd % 8)) != 0;
}

int
descriptor_next_own(int from)
{
	for (int fd = from < 0 ? 0 : from; fd < MAX_FDS; fd++) {
		if (fd % 8 == 0 && __atomic_load_n(&own[fd / 8], __ATOMIC_RELAXED) == 0)
			fd += 7;
		else if (descriptor_is_own(fd))
			return fd;
	}
	return -1;
}

void
descriptor_occupy(int from, int n)
{
	int spare = eventfd(0, EFD_CLOEXEC);

	for (int fd = from; spare >= 0 && fd < from + n; fd++) {
		int got = kernel.fcntl(fd, F_GETFD) < 0 ? kernel.fcntl(spare, F_DUPFD_CLOEXEC, fd)
							: -1;

		if (got == fd)
			mark(fd, true);
		else if (got >= 0) /* another thread was faster */
			kernel.close(got);
	}
	if (spare >= 0 && (spare < from || spare >= from + n))
		kernel.close(spare);
	else if (spare >= 0)
		mark(spare, true);
}

void
descriptor_disown(int fd)
{
	if (fd >= 0)
		mark(fd, false);
}

void
descriptor_close_own(int fd)
{
	if (fd < 0)
		return;
	mark(fd, false);
	kernel.close(fd);
}
