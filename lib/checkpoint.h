/* SPDX-License-Identifier: BSD-3-Clause */
/* What checkpoint.c and restore.c share: pieces of images, and why something was refused. */
#ifndef TERN_LIB_CHECKPOINT_H
#define TERN_LIB_CHECKPOINT_H

#include <stddef.h>
#include <stdint.h>

#include "file.h"
#include "image.h"
#include "payload.h"

/* This thread's, of its last call. */
extern __thread char checkpoint_reason[IMAGE_WHY_BYTES];

/* Says why, in a sentence, or in the errno's own words; return the status. */
__attribute__((format(printf, 2, 3))) int checkpoint_refuse(int status, const char *format, ...);
int checkpoint_refuse_plainly(int status);

/*
 * A request of a piece: `how` is SHM_MOVE_... bits, `piece` names a payload and bytes. Returns the
 * answer, with *moved; a refusal is said. The library's payload is held.
 */
int checkpoint_piece(const struct file *file, enum shm_op op, uint32_t how, size_t offset,
		     uint64_t piece, const struct shm_target *target, struct shm_moved *moved);

static inline uint64_t
checkpoint_piece_of(int index, size_t bytes)
{
	return (uint64_t)index << 32 | (bytes < SHM_PAYLOAD_MAX ? bytes : SHM_PAYLOAD_MAX);
}

/* Ends what was begun; the reason that was said stays. */
void checkpoint_cancel(const struct file *file, enum shm_op op, int index);

#endif
