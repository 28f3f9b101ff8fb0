/* SPDX-License-Identifier: BSD-3-Clause */
/* Segments that no sane peer sends. Their memory ends where they end, for AddressSanitizer. */
#include "wire.h"

struct bad {
	const char *text;
	size_t counter;
};

#define BAD(text, counter)                                                                         \
	{                                                                                          \
		text, offsetof(struct tcp_stats, counter)                                          \
	}

static const struct bad syns[] = {
	BAD("S 0:0(0) cut 0", drop_short),
	BAD("S 0:0(0) cut 1", drop_short),
	BAD("S 0:0(0) cut 13", drop_short),
	BAD("S 0:0(0) cut 19", drop_short),
	BAD("S 0:0(0) doff 0", drop_data_offset),
	BAD("S 0:0(0) doff 4", drop_data_offset),
	BAD("S 0:0(0) doff 6", drop_data_offset),
	BAD("S 0:0(0) doff 15", drop_data_offset),
	BAD("S 0:0(0) <mss 1460,nop,wscale 7> cut 27", drop_data_offset),
	BAD("S 0:0(0) badsum", drop_checksum),
	BAD("S 0:10(10) <mss 1460> badsum", drop_checksum),
	BAD("S 0:0(0) <raw 0200>", drop_bad_option),
	BAD("S 0:0(0) <raw 0201>", drop_bad_option),
	BAD("S 0:0(0) <nop,nop,raw 0204>", drop_bad_option),
	BAD("S 0:0(0) <nop,nop,nop,raw 02>", drop_bad_option),
	BAD("S 0:0(0) <nop,raw 0204ff>", drop_bad_option),
	BAD("S 0:0(0) <nop,nop,raw 080a>", drop_bad_option),
	BAD("S 0:0(0) <nop,nop,raw fd00>", drop_bad_option),
	BAD("S 0:0(0) <nop,nop,raw fd01>", drop_bad_option),
	BAD("S 0:0(0) <raw fdff0000>", drop_bad_option),
	BAD("S 0:0(0) <mss 1460,raw 030307,raw 0400>", drop_bad_option),
	BAD("SF 0:0(0)", drop_syn_fin),
	BAD("SF. 0:0(0) ack 1", drop_syn_fin),
	BAD("SFPUEW. 0:0(0) ack 1 urg 1", drop_syn_fin),
};

static uint64_t
counter(struct wire *w, size_t offset)
{
	struct tcp_stats stats = wire_stats(w);
	uint64_t value;

	memcpy(&value, (const uint8_t *)&stats + offset, sizeof(value));
	return value;
}

static void
each_is_dropped(struct wire *w, const struct bad *bad, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		uint64_t before = counter(w, bad[i].counter);

		wire_in(w, "%s", bad[i].text);
		wire_idle(w);
		if (counter(w, bad[i].counter) != before + 1)
			wire_fail(w, "this was not counted by its reason");
	}
}

WIRE_TEST(to_a_listener)
{
	wire_start(w, .exact_bufs = true);
	wire_listen(w, 16);
	each_is_dropped(w, syns, sizeof(syns) / sizeof(syns[0]));
	wire_used(w, requests, 0);
	wire_count(w, segs_in, sizeof(syns) / sizeof(syns[0]));
	wire_end(w);
}

WIRE_TEST(to_nobody)
{
	wire_start(w, .exact_bufs = true);
	each_is_dropped(w, syns, sizeof(syns) / sizeof(syns[0]));
	wire_count(w, rsts_out, 0);
	wire_end(w);
}

WIRE_TEST(to_a_connection)
{
	static const struct bad bad[] = {
		BAD("P. 1:11(10) ack 1 cut 7", drop_short),
		BAD("P. 1:11(10) ack 1 doff 4", drop_data_offset),
		BAD("P. 1:11(10) ack 1 doff 8", drop_data_offset),
		BAD("P. 1:11(10) ack 1 badsum", drop_checksum),
		BAD("R 1:1(0) badsum", drop_checksum),
		BAD("P. 1:11(10) ack 1 <raw 0800>", drop_bad_option),
		BAD("P. 1:11(10) ack 1 <nop,nop,raw 080a>", drop_bad_option),
		BAD("P 1:11(10)", drop_no_ack),
		BAD("0 1:11(10)", drop_no_ack),
		BAD("SF 1:1(0)", drop_syn_fin),
	};

	wire_start(w, .exact_bufs = true);
	wire_accepted(w, "<mss 1460>", 65535);
	each_is_dropped(w, bad, sizeof(bad) / sizeof(bad[0]));
	wire_recv(w, 100, -EAGAIN);
	wire_state(w, TCP_ESTABLISHED);
	wire_in(w, "P. 1:11(10) ack 1");
	wire_recv(w, 100, 10);
	wire_acked(w, 11);
	wire_end(w);
}

/* The network card may vouch for the checksum; then it is not looked at. */
WIRE_TEST(checksum_vouched_for)
{
	wire_start(w, .rx_cksum_good = true);
	wire_listen(w, 16);
	wire_in(w, "S 0:0(0) win 65535 <mss 1460> badsum");
	wire_out(w, "S. 0:0(0) ack 1 <mss 1460>");
	wire_end(w);
}

static void
from_nobody(struct wire *w, struct ip_addr ip)
{
	struct ip_addr kept = w->flow->remote.ip;

	w->flow->remote.ip = ip;
	wire_in(w, "S 0:0(0) win 65535 <mss 1460>");
	wire_in(w, ". 0:0(0) ack 1");
	w->flow->remote.ip = kept;
	wire_idle(w);
}

WIRE_TEST(bad_sources)
{
	const uint8_t multicast6[16] = {0xff, 0x02, [15] = 1}, any6[16] = {0};

	wire_start(w);
	wire_listen(w, 16);
	if (w->family == AF_INET) {
		from_nobody(w, ip_from4(be32(0xe0000001)));
		from_nobody(w, ip_from4(be32(0)));
	} else {
		from_nobody(w, ip_from6(multicast6));
		from_nobody(w, ip_from6(any6));
	}
	wire_count(w, drop_bad_source, 4);
	w->flow->remote.port = 0;
	wire_in(w, "S 0:0(0) win 65535 <mss 1460>");
	wire_idle(w);
	wire_count(w, drop_bad_source, 5);
	w->flow->remote.port = WIRE_REMOTE_PORT;
	wire_used(w, requests, 0);
	wire_end(w);
}

WIRE_TEST4(broadcast_source)
{
	wire_start(w);
	wire_listen(w, 16);
	from_nobody(w, ip_from4(be32(0xffffffff)));
	wire_count(w, drop_bad_source, 2);
	wire_end(w);
}

/* Every combination of flags, at every state's first floor: no crash, no leak. */
WIRE_TEST(all_flags_everywhere)
{
	static const char letters[] = "FSRPUEW";
	char flags[9];

	wire_start(w, .exact_bufs = true);
	for (unsigned int state = 0; state < 4; state++)
		for (unsigned int bits = 0; bits < 256; bits++) {
			size_t n = 0;

			wire_flow(w, state);
			wire_again(w, 1 << 20);
			if (state == 1)
				wire_listen(w, 1024);
			if (state == 2 && w->flow->c == NULL)
				wire_connect(w, -EINPROGRESS);
			for (unsigned int b = 0; b < 7; b++)
				if ((bits & 1 << b) != 0)
					flags[n++] = letters[b];
			if ((bits & 128) != 0)
				flags[n++] = '.';
			if (n == 0)
				flags[n++] = '0';
			flags[n] = '\0';
			wire_in(w, "%s 1:9(8)%s urg 3", flags, (bits & 128) != 0 ? " ack 1" : "");
			wire_skip(w);
			if (w->flow->c != NULL) {
				wire_abort(w);
				wire_skip(w);
			}
			wire_in(w, "R 1:1(0)");
			wire_skip(w);
		}
	wire_end(w);
}

/* A header that lies in several mbufs is read whole or dropped, never read past an mbuf. */
WIRE_TEST(split_headers)
{
	for (unsigned int split = 1; split < 80; split += split < 20 ? 7 : 1) {
		w->options.split = (uint16_t)split;
		if (split == 1)
			wire_start(w, .exact_bufs = true, .split = 1);
		wire_in(w, "S 0:0(0) win 65535 <mss 1460,nop,wscale 7,nop,nop,TS val 1 ecr 0>");
		wire_skip(w);
		wire_in(w, "P. 1:31(30) ack 77");
		wire_skip(w);
	}
	wire_end(w);
}
