/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Found before the compiler's own of this name, which DPDK's <rte_vect.h> includes: all intrinsics
 * of all processors, three quarters of a compilation. Of them DPDK's headers use what the processor
 * that is compiled for has: SSE 4 and less, unless the compiler is told of AVX; then it is the
 * compiler's own. A file that calls others, for a function with a target of its own, includes
 * <immintrin.h>.
 */
#ifndef TERN_DPDK_X86INTRIN_H
#define TERN_DPDK_X86INTRIN_H

#if defined __AVX__ || !defined __SSE4_1__
#include_next <x86intrin.h>
#else
#include <smmintrin.h>
#endif

#endif
