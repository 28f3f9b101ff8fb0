/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What more processors can give at most on this machine: work that shares nothing at all, on one
 * thread and then on N, each pinned to a processor of its own.
 *
 *     arithmetic   four independent chains of multiplications, in registers
 *     cache        loads all over 256 KiB, which a core's own cache holds
 *     memory       loads all over 64 MiB, which it does not
 *
 * Two processors that are threads of one core, which a hypervisor need not tell, give much less
 * than 2 for arithmetic. Lanes cannot scale better than this does.
 *
 *     processors [THREADS [ROUNDS [MILLISECONDS]]]
 */
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
	THREADS_MAX = 64,
	ROUNDS_MAX = 100,
	STEPS = 20000, /* between two looks at the clock */
	SMALL = 256 << 10,
	LARGE = 64 << 20,
};

enum work { ARITHMETIC, CACHE, MEMORY, WORKS };

static const char *const names[WORKS] = {"arithmetic", "cache", "memory"};

struct worker {
	pthread_t thread;
	unsigned int processor;
	uint64_t *words; /* LARGE bytes */
	double per_second;
	uint64_t result; /* so that the work is done */
};

static struct worker workers[THREADS_MAX];
static pthread_barrier_t together;
static enum work work;
static double round_s;

static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static uint64_t
calculate(uint64_t seed)
{
	uint64_t a = seed, b = seed + 1, c = seed + 2, d = seed + 3;

	for (unsigned int i = 0; i < STEPS; i++) {
		a = a * 6364136223846793005u + 1;
		b = b * 6364136223846793005u + 3;
		c = c * 6364136223846793005u + 5;
		d = d * 6364136223846793005u + 7;
	}
	return a ^ b ^ c ^ d;
}

static uint64_t
look(const uint64_t *words, uint64_t bytes, uint64_t seed)
{
	uint64_t mask = bytes / sizeof(*words) - 1, sum = 0;

	for (unsigned int i = 0; i < STEPS; i++) {
		seed = seed * 6364136223846793005u + 1442695040888963407u;
		sum += words[seed >> 32 & mask];
	}
	return seed ^ sum;
}

static void *
run(void *arg)
{
	struct worker *w = arg;
	double start, end;
	uint64_t n = 0;
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(w->processor, &one);
	if (pthread_setaffinity_np(pthread_self(), sizeof(one), &one) != 0) {
		fprintf(stderr, "processors: there is no processor %u\n", w->processor);
		exit(1);
	}
	pthread_barrier_wait(&together);
	start = now();
	do {
		w->result = work == ARITHMETIC
				    ? calculate(w->result)
				    : look(w->words, work == CACHE ? SMALL : LARGE, w->result);
		n++;
		end = now();
	} while (end - start < round_s);
	w->per_second = (double)n * STEPS / (end - start);
	return NULL;
}

static double
of_threads(unsigned int n)
{
	double sum = 0;

	pthread_barrier_init(&together, NULL, n);
	for (unsigned int i = 0; i < n; i++)
		if (pthread_create(&workers[i].thread, NULL, run, &workers[i]) != 0)
			exit(1);
	for (unsigned int i = 0; i < n; i++) {
		pthread_join(workers[i].thread, NULL);
		sum += workers[i].per_second;
	}
	pthread_barrier_destroy(&together);
	return sum;
}

static int
by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

int
main(int argc, char **argv)
{
	unsigned int threads = argc > 1 ? (unsigned int)atoi(argv[1]) : 2;
	unsigned int rounds = argc > 2 ? (unsigned int)atoi(argv[2]) : 5;
	double ratio[ROUNDS_MAX];

	round_s = (argc > 3 ? atof(argv[3]) : 300) / 1e3;
	if (threads < 1 || threads > THREADS_MAX || rounds < 1 || rounds > ROUNDS_MAX ||
	    round_s <= 0) {
		fprintf(stderr, "usage: processors [THREADS [ROUNDS [MILLISECONDS]]]\n");
		return 2;
	}
	for (unsigned int i = 0; i < threads; i++) {
		workers[i].processor = i;
		workers[i].words = aligned_alloc(4096, LARGE);
		if (workers[i].words == NULL)
			return 1;
		memset(workers[i].words, (int)i + 1, LARGE);
	}
	for (work = 0; work < WORKS; work++) {
		for (unsigned int i = 0; i < rounds; i++) {
			double one = of_threads(1);

			ratio[i] = of_threads(threads) / one;
		}
		qsort(ratio, rounds, sizeof(*ratio), by_size);
		printf("%-10s %u processors do %.2f times as much as one (%.2f to %.2f)\n",
		       names[work], threads, ratio[rounds / 2], ratio[0], ratio[rounds - 1]);
	}
	for (unsigned int i = 0; i < threads; i++)
		free(workers[i].words);
	return 0;
}
