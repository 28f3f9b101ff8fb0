/* SPDX-License-Identifier: BSD-3-Clause */
/* Addresses of connections that have left, and the silence while others are restored: mute.c. */
#ifndef TERN_TCP_MUTE_H
#define TERN_TCP_MUTE_H

#include <sys/queue.h>

#include <stdbool.h>
#include <stdint.h>

#include "ip_addr.h"
#include "slab.h"

struct tcp_conn;
struct tcp_engine;
struct tcp_hold;
struct tcp_segment;

enum { TCP_MUTE_US = 60 * 1000 * 1000 };

/* A 4-tuple that nobody answers for. All last equally long, so the oldest is the first to end. */
struct tcp_mute {
	TAILQ_ENTRY(tcp_mute) link;
	struct tcp_tuple tuple;
	uint64_t ends_us;
	struct tcp_hold *hold; /* its share in its port */
};

TAILQ_HEAD(tcp_mute_list, tcp_mute);

struct tcp_mutes {
	struct slab slab;
	struct tcp_mute_list list;
	uint64_t next_us; /* when the first of the list ends; UINT64_MAX: there is none */
	bool restoring;   /* connections may be about to come that nobody knows yet */
};

/* Sets up the table. Returns false without memory. */
bool tcp_mute_make(struct tcp_engine *e);
/* Takes over a connection's place in the flow table and its share in its port. */
void tcp_mute_enter(struct tcp_conn *c);
/* Its time is over, or somebody has come to speak for it. */
void tcp_mute_free(struct tcp_engine *e, struct tcp_mute *m);
void tcp_mute_advance(struct tcp_engine *e); /* from next_us on */
/* Whether a segment of no connection may be one of those that are about to come. */
bool tcp_mute_awaits(const struct tcp_engine *e, const struct tcp_segment *seg);

#endif
