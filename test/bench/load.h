/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the parts of the load program share; load.c says what the program does.
 */
#ifndef LOAD_H
#define LOAD_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/socket.h>
#include <time.h>

enum {
	LOAD_ECHO_PORT = 7,
	LOAD_DISCARD_PORT = 9,
	LOAD_CHARGEN_PORT = 19,
	LOAD_HTTP_PORT = 80,
	LOAD_BUFFER = 1 << 18, /* of one read or write */
};

#define LOAD_NS INT64_C(1000000000)

enum load_what {
	LOAD_RR,   /* a message there, and the same back */
	LOAD_UDP,  /* the same in datagrams */
	LOAD_GET,  /* objects by HTTP */
	LOAD_DOWN, /* endless streams from the server */
	LOAD_UP,   /* and to it */
};

struct load_options {
	enum load_what what;
	struct sockaddr_in to;
	const char *host;
	unsigned int connections;
	size_t size;      /* bytes of a message or object */
	double seconds;   /* measured */
	double warm_up_s; /* before that */
	double rate;  /* requests a second, whatever the answers do; 0: the next after the answer */
	bool closing; /* a connection for each request */
	bool spin;    /* never sleep */
};

/* ---- Latencies: 128 buckets for each power of two of nanoseconds, so none is 1 % off. */
enum {
	HIST_SUB_SHIFT = 7,
	HIST_BUCKETS = 58 << HIST_SUB_SHIFT,
};

struct load_hist {
	uint64_t count[HIST_BUCKETS];
	uint64_t n;
	int64_t min_ns, max_ns;
};

void load_hist_add(struct load_hist *hist, int64_t ns);
/* The upper end of the bucket below which that share of all lies, in microseconds. */
double load_hist_us(const struct load_hist *hist, double share);

struct load_result {
	double seconds;      /* measured in fact */
	uint64_t operations; /* answers, or 0 for streams */
	uint64_t bytes;      /* of answers or streams, without headers */
	uint64_t lost;       /* datagrams without an answer */
	struct load_hist latency;
};

void load_requests(const struct load_options *options, struct load_result *result);
void load_streams(const struct load_options *options, struct load_result *result);
_Noreturn void load_serve(const char *address);

/* ---- Small things */

/* Says what failed, with errno, and ends the program. */
_Noreturn void load_fail(const char *what);
_Noreturn void load_wrong(const char *what);
int load_epoll(void);
void load_watch(int epoll, int fd, uint32_t events, void *what);
int load_socket(const struct load_options *options);
void load_set(int fd, int level, int name, int value);

static inline int64_t
load_now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * LOAD_NS + t.tv_nsec;
}

#endif
