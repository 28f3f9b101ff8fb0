/* SPDX-License-Identifier: BSD-3-Clause */
/* tcp/options.c: every kind, every wrong length, every end of the buffer. */
#include "unit.h"

#include "tcp/options.h"
#include "tcp/wire.h"

/* In memory of just this size, so that a sanitizer sees a byte too many read. */
static bool
decode(const void *bytes, unsigned int n, bool is_syn, struct tcp_options *opt)
{
	uint8_t *exact = malloc(n > 0 ? n : 1);
	bool good;

	memcpy(exact, bytes, n);
	good = tcp_options_decode(exact, n, is_syn, opt);
	free(exact);
	return good;
}

UNIT_CASE(linux_syn_is_understood)
{
	static const uint8_t syn[] = {2, 4, 0x05, 0xb4, 4, 2, 8, 10, 0, 0,
				      0, 1, 0,    0,    0, 2, 1, 3,  3, 7};
	struct tcp_options opt;

	CU_ASSERT(decode(syn, sizeof(syn), true, &opt));
	CU_ASSERT(opt.has_mss && opt.has_wscale && opt.has_timestamps && opt.sack_permitted);
	UNIT_EQ(opt.mss, 1460);
	UNIT_EQ(opt.wscale_shift, 7);
	UNIT_EQ(opt.ts_val, 1);
	UNIT_EQ(opt.ts_ecr, 2);
}

UNIT_CASE(syn_options_count_in_syns_only)
{
	static const uint8_t bytes[] = {2, 4, 0x05, 0xb4, 1, 3, 3, 7, 4, 2};
	struct tcp_options opt;

	CU_ASSERT(decode(bytes, sizeof(bytes), false, &opt));
	CU_ASSERT(!opt.has_mss && !opt.has_wscale && !opt.sack_permitted);
}

UNIT_CASE(window_scale_is_capped_at_14)
{
	struct tcp_options opt;

	CU_ASSERT(decode("\x03\x03\x0f", 3, true, &opt));
	UNIT_EQ(opt.wscale_shift, 14);
}

UNIT_CASE(wrong_lengths_of_known_kinds_are_ignored)
{
	struct tcp_options opt;

	CU_ASSERT(
		decode("\x02\x03\x05\x03\x04\x01\x02\x04\x03\x00\x08\x04\x01\x01", 14, true, &opt));
	CU_ASSERT(!opt.has_mss && !opt.has_wscale && !opt.has_timestamps && !opt.sack_permitted);
	CU_ASSERT(decode("\x02\x04\x00\x00", 4, true, &opt));
	CU_ASSERT(!opt.has_mss);
}

UNIT_CASE(lengths_that_lead_nowhere_are_refused)
{
	struct tcp_options opt;

	CU_ASSERT(!decode("\x08\x00\x01\x01", 4, false, &opt));
	CU_ASSERT(!decode("\x08\x01\x01\x01", 4, false, &opt));
	CU_ASSERT(!decode("\x01\x01\x08\x0a", 4, false, &opt));
	CU_ASSERT(!decode("\x01\x01\x01\x08", 4, false, &opt));
	CU_ASSERT(!decode("\xfd\x00\x00\x00", 4, true, &opt));
	CU_ASSERT(!decode("\x02\x04\x05\xb4\x03\x04\x00", 7, true, &opt));
}

UNIT_CASE(nothing_behind_the_end_counts)
{
	struct tcp_options opt;

	CU_ASSERT(decode("\x00\x08\x00\x00", 4, false, &opt));
	CU_ASSERT(!opt.has_timestamps);
	CU_ASSERT(decode("", 0, true, &opt));
}

UNIT_CASE(unknown_kinds_are_skipped)
{
	struct tcp_options opt;

	CU_ASSERT(decode("\xfe\x06\xe2\xd4\xc3\xd9\x02\x04\x05\xb4", 10, true, &opt));
	UNIT_EQ(opt.mss, 1460);
}

UNIT_CASE(what_is_encoded_is_decoded)
{
	for (unsigned int bits = 0; bits < 16; bits++) {
		struct tcp_options in = {
			.has_mss = bits & 1,
			.has_wscale = bits >> 1 & 1,
			.has_timestamps = bits >> 2 & 1,
			.sack_permitted = bits >> 3 & 1,
			.mss = bits & 1 ? 1460 : 0,
			.wscale_shift = bits & 2 ? 9 : 0,
			.ts_val = bits & 4 ? 0x01020304 : 0,
			.ts_ecr = bits & 4 ? 0xfffefdfc : 0,
		};
		uint8_t bytes[TCP_MAX_OPTION_BYTES];
		unsigned int n = tcp_options_encode_syn(&in, bytes);
		struct tcp_options out;

		UNIT_EQ(n % 4, 0);
		CU_ASSERT_FATAL(n <= sizeof(bytes) && decode(bytes, n, true, &out));
		CU_ASSERT(in.has_mss == out.has_mss && in.mss == out.mss);
		CU_ASSERT(in.has_wscale == out.has_wscale && in.wscale_shift == out.wscale_shift);
		CU_ASSERT(in.has_timestamps == out.has_timestamps && in.ts_val == out.ts_val &&
			  in.ts_ecr == out.ts_ecr);
		CU_ASSERT(in.sack_permitted == out.sack_permitted);
	}
}

UNIT_CASE(timestamps_take_the_short_way)
{
	uint8_t bytes[TCP_TIMESTAMPS_ALIGNED_BYTES];
	struct tcp_options opt;

	tcp_options_encode_timestamps(5, 6, bytes);
	CU_ASSERT(memcmp(bytes, "\x01\x01\x08\x0a\0\0\0\x05\0\0\0\x06", 12) == 0);
	CU_ASSERT(decode(bytes, sizeof(bytes), false, &opt));
	CU_ASSERT(opt.has_timestamps && opt.ts_val == 5 && opt.ts_ecr == 6);
}

/* A SYN's options with this cookie, in both kinds, with and without timestamps. */
static unsigned int
encode_cookie(bool timestamps, bool experimental, uint8_t len, uint8_t *bytes)
{
	struct tcp_options opt = {
		.has_mss = true,
		.mss = 1460,
		.sack_permitted = true,
		.has_timestamps = timestamps,
		.ts_val = 0x01020304,
		.has_wscale = true,
		.wscale_shift = 7,
		.has_fastopen = true,
		.fastopen = {.len = len, .experimental = experimental},
	};

	for (size_t i = 0; i < sizeof(opt.fastopen.bytes); i++)
		opt.fastopen.bytes[i] = (uint8_t)(0xa0 + i);
	return tcp_options_encode_syn(&opt, bytes);
}

UNIT_CASE(fastopen_request_is_encoded)
{
	static const uint8_t with_ts[] = {2, 4, 5, 0xb4, 4, 2, 8, 10, 1,  2, 3, 4,
					  0, 0, 0, 0,    1, 3, 3, 7,  34, 2, 1, 1};
	static const uint8_t without[] = {2, 4, 5, 0xb4, 1, 1, 4, 2, 1, 3, 3, 7, 34, 2, 1, 1};
	static const uint8_t exp[] = {2, 4, 5, 0xb4, 1, 1, 4, 2, 1, 3, 3, 7, 254, 4, 0xf9, 0x89};
	uint8_t bytes[TCP_MAX_OPTION_BYTES];

	UNIT_EQ(encode_cookie(true, false, 0, bytes), sizeof(with_ts));
	CU_ASSERT(memcmp(bytes, with_ts, sizeof(with_ts)) == 0);
	UNIT_EQ(encode_cookie(false, false, 0, bytes), sizeof(without));
	CU_ASSERT(memcmp(bytes, without, sizeof(without)) == 0);
	UNIT_EQ(encode_cookie(false, true, 0, bytes), sizeof(exp));
	CU_ASSERT(memcmp(bytes, exp, sizeof(exp)) == 0);
}

/* What a cookie takes beside MSS, SACK-permitted, timestamps and window scale: never too much. */
UNIT_CASE(fastopen_cookies_of_every_length_fit)
{
	static const struct {
		uint8_t len, bytes, bytes_exp;
	} rows[] = {{0, 24, 24},  {4, 28, 28},  {6, 28, 32},  {8, 32, 32},
		    {10, 32, 36}, {12, 36, 36}, {14, 36, 40}, {16, 40, 40}};
	uint8_t bytes[TCP_MAX_OPTION_BYTES + 16];
	struct tcp_options opt;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		for (int exp = 0; exp < 2; exp++) {
			unsigned int n = encode_cookie(true, exp != 0, rows[i].len, bytes);

			UNIT_EQ(n, exp ? rows[i].bytes_exp : rows[i].bytes);
			CU_ASSERT(decode(bytes, n, true, &opt));
			CU_ASSERT(opt.has_fastopen && opt.has_wscale && opt.has_timestamps);
			UNIT_EQ(opt.fastopen.len, rows[i].len);
			UNIT_EQ(opt.fastopen.experimental, exp);
			for (uint8_t j = 0; j < rows[i].len; j++)
				UNIT_EQ(opt.fastopen.bytes[j], 0xa0 + j);
			CU_ASSERT(decode(bytes, n, false, &opt) && !opt.has_fastopen);
		}
	}
}

UNIT_CASE(fastopen_of_a_wrong_length_is_none)
{
	struct tcp_options opt;

	CU_ASSERT(decode("\x22\x04\x01\x02", 4, true, &opt) && !opt.has_fastopen);
	CU_ASSERT(decode("\x22\x07\x01\x02\x03\x04\x05\x01", 8, true, &opt) && !opt.has_fastopen);
	CU_ASSERT(decode("\x22\x14"
			 "123456789012345678",
			 20, true, &opt) &&
		  !opt.has_fastopen);
	CU_ASSERT(decode("\xfe\x06\xf9\x89\x01\x02\x01\x01", 8, true, &opt) && !opt.has_fastopen);
	CU_ASSERT(decode("\xfe\x05\xf9\x89\x01\x01\x01\x01", 8, true, &opt) && !opt.has_fastopen);
	CU_ASSERT(decode("\xfe\x03\xf9\x01", 4, true, &opt) && !opt.has_fastopen);
	/* Another's experiment, RFC 6994. */
	CU_ASSERT(decode("\xfe\x06\xe2\xd4\xc3\xd9\x01\x01", 8, true, &opt) && !opt.has_fastopen);
	/* Of two the last counts, unless it is odd. */
	CU_ASSERT(decode("\x22\x02\x22\x06\x01\x02\x03\x04", 8, true, &opt) && opt.has_fastopen);
	UNIT_EQ(opt.fastopen.len, 4);
	CU_ASSERT(decode("\x22\x02\x22\x04\x01\x02", 6, true, &opt) && !opt.has_fastopen);
	CU_ASSERT(decode("\x22\x02\x22\x03\x01\x01", 6, true, &opt) && opt.has_fastopen);
	UNIT_EQ(opt.fastopen.len, 0);
}

static const uint8_t smc_option[] = {1, 1, 254, 6, 0xe2, 0xd4, 0xc3, 0xd9};

/* What is left of the 40 bytes decides; with timestamps a Fast Open cookie leaves little. */
UNIT_CASE(smc_takes_what_is_left)
{
	static const struct {
		uint8_t len; /* of the cookie; 0: a request */
		uint8_t of34, of254;
		bool with34, with254; /* SMC fits behind it */
	} rows[] = {
		{0, 24, 24, true, true},    {4, 28, 28, true, true},    {6, 28, 32, true, true},
		{8, 32, 32, true, true},    {10, 32, 36, true, false},  {12, 36, 36, false, false},
		{14, 36, 40, false, false}, {16, 40, 40, false, false},
	};

	uint8_t bytes[TCP_MAX_OPTION_BYTES], same[TCP_MAX_OPTION_BYTES];
	struct tcp_options opt;

	for (size_t i = 0; i < 2 * sizeof(rows) / sizeof(rows[0]); i++) {
		bool exp = i % 2 != 0;
		uint8_t len = rows[i / 2].len;
		unsigned int alone = exp ? rows[i / 2].of254 : rows[i / 2].of34;
		bool fits = exp ? rows[i / 2].with254 : rows[i / 2].with34;
		unsigned int n = encode_cookie(true, exp, len, bytes), all = fits ? n + 8 : n;

		UNIT_EQ(n, alone);
		memcpy(same, bytes, n);
		UNIT_EQ(tcp_options_append_smc(bytes, n), all);
		CU_ASSERT(memcmp(bytes, same, n) == 0);
		if (fits)
			CU_ASSERT(memcmp(bytes + n, smc_option, sizeof(smc_option)) == 0);
		CU_ASSERT(decode(bytes, all, true, &opt));
		CU_ASSERT(opt.smc == fits && opt.has_fastopen && opt.fastopen.len == len);
		CU_ASSERT(decode(bytes, all, false, &opt) && !opt.smc);
		/* Without timestamps there is always room for both. */
		n = encode_cookie(false, exp, len, bytes);
		UNIT_EQ(n, alone - 8);
		UNIT_EQ(tcp_options_append_smc(bytes, n), alone);
		CU_ASSERT(memcmp(bytes + n, smc_option, sizeof(smc_option)) == 0);
	}
}

UNIT_CASE(smc_is_read_strictly)
{
	struct tcp_options opt;
	uint8_t bytes[TCP_MAX_OPTION_BYTES] = {254, 0, 0xe2, 0xd4, 0xc3, 0xd9};

	for (unsigned int len = 2; len <= sizeof(bytes); len++) {
		bytes[1] = (uint8_t)len;
		CU_ASSERT(decode(bytes, len, true, &opt));
		CU_ASSERT(opt.smc == (len >= 6 && len % 2 == 0));
		CU_ASSERT(decode(bytes, len, false, &opt) && !opt.smc);
	}
	CU_ASSERT(decode("\xfd\x06\xe2\xd4\xc3\xd9\x01\x01", 8, true, &opt) && !opt.smc);
	CU_ASSERT(decode("\xfe\x06\xd9\xc3\xd4\xe2\x01\x01", 8, true, &opt) && !opt.smc);
	CU_ASSERT(!decode("\xfe\x06\xe2\xd4\xc3", 5, true, &opt));
}

UNIT_MAIN(UNIT_RUN(linux_syn_is_understood), UNIT_RUN(syn_options_count_in_syns_only),
	  UNIT_RUN(window_scale_is_capped_at_14),
	  UNIT_RUN(wrong_lengths_of_known_kinds_are_ignored),
	  UNIT_RUN(lengths_that_lead_nowhere_are_refused), UNIT_RUN(nothing_behind_the_end_counts),
	  UNIT_RUN(unknown_kinds_are_skipped), UNIT_RUN(what_is_encoded_is_decoded),
	  UNIT_RUN(timestamps_take_the_short_way), UNIT_RUN(fastopen_request_is_encoded),
	  UNIT_RUN(fastopen_cookies_of_every_length_fit),
	  UNIT_RUN(fastopen_of_a_wrong_length_is_none), UNIT_RUN(smc_takes_what_is_left),
	  UNIT_RUN(smc_is_read_strictly))
