/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An IP address of either family, a TCP endpoint and a connection's 4-tuple.
 *
 * IPv4 addresses are held as IPv4-mapped IPv6 addresses (RFC 4291 §2.5.5.2), so that one flow
 * table, one key and one comparison serve both families.
 */
#ifndef TERN_TCP_IP_ADDR_H
#define TERN_TCP_IP_ADDR_H

#include <stdbool.h>
#include <string.h>

#include "wire.h"

struct ip_addr {
	uint32_t w[4]; /* network byte order */
};

struct tcp_endpoint {
	struct ip_addr ip; /* all zero: any address of either family */
	uint16_t port;     /* host byte order; 0: any */
};

/* Packed without holes: it is the flow table's key. */
struct tcp_tuple {
	struct ip_addr local;
	struct ip_addr remote;
	be16_t lport;
	be16_t rport;
};

static_assert(sizeof(struct tcp_tuple) == 36, "the flow key has no padding");

static inline struct ip_addr
ip_from4(be32_t a)
{
	return (struct ip_addr){{0, 0, RTE_BE32(0xffff), a.raw}};
}

static inline struct ip_addr
ip_from6(const uint8_t b[16])
{
	struct ip_addr a;

	memcpy(a.w, b, sizeof(a.w));
	return a;
}

static inline bool
ip_is4(const struct ip_addr *a)
{
	return a->w[0] == 0 && a->w[1] == 0 && a->w[2] == RTE_BE32(0xffff);
}

/* The IPv4 address inside; only where ip_is4(). */
static inline be32_t
ip_to4(const struct ip_addr *a)
{
	return (be32_t){a->w[3]};
}

static inline bool
ip_is_any(const struct ip_addr *a)
{
	return (a->w[0] | a->w[1]) == 0 && a->w[3] == 0 &&
	       (a->w[2] == 0 || a->w[2] == RTE_BE32(0xffff));
}

static inline bool
ip_eq(const struct ip_addr *a, const struct ip_addr *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

static inline bool
ip_is_multicast(const struct ip_addr *a)
{
	const uint8_t *b = (const uint8_t *)a->w;

	return ip_is4(a) ? (b[12] & 0xf0) == 0xe0 : b[0] == 0xff;
}

/* fe80::/10 */
static inline bool
ip_is_link_local6(const struct ip_addr *a)
{
	const uint8_t *b = (const uint8_t *)a->w;

	return b[0] == 0xfe && (b[1] & 0xc0) == 0x80;
}

#endif
