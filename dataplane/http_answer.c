/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * See http_answer.h. What is saved of an answer, little-endian:
 *
 *     0 version   1 flags   2 status   4 head_sent   6 bytes of the file's path
 *     8 date_s   12 the file's `modified`   16 first   24 length   32 total   40 the path
 *
 * It comes back from outside. An answer of which some bytes have left is gone on with only if the
 * rest of it will be what it would have been: the file must have the same size and date.
 */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "dataplane/http_answer.h"

enum {
	HEAD_BYTES = HTTP_FILE_PATH_MAX + 512, /* the most that a head takes */
	SAVED_VERSION = 1,
	SAVED_HEAD_BYTES = 40,
};

static_assert((int)HEAD_BYTES <= (int)HTTP_ANSWER_BYTES, "every head fits");

/* ---- The head */

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
put_date(struct out *o, struct http_answer_date *cache, uint32_t date_s)
{
	if (cache->date_s != date_s) {
		http_date_format(date_s, cache->date);
		cache->date_s = date_s;
	}
	put(o, cache->date, sizeof(cache->date));
}

static void
put_head(struct out *o, struct http_answer_date *date, const struct http_answer *a)
{
	PUT(o, "HTTP/1.1 ");
	put_text(o, status_text(a->status));
	PUT(o, "\r\nServer: Tern\r\nDate: ");
	put_date(o, date, a->date_s);
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

size_t
http_answer_write(const struct http_answer *a, struct http_answer_date *date,
		  char to[HTTP_ANSWER_BYTES], bool *rest)
{
	struct out o = {to, to + HTTP_ANSWER_BYTES};
	bool body = has_content(a) && !a->no_body && a->length > 0;

	put_head(&o, date, a);
	if (has_error_text(a) && !a->no_body) {
		put_text(&o, status_text(a->status));
		PUT(&o, "\n");
	} else if (body && !a->generated && a->length <= (size_t)(o.end - o.at)) {
		put(&o, (const char *)tern_service_memory_data(a->file->body) + a->first,
		    (size_t)a->length);
		body = false;
	}
	*rest = body;
	return (size_t)(o.at - to);
}

/* ---- On its way */

enum {
	FLAG_HEAD_DONE = 1 << 0,
	FLAG_NO_BODY = 1 << 1,
	FLAG_GENERATED = 1 << 2,
	FLAG_CLOSE = 1 << 3,
	FLAG_LINGER = 1 << 4,
	FLAG_KEEP_ALIVE = 1 << 5,
};

static void
put_le(uint8_t *to, uint64_t v, unsigned int bytes)
{
	for (unsigned int i = 0; i < bytes; i++)
		to[i] = (uint8_t)(v >> 8 * i);
}

static uint64_t
get_le(const uint8_t *from, unsigned int bytes)
{
	uint64_t v = 0;

	for (unsigned int i = 0; i < bytes; i++)
		v |= (uint64_t)from[i] << 8 * i;
	return v;
}

static uint8_t
flags_of(const struct http_answer *a)
{
	return (uint8_t)((a->head_done ? FLAG_HEAD_DONE : 0) | (a->no_body ? FLAG_NO_BODY : 0) |
			 (a->generated ? FLAG_GENERATED : 0) | (a->close ? FLAG_CLOSE : 0) |
			 (a->linger ? FLAG_LINGER : 0) | (a->keep_alive ? FLAG_KEEP_ALIVE : 0));
}

size_t
http_answer_save(const struct http_answer *a, uint8_t to[HTTP_SAVED_BYTES_MAX])
{
	size_t path = a->file != NULL ? strlen(a->file->path) : 0;

	assert(path <= HTTP_FILE_PATH_MAX);
	to[0] = SAVED_VERSION;
	to[1] = flags_of(a);
	put_le(to + 2, a->status, 2);
	put_le(to + 4, a->head_sent, 2);
	put_le(to + 6, path, 2);
	put_le(to + 8, a->date_s, 4);
	put_le(to + 12, a->file != NULL ? a->file->modified : 0, 4);
	put_le(to + 16, a->first, 8);
	put_le(to + 24, a->length, 8);
	put_le(to + 32, a->total, 8);
	if (path > 0)
		memcpy(to + SAVED_HEAD_BYTES, a->file->path, path);
	return SAVED_HEAD_BYTES + path;
}

static int
refuse(char *why, const char *reason)
{
	snprintf(why, TERN_SERVICE_WHY_BYTES, "%s", reason);
	return -EINVAL;
}

static int
load(struct http_answer *a, const uint8_t *from, size_t bytes, char *why)
{
	uint8_t flags;

	if (bytes < SAVED_HEAD_BYTES || from[0] != SAVED_VERSION ||
	    bytes - SAVED_HEAD_BYTES != get_le(from + 6, 2))
		return refuse(why, "what is saved of its answer is damaged, or of another version");
	flags = from[1];
	*a = (struct http_answer){
		.first = get_le(from + 16, 8),
		.length = get_le(from + 24, 8),
		.total = get_le(from + 32, 8),
		.date_s = (uint32_t)get_le(from + 8, 4),
		.head_sent = (uint16_t)get_le(from + 4, 2),
		.status = (uint16_t)get_le(from + 2, 2),
		.head_done = (flags & FLAG_HEAD_DONE) != 0,
		.no_body = (flags & FLAG_NO_BODY) != 0,
		.generated = (flags & FLAG_GENERATED) != 0,
		.close = (flags & FLAG_CLOSE) != 0,
		.linger = (flags & FLAG_LINGER) != 0,
		.keep_alive = (flags & FLAG_KEEP_ALIVE) != 0,
	};
	return 0;
}

/* The same file as there, or why not. */
static int
find_file(struct http_answer *a, const struct http_site *site, const uint8_t *from, size_t bytes,
	  char *why)
{
	const char *path = (const char *)from + SAVED_HEAD_BYTES;
	size_t n = bytes - SAVED_HEAD_BYTES;

	if (n == 0)
		return 0;
	a->file = http_site_find(site, path, n);
	if (a->file != NULL && a->file->modified == get_le(from + 12, 4) &&
	    (a->file->body == NULL || tern_service_memory_bytes(a->file->body) == a->total))
		return 0;
	snprintf(why, TERN_SERVICE_WHY_BYTES,
		 "it is being sent a file that %s here: %.*s; start ternd with the same root",
		 a->file == NULL ? "is not" : "is another one", n < 256 ? (int)n : 256, path);
	return -EINVAL;
}

/* Whether an answer of that status has what it needs, and nothing that it cannot have. */
static bool
source_is_sound(const struct http_answer *a)
{
	bool folder = a->file != NULL && a->file->body == NULL;

	switch (a->status) {
	case 200:
	case 206:
	case 416:
		if (a->generated)
			return a->file == NULL && a->total <= HTTP_GENERATED_MAX;
		return a->file != NULL && !folder;
	case 304:
		return a->file != NULL && !folder && !a->generated;
	case 301:
		return folder && a->file->location != NULL && !a->generated;
	case 400:
	case 404:
	case 405:
	case 414:
	case 431:
	case 501:
	case 505:
		return a->file == NULL && !a->generated;
	default:
		return false;
	}
}

static bool
part_is_sound(const struct http_answer *a)
{
	if (a->first > a->total || a->length > a->total - a->first)
		return false;
	if (a->head_done)
		return !a->no_body || a->length == 0;
	return a->status == 206 ? a->length > 0 : a->first == 0 && a->length == a->total;
}

int
http_answer_restore(struct http_answer *a, const struct http_site *site,
		    struct http_answer_date *date, const uint8_t *from, size_t bytes, char *why)
{
	char head[HTTP_ANSWER_BYTES];
	int status = load(a, from, bytes, why);
	bool rest;

	if (status == 0)
		status = find_file(a, site, from, bytes, why);
	if (status < 0)
		return status;
	if (!source_is_sound(a) || (has_content(a) && !part_is_sound(a)))
		return refuse(why, "what is saved of its answer contradicts itself");
	if (!has_content(a))
		a->first = a->length = 0;
	if (!a->head_done && a->head_sent > http_answer_write(a, date, head, &rest))
		return refuse(why, "more of its answer's head has left than it has");
	return 0;
}
