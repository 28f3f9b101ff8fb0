/* SPDX-License-Identifier: BSD-3-Clause */
/* What `tern bench` prints of what ternd has measured. */
#include <stdio.h>
#include <string.h>

#include "bench.h"
#include "client.h"

static double
real(const json_t *object, const char *key)
{
	return json_number_value(json_object_get(object, key));
}

/* A rate with its unit, as people read it: 1.23 M. */
static void
print_rate(double n, const char *unit)
{
	if (n >= 1e6)
		printf("%.3f M %s", n / 1e6, unit);
	else if (n >= 1e4)
		printf("%.2f k %s", n / 1e3, unit);
	else
		printf("%.1f %s", n, unit);
}

static void
print_latency(const json_t *latency)
{
	printf("  latency:     ");
	for (const char *const *key =
		     (const char *const[]){"p50", "p90", "p99", "p99.9", "max", "mean", NULL};
	     *key != NULL; key++)
		printf("%s%s %.1f", key[0][0] == 'p' && strcmp(*key, "p50") == 0 ? "" : ", ", *key,
		       real(latency, *key));
	puts(" us");
}

static void
print_transactions(const json_t *result, const char *what)
{
	printf("  %-12s ", "rate:");
	print_rate(real(result, "requests_per_s"), what);
	printf(", %.2f Gbit/s out, %.2f Gbit/s in\n", real(result, "gbit_out_per_s"),
	       real(result, "gbit_in_per_s"));
	if (json_object_get(result, "latency_us") != NULL)
		print_latency(json_object_get(result, "latency_us"));
}

/* And of how many connections the server took what their SYNs brought. */
static void
print_fastopen(const json_t *result)
{
	long long taken = client_number(result, "syn_data");
	long long asked = client_number(result, "cookies_asked");
	long long rest = client_number(result, "connects") - taken - asked;

	print_transactions(result, "connections/s");
	printf("  fast open:   %lld connections had their data acknowledged with the SYN, "
	       "%lld only asked for a cookie",
	       taken, asked);
	if (rest > 0)
		printf(", %lld had neither", rest);
	putchar('\n');
}

/* What left, what came back to our own addresses, and what the other side counted, if that is
 * ours, too. */
static void
print_flood(const struct bench_options *options, const json_t *result)
{
	json_t *victim = json_object_get(result, "victim"), *value;
	const char *name;

	printf("  sent:        %lld segments, ", client_number(result, "segments"));
	print_rate(real(result, "segments_per_s"), "segments/s\n");
	if (options->from != NULL)
		puts("  came back:   not to this ternd, which counts answers to its own addresses");
	else
		printf("  came back:   %lld SYN-ACKs, %lld resets, %lld others\n",
		       client_number(result, "synacks"), client_number(result, "rsts"),
		       client_number(result, "others"));
	if (client_number(result, "frames_lost") > 0)
		printf("  lost:        %lld frames that the device did not take\n",
		       client_number(result, "frames_lost"));
	json_object_foreach(victim, name, value)
		printf("  at the server: %-26s %lld\n", name, json_integer_value(value));
}

static void
print_cost(const json_t *result)
{
	printf("  packets:     ");
	print_rate(real(result, "packets_per_s"), "packets/s");
	printf(", %.0f cycles each", real(result, "cycles_per_packet"));
	if (client_number(result, "requests") > 0)
		printf(", %.0f for each request", real(result, "cycles_per_request"));
	puts(" (of the generator's lanes, while they work)");
}

void
bench_show(const struct bench_options *options, const json_t *result)
{
	if (strcmp(options->workload, "flood") == 0)
		printf("flood: %s segments, %.2f s measured\n",
		       options->segments != NULL ? options->segments : "syn",
		       real(result, "seconds"));
	else
		printf("%s: %lld connection%s, %.2f s measured\n", options->workload,
		       client_number(result, "most_open"),
		       client_number(result, "most_open") == 1 ? "" : "s", real(result, "seconds"));
	if (strcmp(options->workload, "rr") == 0)
		print_transactions(result, "requests/s");
	else if (strcmp(options->workload, "crr") == 0)
		print_transactions(result, "connections/s");
	else if (strcmp(options->workload, "fastopen") == 0)
		print_fastopen(result);
	else if (strcmp(options->workload, "flood") == 0)
		print_flood(options, result);
	else if (strcmp(options->workload, "stream") == 0)
		printf("  rate:        %.2f Gbit/s up, %.2f Gbit/s down\n",
		       real(result, "gbit_out_per_s"), real(result, "gbit_in_per_s"));
	else
		printf("  opened in:   %.3f s\n", real(result, "open_seconds"));
	print_cost(result);
	if (client_number(result, "errors") > 0)
		printf("  errors:      %lld connections ended otherwise than they should\n",
		       client_number(result, "errors"));
	if (client_number(result, "no_port") > 0)
		printf("  no port:     %lld times all source ports were in use: give more "
		       "--ports, or --close server\n",
		       client_number(result, "no_port"));
}
