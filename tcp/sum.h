/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The Internet checksum's sum over plain memory, RFC 1071: 16-bit words as they lie there, the last
 * byte of an odd number padded with 0; folded, not complemented.
 */
#ifndef TERN_TCP_SUM_H
#define TERN_TCP_SUM_H

#include <stdint.h>

uint16_t tcp_sum(const void *data, uint32_t bytes);

/* The same by plain instructions, whatever the processor has: what tests compare it with. */
uint16_t tcp_sum_plain(const void *data, uint32_t bytes);

#endif
