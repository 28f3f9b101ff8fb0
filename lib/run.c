/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tern run: executes a program with libtern-preload.so before libc. That a ternd answers is seen to
 * first: a program that finds none at its first connection could only be told that the network is
 * down.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client.h"
#include "commands.h"
#include "reachable.h"

#define PRELOAD_NAME "libtern-preload.so"

enum {
	PATH_BYTES = 4096,
};

struct run_options {
	const char *socket;
	char **program; /* and its arguments */
};

static const struct argp_option run_options[] = {
	{"socket", 's', "PATH", 0,
	 "Control socket of ternd; by default $TERN_SOCKET, else the only one in /run/tern", 0},
	{0},
};

static error_t
parse_run(int key, char *arg, struct argp_state *state)
{
	struct run_options *options = state->input;

	switch (key) {
	case 's':
		options->socket = arg;
		return 0;
	case ARGP_KEY_ARG:
		options->program = &state->argv[state->next - 1];
		state->next = state->argc; /* the rest is the program's */
		return 0;
	case ARGP_KEY_NO_ARGS:
		argp_error(state, "no program given");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* Beside this tool, where the build puts both, or where the library is installed. */
static int
find_library(char *path, size_t size)
{
	char self[PATH_BYTES];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char *slash;

	if (n > 0) {
		self[n] = '\0';
		slash = strrchr(self, '/');
		if (slash != NULL) {
			*slash = '\0';
			if ((size_t)snprintf(path, size, "%s/" PRELOAD_NAME, self) < size &&
			    access(path, R_OK) == 0)
				return 0;
		}
	}
	snprintf(path, size, "%s/" PRELOAD_NAME, TERN_LIBRARY_FOLDER);
	if (access(path, R_OK) == 0)
		return 0;
	fprintf(stderr, "tern: no " PRELOAD_NAME " beside this tool or in %s\n",
		TERN_LIBRARY_FOLDER);
	return -1;
}

/* Puts the library first, and keeps what the user has there. */
static int
set_environment(const char *library, const char *socket)
{
	const char *others = getenv("LD_PRELOAD");
	char preload[2 * PATH_BYTES];
	int n;

	if (others != NULL && others[0] != '\0')
		n = snprintf(preload, sizeof(preload), "%s:%s", library, others);
	else
		n = snprintf(preload, sizeof(preload), "%s", library);
	if (n < 0 || (size_t)n >= sizeof(preload)) {
		fputs("tern: LD_PRELOAD is too long already\n", stderr);
		return -1;
	}
	if (setenv("LD_PRELOAD", preload, 1) < 0 || setenv("TERN_SOCKET", socket, 1) < 0) {
		fprintf(stderr, "tern: %s\n", strerror(errno));
		return -1;
	}
	return 0;
}

int
run_prepare(const char *socket, const char *program)
{
	char library[PATH_BYTES];
	const char *why;

	if (find_library(library, sizeof(library)) < 0 || set_environment(library, socket) < 0)
		return -1;
	why = reachable_why_not(program);
	if (why != NULL)
		fprintf(stderr, "tern: %s %s: its own sockets will be the kernel's\n", program,
			why);
	return 0;
}

int
command_run(int argc, char **argv, const char *socket)
{
	static const struct argp argp = {
		.options = run_options,
		.parser = parse_run,
		.args_doc = "[--] PROGRAM [ARGUMENT...]",
		.doc = "Runs an unmodified program on Tern: its TCP sockets are ternd's where its "
		       "addresses are, and the kernel's elsewhere.\v"
		       "The exit status is the program's; 126 when it cannot be executed, 127 "
		       "when there is none of that name, 1 when no ternd answers.",
	};
	struct run_options options = {.socket = socket};
	char path[SOCKET_PATH_BYTES];
	json_t *answer;
	int error;

	argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, &options);
	if (client_find(options.socket, CLIENT_FOLDER, path, sizeof(path)) < 0)
		return 1;
	answer = client_ask(path, json_pack("{s:s}", "command", "version"));
	if (answer == NULL)
		return 1;
	json_decref(answer);
	if (run_prepare(path, options.program[0]) < 0)
		return 1;
	execvp(options.program[0], options.program);
	error = errno;
	fprintf(stderr, "tern: %s: %s\n", options.program[0], strerror(error));
	return error == ENOENT || error == ENOTDIR ? RUN_NOT_FOUND : RUN_NOT_EXECUTABLE;
}
