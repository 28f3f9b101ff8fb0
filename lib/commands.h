/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The commands of `tern`: each takes its own arguments (argv[0] is "tern COMMAND") and returns the
 * exit status: 0, 1 for a failure, which it has told on stderr. Wrong usage exits with 2.
 */
#ifndef TERN_LIB_COMMANDS_H
#define TERN_LIB_COMMANDS_H

#include <argp.h>
#include <stdbool.h>

enum { SOCKET_PATH_BYTES = 4096 };

/* --socket and --json, which every command has. */
struct common_options {
	const char *socket;
	bool json;
};

/* Child parser of every command, for `struct common_options` as its input. */
extern const struct argp common_argp;

/* Finds the socket by the options. Returns 0, or -1 after telling why not. */
int common_socket(const struct common_options *options, char *path);

int command_run(int argc, char **argv, const char *socket);
int command_stats(int argc, char **argv, const char *socket);
int command_ss(int argc, char **argv, const char *socket);
int command_neighbours(int argc, char **argv, const char *socket);
int command_pools(int argc, char **argv, const char *socket);
int command_addresses(int argc, char **argv, const char *socket);
int command_adopt(int argc, char **argv, const char *socket);
int command_release(int argc, char **argv, const char *socket);
int command_address(int argc, char **argv, const char *socket);
int command_fastopen(int argc, char **argv, const char *socket);
int command_fastopen_key(int argc, char **argv, const char *socket);
int command_checkpoint(int argc, char **argv, const char *socket);
int command_restore(int argc, char **argv, const char *socket);
int command_bench(int argc, char **argv, const char *socket);
int command_version(int argc, char **argv, const char *socket);

/* ---- run.c: exit statuses as the shell's, and what is done before a program is executed */

enum {
	RUN_NOT_EXECUTABLE = 126,
	RUN_NOT_FOUND = 127,
};

/* The environment of a program on the ternd of that socket. Returns 0, or -1 after telling why. */
int run_prepare(const char *socket, const char *program);

#endif
