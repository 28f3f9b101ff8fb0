/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Sockets in repair (TCP_REPAIR). There everything is a call, whose answer is the engine's, and
 * none of them waits: a frozen queue neither fills nor empties by itself.
 */
#ifndef TERN_LIB_REPAIR_H
#define TERN_LIB_REPAIR_H

#include <stdbool.h>
#include <sys/types.h>

#include "file.h"

struct cursor;

static inline bool
repair_is_on(const struct file *file)
{
	return (__atomic_load_n(&file_status(file)->flags, __ATOMIC_ACQUIRE) & SHM_REPAIR) != 0;
}

/* Whether an option is TCP_REPAIR itself, which takes back what was delivered. */
bool repair_is_option(int level, int name);

enum {
	REPAIR_ON = 1,
	REPAIR_OFF_SILENTLY = -1,
};

/* Sets TCP_REPAIR, where nothing can be done about a refusal. */
void repair_set(const struct file *file, int value);

/* Looks into the chosen queue, over more than one answer's length. Returns bytes; -ESTALE if it is
 * in repair no more; the engine's errno. */
ssize_t repair_peek(const struct file *file, struct cursor *to, int flags);

#endif
