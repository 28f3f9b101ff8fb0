/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * See rights.h. The kernel tells who is at the other end of a connection, with all his groups, and
 * who has sent a message, with one; of a sender the others are looked up in /proc, by the number of
 * the process that the kernel told. Who cannot be looked up has none.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/rights.h"

enum {
	GROUPS_MAX = 65536, /* Linux's */
	LINE_BYTES = 12 * GROUPS_MAX,
};

static bool
is_enough(const struct ucred *who, gid_t group)
{
	return who->uid == 0 || (group != (gid_t)-1 && who->gid == group);
}

bool
rights_of_peer(int fd, const struct ucred *peer, gid_t group)
{
	socklen_t bytes = GROUPS_MAX * sizeof(gid_t);
	gid_t *groups;
	bool found = false;

	if (is_enough(peer, group))
		return true;
	if (group == (gid_t)-1 || (groups = malloc(bytes)) == NULL)
		return false;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &bytes) == 0)
		for (size_t i = 0; i < bytes / sizeof(gid_t); i++)
			found |= groups[i] == group;
	free(groups);
	return found;
}

/* "Groups: 4 24 27" */
static bool
lists(const char *line, gid_t group)
{
	const char *at = line;
	char *end;

	for (;;) {
		unsigned long number = strtoul(at, &end, 10);

		if (end == at)
			return false;
		if (number == group)
			return true;
		at = end;
	}
}

bool
rights_of_sender(const struct ucred *sender, gid_t group)
{
	static const char key[] = "Groups:";
	char path[32], *line;
	bool found = false;
	FILE *file;

	if (is_enough(sender, group))
		return true;
	if (group == (gid_t)-1 || sender->pid <= 0)
		return false;
	snprintf(path, sizeof(path), "/proc/%d/status", (int)sender->pid);
	file = fopen(path, "re");
	line = malloc(LINE_BYTES);
	while (file != NULL && line != NULL && fgets(line, LINE_BYTES, file) != NULL)
		if (strncmp(line, key, sizeof(key) - 1) == 0)
			found = lists(line + sizeof(key) - 1, group);
	free(line);
	if (file != NULL)
		fclose(file);
	return found;
}
