/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The arena's payloads: memory of SHM_PAYLOAD_MAX bytes each that a request may name. The program
 * fills in all but the last one to send from them (tern_send_zc()); the last one is the library's
 * own, for what takes more than a reply has room for.
 */
#ifndef TERN_LIB_PAYLOAD_H
#define TERN_LIB_PAYLOAD_H

#include <signal.h>
#include <stdint.h>

#include "arena.h"

/* A payload to be filled in; waits for the lane if need be. Returns its index; -ENOBUFS if the
 * program has all of them, -ECONNRESET when ternd has gone. */
int payload_take(void);

uint8_t *payload_memory(int index);

/* The payload that begins there and is filled in; -1: none. */
int payload_find(const void *buffer);

/* It is free: at once, or when the lane has come as far as the mark. */
void payload_give_back(int index, const struct arena_mark *mark);

/*
 * The library's own; attached. Returns its index. Until it is let go it is this thread's alone, and
 * no signal is handled by it.
 */
int payload_hold_own(sigset_t *old);
void payload_let_go(const sigset_t *old);

/* In a child, after fork: the payloads are the parent's. */
void payload_reset(void);

#endif
