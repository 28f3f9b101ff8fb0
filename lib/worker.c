/* SPDX-License-Identifier: BSD-3-Clause */
/* See worker.h. */
#include "worker.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

enum { KILLED_BY = 128 }; /* what the shell adds to a signal's number */

static const int ends[] = {SIGINT, SIGQUIT, SIGTERM, SIGHUP, SIGPIPE};
static sigset_t before; /* the mask that the command was started with */

static void
block(sigset_t *blocked)
{
	sigemptyset(blocked);
	for (unsigned int i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
		sigaddset(blocked, ends[i]);
	sigaddset(blocked, SIGCHLD);
	sigprocmask(SIG_BLOCK, blocked, &before);
}

/* A terminal sends its own to the child, too; others are for us to pass on. */
static void
pass_on(pid_t child, const siginfo_t *info)
{
	if (info->si_signo != SIGCHLD && info->si_code <= 0)
		kill(child, info->si_signo);
}

int
worker_run(int (*work)(void *arg), void *arg)
{
	sigset_t blocked;
	siginfo_t info;
	pid_t child;
	int status;

	fflush(NULL);
	block(&blocked);
	child = fork();
	if (child == 0) {
		status = work(arg);
		fflush(NULL);
		_exit(status);
	}
	if (child < 0) {
		fprintf(stderr, "tern: %s\n", strerror(errno));
		sigprocmask(SIG_SETMASK, &before, NULL);
		return 1;
	}
	while (waitpid(child, &status, WNOHANG) == 0)
		if (sigwaitinfo(&blocked, &info) > 0)
			pass_on(child, &info);
	sigprocmask(SIG_SETMASK, &before, NULL);
	return WIFEXITED(status) ? WEXITSTATUS(status) : KILLED_BY + WTERMSIG(status);
}

void
worker_done(void)
{
	sigprocmask(SIG_SETMASK, &before, NULL);
}
