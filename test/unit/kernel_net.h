/* SPDX-License-Identifier: BSD-3-Clause */
/* A network namespace with nothing but loopback, and connections of the kernel's in it. */
#ifndef TERN_TEST_KERNEL_NET_H
#define TERN_TEST_KERNEL_NET_H

#include <stdbool.h>
#include <sys/socket.h>

#include "lib/endpoint.h"

/* Moves this process into one of its own. Without the right to, ends it as a skipped test. */
void kernel_net_make(void);

/* A connection over loopback. Its listener is closed. */
struct kernel_pair {
	int client, server;
	struct endpoints ends; /* of the client */
};

/* Of AF_INET or AF_INET6, or with `wrapped`, an IPv4 connection of sockets of IPv6. */
struct kernel_pair kernel_pair_make(int family, bool wrapped);
void kernel_pair_close(struct kernel_pair *pair);

#endif
