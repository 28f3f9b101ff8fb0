/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * SA_RESTART: whether a call that a signal has interrupted goes on.
 *
 * Which signal it was, nobody tells a library. So it goes on if every handler that this thread may
 * run asks for it, and ends with EINTR if one does not: programs install all of theirs in one way,
 * with few exceptions.
 */
#ifndef TERN_LIB_RESTART_H
#define TERN_LIB_RESTART_H

#include <stdbool.h>

bool restart_asked_for(void);

#endif
