/* SPDX-License-Identifier: BSD-3-Clause */
/* See kernel_net.h. */
#include "kernel_net.h"

#include <errno.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { SKIPPED = 77 };

static void
give_up(const char *what)
{
	fprintf(stderr, "%s: %s\n", what, strerror(errno));
	exit(1);
}

void
kernel_net_make(void)
{
	struct ifreq lo = {.ifr_name = "lo", .ifr_flags = IFF_UP};
	int fd;

	if (unshare(CLONE_NEWNET) < 0) {
		puts("skip: needs root, for a network namespace of its own");
		exit(SKIPPED);
	}
	fd = socket(AF_INET, SOCK_DGRAM, 0);
	if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &lo) < 0)
		give_up("loopback");
	close(fd);
}

static union endpoint
loopback(int family, bool wrapped)
{
	union endpoint end;

	memset(&end, 0, sizeof(end));
	end.any.sa_family = (sa_family_t)family;
	if (family == AF_INET)
		end.v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	else
		end.v6.sin6_addr = in6addr_loopback;
	if (wrapped)
		endpoint_wrap(&end);
	return end;
}

struct kernel_pair
kernel_pair_make(int family, bool wrapped)
{
	union endpoint end = loopback(family, wrapped);
	int listener = socket(end.any.sa_family, SOCK_STREAM, 0);
	socklen_t bytes = sizeof(end);
	struct kernel_pair pair;

	if (listener < 0 || bind(listener, &end.any, endpoint_bytes(&end)) < 0 ||
	    listen(listener, 1) < 0 || getsockname(listener, &end.any, &bytes) < 0)
		give_up("listener");
	pair.client = socket(end.any.sa_family, SOCK_STREAM, 0);
	if (pair.client < 0 || connect(pair.client, &end.any, endpoint_bytes(&end)) < 0)
		give_up("connect");
	pair.server = accept(listener, NULL, NULL);
	if (pair.server < 0 || endpoints_of(pair.client, &pair.ends) < 0)
		give_up("accept");
	close(listener);
	return pair;
}

void
kernel_pair_close(struct kernel_pair *pair)
{
	close(pair->client);
	close(pair->server);
}
