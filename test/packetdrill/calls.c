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

enum {
	MAX_BYTES = 64 << 20,
	TCP_INQ = 36, /* <linux/tcp.h> does not go with the engine's header */
};

static int
answer(ssize_t status)
{
	if (status >= 0)
		return (int)status;
	errno = (int)-status;
	return -1;
}

/* Leaves the shim with what the engine answered. */
static int
leave(ssize_t status)
{
	shim_settle();
	shim_unlock();
	return answer(status);
}

/* Enters it; NULL, having left again, if the descriptor is no socket of ours. */
static struct shim_file *
enter(int fd)
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

/* The socket again, after a wait in which it may have been closed. */
static struct shim_file *
wait_for(int fd)
{
	shim_wait(UINT64_MAX);
	shim_settle();
	return shim_file(fd);
}

/* ---- Addresses */

static int
take_address(const struct sockaddr *addr, socklen_t len, struct tcp_endpoint *out)
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

static int
family_of(struct tcp_conn *c)
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
			return leave(status);
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
	struct shim_file *f = enter(fd);
	struct tcp_endpoint local;
	int status;

	(void)userdata;
	if (f == NULL)
		return -1;
	status = take_address(addr, len, &local);
	return leave(status < 0 ? status : tcp_bind(f->c, &local));
}

static int
shim_listen(void *userdata, int fd, int backlog)
{
	struct shim_file *f = enter(fd);

	(void)userdata;
	return f == NULL ? -1 : leave(tcp_listen(f->c, backlog));
}

static int
shim_accept(void *userdata, int fd, struct sockaddr *addr, socklen_t *len)
{
	struct shim_file *f = enter(fd), *child;
	struct tcp_endpoint remote = {0};
	struct tcp_conn *c;
	int status, new_fd;

	(void)userdata;
	if (f == NULL)
		return -1;
	while ((status = tcp_accept(f->c, &c)) == -EAGAIN && !f->nonblocking)
		if ((f = wait_for(fd)) == NULL)
			return leave(-EBADF);
	if (status < 0)
		return leave(status);
	new_fd = shim_file_new(FILE_SOCKET);
	if (new_fd < 0) {
		tcp_abort(c);
		return leave(-EMFILE);
	}
	child = shim_file(new_fd);
	child->c = c;
	tcp_set_user(c, child);
	if (tcp_getpeername(c, &remote) == 0)
		give_address(&remote, family_of(c), addr, len);
	return leave(new_fd);
}

static int
shim_connect(void *userdata, int fd, const struct sockaddr *addr, socklen_t len)
{
	struct shim_file *f = enter(fd);
	struct tcp_endpoint remote;
	int status;

	(void)userdata;
	if (f == NULL)
		return -1;
	status = take_address(addr, len, &remote);
	if (status == 0)
		status = tcp_connect(f->c, &remote);
	while (status == -EINPROGRESS && !f->nonblocking) {
		if ((f = wait_for(fd)) == NULL)
			return leave(-EBADF);
		status = tcp_connect(f->c, &remote);
		if (status == -EALREADY)
			status = -EINPROGRESS;
	}
	return leave(status);
}

/* ---- Sending and receiving */

/* All bytes of a vector in one piece, to be freed; NULL with errno. */
static void *
gather(const struct iovec *iov, size_t n, size_t *bytes)
{
	size_t at = 0;
	char *all;

	*bytes = 0;
	for (size_t i = 0; i < n; i++) {
		if (iov[i].iov_base == NULL && iov[i].iov_len > 0) {
			errno = EFAULT;
			return NULL;
		}
		if (iov[i].iov_len > MAX_BYTES - *bytes) {
			errno = EINVAL;
			return NULL;
		}
		*bytes += iov[i].iov_len;
	}
	all = malloc(*bytes + 1);
	for (size_t i = 0; all != NULL && i < n; i++) {
		if (iov[i].iov_len > 0)
			memcpy(all + at, iov[i].iov_base, iov[i].iov_len);
		at += iov[i].iov_len;
	}
	return all;
}

static ssize_t
send_all(int fd, const void *buf, size_t bytes, int flags)
{
	struct shim_file *f = enter(fd);
	size_t done = 0;
	ssize_t n;

	if (f == NULL)
		return -1;
	for (;;) {
		n = tcp_send(f->c, (const char *)buf + done, bytes - done, flags);
		if (n >= 0)
			done += (size_t)n;
		if ((n < 0 && n != -EAGAIN) || done == bytes || f->nonblocking ||
		    (flags & MSG_DONTWAIT))
			break;
		/* As the kernel: woken when there is much room, not at the first bit of it. */
		do {
			if ((f = wait_for(fd)) == NULL)
				return leave(-EBADF);
		} while ((tcp_poll(f->c) & (POLLOUT | POLLERR | POLLHUP)) == 0);
	}
	return leave(done > 0 ? (ssize_t)done : n);
}

static ssize_t
shim_sendto(void *userdata, int fd, const void *buf, size_t bytes, int flags,
	    const struct sockaddr *addr, socklen_t len)
{
	(void)userdata;
	(void)addr;
	(void)len;
	if (buf == NULL && bytes > 0) {
		errno = EFAULT;
		return -1;
	}
	return send_all(fd, buf, bytes, flags);
}

static ssize_t
shim_send(void *userdata, int fd, const void *buf, size_t bytes, int flags)
{
	return shim_sendto(userdata, fd, buf, bytes, flags, NULL, 0);
}

static ssize_t
shim_write(void *userdata, int fd, const void *buf, size_t bytes)
{
	return shim_sendto(userdata, fd, buf, bytes, 0, NULL, 0);
}

static ssize_t
send_vector(int fd, const struct iovec *iov, size_t n, int flags)
{
	size_t bytes;
	void *all = gather(iov, n, &bytes);
	ssize_t status = -1;

	if (all != NULL)
		status = send_all(fd, all, bytes, flags);
	free(all);
	return status;
}

static ssize_t
shim_writev(void *userdata, int fd, const struct iovec *iov, int n)
{
	(void)userdata;
	return send_vector(fd, iov, n > 0 ? (size_t)n : 0, 0);
}

static ssize_t
shim_sendmsg(void *userdata, int fd, const struct msghdr *msg, int flags)
{
	(void)userdata;
	return send_vector(fd, msg->msg_iov, msg->msg_iovlen, flags);
}

static ssize_t
receive(int fd, void *buf, size_t bytes, int flags)
{
	struct shim_file *f = enter(fd);
	ssize_t n;

	if (f == NULL)
		return -1;
	if (buf == NULL && bytes > 0 && (flags & MSG_TRUNC) == 0)
		return leave(-EFAULT);
	while ((n = tcp_recv(f->c, buf, bytes, flags)) == -EAGAIN && !f->nonblocking &&
	       (flags & MSG_DONTWAIT) == 0)
		if ((f = wait_for(fd)) == NULL)
			return leave(-EBADF);
	return leave(n);
}

static ssize_t
shim_read(void *userdata, int fd, void *buf, size_t bytes)
{
	(void)userdata;
	return receive(fd, buf, bytes, 0);
}

static ssize_t
shim_recv(void *userdata, int fd, void *buf, size_t bytes, int flags)
{
	(void)userdata;
	return receive(fd, buf, bytes, flags);
}

static ssize_t
shim_recvfrom(void *userdata, int fd, void *buf, size_t bytes, int flags, struct sockaddr *addr,
	      socklen_t *len)
{
	(void)userdata;
	(void)addr;
	if (len != NULL)
		*len = 0; /* a stream has no sender's address */
	return receive(fd, buf, bytes, flags);
}

static ssize_t
receive_vector(int fd, const struct iovec *iov, size_t n, int flags)
{
	size_t bytes, at = 0;
	char *all = gather(iov, n, &bytes);
	ssize_t got = -1;

	if (all != NULL)
		got = receive(fd, all, bytes, flags);
	for (size_t i = 0; i < n && got > 0 && at < (size_t)got; i++) {
		size_t part = iov[i].iov_len;

		if (part > (size_t)got - at)
			part = (size_t)got - at;
		memcpy(iov[i].iov_base, all + at, part);
		at += part;
	}
	free(all);
	return got;
}

static ssize_t
shim_readv(void *userdata, int fd, const struct iovec *iov, int n)
{
	(void)userdata;
	return receive_vector(fd, iov, n > 0 ? (size_t)n : 0, 0);
}

/* TCP_INQ's control message: what is left to read, and one more at the end of the stream. */
static void
give_inq(int fd, struct msghdr *msg)
{
	struct shim_file *f = enter(fd);
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(msg);
	int on = 0, inq = 0;
	size_t len = sizeof(on);

	if (f == NULL)
		return;
	tcp_getsockopt(f->c, IPPROTO_TCP, TCP_INQ, &on, &len);
	if (on == 0 || cmsg == NULL || msg->msg_controllen < CMSG_SPACE(sizeof(inq))) {
		msg->msg_controllen = 0;
		leave(0);
		return;
	}
	tcp_ioctl(f->c, FIONREAD, &inq);
	if (inq == 0 && (tcp_poll(f->c) & POLLRDHUP))
		inq = 1;
	cmsg->cmsg_level = IPPROTO_TCP;
	cmsg->cmsg_type = TCP_INQ;
	cmsg->cmsg_len = CMSG_LEN(sizeof(inq));
	memcpy(CMSG_DATA(cmsg), &inq, sizeof(inq));
	msg->msg_controllen = CMSG_SPACE(sizeof(inq));
	leave(0);
}

static ssize_t
shim_recvmsg(void *userdata, int fd, struct msghdr *msg, int flags)
{
	ssize_t n = receive_vector(fd, msg->msg_iov, msg->msg_iovlen, flags);

	(void)userdata;
	if (n >= 0) {
		msg->msg_namelen = 0;
		msg->msg_flags = 0;
		give_inq(fd, msg);
	}
	return n;
}

/* ---- The rest */

static int
shim_fcntl(void *userdata, int fd, int command, ...)
{
	struct shim_file *f = enter(fd);
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
		return leave(f->flags);
	case F_SETFL:
		f->flags = (f->flags & O_ACCMODE) | ((int)value & (O_NONBLOCK | O_APPEND));
		f->nonblocking = (value & O_NONBLOCK) != 0;
		return leave(0);
	default:
		return leave(-EINVAL);
	}
}

static int
shim_ioctl(void *userdata, int fd, unsigned long request, ...)
{
	struct shim_file *f = enter(fd);
	va_list arguments;
	int *value;

	(void)userdata;
	if (f == NULL)
		return -1;
	va_start(arguments, request);
	value = va_arg(arguments, int *);
	va_end(arguments);
	if (value == NULL)
		return leave(-EFAULT);
	if (request == FIONBIO) {
		f->nonblocking = *value != 0;
		return leave(0);
	}
	return leave(tcp_ioctl(f->c, request, value));
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
	return leave(0);
}

static int
shim_shutdown(void *userdata, int fd, int how)
{
	struct shim_file *f = enter(fd);

	(void)userdata;
	return f == NULL ? -1 : leave(tcp_shutdown(f->c, how));
}

static int
shim_getsockopt(void *userdata, int fd, int level, int name, void *value, socklen_t *len)
{
	struct shim_file *f = enter(fd);
	size_t n;
	int status;

	(void)userdata;
	if (f == NULL)
		return -1;
	if (len == NULL)
		return leave(-EFAULT);
	if ((int)*len < 0)
		return leave(-EINVAL);
	n = *len;
	status = tcp_getsockopt(f->c, level, name, value, &n);
	if (status == 0)
		*len = (socklen_t)n;
	return leave(status);
}

static int
shim_setsockopt(void *userdata, int fd, int level, int name, const void *value, socklen_t len)
{
	struct shim_file *f = enter(fd);

	(void)userdata;
	if (f == NULL)
		return -1;
	if (value == NULL && len > 0)
		return leave(-EFAULT);
	return leave(tcp_setsockopt(f->c, level, name, value, len));
}

static int
shim_pipe(void *userdata, int fds[2])
{
	(void)userdata;
	return pipe(fds);
}

/* Copies, where the kernel would move pages. */
static ssize_t
move_bytes(int in, int out, size_t bytes)
{
	char buf[65536];
	ssize_t n, done;

	bytes = bytes < sizeof(buf) ? bytes : sizeof(buf);
	n = shim_file(in) != NULL ? receive(in, buf, bytes, 0) : read(in, buf, bytes);
	if (n <= 0)
		return n;
	done = shim_file(out) != NULL ? send_all(out, buf, (size_t)n, 0)
				      : write(out, buf, (size_t)n);
	return done;
}

static int
shim_splice(void *userdata, int in, loff_t *in_off, int out, loff_t *out_off, size_t bytes,
	    unsigned int flags)
{
	(void)userdata;
	(void)flags;
	if (in_off != NULL || out_off != NULL) {
		errno = ESPIPE;
		return -1;
	}
	return (int)move_bytes(in, out, bytes);
}

void
shim_calls_fill(struct packetdrill_interface *ifc)
{
	ifc->socket = shim_socket;
	ifc->bind = shim_bind;
	ifc->listen = shim_listen;
	ifc->accept = shim_accept;
	ifc->connect = shim_connect;
	ifc->read = shim_read;
	ifc->readv = shim_readv;
	ifc->recv = shim_recv;
	ifc->recvfrom = shim_recvfrom;
	ifc->recvmsg = shim_recvmsg;
	ifc->write = shim_write;
	ifc->writev = shim_writev;
	ifc->send = shim_send;
	ifc->sendto = shim_sendto;
	ifc->sendmsg = shim_sendmsg;
	ifc->fcntl = shim_fcntl;
	ifc->ioctl = shim_ioctl;
	ifc->close = shim_close;
	ifc->shutdown = shim_shutdown;
	ifc->getsockopt = shim_getsockopt;
	ifc->setsockopt = shim_setsockopt;
	ifc->pipe = shim_pipe;
	ifc->splice = shim_splice;
}
