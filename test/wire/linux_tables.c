/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The wire tests' tables of what Linux answers, asked of the kernel that runs here: shows each row
 * that it answers otherwise. Needs root, for a network namespace of its own. The tables were taken
 * from Linux 6.18; another version may differ, so that this is no test of Tern.
 */
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "linux_tables.h"

static int
make_namespace(void)
{
	struct ifreq lo = {.ifr_name = "lo", .ifr_flags = IFF_UP};
	int fd;

	if (unshare(CLONE_NEWNET) < 0)
		return -1;
	fd = socket(AF_INET, SOCK_DGRAM, 0);
	if (ioctl(fd, SIOCSIFFLAGS, &lo) < 0)
		return -1;
	close(fd);
	return 0;
}

int
main(void)
{
	unsigned int wrong;

	if (make_namespace() < 0) {
		perror("no network namespace");
		return 2;
	}
	wrong = linux_ports() + linux_calls() + linux_sockopt();
	printf("%u answers differ\n", wrong);
	return wrong != 0;
}
