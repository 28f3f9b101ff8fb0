/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The comparison test's cases of Fast Open: the write that sends the SYN, MSG_FASTOPEN, and what
 * the peer makes of it.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/sendfile.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "compare_fastopen.h"

/* ---- The first write */

/* All of it is in the SYN, and the SYN-ACK acknowledges it. */
static void
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

static void
first_write(int family, int room)
{
	struct server server = serve(family, QLEN);
	int fd;

	know_cookie(family);
	fd = deferred(&server.at, SOCK_NONBLOCK);
	GIVES(100, send(fd, pattern_bytes(0, 100), 100, 0));
	is_early(fd, &server, 100);

	/* What the SYN holds, exactly. */
	fd = deferred(&server.at, SOCK_NONBLOCK);
	GIVES(room, send(fd, pattern_bytes(0, 5000), 5000, 0));
	is_early(fd, &server, room);

	/* Without waiting, on a blocking socket. */
	fd = deferred(&server.at, 0);
	GIVES(room, send(fd, pattern_bytes(0, 5000), 5000, MSG_DONTWAIT));
	is_early(fd, &server, room);

	/* Waiting: all of it. */
	fd = deferred(&server.at, 0);
	GIVES(5000, send(fd, pattern_bytes(0, 5000), 5000, 0));
	is_early(fd, &server, 5000);
	fd = deferred(&server.at, 0);
	GIVES(300000, write(fd, pattern_bytes(0, 300000), 300000));
	is_early(fd, &server, 300000);
}

static void
first_write4(void)
{
	first_write(AF_INET, SYN_ROOM4);
}

static void
first_write6(void)
{
	first_write(AF_INET6, SYN_ROOM6);
}

/* Whatever call it is. */
static void
first_write_kinds(void)
{
	struct server server = serve(AF_INET, QLEN);
	struct iovec pieces[3];
	struct msghdr message = {.msg_iov = pieces, .msg_iovlen = 3};
	int fd, file;
	FILE *held;
	char *bytes;

	know_cookie(AF_INET);
	bytes = pattern_bytes(0, 4000);
	pieces[0] = (struct iovec){bytes, 10};
	pieces[1] = (struct iovec){bytes + 10, 0};
	pieces[2] = (struct iovec){bytes + 10, 90};
	fd = deferred(&server.at, SOCK_NONBLOCK);
	GIVES(100, write(fd, bytes, 100));
	is_early(fd, &server, 100);
	bytes = pattern_bytes(0, 4000);
	fd = deferred(&server.at, SOCK_NONBLOCK);
	GIVES(100, writev(fd, pieces, 3));
	is_early(fd, &server, 100);
	fd = deferred(&server.at, SOCK_NONBLOCK);
	GIVES(100, sendmsg(fd, &message, 0));
	is_early(fd, &server, 100);
	fd = deferred(&server.at, SOCK_NONBLOCK);
	GIVES(100, send(fd, bytes, 100, MSG_MORE));
	is_early(fd, &server, 100);
	fd = deferred(&server.at, SOCK_NONBLOCK);
	set_option(fd, IPPROTO_TCP, TCP_CORK, 1);
	GIVES(100, send(fd, bytes, 100, 0));
	is_early(fd, &server, 100);
	/* An address does not matter here. */
	fd = deferred(&server.at, SOCK_NONBLOCK);
	GIVES(100, sendto(fd, bytes, 100, 0, &server.at.any, server.at.bytes));
	is_early(fd, &server, 100);

	held = tmpfile();
	if (held == NULL || fwrite(pattern_bytes(0, 4000), 1, 4000, held) != 4000 ||
	    fflush(held) != 0)
		compare_give_up("a file");
	file = fileno(held);
	fd = deferred(&server.at, SOCK_NONBLOCK);
	GIVES(100, sendfile(fd, file, &(off_t){0}, 100));
	is_early(fd, &server, 100);
}

static void
first_write_urgent(void)
{
	struct server server = serve(AF_INET, QLEN);
	int fd, peer;

	know_cookie(AF_INET);
	fd = deferred(&server.at, SOCK_NONBLOCK);
	GIVES(3, send(fd, pattern_bytes(0, 3), 3, MSG_OOB));
	HOLDS(await(fd, POLLOUT));
	HOLDS(was_syn_data(fd));
	peer = peer_accept(server.handle);
	GIVES(2, peer_receive(peer, 2));
}

/* TCP_MAXSEG makes it less. */
static void
first_write_maxseg(void)
{
	struct server server = serve(AF_INET, QLEN);
	int fd;

	know_cookie(AF_INET);
	fd = early_socket(AF_INET, SOCK_NONBLOCK);
	set_option(fd, IPPROTO_TCP, TCP_MAXSEG, 500);
	GIVES(0, connect(fd, &server.at.any, server.at.bytes));
	GIVES(460, send(fd, pattern_bytes(0, 5000), 5000, 0));
	is_early(fd, &server, 460);
}

/* And so does the MSS that the cookie came with. */
static void
first_write_cached_mss(void)
{
	struct server server = serve(AF_INET, QLEN), small = serve(AF_INET, QLEN);
	int fd = early_socket(AF_INET, 0);

	forget_cookies();
	GIVES(0, peer_set(small.handle, IPPROTO_TCP, TCP_MAXSEG, 1000));
	GIVES(0, connect(fd, &small.at.any, small.at.bytes));
	fd = deferred(&server.at, SOCK_NONBLOCK);
	GIVES(960, send(fd, pattern_bytes(0, 5000), 5000, 0));
	is_early(fd, &server, 960);
	/* This one's SYN-ACK gave a larger one. */
	fd = deferred(&server.at, SOCK_NONBLOCK);
	GIVES(SYN_ROOM4, send(fd, pattern_bytes(0, 5000), 5000, 0));
	is_early(fd, &server, SYN_ROOM4);
}

static void
first_write_empty(void)
{
	struct server server = serve(AF_INET, QLEN);
	int fd, peer;

	know_cookie(AF_INET);
	fd = deferred(&server.at, 0);
	GIVES(0, send(fd, "", 0, 0));
	GIVES(STATE_ESTABLISHED, state_of(fd));
	peer = peer_accept(server.handle);
	GIVES(4, send(fd, pattern_bytes(0, 4), 4, 0));
	GIVES(4, peer_receive(peer, 4));

	fd = deferred(&server.at, SOCK_NONBLOCK);
	FAILS(EINPROGRESS, send(fd, "", 0, 0));
	HOLDS(await(fd, POLLOUT));
	GIVES(STATE_ESTABLISHED, state_of(fd));
	fd = deferred(&server.at, SOCK_NONBLOCK);
	FAILS(EINPROGRESS, write(fd, "", 0));
	HOLDS(await(fd, POLLOUT));
	GIVES(STATE_ESTABLISHED, state_of(fd));
}

/* The answer comes before the handshake's end: the whole exchange takes one round trip. */
static void
first_write_answered(void)
{
	struct server server = serve(AF_INET, QLEN);
	int fd, peer;
	char answer[10];

	know_cookie(AF_INET);
	fd = deferred(&server.at, 0);
	GIVES(10, send(fd, pattern_bytes(0, 10), 10, 0));
	peer = peer_accept(server.handle);
	GIVES(10, peer_receive(peer, 10));
	GIVES(10, peer_send(peer, 10, 0));
	GIVES(10, recv(fd, answer, 10, MSG_WAITALL));
	HOLDS(memcmp(answer, pattern_bytes(0, 10), 10) == 0);
	GIVES(0, peer_close(peer));
	GIVES(0, recv(fd, answer, 10, 0));
}

/* Until the SYN-ACK. */
static void
first_write_in_progress(void)
{
	struct server server;
	int fd, peer;
	char byte;

	know_cookie(AF_INET);
	server = serve_silently(AF_INET);
	fd = deferred(&server.at, SOCK_NONBLOCK);
	GIVES(100, send(fd, pattern_bytes(0, 100), 100, 0));
	FAILS(EAGAIN, send(fd, "x", 1, 0));
	FAILS(EAGAIN, recv(fd, &byte, 1, 0));
	FAILS(EALREADY, connect(fd, &server.at.any, server.at.bytes));
	FAILS(EALREADY, sendto(fd, "x", 1, MSG_FASTOPEN, &server.at.any, server.at.bytes));
	POLLS(0, fd);
	GIVES(1, info_of(fd).tcpi_segs_out);
	/* The SYN that comes after one second is bare; the data follows the SYN-ACK at once. */
	make_room(&server);
	HOLDS(await(fd, POLLOUT));
	GIVES(STATE_ESTABLISHED, state_of(fd));
	GIVES(FAIL_SYN, fail_of(fd));
	HOLDS(!was_syn_data(fd));
	peer = peer_accept(server.handle);
	GIVES(0, peer_info(peer) & (OPT_SYN_DATA | OPT_CHILD));
	GIVES(100, peer_receive(peer, 100));
	/* The next one defers still. */
	close(deferred(&server.at, 0));
}

/* A limit ends the wait with what went into the SYN. */
static void
first_write_limit(void)
{
	struct server server;
	int64_t begin;
	int fd;

	know_cookie(AF_INET);
	server = serve_silently(AF_INET);
	fd = deferred(&server.at, 0);
	limit_send(fd, 150);
	begin = now_ms();
	GIVES(SYN_ROOM4, send(fd, pattern_bytes(0, 5000), 5000, 0));
	HOLDS(now_ms() - begin >= 148 && now_ms() - begin < 900);
	begin = now_ms();
	FAILS(EAGAIN, send(fd, "x", 1, 0));
	HOLDS(now_ms() - begin >= 148 && now_ms() - begin < 900);
	fd = deferred(&server.at, 0);
	limit_send(fd, 150);
	GIVES(100, send(fd, pattern_bytes(0, 100), 100, 0));
}

/* A signal ends it, too, and does not say that the SYN has gone with some of it. */
static void
first_write_interrupted(void)
{
	struct server server;
	timer_t timer;
	char byte;
	int fd;

	know_cookie(AF_INET);
	server = serve_silently(AF_INET);
	fd = deferred(&server.at, 0);
	timer = signal_in(80, 0);
	FAILS(EINTR, send(fd, pattern_bytes(0, 5000), 5000, 0));
	GIVES(1, signals_seen());
	GIVES(1, info_of(fd).tcpi_segs_out);
	timer_delete(timer);
	timer = signal_in(80, 0);
	FAILS(EINTR, send(fd, "x", 1, 0));
	timer_delete(timer);
	timer = signal_in(80, 0);
	FAILS(EINTR, recv(fd, &byte, 1, 0));
	timer_delete(timer);
	fd = deferred(&server.at, 0);
	timer = signal_in(80, 0);
	FAILS(EINTR, recv(fd, &byte, 1, 0));
	timer_delete(timer);
	GIVES(STATE_SYN_SENT, state_of(fd));
	GIVES(0, info_of(fd).tcpi_segs_out);
}

/* Over before the SYN-ACK: nobody sends that SYN again. */
static void
first_write_closed(void)
{
	struct server server;
	int fd, other;

	know_cookie(AF_INET);
	server = serve_silently(AF_INET);
	fd = deferred(&server.at, SOCK_NONBLOCK);
	other = deferred(&server.at, SOCK_NONBLOCK);
	GIVES(10, send(fd, pattern_bytes(0, 10), 10, 0));
	GIVES(0, close(fd));
	GIVES(10, send(other, pattern_bytes(0, 10), 10, 0));
	GIVES(0, shutdown(other, SHUT_WR));
	GIVES(STATE_CLOSE, state_of(other));
	POLLS(CAN_WRITE | POLLERR | POLLHUP, other);
	GIVES(ECONNRESET, get_option(other, SOL_SOCKET, SO_ERROR));
	FAILS(EPIPE, send(other, "x", 1, MSG_NOSIGNAL));
	make_room(&server);
	GIVES(0, peer_quiet(server.handle, 1300));
}

/* An IPv4 address on an IPv6 socket: IPv4's cookie, and IPv4's room. */
static void
first_write_mapped(void)
{
	struct server server = serve(AF_INET, QLEN);
	char text[INET6_ADDRSTRLEN] = "::ffff:";
	struct address mapped;
	int fd;

	inet_ntop(AF_INET, &server.at.in.sin_addr, text + 7, sizeof(text) - 7);
	mapped = address_text(text, ntohs(server.at.in.sin_port));
	know_cookie(AF_INET);
	fd = deferred(&mapped, SOCK_NONBLOCK);
	GIVES(SYN_ROOM4, send(fd, pattern_bytes(0, 5000), 5000, 0));
	is_early(fd, &server, SYN_ROOM4);
	fd = new_socket(AF_INET6, 0);
	GIVES(3000,
	      sendto(fd, pattern_bytes(0, 3000), 3000, MSG_FASTOPEN, &mapped.any, mapped.bytes));
	is_early(fd, &server, 3000);
}

/* Level- and edge-triggered, from before the connect to the answer. */
static void
first_write_events(void)
{
	struct server server = serve(AF_INET, QLEN);
	int fd = early_socket(AF_INET, SOCK_NONBLOCK), set = epoll_create1(0), peer;
	struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET};
	struct address own = address_own(AF_INET, 0);

	know_cookie(AF_INET);
	/* Not the kernel's any more, where addresses decide that. */
	GIVES(0, bind(fd, &own.any, own.bytes));
	GIVES(0, epoll_ctl(set, EPOLL_CTL_ADD, fd, &event));
	GIVES(1, epoll_wait(set, &event, 1, 0));
	GIVES(EPOLLOUT | EPOLLHUP, event.events);
	GIVES(0, connect(fd, &server.at.any, server.at.bytes));
	GIVES(0, epoll_wait(set, &event, 1, 50));
	POLLS(CAN_WRITE, fd);
	GIVES(10, send(fd, pattern_bytes(0, 10), 10, 0));
	/* The SYN-ACK. */
	GIVES(1, epoll_wait(set, &event, 1, 3000));
	GIVES(EPOLLOUT, event.events);
	GIVES(0, epoll_wait(set, &event, 1, 50));
	peer = peer_accept(server.handle);
	GIVES(10, peer_receive(peer, 10));
	GIVES(5, peer_send(peer, 5, 0));
	GIVES(1, epoll_wait(set, &event, 1, 3000));
	GIVES(EPOLLIN | EPOLLOUT, event.events);
	GIVES(0, peer_close(peer));
	GIVES(1, epoll_wait(set, &event, 1, 3000));
	GIVES(EPOLLIN | EPOLLOUT | EPOLLRDHUP, event.events);

	/* Nobody looked before the connect. */
	fd = early_socket(AF_INET, SOCK_NONBLOCK);
	event.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
	GIVES(0, epoll_ctl(set, EPOLL_CTL_ADD, fd, &event));
	GIVES(0, connect(fd, &server.at.any, server.at.bytes));
	GIVES(1, epoll_wait(set, &event, 1, 0));
	GIVES(EPOLLOUT, event.events);
}

/* A child writes, the parent reads. */
static void
first_write_inherited(void)
{
	struct server server = serve(AF_INET, QLEN);
	int fd, status = -1, peer;
	char answer[4];
	pid_t child;

	know_cookie(AF_INET);
	fd = deferred(&server.at, 0);
	child = fork();
	if (child == 0)
		_exit(send(fd, pattern_bytes(0, 30), 30, 0) == 30 && was_syn_data(fd) ? 0 : 1);
	GIVES(child, waitpid(child, &status, 0));
	GIVES(0, status);
	peer = peer_accept(server.handle);
	GIVES(30, peer_receive(peer, 30));
	GIVES(4, peer_send(peer, 4, 0));
	GIVES(4, recv(fd, answer, 4, MSG_WAITALL));
	HOLDS(was_syn_data(fd));
	GIVES(0, close(fd));
	GIVES(0, peer_at_end(peer));
}

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

const struct compare_case compare_fastopen_write_cases[] = {
	{"first_write4", first_write4},
	{"first_write6", first_write6},
	{"first_write_kinds", first_write_kinds},
	{"first_write_urgent", first_write_urgent},
	{"first_write_maxseg", first_write_maxseg},
	{"first_write_cached_mss", first_write_cached_mss},
	{"first_write_empty", first_write_empty},
	{"first_write_answered", first_write_answered},
	{"first_write_in_progress", first_write_in_progress},
	{"first_write_limit", first_write_limit},
	{"first_write_interrupted", first_write_interrupted},
	{"first_write_closed", first_write_closed},
	{"first_write_mapped", first_write_mapped},
	{"first_write_events", first_write_events},
	{"first_write_inherited", first_write_inherited},
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
