/* SPDX-License-Identifier: BSD-3-Clause */
/* Whether a preloaded library can stand between a program and its sockets. */
#ifndef TERN_LIB_REACHABLE_H
#define TERN_LIB_REACHABLE_H

/*
 * Looks for a program as execvp() does, and into its file. Returns why its sockets would not be
 * Tern's, as the end of a sentence that begins with its name; NULL when nothing speaks against it,
 * or there is no such program.
 */
const char *reachable_why_not(const char *program);

#endif
