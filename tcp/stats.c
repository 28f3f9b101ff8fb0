/* SPDX-License-Identifier: BSD-3-Clause */
/* The names and explanations of the counters, in the order of struct tcp_stats. */
#include "tcp.h"

const char *const tcp_stats_names[] = {
#define TCP_STAT(name, text) #name,
#include "tcp_stats.def"
#undef TCP_STAT
};

const char *const tcp_stats_texts[] = {
#define TCP_STAT(name, text) text,
#include "tcp_stats.def"
#undef TCP_STAT
};
