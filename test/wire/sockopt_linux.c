/* SPDX-License-Identifier: BSD-3-Clause */
/* Socket options answer as Linux's do: sockopt_table.h asked of the engine, and what they do. */
#include <stdlib.h>
#include <sys/time.h>

#include "sockopt_probe.h"
#include "sockopt_table.h"
#include "wire.h"

struct ctx {
	struct wire *w;
	struct tcp_conn *c;
	int family;
};

static void
renew(void *ctx)
{
	struct ctx *x = ctx;

	if (x->c != NULL)
		tcp_close(x->c);
	WIRE_EQ(x->w, tcp_open(x->w->engine, x->family, &x->c), 0);
}

static int
get(void *ctx, int level, int name, void *value, long *len)
{
	size_t n = (size_t)*len;
	int status = tcp_getsockopt(((struct ctx *)ctx)->c, level, name, value, &n);

	*len = (long)n;
	return status;
}

static int
set(void *ctx, int level, int name, const void *value, long len)
{
	return tcp_setsockopt(((struct ctx *)ctx)->c, level, name, value, (size_t)len);
}

/* The table's kernel has this maximum. */
static void
large_rcvbuf(struct tcp_config *config)
{
	config->rcvbuf_max_bytes = 33554432;
}

WIRE_TEST4(every_option_as_linux)
{
	struct ctx x = {.w = w};
	const struct probe p = {&x, renew, get, set};
	unsigned int wrong = 0;
	struct probe_text t;

	wire_start(w, .configure = large_rcvbuf);
	for (size_t i = 0; i < sizeof(sockopt_rows) / sizeof(sockopt_rows[0]); i++) {
		const struct sockopt_row *r = &sockopt_rows[i];

		x.family = r->family;
		probe_option(&p, r->level, r->name, &t);
		if (strcmp(t.text, r->answers) != 0) {
			fprintf(stderr, "%s\n      %s\n  not %s\n", r->label, t.text, r->answers);
			wrong++;
		}
	}
	tcp_close(x.c);
	WIRE_EQ(w, wrong, 0);
	wire_end(w);
}

static void
timeo(struct wire *w, long s, long us, int expected, long becomes_s, long becomes_us)
{
	static const int names[] = {SO_RCVTIMEO, SO_SNDTIMEO};

	for (int i = 0; i < 2; i++) {
		struct timeval tv = {s, us};
		size_t len = sizeof(tv);

		WIRE_EQ(w, tcp_setsockopt(w->flow->c, SOL_SOCKET, names[i], &tv, sizeof(tv)),
			expected);
		WIRE_EQ(w, tcp_getsockopt(w->flow->c, SOL_SOCKET, names[i], &tv, &len), 0);
		WIRE_EQ(w, len, sizeof(tv));
		WIRE_EQ(w, tv.tv_sec, becomes_s);
		WIRE_EQ(w, tv.tv_usec, becomes_us);
	}
}

/* In milliseconds, rounded up; too long is for ever, and says 0; no time at all says that, too. */
WIRE_TEST(waiting_times)
{
	wire_start(w);
	wire_open(w);
	timeo(w, 1, 500000, 0, 1, 500000);
	timeo(w, 0, 1, 0, 0, 1000);
	timeo(w, 0, 1001, 0, 0, 2000);
	timeo(w, 3, 999999, 0, 4, 0);
	timeo(w, 0, 1000000, -EDOM, 4, 0);
	timeo(w, 0, -1, -EDOM, 4, 0);
	timeo(w, -1, -1, -EDOM, 4, 0);
	timeo(w, -1, 0, 0, 0, 0);
	timeo(w, INT64_MAX / 1000 - 2, 0, 0, INT64_MAX / 1000 - 2, 0);
	timeo(w, INT64_MAX / 1000 - 1, 0, 0, 0, 0);
	timeo(w, 0, 0, 0, 0, 0);
	wire_end(w);
}

/* Sockets have cookies of their own, and keep them. */
WIRE_TEST(cookies_differ)
{
	uint64_t cookies[3];
	size_t len = sizeof(cookies[0]);

	wire_start(w);
	for (unsigned int i = 0; i < 2; i++) {
		wire_flow(w, i);
		wire_open(w);
		WIRE_EQ(w, tcp_getsockopt(w->flow->c, SOL_SOCKET, 57, &cookies[i], &len), 0);
	}
	wire_flow(w, 0);
	WIRE_EQ(w, tcp_getsockopt(w->flow->c, SOL_SOCKET, 57, &cookies[2], &len), 0);
	WIRE_EQ(w, cookies[0] != cookies[1], true);
	WIRE_EQ(w, cookies[0], cookies[2]);
	wire_end(w);
}

WIRE_TEST(kept_options_are_inherited)
{
	static const int v[][3] = {
		{SOL_SOCKET, SO_RCVLOWAT, 100}, {SOL_SOCKET, SO_TIMESTAMP, 1},
		{SOL_SOCKET, SO_BUSY_POLL, 50}, {SOL_SOCKET, SO_REUSEADDR, 1},
		{IPPROTO_IP, IP_RECVTOS, 1},    {IPPROTO_IP, IP_TRANSPARENT, 1},
	};
	struct timeval tv = {2, 0};
	size_t len = sizeof(tv);

	wire_start(w);
	wire_listen(w, 1);
	for (size_t i = 0; i < sizeof(v) / sizeof(v[0]); i++)
		WIRE_EQ(w, tcp_setsockopt(w->listener, v[i][0], v[i][1], &v[i][2], 4), 0);
	WIRE_EQ(w, tcp_setsockopt(w->listener, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)), 0);
	wire_accepted(w, "<mss 1460>", 65535);
	for (size_t i = 0; i < sizeof(v) / sizeof(v[0]); i++)
		wire_get(w, v[i][0], v[i][1], v[i][2]);
	tv.tv_sec = 0;
	WIRE_EQ(w, tcp_getsockopt(w->flow->c, SOL_SOCKET, SO_RCVTIMEO, &tv, &len), 0);
	WIRE_EQ(w, tv.tv_sec, 2);
	wire_end(w);
}

/* With IP_RECVERR a soft error is told at once, and is no end. */
WIRE_TEST(recverr_tells_soft_errors)
{
	wire_start(w);
	wire_accepted(w, "<mss 1460>", 65535);
	wire_send(w, 100, 100);
	wire_out(w, "P. 1:101(100) ack 1");
	wire_icmp(w, TCP_ICMP_UNREACHABLE, EHOSTUNREACH, 0, 1);
	wire_poll(w, POLLOUT);
	wire_set(w, IPPROTO_IP, IP_RECVERR, 1);
	wire_icmp(w, TCP_ICMP_UNREACHABLE, ENETUNREACH, 0, 1);
	wire_poll(w, POLLOUT | POLLERR);
	wire_error(w, ENETUNREACH);
	wire_in(w, ". 1:1(0) ack 101");
	wire_poll(w, POLLOUT);
	wire_state(w, TCP_ESTABLISHED);
	wire_end(w);
}
