/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tern_sendfile(): a file's bytes are read in pieces, and sent. From what can be read anew, that is
 * regular files and devices, as Linux takes it for this call: so bytes that were read and found no
 * room are not lost.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kernel.h"
#include "message.h"
#include "result.h"
#include "stream.h"
#include "tern.h"

enum {
	PIECE_BYTES = 1 << 16,
};

#define BYTES_MAX ((size_t)0x7ffff000) /* of one call, on Linux */

/* Whether `in` can be read from *at on. Finds where it stands, if *at is negative. */
static int
check_source(int in, bool has_offset, off_t *at)
{
	struct stat st;
	int flags = kernel.fcntl(in, F_GETFL);

	if (flags < 0 || (flags & O_ACCMODE) == O_WRONLY || fstat(in, &st) < 0)
		return -EBADF;
	if (has_offset && lseek(in, 0, SEEK_CUR) < 0)
		return -ESPIPE;
	if (!S_ISREG(st.st_mode) && !S_ISCHR(st.st_mode) && !S_ISBLK(st.st_mode))
		return -EINVAL;
	if (has_offset)
		return *at < 0 ? -EINVAL : 0;
	*at = lseek(in, 0, SEEK_CUR);
	return *at < 0 ? -errno : 0;
}

/* From *at on, which moves. Returns the bytes, or a negative errno if there are none. */
static ssize_t
copy(struct file *out, int in, off_t *at, size_t bytes, uint8_t *piece)
{
	ssize_t done = 0, got = 0, taken = 0;

	while (bytes > 0) {
		size_t some = bytes < PIECE_BYTES ? bytes : PIECE_BYTES;
		struct iovec iov = {.iov_base = piece};

		got = pread(in, piece, some, *at);
		if (got <= 0)
			break;
		iov.iov_len = (size_t)got;
		bytes -= (size_t)got;
		taken = stream_send(out, &iov, 1, bytes > 0 ? MSG_MORE : 0, NULL);
		if (taken <= 0)
			break;
		*at += taken;
		done += taken;
		if (taken < got)
			break;
	}
	if (done > 0)
		return done;
	return got < 0 ? -errno : taken;
}

ssize_t
tern_sendfile(int out, int in, off_t *offset, size_t bytes)
{
	struct file *file = socket_get(out);
	uint8_t *piece = malloc(PIECE_BYTES);
	off_t at = offset != NULL ? *offset : 0;
	ssize_t done = file == NULL ? -EBADF : check_source(in, offset != NULL, &at);

	if (done == 0 && piece == NULL)
		done = -ENOMEM;
	if (done == 0) {
		done = copy(file, in, &at, bytes < BYTES_MAX ? bytes : BYTES_MAX, piece);
		if (done > 0 && offset != NULL)
			*offset = at;
		else if (done > 0 && lseek(in, at, SEEK_SET) < 0)
			done = -errno;
	}
	free(piece);
	if (file != NULL)
		file_put(file);
	return stream_sent(done, 0);
}
