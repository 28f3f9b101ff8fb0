/* SPDX-License-Identifier: BSD-3-Clause */
/* See address.h. */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "address.h"
#include "message.h"

static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

int
address_take(const struct file *file, const struct sockaddr *address, socklen_t length,
	     struct shm_endpoint *out)
{
	struct sockaddr_in in;
	struct sockaddr_in6 in6;

	memset(out, 0, sizeof(*out));
	if ((int)length < 0 || length > sizeof(struct sockaddr_storage))
		return -EINVAL;
	if (memory_is_bad(address, length))
		return -EFAULT;
	if (length < (file->family == AF_INET ? sizeof(in) : sizeof(sa_family_t)))
		return -EINVAL;
	out->family = address->sa_family;
	if (address->sa_family == AF_INET && length >= sizeof(in)) {
		memcpy(&in, address, sizeof(in));
		memcpy(out->ip, mapped, sizeof(mapped));
		memcpy(out->ip + sizeof(mapped), &in.sin_addr, 4);
		out->port = ntohs(in.sin_port);
		return file->family == AF_INET ? 0 : -EINVAL;
	}
	if (file->family == AF_INET)
		return -EAFNOSUPPORT;
	if (length < sizeof(in6) - sizeof(uint32_t)) /* without sin6_scope_id */
		return -EINVAL;
	if (address->sa_family != AF_INET6)
		return -EAFNOSUPPORT;
	memcpy(&in6, address, sizeof(in6) - sizeof(uint32_t));
	memcpy(out->ip, &in6.sin6_addr, 16);
	out->port = ntohs(in6.sin6_port);
	return 0;
}

void
address_give(const struct file *file, const struct shm_endpoint *from, struct sockaddr *address,
	     socklen_t *length)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(from->port)};
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(from->port)};
	const void *whole = &in6;
	socklen_t bytes = sizeof(in6);

	if (file->family == AF_INET) {
		memcpy(&in.sin_addr, from->ip + sizeof(mapped), 4);
		whole = &in;
		bytes = sizeof(in);
	} else {
		memcpy(&in6.sin6_addr, from->ip, 16);
	}
	memcpy(address, whole, *length < bytes ? *length : bytes);
	*length = bytes;
}
