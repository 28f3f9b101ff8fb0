/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An answer of http's: what it is, its head, and how it moves to another ternd.
 *
 * The head is a pure function of struct http_answer, so when only a part of it could be queued it
 * is made again later, here or elsewhere.
 */
#ifndef TERN_DATAPLANE_HTTP_ANSWER_H
#define TERN_DATAPLANE_HTTP_ANSWER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "dataplane/http_date.h"
#include "dataplane/http_files.h"

enum {
	HTTP_ANSWER_BYTES = 2048, /* head, and a short body with it */
	HTTP_SAVED_BYTES_MAX = 40 + HTTP_FILE_PATH_MAX,
};

#define HTTP_GENERATED_MAX (UINT64_C(1) << 32) /* N of /bytes/N */

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

/* The last date that was written, for it changes once a second only. */
struct http_answer_date {
	uint32_t date_s; /* since 1970 */
	char date[HTTP_DATE_BYTES];
};

/*
 * Writes the head, and the body behind it if that is short; *rest: a body is still to be sent.
 * Returns how many bytes.
 */
size_t http_answer_write(const struct http_answer *a, struct http_answer_date *date,
			 char to[HTTP_ANSWER_BYTES], bool *rest);

/* Writes what another ternd needs to go on with it. Returns how many bytes. */
size_t http_answer_save(const struct http_answer *a, uint8_t to[HTTP_SAVED_BYTES_MAX]);

/*
 * Reads that, from wherever it comes, for a site that must have the same file. Returns 0, or
 * -EINVAL with the reason in `why`.
 */
int http_answer_restore(struct http_answer *a, const struct http_site *site,
			struct http_answer_date *date, const uint8_t *from, size_t bytes,
			char *why);

#endif
