/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What it costs to have connections go through images, in bulk and with nothing around it: one lane
 * without a network, idle connections.
 *
 *     image [CONNECTIONS [ROUNDS]]        10000 and 20, if not said
 *
 * Prints microseconds of processor time for each connection: making the image and reading it back
 * alone, and all of it: image, closing in silence, image into a connection again.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <rte_eal.h>
#include <rte_mbuf.h>

#include "dataplane/move_impl.h"
#include "tcp/info.h"

enum { MBUFS = 8191, IMAGE_BYTES = 512, OUR_IP = 0x0a000001, PEER_IP = 0x0a000002 };

struct slot {
	struct tcp_conn *c;
	size_t bytes;
	uint8_t image[IMAGE_BYTES];
};

static struct tcp_engine *engine;
static struct move_stats stats;
static struct move_out out;
static struct move_in in;

static void
env_transmit(void *ctx, struct rte_mbuf **packets, unsigned int n)
{
	(void)ctx;
	for (unsigned int i = 0; i < n; i++)
		rte_pktmbuf_free(packets[i]);
}

static int
env_path(void *ctx, const struct ip_addr *remote, const struct ip_addr *local,
	 struct tcp_path *path)
{
	(void)ctx;
	(void)remote;
	*path = (struct tcp_path){.local = *local, .mtu = 1500};
	return 0;
}

static bool
env_is_local(void *ctx, const struct ip_addr *local)
{
	(void)ctx;
	(void)local;
	return true;
}

static void
env_random(void *ctx, void *buf, size_t n)
{
	static uint64_t state = 1;
	uint8_t *to = buf;

	(void)ctx;
	while (n-- > 0) {
		state = state * 6364136223846793005u + 1442695040888963407u;
		*to++ = (uint8_t)(state >> 56);
	}
}

static void
env_notify(void *ctx, struct tcp_conn *c, void *user)
{
	(void)ctx;
	(void)c;
	(void)user;
}

static void
env_confirm(void *ctx, uint32_t hop)
{
	(void)ctx;
	(void)hop;
}

static void *
env_alloc(void *ctx, size_t bytes, size_t align)
{
	void *memory = aligned_alloc(align < 64 ? 64 : align, (bytes + 63) & ~(size_t)63);

	(void)ctx;
	if (memory != NULL)
		memset(memory, 0, bytes);
	return memory;
}

static void
env_free(void *ctx, void *memory)
{
	(void)ctx;
	free(memory);
}

static _Noreturn void
die(const char *what)
{
	fprintf(stderr, "image: %s: %s\n", what, in.why);
	exit(1);
}

static void
start(uint32_t connections)
{
	static const struct tcp_env env = {
		.transmit = env_transmit,
		.path = env_path,
		.is_local = env_is_local,
		.random = env_random,
		.notify = env_notify,
		.confirm = env_confirm,
		.alloc = env_alloc,
		.free = env_free,
	};
	char *argv[] = {
		"image", "--no-huge", "--no-shconf", "--no-pci", "--no-telemetry",
		"-m",    "256",       "-l",          "0",        "--log-level=lib.eal:error",
		NULL};
	struct tcp_config config;

	if (rte_eal_init((int)(sizeof(argv) / sizeof(argv[0])) - 1, argv) < 0)
		die("EAL does not start");
	tcp_config_defaults(&config);
	config.name = "bench";
	config.max_conns = connections + 16;
	config.max_mutes = connections + 16;
	config.header_pool = rte_pktmbuf_pool_create("header", MBUFS, 0, 0, 512, SOCKET_ID_ANY);
	config.data_pool = rte_pktmbuf_pool_create("data", MBUFS, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE,
						   SOCKET_ID_ANY);
	config.ref_pool = rte_pktmbuf_pool_create("ref", MBUFS, 0, 0, 0, SOCKET_ID_ANY);
	if (tcp_engine_create(&config, &env, &engine) < 0)
		die("no engine");
	tcp_advance(engine, UINT64_C(1) << 40);
}

/* An idle connection that has sent and received a little, as the first image of a slot. */
static void
first_image(struct slot *s, uint32_t i)
{
	struct tcp_known known = {
		.tuple = {.local = ip_from4(be32(OUR_IP)),
			  .remote = ip_from4(be32(PEER_IP + (i >> 14))),
			  .lport = be16(80),
			  .rport = be16((uint16_t)(1024 + (i & 0x3fff)))},
		.state = TCP_ESTABLISHED,
		.inq_seq = i * 2654435761u,
		.outq_seq = i * 2246822519u,
		.mss = 1460,
		.options = TCP_DETAILS_TIMESTAMPS | TCP_DETAILS_SACK | TCP_DETAILS_WSCALE,
		.snd_wscale = 7,
		.rcv_wscale = 7,
		.timestamp = i,
		.has_window = true,
		.snd_wl1 = i * 2654435761u - 1,
		.snd_wnd = 64256,
		.max_window = 64256,
		.rcv_wnd = 65535,
		.rcv_wup = i * 2654435761u,
	};
	struct tcp_checkpoint saved;

	tcp_checkpoint_init(engine, &known, &saved);
	saved.srtt_us = 8 * 110;
	saved.bytes_acked = saved.bytes_sent = 1234;
	saved.bytes_received = 4321;
	saved.segs_in = saved.segs_out = 12;
	saved.data_segs_in = saved.data_segs_out = 5;
	saved.ts_recent = i;
	s->bytes = move_out_head(&saved, NULL, out.head, sizeof(out.head));
	if (s->bytes > sizeof(s->image))
		die("no room for an image");
	memcpy(s->image, out.head, s->bytes);
}

static double
now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (double)ts.tv_sec * 1e6 + (double)ts.tv_nsec / 1e3;
}

static void
leave(struct slot *s)
{
	if (move_out_begin(&out, s->c, NULL, &stats) < 0)
		die("no image");
	s->bytes = move_out_read(&out, 0, s->image, sizeof(s->image));
	tcp_close_silently(s->c);
}

static void
come(struct slot *s)
{
	if (move_in_begin(&in, engine, s->image, s->bytes, NULL, &stats) < 0 ||
	    move_in_end(&in, &s->c) < 0)
		die("no connection");
}

int
main(int argc, char **argv)
{
	uint32_t n = argc > 1 ? (uint32_t)atoi(argv[1]) : 10000;
	unsigned int rounds = argc > 2 ? (unsigned int)atoi(argv[2]) : 20;
	double codec_out = 0, codec_in = 0, all_out = 0, all_in = 0, at[5];
	struct slot *slots = calloc(n, sizeof(*slots));
	struct tcp_checkpoint *saved = malloc(n * sizeof(*saved));

	start(n);
	for (uint32_t i = 0; i < n; i++)
		first_image(&slots[i], i);
	for (unsigned int round = 0; round < rounds; round++) {
		at[0] = now_us();
		for (uint32_t i = 0; i < n; i++)
			come(&slots[i]);
		tcp_flush(engine);
		at[1] = now_us();
		for (uint32_t i = 0; i < n; i++)
			leave(&slots[i]);
		tcp_flush(engine);
		at[2] = now_us();
		for (uint32_t i = 0; i < n; i++) {
			move_in_begin(&in, engine, slots[i].image, slots[i].bytes, NULL, &stats);
			saved[i] = in.saved;
		}
		at[3] = now_us();
		for (uint32_t i = 0; i < n; i++)
			move_out_head(&saved[i], NULL, out.head, sizeof(out.head));
		at[4] = now_us();
		all_in += at[1] - at[0];
		all_out += at[2] - at[1];
		codec_in += at[3] - at[2];
		codec_out += at[4] - at[3];
	}
	printf("%u connections, %zu bytes each: image made %.3f us, read %.3f us; "
	       "connection out %.3f us, in %.3f us, together %.3f us\n",
	       n, slots[0].bytes, codec_out / n / rounds, codec_in / n / rounds,
	       all_out / n / rounds, all_in / n / rounds, (all_out + all_in) / n / rounds);
	return 0;
}
