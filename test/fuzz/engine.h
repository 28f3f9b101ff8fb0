/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One small engine for all inputs of a harness: making the flow table takes longer than an input.
 * When an input has ended, everything is aborted and time passes until nothing is left; that is
 * checked, and the engine is put back to what it was at first.
 */
#ifndef TERN_TEST_FUZZ_ENGINE_H
#define TERN_TEST_FUZZ_ENGINE_H

#include "fuzz.h"
#include "tcp/engine.h"

enum {
	FUZZ_CONNS = 8,
	FUZZ_REQUESTS = 6,
	FUZZ_TIMEWAIT = 3,
	FUZZ_HELD_BUFS = 400,
};

/* Half a second before 2^32 ms, which is also a multiple of 2^32 us: whatever can wrap does. */
#define FUZZ_START_US ((UINT64_C(1) << 32) * 1000 - 500000)

/* Makes the engine. */
struct tcp_engine *fuzz_engine_make(const struct tcp_env *env);

/* Puts it back to FUZZ_START_US and Linux's defaults; it must be empty. */
void fuzz_engine_restart(struct tcp_engine *e);

/*
 * Nobody owns a connection any more: lets time pass until the engine is empty. Fails if it does not
 * come to rest. Returns the time then.
 */
uint64_t fuzz_engine_drain(struct tcp_engine *e, uint64_t now_us);

#endif
