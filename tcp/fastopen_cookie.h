/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The cookie that a Fast Open server gives to a client, RFC 7413 §4.1.2: what only it can compute
 * of the client's address and its own. Any server with the same key makes the same cookies, Linux
 * included.
 */
#ifndef TERN_TCP_FASTOPEN_COOKIE_H
#define TERN_TCP_FASTOPEN_COOKIE_H

#include "fastopen.h"

enum { TCP_FASTOPEN_COOKIE_BYTES = 8 }; /* of those that we make */

/* The cookie by one of the keys. Both addresses are of the same family. */
void tcp_fastopen_cookie_make(const struct tcp_fastopen_keys *keys, unsigned int key,
			      const struct ip_addr *client, const struct ip_addr *server,
			      uint8_t cookie[TCP_FASTOPEN_COOKIE_BYTES]);

/* The number of the key by which this is the client's cookie, or -1. */
int tcp_fastopen_cookie_check(const struct tcp_fastopen_keys *keys, const struct ip_addr *client,
			      const struct ip_addr *server,
			      const struct tcp_fastopen_cookie *cookie);

#endif
