/* SPDX-License-Identifier: BSD-3-Clause */
/* The guard against black holes, inside the engine: fastopen_guard.c. */
#ifndef TERN_TCP_FASTOPEN_GUARD_H
#define TERN_TCP_FASTOPEN_GUARD_H

#include <stdbool.h>

#include "fastopen.h"

/* Whether Fast Open is off now. *probing, if not: it was, and this connection shows whether it
 * works again. */
bool fastopen_guard_forbids(const struct tcp_engine *e, bool *probing);
/* A black hole was found; Fast Open works again. These tell nobody. */
void fastopen_guard_note(struct tcp_engine *e);
void fastopen_guard_clear(struct tcp_engine *e);

#endif
