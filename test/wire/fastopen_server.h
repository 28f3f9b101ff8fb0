/* SPDX-License-Identifier: BSD-3-Clause */
/* What the tests of Fast Open's server share: engines that have it, listeners, and cookies. */
#ifndef TERN_TEST_WIRE_FASTOPEN_SERVER_H
#define TERN_TEST_WIRE_FASTOPEN_SERVER_H

#include <string.h>

#include "tcp/fastopen_cookie.h"
#include "wire.h"

static const struct tcp_fastopen_keys server_keys = {
	.n = 1,
	.key = {{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}},
};

static inline void
server_on(struct tcp_config *config)
{
	config->fastopen = TCP_FASTOPEN_SERVER;
	config->fastopen_keys = server_keys;
}

/* Listens, with at most `qlen` children whose handshake is not finished. */
static inline void
server_listen(struct wire *w, int backlog, int qlen)
{
	wire_listen(w, backlog);
	WIRE_EQ(w, tcp_setsockopt(w->listener, IPPROTO_TCP, TCP_FASTOPEN, &qlen, sizeof(qlen)), 0);
}

/* The flow's cookie by one of these keys, in hexadecimal digits. */
static inline const char *
server_cookie_by(struct wire *w, const struct tcp_fastopen_keys *keys, unsigned int key)
{
	uint8_t cookie[TCP_FASTOPEN_COOKIE_BYTES];
	static char text[2 * sizeof(cookie) + 1];

	tcp_fastopen_cookie_make(keys, key, &w->flow->remote.ip, &w->flow->local.ip, cookie);
	for (size_t i = 0; i < sizeof(cookie); i++)
		snprintf(text + 2 * i, 3, "%02x", cookie[i]);
	return text;
}

static inline const char *
server_cookie(struct wire *w)
{
	return server_cookie_by(w, &server_keys, 0);
}

/* A SYN with the right cookie and that much payload, and the answer to all of it. */
static inline void
server_child(struct wire *w, unsigned int bytes)
{
	wire_in(w, "S 0:%u(%u) win 8000 <mss 1460,nop,nop,raw 220a%s,nop,nop>", bytes, bytes,
		server_cookie(w));
	wire_out(w, "S. 0:0(0) ack %u win 64240 <mss 1460>", 1 + bytes);
}

/* The same, and accepted. */
static inline void
server_accepted(struct wire *w, unsigned int bytes)
{
	server_child(w, bytes);
	wire_accept(w);
}

static inline struct tcp_details
server_info(struct wire *w)
{
	struct tcp_details info = {0};
	size_t len = sizeof(info);

	WIRE_EQ(w, tcp_getsockopt(w->flow->c, IPPROTO_TCP, TCP_INFO, &info, &len), 0);
	return info;
}

#endif
