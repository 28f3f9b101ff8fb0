/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The gateway: a lane's side of the programs outside. It takes their requests out of their arenas
 * (lib/shm.h), makes the engine's socket calls for them, copies what came in into their data blocks
 * and keeps the status of their sockets.
 *
 * A program's memory is not trusted: what is read from it is read once and checked, and a request
 * that no honest program would make marks the program as bad. A bad program is served no more;
 * whoever made it (dataplane/program.c) finds out by gateway_program_fault() and detaches it.
 *
 * Delivered bytes stay in the engine's receive queue until the program has read them.
 *
 * Threads: everything here belongs to the lane's thread, but creation, destruction and
 * gateway_program_fault().
 */
#ifndef TERN_DATAPLANE_GATEWAY_H
#define TERN_DATAPLANE_GATEWAY_H

#include <stdint.h>

#include "lib/shm.h"
#include "tcp/tcp.h"

struct gateway;
struct gateway_program;
struct move_stats;

/* Counters, in the order of gateway_stats.def. */
struct gateway_stats {
#define GATEWAY_STAT(name, text) uint64_t name;
#include "dataplane/gateway_stats.def"
#undef GATEWAY_STAT
};

extern const char *const gateway_stats_names[];
extern const char *const gateway_stats_texts[];
#define GATEWAY_STATS_COUNT (sizeof(struct gateway_stats) / sizeof(uint64_t))

struct gateway_config {
	struct tcp_engine *engine;
	struct move_stats *moves; /* the lane's */
	uint32_t max_sockets;     /* of all programs together */
	int numa_node;            /* or SOCKET_ID_ANY */
	/* Which lane has a 4-tuple, where there are several, and this one; or NULL. */
	unsigned int (*owner)(const void *owner_ctx, const struct tcp_tuple *tuple);
	const void *owner_ctx;
	unsigned int lane;
	int fault_event; /* eventfd: a program turned out bad */
};

/* Whether a socket with this user may have a port that is another lane's. */
bool gateway_is_guest(const struct gateway *gateway, const void *user);

/* Whether a connection with this user is a part of a socket that another lane has. */
bool gateway_is_part(const struct gateway *gateway, const void *user);

/* What names a listener on all lanes, if it has parts; 0: it has none, or is no listener. */
uint64_t gateway_listener(const struct gateway *gateway, const void *user);

/* How many wait for accept() at this lane's part of a listener. */
uint32_t gateway_waiting(const struct gateway *gateway, uint16_t port, uint64_t listener);

/* Returns NULL without memory. */
struct gateway *gateway_create(const struct gateway_config *config);

/* With all programs detached. NULL is ignored. */
void gateway_destroy(struct gateway *gateway);

/*
 * A program's part on one lane, for an arena that is mapped here and whose header is filled in.
 * `uid` is its user. `arena` and `doorbell`, the eventfd on which the program sleeps, must outlive
 * it. Returns NULL without memory.
 */
struct gateway_program *gateway_program_create(void *arena, const struct shm_header *header,
					       unsigned int lane, int doorbell, uint32_t uid);

/* Detached, or never attached. NULL is ignored. */
void gateway_program_destroy(struct gateway_program *program);

/*
 * Whose it is from now on, and whether that one may set TCP_REPAIR, which at first nobody may; any
 * thread.
 */
void gateway_program_set_user(struct gateway_program *program, uint32_t uid, bool may_repair);

/* Which process it is; any thread. */
void gateway_program_set_pid(struct gateway_program *program, int32_t pid);

/* Why the program is to be detached; NULL: it behaves. Any thread. */
const char *gateway_program_fault(const struct gateway_program *program);

/* Serves a program from now on. */
void gateway_attach(struct gateway *gateway, struct gateway_program *program);

/* Serves it no more, and closes its sockets as the kernel does when a process ends. */
void gateway_detach(struct gateway *gateway, struct gateway_program *program);

/*
 * Gives `to`, which is not attached and has no sockets, a second reference to each socket of
 * `from`, under the same slots. Both must have the same number of slots. Bytes that were delivered
 * and not read are recalled.
 */
void gateway_share(struct gateway *gateway, struct gateway_program *from,
		   struct gateway_program *to);

/* Whether a connection's user is one of this gateway's sockets. */
bool gateway_owns(const struct gateway *gateway, const void *user);

/* Who has a socket. */
struct gateway_user {
	int32_t pid;
	int32_t fd; /* as the program says; -1: it does not */
};

/* Lists who has such a user's socket, n at most. Returns how many. */
unsigned int gateway_users(const void *user, struct gateway_user *users, unsigned int n);

/* tcp_env.notify for those. */
void gateway_notify(struct gateway *gateway, void *user);

/*
 * For whoever moves a program's connection by another's order, `user` being its user: it is frozen,
 * the program's requests on it wait, and it is not freed whatever the program does. Later one of
 * the two others: as if nothing had been; or the connection is gone without a packet, which the
 * program finds as after `ss -K`. Returns false if it is held already, or no connection.
 */
bool gateway_hold(struct gateway *gateway, void *user);
bool gateway_is_held(const void *user);
void gateway_let_go(struct gateway *gateway, void *user);
void gateway_take_away(struct gateway *gateway, void *user);

/* What programs have moved, for the log. */
enum gateway_moved_kind {
	GATEWAY_CHECKPOINTED,
	GATEWAY_TAKEN,
	GATEWAY_RESTORED,
	GATEWAY_CHECKPOINT_REFUSED,
	GATEWAY_RESTORE_REFUSED,
};

struct gateway_moved {
	enum gateway_moved_kind kind;
	int32_t pid;
	int status;             /* negative errno of a refusal */
	struct tcp_tuple tuple; /* not of a refusal */
	uint32_t recvq_bytes, sendq_bytes;
	uint32_t us;             /* from the first piece to the last */
	char why[SHM_WHY_BYTES]; /* of a refusal */
};

/* A timerfd that runs out when the journal has had a line for a while; -1, at first: none does. Any
 * thread. */
void gateway_journal_tells(struct gateway *gateway, int timer);

/* The next line; false: there is none. One thread, any. And how many found no room. */
bool gateway_journal_take(struct gateway *gateway, struct gateway_moved *line);
uint64_t gateway_journal_lost(const struct gateway *gateway);

/* Takes the programs' requests. Returns how many, or 1 if there are some that have to wait. Call it
 * once an iteration. */
unsigned int gateway_turn(struct gateway *gateway);

/* Programs ring their bells when they post something, or need not. */
void gateway_doze(struct gateway *gateway, bool doze);

/* Tells of what changed: whoever looks sees it. Call it at the end of an iteration. */
void gateway_tell(struct gateway *gateway);

/* Wakes the programs that were told something and sleep. Call it last: who wakes may take the
 * lane's own processor, and what the iteration sends should have left by then. */
void gateway_wake(struct gateway *gateway);

/* Copies the counters; any thread. */
void gateway_stats_read(const struct gateway *gateway, struct gateway_stats *stats);

#endif
