/* SPDX-License-Identifier: BSD-3-Clause */
/* Runs the rows of calls_table.h on the kernel's sockets, over loopback. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "calls_table.h"
#include "linux_tables.h"
#include "steps.h"

enum { OPT_TCP_NOTSENT_LOWAT = 25 };

struct stage {
	int fd, peer, helper;
	struct sockaddr_in remote; /* who connect() is for */
};

static long
answer(long status)
{
	return status < 0 ? -errno : status;
}

static int
listener(struct sockaddr_in *at, int backlog)
{
	socklen_t len = sizeof(*at);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	*at = (struct sockaddr_in){.sin_family = AF_INET,
				   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	if (bind(fd, (struct sockaddr *)at, len) < 0 || (backlog >= 0 && listen(fd, backlog) < 0) ||
	    getsockname(fd, (struct sockaddr *)at, &len) < 0)
		abort();
	return fd;
}

static int
new_socket(void)
{
	return socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
}

static long
do_connect(struct stage *s)
{
	return answer(connect(s->fd, (struct sockaddr *)&s->remote, sizeof(s->remote)));
}

/* A listener whose queue is full answers no SYN. */
static void
connecting(struct stage *s)
{
	s->helper = listener(&s->remote, 0);
	s->peer = new_socket();
	connect(s->peer, (struct sockaddr *)&s->remote, sizeof(s->remote));
	usleep(2000);
	do_connect(s);
}

static void
refused(struct stage *s)
{
	s->helper = listener(&s->remote, -1);
	do_connect(s);
}

static void
opened(struct stage *s)
{
	s->helper = listener(&s->remote, 1);
	do_connect(s);
	s->peer = accept(s->helper, NULL, NULL);
}

static void
listening(struct stage *s)
{
	close(s->fd);
	s->fd = listener(&s->remote, 1);
	fcntl(s->fd, F_SETFL, O_NONBLOCK);
}

static long
do_accept(struct stage *s)
{
	int fd = accept4(s->fd, NULL, NULL, SOCK_NONBLOCK);

	if (fd < 0)
		return -errno;
	s->helper = s->fd;
	s->fd = fd;
	return 0;
}

static void
reset(struct stage *s)
{
	const struct linger now = {1, 0};

	setsockopt(s->peer, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	close(s->peer);
	s->peer = -1;
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
			return answer(recv(s->fd, buf, (size_t)atoi(step->first), flags[i].flags));
	abort();
}

static long
set(int fd, int level, int name, int v)
{
	return answer(setsockopt(fd, level, name, &v, sizeof(v)));
}

static long
get_error(int fd)
{
	socklen_t len = sizeof(int);
	int v = 0;

	getsockopt(fd, SOL_SOCKET, SO_ERROR, &v, &len);
	return -v;
}

static const char *
do_poll(int fd)
{
	static const struct {
		short bit;
		char letter;
	} bits[] = {{POLLIN, 'I'},  {POLLOUT, 'O'}, {POLLPRI, 'P'},
		    {POLLERR, 'E'}, {POLLHUP, 'H'}, {POLLRDHUP, 'R'}};
	struct pollfd p = {.fd = fd, .events = POLLIN | POLLOUT | POLLPRI | POLLRDHUP};
	static char text[8];
	int n = 0;

	poll(&p, 1, 0);
	for (size_t i = 0; i < sizeof(bits) / sizeof(bits[0]); i++)
		if (p.revents & bits[i].bit)
			text[n++] = bits[i].letter;
	text[n] = 0;
	return text;
}

static bool
stage_step(struct stage *s, const struct step *step)
{
	static const char bytes[256];

	if (strcmp(step->name, "connecting") == 0)
		connecting(s);
	else if (strcmp(step->name, "refused") == 0)
		refused(s);
	else if (strcmp(step->name, "open") == 0)
		opened(s);
	else if (strcmp(step->name, "listening") == 0)
		listening(s);
	else if (strcmp(step->name, "peer") == 0) {
		s->peer = socket(AF_INET, SOCK_STREAM, 0);
		connect(s->peer, (struct sockaddr *)&s->remote, sizeof(s->remote));
	} else if (strcmp(step->name, "fin") == 0)
		shutdown(s->peer, SHUT_WR);
	else if (strcmp(step->name, "rst") == 0)
		reset(s);
	else if (strcmp(step->name, "data") == 0)
		send(s->peer, bytes, (size_t)atoi(step->first), 0);
	else if (strcmp(step->name, "oob") == 0)
		send(s->peer, bytes, 1, MSG_OOB);
	else
		return strcmp(step->name, "new") == 0;
	usleep(4000);
	return true;
}

static long
call_step(struct stage *s, const struct step *step)
{
	struct sockaddr_in a;
	socklen_t len = sizeof(a);
	static const char bytes[256];
	long status;

	if (strcmp(step->name, "recv") == 0)
		return do_recv(s, step);
	if (strcmp(step->name, "send") == 0) {
		status = answer(send(s->fd, bytes, (size_t)atoi(step->first), MSG_NOSIGNAL));
		usleep(2000);
		return status;
	}
	if (strcmp(step->name, "rd") == 0)
		return answer(shutdown(s->fd, SHUT_RD));
	if (strcmp(step->name, "wr") == 0 || strcmp(step->name, "rdwr") == 0) {
		status = answer(shutdown(s->fd, step->name[0] == 'w' ? SHUT_WR : SHUT_RDWR));
		usleep(4000);
		return status;
	}
	if (strcmp(step->name, "lowat") == 0)
		return set(s->fd, SOL_SOCKET, SO_RCVLOWAT, atoi(step->first));
	if (strcmp(step->name, "notsent") == 0)
		return set(s->fd, IPPROTO_TCP, OPT_TCP_NOTSENT_LOWAT, atoi(step->first));
	if (strcmp(step->name, "inline") == 0)
		return set(s->fd, SOL_SOCKET, SO_OOBINLINE, 1);
	if (strcmp(step->name, "error") == 0)
		return get_error(s->fd);
	if (strcmp(step->name, "connect") == 0)
		return do_connect(s);
	if (strcmp(step->name, "accept") == 0)
		return do_accept(s);
	if (strcmp(step->name, "listen") == 0)
		return answer(listen(s->fd, 1));
	if (strcmp(step->name, "peername") == 0)
		return answer(getpeername(s->fd, (struct sockaddr *)&a, &len));
	abort();
}

static unsigned int
run_row(const char *row)
{
	struct stage s = {.fd = new_socket(), .peer = -1, .helper = -1};
	unsigned int wrong = 0;
	const char *at = row;
	struct step step;

	while (step_read(&at, &step)) {
		const char *got = "";

		if (strcmp(step.name, "poll") == 0)
			got = do_poll(s.fd);
		else if (!stage_step(&s, &step))
			got = step_answer(call_step(&s, &step));
		if (strcmp(got, step.answer) != 0) {
			printf("%s\n      %s:%s answers \"%s\"\n", row, step.name, step.first, got);
			wrong++;
		}
	}
	close(s.fd);
	if (s.peer >= 0)
		close(s.peer);
	if (s.helper >= 0)
		close(s.helper);
	return wrong;
}

unsigned int
linux_calls(void)
{
	unsigned int wrong = 0;

	for (size_t i = 0; i < sizeof(call_rows) / sizeof(call_rows[0]); i++)
		wrong += run_row(call_rows[i]);
	return wrong;
}
