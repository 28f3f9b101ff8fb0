/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One simulation: everything that a seed decides, and what becomes of it.
 *
 *     draw.c      what a seed decides: both engines' settings, the link, who sends what and how
 *     user.c      one user: writes, reads, stops, closes and aborts as decided; checks each byte
 *     app.c       all of them: who opens, accepts and is to run when
 *     run.c       the clock's loop, and the invariants
 *     move.c      connections leave their engine and come back, in it or in another
 *     move_calls.c   the same by socket calls, as Linux's users do it
 *     move_image.c   ... and through an image
 *     move_when.c    which, how and when
 *     move_count.c   what that costs
 *     report.c    what occurred, over all seeds
 *     goodput.c   another use of the same parts: how fast, against theory
 */
#ifndef TERN_TEST_SIM_H
#define TERN_TEST_SIM_H

#include "observer.h"
#include "pair.h"

enum {
	SIM_CONNS = 64,
	SIM_READ_BYTES = 65521,
	SIM_PORT = 20000, /* of those who bind: not an ephemeral one */
};

/* How to run a seed. */
enum {
	SIM_VERBOSE = 1 << 0,
	SIM_WITH_MOVES = 1 << 1,
	SIM_GENERAL = 1 << 2, /* the engines take no short ways */
};

/* How a user ends its side of a connection. */
enum sim_ending {
	SIM_SHUTDOWN,      /* shutdown(SHUT_WR) when all is written, close() at the peer's end */
	SIM_CLOSE_AT_END,  /* close() when all is written and the peer has ended */
	SIM_CLOSE_AT_ONCE, /* close() when all is written, unread data or not */
	SIM_ABORT,         /* tcp_abort() after so many bytes */
	SIM_LINGER_ABORT,  /* close() with SO_LINGER and 0 seconds, likewise */
};

/* What one user does on one connection. */
struct sim_script {
	uint64_t bytes;     /* to write */
	uint32_t write_max; /* bytes in one call; each call draws from 1 to this */
	uint32_t read_max;
	uint32_t pause_us;    /* after each write; 0: none */
	uint32_t read_gap_us; /* after each read; 0: none */
	uint64_t stop_at;     /* stops reading after so many bytes ... */
	uint64_t stop_us;     /* ... for so long; 0: does not */
	uint64_t abort_at;    /* bytes written and read */
	uint64_t urgent_at;   /* sends the byte before this offset as urgent; 0: none */
	uint64_t rcvbuf_at;   /* sets SO_RCVBUF after reading so many bytes ... */
	int rcvbuf_bytes;     /* ... to this; 0: does not */
	uint64_t sndbuf_at;   /* SO_SNDBUF after writing so many bytes, likewise */
	int sndbuf_bytes;
	uint8_t keepidle_s; /* TCP_KEEPIDLE; 0: no SO_KEEPALIVE */
	uint8_t keepintvl_s, keepcnt;
	uint8_t more_percent; /* of the writes have MSG_MORE */
	uint8_t cork_percent; /* of the writes are preceded by setting or clearing TCP_CORK */
	uint8_t peek_percent; /* of the reads are MSG_PEEK first */
	bool oob_inline;
	bool nodelay;
	bool by_reference; /* reads with tcp_peek_mbufs() and tcp_consume() */
	enum sim_ending ending;
};

struct sim_conn;
struct sim_away;

struct sim_user {
	struct sim_conn *conn;
	unsigned int side;
	const struct sim_script *script;
	struct tcp_conn *c;        /* NULL: not open yet, or no longer */
	struct tcp_folded *folded; /* what stands for it; NULL: it is not folded */
	uint64_t written, read;
	uint64_t write_at_us, read_at_us; /* not before */
	bool ready;                       /* was notified */
	bool connected, shut, at_end, done;
	bool more; /* its last write said MSG_MORE */
	bool corked;
	bool oob_read;         /* it has read the urgent byte by MSG_OOB */
	int error;             /* what ended it; 0: nothing did */
	uint64_t close_at_us;  /* it puts off its close() until then; 0: not decided */
	struct sim_away *away; /* while its connection is nowhere */
};

struct sim_conn {
	unsigned int client; /* side */
	uint64_t open_at_us;
	struct sim_script script[2]; /* by side */
	struct sim_user user[2];
	struct observer_conn *seen;
	uint64_t again_max[2]; /* what a side may send again since one of them came back */
	bool watched;
	bool graceful; /* all bytes of both must arrive */
};

/* What can happen to a simulation, for the report. */
enum sim_event {
#define SIM_EVENT(name, text) SIM_##name,
#include "sim_events.def"
#undef SIM_EVENT
	SIM_EVENTS,
	SIM_FIRST_MOVE = SIM_MOVES, /* those from here on are of moves */
};

/* When connections are moved, and how. */
struct sim_moving {
	bool on;
	struct rng rng; /* its own: without moves a seed is what it is */
	unsigned int left;
	uint64_t gap_us;          /* between moves of a side, about */
	double at_wake;           /* how likely one is each time that a side wakes up */
	uint64_t pauses_us;       /* that may still be spent away */
	uint64_t next_us[2];      /* of each side */
	uint64_t revive_us[2];    /* while its process is dead */
	struct tcp_stats past[2]; /* of the engines that are gone */
	uint64_t again_excess;    /* the most bytes sent again beyond what was outstanding */
	uint16_t excess_port;     /* of which connection */
};

struct sim {
	uint64_t seed;
	struct rng rng;
	struct pair pair;
	struct observer observer;
	struct tcp_config config[2];
	struct tcp_conn *listener[2];
	int backlog;
	uint64_t accept_gap_us; /* between looking at the listener; 0: at once */
	uint64_t accept_at_us[2];
	bool accept_ready[2];
	struct sim_conn conns[SIM_CONNS];
	unsigned int n_conns;
	uint64_t start_us;
	uint64_t heal_us; /* from then on the link loses nothing */
	uint64_t deadline_us;
	uint64_t longest_rtt_us;
	bool may_time_out; /* connections may be given up */
	bool scarce[2];    /* few mbufs, or few that queues may hold */
	bool icmp_lost;    /* half of the ICMP errors are */
	bool calm; /* nothing is lost, and users write little at a time: the short ways' days */
	bool wrap; /* sequence numbers start just before they wrap */
	struct sim_moving moving;
	bool verbose;
	bool general; /* the engines take no short ways */
	bool failed;
	uint64_t user_runs; /* in which a user had something to do */
	uint64_t hash;      /* of all packets and their times */
	uint64_t events[SIM_EVENTS];
};

/* Which pools the engines get. */
struct sim_pools {
	struct pair_pools plenty, scarce;
};

void sim_pools_make(struct sim_pools *pools);
bool sim_pools_free(struct sim_pools *pools);

/* Says what went wrong and how to see it again; the simulation ends. */
void sim_fail(void *sim, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* draw.c: decides everything and starts the engines. */
void sim_draw(struct sim *s, struct sim_pools *pools);
/* Whether a seed loses nothing, and its users write little at a time. */
bool sim_is_calm(uint64_t seed);

/* user.c */
void sim_user_run(struct sim *s, struct sim_user *u);
/* It has no socket any more. */
void sim_user_finish(struct sim_user *u);
void sim_user_set_options(struct sim *s, struct sim_user *u);
/* A time up to twice the pause from now; 0: at once. */
uint64_t sim_pause_until(struct sim *s, uint64_t pause_us);

/* app.c */
void sim_users_start(struct sim *s);
void sim_users_run(void *sim, unsigned int side);
/* tcp_env's: users keep what stands for their connections. */
bool sim_may_fold(void *sim, void *user);
void sim_fold(void *sim, void *user, struct tcp_folded *folded);
void sim_unfold(void *sim, void *user, struct tcp_conn *c);
/* Before anything is asked of a user's connection. */
void sim_user_unfold(struct sim *s, struct sim_user *u);
void sim_notify(void *sim, struct tcp_conn *c, void *user);
uint64_t sim_users_next_us(const struct sim *s);
bool sim_users_are_done(const struct sim *s);
/* Ends the users whose peer is gone without their being able to know; false if there was none. */
bool sim_users_give_up(struct sim *s);
void sim_users_check(struct sim *s);
void sim_print_conns(const struct sim *s);

/* Opens a side's listener. */
void sim_listen(struct sim *s, unsigned int side);

/* move_when.c, move_count.c, move.c */
void sim_moves_draw(struct sim *s);
/* To be called whenever a side is awake; moves what is to be moved now. */
void sim_moves_run(struct sim *s, unsigned int side);
uint64_t sim_moves_next_us(const struct sim *s);
/* All is over: what the moves have cost. */
void sim_moves_check(struct sim *s);
void sim_moves_clear(struct sim *s);

/* run.c: returns false if something went wrong. */
/* how: of SIM_VERBOSE, SIM_WITH_MOVES, SIM_GENERAL */
bool sim_run(struct sim *s, struct sim_pools *pools, uint64_t seed, unsigned int how);
uint64_t sim_now(const struct sim *s);

/* report.c */
struct sim_report {
	uint64_t seeds, failed;
	uint64_t total[SIM_EVENTS];    /* how often */
	uint64_t of_seeds[SIM_EVENTS]; /* in how many seeds */
};

void sim_count_stats(struct sim *s, const struct tcp_stats *stats);
void sim_report_add(struct sim_report *r, const struct sim *s);
void sim_report_print(const struct sim_report *r);
/* false, with a line for each, if something never occurred; moves: of moves only. */
bool sim_report_is_complete(const struct sim_report *r, bool moves);

/* goodput.c */
int sim_goodput(struct sim_pools *pools, unsigned int repetitions);

#endif
