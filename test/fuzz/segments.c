/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Sequences of segments against live connections. The input is a program: each byte chooses what
 * happens next (a socket call, a segment that fits, one that almost does, one that does not, time,
 * an ICMP error, another path, want of memory), the bytes behind it the details. After each step
 * the engine must be consistent (invariants.c); what it sends is checked in segments_env.c, what
 * users read here; and when all is closed, nothing may be left.
 */
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "invariants.h"
#include "segments.h"

enum {
	MAX_STEPS = 400,
	TRAIN_FIRST = 251, /* in place of others: the corpus keeps its meaning */
	TRAIN_LAST = 253,
	CALL = 254,
};

static struct world world;
static uint8_t buffer[100000];

/* ---- Users */

static struct seg_socket *
socket_of(struct world *w, uint8_t which)
{
	return &w->sockets[which % SEG_SOCKETS];
}

static struct seg_socket *
free_socket(struct world *w)
{
	for (unsigned int i = 0; i < SEG_SOCKETS; i++)
		if (w->sockets[i].c == NULL)
			return &w->sockets[i];
	return NULL;
}

static void
own(struct seg_socket *s, struct tcp_conn *c, uint8_t reaction)
{
	*s = (struct seg_socket){.c = c, .reaction = reaction % REACTIONS};
	tcp_set_user(c, s);
}

/*
 * recv(MSG_OOB): the byte at the mark, once; read in line or not there, none. Once the connection
 * is CLOSED, it may be refused though the byte is there, as on Linux.
 */
static void
recv_oob(struct seg_socket *s, size_t bytes, int flags)
{
	bool marked = (s->c->flags & CONN_URG_MARK) != 0 && !s->c->oob_inline;
	bool here = marked && s->c->urg_state == URG_HERE;
	seq_t seq = s->c->urg_seq;
	ssize_t n = tcp_recv(s->c, buffer, bytes, flags);

	if (n == -ENOTCONN && s->c->state == TCP_CLOSED)
		return;
	FUZZ_CHECK(n <= 1 && (n < 1 || bytes > 0), "%zd urgent bytes of %zu", n, bytes);
	FUZZ_CHECK(n < 1 || (here && buffer[0] == fuzz_byte(false, seq)),
		   "the urgent byte at %u is %02x", seq, buffer[0]);
	FUZZ_CHECK(n < 0 || marked, "%zd without a mark", n);
	FUZZ_CHECK(!here || n == (bytes > 0), "%zd though the urgent byte is there", n);
	if (here && (flags & MSG_PEEK) == 0)
		FUZZ_CHECK(tcp_recv(s->c, buffer, 1, MSG_OOB) == -EINVAL, "urgent twice");
}

/*
 * What a reading takes: the stream from where the last one ended, without the urgent byte where it
 * is next, and never across one.
 */
void
seg_recv(struct world *w, struct seg_socket *s, size_t bytes, int flags)
{
	seq_t seq, mark;
	bool marked;
	ssize_t n;

	(void)w;
	if (s->c == NULL)
		return;
	bytes = RTE_MIN(bytes, sizeof(buffer));
	if (flags & MSG_OOB) {
		recv_oob(s, bytes, flags);
		return;
	}
	marked = (s->c->flags & CONN_URG_MARK) != 0;
	mark = s->c->urg_seq;
	seq = fuzz_read_seq(s->c);
	n = tcp_recv(s->c, buffer, bytes, flags);
	FUZZ_CHECK(n < 0 || (size_t)n <= bytes, "%zd of %zu bytes", n, bytes);
	if (marked && mark == seq && !s->c->oob_inline)
		seq++;
	for (ssize_t i = 0; i < n; i++)
		FUZZ_CHECK(buffer[i] == fuzz_byte(false, seq + (uint32_t)i),
			   "byte %zd read at %u is %02x", i, seq, buffer[i]);
	FUZZ_CHECK(n <= 0 || !marked || seq_geq(seq, mark) || seq_leq(seq + (uint32_t)n, mark),
		   "%zd bytes at %u, across the mark at %u", n, seq, mark);
	FUZZ_CHECK(n <= 0 || (flags & MSG_PEEK) || fuzz_read_seq(s->c) == seq + (uint32_t)n,
		   "%zd bytes read at %u, next is %u", n, seq, fuzz_read_seq(s->c));
}

/* What the socket's stream holds from its next byte on. */
static void
fill(const struct seg_socket *s, uint8_t *to, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++)
		to[i] = fuzz_byte(true, s->c->iss + 1 + s->queued + (uint32_t)i);
}

static void
note_sent(struct world *w, struct seg_socket *s, ssize_t n, int flags)
{
	if (n <= 0)
		return;
	s->queued += (uint32_t)n;
	if (flags & MSG_OOB)
		seg_note_urgent(w, s->c, s->c->iss + 1 + s->queued);
}

void
seg_send(struct world *w, struct seg_socket *s, size_t bytes, int flags)
{
	uint8_t *exact;
	ssize_t n;

	if (s->c == NULL)
		return;
	exact = malloc(bytes > 0 ? bytes : 1);
	fill(s, exact, bytes);
	n = tcp_send(s->c, exact, bytes, flags);
	free(exact);
	FUZZ_CHECK(n < 0 || (size_t)n <= bytes, "%zd of %zu bytes", n, bytes);
	note_sent(w, s, n, flags);
}

static void
send_mbufs(struct world *w, struct seg_socket *s, size_t bytes, size_t step, int flags)
{
	struct rte_mbuf *m;
	ssize_t n;

	bytes = RTE_MIN(bytes, (size_t)16000);
	fill(s, buffer, bytes);
	if (rte_mempool_avail_count(fuzz_pools[FUZZ_POOL_BARE]) < 64)
		return;
	m = fuzz_chain(buffer, bytes, RTE_MAX(step, bytes / 40 + 1), true);
	n = tcp_send_mbufs(s->c, m, flags);
	FUZZ_CHECK(n < 0 || (size_t)n == bytes, "%zd of %zu bytes", n, bytes);
	if (n < 0)
		rte_pktmbuf_free(m);
	note_sent(w, s, n, flags);
}

void
seg_close(struct world *w, struct seg_socket *s, bool abort)
{
	struct tcp_conn *c = s->c;

	(void)w;
	if (c == NULL)
		return;
	s->c = NULL;
	if (abort)
		tcp_abort(c);
	else
		tcp_close(c);
}

static void
do_open(struct world *w)
{
	struct seg_socket *s = free_socket(w);
	uint8_t what = fuzz_u8(&w->in);
	struct tcp_conn *c;

	if (s == NULL || tcp_open(w->e, what & 1 ? AF_INET6 : AF_INET, &c) != 0)
		return;
	own(s, c, what >> 1);
	if (what & 0x80) {
		struct tcp_endpoint any = {.port = (uint16_t)(SEG_LOCAL_PORT + (what >> 6 & 1))};

		if ((what & 1) == 0)
			any.ip = ip_from4(be32(0));
		tcp_bind(c, &any);
	}
}

static void
do_listen(struct world *w)
{
	uint8_t which = fuzz_u8(&w->in);
	struct seg_socket *s = socket_of(w, which);

	if (s->c != NULL)
		tcp_listen(s->c, (int8_t)(which >> 4));
}

static void
do_connect(struct world *w)
{
	uint8_t which = fuzz_u8(&w->in);
	struct seg_socket *s = socket_of(w, which);
	struct tcp_endpoint to = {seg_local((which & 0x40) == 0),
				  (uint16_t)(which >> 4 & 3 ? 7 : SEG_REMOTE_PORT)};

	((uint8_t *)to.ip.w)[15] = 1;
	if (s->c != NULL && tcp_connect(s->c, &to) == -EINPROGRESS)
		s->queued = 0;
}

static void
do_accept(struct world *w)
{
	uint8_t which = fuzz_u8(&w->in);
	struct seg_socket *s = socket_of(w, which), *to = free_socket(w);
	struct tcp_conn *child;

	if (s->c != NULL && to != NULL && tcp_accept(s->c, &child) == 0)
		own(to, child, which >> 4);
}

static const uint32_t amounts[8] = {0, 1, 100, 1000, 1460, 4000, 20000, 90000};

static void
do_send(struct world *w)
{
	uint8_t which = fuzz_u8(&w->in), what = fuzz_u8(&w->in);
	struct seg_socket *s = socket_of(w, which);
	static const int flags[4] = {0, 0, MSG_MORE, MSG_OOB};

	if (s->c == NULL)
		return;
	if (what & 0x80)
		send_mbufs(w, s, amounts[what & 7], what & 0x40 ? 1 : 700, flags[what >> 4 & 3]);
	else
		seg_send(w, s, amounts[what & 7], flags[what >> 4 & 3]);
}

static void
do_recv(struct world *w)
{
	uint8_t which = fuzz_u8(&w->in), what = fuzz_u8(&w->in);
	struct seg_socket *s = socket_of(w, which);
	const struct rte_mbuf *data;
	ssize_t n;

	if (s->c == NULL)
		return;
	if ((what & 0x80) == 0) {
		seg_recv(w, s, amounts[what & 7], what & 0x40 ? MSG_PEEK : 0);
		return;
	}
	n = tcp_peek_mbufs(s->c, &data);
	FUZZ_CHECK(n < 0 || (size_t)n == s->c->recvq.bytes, "%zd bytes", n);
	tcp_consume(s->c, amounts[what & 7]);
}

static void
do_shutdown(struct world *w)
{
	uint8_t which = fuzz_u8(&w->in);
	struct seg_socket *s = socket_of(w, which);

	if (s->c != NULL)
		tcp_shutdown(s->c, which >> 4 & 3);
}

static void
do_close(struct world *w)
{
	uint8_t which = fuzz_u8(&w->in);

	seg_close(w, socket_of(w, which), which & 0x80);
}

static void
pick_option(struct world *w, int *level, int *name)
{
	static const int levels[4] = {SOL_SOCKET, IPPROTO_TCP, IPPROTO_IPV6, IPPROTO_IP};
	uint8_t which = fuzz_u8(&w->in);

	*level = levels[which >> 6];
	*name = which & 63;
}

static void
do_setsockopt(struct world *w)
{
	struct seg_socket *s = socket_of(w, fuzz_u8(&w->in));
	uint8_t *value, size;
	uint32_t v;
	int level, name;
	size_t len;

	pick_option(w, &level, &name);
	size = fuzz_u8(&w->in);
	/* An int of few bits, or as many bytes of anything as the input says. */
	len = size & 0x80 ? size & 31 : 4;
	value = malloc(len > 0 ? len : 1);
	v = size & 0x80 ? 0 : (uint32_t)fuzz_u8(&w->in) << (size & 31);
	memcpy(value, &v, RTE_MIN(len, sizeof(v)));
	for (size_t i = 0; (size & 0x80) && i < len; i++)
		value[i] = fuzz_u8(&w->in);
	if (s->c != NULL)
		tcp_setsockopt(s->c, level, name, value, len);
	free(value);
}

static void
do_getsockopt(struct world *w)
{
	struct seg_socket *s = socket_of(w, fuzz_u8(&w->in));
	size_t room, len;
	uint8_t *value;
	int level, name;

	pick_option(w, &level, &name);
	room = len = fuzz_u8(&w->in);
	value = malloc(room > 0 ? room : 1);
	if (s->c != NULL)
		tcp_getsockopt(s->c, level, name, value, &len);
	FUZZ_CHECK(len <= room, "%zu bytes in %zu", len, room);
	free(value);
}

static void
do_look(struct world *w)
{
	struct seg_socket *s = socket_of(w, fuzz_u8(&w->in));
	struct tcp_listing listing[3];
	struct tcp_endpoint endpoint;
	uint64_t cursor = 0;
	unsigned int n = 0;

	while (cursor != TCP_LIST_END)
		n += tcp_list(w->e, &cursor, listing, 3);
	FUZZ_CHECK(n <= FUZZ_CONNS + FUZZ_REQUESTS + FUZZ_TIMEWAIT + w->e->mutes.slab.used,
		   "%u listed", n);
	if (s->c == NULL)
		return;
	tcp_getsockname(s->c, &endpoint);
	tcp_getpeername(s->c, &endpoint);
	tcp_poll(s->c);
	tcp_send_room(s->c);
}

/* ---- The world */

static void
do_path(struct world *w)
{
	static const uint16_t mtus[4] = {1500, 1280, 1400, 9000};
	uint8_t what = fuzz_u8(&w->in);

	tcp_flush(w->e);
	w->mtu = mtus[what & 3];
	w->path_error = (what & 12) == 12 ? ENETUNREACH : 0;
	w->path_flags =
		what >> 4 & (TCP_PATH_TX_IP4_CKSUM | TCP_PATH_TX_TCP_CKSUM | TCP_PATH_TX_MULTI_SEG);
	w->tso = (struct tcp_tso_limits){0};
	if (what & 0x80) {
		w->path_flags = TCP_PATH_TX_IP4_CKSUM | TCP_PATH_TX_TCP_CKSUM |
				TCP_PATH_TX_MULTI_SEG | TCP_PATH_TX_TSO;
		w->tso.max_bytes = what & 0x40 ? 20000 : 0;
		w->tso.max_segs = what & 0x20 ? 5 : 0;
		w->tso.max_mbufs = what & 0x10 ? 6 : 0;
	}
	w->hop++;
	tcp_paths_changed(w->e);
}

static void
do_configure(struct world *w)
{
	static const char *const congestion[2] = {"cubic", "newreno"};
	struct tcp_config c = w->e->config;
	uint8_t a = fuzz_u8(&w->in), b = fuzz_u8(&w->in), d = fuzz_u8(&w->in);

	c.timestamps = a & 1;
	c.window_scaling = a >> 1 & 1;
	c.sack = a >> 2 & 1;
	c.dsack = a >> 3 & 1;
	c.frto = a >> 4 & 1;
	c.tlp = a >> 5 & 1;
	c.rack = a >> 6 & 1;
	c.slow_start_after_idle = a >> 7;
	c.ecn = b % 3;
	c.syncookies = b / 3 % 3;
	c.mtu_probing = b / 9 % 3;
	c.ecn_fallback = b / 27 % 2;
	c.congestion = congestion[b / 54 % 2];
	c.rcvbuf_bytes = 4096u << d % 12;
	c.sndbuf_bytes = 4096u << d / 12 % 12;
	c.notsent_lowat_bytes = d & 0x80 ? 4096 : UINT32_MAX;
	c.user_timeout_ms = d & 0x40 ? 3000 : 0;
	FUZZ_CHECK(tcp_reconfigure(w->e, &c) == 0, "a good configuration is refused");
}

/* A pool has few mbufs left, or all of them again. */
static void
do_starve(struct world *w)
{
	static const enum fuzz_pool pools[4] = {FUZZ_POOL_HEADER, FUZZ_POOL_DATA, FUZZ_POOL_REF,
						FUZZ_POOL_REF};
	uint8_t what = fuzz_u8(&w->in);
	struct rte_mempool *pool = fuzz_pools[pools[what & 3]];
	unsigned int left = what >> 3;

	rte_pktmbuf_free_bulk(w->starving, w->n_starving);
	w->n_starving = 0;
	while ((what & 4) != 0 && rte_mempool_avail_count(pool) > left)
		w->starving[w->n_starving++] = rte_pktmbuf_alloc(pool);
}

static void
advance(struct world *w, uint64_t to_us)
{
	uint64_t next;

	/* All that is due on the way, but not for ever. */
	for (unsigned int i = 0; i < 50 && (next = tcp_next_timer(w->e)) <= to_us; i++) {
		w->now_us = RTE_MAX(w->now_us, next);
		w->may_notify = true;
		tcp_advance(w->e, w->now_us);
		w->may_notify = false;
		tcp_flush(w->e);
	}
	w->now_us = to_us;
	w->may_notify = true;
	tcp_advance(w->e, to_us);
	w->may_notify = false;
}

static void
do_time(struct world *w)
{
	static const uint32_t units_us[4] = {100, 5000, 100000, 2000000};
	uint8_t what = fuzz_u8(&w->in);

	if (w->n_held > 0)
		seg_release(w);
	if (what < 16) /* to the next timer, exactly */
		advance(w,
			RTE_MAX(RTE_MIN(tcp_next_timer(w->e), w->now_us + 200000000), w->now_us));
	else
		advance(w, w->now_us + (uint64_t)units_us[what & 3] * (what >> 2));
}

static void
do_hold(struct world *w)
{
	w->holding = true;
}

static void (*const steps[])(struct world *) = {
	do_open,  do_listen,   do_connect,    do_accept,     do_send,     do_recv,      do_shutdown,
	do_close, do_look,     do_setsockopt, do_getsockopt, do_path,     do_configure, do_starve,
	do_time,  do_time,     do_hold,       seg_segment,   seg_segment, seg_plain,    seg_plain,
	seg_sack, seg_garbage, seg_handshake, seg_handshake, seg_icmp,
};

static void
step(struct world *w)
{
	uint8_t which = fuzz_u8(&w->in);

	FUZZ_SAY("-- step %u\n", which);
	if (which >= TRAIN_FIRST && which <= TRAIN_LAST)
		seg_train(w);
	else if (which == CALL)
		seg_call(w);
	else
		steps[which % RTE_DIM(steps)](w);
	if (w->holding)
		return;
	tcp_flush(w->e);
	seg_note_edges(w);
	fuzz_check_engine(w->e);
}

/* Two connections, one of each side, over both families: most inputs should not have to learn how.
 */
static void
prepare(struct world *w)
{
	struct seg_socket *listener = &w->sockets[0];
	struct tcp_conn *c;

	FUZZ_CHECK(tcp_open(w->e, AF_INET6, &c) == 0, "no socket");
	own(listener, c, REACT_NOT);
	FUZZ_CHECK(tcp_bind(c, &(struct tcp_endpoint){.port = SEG_LOCAL_PORT}) == 0 &&
			   tcp_listen(c, 3) == 0,
		   "no listener");
}

static void
finish(struct world *w)
{
	if (w->n_held > 0)
		seg_release(w);
	w->closing = true;
	w->may_notify = true;
	rte_pktmbuf_free_bulk(w->starving, w->n_starving);
	w->n_starving = 0;
	for (unsigned int i = 0; i < SEG_SOCKETS; i++)
		seg_close(w, &w->sockets[i], true);
	fuzz_engine_drain(w->e, w->now_us);
	seg_free_lag(w);
	fuzz_check_pools();
}

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	struct tcp_env env;

	(void)argc;
	(void)argv;
	fuzz_start();
	fuzz_payload_known = true;
	world.random = 0x2545f4914f6cdd1d;
	seg_env(&world, &env);
	world.e = fuzz_engine_make(&env);
	return 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct tcp_engine *e = world.e;
	struct world *w = &world;

	fuzz_engine_restart(e);
	memset(w, 0, offsetof(struct world, starving));
	w->e = e;
	w->in = (struct fuzz_input){data, data + n};
	w->now_us = FUZZ_START_US;
	w->random = 0x2545f4914f6cdd1d;
	w->mtu = 1500;
	w->hop = 7;
	w->path_flags = TCP_PATH_TX_MULTI_SEG;
	prepare(w);
	for (unsigned int i = 0; i < MAX_STEPS && fuzz_left(&w->in) > 0; i++)
		step(w);
	finish(w);
	return 0;
}
