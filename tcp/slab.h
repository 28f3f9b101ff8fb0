/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A slab: a fixed number of objects of one size in one piece of memory, given out and taken back in
 * constant time. Memory that was never used is never touched, so a large limit costs nothing until
 * it is needed.
 */
#ifndef TERN_TCP_SLAB_H
#define TERN_TCP_SLAB_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct slab {
	uint8_t *base;
	uint32_t size;     /* bytes of an object, a multiple of 8 */
	uint32_t capacity; /* objects */
	uint32_t carved;   /* objects that were given out at least once */
	uint32_t used;     /* objects given out now */
	void *free_head;   /* first free one below carved; each begins with the next */
};

static inline void
slab_init(struct slab *s, void *base, uint32_t size, uint32_t capacity)
{
	*s = (struct slab){base, size, capacity, 0, 0, NULL};
}

static inline void *
slab_at(const struct slab *s, uint32_t index)
{
	return s->base + (size_t)index * s->size;
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
	void *object = s->free_head;

	if (object != NULL)
		memcpy(&s->free_head, object, sizeof(void *));
	else if (s->carved < s->capacity)
		object = slab_at(s, s->carved++);
	else
		return NULL;
	s->used++;
	return object;
}

static inline void
slab_put(struct slab *s, void *object)
{
	assert(s->used > 0);
	memcpy(object, &s->free_head, sizeof(void *));
	s->free_head = object;
	s->used--;
}

#endif
