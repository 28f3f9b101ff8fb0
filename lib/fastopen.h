/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * TCP Fast Open as programs see it: the write that starts a handshake, and waiting for its end.
 *
 * The functions return as the system calls do, but with a negative errno.
 */
#ifndef TERN_LIB_FASTOPEN_H
#define TERN_LIB_FASTOPEN_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "file.h"

/* The address of a message, which counts with MSG_FASTOPEN alone. */
struct fastopen_target {
	bool given;
	int refusal; /* whatever the socket's state: -EOPNOTSUPP of AF_UNSPEC, -EINVAL */
	int error;   /* what connect() says of it: -EINVAL, -EAFNOSUPPORT */
	struct shm_endpoint remote;
};

/* Reads it. Returns 0, or the error of an address that no call takes. */
int fastopen_target(const struct file *file, const struct sockaddr *address, socklen_t length,
		    struct fastopen_target *target);

/* Whether connect() has answered, and the handshake waits for the first write. */
bool fastopen_is_deferred(const struct file *file);

/*
 * Starts the handshake, with as many of the first `bytes` of `iov` as go into the SYN. Returns how
 * many these are, -EINPROGRESS if none, or why it does not start. `flags` are the lane's, `target`
 * may be NULL. file->writing is held.
 */
ssize_t fastopen_start(const struct file *file, const struct iovec *iov, size_t n, uint32_t bytes,
		       int flags, const struct fastopen_target *target);

/*
 * Waits until the connection is established or has failed, and does what connect() does then.
 * Returns 0, the connection's error, -EAGAIN after `limit_ns`, or -EINTR. The caller has one
 * reference, and no lock.
 */
int fastopen_finish(struct file *file, int64_t limit_ns);

#endif
