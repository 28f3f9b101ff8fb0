/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Numbers that an attacker off the path must not guess, SipHash-2-4 of the 4-tuple: initial
 * sequence numbers (RFC 6528) and timestamp offsets (RFC 7323 §5.4), which are the halves of one,
 * and ports (RFC 6056) under a key of their own; and the place of a destination in the table of
 * path MTUs. Who sees one half of a hash learns nothing of the other.
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

/* The same of a 4-tuple, of which IPv4 needs but a third; how long it is tells them apart. */
static void
tuple_hash(const uint8_t key[16], const struct tcp_tuple *t, uint32_t h[2])
{
	const struct {
		uint32_t remote, local;
		be16_t rport, lport;
	} short4 = {t->remote.w[3], t->local.w[3], t->rport, t->lport};

	static_assert(sizeof(short4) == 12, "no padding is hashed");
	if (ip_is4(&t->remote))
		crypto_shorthash((uint8_t *)h, (const uint8_t *)&short4, sizeof(short4), key);
	else
		crypto_shorthash((uint8_t *)h, (const uint8_t *)t, sizeof(*t), key);
}

struct tcp_numbers
tcp_new_numbers(const struct tcp_engine *e, const struct tcp_tuple *tuple)
{
	uint32_t h[2];

	tuple_hash(e->numbers_secret, tuple, h);
	/* RFC 9293 §3.4.1: the clock ticks every 4 microseconds. */
	return (struct tcp_numbers){.iss = (seq_t)(e->now_us / 4) + h[0], .ts_offset = h[1]};
}

uint32_t
tcp_port_offset(struct tcp_engine *e, const struct tcp_tuple *tuple)
{
	uint32_t h[2];

	if (memcmp(&e->port_tuple, tuple, sizeof(*tuple)) != 0) {
		tuple_hash(e->port_secret, tuple, h);
		e->port_tuple = *tuple;
		e->port_offset = h[0];
	}
	return e->port_offset;
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
