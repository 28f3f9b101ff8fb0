/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the files of libtern-preload.so share.
 *
 * They put functions under libc's names. Each looks once into the table of files and then makes the
 * kernel's call or Tern's; a descriptor that is none of ours costs the look, and nothing else.
 */
#ifndef TERN_LIB_PRELOAD_H
#define TERN_LIB_PRELOAD_H

#include "file.h"
#include "side.h"

/* Whether a descriptor is a socket of Tern's alone. */
static inline bool
is_terns(int fd)
{
	const struct file *file = file_peek(fd);

	return file != NULL && file_side(file) == FILE_TERN && file->epoll == NULL;
}

/* A socket whose calls are the kernel's but for what side.h lists, to be put back; else NULL. */
static inline struct file *
get_undecided(int fd)
{
	const struct file *peeked = file_peek(fd);
	struct file *file;

	if (peeked == NULL || file_side(peeked) == FILE_TERN)
		return NULL;
	file = file_get(fd);
	if (file == NULL || file_side(file) != FILE_TERN)
		return file;
	file_put(file);
	return NULL;
}

/* Has an undecided socket choose its side by where it is to be connected to. -1 and errno: it
 * cannot. */
static inline int
preload_choose(int fd, const struct sockaddr *to, socklen_t length)
{
	struct file *file = get_undecided(fd);
	int status;

	if (file == NULL)
		return 0;
	status = side_choose(file, to, length);
	file_put(file);
	return status;
}

/* A descriptor has come to name a socket: if it is one of the standard three, libc's stream on it
 * is changed. */
void preload_standard_stream(int fd);

#endif
