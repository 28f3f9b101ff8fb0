/* SPDX-License-Identifier: BSD-3-Clause */
/* What is kept of net_path()'s answers. */
#ifndef TERN_DATAPLANE_PATH_H
#define TERN_DATAPLANE_PATH_H

#include "dataplane/net_impl.h"

/* Routes, addresses or neighbours are not what they were: net_path() looks anew. */
void paths_forget(struct net *net);

#endif
