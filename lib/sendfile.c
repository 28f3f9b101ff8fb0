/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sendfile(2) to a socket of Tern's: the file is read into a buffer and sent from there. As on
 * Linux the place in the file moves by what was sent, and that of a file without an offset of the
 * caller's is the file's own.
 */
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "result.h"
#include "stream.h"
#include "tern.h"

enum {
	PIECE = 1 << 16,
	MOST = 0x7ffff000, /* of one call, on Linux */
};

/* From `*at` on, which moves. Returns bytes, or a negative errno if none was sent. */
static ssize_t
send_from(struct file *file, int in, off_t *at, size_t bytes)
{
	char buffer[PIECE];
	ssize_t done = 0, n = 0;

	while ((size_t)done < bytes) {
		size_t left = bytes - (size_t)done;
		struct iovec iov = {.iov_base = buffer};

		n = pread(in, buffer, left < PIECE ? left : PIECE, *at);
		if (n <= 0) {
			n = n < 0 ? -errno : 0;
			break;
		}
		iov.iov_len = (size_t)n;
		left -= (size_t)n;
		n = stream_send(file, &iov, 1, left > 0 && n == PIECE ? MSG_MORE : 0);
		if (n < 0)
			break;
		*at += n;
		done += n;
		if ((size_t)n < iov.iov_len)
			break;
	}
	return done > 0 ? done : n;
}

ssize_t
tern_sendfile(int out, int in, off_t *offset, size_t bytes)
{
	struct file *file = socket_get(out);
	struct stat about;
	ssize_t n;
	off_t at;

	if (file == NULL)
		return tern_result(-EBADF);
	if (bytes > MOST)
		bytes = MOST;
	at = offset != NULL ? *offset : 0;
	if (fstat(in, &about) < 0)
		n = -errno;
	else if ((!S_ISREG(about.st_mode) && !S_ISBLK(about.st_mode)) || at < 0)
		n = -EINVAL;
	else if (offset == NULL && (at = lseek(in, 0, SEEK_CUR)) < 0)
		n = -errno;
	else
		n = send_from(file, in, &at, bytes);
	if (n > 0 && offset != NULL)
		*offset = at;
	else if (n > 0 && lseek(in, at, SEEK_SET) < 0)
		n = -errno;
	file_put(file);
	if (n == -EPIPE)
		pthread_kill(pthread_self(), SIGPIPE);
	return tern_result_bytes(n);
}
