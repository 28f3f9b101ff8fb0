/* SPDX-License-Identifier: BSD-3-Clause */
/* What the comparison test's cases of repair share. */
#ifndef TERN_TEST_COMPARE_REPAIR_H
#define TERN_TEST_COMPARE_REPAIR_H

#include "compare_fastopen.h"

enum {
	STATE_SYN_RECEIVED = 3,
	STATE_FIN_WAIT_1 = 4,
	STATE_FIN_WAIT_2 = 5,
	STATE_CLOSE_WAIT = 8,
	STATE_LAST_ACK = 9,
	STATE_CLOSING = 11,

	QUEUE_NONE = 0,
	QUEUE_RECEIVE = 1,
	QUEUE_SEND = 2,

	MSS4 = 1460,
	MTU_PAYLOAD4 = 1448, /* with timestamps */
	GREETING = 9,        /* bytes of goes_on() */
};

/* Those that a socket of ours can be in but for LISTEN, CLOSED first; the last is 0. */
extern const int repair_states[];
const char *state_name(int state);

/*
 * A socket in this state. In those that wait for something of the peer, its side is deaf or silent:
 * hear() ends that, and each case that makes such states calls it at its end. In CLOSED and
 * SYN-SENT there is no handle.
 */
struct pair in_state(int family, int state);
void hear(void);

/* The peer does not get what we send; what it sends but for SYNs gets lost. */
void deafen_peer(void);
void silence_peer(void);

int repair(int fd, int value);
int choose(int fd, int queue);
int set_seq(int fd, int queue, uint32_t seq);
uint32_t get_seq(int fd, int queue);
int get_sized(int fd, int level, int name, socklen_t bytes); /* with so long a value */
int set_sized(int fd, int level, int name, int value, socklen_t bytes);
int queued(int fd, unsigned long request); /* SIOCINQ and so on */

struct tcp_repair_window window_of(int fd);
int set_window(int fd, const struct tcp_repair_window *window);

/* TCP_REPAIR_OPTIONS of one pair, and of what a connection of ours has agreed on. */
int give_option(int fd, uint32_t code, uint32_t value);
int give_options(int fd, const struct tcp_info *info, int maxseg);

/* What poll() says now. */
short polled(int fd);

/* A connection's outer side. */
struct tuple {
	struct address own, peer;
};
struct tuple tuple_of(int fd);

/* A socket in repair, bound there, with sequence numbers; connected. */
int repairing(const struct tuple *tuple, uint32_t receive, uint32_t send);
int revive(const struct tuple *tuple, uint32_t receive, uint32_t send);

/* A connection with its numbers; the socket has gone, silently. */
struct remains {
	struct tuple tuple;
	struct tcp_info info;
	struct tcp_repair_window window;
	uint32_t receive, send;
	int peer, timestamp;
};

struct remains take_away(struct pair pair);
/* In repair still, as it was but for so many bytes less in each direction. */
int bring_back(const struct remains *r, uint32_t received, uint32_t sent);
/* Both, of one without anything in its queues. */
int reincarnate(struct pair pair);

/* Some bytes each way; `sent` and `received` are what went before. */
void goes_on(int fd, int peer, size_t sent, size_t received);

#endif
