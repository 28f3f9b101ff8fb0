/* SPDX-License-Identifier: BSD-3-Clause */
/* What the two ends of a moved transfer agree on: mover.c on Tern, mover_peer.c on Linux. */
#ifndef TERN_TEST_INTEROP_MOVER_H
#define TERN_TEST_INTEROP_MOVER_H

#include <err.h>
#include <netdb.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

enum {
	MOVER_PERIOD = 65521, /* of the pattern */
	MOVER_CHUNK = 32768,
};

/* The bytes of either direction, from an offset on: MOVER_PERIOD of them at most. */
static inline const uint8_t *
mover_bytes(int from_tern, uint64_t offset)
{
	static uint8_t pattern[2 * MOVER_PERIOD];

	if (pattern[1] == 0)
		for (uint32_t i = 0; i < 2 * MOVER_PERIOD; i++)
			pattern[i] = (uint8_t)(((i % MOVER_PERIOD) * 2654435761u) >> 24 | 1);
	return pattern + (offset + (from_tern ? 31337 : 0)) % MOVER_PERIOD;
}

static inline uint64_t
mover_number(const char *text)
{
	char *end;
	uint64_t n = strtoull(text, &end, 10);

	if (end == text || *end != '\0')
		errx(2, "%s is no number", text);
	return n;
}

static inline uint64_t
mover_now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static inline struct sockaddr_storage
mover_address(const char *host, const char *port, socklen_t *length)
{
	struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV,
				 .ai_socktype = SOCK_STREAM};
	struct sockaddr_storage address = {0};
	struct addrinfo *found;

	if (getaddrinfo(host, port, &hints, &found) != 0)
		errx(2, "no address: %s port %s", host, port);
	memcpy(&address, found->ai_addr, found->ai_addrlen);
	*length = found->ai_addrlen;
	freeaddrinfo(found);
	return address;
}

#endif
