/* SPDX-License-Identifier: BSD-3-Clause */
/* What the socket calls return: inside the library a negative errno, to programs -1 and errno. */
#ifndef TERN_LIB_RESULT_H
#define TERN_LIB_RESULT_H

#include <errno.h>
#include <sys/types.h>

/* As a system call returns it. */
static inline int
tern_result(int status)
{
	if (status >= 0)
		return status;
	errno = -status;
	return -1;
}

/* The same for those that count bytes. */
static inline ssize_t
tern_result_bytes(ssize_t n)
{
	return n >= 0 ? n : tern_result((int)n);
}

#endif
