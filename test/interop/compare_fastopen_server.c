/* SPDX-License-Identifier: BSD-3-Clause */
/* The comparison test's cases of Fast Open's listening side: its options, and the early child. */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "compare_fastopen.h"

enum {
	KEY_BYTES = 16,
	SOMAXCONN_KERNEL = 4096, /* as compare_fastopen.sh sets it */

	LATE = 0,
	EARLY = OPT_CHILD | OPT_SYN_DATA,
};

/* ---- Options */

static int
set_qlen(int fd, int qlen)
{
	return setsockopt(fd, IPPROTO_TCP, TCP_FASTOPEN, &qlen, sizeof(qlen));
}

static void
qlen_values(void)
{
	struct address own = address_own(AF_INET, 0);
	int fd = new_socket(AF_INET, 0), listener = new_listener(AF_INET, 4), five = 5;
	struct pair pair = connect_pair(AF_INET);

	GIVES(0, bind(fd, &own.any, own.bytes));
	GIVES(0, get_option(fd, IPPROTO_TCP, TCP_FASTOPEN));
	FAILS(EINVAL, set_qlen(fd, -1));
	FAILS(EINVAL, setsockopt(fd, IPPROTO_TCP, TCP_FASTOPEN, &five, 3));
	GIVES(0, set_qlen(fd, 5));
	GIVES(5, get_option(fd, IPPROTO_TCP, TCP_FASTOPEN));
	/* It is kept. */
	GIVES(0, listen(fd, 3));
	GIVES(5, get_option(fd, IPPROTO_TCP, TCP_FASTOPEN));
	GIVES(0, set_qlen(fd, 7));
	GIVES(7, get_option(fd, IPPROTO_TCP, TCP_FASTOPEN));
	GIVES(0, set_qlen(fd, 0));
	GIVES(0, get_option(fd, IPPROTO_TCP, TCP_FASTOPEN));
	GIVES(0, set_qlen(listener, 100000));
	GIVES(SOMAXCONN_KERNEL, get_option(listener, IPPROTO_TCP, TCP_FASTOPEN));
	FAILS(EINVAL, set_qlen(listener, -5));
	GIVES(SOMAXCONN_KERNEL, get_option(listener, IPPROTO_TCP, TCP_FASTOPEN));
	FAILS(EINVAL, set_qlen(pair.fd, 5));
	FAILS(EINVAL, set_qlen(pair.fd, 0));
}

static int
set_key(int fd, const char *key, socklen_t bytes)
{
	return setsockopt(fd, IPPROTO_TCP, TCP_FASTOPEN_KEY, key, bytes);
}

static void
key_values(void)
{
	static const char key[40] = "first key, of 16second key: this";
	int listener = new_listener(AF_INET, 4);
	struct pair pair = connect_pair(AF_INET);
	char got[64];
	socklen_t n = sizeof(got);

	for (socklen_t bytes = 0; bytes <= 40; bytes++)
		if (bytes != KEY_BYTES && bytes != 2 * KEY_BYTES)
			FAILS(EINVAL, set_key(listener, key, bytes));
	FAILS(EFAULT, set_key(listener, NULL, KEY_BYTES));
	GIVES(0, getsockopt(listener, IPPROTO_TCP, TCP_FASTOPEN_KEY, got, &n));
	GIVES(0, n);
	GIVES(0, set_key(listener, key, KEY_BYTES));
	memset(got, 0, sizeof(got));
	n = sizeof(got);
	GIVES(0, getsockopt(listener, IPPROTO_TCP, TCP_FASTOPEN_KEY, got, &n));
	GIVES(KEY_BYTES, n);
	HOLDS(memcmp(got, key, KEY_BYTES) == 0);
	GIVES(0, set_key(listener, key, 2 * KEY_BYTES));
	n = sizeof(got);
	GIVES(0, getsockopt(listener, IPPROTO_TCP, TCP_FASTOPEN_KEY, got, &n));
	GIVES(2 * KEY_BYTES, n);
	HOLDS(memcmp(got, key, 2 * KEY_BYTES) == 0);
	/* Back to one. */
	GIVES(0, set_key(listener, key + KEY_BYTES, KEY_BYTES));
	n = sizeof(got);
	GIVES(0, getsockopt(listener, IPPROTO_TCP, TCP_FASTOPEN_KEY, got, &n));
	GIVES(KEY_BYTES, n);
	HOLDS(memcmp(got, key + KEY_BYTES, KEY_BYTES) == 0);
	n = 8;
	GIVES(0, getsockopt(listener, IPPROTO_TCP, TCP_FASTOPEN_KEY, got, &n));
	GIVES(8, n);
	/* In any state. */
	GIVES(0, set_key(pair.fd, key, KEY_BYTES));
}

/* ---- Children */

static void
forget_peers_cookies(void)
{
	if (peer_hands("flush peer") < 0)
		compare_give_up("COMPARE_HANDS flush peer");
}

static int
early_listener(int family, int qlen)
{
	struct address own = address_own(family, 0);
	int fd = new_socket(family, 0);

	if (bind(fd, &own.any, own.bytes) < 0 || (qlen > 0 && set_qlen(fd, qlen) < 0) ||
	    listen(fd, 8) < 0)
		compare_give_up("an early listener");
	return fd;
}

/*
 * One of the peer's connections with so many bytes: all of them come, and ours and the peer's
 * tcpi_options say how: OPT_CHILD, made by the SYN alone, and OPT_SYN_DATA, which was in it.
 */
static void
peer_writes(int listener, int family, int bytes, int options)
{
	struct address at = address_own(family, port_of(listener));
	int peer = peer_fastopen(&at, bytes), fd;
	static uint8_t got[4096];

	GIVES(true, peer >= 0);
	HOLDS(await(listener, POLLIN));
	POLLS(CAN_READ, listener);
	fd = accept(listener, NULL, NULL);
	HOLDS(fd >= 0);
	GIVES(bytes, recv(fd, got, (size_t)bytes, MSG_WAITALL));
	HOLDS(memcmp(got, pattern_bytes(0, (size_t)bytes), (size_t)bytes) == 0);
	GIVES(options, info_of(fd).tcpi_options & (OPT_CHILD | OPT_SYN_DATA));
	GIVES(options & OPT_SYN_DATA, peer_info(peer) & OPT_SYN_DATA);
	GIVES(20, send(fd, pattern_bytes(0, 20), 20, 0));
	GIVES(20, peer_receive(peer, 20));
	GIVES(0, peer_close(peer));
	GIVES(0, recv(fd, got, 1, 0));
	GIVES(0, close(fd));
}

static void
child(int family)
{
	int listener = early_listener(family, QLEN);

	forget_peers_cookies();
	peer_writes(listener, family, 300, LATE); /* fetches the cookie */
	peer_writes(listener, family, 300, EARLY);
	peer_writes(listener, family, 1, EARLY);
	peer_writes(listener, family, 4000, EARLY); /* more than a SYN's */
	/* The cookie is the address's, not the port's. */
	peer_writes(early_listener(family, 1), family, 300, EARLY);
}

static void
child4(void)
{
	child(AF_INET);
}

static void
child6(void)
{
	child(AF_INET6);
}

/* Without a queue there is nothing early, whatever the cookie. */
static void
child_refused(void)
{
	int listener = early_listener(AF_INET, QLEN), plain = early_listener(AF_INET, 0);

	forget_peers_cookies();
	peer_writes(listener, AF_INET, 300, LATE);
	peer_writes(plain, AF_INET, 300, LATE);
	peer_writes(listener, AF_INET, 300, EARLY);
	/* Turned off and on again. */
	GIVES(0, set_qlen(listener, 0));
	peer_writes(listener, AF_INET, 300, LATE);
	GIVES(0, set_qlen(listener, 2));
	peer_writes(listener, AF_INET, 300, EARLY);
}

/* Another key: the old cookie is none, and the answer brings the right one. A backup key's cookie
   is taken, and replaced. */
static void
child_keys(void)
{
	static const char keys[33] = "the key of todaythe key of before";
	int listener = early_listener(AF_INET, QLEN);

	forget_peers_cookies();
	GIVES(0, set_key(listener, keys + KEY_BYTES, KEY_BYTES));
	peer_writes(listener, AF_INET, 300, LATE);
	peer_writes(listener, AF_INET, 300, EARLY);
	GIVES(0, set_key(listener, keys, 2 * KEY_BYTES));
	peer_writes(listener, AF_INET, 300, EARLY); /* by the backup; brings the new one */
	GIVES(0, set_key(listener, keys, KEY_BYTES));
	peer_writes(listener, AF_INET, 300, EARLY);
	GIVES(0, set_key(listener, keys + KEY_BYTES, KEY_BYTES));
	peer_writes(listener, AF_INET, 300, LATE);
	peer_writes(listener, AF_INET, 300, EARLY);
}

static void
child_no_cookie(void)
{
	int listener = early_listener(AF_INET, QLEN);

	forget_peers_cookies();
	peer_writes(listener, AF_INET, 300, LATE);
	set_option(listener, IPPROTO_TCP, TCP_FASTOPEN_NO_COOKIE, 1);
	peer_writes(listener, AF_INET, 300, EARLY);
	/* A SYN that asks for a cookie makes a child, too, but gets none. */
	forget_peers_cookies();
	peer_writes(listener, AF_INET, 300, OPT_CHILD);
	peer_writes(listener, AF_INET, 300, OPT_CHILD);
	set_option(listener, IPPROTO_TCP, TCP_FASTOPEN_NO_COOKIE, 0);
	peer_writes(listener, AF_INET, 300, LATE);
	peer_writes(listener, AF_INET, 300, EARLY);
}

/* Several wait in the order in which they came. */
static void
child_order(void)
{
	int listener = early_listener(AF_INET, QLEN);
	struct address at = address_own(AF_INET, port_of(listener));
	uint8_t got[16];

	forget_peers_cookies();
	peer_writes(listener, AF_INET, 300, LATE);
	for (int i = 1; i <= 5; i++)
		HOLDS(peer_fastopen(&at, i) >= 0);
	for (int i = 1; i <= 5; i++) {
		int fd = accept(listener, NULL, NULL);

		GIVES(i, recv(fd, got, sizeof(got), 0));
		HOLDS(was_syn_data(fd));
	}
}

/* One that was reset before it was accepted is accepted all the same. */
static void
child_reset(void)
{
	int listener = early_listener(AF_INET, QLEN), fd, peer;
	struct address at = address_own(AF_INET, port_of(listener));
	uint8_t got[16];

	forget_peers_cookies();
	peer_writes(listener, AF_INET, 300, LATE);
	peer = peer_fastopen(&at, 10);
	HOLDS(peer >= 0);
	GIVES(0, peer_reset(peer));
	sleep_ms(50);
	fd = accept(listener, NULL, NULL);
	HOLDS(fd >= 0);
	GIVES(10, recv(fd, got, 10, 0));
	FAILS(ECONNRESET, recv(fd, got, 10, 0));
	GIVES(0, recv(fd, got, 10, 0));
}

/* The listener goes, and with it who was not accepted. */
static void
child_orphaned(void)
{
	int listener = early_listener(AF_INET, QLEN), peer;
	struct address at = address_own(AF_INET, port_of(listener));

	forget_peers_cookies();
	peer_writes(listener, AF_INET, 300, LATE);
	peer = peer_fastopen(&at, 10);
	HOLDS(peer >= 0);
	GIVES(0, close(listener));
	GIVES(-ECONNRESET, peer_at_end(peer));
}

static void
child_closed_unread(void)
{
	int listener = early_listener(AF_INET, QLEN), peer, fd;
	struct address at = address_own(AF_INET, port_of(listener));
	uint8_t got[16];

	forget_peers_cookies();
	peer_writes(listener, AF_INET, 300, LATE);
	peer = peer_fastopen(&at, 10);
	fd = accept(listener, NULL, NULL);
	GIVES(0, close(fd));
	GIVES(-ECONNRESET, peer_at_end(peer));
	peer = peer_fastopen(&at, 10);
	fd = accept(listener, NULL, NULL);
	GIVES(10, recv(fd, got, 10, 0));
	GIVES(0, close(fd));
	GIVES(0, peer_at_end(peer));
}

/* Who waits for data before it accepts has it. */
static void
child_waits_for_data(void)
{
	int listener = early_listener(AF_INET, QLEN);

	forget_peers_cookies();
	set_option(listener, IPPROTO_TCP, TCP_DEFER_ACCEPT, 5);
	peer_writes(listener, AF_INET, 300, LATE);
	peer_writes(listener, AF_INET, 300, EARLY);
}

/* A wildcard listener of both families. */
static void
child_both(void)
{
	struct address any = address_wildcard(AF_INET6, 0);
	int listener = new_socket(AF_INET6, 0);

	forget_peers_cookies();
	GIVES(0, bind(listener, &any.any, any.bytes));
	GIVES(0, set_qlen(listener, QLEN));
	GIVES(0, listen(listener, 8));
	peer_writes(listener, AF_INET, 300, LATE);
	peer_writes(listener, AF_INET, 300, EARLY);
	peer_writes(listener, AF_INET6, 300, LATE);
	peer_writes(listener, AF_INET6, 300, EARLY);
}

/* It listens without blocking: nobody there, then one with data at once. */
static void
child_nonblocking(void)
{
	int listener = early_listener(AF_INET6, QLEN), fd;
	struct address at = address_own(AF_INET6, port_of(listener));
	uint8_t got[16];

	GIVES(0, fcntl(listener, F_SETFL, O_NONBLOCK));
	forget_peers_cookies();
	FAILS(EAGAIN, accept(listener, NULL, NULL));
	POLLS(0, listener);
	HOLDS(peer_fastopen(&at, 1) >= 0);
	HOLDS(await(listener, POLLIN));
	close(accept(listener, NULL, NULL));
	HOLDS(peer_fastopen(&at, 10) >= 0);
	POLLS(CAN_READ, listener);
	fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
	POLLS(CAN_READ | CAN_WRITE, fd);
	GIVES(10, recv(fd, got, 16, 0));
	FAILS(EAGAIN, recv(fd, got, 16, 0));
	POLLS(CAN_WRITE, fd);
}

const struct compare_case compare_fastopen_server_cases[] = {
	{"qlen_values", qlen_values},
	{"key_values", key_values},
	{"child4", child4},
	{"child6", child6},
	{"child_refused", child_refused},
	{"child_keys", child_keys},
	{"child_no_cookie", child_no_cookie},
	{"child_order", child_order},
	{"child_reset", child_reset},
	{"child_orphaned", child_orphaned},
	{"child_closed_unread", child_closed_unread},
	{"child_waits_for_data", child_waits_for_data},
	{"child_both", child_both},
	{"child_nonblocking", child_nonblocking},
	{0},
};
