/* SPDX-License-Identifier: BSD-3-Clause */
/* The stage of a wire test: engine, pools, clock, tear-down. */
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include "test/unit/unit.h"
#include "wire.h"

static struct rte_mempool *pools[5];

void
wire_pools_start(void)
{
	static const struct {
		const char *name;
		uint16_t room;
	} kinds[] = {
		{"header", RTE_PKTMBUF_HEADROOM + 512},
		{"data", RTE_MBUF_DEFAULT_BUF_SIZE},
		{"ref", 0},
		{"rx", RTE_MBUF_DEFAULT_BUF_SIZE},
		{"bare", 0},
	};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		pools[i] = rte_pktmbuf_pool_create(kinds[i].name, WIRE_POOL, 0, 0, kinds[i].room,
						   SOCKET_ID_ANY);
		if (pools[i] == NULL) {
			fprintf(stderr, "no memory for the pools\n");
			exit(2);
		}
	}
}

struct rte_mempool *
wire_pool_header(void)
{
	return pools[0];
}

struct rte_mempool *
wire_pool_data(void)
{
	return pools[1];
}

struct rte_mempool *
wire_pool_ref(void)
{
	return pools[2];
}

struct rte_mempool *
wire_pool_rx(void)
{
	return pools[3];
}

struct rte_mempool *
wire_pool_bare(void)
{
	return pools[4];
}

void
wire_pools_full(struct wire *w)
{
	for (size_t i = 0; i < sizeof(pools) / sizeof(pools[0]); i++)
		if (rte_mempool_avail_count(pools[i]) != WIRE_POOL)
			wire_fail(w, "%u mbufs of the %s pool are lost",
				  WIRE_POOL - rte_mempool_avail_count(pools[i]), pools[i]->name);
}

/* What wire_begins() said, theirs and ours. */
static struct {
	uint8_t bytes[4096];
	size_t n;
} begins[2];

void
wire_begins(struct wire *w, bool ours, const void *bytes, size_t n)
{
	if (n > sizeof(begins[ours].bytes))
		wire_fail(w, "a stream that begins with too much");
	memcpy(begins[ours].bytes, bytes, n);
	begins[ours].n = n;
	for (unsigned int i = 0; i < WIRE_FLOWS; i++)
		*(ours ? &w->flows[i].queued : &w->flows[i].read) = n;
}

uint8_t
wire_byte(bool ours, uint64_t offset)
{
	if (offset < begins[ours].n)
		return begins[ours].bytes[offset];
	return (uint8_t)((offset * UINT64_C(0x9e3779b97f4a7c15)) >> 56 ^ (ours ? 0xa5 : 0));
}

/* ---- What is told */

static void
tell_repeated(struct wire *w)
{
	if (w->repeated != 0)
		fprintf(w->log_file, "              ... %u more of these\n", w->repeated);
	w->repeated = 0;
}

/* Lines that repeat are counted rather than shown. */
void
wire_log(struct wire *w, const char *format, ...)
{
	int64_t t = (int64_t)(w->now_us - w->start_us);
	char line[sizeof(w->last_line)];
	va_list args;

	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	if (strcmp(line, w->last_line) == 0) {
		w->repeated++;
		return;
	}
	tell_repeated(w);
	strcpy(w->last_line, line);
	fprintf(w->log_file, "  %4lld.%06lld %s\n", (long long)(t / 1000000),
		(long long)(t % 1000000), line);
}

void
wire_fail(struct wire *w, const char *format, ...)
{
	va_list args;

	tell_repeated(w);
	fflush(w->log_file);
	printf("FAIL %s over %s, %s:%d\n%s", w->test, w->family == AF_INET ? "IPv4" : "IPv6",
	       w->file, w->line, w->log);
	printf("  failed here: ");
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
	fflush(stdout);
	_exit(1);
}

void
wire_equal(struct wire *w, const char *what, long long actual, long long expected)
{
	if (actual != expected)
		wire_fail(w, "%s is %lld, expected %lld", what, actual, expected);
}

void
wire_between(struct wire *w, const char *what, long long actual, long long low, long long high)
{
	if (actual < low || actual > high)
		wire_fail(w, "%s is %lld, expected %lld to %lld", what, actual, low, high);
}

/* ---- The clock */

void
wire_flush(struct wire *w)
{
	if (!w->holding)
		tcp_flush(w->engine);
}

/* One iteration of the engine's driver, now. */
void
wire_iterate(struct wire *w, struct rte_mbuf **packets, unsigned int n)
{
	w->may_notify = true;
	w->calls++;
	if (n != 0)
		tcp_input(w->engine, w->now_us, packets, n);
	w->calls++;
	tcp_advance(w->engine, w->now_us);
	w->may_notify = false;
	tcp_flush(w->engine);
}

static void
visit_timers(struct wire *w, uint64_t at_us)
{
	unsigned int stuck = 0;
	uint64_t next;

	while ((next = tcp_next_timer(w->engine)) <= at_us) {
		stuck = next > w->now_us ? 0 : stuck + 1;
		if (stuck > 1000)
			wire_fail(w, "tcp_next_timer() does not move on from %lld",
				  (long long)(next - w->start_us));
		if (next > w->now_us)
			w->now_us = next;
		wire_iterate(w, NULL, 0);
	}
}

void
wire_run_to(struct wire *w, uint64_t at_us)
{
	wire_idle_(w);
	if (at_us < w->now_us)
		wire_fail(w, "the test goes back in time");
	visit_timers(w, at_us);
	w->now_us = at_us;
	w->nothing_due = true;
	wire_iterate(w, NULL, 0);
	w->nothing_due = false;
}

/* ---- Start and end */

static struct tcp_endpoint
endpoint(int family, bool local, uint16_t port)
{
	static const uint8_t local6[16] = {0x20, 0x01, 0x0d, 0xb8, [15] = 1};
	static const uint8_t remote6[16] = {0x20, 0x01, 0x0d, 0xb8, 0, 1, [15] = 2};
	struct tcp_endpoint e = {.port = port};

	if (family == AF_INET)
		e.ip = ip_from4(be32(local ? 0xc0000201 : 0xc6336402)); /* RFC 5737 */
	else
		e.ip = ip_from6(local ? local6 : remote6); /* RFC 3849 */
	return e;
}

static void
configure(const struct wire_options *o, struct tcp_config *config)
{
	tcp_config_defaults(config);
	/* As the same packets at the same times are to come either way. */
	config->fast_paths = getenv("WIRE_GENERAL") == NULL;
	config->header_pool = wire_pool_header();
	config->data_pool = wire_pool_data();
	config->ref_pool = wire_pool_ref();
	config->socket_id = SOCKET_ID_ANY;
#define OVERRIDE(field)                                                                            \
	if (o->field != 0)                                                                         \
	config->field = o->field
	config->max_conns = 256;
	config->max_requests = 64;
	config->max_timewait = 64;
	config->max_mutes = 64;
	config->max_held_bufs = WIRE_POOL / 2;
	OVERRIDE(max_conns);
	OVERRIDE(max_requests);
	OVERRIDE(max_timewait);
	OVERRIDE(max_held_bufs);
	OVERRIDE(rcvbuf_bytes);
	OVERRIDE(sndbuf_bytes);
	OVERRIDE(user_timeout_ms);
	OVERRIDE(syn_retries);
	OVERRIDE(synack_retries);
	OVERRIDE(retries);
	OVERRIDE(orphan_retries);
#undef OVERRIDE
	config->timestamps = !o->no_timestamps;
	config->window_scaling = !o->no_window_scaling;
	config->sack = !o->no_sack;
	config->congestion = "newreno";
	if (o->configure != NULL)
		o->configure(config);
}

static void
make_engine(struct wire *w)
{
	char name[24];
	struct tcp_config config = {0};
	struct tcp_env env;
	int answer;

	configure(&w->options, &config);
	snprintf(name, sizeof(name), "wire%u", w->engines++);
	config.name = name;
	wire_env(w, &env);
	answer = tcp_engine_create(&config, &env, &w->engine);
	if (answer != 0)
		wire_fail(w, "tcp_engine_create() answers %s", strerror(-answer));
	wire_iterate(w, NULL, 0); /* tells it the time */
}

void
wire_start_(struct wire *w, const struct wire_options *options)
{
	w->options = *options;
	w->log_file = open_memstream(&w->log, &w->log_bytes);
	w->hop = WIRE_HOP;
	w->start_us = (UINT64_C(1) << 32) * 1000 - 500000;
	w->now_us = w->start_us;
	w->seed = 88172645463325252u;
	w->mtu = options->mtu != 0 ? options->mtu : w->family == AF_INET ? 1500 : 1520;
	for (unsigned int i = 0; i < WIRE_FLOWS; i++) {
		w->flows[i].local = endpoint(w->family, true, WIRE_LOCAL_PORT);
		w->flows[i].remote = endpoint(w->family, false, (uint16_t)(WIRE_REMOTE_PORT + i));
		w->flows[i].peer_iss = UINT32_MAX - 999 - 7919 * i;
	}
	w->flow = &w->flows[0];
	w->local = w->flow->local.ip;
	w->also_local = endpoint(w->family == AF_INET ? AF_INET6 : AF_INET, true, 0).ip;
	make_engine(w);
}

struct tcp_engine *
wire_successor_(struct wire *w)
{
	struct tcp_engine *first = w->engine;

	w->listener = NULL;
	make_engine(w);
	return first;
}

/* The engine is gone: nothing of it may be left. */
static void
prove_empty(struct wire *w)
{
	tcp_engine_destroy(w->engine);
	wire_free_lag(w);
	wire_pools_full(w);
	if (w->allocations != 0)
		wire_fail(w, "%ld pieces of memory were not freed", w->allocations);
	fclose(w->log_file);
	if (w->verbose)
		printf("%s over %s\n%s", w->test, w->family == AF_INET ? "IPv4" : "IPv6", w->log);
	free(w->log);
	free(w->sent);
}

void
wire_destroy_(struct wire *w)
{
	wire_idle_(w);
	prove_empty(w);
}

static void
prove_unused(struct wire *w)
{
	static const char *const names[] = {"conns",       "folded",       "listeners", "orphans",
					    "requests",    "timewait",     "flows",     "held_bufs",
					    "queued_bufs", "sent_records", "ranges",    "ports",
					    "mutes"};
	union {
		struct tcp_usage usage;
		uint32_t numbers[sizeof(struct tcp_usage) / sizeof(uint32_t)];
	} u;

	static_assert(sizeof(names) / sizeof(names[0]) == sizeof(u) / sizeof(uint32_t),
		      "every field has its name");
	tcp_usage(w->engine, &u.usage);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (u.numbers[i] != 0)
			wire_fail(w, "%u %s are left", u.numbers[i], names[i]);
	if (tcp_next_timer(w->engine) != UINT64_MAX)
		wire_fail(w, "a timer is left");
}

void
wire_end_(struct wire *w)
{
	wire_idle_(w);
	w->closing = true;
	for (unsigned int i = 0; i < WIRE_FLOWS; i++)
		if (w->flows[i].c != NULL) {
			tcp_abort(w->flows[i].c);
			w->flows[i].c = NULL;
		}
	if (w->listener != NULL)
		tcp_close(w->listener);
	w->listener = NULL;
	tcp_flush(w->engine);
	visit_timers(w, w->now_us + SEC(200000));
	prove_unused(w);
	prove_empty(w);
}

void
wire_flow_(struct wire *w, unsigned int number)
{
	if (number >= WIRE_FLOWS)
		wire_fail(w, "no flow %u", number);
	w->flow = &w->flows[number];
}

void
wire_again(struct wire *w, uint32_t ahead)
{
	struct wire_flow *f = w->flow;

	f->peer_iss += ahead;
	f->iss_known = f->ts_known = f->we_ts = f->peer_ts = f->ts = false;
	f->iss = f->ts_base = 0;
	f->queued = f->read = 0;
}

void
wire_path(struct wire *w, int error, uint16_t mtu)
{
	w->path_error = error;
	w->mtu = mtu;
	tcp_paths_changed(w->engine);
}

void
wire_hop(struct wire *w, uint32_t hop)
{
	w->hop = hop;
	tcp_paths_changed(w->engine);
}
