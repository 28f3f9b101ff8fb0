/* SPDX-License-Identifier: BSD-3-Clause */
/* What socket.c does for the rest of the library. The functions return a negative errno. */
#ifndef TERN_LIB_SOCKET_H
#define TERN_LIB_SOCKET_H

#include <sys/socket.h>

#include "file.h"

/* What socket() with these arguments is to be: AF_INET or AF_INET6, and whether it is AF_SMC's; or
 * why there is none. */
int socket_kind(int domain, int type, int protocol, bool *smc);

/* Attaches, if this process has not yet. Returns 0, or -ENXIO. */
int socket_attach(void);

/* Gives a file that has no slot yet one on a lane, and opens a socket of `file->family` there. */
int socket_open_on(struct file *file, unsigned int lane);

/* As the system call, but that the value is there; what is set is not kept for another lane. */
int socket_setsockopt(struct file *file, int level, int name, const void *value, socklen_t length);

/* One attempt to accept. Returns the child's descriptor; -EAGAIN when nobody waits. */
int socket_accept(struct file *listener, struct sockaddr *address, socklen_t *length, int flags);

#endif
