/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * SipHash-2-4 of the client's address and the server's, as they are on the wire, under 16 bytes of
 * key: 8 bytes in the order in which SipHash defines them. Linux calls it with two little-endian
 * halves of the key and writes a little-endian number, which is the same; so keys can be shared
 * with Linux servers behind one address. Linux's textual key has its four groups in another order:
 * each is a little-endian number of 32 bits.
 */
#include "fastopen_cookie.h"

#include <sodium.h>

static_assert(crypto_shorthash_KEYBYTES == TCP_FASTOPEN_KEY_BYTES &&
		      crypto_shorthash_BYTES == TCP_FASTOPEN_COOKIE_BYTES,
	      "SipHash-2-4");

void
tcp_fastopen_cookie_make(const struct tcp_fastopen_keys *keys, unsigned int key,
			 const struct ip_addr *client, const struct ip_addr *server,
			 uint8_t cookie[TCP_FASTOPEN_COOKIE_BYTES])
{
	const struct ip_addr both[2] = {*client, *server};
	const uint32_t both4[2] = {client->w[3], server->w[3]};

	if (ip_is4(client))
		crypto_shorthash(cookie, (const uint8_t *)both4, sizeof(both4), keys->key[key]);
	else
		crypto_shorthash(cookie, (const uint8_t *)both, sizeof(both), keys->key[key]);
}

int
tcp_fastopen_cookie_check(const struct tcp_fastopen_keys *keys, const struct ip_addr *client,
			  const struct ip_addr *server, const struct tcp_fastopen_cookie *cookie)
{
	uint8_t right[TCP_FASTOPEN_COOKIE_BYTES];
	uint64_t a, b;

	if (cookie->len != sizeof(right))
		return -1;
	memcpy(&a, cookie->bytes, sizeof(a));
	for (unsigned int key = 0; key < keys->n; key++) {
		tcp_fastopen_cookie_make(keys, key, client, server, right);
		/* As numbers: how long it takes tells nobody how much of a guess was right. */
		memcpy(&b, right, sizeof(b));
		if (a == b)
			return (int)key;
	}
	return -1;
}
