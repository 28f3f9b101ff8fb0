/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Ends that nobody announces, for the interop tests. Ends with status 0 if all was right, 1 with a
 * line on stderr if not.
 *
 *     death servers ROUNDS HOST PORT PROGRAM ARGUMENT...
 *         starts a server, which says "listening" and echoes; loads it; kills it; and sees each
 *         connection end. So many rounds.
 *     death waits HOST PORT OWN NOBODY
 *         on Tern: threads that wait in all ways, for an echo at HOST and PORT, as a listener at
 * the address OWN, for an address where NOBODY is; says "waiting", and sees all of them end when
 * ternd is killed.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	CONNECTIONS = 8,
	IDLE = 2,  /* of them say nothing */
	STUCK = 2, /* write, and never read */
	TURNS = 20,
};

static char buffer[65536];

static _Noreturn void
die(const char *what)
{
	fprintf(stderr, "death: %s: %s\n", what, strerror(errno));
	_exit(1);
}

static struct sockaddr_in
address(const char *host, const char *port)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port))};

	if (inet_pton(AF_INET, host, &at.sin_addr) != 1)
		die("address");
	return at;
}

static int
connect_to(struct sockaddr_in to)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0)
		die("connect");
	return fd;
}

/* ---- Servers that are killed */

static pid_t
start_server(char **argv)
{
	const char wanted[] = "listening";
	int ends[2];
	size_t got = 0;
	pid_t child;

	if (pipe2(ends, O_CLOEXEC) < 0)
		die("pipe");
	child = fork();
	if (child == 0) {
		dup2(ends[1], 1);
		execv(argv[0], argv);
		die(argv[0]);
	}
	close(ends[1]);
	while (got < strlen(wanted)) {
		ssize_t n = read(ends[0], buffer + got, sizeof(buffer) - got);

		if (n <= 0)
			die("the server does not listen");
		got += (size_t)n;
	}
	close(ends[0]);
	return child;
}

static void
load(const int *fds)
{
	for (int i = IDLE; i < CONNECTIONS; i++)
		fcntl(fds[i], F_SETFL, O_NONBLOCK);
	for (int turn = 0; turn < TURNS; turn++) {
		for (int i = IDLE; i < CONNECTIONS; i++)
			if (send(fds[i], buffer, sizeof(buffer), MSG_NOSIGNAL) < 0 &&
			    errno != EAGAIN)
				die("send under load");
		for (int i = IDLE + STUCK; i < CONNECTIONS; i++)
			if (recv(fds[i], buffer, sizeof(buffer), 0) < 0 && errno != EAGAIN)
				die("recv under load");
	}
}

/* A FIN or a RST, behind whatever came before. */
static void
expect_end(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	ssize_t n;

	do {
		if (poll(&p, 1, 10000) != 1)
			die("a connection does not end");
		n = recv(fd, buffer, sizeof(buffer), MSG_DONTWAIT);
	} while (n > 0);
	if (n < 0 && errno != ECONNRESET && errno != EPIPE)
		die("how a connection ends");
	close(fd);
}

static void
kill_servers(int rounds, struct sockaddr_in at, char **argv)
{
	for (int round = 0; round < rounds; round++) {
		pid_t server = start_server(argv);
		int fds[CONNECTIONS];

		for (int i = 0; i < CONNECTIONS; i++)
			fds[i] = connect_to(at);
		load(fds);
		kill(server, SIGKILL);
		waitpid(server, NULL, 0);
		for (int i = 0; i < CONNECTIONS; i++)
			expect_end(fds[i]);
	}
}

/* ---- ternd is killed */

static struct sockaddr_in echo, own, nobody;

static void
expect_reset(const char *what, ssize_t result)
{
	if (result >= 0 || errno != ECONNRESET)
		die(what);
}

static void *
receiver(void *arg)
{
	int fd = connect_to(echo);

	(void)arg;
	expect_reset("recv", recv(fd, &(char){0}, 1, 0));
	if (recv(fd, &(char){0}, 1, 0) != 0)
		die("a second recv");
	if (send(fd, "x", 1, MSG_NOSIGNAL) >= 0 || errno != EPIPE)
		die("send after the end");
	close(fd);
	return NULL;
}

static void *
sender(void *arg)
{
	int fd = connect_to(echo);
	ssize_t n;

	(void)arg;
	while ((n = send(fd, buffer, sizeof(buffer), MSG_NOSIGNAL)) > 0)
		;
	expect_reset("send", n);
	return NULL;
}

static void *
acceptor(void *arg)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	(void)arg;
	if (bind(fd, (struct sockaddr *)&own, sizeof(own)) < 0 || listen(fd, 5) < 0)
		die("listen");
	expect_reset("accept", accept(fd, NULL, NULL));
	return NULL;
}

static void *
connector(void *arg)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	(void)arg;
	expect_reset("connect", connect(fd, (struct sockaddr *)&nobody, sizeof(nobody)));
	return NULL;
}

static void *
poller(void *arg)
{
	struct pollfd p = {.fd = connect_to(echo), .events = POLLIN};

	(void)arg;
	if (poll(&p, 1, -1) != 1 || (p.revents & (POLLIN | POLLERR | POLLHUP)) == 0)
		die("poll");
	expect_reset("recv after poll", recv(p.fd, &(char){0}, 1, 0));
	return NULL;
}

static void *
selector(void *arg)
{
	int fd = connect_to(echo);
	fd_set readable;

	(void)arg;
	FD_ZERO(&readable);
	FD_SET(fd, &readable);
	if (select(fd + 1, &readable, NULL, NULL, NULL) != 1)
		die("select");
	return NULL;
}

static void *
epoller(void *arg)
{
	struct epoll_event event = {.events = EPOLLIN | EPOLLET};
	int set = epoll_create1(0), fd = connect_to(echo);

	(void)arg;
	if (epoll_ctl(set, EPOLL_CTL_ADD, fd, &event) < 0)
		die("epoll_ctl");
	if (epoll_wait(set, &event, 1, -1) != 1 || (event.events & (EPOLLERR | EPOLLHUP)) == 0)
		die("epoll_wait");
	expect_reset("recv after epoll_wait", recv(fd, &(char){0}, 1, 0));
	return NULL;
}

/* As servers do: their loop must not turn for ever on a listener to which nobody will come. */
static void *
event_loop(void *arg)
{
	struct epoll_event event = {.events = EPOLLIN};
	int set = epoll_create1(0), fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	struct sockaddr_in mine = own;
	struct pollfd p = {.fd = fd, .events = POLLIN};

	(void)arg;
	mine.sin_port = htons(5010);
	if (bind(fd, (struct sockaddr *)&mine, sizeof(mine)) < 0 || listen(fd, 5) < 0 ||
	    epoll_ctl(set, EPOLL_CTL_ADD, fd, &event) < 0)
		die("listen in a loop");
	if (epoll_wait(set, &event, 1, -1) != 1)
		die("epoll_wait for a listener");
	expect_reset("accept in a loop", accept(fd, NULL, NULL));
	if (epoll_wait(set, &event, 1, 300) != 0 || poll(&p, 1, 0) != 0)
		die("a listener that is ready for ever");
	if (accept(fd, NULL, NULL) >= 0 || errno != EAGAIN)
		die("a second accept in a loop");
	return NULL;
}

/* Only when the whole program has stopped asking: descriptors of the kernel's go on. */
static void
use_kernel(void)
{
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) < 0 || write(ends[0], "k", 1) != 1 ||
	    read(ends[1], buffer, 1) != 1)
		die("the kernel's descriptors");
}

static void
wait_in_all_ways(void)
{
	void *(*const ways[])(void *) = {receiver, sender,   acceptor, connector,
					 poller,   selector, epoller,  event_loop};
	pthread_t threads[sizeof(ways) / sizeof(ways[0])];

	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++)
		pthread_create(&threads[i], NULL, ways[i], NULL);
	usleep(700000);
	puts("waiting");
	fflush(stdout);
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++)
		pthread_join(threads[i], NULL);
	use_kernel();
}

int
main(int argc, char **argv)
{
	if (argc > 5 && strcmp(argv[1], "servers") == 0) {
		kill_servers(atoi(argv[2]), address(argv[3], argv[4]), argv + 5);
	} else if (argc == 6 && strcmp(argv[1], "waits") == 0) {
		echo = address(argv[2], argv[3]);
		own = address(argv[4], "5009");
		nobody = address(argv[5], "5009");
		alarm(30);
		wait_in_all_ways();
	} else {
		return 2;
	}
	return 0;
}
