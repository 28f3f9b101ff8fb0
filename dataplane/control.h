/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The control socket: a Unix stream socket on which a client writes one JSON request a line,
 * {"command": "...", ...}, and reads one JSON answer a line, {"ok": true, ...} or
 * {"ok": false, "error": "..."}. Long lists come as several answers with "more": true in all but
 * the last.
 *
 * All of it runs in the main thread, on one epoll descriptor, and never blocks: an answer waits in
 * its client's buffer, and the next part of a list is made only when the buffer is empty, so that a
 * slow client costs one part's memory and nobody's time. Requests of a client are answered in
 * order. Everything is bounded: a request's bytes, its depth (by jansson), the clients.
 */
#ifndef TERN_DATAPLANE_CONTROL_H
#define TERN_DATAPLANE_CONTROL_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include <jansson.h>

enum {
	CONTROL_REQUEST_BYTES = 4096, /* of a line, its end included */
	CONTROL_CLIENTS = 64,         /* more wait to be accepted */
};

struct control;

/* Where a list that is answered in parts has come to; zeroed at its begin. */
struct control_cursor {
	uint32_t lane;
	uint64_t at;
	bool more;           /* set by the handler: call again for the next part */
	struct ucred client; /* set by control: who asks */
	int client_fd;       /* set by control: its connection */
	int got_fd;  /* set by control: what came along with its requests, and is closed with the
			answer; -1: none */
	int pass_fd; /* set by the handler: goes along with the answer and is closed here; -1: none
		      */
};

/*
 * Answers a request; returns a new reference (control adds "ok", and "more"), or NULL with *error
 * set to a static string.
 */
typedef json_t *(*control_handler)(void *ctx, const char *command, const json_t *request,
				   struct control_cursor *cursor, const char **error);

/*
 * Takes the socket `folder`/`name`.sock; the folder is made if need be, and a socket that nobody
 * listens on any more is replaced. Returns NULL, after telling why, if it cannot be had: above all
 * because another ternd of this name runs. Root and the members of `group` may connect; (gid_t)-1:
 * our own.
 */
struct control *control_open(const char *folder, const char *name, gid_t group);

/* A client has gone; its connection's number is about to be free. */
typedef void (*control_gone)(void *ctx, int client_fd);

/* Answers from now on; until then clients wait. `gone` may be NULL. */
void control_serve(struct control *control, control_handler handler, control_gone gone, void *ctx);

/* To be watched for reading; then, control_run() does what there is to do. */
int control_fd(const struct control *control);
void control_run(struct control *control);

/* Drops all clients and answers no more; the socket stays ours. */
void control_stop(struct control *control);

/* The same, and removes the socket. NULL is ignored. */
void control_close(struct control *control);

#endif
