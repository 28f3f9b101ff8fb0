/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which addresses are Tern's and which the kernel's, as ternd has told this process (shm.h). A
 * process that is attached may ask; it is no cost to ask often.
 */
#ifndef TERN_LIB_PREFIX_H
#define TERN_LIB_PREFIX_H

#include <stdbool.h>
#include <stdint.h>

#include "shm.h"

/* Neither needs to be asked for, nor an attachment: loopback and the any-address. */
bool prefix_is_local(const struct shm_endpoint *to);
bool prefix_is_any(const struct shm_endpoint *to);

/* Whether an address is one of ternd's. */
bool prefix_is_own(const struct shm_endpoint *local);

/* Whether a connection to it goes through Tern. */
bool prefix_is_reached(const struct shm_endpoint *to);

#endif
