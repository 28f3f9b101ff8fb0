/* SPDX-License-Identifier: BSD-3-Clause */
/* The comparison test's cases of shutdown(), close(), resets and SO_LINGER. */
#include <linux/sockios.h>
#include <linux/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <unistd.h>

#include "compare.h"

static volatile sig_atomic_t pipes;

static void
count_pipe(int signal)
{
	(void)signal;
	pipes++;
}

static void
shut_arguments(void)
{
	struct pair pair = connect_pair(AF_INET);
	int fd = new_socket(AF_INET, 0);

	FAILS(ENOTCONN, shutdown(fd, SHUT_RD));
	FAILS(ENOTCONN, shutdown(fd, SHUT_RDWR));
	FAILS(EINVAL, shutdown(pair.fd, 3));
	FAILS(EINVAL, shutdown(pair.fd, -1));
	GIVES(0, shutdown(pair.fd, SHUT_WR));
	GIVES(0, shutdown(pair.fd, SHUT_WR));
	GIVES(0, shutdown(pair.fd, SHUT_RD));
	GIVES(0, shutdown(pair.fd, SHUT_RDWR));
}

static void
shut_writing(void)
{
	struct pair pair = connect_pair(AF_INET);
	char bytes[8];

	GIVES(0, shutdown(pair.fd, SHUT_WR));
	POLLS(CAN_WRITE, pair.fd);
	FAILS(EPIPE, send(pair.fd, "x", 1, MSG_NOSIGNAL));
	GIVES(0, peer_at_end(pair.peer));
	/* The other half lives. */
	GIVES(5, peer_send(pair.peer, 5, 0));
	HOLDS(await(pair.fd, POLLIN));
	GIVES(5, recv(pair.fd, bytes, sizeof(bytes), 0));
	GIVES(0, peer_close(pair.peer));
	HOLDS(await(pair.fd, POLLIN));
	POLLS(CAN_READ | CAN_WRITE | POLLHUP | POLLRDHUP, pair.fd);
	GIVES(0, recv(pair.fd, bytes, sizeof(bytes), 0));
}

static void
shut_reading(void)
{
	struct pair pair = connect_pair(AF_INET);
	char bytes[8];

	GIVES(0, shutdown(pair.fd, SHUT_RD));
	POLLS(CAN_READ | CAN_WRITE | POLLRDHUP, pair.fd);
	GIVES(0, recv(pair.fd, bytes, sizeof(bytes), 0));
	/* What comes all the same is there to read. */
	GIVES(5, peer_send(pair.peer, 5, 0));
	sleep_ms(50);
	GIVES(5, recv(pair.fd, bytes, sizeof(bytes), 0));
	GIVES(0, recv(pair.fd, bytes, sizeof(bytes), 0));
	memset(bytes, 0, sizeof(bytes));
	GIVES(1, send(pair.fd, bytes, 1, 0));
	GIVES(1, peer_receive(pair.peer, 1));
}

static void
peer_ends(void)
{
	struct pair pair = connect_pair(AF_INET);
	char bytes[8] = {0};

	GIVES(5, peer_send(pair.peer, 5, 0));
	GIVES(0, peer_shutdown(pair.peer, SHUT_WR));
	HOLDS(await(pair.fd, POLLRDHUP));
	POLLS(CAN_READ | CAN_WRITE | POLLRDHUP, pair.fd);
	GIVES(5, recv(pair.fd, bytes, sizeof(bytes), 0));
	POLLS(CAN_READ | CAN_WRITE | POLLRDHUP, pair.fd);
	GIVES(0, recv(pair.fd, bytes, sizeof(bytes), 0));
	GIVES(0, recv(pair.fd, bytes, sizeof(bytes), MSG_PEEK));
	memset(bytes, 0, sizeof(bytes));
	GIVES(1, send(pair.fd, bytes, 1, 0));
	GIVES(1, peer_receive(pair.peer, 1));
	GIVES(0, shutdown(pair.fd, SHUT_WR));
	GIVES(0, peer_at_end(pair.peer));
	sleep_ms(50);
	POLLS(CAN_READ | CAN_WRITE | POLLHUP | POLLRDHUP, pair.fd);
	FAILS(EPIPE, send(pair.fd, bytes, 1, MSG_NOSIGNAL));
}

static void
broken_pipe(void)
{
	struct sigaction action = {.sa_handler = count_pipe};
	struct pair pair = connect_pair(AF_INET);
	struct iovec iov = {"x", 1};
	struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};

	pipes = 0;
	sigaction(SIGPIPE, &action, NULL);
	GIVES(0, shutdown(pair.fd, SHUT_WR));
	FAILS(EPIPE, send(pair.fd, "x", 1, 0));
	GIVES(1, pipes);
	FAILS(EPIPE, send(pair.fd, "x", 1, MSG_NOSIGNAL));
	GIVES(1, pipes);
	FAILS(EPIPE, write(pair.fd, "x", 1));
	GIVES(2, pipes);
	FAILS(EPIPE, writev(pair.fd, &iov, 1));
	GIVES(3, pipes);
	FAILS(EPIPE, sendmsg(pair.fd, &message, 0));
	GIVES(4, pipes);
	signal(SIGPIPE, SIG_IGN);
	FAILS(EPIPE, send(pair.fd, "x", 1, 0));
}

static void
reset_unread(void)
{
	struct pair pair = connect_pair(AF_INET);
	struct address got = {.bytes = sizeof(got.storage)};
	char bytes[8];

	GIVES(0, peer_reset(pair.peer));
	HOLDS(await(pair.fd, POLLERR));
	POLLS(CAN_READ | CAN_WRITE | POLLERR | POLLHUP | POLLRDHUP, pair.fd);
	FAILS(ECONNRESET, recv(pair.fd, bytes, sizeof(bytes), 0));
	POLLS(CAN_READ | CAN_WRITE | POLLHUP | POLLRDHUP, pair.fd);
	GIVES(0, recv(pair.fd, bytes, sizeof(bytes), 0));
	FAILS(EPIPE, send(pair.fd, "x", 1, MSG_NOSIGNAL));
	GIVES(0, get_option(pair.fd, SOL_SOCKET, SO_ERROR));
	FAILS(ENOTCONN, getpeername(pair.fd, &got.any, &got.bytes));
	FAILS(ENOTCONN, shutdown(pair.fd, SHUT_WR));
	HOLDS(port_of(pair.fd) != 0);
}

static void
reset_while_writing(void)
{
	struct pair pair = connect_pair(AF_INET);
	char bytes[8];

	GIVES(0, peer_reset(pair.peer));
	HOLDS(await(pair.fd, POLLERR));
	FAILS(ECONNRESET, send(pair.fd, "x", 1, MSG_NOSIGNAL));
	FAILS(EPIPE, send(pair.fd, "x", 1, MSG_NOSIGNAL));
	GIVES(0, recv(pair.fd, bytes, sizeof(bytes), 0));

	pair = connect_pair(AF_INET);
	GIVES(0, peer_reset(pair.peer));
	HOLDS(await(pair.fd, POLLERR));
	GIVES(ECONNRESET, get_option(pair.fd, SOL_SOCKET, SO_ERROR));
	GIVES(0, get_option(pair.fd, SOL_SOCKET, SO_ERROR));
	GIVES(0, recv(pair.fd, bytes, sizeof(bytes), 0));
	FAILS(EPIPE, send(pair.fd, "x", 1, MSG_NOSIGNAL));
}

/* What came before the reset can be read. */
static void
reset_behind_data(void)
{
	struct pair pair = connect_pair(AF_INET);
	char bytes[8];

	GIVES(5, peer_send(pair.peer, 5, 0));
	HOLDS(await(pair.fd, POLLIN));
	GIVES(0, peer_reset(pair.peer));
	HOLDS(await(pair.fd, POLLERR));
	GIVES(5, recv(pair.fd, bytes, sizeof(bytes), 0));
	FAILS(ECONNRESET, recv(pair.fd, bytes, sizeof(bytes), 0));
	GIVES(0, recv(pair.fd, bytes, sizeof(bytes), 0));
}

/* Nobody asked how connect() went: the next one tells, and makes the socket a fresh one. */
static void
reset_before_the_next_connect(void)
{
	struct address to;
	uint16_t port = 0;
	int listener = peer_listen(AF_INET, 1, &port), fd = new_socket(AF_INET, SOCK_NONBLOCK),
	    peer;
	char bytes[8];

	HOLDS(listener >= 0);
	to = address_peer(AF_INET, port);
	FAILS(EINPROGRESS, connect(fd, &to.any, to.bytes));
	peer = peer_accept(listener);
	HOLDS(peer >= 0);
	GIVES(5, peer_send(peer, 5, 0));
	HOLDS(await(fd, POLLIN));
	GIVES(2, recv(fd, bytes, 2, 0));
	GIVES(0, peer_reset(peer));
	HOLDS(await(fd, POLLERR));
	FAILS(ECONNRESET, connect(fd, &to.any, to.bytes));
	POLLS(CAN_WRITE | POLLHUP, fd);
	FAILS(ENOTCONN, recv(fd, bytes, sizeof(bytes), 0));
	FAILS(EINPROGRESS, connect(fd, &to.any, to.bytes));
	peer = peer_accept(listener);
	HOLDS(peer >= 0);
	GIVES(3, peer_send(peer, 3, 0));
	HOLDS(await(fd, POLLIN));
	GIVES(3, recv(fd, bytes, sizeof(bytes), 0));
}

/* The peer closes; who writes hears of it by a reset. */
static void
write_to_closed(void)
{
	struct pair pair = connect_pair(AF_INET);
	char bytes[8];

	GIVES(0, peer_close(pair.peer));
	HOLDS(await(pair.fd, POLLRDHUP));
	GIVES(0, recv(pair.fd, bytes, sizeof(bytes), 0));
	GIVES(1, send(pair.fd, "x", 1, MSG_NOSIGNAL));
	HOLDS(await(pair.fd, POLLERR));
	POLLS(CAN_READ | CAN_WRITE | POLLERR | POLLHUP | POLLRDHUP, pair.fd);
	/* After the peer's end the reset is a broken pipe. */
	GIVES(0, recv(pair.fd, bytes, sizeof(bytes), 0));
	FAILS(EPIPE, send(pair.fd, "x", 1, MSG_NOSIGNAL));
	GIVES(0, get_option(pair.fd, SOL_SOCKET, SO_ERROR));
}

static void
close_with_unread(void)
{
	struct pair pair = connect_pair(AF_INET);
	int fd;

	GIVES(5, peer_send(pair.peer, 5, 0));
	HOLDS(await(pair.fd, POLLIN));
	GIVES(0, close(pair.fd));
	GIVES(-ECONNRESET, peer_at_end(pair.peer));
	/* Read: closed in order. */
	pair = connect_pair(AF_INET);
	GIVES(2, peer_send(pair.peer, 2, 0));
	HOLDS(await(pair.fd, POLLIN));
	GIVES(2, recv(pair.fd, &fd, 4, 0));
	GIVES(0, close(pair.fd));
	GIVES(0, peer_at_end(pair.peer));
}

static void
close_with_unsent(void)
{
	struct pair pair = connect_pair(AF_INET);
	size_t sent = fill(pair.fd), got = 0;

	GIVES(0, close(pair.fd));
	for (int n = 1; got < sent && n > 0; got += (size_t)n)
		n = peer_receive(pair.peer, (int)(sent - got < 65536 ? sent - got : 65536));
	GIVES(sent, got);
	GIVES(0, peer_at_end(pair.peer));
}

static void
linger_zero(void)
{
	struct pair pair = connect_pair(AF_INET);
	struct linger linger = {.l_onoff = 1}, got = {9, 9};
	socklen_t bytes = sizeof(got);

	GIVES(0, setsockopt(pair.fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)));
	GIVES(0, getsockopt(pair.fd, SOL_SOCKET, SO_LINGER, &got, &bytes));
	GIVES(1, got.l_onoff);
	GIVES(0, got.l_linger);
	GIVES(0, close(pair.fd));
	GIVES(-ECONNRESET, peer_at_end(pair.peer));
}

/* close() waits for the peer to acknowledge, up to the time; then it goes on without. */
static void
linger_waits(void)
{
	struct pair pair = connect_pair(AF_INET);
	struct linger linger = {.l_onoff = 1, .l_linger = 1};
	int64_t begin;

	GIVES(0, setsockopt(pair.fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)));
	GIVES(1, send(pair.fd, "", 1, 0));
	begin = now_ms();
	GIVES(0, close(pair.fd));
	HOLDS(now_ms() - begin < 500);
	GIVES(1, peer_receive(pair.peer, 1));
	GIVES(0, peer_at_end(pair.peer));

	pair = connect_pair(AF_INET);
	GIVES(0, setsockopt(pair.fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)));
	fill(pair.fd);
	begin = now_ms();
	GIVES(0, close(pair.fd));
	HOLDS(now_ms() - begin >= 950 && now_ms() - begin < 1900);
	HOLDS(peer_receive(pair.peer, 100000) == 100000);
}

/* ---- Ends under a thread that waits */

struct waiter {
	pthread_t thread;
	bool begins; /* calls in the next moment */
	int fd;
	ssize_t got;
	int error;
};

static void *
read_one(void *arg)
{
	struct waiter *waiter = arg;
	char byte;

	__atomic_store_n(&waiter->begins, true, __ATOMIC_RELEASE);
	waiter->got = recv(waiter->fd, &byte, 1, 0);
	waiter->error = errno;
	return NULL;
}

static void *
accept_one(void *arg)
{
	struct waiter *waiter = arg;

	__atomic_store_n(&waiter->begins, true, __ATOMIC_RELEASE);
	waiter->got = accept(waiter->fd, NULL, NULL);
	waiter->error = errno;
	return NULL;
}

/* Returns when the thread waits. */
static void
start_waiting(struct waiter *waiter, void *(*call)(void *))
{
	GIVES(0, pthread_create(&waiter->thread, NULL, call, waiter));
	while (!__atomic_load_n(&waiter->begins, __ATOMIC_ACQUIRE))
		sleep_ms(1);
	sleep_ms(60);
}

static void
shut_under_a_reader(void)
{
	struct waiter waiter = {0};
	struct pair pair = connect_pair(AF_INET);

	waiter.fd = pair.fd;
	start_waiting(&waiter, read_one);
	GIVES(0, shutdown(pair.fd, SHUT_RD));
	GIVES(0, pthread_join(waiter.thread, NULL));
	GIVES(0, waiter.got);
}

static void
shut_under_an_acceptor(void)
{
	struct waiter waiter = {.fd = new_listener(AF_INET, 1)};

	start_waiting(&waiter, accept_one);
	GIVES(0, shutdown(waiter.fd, SHUT_RD));
	GIVES(0, pthread_join(waiter.thread, NULL));
	GIVES(-1, waiter.got);
	GIVES(EINVAL, waiter.error);
}

/* The reader keeps the socket: it reads what comes, and only then it closes. */
static void
close_under_a_reader(void)
{
	struct waiter waiter = {0};
	struct pair pair = connect_pair(AF_INET);

	waiter.fd = pair.fd;
	start_waiting(&waiter, read_one);
	GIVES(0, close(pair.fd));
	sleep_ms(60);
	GIVES(1, peer_send(pair.peer, 1, 0));
	GIVES(0, pthread_join(waiter.thread, NULL));
	GIVES(1, waiter.got);
	GIVES(0, peer_at_end(pair.peer));
}

static void
reset_under_a_reader(void)
{
	struct waiter waiter = {0};
	struct pair pair = connect_pair(AF_INET);

	waiter.fd = pair.fd;
	start_waiting(&waiter, read_one);
	GIVES(0, peer_reset(pair.peer));
	GIVES(0, pthread_join(waiter.thread, NULL));
	GIVES(-1, waiter.got);
	GIVES(ECONNRESET, waiter.error);
}

/*
 * Who hears that the peer has ended reads all that came in one call: HAProxy, for one, takes fewer
 * bytes than it had room for, and the end, as the end of the stream.
 */
static void
all_before_the_end(void)
{
	static char all[8192];
	struct pair pair = connect_pair(AF_INET);
	struct iovec parts[2] = {{all, 2000}, {all + 2000, sizeof(all) - 2000}};

	GIVES(0, peer_set(pair.peer, IPPROTO_TCP, TCP_NODELAY, 1));
	for (int i = 0; i < 60; i++) /* each a segment of its own */
		GIVES(100, peer_send(pair.peer, 100, 0));
	GIVES(0, peer_close(pair.peer));
	HOLDS(await(pair.fd, POLLRDHUP));
	GIVES(6000, readv(pair.fd, parts, 2));
	HOLDS((uint8_t)all[5999] == pattern(5999));
	GIVES(0, recv(pair.fd, all, sizeof(all), 0));
}

const struct compare_case compare_end_cases[] = {
	{"shut_arguments", shut_arguments},
	{"shut_writing", shut_writing},
	{"shut_reading", shut_reading},
	{"peer_ends", peer_ends},
	{"all_before_the_end", all_before_the_end},
	{"broken_pipe", broken_pipe},
	{"reset_unread", reset_unread},
	{"reset_while_writing", reset_while_writing},
	{"reset_behind_data", reset_behind_data},
	{"reset_before_the_next_connect", reset_before_the_next_connect},
	{"write_to_closed", write_to_closed},
	{"close_with_unread", close_with_unread},
	{"close_with_unsent", close_with_unsent},
	{"linger_zero", linger_zero},
	{"linger_waits", linger_waits},
	{"shut_under_a_reader", shut_under_a_reader},
	{"shut_under_an_acceptor", shut_under_an_acceptor},
	{"close_under_a_reader", close_under_a_reader},
	{"reset_under_a_reader", reset_under_a_reader},
	{0},
};
