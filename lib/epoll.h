/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the rest of the library must tell the epoll instances.
 *
 * Threads: any.
 */
#ifndef TERN_LIB_EPOLL_H
#define TERN_LIB_EPOLL_H

#include "file.h"

/* The last reference of a file has gone: no instance looks at it any more. */
void epoll_forget_socket(struct file *file);
void epoll_close(struct file *file);

/* In a child, when its arena is there: every socket is to be looked at. */
void epoll_begin_anew(void);

/* Around fork, in the parent: no set changes. */
void epoll_hold(void);
void epoll_release(void);

/* In a child, right after fork. */
void epoll_reset(void);

#endif
