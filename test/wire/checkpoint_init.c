/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Connections restored from what Linux's TCP_REPAIR tells of one, no more: in each state, with and
 * without its window. What is read here by socket calls is read so from the kernel, too.
 */
#include <linux/sockios.h>
#include <sys/ioctl.h>

#include "repair_calls.h"

static const char plain[] = "<mss 1460>";
static const char all[] = "<mss 1460,sackOK,TS val 1000 ecr 0,nop,wscale 7>";

enum { BYTES_MAX = 1 << 16 };

static uint8_t in[BYTES_MAX], out[BYTES_MAX];

static bool
finishes(const struct tcp_known *k)
{
	return k->state == TCP_FIN_WAIT_1 || k->state == TCP_FIN_WAIT_2 ||
	       k->state == TCP_CLOSING || k->state == TCP_LAST_ACK;
}

/* As a dump by socket calls finds it. Sequence numbers count a FIN, lengths do not. */
static struct tcp_known
dump(struct wire *w)
{
	struct tcp_listing l = wire_listing(w);
	struct tcp_repair_window window;
	struct tcp_known k;

	repair_on(w);
	window = get_window(w);
	k = (struct tcp_known){
		.tuple = l.tuple,
		.state = (uint8_t)l.state,
		.inq_seq = get_seq(w, REPAIR_RECV),
		.inq_bytes = (uint32_t)queued(w, SIOCINQ),
		.outq_seq = get_seq(w, REPAIR_SEND),
		.outq_bytes = (uint32_t)queued(w, SIOCOUTQ),
		.unsent_bytes = (uint32_t)queued(w, SIOCOUTQNSD),
		.mss = (uint16_t)try_get(w, TCP_MAXSEG),
		.options = l.details.options,
		.snd_wscale = l.snd_wscale_shift,
		.rcv_wscale = l.rcv_wscale_shift,
		.timestamp = (uint32_t)try_get(w, TCP_TIMESTAMP),
		.has_window = true,
		.snd_wl1 = window.snd_wl1,
		.snd_wnd = window.snd_wnd,
		.max_window = window.max_window,
		.rcv_wnd = window.rcv_wnd,
		.rcv_wup = window.rcv_wup,
	};
	if (finishes(&k)) {
		k.outq_bytes -= k.outq_bytes > 0;
		k.unsent_bytes -= k.unsent_bytes > 0;
	}
	if (k.inq_bytes > 0)
		WIRE_EQ(w, peek_bytes(w, REPAIR_RECV, in, BYTES_MAX), k.inq_bytes);
	WIRE_EQ(w, peek_bytes(w, REPAIR_SEND, out, BYTES_MAX), k.outq_bytes);
	wire_close(w);
	wire_idle(w);
	return k;
}

static void
restore(struct wire *w, const struct tcp_known *k)
{
	struct tcp_checkpoint saved;

	tcp_checkpoint_init(w->engine, k, &saved);
	if (k->inq_bytes > 0)
		saved.recvq = tcp_copy_bytes(w->engine, in, k->inq_bytes);
	if (k->outq_bytes > 0)
		saved.sendq = tcp_copy_bytes(w->engine, out, k->outq_bytes);
	WIRE_EQ(w, tcp_restore(w->engine, &saved, &w->flow->c), 0);
	tcp_set_user(w->flow->c, w->flow);
	WIRE_EQ(w, tcp_state(w->flow->c), k->state);
}

/* It leaves, comes back as somebody who knows no more than that, and asks its peer. */
static void
move(struct wire *w)
{
	struct tcp_known k = dump(w);

	wire_wait(w, MS(300));
	restore(w, &k);
	wire_idle(w);
	tcp_resume(w->flow->c);
	wire_flush(w);
}

WIRE_TEST(both_queues)
{
	wire_start(w);
	wire_accepted(w, all, 30);
	wire_in(w, "P. 1:501(500) ack 1 win 30");
	wire_acked(w, 501);
	wire_send(w, 9000, 9000);
	wire_out(w, ". 1:1449(1448) ack 501");
	wire_out(w, ". 1449:2897(1448) ack 501");
	move(w);
	wire_out(w, ". 0:0(0) ack 501 <nop,nop,TS val * ecr 0>");
	WIRE_EQ(w, queued(w, SIOCINQ), 500);
	WIRE_EQ(w, queued(w, SIOCOUTQ), 9000);
	WIRE_EQ(w, wire_listing(w).snd_wnd, 3840);
	wire_in(w, "+10ms . 501:501(0) ack 2897 win 30 <nop,nop,TS val 3000000000 ecr *>");
	wire_count(w, drop_paws, 0);
	wire_out(w, ". 2897:4345(1448) ack 501 <nop,nop,TS val * ecr 3000000000>");
	wire_out(w, ". 4345:5793(1448) ack 501 <*>");
	wire_recv(w, 999, 500);
	wire_skip(w);
	wire_end(w);
}

/* What it is not told of is as in a fresh connection of this engine. */
WIRE_TEST(defaults)
{
	struct tcp_checkpoint saved, none;
	struct tcp_listing fresh, l;
	struct tcp_known k;

	wire_start(w);
	wire_accepted(w, all, 500);
	fresh = wire_listing(w);
	WIRE_EQ(w, tcp_checkpoint(w->flow->c, &none), 0);
	k = dump(w);
	tcp_checkpoint_init(w->engine, &k, &saved);
	WIRE_EQ(w, tcp_checkpoint_is_sound(&saved), true);
	WIRE_EQ(w, strcmp(saved.congestion, none.congestion), 0);
	WIRE_EQ(w, saved.srtt_us, 0);
	WIRE_EQ(w, saved.rto_us, SEC(1));
	WIRE_EQ(w, saved.cwnd, none.cwnd);
	WIRE_EQ(w, saved.ssthresh, none.ssthresh);
	WIRE_EQ(w, saved.ttl, none.ttl);
	WIRE_EQ(w, saved.rcvbuf_bytes, none.rcvbuf_bytes);
	WIRE_EQ(w, saved.sndbuf_bytes, none.sndbuf_bytes);
	WIRE_EQ(w, saved.window_clamp, none.window_clamp);
	WIRE_EQ(w, saved.rcv_ssthresh, none.rcv_ssthresh);
	WIRE_EQ(w, saved.rcv_ratio, none.rcv_ratio);
	WIRE_EQ(w, saved.rcv_mss, none.rcv_mss);
	WIRE_EQ(w, saved.linger2_s, none.linger2_s);
	WIRE_EQ(w, saved.ipv6, none.ipv6);
	WIRE_EQ(w, saved.iss, none.iss);
	WIRE_EQ(w, saved.irs, none.irs);
	restore(w, &k);
	l = wire_listing(w);
	WIRE_EQ(w, l.mss, fresh.mss);
	WIRE_EQ(w, l.rcv_wnd, fresh.rcv_wnd);
	WIRE_EQ(w, l.details.options, fresh.details.options);
	wire_end(w);
}

/* A larger window than ours was promised: all of it can come. */
WIRE_TEST(large_window)
{
	struct tcp_known k;
	struct tcp_listing l;

	wire_start(w);
	wire_accepted(w, all, 500);
	k = dump(w);
	k.rcv_wnd = 3 << 20;
	restore(w, &k);
	l = wire_listing(w);
	WIRE_EQ(w, l.rcv_wnd, 3 << 20);
	tcp_resume(w->flow->c);
	wire_flush(w);
	wire_skip(w);
	wire_hold(w);
	for (unsigned int i = 0; i < 200; i++)
		wire_in(w, ". %u:%u(1448) ack 1 win 500", 1 + i * 1448, 1 + (i + 1) * 1448);
	wire_release(w);
	WIRE_EQ(w, tcp_readable(w->flow->c), 200 * 1448);
	wire_skip(w);
	wire_end(w);
}

/* Without TCP_REPAIR_WINDOW nothing may leave before the peer has said what it takes. */
WIRE_TEST(window_not_known)
{
	struct tcp_known k;

	wire_start(w);
	wire_accepted(w, plain, 1000);
	wire_send(w, 3000, 3000);
	wire_out(w, ". 1:1001(1000) ack 1");
	k = dump(w);
	k.has_window = false;
	restore(w, &k);
	tcp_resume(w->flow->c);
	wire_flush(w);
	wire_out(w, ". 0:0(0) ack 1");
	wire_in(w, "+10ms . 1:1(0) ack 1001 win 9000");
	wire_out(w, ". 1001:2461(1460) ack 1");
	wire_out(w, "P. 2461:3001(540) ack 1");
	wire_in(w, "P. 1:101(100) ack 3001 win 9000");
	wire_recv(w, 999, 100);
	wire_acked(w, 101);
	wire_end(w);
}

WIRE_TEST(fin_wait_1)
{
	wire_start(w);
	wire_accepted(w, plain, 9000);
	wire_send(w, 100, 100);
	wire_out(w, "P. 1:101(100) ack 1");
	wire_shutdown(w, SHUT_WR, 0);
	wire_out(w, "F. 101:101(0) ack 1");
	move(w);
	wire_out(w, ". 0:0(0) ack 1");
	wire_in(w, "+10ms . 1:1(0) ack 102 win 9000");
	wire_state(w, TCP_FIN_WAIT_2);
	wire_end(w);
}

/* The peer never got it: it comes again. */
WIRE_TEST(fin_lost)
{
	wire_start(w);
	wire_accepted(w, plain, 9000);
	wire_shutdown(w, SHUT_WR, 0);
	wire_out(w, "F. 1:1(0) ack 1");
	move(w);
	wire_out(w, ". 0:0(0) ack 1");
	wire_in(w, "+10ms . 1:1(0) ack 1 win 9000");
	wire_out(w, "<=2s F. 1:1(0) ack 1");
	wire_in(w, "+10ms . 1:1(0) ack 2 win 9000");
	wire_state(w, TCP_FIN_WAIT_2);
	wire_end(w);
}

WIRE_TEST(fin_not_sent)
{
	wire_start(w);
	wire_accepted(w, plain, 1000);
	wire_send(w, 1500, 1500);
	wire_out(w, ". 1:1001(1000) ack 1");
	wire_shutdown(w, SHUT_WR, 0);
	move(w);
	wire_out(w, ". 0:0(0) ack 1");
	wire_in(w, "+10ms . 1:1(0) ack 1001 win 1000");
	wire_out(w, "FP. 1001:1501(500) ack 1");
	wire_end(w);
}

WIRE_TEST(fin_wait_2)
{
	wire_start(w);
	wire_accepted(w, plain, 9000);
	wire_send(w, 100, 100);
	wire_shutdown(w, SHUT_WR, 0);
	wire_skip(w);
	wire_in(w, ". 1:1(0) ack 102 win 9000");
	move(w);
	wire_out(w, ". 101:101(0) ack 1");
	wire_in(w, "FP. 1:101(100) ack 102 win 9000");
	wire_out(w, ". 102:102(0) ack 102");
	wire_recv(w, 999, 100);
	wire_recv(w, 999, 0);
	wire_end(w);
}

WIRE_TEST(close_wait)
{
	wire_start(w);
	wire_accepted(w, plain, 9000);
	wire_in(w, "FP. 1:101(100) ack 1 win 9000");
	wire_acked(w, 102);
	move(w);
	wire_out(w, ". 0:0(0) ack 102");
	wire_recv(w, 999, 100);
	wire_recv(w, 999, 0);
	wire_send(w, 50, 50);
	wire_out(w, "P. 1:51(50) ack 102");
	wire_close(w);
	wire_out(w, "F. 51:51(0) ack 102");
	wire_in(w, ". 102:102(0) ack 52 win 9000");
	wire_gone(w);
	wire_end(w);
}

WIRE_TEST(closing)
{
	wire_start(w);
	wire_accepted(w, plain, 9000);
	wire_shutdown(w, SHUT_WR, 0);
	wire_out(w, "F. 1:1(0) ack 1");
	wire_in(w, "F. 1:1(0) ack 1 win 9000");
	wire_out(w, ". 2:2(0) ack 2");
	move(w);
	wire_state(w, TCP_CLOSING);
	wire_out(w, ". 0:0(0) ack 2");
	wire_in(w, "+10ms . 2:2(0) ack 2 win 9000");
	wire_listed(w, TCP_TIME_WAIT);
	wire_end(w);
}

WIRE_TEST(last_ack)
{
	wire_start(w);
	wire_accepted(w, plain, 9000);
	wire_in(w, "FP. 1:101(100) ack 1 win 9000");
	wire_acked(w, 102);
	wire_recv(w, 999, 100);
	wire_shutdown(w, SHUT_WR, 0);
	wire_out(w, "F. 1:1(0) ack 102");
	move(w);
	wire_out(w, ". 0:0(0) ack 102");
	wire_in(w, "+10ms . 102:102(0) ack 2 win 9000");
	wire_gone(w);
	wire_end(w);
}

/* Its SYN is sent again. */
WIRE_TEST(syn_sent)
{
	struct tcp_known k;

	wire_start(w);
	wire_connect(w, -EINPROGRESS);
	wire_out(w, "S 0:0(0) <*>");
	k = dump(w);
	restore(w, &k);
	tcp_resume(w->flow->c);
	wire_flush(w);
	wire_out(w, "<=1s S 0:0(0) <*>");
	wire_in(w, "S. 0:0(0) ack 1 win 65535 <mss 1460>");
	wire_out(w, ". 1:1(0) ack 1 <*>");
	wire_state(w, TCP_ESTABLISHED);
	wire_end(w);
}
