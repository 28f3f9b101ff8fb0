/* SPDX-License-Identifier: BSD-3-Clause */
/* See prefix.h. */
#include <errno.h>
#include <netinet/in.h>
#include <stddef.h>
#include <string.h>

#include "arena.h"
#include "kernel.h"
#include "prefix.h"

static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
static const uint8_t zero[16];

static bool
is_v4(const uint8_t ip[16])
{
	return memcmp(ip, mapped, sizeof(mapped)) == 0;
}

bool
prefix_is_any(const struct shm_endpoint *to)
{
	return is_v4(to->ip) ? memcmp(to->ip + 12, zero, 4) == 0 : memcmp(to->ip, zero, 16) == 0;
}

bool
prefix_is_local(const struct shm_endpoint *to)
{
	return is_v4(to->ip) ? to->ip[12] == 127 : memcmp(to->ip, zero, 15) == 0 && to->ip[15] == 1;
}

static bool
matches(const struct shm_prefix *prefix, const uint8_t ip[16])
{
	unsigned int bytes = prefix->bits / 8, rest = prefix->bits % 8;
	uint8_t mask = (uint8_t)(0xff00 >> rest);

	if (memcmp(prefix->ip, ip, bytes) != 0)
		return false;
	return rest == 0 || ((prefix->ip[bytes] ^ ip[bytes]) & mask) == 0;
}

/* The longest match. */
static enum shm_prefix_kind
kind_of(const uint8_t ip[16])
{
	const struct shm_prefix *best = NULL;

	for (uint32_t i = 0; i < arena.header.prefixes; i++) {
		const struct shm_prefix *prefix = &arena.prefixes[i];

		if (prefix->bits <= 128 && matches(prefix, ip) &&
		    (best == NULL || prefix->bits > best->bits))
			best = prefix;
	}
	return best == NULL ? SHM_PREFIX_KERNEL : (enum shm_prefix_kind)best->kind;
}

/* Whether the kernel has this address itself: then it would speak to it from the same one. */
static bool
is_the_kernels(const struct shm_endpoint *to)
{
	bool v4 = is_v4(to->ip), same = false;
	int fd = kernel.socket(v4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(9)};
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(9)};
	socklen_t length = v4 ? sizeof(in) : sizeof(in6);
	struct sockaddr *address = v4 ? (struct sockaddr *)&in : (struct sockaddr *)&in6;

	if (fd < 0)
		return false;
	memcpy(&in.sin_addr, to->ip + 12, 4);
	memcpy(&in6.sin6_addr, to->ip, 16);
	if (kernel.connect(fd, address, length) == 0 &&
	    kernel.getsockname(fd, address, &length) == 0)
		same = v4 ? memcmp(&in.sin_addr, to->ip + 12, 4) == 0
			  : memcmp(&in6.sin6_addr, to->ip, 16) == 0;
	kernel.close(fd);
	return same;
}

bool
prefix_is_own(const struct shm_endpoint *local)
{
	return kind_of(local->ip) == SHM_PREFIX_OWN;
}

bool
prefix_is_reached(const struct shm_endpoint *to)
{
	switch (kind_of(to->ip)) {
	case SHM_PREFIX_OWN:
	case SHM_PREFIX_TERN:
		return true;
	case SHM_PREFIX_DEFAULT:
		return !is_the_kernels(to);
	default:
		return false;
	}
}
