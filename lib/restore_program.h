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

/* The same in two steps, for an image that is read from a descriptor. */
struct restored_program {
	char path[4096]; /* of the executable */
	char **words;
	int conn; /* libtern's descriptor */
};

/*
 * Finds the program, then restores the connection; `shown` is the image's name in messages. `flags`
 * are tern_restore_from()'s. Returns 0, or the exit status.
 */
int restore_program_begin(struct restored_program *p, const char *socket, int from,
			  const char *shown, char **program, int flags);

/* Executes it. Returns the exit status if it cannot. */
int restore_program_execute(const struct restored_program *p);

#endif
