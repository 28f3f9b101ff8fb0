/* SPDX-License-Identifier: BSD-3-Clause */
/* The comparison test's cases of waiting: limits on it, and signals. */
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "compare.h"

static void
time_to_receive(void)
{
	struct pair pair = connect_pair(AF_INET);
	struct timeval limit = {.tv_usec = 120000}, got = {9, 9};
	socklen_t bytes = sizeof(got);
	int64_t begin;
	char b[8];

	GIVES(0, getsockopt(pair.fd, SOL_SOCKET, SO_RCVTIMEO, &got, &bytes));
	GIVES(0, got.tv_sec);
	GIVES(0, got.tv_usec);
	GIVES(0, setsockopt(pair.fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)));
	GIVES(0, getsockopt(pair.fd, SOL_SOCKET, SO_RCVTIMEO, &got, &bytes));
	GIVES(120000, got.tv_usec);
	begin = now_ms();
	FAILS(EAGAIN, recv(pair.fd, b, 1, 0));
	HOLDS(now_ms() - begin >= 118 && now_ms() - begin < 700);
	/* What has come by then is given. */
	GIVES(3, peer_send(pair.peer, 3, 0));
	begin = now_ms();
	GIVES(3, recv(pair.fd, b, 8, MSG_WAITALL));
	HOLDS(now_ms() - begin >= 118 && now_ms() - begin < 700);
	FAILS(EDOM, (limit.tv_usec = 1000000,
		     setsockopt(pair.fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit))));
	FAILS(EINVAL, setsockopt(pair.fd, SOL_SOCKET, SO_RCVTIMEO, &limit, 4));
	limit = (struct timeval){.tv_sec = -1};
	GIVES(0, setsockopt(pair.fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)));
	begin = now_ms();
	FAILS(EAGAIN, recv(pair.fd, b, 1, 0));
	HOLDS(now_ms() - begin < 100);
}

static void
time_to_accept(void)
{
	int listener = new_listener(AF_INET, 1);
	struct timeval limit = {.tv_usec = 80000};
	int64_t begin;

	GIVES(0, setsockopt(listener, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)));
	begin = now_ms();
	FAILS(EAGAIN, accept(listener, NULL, NULL));
	HOLDS(now_ms() - begin >= 78 && now_ms() - begin < 600);
}

static void
time_to_send(void)
{
	struct pair pair = connect_pair(AF_INET);
	struct timeval limit = {.tv_usec = 100000};
	int64_t begin;

	fill(pair.fd);
	GIVES(0, setsockopt(pair.fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)));
	begin = now_ms();
	FAILS(EAGAIN, send(pair.fd, "x", 1, 0));
	HOLDS(now_ms() - begin >= 98 && now_ms() - begin < 700);
	/* It is for waiting only: not for who does not. */
	begin = now_ms();
	FAILS(EAGAIN, send(pair.fd, "x", 1, MSG_DONTWAIT));
	HOLDS(now_ms() - begin < 90);
}

/* ---- Signals */

static volatile sig_atomic_t signals;

int
signals_seen(void)
{
	return signals;
}

static void
count(int signal)
{
	(void)signal;
	signals++;
}

timer_t
signal_in(int ms, int sa_flags)
{
	struct sigaction action = {.sa_handler = count, .sa_flags = sa_flags};
	struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
	struct itimerspec time = {.it_value = {.tv_nsec = ms * 1000000L}};
	timer_t timer;

	signals = 0;
	sigaction(SIGUSR1, &action, NULL);
	if (timer_create(CLOCK_MONOTONIC, &event, &timer) < 0 ||
	    timer_settime(timer, 0, &time, NULL) < 0)
		compare_give_up("a timer");
	return timer;
}

static void
interrupted(void)
{
	struct pair pair = connect_pair(AF_INET);
	int listener = new_listener(AF_INET, 1), set = epoll_create1(0);
	struct pollfd p = {.fd = pair.fd, .events = POLLIN};
	struct epoll_event event = {.events = EPOLLIN};
	struct timeval limit = {.tv_sec = 5};
	timer_t timer;
	fd_set in;
	char byte;

	timer = signal_in(60, 0);
	FAILS(EINTR, recv(pair.fd, &byte, 1, 0));
	GIVES(1, signals);
	timer_delete(timer);
	timer = signal_in(60, 0);
	FAILS(EINTR, accept(listener, NULL, NULL));
	timer_delete(timer);
	timer = signal_in(60, 0);
	FAILS(EINTR, poll(&p, 1, -1));
	timer_delete(timer);
	/* These do not start anew, whatever the handler asks for. */
	timer = signal_in(60, SA_RESTART);
	FAILS(EINTR, poll(&p, 1, -1));
	timer_delete(timer);
	GIVES(0, epoll_ctl(set, EPOLL_CTL_ADD, pair.fd, &event));
	timer = signal_in(60, SA_RESTART);
	FAILS(EINTR, epoll_wait(set, &event, 1, -1));
	timer_delete(timer);
	FD_ZERO(&in);
	FD_SET(pair.fd, &in);
	timer = signal_in(60, SA_RESTART);
	FAILS(EINTR, select(pair.fd + 1, &in, NULL, NULL, NULL));
	timer_delete(timer);
	/* Nor does a read with a limit. */
	GIVES(0, setsockopt(pair.fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)));
	timer = signal_in(60, SA_RESTART);
	FAILS(EINTR, recv(pair.fd, &byte, 1, 0));
	timer_delete(timer);
	fill(pair.fd);
	timer = signal_in(60, 0);
	FAILS(EINTR, send(pair.fd, "x", 1, 0));
	timer_delete(timer);
}

/* With SA_RESTART a read goes on; what comes later ends it. */
static void
restarted(void)
{
	struct pair pair = connect_pair(AF_INET);
	timer_t timer;
	char byte;

	timer = signal_in(60, SA_RESTART);
	if (fork() == 0) {
		/* The peer hears only one: a shutdown ends the parent's read. */
		sleep_ms(250);
		shutdown(pair.fd, SHUT_RD);
		_exit(0);
	}
	GIVES(0, recv(pair.fd, &byte, 1, 0));
	GIVES(1, signals);
	timer_delete(timer);
}

/* What has been read or written before the signal is told instead. */
static void
interrupted_late(void)
{
	struct pair pair = connect_pair(AF_INET);
	static char bytes[20000000];
	timer_t timer;
	ssize_t n;

	GIVES(4, peer_send(pair.peer, 4, 0));
	HOLDS(await(pair.fd, POLLIN));
	timer = signal_in(60, 0);
	GIVES(4, recv(pair.fd, bytes, 10, MSG_WAITALL));
	timer_delete(timer);
	timer = signal_in(300, 0);
	n = send(pair.fd, bytes, sizeof(bytes), 0);
	HOLDS(n > 0 && n < (ssize_t)sizeof(bytes));
	GIVES(1, signals);
	timer_delete(timer);
}

const struct compare_case compare_time_cases[] = {
	{"time_to_receive", time_to_receive},
	{"time_to_accept", time_to_accept},
	{"time_to_send", time_to_send},
	{"interrupted", interrupted},
	{"restarted", restarted},
	{"interrupted_late", interrupted_late},
	{0},
};
