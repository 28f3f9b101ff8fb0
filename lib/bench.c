/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tern bench: has a ternd generate load, waits, and shows what it measured.
 *
 * The generator is in ternd's lanes ([service bench]); here are only its orders. It is the ternd
 * that runs already, or, with -c, one that is started for this alone.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bench.h"
#include "client.h"

enum {
	LOOK_MS = 100,
	ECHO_PORT = 7,
	BENCH_PORT = 7700, /* where a [service bench] listens, unless it is said otherwise */
	/* As ternd has them. */
	SIZE_MAX_BYTES = 1 << 30,
	CONNECTIONS_MAX = 16 << 20,
	PIPELINE_MAX = 1024,
	PORTS_MAX = 65535,
	MTU_MIN = 576,
	MTU_MAX = 9600,
	FLOWS_MAX = 1 << 24,
	RATE_MAX = 100000000,
	REQUEST_BYTES = 64,
};

enum {
	OPTION_ANSWER = 256,
	OPTION_PORTS,
	OPTION_CLOSE,
	OPTION_DIRECTION,
	OPTION_SECONDS,
	OPTION_WARMUP,
	OPTION_OVER,
	OPTION_LANES,
	OPTION_MTU,
	OPTION_SEGMENTS,
	OPTION_FLOWS,
	OPTION_RATE,
	OPTION_FROM,
};

static const struct argp_option argp_options[] = {
	{"config", 'c', "FILE", 0,
	 "Start a ternd with this configuration, and end it afterwards; by default the one that "
	 "runs is used, which needs a section [service bench]",
	 0},
	{"connections", 'n', "N", 0,
	 "Open at a time (rr, crr, fastopen: 32; stream: 1; idle: 1000)", 0},
	{"pipeline", 'p', "N", 0, "rr: requests under way on each connection (1)", 0},
	{"size", 'z', "BYTES", 0, "Of a request, or of a flood's data in each segment (64)", 0},
	{"answer", OPTION_ANSWER, "BYTES", 0, "Of its answer (as the request: an echo)", 0},
	{"greet", 'g', NULL, 0,
	 "The server is a [service bench]: tell it the sizes. Without, it must answer as an echo, "
	 "or "
	 "with --answer bytes; take what comes (stream up) or send without end (down)",
	 0},
	{"ports", OPTION_PORTS, "N", 0, "Connect to this many ports of the server, in turn (1)", 0},
	{"close", OPTION_CLOSE, "SIDE", 0,
	 "crr, fastopen: who closes first and keeps TIME-WAIT, client or server (server with "
	 "--greet)",
	 0},
	{"direction", OPTION_DIRECTION, "WAY", 0, "stream: up, down or both (up)", 0},
	{"seconds", OPTION_SECONDS, "S", 0, "To measure (10)", 0},
	{"warmup", OPTION_WARMUP, "S", 0, "Before that, with all connections open (1; flood: 0)",
	 0},
	{"segments", OPTION_SEGMENTS, "KIND", 0,
	 "flood: syn (the default), or ack or data as of connections that nobody has", 0},
	{"flows", OPTION_FLOWS, "N", 0,
	 "flood: each segment is the next one's (16384); each source address has ports for 31744",
	 0},
	{"rate", OPTION_RATE, "N", 0, "flood: segments a second (as many as can be)", 0},
	{"from", OPTION_FROM, "PREFIX", 0,
	 "flood: source addresses from this prefix instead of ternd's own. Answers go there: have "
	 "only networks of your own here",
	 0},
	{"over", OPTION_OVER, "DEVICE", 0,
	 "local: memif (the default), virtio (virtio-user, and vhost at the other end), or ring",
	 0},
	{"lanes", OPTION_LANES, "N", 0, "local: pairs of a generating and a serving lane (1)", 0},
	{"mtu", OPTION_MTU, "BYTES", 0, "local: of the device (its own)", 0},
	{0},
};

static long long
number(struct argp_state *state, const char *text, const char *what, int least, int most)
{
	char *end;
	long long n = strtoll(text, &end, 10);

	if (end == text || *end != '\0' || n < least || n > most)
		argp_error(state, "--%s %s: a number from %d to %d is needed", what, text, least,
			   most);
	return n;
}

static double
seconds(struct argp_state *state, const char *text, const char *what, double least)
{
	char *end;
	double s = strtod(text, &end);

	if (end == text || *end != '\0' || !(s >= least && s <= 86400))
		argp_error(state, "--%s %s: seconds, from %g to 86400, are needed", what, text,
			   least);
	return s;
}

static const char *
choice(struct argp_state *state, const char *text, const char *what, const char *const *choices)
{
	for (size_t i = 0; choices[i] != NULL; i++)
		if (strcmp(text, choices[i]) == 0)
			return text;
	argp_error(state, "%s: unknown %s; see --help", text, what);
	return NULL;
}

static error_t
take_argument(struct bench_options *options, char *arg, struct argp_state *state)
{
	static const char *const workloads[] = {"rr",       "crr",   "stream", "idle",
						"fastopen", "flood", NULL};

	if (options->workload == NULL && !options->local && strcmp(arg, "local") == 0)
		options->local = true;
	else if (options->workload == NULL)
		options->workload = choice(state, arg, "workload", workloads);
	else if (options->target == NULL && !options->local)
		options->target = arg;
	else
		argp_error(state, "\"%s\" is too much", arg);
	return 0;
}

static bool
has_port(const char *target)
{
	struct in6_addr in6;

	if (target[0] == '[')
		return strstr(target, "]:") != NULL;
	return strchr(target, ':') != NULL && inet_pton(AF_INET6, target, &in6) != 1;
}

/* With all arguments read. */
static void
check(struct bench_options *options, struct argp_state *state)
{
	bool flood = options->workload != NULL && strcmp(options->workload, "flood") == 0;
	bool data = options->segments != NULL && strcmp(options->segments, "data") == 0;

	if (options->workload == NULL)
		argp_error(state, "no workload given; there are rr, crr, stream, idle, fastopen "
				  "and flood");
	else if (options->target == NULL && !options->local)
		argp_error(state, "no server given: ADDRESS or ADDRESS:PORT");
	else if (options->local && options->ports > BENCH_LOCAL_PORTS)
		argp_error(state, "--ports: local has %d at most", BENCH_LOCAL_PORTS);
	else if (options->local && options->config != NULL)
		argp_error(state, "--config: local makes its own; leave it out");
	else if (!options->local &&
		 (options->over != NULL || options->lanes != 0 || options->mtu != 0))
		argp_error(state, "--over, --lanes and --mtu are of `tern bench local`");
	else if (!flood && (options->segments != NULL || options->from != NULL ||
			    options->flows != 0 || options->rate != 0))
		argp_error(state, "--segments, --flows, --rate and --from are of flood");
	else if (flood && !options->local && !has_port(options->target))
		argp_error(state, "a flood needs the port, too: ADDRESS:PORT");
	else if (flood && options->connections != 0)
		argp_error(state, "a flood has no connections; say --flows");
	else if (flood && !data && options->size != 0)
		argp_error(state, "--size is of --segments data: others carry none");
	options->greet |= options->local;
	if (options->lanes == 0)
		options->lanes = 1;
	if (options->size == 0)
		options->size = REQUEST_BYTES;
	if (options->warmup < 0)
		options->warmup = flood ? 0 : 1;
}

/* What is a flood's alone. */
static error_t
parse_flood(int key, char *arg, struct argp_state *state)
{
	static const char *const kinds[] = {"syn", "ack", "data", NULL};
	struct bench_options *options = state->input;

	switch (key) {
	case OPTION_SEGMENTS:
		options->segments = choice(state, arg, "kind of segments", kinds);
		return 0;
	case OPTION_FLOWS:
		options->flows = number(state, arg, "flows", 1, FLOWS_MAX);
		return 0;
	case OPTION_RATE:
		options->rate = number(state, arg, "rate", 1, RATE_MAX);
		return 0;
	case OPTION_FROM:
		options->from = arg;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static error_t
parse(int key, char *arg, struct argp_state *state)
{
	static const char *const sides[] = {"client", "server", NULL};
	static const char *const ways[] = {"up", "down", "both", NULL};
	static const char *const devices[] = {"memif", "virtio", "ring", NULL};
	struct bench_options *options = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &options->common;
		return 0;
	case 'c':
		options->config = arg;
		return 0;
	case 'n':
		options->connections = number(state, arg, "connections", 1, CONNECTIONS_MAX);
		return 0;
	case 'p':
		options->pipeline = number(state, arg, "pipeline", 1, PIPELINE_MAX);
		return 0;
	case 'z':
		options->size = number(state, arg, "size", 1, SIZE_MAX_BYTES);
		return 0;
	case 'g':
		options->greet = true;
		return 0;
	case OPTION_ANSWER:
		options->answer = number(state, arg, "answer", 1, SIZE_MAX_BYTES);
		return 0;
	case OPTION_PORTS:
		options->ports = number(state, arg, "ports", 1, PORTS_MAX);
		return 0;
	case OPTION_CLOSE:
		options->close = choice(state, arg, "side", sides);
		return 0;
	case OPTION_DIRECTION:
		options->direction = choice(state, arg, "direction", ways);
		return 0;
	case OPTION_SECONDS:
		options->seconds = seconds(state, arg, "seconds", 0.001);
		return 0;
	case OPTION_OVER:
		options->over = choice(state, arg, "device", devices);
		return 0;
	case OPTION_LANES:
		options->lanes = number(state, arg, "lanes", 1, BENCH_LOCAL_PAIRS);
		return 0;
	case OPTION_MTU:
		options->mtu = number(state, arg, "mtu", MTU_MIN, MTU_MAX);
		return 0;
	case OPTION_WARMUP:
		options->warmup = seconds(state, arg, "warmup", 0);
		return 0;
	case ARGP_KEY_ARG:
		return take_argument(options, arg, state);
	case ARGP_KEY_END:
		check(options, state);
		if (options->over == NULL)
			options->over = devices[0];
		return 0;
	default:
		return parse_flood(key, arg, state);
	}
}

/* ---- What is asked of ternd */

/* ADDRESS, ADDRESS:PORT, [ADDRESS6]:PORT: with a port. */
static json_t *
endpoint(const struct bench_options *options, const char *text)
{
	int port = options->greet ? BENCH_PORT : ECHO_PORT;

	if (has_port(text))
		return json_string(text);
	return json_sprintf(strchr(text, ':') != NULL && text[0] != '[' ? "[%s]:%d" : "%s:%d", text,
			    port);
}

/* One server, or that of each pair. */
static json_t *
targets(const struct bench_options *options)
{
	json_t *list = json_array();
	char text[64];

	if (!options->local)
		json_array_append_new(list, endpoint(options, options->target));
	for (unsigned int i = 0; options->local && i < options->lanes; i++) {
		bench_ternd_target(i, text, sizeof(text));
		json_array_append_new(list, json_string(text));
	}
	return list;
}

static json_t *
generating_lanes(const struct bench_options *options)
{
	json_t *list = json_array();

	for (long long i = 0; i < options->lanes; i++)
		json_array_append_new(list, json_integer(2 * i));
	return list;
}

static bool
is(const struct bench_options *options, const char *workload)
{
	return strcmp(options->workload, workload) == 0;
}

static long long
connections_of(const struct bench_options *options)
{
	if (options->connections > 0)
		return options->connections;
	if (is(options, "stream"))
		return 1;
	return is(options, "idle") ? 1000 : 32;
}

static void
add_flood(const struct bench_options *options, json_t *json)
{
	json_object_set_new(json, "segments",
			    json_string(options->segments != NULL ? options->segments : "syn"));
	json_object_set_new(json, "rate", json_integer(options->rate));
	if (options->flows > 0)
		json_object_set_new(json, "flows", json_integer(options->flows));
	if (options->from != NULL)
		json_object_set_new(json, "from", json_string(options->from));
}

static json_t *
order(const struct bench_options *options)
{
	const char *way = options->direction != NULL ? options->direction : "up";
	bool server_closes =
		options->close != NULL ? strcmp(options->close, "server") == 0 : options->greet;
	json_t *json =
		json_pack("{s:s,s:s,s:o,s:I,s:I,s:I}", "command", "bench-start", "workload",
			  options->workload, "targets", targets(options), "connections",
			  (json_int_t)connections_of(options), "pipeline",
			  (json_int_t)options->pipeline, "request", (json_int_t)options->size);

	json_object_update_new(json,
			       json_pack("{s:I,s:I,s:I,s:b,s:b,s:b,s:b}", "ports",
					 (json_int_t)options->ports, "warmup_ms",
					 (json_int_t)(options->warmup * 1000), "measure_ms",
					 (json_int_t)(options->seconds * 1000), "greet",
					 options->greet, "server_closes", server_closes, "up",
					 strcmp(way, "down") != 0, "down", strcmp(way, "up") != 0));
	if (options->local)
		json_object_set_new(json, "lanes", generating_lanes(options));
	if (options->answer > 0)
		json_object_set_new(json, "answer", json_integer(options->answer));
	if (is(options, "flood"))
		add_flood(options, json);
	return json;
}

/* Waits for the end. Returns the result, or NULL after telling why there is none. */
static json_t *
wait_for_end(const char *path)
{
	const struct timespec look = {.tv_nsec = LOOK_MS * 1000000L};
	const char *phase;
	json_t *result;

	for (;;) {
		nanosleep(&look, NULL);
		result = client_ask(path, json_pack("{s:s}", "command", "bench"));
		phase = result == NULL ? "done" : client_text(result, "phase", "done");
		if (strcmp(phase, "done") == 0)
			return result;
		json_decref(result);
	}
}

static void
tell_failure(const struct bench_options *options, const json_t *result)
{
	const char *why = client_text(result, "failure", "?");

	fprintf(stderr, "tern: bench: %s: %s", options->local ? "local" : options->target, why);
	if (client_number(result, "most_open") > 0)
		fprintf(stderr, " (%lld of %lld connections were open)",
			client_number(result, "most_open"), connections_of(options));
	fputc('\n', stderr);
}

/* Who never answers has broken nothing, but then there is nothing to show. */
static void
want_answers(const struct bench_options *options, json_t *result)
{
	bool asks = !is(options, "stream") && !is(options, "idle") && !is(options, "flood");

	if (asks && json_object_get(result, "failure") == NULL &&
	    client_number(result, "requests") == 0)
		json_object_set_new(result, "failure",
				    json_string("no request was answered while it was measured"));
}

static void
add_counters(json_t *sum, json_t *counters)
{
	const char *name;
	json_t *value;

	json_object_foreach(counters, name, value)
	{
		json_int_t n = json_integer_value(value);

		if (n > 0)
			json_object_set_new(sum, name, json_integer(n + client_number(sum, name)));
	}
}

/* What TCP of the lanes that serve has counted, since ternd began. */
static json_t *
victim(const char *path)
{
	json_t *answer = client_ask(path, json_pack("{s:s}", "command", "stats"));
	json_t *sum = json_object(), *lane;
	size_t i;

	json_array_foreach(json_object_get(answer, "lanes"), i, lane)
	{
		if (i % 2 == 1) /* the others generate */
			add_counters(sum, json_object_get(lane, "tcp"));
	}
	json_decref(answer);
	return sum;
}

static int
run(const struct bench_options *options, const char *path)
{
	json_t *result = client_ask(path, order(options));

	if (result == NULL)
		return 1;
	json_decref(result);
	result = wait_for_end(path);
	if (result == NULL)
		return 1;
	json_decref(client_ask(path, json_pack("{s:s}", "command", "bench-end")));
	want_answers(options, result);
	if (json_object_get(result, "failure") != NULL) {
		tell_failure(options, result);
		json_decref(result);
		return 1;
	}
	json_object_set_new(result, "workload", json_string(options->workload));
	if (options->local && is(options, "flood"))
		json_object_set_new(result, "victim", victim(path));
	if (options->common.json)
		client_print(result);
	else
		bench_show(options, result);
	json_decref(result);
	return 0;
}

static int
run_on_own(const struct bench_options *options)
{
	struct bench_ternd ternd = {0};
	const struct bench_local local = {
		.over = options->over,
		.pairs = (unsigned int)options->lanes,
		.ports = (unsigned int)options->ports,
		.connections = (unsigned long long)(connections_of(options) / options->lanes),
		.mtu = (unsigned int)options->mtu,
		.idle = is(options, "idle"),
		.fastopen = is(options, "fastopen"),
		.gateways = options->from != NULL,
	};
	int made = options->local ? bench_ternd_local(&ternd, &local)
				  : bench_ternd_copy(&ternd, options->config);
	int status = 1;

	if (made == 0 && bench_ternd_start(&ternd) == 0)
		status = run(options, ternd.socket);
	bench_ternd_stop(&ternd);
	return status;
}

int
command_bench(int argc, char **argv, const char *socket)
{
	static const struct argp_child children[] = {{&common_argp, 0, NULL, 0}, {0}};
	static const struct argp argp = {
		.options = argp_options,
		.parser = parse,
		.args_doc = "WORKLOAD ADDRESS[:PORT]\nlocal WORKLOAD",
		.doc = "Generates load on a server, from inside ternd's lanes, and measures.\v"
		       "Workloads:\n"
		       "  rr        requests and answers, on connections that stay\n"
		       "  crr       a connection for each request\n"
		       "  stream    bytes without end\n"
		       "  idle      opens connections and holds them\n"
		       "  fastopen  as crr, with the request in the SYN: TCP Fast Open, which the "
		       "server must have on\n"
		       "  flood     segments of many flows without connections, to see what the "
		       "server makes of them\n"
		       "\n"
		       "`local` starts a ternd with lanes that generate load and lanes that serve, "
		       "and a device between each two.\n\n"
		       "The server may be any that answers so: an echo, for one. Without PORT it "
		       "is "
		       "port 7, or 7700 with --greet; a flood needs it said.",
		.children = children,
	};
	struct bench_options options = {
		.common.socket = socket,
		.seconds = 10,
		.warmup = -1,
		.pipeline = 1,
		.ports = 1,
	};
	char path[SOCKET_PATH_BYTES];

	argp_parse(&argp, argc, argv, 0, NULL, &options);
	if (options.local || options.config != NULL)
		return run_on_own(&options);
	if (common_socket(&options.common, path) < 0)
		return 1;
	return run(&options, path);
}
