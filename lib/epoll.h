/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the rest of the library must tell the epoll instances.
 *
 * Threads: any.
 */
#ifndef TERN_LIB_EPOLL_H
#define TERN_LIB_EPOLL_H

#include <signal.h>
#include <sys/epoll.h>

#include "file.h"

/* As epoll_pwait(2), until a time of CLOCK_MONOTONIC or WAIT_FOREVER. Returns a negative errno. */
int epoll_wait_until(int epfd, struct epoll_event *events, int n, int64_t deadline_ns,
		     const sigset_t *mask);

/* The last reference of a file has gone: no instance looks at it any more. */
void epoll_forget_socket(struct file *file);
void epoll_close(struct file *file);

/* Whether a set has one of Tern's members to tell of. */
bool epoll_is_ready(struct file *file);

/* A socket has become Tern's, or listens: what its members wait for may hold. */
void epoll_look_again(struct file *file);

/* It could not be written to for a moment, a write did not take all or a handshake began: when it
 * can be is an edge, even if that is before anybody looks. */
void epoll_not_writable(struct file *file);

/* In a child, when its arena is there: every socket is to be looked at. */
void epoll_begin_anew(void);

/* Around fork, in the parent: no set changes. */
void epoll_hold(void);
void epoll_release(void);

/* In a child, right after fork. */
void epoll_reset(void);

#endif
