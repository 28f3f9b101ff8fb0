/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Connections to images and back, in their lane: struct tcp_checkpoint by the rows of
 * tcp/checkpoint.def, and the image of lib/image.h. Everything here belongs to the lane of the
 * engine, allocates nothing but mbufs, and does as much work as it is given bytes.
 *
 *     move_out_begin(&out, c, &service, &stats)       c is as it was, best in repair
 *     move_out_read(&out, offset, to, n) ...          any part of the image, best from the front
 *     tcp_close_silently(c)                           and it is nowhere but in the image
 *
 *     move_in_begin(&in, engine, head, n, NULL, &stats)
 *     move_in_more(&in, bytes, n) ...                 the queues, in pieces of any size
 *     move_in_end(&in, &c)                            c is in repair: tcp_resume()
 */
#ifndef TERN_DATAPLANE_MOVE_H
#define TERN_DATAPLANE_MOVE_H

#include <sys/types.h>

#include "lib/image.h"
#include "tcp/tcp.h"

/* Counters, in the order of move_stats.def. */
struct move_stats {
#define MOVE_STAT(name, text) uint64_t name;
#include "dataplane/move_stats.def"
#undef MOVE_STAT
};

extern const char *const move_stats_names[];
extern const char *const move_stats_texts[];
#define MOVE_STATS_COUNT (sizeof(struct move_stats) / sizeof(uint64_t))

/* Copies the counters. Any thread. */
void move_stats_read(const struct move_stats *from, struct move_stats *to);

/* ---- Out */

/* The service that has the connection, and what it is to find again; empty: no service. */
struct move_service {
	struct image_bytes name;  /* at most IMAGE_SERVICE_NAME_MAX */
	struct image_bytes state; /* at most IMAGE_SERVICE_STATE_MAX */
};

struct move_out {
	struct tcp_checkpoint saved;
	size_t head_bytes;
	const struct rte_mbuf *at; /* where the last read ended: NULL if before the queues */
	uint64_t at_offset;        /* of its first byte, in the image */
	bool at_sendq;             /* it is of the send queue */
	uint8_t head[IMAGE_HEAD_MAX];
};

/*
 * Begins the image of a connection; service may be NULL. What is read later is right as long as
 * nothing happens to the connection: in repair, or before anything else is done in this turn.
 * Returns 0; -EINVAL in CLOSED and LISTEN; -EMSGSIZE for a service's state that is too large.
 */
int move_out_begin(struct move_out *out, struct tcp_conn *c, const struct move_service *service,
		   struct move_stats *stats);

/* The size of the whole image. */
uint64_t move_out_bytes(const struct move_out *out);

/* Copies bytes of it; returns how many: fewer than n only at its end. */
size_t move_out_read(struct move_out *out, uint64_t offset, void *to, size_t n);

/* ---- In */

/* Linux's number of a state; false for one that is none. */
bool move_state_of(uint32_t number, enum tcp_state *state);

/* What an image of CRIU's does not say. */
struct move_target {
	struct tcp_tuple tuple;
	enum tcp_state state;
};

struct move_in {
	struct image image; /* the head that was read; its texts are where they were read from */
	struct tcp_engine *engine;
	struct move_stats *stats;
	struct tcp_checkpoint saved; /* its chains: what has come */
	struct rte_mbuf *tail;       /* of the queue that is being filled */
	uint32_t recvq_left, sendq_left;
	char why[IMAGE_WHY_BYTES]; /* of a refusal: one sentence */
};

/*
 * Begins a connection by an image's head, of which all is there (image_head_wants()). What the
 * image does not say is taken from `target`; addresses that both say must be the same. NULL: none
 * are given. Returns 0, or a negative errno, with the reason in `why` and nothing to be cancelled:
 * -EINVAL if it cannot be read or be a connection; -EDESTADDRREQ without addresses.
 */
int move_in_begin(struct move_in *in, struct tcp_engine *engine, const void *head, size_t n,
		  const struct move_target *target, struct move_stats *stats);

/* The same by a head that has been read; what it points to must be there until the end. */
int move_in_begin_read(struct move_in *in, struct tcp_engine *engine, const struct image *image,
		       const struct move_target *target, struct move_stats *stats);

/*
 * Takes bytes of the queues, copying them. Returns how many: fewer than n at the image's end, when
 * move_in_wants() is 0, and for want of mbufs; -ENOBUFS if that left none: try again, or cancel.
 */
ssize_t move_in_more(struct move_in *in, const void *bytes, size_t n);

/* How many bytes of the queues are still to come. */
uint64_t move_in_wants(const struct move_in *in);

/*
 * Makes the connection, in repair. Returns 0; or the errors of tcp_restore(), -EINVAL also if bytes
 * are missing, with the reason in `why`. Nothing is left then but the reason.
 */
int move_in_end(struct move_in *in, struct tcp_conn **c);

/* Gives up what was begun. */
void move_in_cancel(struct move_in *in);

#endif
