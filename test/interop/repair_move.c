/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Moves a connection that transfers data both ways from process to process, by plain Linux calls:
 * see repair_dump.c. Each side checks every byte that it gets.
 *
 *     repair_move peer ADDRESS PORT SENDS RECEIVES [first|behind] [late] [wait]
 *     repair_move connect OWN ADDRESS PORT SENDS RECEIVES [WHEN FILE]
 *     repair_move restore FILE [WHEN FILE]
 *
 * The peer says "ready". It sends so many bytes and receives so many; it closes after us, or
 * `first`, as soon as all is sent. `behind`: it sends half, the rest after SIGUSR1. `late`: it does
 * not read before SIGUSR1. `wait`: it begins to send after 300 ms.
 *
 * The others go on to the end, or dump the connection to the file WHEN:
 *
 *     bytes:N         so many more have been transferred
 *     idle            half is sent, all of that acknowledged, and all received
 *     unacked         data has been sent, and more is to be; all was received, nothing was read
 *     full            no more can be sent, for the peer does not read, and nothing was read
 *     syn             the SYN is sent
 *     fin             it is closed; neither that nor all data has left
 *     fin-acked       the peer has all that, and goes on
 *     peer-fin        half is sent; the peer's end was read
 *     peer-fin-unread the peer has closed, nothing of what it sent was read
 *     last-ack        it is closed after the peer; not all data has left
 *     closing         likewise, before the peer
 *
 * $REPAIR_MOVE_HOOK is a command that is run with the word "dump" before a dump, and with
 * "restored" before a restored connection leaves repair. Who comes to the end says "ok".
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/sockios.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "repair_move.h"

enum {
	PIECE = 65536,
	STEP_MS = 20,
	STUCK_MS = 200, /* nothing could be sent for so long: it is full */
	WAIT_MS = 300,
	PATIENCE_MS = 20000,
	SMALL_ROOM = 65536, /* SO_RCVBUF of a peer that reads late */
};

struct flow {
	int fd;
	uint64_t sent, received, sends, receives;
	uint64_t send_most; /* not more than this for now */
	bool reads, shut, ended;
	int64_t progress_ms; /* when something was transferred last */
};

static volatile sig_atomic_t awake;

static void
wake(int number)
{
	(void)number;
	awake = 1;
}

static int64_t
now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * INT64_C(1000) + now.tv_nsec / 1000000;
}

static _Noreturn void
give_up(const char *why, const struct flow *f)
{
	fprintf(stderr, "repair_move: %s: sent %ju of %ju, received %ju of %ju, state %d\n", why,
		(uintmax_t)f->sent, (uintmax_t)f->sends, (uintmax_t)f->received,
		(uintmax_t)f->receives, connection_state(f->fd));
	exit(1);
}

/* No two stretches of it look alike. */
static uint8_t
pattern(uint64_t i)
{
	uint64_t x = i * UINT64_C(0x9e3779b97f4a7c15);

	return (uint8_t)(x >> 56);
}

/* ---- Transfer */

static void
send_some(struct flow *f)
{
	static uint8_t piece[PIECE];
	uint64_t most = f->send_most - f->sent;
	size_t n = most < PIECE ? (size_t)most : PIECE;
	ssize_t sent;

	for (size_t i = 0; i < n; i++)
		piece[i] = pattern(f->sent + i);
	sent = send(f->fd, piece, n, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (sent < 0 && errno == EAGAIN)
		return;
	if (sent < 0)
		give_up(strerror(errno), f);
	f->sent += (uint64_t)sent;
	f->progress_ms = now_ms();
}

static void
receive_some(struct flow *f)
{
	static uint8_t piece[PIECE];
	ssize_t n = recv(f->fd, piece, sizeof(piece), MSG_DONTWAIT);

	if (n < 0 && errno == EAGAIN)
		return;
	if (n < 0)
		give_up(strerror(errno), f);
	for (ssize_t i = 0; i < n; i++)
		if (piece[i] != pattern(f->received + (uint64_t)i))
			give_up("wrong bytes", f);
	f->received += (uint64_t)n;
	f->ended = n == 0;
	f->progress_ms = now_ms();
	if (f->received > f->receives || (f->ended && f->received < f->receives))
		give_up("not as much as there should be", f);
}

static void
step(struct flow *f)
{
	struct pollfd p = {.fd = f->fd};

	if (f->sent < f->send_most)
		p.events |= POLLOUT;
	if (f->reads && !f->ended)
		p.events |= POLLIN;
	if (poll(&p, 1, STEP_MS) <= 0)
		return;
	if (p.revents & POLLOUT)
		send_some(f);
	if ((p.revents & (POLLIN | POLLHUP | POLLERR)) && f->reads && !f->ended)
		receive_some(f);
}

static void
close_sending(struct flow *f)
{
	if (f->shut)
		return;
	if (shutdown(f->fd, SHUT_WR) < 0)
		die("shutdown");
	f->shut = true;
}

static void
be_patient(const struct flow *f, int64_t since)
{
	int64_t last = f->progress_ms > since ? f->progress_ms : since;

	if (now_ms() - last > PATIENCE_MS)
		give_up("nothing moves", f);
}

static void
finish(struct flow *f)
{
	int64_t since = now_ms();

	f->send_most = f->sends;
	f->reads = true;
	while (f->sent < f->sends || !f->ended) {
		step(f);
		if (f->sent == f->sends)
			close_sending(f);
		be_patient(f, since);
	}
	close_sending(f);
	/* The peer has it all when it says so. */
	while (queued_bytes(f->fd, SIOCOUTQ) > 0 && connection_state(f->fd) != STATE_CLOSE) {
		poll(NULL, 0, STEP_MS);
		be_patient(f, since);
	}
	close(f->fd);
	puts("ok");
}

/* ---- When to dump */

struct moment {
	const char *name;
	int state; /* 0: any */
	bool reads, half, closes;
	bool (*is_now)(const struct flow *f);
};

static bool
in_state(const struct flow *f)
{
	(void)f;
	return true;
}

static bool
is_idle(const struct flow *f)
{
	return f->sent == f->send_most && f->received == f->receives &&
	       queued_bytes(f->fd, SIOCOUTQ) == 0;
}

static bool
is_unacked(const struct flow *f)
{
	int unsent = queued_bytes(f->fd, SIOCOUTQNSD);

	return unsent > 0 && queued_bytes(f->fd, SIOCOUTQ) > unsent &&
	       queued_bytes(f->fd, SIOCINQ) == (int)f->receives;
}

static bool
is_full(const struct flow *f)
{
	return now_ms() - f->progress_ms > STUCK_MS;
}

static bool
is_half(const struct flow *f)
{
	return f->sent == f->send_most;
}

static bool
is_ended(const struct flow *f)
{
	return f->ended && f->sent == f->send_most;
}

static const struct moment moments[] = {
	{"idle", STATE_ESTABLISHED, true, true, false, is_idle},
	{"unacked", STATE_ESTABLISHED, false, false, false, is_unacked},
	{"full", STATE_ESTABLISHED, false, false, false, is_full},
	{"syn", STATE_SYN_SENT, false, false, false, in_state},
	{"fin", STATE_FIN_WAIT_1, false, false, true, in_state},
	{"fin-acked", STATE_FIN_WAIT_2, true, false, true, in_state},
	{"peer-fin", STATE_CLOSE_WAIT, true, true, false, is_ended},
	{"peer-fin-unread", STATE_CLOSE_WAIT, false, true, false, is_half},
	{"last-ack", STATE_LAST_ACK, true, false, true, in_state},
	{"closing", STATE_CLOSING, false, false, true, in_state},
};

static void
go_on_until(struct flow *f, const struct moment *m)
{
	int64_t since = now_ms();

	f->send_most = m->half ? f->sends / 2 : f->sends;
	f->reads = m->reads;
	while (connection_state(f->fd) != m->state || !m->is_now(f)) {
		step(f);
		/* After the peer's end, for LAST-ACK. */
		if (m->closes && f->sent == f->sends && (m->state != STATE_LAST_ACK || f->ended))
			close_sending(f);
		be_patient(f, since);
	}
}

static void
go_on_for(struct flow *f, uint64_t bytes)
{
	uint64_t before = f->sent + f->received;
	int64_t since = now_ms();

	f->send_most = f->sends;
	f->reads = true;
	while (f->sent + f->received - before < bytes) {
		step(f);
		be_patient(f, since);
	}
}

static void
hook(const char *word)
{
	const char *command = getenv("REPAIR_MOVE_HOOK");
	char line[512];

	if (command == NULL)
		return;
	snprintf(line, sizeof(line), "%s %s", command, word);
	if (system(line) != 0)
		die(line);
}

/* To the end without a moment. */
static void
go_on(struct flow *f, const struct endpoint *peer, const char *when, const char *path)
{
	struct dump dump = {.peer = *peer};
	const struct moment *m = NULL;
	uint8_t *queues;

	f->progress_ms = now_ms();
	if (when == NULL) {
		finish(f);
		return;
	}
	for (size_t i = 0; i < sizeof(moments) / sizeof(moments[0]); i++)
		if (strcmp(moments[i].name, when) == 0)
			m = &moments[i];
	if (m != NULL)
		go_on_until(f, m);
	else if (strncmp(when, "bytes:", 6) == 0)
		go_on_for(f, strtoull(when + 6, NULL, 10));
	else
		give_up("no such moment", f);
	hook("dump");
	dump_connection(f->fd, &dump, &queues);
	dump.sent = f->sent;
	dump.received = f->received;
	dump.sends = f->sends;
	dump.receives = f->receives;
	write_dump(path, &dump, queues);
	printf("dumped in state %d: %u to read, %u to send, %u of them unsent\n", dump.state,
	       dump.receive_bytes, dump.send_bytes, dump.unsent_bytes);
}

/* ---- Roles */

static struct endpoint
endpoint(const char *ip, const char *port)
{
	struct endpoint e = {0};

	if (inet_pton(AF_INET, ip, &e.in.sin_addr) == 1) {
		e.in.sin_family = AF_INET;
		e.bytes = sizeof(e.in);
	} else if (inet_pton(AF_INET6, ip, &e.in6.sin6_addr) == 1) {
		e.in6.sin6_family = AF_INET6;
		e.bytes = sizeof(e.in6);
	} else {
		die(ip);
	}
	e.in.sin_port = htons((uint16_t)atoi(port)); /* at the same place in both families */
	return e;
}

static bool
has_word(char **words, const char *word)
{
	for (; *words != NULL; words++)
		if (strcmp(*words, word) == 0)
			return true;
	return false;
}

static void
serve_once(struct flow *f, char **words)
{
	bool first = has_word(words, "first"), behind = has_word(words, "behind");
	bool wait = has_word(words, "wait");
	int64_t since = now_ms();

	f->progress_ms = since;
	while (f->sent < f->sends || !f->ended) {
		if (!wait || now_ms() - since > WAIT_MS)
			f->send_most = behind && !awake ? f->sends / 2 : f->sends;
		if (awake)
			f->reads = true;
		step(f);
		if (first && f->sent == f->sends)
			close_sending(f);
		be_patient(f, since);
	}
	close_sending(f);
	close(f->fd);
	puts("ok");
}

static void
peer(char **argv)
{
	struct flow f = {.sends = strtoull(argv[4], NULL, 10),
			 .receives = strtoull(argv[5], NULL, 10)};
	struct endpoint at = endpoint(argv[2], argv[3]);
	int listener = socket(at.any.sa_family, SOCK_STREAM, 0), on = 1, room = SMALL_ROOM;
	bool late = has_word(argv + 6, "late");

	signal(SIGUSR1, wake);
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (late)
		setsockopt(listener, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room));
	if (bind(listener, &at.any, at.bytes) < 0 || listen(listener, 1) < 0)
		die("listen");
	puts("ready");
	fflush(stdout);
	f.fd = accept(listener, NULL, NULL);
	if (f.fd < 0)
		die("accept");
	f.reads = !late;
	serve_once(&f, argv + 6);
}

static void
await_connection(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLOUT};
	int error = ETIMEDOUT;
	socklen_t bytes = sizeof(error);

	if (poll(&p, 1, PATIENCE_MS) == 1)
		getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &bytes);
	errno = error;
	if (error != 0)
		die("connect");
}

static void
connects(char **argv)
{
	struct endpoint own = endpoint(argv[2], "0"), to = endpoint(argv[3], argv[4]);
	struct flow f = {.sends = strtoull(argv[5], NULL, 10),
			 .receives = strtoull(argv[6], NULL, 10)};

	f.fd = socket(to.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK, 0);
	if (f.fd < 0 || bind(f.fd, &own.any, own.bytes) < 0)
		die("bind");
	if (connect(f.fd, &to.any, to.bytes) < 0 && errno != EINPROGRESS)
		die("connect");
	if (argv[7] == NULL || strcmp(argv[7], "syn") != 0)
		await_connection(f.fd);
	go_on(&f, &to, argv[7], argv[7] == NULL ? NULL : argv[8]);
}

static void
restores(char **argv)
{
	struct dump dump;
	uint8_t *queues;
	struct flow f;

	read_dump(argv[2], &dump, &queues);
	f = (struct flow){.fd = restore_connection(&dump, queues),
			  .sent = dump.sent,
			  .received = dump.received,
			  .sends = dump.sends,
			  .receives = dump.receives,
			  .shut = has_own_fin(dump.state)};
	hook("restored");
	leave_repair(f.fd, &dump);
	if (dump.state == STATE_SYN_SENT)
		await_connection(f.fd);
	go_on(&f, &dump.peer, argv[3], argv[3] == NULL ? NULL : argv[4]);
	free(queues);
}

int
main(int argc, char **argv)
{
	static const struct {
		const char *name;
		int least;
		void (*run)(char **argv);
	} roles[] = {{"peer", 6, peer}, {"connect", 7, connects}, {"restore", 3, restores}};

	for (size_t i = 0; argc >= 2 && i < sizeof(roles) / sizeof(roles[0]); i++) {
		if (strcmp(argv[1], roles[i].name) != 0 || argc < roles[i].least)
			continue;
		roles[i].run(argv);
		return 0;
	}
	fprintf(stderr, "usage: see the head of repair_move.c\n");
	return 2;
}
