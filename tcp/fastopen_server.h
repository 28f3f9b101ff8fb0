/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The server side of Fast Open inside the engine: what a socket and a listener keep of it, and who
 * asks what of fastopen_server.c.
 */
#ifndef TERN_TCP_FASTOPEN_SERVER_H
#define TERN_TCP_FASTOPEN_SERVER_H

#include <stdbool.h>
#include <stdint.h>

#include "fastopen.h"

struct tcp_bound;
struct tcp_request;
struct tcp_segment;

enum { TCP_SOMAXCONN = 4096 }; /* as Linux's net.core.somaxconn */

/* Of a socket. */
struct tcp_fastopen_server {
	struct tcp_fastopen_keys keys; /* TCP_FASTOPEN_KEY; n is 0: the engine's */
	uint32_t qlen_max;             /* TCP_FASTOPEN; 0: the listener has no Fast Open */
	bool is_child;                 /* a SYN made it */
	bool data_taken;               /* with payload */
};

/* Of a listener: who takes up its qlen_max. */
struct tcp_fastopen_queue {
	uint32_t opening;                 /* children whose handshake is not finished */
	uint32_t guards;                  /* reset ones that still count */
	struct tcp_request *first, *last; /* those, the earliest to end first */
};

/* A Fast Open option, or payload, in a SYN that a request was made of. Returns whether that has
 * become the answer and the child's; else it is an ordinary one, answered with *cookie unless its
 * len is 0. */
bool tcp_fastopen_syn_arrives(struct tcp_engine *e, struct tcp_request *r, struct tcp_segment *seg,
			      struct tcp_fastopen_cookie *cookie);

/* Before anything else of a segment, while CONN_OPENING. Returns whether it is one for the
 * connection. */
bool tcp_fastopen_child_arrives(struct tcp_conn *c, struct tcp_segment *seg);
/* Its acknowledgment was taken: the handshake is finished, if it is the final one. */
void tcp_fastopen_child_acked(struct tcp_conn *c, const struct tcp_segment *seg);
/* rtx_at_us has come, while CONN_OPENING. */
void tcp_fastopen_synack_timeout(struct tcp_conn *c);
/* The handshake is over, one way or the other: CONN_OPENING ends. */
void tcp_fastopen_child_over(struct tcp_conn *c, bool reset);

/* listen(), for which TCP_FASTOPEN_EVERY_LISTENER may count; the listener's end. */
void tcp_fastopen_listen(struct tcp_conn *c);
void tcp_fastopen_listener_close(struct tcp_engine *e, struct tcp_bound *l);

#endif
