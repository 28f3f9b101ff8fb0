/* SPDX-License-Identifier: BSD-3-Clause */
/* Passing a descriptor over a Unix socket. */
#ifndef TERN_LIB_PASS_H
#define TERN_LIB_PASS_H

#include <stddef.h>
#include <sys/types.h>

/* Sends bytes, at least one, with a descriptor that stays the caller's. Returns as sendmsg(2). */
ssize_t pass_fd(int to, const void *bytes, size_t n, int fd);

#endif
