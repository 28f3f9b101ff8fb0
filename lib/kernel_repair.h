/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A TCP socket of the kernel's out into an image, and from an image back, by Linux's TCP_REPAIR.
 *
 *     kernel_freeze(fd, &frozen, why);   behind a packet filter: Linux goes on receiving in repair
 *     kernel_dump(&frozen, &dump, why);
 *     kernel_thaw(&frozen);              as if nothing had been, or
 *     kernel_vanish(&frozen);            gone without a packet, for whoever has a descriptor of it
 *
 *     fd = kernel_restore(&image, why);  a socket of ours; likewise behind a filter
 *     kernel_resume(fd, &image, why);    the filter is gone: the peer is asked what it has
 *
 * All of it takes CAP_NET_ADMIN. Functions return 0 or more, or -1 with a sentence in `why`.
 *
 * Linux does not tell TS.Recent, so the first segments after it echo 0; nor what lies in the
 * out-of-order queue, which the peer then sends again; nor the urgent mark, nor keys of MD5 and AO.
 * It cannot be told ECN, nor the congestion window.
 */
#ifndef TERN_LIB_KERNEL_REPAIR_H
#define TERN_LIB_KERNEL_REPAIR_H

#include <stdbool.h>

#include "endpoint.h"
#include "image.h"

enum { KERNEL_WHY_BYTES = 256 };

/* A socket in repair, and what repair changes of it besides. */
struct kernel_frozen {
	int fd; /* the caller's */
	int reuseaddr;
	struct endpoints ends;
};

/* What a socket was. The image points into the rest. */
struct kernel_dump {
	struct image image;
	struct image_rows rows;
	uint8_t row_bytes[IMAGE_ROWS_MAX];
	struct endpoints ends;
	uint8_t *queues; /* on the heap */
	char congestion[16];
};

/* Refuses what is no connection of TCP, or one that could not be restored. */
int kernel_freeze(int fd, struct kernel_frozen *frozen, char why[KERNEL_WHY_BYTES]);

int kernel_dump(const struct kernel_frozen *frozen, struct kernel_dump *dump,
		char why[KERNEL_WHY_BYTES]);
void kernel_dump_free(struct kernel_dump *dump);

void kernel_thaw(const struct kernel_frozen *frozen);

/* Who reads from it afterwards reads ECONNABORTED. */
int kernel_vanish(const struct kernel_frozen *frozen, char why[KERNEL_WHY_BYTES]);

/* The ends that an image names; false if it names none. */
bool kernel_image_ends(const struct image *image, struct endpoints *ends);

/* Returns a descriptor in repair, with FD_CLOEXEC; to close it is silent. */
int kernel_restore(const struct image *image, char why[KERNEL_WHY_BYTES]);
int kernel_resume(int fd, const struct image *image, char why[KERNEL_WHY_BYTES]);

#endif
