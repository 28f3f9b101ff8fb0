/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Finding the path MTU by probes: mtu_probe.c, RFC 4821. By default there are none, as every other
 * program shows.
 */
#include "wire.h"

static void
always(struct tcp_config *config)
{
	config->mtu_probing = TCP_MTU_PROBING_ON;
	config->base_mss = 512;
	config->initial_cwnd = 20;
}

static void
in_black_holes(struct tcp_config *config)
{
	config->mtu_probing = TCP_MTU_PROBING_BLACK_HOLE;
	config->initial_cwnd = 20;
}

/* A path MTU that gives the same MSS over both families. */
static uint16_t
mtu_of(const struct wire *w, unsigned int mss)
{
	return (uint16_t)(mss + (w->family == AF_INET ? 40 : 60));
}

/* Segments of one size from `seq` on, up to `end`, the last of them shorter. */
static void
expect(struct wire *w, unsigned int seq, unsigned int end, unsigned int size)
{
	for (unsigned int n; seq < end; seq += n) {
		n = RTE_MIN(size, end - seq);
		wire_out(w, "%s %u:%u(%u) ack 1", seq + n == end ? "P." : ".", seq, seq + n, n);
	}
}

/*
 * A peer behind a link that lets segments of `widest` bytes through: acknowledges what it gets,
 * with SACK, 10 ms after it was sent, until nothing comes. Returns the next byte it waits for.
 */
struct peer {
	unsigned int widest, next, edges[64], n_edges; /* edges: starts and ends beyond next */
	unsigned int largest;                          /* segment that came through */
};

static void
peer_gets(struct peer *p, unsigned int from, unsigned int to)
{
	if (from > p->next) {
		if (p->n_edges > 0 && p->edges[p->n_edges - 1] == from)
			p->edges[p->n_edges - 1] = to;
		else if (p->n_edges < 62 && (p->n_edges == 0 || from > p->edges[p->n_edges - 1])) {
			p->edges[p->n_edges++] = from;
			p->edges[p->n_edges++] = to;
		}
		return;
	}
	p->next = RTE_MAX(p->next, to);
	while (p->n_edges > 0 && p->edges[0] <= p->next) {
		p->next = RTE_MAX(p->next, p->edges[1]);
		p->n_edges -= 2;
		memmove(p->edges, p->edges + 2, p->n_edges * sizeof(p->edges[0]));
	}
}

static void
peer_answers(struct wire *w, const struct peer *p)
{
	if (p->n_edges > 0)
		wire_in(w, ". 1:1(0) ack %u win 60000 <nop,nop,sack %u:%u>", p->next,
			p->edges[p->n_edges - 2], p->edges[p->n_edges - 1]);
	else
		wire_in(w, ". 1:1(0) ack %u win 60000", p->next);
}

static void
peer_runs(struct wire *w, struct peer *p)
{
	struct note note, got[256];
	unsigned int n;

	do {
		for (n = 0; n < 256 && wire_next(w, &note); n++)
			got[n] = note;
		wire_wait(w, MS(10));
		for (unsigned int i = 0; i < n; i++) {
			if (got[i].bytes.value > p->widest)
				continue;
			p->largest = RTE_MAX(p->largest, got[i].bytes.value);
			peer_gets(p, got[i].seq.value, got[i].seq.value + got[i].bytes.value);
			peer_answers(w, p);
		}
	} while (n > 0);
}

/* A path becomes wider: one probe, larger by half of what is possible, and the rest as before. */
WIRE_TEST(a_probe_goes_first)
{
	wire_start(w, .configure = always, .mtu = w->family == AF_INET ? 640 : 660,
		   .no_sack = true);
	wire_listen(w, 16);
	wire_in(w, "S 0:0(0) win 50000 <mss 1460>");
	wire_out(w, "S. 0:0(0) ack 1 <mss 600>");
	wire_in(w, "+10ms . 1:1(0) ack 1 win 50000");
	wire_accept(w);
	wire_path(w, 0, mtu_of(w, 1460));
	wire_send(w, 4000, 4000);
	wire_out(w, ". 1:987(986) ack 1");
	expect(w, 987, 4001, 600);
	wire_count(w, mtu_probes, 1);
	WIRE_EQ(w, wire_listing(w).cwnd_segs, 19);
	wire_in(w, "+10ms . 1:1(0) ack 4001 win 50000");
	wire_count(w, mtu_probes_arrived, 1);
	WIRE_EQ(w, wire_listing(w).mss, 986);
	wire_send(w, 2000, 2000);
	expect(w, 4001, 6001, 986); /* too little for another probe */
	wire_count(w, mtu_probes, 1);
	wire_end(w);
}

/* As many bytes may be under way as before, in fewer segments. */
WIRE_TEST(the_window_is_in_larger_segments)
{
	wire_start(w, .configure = always, .mtu = w->family == AF_INET ? 640 : 660,
		   .no_sack = true);
	wire_accepted(w, "<mss 1460>", 50000);
	wire_path(w, 0, mtu_of(w, 1460));
	wire_send(w, 4000, 4000);
	WIRE_EQ(w, wire_skip(w), 7);
	wire_in(w, "+10ms . 1:1(0) ack 987 win 50000");
	/* 19 of 640 bytes are 11 of 1026, and the ACK adds one. IPv6 has 20 bytes more of header.
	 */
	WIRE_IN(w, wire_listing(w).cwnd_segs, 11, 13);
	WIRE_EQ(w, wire_listing(w).ssthresh_segs, UINT32_MAX);
	wire_end(w);
}

/* Whoever connects begins with base_mss. */
WIRE_TEST(active_begins_with_base_mss)
{
	wire_start(w, .configure = always, .no_timestamps = true);
	wire_connected(w, "<mss 1460>", 2000);
	wire_send(w, 1500, 1500);
	expect(w, 1, 1501, 512);
	wire_get(w, IPPROTO_TCP, TCP_MAXSEG, 512);
	wire_end(w);
}

/* Timestamps take their part of each size. */
WIRE_TEST(with_timestamps)
{
	wire_start(w, .configure = always);
	wire_connected(w, "<mss 1460,sackOK,TS val 7 ecr *>", 60000);
	wire_send(w, 6000, 6000);
	/* (552 + 12 + 1500) / 2 = 1032, of which 52 are headers. */
	wire_out(w, ". 1:981(980) ack 1");
	wire_skip(w);
	wire_end(w);
}

/* To the end: as large as goes through, to within the threshold, and nothing is lost by it. */
static void
search(struct wire *w, unsigned int widest)
{
	struct peer p = {.widest = widest, .next = 1};
	unsigned int sent = 0;

	wire_start(w, .configure = always);
	wire_accepted(w, "<mss 1460,sackOK,nop,nop>", 60000);
	wire_path(w, 0, mtu_of(w, 1460));
	for (unsigned int i = 0; i < 100; i++) {
		wire_send(w, 20000, 20000);
		sent += 20000;
		peer_runs(w, &p);
	}
	WIRE_EQ(w, p.next, sent + 1);
	WIRE_IN(w, wire_listing(w).mss, widest - 8, widest);
	wire_count(w, rto, 0);
	wire_count(w, recoveries, 0);
	WIRE_IN(w, wire_stats(w).mtu_probes, 3, 12);
	wire_end(w);
}

WIRE_TEST(finds_the_widest)
{
	search(w, 1460);
}

/* From the MSS of a narrow path, with probes that are lost. */
WIRE_TEST(a_lost_probe_is_no_congestion)
{
	struct peer p = {.widest = 900, .next = 1};
	uint32_t cwnd;

	wire_start(w, .configure = always, .mtu = w->family == AF_INET ? 640 : 660);
	wire_accepted(w, "<mss 1460,sackOK,nop,nop>", 60000);
	wire_path(w, 0, mtu_of(w, 1460));
	wire_send(w, 5000, 5000);
	cwnd = wire_listing(w).cwnd_segs;
	wire_out(w, ". 1:987(986) ack 1");
	for (unsigned int i = 0; i < 3; i++)
		wire_out(w, ". %u:%u(600) ack 1", 987 + i * 600, 1587 + i * 600);
	wire_skip(w);
	wire_in(w, "+10ms . 1:1(0) ack 1 win 60000 <nop,nop,sack 987:1587>");
	wire_in(w, ". 1:1(0) ack 1 win 60000 <nop,nop,sack 987:2187>");
	wire_idle(w);
	wire_in(w, ". 1:1(0) ack 1 win 60000 <nop,nop,sack 987:2787>");
	wire_out(w, ". 1:601(600) ack 1");
	wire_out(w, ". 601:987(386) ack 1");
	wire_count(w, mtu_probes_lost, 1);
	wire_count(w, recoveries, 0);
	WIRE_EQ(w, wire_listing(w).cwnd_segs, cwnd + 1);
	WIRE_EQ(w, wire_listing(w).ssthresh_segs, UINT32_MAX);
	WIRE_EQ(w, wire_listing(w).mss, 600);
	wire_in(w, "+10ms . 1:1(0) ack 5001 win 60000");
	p.next = 5001;
	for (unsigned int i = 0; i < 60; i++) {
		wire_send(w, 20000, 20000);
		peer_runs(w, &p);
	}
	WIRE_IN(w, wire_listing(w).mss, 892, 900);
	wire_count(w, recoveries, 0);
	wire_count(w, rto, 0);
	wire_end(w);
}

WIRE_TEST(without_sack_too)
{
	wire_start(w, .configure = always, .mtu = w->family == AF_INET ? 640 : 660,
		   .no_sack = true);
	wire_accepted(w, "<mss 1460>", 60000);
	wire_path(w, 0, mtu_of(w, 1460));
	wire_send(w, 5000, 5000);
	wire_out(w, ". 1:987(986) ack 1");
	wire_skip(w);
	for (unsigned int i = 0; i < 3; i++)
		wire_in(w, "+%ums . 1:1(0) ack 1 win 60000", i == 0 ? 10 : 0);
	wire_out(w, ". 1:601(600) ack 1");
	wire_out(w, ". 601:987(386) ack 1");
	wire_count(w, mtu_probes_lost, 1);
	wire_count(w, recoveries, 0);
	wire_in(w, "+10ms . 1:1(0) ack 5001 win 60000");
	WIRE_EQ(w, wire_listing(w).mss, 600);
	wire_end(w);
}

/* Something else was lost, too: it proves nothing. */
WIRE_TEST(inconclusive)
{
	wire_start(w, .configure = always, .mtu = w->family == AF_INET ? 640 : 660);
	wire_accepted(w, "<mss 1460,sackOK,nop,nop>", 60000);
	wire_path(w, 0, mtu_of(w, 1460));
	wire_send(w, 5000, 5000);
	wire_out(w, ". 1:987(986) ack 1");
	wire_skip(w);
	wire_in(w, "+10ms . 1:1(0) ack 987 win 60000 <nop,nop,sack 1587:5001>");
	wire_skip(w);
	wire_count(w, mtu_probes_arrived, 1); /* the one behind it is lost: recovery as ever */
	wire_count(w, mtu_probes_lost, 0);
	wire_count(w, recoveries, 1);
	wire_end(w);
}

/* The time-out comes first: it is sent again in pieces, and neither size is judged. */
WIRE_TEST(timeout_of_a_probe)
{
	wire_start(w, .configure = always, .mtu = w->family == AF_INET ? 640 : 660,
		   .no_sack = true);
	wire_accepted(w, "<mss 1460>", 60000);
	wire_path(w, 0, mtu_of(w, 1460));
	wire_send(w, 4000, 4000);
	WIRE_EQ(w, wire_skip(w), 7);
	wire_out(w, "+%uus . 1:601(600) ack 1", wire_rto(w));
	wire_in(w, "+10ms . 1:1(0) ack 4001 win 60000");
	wire_count(w, mtu_probes, 1);
	wire_count(w, mtu_probes_arrived, 0);
	wire_count(w, mtu_probes_lost, 0);
	WIRE_EQ(w, wire_listing(w).mss, 600);
	wire_end(w);
}

/* ---- When there is none */

static void
none(struct wire *w, unsigned int bytes, unsigned int window)
{
	wire_start(w, .configure = always, .mtu = w->family == AF_INET ? 640 : 660);
	wire_accepted(w, "<mss 1460,sackOK,nop,nop>", window);
	wire_path(w, 0, mtu_of(w, 1460));
	wire_send(w, bytes, bytes);
	wire_out(w, ". 1:601(600) ack 1");
	wire_skip(w);
	wire_count(w, mtu_probes, 0);
	wire_end(w);
}

WIRE_TEST(too_little_data)
{
	none(w, 986 + 4 * 600 - 1, 60000);
}

WIRE_TEST(too_narrow_a_window)
{
	none(w, 10000, 986 + 4 * 600 - 1);
}

static void
always_by_ten(struct tcp_config *config)
{
	always(config);
	config->initial_cwnd = 10;
}

/* Ten segments: a loss would cost too much. */
WIRE_TEST(too_small_a_congestion_window)
{
	wire_start(w, .configure = always_by_ten, .mtu = w->family == AF_INET ? 640 : 660);
	wire_accepted(w, "<mss 1460,sackOK,nop,nop>", 60000);
	wire_path(w, 0, mtu_of(w, 1460));
	wire_send(w, 6000, 6000);
	expect(w, 1, 6001, 600);
	wire_in(w, "+10ms . 1:1(0) ack 6001 win 60000");
	wire_send(w, 6000, 6000); /* twenty now */
	wire_out(w, ". 6001:6987(986) ack 1");
	wire_skip(w);
	wire_end(w);
}

/* A search that is due waits for the window, and no longer than something is under way. */
WIRE_TEST(waits_for_room)
{
	wire_start(w, .configure = always, .mtu = w->family == AF_INET ? 640 : 660);
	wire_accepted(w, "<mss 1460,sackOK,nop,nop>", 6000);
	wire_set(w, IPPROTO_TCP, TCP_NODELAY, 1);
	wire_path(w, 0, mtu_of(w, 1460));
	wire_send(w, 3000, 3000);
	expect(w, 1, 3001, 600);
	wire_send(w, 5000, 5000);
	wire_idle(w); /* 3386 bytes do not fit behind 3000 */
	wire_in(w, "+10ms . 1:1(0) ack 3001 win 6000");
	wire_out(w, ". 3001:3987(986) ack 1");
	wire_skip(w);
	wire_in(w, "+10ms . 1:1(0) ack 8001 win 6000");
	wire_end(w);
}

/* While the peer reports holes, or we do to it, nothing is tried. */
WIRE_TEST(not_in_disorder)
{
	wire_start(w, .configure = always, .mtu = w->family == AF_INET ? 640 : 660);
	wire_accepted(w, "<mss 1460,sackOK,nop,nop>", 60000);
	wire_path(w, 0, mtu_of(w, 1460));
	wire_in(w, ". 11:21(10) ack 1 win 60000");
	wire_out(w, ". 1:1(0) ack 1 <nop,nop,sack 11:21>");
	wire_send(w, 6000, 6000);
	wire_out(w, ". 1:589(588) ack 1 <nop,nop,sack 11:21>");
	wire_skip(w);
	wire_count(w, mtu_probes, 0);
	wire_end(w);
}

/* ---- The search's ends */

/* It rests where it ended for ten minutes, then looks further: the path may have become wider. */
WIRE_TEST(looks_again_after_a_rest)
{
	struct peer p = {.widest = 1000, .next = 1};
	uint64_t probes;

	wire_start(w, .configure = always);
	wire_connected(w, "<mss 1460,sackOK,nop,nop>", 60000);
	for (unsigned int i = 0; i < 60; i++) {
		wire_send(w, 20000, 20000);
		peer_runs(w, &p);
	}
	WIRE_IN(w, wire_listing(w).mss, 992, 1000);
	probes = wire_stats(w).mtu_probes;
	p.widest = 1460;
	for (unsigned int i = 0; i < 10; i++) {
		wire_send(w, 20000, 20000);
		peer_runs(w, &p);
	}
	wire_count(w, mtu_probes, probes);
	wire_wait(w, SEC(600));
	for (unsigned int i = 0; i < 60; i++) {
		wire_send(w, 20000, 20000);
		peer_runs(w, &p);
	}
	WIRE_IN(w, wire_listing(w).mss, 1452, 1460);
	wire_end(w);
}

/* A router's word ends a probe: what it names is never tried again. */
WIRE_TEST(an_icmp_error_answers)
{
	wire_start(w, .configure = always);
	wire_connected(w, "<mss 1460,sackOK,nop,nop>", 60000);
	wire_send(w, 5000, 5000);
	wire_out(w, ". 1:987(986) ack 1");
	wire_skip(w);
	wire_icmp(w, TCP_ICMP_PACKET_TOO_BIG, 0, w->family == AF_INET ? 800 : 1280, 1);
	if (w->family == AF_INET) {
		wire_out(w, ". 1:513(512) ack 1");
		wire_out(w, ". 513:987(474) ack 1");
		WIRE_EQ(w, wire_listing(w).mss, 512);
	}
	wire_skip(w);
	wire_in(w, "+10ms . 1:1(0) ack 5001 win 60000");
	wire_count(w, mtu_probes_arrived, w->family == AF_INET ? 0 : 1);
	wire_end(w);
}

/* ---- Black holes */

/* Sends `bytes`, which nobody gets; returns the payload of the last retransmission in so long. */
static unsigned int
silence(struct wire *w, uint64_t for_us)
{
	unsigned int last = 0;
	struct note note;

	for (uint64_t t = 0; t < for_us; t += MS(50)) {
		wire_wait(w, MS(50));
		while (wire_next(w, &note))
			if (note.seq.value == 1)
				last = note.bytes.value;
	}
	return last;
}

WIRE_TEST(a_black_hole_is_noticed)
{
	wire_start(w, .configure = in_black_holes);
	wire_accepted(w, "<mss 1460,sackOK,nop,nop>", 60000);
	wire_send(w, 14600, 14600);
	WIRE_EQ(w, wire_skip(w), 10);
	wire_count(w, mtu_black_holes, 0);
	WIRE_EQ(w, silence(w, SEC(3)), 1460);
	wire_count(w, mtu_black_holes,
		   0); /* within three seconds of the first repetition: not yet */
	WIRE_EQ(w, silence(w, SEC(2)), 1024);
	wire_count(w, mtu_black_holes, 1);
	WIRE_EQ(w, wire_listing(w).mss, 1024);
	WIRE_EQ(w, silence(w, SEC(7)), 512);
	wire_count(w, mtu_black_holes, 2);
	WIRE_EQ(w, silence(w, SEC(30)), 128);
	wire_end(w);
}

/* It ends: what goes through is found from below. */
WIRE_TEST(a_black_hole_is_left_behind)
{
	struct peer p = {.widest = 1200, .next = 1};

	wire_start(w, .configure = in_black_holes);
	wire_accepted(w, "<mss 1460,sackOK,nop,nop>", 60000);
	wire_send(w, 14600, 14600);
	wire_skip(w);
	for (unsigned int i = 0; i < 2000 && p.next < 14601; i++)
		peer_runs(w, &p);
	WIRE_EQ(w, p.next, 14601);
	WIRE_IN(w, wire_listing(w).mss, 512, 1200);
	for (unsigned int i = 0; i < 100; i++) {
		wire_send(w, 20000, 20000);
		peer_runs(w, &p);
	}
	WIRE_IN(w, wire_listing(w).mss, 1192, 1200);
	wire_end(w);
}

/* Without the setting a silent peer is only silent. */
WIRE_TEST(off_by_default)
{
	wire_start(w);
	wire_accepted(w, "<mss 1460,sackOK,nop,nop>", 60000);
	wire_send(w, 14600, 14600);
	wire_skip(w);
	WIRE_EQ(w, silence(w, SEC(30)), 1460);
	wire_count(w, mtu_black_holes, 0);
	wire_end(w);
}

/* An MSS as small as a peer may name, and base_mss above it: sizes stay in order. */
WIRE_TEST(a_peer_with_a_tiny_mss)
{
	struct peer p = {.widest = 1460, .next = 1};

	wire_start(w, .configure = always);
	wire_accepted(w, "<mss 48,sackOK,nop,nop>", 60000);
	for (unsigned int i = 0; i < 5; i++) {
		wire_send(w, 5000, 5000);
		peer_runs(w, &p);
	}
	WIRE_EQ(w, p.next, 25001);
	WIRE_EQ(w, p.largest, 48);
	wire_count(w, mtu_probes, 0);
	wire_end(w);
}
