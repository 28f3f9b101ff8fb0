/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * See port_tap.h. The driver keeps its descriptors to itself, so they are found in /proc; without
 * that the signals are sent and ignored, which costs time only.
 *
 * Tests: test/interop/tap_signals.sh.
 */
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dataplane/port_tap.h"

static const char device[] = "/dev/net/tun";

void
port_tap_block_signals(void)
{
	sigset_t set;

	/* The driver takes the first that nobody uses. */
	sigemptyset(&set);
	for (int number = SIGRTMIN + 1; number <= SIGRTMAX; number++)
		sigaddset(&set, number);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	/* The kernel's last resort when too many signals wait; it would end the process. */
	signal(SIGIO, SIG_IGN);
}

static void
stop_signal(int fd)
{
	int number = fcntl(fd, F_GETSIG), flags = fcntl(fd, F_GETFL);

	if (flags >= 0)
		fcntl(fd, F_SETFL, flags & ~O_ASYNC);
	/* Those that wait already are dropped by this. */
	if (number > 0)
		signal(number, SIG_IGN);
}

void
port_tap_stop_signals(void)
{
	DIR *folder = opendir("/proc/self/fd");
	struct dirent *entry;

	if (folder == NULL)
		return;
	while ((entry = readdir(folder)) != NULL) {
		char target[sizeof(device)];
		ssize_t n = readlinkat(dirfd(folder), entry->d_name, target, sizeof(target));

		if (n == (ssize_t)strlen(device) && memcmp(target, device, (size_t)n) == 0)
			stop_signal(atoi(entry->d_name));
	}
	closedir(folder);
}
