/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ternd's side of a hand-over between it and the kernel: addresses that it gets or gives, and
 * connections. Failures are told on stderr.
 */
#ifndef TERN_LIB_TERN_SIDE_H
#define TERN_LIB_TERN_SIDE_H

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "client.h"
#include "endpoint.h"

struct tern_address {
	union endpoint address;
	uint8_t prefix_len;
	int port;
};

/* All zero at first, but for the path of ternd's socket. */
struct tern_side {
	const char *path;
	struct tern_address *added, *removed; /* on the heap */
	unsigned int n_added, n_removed;
	struct client client; /* that ternd holds connections for */
	bool is_open;
};

/* Gives ternd an address that the kernel has had. */
int tern_side_add_address(struct tern_side *side, const union endpoint *address, uint8_t prefix_len,
			  int port);

/* Takes one away, unless it was taken already; *address has the rest of it then. */
int tern_side_remove_address(struct tern_side *side, struct tern_address *address);

/* Has ternd make connections of all images in a memfd, or of none. */
int tern_side_restore(const struct tern_side *side, int images, const char *service, bool listener);

/*
 * Has ternd hold connections still, all that `which` says (move_client.h) or none. Returns a memfd
 * with their images, or -1. They go on when the side is undone, or when the process ends.
 */
int tern_side_hold(struct tern_side *side, json_t *which);

/* They leave ternd without a packet. */
int tern_side_let_leave(struct tern_side *side);

/* Takes away what was added, gives back what was removed; what is held goes on. */
void tern_side_undo(struct tern_side *side);
void tern_side_free(struct tern_side *side);

#endif
