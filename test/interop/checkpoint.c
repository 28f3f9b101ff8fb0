/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * For checkpoint.sh: a connection that goes through the lives of several programs.
 *
 *     checkpoint peer HOST PORT UP DOWN       on Linux: takes a connection, reads UP bytes, writes
 *                                             DOWN bytes, both at once, and checks them
 *     checkpoint first HOST PORT UP DOWN AT FILE   on Tern: connects, and writes and reads until AT
 *                                             bytes are through; then leaves, for FILE
 *     checkpoint next AT FILE                 takes it up from FILE, and likewise
 *
 * Where the bytes of a direction are through it is shut down. AT beyond all: to the end. FILE has
 * the image, FILE.at how far the program is. Who leaves exits at once, by a signal that nobody
 * handles.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tern.h"

enum {
	PIECE = 65536,
	IMAGE_MAX = 16 << 20,
};

/* The calls of the one side or the other. */
static struct {
	ssize_t (*recv)(int fd, void *to, size_t bytes, int flags);
	ssize_t (*send)(int fd, const void *from, size_t bytes, int flags);
	int (*shutdown)(int fd, int how);
	int (*poll)(struct pollfd *fds, nfds_t n, int timeout_ms);
} calls;

__attribute__((noreturn)) static void
die(const char *what)
{
	fprintf(stderr, "%s: %s; %s\n", what, strerror(errno), tern_checkpoint_error());
	exit(1);
}

static uint8_t
byte_at(uint64_t at, bool up)
{
	return (uint8_t)(at * 31 + at / 251 + up * 77);
}

struct way {
	uint64_t done, all;
	bool up, over;
};

/* Returns false where nothing goes just now. */
static bool
give(int fd, struct way *way)
{
	static uint8_t bytes[PIECE];
	size_t n = way->all - way->done < PIECE ? way->all - way->done : PIECE;
	ssize_t sent;

	for (size_t i = 0; i < n; i++)
		bytes[i] = byte_at(way->done + i, way->up);
	sent = n == 0 ? 0 : calls.send(fd, bytes, n, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (sent < 0 && errno == EAGAIN)
		return false;
	if (sent < 0)
		die("send");
	way->done += (uint64_t)sent;
	if (way->done == way->all) {
		way->over = true;
		if (calls.shutdown(fd, SHUT_WR) < 0)
			die("shutdown");
	}
	return true;
}

static bool
take(int fd, struct way *way)
{
	static uint8_t bytes[PIECE];
	ssize_t n = calls.recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT);

	if (n < 0 && errno == EAGAIN)
		return false;
	if (n < 0)
		die("recv");
	for (ssize_t i = 0; i < n; i++)
		if (bytes[i] != byte_at(way->done + (uint64_t)i, way->up)) {
			fprintf(stderr, "byte %llu is another one\n",
				(unsigned long long)way->done + (unsigned long long)i);
			exit(1);
		}
	way->done += (uint64_t)n;
	if (n == 0 && way->done != way->all) {
		fprintf(stderr, "%llu of %llu bytes came\n", (unsigned long long)way->done,
			(unsigned long long)way->all);
		exit(1);
	}
	way->over = n == 0;
	return true;
}

/* Both ways at once, until so many bytes are through, or all. */
static void
transfer(int fd, struct way *out, struct way *in, uint64_t at)
{
	while (out->done + in->done < at && !(out->over && in->over)) {
		struct pollfd wait = {.fd = fd};
		bool moved = false;

		if (!out->over)
			moved |= give(fd, out);
		if (!in->over)
			moved |= take(fd, in);
		if (moved)
			continue;
		wait.events = (short)((out->over ? 0 : POLLOUT) | (in->over ? 0 : POLLIN));
		if (calls.poll(&wait, 1, 20000) <= 0) {
			fputs("nothing moves any more\n", stderr);
			exit(1);
		}
	}
}

static struct sockaddr_storage
address(const char *host, const char *port, socklen_t *bytes)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST}, *found;
	struct sockaddr_storage out = {0};

	if (getaddrinfo(host, port, &hints, &found) != 0)
		die(host);
	memcpy(&out, found->ai_addr, found->ai_addrlen);
	*bytes = found->ai_addrlen;
	freeaddrinfo(found);
	return out;
}

/* ---- Linux */

static int
peer(char **argv)
{
	struct way up = {.all = strtoull(argv[4], NULL, 10), .up = true};
	struct way down = {.all = strtoull(argv[5], NULL, 10)};
	socklen_t bytes;
	struct sockaddr_storage own = address(argv[2], argv[3], &bytes);
	int listener = socket(own.ss_family, SOCK_STREAM, 0), fd;
	const int on = 1;

	calls.recv = recv;
	calls.send = send;
	calls.shutdown = shutdown;
	calls.poll = poll;
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(listener, (struct sockaddr *)&own, bytes) < 0 || listen(listener, 1) < 0)
		die("listen");
	puts("listening");
	fflush(stdout);
	fd = accept(listener, NULL, NULL);
	if (fd < 0)
		die("accept");
	transfer(fd, &down, &up, UINT64_MAX);
	puts("whole");
	return 0;
}

/* ---- Tern */

/* Every other time by memory of its own. */
static void
write_image(int fd, const char *path, bool by_memory)
{
	int file = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	static uint8_t image[IMAGE_MAX];
	ssize_t n, written;

	if (file < 0)
		die(path);
	if (by_memory) {
		n = tern_checkpoint(fd, image, sizeof(image), TERN_TAKE);
		written = n < 0 ? 0 : write(file, image, (size_t)n);
		if (n >= 0 && written != n)
			die(path);
	} else {
		n = tern_checkpoint_to(fd, file, TERN_TAKE);
	}
	if (n < 0)
		die("checkpoint");
	printf("left with %zd bytes\n", n);
	fflush(stdout);
	close(file);
}

static int
read_image(const char *path, bool by_memory)
{
	int file = open(path, O_RDONLY), fd;
	static uint8_t image[IMAGE_MAX];
	ssize_t n;

	if (file < 0)
		die(path);
	if (by_memory) {
		n = read(file, image, sizeof(image));
		fd = tern_restore(image, n < 0 ? 0 : (size_t)n, NULL, SOCK_NONBLOCK);
	} else {
		fd = tern_restore_from(file, NULL, SOCK_NONBLOCK);
	}
	if (fd < 0)
		die("restore");
	close(file);
	return fd;
}

struct progress {
	struct way up, down;
	uint32_t lives;
};

static void
keep(const char *path, struct progress *progress, bool write_it)
{
	char name[512];
	FILE *file;

	snprintf(name, sizeof(name), "%s.at", path);
	file = fopen(name, write_it ? "w" : "r");
	if (file == NULL || (write_it ? fwrite(progress, sizeof(*progress), 1, file)
				      : fread(progress, sizeof(*progress), 1, file)) != 1)
		die(name);
	fclose(file);
}

static int
live(int fd, struct progress *progress, const char *at, const char *path)
{
	transfer(fd, &progress->up, &progress->down, strtoull(at, NULL, 10));
	if (progress->up.over && progress->down.over) {
		tern_close(fd);
		puts("whole");
		return 0;
	}
	progress->lives++;
	write_image(fd, path, progress->lives % 2 == 0);
	keep(path, progress, true);
	return raise(SIGKILL);
}

static int
first(char **argv)
{
	struct progress progress = {.up = {.all = strtoull(argv[4], NULL, 10), .up = true},
				    .down = {.all = strtoull(argv[5], NULL, 10)}};
	socklen_t bytes;
	struct sockaddr_storage to = address(argv[2], argv[3], &bytes);
	int fd = tern_socket(to.ss_family, SOCK_STREAM, 0);

	if (fd < 0 || tern_connect(fd, (struct sockaddr *)&to, bytes) < 0)
		die("connect");
	return live(fd, &progress, argv[6], argv[7]);
}

static int
next(char **argv)
{
	struct progress progress;

	keep(argv[3], &progress, false);
	return live(read_image(argv[3], progress.lives % 3 == 0), &progress, argv[2], argv[3]);
}

int
main(int argc, char **argv)
{
	calls.recv = tern_recv;
	calls.send = tern_send;
	calls.shutdown = tern_shutdown;
	calls.poll = tern_poll;
	if (argc == 6 && strcmp(argv[1], "peer") == 0)
		return peer(argv);
	if (argc == 8 && strcmp(argv[1], "first") == 0)
		return first(argv);
	if (argc == 4 && strcmp(argv[1], "next") == 0)
		return next(argv);
	fputs("usage: see the head of checkpoint.c\n", stderr);
	return 2;
}
