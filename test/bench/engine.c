/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The engine alone, in to out, without device and IP layer: clients on one engine, a server on
 * another, and engine_pair.h's wire between them.
 *
 *     rr       requests of --size bytes, answered with as many; --pipeline of them at a time
 *     crr      connect, a request, its answer, close: the server closes first and keeps TIME-WAIT.
 *              --ports is how many the clients use, so that they come back to those in TIME-WAIT
 *     up       the clients send without end, the server reads; a request is a full segment
 *     down     the other way round
 *     idle     as rr, with --connections, of which 32 are in use at a time
 *
 * Prints how many requests were done. Under callgrind, with --toggle-collect=measured_turn, its
 * count divided by that is what the server's engine takes for one, the user's calls included:
 * engine.sh does it. Warming up is not counted.
 *
 * --threads N measures requests a second instead, of one pair and then of N pairs, each on a thread
 * and a processor of its own: they share nothing, so there should be N times as many.
 */
#include <netinet/in.h>
#include <linux/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include <rte_eal.h>
#include <rte_launch.h>
#include <rte_lcore.h>

#include "engine_pair.h"

#ifndef IP_LOCAL_PORT_RANGE
#define IP_LOCAL_PORT_RANGE 51
#endif

enum workload { RR, CRR, UP, DOWN, IDLE, WORKLOADS };

enum {
	PORT = 80,
	PORT_FIRST = 32768, /* of the clients */
	BUF_BYTES = 65536,
	CHUNK_BYTES = 16384, /* that a sender without end writes at a time */
	IDLE_IN_USE = 32,
	PAIRS_MAX = 16,
	ROUNDS_MAX = 100,
};

static const char *const workload_names[WORKLOADS] = {"rr", "crr", "up", "down", "idle"};

static struct {
	enum workload workload;
	uint32_t connections, size, pipeline, ports, requests, warm_up, burst, step_us, threads,
		rounds, seconds, mtu, checksums;
} options = {
	.connections = 32,
	.size = 64,
	.pipeline = 1,
	.ports = 4096,
	.requests = 20000,
	.warm_up = 20000,
	.burst = 64,
	.step_us = 20,
	.rounds = 5,
	.seconds = 1,
	.mtu = 1500,
};

/* A connection, at either end. */
struct end {
	struct tcp_conn *c;
	uint32_t got; /* bytes of a request or an answer that is not whole yet */
	bool opened;
	bool listens;
};

struct run {
	struct engine_pair pair; /* first: a side's pair is its run */
	struct end listener;
	struct end *clients, *servers; /* each as many as connections */
	struct end *free_servers[1 << 17];
	uint32_t n_free_servers;
	uint32_t n_open;
	uint32_t next_idle;
	uint64_t done; /* requests, or bytes of a stream */
	double per_second;
} __attribute__((aligned(64)));

static struct run *runs[PAIRS_MAX];
static uint8_t payload[BUF_BYTES];

static struct run *
run_of(struct pair_side *side)
{
	return (struct run *)side->pair;
}

static void
open_client(struct run *r, struct end *end)
{
	const struct tcp_endpoint to = {r->pair.server.ip, PORT};
	uint32_t range = PORT_FIRST | (PORT_FIRST + options.ports - 1) << 16;
	int on = 1;

	*end = (struct end){0};
	if (tcp_open(r->pair.client.engine, AF_INET, &end->c) < 0)
		engine_pair_die("no socket");
	tcp_set_user(end->c, end);
	tcp_setsockopt(end->c, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (options.workload == CRR)
		tcp_setsockopt(end->c, IPPROTO_IP, IP_LOCAL_PORT_RANGE, &range, sizeof(range));
	if (tcp_connect(end->c, &to) != -EINPROGRESS)
		engine_pair_die("no connection");
}

static void
send_whole(struct end *end, uint32_t bytes)
{
	if (tcp_send(end->c, payload, bytes, 0) != (ssize_t)bytes)
		engine_pair_die("a send did not take all");
}

/* Without end, as long as there is room. */
static void
send_on(struct end *end)
{
	while (tcp_send(end->c, payload, CHUNK_BYTES, 0) == CHUNK_BYTES)
		;
	tcp_want_room(end->c);
}

/* Reads what is there; returns how many messages that completes, or -1 at the end. */
static int
read_messages(struct end *end)
{
	uint8_t buf[BUF_BYTES];
	int messages = 0;
	ssize_t n;

	while ((n = tcp_recv(end->c, buf, sizeof(buf), 0)) > 0) {
		end->got += (uint32_t)n;
		while (end->got >= options.size) {
			end->got -= options.size;
			messages++;
		}
		if (n < (ssize_t)sizeof(buf))
			return messages;
	}
	return messages == 0 && n == 0 ? -1 : messages;
}

static void
close_end(struct end *end)
{
	tcp_close(end->c);
	end->c = NULL;
}

static void server_hears(struct run *r, struct end *end);

static void
accept_all(struct run *r)
{
	struct tcp_conn *c;

	while (tcp_accept(r->listener.c, &c) == 0) {
		struct end *end = r->free_servers[--r->n_free_servers];

		*end = (struct end){.c = c, .opened = true};
		tcp_set_user(c, end);
		server_hears(r, end); /* what came before it was accepted is not told again */
	}
}

static void
server_hears(struct run *r, struct end *end)
{
	int n;

	if (end->listens) {
		accept_all(r);
		return;
	}
	if (options.workload == UP) {
		r->done += tcp_consume(end->c, tcp_readable(end->c));
		return;
	}
	if (options.workload == DOWN) {
		send_on(end);
		return;
	}
	n = read_messages(end);
	for (int i = 0; i < n; i++)
		send_whole(end, options.size);
	if (n > 0 && options.workload == CRR) {
		close_end(end);
		r->free_servers[r->n_free_servers++] = end;
	}
}

static void
client_opened(struct run *r, struct end *end)
{
	end->opened = true;
	r->n_open++;
	if (options.workload == UP)
		send_on(end);
	for (uint32_t i = 0;
	     (options.workload == RR || options.workload == CRR) && i < options.pipeline; i++)
		send_whole(end, options.size);
}

static void
client_hears(struct run *r, struct end *end)
{
	int n;

	if (!end->opened) {
		if (tcp_state(end->c) != TCP_ESTABLISHED)
			engine_pair_die("a connection was refused");
		client_opened(r, end);
		return;
	}
	if (options.workload == UP) {
		send_on(end);
		return;
	}
	if (options.workload == DOWN) {
		r->done += tcp_consume(end->c, tcp_readable(end->c));
		return;
	}
	n = read_messages(end);
	if (options.workload == CRR) {
		if (n > 0)
			r->done += (uint64_t)n;
		if (n < 0 || (tcp_poll(end->c) & POLLRDHUP)) {
			close_end(end);
			open_client(r, end);
		}
		return;
	}
	for (int i = 0; i < n; i++) {
		r->done++;
		if (options.workload == IDLE) {
			end = &r->clients[r->next_idle % options.connections];
			r->next_idle++;
		}
		send_whole(end, options.size);
	}
}

static void
notify(void *ctx, struct tcp_conn *c, void *user)
{
	struct pair_side *side = ctx;

	(void)c;
	if (user == NULL)
		return; /* not accepted yet */
	if (side == &side->pair->server)
		server_hears(run_of(side), user);
	else
		client_hears(run_of(side), user);
}

/* What callgrind counts. */
void measured_turn(struct pair_side *server);

__attribute__((noinline)) void
measured_turn(struct pair_side *server)
{
	engine_pair_turn(server);
}

static void
iteration(struct run *r, bool measured)
{
	struct engine_pair *p = &r->pair;

	engine_pair_turn(&p->client);
	engine_pair_carry(&p->client);
	p->now_us += options.step_us;
	if (measured)
		measured_turn(&p->server);
	else
		engine_pair_turn(&p->server);
	engine_pair_carry(&p->server);
	p->now_us += options.step_us;
}

static struct run *
start_run(unsigned int number)
{
	const struct pair_config config = {
		.number = number,
		.connections = options.connections,
		.step_us = options.step_us,
		.burst = options.burst,
		.mtu = (uint16_t)options.mtu,
		.checksums = options.checksums != 0,
		.notify = notify,
	};
	struct run *r = aligned_alloc(64, sizeof(*r));
	struct tcp_endpoint local;
	int on = 1;

	if (r == NULL)
		engine_pair_die("no memory");
	memset(r, 0, sizeof(*r));
	engine_pair_start(&r->pair, &config);
	r->clients = calloc(options.connections, sizeof(*r->clients));
	r->servers = calloc(options.connections * 2, sizeof(*r->servers));
	if (r->clients == NULL || r->servers == NULL)
		engine_pair_die("no memory");
	for (uint32_t i = 0; i < options.connections * 2; i++)
		r->free_servers[r->n_free_servers++] = &r->servers[i];
	local = (struct tcp_endpoint){r->pair.server.ip, PORT};
	r->listener.listens = true;
	if (tcp_open(r->pair.server.engine, AF_INET, &r->listener.c) < 0 ||
	    tcp_bind(r->listener.c, &local) < 0 || tcp_listen(r->listener.c, 65535) < 0)
		engine_pair_die("no listener");
	tcp_set_user(r->listener.c, &r->listener);
	tcp_setsockopt(r->listener.c, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	for (uint32_t i = 0; i < options.connections; i++) {
		open_client(r, &r->clients[i]);
		if (i % 256 == 255)
			iteration(r, false);
	}
	while (r->n_open < options.connections)
		iteration(r, false);
	if (options.workload == IDLE)
		for (; r->next_idle < IDLE_IN_USE; r->next_idle++)
			send_whole(&r->clients[r->next_idle], options.size);
	return r;
}

/* How many of them make a request: of a stream, a full segment. */
static uint32_t
unit(void)
{
	return options.workload == UP || options.workload == DOWN ? options.mtu - 52u : 1;
}

static void
run_until(struct run *r, uint64_t done, bool measured)
{
	while (r->done < done)
		iteration(r, measured);
}

static void
measure_turns(void)
{
	struct run *r = start_run(0);
	uint64_t warm;

	run_until(r, (uint64_t)options.warm_up * unit(), false);
	warm = r->done;
	run_until(r, warm + (uint64_t)options.requests * unit(), true);
	printf("%lu requests\n", (unsigned long)((r->done - warm) / unit()));
}

static double
seconds(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* One pair, for a round. */
static int
run_round(void *arg)
{
	struct run *r = runs[(uintptr_t)arg == 1 ? 0 : rte_lcore_index(-1)];
	double start = seconds(CLOCK_MONOTONIC), now;
	uint64_t before = r->done;

	do {
		for (unsigned int i = 0; i < 200; i++)
			iteration(r, false);
		now = seconds(CLOCK_MONOTONIC);
	} while (now - start < options.seconds);
	r->per_second = (double)(r->done - before) / unit() / (now - start);
	return 0;
}

static int
start_on_lcore(void *arg)
{
	unsigned int i = (unsigned int)rte_lcore_index(-1);

	(void)arg;
	runs[i] = start_run(i);
	run_until(runs[i], (uint64_t)options.warm_up * unit(), false);
	return 0;
}

static int
by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* Processor time that the machine's host took, of all there was. */
static double
steal(double *all)
{
	double v[8] = {0};
	FILE *f = fopen("/proc/stat", "r");

	if (f == NULL || fscanf(f, "cpu %lf %lf %lf %lf %lf %lf %lf %lf", &v[0], &v[1], &v[2],
				&v[3], &v[4], &v[5], &v[6], &v[7]) != 8)
		engine_pair_die("/proc/stat");
	fclose(f);
	*all = v[0] + v[1] + v[2] + v[3] + v[4] + v[5] + v[6] + v[7];
	return v[7];
}

static double
median(double *v, unsigned int n)
{
	qsort(v, n, sizeof(*v), by_size);
	return v[n / 2];
}

static void
measure_threads(void)
{
	double one[ROUNDS_MAX], many[ROUNDS_MAX], all, all_before, stolen, stolen_before;
	double m1, mn;

	rte_eal_mp_remote_launch(start_on_lcore, NULL, CALL_MAIN);
	rte_eal_mp_wait_lcore();
	stolen_before = steal(&all_before);
	for (unsigned int i = 0; i < options.rounds; i++) {
		run_round((void *)1);
		one[i] = runs[0]->per_second;
		rte_eal_mp_remote_launch(run_round, NULL, CALL_MAIN);
		rte_eal_mp_wait_lcore();
		many[i] = 0;
		for (unsigned int t = 0; t < options.threads; t++)
			many[i] += runs[t]->per_second;
	}
	stolen = steal(&all) - stolen_before;
	m1 = median(one, options.rounds);
	mn = median(many, options.rounds);
	printf("one pair:  %.0f requests/s (%.0f to %.0f)\n", m1, one[0], one[options.rounds - 1]);
	printf("%u pairs:   %.0f requests/s (%.0f to %.0f)\n", options.threads, mn, many[0],
	       many[options.rounds - 1]);
	printf("ratio:     %.2f   steal: %.1f %%\n", mn / m1, 100 * stolen / (all - all_before));
}

static void
start_eal(void)
{
	char lcores[128] = "0@0", memory[16];
	char *eal[] = {"engine",
		       "--no-huge",
		       "--no-shconf",
		       "--no-pci",
		       "--no-telemetry",
		       "--log-level=lib.eal:error",
		       "-m",
		       memory,
		       "--lcores",
		       lcores,
		       NULL};

	snprintf(memory, sizeof(memory), "%u", 1024 + 512 * options.threads);
	for (unsigned int i = 1; i < options.threads; i++)
		snprintf(lcores + strlen(lcores), sizeof(lcores) - strlen(lcores), ",%u@%u", i, i);
	if (rte_eal_init((int)RTE_DIM(eal) - 1, eal) < 0)
		engine_pair_die("EAL does not start");
}

static void
usage(void)
{
	fprintf(stderr, "usage: engine rr|crr|up|down|idle [--connections N] [--size BYTES] "
			"[--pipeline N] [--ports N] [--requests N] [--warm-up N] [--burst N] "
			"[--step-us US] [--mtu BYTES] [--checksums 1] [--threads N [--rounds N] "
			"[--seconds S]]\n");
	exit(2);
}

static bool
options_are_good(void)
{
	return options.workload < WORKLOADS && options.size > 0 && options.size <= BUF_BYTES &&
	       options.connections > 0 && options.connections <= 28000 && options.ports > 0 &&
	       options.ports <= 28000 && options.burst > 0 && options.mtu >= 576 &&
	       options.mtu <= 9000 && options.threads <= PAIRS_MAX && options.rounds > 0 &&
	       options.rounds <= ROUNDS_MAX && options.seconds > 0 &&
	       (options.workload != IDLE || options.connections >= IDLE_IN_USE);
}

static void
read_options(int argc, char **argv)
{
	static const struct {
		const char *name;
		uint32_t *value;
	} known[] = {
		{"--connections", &options.connections},
		{"--size", &options.size},
		{"--pipeline", &options.pipeline},
		{"--ports", &options.ports},
		{"--requests", &options.requests},
		{"--warm-up", &options.warm_up},
		{"--burst", &options.burst},
		{"--step-us", &options.step_us},
		{"--mtu", &options.mtu},
		{"--checksums", &options.checksums},
		{"--threads", &options.threads},
		{"--rounds", &options.rounds},
		{"--seconds", &options.seconds},
	};
	unsigned int o;

	if (argc < 2 || argc % 2 != 0)
		usage();
	while (options.workload < WORKLOADS &&
	       strcmp(argv[1], workload_names[options.workload]) != 0)
		options.workload++;
	for (int i = 2; i < argc; i += 2) {
		for (o = 0; o < RTE_DIM(known) && strcmp(argv[i], known[o].name) != 0; o++)
			;
		if (o == RTE_DIM(known))
			usage();
		*known[o].value = (uint32_t)strtoul(argv[i + 1], NULL, 10);
	}
	if (!options_are_good())
		usage();
}

int
main(int argc, char **argv)
{
	read_options(argc, argv);
	start_eal();
	if (options.threads > 0)
		measure_threads();
	else
		measure_turns();
	return 0;
}
