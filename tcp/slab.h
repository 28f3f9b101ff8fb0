/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A slab: a fixed number of objects of one size in one piece of memory, given out and taken back in
 * constant time. Memory that was never used is never touched, so a large limit costs nothing until
 * it is needed. Objects are known by a 32-bit index too.
 */
#ifndef TERN_TCP_SLAB_H
#define TERN_TCP_SLAB_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SLAB_NONE = UINT32_MAX };

struct slab {
	uint8_t *base;
	uint32_t size;      /* bytes of an object, at least 4 */
	uint32_t capacity;  /* objects */
	uint32_t carved;    /* objects that were given out at least once */
	uint32_t used;      /* objects given out now */
	uint32_t free_head; /* index of the first free one below carved, or SLAB_NONE */
};

static inline void
slab_init(struct slab *s, void *base, uint32_t size, uint32_t capacity)
{
	*s = (struct slab){base, size, capacity, 0, 0, SLAB_NONE};
}

static inline void *
slab_at(const struct slab *s, uint32_t index)
{
	return s->base + (size_t)index * s->size;
}

static inline uint32_t
slab_index(const struct slab *s, const void *object)
{
	return (uint32_t)((size_t)((const uint8_t *)object - s->base) / s->size);
}

static inline bool
slab_contains(const struct slab *s, const void *p)
{
	return (size_t)((const uint8_t *)p - s->base) < (size_t)s->carved * s->size;
}

/* An object with whatever its last owner left in it, or NULL when all are in use. */
static inline void *
slab_get(struct slab *s)
{
	uint32_t index = s->free_head;

	if (index != SLAB_NONE)
		s->free_head = *(uint32_t *)slab_at(s, index);
	else if (s->carved < s->capacity)
		index = s->carved++;
	else
		return NULL;
	s->used++;
	return slab_at(s, index);
}

static inline void
slab_put(struct slab *s, void *object)
{
	assert(s->used > 0);
	*(uint32_t *)object = s->free_head;
	s->free_head = slab_index(s, object);
	s->used--;
}

#endif
