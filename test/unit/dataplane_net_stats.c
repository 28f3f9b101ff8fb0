/* SPDX-License-Identifier: BSD-3-Clause */
/* dataplane/net_stats.c: names and texts go with the counters. */
#include "unit.h"

#include <stddef.h>

#include "dataplane/net.h"

UNIT_CASE(names_stand_at_their_counters)
{
	UNIT_EQ(NET_STATS_COUNT * sizeof(uint64_t), sizeof(struct net_stats));
	CU_ASSERT_STRING_EQUAL(net_stats_names[0], "frames_in");
	CU_ASSERT_STRING_EQUAL(
		net_stats_names[offsetof(struct net_stats, drop_fragment) / sizeof(uint64_t)],
		"drop_fragment");
	CU_ASSERT_STRING_EQUAL(net_stats_names[NET_STATS_COUNT - 1], "tx_no_mbuf");
}

UNIT_CASE(every_counter_is_explained_once)
{
	for (size_t i = 0; i < NET_STATS_COUNT; i++) {
		CU_ASSERT(strlen(net_stats_texts[i]) > 10);
		for (size_t j = 0; j < i; j++) {
			CU_ASSERT_STRING_NOT_EQUAL(net_stats_names[i], net_stats_names[j]);
			CU_ASSERT_STRING_NOT_EQUAL(net_stats_texts[i], net_stats_texts[j]);
		}
	}
}

UNIT_MAIN(UNIT_RUN(names_stand_at_their_counters), UNIT_RUN(every_counter_is_explained_once))
