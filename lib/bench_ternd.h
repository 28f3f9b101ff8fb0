/* SPDX-License-Identifier: BSD-3-Clause */
/* A ternd that a command of the tool starts for itself, and ends. */
#ifndef TERN_LIB_BENCH_TERND_H
#define TERN_LIB_BENCH_TERND_H

#include <stdbool.h>
#include <stdio.h>
#include <sys/types.h>

struct bench_ternd {
	pid_t pid;         /* 0: none runs */
	char config[64];   /* the file that it was given, ours */
	char log[64];      /* what it says, told only if it does not start */
	char socket[4096]; /* its control socket */
};

/* Opens the configuration to be written. Returns NULL after telling why not. */
FILE *bench_ternd_config(struct bench_ternd *ternd);

/*
 * Copies a user's configuration, with a [service bench] if it has none, and finds out the name of
 * the control socket. Returns 0, or -1 after telling why not.
 */
int bench_ternd_copy(struct bench_ternd *ternd, const char *path);

/*
 * Writes one of two sides for each pair: lanes 0, 2, ... generate load, and lanes 1, 3, ... serve,
 * with a device in between of the kind `over`. connections: of each pair. Returns as above.
 */
struct bench_local {
	const char *over;
	unsigned int pairs, ports; /* of the server, from BENCH_LOCAL_PORT on */
	unsigned long long connections;
	unsigned int mtu; /* 0: the device's */
	bool idle;        /* connections do nothing: they are folded soon */
	bool fastopen;    /* requests come in SYNs */
	bool gateways;    /* each side is the other's way to everywhere else */
};
enum { BENCH_LOCAL_PORT = 7700, BENCH_LOCAL_PAIRS = 4, BENCH_LOCAL_PORTS = 64 };
int bench_ternd_local(struct bench_ternd *ternd, const struct bench_local *local);

/* The server of a pair. */
void bench_ternd_target(unsigned int pair, char *text, size_t size);

/* Starts ternd with what was written, and waits until it is ready. Returns 0, or -1 likewise. */
int bench_ternd_start(struct bench_ternd *ternd);

/* Ends it, if it runs, and removes the files. */
void bench_ternd_stop(struct bench_ternd *ternd);

#endif
