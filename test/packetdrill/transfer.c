/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Sending and receiving, as libc has it: bytes, vectors, messages with their control messages, and
 * what moves bytes from one descriptor to another.
 *
 * Not here: MSG_WAITALL and MSG_TRUNC of a stream, addresses of messages that are received.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include <linux/errqueue.h> /* needs <time.h> */

#include "shim.h"

enum {
	MAX_BYTES = 64 << 20,
	TCP_INQ = 36, /* <linux/tcp.h> does not go with the engine's header */
};

/* ---- Sending */

/* Linux's limits on a vector. */
enum { VECTOR_MAX = 1024 };

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

/* Where a message goes; NULL: it does not say. */
struct address {
	const struct sockaddr *addr;
	socklen_t len;
};

static const struct address nowhere;

/* tcp_sendto() with an address as programs give it. */
static ssize_t
send_to(struct tcp_conn *c, const void *buf, size_t bytes, int flags, const struct address *to)
{
	struct tcp_endpoint remote;
	int status;

	if ((flags & MSG_FASTOPEN) == 0 || to->addr == NULL)
		return tcp_sendto(c, buf, bytes, flags, NULL);
	if (to->len >= sizeof(sa_family_t) && to->addr->sa_family == AF_UNSPEC)
		return -EOPNOTSUPP;
	status = shim_take_address(to->addr, to->len, &remote);
	return status < 0 ? status : tcp_sendto(c, buf, bytes, flags, &remote);
}

static bool
is_connecting(const struct tcp_conn *c)
{
	return tcp_state(c) == TCP_SYN_SENT || tcp_state(c) == TCP_SYN_RECEIVED;
}

/* A write has begun a handshake, or finds one: waits for its end. 0 or what it ended with. */
static int
wait_connected(int fd, struct shim_file **f, bool writes_more)
{
	int error = 0;
	size_t len = sizeof(error);

	if (writes_more)
		tcp_expect_write((*f)->c);
	while (is_connecting((*f)->c))
		if ((*f = shim_wait_for(fd)) == NULL)
			return -EBADF;
	if (tcp_state((*f)->c) != TCP_CLOSED)
		return 0;
	tcp_getsockopt((*f)->c, SOL_SOCKET, SO_ERROR, &error, &len);
	return error != 0 ? -error : -ECONNABORTED;
}

/*
 * The first part of a write: what goes into a SYN is as good as sent when the handshake is over. *n
 * is what was taken by then, or a negative errno. Returns whether the write is over.
 */
static bool
begin(int fd, struct shim_file **f, const void *buf, size_t bytes, int flags,
      const struct address *to, ssize_t *n)
{
	bool waits = !(*f)->nonblocking && (flags & MSG_DONTWAIT) == 0;
	bool starts = (flags & MSG_FASTOPEN) != 0 || tcp_is_deferred((*f)->c);
	int status;

	*n = 0;
	if (!starts)
		return false;
	*n = send_to((*f)->c, buf, bytes, flags, to);
	if (!waits || (*n < 0 && *n != -EINPROGRESS) || !is_connecting((*f)->c))
		return *n < 0 || (size_t)*n == bytes || !waits;
	if (*n < 0)
		*n = 0;
	status = wait_connected(fd, f, (size_t)*n < bytes);
	if (status < 0)
		*n = status;
	return status < 0 || (size_t)*n == bytes;
}

static ssize_t
send_all(int fd, const void *buf, size_t bytes, int flags, struct address to)
{
	struct shim_file *f = shim_enter(fd);
	size_t done;
	ssize_t n;

	if (f == NULL)
		return -1;
	if (begin(fd, &f, buf, bytes, flags, &to, &n))
		goto over;
	done = (size_t)n;
	flags &= ~MSG_FASTOPEN;
	for (;;) {
		n = tcp_send(f->c, (const char *)buf + done, bytes - done, flags);
		if (n >= 0)
			done += (size_t)n;
		if ((n < 0 && n != -EAGAIN) || done == bytes || f->nonblocking ||
		    (flags & MSG_DONTWAIT))
			break;
		/* As the kernel: woken when there is much room, not at the first bit of it. */
		do {
			if ((f = shim_wait_for(fd)) == NULL)
				return shim_leave(-EBADF);
		} while ((tcp_poll(f->c) & (POLLOUT | POLLHUP)) == 0);
	}
	n = done > 0 ? (ssize_t)done : n;
over:
	if (n > 0 && (flags & MSG_ZEROCOPY))
		tcp_sent_zerocopy(f->c);
	return shim_leave(n);
}

/* The address is checked and, as on a stream of Linux, used with MSG_FASTOPEN alone. */
static ssize_t
shim_sendto(void *userdata, int fd, const void *buf, size_t bytes, int flags,
	    const struct sockaddr *addr, socklen_t len)
{
	(void)userdata;
	if (addr != NULL && len > sizeof(struct sockaddr_storage)) {
		errno = EINVAL;
		return -1;
	}
	if (buf == NULL && bytes > 0) {
		errno = EFAULT;
		return -1;
	}
	return send_all(fd, buf, bytes, flags, (struct address){addr, len});
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
send_vector(int fd, const struct iovec *iov, size_t n, int flags, struct address to)
{
	size_t bytes;
	void *all = gather(iov, n, &bytes);
	ssize_t status = -1;

	if (all != NULL)
		status = send_all(fd, all, bytes, flags, to);
	free(all);
	return status;
}

/* Whether a vector's count is one, with Linux's errno if not. */
static bool
count_is_good(size_t n, int error)
{
	if (n <= VECTOR_MAX)
		return true;
	errno = error;
	return false;
}

static ssize_t
shim_writev(void *userdata, int fd, const struct iovec *iov, int n)
{
	(void)userdata;
	return count_is_good((size_t)n, EINVAL) ? send_vector(fd, iov, (size_t)n, 0, nowhere) : -1;
}

static ssize_t
shim_sendmsg(void *userdata, int fd, const struct msghdr *msg, int flags)
{
	(void)userdata;
	if (!count_is_good(msg->msg_iovlen, EMSGSIZE))
		return -1;
	return send_vector(fd, msg->msg_iov, msg->msg_iovlen, flags,
			   (struct address){msg->msg_name, msg->msg_namelen});
}

/* ---- Receiving */

static ssize_t
receive(int fd, void *buf, size_t bytes, int flags)
{
	struct shim_file *f = shim_enter(fd);
	struct sock_extended_err report;
	ssize_t n;

	if (f == NULL)
		return -1;
	if (flags & MSG_ERRQUEUE)
		return shim_leave(tcp_recv_report(f->c, &report));
	if (buf == NULL && bytes > 0 && (flags & MSG_TRUNC) == 0)
		return shim_leave(-EFAULT);
	while ((n = tcp_recv(f->c, buf, bytes, flags)) == -EAGAIN && !f->nonblocking &&
	       (flags & MSG_DONTWAIT) == 0)
		if ((f = shim_wait_for(fd)) == NULL)
			return shim_leave(-EBADF);
	return shim_leave(n);
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
	ssize_t n = receive(fd, buf, bytes, flags);

	(void)userdata;
	if (n >= 0 && addr != NULL && len != NULL)
		*len = 0; /* a stream has no sender's address */
	return n;
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
	return count_is_good((size_t)n, EINVAL) ? receive_vector(fd, iov, (size_t)n, 0) : -1;
}

/* ---- Control messages */

/* Appends one to what is in msg from `used` on, cut as Linux cuts it; returns what is used then. */
static size_t
give_control(struct msghdr *msg, size_t used, int level, int type, const void *data, size_t bytes)
{
	size_t room = msg->msg_controllen - used, whole = CMSG_LEN(bytes);
	struct cmsghdr header = {.cmsg_level = level, .cmsg_type = type};
	char *at = (char *)msg->msg_control + used;

	if (msg->msg_control == NULL || room < sizeof(header)) {
		msg->msg_flags |= MSG_CTRUNC;
		return used;
	}
	if (room < whole) {
		msg->msg_flags |= MSG_CTRUNC;
		whole = room;
	}
	header.cmsg_len = whole;
	memcpy(at, &header, sizeof(header));
	memcpy(at + CMSG_LEN(0), data, whole - CMSG_LEN(0));
	return used + (room < CMSG_SPACE(bytes) ? room : CMSG_SPACE(bytes));
}

/* TCP_INQ's control message: what is left to read, and one more at the end of the stream. */
static void
give_inq(int fd, struct msghdr *msg)
{
	struct shim_file *f = shim_enter(fd);
	int on = 0, inq = 0;
	size_t len = sizeof(on), used = 0;

	if (f == NULL)
		return;
	tcp_getsockopt(f->c, IPPROTO_TCP, TCP_INQ, &on, &len);
	if (on != 0) {
		tcp_ioctl(f->c, FIONREAD, &inq);
		if (inq == 0 && (tcp_poll(f->c) & POLLRDHUP))
			inq = 1;
		used = give_control(msg, 0, IPPROTO_TCP, TCP_INQ, &inq, sizeof(inq));
	}
	msg->msg_controllen = used;
	shim_leave(0);
}

/* recvmsg(MSG_ERRQUEUE): no bytes, but a control message; nobody offended. */
static ssize_t
receive_report(int fd, struct msghdr *msg)
{
	struct {
		struct sock_extended_err error;
		struct sockaddr_in6 offender;
	} v = {0};
	struct shim_file *f = shim_enter(fd);
	int status;

	if (f == NULL)
		return -1;
	status = tcp_recv_report(f->c, &v.error);
	if (status < 0)
		return shim_leave(status);
	msg->msg_namelen = 0;
	msg->msg_flags = MSG_ERRQUEUE;
	msg->msg_controllen =
		shim_family_of(f->c) == AF_INET
			? give_control(msg, 0, IPPROTO_IP, IP_RECVERR, &v,
				       sizeof(v.error) + sizeof(struct sockaddr_in))
			: give_control(msg, 0, IPPROTO_IPV6, IPV6_RECVERR, &v, sizeof(v));
	return shim_leave(0);
}

static ssize_t
shim_recvmsg(void *userdata, int fd, struct msghdr *msg, int flags)
{
	ssize_t n;

	(void)userdata;
	if (!count_is_good(msg->msg_iovlen, EMSGSIZE))
		return -1;
	if (flags & MSG_ERRQUEUE)
		return receive_report(fd, msg);
	n = receive_vector(fd, msg->msg_iov, msg->msg_iovlen, flags);
	if (n >= 0) {
		msg->msg_namelen = 0;
		msg->msg_flags = flags & MSG_OOB;
		give_inq(fd, msg);
	}
	return n;
}

/* ---- From descriptor to descriptor: copies, where the kernel would move pages */

static int
shim_pipe(void *userdata, int fds[2])
{
	(void)userdata;
	return pipe(fds);
}

/* Whether the next byte to read is the urgent one: there splice() ends. */
static bool
at_urgent_byte(int fd)
{
	struct shim_file *f = shim_enter(fd);
	int yes = 0;

	if (f == NULL)
		return false;
	tcp_ioctl(f->c, SIOCATMARK, &yes);
	shim_leave(0);
	return yes != 0;
}

/* What the pipe does not take stays in the socket. */
static ssize_t
splice_from_socket(int in, int out, size_t bytes, int flags)
{
	char buf[65536];
	ssize_t n, done;

	if (at_urgent_byte(in))
		return 0;
	n = receive(in, buf, bytes < sizeof(buf) ? bytes : sizeof(buf), flags | MSG_PEEK);
	if (n <= 0)
		return n;
	done = write(out, buf, (size_t)n);
	return done <= 0 ? done : receive(in, buf, (size_t)done, flags);
}

/* How much of `bytes` a descriptor may be given without losing any: a socket that does not wait
 * takes only what there is room for. -1 with errno. */
static ssize_t
acceptable_bytes(int out, size_t bytes)
{
	struct shim_file *f = shim_enter(out);
	size_t room;

	if (f == NULL)
		return -1;
	room = f->nonblocking ? tcp_send_room(f->c) : bytes;
	/* 0 may be an error: then sending says which. */
	if (room == 0 && tcp_send(f->c, NULL, 0, 0) == 0)
		return shim_leave(-EAGAIN);
	return shim_leave((ssize_t)(room < bytes ? room : bytes));
}

static ssize_t
splice_to_socket(int in, int out, size_t bytes)
{
	char buf[65536];
	ssize_t n = acceptable_bytes(out, bytes < sizeof(buf) ? bytes : sizeof(buf));

	if (n > 0)
		n = read(in, buf, (size_t)n);
	else if (n == 0 && bytes > 0)
		return send_all(out, buf, 1, 0, nowhere); /* fails */
	return n <= 0 ? n : send_all(out, buf, (size_t)n, 0, nowhere);
}

static int
shim_splice(void *userdata, int in, loff_t *in_off, int out, loff_t *out_off, size_t bytes,
	    unsigned int flags)
{
	(void)userdata;
	/* packetdrill hands over the address of the pointer that a script gives: NULL comes as 0.
	 */
	if ((in_off != NULL && *in_off != 0) || (out_off != NULL && *out_off != 0)) {
		errno = ESPIPE;
		return -1;
	}
	if (shim_file(in) != NULL)
		return (int)splice_from_socket(in, out, bytes,
					       flags & SPLICE_F_NONBLOCK ? MSG_DONTWAIT : 0);
	return (int)splice_to_socket(in, out, bytes);
}

ssize_t
shim_sendfile(int out, int in, off_t *offset, size_t bytes)
{
	off_t at = offset != NULL ? *offset : lseek(in, 0, SEEK_CUR);
	char buf[65536];
	size_t done = 0;
	ssize_t n = 0, sent = 0;

	while (done < bytes) {
		size_t part = bytes - done < sizeof(buf) ? bytes - done : sizeof(buf);

		n = pread(in, buf, part, at);
		sent = n <= 0 ? n : send_all(out, buf, (size_t)n, 0, nowhere);
		if (sent <= 0)
			break;
		done += (size_t)sent;
		at += sent;
		if (sent < n)
			break;
	}
	if (offset != NULL)
		*offset = at;
	else
		lseek(in, at, SEEK_SET);
	return done > 0 ? (ssize_t)done : sent;
}

void
shim_transfer_fill(struct packetdrill_interface *ifc)
{
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
	ifc->pipe = shim_pipe;
	ifc->splice = shim_splice;
}
