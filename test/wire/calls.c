/* SPDX-License-Identifier: BSD-3-Clause */
/* Socket calls in a wire test, and what the engine says of itself. */
#include <stdlib.h>

#include "wire.h"

enum { CHUNK = 1 << 20 };

static uint8_t buffer[CHUNK];

static const char *
answer_name(ssize_t answer)
{
	static char text[32];

	if (answer < 0)
		return strerrorname_np((int)-answer);
	snprintf(text, sizeof(text), "%zd", answer);
	return text;
}

/* Logs a call and compares its answer. */
static void
answered(struct wire *w, const char *call, ssize_t actual, ssize_t expected)
{
	wire_log(w, "%2u  %s = %s", (unsigned int)(w->flow - w->flows), call, answer_name(actual));
	if (actual != expected)
		wire_fail(w, "%s did not answer %s", call, answer_name(expected));
}

static struct tcp_conn *
socket_of(struct wire *w)
{
	if (w->flow->c == NULL)
		wire_fail(w, "the flow has no socket");
	return w->flow->c;
}

void
wire_listen_(struct wire *w, int backlog)
{
	struct tcp_endpoint local = {.port = WIRE_LOCAL_PORT};

	if (w->listener == NULL) {
		answered(w, "socket()", tcp_open(w->engine, w->family, &w->listener), 0);
		answered(w, "bind()", tcp_bind(w->listener, &local), 0);
		tcp_set_user(w->listener, w);
	}
	answered(w, "listen()", tcp_listen(w->listener, backlog), 0);
	wire_flush(w);
}

void
wire_accept_(struct wire *w)
{
	struct tcp_endpoint peer;

	if (w->flow->c != NULL)
		wire_fail(w, "the flow has a socket already");
	answered(w, "accept()", tcp_accept(w->listener, &w->flow->c), 0);
	tcp_set_user(w->flow->c, w->flow);
	if (tcp_state(w->flow->c) != TCP_CLOSED) /* reset meanwhile: it has no peer any more */
		answered(w, "getpeername()", tcp_getpeername(w->flow->c, &peer), 0);
	tcp_accepted_from(w->flow->c, &peer);
	if (peer.port != w->flow->remote.port || !ip_eq(&peer.ip, &w->flow->remote.ip))
		wire_fail(w, "accepted another connection, from port %u", peer.port);
	wire_flush(w);
}

void
wire_accept_none_(struct wire *w)
{
	struct tcp_conn *child;

	answered(w, "accept()", tcp_accept(w->listener, &child), -EAGAIN);
}

void
wire_open_(struct wire *w)
{
	answered(w, "socket()", tcp_open(w->engine, w->family, &w->flow->c), 0);
	tcp_set_user(w->flow->c, w->flow);
}

void
wire_connect_(struct wire *w, int expected)
{
	if (w->flow->c == NULL) {
		wire_open_(w);
		w->flow->local.port = 0;
	}
	answered(w, "connect()", tcp_connect(w->flow->c, &w->flow->remote), expected);
	if ((expected == -EINPROGRESS || tcp_is_deferred(w->flow->c)) &&
	    tcp_getsockname(w->flow->c, &w->flow->local) != 0)
		wire_fail(w, "getsockname()");
	wire_flush(w);
}

static void
fill(struct wire *w, size_t bytes)
{
	if (bytes > CHUNK)
		wire_fail(w, "the test sends more than %d bytes at once", CHUNK);
	for (size_t i = 0; i < bytes; i++)
		buffer[i] = wire_byte(true, w->flow->queued + i);
}

void
wire_send_(struct wire *w, size_t bytes, int flags, ssize_t expected)
{
	ssize_t answer;
	char call[40];

	fill(w, bytes);
	answer = tcp_send(socket_of(w), buffer, bytes, flags);
	snprintf(call, sizeof(call), "send(%zu%s)", bytes, flags != 0 ? ", MSG_MORE" : "");
	answered(w, call, answer, expected);
	if (answer > 0)
		w->flow->queued += (uint64_t)answer;
	wire_flush(w);
}

void
wire_sendto_(struct wire *w, size_t bytes, int flags, ssize_t expected)
{
	struct wire_flow *f = w->flow;
	ssize_t answer;
	char call[40];

	if (f->c == NULL) {
		wire_open_(w);
		f->local.port = 0;
	}
	fill(w, bytes);
	answer = tcp_sendto(f->c, buffer, bytes, flags, &f->remote);
	snprintf(call, sizeof(call), "sendto(%zu, %x)", bytes, flags);
	answered(w, call, answer, expected);
	if (answer > 0)
		f->queued += (uint64_t)answer;
	if (tcp_getsockname(f->c, &f->local) != 0)
		wire_fail(w, "getsockname()");
	wire_flush(w);
}

size_t
wire_send_all(struct wire *w)
{
	size_t total = 0;
	ssize_t answer;

	do {
		fill(w, 4096);
		answer = tcp_send(socket_of(w), buffer, 4096, 0);
		if (answer > 0) {
			w->flow->queued += (uint64_t)answer;
			total += (size_t)answer;
		}
	} while (answer > 0);
	if (answer != -EAGAIN)
		wire_fail(w, "send() ends with %s", answer_name(answer));
	wire_log(w, "%2u  sent %zu", (unsigned int)(w->flow - w->flows), total);
	wire_flush(w);
	return total;
}

void
wire_recv_(struct wire *w, size_t bytes, int flags, ssize_t expected)
{
	ssize_t answer;
	char call[40];

	answer = tcp_recv(socket_of(w), buffer, bytes < CHUNK ? bytes : CHUNK, flags);
	snprintf(call, sizeof(call), "recv(%zu%s)", bytes, flags != 0 ? ", MSG_PEEK" : "");
	answered(w, call, answer, expected);
	for (ssize_t i = 0; i < answer; i++)
		if (buffer[i] != wire_byte(false, w->flow->read + (uint64_t)i))
			wire_fail(w, "byte %zd read is %02x, not %02x", i, buffer[i],
				  wire_byte(false, w->flow->read + (uint64_t)i));
	if (answer > 0 && (flags & MSG_PEEK) == 0)
		w->flow->read += (uint64_t)answer;
	wire_flush(w);
}

void
wire_close_(struct wire *w)
{
	struct tcp_conn *c = socket_of(w);

	wire_log(w, "%2u  close()", (unsigned int)(w->flow - w->flows));
	w->flow->c = NULL;
	tcp_close(c);
	wire_flush(w);
}

void
wire_abort_(struct wire *w)
{
	struct tcp_conn *c = socket_of(w);

	wire_log(w, "%2u  abort()", (unsigned int)(w->flow - w->flows));
	w->flow->c = NULL;
	tcp_abort(c);
	wire_flush(w);
}

void
wire_shutdown_(struct wire *w, int how, int expected)
{
	answered(w,
		 how == SHUT_RD   ? "shutdown(RD)"
		 : how == SHUT_WR ? "shutdown(WR)"
				  : "shutdown()",
		 tcp_shutdown(socket_of(w), how), expected);
	wire_flush(w);
}

void
wire_disconnect_(struct wire *w)
{
	wire_log(w, "%2u  connect(AF_UNSPEC)", (unsigned int)(w->flow - w->flows));
	tcp_disconnect(socket_of(w));
	wire_flush(w);
}

static void
print_events(short events, char text[64])
{
	static const struct {
		short bit;
		const char *name;
	} bits[] = {{POLLIN, "IN "},   {POLLOUT, "OUT "},     {POLLERR, "ERR "},
		    {POLLHUP, "HUP "}, {POLLRDHUP, "RDHUP "}, {POLLPRI, "PRI "}};

	text[0] = '\0';
	for (size_t i = 0; i < sizeof(bits) / sizeof(bits[0]); i++)
		if ((events & bits[i].bit) != 0)
			strcat(text, bits[i].name);
}

void
wire_poll_(struct wire *w, short expected)
{
	/* POLLRDNORM and POLLWRNORM are the same events by other names. */
	short named = POLLIN | POLLOUT | POLLERR | POLLHUP | POLLRDHUP | POLLPRI;
	short actual = tcp_poll(socket_of(w)) & named;
	char want[64], got[64];

	print_events(expected, want);
	print_events(actual, got);
	wire_log(w, "%2u  poll() = %s", (unsigned int)(w->flow - w->flows), got);
	if (actual != expected)
		wire_fail(w, "poll() did not answer %s", want);
}

void
wire_state_(struct wire *w, enum tcp_state expected)
{
	enum tcp_state actual = tcp_state(socket_of(w));

	if (actual != expected)
		wire_fail(w, "the state is %s, expected %s", tcp_state_name(actual),
			  tcp_state_name(expected));
}

void
wire_set_(struct wire *w, int level, int name, int value)
{
	char call[64];

	snprintf(call, sizeof(call), "setsockopt(%d, %d, %d)", level, name, value);
	answered(w, call, tcp_setsockopt(socket_of(w), level, name, &value, sizeof(value)), 0);
	wire_flush(w);
}

void
wire_get_(struct wire *w, int level, int name, int expected)
{
	size_t len = sizeof(int);
	int value = -1;
	char call[64];

	snprintf(call, sizeof(call), "getsockopt(%d, %d)", level, name);
	answered(w, call, tcp_getsockopt(socket_of(w), level, name, &value, &len), 0);
	if (value != expected || len != sizeof(int))
		wire_fail(w, "%s gives %d, expected %d", call, value, expected);
}

/* ---- Counters and lists */

struct tcp_stats
wire_stats(struct wire *w)
{
	struct tcp_stats stats;

	tcp_stats_read(w->engine, &stats);
	return stats;
}

void
wire_count_(struct wire *w, const char *name, size_t offset, uint64_t expected)
{
	struct tcp_stats stats = wire_stats(w);
	uint64_t actual;

	memcpy(&actual, (const uint8_t *)&stats + offset, sizeof(actual));
	if (actual != expected)
		wire_fail(w, "%s is %llu, expected %llu", name, (unsigned long long)actual,
			  (unsigned long long)expected);
}

void
wire_used_(struct wire *w, const char *name, size_t offset, uint32_t expected)
{
	struct tcp_usage usage;
	uint32_t actual;

	tcp_usage(w->engine, &usage);
	memcpy(&actual, (const uint8_t *)&usage + offset, sizeof(actual));
	if (actual != expected)
		wire_fail(w, "%u %s are in use, expected %u", actual, name, expected);
}

/* A socket in CLOSED stands behind what is left of its connection, TIME-WAIT. */
static bool
find_listing(struct wire *w, struct tcp_listing *found)
{
	struct tcp_tuple tuple = wire_tuple(w->flow);
	bool met = false;
	struct tcp_listing l;
	uint64_t cursor = 0;

	while (cursor != TCP_LIST_END)
		if (tcp_list(w->engine, &cursor, &l, 1) == 1 &&
		    memcmp(&l.tuple, &tuple, sizeof(tuple)) == 0 &&
		    (!met || l.state != TCP_CLOSED)) {
			*found = l;
			met = true;
		}
	return met;
}

struct tcp_listing
wire_listing(struct wire *w)
{
	struct tcp_listing found;

	if (!find_listing(w, &found))
		wire_fail(w, "the connection is not listed");
	return found;
}

void
wire_gone_(struct wire *w)
{
	struct tcp_listing found;

	if (find_listing(w, &found) && found.state != TCP_CLOSED)
		wire_fail(w, "the connection is still there, in %s", tcp_state_name(found.state));
}

void
wire_listed_(struct wire *w, enum tcp_state expected)
{
	struct tcp_listing found = wire_listing(w);

	if (found.state != expected)
		wire_fail(w, "listed in %s, expected %s", tcp_state_name(found.state),
			  tcp_state_name(expected));
}

unsigned int
wire_rto(struct wire *w)
{
	return wire_listing(w).rto_us;
}

uint32_t
wire_rcv_wnd(struct wire *w)
{
	return wire_listing(w).rcv_wnd;
}

/* ---- Openings */

void
wire_accepted_(struct wire *w, const char *options, unsigned int win)
{
	if (w->listener == NULL)
		wire_listen_(w, 128);
	wire_in_(w, "S 0:0(0) win 65535 %s", options);
	wire_out_(w, "S. 0:0(0) ack 1 <*>");
	wire_in_(w, "+10ms . 1:1(0) ack 1 win %u", win);
	wire_accept_(w);
	wire_state_(w, TCP_ESTABLISHED);
	if (!w->options.quickacks)
		wire_set_(w, IPPROTO_TCP, TCP_QUICKACK, 0);
}

void
wire_connected_(struct wire *w, const char *options, unsigned int win)
{
	wire_connect_(w, -EINPROGRESS);
	wire_out_(w, "S 0:0(0) <*>");
	wire_in_(w, "+10ms S. 0:0(0) ack 1 win %u %s", win, options);
	wire_out_(w, ". 1:1(0) ack 1");
	wire_connect_(w, 0);
	wire_state_(w, TCP_ESTABLISHED);
	if (!w->options.quickacks)
		wire_set_(w, IPPROTO_TCP, TCP_QUICKACK, 0);
}
