/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Services of tern_service.h from outside: files that are loaded or refused, and what a service
 * sees of its connections between two engines.
 */
#include <errno.h>
#include <limits.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "service_pair.h"
#include "unit.h"

#include "dataplane/service_impl.h"

static struct service_pair b;
static char why[TERN_SERVICE_WHY_BYTES];

/* ---- Files */

/* A file beside this program's. */
static const char *
beside(const char *name)
{
	static char path[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);

	CU_ASSERT_FATAL(n > 0);
	path[n] = '\0';
	*strrchr(path, '/') = '\0';
	strcat(path, name);
	return path;
}

static void
check_refused(const char *file, const char *words)
{
	struct service_plugin *plugin = service_plugin_load(file, why);

	CU_ASSERT(plugin == NULL);
	if (plugin == NULL && strstr(why, words) == NULL)
		printf("\n  %s %s", file, why);
	CU_ASSERT(plugin == NULL && strstr(why, words) != NULL);
	service_plugin_close(plugin);
}

UNIT_CASE(files_that_are_no_plugins_are_refused_with_the_reason)
{
	check_refused("/nonexistent/x.so", "cannot be read: No such file or directory");
	check_refused("/tmp", "is not a file");
	check_refused(beside("/plugins/meson.build.none"), "cannot be read");
	check_refused("/proc/self/cmdline", "cannot be loaded: ");
	check_refused(beside("/plugins/no_symbol.so"), "it has no symbol tern_service_plugin");
	check_refused(beside("/plugins/older.so"),
		      "is made for version 0 of tern_service.h, and this ternd has version 1");
	check_refused(beside("/plugins/short.so"), "says it has 40 bytes, and must have ");
	check_refused(beside("/plugins/large.so"), "wants 5000 bytes for each connection, and may");
	check_refused(beside("/plugins/newer.so"), "uses what this ternd does not have");
	check_refused(beside("/plugins/newer_call.so"),
		      "undefined symbol: tern_service_of_tomorrow");
}

UNIT_CASE(a_newer_header_does_no_harm_if_nothing_of_it_is_used)
{
	struct service_plugin *plugin = service_plugin_load(beside("/plugins/longer.so"), why);

	CU_ASSERT(plugin != NULL);
	service_plugin_close(plugin);
}

/* The errors of a configuration with these lines, from line 4 on. */
static const char *
errors_of(const char *lines)
{
	static struct config config;
	static char errors[4096];
	char path[] = "/tmp/tern-plugin-XXXXXX";
	int fd = mkstemp(path);
	FILE *file = fdopen(fd, "w"), *stream = fmemopen(errors, sizeof(errors), "w");

	memset(errors, 0, sizeof(errors));
	fprintf(file, "[port 0]\nipv4 = 198.18.0.2/24\n[service hello]\n%s", lines);
	fclose(file);
	config_read(path, &config, stream);
	config_free(&config);
	fclose(stream);
	unlink(path);
	return errors;
}

static void
check_errors(const char *words, const char *format, ...)
{
	char lines[2 * PATH_MAX];
	const char *errors;
	va_list args;

	va_start(args, format);
	vsnprintf(lines, sizeof(lines), format, args);
	va_end(args);
	errors = errors_of(lines);
	if (strstr(errors, words) == NULL)
		printf("\n  said: %s", errors);
	CU_ASSERT(strstr(errors, words) != NULL);
	CU_ASSERT(words[0] != '\0' || errors[0] == '\0');
}

UNIT_CASE(keys_of_a_plugin_are_checked_with_file_and_line)
{
	const char *file = beside("/../../dataplane/greeting.so");

	check_errors("", "plugin = %s\nlisten = *:7000\ntext = Hello\n", file);
	check_errors("", "text = Hello\npatience = 5\nlisten = *:7000\nplugin = %s\n", file);
	check_errors(":6: [service hello] patience: write 1 to 86400 seconds",
		     "plugin = %s\nlisten = *:7000\npatience = soon\ntext = Hi\n", file);
	check_errors(":5: [service hello] texd: unknown key; did you mean text?",
		     "plugin = %s\ntexd = Hello\nlisten = *:7000\n", file);
	check_errors(
		":5: [service hello] colour: unknown key; there are listen, backlog, fastopen, "
		"smc, idle_timeout, plugin, text, patience",
		"plugin = %s\ncolour = red\nlisten = *:7000\n", file);
	check_errors(":3: [service hello]: no text to greet with; give text",
		     "plugin = %s\nlisten = *:7000\n", file);
	check_errors(":5: [service hello] plugin: /nonexistent.so cannot be read: No such file",
		     "listen = *:7000\nplugin = /nonexistent.so\n");
	check_errors(":3: [service hello]: unknown service; there are http, echo, discard, "
		     "chargen and bench, or give plugin = FILE.so",
		     "listen = *:7000\n");
	check_errors(":7: [service echo] plugin: echo is built in",
		     "plugin = %s\ntext = Hello\n[service echo]\nplugin = x\n", file);
}

/* ---- A service that does what a test tells it, and remembers what happened */

struct memory_log {
	unsigned int calls;
	size_t bytes;
};

struct seen {
	unsigned int accepted, connected, readable, writable, peer_closed, timer, closed;
	int error;
	unsigned int lane_starts, lane_turns, lane_stops, stops;
	uint64_t timer_us;
	struct tern_service_conn *conn;
	struct tern_service_lane *lane;
	struct memory_log released;
	bool dirty; /* a connection's state was not zero at first */
};

static struct seen seen;

/* What it does; NULL: nothing. */
static int (*on_accepted)(struct tern_service_conn *conn);
static void (*on_connected)(struct tern_service_conn *conn);
static void (*on_readable)(struct tern_service_conn *conn);
static void (*on_writable)(struct tern_service_conn *conn);
static void (*on_timer)(struct tern_service_conn *conn);
static void (*on_closed)(struct tern_service_conn *conn);
static void (*on_peer_closed)(struct tern_service_conn *conn);

static void
did_stop(void *service)
{
	(void)service;
	seen.stops++;
}

static int
did_lane_start(struct tern_service_lane *lane, void *state, char *reason)
{
	(void)state;
	(void)reason;
	seen.lane_starts++;
	seen.lane = lane;
	return 0;
}

static void
did_lane_turn(struct tern_service_lane *lane, void *state)
{
	(void)lane;
	(void)state;
	seen.lane_turns++;
}

static void
did_lane_stop(struct tern_service_lane *lane, void *state)
{
	(void)lane;
	(void)state;
	seen.lane_stops++;
}

static int
did_accept(struct tern_service_conn *conn, void *state)
{
	uint8_t *bytes = state;

	for (unsigned int i = 0; i < 100; i++)
		seen.dirty |= bytes[i] != 0;
	memset(bytes, 0xff, 100);
	CU_ASSERT(tern_service_conn_state(conn) == state && (uintptr_t)state % 16 == 0);
	seen.accepted++;
	seen.conn = conn;
	return on_accepted == NULL ? 0 : on_accepted(conn);
}

#define DID(event)                                                                                 \
	static void did_##event(struct tern_service_conn *conn, void *state)                       \
	{                                                                                          \
		(void)state;                                                                       \
		seen.event++;                                                                      \
		if (on_##event != NULL)                                                            \
			on_##event(conn);                                                          \
	}
DID(connected)
DID(readable)
DID(writable)
DID(peer_closed)
DID(timer)
#undef DID

static void
did_close(struct tern_service_conn *conn, void *state, int error)
{
	(void)state;
	seen.closed++;
	seen.error = error;
	seen.conn = NULL;
	if (on_closed != NULL)
		on_closed(conn);
}

static const struct tern_service_plugin recorder = {
	.abi = TERN_SERVICE_ABI,
	.bytes = sizeof(struct tern_service_plugin),
	.conn_bytes = 100,
	.stop = did_stop,
	.lane_start = did_lane_start,
	.lane_turn = did_lane_turn,
	.lane_stop = did_lane_stop,
	.accepted = did_accept,
	.connected = did_connected,
	.readable = did_readable,
	.writable = did_writable,
	.peer_closed = did_peer_closed,
	.timer = did_timer,
	.closed = did_close,
};

static void
start(void)
{
	memset(&seen, 0, sizeof(seen));
	on_accepted = NULL;
	on_connected = on_readable = on_writable = on_timer = on_closed = on_peer_closed = NULL;
	service_pair_start_with(&b, service_plugin_of(&recorder));
	UNIT_EQ(seen.lane_starts, 1);
}

static void
end(void)
{
	CU_ASSERT(service_pair_end(&b));
	CU_ASSERT(!seen.dirty);
	UNIT_EQ(seen.lane_stops, 1);
	UNIT_EQ(seen.stops, 1);
	CU_ASSERT(seen.lane_turns > 0);
}

static struct tern_service_memory *
make_memory(size_t bytes)
{
	struct tern_service_memory *memory = NULL;
	uint8_t *data;

	UNIT_EQ(tern_service_memory_alloc(bytes, &memory), 0);
	data = tern_service_memory_data(memory);
	for (size_t i = 0; i < bytes; i++)
		data[i] = service_pair_big_byte(i);
	return memory;
}

/* ---- Connections and their events */

static int
refuse(struct tern_service_conn *conn)
{
	(void)conn;
	return -1;
}

static int
refuse_after_sending(struct tern_service_conn *conn)
{
	UNIT_EQ(tern_service_send(conn, "no", 2, 0), 2);
	tern_service_timer(conn, 0);
	return -1;
}

UNIT_CASE(a_refused_connection_is_reset_and_forgotten)
{
	struct tcp_conn *c;

	start();
	for (unsigned int i = 0; i < 2 * SERVICE_PAIR_CONNS; i++) {
		on_accepted = i % 2 == 0 ? refuse : refuse_after_sending;
		c = service_pair_connect(&b, SERVICE_PAIR_PORT);
		UNIT_EQ(tcp_recv(c, why, sizeof(why), 0), -ECONNRESET);
		tcp_close(c);
	}
	UNIT_EQ(seen.accepted, 2 * SERVICE_PAIR_CONNS);
	UNIT_EQ(seen.closed + seen.readable + seen.timer, 0);
	UNIT_EQ(service_pair_stats(&b).refused, 2 * SERVICE_PAIR_CONNS);
	UNIT_EQ(service_pair_stats(&b).accepted, 0);
	end();
}

static void
read_all(struct tern_service_conn *conn)
{
	char byte[3];
	ssize_t n;

	while ((n = tern_service_read(conn, byte, sizeof(byte))) > 0)
		;
	CU_ASSERT(n == 0 || n == -EAGAIN);
}

UNIT_CASE(a_connection_tells_of_data_of_the_peers_end_and_of_its_own)
{
	struct sockaddr_storage address;
	const struct sockaddr_in *in = (const struct sockaddr_in *)&address;
	struct tern_service_data piece;
	struct tcp_conn *c;
	char copy[8] = "";
	int end_of_stream;

	start();
	c = service_pair_connect(&b, SERVICE_PAIR_PORT);
	UNIT_EQ(seen.readable, 0);
	UNIT_EQ(tern_service_local(seen.conn, &address), 0);
	UNIT_EQ(in->sin_family, AF_INET);
	UNIT_EQ(ntohs(in->sin_port), SERVICE_PAIR_PORT);
	UNIT_EQ(tern_service_remote(seen.conn, &address), 0);
	UNIT_EQ(memcmp(&in->sin_addr, &b.pair.side[0].ip.w[3], 4), 0);
	UNIT_EQ(tern_service_peek(seen.conn, 0, &piece), -EAGAIN);
	service_pair_send(&b, c, "hello", 5);
	service_pair_run(&b, 5);
	UNIT_EQ(seen.readable, 1);
	UNIT_EQ(tern_service_peek(seen.conn, 1, &piece), 5);
	UNIT_EQ(piece.bytes, 4);
	UNIT_EQ(memcmp(piece.data, "ello", 4), 0);
	UNIT_EQ(tern_service_peek(seen.conn, 5, &piece), 5);
	UNIT_EQ(piece.bytes, 0);
	UNIT_EQ(tern_service_copy(seen.conn, 2, copy, 8), 3);
	CU_ASSERT_STRING_EQUAL(copy, "llo");
	UNIT_EQ(tern_service_consume(seen.conn, 99), 5);
	CU_ASSERT(!tern_service_ended(seen.conn));
	tcp_shutdown(c, SHUT_WR);
	service_pair_run(&b, 100);
	UNIT_EQ(seen.peer_closed, 1);
	CU_ASSERT(tern_service_ended(seen.conn));
	UNIT_EQ(tern_service_peek(seen.conn, 0, &piece), 0);
	UNIT_EQ(tern_service_send(seen.conn, "bye", 3, 0), 3); /* half closed */
	tern_service_close(seen.conn);
	tern_service_close(seen.conn);
	UNIT_EQ(seen.closed, 0); /* not from inside */
	service_pair_run(&b, 1);
	UNIT_EQ(seen.closed, 1);
	UNIT_EQ(seen.error, 0);
	UNIT_EQ(service_pair_read(&b, c, copy, 8, &end_of_stream), 3);
	UNIT_EQ(end_of_stream, 1);
	UNIT_EQ(seen.peer_closed, 1);
	tcp_close(c);
	end();
}

UNIT_CASE(what_is_not_read_pushes_back)
{
	static uint8_t out[1 << 20];
	size_t sent = 0;
	struct tcp_conn *c;
	ssize_t n;

	start();
	c = service_pair_connect(&b, SERVICE_PAIR_PORT);
	for (unsigned int i = 0; i < 5000; i++) {
		if ((n = tcp_send(c, out, sizeof(out), 0)) > 0)
			sent += (size_t)n;
		service_pair_run(&b, 1);
	}
	CU_ASSERT(sent < 4 << 20);
	UNIT_EQ(tcp_send(c, out, 1, 0), -EAGAIN);
	on_readable = read_all;
	tern_service_yield(seen.conn);
	for (unsigned int i = 0; i < 300 && service_pair_stats(&b).bytes_in < sent; i++)
		service_pair_run(&b, 10);
	UNIT_EQ(service_pair_stats(&b).bytes_in, sent);
	tcp_abort(c);
	service_pair_run(&b, 5);
	UNIT_EQ(seen.error, ECONNRESET);
	end();
}

static size_t to_send;

/* Copies, until there is no room. */
static void
send_more(struct tern_service_conn *conn)
{
	static const uint8_t bytes[10000];
	ssize_t n = 1;

	while (to_send > 0 && n > 0) {
		n = tern_service_send(conn, bytes, RTE_MIN(to_send, sizeof(bytes)), 0);
		if (n > 0)
			to_send -= (size_t)n;
	}
	CU_ASSERT(n > 0 || n == -EAGAIN);
}

static int
accept_and_send(struct tern_service_conn *conn)
{
	send_more(conn);
	return 0;
}

UNIT_CASE(who_finds_no_room_is_told_of_it)
{
	static uint8_t in[3 << 20];
	struct tcp_conn *c;

	start();
	to_send = sizeof(in);
	on_accepted = accept_and_send;
	on_writable = send_more;
	c = service_pair_connect(&b, SERVICE_PAIR_PORT);
	UNIT_EQ(service_pair_read(&b, c, in, sizeof(in), NULL), sizeof(in));
	CU_ASSERT(seen.writable > 0 && to_send == 0);
	seen.writable = 0;
	service_pair_run(&b, 100);
	UNIT_EQ(seen.writable, 0);
	tern_service_want_room(seen.conn);
	service_pair_run(&b, 3);
	UNIT_EQ(seen.writable, 1);
	tern_service_abort(seen.conn);
	service_pair_run(&b, 5);
	UNIT_EQ(seen.error, ECONNABORTED);
	UNIT_EQ(tcp_recv(c, in, 1, 0), -ECONNRESET);
	tcp_close(c);
	end();
}

static unsigned int turns;

static void
yield_thrice(struct tern_service_conn *conn)
{
	if (++turns < 4)
		tern_service_yield(conn);
}

UNIT_CASE(who_yields_has_a_turn_in_each_iteration)
{
	struct tcp_conn *c;

	start();
	turns = 0;
	on_readable = yield_thrice;
	c = service_pair_connect(&b, SERVICE_PAIR_PORT);
	service_pair_send(&b, c, "x", 1);
	service_pair_run(&b, 1);
	service_pair_run(&b, 1);
	CU_ASSERT(seen.readable >= 1 && seen.readable <= 3);
	service_pair_run(&b, 10);
	UNIT_EQ(seen.readable, 4);
	tcp_abort(c);
	end();
}

static void
note_time(struct tern_service_conn *conn)
{
	seen.timer_us = tern_service_now_us(tern_service_lane_of(conn));
}

static void
set_again(struct tern_service_conn *conn)
{
	if (seen.timer < 5)
		tern_service_timer(conn, 0);
}

UNIT_CASE(timers_fire_once_and_in_time)
{
	struct tern_service_conn *first;
	struct tcp_conn *c[3];
	uint64_t at;

	start();
	on_timer = note_time;
	c[0] = service_pair_connect(&b, SERVICE_PAIR_PORT);
	first = seen.conn;
	c[1] = service_pair_connect(&b, SERVICE_PAIR_PORT);
	at = tern_service_now_us(seen.lane);
	tern_service_timer(first, 50000);
	tern_service_timer(seen.conn, 20000);
	service_pair_run(&b, 19);
	UNIT_EQ(seen.timer, 0);
	service_pair_run(&b, 1);
	UNIT_EQ(seen.timer, 1);
	UNIT_EQ(seen.timer_us, at + 20000);
	tern_service_timer(first, 100000); /* later */
	service_pair_run(&b, 99);
	UNIT_EQ(seen.timer, 1);
	service_pair_run(&b, 2);
	UNIT_EQ(seen.timer, 2);
	tern_service_timer(first, 1000);
	tern_service_timer(first, UINT64_MAX);
	service_pair_run(&b, 100);
	UNIT_EQ(seen.timer, 2);
	on_timer = set_again; /* once in each iteration */
	tern_service_timer(first, 0);
	service_pair_run(&b, 1);
	UNIT_EQ(seen.timer, 3);
	service_pair_run(&b, 10);
	UNIT_EQ(seen.timer, 5);
	tern_service_timer(first, 1000);
	tern_service_close(first);
	tern_service_timer(first, 1000);
	service_pair_run(&b, 10);
	UNIT_EQ(seen.timer, 5);
	c[2] = service_pair_connect(&b, SERVICE_PAIR_PORT);
	for (unsigned int i = 0; i < 3; i++)
		tcp_abort(c[i]);
	end();
}

static struct tern_service_conn *other;

static void
close_other(struct tern_service_conn *conn)
{
	unsigned int before = seen.closed;

	(void)conn;
	tern_service_finish(other);
	UNIT_EQ(seen.closed, before);
}

UNIT_CASE(one_connection_may_end_another)
{
	struct tcp_conn *c[2];
	int end_of_stream;

	start();
	on_readable = close_other;
	c[0] = service_pair_connect(&b, SERVICE_PAIR_PORT);
	other = seen.conn;
	c[1] = service_pair_connect(&b, SERVICE_PAIR_PORT);
	service_pair_send(&b, c[1], "x", 1);
	UNIT_EQ(service_pair_read(&b, c[0], why, 1, &end_of_stream), 0);
	UNIT_EQ(end_of_stream, 1);
	UNIT_EQ(seen.closed, 1);
	UNIT_EQ(service_pair_stats(&b).lingered, 1);
	tcp_close(c[0]);
	tcp_abort(c[1]);
	end();
}

/* Without peer_closed() a connection is closed when all is read. */
UNIT_CASE(a_service_that_knows_no_end_is_closed_at_it)
{
	struct tern_service_plugin plain = recorder;
	struct tcp_conn *c;
	int end_of_stream;

	memset(&seen, 0, sizeof(seen));
	on_accepted = NULL;
	on_readable = NULL;
	on_closed = NULL;
	plain.peer_closed = NULL;
	service_pair_start_with(&b, service_plugin_of(&plain));
	c = service_pair_connect(&b, SERVICE_PAIR_PORT);
	service_pair_send(&b, c, "x", 1);
	tcp_shutdown(c, SHUT_WR);
	service_pair_run(&b, 100);
	UNIT_EQ(seen.closed, 0); /* a byte is left */
	on_readable = read_all;
	tern_service_yield(seen.conn);
	service_pair_run(&b, 2);
	UNIT_EQ(seen.closed, 1);
	UNIT_EQ(service_pair_read(&b, c, why, 1, &end_of_stream), 0);
	UNIT_EQ(end_of_stream, 1);
	tcp_close(c);
	end();
}

UNIT_CASE(the_end_of_ternd_ends_all)
{
	struct tcp_conn *c[2];

	start();
	to_send = 1 << 20;
	c[0] = service_pair_connect(&b, SERVICE_PAIR_PORT);
	on_accepted = accept_and_send;
	c[1] = service_pair_connect(&b, SERVICE_PAIR_PORT);
	service_set_close(b.set);
	UNIT_EQ(seen.closed, 2);
	UNIT_EQ(seen.error, ESHUTDOWN);
	UNIT_EQ(seen.lane_stops, 0);
	tcp_flush(b.pair.side[1].engine);
	pair_run_until(&b.pair, b.pair.now_us + 100000);
	UNIT_EQ(tcp_recv(c[0], why, 1, 0), 0);
	CU_ASSERT(tcp_state(c[1]) == TCP_CLOSED);
	tcp_close(c[0]);
	tcp_close(c[1]);
	end();
}

/* ---- Sending by reference, and holding */

static struct tern_service_memory *memory;
static size_t at, to_release;
static bool inside;

static void
count_release(void *arg, size_t bytes)
{
	struct memory_log *log = arg;

	CU_ASSERT(!inside);
	log->calls++;
	log->bytes += bytes;
}

static void
send_memory(struct tern_service_conn *conn)
{
	size_t all = tern_service_memory_bytes(memory);
	ssize_t n = 1;

	inside = true;
	while (at < all && n > 0) {
		n = tern_service_send_memory(conn, memory, at, all - at, 0, count_release,
					     &seen.released);
		if (n > 0) {
			at += (size_t)n;
			to_release++;
		}
	}
	inside = false;
}

static int
accept_and_send_memory(struct tern_service_conn *conn)
{
	at = 0;
	to_release = 0;
	send_memory(conn);
	return 0;
}

static void
start_with_memory(size_t bytes)
{
	start();
	memory = make_memory(bytes);
	on_accepted = accept_and_send_memory;
	on_writable = send_memory;
}

static void
end_with_memory(void)
{
	service_set_close(b.set);
	pair_run_until(&b.pair, b.pair.now_us + 120 * 1000000ull);
	service_set_advance(b.set, b.pair.now_us);
	UNIT_EQ(seen.released.calls, to_release);
	UNIT_EQ(seen.released.bytes, at);
	tern_service_memory_free(memory);
	end();
	UNIT_EQ(seen.released.calls, to_release);
}

UNIT_CASE(memory_is_released_once_when_acknowledged)
{
	static uint8_t in[2 << 20];
	struct tcp_conn *c;
	size_t bad = 0;

	start_with_memory(sizeof(in));
	c = service_pair_connect(&b, SERVICE_PAIR_PORT);
	UNIT_EQ(tern_service_send_memory(seen.conn, memory, sizeof(in), 1, 0, NULL, NULL), -EINVAL);
	UNIT_EQ(tern_service_send_memory(seen.conn, memory, 1, sizeof(in), 0, NULL, NULL), -EINVAL);
	UNIT_EQ(tern_service_send_memory(seen.conn, memory, sizeof(in), 0, 0, NULL, NULL), 0);
	CU_ASSERT(at < sizeof(in));
	UNIT_EQ(service_pair_read(&b, c, in, sizeof(in), NULL), sizeof(in));
	for (size_t i = 0; i < sizeof(in); i++)
		bad += in[i] != service_pair_big_byte(i);
	UNIT_EQ(bad, 0);
	service_pair_run(&b, 100);
	UNIT_EQ(seen.released.bytes, sizeof(in));
	UNIT_EQ(service_pair_stats(&b).released, to_release);
	tcp_close(c);
	end_with_memory();
}

UNIT_CASE(memory_is_released_once_when_the_peer_resets)
{
	struct tcp_conn *c;

	start_with_memory(4 << 20);
	c = service_pair_connect(&b, SERVICE_PAIR_PORT);
	CU_ASSERT(at > 0 && at < 4 << 20 && seen.released.calls < to_release);
	tcp_abort(c);
	service_pair_run(&b, 5);
	UNIT_EQ(seen.closed, 1);
	UNIT_EQ(seen.released.calls, to_release);
	end_with_memory();
}

UNIT_CASE(memory_is_released_when_a_service_or_ternd_aborts)
{
	struct tcp_conn *c[3];

	start_with_memory(4 << 20);
	c[0] = service_pair_connect(&b, SERVICE_PAIR_PORT);
	tern_service_abort(seen.conn);
	service_pair_run(&b, 5);
	UNIT_EQ(seen.released.calls, to_release);
	on_accepted = refuse_after_sending;
	c[1] = service_pair_connect(&b, SERVICE_PAIR_PORT);
	seen.released = (struct memory_log){0};
	on_accepted = accept_and_send_memory;
	c[2] = service_pair_connect(&b, SERVICE_PAIR_PORT);
	for (unsigned int i = 0; i < 3; i++)
		tcp_close(c[i]);
	end_with_memory();
}

static struct tern_service_held *held[1100];
static struct tern_service_data pieces[1100];
static unsigned int n_held;

static void
hold_all(struct tern_service_conn *conn)
{
	struct tern_service_data piece;

	while (tern_service_peek(conn, 0, &piece) > 0) {
		if (tern_service_hold(conn, &piece, &held[n_held]) == 0)
			pieces[n_held++] = piece;
		tern_service_consume(conn, piece.bytes);
	}
	UNIT_EQ(tern_service_hold(conn, &piece, &held[n_held]), -EINVAL);
}

UNIT_CASE(held_bytes_outlive_their_connection)
{
	uint8_t out[3000];
	struct tcp_conn *c;
	size_t i = 0, bad = 0;

	for (size_t k = 0; k < sizeof(out); k++)
		out[k] = service_pair_big_byte(k);
	start();
	n_held = 0;
	on_readable = hold_all;
	c = service_pair_connect(&b, SERVICE_PAIR_PORT);
	service_pair_send(&b, c, out, 1000);
	service_pair_run(&b, 5);
	service_pair_send(&b, c, out + 1000, 2000);
	service_pair_run(&b, 5);
	tcp_abort(c);
	service_pair_run(&b, 50);
	UNIT_EQ(seen.closed, 1);
	CU_ASSERT(n_held >= 3);
	/* Buffers that were not held would have been used again by now. */
	c = service_pair_connect(&b, 7);
	memset(out, 0, sizeof(out));
	for (unsigned int n = 0; n < 200; n++) {
		service_pair_send(&b, c, out, sizeof(out));
		service_pair_read(&b, c, out, sizeof(out), NULL);
	}
	tcp_abort(c);
	for (unsigned int n = 0; n < n_held; n++) {
		for (size_t k = 0; k < pieces[n].bytes; k++, i++)
			bad += ((const uint8_t *)pieces[n].data)[k] != service_pair_big_byte(i);
		tern_service_release(held[n]);
	}
	UNIT_EQ(i, 3000);
	UNIT_EQ(bad, 0);
	end();
}

UNIT_CASE(holds_are_bounded_and_forgotten_ones_are_told)
{
	char said[256] = "";
	FILE *errors = fmemopen(said, sizeof(said), "w");
	struct tcp_conn *c;

	start();
	n_held = 0;
	on_readable = hold_all;
	c = service_pair_connect(&b, SERVICE_PAIR_PORT);
	for (unsigned int i = 0; i < 1050; i++) {
		service_pair_send(&b, c, "x", 1);
		service_pair_run(&b, 2);
	}
	UNIT_EQ(n_held, 1024);
	CU_ASSERT(service_pair_stats(&b).holds_refused > 0);
	tern_service_release(held[0]);
	service_pair_send(&b, c, "x", 1);
	service_pair_run(&b, 2);
	UNIT_EQ(n_held, 1025);
	tcp_abort(c);
	service_set_close(b.set);
	pair_run_until(&b.pair, b.pair.now_us + 10 * 1000000);
	service_set_destroy(b.set, errors);
	fclose(errors);
	CU_ASSERT(strstr(said, "1024 pieces of received data were held to the end") != NULL);
	b.set = NULL;
	end();
}

/* ---- Connecting out */

static void
listen_left(struct tcp_conn **listener, uint16_t port)
{
	struct tcp_endpoint local = {.port = port};

	UNIT_EQ(tcp_open(b.pair.side[0].engine, AF_INET, listener), 0);
	UNIT_EQ(tcp_bind(*listener, &local), 0);
	UNIT_EQ(tcp_listen(*listener, 5), 0);
}

static struct sockaddr_in
address_left(uint16_t port)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};

	memcpy(&to.sin_addr, &b.pair.side[0].ip.w[3], 4);
	return to;
}

static void
say_hello(struct tern_service_conn *conn)
{
	UNIT_EQ(tern_service_send(conn, "hello", 5, 0), 5);
}

UNIT_CASE(a_service_connects_out)
{
	struct sockaddr_in to;
	struct tern_service_conn *conn;
	struct tcp_conn *listener, *c;
	struct sockaddr unknown = {.sa_family = AF_UNIX};

	start();
	on_connected = say_hello;
	listen_left(&listener, 9000);
	to = address_left(9000);
	UNIT_EQ(tern_service_connect(seen.lane, &unknown, NULL, &conn), -EAFNOSUPPORT);
	UNIT_EQ(tern_service_connect(seen.lane, (struct sockaddr *)&to, NULL, &conn), 0);
	UNIT_EQ(seen.connected, 0);
	service_pair_run(&b, 10);
	UNIT_EQ(seen.connected, 1);
	UNIT_EQ(seen.accepted, 0);
	UNIT_EQ(tcp_accept(listener, &c), 0);
	UNIT_EQ(tcp_recv(c, why, sizeof(why), 0), 5);
	tcp_close(c);
	service_pair_run(&b, 10);
	UNIT_EQ(seen.peer_closed, 1);
	tern_service_close(conn);
	service_pair_run(&b, 5);
	UNIT_EQ(seen.closed, 1);
	UNIT_EQ(service_pair_stats(&b).connects, 1);
	UNIT_EQ(service_pair_stats(&b).connected, 1);
	tcp_close(listener);
	end();
}

/* What the SYN brought is there when it is accepted; `bytes` in all. */
static void
check_arrived(struct tcp_conn *listener, int bytes)
{
	static uint8_t got[8192];
	struct tcp_conn *c;

	UNIT_EQ(tcp_accept(listener, &c), 0);
	UNIT_EQ(tcp_recv(c, got, sizeof(got), 0), bytes);
	tcp_close(c);
}

/* The first one gets a cookie; from then on what the SYN takes goes with it. */
UNIT_CASE(a_service_connects_out_with_its_first_bytes)
{
	static const uint8_t large[5000];
	const int pending = 5;
	struct tern_service_conn *conn;
	struct tcp_conn *listener;
	struct sockaddr_in to;
	const struct sockaddr *server = (const struct sockaddr *)&to;
	struct tcp_info info;
	size_t bytes = sizeof(info);
	ssize_t n;

	service_pair_fastopen = TCP_FASTOPEN_CLIENT | TCP_FASTOPEN_SERVER;
	start();
	on_connected = say_hello;
	listen_left(&listener, 9000);
	UNIT_EQ(tcp_setsockopt(listener, IPPROTO_TCP, TCP_FASTOPEN, &pending, sizeof(pending)), 0);
	to = address_left(9000);
	UNIT_EQ(tern_service_connect_send(seen.lane, server, NULL, "first", 5, &conn), 0);
	service_pair_run(&b, 10);
	UNIT_EQ(seen.connected, 1);
	check_arrived(listener, 5); /* hello */
	tern_service_close(conn);
	on_connected = NULL;
	UNIT_EQ(tern_service_connect_send(seen.lane, server, NULL, "first", 5, &conn), 5);
	service_pair_run(&b, 10);
	UNIT_EQ(seen.connected, 2);
	UNIT_EQ(tern_service_getsockopt(conn, IPPROTO_TCP, TCP_INFO, &info, &bytes), 0);
	CU_ASSERT((info.tcpi_options & TCPI_OPT_SYN_DATA) != 0);
	check_arrived(listener, 5);
	tern_service_close(conn);
	n = tern_service_connect_send(seen.lane, server, NULL, large, sizeof(large), &conn);
	CU_ASSERT(n > 1000 && n < 1500);
	service_pair_run(&b, 10);
	check_arrived(listener, (int)n);
	tern_service_close(conn);
	service_pair_run(&b, 10);
	UNIT_EQ(seen.closed, 3);
	UNIT_EQ(service_pair_stats(&b).bytes_out, 5 + 5 + (uint64_t)n);
	tcp_close(listener);
	end();
	service_pair_fastopen = TCP_FASTOPEN_SERVER;
	start();
	to = address_left(9000);
	UNIT_EQ(tern_service_connect_send(seen.lane, server, NULL, "first", 5, &conn), -EOPNOTSUPP);
	end();
	service_pair_fastopen = 0;
}

UNIT_CASE(a_connection_that_does_not_come_about_is_closed_with_the_reason)
{
	struct sockaddr_in to, taken = {.sin_family = AF_INET, .sin_port = htons(80)};
	struct tern_service_conn *conn;

	start();
	to = address_left(9001);
	UNIT_EQ(tern_service_connect(seen.lane, (struct sockaddr *)&to, NULL, &conn), 0);
	service_pair_run(&b, 10);
	UNIT_EQ(seen.connected, 0);
	UNIT_EQ(seen.closed, 1);
	UNIT_EQ(seen.error, ECONNREFUSED);
	UNIT_EQ(tern_service_connect(seen.lane, (struct sockaddr *)&to, (struct sockaddr *)&taken,
				     &conn),
		-EADDRINUSE);
	for (unsigned int i = 0; i < SERVICE_PAIR_CONNS; i++)
		UNIT_EQ(tern_service_connect(seen.lane, (struct sockaddr *)&to, NULL, &conn), 0);
	UNIT_EQ(tern_service_connect(seen.lane, (struct sockaddr *)&to, NULL, &conn), -EAGAIN);
	service_pair_run(&b, 10);
	UNIT_EQ(seen.closed, 1 + SERVICE_PAIR_CONNS);
	end();
}

/* ---- A lane that is held up */

UNIT_CASE(slow_iterations_are_counted_and_blamed)
{
	struct tcp_conn *c, *d;
	uint32_t services;
	uint64_t now_us;

	start();
	b.set->trusted &= ~(1u << 4); /* as if it came from a file */
	b.set->turners = 0;
	c = service_pair_connect(&b, SERVICE_PAIR_PORT);
	service_pair_send(&b, c, "x", 1);
	service_pair_run(&b, 3);
	now_us = b.pair.now_us;
	service_set_begin(b.set, now_us);
	UNIT_EQ(service_set_take_slow(b.set, &services), 0);
	tern_service_yield(seen.conn);
	service_set_advance(b.set, now_us);
	service_set_begin(b.set, now_us + 25000);
	UNIT_EQ(service_pair_stats(&b).slow_turns, 1);
	UNIT_EQ(service_set_take_slow(b.set, &services), 25000);
	UNIT_EQ(services, 1 << 4);
	UNIT_EQ(service_set_take_slow(b.set, &services), 0);
	/* None of the plugin's doing: nothing of it ran. */
	service_set_advance(b.set, now_us + 25000);
	service_set_begin(b.set, now_us + 50000);
	UNIT_EQ(service_pair_stats(&b).slow_turns, 1);
	b.pair.now_us = now_us + 50000;
	d = service_pair_connect(&b, 7);
	tcp_abort(c);
	tcp_abort(d);
	end();
}

UNIT_MAIN_EAL(UNIT_RUN(files_that_are_no_plugins_are_refused_with_the_reason),
	      UNIT_RUN(a_newer_header_does_no_harm_if_nothing_of_it_is_used),
	      UNIT_RUN(keys_of_a_plugin_are_checked_with_file_and_line),
	      UNIT_RUN(a_refused_connection_is_reset_and_forgotten),
	      UNIT_RUN(a_connection_tells_of_data_of_the_peers_end_and_of_its_own),
	      UNIT_RUN(what_is_not_read_pushes_back), UNIT_RUN(who_finds_no_room_is_told_of_it),
	      UNIT_RUN(who_yields_has_a_turn_in_each_iteration),
	      UNIT_RUN(timers_fire_once_and_in_time), UNIT_RUN(one_connection_may_end_another),
	      UNIT_RUN(a_service_that_knows_no_end_is_closed_at_it),
	      UNIT_RUN(the_end_of_ternd_ends_all),
	      UNIT_RUN(memory_is_released_once_when_acknowledged),
	      UNIT_RUN(memory_is_released_once_when_the_peer_resets),
	      UNIT_RUN(memory_is_released_when_a_service_or_ternd_aborts),
	      UNIT_RUN(held_bytes_outlive_their_connection),
	      UNIT_RUN(holds_are_bounded_and_forgotten_ones_are_told),
	      UNIT_RUN(a_service_connects_out),
	      UNIT_RUN(a_service_connects_out_with_its_first_bytes),
	      UNIT_RUN(a_connection_that_does_not_come_about_is_closed_with_the_reason),
	      UNIT_RUN(slow_iterations_are_counted_and_blamed))
