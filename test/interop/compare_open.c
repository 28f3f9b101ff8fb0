/* SPDX-License-Identifier: BSD-3-Clause */
/* The comparison test's cases of socket(), bind() and listen(). */
#include <fcntl.h>
#include <unistd.h>

#include "compare.h"

static void
socket_arguments(void)
{
	int fd;

	FAILS(EAFNOSUPPORT, socket(-1, SOCK_STREAM, 0));
	FAILS(EAFNOSUPPORT, socket(1000, SOCK_STREAM, 0));
	FAILS(EINVAL, socket(AF_INET, 11, 0));
	FAILS(EINVAL, socket(AF_INET, SOCK_STREAM | 0x100, 0));
	FAILS(EPROTONOSUPPORT, socket(AF_INET, SOCK_STREAM, IPPROTO_UDP));
	FAILS(EPROTONOSUPPORT, socket(AF_INET6, SOCK_STREAM, IPPROTO_UDP));
	FAILS(EINVAL, socket(AF_INET, SOCK_STREAM, -1));
	FAILS(EINVAL, socket(AF_INET, SOCK_STREAM, 1000));
	FAILS(ESOCKTNOSUPPORT, socket(AF_INET, SOCK_SEQPACKET, 0));
	HOLDS((fd = socket(AF_INET, SOCK_STREAM, IPPROTO_TCP)) >= 0);
	GIVES(0, fcntl(fd, F_GETFD));
	GIVES(O_RDWR, fcntl(fd, F_GETFL));
	HOLDS((fd = socket(AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)) >= 0);
	GIVES(FD_CLOEXEC, fcntl(fd, F_GETFD));
	GIVES(O_RDWR | O_NONBLOCK, fcntl(fd, F_GETFL));
	GIVES(SOCK_STREAM, get_option(fd, SOL_SOCKET, SO_TYPE));
	GIVES(AF_INET6, get_option(fd, SOL_SOCKET, SO_DOMAIN));
	GIVES(IPPROTO_TCP, get_option(fd, SOL_SOCKET, SO_PROTOCOL));
}

static void
lowest_number(void)
{
	int a = new_socket(AF_INET, 0), b = new_socket(AF_INET, 0);

	HOLDS(b == a + 1);
	GIVES(0, close(a));
	GIVES(a, new_socket(AF_INET6, 0));
	FAILS(EBADF, close(b + 50));
	GIVES(0, close(b));
	FAILS(EBADF, close(b));
	FAILS(EBADF, listen(b, 1));
	FAILS(EBADF, send(b, "x", 1, 0));
	FAILS(EBADF, shutdown(b, SHUT_RD));
}

static void
bind_names(void)
{
	struct address own = address_own(AF_INET, 0), got = {.bytes = sizeof(got.storage)};
	int fd = new_socket(AF_INET, 0);

	/* Not bound: the wildcard. */
	GIVES(0, getsockname(fd, &got.any, &got.bytes));
	GIVES(sizeof(struct sockaddr_in), got.bytes);
	GIVES(AF_INET, got.in.sin_family);
	GIVES(INADDR_ANY, got.in.sin_addr.s_addr);
	GIVES(0, got.in.sin_port);
	got.bytes = sizeof(got.storage);
	FAILS(ENOTCONN, getpeername(fd, &got.any, &got.bytes));

	GIVES(0, bind(fd, &own.any, own.bytes));
	HOLDS(port_of(fd) >= 1024);
	got.bytes = sizeof(got.storage);
	GIVES(0, getsockname(fd, &got.any, &got.bytes));
	GIVES(own.in.sin_addr.s_addr, got.in.sin_addr.s_addr);
	/* Bound already. */
	FAILS(EINVAL, bind(fd, &own.any, own.bytes));
	/* Cut at the room that there is, but told whole. */
	got.bytes = 4;
	got.in.sin_addr.s_addr = 1;
	GIVES(0, getsockname(fd, &got.any, &got.bytes));
	GIVES(sizeof(struct sockaddr_in), got.bytes);
	GIVES(1, got.in.sin_addr.s_addr);
	got.bytes = (socklen_t)-1;
	FAILS(EINVAL, getsockname(fd, &got.any, &got.bytes));
}

static void
bind_arguments(void)
{
	struct address own = address_own(AF_INET, 0), six = address_own(AF_INET6, 0);
	struct address foreign = address_text("198.18.0.77", 0);
	int fd = new_socket(AF_INET, 0), fd6 = new_socket(AF_INET6, 0);

	FAILS(EADDRNOTAVAIL, bind(fd, &foreign.any, foreign.bytes));
	FAILS(EINVAL, bind(fd, &own.any, 15));
	FAILS(EINVAL, bind(fd, &own.any, (socklen_t)-1));
	FAILS(EAFNOSUPPORT, bind(fd, &six.any, six.bytes));
	FAILS(EINVAL, bind(fd6, &own.any, own.bytes));
	FAILS(EINVAL, bind(fd6, &six.any, 20));
	own.any.sa_family = AF_UNSPEC;
	FAILS(EAFNOSUPPORT, bind(fd, &own.any, own.bytes));
	/* None of these has bound it. */
	GIVES(0, port_of(fd));
	own = address_wildcard(AF_INET, 0);
	own.any.sa_family = AF_UNSPEC; /* which is taken for AF_INET with the wildcard */
	GIVES(0, bind(fd, &own.any, own.bytes));
	HOLDS(port_of(fd) != 0);
}

static void
bind_in_use(void)
{
	struct address own = address_own(AF_INET, 0), any;
	int first = new_socket(AF_INET, 0), second = new_socket(AF_INET, 0);

	GIVES(0, bind(first, &own.any, own.bytes));
	own = address_own(AF_INET, port_of(first));
	any = address_wildcard(AF_INET, port_of(first));
	FAILS(EADDRINUSE, bind(second, &own.any, own.bytes));
	FAILS(EADDRINUSE, bind(second, &any.any, any.bytes));
	GIVES(0, close(first));
	GIVES(0, bind(second, &own.any, own.bytes));
}

static void
reuse_address(void)
{
	struct address own = address_own(AF_INET, 0);
	int first = new_socket(AF_INET, 0), second = new_socket(AF_INET, 0),
	    third = new_socket(AF_INET, 0);

	set_option(first, SOL_SOCKET, SO_REUSEADDR, 1);
	GIVES(0, bind(first, &own.any, own.bytes));
	own = address_own(AF_INET, port_of(first));
	/* Both must have asked for it. */
	FAILS(EADDRINUSE, bind(second, &own.any, own.bytes));
	set_option(second, SOL_SOCKET, SO_REUSEADDR, 1);
	GIVES(0, bind(second, &own.any, own.bytes));
	/* One may listen; then no other may bind or listen. */
	GIVES(0, listen(first, 1));
	FAILS(EADDRINUSE, listen(second, 1));
	set_option(third, SOL_SOCKET, SO_REUSEADDR, 1);
	FAILS(EADDRINUSE, bind(third, &own.any, own.bytes));
	GIVES(0, close(first));
	GIVES(0, listen(second, 1));
}

static void
reuse_port(void)
{
	struct address own = address_own(AF_INET, 0);
	int first = new_socket(AF_INET, 0), second = new_socket(AF_INET, 0),
	    third = new_socket(AF_INET, 0);

	set_option(first, SOL_SOCKET, SO_REUSEPORT, 1);
	set_option(second, SOL_SOCKET, SO_REUSEPORT, 1);
	GIVES(0, bind(first, &own.any, own.bytes));
	own = address_own(AF_INET, port_of(first));
	GIVES(0, bind(second, &own.any, own.bytes));
	FAILS(EADDRINUSE, bind(third, &own.any, own.bytes));
	GIVES(0, listen(first, 1));
	GIVES(0, listen(second, 1));
	set_option(third, SOL_SOCKET, SO_REUSEPORT, 1);
	GIVES(0, bind(third, &own.any, own.bytes));
	GIVES(0, listen(third, 1));
}

/* Each of several listeners on a port gets some of many connections, and all are accepted. */
static void
reuse_port_spread(void)
{
	struct address own = address_own(AF_INET, 0);
	int listeners[3], n, got[3] = {0, 0, 0};

	for (int i = 0; i < 3; i++) {
		listeners[i] = new_socket(AF_INET, SOCK_NONBLOCK);
		set_option(listeners[i], SOL_SOCKET, SO_REUSEPORT, 1);
		GIVES(0, bind(listeners[i], &own.any, own.bytes));
		own = address_own(AF_INET, port_of(listeners[i]));
		GIVES(0, listen(listeners[i], 60));
	}
	for (n = 0; n < 36; n++)
		if (peer_connect(&own) < 0)
			break;
	GIVES(36, n);
	for (int tries = 0; tries < 40 && got[0] + got[1] + got[2] < n; tries++) {
		for (int i = 0, fd; i < 3; i++)
			while ((fd = accept(listeners[i], NULL, NULL)) >= 0) {
				got[i]++;
				close(fd);
			}
		sleep_ms(20);
	}
	GIVES(36, got[0] + got[1] + got[2]);
	HOLDS(got[0] > 0 && got[1] > 0 && got[2] > 0);
}

static void
bind_wildcards(void)
{
	struct address any = address_wildcard(AF_INET, 0), own, any6;
	int first = new_socket(AF_INET, 0), second = new_socket(AF_INET, 0),
	    six = new_socket(AF_INET6, 0);

	GIVES(0, bind(first, &any.any, any.bytes));
	own = address_own(AF_INET, port_of(first));
	FAILS(EADDRINUSE, bind(second, &own.any, own.bytes));
	any6 = address_wildcard(AF_INET6, port_of(first));
	FAILS(EADDRINUSE, bind(six, &any6.any, any6.bytes));
	set_option(six, IPPROTO_IPV6, IPV6_V6ONLY, 1);
	GIVES(0, bind(six, &any6.any, any6.bytes));
}

static void
bind_privileged(void)
{
	struct address own = address_own(AF_INET, 0);
	int fd = new_socket(AF_INET, 0), other = new_socket(AF_INET, 0), port;

	/* As root. */
	for (port = 1023; port > 900; port--) {
		own.in.sin_port = htons((uint16_t)port);
		if (bind(fd, &own.any, own.bytes) == 0)
			break;
	}
	GIVES(port, port_of(fd));
	if (GIVES(0, seteuid(65534)) == 0) {
		own.in.sin_port = htons((uint16_t)(port - 1));
		FAILS(EACCES, bind(other, &own.any, own.bytes));
		GIVES(0, seteuid(0));
	}
}

static void
listen_states(void)
{
	int fd = new_socket(AF_INET, 0), acceptor;
	struct pair pair = connect_pair(AF_INET);

	GIVES(0, get_option(fd, SOL_SOCKET, SO_ACCEPTCONN));
	/* Not bound: any port. */
	GIVES(0, listen(fd, 3));
	HOLDS(port_of(fd) != 0);
	GIVES(1, get_option(fd, SOL_SOCKET, SO_ACCEPTCONN));
	/* Again: another backlog. */
	GIVES(0, listen(fd, 5));
	GIVES(0, listen(fd, -1));
	FAILS(EINVAL, listen(pair.fd, 1));
	acceptor = new_listener(AF_INET, 1);
	FAILS(EPIPE, send(acceptor, "x", 1, MSG_NOSIGNAL));
	FAILS(ENOTCONN, recv(acceptor, &fd, 1, 0));
}

const struct compare_case compare_open_cases[] = {
	{"socket_arguments", socket_arguments},
	{"lowest_number", lowest_number},
	{"bind_names", bind_names},
	{"bind_arguments", bind_arguments},
	{"bind_in_use", bind_in_use},
	{"reuse_address", reuse_address},
	{"reuse_port", reuse_port},
	{"reuse_port_spread", reuse_port_spread},
	{"bind_wildcards", bind_wildcards},
	{"bind_privileged", bind_privileged},
	{"listen_states", listen_states},
	{0},
};
