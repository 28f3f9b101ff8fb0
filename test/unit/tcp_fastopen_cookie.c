/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tcp/fastopen_cookie.c: the same cookies as Linux makes, and nothing else is taken for one.
 */
#include "unit.h"

#include <arpa/inet.h>

#include "tcp/fastopen_cookie.h"

static const struct tcp_fastopen_keys counting = {
	.n = 1,
	.key = {{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}},
};

static struct ip_addr
address(const char *text)
{
	uint8_t bytes[16];
	be32_t four;

	if (inet_pton(AF_INET, text, &four) == 1)
		return ip_from4(four);
	CU_ASSERT_FATAL(inet_pton(AF_INET6, text, bytes) == 1);
	return ip_from6(bytes);
}

/* The cookie in hexadecimal digits. */
static const char *
cookie_of(const struct tcp_fastopen_keys *keys, unsigned int key, const char *client,
	  const char *server)
{
	struct ip_addr from = address(client), to = address(server);
	uint8_t cookie[TCP_FASTOPEN_COOKIE_BYTES];
	static char text[2 * sizeof(cookie) + 1];

	tcp_fastopen_cookie_make(keys, key, &from, &to, cookie);
	for (size_t i = 0; i < sizeof(cookie); i++)
		snprintf(text + 2 * i, 3, "%02x", cookie[i]);
	return text;
}

/* Seen on the wire between two namespaces of a Linux host. */
UNIT_CASE(as_linux_makes_them)
{
	CU_ASSERT_STRING_EQUAL(cookie_of(&counting, 0, "10.9.2.1", "10.9.0.1"), "3ed2f6bf6a76894f");
	CU_ASSERT_STRING_EQUAL(cookie_of(&counting, 0, "fd50::1", "fd50::2"), "73d53c4254f2ec6f");
}

/* Linux's tcp_fastopen_key a0bf63f7-ed803d81-cd641d30-cebc4a90, by its bytes. */
UNIT_CASE(by_a_key_that_linux_writes_as_groups)
{
	static const struct tcp_fastopen_keys keys = {
		.n = 1,
		.key = {{0xf7, 0x63, 0xbf, 0xa0, 0x81, 0x3d, 0x80, 0xed, 0x30, 0x1d, 0x64, 0xcd,
			 0x90, 0x4a, 0xbc, 0xce}},
	};

	CU_ASSERT_STRING_EQUAL(cookie_of(&keys, 0, "10.248.0.2", "192.168.0.2"),
			       "00abaaabe8e954c2");
	CU_ASSERT_STRING_EQUAL(cookie_of(&keys, 0, "10.248.0.3", "192.168.0.2"),
			       "1313a2da994a0951");
	CU_ASSERT_STRING_EQUAL(cookie_of(&keys, 0, "10.248.0.3", "192.168.0.3"),
			       "76d2c1c530f51f79");
}

UNIT_CASE(only_the_clients_own_is_right)
{
	struct ip_addr client = address("10.9.2.1"), other = address("10.9.2.2"),
		       server = address("10.9.0.1");
	struct tcp_fastopen_cookie cookie = {.len = 8};

	tcp_fastopen_cookie_make(&counting, 0, &client, &server, cookie.bytes);
	UNIT_EQ(tcp_fastopen_cookie_check(&counting, &client, &server, &cookie), 0);
	UNIT_EQ(tcp_fastopen_cookie_check(&counting, &other, &server, &cookie), -1);
	UNIT_EQ(tcp_fastopen_cookie_check(&counting, &server, &client, &cookie), -1);
	cookie.len = 6;
	UNIT_EQ(tcp_fastopen_cookie_check(&counting, &client, &server, &cookie), -1);
	cookie.len = 10;
	UNIT_EQ(tcp_fastopen_cookie_check(&counting, &client, &server, &cookie), -1);
	cookie.len = 8;
	for (unsigned int bit = 0; bit < 64; bit++) {
		cookie.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
		UNIT_EQ(tcp_fastopen_cookie_check(&counting, &client, &server, &cookie), -1);
		cookie.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
}

UNIT_CASE(a_backup_key_counts_too)
{
	struct tcp_fastopen_keys keys = counting;
	struct ip_addr client = address("fd50::1"), server = address("fd50::2");
	struct tcp_fastopen_cookie by_first = {.len = 8}, by_second = {.len = 8};

	keys.n = 2;
	memset(keys.key[1], 0xee, sizeof(keys.key[1]));
	tcp_fastopen_cookie_make(&keys, 0, &client, &server, by_first.bytes);
	tcp_fastopen_cookie_make(&keys, 1, &client, &server, by_second.bytes);
	CU_ASSERT(memcmp(by_first.bytes, by_second.bytes, 8) != 0);
	UNIT_EQ(tcp_fastopen_cookie_check(&keys, &client, &server, &by_first), 0);
	UNIT_EQ(tcp_fastopen_cookie_check(&keys, &client, &server, &by_second), 1);
	keys.n = 1;
	UNIT_EQ(tcp_fastopen_cookie_check(&keys, &client, &server, &by_second), -1);
	keys.n = 0;
	UNIT_EQ(tcp_fastopen_cookie_check(&keys, &client, &server, &by_first), -1);
}

UNIT_MAIN(UNIT_RUN(as_linux_makes_them), UNIT_RUN(by_a_key_that_linux_writes_as_groups),
	  UNIT_RUN(only_the_clients_own_is_right), UNIT_RUN(a_backup_key_counts_too))
