/* SPDX-License-Identifier: BSD-3-Clause */
/* The comparison test's cases of connect(). */
#include <fcntl.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include "compare.h"

/* A port of the peer's that refuses: it listened there, and has stopped. */
static struct address
closed_port(int family)
{
	uint16_t port = 0;

	peer_close(peer_listen(family, 1, &port));
	return address_peer(family, port);
}

/* A port of the peer's that does not answer: who connects there finds its backlog full. */
static struct address
silent_port(void)
{
	uint16_t port = 0;
	int listener = peer_listen(AF_INET, 0, &port);
	struct address to = address_peer(AF_INET, port);
	int first = new_socket(AF_INET, 0);

	if (listener < 0 || connect(first, &to.any, to.bytes) < 0)
		compare_give_up("a full backlog");
	return to;
}

static void
connect_arguments(void)
{
	struct address to = address_peer(AF_INET, 9), six = address_peer(AF_INET6, 9);
	int fd = new_socket(AF_INET, 0), fd6 = new_socket(AF_INET6, 0);

	FAILS(EBADF, connect(fd6 + 50, &to.any, to.bytes));
	FAILS(EINVAL, connect(fd, &to.any, 15));
	FAILS(EINVAL, connect(fd, &to.any, 1));
	FAILS(EINVAL, connect(fd, &to.any, (socklen_t)-1));
	FAILS(EAFNOSUPPORT, connect(fd, &six.any, six.bytes));
	FAILS(EINVAL, connect(fd6, &six.any, 20));
	FAILS(EINVAL, connect(fd6, &six.any, 1));
	HOLDS(connect(fd6, &to.any, to.bytes) == -1);
	GIVES(0, port_of(fd));
}

static void
connect_names(void)
{
	struct pair pair = connect_pair(AF_INET);
	struct address peer = address_peer(AF_INET, 0), own = address_own(AF_INET, 0), got;

	got.bytes = sizeof(got.storage);
	GIVES(0, getpeername(pair.fd, &got.any, &got.bytes));
	GIVES(sizeof(struct sockaddr_in), got.bytes);
	GIVES(peer.in.sin_addr.s_addr, got.in.sin_addr.s_addr);
	got.bytes = sizeof(got.storage);
	GIVES(0, getsockname(pair.fd, &got.any, &got.bytes));
	GIVES(own.in.sin_addr.s_addr, got.in.sin_addr.s_addr);
	HOLDS(ntohs(got.in.sin_port) >= 1024);
	FAILS(EISCONN, connect(pair.fd, &peer.any, peer.bytes));
	FAILS(EINVAL, bind(pair.fd, &own.any, own.bytes));
	GIVES(0, get_option(pair.fd, SOL_SOCKET, SO_ERROR));
}

static void
connect_at_once(void)
{
	uint16_t port = 0;
	int fd = new_socket(AF_INET, SOCK_NONBLOCK), listener = peer_listen(AF_INET, 4, &port);
	struct address to = address_peer(AF_INET, port);

	HOLDS(listener >= 0);
	FAILS(EINPROGRESS, connect(fd, &to.any, to.bytes));
	HOLDS(port_of(fd) != 0);
	HOLDS(await(fd, POLLOUT));
	POLLS(CAN_WRITE, fd);
	GIVES(0, get_option(fd, SOL_SOCKET, SO_ERROR));
	/* Once it says that it has succeeded. */
	GIVES(0, connect(fd, &to.any, to.bytes));
	FAILS(EISCONN, connect(fd, &to.any, to.bytes));
}

static void
connect_in_progress(void)
{
	struct address to = silent_port(), got = {.bytes = sizeof(got.storage)};
	int fd = new_socket(AF_INET, SOCK_NONBLOCK);
	char byte;

	FAILS(EINPROGRESS, connect(fd, &to.any, to.bytes));
	FAILS(EALREADY, connect(fd, &to.any, to.bytes));
	POLLS(0, fd);
	FAILS(EAGAIN, send(fd, "x", 1, MSG_NOSIGNAL));
	FAILS(EAGAIN, recv(fd, &byte, 1, 0));
	FAILS(ENOTCONN, getpeername(fd, &got.any, &got.bytes));
	FAILS(EINVAL, listen(fd, 1));
	/* Shut down while it connects: it is over. */
	FAILS(ENOTCONN, shutdown(new_socket(AF_INET, 0), SHUT_RDWR));
	GIVES(0, close(fd));
}

static void
connect_dissolved_early(void)
{
	struct address to = silent_port();
	struct sockaddr unspec = {.sa_family = AF_UNSPEC};
	int fd = new_socket(AF_INET, SOCK_NONBLOCK);

	FAILS(EINPROGRESS, connect(fd, &to.any, to.bytes));
	GIVES(0, connect(fd, &unspec, sizeof(unspec)));
	POLLS(CAN_WRITE | POLLERR | POLLHUP, fd);
	GIVES(ECONNRESET, get_option(fd, SOL_SOCKET, SO_ERROR));
	FAILS(EINPROGRESS, connect(fd, &to.any, to.bytes));
}

static void
connect_refused(void)
{
	struct address to = closed_port(AF_INET), six = closed_port(AF_INET6);
	int fd = new_socket(AF_INET, 0), fd6 = new_socket(AF_INET6, 0);
	char byte;

	FAILS(ECONNREFUSED, connect(fd, &to.any, to.bytes));
	POLLS(CAN_WRITE | POLLHUP, fd);
	GIVES(0, get_option(fd, SOL_SOCKET, SO_ERROR));
	FAILS(ECONNREFUSED, connect(fd, &to.any, to.bytes));
	FAILS(EPIPE, send(fd, "x", 1, MSG_NOSIGNAL));
	FAILS(ENOTCONN, recv(fd, &byte, 1, 0));
	FAILS(ECONNREFUSED, connect(fd6, &six.any, six.bytes));
}

static void
connect_refused_later(void)
{
	struct address to = closed_port(AF_INET);
	int fd = new_socket(AF_INET, SOCK_NONBLOCK), other = new_socket(AF_INET, SOCK_NONBLOCK);
	char byte;

	FAILS(EINPROGRESS, connect(fd, &to.any, to.bytes));
	HOLDS(await(fd, POLLOUT));
	POLLS(CAN_READ | CAN_WRITE | POLLERR | POLLHUP | POLLRDHUP, fd);
	GIVES(ECONNREFUSED, get_option(fd, SOL_SOCKET, SO_ERROR));
	GIVES(0, get_option(fd, SOL_SOCKET, SO_ERROR));
	POLLS(CAN_READ | CAN_WRITE | POLLHUP | POLLRDHUP, fd);
	/* The error was told already. */
	FAILS(ECONNABORTED, connect(fd, &to.any, to.bytes));

	FAILS(EINPROGRESS, connect(other, &to.any, to.bytes));
	HOLDS(await(other, POLLOUT));
	FAILS(ECONNREFUSED, connect(other, &to.any, to.bytes));
	GIVES(0, get_option(other, SOL_SOCKET, SO_ERROR));

	GIVES(0, close(fd));
	fd = new_socket(AF_INET, SOCK_NONBLOCK);
	FAILS(EINPROGRESS, connect(fd, &to.any, to.bytes));
	HOLDS(await(fd, POLLOUT));
	FAILS(ECONNREFUSED, recv(fd, &byte, 1, 0));
	GIVES(0, recv(fd, &byte, 1, 0));
}

static void
connect_own_port(void)
{
	uint16_t port = 0;
	int listener = peer_listen(AF_INET, 4, &port), fd = new_socket(AF_INET, 0);
	int second = new_socket(AF_INET, 0);
	struct address to = address_peer(AF_INET, port), own = address_own(AF_INET, 0);

	HOLDS(listener >= 0);
	GIVES(0, bind(fd, &own.any, own.bytes));
	own = address_own(AF_INET, port_of(fd));
	GIVES(0, connect(fd, &to.any, to.bytes));
	GIVES(ntohs(own.in.sin_port), port_of(fd));
	/* The same four numbers are one connection. */
	set_option(second, SOL_SOCKET, SO_REUSEADDR, 1);
	FAILS(EADDRINUSE, bind(second, &own.any, own.bytes));
}

static void
connect_dissolved(void)
{
	struct pair pair = connect_pair(AF_INET);
	struct sockaddr unspec = {.sa_family = AF_UNSPEC};
	struct address to, got = {.bytes = sizeof(got.storage)};
	uint16_t port = 0;
	int listener;

	GIVES(0, connect(pair.fd, &unspec, sizeof(unspec)));
	FAILS(ENOTCONN, getpeername(pair.fd, &got.any, &got.bytes));
	HOLDS(peer_at_end(pair.peer) == -ECONNRESET);
	POLLS(CAN_WRITE | POLLERR | POLLHUP, pair.fd);
	GIVES(ECONNRESET, get_option(pair.fd, SOL_SOCKET, SO_ERROR));
	listener = peer_listen(AF_INET, 1, &port);
	to = address_peer(AF_INET, port);
	GIVES(0, connect(pair.fd, &to.any, to.bytes));
	HOLDS(peer_accept(listener) >= 0);
	GIVES(1, send(pair.fd, "x", 1, 0));
}

static void
connect_from_listener(void)
{
	int fd = new_listener(AF_INET, 1);
	struct address to = address_peer(AF_INET, 9);
	struct sockaddr unspec = {.sa_family = AF_UNSPEC};

	FAILS(EISCONN, connect(fd, &to.any, to.bytes));
	/* Dissolves the listener, which keeps its address. */
	GIVES(0, connect(fd, &unspec, sizeof(unspec)));
	GIVES(0, get_option(fd, SOL_SOCKET, SO_ACCEPTCONN));
	GIVES(0, listen(fd, 1));
}

static void
connect_time_out(void)
{
	struct address to = silent_port();
	struct timeval limit = {.tv_usec = 200000};
	int fd = new_socket(AF_INET, 0);
	int64_t begin;

	GIVES(0, setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)));
	begin = now_ms();
	FAILS(EINPROGRESS, connect(fd, &to.any, to.bytes));
	HOLDS(now_ms() - begin >= 195 && now_ms() - begin < 900);
	FAILS(EALREADY, connect(fd, &to.any, to.bytes));
	POLLS(0, fd);
}

static void
connect_gives_up(void)
{
	struct address to = silent_port();
	int fd = new_socket(AF_INET, 0), one = 1, ms = 1500;
	int64_t begin = now_ms();

	GIVES(0, setsockopt(fd, IPPROTO_TCP, 7 /* TCP_SYNCNT */, &one, sizeof(one)));
	GIVES(0, setsockopt(fd, IPPROTO_TCP, 18 /* TCP_USER_TIMEOUT */, &ms, sizeof(ms)));
	FAILS(ETIMEDOUT, connect(fd, &to.any, to.bytes));
	HOLDS(now_ms() - begin >= 900 && now_ms() - begin < 4500);
	GIVES(0, get_option(fd, SOL_SOCKET, SO_ERROR));
}

static void
connect_nowhere(void)
{
	int fd = new_socket(AF_INET, 0), fd6 = new_socket(AF_INET6, 0), broadcast;
	struct address nobody = address_text("198.18.0.254", 9);
	struct address many = address_text("255.255.255.255", 9),
		       group6 = address_text("ff02::1", 9);
	struct timeval limit = {.tv_sec = 10};

	broadcast = new_socket(AF_INET, 0);
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	/* No neighbour answers. */
	FAILS(EHOSTUNREACH, connect(fd, &nobody.any, nobody.bytes));
	FAILS(ENETUNREACH, connect(broadcast, &many.any, many.bytes));
	FAILS(ENETUNREACH, connect(fd6, &group6.any, group6.bytes));
}

const struct compare_case compare_connect_cases[] = {
	{"connect_arguments", connect_arguments},
	{"connect_names", connect_names},
	{"connect_at_once", connect_at_once},
	{"connect_in_progress", connect_in_progress},
	{"connect_dissolved_early", connect_dissolved_early},
	{"connect_refused", connect_refused},
	{"connect_refused_later", connect_refused_later},
	{"connect_own_port", connect_own_port},
	{"connect_dissolved", connect_dissolved},
	{"connect_from_listener", connect_from_listener},
	{"connect_time_out", connect_time_out},
	{"connect_gives_up", connect_gives_up},
	{"connect_nowhere", connect_nowhere},
	{0},
};
