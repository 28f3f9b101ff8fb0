/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A program that knows nothing of Tern, for tern run: the kernel's descriptors and Tern's side by
 * side. `mixed TERN4 TERN6`: ternd's addresses, where an echo service listens on port 7.
 *
 * Each check that fails is told; the exit status is 1 if any does.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { ECHO = 7, HIGH_FD = 1500, IDLE_MS = 300, BUSY_MS = 30 };

static const char *tern4, *tern6;
static int failed;

#define CHECK(what)                                                                                \
	do {                                                                                       \
		errno = 0;                                                                         \
		if (!(what)) {                                                                     \
			fprintf(stderr, "mixed: line %d: %s (errno %d)\n", __LINE__, #what,        \
				errno);                                                            \
			failed = 1;                                                                \
		}                                                                                  \
	} while (0)

/* ---- Sockets */

static struct sockaddr_in
address4(const char *ip, int port)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};

	inet_pton(AF_INET, ip, &in.sin_addr);
	return in;
}

static int
connect4(int fd, const char *ip, int port)
{
	struct sockaddr_in in = address4(ip, port);

	return connect(fd, (struct sockaddr *)&in, sizeof(in));
}

/* Connected to ternd's echo service. */
static int
echo_socket(void)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	CHECK(connect4(fd, tern4, ECHO) == 0);
	return fd;
}

static bool
echoes(int fd, const char *text)
{
	char got[64] = "";

	return send(fd, text, strlen(text), 0) == (ssize_t)strlen(text) &&
	       recv(fd, got, strlen(text), MSG_WAITALL) == (ssize_t)strlen(text) &&
	       strcmp(got, text) == 0;
}

static int
port_of(int fd)
{
	struct sockaddr_in in;
	socklen_t length = sizeof(in);

	return getsockname(fd, (struct sockaddr *)&in, &length) < 0 ? -1 : ntohs(in.sin_port);
}

/* ---- Ways of waiting: whether `a` and `b` are readable, as bits 1 and 2; -1: an error */

static int
by_poll(int a, int b, int ms)
{
	struct pollfd fds[] = {{.fd = a, .events = POLLIN}, {.fd = b, .events = POLLIN}};
	int n = poll(fds, 2, ms);

	if (n < 0 || n != (fds[0].revents != 0) + (fds[1].revents != 0))
		return -1;
	return (fds[0].revents & POLLIN ? 1 : 0) | (fds[1].revents & POLLIN ? 2 : 0);
}

static int
by_ppoll(int a, int b, int ms)
{
	struct pollfd fds[] = {{.fd = a, .events = POLLIN}, {.fd = b, .events = POLLIN}};
	struct timespec timeout = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L};

	if (ppoll(fds, 2, ms < 0 ? NULL : &timeout, NULL) < 0)
		return -1;
	return (fds[0].revents & POLLIN ? 1 : 0) | (fds[1].revents & POLLIN ? 2 : 0);
}

static int
by_select(int a, int b, int ms)
{
	struct timeval timeout = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000L};
	fd_set set;
	int n;

	FD_ZERO(&set);
	FD_SET(a, &set);
	FD_SET(b, &set);
	n = select((a > b ? a : b) + 1, &set, NULL, NULL, ms < 0 ? NULL : &timeout);
	if (n != !!FD_ISSET(a, &set) + !!FD_ISSET(b, &set))
		return -1;
	return (FD_ISSET(a, &set) ? 1 : 0) | (FD_ISSET(b, &set) ? 2 : 0);
}

static int
by_pselect(int a, int b, int ms)
{
	struct timespec timeout = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L};
	fd_set set;

	FD_ZERO(&set);
	FD_SET(a, &set);
	FD_SET(b, &set);
	if (pselect((a > b ? a : b) + 1, &set, NULL, NULL, ms < 0 ? NULL : &timeout, NULL) < 0)
		return -1;
	return (FD_ISSET(a, &set) ? 1 : 0) | (FD_ISSET(b, &set) ? 2 : 0);
}

static int
by_epoll(int a, int b, int ms)
{
	struct epoll_event event = {.events = EPOLLIN, .data.u32 = 1}, events[4];
	int set = epoll_create1(EPOLL_CLOEXEC), n, found = 0;

	CHECK(epoll_ctl(set, EPOLL_CTL_ADD, a, &event) == 0);
	event.data.u32 = 2;
	CHECK(epoll_ctl(set, EPOLL_CTL_ADD, b, &event) == 0);
	n = epoll_wait(set, events, 4, ms);
	for (int i = 0; i < n; i++)
		found |= (int)events[i].data.u32;
	close(set);
	return n < 0 ? -1 : found;
}

static int (*const ways[])(int a, int b, int ms) = {by_poll, by_ppoll, by_select, by_pselect,
						    by_epoll};

static long
cpu_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void
waiting(void)
{
	int fd = echo_socket(), ends[2];
	char byte;

	CHECK(pipe(ends) == 0);
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		long before = cpu_ms();

		CHECK(ways[i](ends[0], fd, IDLE_MS) == 0);
		CHECK(cpu_ms() - before < BUSY_MS);
		CHECK(write(ends[1], "x", 1) == 1);
		CHECK(ways[i](ends[0], fd, -1) == 1);
		CHECK(read(ends[0], &byte, 1) == 1);
		CHECK(write(fd, "y", 1) == 1);
		CHECK(ways[i](ends[0], fd, -1) == 2);
		CHECK(write(ends[1], "x", 1) == 1);
		CHECK(ways[i](ends[0], fd, -1) == 3);
		CHECK(read(ends[0], &byte, 1) == 1 && byte == 'x');
		CHECK(read(fd, &byte, 1) == 1 && byte == 'y');
	}
	close(ends[0]);
	close(ends[1]);
	close(fd);
}

/* ---- Listening on both sides */

static bool
is_from(int listener, const char *ip, int (*way)(int a, int b, int ms), int other)
{
	struct sockaddr_in peer;
	socklen_t length = sizeof(peer);
	char text[INET_ADDRSTRLEN] = "";
	int child;

	if (way != NULL && way(other, listener, 2000) != 2)
		return false;
	child = accept(listener, (struct sockaddr *)&peer, &length);
	inet_ntop(AF_INET, &peer.sin_addr, text, sizeof(text));
	close(child);
	return child >= 0 && strcmp(text, ip) == 0;
}

static void
both_sides(void)
{
	int listener = socket(AF_INET, SOCK_STREAM, 0), port, ends[2], kernels, terns, fresh;
	struct sockaddr_in any = address4("0.0.0.0", 0);
	long before;

	CHECK(pipe(ends) == 0);
	CHECK(bind(listener, (struct sockaddr *)&any, sizeof(any)) == 0);
	port = port_of(listener);
	CHECK(port > 0);
	CHECK(listen(listener, 8) == 0);
	for (size_t i = 0; i <= sizeof(ways) / sizeof(ways[0]); i++) {
		int (*way)(int, int, int) = i == 0 ? NULL : ways[i - 1];

		before = cpu_ms();
		if (way != NULL)
			CHECK(way(ends[0], listener, IDLE_MS) == 0);
		CHECK(cpu_ms() - before < BUSY_MS);
		kernels = socket(AF_INET, SOCK_STREAM, 0);
		CHECK(connect4(kernels, "127.0.0.1", port) == 0);
		CHECK(is_from(listener, "127.0.0.1", way, ends[0]));
		terns = socket(AF_INET, SOCK_STREAM, 0);
		CHECK(connect4(terns, tern4, port) == 0);
		CHECK(is_from(listener, tern4, way, ends[0]));
		close(kernels);
		close(terns);
	}
	CHECK(fcntl(listener, F_SETFL, O_NONBLOCK) == 0);
	CHECK((fcntl(listener, F_GETFL) & O_NONBLOCK) != 0);
	CHECK(accept(listener, NULL, NULL) < 0 && errno == EAGAIN);
	close(listener);

	/* Neither side has the port any more. */
	fresh = socket(AF_INET, SOCK_STREAM, 0);
	CHECK(connect4(fresh, "127.0.0.1", port) < 0 && errno == ECONNREFUSED);
	close(fresh);
	fresh = socket(AF_INET, SOCK_STREAM, 0);
	CHECK(connect4(fresh, tern4, port) < 0 && errno == ECONNREFUSED);
	close(fresh);

	/* A port that is taken on Tern's side alone. */
	fresh = socket(AF_INET, SOCK_STREAM, 0);
	any = address4("0.0.0.0", ECHO);
	CHECK(bind(fresh, (struct sockaddr *)&any, sizeof(any)) < 0 && errno == EADDRINUSE);
	any = address4("127.0.0.1", ECHO);
	CHECK(bind(fresh, (struct sockaddr *)&any, sizeof(any)) == 0);
	close(fresh);
	close(ends[0]);
	close(ends[1]);
}

/* ---- Which side */

static void
sides(void)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), one = 1, got = 0, set;
	struct epoll_event event = {.events = EPOLLIN};
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(ECHO)};
	struct sockaddr_in any = address4("0.0.0.0", 0);
	struct pollfd pollfd;
	socklen_t length = sizeof(got);
	char mapped[64], byte;

	/* Options and a set's membership from before the connection. */
	set = epoll_create1(0);
	CHECK(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) == 0);
	CHECK(epoll_ctl(set, EPOLL_CTL_ADD, fd, &event) == 0);
	CHECK(connect4(fd, tern4, ECHO) == 0 || errno == EINPROGRESS);
	pollfd = (struct pollfd){.fd = fd, .events = POLLOUT};
	CHECK(poll(&pollfd, 1, 2000) == 1 && pollfd.revents == POLLOUT);
	CHECK(getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &got, &length) == 0 && got != 0);
	CHECK(recv(fd, &byte, 1, 0) < 0 && errno == EAGAIN);
	CHECK(epoll_wait(set, &event, 1, 0) == 0);
	CHECK(send(fd, "z", 1, 0) == 1);
	CHECK(epoll_wait(set, &event, 1, 2000) == 1 && event.events == EPOLLIN);
	close(fd);
	close(set);

	/* IPv6, and IPv4 by IPv6. */
	fd = socket(AF_INET6, SOCK_STREAM, 0);
	inet_pton(AF_INET6, tern6, &in6.sin6_addr);
	CHECK(connect(fd, (struct sockaddr *)&in6, sizeof(in6)) == 0 && echoes(fd, "six"));
	close(fd);
	fd = socket(AF_INET6, SOCK_STREAM, 0);
	snprintf(mapped, sizeof(mapped), "::ffff:%s", tern4);
	inet_pton(AF_INET6, mapped, &in6.sin6_addr);
	CHECK(connect(fd, (struct sockaddr *)&in6, sizeof(in6)) == 0 && echoes(fd, "mapped"));
	close(fd);

	/* Bound on both sides, then connected by one. */
	fd = socket(AF_INET, SOCK_STREAM, 0);
	CHECK(bind(fd, (struct sockaddr *)&any, sizeof(any)) == 0);
	got = port_of(fd);
	CHECK(connect4(fd, tern4, ECHO) == 0 && echoes(fd, "bound"));
	CHECK(port_of(fd) == got);
	close(fd);
}

/* ---- Descriptors */

static void
descriptors(void)
{
	int fd = echo_socket(), ends[2], other;
	struct rlimit limit;
	char byte;
	FILE *stream;
	char line[32];

	CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0);
	CHECK(pipe(ends) == 0);

	/* A number above FD_SETSIZE. */
	if (limit.rlim_cur > HIGH_FD) {
		unsigned long large[HIGH_FD / 64 + 1] = {0};

		CHECK(dup2(fd, HIGH_FD) == HIGH_FD);
		close(fd);
		CHECK(echoes(HIGH_FD, "high"));
		CHECK(write(HIGH_FD, "h", 1) == 1);
		large[HIGH_FD / 64] = 1ul << HIGH_FD % 64;
		CHECK(select(HIGH_FD + 1, (fd_set *)large, NULL, NULL, NULL) == 1);
		CHECK(read(HIGH_FD, &byte, 1) == 1);
		fd = dup(HIGH_FD);
		close(HIGH_FD);
	}

	/* Another file in its place, which ends the connection. */
	CHECK(echoes(fd, "before"));
	CHECK(dup2(ends[0], fd) == fd);
	CHECK(write(ends[1], "p", 1) == 1);
	CHECK(read(fd, &byte, 1) == 1 && byte == 'p');
	close(fd);

	/* Streams. */
	fd = echo_socket();
	stream = fdopen(fd, "r+");
	CHECK(stream != NULL && fileno(stream) == fd);
	CHECK(fprintf(stream, "line %d\n", 1) == 7 && fflush(stream) == 0);
	CHECK(fgets(line, sizeof(line), stream) != NULL && strcmp(line, "line 1\n") == 0);
	CHECK(dprintf(fd, "%s\n", "direct") == 7);
	CHECK(fgets(line, sizeof(line), stream) != NULL && strcmp(line, "direct\n") == 0);
	CHECK(fclose(stream) == 0);
	CHECK(write(fd, "x", 1) < 0 && errno == EBADF);

	/* As a standard stream, and back. */
	fd = echo_socket();
	other = dup(1);
	fflush(stdout);
	CHECK(dup2(fd, 1) == 1);
	CHECK(printf("printed\n") == 8 && fflush(stdout) == 0);
	CHECK(dup2(other, 1) == 1);
	close(other);
	CHECK(recv(fd, line, 8, MSG_WAITALL) == 8 && memcmp(line, "printed\n", 8) == 0);

	CHECK(splice(fd, NULL, ends[1], NULL, 1, 0) < 0 && errno == EINVAL);
	close(ends[0]);
	close(ends[1]);

	/* Everything closed, in each way: there is nothing left that was the program's, and Tern
	 * goes on. */
	CHECK(close_range(3, ~0u, 0) == 0);
	CHECK(write(fd, "x", 1) < 0 && errno == EBADF);
	fd = echo_socket();
	CHECK(fd == 3 && echoes(fd, "after close_range"));
	closefrom(3);
	fd = echo_socket();
	CHECK(fd == 3 && echoes(fd, "after closefrom"));
	for (int i = 3; i < (int)limit.rlim_cur && i < 1 << 20; i++)
		CHECK(close(i) == 0 ? i == 3 : errno == EBADF);
	fd = echo_socket();
	CHECK(fd == 3 && echoes(fd, "after a loop"));
	close(fd);
}

int
main(int argc, char **argv)
{
	if (argc != 3)
		return 2;
	tern4 = argv[1];
	tern6 = argv[2];
	waiting();
	both_sides();
	sides();
	descriptors();
	return failed;
}
