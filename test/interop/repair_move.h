/* SPDX-License-Identifier: BSD-3-Clause */
/* A connection dumped into a file and restored from it by plain Linux calls. See repair_dump.c. */
#ifndef TERN_TEST_REPAIR_MOVE_H
#define TERN_TEST_REPAIR_MOVE_H

#include <linux/tcp.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

enum {
	STATE_ESTABLISHED = 1,
	STATE_SYN_SENT = 2,
	STATE_FIN_WAIT_1 = 4,
	STATE_FIN_WAIT_2 = 5,
	STATE_CLOSE = 7,
	STATE_CLOSE_WAIT = 8,
	STATE_LAST_ACK = 9,
	STATE_CLOSING = 11,

	QUEUE_RECEIVE = 1,
	QUEUE_SEND = 2,
};

struct endpoint {
	socklen_t bytes;
	union {
		struct sockaddr any;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
	};
};

/* The file begins with it; the bytes of the receive and of the send queue follow. */
struct dump {
	char magic[16];
	struct endpoint own, peer;
	uint8_t state;
	uint8_t options; /* TCPI_OPT_... */
	uint8_t snd_wscale, rcv_wscale;
	uint32_t maxseg, timestamp;
	/* Neither FIN is in these, so the numbers are those of the queues' first and last bytes. */
	uint32_t receive_bytes, receive_next;
	uint32_t send_bytes, send_next, unsent_bytes;
	struct tcp_repair_window window;
	int32_t receive_room, send_room; /* SO_RCVBUF, SO_SNDBUF */
	/* What the program itself wants to remember. */
	uint64_t sent, received, sends, receives;
};

/*
 * Both end the program if a call fails, and say which. Who dumps gives the peer's address: in
 * SYN-SENT a socket does not tell it.
 */
void dump_connection(int fd, struct dump *dump, uint8_t **queues);
int restore_connection(const struct dump *dump, const uint8_t *queues);
/* Just before it leaves repair: the way to the peer is open from then on. */
void leave_repair(int fd, const struct dump *dump);

void write_dump(const char *path, const struct dump *dump, const uint8_t *queues);
void read_dump(const char *path, struct dump *dump, uint8_t **queues);

static inline bool
has_own_fin(int state)
{
	return state == STATE_FIN_WAIT_1 || state == STATE_FIN_WAIT_2 || state == STATE_LAST_ACK ||
	       state == STATE_CLOSING;
}

static inline bool
has_peer_fin(int state)
{
	return state == STATE_CLOSE_WAIT || state == STATE_LAST_ACK || state == STATE_CLOSING;
}

int connection_state(int fd);
int queued_bytes(int fd, unsigned long request); /* SIOCOUTQ and so on */
_Noreturn void die(const char *what);

#endif
