/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the gateway's files share: sockets, references, and the copies that a lane keeps of what it
 * wrote into an arena.
 *
 *     gateway.c        programs, rings, turns and doorbells
 *     gateway_call.c   what each request does
 *     gateway_data.c   status, delivery, sending
 *     gateway_repair.c sockets in repair
 *     gateway_move.c   images of connections; gateway_journal.c tells of them
 */
#ifndef TERN_DATAPLANE_GATEWAY_IMPL_H
#define TERN_DATAPLANE_GATEWAY_IMPL_H

#include <sys/queue.h>

#include "dataplane/gateway.h"
#include "dataplane/move.h"

/* A socket of the engine with those who hold it: programs that a fork made. */
struct gateway_socket {
	struct tcp_conn *tcp; /* NULL: free */
	struct gateway_ref *refs;
	struct gateway_socket *next_free;
	struct gateway_move *move; /* makes an image of it; NULL: nobody does */
	uint64_t listener;         /* the same in all parts of one; 0: it has none */
	bool listening;
	bool part;     /* of a socket that another lane has */
	bool guest;    /* its port is another lane's */
	bool held;     /* by gateway_hold(): its programs' calls wait */
	bool was_free; /* while held: it was not in repair before */
};

/* A delivered chunk whose bytes are not all read. */
struct gateway_chunk {
	uint32_t block;
	uint16_t bytes;
	bool last; /* of its block: the block is free when it is read */
};

/* A program's slot. */
struct gateway_ref {
	struct gateway_socket *socket; /* NULL: the slot is free */
	struct gateway_ref *next;      /* of the same socket */
	struct gateway_program *program;
	TAILQ_ENTRY(gateway_ref) by_change; /* in gateway->changed, if `changed` */
	TAILQ_ENTRY(gateway_ref) by_hunger; /* in program->hungry, if `hungry` */
	uint32_t slot;
	bool changed;
	bool hungry;
	struct shm_status status; /* what the arena says, or will */
	uint64_t consumed;        /* bytes read */
	uint64_t delivered;       /* bytes copied into the arena */
	uint64_t sent;            /* bytes of SHM_SEND taken */
	uint64_t granted;         /* the largest send_limit that the arena ever had */
	uint32_t first_chunk;     /* not wholly read; chunks first_chunk to status.delivered - 1 */
	uint16_t chunk_read;      /* bytes of it that are read */
	uint16_t block_used;      /* bytes of the last block */
	struct gateway_chunk chunks[SHM_CHUNKS];
};

/* A checkpoint or a restore of a program's, under way. */
struct gateway_move {
	enum gateway_move_kind { GATEWAY_NO_MOVE, GATEWAY_MOVE_OUT, GATEWAY_MOVE_IN } kind;
	struct gateway_socket *socket; /* out; NULL: none */
	bool froze;                    /* out: it was not in repair before */
	uint32_t slot;                 /* in: which it will have */
	uint32_t taken;                /* in: bytes of the image */
	uint64_t began;                /* TSC */
	struct move_in in;
	struct move_out out;
	uint8_t head[IMAGE_HEAD_MAX]; /* in: the image's */
};

TAILQ_HEAD(gateway_refs, gateway_ref);

struct gateway_ring {
	uint32_t head;
	uint32_t
		send_done; /* bytes of the SHM_SEND at the head that are sent; it waits for mbufs */
};

struct gateway_program {
	TAILQ_ENTRY(gateway_program) entry; /* in gateway->programs */
	struct shm_header header;           /* our copy */
	struct shm_header *shared;          /* in the arena: for `sleepers` alone */
	struct shm_view view;
	struct shm_reply *replies;
	uint8_t *payloads;
	struct gateway_ref *refs;   /* by slot */
	struct gateway_refs hungry; /* wait for a block */
	uint32_t *free_blocks;
	uint32_t n_free_blocks;
	uint32_t event_tail;
	int doorbell;
	uint32_t uid;    /* atomic; of its user */
	bool may_repair; /* atomic; its user may set TCP_REPAIR */
	int32_t pid;     /* atomic; of its process */
	bool attached;
	bool ends;          /* its last requests are taken */
	uint64_t left_over; /* rings that hold requests for the next turn, a bit each */
	bool fed;           /* blocks came free while sockets were hungry */
	bool news;          /* something was written in this iteration that a sleeper waits for */
	const char *fault;  /* atomic */
	struct gateway_move move;
	struct gateway_ring rings[SHM_RINGS_MAX];
};

TAILQ_HEAD(gateway_programs, gateway_program);

enum {
	GATEWAY_JOURNAL_LINES = 64,
};

/* Lines i with head <= i < tail, counting up and around. */
struct gateway_journal {
	uint32_t tail; /* atomic; the lane's */
	uint32_t head; /* atomic; the reader's */
	uint64_t lost; /* atomic; the lane's */
	struct gateway_moved lines[GATEWAY_JOURNAL_LINES];
};

struct gateway {
	struct tcp_engine *engine;
	struct gateway_programs programs;
	struct gateway_refs changed; /* their status is to be written */
	struct gateway_socket *sockets;
	struct gateway_socket *free;
	uint32_t n_sockets;
	unsigned int (*owner)(const void *owner_ctx, const struct tcp_tuple *tuple);
	const void *owner_ctx;
	unsigned int lane;
	int fault_event;
	int journal_timer; /* atomic; -1: none */
	struct move_stats *moves;
	struct gateway_journal journal;
	struct gateway_stats stats;
};

enum {
	GATEWAY_REPORT_BYTES = 32768, /* read, before the program must say so */
};

#define GATEWAY_COUNT_N(gateway, name, n)                                                          \
	__atomic_store_n(&(gateway)->stats.name, (gateway)->stats.name + (uint64_t)(n),            \
			 __ATOMIC_RELAXED)
#define GATEWAY_COUNT(gateway, name) GATEWAY_COUNT_N(gateway, name, 1)

/* Whether a connection of this 4-tuple belongs to another lane. */
static inline bool
gateway_belongs_elsewhere(const struct gateway *gateway, const struct tcp_tuple *tuple,
			  uint32_t *lane)
{
	if (gateway->owner == NULL)
		return false;
	*lane = gateway->owner(gateway->owner_ctx, tuple);
	return *lane != gateway->lane;
}

/* The program did what no honest one does. */
void gateway_fault(struct gateway *gateway, struct gateway_program *program, const char *why);

static inline uint32_t
gateway_program_uid(const struct gateway_program *program)
{
	return __atomic_load_n(&program->uid, __ATOMIC_RELAXED);
}

static inline bool
gateway_program_may_repair(const struct gateway_program *program)
{
	return __atomic_load_n(&program->may_repair, __ATOMIC_RELAXED);
}

/* ---- gateway_call.c */

/*
 * Does what a request asks for; `payload` lies in the arena and may change while it is read. Marks
 * the program as bad if it must. Returns false if the request must be made again later: a
 * SHM_SEND of whose payload *send_done bytes are sent.
 */
bool gateway_call(struct gateway *gateway, struct gateway_program *program,
		  const struct shm_request *request, const uint8_t *payload, uint32_t *send_done);

/* A gateway's socket for a connection; NULL if all are in use. */
struct gateway_socket *gateway_socket_take(struct gateway *gateway, struct tcp_conn *c);

/* Closes a socket that nobody has any more. */
void gateway_socket_close(struct gateway *gateway, struct gateway_socket *socket);

/* Whether a slot that the program chose may be used. */
bool gateway_slot_is_free(const struct gateway_program *program, uint32_t slot);

/* Makes a free slot refer to a socket, and tells of it. */
void gateway_refer(struct gateway *gateway, struct gateway_program *program, uint32_t slot,
		   struct gateway_socket *socket);

/* Takes a slot's reference away; the last one closes the socket. */
void gateway_drop(struct gateway *gateway, struct gateway_ref *ref);

/* ---- gateway_data.c */

/* The slot's status is to be written when the turn ends. */
void gateway_changed(struct gateway *gateway, struct gateway_ref *ref);

/* Delivers what can be delivered, and publishes the status if it has changed. */
void gateway_refresh(struct gateway *gateway, struct gateway_ref *ref);

/* Writes the status into the arena, with an event if one is wanted. */
void gateway_publish(struct gateway *gateway, struct gateway_ref *ref);

/* Looks how far the program has read. Returns false if it cannot have. */
bool gateway_take_consumed(struct gateway *gateway, struct gateway_ref *ref);

/* Forgets what was delivered and not read, and gives its blocks back. */
void gateway_recall(struct gateway *gateway, struct gateway_ref *ref);

/*
 * Sends bytes that were posted within the credit. Returns how many are done with; the rest must
 * wait for mbufs.
 */
uint32_t gateway_send(struct gateway *gateway, struct gateway_ref *ref, const uint8_t *bytes,
		      uint32_t n, int flags);

/* ---- gateway_repair.c */

/* A socket has gone into repair, or out of it: all who have it are told before anybody is answered.
 */
void gateway_repair_turned(struct gateway *gateway, struct gateway_socket *socket);

/* A payload of which a request names `bytes`, as SHM_PEEK does; NULL: the program is bad. */
uint8_t *gateway_payload(struct gateway *gateway, struct gateway_program *program, uint64_t named,
			 uint32_t *bytes);

/* In and out, without a word to anybody. */
void gateway_repair_set(struct gateway_socket *socket, bool on);

/* The connection leaves, without a packet; the socket stays with who has it. */
void gateway_part_with(struct gateway *gateway, struct gateway_socket *socket);

/* ---- gateway_move.c */

/* Ends what is under way, as if it had not been begun. */
void gateway_move_cancel(struct gateway *gateway, struct gateway_move *move);

/* ---- gateway_journal.c */

void gateway_journal_add(struct gateway *gateway, const struct gateway_moved *line);

#endif
