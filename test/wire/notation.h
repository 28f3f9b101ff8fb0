/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The one-line notation of packets in the wire tests.
 *
 *     [WHEN] [ECN] FLAGS FIRST:LAST(BYTES) [ack N] [win N] [urg N] [OPTIONS] [FAULTS]
 *
 *     +200ms . 1:1461(1460) ack 1 win 512 <nop,nop,TS val 7 ecr *>
 *
 * WHEN     "+200ms": that much later, exactly. "<=40ms": at some moment until then. us, ms, s.
 * ECN      of the IP header: [ect0] [ect1] [ce]; not written: not ECN-capable
 * FLAGS    S F R P . (ACK) U E W
 * numbers  sequence numbers relative to the sender's initial one; `*` is any
 * win      the header's field, not scaled
 * OPTIONS  <a,b> these in this order; {a,b} these in any order, with NOPs anywhere; <*> any.
 *          nop, eol, mss N, wscale N, sackOK, TS val N ecr N, sack A:B C:D …, raw HEX (bytes as
 *          they are), FO HEX (Fast Open's, with this cookie or none), FOEXP HEX (of kind 254)
 * FAULTS   for packets to the engine: "doff N" a wrong data offset, "cut N" only the first N bytes
 *          of the segment, "badsum" a wrong checksum
 *
 * As an expectation: what is not written about win and urg is any; P is compared only where it is
 * written or where the segment is empty; without OPTIONS there are none (but see wire_out()).
 */
#ifndef TERN_TEST_WIRE_NOTATION_H
#define TERN_TEST_WIRE_NOTATION_H

#include "packet.h"

enum note_form {
	NOTE_NONE, /* not written */
	NOTE_ANY,
	NOTE_IS,
};

struct note_num {
	enum note_form form;
	uint32_t value;
};

/* RFC 9293 §3.2 and RFC 7323, RFC 2018; NOTE_RAW is ours. */
enum note_kind {
	NOTE_EOL = 0,
	NOTE_NOP = 1,
	NOTE_MSS = 2,
	NOTE_WSCALE = 3,
	NOTE_SACK_OK = 4,
	NOTE_SACK = 5,
	NOTE_TS = 8,
	NOTE_RAW = 256,
};

struct note_option {
	enum note_kind kind;
	struct note_num a, b; /* the value; val and ecr; a block's ends */
	bool joined;          /* a SACK block of the same option as the one before */
	uint8_t raw[TCP_MAX_OPTION_BYTES];
	unsigned int raw_bytes;
};

enum note_options {
	NOTE_OPTIONS_NONE,
	NOTE_OPTIONS_ANY,
	NOTE_OPTIONS_ORDERED,
	NOTE_OPTIONS_SET,
};

struct note {
	uint64_t wait_us;
	bool within; /* "<=" rather than "+" */
	uint8_t ecn;
	uint8_t flags;
	struct note_num seq, bytes, ack, win, urg;
	enum note_options how;
	struct note_option options[TCP_MAX_OPTION_BYTES];
	unsigned int n_options;
	struct packet_faults faults;
};

/* What the relative numbers of one direction count from. */
struct note_base {
	uint32_t seq, ack, ts_val, ts_ecr;
};

/* Returns NULL, or what is wrong with the text. */
const char *note_parse(const char *text, struct note *note);

/* Writes the note as note_parse() reads it. */
void note_print(const struct note *note, char *text, size_t room);

/* A packet's note: every field a number. */
void note_of_packet(const struct packet *p, const struct note_base *base, struct note *note);

/* Fills in a packet's TCP fields, all but ports and payload. Returns NULL, or what is missing. */
const char *note_to_packet(const struct note *note, const struct note_base *base, struct packet *p);

/* Returns NULL if `got` is as `want` asks, or the name of what differs. */
const char *note_differs(const struct note *want, const struct note *got);

#endif
