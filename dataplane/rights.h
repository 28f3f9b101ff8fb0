/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Whether a process may repair connections: what CAP_NET_ADMIN says on Linux, here it is root, and
 * the members of a group that the configuration names. Main thread.
 */
#ifndef TERN_DATAPLANE_RIGHTS_H
#define TERN_DATAPLANE_RIGHTS_H

#include <stdbool.h>
#include <sys/socket.h>
#include <sys/types.h>

/* Of who made a connected Unix socket's other end. `group` is (gid_t)-1 for none. */
bool rights_of_peer(int fd, const struct ucred *peer, gid_t group);

/* Of who sent a message, as the kernel said of it. */
bool rights_of_sender(const struct ucred *sender, gid_t group);

#endif
