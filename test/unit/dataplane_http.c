/* SPDX-License-Identifier: BSD-3-Clause */
/* dataplane/http.c: whole conversations between two engines. */
#include <errno.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "service_pair.h"
#include "unit.h"

static struct service_pair b;
static char answer[1 << 20]; /* the last one read, with a 0 behind it */
static size_t answer_bytes;
static int answer_end;

/* Byte i of the stream behind /bytes/N. */
static uint8_t
pattern_byte(uint64_t i)
{
	uint32_t j = (uint32_t)(i % 65521);

	return (uint8_t)(j ^ j >> 8);
}

static void
start(void)
{
	service_pair_start(&b);
}

static void
end(void)
{
	CU_ASSERT(service_pair_end(&b));
}

/* Reads everything that comes until the stream ends or nothing more comes. */
static void
read_answer(struct tcp_conn *c)
{
	answer_bytes = service_pair_read(&b, c, answer, sizeof(answer) - 1, &answer_end);
	answer[answer_bytes] = 0;
}

static void
say(struct tcp_conn *c, const char *text)
{
	service_pair_send(&b, c, text, strlen(text));
}

/* Sends a request on a connection of its own and reads what comes. */
static void
ask_bytes(const char *request, size_t bytes)
{
	struct tcp_conn *c = service_pair_connect(&b, 80);

	service_pair_send(&b, c, request, bytes);
	read_answer(c);
	tcp_close(c);
	service_pair_run(&b, 20);
}

static void
ask(const char *request)
{
	ask_bytes(request, strlen(request));
}

static bool
starts(const char *with)
{
	bool ok = strncmp(answer, with, strlen(with)) == 0;

	if (!ok)
		printf("\n  answered: %.200s", answer);
	return ok;
}

static bool
has(const char *field)
{
	bool ok = strstr(answer, field) != NULL;

	if (!ok)
		printf("\n  no %s in: %.300s", field, answer);
	return ok;
}

static const char *
body(void)
{
	const char *empty = strstr(answer, "\r\n\r\n");

	return empty == NULL ? "" : empty + 4;
}

static size_t
body_bytes(void)
{
	return answer_bytes - (size_t)(body() - answer);
}

UNIT_CASE(files_are_served)
{
	start();
	ask("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
	CU_ASSERT(starts("HTTP/1.1 200 OK\r\nServer: Tern\r\nDate: "));
	CU_ASSERT(has("\r\nContent-Length: 9\r\n") && has("\r\nConnection: close\r\n"));
	CU_ASSERT(has("\r\nContent-Type: text/html; charset=utf-8\r\n"));
	CU_ASSERT(has("\r\nLast-Modified: "));
	CU_ASSERT_STRING_EQUAL(body(), "<p>hello\n");
	UNIT_EQ(answer_end, 1);
	ask("GET /big.bin HTTP/1.0\r\n\r\n");
	CU_ASSERT(starts("HTTP/1.1 200 OK\r\n") && has("\r\nContent-Length: 200000\r\n"));
	UNIT_EQ(body_bytes(), SERVICE_PAIR_BIG);
	for (size_t i = 0, bad = 0; i < SERVICE_PAIR_BIG && bad == 0; i++)
		if ((uint8_t)body()[i] != service_pair_big_byte(i)) {
			UNIT_EQ(i, -1);
			bad = 1;
		}
	UNIT_EQ(answer_end, 1);
	ask("GET /empty.txt HTTP/1.0\r\n\r\n");
	CU_ASSERT(has("\r\nContent-Length: 0\r\n") && has("text/plain"));
	UNIT_EQ(body_bytes(), 0);
	ask("GET http://host:80/a%20b/?query HTTP/1.0\r\n\r\n");
	CU_ASSERT_STRING_EQUAL(body(), "<p>below\n");
	ask("GET /a%20b HTTP/1.0\r\n\r\n");
	CU_ASSERT(starts("HTTP/1.1 301 ") && has("\r\nLocation: /a%20b/\r\n"));
	UNIT_EQ(service_pair_own(&b, 0, "200"), 4);
	UNIT_EQ(service_pair_own(&b, 0, "301"), 1);
	UNIT_EQ(service_pair_own(&b, 0, "requests"), 5);
	end();
}

UNIT_CASE(head_has_no_body)
{
	start();
	ask("HEAD /big.bin HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
	CU_ASSERT(starts("HTTP/1.1 200 OK\r\n") && has("\r\nContent-Length: 200000\r\n"));
	UNIT_EQ(body_bytes(), 0);
	ask("HEAD /bytes/4294967296 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
	CU_ASSERT(starts("HTTP/1.1 200 OK\r\n") && has("\r\nContent-Length: 4294967296\r\n"));
	UNIT_EQ(body_bytes(), 0);
	ask("HEAD /none HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
	CU_ASSERT(starts("HTTP/1.1 404 "));
	UNIT_EQ(body_bytes(), 0);
	end();
}

UNIT_CASE(refusals_have_their_status)
{
	static const struct {
		const char *request;
		const char *status;
		bool stays; /* the connection */
	} t[] = {
		{"GET /none HTTP/1.1\r\nHost: a\r\n\r\n", "404", true},
		{"GET /.hidden HTTP/1.1\r\nHost: a\r\n\r\n", "404", true},
		{"GET /index.html/ HTTP/1.1\r\nHost: a\r\n\r\n", "404", true},
		{"GET /bytes/4294967297 HTTP/1.1\r\nHost: a\r\n\r\n", "404", true},
		{"GET /bytes/99999999999999999999 HTTP/1.1\r\nHost: a\r\n\r\n", "404", true},
		{"GET /bytes/ HTTP/1.1\r\nHost: a\r\n\r\n", "404", true},
		{"GET /bytes/-1 HTTP/1.1\r\nHost: a\r\n\r\n", "404", true},
		{"GET /../../etc/passwd HTTP/1.1\r\nHost: a\r\n\r\n", "400", true},
		{"GET /%00 HTTP/1.1\r\nHost: a\r\n\r\n", "400", true},
		{"DELETE / HTTP/1.1\r\nHost: a\r\n\r\n", "405", true},
		{"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", "405", true},
		{"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc", "405", false},
		{"BREW / HTTP/1.1\r\nHost: a\r\n\r\n", "501", true},
		{"GET / HTTP/1.1\r\n\r\n", "400", false},
		{"GET / HTTP/1.1\r\nHost : a\r\n\r\n", "400", false},
		{"GET / HTTP/3.0\r\nHost: a\r\n\r\n", "505", false},
		{"nonsense\r\n\r\n", "400", false},
	};

	start();
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		char expected[32];

		snprintf(expected, sizeof(expected), "HTTP/1.1 %s ", t[i].status);
		ask(t[i].request);
		if (!starts(expected))
			printf("\n  to: %s", t[i].request);
		CU_ASSERT(strncmp(answer, expected, strlen(expected)) == 0);
		UNIT_EQ(answer_end, t[i].stays ? 0 : 1);
		CU_ASSERT((strstr(answer, "Connection: close") == NULL) == t[i].stays);
		UNIT_EQ(body_bytes(), atoi(strstr(answer, "Content-Length: ") + 16));
	}
	ask("PUT / HTTP/1.1\r\nHost: a\r\n\r\n");
	CU_ASSERT(has("\r\nAllow: GET, HEAD\r\n"));
	end();
}

UNIT_CASE(oversized_requests_are_refused)
{
	char *request = malloc(20000);

	start();
	memset(request, 'a', 20000);
	memcpy(request, "GET /", 5);
	ask_bytes(request, 20000);
	CU_ASSERT(starts("HTTP/1.1 414 "));
	UNIT_EQ(answer_end, 1);
	memcpy(request, "GET / HTTP/1.1\r\nX: ", 19);
	ask_bytes(request, 20000);
	CU_ASSERT(starts("HTTP/1.1 431 "));
	UNIT_EQ(answer_end, 1);
	UNIT_EQ(service_pair_own(&b, 0, "414"), 1);
	UNIT_EQ(service_pair_own(&b, 0, "431"), 1);
	UNIT_EQ(service_pair_stats(&b).lingered, 2);
	free(request);
	end();
}

UNIT_CASE(requests_arrive_in_any_pieces)
{
	static const char request[] = "GET /a%20b/ HTTP/1.1\r\nHost: a\r\nRange: bytes=3-\r\n\r\n";
	const int on = 1;

	start();
	for (size_t step = 1; step < sizeof(request); step = step * 2 + 1) {
		struct tcp_conn *c = service_pair_connect(&b, 80);

		tcp_setsockopt(c, IPPROTO_TCP, 1 /* TCP_NODELAY */, &on, sizeof(on));
		for (size_t at = 0; at < sizeof(request) - 1; at += step) {
			size_t left = sizeof(request) - 1 - at;

			service_pair_send(&b, c, request + at, left < step ? left : step);
			service_pair_run(&b, 3);
		}
		read_answer(c);
		CU_ASSERT(starts("HTTP/1.1 206 "));
		CU_ASSERT_STRING_EQUAL(body(), "below\n");
		tcp_close(c);
	}
	service_pair_run(&b, 20);
	end();
}

/* Requests of which the first mbufs hold several, and one lies across two. */
UNIT_CASE(pipelined_requests_are_answered_in_order)
{
	struct tcp_conn *c;
	char *requests = malloc(64 * 1024), *p = requests;
	const char *at = answer;
	unsigned int n = 300;

	start();
	c = service_pair_connect(&b, 80);
	for (unsigned int i = 0; i < n; i++)
		p += sprintf(p, "GET /bytes/%u HTTP/1.1\r\nHost: a\r\nX: %.*s\r\n\r\n", i,
			     (int)(i % 60),
			     "123456789012345678901234567890123456789012345678901234567890");
	p += sprintf(p, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
	service_pair_send(&b, c, requests, (size_t)(p - requests));
	read_answer(c);
	UNIT_EQ(answer_end, 1);
	for (unsigned int i = 0; i < n; i++) {
		char length[40];
		const char *head = strstr(at, "\r\n\r\n");
		const char *field;

		snprintf(length, sizeof(length), "Content-Length: %u\r\n", i);
		field = head == NULL ? NULL : strstr(at, length);
		CU_ASSERT_FATAL(field != NULL && field < head);
		at = head + 4;
		for (unsigned int j = 0; j < i; j++)
			CU_ASSERT_FATAL((uint8_t)at[j] == pattern_byte(j));
		at += i;
		CU_ASSERT_FATAL(strncmp(at, "HTTP/1.1 200 ", 13) == 0);
	}
	CU_ASSERT(strstr(at, "<p>hello\n") != NULL);
	UNIT_EQ(service_pair_own(&b, 0, "200"), n + 1);
	tcp_close(c);
	free(requests);
	end();
}

/* A peer that asks without reading is not read from: what we hold stays bounded. */
UNIT_CASE(a_peer_that_does_not_read_is_not_read_from)
{
	static const char request[] = "GET /big.bin HTTP/1.1\r\nHost: a\r\n\r\n";
	struct tcp_conn *c;
	size_t got = 0, n, all = 0;

	start();
	c = service_pair_connect(&b, 80);
	for (unsigned int i = 0; i < 200; i++)
		service_pair_send(&b, c, request, sizeof(request) - 1);
	service_pair_run(&b, 2000);
	CU_ASSERT(service_pair_own(&b, 0, "requests") < 150);
	do {
		n = service_pair_read(&b, c, answer, sizeof(answer), NULL);
		got += n;
	} while (n == sizeof(answer));
	UNIT_EQ(service_pair_own(&b, 0, "requests"), 200);
	all = got / 200;
	UNIT_EQ(got % 200, 0);
	CU_ASSERT(all > SERVICE_PAIR_BIG && all < SERVICE_PAIR_BIG + 400);
	tcp_close(c);
	end();
}

UNIT_CASE(generated_bytes_are_the_documented_ones)
{
	enum { N = 900000 };
	struct tcp_conn *c;
	size_t bad = 0;

	start();
	c = service_pair_connect(&b, 80);
	say(c, "GET /bytes/900000 HTTP/1.0\r\n\r\n");
	read_answer(c);
	UNIT_EQ(body_bytes(), N);
	for (size_t i = 0; i < N; i++)
		bad += (uint8_t)body()[i] != (uint8_t)((i % 65521) ^ (i % 65521) >> 8);
	UNIT_EQ(bad, 0);
	UNIT_EQ(answer_end, 1);
	tcp_close(c);
	ask("GET /bytes/0 HTTP/1.0\r\n\r\n");
	CU_ASSERT(starts("HTTP/1.1 200 ") && has("\r\nContent-Length: 0\r\n"));
	ask("GET /bytes/4294967296 HTTP/1.0\r\nRange: bytes=4294967290-\r\n\r\n");
	CU_ASSERT(has("\r\nContent-Range: bytes 4294967290-4294967295/4294967296\r\n"));
	UNIT_EQ(body_bytes(), 6);
	for (uint64_t i = 0; i < 6; i++)
		UNIT_EQ((uint8_t)body()[i], pattern_byte(4294967290 + i));
	end();
}

UNIT_CASE(ranges_and_conditions_are_honoured)
{
	char modified[40] = {0}, request[256];
	const char *field;

	start();
	ask("GET /big.bin HTTP/1.0\r\nRange: bytes=32760-32775\r\n\r\n");
	CU_ASSERT(starts("HTTP/1.1 206 Partial Content\r\n"));
	CU_ASSERT(has("\r\nContent-Range: bytes 32760-32775/200000\r\n"));
	UNIT_EQ(body_bytes(), 16);
	for (size_t i = 0; i < 16; i++)
		UNIT_EQ((uint8_t)body()[i], service_pair_big_byte(32760 + i));
	ask("GET /big.bin HTTP/1.0\r\nRange: bytes=-150000\r\n\r\n");
	UNIT_EQ(body_bytes(), 150000);
	UNIT_EQ((uint8_t)body()[0], service_pair_big_byte(50000));
	UNIT_EQ((uint8_t)body()[149999], service_pair_big_byte(199999));
	ask("GET /big.bin HTTP/1.0\r\nRange: bytes=200000-\r\n\r\n");
	CU_ASSERT(starts("HTTP/1.1 416 ") && has("\r\nContent-Range: bytes */200000\r\n"));
	ask("HEAD / HTTP/1.0\r\n\r\n");
	field = strstr(answer, "Last-Modified: ");
	CU_ASSERT_FATAL(field != NULL);
	memcpy(modified, field + 15, 29);
	snprintf(request, sizeof(request), "GET / HTTP/1.0\r\nIf-Modified-Since: %s\r\n\r\n",
		 modified);
	ask(request);
	CU_ASSERT(starts("HTTP/1.1 304 "));
	UNIT_EQ(body_bytes(), 0);
	ask("GET / HTTP/1.0\r\nIf-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT\r\n\r\n");
	CU_ASSERT(starts("HTTP/1.1 200 "));
	snprintf(request, sizeof(request),
		 "GET / HTTP/1.0\r\nRange: bytes=0-2\r\nIf-Range: %s\r\n\r\n", modified);
	ask(request);
	CU_ASSERT(starts("HTTP/1.1 206 "));
	ask("GET / HTTP/1.0\r\nRange: bytes=0-2\r\nIf-Range: \"tag\"\r\n\r\n");
	CU_ASSERT(starts("HTTP/1.1 200 "));
	end();
}

UNIT_CASE(persistence_follows_the_version)
{
	static const char old[] = "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n";
	static const char new[] = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
	struct tcp_conn *c;

	start();
	c = service_pair_connect(&b, 80);
	for (int i = 0; i < 3; i++) {
		service_pair_send(&b, c, old, sizeof(old) - 1);
		read_answer(c);
		CU_ASSERT(has("\r\nConnection: keep-alive\r\n"));
		UNIT_EQ(answer_end, 0);
		service_pair_send(&b, c, new, sizeof(new) - 1);
		read_answer(c);
		CU_ASSERT(strstr(answer, "Connection:") == NULL);
		UNIT_EQ(answer_end, 0);
	}
	UNIT_EQ(service_pair_stats(&b).accepted, 1);
	tcp_close(c);
	ask("GET / HTTP/1.0\r\n\r\n");
	UNIT_EQ(answer_end, 1);
	end();
}

/* The answer to a body that is still coming reaches the peer: no reset overtakes it. */
UNIT_CASE(an_answer_survives_the_rest_of_the_body)
{
	static const char head[] = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 500000\r\n\r\n";
	struct tcp_conn *c;
	char *part = calloc(1, 50000);

	start();
	c = service_pair_connect(&b, 80);
	service_pair_send(&b, c, head, sizeof(head) - 1);
	for (int i = 0; i < 10; i++) {
		service_pair_send(&b, c, part, 50000);
		service_pair_run(&b, 10);
	}
	read_answer(c);
	CU_ASSERT(starts("HTTP/1.1 405 "));
	UNIT_EQ(answer_end, 1);
	tcp_close(c);
	service_pair_run(&b, 20);
	UNIT_EQ(service_pair_stats(&b).lingered, 1);
	UNIT_EQ(service_pair_stats(&b).linger_expired, 0);
	free(part);
	end();
}

UNIT_CASE(a_peer_that_never_stops_is_reset)
{
	static const char head[] = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 500000\r\n\r\n";
	struct tcp_conn *c;

	start();
	c = service_pair_connect(&b, 80);
	service_pair_send(&b, c, head, sizeof(head) - 1);
	for (int i = 0; i < 12; i++) {
		service_pair_send(&b, c, "x", 1);
		service_pair_run(&b, 1000);
	}
	UNIT_EQ(service_pair_stats(&b).linger_expired, 1);
	tcp_close(c);
	end();
}

UNIT_CASE(half_closed_peers_are_answered)
{
	struct tcp_conn *c;

	start();
	c = service_pair_connect(&b, 80);
	say(c, "GET /big.bin HTTP/1.1\r\nHost: a\r\n\r\n");
	tcp_shutdown(c, SHUT_WR);
	read_answer(c);
	UNIT_EQ(body_bytes(), SERVICE_PAIR_BIG);
	UNIT_EQ(answer_end, 1);
	tcp_close(c);
	c = service_pair_connect(&b, 80);
	say(c, "GET / HTTP/1.1\r\nHos");
	tcp_shutdown(c, SHUT_WR);
	read_answer(c);
	UNIT_EQ(answer_bytes, 0);
	UNIT_EQ(answer_end, 1);
	UNIT_EQ(service_pair_own(&b, 0, "cut_short"), 1);
	tcp_close(c);
	service_pair_run(&b, 20);
	end();
}

/* While no mbuf can be had nothing is lost, and it goes on by itself afterwards. */
static void
check_starved(bool refer, const char *request, size_t bytes)
{
	unsigned int n = 0;
	static struct rte_mbuf *taken[16384];
	struct rte_mbuf *m;
	struct rte_mempool *pool;
	struct tcp_conn *c;

	start();
	c = service_pair_connect(&b, 80);
	pool = refer ? b.pair.pools.ref : b.pair.pools.data;
	m = rte_pktmbuf_alloc(b.pair.pools.rx); /* not of a pool that is to run empty */
	memcpy(rte_pktmbuf_append(m, (uint16_t)strlen(request)), request, strlen(request));
	tcp_send_mbufs(c, m, 0);
	tcp_flush(b.pair.side[0].engine);
	while (n < RTE_DIM(taken) && (taken[n] = rte_pktmbuf_alloc(pool)) != NULL)
		n++;
	service_pair_run(&b, 50);
	CU_ASSERT(service_pair_stats(&b).starved > 0);
	CU_ASSERT(service_set_next_timer(b.set) <= b.pair.now_us + 1000);
	while (n > 0)
		rte_pktmbuf_free(taken[--n]);
	read_answer(c);
	CU_ASSERT(starts("HTTP/1.1 200 "));
	UNIT_EQ(body_bytes(), bytes);
	tcp_close(c);
	end();
}

UNIT_CASE(without_mbufs_to_refer_sending_waits)
{
	check_starved(true, "GET /big.bin HTTP/1.0\r\n\r\n", SERVICE_PAIR_BIG);
}

UNIT_CASE(without_mbufs_to_copy_sending_waits)
{
	check_starved(false, "GET / HTTP/1.0\r\n\r\n", 9);
}

/* What the server sends, as it leaves. */
struct sent {
	uint64_t at_us;
	uint8_t flags;
	uint32_t payload;
};

struct sent_list {
	unsigned int n;
	struct sent sent[16];
};

static void
note_sent(void *ctx, unsigned int side, const struct rte_mbuf *m)
{
	struct sent_list *list = ctx;
	const uint8_t *tcp = rte_pktmbuf_mtod_offset(m, const uint8_t *, m->l3_len);

	if (side != 1 || list->n == sizeof(list->sent) / sizeof(list->sent[0]))
		return;
	list->sent[list->n++] = (struct sent){
		.at_us = b.pair.now_us,
		.flags = tcp[13],
		.payload = m->pkt_len - m->l3_len - (uint32_t)(tcp[12] >> 4) * 4,
	};
}

UNIT_CASE(a_request_in_a_syn_is_answered_behind_the_syn_ack)
{
	enum { SYN = 2, ACK = 16 };
	static const char request[] = "GET / HTTP/1.0\r\n\r\n";
	struct sent_list list = {0};
	struct tcp_endpoint to;
	struct tcp_conn *c;
	const int on = 1;

	start();
	to = (struct tcp_endpoint){b.pair.side[1].ip, 80};
	b.pair.on_sent = note_sent;
	b.pair.ctx = &list;
	UNIT_EQ(tcp_open(b.pair.side[0].engine, AF_INET, &c), 0);
	UNIT_EQ(tcp_setsockopt(c, IPPROTO_TCP, TCP_FASTOPEN_NO_COOKIE, &on, sizeof(on)), 0);
	UNIT_EQ(tcp_sendto(c, request, strlen(request), MSG_FASTOPEN, &to), strlen(request));
	read_answer(c);
	CU_ASSERT(starts("HTTP/1.1 200 OK\r\n"));
	UNIT_EQ(answer_end, 1);
	/* SYN-ACK and answer leave together, before anything else came. */
	CU_ASSERT(list.n >= 2);
	UNIT_EQ(list.sent[0].flags, SYN | ACK);
	UNIT_EQ(list.sent[0].payload, 0);
	UNIT_EQ(list.sent[1].flags & (SYN | ACK), ACK);
	UNIT_EQ(list.sent[1].payload, answer_bytes);
	UNIT_EQ(list.sent[1].at_us, list.sent[0].at_us);
	tcp_close(c);
	b.pair.on_sent = NULL;
	service_pair_run(&b, 20);
	end();
}

UNIT_MAIN_EAL(UNIT_RUN(files_are_served),
	      UNIT_RUN(a_request_in_a_syn_is_answered_behind_the_syn_ack),
	      UNIT_RUN(head_has_no_body), UNIT_RUN(refusals_have_their_status),
	      UNIT_RUN(oversized_requests_are_refused), UNIT_RUN(requests_arrive_in_any_pieces),
	      UNIT_RUN(pipelined_requests_are_answered_in_order),
	      UNIT_RUN(a_peer_that_does_not_read_is_not_read_from),
	      UNIT_RUN(generated_bytes_are_the_documented_ones),
	      UNIT_RUN(ranges_and_conditions_are_honoured),
	      UNIT_RUN(persistence_follows_the_version),
	      UNIT_RUN(an_answer_survives_the_rest_of_the_body),
	      UNIT_RUN(a_peer_that_never_stops_is_reset), UNIT_RUN(half_closed_peers_are_answered),
	      UNIT_RUN(without_mbufs_to_refer_sending_waits),
	      UNIT_RUN(without_mbufs_to_copy_sending_waits))
