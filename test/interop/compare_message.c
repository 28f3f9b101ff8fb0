/* SPDX-License-Identifier: BSD-3-Clause */
/* The comparison test's cases of sendmsg(), recvmsg() and their many-message forms, and of urgent
 * data. */
#include <limits.h>
#include <linux/sockios.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/time.h>
#include <unistd.h>

#include "compare.h"

enum {
	ROOM = 256,
	OPT_TCP_INQ = 36,
};

static void
message_shapes(void)
{
	struct pair pair = connect_pair(AF_INET);
	uint8_t out[6] = {0, 1, 2, 3, 4, 5}, in[20];
	struct iovec iov[3] = {{out, 2}, {NULL, 0}, {out + 2, 4}};
	struct msghdr message = {.msg_iov = iov, .msg_iovlen = 3};
	struct sockaddr_storage name;

	GIVES(6, sendmsg(pair.fd, &message, 0));
	GIVES(6, peer_receive(pair.peer, 6));
	message.msg_iovlen = 0;
	GIVES(0, sendmsg(pair.fd, &message, 0));
	message.msg_iovlen = IOV_MAX + 1;
	FAILS(EMSGSIZE, sendmsg(pair.fd, &message, 0));
	FAILS(EMSGSIZE, recvmsg(pair.fd, &message, 0));
	/* A stream takes no notice of an address. */
	message = (struct msghdr){
		.msg_iov = iov, .msg_iovlen = 1, .msg_name = &name, .msg_namelen = sizeof(name)};
	memset(&name, 0, sizeof(name));
	out[0] = 6;
	out[1] = 7;
	GIVES(2, sendmsg(pair.fd, &message, 0));
	GIVES(2, peer_receive(pair.peer, 2));
	FAILS(EFAULT, sendmsg(pair.fd, (struct msghdr *)8, 0));
	FAILS(EFAULT, recvmsg(pair.fd, (struct msghdr *)8, 0));

	GIVES(10, peer_send(pair.peer, 10, 0));
	HOLDS(await(pair.fd, POLLIN));
	iov[0] = (struct iovec){in, 3};
	iov[2] = (struct iovec){in + 3, 17};
	message = (struct msghdr){.msg_iov = iov,
				  .msg_iovlen = 3,
				  .msg_name = &name,
				  .msg_namelen = sizeof(name),
				  .msg_flags = -1};
	GIVES(10, recvmsg(pair.fd, &message, 0));
	GIVES(9, in[9]);
	GIVES(0, message.msg_namelen);
	GIVES(0, message.msg_flags);
	GIVES(0, message.msg_controllen);
}

/* A stream does not say from whom, and says so. */
static void
message_address(void)
{
	struct pair pair = connect_pair(AF_INET);
	struct address from = {.bytes = sizeof(from.storage)};
	socklen_t negative = (socklen_t)-1;
	char byte;

	FAILS(EAGAIN, recvfrom(pair.fd, &byte, 1, MSG_DONTWAIT, &from.any, &from.bytes));
	GIVES(sizeof(from.storage), from.bytes);
	GIVES(4, peer_send(pair.peer, 4, 0));
	HOLDS(await(pair.fd, POLLIN));
	GIVES(1, recvfrom(pair.fd, &byte, 1, 0, &from.any, &from.bytes));
	GIVES(0, from.bytes);
	GIVES(1, recvfrom(pair.fd, &byte, 1, MSG_PEEK, NULL, &negative));
	FAILS(EINVAL, recvfrom(pair.fd, &byte, 1, MSG_PEEK, &from.any, &negative));
	FAILS(EFAULT, recvfrom(pair.fd, &byte, 1, MSG_PEEK, &from.any, NULL));
	GIVES(1, byte);
}

static void
message_flags(void)
{
	struct pair pair = connect_pair(AF_INET);
	uint8_t in[20];
	struct iovec iov = {in, 4};
	struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};

	GIVES(10, peer_send(pair.peer, 10, 0));
	HOLDS(await(pair.fd, POLLIN));
	GIVES(4, recvmsg(pair.fd, &message, MSG_PEEK));
	GIVES(0, message.msg_flags);
	GIVES(4, recvmsg(pair.fd, &message, MSG_TRUNC));
	GIVES(0, message.msg_flags);
	message.msg_flags = MSG_PEEK; /* the caller's flags are the argument's alone */
	GIVES(4, recvmsg(pair.fd, &message, MSG_CMSG_CLOEXEC));
	GIVES(MSG_CMSG_CLOEXEC, message.msg_flags);
	GIVES(4, in[0]);
	GIVES(2, recvmsg(pair.fd, &message, 0));
	FAILS(EAGAIN, recvmsg(pair.fd, &message, MSG_DONTWAIT));
	FAILS(EAGAIN, recvmsg(pair.fd, &message, MSG_ERRQUEUE));
	/* At the end there are no flags. */
	GIVES(0, peer_close(pair.peer));
	GIVES(0, recvmsg(pair.fd, &message, 0));
	GIVES(0, message.msg_flags);
}

static void
message_control_out(void)
{
	struct pair pair = connect_pair(AF_INET);
	union {
		struct cmsghdr align;
		uint8_t bytes[ROOM];
	} control = {0};
	uint8_t out[2] = {0, 1};
	struct iovec iov = {out, 1};
	struct msghdr message = {.msg_iov = &iov,
				 .msg_iovlen = 1,
				 .msg_control = &control,
				 .msg_controllen = CMSG_SPACE(sizeof(int))};

	/* Of another level: not TCP's. */
	control.align = (struct cmsghdr){
		.cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = IPPROTO_IP, .cmsg_type = IP_TOS};
	GIVES(1, sendmsg(pair.fd, &message, 0));
	control.align.cmsg_level = SOL_SOCKET;
	control.align.cmsg_type = 9999;
	FAILS(EINVAL, sendmsg(pair.fd, &message, 0));
	/* Too short for a header, or longer than the room. */
	control.align.cmsg_len = 4;
	FAILS(EINVAL, sendmsg(pair.fd, &message, 0));
	control.align.cmsg_len = 4000;
	FAILS(EINVAL, sendmsg(pair.fd, &message, 0));
	/* Only what is whole counts. */
	message.msg_controllen = 8;
	out[0] = 1;
	GIVES(1, sendmsg(pair.fd, &message, 0));
	message.msg_controllen = CMSG_SPACE(sizeof(int));
	control.align = (struct cmsghdr){.cmsg_len = CMSG_LEN(sizeof(int)),
					 .cmsg_level = SOL_SOCKET,
					 .cmsg_type = SCM_RIGHTS};
	out[0] = 2;
	GIVES(1, sendmsg(pair.fd, &message, 0));
	GIVES(3, peer_receive(pair.peer, 3));
}

/* A control message of what was received; NULL if there is none. */
static const void *
control_of(struct msghdr *message, int level, int type)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c != NULL; c = CMSG_NXTHDR(message, c))
		if (c->cmsg_level == level && c->cmsg_type == type)
			return CMSG_DATA(c);
	return NULL;
}

static void
message_control_in(void)
{
	struct pair pair = connect_pair(AF_INET);
	union {
		struct cmsghdr align;
		uint8_t bytes[ROOM];
	} control;
	uint8_t in[20];
	struct iovec iov = {in, 4};
	struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};
	const void *found;
	int left;

	set_option(pair.fd, IPPROTO_TCP, OPT_TCP_INQ, 1);
	GIVES(1, get_option(pair.fd, IPPROTO_TCP, OPT_TCP_INQ));
	GIVES(10, peer_send(pair.peer, 10, 0));
	HOLDS(await(pair.fd, POLLIN));
	message.msg_control = &control;
	message.msg_controllen = sizeof(control);
	GIVES(4, recvmsg(pair.fd, &message, 0));
	GIVES(0, message.msg_flags);
	HOLDS((found = control_of(&message, IPPROTO_TCP, OPT_TCP_INQ)) != NULL);
	if (found != NULL) {
		memcpy(&left, found, sizeof(left));
		GIVES(6, left);
	}
	GIVES(CMSG_SPACE(sizeof(int)), message.msg_controllen);
	/* No room: it is lost, and the caller is told. */
	message.msg_controllen = 8;
	GIVES(4, recvmsg(pair.fd, &message, 0));
	GIVES(MSG_CTRUNC, message.msg_flags & MSG_CTRUNC);
	GIVES(0, message.msg_controllen);
	set_option(pair.fd, IPPROTO_TCP, OPT_TCP_INQ, 0);
}

static void
many_messages(void)
{
	struct pair pair = connect_pair(AF_INET);
	uint8_t out[6] = {0, 1, 2, 3, 4, 5}, in[3][4];
	struct iovec iov[3] = {{out, 1}, {out + 1, 2}, {out + 3, 3}};
	struct mmsghdr messages[3];
	struct timespec limit = {.tv_nsec = 50000000};
	int n;

	memset(messages, 0, sizeof(messages));
	for (int i = 0; i < 3; i++)
		messages[i].msg_hdr = (struct msghdr){.msg_iov = &iov[i], .msg_iovlen = 1};
	GIVES(3, sendmmsg(pair.fd, messages, 3, 0));
	GIVES(1, messages[0].msg_len);
	GIVES(3, messages[2].msg_len);
	GIVES(6, peer_receive(pair.peer, 6));
	GIVES(0, sendmmsg(pair.fd, messages, 0, 0));

	GIVES(9, peer_send(pair.peer, 9, 0));
	sleep_ms(50);
	for (int i = 0; i < 3; i++)
		iov[i] = (struct iovec){in[i], 4};
	/* The third would wait; what there is, is told. */
	GIVES(3, n = recvmmsg(pair.fd, messages, 3, MSG_DONTWAIT, NULL));
	GIVES(4, messages[0].msg_len);
	GIVES(4, messages[1].msg_len);
	GIVES(1, messages[2].msg_len);
	FAILS(EAGAIN, recvmmsg(pair.fd, messages, 3, MSG_DONTWAIT, NULL));
	GIVES(2, peer_send(pair.peer, 2, 0));
	GIVES(1, recvmmsg(pair.fd, messages, 3, MSG_WAITFORONE, NULL));
	/* The limit counts from one message to the next. */
	GIVES(2, peer_send(pair.peer, 2, 0));
	GIVES(0, peer_close(pair.peer));
	HOLDS(recvmmsg(pair.fd, messages, 3, 0, &limit) >= 1);
	limit.tv_nsec = 1000000000;
	FAILS(EINVAL, recvmmsg(pair.fd, messages, 3, 0, &limit));
	GIVES(0, shutdown(pair.fd, SHUT_WR));
	FAILS(EPIPE, sendmmsg(pair.fd, messages, 3, MSG_NOSIGNAL));
}

/* ---- Urgent data */

static void
urgent_apart(void)
{
	struct pair pair = connect_pair(AF_INET);
	uint8_t in[20];
	int mark = -1;

	FAILS(EINVAL, recv(pair.fd, in, 1, MSG_OOB));
	GIVES(3, peer_send(pair.peer, 3, 0));
	GIVES(1, peer_send(pair.peer, 1, MSG_OOB));
	GIVES(3, peer_send(pair.peer, 3, 0));
	HOLDS(await(pair.fd, POLLPRI));
	sleep_ms(50);
	POLLS(CAN_READ | CAN_WRITE | POLLPRI, pair.fd);
	GIVES(0, ioctl(pair.fd, SIOCATMARK, &mark));
	GIVES(0, mark);
	GIVES(1, recv(pair.fd, in, 5, MSG_OOB | MSG_PEEK));
	GIVES(3, in[0]);
	GIVES(1, recv(pair.fd, in, 5, MSG_OOB));
	FAILS(EINVAL, recv(pair.fd, in, 5, MSG_OOB));
	POLLS(CAN_READ | CAN_WRITE, pair.fd);
	/* Reading stops at the mark. */
	GIVES(3, recv(pair.fd, in, 20, 0));
	GIVES(0, ioctl(pair.fd, SIOCATMARK, &mark));
	GIVES(1, mark);
	GIVES(3, recv(pair.fd, in, 20, 0));
	GIVES(4, in[0]);
	GIVES(0, ioctl(pair.fd, SIOCATMARK, &mark));
	GIVES(0, mark);
}

static void
urgent_inline(void)
{
	struct pair pair = connect_pair(AF_INET);
	uint8_t in[20];
	int mark = -1;

	set_option(pair.fd, SOL_SOCKET, SO_OOBINLINE, 1);
	GIVES(3, peer_send(pair.peer, 3, 0));
	GIVES(1, peer_send(pair.peer, 1, MSG_OOB));
	GIVES(2, peer_send(pair.peer, 2, 0));
	HOLDS(await(pair.fd, POLLPRI));
	sleep_ms(50);
	FAILS(EINVAL, recv(pair.fd, in, 5, MSG_OOB));
	GIVES(3, recv(pair.fd, in, 20, 0));
	GIVES(0, ioctl(pair.fd, SIOCATMARK, &mark));
	GIVES(1, mark);
	GIVES(3, recv(pair.fd, in, 20, 0));
	GIVES(3, in[0]);
	POLLS(CAN_WRITE, pair.fd);
}

static void
urgent_out(void)
{
	struct pair pair = connect_pair(AF_INET);
	uint8_t out[3] = {0, 1, 2};

	GIVES(2, send(pair.fd, out, 2, MSG_OOB));
	HOLDS((peer_poll(pair.peer, POLLPRI) & POLLPRI) != 0);
	GIVES(0, peer_set(pair.peer, SOL_SOCKET, SO_OOBINLINE, 1));
	GIVES(2, peer_receive(pair.peer, 2));
	GIVES(0, shutdown(pair.fd, SHUT_WR));
	FAILS(EPIPE, send(pair.fd, out, 1, MSG_OOB | MSG_NOSIGNAL));
}

const struct compare_case compare_message_cases[] = {
	{"message_shapes", message_shapes},
	{"message_address", message_address},
	{"message_flags", message_flags},
	{"message_control_out", message_control_out},
	{"message_control_in", message_control_in},
	{"many_messages", many_messages},
	{"urgent_apart", urgent_apart},
	{"urgent_inline", urgent_inline},
	{"urgent_out", urgent_out},
	{0},
};
