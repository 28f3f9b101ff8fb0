/* SPDX-License-Identifier: BSD-3-Clause */
/* Repair inside the engine: what a connection keeps of it, and who asks what of repair.c and
 * sockopt_repair.c. */
#ifndef TERN_TCP_REPAIR_CONN_H
#define TERN_TCP_REPAIR_CONN_H

#include <sys/types.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rte_mbuf;
struct tcp_conn;
struct tcp_endpoint;
struct tcp_engine;

/* TCP_REPAIR_QUEUE, with Linux's numbers. */
enum tcp_repair_queue {
	TCP_REPAIR_NO_QUEUE,
	TCP_REPAIR_RECV_QUEUE,
	TCP_REPAIR_SEND_QUEUE,
	TCP_REPAIR_QUEUES,
};

/* Whether it is frozen is tcp_conn's `frozen`, in a hot cache line. */
struct tcp_repair {
	uint64_t since_us; /* while frozen: since when */
	uint8_t queue;     /* enum tcp_repair_queue */
	bool privileged;   /* its user may set TCP_REPAIR */
	bool snd_seq_set;  /* TCP_QUEUE_SEQ has set snd_seq */
	uint32_t snd_seq;  /* in CLOSED: where the next connection begins to send */
};

/* An acknowledgment that is owed leaves now, unless the connection is frozen. */
void tcp_repair_acknowledge(struct tcp_conn *c);
/* Into repair, or the queue chosen anew. */
void tcp_repair_enter(struct tcp_conn *c);
/* Out of it; nothing happens without. */
void tcp_repair_leave(struct tcp_conn *c);
/* What TCP_REPAIR 0 sends in ESTABLISHED: asks the peer what it has. */
void tcp_repair_probe(struct tcp_conn *c);
/* The same in any state with a peer. */
void tcp_repair_ask(struct tcp_conn *c);

/* The socket calls in repair. */
ssize_t tcp_repair_recv(struct tcp_conn *c, void *buf, size_t bytes, int flags);
ssize_t tcp_repair_send(struct tcp_conn *c, const void *buf, size_t bytes, int flags);
/* Where a connection begins to send that TCP_QUEUE_SEQ was set for, once. */
uint32_t tcp_repair_first_seq(struct tcp_conn *c);
int tcp_repair_connect(struct tcp_conn *c, const struct tcp_endpoint *remote);
void tcp_repair_close(struct tcp_conn *c);
/* connect() to AF_UNSPEC. */
void tcp_repair_end(struct tcp_conn *c);
/* shutdown() has made a FIN due. */
void tcp_repair_fin(struct tcp_conn *c);
/* Makes transmission records of what is unsent, but for the last bytes: the peer may have it.
 * Returns whether there were enough. */
bool tcp_repair_mark_sent(struct tcp_conn *c, uint32_t unsent);
/* A buffer with as many of the bytes as it takes, `most` at most; NULL without one. */
struct rte_mbuf *tcp_repair_copy(struct tcp_engine *e, const uint8_t *from, size_t bytes,
				 uint32_t most);
/* What TCP_MAXSEG says. */
int tcp_repair_maxseg(const struct tcp_conn *c);

#endif
