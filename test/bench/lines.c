/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the way from one processor's cache to another's costs on this machine, now: a hypervisor may
 * move its processors nearer and farther meanwhile. Two lanes that talk over shared memory, and a
 * program and its lane, cannot be faster than this.
 *
 *     line     one word, written by either side in turn: nanoseconds there and back
 *     frames   BYTES of payload copied into a ring of 256 buffers by one side and read by the
 * other, which says so in bursts of 32: nanoseconds a frame
 *
 * Both are medians of short rounds, so that others on the machine hardly count.
 *
 *     lines [BYTES [MILLISECONDS]]
 */
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
	LINE = 64,
	ROUND = 100,
	ROUNDS_MAX = 100000,
	RING = 256,
	BURST = 32,
	BUFFER = 2048,
};

static struct {
	_Alignas(LINE) uint64_t word; /* odd: the other side's turn */
	_Alignas(LINE) uint64_t head; /* frames written */
	_Alignas(LINE) uint64_t tail; /* frames read */
	_Alignas(LINE) int over;
	_Alignas(LINE) uint8_t buffers[RING][BUFFER];
} shared;

static uint32_t bytes = 1514;
static double seconds = 0.2;
static uint64_t sum; /* so that frames are read */

static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int
by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void
pin(int processor)
{
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(processor, &one);
	if (sched_setaffinity(0, sizeof(one), &one) < 0) {
		fprintf(stderr, "lines: there is no processor %d\n", processor);
		exit(1);
	}
}

static int
is_over(void)
{
	return __atomic_load_n(&shared.over, __ATOMIC_RELAXED);
}

static void *
answer(void *arg)
{
	(void)arg;
	pin(1);
	while (!is_over()) {
		uint64_t word = __atomic_load_n(&shared.word, __ATOMIC_ACQUIRE);

		if (word % 2 == 1)
			__atomic_store_n(&shared.word, word + 1, __ATOMIC_RELEASE);
	}
	return NULL;
}

/* Asks `once` for the time of a round until the time is over; returns the median. */
static double
median(double (*once)(void))
{
	static double took[ROUNDS_MAX];
	double begin = now();
	size_t n = 0;

	do {
		took[n++] = once();
	} while (n < ROUNDS_MAX && now() - begin < seconds);
	qsort(took, n, sizeof(*took), by_size);
	return took[n / 2];
}

static double
line_ns(void)
{
	double begin = now();

	for (unsigned int i = 0; i < ROUND; i++) {
		uint64_t word = shared.word;

		__atomic_store_n(&shared.word, word + 1, __ATOMIC_RELEASE);
		while (__atomic_load_n(&shared.word, __ATOMIC_ACQUIRE) != word + 2)
			;
	}
	return (now() - begin) * 1e9 / ROUND;
}

static void *
consume(void *arg)
{
	uint8_t mine[BUFFER];
	uint64_t tail = 0;

	(void)arg;
	pin(1);
	while (!is_over()) {
		uint64_t head = __atomic_load_n(&shared.head, __ATOMIC_ACQUIRE);

		for (; tail != head; tail++) {
			memcpy(mine, shared.buffers[tail % RING], bytes);
			sum += mine[tail % bytes];
		}
		__atomic_store_n(&shared.tail, tail, __ATOMIC_RELEASE);
	}
	return NULL;
}

static double
frame_ns(void)
{
	static uint8_t mine[BUFFER];
	double begin = now();

	for (unsigned int n = 0; n < RING; n += BURST) {
		uint64_t head = shared.head;

		while (head - __atomic_load_n(&shared.tail, __ATOMIC_ACQUIRE) > RING - BURST)
			;
		for (unsigned int i = 0; i < BURST; i++, head++) {
			mine[head % bytes]++;
			memcpy(shared.buffers[head % RING], mine, bytes);
		}
		__atomic_store_n(&shared.head, head, __ATOMIC_RELEASE);
	}
	return (now() - begin) * 1e9 / RING;
}

static double
measure(double (*ours)(void), void *(*theirs)(void *))
{
	pthread_t other;
	double ns;

	memset(&shared, 0, sizeof(shared));
	if (pthread_create(&other, NULL, theirs, NULL) != 0)
		exit(1);
	ns = median(ours);
	__atomic_store_n(&shared.over, 1, __ATOMIC_RELAXED);
	pthread_join(other, NULL);
	return ns;
}

int
main(int argc, char **argv)
{
	double line, frame;

	if (argc > 1)
		bytes = (uint32_t)atoi(argv[1]);
	if (argc > 2)
		seconds = atof(argv[2]) / 1e3;
	if (bytes == 0 || bytes > BUFFER || seconds <= 0) {
		fprintf(stderr, "usage: lines [BYTES [MILLISECONDS]]\n");
		return 2;
	}
	pin(0);
	line = measure(line_ns, answer);
	frame = measure(frame_ns, consume);
	printf("line   %.0f ns there and back\n", line);
	printf("frames %.0f ns for one of %u bytes, %.1f Gbit/s\n", frame, bytes,
	       bytes * 8 / frame);
	return 0;
}
