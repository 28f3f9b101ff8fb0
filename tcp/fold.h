/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Folding inside the engine: how an idle connection is kept in less memory, and who asks what of
 * fold.c and fold_code.c.
 *
 *     struct tcp_conn --tcp_fold_encode()--> bytes --> | 60 bytes |->| 60 bytes |->| ...
 *                     <--tcp_fold_decode()--           a chain of blocks, the first one of which
 *                                                      is what the flow table and the user have
 */
#ifndef TERN_TCP_FOLD_H
#define TERN_TCP_FOLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "slab.h"

struct tcp_conn;
struct tcp_engine;
struct tcp_folded;

enum {
	FOLD_BLOCK_BYTES = 60,
	FOLD_TEMPLATES = 16,
	/* No connection takes more: a control byte and four bytes for each of its words, and what
	 * leads them. */
	FOLD_BYTES_MAX = 2400,
	FOLD_BLOCKS_EACH = 4, /* that the pool has for each connection */
};

/* What `link` says: how many blocks follow is known by its low bits, the next one's place. */
enum {
	FOLD_FREE = 0u << 30,
	FOLD_FIRST = 1u << 30,
	FOLD_MORE = 2u << 30,
	FOLD_USE = 3u << 30, /* the bits of these */
	FOLD_NEXT = (1u << 30) - 1,
};

struct tcp_folded {
	uint8_t bytes[FOLD_BLOCK_BYTES];
	uint32_t link; /* FOLD_…, and the next block's place in the slab, from 1; 0: the last */
};

static_assert(sizeof(struct tcp_folded) == 64, "a block is a cache line");

/* An engine's. */
struct tcp_folds {
	struct slab blocks;
	uint32_t n;      /* folded connections */
	uint8_t *memory; /* of the templates: connections that others of their kind are like */
	uint32_t users[FOLD_TEMPLATES]; /* folded connections that need them; 0: it is free */
	uint64_t next_us;    /* when to look for idle connections; UINT64_MAX: none can be */
	uint32_t pressed_at; /* from so many not folded on there is haste; UINT32_MAX: never */
	uint32_t at;         /* place in `conns` to look at next */
	bool young;          /* some that this round has seen may be folded later, or others may */
};

/* ---- fold_code.c */

/* Bytes of a template. */
size_t tcp_fold_template_bytes(void);
void tcp_fold_template_make(uint32_t *words, const struct tcp_conn *c);
/* Returns how many bytes; `to` has FOLD_BYTES_MAX. c's queues are empty, its timer is not armed. */
size_t tcp_fold_encode(const struct tcp_conn *c, const uint32_t *words, uint8_t *to);
void tcp_fold_decode(struct tcp_conn *c, const uint32_t *words, const uint8_t *from);

/* ---- fold.c */

bool tcp_fold_make(struct tcp_engine *e);
void tcp_fold_free(struct tcp_engine *e);
size_t tcp_fold_bytes(uint32_t max_conns);
/* From next_us on, or from pressed_at on: folds what is idle. */
void tcp_fold_sweep(struct tcp_engine *e);
/* What it is, without changing anything. */
void tcp_fold_look(const struct tcp_engine *e, const struct tcp_folded *first, struct tcp_conn *c);

#endif
