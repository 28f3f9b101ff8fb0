/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * libc's streams on sockets. libc's own streams make system calls that nobody can step in front of;
 * so a stream on a socket is one of fopencookie()'s, whose calls come back here. It knows its
 * descriptor as others do, for fileno().
 *
 * The three standard streams are changed when a Tern socket gets their number, as under inetd. A
 * program that has kept a copy of the old pointer reads and writes nothing by it.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "kernel.h"
#include "preload.h"

int __dprintf_chk(int fd, int flag, const char *format, ...) __attribute__((format(printf, 3, 4)));
int __vdprintf_chk(int fd, int flag, const char *format, va_list arguments)
	__attribute__((format(printf, 3, 0)));

static bool
is_socket(int fd)
{
	const struct file *file = file_peek(fd);

	return file != NULL && file->epoll == NULL;
}

/* ---- A stream's calls */

static ssize_t
stream_read(void *cookie, char *buffer, size_t bytes)
{
	return read((int)(intptr_t)cookie, buffer, bytes);
}

/* All of it, or what could be written before an error. */
static ssize_t
write_all(int fd, const char *buffer, size_t bytes)
{
	size_t done = 0;
	ssize_t n;

	while (done < bytes && (n = write(fd, buffer + done, bytes - done)) > 0)
		done += (size_t)n;
	return (ssize_t)done;
}

static ssize_t
stream_write(void *cookie, const char *buffer, size_t bytes)
{
	return write_all((int)(intptr_t)cookie, buffer, bytes);
}

static int
stream_close(void *cookie)
{
	return close((int)(intptr_t)cookie);
}

static FILE *
open_stream(int fd, const char *mode)
{
	const cookie_io_functions_t calls = {
		.read = stream_read, .write = stream_write, .close = stream_close};
	FILE *stream = fopencookie((void *)(intptr_t)fd, mode, calls);

	if (stream != NULL)
		stream->_fileno = fd;
	return stream;
}

FILE *
fdopen(int fd, const char *mode)
{
	static FILE *(*libc_fdopen)(int fd, const char *mode);

	if (is_socket(fd))
		return open_stream(fd, mode);
	if (libc_fdopen == NULL)
		kernel_look_up("fdopen", &libc_fdopen);
	return libc_fdopen(fd, mode);
}

/* ---- The standard streams */

void
preload_standard_stream(int fd)
{
	static FILE **const streams[] = {&stdin, &stdout, &stderr};
	static bool changed[3];
	FILE *stream;

	if (fd < 0 || fd > 2 || changed[fd] || !is_socket(fd))
		return;
	stream = open_stream(fd, fd == 0 ? "r" : "w");
	if (stream == NULL)
		return;
	if (fd == 2)
		setvbuf(stream, NULL, _IONBF, 0);
	if (fd != 0)
		fflush(*streams[fd]);
	*streams[fd] = stream;
	changed[fd] = true;
}

/* What exec handed on has been taken up by an earlier constructor. */
__attribute__((constructor(1000))) static void
look_at_standard_streams(void)
{
	for (int fd = 0; fd < 3; fd++)
		preload_standard_stream(fd);
}

/* ---- dprintf() */

int
vdprintf(int fd, const char *restrict format, va_list arguments)
{
	char *text;
	int n = vasprintf(&text, format, arguments);

	if (n < 0)
		return -1;
	if (write_all(fd, text, (size_t)n) < n)
		n = -1;
	free(text);
	return n;
}

int
dprintf(int fd, const char *restrict format, ...)
{
	va_list arguments;
	int n;

	va_start(arguments, format);
	n = vdprintf(fd, format, arguments);
	va_end(arguments);
	return n;
}

int
__vdprintf_chk(int fd, int flag, const char *format, va_list arguments)
{
	(void)flag;
	return vdprintf(fd, format, arguments);
}

int
__dprintf_chk(int fd, int flag, const char *format, ...)
{
	va_list arguments;
	int n;

	(void)flag;
	va_start(arguments, format);
	n = vdprintf(fd, format, arguments);
	va_end(arguments);
	return n;
}
