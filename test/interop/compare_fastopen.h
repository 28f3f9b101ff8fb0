/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the comparison test's cases of Fast Open share. No cookie is known at a case's start but
 * what the case before left: each begins with forget_cookies() or know_cookie().
 */
#ifndef TERN_TEST_COMPARE_FASTOPEN_H
#define TERN_TEST_COMPARE_FASTOPEN_H

#include <linux/tcp.h>

#include "compare.h"

enum {
	/* SYN data: a packet of 1500 bytes less the addresses' header, 20 of TCP's and 40 of
	   options. */
	SYN_ROOM4 = 1420,
	SYN_ROOM6 = 1400,
	QLEN = 16,

	STATE_ESTABLISHED = 1,
	STATE_SYN_SENT = 2,
	STATE_CLOSE = 7,
	STATE_LISTEN = 10,

	OPT_SYN_DATA = 0x20,
	OPT_CHILD = 0x80,

	FAIL_NONE = 0,
	FAIL_COOKIE = 1, /* there was none */
	FAIL_DATA = 2,   /* not acknowledged */
	FAIL_SYN = 3,    /* retransmitted */
};

/* A listener of the peer's. */
struct server {
	int handle;
	struct address at;
};

struct server serve(int family, int qlen);

/* Its backlog is full: it answers nothing until make_room(). */
struct server serve_silently(int family);
void make_room(struct server *server);

/* One that refuses: it has stopped listening. */
struct address refusing(int family);

/* We know no cookie; one for the peer's address, of a connection just ended. */
void forget_cookies(void);
void know_cookie(int family);

/* A new socket with TCP_FASTOPEN_CONNECT, and one whose connect() was deferred. */
int early_socket(int family, int flags);
int deferred(const struct address *to, int flags);

struct tcp_info info_of(int fd);
int state_of(int fd);
int fail_of(int fd); /* tcpi_fastopen_client_fail */
bool was_syn_data(int fd);

/* So many bytes of the pattern from `at` on; valid until the next call. */
void *pattern_bytes(size_t at, size_t n);

/* What was written is in the SYN, the SYN-ACK acknowledges it, and so many bytes come in all;
 * closes. */
void is_early(int fd, const struct server *server, int bytes);

void limit_send(int fd, int ms);
void limit_receive(int fd, int ms);

#endif
