/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The comparison test's cases of leaving repair: what the peer sees then, what is ready, and that
 * the connection goes on.
 */
#include <linux/sockios.h>
#include <stddef.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "compare_repair.h"

enum {
	ROOM = 64,
	SOON_MS = 100,
	SEGS_IN = offsetof(struct tcp_info, tcpi_segs_in),
};

/* In ESTABLISHED 0 asks the peer, whose answer comes; -1 says nothing, nor does any other state. */
static void
leave_probes(int family)
{
	struct pair pair = connect_pair(family);
	int fd = pair.fd, out, in;

	sleep_ms(SOON_MS);
	out = (int)info_of(fd).tcpi_segs_out;
	in = peer_field(pair.peer, SEGS_IN, 4);
	GIVES(0, repair(fd, 1));
	GIVES(0, repair(fd, -1));
	GIVES(out, info_of(fd).tcpi_segs_out);
	GIVES(0, repair(fd, 1));
	GIVES(0, repair(fd, 0));
	GIVES(out + 1, info_of(fd).tcpi_segs_out);
	sleep_ms(20);
	GIVES(in + 1, peer_field(pair.peer, SEGS_IN, 4));
	/* Without repair before, too. */
	GIVES(0, repair(fd, 0));
	sleep_ms(20);
	GIVES(out + 2, info_of(fd).tcpi_segs_out);
	GIVES(in + 2, peer_field(pair.peer, SEGS_IN, 4));
	GIVES(STATE_ESTABLISHED, state_of(fd));
	goes_on(fd, pair.peer, 0, 0);
}

static void
leave_probes4(void)
{
	leave_probes(AF_INET);
}

static void
leave_probes6(void)
{
	leave_probes(AF_INET6);
}

static void
leave_other_states(void)
{
	static const int states[] = {STATE_FIN_WAIT_2, STATE_CLOSE_WAIT};

	for (size_t i = 0; i < 2; i++) {
		struct pair pair = in_state(AF_INET, states[i]);
		int out, in;

		compare_about(state_name(states[i]));
		sleep_ms(SOON_MS);
		out = (int)info_of(pair.fd).tcpi_segs_out;
		in = peer_field(pair.peer, SEGS_IN, 4);
		GIVES(0, repair(pair.fd, 1));
		GIVES(0, repair(pair.fd, 0));
		GIVES(0, repair(pair.fd, 1));
		GIVES(0, repair(pair.fd, -1));
		sleep_ms(20);
		GIVES(out, info_of(pair.fd).tcpi_segs_out);
		GIVES(in, peer_field(pair.peer, SEGS_IN, 4));
	}
}

/* What comes in repair is Linux's at once, and Tern's when the peer repeats it. */
static void
leave_after_arrival(void)
{
	struct pair pair = connect_pair(AF_INET);
	uint8_t got[ROOM];
	int fd = pair.fd;

	GIVES(0, repair(fd, 1));
	GIVES(5, peer_send(pair.peer, 5, 0));
	sleep_ms(20);
	GIVES(DIFFERS(5, 0), queued(fd, SIOCINQ));
	POLLS(DIFFERS(CAN_READ | CAN_WRITE, CAN_WRITE), fd);
	GIVES(0, repair(fd, 0));
	GIVES(5, recv(fd, got, 5, MSG_WAITALL));
	goes_on(fd, pair.peer, 0, 5);
}

/* The peer has all of the send queue: its answer says so, and nothing is sent twice. */
static void
leave_with_what_the_peer_has(void)
{
	struct pair pair = connect_pair(AF_INET);
	struct remains r;
	int fd;

	GIVES(20, send(pair.fd, pattern_bytes(0, 20), 20, 0));
	GIVES(20, peer_receive(pair.peer, 20));
	r = take_away(pair);
	fd = bring_back(&r, 0, 20);
	GIVES(0, choose(fd, QUEUE_SEND));
	GIVES(20, send(fd, pattern_bytes(0, 20), 20, 0));
	/* That was no transmission: the options may come after it. */
	GIVES(0, give_option(fd, 99, 0));
	GIVES(20, queued(fd, SIOCOUTQ));
	GIVES(1, info_of(fd).tcpi_unacked);
	GIVES(0, set_window(fd, &r.window));
	GIVES(0, repair(fd, 0));
	sleep_ms(20);
	GIVES(0, queued(fd, SIOCOUTQ));
	GIVES(0, info_of(fd).tcpi_unacked);
	GIVES(0, info_of(fd).tcpi_total_retrans);
	GIVES(1, info_of(fd).tcpi_segs_out);
	goes_on(fd, pair.peer, 20, 0);
}

/* It has none: it is sent again as after a loss. And what was received is there to be read. */
static void
leave_with_both_queues(void)
{
	struct pair pair = connect_pair(AF_INET);
	struct remains r;
	uint8_t got[ROOM];
	int fd;

	GIVES(20, peer_send(pair.peer, 20, 0));
	HOLDS(await(pair.fd, POLLIN));
	GIVES(5, recv(pair.fd, got, 5, 0));
	deafen_peer();
	GIVES(20, send(pair.fd, pattern_bytes(0, 20), 20, 0));
	r = take_away(pair);
	hear();
	fd = bring_back(&r, 15, 20);
	GIVES(0, choose(fd, QUEUE_RECEIVE));
	GIVES(15, send(fd, pattern_bytes(5, 15), 15, 0));
	GIVES(0, choose(fd, QUEUE_SEND));
	GIVES(20, send(fd, pattern_bytes(0, 20), 20, 0));
	GIVES(0, set_window(fd, &r.window));
	POLLS(CAN_READ | CAN_WRITE, fd);
	GIVES(0, repair(fd, 0));
	GIVES(20, peer_receive(pair.peer, 20));
	GIVES(15, recv(fd, got, sizeof(got), 0));
	GIVES(0, memcmp(got, pattern_bytes(5, 15), 15));
	goes_on(fd, pair.peer, 20, 20);
}

static void
leave_restored(void)
{
	static const int families[] = {AF_INET, AF_INET6};

	for (size_t i = 0; i < 2; i++) {
		struct pair pair = connect_pair(families[i]);
		int fd;

		compare_about(families[i] == AF_INET ? "v4" : "v6");
		goes_on(pair.fd, pair.peer, 0, 0);
		fd = reincarnate(pair);
		GIVES(0, repair(fd, 0));
		goes_on(fd, pair.peer, 9, 9);
		fd = reincarnate((struct pair){.fd = fd, .peer = pair.peer});
		GIVES(0, repair(fd, -1));
		goes_on(fd, pair.peer, 18, 18);
		GIVES(0, close(fd));
		GIVES(0, peer_at_end(pair.peer));
		pair = accept_pair(families[i]);
		goes_on(pair.fd, pair.peer, 0, 0);
		fd = reincarnate(pair);
		GIVES(0, repair(fd, 0));
		goes_on(fd, pair.peer, 9, 9);
		GIVES(0, peer_shutdown(pair.peer, SHUT_WR));
		HOLDS(await(fd, POLLRDHUP));
		POLLS(CAN_READ | CAN_WRITE | POLLRDHUP, fd);
	}
}

/* ---- epoll */

static int
events_of(int set, int ms)
{
	struct epoll_event event = {0};
	int n = epoll_wait(set, &event, 1, ms);

	return n == 1 ? (int)event.events : n;
}

static int
watch(int fd, uint32_t how)
{
	struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | how};
	int set = epoll_create1(0);

	if (epoll_ctl(set, EPOLL_CTL_ADD, fd, &event) < 0)
		compare_give_up("epoll_ctl");
	return set;
}

static void
epoll_level(void)
{
	struct remains r = take_away(connect_pair(AF_INET));
	int fd = repairing(&r.tuple, r.receive, r.send), set = watch(fd, 0);

	GIVES(EPOLLOUT | EPOLLHUP, events_of(set, 0));
	GIVES(0, connect(fd, &r.tuple.peer.any, r.tuple.peer.bytes));
	GIVES(EPOLLOUT, events_of(set, 0));
	GIVES(0, choose(fd, QUEUE_RECEIVE));
	GIVES(5, send(fd, pattern_bytes(0, 5), 5, 0));
	GIVES(EPOLLIN | EPOLLOUT, events_of(set, 0));
	GIVES(0, repair(fd, -1));
	GIVES(EPOLLIN | EPOLLOUT, events_of(set, 0));
}

/* By edges: what comes while in repair, or after it, is told. */
static void
epoll_edges(void)
{
	struct pair pair = connect_pair(AF_INET);
	int fd = pair.fd, set = watch(fd, EPOLLET);
	uint8_t got[ROOM];

	GIVES(EPOLLOUT, events_of(set, 0));
	GIVES(0, events_of(set, 0));
	GIVES(0, repair(fd, 1));
	GIVES(0, events_of(set, SOON_MS));
	GIVES(5, peer_send(pair.peer, 5, 0));
	sleep_ms(20);
	GIVES(0, repair(fd, -1));
	GIVES(EPOLLIN | EPOLLOUT, events_of(set, 3000));
	GIVES(5, recv(fd, got, sizeof(got), 0));
	GIVES(5, peer_send(pair.peer, 5, 0));
	GIVES(EPOLLIN | EPOLLOUT, events_of(set, 3000));
	GIVES(5, recv(fd, got, sizeof(got), 0));
}

/* A restored one that is watched since before it was connected. */
static void
epoll_edges_restored(void)
{
	struct remains r = take_away(connect_pair(AF_INET));
	int fd = repairing(&r.tuple, r.receive, r.send), set = watch(fd, EPOLLET);
	uint8_t got[ROOM];

	GIVES(EPOLLOUT | EPOLLHUP, events_of(set, 0));
	GIVES(0, events_of(set, 0));
	GIVES(0, connect(fd, &r.tuple.peer.any, r.tuple.peer.bytes));
	/* It could be written before, as far as that goes. */
	GIVES(0, events_of(set, 0));
	GIVES(0, give_options(fd, &r.info, MSS4));
	set_option(fd, IPPROTO_TCP, TCP_TIMESTAMP, r.timestamp);
	GIVES(0, set_window(fd, &r.window));
	GIVES(0, repair(fd, 0));
	GIVES(5, peer_send(r.peer, 5, 0));
	HOLDS((events_of(set, 3000) & EPOLLIN) != 0);
	GIVES(5, recv(fd, got, sizeof(got), 0));
	goes_on(fd, r.peer, 0, 5);
}

const struct compare_case compare_repair_leave_cases[] = {
	{"leave_probes4", leave_probes4},
	{"leave_probes6", leave_probes6},
	{"leave_other_states", leave_other_states},
	{"leave_after_arrival", leave_after_arrival},
	{"leave_with_what_the_peer_has", leave_with_what_the_peer_has},
	{"leave_with_both_queues", leave_with_both_queues},
	{"leave_restored", leave_restored},
	{"epoll_level", epoll_level},
	{"epoll_edges", epoll_edges},
	{"epoll_edges_restored", epoll_edges_restored},
	{0},
};
