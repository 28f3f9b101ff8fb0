/* SPDX-License-Identifier: BSD-3-Clause */
/* dataplane/service.c, service_io.c, echo.c, discard.c, chargen.c between two engines. */
#include <errno.h>
#include <sys/socket.h>

#include "service_pair.h"
#include "unit.h"

static struct service_pair b;
static uint8_t out[3 << 20], in[3 << 20];

static void
fill_out(void)
{
	for (size_t i = 0; i < sizeof(out); i++)
		out[i] = (uint8_t)(i * 13 + i / 257);
}

UNIT_CASE(echo_returns_everything_and_then_its_end)
{
	struct tcp_conn *c;
	size_t sent = 0, got = 0;
	ssize_t n;

	service_pair_start(&b);
	fill_out();
	c = service_pair_connect(&b, 7);
	for (unsigned int i = 0; i < 30000 && got < sizeof(in); i++) {
		if (sent < sizeof(out) && (n = tcp_send(c, out + sent, sizeof(out) - sent, 0)) > 0)
			sent += (size_t)n;
		if (sent == sizeof(out) && i % 2 == 0)
			tcp_shutdown(c, SHUT_WR);
		if ((n = tcp_recv(c, in + got, sizeof(in) - got, 0)) > 0)
			got += (size_t)n;
		service_pair_run(&b, 1);
	}
	UNIT_EQ(got, sizeof(in));
	CU_ASSERT(memcmp(in, out, sizeof(in)) == 0);
	service_pair_run(&b, 20);
	UNIT_EQ(tcp_recv(c, in, 1, 0), 0);
	UNIT_EQ(service_pair_stats(&b).bytes_in, sizeof(in));
	UNIT_EQ(service_pair_stats(&b).bytes_out, sizeof(in));
	UNIT_EQ(service_pair_stats(&b).closed, 1);
	tcp_close(c);
	CU_ASSERT(service_pair_end(&b));
}

/* A peer that sends without reading fills both queues, and no more; then all of it comes back. */
UNIT_CASE(echo_pushes_back)
{
	struct tcp_conn *c;
	size_t sent = 0, echoed;
	ssize_t n;

	service_pair_start(&b);
	fill_out();
	c = service_pair_connect(&b, 7);
	for (unsigned int i = 0; i < 3000; i++) {
		if (sent < sizeof(out) && (n = tcp_send(c, out + sent, sizeof(out) - sent, 0)) > 0)
			sent += (size_t)n;
		service_pair_run(&b, 1);
	}
	CU_ASSERT(sent < sizeof(out));
	echoed = service_pair_stats(&b).bytes_out;
	service_pair_run(&b, 1000);
	UNIT_EQ(service_pair_stats(&b).bytes_out, echoed);
	UNIT_EQ(service_pair_read(&b, c, in, sent, NULL), sent);
	CU_ASSERT(memcmp(in, out, sent) == 0);
	tcp_close(c);
	CU_ASSERT(service_pair_end(&b));
}

UNIT_CASE(discard_reads_to_the_end)
{
	struct tcp_conn *c;
	int end;

	service_pair_start(&b);
	c = service_pair_connect(&b, 9);
	service_pair_send(&b, c, out, sizeof(out));
	tcp_shutdown(c, SHUT_WR);
	UNIT_EQ(service_pair_read(&b, c, in, 1, &end), 0);
	UNIT_EQ(end, 1);
	UNIT_EQ(service_pair_stats(&b).bytes_in, sizeof(out));
	UNIT_EQ(service_pair_stats(&b).bytes_out, 0);
	tcp_close(c);
	CU_ASSERT(service_pair_end(&b));
}

/* RFC 864's lines, across the seams of the pattern, until we close. */
UNIT_CASE(chargen_sends_lines_until_closed)
{
	struct tcp_conn *c;
	size_t bad = 0;
	int end;

	service_pair_start(&b);
	c = service_pair_connect(&b, 19);
	service_pair_send(&b, c, "ignored", 7);
	UNIT_EQ(service_pair_read(&b, c, in, sizeof(in), NULL), sizeof(in));
	for (size_t i = 0; i < sizeof(in); i++) {
		size_t line = i / 74, column = i % 74;
		char expected = (char)(' ' + (line + column) % 95);

		if (column >= 72)
			expected = column == 72 ? '\r' : '\n';
		bad += in[i] != (uint8_t)expected;
	}
	UNIT_EQ(bad, 0);
	tcp_shutdown(c, SHUT_WR);
	do
		service_pair_read(&b, c, in, sizeof(in), &end);
	while (end == 0);
	UNIT_EQ(end, 1);
	UNIT_EQ(service_pair_stats(&b).closed, 1);
	tcp_close(c);
	CU_ASSERT(service_pair_end(&b));
}

/* Runs to just before the idle timeout, then past it. */
static void
check_idle(struct tcp_conn *c)
{
	uint64_t before = service_pair_stats(&b).closed_idle;

	service_pair_run(&b, SERVICE_PAIR_IDLE_S * 1000 - 100);
	UNIT_EQ(service_pair_stats(&b).closed_idle, before);
	CU_ASSERT(tcp_state(c) == TCP_ESTABLISHED);
	service_pair_run(&b, 700);
	UNIT_EQ(service_pair_stats(&b).closed_idle, before + 1);
}

UNIT_CASE(idle_connections_end_with_fin)
{
	struct tcp_conn *c, *busy;

	service_pair_start(&b);
	c = service_pair_connect(&b, 7);
	busy = service_pair_connect(&b, 7);
	service_pair_run(&b, 30000);
	service_pair_send(&b, c, "x", 1);
	UNIT_EQ(service_pair_read(&b, c, in, 1, NULL), 1);
	for (unsigned int i = 0; i < 55; i++) {
		service_pair_send(&b, busy, "x", 1);
		UNIT_EQ(service_pair_read(&b, busy, in, 1, NULL), 1);
		service_pair_run(&b, 990);
	}
	UNIT_EQ(service_pair_stats(&b).closed_idle, 0);
	service_pair_run(&b, 10000);
	UNIT_EQ(service_pair_stats(&b).closed_idle, 1);
	UNIT_EQ(tcp_recv(c, in, 1, 0), 0);
	CU_ASSERT(tcp_state(busy) == TCP_ESTABLISHED);
	tcp_close(c);
	tcp_close(busy);
	CU_ASSERT(service_pair_end(&b));
}

UNIT_CASE(http_is_idle_after_an_answer_and_within_a_request)
{
	static const char request[] = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
	struct tcp_conn *c;

	service_pair_start(&b);
	c = service_pair_connect(&b, 80);
	service_pair_send(&b, c, request, sizeof(request) - 1);
	check_idle(c);
	tcp_close(c);
	c = service_pair_connect(&b, 80);
	for (unsigned int i = 0; i < 10; i++) {
		service_pair_send(&b, c, request + i, 1);
		service_pair_run(&b, 5900);
	}
	service_pair_run(&b, 2000);
	UNIT_EQ(service_pair_stats(&b).closed_idle, 2);
	tcp_close(c);
	CU_ASSERT(service_pair_end(&b));
}

/* A peer that takes a long answer slowly is not idle; one that stops is reset. */
/* Its service does not notice, nor does its peer. */
UNIT_CASE(idle_ones_are_folded)
{
	struct tcp_usage usage;
	struct tcp_conn *c;
	char got[8];

	service_pair_fold_after_ms = 20;
	service_pair_start(&b);
	c = service_pair_connect(&b, 7);
	for (unsigned int i = 0; i < 3; i++) {
		service_pair_send(&b, c, "hello", 5);
		UNIT_EQ(service_pair_read(&b, c, got, 5, NULL), 5);
		CU_ASSERT(memcmp(got, "hello", 5) == 0);
		service_pair_run(&b, 500);
		tcp_usage(b.pair.side[1].engine, &usage);
		UNIT_EQ(usage.folded, 1);
	}
	tcp_close(c);
	tcp_flush(b.pair.side[0].engine);
	service_pair_run(&b, 100);
	tcp_usage(b.pair.side[1].engine, &usage);
	UNIT_EQ(usage.folded, 0);
	UNIT_EQ(service_pair_stats(&b).closed, 1);
	CU_ASSERT(service_pair_end(&b));
	service_pair_fold_after_ms = 0;
}

UNIT_CASE(a_slow_reader_is_not_idle)
{
	static const char request[] = "GET /bytes/4294967296 HTTP/1.1\r\nHost: a\r\n\r\n";
	struct tcp_conn *c;

	service_pair_start(&b);
	c = service_pair_connect(&b, 80);
	service_pair_send(&b, c, request, sizeof(request) - 1);
	for (unsigned int i = 0; i < 8; i++) {
		service_pair_run(&b, 20000);
		UNIT_EQ(service_pair_read(&b, c, in, 300000, NULL), 300000);
	}
	UNIT_EQ(service_pair_stats(&b).closed_idle, 0);
	service_pair_run(&b, 130000);
	UNIT_EQ(service_pair_stats(&b).closed_idle, 1);
	CU_ASSERT(tcp_state(c) == TCP_CLOSED);
	tcp_close(c);
	CU_ASSERT(service_pair_end(&b));
}

UNIT_CASE(a_reset_frees_the_slot)
{
	struct tcp_conn *c;

	service_pair_start(&b);
	for (unsigned int i = 0; i < 3 * SERVICE_PAIR_CONNS; i++) {
		c = service_pair_connect(&b, i % 2 == 0 ? 19 : 7);
		tcp_abort(c);
		service_pair_run(&b, 5);
	}
	UNIT_EQ(service_pair_stats(&b).accepted, 3 * SERVICE_PAIR_CONNS);
	UNIT_EQ(service_pair_stats(&b).closed_error, 3 * SERVICE_PAIR_CONNS);
	UNIT_EQ(service_pair_stats(&b).accept_no_slot, 0);
	CU_ASSERT(service_pair_end(&b));
}

UNIT_CASE(without_a_slot_a_connection_is_reset)
{
	struct tcp_conn *c[SERVICE_PAIR_CONNS + 1];

	service_pair_start(&b);
	for (unsigned int i = 0; i < RTE_DIM(c); i++)
		c[i] = service_pair_connect(&b, 7);
	UNIT_EQ(service_pair_stats(&b).accepted, SERVICE_PAIR_CONNS);
	UNIT_EQ(service_pair_stats(&b).accept_no_slot, 1);
	UNIT_EQ(tcp_recv(c[SERVICE_PAIR_CONNS], in, 1, 0), -ECONNRESET);
	tcp_close(c[0]);
	service_pair_run(&b, 10);
	tcp_close(c[SERVICE_PAIR_CONNS]);
	c[0] = service_pair_connect(&b, 7);
	service_pair_send(&b, c[0], "x", 1);
	UNIT_EQ(service_pair_read(&b, c[0], in, 1, NULL), 1);
	for (unsigned int i = 0; i < SERVICE_PAIR_CONNS; i++)
		tcp_close(c[i]);
	CU_ASSERT(service_pair_end(&b));
}

/* Connections of every kind are open, some in the middle of sending, when the set goes. */
UNIT_CASE(destruction_leaves_nothing)
{
	struct tcp_conn *c[4];

	service_pair_start(&b);
	for (unsigned int i = 0; i < 4; i++)
		c[i] = service_pair_connect(&b, (uint16_t[]){80, 7, 9, 19}[i]);
	service_pair_send(&b, c[0], "GET /bytes/100000000 HTTP/1.0\r\n\r\n", 33);
	service_pair_run(&b, 20);
	service_set_close(b.set);
	b.pair.side[1].notify = NULL;
	tcp_flush(b.pair.side[1].engine);
	pair_run_until(&b.pair, b.pair.now_us + 100000);
	UNIT_EQ(tcp_recv(c[1], in, 1, 0), 0);
	CU_ASSERT(tcp_state(c[0]) == TCP_CLOSED); /* reset: its answer is cut short */
	for (unsigned int i = 0; i < 4; i++)
		tcp_close(c[i]);
	CU_ASSERT(service_pair_end(&b));
}

/* Tries to open a set with a second service that listens at `at`; returns what it said. */
static const char *
refusal(const struct tcp_endpoint *at)
{
	static char text[512];
	FILE *errors = fmemopen(text, sizeof(text), "w");
	struct config config = b.config;
	struct service_set_config set = {.config = &config,
					 .engine = b.pair.side[0].engine,
					 .ref_pool = b.pair.pools.ref,
					 .socket_id = SOCKET_ID_ANY};

	config.services[1].listen[0] = *at;
	CU_ASSERT(service_set_create(&set, errors) == NULL);
	fclose(errors);
	return text;
}

UNIT_CASE(listeners_that_cannot_be_are_named)
{
	struct tcp_endpoint taken = {.port = 80};
	struct tcp_endpoint foreign = {ip_from4(be32(0x0a000009)), 7};

	service_pair_start(&b);
	CU_ASSERT_STRING_EQUAL(refusal(&taken),
			       "[service echo] listen: *:80: another service listens "
			       "there already\n");
	CU_ASSERT_STRING_EQUAL(refusal(&foreign),
			       "[service echo] listen: 10.0.0.9:7: no port has this address\n");
	CU_ASSERT(service_pair_end(&b));
}

UNIT_MAIN_EAL(UNIT_RUN(echo_returns_everything_and_then_its_end), UNIT_RUN(echo_pushes_back),
	      UNIT_RUN(discard_reads_to_the_end), UNIT_RUN(chargen_sends_lines_until_closed),
	      UNIT_RUN(idle_connections_end_with_fin),
	      UNIT_RUN(http_is_idle_after_an_answer_and_within_a_request),
	      UNIT_RUN(idle_ones_are_folded), UNIT_RUN(a_slow_reader_is_not_idle),
	      UNIT_RUN(a_reset_frees_the_slot), UNIT_RUN(without_a_slot_a_connection_is_reset),
	      UNIT_RUN(destruction_leaves_nothing), UNIT_RUN(listeners_that_cannot_be_are_named))
