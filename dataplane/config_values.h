/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The values of ternd's configuration: numbers, sizes, booleans, addresses and endpoints.
 */
#ifndef TERN_DATAPLANE_CONFIG_VALUES_H
#define TERN_DATAPLANE_CONFIG_VALUES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dataplane/config.h"

/* A decimal number, with K, M or G (powers of 1024) behind it if `size`. False: it is none. */
bool config_number(const char *text, bool size, uint64_t *number);

/* yes or no. False: neither. */
bool config_boolean(const char *text, bool *value);

/* A bare IPv4 or IPv6 address. */
bool config_ip(const char *text, struct ip_addr *ip);

/* ADDRESS/PREFIX that a host can have. Returns NULL, or what is wrong with it. */
const char *config_prefix(const char *text, bool v4, struct config_address *address);

/* NETWORK/PREFIX of either family, as one writes it for a route. Returns NULL, or what is wrong. */
const char *config_network(const char *text, struct config_address *network);

/* "*:PORT", "A.B.C.D:PORT" or "[IPV6]:PORT". Returns NULL, or what is wrong with it. */
const char *config_endpoint(const char *text, struct tcp_endpoint *endpoint);

/*
 * A Fast Open key: 32 hexadecimal digits, the key's bytes in order, or Linux's four groups
 * aabbccdd-aabbccdd-aabbccdd-aabbccdd, of which each is a number that is stored little-endian.
 * Returns NULL, or what is wrong with it.
 */
const char *config_fastopen_key(const char *text, uint8_t *key);

/* The key in Linux's groups; buf of at least CONFIG_KEY_TEXT bytes is returned. */
enum { CONFIG_KEY_TEXT = 36 };
const char *config_fastopen_key_text(const uint8_t *key, char *buf);

/* Whether ip lies in the prefix of a. */
bool config_on_link(const struct config_address *a, const struct ip_addr *ip);

/* The address as text; buf of at least CONFIG_IP_TEXT bytes is returned. */
enum { CONFIG_IP_TEXT = 46 };
const char *config_ip_text(const struct ip_addr *ip, char *buf);

/* "*:80", "198.18.0.2:80", "[2001:db8::1]:80". */
enum { CONFIG_ENDPOINT_TEXT = CONFIG_IP_TEXT + 8 };
const char *config_endpoint_text(const struct tcp_endpoint *endpoint, char *buf);

#endif
