/* SPDX-License-Identifier: BSD-3-Clause */
/* The rules of repair's options, each with its error and the order in which Linux looks. */
#include "repair_calls.h"

WIRE_TEST(queue)
{
	size_t len = sizeof(int);
	int v;

	wire_start(w);
	wire_open(w);
	WIRE_EQ(w, try_set(w, TCP_REPAIR_QUEUE, 1), -EPERM);
	WIRE_EQ(w, try_set(w, TCP_REPAIR_QUEUE, 9), -EPERM);
	WIRE_EQ(w, tcp_getsockopt(w->flow->c, IPPROTO_TCP, TCP_REPAIR_QUEUE, &v, &len), -EINVAL);
	repair_on(w);
	WIRE_EQ(w, try_get(w, TCP_REPAIR_QUEUE), 0);
	WIRE_EQ(w, try_set(w, TCP_REPAIR_QUEUE, -1), -EINVAL);
	WIRE_EQ(w, try_set(w, TCP_REPAIR_QUEUE, 3), -EINVAL);
	for (int q = 2; q >= 0; q--) {
		repair_queue(w, q);
		WIRE_EQ(w, try_get(w, TCP_REPAIR_QUEUE), q);
	}
	/* On again chooses none. */
	repair_queue(w, REPAIR_SEND);
	repair_on(w);
	WIRE_EQ(w, try_get(w, TCP_REPAIR_QUEUE), 0);
	wire_end(w);
}

WIRE_TEST(queue_seq)
{
	wire_start(w);
	wire_open(w);
	WIRE_EQ(w, try_set(w, TCP_QUEUE_SEQ, 5), -EINVAL);
	WIRE_EQ(w, try_get(w, TCP_QUEUE_SEQ), -EINVAL);
	repair_on(w);
	WIRE_EQ(w, try_set(w, TCP_QUEUE_SEQ, 5), -EINVAL);
	set_seq(w, REPAIR_SEND, 4000000000);
	set_seq(w, REPAIR_RECV, 77);
	WIRE_EQ(w, get_seq(w, REPAIR_SEND), 4000000000);
	WIRE_EQ(w, get_seq(w, REPAIR_RECV), 77);
	WIRE_EQ(w, tcp_setsockopt(w->flow->c, IPPROTO_TCP, TCP_QUEUE_SEQ, "123", 3), -EINVAL);
	wire_end(w);
}

/* Behind what is queued, sent or not; and in the receive queue. Only in CLOSED may it be set. */
WIRE_TEST(queue_seq_of_a_connection)
{
	wire_start(w);
	wire_accepted(w, "<mss 1460>", 1000);
	wire_in(w, "P. 1:101(100) ack 1 win 1000");
	wire_acked(w, 101);
	wire_send(w, 3000, 3000);
	wire_out(w, ". 1:1001(1000) ack 101");
	repair_on(w);
	WIRE_EQ(w, get_seq(w, REPAIR_SEND) - w->flow->iss, 3001);
	WIRE_EQ(w, get_seq(w, REPAIR_RECV) - w->flow->peer_iss, 101);
	WIRE_EQ(w, try_set(w, TCP_QUEUE_SEQ, 5), -EPERM);
	repair_queue(w, REPAIR_NONE);
	WIRE_EQ(w, try_set(w, TCP_QUEUE_SEQ, 5), -EPERM);
	/* A FIN counts, before it is sent, too. */
	wire_shutdown(w, SHUT_WR, 0);
	WIRE_EQ(w, get_seq(w, REPAIR_SEND) - w->flow->iss, 3002);
	wire_end(w);
}

/* What a connection that ended left to read is not to be renumbered. */
WIRE_TEST(queue_seq_with_bytes_queued)
{
	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	wire_in(w, "P. 1:101(100) ack 1");
	wire_acked(w, 101);
	wire_in(w, "R. 101:101(0) ack 1");
	wire_state(w, TCP_CLOSED);
	tcp_set_privileged(w->flow->c, true);
	repair_on(w);
	repair_queue(w, REPAIR_RECV);
	WIRE_EQ(w, try_set(w, TCP_QUEUE_SEQ, 5), -EPERM);
	wire_end(w);
}

/* An ordinary connect() begins at the number set: so a SYN-SENT is restored. */
WIRE_TEST(queue_seq_for_a_syn)
{
	wire_start(w);
	wire_open(w);
	w->flow->local.port = 0;
	repair_on(w);
	set_seq(w, REPAIR_SEND, 123456);
	repair_off(w, 0);
	wire_connect(w, -EINPROGRESS);
	wire_out(w, "S 0:0(0) <*>");
	WIRE_EQ(w, w->flow->iss, 123456);
	repair_on(w);
	wire_idle_for(w, SEC(9));
	repair_off(w, -1);
	wire_out(w, "+1s S 0:0(0) <*>");
	wire_in(w, "S. 0:0(0) ack 1 win 65535 <mss 1460>");
	wire_out(w, ". 1:1(0) ack 1 <*>");
	wire_end(w);
}

WIRE_TEST(options)
{
	const struct tcp_repair_opt scale = {3, 7 | 9 << 16}, mss = {2, 1000}, sack = {4, 0},
				    ts = {8, 0}, unknown = {99, 5};

	wire_start(w);
	wire_open(w);
	WIRE_EQ(w, set_pairs(w, &mss, 1), -EINVAL);
	repair_on(w);
	WIRE_EQ(w, set_pairs(w, &mss, 1), -EPERM); /* not in ESTABLISHED */
	wire_close(w);
	repair_connect(w);
	WIRE_EQ(w, tcp_setsockopt(w->flow->c, IPPROTO_TCP, TCP_REPAIR_OPTIONS, NULL, 0), -EINVAL);
	WIRE_EQ(w, tcp_setsockopt(w->flow->c, IPPROTO_TCP, TCP_REPAIR_OPTIONS, &mss, 3), -EINVAL);
	WIRE_EQ(w, set_pairs(w, &(struct tcp_repair_opt){3, 15}, 1), -EFBIG);
	WIRE_EQ(w, set_pairs(w, &(struct tcp_repair_opt){3, 15 << 16}, 1), -EFBIG);
	WIRE_EQ(w, set_pairs(w, &(struct tcp_repair_opt){4, 1}, 1), -EINVAL);
	WIRE_EQ(w, set_pairs(w, &(struct tcp_repair_opt){8, 1}, 1), -EINVAL);
	WIRE_EQ(w, set_pairs(w, &unknown, 1), 0);
	WIRE_EQ(w, wire_listing(w).timestamps, false);
	WIRE_EQ(w, set_pairs(w, (struct tcp_repair_opt[]){mss, scale, sack, ts}, 4), 0);
	WIRE_EQ(w, wire_listing(w).timestamps, true);
	WIRE_EQ(w, wire_listing(w).sack, true);
	WIRE_EQ(w, wire_listing(w).snd_wscale_shift, 7);
	WIRE_EQ(w, wire_listing(w).rcv_wscale_shift, 9);
	WIRE_EQ(w, wire_listing(w).mss, 988);
	WIRE_EQ(w, try_get(w, TCP_MAXSEG), 1000);
	/* Sent by hand in repair is not transmitted; out of repair it is. */
	WIRE_EQ(w, put_bytes(w, REPAIR_SEND, 100, 0), 100);
	WIRE_EQ(w, set_pairs(w, &mss, 1), 0);
	wire_end(w);
}

WIRE_TEST(options_after_payload)
{
	const struct tcp_repair_opt mss = {2, 1000};

	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	repair_on(w);
	WIRE_EQ(w, set_pairs(w, &mss, 1), 0);
	repair_off(w, -1);
	wire_send(w, 10, 10);
	wire_out(w, "P. 1:11(10) ack 1");
	WIRE_EQ(w, set_pairs(w, &mss, 1), -EINVAL);
	repair_on(w);
	WIRE_EQ(w, set_pairs(w, &mss, 1), -EPERM);
	wire_end(w);
}

WIRE_TEST(timestamp)
{
	wire_start(w);
	wire_open(w);
	WIRE_EQ(w, try_get(w, TCP_TIMESTAMP) & 1, 0);
	WIRE_EQ(w, try_set(w, TCP_TIMESTAMP, 70000), -EPERM);
	repair_on(w);
	WIRE_EQ(w, try_set(w, TCP_TIMESTAMP, 70000), 0);
	WIRE_EQ(w, try_get(w, TCP_TIMESTAMP), 70000);
	/* The flag of a clock of microseconds is no time, and reads 0. */
	WIRE_EQ(w, try_set(w, TCP_TIMESTAMP, 80001), 0);
	WIRE_EQ(w, try_get(w, TCP_TIMESTAMP), 80002);
	wire_wait(w, MS(1000));
	WIRE_EQ(w, try_get(w, TCP_TIMESTAMP), 81002);
	repair_off(w, -1);
	WIRE_EQ(w, try_get(w, TCP_TIMESTAMP), 81002);
	wire_end(w);
}

WIRE_TEST(window)
{
	struct tcp_repair_window got, want;
	size_t len = sizeof(got);
	uint8_t more[sizeof(got) + 4] = {0};
	uint32_t peer;

	wire_start(w);
	wire_accepted(w, "<mss 1460>", 30000);
	peer = w->flow->peer_iss;
	WIRE_EQ(w, tcp_getsockopt(w->flow->c, IPPROTO_TCP, TCP_REPAIR_WINDOW, &got, &len), -EPERM);
	len = sizeof(got) - 1;
	WIRE_EQ(w, tcp_getsockopt(w->flow->c, IPPROTO_TCP, TCP_REPAIR_WINDOW, &got, &len), -EINVAL);
	WIRE_EQ(w, set_window(w, &got), -EPERM);
	WIRE_EQ(w, tcp_setsockopt(w->flow->c, IPPROTO_TCP, TCP_REPAIR_WINDOW, more, 3), -EINVAL);
	WIRE_EQ(w, tcp_setsockopt(w->flow->c, IPPROTO_TCP, TCP_REPAIR_WINDOW, more, sizeof(more)),
		-EPERM);
	repair_on(w);
	WIRE_EQ(w, tcp_setsockopt(w->flow->c, IPPROTO_TCP, TCP_REPAIR_WINDOW, more, sizeof(more)),
		-EINVAL);
	WIRE_EQ(w, tcp_setsockopt(w->flow->c, IPPROTO_TCP, TCP_REPAIR_WINDOW, more, 16), -EINVAL);
	got = get_window(w);
	WIRE_EQ(w, got.snd_wnd, 30000);
	WIRE_EQ(w, got.max_window, 30000);
	WIRE_EQ(w, got.snd_wl1 - peer, 1);
	WIRE_EQ(w, got.rcv_wup - peer, 1);
	WIRE_EQ(w, got.rcv_wnd, wire_rcv_wnd(w));
	want = got;
	want.max_window = want.snd_wnd - 1;
	WIRE_EQ(w, set_window(w, &want), -EINVAL);
	want = got;
	want.snd_wl1 = peer + 1 + want.rcv_wnd + 1;
	WIRE_EQ(w, set_window(w, &want), -EINVAL);
	want = got;
	want.rcv_wup = peer + 2;
	WIRE_EQ(w, set_window(w, &want), -EINVAL);
	want = (struct tcp_repair_window){peer, 20000, 40000, 70000, peer};
	WIRE_EQ(w, set_window(w, &want), 0);
	got = get_window(w);
	WIRE_EQ(w, memcmp(&got, &want, sizeof(got)), 0);
	WIRE_EQ(w, wire_rcv_wnd(w), 69999);
	WIRE_EQ(w, wire_listing(w).snd_wnd, 20000);
	wire_end(w);
}

/* The clamp that was agreed on, not what is left of it for payload. */
WIRE_TEST(maxseg)
{
	wire_start(w);
	wire_flow(w, 1);
	wire_open(w);
	wire_get(w, IPPROTO_TCP, TCP_MAXSEG, 536);
	wire_set(w, IPPROTO_TCP, TCP_MAXSEG, 1000);
	wire_get(w, IPPROTO_TCP, TCP_MAXSEG, 1000);
	repair_on(w);
	wire_get(w, IPPROTO_TCP, TCP_MAXSEG, 0);
	wire_flow(w, 0);
	wire_accepted(w, "<mss 1400,nop,nop,TS val 1 ecr 0>", 65535);
	wire_get(w, IPPROTO_TCP, TCP_MAXSEG, 1388);
	repair_on(w);
	wire_get(w, IPPROTO_TCP, TCP_MAXSEG, 1400);
	repair_off(w, -1);
	wire_get(w, IPPROTO_TCP, TCP_MAXSEG, 1388);
	/* Disconnected it has none again. */
	repair_on(w);
	wire_disconnect(w);
	wire_idle(w);
	repair_on(w);
	wire_get(w, IPPROTO_TCP, TCP_MAXSEG, 0);
	wire_end(w);
}
