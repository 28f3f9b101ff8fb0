/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Connections saved and restored in one call each, in every state that has a peer; and checkpoints
 * that contradict themselves, of which none may become a connection or change anything.
 */
#include "repair_calls.h"

static const char plain[] = "<mss 1460>";
static const char all[] = "<mss 1460,sackOK,TS val 1000 ecr 0,nop,wscale 7>";

/* A copy of a chain for another engine. */
static struct rte_mbuf *
copy_chain(struct tcp_engine *e, const struct rte_mbuf *m, uint32_t bytes)
{
	static uint8_t all_of_it[1 << 20];
	uint32_t at = 0;

	for (; m != NULL; m = m->next) {
		memcpy(all_of_it + at, rte_pktmbuf_mtod(m, const void *), m->data_len);
		at += m->data_len;
	}
	return at == bytes && bytes > 0 ? tcp_copy_bytes(e, all_of_it, bytes) : NULL;
}

/* The flow leaves its engine for a second one; what leads there is the checkpoint alone. */
static struct tcp_engine *
move(struct wire *w)
{
	struct tcp_engine *first = w->engine;
	struct tcp_checkpoint saved;
	struct tcp_conn *c = w->flow->c;

	WIRE_EQ(w, tcp_checkpoint(c, &saved), 0);
	wire_successor(w);
	saved.sendq = copy_chain(w->engine, saved.sendq, saved.sendq_bytes);
	saved.recvq = copy_chain(w->engine, saved.recvq, saved.recvq_bytes);
	w->flow->c = NULL;
	tcp_close_silently(c);
	wire_wait(w, SEC(2));
	WIRE_EQ(w, tcp_restore(w->engine, &saved, &w->flow->c), 0);
	tcp_set_user(w->flow->c, w->flow);
	wire_flush(w);
	wire_idle(w);
	return first;
}

static void
resume(struct wire *w)
{
	tcp_resume(w->flow->c);
	wire_flush(w);
}

/* Both queues, scales, timestamps: full segments, the right echo, and nothing twice. */
WIRE_TEST(established)
{
	struct tcp_engine *first;
	struct tcp_listing before, after;

	wire_start(w);
	wire_accepted(w, all, 30);
	wire_in(w, "P. 1:501(500) ack 1 win 30 <nop,nop,TS val 2000 ecr *>");
	wire_acked(w, 501);
	wire_send(w, 9000, 9000);
	wire_out(w, ". 1:1449(1448) ack 501");
	wire_out(w, ". 1449:2897(1448) ack 501");
	wire_in(w, "+10ms . 501:501(0) ack 1449 win 20 <nop,nop,TS val 2010 ecr *>");
	before = wire_listing(w);
	first = move(w);
	after = wire_listing(w);
	WIRE_EQ(w, after.srtt_us, before.srtt_us);
	WIRE_EQ(w, after.cwnd_segs, before.cwnd_segs);
	WIRE_EQ(w, after.mss, 1448);
	WIRE_EQ(w, after.snd_wnd, 2560);
	WIRE_EQ(w, after.rcv_wnd, before.rcv_wnd);
	WIRE_EQ(w, after.send_q, 7552);
	wire_skip(w);
	resume(w);
	wire_out(w, ". 1448:1448(0) ack 501 <nop,nop,TS val * ecr 2010>");
	wire_in(w, "+10ms . 501:501(0) ack 2897 win 30 <nop,nop,TS val 5000 ecr *>");
	wire_out(w, ". 2897:4345(1448) ack 501 <nop,nop,TS val * ecr 5000>");
	wire_out(w, ". 4345:5793(1448) ack 501 <nop,nop,TS val * ecr 5000>");
	wire_recv(w, 999, 500);
	wire_skip(w);
	/* An old duplicate is one still: PAWS remembers. */
	wire_in(w, "P. 501:601(100) ack 2897 win 30 <nop,nop,TS val 1500 ecr *>");
	wire_count(w, drop_paws, 1);
	wire_skip(w);
	tcp_engine_destroy(first);
	wire_end(w);
}

/* Saved from repair, in which its time stood still: it goes on from when it was frozen. */
WIRE_TEST(frozen_first)
{
	struct tcp_tuple tuple, nobodys;
	struct tcp_checkpoint saved;
	const struct tcp_conn *at[2];
	struct tcp_conn *c;

	wire_start(w);
	wire_accepted(w, plain, 9000);
	wire_send(w, 100, 100);
	wire_out(w, "P. 1:101(100) ack 1");
	c = w->flow->c;
	tuple = nobodys = tcp_tuple_of(c);
	nobodys.rport = be16(1);
	tcp_find_ahead(w->engine, (const struct tcp_tuple *[]){&tuple, &nobodys}, 2, at);
	WIRE_EQ(w, at[0] == c, true);
	WIRE_EQ(w, at[1] == NULL, true);
	tcp_checkpoint_prefetch(at[0]);
	WIRE_EQ(w, tcp_freeze(c), 0);
	WIRE_EQ(w, tcp_in_repair(c), true);
	wire_in(w, "P. 1:101(100) ack 1 win 9000");
	wire_count(w, drop_frozen, 1);
	wire_idle_for(w, SEC(5));
	WIRE_EQ(w, tcp_checkpoint(c, &saved), 0);
	WIRE_EQ(w, saved.progress_us, 0);
	WIRE_EQ(w, saved.recvq_bytes, 0);
	tcp_resume(c);
	wire_flush(w);
	wire_out(w, ". 0:0(0) ack 1");
	wire_in(w, ". 1:1(0) ack 101 win 9000");
	wire_end(w);
}

/* In two steps, as many at once: it is there before it asks, and hears what comes. */
WIRE_TEST(goes_on_before_it_asks)
{
	struct tcp_engine *first;

	wire_start(w);
	wire_accepted(w, plain, 9000);
	first = move(w);
	wire_skip(w);
	tcp_ask(w->flow->c); /* it does not, in repair */
	tcp_go_on(w->flow->c);
	wire_flush(w);
	wire_idle(w);
	wire_in(w, "P. 1:101(100) ack 1 win 9500");
	wire_acked(w, 101);
	WIRE_EQ(w, wire_listing(w).snd_wnd, 9500);
	tcp_ask(w->flow->c);
	wire_flush(w);
	wire_out(w, ". 0:0(0) ack 101");
	wire_in(w, ". 101:101(0) ack 1 win 7000");
	WIRE_EQ(w, wire_listing(w).snd_wnd, 7000);
	wire_recv(w, 999, 100);
	tcp_engine_destroy(first);
	wire_end(w);
}

static void
freeze_now(struct wire *w, struct wire_flow *f)
{
	w->on_notify = NULL;
	WIRE_EQ(w, tcp_freeze(f->c), 0);
}

static void
save_and_vanish_now(struct wire *w, struct wire_flow *f)
{
	struct tcp_checkpoint saved;

	w->on_notify = NULL;
	WIRE_EQ(w, tcp_checkpoint(f->c, &saved), 0);
	WIRE_EQ(w, saved.ack_now, 0);
	tcp_close_silently(f->c);
	f->c = NULL;
}

/* In the very turn in which the SYN-ACK comes: who answered with a SYN cookie and kept nothing
 * would reset at whatever else comes first. */
WIRE_TEST(acknowledges_first)
{
	wire_start(w);
	wire_connect(w, -EINPROGRESS);
	wire_out(w, "S 0:0(0) <*>");
	w->on_notify = freeze_now;
	wire_in(w, "+10ms S. 0:0(0) ack 1 win 65535 <mss 1460>");
	wire_out(w, ". 1:1(0) ack 1");
	WIRE_EQ(w, tcp_in_repair(w->flow->c), true);
	wire_idle_for(w, SEC(5));
	tcp_resume(w->flow->c);
	wire_flush(w);
	wire_out(w, ". 0:0(0) ack 1");
	wire_end(w);
}

WIRE_TEST(acknowledges_before_it_vanishes)
{
	wire_start(w);
	wire_connect(w, -EINPROGRESS);
	wire_out(w, "S 0:0(0) <*>");
	w->on_notify = save_and_vanish_now;
	wire_in(w, "+10ms S. 0:0(0) ack 1 win 65535 <mss 1460>");
	wire_out(w, ". 1:1(0) ack 1");
	wire_idle_for(w, SEC(5));
	wire_end(w);
}

/* One that waits for data to go along, too. */
WIRE_TEST(acknowledges_what_was_postponed)
{
	wire_start(w);
	wire_accepted(w, plain, 9000);
	wire_in(w, "P. 1:101(100) ack 1 win 9000");
	wire_idle(w);
	WIRE_EQ(w, tcp_freeze(w->flow->c), 0);
	wire_flush(w);
	wire_out(w, ". 1:1(0) ack 101");
	wire_idle_for(w, SEC(5));
	tcp_resume(w->flow->c);
	wire_flush(w);
	wire_out(w, ". 0:0(0) ack 101");
	wire_idle_for(w, SEC(5));
	wire_end(w);
}

/* Its delay is over in this very turn, and it cannot leave: it is due at once where it goes. */
WIRE_TEST(acknowledges_later_without_a_path)
{
	struct tcp_checkpoint saved;

	wire_start(w);
	wire_accepted(w, plain, 9000);
	wire_in(w, "P. 1:101(100) ack 1 win 9000");
	wire_idle(w);
	wire_path(w, ENETUNREACH, 1500);
	w->now_us += MS(40);
	tcp_advance(w->engine, w->now_us);
	WIRE_EQ(w, tcp_checkpoint(w->flow->c, &saved), 0);
	WIRE_EQ(w, saved.ack_now, 1);
	WIRE_EQ(w, tcp_checkpoint_is_sound(&saved), true);
	wire_path(w, 0, 1500);
	wire_flush(w);
	wire_out(w, ". 1:1(0) ack 101");
	wire_end(w);
}

/* Its user has closed it: what it has still to say it says where it is restored. */
WIRE_TEST(orphan)
{
	struct tcp_checkpoint saved;
	struct tcp_engine *first;
	uint64_t cursor = 0;

	wire_start(w);
	wire_accepted(w, plain, 1460);
	wire_send(w, 2460, 2460);
	wire_out(w, ". 1:1461(1460) ack 1");
	wire_close(w);
	first = w->engine;
	w->flow->c = tcp_walk(first, &cursor);
	WIRE_EQ(w, w->flow->c != NULL && tcp_is_orphan(w->flow->c), true);
	WIRE_EQ(w, tcp_freeze(w->flow->c), 0);
	WIRE_EQ(w, tcp_checkpoint(w->flow->c, &saved), 0);
	WIRE_EQ(w, saved.orphan, true);
	wire_successor(w);
	saved.sendq = copy_chain(w->engine, saved.sendq, saved.sendq_bytes);
	tcp_close_silently(w->flow->c);
	WIRE_EQ(w, tcp_restore(w->engine, &saved, &w->flow->c), 0);
	tcp_resume(w->flow->c);
	tcp_close(w->flow->c);
	w->flow->c = NULL;
	wire_flush(w);
	wire_out(w, ". 0:0(0) ack 1");
	wire_used(w, orphans, 1);
	wire_in(w, "+10ms . 1:1(0) ack 1461 win 1460");
	wire_out(w, "FP. 1461:2461(1000) ack 1");
	wire_in(w, "+10ms F. 1:1(0) ack 2462 win 1460");
	wire_out(w, ". 2462:2462(0) ack 2");
	wire_used(w, orphans, 0);
	tcp_engine_destroy(first);
	wire_end(w);
}

/* It waits to be accepted: held it is nobody's, and nobody gets it. */
WIRE_TEST(waits_to_be_accepted)
{
	struct tcp_conn *c;
	uint64_t cursor = 0;

	wire_start(w);
	wire_listen(w, 16);
	wire_in(w, "S 0:0(0) win 65535 <mss 1460>");
	wire_out(w, "S. 0:0(0) ack 1 <mss 1460>");
	wire_in(w, "+10ms . 1:1(0) ack 1 win 65535");
	c = tcp_walk(w->engine, &cursor);
	WIRE_EQ(w, c != NULL && !tcp_is_orphan(c) && tcp_waits_at(c) != NULL, true);
	WIRE_EQ(w, tcp_freeze(c), 0);
	tcp_withdraw(c);
	WIRE_EQ(w, tcp_waits_at(c) == NULL, true);
	wire_accept_none(w);
	tcp_resume(c);
	tcp_put_back(c);
	wire_flush(w);
	wire_out(w, ". 0:0(0) ack 1");
	wire_accept(w);
	wire_state(w, TCP_ESTABLISHED);
	wire_end(w);
}

WIRE_TEST(its_listener_has_gone)
{
	struct tcp_conn *c;
	uint64_t cursor = 0;

	wire_start(w);
	wire_listen(w, 16);
	wire_in(w, "S 0:0(0) win 65535 <mss 1460>");
	wire_out(w, "S. 0:0(0) ack 1 <mss 1460>");
	wire_in(w, "+10ms . 1:1(0) ack 1 win 65535");
	c = tcp_walk(w->engine, &cursor);
	WIRE_EQ(w, tcp_freeze(c), 0);
	tcp_withdraw(c);
	tcp_close(w->listener);
	w->listener = NULL;
	wire_idle_for(w, SEC(1));
	tcp_resume(c);
	tcp_put_back(c);
	wire_flush(w);
	wire_out(w, ". 0:0(0) ack 1");
	wire_out(w, "R. 1:1(0) ack 1");
	wire_wait(w, 1);
	wire_used(w, conns, 0);
	wire_end(w);
}

/* A SYN waits for its answer as long as it would have. */
WIRE_TEST(syn_sent)
{
	struct tcp_engine *first;

	wire_start(w);
	wire_connect(w, -EINPROGRESS);
	wire_out(w, "S 0:0(0) <*>");
	wire_wait(w, MS(300));
	first = move(w);
	wire_state(w, TCP_SYN_SENT);
	resume(w);
	wire_idle(w);
	wire_out(w, "+700ms S 0:0(0) <*>");
	wire_in(w, "S. 0:0(0) ack 1 win 65535 <mss 1460>");
	wire_out(w, ". 1:1(0) ack 1 <*>");
	wire_state(w, TCP_ESTABLISHED);
	tcp_engine_destroy(first);
	wire_end(w);
}

WIRE_TEST(fin_wait_1)
{
	struct tcp_engine *first;

	wire_start(w);
	wire_accepted(w, plain, 9000);
	wire_send(w, 100, 100);
	wire_out(w, "P. 1:101(100) ack 1");
	wire_shutdown(w, SHUT_WR, 0);
	wire_out(w, "F. 101:101(0) ack 1");
	first = move(w);
	wire_state(w, TCP_FIN_WAIT_1);
	resume(w);
	wire_out(w, ". 0:0(0) ack 1");
	wire_in(w, "+10ms . 1:1(0) ack 102 win 9000");
	wire_state(w, TCP_FIN_WAIT_2);
	wire_in(w, "F. 1:1(0) ack 102 win 9000");
	wire_out(w, ". 102:102(0) ack 2");
	wire_listed(w, TCP_TIME_WAIT);
	tcp_engine_destroy(first);
	wire_end(w);
}

/* A FIN behind data that waits for a window. */
WIRE_TEST(fin_not_sent)
{
	struct tcp_engine *first;

	wire_start(w);
	wire_accepted(w, plain, 1000);
	wire_send(w, 1500, 1500);
	wire_out(w, ". 1:1001(1000) ack 1");
	wire_shutdown(w, SHUT_WR, 0);
	first = move(w);
	resume(w);
	wire_out(w, ". 0:0(0) ack 1");
	wire_in(w, "+10ms . 1:1(0) ack 1001 win 1000");
	wire_out(w, "FP. 1001:1501(500) ack 1");
	tcp_engine_destroy(first);
	wire_end(w);
}

WIRE_TEST(fin_wait_2)
{
	struct tcp_engine *first;

	wire_start(w);
	wire_accepted(w, plain, 9000);
	wire_shutdown(w, SHUT_WR, 0);
	wire_out(w, "F. 1:1(0) ack 1");
	wire_in(w, ". 1:1(0) ack 2 win 9000");
	first = move(w);
	wire_state(w, TCP_FIN_WAIT_2);
	resume(w);
	wire_out(w, ". 1:1(0) ack 1");
	wire_in(w, "P. 1:101(100) ack 2 win 9000");
	wire_acked(w, 101);
	wire_recv(w, 999, 100);
	wire_in(w, "F. 101:101(0) ack 2 win 9000");
	wire_out(w, ". 2:2(0) ack 102");
	tcp_engine_destroy(first);
	wire_end(w);
}

WIRE_TEST(close_wait)
{
	struct tcp_engine *first;

	wire_start(w);
	wire_accepted(w, plain, 9000);
	wire_in(w, "FP. 1:101(100) ack 1 win 9000");
	wire_acked(w, 102);
	first = move(w);
	wire_state(w, TCP_CLOSE_WAIT);
	resume(w);
	wire_out(w, ". 0:0(0) ack 102");
	wire_poll(w, POLLIN | POLLOUT | POLLRDHUP);
	wire_recv(w, 999, 100);
	wire_recv(w, 999, 0);
	wire_send(w, 50, 50);
	wire_out(w, "P. 1:51(50) ack 102");
	wire_close(w);
	wire_out(w, "F. 51:51(0) ack 102");
	wire_in(w, ". 102:102(0) ack 52 win 9000");
	wire_gone(w);
	tcp_engine_destroy(first);
	wire_end(w);
}

/* Both FINs are out: of CLOSING and LAST-ACK only an acknowledgment is missing. */
WIRE_TEST(closing)
{
	struct tcp_engine *first;

	wire_start(w);
	wire_accepted(w, plain, 9000);
	wire_shutdown(w, SHUT_WR, 0);
	wire_out(w, "F. 1:1(0) ack 1");
	wire_in(w, "F. 1:1(0) ack 1 win 9000");
	wire_out(w, ". 2:2(0) ack 2");
	wire_state(w, TCP_CLOSING);
	first = move(w);
	wire_state(w, TCP_CLOSING);
	resume(w);
	wire_out(w, ". 0:0(0) ack 2");
	wire_in(w, "+10ms . 2:2(0) ack 2 win 9000");
	wire_listed(w, TCP_TIME_WAIT);
	tcp_engine_destroy(first);
	wire_end(w);
}

WIRE_TEST(last_ack)
{
	struct tcp_engine *first;

	wire_start(w);
	wire_accepted(w, plain, 9000);
	wire_in(w, "F. 1:1(0) ack 1 win 9000");
	wire_out(w, ". 1:1(0) ack 2");
	wire_shutdown(w, SHUT_WR, 0);
	wire_out(w, "F. 1:1(0) ack 2");
	first = move(w);
	wire_state(w, TCP_LAST_ACK);
	resume(w);
	wire_out(w, ". 0:0(0) ack 2");
	wire_out(w, "<=3s F. 1:1(0) ack 2");
	wire_in(w, "+10ms . 2:2(0) ack 2 win 9000");
	wire_gone(w);
	tcp_engine_destroy(first);
	wire_end(w);
}

WIRE_TEST(zero_window)
{
	struct tcp_engine *first;

	wire_start(w);
	wire_accepted(w, plain, 1000);
	wire_send(w, 3000, 3000);
	wire_out(w, ". 1:1001(1000) ack 1");
	wire_in(w, ". 1:1(0) ack 1001 win 0");
	first = move(w);
	resume(w);
	wire_out(w, ". 1000:1000(0) ack 1");
	wire_in(w, "+10ms . 1:1(0) ack 1001 win 9000");
	wire_out(w, ". 1001:2461(1460) ack 1");
	wire_out(w, "P. 2461:3001(540) ack 1");
	tcp_engine_destroy(first);
	wire_end(w);
}

/* What arrived out of order is not in it: the peer sends it again. What was lost is in flight. */
WIRE_TEST(out_of_order)
{
	struct tcp_engine *first;

	wire_start(w);
	wire_accepted(w, "<mss 1460,nop,nop,sackOK>", 9000);
	wire_in(w, "P. 101:201(100) ack 1 win 9000");
	wire_out(w, ". 1:1(0) ack 1 <nop,nop,sack 101:201>");
	first = move(w);
	resume(w);
	wire_out(w, ". 0:0(0) ack 1");
	wire_used(w, ranges, 0);
	wire_in(w, "P. 1:101(100) ack 1 win 9000");
	wire_acked(w, 101);
	tcp_engine_destroy(first);
	wire_end(w);
}

/* In CLOSED and LISTEN there is nothing to save. */
WIRE_TEST(no_connection)
{
	struct tcp_checkpoint saved;

	wire_start(w);
	wire_open(w);
	WIRE_EQ(w, tcp_checkpoint(w->flow->c, &saved), -EINVAL);
	wire_listen(w, 1);
	WIRE_EQ(w, tcp_checkpoint(w->listener, &saved), -EINVAL);
	wire_end(w);
}

/* A connection to be spoilt, with something in each queue. */
static struct tcp_checkpoint
sound(struct wire *w)
{
	struct tcp_checkpoint saved;

	wire_start(w);
	wire_accepted(w, all, 8);
	wire_in(w, "P. 1:101(100) ack 1 win 8");
	wire_acked(w, 101);
	wire_send(w, 2000, 2000);
	wire_skip(w);
	WIRE_EQ(w, tcp_checkpoint(w->flow->c, &saved), 0);
	WIRE_EQ(w, tcp_checkpoint_is_sound(&saved), true);
	return saved;
}

#define SPOIL(change)                                                                              \
	do {                                                                                       \
		struct tcp_checkpoint bad = good;                                                  \
		struct tcp_conn *c = NULL;                                                         \
                                                                                                   \
		bad.change;                                                                        \
		WIRE_EQ(w, tcp_restore(w->engine, &bad, &c), -EINVAL);                             \
		WIRE_EQ(w, c == NULL, true);                                                       \
	} while (0)

WIRE_TEST(contradictions)
{
	struct tcp_checkpoint good = sound(w);
	struct tcp_usage before, after;

	tcp_usage(w->engine, &before);
	SPOIL(state = TCP_CLOSED);
	SPOIL(state = TCP_LISTEN);
	SPOIL(state = TCP_SYN_SENT);
	SPOIL(state = TCP_SYN_RECEIVED);
	SPOIL(state = TCP_FIN_WAIT_1);
	SPOIL(state = TCP_FIN_WAIT_2);
	SPOIL(state = TCP_CLOSE_WAIT);
	SPOIL(state = TCP_CLOSING);
	SPOIL(state = TCP_LAST_ACK);
	SPOIL(state = TCP_TIME_WAIT);
	SPOIL(state = 200);
	SPOIL(fin_due = true);
	SPOIL(fin_sent = true);
	SPOIL(peer_fin = true);
	SPOIL(sendq_bytes++);
	SPOIL(recvq_bytes--);
	SPOIL(unsent_bytes = good.sendq_bytes + 1);
	SPOIL(unsent_bytes = 0);
	SPOIL(snd_una--);
	SPOIL(snd_nxt++);
	SPOIL(snd_una = good.snd_nxt + 1);
	SPOIL(sendq = NULL);
	SPOIL(recvq = NULL);
	SPOIL(max_wnd = good.snd_wnd - 1);
	SPOIL(max_wnd = UINT32_MAX);
	SPOIL(rcv_wup = good.rcv_nxt + 1);
	SPOIL(rcv_adv = good.rcv_wup - 1);
	SPOIL(rcv_adv = good.rcv_nxt + (1u << 31));
	SPOIL(snd_wl1 = good.rcv_nxt + (1u << 31));
	SPOIL(snd_wscale_shift = 15);
	SPOIL(rcv_wscale_shift = 15);
	SPOIL(wscale = false);
	SPOIL(ecn = 0xff);
	SPOIL(urg_state = 9);
	if (w->family == AF_INET)
		SPOIL(ttl = 0);
	SPOIL(tos = 1);
	SPOIL(mtu_discover = 6);
	SPOIL(user_mss = 87);
	SPOIL(user_timeout_ms = UINT32_MAX);
	SPOIL(keepidle_s = 32768);
	SPOIL(keepcnt = 128);
	SPOIL(linger2_s = 121);
	SPOIL(linger2_s = -2);
	SPOIL(rcvtimeo_ms = -1);
	SPOIL(soft_error = EAGAIN);
	SPOIL(soft_error = 134);
	SPOIL(urg_send = true; bad.snd_up = good.snd_nxt + good.unsent_bytes + 1);
	SPOIL(cwnd = 0);
	SPOIL(ssthresh = 0);
	SPOIL(reordering = 0);
	SPOIL(srtt_us = UINT32_MAX);
	SPOIL(reordering = 65536);
	SPOIL(rtx_in_us = INT64_C(1) << 40);
	SPOIL(ack_delayed = true; bad.ack_in_us = -1);
	SPOIL(rto_us = 999);
	SPOIL(rto_max_ms = 999);
	SPOIL(rto_min_us = 1999);
	SPOIL(delack_ato_us = UINT32_MAX);
	SPOIL(rcvlowat_bytes = UINT32_MAX);
	SPOIL(rcvbuf_bytes = 0);
	SPOIL(sndbuf_bytes = UINT32_MAX);
	SPOIL(rcv_ratio = 0);
	SPOIL(rcv_mss = 0);
	SPOIL(rcvlowat_bytes = 0);
	SPOIL(tuple.rport = be16(0));
	SPOIL(tuple.remote = (struct ip_addr){0});
	SPOIL(tuple.local = w->also_local);
	for (unsigned int i = 0; i < sizeof(good.congestion); i++)
		good.congestion[i] = 'x';
	SPOIL(ttl = 64);
	tcp_usage(w->engine, &after);
	WIRE_EQ(w, memcmp(&before, &after, sizeof(after)), 0);
	wire_end(w);
}

/* After 4 GiB the first number comes again: that is no SYN any more. */
WIRE_TEST(all_numbers_again)
{
	struct tcp_checkpoint saved = sound(w);

	saved.iss = saved.snd_una;
	WIRE_EQ(w, tcp_checkpoint_fault(&saved) == NULL, true);
	wire_skip(w);
	wire_end(w);
}

/* Of the peer nothing is known yet, but even so. */
WIRE_TEST(syn_sent_contradiction)
{
	struct tcp_checkpoint saved;

	wire_start(w);
	wire_connect(w, -EINPROGRESS);
	wire_skip(w);
	WIRE_EQ(w, tcp_checkpoint(w->flow->c, &saved), 0);
	WIRE_EQ(w, tcp_checkpoint_fault(&saved) == NULL, true);
	saved.rcv_wup = saved.rcv_nxt + 1;
	WIRE_EQ(w, tcp_checkpoint_fault(&saved) == NULL, false);
	wire_end(w);
}

/* Receive queues leave buffers for what arrives. */
WIRE_TEST(held_buffers_run_out)
{
	static uint8_t bytes[1 << 20];
	struct tcp_checkpoint saved;
	struct tcp_conn *c = NULL;

	wire_start(w, .max_held_bufs = 64);
	wire_accepted(w, plain, 9000);
	WIRE_EQ(w, tcp_checkpoint(w->flow->c, &saved), 0);
	saved.tuple.rport = be16(7);
	saved.recvq = tcp_copy_bytes(w->engine, bytes, 300000);
	saved.recvq_bytes = 300000;
	WIRE_EQ(w, tcp_checkpoint_fault(&saved) == NULL, true);
	WIRE_EQ(w, tcp_restore(w->engine, &saved, &c), -ENOBUFS);
	WIRE_EQ(w, c == NULL, true);
	wire_used(w, held_bufs, 0);
	rte_pktmbuf_free(saved.recvq);
	wire_end(w);
}

/* What is sound but cannot be: nothing has changed, and the queues are the caller's still. */
WIRE_TEST(refusals)
{
	struct tcp_checkpoint good = sound(w), bad = good;
	struct tcp_usage before, after;
	struct tcp_conn *c;

	tcp_usage(w->engine, &before);
	WIRE_EQ(w, tcp_restore(w->engine, &good, &c), -EADDRNOTAVAIL);
	memcpy(bad.congestion, "none", 5);
	WIRE_EQ(w, tcp_restore(w->engine, &bad, &c), -ENOENT);
	bad = good;
	bad.tuple.lport = be16(81);
	wire_path(w, ENETUNREACH, 1500);
	WIRE_EQ(w, tcp_restore(w->engine, &bad, &c), -ENETUNREACH);
	wire_path(w, 0, 1500);
	tcp_usage(w->engine, &after);
	WIRE_EQ(w, memcmp(&before, &after, sizeof(after)), 0);
	WIRE_EQ(w, tcp_checkpoint_is_sound(&good), true);
	wire_skip(w);
	wire_end(w);
}

WIRE_TEST(table_is_full)
{
	struct tcp_checkpoint good = {0};
	struct tcp_conn *c, *extra;

	wire_start(w, .max_conns = 2);
	wire_accepted(w, plain, 9000);
	WIRE_EQ(w, tcp_checkpoint(w->flow->c, &good), 0);
	tcp_close_silently(w->flow->c);
	w->flow->c = NULL;
	WIRE_EQ(w, tcp_open(w->engine, w->family, &extra), 0);
	WIRE_EQ(w, tcp_restore(w->engine, &good, &c), -ENOBUFS);
	tcp_close(extra);
	WIRE_EQ(w, tcp_restore(w->engine, &good, &c), 0);
	tcp_close(c);
	wire_end(w);
}
