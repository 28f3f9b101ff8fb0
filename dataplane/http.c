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
 * The head of an answer is a pure function of struct http_answer: when only a part of it could be
 * queued, it is made again later. Short bodies are copied behind it, long ones go by reference.
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

#include "dataplane/http_date.h"
#include "dataplane/http_files.h"
#include "dataplane/http_parser.h"
#include "dataplane/service_plugin.h"

enum {
	ANSWER_BYTES = 2048,                   /* head, and a short body with it */
	HEAD_BYTES = HTTP_FILE_PATH_MAX + 512, /* the most that a head takes */
	REQUESTS_IN_TURN = 64, /* answered in a row before other connections have their turn */
};

static_assert(HEAD_BYTES <= ANSWER_BYTES, "every head fits");

#define GENERATED_MAX (UINT64_C(1) << 32) /* N of /bytes/N */

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
	uint32_t date_s;                /* the second that `date` tells, since 1970 */
	char date[HTTP_DATE_BYTES];
};

/* What is being sent. */
struct http_answer {
	const struct http_file *file; /* NULL: generated stream, or an error's text */
	uint64_t first;               /* next byte of the body to send */
	uint64_t length;              /* bytes of body still to send after the head */
	uint64_t total;               /* bytes of the whole body, whatever the range */
	uint32_t date_s;              /* Date, seconds since 1970 */
	uint16_t head_sent;           /* bytes of the head that are queued already */
	uint16_t status;
	bool head_done : 1;  /* the head is queued */
	bool no_body : 1;    /* the method is HEAD */
	bool generated : 1;  /* the body is the pattern's stream */
	bool close : 1;      /* the connection ends with this answer */
	bool linger : 1;     /* ... and the peer may still be sending */
	bool keep_alive : 1; /* say so: HTTP/1.0 */
};

struct http_conn {
	bool answering; /* which of the two: */
	union {
		struct http_request request;
		struct http_answer answer;
	};
};

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

/* ---- Making an answer's head */

/* Text that is being written; who writes knows that it fits. */
struct out {
	char *at;
	char *end;
};

static void
put(struct out *o, const char *p, size_t n)
{
	assert((size_t)(o->end - o->at) >= n);
	memcpy(o->at, p, n);
	o->at += n;
}

#define PUT(o, literal) put(o, literal, sizeof(literal) - 1)

static void
put_text(struct out *o, const char *text)
{
	put(o, text, strlen(text));
}

static void
put_number(struct out *o, uint64_t v)
{
	char digits[20], *p = digits + sizeof(digits);

	do {
		*--p = (char)('0' + v % 10);
		v /= 10;
	} while (v > 0);
	put(o, p, (size_t)(digits + sizeof(digits) - p));
}

static const char *
status_text(uint16_t status)
{
	switch (status) {
	case 200:
		return "200 OK";
	case 206:
		return "206 Partial Content";
	case 301:
		return "301 Moved Permanently";
	case 304:
		return "304 Not Modified";
	case 400:
		return "400 Bad Request";
	case 404:
		return "404 Not Found";
	case 405:
		return "405 Method Not Allowed";
	case 414:
		return "414 URI Too Long";
	case 416:
		return "416 Range Not Satisfiable";
	case 431:
		return "431 Request Header Fields Too Large";
	case 501:
		return "501 Not Implemented";
	default:
		return "505 HTTP Version Not Supported";
	}
}

static bool
has_content(const struct http_answer *a)
{
	return a->status == 200 || a->status == 206;
}

/* An error's body is its status line's text and a line end. */
static bool
has_error_text(const struct http_answer *a)
{
	return !has_content(a) && a->status != 304;
}

static void
put_content_fields(struct out *o, const struct http_answer *a)
{
	if (a->generated)
		PUT(o, "Content-Type: application/octet-stream\r\nAccept-Ranges: bytes\r\n");
	else
		put(o, a->file->fields, a->file->fields_bytes);
	if (a->status == 304)
		return;
	PUT(o, "Content-Length: ");
	put_number(o, a->length);
	if (a->status == 206) {
		PUT(o, "\r\nContent-Range: bytes ");
		put_number(o, a->first);
		PUT(o, "-");
		put_number(o, a->first + a->length - 1);
		PUT(o, "/");
		put_number(o, a->total);
	}
	PUT(o, "\r\n");
}

static void
put_error_fields(struct out *o, const struct http_answer *a)
{
	if (a->status == 405)
		PUT(o, "Allow: GET, HEAD\r\n");
	if (a->status == 301) {
		PUT(o, "Location: ");
		put_text(o, a->file->location);
		PUT(o, "\r\n");
	}
	if (a->status == 416) {
		PUT(o, "Content-Range: bytes */");
		put_number(o, a->total);
		PUT(o, "\r\n");
	}
	PUT(o, "Content-Type: text/plain; charset=utf-8\r\nContent-Length: ");
	put_number(o, strlen(status_text(a->status)) + 1);
	PUT(o, "\r\n");
}

static void
put_date(struct out *o, struct http_lane *own, uint32_t date_s)
{
	if (own->date_s != date_s) {
		http_date_format(date_s, own->date);
		own->date_s = date_s;
	}
	put(o, own->date, sizeof(own->date));
}

static void
put_head(struct out *o, struct http_lane *own, const struct http_answer *a)
{
	PUT(o, "HTTP/1.1 ");
	put_text(o, status_text(a->status));
	PUT(o, "\r\nServer: Tern\r\nDate: ");
	put_date(o, own, a->date_s);
	PUT(o, "\r\n");
	if (has_error_text(a))
		put_error_fields(o, a);
	else
		put_content_fields(o, a);
	if (a->close)
		PUT(o, "Connection: close\r\n");
	else if (a->keep_alive)
		PUT(o, "Connection: keep-alive\r\n");
	PUT(o, "\r\n");
}

/* ---- Sending an answer */

/* Queues the head with the body behind it if that is short. Returns whether all of it is queued. */
static bool
send_head(struct tern_service_conn *conn, struct http_answer *a)
{
	char buf[ANSWER_BYTES];
	struct out o = {buf, buf + sizeof(buf)};
	bool body = has_content(a) && !a->no_body && a->length > 0, inlined = false;
	size_t bytes;
	ssize_t n;

	put_head(&o, tern_service_lane_state(tern_service_lane_of(conn)), a);
	if (has_error_text(a) && !a->no_body) {
		put_text(&o, status_text(a->status));
		PUT(&o, "\n");
	} else if (body && !a->generated && a->length <= (size_t)(o.end - o.at)) {
		put(&o, (const char *)tern_service_memory_data(a->file->body) + a->first,
		    (size_t)a->length);
		inlined = true;
	}
	bytes = (size_t)(o.at - buf) - a->head_sent;
	n = tern_service_send(conn, buf + a->head_sent, bytes,
			      body && !inlined ? TERN_SERVICE_MORE : 0);
	if (n > 0)
		a->head_sent = (uint16_t)(a->head_sent + n);
	if (n < (ssize_t)bytes)
		return false;
	a->head_done = true;
	if (!body || inlined)
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
	return *total <= GENERATED_MAX;
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
};
