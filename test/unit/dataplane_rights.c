/* SPDX-License-Identifier: BSD-3-Clause */
/* dataplane/rights.c: who may repair, by user, group, and the other groups of a process. */
#include <grp.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "unit.h"

#include "dataplane/rights.h"

enum {
	USER = 4000,
	OWN_GROUP = 4001,
	OTHER_GROUP = 4002,
	LAST_GROUP = 4003,
	NO_GROUP = 4004,
};

static const gid_t none = (gid_t)-1;

UNIT_CASE(root_may_and_the_group)
{
	const struct ucred root = {.uid = 0, .gid = 5}, other = {.uid = USER, .gid = OWN_GROUP};

	CU_ASSERT(rights_of_sender(&root, none));
	CU_ASSERT(rights_of_peer(-1, &root, none));
	CU_ASSERT(!rights_of_sender(&other, none));
	CU_ASSERT(!rights_of_peer(-1, &other, none));
	CU_ASSERT(rights_of_sender(&other, OWN_GROUP));
	CU_ASSERT(rights_of_peer(-1, &other, OWN_GROUP));
	CU_ASSERT(!rights_of_sender(&other, NO_GROUP));
	CU_ASSERT(!rights_of_peer(-1, &other, NO_GROUP));
}

/* What is not known is no right: a process that nobody sees, no credentials at all. */
UNIT_CASE(nobody_may_not)
{
	const struct ucred hidden = {.pid = 0, .uid = USER, .gid = OWN_GROUP};
	const struct ucred nobody = {.uid = (uid_t)-1, .gid = none};

	CU_ASSERT(!rights_of_sender(&hidden, OTHER_GROUP));
	CU_ASSERT(!rights_of_sender(&nobody, none));
	CU_ASSERT(!rights_of_sender(&nobody, OTHER_GROUP));
	CU_ASSERT(!rights_of_peer(-1, &nobody, none));
}

/* In a process with other groups. */
static bool
asks_as_another(void)
{
	static const gid_t groups[] = {OTHER_GROUP, LAST_GROUP};
	struct ucred who;
	socklen_t bytes = sizeof(who);
	int ends[2];

	if (setgroups(2, groups) < 0 || setgid(OWN_GROUP) < 0 || setuid(USER) < 0 ||
	    socketpair(AF_UNIX, SOCK_STREAM, 0, ends) < 0 ||
	    getsockopt(ends[0], SOL_SOCKET, SO_PEERCRED, &who, &bytes) < 0)
		return false;
	return rights_of_peer(ends[0], &who, OWN_GROUP) &&
	       rights_of_peer(ends[0], &who, OTHER_GROUP) &&
	       rights_of_peer(ends[0], &who, LAST_GROUP) &&
	       !rights_of_peer(ends[0], &who, NO_GROUP) && rights_of_sender(&who, OTHER_GROUP) &&
	       rights_of_sender(&who, LAST_GROUP) && !rights_of_sender(&who, NO_GROUP) &&
	       !rights_of_sender(&who, 400);
}

UNIT_CASE(the_other_groups_of_a_process_count)
{
	int status = 0;
	pid_t child;

	if (geteuid() != 0) /* only root may change them */
		return;
	child = fork();
	if (child == 0)
		_exit(asks_as_another() ? 0 : 1);
	CU_ASSERT_FATAL(child > 0);
	UNIT_EQ(waitpid(child, &status, 0), child);
	UNIT_EQ(status, 0);
}

UNIT_MAIN(UNIT_RUN(root_may_and_the_group), UNIT_RUN(nobody_may_not),
	  UNIT_RUN(the_other_groups_of_a_process_count))
