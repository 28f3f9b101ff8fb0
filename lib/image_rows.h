/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The field `rows` of an image: a number for each row of image_rows.def that is there. One that is
 * not has its default, or, in an image that Tern did not write, is not known.
 *
 *     0        u8       n: bytes of bits that follow
 *     1        bits     bit i % 8 of byte i / 8: row i is there
 *     1 + n    values   of those that are there, in their order, little-endian, each of its
 *                       type's size; a bool is a byte, true if it is not 0
 *
 * A writer that knew fewer rows wrote fewer bits. Rows that a later Tern has added are behind all
 * that is known here, and are skipped, as protobuf's fields are: where that would be wrong, it says
 * another number in the field `tern`. Anything else that does not fit together is refused.
 *
 * Rows are read into and written from any struct with members of their names: struct image_rows
 * here, a checkpoint in ternd, by
 *
 *     #define IMAGE_ROW(type, name, value) ...image_rows_put(&out, IMAGE_ROW_##name, ...)
 *     #include "lib/image_rows.def"
 */
#ifndef TERN_LIB_IMAGE_ROWS_H
#define TERN_LIB_IMAGE_ROWS_H

#include <endian.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "image_message.h"

/* Places of the rows: IMAGE_ROW_cwnd and so on. */
enum image_row {
#define IMAGE_ROW(type, name, value) IMAGE_ROW_##name,
#include "image_rows.def"
	IMAGE_ROWS,
};

enum {
	IMAGE_ROWS_BITS = (IMAGE_ROWS + 7) / 8, /* bytes */
	IMAGE_ROWS_WORDS = (IMAGE_ROWS + 63) / 64,
	IMAGE_ROWS_HEAD = 1 + IMAGE_ROWS_BITS,
	/* With all of them; and a number is stored as eight bytes, wherever it ends. */
	IMAGE_ROWS_MAX = IMAGE_ROWS_HEAD + sizeof(uint64_t)
#define IMAGE_ROW(type, name, value) +sizeof(type)
#include "image_rows.def"
		,
};

extern const char *const image_rows_names[IMAGE_ROWS];

/* ---- Writing */

struct image_rows_out {
	uint8_t *begin, *to;
	uint64_t there[IMAGE_ROWS_WORDS];
};

static inline void
image_rows_begin(struct image_rows_out *out, uint8_t to[IMAGE_ROWS_MAX])
{
	*out = (struct image_rows_out){.begin = to, .to = to + IMAGE_ROWS_HEAD};
}

/* Rows come in their order. */
static inline void
image_rows_put(struct image_rows_out *out, enum image_row row, uint64_t value, size_t bytes)
{
	value = htole64(value);
	memcpy(out->to, &value, sizeof(value));
	out->to += bytes;
	out->there[row / 64] |= UINT64_C(1) << row % 64;
}

/* Returns what was written: of IMAGE_ROWS_MAX bytes the first few. */
struct image_bytes image_rows_end(struct image_rows_out *out);

/* ---- Reading */

struct image_rows_in {
	const uint8_t *at, *end;
	uint64_t there[IMAGE_ROWS_WORDS];
	bool more; /* some that are not known here follow */
};

/* Returns false, with the reason, if the bits are not all there. */
bool image_rows_open(struct image_rows_in *in, const struct image_bytes *from,
		     char why[IMAGE_WHY_BYTES]);

/* Whether the next row is there; rows are asked for in their order. */
static inline bool
image_rows_have(const struct image_rows_in *in, enum image_row row)
{
	return in->there[row / 64] >> row % 64 & 1;
}

/* The number of a row that is there; false if it is cut short. */
static inline bool
image_rows_take(struct image_rows_in *in, uint64_t *value, size_t bytes)
{
	if ((size_t)(in->end - in->at) < bytes)
		return false;
	*value = 0;
	memcpy(value, in->at, bytes);
	*value = le64toh(*value);
	in->at += bytes;
	return true;
}

/* Says that a row is cut short. Returns false. */
bool image_rows_cut(const struct image_rows_in *in, enum image_row row, char why[IMAGE_WHY_BYTES]);

/* After the last: false, with the reason, if something follows that is none. */
bool image_rows_close(const struct image_rows_in *in, char why[IMAGE_WHY_BYTES]);

/* ---- All of them, for who has no struct of his own */

struct image_rows {
#define IMAGE_ROW(type, name, value) type name;
#include "image_rows.def"
	/* Which are there; one that is not has its default above. */
	struct {
#define IMAGE_ROW(type, name, value) bool name;
#include "image_rows.def"
	} has;
};

/* None is there. */
void image_rows_init(struct image_rows *rows);

/* IMAGE_SET() sets one. Returns the bytes in `to`, for a message's field `rows`. */
struct image_bytes image_rows_write(const struct image_rows *rows, uint8_t to[IMAGE_ROWS_MAX]);

/* Reads those of a message; false, with the reason, if they are not as above. */
bool image_rows_read(struct image_rows *rows, const struct image_message *message,
		     char why[IMAGE_WHY_BYTES]);

#endif
