/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a lane is asked to do with connections that move: ASK_CHECKPOINT, ASK_CHECKPOINT_END,
 * ASK_RESTORE and ASK_RESTORE_PEERS, for the control socket's commands.
 *
 *     checkpoint   chooses connections, holds each, and writes its image   again until `over`
 *     end          of those that are held: they leave silently, or go on   again until all are done
 *     restore      makes connections of images, and finds them a user      again until all are done
 *     peers        those that were idle ask their peers what they have     again until all are done
 *
 * Each question does one slice, of LANE_MOVE_CONNS connections or LANE_MOVE_BYTES bytes of images:
 * a hundred microseconds or two at the most, what a full burst of packets takes, so that other
 * connections of the lane do not notice. A long image takes several slices, its connection being
 * frozen between them.
 */
#ifndef TERN_DATAPLANE_LANE_MOVES_H
#define TERN_DATAPLANE_LANE_MOVES_H

#include "dataplane/lane.h"
#include "dataplane/move.h"

enum {
	LANE_MOVE_CONNS = 64,
	LANE_MOVE_BYTES = 256 << 10,
	LANE_MOVE_WHY = TERN_SERVICE_WHY_BYTES,
};

/* Which connections. */
enum lane_move_who {
	LANE_MOVE_ALL, /* of services and programs, those that they have closed, or not accepted */
	LANE_MOVE_TUPLE,
	LANE_MOVE_SERVICE,
	LANE_MOVE_PROCESS,
};

/* What became of one. */
struct lane_moved {
	struct tcp_tuple tuple;
	int error;      /* positive errno; 0: it went well */
	uint64_t bytes; /* of its queues */
	char *why;      /* room for LANE_MOVE_WHY; of an error: one sentence */
};

/* An image to make a connection of, and what became of it. */
struct lane_image {
	const uint8_t *at; /* does not change while the lane reads it */
	uint64_t bytes;
	uint32_t head_bytes;
	int service;                      /* that gets it, by its place; -1: who listens there */
	const struct image *image;        /* its head, read: until the lane is done with it */
	const struct move_target *target; /* what the image does not say; NULL: nothing is known */
	struct lane_moved moved;
	uint8_t lane; /* whose it will be */
	bool orphan;  /* its user had closed it */
	bool asks;    /* it goes on, and is to ask its peer */
};

/* Belongs to who asks, and stays from one question to the next. */
struct lane_moves {
	struct lane_request *request; /* that the last question was; NULL: none was answered */

	/* ---- Checkpoint */
	enum lane_move_who who;
	struct tcp_tuple tuple;
	unsigned int service;
	int32_t pid;
	bool keep;       /* they go on at once */
	bool enough;     /* no more are begun: the one under way is finished */
	uint64_t cursor; /* of tcp_walk() */
	bool over;       /* answered: none is left */
	uint8_t *to;     /* LANE_MOVE_BYTES of room, at least; images lie one behind the other */
	uint64_t bytes;  /* answered: of images, that were written */
	unsigned int n;  /* answered: entries that follow */
	struct lane_moved moved[LANE_MOVE_CONNS];
	char whys[LANE_MOVE_CONNS][LANE_MOVE_WHY]; /* theirs */

	/* The connection whose image is under way. */
	struct tcp_conn *c;
	uint64_t image_bytes, image_done;
	bool one_slice; /* nothing can have come for it meanwhile */
	struct move_out out;

	/* ---- End: of `held`, those from `next` on */
	bool leave;
	const struct tcp_tuple *held;
	uint32_t n_held, next;
	uint32_t gone; /* answered: were not there any more */

	/* ---- Restore: of `images`, those from `next` on that are this lane's and not refused yet.
	 * ASK_RESTORE_END: by `leave`, as above. ASK_RESTORE_PEERS: those that are to ask */
	bool together; /* they stay in repair until that */
	struct lane_image *images;
	uint32_t n_images;
	bool reading; /* in the middle of one, `done` bytes of it are read */
	uint64_t done;
	uint32_t waits; /* questions in which no buffer was free for it */
	struct move_in in;
};

/* One slice; by the lane. */
void lane_moves_checkpoint(struct lane *lane, struct lane_moves *m);
/* Lets go on what the last slice holds. */
void lane_moves_undo(struct lane *lane, struct lane_moves *m);
void lane_moves_end(struct lane *lane, struct lane_moves *m);
/* Refuses those that are alive in this lane, and are to be another's. */
void lane_moves_restore_check(struct lane *lane, struct lane_moves *m);
void lane_moves_restore(struct lane *lane, struct lane_moves *m);
void lane_moves_restore_end(struct lane *lane, struct lane_moves *m);
void lane_moves_restore_peers(struct lane *lane, struct lane_moves *m);

#endif
