/* SPDX-License-Identifier: BSD-3-Clause */
/* Leaving repair: who is asked, what that frees, and what a restored connection sends. */
#include "repair_calls.h"

/* Numbers and windows as they were: `wnd` is the peer's. */
static void
windows(struct wire *w, uint32_t wnd, uint32_t max_wnd)
{
	uint32_t rcv_nxt = get_seq(w, REPAIR_RECV);
	struct tcp_repair_window window = {rcv_nxt + 100, wnd, max_wnd, 65000, rcv_nxt};

	WIRE_EQ(w, set_window(w, &window), 0);
}

/* One acknowledgment of the past; the answer frees what has arrived, without a segment twice. */
WIRE_TEST(probe)
{
	wire_start(w);
	repair_connect(w);
	WIRE_EQ(w, put_bytes(w, REPAIR_SEND, 5000, 0), 5000);
	windows(w, 0, 30000);
	wire_wait(w, SEC(5));
	repair_off(w, 0);
	wire_out(w, ". 0:0(0) ack 1 win 65000");
	wire_count(w, repair_probes, 1);
	wire_in(w, "+10ms . 1:1(0) ack 5001 win 30000");
	wire_used(w, sent_records, 0);
	WIRE_EQ(w, wire_listing(w).snd_wnd, 30000);
	/* When it was sent nobody knows: no round trip. */
	WIRE_EQ(w, wire_listing(w).srtt_us, 0);
	wire_idle_for(w, SEC(10));
	wire_end(w);
}

/* Part of it had arrived: the rest is lost, and found so by what answers later. */
WIRE_TEST(probe_tells_of_a_part)
{
	wire_start(w);
	repair_connect(w);
	WIRE_EQ(w, put_bytes(w, REPAIR_SEND, 1000, 0), 1000);
	windows(w, 0, 30000);
	repair_off(w, 0);
	wire_out(w, ". 0:0(0) ack 1");
	wire_in(w, "+10ms . 1:1(0) ack 501 win 30000");
	wire_idle(w);
	wire_out(w, "<=3s P. 501:1001(500) ack 1");
	wire_end(w);
}

/* Nobody answers: the probe of RACK-TLP, then the time-out. */
WIRE_TEST(no_answer)
{
	wire_start(w);
	repair_connect(w);
	WIRE_EQ(w, put_bytes(w, REPAIR_SEND, 100, 0), 100);
	windows(w, 9000, 9000);
	repair_off(w, 0);
	wire_out(w, ". 0:0(0) ack 1");
	wire_out(w, "+1s P. 1:101(100) ack 1");
	wire_out(w, "<=3s P. 1:101(100) ack 1");
	wire_end(w);
}

/* An old acknowledgment, by its numbers, opens the window all the same. */
WIRE_TEST(any_answer_updates_the_window)
{
	wire_start(w);
	repair_connect(w);
	windows(w, 0, 9000);
	repair_off(w, 0);
	wire_out(w, ". 0:0(0) ack 1");
	wire_send(w, 100, 100);
	wire_idle(w);
	wire_in(w, ". 1:1(0) ack 1 win 5000");
	wire_out(w, "P. 1:101(100) ack 1");
	wire_end(w);
}

WIRE_TEST(silent)
{
	wire_start(w);
	repair_connect(w);
	windows(w, 9000, 9000);
	repair_off(w, -1);
	wire_idle_for(w, SEC(100));
	wire_count(w, repair_probes, 0);
	/* Out of repair 0 asks, too. */
	repair_off(w, 0);
	wire_out(w, ". 0:0(0) ack 1");
	repair_off(w, -1);
	wire_idle(w);
	wire_end(w);
}

/* Only ESTABLISHED asks. */
WIRE_TEST(other_states)
{
	wire_start(w);
	wire_accepted(w, "<mss 1460>", 9000);
	wire_in(w, "F. 1:1(0) ack 1");
	wire_out(w, ". 1:1(0) ack 2");
	repair_on(w);
	repair_off(w, 0);
	wire_idle(w);
	wire_close(w);
	wire_out(w, "F. 1:1(0) ack 2");
	wire_end(w);
}

/* Right afterwards segments are full: by the peer's MSS and largest window. */
WIRE_TEST(full_segments)
{
	const struct tcp_repair_opt pairs[] = {{2, 1400}, {3, 2 | 3 << 16}, {4, 0}, {8, 0}};

	wire_start(w);
	repair_connect(w);
	WIRE_EQ(w, set_pairs(w, pairs, 4), 0);
	WIRE_EQ(w, try_set(w, TCP_TIMESTAMP, 70000), 0);
	windows(w, 30000, 30000);
	repair_off(w, 0);
	wire_out(w, ". 0:0(0) ack 1 win 8125 <nop,nop,TS val 0 ecr 0>");
	wire_send(w, 4000, 4000);
	wire_out(w, ". 1:1389(1388) ack 1 <nop,nop,TS val 0 ecr 0>");
	wire_out(w, ". 1389:2777(1388) ack 1 <nop,nop,TS val 0 ecr 0>");
	wire_out(w, "P. 2777:4001(1224) ack 1 <nop,nop,TS val 0 ecr 0>");
	/* Scaled, and its timestamp is the first one known: any will do. */
	wire_in(w, ". 1:1(0) ack 4001 win 5000 <nop,nop,TS val 3000000000 ecr 70000>");
	WIRE_EQ(w, wire_listing(w).snd_wnd, 20000);
	wire_in(w, "P. 1:101(100) ack 4001 win 5000 <nop,nop,TS val 3000000001 ecr 70000>");
	wire_out(w, "<=1s . 4001:4001(0) ack 101 <nop,nop,TS val * ecr 3000000001>");
	wire_end(w);
}

/* Into repair with data that waits for a window: it is unsent, and stays so. */
WIRE_TEST(unsent)
{
	wire_start(w);
	repair_connect(w);
	WIRE_EQ(w, put_bytes(w, REPAIR_SEND, 1000, 0), 1000);
	w->flow->queued = 1000;
	repair_off(w, -1);
	wire_send(w, 2000, 2000);
	wire_idle(w);
	repair_on(w);
	windows(w, 3000, 3000);
	wire_idle(w);
	repair_off(w, 0);
	wire_out(w, ". 0:0(0) ack 1");
	wire_out(w, ". 1001:2461(1460) ack 1");
	wire_in(w, "+10ms . 1:1(0) ack 1001 win 3000");
	wire_out(w, "P. 2461:3001(540) ack 1");
	wire_end(w);
}

/* A socket that was another connection's knows nothing of that one's timestamps. */
WIRE_TEST(socket_used_before)
{
	const struct tcp_repair_opt ts = {8, 0};

	wire_start(w);
	wire_connected(w, "<mss 1460,nop,nop,TS val 1000 ecr 0>", 9000);
	wire_disconnect(w);
	wire_skip(w);
	wire_error(w, ECONNRESET);
	repair_on(w);
	set_seq(w, REPAIR_RECV, w->flow->peer_iss + 1);
	set_seq(w, REPAIR_SEND, w->flow->iss + 1);
	WIRE_EQ(w, tcp_bind(w->flow->c, &w->flow->local), 0);
	wire_connect(w, 0);
	WIRE_EQ(w, set_pairs(w, &ts, 1), 0);
	windows(w, 9000, 9000);
	repair_off(w, 0);
	wire_out(w, ". 0:0(0) ack 1 <nop,nop,TS val * ecr 0>");
	wire_in(w, "P. 1:101(100) ack 1 <nop,nop,TS val 3000000000 ecr *>");
	wire_count(w, drop_paws, 0);
	wire_recv(w, 999, 100);
	wire_skip(w);
	wire_end(w);
}
