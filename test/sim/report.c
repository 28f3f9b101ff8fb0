/* SPDX-License-Identifier: BSD-3-Clause */
/* How often what occurred, over all seeds. */
#include <inttypes.h>
#include <stdio.h>

#include "sim.h"

static const char *const texts[SIM_EVENTS] = {
#define SIM_EVENT(name, text) text,
#include "sim_events.def"
#undef SIM_EVENT
};

void
sim_count_stats(struct sim *s, const struct tcp_stats *stats)
{
#define SIM_STAT(name, text) s->events[SIM_STAT_##name] += stats->name;
#include "sim_stats.def"
#undef SIM_STAT
}

void
sim_report_add(struct sim_report *r, const struct sim *s)
{
	r->seeds++;
	r->failed += s->failed;
	for (unsigned int i = 0; i < SIM_EVENTS; i++) {
		r->total[i] += s->events[i];
		r->of_seeds[i] += s->events[i] != 0;
	}
}

void
sim_report_print(const struct sim_report *r)
{
	printf("%12s %8s\n", "how often", "in seeds");
	for (unsigned int i = 0; i < SIM_EVENTS; i++)
		if (i < SIM_FIRST_MOVE || r->total[SIM_FIRST_MOVE] > 0)
			printf("%12" PRIu64 " %8" PRIu64 "  %s\n", r->total[i], r->of_seeds[i],
			       texts[i]);
}

bool
sim_report_is_complete(const struct sim_report *r, bool moves)
{
	unsigned int first = moves ? SIM_FIRST_MOVE : 0, end = moves ? SIM_EVENTS : SIM_FIRST_MOVE;
	bool complete = true;

	for (unsigned int i = first; i < end; i++)
		if (r->total[i] == 0) {
			printf("never occurred: %s\n", texts[i]);
			complete = false;
		}
	return complete;
}
