/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Connections in and out of the engine, in one call each. Part of tcp.h.
 *
 *     struct tcp_checkpoint saved;
 *
 *     tcp_checkpoint(c, &saved);              what it is; c is as it was, but that an
 *                                             acknowledgment that is owed leaves
 *     ... copy the queues away ...
 *     tcp_close_silently(c);                  and now it is nowhere but in `saved`
 *
 *     tcp_restore(engine, &saved, &c);        another engine, process or host goes on
 */
#ifndef TERN_TCP_CHECKPOINT_H
#define TERN_TCP_CHECKPOINT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ip_addr.h"

struct rte_mbuf;
struct tcp_conn;
struct tcp_engine;

enum { TCP_CHECKPOINT_CONGESTION = 16 };

/* A connection: what checkpoint.def lists, in its units; moments as distances, -1: none. */
struct tcp_checkpoint {
	struct tcp_tuple tuple;
	uint8_t state;          /* enum tcp_state */
	uint32_t ts_now;        /* our timestamp, at the moment of the checkpoint */
	uint32_t ts_recent_age; /* seconds since ts_recent was set */
	bool orphan;            /* its user has closed it: nobody's, for tcp_close() once resumed */
	char congestion[TCP_CHECKPOINT_CONGESTION]; /* name of its control */

	/*
	 * Its queues, next after next: of tcp_checkpoint() the connection's own, to be read before
	 * anything else is done with it; for tcp_restore() the caller's, which it takes over.
	 */
	struct rte_mbuf *recvq, *sendq;
	uint32_t recvq_bytes;  /* received, not read; the last byte is before rcv_nxt */
	uint32_t sendq_bytes;  /* from snd_una on: sent, then unsent */
	uint32_t unsent_bytes; /* of those */

#define KEPT_FLAG(name, flag) bool name;
#define KEPT_VALUE(type, name, field) type name;
#define KEPT_DUE_US(name, field) int64_t name;
#define KEPT_SINCE_US(name, field) int64_t name;
#define KEPT_SINCE_MS(name, field) uint32_t name;
#include "checkpoint.def"
};

/*
 * A connection as far as Linux's TCP_REPAIR tells of one, in its terms: what an image of CRIU's
 * holds. Sequence numbers count a FIN, lengths do not.
 */
struct tcp_known {
	struct tcp_tuple tuple;
	uint8_t state;                  /* enum tcp_state */
	uint32_t inq_seq, inq_bytes;    /* of the receive queue: TCP_QUEUE_SEQ, SIOCINQ */
	uint32_t outq_seq, outq_bytes;  /* of the send queue: TCP_QUEUE_SEQ, SIOCOUTQ */
	uint32_t unsent_bytes;          /* SIOCOUTQNSD */
	uint16_t mss;                   /* TCP_MAXSEG in repair; 0: not known */
	uint8_t options;                /* of TCP_INFO: TCP_DETAILS_... */
	uint8_t snd_wscale, rcv_wscale; /* with TCP_DETAILS_WSCALE */
	uint32_t timestamp;             /* TCP_TIMESTAMP, with TCP_DETAILS_TIMESTAMPS */
	bool cork, nodelay;             /* TCP_CORK, TCP_NODELAY */
	bool has_window;                /* and what TCP_REPAIR_WINDOW says: */
	uint32_t snd_wl1, snd_wnd, max_window, rcv_wnd, rcv_wup;
};

/*
 * Fills in *out, whose queues are still to be set: as if a fresh connection of this engine had got
 * that far. What nobody knows of it, like its round trip, it finds out anew. Whether it is sound is
 * for tcp_restore() to say.
 */
void tcp_checkpoint_init(struct tcp_engine *engine, const struct tcp_known *known,
			 struct tcp_checkpoint *out);

/* Brings a connection into the cache: to be called for the next while one is being saved. What is
 * there is not looked at: it may have gone. */
void tcp_checkpoint_prefetch(const struct tcp_conn *c);

/*
 * Fills in *out. Returns 0; -EINVAL in CLOSED, LISTEN and where there is no socket any more; -EBUSY
 * for what is over in a moment: a Fast Open child that waits for its final ACK, and CLC.
 */
int tcp_checkpoint(struct tcp_conn *c, struct tcp_checkpoint *out);

/* As tcp_close() does in repair: not a packet leaves, and the 4-tuple is mute. */
void tcp_close_silently(struct tcp_conn *c);

/*
 * The same to a user who keeps his socket: it is CLOSED, reads ECONNABORTED once, the end from then
 * on, and cannot be written to, as after `ss -K` on Linux. Nothing is left to be read.
 */
void tcp_take_away(struct tcp_conn *c);

/* Whether it can be a connection: every relation of states, numbers and lengths is looked at. */
bool tcp_checkpoint_is_sound(const struct tcp_checkpoint *in);

/* Why it cannot, as half a sentence; NULL: it can. */
const char *tcp_checkpoint_fault(const struct tcp_checkpoint *in);

/*
 * Makes the connection of a checkpoint. Returns 0 with *c in repair, to be let go by
 * tcp_resume(); -EINVAL if the checkpoint is not sound; -ENOENT without its congestion control;
 * -EADDRNOTAVAIL if its 4-tuple is in use or the address not ours; the errors of env.path;
 * -ENOBUFS. Takes over the queues on success, and changes nothing else.
 */
int tcp_restore(struct tcp_engine *engine, const struct tcp_checkpoint *in, struct tcp_conn **c);

/*
 * Puts a restored connection, in repair or resumed, behind the others that wait at the listener
 * which its local address belongs to: accept() will return it. To the engine it is as a child of
 * the handshake from then on: nobody's until accepted, so its user pointer is gone, and it may be
 * resumed but not be used; it is of the listener's family and owner. Its options stay its own.
 * Returns 0; -ECONNREFUSED without a listener; -EAGAIN while the listener's backlog is full;
 * -EINVAL if it has no peer or waits already.
 */
int tcp_offer(struct tcp_conn *c);

/* ---- Connections that are nobody's */

/* Whether its user has closed it, and it is still to finish. */
bool tcp_is_orphan(const struct tcp_conn *c);

/* The user of the listener at which it waits to be accepted; NULL: it does not wait. */
void *tcp_waits_at(const struct tcp_conn *c);

/* A connection that waits is nobody's until it is put back, or closed silently: accept() does not
 * return it, and its listener may go. */
void tcp_withdraw(struct tcp_conn *c);

/* Back, behind the others that wait there. Without the listener it is reset, as those are whose
 * listener closes. */
void tcp_put_back(struct tcp_conn *c);

/* Leaves repair, and asks the peer what it has: TCP_REPAIR 0, but in each state with a peer. */
void tcp_resume(struct tcp_conn *c);

/* The same in two steps, for many: the last of them goes on before the first asks. */
void tcp_go_on(struct tcp_conn *c);
void tcp_ask(struct tcp_conn *c);

/* Copies bytes into a chain of the engine's buffers; NULL without enough. */
struct rte_mbuf *tcp_copy_bytes(struct tcp_engine *engine, const void *bytes, size_t n);

#endif
