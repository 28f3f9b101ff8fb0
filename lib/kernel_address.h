/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Addresses of the kernel's interfaces, which move together with connections. In the network
 * namespace of the calling thread. Functions return 0, or -1 with a sentence in `why`.
 */
#ifndef TERN_LIB_KERNEL_ADDRESS_H
#define TERN_LIB_KERNEL_ADDRESS_H

#include <stdint.h>

#include "endpoint.h"

enum { KERNEL_ADDRESS_WHY = 256 };

/* An address that was taken, and what the kernel forgets with it. */
struct kernel_address {
	union endpoint address;
	uint8_t prefix_len;
	unsigned int interface; /* index; 0: nothing was taken */
	unsigned char mac[6];
	uint8_t *messages; /* on the heap: the interface's addresses, then its routes */
	uint32_t bytes;
};

/* Removes an address from an interface, and that alone: others of the same prefix stay. */
int kernel_address_take(struct kernel_address *taken, const char *interface,
			const union endpoint *address, char why[KERNEL_ADDRESS_WHY]);

/* Undoes it, routes included, and announces the address. Nothing, if nothing was taken. */
int kernel_address_return(const struct kernel_address *taken, char why[KERNEL_ADDRESS_WHY]);
void kernel_address_free(struct kernel_address *taken);

/* Gives an interface an address that another station has had until now, and announces it. */
int kernel_address_add(const char *interface, const union endpoint *address, uint8_t prefix_len,
		       char why[KERNEL_ADDRESS_WHY]);

#endif
