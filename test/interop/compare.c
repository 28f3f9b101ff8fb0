/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Compares Tern with Linux: sequences of plain socket calls, of which each return value, errno,
 * event and order is checked against the value that Linux gives. The program knows nothing of Tern:
 * it is run once on the kernel and once by `tern run`, with the same peer on the other side, and
 * must find the same both times.
 *
 *     compare peer PATH                         the other side; says "ready"
 *     compare run PATH OWN4 OWN6 PEER4 PEER6 [CASE…]
 *     compare fastopen PATH OWN4 OWN6 PEER4 PEER6 [CASE…]
 *     compare fastopen-off, fastopen-later, repair, repair-user: likewise
 *
 * The others are of Fast Open, which both sides must have been told to do, or one not to do, and of
 * repair; COMPARE_HANDS is a script that forgets cookies or loses packets for the peer: see
 * compare_fastopen.sh and compare_repair.sh. Where Tern differs from Linux on purpose, a check
 * states both, and COMPARE_SIDE=tern says which holds.
 *
 * Each mismatch is a line "case, file:line, what: expected …, got …"; the last line counts checks
 * and mismatches. Ends with status 0 if there was none.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "compare.h"

enum {
	CASE_SECONDS = 20,
	PATIENCE_MS = 3000,
	LEFTOVERS = 100, /* descriptors that a case may leave behind */
	LARGE = 1 << 20,
};

static const char *case_name = "";
static unsigned int checks, mismatches;
static int control = -1; /* the peer hears us there */
static char about[64];   /* which of several alike the case is at */
static struct {
	char own4[64], own6[64], peer4[64], peer6[64];
} hosts;

/* ---- Checks */

static void
name_result(char *out, size_t room, long got, int error)
{
	if (got == -1 && error != 0)
		snprintf(out, room, "-1 %s", strerrorname_np(error));
	else
		snprintf(out, room, "%ld", got);
}

static void
name_events(char *out, size_t room, int events)
{
	static const struct {
		int bit;
		const char *name;
	} names[] = {
		{POLLIN, "IN"},         {POLLPRI, "PRI"},       {POLLOUT, "OUT"},
		{POLLRDNORM, "RDNORM"}, {POLLWRNORM, "WRNORM"}, {POLLRDBAND, "RDBAND"},
		{POLLWRBAND, "WRBAND"}, {POLLERR, "ERR"},       {POLLHUP, "HUP"},
		{POLLRDHUP, "RDHUP"},   {POLLNVAL, "NVAL"},
	};
	size_t at = 0;

	out[0] = '\0';
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (events & names[i].bit)
			at += (size_t)snprintf(out + at, room - at, "%s%s", at > 0 ? "|" : "",
					       names[i].name);
	if (at == 0)
		snprintf(out, room, "nothing");
}

void
compare_about(const char *what)
{
	snprintf(about, sizeof(about), "%s", what);
}

static void
mismatch(const char *file, int line, const char *what, const char *expected, const char *got)
{
	mismatches++;
	printf("%s%s%s, %s:%d, %s: expected %s, got %s\n", case_name, about[0] != '\0' ? " " : "",
	       about, file, line, what, expected, got);
	fflush(stdout);
}

long
compare_gives(const char *file, int line, const char *what, long expected, long got)
{
	char a[64], b[64];
	int error = errno;

	checks++;
	if (got == expected)
		return got;
	snprintf(a, sizeof(a), "%ld", expected);
	name_result(b, sizeof(b), got, error);
	mismatch(file, line, what, a, b);
	return got;
}

long
compare_fails(const char *file, int line, const char *what, int error, long got)
{
	char a[64], b[64];
	int found = errno;

	checks++;
	if (got == -1 && found == error)
		return got;
	name_result(a, sizeof(a), -1, error);
	name_result(b, sizeof(b), got, found);
	mismatch(file, line, what, a, b);
	return got;
}

bool
compare_holds(const char *file, int line, const char *what, bool holds)
{
	checks++;
	if (!holds)
		mismatch(file, line, what, "true", "false");
	return holds;
}

short
compare_polls(const char *file, int line, const char *what, int expected, int fd)
{
	struct pollfd p = {.fd = fd,
			   .events = POLLIN | POLLPRI | POLLOUT | POLLRDNORM | POLLWRNORM |
				     POLLRDBAND | POLLWRBAND | POLLRDHUP};
	char a[128], b[128];
	int n = poll(&p, 1, 0);

	checks++;
	if (p.revents == expected && n == (expected != 0))
		return p.revents;
	name_events(a, sizeof(a), expected);
	name_events(b, sizeof(b), p.revents);
	mismatch(file, line, what, a, b);
	return p.revents;
}

void
compare_give_up(const char *why)
{
	int error = errno;

	checks++;
	mismatches++;
	printf("%s, gives up: %s (%s)\n%u checks, %u mismatches\n", case_name, why, strerror(error),
	       checks, mismatches);
	fflush(stdout);
	_exit(1);
}

void
compare_moves(void)
{
	alarm(CASE_SECONDS);
}

bool
compare_is_tern(void)
{
	const char *side = getenv("COMPARE_SIDE");

	return side != NULL && strcmp(side, "tern") == 0;
}

/* ---- Addresses */

struct address
address_text(const char *ip, uint16_t port)
{
	struct address a = {0};

	if (inet_pton(AF_INET, ip, &a.in.sin_addr) == 1) {
		a.in.sin_family = AF_INET;
		a.in.sin_port = htons(port);
		a.bytes = sizeof(a.in);
	} else if (inet_pton(AF_INET6, ip, &a.in6.sin6_addr) == 1) {
		a.in6.sin6_family = AF_INET6;
		a.in6.sin6_port = htons(port);
		a.bytes = sizeof(a.in6);
	} else {
		compare_give_up("no address");
	}
	return a;
}

struct address
address_own(int family, uint16_t port)
{
	return address_text(family == AF_INET ? hosts.own4 : hosts.own6, port);
}

struct address
address_peer(int family, uint16_t port)
{
	return address_text(family == AF_INET ? hosts.peer4 : hosts.peer6, port);
}

struct address
address_wildcard(int family, uint16_t port)
{
	return address_text(family == AF_INET ? "0.0.0.0" : "::", port);
}

uint16_t
port_of(int fd)
{
	struct address a = {.bytes = sizeof(a.storage)};

	if (getsockname(fd, &a.any, &a.bytes) < 0)
		return 0;
	return ntohs(a.in.sin_port); /* at the same place in both families */
}

/* ---- Our side */

int
new_socket(int family, int flags)
{
	int fd = socket(family, SOCK_STREAM | flags, 0);

	if (fd < 0)
		compare_give_up("socket");
	return fd;
}

int
new_listener(int family, int backlog)
{
	struct address own = address_own(family, 0);
	int fd = new_socket(family, 0);

	if (bind(fd, &own.any, own.bytes) < 0 || listen(fd, backlog) < 0)
		compare_give_up("listen");
	return fd;
}

void
set_option(int fd, int level, int name, int value)
{
	if (setsockopt(fd, level, name, &value, sizeof(value)) < 0)
		compare_give_up("setsockopt");
}

int
get_option(int fd, int level, int name)
{
	int value = -1;
	socklen_t bytes = sizeof(value);

	return getsockopt(fd, level, name, &value, &bytes) < 0 ? -1 : value;
}

bool
await(int fd, short events)
{
	struct pollfd p = {.fd = fd, .events = events};

	return poll(&p, 1, PATIENCE_MS) == 1;
}

void
sleep_ms(int ms)
{
	struct timespec time = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L};

	while (nanosleep(&time, &time) < 0)
		;
}

int64_t
now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * INT64_C(1000) + now.tv_nsec / 1000000;
}

struct pair
connect_pair(int family)
{
	struct pair pair = {.fd = new_socket(family, 0)};
	struct address to;
	uint16_t port = 0;
	int listener = peer_listen(family, 4, &port);

	to = address_peer(family, port);
	if (listener < 0 || connect(pair.fd, &to.any, to.bytes) < 0)
		compare_give_up("connect");
	pair.peer = peer_accept(listener);
	peer_close(listener);
	if (pair.peer < 0)
		compare_give_up("the peer's accept");
	return pair;
}

struct pair
accept_pair(int family)
{
	int listener = new_listener(family, 4);
	struct address to = address_own(family, port_of(listener));
	struct pair pair = {.peer = peer_connect(&to)};

	if (pair.peer < 0)
		compare_give_up("the peer's connect");
	pair.fd = accept(listener, NULL, NULL);
	if (pair.fd < 0)
		compare_give_up("accept");
	close(listener);
	return pair;
}

size_t
fill(int fd)
{
	static uint8_t bytes[LARGE];
	size_t done = 0;
	unsigned int idle = 0;

	/* What has been sent makes room again: it is full when that has ended. */
	while (idle < 3) {
		ssize_t n;

		for (size_t i = 0; i < 251 && i < sizeof(bytes); i++)
			bytes[i] = pattern(done + i);
		for (size_t i = 251; i < sizeof(bytes); i++)
			bytes[i] = bytes[i - 251];
		n = send(fd, bytes, sizeof(bytes), MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n > 0) {
			done += (size_t)n;
			idle = 0;
		} else {
			idle++;
			sleep_ms(60);
		}
	}
	return done;
}

/* ---- Running */

static const struct compare_case *const tables[] = {
	compare_open_cases,
	compare_connect_cases,
	compare_accept_cases,
	compare_bytes_cases,
	compare_message_cases,
	compare_end_cases,
	compare_poll_cases,
	compare_epoll_cases,
	compare_descriptors_cases,
	compare_time_cases,
	compare_family_cases,
	compare_options_cases,
	NULL,
};

static const struct compare_case *const fastopen_tables[] = {
	compare_fastopen_cases,
	compare_fastopen_write_cases,
	compare_fastopen_message_cases,
	compare_fastopen_server_cases,
	NULL,
};

static const struct compare_case *const repair_tables[] = {
	compare_repair_cases,
	compare_repair_options_cases,
	compare_repair_queue_cases,
	compare_repair_silent_cases,
	compare_repair_leave_cases,
	compare_repair_shared_cases,
	NULL,
};

static const struct compare_case *const repair_user_tables[] = {compare_repair_user_cases, NULL};
static const struct compare_case *const fastopen_off_tables[] = {compare_fastopen_off_cases, NULL};
static const struct compare_case *const fastopen_later_tables[] = {compare_fastopen_later_cases,
								   NULL};

/* What the first argument may be. */
static const struct {
	const char *name;
	const struct compare_case *const *tables;
} modes[] = {
	{"run", tables},
	{"fastopen", fastopen_tables},
	{"fastopen-off", fastopen_off_tables},
	{"fastopen-later", fastopen_later_tables},
	{"repair", repair_tables},
	{"repair-user", repair_user_tables},
};

static void
hangs(int signal)
{
	(void)signal;
	compare_give_up("it hangs");
}

static bool
is_wanted(const char *name, char **wanted, int n)
{
	for (int i = 0; i < n; i++)
		if (strcmp(wanted[i], name) == 0)
			return true;
	return n == 0;
}

static void
run_case(const struct compare_case *c)
{
	case_name = c->name;
	about[0] = '\0';
	compare_moves();
	c->run();
	alarm(0);
	for (int fd = control + 1; fd < control + LEFTOVERS; fd++)
		close(fd);
	peer_forget();
}

int
main(int argc, char **argv)
{
	struct sigaction on_alarm = {.sa_handler = hangs, .sa_flags = SA_RESTART};
	const struct compare_case *const *table = NULL;

	if (argc == 3 && strcmp(argv[1], "peer") == 0)
		return compare_peer(argv[2]);
	if (argc == 3 && strcmp(argv[1], "repair-exec") == 0)
		return compare_repair_exec(argv[2]);
	for (size_t i = 0; argc >= 7 && i < sizeof(modes) / sizeof(modes[0]); i++)
		if (strcmp(argv[1], modes[i].name) == 0)
			table = modes[i].tables;
	if (table == NULL) {
		fprintf(stderr, "usage: see the head of compare.c\n");
		return 2;
	}
	snprintf(hosts.own4, sizeof(hosts.own4), "%s", argv[3]);
	snprintf(hosts.own6, sizeof(hosts.own6), "%s", argv[4]);
	snprintf(hosts.peer4, sizeof(hosts.peer4), "%s", argv[5]);
	snprintf(hosts.peer6, sizeof(hosts.peer6), "%s", argv[6]);
	sigaction(SIGALRM, &on_alarm, NULL);
	signal(SIGPIPE, SIG_IGN);
	control = peer_reach(argv[2]);
	for (; *table != NULL; table++)
		for (const struct compare_case *c = *table; c->name != NULL; c++)
			if (is_wanted(c->name, argv + 7, argc - 7))
				run_case(c);
	printf("%u checks, %u mismatches\n", checks, mismatches);
	return mismatches != 0;
}
