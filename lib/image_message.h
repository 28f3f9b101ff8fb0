/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The message in an image, that of image.proto, in C: a member for each field, and whether it is
 * there. Texts and bytes are not copied: they point to where they were given, or into what was
 * read.
 */
#ifndef TERN_LIB_IMAGE_MESSAGE_H
#define TERN_LIB_IMAGE_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Room for one sentence that says why an image cannot be read. */
enum { IMAGE_WHY_BYTES = 192 };

struct image_bytes {
	const uint8_t *at; /* a text is not terminated */
	size_t n;
};

struct image_message {
#define IMAGE_NUMBER(rule, kind, type, number, name, value) type name;
#define IMAGE_BYTES(rule, kind, number, name, text) struct image_bytes name;
#include "image_fields.def"
	/* Which are there; one that is not has its default above. Required ones are written always.
	 */
	struct {
#define IMAGE_NUMBER(rule, kind, type, number, name, value) bool name;
#define IMAGE_BYTES(rule, kind, number, name, text) bool name;
#include "image_fields.def"
	} has;
};

/* Numbers of the fields, IMAGE_FIELD_cwnd and so on. */
enum {
#define IMAGE_NUMBER(rule, kind, type, number, name, value) IMAGE_FIELD_##name = number,
#define IMAGE_BYTES(rule, kind, number, name, text) IMAGE_FIELD_##name = number,
#include "image_fields.def"
};

/* A field is there, with this value. */
#define IMAGE_SET(message, name, ...)                                                              \
	((message)->name = (__VA_ARGS__), (void)((message)->has.name = true))

/* Nothing is there, all has its default. */
void image_message_init(struct image_message *message);

/* How many bytes image_message_write() may need; a little more than it does. */
size_t image_message_room(const struct image_message *message);

/* Writes the message; returns its end. */
uint8_t *image_message_write(const struct image_message *message, uint8_t *to);

/*
 * Reads a message of just n bytes, fields that are not ours skipped. Returns false if it is none,
 * with the reason in `why`; `offset` is where it lies in the image, for that sentence.
 */
bool image_message_read(struct image_message *message, const uint8_t *from, size_t n, size_t offset,
			char why[IMAGE_WHY_BYTES]);

#endif
