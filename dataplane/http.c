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
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "dataplane/http_date.h"
#include "dataplane/service_kind.h"

enum {
	ANSWER_BYTES = 2048,                 /* head, and a short body with it */
	HEAD_BYTES = CONTENT_PATH_MAX + 512, /* the most that a head takes */
	REQUESTS_IN_TURN = 64, /* answered in a row before other connections have their turn */
};

static_assert(HEAD_BYTES <= ANSWER_BYTES, "every head fits");

#define GENERATED_MAX (UINT64_C(1) << 32) /* N of /bytes/N */

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
put_head(struct out *o, const struct http_answer *a)
{
	char date[HTTP_DATE_BYTES];

	http_date_format(a->date_s, date);
	PUT(o, "HTTP/1.1 ");
	put_text(o, status_text(a->status));
	PUT(o, "\r\nServer: Tern\r\nDate: ");
	put(o, date, sizeof(date));
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

enum sending {
	ALL_SENT,
	NOT_YET, /* *verdict says why */
};

/* Queues the head with the body behind it if that is short. */
static enum sending
send_head(struct service_conn *conn, struct http_answer *a, enum service_verdict *verdict)
{
	char buf[ANSWER_BYTES];
	struct out o = {buf, buf + sizeof(buf)};
	bool body = has_content(a) && !a->no_body && a->length > 0, inlined = false;
	size_t bytes;
	ssize_t n;

	put_head(&o, a);
	if (has_error_text(a) && !a->no_body) {
		put_text(&o, status_text(a->status));
		PUT(&o, "\n");
	} else if (body && !a->generated && a->length <= (size_t)(o.end - o.at)) {
		put(&o, (const char *)a->file->body.data + a->first, (size_t)a->length);
		inlined = true;
	}
	bytes = (size_t)(o.at - buf) - a->head_sent;
	n = service_send(conn, buf + a->head_sent, bytes, body && !inlined ? MSG_MORE : 0, verdict);
	if (n > 0)
		a->head_sent = (uint16_t)(a->head_sent + n);
	if (n < (ssize_t)bytes)
		return NOT_YET;
	a->head_done = true;
	if (!body || inlined)
		a->length = 0;
	return ALL_SENT;
}

static enum sending
send_answer(struct service_conn *conn, enum service_verdict *verdict)
{
	struct http_answer *a = &conn->http.answer;
	const struct content_blob *blob;
	uint64_t n;

	if (!a->head_done && send_head(conn, a, verdict) != ALL_SENT)
		return NOT_YET;
	if (a->length == 0)
		return ALL_SENT;
	blob = a->generated ? content_pattern(conn->service->set->content) : &a->file->body;
	n = service_send_blob(conn, blob, a->first, a->length, verdict);
	a->first += n;
	a->length -= n;
	return a->length == 0 ? ALL_SENT : NOT_YET;
}

/* ---- Choosing an answer */

static void
count_status(struct service_set *set, uint16_t status)
{
	switch (status) {
#define STATUS(code)                                                                               \
	case code:                                                                                 \
		SERVICE_COUNT(set, http_##code, 1);                                                \
		break
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
		STATUS(505);
#undef STATUS
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
choose(struct service_conn *conn, const struct http_request *r, const char *target,
       struct http_answer *a)
{
	struct service_set *set = conn->service->set;
	size_t n;

	if (r->method == HTTP_KNOWN_METHOD)
		return 405;
	if (r->method == HTTP_UNKNOWN_METHOD)
		return 501;
	if (http_resolve(target, r->target_bytes, set->path, &n) != HTTP_TARGET_PATH)
		return 400;
	a->file = content_find(conn->service->site, set->path, n);
	if (a->file != NULL && a->file->location != NULL)
		return 301;
	if (a->file != NULL) {
		a->total = a->file->body.bytes;
		return choose_part(r, a);
	}
	if (!generated_bytes(set->path, n, &a->total))
		return 404;
	a->generated = true;
	return choose_part(r, a);
}

/* Turns the connection from a request to its answer. target is NULL if the request is malformed. */
static void
answer(struct service_conn *conn, const char *target)
{
	struct service_set *set = conn->service->set;
	const struct http_request r = conn->http.request;
	struct http_answer a = {.no_body = r.method == HTTP_HEAD && r.have_line};

	a.date_s = service_wall_s(set);
	a.status = target == NULL ? r.status : choose(conn, &r, target, &a);
	a.close = target == NULL || !http_keeps_alive(&r);
	a.linger = target == NULL || r.body;
	a.keep_alive = r.version_1_0 && !a.close;
	SERVICE_COUNT(set, http_requests, 1);
	count_status(set, a.status);
	conn->http.answer = a;
	conn->http.answering = true;
}

/* ---- Reading a request */

/* Finds the mbuf that holds byte *offset of a chain, and makes *offset relative to it. */
static const struct rte_mbuf *
mbuf_at(const struct rte_mbuf *m, size_t *offset)
{
	while (m != NULL && *offset >= m->data_len) {
		*offset -= m->data_len;
		m = m->next;
	}
	return m;
}

/* n bytes of a chain from offset on, in place or copied to `buf`; the chain holds them. */
static const char *
bytes_at(const struct rte_mbuf *m, size_t offset, size_t n, char *buf)
{
	size_t copied = 0;

	m = mbuf_at(m, &offset);
	if (m != NULL && offset + n <= m->data_len)
		return rte_pktmbuf_mtod_offset(m, const char *, offset);
	for (; m != NULL && copied < n; m = m->next, offset = 0) {
		size_t part = RTE_MIN(m->data_len - offset, n - copied);

		memcpy(buf + copied, rte_pktmbuf_mtod_offset(m, const char *, offset), part);
		copied += part;
	}
	return buf;
}

/* Parses on from request->parsed: in the mbuf where that lies, then across mbufs. */
static enum http_parse
parse(struct service_set *set, struct http_request *r, const struct rte_mbuf *chain, size_t queued)
{
	size_t offset = r->parsed, n;
	const struct rte_mbuf *m = mbuf_at(chain, &offset);
	enum http_parse result;

	if (m == NULL)
		return HTTP_PARSE_MORE;
	n = RTE_MIN(m->data_len - offset, (size_t)HTTP_HEAD_MAX - r->parsed);
	result = http_parse(r, rte_pktmbuf_mtod_offset(m, const char *, offset), n);
	if (result != HTTP_PARSE_MORE || r->parsed >= queued || m->next == NULL)
		return result;
	n = RTE_MIN(queued, (size_t)HTTP_HEAD_MAX) - r->parsed;
	return http_parse(r, bytes_at(chain, r->parsed, n, set->scratch), n);
}

/* Reads a request, if a whole one is there, and starts its answer: AGAIN, to send it. */
static enum service_verdict
read_request(struct service_conn *conn)
{
	struct service_set *set = conn->service->set;
	struct http_request *r = &conn->http.request;
	const struct rte_mbuf *chain;
	ssize_t queued = tcp_peek_mbufs(conn->tcp, &chain);
	size_t request_bytes;

	if (queued == -EAGAIN)
		return SERVICE_WAIT;
	if (queued < 0)
		return SERVICE_BROKEN;
	if (queued == 0)
		return SERVICE_CLOSE;
	switch (parse(set, r, chain, (size_t)queued)) {
	case HTTP_PARSE_MORE:
		if ((tcp_poll(conn->tcp) & POLLRDHUP) == 0)
			return SERVICE_WAIT;
		SERVICE_COUNT(set, http_cut_short, 1);
		service_consume(conn, (size_t)queued);
		return SERVICE_CLOSE;
	case HTTP_PARSE_BAD:
		answer(conn, NULL);
		return SERVICE_AGAIN;
	case HTTP_PARSE_DONE:
		break;
	}
	request_bytes = r->parsed;
	answer(conn, bytes_at(chain, r->target_at, r->target_bytes, set->scratch));
	service_consume(conn, request_bytes);
	return SERVICE_AGAIN;
}

static enum service_verdict
end(struct service_conn *conn)
{
	const struct rte_mbuf *chain;

	if (conn->http.answer.linger || tcp_peek_mbufs(conn->tcp, &chain) > 0)
		return SERVICE_LINGER;
	return SERVICE_CLOSE;
}

static enum service_verdict
http_run(struct service_conn *conn)
{
	for (unsigned int n = 0; n < REQUESTS_IN_TURN; n++) {
		enum service_verdict verdict;

		if (!conn->http.answering) {
			verdict = read_request(conn);
			if (verdict != SERVICE_AGAIN)
				return verdict;
		}
		if (send_answer(conn, &verdict) != ALL_SENT)
			return verdict;
		if (conn->http.answer.close)
			return end(conn);
		memset(&conn->http, 0, sizeof(conn->http));
	}
	return SERVICE_AGAIN;
}

const struct service_ops http_ops = {.run = http_run};
