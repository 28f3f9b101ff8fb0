/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * SMC-R, RFC 7609: what the engine's users see of it. Part of tcp.h.
 *
 * A SYN or SYN-ACK with the SMC option says: I can do SMC-R. When both sides have said so a
 * connection's flag TCP_SYN_SMC reads 1 after the handshake, and its users owe each other CLC
 * messages before any other byte: the client begins, with a Proposal to go on by RDMA or SMC-D, or
 * a Decline.
 *
 * Who sets only the flag talks CLC himself. For a socket of tcp_smc_enable() (AF_SMC) the engine
 * does: connect() and accept() are not over, and nobody reads or writes, before CLC is.
 *
 *     client                        server
 *     propose()   - Proposal -->    accept()
 *     confirm()   <-- Accept -
 *     start()     - Confirm --->    start()       here a transport takes over
 *
 *     any of them  - Decline ->     the connection is TCP's, from the next byte on
 */
#ifndef TERN_TCP_SMC_H
#define TERN_TCP_SMC_H

#include <stdbool.h>
#include <stdint.h>

struct tcp_conn;

/*
 * A socket option of IPPROTO_TCP, int 0 or 1; lib/tern.h tells programs of it. Linux's numbers are
 * small and have no such option.
 */
enum { TCP_OPT_SYN_SMC = 0x534d43 };

/* Room for a CLC message. */
enum { TCP_SMC_MESSAGE_BYTES = 1024 };

/*
 * What a transport does: tcp_config.smc. tcp_smc_decline is the only one there is: it declines, for
 * want of a device. Each is called from inside the engine; of the connection they may only look at
 * its addresses.
 *
 * propose, accept and confirm write the message that is due into `message` (whole, with header and
 * trailer, TCP_SMC_MESSAGE_BYTES at most) and return its length; or 0, with *diagnosis set, and
 * then a Decline leaves. They may be called again for the same connection, when there was no memory
 * to send what they wrote. What came from the peer has a good header, length and trailer
 * (tcp/clc.h), and nothing more is known of it.
 */
struct tcp_smc_ops {
	void *ctx; /* first argument of every function below */
	/* A client's Proposal. */
	unsigned int (*propose)(void *ctx, struct tcp_conn *c, uint8_t *message,
				uint32_t *diagnosis);
	/* A server's Accept of this Proposal. */
	unsigned int (*accept)(void *ctx, struct tcp_conn *c, const uint8_t *proposal,
			       uint8_t *message, uint32_t *diagnosis);
	/* A client's Confirm of this Accept. */
	unsigned int (*confirm)(void *ctx, struct tcp_conn *c, const uint8_t *accepted,
				uint8_t *message, uint32_t *diagnosis);
	/*
	 * The Confirm has been queued (client), or this one has come (server; else NULL). True: the
	 * transport takes over, and until tcp_smc_failed() the user waits on. False: it could not,
	 * and the peer will find that out by itself: its Decline is awaited for a second.
	 */
	bool (*start)(void *ctx, struct tcp_conn *c, const uint8_t *confirm);
	/* After any of them returned something: the connection is TCP's, or over. May be NULL. */
	void (*over)(void *ctx, struct tcp_conn *c);
};

extern const struct tcp_smc_ops tcp_smc_decline;

/*
 * Makes an open socket one that AF_SMC has on Linux: connect() and listen() set its flag, and the
 * engine talks CLC on what becomes of it. TCP_SYN_SMC 0 and Fast Open's options make it an ordinary
 * one again.
 */
void tcp_smc_enable(struct tcp_conn *c);

/* The transport that took over has failed before its first byte: as if start() had said false. */
void tcp_smc_failed(struct tcp_conn *c);

#endif
