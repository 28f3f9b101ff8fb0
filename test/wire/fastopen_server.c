/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Fast Open, what the server answers a SYN: cookies in both kinds of option, right, wrong and odd
 * ones, keys and their change, and everything that leaves a SYN an ordinary one. RFC 7413 §4.2.
 */
#include "fastopen_server.h"

#define WITH_TS "mss 1460,sackOK,TS val 1000 ecr 0,nop,wscale 7"

/* The server's ordinary answer to WITH_TS, and with an option behind it. */
#define SYNACK "S. 0:0(0) ack 1 win 65160 <mss 1460,sackOK,TS val * ecr 1000,nop,wscale 7"

WIRE_TEST(asked_it_issues_a_cookie)
{
	wire_start(w, .configure = server_on);
	server_listen(w, 16, 5);
	wire_in(w, "S 0:0(0) win 8000 <" WITH_TS ",raw 2202,nop,nop>");
	wire_out(w, SYNACK ",raw 220a%s,nop,nop>", server_cookie(w));
	wire_accept_none(w);
	wire_count(w, fastopen_cookie_reqd, 1);
	wire_in(w, "+10ms . 1:1(0) ack 1 win 100");
	wire_accept(w);
	WIRE_EQ(w, server_info(w).options & (TCP_DETAILS_SYN_DATA | TCP_DETAILS_FASTOPEN_CHILD), 0);
	wire_count(w, fastopen_passive, 0);
	wire_end(w);
}

/* In the kind that asked: experiment 0xF989, RFC 6994. */
WIRE_TEST(asked_by_the_experimental_option)
{
	wire_start(w, .configure = server_on);
	server_listen(w, 16, 5);
	wire_in(w, "S 0:0(0) win 8000 <" WITH_TS ",raw fe04f989>");
	wire_out(w, SYNACK ",raw fe0cf989%s>", server_cookie(w));
	wire_end(w);
}

/* Without timestamps: MSS, NOP NOP SACK-permitted, NOP window scale, the cookie. */
WIRE_TEST(asked_without_timestamps)
{
	wire_start(w, .configure = server_on);
	server_listen(w, 16, 5);
	wire_in(w, "S 0:0(0) win 8000 <mss 1460,nop,nop,sackOK,nop,wscale 7,raw 2202,nop,nop>");
	wire_out(w,
		 "S. 0:0(0) ack 1 win 64240 <mss 1460,nop,nop,sackOK,nop,wscale 7,raw 220a%s,"
		 "nop,nop>",
		 server_cookie(w));
	wire_end(w);
}

/* What a request brings along is dropped, and a SYN-ACK that is sent again has no cookie. */
WIRE_TEST(payload_of_a_request_is_dropped)
{
	wire_start(w, .configure = server_on);
	server_listen(w, 16, 5);
	wire_in(w, "S 0:10(10) win 8000 <" WITH_TS ",raw 2202,nop,nop>");
	wire_out(w, SYNACK ",raw 220a%s,nop,nop>", server_cookie(w));
	wire_out(w, "+1s " SYNACK ">");
	wire_in(w, "P. 1:11(10) ack 1 win 100");
	wire_acked(w, 11);
	wire_accept(w);
	wire_recv(w, 20, 10);
	wire_end(w);
}

/* RFC 7413 §4.2: its bytes to be read, in SYN-RECEIVED, and all of it acknowledged by a SYN-ACK
 * without the option. */
WIRE_TEST(right_cookie_makes_a_child)
{
	struct tcp_details info;

	wire_start(w, .configure = server_on);
	server_listen(w, 16, 5);
	wire_in(w, "S 0:1000(1000) win 8000 <" WITH_TS ",raw 220a%s,nop,nop>", server_cookie(w));
	wire_out(w,
		 "S. 0:0(0) ack 1001 win 65160 <mss 1460,sackOK,TS val * ecr 1000,nop,wscale 7>");
	WIRE_EQ(w, w->listener_notified, 1);
	WIRE_EQ(w, tcp_poll(w->listener), POLLIN | POLLRDNORM);
	wire_accept(w);
	wire_state(w, TCP_SYN_RECEIVED);
	wire_poll(w, POLLIN | POLLOUT);
	info = server_info(w);
	WIRE_EQ(w, info.state, 3); /* Linux's TCP_SYN_RECV */
	WIRE_EQ(w, info.options, 0x20 | 0x80 | 7);
	WIRE_EQ(w, info.bytes_received, 1000);
	WIRE_EQ(w, info.segs_in, 1);
	WIRE_EQ(w, info.data_segs_in, 1);
	WIRE_EQ(w, info.delivered, 0);
	WIRE_EQ(w, info.rto, 3000000); /* RFC 6298 §5.7, until there is a sample */
	WIRE_EQ(w, info.rcv_mss, 536);
	wire_recv(w, 2000, 1000);
	wire_recv(w, 2000, -EAGAIN);
	wire_in(w, "+10ms . 1001:1001(0) ack 1 win 100");
	wire_state(w, TCP_ESTABLISHED);
	info = server_info(w);
	WIRE_EQ(w, info.options, 0x20 | 0x80 | 7);
	WIRE_EQ(w, info.rtt, MS(10));
	WIRE_EQ(w, info.delivered, 1);
	WIRE_EQ(w, info.segs_in, 2);
	WIRE_EQ(w, info.snd_wnd, 100 << 7);
	wire_count(w, fastopen_passive, 1);
	wire_count(w, passive_opens, 1);
	wire_idle_for(w, SEC(2));
	wire_send(w, 10, 10);
	wire_out(w, "P. 1:11(10) ack 1001 <nop,nop,TS val * ecr 1010>"); /* the final ACK's */
	wire_end(w);
}

WIRE_TEST(right_cookie_without_payload)
{
	wire_start(w, .configure = server_on);
	server_listen(w, 16, 5);
	wire_in(w, "S 0:0(0) win 8000 <" WITH_TS ",raw fe0cf989%s>", server_cookie(w));
	wire_out(w, SYNACK ">");
	wire_accept(w);
	wire_state(w, TCP_SYN_RECEIVED);
	wire_poll(w, POLLOUT);
	wire_recv(w, 10, -EAGAIN);
	WIRE_EQ(w, server_info(w).options, 0x80 | 7);
	wire_in(w, "+10ms P. 1:11(10) ack 1 win 100");
	wire_recv(w, 20, 10);
	wire_acked(w, 11);
	wire_end(w);
}

/* Whatever is not the right one of 8 bytes is answered by it, and what came along is dropped. */
WIRE_TEST(wrong_cookies_are_answered_by_the_right_one)
{
	static const char *const wrong[] = {
		"220a0000000000000000,nop,nop",
		"220600000000,nop,nop",
		"2208000000000000",
		"220c00000000000000000000",
		"221200000000000000000000000000000000,nop,nop",
	};

	wire_start(w, .configure = server_on);
	server_listen(w, 16, 5);
	for (unsigned int i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		wire_flow(w, i);
		wire_in(w, "S 0:10(10) win 8000 <" WITH_TS ",raw %s>", wrong[i]);
		wire_out(w, SYNACK ",raw 220a%s,nop,nop>", server_cookie(w));
		wire_count(w, fastopen_passive_fail, i + 1);
	}
	wire_accept_none(w);
	wire_used(w, conns, 1);
	wire_count(w, fastopen_passive, 0);
	wire_end(w);
}

WIRE_TEST(another_clients_cookie_is_wrong)
{
	struct ip_addr mine;
	const char *cookie;

	wire_start(w, .configure = server_on);
	server_listen(w, 16, 5);
	mine = w->flow->remote.ip;
	w->flow->remote.ip.w[3] ^= RTE_BE32(1);
	cookie = server_cookie(w);
	w->flow->remote.ip = mine;
	wire_in(w, "S 0:10(10) win 8000 <" WITH_TS ",raw 220a%s,nop,nop>", cookie);
	wire_out(w, SYNACK ",raw 220a%s,nop,nop>", server_cookie(w));
	wire_accept_none(w);
	wire_end(w);
}

/* Lengths that are none: the SYN is as one without the option. */
WIRE_TEST(odd_cookies_are_none)
{
	static const char *const odd[] = {
		"220900000000000000,nop,nop,nop",
		"22040000",
		"2203ff,nop",
		"fe06f9890000",
		"2214000000000000000000000000000000000000",
	};

	wire_start(w, .configure = server_on);
	server_listen(w, 16, 5);
	for (unsigned int i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
		wire_flow(w, i);
		wire_in(w, "S 0:10(10) win 8000 <" WITH_TS ",raw %s>", odd[i]);
		wire_out(w, SYNACK ">");
	}
	wire_count(w, fastopen_passive_fail, 0);
	wire_count(w, fastopen_cookie_reqd, 0);
	wire_end(w);
}

/* Payload alone asks for nothing. */
WIRE_TEST(payload_without_the_option)
{
	wire_start(w, .configure = server_on);
	server_listen(w, 16, 5);
	wire_in(w, "S 0:10(10) win 8000 <" WITH_TS ">");
	wire_out(w, SYNACK ">");
	wire_accept_none(w);
	wire_end(w);
}

/* ---- Keys */

static const struct tcp_fastopen_keys new_and_old = {
	.n = 2,
	.key = {{0xee, 1}, {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}},
};

static void
with_backup(struct tcp_config *config)
{
	server_on(config);
	config->fastopen_keys = new_and_old;
}

/* The primary issues; a cookie of the backup counts, and a new one comes with the SYN-ACK. */
WIRE_TEST(a_backup_keys_cookie_is_replaced)
{
	wire_start(w, .configure = with_backup);
	server_listen(w, 16, 5);
	wire_in(w, "S 0:10(10) win 8000 <" WITH_TS ",raw fe0cf989%s>", server_cookie(w));
	wire_out(w,
		 "S. 0:0(0) ack 11 <mss 1460,sackOK,TS val * ecr 1000,nop,wscale 7,raw fe0cf989%s>",
		 server_cookie_by(w, &new_and_old, 0));
	wire_accept(w);
	wire_recv(w, 20, 10);
	wire_count(w, fastopen_passive, 1);
	wire_count(w, fastopen_passive_alt_key, 1);
	wire_out(w, "+1s S. 0:0(0) ack 11 <mss 1460,sackOK,TS val * ecr 1000,nop,wscale 7>");
	wire_flow(w, 1);
	wire_in(w, "S 0:10(10) win 8000 <" WITH_TS ",raw 220a%s,nop,nop>",
		server_cookie_by(w, &new_and_old, 0));
	wire_out(w, "S. 0:0(0) ack 11 <mss 1460,sackOK,TS val * ecr 1000,nop,wscale 7>");
	wire_count(w, fastopen_passive_alt_key, 1);
	wire_end(w);
}

static void
reconfigure(struct wire *w, void (*configure)(struct tcp_config *))
{
	struct tcp_config config;

	tcp_config_defaults(&config);
	configure(&config);
	WIRE_EQ(w, tcp_reconfigure(w->engine, &config), 0);
}

/* What was begun under the old key goes on; what comes next is judged by the new one. */
WIRE_TEST(keys_change_while_it_runs)
{
	wire_start(w, .configure = server_on);
	server_listen(w, 16, 5);
	server_accepted(w, 10);
	reconfigure(w, with_backup);
	wire_recv(w, 20, 10);
	wire_in(w, "+10ms . 11:11(0) ack 1 win 8000");
	wire_state(w, TCP_ESTABLISHED);
	wire_flow(w, 1);
	wire_in(w, "S 0:0(0) win 8000 <mss 1460,raw 2202,nop,nop>");
	wire_out(w, "S. 0:0(0) ack 1 <mss 1460,raw 220a%s,nop,nop>",
		 server_cookie_by(w, &new_and_old, 0));
	wire_end(w);
}

/* TCP_FASTOPEN_KEY: a listener's own keys are the only ones that count for it. */
WIRE_TEST(a_listeners_own_key)
{
	uint8_t key[32];
	size_t len = sizeof(key);

	wire_start(w, .configure = server_on);
	server_listen(w, 16, 5);
	WIRE_EQ(w, tcp_getsockopt(w->listener, IPPROTO_TCP, TCP_FASTOPEN_KEY, key, &len), 0);
	WIRE_EQ(w, len, 0);
	WIRE_EQ(w,
		tcp_setsockopt(w->listener, IPPROTO_TCP, TCP_FASTOPEN_KEY, new_and_old.key[0], 16),
		0);
	len = sizeof(key);
	WIRE_EQ(w, tcp_getsockopt(w->listener, IPPROTO_TCP, TCP_FASTOPEN_KEY, key, &len), 0);
	WIRE_EQ(w, len, 16);
	WIRE_EQ(w, memcmp(key, new_and_old.key, 16), 0);
	wire_in(w, "S 0:10(10) win 8000 <mss 1460,raw 220a%s,nop,nop>", server_cookie(w));
	wire_out(w, "S. 0:0(0) ack 1 <mss 1460,raw 220a%s,nop,nop>",
		 server_cookie_by(w, &new_and_old, 0));
	/* With a backup. */
	WIRE_EQ(w, tcp_setsockopt(w->listener, IPPROTO_TCP, TCP_FASTOPEN_KEY, new_and_old.key, 32),
		0);
	len = sizeof(key);
	WIRE_EQ(w, tcp_getsockopt(w->listener, IPPROTO_TCP, TCP_FASTOPEN_KEY, key, &len), 0);
	WIRE_EQ(w, len, 32);
	wire_flow(w, 1);
	wire_in(w, "S 0:10(10) win 8000 <mss 1460,raw 220a%s,nop,nop>", server_cookie(w));
	wire_out(w, "S. 0:0(0) ack 11 <mss 1460,raw 220a%s,nop,nop>",
		 server_cookie_by(w, &new_and_old, 0));
	WIRE_EQ(w, tcp_setsockopt(w->listener, IPPROTO_TCP, TCP_FASTOPEN_KEY, key, 0), -EINVAL);
	WIRE_EQ(w, tcp_setsockopt(w->listener, IPPROTO_TCP, TCP_FASTOPEN_KEY, key, 15), -EINVAL);
	WIRE_EQ(w, tcp_setsockopt(w->listener, IPPROTO_TCP, TCP_FASTOPEN_KEY, key, 17), -EINVAL);
	wire_end(w);
}

static void
without_key(struct tcp_config *config)
{
	config->fastopen = TCP_FASTOPEN_SERVER;
}

/* It was drawn at start: its cookies are good, and the same, as long as the engine lives. */
WIRE_TEST(a_key_that_nobody_gave)
{
	char cookie[17] = "";
	struct note n;

	wire_start(w, .configure = without_key);
	server_listen(w, 16, 5);
	wire_in(w, "S 0:0(0) win 8000 <mss 1460,raw 2202,nop,nop>");
	WIRE_EQ(w, wire_next(w, &n), true);
	WIRE_EQ(w, n.options[1].raw_bytes, 10);
	for (unsigned int i = 0; i < 8; i++)
		snprintf(cookie + 2 * i, 3, "%02x", n.options[1].raw[2 + i]);
	WIRE_EQ(w, strcmp(cookie, server_cookie(w)) != 0, true);
	wire_flow(w, 1);
	wire_in(w, "S 0:10(10) win 8000 <mss 1460,raw 220a%s,nop,nop>", cookie);
	wire_out(w, "S. 0:0(0) ack 11 <mss 1460>");
	wire_end(w);
}

/* ---- Without cookies */

static void
bare(struct tcp_config *config)
{
	server_on(config);
	config->fastopen |= TCP_FASTOPEN_SERVER_BARE;
}

/* Payload, or any Fast Open option, is enough; no cookies are issued. */
static void
bare_syns(struct wire *w)
{
	wire_in(w, "S 0:10(10) win 8000 <mss 1460>");
	wire_out(w, "S. 0:0(0) ack 11 <mss 1460>");
	wire_accept(w);
	wire_recv(w, 20, 10);
	wire_flow(w, 1);
	wire_in(w, "S 0:0(0) win 8000 <mss 1460,raw 2202,nop,nop>");
	wire_out(w, "S. 0:0(0) ack 1 <mss 1460>");
	wire_accept(w);
	wire_flow(w, 2);
	wire_in(w, "S 0:10(10) win 8000 <mss 1460,raw 220a0000000000000000,nop,nop>");
	wire_out(w, "S. 0:0(0) ack 11 <mss 1460>");
	wire_accept(w);
	wire_flow(w, 3);
	wire_in(w, "S 0:0(0) win 8000 <mss 1460>");
	wire_out(w, "S. 0:0(0) ack 1 <mss 1460>");
	wire_accept_none(w);
	wire_count(w, fastopen_passive, 3);
	wire_count(w, fastopen_passive_fail, 0);
}

WIRE_TEST(by_configuration_no_cookie_is_asked_for)
{
	wire_start(w, .configure = bare);
	server_listen(w, 16, 5);
	bare_syns(w);
	wire_end(w);
}

WIRE_TEST(by_the_listeners_option_no_cookie_is_asked_for)
{
	int on = 1, two = 2;

	wire_start(w, .configure = server_on);
	server_listen(w, 16, 5);
	WIRE_EQ(w,
		tcp_setsockopt(w->listener, IPPROTO_TCP, TCP_FASTOPEN_NO_COOKIE, &two, sizeof(two)),
		-EINVAL);
	WIRE_EQ(w,
		tcp_setsockopt(w->listener, IPPROTO_TCP, TCP_FASTOPEN_NO_COOKIE, &on, sizeof(on)),
		0);
	bare_syns(w);
	wire_end(w);
}

/* ---- Who has it at all */

/* Asked for by everything that could; answered as ever. */
static void
nothing_of_it(struct wire *w)
{
	wire_in(w, "S 0:0(0) win 8000 <mss 1460,raw 2202,nop,nop>");
	wire_out(w, "S. 0:0(0) ack 1 win 64240 <mss 1460>");
	wire_flow(w, 1);
	wire_in(w, "S 0:10(10) win 8000 <mss 1460,raw 220a%s,nop,nop>", server_cookie(w));
	wire_out(w, "S. 0:0(0) ack 1 win 64240 <mss 1460>");
	wire_accept_none(w);
	wire_count(w, fastopen_passive, 0);
	wire_count(w, fastopen_listen_overflow, 0);
	wire_in(w, ". 1:1(0) ack 1 win 8000");
	wire_accept(w);
	WIRE_EQ(w, server_info(w).options, 0);
}

WIRE_TEST(a_listener_without_it)
{
	wire_start(w, .configure = server_on);
	wire_listen(w, 16);
	nothing_of_it(w);
	wire_end(w);
}

WIRE_TEST(a_listener_that_gave_it_up)
{
	wire_start(w, .configure = server_on);
	server_listen(w, 16, 5);
	server_listen(w, 16, 0);
	nothing_of_it(w);
	wire_end(w);
}

/* Off, it is as if it had never been invented; and it may be switched on later. */
WIRE_TEST(an_engine_without_it)
{
	wire_start(w);
	server_listen(w, 16, 5);
	nothing_of_it(w);
	reconfigure(w, server_on);
	wire_flow(w, 2);
	server_child(w, 10);
	wire_end(w);
}

static void
everywhere(struct tcp_config *config)
{
	server_on(config);
	config->fastopen |= TCP_FASTOPEN_EVERY_LISTENER;
}

/* Every listener has it, its backlog being the limit, unless it has one of its own. */
WIRE_TEST(every_listener)
{
	int qlen = 0, two = 2;
	size_t len = sizeof(qlen);

	wire_start(w, .configure = everywhere);
	wire_listen(w, 16);
	WIRE_EQ(w, tcp_getsockopt(w->listener, IPPROTO_TCP, TCP_FASTOPEN, &qlen, &len), 0);
	WIRE_EQ(w, qlen, 16);
	server_child(w, 10);
	wire_open(w);
	wire_set(w, IPPROTO_TCP, TCP_FASTOPEN, two);
	WIRE_EQ(w, tcp_bind(w->flow->c, &(struct tcp_endpoint){.port = 81}), 0);
	WIRE_EQ(w, tcp_listen(w->flow->c, 16), 0);
	wire_get(w, IPPROTO_TCP, TCP_FASTOPEN, two);
	wire_end(w);
}

/* TCP_FASTOPEN may come before listen() and is kept; it is capped; and it is a listener's. */
WIRE_TEST(the_limit_as_an_option)
{
	int below = -1, some = 7;

	wire_start(w); /* although the engine has it not */
	wire_flow(w, 1);
	wire_open(w);
	wire_get(w, IPPROTO_TCP, TCP_FASTOPEN, 0);
	WIRE_EQ(w, tcp_setsockopt(w->flow->c, IPPROTO_TCP, TCP_FASTOPEN, &below, sizeof(below)),
		-EINVAL);
	WIRE_EQ(w, tcp_setsockopt(w->flow->c, IPPROTO_TCP, TCP_FASTOPEN, &some, 3), -EINVAL);
	wire_set(w, IPPROTO_TCP, TCP_FASTOPEN, 100000);
	wire_get(w, IPPROTO_TCP, TCP_FASTOPEN, 4096);
	wire_set(w, IPPROTO_TCP, TCP_FASTOPEN, some);
	WIRE_EQ(w, tcp_bind(w->flow->c, &(struct tcp_endpoint){.port = 81}), 0);
	WIRE_EQ(w, tcp_listen(w->flow->c, 3), 0);
	wire_get(w, IPPROTO_TCP, TCP_FASTOPEN, some);
	wire_flow(w, 0);
	wire_connected(w, "<mss 1460>", 8000);
	WIRE_EQ(w, tcp_setsockopt(w->flow->c, IPPROTO_TCP, TCP_FASTOPEN, &some, sizeof(some)),
		-EINVAL);
	wire_end(w);
}

/* ---- When a SYN is in no position to ask */

static void
cookies_always(struct tcp_config *config)
{
	server_on(config);
	config->syncookies = TCP_SYNCOOKIES_ALWAYS;
}

WIRE_TEST(syn_cookies_in_force)
{
	wire_start(w, .configure = cookies_always);
	server_listen(w, 16, 5);
	nothing_of_it(w);
	wire_end(w);
}

WIRE_TEST(accept_queue_full)
{
	wire_start(w, .configure = server_on);
	server_listen(w, 0, 5);
	server_child(w, 10); /* one waits: as many as backlog + 1 */
	wire_flow(w, 1);
	wire_in(w, "S 0:10(10) win 8000 <mss 1460,raw 220a%s,nop,nop>", server_cookie(w));
	wire_idle(w);
	wire_count(w, drop_accept_queue_full, 1);
	wire_flow(w, 0);
	wire_accept(w);
	wire_flow(w, 1);
	server_child(w, 10);
	wire_end(w);
}

WIRE_TEST(syn_with_fin)
{
	wire_start(w, .configure = server_on);
	server_listen(w, 16, 5);
	wire_in(w, "SF 0:10(10) win 8000 <mss 1460,raw 220a%s,nop,nop>", server_cookie(w));
	wire_idle(w);
	wire_count(w, drop_syn_fin, 1);
	wire_accept_none(w);
	wire_end(w);
}
