/* SPDX-License-Identifier: BSD-3-Clause */
/* lib/held.c: a process stands still, loses no signal, and goes on whatever becomes of its holder.
 */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/held.h"
#include "unit.h"

enum {
	THREADS = 3,
	A_WHILE_US = 20000,
	PATIENCE = 500, /* of them */
};

/* What its threads count, seen by both. */
struct counters {
	atomic_ulong n[THREADS];
	atomic_uint signals;
};

static struct counters *counters;
static char why[256];

static void *
count(void *n)
{
	for (;;) {
		atomic_fetch_add((atomic_ulong *)n, 1);
		usleep(100);
	}
	return NULL;
}

static void
take_signal(int number)
{
	(void)number;
	atomic_fetch_add(&counters->signals, 1);
}

/* Anyone with the right may trace it: the tests' own ptrace scope may be narrow. */
static pid_t
start(void)
{
	pthread_t threads[THREADS];
	pid_t child;

	memset(counters, 0, sizeof(*counters));
	child = fork();
	if (child != 0)
		return child;
	prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGUSR1, take_signal);
	for (unsigned int i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, count, &counters->n[i]);
	for (;;)
		pause();
}

static void
end(pid_t child)
{
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
}

/* Whether every thread counts on within a while, or in the end. */
static bool
all_move(unsigned int whiles)
{
	unsigned long before[THREADS];
	bool all = false;

	for (unsigned int i = 0; i < THREADS; i++)
		before[i] = atomic_load(&counters->n[i]);
	while (!all && whiles-- > 0) {
		usleep(A_WHILE_US);
		all = true;
		for (unsigned int i = 0; i < THREADS; i++)
			all &= atomic_load(&counters->n[i]) != before[i];
	}
	return all;
}

static bool
none_moves(void)
{
	unsigned long before[THREADS];
	bool none = true;

	for (unsigned int i = 0; i < THREADS; i++)
		before[i] = atomic_load(&counters->n[i]);
	usleep(A_WHILE_US);
	for (unsigned int i = 0; i < THREADS; i++)
		none &= atomic_load(&counters->n[i]) == before[i];
	return none;
}

UNIT_CASE(all_threads_stand_still)
{
	pid_t child = start();
	struct held held;

	CU_ASSERT(all_move(PATIENCE));
	CU_ASSERT_FATAL(held_take(&held, child, why, sizeof(why)) == 0);
	UNIT_EQ(held.n, THREADS + 1);
	CU_ASSERT(none_moves());
	held_release(&held);
	CU_ASSERT(all_move(PATIENCE));
	held_release(&held); /* harmless */
	end(child);
}

UNIT_CASE(signals_wait_and_are_not_lost)
{
	pid_t child = start();
	struct held held;

	CU_ASSERT(all_move(PATIENCE));
	for (unsigned int i = 1; i <= 50; i++) {
		kill(child, SIGUSR1); /* some of them meet the stop */
		CU_ASSERT_FATAL(held_take(&held, child, why, sizeof(why)) == 0);
		held_release(&held);
		for (unsigned int k = 0; k < PATIENCE && atomic_load(&counters->signals) < i; k++)
			usleep(1000);
		UNIT_EQ(atomic_load(&counters->signals), i);
	}
	end(child);
}

UNIT_CASE(it_goes_on_when_its_holder_is_killed)
{
	pid_t child = start(), holder;
	struct held held;
	int ready[2];
	char byte;

	CU_ASSERT_FATAL(pipe(ready) == 0 && all_move(PATIENCE));
	holder = fork();
	if (holder == 0) {
		byte = held_take(&held, child, why, sizeof(why)) == 0 ? 'y' : 'n';
		(void)!write(ready[1], &byte, 1);
		pause();
		_exit(0);
	}
	CU_ASSERT(read(ready[0], &byte, 1) == 1);
	UNIT_EQ(byte, 'y');
	CU_ASSERT(none_moves());
	end(holder);
	CU_ASSERT(all_move(PATIENCE));
	close(ready[0]);
	close(ready[1]);
	end(child);
}

UNIT_CASE(what_is_not_there)
{
	pid_t child = start();
	struct held held;

	end(child);
	CU_ASSERT(held_take(&held, child, why, sizeof(why)) < 0);
	CU_ASSERT(strstr(why, "No such process") != NULL);
	UNIT_EQ(held.n, 0);
	held_release(&held);
}

static const struct unit_case cases[] = {
	UNIT_RUN(all_threads_stand_still),
	UNIT_RUN(signals_wait_and_are_not_lost),
	UNIT_RUN(it_goes_on_when_its_holder_is_killed),
	UNIT_RUN(what_is_not_there),
};

int
main(int argc, char **argv)
{
	counters = mmap(NULL, sizeof(*counters), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
			-1, 0);
	return counters == MAP_FAILED
		       ? 1
		       : unit_main(argc, argv, __FILE__, cases, sizeof(cases) / sizeof(cases[0]));
}
