/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The flow table: 4-tuple -> what the engine knows of it. An rte_hash with a hash of our own.
 *
 * The hash is the multilinear one, h = (k0 + sum (k[2i+1] + x[2i]) * (k[2i+2] + x[2i+1])) >> 32
 * over the key's 32-bit words with secret 64-bit k drawn at start: two different keys collide with
 * probability 2^-32 whoever chose them, which no seeded CRC or Jenkins hash promises.
 */
#ifndef TERN_TCP_FLOW_H
#define TERN_TCP_FLOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <rte_hash.h>

#include "ip_addr.h"

/* Kinds of entry, in the low bits of its pointer: all objects are at least 8 bytes apart. */
enum flow_kind {
	FLOW_NONE,
	FLOW_CONN,
	FLOW_REQUEST,
	FLOW_TIMEWAIT,
	FLOW_FROZEN, /* a connection in repair: repair.c */
	FLOW_MUTE,   /* what is left of one that was moved away: mute.c */
	FLOW_FOLDED, /* a connection in less memory: fold.c */
	FLOW_KIND_MASK = 7,
};

/* A tagged pointer; 0 where nothing was found. */
typedef uintptr_t flow_t;

static inline flow_t
flow_make(const void *object, enum flow_kind kind)
{
	return (uintptr_t)object | (uintptr_t)kind;
}

static inline enum flow_kind
flow_kind(flow_t f)
{
	return (enum flow_kind)(f & FLOW_KIND_MASK);
}

static inline void *
flow_object(flow_t f)
{
	return (void *)(f & ~(uintptr_t)FLOW_KIND_MASK);
}

enum { FLOW_BURST = RTE_HASH_LOOKUP_BULK_MAX };

enum { FLOW_CHANGES = 256 };

struct flow_table {
	struct rte_hash *hash;
	uint64_t changes[FLOW_CHANGES / 64]; /* since flow_look(): a bit for each hash, modulo */
	uint64_t secret[12];
};

/* What is looked up from now on is true until flow_has_changed() says so of its hash. */
static inline void
flow_look(struct flow_table *t)
{
	memset(t->changes, 0, sizeof(t->changes));
}

/* Whether an entry with this hash may have come, gone or changed since flow_look(). */
static inline bool
flow_has_changed(const struct flow_table *t, uint32_t hash)
{
	return (t->changes[hash % FLOW_CHANGES / 64] >> hash % 64 & 1) != 0;
}

/* How much memory a table takes, at most. */
size_t flow_table_bytes(uint32_t entries);
/* `name` is unique in the process. Returns 0 or -ENOMEM. The secret must already be random. */
int flow_table_init(struct flow_table *t, const char *name, uint32_t entries, int socket_id);
void flow_table_free(struct flow_table *t);

uint32_t flow_hash(const struct flow_table *t, const struct tcp_tuple *tuple);

flow_t flow_lookup(const struct flow_table *t, const struct tcp_tuple *tuple, uint32_t hash);

/* Looks up n <= FLOW_BURST tuples at once. */
void flow_lookup_bulk(const struct flow_table *t, const struct tcp_tuple **tuples, uint32_t *hashes,
		      unsigned int n, flow_t *found);

/* How many entries there are. */
uint32_t flow_count(const struct flow_table *t);

/* Adds an entry, or changes what the one of this tuple means. Returns 0 or, if it is new, -ENOSPC.
 */
int flow_set(struct flow_table *t, const struct tcp_tuple *tuple, uint32_t hash, flow_t value);
void flow_remove(struct flow_table *t, const struct tcp_tuple *tuple, uint32_t hash);

#endif
