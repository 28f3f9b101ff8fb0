/* SPDX-License-Identifier: BSD-3-Clause */
/* What middle boxes do to SYNs that carry more than they expect. */
#ifndef TERN_TEST_MIDDLEBOX_H
#define TERN_TEST_MIDDLEBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum middlebox {
	MIDDLEBOX_NONE,
	MIDDLEBOX_STRIP_DATA,   /* a SYN loses its payload */
	MIDDLEBOX_STRIP_OPTION, /* the Fast Open option becomes NOPs, also in the SYN-ACK */
	MIDDLEBOX_STRIP_SMC,    /* the SMC option becomes NOPs, in SYNs and SYN-ACKs */
	MIDDLEBOX_DROP_DATA,    /* a SYN with payload is dropped */
	MIDDLEBOX_DROP_OPTION,  /* a SYN with a Fast Open option is dropped */
	MIDDLEBOX_BLACK_HOLE,   /* and so is everything that its connection sends from then on */
};

/* By its name on the command line, like "strip-data"; false if there is none. */
bool middlebox_named(const char *name, enum middlebox *kind);

/* A frame on its way: true if it goes on, perhaps shorter or with other options. `*touched` counts
   those that it changed or dropped. */
bool middlebox_treat(enum middlebox kind, uint8_t *frame, size_t *bytes, uint64_t *touched);

#endif
