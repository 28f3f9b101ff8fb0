/* SPDX-License-Identifier: BSD-3-Clause */
/* What `tern`'s commands ask ternd about connections that move. Failures are told on stderr. */
#ifndef TERN_LIB_MOVE_CLIENT_H
#define TERN_LIB_MOVE_CLIENT_H

#include <stdbool.h>

#include <jansson.h>

#include "client.h"

/* Whose the connections are to be. */
struct move_to {
	const char *service;        /* NULL: whom the image names, or who listens */
	bool listener;              /* who listens, in any case */
	const char *local, *remote; /* "ADDRESS:PORT", of an image that names none; or NULL */
	bool together;              /* all of them, or none */
};

/*
 * Has ternd make connections of the images in a memfd, which is sealed here and stays the caller's.
 * Returns the answer, {"restored", "queued", "failures", "failed": [{"image", "local", "remote",
 * "error"}]}; NULL if there is none.
 */
json_t *move_restore(struct client *client, int memfd, const struct move_to *to);

/*
 * Asks for a checkpoint: {"local", "remote"}, {"service"}, {"pid"} or {"all"}, perhaps with "keep"
 * and the last answer's "next"; the reference is taken. Returns the answer, {"images", "bytes",
 * "queued", "failures", "failed", "next"}, with the memfd in *memfd, -1 if there are no images.
 * Without "keep", the connections are held until move_checkpoint_end(), or until the client closes.
 */
json_t *move_checkpoint(struct client *client, json_t *which, int *memfd);

/* They leave, or go on. Returns 0, or -1 if ternd does not say that they do. */
int move_checkpoint_end(struct client *client, bool leave);

/* No more will be restored: what is unknown is answered again. */
void move_restore_end(struct client *client);

#endif
