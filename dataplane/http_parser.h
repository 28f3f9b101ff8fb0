/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The head of an HTTP/1 request: request line and header fields (RFC 9112 §2-§6, RFC 9110).
 *
 * The parser takes whole lines and remembers between calls only what they said, in a few bytes; the
 * bytes themselves stay where they are (a connection's receive queue) until the head is complete:
 *
 *     |<------------- parsed ------------>|
 *     GET /x HTTP/1.1 CRLF  Host: a  CRLF  Accept: text  ...
 *                                          ^ http_parse() is given the bytes from here on
 *
 * Deliberately strict where leniency lets two parsers disagree: no folded lines, no space before
 * the colon, no bare CR, no control bytes, one Host, one Content-Length and never with
 * Transfer-Encoding. A line may end in LF alone (RFC 9112 §2.2).
 *
 * Left out: bodies (what has one is answered and closed), entity tags, several ranges in one
 * request.
 */
#ifndef TERN_DATAPLANE_HTTP_PARSER_H
#define TERN_DATAPLANE_HTTP_PARSER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	HTTP_HEAD_MAX = 8192,   /* bytes of request line and header fields together */
	HTTP_TARGET_MAX = 4096, /* bytes of request target */
	HTTP_HEADERS_MAX = 100, /* header fields */
};

enum http_method {
	HTTP_GET,
	HTTP_HEAD,
	HTTP_KNOWN_METHOD,   /* one of RFC 9110's or PATCH, which we do not offer */
	HTTP_UNKNOWN_METHOD, /* any other token */
};

enum http_range {
	HTTP_RANGE_NONE,
	HTTP_RANGE_FROM_TO, /* bytes=first-last, last UINT64_MAX if it was left open */
	HTTP_RANGE_SUFFIX,  /* bytes=-last: the last so many bytes */
};

/* What the lines parsed so far said. */
struct http_request {
	uint64_t range_first; /* bytes; see enum http_range */
	uint64_t range_last;
	uint32_t modified_since; /* If-Modified-Since, seconds since 1970; 0: none */
	uint32_t if_range;       /* If-Range as a date; 0: none or not a date */
	uint16_t parsed;         /* bytes of complete lines */
	uint16_t target_at;      /* where the request target starts, and its length */
	uint16_t target_bytes;
	uint16_t status; /* what to answer when http_parse() said HTTP_PARSE_BAD */
	uint8_t headers; /* header fields so far */
	uint8_t method;  /* enum http_method */
	uint8_t range;   /* enum http_range */
	bool have_line : 1;
	bool version_1_0 : 1;
	bool have_host : 1;
	bool have_length : 1;
	bool have_coding : 1; /* Transfer-Encoding: chunked */
	bool have_range : 1;
	bool have_if_range : 1;
	bool body : 1; /* a body follows */
	bool want_close : 1;
	bool want_keep : 1;
};

enum http_parse {
	HTTP_PARSE_MORE, /* the head is not complete */
	HTTP_PARSE_DONE, /* request->parsed is its length */
	HTTP_PARSE_BAD,  /* request->status says why; the connection cannot go on */
};

/*
 * Parses the n bytes that follow the request->parsed bytes before them. The request is all zero at
 * first. After HTTP_PARSE_MORE the bytes beyond request->parsed are to be given again, with more.
 */
enum http_parse http_parse(struct http_request *request, const char *data, size_t n);

/* Whether the connection stays open after the answer (RFC 9112 §9.3). */
static inline bool
http_keeps_alive(const struct http_request *request)
{
	if (request->want_close || request->body)
		return false;
	return !request->version_1_0 || request->want_keep;
}

/* What a request target names. */
enum http_target {
	HTTP_TARGET_PATH,
	HTTP_TARGET_BAD, /* malformed, or its dot segments climb above the root */
};

/*
 * Resolves a target in origin-form or absolute-form to a path: without query, percent-decoded,
 * without dot segments and repeated slashes, starting with '/'. A trailing slash is kept. `path`
 * has room for HTTP_TARGET_MAX + 2 bytes; *bytes is set to its length, without the 0 at its end.
 */
enum http_target http_resolve(const char *target, size_t n, char *path, size_t *bytes);

/*
 * Cuts a request's range to a body of `total` bytes. Returns 206 with *first and *length set, 416
 * if no byte of the body lies in it, 200 if there is no range.
 */
int http_range_of(const struct http_request *request, uint64_t total, uint64_t *first,
		  uint64_t *length);

#endif
