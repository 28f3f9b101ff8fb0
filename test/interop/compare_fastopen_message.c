/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The comparison test's cases of Fast Open: MSG_FASTOPEN, TCP_FASTOPEN_NO_COOKIE, and what comes
 * back for a SYN with data.
 */
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "compare_fastopen.h"

/* ---- MSG_FASTOPEN */

static ssize_t
send_to(int fd, const struct address *to, size_t bytes, int flags)
{
	return sendto(fd, pattern_bytes(0, bytes), bytes, MSG_FASTOPEN | MSG_NOSIGNAL | flags,
		      &to->any, to->bytes);
}

static void
message_without(int family)
{
	struct server server = serve(family, QLEN);
	int fd = new_socket(family, 0), other = new_socket(family, SOCK_NONBLOCK), peer;

	forget_cookies();
	GIVES(3000, send_to(fd, &server.at, 3000, 0));
	HOLDS(!was_syn_data(fd));
	GIVES(FAIL_COOKIE, fail_of(fd));
	GIVES(3000, peer_receive(peer_accept(server.handle), 3000));

	forget_cookies();
	FAILS(EINPROGRESS, send_to(other, &server.at, 3000, 0));
	HOLDS(await(other, POLLOUT));
	peer = peer_accept(server.handle);
	/* Nothing was queued. */
	GIVES(0, close(other));
	GIVES(0, peer_at_end(peer));
}

static void
message_without4(void)
{
	message_without(AF_INET);
}

static void
message_without6(void)
{
	message_without(AF_INET6);
}

static void
message_with(int family, int room)
{
	struct server server = serve(family, QLEN);
	int fd;

	know_cookie(family);
	fd = new_socket(family, SOCK_NONBLOCK);
	GIVES(room, send_to(fd, &server.at, 4000, 0));
	is_early(fd, &server, room);
	fd = new_socket(family, 0);
	GIVES(room, send_to(fd, &server.at, 4000, MSG_DONTWAIT));
	is_early(fd, &server, room);
	fd = new_socket(family, 0);
	GIVES(4000, send_to(fd, &server.at, 4000, 0));
	is_early(fd, &server, 4000);
	fd = new_socket(family, 0);
	GIVES(100, send_to(fd, &server.at, 100, MSG_MORE));
	is_early(fd, &server, 100);
}

static void
message_with4(void)
{
	message_with(AF_INET, SYN_ROOM4);
}

static void
message_with6(void)
{
	message_with(AF_INET6, SYN_ROOM6);
}

static void
message_sendmsg(void)
{
	struct server server = serve(AF_INET, QLEN);
	struct iovec piece = {.iov_len = 70};
	struct msghdr message = {.msg_iov = &piece, .msg_iovlen = 1};
	int fd = new_socket(AF_INET, SOCK_NONBLOCK);

	know_cookie(AF_INET);
	piece.iov_base = pattern_bytes(0, 70);
	message.msg_name = &server.at.any;
	message.msg_namelen = server.at.bytes;
	GIVES(70, sendmsg(fd, &message, MSG_FASTOPEN));
	is_early(fd, &server, 70);
	fd = new_socket(AF_INET, SOCK_NONBLOCK);
	message.msg_name = NULL;
	FAILS(EINVAL, sendmsg(fd, &message, MSG_FASTOPEN));
}

static void
message_errors(void)
{
	struct server server = serve(AF_INET, QLEN);
	struct sockaddr unspec = {.sa_family = AF_UNSPEC};
	int fd = new_socket(AF_INET, 0), early = early_socket(AF_INET, 0);
	struct pair pair = connect_pair(AF_INET);

	know_cookie(AF_INET);
	FAILS(EINVAL, send(fd, "x", 1, MSG_FASTOPEN | MSG_NOSIGNAL));
	FAILS(EOPNOTSUPP, sendto(fd, "x", 1, MSG_FASTOPEN | MSG_NOSIGNAL, &unspec, sizeof(unspec)));
	FAILS(EINVAL, sendto(fd, "x", 1, MSG_FASTOPEN | MSG_NOSIGNAL, &server.at.any, 8));
	FAILS(EISCONN, send_to(pair.fd, &server.at, 10, 0));
	FAILS(EPIPE, send(early, "x", 1, MSG_NOSIGNAL));
	/* None of that has spoilt it. */
	GIVES(10, send_to(fd, &server.at, 10, 0));
	is_early(fd, &server, 10);
	GIVES(10, send_to(early, &server.at, 10, 0));
	is_early(early, &server, 10);
}

/* After a deferred connect. */
static void
message_deferred(void)
{
	struct server server = serve(AF_INET, QLEN);
	int fd;

	know_cookie(AF_INET);
	fd = deferred(&server.at, SOCK_NONBLOCK);
	GIVES(50, send_to(fd, &server.at, 50, 0));
	is_early(fd, &server, 50);
	fd = deferred(&server.at, 0);
	GIVES(3000, send(fd, pattern_bytes(0, 3000), 3000, MSG_FASTOPEN));
	is_early(fd, &server, 3000);
}

/* No cookie is wanted: data and SYN go together, always. */
static void
message_no_cookie(void)
{
	struct server server = serve(AF_INET, QLEN);
	int fd = early_socket(AF_INET, SOCK_NONBLOCK), other = new_socket(AF_INET, SOCK_NONBLOCK);

	forget_cookies();
	set_option(fd, IPPROTO_TCP, TCP_FASTOPEN_NO_COOKIE, 1);
	GIVES(1, get_option(fd, IPPROTO_TCP, TCP_FASTOPEN_NO_COOKIE));
	if (peer_set(server.handle, IPPROTO_TCP, TCP_FASTOPEN_NO_COOKIE, 1) < 0)
		compare_give_up("TCP_FASTOPEN_NO_COOKIE");
	GIVES(0, connect(fd, &server.at.any, server.at.bytes));
	GIVES(STATE_SYN_SENT, state_of(fd));
	GIVES(0, info_of(fd).tcpi_segs_out);
	GIVES(80, send(fd, pattern_bytes(0, 80), 80, 0));
	is_early(fd, &server, 80);
	set_option(other, IPPROTO_TCP, TCP_FASTOPEN_NO_COOKIE, 1);
	GIVES(80, send_to(other, &server.at, 80, 0));
	is_early(other, &server, 80);
	/* Not with everybody: the data is sent again. */
	GIVES(0, peer_set(server.handle, IPPROTO_TCP, TCP_FASTOPEN_NO_COOKIE, 0));
	other = new_socket(AF_INET, SOCK_NONBLOCK);
	set_option(other, IPPROTO_TCP, TCP_FASTOPEN_NO_COOKIE, 1);
	GIVES(80, send_to(other, &server.at, 80, 0));
	HOLDS(await(other, POLLOUT));
	HOLDS(!was_syn_data(other));
	GIVES(80, peer_receive(peer_accept(server.handle), 80));
}

static void
no_cookie_values(void)
{
	int fd = new_socket(AF_INET, 0), listener = new_listener(AF_INET, 1), value = 2;
	struct pair pair = connect_pair(AF_INET);

	GIVES(0, get_option(fd, IPPROTO_TCP, TCP_FASTOPEN_NO_COOKIE));
	FAILS(EINVAL, setsockopt(fd, IPPROTO_TCP, TCP_FASTOPEN_NO_COOKIE, &value, 4));
	value = -1;
	FAILS(EINVAL, setsockopt(fd, IPPROTO_TCP, TCP_FASTOPEN_NO_COOKIE, &value, 4));
	value = 1;
	FAILS(EINVAL, setsockopt(fd, IPPROTO_TCP, TCP_FASTOPEN_NO_COOKIE, &value, 3));
	FAILS(EINVAL, setsockopt(pair.fd, IPPROTO_TCP, TCP_FASTOPEN_NO_COOKIE, &value, 4));
	GIVES(0, setsockopt(fd, IPPROTO_TCP, TCP_FASTOPEN_NO_COOKIE, &value, 4));
	GIVES(1, get_option(fd, IPPROTO_TCP, TCP_FASTOPEN_NO_COOKIE));
	GIVES(0, setsockopt(listener, IPPROTO_TCP, TCP_FASTOPEN_NO_COOKIE, &value, 4));
	GIVES(1, get_option(listener, IPPROTO_TCP, TCP_FASTOPEN_NO_COOKIE));
}

/* ---- What comes back */

/* Nobody listens. */
static void
back_refused(int family)
{
	struct address to;
	int fd;
	char byte;

	know_cookie(family);
	to = refusing(family);
	fd = deferred(&to, SOCK_NONBLOCK);
	GIVES(100, send(fd, pattern_bytes(0, 100), 100, 0));
	HOLDS(await(fd, POLLOUT));
	POLLS(CAN_READ | CAN_WRITE | POLLERR | POLLHUP | POLLRDHUP, fd);
	GIVES(ECONNREFUSED, get_option(fd, SOL_SOCKET, SO_ERROR));
	GIVES(0, get_option(fd, SOL_SOCKET, SO_ERROR));
	POLLS(CAN_READ | CAN_WRITE | POLLHUP | POLLRDHUP, fd);
	GIVES(0, recv(fd, &byte, 1, 0));
	FAILS(EPIPE, send(fd, "x", 1, MSG_NOSIGNAL));

	fd = deferred(&to, 0);
	FAILS(ECONNREFUSED, send(fd, pattern_bytes(0, 100), 100, MSG_NOSIGNAL));
	GIVES(0, get_option(fd, SOL_SOCKET, SO_ERROR));
	FAILS(EPIPE, send(fd, "x", 1, MSG_NOSIGNAL));
	fd = new_socket(family, 0);
	FAILS(ECONNREFUSED, send_to(fd, &to, 100, 0));
	fd = deferred(&to, 0);
	FAILS(ECONNREFUSED, send(fd, "", 0, MSG_NOSIGNAL));
}

static void
back_refused4(void)
{
	back_refused(AF_INET);
}

static void
back_refused6(void)
{
	back_refused(AF_INET6);
}

/* Only the SYN is acknowledged: the server takes no cookies any more. */
static void
back_not_taken(int family)
{
	struct server server;
	int fd, peer;

	know_cookie(family);
	server = serve(family, 0);
	for (int i = 0; i < 2; i++) {
		fd = deferred(&server.at, SOCK_NONBLOCK); /* the cookie stays */
		GIVES(200, send(fd, pattern_bytes(0, 200), 200, 0));
		HOLDS(await(fd, POLLOUT));
		GIVES(STATE_ESTABLISHED, state_of(fd));
		HOLDS(!was_syn_data(fd));
		GIVES(FAIL_DATA, fail_of(fd));
		peer = peer_accept(server.handle);
		GIVES(0, peer_info(peer) & (OPT_SYN_DATA | OPT_CHILD));
		GIVES(200, peer_receive(peer, 200));
	}
	fd = deferred(&server.at, 0);
	GIVES(100000, send(fd, pattern_bytes(0, 100000), 100000, 0));
	GIVES(FAIL_DATA, fail_of(fd));
	GIVES(100000, peer_receive(peer_accept(server.handle), 100000));
}

static void
back_not_taken4(void)
{
	back_not_taken(AF_INET);
}

static void
back_not_taken6(void)
{
	back_not_taken(AF_INET6);
}

/* The server's key is another now: the data goes again, and the new cookie takes the old one's
 * place. */
static void
back_new_cookie(void)
{
	struct server server;
	int fd;

	know_cookie(AF_INET);
	server = serve(AF_INET, QLEN);
	GIVES(0,
	      peer_set_bytes(server.handle, IPPROTO_TCP, TCP_FASTOPEN_KEY, "another key: 16.", 16));
	fd = deferred(&server.at, SOCK_NONBLOCK);
	GIVES(90, send(fd, pattern_bytes(0, 90), 90, 0));
	HOLDS(await(fd, POLLOUT));
	HOLDS(!was_syn_data(fd));
	GIVES(FAIL_DATA, fail_of(fd));
	GIVES(90, peer_receive(peer_accept(server.handle), 90));
	fd = deferred(&server.at, SOCK_NONBLOCK);
	GIVES(90, send(fd, pattern_bytes(0, 90), 90, 0));
	is_early(fd, &server, 90);
}

/* Nothing at all, for the time that the program gives it. */
static void
back_silence(void)
{
	struct server server;
	int64_t begin;
	int fd;

	know_cookie(AF_INET);
	server = serve_silently(AF_INET);
	fd = deferred(&server.at, SOCK_NONBLOCK);
	set_option(fd, IPPROTO_TCP, TCP_SYNCNT, 1);
	set_option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, 1500);
	begin = now_ms();
	GIVES(10, send(fd, pattern_bytes(0, 10), 10, 0));
	HOLDS(await(fd, POLLHUP) || await(fd, POLLHUP));
	HOLDS(now_ms() - begin >= 900 && now_ms() - begin < 4500);
	POLLS(CAN_READ | CAN_WRITE | POLLERR | POLLHUP | POLLRDHUP, fd);
	GIVES(ETIMEDOUT, get_option(fd, SOL_SOCKET, SO_ERROR));
	FAILS(EPIPE, send(fd, "x", 1, MSG_NOSIGNAL));

	fd = deferred(&server.at, 0);
	set_option(fd, IPPROTO_TCP, TCP_SYNCNT, 1);
	set_option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, 1500);
	FAILS(ETIMEDOUT, send(fd, pattern_bytes(0, 10), 10, MSG_NOSIGNAL));
	GIVES(0, get_option(fd, SOL_SOCKET, SO_ERROR));
	FAILS(EPIPE, send(fd, "x", 1, MSG_NOSIGNAL));
}

/* A blocking write waits out the SYN that is lost: the bare one after a second is answered. */
static void
back_late(void)
{
	struct server server;
	int64_t begin;
	int fd, child;

	know_cookie(AF_INET);
	server = serve_silently(AF_INET);
	fd = deferred(&server.at, 0);
	child = fork();
	if (child == 0) {
		ssize_t n = send(fd, pattern_bytes(0, 6000), 6000, 0);

		_exit(n == 6000 ? 0 : 1);
	}
	sleep_ms(300);
	begin = now_ms();
	make_room(&server);
	GIVES(6000, peer_receive(peer_accept(server.handle), 6000));
	HOLDS(now_ms() - begin < 1800);
	GIVES(FAIL_SYN, fail_of(fd));
}

const struct compare_case compare_fastopen_message_cases[] = {
	{"message_without4", message_without4},
	{"message_without6", message_without6},
	{"message_with4", message_with4},
	{"message_with6", message_with6},
	{"message_sendmsg", message_sendmsg},
	{"message_errors", message_errors},
	{"message_deferred", message_deferred},
	{"message_no_cookie", message_no_cookie},
	{"no_cookie_values", no_cookie_values},
	{"back_refused4", back_refused4},
	{"back_refused6", back_refused6},
	{"back_not_taken4", back_not_taken4},
	{"back_not_taken6", back_not_taken6},
	{"back_new_cookie", back_new_cookie},
	{"back_silence", back_silence},
	{"back_late", back_late},
	{0},
};
