/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The message in an image, to bytes and back, by protobuf-c and what protoc-c made of image.proto.
 * A lane does it, so what protobuf-c takes from the heap it gets from the stack here, and a message
 * that would take more is refused.
 *
 * As everywhere in protobuf, fields that are not ours are skipped, and a field that comes twice has
 * the value that came last. A number that does not fit its field is cut: what is in range for a
 * connection is looked at by those who make one.
 */
#include <stdio.h>
#include <string.h>

#include <image.pb-c.h>

#include "image_message.h"

enum {
	FIELD_BYTES = 16, /* tag and value, or length, of any field at most */
	MEMORY_BYTES =
		128 << 10, /* a message at its longest, and as many fields of others as ours */
	ALIGN = 16,
	/* kinds of fields in protobuf's encoding */
	WIRE_VARINT = 0,
	WIRE_64 = 1,
	WIRE_BYTES = 2,
	WIRE_32 = 5,
};

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

size_t
image_message_room(const struct image_message *message)
{
	size_t n = 0;

#define IMAGE_NUMBER(rule, kind, type, number, name, value) n += FIELD_BYTES;
#define IMAGE_BYTES(rule, kind, number, name, text) n += FIELD_BYTES + message->name.n;
#include "image_fields.def"
	return n;
}

#define PUT_HAS_REQUIRED(to, from, name)
#define PUT_HAS_OPTIONAL(to, from, name) (to)->has_##name = (from)->has.name;

uint8_t *
image_message_write(const struct image_message *m, uint8_t *to)
{
	Tern__Image packed;

	tern__image__init(&packed);
#define IMAGE_NUMBER(rule, kind, type, number, name, value)                                        \
	packed.name = m->name;                                                                     \
	PUT_HAS_##rule(&packed, m, name)
#define IMAGE_BYTES(rule, kind, number, name_, text)                                               \
	packed.name_.data = (uint8_t *)(uintptr_t)m->name_.at; /* only read */                     \
	packed.name_.len = m->name_.n;                                                             \
	PUT_HAS_##rule(&packed, m, name_)
#include "image_fields.def"
	return to + tern__image__pack(&packed, to);
}

/* ---- Reading */

/* What is taken is given back all at once. */
struct memory {
	size_t used;
	bool short_of;
	_Alignas(ALIGN) uint8_t bytes[MEMORY_BYTES];
};

static void *
memory_take(void *arg, size_t n)
{
	struct memory *memory = arg;
	void *at = memory->bytes + memory->used;

	if (n > MEMORY_BYTES - memory->used) {
		memory->short_of = true;
		return NULL;
	}
	memory->used += (n + ALIGN - 1) / ALIGN * ALIGN;
	return at;
}

static void
memory_give(void *arg, void *at)
{
	(void)arg;
	(void)at;
}

/* ---- Texts and bytes: protobuf-c's copies do not outlive us, so where they were read from */

struct walk {
	const uint8_t *at, *end;
};

/* A varint; UINT64_MAX if it does not end. */
static uint64_t
walk_number(struct walk *w)
{
	uint64_t value = 0;

	for (unsigned int shift = 0; w->at < w->end && shift < 64; shift += 7) {
		value |= (uint64_t)(*w->at & 0x7f) << shift;
		if (*w->at++ < 0x80)
			return value;
	}
	return UINT64_MAX;
}

/* The next field's tag, and its bytes if it is one of bytes; 0 at the end. */
static uint64_t
walk_field(struct walk *w, struct image_bytes *bytes)
{
	uint64_t tag, n = 0;

	if (w->at >= w->end)
		return 0;
	tag = walk_number(w);
	switch (tag & 7) {
	case WIRE_VARINT:
		walk_number(w);
		return tag;
	case WIRE_64:
		n = 8;
		break;
	case WIRE_32:
		n = 4;
		break;
	case WIRE_BYTES:
		n = walk_number(w);
		break;
	default:
		return 0;
	}
	if (n > (uint64_t)(w->end - w->at))
		return 0;
	*bytes = (struct image_bytes){w->at, (size_t)n};
	w->at += n;
	return tag;
}

/*
 * What ternd writes has one such field, the last: what is behind all others is it, or has the same
 * bytes. False if there is anything else to be found.
 */
static bool
find_connection(struct image_message *message, const Tern__Image *read, const uint8_t *end)
{
	size_t n = read->connection.len;
	unsigned int fields = 0;

#define IMAGE_BYTES(rule, kind, number, name, text) fields += read->has_##name != 0;
#include "image_fields.def"
	if (fields != 1 || !read->has_connection || n == 0 ||
	    memcmp(end - n, read->connection.data, n) != 0)
		return false;
	IMAGE_SET(message, connection, (struct image_bytes){end - n, n});
	return true;
}

/* The message is well-formed, protobuf-c has read it; of a field that comes twice the last counts.
 */
static void
find_bytes(struct image_message *message, const uint8_t *from, size_t n)
{
	struct walk w = {from, from + n};
	struct image_bytes bytes;
	uint64_t tag;

	while ((tag = walk_field(&w, &bytes)) != 0) {
		switch (tag) {
#define IMAGE_BYTES(rule, kind, number, name_, text)                                               \
	case number << 3 | WIRE_BYTES:                                                             \
		message->name_ = bytes;                                                            \
		message->has.name_ = true;                                                         \
		break;
#include "image_fields.def"
		default:
			break;
		}
	}
}

#define HAS_REQUIRED(from, name) true
#define HAS_OPTIONAL(from, name) ((from)->has_##name != 0)

bool
image_message_read(struct image_message *message, const uint8_t *from, size_t n, size_t offset,
		   char why[IMAGE_WHY_BYTES])
{
	struct memory memory;
	ProtobufCAllocator allocator = {memory_take, memory_give, &memory};
	const Tern__Image *read;

	memory.used = 0;
	memory.short_of = false;
	image_message_init(message);
	read = tern__image__unpack(&allocator, n, from);
	if (read == NULL) {
		snprintf(why, IMAGE_WHY_BYTES,
			 memory.short_of
				 ? "bytes %zu to %zu, the message: it has too many fields"
				 : "bytes %zu to %zu, the message: it is cut short, of another "
				   "type than image.proto has it, or one of fields 1 to 7 is "
				   "missing",
			 offset, offset + n);
		return false;
	}
#define IMAGE_NUMBER(rule, kind, type, number, name_, value)                                       \
	if (HAS_##rule(read, name_)) {                                                             \
		message->name_ = (type)read->name_;                                                \
		message->has.name_ = true;                                                         \
	}
#include "image_fields.def"
	if (!find_connection(message, read, from + n))
		find_bytes(message, from, n);
	return true;
}
