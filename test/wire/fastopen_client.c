/* SPDX-License-Identifier: BSD-3-Clause */
/* Fast Open, the client's calls: TCP_FASTOPEN_CONNECT, the deferred connect, the first write,
 * MSG_FASTOPEN; errno by errno as Linux 6.18. */
#include <linux/sockios.h>
#include <sys/ioctl.h>

#include "fastopen.h"

static void
server_only(struct tcp_config *config)
{
	config->fastopen = TCP_FASTOPEN_SERVER;
}

static void
bare(struct tcp_config *config)
{
	config->fastopen |= TCP_FASTOPEN_CLIENT_BARE;
}

static void
set_refused(struct wire *w, int name, const void *value, size_t len, int expected)
{
	WIRE_EQ(w, tcp_setsockopt(w->flow->c, IPPROTO_TCP, name, value, len), expected);
}

/* ---- The options */

WIRE_TEST(connect_option)
{
	int zero = 0, one = 1, two = 2;

	wire_start(w);
	wire_open(w);
	w->flow->local.port = 0;
	wire_get(w, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, 0);
	set_refused(w, TCP_FASTOPEN_CONNECT, &one, 3, -EINVAL);
	set_refused(w, TCP_FASTOPEN_CONNECT, &two, sizeof(two), -EINVAL);
	set_refused(w, TCP_FASTOPEN_CONNECT, &one, sizeof(one), 0);
	wire_get(w, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, 1);
	set_refused(w, TCP_FASTOPEN_CONNECT, &zero, sizeof(zero), 0);
	set_refused(w, TCP_FASTOPEN_CONNECT, &one, sizeof(one), 0);
	wire_connect(w, -EINPROGRESS);
	wire_out(w, "S 0:0(0) " FO_SYN_REQUEST);
	set_refused(w, TCP_FASTOPEN_CONNECT, &zero, sizeof(zero), -EINVAL);
	wire_in(w, "+10ms S. 0:0(0) ack 1 win 65535 " FO_ANSWER);
	wire_out(w, ". 1:1(0) ack 1");
	set_refused(w, TCP_FASTOPEN_CONNECT, &one, sizeof(one), -EINVAL);
	wire_get(w, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, 1);
	fo_abort(w);
	wire_end(w);
}

/* The value is looked at before whether there is Fast Open at all, and that before the state. */
WIRE_TEST(connect_option_switched_off)
{
	int zero = 0, one = 1, two = 2;

	wire_start(w, .configure = server_only);
	wire_open(w);
	set_refused(w, TCP_FASTOPEN_CONNECT, &two, sizeof(two), -EINVAL);
	set_refused(w, TCP_FASTOPEN_CONNECT, &one, sizeof(one), -EOPNOTSUPP);
	set_refused(w, TCP_FASTOPEN_CONNECT, &zero, sizeof(zero), -EOPNOTSUPP);
	w->flow->local.port = 0;
	wire_connect(w, -EINPROGRESS);
	wire_out(w, "S 0:0(0) " FO_SYN);
	set_refused(w, TCP_FASTOPEN_CONNECT, &one, sizeof(one), -EOPNOTSUPP);
	wire_end(w);
}

WIRE_TEST(no_cookie_option)
{
	int zero = 0, one = 1, two = 2;

	wire_start(w);
	wire_open(w);
	w->flow->local.port = 0;
	wire_get(w, IPPROTO_TCP, TCP_FASTOPEN_NO_COOKIE, 0);
	set_refused(w, TCP_FASTOPEN_NO_COOKIE, &two, sizeof(two), -EINVAL);
	set_refused(w, TCP_FASTOPEN_NO_COOKIE, &one, 3, -EINVAL);
	set_refused(w, TCP_FASTOPEN_NO_COOKIE, &one, sizeof(one), 0);
	wire_get(w, IPPROTO_TCP, TCP_FASTOPEN_NO_COOKIE, 1);
	wire_set(w, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, 1);
	wire_connect(w, 0);
	set_refused(w, TCP_FASTOPEN_NO_COOKIE, &zero, sizeof(zero), -EINVAL);
	wire_close(w);
	wire_flow(w, 1);
	wire_listen(w, 5);
	WIRE_EQ(w,
		tcp_setsockopt(w->listener, IPPROTO_TCP, TCP_FASTOPEN_NO_COOKIE, &one, sizeof(one)),
		0);
	wire_end(w);
}

/* ---- Without a cookie */

WIRE_TEST(connect_asks_for_a_cookie)
{
	wire_start(w);
	fo_open(w);
	wire_connect(w, -EINPROGRESS);
	wire_out(w, "S 0:0(0) " FO_SYN_REQUEST);
	wire_state(w, TCP_SYN_SENT);
	wire_connect(w, -EALREADY);
	wire_send(w, 10, -EAGAIN);
	wire_recv(w, 10, -EAGAIN);
	wire_sendto(w, 10, MSG_FASTOPEN, -EALREADY);
	wire_poll(w, 0);
	WIRE_EQ(w, fo_info(w).tcpi_fastopen_client_fail, 1);
	wire_in(w, "+10ms S. 0:0(0) ack 1 win 65535 <mss 1460,sackOK,FO " FO_COOKIE ">");
	wire_out(w, ". 1:1(0) ack 1");
	wire_poll(w, POLLOUT);
	wire_connect(w, 0);
	wire_connect(w, -EISCONN);
	WIRE_EQ(w, fo_info(w).tcpi_options & 32, 0);
	fo_abort(w);
	wire_end(w);
}

/* Without timestamps their place is filled by NOPs. */
WIRE_TEST(connect_asks_without_timestamps)
{
	wire_start(w, .no_timestamps = true);
	fo_open(w);
	wire_connect(w, -EINPROGRESS);
	wire_out(w, "S 0:0(0) <mss 1460,nop,nop,sackOK,nop,wscale *,FO,nop,nop>");
	wire_end(w);
}

/* Nobody asks for a cookie who does not want one. */
WIRE_TEST(ordinary_connect_has_no_option)
{
	wire_start(w);
	fo_learn(w, 1460);
	wire_connect(w, -EINPROGRESS);
	wire_out(w, "S 0:0(0) " FO_SYN);
	WIRE_EQ(w, fo_info(w).tcpi_fastopen_client_fail, 0);
	wire_end(w);
}

/* ---- The deferred connect */

WIRE_TEST(deferred_connect_sends_nothing)
{
	struct tcp_endpoint local, remote;

	wire_start(w);
	fo_learn(w, 1460);
	fo_defer(w);
	WIRE_EQ(w, tcp_is_deferred(w->flow->c), true);
	wire_state(w, TCP_SYN_SENT);
	wire_poll(w, POLLOUT);
	wire_error(w, 0);
	WIRE_EQ(w, fo_ioctl(w, SIOCOUTQ), 0);
	WIRE_EQ(w, fo_info(w).tcpi_unacked, 0);
	WIRE_EQ(w, tcp_send_room(w->flow->c), 0);
	WIRE_EQ(w, tcp_getsockname(w->flow->c, &local), 0);
	WIRE_EQ(w, ip_eq(&local.ip, &w->local) && local.port != 0, true);
	WIRE_EQ(w, tcp_getpeername(w->flow->c, &remote), -ENOTCONN);
	wire_recv(w, 10, -EAGAIN);
	wire_connect(w, -EISCONN);
	wire_connect(w, -EISCONN);
	WIRE_EQ(w, tcp_listen(w->flow->c, 1), -EINVAL);
	WIRE_EQ(w, tcp_accept(w->flow->c, &w->flows[1].c), -EINVAL);
	set_refused(w, TCP_FASTOPEN_CONNECT, &(int){1}, sizeof(int), -EINVAL);
	wire_get(w, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, 1);
	wire_idle_for(w, SEC(1000));
	wire_poll(w, POLLOUT);
	wire_count(w, active_opens, 1);
	wire_end(w);
}

/* POLLWRNORM goes with POLLOUT, which wire_poll() does not look at. */
WIRE_TEST(deferred_connect_is_writable)
{
	wire_start(w);
	fo_learn(w, 1460);
	fo_defer(w);
	WIRE_EQ(w, tcp_poll(w->flow->c), POLLOUT | POLLWRNORM);
	wire_end(w);
}

WIRE_TEST(deferred_connect_holds_its_tuple)
{
	struct tcp_endpoint local;
	struct tcp_conn *c;

	wire_start(w);
	fo_learn(w, 1460);
	fo_open(w);
	wire_set(w, SOL_SOCKET, SO_REUSEADDR, 1);
	local = (struct tcp_endpoint){w->local, 4000};
	WIRE_EQ(w, tcp_bind(w->flow->c, &local), 0);
	wire_connect(w, 0);
	WIRE_EQ(w, tcp_open(w->engine, w->family, &c), 0);
	WIRE_EQ(w, tcp_setsockopt(c, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int)), 0);
	WIRE_EQ(w, tcp_bind(c, &local), 0);
	WIRE_EQ(w, tcp_connect(c, &w->flow->remote), -EADDRNOTAVAIL);
	tcp_close(c);
	wire_end(w);
}

WIRE_TEST(deferred_connect_closed)
{
	wire_start(w);
	fo_learn(w, 1460);
	fo_defer(w);
	wire_close(w);
	wire_idle_for(w, SEC(10));
	wire_used(w, conns, 0);
	wire_used(w, flows, 0);
	wire_count(w, attempts_failed, 0);
	wire_end(w);
}

static void
shut_down(struct wire *w, int how)
{
	wire_start(w);
	fo_learn(w, 1460);
	fo_defer(w);
	wire_shutdown(w, how, 0);
	wire_state(w, TCP_CLOSED);
	wire_poll(w, POLLOUT | POLLERR | POLLHUP);
	wire_error(w, ECONNRESET);
	wire_error(w, 0);
	wire_poll(w, POLLOUT | POLLHUP);
	wire_send(w, 10, -EPIPE);
	wire_idle_for(w, SEC(10));
	wire_end(w);
}

WIRE_TEST(deferred_connect_shut_down_for_reading)
{
	shut_down(w, SHUT_RD);
}

WIRE_TEST(deferred_connect_shut_down_for_writing)
{
	shut_down(w, SHUT_WR);
}

WIRE_TEST(deferred_connect_shut_down)
{
	shut_down(w, SHUT_RDWR);
}

/* The error comes once, from whoever asks first. */
WIRE_TEST(deferred_connect_shut_down_then_written)
{
	wire_start(w);
	fo_learn(w, 1460);
	fo_defer(w);
	wire_shutdown(w, SHUT_RDWR, 0);
	wire_send(w, 10, -ECONNRESET);
	wire_send(w, 10, -EPIPE);
	wire_end(w);
}

WIRE_TEST(deferred_connect_disconnected)
{
	wire_start(w);
	fo_learn(w, 1460);
	fo_defer(w);
	wire_disconnect(w);
	wire_state(w, TCP_CLOSED);
	wire_idle(w);
	wire_error(w, ECONNRESET);
	wire_error(w, 0);
	wire_connect(w, 0);
	wire_send(w, 10, 10);
	wire_out(w, "S 0:10(10) " FO_SYN_COOKIE);
	wire_end(w);
}

WIRE_TEST(deferred_connect_has_no_timers)
{
	wire_start(w);
	fo_learn(w, 1460);
	fo_open(w);
	wire_set(w, SOL_SOCKET, SO_KEEPALIVE, 1);
	wire_set(w, IPPROTO_TCP, TCP_KEEPIDLE, 5);
	wire_set(w, IPPROTO_TCP, TCP_USER_TIMEOUT, 1000);
	wire_connect(w, 0);
	wire_set(w, IPPROTO_TCP, TCP_KEEPIDLE, 4);
	wire_idle_for(w, SEC(100));
	wire_poll(w, POLLOUT);
	wire_send(w, 10, 10);
	wire_out(w, "S 0:10(10) " FO_SYN_COOKIE);
	wire_end(w);
}

/* A packet for the flow's ports, from a peer who knows no number of ours. */
static void
stray(struct wire *w, const char *text)
{
	w->flow->iss = 0;
	w->flow->iss_known = true;
	wire_in(w, "%s", text);
}

/* A stray ACK is answered as if there were no SYN of ours, which there is not; a reset is nobody's.
 */
WIRE_TEST(deferred_connect_and_strays)
{
	wire_start(w);
	fo_learn(w, 1460);
	fo_defer(w);
	stray(w, ". 5:5(0) ack 77777");
	wire_out(w, "R 77777:77777(0)");
	stray(w, "S. 5:5(0) ack 77777 <mss 1460>");
	wire_out(w, "R 77777:77777(0)");
	stray(w, "R 5:5(0)");
	stray(w, "R. 5:5(0) ack 77777");
	wire_idle(w);
	wire_poll(w, POLLOUT);
	w->flow->iss_known = false;
	wire_send(w, 10, 10);
	wire_out(w, "S 0:10(10) " FO_SYN_COOKIE);
	wire_end(w);
}

/* DEVIATION of FEATURES.md: Linux falls silent. */
WIRE_TEST(deferred_connect_meets_a_syn)
{
	wire_start(w);
	fo_learn(w, 1460);
	fo_defer(w);
	wire_in(w, "S 0:0(0) win 65535 " FO_ANSWER);
	wire_out(w, "S. 0:0(0) ack 1 <mss 1460,nop,nop,sackOK>");
	wire_state(w, TCP_SYN_RECEIVED);
	WIRE_EQ(w, tcp_is_deferred(w->flow->c), false);
	wire_poll(w, 0);
	wire_send(w, 10, -EAGAIN);
	wire_connect(w, -EALREADY);
	wire_out(w, "+1s S. 0:0(0) ack 1 <mss 1460,nop,nop,sackOK>");
	wire_in(w, ". 1:1(0) ack 1 win 65535");
	wire_state(w, TCP_ESTABLISHED);
	wire_connect(w, 0);
	wire_send(w, 10, 10);
	wire_out(w, "P. 1:11(10) ack 1");
	wire_in(w, "+10ms . 1:1(0) ack 11 win 65535");
	fo_abort(w);
	wire_end(w);
}

static void
set_fastopen(struct wire *w, uint32_t bits)
{
	struct tcp_config config;

	tcp_config_defaults(&config);
	config.fastopen = bits;
	WIRE_EQ(w, tcp_reconfigure(w->engine, &config), 0);
}

WIRE_TEST(switched_off_before_connect)
{
	wire_start(w);
	fo_learn(w, 1460);
	fo_open(w);
	set_fastopen(w, 0);
	wire_connect(w, 0);
	wire_idle(w);
	wire_send(w, 10, -EOPNOTSUPP);
	wire_sendto(w, 10, MSG_FASTOPEN, -EOPNOTSUPP);
	wire_idle(w);
	WIRE_EQ(w, tcp_is_deferred(w->flow->c), true);
	set_fastopen(w, TCP_FASTOPEN_CLIENT);
	wire_send(w, 10, 10);
	wire_out(w, "S 0:10(10) " FO_SYN_COOKIE);
	wire_end(w);
}

WIRE_TEST(cookie_gone_before_the_first_write)
{
	wire_start(w);
	fo_learn(w, 1460);
	fo_defer(w);
	WIRE_EQ(w, tcp_fastopen_flush(w->engine, NULL), 1);
	wire_send(w, 10, -EINPROGRESS);
	wire_out(w, "S 0:0(0) " FO_SYN_REQUEST);
	wire_send(w, 10, -EAGAIN);
	wire_in(w, "+10ms S. 0:0(0) ack 1 win 65535 " FO_ANSWER);
	wire_out(w, ". 1:1(0) ack 1");
	wire_send(w, 10, 10);
	wire_out(w, "P. 1:11(10) ack 1");
	fo_abort(w);
	wire_end(w);
}

WIRE_TEST(route_gone_before_the_first_write)
{
	wire_start(w);
	fo_learn(w, 1460);
	fo_defer(w);
	wire_path(w, ENETUNREACH, 1500);
	wire_send(w, 10, -ECONNABORTED);
	wire_state(w, TCP_CLOSED);
	wire_connect(w, -ENETUNREACH);
	wire_path(w, 0, w->family == AF_INET ? 1500 : 1520);
	wire_connect(w, 0);
	wire_send(w, 10, 10);
	wire_out(w, "S 0:10(10) " FO_SYN_COOKIE);
	wire_end(w);
}

WIRE_TEST(no_route_at_connect)
{
	wire_start(w);
	fo_learn(w, 1460);
	fo_open(w);
	wire_path(w, ENETUNREACH, 1500);
	wire_connect(w, -ENETUNREACH);
	wire_idle(w);
	wire_end(w);
}

/* ---- Without a cookie because none is wanted */

static void
sends_without_option(struct wire *w)
{
	wire_connect(w, 0);
	wire_idle(w);
	wire_send(w, 100, 100);
	wire_out(w, "S 0:100(100) " FO_SYN);
	/* A cookie that nobody asked for is not kept. */
	wire_in(w, "+10ms S. 0:0(0) ack 101 win 65535 <mss 1460,sackOK,FO 0102030405060708>");
	wire_out(w, ". 101:101(0) ack 1");
	WIRE_EQ(w, fo_info(w).tcpi_options & 32, 32);
	WIRE_EQ(w, fo_info(w).tcpi_fastopen_client_fail, 0);
	fo_abort(w);
}

WIRE_TEST(no_cookie_defers_always)
{
	uint64_t cursor = 0;
	struct tcp_fastopen_entry entry;

	wire_start(w);
	fo_open(w);
	wire_set(w, IPPROTO_TCP, TCP_FASTOPEN_NO_COOKIE, 1);
	sends_without_option(w);
	WIRE_EQ(w, tcp_fastopen_list(w->engine, &cursor, &entry, 1), 1);
	WIRE_EQ(w, entry.cookie.len, 0);
	WIRE_EQ(w, entry.mss, 1460);
	fo_learn(w, 1460);
	wire_flow(w, 1);
	fo_open(w);
	wire_set(w, IPPROTO_TCP, TCP_FASTOPEN_NO_COOKIE, 1);
	sends_without_option(w);
	wire_end(w);
}

WIRE_TEST(no_cookie_by_configuration)
{
	wire_start(w, .configure = bare);
	fo_open(w);
	sends_without_option(w);
	wire_end(w);
}
