/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A client and a server to compare stacks with, each one thread that waits in epoll. It makes
 * ordinary socket calls: it runs on Linux, and on Tern under `tern run`.
 *
 *     load serve ADDRESS             echo (port 7), discard (9), chargen (19), and of HTTP (80) the
 *                                    objects /bytes/N: the services that ternd has
 *     load rr HOST [OPTION…]         messages to the echo and back, each byte checked
 *     load udp HOST [OPTION…]        the same in datagrams, to whoever returns them: dpdk-testpmd
 *     load get HOST [OPTION…]        objects /bytes/N of port 80
 *     load down|up HOST [OPTION…]    endless streams, from chargen and to discard
 *
 *     --size N           bytes of a message or an object (64)
 *     --connections N    side by side (1)
 *     --seconds S        to measure for (5), after --warm-up S (0.5)
 *     --rate R           requests a second, at random times, whether or not the answers keep up;
 *                        latency counts from when a request was due. Otherwise each connection
 *                        sends the next request when it has the answer
 *     --close            a connection for each request: of rr closed by the client, of get by the
 *                        server
 *     --spin             looks for answers without ever sleeping
 *
 * Prints one line of JSON. A wrong byte, an error, or 5 seconds without an answer end it with
 * status 1. It leaves out TLS, IPv6, and several threads.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>

#include "load.h"

static const char *const names[] = {"rr", "udp", "get", "down", "up"};
static const in_port_t ports[] = {
	LOAD_ECHO_PORT, LOAD_ECHO_PORT, LOAD_HTTP_PORT, LOAD_CHARGEN_PORT, LOAD_DISCARD_PORT,
};

void
load_fail(const char *what)
{
	fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
	exit(1);
}

void
load_wrong(const char *what)
{
	fprintf(stderr, "load: %s\n", what);
	exit(1);
}

int
load_epoll(void)
{
	int epoll = epoll_create1(EPOLL_CLOEXEC);

	if (epoll < 0)
		load_fail("epoll_create1");
	return epoll;
}

void
load_watch(int epoll, int fd, uint32_t events, void *what)
{
	struct epoll_event event = {.events = events, .data.ptr = what};

	if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) < 0)
		load_fail("epoll_ctl");
}

void
load_set(int fd, int level, int name, int value)
{
	if (setsockopt(fd, level, name, &value, sizeof(value)) < 0)
		load_fail("setsockopt");
}

int
load_socket(const struct load_options *options)
{
	bool udp = options->what == LOAD_UDP;
	int fd = socket(AF_INET, (udp ? SOCK_DGRAM : SOCK_STREAM) | SOCK_NONBLOCK, 0);

	if (fd < 0)
		load_fail("socket");
	if (!udp)
		load_set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
	if (connect(fd, (const struct sockaddr *)&options->to, sizeof(options->to)) < 0 &&
	    errno != EINPROGRESS)
		load_fail("connect");
	return fd;
}

/* ---- Latencies */

static unsigned int
bucket_of(uint64_t ns)
{
	unsigned int shift;

	if (ns < 2u << HIST_SUB_SHIFT)
		return (unsigned int)ns;
	shift = 63u - (unsigned int)__builtin_clzll(ns) - HIST_SUB_SHIFT;
	return (shift << HIST_SUB_SHIFT) + (unsigned int)(ns >> shift);
}

void
load_hist_add(struct load_hist *hist, int64_t ns)
{
	unsigned int bucket = bucket_of(ns < 0 ? 0 : (uint64_t)ns);

	hist->count[bucket < HIST_BUCKETS ? bucket : HIST_BUCKETS - 1]++;
	if (hist->n++ == 0 || ns < hist->min_ns)
		hist->min_ns = ns;
	if (ns > hist->max_ns)
		hist->max_ns = ns;
}

double
load_hist_us(const struct load_hist *hist, double share)
{
	uint64_t below = 0;
	int64_t end_ns;
	unsigned int i = 0, shift;

	while (i < HIST_BUCKETS - 1 &&
	       (below += hist->count[i]) <= (uint64_t)(share * (double)hist->n))
		i++;
	if (i < 2u << HIST_SUB_SHIFT)
		return (double)i / 1e3;
	shift = (i >> HIST_SUB_SHIFT) - 1;
	end_ns = (int64_t)((((uint64_t)i - ((uint64_t)shift << HIST_SUB_SHIFT)) + 1) << shift);
	return (double)(end_ns < hist->max_ns ? end_ns : hist->max_ns) / 1e3;
}

/* ---- The command */

static _Noreturn void
usage(void)
{
	fprintf(stderr, "usage: load serve ADDRESS\n"
			"       load rr|udp|get|down|up HOST [--size N] [--connections N] "
			"[--seconds S]\n"
			"            [--warm-up S] [--rate R] [--close] [--spin]\n");
	exit(2);
}

static double
number(const char *text, double min, double max)
{
	char *end;
	double value = strtod(text, &end);

	if (end == text || *end != '\0' || !(value >= min && value <= max))
		usage();
	return value;
}

static void
parse(int argc, char **argv, struct load_options *options)
{
	static const struct option longs[] = {
		{"size", required_argument, NULL, 's'},
		{"connections", required_argument, NULL, 'c'},
		{"seconds", required_argument, NULL, 't'},
		{"warm-up", required_argument, NULL, 'w'},
		{"rate", required_argument, NULL, 'r'},
		{"close", no_argument, NULL, 'x'},
		{"spin", no_argument, NULL, 'p'},
		{NULL, 0, NULL, 0},
	};
	int option;

	while ((option = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		switch (option) {
		case 's':
			options->size = (size_t)number(optarg, 1, 1e9);
			break;
		case 'c':
			options->connections = (unsigned int)number(optarg, 1, 1e6);
			break;
		case 't':
			options->seconds = number(optarg, 0.01, 1e6);
			break;
		case 'w':
			options->warm_up_s = number(optarg, 0, 1e6);
			break;
		case 'r':
			options->rate = number(optarg, 1, 1e9);
			break;
		case 'x':
			options->closing = true;
			break;
		case 'p':
			options->spin = true;
			break;
		default:
			usage();
		}
	}
}

static void
print(const struct load_options *options, const struct load_result *result)
{
	const struct load_hist *latency = &result->latency;

	printf("{\"what\": \"%s\", \"size\": %zu, \"connections\": %u, \"seconds\": %.3f, "
	       "\"gbit_s\": %.4f",
	       names[options->what], options->size, options->connections, result->seconds,
	       (double)result->bytes * 8e-9 / result->seconds);
	if (latency->n != 0)
		printf(", \"rate\": %.1f, \"min_us\": %.2f, \"p50_us\": %.2f, \"p99_us\": %.2f, "
		       "\"p999_us\": %.2f, "
		       "\"max_us\": %.2f, \"lost\": %llu",
		       (double)result->operations / result->seconds, (double)latency->min_ns / 1e3,
		       load_hist_us(latency, 0.5), load_hist_us(latency, 0.99),
		       load_hist_us(latency, 0.999), (double)latency->max_ns / 1e3,
		       (unsigned long long)result->lost);
	printf("}\n");
}

static void
raise_limit(void)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) < 0)
		load_fail("getrlimit");
	files.rlim_cur = files.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &files) < 0)
		load_fail("setrlimit");
}

int
main(int argc, char **argv)
{
	static struct load_result result;
	struct load_options options = {
		.connections = 1,
		.size = 64,
		.seconds = 5,
		.warm_up_s = 0.5,
		.to.sin_family = AF_INET,
	};
	unsigned int what = 0;

	raise_limit();
	if (argc == 3 && strcmp(argv[1], "serve") == 0)
		load_serve(argv[2]);
	while (argc >= 3 && what < 5 && strcmp(argv[1], names[what]) != 0)
		what++;
	if (argc < 3 || what == 5 || inet_pton(AF_INET, argv[2], &options.to.sin_addr) != 1)
		usage();
	options.what = (enum load_what)what;
	options.host = argv[2];
	options.to.sin_port = htons(ports[what]);
	parse(argc - 2, argv + 2, &options);
	if (options.what == LOAD_DOWN || options.what == LOAD_UP)
		load_streams(&options, &result);
	else
		load_requests(&options, &result);
	if (result.bytes == 0)
		load_wrong("nothing came in the time that was measured");
	print(&options, &result);
	return 0;
}
