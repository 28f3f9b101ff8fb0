/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * dataplane/http_parser.c. Each request is parsed at once and again split at every place, as a
 * receive queue would present it; both must agree.
 */
#include "unit.h"

#include "dataplane/http_parser.h"

/* Hands out the request byte after byte, presenting again what was not parsed. */
static enum http_parse
parse_in_pieces(struct http_request *r, const char *text, size_t n, size_t first, size_t step)
{
	enum http_parse result = HTTP_PARSE_MORE;

	memset(r, 0, sizeof(*r));
	for (size_t have = first;; have += step) {
		char *exact; /* so that a sanitizer sees reads past the end */
		size_t bytes;

		have = have < n ? have : n;
		bytes = have - r->parsed;
		exact = malloc(bytes + 1);
		memcpy(exact, text + r->parsed, bytes);
		result = http_parse(r, exact, bytes);
		free(exact);
		if (result != HTTP_PARSE_MORE || have == n)
			return result;
	}
}

static enum http_parse
parse_bytes(struct http_request *r, const char *text, size_t n)
{
	struct http_request other;
	enum http_parse result = parse_in_pieces(r, text, n, n, 1), again;

	for (size_t at = 0; at < n && n < 300; at++) {
		again = parse_in_pieces(&other, text, n, at, n);
		UNIT_EQ(again, result);
		UNIT_EQ(other.status, r->status);
		if (result == HTTP_PARSE_DONE)
			CU_ASSERT(memcmp(&other, r, sizeof(other)) == 0);
	}
	again = parse_in_pieces(&other, text, n, 0, 1);
	UNIT_EQ(again, result);
	UNIT_EQ(other.status, r->status);
	return result;
}

static enum http_parse
parse(struct http_request *r, const char *text)
{
	return parse_bytes(r, text, strlen(text));
}

/* Whether the request is refused, and with which status; 0 if it is not. */
static int
status_of(const char *text)
{
	struct http_request r;

	return parse(&r, text) == HTTP_PARSE_BAD ? r.status : 0;
}

UNIT_CASE(plain_requests_are_understood)
{
	static const char text[] = "GET /a?b HTTP/1.1\r\nHost: x:80\r\nAccept: */*\r\n\r\n";
	struct http_request r;

	UNIT_EQ(parse(&r, text), HTTP_PARSE_DONE);
	UNIT_EQ(r.parsed, strlen(text));
	UNIT_EQ(r.method, HTTP_GET);
	UNIT_EQ(r.target_at, 4);
	UNIT_EQ(r.target_bytes, 4);
	UNIT_EQ(r.headers, 2);
	CU_ASSERT(!r.version_1_0 && !r.body && http_keeps_alive(&r));
	UNIT_EQ(parse(&r, "HEAD / HTTP/1.0\r\n\r\n"), HTTP_PARSE_DONE);
	UNIT_EQ(r.method, HTTP_HEAD);
	CU_ASSERT(r.version_1_0 && !http_keeps_alive(&r));
	UNIT_EQ(parse(&r, "GET / HTTP/1.1\nHost:\n\n"), HTTP_PARSE_DONE);
	UNIT_EQ(parse(&r, "\r\n\r\nGET /x HTTP/1.1\r\nHost: a\r\n\r\n"), HTTP_PARSE_DONE);
	UNIT_EQ(r.target_at, 8);
	UNIT_EQ(parse(&r, "GET / HTTP/1.7\r\nHost: [2001:db8::1]:80\r\n\r\n"), HTTP_PARSE_DONE);
	UNIT_EQ(parse(&r, "GET / HTTP/1.1\r\nHost: a\r\n"), HTTP_PARSE_MORE);
}

UNIT_CASE(only_the_first_of_several_is_taken)
{
	static const char two[] = "GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\n";
	struct http_request r;

	UNIT_EQ(parse(&r, two), HTTP_PARSE_DONE);
	UNIT_EQ(r.parsed, strstr(two, "GET /2") - two);
}

UNIT_CASE(methods_are_told_apart)
{
	static const struct {
		const char *text;
		int method;
	} t[] = {
		{"GET", HTTP_GET},
		{"HEAD", HTTP_HEAD},
		{"POST", HTTP_KNOWN_METHOD},
		{"OPTIONS", HTTP_KNOWN_METHOD},
		{"PATCH", HTTP_KNOWN_METHOD},
		{"get", HTTP_UNKNOWN_METHOD},
		{"BREW", HTTP_UNKNOWN_METHOD},
	};

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct http_request r;
		char text[64];

		snprintf(text, sizeof(text), "%s / HTTP/1.1\r\nHost: a\r\n\r\n", t[i].text);
		UNIT_EQ(parse(&r, text), HTTP_PARSE_DONE);
		UNIT_EQ(r.method, t[i].method);
	}
}

UNIT_CASE(malformed_request_lines_are_refused)
{
	UNIT_EQ(status_of("GET\r\n\r\n"), 400);
	UNIT_EQ(status_of("GET /\r\n\r\n"), 400);
	UNIT_EQ(status_of("GET  / HTTP/1.1\r\n"), 400);
	UNIT_EQ(status_of(" GET / HTTP/1.1\r\n"), 400);
	UNIT_EQ(status_of("GET / HTTP/1.1 \r\n"), 400);
	UNIT_EQ(status_of("GET /  HTTP/1.1\r\n"), 400);
	UNIT_EQ(status_of("GET /a b HTTP/1.1\r\n"), 400);
	UNIT_EQ(status_of("GET\t/ HTTP/1.1\r\n"), 400);
	UNIT_EQ(status_of("G@T / HTTP/1.1\r\n"), 400);
	UNIT_EQ(status_of("GET / http/1.1\r\n"), 400);
	UNIT_EQ(status_of("GET / HTTP/1\r\n"), 400);
	UNIT_EQ(status_of("GET / HTTP/1.10\r\n"), 400);
	UNIT_EQ(status_of("GET / HTTP/1.1\r\r\n"), 400);
	UNIT_EQ(status_of("GET /\r HTTP/1.1\r\n"), 400);
	UNIT_EQ(status_of("GET /\x7f HTTP/1.1\r\n"), 400);
	UNIT_EQ(status_of("\x16\x03\x01\x02"), 400); /* TLS */
	UNIT_EQ(status_of("GET / HTTP/2.0\r\n"), 505);
	UNIT_EQ(status_of("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), 505);
	UNIT_EQ(status_of("GET / HTTP/0.9\r\n"), 505);
}

UNIT_CASE(malformed_fields_are_refused)
{
#define LINE "GET / HTTP/1.1\r\n"
	struct http_request r;

	UNIT_EQ(status_of(LINE "\r\n"), 400);
	UNIT_EQ(status_of("GET / HTTP/1.0\r\n\r\n"), 0);
	UNIT_EQ(status_of(LINE "Host: a\r\nHost: a\r\n\r\n"), 400);
	UNIT_EQ(status_of("GET / HTTP/1.0\r\nHost: a\r\nhOST: a\r\n\r\n"), 400);
	UNIT_EQ(status_of(LINE "Host: a b\r\n\r\n"), 400);
	UNIT_EQ(status_of(LINE "Host: a/b\r\n\r\n"), 400);
	UNIT_EQ(status_of(LINE "Host: a\r\nX : y\r\n\r\n"), 400);
	UNIT_EQ(status_of(LINE " Host: a\r\n\r\n"), 400);
	UNIT_EQ(status_of(LINE "Host: a\r\n folded\r\n\r\n"), 400);
	UNIT_EQ(status_of(LINE "Host: a\r\n\tfolded\r\n\r\n"), 400);
	UNIT_EQ(status_of(LINE "Host: a\r\nno colon\r\n\r\n"), 400);
	UNIT_EQ(status_of(LINE "Host: a\r\n: empty name\r\n\r\n"), 400);
	UNIT_EQ(status_of(LINE "Host: a\r\nX: a\rb\r\n\r\n"), 400);
	UNIT_EQ(status_of(LINE "Host: a\r\nX: a\r\r\n\r\n"), 400);
	UNIT_EQ(status_of(LINE "Host: a\r\nX: \x01\r\n\r\n"), 400);
	UNIT_EQ(status_of(LINE "Host: a\r\nX: \xc3\xa9\ttab\r\n\r\n"), 0);
	UNIT_EQ(parse_bytes(&r, LINE "Host: a\0b\r\n\r\n", sizeof(LINE "Host: a\0b\r\n\r\n") - 1),
		HTTP_PARSE_BAD);
	UNIT_EQ(parse_bytes(&r, LINE "Host: a\r\nX: \0\r\n\r\n",
			    sizeof(LINE "Host: a\r\nX: \0\r\n\r\n") - 1),
		HTTP_PARSE_BAD);
}

UNIT_CASE(bodies_are_announced_unambiguously)
{
#define FIELDS(text) "POST / HTTP/1.1\r\nHost: a\r\n" text "\r\n\r\n"
	struct http_request r;

	UNIT_EQ(parse(&r, FIELDS("Content-Length: 5")), HTTP_PARSE_DONE);
	CU_ASSERT(r.body && !http_keeps_alive(&r));
	UNIT_EQ(parse(&r, FIELDS("Content-Length: 0")), HTTP_PARSE_DONE);
	CU_ASSERT(!r.body && http_keeps_alive(&r));
	UNIT_EQ(parse(&r, FIELDS("Transfer-Encoding: Chunked")), HTTP_PARSE_DONE);
	CU_ASSERT(r.body && !http_keeps_alive(&r));
	UNIT_EQ(status_of(FIELDS("Content-Length: -1")), 400);
	UNIT_EQ(status_of(FIELDS("Content-Length: +1")), 400);
	UNIT_EQ(status_of(FIELDS("Content-Length: 1 2")), 400);
	UNIT_EQ(status_of(FIELDS("Content-Length: 1, 1")), 400);
	UNIT_EQ(status_of(FIELDS("Content-Length: 0x1")), 400);
	UNIT_EQ(status_of(FIELDS("Content-Length:")), 400);
	UNIT_EQ(status_of(FIELDS("Content-Length: 18446744073709551616")), 400);
	UNIT_EQ(status_of(FIELDS("Content-Length: 18446744073709551615")), 0);
	UNIT_EQ(status_of(FIELDS("Content-Length: 1\r\nContent-Length: 1")), 400);
	UNIT_EQ(status_of(FIELDS("Content-Length: 1\r\nTransfer-Encoding: chunked")), 400);
	UNIT_EQ(status_of(FIELDS("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked")), 400);
	UNIT_EQ(status_of(FIELDS("Transfer-Encoding: gzip")), 501);
	UNIT_EQ(status_of("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"), 400);
}

UNIT_CASE(persistence_is_as_asked)
{
	static const struct {
		const char *version;
		const char *value;
		bool keeps;
	} t[] = {
		{"1.1", "close", false},
		{"1.1", "CLOSE", false},
		{"1.1", "keep-alive", true},
		{"1.1", "upgrade , Close\t", false},
		{"1.1", "closed, xclose, clos", true},
		{"1.1", "keep-alive\r\nConnection: close", false},
		{"1.1", ",,", true},
		{"1.0", "Keep-Alive", true},
		{"1.0", "TE,keep-alive", true},
		{"1.0", "TE", false},
		{"1.0", "keep-alive, close", false},
	};

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct http_request r;
		char text[128];

		snprintf(text, sizeof(text), "GET / HTTP/%s\r\nHost: a\r\nConnection: %s\r\n\r\n",
			 t[i].version, t[i].value);
		UNIT_EQ(parse(&r, text), HTTP_PARSE_DONE);
		UNIT_EQ(http_keeps_alive(&r), t[i].keeps);
	}
}

/* A request whose target, one field's value and number of fields have these sizes. */
static char *
sized_request(size_t target, size_t value, unsigned int fields)
{
	char *text = malloc(target + value + 64 + (size_t)fields * 8), *p = text;

	p += sprintf(p, "GET /");
	memset(p, 'a', target - 1);
	p += target - 1;
	p += sprintf(p, " HTTP/1.1\r\nHost: ");
	memset(p, 'b', value);
	p += value;
	p += sprintf(p, "\r\n");
	for (unsigned int i = 1; i < fields; i++)
		p += sprintf(p, "A: b\r\n");
	sprintf(p, "\r\n");
	return text;
}

static int
sized_status(size_t target, size_t value, unsigned int fields)
{
	char *text = sized_request(target, value, fields);
	int status = status_of(text);

	free(text);
	return status;
}

UNIT_CASE(limits_are_exact)
{
	char *text = sized_request(1, 1, 1);
	size_t around = strlen(text) - 1;

	free(text);
	UNIT_EQ(sized_status(HTTP_TARGET_MAX, 1, 1), 0);
	UNIT_EQ(sized_status(HTTP_TARGET_MAX + 1, 1, 1), 414);
	UNIT_EQ(sized_status(3 * HTTP_HEAD_MAX, 1, 1), 414);
	UNIT_EQ(sized_status(1, 1, HTTP_HEADERS_MAX), 0);
	UNIT_EQ(sized_status(1, 1, HTTP_HEADERS_MAX + 1), 431);
	UNIT_EQ(sized_status(1, HTTP_HEAD_MAX - around, 1), 0);
	UNIT_EQ(sized_status(1, HTTP_HEAD_MAX - around + 1, 1), 431);
	UNIT_EQ(sized_status(1, HTTP_HEAD_MAX - around + 2, 1), 431);
	UNIT_EQ(sized_status(1, HTTP_HEAD_MAX - around + 3, 1), 431);
	UNIT_EQ(sized_status(1, 3 * HTTP_HEAD_MAX, 1), 431);
}

UNIT_CASE(empty_lines_do_not_go_on_for_ever)
{
	char text[2 * HTTP_HEAD_MAX + 1];

	for (size_t i = 0; i < 2 * HTTP_HEAD_MAX; i++)
		text[i] = '\n';
	text[2 * HTTP_HEAD_MAX] = 0;
	UNIT_EQ(status_of(text), 431);
}

UNIT_CASE(targets_resolve)
{
	static const struct {
		const char *target;
		const char *path; /* NULL: refused */
	} t[] = {
		{"/", "/"},
		{"/index.html", "/index.html"},
		{"/a/b/", "/a/b/"},
		{"/a?/../../x", "/a"},
		{"/?q", "/"},
		{"//a///b", "/a/b"},
		{"/./a/./b/.", "/a/b/"},
		{"/a/../b", "/b"},
		{"/a/..", "/"},
		{"/a/b/../..", "/"},
		{"/a/b/..", "/a/"},
		{"/...", "/..."},
		{"/.a/..b", "/.a/..b"},
		{"/%61%2Fb", "/a/b"},
		{"/a%20b%3f", "/a b?"},
		{"/%e4", "/\xe4"},
		{"/..", NULL},
		{"/../etc/passwd", NULL},
		{"/a/../../etc/passwd", NULL},
		{"/%2e%2e/etc/passwd", NULL},
		{"/..%2fetc", NULL},
		{"/a/%2E%2e%2f../x", NULL},
		{"/%", NULL},
		{"/%4", NULL},
		{"/%zz", NULL},
		{"/%00", NULL},
		{"/a#b", NULL},
		{"*", NULL},
		{"a", NULL},
		{"host:80", NULL},
		{"http://h/x", "/x"},
		{"HTTP://h:80/x?y", "/x"},
		{"https://[::1]:8/", "/"},
		{"http://h", "/"},
		{"http://h?q", "/"},
		{"http://h/../x", NULL},
		{"http:///x", NULL},
		{"http://h@x/", NULL},
		{"ftp://h/x", NULL},
	};

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		char path[HTTP_TARGET_MAX + 2];
		size_t bytes = 0;
		bool ok = http_resolve(t[i].target, strlen(t[i].target), path, &bytes) ==
			  HTTP_TARGET_PATH;

		if (ok != (t[i].path != NULL) || (ok && strcmp(path, t[i].path) != 0))
			printf("\n  %s resolves to %s", t[i].target, ok ? path : "nothing");
		UNIT_EQ(ok, t[i].path != NULL);
		if (ok && t[i].path != NULL) {
			CU_ASSERT_STRING_EQUAL(path, t[i].path);
			UNIT_EQ(bytes, strlen(t[i].path));
		}
	}
}

UNIT_CASE(the_longest_target_fits)
{
	char target[HTTP_TARGET_MAX + 1], *path = malloc(HTTP_TARGET_MAX + 2);
	size_t bytes;

	memset(target, 'a', sizeof(target));
	target[0] = '/';
	UNIT_EQ(http_resolve(target, HTTP_TARGET_MAX, path, &bytes), HTTP_TARGET_PATH);
	UNIT_EQ(bytes, HTTP_TARGET_MAX);
	UNIT_EQ(http_resolve(target, HTTP_TARGET_MAX + 1, path, &bytes), HTTP_TARGET_BAD);
	free(path);
}

UNIT_CASE(ranges_are_cut_to_the_body)
{
	static const struct {
		const char *value;
		uint64_t total;
		int status;
		uint64_t first, length;
	} t[] = {
		{"bytes=0-99", 1000, 206, 0, 100},
		{"bytes=100-", 1000, 206, 100, 900},
		{"bytes=-100", 1000, 206, 900, 100},
		{"BYTES=5-5", 1000, 206, 5, 1},
		{"bytes=900-5000", 1000, 206, 900, 100},
		{"bytes=-5000", 1000, 206, 0, 1000},
		{"bytes=0-18446744073709551615", 1000, 206, 0, 1000},
		{"bytes=1000-", 1000, 416, 0, 0},
		{"bytes=-0", 1000, 416, 0, 0},
		{"bytes=0-", 0, 416, 0, 0},
		{"bytes=-1", 0, 416, 0, 0},
		{"bytes=5-4", 1000, 200, 0, 0},
		{"bytes=0-1,3-4", 1000, 200, 0, 0},
		{"bytes=", 1000, 200, 0, 0},
		{"bytes=-", 1000, 200, 0, 0},
		{"bytes=a-b", 1000, 200, 0, 0},
		{"bytes=18446744073709551616-", 1000, 200, 0, 0},
		{"lines=0-1", 1000, 200, 0, 0},
		{"bytes=0-1\r\nRange: bytes=0-1", 1000, 200, 0, 0},
	};

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct http_request r;
		uint64_t first = 0, length = 0;
		char text[128];

		snprintf(text, sizeof(text), "GET / HTTP/1.1\r\nHost: a\r\nRange: %s\r\n\r\n",
			 t[i].value);
		UNIT_EQ(parse(&r, text), HTTP_PARSE_DONE);
		UNIT_EQ(http_range_of(&r, t[i].total, &first, &length), t[i].status);
		if (t[i].status == 206) {
			UNIT_EQ(first, t[i].first);
			UNIT_EQ(length, t[i].length);
		}
	}
}

UNIT_CASE(conditions_carry_dates)
{
	struct http_request r;

	UNIT_EQ(parse(&r, FIELDS("If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT")),
		HTTP_PARSE_DONE);
	UNIT_EQ(r.modified_since, 784111777);
	UNIT_EQ(parse(&r, FIELDS("If-Modified-Since: yesterday")), HTTP_PARSE_DONE);
	UNIT_EQ(r.modified_since, 0);
	UNIT_EQ(parse(&r, FIELDS("If-Range: \"tag\"")), HTTP_PARSE_DONE);
	CU_ASSERT(r.have_if_range && r.if_range == 0);
}

/* Random bytes out of the bytes that mean something: splits must agree, whatever comes out. */
UNIT_CASE(random_requests_parse_alike_in_pieces)
{
	static const char *const words[] = {"GET ", "/",     "HTTP/1.1",    "\r\n",          "\n",
					    "\r",   "Host:", "Connection:", "close",         " ",
					    "\t",   ",",     "a",           "Range: bytes=", "1-",
					    "\x01", ":",     "\xff"};
	unsigned int seed = 1, done = 0;

	for (unsigned int run = 0; run < 3000; run++) {
		char text[256] = "";
		struct http_request r;

		if (run % 2 == 0)
			strcpy(text, "GET / HTTP/1.1\r\nHost: a\r\n");
		for (unsigned int i = 0; i < 12; i++)
			strcat(text, words[(unsigned int)rand_r(&seed) %
					   (sizeof(words) / sizeof(words[0]))]);
		strcat(text, "\r\n\r\n");
		done += parse(&r, text) == HTTP_PARSE_DONE;
	}
	CU_ASSERT(done > 0);
}

UNIT_MAIN(UNIT_RUN(plain_requests_are_understood), UNIT_RUN(only_the_first_of_several_is_taken),
	  UNIT_RUN(methods_are_told_apart), UNIT_RUN(malformed_request_lines_are_refused),
	  UNIT_RUN(malformed_fields_are_refused), UNIT_RUN(bodies_are_announced_unambiguously),
	  UNIT_RUN(persistence_is_as_asked), UNIT_RUN(limits_are_exact),
	  UNIT_RUN(empty_lines_do_not_go_on_for_ever), UNIT_RUN(targets_resolve),
	  UNIT_RUN(the_longest_target_fits), UNIT_RUN(ranges_are_cut_to_the_body),
	  UNIT_RUN(conditions_carry_dates), UNIT_RUN(random_requests_parse_alike_in_pieces))
