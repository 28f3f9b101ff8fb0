/* SPDX-License-Identifier: BSD-3-Clause */
/* See pass.h. */
#include "pass.h"

#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

ssize_t
pass_fd(int to, const void *bytes, size_t n, int fd)
{
	struct iovec iov = {.iov_base = (void *)(uintptr_t)bytes, .iov_len = n}; /* only read */
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = {0};
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes),
	};
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);

	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(cmsg), &fd, sizeof(int));
	return sendmsg(to, &msg, MSG_NOSIGNAL);
}
