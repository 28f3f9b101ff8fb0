/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The HTTP request parser: arbitrary bytes, given at once or in pieces, are understood the same
 * way; targets resolve to paths that stay below the root.
 *
 * Input: one byte (pieces of so many bytes), then what the client sends.
 */
#include <string.h>

#include "dataplane/http_parser.h"
#include "fuzz.h"

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	return 0;
}

/* As a service does: what is not parsed yet is given again with what has arrived. */
static enum http_parse
parse(struct http_request *r, const uint8_t *data, size_t n, size_t step)
{
	enum http_parse said = HTTP_PARSE_MORE;

	*r = (struct http_request){0};
	for (size_t have = step < n ? step : n; said == HTTP_PARSE_MORE;) {
		size_t from = r->parsed, rest = have - from;
		char *exact = calloc(1, rest > 0 ? rest : 1);

		if (rest > 0)
			memcpy(exact, data + from, rest);
		said = http_parse(r, exact, rest);
		free(exact);
		FUZZ_CHECK(said == HTTP_PARSE_BAD || r->parsed <= have, "parsed %u of %zu",
			   r->parsed, have);
		FUZZ_CHECK(r->parsed >= from, "parsed less than before");
		if (have == n)
			break;
		have = n - have < step ? n : have + step;
	}
	return said;
}

static void
check_path(const char *path, size_t bytes)
{
	FUZZ_CHECK(bytes > 0 && bytes < HTTP_TARGET_MAX + 2 && path[bytes] == '\0', "%zu", bytes);
	FUZZ_CHECK(path[0] == '/' && strlen(path) == bytes, "%s", path);
	FUZZ_CHECK(strstr(path, "//") == NULL && strstr(path, "/../") == NULL &&
			   strstr(path, "/./") == NULL,
		   "%s", path);
	FUZZ_CHECK(bytes < 3 || strcmp(path + bytes - 3, "/..") != 0, "%s", path);
}

static void
check_request(const struct http_request *r, const uint8_t *data, size_t n)
{
	char *target, *path;
	uint64_t first, length;
	size_t bytes;

	FUZZ_CHECK(r->parsed <= n && r->parsed <= HTTP_HEAD_MAX, "%u bytes", r->parsed);
	FUZZ_CHECK(r->target_at + r->target_bytes <= r->parsed, "the target is behind the head");
	FUZZ_CHECK(r->target_bytes <= HTTP_TARGET_MAX, "%u bytes of target", r->target_bytes);
	target = calloc(1, r->target_bytes > 0 ? r->target_bytes : 1);
	path = calloc(1, HTTP_TARGET_MAX + 2);
	memcpy(target, data + r->target_at, r->target_bytes);
	if (http_resolve(target, r->target_bytes, path, &bytes) == HTTP_TARGET_PATH)
		check_path(path, bytes);
	free(target);
	free(path);
	for (uint64_t total = 0; total < 3000; total = total * 7 + 1) {
		int status = http_range_of(r, total, &first, &length);

		FUZZ_CHECK(status == 200 || status == 206 || status == 416, "%d", status);
		FUZZ_CHECK(status != 206 ||
				   (length > 0 && first < total && length <= total - first),
			   "range %llu + %llu of %llu", (unsigned long long)first,
			   (unsigned long long)length, (unsigned long long)total);
	}
}

static void
check_same(const struct http_request *a, const struct http_request *b)
{
	FUZZ_CHECK(a->parsed == b->parsed && a->target_at == b->target_at &&
			   a->target_bytes == b->target_bytes && a->method == b->method &&
			   a->headers == b->headers && a->range == b->range,
		   "pieces make a difference");
	FUZZ_CHECK(a->range_first == b->range_first && a->range_last == b->range_last &&
			   a->modified_since == b->modified_since && a->if_range == b->if_range &&
			   http_keeps_alive(a) == http_keeps_alive(b),
		   "pieces make a difference to the fields");
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct http_request whole, pieces;
	enum http_parse said, said_of_pieces;

	if (n == 0)
		return 0;
	said = parse(&whole, data + 1, n - 1, n);
	said_of_pieces = parse(&pieces, data + 1, n - 1, data[0] % 64u + 1);
	FUZZ_CHECK(said == said_of_pieces, "%d at once, %d in pieces", said, said_of_pieces);
	if (said == HTTP_PARSE_DONE) {
		check_same(&whole, &pieces);
		check_request(&whole, data + 1, n - 1);
	} else if (said == HTTP_PARSE_BAD) {
		FUZZ_CHECK(whole.status >= 400 && whole.status < 600, "status %u", whole.status);
		FUZZ_CHECK(whole.status == pieces.status, "status %u at once, %u in pieces",
			   whole.status, pieces.status);
	}
	return 0;
}
