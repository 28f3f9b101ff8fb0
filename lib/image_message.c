/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The message in an image, to bytes and back: protobuf's encoding, proto2, of the fields that
 * image.proto lists. Written in one pass and without a table, read with one: an image is made and
 * read inside a lane, a thousand of them in the time of a round trip.
 *
 * Reading is stricter than protobuf asks for. A number that does not fit its field, or a field of
 * another type than ours, is an error and not cut or skipped: nobody has written that on purpose.
 * Fields that are not ours are skipped, groups (long deprecated) are refused. A field that comes
 * twice has the value that came last.
 */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "image_message.h"

enum {
	WIRE_VARINT = 0,
	WIRE_FIXED64 = 1,
	WIRE_BYTES = 2,
	WIRE_FIXED32 = 5,
	VARINT_MAX = 10, /* bytes */
	TAG_MAX = 2,     /* of field numbers below 2048 */
};

enum kind { BOOL = 1, UINT32, FIXED32, UINT64, SINT32, SINT64, STRING, BYTES };

static const struct image_message empty = {
#define IMAGE_NUMBER(rule, kind, type, number, name, value) .name = value,
#define IMAGE_BYTES(rule, kind, number, name, text)                                                \
	.name = {(const uint8_t *)(text), sizeof(text) - 1},
#include "image_fields.def"
};

void
image_message_init(struct image_message *message)
{
	*message = empty;
}

/* ---- Writing */

static inline uint8_t *
put_varint(uint8_t *to, uint64_t value)
{
	for (; value >= 0x80; value >>= 7)
		*to++ = (uint8_t)(value | 0x80);
	*to++ = (uint8_t)value;
	return to;
}

static inline uint8_t *
put_tag(uint8_t *to, unsigned int number, unsigned int wire)
{
	return put_varint(to, number << 3 | wire);
}

static inline uint8_t *
put_fixed32(uint8_t *to, uint32_t value)
{
	for (unsigned int i = 0; i < 4; i++)
		*to++ = (uint8_t)(value >> 8 * i);
	return to;
}

static inline uint8_t *
put_bytes(uint8_t *to, const struct image_bytes *bytes)
{
	to = put_varint(to, bytes->n);
	if (bytes->n > 0)
		memcpy(to, bytes->at, bytes->n);
	return to + bytes->n;
}

/* Small magnitudes are small numbers: 0 -1 1 -2 become 0 1 2 3. */
static inline uint64_t
zigzag(int64_t value)
{
	return (uint64_t)value << 1 ^ (uint64_t)(value >> 63);
}

static inline int64_t
unzigzag(uint64_t value)
{
	return (int64_t)(value >> 1 ^ (0 - (value & 1)));
}

size_t
image_message_room(const struct image_message *message)
{
	size_t n = 0;

#define IMAGE_NUMBER(rule, kind, type, number, name, value) n += TAG_MAX + VARINT_MAX;
#define IMAGE_BYTES(rule, kind, number, name, text) n += TAG_MAX + VARINT_MAX + message->name.n;
#include "image_fields.def"
	return n;
}

#define WIRE_BOOL WIRE_VARINT
#define WIRE_UINT32 WIRE_VARINT
#define WIRE_UINT64 WIRE_VARINT
#define WIRE_SINT32 WIRE_VARINT
#define WIRE_SINT64 WIRE_VARINT
#define PUT_BOOL(to, value) put_varint(to, (value) ? 1 : 0)
#define PUT_UINT32(to, value) put_varint(to, value)
#define PUT_UINT64(to, value) put_varint(to, value)
#define PUT_SINT32(to, value) put_varint(to, zigzag(value))
#define PUT_SINT64(to, value) put_varint(to, zigzag(value))
#define PUT_FIXED32(to, value) put_fixed32(to, value)
#define ALWAYS_REQUIRED true
#define ALWAYS_OPTIONAL false

uint8_t *
image_message_write(const struct image_message *m, uint8_t *to)
{
#define IMAGE_NUMBER(rule, kind, type, number, name, value)                                        \
	static_assert(number < 2048, "its tag has two bytes");                                     \
	if (ALWAYS_##rule || m->has.name)                                                          \
		to = PUT_##kind(put_tag(to, number, WIRE_##kind), m->name);
#define IMAGE_BYTES(rule, kind, number, name, text)                                                \
	if (ALWAYS_##rule || m->has.name)                                                          \
		to = put_bytes(put_tag(to, number, WIRE_BYTES), &m->name);
#include "image_fields.def"
	return to;
}

/* ---- Reading */

struct field {
	const char *name; /* NULL: no such field */
	uint16_t at, has; /* where in struct image_message */
	uint8_t kind;
	bool required;
};

/* Two runs of numbers, from 1 and from 1000, are one table without much of a hole. */
enum { OURS = 1000, FIRST_OURS = 32, FIELDS = 320 };
#define SLOT(number) ((number) < FIRST_OURS ? (number) : (number)-OURS + FIRST_OURS)

static const struct field fields[FIELDS] = {
#define ROW(rule, kind_, number, name_)                                                            \
	[SLOT(number)] = {                                                                         \
		.name = #name_,                                                                    \
		.at = offsetof(struct image_message, name_),                                       \
		.has = offsetof(struct image_message, has.name_),                                  \
		.kind = kind_,                                                                     \
		.required = ALWAYS_##rule,                                                         \
	},
#define IMAGE_NUMBER(rule, kind, type, number, name, value) ROW(rule, kind, number, name)
#define IMAGE_BYTES(rule, kind, number, name, text) ROW(rule, kind, number, name)
#include "image_fields.def"
};

static const struct field *
find(uint64_t number)
{
	uint64_t slot;

	if (number < FIRST_OURS)
		slot = number;
	else if (number >= OURS && number < OURS + FIELDS - FIRST_OURS)
		slot = number - OURS + FIRST_OURS;
	else
		return NULL;
	return fields[slot].name != NULL ? &fields[slot] : NULL;
}

/* What is being read: an error is told once, with where it is. */
struct reader {
	const uint8_t *begin, *at, *end;
	size_t offset; /* of begin, in the image */
	char *why;
};

#define FAIL(r, where, ...)                                                                        \
	do {                                                                                       \
		int said_ =                                                                        \
			snprintf((r)->why, IMAGE_WHY_BYTES,                                        \
				 "at byte %zu: ", (r)->offset + (size_t)((where) - (r)->begin));   \
		snprintf((r)->why + said_, (size_t)(IMAGE_WHY_BYTES - said_), __VA_ARGS__);        \
		return false;                                                                      \
	} while (0)

static bool
get_long_varint(struct reader *r, uint64_t *value)
{
	const uint8_t *from = r->at;

	*value = 0;
	for (unsigned int i = 0; i < VARINT_MAX; i++) {
		if (r->at == r->end)
			FAIL(r, from, "a number that does not end within the message");
		*value |= (uint64_t)(*r->at & 0x7f) << 7 * i;
		if (*r->at++ < 0x80) {
			if (i == VARINT_MAX - 1 && r->at[-1] > 1)
				FAIL(r, from, "a number of more than 64 bits");
			return true;
		}
	}
	FAIL(r, from, "a number of more than %d bytes", VARINT_MAX);
}

static inline bool
get_varint(struct reader *r, uint64_t *value)
{
	if (r->at < r->end && *r->at < 0x80) {
		*value = *r->at++;
		return true;
	}
	return get_long_varint(r, value);
}

/* The bytes that follow, of which the message must have so many. */
static bool
get_bytes(struct reader *r, uint64_t n, struct image_bytes *bytes)
{
	if (n > (uint64_t)(r->end - r->at))
		FAIL(r, r->at, "%llu bytes are to follow, but the message has only %zu more",
		     (unsigned long long)n, (size_t)(r->end - r->at));
	*bytes = (struct image_bytes){r->at, (size_t)n};
	r->at += n;
	return true;
}

/* The value behind a tag, of any field: a number, or bytes. */
static bool
get_value(struct reader *r, unsigned int wire, uint64_t *number, struct image_bytes *bytes)
{
	const uint8_t *from = r->at;

	*number = 0;
	switch (wire) {
	case WIRE_VARINT:
		return get_varint(r, number);
	case WIRE_BYTES:
		return get_varint(r, number) && get_bytes(r, *number, bytes);
	case WIRE_FIXED32:
	case WIRE_FIXED64:
		if (!get_bytes(r, wire == WIRE_FIXED32 ? 4 : 8, bytes))
			return false;
		for (size_t i = 0; i < bytes->n; i++)
			*number |= (uint64_t)bytes->at[i] << 8 * i;
		return true;
	default:
		FAIL(r, from, "wire type %u, where there are 0, 1, 2 and 5", wire);
	}
}

static unsigned int
wire_of(enum kind kind)
{
	return kind == FIXED32 ? WIRE_FIXED32 : kind >= STRING ? WIRE_BYTES : WIRE_VARINT;
}

/* Keeps a field's value; false if it does not fit. */
static bool
keep(void *to, enum kind kind, uint64_t number, const struct image_bytes *bytes)
{
	int64_t sign = unzigzag(number);

	switch (kind) {
	case BOOL:
		*(bool *)to = number != 0;
		return number <= 1;
	case UINT32:
	case FIXED32:
		*(uint32_t *)to = (uint32_t)number;
		return number <= UINT32_MAX;
	case SINT32:
		*(int32_t *)to = (int32_t)sign;
		return sign >= INT32_MIN && sign <= INT32_MAX;
	case UINT64:
		*(uint64_t *)to = number;
		return true;
	case SINT64:
		*(int64_t *)to = sign;
		return true;
	case STRING:
	case BYTES:
		*(struct image_bytes *)to = *bytes;
		return true;
	}
	return false;
}

static bool
read_field(struct reader *r, struct image_message *m)
{
	struct image_bytes bytes = {NULL, 0};
	const uint8_t *from = r->at;
	const struct field *f;
	uint64_t tag, number;

	if (!get_varint(r, &tag))
		return false;
	if (tag >> 3 == 0 || tag >> 32 != 0)
		FAIL(r, from, "field %llu, where numbers are 1 to 536870911",
		     (unsigned long long)tag >> 3);
	f = find(tag >> 3);
	if (f != NULL && (tag & 7) != wire_of(f->kind))
		FAIL(r, from, "field %u, %s, has wire type %u instead of %u",
		     (unsigned int)(tag >> 3), f->name, (unsigned int)(tag & 7), wire_of(f->kind));
	if (!get_value(r, tag & 7, &number, &bytes))
		return false;
	if (f == NULL)
		return true;
	if (!keep((uint8_t *)m + f->at, f->kind, number, &bytes))
		FAIL(r, from, "field %u, %s: %llu does not fit", (unsigned int)(tag >> 3), f->name,
		     (unsigned long long)number);
	*((bool *)m + f->has) = true;
	return true;
}

bool
image_message_read(struct image_message *message, const uint8_t *from, size_t n, size_t offset,
		   char why[IMAGE_WHY_BYTES])
{
	struct reader r = {
		.begin = from, .at = from, .end = from + n, .offset = offset, .why = why};

	image_message_init(message);
	while (r.at < r.end)
		if (!read_field(&r, message))
			return false;
	for (unsigned int i = 0; i < FIRST_OURS; i++)
		if (fields[i].required && !*((bool *)message + fields[i].has))
			FAIL(&r, r.end, "the message ends without field %u, %s", i, fields[i].name);
	return true;
}
