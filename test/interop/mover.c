/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One life of the Tern end of a transfer: a process that opens the connection, or restores it from
 * its image; sends and receives until a moment that its seed decides; writes the image, with what
 * it has done so far, and kills itself. Whoever started it starts the next one, on this ternd or
 * another. The last life ends the transfer and prints what all of them have seen.
 *
 *     mover FOLDER connect|listen HOST PORT SEND RECEIVE MOVES SEED RCVBUF
 *
 * What it wants at its moment changes from life to life: data in the send queue, in the receive
 * queue, in both, in neither, its own window shut or the peer's, the FIN of either side.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "lib/tern.h"
#include "mover.h"
#include "test/sim/rng.h"

/* Linux's, which <netinet/tcp.h> has beside a struct tcp_info that ends too early. */
enum { TIME_WAIT = 6, CLOSED = 7, CLOSE_WAIT = 8, LAST_ACK = 9, CLOSING = 11 };

enum {
	SILENCE_MS = 60000,
	RESTORE_MS = 10000, /* the process before may not be all gone */
	QUIET_MS = 30,
	SHUT_MS = 300,
};

/* Kept from life to life. */
struct story {
	uint64_t to_send, sent, to_receive, received;
	uint64_t moves, moves_left, frozen_moves;
	struct rng rng;
	int shut, at_end;
	/* At all moments together. */
	uint64_t in_flight_bytes, window_bytes;
	uint64_t send_only, receive_only, both, neither, peer_window_shut, window_shut;
	uint64_t own_fin, peer_fin, in_loss;
};

/* What a life does not do before its moment. */
enum abstinence {
	READS_AND_WRITES,
	DOES_NOT_READ,
	DOES_NOT_WRITE,
	DOES_NEITHER,
	SHUTS_ITS_WINDOW,
	AWAITS_SHUT_WINDOW, /* the peer's */
	WAYS,
};

struct life {
	struct story story;
	const char *folder;
	int fd;
	enum abstinence abstinence;
	uint64_t moment_bytes; /* sent and received in this life ... */
	uint64_t moment_ms;    /* ... or at this time, whichever is later */
	uint64_t done_bytes;
};

static void
path_of(const struct life *l, const char *name, char path[4096])
{
	snprintf(path, 4096, "%s/%s", l->folder, name);
}

static int
ask(struct life *l, unsigned long request)
{
	int value = 0;

	if (tern_ioctl(l->fd, request, &value) < 0)
		err(1, "ioctl %lx", request);
	return value;
}

/* tcpi_rcv_wnd follows tcpi_snd_wnd; older headers end there. */
static struct tcp_info
info_of(struct life *l, uint32_t *rcv_wnd)
{
	enum { RCV_WND_AT = offsetof(struct tcp_info, tcpi_snd_wnd) + 4 };
	union {
		struct tcp_info info;
		uint8_t bytes[512];
	} u = {.bytes = {0}};
	socklen_t length = sizeof(u);

	if (tern_getsockopt(l->fd, IPPROTO_TCP, TCP_INFO, &u, &length) < 0)
		err(1, "TCP_INFO");
	if (rcv_wnd != NULL)
		memcpy(rcv_wnd, u.bytes + RCV_WND_AT, sizeof(*rcv_wnd));
	return u.info;
}

/* ---- The story */

static bool
story_read(struct life *l)
{
	char path[4096];
	int file;

	path_of(l, "story", path);
	file = open(path, O_RDONLY);
	if (file < 0)
		return false;
	if (read(file, &l->story, sizeof(l->story)) != sizeof(l->story))
		errx(1, "%s is cut", path);
	close(file);
	return true;
}

static void
story_write(struct life *l)
{
	char path[4096];
	int file;

	path_of(l, "story", path);
	file = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	if (file < 0 || write(file, &l->story, sizeof(l->story)) != sizeof(l->story))
		err(1, "%s", path);
	close(file);
}

/* ---- Birth */

static void
open_connection(struct life *l, const char *how, const char *host, const char *port, int rcvbuf)
{
	socklen_t length;
	struct sockaddr_storage address = mover_address(host, port, &length);
	int one = 1, fd = tern_socket(address.ss_family, SOCK_STREAM, 0);

	if (fd < 0 ||
	    (rcvbuf > 0 && tern_setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &rcvbuf, sizeof(rcvbuf)) < 0))
		err(1, "socket");
	if (strcmp(how, "connect") == 0) {
		if (tern_connect(fd, (struct sockaddr *)&address, length) < 0)
			err(1, "connect");
		l->fd = fd;
		return;
	}
	tern_setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (tern_bind(fd, (struct sockaddr *)&address, length) < 0 || tern_listen(fd, 1) < 0)
		err(1, "listen");
	printf("listening\n");
	fflush(stdout);
	l->fd = tern_accept(fd, NULL, NULL);
	if (l->fd < 0)
		err(1, "accept");
	tern_close(fd);
}

static void
restore_connection(struct life *l)
{
	uint64_t until_ms = mover_now_ms() + RESTORE_MS;
	char path[4096];
	int file;

	path_of(l, "image", path);
	do {
		file = open(path, O_RDONLY);
		if (file < 0)
			err(1, "%s", path);
		l->fd = tern_restore_from(file, NULL, 0);
		close(file);
		if (l->fd >= 0)
			return;
		usleep(2000);
	} while (errno == EADDRNOTAVAIL && mover_now_ms() < until_ms);
	errx(1, "cannot restore: %s (%s)", strerror(errno), tern_checkpoint_error());
}

static void
draw_moment(struct life *l)
{
	struct story *s = &l->story;
	uint64_t left = s->to_send - s->sent + s->to_receive - s->received;

	l->abstinence = (enum abstinence)rng_below(&s->rng, WAYS);
	/* The last few come when there is little left but FINs. */
	l->moment_bytes = s->moves_left > 3 || rng_below(&s->rng, 2) == 0
				  ? rng_below(&s->rng, 2 * left / (s->moves_left + 1) + 1)
				  : left;
	l->moment_ms = mover_now_ms();
	if (rng_below(&s->rng, 3) == 0)
		l->moment_ms += rng_below(&s->rng, 60);
}

/* ---- Death */

static void
note_moment(struct life *l)
{
	struct story *s = &l->story;
	uint32_t rcv_wnd;
	struct tcp_info info = info_of(l, &rcv_wnd);
	int out = ask(l, SIOCOUTQ), unsent = ask(l, SIOCOUTQNSD), in = ask(l, SIOCINQ);

	s->moves++;
	s->moves_left--;
	s->in_flight_bytes += (uint64_t)(out - unsent);
	s->window_bytes += rcv_wnd;
	s->send_only += out > 0 && in == 0;
	s->receive_only += out == 0 && in > 0;
	s->both += out > 0 && in > 0;
	s->neither += out == 0 && in == 0;
	s->peer_window_shut += info.tcpi_snd_wnd == 0;
	s->window_shut += rcv_wnd == 0;
	s->own_fin += (uint64_t)s->shut;
	s->peer_fin += info.tcpi_state == CLOSE_WAIT || info.tcpi_state == LAST_ACK ||
		       info.tcpi_state == CLOSING;
	s->in_loss += info.tcpi_ca_state >= 3;
}

/* Both ends have said all, and both know. */
static bool
is_over(struct life *l)
{
	int state = info_of(l, NULL).tcpi_state;

	return state == TIME_WAIT || state == CLOSED;
}

/* Returns only if there is nothing left to be moved. */
static void
move_on(struct life *l)
{
	struct story before = l->story;
	bool freeze = rng_below(&l->story.rng, 3) == 0;
	char path[4096];
	int file;

	path_of(l, "image", path);
	file = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	if (file < 0)
		err(1, "%s", path);
	note_moment(l);
	l->story.frozen_moves += freeze;
	if (tern_checkpoint_to(l->fd, file, freeze ? TERN_FREEZE : TERN_TAKE) < 0) {
		if (!is_over(l))
			errx(1, "cannot checkpoint in state %d: %s", info_of(l, NULL).tcpi_state,
			     tern_checkpoint_error());
		l->story = before;
		l->story.moves_left = 0;
		close(file);
		return;
	}
	close(file);
	story_write(l);
	kill(getpid(), SIGKILL);
	abort();
}

/* ---- In between */

static void
send_some(struct life *l)
{
	struct story *s = &l->story;
	uint64_t left = s->to_send - s->sent;
	ssize_t n;

	if (left == 0) {
		if (tern_shutdown(l->fd, SHUT_WR) < 0)
			err(1, "shutdown");
		s->shut = 1;
		return;
	}
	n = tern_send(l->fd, mover_bytes(1, s->sent), left < MOVER_CHUNK ? left : MOVER_CHUNK,
		      MSG_DONTWAIT);
	if (n < 0 && errno == EAGAIN)
		return;
	if (n < 0)
		err(1, "send after %" PRIu64 " bytes", s->sent);
	s->sent += (uint64_t)n;
	l->done_bytes += (uint64_t)n;
}

static void
receive_some(struct life *l)
{
	static uint8_t bytes[MOVER_CHUNK];
	struct story *s = &l->story;
	ssize_t n = tern_recv(l->fd, bytes, sizeof(bytes), MSG_DONTWAIT);

	if (n < 0 && errno == EAGAIN)
		return;
	if (n < 0)
		err(1, "recv after %" PRIu64 " bytes", s->received);
	if (n == 0) {
		s->at_end = 1;
		return;
	}
	if (memcmp(bytes, mover_bytes(0, s->received), (size_t)n) != 0)
		errx(1, "wrong bytes at %" PRIu64, s->received);
	s->received += (uint64_t)n;
	l->done_bytes += (uint64_t)n;
}

static bool
is_shut(struct life *l)
{
	uint32_t rcv_wnd = 1;
	struct tcp_info info = info_of(l, &rcv_wnd);

	return (l->abstinence == SHUTS_ITS_WINDOW && rcv_wnd == 0) ||
	       (l->abstinence == AWAITS_SHUT_WINDOW && info.tcpi_snd_wnd == 0);
}

/* Fills queues, or lets them run empty, as the way of this life is. */
static void
abstain(struct life *l)
{
	bool reads = l->abstinence == READS_AND_WRITES || l->abstinence == DOES_NOT_WRITE ||
		     l->abstinence == AWAITS_SHUT_WINDOW;
	bool writes = l->abstinence == READS_AND_WRITES || l->abstinence == DOES_NOT_READ ||
		      l->abstinence == AWAITS_SHUT_WINDOW;
	uint64_t until_ms =
		mover_now_ms() + (l->abstinence >= SHUTS_ITS_WINDOW
					  ? SHUT_MS
					  : rng_below(&l->story.rng, (uint64_t)2 * QUIET_MS));

	while (mover_now_ms() < until_ms && !is_shut(l)) {
		struct pollfd p = {.fd = l->fd,
				   .events = (short)((reads && !l->story.at_end ? POLLIN : 0) |
						     (writes && !l->story.shut ? POLLOUT : 0))};

		if (tern_poll(&p, 1, 2) < 0)
			err(1, "poll");
		if (p.revents & POLLIN)
			receive_some(l);
		if (p.revents & POLLOUT)
			send_some(l);
	}
}

static bool
moment_has_come(const struct life *l)
{
	return l->story.moves_left > 0 && l->done_bytes >= l->moment_bytes &&
	       mover_now_ms() >= l->moment_ms;
}

static void
live(struct life *l)
{
	struct story *s = &l->story;

	while (!s->shut || !s->at_end) {
		struct pollfd p = {
			.fd = l->fd,
			.events = (short)((s->at_end ? 0 : POLLIN) | (s->shut ? 0 : POLLOUT))};
		bool waits = l->story.moves_left > 0 && l->done_bytes >= l->moment_bytes;
		int n;

		if (moment_has_come(l)) {
			abstain(l);
			move_on(l);
			continue;
		}
		n = tern_poll(&p, 1, waits ? 2 : SILENCE_MS);
		if (n < 0 || (n == 0 && !waits))
			errx(1,
			     "nothing for %d s: %" PRIu64 " of %" PRIu64 " sent, %" PRIu64
			     " of %" PRIu64 " received",
			     SILENCE_MS / 1000, s->sent, s->to_send, s->received, s->to_receive);
		if (p.revents & (POLLIN | POLLERR | POLLHUP))
			receive_some(l);
		if (p.revents & POLLOUT)
			send_some(l);
	}
}

/* All is sent and read: wait until the peer has it. */
static void
finish(struct life *l)
{
	uint64_t until_ms = mover_now_ms() + SILENCE_MS;
	const struct story *s = &l->story;
	struct tcp_info info;

	while (ask(l, SIOCOUTQ) > 0 && mover_now_ms() < until_ms)
		usleep(1000);
	info = info_of(l, NULL);
	if (s->received != s->to_receive)
		errx(1, "%" PRIu64 " bytes came, not %" PRIu64, s->received, s->to_receive);
	printf("moves %" PRIu64 " frozen %" PRIu64 " in_flight %" PRIu64 " window %" PRIu64
	       " bytes_retrans %" PRIu64 "\n",
	       s->moves, s->frozen_moves, s->in_flight_bytes, s->window_bytes,
	       (uint64_t)info.tcpi_bytes_retrans);
	printf("  send queue only %" PRIu64 ", receive queue only %" PRIu64 ", both %" PRIu64
	       ", neither %" PRIu64 ", peer's window shut %" PRIu64 ", own %" PRIu64
	       ", after own FIN %" PRIu64 ", after the peer's %" PRIu64 ", in recovery %" PRIu64
	       "\n",
	       s->send_only, s->receive_only, s->both, s->neither, s->peer_window_shut,
	       s->window_shut, s->own_fin, s->peer_fin, s->in_loss);
	tern_close(l->fd);
}

int
main(int argc, char **argv)
{
	struct life l = {0};

	if (argc != 10)
		errx(2, "usage: mover FOLDER connect|listen HOST PORT SEND RECEIVE MOVES SEED "
			"RCVBUF");
	l.folder = argv[1];
	if (story_read(&l)) {
		restore_connection(&l);
	} else {
		l.story.to_send = mover_number(argv[5]);
		l.story.to_receive = mover_number(argv[6]);
		l.story.moves_left = mover_number(argv[7]);
		l.story.rng.state = mover_number(argv[8]);
		open_connection(&l, argv[2], argv[3], argv[4], (int)mover_number(argv[9]));
	}
	draw_moment(&l);
	live(&l);
	finish(&l);
	return 0;
}
