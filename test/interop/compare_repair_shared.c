/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The comparison test's cases of repair where more than one has the socket: threads that wait in a
 * call while another thread changes the mode, processes that inherit it, programs that it outlives.
 */
#include <fcntl.h>
#include <linux/sockios.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "compare_repair.h"

enum {
	SOON_MS = 100,
	MANY = 1 << 20,
	TURNS = 300,
};

/* ---- A thread that waits in one call */

enum call {
	CALL_RECV,
	CALL_SEND,
	CALL_CONNECT,
	CALL_POLL,
	CALL_EPOLL,
};

struct waiter {
	pthread_t thread;
	enum call call;
	int fd;
	struct address to;
	ssize_t result;
	int error;
	volatile bool done;
	uint8_t *bytes;
	size_t n;
};

static ssize_t
wait_in(struct waiter *w)
{
	struct pollfd p = {.fd = w->fd, .events = POLLIN};
	struct epoll_event event;

	switch (w->call) {
	case CALL_RECV:
		return recv(w->fd, w->bytes, w->n, MSG_WAITALL);
	case CALL_SEND:
		return send(w->fd, w->bytes, w->n, MSG_NOSIGNAL);
	case CALL_CONNECT:
		return connect(w->fd, &w->to.any, w->to.bytes);
	case CALL_POLL:
		return poll(&p, 1, 5000);
	default:
		return epoll_wait(w->fd, &event, 1, 5000);
	}
}

static void *
wait_thread(void *at)
{
	struct waiter *w = at;

	w->result = wait_in(w);
	w->error = errno;
	w->done = true;
	return NULL;
}

/* It waits when this returns. */
static void
begin_wait(struct waiter *w)
{
	if (pthread_create(&w->thread, NULL, wait_thread, w) != 0)
		compare_give_up("pthread_create");
	sleep_ms(SOON_MS / 2);
	HOLDS(!w->done);
}

static ssize_t
end_wait(struct waiter *w)
{
	pthread_join(w->thread, NULL);
	return w->result;
}

/* The mode comes and goes, and the thread waits on. */
static void
come_and_go(int fd, const struct waiter *w)
{
	for (int i = 0; i < 3; i++) {
		GIVES(0, repair(fd, 1));
		sleep_ms(20);
		GIVES(0, repair(fd, -1));
		sleep_ms(5);
	}
	HOLDS(!w->done);
}

static void
thread_receives(void)
{
	static uint8_t got[MANY];
	struct pair pair = connect_pair(AF_INET);
	struct waiter w = {.call = CALL_RECV, .fd = pair.fd, .bytes = got, .n = 10};

	begin_wait(&w);
	come_and_go(pair.fd, &w);
	GIVES(4, peer_send(pair.peer, 4, 0));
	come_and_go(pair.fd, &w);
	GIVES(6, peer_send(pair.peer, 6, 0));
	GIVES(10, end_wait(&w));
	GIVES(0, memcmp(got, pattern_bytes(0, 10), 10));
}

static void
thread_sends(void)
{
	struct pair pair = connect_pair(AF_INET);
	size_t before = fill(pair.fd);
	struct waiter w = {.call = CALL_SEND, .fd = pair.fd, .n = MANY};

	w.bytes = malloc(MANY);
	for (size_t i = 0; i < MANY; i++)
		w.bytes[i] = pattern(before + i);
	begin_wait(&w);
	come_and_go(pair.fd, &w);
	GIVES(before + MANY, peer_receive(pair.peer, (int)before + MANY));
	GIVES(MANY, end_wait(&w));
	free(w.bytes);
}

static void
thread_connects(void)
{
	struct server server = serve_silently(AF_INET);
	struct waiter w = {.call = CALL_CONNECT, .fd = new_socket(AF_INET, 0), .to = server.at};

	begin_wait(&w);
	come_and_go(w.fd, &w);
	make_room(&server);
	GIVES(0, end_wait(&w));
	GIVES(STATE_ESTABLISHED, state_of(w.fd));
	goes_on(w.fd, peer_accept(server.handle), 0, 0);
}

static void
thread_polls(void)
{
	struct pair pair = connect_pair(AF_INET);
	struct epoll_event event = {.events = EPOLLIN | EPOLLET};
	int set = epoll_create1(0);
	struct waiter w = {.call = CALL_POLL, .fd = pair.fd};
	struct waiter e = {.call = CALL_EPOLL, .fd = set};

	GIVES(0, epoll_ctl(set, EPOLL_CTL_ADD, pair.fd, &event));
	begin_wait(&w);
	begin_wait(&e);
	come_and_go(pair.fd, &w);
	HOLDS(!e.done);
	GIVES(1, peer_send(pair.peer, 1, 0));
	GIVES(1, end_wait(&w));
	GIVES(1, end_wait(&e));
}

/* What comes while it is in repair wakes who waits, at the latest when that ends. */
static void
thread_wakes(void)
{
	static uint8_t got[1];
	struct pair pair = connect_pair(AF_INET);
	struct waiter w = {.call = CALL_RECV, .fd = pair.fd, .bytes = got, .n = 1};

	begin_wait(&w);
	GIVES(0, repair(pair.fd, 1));
	GIVES(1, peer_send(pair.peer, 1, 0));
	sleep_ms(20);
	HOLDS(DIFFERS(w.done, !w.done));
	GIVES(0, repair(pair.fd, 0));
	GIVES(1, end_wait(&w));
}

/* Room that comes once it has left repair is an edge. */
static void
edge_of_room(void)
{
	struct pair pair = connect_pair(AF_INET);
	struct epoll_event event = {.events = EPOLLOUT | EPOLLET};
	int set = epoll_create1(0);
	size_t n = fill(pair.fd);

	GIVES(0, epoll_ctl(set, EPOLL_CTL_ADD, pair.fd, &event));
	GIVES(0, epoll_wait(set, &event, 1, 0));
	GIVES(0, repair(pair.fd, 1));
	GIVES(0, epoll_wait(set, &event, 1, 0));
	GIVES(0, repair(pair.fd, -1));
	GIVES(n, peer_receive(pair.peer, (int)n));
	GIVES(1, epoll_wait(set, &event, 1, 3000));
	GIVES(EPOLLOUT, event.events);
}

/* ---- Threads against each other: data goes both ways while the mode changes all the time */

static volatile bool stop;

static void *
toggle(void *at)
{
	int fd = *(int *)at;

	for (int i = 0; i < TURNS && !stop; i++) {
		repair(fd, 1);
		if (i % 3 == 0)
			choose(fd, QUEUE_NONE);
		repair(fd, i % 2 - 1);
		sleep_ms(1);
	}
	stop = true;
	return NULL;
}

static void
thread_toggles(void)
{
	static uint8_t got[4096];
	struct pair pair = connect_pair(AF_INET);
	size_t sent = 0, received = 0;
	int fd = pair.fd;
	pthread_t thread;

	set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
	GIVES(50000, peer_send(pair.peer, 50000, 0));
	stop = false;
	if (pthread_create(&thread, NULL, toggle, &fd) != 0)
		compare_give_up("pthread_create");
	while (!stop || received < 50000) {
		ssize_t n =
			sent < 100000 ? send(fd, pattern_bytes(sent, 100), 100, MSG_DONTWAIT) : 0;

		if (n > 0)
			sent += (size_t)n;
		else if (n < 0 && errno != EINVAL && errno != EAGAIN)
			compare_give_up("send");
		n = recv(fd, got, sizeof(got), MSG_DONTWAIT);
		if (n < 0 && errno != EPERM && errno != EAGAIN)
			compare_give_up("recv");
		if (n == 0)
			compare_give_up("an end");
		for (ssize_t i = 0; i < n; i++)
			if (got[i] != pattern(received + (size_t)i))
				compare_give_up("wrong bytes");
		received += n > 0 ? (size_t)n : 0;
		sleep_ms(1);
	}
	pthread_join(thread, NULL);
	HOLDS(sent > 0);
	GIVES(50000, received);
	GIVES(sent, peer_receive(pair.peer, (int)sent));
	goes_on(fd, pair.peer, sent, received);
}

/* The same at full speed, each in a thread of its own: what a call has taken is not lost. */
struct storm {
	int fd;
	size_t done, bytes;
	int wrong; /* an errno */
};

/* Whoever has nothing to do leaves the processor to those who have: there may be one for all. */
static void
storm_moved(struct storm *s, ssize_t n)
{
	if (n <= 0) {
		usleep(50);
		return;
	}
	s->done += (size_t)n;
	compare_moves();
}

static void *
storm_sends(void *at)
{
	struct storm *s = at;

	while (s->done < s->bytes && s->wrong == 0) {
		size_t n = s->done * 7919 % 9000 + 1; /* of all sizes */
		ssize_t sent;
		static uint8_t piece[9001];

		n = n < s->bytes - s->done ? n : s->bytes - s->done;
		for (size_t i = 0; i < n; i++)
			piece[i] = pattern(s->done + i);
		sent = send(s->fd, piece, n, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (sent < 0 && errno != EAGAIN && errno != EINVAL)
			s->wrong = errno;
		storm_moved(s, sent);
	}
	return NULL;
}

static void *
storm_receives(void *at)
{
	struct storm *s = at;

	while (s->done < s->bytes && s->wrong == 0) {
		static uint8_t got[5000];
		ssize_t n = recv(s->fd, got, sizeof(got), MSG_DONTWAIT);

		for (ssize_t i = 0; i < n; i++)
			if (got[i] != pattern(s->done + (size_t)i))
				s->wrong = EILSEQ;
		if (n == 0 || (n < 0 && errno != EAGAIN && errno != EPERM))
			s->wrong = n == 0 ? EPIPE : errno;
		storm_moved(s, n);
	}
	return NULL;
}

static void *
storm_turns(void *at)
{
	int fd = *(int *)at;

	while (!stop) {
		repair(fd, 1);
		queued(fd, SIOCOUTQ);
		repair(fd, -1);
		sleep_ms(20); /* what is lost meanwhile on Tern comes again */
	}
	return NULL;
}

static void
thread_storm(void)
{
	struct pair pair = connect_pair(AF_INET);
	struct storm out = {.fd = pair.fd, .bytes = MANY}, in = {.fd = pair.fd, .bytes = MANY};
	pthread_t threads[3];
	int received;

	stop = false;
	if (pthread_create(&threads[0], NULL, storm_sends, &out) != 0 ||
	    pthread_create(&threads[1], NULL, storm_receives, &in) != 0 ||
	    pthread_create(&threads[2], NULL, storm_turns, &pair.fd) != 0)
		compare_give_up("pthread_create");
	for (int i = 0; i < 8; i++) {
		GIVES(MANY / 8, peer_send(pair.peer, MANY / 8, 0));
		received = peer_receive(pair.peer, MANY / 8);
		GIVES(MANY / 8, received);
	}
	pthread_join(threads[0], NULL);
	pthread_join(threads[1], NULL);
	stop = true;
	pthread_join(threads[2], NULL);
	GIVES(0, out.wrong);
	GIVES(0, in.wrong);
	goes_on(pair.fd, pair.peer, MANY, MANY);
}

/* A call that has given its bytes away has them in the queue. */
static void
sent_is_queued(void)
{
	struct pair pair = connect_pair(AF_INET);
	static uint8_t got[4 * MANY];
	size_t n;
	int queue;

	GIVES(0, peer_set(pair.peer, SOL_SOCKET, SO_RCVBUF, 4096));
	deafen_peer();
	n = fill(pair.fd);
	GIVES(0, repair(pair.fd, 1));
	queue = queued(pair.fd, SIOCOUTQ);
	GIVES(n, queue);
	GIVES(0, choose(pair.fd, QUEUE_SEND));
	GIVES(n, recv(pair.fd, got, sizeof(got), MSG_PEEK | MSG_DONTWAIT));
	for (size_t i = 0; i < n; i++)
		if (got[i] != pattern(i))
			compare_give_up("wrong bytes");
	hear();
	GIVES(0, repair(pair.fd, 0));
	GIVES(n, peer_receive(pair.peer, (int)n));
}

/* ---- Processes */

/* What the child does with the socket; its status is how many things were wrong. */
static int
in_child(int fd, int (*run)(int fd))
{
	pid_t pid = fork();
	int status = -1;

	if (pid == 0)
		_exit(run(fd));
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		compare_give_up("fork");
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static int
child_enters(int fd)
{
	return (repair(fd, 1) != 0) + (choose(fd, QUEUE_SEND) != 0);
}

static int
child_leaves(int fd)
{
	return (get_option(fd, IPPROTO_TCP, TCP_REPAIR) != 1) +
	       (get_option(fd, IPPROTO_TCP, TCP_REPAIR_QUEUE) != QUEUE_RECEIVE) +
	       (repair(fd, 0) != 0);
}

/* One that has become another user may not, whoever opened the socket; the rest needs the mode. */
static int
child_is_nobody(int fd)
{
	int wrong = setresuid(65534, 65534, 65534) != 0;
	char byte;

	for (int value = -1; value <= 1; value++)
		wrong += repair(fd, value) == 0 || errno != EPERM;
	wrong += get_option(fd, IPPROTO_TCP, TCP_REPAIR) != 1;
	wrong += choose(fd, QUEUE_SEND) != 0;
	wrong += get_option(fd, IPPROTO_TCP, TCP_REPAIR_QUEUE) != QUEUE_SEND;
	return wrong + (recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) != 0);
}

static int
child_is_killed(int fd)
{
	child_enters(fd);
	return kill(getpid(), SIGKILL);
}

/* The mode is the connection's, whoever has it; who goes takes nothing with him. */
static void
fork_shares(void)
{
	struct pair pair = connect_pair(AF_INET);
	int fd = pair.fd;

	GIVES(0, in_child(fd, child_enters));
	GIVES(1, get_option(fd, IPPROTO_TCP, TCP_REPAIR));
	GIVES(QUEUE_SEND, get_option(fd, IPPROTO_TCP, TCP_REPAIR_QUEUE));
	GIVES(STATE_ESTABLISHED, state_of(fd));
	GIVES(0, choose(fd, QUEUE_RECEIVE));
	GIVES(0, in_child(fd, child_leaves));
	GIVES(0, get_option(fd, IPPROTO_TCP, TCP_REPAIR));
	goes_on(fd, pair.peer, 0, 0);
	GIVES(-SIGKILL, in_child(fd, child_is_killed));
	GIVES(1, get_option(fd, IPPROTO_TCP, TCP_REPAIR));
	GIVES(0, peer_quiet(pair.peer, SOON_MS));
	GIVES(0, repair(fd, 0));
	goes_on(fd, pair.peer, 9, 9);
}

static void
fork_to_nobody(void)
{
	struct pair pair = connect_pair(AF_INET);

	GIVES(0, repair(pair.fd, 1));
	GIVES(0, in_child(pair.fd, child_is_nobody));
	GIVES(QUEUE_SEND, get_option(pair.fd, IPPROTO_TCP, TCP_REPAIR_QUEUE));
	GIVES(0, repair(pair.fd, 0));
	goes_on(pair.fd, pair.peer, 0, 0);
}

/* The last one goes: silently, as it was in repair. */
static void
goes_silently(struct pair pair)
{
	GIVES(0, peer_quiet(pair.peer, SOON_MS));
	GIVES(1, peer_send(pair.peer, 1, 0));
	GIVES(DIFFERS(1, 0), peer_quiet(pair.peer, SOON_MS));
}

static void
fork_ends(void)
{
	struct pair pair = connect_pair(AF_INET);
	pid_t pid = fork();

	if (pid == 0) {
		sleep_ms(SOON_MS);
		_exit(repair(pair.fd, 1) != 0);
	}
	GIVES(0, close(pair.fd));
	GIVES(pid, waitpid(pid, NULL, 0));
	goes_silently(pair);
}

static void
killed_in_repair(void)
{
	struct pair pair = connect_pair(AF_INET);
	pid_t pid = fork();

	if (pid == 0) {
		child_enters(pair.fd);
		for (;;)
			pause();
	}
	GIVES(0, close(pair.fd));
	sleep_ms(SOON_MS);
	GIVES(0, kill(pid, SIGKILL));
	GIVES(pid, waitpid(pid, NULL, 0));
	goes_silently(pair);
}

/* One that was not in repair is closed as ever. */
static void
killed_after_repair(void)
{
	struct pair pair = connect_pair(AF_INET);
	pid_t pid = fork();

	if (pid == 0) {
		child_enters(pair.fd);
		repair(pair.fd, -1);
		for (;;)
			pause();
	}
	GIVES(0, close(pair.fd));
	sleep_ms(SOON_MS);
	GIVES(0, peer_quiet(pair.peer, 0));
	GIVES(0, kill(pid, SIGKILL));
	GIVES(pid, waitpid(pid, NULL, 0));
	GIVES(0, peer_at_end(pair.peer));
}

/* dup2() over it is a close like any other. */
static void
replaced_in_repair(void)
{
	struct pair pair = connect_pair(AF_INET);
	int other = open("/dev/null", O_RDONLY);

	GIVES(0, repair(pair.fd, 1));
	GIVES(pair.fd, dup2(other, pair.fd));
	goes_silently(pair);
}

/* compare repair-exec FD: whether repair outlives exec, and can be left then. */
int
compare_repair_exec(const char *word)
{
	int fd = atoi(word);

	return child_leaves(fd);
}

static int
child_executes(int fd)
{
	char word[16];

	snprintf(word, sizeof(word), "%d", fd);
	execl("/proc/self/exe", "compare", "repair-exec", word, NULL);
	return 99;
}

static int
child_executes_true(int fd)
{
	(void)fd;
	execl("/bin/true", "true", NULL);
	return 99;
}

static void
exec_keeps(void)
{
	struct pair pair = connect_pair(AF_INET);

	GIVES(0, repair(pair.fd, 1));
	GIVES(0, choose(pair.fd, QUEUE_RECEIVE));
	GIVES(0, in_child(pair.fd, child_executes));
	GIVES(0, get_option(pair.fd, IPPROTO_TCP, TCP_REPAIR));
	goes_on(pair.fd, pair.peer, 0, 0);
	/* One that does not know what it has. */
	GIVES(0, repair(pair.fd, 1));
	GIVES(0, in_child(pair.fd, child_executes_true));
	GIVES(1, get_option(pair.fd, IPPROTO_TCP, TCP_REPAIR));
	GIVES(0, repair(pair.fd, 0));
	goes_on(pair.fd, pair.peer, 9, 9);
}

/* The image in one process, the socket in another, at once. */
static void
exec_closes(void)
{
	struct pair pair = connect_pair(AF_INET);
	pid_t pid;

	GIVES(0, repair(pair.fd, 1));
	GIVES(0, fcntl(pair.fd, F_SETFD, FD_CLOEXEC));
	pid = fork();
	if (pid == 0) {
		execl("/bin/true", "true", NULL);
		_exit(99);
	}
	GIVES(0, close(pair.fd));
	GIVES(pid, waitpid(pid, NULL, 0));
	goes_silently(pair);
}

/* Many in repair, and all go at once. */
static void
many_go(void)
{
	struct pair pairs[16];
	pid_t pid;

	for (int i = 0; i < 16; i++)
		pairs[i] = connect_pair(AF_INET);
	pid = fork();
	if (pid == 0) {
		for (int i = 0; i < 16; i++)
			repair(pairs[i].fd, 1);
		for (;;)
			pause();
	}
	for (int i = 0; i < 16; i++)
		GIVES(0, close(pairs[i].fd));
	sleep_ms(2 * SOON_MS);
	GIVES(0, kill(pid, SIGKILL));
	GIVES(pid, waitpid(pid, NULL, 0));
	sleep_ms(SOON_MS);
	for (int i = 0; i < 16; i++)
		GIVES(0, peer_quiet(pairs[i].peer, 0));
}

const struct compare_case compare_repair_shared_cases[] = {
	{"thread_receives", thread_receives},
	{"thread_sends", thread_sends},
	{"thread_connects", thread_connects},
	{"thread_polls", thread_polls},
	{"thread_wakes", thread_wakes},
	{"edge_of_room", edge_of_room},
	{"thread_toggles", thread_toggles},
	{"thread_storm", thread_storm},
	{"sent_is_queued", sent_is_queued},
	{"fork_shares", fork_shares},
	{"fork_to_nobody", fork_to_nobody},
	{"fork_ends", fork_ends},
	{"killed_in_repair", killed_in_repair},
	{"killed_after_repair", killed_after_repair},
	{"replaced_in_repair", replaced_in_repair},
	{"exec_keeps", exec_keeps},
	{"exec_closes", exec_closes},
	{"many_go", many_go},
	{0},
};
