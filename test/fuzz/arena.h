/* SPDX-License-Identifier: BSD-3-Clause */
/* What must hold of a gateway between two turns, whatever its programs wrote into their arenas. */
#ifndef TERN_TEST_FUZZ_ARENA_H
#define TERN_TEST_FUZZ_ARENA_H

#include "dataplane/gateway.h"

/* Ends the program if something does not hold. */
void arena_check_gateway(const struct gateway *gateway);

/* No program is attached any more: nothing is left of them. */
void arena_check_empty(const struct gateway *gateway);

#endif
