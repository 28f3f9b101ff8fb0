/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * TCP options: one bounds-checking iterator, decoding and encoding side by side.
 *
 * RFC 9293 §3.2 (end, no-operation, MSS), RFC 7323 (window scale, timestamps), RFC 2018
 * (SACK-permitted), RFC 7413 (Fast Open), RFC 7609 Appendix A (SMC-R). Kinds we do not know are
 * skipped, RFC 9293 MUST-6, and so are experiments that we do not know.
 */
#ifndef TERN_TCP_OPTIONS_H
#define TERN_TCP_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "fastopen.h"
#include "seq.h"

enum tcp_option_kind {
	TCP_OPT_END = 0,
	TCP_OPT_NOP = 1,
	TCP_OPT_MSS = 2,
	TCP_OPT_WSCALE = 3,
	TCP_OPT_SACK_PERMITTED = 4,
	TCP_OPT_SACK = 5,
	TCP_OPT_TIMESTAMPS = 8,
	TCP_OPT_FASTOPEN = 34,
	TCP_OPT_EXPERIMENTAL = 254, /* RFC 6994: what it is says the number behind it */
};

enum {
	TCP_OPTLEN_MSS = 4,
	TCP_OPTLEN_WSCALE = 3,
	TCP_OPTLEN_SACK_PERMITTED = 2,
	TCP_OPTLEN_TIMESTAMPS = 10,
	TCP_OPTLEN_FASTOPEN = 2,     /* and the cookie */
	TCP_OPTLEN_FASTOPEN_EXP = 4, /* likewise */
	TCP_OPTLEN_SMC = 6,
	TCP_EXID_FASTOPEN = 0xf989,
	/* As every stack sends it, behind two NOPs: the fields lie on 32-bit boundaries. */
	TCP_TIMESTAMPS_ALIGNED_BYTES = 12,
	TCP_SMC_ALIGNED_BYTES = 8, /* behind two NOPs */
	TCP_MAX_WSCALE_SHIFT = 14, /* RFC 7323 §2.3 */
	TCP_MAX_SACK_BLOCKS = 4,   /* RFC 2018 §3 */
};

/* "SMCR" in EBCDIC, RFC 7609 Appendix A. */
#define TCP_EXID_SMC UINT32_C(0xe2d4c3d9)

/* The option with n blocks, behind two NOPs. */
#define TCP_SACK_ALIGNED_BYTES(n) (4u + 8u * (n))

/* [start, end) has arrived. */
struct tcp_sack_block {
	seq_t start, end;
};

struct tcp_options {
	bool has_mss;
	bool has_wscale;
	bool has_timestamps;
	bool sack_permitted;
	bool smc;             /* RFC 7609: can do SMC-R */
	uint8_t wscale_shift; /* at most TCP_MAX_WSCALE_SHIFT */
	uint16_t mss;         /* bytes */
	uint32_t ts_val;
	uint32_t ts_ecr;
	uint8_t n_sack;
	bool has_fastopen; /* of a valid length; fastopen.len is 0 if it asks for a cookie */
	/* what follows means something only by what is above, and decoding leaves it as it was */
	struct tcp_sack_block sack[TCP_MAX_SACK_BLOCKS]; /* as sent: not checked */
	struct tcp_fastopen_cookie fastopen;             /* while has_fastopen */
};

/* One option: its kind, its length with kind and length byte, and what follows these. */
struct tcp_option {
	uint8_t kind;
	uint8_t len;
	const uint8_t *data;
};

/*
 * Steps to the next option other than END and NOP in bytes [*at, end). Returns 1 with *option set,
 * 0 at the end, -1 if a length is below 2 or leads past the end.
 */
int tcp_option_next(const uint8_t **at, const uint8_t *end, struct tcp_option *option);

/*
 * Decodes the option bytes of a segment. Options that belong in SYNs only (MSS, window scale,
 * SACK-permitted, Fast Open, SMC) are ignored elsewhere; a known kind with a wrong length is
 * ignored too, as Linux does. Returns false if the bytes cannot be walked to their end.
 */
bool tcp_options_decode(const uint8_t *bytes, unsigned int n, bool is_syn,
			struct tcp_options *options);

/*
 * Encodes options as a SYN or SYN-ACK carries them, in Linux's order: MSS, SACK-permitted,
 * timestamps, window scale, Fast Open, padded with NOPs to 32-bit boundaries. Returns the length,
 * at most TCP_MAX_OPTION_BYTES: beside all others even the longest cookie fits. The SMC option is
 * another matter: it may not fit.
 */
unsigned int tcp_options_encode_syn(const struct tcp_options *options, uint8_t *bytes);

/*
 * Appends NOP NOP SMC to n bytes of a SYN's options, if there is room: all others come first.
 * Returns the new length, or n.
 */
unsigned int tcp_options_append_smc(uint8_t *bytes, unsigned int n);

/* Encodes NOP NOP timestamps: TCP_TIMESTAMPS_ALIGNED_BYTES. */
void tcp_options_encode_timestamps(uint32_t ts_val, uint32_t ts_ecr, uint8_t *bytes);

/* Encodes NOP NOP SACK with n blocks, 1 to TCP_MAX_SACK_BLOCKS. */
void tcp_options_encode_sack(const struct tcp_sack_block *blocks, unsigned int n, uint8_t *bytes);

#endif
