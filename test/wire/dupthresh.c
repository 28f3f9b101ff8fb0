/* SPDX-License-Identifier: BSD-3-Clause */
/* Loss by counting, RFC 6675 §4, with RACK switched off. What RACK does is in rack.c. */
#include <string.h>

#include "wire.h"

static const char sack_ok[] = "<mss 1460,nop,nop,sackOK>";

static void
without_rack(struct tcp_config *config)
{
	config->rack = false;
	config->tlp = false;
}

static void
five_without_rack(struct tcp_config *config)
{
	config->rack = false;
	config->tlp = false;
	config->reordering = 5;
}

/* Whose window leaves room for two repairs at once. */
static void
cubic_without_rack(struct tcp_config *config)
{
	without_rack(config);
	config->congestion = "cubic";
}

static void
ten_sent(struct wire *w)
{
	wire_accepted(w, sack_ok, 65535);
	wire_send(w, 10 * WIRE_MSS, 10 * WIRE_MSS);
	WIRE_EQ(w, wire_skip(w), 10);
}

/* How often the byte `seq` is in what was sent. */
static unsigned int
sent_with(struct wire *w, uint32_t seq)
{
	unsigned int n = 0;
	struct note note;

	while (wire_next(w, &note))
		n += note.seq.value <= seq && seq < note.seq.value + note.bytes.value;
	return n;
}

static uint32_t
reordering(struct wire *w)
{
	struct tcp_info info = {0};
	size_t len = sizeof(info);

	WIRE_EQ(w, tcp_getsockopt(w->flow->c, IPPROTO_TCP, TCP_INFO, &info, &len), 0);
	return info.tcpi_reordering;
}

/* Two are not enough, however long one waits (rack.c's one_later_and_time() waits 2.5 ms). */
WIRE_TEST(three_behind)
{
	wire_start(w, .configure = without_rack);
	ten_sent(w);
	wire_in(w, "+10ms . 1:1(0) ack 1 <nop,nop,sack 1461:4381>");
	wire_idle_for(w, MS(50));
	wire_in(w, ". 1:1(0) ack 1 <nop,nop,sack 1461:5841>");
	wire_out(w, ". 1:1461(1460) ack 1");
	wire_idle(w);
	wire_count(w, recoveries, 1);
	wire_in(w, "+10ms . 1:1(0) ack 14601");
	wire_idle_for(w, SEC(5));
	wire_end(w);
}

/* As many as the path may reorder: RACK knows no such number. */
WIRE_TEST(five_behind)
{
	wire_start(w, .configure = five_without_rack);
	ten_sent(w);
	wire_in(w, "+10ms . 1:1(0) ack 1 <nop,nop,sack 1461:7301>");
	wire_idle_for(w, MS(50));
	wire_in(w, ". 1:1(0) ack 1 <nop,nop,sack 1461:8761>");
	wire_out(w, ". 1:1461(1460) ack 1");
	wire_idle(w);
	wire_end(w);
}

/* Each hole has its own count. */
WIRE_TEST(holes)
{
	wire_start(w, .configure = cubic_without_rack);
	ten_sent(w);
	wire_in(w, "+10ms . 1:1(0) ack 1 <nop,nop,sack 7301:8761 4381:5841 1461:2921>");
	wire_out(w, ". 1:1461(1460) ack 1");
	wire_idle(w);
	wire_in(w, ". 1:1(0) ack 1 <nop,nop,sack 7301:10221 4381:5841 1461:2921>");
	wire_out(w, ". 2921:4381(1460) ack 1");
	wire_idle(w);
	wire_end(w);
}

/* That its retransmission is lost shows only the time-out. */
WIRE_TEST(lost_retransmission)
{
	wire_start(w, .configure = without_rack);
	wire_accepted(w, sack_ok, 65535);
	wire_send(w, 20 * WIRE_MSS, 20 * WIRE_MSS);
	WIRE_EQ(w, wire_skip(w), 10);
	wire_in(w, "+10ms . 1:1(0) ack 1 <nop,nop,sack 1461:5841>");
	WIRE_EQ(w, sent_with(w, 1), 1);
	wire_in(w, "+1ms . 1:1(0) ack 1 <nop,nop,sack 1461:14601>");
	WIRE_EQ(w, sent_with(w, 1), 0);
	wire_in(w, "+10ms . 1:1(0) ack 1 <nop,nop,sack 1461:17521>");
	WIRE_EQ(w, sent_with(w, 1), 0);
	wire_count(w, rto, 0);
	wire_end(w);
}

/* What is seen of reordering raises the number; a time-out that comes all the same takes it back.
 */
WIRE_TEST(reordering_is_learned_and_forgotten)
{
	wire_start(w, .configure = without_rack);
	ten_sent(w);
	wire_in(w, "+10ms . 1:1(0) ack 1 <nop,nop,sack 8761:11681>");
	wire_in(w, "+1ms . 1:1(0) ack 11681");
	WIRE_EQ(w, reordering(w), 8);
	wire_in(w, ". 1:1(0) ack 14601");
	wire_send(w, 8 * WIRE_MSS, 8 * WIRE_MSS);
	wire_skip(w);
	wire_in(w, "+10ms . 1:1(0) ack 14601 <nop,nop,sack 16061:21901>");
	wire_idle(w);
	wire_count(w, recoveries, 0);
	wire_out(w, "<=1s . 14601:16061(1460) ack 1");
	wire_count(w, rto, 1);
	WIRE_EQ(w, reordering(w), 3);
	wire_skip(w);
	wire_end(w);
}

/* Whatever blocks come, in whatever order, each hole is repaired once. */
WIRE_TEST(hostile_blocks)
{
	wire_start(w, .configure = without_rack);
	ten_sent(w);
	for (unsigned int i = 0; i < 200; i++) {
		unsigned int a = 1 + i * 7 % 9;

		wire_in(w, ". 1:1(0) ack 1 <nop,nop,sack %u:%u>", 1 + a * WIRE_MSS,
			1 + (a + 1) * WIRE_MSS);
	}
	WIRE_IN(w, wire_skip(w), 1, 9);
	wire_in(w, "+10ms . 1:1(0) ack 14601");
	wire_idle_for(w, SEC(5));
	wire_end(w);
}
