/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * DPDK's ethdev next to our own headers: it brings the system's <netinet/ip6.h>, whose struct
 * ip6_hdr has the name of ours in tcp/wire.h. Theirs takes another one here; nobody uses it.
 */
#ifndef TERN_DATAPLANE_ETHDEV_H
#define TERN_DATAPLANE_ETHDEV_H

#define ip6_hdr system_ip6_hdr
#include <rte_ethdev.h>
#undef ip6_hdr

#endif
