/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The server; see load.c. A connection that cannot send what it owes reads nothing meanwhile.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "load.h"

enum {
	EVENTS = 256,
	BACKLOG = 8192,
	TEXT_MAX = 1024, /* of an HTTP request, and of an answer's head */
	ECHO_MAX = 65536,
};

enum kind { ECHO, DISCARD, CHARGEN, HTTP, KINDS };

static const in_port_t ports[KINDS] = {
	LOAD_ECHO_PORT,
	LOAD_DISCARD_PORT,
	LOAD_CHARGEN_PORT,
	LOAD_HTTP_PORT,
};

/* A listener has no text. */
struct conn {
	int fd;
	enum kind kind;
	bool listens, closing, waits; /* waits: for room to send */
	size_t text_bytes, text_sent; /* owed first: an echo's rest, or a head */
	uint64_t body_left;           /* owed then */
	char *text;                   /* or the request as far as it is here */
};

static int epoll;
static char *buffer, *zeros;

static void
drop(struct conn *c)
{
	close(c->fd);
	free(c->text);
	free(c);
}

static void
wait_for_room(struct conn *c, bool waits)
{
	struct epoll_event event = {.events = waits ? EPOLLOUT : EPOLLIN, .data.ptr = c};

	if (c->waits == waits)
		return;
	c->waits = waits;
	if (epoll_ctl(epoll, EPOLL_CTL_MOD, c->fd, &event) < 0)
		load_fail("epoll_ctl");
}

/* Sends what is owed. Returns whether the connection is there still. */
static bool
pay(struct conn *c)
{
	while (c->text_sent < c->text_bytes || c->body_left != 0) {
		bool text = c->text_sent < c->text_bytes;
		size_t most = c->body_left < LOAD_BUFFER ? c->body_left : LOAD_BUFFER;
		ssize_t n;

		if (text)
			n = send(c->fd, c->text + c->text_sent, c->text_bytes - c->text_sent,
				 MSG_NOSIGNAL | (c->body_left != 0 ? MSG_MORE : 0));
		else
			n = send(c->fd, zeros, most, MSG_NOSIGNAL);
		if (n < 0 && errno == EAGAIN) {
			wait_for_room(c, true);
			return true;
		}
		if (n <= 0) {
			drop(c);
			return false;
		}
		if (text)
			c->text_sent += (size_t)n;
		else if (c->kind != CHARGEN)
			c->body_left -= (uint64_t)n;
	}
	c->text_bytes = c->text_sent = 0;
	if (c->closing) {
		drop(c);
		return false;
	}
	wait_for_room(c, false);
	return true;
}

static void
echo(struct conn *c, size_t n)
{
	ssize_t sent = send(c->fd, buffer, n, MSG_NOSIGNAL);

	if (sent == (ssize_t)n)
		return;
	if (sent < 0 && errno != EAGAIN) {
		drop(c);
		return;
	}
	if (sent < 0)
		sent = 0;
	c->text_bytes = n - (size_t)sent;
	memcpy(c->text, buffer + sent, c->text_bytes);
	pay(c);
}

/* One request at a time, as load's clients send them. */
static void
answer(struct conn *c, size_t n)
{
	unsigned long long bytes;

	if (c->text_bytes + n >= TEXT_MAX) {
		drop(c);
		return;
	}
	memcpy(c->text + c->text_bytes, buffer, n);
	c->text_bytes += n;
	c->text[c->text_bytes] = '\0';
	if (c->text_bytes < 4 || strcmp(c->text + c->text_bytes - 4, "\r\n\r\n") != 0)
		return;
	if (sscanf(c->text, "GET /bytes/%llu HTTP/1.1", &bytes) != 1) {
		drop(c);
		return;
	}
	c->closing = strstr(c->text, "\r\nConnection: close\r\n") != NULL;
	c->body_left = bytes;
	c->text_bytes =
		(size_t)snprintf(c->text, TEXT_MAX,
				 "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\n"
				 "Content-Length: %llu\r\n%s\r\n",
				 bytes, c->closing ? "Connection: close\r\n" : "");
	pay(c);
}

static void
receive(struct conn *c)
{
	ssize_t n = recv(c->fd, buffer, c->kind == DISCARD ? LOAD_BUFFER : ECHO_MAX, 0);

	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0)
		drop(c);
	else if (c->kind == ECHO)
		echo(c, (size_t)n);
	else if (c->kind == HTTP)
		answer(c, (size_t)n);
}

static void
accept_all(const struct conn *listener)
{
	for (;;) {
		int fd = accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		struct conn *c;

		if (fd < 0 && (errno == EAGAIN || errno == ECONNABORTED))
			return;
		if (fd < 0)
			load_fail("accept4");
		load_set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
		c = calloc(1, sizeof(*c));
		if (c == NULL)
			load_fail("memory");
		c->fd = fd;
		c->kind = listener->kind;
		if (c->kind == ECHO || c->kind == HTTP) {
			c->text = malloc(c->kind == ECHO ? ECHO_MAX : TEXT_MAX);
			if (c->text == NULL)
				load_fail("memory");
		}
		load_watch(epoll, fd, EPOLLIN, c);
		if (c->kind == CHARGEN) {
			c->body_left = UINT64_MAX;
			pay(c);
		}
	}
}

static void
listen_on(struct sockaddr_in at, enum kind kind)
{
	struct conn *c = calloc(1, sizeof(*c));

	if (c == NULL)
		load_fail("memory");
	at.sin_port = htons(ports[kind]);
	c->kind = kind;
	c->listens = true;
	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (c->fd < 0)
		load_fail("socket");
	load_set(c->fd, SOL_SOCKET, SO_REUSEADDR, 1);
	if (bind(c->fd, (const struct sockaddr *)&at, sizeof(at)) < 0 || listen(c->fd, BACKLOG) < 0)
		load_fail("listening");
	load_watch(epoll, c->fd, EPOLLIN, c);
}

void
load_serve(const char *address)
{
	struct sockaddr_in at = {.sin_family = AF_INET};
	struct epoll_event events[EVENTS];

	if (inet_pton(AF_INET, address, &at.sin_addr) != 1)
		load_wrong("serve: no such address");
	buffer = malloc(LOAD_BUFFER);
	zeros = calloc(1, LOAD_BUFFER);
	if (buffer == NULL || zeros == NULL)
		load_fail("memory");
	epoll = load_epoll();
	for (enum kind kind = 0; kind < KINDS; kind++)
		listen_on(at, kind);
	for (;;) {
		int n = epoll_wait(epoll, events, EVENTS, -1);

		for (int i = 0; i < n; i++) {
			struct conn *c = events[i].data.ptr;

			if (c->listens)
				accept_all(c);
			else if (c->waits)
				pay(c);
			else
				receive(c);
		}
	}
}
