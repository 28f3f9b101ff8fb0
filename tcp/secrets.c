/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Numbers that an attacker off the path must not guess, each SipHash-2-4 of the 4-tuple under a key
 * of its own: initial sequence numbers (RFC 6528), timestamp offsets (RFC 7323 §5.4), ports (RFC
 * 6056); and the place of a destination in the table of path MTUs.
 */
#include <sodium.h>

#include "engine.h"

static uint32_t
keyed_hash(const uint8_t key[16], const void *bytes, size_t n)
{
	uint32_t h[2];

	static_assert(crypto_shorthash_KEYBYTES == 16 && crypto_shorthash_BYTES == sizeof(h),
		      "SipHash-2-4");
	crypto_shorthash((uint8_t *)h, bytes, n, key);
	return h[0];
}

seq_t
tcp_new_iss(const struct tcp_engine *e, const struct tcp_tuple *tuple)
{
	/* RFC 9293 §3.4.1: the clock ticks every 4 microseconds. */
	return (seq_t)(e->now_us / 4) + keyed_hash(e->iss_secret, tuple, sizeof(*tuple));
}

uint32_t
tcp_new_ts_offset(const struct tcp_engine *e, const struct tcp_tuple *tuple)
{
	return keyed_hash(e->ts_secret, tuple, sizeof(*tuple));
}

uint32_t
tcp_port_offset(const struct tcp_engine *e, const struct tcp_tuple *tuple)
{
	return keyed_hash(e->port_secret, tuple, sizeof(*tuple));
}

uint32_t
tcp_cookie_hash(const struct tcp_engine *e, const struct tcp_tuple *tuple, uint64_t minute)
{
	struct {
		struct tcp_tuple tuple;
		uint64_t minute;
	} key;

	memset(&key, 0, sizeof(key));
	key.tuple = *tuple;
	key.minute = minute;
	return keyed_hash(e->cookie_secrets[minute == TCP_COOKIE_BASE], &key, sizeof(key));
}

uint32_t
tcp_pmtu_hash(const struct tcp_engine *e, const struct ip_addr *remote)
{
	return keyed_hash(e->pmtu_secret, remote, sizeof(*remote));
}
