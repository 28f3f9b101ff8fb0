/* SPDX-License-Identifier: BSD-3-Clause */
/* Other processes' sockets, as descriptors of ours, with FD_CLOEXEC. */
#ifndef TERN_LIB_DESCRIPTORS_OF_H
#define TERN_LIB_DESCRIPTORS_OF_H

#include <stddef.h>
#include <sys/types.h>

struct borrowed {
	int fd;     /* ours */
	int theirs; /* its number there; -1: it was passed */
};

/* A list, on the heap; all zero at first. */
struct descriptors {
	struct borrowed *list;
	unsigned int n, room;
};

/* All return 0, or -1 with a sentence in `why`; what they found so far is in the list. */

/* Descriptor `number` of a process. */
int descriptors_get(struct descriptors *descriptors, pid_t pid, int number, char *why, size_t size);

/* Those of a process that are connections of TCP, each once. None is an error. */
int descriptors_get_all(struct descriptors *descriptors, pid_t pid, char *why, size_t size);

/*
 * What the program passes that listens at `path`: connects, and takes what comes with the first
 * message. *channel is the connection, for an answer.
 */
int descriptors_receive(struct descriptors *descriptors, const char *path, int *channel, char *why,
			size_t size);

/* Connects to the program that listens at `path`. Returns the channel, to be closed, or -1. */
int descriptors_connect(const char *path, char *why, size_t size);

/* Passes one over a channel, with one byte. */
int descriptors_pass(int channel, int fd, char *why, size_t size);

void descriptors_close(struct descriptors *descriptors);

#endif
