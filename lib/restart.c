/* SPDX-License-Identifier: BSD-3-Clause */
/* See restart.h. */
#include <signal.h>
#include <stddef.h>

#include "restart.h"

bool
restart_asked_for(void)
{
	struct sigaction action;
	sigset_t blocked;

	if (pthread_sigmask(SIG_BLOCK, NULL, &blocked) != 0)
		return false;
	for (int i = 1; i <= SIGRTMAX; i++)
		if (sigaction(i, NULL, &action) == 0 && action.sa_handler != SIG_DFL &&
		    action.sa_handler != SIG_IGN && (action.sa_flags & SA_RESTART) == 0 &&
		    sigismember(&blocked, i) == 0)
			return false;
	return true;
}
