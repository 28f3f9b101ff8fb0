/* SPDX-License-Identifier: BSD-3-Clause */
/* See endpoint.h. */
#include "endpoint.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

void
endpoint_unwrap(union endpoint *end)
{
	struct sockaddr_in6 wrapped = end->v6;

	if (end->any.sa_family != AF_INET6 || !IN6_IS_ADDR_V4MAPPED(&wrapped.sin6_addr))
		return;
	memset(end, 0, sizeof(*end));
	end->v4.sin_family = AF_INET;
	end->v4.sin_port = wrapped.sin6_port;
	memcpy(&end->v4.sin_addr, &wrapped.sin6_addr.s6_addr[12], sizeof(end->v4.sin_addr));
}

void
endpoint_wrap(union endpoint *end)
{
	struct sockaddr_in plain = end->v4;

	if (end->any.sa_family != AF_INET)
		return;
	memset(end, 0, sizeof(*end));
	end->v6.sin6_family = AF_INET6;
	end->v6.sin6_port = plain.sin_port;
	memset(&end->v6.sin6_addr.s6_addr[10], 0xff, 2);
	memcpy(&end->v6.sin6_addr.s6_addr[12], &plain.sin_addr, sizeof(plain.sin_addr));
}

socklen_t
endpoint_bytes(const union endpoint *end)
{
	return end->any.sa_family == AF_INET6 ? sizeof(end->v6) : sizeof(end->v4);
}

in_port_t
endpoint_port(const union endpoint *end)
{
	return ntohs(end->any.sa_family == AF_INET6 ? end->v6.sin6_port : end->v4.sin_port);
}

void
endpoint_set_port(union endpoint *end, in_port_t port)
{
	if (end->any.sa_family == AF_INET6)
		end->v6.sin6_port = htons(port);
	else
		end->v4.sin_port = htons(port);
}

bool
endpoint_same_address(const union endpoint *a, const union endpoint *b)
{
	if (a->any.sa_family != b->any.sa_family)
		return false;
	if (a->any.sa_family == AF_INET6)
		return IN6_ARE_ADDR_EQUAL(&a->v6.sin6_addr, &b->v6.sin6_addr);
	return a->v4.sin_addr.s_addr == b->v4.sin_addr.s_addr;
}

const char *
endpoint_address_text(const union endpoint *end, char *text)
{
	const void *address = end->any.sa_family == AF_INET6 ? (const void *)&end->v6.sin6_addr
							     : &end->v4.sin_addr;

	if (inet_ntop(end->any.sa_family, address, text, ENDPOINT_TEXT) == NULL)
		snprintf(text, ENDPOINT_TEXT, "?");
	return text;
}

const char *
endpoint_text(const union endpoint *end, char *text)
{
	char address[ENDPOINT_TEXT];
	bool v6 = end->any.sa_family == AF_INET6;

	endpoint_address_text(end, address);
	snprintf(text, ENDPOINT_TEXT, "%s%.46s%s:%u", v6 ? "[" : "", address, v6 ? "]" : "",
		 (unsigned int)endpoint_port(end));
	return text;
}

bool
endpoint_parse_address(const char *text, union endpoint *end)
{
	memset(end, 0, sizeof(*end));
	if (inet_pton(AF_INET, text, &end->v4.sin_addr) == 1)
		end->v4.sin_family = AF_INET;
	else if (inet_pton(AF_INET6, text, &end->v6.sin6_addr) == 1)
		end->v6.sin6_family = AF_INET6;
	else
		return false;
	endpoint_unwrap(end);
	return true;
}

int
endpoints_of(int fd, struct endpoints *ends)
{
	socklen_t local = sizeof(ends->local), remote = sizeof(ends->remote);

	memset(ends, 0, sizeof(*ends));
	if (getsockname(fd, &ends->local.any, &local) < 0 ||
	    getpeername(fd, &ends->remote.any, &remote) < 0)
		return -errno;
	if (ends->local.any.sa_family != AF_INET && ends->local.any.sa_family != AF_INET6)
		return -EAFNOSUPPORT;
	endpoint_unwrap(&ends->local);
	endpoint_unwrap(&ends->remote);
	return 0;
}
