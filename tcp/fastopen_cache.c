/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The client's cache of Fast Open cookies, RFC 7413 §4.1.3: by source and destination address,
 * without ports. Beside the cookie it holds the MSS of the last SYN-ACK, how many SYNs with data
 * were lost, and which kinds of the option were tried in vain.
 *
 * It is bounded: where all entries are in use, the one that was changed longest ago gives way. Each
 * engine has its own; what one learns it tells the others (env.fastopen_news), which hold the same
 * then. It is written when a SYN-ACK arrives and read when a connection is opened, never by
 * packets in between.
 *
 *     bucket -> node -> node        by hash of the destination, with a secret
 *     by_age -> node -> ... -> node  what gives way first
 *
 * It survives neither the process nor a flush.
 */
#include <rte_common.h>

#include "engine.h"

enum { LOOK_MAX = 512 }; /* nodes that one call of tcp_fastopen_list() looks at */

bool
fastopen_cache_make(struct tcp_engine *e)
{
	struct fastopen_cache *cache = &e->fastopen_cache;
	void *base = e->env.alloc(e->env.ctx, sizeof(struct fastopen_node) * FASTOPEN_ENTRIES, 64);

	slab_init(&cache->nodes, base, sizeof(struct fastopen_node), FASTOPEN_ENTRIES);
	TAILQ_INIT(&cache->by_age);
	return base != NULL;
}

static uint32_t
bucket_of(const struct tcp_engine *e, const struct ip_addr *remote)
{
	return tcp_pmtu_hash(e, remote) % FASTOPEN_BUCKETS;
}

static struct fastopen_node *
find(const struct tcp_engine *e, const struct ip_addr *local, const struct ip_addr *remote)
{
	struct fastopen_node *n;

	if (e->fastopen_cache.nodes.used == 0)
		return NULL;
	n = e->fastopen_cache.buckets[bucket_of(e, remote)];
	while (n != NULL && !(ip_eq(&n->entry.remote, remote) && ip_eq(&n->entry.local, local)))
		n = n->next;
	return n;
}

const struct tcp_fastopen_entry *
fastopen_cache_find(const struct tcp_engine *e, const struct ip_addr *local,
		    const struct ip_addr *remote)
{
	const struct fastopen_node *n = find(e, local, remote);

	return n != NULL ? &n->entry : NULL;
}

static void
drop(struct tcp_engine *e, struct fastopen_node *n)
{
	struct fastopen_cache *cache = &e->fastopen_cache;
	struct fastopen_node **at = &cache->buckets[bucket_of(e, &n->entry.remote)];

	while (*at != n)
		at = &(*at)->next;
	*at = n->next;
	TAILQ_REMOVE(&cache->by_age, n, by_age);
	n->used = false;
	slab_put(&cache->nodes, n);
}

/* The destination's node, made if there is none, as the one changed last. */
static struct fastopen_node *
touch(struct tcp_engine *e, const struct ip_addr *local, const struct ip_addr *remote)
{
	struct fastopen_cache *cache = &e->fastopen_cache;
	struct fastopen_node *n = find(e, local, remote), **bucket;

	if (n != NULL) {
		TAILQ_REMOVE(&cache->by_age, n, by_age);
	} else {
		n = slab_get(&cache->nodes);
		if (n == NULL) {
			drop(e, TAILQ_FIRST(&cache->by_age));
			n = slab_get(&cache->nodes);
		}
		bucket = &cache->buckets[bucket_of(e, remote)];
		*n = (struct fastopen_node){
			.next = *bucket,
			.entry = {.local = *local, .remote = *remote},
			.used = true,
		};
		*bucket = n;
	}
	TAILQ_INSERT_TAIL(&cache->by_age, n, by_age);
	n->entry.changed_us = e->now_us;
	return n;
}

void
fastopen_cache_learn(struct tcp_engine *e, const struct fastopen_lesson *lesson)
{
	struct tcp_fastopen_entry *entry = &touch(e, &lesson->local, &lesson->remote)->entry;
	struct tcp_fastopen_news news = {.kind = TCP_FASTOPEN_NEWS_ENTRY};

	if (lesson->mss != 0)
		entry->mss = lesson->mss;
	if (lesson->cookie != NULL && lesson->cookie->len > 0)
		entry->cookie = *lesson->cookie;
	else if (entry->cookie.len == 0)
		entry->kinds_tried = (uint8_t)RTE_MAX(entry->kinds_tried, lesson->kinds_tried);
	if (lesson->lost) {
		entry->losses++;
		entry->lost_us = e->now_us;
	} else {
		entry->losses = 0;
	}
	if (e->env.fastopen_news == NULL)
		return;
	news.entry = *entry;
	e->env.fastopen_news(e->env.ctx, &news);
}

void
tcp_fastopen_take_news(struct tcp_engine *e, const struct tcp_fastopen_news *news)
{
	struct tcp_fastopen_entry *entry;

	switch (news->kind) {
	case TCP_FASTOPEN_NEWS_ENTRY:
		entry = &touch(e, &news->entry.local, &news->entry.remote)->entry;
		*entry = news->entry;
		entry->changed_us = e->now_us;
		break;
	case TCP_FASTOPEN_NEWS_BLACK_HOLE:
		fastopen_guard_note(e);
		break;
	case TCP_FASTOPEN_NEWS_WORKS:
		fastopen_guard_clear(e);
		break;
	default:
		break;
	}
}

unsigned int
tcp_fastopen_list(const struct tcp_engine *e, uint64_t *cursor, struct tcp_fastopen_entry *entries,
		  unsigned int n)
{
	const struct slab *nodes = &e->fastopen_cache.nodes;
	unsigned int written = 0;
	uint64_t at = *cursor;

	for (int looked = 0; at < nodes->carved && written < n && looked < LOOK_MAX; looked++) {
		const struct fastopen_node *node = slab_at(nodes, (uint32_t)at++);

		if (node->used)
			entries[written++] = node->entry;
	}
	*cursor = at >= nodes->carved ? UINT64_MAX : at;
	return written;
}

unsigned int
tcp_fastopen_flush(struct tcp_engine *e, const struct ip_addr *remote)
{
	struct fastopen_node *n = TAILQ_FIRST(&e->fastopen_cache.by_age), *next;
	unsigned int dropped = 0;

	for (; n != NULL; n = next) {
		next = TAILQ_NEXT(n, by_age);
		if (remote != NULL && !ip_eq(&n->entry.remote, remote))
			continue;
		drop(e, n);
		dropped++;
	}
	return dropped;
}
