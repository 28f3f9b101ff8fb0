/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The comparison test's cases of what repair does without a packet: bind, connect, shutdown, close.
 */
#include <arpa/inet.h>
#include <linux/sockios.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "compare_repair.h"

enum {
	ROOM = 64,
	SOON_MS = 100,
};

/* ---- bind */

static void
bind_used(void)
{
	int listener = new_listener(AF_INET, 1), plain = new_socket(AF_INET, 0);
	struct address at = address_own(AF_INET, port_of(listener));
	struct address other = address_own(AF_INET, 0);
	struct pair pair = connect_pair(AF_INET);
	int fd = new_socket(AF_INET, 0), second = new_socket(AF_INET, 0);

	FAILS(EADDRINUSE, bind(plain, &at.any, at.bytes));
	GIVES(0, repair(fd, 1));
	GIVES(0, bind(fd, &at.any, at.bytes));
	GIVES(port_of(listener), port_of(fd));
	FAILS(EINVAL, bind(fd, &other.any, other.bytes));
	at = tuple_of(pair.fd).own;
	FAILS(EADDRINUSE, bind(plain, &at.any, at.bytes));
	GIVES(0, repair(second, 1));
	GIVES(0, bind(second, &at.any, at.bytes));
	GIVES(0, repair(second, -1));
	GIVES(port_of(pair.fd), port_of(second));
	GIVES(0, repair(pair.fd, 1));
	FAILS(EINVAL, bind(pair.fd, &other.any, other.bytes));
}

/* ---- connect */

static void
connect_silently(int family)
{
	uint16_t port = 0;
	int server = peer_listen(family, 4, &port), fd = new_socket(family, 0);
	struct address to = address_peer(family, port);
	struct tuple tuple;

	GIVES(0, repair(fd, 1));
	GIVES(0, connect(fd, &to.any, to.bytes));
	GIVES(STATE_ESTABLISHED, state_of(fd));
	POLLS(CAN_WRITE, fd);
	GIVES(0, get_option(fd, SOL_SOCKET, SO_ERROR));
	tuple = tuple_of(fd);
	HOLDS(port_of(fd) != 0);
	GIVES(0, memcmp(&to.any, &tuple.peer.any, to.bytes));
	FAILS(EISCONN, connect(fd, &to.any, to.bytes));
	GIVES(0, info_of(fd).tcpi_segs_out);
	GIVES(0, peer_quiet(server, SOON_MS));
	GIVES(1, get_option(fd, IPPROTO_TCP, TCP_REPAIR));
	GIVES(0, repair(fd, -1));
	GIVES(0, info_of(fd).tcpi_segs_out);
	GIVES(STATE_ESTABLISHED, state_of(fd));
	/* The peer knows nothing of it. */
	GIVES(0, repair(fd, 0));
	HOLDS(await(fd, POLLIN));
	POLLS(CAN_READ | CAN_WRITE | POLLERR | POLLHUP | POLLRDHUP, fd);
	GIVES(ECONNRESET, get_option(fd, SOL_SOCKET, SO_ERROR));
	GIVES(STATE_CLOSE, state_of(fd));
}

static void
connect_silently4(void)
{
	connect_silently(AF_INET);
}

static void
connect_silently6(void)
{
	connect_silently(AF_INET6);
}

static void
connect_nonblocking(void)
{
	struct address to = refusing(AF_INET);
	int fd = new_socket(AF_INET, SOCK_NONBLOCK);

	GIVES(0, repair(fd, 1));
	GIVES(0, connect(fd, &to.any, to.bytes));
	GIVES(STATE_ESTABLISHED, state_of(fd));
}

/* The numbers that were set are the connection's. */
static void
connect_numbers(void)
{
	struct remains r = take_away(connect_pair(AF_INET));
	struct tcp_repair_window window;
	struct tcp_info info;
	int fd = revive(&r.tuple, 1000, 5000);

	GIVES(1000, get_seq(fd, QUEUE_RECEIVE));
	GIVES(5000, get_seq(fd, QUEUE_SEND));
	window = window_of(fd);
	GIVES(1000, window.rcv_wup);
	HOLDS(window.rcv_wnd > 0);
	GIVES(0, window.snd_wnd);
	GIVES(0, queued(fd, SIOCINQ));
	GIVES(0, queued(fd, SIOCOUTQ));
	info = info_of(fd);
	GIVES(0, info.tcpi_bytes_sent + info.tcpi_bytes_acked + info.tcpi_bytes_received);
	GIVES(0, info.tcpi_unacked + info.tcpi_retransmits + info.tcpi_backoff);
	GIVES(0, info.tcpi_ca_state);
	GIVES(0, repair(fd, -1));
	GIVES(0, repair(fd, 1));
}

static void
connect_alive(void)
{
	struct pair pair = connect_pair(AF_INET);
	struct tuple tuple = tuple_of(pair.fd);
	int fd = repairing(&tuple, 1, 1), own;

	FAILS(EADDRNOTAVAIL, connect(fd, &tuple.peer.any, tuple.peer.bytes));
	GIVES(STATE_CLOSE, state_of(fd));
	GIVES(1, get_option(fd, IPPROTO_TCP, TCP_REPAIR));
	goes_on(pair.fd, pair.peer, 0, 0);
	/* Nor while it is in repair itself. */
	GIVES(0, repair(pair.fd, 1));
	FAILS(EADDRNOTAVAIL, connect(fd, &tuple.peer.any, tuple.peer.bytes));
	GIVES(0, repair(pair.fd, -1));
	/* One of the peer's to us, too. */
	pair = accept_pair(AF_INET);
	tuple = tuple_of(pair.fd);
	own = repairing(&tuple, 1, 1);
	FAILS(EADDRNOTAVAIL, connect(own, &tuple.peer.any, tuple.peer.bytes));
	goes_on(pair.fd, pair.peer, 0, 0);
}

/* Repair wins over a connect that would be deferred; Linux forgets that. */
static void
connect_early(void)
{
	struct server server = serve(AF_INET, QLEN);
	int fd = early_socket(AF_INET, 0);

	know_cookie(AF_INET);
	GIVES(0, repair(fd, 1));
	GIVES(0, connect(fd, &server.at.any, server.at.bytes));
	GIVES(DIFFERS(STATE_SYN_SENT, STATE_ESTABLISHED), state_of(fd));
	GIVES(0, info_of(fd).tcpi_segs_out);
	GIVES(0, peer_quiet(server.handle, SOON_MS));
}

/* One that had not been answered is opened anew, from the number that was its SYN's. */
static void
connect_syn_sent(void)
{
	struct server server = serve_silently(AF_INET);
	int fd = new_socket(AF_INET, SOCK_NONBLOCK);

	GIVES(0, repair(fd, 1));
	GIVES(0, set_seq(fd, QUEUE_SEND, 5000));
	GIVES(0, repair(fd, 0));
	FAILS(EINPROGRESS, connect(fd, &server.at.any, server.at.bytes));
	GIVES(STATE_SYN_SENT, state_of(fd));
	GIVES(0, repair(fd, 1));
	GIVES(5001, get_seq(fd, QUEUE_SEND));
	GIVES(0, repair(fd, -1));
	make_room(&server);
	HOLDS(await(fd, POLLOUT));
	GIVES(STATE_ESTABLISHED, state_of(fd));
	goes_on(fd, peer_accept(server.handle), 0, 0);
}

static void
connect_to_none(void)
{
	struct pair pair = connect_pair(AF_INET);
	struct sockaddr none = {.sa_family = AF_UNSPEC};

	GIVES(0, repair(pair.fd, 1));
	GIVES(0, connect(pair.fd, &none, sizeof(none)));
	GIVES(STATE_CLOSE, state_of(pair.fd));
	GIVES(ECONNABORTED, get_option(pair.fd, SOL_SOCKET, SO_ERROR));
	GIVES(0, peer_quiet(pair.peer, SOON_MS));
}

/* An IPv4 connection by a socket of IPv6, as a listener for both has them. */
static void
connect_mapped(void)
{
	struct remains r = take_away(connect_pair(AF_INET));
	char own[64], peer[64];
	int fd;

	snprintf(own, sizeof(own), "::ffff:%s", inet_ntoa(r.tuple.own.in.sin_addr));
	snprintf(peer, sizeof(peer), "::ffff:%s", inet_ntoa(r.tuple.peer.in.sin_addr));
	r.tuple.own = address_text(own, ntohs(r.tuple.own.in.sin_port));
	r.tuple.peer = address_text(peer, ntohs(r.tuple.peer.in.sin_port));
	fd = revive(&r.tuple, r.receive, r.send);
	GIVES(0, give_options(fd, &r.info, MSS4));
	GIVES(MSS4, get_option(fd, IPPROTO_TCP, TCP_MAXSEG));
	set_option(fd, IPPROTO_TCP, TCP_TIMESTAMP, r.timestamp);
	GIVES(0, set_window(fd, &r.window));
	GIVES(0, repair(fd, 0));
	goes_on(fd, r.peer, 0, 0);
}

/* Bound to the port alone, which a listener has, too. */
static void
connect_from_wildcard(void)
{
	struct remains r = take_away(accept_pair(AF_INET));
	struct address at = address_wildcard(AF_INET, ntohs(r.tuple.own.in.sin_port));
	struct tuple tuple;
	int fd = new_socket(AF_INET, 0);

	GIVES(0, repair(fd, 1));
	GIVES(0, bind(fd, &at.any, at.bytes));
	GIVES(0, set_seq(fd, QUEUE_RECEIVE, r.receive));
	GIVES(0, set_seq(fd, QUEUE_SEND, r.send));
	GIVES(0, connect(fd, &r.tuple.peer.any, r.tuple.peer.bytes));
	tuple = tuple_of(fd);
	GIVES(0, memcmp(&tuple.own.any, &r.tuple.own.any, r.tuple.own.bytes));
	GIVES(0, give_options(fd, &r.info, MSS4));
	set_option(fd, IPPROTO_TCP, TCP_TIMESTAMP, r.timestamp);
	GIVES(0, set_window(fd, &r.window));
	GIVES(0, repair(fd, 0));
	goes_on(fd, r.peer, 0, 0);
}

/* A listener's own connections come back beside it, and it goes on. */
static void
connect_beside_listener(void)
{
	int listener = new_listener(AF_INET, 4), fd, second;
	struct address at = address_own(AF_INET, port_of(listener));
	struct pair pair = {.peer = peer_connect(&at)};

	pair.fd = accept(listener, NULL, NULL);
	goes_on(pair.fd, pair.peer, 0, 0);
	fd = reincarnate(pair);
	GIVES(0, repair(fd, 0));
	goes_on(fd, pair.peer, 9, 9);
	second = peer_connect(&at);
	HOLDS(second >= 0);
	HOLDS(accept(listener, NULL, NULL) >= 0);
	GIVES(0, close(listener));
	goes_on(fd, pair.peer, 18, 18);
}

/* What is no address of ours is none in repair, either. */
static void
connect_wrongly(void)
{
	struct address foreign = address_text("198.18.0.77", 5000), own = address_own(AF_INET, 0);
	struct address six = address_own(AF_INET6, 0), to = address_peer(AF_INET, 9);
	int fd = new_socket(AF_INET, 0);

	GIVES(0, repair(fd, 1));
	FAILS(EADDRNOTAVAIL, bind(fd, &foreign.any, foreign.bytes));
	FAILS(EAFNOSUPPORT, bind(fd, &six.any, six.bytes));
	GIVES(0, bind(fd, &own.any, own.bytes));
	FAILS(EINVAL, connect(fd, &to.any, 7));
	to.any.sa_family = AF_UNIX;
	FAILS(EAFNOSUPPORT, connect(fd, &to.any, to.bytes));
	FAILS(EINVAL, accept(fd, NULL, NULL));
	GIVES(STATE_CLOSE, state_of(fd));
	GIVES(1, get_option(fd, IPPROTO_TCP, TCP_REPAIR));
}

/* listen() takes no notice of it; from then on it stays what it is. */
static void
listen_in_repair(void)
{
	struct address own = address_own(AF_INET, 0);
	int fd = new_socket(AF_INET, 0);

	GIVES(0, bind(fd, &own.any, own.bytes));
	GIVES(0, repair(fd, 1));
	GIVES(0, listen(fd, 1));
	GIVES(STATE_LISTEN, state_of(fd));
	GIVES(1, get_option(fd, IPPROTO_TCP, TCP_REPAIR));
	FAILS(EPERM, repair(fd, 0));
	FAILS(EPERM, repair(fd, -1));
}

/* ---- close */

static void
close_silently(void)
{
	struct linger linger = {.l_onoff = 1};
	struct pair pair = connect_pair(AF_INET);
	struct remains r;
	int fd, second;

	/* Unread, unsent and unacknowledged data, and a limit of zero, are no reasons for a reset.
	 */
	GIVES(5, peer_send(pair.peer, 5, 0));
	HOLDS(await(pair.fd, POLLIN));
	GIVES(3, send(pair.fd, pattern_bytes(0, 3), 3, MSG_MORE));
	GIVES(0, setsockopt(pair.fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)));
	r = take_away(pair);
	GIVES(0, peer_quiet(pair.peer, SOON_MS));
	fd = bring_back(&r, 0, 3);
	GIVES(0, repair(fd, 0));
	sleep_ms(20);
	goes_on(fd, pair.peer, 0, 5);
	/* One of two descriptors closes nothing. */
	second = dup(fd);
	GIVES(0, repair(fd, 1));
	GIVES(0, close(fd));
	GIVES(1, get_option(second, IPPROTO_TCP, TCP_REPAIR));
	GIVES(0, repair(second, 0));
	goes_on(second, pair.peer, 9, 14);
}

/* What comes then is answered by Linux, with a reset; Tern waits for who restores it. */
static void
close_mutes(void)
{
	struct remains r = take_away(connect_pair(AF_INET));
	uint8_t got[ROOM];
	int fd;

	GIVES(5, peer_send(r.peer, 5, 0));
	GIVES(DIFFERS(1, 0), peer_quiet(r.peer, SOON_MS));
	if (!compare_is_tern()) {
		FAILS(ECONNRESET, (errno = -peer_at_end(r.peer)) != 0 ? -1 : 0);
		return;
	}
	fd = bring_back(&r, 0, 0);
	GIVES(0, repair(fd, 0));
	GIVES(5, recv(fd, got, 5, MSG_WAITALL));
	goes_on(fd, r.peer, 0, 5);
}

/* Nothing is waited for that cannot be. */
static void
close_lingers_not(void)
{
	struct linger linger = {.l_onoff = 1, .l_linger = 5};
	struct pair pair = connect_pair(AF_INET);
	int64_t begin;

	deafen_peer();
	GIVES(0, setsockopt(pair.fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)));
	GIVES(3, send(pair.fd, pattern_bytes(0, 3), 3, 0));
	GIVES(0, repair(pair.fd, 1));
	begin = now_ms();
	GIVES(0, close(pair.fd));
	HOLDS(now_ms() - begin < 1000);
	hear();
	GIVES(0, peer_quiet(pair.peer, SOON_MS));
}

static void
close_unconnected(void)
{
	int fd = new_socket(AF_INET, 0), bound = new_socket(AF_INET, 0);
	struct address own = address_own(AF_INET, 0);

	GIVES(0, repair(fd, 1));
	GIVES(0, close(fd));
	GIVES(0, bind(bound, &own.any, own.bytes));
	own = address_own(AF_INET, port_of(bound));
	GIVES(0, repair(bound, 1));
	GIVES(0, close(bound));
	/* Its port is free. */
	fd = new_socket(AF_INET, 0);
	GIVES(0, bind(fd, &own.any, own.bytes));
}

/* ---- shutdown */

static void
shut_states(void)
{
	int fresh = new_socket(AF_INET, 0);
	struct pair pair = connect_pair(AF_INET);

	GIVES(0, repair(fresh, 1));
	FAILS(ENOTCONN, shutdown(fresh, SHUT_WR));
	GIVES(0, repair(pair.fd, 1));
	FAILS(EINVAL, shutdown(pair.fd, 3));
	GIVES(0, shutdown(pair.fd, SHUT_RD));
	GIVES(STATE_ESTABLISHED, state_of(pair.fd));
	POLLS(CAN_READ | CAN_WRITE | POLLRDHUP, pair.fd);
	GIVES(0, choose(pair.fd, QUEUE_RECEIVE));
	GIVES(0, recv(pair.fd, &fresh, 1, MSG_PEEK | MSG_DONTWAIT));
}

/* Its FIN has been sent already, says who has chosen the send queue. */
static void
shut_sent(void)
{
	struct pair pair = connect_pair(AF_INET);
	int fd = pair.fd, before;
	uint32_t seq;

	GIVES(0, repair(fd, 1));
	seq = get_seq(fd, QUEUE_SEND);
	before = (int)info_of(fd).tcpi_segs_out;
	GIVES(0, shutdown(fd, SHUT_WR));
	GIVES(STATE_FIN_WAIT_1, state_of(fd));
	GIVES(1, get_seq(fd, QUEUE_SEND) - seq);
	GIVES(before, info_of(fd).tcpi_segs_out);
	GIVES(0, peer_quiet(pair.peer, SOON_MS));
	FAILS(EPIPE, send(fd, "x", 1, MSG_NOSIGNAL));
	GIVES(0, shutdown(fd, SHUT_WR));
	GIVES(0, repair(fd, -1));
	GIVES(before, info_of(fd).tcpi_segs_out);
	/* It is repeated as one that was lost. */
	GIVES(0, peer_at_end(pair.peer));
	GIVES(5, peer_send(pair.peer, 5, 0));
	HOLDS(await(fd, POLLIN));
}

/* Otherwise it is one to be sent: Linux does at once, Tern when repair ends. */
static void
shut_unsent(int queue)
{
	struct pair pair = connect_pair(AF_INET);
	int fd = pair.fd;

	GIVES(0, repair(fd, 1));
	GIVES(0, choose(fd, queue));
	GIVES(0, shutdown(fd, SHUT_WR));
	GIVES(DIFFERS(1, 0), peer_quiet(pair.peer, SOON_MS));
	sleep_ms(SOON_MS);
	GIVES(DIFFERS(STATE_FIN_WAIT_2, STATE_FIN_WAIT_1), state_of(fd));
	GIVES(0, repair(fd, -1));
	GIVES(0, peer_at_end(pair.peer));
	sleep_ms(SOON_MS);
	GIVES(STATE_FIN_WAIT_2, state_of(fd));
}

static void
shut_unsent_none(void)
{
	shut_unsent(QUEUE_NONE);
}

static void
shut_unsent_receive(void)
{
	shut_unsent(QUEUE_RECEIVE);
}

const struct compare_case compare_repair_silent_cases[] = {
	{"bind_used", bind_used},
	{"connect_silently4", connect_silently4},
	{"connect_silently6", connect_silently6},
	{"connect_nonblocking", connect_nonblocking},
	{"connect_numbers", connect_numbers},
	{"connect_alive", connect_alive},
	{"connect_early", connect_early},
	{"connect_syn_sent", connect_syn_sent},
	{"connect_to_none", connect_to_none},
	{"connect_mapped", connect_mapped},
	{"connect_from_wildcard", connect_from_wildcard},
	{"connect_beside_listener", connect_beside_listener},
	{"connect_wrongly", connect_wrongly},
	{"listen_in_repair", listen_in_repair},
	{"close_silently", close_silently},
	{"close_mutes", close_mutes},
	{"close_lingers_not", close_lingers_not},
	{"close_unconnected", close_unconnected},
	{"shut_states", shut_states},
	{"shut_sent", shut_sent},
	{"shut_unsent_none", shut_unsent_none},
	{"shut_unsent_receive", shut_unsent_receive},
	{0},
};
