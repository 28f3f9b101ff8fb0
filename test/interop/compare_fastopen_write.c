/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The comparison test's cases of Fast Open: the write that sends the SYN, MSG_FASTOPEN, and what
 * the peer makes of it.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/sendfile.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "compare_fastopen.h"

/* ---- The first write */

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

/* A handshake that is over before anybody looks is an edge still. */
static void
first_write_edge_unseen(void)
{
	struct server server = serve(AF_INET, QLEN);
	int fd = early_socket(AF_INET, SOCK_NONBLOCK), set = epoll_create1(0);
	struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET};
	struct address own = address_own(AF_INET, 0);

	know_cookie(AF_INET);
	GIVES(0, bind(fd, &own.any, own.bytes));
	GIVES(0, epoll_ctl(set, EPOLL_CTL_ADD, fd, &event));
	GIVES(1, epoll_wait(set, &event, 1, 0));
	GIVES(0, connect(fd, &server.at.any, server.at.bytes));
	GIVES(10, send(fd, pattern_bytes(0, 10), 10, 0));
	sleep_ms(100);
	GIVES(1, epoll_wait(set, &event, 1, 0));
	GIVES(EPOLLOUT, event.events);
	GIVES(0, epoll_wait(set, &event, 1, 0));
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

/* A program that was executed writes: it knows nothing but its output. */
static void
first_write_executed(void)
{
	struct server server = serve(AF_INET, QLEN);
	char path[] = "/tmp/compare-XXXXXX";
	int file = mkstemp(path), fd, status = -1, peer;
	pid_t child;

	know_cookie(AF_INET);
	if (file < 0 || write(file, pattern_bytes(0, 50), 50) != 50)
		compare_give_up("a file");
	fd = deferred(&server.at, 0);
	child = fork();
	if (child == 0) {
		dup2(fd, 1);
		execlp("cat", "cat", path, NULL);
		_exit(9);
	}
	GIVES(child, waitpid(child, &status, 0));
	GIVES(0, status);
	unlink(path);
	HOLDS(was_syn_data(fd));
	peer = peer_accept(server.handle);
	GIVES(50, peer_receive(peer, 50));
	GIVES(0, close(fd));
	GIVES(0, peer_at_end(peer));
}

/* Somebody reads already. */
static void *
read_answer(void *arg)
{
	char answer[8];
	intptr_t fd = (intptr_t)arg;
	ssize_t n = recv((int)fd, answer, sizeof(answer), MSG_WAITALL);

	return (void *)(intptr_t)n;
}

static void
first_write_awaited(void)
{
	struct server server = serve(AF_INET, QLEN);
	pthread_t reader;
	void *got;
	int fd, peer;

	know_cookie(AF_INET);
	fd = deferred(&server.at, 0);
	if (pthread_create(&reader, NULL, read_answer, (void *)(intptr_t)fd) != 0)
		compare_give_up("a thread");
	sleep_ms(60);
	GIVES(0, info_of(fd).tcpi_segs_out);
	GIVES(20, send(fd, pattern_bytes(0, 20), 20, 0));
	HOLDS(was_syn_data(fd));
	peer = peer_accept(server.handle);
	GIVES(20, peer_receive(peer, 20));
	GIVES(8, peer_send(peer, 8, 0));
	GIVES(0, pthread_join(reader, &got));
	GIVES(8, (intptr_t)got);
}

/* And somebody waits for events. */
static void
first_write_polled(void)
{
	struct server server;
	struct pollfd p = {.events = POLLIN};
	int fd, status = -1;
	pid_t child;

	know_cookie(AF_INET);
	server = serve_silently(AF_INET);
	fd = deferred(&server.at, SOCK_NONBLOCK);
	p.fd = fd;
	child = fork();
	if (child == 0) {
		sleep_ms(80);
		_exit(send(fd, pattern_bytes(0, 20), 20, 0) == 20 ? 0 : 1);
	}
	/* Deferred it could be written; with the SYN on its way not. */
	GIVES(0, poll(&p, 1, 300));
	GIVES(child, waitpid(child, &status, 0));
	GIVES(0, status);
	POLLS(0, fd);
	make_room(&server);
	p.events = POLLOUT;
	GIVES(1, poll(&p, 1, 3000));
	GIVES(POLLOUT, p.revents);
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
	{"first_write_edge_unseen", first_write_edge_unseen},
	{"first_write_inherited", first_write_inherited},
	{"first_write_executed", first_write_executed},
	{"first_write_awaited", first_write_awaited},
	{"first_write_polled", first_write_polled},
	{0},
};
