/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Packet exchanges with one engine on a virtual clock.
 *
 * A test reads like a trace: packets to the engine (wire_in), packets it must have sent, each at
 * its exact moment (wire_out), and socket calls with the answers they must give. Time stands still
 * between the lines and moves only by wire_at(), wire_wait() or a line's WHEN; it then visits every
 * moment that tcp_next_timer() names. A packet that nobody expected fails the test, as does
 * anything left behind at wire_end(): a connection, a timer, an mbuf, memory.
 *
 *     WIRE_TEST(accepts_a_connection)
 *     {
 *             wire_start(w);
 *             wire_listen(w, 16);
 *             wire_in(w, "S 0:0(0) win 65535 <mss 1460>");
 *             wire_out(w, "S. 0:0(0) ack 1 <mss 1460>");
 *             wire_in(w, "+10ms . 1:1(0) ack 1 win 65535");
 *             wire_accept(w);
 *             wire_state(w, TCP_ESTABLISHED);
 *             wire_end(w);
 *     }
 *
 * Every test runs over IPv4 and over IPv6, with path MTUs that give both the same MSS of 1460; each
 * run is a process of its own. `PROGRAM CASE` runs one case and shows the exchange, `PROGRAM -f
 * CASE` without forking, for a debugger. The clock starts half a second before 2^32 ms, which is
 * also a multiple of 2^32 us, and the peer's initial sequence number 1000 before 2^32, so that
 * every test crosses what can wrap.
 *
 * Connections are numbered flows, 0 at first: local port 80, remote port 40000 + number. All calls
 * are about the flow chosen by wire_flow(). Payload is a function of direction and stream offset
 * and is verified wherever it comes by.
 */
#ifndef TERN_TEST_WIRE_WIRE_H
#define TERN_TEST_WIRE_WIRE_H

#include <errno.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>

#include "notation.h"
#include "tcp/tcp.h"

#define MS(n) ((uint64_t)((n)*UINT64_C(1000)))
#define SEC(n) ((uint64_t)((n)*UINT64_C(1000000)))

enum {
	WIRE_FLOWS = 300,
	WIRE_HELD = 512,  /* packets of one burst */
	WIRE_TX_LAG = 24, /* packets that our network card has not freed yet */
	WIRE_POOL = 4096, /* mbufs of each pool */
	WIRE_MSS = 1460,  /* with both families' default path */
	WIRE_LOCAL_PORT = 80,
	WIRE_REMOTE_PORT = 40000,
	WIRE_HOP = 7,
};

/* What differs from tcp_config_defaults() and an ordinary path; 0: nothing. */
struct wire_options {
	bool no_timestamps, no_window_scaling, no_sack;
	uint32_t max_conns, max_requests, max_timewait, max_held_bufs;
	uint32_t rcvbuf_bytes, sndbuf_bytes, user_timeout_ms;
	uint8_t syn_retries, synack_retries, retries, orphan_retries;
	uint16_t mtu;
	uint16_t path_flags; /* TCP_PATH_… */
	struct tcp_tso_limits tso;
	bool single_segment; /* the path takes packets of one mbuf only */
	bool quickacks;      /* acknowledge as a fresh connection does: the first segments at once;
				without it wire_accepted() and wire_connected() say TCP_QUICKACK 0 */
	bool exact_bufs; /* each packet in memory of just its size, so that ASan sees overreads */
	uint16_t split;  /* bytes of each mbuf of a packet; 0: one mbuf */
	bool rx_cksum_good;                           /* the card vouches for TCP checksums */
	void (*configure)(struct tcp_config *config); /* anything else; called last */
};

struct wire_flow {
	struct tcp_endpoint local, remote;
	uint32_t peer_iss, iss;
	bool iss_known;
	bool we_ts, peer_ts, ts;   /* timestamps in SYNs; in both */
	uint32_t ts_base, ts_last; /* the engine's first and latest TSval */
	bool ts_known;
	struct tcp_conn *c;
	uint64_t queued, read; /* bytes given to and taken from the socket */
	unsigned int notified;
	uint64_t notify_call; /* the call in which that last happened */
};

/* A packet that the engine sent and no line has asked for yet. */
struct wire_sent {
	uint64_t at_us;
	struct wire_flow *flow;
	struct note note;
};

struct wire_lag {
	struct rte_mbuf *m;
	uint64_t hash;
};

struct wire {
	int family;
	bool tso; /* the card cuts packets into segments, whatever the test's options say */
	unsigned int supers, super_segs; /* packets that it cut, and what they became */
	bool verbose;
	const char *file;
	int line;
	const char *test;

	struct wire_options options;
	struct tcp_engine *engine;
	unsigned int engines; /* made so far */
	struct tcp_conn *listener;
	struct wire_flow flows[WIRE_FLOWS];
	struct wire_flow *flow;
	unsigned int listener_notified;
	uint64_t listener_notify_call;

	uint64_t start_us, now_us;
	uint64_t calls;   /* into tcp_input(), tcp_advance() and tcp_icmp_input() */
	bool may_notify;  /* one of those runs */
	bool nothing_due; /* no timer is due: whatever is sent is wrong */
	bool closing;     /* wire_end(): packets do not matter any more */
	uint64_t seed;
	long allocations;

	struct ip_addr local;          /* the only address of the test's family that is ours */
	struct ip_addr also_local;     /* of the other family, to bind to */
	struct tcp_fastopen_news news; /* that the engine told last */
	unsigned int n_news;
	int path_error;
	uint32_t hop;
	void (*on_notify)(struct wire *w, struct wire_flow *f); /* what the user does then */
	void (*on_listener)(struct wire *w); /* and when the listener is notified */
	uint16_t mtu;

	struct wire_sent *sent;
	size_t sent_head, sent_tail, sent_room;
	struct wire_lag lag[WIRE_TX_LAG];
	unsigned int lag_at;
	bool holding;
	struct rte_mbuf *held[WIRE_HELD];
	unsigned int n_held;
	char *log;
	size_t log_bytes;
	FILE *log_file;
	char last_line[600];
	unsigned int repeated;
};

struct wire_case {
	const char *name, *file;
	void (*run)(struct wire *w);
	bool v4, v6;
};

void wire_register(const struct wire_case *c);

#define WIRE_TEST_OVER(name, over4, over6)                                                         \
	static void name(struct wire *w);                                                          \
	static void __attribute__((constructor)) name##_register(void)                             \
	{                                                                                          \
		static const struct wire_case self = {#name, __FILE__, name, over4, over6};        \
                                                                                                   \
		wire_register(&self);                                                              \
	}                                                                                          \
	static void name(struct wire *w)

#define WIRE_TEST(name) WIRE_TEST_OVER(name, true, true)
#define WIRE_TEST4(name) WIRE_TEST_OVER(name, true, false)
#define WIRE_TEST6(name) WIRE_TEST_OVER(name, false, true)

/* Where we are, for what a failure says. */
static inline struct wire *
wire_here(struct wire *w, const char *file, int line)
{
	w->file = file;
	w->line = line;
	return w;
}

#define WIRE_HERE(w) wire_here(w, __FILE__, __LINE__)

/* ---- The stage */

/* Makes the engine. Arguments: `.field = value` of struct wire_options. */
#define wire_start(w, ...) wire_start_(WIRE_HERE(w), &(struct wire_options){__VA_ARGS__})
void wire_start_(struct wire *w, const struct wire_options *options);

/* Aborts what is still open, lets all timers run out, and proves that nothing is left. */
#define wire_end(w) wire_end_(WIRE_HERE(w))
void wire_end_(struct wire *w);

/* Destroys the engine with all it still holds, and proves that nothing is left. */
#define wire_destroy(w) wire_destroy_(WIRE_HERE(w))
void wire_destroy_(struct wire *w);

/* Another engine takes this one's place, on the same wire. Returns the first, to be destroyed. */
#define wire_successor(w) wire_successor_(WIRE_HERE(w))
struct tcp_engine *wire_successor_(struct wire *w);

/* Chooses the flow that the lines after this are about. */
#define wire_flow(w, number) wire_flow_(WIRE_HERE(w), number)
void wire_flow_(struct wire *w, unsigned int number);

/* The same 4-tuple again: a new connection's sequence numbers are learned. The peer's initial one
 * is `ahead` of its last one. */
void wire_again(struct wire *w, uint32_t ahead);

/* What env.path answers from now on; the engine is told by tcp_paths_changed(). */
void wire_path(struct wire *w, int error, uint16_t mtu);

/* All goes by another next hop from now on; packets to any other fail the test. */
void wire_hop(struct wire *w, uint32_t hop);

/* ---- Time */

/* Moves to a moment counted from the start; nothing may be unasked for when time moves. */
#define wire_at(w, us) wire_run_to(WIRE_HERE(w), (w)->start_us + (us))
/* Moves on by that much. */
#define wire_wait(w, us) wire_run_to(WIRE_HERE(w), (w)->now_us + (us))
void wire_run_to(struct wire *w, uint64_t at_us);

/* ---- Packets */

/*
 * Sends a packet to the engine, which then advances its timers and flushes. A flow that has
 * negotiated timestamps gets them by itself where the line has no options. `val *` is the peer's
 * clock, `ecr *` echoes the engine's latest.
 */
#define wire_in(w, ...) wire_in_(WIRE_HERE(w), __VA_ARGS__)
void wire_in_(struct wire *w, const char *format, ...) __attribute__((format(printf, 2, 3)));

/*
 * The next packet that the engine sent is this one and left now (or as WHEN says). On a flow that
 * has negotiated timestamps a line without options means NOP, NOP and timestamps.
 */
#define wire_out(w, ...) wire_out_(WIRE_HERE(w), __VA_ARGS__)
void wire_out_(struct wire *w, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Takes the next packet of this flow without expectations; false: nothing was sent. */
#define wire_next(w, note) wire_next_(WIRE_HERE(w), note)
bool wire_next_(struct wire *w, struct note *note);

/* The engine sends pure ACKs, none later than in 40 ms, and the last has this number. */
#define wire_acked(w, ack) wire_acked_(WIRE_HERE(w), ack)
void wire_acked_(struct wire *w, uint32_t ack);

/* All that was sent has been asked for. */
#define wire_idle(w) wire_idle_(WIRE_HERE(w))
void wire_idle_(struct wire *w);

/* And nothing is sent for that long. */
#define wire_idle_for(w, us) wire_idle_for_(WIRE_HERE(w), us)
void wire_idle_for_(struct wire *w, uint64_t us);

/* Forgets what was sent; returns how many packets. */
unsigned int wire_skip(struct wire *w);

/* Packets and calls between these two are one iteration of the engine's driver. */
void wire_hold(struct wire *w);
#define wire_release(w) wire_release_(WIRE_HERE(w))
void wire_release_(struct wire *w);

/* An ICMP error that quotes a segment of ours with this relative sequence number. */
#define wire_icmp(w, kind, error, mtu, seq) wire_icmp_(WIRE_HERE(w), kind, error, mtu, seq)
void wire_icmp_(struct wire *w, enum tcp_icmp_kind kind, int error, uint16_t mtu, uint32_t seq);

/* ---- Socket calls, and what they must answer */

#define wire_listen(w, backlog) wire_listen_(WIRE_HERE(w), backlog)
void wire_listen_(struct wire *w, int backlog);

/* The oldest completed connection is this flow's. */
#define wire_accept(w) wire_accept_(WIRE_HERE(w))
void wire_accept_(struct wire *w);
#define wire_accept_none(w) wire_accept_none_(WIRE_HERE(w))
void wire_accept_none_(struct wire *w);

/* Opens a socket first if the flow has none. The flow's remote port is then that connected to. */
#define wire_connect(w, expected) wire_connect_(WIRE_HERE(w), expected)
void wire_connect_(struct wire *w, int expected);
#define wire_open(w) wire_open_(WIRE_HERE(w))
void wire_open_(struct wire *w);

#define wire_send(w, bytes, expected) wire_send_(WIRE_HERE(w), bytes, 0, expected)
#define wire_send_more(w, bytes, expected) wire_send_(WIRE_HERE(w), bytes, MSG_MORE, expected)
void wire_send_(struct wire *w, size_t bytes, int flags, ssize_t expected);
/* With the flow's remote address; opens a socket first if the flow has none. */
#define wire_sendto(w, bytes, flags, expected) wire_sendto_(WIRE_HERE(w), bytes, flags, expected)
void wire_sendto_(struct wire *w, size_t bytes, int flags, ssize_t expected);
/* Sends as much as the socket takes; returns how much. */
size_t wire_send_all(struct wire *w);
#define wire_recv(w, bytes, expected) wire_recv_(WIRE_HERE(w), bytes, 0, expected)
#define wire_recv_peek(w, bytes, expected) wire_recv_(WIRE_HERE(w), bytes, MSG_PEEK, expected)
void wire_recv_(struct wire *w, size_t bytes, int flags, ssize_t expected);
#define wire_close(w) wire_close_(WIRE_HERE(w))
void wire_close_(struct wire *w);
#define wire_abort(w) wire_abort_(WIRE_HERE(w))
void wire_abort_(struct wire *w);
#define wire_shutdown(w, how, expected) wire_shutdown_(WIRE_HERE(w), how, expected)
void wire_shutdown_(struct wire *w, int how, int expected);
#define wire_disconnect(w) wire_disconnect_(WIRE_HERE(w))
void wire_disconnect_(struct wire *w);
#define wire_poll(w, expected) wire_poll_(WIRE_HERE(w), expected)
void wire_poll_(struct wire *w, short expected);
#define wire_state(w, expected) wire_state_(WIRE_HERE(w), expected)
void wire_state_(struct wire *w, enum tcp_state expected);
#define wire_set(w, level, name, value) wire_set_(WIRE_HERE(w), level, name, value)
void wire_set_(struct wire *w, int level, int name, int value);
#define wire_get(w, level, name, expected) wire_get_(WIRE_HERE(w), level, name, expected)
void wire_get_(struct wire *w, int level, int name, int expected);
/* SO_ERROR, which it clears. */
#define wire_error(w, expected) wire_get_(WIRE_HERE(w), SOL_SOCKET, SO_ERROR, expected)

/* ---- What the engine says of itself */

/* A counter has this value. */
#define wire_count(w, counter, expected)                                                           \
	wire_count_(WIRE_HERE(w), #counter, offsetof(struct tcp_stats, counter), expected)
void wire_count_(struct wire *w, const char *name, size_t offset, uint64_t expected);
struct tcp_stats wire_stats(struct wire *w);

/* A field of tcp_usage() has this value. */
#define wire_used(w, field, expected)                                                              \
	wire_used_(WIRE_HERE(w), #field, offsetof(struct tcp_usage, field), expected)
void wire_used_(struct wire *w, const char *name, size_t offset, uint32_t expected);

/* The flow's line in tcp_list(); wire_gone(): it has none, but
 * for a socket in CLOSED that is not closed yet. wire_listed(): in this state. */
struct tcp_listing wire_listing(struct wire *w);
#define wire_gone(w) wire_gone_(WIRE_HERE(w))
void wire_gone_(struct wire *w);
#define wire_listed(w, expected) wire_listed_(WIRE_HERE(w), expected)
void wire_listed_(struct wire *w, enum tcp_state expected);
/* The flow's retransmission time-out, for `+%uus`. */
unsigned int wire_rto(struct wire *w);
/* The window that the flow may send into, by the listing. */
uint32_t wire_rcv_wnd(struct wire *w);

/* An expectation about numbers; a failure shows both. */
#define WIRE_EQ(w, actual, expected)                                                               \
	wire_equal(WIRE_HERE(w), #actual, (long long)(actual), (long long)(expected))
void wire_equal(struct wire *w, const char *what, long long actual, long long expected);
#define WIRE_IN(w, actual, low, high)                                                              \
	wire_between(WIRE_HERE(w), #actual, (long long)(actual), (long long)(low),                 \
		     (long long)(high))
void wire_between(struct wire *w, const char *what, long long actual, long long low,
		  long long high);

/* ---- Openings */

/*
 * A connection that the peer opened (listening first if nobody does), or that we opened. options
 * are those of the peer's SYN; win the window of its last segment, or of its SYN-ACK. The round
 * trip takes 10 ms.
 */
#define wire_accepted(w, options, win) wire_accepted_(WIRE_HERE(w), options, win)
void wire_accepted_(struct wire *w, const char *options, unsigned int win);
#define wire_connected(w, options, win) wire_connected_(WIRE_HERE(w), options, win)
void wire_connected_(struct wire *w, const char *options, unsigned int win);

/* ---- For the harness */

/* Shows the exchange and ends the test. */
void wire_fail(struct wire *w, const char *format, ...)
	__attribute__((format(printf, 2, 3), noreturn));
void wire_log(struct wire *w, const char *format, ...) __attribute__((format(printf, 2, 3)));
void wire_env(struct wire *w, struct tcp_env *env);
void wire_iterate(struct wire *w, struct rte_mbuf **packets, unsigned int n);
void wire_flush(struct wire *w);
void wire_free_lag(struct wire *w);
void wire_pools_start(void);
struct rte_mempool *wire_pool_header(void);
struct rte_mempool *wire_pool_data(void);
struct rte_mempool *wire_pool_ref(void);
struct rte_mempool *wire_pool_rx(void);
struct rte_mempool *wire_pool_bare(void);
void wire_pools_full(struct wire *w);
struct tcp_tuple wire_tuple(const struct wire_flow *flow);
/* The payload's byte at a stream offset; ours: from the engine. */
uint8_t wire_byte(bool ours, uint64_t offset);
/* The streams of one direction begin with these bytes, of which none are the user's: he sends, or
 * reads, what follows. Of all flows; before a test's first packet. */
void wire_begins(struct wire *w, bool ours, const void *bytes, size_t n);
struct rte_mbuf *wire_mbuf(struct wire *w, const uint8_t *bytes, size_t n);

#endif
