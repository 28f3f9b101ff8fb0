/* SPDX-License-Identifier: BSD-3-Clause */
/* The comparison test's cases of epoll. */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "compare.h"

static struct epoll_event events[16];

static int
control(int set, int operation, int fd, uint32_t wanted)
{
	struct epoll_event event = {.events = wanted, .data.fd = fd};

	return epoll_ctl(set, operation, fd, &event);
}

/* What there is now, or within a time. */
static int
now(int set)
{
	return epoll_wait(set, events, 16, 0);
}

static int
soon(int set)
{
	return epoll_wait(set, events, 16, 3000);
}

static void
set_arguments(void)
{
	int set = epoll_create1(EPOLL_CLOEXEC), fd = new_socket(AF_INET, 0), file;

	FAILS(EINVAL, epoll_create1(1));
	FAILS(EINVAL, epoll_create(0));
	GIVES(FD_CLOEXEC, fcntl(set, F_GETFD));
	GIVES(0, control(set, EPOLL_CTL_ADD, fd, EPOLLIN));
	FAILS(EEXIST, control(set, EPOLL_CTL_ADD, fd, EPOLLIN));
	FAILS(EINVAL, control(set, 9, fd, EPOLLIN));
	GIVES(0, control(set, EPOLL_CTL_DEL, fd, 0));
	FAILS(ENOENT, control(set, EPOLL_CTL_DEL, fd, 0));
	FAILS(ENOENT, control(set, EPOLL_CTL_MOD, fd, EPOLLIN));
	FAILS(EBADF, control(set, EPOLL_CTL_ADD, fd + 50, EPOLLIN));
	FAILS(EBADF, control(fd + 50, EPOLL_CTL_ADD, fd, EPOLLIN));
	FAILS(EINVAL, control(fd, EPOLL_CTL_ADD, fd, EPOLLIN));
	FAILS(EINVAL, control(fd, EPOLL_CTL_ADD, set, EPOLLIN));
	FAILS(EINVAL, control(set, EPOLL_CTL_ADD, set, EPOLLIN));
	FAILS(EFAULT, epoll_ctl(set, EPOLL_CTL_ADD, fd, NULL));
	FAILS(EFAULT, epoll_ctl(set, EPOLL_CTL_MOD, fd, NULL));
	GIVES(0, control(set, EPOLL_CTL_ADD, fd, EPOLLIN));
	GIVES(0, epoll_ctl(set, EPOLL_CTL_DEL, fd, NULL));
	HOLDS((file = open("/etc/passwd", O_RDONLY)) >= 0);
	FAILS(EPERM, control(set, EPOLL_CTL_ADD, file, EPOLLIN));
	FAILS(EINVAL, epoll_wait(set, events, 0, 0));
	FAILS(EINVAL, epoll_wait(set, events, -1, 0));
	FAILS(EINVAL, epoll_wait(fd, events, 1, 0));
	FAILS(EBADF, epoll_wait(fd + 50, events, 1, 0));
	GIVES(0, now(set));
	/* Exclusive: not to be changed, and not for everything. */
	FAILS(EINVAL, control(set, EPOLL_CTL_ADD, fd, EPOLLIN | EPOLLEXCLUSIVE | EPOLLONESHOT));
	FAILS(EINVAL, control(set, EPOLL_CTL_ADD, fd, EPOLLIN | EPOLLEXCLUSIVE | EPOLLRDHUP));
	GIVES(0, control(set, EPOLL_CTL_ADD, fd, EPOLLIN | EPOLLEXCLUSIVE | EPOLLET));
	FAILS(EINVAL, control(set, EPOLL_CTL_MOD, fd, EPOLLIN));
	GIVES(0, control(set, EPOLL_CTL_DEL, fd, 0));
	GIVES(0, control(set, EPOLL_CTL_ADD, fd, EPOLLIN));
	FAILS(EINVAL, control(set, EPOLL_CTL_MOD, fd, EPOLLIN | EPOLLEXCLUSIVE));
}

static void
set_of_fresh(void)
{
	int set = epoll_create1(0), fd = new_socket(AF_INET, 0);

	GIVES(0, control(set, EPOLL_CTL_ADD, fd, 0));
	GIVES(1, now(set));
	GIVES(EPOLLHUP, events[0].events);
	GIVES(fd, events[0].data.fd);
	GIVES(0, control(set, EPOLL_CTL_MOD, fd, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLWRNORM));
	GIVES(1, now(set));
	GIVES(EPOLLHUP | EPOLLOUT | EPOLLWRNORM, events[0].events);
}

static void
level(void)
{
	int set = epoll_create1(0);
	struct pair pair = connect_pair(AF_INET);
	char bytes[8];

	GIVES(0, control(set, EPOLL_CTL_ADD, pair.fd, EPOLLIN));
	GIVES(0, now(set));
	GIVES(4, peer_send(pair.peer, 4, 0));
	GIVES(1, soon(set));
	GIVES(EPOLLIN, events[0].events);
	GIVES(1, now(set));
	GIVES(2, recv(pair.fd, bytes, 2, 0));
	GIVES(1, now(set));
	GIVES(2, recv(pair.fd, bytes, 2, 0));
	GIVES(0, now(set));
	GIVES(0, control(set, EPOLL_CTL_MOD, pair.fd, EPOLLIN | EPOLLOUT));
	GIVES(1, now(set));
	GIVES(EPOLLOUT, events[0].events);
	GIVES(0, control(set, EPOLL_CTL_MOD, pair.fd, EPOLLIN | EPOLLRDHUP));
	GIVES(0, now(set));
	GIVES(0, peer_shutdown(pair.peer, SHUT_WR));
	GIVES(1, soon(set));
	GIVES(EPOLLIN | EPOLLRDHUP, events[0].events);
	GIVES(1, now(set));
}

static void
edges(void)
{
	int set = epoll_create1(0);
	struct pair pair = connect_pair(AF_INET);
	char bytes[8];

	GIVES(0, control(set, EPOLL_CTL_ADD, pair.fd, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET));
	GIVES(1, now(set));
	GIVES(EPOLLOUT, events[0].events);
	GIVES(0, now(set));
	GIVES(2, peer_send(pair.peer, 2, 0));
	GIVES(1, soon(set));
	GIVES(EPOLLIN | EPOLLOUT, events[0].events);
	GIVES(0, now(set));
	/* More bytes are a new edge, whether or not the first are read. */
	GIVES(2, peer_send(pair.peer, 2, 0));
	GIVES(1, soon(set));
	GIVES(EPOLLIN | EPOLLOUT, events[0].events);
	GIVES(2, recv(pair.fd, bytes, 2, 0));
	GIVES(0, now(set));
	/* A change of what is wanted looks anew. */
	GIVES(0, control(set, EPOLL_CTL_MOD, pair.fd, EPOLLIN | EPOLLRDHUP | EPOLLET));
	GIVES(1, now(set));
	GIVES(EPOLLIN, events[0].events);
	GIVES(0, now(set));
	GIVES(0, peer_close(pair.peer));
	GIVES(1, soon(set));
	GIVES(EPOLLIN | EPOLLRDHUP, events[0].events);
	GIVES(0, now(set));
}

/* A handshake that is over before anybody looks is an edge still. */
static void
edge_of_connect_unseen(void)
{
	uint16_t port = 0;
	int fd = new_socket(AF_INET, SOCK_NONBLOCK), listener = peer_listen(AF_INET, 4, &port);
	int set = epoll_create1(0);
	struct address to = address_peer(AF_INET, port), own = address_own(AF_INET, 0);

	HOLDS(listener >= 0);
	/* Not the kernel's any more, where addresses decide that. */
	GIVES(0, bind(fd, &own.any, own.bytes));
	GIVES(0, control(set, EPOLL_CTL_ADD, fd, EPOLLIN | EPOLLOUT | EPOLLET));
	GIVES(1, now(set));
	GIVES(EPOLLOUT | EPOLLHUP, events[0].events);
	FAILS(EINPROGRESS, connect(fd, &to.any, to.bytes));
	sleep_ms(100);
	GIVES(1, now(set));
	GIVES(EPOLLOUT, events[0].events);
	GIVES(0, now(set));
}

static void
edge_of_room(void)
{
	int set = epoll_create1(0);
	struct pair pair = connect_pair(AF_INET);
	size_t sent, got = 0;

	GIVES(0, control(set, EPOLL_CTL_ADD, pair.fd, EPOLLOUT | EPOLLET));
	GIVES(1, now(set));
	sent = fill(pair.fd);
	GIVES(0, (now(set), now(set)));
	for (int n = 1; got < sent && n > 0; got += (size_t)n)
		n = peer_receive(pair.peer, (int)(sent - got < 65536 ? sent - got : 65536));
	GIVES(1, soon(set));
	GIVES(EPOLLOUT, events[0].events);
}

/* Room that has gone and come before anybody looks is an edge still. */
static void
edge_of_room_unseen(void)
{
	struct pair pair = connect_pair(AF_INET);
	int set = epoll_create1(0);
	size_t done;

	GIVES(0, control(set, EPOLL_CTL_ADD, pair.fd, EPOLLOUT | EPOLLET));
	GIVES(1, now(set));
	done = fill(pair.fd);
	GIVES(done, peer_receive(pair.peer, (int)done));
	sleep_ms(50);
	GIVES(1, soon(set));
	GIVES(0, now(set));
}

static void
one_shot(void)
{
	int set = epoll_create1(0);
	struct pair pair = connect_pair(AF_INET);

	GIVES(0, control(set, EPOLL_CTL_ADD, pair.fd, EPOLLIN | EPOLLONESHOT));
	GIVES(1, peer_send(pair.peer, 1, 0));
	GIVES(1, soon(set));
	GIVES(EPOLLIN, events[0].events);
	GIVES(0, now(set));
	GIVES(1, peer_send(pair.peer, 1, 0));
	GIVES(0, epoll_wait(set, events, 16, 60));
	GIVES(0, control(set, EPOLL_CTL_MOD, pair.fd, EPOLLIN | EPOLLONESHOT));
	GIVES(1, now(set));
	/* Spent, it does not tell of errors either. */
	GIVES(0, peer_reset(pair.peer));
	HOLDS(await(pair.fd, POLLERR));
	GIVES(0, now(set));
	GIVES(0, control(set, EPOLL_CTL_MOD, pair.fd, EPOLLONESHOT));
	GIVES(1, now(set));
	GIVES(EPOLLERR | EPOLLHUP, events[0].events);
}

static void
states(void)
{
	int set = epoll_create1(0), listener = new_listener(AF_INET, 4);
	struct address to = address_own(AF_INET, port_of(listener));
	struct pair pair = connect_pair(AF_INET);

	GIVES(0, control(set, EPOLL_CTL_ADD, listener, EPOLLIN | EPOLLOUT));
	GIVES(0, now(set));
	HOLDS(peer_connect(&to) >= 0);
	GIVES(1, soon(set));
	GIVES(listener, events[0].data.fd);
	GIVES(EPOLLIN, events[0].events);
	HOLDS(accept(listener, NULL, NULL) >= 0);
	GIVES(0, now(set));
	GIVES(0, control(set, EPOLL_CTL_ADD, pair.fd, EPOLLIN | EPOLLRDHUP));
	GIVES(0, peer_reset(pair.peer));
	GIVES(1, soon(set));
	GIVES(EPOLLIN | EPOLLERR | EPOLLHUP | EPOLLRDHUP, events[0].events);
	GIVES(0, shutdown(listener, SHUT_RD));
	GIVES(2, soon(set));
}

/* Members come in the order in which they became ready, and take turns. */
static void
order(void)
{
	int set = epoll_create1(0);
	struct pair a = connect_pair(AF_INET), b = connect_pair(AF_INET), c = connect_pair(AF_INET);

	GIVES(0, control(set, EPOLL_CTL_ADD, a.fd, EPOLLIN));
	GIVES(0, control(set, EPOLL_CTL_ADD, b.fd, EPOLLIN));
	GIVES(0, control(set, EPOLL_CTL_ADD, c.fd, EPOLLIN));
	GIVES(1, peer_send(c.peer, 1, 0));
	HOLDS(await(c.fd, POLLIN));
	GIVES(1, peer_send(a.peer, 1, 0));
	HOLDS(await(a.fd, POLLIN));
	GIVES(1, peer_send(b.peer, 1, 0));
	HOLDS(await(b.fd, POLLIN));
	GIVES(3, now(set));
	GIVES(c.fd, events[0].data.fd);
	GIVES(a.fd, events[1].data.fd);
	GIVES(b.fd, events[2].data.fd);
	/* One at a time: each in turn. */
	GIVES(1, epoll_wait(set, events, 1, 0));
	GIVES(c.fd, events[0].data.fd);
	GIVES(1, epoll_wait(set, events, 1, 0));
	GIVES(a.fd, events[0].data.fd);
	GIVES(1, epoll_wait(set, events, 1, 0));
	GIVES(b.fd, events[0].data.fd);
	GIVES(1, epoll_wait(set, events, 1, 0));
	GIVES(c.fd, events[0].data.fd);
}

/* A member lives as long as what it names: another descriptor of it keeps it. */
static void
closed_member(void)
{
	int set = epoll_create1(0), copy;
	struct pair pair = connect_pair(AF_INET);

	GIVES(0, control(set, EPOLL_CTL_ADD, pair.fd, EPOLLIN));
	HOLDS((copy = dup(pair.fd)) >= 0);
	GIVES(0, control(set, EPOLL_CTL_ADD, copy, EPOLLIN));
	GIVES(1, peer_send(pair.peer, 1, 0));
	GIVES(1, soon(set) > 0);
	GIVES(2, now(set));
	GIVES(0, close(pair.fd));
	GIVES(2, now(set));
	FAILS(EBADF, control(set, EPOLL_CTL_DEL, pair.fd, 0));
	GIVES(0, control(set, EPOLL_CTL_DEL, copy, 0));
	GIVES(1, now(set));
	GIVES(pair.fd, events[0].data.fd);
	GIVES(0, close(copy));
	GIVES(0, now(set));
}

/* A number that is used again is another member. */
static void
number_again(void)
{
	int set = epoll_create1(0), first, second;
	struct pair pair = connect_pair(AF_INET);

	first = new_socket(AF_INET, 0);
	GIVES(0, control(set, EPOLL_CTL_ADD, first, EPOLLIN));
	GIVES(0, close(first));
	second = new_socket(AF_INET, 0);
	GIVES(first, second);
	GIVES(0, now(set));
	FAILS(ENOENT, control(set, EPOLL_CTL_MOD, second, EPOLLIN));
	GIVES(0, control(set, EPOLL_CTL_ADD, second, EPOLLIN));
	GIVES(1, now(set));
	GIVES(0, close(pair.fd));
}

static void
mixed_members(void)
{
	int set = epoll_create1(0), counter = eventfd(0, EFD_NONBLOCK);
	struct pair pair = connect_pair(AF_INET);
	uint64_t one = 1;
	int64_t begin;

	GIVES(0, control(set, EPOLL_CTL_ADD, counter, EPOLLIN));
	GIVES(0, control(set, EPOLL_CTL_ADD, pair.fd, EPOLLIN));
	begin = now_ms();
	GIVES(0, epoll_wait(set, events, 16, 70));
	HOLDS(now_ms() - begin >= 68 && now_ms() - begin < 600);
	GIVES(sizeof(one), write(counter, &one, sizeof(one)));
	GIVES(1, soon(set));
	GIVES(counter, events[0].data.fd);
	GIVES(1, peer_send(pair.peer, 1, 0));
	HOLDS(await(pair.fd, POLLIN));
	GIVES(2, soon(set));
	GIVES(sizeof(one), read(counter, &one, sizeof(one)));
	GIVES(1, soon(set));
	GIVES(pair.fd, events[0].data.fd);
}

/* A set is readable when it has something to tell: for poll(), and as a member of another. */
static void
set_in_set(void)
{
	int inner = epoll_create1(0), outer = epoll_create1(0), chain[7];
	struct pair pair = connect_pair(AF_INET);
	char byte;

	GIVES(0, control(inner, EPOLL_CTL_ADD, pair.fd, EPOLLIN));
	GIVES(0, control(outer, EPOLL_CTL_ADD, inner, EPOLLIN));
	FAILS(ELOOP, control(inner, EPOLL_CTL_ADD, outer, EPOLLIN));
	POLLS(0, inner);
	GIVES(0, now(outer));
	GIVES(1, peer_send(pair.peer, 1, 0));
	GIVES(1, soon(outer));
	GIVES(inner, events[0].data.fd);
	GIVES(EPOLLIN, events[0].events);
	POLLS(CAN_READ, inner);
	POLLS(CAN_READ, outer);
	GIVES(1, now(inner));
	GIVES(pair.fd, events[0].data.fd);
	GIVES(1, recv(pair.fd, &byte, 1, 0));
	GIVES(0, now(outer));
	POLLS(0, outer);
	FAILS(EINVAL, read(inner, &byte, 1));
	/* Not too deep. */
	for (int i = 0; i < 7; i++)
		chain[i] = epoll_create1(0);
	for (int i = 0; i < 4; i++)
		GIVES(0, control(chain[i], EPOLL_CTL_ADD, chain[i + 1], EPOLLIN));
	FAILS(ELOOP, control(chain[4], EPOLL_CTL_ADD, chain[5], EPOLLIN));
}

struct sleeper {
	pthread_t thread;
	bool begins; /* calls in the next moment */
	int set, got;
};

static void *
wait_once(void *arg)
{
	struct sleeper *sleeper = arg;
	struct epoll_event event;

	__atomic_store_n(&sleeper->begins, true, __ATOMIC_RELEASE);
	sleeper->got = epoll_wait(sleeper->set, &event, 1, 1500);
	return NULL;
}

/* Returns when it waits. */
static void
start_sleeping(struct sleeper *sleeper)
{
	sleeper->begins = false;
	GIVES(0, pthread_create(&sleeper->thread, NULL, wait_once, sleeper));
	while (!__atomic_load_n(&sleeper->begins, __ATOMIC_ACQUIRE))
		sleep_ms(1);
}

/* Of many sets that wait exclusively for one connection, one wakes. */
static void
exclusive(void)
{
	int listener = new_listener(AF_INET, 4), woken = 0;
	struct address to = address_own(AF_INET, port_of(listener));
	struct sleeper sleepers[4];

	for (int i = 0; i < 4; i++) {
		sleepers[i].set = epoll_create1(0);
		GIVES(0,
		      control(sleepers[i].set, EPOLL_CTL_ADD, listener, EPOLLIN | EPOLLEXCLUSIVE));
		start_sleeping(&sleepers[i]);
	}
	sleep_ms(100);
	HOLDS(peer_connect(&to) >= 0);
	for (int i = 0; i < 4; i++) {
		GIVES(0, pthread_join(sleepers[i].thread, NULL));
		woken += sleepers[i].got;
	}
	GIVES(1, woken);
}

/* Without it, all wake. */
static void
inclusive(void)
{
	int listener = new_listener(AF_INET, 4), woken = 0;
	struct address to = address_own(AF_INET, port_of(listener));
	struct sleeper sleepers[4];

	for (int i = 0; i < 4; i++) {
		sleepers[i].set = epoll_create1(0);
		GIVES(0, control(sleepers[i].set, EPOLL_CTL_ADD, listener, EPOLLIN));
		start_sleeping(&sleepers[i]);
	}
	sleep_ms(100);
	HOLDS(peer_connect(&to) >= 0);
	for (int i = 0; i < 4; i++) {
		GIVES(0, pthread_join(sleepers[i].thread, NULL));
		woken += sleepers[i].got;
	}
	GIVES(4, woken);
}

static volatile sig_atomic_t signals;

static void
count(int signal)
{
	(void)signal;
	signals++;
}

static void
set_mask(void)
{
	struct sigaction action = {.sa_handler = count};
	struct timespec limit = {.tv_nsec = 30000000};
	int set = epoll_create1(0);
	struct pair pair = connect_pair(AF_INET);
	sigset_t blocked, empty;
	int64_t begin;

	signals = 0;
	sigaction(SIGUSR1, &action, NULL);
	sigemptyset(&empty);
	sigemptyset(&blocked);
	sigaddset(&blocked, SIGUSR1);
	sigprocmask(SIG_BLOCK, &blocked, NULL);
	GIVES(0, control(set, EPOLL_CTL_ADD, pair.fd, EPOLLIN));
	raise(SIGUSR1);
	GIVES(0, epoll_pwait(set, events, 16, 20, NULL));
	GIVES(0, signals);
	FAILS(EINTR, epoll_pwait(set, events, 16, 3000, &empty));
	GIVES(1, signals);
	sigprocmask(SIG_UNBLOCK, &blocked, NULL);
	begin = now_ms();
	GIVES(0, epoll_pwait2(set, events, 16, &limit, NULL));
	HOLDS(now_ms() - begin >= 29 && now_ms() - begin < 500);
	limit.tv_nsec = 1000000000;
	FAILS(EINVAL, epoll_pwait2(set, events, 16, &limit, NULL));
}

const struct compare_case compare_epoll_cases[] = {
	{"set_arguments", set_arguments},
	{"set_of_fresh", set_of_fresh},
	{"level", level},
	{"edges", edges},
	{"edge_of_connect_unseen", edge_of_connect_unseen},
	{"edge_of_room", edge_of_room},
	{"edge_of_room_unseen", edge_of_room_unseen},
	{"one_shot", one_shot},
	{"states", states},
	{"order", order},
	{"closed_member", closed_member},
	{"number_again", number_again},
	{"mixed_members", mixed_members},
	{"set_in_set", set_in_set},
	{"exclusive", exclusive},
	{"inclusive", inclusive},
	{"set_mask", set_mask},
	{0},
};
