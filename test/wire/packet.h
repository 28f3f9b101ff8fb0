/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A TCP/IP packet in the wire tests: its fields, and its bytes. Written from RFC 791, RFC 8200 and
 * RFC 9293 §3.1 alone, with a checksum of its own, so that an error of the engine is not shared.
 */
#ifndef TERN_TEST_WIRE_PACKET_H
#define TERN_TEST_WIRE_PACKET_H

#include <stddef.h>
#include <stdint.h>

#include "tcp/ip_addr.h"

enum {
	PACKET_MAX_BYTES = 65535,
	/* What the sender may leave to the device, for packet_parse(). */
	PACKET_IP4_CKSUM_LEFT = 1 << 0, /* header checksum is 0 */
	PACKET_TCP_CKSUM_LEFT = 1 << 1, /* TCP checksum is that of the pseudo header */
	PACKET_TSO_CKSUM_LEFT = 1 << 2, /* ... of the pseudo header without its length */
};

struct packet {
	struct ip_addr src, dst;
	uint16_t sport, dport;
	uint32_t seq, ack; /* as on the wire, host byte order */
	uint8_t flags;
	uint16_t win, urg;
	uint8_t options[TCP_MAX_OPTION_BYTES];
	unsigned int option_bytes;
	unsigned int sack_at;   /* while options are written: where a SACK option began */
	const uint8_t *payload; /* inside the parsed bytes */
	size_t payload_bytes;
	uint8_t ttl;
	uint8_t ecn; /* the IP header's ECN field */
};

/* What packet_build() does wrong on purpose; all zero: nothing. */
struct packet_faults {
	bool has_data_off;
	uint8_t data_off; /* the header's length field, in words */
	bool has_cut;
	size_t cut; /* bytes of TCP segment that are left */
	bool bad_sum;
};

/* Writes the packet's bytes, checksums included; option_bytes are padded with EOL to a multiple of
 * 4. Returns how many. */
size_t packet_build(const struct packet *p, const struct packet_faults *faults,
		    uint8_t buf[PACKET_MAX_BYTES]);

/*
 * Reads a packet that TCP sent and checks lengths, checksums and what RFC 9293 and RFC 6864 want
 * constant. left: PACKET_…_LEFT. Returns NULL, or what is wrong.
 */
const char *packet_parse(const uint8_t *bytes, size_t n, unsigned int left, struct packet *p);

#endif
