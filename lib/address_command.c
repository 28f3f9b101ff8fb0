/* SPDX-License-Identifier: BSD-3-Clause */
/* tern address add, tern address del: addresses of a running ternd. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "address_command.h"
#include "client.h"
#include "commands.h"

struct options {
	struct common_options common;
	const char *what, *address;
	int port;
	bool taken_over;
};

json_t *
address_add(const char *path, const char *address, int port, bool taken_over)
{
	return client_ask(path, json_pack("{s:s,s:s,s:i,s:b}", "command", "address-add", "address",
					  address, "port", port, "taken_over", (int)taken_over));
}

json_t *
address_del(const char *path, const char *address)
{
	return client_ask(path,
			  json_pack("{s:s,s:s}", "command", "address-del", "address", address));
}

static error_t
parse(int key, char *arg, struct argp_state *state)
{
	struct options *options = state->input;
	char *end;

	switch (key) {
	case 'p':
		errno = 0;
		options->port = (int)strtol(arg, &end, 10);
		if (*end != '\0' || end == arg || errno != 0 || options->port < 0)
			argp_error(state, "\"%s\" is not a port's number", arg);
		return 0;
	case 't':
		options->taken_over = true;
		return 0;
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &options->common;
		return 0;
	case ARGP_KEY_ARG:
		if (state->arg_num == 0 && (strcmp(arg, "add") == 0 || strcmp(arg, "del") == 0))
			options->what = arg;
		else if (state->arg_num == 1)
			options->address = arg;
		else
			argp_error(state,
				   "\"%s\"? There are \"add ADDRESS/LEN\" and \"del "
				   "ADDRESS\"",
				   arg);
		return 0;
	case ARGP_KEY_END:
		if (options->address == NULL)
			argp_error(state, "give \"add ADDRESS/LEN\" or \"del ADDRESS\"");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

int
command_address(int argc, char **argv, const char *socket)
{
	static const struct argp_option argp_options[] = {
		{"port", 'p', "N", 0, "The port that gets it; 0 by default", 0},
		{"taken-over", 't', NULL, 0,
		 "Another station has had it until now: use and announce it at once, without "
		 "looking first whether somebody has it",
		 0},
		{0},
	};
	static const struct argp_child children[] = {{&common_argp, 0, NULL, 0}, {0}};
	static const struct argp argp = {
		.options = argp_options,
		.parser = parse,
		.args_doc = "add ADDRESS/LEN\ndel ADDRESS",
		.doc = "Gives an address to a running ternd, or takes one away. Only root may.\v"
		       "A new address is announced by gratuitous ARP or an unsolicited "
		       "neighbour advertisement. Connections of an address that goes starve. "
		       "The configuration's file is not changed. `tern addresses` lists what "
		       "there is.",
		.children = children,
	};
	struct options options = {.common.socket = socket};
	char path[SOCKET_PATH_BYTES];
	json_t *answer;

	argp_parse(&argp, argc, argv, 0, NULL, &options);
	if (common_socket(&options.common, path) < 0)
		return 1;
	answer = strcmp(options.what, "add") == 0
			 ? address_add(path, options.address, options.port, options.taken_over)
			 : address_del(path, options.address);
	if (answer == NULL)
		return 1;
	json_object_del(answer, "ok");
	if (options.common.json)
		client_print(answer);
	json_decref(answer);
	return 0;
}
