/* SPDX-License-Identifier: BSD-3-Clause */
/* Memory that programs hand over in calls, checked as Linux does as far as a library can. */
#ifndef TERN_LIB_MESSAGE_H
#define TERN_LIB_MESSAGE_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "file.h"

enum {
	NOBODYS_BYTES = 4096, /* at address 0: never a program's */
};

/* Whether memory is certainly not the program's: NULL, or next to it. */
static inline bool
memory_is_bad(const void *memory, size_t bytes)
{
	return bytes > 0 && (uintptr_t)memory < NOBODYS_BYTES;
}

/* A vector, and what it names unless nothing goes there. Returns 0, -EFAULT or -EINVAL. */
int message_check_vector(const struct iovec *iov, size_t n, bool is_used);

#endif
