/* SPDX-License-Identifier: BSD-3-Clause */
#include "options.h"

#include <string.h>

#include <rte_common.h>

#include "wire.h"

static uint16_t
read16(const uint8_t *p)
{
	be16_t v;

	memcpy(&v, p, sizeof(v));
	return be16_get(v);
}

static uint32_t
read32(const uint8_t *p)
{
	be32_t v;

	memcpy(&v, p, sizeof(v));
	return be32_get(v);
}

static uint8_t *
put8(uint8_t *p, unsigned int v)
{
	*p = (uint8_t)v;
	return p + 1;
}

static uint8_t *
put16(uint8_t *p, uint16_t host)
{
	be16_t v = be16(host);

	memcpy(p, &v, sizeof(v));
	return p + sizeof(v);
}

static uint8_t *
put32(uint8_t *p, uint32_t host)
{
	be32_t v = be32(host);

	memcpy(p, &v, sizeof(v));
	return p + sizeof(v);
}

int
tcp_option_next(const uint8_t **at, const uint8_t *end, struct tcp_option *option)
{
	const uint8_t *p = *at;

	while (p < end && *p == TCP_OPT_NOP)
		p++;
	if (p >= end || *p == TCP_OPT_END) {
		*at = end;
		return 0;
	}
	if (end - p < 2 || p[1] < 2 || p[1] > end - p)
		return -1;
	*option = (struct tcp_option){.kind = p[0], .len = p[1], .data = p + 2};
	*at = p + p[1];
	return 1;
}

/* The last one counts, as with Linux; of an odd length it is none at all. */
static void
decode_fastopen(const uint8_t *cookie, unsigned int len, bool experimental,
		struct tcp_options *options)
{
	if (len % 2 != 0)
		return;
	options->has_fastopen =
		len == 0 || (len >= TCP_FASTOPEN_COOKIE_MIN && len <= TCP_FASTOPEN_COOKIE_MAX);
	if (!options->has_fastopen)
		return;
	options->fastopen.len = (uint8_t)len;
	options->fastopen.experimental = experimental;
	memcpy(options->fastopen.bytes, cookie, len);
}

static void
decode_syn_option(const struct tcp_option *o, struct tcp_options *options)
{
	switch (o->kind) {
	case TCP_OPT_MSS:
		if (o->len != TCP_OPTLEN_MSS || read16(o->data) == 0)
			break;
		options->has_mss = true;
		options->mss = read16(o->data);
		break;
	case TCP_OPT_WSCALE:
		if (o->len != TCP_OPTLEN_WSCALE)
			break;
		options->has_wscale = true;
		options->wscale_shift =
			o->data[0] < TCP_MAX_WSCALE_SHIFT ? o->data[0] : TCP_MAX_WSCALE_SHIFT;
		break;
	case TCP_OPT_SACK_PERMITTED:
		if (o->len == TCP_OPTLEN_SACK_PERMITTED)
			options->sack_permitted = true;
		break;
	case TCP_OPT_FASTOPEN:
		decode_fastopen(o->data, o->len - TCP_OPTLEN_FASTOPEN, false, options);
		break;
	case TCP_OPT_EXPERIMENTAL:
		if (o->len >= TCP_OPTLEN_FASTOPEN_EXP && read16(o->data) == TCP_EXID_FASTOPEN)
			decode_fastopen(o->data + 2, o->len - TCP_OPTLEN_FASTOPEN_EXP, true,
					options);
		else if (o->len >= TCP_OPTLEN_SMC && o->len % 2 == 0 &&
			 read32(o->data) == TCP_EXID_SMC)
			options->smc = true; /* whatever follows: as Linux */
		break;
	default:
		break;
	}
}

static void
decode_sack(const struct tcp_option *o, struct tcp_options *options)
{
	unsigned int n = (o->len - 2u) / 8;

	if (n == 0 || o->len != 2 + 8 * n)
		return;
	options->n_sack = (uint8_t)RTE_MIN(n, (unsigned int)TCP_MAX_SACK_BLOCKS);
	for (unsigned int i = 0; i < options->n_sack; i++) {
		options->sack[i].start = read32(o->data + 8 * i);
		options->sack[i].end = read32(o->data + 8 * i + 4);
	}
}

/* NOP NOP timestamps and nothing else: nearly every segment of a connection in progress. */
static bool
is_timestamps_only(const uint8_t *bytes, unsigned int n)
{
	static const uint8_t head[4] = {TCP_OPT_NOP, TCP_OPT_NOP, TCP_OPT_TIMESTAMPS,
					TCP_OPTLEN_TIMESTAMPS};

	return n == TCP_TIMESTAMPS_ALIGNED_BYTES && memcmp(bytes, head, sizeof(head)) == 0;
}

bool
tcp_options_decode(const uint8_t *bytes, unsigned int n, bool is_syn, struct tcp_options *options)
{
	const uint8_t *at = bytes, *end = bytes + n;
	struct tcp_option o;
	int more;

	memset(options, 0, offsetof(struct tcp_options, sack));
	if (is_timestamps_only(bytes, n)) {
		options->has_timestamps = true;
		options->ts_val = read32(bytes + 4);
		options->ts_ecr = read32(bytes + 8);
		return true;
	}
	while ((more = tcp_option_next(&at, end, &o)) > 0) {
		if (o.kind == TCP_OPT_TIMESTAMPS && o.len == TCP_OPTLEN_TIMESTAMPS) {
			options->has_timestamps = true;
			options->ts_val = read32(o.data);
			options->ts_ecr = read32(o.data + 4);
		} else if (o.kind == TCP_OPT_SACK && !is_syn) {
			decode_sack(&o, options);
		} else if (is_syn) {
			decode_syn_option(&o, options);
		}
	}
	return more == 0;
}

static uint8_t *
put_fastopen(uint8_t *p, const struct tcp_fastopen_cookie *cookie)
{
	if (cookie->experimental) {
		p = put8(p, TCP_OPT_EXPERIMENTAL);
		p = put8(p, TCP_OPTLEN_FASTOPEN_EXP + cookie->len);
		p = put16(p, TCP_EXID_FASTOPEN);
	} else {
		p = put8(p, TCP_OPT_FASTOPEN);
		p = put8(p, TCP_OPTLEN_FASTOPEN + cookie->len);
	}
	memcpy(p, cookie->bytes, cookie->len);
	return p + cookie->len;
}

unsigned int
tcp_options_encode_syn(const struct tcp_options *options, uint8_t *bytes)
{
	uint8_t *p = bytes;

	if (options->has_mss) {
		p = put8(p, TCP_OPT_MSS);
		p = put8(p, TCP_OPTLEN_MSS);
		p = put16(p, options->mss);
	}
	if (options->has_timestamps) {
		/* SACK-permitted takes the place of the two NOPs in front of the timestamps. */
		p = put8(p, options->sack_permitted ? TCP_OPT_SACK_PERMITTED : TCP_OPT_NOP);
		p = put8(p, options->sack_permitted ? TCP_OPTLEN_SACK_PERMITTED : TCP_OPT_NOP);
		p = put8(p, TCP_OPT_TIMESTAMPS);
		p = put8(p, TCP_OPTLEN_TIMESTAMPS);
		p = put32(p, options->ts_val);
		p = put32(p, options->ts_ecr);
	} else if (options->sack_permitted) {
		p = put8(p, TCP_OPT_NOP);
		p = put8(p, TCP_OPT_NOP);
		p = put8(p, TCP_OPT_SACK_PERMITTED);
		p = put8(p, TCP_OPTLEN_SACK_PERMITTED);
	}
	if (options->has_wscale) {
		p = put8(p, TCP_OPT_NOP);
		p = put8(p, TCP_OPT_WSCALE);
		p = put8(p, TCP_OPTLEN_WSCALE);
		p = put8(p, options->wscale_shift);
	}
	if (options->has_fastopen) {
		p = put_fastopen(p, &options->fastopen);
		while ((p - bytes) % 4 != 0)
			p = put8(p, TCP_OPT_NOP);
	}
	return (unsigned int)(p - bytes);
}

unsigned int
tcp_options_append_smc(uint8_t *bytes, unsigned int n)
{
	uint8_t *p = bytes + n;

	if (n + TCP_SMC_ALIGNED_BYTES > TCP_MAX_OPTION_BYTES)
		return n;
	p = put8(p, TCP_OPT_NOP);
	p = put8(p, TCP_OPT_NOP);
	p = put8(p, TCP_OPT_EXPERIMENTAL);
	p = put8(p, TCP_OPTLEN_SMC);
	put32(p, TCP_EXID_SMC);
	return n + TCP_SMC_ALIGNED_BYTES;
}

void
tcp_options_encode_timestamps(uint32_t ts_val, uint32_t ts_ecr, uint8_t *bytes)
{
	bytes = put8(bytes, TCP_OPT_NOP);
	bytes = put8(bytes, TCP_OPT_NOP);
	bytes = put8(bytes, TCP_OPT_TIMESTAMPS);
	bytes = put8(bytes, TCP_OPTLEN_TIMESTAMPS);
	bytes = put32(bytes, ts_val);
	put32(bytes, ts_ecr);
}

void
tcp_options_encode_sack(const struct tcp_sack_block *blocks, unsigned int n, uint8_t *bytes)
{
	bytes = put8(bytes, TCP_OPT_NOP);
	bytes = put8(bytes, TCP_OPT_NOP);
	bytes = put8(bytes, TCP_OPT_SACK);
	bytes = put8(bytes, 2 + 8 * n);
	for (unsigned int i = 0; i < n; i++) {
		bytes = put32(bytes, blocks[i].start);
		bytes = put32(bytes, blocks[i].end);
	}
}
