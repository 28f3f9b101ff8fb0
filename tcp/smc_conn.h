/* SPDX-License-Identifier: BSD-3-Clause */
/* SMC inside the engine: what a connection keeps of it, and who asks what of smc.c and
 * clc_exchange.c. */
#ifndef TERN_TCP_SMC_CONN_H
#define TERN_TCP_SMC_CONN_H

#include <stdbool.h>
#include <stdint.h>

struct tcp_bound;
struct tcp_conn;
struct tcp_request;
struct tcp_segment;

/* How far CLC has got. While it is not over the user sees a handshake that goes on. */
enum tcp_clc_phase {
	CLC_OVER,      /* or never begun */
	CLC_BEGIN,     /* a client's first message is due */
	CLC_WAIT,      /* for clc_expected, or a Decline */
	CLC_TRANSPORT, /* has taken over */
};

struct tcp_smc {
	bool syn; /* TCP_SYN_SMC: to be said, in CLOSED and LISTEN; then, that both have said it */
	bool syn_out;     /* a SYN of ours has said it */
	bool speaks_clc;  /* AF_SMC */
	bool crossed;     /* the SYNs did: both are clients */
	bool called;      /* the transport knows of this connection */
	uint8_t expected; /* enum clc_type, while CLC_WAIT; or a Decline */
};

/* ---- smc.c */

/* Before the first SYN leaves; before listening. */
void tcp_smc_connect(struct tcp_conn *c);
void tcp_smc_listen(struct tcp_conn *c);
/* Adds the option to the n bytes of a SYN or SYN-ACK's, if it is to be there and has room. */
unsigned int tcp_smc_put(struct tcp_conn *c, uint8_t *bytes, unsigned int n);
unsigned int tcp_smc_put_request(struct tcp_request *r, uint8_t *bytes, unsigned int n);
/* The peer's SYN or SYN-ACK, to a connection of ours; to a listener. */
void tcp_smc_syn_arrives(struct tcp_conn *c, const struct tcp_segment *seg);
void tcp_smc_request(struct tcp_request *r, const struct tcp_segment *seg);
/* A request has become a connection. */
void tcp_smc_inherit(struct tcp_conn *c, const struct tcp_request *r);
/* A socket that talks CLC is one of plain TCP from now on. */
void tcp_smc_fall_back(struct tcp_conn *c);

/* ---- clc_exchange.c */

/* An active open is established. */
void tcp_clc_begin(struct tcp_conn *c);
/* A connection for this listener: whether CLC comes first. Then it is not accepted yet. */
bool tcp_clc_begin_child(struct tcp_bound *l, struct tcp_conn *c);
/* Something may have come. Returns whether the user may look at the connection now; false also when
 * it is gone. */
bool tcp_clc_step(struct tcp_conn *c);
/* Its time has come: c may be gone afterwards. */
void tcp_clc_timeout(struct tcp_conn *c);
/* The connection is about to end: a child of a listener's becomes an orphan. */
void tcp_clc_ended(struct tcp_conn *c);
/* All children of a listener's. */
void tcp_clc_drop_all(struct tcp_bound *l);

#endif
