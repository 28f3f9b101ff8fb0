/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runs the cases of a wire test program: each over each family in a process of its own, so that one
 * that crashes or never ends fails alone. They all are copies of one process in which EAL has
 * started and the pools are full; each makes EAL's memory its own first.
 *
 *     PROGRAM [-f] [-t] [CASE]
 *
 * -f runs the case without a process of its own, over the first of its families only.
 * -t gives every path that takes packets of several mbufs a card that cuts them into segments; the
 * packets on the wire must be the same.
 */
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test/unit/unit.h"
#include "wire.h"

enum {
	MAX_CASES = 200,
	CASE_SECONDS = 60,
};

static struct wire_case cases[MAX_CASES];
static unsigned int n_cases;

void
wire_register(const struct wire_case *c)
{
	if (n_cases == MAX_CASES)
		abort();
	cases[n_cases++] = *c;
}

static bool tso;

static void
run(const struct wire_case *c, int family, bool verbose)
{
	static struct wire w;

	memset(&w, 0, sizeof(w));
	w.family = family;
	w.tso = tso;
	w.verbose = verbose;
	w.test = c->name;
	w.file = c->file;
	c->run(&w);
}

/* In a child; returns whether it succeeded. */
static bool
run_apart(const struct wire_case *c, int family, bool verbose)
{
	const char *over = family == AF_INET ? "IPv4" : "IPv6";
	pid_t child;
	int status;

	fflush(stdout);
	child = fork();
	if (child == 0) {
		alarm(CASE_SECONDS);
		unit_eal_unshare();
		run(c, family, verbose);
		fflush(stdout);
		_exit(0);
	}
	if (child < 0 || waitpid(child, &status, 0) != child) {
		perror("fork");
		exit(2);
	}
	if (WIFSIGNALED(status))
		printf("FAIL %s over %s: %s\n", c->name, over, strsignal(WTERMSIG(status)));
	else if (WEXITSTATUS(status) == 0)
		printf("ok   %s over %s\n", c->name, over);
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

int
main(int argc, char **argv)
{
	bool apart = true;
	unsigned int ran = 0, failed = 0;
	const char *only;

	for (; argc > 1 && argv[1][0] == '-'; argc--, argv++) {
		apart = apart && strcmp(argv[1], "-f") != 0;
		tso = tso || strcmp(argv[1], "-t") == 0;
	}
	only = argc > 1 ? argv[1] : NULL;
	unit_eal_start();
	wire_pools_start();
	for (unsigned int i = 0; i < n_cases; i++) {
		if (only != NULL && strcmp(cases[i].name, only) != 0)
			continue;
		for (int over = 0; over < 2; over++) {
			int family = over == 0 ? AF_INET : AF_INET6;

			if (!(over == 0 ? cases[i].v4 : cases[i].v6))
				continue;
			ran++;
			if (!apart) {
				run(&cases[i], family, true);
				unit_eal_stop();
				return 0;
			}
			failed += !run_apart(&cases[i], family, only != NULL);
		}
	}
	unit_eal_stop();
	printf("%u passed, %u failed\n", ran - failed, failed);
	return failed != 0 || ran == 0;
}
