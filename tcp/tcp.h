/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The TCP engine's public face.
 *
 * One engine serves one lane. It owns everything it needs and shares nothing: every function here
 * must be called by the one thread that drives the engine, except tcp_stats_read(). The engine has
 * no clock, does no I/O and never blocks; time, randomness, routes and transmission come through
 * struct tcp_env.
 *
 * An iteration of its driver:
 *
 *     tcp_input(engine, now_us, packets, n);   segments arrive; users hear of it (env.notify)
 *     tcp_advance(engine, now_us);             timers fire; users hear of it
 *     ...                                      users' own calls: tcp_send(), tcp_close(), ...
 *     tcp_flush(engine);                       data and acknowledgments leave (env.transmit)
 *
 * The socket calls answer as Linux's non-blocking ones do: a value >= 0, or a negative errno. Where
 * Linux would block they answer -EAGAIN or -EINPROGRESS; waiting is the caller's business.
 *
 * A struct tcp_conn is a socket in any state, listening ones included. It is valid from tcp_open()
 * or tcp_accept() until tcp_close() or tcp_abort(); what the protocol still has to do after that
 * (FIN, retransmissions, TIME-WAIT) the engine does by itself.
 */
#ifndef TERN_TCP_TCP_H
#define TERN_TCP_TCP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <rte_mbuf.h>
#include <rte_mempool.h>

#include "checkpoint.h"
#include "fastopen.h"
#include "info.h"
#include "ip_addr.h"
#include "repair.h"
#include "smc.h"

struct sock_extended_err; /* <linux/errqueue.h> */

struct tcp_engine;
struct tcp_conn;
struct tcp_folded; /* what is kept of a connection that is folded */

/* RFC 9293 §3.3.2. */
enum tcp_state {
	TCP_CLOSED,
	TCP_LISTEN,
	TCP_SYN_SENT,
	TCP_SYN_RECEIVED,
	TCP_ESTABLISHED,
	TCP_FIN_WAIT_1,
	TCP_FIN_WAIT_2,
	TCP_CLOSE_WAIT,
	TCP_CLOSING,
	TCP_LAST_ACK,
	TCP_TIME_WAIT,
	TCP_STATES,
};

/* The state's name as `ss` prints it ("ESTAB", "SYN-SENT", ...). */
const char *tcp_state_name(enum tcp_state state);

/* ---- What the engine asks of its surroundings */

/* What a path can do for the packets that take it. */
enum {
	TCP_PATH_TX_IP4_CKSUM = 1 << 0, /* device fills in the IPv4 header checksum */
	TCP_PATH_TX_TCP_CKSUM = 1 << 1, /* device fills in the TCP checksum */
	TCP_PATH_TX_MULTI_SEG = 1 << 2, /* device takes packets of several mbufs */
	TCP_PATH_TX_TSO = 1 << 3, /* device cuts packets into segments; needs the other three */
};

/* How large a packet a device cuts, while TCP_PATH_TX_TSO. */
struct tcp_tso_limits {
	uint16_t max_bytes; /* of IP packet, header included; 0: what IP allows */
	uint8_t max_segs;   /* segments that it becomes; 0: any number */
	uint8_t max_mbufs;  /* header included; 0: as in every other packet */
};

struct tcp_path {
	struct ip_addr local; /* source address */
	uint32_t hop;         /* env's own name for the next hop, handed back with each packet */
	uint16_t mtu;         /* bytes of IP packet, header included */
	uint16_t flags;       /* TCP_PATH_... */
	struct tcp_tso_limits tso;
};

struct tcp_env {
	void *ctx; /* first argument of every function below */

	/*
	 * Sends n IP packets and takes ownership of them. data_off is at the IP header; l3_len and
	 * l4_len are set; checksums are complete, or asked of the device by ol_flags as the path's
	 * flags allow. With RTE_MBUF_F_TX_TCP_SEG the packet is for the device to cut into segments
	 * of tso_segsz bytes of payload, within the path's limits; else it fits the path's MTU.
	 * tcp_packet_hop() gives the path's hop. Packets that cannot be sent are freed.
	 */
	void (*transmit)(void *ctx, struct rte_mbuf **packets, unsigned int n);

	/*
	 * Finds the path to `remote`, from `local` if that is not the any-address. Returns 0,
	 * -ENETUNREACH without a route, -EADDRNOTAVAIL if `local` is not ours, -EINVAL for an
	 * address TCP cannot talk to.
	 */
	int (*path)(void *ctx, const struct ip_addr *remote, const struct ip_addr *local,
		    struct tcp_path *path);

	/* Whether `local` is one of our addresses. */
	bool (*is_local)(void *ctx, const struct ip_addr *local);

	/* Fills a buffer with bytes that nobody can predict. */
	void (*random)(void *ctx, void *buf, size_t bytes);

	/*
	 * Tells a connection's user that tcp_poll() may answer differently now. Called from inside
	 * tcp_input() and tcp_advance() at their end, once for each connection and call; all of the
	 * engine's functions but those three may be called from it.
	 */
	void (*notify)(void *ctx, struct tcp_conn *c, void *user);

	/*
	 * Something new was acknowledged that went out over this hop: it works (RFC 4861 §7.3.1).
	 * May be NULL.
	 */
	void (*confirm)(void *ctx, uint32_t hop);

	/*
	 * A local port has come into use, or is free again, TIME-WAIT included; not told of are
	 * connections that lands_here() is true for, listeners that are everywhere, and the end
	 * of the engine itself. May be NULL.
	 */
	void (*port)(void *ctx, uint16_t port, bool in_use);

	/*
	 * Whether packets of this 4-tuple come to this engine by themselves, where there are
	 * several: connect() chooses a local port with which they do, if there is one. NULL: all.
	 */
	bool (*lands_here)(void *ctx, const struct tcp_tuple *tuple);

	/*
	 * Where several engines share an address: whether a socket with this user may have a local
	 * port, which it asks for or, `chosen`, which is chosen for it. NULL: all.
	 */
	bool (*may_hold)(void *ctx, const void *user, uint16_t port, bool chosen);

	/*
	 * A packet for no connection and no listener of this engine's, as it was given to
	 * tcp_input(): it may be for another engine's. Returns whether it was taken; else it is
	 * answered with a reset. May be NULL.
	 */
	bool (*stray)(void *ctx, struct rte_mbuf *packet, const struct tcp_tuple *tuple);

	/*
	 * Something was learned of Fast Open that other engines should be told, each by
	 * tcp_fastopen_take_news(). Called while a handshake ends or fails. May be NULL.
	 */
	void (*fastopen_news)(void *ctx, const struct tcp_fastopen_news *news);

	/*
	 * Whether a connection that has been idle may be folded (see tcp_unfold()), and: it is,
	 * what its user has of it is not valid any more, and `folded` stands for it. Called inside
	 * tcp_advance() only. may_fold is NULL: none is folded.
	 */
	bool (*may_fold)(void *ctx, void *user);
	void (*fold)(void *ctx, void *user, struct tcp_folded *folded);

	/* And c is the connection again, `folded` is gone; maybe inside tcp_input(). */
	void (*unfold)(void *ctx, void *user, struct tcp_conn *c);

	/* Memory for the engine's tables, zeroed; called at creation and destruction only. */
	void *(*alloc)(void *ctx, size_t bytes, size_t align);
	void (*free)(void *ctx, void *memory);
};

/* Ports that the engine chooses, as Linux's ip_local_port_range. */
enum {
	TCP_PORT_FIRST = 32768,
	TCP_PORT_LAST = 60999,
};

/* As Linux's tcp_ecn. */
enum tcp_ecn_mode {
	TCP_ECN_OFF,     /* neither ask for it nor grant it */
	TCP_ECN_ON,      /* ask for it, and grant it */
	TCP_ECN_PASSIVE, /* grant it to those who ask */
};

/* As Linux's tcp_syncookies. */
enum tcp_syncookies {
	TCP_SYNCOOKIES_OFF,
	TCP_SYNCOOKIES_ON,     /* when a SYN queue is full */
	TCP_SYNCOOKIES_ALWAYS, /* for tests: never keep a request */
};

/* As Linux's tcp_mtu_probing. */
enum tcp_mtu_probing {
	TCP_MTU_PROBING_OFF,
	TCP_MTU_PROBING_BLACK_HOLE, /* when a black hole seems to swallow large segments */
	TCP_MTU_PROBING_ON,         /* always, from base_mss on */
};

struct tcp_config {
	const char *name;       /* unique in the process */
	int socket_id;          /* NUMA node, or SOCKET_ID_ANY */
	uint32_t max_conns;     /* connections and listeners, at least 1 */
	uint32_t max_requests;  /* half-open connections of all listeners */
	uint32_t max_timewait;  /* connections in TIME-WAIT; the oldest gives way */
	uint32_t max_held_bufs; /* receive mbufs that all queues together may hold */
	uint32_t max_mutes;     /* connections moved away; the oldest is forgotten */
	uint32_t fold_after_ms; /* how long a connection is idle before it is folded; 0: never */
	uint32_t max_unfolded;  /* of max_conns: that are not folded, at a time; 0: all */

	/* What follows may change while the engine runs, by tcp_reconfigure(). */
	uint32_t rcvbuf_bytes;     /* default SO_RCVBUF, in buffer memory rather than payload */
	uint32_t rcvbuf_max_bytes; /* up to which it grows by itself; as Linux's tcp_rmem[2] */
	uint32_t sndbuf_bytes;     /* default SO_SNDBUF */
	uint32_t sndbuf_max_bytes; /* up to which it grows by itself; as Linux's tcp_wmem[2] */
	uint32_t timewait_ms;      /* length of TIME-WAIT and of an orphan's FIN-WAIT-2 */
	uint32_t user_timeout_ms;  /* default TCP_USER_TIMEOUT; 0: by the number of retries */
	uint32_t keepalive_time_s; /* as Linux's tcp_keepalive_time, _intvl, _probes */
	uint32_t keepalive_intvl_s;
	uint32_t invalid_ratelimit_ms; /* between answers to what does not fit; 0: none; Linux's */
	uint8_t keepalive_probes;
	uint8_t syn_retries;         /* as Linux's tcp_syn_retries */
	uint8_t syn_linear_timeouts; /* SYNs sent again before their time-out doubles; as Linux's */
	uint8_t synack_retries;      /* as Linux's tcp_synack_retries */
	uint8_t retries;             /* as Linux's tcp_retries2 */
	uint8_t orphan_retries;      /* as Linux's tcp_orphan_retries */
	uint8_t ttl;                 /* IPv4 time to live and IPv6 hop limit of what we send */
	bool tw_reuse; /* own connections may take a TIME-WAIT's place; as Linux's tcp_tw_reuse 1 */
	bool timestamps;            /* RFC 7323 §3 */
	bool window_scaling;        /* RFC 7323 §2 */
	bool sack;                  /* RFC 2018 */
	bool dsack;                 /* RFC 2883: report what arrives twice */
	bool frto;                  /* RFC 5682 */
	bool tlp;                   /* RFC 8985 §7; as Linux's tcp_early_retrans */
	bool rack;                  /* RFC 8985; as bit 0 of Linux's tcp_recovery; off: RFC 6675 */
	bool fast_paths;            /* short ways for what is expected; off only to compare */
	bool pacing;                /* of every connection; as Linux's fq queues do */
	bool slow_start_after_idle; /* RFC 2861 */
	bool ecn_fallback;          /* a SYN that goes unanswered is sent again without ECN */
	enum tcp_ecn_mode ecn;      /* RFC 3168 */
	enum tcp_syncookies syncookies;
	uint32_t fastopen;             /* TCP_FASTOPEN_CLIENT, ...: as Linux's tcp_fastopen */
	uint32_t fastopen_blackhole_s; /* as its tcp_fastopen_blackhole_timeout_sec; 0: no guard */
	struct tcp_fastopen_keys fastopen_keys; /* of the server; none: drawn at start */
	enum tcp_mtu_probing mtu_probing;       /* RFC 4821 */
	uint16_t base_mss;         /* bytes where probing begins; Linux's tcp_base_mss */
	uint16_t probe_threshold;  /* bytes; a narrower search rests; tcp_probe_threshold */
	uint32_t probe_interval_s; /* until it goes on; tcp_probe_interval */
	uint32_t min_rtt_wlen_s;   /* how long a smallest round trip holds; as Linux's */
	uint16_t min_tso_segs;     /* that leave at once, if they may; tcp_min_tso_segs */
	uint32_t initial_cwnd;     /* segments, RFC 6928; as initcwnd of Linux's routes */
	uint32_t flush_bytes;      /* new ones that a connection sends at a flush; 0: all it may */
	uint16_t reordering;       /* segments; as Linux's tcp_reordering, tcp_max_reordering */
	uint16_t max_reordering;
	uint32_t notsent_lowat_bytes; /* default TCP_NOTSENT_LOWAT; UINT32_MAX: none */
	const char *congestion; /* name of the default congestion control: "cubic", "newreno" */

	const struct tcp_smc_ops *smc; /* the transport that CLC is talked for: see smc.h */

	struct rte_mempool *header_pool; /* mbufs for headers and small segments */
	struct rte_mempool *data_pool;   /* mbufs for bytes that tcp_send() copies */
	struct rte_mempool *ref_pool;    /* mbufs without data room, to refer to queued data */
};

/* The name of the n-th congestion control, from 0; NULL behind the last. Any thread. */
const char *tcp_congestion_name(unsigned int n);

/* Fills in Linux's defaults for everything but name and pools. */
void tcp_config_defaults(struct tcp_config *config);

/* Bytes that an engine of these limits asks env.alloc for, and a little more. Any thread. */
uint64_t tcp_engine_bytes(const struct tcp_config *config);

/*
 * Makes an engine. The configuration and the environment are copied. *engine is set on success.
 * Returns 0, -EINVAL for a configuration out of range, -ENOENT for an unknown congestion control,
 * -ENOMEM when memory ran out.
 */
int tcp_engine_create(const struct tcp_config *config, const struct tcp_env *env,
		      struct tcp_engine **engine);

/*
 * Takes over what may change while the engine runs; sizes, pools and name stay. What a connection
 * copied when it was opened stays with it, as with Linux's sysctls. Returns as tcp_engine_create()
 * does, without change on failure.
 */
int tcp_reconfigure(struct tcp_engine *engine, const struct tcp_config *config);

/* Frees an engine with all its connections, without a packet. NULL is ignored. */
void tcp_engine_destroy(struct tcp_engine *engine);

/* ---- Driving it */

/*
 * Hands over a burst of IP packets that carry TCP to us, and takes ownership of them. Of each mbuf:
 * data_off at the IP header, l3_len the length of all headers before TCP, pkt_len without link
 * padding, packet_type's L3 part RTE_PTYPE_L3_IPV4… or RTE_PTYPE_L3_IPV6…; the IP header is already
 * checked. Flag RTE_MBUF_F_RX_L4_CKSUM_GOOD spares the checksum. now_us must not go backwards.
 */
void tcp_input(struct tcp_engine *engine, uint64_t now_us, struct rte_mbuf **packets,
	       unsigned int n);

/* Lets all timers that are due by now_us (microseconds of any monotonic clock) fire. */
void tcp_advance(struct tcp_engine *engine, uint64_t now_us);

/* When tcp_advance() has something to do next, never later than that; UINT64_MAX: never. */
uint64_t tcp_next_timer(const struct tcp_engine *engine);

/* Sends what is due: data, acknowledgments, window updates. Call it once an iteration. */
void tcp_flush(struct tcp_engine *engine);

/* What an ICMP error says of a segment of ours, RFC 5461 and RFC 1191/8201. */
enum tcp_icmp_kind {
	TCP_ICMP_UNREACHABLE, /* `error` says what: EHOSTUNREACH, ENETUNREACH, ... */
	TCP_ICMP_REFUSED,     /* protocol or port unreachable: ECONNREFUSED */
	TCP_ICMP_PACKET_TOO_BIG,
};

struct tcp_icmp {
	struct tcp_tuple tuple; /* of the quoted segment: local is its source */
	uint32_t seq;           /* its sequence number, host byte order */
	enum tcp_icmp_kind kind;
	int error;    /* positive errno, for UNREACHABLE and REFUSED */
	uint16_t mtu; /* for PACKET_TOO_BIG; bytes, 0 if not told */
};

/*
 * An ICMP error arrived, or the link layer could not resolve a neighbour. Quotes whose sequence
 * number is not in flight are ignored and counted (RFC 5927 §4).
 */
void tcp_icmp_input(struct tcp_engine *engine, const struct tcp_icmp *icmp);

/* The path's hop of a packet handed to env.transmit. */
static inline uint32_t
tcp_packet_hop(const struct rte_mbuf *packet)
{
	return packet->hash.usr;
}

/* Makes every connection ask env.path anew before it next sends: routes or hops changed. */
void tcp_paths_changed(struct tcp_engine *engine);

/* ---- Socket calls */

/*
 * Opens a socket. family is AF_INET or AF_INET6 (the latter speaks IPv4 too unless IPV6_V6ONLY is
 * set). *c is set on success. Returns 0, -EAFNOSUPPORT, -ENOBUFS when max_conns are in use.
 */
int tcp_open(struct tcp_engine *engine, int family, struct tcp_conn **c);

/*
 * Of a folded connection, before its user calls anything: the connection, after env.unfold().
 * Returns NULL, and nothing has changed, while max_unfolded are in use: it can be tried again after
 * a tcp_advance(). Only connections that have a user are folded.
 */
struct tcp_conn *tcp_unfold(struct tcp_engine *engine, struct tcp_folded *folded);

/* Forgets a folded connection, without a packet. */
void tcp_drop_folded(struct tcp_engine *engine, struct tcp_folded *folded);

/* What notify() passes along; NULL at first, also on an accepted connection. */
void tcp_set_user(struct tcp_conn *c, void *user);
void *tcp_user(const struct tcp_conn *c);
struct tcp_engine *tcp_engine_of(const struct tcp_conn *c);

/* Whose socket it is; 0 at first. Only sockets of one user share a port by SO_REUSEPORT. */
void tcp_set_uid(struct tcp_conn *c, uint32_t uid);

/* AF_INET or AF_INET6: what the socket was opened as. */
int tcp_family(const struct tcp_conn *c);

/*
 * Binds to a local address; port 0 chooses one. Returns 0; -EINVAL if bound already or not in
 * CLOSED; -EADDRNOTAVAIL if the address is not ours; -EADDRINUSE if another socket holds the port
 * (as Linux: with SO_REUSEADDR on both and neither listening they may share); -EAFNOSUPPORT for an
 * IPv6 address on an AF_INET socket.
 */
int tcp_bind(struct tcp_conn *c, const struct tcp_endpoint *local);

/*
 * Listens, or changes the backlog of a listener. At most backlog + 1 connections wait for accept,
 * as on Linux. Returns 0; -EINVAL in another state than CLOSED and LISTEN; -EADDRINUSE;
 * -ENOBUFS.
 */
int tcp_listen(struct tcp_conn *c, int backlog);

/*
 * Where several engines share an address: each of them has a listener like this one, or this one
 * alone again. So packets for it need not be told the way (tcp_env.port). A listener that is shut
 * down is alone.
 */
void tcp_found_everywhere(struct tcp_conn *c, bool everywhere);

/* The port that a socket is bound to is given back when it becomes CLOSED, as one that was chosen.
 */
void tcp_bound_as_chosen(struct tcp_conn *c);

/* What a socket is bound to, and what it says of sharing that. */
struct tcp_bound_as {
	struct tcp_endpoint local; /* port 0: not bound */
	bool chosen;               /* the port is one that bind() or listen() chose */
	uint8_t kind;              /* of ports.c */
};

void tcp_bound_as(const struct tcp_conn *c, struct tcp_bound_as *as);

/* Whether a user's socket that another engine has may be bound so, as far as this one knows.
 * Returns 0 or -EADDRINUSE. */
int tcp_may_bind(struct tcp_engine *e, const struct tcp_bound_as *as, uint32_t uid);

/* How many connections wait for accept() at listeners of a port, those whose user is_one() of what
 * is counted. */
uint32_t tcp_waiting_at(const struct tcp_engine *e, uint16_t port,
			bool (*is_one)(const void *ctx, const void *user), const void *ctx);

/* Of a listener: how many there ever were to accept, and when the first came of those that wait. */
void tcp_accept_news(const struct tcp_conn *c, uint64_t *arrived, uint64_t *since_us);

/*
 * Takes the oldest completed connection. Returns 0 with *child set, -EAGAIN when there is none,
 * -EINVAL when c does not listen. A child may already be closed by its peer: its data is there to
 * read. One that Fast Open made is in SYN-RECEIVED, and may be read and written like any other.
 */
int tcp_accept(struct tcp_conn *c, struct tcp_conn **child);

/* The peer's address of a connection that was accepted, also if that has ended meanwhile. */
void tcp_accepted_from(const struct tcp_conn *child, struct tcp_endpoint *remote);

/*
 * Starts the handshake. Returns -EINPROGRESS when it started; then -EALREADY until it ended, 0
 * once, and -EISCONN; or, once, what ended it (-ECONNREFUSED, -ETIMEDOUT, ..., -ECONNABORTED if
 * that was told already), and the socket may connect anew. -EISCONN on a listener; the errors of
 * env.path; -EADDRNOTAVAIL when no port is free or the 4-tuple is in use; -EAFNOSUPPORT.
 *
 * With TCP_FASTOPEN_CONNECT, and the server's cookie known: 0, and nothing is sent before the first
 * tcp_send() (tcp_is_deferred()); until then -EISCONN.
 */
int tcp_connect(struct tcp_conn *c, const struct tcp_endpoint *remote);

/* Which 4-tuple connect() would give to a socket that was bound to a port; false if that is not so,
 * or connect() will say what is wrong. */
bool tcp_connect_tuple(struct tcp_conn *c, const struct tcp_endpoint *remote,
		       struct tcp_tuple *tuple);

/*
 * connect() to AF_UNSPEC: resets the connection, or ends listening; the socket may connect or
 * listen anew. What was received and not read is gone.
 */
void tcp_disconnect(struct tcp_conn *c);

/*
 * Queues bytes for sending, copying them. flags: MSG_MORE (more follows at once: hold a partial
 * segment), MSG_OOB (the last byte is urgent), others are ignored. Returns the number of bytes
 * taken, possibly fewer than given; -EAGAIN when there is no room now, or no connection yet; -EPIPE
 * after shutdown(SHUT_WR), in CLOSED and once the connection's error was reported; the connection's
 * error (-ECONNRESET, -ETIMEDOUT, ...) once.
 *
 * Of a deferred connection it sends the SYN, and in it as many of the bytes as go there, whose
 * number it returns; -EINPROGRESS if that is none, and none is queued: for want of a cookie, or of
 * bytes. A caller who waits does so until the handshake is over and sends what is left.
 */
ssize_t tcp_send(struct tcp_conn *c, const void *buf, size_t bytes, int flags);

/*
 * The same with an address, NULL for none, which counts with MSG_FASTOPEN only: connects to it, and
 * sends as tcp_send() does of a deferred connection. Then also the errors of tcp_connect();
 * -EOPNOTSUPP without TCP_FASTOPEN_CLIENT in the configuration; -EINVAL without an address on an
 * unconnected socket; -EALREADY while the handshake runs; -EISCONN on a connection. (An address of
 * family AF_UNSPEC, with MSG_FASTOPEN, is the caller's to refuse: -EOPNOTSUPP.)
 */
ssize_t tcp_sendto(struct tcp_conn *c, const void *buf, size_t bytes, int flags,
		   const struct tcp_endpoint *remote);

/*
 * While a handshake of ours runs: somebody waits for its end and will write at once. As on Linux
 * the SYN-ACK's acknowledgment then leaves with his bytes, or, should they not come, after 200 ms.
 */
void tcp_expect_write(struct tcp_conn *c);

/*
 * To be called once after the tcp_send() calls that make up one send() with MSG_ZEROCOPY and took
 * at least a byte: what is queued has the next number, and is reported when acknowledged. Nothing
 * happens unless SO_ZEROCOPY is set. The bytes are copied nevertheless.
 */
void tcp_sent_zerocopy(struct tcp_conn *c);

/*
 * Takes the oldest report off the error queue, recvmsg(MSG_ERRQUEUE): that the sends with the
 * numbers ee_info to ee_data are over (SO_EE_ORIGIN_ZEROCOPY). Returns 0, or -EAGAIN if there is
 * none. While there is one, tcp_poll() says POLLERR.
 */
int tcp_recv_report(struct tcp_conn *c, struct sock_extended_err *out);

/*
 * Queues a chain of mbufs for sending by reference. On success the engine owns the chain and frees
 * it when the peer has acknowledged it; the bytes must not change until then. All or nothing.
 * Returns the number of bytes taken, or the errors of tcp_send(), and then the caller keeps the
 * chain. Takes the chain whenever there is any room, and may thereby exceed SO_SNDBUF by one chain.
 */
ssize_t tcp_send_mbufs(struct tcp_conn *c, struct rte_mbuf *chain, int flags);

/* Bytes that tcp_send() would take now; 0 if it would answer with an error. */
size_t tcp_send_room(const struct tcp_conn *c);

/*
 * Queues bytes for which tcp_send_room() gave its word at an earlier time, whatever room there is
 * now. Takes flags as tcp_send() does. Returns the number of bytes taken, fewer than given only
 * while mbufs are short; -EPIPE if the connection can send no more, whose error, if it has one,
 * remains for the next call to tell.
 */
ssize_t tcp_send_promised(struct tcp_conn *c, const void *buf, size_t bytes, int flags);

/* Has the user told when tcp_poll() says POLLOUT, if it does not now or there is no room. */
void tcp_want_room(struct tcp_conn *c);

/* Bytes in the receive queue, whatever recv() would answer. */
size_t tcp_readable(const struct tcp_conn *c);

/* Whether the receive queue has an urgent byte that is to be read with care: by tcp_recv(). */
bool tcp_has_urgent(const struct tcp_conn *c);

/*
 * Reads received bytes, copying them. flags: MSG_PEEK leaves them in the queue, MSG_TRUNC copies
 * nothing, MSG_OOB reads the urgent byte (-EINVAL: none; -EAGAIN: not here yet); MSG_WAITALL and
 * MSG_DONTWAIT are for callers who wait, MSG_ERRQUEUE is -EAGAIN. Returns the number of bytes; 0 at
 * the end of the stream (FIN or shutdown(SHUT_RD)); -EAGAIN when there are none now; -ENOTCONN in
 * CLOSED before connecting and in LISTEN; the connection's error once, after the data, but not
 * after a FIN: then tcp_send() and SO_ERROR tell it.
 */
ssize_t tcp_recv(struct tcp_conn *c, void *buf, size_t bytes, int flags);

/*
 * Looks at received bytes in place: *data points at a chain of mbufs (next after next, each with
 * data_len bytes) that stays the engine's and is valid until the next call on this connection or
 * into tcp_input(). Returns as tcp_recv() does, with the number of all bytes in the queue.
 */
ssize_t tcp_peek_mbufs(struct tcp_conn *c, const struct rte_mbuf **data);

/* Removes the first bytes of the receive queue, at most as many as it holds; returns how many. */
size_t tcp_consume(struct tcp_conn *c, size_t bytes);

/*
 * how: SHUT_RD, SHUT_WR, SHUT_RDWR. Returns 0, -ENOTCONN if there is no connection, -EINVAL for
 * another `how`. On a listener SHUT_RD stops listening, as on Linux.
 */
int tcp_shutdown(struct tcp_conn *c, int how);

/*
 * Closes; c is invalid afterwards. Unread data or SO_LINGER with 0 seconds resets the connection
 * (RFC 9293 §3.6, RFC 2525 §2.17); otherwise what is queued is sent, then FIN. SO_LINGER with more
 * seconds is stored for a caller who blocks: he shuts down for writing, waits until nothing is
 * unacknowledged or the time is over, and then closes.
 */
void tcp_close(struct tcp_conn *c);

/* Resets the connection; c is invalid afterwards. */
void tcp_abort(struct tcp_conn *c);

/* POLLIN, POLLOUT, POLLERR, POLLHUP, POLLRDHUP as Linux's tcp_poll gives them. */
short tcp_poll(const struct tcp_conn *c);

/*
 * Options by Linux's levels, names and layouts; FEATURES.md lists them. Return 0; -ENOPROTOOPT for
 * an unknown option, -EINVAL for a value or length out of range. getsockopt cuts the value at *len
 * and sets *len to what it wrote.
 */
int tcp_setsockopt(struct tcp_conn *c, int level, int name, const void *value, size_t len);
int tcp_getsockopt(struct tcp_conn *c, int level, int name, void *value, size_t *len);

/*
 * SIOCINQ (FIONREAD): bytes to read; SIOCOUTQ (TIOCOUTQ): sequence numbers not yet acknowledged,
 * queued ones and the FIN's included; SIOCOUTQNSD: those not yet sent; SIOCATMARK: whether the next
 * byte to read is the urgent one. Fills in *value and returns 0; -EINVAL in LISTEN; -ENOTTY for any
 * other request.
 */
int tcp_ioctl(struct tcp_conn *c, unsigned long request, int *value);

/* The socket's own and its peer's address. Return 0; getpeername -ENOTCONN without a peer. */
int tcp_getsockname(const struct tcp_conn *c, struct tcp_endpoint *local);
int tcp_getpeername(const struct tcp_conn *c, struct tcp_endpoint *remote);

enum tcp_state tcp_state(const struct tcp_conn *c);

/* CLOSED, and not by a connection's end that connect() would still tell: no byte came by it. */
bool tcp_is_unused(const struct tcp_conn *c);

/* ---- Looking at it */

/* Every counter, in the order of tcp_stats.def; each explained there. */
struct tcp_stats {
#define TCP_STAT(name, text) uint64_t name;
#include "tcp_stats.def"
#undef TCP_STAT
};

#define TCP_STATS_COUNT (sizeof(struct tcp_stats) / sizeof(uint64_t))

extern const char *const tcp_stats_names[];
extern const char *const tcp_stats_texts[];

/* Copies the counters. Any thread; each counter is read whole, all of them not at one instant. */
void tcp_stats_read(const struct tcp_engine *engine, struct tcp_stats *stats);

/* What the engine holds right now. */
struct tcp_usage {
	uint32_t conns;     /* sockets in any state, closed by their user or not */
	uint32_t folded;    /* of those, idle and kept in less memory */
	uint32_t listeners; /* of those, in LISTEN */
	uint32_t orphans;   /* of those, closed by their user and not yet done */
	uint32_t requests;  /* half-open */
	uint32_t timewait;
	uint32_t flows;        /* entries of the flow table */
	uint32_t held_bufs;    /* receive mbufs in queues */
	uint32_t queued_bufs;  /* mbufs in send queues */
	uint32_t sent_records; /* transmissions awaiting acknowledgment */
	uint32_t ranges;       /* out-of-order ranges */
	uint32_t ports;        /* held by sockets, or by connections that are alike */
	uint32_t mutes;        /* addresses of connections that were moved away */
};

void tcp_usage(const struct tcp_engine *engine, struct tcp_usage *usage);

/* What a socket waits for next, with Linux's numbers (inet_diag). */
enum tcp_list_timer {
	TCP_LIST_TIMER_OFF,
	TCP_LIST_TIMER_ON, /* retransmission, or what RACK-TLP waits for */
	TCP_LIST_TIMER_KEEPALIVE,
	TCP_LIST_TIMER_TIMEWAIT,
	TCP_LIST_TIMER_PERSIST,
	TCP_LIST_TIMER_REPAIR, /* since when, instead: it is frozen */
	TCP_LIST_TIMER_MUTE,   /* until its address is anybody's again */
};

/* One line of `tern ss`. */
struct tcp_listing {
	struct tcp_tuple tuple;
	enum tcp_state state;
	uint32_t recv_q;  /* bytes not read; of a listener: connections waiting for accept */
	uint32_t send_q;  /* bytes not acknowledged; of a listener: its backlog */
	uint32_t srtt_us; /* 0: not measured yet */
	uint32_t rttvar_us;
	uint32_t rto_us;
	uint32_t cwnd_segs;
	uint32_t ssthresh_segs; /* UINT32_MAX: not set yet */
	uint32_t mss;           /* bytes of payload in a full segment */
	uint32_t snd_wnd;       /* bytes */
	uint32_t rcv_wnd;       /* bytes */
	uint32_t retransmits;   /* segments, over the connection's life */
	uint64_t bytes_acked;
	uint64_t bytes_received;
	uint8_t snd_wscale_shift;
	uint8_t rcv_wscale_shift;
	bool timestamps;
	bool sack;
	bool orphan; /* closed by its user */
	bool frozen; /* in repair */
	bool mute;   /* no socket: its connection has left, see mute.c; its state is CLOSED */
	bool has_details;
	bool ipv6; /* opened as AF_INET6 */
	bool v6only;
	bool smc;      /* TCP_SYN_SMC */
	uint8_t timer; /* enum tcp_list_timer */
	uint8_t timer_retries;
	uint32_t timer_ms;      /* until it fires */
	void *user;             /* tcp_user() */
	const char *congestion; /* name; NULL: none */
	struct tcp_details details;
};

/*
 * Lists sockets, half-open connections, TIME-WAIT and what is mute, n at most. *cursor is 0 at
 * first and is moved on; at the end it is TCP_LIST_END. Returns how many were written, perhaps none
 * although there are more: no call looks at more than a few hundred places. Between calls the
 * engine may run: what is born or dies meanwhile may be missing.
 */
#define TCP_LIST_END UINT64_MAX
unsigned int tcp_list(const struct tcp_engine *engine, uint64_t *cursor,
		      struct tcp_listing *listing, unsigned int n);

/*
 * The next of the connections, half-closed ones included, with a cursor as above: of those that a
 * user has, that he has closed and that finish yet, and that wait to be accepted. Returns NULL at
 * the end, or, with a cursor that is not at the end, after a few hundred places.
 */
struct tcp_conn *tcp_walk(struct tcp_engine *engine, uint64_t *cursor);

/* The connection of a 4-tuple, in repair or not; NULL: there is none. */
struct tcp_conn *tcp_find(struct tcp_engine *engine, const struct tcp_tuple *tuple);

/*
 * Brings what the flow table has of n <= TCP_FIND_AHEAD 4-tuples into the cache, the misses side by
 * side: for those that tcp_find() or tcp_restore() gets next. `at` is where their connections were,
 * NULL for none: to be given to tcp_checkpoint_prefetch(), and to nobody else.
 */
enum { TCP_FIND_AHEAD = 64 };
void tcp_find_ahead(struct tcp_engine *engine, const struct tcp_tuple **tuples, unsigned int n,
		    const struct tcp_conn **at);

/* The 4-tuple of a connection. */
struct tcp_tuple tcp_tuple_of(const struct tcp_conn *c);

#endif
