/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A program with AF_SMC sockets, or the same with TCP's: one that echoes, and one that has bytes
 * echoed. It knows nothing of Tern; it is also the one in the Linux guest, linked statically.
 *
 *     smc_peer smc|tcp server 4|6 PORT              echoes, each connection in a child, for ever
 *     smc_peer smc|tcp client ADDRESS PORT BYTES    prints one line of what it found:
 *         domain 43|2|10, from ADDRESS, family 4|6, echoed BYTES
 *
 * The client's socket does not block, so that connect() and poll() are seen, too; it fails if the
 * socket is writable, or connect() over, without an answer to both. Exit status 1: an error, told.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef AF_SMC
#define AF_SMC 43
#endif

enum { CHUNK = 16384, WAIT_MS = 20000 };

union address {
	struct sockaddr any;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
};

static void __attribute__((noreturn)) fail(const char *what)
{
	fprintf(stderr, "smc_peer: %s: %s\n", what, strerror(errno));
	exit(1);
}

static int
open_socket(bool smc, bool six)
{
	int fd = smc ? socket(AF_SMC, SOCK_STREAM, six)
		     : socket(six ? AF_INET6 : AF_INET, SOCK_STREAM, 0);

	if (fd < 0)
		fail("socket");
	return fd;
}

static socklen_t
make_address(union address *a, bool six, const char *text, const char *port)
{
	memset(a, 0, sizeof(*a));
	a->any.sa_family = six ? AF_INET6 : AF_INET;
	if (six)
		a->in6.sin6_port = htons((uint16_t)atoi(port));
	else
		a->in.sin_port = htons((uint16_t)atoi(port));
	if (text != NULL && inet_pton(a->any.sa_family, text,
				      six ? (void *)&a->in6.sin6_addr : &a->in.sin_addr) != 1)
		fail(text);
	return six ? sizeof(a->in6) : sizeof(a->in);
}

static void
echo(int fd)
{
	static char buffer[CHUNK];
	ssize_t n, done, sent;

	while ((n = read(fd, buffer, sizeof(buffer))) > 0)
		for (done = 0; done < n; done += sent)
			if ((sent = write(fd, buffer + done, (size_t)(n - done))) < 0)
				fail("write");
	if (n < 0)
		fail("read");
}

static int
serve(bool smc, bool six, const char *port)
{
	int listener = open_socket(smc, six), fd, on = 1;
	union address a;
	socklen_t n = make_address(&a, six, NULL, port);

	signal(SIGCHLD, SIG_IGN);
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(listener, &a.any, n) < 0)
		fail("bind");
	if (listen(listener, 16) < 0)
		fail("listen");
	printf("listening\n");
	fflush(stdout);
	while ((fd = accept(listener, NULL, NULL)) >= 0) {
		if (fork() == 0) {
			close(listener);
			echo(fd);
			exit(0);
		}
		close(fd);
	}
	fail("accept");
}

static short
wait_for(int fd, short events)
{
	struct pollfd p = {.fd = fd, .events = events};
	int n = poll(&p, 1, WAIT_MS);

	if (n <= 0) {
		errno = n == 0 ? ETIMEDOUT : errno;
		fail("poll");
	}
	return p.revents;
}

static void
connect_slowly(int fd, const union address *a, socklen_t n)
{
	int error;
	socklen_t bytes = sizeof(error);

	if (fcntl(fd, F_SETFL, O_NONBLOCK) < 0)
		fail("fcntl");
	if (connect(fd, &a->any, n) == 0)
		return;
	if (errno != EINPROGRESS)
		fail("connect");
	wait_for(fd, POLLOUT);
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &bytes) < 0)
		fail("SO_ERROR");
	errno = error;
	if (error != 0)
		fail("connect");
}

static char
byte_at(size_t offset)
{
	return (char)(offset * 31 + (offset >> 8));
}

/* Writes and reads at once, as much as goes. */
static void
exchange(int fd, size_t total)
{
	static char out[CHUNK], in[CHUNK];
	size_t sent = 0, got = 0;
	ssize_t n;

	while (got < total) {
		short ready = wait_for(fd, sent < total ? POLLIN | POLLOUT : POLLIN);

		if ((ready & POLLOUT) && sent < total) {
			size_t most = total - sent < sizeof(out) ? total - sent : sizeof(out);

			for (size_t i = 0; i < most; i++)
				out[i] = byte_at(sent + i);
			n = write(fd, out, most);
			if (n < 0 && errno != EAGAIN)
				fail("write");
			sent += n > 0 ? (size_t)n : 0;
		}
		n = read(fd, in, sizeof(in));
		if (n == 0) {
			errno = EPIPE;
			fail("the end came early");
		}
		if (n < 0 && errno != EAGAIN)
			fail("read");
		for (ssize_t i = 0; i < n; i++, got++)
			if (in[i] != byte_at(got)) {
				errno = EBADMSG;
				fail("another byte came back");
			}
	}
}

static int
ask(bool smc, const char *address, const char *port, size_t bytes)
{
	bool six = strchr(address, ':') != NULL;
	int fd = open_socket(smc, six), domain = 0;
	char text[INET6_ADDRSTRLEN];
	union address a;
	socklen_t n = make_address(&a, six, address, port), length = sizeof(domain);

	connect_slowly(fd, &a, n);
	exchange(fd, bytes);
	n = sizeof(a);
	if (getsockname(fd, &a.any, &n) < 0)
		fail("getsockname");
	if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &length) < 0)
		fail("SO_DOMAIN");
	inet_ntop(a.any.sa_family,
		  a.any.sa_family == AF_INET6 ? (void *)&a.in6.sin6_addr : &a.in.sin_addr, text,
		  sizeof(text));
	printf("domain %d, from %s, family %d, echoed %zu\n", domain, text,
	       a.any.sa_family == AF_INET6 ? 6 : 4, bytes);
	return 0;
}

int
main(int argc, char **argv)
{
	bool smc = argc > 1 && strcmp(argv[1], "smc") == 0;

	if (argc == 5 && strcmp(argv[2], "server") == 0)
		return serve(smc, strcmp(argv[3], "6") == 0, argv[4]);
	if (argc == 6 && strcmp(argv[2], "client") == 0)
		return ask(smc, argv[3], argv[4], strtoul(argv[5], NULL, 10));
	fprintf(stderr, "usage: see the head of smc_peer.c\n");
	return 2;
}
