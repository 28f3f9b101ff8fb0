/* SPDX-License-Identifier: BSD-3-Clause */
/* The comparison test's cases of accept() and accept4(). */
#include <fcntl.h>
#include <netinet/tcp.h>
#include <string.h>
#include <unistd.h>

#include "compare.h"

static void
accept_arguments(void)
{
	int fd = new_socket(AF_INET, 0), listener = new_listener(AF_INET, 4), pipes[2];
	struct pair pair = connect_pair(AF_INET);

	FAILS(EINVAL, accept(fd, NULL, NULL));
	FAILS(EINVAL, accept(pair.fd, NULL, NULL));
	FAILS(EINVAL, accept4(listener, NULL, NULL, 1));
	FAILS(EBADF, accept(pair.fd + 50, NULL, NULL));
	GIVES(0, pipe(pipes));
	FAILS(ENOTSOCK, accept(pipes[0], NULL, NULL));
	GIVES(0, fcntl(listener, F_SETFL, O_NONBLOCK));
	FAILS(EAGAIN, accept(listener, NULL, NULL));
	POLLS(0, listener);
}

static void
accept_address(void)
{
	int listener = new_listener(AF_INET, 4), fd;
	struct address to = address_own(AF_INET, port_of(listener)), got = {0},
		       peer = address_peer(AF_INET, 0);

	HOLDS(peer_connect(&to) >= 0);
	HOLDS(peer_connect(&to) >= 0);
	HOLDS(peer_connect(&to) >= 0);
	HOLDS(await(listener, POLLIN));
	POLLS(CAN_READ, listener);
	got.bytes = sizeof(got.storage);
	HOLDS((fd = accept(listener, &got.any, &got.bytes)) >= 0);
	GIVES(sizeof(struct sockaddr_in), got.bytes);
	GIVES(AF_INET, got.in.sin_family);
	GIVES(peer.in.sin_addr.s_addr, got.in.sin_addr.s_addr);
	HOLDS(got.in.sin_port != 0);
	GIVES(ntohs(to.in.sin_port), port_of(fd));
	/* Cut, but told whole. */
	memset(&got.storage, 0xee, sizeof(got.storage));
	got.bytes = 3;
	HOLDS(accept(listener, &got.any, &got.bytes) >= 0);
	GIVES(sizeof(struct sockaddr_in), got.bytes);
	GIVES(0xee, ((unsigned char *)&got.storage)[3]);
	GIVES(AF_INET, got.any.sa_family);
	/* A bad length is found too late for the connection. */
	got.bytes = (socklen_t)-1;
	FAILS(EINVAL, accept(listener, &got.any, &got.bytes));
	POLLS(0, listener);
}

static void
accept_flags(void)
{
	int listener = new_listener(AF_INET, 4), fd;
	struct address to = address_own(AF_INET, port_of(listener));

	/* Neither is inherited. */
	GIVES(0, fcntl(listener, F_SETFL, O_NONBLOCK));
	GIVES(0, fcntl(listener, F_SETFD, FD_CLOEXEC));
	HOLDS(peer_connect(&to) >= 0);
	HOLDS(peer_connect(&to) >= 0);
	HOLDS(await(listener, POLLIN));
	HOLDS((fd = accept(listener, NULL, NULL)) >= 0);
	GIVES(O_RDWR, fcntl(fd, F_GETFL));
	GIVES(0, fcntl(fd, F_GETFD));
	HOLDS(await(listener, POLLIN));
	HOLDS((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0);
	GIVES(O_RDWR | O_NONBLOCK, fcntl(fd, F_GETFL));
	GIVES(FD_CLOEXEC, fcntl(fd, F_GETFD));
	FAILS(EAGAIN, accept(listener, NULL, NULL));
}

static void
accept_inherits(void)
{
	int listener = new_listener(AF_INET, 4), fd;
	struct address to = address_own(AF_INET, port_of(listener));
	struct linger linger = {1, 5}, got = {0, 0};
	socklen_t bytes = sizeof(got);

	set_option(listener, IPPROTO_TCP, TCP_NODELAY, 1);
	set_option(listener, IPPROTO_TCP, TCP_KEEPIDLE, 77);
	set_option(listener, SOL_SOCKET, SO_KEEPALIVE, 1);
	set_option(listener, SOL_SOCKET, SO_RCVBUF, 50000);
	set_option(listener, SOL_SOCKET, SO_SNDBUF, 60000);
	set_option(listener, SOL_SOCKET, SO_REUSEADDR, 1);
	set_option(listener, IPPROTO_IP, IP_TOS, 0x10);
	GIVES(0, setsockopt(listener, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)));
	HOLDS(peer_connect(&to) >= 0);
	HOLDS((fd = accept(listener, NULL, NULL)) >= 0);
	GIVES(1, get_option(fd, IPPROTO_TCP, TCP_NODELAY));
	GIVES(77, get_option(fd, IPPROTO_TCP, TCP_KEEPIDLE));
	GIVES(1, get_option(fd, SOL_SOCKET, SO_KEEPALIVE));
	GIVES(100000, get_option(fd, SOL_SOCKET, SO_RCVBUF));
	GIVES(120000, get_option(fd, SOL_SOCKET, SO_SNDBUF));
	GIVES(1, get_option(fd, SOL_SOCKET, SO_REUSEADDR));
	GIVES(0x10, get_option(fd, IPPROTO_IP, IP_TOS));
	GIVES(0, getsockopt(fd, SOL_SOCKET, SO_LINGER, &got, &bytes));
	GIVES(5, got.l_linger);
	GIVES(0, get_option(fd, SOL_SOCKET, SO_ACCEPTCONN));
}

/* A connection that its peer reset waits to be accepted all the same; so does its data. */
static void
accept_reset(void)
{
	int listener = new_listener(AF_INET, 4), fd, peer;
	struct address to = address_own(AF_INET, port_of(listener)),
		       got = {.bytes = sizeof(got.storage)};
	char byte;

	HOLDS((peer = peer_connect(&to)) >= 0);
	GIVES(1, peer_send(peer, 1, 0));
	HOLDS(await(listener, POLLIN));
	GIVES(0, peer_reset(peer));
	sleep_ms(50);
	POLLS(CAN_READ, listener);
	HOLDS((fd = accept(listener, &got.any, &got.bytes)) >= 0);
	GIVES(sizeof(struct sockaddr_in), got.bytes);
	POLLS(CAN_READ | CAN_WRITE | POLLERR | POLLHUP | POLLRDHUP, fd);
	GIVES(1, recv(fd, &byte, 1, 0));
	FAILS(ECONNRESET, recv(fd, &byte, 1, 0));
	GIVES(0, recv(fd, &byte, 1, 0));
	FAILS(ENOTCONN, getpeername(fd, &got.any, &got.bytes));
}

static void
accept_ended(void)
{
	int listener = new_listener(AF_INET, 4), fd, peer;
	struct address to = address_own(AF_INET, port_of(listener));
	char bytes[8];

	HOLDS((peer = peer_connect(&to)) >= 0);
	GIVES(3, peer_send(peer, 3, 0));
	GIVES(0, peer_close(peer));
	sleep_ms(50);
	HOLDS((fd = accept(listener, NULL, NULL)) >= 0);
	HOLDS(await(fd, POLLRDHUP));
	POLLS(CAN_READ | CAN_WRITE | POLLRDHUP, fd);
	GIVES(3, recv(fd, bytes, sizeof(bytes), 0));
	GIVES(0, recv(fd, bytes, sizeof(bytes), 0));
	POLLS(CAN_READ | CAN_WRITE | POLLRDHUP, fd);
}

/* How many wait to be accepted. */
static uint32_t
waiting_at(int listener)
{
	struct tcp_info info = {0};
	socklen_t bytes = sizeof(info);

	if (getsockopt(listener, IPPROTO_TCP, TCP_INFO, &info, &bytes) < 0)
		compare_give_up("TCP_INFO");
	return info.tcpi_unacked;
}

/* They come out in the order in which they went in. */
static void
accept_order(void)
{
	int listener = new_listener(AF_INET, 4), fd, peers[3];
	struct address to = address_own(AF_INET, port_of(listener));
	char bytes[8];

	for (int i = 0; i < 3; i++) {
		HOLDS((peers[i] = peer_connect(&to)) >= 0);
		GIVES(i + 1, peer_send(peers[i], i + 1, 0));
		for (int k = 0; k < 200 && waiting_at(listener) < (uint32_t)i + 1; k++)
			sleep_ms(10);
		HOLDS(waiting_at(listener) == (uint32_t)i + 1);
	}
	sleep_ms(50);
	for (int i = 0; i < 3; i++) {
		HOLDS((fd = accept(listener, NULL, NULL)) >= 0);
		HOLDS(await(fd, POLLIN));
		GIVES(i + 1, recv(fd, bytes, sizeof(bytes), 0));
	}
}

/* Whoever waits in the queue of a listener that closes is reset. */
static void
accept_never(void)
{
	int listener = new_listener(AF_INET, 4), peer;
	struct address to = address_own(AF_INET, port_of(listener));
	char byte;

	HOLDS((peer = peer_connect(&to)) >= 0);
	HOLDS(await(listener, POLLIN));
	FAILS(EPIPE, send(listener, "a", 1, MSG_NOSIGNAL));
	FAILS(ENOTCONN, recv(listener, &byte, 1, 0));
	GIVES(0, close(listener));
	GIVES(-ECONNRESET, peer_at_end(peer));
	GIVES(-ECONNREFUSED, peer_connect(&to));
}

/* shutdown() of a listener ends it, wakes nobody but accept(), and it may listen again. */
static void
accept_shut(void)
{
	int listener = new_listener(AF_INET, 4);
	struct address to = address_own(AF_INET, port_of(listener));

	GIVES(0, shutdown(listener, SHUT_WR));
	POLLS(0, listener);
	GIVES(0, shutdown(listener, SHUT_RD));
	FAILS(EINVAL, accept(listener, NULL, NULL));
	GIVES(-ECONNREFUSED, peer_connect(&to));
	POLLS(CAN_WRITE | POLLHUP, listener);
	GIVES(0, listen(listener, 1));
	/* The port was any, and may be another one now. */
	to = address_own(AF_INET, port_of(listener));
	HOLDS(peer_connect(&to) >= 0);
	HOLDS(accept(listener, NULL, NULL) >= 0);
}

const struct compare_case compare_accept_cases[] = {
	{"accept_arguments", accept_arguments}, {"accept_address", accept_address},
	{"accept_flags", accept_flags},         {"accept_inherits", accept_inherits},
	{"accept_reset", accept_reset},         {"accept_ended", accept_ended},
	{"accept_order", accept_order},         {"accept_never", accept_never},
	{"accept_shut", accept_shut},           {0},
};
