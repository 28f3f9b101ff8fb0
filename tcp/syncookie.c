/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * SYN cookies, RFC 4987 §3.6: when there is no room for one more half-open connection, its SYN-ACK
 * carries what would have been kept, and the final ACK brings it back.
 *
 *     initial sequence number:  | minute, 8 bits | hash + MSS's index, 24 bits | + hash + peer's
 *     timestamp, low bits:      | ... time | ECN | SACK | window scale, 4 bits |
 *
 * The lower hash is of the connection, the peer's number and the minute, the upper one of the
 * connection alone, each SipHash under a key of its own. The index is in the highest of the lower
 * bits. So an ACK from the middle of a connection, which is off by some bytes in either number or
 * in both, brings nothing back: a late duplicate would open a ghost, and one whose predecessor was
 * lost a connection without its first bytes. A cookie is good in its minute and the next. Without
 * timestamps nothing but the MSS survives, by a small table: as on Linux then, neither SACK nor
 * window scaling; SMC never does. Timestamps from such a SYN-ACK lie up to 64 ms in the past, never
 * in the future.
 *
 * Cookies are taken only from a listener that lately sent some: at other times a guessed number
 * would open a connection. What is lost with them: SYN-ACKs are not sent again, and no round trip
 * is measured.
 */
#include <rte_common.h>

#include "engine.h"

enum {
	MINUTE_US = 60 * 1000 * 1000,
	VALID_MINUTES = 2,
	MINUTE_SHIFT = 24,
	DATA_MASK = (1 << MINUTE_SHIFT) - 1,
	INDEX_SHIFT = MINUTE_SHIFT - 2,

	TS_WSCALE_MASK = 0xf, /* all ones: none */
	TS_SACK = 1 << 4,
	TS_ECN = 1 << 5,
	TS_BITS = 6,
};

/* What peers mostly say, rising; IPv6's are those of the usual MTUs less 60 bytes. */
static const uint16_t mss_table4[] = {536, 1300, 1440, 1460};
static const uint16_t mss_table6[] = {1220, 1420, 1440, 8940};

enum { MSS_ENTRIES = RTE_DIM(mss_table4) };

static_assert(RTE_DIM(mss_table6) == MSS_ENTRIES, "one index for both");

static const uint16_t *
mss_table(const struct tcp_tuple *tuple)
{
	return ip_is4(&tuple->remote) ? mss_table4 : mss_table6;
}

/* The largest that is not above the peer's, or the smallest. */
static uint32_t
mss_index(const struct tcp_tuple *tuple, uint16_t mss)
{
	const uint16_t *table = mss_table(tuple);
	uint32_t i = MSS_ENTRIES - 1;

	while (i > 0 && table[i] > mss)
		i--;
	return i;
}

static uint32_t
minute_of(const struct tcp_engine *e)
{
	return (uint32_t)(e->now_us / MINUTE_US);
}

static uint32_t
lower_hash(const struct tcp_engine *e, const struct tcp_tuple *tuple, seq_t irs, uint32_t minute)
{
	return tcp_cookie_hash(e, tuple, (uint64_t)irs << 32 | minute);
}

static seq_t
cookie_make(const struct tcp_engine *e, const struct tcp_tuple *tuple, seq_t irs, uint32_t index)
{
	uint32_t minute = minute_of(e);
	uint32_t low = (lower_hash(e, tuple, irs, minute) + (index << INDEX_SHIFT)) & DATA_MASK;

	return (minute << MINUTE_SHIFT) + low + tcp_cookie_hash(e, tuple, TCP_COOKIE_BASE) + irs;
}

/* The index in a cookie; not below MSS_ENTRIES if it is none of ours. */
static uint32_t
cookie_read(const struct tcp_engine *e, const struct tcp_tuple *tuple, seq_t irs, seq_t cookie)
{
	uint32_t minute = minute_of(e);
	uint32_t bare = cookie - irs - tcp_cookie_hash(e, tuple, TCP_COOKIE_BASE);
	uint32_t age = (minute - (bare >> MINUTE_SHIFT)) & 0xff, data;

	if (age >= VALID_MINUTES)
		return UINT32_MAX;
	data = (bare - lower_hash(e, tuple, irs, minute - age)) & DATA_MASK;
	return (data & ((1u << INDEX_SHIFT) - 1)) == 0 ? data >> INDEX_SHIFT : UINT32_MAX;
}

uint32_t
tcp_syncookie_make(struct tcp_engine *e, struct tcp_request *r)
{
	uint32_t now = e->now_ms, ts, bits;

	r->listener->cookie_sent_us = RTE_MAX(e->now_us, UINT64_C(1));
	r->iss = cookie_make(e, &r->tuple, r->irs, mss_index(&r->tuple, r->peer_mss));
	r->smc = false;
	if (!r->timestamps) {
		r->sack = false;
		r->ecn = false;
		r->wscale = false;
		r->snd_wscale_shift = 0;
	}
	bits = r->wscale ? r->snd_wscale_shift : (uint32_t)TS_WSCALE_MASK;
	bits |= r->sack ? (uint32_t)TS_SACK : 0;
	bits |= r->ecn ? (uint32_t)TS_ECN : 0;
	ts = (now >> TS_BITS << TS_BITS) | bits;
	if ((now & ((1u << TS_BITS) - 1)) < bits)
		ts -= 1u << TS_BITS;
	return ts + r->ts_offset;
}

bool
tcp_syncookie_expected(const struct tcp_engine *e, const struct tcp_bound *l)
{
	return e->config.syncookies != TCP_SYNCOOKIES_OFF && l->cookie_sent_us != 0 &&
	       e->now_us - l->cookie_sent_us <= (uint64_t)VALID_MINUTES * MINUTE_US;
}

/* What the echoed timestamp says. Returns false if we never offer that. */
static bool
options_restore(const struct tcp_engine *e, struct tcp_request *r, const struct tcp_segment *seg)
{
	uint32_t bits;

	if (!seg->opt.has_timestamps)
		return true;
	if (!e->config.timestamps)
		return false;
	r->timestamps = true;
	r->ts_offset = tcp_new_numbers(e, &r->tuple).ts_offset;
	r->ts_recent = seg->opt.ts_val;
	bits = seg->opt.ts_ecr - r->ts_offset;
	r->sack = (bits & TS_SACK) != 0;
	r->ecn = (bits & TS_ECN) != 0 && e->config.ecn != TCP_ECN_OFF;
	r->wscale = (bits & TS_WSCALE_MASK) != TS_WSCALE_MASK;
	if (r->wscale)
		r->snd_wscale_shift = bits & TS_WSCALE_MASK;
	return (!r->sack || e->config.sack) && (!r->wscale || e->config.window_scaling);
}

bool
tcp_syncookie_check(struct tcp_engine *e, struct tcp_request *r, const struct tcp_segment *seg)
{
	uint32_t data;

	r->tuple = seg->tuple;
	r->hash = seg->hash;
	r->irs = seg->seq - 1;
	r->iss = seg->ack - 1;
	data = cookie_read(e, &r->tuple, r->irs, r->iss);
	if (data >= MSS_ENTRIES || !options_restore(e, r, seg)) {
		TCP_COUNT(e, syncookies_failed);
		return false;
	}
	TCP_COUNT(e, syncookies_received);
	r->peer_mss = mss_table(&r->tuple)[data];
	return true;
}
