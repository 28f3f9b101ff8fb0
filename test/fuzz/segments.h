/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The stage of the segments harness: one engine, a few sockets, and a peer who knows everything:
 * what he sends fits the connection's state unless the input says otherwise.
 */
#ifndef TERN_TEST_FUZZ_SEGMENTS_H
#define TERN_TEST_FUZZ_SEGMENTS_H

#include "engine.h"
#include "test/wire/packet.h"

enum {
	SEG_SOCKETS = 6,
	SEG_FLOWS = 4,    /* 4-tuples of passive opens: two over each family */
	SEG_LAG = 8,      /* packets that our network card has not freed yet */
	SEG_HELD = 64,    /* packets of one burst */
	SEG_STARVED = 64, /* mbufs that a hungry pool has left */
	SEG_URGENT = 64,  /* urgent bytes that are remembered of a connection */
	SEG_LOCAL_PORT = 80,
	SEG_REMOTE_PORT = 40000,
};

/* What a user does when he is notified. */
enum seg_reaction {
	REACT_NOT,
	REACT_READ,
	REACT_ECHO,
	REACT_CLOSE,
	REACT_ABORT,
	REACTIONS,
};

struct seg_socket {
	struct tcp_conn *c; /* NULL: none */
	uint32_t queued;    /* bytes given to it since it was connected */
	enum seg_reaction reaction;
};

/* What was told on the wire of a connection: by its place in the engine's slab. */
struct seg_shadow {
	bool known;
	seq_t iss, irs;
	seq_t window_edge; /* rightmost that we ever offered */
	bool window_known;
	seq_t peer_edge;          /* rightmost that the peer ever offered */
	seq_t urgent[SEG_URGENT]; /* behind each urgent byte that its user sent; a ring */
	unsigned int n_urgent;    /* how many there were */
};

struct seg_lag {
	struct rte_mbuf *m;
	uint64_t hash;
};

struct world {
	struct fuzz_input in;
	struct tcp_engine *e;
	uint64_t now_us;
	uint64_t random;
	struct seg_socket sockets[SEG_SOCKETS];
	struct tcp_tuple last; /* 4-tuple of the last packet that we sent with a SYN, */
	seq_t last_seq;        /* its numbers, */
	seq_t last_ack;
	bool last_timestamps; /* and its timestamp: a SYN cookie is all that is known of it */
	uint32_t last_ts_val;
	bool may_notify;
	bool closing;

	/* what env.path answers */
	int path_error;
	uint16_t mtu;
	uint16_t path_flags;
	struct tcp_tso_limits tso;
	uint32_t hop;

	struct seg_shadow shadows[FUZZ_CONNS];
	struct seg_lag lag[SEG_LAG];
	unsigned int lag_at;
	bool holding; /* packets of a burst are gathered */
	struct rte_mbuf *held[SEG_HELD];
	unsigned int n_held;
	struct rte_mbuf *starving[FUZZ_POOLS * FUZZ_POOL_BUFS];
	unsigned int n_starving;
};

/* segments_env.c */
void seg_env(struct world *w, struct tcp_env *env);
void seg_free_lag(struct world *w);
/* The edges as the connections know them now; forgets what is over. */
void seg_note_edges(struct world *w);
/* The connection's user has sent an urgent byte that ends there. */
void seg_note_urgent(struct world *w, const struct tcp_conn *c, seq_t end);
struct ip_addr seg_local(bool is4);
/* The socket's user does what he does when notified. */
void seg_react(struct world *w, struct seg_socket *s);

/* segments.c */
void seg_recv(struct world *w, struct seg_socket *s, size_t bytes, int flags);
void seg_send(struct world *w, struct seg_socket *s, size_t bytes, int flags);
void seg_close(struct world *w, struct seg_socket *s, bool abort);

/* segments_calls.c: one of a user's rarer calls, as the input says */
void seg_call(struct world *w);

/* segments_peer.c: each takes what it needs from the input */
struct tcp_tuple seg_tuple(struct world *w, uint8_t which);
void seg_segment(struct world *w);   /* one that fits a connection, more or less */
void seg_plain(struct world *w);     /* one that fits: data, an ACK, both */
void seg_train(struct world *w);     /* several of those in one burst */
void seg_urgent(struct world *w);    /* data that fits, with an urgent pointer */
void seg_garbage(struct world *w);   /* one that does not */
void seg_handshake(struct world *w); /* whatever the handshake wants next */
void seg_sack(struct world *w);      /* an ACK that reports what it likes of what is in flight */
void seg_icmp(struct world *w);
void seg_release(struct world *w); /* the burst goes to the engine */

#endif
