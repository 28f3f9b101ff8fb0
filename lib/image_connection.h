/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The field `connection` of an image: in one what the fields 1000 to 1007 and 1009 say each for
 * itself, because protobuf takes its time for each. Numbers are little-endian.
 *
 *     0        u8    1: this layout
 *     1        u8    the connection's state: field state
 *     2        u16   local_port
 *     4        u16   remote_port
 *     6        u8    n: bytes of an address, 4 or 16
 *     7        u8    m: bytes of the service's name; 0: none
 *     8        u16   k: bytes of what it saved; 0: nothing
 *     10       local_address, remote_address    n bytes each, in network order
 *              service, service_state           m bytes, k bytes
 *              rows                             the rest, as image_rows.h lays it out
 *
 * Who reads an image finds the fields that it stands for (image_read_head()), and what is wrong in
 * them is told by their names. Images that have those fields instead are read as ever; one that has
 * both is refused, as is another layout.
 */
#ifndef TERN_LIB_IMAGE_CONNECTION_H
#define TERN_LIB_IMAGE_CONNECTION_H

#include "image_message.h"
#include "image_rows.h"

enum {
	IMAGE_CONNECTION_LAYOUT = 1,
	IMAGE_CONNECTION_HEAD = 10,            /* bytes before the addresses */
	IMAGE_CONNECTION_NAME_MAX = UINT8_MAX, /* bytes of the service's name */
	IMAGE_CONNECTION_STATE_MAX = 24 << 10, /* bytes of what it saved */
	/* With all of it. */
	IMAGE_CONNECTION_MAX = IMAGE_CONNECTION_HEAD + 2 * 16 + IMAGE_CONNECTION_NAME_MAX +
			       IMAGE_CONNECTION_STATE_MAX + IMAGE_ROWS_MAX,
};

/*
 * Puts `connection` in place of the fields that it stands for; it lies in `to`. Returns false, and
 * has done nothing, where it cannot say what they do: without addresses, or with a value that has
 * no room.
 */
bool image_connection_fold(struct image_message *message, uint8_t to[IMAGE_CONNECTION_MAX]);

/*
 * Puts the fields in place of `connection`, if that is there; they lie in it. Returns false, with
 * the reason, if it is not as above.
 */
bool image_connection_unfold(struct image_message *message, char why[IMAGE_WHY_BYTES]);

#endif
