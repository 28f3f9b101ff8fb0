/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tern ss: connections in the form of `ss -tni` (iproute2), so that eyes and scripts used to it
 * find their way: State, Recv-Q, Send-Q, addresses, and with -i a second line of what TCP knows.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client.h"
#include "commands.h"

struct ss_options {
	struct common_options common;
	bool all;
	bool listening;
	bool info;
	bool header;
	size_t printed;
};

static error_t
parse(int key, char *arg, struct argp_state *state)
{
	struct ss_options *options = state->input;

	(void)arg;
	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &options->common;
		return 0;
	case 'a':
		options->all = true;
		return 0;
	case 'l':
		options->listening = true;
		return 0;
	case 'i':
		options->info = true;
		return 0;
	case 'H':
		options->header = false;
		return 0;
	case 't':
	case 'n':
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static bool
has_state(const json_t *c, const char *state)
{
	const char *s = json_string_value(json_object_get(c, "state"));

	return s != NULL && strcmp(s, state) == 0;
}

/* The states that ss shows without -a: connections, but not what waits to become or cease to be
 * one.
 */
static bool
is_wanted(const struct ss_options *options, const json_t *c)
{
	bool listens = has_state(c, "LISTEN");

	if (options->all)
		return true;
	if (options->listening)
		return listens;
	return !listens && !has_state(c, "TIME-WAIT") && !has_state(c, "SYN-RECV") &&
	       !has_state(c, "UNCONN");
}

static long long
number(const json_t *c, const char *key)
{
	return json_integer_value(json_object_get(c, key));
}

static const char *
text(const json_t *c, const char *key)
{
	const char *s = json_string_value(json_object_get(c, key));

	return s == NULL ? "?" : s;
}

/* One word of the second line, unless the value is 0. */
static void
print_word(const json_t *c, const char *key, const char *word)
{
	if (number(c, key) != 0)
		printf(" %s:%lld", word, number(c, key));
}

static void
print_info(const json_t *c)
{
	putchar('\t');
	if (json_is_true(json_object_get(c, "timestamps")))
		fputs(" ts", stdout);
	if (number(c, "snd_wscale") != 0 || number(c, "rcv_wscale") != 0)
		printf(" wscale:%lld,%lld", number(c, "snd_wscale"), number(c, "rcv_wscale"));
	if (number(c, "rto_us") != 0)
		printf(" rto:%g", (double)number(c, "rto_us") / 1e3);
	if (number(c, "srtt_us") != 0)
		printf(" rtt:%g/%g", (double)number(c, "srtt_us") / 1e3,
		       (double)number(c, "rttvar_us") / 1e3);
	print_word(c, "mss", "mss");
	print_word(c, "cwnd", "cwnd");
	print_word(c, "ssthresh", "ssthresh");
	print_word(c, "bytes_acked", "bytes_acked");
	print_word(c, "bytes_received", "bytes_received");
	print_word(c, "snd_wnd", "snd_wnd");
	print_word(c, "rcv_wnd", "rcv_wnd");
	print_word(c, "retransmits", "retrans");
	printf(" lane:%lld", number(c, "lane"));
	if (json_is_true(json_object_get(c, "orphan")))
		fputs(" orphan", stdout);
	putchar('\n');
}

static void
print_connection(json_t *c, void *arg)
{
	struct ss_options *options = arg;

	if (!is_wanted(options, c))
		return;
	if (options->common.json) {
		char *json = json_dumps(c, JSON_COMPACT | JSON_PRESERVE_ORDER);

		printf("%s%s", options->printed++ == 0 ? "[\n" : ",\n", json == NULL ? "" : json);
		free(json);
		return;
	}
	if (options->printed++ == 0 && options->header)
		printf("%-10s %-6s %-6s %30s %30s\n", "State", "Recv-Q", "Send-Q",
		       "Local Address:Port", "Peer Address:Port");
	printf("%-10s %-6lld %-6lld %30s %30s\n", text(c, "state"), number(c, "recv_q"),
	       number(c, "send_q"), text(c, "local"), text(c, "remote"));
	if (options->info)
		print_info(c);
}

int
command_ss(int argc, char **argv, const char *socket)
{
	static const struct argp_option argp_options[] = {
		{"all", 'a', NULL, 0, "Listening sockets, handshakes and TIME-WAIT, too", 0},
		{"listening", 'l', NULL, 0, "Listening sockets only", 0},
		{"info", 'i', NULL, 0, "What TCP knows of each connection", 0},
		{"no-header", 'H', NULL, 0, "No header line", 0},
		{"tcp", 't', NULL, 0, "Accepted; there is TCP only", 0},
		{"numeric", 'n', NULL, 0, "Accepted; names are never looked up", 0},
		{0},
	};
	static const struct argp_child children[] = {{&common_argp, 0, NULL, 0}, {0}};
	static const struct argp argp = {
		.options = argp_options,
		.parser = parse,
		.doc = "Shows connections in the form of `ss -tn`.",
		.children = children,
	};
	struct ss_options options = {.common.socket = socket, .header = true};
	char path[SOCKET_PATH_BYTES];

	argp_parse(&argp, argc, argv, 0, NULL, &options);
	if (common_socket(&options.common, path) < 0 ||
	    client_ask_list(path, json_pack("{s:s}", "command", "ss"), "connections",
			    print_connection, &options) < 0)
		return 1;
	if (options.common.json)
		puts(options.printed == 0 ? "[]" : "\n]");
	return 0;
}
