/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Requests and their answers; see load.c. A connection has one request out at a time:
 *
 *     connecting ──▶ idle ── it is due ──▶ asked ── all of the answer is there ──▶ idle
 *         ▲                                                                         │
 *         └──────────────────────────── --close ────────────────────────────────────┘
 *
 * Without --rate a request is due as soon as a connection is idle. With it requests fall due at
 * random times (a Poisson process); one that finds no idle connection waits, and that wait counts.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "load.h"

enum {
	EVENTS = 256,
	HEAD_MAX = 512, /* of an HTTP answer */
	STUCK_S = 5,
	DATAGRAM_LOST_MS = 200,
	LOOK_MS = 50, /* how often to look for what is stuck or lost */
};

enum conn_state { CONNECTING, IDLE, ASKED };

struct conn {
	int fd;
	enum conn_state state;
	uint32_t number;
	uint64_t turn;    /* of echoes: what makes this message unlike others */
	size_t sent, got; /* bytes of request and answer, heads included */
	size_t head;      /* of an HTTP answer, once known */
	int64_t due_ns;   /* latency counts from here */
	char text[HEAD_MAX];
};

static struct {
	const struct load_options *options;
	struct load_result *result;
	struct conn *conns, **idle; /* idle: a ring */
	unsigned int idle_first, idle_n;
	int epoll;
	char request[HEAD_MAX]; /* of get */
	size_t request_bytes;
	char *message, *buffer;
	int64_t begin_ns, end_ns; /* what is measured */
	int64_t next_due_ns;      /* with --rate */
	int64_t answered_ns;      /* last time anything was */
	uint64_t random;
} load;

static void go(struct conn *c);

/* Time to the next request, exponentially distributed. */
static int64_t
gap_ns(void)
{
	double share;

	load.random ^= load.random << 13;
	load.random ^= load.random >> 7;
	load.random ^= load.random << 17;
	share = ((double)(load.random >> 11) + 1) / (double)(UINT64_C(1) << 53);
	return (int64_t)(-log(share) * 1e9 / load.options->rate);
}

static void
open_conn(struct conn *c)
{
	c->fd = load_socket(load.options);
	c->state = CONNECTING;
	load_watch(load.epoll, c->fd, EPOLLIN | EPOLLOUT | EPOLLET, c);
}

/* ---- What is sent and expected */

/* The first bytes tell the message from others, as far as they go. */
static void
stamp(const struct conn *c)
{
	uint64_t mark = (uint64_t)c->number << 40 ^ c->turn;
	size_t n = load.options->size < sizeof(mark) ? load.options->size : sizeof(mark);

	memcpy(load.message, &mark, n);
}

static void
send_on(struct conn *c)
{
	bool get = load.options->what == LOAD_GET;
	size_t all = get ? load.request_bytes : load.options->size;

	if (!get)
		stamp(c);
	while (c->sent < all) {
		const char *from = get ? load.request : load.message;
		ssize_t n = send(c->fd, from + c->sent, all - c->sent, MSG_NOSIGNAL);

		if (n < 0 && errno == EAGAIN)
			return;
		if (n <= 0)
			load_fail("send");
		c->sent += (size_t)n;
	}
}

/* Reads what is known of an HTTP answer so far; its head must be what we expect. */
static void
take_head(struct conn *c, const char *from, size_t n)
{
	size_t room = sizeof(c->text) - 1 - c->got, take = n < room ? n : room;
	const char *end, *length;

	memcpy(c->text + c->got, from, take);
	c->text[c->got + take] = '\0';
	end = strstr(c->text, "\r\n\r\n");
	if (end == NULL) {
		if (take < n)
			load_wrong("an answer without an end of its head");
		return;
	}
	length = strcasestr(c->text, "\r\ncontent-length:");
	if (strncmp(c->text, "HTTP/1.1 200 ", 13) != 0 || length == NULL || length > end ||
	    strtoull(length + 17, NULL, 10) != load.options->size) {
		fprintf(stderr, "%s\n", c->text);
		load_wrong("not the answer to the request");
	}
	c->head = (size_t)(end + 4 - c->text);
}

static bool
is_whole(const struct conn *c)
{
	if (load.options->what == LOAD_GET)
		return c->head != 0 && c->got == c->head + load.options->size;
	return c->got == load.options->size;
}

static void
take(struct conn *c, const char *from, size_t n)
{
	size_t end = c->got + n;

	if (c->state != ASKED)
		load_wrong("bytes that nobody asked for");
	if (load.options->what == LOAD_GET) {
		if (c->head == 0)
			take_head(c, from, n);
		if (c->head != 0 && end > c->head + load.options->size)
			load_wrong("more bytes than the object has");
	} else {
		stamp(c);
		if (end > load.options->size || memcmp(from, load.message + c->got, n) != 0)
			load_wrong("an echo with other bytes");
	}
	c->got = end;
}

/* ---- A request's life */

static void
ask(struct conn *c, int64_t due_ns)
{
	c->due_ns = due_ns;
	c->state = ASKED;
	c->sent = c->got = c->head = 0;
	c->turn++;
	send_on(c);
}

static void
answered(struct conn *c)
{
	int64_t now_ns = load_now_ns();

	load.answered_ns = now_ns;
	if (now_ns >= load.begin_ns && now_ns < load.end_ns) {
		load.result->operations++;
		load.result->bytes += load.options->size;
		load_hist_add(&load.result->latency, now_ns - c->due_ns);
	}
	if (load.options->closing)
		close(c->fd);
	c->state = IDLE;
	if (load.options->rate == 0) {
		c->due_ns = now_ns;
		go(c);
		return;
	}
	load.idle[(load.idle_first + load.idle_n++) % load.options->connections] = c;
}

/* The next request of an idle connection, which was due at `due_ns`. */
static void
go(struct conn *c)
{
	if (!load.options->closing)
		ask(c, c->due_ns);
	else
		open_conn(c);
}

static void
receive(struct conn *c)
{
	/* By get --close the server closes when it has sent all: nothing may come after it. */
	bool to_the_end = load.options->what == LOAD_GET && load.options->closing;

	while (c->state == ASKED) {
		ssize_t n = recv(c->fd, load.buffer, LOAD_BUFFER, 0);

		if (n < 0 && errno == EAGAIN)
			return;
		/* 5tswap of somebody who has just gone. */
		if (n < 0 && errno == ECONNREFUSED && load.options->what == LOAD_UDP)
			load_wrong("nobody returns datagrams");
		if (n < 0)
			load_fail("recv");
		if (n == 0 && !(to_the_end && is_whole(c)))
			load_wrong("the server closed the connection");
		take(c, load.buffer, (size_t)n);
		if (n == 0 || (!to_the_end && is_whole(c)))
			answered(c);
	}
}

static void
handle(struct conn *c, uint32_t events)
{
	if (c->state == CONNECTING && (events & (EPOLLOUT | EPOLLERR)) != 0) {
		int error = 0;
		socklen_t bytes = sizeof(error);

		if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &bytes) < 0 || error != 0) {
			errno = error;
			load_fail("connect");
		}
		ask(c, c->due_ns);
	} else if (c->state == ASKED && (events & EPOLLOUT) != 0) {
		send_on(c);
	}
	if ((events & (EPOLLIN | EPOLLERR | EPOLLHUP)) != 0 && c->state == ASKED)
		receive(c);
}

/* ---- All together */

/* Starts what has fallen due. */
static void
start_due(int64_t now_ns)
{
	while (load.next_due_ns <= now_ns && load.idle_n != 0) {
		struct conn *c = load.idle[load.idle_first];

		load.idle_first = (load.idle_first + 1) % load.options->connections;
		load.idle_n--;
		c->due_ns = load.next_due_ns;
		load.next_due_ns += gap_ns();
		go(c);
	}
}

/* Datagrams may be lost; then they are sent again. Nothing else may be late by seconds. */
static void
look_for_stuck(int64_t now_ns)
{
	if (load.options->what == LOAD_UDP) {
		for (unsigned int i = 0; i < load.options->connections; i++) {
			struct conn *c = &load.conns[i];

			if (c->state != ASKED ||
			    now_ns - c->due_ns < DATAGRAM_LOST_MS * LOAD_NS / 1000)
				continue;
			load.result->lost++;
			ask(c, now_ns);
		}
	}
	if (now_ns - load.answered_ns > STUCK_S * LOAD_NS)
		load_wrong("no answer for 5 seconds");
}

static void
prepare(const struct load_options *options, struct load_result *result)
{
	int64_t now_ns;

	load.options = options;
	load.result = result;
	load.epoll = load_epoll();
	load.conns = calloc(options->connections, sizeof(*load.conns));
	load.idle = calloc(options->connections, sizeof(*load.idle));
	load.message = malloc(options->size + sizeof(uint64_t));
	load.buffer = malloc(LOAD_BUFFER);
	if (load.conns == NULL || load.idle == NULL || load.message == NULL || load.buffer == NULL)
		load_fail("memory");
	for (size_t i = 0; i < options->size; i++)
		load.message[i] = (char)(i * 7 + i / 251);
	load.request_bytes = (size_t)snprintf(
		load.request, sizeof(load.request), "GET /bytes/%zu HTTP/1.1\r\nHost: %s\r\n%s\r\n",
		options->size, options->host, options->closing ? "Connection: close\r\n" : "");
	load.random = 88172645463325252ull;
	now_ns = load_now_ns();
	load.answered_ns = load.next_due_ns = now_ns;
	load.begin_ns = now_ns + (int64_t)(options->warm_up_s * 1e9);
	load.end_ns = load.begin_ns + (int64_t)(options->seconds * 1e9);
	for (unsigned int i = 0; i < options->connections; i++) {
		struct conn *c = &load.conns[i];

		c->number = i;
		c->due_ns = now_ns;
		if (options->rate == 0) {
			open_conn(c);
			continue;
		}
		/* Waits for its turn, connected unless each request connects. */
		if (!options->closing) {
			open_conn(c);
			while (epoll_wait(load.epoll, &(struct epoll_event){0}, 1, 5000) != 1)
				load_wrong("no connection in 5 seconds");
		}
		c->state = IDLE;
		load.idle[load.idle_n++] = c;
	}
}

void
load_requests(const struct load_options *options, struct load_result *result)
{
	static struct epoll_event events[EVENTS];
	int64_t now_ns, look_ns = 0;
	int wait_ms = options->spin || options->rate != 0 ? 0 : LOOK_MS;

	prepare(options, result);
	while ((now_ns = load_now_ns()) < load.end_ns) {
		int n;

		if (options->rate != 0)
			start_due(now_ns);
		n = epoll_wait(load.epoll, events, EVENTS, wait_ms);
		if (n < 0)
			load_fail("epoll_wait");
		for (int i = 0; i < n; i++)
			handle(events[i].data.ptr, events[i].events);
		if (now_ns >= look_ns) {
			look_ns = now_ns + LOOK_MS * LOAD_NS / 1000;
			look_for_stuck(now_ns);
		}
	}
	result->seconds = options->seconds;
	for (unsigned int i = 0; i < options->connections; i++)
		if (!options->closing || load.conns[i].state != IDLE)
			close(load.conns[i].fd);
}
