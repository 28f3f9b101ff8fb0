/* SPDX-License-Identifier: BSD-3-Clause */
/* Multicast Listener Discovery, RFC 3810: switches learn which solicited-node groups we are in. */
#ifndef TERN_DATAPLANE_MLD_H
#define TERN_DATAPLANE_MLD_H

#include "dataplane/net_impl.h"

/* Takes a checked listener query. */
void mld_input(struct net *net, struct packet *p);

/* Our groups changed: report them soon, twice. */
void mld_changed(struct net *net);

/* Sends the reports that are due. Returns when the next one is. */
uint64_t mld_advance(struct net *net);

#endif
