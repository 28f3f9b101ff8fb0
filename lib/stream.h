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
ssize_t stream_send(struct file *file, const struct iovec *iov, size_t n, int flags);

/* What a send came to, for the program: with SIGPIPE if it is due. */
ssize_t stream_sent(ssize_t taken, int flags);

/* Bytes that can be read now; 1 when only the end can. */
int stream_left(const struct file *file);

/* Takes the oldest report off the error queue. Returns 0, or -EAGAIN. */
struct sock_extended_err;
int stream_report(const struct file *file, struct sock_extended_err *report);

#endif
