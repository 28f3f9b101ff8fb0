/* SPDX-License-Identifier: BSD-3-Clause */
/* What socket.c does for the rest of the library. The functions return a negative errno. */
#ifndef TERN_LIB_SOCKET_H
#define TERN_LIB_SOCKET_H

#include <sys/socket.h>

#include "file.h"

/* Gives a file that has no slot yet one, and opens a socket of `file->family` there. Attaches. */
int socket_open(struct file *file);

/* One attempt to accept. Returns the child's descriptor; -EAGAIN when nobody waits. */
int socket_accept(struct file *listener, struct sockaddr *address, socklen_t *length, int flags);

#endif
