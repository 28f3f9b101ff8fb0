/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The comparison test's cases of Fast Open where it is turned off, as client and as server; and
 * those in which it is turned off, or the way to the peer goes, while a connection is deferred. The
 * latter are the kernel's alone: the test cannot do that to ternd, whose engine is asked in
 * test/wire.
 */
#include <string.h>
#include <unistd.h>

#include "compare_fastopen.h"

static int
set_early(int fd, int value, socklen_t bytes)
{
	return setsockopt(fd, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, &value, bytes);
}

/* What is wrong with the value comes first, then that it is off, then the state. */
static void
off_early(void)
{
	struct pair pair = connect_pair(AF_INET);
	struct address own = address_own(AF_INET, 0);
	int fd = new_socket(AF_INET, 0), listener = new_listener(AF_INET, 1);

	GIVES(0, bind(fd, &own.any, own.bytes));
	FAILS(EINVAL, set_early(fd, 1, 3));
	FAILS(EINVAL, set_early(fd, 2, 4));
	FAILS(EOPNOTSUPP, set_early(fd, 1, 4));
	FAILS(EOPNOTSUPP, set_early(fd, 0, 4));
	FAILS(EOPNOTSUPP, set_early(listener, 1, 4));
	FAILS(EOPNOTSUPP, set_early(pair.fd, 1, 4));
	GIVES(0, get_option(fd, IPPROTO_TCP, TCP_FASTOPEN_CONNECT));
}

static void
off_message(void)
{
	struct server server = serve(AF_INET, QLEN);
	struct address *at = &server.at;
	struct pair pair = connect_pair(AF_INET);
	int fd = new_socket(AF_INET, 0);

	FAILS(EOPNOTSUPP, sendto(fd, "x", 1, MSG_FASTOPEN, &at->any, at->bytes));
	FAILS(EOPNOTSUPP,
	      sendto(pair.fd, "x", 1, MSG_FASTOPEN | MSG_NOSIGNAL, &at->any, at->bytes));
	/* It connects as ever. */
	GIVES(0, connect(fd, &at->any, at->bytes));
	GIVES(1, send(fd, pattern_bytes(0, 1), 1, 0));
	GIVES(1, peer_receive(peer_accept(server.handle), 1));
}

/* The listener's option is taken, and is of no use. */
static void
off_listener(void)
{
	struct address own = address_own(AF_INET, 0), at;
	int fd = new_socket(AF_INET, 0), five = 5, child, peer;
	uint8_t got[8];

	GIVES(0, bind(fd, &own.any, own.bytes));
	GIVES(0, setsockopt(fd, IPPROTO_TCP, TCP_FASTOPEN, &five, sizeof(five)));
	GIVES(0, listen(fd, 4));
	GIVES(5, get_option(fd, IPPROTO_TCP, TCP_FASTOPEN));
	at = address_own(AF_INET, port_of(fd));
	if (peer_hands("flush peer") < 0)
		compare_give_up("COMPARE_HANDS flush peer");
	for (int i = 0; i < 2; i++) {
		peer = peer_fastopen(&at, 5);
		child = accept(fd, NULL, NULL);
		GIVES(5, recv(child, got, 5, MSG_WAITALL));
		GIVES(0, info_of(child).tcpi_options & (OPT_CHILD | OPT_SYN_DATA));
		GIVES(0, peer_info(peer) & OPT_SYN_DATA);
	}
}

const struct compare_case compare_fastopen_off_cases[] = {
	{"off_early", off_early},
	{"off_message", off_message},
	{"off_listener", off_listener},
	{0},
};

/* ---- Turned off, and away, later: the kernel */

static void
hands(const char *what)
{
	if (peer_hands(what) < 0)
		compare_give_up(what);
}

/* Asked for before, it is used still. */
static void
later_off_early(void)
{
	struct server server = serve(AF_INET, QLEN);
	int fd = early_socket(AF_INET, SOCK_NONBLOCK);

	know_cookie(AF_INET);
	hands("bits own 2");
	GIVES(0, connect(fd, &server.at.any, server.at.bytes));
	GIVES(STATE_SYN_SENT, state_of(fd));
	GIVES(0, info_of(fd).tcpi_segs_out);
	/* The write says no, and the connection stays deferred. */
	FAILS(EOPNOTSUPP, send(fd, "x", 1, 0));
	FAILS(EOPNOTSUPP, send(fd, "x", 1, 0));
	GIVES(STATE_SYN_SENT, state_of(fd));
	POLLS(CAN_WRITE, fd);
	hands("bits own 3");
	GIVES(3, send(fd, pattern_bytes(0, 3), 3, 0));
	HOLDS(await(fd, POLLOUT));
	HOLDS(was_syn_data(fd));
	GIVES(3, peer_receive(peer_accept(server.handle), 3));
}

/* Data in the SYN without a cookie, by configuration. */
static void
later_bare(void)
{
	struct server server = serve(AF_INET, QLEN);
	int fd = early_socket(AF_INET, SOCK_NONBLOCK);

	forget_cookies();
	GIVES(0, peer_set(server.handle, IPPROTO_TCP, TCP_FASTOPEN_NO_COOKIE, 1));
	hands("bits own 7");
	GIVES(0, connect(fd, &server.at.any, server.at.bytes));
	GIVES(STATE_SYN_SENT, state_of(fd));
	GIVES(0, info_of(fd).tcpi_segs_out);
	GIVES(3, send(fd, pattern_bytes(0, 3), 3, 0));
	HOLDS(await(fd, POLLOUT));
	HOLDS(was_syn_data(fd));
	GIVES(3, peer_receive(peer_accept(server.handle), 3));
	hands("bits own 3");
}

static void
later_no_way(void)
{
	struct server server = serve(AF_INET, QLEN);
	int fd, nobody = early_socket(AF_INET, SOCK_NONBLOCK);

	know_cookie(AF_INET);
	fd = deferred(&server.at, SOCK_NONBLOCK);
	hands("way none");
	FAILS(ENETUNREACH, connect(nobody, &server.at.any, server.at.bytes));
	FAILS(ECONNABORTED, send(fd, "x", 1, MSG_NOSIGNAL));
	GIVES(STATE_CLOSE, state_of(fd));
	FAILS(EPIPE, send(fd, "x", 1, MSG_NOSIGNAL));
	hands("way back");
}

const struct compare_case compare_fastopen_later_cases[] = {
	{"later_off_early", later_off_early},
	{"later_bare", later_bare},
	{"later_no_way", later_no_way},
	{0},
};
