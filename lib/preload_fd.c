/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What is done to descriptors under libc's names. The library's own descriptors are none of the
 * program's: they are not open, for all it can see.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "descriptors.h"
#include "kernel.h"
#include "preload.h"
#include "result.h"
#include "tern.h"

/* ---- close() */

int
close(int fd)
{
	if (descriptor_is_own(fd))
		return tern_result(-EBADF);
	file_remove(fd);
	return kernel.close(fd);
}

int
close_range(unsigned int first, unsigned int last, int flags)
{
	unsigned int from = first, most = last < INT_MAX ? last : INT_MAX;
	int own, highest = file_highest_fd(), status = 0;

	if (first > last || (flags & ~(int)CLOSE_RANGE_UNSHARE) != 0 || first > INT_MAX)
		return kernel.close_range(first, last, flags); /* nothing is closed */
	for (int fd = (int)first; fd <= highest && (unsigned int)fd <= most; fd++)
		file_remove(fd);
	while (status == 0 && (own = descriptor_next_own((int)from)) >= 0 &&
	       (unsigned int)own <= most) {
		if ((unsigned int)own > from)
			status = kernel.close_range(from, (unsigned int)own - 1, flags);
		from = (unsigned int)own + 1;
	}
	if (status == 0 && from <= most)
		status = kernel.close_range(from, last, flags);
	return status;
}

void
closefrom(int lowest)
{
	close_range(lowest < 0 ? 0 : (unsigned int)lowest, UINT_MAX, 0);
}

/* ---- dup() */

/* A duplicate of `fd` that was just made. */
static int
alias(int fd, int duplicate)
{
	struct file *file = duplicate < 0 ? NULL : file_get(fd);

	if (file == NULL)
		return duplicate;
	file_alias(file, duplicate);
	file_put(file);
	preload_standard_stream(duplicate);
	return duplicate;
}

int
dup(int fd)
{
	if (descriptor_is_own(fd))
		return tern_result(-EBADF);
	return alias(fd, kernel.dup(fd));
}

int
dup3(int from, int to, int flags)
{
	if (from == to || descriptor_is_own(from) || kernel.fcntl(from, F_GETFD) < 0)
		return descriptor_is_own(from) ? tern_result(-EBADF) : kernel.dup3(from, to, flags);
	if (descriptor_is_own(to))
		return tern_result(-EBUSY);
	if ((flags & ~O_CLOEXEC) == 0 && to >= 0)
		file_remove(to); /* the kernel will not refuse */
	return alias(from, kernel.dup3(from, to, flags));
}

int
dup2(int from, int to)
{
	if (from == to)
		return kernel.fcntl(from, F_GETFD) < 0 || descriptor_is_own(from)
			       ? tern_result(-EBADF)
			       : to;
	return dup3(from, to, 0);
}

/* ---- fcntl() and ioctl() */

static int
control(int fd, int command, long argument)
{
	struct file *file;
	int status;

	if (descriptor_is_own(fd))
		return tern_result(-EBADF);
	if (is_terns(fd))
		return tern_fcntl(fd, command, argument);
	if (command == F_DUPFD || command == F_DUPFD_CLOEXEC)
		return alias(fd, kernel.fcntl(fd, command, argument));
	file = command == F_SETFL || command == F_GETFL ? get_undecided(fd) : NULL;
	if (file == NULL)
		return kernel.fcntl(fd, command, argument);
	status = command == F_SETFL ? side_set_flags(file, fd, (int)argument)
				    : side_get_flags(file, fd);
	file_put(file);
	return status;
}

int
fcntl(int fd, int command, ...)
{
	va_list arguments;
	long argument;

	va_start(arguments, command);
	argument = va_arg(arguments, long);
	va_end(arguments);
	return control(fd, command, argument);
}

int
fcntl64(int fd, int command, ...)
{
	va_list arguments;
	long argument;

	va_start(arguments, command);
	argument = va_arg(arguments, long);
	va_end(arguments);
	return control(fd, command, argument);
}

int
ioctl(int fd, unsigned long request, ...)
{
	struct file *file;
	va_list arguments;
	void *argument;
	int status;

	va_start(arguments, request);
	argument = va_arg(arguments, void *);
	va_end(arguments);
	if (is_terns(fd)) {
		status = tern_ioctl(fd, request, argument);
		/* What concerns interfaces, and not the connection, is the kernel's to answer. */
		return status < 0 && errno == ENOTTY ? kernel.ioctl(fd, request, argument) : status;
	}
	file = request == FIONBIO && argument != NULL ? get_undecided(fd) : NULL;
	if (file == NULL)
		return kernel.ioctl(fd, request, argument);
	status = side_get_flags(file, fd) & ~O_NONBLOCK;
	status = side_set_flags(file, fd, status | (*(const int *)argument != 0 ? O_NONBLOCK : 0));
	file_put(file);
	return status;
}
