/* SPDX-License-Identifier: BSD-3-Clause */
/* Telling a link that an address of the kernel's is here now. */
#ifndef TERN_LIB_ANNOUNCE_H
#define TERN_LIB_ANNOUNCE_H

#include "endpoint.h"

/*
 * Broadcasts a gratuitous ARP request (RFC 5227 §2.3) or an unsolicited neighbour advertisement
 * (RFC 4861 §7.2.6) from an interface. On one that is no Ethernet nobody has to be told.
 */
void announce_address(unsigned int interface, const union endpoint *address);

#endif
