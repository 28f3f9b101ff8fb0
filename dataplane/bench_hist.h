/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A histogram of times, in fixed memory and a few instructions for each: as HdrHistogram's, each
 * power of two is cut into equal parts, so that a bucket is at most 1/64 of its value wide.
 *
 *     value:   0 1 2 ... 127 | 128 130 ... 254 | 256 260 ... 508 | 512 ...
 *     width:         1       |       2         |       4         |  8
 *     bucket:  0 1 2 ... 127 | 128 129 ... 191 | 192 193 ... 255 | 256 ...
 *
 * Values are in any unit: clock ticks. What is too large for the last bucket counts there; the
 * largest value and the sum are kept exactly.
 */
#ifndef TERN_DATAPLANE_BENCH_HIST_H
#define TERN_DATAPLANE_BENCH_HIST_H

#include <stdint.h>

enum {
	BENCH_HIST_PART_BITS = 6,
	BENCH_HIST_PARTS = 1 << BENCH_HIST_PART_BITS, /* of each power of two */
	BENCH_HIST_POWERS = 36,                       /* values up to 2^42 */
	BENCH_HIST_BUCKETS = (BENCH_HIST_POWERS + 1) * BENCH_HIST_PARTS,
};

struct bench_hist {
	uint64_t n;
	uint64_t sum;
	uint64_t max;
	uint64_t bucket[BENCH_HIST_BUCKETS];
};

static inline unsigned int
bench_hist_bucket(uint64_t value)
{
	unsigned int shift, bucket;

	if (value < 2 * BENCH_HIST_PARTS)
		return (unsigned int)value;
	shift = 63 - BENCH_HIST_PART_BITS - (unsigned int)__builtin_clzll(value);
	bucket = shift * BENCH_HIST_PARTS + (unsigned int)(value >> shift);
	return bucket < BENCH_HIST_BUCKETS ? bucket : BENCH_HIST_BUCKETS - 1;
}

static inline void
bench_hist_add(struct bench_hist *hist, uint64_t value)
{
	hist->n++;
	hist->sum += value;
	if (value > hist->max)
		hist->max = value;
	hist->bucket[bench_hist_bucket(value)]++;
}

/* The largest value that falls into a bucket. */
uint64_t bench_hist_highest(unsigned int bucket);

/* Adds what another lane has counted. */
void bench_hist_merge(struct bench_hist *to, const struct bench_hist *from);

/*
 * The value that `parts_per_million` of all values do not exceed: the upper edge of its bucket,
 * but no more than the largest value. 0 without values.
 */
uint64_t bench_hist_quantile(const struct bench_hist *hist, uint32_t parts_per_million);

#endif
