/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * http: the files of a root, and /bytes/N, over HTTP/1.1 and 1.0 (RFC 9110, RFC 9112).
 *
 *     receive queue --parse in place--> request --choose--> answer --head, body--> send queue
 *
 * One request is answered at a time. The next one is read when all of an answer is queued, so that
 * the send queue is the only queue of answers, and a peer that does not read stops being read from.
 * A request stays in the receive queue until its head is complete; no byte of it is stored
 * elsewhere.
 *
 * When only a part of an answer's head could be queued, it is made again later (http_answer.c).
 * Short bodies are copied behind it, long ones go by reference. A connection that moves takes its
 * answer along; a request that is half there is in the receive queue, and read anew.
 *
 * GET and HEAD; If-Modified-Since, and one byte range with If-Range by date. Left out: bodies of
 * requests (whatever has one is answered and the connection ended), entity tags, content codings,
 * 100 Continue.
 */
#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "dataplane/http_answer.h"
#include "dataplane/http_date.h"
#include "dataplane/http_files.h"
#include "dataplane/http_parser.h"
#include "dataplane/service_plugin.h"

enum {
	REQUESTS_IN_TURN = 64, /* answered in a row before other connections have their turn */
};

/*
 * The stream behind /bytes/N: with j = i mod 65521, byte i is (j xor (j >> 8)) mod 256. The period
 * is a prime, so that bytes lost, repeated or moved show, whatever the sizes of segments and
 * blocks. In Python: bytes((j ^ j >> 8) & 255 for j in range(65521)), over and over.
 */
enum {
	PATTERN_BYTES = 65521,
};

/* Of a whole service, read-only once it has started. */
struct http {
	char root[PATH_MAX]; /* from where ternd was started */
	struct http_site site;
	struct tern_service_memory *pattern;
};

/* Of a lane. */
struct http_lane {
	char scratch[HTTP_HEAD_MAX];    /* a request that lies in several pieces */
	char path[HTTP_TARGET_MAX + 2]; /* a request's path */
	struct http_answer_date date;
};

struct http_conn {
	bool answering; /* which of the two: */
	union {
		struct http_request request;
		struct http_answer answer;
	};
};

static_assert(HTTP_SAVED_BYTES_MAX <= TERN_SERVICE_SAVED_BYTES_MAX, "every answer can move");
static_assert(sizeof(struct http_conn) <= 64, "a cache line behind the connection's own");

/* The counters, in the order of their descriptors at the end. */
enum {
	COUNT_REQUESTS,
	COUNT_CUT_SHORT,
	COUNT_200,
	COUNT_206,
	COUNT_301,
	COUNT_304,
	COUNT_400,
	COUNT_404,
	COUNT_405,
	COUNT_414,
	COUNT_416,
	COUNT_431,
	COUNT_501,
	COUNT_505,
};

/* ---- Sending an answer */

/* Queues the head with the body behind it if that is short. Returns whether all of it is queued. */
static bool
send_head(struct tern_service_conn *conn, struct http_answer *a)
{
	struct http_lane *own = tern_service_lane_state(tern_service_lane_of(conn));
	char buf[HTTP_ANSWER_BYTES];
	size_t bytes;
	bool rest;
	ssize_t n;

	bytes = http_answer_write(a, &own->date, buf, &rest) - a->head_sent;
	n = tern_service_send(conn, buf + a->head_sent, bytes, rest ? TERN_SERVICE_MORE : 0);
	if (n > 0)
		a->head_sent = (uint16_t)(a->head_sent + n);
	if (n < (ssize_t)bytes)
		return false;
	a->head_done = true;
	if (!rest)
		a->length = 0;
	return true;
}

/* Queues more of the body. Returns whether all of it is. */
static bool
send_body(struct tern_service_conn *conn, struct http_answer *a)
{
	const struct http *http = tern_service_shared_state(tern_service_lane_of(conn));
	const struct tern_service_memory *body = a->generated ? http->pattern : a->file->body;
	size_t period = tern_service_memory_bytes(body);

	while (a->length > 0) {
		size_t at = (size_t)(a->first % period);
		size_t bytes = period - at < a->length ? period - at : (size_t)a->length;
		ssize_t n = tern_service_send_memory(conn, body, at, bytes, 0, NULL, NULL);

		if (n > 0) {
			a->first += (uint64_t)n;
			a->length -= (uint64_t)n;
		}
		if (n < (ssize_t)bytes)
			return false;
	}
	return true;
}

static bool
send_answer(struct tern_service_conn *conn, struct http_answer *a)
{
	if (!a->head_done && !send_head(conn, a))
		return false;
	return a->length == 0 || send_body(conn, a);
}

/* ---- Choosing an answer */

static unsigned int
counter_of(uint16_t status)
{
	switch (status) {
#define STATUS(code)                                                                               \
	case code:                                                                                 \
		return COUNT_##code
		STATUS(200);
		STATUS(206);
		STATUS(301);
		STATUS(304);
		STATUS(400);
		STATUS(404);
		STATUS(405);
		STATUS(414);
		STATUS(416);
		STATUS(431);
		STATUS(501);
#undef STATUS
	default:
		return COUNT_505;
	}
}

/* The N of /bytes/N; false if it is not such a path, or N is out of range. */
static bool
generated_bytes(const char *path, size_t n, uint64_t *total)
{
	*total = 0;
	if (n < 8 || n > 7 + 10 || memcmp(path, "/bytes/", 7) != 0)
		return false;
	for (size_t i = 7; i < n; i++) {
		if (path[i] < '0' || path[i] > '9')
			return false;
		*total = *total * 10 + (uint64_t)(path[i] - '0');
	}
	return *total <= HTTP_GENERATED_MAX;
}

static bool
not_modified(const struct http_request *r, const struct http_answer *a)
{
	return a->file != NULL && r->modified_since != 0 && a->file->modified != 0 &&
	       a->file->modified <= r->modified_since;
}

/* The whole body, a part of it, or only the news that it is the same as before. */
static uint16_t
choose_part(const struct http_request *r, struct http_answer *a)
{
	a->first = 0;
	a->length = a->total;
	if (not_modified(r, a))
		return 304;
	if (r->method != HTTP_GET || (r->have_if_range && (a->file == NULL || r->if_range == 0 ||
							   r->if_range != a->file->modified)))
		return 200;
	return (uint16_t)http_range_of(r, a->total, &a->first, &a->length);
}

static uint16_t
choose(struct tern_service_lane *lane, const struct http_request *r, const char *target,
       struct http_answer *a)
{
	const struct http *http = tern_service_shared_state(lane);
	struct http_lane *own = tern_service_lane_state(lane);
	size_t n;

	if (r->method == HTTP_KNOWN_METHOD)
		return 405;
	if (r->method == HTTP_UNKNOWN_METHOD)
		return 501;
	if (http_resolve(target, r->target_bytes, own->path, &n) != HTTP_TARGET_PATH)
		return 400;
	a->file = http_site_find(&http->site, own->path, n);
	if (a->file != NULL && a->file->location != NULL)
		return 301;
	if (a->file != NULL) {
		a->total = tern_service_memory_bytes(a->file->body);
		return choose_part(r, a);
	}
	if (!generated_bytes(own->path, n, &a->total))
		return 404;
	a->generated = true;
	return choose_part(r, a);
}

/* Turns the connection from a request to its answer. target is NULL if the request is malformed. */
static void
answer(struct tern_service_conn *conn, struct http_conn *c, const char *target)
{
	struct tern_service_lane *lane = tern_service_lane_of(conn);
	const struct http_request r = c->request;
	struct http_answer a = {.no_body = r.method == HTTP_HEAD && r.have_line};

	a.date_s = tern_service_wall_s(lane);
	a.status = target == NULL ? r.status : choose(lane, &r, target, &a);
	a.close = target == NULL || !http_keeps_alive(&r);
	a.linger = target == NULL || r.body;
	a.keep_alive = r.version_1_0 && !a.close;
	tern_service_count(lane, COUNT_REQUESTS, 1);
	tern_service_count(lane, counter_of(a.status), 1);
	c->answer = a;
	c->answering = true;
}

/* ---- Reading a request */

/* n bytes of the receive queue from offset on, in place or copied together. */
static const char *
bytes_at(struct tern_service_conn *conn, size_t offset, size_t n)
{
	struct http_lane *own = tern_service_lane_state(tern_service_lane_of(conn));
	struct tern_service_data piece;

	tern_service_peek(conn, offset, &piece);
	if (piece.bytes >= n)
		return piece.data;
	tern_service_copy(conn, offset, own->scratch, n);
	return own->scratch;
}

/*
 * Parses on from request->parsed: in the piece where that lies, then across pieces. *piece is that
 * piece, and *at its offset.
 */
static enum http_parse
parse(struct tern_service_conn *conn, struct http_request *r, ssize_t *queued,
      struct tern_service_data *piece, size_t *at)
{
	enum http_parse result;
	size_t n;

	*at = r->parsed;
	*queued = tern_service_peek(conn, r->parsed, piece);
	if (*queued <= 0 || piece->bytes == 0)
		return HTTP_PARSE_MORE;
	n = HTTP_HEAD_MAX - r->parsed;
	if (n > piece->bytes)
		n = piece->bytes;
	result = http_parse(r, piece->data, n);
	if (result != HTTP_PARSE_MORE || *at + piece->bytes == (size_t)*queued)
		return result;
	n = (*queued < HTTP_HEAD_MAX ? (size_t)*queued : (size_t)HTTP_HEAD_MAX) - r->parsed;
	return http_parse(r, bytes_at(conn, r->parsed, n), n);
}

/* Reads a request, if a whole one is there, and makes its answer. Returns whether it did. */
static bool
read_request(struct tern_service_conn *conn, struct http_conn *c)
{
	const struct http_request *r = &c->request;
	struct tern_service_data piece;
	size_t request_bytes, at;
	const char *target;
	ssize_t queued;

	switch (parse(conn, &c->request, &queued, &piece, &at)) {
	case HTTP_PARSE_MORE:
		if (queued < 0 || !tern_service_ended(conn))
			return false;
		if (queued > 0) {
			tern_service_count(tern_service_lane_of(conn), COUNT_CUT_SHORT, 1);
			tern_service_consume(conn, (size_t)queued);
		}
		tern_service_close(conn);
		return false;
	case HTTP_PARSE_BAD:
		answer(conn, c, NULL);
		return true;
	case HTTP_PARSE_DONE:
		break;
	}
	request_bytes = r->parsed;
	if (at == 0 && (size_t)r->target_at + r->target_bytes <= piece.bytes)
		target = (const char *)piece.data + r->target_at;
	else
		target = bytes_at(conn, r->target_at, r->target_bytes);
	answer(conn, c, target);
	tern_service_consume(conn, request_bytes);
	return true;
}

static void
end(struct tern_service_conn *conn, const struct http_conn *c)
{
	struct tern_service_data rest;

	if (c->answer.linger || tern_service_peek(conn, 0, &rest) > 0)
		tern_service_finish(conn);
	else
		tern_service_close(conn);
}

/* Makes all the progress that is possible, whatever happened. */
static void
go_on(struct tern_service_conn *conn, void *state)
{
	struct http_conn *c = state;

	for (unsigned int n = 0; n < REQUESTS_IN_TURN; n++) {
		if (!c->answering && !read_request(conn, c))
			return;
		if (!send_answer(conn, &c->answer))
			return;
		if (c->answer.close) {
			end(conn, c);
			return;
		}
		memset(c, 0, sizeof(*c));
	}
	tern_service_yield(conn);
}

/* ---- Connections that move */

static ssize_t
http_save(struct tern_service_conn *conn, void *state, void *to, size_t bytes, char *why)
{
	const struct http_conn *c = state;

	(void)conn;
	(void)bytes;
	(void)why;
	return c->answering ? (ssize_t)http_answer_save(&c->answer, to) : 0;
}

static int
http_restored(struct tern_service_conn *conn, void *state, const void *from, size_t bytes,
	      char *why)
{
	struct tern_service_lane *lane = tern_service_lane_of(conn);
	const struct http *http = tern_service_shared_state(lane);
	struct http_lane *own = tern_service_lane_state(lane);
	struct http_conn *c = state;
	struct http_answer a;
	int status;

	if (bytes == 0)
		return 0;
	status = http_answer_restore(&a, &http->site, &own->date, from, bytes, why);
	if (status == 0) {
		c->answer = a;
		c->answering = true;
	}
	return status;
}

/* ---- The service */

static int
http_configure(void *service, const char *key, const char *value, char *why)
{
	struct http *http = service;
	DIR *dir;

	if (strcmp(key, "root") != 0)
		return -ENOENT;
	snprintf(http->root, sizeof(http->root), "%s", value[0] != '\0' ? value : "\"\"");
	dir = opendir(value);
	if (dir == NULL) {
		snprintf(why, TERN_SERVICE_WHY_BYTES,
			 "cannot read the folder \"%s\": %s; give one, from where ternd starts",
			 value, strerror(errno));
		return -EINVAL;
	}
	closedir(dir);
	return 0;
}

static int
http_check(void *service, char *why)
{
	const struct http *http = service;

	if (http->root[0] != '\0')
		return 0;
	snprintf(why, TERN_SERVICE_WHY_BYTES, "no folder of files to serve; give root");
	return -EINVAL;
}

static int
http_start(void *service, unsigned int lanes, char *why)
{
	struct http *http = service;
	int status = tern_service_memory_alloc(PATTERN_BYTES, &http->pattern);
	uint8_t *data;

	(void)lanes;
	if (status < 0)
		return status;
	data = tern_service_memory_data(http->pattern);
	for (uint32_t j = 0; j < PATTERN_BYTES; j++)
		data[j] = (uint8_t)(j ^ j >> 8);
	return http_site_read(&http->site, http->root, why);
}

static void
http_stop(void *service)
{
	struct http *http = service;

	http_site_free(&http->site);
	tern_service_memory_free(http->pattern);
}

static const char *const keys[] = {"root", NULL};

static const struct tern_service_counter counters[] = {
	{"requests", "requests, malformed ones included"},
	{"cut_short", "connections that ended in the middle of a request"},
	{"200", "answered OK"},
	{"206", "answered Partial Content"},
	{"301", "answered Moved Permanently: a folder without its slash"},
	{"304", "answered Not Modified"},
	{"400", "answered Bad Request"},
	{"404", "answered Not Found"},
	{"405", "answered Method Not Allowed"},
	{"414", "answered URI Too Long"},
	{"416", "answered Range Not Satisfiable"},
	{"431", "answered Request Header Fields Too Large"},
	{"501", "answered Not Implemented"},
	{"505", "answered HTTP Version Not Supported"},
	{NULL, NULL},
};

const struct tern_service_plugin http_plugin = {
	.abi = TERN_SERVICE_ABI,
	.bytes = sizeof(struct tern_service_plugin),
	.keys = keys,
	.counters = counters,
	.service_bytes = sizeof(struct http),
	.lane_bytes = sizeof(struct http_lane),
	.conn_bytes = sizeof(struct http_conn),
	.idle_timeout_s = 60,
	.configure = http_configure,
	.check = http_check,
	.start = http_start,
	.stop = http_stop,
	.readable = go_on,
	.writable = go_on,
	.peer_closed = go_on, /* what is being sent is sent to its end */
	.save = http_save,
	.restored = http_restored,
};
