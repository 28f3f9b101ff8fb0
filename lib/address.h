/* SPDX-License-Identifier: BSD-3-Clause */
/* Programs' socket addresses, and those of the arena. */
#ifndef TERN_LIB_ADDRESS_H
#define TERN_LIB_ADDRESS_H

#include <sys/socket.h>

#include "file.h"

/* What the program gave, checked as Linux does. Returns 0 or a negative errno. */
int address_take(const struct file *file, const struct sockaddr *address, socklen_t length,
		 struct shm_endpoint *out);

/* What the program gets, cut at *length, which becomes the length of the whole. */
void address_give(const struct file *file, const struct shm_endpoint *from,
		  struct sockaddr *address, socklen_t *length);

#endif
