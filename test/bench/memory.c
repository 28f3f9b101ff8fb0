/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What an idle connection takes: one lane's engine with a service, and peers that exist as packets
 * only. Each shakes hands, sends some requests, acknowledges the answers, and says no more. Then,
 * of each table and pool: how large it was made, what of it is in memory, and what that is for a
 * connection; and the same of the whole process, as the kernel counts it. Last, what it costs to
 * have so many: an iteration with nothing to do, a look at all of them, and one that wakes up.
 *
 * Usage: memory [CONNECTIONS [SERVICE [SECONDS [UNFOLDED]]]]; SERVICE is echo or http; connections
 * are idle for so many (virtual) seconds before they are counted; so many places are there for
 * those that are not folded ([limits] unfolded), or `none`: nothing is folded. Prints Markdown.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_malloc.h>

#include "dataplane/service_impl.h"
#include "dataplane/service_plugin.h"
#include "tcp/engine.h"
#include "test/sim/rng.h"

enum {
	AT_ONCE = 32,         /* connections that open side by side */
	PORTS_A_PEER = 50000, /* of each peer's address */
	PORT_FIRST = 10000,
	RTT_US = 300,
	ROOM_BYTES = 2048,
	PAGE_BYTES = 4096,
	TABLES_MAX = 24,
	REPLIES_MAX = 4 * AT_ONCE,
	POOL_BUFS = 8191,
	WAKES = 10000,
};

/* What was allocated for the engine, in the order in which it asked. */
struct table {
	const char *name;
	const uint8_t *base;
	size_t bytes;
};

static struct table tables[TABLES_MAX];
static unsigned int n_tables;
static struct tcp_engine *engine;
static struct service_set *set;
static struct config config;
static struct rte_mempool *rx_pool;
static struct rte_mbuf *replies[REPLIES_MAX];
static unsigned int n_replies;
static uint64_t now_us = 1000000;
static char request[256];
static uint32_t answered; /* answers that came, whole or in part */
static struct ip_addr server;
static struct rng rng = {1};
static bool http;

static void
die(const char *what)
{
	fprintf(stderr, "memory: %s: %s\n", what, rte_strerror(rte_errno));
	exit(1);
}

static double
cpu_seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* ---- The peers: all that they know is in the packet that they answer */

struct segment {
	struct ip4_header ip;
	struct tcp_header tcp;
} __attribute__((packed));

/* A packet to the server; payload may be NULL. */
static struct rte_mbuf *
build(be32_t from, be16_t sport, be16_t dport, uint32_t seq, uint32_t ack, uint8_t flags,
      uint32_t ts_ecr, const char *payload)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(rx_pool);
	size_t bytes = payload == NULL ? 0 : strlen(payload);
	uint8_t options[TCP_MAX_OPTION_BYTES];
	unsigned int n = TCP_TIMESTAMPS_ALIGNED_BYTES;
	uint32_t ts_val = (uint32_t)(now_us / 1000) + 77;
	struct segment *s;

	if (m == NULL)
		die("no mbuf");
	if (flags & TCP_SYN) {
		const struct tcp_options syn = {.has_mss = true,
						.mss = 1460,
						.has_wscale = true,
						.wscale_shift = 7,
						.has_timestamps = true,
						.ts_val = ts_val,
						.sack_permitted = true};

		n = tcp_options_encode_syn(&syn, options);
	} else {
		tcp_options_encode_timestamps(ts_val, ts_ecr, options);
	}
	s = (struct segment *)rte_pktmbuf_append(m, (uint16_t)(sizeof(*s) + n + bytes));
	*s = (struct segment){
		.ip = {.version_ihl = 0x45,
		       .total_len = be16((uint16_t)(sizeof(*s) + n + bytes)),
		       .frag = be16(IP4_DF),
		       .ttl = 64,
		       .proto = IP_PROTO_TCP,
		       .src = from,
		       .dst = ip_to4(&server)},
		.tcp = {.sport = sport,
			.dport = dport,
			.seq = be32(seq),
			.ack = be32(ack),
			.data_off = (uint8_t)((sizeof(s->tcp) + n) / 4 << 4),
			.flags = flags,
			.wnd = be16(flags & TCP_SYN ? 64240 : 502)},
	};
	memcpy(s + 1, options, n);
	memcpy((uint8_t *)(s + 1) + n, payload == NULL ? "" : payload, bytes);
	m->l3_len = sizeof(s->ip);
	m->packet_type = RTE_PTYPE_L3_IPV4;
	m->ol_flags = RTE_MBUF_F_RX_L4_CKSUM_GOOD;
	return m;
}

/* A SYN-ACK is answered by a request; an answer by another one, or by its acknowledgment. */
static void
answer(const struct rte_mbuf *packet)
{
	struct segment *s = rte_pktmbuf_mtod(packet, struct segment *);
	uint32_t header = sizeof(s->ip) + (s->tcp.data_off >> 4) * 4u;
	uint32_t bytes = packet->pkt_len - header, seq = be32_get(s->tcp.seq) + bytes;
	const uint8_t *option_bytes = (const uint8_t *)(s + 1);
	struct tcp_options options;
	bool syn = (s->tcp.flags & TCP_SYN) != 0, again;
	const char *words;

	if (!syn && bytes == 0)
		return;
	again = !syn && rng_next(&rng) % 4 != 0;
	/* Of any length but none. */
	words = request + (http ? 0 : rng_next(&rng) % (strlen(request) - 1));
	if (s->tcp.flags & (TCP_RST | TCP_FIN))
		die("the server ends a connection");
	tcp_options_decode(option_bytes, header - (uint32_t)sizeof(*s), syn, &options);
	answered += !syn;
	if (n_replies == REPLIES_MAX)
		die("more packets than expected");
	replies[n_replies++] = build(s->ip.dst, s->tcp.dport, s->tcp.sport, be32_get(s->tcp.ack),
				     seq + syn, syn || again ? TCP_ACK | TCP_PSH : TCP_ACK,
				     options.ts_val, syn || again ? words : NULL);
}

/* ---- The engine's environment */

static void
env_transmit(void *ctx, struct rte_mbuf **packets, unsigned int n)
{
	(void)ctx;
	for (unsigned int i = 0; i < n; i++)
		answer(packets[i]);
	rte_pktmbuf_free_bulk(packets, n);
}

static int
env_path(void *ctx, const struct ip_addr *remote, const struct ip_addr *local,
	 struct tcp_path *path)
{
	(void)ctx, (void)remote, (void)local;
	*path = (struct tcp_path){.local = server, .mtu = 1500};
	return 0;
}

static bool
env_is_local(void *ctx, const struct ip_addr *local)
{
	(void)ctx;
	return ip_eq(local, &server) || ip_is_any(local);
}

static void
env_random(void *ctx, void *buf, size_t bytes)
{
	(void)ctx;
	if (getrandom(buf, bytes, 0) != (ssize_t)bytes)
		abort();
}

static void
env_notify(void *ctx, struct tcp_conn *c, void *user)
{
	(void)ctx;
	service_set_notify(set, c, user);
}

static void *
env_alloc(void *ctx, size_t bytes, size_t align)
{
	void *memory = rte_zmalloc(NULL, bytes, (unsigned int)align);

	(void)ctx;
	if (n_tables == TABLES_MAX)
		die("more tables than expected");
	tables[n_tables++] = (struct table){"others", memory, bytes};
	return memory;
}

static void
env_free(void *ctx, void *memory)
{
	(void)ctx;
	rte_free(memory);
}

/* ---- Start */

/* All of its buffers are in memory before anything is counted: connections do not add to them. */
static struct rte_mempool *
pool(const char *name, unsigned int n, unsigned int room)
{
	static struct rte_mbuf *all[POOL_BUFS];
	struct rte_mempool *p = rte_pktmbuf_pool_create(
		name, n, 256, 0, room == 0 ? 0 : (uint16_t)(RTE_PKTMBUF_HEADROOM + room),
		SOCKET_ID_ANY);

	if (p == NULL || rte_pktmbuf_alloc_bulk(p, all, n) != 0)
		die(name);
	for (unsigned int i = 0; i < n; i++)
		memset(all[i]->buf_addr, 0, all[i]->buf_len);
	rte_pktmbuf_free_bulk(all, n);
	return p;
}

static void
name_table(const void *base, const char *name)
{
	for (unsigned int i = 0; i < n_tables; i++)
		if (tables[i].base == base)
			tables[i].name = name;
}

static struct rte_mempool *header_pool, *data_pool, *ref_pool;

static void
make_pools(void)
{
	rx_pool = pool("rx", POOL_BUFS, ROOM_BYTES);
	header_pool = pool("headers", POOL_BUFS, 512);
	data_pool = pool("data", POOL_BUFS, ROOM_BYTES);
	ref_pool = pool("refs", POOL_BUFS, 0);
}

static bool
env_may_fold(void *ctx, void *user)
{
	(void)ctx;
	return service_set_may_fold(user);
}

static void
env_fold(void *ctx, void *user, struct tcp_folded *folded)
{
	(void)ctx;
	service_set_fold(user, folded);
}

static void
env_unfold(void *ctx, void *user, struct tcp_conn *c)
{
	(void)ctx;
	service_set_unfold(user, c);
}

static void
start(uint32_t n, const char *service, const char *root, const char *unfolded)
{
	const struct tcp_env env = {
		.transmit = env_transmit,
		.path = env_path,
		.is_local = env_is_local,
		.random = env_random,
		.notify = env_notify,
		.may_fold = env_may_fold,
		.fold = env_fold,
		.unfold = env_unfold,
		.alloc = env_alloc,
		.free = env_free,
	};
	struct config_service *s = &config.services[config.n_services++];
	char why[TERN_SERVICE_WHY_BYTES];
	struct service_set_config of_set;
	struct tcp_config tcp;

	config.connections = n + 16;
	config.lanes = 1;
	strcpy(s->name, service);
	s->plugin = service_plugin_built_in(service);
	if (s->plugin == NULL)
		die("there is no such service");
	if (strcmp(service, "http") == 0 &&
	    service_plugin_configure(s->plugin, "root", root, why) < 0)
		die(why);
	s->listen[0].port = 80;
	s->n_listen = 1;
	s->backlog = 4 * AT_ONCE;
	if (service_plugins_start(&config, stderr) < 0)
		exit(1);
	tcp_config_defaults(&tcp);
	tcp.name = "memory";
	tcp.max_conns = n + 16;
	tcp.max_held_bufs = 4096;
	tcp.max_unfolded = (uint32_t)atoi(unfolded);
	tcp.fold_after_ms = strcmp(unfolded, "none") == 0 ? 0 : 5000;
	tcp.header_pool = header_pool;
	tcp.data_pool = data_pool;
	tcp.ref_pool = ref_pool;
	if (tcp_engine_create(&tcp, &env, &engine) != 0)
		die("no engine");
	of_set = (struct service_set_config){.config = &config,
					     .engine = engine,
					     .ref_pool = ref_pool,
					     .socket_id = SOCKET_ID_ANY};
	set = service_set_create(&of_set, stderr);
	if (set == NULL)
		exit(1);
	name_table(engine, "the engine itself");
	name_table(engine->conns.base, "connections");
	name_table(engine->requests.base, "half-open connections");
	name_table(engine->timewaits.base, "TIME-WAIT");
	name_table(engine->bounds.base, "bound ports");
	name_table(engine->holds.base, "held ports");
	name_table(engine->sents.base, "transmission records");
	name_table(engine->ranges.base, "out-of-order ranges");
	name_table(engine->folds.blocks.base, "blocks of folded connections");
}

/* ---- The run */

static void
iterate(struct rte_mbuf **packets, unsigned int n)
{
	service_set_begin(set, now_us);
	tcp_input(engine, now_us, packets, n);
	tcp_advance(engine, now_us);
	service_set_advance(set, now_us);
	tcp_flush(engine);
}

/* Until all is said that is to be said. */
static void
settle(void)
{
	while (n_replies > 0) {
		struct rte_mbuf *burst[REPLIES_MAX];
		unsigned int n = n_replies;

		memcpy(burst, replies, n * sizeof(burst[0]));
		n_replies = 0;
		/* Every connection has a round trip and a number of exchanges of its own. */
		now_us += RTT_US + rng_next(&rng) % RTT_US;
		iterate(burst, n);
	}
}

static be32_t
peer_of(uint32_t i)
{
	return be32(0xc6130001u + i / PORTS_A_PEER);
}

static be16_t
port_of(uint32_t i)
{
	return be16((uint16_t)(PORT_FIRST + i % PORTS_A_PEER));
}

static void
open_all(uint32_t n)
{
	for (uint32_t i = 0; i < n; i += AT_ONCE) {
		for (uint32_t j = i; j < n && j < i + AT_ONCE; j++)
			replies[n_replies++] = build(peer_of(j), port_of(j), be16(80),
						     j * 2654435761u, 0, TCP_SYN, 0, NULL);
		settle();
	}
}

static void
idle(unsigned int seconds)
{
	for (unsigned int i = 0; i < seconds * 1000; i++) {
		now_us += 1000;
		iterate(NULL, 0);
		settle();
	}
}

/* ---- What it took */

static size_t
resident(const void *base, size_t bytes)
{
	static unsigned char there[4096];
	uintptr_t first = (uintptr_t)base & ~(uintptr_t)(PAGE_BYTES - 1);
	uintptr_t end = (uintptr_t)base + bytes;
	size_t pages = 0;

	for (uintptr_t at = first; at < end; at += sizeof(there) * PAGE_BYTES) {
		size_t part = RTE_MIN(end - at, sizeof(there) * PAGE_BYTES);

		if (mincore((void *)at, part, there) < 0)
			die("mincore");
		for (size_t i = 0; i < (part + PAGE_BYTES - 1) / PAGE_BYTES; i++)
			pages += there[i] & 1;
	}
	return pages * PAGE_BYTES;
}

static size_t
process_bytes(void)
{
	unsigned long size, rss = 0;
	FILE *f = fopen("/proc/self/statm", "r");

	if (f == NULL || fscanf(f, "%lu %lu", &size, &rss) != 2)
		die("/proc/self/statm");
	fclose(f);
	return rss * PAGE_BYTES;
}

static void
line(const char *name, double object, size_t made, size_t there, uint32_t n)
{
	char each[32] = "", of[32] = "";

	if (object > 0)
		snprintf(each, sizeof(each), "%.0f", object);
	if (made > 0)
		snprintf(of, sizeof(of), "%.1f", (double)made / 1e6);
	printf("| %s | %s | %s | %.1f | %.1f |\n", name, each, of, (double)there / 1e6,
	       (double)there / n);
}

static void
report(uint32_t n, size_t rss_before)
{
	size_t known = 0, rss = process_bytes() - rss_before;
	size_t slots = (size_t)set->n_conns * set->slot_bytes, there;
	const struct tcp_engine *e = engine;
	const struct slab *const slabs[] = {&e->conns,  &e->requests,    &e->timewaits,
					    &e->bounds, &e->holds,       &e->sents,
					    &e->ranges, &e->folds.blocks};

	printf("| what | bytes of one | made, MB | in memory, MB | bytes a connection |\n"
	       "|---|--:|--:|--:|--:|\n");
	for (unsigned int i = 0; i < n_tables; i++) {
		double object = 0;

		for (unsigned int k = 0; k < RTE_DIM(slabs); k++)
			if (slabs[k]->base == tables[i].base)
				object = slabs[k]->size;
		there = resident(tables[i].base, tables[i].bytes);
		known += there;
		if (there >= n || object > 0)
			line(tables[i].name, object, tables[i].bytes, there, n);
	}
	there = resident(set->conns, slots);
	known += there;
	line("service slots", set->slot_bytes, slots, there, n);
	there = resident(set->timers, (set->n_conns + 1) * sizeof(*set->timers));
	known += there;
	line("service timers", sizeof(*set->timers), (set->n_conns + 1) * sizeof(*set->timers),
	     there, n);
	line("flow table, and what else there is", 0, 0, rss - known, n);
	line("**all, as the kernel counts it**", 0, 0, rss, n);
}

/* The smallest of many, in nanoseconds. */
static void
costs(uint32_t n)
{
	double best = 1, took, start_s;
	static struct tcp_listing listing[64];
	uint64_t cursor = 0, listed = 0;

	for (unsigned int i = 0; i < 1000; i++) {
		start_s = cpu_seconds();
		now_us += 100;
		iterate(NULL, 0);
		took = cpu_seconds() - start_s;
		best = RTE_MIN(best, took);
	}
	printf("\n- an iteration with nothing to do: %.2f us\n", best * 1e6);
	start_s = cpu_seconds();
	while (cursor != TCP_LIST_END)
		listed += tcp_list(engine, &cursor, listing, RTE_DIM(listing));
	took = cpu_seconds() - start_s;
	printf("- a list of all %llu sockets, as `tern ss` asks for it: %.1f ms, %.2f us each\n",
	       (unsigned long long)listed, took * 1e3, took * 1e6 / n);
	start_s = cpu_seconds();
	for (uint32_t i = 0; i < WAKES; i++) {
		uint32_t which = (uint32_t)(i * UINT64_C(2654435761) % n);

		replies[n_replies++] = build(peer_of(which), port_of(which), be16(80),
					     which * 2654435761u, 0, TCP_ACK, 0, NULL);
		settle();
	}
	printf("- a segment that asks one of them, at random, and its answer: %.2f us\n",
	       (cpu_seconds() - start_s) * 1e6 / WAKES);
}

int
main(int argc, char **argv)
{
	char *eal[] = {"memory",
		       "--no-huge",
		       "--no-shconf",
		       "--no-pci",
		       "--no-telemetry",
		       "-m",
		       "8192",
		       "--log-level=lib.eal:error",
		       "-l",
		       "0",
		       NULL};
	uint32_t n = argc > 1 ? (uint32_t)atoi(argv[1]) : 100000;
	const char *service = argc > 2 ? argv[2] : "echo";
	unsigned int seconds = argc > 3 ? (unsigned int)atoi(argv[3]) : 10;
	size_t rss_before;
	double start_s, engine_s, open_s;
	struct tcp_usage usage;

	if (n == 0 || n > 10000000 || seconds == 0)
		die("usage: memory [CONNECTIONS [SERVICE [SECONDS]]]");
	if (rte_eal_init((int)RTE_DIM(eal) - 1, eal) < 0)
		die("EAL does not start");
	server = ip_from4(be32(0xc6120002u));
	http = strcmp(service, "http") == 0;
	strcpy(request, http ? "GET /bytes/100 HTTP/1.1\r\nHost: x\r\n\r\n"
			     : "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef");
	make_pools();
	rss_before = process_bytes();
	start_s = cpu_seconds();
	start(n, service, "conf/www", argc > 4 ? argv[4] : "16384");
	engine_s = cpu_seconds() - start_s;
	tcp_advance(engine, now_us);
	start_s = cpu_seconds();
	open_all(n);
	open_s = cpu_seconds() - start_s;
	idle(seconds);
	tcp_usage(engine, &usage);
	printf("%u connections to %s, idle for %u s; started in %.0f ms, opened in %.2f us each; "
	       "%u sockets, %u of them folded, %u answers\n\n",
	       n, service, seconds, engine_s * 1e3, open_s * 1e6 / n, usage.conns, usage.folded,
	       answered);
	report(n, rss_before);
	costs(n);
	return 0;
}
