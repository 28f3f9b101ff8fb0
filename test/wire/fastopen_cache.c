/* SPDX-License-Identifier: BSD-3-Clause */
/* Fast Open, the client's cache of cookies: what is kept, what is not, which kind is asked for, the
 * bound, news between engines. */
#include "fastopen.h"

/* The cache's only entry. */
static struct tcp_fastopen_entry
only_entry(struct wire *w)
{
	struct tcp_fastopen_entry entries[2];
	uint64_t cursor = 0;

	WIRE_EQ(w, tcp_fastopen_list(w->engine, &cursor, entries, 2), 1);
	WIRE_EQ(w, cursor == UINT64_MAX, true);
	return entries[0];
}

static unsigned int
count_entries(struct wire *w)
{
	struct tcp_fastopen_entry entries[100];
	uint64_t cursor = 0;
	unsigned int n = 0;

	while (cursor != UINT64_MAX)
		n += tcp_fastopen_list(w->engine, &cursor, entries, 100);
	return n;
}

/* A connection of its own flow that sends this SYN and gets this answer. */
static void
exchange(struct wire *w, unsigned int flow, const char *syn, const char *answer)
{
	wire_flow(w, flow);
	wire_open(w);
	w->flow->local.port = 0;
	wire_sendto(w, 10, MSG_FASTOPEN, strstr(syn, "S 0:10") != NULL ? 10 : -EINPROGRESS);
	wire_out(w, "%s", syn);
	wire_in(w, "+10ms %s", answer);
	fo_abort(w);
}

#define SYN0 "S 0:0(0) "
#define SYN10 "S 0:10(10) "
#define PLAIN "<mss 1460,nop,nop,sackOK,nop,wscale *,"
#define ANSWER0 "S. 0:0(0) ack 1 win 65535 <mss 1460"
#define ANSWER10 "S. 0:0(0) ack 11 win 65535 <mss 1460"

WIRE_TEST(holds_what_the_syn_ack_says)
{
	struct tcp_fastopen_entry entry;

	wire_start(w);
	wire_wait(w, SEC(5));
	fo_learn(w, 1234);
	entry = only_entry(w);
	WIRE_EQ(w, ip_eq(&entry.local, &w->local), true);
	WIRE_EQ(w, ip_eq(&entry.remote, &w->flow->remote.ip), true);
	WIRE_EQ(w, entry.mss, 1234);
	WIRE_EQ(w, entry.cookie.len, 8);
	WIRE_EQ(w, entry.cookie.experimental, false);
	WIRE_EQ(w, entry.cookie.bytes[0], 0xa1);
	WIRE_EQ(w, entry.cookie.bytes[7], 0x18);
	WIRE_EQ(w, entry.losses, 0);
	WIRE_EQ(w, entry.changed_us, w->start_us + SEC(5) + MS(10));
	wire_end(w);
}

/* 34, 254, and from then on 34; what comes as 254 goes back as 254. */
WIRE_TEST(kinds_are_tried)
{
	wire_start(w, .no_timestamps = true);
	exchange(w, 1, SYN0 PLAIN "FO,nop,nop>", ANSWER0 ">");
	exchange(w, 2, SYN0 PLAIN "FOEXP>", ANSWER0 ">");
	exchange(w, 3, SYN0 PLAIN "FO,nop,nop>", ANSWER0 ">");
	exchange(w, 4, SYN0 PLAIN "FO,nop,nop>", ANSWER0 ">");
	exchange(w, 5, SYN0 PLAIN "FO,nop,nop>", ANSWER0 ">");
	WIRE_EQ(w, only_entry(w).kinds_tried, 2);
	wire_end(w);
}

WIRE_TEST(experimental_cookie_goes_back_as_such)
{
	wire_start(w, .no_timestamps = true);
	exchange(w, 1, SYN0 PLAIN "FO,nop,nop>", ANSWER0 ">");
	exchange(w, 2, SYN0 PLAIN "FOEXP>", ANSWER0 ",FOEXP 01020304>");
	exchange(w, 3, SYN10 PLAIN "FOEXP 01020304>", ANSWER10 ">");
	exchange(w, 4, SYN10 PLAIN "FOEXP 01020304>", ANSWER10 ",FO 05060708>");
	exchange(w, 5, SYN10 PLAIN "FO 05060708,nop,nop>", ANSWER10 ">");
	wire_end(w);
}

/* The kind is that of the answer, whatever the question's was. */
WIRE_TEST(answered_by_the_other_kind)
{
	wire_start(w, .no_timestamps = true);
	exchange(w, 1, SYN0 PLAIN "FO,nop,nop>", ANSWER0 ",FOEXP 010203040506>");
	exchange(w, 2, SYN10 PLAIN "FOEXP 010203040506,nop,nop>", ANSWER10 ">");
	wire_end(w);
}

/* RFC 7413 §4.1.1: 4 to 16 bytes, an even number of them; MSS is taken all the same. */
WIRE_TEST(wrong_cookies_are_none)
{
	wire_start(w, .no_timestamps = true);
	exchange(w, 1, SYN0 PLAIN "FO,nop,nop>", "S. 0:0(0) ack 1 win 65535 <mss 900,FO 0102>");
	WIRE_EQ(w, only_entry(w).mss, 900);
	exchange(w, 2, SYN0 PLAIN "FOEXP>", ANSWER0 ",FO 0102030405>");
	exchange(w, 3, SYN0 PLAIN "FO,nop,nop>",
		 ANSWER0 ",FO 000102030405060708090a0b0c0d0e0f1011>");
	exchange(w, 4, SYN0 PLAIN "FO,nop,nop>", ANSWER0 ",FO 000102030405060708090a0b0c0d0e0f>");
	exchange(w, 5, SYN10 PLAIN "FO 000102030405060708090a0b0c0d0e0f,nop,nop>",
		 ANSWER10 ",FO 0102>");
	exchange(w, 6, SYN10 PLAIN "FO 000102030405060708090a0b0c0d0e0f,nop,nop>",
		 ANSWER10 ",FO 00000000>");
	exchange(w, 7, SYN10 PLAIN "FO 00000000,nop,nop>", ANSWER10 ">");
	wire_end(w);
}

/* A SYN-ACK with an empty option grants nothing, and shows that the kind is understood. */
WIRE_TEST(empty_option_in_the_answer)
{
	wire_start(w, .no_timestamps = true);
	exchange(w, 1, SYN0 PLAIN "FO,nop,nop>", ANSWER0 ",FO>");
	WIRE_EQ(w, only_entry(w).kinds_tried, 0);
	wire_end(w);
}

WIRE_TEST(nothing_is_learned_from_ordinary_connections)
{
	wire_start(w);
	wire_connect(w, -EINPROGRESS);
	wire_out(w, "S 0:0(0) <*>");
	wire_in(w, "+10ms S. 0:0(0) ack 1 win 65535 <mss 1460,FO 01020304>");
	wire_out(w, ". 1:1(0) ack 1");
	WIRE_EQ(w, count_entries(w), 0);
	WIRE_EQ(w, w->n_news, 0);
	fo_abort(w);
	wire_end(w);
}

/* Of segments without SYN the option is none. */
WIRE_TEST(only_syns_carry_it)
{
	wire_start(w);
	fo_learn(w, 1460);
	fo_defer(w);
	wire_send(w, 10, 10);
	wire_out(w, "S 0:10(10) " FO_SYN_COOKIE);
	wire_in(w, "+10ms S. 0:0(0) ack 11 win 65535 " FO_ANSWER);
	wire_out(w, ". 11:11(0) ack 1");
	wire_in(w, "P. 1:11(10) ack 11 win 65535 <FO 0102030405060708,nop,nop>");
	wire_acked(w, 11);
	WIRE_EQ(w, only_entry(w).cookie.bytes[0], 0xa1);
	fo_abort(w);
	wire_end(w);
}

/* ---- Destinations */

static struct ip_addr
address(unsigned int number)
{
	uint8_t b[16] = {0xfd, 0, 1};

	b[14] = (uint8_t)(number >> 8);
	b[15] = (uint8_t)number;
	return ip_from6(b);
}

/* What an engine with a connection to it would tell. */
static struct tcp_fastopen_news
news_of(const struct ip_addr *local, const struct ip_addr *remote, uint8_t cookie)
{
	struct tcp_fastopen_news news = {
		.kind = TCP_FASTOPEN_NEWS_ENTRY,
		.entry = {.local = *local,
			  .remote = *remote,
			  .mss = 1460,
			  .cookie = {.len = 4, .bytes = {cookie}}},
	};

	return news;
}

static bool
is_known(struct wire *w, const struct ip_addr *remote)
{
	struct tcp_fastopen_entry entries[100];
	uint64_t cursor = 0;

	while (cursor != UINT64_MAX) {
		unsigned int n = tcp_fastopen_list(w->engine, &cursor, entries, 100);

		for (unsigned int i = 0; i < n; i++)
			if (ip_eq(&entries[i].remote, remote))
				return true;
	}
	return false;
}

/* As another engine of this host: it knows the cookie without a connection of its own. */
WIRE_TEST(news_from_another_engine)
{
	struct tcp_fastopen_news news;

	wire_start(w, .no_timestamps = true);
	news = news_of(&w->local, &w->flow->remote.ip, 9);
	wire_wait(w, SEC(3));
	tcp_fastopen_take_news(w->engine, &news);
	WIRE_EQ(w, only_entry(w).changed_us, w->now_us);
	WIRE_EQ(w, w->n_news, 0); /* news go round once */
	exchange(w, 1, SYN10 PLAIN "FO 09000000,nop,nop>", ANSWER10 ",FO 08000000>");
	WIRE_EQ(w, w->n_news, 1);
	WIRE_EQ(w, w->news.kind, TCP_FASTOPEN_NEWS_ENTRY);
	WIRE_EQ(w, w->news.entry.cookie.bytes[0], 8);
	WIRE_EQ(w, ip_eq(&w->news.entry.remote, &w->flow->remote.ip), true);
	news = news_of(&w->local, &w->flow->remote.ip, 7);
	tcp_fastopen_take_news(w->engine, &news);
	WIRE_EQ(w, count_entries(w), 1);
	exchange(w, 2, SYN10 PLAIN "FO 07000000,nop,nop>", ANSWER10 ">");
	wire_end(w);
}

/* A cookie is of the address that asked for it. */
WIRE_TEST(keyed_by_source_and_destination)
{
	struct ip_addr other = address(1);
	struct tcp_fastopen_news news;

	wire_start(w, .no_timestamps = true);
	news = news_of(&other, &w->flow->remote.ip, 9);
	tcp_fastopen_take_news(w->engine, &news);
	news = news_of(&w->local, &other, 9);
	tcp_fastopen_take_news(w->engine, &news);
	exchange(w, 1, SYN0 PLAIN "FO,nop,nop>", ANSWER0 ",FO 05060708>");
	WIRE_EQ(w, count_entries(w), 3);
	wire_end(w);
}

/* But of all its ports. */
WIRE_TEST(not_keyed_by_port)
{
	wire_start(w, .no_timestamps = true);
	exchange(w, 1, SYN0 PLAIN "FO,nop,nop>", ANSWER0 ",FO 05060708>");
	exchange(w, 99, SYN10 PLAIN "FO 05060708,nop,nop>", ANSWER10 ">");
	wire_end(w);
}

WIRE_TEST(oldest_gives_way)
{
	enum { ENTRIES = 4096 };
	struct ip_addr a;
	struct tcp_fastopen_news news;

	wire_start(w);
	for (unsigned int i = 0; i < ENTRIES; i++) {
		a = address(i);
		news = news_of(&w->local, &a, 1);
		tcp_fastopen_take_news(w->engine, &news);
	}
	WIRE_EQ(w, count_entries(w), ENTRIES);
	a = address(0);
	news = news_of(&w->local, &a, 2); /* no longer the oldest */
	tcp_fastopen_take_news(w->engine, &news);
	fo_learn(w, 1460);
	WIRE_EQ(w, count_entries(w), ENTRIES);
	WIRE_EQ(w, is_known(w, &w->flow->remote.ip), true);
	a = address(0);
	WIRE_EQ(w, is_known(w, &a), true);
	a = address(1);
	WIRE_EQ(w, is_known(w, &a), false);
	a = address(2);
	WIRE_EQ(w, is_known(w, &a), true);
	wire_end(w);
}

WIRE_TEST(flush_of_one_and_of_all)
{
	struct ip_addr one, other;
	struct tcp_fastopen_news news;

	wire_start(w, .no_timestamps = true);
	one = w->flow->remote.ip;
	other = address(1);
	news = news_of(&w->local, &one, 1);
	tcp_fastopen_take_news(w->engine, &news);
	news = news_of(&other, &one, 1);
	tcp_fastopen_take_news(w->engine, &news);
	news = news_of(&w->local, &other, 1);
	tcp_fastopen_take_news(w->engine, &news);
	WIRE_EQ(w, tcp_fastopen_flush(w->engine, &one), 2);
	WIRE_EQ(w, count_entries(w), 1);
	WIRE_EQ(w, is_known(w, &other), true);
	WIRE_EQ(w, tcp_fastopen_flush(w->engine, &one), 0);
	exchange(w, 1, SYN0 PLAIN "FO,nop,nop>", ANSWER0 ",FO 05060708>");
	WIRE_EQ(w, tcp_fastopen_flush(w->engine, NULL), 2);
	WIRE_EQ(w, count_entries(w), 0);
	WIRE_EQ(w, tcp_fastopen_flush(w->engine, NULL), 0);
	exchange(w, 2, SYN0 PLAIN "FO,nop,nop>", ANSWER0 ",FO 05060708>");
	wire_end(w);
}
