/* SPDX-License-Identifier: BSD-3-Clause */
#include "flow.h"

#include <errno.h>
#include <stdio.h>

#include <rte_common.h>

enum {
	KEY_WORDS = sizeof(struct tcp_tuple) / sizeof(uint32_t),
	/* What rte_hash has of an entry, of a full table: the key with its data, a place in a
	 * bucket and half of one that is free, a free number; rounded up. */
	ENTRY_BYTES = 80,
};

static_assert(KEY_WORDS == 9, "flow_hash() is written for nine words");

/* A cuckoo table fills well up to nine tenths; its buckets are a power of two. */
static uint32_t
places_of(uint32_t entries)
{
	return RTE_MAX(entries + entries / 8, 64u);
}

size_t
flow_table_bytes(uint32_t entries)
{
	return (size_t)places_of(entries) * ENTRY_BYTES;
}

int
flow_table_init(struct flow_table *t, const char *name, uint32_t entries, int socket_id)
{
	char hash_name[RTE_HASH_NAMESIZE];
	struct rte_hash_parameters parameters = {
		.name = hash_name,
		.entries = places_of(entries),
		.key_len = sizeof(struct tcp_tuple),
		.socket_id = socket_id,
	};

	snprintf(hash_name, sizeof(hash_name), "flow_%s", name);
	flow_look(t);
	t->hash = rte_hash_create(&parameters);
	return t->hash == NULL ? -ENOMEM : 0;
}

void
flow_table_free(struct flow_table *t)
{
	rte_hash_free(t->hash);
	t->hash = NULL;
}

uint32_t
flow_hash(const struct flow_table *t, const struct tcp_tuple *tuple)
{
	const uint64_t *k = t->secret;
	uint32_t x[10];
	uint64_t h = k[0];

	memcpy(x, tuple, sizeof(*tuple));
	x[9] = 0;
	for (unsigned int i = 0; i < 10; i += 2)
		h += (k[i + 1] + x[i]) * (k[i + 2] + x[i + 1]);
	return (uint32_t)(h >> 32);
}

flow_t
flow_lookup(const struct flow_table *t, const struct tcp_tuple *tuple, uint32_t hash)
{
	void *data;

	if (rte_hash_lookup_with_hash_data(t->hash, tuple, hash, &data) < 0)
		return 0;
	return (flow_t)data;
}

void
flow_lookup_bulk(const struct flow_table *t, const struct tcp_tuple **tuples, uint32_t *hashes,
		 unsigned int n, flow_t *found)
{
	void *data[FLOW_BURST];
	uint64_t hits = 0;

	if (n == 0)
		return;
	rte_hash_lookup_with_hash_bulk_data(t->hash, (const void **)(uintptr_t)tuples, hashes, n,
					    &hits, data);
	for (unsigned int i = 0; i < n; i++)
		found[i] = hits >> i & 1 ? (flow_t)data[i] : 0;
}

uint32_t
flow_count(const struct flow_table *t)
{
	return (uint32_t)rte_hash_count(t->hash);
}

static void
note_change(struct flow_table *t, uint32_t hash)
{
	t->changes[hash % FLOW_CHANGES / 64] |= UINT64_C(1) << hash % 64;
}

int
flow_set(struct flow_table *t, const struct tcp_tuple *tuple, uint32_t hash, flow_t value)
{
	if (rte_hash_add_key_with_hash_data(t->hash, tuple, hash, (void *)value) < 0)
		return -ENOSPC;
	note_change(t, hash);
	return 0;
}

void
flow_remove(struct flow_table *t, const struct tcp_tuple *tuple, uint32_t hash)
{
	rte_hash_del_key_with_hash(t->hash, tuple, hash);
	note_change(t, hash);
}
