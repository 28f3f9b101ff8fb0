/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A connection as bytes, and the reverse: every bit of it comes back, whatever it holds. How few
 * bytes it takes depends on how well it is foreseen: by a template, another connection of its kind,
 * and by what its numbers count from. So a field that is added, moved or forgotten here costs
 * bytes, and never harms.
 *
 * Both connection and template are first made independent of where their sequence numbers and
 * clocks stand (relate()): sequence numbers count from snd_una or rcv_nxt, times from progress_us.
 * Then they are subtracted, word by word. What is left is mostly zero. Each word that is not
 * follows a control byte:
 *
 *     | length - 1 (2 bits) | zero words before it (6 bits) |  1 to 4 bytes, lowest first
 *
 * 63 zero words are a control byte alone: 63. The end is a control byte of 62 with length 1 and
 * value 0, which no word has.
 */
#include <stddef.h>
#include <string.h>

#include <sys/queue.h>

#include "conn.h"
#include "fold.h"

enum {
	WORDS = sizeof(struct tcp_conn) / sizeof(uint32_t),
	GAP_MAX = 62,
	GAP_ONLY = 63,
	BASES = 6, /* words in front of a connection's: what its fields count from */
};

static_assert(sizeof(struct tcp_conn) % sizeof(uint64_t) == 0, "whole words");
static_assert((WORDS + BASES) * 5 + WORDS / GAP_ONLY + 8 <= FOLD_BYTES_MAX, "it always fits");

/* What a field counts from. */
enum relation {
	FROM_SND_UNA, /* 32 bits, as the next three */
	FROM_RCV_NXT,
	FROM_MS,   /* progress_us in milliseconds; 0 stands for itself */
	FROM_ECHO, /* the same on the connection's timestamp clock, likewise */
	FROM_US,   /* 64 bits: progress_us; 0 stands for itself */
	WIDE,      /* 64 bits, as a whole */
};

struct field {
	uint16_t at;
	uint8_t relation;
};

#define FIELD(relation, name)                                                                      \
	{                                                                                          \
		offsetof(struct tcp_conn, name), relation                                          \
	}

static const struct field fields[] = {
	FIELD(FROM_SND_UNA, snd_nxt),
	FIELD(FROM_SND_UNA, rtt_seq),
	FIELD(FROM_SND_UNA, rack.end_seq),
	FIELD(FROM_SND_UNA, rack.fack),
	FIELD(FROM_SND_UNA, rack.dsack_round),
	FIELD(FROM_SND_UNA, tlp_end_seq),
	FIELD(FROM_SND_UNA, cubic.round_end),
	FIELD(FROM_SND_UNA, cwnd_use.until),
	FIELD(FROM_SND_UNA, recover),
	FIELD(FROM_SND_UNA, iss),
	FIELD(FROM_SND_UNA, snd_sml),
	FIELD(FROM_SND_UNA, pushed_seq),
	FIELD(FROM_RCV_NXT, rcv_adv),
	FIELD(FROM_RCV_NXT, rcv_wup),
	FIELD(FROM_RCV_NXT, snd_wl1),
	FIELD(FROM_RCV_NXT, irs),
	FIELD(FROM_RCV_NXT, autotune.window_end),
	FIELD(FROM_RCV_NXT, autotune.space_seq),
	FIELD(FROM_MS, last_data_sent_ms),
	FIELD(FROM_MS, last_data_recv_ms),
	FIELD(FROM_MS, heard_ms),
	FIELD(FROM_MS, oow_ack_ms),
	FIELD(FROM_MS, cubic.looked_ms),
	FIELD(FROM_MS, cubic.epoch_ms),
	FIELD(FROM_MS, min_rtts[0].at_ms),
	FIELD(FROM_MS, min_rtts[1].at_ms),
	FIELD(FROM_MS, min_rtts[2].at_ms),
	FIELD(FROM_ECHO, autotune.last_echo),
	FIELD(FROM_US, rack.xmit_us),
	FIELD(FROM_US, rate.first_sent_us),
	FIELD(FROM_US, rate.delivered_us),
	FIELD(FROM_US, cubic.round_us),
	FIELD(FROM_US, cubic.train_us),
	FIELD(FROM_US, cwnd_use.since_us),
	FIELD(FROM_US, delack.last_data_us),
	FIELD(FROM_US, autotune.window_at_us),
	FIELD(FROM_US, autotune.space_at_us),
	FIELD(FROM_US, chrono.since_us),
	FIELD(FROM_US, rtx_since_us),
	FIELD(WIDE, user),
	FIELD(WIDE, hold),
};

enum { FIELDS = sizeof(fields) / sizeof(fields[0]) };

/* What fields count from, of one connection. */
struct bases {
	uint32_t snd_una, rcv_nxt, ms, echo;
	uint64_t us;
};

static_assert(sizeof(struct bases) == BASES * sizeof(uint32_t), "without holes");

static struct bases
bases_of(const struct tcp_conn *c)
{
	/* One less, so that a time that is progress_us is 1: what is equal to its base is a number
	 * of 32 or 64 bits, so that 0 can stand for itself. */
	uint64_t us = c->progress_us - 1;

	return (struct bases){
		.snd_una = c->snd_una,
		.rcv_nxt = c->rcv_nxt,
		.us = us,
		.ms = (uint32_t)(us / 1000) - 1,
		.echo = (uint32_t)(us / 1000) - 1 + c->ts_offset,
	};
}

static uint32_t
base32(const struct bases *b, enum relation relation)
{
	return relation == FROM_SND_UNA   ? b->snd_una
	       : relation == FROM_RCV_NXT ? b->rcv_nxt
	       : relation == FROM_MS      ? b->ms
					  : b->echo;
}

/* v - base, but 0 stays 0, and what would become 0 is what 0 would have become. */
static uint32_t
from32(uint32_t v, uint32_t base)
{
	return v == 0 ? 0 : v == base ? 0 - base : v - base;
}

static uint32_t
to32(uint32_t v, uint32_t base)
{
	return v == 0 ? 0 : v == 0 - base ? base : v + base;
}

static uint64_t
from64(uint64_t v, uint64_t base)
{
	return v == 0 ? 0 : v == base ? 0 - base : v - base;
}

static uint64_t
to64(uint64_t v, uint64_t base)
{
	return v == 0 ? 0 : v == 0 - base ? base : v + base;
}

static uint32_t
get32(const uint32_t *words, size_t at)
{
	uint32_t v;

	memcpy(&v, (const uint8_t *)words + at, sizeof(v));
	return v;
}

static void
put32(uint32_t *words, size_t at, uint32_t v)
{
	memcpy((uint8_t *)words + at, &v, sizeof(v));
}

static uint64_t
get64(const uint32_t *words, size_t at)
{
	uint64_t v;

	memcpy(&v, (const uint8_t *)words + at, sizeof(v));
	return v;
}

static void
put64(uint32_t *words, size_t at, uint64_t v)
{
	memcpy((uint8_t *)words + at, &v, sizeof(v));
}

/* Fields that count from something do from 0; and back. */
static void
relate(uint32_t *words, const struct bases *b)
{
	for (unsigned int i = 0; i < FIELDS; i++) {
		size_t at = fields[i].at;
		enum relation relation = (enum relation)fields[i].relation;

		if (relation <= FROM_RCV_NXT)
			put32(words, at, get32(words, at) - base32(b, relation));
		else if (relation <= FROM_ECHO)
			put32(words, at, from32(get32(words, at), base32(b, relation)));
		else if (relation == FROM_US)
			put64(words, at, from64(get64(words, at), b->us));
	}
}

static void
unrelate(uint32_t *words, const struct bases *b)
{
	for (unsigned int i = 0; i < FIELDS; i++) {
		size_t at = fields[i].at;
		enum relation relation = (enum relation)fields[i].relation;

		if (relation <= FROM_RCV_NXT)
			put32(words, at, get32(words, at) + base32(b, relation));
		else if (relation <= FROM_ECHO)
			put32(words, at, to32(get32(words, at), base32(b, relation)));
		else if (relation == FROM_US)
			put64(words, at, to64(get64(words, at), b->us));
	}
}

/* Small numbers of either sign as small numbers. */
static uint32_t
zigzag32(uint32_t v)
{
	return v << 1 ^ (0 - (v >> 31));
}

static uint32_t
unzigzag32(uint32_t v)
{
	return v >> 1 ^ (0 - (v & 1));
}

static uint64_t
zigzag64(uint64_t v)
{
	return v << 1 ^ (0 - (v >> 63));
}

static uint64_t
unzigzag64(uint64_t v)
{
	return v >> 1 ^ (0 - (v & 1));
}

/* Of two connections as words, what is to be written; and back, in place. */
static void
subtract(uint32_t *words, const uint32_t *from)
{
	uint64_t wide[FIELDS];

	for (unsigned int i = 0; i < FIELDS; i++)
		wide[i] =
			fields[i].relation < FROM_US
				? 0
				: zigzag64(get64(words, fields[i].at) - get64(from, fields[i].at));
	for (unsigned int i = 0; i < WORDS; i++)
		words[i] = zigzag32(words[i] - from[i]);
	for (unsigned int i = 0; i < FIELDS; i++)
		if (fields[i].relation >= FROM_US)
			put64(words, fields[i].at, wide[i]);
}

static void
add(uint32_t *words, const uint32_t *from)
{
	uint64_t wide[FIELDS];

	for (unsigned int i = 0; i < FIELDS; i++)
		wide[i] = fields[i].relation < FROM_US ? 0
						       : unzigzag64(get64(words, fields[i].at)) +
								 get64(from, fields[i].at);
	for (unsigned int i = 0; i < WORDS; i++)
		words[i] = unzigzag32(words[i]) + from[i];
	for (unsigned int i = 0; i < FIELDS; i++)
		if (fields[i].relation >= FROM_US)
			put64(words, fields[i].at, wide[i]);
}

static uint8_t *
write_words(uint8_t *to, const uint32_t *words, unsigned int n)
{
	unsigned int gap = 0;

	for (unsigned int i = 0; i < n; i++) {
		uint32_t v = words[i];
		unsigned int length;

		if (v == 0) {
			gap++;
			continue;
		}
		for (; gap > GAP_MAX; gap -= GAP_ONLY)
			*to++ = GAP_ONLY;
		length = (unsigned int)(39 - __builtin_clz(v)) / 8;
		*to++ = (uint8_t)((length - 1) << 6 | gap);
		gap = 0;
		for (unsigned int k = 0; k < length; k++, v >>= 8)
			*to++ = (uint8_t)v;
	}
	*to++ = GAP_MAX;
	*to++ = 0;
	return to;
}

/* The words were zero. */
static const uint8_t *
read_words(const uint8_t *from, uint32_t *words)
{
	for (unsigned int i = 0;; i++) {
		unsigned int control = *from++, gap = control & GAP_ONLY, length = control / 64 + 1;
		uint32_t v = 0;

		i += gap;
		if (control == GAP_ONLY) {
			i--;
			continue;
		}
		for (unsigned int k = 0; k < length; k++)
			v |= (uint32_t)*from++ << 8 * k;
		if (v == 0)
			return from;
		words[i] = v;
	}
}

/* As words without what says where it lies: the empty lists' heads point into it. */
static void
take_words(uint32_t words[WORDS], const struct tcp_conn *c)
{
	struct bases b = bases_of(c);
	static const uint16_t heads[] = {offsetof(struct tcp_conn, sent),
					 offsetof(struct tcp_conn, news),
					 offsetof(struct tcp_conn, ranges)};

	memcpy(words, c, sizeof(*c));
	for (unsigned int i = 0; i < sizeof(heads) / sizeof(heads[0]); i++)
		memset((uint8_t *)words + heads[i], 0, sizeof(c->sent));
	/* Without records there is nothing to be found. */
	memset((uint8_t *)words + offsetof(struct tcp_conn, sent_index), 0, sizeof(c->sent_index));
	memset((uint8_t *)words + offsetof(struct tcp_conn, progress_us), 0,
	       sizeof(c->progress_us));
	put32(words, offsetof(struct tcp_conn, snd_una), 0);
	put32(words, offsetof(struct tcp_conn, rcv_nxt), 0);
	relate(words, &b);
}

size_t
tcp_fold_template_bytes(void)
{
	return sizeof(struct bases) + WORDS * sizeof(uint32_t);
}

void
tcp_fold_template_make(uint32_t *words, const struct tcp_conn *c)
{
	struct bases b = bases_of(c);

	memcpy(words, &b, sizeof(b));
	take_words(words + BASES, c);
}

size_t
tcp_fold_encode(const struct tcp_conn *c, const uint32_t *words, uint8_t *to)
{
	uint32_t lead[BASES] = {c->snd_una, c->rcv_nxt}, own[WORDS];
	struct bases of_template;
	uint8_t *end;

	memcpy(&of_template, words, sizeof(of_template));
	put64(lead, 2 * sizeof(uint32_t), zigzag64(c->progress_us - of_template.us));
	take_words(own, c);
	subtract(own, words + BASES);
	end = write_words(to, lead, 4);
	return (size_t)(write_words(end, own, WORDS) - to);
}

void
tcp_fold_decode(struct tcp_conn *c, const uint32_t *words, const uint8_t *from)
{
	uint32_t lead[BASES] = {0}, own[WORDS] = {0};
	struct bases of_template, b;

	memcpy(&of_template, words, sizeof(of_template));
	from = read_words(from, lead);
	read_words(from, own);
	add(own, words + BASES);
	memcpy(c, own, sizeof(*c));
	c->snd_una = lead[0];
	c->rcv_nxt = lead[1];
	c->progress_us = unzigzag64(get64(lead, 2 * sizeof(uint32_t))) + of_template.us;
	b = bases_of(c); /* ts_offset is no field that counts from something */
	memcpy(own, c, sizeof(*c));
	unrelate(own, &b);
	memcpy(c, own, sizeof(*c));
	TAILQ_INIT(&c->sent);
	TAILQ_INIT(&c->news);
	TAILQ_INIT(&c->ranges);
}
