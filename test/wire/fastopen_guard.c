/* SPDX-License-Identifier: BSD-3-Clause */
/* Fast Open, the guard against black holes: what counts as one, for how long Fast Open is off, and
 * what brings it back; as Linux's tcp_fastopen_blackhole_timeout_sec. */
#include "fastopen.h"

enum { T_S = 100 };

static void
guarded(struct tcp_config *config)
{
	config->fastopen_blackhole_s = T_S;
}

/* A SYN with the cookie and 100 bytes. */
static void
opened(struct wire *w, unsigned int flow)
{
	wire_flow(w, flow);
	fo_defer(w);
	wire_send(w, 100, 100);
	wire_out(w, "S 0:100(100) " FO_SYN_COOKIE);
}

/* And its SYN-ACK. */
static void
connected(struct wire *w, unsigned int flow)
{
	opened(w, flow);
	wire_in(w, "+10ms S. 0:0(0) ack 101 win 65535 " FO_ANSWER);
	wire_out(w, ". 101:101(0) ack 1");
}

static void
is_off(struct wire *w, unsigned int flow)
{
	wire_flow(w, flow);
	fo_open(w);
	wire_connect(w, -EINPROGRESS);
	wire_out(w, "S 0:0(0) " FO_SYN);
	WIRE_EQ(w, fo_info(w).tcpi_fastopen_client_fail, 0);
	fo_abort(w);
}

static void
is_on(struct wire *w, unsigned int flow)
{
	opened(w, flow);
	fo_abort(w);
}

static struct tcp_fastopen_guard
guard(struct wire *w)
{
	struct tcp_fastopen_guard g;

	tcp_fastopen_guard(w->engine, &g);
	return g;
}

/* Three SYNs time out. Returns at the third time-out. */
static void
time_out(struct wire *w, unsigned int flow)
{
	opened(w, flow);
	for (int i = 0; i < 3; i++)
		wire_out(w, "+1s S 0:0(0) " FO_SYN);
	fo_abort(w);
}

WIRE_TEST(third_time_out_of_the_handshake)
{
	wire_start(w, .configure = guarded);
	fo_learn(w, 1460);
	opened(w, 0);
	wire_out(w, "+1s S 0:0(0) " FO_SYN);
	wire_out(w, "+1s S 0:0(0) " FO_SYN);
	WIRE_EQ(w, guard(w).times, 0);
	is_on(w, 1);
	wire_flow(w, 0);
	wire_out(w, "+1s S 0:0(0) " FO_SYN);
	WIRE_EQ(w, guard(w).times, 1);
	WIRE_EQ(w, guard(w).until_us, w->now_us + SEC(T_S));
	WIRE_EQ(w, w->news.kind, TCP_FASTOPEN_NEWS_BLACK_HOLE);
	wire_count(w, fastopen_blackhole, 1);
	wire_count(w, fastopen_active_fail, 1);
	/* Once a connection. */
	wire_out(w, "+1s S 0:0(0) " FO_SYN);
	wire_out(w, "+1s S 0:0(0) " FO_SYN);
	wire_out(w, "+2s S 0:0(0) " FO_SYN);
	WIRE_EQ(w, guard(w).times, 1);
	fo_abort(w);
	is_off(w, 2);
	wire_flow(w, 3);
	wire_sendto(w, 10, MSG_FASTOPEN, -EINPROGRESS);
	wire_out(w, "S 0:0(0) " FO_SYN);
	fo_abort(w);
	wire_end(w);
}

/* It is no cookie's fault: what nobody asked for is off, too. */
WIRE_TEST(off_without_cookies_too)
{
	wire_start(w, .configure = guarded);
	fo_learn(w, 1460);
	time_out(w, 0);
	wire_flow(w, 1);
	fo_open(w);
	wire_set(w, IPPROTO_TCP, TCP_FASTOPEN_NO_COOKIE, 1);
	wire_connect(w, -EINPROGRESS);
	wire_out(w, "S 0:0(0) " FO_SYN);
	wire_end(w);
}

WIRE_TEST(request_that_times_out_counts)
{
	wire_start(w, .configure = guarded);
	fo_open(w);
	wire_connect(w, -EINPROGRESS);
	wire_out(w, "S 0:0(0) " FO_SYN_REQUEST);
	for (int i = 0; i < 3; i++)
		wire_out(w, "+1s S 0:0(0) " FO_SYN);
	WIRE_EQ(w, guard(w).times, 1);
	wire_end(w);
}

WIRE_TEST(ordinary_time_outs_do_not_count)
{
	wire_start(w, .configure = guarded);
	wire_connect(w, -EINPROGRESS);
	wire_out(w, "S 0:0(0) " FO_SYN);
	for (int i = 0; i < 3; i++)
		wire_out(w, "+1s S 0:0(0) " FO_SYN);
	WIRE_EQ(w, guard(w).times, 0);
	wire_end(w);
}

/* Given up before the third. */
WIRE_TEST(end_by_time_out_counts)
{
	wire_start(w, .configure = guarded);
	fo_learn(w, 1460);
	fo_open(w);
	wire_set(w, IPPROTO_TCP, TCP_USER_TIMEOUT, 1500);
	wire_connect(w, 0);
	wire_send(w, 100, 100);
	wire_out(w, "S 0:100(100) " FO_SYN_COOKIE);
	wire_out(w, "+1s S 0:0(0) " FO_SYN);
	wire_idle_for(w, SEC(3));
	wire_state(w, TCP_CLOSED);
	WIRE_EQ(w, guard(w).times, 1);
	wire_count(w, fastopen_active_fail, 1);
	wire_end(w);
}

/* After the handshake, too. */
WIRE_TEST(third_time_out_of_data)
{
	wire_start(w, .configure = guarded);
	fo_learn(w, 1460);
	connected(w, 0);
	wire_send(w, 100, 100);
	wire_out(w, "P. 101:201(100) ack 1");
	for (int i = 0; i < 2; i++)
		wire_out(w, "<=2s P. 101:201(100) ack 1");
	while (guard(w).times == 0 && w->now_us < w->start_us + SEC(10)) {
		wire_wait(w, MS(1));
		wire_skip(w);
	}
	WIRE_EQ(w, guard(w).times, 1);
	wire_count(w, rto, 3);
	fo_abort(w);
	is_off(w, 1);
	wire_end(w);
}

/* A reset that is not the next in order, and no data came before: something cut the data off. */
WIRE_TEST(reset_out_of_order)
{
	wire_start(w, .configure = guarded);
	fo_learn(w, 1460);
	connected(w, 0);
	wire_in(w, "R. 1001:1001(0) ack 101 win 65535");
	wire_out(w, ". 101:101(0) ack 1");
	WIRE_EQ(w, guard(w).times, 1);
	fo_abort(w);
	is_off(w, 1);
	wire_end(w);
}

WIRE_TEST(reset_out_of_order_after_data)
{
	wire_start(w, .configure = guarded);
	fo_learn(w, 1460);
	connected(w, 0);
	wire_in(w, "P. 1:11(10) ack 101 win 65535");
	wire_acked(w, 11);
	wire_in(w, "R. 1001:1001(0) ack 101 win 65535");
	wire_skip(w);
	WIRE_EQ(w, guard(w).times, 0);
	fo_abort(w);
	wire_end(w);
}

/* A FIN likewise; that counts when the connection ends and nothing has filled the gap. */
WIRE_TEST(fin_out_of_order)
{
	wire_start(w, .configure = guarded);
	fo_learn(w, 1460);
	connected(w, 0);
	wire_in(w, "F. 1001:1001(0) ack 101 win 65535");
	wire_skip(w);
	WIRE_EQ(w, guard(w).times, 0);
	fo_abort(w);
	WIRE_EQ(w, guard(w).times, 1);
	wire_end(w);
}

WIRE_TEST(fin_in_order_after_all)
{
	wire_start(w, .configure = guarded);
	fo_learn(w, 1460);
	connected(w, 0);
	wire_in(w, "F. 1001:1001(0) ack 101 win 65535");
	wire_skip(w);
	wire_in(w, ". 1:1001(1000) ack 101 win 65535");
	wire_skip(w);
	fo_abort(w);
	WIRE_EQ(w, guard(w).times, 0);
	wire_end(w);
}

/* ---- For how long */

/* t, 2t, 4t, ... up to 64t. */
WIRE_TEST(doubles_each_time)
{
	uint64_t off_s = T_S;

	wire_start(w, .configure = guarded);
	fo_learn(w, 1460);
	for (unsigned int i = 0; i < 9; i++) {
		time_out(w, i);
		WIRE_EQ(w, guard(w).times, i + 1);
		WIRE_EQ(w, guard(w).until_us - guard(w).found_us, SEC(off_s));
		wire_wait(w, guard(w).until_us - 1 - w->now_us);
		is_off(w, 20 + i);
		wire_wait(w, 1);
		is_on(w, 40 + i);
		off_s = off_s < 64 * T_S ? off_s * 2 : off_s;
	}
	wire_end(w);
}

/* The first connection after it that brings data lifts it, once it is over. */
WIRE_TEST(success_forgets)
{
	wire_start(w, .configure = guarded);
	fo_learn(w, 1460);
	time_out(w, 0);
	wire_wait(w, SEC(T_S));
	connected(w, 1);
	wire_in(w, "P. 1:11(10) ack 101 win 65535");
	wire_acked(w, 11);
	WIRE_EQ(w, guard(w).times, 1);
	fo_abort(w);
	WIRE_EQ(w, guard(w).times, 0);
	WIRE_EQ(w, w->news.kind, TCP_FASTOPEN_NEWS_WORKS);
	time_out(w, 2);
	WIRE_EQ(w, guard(w).until_us - guard(w).found_us, SEC(T_S));
	wire_end(w);
}

WIRE_TEST(success_without_data_does_not)
{
	wire_start(w, .configure = guarded);
	fo_learn(w, 1460);
	time_out(w, 0);
	wire_wait(w, SEC(T_S));
	connected(w, 1);
	fo_abort(w);
	WIRE_EQ(w, guard(w).times, 1);
	wire_end(w);
}

/* A connection that was there before says nothing of now. */
WIRE_TEST(earlier_success_does_not)
{
	wire_start(w, .configure = guarded);
	fo_learn(w, 1460);
	connected(w, 1);
	time_out(w, 0);
	wire_flow(w, 1);
	wire_in(w, "P. 1:11(10) ack 101 win 65535");
	wire_acked(w, 11);
	fo_abort(w);
	WIRE_EQ(w, guard(w).times, 1);
	wire_end(w);
}

/* One's own addresses are reached without the middle boxes. */
WIRE_TEST(own_addresses_do_not_count)
{
	wire_start(w, .configure = guarded);
	fo_learn(w, 1460);
	time_out(w, 0);
	wire_wait(w, SEC(T_S));
	connected(w, 1);
	wire_in(w, "P. 1:11(10) ack 101 win 65535");
	wire_acked(w, 11);
	w->also_local = w->flow->remote.ip;
	fo_abort(w);
	WIRE_EQ(w, guard(w).times, 1);
	wire_end(w);
}

/* ---- Other engines, other settings */

WIRE_TEST(news_of_black_holes)
{
	struct tcp_fastopen_news news = {.kind = TCP_FASTOPEN_NEWS_BLACK_HOLE};

	wire_start(w, .configure = guarded);
	fo_learn(w, 1460);
	w->n_news = 0;
	tcp_fastopen_take_news(w->engine, &news);
	is_off(w, 0);
	news.kind = TCP_FASTOPEN_NEWS_WORKS;
	tcp_fastopen_take_news(w->engine, &news);
	is_on(w, 1);
	WIRE_EQ(w, w->n_news, 0);
	wire_end(w);
}

/* The engine's default, as Linux's. */
WIRE_TEST(no_guard)
{
	wire_start(w);
	fo_learn(w, 1460);
	time_out(w, 0);
	WIRE_EQ(w, guard(w).times, 0);
	wire_count(w, fastopen_blackhole, 0);
	wire_count(w, fastopen_active_fail, 1);
	is_on(w, 1);
	wire_end(w);
}

WIRE_TEST(new_setting_forgets)
{
	struct tcp_config config;

	wire_start(w, .configure = guarded);
	fo_learn(w, 1460);
	time_out(w, 0);
	tcp_config_defaults(&config);
	config.fastopen_blackhole_s = T_S;
	WIRE_EQ(w, tcp_reconfigure(w->engine, &config), 0);
	is_off(w, 1);
	config.fastopen_blackhole_s = T_S + 1;
	WIRE_EQ(w, tcp_reconfigure(w->engine, &config), 0);
	is_on(w, 2);
	wire_end(w);
}
