/* SPDX-License-Identifier: BSD-3-Clause */
/* The IP layer's counters: names and explanations in the order of struct net_stats, and reading. */
#include "dataplane/net_impl.h"

const char *const net_stats_names[] = {
#define NET_STAT(name, text) #name,
#include "dataplane/net_stats.def"
#undef NET_STAT
};

const char *const net_stats_texts[] = {
#define NET_STAT(name, text) text,
#include "dataplane/net_stats.def"
#undef NET_STAT
};

void
net_stats_read(const struct net *net, struct net_stats *stats)
{
#define NET_STAT(name, text) stats->name = __atomic_load_n(&net->stats.name, __ATOMIC_RELAXED);
#include "dataplane/net_stats.def"
#undef NET_STAT
}
