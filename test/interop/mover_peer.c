/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The plain Linux end of a transfer whose other end is moved. It knows nothing of that: it sends so
 * many bytes and half-closes, reads to the end, and checks each byte. Now and then it does not read
 * for a while, so that its window shuts, or does not write.
 *
 *     mover_peer connect|listen HOST PORT SEND RECEIVE SEED RCVBUF [PAUSES]
 *
 * PAUSES: so many, about; by default a dozen, and one more for each 16 MiB. Prints "sent N received
 * N bytes_retrans N"; fails at the first wrong byte, and if the connection is reset.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <poll.h>
#include <unistd.h>

#include "mover.h"
#include "test/sim/rng.h"

enum {
	PAUSES = 12,
	PAUSE_BYTES = 16 << 20, /* one more for each of so many: long transfers have more moves */
	PAUSE_MS = 400,
	SILENCE_MS = 60000, /* of the other end: it is stuck */
};

struct end {
	int fd;
	uint64_t to_send, sent, to_receive, received;
	uint64_t write_at_ms, read_at_ms; /* not before */
	uint64_t pauses;
	struct rng rng;
	int shut, at_end;
};

static void
open_end(struct end *e, const char *how, const char *host, const char *port, int rcvbuf)
{
	socklen_t length;
	struct sockaddr_storage address = mover_address(host, port, &length);
	int one = 1, fd = socket(address.ss_family, SOCK_STREAM, 0);

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0 ||
	    (rcvbuf > 0 && setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &rcvbuf, sizeof(rcvbuf)) < 0))
		err(1, "socket");
	if (strcmp(how, "connect") == 0) {
		if (connect(fd, (struct sockaddr *)&address, length) < 0)
			err(1, "connect");
		e->fd = fd;
	} else {
		if (bind(fd, (struct sockaddr *)&address, length) < 0 || listen(fd, 1) < 0)
			err(1, "listen");
		printf("listening\n");
		fflush(stdout);
		e->fd = accept(fd, NULL, NULL);
		if (e->fd < 0)
			err(1, "accept");
		close(fd);
	}
	fcntl(e->fd, F_SETFL, O_NONBLOCK);
}

/* So many times in all, about. */
static uint64_t
pause_until(struct end *e, size_t bytes)
{
	uint64_t all = e->to_send + e->to_receive;

	if (rng_below(&e->rng, all / e->pauses + 1) >= bytes)
		return 0;
	return mover_now_ms() + rng_below(&e->rng, PAUSE_MS);
}

static void
send_some(struct end *e)
{
	uint64_t left = e->to_send - e->sent;
	ssize_t n;

	if (left == 0) {
		if (shutdown(e->fd, SHUT_WR) < 0)
			err(1, "shutdown");
		e->shut = 1;
		return;
	}
	n = send(e->fd, mover_bytes(0, e->sent), left < MOVER_CHUNK ? left : MOVER_CHUNK,
		 MSG_NOSIGNAL);
	if (n < 0 && errno == EAGAIN)
		return;
	if (n < 0)
		err(1, "send after %" PRIu64 " bytes", e->sent);
	e->sent += (uint64_t)n;
	e->write_at_ms = pause_until(e, (size_t)n);
}

static void
receive_some(struct end *e)
{
	static uint8_t bytes[MOVER_CHUNK];
	ssize_t n = recv(e->fd, bytes, sizeof(bytes), 0);

	if (n < 0 && errno == EAGAIN)
		return;
	if (n < 0)
		err(1, "recv after %" PRIu64 " bytes", e->received);
	if (n == 0) {
		e->at_end = 1;
		return;
	}
	if (memcmp(bytes, mover_bytes(1, e->received), (size_t)n) != 0)
		errx(1, "wrong bytes at %" PRIu64, e->received);
	e->received += (uint64_t)n;
	e->read_at_ms = pause_until(e, (size_t)n);
}

static void
transfer(struct end *e)
{
	while (!e->shut || !e->at_end) {
		uint64_t now_ms = mover_now_ms();
		int may_read = !e->at_end && now_ms >= e->read_at_ms;
		int may_write = !e->shut && now_ms >= e->write_at_ms;
		int all = (e->at_end || may_read) && (e->shut || may_write);
		struct pollfd p = {
			.fd = e->fd,
			.events = (short)((may_read ? POLLIN : 0) | (may_write ? POLLOUT : 0))};
		int n = poll(&p, 1, all ? SILENCE_MS : 5);

		if (n < 0 || (n == 0 && all))
			errx(1,
			     "nothing for %d s: %" PRIu64 " of %" PRIu64 " sent, %" PRIu64
			     " of %" PRIu64 " received",
			     SILENCE_MS / 1000, e->sent, e->to_send, e->received, e->to_receive);
		if (p.revents & POLLERR) {
			int error = 0;
			socklen_t length = sizeof(error);

			getsockopt(e->fd, SOL_SOCKET, SO_ERROR, &error, &length);
			errx(1, "the connection ends: %s", strerror(error));
		}
		if (may_read && (p.revents & (POLLIN | POLLHUP)))
			receive_some(e);
		if (may_write && (p.revents & POLLOUT))
			send_some(e);
	}
}

int
main(int argc, char **argv)
{
	struct end e = {0};
	struct tcp_info info = {0};
	socklen_t length = sizeof(info);

	if (argc != 8 && argc != 9)
		errx(2, "usage: mover_peer connect|listen HOST PORT SEND RECEIVE SEED RCVBUF "
			"[PAUSES]");
	e.to_send = mover_number(argv[4]);
	e.to_receive = mover_number(argv[5]);
	e.rng.state = mover_number(argv[6]);
	e.pauses = argc == 9 ? mover_number(argv[8])
			     : PAUSES + (e.to_send + e.to_receive) / PAUSE_BYTES;
	if (e.pauses == 0)
		errx(2, "PAUSES: at least 1");
	open_end(&e, argv[1], argv[2], argv[3], (int)mover_number(argv[7]));
	transfer(&e);
	if (e.received != e.to_receive)
		errx(1, "%" PRIu64 " bytes came, not %" PRIu64, e.received, e.to_receive);
	if (getsockopt(e.fd, IPPROTO_TCP, TCP_INFO, &info, &length) < 0)
		err(1, "TCP_INFO");
	printf("sent %" PRIu64 " received %" PRIu64 " bytes_retrans %" PRIu64 "\n", e.sent,
	       e.received, (uint64_t)info.tcpi_bytes_retrans);
	return 0;
}
