/* SPDX-License-Identifier: BSD-3-Clause */
/* test/wire/notation.h and packet.h: what the wire tests rely on. */
#include "test/unit/unit.h"

#include "notation.h"

static void
prints_as(const char *text, const char *expected)
{
	struct note note;
	char out[512];
	const char *wrong = note_parse(text, &note);

	if (wrong != NULL) {
		printf("\n  \"%s\": %s", text, wrong);
		CU_FAIL("does not parse");
		return;
	}
	note_print(&note, out, sizeof(out));
	if (strcmp(out, expected) != 0)
		printf("\n  \"%s\" prints as \"%s\"", text, out);
	CU_ASSERT(strcmp(out, expected) == 0);
}

UNIT_CASE(text_survives_parse_and_print)
{
	static const char *const same[] = {
		"S 0:0(0) win 65535 <mss 1460,sackOK,TS val 100 ecr 0,nop,wscale 7>",
		"S. 0:0(0) ack 1 win 65535 <mss 1460,nop,nop,TS val * ecr 100,nop,wscale *>",
		". 1:1(0) ack 1",
		"FP. 1:1001(1000) ack 1 win 0 urg 5 {mss 1,nop}",
		"R -1:-1(0)",
		"SFRPUEW. 5:6(1) ack 7 <raw 0204>",
		"0 1:1(0)",
		". *:*(*) ack * win * <*>",
		". 1:1(0) ack 1 <nop,nop,sack 5:6,sack 7:8,eol>",
		"S 0:0(0) doff 4 cut 19 badsum",
		"+200000us . 1:1(0) ack 1",
		"<=40000us . 1:1(0) ack 1",
	};

	for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++)
		prints_as(same[i], same[i]);
	prints_as("  +1.5ms   .P 1:1(0)   ack 0x10 ", "+1500us P. 1:1(0) ack 16");
	prints_as("+2s . 1:1(0) ack 1", "+2000000us . 1:1(0) ack 1");
	prints_as("S 0:0(0) <FO,nop,nop>", "S 0:0(0) <raw 2202,nop,nop>");
	prints_as("S 0:0(0) <FO 0102abcd>", "S 0:0(0) <raw 22060102abcd>");
	prints_as("S 0:0(0) <FOEXP 0102abcd>", "S 0:0(0) <raw fe08f9890102abcd>");
}

UNIT_CASE(wrong_text_is_refused)
{
	static const char *const bad[] = {
		"",
		"S",
		"X 0:0(0)",
		"S 0:1(0)",
		"S 0:0",
		". 1:1(0)",
		"S 0:0(0) ack 1",
		". 1:1(0) ack",
		"S 0:0(0) <mss>",
		"S 0:0(0) <mss 1460",
		"S 0:0(0) <mss 1460}",
		"S 0:0(0) <kind 3>",
		"S 0:0(0) <TS val 1>",
		"S 0:0(0) <raw 1>",
		"S 0:0(0) rubbish",
		"+5 S 0:0(0)",
		". 0:0(0) ack 1 <sack>",
		". 0:0(0) ack 1 <sack 1:2 3>",
		"S 0:0(0) ackwards",
	};
	struct note note;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (note_parse(bad[i], &note) == NULL)
			printf("\n  \"%s\" is accepted", bad[i]);
		CU_ASSERT(note_parse(bad[i], &note) != NULL);
	}
}

static const char *
differs(const char *want, const char *got)
{
	struct note w, g;

	if (note_parse(want, &w) != NULL || note_parse(got, &g) != NULL)
		return "no note";
	return note_differs(&w, &g);
}

UNIT_CASE(expectations_compare)
{
	const char *got = "P. 1:101(100) ack 5 win 9 <nop,nop,TS val 3 ecr 4>";

	CU_ASSERT(differs(got, got) == NULL);
	CU_ASSERT(differs("0 1:1(0) {sack 1:2 3:4}", "0 1:1(0) <nop,nop,sack 1:2 3:4>") == NULL);
	CU_ASSERT(differs("0 1:1(0) {sack 3:4 1:2}", "0 1:1(0) <nop,nop,sack 1:2 3:4>") != NULL);
	CU_ASSERT(differs("0 1:1(0) {sack 1:2 3:4}", "0 1:1(0) <sack 1:2,sack 3:4>") != NULL);
	CU_ASSERT(differs(". 1:101(100) ack 5 <nop,nop,TS val * ecr 4>", got) == NULL);
	CU_ASSERT(differs(". *:*(*) ack * win * <*>", got) == NULL);
	CU_ASSERT(differs(". 1:101(100) ack 5 {TS val 3 ecr *}", got) == NULL);
	CU_ASSERT(differs(". 2:102(100) ack 5 <*>", got) != NULL);
	CU_ASSERT(differs(". 1:100(99) ack 5 <*>", got) != NULL);
	CU_ASSERT(differs(". 1:101(100) ack 6 <*>", got) != NULL);
	CU_ASSERT(differs(". 1:101(100) ack 5 win 8 <*>", got) != NULL);
	CU_ASSERT(differs("F. 1:101(100) ack 5 <*>", got) != NULL);
	CU_ASSERT(differs(". 1:101(100) ack 5", got) != NULL);
	CU_ASSERT(differs(". 1:101(100) ack 5 {TS val 3 ecr 5}", got) != NULL);
	CU_ASSERT(differs(". 1:101(100) ack 5 {mss 5,TS val 3 ecr 4}", got) != NULL);
	CU_ASSERT(differs(". 1:101(100) ack 5 {}", got) != NULL);
	CU_ASSERT(differs(". 1:101(100) ack 5 <TS val 3 ecr 4,nop,nop>", got) != NULL);
	/* P without payload is compared, with payload only if it is asked for. */
	CU_ASSERT(differs(". 1:1(0) ack 5", "P. 1:1(0) ack 5") != NULL);
	CU_ASSERT(differs("P. 1:101(100) ack 5", ". 1:101(100) ack 5") != NULL);
}

static struct packet
addressed(bool v4)
{
	const uint8_t a6[16] = {0x20, 0x01, [15] = 1}, b6[16] = {0x20, 0x01, [15] = 2};
	struct packet p = {.sport = 1, .dport = 2, .ttl = 64};

	p.src = v4 ? ip_from4(be32(0xc0000201)) : ip_from6(a6);
	p.dst = v4 ? ip_from4(be32(0xc0000202)) : ip_from6(b6);
	return p;
}

UNIT_CASE(packets_survive_bytes)
{
	static const char text[] =
		"P. 1:6(5) ack 7 win 8 <mss 1460,nop,wscale 7,nop,nop,TS val 9 ecr "
		"1,sack 10:20 30:-5>";
	struct note_base base = {0xfffffffe, 0xfffffffc, 0xfffffff8, 0xfffffff0};
	static uint8_t bytes[PACKET_MAX_BYTES];
	struct packet_faults none = {0};

	for (int v4 = 0; v4 < 2; v4++) {
		struct packet p = addressed(v4), q;
		struct note note;
		char out[512];
		size_t n;

		CU_ASSERT_FATAL(note_parse(text, &note) == NULL);
		CU_ASSERT_FATAL(note_to_packet(&note, &base, &p) == NULL);
		p.payload = (const uint8_t *)"hello";
		n = packet_build(&p, &none, bytes);
		UNIT_EQ(n, (v4 ? 20 : 40) + 20 + 40 + 5);
		CU_ASSERT_FATAL(packet_parse(bytes, n, 0, &q) == NULL);
		CU_ASSERT(memcmp(q.payload, "hello", 5) == 0);
		UNIT_EQ(q.seq, 0xffffffff);
		note_of_packet(&q, &base, &note);
		note_print(&note, out, sizeof(out));
		CU_ASSERT(strncmp(out, text, strlen(text) - 1) == 0);
		/* Any flipped bit is noticed, but those of TTL, traffic class and flow label. */
		for (size_t i = v4 ? 0 : 4; i < n; i++) {
			if (!v4 && i == 7)
				continue;
			bytes[i] ^= 0x10;
			CU_ASSERT(packet_parse(bytes, n, 0, &q) != NULL);
			bytes[i] ^= 0x10;
		}
	}
}

UNIT_CASE(faults_are_made)
{
	static uint8_t bytes[PACKET_MAX_BYTES];
	struct packet_faults sum = {.bad_sum = true}, off = {.has_data_off = true, .data_off = 4},
			     cut = {.has_cut = true, .cut = 19};
	struct packet p = addressed(true), q;

	CU_ASSERT_STRING_EQUAL(packet_parse(bytes, packet_build(&p, &sum, bytes), 0, &q),
			       "TCP checksum");
	CU_ASSERT_STRING_EQUAL(packet_parse(bytes, packet_build(&p, &off, bytes), 0, &q),
			       "TCP data offset");
	CU_ASSERT_STRING_EQUAL(packet_parse(bytes, packet_build(&p, &cut, bytes), 0, &q),
			       "shorter than a TCP header");
}

/* A whole header whose sums are worked out by hand, as RFC 1071 §3 does. */
UNIT_CASE(checksum_is_right)
{
	static uint8_t bytes[PACKET_MAX_BYTES];
	struct packet_faults none = {0};
	struct packet p = {.sport = 5000, .dport = 80, .flags = TCP_SYN, .win = 0x2000, .ttl = 64};

	p.src = p.dst = ip_from4(be32(0x7f000001));
	UNIT_EQ(packet_build(&p, &none, bytes), 40);
	/* IPv4: 4500+0028+0000+4000+4006+7f00+0001+7f00+0001 = 1c330 -> c331 -> 3cce */
	UNIT_EQ(bytes[10] << 8 | bytes[11], 0x3cce);
	/* TCP: 7f00+1+7f00+1+6+14+1388+50+5002+2000 = 181f6 -> 81f7 -> 7e08 */
	UNIT_EQ(bytes[36] << 8 | bytes[37], 0x7e08);
}

UNIT_MAIN(UNIT_RUN(text_survives_parse_and_print), UNIT_RUN(wrong_text_is_refused),
	  UNIT_RUN(expectations_compare), UNIT_RUN(packets_survive_bytes),
	  UNIT_RUN(faults_are_made), UNIT_RUN(checksum_is_right))
