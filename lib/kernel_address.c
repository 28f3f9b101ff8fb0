/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * See kernel_address.h. By rtnetlink. With an address the kernel forgets more than the address: of
 * IPv4 the others of its prefix that came later, and with an interface's last one all of its
 * routes. So all of the interface's addresses and routes are listed first, and those that should
 * still be there are put back: what is there already stays as it is.
 *
 * Left out: routes over several interfaces at once.
 */
#include "kernel_address.h"

#include <errno.h>
#include <net/if.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/if_addr.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>

#include "announce.h"

enum {
	ANSWER_BYTES = 64 << 10,
	LIST_MAX = 4 << 20, /* bytes of what an interface may have */
};

/* A request of our own. */
struct address_request {
	struct nlmsghdr header;
	struct ifaddrmsg address;
	uint8_t attributes[64];
};

static int
failed(char *why, const char *what)
{
	snprintf(why, KERNEL_ADDRESS_WHY, "%s: %s", what, strerror(errno));
	return -1;
}

static int
open_netlink(char *why)
{
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);

	return fd < 0 ? failed(why, "netlink") : fd;
}

/* ---- Netlink's messages. Its own macros take const away, which not every compiler lets pass. */

static const void *
body_of(const struct nlmsghdr *message)
{
	return (const uint8_t *)message + NLMSG_HDRLEN;
}

/* The message behind this one, of *left bytes from here. */
static const struct nlmsghdr *
next_message(const struct nlmsghdr *message, unsigned int *left)
{
	unsigned int bytes = NLMSG_ALIGN(message->nlmsg_len);

	*left -= bytes;
	return (const void *)((const uint8_t *)message + bytes);
}

static const void *
payload(const struct rtattr *a)
{
	return (const uint8_t *)a + RTA_LENGTH(0);
}

/* Sends a request and reads the kernel's answer. Returns 0 or a negative errno. */
static int
ask(int fd, struct nlmsghdr *request)
{
	uint8_t answer[1024] __attribute__((aligned(NLMSG_ALIGNTO)));
	const struct nlmsghdr *header = (const void *)answer;
	const struct nlmsgerr *error;

	request->nlmsg_flags |= NLM_F_REQUEST | NLM_F_ACK;
	request->nlmsg_seq++;
	request->nlmsg_pid = 0;
	if (send(fd, request, request->nlmsg_len, 0) < 0 ||
	    recv(fd, answer, sizeof(answer), 0) < (ssize_t)NLMSG_LENGTH(sizeof(*error)))
		return -errno;
	error = body_of(header);
	return header->nlmsg_type == NLMSG_ERROR ? error->error : -EPROTO;
}

static const struct rtattr *
attribute(const struct nlmsghdr *message, size_t fixed, unsigned int type)
{
	const uint8_t *at = (const uint8_t *)body_of(message) + NLMSG_ALIGN(fixed);
	unsigned int left = message->nlmsg_len - (unsigned int)NLMSG_SPACE(fixed);
	const struct rtattr *a = (const void *)at;

	while (RTA_OK(a, left)) {
		if ((a->rta_type & NLA_TYPE_MASK) == type)
			return a;
		left -= RTA_ALIGN(a->rta_len);
		at += RTA_ALIGN(a->rta_len);
		a = (const void *)at;
	}
	return NULL;
}

static uint32_t
attribute_u32(const struct nlmsghdr *message, size_t fixed, unsigned int type)
{
	const struct rtattr *a = attribute(message, fixed, type);
	uint32_t value = 0;

	if (a != NULL && RTA_PAYLOAD(a) >= sizeof(value))
		memcpy(&value, payload(a), sizeof(value));
	return value;
}

/* ---- What an interface has */

static bool
is_of_interface(const struct nlmsghdr *message, unsigned int interface)
{
	if (message->nlmsg_type == RTM_NEWADDR) {
		const struct ifaddrmsg *a = body_of(message);

		return a->ifa_index == interface;
	}
	if (message->nlmsg_type == RTM_NEWROUTE) {
		const struct rtmsg *r = body_of(message);

		return r->rtm_table != RT_TABLE_LOCAL && (r->rtm_flags & RTM_F_CLONED) == 0 &&
		       attribute_u32(message, sizeof(*r), RTA_OIF) == interface;
	}
	return false;
}

static int
keep(struct kernel_address *taken, const struct nlmsghdr *message, char *why)
{
	uint32_t bytes = NLMSG_ALIGN(message->nlmsg_len);
	uint8_t *more = taken->bytes + bytes > LIST_MAX
				? NULL
				: realloc(taken->messages, taken->bytes + bytes);

	if (more == NULL) {
		errno = ENOMEM;
		return failed(why, "the interface's addresses and routes");
	}
	memset(more + taken->bytes, 0, bytes);
	memcpy(more + taken->bytes, message, message->nlmsg_len);
	taken->messages = more;
	taken->bytes += bytes;
	return 0;
}

/* Appends what the kernel lists; type is RTM_GETADDR or RTM_GETROUTE. */
static int
list(int fd, struct kernel_address *taken, uint16_t type, char *why)
{
	static uint8_t answer[ANSWER_BYTES] __attribute__((aligned(NLMSG_ALIGNTO)));
	struct {
		struct nlmsghdr header;
		struct rtmsg body; /* the longer of both */
	} request;

	memset(&request, 0, sizeof(request));
	request.header.nlmsg_len = sizeof(request);
	request.header.nlmsg_type = type;
	request.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	request.body.rtm_family = (unsigned char)taken->address.any.sa_family;
	if (send(fd, &request, sizeof(request), 0) < 0)
		return failed(why, "netlink");
	for (;;) {
		ssize_t n = recv(fd, answer, sizeof(answer), 0);
		const struct nlmsghdr *message = (const void *)answer;
		unsigned int left = n > 0 ? (unsigned int)n : 0;

		if (n <= 0)
			return failed(why, "netlink");
		for (; NLMSG_OK(message, left); message = next_message(message, &left)) {
			if (message->nlmsg_type == NLMSG_DONE)
				return 0;
			if (message->nlmsg_type == NLMSG_ERROR) {
				errno = EPROTO;
				return failed(why, "netlink");
			}
			if (is_of_interface(message, taken->interface) &&
			    keep(taken, message, why) < 0)
				return -1;
		}
	}
}

static bool
is_address(const struct nlmsghdr *message, const union endpoint *address)
{
	const struct rtattr *a;
	size_t bytes = address->any.sa_family == AF_INET6 ? 16 : 4;
	const void *ip = address->any.sa_family == AF_INET6 ? (const void *)&address->v6.sin6_addr
							    : (const void *)&address->v4.sin_addr;

	if (message->nlmsg_type != RTM_NEWADDR)
		return false;
	a = attribute(message, sizeof(struct ifaddrmsg), IFA_LOCAL);
	if (a == NULL)
		a = attribute(message, sizeof(struct ifaddrmsg), IFA_ADDRESS);
	return a != NULL && RTA_PAYLOAD(a) == bytes && memcmp(payload(a), ip, bytes) == 0;
}

/* ---- Changes */

/* Makes of what was listed a request to have it again. */
static void
make_request(struct nlmsghdr *message)
{
	const struct rtattr *a;
	uint32_t flags;

	message->nlmsg_flags = NLM_F_CREATE | NLM_F_EXCL;
	message->nlmsg_seq = 0;
	if (message->nlmsg_type == RTM_NEWROUTE) {
		struct rtmsg *r = NLMSG_DATA(message);

		r->rtm_flags &= RTNH_F_ONLINK | RTNH_F_PERVASIVE;
		return;
	}
	/* Nobody else has it: it need not be looked for. */
	a = attribute(message, sizeof(struct ifaddrmsg), IFA_FLAGS);
	if (a != NULL && RTA_PAYLOAD(a) >= sizeof(flags)) {
		size_t at = (size_t)((const uint8_t *)payload(a) - (const uint8_t *)message);

		memcpy(&flags, payload(a), sizeof(flags));
		flags |= IFA_F_NODAD;
		memcpy((uint8_t *)message + at, &flags, sizeof(flags));
	}
}

/*
 * Has the kernel have again what was listed, `without` an address or with all. What it has already,
 * and routes that hang on that address, it refuses.
 */
static int
put_back(int fd, const struct kernel_address *taken, const union endpoint *without)
{
	const struct nlmsghdr *message = (const void *)taken->messages;
	unsigned int left = taken->bytes;
	int result = 0;

	for (; NLMSG_OK(message, left); message = next_message(message, &left)) {
		uint8_t copy[4096] __attribute__((aligned(NLMSG_ALIGNTO)));
		bool is_route = message->nlmsg_type == RTM_NEWROUTE;
		const struct rtmsg *r = body_of(message);
		int status;

		if (message->nlmsg_len > sizeof(copy) ||
		    (without != NULL && is_address(message, without)) ||
		    (without != NULL && is_route && r->rtm_protocol == RTPROT_KERNEL))
			continue;
		memcpy(copy, message, message->nlmsg_len);
		make_request((struct nlmsghdr *)(void *)copy);
		status = ask(fd, (struct nlmsghdr *)(void *)copy);
		if (status < 0 && status != -EEXIST && without == NULL)
			result = status;
	}
	return result;
}

static int
remove_address(int fd, const struct nlmsghdr *message, char *why)
{
	uint8_t copy[4096] __attribute__((aligned(NLMSG_ALIGNTO)));
	struct nlmsghdr *request = (struct nlmsghdr *)(void *)copy;
	int status = -EMSGSIZE;

	if (message->nlmsg_len <= sizeof(copy)) {
		memcpy(copy, message, message->nlmsg_len);
		request->nlmsg_type = RTM_DELADDR;
		request->nlmsg_flags = 0;
		status = ask(fd, request);
	}
	errno = -status;
	return status < 0 ? failed(why, "removing the address") : 0;
}

static const struct nlmsghdr *
find_address(const struct kernel_address *taken)
{
	const struct nlmsghdr *message = (const void *)taken->messages;
	unsigned int left = taken->bytes;

	for (; NLMSG_OK(message, left); message = next_message(message, &left))
		if (is_address(message, &taken->address))
			return message;
	return NULL;
}

/*
 * IPv4's first address of a prefix is the source of what leaves without one, and another has become
 * the first. So they go, too, and all come back in their order.
 */
static void
remove_successors(int fd, const struct kernel_address *taken)
{
	const struct nlmsghdr *first = find_address(taken), *message = first;
	const uint8_t *end = taken->messages + taken->bytes;
	unsigned int left = (unsigned int)(end - (const uint8_t *)first);
	const struct ifaddrmsg *a = body_of(first);
	char ignored[KERNEL_ADDRESS_WHY];

	if (a->ifa_family != AF_INET || (a->ifa_flags & IFA_F_SECONDARY))
		return;
	for (; NLMSG_OK(message, left); message = next_message(message, &left)) {
		a = body_of(message);
		if (message != first && message->nlmsg_type == RTM_NEWADDR &&
		    a->ifa_prefixlen == taken->prefix_len && (a->ifa_flags & IFA_F_SECONDARY))
			remove_address(fd, message, ignored);
	}
}

static int
take(int fd, struct kernel_address *taken, const char *interface, char *why)
{
	char text[ENDPOINT_TEXT];
	const struct nlmsghdr *message;
	const struct ifaddrmsg *found;

	if (list(fd, taken, RTM_GETADDR, why) < 0 || list(fd, taken, RTM_GETROUTE, why) < 0)
		return -1;
	message = find_address(taken);
	if (message == NULL) {
		snprintf(why, KERNEL_ADDRESS_WHY, "interface %s does not have the address %s",
			 interface, endpoint_address_text(&taken->address, text));
		return -1;
	}
	found = body_of(message);
	taken->prefix_len = found->ifa_prefixlen;
	if (remove_address(fd, message, why) < 0)
		return -1;
	put_back(fd, taken, &taken->address);
	return 0;
}

int
kernel_address_take(struct kernel_address *taken, const char *interface,
		    const union endpoint *address, char why[KERNEL_ADDRESS_WHY])
{
	int fd, status;

	memset(taken, 0, sizeof(*taken));
	taken->address = *address;
	taken->interface = if_nametoindex(interface);
	if (taken->interface == 0) {
		snprintf(why, KERNEL_ADDRESS_WHY, "there is no interface %s", interface);
		return -1;
	}
	fd = open_netlink(why);
	status = fd < 0 ? -1 : take(fd, taken, interface, why);
	if (fd >= 0)
		close(fd);
	if (status < 0)
		kernel_address_free(taken);
	return status;
}

int
kernel_address_return(const struct kernel_address *taken, char why[KERNEL_ADDRESS_WHY])
{
	int fd, status;

	if (taken->interface == 0)
		return 0;
	fd = open_netlink(why);
	if (fd < 0)
		return -1;
	remove_successors(fd, taken);
	status = put_back(fd, taken, NULL);
	close(fd);
	errno = -status;
	if (status < 0)
		return failed(why, "giving the address back to its interface");
	announce_address(taken->interface, &taken->address);
	return 0;
}

void
kernel_address_free(struct kernel_address *taken)
{
	free(taken->messages);
	memset(taken, 0, sizeof(*taken));
}

static void
put_attribute(struct address_request *request, unsigned short type, const void *value, size_t n)
{
	struct rtattr *a = (struct rtattr *)(void *)((uint8_t *)request +
						     NLMSG_ALIGN(request->header.nlmsg_len));

	a->rta_type = type;
	a->rta_len = (unsigned short)RTA_LENGTH(n);
	memcpy(RTA_DATA(a), value, n);
	request->header.nlmsg_len =
		NLMSG_ALIGN(request->header.nlmsg_len) + (uint32_t)RTA_ALIGN(a->rta_len);
}

int
kernel_address_add(const char *interface, const union endpoint *address, uint8_t prefix_len,
		   char why[KERNEL_ADDRESS_WHY])
{
	bool v6 = address->any.sa_family == AF_INET6;
	const void *ip = v6 ? (const void *)&address->v6.sin6_addr : &address->v4.sin_addr;
	uint32_t flags = IFA_F_NODAD;
	struct address_request request;
	int fd, status;

	memset(&request, 0, sizeof(request));
	request.header.nlmsg_len = NLMSG_LENGTH(sizeof(request.address));
	request.header.nlmsg_type = RTM_NEWADDR;
	request.header.nlmsg_flags = NLM_F_CREATE | NLM_F_EXCL;
	request.address.ifa_family = (unsigned char)address->any.sa_family;
	request.address.ifa_prefixlen = prefix_len;
	request.address.ifa_index = if_nametoindex(interface);
	if (request.address.ifa_index == 0) {
		snprintf(why, KERNEL_ADDRESS_WHY, "there is no interface %s", interface);
		return -1;
	}
	put_attribute(&request, IFA_LOCAL, ip, v6 ? 16 : 4);
	put_attribute(&request, IFA_ADDRESS, ip, v6 ? 16 : 4);
	put_attribute(&request, IFA_FLAGS, &flags, sizeof(flags));
	fd = open_netlink(why);
	if (fd < 0)
		return -1;
	status = ask(fd, &request.header);
	close(fd);
	errno = -status;
	if (status < 0)
		return failed(why, "giving the address to its interface");
	announce_address(request.address.ifa_index, address);
	return 0;
}
