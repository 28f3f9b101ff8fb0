/* SPDX-License-Identifier: BSD-3-Clause */
/* lib/endpoint.c: ends of connections, and how they are written. */
#include "lib/endpoint.h"
#include "unit.h"

static union endpoint
end_of(const char *address, in_port_t port)
{
	union endpoint end;

	CU_ASSERT_FATAL(endpoint_parse_address(address, &end));
	endpoint_set_port(&end, port);
	return end;
}

static void
is_written(const char *address, in_port_t port, const char *expected)
{
	union endpoint end = end_of(address, port);
	char text[ENDPOINT_TEXT];

	CU_ASSERT_STRING_EQUAL(endpoint_text(&end, text), expected);
	UNIT_EQ(endpoint_port(&end), port);
}

UNIT_CASE(as_ss_writes_them)
{
	is_written("198.18.0.1", 80, "198.18.0.1:80");
	is_written("2001:db8::1", 65535, "[2001:db8::1]:65535");
	is_written("::ffff:198.18.0.1", 7, "198.18.0.1:7");
	is_written("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 1,
		   "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:1");
}

UNIT_CASE(wrapped_and_back)
{
	union endpoint end = end_of("198.18.0.1", 80), six = end_of("2001:db8::1", 80);

	endpoint_wrap(&end);
	UNIT_EQ(end.any.sa_family, AF_INET6);
	UNIT_EQ(endpoint_bytes(&end), sizeof(struct sockaddr_in6));
	UNIT_EQ(endpoint_port(&end), 80);
	endpoint_unwrap(&end);
	UNIT_EQ(end.any.sa_family, AF_INET);
	UNIT_EQ(endpoint_bytes(&end), sizeof(struct sockaddr_in));
	UNIT_EQ(endpoint_port(&end), 80);
	endpoint_wrap(&six);
	endpoint_unwrap(&six);
	UNIT_EQ(six.any.sa_family, AF_INET6);
}

UNIT_CASE(the_same_address)
{
	union endpoint a = end_of("198.18.0.1", 80), b = end_of("198.18.0.1", 81);
	union endpoint c = end_of("198.18.0.2", 80), d = end_of("2001:db8::1", 80);

	CU_ASSERT(endpoint_same_address(&a, &b));
	CU_ASSERT(!endpoint_same_address(&a, &c));
	CU_ASSERT(!endpoint_same_address(&a, &d));
	CU_ASSERT(endpoint_same_address(&d, &d));
}

UNIT_CASE(nonsense_is_refused)
{
	static const char *const texts[] = {"", "198.18.0.1:80", "198.18.0.256", "[::1]", "::1/64"};
	union endpoint end;

	for (unsigned int i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		CU_ASSERT(!endpoint_parse_address(texts[i], &end));
}

UNIT_MAIN(UNIT_RUN(as_ss_writes_them), UNIT_RUN(wrapped_and_back), UNIT_RUN(the_same_address),
	  UNIT_RUN(nonsense_is_refused))
