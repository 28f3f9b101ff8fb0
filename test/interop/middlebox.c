/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Middle boxes for the forwarder: Ethernet frames with TCP on IPv4 or IPv6, without extension
 * headers or tags. Anything else, and any length that does not add up, passes as it is. Frames must
 * have their checksums: they are mended after a change.
 */
#include "middlebox.h"

#include <string.h>

enum {
	ETHERNET_BYTES = 14,
	IP4_BYTES = 20,
	IP6_BYTES = 40,
	TCP_BYTES = 20,
	PROTO_TCP = 6,

	FLAG_SYN = 0x02,

	KIND_END = 0,
	KIND_NOP = 1,
	KIND_FASTOPEN = 34,
	KIND_EXPERIMENTAL = 254,
	MAGIC_HIGH = 0xf9,
	MAGIC_LOW = 0x89,

	SWALLOWED = 1024, /* connections in a black hole */
};

static const struct {
	const char *name;
	enum middlebox kind;
} names[] = {
	{"none", MIDDLEBOX_NONE},
	{"strip-data", MIDDLEBOX_STRIP_DATA},
	{"strip-option", MIDDLEBOX_STRIP_OPTION},
	{"strip-smc", MIDDLEBOX_STRIP_SMC},
	{"drop-data", MIDDLEBOX_DROP_DATA},
	{"drop-option", MIDDLEBOX_DROP_OPTION},
	{"black-hole", MIDDLEBOX_BLACK_HOLE},
};

/* A frame's parts; all of them lie within it. */
struct segment {
	uint8_t *ip, *tcp, *options, *payload;
	size_t option_bytes, payload_bytes;
	size_t address_at, address_bytes; /* in the IP header: source, then destination */
};

bool
middlebox_named(const char *name, enum middlebox *kind)
{
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(names[i].name, name) == 0) {
			*kind = names[i].kind;
			return true;
		}
	return false;
}

static size_t
read16(const uint8_t *p)
{
	return (size_t)p[0] << 8 | p[1];
}

static void
write16(uint8_t *p, size_t value)
{
	p[0] = (uint8_t)(value >> 8);
	p[1] = (uint8_t)value;
}

static bool
parse(uint8_t *frame, size_t bytes, struct segment *s)
{
	size_t ip_bytes, total, tcp_bytes;

	if (bytes < ETHERNET_BYTES + IP4_BYTES)
		return false;
	s->ip = frame + ETHERNET_BYTES;
	if (read16(frame + 12) == 0x0800) {
		ip_bytes = (size_t)(s->ip[0] & 15) * 4;
		total = read16(s->ip + 2);
		/* No fragments: who sends them has no SYN there. */
		if (s->ip[9] != PROTO_TCP || (read16(s->ip + 6) & 0x3fff) != 0 ||
		    ip_bytes < IP4_BYTES)
			return false;
		s->address_at = 12;
		s->address_bytes = 4;
	} else if (read16(frame + 12) == 0x86dd && bytes >= ETHERNET_BYTES + IP6_BYTES) {
		ip_bytes = IP6_BYTES;
		total = IP6_BYTES + read16(s->ip + 4);
		if (s->ip[6] != PROTO_TCP)
			return false;
		s->address_at = 8;
		s->address_bytes = 16;
	} else {
		return false;
	}
	if (total > bytes - ETHERNET_BYTES || total < ip_bytes + TCP_BYTES)
		return false;
	s->tcp = s->ip + ip_bytes;
	tcp_bytes = (size_t)(s->tcp[12] >> 4) * 4;
	if (tcp_bytes < TCP_BYTES || tcp_bytes > total - ip_bytes)
		return false;
	s->options = s->tcp + TCP_BYTES;
	s->option_bytes = tcp_bytes - TCP_BYTES;
	s->payload = s->tcp + tcp_bytes;
	s->payload_bytes = total - ip_bytes - tcp_bytes;
	return true;
}

static bool
is_fastopen(const uint8_t *option)
{
	return option[0] == KIND_FASTOPEN || (option[0] == KIND_EXPERIMENTAL && option[1] >= 4 &&
					      option[2] == MAGIC_HIGH && option[3] == MAGIC_LOW);
}

static bool
is_smc(const uint8_t *option)
{
	static const uint8_t number[] = {0xe2, 0xd4, 0xc3, 0xd9};

	return option[0] == KIND_EXPERIMENTAL && option[1] >= 6 &&
	       memcmp(option + 2, number, sizeof(number)) == 0;
}

/* The first such option; NULL if there is none. */
static uint8_t *
find_option(const struct segment *s, bool (*is_it)(const uint8_t *option), size_t *option_bytes)
{
	size_t at = 0;

	while (at < s->option_bytes) {
		uint8_t *option = s->options + at;

		if (option[0] == KIND_END)
			return NULL;
		if (option[0] == KIND_NOP) {
			at++;
			continue;
		}
		if (at + 2 > s->option_bytes || option[1] < 2 || at + option[1] > s->option_bytes)
			return NULL;
		*option_bytes = option[1];
		if (is_it(option))
			return option;
		at += option[1];
	}
	return NULL;
}

/* ---- Checksums */

static uint32_t
sum(uint32_t so_far, const uint8_t *p, size_t n)
{
	for (size_t i = 0; i + 1 < n; i += 2)
		so_far += (uint32_t)read16(p + i);
	if (n % 2 == 1)
		so_far += (uint32_t)p[n - 1] << 8;
	return so_far;
}

static uint16_t
fold(uint32_t value)
{
	while (value >> 16 != 0)
		value = (value & 0xffff) + (value >> 16);
	return (uint16_t)~value;
}

/* After a change: lengths and checksums are right again. */
static void
mend(struct segment *s, size_t *bytes)
{
	size_t tcp_bytes = (size_t)(s->payload - s->tcp) + s->payload_bytes;
	size_t ip_bytes = (size_t)(s->tcp - s->ip);

	if (s->address_bytes == 4) {
		write16(s->ip + 2, ip_bytes + tcp_bytes);
		write16(s->ip + 10, 0);
		write16(s->ip + 10, fold(sum(0, s->ip, ip_bytes)));
	} else {
		write16(s->ip + 4, tcp_bytes);
	}
	write16(s->tcp + 16, 0);
	write16(s->tcp + 16, fold(sum(sum(PROTO_TCP + (uint32_t)tcp_bytes, s->ip + s->address_at,
					  2 * s->address_bytes),
				      s->tcp, tcp_bytes)));
	*bytes = ETHERNET_BYTES + ip_bytes + tcp_bytes;
}

/* ---- The black hole: who has disappeared in it, by a hash of source, destination and ports */

static uint32_t swallowed[SWALLOWED];
static unsigned int n_swallowed;

static uint32_t
hash(const struct segment *s)
{
	uint32_t h = 2166136261u;

	for (size_t i = 0; i < 2 * s->address_bytes; i++)
		h = (h ^ s->ip[s->address_at + i]) * 16777619u;
	for (size_t i = 0; i < 4; i++)
		h = (h ^ s->tcp[i]) * 16777619u;
	return h;
}

static bool
is_swallowed(const struct segment *s, bool from_now_on)
{
	uint32_t h = hash(s);

	for (unsigned int i = 0; i < n_swallowed; i++)
		if (swallowed[i] == h)
			return true;
	if (from_now_on && n_swallowed < SWALLOWED)
		swallowed[n_swallowed++] = h;
	return from_now_on;
}

bool
middlebox_treat(enum middlebox kind, uint8_t *frame, size_t *bytes, uint64_t *touched)
{
	struct segment s = {0};
	uint8_t *option = NULL;
	size_t option_bytes = 0;
	bool passes = true, syn;

	if (kind == MIDDLEBOX_NONE || !parse(frame, *bytes, &s))
		return true;
	syn = (s.tcp[13] & FLAG_SYN) != 0;
	if (syn)
		option = find_option(&s, kind == MIDDLEBOX_STRIP_SMC ? is_smc : is_fastopen,
				     &option_bytes);
	switch (kind) {
	case MIDDLEBOX_STRIP_DATA:
		if (!syn || s.payload_bytes == 0)
			return true;
		s.payload_bytes = 0;
		mend(&s, bytes);
		break;
	case MIDDLEBOX_STRIP_OPTION:
	case MIDDLEBOX_STRIP_SMC:
		if (option == NULL)
			return true;
		memset(option, KIND_NOP, option_bytes);
		mend(&s, bytes);
		break;
	case MIDDLEBOX_DROP_DATA:
		passes = !syn || s.payload_bytes == 0;
		break;
	case MIDDLEBOX_DROP_OPTION:
		passes = option == NULL;
		break;
	case MIDDLEBOX_BLACK_HOLE:
		passes = !is_swallowed(&s, syn && s.payload_bytes > 0);
		break;
	case MIDDLEBOX_NONE:
		break;
	}
	if (kind == MIDDLEBOX_STRIP_DATA || kind == MIDDLEBOX_STRIP_OPTION ||
	    kind == MIDDLEBOX_STRIP_SMC || !passes)
		(*touched)++;
	return passes;
}
