/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A client for the interop tests, on the kernel's sockets: does one thing with a Tern service and
 * checks every byte that comes back. Ends with status 0 if all was right, 1 with a line on stderr
 * if not. It gives up when nothing moves for 30 seconds.
 *
 * What it expects of a service is written down here a second time, independently of dataplane/.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netdb.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
	STALL_MS = 30000,
	CHUNK = 256 * 1024,
	MAX_TOGETHER = 60000,
	MAX_HEAD = 4096,
};

static uint8_t chunk[CHUNK];

static _Noreturn __attribute__((format(printf, 1, 2))) void
fail(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fputs("client: ", stderr);
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
	va_end(args);
	exit(1);
}

static double
now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* When bytes moved last, 0: not yet; and the longest time in which none did. */
static double moved_s, longest_gap_s;

static void
moved(void)
{
	double now = now_s();

	if (moved_s > 0 && now - moved_s > longest_gap_s)
		longest_gap_s = now - moved_s;
	moved_s = now;
}

static void
report(const char *what, uint64_t bytes, double start)
{
	double took = now_s() - start;

	printf("%s %" PRIu64 " bytes in %.2f s, %.2f Gbit/s, longest gap %.0f ms\n", what, bytes,
	       took, (double)bytes * 8e-9 / (took > 0 ? took : 1e-9), longest_gap_s * 1e3);
}

/* ---- Sockets */

static struct addrinfo *peer;

static void
resolve(const char *host, const char *port)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
				 .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV};
	int error = getaddrinfo(host, port, &hints, &peer);

	if (error != 0)
		fail("%s port %s: %s", host, port, gai_strerror(error));
}

static int
open_connection(void)
{
	struct timeval limit = {.tv_sec = STALL_MS / 1000};
	int fd = socket(peer->ai_family, SOCK_STREAM, 0);

	if (fd < 0)
		fail("socket: %s", strerror(errno));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	if (connect(fd, peer->ai_addr, peer->ai_addrlen) != 0)
		fail("connect: %s", strerror(errno));
	return fd;
}

static void
send_all(int fd, const void *data, size_t bytes)
{
	const uint8_t *p = data;

	while (bytes > 0) {
		ssize_t n = send(fd, p, bytes, MSG_NOSIGNAL);

		if (n < 0)
			fail("send: %s", strerror(errno));
		moved();
		p += n;
		bytes -= (size_t)n;
	}
}

/* Returns 0 at the end of the stream. */
static size_t
receive(int fd, void *data, size_t bytes)
{
	ssize_t n = recv(fd, data, bytes, 0);

	if (n < 0)
		fail("recv: %s", strerror(errno));
	moved();
	return (size_t)n;
}

/* ---- HTTP */

struct response {
	char head[MAX_HEAD];
	size_t head_len;  /* bytes of the head, its empty line included */
	size_t body_read; /* bytes of the body that came along with it, in `chunk` */
	uint64_t content_length;
};

/* Reads a response's head; what was read of its body behind it is left at the start of `chunk`. */
static void
receive_head(int fd, struct response *r)
{
	size_t have = 0;
	char *end = NULL, *length;

	while (end == NULL) {
		size_t n = receive(fd, r->head + have, sizeof(r->head) - 1 - have);

		have += n;
		r->head[have] = '\0';
		end = strstr(r->head, "\r\n\r\n");
		if (end == NULL && (n == 0 || have == sizeof(r->head) - 1))
			fail("the response has no head: %.100s", r->head);
	}
	r->head_len = (size_t)(end - r->head) + 4;
	r->body_read = have - r->head_len;
	memcpy(chunk, r->head + r->head_len, r->body_read);
	r->head[r->head_len] = '\0';
	if (strncmp(r->head, "HTTP/1.1 200 ", 13) != 0)
		fail("answered: %.*s", (int)strcspn(r->head, "\r"), r->head);
	length = strcasestr(r->head, "\r\nContent-Length:");
	if (length == NULL)
		fail("the response has no Content-Length");
	r->content_length = strtoull(length + strlen("\r\nContent-Length:"), NULL, 10);
}

/* FNV-1a, to tell bodies apart. */
static uint64_t
hash_bytes(uint64_t hash, const uint8_t *data, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++)
		hash = (hash ^ data[i]) * 0x100000001b3;
	return hash;
}

/* Reads a whole response that ends with the connection; returns the hash of its body. */
static uint64_t
receive_closing(int fd)
{
	struct response r;
	uint64_t hash, got;
	size_t n;

	receive_head(fd, &r);
	hash = hash_bytes(0xcbf29ce484222325, chunk, r.body_read);
	got = r.body_read;
	while ((n = receive(fd, chunk, sizeof(chunk))) > 0) {
		hash = hash_bytes(hash, chunk, n);
		got += n;
	}
	if (got != r.content_length)
		fail("the body has %" PRIu64 " bytes, Content-Length says %" PRIu64, got,
		     r.content_length);
	return hash;
}

static const char closing_request[] =
	"GET / HTTP/1.1\r\nHost: interop\r\nConnection: close\r\n\r\n";

/* COUNT connections, one after the other. */
static void
sequential(uint64_t count)
{
	uint64_t first = 0;
	double start = now_s();

	for (uint64_t i = 0; i < count; i++) {
		int fd = open_connection();
		uint64_t hash;

		send_all(fd, closing_request, strlen(closing_request));
		hash = receive_closing(fd);
		if (i == 0)
			first = hash;
		else if (hash != first)
			fail("connection %" PRIu64 " got another page than the first", i);
		close(fd);
	}
	printf("%" PRIu64 " connections, %.0f a second\n", count,
	       (double)count / (now_s() - start));
}

/* COUNT connections open at once; each is used only when all are open. */
static void
together(uint64_t count)
{
	static int fds[MAX_TOGETHER];
	struct rlimit limit = {count + 64, count + 64};
	uint64_t first = 0;

	if (count == 0 || count > MAX_TOGETHER)
		fail("between 1 and %d connections", MAX_TOGETHER);
	if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
		fail("setrlimit: %s", strerror(errno));
	for (uint64_t i = 0; i < count; i++)
		fds[i] = open_connection();
	printf("%" PRIu64 " connections are open\n", count);
	fflush(stdout);
	for (uint64_t i = 0; i < count; i++)
		send_all(fds[i], closing_request, strlen(closing_request));
	for (uint64_t i = 0; i < count; i++) {
		uint64_t hash = receive_closing(fds[i]);

		if (i == 0)
			first = hash;
		else if (hash != first)
			fail("connection %" PRIu64 " got another page than the first", i);
	}
	for (uint64_t i = 0; i < count; i++)
		close(fds[i]);
}

/* ---- Streams of bytes */

/* The body of /bytes/N repeats after this many bytes, a prime. */
enum { PATTERN_PERIOD = 65521 };

static uint8_t pattern[PATTERN_PERIOD];

static void
pattern_fill(void)
{
	for (uint64_t i = 0; i < PATTERN_PERIOD; i++)
		pattern[i] = (uint8_t)(i ^ i >> 8);
}

/* Checks that `data` is what a body has from byte `at` on. */
static void
check_pattern(uint64_t at, const uint8_t *data, size_t bytes)
{
	while (bytes > 0) {
		size_t offset = (size_t)(at % PATTERN_PERIOD), n = PATTERN_PERIOD - offset;

		if (n > bytes)
			n = bytes;
		for (size_t i = 0; memcmp(data, pattern + offset, n) != 0 && i < n; i++)
			if (data[i] != pattern[offset + i])
				fail("byte %" PRIu64 " of the body is %u instead of %u", at + i,
				     data[i], pattern[offset + i]);
		data += n;
		at += n;
		bytes -= n;
	}
}

static void
write_pattern(uint64_t bytes)
{
	while (bytes > 0) {
		size_t n = bytes < PATTERN_PERIOD ? (size_t)bytes : PATTERN_PERIOD;

		if (fwrite(pattern, 1, n, stdout) != n)
			fail("cannot write");
		bytes -= n;
	}
}

/* GET /bytes/N, each byte checked. */
static void
download(uint64_t bytes)
{
	double start = now_s();
	int fd = open_connection();
	struct response r;
	char request[128];
	uint64_t at;
	size_t n;

	snprintf(request, sizeof(request),
		 "GET /bytes/%" PRIu64 " HTTP/1.1\r\nHost: interop\r\nConnection: close\r\n\r\n",
		 bytes);
	send_all(fd, request, strlen(request));
	receive_head(fd, &r);
	if (r.content_length != bytes)
		fail("Content-Length is %" PRIu64, r.content_length);
	check_pattern(0, chunk, r.body_read);
	at = r.body_read;
	while ((n = receive(fd, chunk, sizeof(chunk))) > 0) {
		check_pattern(at, chunk, n);
		at += n;
	}
	if (at != bytes)
		fail("the body has %" PRIu64 " bytes instead of %" PRIu64, at, bytes);
	close(fd);
	report("downloaded", bytes, start);
}

/* What echo gets: a pseudo-random stream that never repeats within a test. */
struct stream {
	uint64_t state;
	uint8_t word[8];
	unsigned int used; /* bytes of `word`, 0...8 */
};

static void
stream_next(struct stream *s, uint8_t *data, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++) {
		if (s->used == 8 || s->state == 0) {
			uint64_t z = s->state += 0x9e3779b97f4a7c15;

			z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
			z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
			z ^= z >> 31;
			memcpy(s->word, &z, sizeof(z));
			s->used = 0;
		}
		data[i] = s->word[s->used++];
	}
}

/* Sends BYTES to discard, ends the sending side and waits for the other side's end. */
static void
upload(uint64_t bytes)
{
	double start = now_s();
	int fd = open_connection();

	for (size_t i = 0; i < sizeof(chunk); i++)
		chunk[i] = (uint8_t)i;
	for (uint64_t left = bytes; left > 0;) {
		size_t n = left < sizeof(chunk) ? (size_t)left : sizeof(chunk);

		send_all(fd, chunk, n);
		left -= n;
	}
	shutdown(fd, SHUT_WR);
	if (receive(fd, chunk, sizeof(chunk)) != 0)
		fail("discard answered something");
	close(fd);
	report("uploaded", bytes, start);
}

/* Sends BYTES to echo while reading what comes back, and compares. */
static void
echo(uint64_t bytes)
{
	static uint8_t out[64 * 1024], want[CHUNK];
	struct stream sent = {0}, back = {0};
	uint64_t left = bytes, got = 0;
	size_t out_at = 0, out_len = 0;
	double start = now_s();
	int fd = open_connection();
	bool ended = false;

	fcntl(fd, F_SETFL, O_NONBLOCK);
	while (!ended) {
		struct pollfd p = {fd, POLLIN, 0};
		ssize_t n;

		if (out_at == out_len && left > 0) {
			out_len = left < sizeof(out) ? (size_t)left : sizeof(out);
			out_at = 0;
			left -= out_len;
			stream_next(&sent, out, out_len);
		}
		if (out_at < out_len)
			p.events |= POLLOUT;
		if (poll(&p, 1, STALL_MS) <= 0)
			fail("echo stalled after %" PRIu64 " bytes back", got);
		if ((p.revents & POLLOUT) != 0) {
			n = send(fd, out + out_at, out_len - out_at, MSG_NOSIGNAL);
			if (n < 0 && errno != EAGAIN)
				fail("send: %s", strerror(errno));
			out_at += n > 0 ? (size_t)n : 0;
			if (out_at == out_len && left == 0)
				shutdown(fd, SHUT_WR);
		}
		if ((p.revents & ~POLLOUT) != 0) {
			n = recv(fd, chunk, sizeof(chunk), 0);
			if (n < 0 && errno != EAGAIN)
				fail("recv: %s", strerror(errno));
			ended = n == 0;
			if (n <= 0)
				continue;
			stream_next(&back, want, (size_t)n);
			if (memcmp(chunk, want, (size_t)n) != 0)
				fail("wrong bytes came back after %" PRIu64, got);
			got += (uint64_t)n;
			moved();
		}
	}
	if (got != bytes)
		fail("%" PRIu64 " bytes came back of %" PRIu64, got, bytes);
	close(fd);
	report("echoed", bytes, start);
}

/* Reads BYTES from chargen and compares with RFC 864's lines of 72 characters. */
static void
chargen(uint64_t bytes)
{
	double start = now_s();
	int fd = open_connection();
	uint64_t at = 0;

	while (at < bytes) {
		size_t n = receive(fd, chunk, sizeof(chunk));

		if (n == 0)
			fail("chargen ended after %" PRIu64 " bytes", at);
		for (size_t i = 0; i < n; i++, at++) {
			uint64_t line = at / 74, column = at % 74;
			int want = column == 72   ? '\r'
				   : column == 73 ? '\n'
						  : (int)(' ' + (line + column) % 95);

			if (chunk[i] != want)
				fail("byte %" PRIu64 " is %u instead of %d", at, chunk[i], want);
		}
	}
	close(fd);
	report("chargen", at, start);
}

/* Connects, sends half a request, and waits at most SECONDS for the other side to end it. */
static void
idle(uint64_t seconds)
{
	static const char half[] = "GET / HTTP/1.1\r\nHost: ";
	double start;
	int fd = open_connection();
	struct pollfd p = {fd, POLLIN, 0};
	ssize_t n;

	send_all(fd, half, strlen(half));
	start = now_s();
	do {
		if (poll(&p, 1, (int)seconds * 1000) <= 0)
			fail("still connected after %" PRIu64 " seconds", seconds);
		n = recv(fd, chunk, sizeof(chunk), 0);
	} while (n > 0);
	printf("ended by %s after %.1f s\n", n == 0 ? "FIN" : "RST", now_s() - start);
}

/* Asks for an endless download, reads a little, and then sits there until it is killed. */
static void
stuck(uint64_t bytes)
{
	int fd = open_connection();
	char request[128];

	snprintf(request, sizeof(request), "GET /bytes/%" PRIu64 " HTTP/1.1\r\nHost: x\r\n\r\n",
		 bytes);
	send_all(fd, request, strlen(request));
	receive(fd, chunk, 1000);
	puts("connected");
	fflush(stdout);
	for (;;)
		pause();
}

static const struct {
	const char *name;
	void (*run)(uint64_t n);
} commands[] = {
	{"sequential", sequential},
	{"together", together},
	{"download", download},
	{"upload", upload},
	{"echo", echo},
	{"chargen", chargen},
	{"idle", idle},
	{"stuck", stuck},
};

int
main(int argc, char **argv)
{
	pattern_fill();
	if (argc == 3 && strcmp(argv[1], "pattern") == 0) {
		write_pattern(strtoull(argv[2], NULL, 10));
		return 0;
	}
	if (argc == 5) {
		resolve(argv[2], argv[3]);
		for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
			if (strcmp(argv[1], commands[i].name) != 0)
				continue;
			commands[i].run(strtoull(argv[4], NULL, 10));
			freeaddrinfo(peer);
			return 0;
		}
	}
	fputs("usage: client COMMAND HOST PORT NUMBER, or client pattern BYTES\n", stderr);
	return 2;
}
