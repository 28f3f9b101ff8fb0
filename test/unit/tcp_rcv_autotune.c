/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tcp/rcv_autotune.c: a download over a link of 1 Gbit/s with a round trip of 20 ms fills the link
 * when the receive buffer grows by itself, and only then; and it grows no more than it needs.
 */
#include "unit.h"

#include <errno.h>
#include <netinet/in.h>

#include "test/sim/pair.h"

#define SECOND_US UINT64_C(1000000)

/* A number lies between two, inclusive; shown if not. */
#define UNIT_IN(actual, low, high)                                                                 \
	do {                                                                                       \
		long long is_ = (long long)(actual);                                               \
		bool in_ = is_ >= (long long)(low) && is_ <= (long long)(high);                    \
                                                                                                   \
		CU_ASSERT(in_);                                                                    \
		if (!in_)                                                                          \
			printf("\n    " #actual " is %lld\n", is_);                                \
	} while (0)

enum {
	LINE_BYTES_PER_S = 125 * 1000 * 1000,
	QUEUE_BYTES = 4 << 20, /* no loss: only windows hold the sender back */
	ONE_WAY_US = 10 * 1000,
	CHUNK = 65536,
};

struct download {
	struct pair pair;
	struct tcp_conn *listener, *from, *to;
	uint64_t received;
	bool ready;     /* connected: the sender may begin */
	bool paused;    /* the reader takes nothing */
	uint64_t per_s; /* what the sender gives at most; 0: all it can */
	uint64_t given, started_us;
};

static void
give(struct download *d)
{
	static uint8_t bytes[CHUNK];
	uint64_t may = UINT64_MAX;
	ssize_t n;

	if (d->per_s != 0)
		may = (d->pair.now_us - d->started_us) * d->per_s / SECOND_US;
	while (d->from != NULL && d->ready && d->given < may) {
		n = tcp_send(d->from, bytes, RTE_MIN(may - d->given, (uint64_t)CHUNK), 0);
		if (n <= 0)
			break;
		d->given += (uint64_t)n;
	}
}

static void
take(struct download *d)
{
	static uint8_t bytes[CHUNK];
	ssize_t n;

	while (d->to != NULL && !d->paused && (n = tcp_recv(d->to, bytes, CHUNK, 0)) > 0)
		d->received += (uint64_t)n;
}

static void
users(void *ctx, unsigned int side)
{
	struct download *d = ctx;

	if (d->from == NULL && side == 1 && d->listener != NULL)
		tcp_accept(d->listener, &d->from);
	if (side == 1)
		give(d);
	else
		take(d);
}

static void
begin(struct download *d, struct tcp_config *config, uint32_t rcvbuf)
{
	struct tcp_endpoint any = {.port = 80}, server;
	int v = (int)rcvbuf;

	memset(d, 0, sizeof(*d));
	config->max_conns = 64;
	config->max_requests = 32;
	config->max_timewait = 64;
	config->max_held_bufs = 8192;
	config->sndbuf_bytes = 16 << 20;
	config->sndbuf_max_bytes = 16 << 20;
	pair_start_with(&d->pair, &(struct pair_setup){.config = {config, config}, .seed = 1});
	for (int i = 0; i < 2; i++) {
		link_add_bottleneck(&d->pair.side[i].link, LINE_BYTES_PER_S, QUEUE_BYTES, 0);
		link_add_delay(&d->pair.side[i].link, ONE_WAY_US, 0, true);
	}
	d->pair.users = users;
	d->pair.poll_us = 50;
	d->pair.ctx = d;
	CU_ASSERT_FATAL(tcp_open(d->pair.side[1].engine, AF_INET, &d->listener) == 0);
	UNIT_EQ(tcp_bind(d->listener, &any), 0);
	UNIT_EQ(tcp_listen(d->listener, 1), 0);
	CU_ASSERT_FATAL(tcp_open(d->pair.side[0].engine, AF_INET, &d->to) == 0);
	if (rcvbuf != 0)
		UNIT_EQ(tcp_setsockopt(d->to, SOL_SOCKET, SO_RCVBUF, &v, sizeof(v)), 0);
	server = (struct tcp_endpoint){.ip = d->pair.side[1].ip, .port = 80};
	UNIT_EQ(tcp_connect(d->to, &server), -EINPROGRESS);
	pair_run_until(&d->pair, d->pair.now_us + 50 * 1000);
	UNIT_EQ(tcp_connect(d->to, &server), 0);
	d->started_us = d->pair.now_us;
	d->ready = true;
}

/* Lets time pass in steps in which the users act; returns what was received in it. */
static uint64_t
run(struct download *d, uint64_t us)
{
	uint64_t before = d->received, end_us = d->pair.now_us + us;

	while (d->pair.now_us < end_us) {
		give(d);
		take(d);
		pair_run_until(&d->pair, RTE_MIN(d->pair.now_us + 1000, end_us));
	}
	return d->received - before;
}

static int
rcvbuf_of(const struct download *d)
{
	size_t len = sizeof(int);
	int v = 0;

	tcp_getsockopt(d->to, SOL_SOCKET, SO_RCVBUF, &v, &len);
	return v;
}

static void
end(struct download *d)
{
	tcp_abort(d->to);
	pair_run_until(&d->pair, d->pair.now_us + SECOND_US);
	tcp_abort(d->from);
	tcp_close(d->listener);
	d->to = d->from = d->listener = NULL;
	pair_run_until(&d->pair, d->pair.now_us + 2 * SECOND_US);
	CU_ASSERT(pair_end(&d->pair));
}

static uint64_t
third_second(bool timestamps, uint32_t rcvbuf, int *buffer)
{
	static struct download d;
	struct tcp_config config;
	uint64_t bytes;

	tcp_config_defaults(&config);
	config.timestamps = timestamps;
	begin(&d, &config, rcvbuf);
	run(&d, 2 * SECOND_US);
	bytes = run(&d, SECOND_US);
	*buffer = rcvbuf_of(&d);
	end(&d);
	printf("\n    timestamps %d, SO_RCVBUF %u: %.1f MB/s, buffer %d", timestamps, rcvbuf,
	       (double)bytes / 1e6, *buffer);
	return bytes;
}

/* 94 % of the line is payload; 3 % less is a window that was not always open. */
UNIT_CASE(line_rate_through_autotuning)
{
	int buffer;

	UNIT_IN(third_second(true, 0, &buffer), 113 * 1000 * 1000, LINE_BYTES_PER_S);
	UNIT_IN(buffer, 3 << 20, 6 << 20);
	UNIT_IN(third_second(false, 0, &buffer), 113 * 1000 * 1000, LINE_BYTES_PER_S);
	UNIT_IN(buffer, 3 << 20, 6 << 20);
}

/* SO_RCVBUF is the user's word: a window of 128 KB each 20 ms, whatever the link could do. */
UNIT_CASE(fixed_buffer_holds_it_back)
{
	int buffer;

	UNIT_IN(third_second(true, 131072, &buffer), 5 * 1000 * 1000, 10 * 1000 * 1000);
	UNIT_EQ(buffer, 2 * 131072);
}

/* A sender who gives 1 MB/s needs 20 KB a round trip: the buffer hardly grows. */
UNIT_CASE(slow_sender_grows_little)
{
	static struct download d;
	struct tcp_config config;

	tcp_config_defaults(&config);
	begin(&d, &config, 0);
	d.per_s = 1000 * 1000;
	run(&d, 5 * SECOND_US);
	UNIT_IN(rcvbuf_of(&d), config.rcvbuf_bytes, 2 * config.rcvbuf_bytes);
	end(&d);
}

/* A reader who takes nothing gets no larger buffer, however fast the sender. */
UNIT_CASE(absent_reader_grows_nothing)
{
	static struct download d;
	struct tcp_config config;

	tcp_config_defaults(&config);
	begin(&d, &config, 0);
	d.paused = true;
	run(&d, 2 * SECOND_US);
	UNIT_EQ(rcvbuf_of(&d), config.rcvbuf_bytes);
	d.paused = false;
	UNIT_IN(run(&d, 2 * SECOND_US), 100 * 1000 * 1000, 2 * LINE_BYTES_PER_S);
	end(&d);
}

/* The lane's buffers are shared: one connection gets a quarter of what the others leave. */
UNIT_CASE(no_more_than_a_share)
{
	static struct download d;
	struct tcp_config config;

	tcp_config_defaults(&config);
	config.rcvbuf_max_bytes = 64 << 20;
	begin(&d, &config, 0);
	run(&d, 3 * SECOND_US);
	UNIT_IN(rcvbuf_of(&d), 1 << 20, 8192 * 2304 / 4);
	end(&d);
}

UNIT_MAIN_EAL(UNIT_RUN(line_rate_through_autotuning), UNIT_RUN(fixed_buffer_holds_it_back),
	      UNIT_RUN(slow_sender_grows_little), UNIT_RUN(absent_reader_grows_nothing),
	      UNIT_RUN(no_more_than_a_share))
