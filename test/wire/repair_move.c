/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A connection is dumped from one engine and restored in another by socket calls, in the order that
 * works on Linux; its peer goes on as if nothing had happened.
 */
#include <linux/sockios.h>
#include <sys/ioctl.h>

#include "repair_calls.h"

enum { DUMP_MAX = 1 << 17 };

struct dump {
	enum tcp_state state;
	int inq, outq, unsent, mss;
	uint32_t ts, inq_seq, outq_seq;
	uint8_t snd_wscale, rcv_wscale;
	bool timestamps, sack;
	struct tcp_repair_window window;
	uint8_t in[DUMP_MAX], out[DUMP_MAX];
};

static struct dump d;

static bool
fin_sent_or_due(enum tcp_state s)
{
	return s == TCP_FIN_WAIT_1 || s == TCP_FIN_WAIT_2 || s == TCP_CLOSING || s == TCP_LAST_ACK;
}

static bool
fin_received(enum tcp_state s)
{
	return s == TCP_CLOSE_WAIT || s == TCP_CLOSING || s == TCP_LAST_ACK;
}

/* Sequence numbers count a FIN, lengths do not. */
static void
without_fins(void)
{
	if (fin_sent_or_due(d.state)) {
		d.outq_seq--;
		d.outq -= d.outq > 0;
		d.unsent -= d.unsent > 0;
	}
	if (fin_received(d.state)) {
		d.inq_seq--;
		d.window.rcv_wup--;
		d.window.rcv_wnd++;
	}
}

/* Out of the engine: what remains of it there is mute. */
static void
dump(struct wire *w)
{
	struct tcp_listing l = wire_listing(w);

	repair_on(w);
	d.state = tcp_state(w->flow->c);
	d.snd_wscale = l.snd_wscale_shift;
	d.rcv_wscale = l.rcv_wscale_shift;
	d.timestamps = l.timestamps;
	d.sack = l.sack;
	d.outq = queued(w, SIOCOUTQ);
	d.unsent = queued(w, SIOCOUTQNSD);
	d.inq = queued(w, SIOCINQ);
	d.mss = (int)try_get(w, TCP_MAXSEG);
	d.ts = (uint32_t)try_get(w, TCP_TIMESTAMP);
	d.window = get_window(w);
	d.inq_seq = get_seq(w, REPAIR_RECV);
	d.outq_seq = get_seq(w, REPAIR_SEND);
	without_fins();
	if (d.inq > 0)
		WIRE_EQ(w, peek_bytes(w, REPAIR_RECV, d.in, DUMP_MAX), d.inq);
	WIRE_EQ(w, peek_bytes(w, REPAIR_SEND, d.out, DUMP_MAX), d.outq);
	wire_close(w);
	wire_idle(w);
}

static void
put_all(struct wire *w, int queue, const uint8_t *bytes, int n)
{
	repair_queue(w, queue);
	for (int done = 0; done < n;) {
		ssize_t put = tcp_send(w->flow->c, bytes + done, (size_t)(n - done), 0);

		WIRE_IN(w, put, 1, n - done);
		done += (int)put;
	}
}

static void
put_options(struct wire *w)
{
	struct tcp_repair_opt pairs[4] = {{2, (uint32_t)d.mss}};
	size_t n = 1;

	if (d.snd_wscale != 0 || d.rcv_wscale != 0)
		pairs[n++] =
			(struct tcp_repair_opt){3, d.snd_wscale | (uint32_t)d.rcv_wscale << 16};
	if (d.sack)
		pairs[n++] = (struct tcp_repair_opt){4, 0};
	if (d.timestamps)
		pairs[n++] = (struct tcp_repair_opt){8, 0};
	WIRE_EQ(w, set_pairs(w, pairs, n), 0);
	WIRE_EQ(w, try_set(w, TCP_TIMESTAMP, (int)d.ts), 0);
}

/* Into the engine, up to but not out of repair. */
static void
restore(struct wire *w)
{
	int sent = d.outq - d.unsent;

	wire_open(w);
	repair_on(w);
	WIRE_EQ(w, tcp_bind(w->flow->c, &w->flow->local), 0);
	set_seq(w, REPAIR_RECV, d.inq_seq - (uint32_t)d.inq);
	set_seq(w, REPAIR_SEND, d.outq_seq - (uint32_t)d.outq);
	wire_connect(w, 0);
	put_options(w);
	put_all(w, REPAIR_RECV, d.in, d.inq);
	put_all(w, REPAIR_SEND, d.out, sent);
	if (d.unsent > 0) {
		repair_off(w, -1);
		WIRE_EQ(w, tcp_send(w->flow->c, d.out + sent, (size_t)d.unsent, 0), d.unsent);
		repair_on(w);
	}
	if (fin_sent_or_due(d.state)) {
		repair_queue(w, d.state == TCP_FIN_WAIT_2 ? REPAIR_SEND : REPAIR_NONE);
		wire_shutdown(w, SHUT_WR, 0);
	}
	WIRE_EQ(w, set_window(w, &d.window), 0);
	wire_idle(w);
}

/* From this engine into a second; the first hears and says nothing of it any more. */
static struct tcp_engine *
move(struct wire *w)
{
	struct tcp_engine *first;

	dump(w);
	first = wire_successor(w);
	wire_wait(w, SEC(2));
	restore(w);
	return first;
}

static const char plain[] = "<mss 1460>";
static const char all[] = "<mss 1460,sackOK,TS val 1000 ecr 0,nop,wscale 7>";

/* Data in both queues, sent and unsent: then more of it, both ways. */
WIRE_TEST(both_queues)
{
	struct tcp_engine *first;

	wire_start(w);
	wire_accepted(w, plain, 3000);
	wire_in(w, "P. 1:501(500) ack 1 win 3000");
	wire_acked(w, 501);
	wire_send(w, 5000, 5000);
	wire_out(w, ". 1:1461(1460) ack 501");
	wire_out(w, ". 1461:2921(1460) ack 501");
	first = move(w);
	WIRE_EQ(w, queued(w, SIOCOUTQ), 5000);
	WIRE_EQ(w, queued(w, SIOCOUTQNSD), 2080);
	repair_off(w, 0);
	wire_out(w, ". 0:0(0) ack 501");
	wire_in(w, "+10ms P. 501:601(100) ack 2921 win 9000");
	wire_out(w, ". 2921:4381(1460) ack 601");
	wire_out(w, "P. 4381:5001(620) ack 601");
	wire_recv(w, 9999, 600);
	wire_send(w, 100, 100);
	wire_in(w, "+10ms . 601:601(0) ack 5001 win 9000");
	wire_out(w, "P. 5001:5101(100) ack 601");
	wire_in(w, "F. 601:601(0) ack 5101 win 9000");
	wire_acked(w, 602);
	wire_close(w);
	wire_out(w, "F. 5101:5101(0) ack 602");
	wire_in(w, ". 602:602(0) ack 5102");
	wire_gone(w);
	tcp_engine_destroy(first);
	wire_end(w);
}

/* Scales, SACK and timestamps go along, and the clock goes on. */
WIRE_TEST(options_go_along)
{
	struct tcp_engine *first;
	uint32_t ts;

	wire_start(w);
	wire_accepted(w, all, 500);
	wire_send(w, 100, 100);
	wire_out(w, "P. 1:101(100) ack 1");
	ts = w->flow->ts_last;
	first = move(w);
	repair_off(w, 0);
	wire_out(w, ". 0:0(0) ack 1");
	WIRE_IN(w, w->flow->ts_last - ts, 0, 10);
	WIRE_EQ(w, wire_listing(w).snd_wscale_shift, 7);
	WIRE_EQ(w, wire_listing(w).snd_wnd, 64000);
	wire_in(w, "+10ms . 1:1(0) ack 101 win 400");
	WIRE_EQ(w, wire_listing(w).snd_wnd, 51200);
	wire_in(w, "P. 201:301(100) ack 101 win 400");
	wire_out(w, ". 101:101(0) ack 1 <nop,nop,TS val * ecr *,nop,nop,sack 201:301>");
	tcp_engine_destroy(first);
	wire_end(w);
}

/* The peer's window is shut: it is asked for as before. */
WIRE_TEST(zero_window)
{
	struct tcp_engine *first;

	wire_start(w);
	wire_accepted(w, plain, 1000);
	wire_send(w, 3000, 3000);
	wire_out(w, ". 1:1001(1000) ack 1");
	wire_in(w, ". 1:1(0) ack 1001 win 0");
	first = move(w);
	repair_off(w, 0);
	wire_out(w, ". 1000:1000(0) ack 1");
	wire_in(w, "+10ms . 1:1(0) ack 1001 win 0");
	wire_out(w, "<=5s . 1000:1000(0) ack 1");
	wire_in(w, "+10ms . 1:1(0) ack 1001 win 9000");
	wire_out(w, ". 1001:2461(1460) ack 1");
	wire_out(w, "P. 2461:3001(540) ack 1");
	tcp_engine_destroy(first);
	wire_end(w);
}

/* Only received data, only sent data, neither: the peer's part is repeated by the peer. */
WIRE_TEST(one_queue)
{
	struct tcp_engine *first;

	wire_start(w);
	wire_accepted(w, plain, 9000);
	wire_in(w, "P. 1:301(300) ack 1 win 9000");
	wire_acked(w, 301);
	first = move(w);
	repair_off(w, 0);
	wire_out(w, ". 0:0(0) ack 301");
	tcp_engine_destroy(first);
	wire_recv(w, 999, 300);
	wire_in(w, ". 301:301(0) ack 1 win 9000");
	/* What arrives while it is nowhere is lost, and comes again. */
	dump(w);
	first = wire_successor(w);
	tcp_set_restoring(w->engine, true);
	wire_in(w, "P. 301:401(100) ack 1 win 9000");
	wire_count(w, drop_restoring, 1);
	restore(w);
	tcp_set_restoring(w->engine, false);
	repair_off(w, 0);
	wire_out(w, ". 0:0(0) ack 301");
	wire_in(w, "P. 301:401(100) ack 1 win 9000");
	wire_acked(w, 401);
	wire_recv(w, 999, 100);
	tcp_engine_destroy(first);
	wire_end(w);
}

/* Our FIN is out, its acknowledgment lost with the move. */
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
	WIRE_EQ(w, queued(w, SIOCOUTQ), 101);
	repair_off(w, 0);
	wire_out(w, "F. 101:101(0) ack 1");
	wire_in(w, "F. 1:1(0) ack 102 win 9000");
	wire_out(w, ". 102:102(0) ack 2");
	wire_listed(w, TCP_TIME_WAIT);
	tcp_engine_destroy(first);
	wire_end(w);
}

/* The peer has our FIN: to us it counts as sent, and the peer's next segment acknowledges it. */
WIRE_TEST(fin_wait_2)
{
	struct tcp_engine *first;

	wire_start(w);
	wire_accepted(w, plain, 9000);
	wire_shutdown(w, SHUT_WR, 0);
	wire_out(w, "F. 1:1(0) ack 1");
	wire_in(w, ". 1:1(0) ack 2 win 9000");
	wire_state(w, TCP_FIN_WAIT_2);
	first = move(w);
	repair_off(w, 0);
	wire_idle(w);
	wire_in(w, "P. 1:101(100) ack 2 win 9000");
	wire_acked(w, 101);
	wire_state(w, TCP_FIN_WAIT_2);
	wire_recv(w, 999, 100);
	wire_in(w, "F. 101:101(0) ack 2 win 9000");
	wire_out(w, ". 2:2(0) ack 102");
	tcp_engine_destroy(first);
	wire_end(w);
}

/* The peer's FIN is not in what calls can restore: it comes again, as the peer's it is. */
WIRE_TEST(close_wait)
{
	struct tcp_engine *first;

	wire_start(w);
	wire_accepted(w, plain, 9000);
	wire_in(w, "FP. 1:101(100) ack 1 win 9000");
	wire_acked(w, 102);
	first = move(w);
	repair_off(w, 0);
	wire_out(w, ". 0:0(0) ack 101");
	wire_in(w, "F. 101:101(0) ack 1 win 9000");
	wire_out(w, ". 1:1(0) ack 102");
	wire_state(w, TCP_CLOSE_WAIT);
	wire_recv(w, 999, 100);
	wire_recv(w, 999, 0);
	wire_close(w);
	wire_out(w, "F. 1:1(0) ack 102");
	tcp_engine_destroy(first);
	wire_end(w);
}

/* Our FIN waits behind data that the peer has no room for: neither is lost, nor a byte too many. */
WIRE_TEST(fin_waits_behind_data)
{
	struct tcp_engine *first;

	wire_start(w);
	wire_accepted(w, plain, 1000);
	wire_send(w, 1500, 1500);
	wire_out(w, ". 1:1001(1000) ack 1");
	wire_shutdown(w, SHUT_WR, 0);
	wire_in(w, ". 1:1(0) ack 1001 win 0");
	first = move(w);
	WIRE_EQ(w, queued(w, SIOCOUTQ), 501);
	WIRE_EQ(w, queued(w, SIOCOUTQNSD), 501);
	repair_off(w, 0);
	wire_in(w, "+10ms . 1:1(0) ack 1001 win 9000");
	wire_out(w, "FP. 1001:1501(500) ack 1");
	wire_in(w, ". 1:1(0) ack 1502 win 9000");
	wire_state(w, TCP_FIN_WAIT_2);
	tcp_engine_destroy(first);
	wire_end(w);
}

/* Out of repair a SYN leaves again with the numbers that it had, in the place of the mute one. */
WIRE_TEST(syn_sent_in_the_same_engine)
{
	uint32_t iss;

	wire_start(w);
	wire_connect(w, -EINPROGRESS);
	wire_out(w, "S 0:0(0) <*>");
	repair_on(w);
	iss = get_seq(w, REPAIR_SEND) - 1;
	wire_close(w);
	wire_idle(w);
	wire_in(w, "S. 0:0(0) ack 1 win 9000 <mss 1460>");
	wire_idle(w);
	wire_open(w);
	repair_on(w);
	WIRE_EQ(w, tcp_bind(w->flow->c, &w->flow->local), 0);
	set_seq(w, REPAIR_SEND, iss);
	repair_off(w, 0);
	wire_connect(w, -EINPROGRESS);
	wire_out(w, "S 0:0(0) <*>");
	wire_in(w, "S. 0:0(0) ack 1 win 9000 <mss 1460>");
	wire_out(w, ". 1:1(0) ack 1");
	wire_end(w);
}
