/* SPDX-License-Identifier: BSD-3-Clause */
/* The client side of Fast Open inside the engine: what a connection keeps of it, and who asks what
 * of fastopen_client.c. */
#ifndef TERN_TCP_FASTOPEN_CLIENT_H
#define TERN_TCP_FASTOPEN_CLIENT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct rte_mbuf;
struct tcp_conn;
struct tcp_segment;

/* Why data in a SYN did not arrive: TCP_INFO's tcpi_fastopen_client_fail. */
enum tcp_fastopen_fail {
	FASTOPEN_FAIL_NONE,
	FASTOPEN_FAIL_NO_COOKIE,
	FASTOPEN_FAIL_NOT_ACKED,
	FASTOPEN_FAIL_SYN_AGAIN, /* the SYN had to be sent again, without its data */
};

struct tcp_fastopen_client {
	bool connect;      /* TCP_FASTOPEN_CONNECT */
	bool no_cookie;    /* TCP_FASTOPEN_NO_COOKIE, of listeners, too */
	bool deferred;     /* connect() has been called and the SYN waits for the first write */
	bool in_syn;       /* this connection's first SYN is to have the option, or data */
	bool option_out;   /* the SYN had the option */
	bool experimental; /* of kind 254 */
	bool data_out;     /* the SYN had data */
	bool data_acked;   /* which the SYN-ACK acknowledged */
	bool probing;      /* its success lifts the guard against black holes */
	uint8_t fail;      /* enum tcp_fastopen_fail */
	uint32_t retransmits_before; /* the socket's, when the connection began */
};

/* Before a SYN: nothing is known of this connection's luck. What the user set stays. */
void tcp_fastopen_reset(struct tcp_conn *c);
/* connect() with TCP_FASTOPEN_CONNECT of a prepared connection: 0 if it is deferred. */
int tcp_fastopen_connect(struct tcp_conn *c);
/* send() of a deferred connection. */
ssize_t tcp_fastopen_first_write(struct tcp_conn *c, const void *buf, size_t bytes, int flags);
ssize_t tcp_fastopen_first_mbufs(struct tcp_conn *c, struct rte_mbuf *chain);
/* A SYN came while ours had not left: it counts as sent now. Returns false without memory. */
bool tcp_fastopen_crossed(struct tcp_conn *c);
/* And then, its answer. */
void tcp_fastopen_crossed_answer(struct tcp_conn *c);
/* The SYN-ACK of a connection that used Fast Open, once its acknowledgment was taken in. */
void tcp_fastopen_synack(struct tcp_conn *c, const struct tcp_segment *seg);
/* An ICMP error says that the SYN with data was too big. */
void tcp_fastopen_too_big(struct tcp_conn *c);
/* Signs of a black hole: a retransmission time-out, the last one or not; a reset out of order; the
 * connection's end. */
void tcp_fastopen_timeout(struct tcp_conn *c, bool last);
void tcp_fastopen_odd_reset(struct tcp_conn *c);
void tcp_fastopen_over(struct tcp_conn *c);

/* Whether the connection used Fast Open. */
static inline bool
tcp_fastopen_was_used(const struct tcp_fastopen_client *f)
{
	return f->option_out || f->data_out;
}

#endif
