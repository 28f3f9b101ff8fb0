/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tern ss: connections in the form of `ss -t` (iproute2), so that eyes and scripts used to it find
 * their way: State, Recv-Q, Send-Q, addresses; with -p whose they are, with -o the timer, with -i a
 * second line of what TCP knows (ss_info.c). Words behind the options choose (ss_filter.c).
 *
 * A connection in repair is what it was, and -o and -e say that it is frozen; ss has no word for
 * that. An address whose connection has left is in state MUTE, with -a, until somebody takes it
 * over or its minute is over.
 *
 * Where ss says which process has a socket, that is here the program that is attached to ternd; a
 * service that runs inside a lane is shown by its name and lane.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client.h"
#include "commands.h"
#include "ss.h"

struct ss_options {
	struct common_options common;
	struct ss_filter filter;
	bool all;
	bool listening;
	bool info;
	bool processes;
	bool timers;
	bool extended;
	bool numeric;
	bool one_line;
	bool header;
	size_t printed;
};

static void
parse_words(struct ss_options *options, struct argp_state *state)
{
	const char *wrong = ss_filter_parse(&options->filter, state->argc - state->next + 1,
					    state->argv + state->next - 1);

	if (wrong != NULL)
		argp_error(state, "filter, at \"%s\": %s", options->filter.wrong, wrong);
	state->next = state->argc;
}

static error_t
parse(int key, char *arg, struct argp_state *state)
{
	static const char keys[] = "alipoenOH";
	struct ss_options *options = state->input;
	bool *const flags[] = {&options->all,       &options->listening, &options->info,
			       &options->processes, &options->timers,    &options->extended,
			       &options->numeric,   &options->one_line};
	const char *at = key > 0 && key < 128 ? strchr(keys, key) : NULL;

	(void)arg;
	if (at != NULL && *at == 'H') {
		options->header = false;
		return 0;
	}
	if (at != NULL && *at != '\0') {
		*flags[at - keys] = true;
		return 0;
	}
	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &options->common;
		return 0;
	case '4':
		options->filter.families |= 1;
		return 0;
	case '6':
		options->filter.families |= 2;
		return 0;
	case 't':
		return 0;
	case ARGP_KEY_ARG:
		parse_words(options, state);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static void
print_users(const json_t *c)
{
	const json_t *users = json_object_get(c, "users"), *user;
	size_t i;

	if (json_object_get(c, "service") != NULL) {
		printf(" users:((\"%s\",lane=%lld))", client_text(c, "service", "?"),
		       client_number(c, "lane"));
		return;
	}
	if (users == NULL)
		return;
	fputs(" users:(", stdout);
	json_array_foreach(users, i, user)
	{
		printf("%s(\"%s\",pid=%lld", i == 0 ? "" : ",", client_text(user, "comm", "?"),
		       client_number(user, "pid"));
		if (json_object_get(user, "fd") != NULL)
			printf(",fd=%lld", client_number(user, "fd"));
		putchar(')');
	}
	putchar(')');
}

/* 59sec, 1min30sec, 1.204ms, 204ms: as ss writes a time. */
static void
print_duration(long long ms)
{
	long long minutes = ms / 60000, seconds = ms / 1000 % 60;

	ms %= 1000;
	if (minutes > 0) {
		ms = 0;
		printf("%lldmin", minutes);
		if (minutes > 9)
			seconds = 0;
	}
	if (seconds > 9)
		ms = 0;
	if (seconds > 0)
		printf("%lld%s", seconds, ms != 0 ? "." : "sec");
	if (ms != 0)
		printf("%03lldms", ms);
}

static void
print_timer(const json_t *c)
{
	const json_t *timer = json_object_get(c, "timer");

	if (timer == NULL)
		return;
	printf(" timer:(%s,", client_text(timer, "kind", "?"));
	print_duration(client_number(timer, "ms"));
	printf(",%lld)", client_number(timer, "retries"));
}

static void
print_header(const struct ss_options *options)
{
	if (options->header)
		printf("%-10s %-6s %-6s %30s %30s%s\n", "State", "Recv-Q", "Send-Q",
		       "Local Address:Port", "Peer Address:Port",
		       options->processes ? " Process" : "");
}

static void
print_connection(json_t *c, void *arg)
{
	struct ss_options *options = arg;

	if (!ss_filter_matches(&options->filter, c))
		return;
	if (options->common.json) {
		char *json = json_dumps(c, JSON_COMPACT | JSON_PRESERVE_ORDER);

		printf("%s%s", options->printed++ == 0 ? "[\n" : ",\n", json == NULL ? "" : json);
		free(json);
		return;
	}
	if (options->printed++ == 0)
		print_header(options);
	printf("%-10s %-6lld %-6lld %30s %30s", client_text(c, "state", "?"),
	       client_number(c, "recv_q"), client_number(c, "send_q"), client_text(c, "local", "?"),
	       client_text(c, "remote", "?"));
	if (options->processes)
		print_users(c);
	if (options->timers)
		print_timer(c);
	if (options->extended)
		printf(" lane:%lld%s%s%s", client_number(c, "lane"),
		       json_is_true(json_object_get(c, "orphan")) ? " orphan" : "",
		       json_is_true(json_object_get(c, "smc")) ? " smc" : "",
		       json_is_true(json_object_get(c, "repair")) ? " repair" : "");
	if (options->info) {
		fputs(options->one_line ? "" : "\n\t", stdout);
		ss_print_info(c, options->timers, options->numeric);
	}
	putchar('\n');
}

int
command_ss(int argc, char **argv, const char *socket)
{
	static const struct argp_option argp_options[] = {
		{"all", 'a', NULL, 0,
		 "Listening sockets, handshakes, TIME-WAIT and what is mute, too", 0},
		{"listening", 'l', NULL, 0, "Listening sockets only", 0},
		{"info", 'i', NULL, 0, "What TCP knows of each connection", 0},
		{"processes", 'p', NULL, 0, "Which program or service has it", 0},
		{"options", 'o', NULL, 0, "Its timer; with -i, its TCP options", 0},
		{"extended", 'e', NULL, 0,
		 "Its lane, and whether its user has closed it or repairs it", 0},
		{"ipv4", '4', NULL, 0, "IPv4 sockets only", 0},
		{"ipv6", '6', NULL, 0, "IPv6 sockets only", 0},
		{"oneline", 'O', NULL, 0, "One line for each connection", 0},
		{"no-header", 'H', NULL, 0, "No header line", 0},
		{"numeric", 'n', NULL, 0, "Rates with all digits; names are never looked up", 0},
		{"tcp", 't', NULL, 0, "Accepted; there is TCP only", 0},
		{0},
	};
	static const struct argp_child children[] = {{&common_argp, 0, NULL, 0}, {0}};
	static const struct argp argp = {
		.options = argp_options,
		.parser = parse,
		.args_doc = "[state STATE] [src|dst HOST[/BITS][:PORT]] [sport|dport OP PORT]",
		.doc = "Shows connections in the form of `ss -t`.",
		.children = children,
	};
	struct ss_options options = {.common.socket = socket, .header = true};
	char path[SOCKET_PATH_BYTES];

	argp_parse(&argp, argc, argv, 0, NULL, &options);
	if (!options.filter.states_given)
		options.filter.states = options.all         ? SS_ALL
					: options.listening ? SS_LISTENING
							    : SS_DEFAULT;
	if (common_socket(&options.common, path) < 0 ||
	    client_ask_list(path,
			    json_pack("{s:s,s:b}", "command", "ss", "details",
				      options.info || options.common.json),
			    "connections", print_connection, &options) < 0)
		return 1;
	if (options.common.json)
		puts(options.printed == 0 ? "[]" : "\n]");
	else if (options.printed == 0)
		print_header(&options);
	return 0;
}
