/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Moving bytes under libc's names. libc itself calls the kernel, not these: what its streams do
 * with a socket is in preload_stdio.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/sendfile.h>
#include <sys/uio.h>

#include "kernel.h"
#include "message.h"
#include "preload.h"
#include "result.h"
#include "tern.h"

/* libc's checked variants, of which it declares no prototypes: they know how large the buffer is.
 */
ssize_t __read_chk(int fd, void *buffer, size_t bytes, size_t room);
ssize_t __recv_chk(int fd, void *buffer, size_t bytes, size_t room, int flags);
ssize_t __recvfrom_chk(int fd, void *buffer, size_t bytes, size_t room, int flags,
		       struct sockaddr *address, socklen_t *length);

extern void __chk_fail(void) __attribute__((noreturn));

/* ---- Reading */

ssize_t
read(int fd, void *buffer, size_t bytes)
{
	return is_terns(fd) ? tern_read(fd, buffer, bytes) : kernel.read(fd, buffer, bytes);
}

ssize_t
__read_chk(int fd, void *buffer, size_t bytes, size_t room)
{
	if (bytes > room)
		__chk_fail();
	return read(fd, buffer, bytes);
}

ssize_t
readv(int fd, const struct iovec *iov, int n)
{
	return is_terns(fd) ? tern_readv(fd, iov, n) : kernel.readv(fd, iov, n);
}

ssize_t
recv(int fd, void *buffer, size_t bytes, int flags)
{
	return is_terns(fd) ? tern_recv(fd, buffer, bytes, flags)
			    : kernel.recv(fd, buffer, bytes, flags);
}

ssize_t
__recv_chk(int fd, void *buffer, size_t bytes, size_t room, int flags)
{
	if (bytes > room)
		__chk_fail();
	return recv(fd, buffer, bytes, flags);
}

ssize_t
recvfrom(int fd, void *buffer, size_t bytes, int flags, struct sockaddr *address, socklen_t *length)
{
	return is_terns(fd) ? tern_recvfrom(fd, buffer, bytes, flags, address, length)
			    : kernel.recvfrom(fd, buffer, bytes, flags, address, length);
}

ssize_t
__recvfrom_chk(int fd, void *buffer, size_t bytes, size_t room, int flags, struct sockaddr *address,
	       socklen_t *length)
{
	if (bytes > room)
		__chk_fail();
	return recvfrom(fd, buffer, bytes, flags, address, length);
}

ssize_t
recvmsg(int fd, struct msghdr *message, int flags)
{
	return is_terns(fd) ? tern_recvmsg(fd, message, flags) : kernel.recvmsg(fd, message, flags);
}

int
recvmmsg(int fd, struct mmsghdr *messages, unsigned int n, int flags, struct timespec *timeout)
{
	return is_terns(fd) ? tern_recvmmsg(fd, messages, n, flags, timeout)
			    : kernel.recvmmsg(fd, messages, n, flags, timeout);
}

/* ---- Writing */

ssize_t
write(int fd, const void *buffer, size_t bytes)
{
	return is_terns(fd) ? tern_write(fd, buffer, bytes) : kernel.write(fd, buffer, bytes);
}

ssize_t
writev(int fd, const struct iovec *iov, int n)
{
	return is_terns(fd) ? tern_writev(fd, iov, n) : kernel.writev(fd, iov, n);
}

ssize_t
send(int fd, const void *buffer, size_t bytes, int flags)
{
	return is_terns(fd) ? tern_send(fd, buffer, bytes, flags)
			    : kernel.send(fd, buffer, bytes, flags);
}

ssize_t
sendto(int fd, const void *buffer, size_t bytes, int flags, const struct sockaddr *address,
       socklen_t length)
{
	if ((flags & MSG_FASTOPEN) && address != NULL && preload_choose(fd, address, length) < 0)
		return -1;
	return is_terns(fd) ? tern_sendto(fd, buffer, bytes, flags, address, length)
			    : kernel.sendto(fd, buffer, bytes, flags, address, length);
}

/* With MSG_FASTOPEN a message connects: its address says whose socket it is. */
static int
choose_by_message(int fd, const struct msghdr *message, int flags)
{
	if ((flags & MSG_FASTOPEN) == 0 || message == NULL || message->msg_name == NULL)
		return 0;
	return preload_choose(fd, message->msg_name, message->msg_namelen);
}

ssize_t
sendmsg(int fd, const struct msghdr *message, int flags)
{
	if (choose_by_message(fd, message, flags) < 0)
		return -1;
	return is_terns(fd) ? tern_sendmsg(fd, message, flags) : kernel.sendmsg(fd, message, flags);
}

int
sendmmsg(int fd, struct mmsghdr *messages, unsigned int n, int flags)
{
	if (n > 0 && messages != NULL && choose_by_message(fd, &messages[0].msg_hdr, flags) < 0)
		return -1;
	return is_terns(fd) ? tern_sendmmsg(fd, messages, n, flags)
			    : kernel.sendmmsg(fd, messages, n, flags);
}

/* ---- preadv2() and pwritev2(): for sockets readv() and writev() with flags */

enum {
	WITHOUT_WAIT = 0x8,
	APPENDS = 0x10,
	APPENDS_NOT = 0x20,
	NO_SIGNAL = 0x100,
	FLAGS = 0x7 | WITHOUT_WAIT | APPENDS | APPENDS_NOT | NO_SIGNAL, /* that sockets take */
};

/* In Linux's order. Returns 1 when there is something to move, or what the call returns. */
static int
check_vector(const struct iovec *iov, int n, off_t offset, int flags)
{
	int status;

	if (offset != -1)
		return offset < 0 ? -EINVAL : -ESPIPE;
	if (n < 0 || n > IOV_MAX)
		return -EINVAL;
	status = message_check_vector(iov, (size_t)n, false);
	if (status < 0)
		return status;
	while (n > 0 && iov[n - 1].iov_len == 0)
		n--;
	if (n == 0)
		return 0;
	if ((flags & ~FLAGS) != 0)
		return -EOPNOTSUPP;
	return (flags & APPENDS) != 0 && (flags & APPENDS_NOT) != 0 ? -EINVAL : 1;
}

/* The vector is only read. */
static struct msghdr
message_of(const struct iovec *iov, int n)
{
	return (struct msghdr){.msg_iov = (struct iovec *)(uintptr_t)iov, .msg_iovlen = (size_t)n};
}

static int
message_flags(int flags)
{
	return ((flags & WITHOUT_WAIT) != 0 ? MSG_DONTWAIT : 0) |
	       ((flags & NO_SIGNAL) != 0 ? MSG_NOSIGNAL : 0);
}

ssize_t
preadv2(int fd, const struct iovec *iov, int n, off_t offset, int flags)
{
	struct msghdr message;
	int status;

	if (!is_terns(fd))
		return kernel.preadv2(fd, iov, n, offset, flags);
	status = check_vector(iov, n, offset, flags);
	if (status <= 0)
		return tern_result(status);
	message = message_of(iov, n);
	return tern_recvmsg(fd, &message, message_flags(flags));
}

ssize_t
preadv64v2(int fd, const struct iovec *iov, int n, off64_t offset, int flags)
{
	return preadv2(fd, iov, n, offset, flags);
}

ssize_t
pwritev2(int fd, const struct iovec *iov, int n, off_t offset, int flags)
{
	struct msghdr message;
	int status;

	if (!is_terns(fd))
		return kernel.pwritev2(fd, iov, n, offset, flags);
	status = check_vector(iov, n, offset, flags);
	if (status <= 0)
		return tern_result(status);
	message = message_of(iov, n);
	return tern_sendmsg(fd, &message, message_flags(flags));
}

ssize_t
pwritev64v2(int fd, const struct iovec *iov, int n, off64_t offset, int flags)
{
	return pwritev2(fd, iov, n, offset, flags);
}

/* ---- Files */

ssize_t
sendfile(int out, int in, off_t *offset, size_t bytes)
{
	if (is_terns(in))
		return tern_result(-EINVAL);
	return is_terns(out) ? tern_sendfile(out, in, offset, bytes)
			     : kernel.sendfile(out, in, offset, bytes);
}

ssize_t
sendfile64(int out, int in, off64_t *offset, size_t bytes)
{
	return sendfile(out, in, offset, bytes);
}

/* Tern's sockets have no pages that a pipe could take over. */
ssize_t
splice(int in, off64_t *in_offset, int out, off64_t *out_offset, size_t bytes, unsigned int flags)
{
	if (is_terns(in) || is_terns(out))
		return tern_result(-EINVAL);
	return kernel.splice(in, in_offset, out, out_offset, bytes, flags);
}
