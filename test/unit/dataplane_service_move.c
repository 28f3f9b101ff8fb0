/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * dataplane/service_move.c and http_answer.c: connections of services leave in the middle of what
 * they do and come back, as another ternd would have them; their clients notice nothing. And what
 * was saved of them, cut short and turned over in every bit, is refused or does no harm.
 */
#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "dataplane/http_answer.h"
#include "service_pair.h"
#include "unit.h"

enum { MOVES_MAX = 64 };

static struct service_pair b;
static uint8_t in[3 << 20], out[1 << 20];
static char why[TERN_SERVICE_WHY_BYTES];
static unsigned int answering; /* moves in the middle of an answer of http's */

/* A connection between two places: nothing of it is in the engine. */
struct parcel {
	struct tcp_checkpoint checkpoint;
	int service;
	uint8_t saved[SERVICE_SAVED_BYTES_MAX];
	size_t saved_bytes;
};

static struct tcp_engine *
engine(void)
{
	return b.pair.side[1].engine;
}

/* The first connection that services have. */
static struct tcp_conn *
served(void)
{
	struct tcp_conn *c;

	for (uint64_t cursor = 0; cursor != TCP_LIST_END;)
		if ((c = tcp_walk(engine(), &cursor)) != NULL)
			return c;
	return NULL;
}

static struct rte_mbuf *
copy_of(const struct rte_mbuf *m)
{
	static uint8_t bytes[8 << 20];
	size_t n = 0;

	for (; m != NULL; m = m->next) {
		memcpy(bytes + n, rte_pktmbuf_mtod(m, void *), m->data_len);
		n += m->data_len;
	}
	return n == 0 ? NULL : tcp_copy_bytes(engine(), bytes, n);
}

static void
freeze(struct tcp_conn *c)
{
	const int on = 1;

	tcp_set_privileged(c, true);
	UNIT_EQ(tcp_setsockopt(c, IPPROTO_TCP, 19, &on, sizeof(on)), 0);
	service_set_freeze(b.set, tcp_user(c));
}

/* Saves all of it and has it leave. */
static void
pack(struct parcel *p)
{
	struct tcp_conn *c = served();
	ssize_t n;

	freeze(c);
	p->service = service_set_owner(b.set, tcp_user(c));
	n = service_set_save(b.set, tcp_user(c), p->saved, why);
	CU_ASSERT_FATAL(n >= 0);
	p->saved_bytes = (size_t)n;
	UNIT_EQ(tcp_checkpoint(c, &p->checkpoint), 0);
	p->checkpoint.recvq = copy_of(p->checkpoint.recvq);
	p->checkpoint.sendq = copy_of(p->checkpoint.sendq);
	service_set_leave(b.set, tcp_user(c));
	CU_ASSERT(served() == NULL);
}

/* Returns what the service said. */
static int
unpack(struct parcel *p)
{
	struct tcp_conn *c;
	int status;

	UNIT_EQ(tcp_restore(engine(), &p->checkpoint, &c), 0);
	p->checkpoint.recvq = p->checkpoint.sendq = NULL;
	status = service_set_restore(b.set, (unsigned int)p->service, c, p->saved, p->saved_bytes,
				     why);
	if (status == 0)
		tcp_resume(c);
	else
		tcp_close_silently(c);
	return status;
}

static void
move(void)
{
	static struct parcel p;

	pack(&p);
	service_pair_run(&b, 3);
	UNIT_EQ(unpack(&p), 0);
	answering += p.saved_bytes > 40;
}

/* Reads all of an answer while its connection moves every so often. Returns how many bytes. */
static size_t
read_while_moving(struct tcp_conn *c, size_t bytes, unsigned int every_ms)
{
	size_t got = 0;
	ssize_t n;

	for (unsigned int ms = 0; got < bytes && ms < 60000; ms++) {
		while (got < bytes && (n = tcp_recv(c, in + got, bytes - got, 0)) > 0)
			got += (size_t)n;
		if (ms % every_ms == 0 && ms / every_ms < MOVES_MAX && got < bytes)
			move();
		service_pair_run(&b, 1);
	}
	return got;
}

static uint8_t
pattern_byte(uint64_t i)
{
	uint32_t j = (uint32_t)(i % 65521);

	return (uint8_t)(j ^ j >> 8);
}

static void
ask(struct tcp_conn *c, const char *request)
{
	service_pair_send(&b, c, request, strlen(request));
}

/* Where the body of what is in `in` begins. */
static size_t
body_at(size_t bytes)
{
	for (size_t i = 0; i + 4 <= bytes; i++)
		if (memcmp(in + i, "\r\n\r\n", 4) == 0)
			return i + 4;
	return 0;
}

/* A connection that takes so little at once that an answer does not fit into its send queue. */
static struct tcp_conn *
connect_slowly(uint16_t port)
{
	struct tcp_conn *c = service_pair_connect(&b, port);
	const int bytes = 8192;

	UNIT_EQ(tcp_setsockopt(served(), SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes)), 0);
	return c;
}

static void
finish(struct tcp_conn *c)
{
	tcp_close(c);
	service_pair_run(&b, 50);
	CU_ASSERT(service_pair_end(&b));
}

UNIT_CASE(http_goes_on_in_the_middle_of_a_stream)
{
	const size_t bytes = 2 << 20;
	struct tcp_conn *c;
	size_t head, bad = 0;

	service_pair_start(&b);
	c = service_pair_connect(&b, 80);
	ask(c, "GET /bytes/2097152 HTTP/1.1\r\nHost: a\r\n\r\n");
	head = service_pair_read(&b, c, in, 1000, NULL);
	head = body_at(head);
	memmove(in, in + head, 1000 - head);
	UNIT_EQ(read_while_moving(c, head, 100) + 1000 - head, 1000);
	/* `in` holds the rest of the first 1000 and then the start of what follows */
	UNIT_EQ(read_while_moving(c, bytes - 1000, 7), bytes - 1000);
	for (size_t i = 0; i < bytes - 1000; i++)
		bad += in[i] != pattern_byte(i + 1000);
	UNIT_EQ(bad, 0);
	CU_ASSERT(service_pair_stats(&b).left > 10);
	UNIT_EQ(service_pair_stats(&b).left, service_pair_stats(&b).came);
	/* The connection is as good as ever. */
	ask(c, "GET /empty.txt HTTP/1.1\r\nHost: a\r\n\r\n");
	CU_ASSERT(service_pair_read(&b, c, in, 17, NULL) == 17 &&
		  memcmp(in, "HTTP/1.1 200 OK\r\n", 17) == 0);
	finish(c);
}

UNIT_CASE(http_goes_on_in_the_middle_of_a_file)
{
	size_t got, head, bad = 0;
	struct tcp_conn *c;

	service_pair_start(&b);
	c = connect_slowly(80);
	ask(c, "GET /big.bin HTTP/1.0\r\n\r\n");
	service_pair_run(&b, 4);
	answering = 0;
	got = read_while_moving(c, SERVICE_PAIR_BIG * 3 / 4, 7);
	CU_ASSERT(answering > 1);
	got += service_pair_read(&b, c, in + got, sizeof(in) - got, NULL);
	head = body_at(got);
	UNIT_EQ(got - head, SERVICE_PAIR_BIG);
	for (size_t i = 0; i < SERVICE_PAIR_BIG; i++)
		bad += in[head + i] != service_pair_big_byte(i);
	UNIT_EQ(bad, 0);
	finish(c);
}

/* Every byte of a request may be the last one before the move. */
UNIT_CASE(http_goes_on_in_the_middle_of_a_request)
{
	static const char request[] = "GET /index.html HTTP/1.1\r\nHost: a\r\n\r\n";
	struct tcp_conn *c;
	size_t n;

	service_pair_start(&b);
	c = service_pair_connect(&b, 80);
	for (size_t i = 0; i + 1 < sizeof(request); i++) {
		service_pair_send(&b, c, request + i, 1);
		service_pair_run(&b, 3);
		move();
	}
	n = service_pair_read(&b, c, in, sizeof(in) - 1, NULL);
	in[n] = 0;
	CU_ASSERT_STRING_EQUAL((char *)in + body_at(n), "<p>hello\n");
	finish(c);
}

UNIT_CASE(chargen_goes_on_in_its_lines)
{
	const size_t bytes = 1 << 20;
	struct tcp_conn *c;
	size_t bad = 0;

	service_pair_start(&b);
	c = service_pair_connect(&b, 19);
	UNIT_EQ(read_while_moving(c, bytes, 9), bytes);
	for (size_t i = 0; i < bytes; i++) {
		size_t line = i / 74, column = i % 74;
		char expected = (char)(' ' + (line + column) % 95);

		if (column >= 72)
			expected = column == 72 ? '\r' : '\n';
		bad += in[i] != (uint8_t)expected;
	}
	UNIT_EQ(bad, 0);
	finish(c);
}

UNIT_CASE(echo_goes_on_with_what_it_had_not_sent)
{
	struct tcp_conn *c;
	size_t sent = 0, got = 0;
	ssize_t n;

	service_pair_start(&b);
	for (size_t i = 0; i < sizeof(out); i++)
		out[i] = (uint8_t)(i * 13 + i / 257);
	c = service_pair_connect(&b, 7);
	for (unsigned int i = 0; i < 30000 && got < sizeof(out); i++) {
		if (sent < sizeof(out) && (n = tcp_send(c, out + sent, sizeof(out) - sent, 0)) > 0)
			sent += (size_t)n;
		/* The client does not read for a while: both queues fill. */
		if (i > 200 && (n = tcp_recv(c, in + got, sizeof(out) - got, 0)) > 0)
			got += (size_t)n;
		if (i % 50 == 10 && got < sizeof(out))
			move();
		service_pair_run(&b, 1);
	}
	UNIT_EQ(got, sizeof(out));
	CU_ASSERT(memcmp(in, out, sizeof(out)) == 0);
	finish(c);
}

/* The FIN is here and was told: it is told again. */
UNIT_CASE(discard_goes_on_to_the_end)
{
	struct tcp_conn *c;
	int end;

	service_pair_start(&b);
	c = service_pair_connect(&b, 9);
	service_pair_send(&b, c, out, 100000);
	move();
	service_pair_send(&b, c, out, 100000);
	tcp_shutdown(c, SHUT_WR);
	UNIT_EQ(service_pair_read(&b, c, in, 1, &end), 0);
	UNIT_EQ(end, 1);
	UNIT_EQ(service_pair_stats(&b).bytes_in, 200000);
	finish(c);
}

/* A frozen one hears nothing and says nothing; then it goes on as if nothing had been. */
UNIT_CASE(a_frozen_connection_thaws)
{
	struct tcp_conn *c, *s;

	service_pair_start(&b);
	c = service_pair_connect(&b, 7);
	s = served();
	freeze(s);
	service_pair_send(&b, c, "frozen", 6);
	service_pair_run(&b, 50);
	UNIT_EQ(tcp_recv(c, in, 6, 0), -EAGAIN);
	tcp_resume(s);
	service_set_thaw(b.set, tcp_user(s));
	UNIT_EQ(service_pair_read(&b, c, in, 6, NULL), 6);
	CU_ASSERT(memcmp(in, "frozen", 6) == 0);
	/* Nor is it idle meanwhile. */
	freeze(s);
	service_pair_run(&b, SERVICE_PAIR_IDLE_S * 1000 + 2000);
	UNIT_EQ(service_pair_stats(&b).closed_idle, 0);
	tcp_resume(s);
	service_set_thaw(b.set, tcp_user(s));
	service_pair_send(&b, c, "again", 5);
	UNIT_EQ(service_pair_read(&b, c, in, 5, NULL), 5);
	finish(c);
}

/* Its service is done with it; it reads on to the end elsewhere. */
UNIT_CASE(a_lingering_connection_moves)
{
	struct tcp_conn *c;
	int end;

	service_pair_start(&b);
	c = service_pair_connect(&b, 80);
	ask(c, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\nx");
	CU_ASSERT(service_pair_read(&b, c, in, sizeof(in), &end) > 0);
	UNIT_EQ(end, 1);
	UNIT_EQ(service_pair_stats(&b).lingered, 1);
	move();
	service_pair_send(&b, c, out, 50000);
	service_pair_run(&b, 50);
	CU_ASSERT(tcp_state(c) == TCP_CLOSE_WAIT);
	tcp_shutdown(c, SHUT_WR);
	service_pair_run(&b, 50);
	UNIT_EQ(service_pair_stats(&b).closed, 1);
	finish(c);
}

/* ---- What comes from outside */

/* A parcel of http's in the middle of /big.bin, whose client stays open as *c. */
static void
pack_file(struct parcel *p, struct tcp_conn **c)
{
	service_pair_start(&b);
	*c = connect_slowly(80);
	ask(*c, "GET /big.bin HTTP/1.0\r\n\r\n");
	service_pair_run(&b, 5);
	pack(p);
	CU_ASSERT(p->saved_bytes > 40);
}

static int
refusal_of(const struct parcel *p, const uint8_t *saved, size_t bytes)
{
	struct tcp_checkpoint copy = p->checkpoint;
	struct tcp_conn *c;
	int status;

	copy.recvq = copy_of(p->checkpoint.recvq);
	copy.sendq = copy_of(p->checkpoint.sendq);
	UNIT_EQ(tcp_restore(engine(), &copy, &c), 0);
	status = service_set_restore(b.set, (unsigned int)p->service, c, saved, bytes, why);
	if (status == 0) {
		tcp_resume(c);
		service_pair_run(&b, 2); /* it does what it was told to */
		freeze(c);
		service_set_leave(b.set, tcp_user(c));
	} else {
		CU_ASSERT(why[0] != '\0');
		CU_ASSERT(tcp_user(c) == NULL);
		tcp_close_silently(c);
	}
	return status;
}

UNIT_CASE(damaged_state_is_refused_or_harmless)
{
	static struct parcel p;
	uint8_t saved[sizeof(p.saved)];
	unsigned int refused = 0;
	struct tcp_conn *c;

	pack_file(&p, &c);
	for (size_t bytes = 1; bytes < p.saved_bytes; bytes++)
		refused += bytes != 2 && refusal_of(&p, p.saved, bytes) < 0;
	UNIT_EQ(refused, p.saved_bytes - 2);
	for (size_t bit = 0; bit < 8 * p.saved_bytes; bit++) {
		memcpy(saved, p.saved, p.saved_bytes);
		saved[bit / 8] ^= (uint8_t)(1u << bit % 8);
		refusal_of(&p, saved, p.saved_bytes);
	}
	UNIT_EQ(refusal_of(&p, p.saved, p.saved_bytes), 0);
	rte_pktmbuf_free(p.checkpoint.sendq);
	rte_pktmbuf_free(p.checkpoint.recvq);
	tcp_abort(c);
	service_pair_run(&b, 50);
	CU_ASSERT(service_pair_end(&b));
}

UNIT_CASE(another_file_is_refused)
{
	struct http_answer a = {.status = 200, .head_done = true, .first = 10}, back;
	struct http_answer_date date = {0};
	uint8_t saved[HTTP_SAVED_BYTES_MAX];
	struct http_file *file = NULL;
	struct http_site site = {0};
	size_t n;

	service_pair_start(&b);
	UNIT_EQ(http_site_read(&site, b.root, why), 0);
	for (uint32_t i = 0; i <= site.mask; i++)
		if (site.buckets[i] != NULL && strcmp(site.buckets[i]->path, "/big.bin") == 0)
			file = site.buckets[i];
	CU_ASSERT_FATAL(file != NULL);
	a.file = file;
	a.length = SERVICE_PAIR_BIG - 10;
	a.total = SERVICE_PAIR_BIG;
	n = http_answer_save(&a, saved);
	UNIT_EQ(http_answer_restore(&back, &site, &date, saved, n, why), 0);
	CU_ASSERT(back.file == file && back.first == 10 && back.length == a.length &&
		  back.head_done);
	for (size_t bit = 0; bit < 8 * n; bit++) {
		saved[bit / 8] ^= (uint8_t)(1u << bit % 8);
		if (http_answer_restore(&back, &site, &date, saved, n, why) == 0)
			CU_ASSERT(back.first + back.length <= SERVICE_PAIR_BIG);
		saved[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	file->modified++;
	UNIT_EQ(http_answer_restore(&back, &site, &date, saved, n, why), -EINVAL);
	CU_ASSERT_STRING_EQUAL(why, "it is being sent a file that is another one here: /big.bin; "
				    "start ternd with the same root");
	file->modified--;
	a.total++;
	n = http_answer_save(&a, saved);
	UNIT_EQ(http_answer_restore(&back, &site, &date, saved, n, why), -EINVAL);
	a.total--;
	a.length++;
	n = http_answer_save(&a, saved);
	UNIT_EQ(http_answer_restore(&back, &site, &date, saved, n, why), -EINVAL);
	CU_ASSERT_STRING_EQUAL(why, "what is saved of its answer contradicts itself");
	http_site_free(&site);
	CU_ASSERT(service_pair_end(&b));
}

/* One that no service had: it begins with a new one. */
UNIT_CASE(a_connection_of_nobodys_is_as_accepted)
{
	static struct parcel p;
	struct tcp_conn *c;

	service_pair_start(&b);
	c = service_pair_connect(&b, 9);
	pack(&p);
	p.service = 3; /* chargen */
	p.saved_bytes = 0;
	UNIT_EQ(unpack(&p), 0);
	UNIT_EQ(service_pair_read(&b, c, in, 74, NULL), 74);
	CU_ASSERT(memcmp(in, " !\"#", 4) == 0);
	finish(c);
}

/* ---- Services that cannot */

static const struct tern_service_plugin stateful = {
	.abi = TERN_SERVICE_ABI,
	.bytes = sizeof(struct tern_service_plugin),
	.conn_bytes = 8,
	.readable = discard_all,
};

UNIT_CASE(state_that_cannot_be_saved_stays)
{
	struct tcp_conn *c, *s;
	uint8_t saved[SERVICE_SAVED_BYTES_MAX];

	service_pair_start_with(&b, service_plugin_of(&stateful));
	c = service_pair_connect(&b, SERVICE_PAIR_PORT);
	s = served();
	UNIT_EQ(service_set_save(b.set, tcp_user(s), saved, why), -EOPNOTSUPP);
	CU_ASSERT(strstr(why, "save and restored") != NULL);
	finish(c);
}

/* The first header's descriptor ended before `save`; its services stay as they were. */
UNIT_CASE(an_older_descriptor_loads_and_stays)
{
	static struct tern_service_plugin older;
	struct tcp_conn *c;

	older = stateful;
	older.conn_bytes = 0;
	older.bytes = offsetof(struct tern_service_plugin, save);
	memset((uint8_t *)&older + older.bytes, 0xff, sizeof(older) - older.bytes);
	service_pair_start_with(&b, service_plugin_of(&older));
	c = service_pair_connect(&b, SERVICE_PAIR_PORT);
	service_pair_send(&b, c, out, 1000);
	service_pair_run(&b, 5);
	UNIT_EQ(service_pair_stats(&b).bytes_in, 1000);
	UNIT_EQ(service_set_movable(b.set, 4, why), -EOPNOTSUPP);
	UNIT_EQ(service_set_movable(b.set, 1, why), 0);
	finish(c);
}

UNIT_CASE(a_listener_is_found_by_its_address)
{
	struct tcp_endpoint at;

	service_pair_start(&b);
	at = (struct tcp_endpoint){b.pair.side[1].ip, 19};
	UNIT_EQ(service_set_listens(b.set, &at), 3);
	at.port = 20;
	UNIT_EQ(service_set_listens(b.set, &at), -1);
	CU_ASSERT(service_pair_end(&b));
}

UNIT_MAIN_EAL(UNIT_RUN(http_goes_on_in_the_middle_of_a_stream),
	      UNIT_RUN(http_goes_on_in_the_middle_of_a_file),
	      UNIT_RUN(http_goes_on_in_the_middle_of_a_request),
	      UNIT_RUN(chargen_goes_on_in_its_lines),
	      UNIT_RUN(echo_goes_on_with_what_it_had_not_sent),
	      UNIT_RUN(discard_goes_on_to_the_end), UNIT_RUN(a_frozen_connection_thaws),
	      UNIT_RUN(a_lingering_connection_moves),
	      UNIT_RUN(damaged_state_is_refused_or_harmless), UNIT_RUN(another_file_is_refused),
	      UNIT_RUN(a_connection_of_nobodys_is_as_accepted),
	      UNIT_RUN(state_that_cannot_be_saved_stays),
	      UNIT_RUN(an_older_descriptor_loads_and_stays),
	      UNIT_RUN(a_listener_is_found_by_its_address))
