/* SPDX-License-Identifier: BSD-3-Clause */
/* The packets of a wire test: those it sends to the engine, and those it expects. */
#include <stdarg.h>
#include <stdlib.h>

#include "wire.h"

/* ---- To the engine */

static void
free_exact(void *buf, void *opaque)
{
	free(buf);
	free(opaque);
}

/* An mbuf around memory that ends where the bytes end. */
static struct rte_mbuf *
exact_mbuf(struct wire *w, const uint8_t *bytes, size_t n)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(wire_pool_bare());
	struct rte_mbuf_ext_shared_info *shared;
	uint8_t *memory = malloc(n == 0 ? 1 : n);

	shared = malloc(sizeof(*shared));
	if (m == NULL || memory == NULL || shared == NULL)
		wire_fail(w, "the test has no mbuf left");
	memcpy(memory, bytes, n);
	shared->free_cb = free_exact;
	shared->fcb_opaque = shared;
	rte_mbuf_ext_refcnt_set(shared, 1);
	rte_pktmbuf_attach_extbuf(m, memory, 0, (uint16_t)n, shared);
	m->data_off = 0;
	m->data_len = (uint16_t)n;
	m->pkt_len = (uint32_t)n;
	return m;
}

struct rte_mbuf *
wire_mbuf(struct wire *w, const uint8_t *bytes, size_t n)
{
	struct rte_mbuf *m;

	if (w->options.exact_bufs)
		return exact_mbuf(w, bytes, n);
	m = rte_pktmbuf_alloc(wire_pool_rx());
	if (m == NULL || rte_pktmbuf_tailroom(m) < n)
		wire_fail(w, "the test has no mbuf left");
	memcpy(rte_pktmbuf_append(m, (uint16_t)n), bytes, n);
	return m;
}

/* A received packet, in one mbuf or in several of options.split bytes. */
static struct rte_mbuf *
packet_mbuf(struct wire *w, const uint8_t *bytes, size_t n)
{
	size_t step = w->options.split != 0 ? w->options.split : n, at;
	struct rte_mbuf *head = NULL, *part;
	bool v4 = bytes[0] >> 4 == 4;

	for (at = 0; at < n; at += step) {
		part = wire_mbuf(w, bytes + at, n - at < step ? n - at : step);
		if (head == NULL)
			head = part;
		else if (rte_pktmbuf_chain(head, part) != 0)
			wire_fail(w, "too many segments");
	}
	head->l2_len = 0;
	head->l3_len = v4 ? 20 : 40;
	head->packet_type = v4 ? RTE_PTYPE_L3_IPV4_EXT_UNKNOWN : RTE_PTYPE_L3_IPV6_EXT_UNKNOWN;
	if (w->options.rx_cksum_good)
		head->ol_flags |= RTE_MBUF_F_RX_L4_CKSUM_GOOD;
	return head;
}

/* Options that the line leaves to us: timestamps where negotiated, and `ecr *`. */
static void
complete(struct wire *w, struct note *note)
{
	struct wire_flow *f = w->flow;
	uint32_t ms = (uint32_t)((w->now_us - w->start_us) / 1000);

	if (f->ts && note->how == NOTE_OPTIONS_NONE) {
		note->how = NOTE_OPTIONS_ORDERED;
		note->n_options = 3;
		note->options[0].kind = note->options[1].kind = NOTE_NOP;
		note->options[2].kind = NOTE_TS;
		note->options[2].a = (struct note_num){NOTE_IS, 1000 + ms};
		note->options[2].b.form = NOTE_ANY;
	}
	for (unsigned int i = 0; i < note->n_options; i++) {
		struct note_option *o = &note->options[i];

		if (o->kind != NOTE_TS)
			continue;
		if (o->a.form == NOTE_ANY)
			o->a = (struct note_num){NOTE_IS, 1000 + ms};
		if (o->b.form == NOTE_ANY)
			o->b = (struct note_num){NOTE_IS, f->ts_last - f->ts_base};
		f->peer_ts = f->peer_ts || (note->flags & TCP_SYN) != 0;
	}
	f->ts = f->we_ts && f->peer_ts;
}

static void
move_to(struct wire *w, const struct note *note)
{
	if (note->wait_us != 0)
		wire_run_to(w, w->now_us + note->wait_us);
}

static void
inject(struct wire *w, const uint8_t *bytes, size_t n)
{
	struct rte_mbuf *m = packet_mbuf(w, bytes, n);

	if (!w->holding) {
		wire_iterate(w, &m, 1);
		return;
	}
	if (w->n_held == WIRE_HELD)
		wire_fail(w, "a burst of more than %d packets", WIRE_HELD);
	w->held[w->n_held++] = m;
}

void
wire_in_(struct wire *w, const char *format, ...)
{
	static uint8_t bytes[PACKET_MAX_BYTES], payload[PACKET_MAX_BYTES];
	struct wire_flow *f = w->flow;
	struct note_base base = {f->peer_iss, f->iss, 0, f->ts_base};
	struct packet p = {0};
	const char *wrong;
	struct note note;
	char text[512];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	wrong = note_parse(text, &note);
	if (wrong != NULL)
		wire_fail(w, "\"%s\": %s", text, wrong);
	move_to(w, &note);
	complete(w, &note);
	note.wait_us = 0;
	p.src = f->remote.ip;
	p.dst = f->local.ip;
	p.sport = f->remote.port;
	p.dport = f->local.port;
	p.ttl = 64;
	p.payload = payload;
	wrong = note_to_packet(&note, &base, &p);
	if (wrong != NULL)
		wire_fail(w, "\"%s\": %s", text, wrong);
	for (size_t i = 0; i < p.payload_bytes; i++)
		payload[i] = wire_byte(false, note.seq.value - ((p.flags & TCP_SYN) == 0) + i);
	note_print(&note, text, sizeof(text));
	wire_log(w, "%2u< %s", (unsigned int)(f - w->flows), text);
	inject(w, bytes, packet_build(&p, &note.faults, bytes));
}

void
wire_hold(struct wire *w)
{
	w->holding = true;
}

void
wire_release_(struct wire *w)
{
	unsigned int n = w->n_held;

	w->holding = false;
	w->n_held = 0;
	wire_iterate(w, w->held, n);
}

void
wire_icmp_(struct wire *w, enum tcp_icmp_kind kind, int error, uint16_t mtu, uint32_t seq)
{
	struct tcp_icmp icmp = {
		.tuple = wire_tuple(w->flow),
		.seq = w->flow->iss + seq,
		.kind = kind,
		.error = error,
		.mtu = mtu,
	};

	wire_log(w, "   ICMP kind %d error %d mtu %u seq %u", (int)kind, error, mtu, seq);
	w->may_notify = true;
	w->calls++;
	tcp_icmp_input(w->engine, &icmp);
	w->may_notify = false;
	wire_iterate(w, NULL, 0);
}

/* ---- From the engine */

static struct wire_sent *
take(struct wire *w)
{
	return w->sent_head < w->sent_tail ? &w->sent[w->sent_head++] : NULL;
}

/* Lets time pass until the engine sends something, at most for wait_us. */
static void
await(struct wire *w, uint64_t wait_us)
{
	uint64_t end_us = w->now_us + wait_us, next;

	while (w->sent_head == w->sent_tail && w->now_us < end_us) {
		next = tcp_next_timer(w->engine);
		wire_run_to(w, next > end_us ? end_us : next > w->now_us ? next : w->now_us + 1);
	}
}

static void
default_options(const struct wire *w, struct note *want)
{
	if (want->how != NOTE_OPTIONS_NONE || !w->flow->ts)
		return;
	if ((want->flags & TCP_RST) != 0) {
		want->how = NOTE_OPTIONS_ANY;
		return;
	}
	want->how = NOTE_OPTIONS_ORDERED;
	want->n_options = 3;
	want->options[0].kind = want->options[1].kind = NOTE_NOP;
	want->options[2].kind = NOTE_TS;
	want->options[2].a.form = want->options[2].b.form = NOTE_ANY;
}

void
wire_out_(struct wire *w, const char *format, ...)
{
	const struct wire_sent *sent;
	char text[512], got[512];
	const char *wrong;
	struct note want;
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	wrong = note_parse(text, &want);
	if (wrong != NULL)
		wire_fail(w, "\"%s\": %s", text, wrong);
	if (want.within)
		await(w, want.wait_us);
	else
		move_to(w, &want);
	default_options(w, &want);
	want.wait_us = 0;
	want.within = false;
	note_print(&want, text, sizeof(text));
	sent = take(w);
	if (sent == NULL)
		wire_fail(w, "nothing was sent\n     expected: %s", text);
	note_print(&sent->note, got, sizeof(got));
	if (sent->flow != w->flow)
		wire_fail(w, "wrong connection\n     expected: %s\n     sent    : %s", text, got);
	wrong = note_differs(&want, &sent->note);
	if (wrong == NULL && sent->at_us != w->now_us)
		wrong = "time";
	if (wrong != NULL)
		wire_fail(w, "%s\n     expected: %12lluus %s\n     sent    : %12lluus %s", wrong,
			  (unsigned long long)(w->now_us - w->start_us), text,
			  (unsigned long long)(sent->at_us - w->start_us), got);
}

bool
wire_next_(struct wire *w, struct note *note)
{
	const struct wire_sent *sent = take(w);

	if (sent == NULL)
		return false;
	if (sent->flow != w->flow)
		wire_fail(w, "a packet of another connection");
	*note = sent->note;
	return true;
}

void
wire_acked_(struct wire *w, uint32_t ack)
{
	uint64_t end_us = w->now_us + MS(40);
	const struct wire_sent *sent;
	uint32_t last = 0;

	while (last != ack) {
		await(w, end_us - w->now_us);
		sent = take(w);
		if (sent == NULL)
			wire_fail(w, "no acknowledgment of %u within 40 ms", ack);
		if (sent->note.bytes.value != 0 || sent->note.flags != TCP_ACK)
			wire_fail(w, "more than an acknowledgment");
		last = sent->note.ack.value;
	}
	wire_idle_(w);
}

void
wire_idle_(struct wire *w)
{
	const struct wire_sent *sent = take(w);
	char got[512];

	if (sent == NULL || w->closing)
		return;
	note_print(&sent->note, got, sizeof(got));
	wire_fail(w, "not expected\n     sent    : %12lluus %s",
		  (unsigned long long)(sent->at_us - w->start_us), got);
}

void
wire_idle_for_(struct wire *w, uint64_t us)
{
	wire_run_to(w, w->now_us + us);
	wire_idle_(w);
}

unsigned int
wire_skip(struct wire *w)
{
	unsigned int n = (unsigned int)(w->sent_tail - w->sent_head);

	w->sent_head = w->sent_tail;
	return n;
}
