/* SPDX-License-Identifier: BSD-3-Clause */
/* A program with a restored connection as its standard input and output. */
#ifndef TERN_LIB_RESTORE_PROGRAM_H
#define TERN_LIB_RESTORE_PROGRAM_H

/*
 * Restores the image in a file ("-": the standard input), and executes a program that has the
 * connection, on the ternd of that socket. Returns the exit status if it could not, after telling
 * why; as long as the program is not found, the image is not touched.
 */
int restore_program(const char *socket, const char *file, char **program);

/* The same for an image that is read from a descriptor; `shown` is its name in messages. */
int restore_program_from(const char *socket, int from, const char *shown, char **program);

#endif
