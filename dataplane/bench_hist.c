/* SPDX-License-Identifier: BSD-3-Clause */
/* See bench_hist.h. */
#include "dataplane/bench_hist.h"

uint64_t
bench_hist_highest(unsigned int bucket)
{
	unsigned int shift;

	if (bucket < 2 * BENCH_HIST_PARTS)
		return bucket;
	shift = bucket / BENCH_HIST_PARTS - 1;
	return ((uint64_t)(bucket % BENCH_HIST_PARTS + BENCH_HIST_PARTS + 1) << shift) - 1;
}

void
bench_hist_merge(struct bench_hist *to, const struct bench_hist *from)
{
	to->n += from->n;
	to->sum += from->sum;
	if (from->max > to->max)
		to->max = from->max;
	for (unsigned int i = 0; i < BENCH_HIST_BUCKETS; i++)
		to->bucket[i] += from->bucket[i];
}

uint64_t
bench_hist_quantile(const struct bench_hist *hist, uint32_t parts_per_million)
{
	uint64_t rank, seen = 0;

	if (hist->n == 0)
		return 0;
	/* How many values there are up to it, rounded up; at least one. */
	rank = (uint64_t)(((unsigned __int128)hist->n * parts_per_million + 999999) / 1000000);
	if (rank == 0)
		rank = 1;
	for (unsigned int i = 0; i < BENCH_HIST_BUCKETS - 1; i++) {
		seen += hist->bucket[i];
		if (seen >= rank) {
			uint64_t highest = bench_hist_highest(i);

			return highest < hist->max ? highest : hist->max;
		}
	}
	return hist->max;
}
