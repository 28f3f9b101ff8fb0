/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tern: the command line tool. It finds ternd's control socket, asks, and prints.
 *
 * Exit status: 0; 1 when something failed; 2 for wrong usage. Errors go to stderr.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client.h"
#include "commands.h"

const char *argp_program_version = "tern " TERN_VERSION;

struct command {
	const char *name;
	int (*run)(int argc, char **argv, const char *socket);
};

static const struct command commands[] = {
	{"run", command_run},
	{"ss", command_ss},
	{"stats", command_stats},
	{"neighbours", command_neighbours},
	{"pools", command_pools},
	{"addresses", command_addresses},
	{"fastopen", command_fastopen},
	{"fastopen-key", command_fastopen_key},
	{"version", command_version},
	{"address", command_address},
	{"checkpoint", command_checkpoint},
	{"restore", command_restore},
	{"adopt", command_adopt},
	{"release", command_release},
	{"bench", command_bench},
};

static error_t
parse_common(int key, char *arg, struct argp_state *state)
{
	struct common_options *options = state->input;

	switch (key) {
	case 's':
		options->socket = arg;
		return 0;
	case 'j':
		options->json = true;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

#define SOCKET_OPTION                                                                              \
	{                                                                                          \
		"socket", 's', "PATH", 0,                                                          \
			"Control socket of ternd; by default $TERN_SOCKET, else the only one in "  \
			"/run/tern",                                                               \
			0                                                                          \
	}

static const struct argp_option common_options[] = {
	SOCKET_OPTION,
	{"json", 'j', NULL, 0, "Print JSON", 0},
	{0},
};

const struct argp common_argp = {.options = common_options, .parser = parse_common};

int
common_socket(const struct common_options *options, char *path)
{
	return client_find(options->socket, CLIENT_FOLDER, path, SOCKET_PATH_BYTES);
}

/* What stands before the command. */
struct arguments {
	const char *socket;
	const struct command *command;
	int first; /* index of the command in argv */
};

static error_t
parse(int key, char *arg, struct argp_state *state)
{
	struct arguments *arguments = state->input;

	switch (key) {
	case 's':
		arguments->socket = arg;
		return 0;
	case ARGP_KEY_ARG:
		for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
			if (strcmp(arg, commands[i].name) == 0)
				arguments->command = &commands[i];
		if (arguments->command == NULL)
			argp_error(state, "unknown command \"%s\"", arg);
		arguments->first = state->next - 1;
		state->next = state->argc; /* the rest is the command's */
		return 0;
	case ARGP_KEY_NO_ARGS:
		argp_error(state, "no command given");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp_option top_options[] = {SOCKET_OPTION, {0}};

int
main(int argc, char **argv)
{
	static const struct argp argp = {
		.options = top_options,
		.parser = parse,
		.args_doc = "COMMAND [ARGUMENT...]",
		.doc = "Looks at a running ternd, and runs programs on it.\v"
		       "Commands:\n"
		       "  run           runs a program on Tern: tern run [--] PROGRAM...\n"
		       "  ss            connections, as ss(8) prints them\n"
		       "  stats         counters and what each of them counts\n"
		       "  fastopen      the cookies of TCP Fast Open, and forgetting them\n"
		       "  fastopen-key  the keys that our own cookies are made with\n"
		       "  checkpoint    takes connections out, into files or a pipe\n"
		       "  restore       goes on with them, here or elsewhere\n"
		       "  neighbours    the ARP and Neighbour Discovery tables\n"
		       "  pools         packet buffers: how many there are, and where\n"
		       "  addresses     ports, their addresses, and what is served\n"
		       "  address       gives a running ternd an address, or takes one away\n"
		       "  adopt         takes connections from the Linux kernel\n"
		       "  release       gives connections to the Linux kernel\n"
		       "  bench         generates load, and measures\n"
		       "  version       which ternd answers\n"
		       "\n"
		       "`tern COMMAND --help` explains a command.",
	};
	struct arguments arguments = {0};
	char name[64];

	argp_err_exit_status = 2;
	argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, &arguments);
	snprintf(name, sizeof(name), "tern %s", arguments.command->name);
	argv[arguments.first] = name;
	return arguments.command->run(argc - arguments.first, argv + arguments.first,
				      arguments.socket);
}
