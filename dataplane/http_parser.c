/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Request line, header fields, request target and byte range; see http_parser.h.
 *
 * RFC 9112 §2.2 (line ends, leading empty lines), §3 (request line and target), §5 (fields), §6.3
 * (what has a body), §9.3 (persistence); RFC 9110 §2.5 (versions), §5.6 (tokens), §7.2 (Host), §14
 * (ranges); RFC 3986 §5.2.4 (dot segments).
 */
#include <string.h>
#include <strings.h>
#include <sys/types.h>

#include "dataplane/http_date.h"
#include "dataplane/http_parser.h"

/* Classes of bytes. */
enum {
	TOKEN = 1 << 0, /* tchar, RFC 9110 §5.6.2 */
	FIELD = 1 << 1, /* inside a field value: VCHAR, obs-text, SP, HTAB */
	HOST = 1 << 2,  /* inside Host: uri-host and port, RFC 3986 §3.2.2 */
	GRAPH = 1
		<< 3, /* inside a request target: VCHAR, and bytes that should have been encoded */
};

static uint8_t
class_of(unsigned char b)
{
	uint8_t class = 0;
	bool alnum = (b >= '0' && b <= '9') || (b >= 'a' && b <= 'z') || (b >= 'A' && b <= 'Z');

	if (alnum || (b != 0 && strchr("!#$%&'*+-.^_`|~", b) != NULL))
		class |= TOKEN;
	if (alnum || (b != 0 && strchr("-._~%!$&'()*+,;=:[]", b) != NULL))
		class |= HOST;
	if ((b >= ' ' && b != 0x7f) || b == '\t')
		class |= FIELD;
	if (b > ' ' && b != 0x7f)
		class |= GRAPH;
	return class;
}

static uint8_t classes[256];

__attribute__((constructor)) static void
fill_classes(void)
{
	for (unsigned int b = 0; b < 256; b++)
		classes[b] = class_of((unsigned char)b);
}

/* The length of the longest start of p[0...n) whose bytes are all of a class. */
static size_t
span(const char *p, size_t n, uint8_t class)
{
	size_t i = 0;

	while (i < n && (classes[(unsigned char)p[i]] & class) != 0)
		i++;
	return i;
}

/* A piece of text. */
struct text {
	const char *p;
	size_t n;
};

static bool
text_is(struct text t, const char *word)
{
	return t.n == strlen(word) && strncasecmp(t.p, word, t.n) == 0;
}

static struct text
trim(struct text t)
{
	while (t.n > 0 && (t.p[0] == ' ' || t.p[0] == '\t'))
		t.p++, t.n--;
	while (t.n > 0 && (t.p[t.n - 1] == ' ' || t.p[t.n - 1] == '\t'))
		t.n--;
	return t;
}

static enum http_parse
bad(struct http_request *r, uint16_t status)
{
	r->status = status;
	return HTTP_PARSE_BAD;
}

/* Reads decimal digits at the start of *t and moves it on; false if there is none or too many. */
static bool
get_decimal(struct text *t, uint64_t *v)
{
	const char *start = t->p;

	*v = 0;
	for (; t->n > 0 && t->p[0] >= '0' && t->p[0] <= '9'; t->p++, t->n--)
		if (__builtin_mul_overflow(*v, 10, v) ||
		    __builtin_add_overflow(*v, (uint64_t)(t->p[0] - '0'), v))
			return false;
	return t->p != start;
}

/* ---- The request line, RFC 9112 §3 */

static enum http_method
method_of(const char *p, size_t n)
{
	static const char *const known[] = {"POST",  "PUT",   "DELETE", "CONNECT",
					    "TRACE", "PATCH", "OPTIONS"};

	if (n == 3 && memcmp(p, "GET", 3) == 0)
		return HTTP_GET;
	if (n == 4 && memcmp(p, "HEAD", 4) == 0)
		return HTTP_HEAD;
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (n == strlen(known[i]) && memcmp(p, known[i], n) == 0)
			return HTTP_KNOWN_METHOD;
	return HTTP_UNKNOWN_METHOD;
}

/* RFC 9110 §2.5: a higher minor version is treated as the highest that we know. */
static uint16_t
parse_version(struct http_request *r, const char *p, size_t n)
{
	if (n != 8 || memcmp(p, "HTTP/", 5) != 0 || p[5] < '0' || p[5] > '9' || p[6] != '.' ||
	    p[7] < '0' || p[7] > '9')
		return 400;
	if (p[5] != '1')
		return 505;
	r->version_1_0 = p[7] == '0';
	return 0;
}

static enum http_parse
parse_request_line(struct http_request *r, const char *p, size_t n)
{
	size_t method = span(p, n, TOKEN), target;
	uint16_t status;

	if (method == 0 || method == n || p[method] != ' ')
		return bad(r, 400);
	r->method = (uint8_t)method_of(p, method);
	target = span(p + method + 1, n - method - 1, GRAPH);
	if (target == 0)
		return bad(r, 400);
	if (target > HTTP_TARGET_MAX)
		return bad(r, 414);
	r->target_at = (uint16_t)(r->parsed + method + 1);
	r->target_bytes = (uint16_t)target;
	p += method + 1 + target;
	n -= method + 1 + target;
	if (n == 0 || p[0] != ' ')
		return bad(r, 400);
	status = parse_version(r, p + 1, n - 1);
	if (status != 0)
		return bad(r, status);
	r->have_line = true;
	return HTTP_PARSE_MORE;
}

/* ---- Header fields, RFC 9112 §5 */

static uint16_t
on_host(struct http_request *r, struct text value)
{
	if (r->have_host || span(value.p, value.n, HOST) != value.n)
		return 400;
	r->have_host = true;
	return 0;
}

static uint16_t
on_connection(struct http_request *r, struct text value)
{
	while (value.n > 0) {
		const char *comma = memchr(value.p, ',', value.n);
		size_t n = comma == NULL ? value.n : (size_t)(comma - value.p);
		struct text token = trim((struct text){value.p, n});

		if (text_is(token, "close"))
			r->want_close = true;
		else if (text_is(token, "keep-alive"))
			r->want_keep = true;
		if (comma == NULL)
			break;
		value.p += n + 1;
		value.n -= n + 1;
	}
	return 0;
}

static uint16_t
on_content_length(struct http_request *r, struct text value)
{
	uint64_t length;

	if (r->have_length || !get_decimal(&value, &length) || value.n > 0)
		return 400;
	r->have_length = true;
	r->body = r->body || length > 0;
	return 0;
}

/* RFC 9112 §6.1; codings other than chunked are not ours. */
static uint16_t
on_transfer_encoding(struct http_request *r, struct text value)
{
	if (r->have_coding)
		return 400;
	r->have_coding = true;
	r->body = true;
	return text_is(value, "chunked") ? 0 : 501;
}

/* RFC 9110 §14.2: a range that we cannot read is as none. */
static uint16_t
on_range(struct http_request *r, struct text value)
{
	uint64_t first = 0, last = UINT64_MAX;
	bool suffix, again = r->have_range;

	r->have_range = true;
	r->range = HTTP_RANGE_NONE;
	if (again || value.n < 7 || strncasecmp(value.p, "bytes=", 6) != 0)
		return 0;
	value = trim((struct text){value.p + 6, value.n - 6});
	suffix = value.n > 0 && value.p[0] == '-';
	if (!suffix && !get_decimal(&value, &first))
		return 0;
	if (value.n == 0 || value.p[0] != '-')
		return 0;
	value.p++, value.n--;
	if ((value.n > 0 || suffix) && (!get_decimal(&value, &last) || value.n > 0))
		return 0;
	if (!suffix && last < first)
		return 0;
	r->range = suffix ? HTTP_RANGE_SUFFIX : HTTP_RANGE_FROM_TO;
	r->range_first = first;
	r->range_last = last;
	return 0;
}

static uint16_t
on_if_modified_since(struct http_request *r, struct text value)
{
	r->modified_since = http_date_parse(value.p, value.n);
	return 0;
}

static uint16_t
on_if_range(struct http_request *r, struct text value)
{
	r->have_if_range = true;
	r->if_range = http_date_parse(value.p, value.n);
	return 0;
}

static const struct {
	const char *name;
	size_t bytes;
	uint16_t (*on)(struct http_request *r, struct text value);
} fields[] = {
#define FIELD_NAME(text) text, sizeof(text) - 1
	{FIELD_NAME("host"), on_host},
	{FIELD_NAME("connection"), on_connection},
	{FIELD_NAME("content-length"), on_content_length},
	{FIELD_NAME("transfer-encoding"), on_transfer_encoding},
	{FIELD_NAME("range"), on_range},
	{FIELD_NAME("if-modified-since"), on_if_modified_since},
	{FIELD_NAME("if-range"), on_if_range},
#undef FIELD_NAME
};

static enum http_parse
parse_field(struct http_request *r, const char *p, size_t n)
{
	size_t name = span(p, n, TOKEN);
	struct text value;

	if (++r->headers > HTTP_HEADERS_MAX)
		return bad(r, 431);
	/* A line that starts with white space is a folded one, RFC 9112 §5.2: refused here too. */
	if (name == 0 || name == n || p[name] != ':')
		return bad(r, 400);
	value = trim((struct text){p + name + 1, n - name - 1});
	if (span(value.p, value.n, FIELD) != value.n)
		return bad(r, 400);
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		uint16_t status;

		if (name != fields[i].bytes || strncasecmp(p, fields[i].name, name) != 0)
			continue;
		status = fields[i].on(r, value);
		return status == 0 ? HTTP_PARSE_MORE : bad(r, status);
	}
	return HTTP_PARSE_MORE;
}

/* The empty line: is what the fields said together allowed? */
static enum http_parse
finish(struct http_request *r)
{
	if (!r->have_host && !r->version_1_0)
		return bad(r, 400);
	if (r->have_coding && (r->have_length || r->version_1_0))
		return bad(r, 400);
	return HTTP_PARSE_DONE;
}

/* ---- Lines */

static enum http_parse
parse_line(struct http_request *r, const char *p, size_t n)
{
	if (n > 0 && p[n - 1] == '\r')
		n--;
	if (n == 0)
		return r->have_line ? finish(r) : HTTP_PARSE_MORE;
	return r->have_line ? parse_field(r, p, n) : parse_request_line(r, p, n);
}

/* What can be said of a line whose end is not there yet: enough to turn away other protocols. */
static enum http_parse
judge_unfinished(struct http_request *r, const char *p, size_t n)
{
	size_t method = span(p, n, TOKEN);

	if (!r->have_line) {
		if (method < n && p[method] != ' ' && !(method == 0 && p[0] == '\r'))
			return bad(r, 400);
		if (method < n && span(p + method + 1, n - method - 1, GRAPH) > HTTP_TARGET_MAX)
			return bad(r, 414);
	}
	if (r->parsed + n >= HTTP_HEAD_MAX)
		return bad(r, r->have_line ? 431 : 414);
	return HTTP_PARSE_MORE;
}

enum http_parse
http_parse(struct http_request *r, const char *data, size_t n)
{
	while (n > 0) {
		const char *end = memchr(data, '\n', n);
		size_t line = end == NULL ? n : (size_t)(end - data);
		enum http_parse result;

		if (end == NULL)
			return judge_unfinished(r, data, n);
		if (r->parsed + line + 1 > HTTP_HEAD_MAX)
			return bad(r, r->have_line || line <= HTTP_TARGET_MAX ? 431 : 414);
		result = parse_line(r, data, line);
		if (result == HTTP_PARSE_BAD)
			return result;
		r->parsed = (uint16_t)(r->parsed + line + 1);
		if (result == HTTP_PARSE_DONE)
			return result;
		data += line + 1;
		n -= line + 1;
	}
	return r->parsed < HTTP_HEAD_MAX ? HTTP_PARSE_MORE : bad(r, 431);
}

/* ---- Target and range */

/* Takes scheme and authority off an absolute-form target, RFC 9112 §3.2.2. */
static bool
strip_authority(struct text *t)
{
	size_t scheme = 0;

	if (t->n >= 7 && strncasecmp(t->p, "http://", 7) == 0)
		scheme = 7;
	else if (t->n >= 8 && strncasecmp(t->p, "https://", 8) == 0)
		scheme = 8;
	else
		return false;
	t->p += scheme, t->n -= scheme;
	scheme = span(t->p, t->n, HOST);
	t->p += scheme, t->n -= scheme;
	return scheme > 0;
}

static int
hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Takes one byte off the path, decoded; -1 at its end, -2 if it is malformed. */
static int
next_byte(struct text *t)
{
	int c, high, low;

	if (t->n == 0 || t->p[0] == '?')
		return -1;
	c = (unsigned char)t->p[0];
	if (c == '#')
		return -2;
	if (c != '%') {
		t->p++, t->n--;
		return c;
	}
	high = t->n >= 3 ? hex(t->p[1]) : -1;
	low = t->n >= 3 ? hex(t->p[2]) : -1;
	if (high < 0 || low < 0 || high + low == 0)
		return -2;
	t->p += 3, t->n -= 3;
	return high << 4 | low;
}

/*
 * A segment of the path is complete: path[0...n), the last slash at path[slash]. Drops "." and
 * empty segments, and for ".." the segment before. Returns the new length, or -1 above the root.
 */
static ssize_t
end_segment(const char *path, size_t slash, size_t n)
{
	const char *segment = path + slash + 1;
	size_t bytes = n - slash - 1;

	if (bytes == 0 || (bytes == 1 && segment[0] == '.'))
		return (ssize_t)slash;
	if (bytes != 2 || memcmp(segment, "..", 2) != 0)
		return (ssize_t)n;
	if (slash == 0)
		return -1;
	for (slash--; path[slash] != '/';)
		slash--;
	return (ssize_t)slash;
}

enum http_target
http_resolve(const char *target, size_t n, char *path, size_t *bytes)
{
	struct text t = {target, n};
	size_t slash = 0, at = 1;
	int c = 0;

	if (n > HTTP_TARGET_MAX || n == 0)
		return HTTP_TARGET_BAD;
	if (target[0] != '/' && !strip_authority(&t))
		return HTTP_TARGET_BAD;
	if (t.n > 0 && t.p[0] != '/' && t.p[0] != '?')
		return HTTP_TARGET_BAD;
	if (t.n > 0 && t.p[0] == '/')
		t.p++, t.n--;
	path[0] = '/';
	while (c >= 0) {
		ssize_t kept;

		c = next_byte(&t);
		if (c == -2)
			return HTTP_TARGET_BAD;
		if (c >= 0 && c != '/') {
			path[at++] = (char)c;
			continue;
		}
		kept = end_segment(path, slash, at);
		if (kept < 0)
			return HTTP_TARGET_BAD;
		/* A directory keeps its slash: after "x/", "x/." and "x/y/..". */
		if (c < 0 && (size_t)kept == at)
			break;
		slash = (size_t)kept;
		path[slash] = '/';
		at = slash + 1;
	}
	path[at] = 0;
	*bytes = at;
	return HTTP_TARGET_PATH;
}

int
http_range_of(const struct http_request *r, uint64_t total, uint64_t *first, uint64_t *length)
{
	uint64_t last = r->range_last;

	if (r->range == HTTP_RANGE_NONE)
		return 200;
	if (r->range == HTTP_RANGE_SUFFIX) {
		*length = last < total ? last : total;
		*first = total - *length;
		return *length > 0 ? 206 : 416;
	}
	if (r->range_first >= total)
		return 416;
	*first = r->range_first;
	*length = (last < total ? last : total - 1) - *first + 1;
	return 206;
}
