/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The comparison test's cases of the queues in repair: what MSG_PEEK reads of them and what send()
 * writes into them, by every call that reads and writes, of every size.
 */
#include <linux/sockios.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <unistd.h>

#include "compare_repair.h"

enum {
	ROOM = 64,
	MUCH = 4 << 20,
	QUIET = MSG_DONTWAIT | MSG_NOSIGNAL,
};

static uint8_t large[MUCH + 1];

/* Whether the bytes are the pattern's from `at` on. */
static bool
is_pattern(const uint8_t *bytes, size_t at, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (bytes[i] != pattern(at + i))
			return false;
	return true;
}

static ssize_t
peek(int fd, int queue, void *into, size_t bytes)
{
	if (choose(fd, queue) < 0)
		compare_give_up("TCP_REPAIR_QUEUE");
	return recv(fd, into, bytes, MSG_PEEK | MSG_DONTWAIT);
}

/* The whole queue is so much of the pattern from `at` on. */
static void
queue_holds(int fd, int queue, size_t at, size_t bytes)
{
	ssize_t n = peek(fd, queue, large, sizeof(large));

	GIVES(bytes, n);
	HOLDS(n < 0 || is_pattern(large, at, (size_t)n));
}

/* ---- Reading */

static void
read_permission(void)
{
	struct pair pair = connect_pair(AF_INET);
	uint8_t got[ROOM];
	int fd = pair.fd;

	GIVES(5, peer_send(pair.peer, 5, 0));
	HOLDS(await(fd, POLLIN));
	GIVES(0, repair(fd, 1));
	FAILS(EPERM, recv(fd, got, sizeof(got), MSG_DONTWAIT));
	FAILS(EPERM, read(fd, got, sizeof(got)));
	FAILS(EPERM, recv(fd, got, sizeof(got), MSG_WAITALL));
	FAILS(EPERM, recv(fd, got, sizeof(got), MSG_TRUNC | MSG_DONTWAIT));
	FAILS(EINVAL, recv(fd, got, sizeof(got), MSG_PEEK | MSG_DONTWAIT));
	FAILS(EINVAL, recv(fd, got, 0, MSG_PEEK | MSG_DONTWAIT));
	FAILS(EINVAL, recv(fd, got, sizeof(got), MSG_OOB | MSG_DONTWAIT));
	FAILS(EINVAL, recv(fd, got, sizeof(got), MSG_OOB | MSG_PEEK));
	for (int queue = QUEUE_RECEIVE; queue <= QUEUE_SEND; queue++) {
		GIVES(0, choose(fd, queue));
		FAILS(EPERM, recv(fd, got, sizeof(got), MSG_DONTWAIT));
		FAILS(EPERM, read(fd, got, sizeof(got)));
		FAILS(EINVAL, recv(fd, got, sizeof(got), MSG_OOB | MSG_PEEK));
	}
	GIVES(0, repair(fd, -1));
	GIVES(5, recv(fd, got, sizeof(got), 0));
	HOLDS(is_pattern(got, 0, 5));
}

static void
read_receive_queue(void)
{
	struct pair pair = connect_pair(AF_INET);
	uint8_t got[ROOM] = {0};
	int fd = pair.fd;

	GIVES(0, repair(fd, 1));
	FAILS(EAGAIN, peek(fd, QUEUE_RECEIVE, got, sizeof(got)));
	GIVES(0, repair(fd, -1));
	GIVES(10, peer_send(pair.peer, 10, 0));
	HOLDS(await(fd, POLLIN));
	GIVES(3, recv(fd, got, 3, 0));
	GIVES(0, repair(fd, 1));
	GIVES(7, queued(fd, SIOCINQ));
	GIVES(7, peek(fd, QUEUE_RECEIVE, got, sizeof(got)));
	HOLDS(is_pattern(got, 3, 7));
	GIVES(2, peek(fd, QUEUE_RECEIVE, got, 2));
	GIVES(0, peek(fd, QUEUE_RECEIVE, got, 0));
	GIVES(7, recv(fd, got, sizeof(got), MSG_PEEK | MSG_TRUNC | MSG_DONTWAIT));
	GIVES(7, recv(fd, NULL, sizeof(got), MSG_PEEK | MSG_TRUNC | MSG_DONTWAIT));
	GIVES(4, recv(fd, NULL, 4, MSG_PEEK | MSG_TRUNC | MSG_DONTWAIT));
	GIVES(7, recv(fd, got, sizeof(got), MSG_PEEK));
	GIVES(7, queued(fd, SIOCINQ));
	GIVES(0, repair(fd, -1));
	GIVES(7, recv(fd, got, sizeof(got), 0));
	HOLDS(is_pattern(got, 3, 7));
}

/* What would wait on Linux for as long as its limit says does not on Tern: nothing can come. */
static void
read_waits(void)
{
	struct pair pair = connect_pair(AF_INET);
	uint8_t got[ROOM];
	int64_t begin, took;

	limit_receive(pair.fd, 200);
	GIVES(0, repair(pair.fd, 1));
	GIVES(0, choose(pair.fd, QUEUE_RECEIVE));
	begin = now_ms();
	FAILS(EAGAIN, recv(pair.fd, got, sizeof(got), MSG_PEEK));
	took = now_ms() - begin;
	HOLDS(DIFFERS(took >= 150, took < 150));
	GIVES(0, choose(pair.fd, QUEUE_SEND));
	GIVES(0, recv(pair.fd, got, sizeof(got), MSG_PEEK));
}

static void
read_send_queue(void)
{
	struct pair pair = connect_pair(AF_INET);
	uint8_t got[ROOM] = {0};
	int fd = pair.fd;

	GIVES(0, repair(fd, 1));
	GIVES(0, peek(fd, QUEUE_SEND, got, sizeof(got)));
	GIVES(0, repair(fd, -1));
	deafen_peer();
	GIVES(10, send(fd, pattern_bytes(0, 10), 10, 0));
	sleep_ms(20); /* they have been sent */
	GIVES(5, send(fd, pattern_bytes(10, 5), 5, MSG_MORE));
	GIVES(0, repair(fd, 1));
	GIVES(15, queued(fd, SIOCOUTQ));
	GIVES(5, queued(fd, SIOCOUTQNSD));
	GIVES(15, peek(fd, QUEUE_SEND, got, sizeof(got)));
	HOLDS(is_pattern(got, 0, 15));
	memset(got, 0, sizeof(got));
	GIVES(DIFFERS(15, 4), peek(fd, QUEUE_SEND, got, 4));
	HOLDS(is_pattern(got, 0, 4) && got[4] == 0);
	GIVES(DIFFERS(15, 0), peek(fd, QUEUE_SEND, got, 0));
	GIVES(15, recv(fd, got, sizeof(got), MSG_PEEK));
	GIVES(15, queued(fd, SIOCOUTQ));
	GIVES(0, repair(fd, -1));
	hear();
	GIVES(5, send(fd, pattern_bytes(15, 5), 5, 0));
	GIVES(20, peer_receive(pair.peer, 20));
}

/* By the calls with several pieces. */
static void
read_pieces(void)
{
	struct pair pair = connect_pair(AF_INET);
	uint8_t got[ROOM] = {0};
	struct iovec pieces[3] = {{got, 3}, {got + 3, 0}, {got + 3, 40}};
	struct address from = {.bytes = sizeof(from.storage)};
	struct msghdr message = {.msg_iov = pieces, .msg_iovlen = 3};
	int fd = pair.fd;

	GIVES(10, peer_send(pair.peer, 10, 0));
	HOLDS(await(fd, POLLIN));
	deafen_peer();
	GIVES(8, send(fd, pattern_bytes(0, 8), 8, 0));
	GIVES(0, repair(fd, 1));
	GIVES(0, choose(fd, QUEUE_RECEIVE));
	GIVES(10, recvmsg(fd, &message, MSG_PEEK | MSG_DONTWAIT));
	HOLDS(is_pattern(got, 0, 10));
	GIVES(0, message.msg_flags);
	FAILS(EPERM, recvmsg(fd, &message, MSG_DONTWAIT));
	FAILS(EPERM, readv(fd, pieces, 3));
	GIVES(10, recvfrom(fd, got, sizeof(got), MSG_PEEK, &from.any, &from.bytes));
	GIVES(0, from.bytes);
	memset(got, 0, sizeof(got));
	GIVES(0, choose(fd, QUEUE_SEND));
	GIVES(8, recvmsg(fd, &message, MSG_PEEK | MSG_DONTWAIT));
	HOLDS(is_pattern(got, 0, 8));
	GIVES(0, message.msg_flags);
	hear();
}

/* ---- In every state: nothing is there, and what each says of it */

static void
read_states(void)
{
	for (const int *state = repair_states; *state != 0; state++) {
		int fd = in_state(AF_INET, *state).fd;
		bool ended = *state == STATE_CLOSE_WAIT || *state == STATE_LAST_ACK ||
			     *state == STATE_CLOSING;
		uint8_t got[ROOM];

		compare_about(state_name(*state));
		GIVES(0, repair(fd, 1));
		FAILS(EPERM, recv(fd, got, sizeof(got), MSG_DONTWAIT));
		FAILS(EINVAL, recv(fd, got, sizeof(got), MSG_PEEK | MSG_DONTWAIT));
		GIVES(0, peek(fd, QUEUE_SEND, got, sizeof(got)));
		if (*state == STATE_SYN_RECEIVED) /* its SYN's data */
			GIVES(5, peek(fd, QUEUE_RECEIVE, got, sizeof(got)));
		else if (*state == STATE_CLOSE)
			FAILS(ENOTCONN, peek(fd, QUEUE_RECEIVE, got, sizeof(got)));
		else if (ended)
			GIVES(0, peek(fd, QUEUE_RECEIVE, got, sizeof(got)));
		else
			FAILS(EAGAIN, peek(fd, QUEUE_RECEIVE, got, sizeof(got)));
		/* Before the handshake is over, they say 0; a FIN counts until it is acknowledged.
		 */
		GIVES(0, queued(fd, SIOCINQ));
		GIVES(*state == STATE_FIN_WAIT_1 || *state == STATE_LAST_ACK ||
			      *state == STATE_CLOSING,
		      queued(fd, SIOCOUTQ));
		GIVES(0, queued(fd, SIOCOUTQNSD));
		hear();
	}
}

static void
write_states(void)
{
	for (const int *state = repair_states; *state != 0; state++) {
		struct pair pair = in_state(AF_INET, *state);
		int fd = pair.fd, status = 0;

		compare_about(state_name(*state));
		if (*state == STATE_SYN_SENT)
			status = EAGAIN;
		else if (*state != STATE_ESTABLISHED && *state != STATE_CLOSE_WAIT &&
			 *state != STATE_SYN_RECEIVED)
			status = EPIPE;
		GIVES(0, repair(fd, 1));
		FAILS(status == 0 ? EINVAL : status, send(fd, "abc", 3, QUIET));
		for (int queue = QUEUE_RECEIVE; queue <= QUEUE_SEND; queue++) {
			GIVES(0, choose(fd, queue));
			if (status != 0) {
				FAILS(status, send(fd, "abc", 3, QUIET));
				FAILS(status, send(fd, "abc", 0, QUIET));
			} else {
				GIVES(0, send(fd, "abc", 0, QUIET));
			}
		}
		hear();
	}
}

/* ---- Writing */

/* A child that waits for its handshake's end may be given data, too. */
static void
write_child(void)
{
	struct pair pair = in_state(AF_INET, STATE_SYN_RECEIVED);
	uint8_t got[ROOM];
	int fd = pair.fd;

	GIVES(0, repair(fd, 1));
	GIVES(0, choose(fd, QUEUE_RECEIVE));
	GIVES(3, send(fd, pattern_bytes(5, 3), 3, QUIET));
	GIVES(8, recv(fd, got, sizeof(got), MSG_PEEK | MSG_DONTWAIT));
	HOLDS(is_pattern(got, 0, 8));
	GIVES(0, choose(fd, QUEUE_SEND));
	GIVES(4, send(fd, pattern_bytes(0, 4), 4, QUIET));
	queue_holds(fd, QUEUE_SEND, 0, 4);
	GIVES(STATE_SYN_RECEIVED, state_of(fd));
	hear();
}

static void
write_needs_queue(void)
{
	struct pair pair = connect_pair(AF_INET);
	struct iovec piece = {pattern_bytes(0, 5), 5};
	struct msghdr message = {.msg_iov = &piece, .msg_iovlen = 1};
	int fd = pair.fd;

	GIVES(0, repair(fd, 1));
	FAILS(EINVAL, send(fd, "abc", 3, QUIET));
	FAILS(EINVAL, send(fd, "abc", 0, QUIET));
	FAILS(EINVAL, write(fd, "abc", 3));
	FAILS(EINVAL, sendmsg(fd, &message, 0));
	FAILS(EINVAL, writev(fd, &piece, 1));
	GIVES(0, queued(fd, SIOCOUTQ));
	GIVES(0, repair(fd, -1));
	GIVES(5, send(fd, pattern_bytes(0, 5), 5, 0));
	GIVES(5, peer_receive(pair.peer, 5));
}

/* Both queues of a connection without a peer, by every call. */
static void
write_queues(void)
{
	struct pair pair = connect_pair(AF_INET);
	struct tuple tuple = tuple_of(pair.fd);
	uint8_t bytes[ROOM], got[ROOM];
	struct iovec pieces[3] = {{bytes + 13, 2}, {bytes, 0}, {bytes + 15, 3}};
	struct msghdr message = {.msg_iov = pieces, .msg_iovlen = 3};
	int fd, segments;

	memcpy(bytes, pattern_bytes(0, sizeof(bytes)), sizeof(bytes));
	GIVES(0, repair(pair.fd, 1));
	GIVES(0, close(pair.fd));
	fd = revive(&tuple, 1000, 5000);
	segments = (int)info_of(fd).tcpi_segs_out;
	for (int queue = QUEUE_RECEIVE; queue <= QUEUE_SEND; queue++) {
		compare_about(queue == QUEUE_SEND ? "send queue" : "receive queue");
		GIVES(0, choose(fd, queue));
		GIVES(0, send(fd, bytes, 0, 0));
		GIVES(10, send(fd, bytes, 10, 0));
		GIVES(2, write(fd, bytes + 10, 2));
		GIVES(1, sendto(fd, bytes + 12, 1, 0, NULL, 0));
		GIVES(5, writev(fd, pieces, 3));
		pieces[0].iov_base = bytes + 18;
		pieces[2].iov_base = bytes + 20;
		GIVES(5, sendmsg(fd, &message, MSG_DONTWAIT));
		pieces[0].iov_base = bytes + 13;
		pieces[2].iov_base = bytes + 15;
		GIVES(4, send(fd, bytes + 23, 4, MSG_MORE | MSG_NOSIGNAL));
		FAILS(EFAULT, send(fd, NULL, 4, 0));
		GIVES(27, recv(fd, got, sizeof(got), MSG_PEEK | MSG_DONTWAIT));
		HOLDS(is_pattern(got, 0, 27));
	}
	compare_about("");
	GIVES(27, queued(fd, SIOCINQ));
	GIVES(27, queued(fd, SIOCOUTQ));
	GIVES(0, queued(fd, SIOCOUTQNSD));
	GIVES(1027, get_seq(fd, QUEUE_RECEIVE));
	GIVES(5027, get_seq(fd, QUEUE_SEND));
	POLLS(CAN_READ | CAN_WRITE, fd);
	GIVES(segments, info_of(fd).tcpi_segs_out);
	GIVES(0, repair(fd, -1));
	GIVES(27, recv(fd, got, sizeof(got), 0));
	HOLDS(is_pattern(got, 0, 27));
	GIVES(0, repair(fd, 1)); /* goes silently: its peer knows nothing of that */
}

/* So much in each queue, of a restored connection whose buffers were made large. */
static void
write_sizes(void)
{
	static const size_t sizes[] = {1, 1448, 65536, 1 << 20, MUCH};
	static uint8_t bytes[MUCH];

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = pattern(i);
	for (size_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
		struct pair pair = connect_pair(AF_INET);
		struct tuple tuple = tuple_of(pair.fd);
		char about[ROOM];
		int fd;

		snprintf(about, sizeof(about), "%zu", sizes[s]);
		compare_about(about);
		GIVES(0, repair(pair.fd, 1));
		GIVES(0, close(pair.fd));
		fd = repairing(&tuple, 7, 0xfffffff0);
		set_option(fd, SOL_SOCKET, SO_RCVBUFFORCE, 3 * MUCH);
		set_option(fd, SOL_SOCKET, SO_SNDBUFFORCE, 3 * MUCH);
		GIVES(0, connect(fd, &tuple.peer.any, tuple.peer.bytes));
		for (int queue = QUEUE_RECEIVE; queue <= QUEUE_SEND; queue++) {
			size_t done = 0;

			GIVES(0, choose(fd, queue));
			while (done < sizes[s]) {
				ssize_t n = send(fd, bytes + done, sizes[s] - done, QUIET);

				if (n <= 0)
					break;
				done += (size_t)n;
			}
			GIVES(sizes[s], done);
			queue_holds(fd, queue, 0, sizes[s]);
		}
		GIVES(sizes[s], queued(fd, SIOCINQ));
		GIVES(sizes[s], queued(fd, SIOCOUTQ));
		GIVES(0, queued(fd, SIOCOUTQNSD));
		HOLDS(get_seq(fd, QUEUE_RECEIVE) == 7 + (uint32_t)sizes[s]);
		HOLDS(get_seq(fd, QUEUE_SEND) == 0xfffffff0 + (uint32_t)sizes[s]);
		GIVES(0, close(fd));
	}
}

/* Until they are full: what there is no room for says so, and what was taken is there. */
static void
write_full(void)
{
	static const int errors[] = {[QUEUE_RECEIVE] = ENOBUFS, [QUEUE_SEND] = EAGAIN};
	struct pair pair = connect_pair(AF_INET);
	struct tuple tuple = tuple_of(pair.fd);
	int fd;

	GIVES(0, repair(pair.fd, 1));
	GIVES(0, close(pair.fd));
	fd = revive(&tuple, 7, 7);
	set_option(fd, SOL_SOCKET, SO_RCVBUF, 30000);
	set_option(fd, SOL_SOCKET, SO_SNDBUF, 30000);
	for (int queue = QUEUE_RECEIVE; queue <= QUEUE_SEND; queue++) {
		size_t done = 0;
		ssize_t n;

		compare_about(queue == QUEUE_SEND ? "send queue" : "receive queue");
		GIVES(0, choose(fd, queue));
		while ((n = send(fd, pattern_bytes(done, 1000), 1000, QUIET)) > 0)
			done += (size_t)n;
		FAILS(errors[queue], send(fd, "x", 1, QUIET));
		HOLDS(done >= 15000 && done <= 100000);
		queue_holds(fd, queue, 0, done);
	}
	/* A send that waits for room does so for as long as it may. */
	limit_send(fd, 100);
	FAILS(EAGAIN, send(fd, "x", 1, MSG_NOSIGNAL));
}

/* Those behind what is there already, of a connection that lives on. */
static void
write_behind(void)
{
	struct pair pair = connect_pair(AF_INET);
	uint8_t got[ROOM];
	int fd = pair.fd;

	GIVES(5, peer_send(pair.peer, 5, 0));
	HOLDS(await(fd, POLLIN));
	GIVES(0, repair(fd, 1));
	GIVES(0, choose(fd, QUEUE_RECEIVE));
	GIVES(4, send(fd, pattern_bytes(5, 4), 4, 0));
	GIVES(9, recv(fd, got, sizeof(got), MSG_PEEK));
	HOLDS(is_pattern(got, 0, 9));
	GIVES(9, queued(fd, SIOCINQ));
	GIVES(0, repair(fd, -1));
	GIVES(9, recv(fd, got, sizeof(got), 0));
	HOLDS(is_pattern(got, 0, 9));
	GIVES(0, repair(fd, 1));
}

/* SO_PEEK_OFF goes through the receive queue as ever. */
static void
read_from_offset(void)
{
	struct pair pair = connect_pair(AF_INET);
	uint8_t got[ROOM];
	int fd = pair.fd;

	GIVES(10, peer_send(pair.peer, 10, 0));
	HOLDS(await(fd, POLLIN));
	set_option(fd, SOL_SOCKET, SO_PEEK_OFF, 4);
	GIVES(0, repair(fd, 1));
	GIVES(3, peek(fd, QUEUE_RECEIVE, got, 3));
	HOLDS(is_pattern(got, 4, 3));
	GIVES(7, get_option(fd, SOL_SOCKET, SO_PEEK_OFF));
	GIVES(3, peek(fd, QUEUE_RECEIVE, got, sizeof(got)));
	FAILS(EAGAIN, peek(fd, QUEUE_RECEIVE, got, sizeof(got)));
	GIVES(0, repair(fd, -1));
	GIVES(10, recv(fd, got, sizeof(got), 0));
}

/* Nothing asks for the cookie's or the address's sake. */
static void
write_flags(void)
{
	struct pair pair = connect_pair(AF_INET);
	struct tuple tuple = tuple_of(pair.fd);
	int fd;

	GIVES(0, repair(pair.fd, 1));
	GIVES(0, close(pair.fd));
	fd = revive(&tuple, 7, 7);
	GIVES(0, choose(fd, QUEUE_NONE));
	FAILS(EINVAL, send(fd, "abc", 3, MSG_FASTOPEN));
	GIVES(0, choose(fd, QUEUE_SEND));
	GIVES(3, send(fd, pattern_bytes(0, 3), 3, MSG_FASTOPEN));
	GIVES(2, sendto(fd, pattern_bytes(3, 2), 2, 0, &tuple.peer.any, tuple.peer.bytes));
	queue_holds(fd, QUEUE_SEND, 0, 5);
	GIVES(0, choose(fd, QUEUE_RECEIVE));
	GIVES(3, send(fd, pattern_bytes(0, 3), 3, MSG_FASTOPEN));
	queue_holds(fd, QUEUE_RECEIVE, 0, 3);
	GIVES(STATE_ESTABLISHED, state_of(fd));
}

const struct compare_case compare_repair_queue_cases[] = {
	{"read_permission", read_permission}, {"read_receive_queue", read_receive_queue},
	{"read_waits", read_waits},           {"read_send_queue", read_send_queue},
	{"read_pieces", read_pieces},         {"read_from_offset", read_from_offset},
	{"read_states", read_states},         {"write_states", write_states},
	{"write_child", write_child},         {"write_needs_queue", write_needs_queue},
	{"write_queues", write_queues},       {"write_sizes", write_sizes},
	{"write_full", write_full},           {"write_behind", write_behind},
	{"write_flags", write_flags},         {0},
};
