/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The comparison test's cases of Fast Open: TCP_FASTOPEN_CONNECT, connect() without a cookie, and
 * the connect() that is deferred to the first write.
 */
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/time.h>
#include <unistd.h>

#include "compare_fastopen.h"

enum {
	IOCTL_OUTQ = 0x5411, /* SIOCOUTQ */
};

/* ---- What the cases share */

struct server
serve(int family, int qlen)
{
	uint16_t port = 0;
	struct server server = {.handle = peer_listen(family, 8, &port)};

	if (server.handle < 0 ||
	    (qlen > 0 && peer_set(server.handle, IPPROTO_TCP, TCP_FASTOPEN, qlen) < 0))
		compare_give_up("the peer's listener");
	server.at = address_peer(family, port);
	return server;
}

struct server
serve_silently(int family)
{
	uint16_t port = 0;
	struct server server = {.handle = peer_listen(family, 0, &port)};
	int first = new_socket(family, 0);

	server.at = address_peer(family, port);
	if (server.handle < 0 || connect(first, &server.at.any, server.at.bytes) < 0 ||
	    peer_set(server.handle, IPPROTO_TCP, TCP_FASTOPEN, QLEN) < 0)
		compare_give_up("a full backlog");
	return server;
}

void
make_room(struct server *server)
{
	if (peer_accept(server->handle) < 0)
		compare_give_up("the peer's accept");
}

struct address
refusing(int family)
{
	struct server server = serve(family, 0);

	peer_close(server.handle);
	return server.at;
}

void
forget_cookies(void)
{
	if (peer_hands("flush own") < 0)
		compare_give_up("COMPARE_HANDS flush own");
}

void
know_cookie(int family)
{
	struct server server = serve(family, QLEN);
	int fd = early_socket(family, 0), peer;

	forget_cookies();
	if (connect(fd, &server.at.any, server.at.bytes) < 0)
		compare_give_up("connect for a cookie");
	peer = peer_accept(server.handle);
	/* The peer has closed first: its port is the one that waits. */
	peer_close(peer);
	close(fd);
	peer_close(server.handle);
}

int
early_socket(int family, int flags)
{
	int fd = new_socket(family, flags);

	set_option(fd, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, 1);
	return fd;
}

int
deferred(const struct address *to, int flags)
{
	int fd = early_socket(to->any.sa_family, flags);

	if (connect(fd, &to->any, to->bytes) < 0)
		compare_give_up("a deferred connect");
	if (!HOLDS(state_of(fd) == STATE_SYN_SENT && info_of(fd).tcpi_segs_out == 0))
		compare_give_up("connect was not deferred");
	return fd;
}

struct tcp_info
info_of(int fd)
{
	struct tcp_info info = {0};
	socklen_t bytes = sizeof(info);

	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &bytes) < 0)
		compare_give_up("TCP_INFO");
	return info;
}

int
state_of(int fd)
{
	return info_of(fd).tcpi_state;
}

int
fail_of(int fd)
{
	return info_of(fd).tcpi_fastopen_client_fail;
}

bool
was_syn_data(int fd)
{
	return (info_of(fd).tcpi_options & OPT_SYN_DATA) != 0;
}

void *
pattern_bytes(size_t at, size_t n)
{
	static uint8_t bytes[1 << 20];

	if (n > sizeof(bytes))
		compare_give_up("so much of the pattern");
	for (size_t i = 0; i < n; i++)
		bytes[i] = pattern(at + i);
	return bytes;
}

static void
set_limit(int fd, int name, int ms)
{
	struct timeval limit = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};

	if (setsockopt(fd, SOL_SOCKET, name, &limit, sizeof(limit)) < 0)
		compare_give_up("a limit");
}

void
limit_send(int fd, int ms)
{
	set_limit(fd, SO_SNDTIMEO, ms);
}

void
limit_receive(int fd, int ms)
{
	set_limit(fd, SO_RCVTIMEO, ms);
}

void
is_early(int fd, const struct server *server, int bytes)
{
	int peer;

	HOLDS(await(fd, POLLOUT));
	GIVES(STATE_ESTABLISHED, state_of(fd));
	HOLDS(was_syn_data(fd));
	GIVES(FAIL_NONE, fail_of(fd));
	peer = peer_accept(server->handle);
	GIVES(OPT_SYN_DATA | OPT_CHILD, peer_info(peer) & (OPT_SYN_DATA | OPT_CHILD));
	GIVES(bytes, peer_receive(peer, bytes));
	GIVES(0, close(fd));
	GIVES(0, peer_at_end(peer));
}

/* ---- TCP_FASTOPEN_CONNECT */

static int
set_early(int fd, int value, socklen_t bytes)
{
	return setsockopt(fd, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, &value, bytes);
}

static void
early_values(void)
{
	int fd = new_socket(AF_INET, 0), fd6 = new_socket(AF_INET6, 0);

	GIVES(0, get_option(fd, IPPROTO_TCP, TCP_FASTOPEN_CONNECT));
	FAILS(EINVAL, set_early(fd, 1, 3));
	FAILS(EINVAL, set_early(fd, 2, 4));
	FAILS(EINVAL, set_early(fd, -1, 4));
	FAILS(EFAULT, setsockopt(fd, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, NULL, 4));
	GIVES(0, get_option(fd, IPPROTO_TCP, TCP_FASTOPEN_CONNECT));
	GIVES(0, set_early(fd, 1, 4));
	GIVES(1, get_option(fd, IPPROTO_TCP, TCP_FASTOPEN_CONNECT));
	GIVES(0, set_early(fd, 1, 4));
	GIVES(0, set_early(fd, 0, 4));
	GIVES(0, get_option(fd, IPPROTO_TCP, TCP_FASTOPEN_CONNECT));
	GIVES(0, set_early(fd6, 1, 4));
	GIVES(1, get_option(fd6, IPPROTO_TCP, TCP_FASTOPEN_CONNECT));
}

static void
early_states(void)
{
	struct pair pair = connect_pair(AF_INET), accepted = accept_pair(AF_INET);
	int listener = new_listener(AF_INET, 1), fd;
	struct server server = serve(AF_INET, QLEN);

	FAILS(EINVAL, set_early(pair.fd, 1, 4));
	FAILS(EINVAL, set_early(pair.fd, 0, 4));
	FAILS(EINVAL, set_early(accepted.fd, 1, 4));
	FAILS(EINVAL, set_early(listener, 1, 4));
	know_cookie(AF_INET);
	fd = deferred(&server.at, 0);
	FAILS(EINVAL, set_early(fd, 0, 4));
	FAILS(EINVAL, set_early(fd, 1, 4));
	GIVES(1, get_option(fd, IPPROTO_TCP, TCP_FASTOPEN_CONNECT));
	GIVES(5, send(fd, pattern_bytes(0, 5), 5, 0));
	GIVES(1, get_option(fd, IPPROTO_TCP, TCP_FASTOPEN_CONNECT));
	FAILS(EINVAL, set_early(fd, 1, 4));
}

/* ---- Without a cookie */

static void
no_cookie(int family)
{
	struct server server = serve(family, QLEN);
	int fd = early_socket(family, 0), second;

	forget_cookies();
	GIVES(0, connect(fd, &server.at.any, server.at.bytes));
	GIVES(STATE_ESTABLISHED, state_of(fd));
	GIVES(1, get_option(fd, IPPROTO_TCP, TCP_FASTOPEN_CONNECT));
	HOLDS(!was_syn_data(fd));
	GIVES(FAIL_COOKIE, fail_of(fd));
	HOLDS(peer_accept(server.handle) >= 0);
	FAILS(EISCONN, connect(fd, &server.at.any, server.at.bytes));
	/* It has brought the cookie. */
	second = early_socket(family, 0);
	GIVES(0, connect(second, &server.at.any, server.at.bytes));
	GIVES(STATE_SYN_SENT, state_of(second));
	GIVES(0, peer_quiet(server.handle, 100));
}

static void
no_cookie4(void)
{
	no_cookie(AF_INET);
}

static void
no_cookie6(void)
{
	no_cookie(AF_INET6);
}

static void
no_cookie_in_progress(void)
{
	struct server server = serve_silently(AF_INET);
	int fd = early_socket(AF_INET, SOCK_NONBLOCK);
	char byte;

	forget_cookies();
	FAILS(EINPROGRESS, connect(fd, &server.at.any, server.at.bytes));
	FAILS(EALREADY, connect(fd, &server.at.any, server.at.bytes));
	FAILS(EAGAIN, send(fd, "x", 1, 0));
	FAILS(EAGAIN, recv(fd, &byte, 1, 0));
	FAILS(EALREADY, sendto(fd, "x", 1, MSG_FASTOPEN, &server.at.any, server.at.bytes));
	POLLS(0, fd);
	GIVES(1, info_of(fd).tcpi_segs_out);
	make_room(&server);
	HOLDS(await(fd, POLLOUT));
	POLLS(CAN_WRITE, fd);
	GIVES(0, connect(fd, &server.at.any, server.at.bytes));
	FAILS(EISCONN, connect(fd, &server.at.any, server.at.bytes));
	GIVES(3, send(fd, pattern_bytes(0, 3), 3, 0));
	GIVES(3, peer_receive(peer_accept(server.handle), 3));
}

/* A server that knows nothing of it: no cookie comes, and nothing is deferred, ever. */
static void
no_cookie_given(void)
{
	struct server server = serve(AF_INET, 0);

	forget_cookies();
	for (int i = 0; i < 3; i++) {
		int fd = early_socket(AF_INET, 0);

		GIVES(0, connect(fd, &server.at.any, server.at.bytes));
		GIVES(STATE_ESTABLISHED, state_of(fd));
		GIVES(FAIL_COOKIE, fail_of(fd));
	}
}

/* ---- Deferred */

static void
deferred_looks(int family)
{
	struct server server = serve(family, QLEN);
	struct address own = address_own(family, 0), got = {.bytes = sizeof(got.storage)};
	int fd = early_socket(family, SOCK_NONBLOCK), set = epoll_create1(0), n = -1;
	struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLWRNORM | EPOLLRDHUP};
	char byte;

	know_cookie(family);
	GIVES(0, connect(fd, &server.at.any, server.at.bytes));
	GIVES(STATE_SYN_SENT, state_of(fd));
	GIVES(0, info_of(fd).tcpi_segs_out);
	GIVES(0, info_of(fd).tcpi_unacked);
	POLLS(CAN_WRITE, fd);
	GIVES(0, epoll_ctl(set, EPOLL_CTL_ADD, fd, &event));
	GIVES(1, epoll_wait(set, &event, 1, 0));
	GIVES(EPOLLOUT | EPOLLWRNORM, event.events);
	GIVES(0, get_option(fd, SOL_SOCKET, SO_ERROR));
	GIVES(0, ioctl(fd, IOCTL_OUTQ, &n));
	GIVES(0, n);
	GIVES(0, getsockname(fd, &got.any, &got.bytes));
	if (family == AF_INET)
		HOLDS(got.in.sin_addr.s_addr == own.in.sin_addr.s_addr);
	else
		HOLDS(memcmp(&got.in6.sin6_addr, &own.in6.sin6_addr, 16) == 0);
	HOLDS(ntohs(got.in.sin_port) >= 1024);
	got.bytes = sizeof(got.storage);
	FAILS(ENOTCONN, getpeername(fd, &got.any, &got.bytes));
	FAILS(EAGAIN, recv(fd, &byte, 1, 0));
	GIVES(0, peer_quiet(server.handle, 150));
	POLLS(CAN_WRITE, fd);
	GIVES(0, info_of(fd).tcpi_segs_out);
}

static void
deferred_looks4(void)
{
	deferred_looks(AF_INET);
}

static void
deferred_looks6(void)
{
	deferred_looks(AF_INET6);
}

static void
deferred_blocking(void)
{
	struct server server = serve(AF_INET, QLEN);
	int64_t begin;
	char byte;
	int fd;

	know_cookie(AF_INET);
	fd = deferred(&server.at, 0);
	limit_receive(fd, 120);
	begin = now_ms();
	FAILS(EAGAIN, recv(fd, &byte, 1, 0));
	HOLDS(now_ms() - begin >= 118 && now_ms() - begin < 700);
	FAILS(EAGAIN, recv(fd, &byte, 1, MSG_DONTWAIT));
	limit_send(fd, 120);
	begin = now_ms();
	FAILS(EISCONN, connect(fd, &server.at.any, server.at.bytes));
	HOLDS(now_ms() - begin >= 118 && now_ms() - begin < 700);
	GIVES(STATE_SYN_SENT, state_of(fd));
	GIVES(0, peer_quiet(server.handle, 100));
	GIVES(4, send(fd, pattern_bytes(0, 4), 4, 0));
	GIVES(4, peer_receive(peer_accept(server.handle), 4));
}

static void
deferred_calls(void)
{
	struct server server = serve(AF_INET, QLEN);
	struct address elsewhere = address_peer(AF_INET, 9), own = address_own(AF_INET, 0);
	int fd, value = 1;

	know_cookie(AF_INET);
	fd = deferred(&server.at, SOCK_NONBLOCK);
	FAILS(EISCONN, connect(fd, &server.at.any, server.at.bytes));
	FAILS(EISCONN, connect(fd, &elsewhere.any, elsewhere.bytes));
	FAILS(EINVAL, listen(fd, 1));
	FAILS(EINVAL, accept(fd, NULL, NULL));
	FAILS(EINVAL, bind(fd, &own.any, own.bytes));
	FAILS(EINVAL, setsockopt(fd, IPPROTO_TCP, TCP_FASTOPEN, &value, sizeof(value)));
	FAILS(EINVAL, setsockopt(fd, IPPROTO_TCP, TCP_FASTOPEN_NO_COOKIE, &value, sizeof(value)));
	POLLS(CAN_WRITE, fd);
	GIVES(0, info_of(fd).tcpi_segs_out);
}

/* Its 4-tuple is taken, although nothing was sent. */
static void
deferred_taken(void)
{
	struct server server = serve(AF_INET, QLEN);
	struct address own = address_own(AF_INET, 0);
	int first = early_socket(AF_INET, 0), second = new_socket(AF_INET, 0);

	know_cookie(AF_INET);
	set_option(first, SOL_SOCKET, SO_REUSEADDR, 1);
	set_option(second, SOL_SOCKET, SO_REUSEADDR, 1);
	GIVES(0, bind(first, &own.any, own.bytes));
	own = address_own(AF_INET, port_of(first));
	GIVES(0, bind(second, &own.any, own.bytes));
	GIVES(0, connect(first, &server.at.any, server.at.bytes));
	GIVES(STATE_SYN_SENT, state_of(first));
	FAILS(EADDRNOTAVAIL, connect(second, &server.at.any, server.at.bytes));
	GIVES(0, close(first));
	GIVES(0, connect(second, &server.at.any, server.at.bytes));
}

static void
deferred_closed(void)
{
	struct server server = serve(AF_INET, QLEN);

	know_cookie(AF_INET);
	GIVES(0, close(deferred(&server.at, 0)));
	GIVES(0, peer_quiet(server.handle, 200));
}

/* The one error of a deferred connection that is over, and what comes after it. */
static void
is_over(int fd)
{
	GIVES(STATE_CLOSE, state_of(fd));
	GIVES(0, info_of(fd).tcpi_segs_out);
	POLLS(CAN_WRITE | POLLERR | POLLHUP, fd);
}

static void
deferred_shut(int how)
{
	struct server server = serve(AF_INET, QLEN);
	int fd, other;

	know_cookie(AF_INET);
	fd = deferred(&server.at, 0);
	GIVES(0, shutdown(fd, how));
	is_over(fd);
	GIVES(ECONNRESET, get_option(fd, SOL_SOCKET, SO_ERROR));
	GIVES(0, get_option(fd, SOL_SOCKET, SO_ERROR));
	POLLS(CAN_WRITE | POLLHUP, fd);
	FAILS(EPIPE, send(fd, "x", 1, MSG_NOSIGNAL));

	other = deferred(&server.at, SOCK_NONBLOCK);
	GIVES(0, shutdown(other, how));
	is_over(other);
	FAILS(ECONNRESET, send(other, "x", 1, MSG_NOSIGNAL));
	FAILS(EPIPE, send(other, "x", 1, MSG_NOSIGNAL));
	POLLS(CAN_WRITE | POLLHUP, other);
	GIVES(0, peer_quiet(server.handle, 100));
}

static void
deferred_shut_read(void)
{
	deferred_shut(SHUT_RD);
}

static void
deferred_shut_write(void)
{
	deferred_shut(SHUT_WR);
}

static void
deferred_shut_both(void)
{
	deferred_shut(SHUT_RDWR);
}

static void
deferred_dissolved(void)
{
	struct server server = serve(AF_INET, QLEN);
	struct sockaddr unspec = {.sa_family = AF_UNSPEC};
	int fd;

	know_cookie(AF_INET);
	fd = deferred(&server.at, SOCK_NONBLOCK);
	GIVES(0, connect(fd, &unspec, sizeof(unspec)));
	is_over(fd);
	GIVES(ECONNRESET, get_option(fd, SOL_SOCKET, SO_ERROR));
	GIVES(0, get_option(fd, SOL_SOCKET, SO_ERROR));
	GIVES(1, get_option(fd, IPPROTO_TCP, TCP_FASTOPEN_CONNECT));
	GIVES(0, connect(fd, &server.at.any, server.at.bytes));
	GIVES(STATE_SYN_SENT, state_of(fd));
	GIVES(6, send(fd, pattern_bytes(0, 6), 6, 0));
	GIVES(6, peer_receive(peer_accept(server.handle), 6));
}

/* Nobody is there to keep alive, and nothing waits for an answer. */
static void
deferred_for_long(void)
{
	struct server server = serve(AF_INET, QLEN);
	int fd;

	know_cookie(AF_INET);
	fd = deferred(&server.at, SOCK_NONBLOCK);
	set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
	set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, 1);
	set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, 1);
	set_option(fd, IPPROTO_TCP, TCP_KEEPCNT, 1);
	set_option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, 500);
	sleep_ms(3200);
	GIVES(STATE_SYN_SENT, state_of(fd));
	POLLS(CAN_WRITE, fd);
	GIVES(0, info_of(fd).tcpi_segs_out);
	GIVES(7, send(fd, pattern_bytes(0, 7), 7, 0));
	GIVES(7, peer_receive(peer_accept(server.handle), 7));
}

/* The cookie is forgotten before the first write. */
static void
deferred_without(void)
{
	struct server server = serve(AF_INET, QLEN);
	int fd, peer;

	know_cookie(AF_INET);
	fd = deferred(&server.at, SOCK_NONBLOCK);
	forget_cookies();
	GIVES(STATE_SYN_SENT, state_of(fd));
	FAILS(EINPROGRESS, send(fd, pattern_bytes(0, 100), 100, 0));
	HOLDS(await(fd, POLLOUT));
	GIVES(STATE_ESTABLISHED, state_of(fd));
	HOLDS(!was_syn_data(fd));
	GIVES(FAIL_COOKIE, fail_of(fd));
	/* Nothing of it was queued. */
	GIVES(5, send(fd, pattern_bytes(0, 5), 5, 0));
	peer = peer_accept(server.handle);
	GIVES(5, peer_receive(peer, 5));
	GIVES(0, close(fd));
	GIVES(0, peer_at_end(peer));

	know_cookie(AF_INET);
	fd = deferred(&server.at, 0);
	forget_cookies();
	GIVES(100, send(fd, pattern_bytes(0, 100), 100, 0));
	HOLDS(!was_syn_data(fd));
	GIVES(100, peer_receive(peer_accept(server.handle), 100));
}

/* There is no way there: that is said at once. */
static void
deferred_nowhere(void)
{
	struct address many = address_text("255.255.255.255", 9);
	struct address group6 = address_text("ff02::1", 9);
	int fd = early_socket(AF_INET, 0), fd6 = early_socket(AF_INET6, 0);

	FAILS(ENETUNREACH, connect(fd, &many.any, many.bytes));
	FAILS(ENETUNREACH, connect(fd6, &group6.any, group6.bytes));
}

const struct compare_case compare_fastopen_cases[] = {
	{"early_values", early_values},
	{"early_states", early_states},
	{"no_cookie4", no_cookie4},
	{"no_cookie6", no_cookie6},
	{"no_cookie_in_progress", no_cookie_in_progress},
	{"no_cookie_given", no_cookie_given},
	{"deferred_looks4", deferred_looks4},
	{"deferred_looks6", deferred_looks6},
	{"deferred_blocking", deferred_blocking},
	{"deferred_calls", deferred_calls},
	{"deferred_taken", deferred_taken},
	{"deferred_closed", deferred_closed},
	{"deferred_shut_read", deferred_shut_read},
	{"deferred_shut_write", deferred_shut_write},
	{"deferred_shut_both", deferred_shut_both},
	{"deferred_dissolved", deferred_dissolved},
	{"deferred_for_long", deferred_for_long},
	{"deferred_without", deferred_without},
	{"deferred_nowhere", deferred_nowhere},
	{0},
};
