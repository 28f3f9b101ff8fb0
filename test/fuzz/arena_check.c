/* SPDX-License-Identifier: BSD-3-Clause */
/* See arena.h. */
#include "arena.h"

#include "dataplane/gateway_impl.h"
#include "fuzz.h"

enum {
	MAX_BLOCKS = 64,
};

/* Each block once: free, or held by one socket as the block of consecutive chunks. */
struct blocks {
	uint8_t seen[MAX_BLOCKS];
	uint32_t n;
};

static void
see_block(struct blocks *blocks, const struct gateway_program *p, uint32_t block)
{
	FUZZ_CHECK(block < p->header.blocks, "block %u of %u", block, p->header.blocks);
	FUZZ_CHECK(!blocks->seen[block], "block %u is in two places", block);
	blocks->seen[block] = 1;
	blocks->n++;
}

static void
check_chunks(const struct gateway_ref *ref, struct blocks *blocks)
{
	uint32_t n = ref->status.delivered - ref->first_chunk;
	uint64_t bytes = 0;

	FUZZ_CHECK(n <= SHM_CHUNKS, "%u chunks", n);
	for (uint32_t i = 0; i < n; i++) {
		const struct gateway_chunk *c = &ref->chunks[(ref->first_chunk + i) % SHM_CHUNKS];
		const struct gateway_chunk *next =
			&ref->chunks[(ref->first_chunk + i + 1) % SHM_CHUNKS];

		FUZZ_CHECK(c->bytes > 0 && c->bytes <= SHM_BLOCK_BYTES, "%u bytes", c->bytes);
		FUZZ_CHECK(c->last || (i + 1 < n && next->block == c->block),
			   "a block ends without its last chunk");
		if (c->last)
			see_block(blocks, ref->program, c->block);
		bytes += c->bytes;
	}
	FUZZ_CHECK(ref->chunk_read == 0 || n > 0, "read of a chunk that is not there");
	FUZZ_CHECK(bytes - ref->chunk_read == ref->delivered - ref->consumed,
		   "%lu bytes in chunks, %lu delivered and not read", (unsigned long)bytes,
		   (unsigned long)(ref->delivered - ref->consumed));
}

static void
check_ref(const struct gateway_ref *ref, struct blocks *blocks)
{
	const struct gateway_ref *other = ref->socket->refs;

	FUZZ_CHECK(ref->socket->tcp != NULL, "a reference to a socket that is gone");
	while (other != NULL && other != ref)
		other = other->next;
	FUZZ_CHECK(other == ref, "the socket does not know of its reference");
	FUZZ_CHECK(ref->consumed <= ref->delivered, "read more than was delivered");
	if (!ref->socket->listening)
		FUZZ_CHECK(ref->delivered - ref->consumed <= tcp_readable(ref->socket->tcp),
			   "more delivered than the engine has");
	FUZZ_CHECK(ref->sent <= ref->granted, "sent beyond the credit");
	check_chunks(ref, blocks);
}

static void
check_program(const struct gateway_program *p)
{
	struct blocks blocks = {0};
	const struct gateway_ref *ref;
	unsigned int hungry = 0, listed = 0;

	for (uint32_t i = 0; i < p->n_free_blocks; i++)
		see_block(&blocks, p, p->free_blocks[i]);
	for (uint32_t i = 0; i < p->header.sockets; i++) {
		hungry += p->refs[i].hungry;
		if (p->refs[i].socket != NULL)
			check_ref(&p->refs[i], &blocks);
		else
			FUZZ_CHECK(!p->refs[i].hungry && !p->refs[i].changed, "a free slot waits");
	}
	FUZZ_CHECK(blocks.n == p->header.blocks, "%u of %u blocks", blocks.n, p->header.blocks);
	TAILQ_FOREACH (ref, &p->hungry, by_hunger)
		listed++;
	FUZZ_CHECK(hungry == listed, "%u are hungry, %u are on the list", hungry, listed);
}

static uint32_t
free_sockets(const struct gateway *gateway)
{
	uint32_t n = 0;

	for (const struct gateway_socket *s = gateway->free; s != NULL; s = s->next_free) {
		FUZZ_CHECK(s->tcp == NULL && s->refs == NULL, "a free socket is in use");
		n++;
	}
	return n;
}

void
arena_check_gateway(const struct gateway *gateway)
{
	const struct gateway_program *p;
	uint32_t used = 0;

	for (uint32_t i = 0; i < gateway->n_sockets; i++)
		used += gateway->sockets[i].tcp != NULL;
	FUZZ_CHECK(used + free_sockets(gateway) == gateway->n_sockets, "%u sockets are lost",
		   gateway->n_sockets - used - free_sockets(gateway));
	TAILQ_FOREACH (p, &gateway->programs, entry)
		check_program(p);
}

void
arena_check_empty(const struct gateway *gateway)
{
	FUZZ_CHECK(TAILQ_EMPTY(&gateway->programs), "a program is left");
	FUZZ_CHECK(TAILQ_EMPTY(&gateway->changed), "a change is left");
	FUZZ_CHECK(free_sockets(gateway) == gateway->n_sockets, "sockets are left");
}
