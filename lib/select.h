/* SPDX-License-Identifier: BSD-3-Clause */
/* select() of the kernel's descriptors and Tern's together. Threads: any. */
#ifndef TERN_LIB_SELECT_H
#define TERN_LIB_SELECT_H

#include <stdbool.h>
#include <sys/select.h>

/* Whether one of the first n descriptors that are asked for is Tern's. The sets are only read. */
bool select_has_ours(int n, fd_set *readable, fd_set *writable, fd_set *except);

#endif
