/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Two engines with a link between them, on one virtual clock: what one transmits, the other gets
 * when the link is done with it. For tests of whole conversations; test/wire is for exact packets.
 */
#ifndef TERN_TEST_PAIR_H
#define TERN_TEST_PAIR_H

#include "tcp/tcp.h"

#include "link.h"

enum {
	PAIR_POOL_MBUFS = 16383,
	PAIR_ICMP_PENDING = 64,
};

struct pair;

/* Whether the link loses a packet; NULL: as its nodes say. */
typedef bool (*pair_loss)(void *ctx, const struct rte_mbuf *packet);

struct pair_pools {
	struct rte_mempool *rx, *header, *data, *ref;
};

struct pair_side {
	struct pair *pair;
	struct tcp_engine *engine; /* NULL: its process is dead */
	uint64_t clock_us;         /* the engine's clock is the pair's plus this */
	struct ip_addr ip;
	struct link link; /* away from this side */
	struct rng rng;   /* what env.random gives */
	uint16_t mtu;
	uint16_t path_flags;
	struct tcp_tso_limits tso;
	struct rte_mbuf *inbox[PAIR_POOL_MBUFS]; /* arrived, not yet input */
	unsigned int n_inbox;
	uint64_t transmitted;   /* packets that the engine has handed over, as on the wire */
	uint64_t beyond_limits; /* of those: larger than the device takes */
	uint64_t received;      /* packets that the engine was handed */
	void (*notify)(void *ctx, struct tcp_conn *c, void *user);
	bool (*may_fold)(void *ctx, void *user); /* NULL: none is folded */
	void (*fold)(void *ctx, void *user, struct tcp_folded *folded);
	void (*unfold)(void *ctx, void *user, struct tcp_conn *c);
	void *notify_ctx;
};

/* An ICMP error on its way back. */
struct pair_icmp {
	uint64_t at_us;
	unsigned int side;
	struct tcp_icmp icmp;
};

struct pair_setup {
	const struct tcp_config *config[2]; /* name and pools are filled in */
	const struct pair_pools *pools[2];  /* of each side; NULL: made for this pair */
	uint64_t start_us;
	uint64_t seed;
	bool ipv6;
};

struct pair {
	uint64_t now_us;
	uint64_t poll_us;         /* packets arrive at multiples of this; 0: at any time */
	unsigned int burst;       /* packets in one tcp_input() */
	bool rx_checks_checksums; /* as a NIC that can */
	pair_loss loses;
	void *loss_ctx;
	struct pair_side side[2];
	struct pair_icmp icmp[PAIR_ICMP_PENDING];
	unsigned int n_icmp;
	uint64_t steps, idle_steps; /* those that neither packet nor user moved */
	struct pair_pools pools;    /* those made here */
	const struct pair_pools *pools_of[2];
	/* Called with each packet as the link gets it, and as it arrives; may be NULL. */
	void (*on_sent)(void *ctx, unsigned int side, const struct rte_mbuf *m);
	void (*on_arrived)(void *ctx, unsigned int side, const struct rte_mbuf *m);
	void (*on_icmp)(void *ctx, unsigned int side, const struct tcp_icmp *icmp);
	/* Called before each flush: users' own calls. */
	void (*users)(void *ctx, unsigned int side);
	void *ctx;
};

void pair_pools_make(struct pair_pools *pools, const char *name, unsigned int mbufs);
/* false, with a line for each, if mbufs are missing. */
bool pair_pools_are_full(const struct pair_pools *pools);
void pair_pools_free(struct pair_pools *pools);

/*
 * Makes both engines with these limits, IPv4, and a link that only delays by 1 ms. Ends the program
 * on failure.
 */
void pair_start(struct pair *p, const struct tcp_config *config);

/* The same in all detail; the links have no node yet. */
void pair_start_with(struct pair *p, const struct pair_setup *setup);

/* When something happens next; UINT64_MAX: nothing will. */
uint64_t pair_next_us(const struct pair *p);

/* Lets everything happen that is due at this time. */
void pair_step(struct pair *p, uint64_t time_us);

/* Runs until a time, in the exact order of packets and timers. */
void pair_run_until(struct pair *p, uint64_t time_us);

/* Puts an ICMP error on its way to a side. */
void pair_icmp(struct pair *p, unsigned int side, uint64_t at_us, const struct tcp_icmp *icmp);

/* A side's process dies, with its engine and all that it has. What arrives from now on is lost. */
void pair_kill(struct pair *p, unsigned int side);

/* Another process comes in its place, with a clock of its own. */
void pair_revive(struct pair *p, unsigned int side, const struct tcp_config *config,
		 uint64_t clock_us);

/* Whether a side holds nothing for any connection; says what if it does. */
bool pair_is_idle(const struct pair_side *s);

/* Destroys both; false, with a line for each, if mbufs or objects are missing. */
bool pair_end(struct pair *p);

#endif
