/* SPDX-License-Identifier: BSD-3-Clause */
/* dataplane/bench_hist.c: buckets that meet without a gap, and quantiles beside those of a sorted
 * list of all values. */
#include "unit.h"

#include <stdlib.h>
#include <string.h>

#include "dataplane/bench_hist.h"

static struct bench_hist hist;

UNIT_CASE(buckets_meet)
{
	for (unsigned int i = 0; i < BENCH_HIST_BUCKETS; i++) {
		uint64_t highest = bench_hist_highest(i);

		CU_ASSERT_EQUAL(bench_hist_bucket(highest), i);
		if (i + 1 < BENCH_HIST_BUCKETS)
			CU_ASSERT_EQUAL(bench_hist_bucket(highest + 1), i + 1);
	}
	CU_ASSERT_EQUAL(bench_hist_bucket(0), 0);
	CU_ASSERT_EQUAL(bench_hist_bucket(UINT64_MAX), BENCH_HIST_BUCKETS - 1);
}

static int
compare(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

/* No quantile is below the true one, nor more than a bucket above it. */
UNIT_CASE(quantiles_are_those_of_a_sorted_list)
{
	enum { N = 50000 };
	static const uint32_t parts[] = {0, 1, 500000, 900000, 990000, 999000, 999999, 1000000};
	uint64_t *values = malloc(N * sizeof(*values)), sum = 0;

	CU_ASSERT_FATAL(values != NULL);
	memset(&hist, 0, sizeof(hist));
	srandom(7);
	for (unsigned int i = 0; i < N; i++) {
		values[i] = (uint64_t)random() >> (random() % 31);
		sum += values[i];
		bench_hist_add(&hist, values[i]);
	}
	qsort(values, N, sizeof(*values), compare);
	CU_ASSERT_EQUAL(hist.n, N);
	CU_ASSERT_EQUAL(hist.sum, sum);
	CU_ASSERT_EQUAL(hist.max, values[N - 1]);
	for (unsigned int i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		uint64_t rank = ((uint64_t)N * parts[i] + 999999) / 1000000;
		uint64_t is = values[rank > 0 ? rank - 1 : 0];
		uint64_t got = bench_hist_quantile(&hist, parts[i]);

		CU_ASSERT(got >= is);
		CU_ASSERT(got <= is + is / BENCH_HIST_PARTS);
	}
	CU_ASSERT_EQUAL(bench_hist_quantile(&hist, 1000000), hist.max);
	free(values);
}

UNIT_CASE(nothing_and_the_largest)
{
	memset(&hist, 0, sizeof(hist));
	CU_ASSERT_EQUAL(bench_hist_quantile(&hist, 500000), 0);
	bench_hist_add(&hist, UINT64_MAX / 2);
	CU_ASSERT_EQUAL(bench_hist_quantile(&hist, 500000), UINT64_MAX / 2);
}

UNIT_CASE(lanes_add_up)
{
	static struct bench_hist other;

	memset(&hist, 0, sizeof(hist));
	memset(&other, 0, sizeof(other));
	for (uint64_t i = 0; i < 100; i++)
		bench_hist_add(i % 2 == 0 ? &hist : &other, i);
	bench_hist_merge(&hist, &other);
	CU_ASSERT_EQUAL(hist.n, 100);
	CU_ASSERT_EQUAL(hist.sum, 4950);
	CU_ASSERT_EQUAL(hist.max, 99);
	CU_ASSERT_EQUAL(bench_hist_quantile(&hist, 500000), 49);
	CU_ASSERT_EQUAL(bench_hist_quantile(&hist, 990000), 98);
}

UNIT_MAIN(UNIT_RUN(buckets_meet), UNIT_RUN(quantiles_are_those_of_a_sorted_list),
	  UNIT_RUN(nothing_and_the_largest), UNIT_RUN(lanes_add_up))
