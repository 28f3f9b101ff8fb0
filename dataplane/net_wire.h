/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Headers of the protocols beside TCP as they lie on the wire: ARP (RFC 826), ICMP (RFC 792),
 * ICMPv6 (RFC 4443), Neighbour Discovery (RFC 4861, RFC 7527), Multicast Listener Discovery (RFC
 * 3810), and IPv6's extension headers (RFC 8200 §4). Those of IP itself are in tcp/wire.h.
 */
#ifndef TERN_DATAPLANE_NET_WIRE_H
#define TERN_DATAPLANE_NET_WIRE_H

#include <stdint.h>

#include "tcp/wire.h"

struct arp_pkt {
	be16_t hw_type;    /* ARP_HW_ETHERNET */
	be16_t proto_type; /* RTE_ETHER_TYPE_IPV4 */
	uint8_t hw_len;    /* 6 */
	uint8_t proto_len; /* 4 */
	be16_t op;         /* ARP_REQUEST, ARP_REPLY */
	uint8_t sender_mac[6];
	be32_t sender_ip;
	uint8_t target_mac[6];
	be32_t target_ip;
};

enum {
	ARP_HW_ETHERNET = 1,
	ARP_REQUEST = 1,
	ARP_REPLY = 2,
};

/* ICMP and ICMPv6 alike; what `rest` holds depends on the type. */
struct icmp_header {
	uint8_t type;
	uint8_t code;
	be16_t cksum;
	be32_t rest;
};

enum {
	ICMP4_ECHO_REPLY = 0,
	ICMP4_UNREACHABLE = 3,
	ICMP4_ECHO_REQUEST = 8,
	ICMP4_TIME_EXCEEDED = 11,
	ICMP4_PARAMETER_PROBLEM = 12,
};

/* Codes of ICMP4_UNREACHABLE; RFC 792, RFC 1122 §3.2.2.1, RFC 1812 §5.2.7.1. */
enum {
	ICMP4_NET_UNREACHABLE = 0,
	ICMP4_PROTOCOL_UNREACHABLE = 2,
	ICMP4_PORT_UNREACHABLE = 3,
	ICMP4_FRAGMENTATION_NEEDED = 4,
	ICMP4_UNREACHABLE_CODES = 16,
};

enum {
	ICMP6_UNREACHABLE = 1,
	ICMP6_PACKET_TOO_BIG = 2,
	ICMP6_TIME_EXCEEDED = 3,
	ICMP6_PARAMETER_PROBLEM = 4,
	ICMP6_INFORMATIONAL = 128, /* from here on: no errors */
	ICMP6_ECHO_REQUEST = 128,
	ICMP6_ECHO_REPLY = 129,
	ICMP6_LISTENER_QUERY = 130,
	ICMP6_ROUTER_SOLICITATION = 133,
	ICMP6_ROUTER_ADVERTISEMENT = 134,
	ICMP6_NEIGHBOUR_SOLICITATION = 135,
	ICMP6_NEIGHBOUR_ADVERTISEMENT = 136,
	ICMP6_REDIRECT = 137,
	ICMP6_LISTENER_REPORT2 = 143,
};

/* Codes. */
enum {
	ICMP6_UNREACHABLE_PORT = 4,
	ICMP6_UNREACHABLE_CODES = 7,
	ICMP6_PROBLEM_FIELD = 0,
	ICMP6_PROBLEM_NEXT_HEADER = 1,
	ICMP6_PROBLEM_OPTION = 2,
};

/* Neighbour solicitation and advertisement; options follow. */
struct nd_neighbour {
	struct icmp_header
		icmp; /* rest: ND_ROUTER | ND_SOLICITED | ND_OVERRIDE of an advertisement */
	uint8_t target[16];
};

#define ND_ROUTER 0x80000000u
#define ND_SOLICITED 0x40000000u
#define ND_OVERRIDE 0x20000000u

struct nd_router_advert {
	struct icmp_header
		icmp; /* rest: hop limit << 24 | flags << 16 | router lifetime in seconds */
	be32_t reachable_ms;
	be32_t retrans_ms;
};

struct nd_option {
	uint8_t type;
	uint8_t len; /* of the whole option, in 8 bytes; never 0 */
};

enum {
	ND_OPT_SOURCE_LINK = 1,
	ND_OPT_TARGET_LINK = 2,
	ND_OPT_NONCE = 14,
	ND_NONCE_BYTES = 6,
};

struct mld_query {
	struct icmp_header
		icmp;      /* rest: maximum response delay in ms (a float above 32767) << 16 */
	uint8_t group[16]; /* all zero: general query */
};

/* One group of a listener report, without sources. */
struct mld_record {
	uint8_t type; /* MLD_IS_EXCLUDE, MLD_TO_EXCLUDE */
	uint8_t aux_len;
	be16_t sources;
	uint8_t group[16];
};

enum {
	MLD_IS_EXCLUDE = 2, /* we listen to every source */
	MLD_TO_EXCLUDE = 4, /* and do so from now on */
};

/* IPv6 next header values beside the protocols. */
enum {
	IP6_HOP_BY_HOP = 0,
	IP6_ROUTING = 43,
	IP6_FRAGMENT = 44,
	IP6_NO_NEXT_HEADER = 59,
	IP6_DESTINATION = 60,
};

struct ip6_extension {
	uint8_t next;
	uint8_t len; /* in 8 bytes, beyond the first 8 */
};

struct ip6_fragment {
	uint8_t next;
	uint8_t reserved;
	be16_t offset; /* in 8 bytes << 3 | reserved << 1 | IP6_MORE_FRAGMENTS */
	be32_t id;
};

enum {
	IP6_MORE_FRAGMENTS = 0x0001,
	IP6_FRAGMENT_MASK = 0xfff9, /* offset and the flag: 0 in an atomic fragment (RFC 6946) */
};

enum {
	IP6_OPT_PAD1 = 0,
	IP6_OPT_ROUTER_ALERT = 5,
};

static_assert(sizeof(struct arp_pkt) == 28, "ARP for IPv4 over Ethernet");
static_assert(sizeof(struct icmp_header) == 8, "ICMP header");
static_assert(sizeof(struct nd_neighbour) == 24, "neighbour solicitation");
static_assert(sizeof(struct nd_router_advert) == 16, "router advertisement");
static_assert(sizeof(struct mld_record) == 20, "listener report's record");
static_assert(sizeof(struct ip6_fragment) == 8, "fragment header");

#endif
