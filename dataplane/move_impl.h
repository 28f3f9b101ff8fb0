/* SPDX-License-Identifier: BSD-3-Clause */
/* What move_out.c and move_in.c share. */
#ifndef TERN_DATAPLANE_MOVE_IMPL_H
#define TERN_DATAPLANE_MOVE_IMPL_H

#include "dataplane/move.h"

/* Counters have one writer, the lane; others may read them at any time. */
#define MOVE_COUNT(stats, name, n)                                                                 \
	__atomic_store_n(&(stats)->name, (stats)->name + (n), __ATOMIC_RELAXED)

/* By enum tcp_state: Linux's TCP_ numbers. */
extern const uint8_t move_linux_states[TCP_STATES];

/* The head of a checkpoint's image. Returns its bytes; 0 if there is not enough room. */
size_t move_out_head(const struct tcp_checkpoint *saved, const struct move_service *service,
		     void *to, size_t size);

#endif
