/* SPDX-License-Identifier: BSD-3-Clause */
/* Polling the kernel's descriptors and Tern's together. */
#ifndef TERN_LIB_POLLING_H
#define TERN_LIB_POLLING_H

#include <poll.h>
#include <signal.h>
#include <stdint.h>

/*
 * As poll(2), until a time of CLOCK_MONOTONIC or WAIT_FOREVER, with the thread's signal mask or, if
 * it is not NULL, another. Returns how many are ready, or a negative errno.
 */
int poll_until(struct pollfd *fds, nfds_t n, int64_t deadline_ns, const sigset_t *mask);

#endif
