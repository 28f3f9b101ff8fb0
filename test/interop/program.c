/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A program on libtern, for the interop tests: servers and clients that check every byte. Ends with
 * status 0 if all was right, 1 with a line on stderr if not.
 *
 *     program fork PORT N          echoes for N connections, a child for each
 *     program inplace PORT N       echoes for N connections, one after the other, read in place
 *     program poll PORT N          the same for N connections at once, with poll()
 *     program epoll PORT N         the same with epoll, level-triggered, a kernel's timer in the
 * set program edge PORT N          ... and edge-triggered program send HOST PORT BYTES sends a
 * pattern, and reads it back from an echo program hold HOST PORT       connects, says so, and waits
 * to be killed program refused HOST PORT    connects to where nobody listens program orphan HOST
 * PORT     connects, says so, waits for ternd to go, and says what it sees program linux-echo HOST
 * PORT N   echoes for N connections with the kernel's sockets
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tern.h"

enum {
	CHUNK = 65536,
	MAX_AT_ONCE = 256,
};

static uint8_t chunk[CHUNK];

static _Noreturn __attribute__((format(printf, 1, 2))) void
fail(const char *format, ...)
{
	int error = errno;
	va_list args;

	va_start(args, format);
	fputs("program: ", stderr);
	vfprintf(stderr, format, args);
	fprintf(stderr, ": %s\n", strerror(error));
	va_end(args);
	exit(1);
}

static void
say(const char *what)
{
	puts(what);
	fflush(stdout);
}

/* An address of either family; NULL is the any-address of both. */
static socklen_t
address(const char *host, const char *port, struct sockaddr_storage *out)
{
	struct sockaddr_in *in = (struct sockaddr_in *)out;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)out;

	memset(out, 0, sizeof(*out));
	if (host != NULL && inet_pton(AF_INET, host, &in->sin_addr) == 1) {
		in->sin_family = AF_INET;
		in->sin_port = htons((uint16_t)atoi(port));
		return sizeof(*in);
	}
	in6->sin6_family = AF_INET6;
	in6->sin6_port = htons((uint16_t)atoi(port));
	if (host != NULL && inet_pton(AF_INET6, host, &in6->sin6_addr) != 1)
		fail("%s is no address", host);
	return sizeof(*in6);
}

/* ---- Servers */

static int
listen_on(const char *port, int type)
{
	struct sockaddr_storage any;
	socklen_t n = address(NULL, port, &any);
	int fd = tern_socket(AF_INET6, SOCK_STREAM | type, 0), on = 1;

	if (fd < 0)
		fail("socket");
	if (tern_setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
	    tern_bind(fd, (struct sockaddr *)&any, n) < 0 || tern_listen(fd, 128) < 0)
		fail("listening on port %s", port);
	say("listening");
	return fd;
}

static void
echo_all(int fd)
{
	ssize_t n;

	while ((n = tern_read(fd, chunk, sizeof(chunk))) > 0)
		if (tern_write(fd, chunk, (size_t)n) != n)
			fail("write");
	if (n < 0)
		fail("read");
}

/* The parent keeps nothing of a connection; each child lets go of the listener. */
static void
serve_by_fork(const char *port, unsigned int n)
{
	int listener = listen_on(port, 0), status;

	for (unsigned int i = 0; i < n; i++) {
		int fd = tern_accept(listener, NULL, NULL);
		pid_t child;

		if (fd < 0)
			fail("accept");
		child = fork();
		if (child < 0)
			fail("fork");
		if (child == 0) {
			tern_close(listener);
			echo_all(fd);
			_exit(tern_close(fd) < 0);
		}
		if (tern_close(fd) < 0)
			fail("close");
	}
	while (wait(&status) > 0)
		if (status != 0)
			fail("a child ended with %#x", (unsigned int)status);
}

/* What is read and cannot be written waits; a connection with something waiting is not read. */
static struct waiting {
	size_t at, n;
	uint8_t bytes[CHUNK];
} waiting[MAX_AT_ONCE];

/* Returns false at the end of the connection. */
static bool
echo_some(struct pollfd *fd, struct waiting *w)
{
	ssize_t n;

	if (w->n == 0) {
		n = tern_recv(fd->fd, w->bytes, sizeof(w->bytes), 0);
		if (n == 0)
			return false;
		if (n < 0 && errno != EAGAIN)
			fail("recv");
		w->at = 0;
		w->n = n > 0 ? (size_t)n : 0;
	}
	if (w->n > 0) {
		n = tern_send(fd->fd, w->bytes + w->at, w->n, MSG_NOSIGNAL);
		if (n < 0 && errno != EAGAIN)
			fail("send");
		if (n > 0) {
			w->at += (size_t)n;
			w->n -= (size_t)n;
		}
	}
	fd->events = w->n > 0 ? POLLOUT : POLLIN;
	return true;
}

static void
serve_by_poll(const char *port, unsigned int n)
{
	static struct pollfd fds[MAX_AT_ONCE + 1];
	unsigned int used = 1, accepted = 0;

	fds[0] = (struct pollfd){listen_on(port, SOCK_NONBLOCK), POLLIN, 0};
	while (accepted < n || used > 1) {
		if (tern_poll(fds, used, 30000) <= 0)
			fail("poll");
		while (fds[0].revents != 0 && used <= MAX_AT_ONCE) {
			int fd = tern_accept4(fds[0].fd, NULL, NULL, SOCK_NONBLOCK);

			if (fd < 0 && errno != EAGAIN)
				fail("accept");
			if (fd < 0)
				break;
			waiting[used - 1].n = 0;
			fds[used++] = (struct pollfd){fd, POLLIN, 0};
			accepted++;
		}
		for (unsigned int i = 1; i < used; i++) {
			if (fds[i].revents == 0 || echo_some(&fds[i], &waiting[i - 1]))
				continue;
			tern_close(fds[i].fd);
			fds[i] = fds[--used];
			waiting[i - 1] = waiting[used - 1];
			i--;
		}
	}
}

/* Connections are told apart by their place in waiting[]; these two are not. */
enum {
	LISTENER = MAX_AT_ONCE,
	TIMER,
};

static void
watch(int set, int operation, int fd, uint32_t events, uint32_t what)
{
	struct epoll_event event = {.events = events, .data.u32 = what};

	if (tern_epoll_ctl(set, operation, fd, &event) < 0)
		fail("epoll_ctl");
}

static int
timer_of_20_ms(void)
{
	struct itimerspec often = {{0, 20000000}, {0, 20000000}};
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);

	if (fd < 0 || timerfd_settime(fd, 0, &often, NULL) < 0)
		fail("timerfd");
	return fd;
}

/* Goes on until nothing moves; edges tell only once. Returns false at the end of the connection. */
static bool
echo_until_empty(int fd, struct waiting *w)
{
	struct pollfd p = {.fd = fd};
	size_t before;

	do {
		before = w->n;
		if (!echo_some(&p, w))
			return false;
	} while (w->n != before || (w->n == 0 && tern_recv(fd, w->bytes, 1, MSG_PEEK) >= 0));
	return true;
}

static void
serve_by_epoll(const char *port, unsigned int n, bool edge)
{
	static int fds[MAX_AT_ONCE];
	uint32_t how = edge ? EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET : EPOLLIN;
	int set = tern_epoll_create1(EPOLL_CLOEXEC), listener = listen_on(port, SOCK_NONBLOCK);
	int timer = timer_of_20_ms();
	unsigned int accepted = 0, closed = 0, ticks = 0;
	struct epoll_event events[32];

	watch(set, EPOLL_CTL_ADD, listener, EPOLLIN, LISTENER);
	watch(set, EPOLL_CTL_ADD, timer, EPOLLIN, TIMER);
	while (closed < n) {
		int found = tern_epoll_wait(set, events, 32, 30000);
		uint64_t expirations;

		if (found <= 0)
			fail("epoll_wait gave %d", found);
		for (int i = 0; i < found; i++) {
			uint32_t at = events[i].data.u32;

			if (at == TIMER) {
				ticks += read(timer, &expirations, sizeof(expirations)) > 0;
			} else if (at == LISTENER) {
				int fd = tern_accept4(listener, NULL, NULL, SOCK_NONBLOCK);

				if (fd < 0 && errno != EAGAIN)
					fail("accept");
				if (fd < 0)
					continue;
				fds[accepted] = fd;
				waiting[accepted].n = 0;
				watch(set, EPOLL_CTL_ADD, fd, how, accepted++);
			} else if (!(edge ? echo_until_empty(fds[at], &waiting[at])
					  : echo_some(&(struct pollfd){.fd = fds[at]},
						      &waiting[at]))) {
				tern_close(fds[at]);
				closed++;
			} else if (!edge) {
				watch(set, EPOLL_CTL_MOD, fds[at],
				      waiting[at].n > 0 ? EPOLLOUT : EPOLLIN, at);
			}
		}
	}
	if (ticks == 0)
		fail("the timer in the set never fired");
}

static void
expect_error(long got, int error, const char *what)
{
	if (got != -1 || errno != error)
		fail("%s gave %ld", what, got);
}

/* What goes wrong while bytes are lent; and a fork ends the loan, and loses nothing. */
static void
misuse_a_loan(int fd)
{
	struct iovec piece;
	uint8_t first;
	ssize_t n = tern_recv_zc(fd, &piece, 1, 0);
	pid_t child;

	if (n <= 0)
		fail("recv_zc gave %zd", n);
	first = *(const uint8_t *)piece.iov_base;
	expect_error(tern_recv_zc(fd, &piece, 1, 0), EBUSY, "a second loan");
	expect_error(tern_recv(fd, chunk, 1, MSG_DONTWAIT), EBUSY, "recv of what is lent");
	expect_error(tern_recv_zc_done(fd, (size_t)n + 1), EINVAL, "more than was lent");
	child = fork();
	if (child == 0) {
		expect_error(tern_recv_zc_done(fd, 1), EINVAL, "a loan of the parent's");
		expect_error(tern_recv_zc(fd, &piece, 1, 0), EOPNOTSUPP, "a shared socket");
		_exit(0);
	}
	if (child < 0 || waitpid(child, NULL, 0) != child)
		fail("fork");
	expect_error(tern_recv_zc_done(fd, 1), ESTALE, "a loan that a fork ended");
	if (tern_recv(fd, chunk, 1, MSG_PEEK) != 1 || chunk[0] != first)
		fail("a byte is lost");
	/* ternd takes a moment to notice that the child has gone. */
	while ((n = tern_recv_zc(fd, &piece, 1, 0)) < 0 && errno == EOPNOTSUPP)
		usleep(1000);
	if (n <= 0 || tern_recv_zc_done(fd, 0) < 0)
		fail("recv_zc after a fork gave %zd", n);
}

/* Payloads that are not used, are not there, or are too many. */
static void
misuse_payloads(int fd)
{
	void *buffers[16], *one_more;

	for (size_t i = 0; i < 16; i++)
		if (tern_send_zc(fd, &buffers[i], 1, 0) != 1)
			fail("payload %zu", i);
	expect_error(tern_send_zc(fd, &one_more, 1, 0), ENOBUFS, "a payload too many");
	for (size_t i = 0; i < 16; i++)
		if (tern_send_zc_done(fd, buffers[i], 0, 0) != 0)
			fail("giving payload %zu back", i);
	expect_error(tern_send_zc_done(fd, buffers[0], 1, 0), EINVAL, "a payload twice");
	expect_error(tern_send_zc_done(fd, &one_more, 1, 0), EINVAL, "no payload");
	expect_error(tern_send_zc(fd, &one_more, 0, 0), EINVAL, "no bytes");
	expect_error(tern_send_zc(-1, &one_more, 1, 0), EBADF, "no socket");
}

/* Writes in place what lies at `from`. Returns how many bytes of it. */
static ssize_t
send_in_place(int fd, const void *from, size_t bytes)
{
	void *buffer;
	ssize_t room = tern_send_zc(fd, &buffer, bytes, 0);

	if (room <= 0 || (size_t)room > bytes)
		fail("send_zc gave %zd", room);
	memcpy(buffer, from, (size_t)room);
	return tern_send_zc_done(fd, buffer, (size_t)room, 0);
}

/* Reads in place, now this much of what is lent and now that. */
static void
serve_in_place(const char *port, unsigned int n)
{
	int listener = listen_on(port, 0);

	for (unsigned int i = 0; i < n; i++) {
		int fd = tern_accept(listener, NULL, NULL);
		struct iovec pieces[3];
		unsigned int round = 0;
		ssize_t got, sent;

		if (fd < 0)
			fail("accept");
		misuse_a_loan(fd);
		misuse_payloads(fd);
		while ((got = tern_recv_zc(fd, pieces, 1 + (int)(round % 3), 0)) > 0) {
			if (++round % 4 == 0)
				pieces[0].iov_len = (pieces[0].iov_len + 1) / 2;
			if (round % 2 == 0)
				sent = send_in_place(fd, pieces[0].iov_base, pieces[0].iov_len);
			else
				sent = tern_writev(fd, pieces, 1 + (int)((round - 1) % 3));
			if (sent <= 0 || tern_recv_zc_done(fd, (size_t)sent) < 0)
				fail("sending %zd bytes from where they lie", got);
		}
		if (got < 0 || tern_close(fd) < 0)
			fail("recv_zc");
	}
}

static void
serve_on_linux(const char *host, const char *port, unsigned int n)
{
	struct sockaddr_storage at;
	socklen_t bytes = address(host, port, &at);
	int listener = socket(at.ss_family, SOCK_STREAM, 0), on = 1, fd;
	ssize_t got;

	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (listener < 0 || bind(listener, (struct sockaddr *)&at, bytes) < 0 ||
	    listen(listener, 16) < 0)
		fail("listening on %s", port);
	say("listening");
	for (unsigned int i = 0; i < n; i++) {
		fd = accept(listener, NULL, NULL);
		while ((got = read(fd, chunk, sizeof(chunk))) > 0)
			if (write(fd, chunk, (size_t)got) != got)
				break;
		close(fd);
	}
}

/* ---- Clients */

static int
connect_to(const char *host, const char *port)
{
	struct sockaddr_storage to;
	socklen_t n = address(host, port, &to);
	int fd = tern_socket(to.ss_family, SOCK_STREAM, 0);

	if (fd < 0)
		fail("socket");
	if (tern_connect(fd, (struct sockaddr *)&to, n) < 0)
		fail("connect to %s, port %s", host, port);
	return fd;
}

static uint8_t
pattern(size_t i)
{
	return (uint8_t)(i * 31 + i / 253);
}

/* A child sends while its parent reads: both use the connection, which fork has shared. */
static void
send_and_read(const char *host, const char *port, size_t bytes)
{
	int fd = connect_to(host, port), status;
	size_t got = 0;
	pid_t child = fork();
	ssize_t n;

	if (child < 0)
		fail("fork");
	if (child == 0) {
		for (size_t at = 0; at < bytes; at += (size_t)n) {
			size_t some = bytes - at < CHUNK ? bytes - at : CHUNK;

			for (size_t i = 0; i < some; i++)
				chunk[i] = pattern(at + i);
			n = tern_write(fd, chunk, some);
			if (n <= 0)
				fail("write");
		}
		_exit(tern_shutdown(fd, SHUT_WR) < 0);
	}
	while ((n = tern_read(fd, chunk, sizeof(chunk))) > 0) {
		for (ssize_t i = 0; i < n; i++)
			if (chunk[i] != pattern(got + (size_t)i)) {
				errno = EILSEQ;
				fail("byte %zu", got + (size_t)i);
			}
		got += (size_t)n;
	}
	if (n < 0 || got != bytes)
		fail("%zu bytes came back of %zu", got, bytes);
	if (waitpid(child, &status, 0) != child || status != 0)
		fail("the sending child ended with %#x", (unsigned int)status);
	if (tern_close(fd) < 0)
		fail("close");
}

static void
expect_refusal(const char *host, const char *port)
{
	struct sockaddr_storage to;
	socklen_t n = address(host, port, &to);
	int fd = tern_socket(to.ss_family, SOCK_STREAM, 0);

	if (tern_connect(fd, (struct sockaddr *)&to, n) == 0 || errno != ECONNREFUSED)
		fail("connect to a closed port");
}

static void
outlive_ternd(const char *host, const char *port)
{
	int fd = connect_to(host, port);
	ssize_t n;

	say("connected");
	n = tern_read(fd, chunk, sizeof(chunk));
	if (n >= 0 || errno != ECONNRESET)
		fail("read gave %zd", n);
	if (tern_read(fd, chunk, sizeof(chunk)) != 0)
		fail("a second read");
	if (tern_send(fd, "x", 1, MSG_NOSIGNAL) >= 0 || errno != EPIPE)
		fail("send");
	if (tern_close(fd) < 0)
		fail("close");
}

int
main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";

	if (argc == 4 && strcmp(what, "fork") == 0)
		serve_by_fork(argv[2], (unsigned int)atoi(argv[3]));
	else if (argc == 4 && strcmp(what, "poll") == 0)
		serve_by_poll(argv[2], (unsigned int)atoi(argv[3]));
	else if (argc == 4 && strcmp(what, "epoll") == 0)
		serve_by_epoll(argv[2], (unsigned int)atoi(argv[3]), false);
	else if (argc == 4 && strcmp(what, "edge") == 0)
		serve_by_epoll(argv[2], (unsigned int)atoi(argv[3]), true);
	else if (argc == 4 && strcmp(what, "inplace") == 0)
		serve_in_place(argv[2], (unsigned int)atoi(argv[3]));
	else if (argc == 5 && strcmp(what, "linux-echo") == 0)
		serve_on_linux(argv[2], argv[3], (unsigned int)atoi(argv[4]));
	else if (argc == 5 && strcmp(what, "send") == 0)
		send_and_read(argv[2], argv[3], strtoul(argv[4], NULL, 10));
	else if (argc == 4 && strcmp(what, "refused") == 0)
		expect_refusal(argv[2], argv[3]);
	else if (argc == 4 && strcmp(what, "orphan") == 0)
		outlive_ternd(argv[2], argv[3]);
	else if (argc == 4 && strcmp(what, "hold") == 0) {
		connect_to(argv[2], argv[3]);
		say("connected");
		pause();
	} else {
		fprintf(stderr, "usage: see the head of program.c\n");
		return 2;
	}
	return 0;
}
