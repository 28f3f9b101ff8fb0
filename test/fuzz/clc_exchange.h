/* SPDX-License-Identifier: BSD-3-Clause */
/* tcp/clc_exchange.c in the CLC harness: a server's side of it, fed with arbitrary bytes. */
#ifndef TERN_TEST_FUZZ_CLC_EXCHANGE_H
#define TERN_TEST_FUZZ_CLC_EXCHANGE_H

#include "engine.h"

/* Makes the engine. */
void exchange_start(void);

/*
 * A peer connects with the SMC option and sends n bytes in segments of `step`. If they begin with a
 * message that a server takes, of `message` bytes, the connection is accepted and its user reads
 * all that follows, and nothing else; if that is 0 it is not accepted.
 */
void exchange_check(const uint8_t *stream, size_t n, size_t step, size_t message);

#endif
