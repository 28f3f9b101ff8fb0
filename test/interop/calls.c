/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Calls of tern.h that no other program of the interop tests makes, on a connection to an echo
 * server: calls HOST PORT. Ends with 1 and says which check it was when one fails.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>
#include <unistd.h>

#include "tern.h"

#define CHECK(condition)                                                                           \
	do {                                                                                       \
		errno = 0;                                                                         \
		if (!(condition)) {                                                                \
			fprintf(stderr, "calls: line %d: %s: %s\n", __LINE__, #condition,          \
				strerror(errno));                                                  \
			exit(1);                                                                   \
		}                                                                                  \
	} while (0)

static const struct timespec at_once, soon = {.tv_nsec = 20000000}, late = {.tv_sec = 20};
static volatile sig_atomic_t handled;

static void
handle(int signal)
{
	(void)signal;
	handled++;
}

static int
connect_to(const char *host, const char *port)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port))};
	int fd = tern_socket(AF_INET, SOCK_STREAM, 0);

	CHECK(inet_pton(AF_INET, host, &to.sin_addr) == 1);
	CHECK(tern_connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0);
	return fd;
}

/* One byte there and back, which the caller waits for. */
static void
ask(int fd)
{
	CHECK(tern_write(fd, "x", 1) == 1);
}

static void
take(int fd)
{
	char byte;

	CHECK(tern_read(fd, &byte, 1) == 1 && byte == 'x');
}

/* SIGUSR1 is blocked and pending; *open is a mask that lets it through. */
static void
make_pending(sigset_t *open)
{
	sigset_t blocked;

	sigemptyset(&blocked);
	sigaddset(&blocked, SIGUSR1);
	CHECK(sigprocmask(SIG_BLOCK, &blocked, open) == 0);
	handled = 0;
	raise(SIGUSR1);
	CHECK(handled == 0);
}

static void
polls(int fd, int pipe_out, int pipe_in)
{
	struct pollfd fds[2] = {{.fd = fd, .events = POLLIN}, {.fd = pipe_out, .events = POLLIN}};
	sigset_t open;

	CHECK(tern_ppoll(fds, 2, &at_once, NULL) == 0);
	CHECK(tern_ppoll(fds, 2, &soon, NULL) == 0);
	CHECK(tern_ppoll(fds, 2, &(struct timespec){.tv_nsec = -1}, NULL) == -1 && errno == EINVAL);
	ask(fd);
	CHECK(tern_ppoll(fds, 2, &late, NULL) == 1);
	CHECK(fds[0].revents == POLLIN && fds[1].revents == 0);
	take(fd);
	CHECK(write(pipe_in, "y", 1) == 1);
	CHECK(tern_ppoll(fds, 2, NULL, NULL) == 1);
	CHECK(fds[0].revents == 0 && fds[1].revents == POLLIN);
	CHECK(read(pipe_out, &(char){0}, 1) == 1);

	make_pending(&open);
	CHECK(tern_ppoll(fds, 2, &late, &open) == -1 && errno == EINTR);
	CHECK(handled == 1);
	CHECK(sigprocmask(SIG_SETMASK, &open, NULL) == 0);
}

/* The sets are left with what holds. */
static int
selects(int n, fd_set *set, int fd, int other, int64_t limit_us)
{
	struct timeval limit = {.tv_sec = limit_us / 1000000, .tv_usec = limit_us % 1000000};

	FD_ZERO(set);
	FD_SET(fd, set);
	FD_SET(other, set);
	return tern_select(n, set, NULL, NULL, &limit);
}

static void
sets(int fd, int pipe_out, int pipe_in)
{
	int n = (fd > pipe_out ? fd : pipe_out) + 1;
	struct timeval limit = {.tv_sec = 20};
	fd_set readable, writable;
	sigset_t open;

	CHECK(selects(n, &readable, fd, pipe_out, 20000) == 0);
	CHECK(!FD_ISSET(fd, &readable) && !FD_ISSET(pipe_out, &readable));
	ask(fd);
	CHECK(selects(n, &readable, fd, pipe_out, 20000000) == 1);
	CHECK(FD_ISSET(fd, &readable) && !FD_ISSET(pipe_out, &readable));
	take(fd);
	CHECK(write(pipe_in, "y", 1) == 1);
	CHECK(selects(n, &readable, fd, pipe_out, 20000000) == 1);
	CHECK(!FD_ISSET(fd, &readable) && FD_ISSET(pipe_out, &readable));
	CHECK(read(pipe_out, &(char){0}, 1) == 1);

	/* What is beyond n, and what is in no set, is not looked at. */
	FD_ZERO(&writable);
	FD_SET(fd, &writable);
	CHECK(tern_select(n, NULL, &writable, NULL, &limit) == 1 && FD_ISSET(fd, &writable));
	CHECK(limit.tv_sec == 19 || limit.tv_sec == 20);
	CHECK(tern_select(0, &writable, NULL, NULL, &(struct timeval){0}) == 0);
	CHECK(FD_ISSET(fd, &writable));
	CHECK(tern_select(-1, NULL, NULL, NULL, NULL) == -1 && errno == EINVAL);
	FD_SET(n + 50, &writable);
	CHECK(tern_select(n + 51, NULL, &writable, NULL, NULL) == -1 && errno == EBADF);

	FD_ZERO(&readable);
	FD_SET(fd, &readable);
	CHECK(tern_pselect(n, &readable, NULL, NULL, &at_once, NULL) == 0);
	make_pending(&open);
	FD_SET(fd, &readable);
	CHECK(tern_pselect(n, &readable, NULL, NULL, &late, &open) == -1 && errno == EINTR);
	CHECK(handled == 1 && FD_ISSET(fd, &readable));
	CHECK(sigprocmask(SIG_SETMASK, &open, NULL) == 0);
}

static void
epolls(int fd)
{
	struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
	int set = tern_epoll_create1(EPOLL_CLOEXEC);
	sigset_t open;

	CHECK(set >= 0 && tern_epoll_ctl(set, EPOLL_CTL_ADD, fd, &event) == 0);
	CHECK(tern_epoll_pwait2(set, &event, 1, &at_once, NULL) == 0);
	CHECK(tern_epoll_pwait2(set, &event, 1, &soon, NULL) == 0);
	CHECK(tern_epoll_pwait2(set, &event, 1, &(struct timespec){.tv_sec = -1}, NULL) == -1 &&
	      errno == EINVAL);
	CHECK(tern_epoll_pwait2(set, &event, 0, NULL, NULL) == -1 && errno == EINVAL);
	ask(fd);
	memset(&event, 0, sizeof(event));
	CHECK(tern_epoll_pwait2(set, &event, 1, NULL, NULL) == 1);
	CHECK(event.events == EPOLLIN && event.data.fd == fd);
	take(fd);
	make_pending(&open);
	CHECK(tern_epoll_pwait2(set, &event, 1, &late, &open) == -1 && errno == EINTR);
	CHECK(handled == 1);
	CHECK(sigprocmask(SIG_SETMASK, &open, NULL) == 0);
	CHECK(tern_close(set) == 0);
}

/* A socket lives as long as one descriptor names it; what a number named before is closed. */
static void
duplicates(int fd, int pipe_out)
{
	int second = tern_dup(fd), high = 200, flags;

	CHECK(second >= 0);
	CHECK(tern_dup2(fd, fd) == fd);
	CHECK(tern_dup2(pipe_out, second) == -1 && errno == EBADF); /* the kernel's */
	CHECK(tern_dup2(-1, second) == -1 && errno == EBADF);
	CHECK(tern_dup2(fd, -1) == -1 && errno == EBADF);
	CHECK(tern_dup2(fd, high) == high);
	flags = tern_fcntl(high, F_GETFD, 0);
	CHECK(flags == 0);
	CHECK(tern_dup3(fd, high, O_CLOEXEC) == high); /* over one of ours */
	flags = tern_fcntl(high, F_GETFD, 0);
	CHECK(flags == FD_CLOEXEC);
	CHECK(tern_dup3(fd, fd, 0) == -1 && errno == EINVAL);
	CHECK(tern_dup3(fd, high, O_APPEND) == -1 && errno == EINVAL);
	CHECK(tern_dup2(high, pipe_out) == pipe_out); /* over one of the kernel's */
	CHECK(tern_close(second) == 0 && tern_close(high) == 0);
	CHECK(tern_read(high, &(char){0}, 1) == -1 && errno == EBADF);
	ask(pipe_out);
	take(fd);
	CHECK(tern_close(fd) == 0);
	ask(pipe_out);
	take(pipe_out);
	CHECK(tern_close(pipe_out) == 0);
}

int
main(int argc, char **argv)
{
	struct sigaction action = {.sa_handler = handle};
	int fd, ends[2];

	if (argc != 3)
		return 2;
	CHECK(sigaction(SIGUSR1, &action, NULL) == 0);
	CHECK(pipe(ends) == 0);
	fd = connect_to(argv[1], argv[2]);
	polls(fd, ends[0], ends[1]);
	sets(fd, ends[0], ends[1]);
	epolls(fd);
	duplicates(fd, ends[0]);
	return 0;
}
