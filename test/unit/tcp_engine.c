/* SPDX-License-Identifier: BSD-3-Clause */
/* tcp/engine.c: whole conversations between two engines, and that nothing is left of them. */
#include "unit.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>

#include "test/sim/pair.h"

#define SECOND_US UINT64_C(1000000)

static struct tcp_config
small_config(void)
{
	struct tcp_config config;

	tcp_config_defaults(&config);
	config.max_conns = 64;
	config.max_requests = 32;
	config.max_timewait = 64;
	config.max_held_bufs = 8192;
	return config;
}

/* A server that echoes, or swallows and counts, whatever its connections bring. */
struct server {
	struct tcp_conn *listener;
	bool echo;
	uint64_t received;
	uint32_t sum;
	unsigned int accepted, closed;
};

static void
serve(struct server *s, struct tcp_conn *c)
{
	uint8_t buf[4096];
	ssize_t n = 0;

	while (!s->echo || tcp_send_room(c) >= sizeof(buf)) {
		n = tcp_recv(c, buf, sizeof(buf), 0);
		if (n <= 0)
			break;
		for (ssize_t i = 0; i < n; i++)
			s->sum = s->sum * 31 + buf[i];
		s->received += (uint64_t)n;
		if (s->echo)
			CU_ASSERT_FATAL(tcp_send(c, buf, (size_t)n, 0) == n);
	}
	if (n == 0 || (n < 0 && n != -EAGAIN)) {
		s->closed++;
		tcp_close(c);
	}
}

static void
on_event(void *ctx, struct tcp_conn *c, void *user)
{
	struct server *s = ctx;
	struct tcp_conn *child;

	(void)user;
	if (c != s->listener) {
		serve(s, c);
		return;
	}
	while (tcp_accept(c, &child) == 0) {
		s->accepted++;
		serve(s, child);
	}
}

static void
server_start(struct server *s, struct pair *p, bool echo)
{
	struct tcp_endpoint any = {.port = 80};

	*s = (struct server){.echo = echo};
	CU_ASSERT_FATAL(tcp_open(p->side[1].engine, AF_INET6, &s->listener) == 0);
	UNIT_EQ(tcp_bind(s->listener, &any), 0);
	UNIT_EQ(tcp_listen(s->listener, 16), 0);
	p->side[1].notify = on_event;
	p->side[1].notify_ctx = s;
}

static struct tcp_conn *
client_connect(struct pair *p)
{
	struct tcp_endpoint to = {.ip = p->side[1].ip, .port = 80};
	struct tcp_conn *c;

	CU_ASSERT_FATAL(tcp_open(p->side[0].engine, AF_INET, &c) == 0);
	UNIT_EQ(tcp_connect(c, &to), -EINPROGRESS);
	UNIT_EQ(tcp_connect(c, &to), -EALREADY);
	pair_run_until(p, p->now_us + 10000);
	UNIT_EQ(tcp_state(c), TCP_ESTABLISHED);
	UNIT_EQ(tcp_connect(c, &to), 0);
	UNIT_EQ(tcp_connect(c, &to), -EISCONN);
	return c;
}

UNIT_CASE(greeting_is_echoed)
{
	struct tcp_config config = small_config();
	struct server server;
	struct tcp_conn *c;
	struct pair p;
	char buf[16];

	pair_start(&p, &config);
	server_start(&server, &p, true);
	c = client_connect(&p);
	UNIT_EQ(tcp_send(c, "hello", 5, 0), 5);
	pair_run_until(&p, p.now_us + 10000);
	UNIT_EQ(tcp_poll(c) & POLLIN, POLLIN);
	UNIT_EQ(tcp_recv(c, buf, sizeof(buf), 0), 5);
	CU_ASSERT(memcmp(buf, "hello", 5) == 0);
	UNIT_EQ(tcp_recv(c, buf, sizeof(buf), 0), -EAGAIN);
	tcp_close(c);
	pair_run_until(&p, p.now_us + 10000);
	UNIT_EQ(server.closed, 1);
	tcp_close(server.listener);
	pair_run_until(&p, p.now_us + 61 * SECOND_US);
	CU_ASSERT(pair_end(&p));
}

struct losses {
	unsigned int state, percent, lost;
};

static bool
lose_some(void *ctx, const struct rte_mbuf *m)
{
	struct losses *l = ctx;

	(void)m;
	l->state = l->state * 1103515245u + 12345u;
	if ((l->state >> 16) % 100 >= l->percent)
		return false;
	l->lost++;
	return true;
}

/* Sends `total` bytes to a server that swallows them, and expects them all, whatever the wire does.
 */
static void
bulk(unsigned int percent, uint64_t total, uint16_t path_flags)
{
	struct tcp_config config = small_config();
	struct losses losses = {.state = 7, .percent = percent};
	struct server server;
	uint64_t sent = 0;
	uint32_t sum = 0;
	struct tcp_conn *c;
	struct pair p;

	pair_start(&p, &config);
	p.side[0].path_flags = p.side[1].path_flags = path_flags;
	server_start(&server, &p, false);
	c = client_connect(&p);
	p.loses = lose_some;
	p.loss_ctx = &losses;
	while (sent < total && p.now_us < 600 * SECOND_US) {
		uint8_t buf[3000];
		size_t n = total - sent < sizeof(buf) ? (size_t)(total - sent) : sizeof(buf);
		ssize_t taken;

		for (size_t i = 0; i < n; i++)
			buf[i] = (uint8_t)((sent + i) * 2654435761u >> 13);
		taken = tcp_send(c, buf, n, 0);
		for (ssize_t i = 0; i < taken; i++)
			sum = sum * 31 + buf[i];
		if (taken > 0)
			sent += (uint64_t)taken;
		else
			pair_run_until(&p, p.now_us + 1000);
	}
	tcp_close(c);
	pair_run_until(&p, p.now_us + 200 * SECOND_US);
	UNIT_EQ(server.received, total);
	UNIT_EQ(server.sum, sum);
	CU_ASSERT(percent == 0 || losses.lost > 0);
	tcp_close(server.listener);
	pair_run_until(&p, p.now_us + 61 * SECOND_US);
	CU_ASSERT(pair_end(&p));
}

UNIT_CASE(bulk_arrives_whole)
{
	bulk(0, 20 * 1000 * 1000, TCP_PATH_TX_MULTI_SEG);
}

UNIT_CASE(bulk_arrives_whole_where_segments_must_be_linear)
{
	bulk(0, 5 * 1000 * 1000, 0);
}

UNIT_CASE(bulk_survives_loss)
{
	bulk(3, 2 * 1000 * 1000, TCP_PATH_TX_MULTI_SEG);
}

UNIT_CASE(nobody_listens)
{
	struct tcp_config config = small_config();
	struct tcp_endpoint to;
	struct tcp_conn *c;
	struct pair p;
	int error = 0;
	size_t len = sizeof(error);

	pair_start(&p, &config);
	to = (struct tcp_endpoint){.ip = p.side[1].ip, .port = 81};
	CU_ASSERT_FATAL(tcp_open(p.side[0].engine, AF_INET, &c) == 0);
	UNIT_EQ(tcp_connect(c, &to), -EINPROGRESS);
	pair_run_until(&p, 10000);
	UNIT_EQ(tcp_state(c), TCP_CLOSED);
	UNIT_EQ(tcp_getsockopt(c, SOL_SOCKET, SO_ERROR, &error, &len), 0);
	UNIT_EQ(error, ECONNREFUSED);
	tcp_close(c);
	CU_ASSERT(pair_end(&p));
}

UNIT_MAIN_EAL(UNIT_RUN(greeting_is_echoed), UNIT_RUN(bulk_arrives_whole),
	      UNIT_RUN(bulk_arrives_whole_where_segments_must_be_linear),
	      UNIT_RUN(bulk_survives_loss), UNIT_RUN(nobody_listens))
