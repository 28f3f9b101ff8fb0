/* SPDX-License-Identifier: BSD-3-Clause */
/* The comparison test's cases of reading and writing. */
#include <fcntl.h>
#include <limits.h>
#include <linux/sockios.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/uio.h>
#include <unistd.h>

#include "compare.h"

enum {
	LARGE = 300000,
};

static uint8_t buffer[LARGE];

/* Whether bytes are those of the peer's pattern from `at` on. */
static bool
is_pattern(const void *bytes, size_t n, size_t at)
{
	const uint8_t *b = bytes;

	for (size_t i = 0; i < n; i++)
		if (b[i] != pattern(at + i))
			return false;
	return true;
}

static void
make_pattern(size_t n, size_t at)
{
	for (size_t i = 0; i < n; i++)
		buffer[i] = pattern(at + i);
}

/* n bytes from the peer, here to be read. */
static void
receive_ready(struct pair pair, int n)
{
	int here = 0;

	GIVES(n, peer_send(pair.peer, n, 0));
	for (int tries = 0; tries < 300 && here < n; tries++) {
		if (ioctl(pair.fd, FIONREAD, &here) < 0)
			break;
		if (here < n)
			sleep_ms(10);
	}
	GIVES(n, here);
}

static void
send_and_receive(void)
{
	struct pair pair = connect_pair(AF_INET);

	make_pattern(10, 0);
	GIVES(10, send(pair.fd, buffer, 10, 0));
	GIVES(10, peer_receive(pair.peer, 10));
	receive_ready(pair, 10);
	GIVES(4, recv(pair.fd, buffer, 4, 0));
	GIVES(true, is_pattern(buffer, 4, 0));
	GIVES(6, recv(pair.fd, buffer, 100, 0));
	GIVES(true, is_pattern(buffer, 6, 4));
	FAILS(EAGAIN, recv(pair.fd, buffer, 1, MSG_DONTWAIT));
	GIVES(0, send(pair.fd, buffer, 0, 0));
	/* recv() waits for what it cannot take, read() does not. */
	FAILS(EAGAIN, recv(pair.fd, buffer, 0, MSG_DONTWAIT));
	GIVES(0, write(pair.fd, buffer, 0));
	GIVES(0, read(pair.fd, buffer, 0));
}

static void
not_connected(void)
{
	int fd = new_socket(AF_INET, 0);

	FAILS(ENOTCONN, recv(fd, buffer, 1, 0));
	FAILS(ENOTCONN, recv(fd, buffer, 0, 0));
	FAILS(ENOTCONN, read(fd, buffer, 1));
	FAILS(ENOTCONN, recv(fd, buffer, 1, MSG_PEEK));
	FAILS(EPIPE, send(fd, buffer, 1, MSG_NOSIGNAL));
	FAILS(EPIPE, write(fd, buffer, 1));
}

static void
peek(void)
{
	struct pair pair = connect_pair(AF_INET);
	int value = -1;

	receive_ready(pair, 20);
	GIVES(5, recv(pair.fd, buffer, 5, MSG_PEEK));
	GIVES(true, is_pattern(buffer, 5, 0));
	GIVES(20, recv(pair.fd, buffer, 100, MSG_PEEK));
	GIVES(0, ioctl(pair.fd, FIONREAD, &value));
	GIVES(20, value);
	GIVES(7, recv(pair.fd, buffer, 7, 0));
	GIVES(13, recv(pair.fd, buffer, 100, MSG_PEEK));
	GIVES(true, is_pattern(buffer, 13, 7));
	GIVES(13, recv(pair.fd, buffer, 100, 0));
	FAILS(EAGAIN, recv(pair.fd, buffer, 1, MSG_PEEK | MSG_DONTWAIT));
}

static void
peek_large(void)
{
	struct pair pair = connect_pair(AF_INET);

	receive_ready(pair, 50000);
	GIVES(50000, recv(pair.fd, buffer, LARGE, MSG_PEEK));
	GIVES(true, is_pattern(buffer, 50000, 0));
	GIVES(50000, recv(pair.fd, buffer, LARGE, MSG_PEEK | MSG_WAITALL | MSG_DONTWAIT));
	GIVES(50000, recv(pair.fd, buffer, LARGE, 0));
	GIVES(true, is_pattern(buffer, 50000, 0));
}

static void
discard(void)
{
	struct pair pair = connect_pair(AF_INET);

	receive_ready(pair, 20);
	memset(buffer, 0xee, 20);
	/* Takes the bytes, and copies none. */
	GIVES(5, recv(pair.fd, buffer, 5, MSG_TRUNC));
	GIVES(0xee, buffer[0]);
	GIVES(5, recv(pair.fd, NULL, 5, MSG_TRUNC));
	GIVES(5, recv(pair.fd, buffer, 5, 0));
	GIVES(true, is_pattern(buffer, 5, 10));
	GIVES(5, recv(pair.fd, buffer, 100, MSG_TRUNC));
}

static void
wait_for_all(void)
{
	struct pair pair = connect_pair(AF_INET);

	receive_ready(pair, 10);
	/* It has all that it asks for. */
	GIVES(10, recv(pair.fd, buffer, 10, MSG_WAITALL));
	receive_ready(pair, 10);
	/* No waiting. */
	GIVES(10, recv(pair.fd, buffer, 20, MSG_WAITALL | MSG_DONTWAIT));
	/* To the end. */
	receive_ready(pair, 10);
	GIVES(0, peer_shutdown(pair.peer, SHUT_WR));
	GIVES(10, recv(pair.fd, buffer, 20, MSG_WAITALL));
	GIVES(0, recv(pair.fd, buffer, 20, MSG_WAITALL));
}

static void
fill_up(void)
{
	struct pair pair = connect_pair(AF_INET);
	size_t sent, got = 0;
	int out = 0;

	sent = fill(pair.fd);
	HOLDS(sent > 100000);
	FAILS(EAGAIN, send(pair.fd, buffer, 1, MSG_DONTWAIT));
	POLLS(0, pair.fd);
	GIVES(0, ioctl(pair.fd, SIOCOUTQ, &out));
	HOLDS(out > 0);
	for (int n = 1; got < sent && n > 0; got += (size_t)n)
		n = peer_receive(pair.peer, (int)(sent - got < 65536 ? sent - got : 65536));
	GIVES(sent, got);
	HOLDS(await(pair.fd, POLLOUT));
	POLLS(CAN_WRITE, pair.fd);
	GIVES(1, send(pair.fd, buffer, 1, MSG_DONTWAIT));
	/* The peer may delay its acknowledgment. */
	for (int k = 0; k < 500 && ioctl(pair.fd, SIOCOUTQ, &out) == 0 && out > 0; k++)
		sleep_ms(10);
	GIVES(0, ioctl(pair.fd, SIOCOUTQ, &out));
	GIVES(0, out);
	GIVES(0, ioctl(pair.fd, SIOCOUTQNSD, &out));
	GIVES(0, out);
}

static void
vectors(void)
{
	struct pair pair = connect_pair(AF_INET);
	static struct iovec many[IOV_MAX + 1];
	struct iovec iov[4];

	make_pattern(30, 0);
	iov[0] = (struct iovec){buffer, 10};
	iov[1] = (struct iovec){NULL, 0};
	iov[2] = (struct iovec){buffer + 10, 0};
	iov[3] = (struct iovec){buffer + 10, 20};
	GIVES(30, writev(pair.fd, iov, 4));
	GIVES(30, peer_receive(pair.peer, 30));
	GIVES(0, writev(pair.fd, iov, 0));
	GIVES(0, writev(pair.fd, NULL, 0));
	FAILS(EINVAL, writev(pair.fd, iov, -1));
	FAILS(EINVAL, writev(pair.fd, many, IOV_MAX + 1));
	GIVES(0, writev(pair.fd, iov + 1, 2));
	iov[0].iov_len = SIZE_MAX;
	FAILS(EINVAL, writev(pair.fd, iov, 4));

	receive_ready(pair, 30);
	iov[0] = (struct iovec){buffer, 3};
	iov[3] = (struct iovec){buffer + 3, 100};
	GIVES(30, readv(pair.fd, iov, 4));
	GIVES(true, is_pattern(buffer, 30, 0));
	GIVES(0, readv(pair.fd, iov, 0));
	FAILS(EINVAL, readv(pair.fd, iov, -1));
	GIVES(0, readv(pair.fd, iov + 1, 2));
	FAILS(EAGAIN, (fcntl(pair.fd, F_SETFL, O_NONBLOCK), readv(pair.fd, iov, 4)));
	for (int i = 0; i < IOV_MAX; i++)
		many[i] = (struct iovec){buffer + i, 1};
	receive_ready(pair, IOV_MAX + 10);
	GIVES(IOV_MAX, readv(pair.fd, many, IOV_MAX));
	GIVES(true, is_pattern(buffer, IOV_MAX, 30));
	make_pattern(IOV_MAX, 30);
	GIVES(IOV_MAX, writev(pair.fd, many, IOV_MAX));
	GIVES(IOV_MAX, peer_receive(pair.peer, IOV_MAX));
}

static void
bad_memory(void)
{
	struct pair pair = connect_pair(AF_INET);
	struct iovec iov[2] = {{(void *)8, 4}, {buffer, 4}};

	receive_ready(pair, 10);
	FAILS(EFAULT, recv(pair.fd, (void *)8, 5, 0));
	FAILS(EFAULT, recv(pair.fd, NULL, 5, 0));
	FAILS(EFAULT, readv(pair.fd, iov, 2));
	FAILS(EFAULT, writev(pair.fd, iov, 2));
	/* Nothing is lost. */
	GIVES(10, recv(pair.fd, buffer, 100, 0));
	FAILS(EFAULT, send(pair.fd, (void *)8, 5, 0));
	FAILS(EFAULT, readv(pair.fd, (void *)8, 2));
}

static void
file_to_socket(void)
{
	struct pair pair = connect_pair(AF_INET);
	char path[] = "/tmp/tern-compare-XXXXXX";
	int file = mkstemp(path), pipes[2];
	off_t at = 10;

	unlink(path);
	make_pattern(100000, 0);
	GIVES(100000, write(file, buffer, 100000));
	GIVES(0, lseek(file, 0, SEEK_SET));
	/* From where the file stands, which moves. */
	GIVES(10, sendfile(pair.fd, file, NULL, 10));
	GIVES(10, lseek(file, 0, SEEK_CUR));
	/* From an offset, which moves instead. */
	GIVES(20, sendfile(pair.fd, file, &at, 20));
	GIVES(30, at);
	GIVES(10, lseek(file, 0, SEEK_CUR));
	GIVES(30, peer_receive(pair.peer, 30));
	at = 30;
	GIVES(99970, sendfile(pair.fd, file, &at, LARGE));
	GIVES(100000, at);
	GIVES(99970, peer_receive(pair.peer, 99970));
	/* The end of the file. */
	GIVES(0, sendfile(pair.fd, file, &at, 10));
	GIVES(0, sendfile(pair.fd, file, NULL, 0));
	at = -1;
	FAILS(EINVAL, sendfile(pair.fd, file, &at, 10));
	FAILS(EBADF, sendfile(pair.fd, 999, NULL, 10));
	GIVES(0, pipe(pipes));
	at = 0;
	FAILS(ESPIPE, sendfile(pair.fd, pipes[0], &at, 10));
	FAILS(EBADF, sendfile(pair.fd, pipes[1], NULL, 10));
	GIVES(0, shutdown(pair.fd, SHUT_WR));
	at = 0;
	FAILS(EPIPE, sendfile(pair.fd, file, &at, 10));
	GIVES(0, at);
}

static void
not_for_streams(void)
{
	struct pair pair = connect_pair(AF_INET);

	FAILS(ESPIPE, lseek(pair.fd, 0, SEEK_SET));
	FAILS(ESPIPE, pread(pair.fd, buffer, 1, 0));
	FAILS(ESPIPE, pwrite(pair.fd, buffer, 1, 0));
	FAILS(EINVAL, ftruncate(pair.fd, 0));
	FAILS(EINVAL, fsync(pair.fd));
	FAILS(ENOTTY, ioctl(pair.fd, TIOCGWINSZ, buffer));
	GIVES(0, isatty(pair.fd));
}

/* readv() and writev() with flags, most of which are for files. */
static void
vectors_with_flags(void)
{
	struct pair pair = connect_pair(AF_INET);
	struct iovec iov[2] = {{buffer, 0}, {buffer, 10}};
	const int unknown = 1 << 24;

	FAILS(EAGAIN, preadv2(pair.fd, iov, 2, -1, RWF_NOWAIT));
	GIVES(0, preadv2(pair.fd, iov, 1, -1, RWF_NOWAIT));
	GIVES(0, preadv2(pair.fd, iov, 1, -1, unknown));
	GIVES(0, preadv2(pair.fd, NULL, 0, -1, unknown));
	receive_ready(pair, 20);
	FAILS(ESPIPE, preadv2(pair.fd, iov, 2, 0, 0));
	FAILS(ESPIPE, preadv2(pair.fd, iov, 2, 0, unknown));
	FAILS(EINVAL, preadv2(pair.fd, iov, 2, -2, 0));
	FAILS(EINVAL, preadv2(pair.fd, iov, -1, -1, unknown));
	FAILS(EFAULT, preadv2(pair.fd, NULL, 1, -1, unknown));
	FAILS(EOPNOTSUPP, preadv2(pair.fd, iov, 2, -1, unknown));
	GIVES(10, preadv2(pair.fd, iov, 2, -1, RWF_NOWAIT));
	GIVES(true, is_pattern(buffer, 10, 0));
	GIVES(10, preadv2(pair.fd, iov, 2, -1, RWF_HIPRI | RWF_DSYNC | RWF_SYNC | RWF_APPEND));
	GIVES(true, is_pattern(buffer, 10, 10));

	make_pattern(10, 0);
	GIVES(10, pwritev2(pair.fd, iov, 2, -1, RWF_NOWAIT));
	make_pattern(10, 10);
	GIVES(10, pwritev2(pair.fd, iov, 2, -1, RWF_HIPRI | RWF_DSYNC | RWF_SYNC | RWF_APPEND));
	GIVES(20, peer_receive(pair.peer, 20));
	GIVES(0, pwritev2(pair.fd, iov, 1, -1, unknown));
	FAILS(ESPIPE, pwritev2(pair.fd, iov, 2, 0, 0));
	FAILS(EINVAL, pwritev2(pair.fd, iov, 2, -2, 0));
	FAILS(EOPNOTSUPP, pwritev2(pair.fd, iov, 2, -1, unknown));
	FAILS(ESPIPE, pread(pair.fd, buffer, 1, 0));
	FAILS(ESPIPE, pwrite(pair.fd, buffer, 1, 0));
}

const struct compare_case compare_bytes_cases[] = {
	{"send_and_receive", send_and_receive},
	{"not_connected", not_connected},
	{"peek", peek},
	{"peek_large", peek_large},
	{"discard", discard},
	{"wait_for_all", wait_for_all},
	{"fill_up", fill_up},
	{"vectors", vectors},
	{"vectors_with_flags", vectors_with_flags},
	{"bad_memory", bad_memory},
	{"file_to_socket", file_to_socket},
	{"not_for_streams", not_for_streams},
	{0},
};
