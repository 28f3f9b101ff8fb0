/* SPDX-License-Identifier: BSD-3-Clause */
/* lib/lock.c: a locked connection stands still, in both directions; nothing else does. */
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kernel_net.h"
#include "lib/lock.h"
#include "unit.h"

enum {
	HELD_MS = 80,    /* a segment on loopback takes far less */
	COMES_MS = 3000, /* one that was held comes again within some RTOs */
};

/* Whether a byte that one end sends now comes to the other in time. */
static bool
passes(int from, int to, int ms)
{
	struct pollfd look = {.fd = to, .events = POLLIN};
	char byte = 'x';

	CU_ASSERT(send(from, &byte, 1, MSG_NOSIGNAL) == 1);
	return poll(&look, 1, ms) == 1 && recv(to, &byte, 1, MSG_DONTWAIT) == 1;
}

static bool
comes(int fd)
{
	struct pollfd look = {.fd = fd, .events = POLLIN};
	char byte;

	return poll(&look, 1, COMES_MS) == 1 && recv(fd, &byte, 1, MSG_DONTWAIT) == 1;
}

static struct lock *
take(const struct kernel_pair *pair)
{
	char why[256] = "";
	struct lock *lock = lock_take(&pair->ends, 1, why, sizeof(why));

	if (lock == NULL)
		printf("\n  %s", why);
	CU_ASSERT_FATAL(lock != NULL);
	return lock;
}

static void
holds_and_lets_go(int family, bool wrapped)
{
	struct kernel_pair pair = kernel_pair_make(family, wrapped);
	struct kernel_pair other = kernel_pair_make(family, wrapped);
	struct lock *lock;

	CU_ASSERT(passes(pair.client, pair.server, COMES_MS));
	lock = take(&pair);
	CU_ASSERT(!passes(pair.client, pair.server, HELD_MS));
	CU_ASSERT(!passes(pair.server, pair.client, HELD_MS));
	CU_ASSERT(passes(other.client, other.server, COMES_MS));
	lock_release(lock);
	CU_ASSERT(comes(pair.server));
	CU_ASSERT(comes(pair.client));
	kernel_pair_close(&pair);
	kernel_pair_close(&other);
}

UNIT_CASE(both_directions)
{
	holds_and_lets_go(AF_INET, false);
	holds_and_lets_go(AF_INET6, false);
	holds_and_lets_go(AF_INET, true);
}

UNIT_CASE(locked_twice_is_free_with_the_last)
{
	struct kernel_pair pair = kernel_pair_make(AF_INET, false);
	struct lock *first = take(&pair), *second = take(&pair);

	lock_release(first);
	CU_ASSERT(!passes(pair.client, pair.server, HELD_MS));
	lock_release(second);
	CU_ASSERT(comes(pair.server));
	kernel_pair_close(&pair);
}

UNIT_CASE(many_at_once)
{
	enum { PAIRS = 300 };
	static struct kernel_pair pairs[PAIRS];
	static struct endpoints ends[PAIRS];
	char why[256] = "";
	struct lock *lock;

	for (unsigned int i = 0; i < PAIRS; i++) {
		pairs[i] = kernel_pair_make(i % 2 == 0 ? AF_INET : AF_INET6, false);
		ends[i] = pairs[i].ends;
	}
	lock = lock_take(ends, PAIRS, why, sizeof(why));
	CU_ASSERT_STRING_EQUAL(why, "");
	CU_ASSERT(!passes(pairs[0].client, pairs[0].server, HELD_MS));
	CU_ASSERT(!passes(pairs[PAIRS - 1].client, pairs[PAIRS - 1].server, HELD_MS));
	lock_release(lock);
	CU_ASSERT(comes(pairs[0].server) && comes(pairs[PAIRS - 1].server));
	for (unsigned int i = 0; i < PAIRS; i++)
		kernel_pair_close(&pairs[i]);
}

UNIT_CASE(goes_with_a_killed_process)
{
	struct kernel_pair pair = kernel_pair_make(AF_INET, false);
	int ready[2];
	char byte;
	pid_t child;

	CU_ASSERT_FATAL(pipe(ready) == 0);
	child = fork();
	if (child == 0) {
		take(&pair);
		(void)!write(ready[1], "x", 1);
		pause();
		_exit(0);
	}
	CU_ASSERT(read(ready[0], &byte, 1) == 1);
	CU_ASSERT(!passes(pair.client, pair.server, HELD_MS));
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	CU_ASSERT(comes(pair.server));
	close(ready[0]);
	close(ready[1]);
	kernel_pair_close(&pair);
}

static const struct unit_case cases[] = {
	UNIT_RUN(both_directions),
	UNIT_RUN(locked_twice_is_free_with_the_last),
	UNIT_RUN(many_at_once),
	UNIT_RUN(goes_with_a_killed_process),
};

int
main(int argc, char **argv)
{
	kernel_net_make();
	return unit_main(argc, argv, __FILE__, cases, sizeof(cases) / sizeof(cases[0]));
}
