/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ternd's side of a hand-over between it and the kernel: addresses that it gets or gives, and
 * connections. Failures are told on stderr.
 */
#ifndef TERN_LIB_TERN_SIDE_H
#define TERN_LIB_TERN_SIDE_H

#include <stdint.h>

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
};

/* Gives ternd an address that the kernel has had. */
int tern_side_add_address(struct tern_side *side, const union endpoint *address, uint8_t prefix_len,
			  int port);

/* Takes one away, unless it was taken already; *address has the rest of it then. */
int tern_side_remove_address(struct tern_side *side, struct tern_address *address);

/* Takes away what was added, and gives back what was removed. */
void tern_side_undo(struct tern_side *side);
void tern_side_free(struct tern_side *side);

#endif
