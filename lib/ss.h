/* SPDX-License-Identifier: BSD-3-Clause */
/* What the files of `tern ss` share: ss.c, ss_filter.c, ss_info.c. */
#ifndef TERN_LIB_SS_H
#define TERN_LIB_SS_H

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

/* States, a bit each; their order is ss_state_names'. */
enum {
	SS_ESTABLISHED = 1 << 0,
	SS_SYN_SENT = 1 << 1,
	SS_SYN_RECV = 1 << 2,
	SS_FIN_WAIT_1 = 1 << 3,
	SS_FIN_WAIT_2 = 1 << 4,
	SS_TIME_WAIT = 1 << 5,
	SS_CLOSED = 1 << 6,
	SS_CLOSE_WAIT = 1 << 7,
	SS_LAST_ACK = 1 << 8,
	SS_LISTENING = 1 << 9,
	SS_CLOSING = 1 << 10,
	SS_MUTE = 1 << 11, /* Tern's own: a connection that has left */
	SS_ALL = (1 << 12) - 1,
	SS_CONNECTED = SS_ALL & ~(SS_LISTENING | SS_CLOSED | SS_MUTE),
	SS_BUCKET = SS_SYN_RECV | SS_TIME_WAIT,
	/* What is shown if nothing is asked for. */
	SS_DEFAULT = SS_CONNECTED & ~SS_BUCKET,
};

enum { SS_CONDITIONS = 16, SS_WORDS = 64 };

enum ss_operator { SS_EQ, SS_NE, SS_LT, SS_GT, SS_LE, SS_GE };

/* One thing that must hold of an end of a connection. */
struct ss_condition {
	const char *end; /* "local" or "remote" */
	bool has_ip, has_port;
	uint8_t ip[16]; /* IPv4 in mapped form */
	unsigned int bits;
	enum ss_operator op;
	uint16_t port;
};

struct ss_filter {
	unsigned int states;   /* SS_... */
	bool states_given;     /* by a word */
	unsigned int families; /* 1: IPv4, 2: IPv6; 0: both */
	unsigned int n;        /* conditions: all of them must hold */
	struct ss_condition conditions[SS_CONDITIONS];
	const char *wrong; /* the word that the reader stopped at */
};

/*
 * Reads ss' words: state, exclude, dst, src, dport, sport, and; one in each argument, or several
 * with blanks between them, which are overwritten. NULL, or what is wrong.
 */
const char *ss_filter_parse(struct ss_filter *filter, int n, char **arguments);

bool ss_filter_matches(const struct ss_filter *filter, const json_t *connection);

/* Prints what TCP knows of a connection, as ss -i does, each word with a space before it. */
void ss_print_info(const json_t *connection, bool options, bool numeric);

#endif
