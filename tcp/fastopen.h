/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * TCP Fast Open, RFC 7413: what the engine's users see of it. Part of tcp.h.
 *
 * A client that has a server's cookie sends its first bytes in the SYN. Cookies are kept in a cache
 * of each engine, by source and destination address; engines that serve one host tell each other
 * what they learn, through env.fastopen_news() and tcp_fastopen_take_news(), so that whichever of
 * them opens the next connection knows the cookie.
 */
#ifndef TERN_TCP_FASTOPEN_H
#define TERN_TCP_FASTOPEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ip_addr.h"

struct tcp_engine;
struct tcp_conn;

/* Bits of tcp_config.fastopen, with the numbers of Linux's tcp_fastopen. */
enum {
	TCP_FASTOPEN_CLIENT = 0x1,
	TCP_FASTOPEN_SERVER = 0x2,
	TCP_FASTOPEN_CLIENT_BARE = 0x4,      /* data in SYNs without a cookie */
	TCP_FASTOPEN_SERVER_BARE = 0x200,    /* accept data in SYNs without a cookie */
	TCP_FASTOPEN_EVERY_LISTENER = 0x400, /* each has it, with its backlog as limit */
};

enum {
	TCP_FASTOPEN_COOKIE_MAX = 16, /* bytes; RFC 7413 §4.1.1: 4 to 16, even */
	TCP_FASTOPEN_COOKIE_MIN = 4,
	TCP_FASTOPEN_KEY_BYTES = 16,
};

/* As it is in a SYN or SYN-ACK. */
struct tcp_fastopen_cookie {
	uint8_t len;       /* 0: a request for one, or, where cookies are kept, none */
	bool experimental; /* kind 254 (RFC 6994) rather than 34 */
	uint8_t bytes[TCP_FASTOPEN_COOKIE_MAX];
};

/* What a server makes its cookies with. */
struct tcp_fastopen_keys {
	uint8_t n; /* 0 to 2; the second is the backup: its cookies are accepted, not issued */
	uint8_t key[2][TCP_FASTOPEN_KEY_BYTES];
};

/* ---- The client's cache of cookies */

/* What is known of a destination, as seen from a source address. */
struct tcp_fastopen_entry {
	struct ip_addr local, remote;
	uint64_t changed_us; /* on the engine's clock */
	uint64_t lost_us;    /* when a SYN with data was last lost, if losses > 0 */
	uint32_t losses;     /* SYNs with data lost, in a row */
	uint16_t mss;        /* of its last SYN-ACK, bytes; 0: not known */
	uint8_t kinds_tried; /* without an answer; 0: none, 1: 34, 2: 34 and 254 */
	struct tcp_fastopen_cookie cookie;
};

/* Whether Fast Open works on the paths of this host at all: the guard against black holes. */
struct tcp_fastopen_guard {
	uint32_t times;    /* that a black hole was found since it last worked; 0: all is well */
	uint64_t found_us; /* the last time, on the engine's clock */
	uint64_t until_us; /* no Fast Open until then */
};

enum tcp_fastopen_news_kind {
	TCP_FASTOPEN_NEWS_ENTRY,      /* something was learned of a destination */
	TCP_FASTOPEN_NEWS_BLACK_HOLE, /* SYNs with Fast Open get lost somewhere */
	TCP_FASTOPEN_NEWS_WORKS,      /* data in a SYN has arrived since */
};

/* What one engine learned and others should know. */
struct tcp_fastopen_news {
	enum tcp_fastopen_news_kind kind;
	struct tcp_fastopen_entry entry; /* of NEWS_ENTRY; its times are the receiver's to set */
};

/* Takes over what another engine learned; tells nobody. */
void tcp_fastopen_take_news(struct tcp_engine *engine, const struct tcp_fastopen_news *news);

/*
 * Lists the cache, n entries at most. *cursor is 0 at first and is moved on; at the end it is
 * UINT64_MAX. Returns how many were written, perhaps none although there are more.
 */
unsigned int tcp_fastopen_list(const struct tcp_engine *engine, uint64_t *cursor,
			       struct tcp_fastopen_entry *entries, unsigned int n);

/* Forgets what is known of a destination, or, if that is NULL, everything; the guard is another
 * matter. Returns how many entries went. */
unsigned int tcp_fastopen_flush(struct tcp_engine *engine, const struct ip_addr *remote);

void tcp_fastopen_guard(const struct tcp_engine *engine, struct tcp_fastopen_guard *guard);

/* ---- A connection */

/*
 * Whether connect() has answered 0 without sending anything: the first tcp_send() or tcp_sendto(),
 * also of no bytes, sends the SYN. Such a connection is in SYN-SENT; tcp_send_room() is 0.
 */
bool tcp_is_deferred(const struct tcp_conn *c);

#endif
