/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a client remembers of Fast Open servers, and whether Fast Open works at all: the inside of
 * fastopen_cache.c and fastopen_guard.c.
 */
#ifndef TERN_TCP_FASTOPEN_CACHE_H
#define TERN_TCP_FASTOPEN_CACHE_H

#include <sys/queue.h>

#include "fastopen.h"
#include "slab.h"

enum {
	FASTOPEN_BUCKETS = 1024,
	FASTOPEN_ENTRIES = 4096,
};

/* One destination. The first member is the slab's while it is free. */
struct fastopen_node {
	struct fastopen_node *next; /* of the same bucket */
	TAILQ_ENTRY(fastopen_node) by_age;
	struct tcp_fastopen_entry entry;
	bool used;
};

TAILQ_HEAD(fastopen_list, fastopen_node);

struct fastopen_cache {
	struct slab nodes;
	struct fastopen_list by_age; /* what was changed longest ago first */
	struct fastopen_node *buckets[FASTOPEN_BUCKETS];
};

/* What a SYN-ACK, or the want of one, tells of a destination. */
struct fastopen_lesson {
	struct ip_addr local, remote;
	uint16_t mss;                             /* 0: no news of it */
	uint8_t kinds_tried;                      /* 0: no news of them */
	const struct tcp_fastopen_cookie *cookie; /* NULL: none came */
	bool lost;                                /* the SYN with data seems to have been lost */
};

/* Returns false without memory. */
bool fastopen_cache_make(struct tcp_engine *e);
/* NULL: nothing is known. */
const struct tcp_fastopen_entry *fastopen_cache_find(const struct tcp_engine *e,
						     const struct ip_addr *local,
						     const struct ip_addr *remote);
/* Remembers it, and tells other engines. */
void fastopen_cache_learn(struct tcp_engine *e, const struct fastopen_lesson *lesson);

#endif
