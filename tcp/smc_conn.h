/* SPDX-License-Identifier: BSD-3-Clause */
/* The SMC-R capability inside the engine: what a connection keeps of it, and who asks what of
 * smc.c. */
#ifndef TERN_TCP_SMC_CONN_H
#define TERN_TCP_SMC_CONN_H

#include <stdbool.h>
#include <stdint.h>

struct tcp_conn;
struct tcp_request;
struct tcp_segment;

struct tcp_smc {
	bool syn; /* TCP_SYN_SMC: to be said, in CLOSED and LISTEN; then, that both have said it */
	bool syn_out; /* a SYN of ours has said it */
};

/* Before the first SYN leaves. */
void tcp_smc_connect(struct tcp_conn *c);
/* Adds the option to the n bytes of a SYN or SYN-ACK's, if it is to be there and has room. */
unsigned int tcp_smc_put(struct tcp_conn *c, uint8_t *bytes, unsigned int n);
unsigned int tcp_smc_put_request(struct tcp_request *r, uint8_t *bytes, unsigned int n);
/* The peer's SYN or SYN-ACK, to a connection of ours; to a listener. */
void tcp_smc_syn_arrives(struct tcp_conn *c, const struct tcp_segment *seg);
void tcp_smc_request(struct tcp_request *r, const struct tcp_segment *seg);
/* A request has become a connection. */
void tcp_smc_inherit(struct tcp_conn *c, const struct tcp_request *r);

#endif
