/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The socket calls, as libc has them: the engine's answers turned into results and errno, and the
 * waiting of those that block.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "shim.h"

static int
answer(ssize_t status)
{
	if (status >= 0)
		return (int)status;
	errno = (int)-status;
	return -1;
}

int
shim_leave(ssize_t status)
{
	shim_settle();
	shim_unlock();
	return answer(status);
}

struct shim_file *
shim_enter(int fd)
{
	struct shim_file *f;

	shim_lock();
	shim_settle();
	f = shim_file(fd);
	if (f != NULL && f->kind == FILE_SOCKET)
		return f;
	shim_unlock();
	errno = f == NULL ? EBADF : ENOTSOCK;
	return NULL;
}

struct shim_file *
shim_wait_for(int fd)
{
	shim_wait(UINT64_MAX);
	shim_settle();
	return shim_file(fd);
}

/* ---- Addresses */

int
shim_take_address(const struct sockaddr *addr, socklen_t len, struct tcp_endpoint *out)
{
	*out = (struct tcp_endpoint){0};
	if (addr == NULL || len < sizeof(sa_family_t))
		return -EINVAL;
	if (addr->sa_family == AF_INET && len >= sizeof(struct sockaddr_in)) {
		const struct sockaddr_in *in = (const void *)addr;

		if (in->sin_addr.s_addr != INADDR_ANY)
			out->ip = ip_from4((be32_t){in->sin_addr.s_addr});
		out->port = ntohs(in->sin_port);
		return 0;
	}
	if (addr->sa_family == AF_INET6 && len >= sizeof(struct sockaddr_in6)) {
		const struct sockaddr_in6 *in = (const void *)addr;

		out->ip = ip_from6(in->sin6_addr.s6_addr);
		out->port = ntohs(in->sin6_port);
		return 0;
	}
	return addr->sa_family == AF_INET || addr->sa_family == AF_INET6 ? -EINVAL : -EAFNOSUPPORT;
}

/* Writes an address in the family of the socket. */
static void
give_address(const struct tcp_endpoint *from, int family, struct sockaddr *addr, socklen_t *len)
{
	union {
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
	} a = {0};
	socklen_t size = family == AF_INET ? sizeof(a.in) : sizeof(a.in6);

	if (addr == NULL || len == NULL)
		return;
	if (family == AF_INET) {
		a.in.sin_family = AF_INET;
		a.in.sin_port = htons(from->port);
		a.in.sin_addr.s_addr = ip_to4(&from->ip).raw;
	} else {
		a.in6.sin6_family = AF_INET6;
		a.in6.sin6_port = htons(from->port);
		memcpy(&a.in6.sin6_addr, &from->ip, sizeof(a.in6.sin6_addr));
	}
	memcpy(addr, &a, *len < size ? *len : size);
	*len = size;
}

int
shim_family_of(struct tcp_conn *c)
{
	int domain = AF_INET;
	size_t len = sizeof(domain);

	tcp_getsockopt(c, SOL_SOCKET, SO_DOMAIN, &domain, &len);
	return domain;
}

/* ---- Opening */

static int
shim_socket(void *userdata, int domain, int type, int protocol)
{
	int fd, status;

	(void)userdata;
	if ((type & 0xf) != SOCK_STREAM || (protocol != 0 && protocol != IPPROTO_TCP)) {
		errno = EPROTONOSUPPORT;
		return -1;
	}
	shim_lock();
	shim_settle();
	fd = shim_file_new(FILE_SOCKET);
	if (fd >= 0) {
		struct shim_file *f = shim_file(fd);

		status = tcp_open(shim_engine(), domain, &f->c);
		if (status < 0) {
			f->c = NULL;
			shim_file_close(fd);
			return shim_leave(status);
		}
		tcp_set_user(f->c, f);
		f->nonblocking = (type & SOCK_NONBLOCK) != 0;
		f->flags |= f->nonblocking ? O_NONBLOCK : 0;
	}
	shim_unlock();
	return fd;
}

static int
shim_bind(void *userdata, int fd, const struct sockaddr *addr, socklen_t len)
{
	struct shim_file *f = shim_enter(fd);
	struct tcp_endpoint local;
	int status;

	(void)userdata;
	if (f == NULL)
		return -1;
	status = shim_take_address(addr, len, &local);
	return shim_leave(status < 0 ? status : tcp_bind(f->c, &local));
}

static int
shim_listen(void *userdata, int fd, int backlog)
{
	struct shim_file *f = shim_enter(fd);

	(void)userdata;
	return f == NULL ? -1 : shim_leave(tcp_listen(f->c, backlog));
}

static int
shim_accept(void *userdata, int fd, struct sockaddr *addr, socklen_t *len)
{
	struct shim_file *f = shim_enter(fd), *child;
	struct tcp_endpoint remote;
	struct tcp_conn *c;
	int status, new_fd;

	(void)userdata;
	if (f == NULL)
		return -1;
	while ((status = tcp_accept(f->c, &c)) == -EAGAIN && !f->nonblocking)
		if ((f = shim_wait_for(fd)) == NULL)
			return shim_leave(-EBADF);
	if (status < 0)
		return shim_leave(status);
	new_fd = shim_file_new(FILE_SOCKET);
	if (new_fd < 0) {
		tcp_abort(c);
		return shim_leave(-EMFILE);
	}
	child = shim_file(new_fd);
	child->c = c;
	tcp_set_user(c, child);
	tcp_accepted_from(c, &remote);
	give_address(&remote, shim_family_of(c), addr, len);
	return shim_leave(new_fd);
}

static int
shim_connect(void *userdata, int fd, const struct sockaddr *addr, socklen_t len)
{
	struct shim_file *f = shim_enter(fd);
	struct tcp_endpoint remote;
	int status;

	(void)userdata;
	if (f == NULL)
		return -1;
	if (addr != NULL && len >= sizeof(sa_family_t) && addr->sa_family == AF_UNSPEC) {
		tcp_disconnect(f->c);
		return shim_leave(0);
	}
	status = shim_take_address(addr, len, &remote);
	if (status == 0)
		status = tcp_connect(f->c, &remote);
	while (status == -EINPROGRESS && !f->nonblocking) {
		if ((f = shim_wait_for(fd)) == NULL)
			return shim_leave(-EBADF);
		status = tcp_connect(f->c, &remote);
		if (status == -EALREADY)
			status = -EINPROGRESS;
	}
	return shim_leave(status);
}

/* ---- The rest */

static int
shim_fcntl(void *userdata, int fd, int command, ...)
{
	struct shim_file *f = shim_enter(fd);
	va_list arguments;
	long value;

	(void)userdata;
	if (f == NULL)
		return -1;
	va_start(arguments, command);
	value = va_arg(arguments, long);
	va_end(arguments);
	switch (command) {
	case F_GETFL:
		return shim_leave(f->flags);
	case F_SETFL:
		f->flags = (f->flags & O_ACCMODE) | ((int)value & (O_NONBLOCK | O_APPEND));
		f->nonblocking = (value & O_NONBLOCK) != 0;
		return shim_leave(0);
	default:
		return shim_leave(-EINVAL);
	}
}

static int
shim_ioctl(void *userdata, int fd, unsigned long request, ...)
{
	struct shim_file *f = shim_enter(fd);
	va_list arguments;
	int *value;

	(void)userdata;
	if (f == NULL)
		return -1;
	va_start(arguments, request);
	value = va_arg(arguments, int *);
	va_end(arguments);
	if (value == NULL)
		return shim_leave(-EFAULT);
	if (request == FIONBIO) {
		f->nonblocking = *value != 0;
		f->flags = (f->flags & ~O_NONBLOCK) | (f->nonblocking ? O_NONBLOCK : 0);
		return shim_leave(0);
	}
	return shim_leave(tcp_ioctl(f->c, request, value));
}

static int
shim_close(void *userdata, int fd)
{
	(void)userdata;
	shim_lock();
	shim_settle();
	if (shim_file(fd) == NULL) {
		shim_unlock();
		return (int)syscall(SYS_close, fd);
	}
	shim_file_close(fd);
	return shim_leave(0);
}

static int
shim_shutdown(void *userdata, int fd, int how)
{
	struct shim_file *f = shim_enter(fd);

	(void)userdata;
	return f == NULL ? -1 : shim_leave(tcp_shutdown(f->c, how));
}

static int
shim_getsockopt(void *userdata, int fd, int level, int name, void *value, socklen_t *len)
{
	struct shim_file *f = shim_enter(fd);
	size_t n;
	int status;

	(void)userdata;
	if (f == NULL)
		return -1;
	if (len == NULL)
		return shim_leave(-EFAULT);
	if ((int)*len < 0)
		return shim_leave(-EINVAL);
	n = *len;
	status = tcp_getsockopt(f->c, level, name, value, &n);
	if (status == 0)
		*len = (socklen_t)n;
	return shim_leave(status);
}

static int
shim_setsockopt(void *userdata, int fd, int level, int name, const void *value, socklen_t len)
{
	struct shim_file *f = shim_enter(fd);

	(void)userdata;
	if (f == NULL)
		return -1;
	if (value == NULL && len > 0)
		return shim_leave(-EFAULT);
	return shim_leave(tcp_setsockopt(f->c, level, name, value, len));
}

void
shim_calls_fill(struct packetdrill_interface *ifc)
{
	ifc->socket = shim_socket;
	ifc->bind = shim_bind;
	ifc->listen = shim_listen;
	ifc->accept = shim_accept;
	ifc->connect = shim_connect;
	ifc->fcntl = shim_fcntl;
	ifc->ioctl = shim_ioctl;
	ifc->close = shim_close;
	ifc->shutdown = shim_shutdown;
	ifc->getsockopt = shim_getsockopt;
	ifc->setsockopt = shim_setsockopt;
}
