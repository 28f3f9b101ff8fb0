/* SPDX-License-Identifier: BSD-3-Clause */
/* Runs the rows of ports_table.h on the kernel's sockets, in a network namespace of its own. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/fsuid.h>
#include <sys/socket.h>
#include <unistd.h>

#include "linux_tables.h"
#include "ports_table.h"
#include "steps.h"

enum {
	OPT_IP_LOCAL_PORT_RANGE = 51,
	SOCKETS = 8,
	FIRST_PORT = 40000, /* of the first row; inside what the kernel chooses from */
};

struct stage {
	int family, fds[SOCKETS], peers[SOCKETS], families[SOCKETS];
	int chosen, listener;
	uint16_t port, peer_port;
};

union address {
	struct sockaddr any;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
};

static socklen_t
address(union address *a, int family, const char *name, uint16_t port)
{
	const char *ip = strcmp(name, "*") == 0 ? "::" : "::1";

	memset(a, 0, sizeof(*a));
	a->any.sa_family = (sa_family_t)family;
	if (family == AF_INET) {
		ip = strcmp(name, "*") == 0 ? "0.0.0.0" : "127.0.0.1";
		a->in.sin_port = htons(port);
		inet_pton(family, strcmp(name, "X") == 0 ? "203.0.113.9" : ip, &a->in.sin_addr);
		return sizeof(a->in);
	}
	if (strcmp(name, "X") == 0)
		ip = "2001:db8:9::9";
	if (strcmp(name, "M") == 0)
		ip = "::ffff:127.0.0.1";
	if (strcmp(name, "W") == 0)
		ip = "::ffff:0.0.0.0";
	a->in6.sin6_port = htons(port);
	inet_pton(family, ip, &a->in6.sin6_addr);
	return sizeof(a->in6);
}

static uint16_t
port_of(int fd)
{
	union address a;
	socklen_t len = sizeof(a);

	getsockname(fd, &a.any, &len);
	return ntohs(a.any.sa_family == AF_INET ? a.in.sin_port : a.in6.sin6_port);
}

static int
open_listener(int family, uint16_t *port)
{
	union address a;
	socklen_t len = address(&a, family, "L", 0);
	int fd = socket(family, SOCK_STREAM, 0);

	if (bind(fd, &a.any, len) < 0 || listen(fd, 64) < 0)
		abort();
	*port = port_of(fd);
	return fd;
}

static long
set(int fd, int level, int name, int v)
{
	return setsockopt(fd, level, name, &v, sizeof(v)) < 0 ? -errno : 0;
}

static long
do_bind(struct stage *s, const struct step *step)
{
	uint16_t port = s->port;
	union address a;
	socklen_t len;

	if (step->second[0] == '0')
		port = 0;
	else if (step->second[0] != 0)
		port = port_of(s->fds[step->second[0] - 'a']);
	len = address(&a, s->families[s->chosen], step->first, port);
	return bind(s->fds[s->chosen], &a.any, len) < 0 ? -errno : 0;
}

static long
do_connect(struct stage *s)
{
	const char *name = s->families[s->chosen] != s->family ? "M" : "L";
	union address a;
	socklen_t len = address(&a, s->families[s->chosen], name, s->peer_port);

	if (connect(s->fds[s->chosen], &a.any, len) < 0)
		return -errno;
	s->peers[s->chosen] = accept(s->listener, NULL, NULL);
	return 0;
}

static long
do_accept(struct stage *s, int child)
{
	int listener = s->fds[s->chosen];
	union address a;
	socklen_t len = address(&a, s->family, "L", port_of(listener));

	s->peers[child] = socket(s->family, SOCK_STREAM, 0);
	if (connect(s->peers[child], &a.any, len) < 0)
		return -errno;
	s->fds[child] = accept(listener, NULL, NULL);
	s->families[child] = s->families[s->chosen];
	s->chosen = child;
	return 0;
}

static void
do_close(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static long
do_open(struct stage *s, const char *name)
{
	bool other = name[0] == 'u';
	int i = name[other + 1] - 'a', family = s->family;

	if (name[other] != 'F')
		family = name[other] == '4' ? AF_INET : AF_INET6;
	if (other)
		setfsuid(1000);
	s->fds[i] = socket(family, SOCK_STREAM, 0);
	setfsuid(0);
	s->families[i] = family;
	s->chosen = i;
	return 0;
}

static long
do_end(struct stage *s, bool reset)
{
	const struct linger now = {1, 0};
	int *fd = &s->fds[s->chosen], *peer = &s->peers[s->chosen];

	if (reset)
		setsockopt(*peer, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	else
		do_close(fd);
	do_close(peer);
	usleep(20000);
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
	};
	int fd = s->fds[s->chosen];

	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
		if (strcmp(step->name, options[i].name) == 0)
			return set(fd, options[i].level, options[i].option, options[i].v);
	if (step->name[0] == '@') {
		s->chosen = step->name[1] - 'a';
		return 0;
	}
	if (strcmp(step->name, "range") == 0)
		return set(fd, IPPROTO_IP, OPT_IP_LOCAL_PORT_RANGE,
			   (int)((uint32_t)s->port << 16 | s->port));
	if (strcmp(step->name, "bind") == 0)
		return do_bind(s, step);
	if (strcmp(step->name, "listen") == 0)
		return listen(fd, 8) < 0 ? -errno : 0;
	if (strcmp(step->name, "connect") == 0)
		return do_connect(s);
	if (strcmp(step->name, "accept") == 0)
		return do_accept(s, step->first[0] - 'a');
	if (strcmp(step->name, "end") == 0 || strcmp(step->name, "reset") == 0)
		return do_end(s, step->name[0] == 'r');
	if (strcmp(step->name, "stop") == 0)
		return shutdown(fd, SHUT_RD) < 0 ? -errno : 0;
	if (strcmp(step->name, "close") == 0) {
		do_close(&s->fds[s->chosen]);
		return 0;
	}
	return do_open(s, step->name);
}

static const char *
answer_of(struct stage *s, const struct step *step)
{
	uint16_t port;

	if (strcmp(step->name, "port") != 0)
		return step_answer(run_step(s, step));
	port = port_of(s->fds[s->chosen]);
	return port == s->port ? "P" : port == 0 ? "0" : "+";
}

static unsigned int
run_row(int family, const char *row, uint16_t port)
{
	struct stage s = {.family = family, .port = port};
	unsigned int wrong = 0;
	const char *at = row;
	struct step step;

	for (int i = 0; i < SOCKETS; i++)
		s.fds[i] = s.peers[i] = -1;
	s.listener = open_listener(family, &s.peer_port);
	while (step_read(&at, &step)) {
		const char *answer = answer_of(&s, &step);

		if (strcmp(answer, step.answer) != 0) {
			printf("IPv%d  %s\n      %s:%s answers \"%s\"\n", family == AF_INET ? 4 : 6,
			       row, step.name, step.first, answer);
			wrong++;
		}
	}
	for (int i = 0; i < SOCKETS; i++) {
		do_close(&s.fds[i]);
		do_close(&s.peers[i]);
	}
	close(s.listener);
	return wrong;
}

unsigned int
linux_ports(void)
{
	static const struct {
		const char *const *rows;
		size_t n;
		int family; /* 0: both */
	} tables[] = {
		{port_rows, sizeof(port_rows) / sizeof(port_rows[0]), 0},
		{port_rows_mixed, sizeof(port_rows_mixed) / sizeof(port_rows_mixed[0]), AF_INET},
		{port_rows_mapped, sizeof(port_rows_mapped) / sizeof(port_rows_mapped[0]), AF_INET},
	};
	uint16_t port = FIRST_PORT;
	unsigned int wrong = 0;

	for (size_t t = 0; t < sizeof(tables) / sizeof(tables[0]); t++)
		for (size_t i = 0; i < tables[t].n; i++) {
			if (tables[t].family != AF_INET6)
				wrong += run_row(AF_INET, tables[t].rows[i], port++);
			if (tables[t].family == 0)
				wrong += run_row(AF_INET6, tables[t].rows[i], port++);
		}
	return wrong;
}
