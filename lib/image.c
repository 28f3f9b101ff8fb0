/* SPDX-License-Identifier: BSD-3-Clause */
/* The frame of an image, and the lengths in it; see image.h. */
#include <stdio.h>
#include <string.h>

#include "image.h"

static const uint8_t magics[8] = {0x19, 0x43, 0x56, 0x54, 0x06, 0x55, 0x46, 0x51};

void
image_init(struct image *image)
{
	image_message_init(&image->message);
	image->recvq = NULL;
	image->sendq = NULL;
}

size_t
image_head_room(const struct image *image)
{
	return IMAGE_FRAME_BYTES + image_message_room(&image->message);
}

size_t
image_write_head(const struct image *image, void *to, size_t size)
{
	uint8_t *begin = to, *end;
	size_t room = image_head_room(image), n;

	if (room > size || room > IMAGE_HEAD_MAX)
		return 0;
	memcpy(begin, magics, sizeof(magics));
	end = image_message_write(&image->message, begin + IMAGE_FRAME_BYTES);
	n = (size_t)(end - begin) - IMAGE_FRAME_BYTES;
	for (unsigned int i = 0; i < 4; i++)
		begin[8 + i] = (uint8_t)(n >> 8 * i);
	return (size_t)(end - begin);
}

size_t
image_write(const struct image *image, void *to, size_t size)
{
	size_t n = image_write_head(image, to, size);
	uint8_t *at = (uint8_t *)to + n;

	if (n == 0 || size - n < image_queue_bytes(image))
		return 0;
	if (image->message.inq_len > 0)
		memcpy(at, image->recvq, image->message.inq_len);
	at += image->message.inq_len;
	if (image->message.outq_len > 0)
		memcpy(at, image->sendq, image->message.outq_len);
	return n + (size_t)image_queue_bytes(image);
}

/* Whether the bytes that are there can begin an image. */
static bool
begins_well(const uint8_t *from, size_t n)
{
	return memcmp(from, magics, n < sizeof(magics) ? n : sizeof(magics)) == 0;
}

static uint32_t
message_bytes(const uint8_t *from)
{
	return from[8] | from[9] << 8 | from[10] << 16 | (uint32_t)from[11] << 24;
}

size_t
image_head_wants(const void *from, size_t n)
{
	if (n == 0)
		return IMAGE_FRAME_BYTES;
	if (!begins_well(from, n))
		return n;
	if (n < IMAGE_FRAME_BYTES)
		return IMAGE_FRAME_BYTES;
	if (message_bytes(from) > IMAGE_HEAD_MAX - IMAGE_FRAME_BYTES)
		return n;
	return IMAGE_FRAME_BYTES + message_bytes(from);
}

uint64_t
image_queue_bytes(const struct image *image)
{
	return (uint64_t)image->message.inq_len + image->message.outq_len;
}

/* Lengths of what the message says that there is. */
static bool
lengths_are_sane(const struct image_message *m, char why[IMAGE_WHY_BYTES])
{
	if (m->inq_len > IMAGE_QUEUE_MAX || m->outq_len > IMAGE_QUEUE_MAX)
		snprintf(why, IMAGE_WHY_BYTES, "the %s queue has %u bytes: it can have %u at most",
			 m->inq_len > IMAGE_QUEUE_MAX ? "receive" : "send",
			 m->inq_len > IMAGE_QUEUE_MAX ? m->inq_len : m->outq_len, IMAGE_QUEUE_MAX);
	else if (m->unsq_len > m->outq_len)
		snprintf(why, IMAGE_WHY_BYTES,
			 "%u bytes of the send queue were never sent, but it has only %u",
			 m->unsq_len, m->outq_len);
	else if (m->service.n > IMAGE_SERVICE_NAME_MAX)
		snprintf(why, IMAGE_WHY_BYTES, "the service's name has %zu bytes: %u at most",
			 m->service.n, IMAGE_SERVICE_NAME_MAX);
	else if (m->service_state.n > IMAGE_SERVICE_STATE_MAX)
		snprintf(why, IMAGE_WHY_BYTES, "the service's state has %zu bytes: %u at most",
			 m->service_state.n, IMAGE_SERVICE_STATE_MAX);
	else
		return true;
	return false;
}

long
image_read_head(struct image *image, const void *from, size_t n, char why[IMAGE_WHY_BYTES])
{
	const uint8_t *bytes = from;
	size_t wants = image_head_wants(from, n);

	image->recvq = image->sendq = NULL;
	if (n > 0 && !begins_well(bytes, n)) {
		snprintf(why, IMAGE_WHY_BYTES,
			 "no image of a TCP connection: it does not begin with "
			 "19 43 56 54 06 55 46 51");
		return -1;
	}
	if (n >= IMAGE_FRAME_BYTES && message_bytes(bytes) > IMAGE_HEAD_MAX - IMAGE_FRAME_BYTES) {
		snprintf(why, IMAGE_WHY_BYTES, "at byte 8: a message of %u bytes: %u at most",
			 message_bytes(bytes), IMAGE_HEAD_MAX - IMAGE_FRAME_BYTES);
		return -1;
	}
	if (n < wants) {
		snprintf(why, IMAGE_WHY_BYTES, "it ends after %zu bytes, inside its %s of %zu", n,
			 n < IMAGE_FRAME_BYTES ? "frame" : "head", wants);
		return -1;
	}
	if (!image_message_read(&image->message, bytes + IMAGE_FRAME_BYTES,
				wants - IMAGE_FRAME_BYTES, IMAGE_FRAME_BYTES, why) ||
	    !image_connection_unfold(&image->message, why) ||
	    !lengths_are_sane(&image->message, why))
		return -1;
	return (long)wants;
}

long
image_read(struct image *image, const void *from, size_t n, char why[IMAGE_WHY_BYTES])
{
	long head = image_read_head(image, from, n, why);

	if (head < 0)
		return -1;
	if (n - (size_t)head < image_queue_bytes(image)) {
		snprintf(why, IMAGE_WHY_BYTES,
			 "it ends after %zu bytes, inside its queues: "
			 "with %u received and %u to send it has %llu",
			 n, image->message.inq_len, image->message.outq_len,
			 (unsigned long long)head + image_queue_bytes(image));
		return -1;
	}
	image->recvq = (const uint8_t *)from + head;
	image->sendq = image->recvq + image->message.inq_len;
	return head + (long)image_queue_bytes(image);
}
