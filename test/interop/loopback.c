/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A program on libtern that talks to others on the same ternd, for loopback.sh and lanes.sh. Ends
 * with status 0 if all was right, 1 with a line on stderr if not.
 *
 *     loopback serve PORT N BYTES       takes N connections, one after another, of BYTES each
 *     loopback send HOST PORT BYTES     sends them, and waits for the server's word
 *     loopback self HOST PORT           connects a socket to itself
 *     loopback refused HOST PORT        connects to where nobody listens: told at once
 *     loopback taken PORT               binds a port that another has
 *     loopback options PORT N           binds PORT and those behind it, with options that stay
 *     loopback range HOST PORT FIRST N  connects from port FIRST and those behind it, as options
 * say
 *
 * Hosts are IPv4, IPv6, or IPv4 in IPv6's form.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tern.h"

#ifndef IP_LOCAL_PORT_RANGE
#define IP_LOCAL_PORT_RANGE 51
#endif

enum {
	CHUNK = 65536,
	PERIOD = 251 * 256, /* bytes until the pattern begins anew: no power of 2 */
	AT_ONCE_MS = 500,
};

static uint8_t chunk[CHUNK];
static uint8_t pattern[CHUNK + PERIOD];

static _Noreturn __attribute__((format(printf, 1, 2))) void
fail(const char *format, ...)
{
	int error = errno;
	va_list args;

	va_start(args, format);
	fputs("loopback: ", stderr);
	vfprintf(stderr, format, args);
	fprintf(stderr, ": %s\n", strerror(error));
	va_end(args);
	exit(1);
}

static socklen_t
address(const char *host, const char *port, struct sockaddr_storage *out)
{
	struct sockaddr_in *in = (struct sockaddr_in *)out;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)out;

	memset(out, 0, sizeof(*out));
	if (inet_pton(AF_INET, host, &in->sin_addr) == 1) {
		in->sin_family = AF_INET;
		in->sin_port = htons((uint16_t)atoi(port));
		return sizeof(*in);
	}
	in6->sin6_family = AF_INET6;
	in6->sin6_port = htons((uint16_t)atoi(port));
	if (inet_pton(AF_INET6, host, &in6->sin6_addr) != 1)
		fail("%s is no address", host);
	return sizeof(*in6);
}

static int
open_socket(int family)
{
	int fd = tern_socket(family, SOCK_STREAM, 0);

	if (fd < 0)
		fail("socket");
	return fd;
}

static int
connect_to(const char *host, const char *port)
{
	struct sockaddr_storage to;
	socklen_t n = address(host, port, &to);
	int fd = open_socket(to.ss_family);

	if (tern_connect(fd, (struct sockaddr *)&to, n) < 0)
		fail("connect to %s, port %s", host, port);
	return fd;
}

/* What stands at an offset of the stream; `n` bytes, at most CHUNK, can be looked at from there. */
static const uint8_t *
bytes_at(size_t offset)
{
	if (pattern[1] == 0)
		for (size_t i = 0; i < sizeof(pattern); i++)
			pattern[i] = (uint8_t)(i % 251 + i / 251 % 256);
	return pattern + offset % PERIOD;
}

static void
serve_one(int fd, size_t bytes)
{
	size_t got = 0;
	ssize_t n;

	while ((n = tern_read(fd, chunk, sizeof(chunk))) > 0) {
		if (memcmp(chunk, bytes_at(got), (size_t)n) != 0)
			fail("wrong bytes from %zu on", got);
		got += (size_t)n;
	}
	if (n < 0 || got != bytes)
		fail("%zu bytes came of %zu", got, bytes);
	if (tern_write(fd, "k", 1) != 1 || tern_close(fd) < 0)
		fail("the server's word");
}

static void
serve(const char *port, unsigned int n, size_t bytes)
{
	struct sockaddr_storage any;
	socklen_t size = address("::", port, &any);
	int listener = open_socket(AF_INET6), on = 1;

	if (tern_setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
	    tern_bind(listener, (struct sockaddr *)&any, size) < 0 ||
	    tern_listen(listener, 128) < 0)
		fail("listening on port %s", port);
	puts("listening");
	fflush(stdout);
	for (unsigned int i = 0; i < n; i++) {
		int fd = tern_accept(listener, NULL, NULL);

		if (fd < 0)
			fail("accept");
		serve_one(fd, bytes);
	}
	if (tern_close(listener) < 0)
		fail("close");
}

static void
send_all(int fd, size_t bytes)
{
	ssize_t n;

	for (size_t at = 0; at < bytes; at += (size_t)n) {
		size_t some = bytes - at < CHUNK ? bytes - at : CHUNK;

		n = tern_write(fd, bytes_at(at), some);
		if (n <= 0)
			fail("write");
	}
}

static void
expect_word(int fd)
{
	char word[2];

	if (tern_shutdown(fd, SHUT_WR) < 0)
		fail("shutdown");
	if (tern_read(fd, word, sizeof(word)) != 1 || word[0] != 'k' ||
	    tern_read(fd, word, sizeof(word)) != 0)
		fail("no word from the server");
	if (tern_close(fd) < 0)
		fail("close");
}

/* Source and destination must be the same address, as Linux chooses it. */
static void
check_source(int fd, bool whole)
{
	struct sockaddr_storage here, there;
	socklen_t n = sizeof(here), m = sizeof(there);
	struct sockaddr_in *in = (struct sockaddr_in *)&here;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&here;

	memset(&here, 0, sizeof(here));
	memset(&there, 0, sizeof(there));
	if (tern_getsockname(fd, (struct sockaddr *)&here, &n) < 0 ||
	    tern_getpeername(fd, (struct sockaddr *)&there, &m) < 0)
		fail("names");
	if (!whole && here.ss_family == AF_INET)
		in->sin_port = ((struct sockaddr_in *)&there)->sin_port;
	else if (!whole)
		in6->sin6_port = ((struct sockaddr_in6 *)&there)->sin6_port;
	if (n != m || memcmp(&here, &there, n) != 0)
		fail("the source is not the destination");
}

static void
connect_to_self(const char *host, const char *port)
{
	struct sockaddr_storage at;
	socklen_t n = address(host, port, &at);
	int fd = open_socket(at.ss_family);
	size_t got = 0;

	if (tern_bind(fd, (struct sockaddr *)&at, n) < 0 ||
	    tern_connect(fd, (struct sockaddr *)&at, n) < 0)
		fail("a socket to itself");
	check_source(fd, true);
	send_all(fd, 10000);
	while (got < 10000) {
		ssize_t some = tern_read(fd, chunk, sizeof(chunk));

		if (some <= 0 || memcmp(chunk, bytes_at(got), (size_t)some) != 0)
			fail("bytes to itself");
		got += (size_t)some;
	}
	if (tern_shutdown(fd, SHUT_WR) < 0 || tern_read(fd, chunk, 1) != 0 || tern_close(fd) < 0)
		fail("the end of a socket to itself");
}

static double
now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static void
expect_refusal(const char *host, const char *port)
{
	struct sockaddr_storage to;
	socklen_t n = address(host, port, &to);
	int fd = open_socket(to.ss_family);
	double start = now_ms();

	if (tern_connect(fd, (struct sockaddr *)&to, n) == 0 || errno != ECONNREFUSED)
		fail("connect to a closed port");
	if (now_ms() - start > AT_ONCE_MS)
		fail("the refusal took %g ms", now_ms() - start);
}

static void
expect_taken(const char *port)
{
	struct sockaddr_storage any;
	socklen_t n = address("::", port, &any);

	if (tern_bind(open_socket(AF_INET6), (struct sockaddr *)&any, n) == 0 ||
	    errno != EADDRINUSE)
		fail("bind to port %s", port);
}

static const struct {
	int level, name, value;
} options[] = {
	{SOL_SOCKET, SO_KEEPALIVE, 1},          {SOL_SOCKET, SO_REUSEADDR, 1},
	{IPPROTO_TCP, TCP_NODELAY, 1},          {IPPROTO_TCP, TCP_KEEPIDLE, 77},
	{IPPROTO_TCP, TCP_USER_TIMEOUT, 12345}, {IPPROTO_TCP, TCP_KEEPCNT, 5},
};
enum { N_OPTIONS = sizeof(options) / sizeof(options[0]) };

/* A socket with options, which it must have as long as it lives. */
static int
open_with_options(int family)
{
	int fd = open_socket(family);

	for (int i = 0; i < N_OPTIONS; i++)
		if (tern_setsockopt(fd, options[i].level, options[i].name, &options[i].value,
				    sizeof(int)) < 0)
			fail("option %d", i);
	return fd;
}

static void
check_options(int fd, const struct sockaddr_storage *want)
{
	struct sockaddr_in6 here = {0};
	socklen_t n = sizeof(here);

	for (int i = 0; i < N_OPTIONS; i++) {
		socklen_t bytes = sizeof(int);
		int value = -1;

		if (tern_getsockopt(fd, options[i].level, options[i].name, &value, &bytes) < 0 ||
		    value != options[i].value)
			fail("option %d is %d", i, value);
	}
	if (tern_getsockname(fd, (struct sockaddr *)&here, &n) < 0 ||
	    here.sin6_port != ((const struct sockaddr_in6 *)want)->sin6_port)
		fail("port %d", ntohs(here.sin6_port));
}

static void
bind_with_options(unsigned int first, unsigned int n)
{
	struct sockaddr_storage any;
	char port[16];
	int fds[16];

	for (unsigned int i = 0; i < n && i < 16; i++) {
		snprintf(port, sizeof(port), "%u", first + i);
		address("::", port, &any);
		fds[i] = open_with_options(AF_INET6);
		if (tern_bind(fds[i], (struct sockaddr *)&any, sizeof(struct sockaddr_in6)) < 0)
			fail("bind to port %s", port);
		check_options(fds[i], &any);
		if (tern_listen(fds[i], 1) < 0)
			fail("listen");
		if (tern_bind(fds[i], (struct sockaddr *)&any, sizeof(struct sockaddr_in6)) == 0 ||
		    errno != EINVAL)
			fail("bind once more");
		expect_taken(port);
	}
	for (unsigned int i = 0; i < n && i < 16; i++)
		if (tern_close(fds[i]) < 0)
			fail("close");
}

static void
connect_from(const char *host, const char *port, unsigned int first, unsigned int n)
{
	struct sockaddr_storage to, from;
	socklen_t bytes = address(host, port, &to);

	for (unsigned int i = first; i < first + n; i++) {
		uint32_t range = i << 16 | i;
		int fd = open_with_options(to.ss_family);

		((struct sockaddr_in *)&from)->sin_port = htons((uint16_t)i);
		if (tern_setsockopt(fd, IPPROTO_IP, IP_LOCAL_PORT_RANGE, &range, sizeof(range)) < 0)
			fail("a range of one port");
		if (tern_connect(fd, (struct sockaddr *)&to, bytes) < 0)
			fail("connect from port %u", i);
		check_options(fd, &from);
		if (tern_write(fd, "word", 4) != 4 || tern_read(fd, chunk, sizeof(chunk)) != 4)
			fail("an echo to port %u", i);
		/* Nobody else gets there from it. */
		int other = open_socket(to.ss_family);

		if (tern_setsockopt(other, IPPROTO_IP, IP_LOCAL_PORT_RANGE, &range, sizeof(range)) <
			    0 ||
		    tern_connect(other, (struct sockaddr *)&to, bytes) == 0 ||
		    errno != EADDRNOTAVAIL)
			fail("connect from port %u once more", i);
		if (tern_close(fd) < 0 || tern_close(other) < 0)
			fail("close");
	}
}

int
main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";

	if (argc == 5 && strcmp(what, "serve") == 0) {
		serve(argv[2], (unsigned int)atoi(argv[3]), strtoul(argv[4], NULL, 10));
	} else if (argc == 5 && strcmp(what, "send") == 0) {
		int fd = connect_to(argv[2], argv[3]);

		check_source(fd, false);
		send_all(fd, strtoul(argv[4], NULL, 10));
		expect_word(fd);
	} else if (argc == 4 && strcmp(what, "self") == 0) {
		connect_to_self(argv[2], argv[3]);
	} else if (argc == 4 && strcmp(what, "refused") == 0) {
		expect_refusal(argv[2], argv[3]);
	} else if (argc == 3 && strcmp(what, "taken") == 0) {
		expect_taken(argv[2]);
	} else if (argc == 4 && strcmp(what, "options") == 0) {
		bind_with_options((unsigned int)atoi(argv[2]), (unsigned int)atoi(argv[3]));
	} else if (argc == 6 && strcmp(what, "range") == 0) {
		connect_from(argv[2], argv[3], (unsigned int)atoi(argv[4]),
			     (unsigned int)atoi(argv[5]));
	} else {
		fprintf(stderr, "usage: see the head of loopback.c\n");
		return 2;
	}
	return 0;
}
