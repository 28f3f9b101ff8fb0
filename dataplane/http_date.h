/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * HTTP's dates (RFC 9110 §5.6.7) without the C library's time zones and locks.
 */
#ifndef TERN_DATAPLANE_HTTP_DATE_H
#define TERN_DATAPLANE_HTTP_DATE_H

#include <stddef.h>
#include <stdint.h>

enum {
	HTTP_DATE_BYTES = 29, /* "Sun, 06 Nov 1994 08:49:37 GMT" */
};

/* Writes HTTP_DATE_BYTES bytes, without a 0 at the end. `seconds` since 1970. */
void http_date_format(uint32_t seconds, char *out);

/*
 * Reads a date in any of the three formats of RFC 9110. Returns seconds since 1970; 0 if it is
 * malformed or outside 1970...2106.
 */
uint32_t http_date_parse(const char *text, size_t n);

#endif
