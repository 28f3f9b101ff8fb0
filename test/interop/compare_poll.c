/* SPDX-License-Identifier: BSD-3-Clause */
/* The comparison test's cases of poll() and select(). */
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/select.h>
#include <time.h>
#include <unistd.h>

#include "compare.h"

static void
poll_fresh(void)
{
	int fd = new_socket(AF_INET, 0), bound = new_socket(AF_INET, 0),
	    listener = new_listener(AF_INET, 1);
	struct address own = address_own(AF_INET, 0);
	struct pollfd p;

	POLLS(CAN_WRITE | POLLHUP, fd);
	GIVES(0, bind(bound, &own.any, own.bytes));
	POLLS(CAN_WRITE | POLLHUP, bound);
	POLLS(0, listener);
	/* HUP and ERR need no asking. */
	p = (struct pollfd){.fd = fd};
	GIVES(1, poll(&p, 1, -1));
	GIVES(POLLHUP, p.revents);
	GIVES(0, close(fd));
	p = (struct pollfd){.fd = fd, .events = POLLIN};
	GIVES(1, poll(&p, 1, -1));
	GIVES(POLLNVAL, p.revents);
	p = (struct pollfd){.fd = -1, .events = POLLIN, .revents = 77};
	GIVES(0, poll(&p, 1, 0));
	GIVES(0, p.revents);
	GIVES(0, poll(NULL, 0, 0));
}

static void
poll_connected(void)
{
	struct pair pair = accept_pair(AF_INET);
	char bytes[4];

	POLLS(CAN_WRITE, pair.fd);
	GIVES(3, peer_send(pair.peer, 3, 0));
	HOLDS(await(pair.fd, POLLIN));
	POLLS(CAN_READ | CAN_WRITE, pair.fd);
	GIVES(2, recv(pair.fd, bytes, 2, 0));
	POLLS(CAN_READ | CAN_WRITE, pair.fd);
	GIVES(1, recv(pair.fd, bytes, 2, 0));
	POLLS(CAN_WRITE, pair.fd);
}

/* From how many bytes on it is readable. */
static void
poll_low_water(void)
{
	struct pair pair = connect_pair(AF_INET);

	set_option(pair.fd, SOL_SOCKET, SO_RCVLOWAT, 10);
	GIVES(10, get_option(pair.fd, SOL_SOCKET, SO_RCVLOWAT));
	GIVES(9, peer_send(pair.peer, 9, 0));
	sleep_ms(50);
	POLLS(CAN_WRITE, pair.fd);
	GIVES(1, peer_send(pair.peer, 1, 0));
	HOLDS(await(pair.fd, POLLIN));
	POLLS(CAN_READ | CAN_WRITE, pair.fd);
}

static void
poll_mixed(void)
{
	struct pair pair = connect_pair(AF_INET);
	int counter = eventfd(0, EFD_NONBLOCK), pipes[2];
	struct pollfd p[4];
	uint64_t one = 1;
	int64_t begin;

	GIVES(0, pipe(pipes));
	p[0] = (struct pollfd){.fd = counter, .events = POLLIN};
	p[1] = (struct pollfd){.fd = pair.fd, .events = POLLIN};
	p[2] = (struct pollfd){.fd = pipes[0], .events = POLLIN};
	p[3] = (struct pollfd){.fd = pipes[1], .events = POLLOUT};
	begin = now_ms();
	GIVES(0, poll(p, 3, 80));
	HOLDS(now_ms() - begin >= 78 && now_ms() - begin < 600);
	GIVES(1, poll(p, 4, -1));
	GIVES(POLLOUT, p[3].revents);
	GIVES(sizeof(one), write(counter, &one, sizeof(one)));
	GIVES(1, peer_send(pair.peer, 1, 0));
	HOLDS(await(pair.fd, POLLIN));
	GIVES(3, poll(p, 4, -1));
	GIVES(POLLIN, p[0].revents);
	GIVES(POLLIN, p[1].revents);
	GIVES(0, p[2].revents);
	GIVES(POLLOUT, p[3].revents);
	/* Twice the same. */
	p[2] = p[1];
	GIVES(3, poll(p, 3, 0));
}

/* The kernel's own connections, in the same call. */
static void
poll_kernel_socket(void)
{
	struct address any = address_text("127.0.0.1", 0);
	int listener = new_socket(AF_INET, 0), client = new_socket(AF_INET, 0), server;
	struct pair pair = connect_pair(AF_INET);
	struct pollfd p[3];

	GIVES(0, bind(listener, &any.any, any.bytes));
	GIVES(0, listen(listener, 1));
	any = address_text("127.0.0.1", port_of(listener));
	GIVES(0, connect(client, &any.any, any.bytes));
	HOLDS((server = accept(listener, NULL, NULL)) >= 0);
	p[0] = (struct pollfd){.fd = server, .events = POLLIN};
	p[1] = (struct pollfd){.fd = pair.fd, .events = POLLIN};
	p[2] = (struct pollfd){.fd = listener, .events = POLLIN};
	GIVES(0, poll(p, 3, 20));
	GIVES(1, send(client, "x", 1, 0));
	GIVES(1, poll(p, 3, 1000));
	GIVES(POLLIN, p[0].revents);
	GIVES(1, peer_send(pair.peer, 1, 0));
	HOLDS(await(pair.fd, POLLIN));
	GIVES(2, poll(p, 3, 1000));
}

static void
select_sets(void)
{
	struct pair pair = connect_pair(AF_INET);
	struct timeval limit = {.tv_usec = 60000};
	fd_set in, out, except;
	int64_t begin;

	FD_ZERO(&in);
	FD_ZERO(&out);
	FD_ZERO(&except);
	FD_SET(pair.fd, &in);
	begin = now_ms();
	GIVES(0, select(pair.fd + 1, &in, NULL, NULL, &limit));
	HOLDS(now_ms() - begin >= 58 && now_ms() - begin < 600);
	/* Linux says how much time is left. */
	GIVES(0, limit.tv_sec);
	GIVES(0, limit.tv_usec);
	GIVES(0, FD_ISSET(pair.fd, &in));
	FD_SET(pair.fd, &in);
	FD_SET(pair.fd, &out);
	FD_SET(pair.fd, &except);
	GIVES(1, select(pair.fd + 1, &in, &out, &except, NULL));
	GIVES(0, FD_ISSET(pair.fd, &in) != 0);
	GIVES(1, FD_ISSET(pair.fd, &out) != 0);
	GIVES(0, FD_ISSET(pair.fd, &except) != 0);
	/* Each set counts. */
	GIVES(1, peer_send(pair.peer, 1, 0));
	GIVES(1, peer_send(pair.peer, 1, MSG_OOB));
	HOLDS(await(pair.fd, POLLPRI));
	HOLDS(await(pair.fd, POLLIN));
	FD_SET(pair.fd, &in);
	FD_SET(pair.fd, &out);
	FD_SET(pair.fd, &except);
	limit.tv_sec = 5;
	GIVES(3, select(pair.fd + 1, &in, &out, &except, &limit));
	HOLDS(limit.tv_sec == 4 || limit.tv_sec == 5);
	/* A number that is not looked at. */
	GIVES(0,
	      (limit.tv_sec = 0, limit.tv_usec = 0, select(pair.fd, &in, &out, &except, &limit)));
	FAILS(EINVAL, select(-1, NULL, NULL, NULL, NULL));
	limit.tv_usec = -1;
	FAILS(EINVAL, select(0, NULL, NULL, NULL, &limit));
	limit.tv_usec = 0;
	FD_ZERO(&in);
	FD_SET(pair.fd, &in);
	GIVES(0, close(pair.fd));
	FAILS(EBADF, select(pair.fd + 1, &in, NULL, NULL, &limit));
}

/* Which of the three sets each state shows in. */
static void
select_states(void)
{
	struct pair pair = connect_pair(AF_INET);
	int fresh = new_socket(AF_INET, 0), highest = pair.fd > fresh ? pair.fd : fresh;
	struct timeval now = {0};
	fd_set in, out, except;

	GIVES(0, peer_reset(pair.peer));
	HOLDS(await(pair.fd, POLLERR));
	FD_ZERO(&in);
	FD_SET(pair.fd, &in);
	FD_SET(fresh, &in);
	out = except = in;
	GIVES(4, select(highest + 1, &in, &out, &except, &now));
	GIVES(1, FD_ISSET(pair.fd, &in) != 0);
	GIVES(1, FD_ISSET(pair.fd, &out) != 0);
	GIVES(0, FD_ISSET(pair.fd, &except) != 0);
	GIVES(1, FD_ISSET(fresh, &in) != 0);
	GIVES(1, FD_ISSET(fresh, &out) != 0);
}

static volatile sig_atomic_t signals;

static void
count(int signal)
{
	(void)signal;
	signals++;
}

/* A blocked signal waits for the mask that lets it through, and nothing is lost between. */
static void
masks(void)
{
	struct sigaction action = {.sa_handler = count};
	struct pair pair = connect_pair(AF_INET);
	struct pollfd p = {.fd = pair.fd, .events = POLLIN};
	struct timespec limit = {.tv_sec = 5}, none = {0};
	sigset_t blocked, empty;
	fd_set in;

	signals = 0;
	sigaction(SIGUSR1, &action, NULL);
	sigemptyset(&empty);
	sigemptyset(&blocked);
	sigaddset(&blocked, SIGUSR1);
	sigprocmask(SIG_BLOCK, &blocked, NULL);
	raise(SIGUSR1);
	GIVES(0, ppoll(&p, 1, &none, NULL));
	GIVES(0, signals);
	FAILS(EINTR, ppoll(&p, 1, &limit, &empty));
	GIVES(1, signals);
	GIVES(5, limit.tv_sec);
	raise(SIGUSR1);
	GIVES(1, signals);
	FD_ZERO(&in);
	FD_SET(pair.fd, &in);
	FAILS(EINTR, pselect(pair.fd + 1, &in, NULL, NULL, &limit, &empty));
	GIVES(2, signals);
	GIVES(5, limit.tv_sec);
	/* It is blocked again. */
	raise(SIGUSR1);
	GIVES(2, signals);
	sigprocmask(SIG_UNBLOCK, &blocked, NULL);
	GIVES(3, signals);
	limit.tv_nsec = -1;
	FAILS(EINVAL, ppoll(&p, 1, &limit, NULL));
	/* What is ready goes before what is pending. */
	p.events = POLLOUT;
	limit.tv_nsec = 0;
	GIVES(1, ppoll(&p, 1, &limit, &empty));
	GIVES(POLLOUT, p.revents);
}

const struct compare_case compare_poll_cases[] = {
	{"poll_fresh", poll_fresh},
	{"poll_connected", poll_connected},
	{"poll_low_water", poll_low_water},
	{"poll_mixed", poll_mixed},
	{"poll_kernel_socket", poll_kernel_socket},
	{"select_sets", select_sets},
	{"select_states", select_states},
	{"masks", masks},
	{0},
};
