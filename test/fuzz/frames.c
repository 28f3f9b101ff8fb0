/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Ethernet frames from anybody, into the IP layer and the TCP engine behind it, which serves as an
 * echo on port 80 and tries to reach two neighbours.
 *
 * Input: frames, each behind a byte that says what is put right in it (nobody guesses a checksum),
 * a byte that says how much time passes after it, and its length. A frame lies in memory of just
 * its size.
 */
#include <string.h>
#include <sys/socket.h>

#include "dataplane/net.h"
#include "engine.h"
#include "invariants.h"
#include "test/unit/frames.h"

enum {
	FIX_MAC = 1 << 0,       /* to our MAC address */
	FIX_ADDRESSES = 1 << 1, /* from the neighbour, to us */
	FIX_LENGTHS = 1 << 2,
	FIX_CHECKSUMS = 1 << 3,
	FIX_SPLIT = 1 << 4,   /* it arrives in several mbufs */
	FIX_NUMBERS = 1 << 5, /* TCP's count from what the connection expects */
	FIX_TYPE_SHIFT = 6,   /* 1: ARP, 2: IPv4, 3: IPv6, with its version */
	SETTLE_US = 20 * 1000000,
	MAX_CONNS = FUZZ_CONNS,
};

static const uint8_t our_mac[6] = {0x00, 0x16, 0x3e, 0x00, 0x00, 0x02};
static const uint8_t our_ip4[4] = {198, 18, 0, 2}, peer_ip4[4] = {198, 18, 0, 1};
static const uint8_t our_ip6[16] = {0x20, 0x01, 0x0d, 0xb8, 0, 0x18, [15] = 2};
static const uint8_t peer_ip6[16] = {0x20, 0x01, 0x0d, 0xb8, 0, 0x18, [15] = 1};

static struct stage {
	struct net *net;
	struct tcp_engine *e;
	uint64_t now_us;
	uint64_t random;
	struct tcp_conn *listener;
	struct tcp_conn *conns[MAX_CONNS];
	bool closing;
} stage;

/* ---- What the layers ask for */

static void
check_frame(const struct frame *f, uint64_t ol_flags)
{
	FUZZ_CHECK(f->n >= FRAME_L3 + 20 && f->n <= FRAME_L3 + 1500, "a frame of %u bytes", f->n);
	FUZZ_CHECK(memcmp(f->b + 6, our_mac, 6) == 0, "from another MAC address");
	switch (frame_type(f)) {
	case FRAME_ARP:
		FUZZ_CHECK(f->n >= FRAME_L3 + 28, "a short ARP packet");
		break;
	case FRAME_IP4:
		FUZZ_CHECK(frame_be16(f, FRAME_L3 + 2) == f->n - FRAME_L3, "IPv4 length");
		FUZZ_CHECK((ol_flags & RTE_MBUF_F_TX_IP_CKSUM) || frame_ip4_cksum_ok(f),
			   "IPv4 checksum");
		FUZZ_CHECK(f->b[FRAME_L3 + 9] != IP_PROTO_ICMP || frame_icmp_cksum_ok(f), "ICMP");
		break;
	case FRAME_IP6:
		FUZZ_CHECK(frame_be16(f, FRAME_L3 + 4) == f->n - FRAME_L3 - 40, "IPv6 length");
		FUZZ_CHECK(f->b[FRAME_L3 + 6] != IP_PROTO_ICMP6 || frame_icmp_cksum_ok(f),
			   "ICMPv6");
		break;
	default:
		FUZZ_CHECK(false, "type %04x", frame_type(f));
	}
}

static void
on_send(void *ctx, uint16_t port, struct rte_mbuf **frames, unsigned int n)
{
	(void)ctx;
	for (unsigned int i = 0; i < n; i++) {
		struct frame f = frame_of_mbuf(frames[i]);

		FUZZ_CHECK(port == 0, "port %u", port);
		FUZZ_SAY("  > type %04x, %u bytes\n", frame_type(&f), f.n);
		check_frame(&f, frames[i]->ol_flags);
		rte_pktmbuf_free(frames[i]);
	}
}

static void
on_tcp(void *ctx, struct rte_mbuf **packets, unsigned int n)
{
	struct stage *s = ctx;

	tcp_input(s->e, s->now_us, packets, n);
}

static void
on_icmp(void *ctx, const struct tcp_icmp *icmp)
{
	struct stage *s = ctx;

	FUZZ_SAY("  ICMP error %d for TCP\n", icmp->kind);
	tcp_icmp_input(s->e, icmp);
}

static void
on_paths_changed(void *ctx)
{
	struct stage *s = ctx;

	tcp_paths_changed(s->e);
}

static void
on_random(void *ctx, void *buf, size_t bytes)
{
	struct stage *s = ctx;

	fuzz_random(&s->random, buf, bytes);
}

static void
env_transmit(void *ctx, struct rte_mbuf **packets, unsigned int n)
{
	struct stage *s = ctx;

	net_output(s->net, packets, n);
}

static int
env_path(void *ctx, const struct ip_addr *remote, const struct ip_addr *local,
	 struct tcp_path *path)
{
	struct stage *s = ctx;

	return net_path(s->net, remote, local, path);
}

static bool
env_is_local(void *ctx, const struct ip_addr *local)
{
	struct stage *s = ctx;

	return net_is_local(s->net, local);
}

static void
env_confirm(void *ctx, uint32_t hop)
{
	struct stage *s = ctx;

	net_confirm(s->net, hop);
}

/* ---- The echo */

static void
serve(struct stage *s, struct tcp_conn **slot)
{
	uint8_t buf[2000];
	ssize_t n = tcp_recv(*slot, buf, sizeof(buf), 0);

	if (n > 0)
		tcp_send(*slot, buf, (size_t)n, 0);
	else if (n == 0 || tcp_state(*slot) == TCP_CLOSED) {
		tcp_close(*slot);
		*slot = NULL;
	}
	(void)s;
}

static void
env_notify(void *ctx, struct tcp_conn *c, void *user)
{
	struct stage *s = ctx;
	struct tcp_conn *child;

	if (s->closing)
		return;
	if (c != s->listener) {
		serve(s, user);
		return;
	}
	while (tcp_accept(c, &child) == 0) {
		struct tcp_conn **slot = s->conns;

		while (*slot != NULL)
			slot++;
		*slot = child;
		tcp_set_user(child, slot);
		serve(s, slot);
	}
}

static void
connect_to(struct stage *s, struct tcp_conn **slot, const struct ip_addr *to)
{
	struct tcp_endpoint remote = {*to, 7};

	FUZZ_CHECK(tcp_open(s->e, AF_INET6, slot) == 0, "no socket");
	tcp_set_user(*slot, slot);
	tcp_connect(*slot, &remote);
}

/* ---- Frames */

static uint32_t
sum(uint32_t so_far, const uint8_t *b, size_t n)
{
	for (size_t i = 0; i < n; i++)
		so_far += (i & 1) != 0 ? b[i] : (uint32_t)b[i] << 8;
	while (so_far > 0xffff)
		so_far = (so_far & 0xffff) + (so_far >> 16);
	return so_far;
}

static void
put16(uint8_t *b, uint32_t v)
{
	b[0] = (uint8_t)(v >> 8);
	b[1] = (uint8_t)v;
}

/* The checksum of what lies behind the IP header, if it has one. */
static void
fix_upper(uint8_t *b, size_t n, uint8_t proto, uint32_t pseudo)
{
	size_t at = proto == IP_PROTO_TCP ? 16 : 2;

	if (n < at + 2)
		return;
	if (proto != IP_PROTO_TCP && proto != IP_PROTO_ICMP && proto != IP_PROTO_ICMP6)
		return;
	if (proto == IP_PROTO_ICMP)
		pseudo = 0;
	put16(b + at, 0);
	put16(b + at, ~sum(pseudo, b, n));
}

static uint32_t
get32(const uint8_t *b)
{
	return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

static void
put32(uint8_t *b, uint32_t v)
{
	put16(b, v >> 16);
	put16(b + 2, v);
}

static void
fix_numbers(uint8_t *b, size_t n, const struct ip_addr *src, const struct ip_addr *dst)
{
	struct tcp_tuple tuple = {*dst, *src, {0}, {0}};
	const struct tcp_engine *e = stage.e;
	uint32_t seq = 0, ack = 0;
	flow_t flow;

	if (n < 20)
		return;
	memcpy(&tuple.rport, b, 2);
	memcpy(&tuple.lport, b + 2, 2);
	flow = flow_lookup(&e->flows, &tuple, flow_hash(&e->flows, &tuple));
	if (flow_kind(flow) == FLOW_CONN) {
		const struct tcp_conn *c = flow_object(flow);

		seq = c->rcv_nxt;
		ack = c->snd_nxt;
	} else if (flow_kind(flow) == FLOW_REQUEST) {
		const struct tcp_request *r = flow_object(flow);

		seq = r->irs + 1;
		ack = r->iss + 1;
	}
	put32(b + 4, get32(b + 4) + seq);
	put32(b + 8, get32(b + 8) + ack);
}

static struct ip_addr
ip4_at(const uint8_t *b)
{
	return ip_from4(be32(get32(b)));
}

static void
fix_ip4(uint8_t *b, size_t n, uint8_t what)
{
	size_t header = 20;

	if (n < 20)
		return;
	if (what & FIX_ADDRESSES) {
		memcpy(b + 12, peer_ip4, 4);
		memcpy(b + 16, our_ip4, 4);
	}
	if (what & FIX_LENGTHS) {
		b[0] = (uint8_t)(0x40 | (b[0] & 15));
		if ((b[0] & 15) < 5 || (size_t)(b[0] & 15) * 4 > n)
			b[0] = 0x45;
		put16(b + 2, (uint32_t)n);
	}
	header = RTE_MIN((size_t)(b[0] & 15) * 4, n);
	if ((what & FIX_NUMBERS) != 0 && b[9] == IP_PROTO_TCP) {
		struct ip_addr src = ip4_at(b + 12), dst = ip4_at(b + 16);

		fix_numbers(b + header, n - header, &src, &dst);
	}
	if ((what & FIX_CHECKSUMS) == 0 || header < 20)
		return;
	put16(b + 10, 0);
	put16(b + 10, ~sum(0, b, header));
	fix_upper(b + header, n - header, b[9], sum(0, b + 12, 8) + b[9] + (uint32_t)(n - header));
}

/* Behind a hop-by-hop header too, as MLD has it. */
static void
fix_ip6(uint8_t *b, size_t n, uint8_t what)
{
	uint8_t proto;
	size_t at = 40;

	if (n < 40)
		return;
	if (what & FIX_ADDRESSES) {
		memcpy(b + 8, peer_ip6, 16);
		memcpy(b + 24, our_ip6, 16);
	}
	if (what & FIX_LENGTHS) {
		b[0] = (uint8_t)(0x60 | (b[0] & 15));
		put16(b + 4, (uint32_t)(n - 40));
	}
	proto = b[6];
	if ((what & FIX_NUMBERS) != 0 && proto == IP_PROTO_TCP) {
		struct ip_addr src = ip_from6(b + 8), dst = ip_from6(b + 24);

		fix_numbers(b + 40, n - 40, &src, &dst);
	}
	if (proto == 0 && n >= 48) {
		proto = b[40];
		at += 8u + b[41] * 8u;
	}
	if ((what & FIX_CHECKSUMS) != 0 && at < n)
		fix_upper(b + at, n - at, proto, sum(0, b + 8, 32) + proto + (uint32_t)(n - at));
}

static void
fix(uint8_t *b, size_t n, uint8_t what)
{
	static const uint16_t types[4] = {0, FRAME_ARP, FRAME_IP4, FRAME_IP6};
	uint16_t type = types[what >> FIX_TYPE_SHIFT];

	if (n < FRAME_L3)
		return;
	if (what & FIX_MAC)
		memcpy(b, our_mac, 6);
	if (type != 0)
		put16(b + 12, type);
	if (type == FRAME_IP4)
		fix_ip4(b + FRAME_L3, n - FRAME_L3, what);
	else if (type == FRAME_IP6)
		fix_ip6(b + FRAME_L3, n - FRAME_L3, what);
}

static void
pass_time(struct stage *s, uint64_t us)
{
	uint64_t until_us = s->now_us + us, next;

	for (unsigned int i = 0; i < 200; i++) {
		next = RTE_MIN(net_next_timer(s->net), tcp_next_timer(s->e));
		if (next > until_us)
			break;
		s->now_us = RTE_MAX(s->now_us, next);
		net_advance(s->net, s->now_us);
		tcp_advance(s->e, s->now_us);
		tcp_flush(s->e);
	}
	s->now_us = until_us;
	net_advance(s->net, s->now_us);
	tcp_advance(s->e, s->now_us);
	tcp_flush(s->e);
}

static void
one_frame(struct stage *s, struct fuzz_input *in)
{
	uint8_t what = fuzz_u8(in), time = fuzz_u8(in), *b;
	size_t n = RTE_MIN((size_t)fuzz_u16(in) % 1800, fuzz_left(in));
	struct rte_mbuf *m;

	b = malloc(n > 0 ? n : 1);
	memcpy(b, in->at, n);
	in->at += n;
	fix(b, n, what);
	FUZZ_SAY("frame of %zu bytes, %02x\n", n, what);
	m = fuzz_chain(b, n, what & FIX_SPLIT ? 60 : 0, true);
	free(b);
	net_input(s->net, s->now_us, 0, &m, 1);
	tcp_flush(s->e);
	pass_time(s, (uint64_t)time * time * 1000);
	fuzz_check_engine(s->e);
}

/* ---- The stage */

static void
make_net(struct stage *s)
{
	static const struct net_env env = {
		.ctx = &stage,
		.send = on_send,
		.tcp = on_tcp,
		.icmp = on_icmp,
		.paths_changed = on_paths_changed,
		.random = on_random,
	};
	struct config_port config = {
		.addresses = {{ip_from4(be32(0xc6120002)), 24}, {ip_from6(our_ip6), 64}},
		.n_addresses = 2,
		.gateway4 = ip_from4(be32(0xc61200fe)),
	};
	struct net_port port = {.mtu = 1500, .config = &config};
	struct net_config net_config = {
		.ports = &port,
		.n_ports = 1,
		.max_neighbours = 8,
		.announce = true,
		.pool = fuzz_pools[FUZZ_POOL_RX],
		.socket_id = SOCKET_ID_ANY,
	};

	memcpy(port.mac.addr_bytes, our_mac, 6);
	FUZZ_CHECK(net_create(&net_config, &env, &s->net) == 0, "no IP layer");
	net_advance(s->net, s->now_us);
}

static void
begin(struct stage *s)
{
	struct ip_addr peer4 = ip_from4(be32(0xc6120001)), peer6 = ip_from6(peer_ip6);
	struct tcp_engine *e = s->e;

	fuzz_engine_restart(e);
	memset(s, 0, sizeof(*s));
	s->e = e;
	s->now_us = FUZZ_START_US;
	s->random = 0x2545f4914f6cdd1d;
	make_net(s);
	pass_time(s, SETTLE_US);
	FUZZ_CHECK(tcp_open(e, AF_INET6, &s->listener) == 0, "no listener");
	FUZZ_CHECK(tcp_bind(s->listener, &(struct tcp_endpoint){.port = 80}) == 0 &&
			   tcp_listen(s->listener, 4) == 0,
		   "no listener");
	connect_to(s, &s->conns[0], &peer4);
	connect_to(s, &s->conns[1], &peer6);
	tcp_flush(e);
}

static void
finish(struct stage *s)
{
	s->closing = true;
	tcp_abort(s->listener);
	for (unsigned int i = 0; i < MAX_CONNS; i++)
		if (s->conns[i] != NULL)
			tcp_abort(s->conns[i]);
	fuzz_engine_drain(s->e, s->now_us);
	net_destroy(s->net);
	fuzz_check_pools();
}

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	const struct tcp_env env = {
		.ctx = &stage,
		.transmit = env_transmit,
		.path = env_path,
		.is_local = env_is_local,
		.random = on_random,
		.notify = env_notify,
		.confirm = env_confirm,
		.alloc = fuzz_alloc,
		.free = fuzz_free,
	};

	(void)argc;
	(void)argv;
	fuzz_start();
	stage.random = 0x2545f4914f6cdd1d;
	stage.e = fuzz_engine_make(&env);
	return 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct fuzz_input in = {data, data + n};

	begin(&stage);
	while (fuzz_left(&in) > 0)
		one_frame(&stage, &in);
	finish(&stage);
	return 0;
}
