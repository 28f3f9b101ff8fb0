/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * For repair_share.sh: sockets in repair, and those who share them. On libtern; the peer echoes.
 *
 *     repair_share fork HOST PORT      a child sees it, and lets it go
 *     repair_share exec HOST PORT      so does the next image
 *     repair_share epoll HOST PORT     sets tell of it what poll() says
 *     repair_share waits HOST PORT     nothing does
 *     repair_share killed HOST PORT    who has it ends by a signal
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/tcp.h>

#include "tern.h"

enum {
	OFF_SILENTLY = -1,
	RECV_QUEUE = 1,
	SEND_QUEUE = 2,
	MANY = 64 << 20,
};

__attribute__((noreturn)) static void
die(const char *what)
{
	fprintf(stderr, "%s: %s\n", what, strerror(errno));
	exit(1);
}

#define MUST(condition)                                                                            \
	do                                                                                         \
		if (!(condition))                                                                  \
			die(#condition);                                                           \
	while (0)

static void
set(int fd, int name, int value)
{
	MUST(tern_setsockopt(fd, IPPROTO_TCP, name, &value, sizeof(value)) == 0);
}

static int
get(int fd, int name)
{
	socklen_t bytes = sizeof(int);
	int value = -1;

	MUST(tern_getsockopt(fd, IPPROTO_TCP, name, &value, &bytes) == 0);
	return value;
}

static bool
fails(ssize_t n, int error)
{
	return n == -1 && errno == error;
}

/* With "0123456789" of the echo's to be read. */
static int
connected(char **argv)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST}, *to;
	struct pollfd wait = {.events = POLLIN};
	int low = 10, fd;

	MUST(getaddrinfo(argv[2], argv[3], &hints, &to) == 0);
	fd = tern_socket(to->ai_family, SOCK_STREAM, 0);
	MUST(fd >= 0 && tern_connect(fd, to->ai_addr, to->ai_addrlen) == 0);
	freeaddrinfo(to);
	MUST(tern_setsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &low, sizeof(low)) == 0);
	MUST(tern_send(fd, "0123456789", 10, 0) == 10);
	wait.fd = fd;
	MUST(tern_poll(&wait, 1, 10000) == 1);
	return fd;
}

static void
looks(int fd)
{
	struct pollfd now = {.fd = fd, .events = POLLIN | POLLOUT};
	char bytes[20];

	MUST(get(fd, TCP_REPAIR) == 1);
	MUST(fails(tern_recv(fd, bytes, 20, 0), EPERM));
	MUST(fails(tern_send(fd, bytes, 20, 0), EINVAL) || get(fd, TCP_REPAIR_QUEUE) != 0);
	set(fd, TCP_REPAIR_QUEUE, RECV_QUEUE);
	MUST(tern_recv(fd, bytes, 20, MSG_PEEK) == 10 && memcmp(bytes, "0123456789", 10) == 0);
	MUST(tern_poll(&now, 1, 0) == 1 && now.revents == (POLLIN | POLLOUT));
}

/* And the fast way is open again, with nothing lost. */
static void
goes_on(int fd)
{
	char bytes[20];

	MUST(tern_recv(fd, bytes, 20, 0) == 10 && memcmp(bytes, "0123456789", 10) == 0);
	MUST(tern_send(fd, "abcdefghij", 10, 0) == 10);
	MUST(tern_recv(fd, bytes, 10, MSG_WAITALL) == 10 && memcmp(bytes, "abcdefghij", 10) == 0);
	puts("went on");
}

static int
forks(int fd)
{
	pid_t child;
	int status;

	set(fd, TCP_REPAIR, 1);
	child = fork();
	MUST(child >= 0);
	if (child == 0) {
		looks(fd);
		set(fd, TCP_REPAIR, OFF_SILENTLY);
		exit(0);
	}
	MUST(waitpid(child, &status, 0) == child && status == 0);
	MUST(get(fd, TCP_REPAIR) == 0);
	goes_on(fd);
	return 0;
}

static int
executes(int fd, char **argv)
{
	char number[16];
	char *next[] = {argv[0], (char *)"image", number, NULL};
	extern char **environ;

	set(fd, TCP_REPAIR, 1);
	snprintf(number, sizeof(number), "%d", fd);
	tern_execve("/proc/self/exe", next, environ);
	die("exec");
}

static int
image(int fd)
{
	looks(fd);
	set(fd, TCP_REPAIR, OFF_SILENTLY);
	goes_on(fd);
	return 0;
}

static int
polls(int fd)
{
	int set_fd = tern_epoll_create1(0);
	struct epoll_event event = {.events = EPOLLIN | EPOLLOUT}, got;

	MUST(set_fd >= 0 && tern_epoll_ctl(set_fd, EPOLL_CTL_ADD, fd, &event) == 0);
	set(fd, TCP_REPAIR, 1);
	MUST(tern_epoll_wait(set_fd, &got, 1, 0) == 1 && got.events == (EPOLLIN | EPOLLOUT));
	set(fd, TCP_REPAIR, OFF_SILENTLY);
	MUST(tern_epoll_wait(set_fd, &got, 1, 0) == 1 && got.events == (EPOLLIN | EPOLLOUT));
	goes_on(fd);
	/* Empty, and what comes in repair is not seen. */
	event.events = EPOLLIN;
	MUST(tern_epoll_ctl(set_fd, EPOLL_CTL_MOD, fd, &event) == 0);
	MUST(tern_epoll_wait(set_fd, &got, 1, 0) == 0);
	set(fd, TCP_REPAIR, 1);
	MUST(tern_epoll_wait(set_fd, &got, 1, 50) == 0);
	/* What is put into the queue is. */
	set(fd, TCP_REPAIR_QUEUE, RECV_QUEUE);
	MUST(tern_send(fd, "xxxxxxxxxx", 10, 0) == 10);
	MUST(tern_epoll_wait(set_fd, &got, 1, 1000) == 1 && got.events == EPOLLIN);
	return 0;
}

static int
waits(int fd)
{
	static char bytes[MANY], back[MANY];
	ssize_t n, all = 0;

	goes_on(fd);
	set(fd, TCP_REPAIR, 1);
	set(fd, TCP_REPAIR_QUEUE, RECV_QUEUE);
	MUST(fails(tern_recv(fd, back, 10, MSG_PEEK), EAGAIN));
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (char)(i * 31 + i / 251);
	while ((n = tern_send(fd, bytes + all, MANY - (size_t)all, 0)) > 0)
		all += n;
	MUST(fails(n, ENOBUFS) && all > 65536);
	MUST(tern_recv(fd, back, MANY, MSG_PEEK) == all && memcmp(bytes, back, (size_t)all) == 0);
	MUST(tern_recv(fd, back, 70000, MSG_PEEK) == 70000 && memcmp(bytes, back, 70000) == 0);
	set(fd, TCP_REPAIR_QUEUE, SEND_QUEUE);
	MUST(tern_recv(fd, back, 10, MSG_PEEK) == 0);
	for (all = 0; (n = tern_send(fd, bytes + all, MANY - (size_t)all, 0)) > 0;)
		all += n;
	MUST(fails(n, EAGAIN) && all > 65536);
	MUST(tern_recv(fd, back, MANY, MSG_PEEK) == all && memcmp(bytes, back, (size_t)all) == 0);
	return tern_close(fd);
}

static int
dies(int fd)
{
	struct sockaddr_storage own;
	socklen_t bytes = sizeof(own);

	MUST(tern_getsockname(fd, (struct sockaddr *)&own, &bytes) == 0);
	printf("%u\n", ntohs(((struct sockaddr_in *)&own)->sin_port));
	fflush(stdout);
	set(fd, TCP_REPAIR, 1);
	return raise(SIGKILL);
}

int
main(int argc, char **argv)
{
	alarm(30);
	if (argc == 3 && strcmp(argv[1], "image") == 0)
		return image(atoi(argv[2]));
	if (argc == 4 && strcmp(argv[1], "fork") == 0)
		return forks(connected(argv));
	if (argc == 4 && strcmp(argv[1], "exec") == 0)
		return executes(connected(argv), argv);
	if (argc == 4 && strcmp(argv[1], "epoll") == 0)
		return polls(connected(argv));
	if (argc == 4 && strcmp(argv[1], "waits") == 0)
		return waits(connected(argv));
	if (argc == 4 && strcmp(argv[1], "killed") == 0)
		return dies(connected(argv));
	fputs("usage: see the head of repair_share.c\n", stderr);
	return 2;
}
