/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the fuzz harnesses share. A harness is a program with libFuzzer's two functions,
 * LLVMFuzzerInitialize() and LLVMFuzzerTestOneInput(); linked with libFuzzer it looks for new
 * inputs, linked with replay.c it runs those that are given. An input that fails ends the program.
 *
 * Harnesses are deterministic: no clock, no chance, nothing left of one input when the next begins.
 */
#ifndef TERN_TEST_FUZZ_H
#define TERN_TEST_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <rte_mbuf.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* Ends the program unless the condition holds; the rest is a printf format and its arguments. */
#define FUZZ_CHECK(condition, ...)                                                                 \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			fprintf(stderr, "\n%s:%d: %s: ", __FILE__, __LINE__, #condition);          \
			fprintf(stderr, __VA_ARGS__);                                              \
			fputc('\n', stderr);                                                       \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

/* Tells what happens, if the environment has FUZZ_VERBOSE. */
extern bool fuzz_verbose;
#define FUZZ_SAY(...)                                                                              \
	do {                                                                                       \
		if (fuzz_verbose)                                                                  \
			fprintf(stderr, __VA_ARGS__);                                              \
	} while (0)

/* The input, read from its front; zeros behind its end. */
struct fuzz_input {
	const uint8_t *at, *end;
};

static inline size_t
fuzz_left(const struct fuzz_input *in)
{
	return (size_t)(in->end - in->at);
}

static inline uint8_t
fuzz_u8(struct fuzz_input *in)
{
	return in->at < in->end ? *in->at++ : 0;
}

static inline uint16_t
fuzz_u16(struct fuzz_input *in)
{
	uint8_t low = fuzz_u8(in);

	return (uint16_t)(low | fuzz_u8(in) << 8);
}

static inline uint32_t
fuzz_u32(struct fuzz_input *in)
{
	uint16_t low = fuzz_u16(in);

	return low | (uint32_t)fuzz_u16(in) << 16;
}

/* ---- Packet buffers */

enum fuzz_pool {
	FUZZ_POOL_HEADER,
	FUZZ_POOL_DATA,
	FUZZ_POOL_REF,
	FUZZ_POOL_RX,
	FUZZ_POOL_BARE, /* no room of their own, for fuzz_exact() */
	FUZZ_POOLS,
};

enum { FUZZ_POOL_BUFS = 1023 };

extern struct rte_mempool *fuzz_pools[FUZZ_POOLS];

/* Starts EAL and makes the pools; ends the program if it cannot. */
void fuzz_start(void);

/* All mbufs are back. */
void fuzz_check_pools(void);

/* The bytes in an mbuf of a pool. */
struct rte_mbuf *fuzz_pooled(const uint8_t *bytes, size_t n);
/* The bytes in memory of just their size: the sanitizer sees each byte read beyond. */
struct rte_mbuf *fuzz_exact(const uint8_t *bytes, size_t n);
/* The same, in mbufs of `step` bytes each; 0: in one. */
struct rte_mbuf *fuzz_chain(const uint8_t *bytes, size_t n, size_t step, bool exact);

/* FNV-1a of all bytes of a chain. */
uint64_t fuzz_hash(const struct rte_mbuf *m);

/* The same bytes in every run: a tcp_env.random; ctx points at the state, which is not 0. */
void fuzz_random(void *state, void *buf, size_t bytes);

/* Zeroed memory: a tcp_env.alloc and .free. */
void *fuzz_alloc(void *ctx, size_t bytes, size_t align);
void fuzz_free(void *ctx, void *memory);

#endif
