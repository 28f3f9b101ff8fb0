/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What must hold of an engine whenever no call runs and everything is flushed. Ends the program if
 * something does not.
 */
#ifndef TERN_TEST_FUZZ_INVARIANTS_H
#define TERN_TEST_FUZZ_INVARIANTS_H

#include "tcp/engine.h"

/* The byte that both sides' payload has at a sequence number. */
uint8_t fuzz_byte(bool ours, uint32_t seq);

/* Whether all payload is fuzz_byte(): queues are then checked byte by byte. */
extern bool fuzz_payload_known;

/* All of it. */
void fuzz_check_engine(struct tcp_engine *e);

/* Sequence number of the first byte that the user has not read. */
seq_t fuzz_read_seq(const struct tcp_conn *c);

#endif
