/* SPDX-License-Identifier: BSD-3-Clause */
/* The comparison test's cases of IPv6, and of IPv4 on IPv6's sockets. */
#include <string.h>
#include <unistd.h>

#include "compare.h"

static void
six(void)
{
	struct pair pair = connect_pair(AF_INET6);
	struct address got = {.bytes = sizeof(got.storage)}, peer = address_peer(AF_INET6, 0),
		       own = address_own(AF_INET6, 0);
	char bytes[4];

	GIVES(0, getpeername(pair.fd, &got.any, &got.bytes));
	GIVES(sizeof(struct sockaddr_in6), got.bytes);
	GIVES(AF_INET6, got.any.sa_family);
	HOLDS(memcmp(&got.in6.sin6_addr, &peer.in6.sin6_addr, 16) == 0);
	GIVES(0, got.in6.sin6_scope_id);
	GIVES(0, got.in6.sin6_flowinfo);
	got.bytes = sizeof(got.storage);
	GIVES(0, getsockname(pair.fd, &got.any, &got.bytes));
	HOLDS(memcmp(&got.in6.sin6_addr, &own.in6.sin6_addr, 16) == 0);
	GIVES(3, peer_send(pair.peer, 3, 0));
	HOLDS(await(pair.fd, POLLIN));
	GIVES(3, recv(pair.fd, bytes, 4, 0));
	FAILS(EINVAL, (got.bytes = (socklen_t)-1, getpeername(pair.fd, &got.any, &got.bytes)));
	pair = accept_pair(AF_INET6);
	got.bytes = sizeof(got.storage);
	GIVES(0, getpeername(pair.fd, &got.any, &got.bytes));
	HOLDS(memcmp(&got.in6.sin6_addr, &peer.in6.sin6_addr, 16) == 0);
}

/* The IPv4-mapped form of our or the peer's address. */
static struct address
mapped(struct address four)
{
	struct address six = {.bytes = sizeof(six.in6)};

	six.in6.sin6_family = AF_INET6;
	six.in6.sin6_port = four.in.sin_port;
	six.in6.sin6_addr.s6_addr[10] = six.in6.sin6_addr.s6_addr[11] = 0xff;
	memcpy(&six.in6.sin6_addr.s6_addr[12], &four.in.sin_addr, 4);
	return six;
}

static void
four_on_six(void)
{
	uint16_t port = 0;
	int listener = peer_listen(AF_INET, 4, &port), fd = new_socket(AF_INET6, 0);
	struct address to = mapped(address_peer(AF_INET, port)),
		       own = mapped(address_own(AF_INET, 0)), got = {.bytes = sizeof(got.storage)};

	HOLDS(listener >= 0);
	GIVES(0, get_option(fd, IPPROTO_IPV6, IPV6_V6ONLY));
	GIVES(0, connect(fd, &to.any, to.bytes));
	GIVES(0, getpeername(fd, &got.any, &got.bytes));
	GIVES(sizeof(struct sockaddr_in6), got.bytes);
	HOLDS(memcmp(&got.in6.sin6_addr, &to.in6.sin6_addr, 16) == 0);
	got.bytes = sizeof(got.storage);
	GIVES(0, getsockname(fd, &got.any, &got.bytes));
	HOLDS(memcmp(&got.in6.sin6_addr, &own.in6.sin6_addr, 16) == 0);
	GIVES(0, close(fd));
	fd = new_socket(AF_INET6, 0);
	GIVES(0, bind(fd, &own.any, own.bytes));
	GIVES(0, connect(fd, &to.any, to.bytes));
}

static void
only_six(void)
{
	uint16_t port = 0;
	int fd = new_socket(AF_INET6, 0), bound = new_socket(AF_INET6, 0);
	struct address to = mapped(address_peer(AF_INET, port)),
		       own = mapped(address_own(AF_INET, 0)), six = address_own(AF_INET6, 0);

	set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
	GIVES(1, get_option(fd, IPPROTO_IPV6, IPV6_V6ONLY));
	FAILS(ENETUNREACH, connect(fd, &to.any, to.bytes));
	FAILS(EINVAL, bind(fd, &own.any, own.bytes));
	/* Not to be changed once bound. */
	GIVES(0, bind(bound, &six.any, six.bytes));
	FAILS(EINVAL, (errno = 0, setsockopt(bound, IPPROTO_IPV6, IPV6_V6ONLY, &(int){1}, 4)));
}

/* A wildcard of IPv6 serves both; who came by IPv4 shows so. */
static void
both_on_six(void)
{
	struct address any = address_wildcard(AF_INET6, 0), to, got, four;
	int listener = new_socket(AF_INET6, 0), fd, other = new_socket(AF_INET, 0);

	GIVES(0, bind(listener, &any.any, any.bytes));
	GIVES(0, listen(listener, 4));
	to = address_own(AF_INET, port_of(listener));
	HOLDS(peer_connect(&to) >= 0);
	got.bytes = sizeof(got.storage);
	HOLDS((fd = accept(listener, &got.any, &got.bytes)) >= 0);
	GIVES(sizeof(struct sockaddr_in6), got.bytes);
	GIVES(AF_INET6, got.any.sa_family);
	four = mapped(address_peer(AF_INET, 0));
	HOLDS(memcmp(&got.in6.sin6_addr, &four.in6.sin6_addr, 16) == 0);
	to = address_own(AF_INET6, port_of(listener));
	HOLDS(peer_connect(&to) >= 0);
	HOLDS((fd = accept(listener, NULL, NULL)) >= 0);
	four = address_own(AF_INET, port_of(listener));
	FAILS(EADDRINUSE, bind(other, &four.any, four.bytes));
}

static void
six_alone(void)
{
	struct address any = address_wildcard(AF_INET6, 0), to;
	int listener = new_socket(AF_INET6, 0);

	set_option(listener, IPPROTO_IPV6, IPV6_V6ONLY, 1);
	GIVES(0, bind(listener, &any.any, any.bytes));
	GIVES(0, listen(listener, 4));
	to = address_own(AF_INET, port_of(listener));
	GIVES(-ECONNREFUSED, peer_connect(&to));
	to = address_own(AF_INET6, port_of(listener));
	HOLDS(peer_connect(&to) >= 0);
	HOLDS(accept(listener, NULL, NULL) >= 0);
}

const struct compare_case compare_family_cases[] = {
	{"six", six},
	{"four_on_six", four_on_six},
	{"only_six", only_six},
	{"both_on_six", both_on_six},
	{"six_alone", six_alone},
	{0},
};
