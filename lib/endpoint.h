/* SPDX-License-Identifier: BSD-3-Clause */
/* Both ends of a kernel's TCP connection, and how they are written. */
#ifndef TERN_LIB_ENDPOINT_H
#define TERN_LIB_ENDPOINT_H

#include <netinet/in.h>
#include <stdbool.h>
#include <sys/socket.h>

enum {
	ENDPOINT_TEXT = 72, /* bytes of an address in brackets, a scope, a colon and a port */
};

/* An end, as the socket calls have it. IPv4 is AF_INET here, also where a socket of IPv6 has it. */
union endpoint {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

struct endpoints {
	union endpoint local, remote;
};

/* Turns an IPv4 address that IPv6 wraps into what it is. */
void endpoint_unwrap(union endpoint *end);

/* The reverse, for a socket of IPv6. */
void endpoint_wrap(union endpoint *end);

socklen_t endpoint_bytes(const union endpoint *end);

in_port_t endpoint_port(const union endpoint *end);
void endpoint_set_port(union endpoint *end, in_port_t port);

/* Whether both have the same address; ports do not matter. */
bool endpoint_same_address(const union endpoint *a, const union endpoint *b);

/* The address alone, into ENDPOINT_TEXT bytes. Returns them. */
const char *endpoint_address_text(const union endpoint *end, char *text);

/* 198.18.0.1:80 or [2001:db8::1]:80, likewise. */
const char *endpoint_text(const union endpoint *end, char *text);

/* Reads an address without a port. */
bool endpoint_parse_address(const char *text, union endpoint *end);

/* Both ends of a connected socket. Returns 0, or a negative errno. */
int endpoints_of(int fd, struct endpoints *ends);

#endif
