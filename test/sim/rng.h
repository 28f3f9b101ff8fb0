/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A repeatable source of randomness: what is drawn from one seed is the same on every machine.
 * SplitMix64 (Steele, Lea and Flood, 2014).
 */
#ifndef TERN_TEST_RNG_H
#define TERN_TEST_RNG_H

#include <math.h>
#include <stdbool.h>
#include <stdint.h>

struct rng {
	uint64_t state;
};

static inline uint64_t
rng_next(struct rng *r)
{
	uint64_t z = r->state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

/* One of 0 ... n - 1; n > 0. */
static inline uint64_t
rng_below(struct rng *r, uint64_t n)
{
	return (uint64_t)(((unsigned __int128)rng_next(r) * n) >> 64);
}

/* One of low ... high. */
static inline uint64_t
rng_between(struct rng *r, uint64_t low, uint64_t high)
{
	return low + rng_below(r, high - low + 1);
}

/* In [0, 1). */
static inline double
rng_unit(struct rng *r)
{
	return (double)(rng_next(r) >> 11) * 0x1p-53;
}

static inline bool
rng_chance(struct rng *r, double probability)
{
	return rng_unit(r) < probability;
}

/* Between low and high, each order of magnitude as likely as the other; low > 0. */
static inline double
rng_log(struct rng *r, double low, double high)
{
	return low * exp(rng_unit(r) * log(high / low));
}

#endif
