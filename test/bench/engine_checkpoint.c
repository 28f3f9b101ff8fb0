/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the engine alone takes to let connections go and to take them in again: no device, no image,
 * no program. In rounds, all of them leave and all of them return:
 *
 *     out    into repair, tcp_checkpoint(), the queues copied away, tcp_close_silently()
 *     in     the queues copied back, tcp_restore(), tcp_resume(), the question to the peer sent
 *
 * Usage: engine_checkpoint [CONNECTIONS [BYTES [ROUNDS]]]; BYTES in each connection's queues, half
 * of them in each. Prints microseconds of processor time a connection: the median round, the best
 * and the worst.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_malloc.h>
#include <rte_mempool.h>

#include "tcp/tcp.h"

enum {
	FLUSH_EVERY = 64, /* connections, as in a slice of a lane's time */
	ROUNDS_MAX = 100,
	BUF_BYTES = 2048,
};

struct moved {
	struct tcp_checkpoint saved;
	uint8_t *bytes; /* the receive queue's, then the send queue's */
};

static struct tcp_engine *engine;
static struct tcp_conn **conns;
static struct moved *moved;
static uint64_t now_us = 1000000;
static unsigned long sent;

/* ---- the engine's environment: a path to everywhere, and nobody at its end */

static void
env_transmit(void *ctx, struct rte_mbuf **packets, unsigned int n)
{
	(void)ctx;
	sent += n;
	rte_pktmbuf_free_bulk(packets, n);
}

static int
env_path(void *ctx, const struct ip_addr *remote, const struct ip_addr *local,
	 struct tcp_path *path)
{
	(void)ctx, (void)remote;
	*path = (struct tcp_path){.local = *local, .mtu = 1500};
	return 0;
}

static bool
env_is_local(void *ctx, const struct ip_addr *local)
{
	(void)ctx, (void)local;
	return true;
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
	(void)ctx, (void)c, (void)user;
}

static void *
env_alloc(void *ctx, size_t bytes, size_t align)
{
	(void)ctx;
	return rte_zmalloc(NULL, bytes, (unsigned int)align);
}

static void
env_free(void *ctx, void *memory)
{
	(void)ctx;
	rte_free(memory);
}

static void
die(const char *what)
{
	fprintf(stderr, "engine_checkpoint: %s: %s\n", what, rte_strerror(rte_errno));
	exit(1);
}

static struct rte_mempool *
pool(const char *name, unsigned int n, unsigned int room)
{
	struct rte_mempool *p = rte_pktmbuf_pool_create(
		name, n, 256, 0, room == 0 ? 0 : (uint16_t)(RTE_PKTMBUF_HEADROOM + room),
		SOCKET_ID_ANY);

	if (p == NULL)
		die(name);
	return p;
}

static void
start_engine(unsigned int n, unsigned int bytes)
{
	const struct tcp_env env = {
		.transmit = env_transmit,
		.path = env_path,
		.is_local = env_is_local,
		.random = env_random,
		.notify = env_notify,
		.alloc = env_alloc,
		.free = env_free,
	};
	unsigned int bufs = n * (bytes / BUF_BYTES + 4) + 4096;
	struct tcp_config config;

	tcp_config_defaults(&config);
	config.name = "bench";
	config.max_conns = 131072; /* and twice as many segments in flight */
	config.max_held_bufs = bufs;
	config.header_pool = pool("headers", 8192, 256);
	config.data_pool = pool("data", bufs * 2, BUF_BYTES);
	config.ref_pool = pool("refs", 8192, 0);
	if (tcp_engine_create(&config, &env, &engine) != 0)
		die("no engine");
}

/* ---- the rounds */

static double
cpu_seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void
flush(void)
{
	now_us += 10;
	tcp_advance(engine, now_us);
	tcp_flush(engine);
}

static uint8_t *
copy_out(uint8_t *to, const struct rte_mbuf *m)
{
	for (; m != NULL; m = m->next) {
		memcpy(to, rte_pktmbuf_mtod(m, const void *), m->data_len);
		to += m->data_len;
	}
	return to;
}

static void
leave(unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		struct moved *to = &moved[i];

		if (i + 1 < n)
			tcp_checkpoint_prefetch(conns[i + 1]);
		if (tcp_freeze(conns[i]) != 0 || tcp_checkpoint(conns[i], &to->saved) != 0)
			die("cannot be saved");
		copy_out(copy_out(to->bytes, to->saved.recvq), to->saved.sendq);
		tcp_close_silently(conns[i]);
		if (i % FLUSH_EVERY == FLUSH_EVERY - 1)
			flush();
	}
	flush();
}

static void
come(unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		struct tcp_checkpoint *in = &moved[i].saved;

		in->recvq = in->sendq = NULL;
		if (in->recvq_bytes > 0)
			in->recvq = tcp_copy_bytes(engine, moved[i].bytes, in->recvq_bytes);
		if (in->sendq_bytes > 0)
			in->sendq = tcp_copy_bytes(engine, moved[i].bytes + in->recvq_bytes,
						   in->sendq_bytes);
		if (tcp_restore(engine, in, &conns[i]) != 0)
			die("cannot be restored");
		tcp_resume(conns[i]);
		if (i % FLUSH_EVERY == FLUSH_EVERY - 1)
			flush();
	}
	flush();
}

/* As if they had come from a kernel. */
static void
fill(unsigned int n, unsigned int bytes)
{
	for (unsigned int i = 0; i < n; i++) {
		const struct tcp_known known = {
			.tuple = {.remote = ip_from4(be32(0xc6120001u + i / 50000)),
				  .local = ip_from4(be32(0xc6120002u)),
				  .rport = be16((uint16_t)(10000 + i % 50000)),
				  .lport = be16(80)},
			.state = TCP_ESTABLISHED,
			.inq_seq = i * 12345,
			.inq_bytes = bytes / 2,
			.outq_seq = i * 54321,
			.outq_bytes = bytes - bytes / 2,
			.mss = 1460,
			.options = TCP_DETAILS_TIMESTAMPS | TCP_DETAILS_SACK | TCP_DETAILS_WSCALE,
			.snd_wscale = 7,
			.rcv_wscale = 7,
			.has_window = true,
			.snd_wl1 = i * 12345,
			.snd_wnd = 65536,
			.max_window = 65536,
			.rcv_wnd = 65536,
			.rcv_wup = i * 12345,
		};

		moved[i].bytes = malloc(bytes + 1);
		if (moved[i].bytes == NULL)
			die("no memory");
		memset(moved[i].bytes, 'x', bytes);
		tcp_checkpoint_init(engine, &known, &moved[i].saved);
	}
}

static int
by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void
report(const char *what, double *s, unsigned int rounds, unsigned int n)
{
	qsort(s, rounds, sizeof(*s), by_size);
	printf("  %s %.3f (%.3f to %.3f)", what, s[rounds / 2] * 1e6 / n, s[0] * 1e6 / n,
	       s[rounds - 1] * 1e6 / n);
}

int
main(int argc, char **argv)
{
	char *eal[] = {"engine_checkpoint",
		       "--no-huge",
		       "--no-shconf",
		       "--no-pci",
		       "--no-telemetry",
		       "--log-level=lib.eal:error",
		       "-m",
		       "8192",
		       "-l",
		       "0",
		       NULL};
	unsigned int n = argc > 1 ? (unsigned int)atoi(argv[1]) : 10000;
	unsigned int bytes = argc > 2 ? (unsigned int)atoi(argv[2]) : 0;
	unsigned int rounds = argc > 3 ? (unsigned int)atoi(argv[3]) : 11;
	static double out[ROUNDS_MAX], in[ROUNDS_MAX];

	if (n == 0 || n > 16000 || rounds == 0 || rounds > ROUNDS_MAX)
		die("usage: engine_checkpoint [CONNECTIONS [BYTES [ROUNDS]]]");
	if (rte_eal_init((int)RTE_DIM(eal) - 1, eal) < 0)
		die("EAL does not start");
	conns = calloc(n, sizeof(*conns));
	moved = calloc(n, sizeof(*moved));
	start_engine(n, bytes);
	tcp_advance(engine, now_us);
	fill(n, bytes);
	come(n);
	for (unsigned int r = 0; r < rounds; r++) {
		double start = cpu_seconds();

		leave(n);
		out[r] = cpu_seconds() - start;
		start = cpu_seconds();
		come(n);
		in[r] = cpu_seconds() - start;
	}
	printf("engine, %u connections, %u bytes queued; microseconds each:", n, bytes);
	report("out", out, rounds, n);
	report("in", in, rounds, n);
	printf("\n");
	return 0;
}
