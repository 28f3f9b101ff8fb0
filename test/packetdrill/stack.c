/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The engine behind the shim, its surroundings, and virtual time.
 *
 * The clock starts at the real time. Whoever lets it run (usleep, netdev_receive) goes from one
 * timer of the engine to the next, and first waits, in real time, for calls on other threads that
 * have become able to return.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_mbuf.h>

#include "dataplane/icmp.h"
#include "dataplane/net_wire.h"
#include "shim.h"

enum {
	POOL_BUFS = 8191,
	WIRE_PACKETS = 4096,      /* that packetdrill has not fetched yet */
	RECEIVE_PATIENCE_S = 400, /* virtual time that netdev_receive waits */
	RETURN_PATIENCE_MS = 300, /* real time for another thread to return */
	HANDOVER_MS = 2,          /* real time in which it takes packetdrill's lock, then */
	TICK_US = 1,              /* each look at the clock */
	RX_ROOM = 65535,
};

static struct {
	pthread_mutex_t lock;
	pthread_cond_t moved;    /* time or the engine has moved: blocked calls look again */
	pthread_cond_t returned; /* a call has */
	struct tcp_engine *engine;
	struct tcp_config config;
	struct rte_mempool *rx_pool, *pools[3];
	uint16_t mss; /* of what packetdrill sends, if it says so; 0 */
	uint64_t now_us;
	uint64_t moves;       /* counts what wakes blocked calls */
	uint64_t wake_us;     /* the earliest end of a call's own waiting; UINT64_MAX: none */
	unsigned int asleep;  /* blocked calls that have looked since the last move */
	unsigned int looking; /* those that have not, or are returning */
	bool has_returned;    /* one has, since the clock was last let run */
	struct {
		struct rte_mbuf *m;
		uint64_t at_us;
	} wire[WIRE_PACKETS];
	unsigned int head, tail;
	uint64_t random;
	unsigned int flushes; /* that have been done */
} shim = {.lock = PTHREAD_MUTEX_INITIALIZER,
	  .moved = PTHREAD_COND_INITIALIZER,
	  .returned = PTHREAD_COND_INITIALIZER,
	  .wake_us = UINT64_MAX};

/* This thread is one of shim.looking. */
static __thread bool is_looking;

void
shim_lock(void)
{
	pthread_mutex_lock(&shim.lock);
}

void
shim_unlock(void)
{
	pthread_mutex_unlock(&shim.lock);
}

struct tcp_engine *
shim_engine(void)
{
	return shim.engine;
}

uint64_t
shim_now_us(void)
{
	return shim.now_us;
}

static __attribute__((noreturn)) void
fail(const char *what)
{
	fprintf(stderr, "libtern-packetdrill: %s: %s\n", what, rte_strerror(rte_errno));
	exit(2);
}

/* ---- The engine's surroundings */

static void
transmit(void *ctx, struct rte_mbuf **packets, unsigned int n)
{
	(void)ctx;
	for (unsigned int i = 0; i < n; i++) {
		if (shim.tail - shim.head == WIRE_PACKETS) {
			rte_pktmbuf_free(packets[i]);
			continue;
		}
		shim.wire[shim.tail % WIRE_PACKETS].m = packets[i];
		shim.wire[shim.tail++ % WIRE_PACKETS].at_us = shim.now_us;
	}
}

static int
path(void *ctx, const struct ip_addr *remote, const struct ip_addr *local, struct tcp_path *p)
{
	(void)ctx;
	*p = (struct tcp_path){.local = *local, .mtu = shim_mtu(), .flags = TCP_PATH_TX_MULTI_SEG};
	if (ip_is_any(local))
		p->local = shim_local_ip(ip_is4(remote));
	return 0;
}

static bool
is_local(void *ctx, const struct ip_addr *local)
{
	(void)ctx;
	(void)local;
	return true;
}

static void
random_bytes(void *ctx, void *buf, size_t bytes)
{
	uint8_t *at = buf;

	(void)ctx;
	for (size_t i = 0; i < bytes; i++) {
		shim.random ^= shim.random << 13;
		shim.random ^= shim.random >> 7;
		shim.random ^= shim.random << 17;
		at[i] = (uint8_t)(shim.random >> 32);
	}
}

static void
notify(void *ctx, struct tcp_conn *c, void *user)
{
	(void)ctx;
	shim_notify(c, user);
}

static void *
allocate(void *ctx, size_t bytes, size_t align)
{
	void *memory = NULL;

	(void)ctx;
	if (posix_memalign(&memory, align, bytes) != 0)
		return NULL;
	return memset(memory, 0, bytes);
}

static void
release(void *ctx, void *memory)
{
	(void)ctx;
	free(memory);
}

/* ---- Start and end */

/* EAL pins its caller to one processor: packetdrill's threads shall stay where they may be. */
static void
start_eal(void)
{
	char *argv[] = {
		"packetdrill", "--no-huge", "--no-shconf", "--no-pci", "--no-telemetry",
		"-m",          "96",        "-l",          "0",        "--log-level=lib.eal:error",
		NULL};
	cpu_set_t before;

	sched_getaffinity(0, sizeof(before), &before);
	if (rte_eal_init((int)(sizeof(argv) / sizeof(argv[0])) - 1, argv) < 0)
		fail("EAL does not start");
	sched_setaffinity(0, sizeof(before), &before);
}

static struct rte_mempool *
make_pool(const char *name, unsigned int n, uint16_t room)
{
	struct rte_mempool *pool = rte_pktmbuf_pool_create(name, n, 0, 0, room, SOCKET_ID_ANY);

	if (pool == NULL)
		fail("no memory for packet buffers");
	return pool;
}

void
shim_stack_start(void)
{
	const struct tcp_env env = {
		.transmit = transmit,
		.path = path,
		.is_local = is_local,
		.random = random_bytes,
		.notify = notify,
		.alloc = allocate,
		.free = release,
	};
	struct timespec now;
	int status;

	start_eal();
	shim.rx_pool = make_pool("rx", POOL_BUFS, 0);
	shim.mss = shim_mss();
	shim.pools[0] = make_pool("header", POOL_BUFS, RTE_PKTMBUF_HEADROOM + 1024);
	shim.pools[1] = make_pool("data", POOL_BUFS, RTE_PKTMBUF_HEADROOM + 2048);
	shim.pools[2] = make_pool("ref", POOL_BUFS, 0);
	clock_gettime(CLOCK_REALTIME, &now);
	shim.now_us = (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
	shim.random = (uint64_t)now.tv_nsec << 20 | 1;
	tcp_config_defaults(&shim.config);
	shim.config.name = "packetdrill";
	shim.config.max_conns = 256;
	shim.config.max_requests = 256;
	shim.config.max_timewait = 256;
	shim.config.header_pool = shim.pools[0];
	shim.config.data_pool = shim.pools[1];
	shim.config.ref_pool = shim.pools[2];
	shim_settings_read(&shim.config);
	status = tcp_engine_create(&shim.config, &env, &shim.engine);
	if (status < 0) {
		rte_errno = -status;
		fail("the engine does not start");
	}
	tcp_advance(shim.engine, shim.now_us);
}

void
shim_stack_end(void)
{
	while (shim.head != shim.tail)
		rte_pktmbuf_free(shim.wire[shim.head++ % WIRE_PACKETS].m);
	tcp_engine_destroy(shim.engine);
	shim.engine = NULL;
	rte_eal_cleanup();
}

/* ---- Time */

/* Blocked calls look again. */
static void
wake_all(void)
{
	shim.moves++;
	shim.wake_us = UINT64_MAX; /* who goes on waiting says so */
	shim.looking += shim.asleep;
	shim.asleep = 0;
	pthread_cond_broadcast(&shim.moved);
}

/* This thread has looked, or its call has returned and its caller has seen the time. */
static void
has_looked(void)
{
	if (!is_looking)
		return;
	is_looking = false;
	if (shim.looking > 0)
		shim.looking--;
	pthread_cond_broadcast(&shim.returned);
}

/* packetdrill takes a blocked call's result under its lock, which whoever lets the clock run has
 * let go, and takes back next: who comes first must not be chance. Without the shim's lock. */
static void
hand_over(void)
{
	const struct timespec pause = {.tv_nsec = HANDOVER_MS * 1000000L};

	nanosleep(&pause, NULL);
}

void
shim_settle(void)
{
	if (shim_settings_read(&shim.config)) {
		tcp_reconfigure(shim.engine, &shim.config);
		tcp_paths_changed(shim.engine); /* the route's MTU may be another */
		if (shim_flushes() != shim.flushes)
			tcp_fastopen_flush(shim.engine, NULL);
		shim.flushes = shim_flushes();
	}
	tcp_advance(shim.engine, shim.now_us);
	tcp_flush(shim.engine);
	shim_counters_write(shim.engine);
}

/* Waits until each blocked call has looked at what is now, and those that return have returned. */
static void
let_others_go_first(void)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_nsec += RETURN_PATIENCE_MS * 1000000L;
	until.tv_sec += until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	while (shim.looking > 0 && pthread_cond_timedwait(&shim.returned, &shim.lock, &until) == 0)
		;
	shim.looking = 0;
}

bool
shim_wait(uint64_t until_us)
{
	uint64_t moves = shim.moves;

	if (shim.now_us >= until_us)
		return false;
	has_looked();
	shim.wake_us = RTE_MIN(shim.wake_us, until_us);
	shim.asleep++;
	while (moves == shim.moves)
		pthread_cond_wait(&shim.moved, &shim.lock);
	is_looking = true;
	return true;
}

/* One step of time, at most to until_us. */
static void
step(uint64_t until_us)
{
	uint64_t next_us = RTE_MIN(tcp_next_timer(shim.engine), shim.wake_us);

	shim.now_us = RTE_MAX(shim.now_us, RTE_MIN(next_us, until_us));
	shim_settle();
	wake_all();
	let_others_go_first();
}

int
shim_usleep(void *userdata, useconds_t us)
{
	uint64_t until_us;
	bool returned;

	(void)userdata;
	shim_lock();
	until_us = shim.now_us + us;
	let_others_go_first();
	while (shim.now_us < until_us)
		step(until_us);
	returned = shim.has_returned;
	shim.has_returned = false;
	shim_unlock();
	if (returned)
		hand_over();
	return 0;
}

int
shim_gettimeofday(void *userdata, struct timeval *tv, struct timezone *tz)
{
	(void)userdata;
	(void)tz;
	shim_lock();
	shim.now_us += TICK_US;
	shim.has_returned |= is_looking;
	has_looked();
	tv->tv_sec = (time_t)(shim.now_us / 1000000);
	tv->tv_usec = (suseconds_t)(shim.now_us % 1000000);
	shim_unlock();
	return 0;
}

/* ---- Packets */

/* The TCP header that an ICMP error quotes behind an IP header; fills in the ends. */
static bool
quoted_tcp(const uint8_t *at, size_t bytes, bool is4, struct tcp_icmp *icmp)
{
	size_t header = is4 ? (size_t)(at[0] & 15) * 4 : sizeof(struct ip6_header);
	struct ip_addr src, dst;

	if (bytes < header + ICMP_QUOTE_TCP_BYTES)
		return false;
	if (is4) {
		const struct ip4_header *ip = (const void *)at;

		src = ip_from4(ip->src);
		dst = ip_from4(ip->dst);
	} else {
		const struct ip6_header *ip = (const void *)at;

		src = ip_from6(ip->src);
		dst = ip_from6(ip->dst);
	}
	icmp_quote_tcp(icmp, &src, &dst, at + header);
	return true;
}

static void
icmp_arrives(const uint8_t *message, size_t bytes, bool is4)
{
	const struct icmp_header *header = (const void *)message;
	const uint8_t *quoted = message + sizeof(*header);
	struct tcp_icmp icmp = {0};

	if (bytes < sizeof(*header) + sizeof(struct ip4_header) ||
	    !quoted_tcp(quoted, bytes - sizeof(*header), is4, &icmp))
		return;
	if (is4 ? icmp4_interpret(header, (const void *)quoted, &icmp)
		: icmp6_interpret(header, &icmp))
		tcp_icmp_input(shim.engine, &icmp);
}

/*
 * What Linux's tun device takes for a packet: all in one piece if that and its bookkeeping fit a
 * page, else a page and more pages behind it. Windows depend on it, and scripts show windows.
 */
static uint32_t
memory_of(size_t bytes)
{
	const uint32_t page = 4096, overhead = 384, head = 256;
	uint32_t room = 512;

	while (room < page && room < bytes + overhead)
		room *= 2;
	if (room < bytes + overhead)
		room += ((uint32_t)(bytes + overhead) - room + page - 1) / page * page;
	return RTE_MIN(room + head - (uint32_t)sizeof(struct rte_mbuf), 65535u);
}

static void
free_received(void *buf, void *shared)
{
	free(buf);
	free(shared);
}

static struct rte_mbuf *
received(const uint8_t *packet, size_t bytes)
{
	struct rte_mbuf_ext_shared_info *shared = malloc(sizeof(*shared));
	uint32_t room = RTE_MAX(memory_of(bytes), (uint32_t)bytes);
	struct rte_mbuf *m = rte_pktmbuf_alloc(shim.rx_pool);
	void *memory = malloc(room);

	if (m == NULL || memory == NULL || shared == NULL) {
		rte_pktmbuf_free(m);
		free_received(memory, shared);
		return NULL;
	}
	memcpy(memory, packet, bytes);
	shared->free_cb = free_received;
	shared->fcb_opaque = shared;
	rte_mbuf_ext_refcnt_set(shared, 1);
	rte_pktmbuf_attach_extbuf(m, memory, 0, (uint16_t)room, shared);
	m->data_off = 0;
	m->data_len = (uint16_t)bytes;
	m->pkt_len = (uint32_t)bytes;
	if (shim.mss != 0) {
		m->ol_flags |= RTE_MBUF_F_RX_LRO;
		m->tso_segsz = shim.mss;
	}
	return m;
}

/* The length that the IP header says, if header and packet fit it; 0 if not. */
static size_t
packet_bytes(const uint8_t *packet, size_t bytes, size_t header)
{
	bool is4 = packet[0] >> 4 == 4;
	const struct ip4_header *ip4 = (const void *)packet;
	const struct ip6_header *ip6 = (const void *)packet;
	size_t said;

	if (bytes < header || header < (is4 ? sizeof(*ip4) : sizeof(*ip6)))
		return 0;
	said = is4 ? be16_get(ip4->total_len) : sizeof(*ip6) + be16_get(ip6->payload_len);
	return said < header || said > bytes ? 0 : said;
}

/* What is no TCP and no ICMP goes unseen, as is what is no whole packet. */
static int
packet_arrives(const uint8_t *packet, size_t bytes)
{
	bool is4 = packet[0] >> 4 == 4;
	const struct ip4_header *ip4 = (const void *)packet;
	const struct ip6_header *ip6 = (const void *)packet;
	size_t header = is4 ? (size_t)(packet[0] & 15) * 4 : sizeof(*ip6);
	struct rte_mbuf *m;
	uint8_t proto;

	bytes = packet_bytes(packet, bytes, header);
	if (bytes == 0)
		return -1;
	proto = is4 ? ip4->proto : ip6->proto;
	if (proto == (is4 ? IP_PROTO_ICMP : IP_PROTO_ICMP6)) {
		icmp_arrives(packet + header, bytes - header, is4);
		return 0;
	}
	if (proto != IPPROTO_TCP)
		return 0;
	m = received(packet, bytes);
	if (m == NULL)
		return -1;
	m->l3_len = header & 0x1ff;
	m->packet_type = is4 ? RTE_PTYPE_L3_IPV4 : RTE_PTYPE_L3_IPV6;
	tcp_input(shim.engine, shim.now_us, &m, 1);
	return 0;
}

int
shim_netdev_send(void *userdata, const void *packet, size_t bytes)
{
	int status;

	(void)userdata;
	if (bytes < sizeof(struct ip4_header) || bytes > RX_ROOM)
		return -1;
	shim_lock();
	shim_settle();
	status = packet_arrives(packet, bytes);
	shim_settle();
	wake_all();
	let_others_go_first();
	shim_unlock();
	return status;
}

int
shim_netdev_receive(void *userdata, void *packet, size_t *bytes, long long *time_us)
{
	uint64_t until_us;
	struct rte_mbuf *m;

	(void)userdata;
	shim_lock();
	until_us = shim.now_us + RECEIVE_PATIENCE_S * UINT64_C(1000000);
	while (shim.head == shim.tail && shim.now_us < until_us)
		step(until_us);
	if (shim.head == shim.tail) {
		*bytes = 0;
		shim_unlock();
		return 0;
	}
	*time_us = (long long)shim.wire[shim.head % WIRE_PACKETS].at_us;
	m = shim.wire[shim.head++ % WIRE_PACKETS].m;
	if (m->pkt_len <= *bytes) {
		const void *from = rte_pktmbuf_read(m, 0, m->pkt_len, packet);

		if (from != packet)
			memcpy(packet, from, m->pkt_len);
		*bytes = m->pkt_len;
	} else {
		*bytes = 0;
	}
	rte_pktmbuf_free(m);
	shim_unlock();
	return 0;
}
