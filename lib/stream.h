/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Reading and writing a socket's stream, and what it is ready for.
 *
 * The functions return as the system calls do, but with a negative errno.
 */
#ifndef TERN_LIB_STREAM_H
#define TERN_LIB_STREAM_H

#include <stddef.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "file.h"
#include "wait.h"

/* POLL... that hold now. */
short stream_events(const struct file *file);

/* Waits until one of `events`, or an error, holds. The caller has one reference, and no lock.
 * Returns 0, -EAGAIN after `limit_ns`, -EINTR. */
int stream_wait(struct file *file, short events, int64_t limit_ns);

ssize_t stream_receive(struct file *file, const struct iovec *iov, size_t n, int flags);

/* `target`, of a message with MSG_FASTOPEN, may be NULL. */
struct fastopen_target;
ssize_t stream_send(struct file *file, const struct iovec *iov, size_t n, int flags,
		    const struct fastopen_target *target);

/*
 * For who reads in place, with file->reading held. Where the unread bytes lie that are delivered,
 * in up to n pieces, the rest of which are empty; a copy of unread bytes into one piece, as recv()
 * with MSG_PEEK; and that so many are read. The first two return bytes, the last one 0.
 */
size_t stream_lend(struct file *file, struct iovec *pieces, size_t n);
ssize_t stream_peek(struct file *file, const struct iovec *piece);
int stream_drop(struct file *file, size_t bytes);

/* What a send came to, for the program: with SIGPIPE if it is due. */
ssize_t stream_sent(ssize_t taken, int flags);

/* Bytes that can be read now; 1 when only the end can. */
int stream_left(const struct file *file);

/* Takes the oldest report off the error queue. Returns 0, or -EAGAIN. */
struct sock_extended_err;
int stream_report(const struct file *file, struct sock_extended_err *report);

#endif
