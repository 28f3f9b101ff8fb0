/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tcp/options.c: what a naive reading of RFC 9293 §3.2 says of arbitrary option bytes is what the
 * engine's decoder says, and what it encodes it decodes to the same.
 *
 * Input: one byte (bit 0: a SYN), then the options; and again as fields to encode.
 */
#include <string.h>

#include "fuzz.h"
#include "tcp/options.h"
#include "tcp/wire.h"

static uint32_t
number(const uint8_t *b, unsigned int n)
{
	uint32_t v = 0;

	while (n-- > 0)
		v = v << 8 | *b++;
	return v;
}

static void
naive_option(const uint8_t *o, unsigned int len, bool syn, struct tcp_options *to)
{
	if (o[0] == 2 && len == 4 && syn && number(o + 2, 2) != 0) {
		to->has_mss = true;
		to->mss = (uint16_t)number(o + 2, 2);
	} else if (o[0] == 3 && len == 3 && syn) {
		to->has_wscale = true;
		to->wscale_shift = o[2] > 14 ? 14 : o[2];
	} else if (o[0] == 4 && len == 2 && syn) {
		to->sack_permitted = true;
	} else if (o[0] == 8 && len == 10) {
		to->has_timestamps = true;
		to->ts_val = number(o + 2, 4);
		to->ts_ecr = number(o + 6, 4);
	} else if (o[0] == 5 && !syn && len > 2 && len % 8 == 2) {
		to->n_sack = (uint8_t)(len / 8 > 4 ? 4 : len / 8);
		for (unsigned int i = 0; i < to->n_sack; i++)
			to->sack[i] = (struct tcp_sack_block){number(o + 2 + 8 * i, 4),
							      number(o + 6 + 8 * i, 4)};
	}
}

static bool
naive_decode(const uint8_t *b, unsigned int n, bool syn, struct tcp_options *to)
{
	*to = (struct tcp_options){0};
	for (unsigned int i = 0; i < n && b[i] != 0;) {
		if (b[i] == 1) {
			i++;
			continue;
		}
		if (i + 1 >= n || b[i + 1] < 2 || i + b[i + 1] > n)
			return false;
		naive_option(b + i, b[i + 1], syn, to);
		i += b[i + 1];
	}
	return true;
}

static void
check_equal(const struct tcp_options *a, const struct tcp_options *b)
{
	FUZZ_CHECK(a->has_mss == b->has_mss && a->mss == b->mss, "MSS");
	FUZZ_CHECK(a->has_wscale == b->has_wscale && a->wscale_shift == b->wscale_shift, "scale");
	FUZZ_CHECK(a->has_timestamps == b->has_timestamps && a->ts_val == b->ts_val &&
			   a->ts_ecr == b->ts_ecr,
		   "timestamps");
	FUZZ_CHECK(a->sack_permitted == b->sack_permitted, "SACK-permitted");
	FUZZ_CHECK(a->n_sack == b->n_sack, "SACK: %u blocks, not %u", a->n_sack, b->n_sack);
	for (unsigned int i = 0; i < a->n_sack; i++)
		FUZZ_CHECK(a->sack[i].start == b->sack[i].start && a->sack[i].end == b->sack[i].end,
			   "SACK block %u", i);
}

/* In memory of just this size. */
static bool
decode(const uint8_t *bytes, unsigned int n, bool syn, struct tcp_options *to)
{
	uint8_t *exact = calloc(1, n > 0 ? n : 1);
	bool good;

	if (n > 0)
		memcpy(exact, bytes, n);
	good = tcp_options_decode(exact, n, syn, to);
	free(exact);
	return good;
}

static void
encode_syn(struct fuzz_input *in)
{
	uint8_t which = fuzz_u8(in), bytes[TCP_MAX_OPTION_BYTES];
	struct tcp_options from = {0}, to;
	unsigned int n;

	from.has_mss = which & 1;
	from.has_wscale = which >> 1 & 1;
	from.has_timestamps = which >> 2 & 1;
	from.sack_permitted = which >> 3 & 1;
	if (from.has_mss)
		from.mss = (uint16_t)(fuzz_u16(in) | 1);
	if (from.has_wscale)
		from.wscale_shift = fuzz_u8(in) % 15;
	if (from.has_timestamps) {
		from.ts_val = fuzz_u32(in);
		from.ts_ecr = fuzz_u32(in);
	}
	n = tcp_options_encode_syn(&from, bytes);
	FUZZ_CHECK(n <= sizeof(bytes) && n % 4 == 0, "%u bytes of options", n);
	FUZZ_CHECK(decode(bytes, n, true, &to), "our own options are bad");
	check_equal(&to, &from);
}

static void
encode_others(struct fuzz_input *in)
{
	struct tcp_options from = {0}, to;
	uint8_t bytes[TCP_MAX_OPTION_BYTES];
	uint8_t what = fuzz_u8(in);
	unsigned int n = 0;

	from.has_timestamps = what & 1;
	from.n_sack = (uint8_t)((what >> 1) % (from.has_timestamps ? 4 : 5));
	if (from.has_timestamps) {
		from.ts_val = fuzz_u32(in);
		from.ts_ecr = fuzz_u32(in);
		tcp_options_encode_timestamps(from.ts_val, from.ts_ecr, bytes);
		n = TCP_TIMESTAMPS_ALIGNED_BYTES;
	}
	for (unsigned int i = 0; i < from.n_sack; i++) {
		from.sack[i].start = fuzz_u32(in);
		from.sack[i].end = fuzz_u32(in);
	}
	if (from.n_sack > 0) {
		tcp_options_encode_sack(from.sack, from.n_sack, bytes + n);
		n += TCP_SACK_ALIGNED_BYTES(from.n_sack);
	}
	FUZZ_CHECK(n <= sizeof(bytes), "%u bytes of options", n);
	FUZZ_CHECK(decode(bytes, n, false, &to), "our own options are bad");
	check_equal(&to, &from);
}

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	return 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct fuzz_input in = {data, data + n};
	struct tcp_options ours, naive;
	bool good, syn;

	if (n == 0 || n > 1 + TCP_MAX_OPTION_BYTES)
		return 0;
	syn = data[0] & 1;
	good = decode(data + 1, (unsigned int)n - 1, syn, &ours);
	FUZZ_CHECK(good == naive_decode(data + 1, (unsigned int)n - 1, syn, &naive), "%d", good);
	if (good)
		check_equal(&ours, &naive);
	in.at++;
	encode_syn(&in);
	in.at = data + 1;
	encode_others(&in);
	return 0;
}
