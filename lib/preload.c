/* SPDX-License-Identifier: BSD-3-Clause */
/* A socket's life under libc's names: from socket() to the connection, and its options. */
#include <errno.h>

#include "kernel.h"
#include "preload.h"
#include "tern.h"

int
socket(int domain, int type, int protocol)
{
	return side_socket(domain, type, protocol);
}

int
bind(int fd, const struct sockaddr *address, socklen_t length)
{
	struct file *file = get_undecided(fd);
	int status;

	if (file != NULL) {
		status = side_bind(file, fd, address, length);
		file_put(file);
		return status;
	}
	return is_terns(fd) ? tern_bind(fd, address, length) : kernel.bind(fd, address, length);
}

int
listen(int fd, int backlog)
{
	struct file *file = get_undecided(fd);
	int status;

	if (file != NULL) {
		status = side_listen(file, fd, backlog);
		file_put(file);
		return status;
	}
	return is_terns(fd) ? tern_listen(fd, backlog) : kernel.listen(fd, backlog);
}

int
connect(int fd, const struct sockaddr *address, socklen_t length)
{
	if (preload_choose(fd, address, length) < 0)
		return -1;
	return is_terns(fd) ? tern_connect(fd, address, length)
			    : kernel.connect(fd, address, length);
}

int
accept4(int fd, struct sockaddr *address, socklen_t *length, int flags)
{
	struct file *file = get_undecided(fd);
	int status;

	if (file != NULL) {
		status = side_accept(file, fd, address, length, flags);
		file_put(file);
		return status;
	}
	return is_terns(fd) ? tern_accept4(fd, address, length, flags)
			    : kernel.accept4(fd, address, length, flags);
}

int
accept(int fd, struct sockaddr *address, socklen_t *length)
{
	return accept4(fd, address, length, 0);
}

int
shutdown(int fd, int how)
{
	struct file *file = get_undecided(fd);
	int status;

	if (file != NULL) {
		status = side_shutdown(file, fd, how);
		file_put(file);
		return status;
	}
	return is_terns(fd) ? tern_shutdown(fd, how) : kernel.shutdown(fd, how);
}

int
getsockname(int fd, struct sockaddr *address, socklen_t *length)
{
	return is_terns(fd) ? tern_getsockname(fd, address, length)
			    : kernel.getsockname(fd, address, length);
}

int
getpeername(int fd, struct sockaddr *address, socklen_t *length)
{
	return is_terns(fd) ? tern_getpeername(fd, address, length)
			    : kernel.getpeername(fd, address, length);
}

int
setsockopt(int fd, int level, int name, const void *value, socklen_t length)
{
	struct file *file = get_undecided(fd);
	int status;

	if (file != NULL) {
		status = side_setsockopt(file, fd, level, name, value, length);
		file_put(file);
		return status;
	}
	return is_terns(fd) ? tern_setsockopt(fd, level, name, value, length)
			    : kernel.setsockopt(fd, level, name, value, length);
}

int
getsockopt(int fd, int level, int name, void *value, socklen_t *length)
{
	struct file *file = get_undecided(fd);
	int status;

	if (file != NULL) {
		status = side_getsockopt(file, fd, level, name, value, length);
		file_put(file);
		return status;
	}
	return is_terns(fd) ? tern_getsockopt(fd, level, name, value, length)
			    : kernel.getsockopt(fd, level, name, value, length);
}
