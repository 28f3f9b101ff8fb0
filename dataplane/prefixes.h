/* SPDX-License-Identifier: BSD-3-Clause */
/* Which addresses ternd tells programs are Tern's: see lib/shm.h, and [programs] of ternd's
 * configuration. */
#ifndef TERN_DATAPLANE_PREFIXES_H
#define TERN_DATAPLANE_PREFIXES_H

#include "dataplane/config.h"
#include "lib/shm.h"

enum {
	/* Own addresses and their prefixes, what is configured, and the fixed ones. */
	PREFIXES_MAX = CONFIG_MAX_PORTS * 4 * CONFIG_MAX_ADDRESSES + 2 * CONFIG_MAX_PREFIXES + 8,
};

/* Writes up to PREFIXES_MAX entries. Returns how many. */
unsigned int prefixes_make(const struct config *config, struct shm_prefix *prefixes);

#endif
