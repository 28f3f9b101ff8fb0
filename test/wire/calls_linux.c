/* SPDX-License-Identifier: BSD-3-Clause */
/* What a program sees of a connection's life is what Linux shows: calls_table.h on the engine. */
#include <stdlib.h>

#include "calls_table.h"
#include "steps.h"
#include "wire.h"

enum { OPT_TCP_NOTSENT_LOWAT = 25 };

/* The peer's view: what it has sent, and what it has of ours. */
struct stage {
	struct wire *w;
	struct tcp_conn *c, *listener;
	uint32_t seq, ack;
	bool open; /* the peer has a connection */
};

/* Whatever the engine sends is acknowledged at once. */
static void
serve_peer(struct stage *s)
{
	uint32_t before = s->ack;
	struct note n;

	tcp_flush(s->w->engine);
	while (wire_next(s->w, &n)) {
		uint32_t end = n.seq.value + n.bytes.value + ((n.flags & 1) != 0);

		if (s->open && (int32_t)(end - s->ack) > 0)
			s->ack = end;
	}
	if (s->ack != before)
		wire_in(s->w, ". %u:%u(0) ack %u win 65535", s->seq, s->seq, s->ack);
	wire_skip(s->w);
}

static void
peer_sends(struct stage *s, const char *flags, uint32_t bytes, const char *more)
{
	wire_in(s->w, "%s %u:%u(%u) ack %u win 65535%s", flags, s->seq, s->seq + bytes, bytes,
		s->ack, more);
	s->seq += bytes + (flags[0] == 'F');
	wire_skip(s->w);
}

static long
do_connect(struct stage *s)
{
	long status = tcp_connect(s->c, &s->w->flow->remote);

	if (status == -EINPROGRESS)
		tcp_getsockname(s->c, &s->w->flow->local);
	tcp_flush(s->w->engine);
	wire_skip(s->w);
	return status;
}

static void
start_connect(struct stage *s)
{
	struct note n;

	WIRE_EQ(s->w, tcp_connect(s->c, &s->w->flow->remote), -EINPROGRESS);
	tcp_getsockname(s->c, &s->w->flow->local);
	tcp_flush(s->w->engine);
	WIRE_EQ(s->w, wire_next(s->w, &n), true);
}

static void
begin_listening(struct stage *s)
{
	struct tcp_endpoint local = {.port = WIRE_LOCAL_PORT};

	WIRE_EQ(s->w, tcp_bind(s->c, &local), 0);
	WIRE_EQ(s->w, tcp_listen(s->c, 1), 0);
}

static void
peer_connects(struct stage *s)
{
	wire_in(s->w, "S 0:0(0) win 65535 <mss 1460>");
	wire_skip(s->w);
	wire_in(s->w, ". 1:1(0) ack 1 win 65535");
	wire_skip(s->w);
	s->open = true;
}

static long
do_accept(struct stage *s)
{
	struct tcp_conn *child;
	int status = tcp_accept(s->c, &child);

	if (status < 0)
		return status;
	s->listener = s->c;
	s->c = child;
	return 0;
}

static long
do_recv(struct stage *s, const struct step *step)
{
	static const struct {
		const char *name;
		int flags;
	} flags[] = {
		{"", 0},
		{"peek", MSG_PEEK},
		{"trunc", MSG_TRUNC},
		{"peektrunc", MSG_PEEK | MSG_TRUNC},
		{"waitall", MSG_WAITALL},
		{"oob", MSG_OOB},
		{"dontwait", MSG_DONTWAIT},
		{"errq", MSG_ERRQUEUE},
	};
	char buf[256];

	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
		if (strcmp(step->second, flags[i].name) == 0)
			return tcp_recv(s->c, flags[i].flags & MSG_TRUNC ? NULL : buf,
					(size_t)atoi(step->first), flags[i].flags);
	wire_fail(s->w, "no flag %s", step->second);
}

static long
set(struct stage *s, int level, int name, int v)
{
	return tcp_setsockopt(s->c, level, name, &v, sizeof(v));
}

static long
get_error(struct stage *s)
{
	size_t len = sizeof(int);
	int v = 0;

	tcp_getsockopt(s->c, SOL_SOCKET, SO_ERROR, &v, &len);
	return -v;
}

static const char *
do_poll(struct stage *s)
{
	static const struct {
		short bit;
		char letter;
	} bits[] = {{POLLIN, 'I'},  {POLLOUT, 'O'}, {POLLPRI, 'P'},
		    {POLLERR, 'E'}, {POLLHUP, 'H'}, {POLLRDHUP, 'R'}};
	short events = tcp_poll(s->c);
	static char text[8];
	int n = 0;

	for (size_t i = 0; i < sizeof(bits) / sizeof(bits[0]); i++)
		if (events & bits[i].bit)
			text[n++] = bits[i].letter;
	text[n] = 0;
	return text;
}

static bool
stage_step(struct stage *s, const struct step *step)
{
	if (strcmp(step->name, "connecting") == 0) {
		start_connect(s);
	} else if (strcmp(step->name, "refused") == 0) {
		start_connect(s);
		wire_in(s->w, "R. 0:0(0) ack 1");
	} else if (strcmp(step->name, "open") == 0) {
		start_connect(s);
		wire_in(s->w, "S. 0:0(0) ack 1 win 65535 <mss 1460>");
		wire_skip(s->w);
		s->open = true;
	} else if (strcmp(step->name, "listening") == 0) {
		begin_listening(s);
	} else if (strcmp(step->name, "peer") == 0) {
		peer_connects(s);
	} else if (strcmp(step->name, "fin") == 0) {
		peer_sends(s, "F.", 0, "");
	} else if (strcmp(step->name, "rst") == 0) {
		wire_in(s->w, "R %u:%u(0)", s->seq, s->seq);
		s->open = false;
	} else if (strcmp(step->name, "data") == 0) {
		peer_sends(s, "P.", (uint32_t)atoi(step->first), "");
	} else if (strcmp(step->name, "oob") == 0) {
		peer_sends(s, "PU.", 1, " urg 1");
	} else {
		return strcmp(step->name, "new") == 0;
	}
	return true;
}

static long
do_send(struct stage *s, size_t bytes)
{
	char buf[256];
	long n;

	for (size_t i = 0; i < bytes; i++)
		buf[i] = (char)wire_byte(true, s->w->flow->queued + i);
	n = tcp_send(s->c, buf, bytes, 0);
	if (n > 0)
		s->w->flow->queued += (uint64_t)n;
	return n;
}

static long
call_step(struct stage *s, const struct step *step)
{
	struct tcp_endpoint e;

	if (strcmp(step->name, "recv") == 0)
		return do_recv(s, step);
	if (strcmp(step->name, "send") == 0)
		return do_send(s, (size_t)atoi(step->first));
	if (strcmp(step->name, "rd") == 0)
		return tcp_shutdown(s->c, SHUT_RD);
	if (strcmp(step->name, "wr") == 0)
		return tcp_shutdown(s->c, SHUT_WR);
	if (strcmp(step->name, "rdwr") == 0)
		return tcp_shutdown(s->c, SHUT_RDWR);
	if (strcmp(step->name, "lowat") == 0)
		return set(s, SOL_SOCKET, SO_RCVLOWAT, atoi(step->first));
	if (strcmp(step->name, "notsent") == 0)
		return set(s, IPPROTO_TCP, OPT_TCP_NOTSENT_LOWAT, atoi(step->first));
	if (strcmp(step->name, "inline") == 0)
		return set(s, SOL_SOCKET, SO_OOBINLINE, 1);
	if (strcmp(step->name, "error") == 0)
		return get_error(s);
	if (strcmp(step->name, "connect") == 0)
		return do_connect(s);
	if (strcmp(step->name, "accept") == 0)
		return do_accept(s);
	if (strcmp(step->name, "listen") == 0)
		return tcp_listen(s->c, 1);
	if (strcmp(step->name, "peername") == 0)
		return tcp_getpeername(s->c, &e);
	wire_fail(s->w, "no step %s", step->name);
}

/* Returns how many answers were wrong. */
static unsigned int
run_row(struct wire *w, const char *row)
{
	struct stage s = {.w = w, .seq = 1, .ack = 1};
	unsigned int wrong = 0;
	const char *at = row;
	struct step step;

	WIRE_EQ(w, tcp_open(w->engine, w->family, &s.c), 0);
	while (step_read(&at, &step)) {
		const char *got = "";

		if (strcmp(step.name, "poll") == 0)
			got = do_poll(&s);
		else if (!stage_step(&s, &step))
			got = step_answer(call_step(&s, &step));
		if (strcmp(got, step.answer) != 0) {
			fprintf(stderr, "%s\n      %s:%s answers \"%s\"\n", row, step.name,
				step.first, got);
			wrong++;
		}
		serve_peer(&s);
	}
	tcp_abort(s.c);
	if (s.listener != NULL)
		tcp_abort(s.listener);
	tcp_flush(w->engine);
	wire_skip(w);
	return wrong;
}

WIRE_TEST(every_row_as_linux)
{
	unsigned int wrong = 0;

	wire_start(w);
	for (unsigned int i = 0; i < sizeof(call_rows) / sizeof(call_rows[0]); i++) {
		wire_flow(w, i);
		wrong += run_row(w, call_rows[i]);
	}
	WIRE_EQ(w, wrong, 0);
	wire_end(w);
}

/* SO_PEEK_OFF: looks go on where the last one ended, and reading takes the offset back. */
WIRE_TEST(peek_offset)
{
	const int peek_off = 42;
	char buf[32];

	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	wire_set(w, SOL_SOCKET, peek_off, 2);
	wire_in(w, "P. 1:11(10) ack 1");
	wire_skip(w);
	WIRE_EQ(w, tcp_recv(w->flow->c, buf, 5, MSG_PEEK), 5);
	for (int i = 0; i < 5; i++)
		WIRE_EQ(w, (uint8_t)buf[i], wire_byte(false, (uint64_t)i + 2));
	wire_get(w, SOL_SOCKET, peek_off, 7);
	WIRE_EQ(w, tcp_recv(w->flow->c, buf, 9, MSG_PEEK), 3);
	WIRE_EQ(w, tcp_recv(w->flow->c, buf, 9, MSG_PEEK), -EAGAIN);
	wire_recv(w, 4, 4);
	wire_get(w, SOL_SOCKET, peek_off, 6);
	wire_recv(w, 6, 6);
	wire_get(w, SOL_SOCKET, peek_off, 0);
	wire_end(w);
}
