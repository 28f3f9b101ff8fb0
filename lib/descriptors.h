/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The library's own descriptors (channel, doorbell, ...). They live at high numbers, out of the way
 * of programs that count on the lowest free one, and are known, so that a program that closes
 * everything does not close them.
 *
 * Threads: any.
 */
#ifndef TERN_LIB_DESCRIPTORS_H
#define TERN_LIB_DESCRIPTORS_H

#include <stdbool.h>

/* Moves a descriptor (taken, also on failure) to a high number. Returns that, or -1 with errno; -1
 * for -1. */
int descriptor_own(int fd);

bool descriptor_is_own(int fd);

/* Takes n numbers, from the first one on, where they are free: the program gets none of them. */
void descriptor_occupy(int from, int n);

/* It is ours no more, but for what comes: -1 is ignored. */
void descriptor_disown(int fd);

/* The first of the library's own that is not below `from`; -1: none. */
int descriptor_next_own(int from);

/* Closes one. -1 is ignored. */
void descriptor_close_own(int fd);

#endif
