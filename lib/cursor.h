/* SPDX-License-Identifier: BSD-3-Clause */
/* A position in an iovec, for who fills it in or empties it piece by piece. */
#ifndef TERN_LIB_CURSOR_H
#define TERN_LIB_CURSOR_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/uio.h>

#include "shm.h"

enum {
	CURSOR_PIECES = 16, /* of an iovec that goes into one request */
};

struct cursor {
	const struct iovec *iov;
	size_t n;      /* entries left */
	size_t offset; /* into the first of them */
	size_t left;   /* bytes in all of them */
};

static inline struct cursor
cursor_at(const struct iovec *iov, size_t n)
{
	struct cursor cursor = {.iov = iov, .n = n};

	for (size_t i = 0; i < n; i++)
		cursor.left += iov[i].iov_len;
	return cursor;
}

static inline void
cursor_skip(struct cursor *cursor, size_t bytes)
{
	cursor->left -= bytes;
	cursor->offset += bytes;
	while (cursor->n > 0 && cursor->offset >= cursor->iov->iov_len) {
		cursor->offset -= cursor->iov->iov_len;
		cursor->iov++;
		cursor->n--;
	}
}

static inline void
cursor_put(struct cursor *cursor, const uint8_t *from, size_t bytes)
{
	while (bytes > 0) {
		size_t room = cursor->iov->iov_len - cursor->offset;
		size_t n = bytes < room ? bytes : room;

		if (n > 0)
			memcpy((uint8_t *)cursor->iov->iov_base + cursor->offset, from, n);
		from += n;
		bytes -= n;
		cursor_skip(cursor, n);
	}
}

/* Up to SHM_PAYLOAD_MAX bytes from the cursor, as an iovec of at most CURSOR_PIECES. Returns the
 * bytes. */
static inline uint32_t
cursor_pieces(const struct cursor *from, struct iovec *pieces, size_t most)
{
	size_t offset = from->offset, done = 0;

	if (most > SHM_PAYLOAD_MAX)
		most = SHM_PAYLOAD_MAX;
	for (size_t i = 0; i < from->n && i < CURSOR_PIECES && done < most; i++) {
		size_t n = from->iov[i].iov_len - offset;

		if (n > most - done)
			n = most - done;
		pieces[i] = (struct iovec){(uint8_t *)from->iov[i].iov_base + offset, n};
		done += n;
		offset = 0;
	}
	return (uint32_t)done;
}

#endif
