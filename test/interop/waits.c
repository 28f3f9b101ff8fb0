/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Waits that signals interrupt, that handlers jump out of, and whose threads are cancelled: what
 * Linux does, for the kernel's sockets and, under `tern run`, for Tern's.
 *
 *     waits HOST PORT LISTEN     HOST and PORT are an echo's; LISTEN is a free port
 *
 * Ends with status 0 if all was right, else with a line on stderr for each that was not.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

static struct sockaddr_in echo;
static uint16_t listen_port;
static int failures;

#define CHECK(condition)                                                                           \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			fprintf(stderr, "waits: line %d: %s (%s)\n", __LINE__, #condition,         \
				strerror(errno));                                                  \
			failures++;                                                                \
		}                                                                                  \
	} while (0)

static _Noreturn void
die(const char *what)
{
	fprintf(stderr, "waits: %s: %s\n", what, strerror(errno));
	_exit(1);
}

static int
connect_to_echo(void)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (fd < 0 || connect(fd, (struct sockaddr *)&echo, sizeof(echo)) < 0)
		die("connect");
	return fd;
}

static int
listen_somewhere(void)
{
	struct sockaddr_in any = {.sin_family = AF_INET, .sin_port = htons(listen_port)};
	int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, (struct sockaddr *)&any, sizeof(any)) < 0 || listen(fd, 5) < 0)
		die("listen");
	return fd;
}

static void
limit_receiving(int fd)
{
	struct timeval long_time = {20, 0};

	CHECK(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &long_time, sizeof(long_time)) == 0);
}

/* ---- Signals */

static volatile int runs;       /* of the handler */
static volatile int send_on;    /* by the first run; -1: nowhere */
static volatile int jump_after; /* so many runs; 0: never */
static sigjmp_buf back;

static void
handle(int number)
{
	int error = errno;

	(void)number;
	runs++;
	if (send_on >= 0 && runs == 1 && send(send_on, "x", 1, MSG_NOSIGNAL) != 1)
		die("send in a handler");
	if (runs == jump_after)
		siglongjmp(back, 1);
	errno = error;
}

/* A signal each 30 ms from now on, and what the handler does then. */
static void
interrupt(int flags, int fd, int jump)
{
	struct sigaction action = {.sa_handler = handle, .sa_flags = flags};
	struct itimerval often = {{0, 30000}, {0, 30000}};

	runs = 0;
	send_on = fd;
	jump_after = jump;
	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &often, NULL);
}

static void
calm(void)
{
	struct itimerval never = {{0, 0}, {0, 0}};

	setitimer(ITIMER_REAL, &never, NULL);
}

static void
try_recv(void)
{
	int fd = connect_to_echo();
	char byte = 0;

	interrupt(0, -1, 0);
	CHECK(recv(fd, &byte, 1, 0) == -1 && errno == EINTR && runs == 1);
	interrupt(SA_RESTART, fd, 0); /* its echo is what ends this */
	CHECK(recv(fd, &byte, 1, 0) == 1 && byte == 'x' && runs >= 1);
	limit_receiving(fd);
	interrupt(SA_RESTART, -1, 0);
	CHECK(recv(fd, &byte, 1, 0) == -1 && errno == EINTR && runs == 1);
	calm();
	close(fd);
}

static void
try_accept(void)
{
	int fd = listen_somewhere();

	interrupt(0, -1, 0);
	CHECK(accept(fd, NULL, NULL) == -1 && errno == EINTR && runs == 1);
	interrupt(SA_RESTART, -1, 3); /* only the jump ends this */
	if (sigsetjmp(back, 1) == 0) {
		accept(fd, NULL, NULL);
		CHECK(!"accept was not restarted");
	}
	CHECK(runs == 3);
	limit_receiving(fd);
	interrupt(SA_RESTART, -1, 0);
	CHECK(accept(fd, NULL, NULL) == -1 && errno == EINTR && runs == 1);
	calm();
	close(fd);
}

/* These are never restarted. */
static void
try_many(void)
{
	int fd = connect_to_echo(), set = epoll_create1(0);
	struct epoll_event event = {.events = EPOLLIN};
	struct pollfd p = {.fd = fd, .events = POLLIN};
	struct timespec long_time = {20, 0};
	fd_set readable;

	CHECK(epoll_ctl(set, EPOLL_CTL_ADD, fd, &event) == 0);
	interrupt(SA_RESTART, -1, 0);
	CHECK(poll(&p, 1, 20000) == -1 && errno == EINTR && runs == 1);
	interrupt(SA_RESTART, -1, 0);
	CHECK(ppoll(&p, 1, &long_time, NULL) == -1 && errno == EINTR && runs == 1);
	interrupt(SA_RESTART, -1, 0);
	CHECK(epoll_wait(set, &event, 1, -1) == -1 && errno == EINTR && runs == 1);
	FD_ZERO(&readable);
	FD_SET(fd, &readable);
	interrupt(SA_RESTART, -1, 0);
	CHECK(select(fd + 1, &readable, NULL, NULL, NULL) == -1 && errno == EINTR && runs == 1);
	calm();
	close(set);
	close(fd);
}

/* What was sent counts. */
static void
try_send(void)
{
	const size_t bytes = 64u << 20;
	char *much = calloc(1, bytes);
	int fd = connect_to_echo();
	ssize_t n;

	interrupt(0, -1, 0);
	n = send(fd, much, bytes, MSG_NOSIGNAL);
	calm();
	CHECK(n > 0 && n < (ssize_t)bytes);
	free(much);
	close(fd);
}

/* A signal that comes while it is blocked, and is let through by ppoll()'s mask alone. */
static void
try_mask(void)
{
	int fd = connect_to_echo();
	struct pollfd p = {.fd = fd, .events = POLLIN};
	struct timespec long_time = {20, 0};
	sigset_t alarm, none;

	sigemptyset(&none);
	sigemptyset(&alarm);
	sigaddset(&alarm, SIGALRM);
	sigprocmask(SIG_BLOCK, &alarm, NULL);
	interrupt(0, -1, 0);
	CHECK(poll(&p, 1, 100) == 0 && runs == 0);
	CHECK(ppoll(&p, 1, &long_time, &none) == -1 && errno == EINTR && runs == 1);
	sigprocmask(SIG_SETMASK, NULL, &none);
	CHECK(sigismember(&none, SIGALRM) == 1);
	calm();
	sigprocmask(SIG_UNBLOCK, &alarm, NULL);
	close(fd);
}

/* ---- Handlers that jump */

enum {
	JUMPS = 15,
	MANY = 100,
};

static bool stop; /* atomic */

/* Another thread whose waits go on meanwhile. */
static void *
echo_on(void *arg)
{
	sigset_t all;
	int fd;

	(void)arg;
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, NULL);
	fd = connect_to_echo();
	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		char byte = 'y';

		CHECK(send(fd, &byte, 1, 0) == 1);
		CHECK(poll(&p, 1, 20000) == 1);
		CHECK(recv(fd, &byte, 1, 0) == 1 && byte == 'y');
		usleep(1000);
	}
	close(fd);
	return NULL;
}

static void
wait_somehow(int how, int fd, int set)
{
	struct pollfd few[2] = {{.fd = fd, .events = POLLIN}, {.fd = -1}};
	struct pollfd many[MANY];
	struct epoll_event event;
	char byte;

	switch (how % 4) {
	case 0:
		recv(fd, &byte, 1, 0);
		break;
	case 1:
		poll(few, 2, -1);
		break;
	case 2:
		for (int i = 0; i < MANY; i++)
			many[i] = few[0];
		poll(many, MANY, -1);
		break;
	case 3:
		epoll_wait(set, &event, 1, -1);
		break;
	}
	CHECK(!"the wait was left by a jump");
}

static __attribute__((noinline)) void
spoil_stack(void)
{
	volatile char much[16384];

	for (size_t i = 0; i < sizeof(much); i++)
		much[i] = (char)0xa5;
}

static void
try_jumps(void)
{
	int fd = connect_to_echo(), set = epoll_create1(0);
	struct epoll_event event = {.events = EPOLLIN};
	pthread_t other;
	char byte = 0;

	CHECK(epoll_ctl(set, EPOLL_CTL_ADD, fd, &event) == 0);
	pthread_create(&other, NULL, echo_on, NULL);
	for (volatile int i = 0; i < JUMPS; i++) {
		if (sigsetjmp(back, 1) == 0) {
			interrupt(0, -1, 1);
			wait_somehow(i, fd, set);
		}
		calm();
		spoil_stack();
		/* The other thread's waits look at whose condition has come true. */
		if (i % 3 == 0) {
			CHECK(send(fd, "z", 1, 0) == 1);
			CHECK(recv(fd, &byte, 1, 0) == 1 && byte == 'z');
		}
	}
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	pthread_join(other, NULL);
	CHECK(send(fd, "z", 1, 0) == 1);
	CHECK(recv(fd, &byte, 1, 0) == 1 && byte == 'z');
	close(set);
	close(fd);
}

/* ---- Threads that are cancelled, and that end */

struct waiter {
	int how; /* of wait_somehow(); 4: accept */
	int fd, set;
	bool open_mask; /* its clean-up found signals let through */
};

static void
clean_up(void *arg)
{
	struct waiter *waiter = arg;
	sigset_t mask;

	pthread_sigmask(SIG_SETMASK, NULL, &mask);
	waiter->open_mask = sigismember(&mask, SIGUSR1) == 0;
}

static void *
wait_for_ever(void *arg)
{
	struct waiter *waiter = arg;

	pthread_cleanup_push(clean_up, waiter);
	if (waiter->how < 4)
		wait_somehow(waiter->how, waiter->fd, waiter->set);
	else
		accept(waiter->fd, NULL, NULL);
	pthread_cleanup_pop(0);
	return NULL;
}

static void *
recv_one(void *arg)
{
	char byte = 0;

	CHECK(recv(*(int *)arg, &byte, 1, 0) == 1 && byte == 'w');
	return NULL;
}

static void
try_cancel(void)
{
	int fd = connect_to_echo(), listener = listen_somewhere(), set = epoll_create1(0);
	int late = connect_to_echo();
	struct epoll_event event = {.events = EPOLLIN};
	char byte = 0;

	CHECK(epoll_ctl(set, EPOLL_CTL_ADD, fd, &event) == 0);
	for (int how = 0; how < 5; how++) {
		struct waiter waiter = {how, how == 4 ? listener : fd, set, false};
		pthread_t first, second;
		void *result;

		/* The first leads; the second must hear of its byte when the first has gone. */
		pthread_create(&first, NULL, wait_for_ever, &waiter);
		usleep(30000);
		pthread_create(&second, NULL, recv_one, &late);
		usleep(30000);
		pthread_cancel(first);
		pthread_join(first, &result);
		CHECK(result == PTHREAD_CANCELED);
		CHECK(waiter.open_mask);
		CHECK(send(late, "w", 1, 0) == 1);
		pthread_join(second, NULL);
		CHECK(send(fd, "z", 1, 0) == 1);
		CHECK(recv(fd, &byte, 1, 0) == 1 && byte == 'z');
	}
	close(set);
	close(listener);
	close(late);
	close(fd);
}

/* The one that waited first ends before the one that waited second has what it waits for. */
static void
try_ends(void)
{
	int fds[2] = {connect_to_echo(), connect_to_echo()};
	pthread_t threads[2];

	for (int i = 0; i < 2; i++) {
		pthread_create(&threads[i], NULL, recv_one, &fds[i]);
		usleep(30000);
	}
	for (int i = 0; i < 2; i++) {
		CHECK(send(fds[i], "w", 1, 0) == 1);
		pthread_join(threads[i], NULL);
		close(fds[i]);
	}
}

/* ---- A thread that waits before the program has its first socket */

static int early_set;
static struct epoll_event early_events[2];
static int early_found; /* atomic */

static void *
wait_early(void *arg)
{
	(void)arg;
	for (int i = 0; i < 2; i++) {
		if (epoll_wait(early_set, &early_events[i], 1, 10000) != 1)
			return NULL;
		__atomic_add_fetch(&early_found, 1, __ATOMIC_RELEASE);
	}
	return NULL;
}

static bool
has_found(int n)
{
	for (int i = 0; i < 200 && __atomic_load_n(&early_found, __ATOMIC_ACQUIRE) < n; i++)
		usleep(10000);
	return __atomic_load_n(&early_found, __ATOMIC_ACQUIRE) >= n;
}

/* Calls of others are answered while it sleeps, and it wakes for what is put into its set then. */
static void
try_early(void)
{
	struct epoll_event event = {.events = EPOLLIN | EPOLLONESHOT};
	int ends[2], fd, others[20];
	pthread_t thread;
	char byte;

	early_set = epoll_create1(0);
	pthread_create(&thread, NULL, wait_early, NULL);
	usleep(200000);
	fd = connect_to_echo();
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		others[i] = connect_to_echo();
		CHECK(send(others[i], "e", 1, 0) == 1 && recv(others[i], &byte, 1, 0) == 1);
	}
	CHECK(send(fd, "e", 1, 0) == 1 && recv(fd, &byte, 1, MSG_PEEK) == 1);
	event.data.fd = fd;
	CHECK(epoll_ctl(early_set, EPOLL_CTL_ADD, fd, &event) == 0);
	CHECK(has_found(1) && early_events[0].data.fd == fd);
	CHECK(pipe(ends) == 0 && write(ends[1], "k", 1) == 1);
	event.data.fd = ends[0];
	CHECK(epoll_ctl(early_set, EPOLL_CTL_ADD, ends[0], &event) == 0);
	CHECK(has_found(2) && early_events[1].data.fd == ends[0]);
	pthread_join(thread, NULL);
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		close(others[i]);
	close(fd);
	close(ends[0]);
	close(ends[1]);
	close(early_set);
}

int
main(int argc, char **argv)
{
	if (argc != 4 || inet_pton(AF_INET, argv[1], &echo.sin_addr) != 1)
		return 2;
	echo.sin_family = AF_INET;
	echo.sin_port = htons((uint16_t)atoi(argv[2]));
	listen_port = (uint16_t)atoi(argv[3]);
	try_early();
	try_recv();
	try_accept();
	try_many();
	try_send();
	try_mask();
	try_jumps();
	try_cancel();
	try_ends();
	return failures != 0;
}
