/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Text to values. Nothing is guessed: a number is digits alone, an address is complete, a prefix
 * is written out; what a host cannot have as its address is refused here (RFC 1122 §3.2.1.3,
 * RFC 4291 §2.5 and §2.7).
 */
#include <arpa/inet.h>
#include <ctype.h>
#include <string.h>

#include "dataplane/config_values.h"

bool
config_number(const char *text, bool size, uint64_t *number)
{
	uint64_t n = 0;
	unsigned int digits = 0, shift = 0;

	for (; isdigit((unsigned char)*text); text++) {
		if (++digits > 15)
			return false;
		n = n * 10 + (uint64_t)(*text - '0');
	}
	if (digits == 0)
		return false;
	if (size && *text != '\0') {
		switch (*text++) {
		case 'K':
		case 'k':
			shift = 10;
			break;
		case 'M':
		case 'm':
			shift = 20;
			break;
		case 'G':
		case 'g':
			shift = 30;
			break;
		default:
			return false;
		}
		if (n > UINT64_MAX >> shift)
			return false;
	}
	*number = n << shift;
	return *text == '\0';
}

bool
config_boolean(const char *text, bool *value)
{
	*value = strcmp(text, "yes") == 0;
	return *value || strcmp(text, "no") == 0;
}

bool
config_ip(const char *text, struct ip_addr *ip)
{
	uint8_t b[16];
	be32_t v4;

	if (inet_pton(AF_INET, text, &v4) == 1) {
		*ip = ip_from4(v4);
		return true;
	}
	if (inet_pton(AF_INET6, text, b) != 1)
		return false;
	*ip = ip_from6(b);
	return !ip_is4(ip); /* ::ffff:A.B.C.D is how we write IPv4, not how users do */
}

static bool
is_loopback(const struct ip_addr *ip)
{
	if (ip_is4(ip))
		return be32_get(ip_to4(ip)) >> 24 == 127;
	return (ip->w[0] | ip->w[1] | ip->w[2]) == 0 && ip->w[3] == RTE_BE32(1);
}

/* The bits behind the prefix all zero, or all one: the network's own and its broadcast address. */
static bool
is_host_bits(const struct config_address *a, bool ones)
{
	uint32_t mask = UINT32_MAX >> a->prefix_len, host = be32_get(ip_to4(&a->ip)) & mask;

	return host == (ones ? mask : 0);
}

const char *
config_prefix(const char *text, bool v4, struct config_address *address)
{
	char ip[CONFIG_VALUE_BYTES];
	const char *slash = strchr(text, '/');
	uint64_t bits;

	if (slash == NULL || slash - text >= (ptrdiff_t)sizeof(ip))
		return v4 ? "has no prefix length; write it as 198.18.0.2/24"
			  : "has no prefix length; write it as 2001:db8:18::2/64";
	memcpy(ip, text, (size_t)(slash - text));
	ip[slash - text] = '\0';
	if (!config_ip(ip, &address->ip) || ip_is4(&address->ip) != v4)
		return v4 ? "is not an IPv4 address; write one as 198.18.0.2/24"
			  : "is not an IPv6 address; write one as 2001:db8:18::2/64";
	if (!config_number(slash + 1, false, &bits) || bits < 1 || bits > (v4 ? 32 : 128))
		return v4 ? "has a wrong prefix length; it is 1 to 32"
			  : "has a wrong prefix length; it is 1 to 128";
	address->prefix_len = (uint8_t)bits;
	if (ip_is_any(&address->ip) || ip_is_multicast(&address->ip) || is_loopback(&address->ip) ||
	    (v4 && (address->ip.w[3] == UINT32_MAX || be32_get(ip_to4(&address->ip)) >> 24 == 0)))
		return "is no address a host can have; give a unicast one";
	if (v4 && bits < 31 && (is_host_bits(address, false) || is_host_bits(address, true)))
		return "is the network's own or its broadcast address; give a host's";
	return NULL;
}

const char *
config_network(const char *text, struct config_address *network)
{
	static const char *const form =
		"is no prefix; write one as 198.18.0.0/16 or 2001:db8:18::/48";
	char ip[CONFIG_VALUE_BYTES];
	const char *slash = strchr(text, '/');
	const uint8_t *bytes = (const uint8_t *)network->ip.w;
	uint64_t bits;

	if (slash == NULL || slash - text >= (ptrdiff_t)sizeof(ip))
		return form;
	memcpy(ip, text, (size_t)(slash - text));
	ip[slash - text] = '\0';
	if (!config_ip(ip, &network->ip) || !config_number(slash + 1, false, &bits) ||
	    bits > (ip_is4(&network->ip) ? 32 : 128))
		return form;
	network->prefix_len = (uint8_t)bits;
	for (uint64_t bit = bits + (ip_is4(&network->ip) ? 96 : 0); bit < 128; bit++)
		if (bytes[bit / 8] >> (7 - bit % 8) & 1)
			return "has bits set behind its prefix; clear them, as for a route";
	return NULL;
}

const char *
config_endpoint(const char *text, struct tcp_endpoint *endpoint)
{
	static const char *const form =
		"is no endpoint; write *:80, 198.18.0.2:80 or [2001:db8:18::2]:80";
	char ip[CONFIG_VALUE_BYTES];
	const char *colon = strrchr(text, ':');
	size_t n;
	uint64_t port;

	if (colon == NULL || colon == text || (size_t)(colon - text) >= sizeof(ip))
		return form;
	n = (size_t)(colon - text);
	memcpy(ip, text, n);
	ip[n] = '\0';
	memset(endpoint, 0, sizeof(*endpoint));
	if (ip[0] == '[' && ip[n - 1] == ']') {
		ip[n - 1] = '\0';
		if (!config_ip(ip + 1, &endpoint->ip) || ip_is4(&endpoint->ip))
			return form;
	} else if (strcmp(ip, "*") != 0) {
		if (!config_ip(ip, &endpoint->ip) || !ip_is4(&endpoint->ip))
			return form;
	}
	if (!config_number(colon + 1, false, &port) || port < 1 || port > UINT16_MAX)
		return "has a wrong port; it is 1 to 65535";
	endpoint->port = (uint16_t)port;
	return NULL;
}

bool
config_on_link(const struct config_address *a, const struct ip_addr *ip)
{
	const uint8_t *x = (const uint8_t *)a->ip.w, *y = (const uint8_t *)ip->w;
	unsigned int bits = a->prefix_len;

	if (ip_is4(&a->ip) != ip_is4(ip))
		return false;
	if (ip_is4(ip))
		bits += 96;
	if (memcmp(x, y, bits / 8) != 0)
		return false;
	return bits % 8 == 0 || (x[bits / 8] ^ y[bits / 8]) >> (8 - bits % 8) == 0;
}

const char *
config_ip_text(const struct ip_addr *ip, char *buf)
{
	if (ip_is4(ip))
		inet_ntop(AF_INET, &ip->w[3], buf, CONFIG_IP_TEXT);
	else
		inet_ntop(AF_INET6, ip->w, buf, CONFIG_IP_TEXT);
	return buf;
}

const char *
config_endpoint_text(const struct tcp_endpoint *endpoint, char *buf)
{
	char ip[CONFIG_IP_TEXT];
	const char *form = ip_is4(&endpoint->ip) ? "%s:%u" : "[%s]:%u";

	if (ip_is_any(&endpoint->ip))
		snprintf(buf, CONFIG_ENDPOINT_TEXT, "*:%u", endpoint->port);
	else
		snprintf(buf, CONFIG_ENDPOINT_TEXT, form, config_ip_text(&endpoint->ip, ip),
			 endpoint->port);
	return buf;
}

/* ---- Fast Open keys */

/* Takes eight hexadecimal digits; false: there are others. */
static bool
hex_group(const char *text, uint32_t *group)
{
	if (strspn(text, "0123456789abcdefABCDEF") < 8)
		return false;
	*group = 0;
	for (int i = 0; i < 8; i++) {
		unsigned int c = (unsigned char)text[i];

		*group = *group << 4 | (isdigit((int)c) ? c - '0' : (c | 0x20) - 'a' + 10);
	}
	return true;
}

const char *
config_fastopen_key(const char *text, uint8_t *key)
{
	bool groups = strchr(text, '-') != NULL;
	uint32_t group;

	if (strlen(text) != (groups ? 35 : 32))
		return "is not a key; write 32 hexadecimal digits, or Linux's four groups of 8 "
		       "with - between them";
	for (size_t i = 0; i < TCP_FASTOPEN_KEY_BYTES / 4; i++) {
		if (!hex_group(text, &group) || (groups && i < 3 && text[8] != '-'))
			return "is not a key; write hexadecimal digits";
		for (unsigned int b = 0; b < 4; b++)
			key[4 * i + b] = (uint8_t)(group >> 8 * (groups ? b : 3 - b));
		text += groups ? 9 : 8;
	}
	return NULL;
}

const char *
config_fastopen_key_text(const uint8_t *key, char *buf)
{
	for (size_t i = 0; i < TCP_FASTOPEN_KEY_BYTES / 4; i++, key += 4)
		snprintf(buf + 9 * i, 10, "%02x%02x%02x%02x%s", key[3], key[2], key[1], key[0],
			 i < 3 ? "-" : "");
	return buf;
}
