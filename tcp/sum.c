/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A sum of 16-bit words with its carries brought round is the same whatever the width that it is
 * taken in (RFC 1071 §2 C): eight bytes at a time with an add and its carry, or 32 in a register
 * of AVX2, where the halves of each 64-bit lane are added up apart and never overflow.
 *
 * Bulk is bound by this: a receiver without a device that checks reads each byte here for the first
 * time. So what is long goes the wide way where the processor has it, which is asked once.
 */
#include "sum.h"

#include <string.h>

static uint64_t
load64(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static uint32_t
load32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static uint16_t
load16(const uint8_t *p)
{
	uint16_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

/* With the carry brought round. */
static uint64_t
add(uint64_t sum, uint64_t v)
{
	sum += v;
	return sum + (sum < v);
}

static uint16_t
fold(uint64_t sum)
{
	sum = (sum >> 32) + (uint32_t)sum;
	sum = (sum >> 32) + (uint32_t)sum;
	sum = (sum >> 16) + (sum & 0xffff);
	sum = (sum >> 16) + (sum & 0xffff);
	return (uint16_t)((sum >> 16) + (sum & 0xffff));
}

static uint64_t
sum_on(uint64_t sum, const uint8_t *p, uint32_t bytes)
{
	uint64_t other = 0; /* two sums: neither addition waits for the other's carry */

	for (; bytes >= 16; bytes -= 16, p += 16) {
		sum = add(sum, load64(p));
		other = add(other, load64(p + 8));
	}
	sum = add(sum, other);
	if (bytes & 8) {
		sum = add(sum, load64(p));
		p += 8;
	}
	if (bytes & 4) {
		sum = add(sum, load32(p));
		p += 4;
	}
	if (bytes & 2) {
		sum = add(sum, load16(p));
		p += 2;
	}
	if (bytes & 1) {
		uint8_t last[2] = {*p, 0};

		sum = add(sum, load16(last));
	}
	return sum;
}

uint16_t
tcp_sum_plain(const void *data, uint32_t bytes)
{
	return fold(sum_on(0, data, bytes));
}

#ifdef __x86_64__

#include <immintrin.h>

enum {
	WIDE_BYTES = 64,
	WIDE_MIN_BYTES = 128, /* below it the plain way is as fast */
};

__attribute__((target("avx2"))) static uint16_t
sum_wide(const uint8_t *p, uint32_t bytes)
{
	const __m256i low_half = _mm256_set1_epi64x(UINT32_MAX);
	__m256i low = _mm256_setzero_si256(), high = low;
	uint64_t lanes[4];

	for (; bytes >= WIDE_BYTES; bytes -= WIDE_BYTES, p += WIDE_BYTES) {
		__m256i a = _mm256_loadu_si256((const __m256i *)(const void *)p);
		__m256i b = _mm256_loadu_si256((const __m256i *)(const void *)(p + 32));

		low = _mm256_add_epi64(low, _mm256_and_si256(a, low_half));
		high = _mm256_add_epi64(high, _mm256_srli_epi64(a, 32));
		low = _mm256_add_epi64(low, _mm256_and_si256(b, low_half));
		high = _mm256_add_epi64(high, _mm256_srli_epi64(b, 32));
	}
	/* Fewer than 2^32 values of 32 bits each: no lane has overflowed, nor do four of them. */
	_mm256_storeu_si256((__m256i *)(void *)lanes, _mm256_add_epi64(low, high));
	return fold(sum_on(lanes[0] + lanes[1] + lanes[2] + lanes[3], p, bytes));
}

uint16_t
tcp_sum(const void *data, uint32_t bytes)
{
	if (bytes >= WIDE_MIN_BYTES && __builtin_cpu_supports("avx2"))
		return sum_wide(data, bytes);
	return tcp_sum_plain(data, bytes);
}

#else

uint16_t
tcp_sum(const void *data, uint32_t bytes)
{
	return tcp_sum_plain(data, bytes);
}

#endif
