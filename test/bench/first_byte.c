/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How long it takes from connect() to the answer's first byte, with connect() deferred by Fast Open
 * (TCP_FASTOPEN_CONNECT) and without, in turn:
 *
 *     first_byte ADDRESS PORT ROUNDS
 *
 * Each request is one of HTTP on a connection of its own. Prints for each "deferred US" or
 * "ordinary US"; or "disturbed US" if a deferred connection's request was not in the SYN that the
 * server acknowledged, or an ordinary one's was. One connection before the first fetches the
 * cookie.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
	OPT_SYN_DATA = 0x20,
	PATIENCE_S = 10,
};

static const char request[] = "GET / HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n";

static _Noreturn void
die(const char *what)
{
	fprintf(stderr, "first_byte: %s: %s\n", what, strerror(errno));
	exit(1);
}

static double
now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static bool
was_syn_data(int fd)
{
	struct tcp_info info = {0};
	socklen_t bytes = sizeof(info);

	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &bytes) < 0)
		die("TCP_INFO");
	return (info.tcpi_options & OPT_SYN_DATA) != 0;
}

/* Microseconds to the first byte; `*early` says whether the request was in the SYN. */
static double
ask(const struct sockaddr *to, socklen_t bytes, bool deferred, bool *early)
{
	int fd = socket(to->sa_family, SOCK_STREAM, 0), on = 1;
	struct timeval limit = {.tv_sec = PATIENCE_S};
	char answer[4096];
	double begin, us;

	if (fd < 0)
		die("socket");
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	if (deferred && setsockopt(fd, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, &on, sizeof(on)) < 0)
		die("TCP_FASTOPEN_CONNECT");
	begin = now_us();
	if (connect(fd, to, bytes) < 0)
		die("connect");
	if (send(fd, request, sizeof(request) - 1, 0) != (ssize_t)sizeof(request) - 1)
		die("send");
	if (recv(fd, answer, 1, 0) != 1)
		die("recv");
	us = now_us() - begin;
	*early = was_syn_data(fd);
	while (recv(fd, answer, sizeof(answer), 0) > 0)
		;
	close(fd);
	return us;
}

int
main(int argc, char **argv)
{
	struct sockaddr_in in = {.sin_family = AF_INET};
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};
	const struct sockaddr *to;
	socklen_t bytes;
	bool early;

	if (argc != 4) {
		fputs("usage: first_byte ADDRESS PORT ROUNDS\n", stderr);
		return 2;
	}
	in.sin_port = in6.sin6_port = htons((uint16_t)atoi(argv[2]));
	if (inet_pton(AF_INET, argv[1], &in.sin_addr) == 1) {
		to = (const struct sockaddr *)&in;
		bytes = sizeof(in);
	} else if (inet_pton(AF_INET6, argv[1], &in6.sin6_addr) == 1) {
		to = (const struct sockaddr *)&in6;
		bytes = sizeof(in6);
	} else {
		die("no address");
	}
	ask(to, bytes, true, &early);
	for (int i = 0; i < 2 * atoi(argv[3]); i++) {
		/* Who comes first alternates, too. */
		bool deferred = (i ^ i >> 1) % 2 == 0;
		double us = ask(to, bytes, deferred, &early);

		if (early != deferred)
			printf("disturbed %.1f\n", us);
		else
			printf("%s %.1f\n", deferred ? "deferred" : "ordinary", us);
	}
	return 0;
}
