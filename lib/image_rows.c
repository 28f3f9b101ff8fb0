/* SPDX-License-Identifier: BSD-3-Clause */
/* The rows in an image; see image_rows.h. */
#include "image_rows.h"

#include <stdio.h>

static const struct image_rows empty = {
#define IMAGE_ROW(type, name, value) .name = value,
#include "image_rows.def"
};

const char *const image_rows_names[IMAGE_ROWS] = {
#define IMAGE_ROW(type, name, value) #name,
#include "image_rows.def"
};

/* ---- Writing */

struct image_bytes
image_rows_end(struct image_rows_out *out)
{
	out->begin[0] = IMAGE_ROWS_BITS;
	for (unsigned int i = 0; i < IMAGE_ROWS_WORDS; i++)
		out->there[i] = htole64(out->there[i]);
	memcpy(out->begin + 1, out->there, IMAGE_ROWS_BITS);
	return (struct image_bytes){out->begin, (size_t)(out->to - out->begin)};
}

struct image_bytes
image_rows_write(const struct image_rows *rows, uint8_t to[IMAGE_ROWS_MAX])
{
	struct image_rows_out out;

	image_rows_begin(&out, to);
#define IMAGE_ROW(type, name, value)                                                               \
	if (rows->has.name)                                                                        \
		image_rows_put(&out, IMAGE_ROW_##name, (uint64_t)rows->name, sizeof(type));
#include "image_rows.def"
	return image_rows_end(&out);
}

/* ---- Reading */

/* Bits beyond the last that is known here. */
static bool
has_later_rows(const uint8_t *bits, size_t n)
{
	uint8_t later = 0;

	if (n >= IMAGE_ROWS_BITS && IMAGE_ROWS % 8 != 0)
		later = (uint8_t)(bits[IMAGE_ROWS_BITS - 1] >> IMAGE_ROWS % 8);
	for (size_t i = IMAGE_ROWS_BITS; i < n; i++)
		later |= bits[i];
	return later != 0;
}

bool
image_rows_open(struct image_rows_in *in, const struct image_bytes *from, char why[IMAGE_WHY_BYTES])
{
	size_t n;

	*in = (struct image_rows_in){.at = NULL};
	if (from->n == 0)
		return true;
	in->at = from->at;
	in->end = from->at + from->n;
	n = from->at[0];
	if (from->n - 1 < n) {
		snprintf(why, IMAGE_WHY_BYTES,
			 "field %u, rows: it has %zu bytes, of which %zu of bits are to follow the "
			 "first",
			 IMAGE_FIELD_rows, from->n, n);
		return false;
	}
	memcpy(in->there, from->at + 1, n < IMAGE_ROWS_BITS ? n : IMAGE_ROWS_BITS);
	for (unsigned int i = 0; i < IMAGE_ROWS_WORDS; i++)
		in->there[i] = le64toh(in->there[i]);
	in->more = has_later_rows(from->at + 1, n);
	in->at += 1 + n;
	return true;
}

bool
image_rows_cut(const struct image_rows_in *in, enum image_row row, char why[IMAGE_WHY_BYTES])
{
	snprintf(why, IMAGE_WHY_BYTES, "field %u, rows: it ends inside row %u, %s, with %zu bytes",
		 IMAGE_FIELD_rows, row, image_rows_names[row], (size_t)(in->end - in->at));
	return false;
}

bool
image_rows_close(const struct image_rows_in *in, char why[IMAGE_WHY_BYTES])
{
	if (in->more || in->at == in->end)
		return true;
	snprintf(why, IMAGE_WHY_BYTES, "field %u, rows: %zu bytes behind its last row",
		 IMAGE_FIELD_rows, (size_t)(in->end - in->at));
	return false;
}

void
image_rows_init(struct image_rows *rows)
{
	*rows = empty;
}

bool
image_rows_read(struct image_rows *rows, const struct image_message *message,
		char why[IMAGE_WHY_BYTES])
{
	struct image_rows_in in;
	uint64_t value;

	image_rows_init(rows);
	if (!image_rows_open(&in, &message->rows, why))
		return false;
#define IMAGE_ROW(type, name_, value_)                                                             \
	rows->has.name_ = image_rows_have(&in, IMAGE_ROW_##name_);                                 \
	if (rows->has.name_) {                                                                     \
		if (!image_rows_take(&in, &value, sizeof(type)))                                   \
			return image_rows_cut(&in, IMAGE_ROW_##name_, why);                        \
		rows->name_ = (type)value;                                                         \
	}
#include "image_rows.def"
	return image_rows_close(&in, why);
}
