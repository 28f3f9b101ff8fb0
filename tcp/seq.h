/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Sequence numbers: 32 bits, modulo 2^32 (RFC 9293 §3.4). Compare them only with these; two
 * numbers are comparable while they are less than 2^31 apart.
 */
#ifndef TERN_TCP_SEQ_H
#define TERN_TCP_SEQ_H

#include <stdbool.h>
#include <stdint.h>

typedef uint32_t seq_t;

static inline bool
seq_lt(seq_t a, seq_t b)
{
	return (int32_t)(a - b) < 0;
}

static inline bool
seq_leq(seq_t a, seq_t b)
{
	return (int32_t)(a - b) <= 0;
}

static inline bool
seq_gt(seq_t a, seq_t b)
{
	return (int32_t)(a - b) > 0;
}

static inline bool
seq_geq(seq_t a, seq_t b)
{
	return (int32_t)(a - b) >= 0;
}

static inline seq_t
seq_max(seq_t a, seq_t b)
{
	return seq_gt(a, b) ? a : b;
}

static inline seq_t
seq_min(seq_t a, seq_t b)
{
	return seq_lt(a, b) ? a : b;
}

/* a ≤ s < b */
static inline bool
seq_within(seq_t s, seq_t a, seq_t b)
{
	return s - a < b - a;
}

#endif
