/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The calls of tern.h that take messages: sendmsg(), recvmsg(), and those of many messages.
 *
 * Control messages. Out: those of SOL_SOCKET are looked at as Linux does, and those that make sense
 * there are accepted and do nothing here; others make the call fail. In: how much is left to read,
 * if TCP_INQ asks for it, and from the error queue the reports of MSG_ZEROCOPY.
 *
 * Left out: SO_TIMESTAMP's stamps.
 */
#include <errno.h>
#include <limits.h>
#include <time.h>

#include <linux/errqueue.h>
#include <netinet/in.h>
#include <string.h>

#include "fastopen.h"
#include "message.h"
#include "result.h"
#include "stream.h"
#include "tern.h"

enum {
	OPT_TCP_INQ = 36, /* and the type of its message */
};

int
message_check_vector(const struct iovec *iov, size_t n, bool is_used)
{
	if (memory_is_bad(iov, n))
		return -EFAULT;
	for (size_t i = 0; i < n; i++)
		if (iov[i].iov_len > SSIZE_MAX)
			return -EINVAL;
	for (size_t i = 0; is_used && i < n; i++)
		if (memory_is_bad(iov[i].iov_base, iov[i].iov_len))
			return -EFAULT;
	return 0;
}

/* What is wrong with a message whatever it is for. Returns 0 or a negative errno. */
static int
check(const struct msghdr *message, bool is_used)
{
	if (memory_is_bad(message, sizeof(*message)))
		return -EFAULT;
	if (message->msg_name != NULL && (int)message->msg_namelen < 0)
		return -EINVAL;
	if (message->msg_iovlen > IOV_MAX)
		return -EMSGSIZE;
	return message_check_vector(message->msg_iov, message->msg_iovlen, is_used);
}

/* ---- Sending */

static bool
is_harmless(const struct cmsghdr *control)
{
	switch (control->cmsg_type) {
	case SCM_RIGHTS:
	case SCM_CREDENTIALS:
		return true;
	case SO_PRIORITY:
	case SO_TIMESTAMPING:
		return control->cmsg_len == CMSG_LEN(sizeof(uint32_t));
	default:
		return false;
	}
}

/* Linux's rules for a stream's control messages. Returns 0 or a negative errno. */
static int
check_control(const struct msghdr *message)
{
	size_t at = 0, room = message->msg_controllen;
	struct cmsghdr control;

	if (room > INT_MAX)
		return -ENOBUFS;
	if (memory_is_bad(message->msg_control, room))
		return -EFAULT;
	for (; room - at >= sizeof(control); at += CMSG_ALIGN(control.cmsg_len)) {
		memcpy(&control, (const uint8_t *)message->msg_control + at, sizeof(control));
		if (control.cmsg_len < sizeof(control) || control.cmsg_len > room - at)
			return -EINVAL;
		if (control.cmsg_level == SOL_SOCKET && !is_harmless(&control))
			return -EINVAL;
		if (CMSG_ALIGN(control.cmsg_len) > room - at)
			break;
	}
	return 0;
}

/* As Linux: a name of no bytes is none, and one that is too long is cut. */
static int
find_target(const struct file *file, const struct msghdr *message, struct fastopen_target *target)
{
	socklen_t length = message->msg_namelen;

	if (length > sizeof(struct sockaddr_storage))
		length = sizeof(struct sockaddr_storage);
	return fastopen_target(file, length == 0 ? NULL : message->msg_name, length, target);
}

ssize_t
tern_sendmsg(int fd, const struct msghdr *message, int flags)
{
	struct file *file = socket_get(fd);
	struct fastopen_target target;
	ssize_t taken;

	if (file == NULL)
		return tern_result(-EBADF);
	taken = check(message, true);
	if (taken == 0)
		taken = check_control(message);
	if (taken == 0)
		taken = find_target(file, message, &target);
	if (taken == 0)
		taken = stream_send(file, message->msg_iov, message->msg_iovlen, flags, &target);
	file_put(file);
	return stream_sent(taken, flags);
}

int
tern_sendmmsg(int fd, struct mmsghdr *messages, unsigned int n, int flags)
{
	unsigned int done;
	ssize_t taken;

	if (n > IOV_MAX)
		n = IOV_MAX;
	if (n == 0) {
		struct file *file = socket_get(fd);

		if (file == NULL)
			return tern_result(-EBADF);
		file_put(file);
		return 0;
	}
	for (done = 0; done < n; done++) {
		taken = tern_sendmsg(fd, &messages[done].msg_hdr, flags);
		if (taken < 0)
			break;
		messages[done].msg_len = (unsigned int)taken;
	}
	return done > 0 ? (int)done : -1;
}

/* ---- Receiving */

/* Control messages on their way into a program's buffer. */
struct control {
	struct msghdr *message;
	size_t room; /* of its buffer */
	size_t used;
};

static void
put_control(struct control *control, int level, int type, const void *data, size_t bytes)
{
	struct cmsghdr head = {.cmsg_len = CMSG_LEN(bytes), .cmsg_level = level, .cmsg_type = type};
	size_t left = control->room - control->used;
	uint8_t *at;

	if (control->message->msg_control == NULL || left < sizeof(head)) {
		control->message->msg_flags |= MSG_CTRUNC;
		return;
	}
	if (left < head.cmsg_len) {
		control->message->msg_flags |= MSG_CTRUNC;
		head.cmsg_len = left;
		bytes = left - CMSG_LEN(0);
	}
	at = (uint8_t *)control->message->msg_control + control->used;
	memcpy(at, &head, sizeof(head));
	memcpy(at + CMSG_LEN(0), data, bytes);
	control->used += CMSG_SPACE(bytes) < left ? CMSG_SPACE(bytes) : left;
}

/* A report of the error queue: no bytes, only a control message. Returns 0 or a negative errno. */
static int
receive_report(struct file *file, struct control *control)
{
	struct {
		struct sock_extended_err error;
		struct sockaddr_in6 offender; /* nobody */
	} report = {0};
	size_t bytes =
		sizeof(report.error) + (file->family == AF_INET ? sizeof(struct sockaddr_in)
								: sizeof(struct sockaddr_in6));
	int status = stream_report(file, &report.error);

	if (status < 0)
		return status;
	if (file->family == AF_INET)
		put_control(control, IPPROTO_IP, IP_RECVERR, &report, bytes);
	else
		put_control(control, IPPROTO_IPV6, IPV6_RECVERR, &report, bytes);
	control->message->msg_flags |= MSG_ERRQUEUE;
	return 0;
}

static ssize_t
receive_message(struct file *file, struct msghdr *message, int flags)
{
	struct control control = {.message = message};
	ssize_t got = check(message, (flags & MSG_TRUNC) == 0);
	int left;

	if (got < 0)
		return got;
	control.room = message->msg_controllen;
	if ((flags & MSG_ERRQUEUE) == 0)
		got = stream_receive(file, message->msg_iov, message->msg_iovlen, flags);
	if (got < 0)
		return got;
	message->msg_flags = flags & (MSG_OOB | MSG_CMSG_CLOEXEC);
	if (flags & MSG_ERRQUEUE) {
		got = receive_report(file, &control);
		if (got < 0)
			return got;
	} else if (file->tells_left && (flags & MSG_OOB) == 0) {
		left = stream_left(file);
		put_control(&control, IPPROTO_TCP, OPT_TCP_INQ, &left, sizeof(left));
	}
	message->msg_namelen = 0;
	message->msg_controllen = control.used;
	return got;
}

ssize_t
tern_recvmsg(int fd, struct msghdr *message, int flags)
{
	struct file *file = socket_get(fd);
	ssize_t got;

	if (file == NULL)
		return tern_result(-EBADF);
	got = receive_message(file, message, flags);
	file_put(file);
	return tern_result_bytes(got);
}

int
tern_recvmmsg(int fd, struct mmsghdr *messages, unsigned int n, int flags, struct timespec *timeout)
{
	int64_t deadline_ns = WAIT_FOREVER, left;
	unsigned int done = 0;
	ssize_t got;

	if (timeout != NULL) {
		if (timeout->tv_sec < 0 || timeout->tv_nsec < 0 || timeout->tv_nsec >= 1000000000)
			return tern_result(-EINVAL);
		if (timeout->tv_sec < INT64_MAX / 2000000000)
			deadline_ns = wait_now_ns() + timeout->tv_sec * INT64_C(1000000000) +
				      timeout->tv_nsec;
	}
	if (n > IOV_MAX)
		n = IOV_MAX;
	while (done < n) {
		got = tern_recvmsg(fd, &messages[done].msg_hdr, flags & ~MSG_WAITFORONE);
		if (got < 0)
			break;
		messages[done++].msg_len = (unsigned int)got;
		if (flags & MSG_WAITFORONE)
			flags |= MSG_DONTWAIT;
		left = deadline_ns == WAIT_FOREVER ? 1 : deadline_ns - wait_now_ns();
		if (timeout != NULL && deadline_ns != WAIT_FOREVER)
			*timeout = (struct timespec){left > 0 ? left / 1000000000 : 0,
						     left > 0 ? left % 1000000000 : 0};
		if (left <= 0 || (messages[done - 1].msg_hdr.msg_flags & MSG_OOB) != 0)
			break;
	}
	return done > 0 || n == 0 ? (int)done : -1;
}
