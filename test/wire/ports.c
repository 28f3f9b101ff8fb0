/* SPDX-License-Identifier: BSD-3-Clause */
/* Who may have which port: the table's rows on the engine, and that all of it comes back. */
#include "ports_table.h"
#include "steps.h"
#include "wire.h"

enum {
	OPT_IP_LOCAL_PORT_RANGE = 51,
	SOCKETS = 8,
	FIRST_PEER_PORT = 50000,
	ROW_PORT = 40000,
	OTHER_USER = 1000,
};

struct stage {
	struct wire *w;
	struct tcp_conn *c[SOCKETS];
	int families[SOCKETS];
	unsigned int flows[SOCKETS];
	unsigned int next_flow; /* of the engine: each connection's ports are new to the harness */
	uint16_t peer_port;     /* of the row */
	int chosen;
};

static struct ip_addr
address(struct stage *s, const char *name, int family)
{
	static const uint8_t foreign6[16] = {0x20, 1, 0xd, 0xb8, 0, 9, [15] = 9};
	bool is4 = family == AF_INET || name[0] == 'M' || name[0] == 'W';

	if (name[0] == '*' || name[0] == 'W')
		return is4 ? ip_from4(be32(0)) : (struct ip_addr){0};
	if (name[0] == 'X')
		return is4 ? ip_from4(be32(0xcb007109)) : ip_from6(foreign6);
	return ip_is4(&s->w->local) == is4 ? s->w->local : s->w->also_local;
}

static uint16_t
port_of(const struct tcp_conn *c)
{
	struct tcp_endpoint e;

	tcp_getsockname(c, &e);
	return e.port;
}

static long
set(struct stage *s, int level, int name, int v)
{
	return tcp_setsockopt(s->c[s->chosen], level, name, &v, sizeof(v));
}

static long
do_bind(struct stage *s, const struct step *step)
{
	struct tcp_endpoint e = {address(s, step->first, s->families[s->chosen]), ROW_PORT};

	if (step->second[0] == '0')
		e.port = 0;
	else if (step->second[0] != 0)
		e.port = port_of(s->c[step->second[0] - 'a']);
	return tcp_bind(s->c[s->chosen], &e);
}

static void
new_flow(struct stage *s, int socket)
{
	s->flows[socket] = s->next_flow++;
	wire_flow(s->w, s->flows[socket]);
}

static long
do_connect(struct stage *s)
{
	struct tcp_conn *c = s->c[s->chosen];
	struct wire *w = s->w;
	long answer;

	new_flow(s, s->chosen);
	w->flow->remote.port = s->peer_port;
	answer = tcp_connect(c, &w->flow->remote);
	if (answer != -EINPROGRESS)
		return answer;
	tcp_getsockname(c, &w->flow->local);
	tcp_flush(w->engine);
	wire_out(w, "S 0:0(0) <*>");
	wire_in(w, "S. 0:0(0) ack 1 win 65535 <mss 1460>");
	wire_out(w, ". 1:1(0) ack 1");
	return 0;
}

static long
do_accept(struct stage *s, int child)
{
	struct wire *w = s->w;
	int parent = s->chosen;

	new_flow(s, child);
	w->flow->local.port = port_of(s->c[parent]);
	wire_in(w, "S 0:0(0) win 65535 <mss 1460>");
	wire_out(w, "S. 0:0(0) ack 1 <mss 1460>");
	wire_in(w, ". 1:1(0) ack 1 win 65535");
	s->chosen = child;
	s->families[child] = s->families[parent];
	return tcp_accept(s->c[parent], &s->c[child]);
}

static long
do_close(struct stage *s)
{
	tcp_close(s->c[s->chosen]);
	tcp_flush(s->w->engine);
	s->c[s->chosen] = NULL;
	return 0;
}

static long
do_end(struct stage *s, bool reset)
{
	struct wire *w = s->w;

	wire_flow(w, s->flows[s->chosen]);
	if (reset) {
		wire_in(w, "R 1:1(0)");
		return 0;
	}
	do_close(s);
	wire_out(w, "F. 1:1(0) ack 1");
	wire_in(w, "F. 1:1(0) ack 2");
	wire_out(w, ". 2:2(0) ack 2");
	return 0;
}

static long
do_open(struct stage *s, const char *name)
{
	bool other = name[0] == 'u';
	int i = name[other + 1] - 'a', family = s->w->family;

	if (name[other] != 'F')
		family = name[other] == '4' ? AF_INET : AF_INET6;
	WIRE_EQ(s->w, tcp_open(s->w->engine, family, &s->c[i]), 0);
	tcp_set_uid(s->c[i], other ? OTHER_USER : 0);
	s->families[i] = family;
	s->chosen = i;
	return 0;
}

static long
run_step(struct stage *s, const struct step *step)
{
	static const struct {
		const char *name;
		int level, option, v;
	} options[] = {
		{"reuse", SOL_SOCKET, SO_REUSEADDR, 1},
		{"noreuse", SOL_SOCKET, SO_REUSEADDR, 0},
		{"rport", SOL_SOCKET, SO_REUSEPORT, 1},
		{"v6only", IPPROTO_IPV6, IPV6_V6ONLY, 1},
		{"noport", IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1},
		{"freebind", IPPROTO_IP, IP_FREEBIND, 1},
		{"range", IPPROTO_IP, OPT_IP_LOCAL_PORT_RANGE,
		 (int)((uint32_t)ROW_PORT << 16 | ROW_PORT)},
	};
	struct tcp_conn *c = s->c[s->chosen];

	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
		if (strcmp(step->name, options[i].name) == 0)
			return set(s, options[i].level, options[i].option, options[i].v);
	if (step->name[0] == '@') {
		s->chosen = step->name[1] - 'a';
		return 0;
	}
	if (strcmp(step->name, "bind") == 0)
		return do_bind(s, step);
	if (strcmp(step->name, "listen") == 0)
		return tcp_listen(c, 8);
	if (strcmp(step->name, "connect") == 0)
		return do_connect(s);
	if (strcmp(step->name, "accept") == 0)
		return do_accept(s, step->first[0] - 'a');
	if (strcmp(step->name, "end") == 0 || strcmp(step->name, "reset") == 0)
		return do_end(s, step->name[0] == 'r');
	if (strcmp(step->name, "stop") == 0)
		return tcp_shutdown(c, SHUT_RD);
	if (strcmp(step->name, "close") == 0)
		return do_close(s);
	return do_open(s, step->name);
}

static const char *
answer_of(struct stage *s, const struct step *step)
{
	uint16_t port;

	if (strcmp(step->name, "port") != 0)
		return step_answer(run_step(s, step));
	port = port_of(s->c[s->chosen]);
	return port == ROW_PORT ? "P" : port == 0 ? "0" : "+";
}

/* A row leaves nothing behind, when TIME-WAIT is over. */
static void
run_row(struct stage *s, const char *row)
{
	const char *at = row;
	struct step step;

	while (step_read(&at, &step)) {
		const char *answer = answer_of(s, &step);

		if (strcmp(answer, step.answer) != 0)
			wire_fail(s->w, "%s\n  %s:%s answers \"%s\"", row, step.name, step.first,
				  answer);
	}
	for (int i = 0; i < SOCKETS; i++)
		if (s->c[i] != NULL)
			tcp_abort(s->c[i]);
	memset(s->c, 0, sizeof(s->c));
	tcp_flush(s->w->engine);
	wire_skip(s->w);
	wire_wait(s->w, SEC(61));
	wire_used(s->w, ports, 0);
	s->peer_port++;
}

static void
run_rows(struct wire *w, const char *const *rows, size_t n)
{
	struct stage s = {.w = w, .peer_port = FIRST_PEER_PORT};

	wire_start(w);
	for (size_t i = 0; i < n; i++)
		run_row(&s, rows[i]);
	wire_end(w);
}

WIRE_TEST(each_family_alone)
{
	run_rows(w, port_rows, sizeof(port_rows) / sizeof(port_rows[0]));
}

WIRE_TEST(both_families)
{
	run_rows(w, port_rows_mixed, sizeof(port_rows_mixed) / sizeof(port_rows_mixed[0]));
}

WIRE_TEST4(ipv4_peers_of_ipv6_sockets)
{
	run_rows(w, port_rows_mapped, sizeof(port_rows_mapped) / sizeof(port_rows_mapped[0]));
}

/* A thousand connections of one listener have one share between them, whatever becomes of them. */
WIRE_TEST(many_connections_one_share)
{
	wire_start(w);
	for (unsigned int i = 0; i < 200; i++) {
		wire_flow(w, i);
		wire_accepted(w, "<mss 1460>", 65535);
	}
	wire_used(w, ports, 2);
	for (unsigned int i = 0; i < 200; i++) {
		wire_flow(w, i);
		wire_close(w);
		wire_out(w, "F. 1:1(0) ack 1");
		wire_in(w, "F. 1:1(0) ack 2");
		wire_out(w, ". 2:2(0) ack 2");
	}
	wire_used(w, ports, 2);
	wire_wait(w, SEC(61));
	wire_used(w, ports, 1);
	wire_end(w);
}

/* TIME-WAIT's table is full: what gives way gives its port back. */
WIRE_TEST(evicted_timewait_gives_its_port_back)
{
	struct tcp_endpoint e = {.port = WIRE_LOCAL_PORT};
	struct tcp_conn *c;

	wire_start(w, .max_timewait = 1);
	for (unsigned int i = 0; i < 2; i++) {
		wire_flow(w, i);
		WIRE_EQ(w, tcp_open(w->engine, w->family, &c), 0);
		e.port = (uint16_t)(WIRE_LOCAL_PORT + i);
		WIRE_EQ(w, tcp_bind(c, &e), 0);
		w->flow->local.port = e.port;
		w->flow->c = c;
		tcp_set_user(c, w->flow);
		wire_connect(w, -EINPROGRESS);
		wire_out(w, "S 0:0(0) <*>");
		wire_in(w, "S. 0:0(0) ack 1 win 65535 <mss 1460>");
		wire_out(w, ". 1:1(0) ack 1");
		wire_close(w);
		wire_out(w, "F. 1:1(0) ack 1");
		wire_in(w, "F. 1:1(0) ack 2");
		wire_out(w, ". 2:2(0) ack 2");
	}
	WIRE_EQ(w, tcp_open(w->engine, w->family, &c), 0);
	WIRE_EQ(w, tcp_bind(c, &e), -EADDRINUSE);
	e.port = WIRE_LOCAL_PORT;
	WIRE_EQ(w, tcp_bind(c, &e), 0);
	tcp_close(c);
	wire_end(w);
}

/* A SYN that nobody answers: the port is free again, and was not before. */
WIRE_TEST(failed_connect_gives_its_port_back)
{
	struct tcp_endpoint e;
	struct tcp_conn *c;

	wire_start(w, .syn_retries = 1);
	wire_connect(w, -EINPROGRESS);
	wire_out(w, "S 0:0(0) <*>");
	tcp_getsockname(w->flow->c, &e);
	WIRE_EQ(w, tcp_open(w->engine, w->family, &c), 0);
	WIRE_EQ(w, tcp_bind(c, &e), -EADDRINUSE);
	wire_in(w, "R. 0:0(0) ack 1");
	wire_error(w, ECONNREFUSED);
	WIRE_EQ(w, tcp_bind(c, &e), 0);
	tcp_close(c);
	wire_end(w);
}
