/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A program on libtern that forks, for the interop tests. HOST and PORT are those of an echo on
 * Linux. Ends with status 0 if all was right, 1 with a line on stderr if not.
 *
 *     inherit slots HOST PORT     a child closes what it has inherited, and its threads open more
 *     inherit unread HOST PORT    children that end at once, while there is something to be read
 *     inherit threads HOST PORT   forks while other threads wait, open and close
 *     inherit handlers HOST PORT  handlers of pthread_atfork() use a socket
 *     inherit deep HOST PORT      a child's child's child uses a socket that all share
 *     inherit exec HOST PORT      sockets over exec: prints "executed" and goes on with a line on
 * stdin inherit echo HOST PORT      is that echo, with the kernel's sockets, for any number inherit
 * refused HOST PORT   a child whose share ternd refuses: prints "refused" when it forks
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tern.h"

static struct sockaddr_in echo;

static _Noreturn __attribute__((format(printf, 1, 2))) void
fail(const char *format, ...)
{
	int error = errno;
	va_list args;

	va_start(args, format);
	fprintf(stderr, "inherit %d: ", (int)getpid());
	vfprintf(stderr, format, args);
	fprintf(stderr, ": %s\n", strerror(error));
	va_end(args);
	_exit(1);
}

static int
connect_to_echo(void)
{
	int fd = tern_socket(AF_INET, SOCK_STREAM, 0);

	if (fd < 0 || tern_connect(fd, (struct sockaddr *)&echo, sizeof(echo)) < 0)
		fail("connect");
	return fd;
}

static uint8_t
pattern(size_t i)
{
	return (uint8_t)(i * 31 + i / 253);
}

static void
send_some(int fd, size_t bytes)
{
	uint8_t buffer[8192];

	for (size_t i = 0; i < bytes; i++)
		buffer[i] = pattern(i);
	if (tern_send(fd, buffer, bytes, MSG_NOSIGNAL) != (ssize_t)bytes)
		fail("send");
}

static void
expect_back(int fd, size_t bytes)
{
	uint8_t buffer[8192];

	if (tern_recv(fd, buffer, bytes, MSG_WAITALL) != (ssize_t)bytes)
		fail("recv");
	for (size_t i = 0; i < bytes; i++)
		if (buffer[i] != pattern(i)) {
			errno = EILSEQ;
			fail("byte %zu of %zu", i, bytes);
		}
}

static void
echo_once(int fd, size_t bytes)
{
	send_some(fd, bytes);
	expect_back(fd, bytes);
}

static pid_t
fork_or_fail(void)
{
	pid_t child = fork();

	if (child < 0)
		fail("fork");
	return child;
}

static void
expect_good_end(pid_t child)
{
	int status;

	if (waitpid(child, &status, 0) != child || status != 0)
		fail("the child ended with %#x", (unsigned int)status);
}

/* ---- Slots */

enum {
	INHERITED = 100,
	OPENERS = 4,
	OPENED = 60,
	ROUNDS = 40,
};

static pthread_barrier_t all_there;

static void *
open_many(void *arg)
{
	int fds[OPENED];

	(void)arg;
	for (unsigned int round = 0; round < ROUNDS; round++) {
		pthread_barrier_wait(&all_there);
		for (unsigned int i = 0; i < OPENED; i++) {
			fds[i] = tern_socket(AF_INET, SOCK_STREAM, 0);
			if (fds[i] < 0)
				fail("socket %u of round %u", i, round);
		}
		for (unsigned int i = 0; i < OPENED; i++)
			if (tern_close(fds[i]) < 0)
				fail("close");
	}
	return NULL;
}

static void
try_slots(void)
{
	int fds[INHERITED];
	pthread_t threads[OPENERS];
	pid_t child;

	for (unsigned int i = 0; i < INHERITED; i++)
		fds[i] = tern_socket(AF_INET, SOCK_STREAM, 0);
	child = fork_or_fail();
	if (child == 0) {
		/* The child's list of free slots begins with this. */
		tern_close(tern_socket(AF_INET, SOCK_STREAM, 0));
		for (unsigned int i = 0; i < INHERITED; i++)
			if (tern_close(fds[i]) < 0)
				fail("close of an inherited socket");
		pthread_barrier_init(&all_there, NULL, OPENERS);
		for (unsigned int i = 0; i < OPENERS; i++)
			pthread_create(&threads[i], NULL, open_many, NULL);
		for (unsigned int i = 0; i < OPENERS; i++)
			pthread_join(threads[i], NULL);
		_exit(0);
	}
	expect_good_end(child);
}

/* ---- What is delivered and not read */

static void
nap(void)
{
	usleep(5000);
}

/* The children have long ended when their parent goes on. */
static void
try_unread(void)
{
	int fd;

	pthread_atfork(NULL, nap, NULL);
	fd = connect_to_echo();
	for (unsigned int round = 0; round < 100; round++) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		size_t bytes = 1 + round * 80, first = round * 40;
		uint8_t buffer[8192];
		pid_t child;

		send_some(fd, bytes);
		if (tern_poll(&p, 1, 10000) != 1)
			fail("nothing came back");
		/* Part of a chunk, sometimes. */
		if (first > 0 && tern_recv(fd, buffer, first, MSG_WAITALL) != (ssize_t)first)
			fail("recv");
		child = fork_or_fail();
		if (child == 0) {
			if (round % 3 != 0 && tern_close(fd) < 0)
				fail("close");
			_exit(0);
		}
		if (round % 2 == 0)
			expect_good_end(child);
		if (tern_recv(fd, buffer + first, bytes - first, MSG_WAITALL) !=
		    (ssize_t)(bytes - first))
			fail("recv of the rest");
		for (size_t i = first; i < bytes; i++)
			if (buffer[i] != pattern(i)) {
				errno = EILSEQ;
				fail("round %u, byte %zu of %zu", round, i, bytes);
			}
		if (round % 2 != 0)
			expect_good_end(child);
	}
	tern_close(fd);
}

/* ---- Other threads */

static bool stop; /* atomic */
static int never; /* nothing ever comes from it */

static void *
wait_long(void *arg)
{
	char byte;

	(void)arg;
	if (tern_recv(never, &byte, 1, 0) != 0)
		fail("a recv during forks");
	return NULL;
}

static void *
poll_often(void *arg)
{
	struct pollfd p = {.fd = never, .events = POLLIN};

	(void)arg;
	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED))
		if (tern_poll(&p, 1, 1) < 0)
			fail("poll during forks");
	return NULL;
}

static void *
open_and_close(void *arg)
{
	int set = tern_epoll_create1(EPOLL_CLOEXEC);

	(void)arg;
	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		struct epoll_event event = {.events = EPOLLIN};
		int fd = connect_to_echo();

		if (tern_epoll_ctl(set, EPOLL_CTL_ADD, fd, &event) < 0)
			fail("epoll_ctl during forks");
		echo_once(fd, 100);
		tern_close(fd);
	}
	tern_close(set);
	return NULL;
}

static void
try_threads(void)
{
	pthread_t waiter, poller, openers[2];
	int fd = connect_to_echo();

	never = connect_to_echo();
	pthread_create(&waiter, NULL, wait_long, NULL);
	pthread_create(&poller, NULL, poll_often, NULL);
	pthread_create(&openers[0], NULL, open_and_close, NULL);
	pthread_create(&openers[1], NULL, open_and_close, NULL);
	for (unsigned int round = 0; round < 40; round++) {
		pid_t child = fork_or_fail();

		if (child == 0) {
			alarm(20);
			echo_once(fd, 10 + round);
			if (round % 2 == 0)
				open_and_close((stop = true, NULL));
			_exit(0);
		}
		expect_good_end(child);
		echo_once(fd, 10 + round);
	}
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	pthread_join(openers[0], NULL);
	pthread_join(openers[1], NULL);
	pthread_join(poller, NULL);
	/* No child holds it any more: this is the end of the stream for both sides. */
	if (tern_shutdown(never, SHUT_WR) < 0)
		fail("shutdown");
	pthread_join(waiter, NULL);
	tern_close(never);
	tern_close(fd);
}

/* ---- Handlers of the program's own */

static int for_handlers;

static void
use_it(void)
{
	echo_once(for_handlers, 100);
}

static void
try_handlers(void)
{
	pid_t child;

	pthread_atfork(use_it, use_it, NULL);
	for_handlers = connect_to_echo();
	child = fork_or_fail();
	if (child == 0)
		_exit(0);
	expect_good_end(child);
	pthread_atfork(NULL, NULL, use_it);
	tern_close(for_handlers);
	for_handlers = connect_to_echo();
	/* In turns: the child speaks when its parent has heard its own. */
	child = fork_or_fail();
	if (child == 0)
		_exit(0);
	expect_good_end(child);
	tern_close(for_handlers);
}

/* ---- Generations */

static void
try_deep(void)
{
	int fd = connect_to_echo(), depth = 0;
	pid_t child;

	do {
		child = fork_or_fail();
		if (child == 0)
			depth++;
	} while (child == 0 && depth < 3);
	if (depth < 3)
		expect_good_end(child);
	if (depth != 1) /* one that never uses it */
		echo_once(fd, 5000);
	if (depth > 0)
		_exit(0);
	tern_close(fd);
}

static void
try_refused(void)
{
	int fd = connect_to_echo();
	struct pollfd p = {.fd = fd, .events = POLLIN};
	pid_t child;
	char byte;

	send_some(fd, 3000);
	if (tern_poll(&p, 1, 10000) != 1)
		fail("nothing came back");
	child = fork_or_fail();
	if (child == 0) {
		if (tern_recv(fd, &byte, 1, 0) >= 0 || errno != ECONNRESET)
			fail("a child without a share reads");
		if (tern_recv(fd, &byte, 1, 0) != 0)
			fail("a child without a share reads again");
		if (tern_close(fd) < 0)
			fail("close");
		puts("refused");
		exit(0);
	}
	expect_good_end(child);
	expect_back(fd, 3000);
	echo_once(fd, 100);
	tern_close(fd);
}

/* ---- exec */

enum {
	SENT = 3000,
	READ_BEFORE = 100, /* the exec that fails, and again before the one that does not */
};

static void
read_pattern(int fd, size_t from, size_t to)
{
	uint8_t buffer[SENT];

	if (tern_recv(fd, buffer, to - from, MSG_WAITALL) != (ssize_t)(to - from))
		fail("bytes %zu to %zu", from, to);
	for (size_t i = from; i < to; i++)
		if (buffer[i - from] != pattern(i)) {
			errno = EILSEQ;
			fail("byte %zu", i);
		}
}

/* The fourth argument of the new image. */
struct numbers {
	int half_read, same, closes, times_out;
};

static void
try_exec(void)
{
	struct timeval soon = {0, 50000};
	struct pollfd p = {.events = POLLIN};
	struct numbers fds;
	char text[100], host[INET_ADDRSTRLEN], port[8];
	char *argv[] = {(char *)"inherit", (char *)"executed", host, port, text, NULL};
	char *none[] = {NULL};

	fds.half_read = p.fd = connect_to_echo();
	fds.closes = connect_to_echo();
	fds.times_out = connect_to_echo();
	send_some(fds.half_read, SENT);
	if (tern_poll(&p, 1, 10000) != 1)
		fail("nothing came back");
	read_pattern(fds.half_read, 0, READ_BEFORE);
	fds.same = tern_dup(fds.half_read);
	if (fds.same < 0 || tern_fcntl(fds.half_read, F_SETFL, O_NONBLOCK) < 0 ||
	    tern_fcntl(fds.closes, F_SETFD, FD_CLOEXEC) < 0 ||
	    tern_setsockopt(fds.times_out, SOL_SOCKET, SO_RCVTIMEO, &soon, sizeof(soon)) < 0)
		fail("making ready");
	inet_ntop(AF_INET, &echo.sin_addr, host, sizeof(host));
	snprintf(port, sizeof(port), "%u", ntohs(echo.sin_port));
	snprintf(text, sizeof(text), "%d %d %d %d", fds.half_read, fds.same, fds.closes,
		 fds.times_out);
	if (tern_execve("/nowhere", argv, none) >= 0 || errno != ENOENT)
		fail("exec of nothing");
	read_pattern(fds.half_read, READ_BEFORE, 2 * READ_BEFORE);
	echo_once(fds.closes, 10);
	tern_execve("/proc/self/exe", argv, none);
	fail("exec");
}

static void
go_on(const char *text)
{
	struct numbers fds;
	uint8_t byte;

	if (sscanf(text, "%d %d %d %d", &fds.half_read, &fds.same, &fds.closes, &fds.times_out) !=
	    4)
		fail("numbers");
	if (getenv("TERN_HANDOVER") != NULL)
		fail("the environment still tells of sockets");
	if (tern_recv(fds.closes, &byte, 1, 0) >= 0 || errno != EBADF)
		fail("a socket that closes on exec");
	read_pattern(fds.half_read, 2 * READ_BEFORE, SENT);
	if (tern_recv(fds.same, &byte, 1, 0) >= 0 || errno != EAGAIN)
		fail("O_NONBLOCK");
	if (tern_recv(fds.times_out, &byte, 1, 0) >= 0 || errno != EAGAIN)
		fail("SO_RCVTIMEO");
	echo_once(fds.times_out, SENT);
	if (tern_fcntl(fds.same, F_SETFL, 0) < 0)
		fail("F_SETFL");
	tern_close(fds.half_read);
	echo_once(fds.same, SENT);
	puts("executed");
	fflush(stdout);
	if (getchar() == EOF)
		fail("stdin");
	tern_close(fds.same);
	tern_close(fds.times_out);
	/* This one was never opened by an image that is still there. */
	tern_close(connect_to_echo());
}

/* ---- The other side */

static void
be_echo(void)
{
	int listener = socket(AF_INET, SOCK_STREAM, 0), on = 1;

	signal(SIGCHLD, SIG_IGN);
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(listener, (struct sockaddr *)&echo, sizeof(echo)) < 0 || listen(listener, 128) < 0)
		fail("listening");
	puts("listening");
	fflush(stdout);
	for (;;) {
		int fd = accept(listener, NULL, NULL);
		char buffer[8192];
		ssize_t n;

		if (fd >= 0 && fork() == 0) {
			while ((n = read(fd, buffer, sizeof(buffer))) > 0)
				if (write(fd, buffer, (size_t)n) != n)
					break;
			_exit(0);
		}
		close(fd);
	}
}

int
main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*run)(void);
	} cases[] = {
		{"slots", try_slots},       {"unread", try_unread}, {"threads", try_threads},
		{"handlers", try_handlers}, {"deep", try_deep},     {"refused", try_refused},
		{"exec", try_exec},         {"echo", be_echo},
	};

	echo.sin_family = AF_INET;
	if (argc < 4 || inet_pton(AF_INET, argv[2], &echo.sin_addr) != 1)
		return 2;
	echo.sin_port = htons((uint16_t)atoi(argv[3]));
	if (argc == 5 && strcmp(argv[1], "executed") == 0) {
		go_on(argv[4]);
		return 0;
	}
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (strcmp(argv[1], cases[i].name) == 0) {
			alarm(cases[i].run == be_echo ? 0 : 60);
			cases[i].run();
			return 0;
		}
	return 2;
}
