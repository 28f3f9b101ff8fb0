/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Sockets of programs that know nothing of Tern: the kernel's, Tern's, or both at once.
 *
 * Such a socket begins as the kernel's, FILE_UNDECIDED: a TCP socket whose number is the program's
 * descriptor, and which answers everything. The address that it is bound or connected to decides:
 *
 *     an address that ternd reaches or has   FILE_TERN: a Tern socket takes over, with the options
 *                                            that were set so far
 *     any-address, or listen() unbound       FILE_BOTH: both are bound to the same port, and listen
 *     anything else                          the kernel: the file leaves the table
 *
 * connect() decides a FILE_BOTH, too. A socket of AF_SMC's is the same on Tern's side; on the
 * kernel's it is of AF_SMC if the kernel has that, else of TCP: a program that asks for SMC gets
 * TCP wherever there is no SMC, here as on Linux.
 *
 * The functions return as the system calls do: -1 and errno. Threads: any.
 */
#ifndef TERN_LIB_SIDE_H
#define TERN_LIB_SIDE_H

#include <sys/socket.h>

#include "file.h"

static inline enum file_side
file_side(const struct file *file)
{
	return __atomic_load_n(&file->side, __ATOMIC_ACQUIRE);
}

/* A new socket that is undecided, if it may become Tern's at all; else the kernel's alone. */
int side_socket(int domain, int type, int protocol);

/* `file` is what `fd` names, and its side is another than FILE_TERN alone. */
int side_bind(struct file *file, int fd, const struct sockaddr *address, socklen_t length);
int side_listen(struct file *file, int fd, int backlog);
int side_accept(struct file *file, int fd, struct sockaddr *address, socklen_t *length, int flags);
int side_setsockopt(struct file *file, int fd, int level, int name, const void *value,
		    socklen_t length);
int side_getsockopt(struct file *file, int fd, int level, int name, void *value, socklen_t *length);
int side_shutdown(struct file *file, int fd, int how);

/*
 * Chooses the side by where a socket is to be connected to. Returns 0: then the call is to be made
 * on what the table says now, Tern's socket or, without an entry, the kernel's.
 */
int side_choose(struct file *file, const struct sockaddr *to, socklen_t length);

/* fcntl(F_SETFL): of the kernel's part, too. */
int side_set_flags(struct file *file, int fd, int flags);
int side_get_flags(const struct file *file, int fd);

#endif
