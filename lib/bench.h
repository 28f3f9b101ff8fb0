/* SPDX-License-Identifier: BSD-3-Clause */
/* tern bench: what the user asked for, for its parts. */
#ifndef TERN_LIB_BENCH_H
#define TERN_LIB_BENCH_H

#include <jansson.h>

#include "bench_ternd.h"
#include "commands.h"

struct bench_options {
	struct common_options common;
	const char *workload; /* rr, crr, ... */
	const char *target;   /* ADDRESS[:PORT]; NULL: local */
	const char *config;   /* -c */
	const char *over;     /* local: memif, virtio or ring */
	const char *close;    /* "server" or "client" */
	const char *direction;
	const char *segments, *from; /* flood */
	double seconds, warmup;      /* below 0: the workload's */
	long long connections, pipeline, size, answer, ports, lanes, mtu;
	long long flows, rate; /* flood; 0: ternd's */
	bool local;
	bool greet;
};

/* Prints what was measured, for people. */
void bench_show(const struct bench_options *options, const json_t *result);

#endif
