/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The image of a connection: a file, part of a stream of such, or memory. All numbers of its frame
 * are little-endian.
 *
 *     0    19 43 56 54      an image of CRIU's
 *     4    06 55 46 51      of a TCP stream
 *     8    u32              bytes of the message
 *     12   message          protobuf, image.proto           12 + message: the head
 *          receive queue    message.inq_len bytes
 *          send queue       message.outq_len bytes
 *
 * Images one behind the other are a stream: each says how long it is. The message's field `rows` is
 * read by image_rows.h; `connection`, which stands for it and others, by image_connection.h: who
 * reads an image finds those others in its place.
 *
 * Nothing here allocates, and nothing that is read is believed: what image_read() and
 * image_read_head() accept is well-formed and has sane lengths. Whether it can be a connection, the
 * engine says (tcp_checkpoint_is_sound()).
 */
#ifndef TERN_LIB_IMAGE_H
#define TERN_LIB_IMAGE_H

#include "image_connection.h"
#include "image_message.h"
#include "image_rows.h"

enum {
	IMAGE_FRAME_BYTES = 12,
	IMAGE_HEAD_MAX = 32 << 10,          /* bytes of a head */
	IMAGE_SERVICE_NAME_MAX = 63,        /* bytes of message.service */
	IMAGE_SERVICE_STATE_MAX = 24 << 10, /* bytes of message.service_state */
	IMAGE_QUEUE_MAX = 1 << 30,          /* bytes of a queue */
};

struct image {
	struct image_message message;
	const uint8_t *recvq; /* message.inq_len bytes */
	const uint8_t *sendq; /* message.outq_len bytes */
};

/* An empty one: no queues, each field its default. */
void image_init(struct image *image);

/* ---- Writing */

/* How many bytes image_write_head() may need; at most IMAGE_HEAD_MAX if the texts are. */
size_t image_head_room(const struct image *image);

/*
 * Writes all but the queues, which follow as they are. Returns its bytes; 0 with fewer than
 * image_head_room() of them to write to, or if that is more than IMAGE_HEAD_MAX.
 */
size_t image_write_head(const struct image *image, void *to, size_t size);

/* Writes all. Returns its bytes; 0 if they are not enough: image_head_room(), and the queues. */
size_t image_write(const struct image *image, void *to, size_t size);

/* ---- Reading */

/*
 * How many bytes the head has, as far as n of them tell: IMAGE_FRAME_BYTES until those are there.
 * Of what is no image at all: what there is, for image_read_head() to say so.
 */
size_t image_head_wants(const void *from, size_t n);

/* Bytes of the image behind its head. */
uint64_t image_queue_bytes(const struct image *image);

/*
 * Reads the head: everything but the queues, whose pointers are NULL. The message's texts point
 * into `from`. Returns its bytes; -1 with one sentence in `why`: what is wrong, where, what would
 * be right.
 */
long image_read_head(struct image *image, const void *from, size_t n, char why[IMAGE_WHY_BYTES]);

/* Reads all of it; everything points into `from`. Returns its bytes, more may follow; or -1. */
long image_read(struct image *image, const void *from, size_t n, char why[IMAGE_WHY_BYTES]);

#endif
