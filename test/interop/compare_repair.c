/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The comparison test's cases of repair: who may, in which states, and what does not change by it.
 * Between Linux and Tern there is one large difference that is meant: Tern's connection is frozen
 * in repair, Linux's lives on.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "compare_repair.h"

/* ---- What the cases share */

const int repair_states[] = {
	STATE_CLOSE,      STATE_SYN_SENT,   STATE_SYN_RECEIVED, STATE_ESTABLISHED, STATE_FIN_WAIT_1,
	STATE_FIN_WAIT_2, STATE_CLOSE_WAIT, STATE_LAST_ACK,     STATE_CLOSING,     0,
};

const char *
state_name(int state)
{
	static const char *const names[] = {
		"?",          "ESTABLISHED", "SYN-SENT",  "SYN-RECEIVED",
		"FIN-WAIT-1", "FIN-WAIT-2",  "TIME-WAIT", "CLOSED",
		"CLOSE-WAIT", "LAST-ACK",    "LISTEN",    "CLOSING",
	};

	return names[state];
}

static void
hands(const char *what)
{
	if (peer_hands(what) < 0)
		compare_give_up(what);
}

void
deafen_peer(void)
{
	hands("deafen");
}

void
silence_peer(void)
{
	hands("silence");
}

void
hear(void)
{
	hands("hear");
}

/* Its peer's acknowledgment of our SYN-ACK is lost. */
static struct pair
received_child(int family)
{
	int listener = new_listener(family, 4), handle;
	struct address at = address_own(family, port_of(listener));
	struct pair pair;

	set_option(listener, IPPROTO_TCP, TCP_FASTOPEN, QLEN);
	handle = peer_fastopen(&at, 1); /* has the cookie after that */
	if (handle < 0)
		compare_give_up("the peer's cookie");
	close(accept(listener, NULL, NULL));
	silence_peer();
	pair.peer = peer_fastopen(&at, 5);
	pair.fd = accept(listener, NULL, NULL);
	if (pair.peer < 0 || pair.fd < 0)
		compare_give_up("a child");
	close(listener);
	return pair;
}

static struct pair
syn_sent(int family)
{
	struct server server = serve_silently(family);
	struct pair pair = {.fd = new_socket(family, SOCK_NONBLOCK), .peer = server.handle};

	if (connect(pair.fd, &server.at.any, server.at.bytes) == 0 || errno != EINPROGRESS)
		compare_give_up("a SYN");
	return pair;
}

static void
await_state(int fd, int state)
{
	for (int i = 0; i < 300 && state_of(fd) != state; i++)
		sleep_ms(10);
	if (state_of(fd) != state)
		compare_give_up(state_name(state));
}

/* The peer closes as it does after us, or before. */
static struct pair
half_closed(int family, int state)
{
	struct pair pair = connect_pair(family);
	bool ours = state != STATE_CLOSE_WAIT, theirs = state >= STATE_CLOSE_WAIT;

	if (state == STATE_LAST_ACK) {
		peer_shutdown(pair.peer, SHUT_WR);
		await_state(pair.fd, STATE_CLOSE_WAIT);
		theirs = false;
	}
	if (ours && state != STATE_FIN_WAIT_2)
		deafen_peer();
	if (ours && shutdown(pair.fd, SHUT_WR) < 0)
		compare_give_up("shutdown");
	if (theirs)
		peer_shutdown(pair.peer, SHUT_WR);
	return pair;
}

struct pair
in_state(int family, int state)
{
	struct pair pair;

	switch (state) {
	case STATE_CLOSE:
		pair = (struct pair){.fd = new_socket(family, 0), .peer = -1};
		break;
	case STATE_SYN_SENT:
		pair = syn_sent(family);
		break;
	case STATE_SYN_RECEIVED:
		pair = received_child(family);
		break;
	case STATE_ESTABLISHED:
		pair = connect_pair(family);
		break;
	default:
		pair = half_closed(family, state);
		break;
	}
	await_state(pair.fd, state);
	return pair;
}

int
repair(int fd, int value)
{
	return setsockopt(fd, IPPROTO_TCP, TCP_REPAIR, &value, sizeof(value));
}

int
choose(int fd, int queue)
{
	return setsockopt(fd, IPPROTO_TCP, TCP_REPAIR_QUEUE, &queue, sizeof(queue));
}

int
set_seq(int fd, int queue, uint32_t seq)
{
	if (choose(fd, queue) < 0)
		return -1;
	return setsockopt(fd, IPPROTO_TCP, TCP_QUEUE_SEQ, &seq, sizeof(seq));
}

uint32_t
get_seq(int fd, int queue)
{
	if (choose(fd, queue) < 0)
		compare_give_up("TCP_REPAIR_QUEUE");
	return (uint32_t)get_option(fd, IPPROTO_TCP, TCP_QUEUE_SEQ);
}

int
get_sized(int fd, int level, int name, socklen_t bytes)
{
	char value[64] = {0};
	int status = getsockopt(fd, level, name, value, &bytes);

	return status < 0 ? status : (int)bytes;
}

int
set_sized(int fd, int level, int name, int value, socklen_t bytes)
{
	char room[64] = {0};

	memcpy(room, &value, sizeof(value));
	return setsockopt(fd, level, name, room, bytes);
}

int
queued(int fd, unsigned long request)
{
	int n = -1;

	return ioctl(fd, request, &n) < 0 ? -1 : n;
}

struct tcp_repair_window
window_of(int fd)
{
	struct tcp_repair_window window = {0};
	socklen_t bytes = sizeof(window);

	if (getsockopt(fd, IPPROTO_TCP, TCP_REPAIR_WINDOW, &window, &bytes) < 0)
		compare_give_up("TCP_REPAIR_WINDOW");
	return window;
}

int
set_window(int fd, const struct tcp_repair_window *window)
{
	return setsockopt(fd, IPPROTO_TCP, TCP_REPAIR_WINDOW, window, sizeof(*window));
}

int
give_option(int fd, uint32_t code, uint32_t value)
{
	struct tcp_repair_opt option = {.opt_code = code, .opt_val = value};

	return setsockopt(fd, IPPROTO_TCP, TCP_REPAIR_OPTIONS, &option, sizeof(option));
}

int
give_options(int fd, const struct tcp_info *info, int maxseg)
{
	struct tcp_repair_opt options[4] = {{.opt_code = 2, .opt_val = (uint32_t)maxseg}};
	size_t n = 1;

	if (info->tcpi_options & TCPI_OPT_WSCALE)
		options[n++] = (struct tcp_repair_opt){
			3, (uint32_t)(info->tcpi_snd_wscale | info->tcpi_rcv_wscale << 16)};
	if (info->tcpi_options & TCPI_OPT_SACK)
		options[n++].opt_code = 4;
	if (info->tcpi_options & TCPI_OPT_TIMESTAMPS)
		options[n++].opt_code = 8;
	return setsockopt(fd, IPPROTO_TCP, TCP_REPAIR_OPTIONS, options,
			  (socklen_t)(n * sizeof(options[0])));
}

short
polled(int fd)
{
	struct pollfd p = {.fd = fd,
			   .events = POLLIN | POLLPRI | POLLOUT | POLLRDNORM | POLLWRNORM |
				     POLLRDBAND | POLLWRBAND | POLLRDHUP};

	return poll(&p, 1, 0) < 0 ? -1 : p.revents;
}

struct tuple
tuple_of(int fd)
{
	struct tuple t = {.own.bytes = sizeof(t.own.storage), .peer.bytes = sizeof(t.peer.storage)};

	if (getsockname(fd, &t.own.any, &t.own.bytes) < 0 ||
	    getpeername(fd, &t.peer.any, &t.peer.bytes) < 0)
		compare_give_up("a connection's addresses");
	return t;
}

int
repairing(const struct tuple *tuple, uint32_t receive, uint32_t send)
{
	int fd = new_socket(tuple->own.any.sa_family, 0);

	if (repair(fd, 1) < 0 || bind(fd, &tuple->own.any, tuple->own.bytes) < 0 ||
	    set_seq(fd, QUEUE_RECEIVE, receive) < 0 || set_seq(fd, QUEUE_SEND, send) < 0)
		compare_give_up("a socket in repair");
	return fd;
}

int
revive(const struct tuple *tuple, uint32_t receive, uint32_t send)
{
	int fd = repairing(tuple, receive, send);

	if (connect(fd, &tuple->peer.any, tuple->peer.bytes) < 0)
		compare_give_up("connect in repair");
	return fd;
}

struct remains
take_away(struct pair pair)
{
	struct remains r = {.tuple = tuple_of(pair.fd), .peer = pair.peer};

	GIVES(0, repair(pair.fd, 1));
	r.info = info_of(pair.fd);
	r.window = window_of(pair.fd);
	r.receive = get_seq(pair.fd, QUEUE_RECEIVE);
	r.send = get_seq(pair.fd, QUEUE_SEND);
	r.timestamp = get_option(pair.fd, IPPROTO_TCP, TCP_TIMESTAMP);
	GIVES(0, close(pair.fd));
	return r;
}

int
bring_back(const struct remains *r, uint32_t received, uint32_t sent)
{
	int fd = revive(&r->tuple, r->receive - received, r->send - sent);

	GIVES(0, give_options(fd, &r->info, r->tuple.own.any.sa_family == AF_INET ? 1460 : 1440));
	set_option(fd, IPPROTO_TCP, TCP_TIMESTAMP, r->timestamp);
	return fd;
}

void
goes_on(int fd, int peer, size_t sent, size_t received)
{
	uint8_t got[GREETING];

	GIVES(GREETING, send(fd, pattern_bytes(sent, GREETING), GREETING, 0));
	GIVES(GREETING, peer_receive(peer, GREETING));
	GIVES(GREETING, peer_send(peer, GREETING, 0));
	HOLDS(await(fd, POLLIN));
	GIVES(GREETING, recv(fd, got, GREETING, MSG_WAITALL));
	GIVES(0, memcmp(got, pattern_bytes(received, GREETING), GREETING));
}

int
reincarnate(struct pair pair)
{
	struct remains r = take_away(pair);
	int fd = bring_back(&r, 0, 0);

	GIVES(0, set_window(fd, &r.window));
	return fd;
}

/* ---- In every state */

static bool
same_address(const struct address *a, const struct address *b)
{
	return a->bytes == b->bytes && memcmp(&a->storage, &b->storage, a->bytes) == 0;
}

/* On, once more, off, and nothing has changed. */
static void
goes_through(int fd, int state, int reuse)
{
	short before = polled(fd);

	GIVES(0, get_option(fd, IPPROTO_TCP, TCP_REPAIR));
	GIVES(0, repair(fd, 1));
	GIVES(1, get_option(fd, IPPROTO_TCP, TCP_REPAIR));
	GIVES(0, repair(fd, 1));
	FAILS(EINVAL, repair(fd, 2));
	FAILS(EINVAL, repair(fd, -2));
	GIVES(1, get_option(fd, IPPROTO_TCP, TCP_REPAIR));
	GIVES(2, get_option(fd, SOL_SOCKET, SO_REUSEADDR));
	GIVES(state, state_of(fd));
	POLLS(before, fd);
	GIVES(0, get_option(fd, SOL_SOCKET, SO_ERROR));
	GIVES(0, repair(fd, -1));
	GIVES(0, get_option(fd, IPPROTO_TCP, TCP_REPAIR));
	GIVES(DIFFERS(0, reuse), get_option(fd, SOL_SOCKET, SO_REUSEADDR));
	GIVES(0, repair(fd, -1));
	GIVES(0, repair(fd, 1));
	GIVES(0, repair(fd, 0));
	GIVES(0, repair(fd, 0));
	FAILS(EINVAL, repair(fd, 2));
	GIVES(0, get_option(fd, IPPROTO_TCP, TCP_REPAIR));
	GIVES(state, state_of(fd));
	POLLS(before, fd);
	GIVES(0, get_option(fd, SOL_SOCKET, SO_ERROR));
}

static void
every_state(int family)
{
	for (const int *state = repair_states; *state != 0; state++) {
		struct pair pair = in_state(family, *state);
		bool open = *state != STATE_CLOSE;
		struct tuple before = {0}, after = {0};

		compare_about(state_name(*state));
		/* The peer's answer to a probe has come: Linux lets it in. */
		if (*state > STATE_SYN_RECEIVED && *state != STATE_CLOSE)
			before = tuple_of(pair.fd);
		goes_through(pair.fd, *state, 0);
		set_option(pair.fd, SOL_SOCKET, SO_REUSEADDR, 1);
		/* One without an address is the kernel's under `tern run`. */
		goes_through(pair.fd, *state, open);
		if (open && before.own.bytes != 0) {
			after = tuple_of(pair.fd);
			HOLDS(same_address(&before.own, &after.own));
			HOLDS(same_address(&before.peer, &after.peer));
		}
		GIVES(0, repair(pair.fd, 1)); /* goes silently */
		hear();
	}
}

static void
repair_states4(void)
{
	every_state(AF_INET);
}

static void
repair_states6(void)
{
	every_state(AF_INET6);
}

/* A bound socket, one whose connection has ended, and one that failed. */
static void
repair_not_open(void)
{
	struct pair pair = connect_pair(AF_INET);
	struct address own = address_own(AF_INET, 0), to = refusing(AF_INET);
	int fd = new_socket(AF_INET, 0), failed = new_socket(AF_INET, 0);

	GIVES(0, bind(fd, &own.any, own.bytes));
	goes_through(fd, STATE_CLOSE, 0);
	peer_reset(pair.peer);
	HOLDS(await(pair.fd, POLLIN));
	GIVES(0, repair(pair.fd, 1));
	GIVES(ECONNRESET, get_option(pair.fd, SOL_SOCKET, SO_ERROR));
	GIVES(0, repair(pair.fd, 0));
	goes_through(pair.fd, STATE_CLOSE, 0);
	FAILS(ECONNREFUSED, connect(failed, &to.any, to.bytes));
	goes_through(failed, STATE_CLOSE, 0);
}

static void
repair_listener(void)
{
	int fd = new_listener(AF_INET, 1);

	for (int value = -2; value <= 2; value++)
		FAILS(EPERM, repair(fd, value));
	GIVES(0, get_option(fd, IPPROTO_TCP, TCP_REPAIR));
	FAILS(EPERM, choose(fd, QUEUE_SEND));
	FAILS(EINVAL, set_sized(fd, IPPROTO_TCP, TCP_REPAIR, 1, 3));
}

/* How long the value is, and where. */
static void
repair_lengths(void)
{
	struct pair pair = connect_pair(AF_INET);
	int fd = pair.fd;
	socklen_t bytes = 4;

	FAILS(EINVAL, set_sized(fd, IPPROTO_TCP, TCP_REPAIR, 1, 0));
	FAILS(EINVAL, set_sized(fd, IPPROTO_TCP, TCP_REPAIR, 1, 3));
	FAILS(EINVAL, set_sized(fd, IPPROTO_TCP, TCP_REPAIR, 1, (socklen_t)-1));
	FAILS(EFAULT, setsockopt(fd, IPPROTO_TCP, TCP_REPAIR, NULL, 4));
	GIVES(0, get_option(fd, IPPROTO_TCP, TCP_REPAIR));
	GIVES(0, set_sized(fd, IPPROTO_TCP, TCP_REPAIR, 1, 8));
	GIVES(4, get_sized(fd, IPPROTO_TCP, TCP_REPAIR, 8));
	GIVES(4, get_sized(fd, IPPROTO_TCP, TCP_REPAIR, 4));
	GIVES(2, get_sized(fd, IPPROTO_TCP, TCP_REPAIR, 2));
	GIVES(0, get_sized(fd, IPPROTO_TCP, TCP_REPAIR, 0));
	FAILS(EINVAL, get_sized(fd, IPPROTO_TCP, TCP_REPAIR, (socklen_t)-1));
	FAILS(EFAULT, getsockopt(fd, IPPROTO_TCP, TCP_REPAIR, NULL, &bytes));
	FAILS(EFAULT, getsockopt(fd, IPPROTO_TCP, TCP_REPAIR, &bytes, NULL));
	GIVES(1, get_option(fd, IPPROTO_TCP, TCP_REPAIR));
}

/* SO_REUSEADDR in repair is a value like any other. */
static void
repair_reuse(void)
{
	struct pair pair = connect_pair(AF_INET);
	struct address own = address_own(AF_INET, 0);
	int fd = pair.fd;

	GIVES(0, repair(fd, 1));
	GIVES(2, get_option(fd, SOL_SOCKET, SO_REUSEADDR));
	set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	GIVES(DIFFERS(1, 2), get_option(fd, SOL_SOCKET, SO_REUSEADDR));
	GIVES(0, repair(fd, 1));
	GIVES(2, get_option(fd, SOL_SOCKET, SO_REUSEADDR));
	GIVES(0, repair(fd, -1));
	GIVES(DIFFERS(0, 1), get_option(fd, SOL_SOCKET, SO_REUSEADDR));
	/* One that has come to its address in repair. */
	fd = new_socket(AF_INET, 0);
	set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	GIVES(0, repair(fd, 1));
	GIVES(0, bind(fd, &own.any, own.bytes));
	GIVES(2, get_option(fd, SOL_SOCKET, SO_REUSEADDR));
	GIVES(0, repair(fd, 0));
	GIVES(DIFFERS(0, 1), get_option(fd, SOL_SOCKET, SO_REUSEADDR));
}

/* The socket is what is in repair, not the descriptor. */
static void
repair_duplicate(void)
{
	struct pair pair = connect_pair(AF_INET);
	int second = dup(pair.fd);

	GIVES(0, repair(second, 1));
	GIVES(1, get_option(pair.fd, IPPROTO_TCP, TCP_REPAIR));
	GIVES(0, choose(pair.fd, QUEUE_SEND));
	GIVES(QUEUE_SEND, get_option(second, IPPROTO_TCP, TCP_REPAIR_QUEUE));
	GIVES(0, close(second));
	GIVES(0, repair(pair.fd, 0));
	GIVES(3, send(pair.fd, pattern_bytes(0, 3), 3, 0));
	GIVES(3, peer_receive(pair.peer, 3));
}

const struct compare_case compare_repair_cases[] = {
	{"repair_states4", repair_states4},     {"repair_states6", repair_states6},
	{"repair_not_open", repair_not_open},   {"repair_listener", repair_listener},
	{"repair_lengths", repair_lengths},     {"repair_reuse", repair_reuse},
	{"repair_duplicate", repair_duplicate}, {0},
};

/* ---- Who may not */

/* Only TCP_REPAIR itself asks; without it there is no repair mode that the others need. */
static void
user_refused(void)
{
	struct pair pair = connect_pair(AF_INET), accepted = accept_pair(AF_INET);
	int fresh = new_socket(AF_INET, 0), listener = new_listener(AF_INET, 1);
	const int fds[] = {pair.fd, accepted.fd, fresh, listener};
	struct address own = address_own(AF_INET, 0);

	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++) {
		for (int value = -2; value <= 2; value++)
			FAILS(EPERM, repair(fds[i], value));
		FAILS(EINVAL, set_sized(fds[i], IPPROTO_TCP, TCP_REPAIR, 1, 3));
		GIVES(0, get_option(fds[i], IPPROTO_TCP, TCP_REPAIR));
		GIVES(0, get_option(fds[i], SOL_SOCKET, SO_REUSEADDR));
		FAILS(EPERM, choose(fds[i], QUEUE_SEND));
		FAILS(EINVAL, get_option(fds[i], IPPROTO_TCP, TCP_REPAIR_QUEUE));
		FAILS(EINVAL, give_option(fds[i], 4, 0));
		FAILS(EPERM, set_sized(fds[i], IPPROTO_TCP, TCP_TIMESTAMP, 2, 4));
		GIVES(4, get_sized(fds[i], IPPROTO_TCP, TCP_TIMESTAMP, 4));
		FAILS(EPERM, set_sized(fds[i], IPPROTO_TCP, TCP_REPAIR_WINDOW, 0, 20));
		FAILS(EPERM, get_sized(fds[i], IPPROTO_TCP, TCP_REPAIR_WINDOW, 20));
	}
	GIVES(0, bind(fresh, &own.any, own.bytes));
	FAILS(EPERM, repair(fresh, 1));
	GIVES(3, send(pair.fd, pattern_bytes(0, 3), 3, 0));
	GIVES(3, peer_receive(pair.peer, 3));
}

const struct compare_case compare_repair_user_cases[] = {
	{"user_refused", user_refused},
	{0},
};
