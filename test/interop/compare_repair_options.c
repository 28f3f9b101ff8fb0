/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The comparison test's cases of repair's options: which values, of which length, in which state
 * and order, and what of them is read back.
 */
#include <string.h>
#include <unistd.h>

#include "compare_repair.h"

/* ---- TCP_REPAIR_QUEUE */

static void
queue_values(void)
{
	struct pair pair = connect_pair(AF_INET);
	int fd = pair.fd;

	FAILS(EPERM, choose(fd, QUEUE_SEND));
	FAILS(EPERM, choose(fd, 7));
	FAILS(EINVAL, set_sized(fd, IPPROTO_TCP, TCP_REPAIR_QUEUE, 1, 3));
	FAILS(EINVAL, get_option(fd, IPPROTO_TCP, TCP_REPAIR_QUEUE));
	GIVES(0, repair(fd, 1));
	GIVES(QUEUE_NONE, get_option(fd, IPPROTO_TCP, TCP_REPAIR_QUEUE));
	for (int queue = QUEUE_NONE; queue <= QUEUE_SEND; queue++) {
		GIVES(0, choose(fd, queue));
		GIVES(queue, get_option(fd, IPPROTO_TCP, TCP_REPAIR_QUEUE));
	}
	FAILS(EINVAL, choose(fd, 3));
	FAILS(EINVAL, choose(fd, -1));
	FAILS(EINVAL, set_sized(fd, IPPROTO_TCP, TCP_REPAIR_QUEUE, 1, 3));
	FAILS(EFAULT, setsockopt(fd, IPPROTO_TCP, TCP_REPAIR_QUEUE, NULL, 4));
	GIVES(QUEUE_SEND, get_option(fd, IPPROTO_TCP, TCP_REPAIR_QUEUE));
	GIVES(0, set_sized(fd, IPPROTO_TCP, TCP_REPAIR_QUEUE, QUEUE_RECEIVE, 8));
	GIVES(QUEUE_RECEIVE, get_option(fd, IPPROTO_TCP, TCP_REPAIR_QUEUE));
	GIVES(4, get_sized(fd, IPPROTO_TCP, TCP_REPAIR_QUEUE, 8));
	GIVES(1, get_sized(fd, IPPROTO_TCP, TCP_REPAIR_QUEUE, 1));
	GIVES(0, get_sized(fd, IPPROTO_TCP, TCP_REPAIR_QUEUE, 0));
	FAILS(EINVAL, get_sized(fd, IPPROTO_TCP, TCP_REPAIR_QUEUE, (socklen_t)-1));
	/* On again: none is chosen. */
	GIVES(0, repair(fd, 1));
	GIVES(QUEUE_NONE, get_option(fd, IPPROTO_TCP, TCP_REPAIR_QUEUE));
	GIVES(0, choose(fd, QUEUE_SEND));
	GIVES(0, repair(fd, -1));
	FAILS(EINVAL, get_option(fd, IPPROTO_TCP, TCP_REPAIR_QUEUE));
	FAILS(EPERM, choose(fd, QUEUE_NONE));
	GIVES(0, repair(fd, 1));
	GIVES(QUEUE_NONE, get_option(fd, IPPROTO_TCP, TCP_REPAIR_QUEUE));
}

static void
queue_states(void)
{
	for (const int *state = repair_states; *state != 0; state++) {
		int fd = in_state(AF_INET, *state).fd;

		compare_about(state_name(*state));
		FAILS(EPERM, choose(fd, QUEUE_SEND));
		FAILS(EINVAL, get_option(fd, IPPROTO_TCP, TCP_REPAIR_QUEUE));
		GIVES(0, repair(fd, 1));
		GIVES(0, choose(fd, QUEUE_SEND));
		GIVES(QUEUE_SEND, get_option(fd, IPPROTO_TCP, TCP_REPAIR_QUEUE));
		GIVES(0, choose(fd, QUEUE_RECEIVE));
		FAILS(EINVAL, choose(fd, 3));
		GIVES(QUEUE_RECEIVE, get_option(fd, IPPROTO_TCP, TCP_REPAIR_QUEUE));
		hear();
	}
}

/* ---- TCP_QUEUE_SEQ */

static void
seq_closed(void)
{
	int fd = new_socket(AF_INET, 0);

	FAILS(EINVAL, get_option(fd, IPPROTO_TCP, TCP_QUEUE_SEQ));
	FAILS(EINVAL, set_sized(fd, IPPROTO_TCP, TCP_QUEUE_SEQ, 5, 4));
	GIVES(0, repair(fd, 1));
	FAILS(EINVAL, get_option(fd, IPPROTO_TCP, TCP_QUEUE_SEQ));
	FAILS(EINVAL, set_sized(fd, IPPROTO_TCP, TCP_QUEUE_SEQ, 5, 4));
	GIVES(0, choose(fd, QUEUE_SEND));
	GIVES(0, get_option(fd, IPPROTO_TCP, TCP_QUEUE_SEQ));
	GIVES(0, set_seq(fd, QUEUE_SEND, 0xffffffff));
	GIVES(0, set_seq(fd, QUEUE_RECEIVE, 0x80000001));
	HOLDS(get_seq(fd, QUEUE_SEND) == 0xffffffff);
	HOLDS(get_seq(fd, QUEUE_RECEIVE) == 0x80000001);
	GIVES(0, set_seq(fd, QUEUE_SEND, 0));
	HOLDS(get_seq(fd, QUEUE_SEND) == 0);
	GIVES(0, set_seq(fd, QUEUE_SEND, 77));
	FAILS(EINVAL, set_sized(fd, IPPROTO_TCP, TCP_QUEUE_SEQ, 5, 0));
	FAILS(EINVAL, set_sized(fd, IPPROTO_TCP, TCP_QUEUE_SEQ, 5, 3));
	FAILS(EFAULT, setsockopt(fd, IPPROTO_TCP, TCP_QUEUE_SEQ, NULL, 4));
	HOLDS(get_seq(fd, QUEUE_SEND) == 77);
	GIVES(0, set_sized(fd, IPPROTO_TCP, TCP_QUEUE_SEQ, 78, 8));
	HOLDS(get_seq(fd, QUEUE_SEND) == 78);
	GIVES(4, get_sized(fd, IPPROTO_TCP, TCP_QUEUE_SEQ, 8));
	GIVES(2, get_sized(fd, IPPROTO_TCP, TCP_QUEUE_SEQ, 2));
	GIVES(0, get_sized(fd, IPPROTO_TCP, TCP_QUEUE_SEQ, 0));
	FAILS(EINVAL, get_sized(fd, IPPROTO_TCP, TCP_QUEUE_SEQ, (socklen_t)-1));
	/* Set again and again. */
	GIVES(0, set_seq(fd, QUEUE_RECEIVE, 1));
	GIVES(0, set_seq(fd, QUEUE_RECEIVE, 2));
	HOLDS(get_seq(fd, QUEUE_RECEIVE) == 2);
	GIVES(0, repair(fd, 0));
	GIVES(0, repair(fd, 1));
	FAILS(EINVAL, get_option(fd, IPPROTO_TCP, TCP_QUEUE_SEQ));
	HOLDS(get_seq(fd, QUEUE_SEND) == 78);
	HOLDS(get_seq(fd, QUEUE_RECEIVE) == 2);
}

static void
seq_states(void)
{
	for (const int *state = repair_states + 1; *state != 0; state++) {
		int fd = in_state(AF_INET, *state).fd;
		uint32_t send, receive;

		compare_about(state_name(*state));
		FAILS(EPERM, set_sized(fd, IPPROTO_TCP, TCP_QUEUE_SEQ, 5, 4));
		FAILS(EINVAL, get_option(fd, IPPROTO_TCP, TCP_QUEUE_SEQ));
		GIVES(0, repair(fd, 1));
		FAILS(EPERM, set_sized(fd, IPPROTO_TCP, TCP_QUEUE_SEQ, 5, 4));
		FAILS(EINVAL, set_sized(fd, IPPROTO_TCP, TCP_QUEUE_SEQ, 5, 3));
		send = get_seq(fd, QUEUE_SEND);
		receive = get_seq(fd, QUEUE_RECEIVE);
		FAILS(EPERM, set_seq(fd, QUEUE_SEND, 5));
		FAILS(EPERM, set_seq(fd, QUEUE_RECEIVE, 5));
		HOLDS(get_seq(fd, QUEUE_SEND) == send);
		HOLDS(get_seq(fd, QUEUE_RECEIVE) == receive);
		hear();
	}
}

/* They go on by what was sent and received, each FIN counts. */
static void
seq_advances(void)
{
	struct pair pair = connect_pair(AF_INET);
	int fd = pair.fd;
	uint32_t send_seq, receive;

	GIVES(0, repair(fd, 1));
	send_seq = get_seq(fd, QUEUE_SEND);
	receive = get_seq(fd, QUEUE_RECEIVE);
	GIVES(0, repair(fd, -1));
	GIVES(7, send(fd, pattern_bytes(0, 7), 7, 0));
	GIVES(7, peer_receive(pair.peer, 7));
	GIVES(5, peer_send(pair.peer, 5, 0));
	HOLDS(await(fd, POLLIN));
	GIVES(0, repair(fd, 1));
	GIVES(7, get_seq(fd, QUEUE_SEND) - send_seq);
	GIVES(5, get_seq(fd, QUEUE_RECEIVE) - receive);
	GIVES(0, repair(fd, -1));
	GIVES(0, shutdown(fd, SHUT_WR));
	GIVES(0, peer_at_end(pair.peer));
	GIVES(0, peer_shutdown(pair.peer, SHUT_WR));
	HOLDS(await(fd, POLLRDHUP));
	sleep_ms(20);
	/* That was TIME-WAIT: the socket knows nothing of it any more. */
	GIVES(STATE_CLOSE, state_of(fd));
}

static void
seq_counts_fins(void)
{
	struct pair pair = connect_pair(AF_INET);
	int fd = pair.fd;
	uint32_t send_seq, receive;

	GIVES(0, repair(fd, 1));
	send_seq = get_seq(fd, QUEUE_SEND);
	receive = get_seq(fd, QUEUE_RECEIVE);
	GIVES(0, repair(fd, -1));
	GIVES(0, peer_shutdown(pair.peer, SHUT_WR));
	HOLDS(await(fd, POLLRDHUP));
	deafen_peer();
	GIVES(0, shutdown(fd, SHUT_WR));
	GIVES(STATE_LAST_ACK, state_of(fd));
	GIVES(0, repair(fd, 1));
	GIVES(1, get_seq(fd, QUEUE_SEND) - send_seq);
	GIVES(1, get_seq(fd, QUEUE_RECEIVE) - receive);
	GIVES(0, choose(fd, QUEUE_NONE));
	FAILS(EINVAL, get_option(fd, IPPROTO_TCP, TCP_QUEUE_SEQ));
	hear();
}

/* What is not sent yet counts, too. */
static void
seq_counts_unsent(void)
{
	struct pair pair = connect_pair(AF_INET);
	int fd = pair.fd;
	uint32_t before;
	size_t n;

	GIVES(0, repair(fd, 1));
	before = get_seq(fd, QUEUE_SEND);
	GIVES(0, repair(fd, -1));
	n = fill(fd);
	GIVES(0, repair(fd, 1));
	GIVES(n, get_seq(fd, QUEUE_SEND) - before);
}

/* ---- TCP_REPAIR_OPTIONS */

static void
options_values(void)
{
	int fd = connect_pair(AF_INET).fd;
	struct tcp_info info;

	FAILS(EINVAL, give_option(fd, 4, 0));
	FAILS(EINVAL, set_sized(fd, IPPROTO_TCP, TCP_REPAIR_OPTIONS, 0, 0));
	GIVES(0, repair(fd, 1));
	GIVES(0, give_option(fd, 4, 0));
	GIVES(0, give_option(fd, 8, 0));
	FAILS(EINVAL, give_option(fd, 4, 1));
	FAILS(EINVAL, give_option(fd, 8, 1));
	FAILS(EINVAL, give_option(fd, 8, 0x10000));
	GIVES(0, give_option(fd, 3, 14 | 14 << 16));
	info = info_of(fd);
	GIVES(14, info.tcpi_snd_wscale);
	GIVES(14, info.tcpi_rcv_wscale);
	FAILS(EFBIG, give_option(fd, 3, 15));
	FAILS(EFBIG, give_option(fd, 3, 15 << 16));
	FAILS(EFBIG, give_option(fd, 3, 0x100));
	GIVES(0, give_option(fd, 3, 2 | 5 << 16));
	info = info_of(fd);
	GIVES(2, info.tcpi_snd_wscale);
	GIVES(5, info.tcpi_rcv_wscale);
	GIVES(0, give_option(fd, 99, 12345));
	GIVES(0, give_option(fd, 0, 0));
	GIVES(0, give_option(fd, 1, 1));
	GIVES(0, give_option(fd, 2, 1000));
	GIVES(1000, get_option(fd, IPPROTO_TCP, TCP_MAXSEG));
	FAILS(EFAULT, setsockopt(fd, IPPROTO_TCP, TCP_REPAIR_OPTIONS, NULL, 8));
	FAILS(ENOPROTOOPT, get_sized(fd, IPPROTO_TCP, TCP_REPAIR_OPTIONS, 8));
}

/* Pairs of eight bytes; what remains is not looked at, but there must be room for a number. */
static void
options_lengths(void)
{
	int fd = connect_pair(AF_INET).fd;
	struct tcp_repair_opt options[3] = {{2, 900}, {4, 7}, {2, 800}};

	GIVES(0, repair(fd, 1));
	FAILS(EINVAL, setsockopt(fd, IPPROTO_TCP, TCP_REPAIR_OPTIONS, options, 0));
	FAILS(EINVAL, setsockopt(fd, IPPROTO_TCP, TCP_REPAIR_OPTIONS, options, 3));
	GIVES(0, setsockopt(fd, IPPROTO_TCP, TCP_REPAIR_OPTIONS, options, 4));
	GIVES(0, setsockopt(fd, IPPROTO_TCP, TCP_REPAIR_OPTIONS, options, 7));
	GIVES(MSS4, get_option(fd, IPPROTO_TCP, TCP_MAXSEG));
	GIVES(0, setsockopt(fd, IPPROTO_TCP, TCP_REPAIR_OPTIONS, options, 15));
	GIVES(900, get_option(fd, IPPROTO_TCP, TCP_MAXSEG));
	options[0].opt_val = 950;
	/* The first that is wrong ends it; those before it hold. */
	FAILS(EINVAL, setsockopt(fd, IPPROTO_TCP, TCP_REPAIR_OPTIONS, options, sizeof(options)));
	GIVES(950, get_option(fd, IPPROTO_TCP, TCP_MAXSEG));
	options[1].opt_val = 0;
	GIVES(0, setsockopt(fd, IPPROTO_TCP, TCP_REPAIR_OPTIONS, options, sizeof(options)));
	GIVES(800, get_option(fd, IPPROTO_TCP, TCP_MAXSEG));
}

static void
options_states(void)
{
	for (const int *state = repair_states; *state != 0; state++) {
		int fd = in_state(AF_INET, *state).fd;

		compare_about(state_name(*state));
		FAILS(EINVAL, give_option(fd, 4, 0));
		GIVES(0, repair(fd, 1));
		FAILS(EINVAL, set_sized(fd, IPPROTO_TCP, TCP_REPAIR_OPTIONS, 0, 0));
		if (*state == STATE_ESTABLISHED) {
			GIVES(0, give_option(fd, 4, 0));
			GIVES(0, give_option(fd, 99, 0));
			FAILS(EINVAL, give_option(fd, 4, 1));
		} else {
			FAILS(EPERM, give_option(fd, 4, 0));
			FAILS(EPERM, give_option(fd, 4, 1));
		}
		hear();
	}
}

/* Received bytes are no obstacle, sent ones are, acknowledged or not. */
static void
options_later(void)
{
	struct pair pair = connect_pair(AF_INET);
	int fd = pair.fd;

	GIVES(5, peer_send(pair.peer, 5, 0));
	HOLDS(await(fd, POLLIN));
	GIVES(0, repair(fd, 1));
	GIVES(0, give_option(fd, 4, 0));
	GIVES(0, repair(fd, -1));
	GIVES(3, send(fd, pattern_bytes(0, 3), 3, 0));
	GIVES(3, peer_receive(pair.peer, 3));
	sleep_ms(20);
	GIVES(0, repair(fd, 1));
	FAILS(EPERM, give_option(fd, 4, 0));
}

/* A restored one begins without any. */
static void
options_of_a_restored_one(void)
{
	struct pair pair = connect_pair(AF_INET);
	struct tuple tuple = tuple_of(pair.fd);
	uint32_t send_seq, receive;
	struct tcp_info info, after;
	int fd, timestamp;

	GIVES(0, repair(pair.fd, 1));
	info = info_of(pair.fd);
	timestamp = get_option(pair.fd, IPPROTO_TCP, TCP_TIMESTAMP);
	GIVES(MSS4, get_option(pair.fd, IPPROTO_TCP, TCP_MAXSEG));
	send_seq = get_seq(pair.fd, QUEUE_SEND);
	receive = get_seq(pair.fd, QUEUE_RECEIVE);
	GIVES(0, close(pair.fd));
	fd = revive(&tuple, receive, send_seq);
	after = info_of(fd);
	GIVES(0, after.tcpi_options &
			 (TCPI_OPT_TIMESTAMPS | TCPI_OPT_SACK | TCPI_OPT_WSCALE | TCPI_OPT_ECN));
	GIVES(0, give_options(fd, &info, MSS4));
	set_option(fd, IPPROTO_TCP, TCP_TIMESTAMP, timestamp);
	after = info_of(fd);
	GIVES(info.tcpi_options & (TCPI_OPT_TIMESTAMPS | TCPI_OPT_SACK | TCPI_OPT_WSCALE),
	      after.tcpi_options & (TCPI_OPT_TIMESTAMPS | TCPI_OPT_SACK | TCPI_OPT_WSCALE));
	GIVES(info.tcpi_snd_wscale, after.tcpi_snd_wscale);
	GIVES(info.tcpi_rcv_wscale, after.tcpi_rcv_wscale);
	GIVES(MSS4, get_option(fd, IPPROTO_TCP, TCP_MAXSEG));
	HOLDS(get_seq(fd, QUEUE_SEND) == send_seq);
	HOLDS(get_seq(fd, QUEUE_RECEIVE) == receive);
	GIVES(0, repair(fd, 0));
	GIVES(9, send(fd, pattern_bytes(0, 9), 9, 0));
	GIVES(9, peer_receive(pair.peer, 9));
	GIVES(9, peer_send(pair.peer, 9, 0));
	HOLDS(await(fd, POLLIN));
}

/* ---- TCP_MAXSEG */

static void
maxseg_in_repair(void)
{
	struct pair pair = connect_pair(AF_INET), six = connect_pair(AF_INET6);
	int fresh = new_socket(AF_INET, 0);

	GIVES(MTU_PAYLOAD4, get_option(pair.fd, IPPROTO_TCP, TCP_MAXSEG));
	GIVES(0, repair(pair.fd, 1));
	GIVES(MSS4, get_option(pair.fd, IPPROTO_TCP, TCP_MAXSEG));
	GIVES(0, repair(pair.fd, -1));
	GIVES(MTU_PAYLOAD4, get_option(pair.fd, IPPROTO_TCP, TCP_MAXSEG));
	GIVES(0, repair(six.fd, 1));
	GIVES(MSS4 - 20, get_option(six.fd, IPPROTO_TCP, TCP_MAXSEG));
	GIVES(536, get_option(fresh, IPPROTO_TCP, TCP_MAXSEG));
	GIVES(0, repair(fresh, 1));
	GIVES(0, get_option(fresh, IPPROTO_TCP, TCP_MAXSEG));
}

/* ---- TCP_TIMESTAMP */

static void
timestamp_values(void)
{
	struct pair pair = connect_pair(AF_INET);
	int fd = pair.fd, before, after;

	FAILS(EPERM, set_sized(fd, IPPROTO_TCP, TCP_TIMESTAMP, 2, 4));
	FAILS(EINVAL, set_sized(fd, IPPROTO_TCP, TCP_TIMESTAMP, 2, 3));
	before = get_option(fd, IPPROTO_TCP, TCP_TIMESTAMP);
	GIVES(0, before & 1);
	sleep_ms(20);
	after = get_option(fd, IPPROTO_TCP, TCP_TIMESTAMP);
	HOLDS(after - before >= 18 && after - before < 500);
	GIVES(0, repair(fd, 1));
	FAILS(EINVAL, set_sized(fd, IPPROTO_TCP, TCP_TIMESTAMP, 2, 3));
	FAILS(EFAULT, setsockopt(fd, IPPROTO_TCP, TCP_TIMESTAMP, NULL, 4));
	GIVES(0, set_sized(fd, IPPROTO_TCP, TCP_TIMESTAMP, 1000000, 4));
	after = get_option(fd, IPPROTO_TCP, TCP_TIMESTAMP);
	HOLDS(after >= 1000000 && after < 1000500);
	GIVES(0, after & 1);
	GIVES(0, set_sized(fd, IPPROTO_TCP, TCP_TIMESTAMP, -500, 4));
	after = get_option(fd, IPPROTO_TCP, TCP_TIMESTAMP);
	HOLDS(after >= -500 && after < 0);
	GIVES(0, set_sized(fd, IPPROTO_TCP, TCP_TIMESTAMP, 4000, 8));
	GIVES(4, get_sized(fd, IPPROTO_TCP, TCP_TIMESTAMP, 8));
	GIVES(2, get_sized(fd, IPPROTO_TCP, TCP_TIMESTAMP, 2));
	GIVES(0, repair(fd, -1));
	FAILS(EPERM, set_sized(fd, IPPROTO_TCP, TCP_TIMESTAMP, 2, 4));
	after = get_option(fd, IPPROTO_TCP, TCP_TIMESTAMP);
	HOLDS(after >= 4000 && after < 4500);
	GIVES(0, repair(fd, 1)); /* goes silently: to its peer its clock is wrong */
}

/* Got always, set in repair in any state. */
static void
timestamp_states(void)
{
	for (const int *state = repair_states; *state != 0; state++) {
		int fd = in_state(AF_INET, *state).fd, got;

		compare_about(state_name(*state));
		GIVES(4, get_sized(fd, IPPROTO_TCP, TCP_TIMESTAMP, 4));
		FAILS(EPERM, set_sized(fd, IPPROTO_TCP, TCP_TIMESTAMP, 2, 4));
		GIVES(0, repair(fd, 1));
		GIVES(0, set_sized(fd, IPPROTO_TCP, TCP_TIMESTAMP, 30000, 4));
		got = get_option(fd, IPPROTO_TCP, TCP_TIMESTAMP);
		HOLDS(got >= 30000 && got < 30500);
		hear();
	}
}

/* ---- TCP_REPAIR_WINDOW */

enum {
	WINDOW_BYTES = sizeof(struct tcp_repair_window),
};

static int
set_window_sized(int fd, socklen_t bytes)
{
	char room[64] = {0};

	return setsockopt(fd, IPPROTO_TCP, TCP_REPAIR_WINDOW, room, bytes);
}

/* Getting looks at the length first, setting at the mode. */
static void
window_lengths(void)
{
	int fd = connect_pair(AF_INET).fd;
	socklen_t bytes = WINDOW_BYTES;

	FAILS(EINVAL, set_window_sized(fd, 3));
	FAILS(EPERM, set_window_sized(fd, 4));
	FAILS(EPERM, set_window_sized(fd, WINDOW_BYTES));
	FAILS(EINVAL, get_sized(fd, IPPROTO_TCP, TCP_REPAIR_WINDOW, 4));
	FAILS(EINVAL, get_sized(fd, IPPROTO_TCP, TCP_REPAIR_WINDOW, WINDOW_BYTES + 1));
	FAILS(EPERM, get_sized(fd, IPPROTO_TCP, TCP_REPAIR_WINDOW, WINDOW_BYTES));
	GIVES(0, repair(fd, 1));
	FAILS(EINVAL, set_window_sized(fd, 3));
	FAILS(EINVAL, set_window_sized(fd, 4));
	FAILS(EINVAL, set_window_sized(fd, WINDOW_BYTES - 1));
	FAILS(EINVAL, set_window_sized(fd, WINDOW_BYTES + 1));
	FAILS(EINVAL, get_sized(fd, IPPROTO_TCP, TCP_REPAIR_WINDOW, 0));
	FAILS(EINVAL, get_sized(fd, IPPROTO_TCP, TCP_REPAIR_WINDOW, WINDOW_BYTES - 1));
	FAILS(EINVAL, get_sized(fd, IPPROTO_TCP, TCP_REPAIR_WINDOW, WINDOW_BYTES + 1));
	GIVES(WINDOW_BYTES, get_sized(fd, IPPROTO_TCP, TCP_REPAIR_WINDOW, WINDOW_BYTES));
	FAILS(EFAULT, setsockopt(fd, IPPROTO_TCP, TCP_REPAIR_WINDOW, NULL, WINDOW_BYTES));
	FAILS(EFAULT, getsockopt(fd, IPPROTO_TCP, TCP_REPAIR_WINDOW, NULL, &bytes));
}

/* Set is what was got, and each relation is looked at. */
static void
window_values(void)
{
	struct pair pair = connect_pair(AF_INET);
	struct tcp_repair_window first, window, after;
	int fd = pair.fd;
	uint32_t receive;

	GIVES(5, peer_send(pair.peer, 5, 0));
	HOLDS(await(fd, POLLIN));
	GIVES(0, repair(fd, 1));
	receive = get_seq(fd, QUEUE_RECEIVE);
	first = window = window_of(fd);
	HOLDS(window.max_window >= window.snd_wnd && window.snd_wnd > 0);
	HOLDS(window.rcv_wnd > 0);
	HOLDS((int32_t)(receive - window.rcv_wup) >= 0 && receive - window.rcv_wup <= 5);
	GIVES(0, set_window(fd, &window));
	after = window_of(fd);
	HOLDS(memcmp(&after, &window, sizeof(after)) == 0);
	window.snd_wnd = window.max_window + 1;
	FAILS(EINVAL, set_window(fd, &window));
	window = first;
	window.snd_wl1 = receive + window.rcv_wnd + 1;
	FAILS(EINVAL, set_window(fd, &window));
	window = first;
	window.rcv_wup = receive + 1;
	FAILS(EINVAL, set_window(fd, &window));
	after = window_of(fd);
	HOLDS(memcmp(&after, &first, sizeof(after)) == 0);
	window = (struct tcp_repair_window){.snd_wl1 = receive + 3000,
					    .snd_wnd = 12345,
					    .max_window = 12345,
					    .rcv_wnd = 3000,
					    .rcv_wup = receive};
	GIVES(0, set_window(fd, &window));
	after = window_of(fd);
	HOLDS(memcmp(&after, &window, sizeof(after)) == 0);
	window.snd_wnd = window.max_window = window.rcv_wnd = 0;
	window.snd_wl1 = receive;
	window.rcv_wup = receive - 1000;
	GIVES(0, set_window(fd, &window));
	after = window_of(fd);
	HOLDS(memcmp(&after, &window, sizeof(after)) == 0);
	GIVES(0, set_window(fd, &first));
}

static void
window_states(void)
{
	for (const int *state = repair_states; *state != 0; state++) {
		int fd = in_state(AF_INET, *state).fd;
		struct tcp_repair_window window, after;

		compare_about(state_name(*state));
		FAILS(EPERM, set_window_sized(fd, WINDOW_BYTES));
		FAILS(EINVAL, get_sized(fd, IPPROTO_TCP, TCP_REPAIR_WINDOW, 5));
		GIVES(0, repair(fd, 1));
		window = window_of(fd);
		GIVES(0, set_window(fd, &window));
		after = window_of(fd);
		HOLDS(memcmp(&after, &window, sizeof(after)) == 0);
		hear();
	}
}

const struct compare_case compare_repair_options_cases[] = {
	{"queue_values", queue_values},
	{"queue_states", queue_states},
	{"seq_closed", seq_closed},
	{"seq_states", seq_states},
	{"seq_advances", seq_advances},
	{"seq_counts_fins", seq_counts_fins},
	{"seq_counts_unsent", seq_counts_unsent},
	{"options_values", options_values},
	{"options_lengths", options_lengths},
	{"options_states", options_states},
	{"options_later", options_later},
	{"options_of_a_restored_one", options_of_a_restored_one},
	{"maxseg_in_repair", maxseg_in_repair},
	{"timestamp_values", timestamp_values},
	{"timestamp_states", timestamp_states},
	{"window_lengths", window_lengths},
	{"window_values", window_values},
	{"window_states", window_states},
	{0},
};
