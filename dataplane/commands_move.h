/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Connections that move by the control socket: commands_checkpoint.c, commands_restore.c.
 *
 *     {"command": "checkpoint", which...}       images of up to COMMANDS_MOVE_BYTES in a memfd,
 * their connections held; "next" if there are more
 *     {"command": "checkpoint-end", "leave": b} those of this client leave silently, or go on
 *     {"command": "restore", ...} and a memfd   makes connections of its images
 *     {"command": "restore-end"}                no more will come: ternd --restoring answers all
 * again
 *
 * They take over what others talk to, so they are for those who may set TCP_REPAIR: root, and
 * the members of [programs] repair_group. A client that goes before its "checkpoint-end" lets its
 * connections go on.
 */
#ifndef TERN_DATAPLANE_COMMANDS_MOVE_H
#define TERN_DATAPLANE_COMMANDS_MOVE_H

#include <jansson.h>

#include "dataplane/control.h"
#include "dataplane/daemon.h"
#include "dataplane/lane_moves.h"

enum {
	COMMANDS_MOVE_BYTES = 64 << 20, /* of images, after which no other is begun */
	COMMANDS_MOVE_CONNS = 8192,     /* likewise */
	COMMANDS_MOVE_TOLD = 8,         /* refusals on the log, of each request */
};

json_t *commands_checkpoint(struct daemon *daemon, const json_t *request,
			    struct control_cursor *cursor, const char **error);
json_t *commands_checkpoint_end(struct daemon *daemon, const json_t *request,
				struct control_cursor *cursor, const char **error);
json_t *commands_restore(struct daemon *daemon, const json_t *request,
			 struct control_cursor *cursor, const char **error);
json_t *commands_restore_end(struct daemon *daemon, const json_t *request,
			     struct control_cursor *cursor, const char **error);

/* A client has gone; a control_gone. */
void commands_client_gone(void *daemon, int client_fd);

/* ---- What both have */

/* Whether the client may; sets *error if not. */
bool commands_may_move(const struct daemon *daemon, const struct control_cursor *cursor,
		       const char **error);

/* "local" and "remote" of a request, "IP:PORT" each. False, with *error set, if they are none. */
bool commands_tuple(const json_t *request, struct tcp_tuple *tuple, const char **error);

/* The service of that name, by its place; -1 with *error set. */
int commands_service(const struct daemon *daemon, const char *name, const char **error);

/* What went wrong with a connection: {"local", "remote", "error"}. Tells the log, too. */
json_t *commands_moved(const struct daemon *daemon, const char *what,
		       const struct lane_moved *moved, unsigned int told);

/* Has a lane do a slice. Returns 0, or -1: it is stuck, and has `moves` for ever. */
int commands_slice(struct lane *lane, enum lane_request_kind kind, struct lane_moves *moves);

/* The same in two steps, of which each can fail: the lane works on it between them. */
int commands_slice_begin(struct lane *lane, enum lane_request_kind kind, struct lane_moves *moves);
int commands_slice_end(struct lane_moves *moves);

/* Of calloc(); NULL is none. */
void commands_moves_free(struct lane_moves *moves);

uint64_t commands_clock_us(void);

#endif
