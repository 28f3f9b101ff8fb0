/* SPDX-License-Identifier: BSD-3-Clause */
/* The notation of packets: parsing, printing, comparing. notation.h has the grammar. */
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "notation.h"

static const char flag_letters[] = "FSRP.UEW"; /* by bit, from bit 0 */

static const char *
skip_blanks(const char *s)
{
	while (isspace((unsigned char)*s))
		s++;
	return s;
}

/* Skips a word and the blanks after it, if it stands at *s. */
static bool
take(const char **s, const char *word)
{
	size_t n = strlen(word);

	if (strncmp(*s, word, n) != 0)
		return false;
	if (isalpha((unsigned char)word[n - 1]) && isalnum((unsigned char)(*s)[n]))
		return false;
	*s = skip_blanks(*s + n);
	return true;
}

static bool
take_num(const char **s, struct note_num *num)
{
	char *end;

	if (take(s, "*")) {
		num->form = NOTE_ANY;
		return true;
	}
	if (!isdigit((unsigned char)**s) && **s != '-')
		return false;
	num->value = (uint32_t)strtoll(*s, &end, 0);
	num->form = NOTE_IS;
	*s = skip_blanks(end);
	return true;
}

static const char *
parse_when(const char **s, struct note *note)
{
	double amount;
	char *end;

	if (**s != '+' && strncmp(*s, "<=", 2) != 0)
		return NULL;
	note->within = **s == '<';
	*s += note->within ? 2 : 1;
	amount = strtod(*s, &end);
	*s = end;
	if (take(s, "us"))
		;
	else if (take(s, "ms"))
		amount *= 1e3;
	else if (take(s, "s"))
		amount *= 1e6;
	else
		return "a time needs us, ms or s";
	note->wait_us = (uint64_t)(amount + 0.5);
	return NULL;
}

static const char *const ecn_words[] = {"", "[ect1] ", "[ect0] ", "[ce] "};

static void
parse_ecn(const char **s, struct note *note)
{
	for (unsigned int i = 1; i < 4; i++)
		if (take(s, ecn_words[i]))
			note->ecn = (uint8_t)i;
}

static const char *
parse_flags(const char **s, struct note *note)
{
	const char *start = *s, *at;

	for (; **s != '\0' && !isspace((unsigned char)**s); (*s)++) {
		at = strchr(flag_letters, **s);
		if (at == NULL)
			return "flags are of S F R P . U E W";
		note->flags |= (uint8_t)(1 << (at - flag_letters));
	}
	if (*s == start)
		return "no flags";
	/* "-" cannot be a flag; a segment without any is written "0". */
	*s = skip_blanks(*s);
	return NULL;
}

static const char *
parse_range(const char **s, struct note *note)
{
	struct note_num last;

	if (!take_num(s, &note->seq) || !take(s, ":") || !take_num(s, &last) || !take(s, "(") ||
	    !take_num(s, &note->bytes) || !take(s, ")"))
		return "a range is FIRST:LAST(BYTES)";
	if (note->seq.form == NOTE_IS && last.form == NOTE_IS && note->bytes.form == NOTE_IS &&
	    last.value - note->seq.value != note->bytes.value)
		return "LAST - FIRST is not BYTES";
	return NULL;
}

static const char *
parse_raw(const char **s, struct note_option *o)
{
	unsigned int byte;

	o->kind = NOTE_RAW;
	while (isxdigit((unsigned char)**s)) {
		if (sscanf(*s, "%2x", &byte) != 1 || !isxdigit((unsigned char)(*s)[1]) ||
		    o->raw_bytes == sizeof(o->raw))
			return "raw is up to 40 bytes of two hexadecimal digits";
		o->raw[o->raw_bytes++] = (uint8_t)byte;
		*s = skip_blanks(*s + 2);
	}
	return NULL;
}

/* Fast Open's option, of kind 34 or 254, with its cookie: RFC 7413 §4.1.1, RFC 6994. */
static const char *
parse_cookie(const char **s, struct note_option *o, bool experimental)
{
	static const uint8_t exp[] = {254, 4, 0xf9, 0x89}, plain[] = {34, 2};
	struct note_option cookie = {0};
	const char *wrong = parse_raw(s, &cookie);
	unsigned int head = experimental ? sizeof(exp) : sizeof(plain);

	if (wrong != NULL || head + cookie.raw_bytes > sizeof(o->raw))
		return "a cookie is hexadecimal digits";
	o->kind = NOTE_RAW;
	memcpy(o->raw, experimental ? exp : plain, head);
	memcpy(o->raw + head, cookie.raw, cookie.raw_bytes);
	o->raw_bytes = head + cookie.raw_bytes;
	o->raw[1] = (uint8_t)o->raw_bytes;
	return NULL;
}

static const char *
parse_block(const char **s, struct note_option *o)
{
	o->kind = NOTE_SACK;
	if (!take_num(s, &o->a) || !take(s, ":") || !take_num(s, &o->b))
		return "a block is FIRST:LAST";
	return NULL;
}

static const char *
parse_option(const char **s, struct note_option *o)
{
	bool good = true;

	if (take(s, "nop"))
		o->kind = NOTE_NOP;
	else if (take(s, "eol"))
		o->kind = NOTE_EOL;
	else if (take(s, "sackOK"))
		o->kind = NOTE_SACK_OK;
	else if (take(s, "mss"))
		o->kind = NOTE_MSS, good = take_num(s, &o->a);
	else if (take(s, "wscale"))
		o->kind = NOTE_WSCALE, good = take_num(s, &o->a);
	else if (take(s, "TS"))
		o->kind = NOTE_TS,
		good = take(s, "val") && take_num(s, &o->a) && take(s, "ecr") && take_num(s, &o->b);
	else if (take(s, "sack"))
		return parse_block(s, o);
	else if (take(s, "raw"))
		return parse_raw(s, o);
	else if (take(s, "FOEXP"))
		return parse_cookie(s, o, true);
	else if (take(s, "FO"))
		return parse_cookie(s, o, false);
	else
		return "unknown option";
	return good ? NULL : "an option's value";
}

/* Of the same option, after its first. */
static const char *
parse_more_blocks(const char **s, struct note *note)
{
	const char *wrong = NULL;

	while (wrong == NULL && (isdigit((unsigned char)**s) || **s == '-' || **s == '*')) {
		if (note->n_options == TCP_MAX_OPTION_BYTES)
			return "too many options";
		note->options[note->n_options].joined = true;
		wrong = parse_block(s, &note->options[note->n_options++]);
	}
	return wrong;
}

static const char *
parse_options(const char **s, struct note *note, const char *close)
{
	const char *wrong;

	note->how = *close == '>' ? NOTE_OPTIONS_ORDERED : NOTE_OPTIONS_SET;
	if (take(s, "*")) {
		note->how = NOTE_OPTIONS_ANY;
		return take(s, close) ? NULL : "options do not end";
	}
	if (take(s, close))
		return NULL;
	do {
		if (note->n_options == TCP_MAX_OPTION_BYTES)
			return "too many options";
		wrong = parse_option(s, &note->options[note->n_options++]);
		if (wrong == NULL && note->options[note->n_options - 1].kind == NOTE_SACK)
			wrong = parse_more_blocks(s, note);
		if (wrong != NULL)
			return wrong;
	} while (take(s, ","));
	return take(s, close) ? NULL : "options do not end";
}

static bool
take_fault(const char **s, struct packet_faults *f)
{
	struct note_num n = {0};

	if (take(s, "badsum"))
		return f->bad_sum = true;
	if (take(s, "doff") && take_num(s, &n)) {
		f->data_off = (uint8_t)n.value;
		return f->has_data_off = true;
	}
	if (take(s, "cut") && take_num(s, &n)) {
		f->cut = n.value;
		return f->has_cut = true;
	}
	return false;
}

const char *
note_parse(const char *text, struct note *note)
{
	const char *s = skip_blanks(text), *wrong;

	memset(note, 0, sizeof(*note));
	if ((wrong = parse_when(&s, note)) != NULL)
		return wrong;
	s = skip_blanks(s);
	parse_ecn(&s, note);
	if (!take(&s, "0 ") && (wrong = parse_flags(&s, note)) != NULL)
		return wrong;
	if ((wrong = parse_range(&s, note)) != NULL)
		return wrong;
	if (take(&s, "ack") && !take_num(&s, &note->ack))
		return "ack needs a number";
	if (((note->flags & TCP_ACK) != 0) != (note->ack.form != NOTE_NONE))
		return "flag . and an ack go together";
	if (take(&s, "win") && !take_num(&s, &note->win))
		return "win needs a number";
	if (take(&s, "urg") && !take_num(&s, &note->urg))
		return "urg needs a number";
	if (take(&s, "<"))
		wrong = parse_options(&s, note, ">");
	else if (take(&s, "{"))
		wrong = parse_options(&s, note, "}");
	if (wrong != NULL)
		return wrong;
	while (take_fault(&s, &note->faults))
		;
	return *s == '\0' ? NULL : "something is left at the end";
}

/* ---- Printing */

struct printer {
	char *text;
	size_t room, used;
};

static void __attribute__((format(printf, 2, 3))) put(struct printer *p, const char *format, ...)
{
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(p->text + p->used, p->room - p->used, format, args);
	va_end(args);
	if (n > 0)
		p->used += (size_t)n < p->room - p->used ? (size_t)n : p->room - p->used - 1;
}

static void
put_num(struct printer *p, const char *before, const struct note_num *n, const char *after)
{
	if (n->form == NOTE_ANY)
		put(p, "%s*%s", before, after);
	else if (n->form == NOTE_IS && n->value > UINT32_MAX - 1000000)
		put(p, "%s%d%s", before, (int32_t)n->value, after); /* just below the base */
	else if (n->form == NOTE_IS)
		put(p, "%s%u%s", before, n->value, after);
}

static void
put_option(struct printer *p, const struct note_option *o)
{
	switch (o->kind) {
	case NOTE_EOL:
		put(p, "eol");
		break;
	case NOTE_NOP:
		put(p, "nop");
		break;
	case NOTE_SACK_OK:
		put(p, "sackOK");
		break;
	case NOTE_MSS:
		put_num(p, "mss ", &o->a, "");
		break;
	case NOTE_WSCALE:
		put_num(p, "wscale ", &o->a, "");
		break;
	case NOTE_TS:
		put_num(p, "TS val ", &o->a, "");
		put_num(p, " ecr ", &o->b, "");
		break;
	case NOTE_SACK:
		put_num(p, o->joined ? "" : "sack ", &o->a, "");
		put_num(p, ":", &o->b, "");
		break;
	case NOTE_RAW:
		put(p, "raw ");
		for (unsigned int i = 0; i < o->raw_bytes; i++)
			put(p, "%02x", o->raw[i]);
		break;
	}
}

static void
put_options(struct printer *p, const struct note *note)
{
	bool set = note->how == NOTE_OPTIONS_SET;

	if (note->how == NOTE_OPTIONS_NONE)
		return;
	put(p, set ? " {" : " <");
	if (note->how == NOTE_OPTIONS_ANY)
		put(p, "*");
	for (unsigned int i = 0; i < note->n_options; i++) {
		put(p, i == 0 ? "" : note->options[i].joined ? " " : ",");
		put_option(p, &note->options[i]);
	}
	put(p, set ? "}" : ">");
}

void
note_print(const struct note *note, char *text, size_t room)
{
	static const char order[] = "SFRPUEW.";
	struct note_num last = note->seq;
	struct printer p = {text, room, 0};

	text[0] = '\0';
	if (note->wait_us != 0 || note->within)
		put(&p, "%s%lluus ", note->within ? "<=" : "+", (unsigned long long)note->wait_us);
	put(&p, "%s", ecn_words[note->ecn]);
	for (const char *f = order; *f != '\0'; f++)
		if ((note->flags & 1 << (strchr(flag_letters, *f) - flag_letters)) != 0)
			put(&p, "%c", *f);
	put(&p, note->flags == 0 ? "0" : "");
	if (note->bytes.form == NOTE_ANY)
		last.form = NOTE_ANY;
	last.value += note->bytes.value;
	put_num(&p, " ", &note->seq, "");
	put_num(&p, ":", &last, "");
	put_num(&p, "(", &note->bytes, ")");
	put_num(&p, " ack ", &note->ack, "");
	put_num(&p, " win ", &note->win, "");
	put_num(&p, " urg ", &note->urg, "");
	put_options(&p, note);
	if (note->faults.has_data_off)
		put(&p, " doff %u", note->faults.data_off);
	if (note->faults.has_cut)
		put(&p, " cut %zu", note->faults.cut);
	if (note->faults.bad_sum)
		put(&p, " badsum");
}

/* ---- Packets */

static struct note_num
is(uint32_t value)
{
	return (struct note_num){NOTE_IS, value};
}

static uint32_t
load(const uint8_t *b, unsigned int n)
{
	uint32_t v = 0;

	while (n-- > 0)
		v = v << 8 | *b++;
	return v;
}

/* One option at b, len bytes of it; SACK blocks become one note_option each. */
static void
add_option(struct note *note, const uint8_t *b, unsigned int len, const struct note_base *base)
{
	struct note_option *o = &note->options[note->n_options++];

	o->kind = (enum note_kind)b[0];
	if (b[0] <= NOTE_NOP || (b[0] == NOTE_SACK_OK && len == 2))
		return;
	if (b[0] == NOTE_MSS && len == 4) {
		o->a = is(load(b + 2, 2));
	} else if (b[0] == NOTE_WSCALE && len == 3) {
		o->a = is(b[2]);
	} else if (b[0] == NOTE_TS && len == 10) {
		o->a = is(load(b + 2, 4) - base->ts_val);
		o->b = is(load(b + 6, 4) - base->ts_ecr);
	} else if (b[0] == NOTE_SACK && len >= 10 && (len - 2) % 8 == 0) {
		for (unsigned int at = 2; at < len; at += 8) {
			if (at > 2)
				o = &note->options[note->n_options++];
			o->joined = at > 2;
			o->kind = NOTE_SACK;
			o->a = is(load(b + at, 4) - base->ack);
			o->b = is(load(b + at + 4, 4) - base->ack);
		}
	} else {
		o->kind = NOTE_RAW;
		o->raw_bytes = len;
		memcpy(o->raw, b, len);
	}
}

void
note_of_packet(const struct packet *p, const struct note_base *base, struct note *note)
{
	memset(note, 0, sizeof(*note));
	note->ecn = p->ecn;
	note->flags = p->flags;
	note->seq = is(p->seq - base->seq);
	note->bytes = is((uint32_t)p->payload_bytes);
	if ((p->flags & TCP_ACK) != 0)
		note->ack = is(p->ack - base->ack);
	note->win = is(p->win);
	if ((p->flags & TCP_URG) != 0 || p->urg != 0)
		note->urg = is(p->urg);
	for (unsigned int at = 0; at < p->option_bytes;) {
		const uint8_t *b = p->options + at;
		unsigned int left = p->option_bytes - at, len = 1;

		if (b[0] > NOTE_NOP)
			len = left < 2 || b[1] < 2 || b[1] > left ? left : b[1];
		add_option(note, b, len, base);
		at += len;
	}
	note->how = note->n_options != 0 ? NOTE_OPTIONS_ORDERED : NOTE_OPTIONS_NONE;
}

static void
store(struct packet *p, uint32_t v, unsigned int n)
{
	while (n-- > 0)
		p->options[p->option_bytes++] = (uint8_t)(v >> (8 * n));
}

static const char *
write_option(const struct note_option *o, const struct note_base *base, struct packet *p)
{
	static const uint8_t lengths[] = {
		[NOTE_EOL] = 1,   [NOTE_NOP] = 1,     [NOTE_MSS] = 4, [NOTE_WSCALE] = 3,
		[NOTE_SACK] = 10, [NOTE_SACK_OK] = 2, [NOTE_TS] = 10};
	unsigned int len = o->kind == NOTE_RAW ? o->raw_bytes : lengths[o->kind];

	if (o->a.form == NOTE_ANY || o->b.form == NOTE_ANY)
		return "an option's value is not told";
	if (p->option_bytes + len - (o->joined ? 2 : 0) > sizeof(p->options))
		return "more than 40 bytes of options";
	if (o->kind == NOTE_RAW) {
		memcpy(p->options + p->option_bytes, o->raw, len);
		p->option_bytes += len;
		return NULL;
	}
	if (o->joined) {
		len -= 2;
		p->options[p->sack_at + 1] = (uint8_t)(p->options[p->sack_at + 1] + len);
	} else {
		p->sack_at = p->option_bytes;
		store(p, o->kind, 1);
	}
	if (len > 1 && !o->joined)
		store(p, len, 1);
	if (o->kind == NOTE_TS) {
		store(p, o->a.value + base->ts_val, 4);
		store(p, o->b.value + base->ts_ecr, 4);
	} else if (o->kind == NOTE_SACK) {
		store(p, o->a.value + base->ack, 4);
		store(p, o->b.value + base->ack, 4);
	} else if (len > 2) {
		store(p, o->a.value, len - 2);
	}
	return NULL;
}

const char *
note_to_packet(const struct note *note, const struct note_base *base, struct packet *p)
{
	const char *wrong = NULL;

	if (note->seq.form != NOTE_IS || note->bytes.form != NOTE_IS ||
	    note->ack.form == NOTE_ANY || note->win.form == NOTE_ANY ||
	    note->urg.form == NOTE_ANY || note->how == NOTE_OPTIONS_ANY)
		return "a packet to send has no `*`";
	p->ecn = note->ecn;
	p->flags = note->flags;
	p->seq = note->seq.value + base->seq;
	p->payload_bytes = note->bytes.value;
	p->ack = note->ack.form == NOTE_IS ? note->ack.value + base->ack : 0;
	p->win = note->win.form == NOTE_IS ? (uint16_t)note->win.value : 65535;
	p->urg = (uint16_t)note->urg.value;
	p->option_bytes = 0;
	for (unsigned int i = 0; i < note->n_options && wrong == NULL; i++)
		wrong = write_option(&note->options[i], base, p);
	return wrong;
}

static bool
num_differs(const struct note_num *want, const struct note_num *got)
{
	return want->form == NOTE_IS && (got->form != NOTE_IS || want->value != got->value);
}

static bool
option_differs(const struct note_option *want, const struct note_option *got)
{
	return want->kind != got->kind || want->joined != got->joined ||
	       num_differs(&want->a, &got->a) || num_differs(&want->b, &got->b) ||
	       want->raw_bytes != got->raw_bytes ||
	       memcmp(want->raw, got->raw, want->raw_bytes) != 0;
}

static bool
set_differs(const struct note *want, const struct note *got)
{
	bool met[TCP_MAX_OPTION_BYTES] = {false};
	unsigned int i, j;

	for (i = 0; i < got->n_options; i++)
		met[i] = got->options[i].kind <= NOTE_NOP;
	for (i = 0; i < want->n_options; i++) {
		for (j = 0; j < got->n_options; j++)
			if (!met[j] && !option_differs(&want->options[i], &got->options[j]))
				break;
		if (j == got->n_options)
			return true;
		met[j] = true;
	}
	for (j = 0; j < got->n_options; j++)
		if (!met[j])
			return true;
	return false;
}

static bool
options_differ(const struct note *want, const struct note *got)
{
	if (want->how == NOTE_OPTIONS_ANY)
		return false;
	if (want->how == NOTE_OPTIONS_SET)
		return set_differs(want, got);
	if (want->n_options != got->n_options)
		return true;
	for (unsigned int i = 0; i < want->n_options; i++)
		if (option_differs(&want->options[i], &got->options[i]))
			return true;
	return false;
}

const char *
note_differs(const struct note *want, const struct note *got)
{
	bool any_push = (want->flags & TCP_PSH) == 0 && got->bytes.value != 0;
	uint8_t compared = any_push ? (uint8_t)~TCP_PSH : 0xff;

	if (want->ecn != got->ecn)
		return "ECN";
	if (((want->flags ^ got->flags) & compared) != 0)
		return "flags";
	if (num_differs(&want->seq, &got->seq))
		return "sequence number";
	if (num_differs(&want->bytes, &got->bytes))
		return "payload length";
	if (num_differs(&want->ack, &got->ack))
		return "acknowledgment number";
	if (num_differs(&want->win, &got->win))
		return "window";
	if (num_differs(&want->urg, &got->urg))
		return "urgent pointer";
	return options_differ(want, got) ? "options" : NULL;
}
