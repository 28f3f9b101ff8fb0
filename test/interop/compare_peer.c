/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The other side of the comparison test: a process on Linux that is told over a Unix socket what to
 * do with its connections, one request after the other. It serves one program after the other, and
 * waits for nothing longer than 3 seconds.
 */
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "compare.h"

enum {
	HANDLES = 64,
	PATIENCE_MS = 3000,
	PIECE = 65536,
};

static struct {
	int fd;      /* -1: free */
	size_t sent; /* bytes, for the pattern */
	size_t received;
} handles[HANDLES];

static int
handle_of(int fd)
{
	if (fd < 0)
		return -errno;
	for (int i = 0; i < HANDLES; i++) {
		if (handles[i].fd >= 0)
			continue;
		handles[i].fd = fd;
		handles[i].sent = handles[i].received = 0;
		return i;
	}
	close(fd);
	return -ENFILE;
}

static bool
patient(int fd, short events)
{
	struct pollfd p = {.fd = fd, .events = events};

	return poll(&p, 1, PATIENCE_MS) == 1;
}

static int
result(int status)
{
	return status < 0 ? -errno : status;
}

/* ---- Requests; `fd` is the handle's */

static int
do_listen(const struct peer_request *r, struct peer_answer *answer)
{
	int fd = socket(r->address.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK, 0), on = 1;
	struct address at = r->address;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (fd < 0 || bind(fd, &at.any, at.bytes) < 0 || listen(fd, r->a) < 0 ||
	    getsockname(fd, &at.any, &at.bytes) < 0) {
		int error = errno;

		close(fd);
		return -error;
	}
	answer->port = ntohs(at.in.sin_port); /* at the same place in both families */
	return handle_of(fd);
}

static int
do_accept(int fd)
{
	if (!patient(fd, POLLIN))
		return -ETIMEDOUT;
	return handle_of(accept4(fd, NULL, NULL, SOCK_NONBLOCK));
}

static int
do_connect(const struct peer_request *r)
{
	int fd = socket(r->address.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK, 0), error = 0;
	socklen_t bytes = sizeof(error);

	if (fd < 0)
		return -errno;
	if (connect(fd, &r->address.any, r->address.bytes) < 0) {
		if (errno != EINPROGRESS)
			error = errno;
		else if (!patient(fd, POLLOUT))
			error = ETIMEDOUT;
		else
			getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &bytes);
	}
	if (error == 0)
		return handle_of(fd);
	close(fd);
	return -error;
}

static int
do_send(const struct peer_request *r, int fd)
{
	static uint8_t piece[PIECE];
	int done = 0;

	while (done < r->a) {
		int n = r->a - done < PIECE ? r->a - done : PIECE;
		ssize_t sent;

		for (int i = 0; i < n; i++)
			piece[i] = pattern(handles[r->handle].sent + (size_t)i);
		sent = send(fd, piece, (size_t)n, r->b | MSG_NOSIGNAL);
		if (sent < 0 && errno == EAGAIN && patient(fd, POLLOUT))
			continue;
		if (sent < 0)
			return done > 0 ? done : -errno;
		handles[r->handle].sent += (size_t)sent;
		done += (int)sent;
	}
	return done;
}

static int
do_receive(const struct peer_request *r, int fd)
{
	static uint8_t piece[PIECE];
	int done = 0;

	while (done < r->a) {
		int n = r->a - done < PIECE ? r->a - done : PIECE;
		ssize_t got = recv(fd, piece, (size_t)n, 0);

		if (got < 0 && errno == EAGAIN && patient(fd, POLLIN))
			continue;
		if (got <= 0)
			return done > 0 || got == 0 ? done : -errno;
		for (ssize_t i = 0; i < got; i++)
			if (piece[i] != pattern(handles[r->handle].received + (size_t)i))
				return -EILSEQ;
		handles[r->handle].received += (size_t)got;
		done += (int)got;
	}
	return done;
}

static int
do_close(const struct peer_request *r, bool reset)
{
	struct linger linger = {.l_onoff = 1, .l_linger = 0};
	int fd = handles[r->handle].fd;

	if (reset)
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	handles[r->handle].fd = -1;
	return result(close(fd));
}

static int
do_poll(const struct peer_request *r, int fd)
{
	struct pollfd p = {.fd = fd, .events = (short)r->a};

	return poll(&p, 1, PATIENCE_MS) == 1 ? p.revents : 0;
}

static int
do_at_end(int fd)
{
	char byte;

	if (!patient(fd, POLLIN))
		return -ETIMEDOUT;
	return result((int)recv(fd, &byte, 1, MSG_DONTWAIT));
}

/* ---- Fast Open */

/* Only what went into the SYN is sent now, the rest after the handshake. */
static int
do_fastopen(const struct peer_request *r)
{
	int fd = socket(r->address.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK, 0), handle, error;
	socklen_t bytes = sizeof(error);
	static uint8_t piece[PIECE];
	ssize_t sent;

	if (fd < 0 || r->a < 0 || r->a > PIECE)
		return -EINVAL;
	for (int i = 0; i < r->a; i++)
		piece[i] = pattern((size_t)i);
	sent = sendto(fd, piece, (size_t)r->a, MSG_FASTOPEN | MSG_NOSIGNAL, &r->address.any,
		      r->address.bytes);
	if (sent < 0 && errno != EINPROGRESS) {
		error = errno;
		close(fd);
		return -error;
	}
	handle = handle_of(fd);
	if (handle < 0)
		return handle;
	if (!patient(fd, POLLOUT))
		error = ETIMEDOUT;
	else
		getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &bytes);
	if (error != 0) {
		handles[handle].fd = -1;
		close(fd);
		return -error;
	}
	if (sent < 0)
		sent = 0;
	if (sent < r->a) {
		ssize_t more = send(fd, piece + sent, (size_t)(r->a - sent), MSG_NOSIGNAL);

		if (more > 0)
			sent += more;
	}
	handles[handle].sent = (size_t)sent;
	return handle;
}

static int
do_info(int fd)
{
	struct tcp_info info;
	socklen_t bytes = sizeof(info);

	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &bytes) < 0)
		return -errno;
	return info.tcpi_options | (((const uint8_t *)&info)[7] >> 1 & 3) << 8;
}

/* Kernels' structures differ in length: what there is not is 0. */
static int
do_field(const struct peer_request *r, int fd)
{
	uint8_t info[512] = {0};
	uint64_t value = 0;
	socklen_t bytes = sizeof(info);

	if (r->a < 0 || r->b < 1 || r->b > 8 || (size_t)r->a + (size_t)r->b > sizeof(info))
		return -EINVAL;
	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, info, &bytes) < 0)
		return -errno;
	memcpy(&value, info + r->a, (size_t)r->b); /* little-endian, as all that DPDK runs on */
	return (int)(value & INT32_MAX);
}

/* The script is the test's own. */
static int
do_hands(const struct peer_request *r)
{
	const char *script = getenv("COMPARE_HANDS");
	char line[512];
	int status;

	if (script == NULL || memchr(r->bytes, '\0', sizeof(r->bytes)) == NULL)
		return -EINVAL;
	snprintf(line, sizeof(line), "exec %s %s", script, r->bytes);
	status = system(line);
	return status == 0 ? 0 : -EIO;
}

static int
do_forget(void)
{
	for (int i = 0; i < HANDLES; i++) {
		if (handles[i].fd >= 0)
			close(handles[i].fd);
		handles[i].fd = -1;
	}
	return 0;
}

static int
do_request(const struct peer_request *r, struct peer_answer *answer)
{
	int fd;

	switch (r->op) {
	case PEER_LISTEN:
		return do_listen(r, answer);
	case PEER_CONNECT:
		return do_connect(r);
	case PEER_FORGET:
		return do_forget();
	case PEER_FASTOPEN:
		return do_fastopen(r);
	case PEER_HANDS:
		return do_hands(r);
	default:
		break;
	}
	if (r->handle < 0 || r->handle >= HANDLES || handles[r->handle].fd < 0)
		return -EBADF;
	fd = handles[r->handle].fd;
	switch (r->op) {
	case PEER_ACCEPT:
		return do_accept(fd);
	case PEER_SEND:
		return do_send(r, fd);
	case PEER_RECEIVE:
		return do_receive(r, fd);
	case PEER_SHUTDOWN:
		return result(shutdown(fd, r->a));
	case PEER_CLOSE:
	case PEER_RESET:
		return do_close(r, r->op == PEER_RESET);
	case PEER_SET:
		return result(setsockopt(fd, r->a, r->b, &r->c, sizeof(r->c)));
	case PEER_POLL:
		return do_poll(r, fd);
	case PEER_AT_END:
		return do_at_end(fd);
	case PEER_SET_BYTES:
		if (r->c < 0 || (size_t)r->c > sizeof(r->bytes))
			return -EINVAL;
		return result(setsockopt(fd, r->a, r->b, r->bytes, (socklen_t)r->c));
	case PEER_INFO:
		return do_info(fd);
	case PEER_FIELD:
		return do_field(r, fd);
	case PEER_QUIET: {
		struct pollfd p = {.fd = fd, .events = POLLIN};

		return poll(&p, 1, r->a);
	}
	default:
		return -ENOSYS;
	}
}

int
compare_peer(const char *path)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	int listener = socket(AF_UNIX, SOCK_SEQPACKET, 0), program;
	struct peer_request request;

	snprintf(sun.sun_path, sizeof(sun.sun_path), "%s", path);
	unlink(path);
	if (bind(listener, (struct sockaddr *)&sun, sizeof(sun)) < 0 || listen(listener, 1) < 0) {
		perror("compare peer");
		return 1;
	}
	for (int i = 0; i < HANDLES; i++)
		handles[i].fd = -1;
	puts("ready");
	fflush(stdout);
	while ((program = accept(listener, NULL, NULL)) >= 0) {
		while (recv(program, &request, sizeof(request), 0) == sizeof(request)) {
			struct peer_answer answer = {0};

			answer.result = do_request(&request, &answer);
			if (send(program, &answer, sizeof(answer), MSG_NOSIGNAL) < 0)
				break;
		}
		do_forget();
		close(program);
	}
	return 0;
}
