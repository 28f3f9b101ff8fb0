/* SPDX-License-Identifier: BSD-3-Clause */
/* dataplane/eal.c: the argument vector, from what the user wrote and what the machine has. */
#include "unit.h"

#include "dataplane/eal.h"

static struct eal_plan plan;
static char text[4096];

#define MB (1ull << 20)

static struct eal_host
host_with(unsigned int cpus, uint64_t huge_free)
{
	struct eal_host host = {.n_cpus = cpus, .huge_mounted = true, .huge_free = {huge_free}};

	for (unsigned int i = 0; i < cpus; i++)
		host.cpus[i].id = (uint16_t)(i * 2);
	return host;
}

static uint64_t huge_need = 100 * MB; /* of a lane */

/* The vector as one string, or the error. */
static const char *
plan_for(const char *eal, unsigned int lanes, enum config_hugepages hugepages,
	 const struct eal_host *host, const char *extra)
{
	struct config config = {.name = "t", .lanes = lanes, .hugepages = hugepages};
	const struct eal_need need = {.huge = huge_need, .small = 200 * MB};
	char word[64], *extras[1] = {word};
	size_t n = 0;

	snprintf(config.eal, sizeof(config.eal), "%s", eal);
	snprintf(word, sizeof(word), "%s", extra == NULL ? "" : extra);
	text[0] = '\0';
	if (eal_plan_make(&plan, &config, host, &need, extras, extra != NULL) < 0)
		snprintf(text, sizeof(text), "error: %s", plan.error);
	else
		for (int i = 0; i < plan.argc; i++)
			n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%s", i == 0 ? "" : " ",
					      plan.argv[i]);
	eal_plan_free(&plan);
	return text;
}

UNIT_CASE(ours_are_added)
{
	struct eal_host host = host_with(4, 1000 * MB);

	CU_ASSERT_STRING_EQUAL(plan_for("--no-pci  --vdev=x", 2, HUGEPAGES_AUTO, &host, "--y"),
			       "ternd --no-pci --vdev=x --y --file-prefix=t "
			       "--lcores=0@(0,2,4,6),1@6,2@4 --log-level=error");
	CU_ASSERT(plan.hugepages && plan.note[0] == '\0' && plan.warning[0] == '\0');
	CU_ASSERT_STRING_EQUAL(plan.prefix, "t");
}

UNIT_CASE(users_win)
{
	struct eal_host host = host_with(4, 1000 * MB);

	CU_ASSERT_STRING_EQUAL(plan_for("-l 0,1 --file-prefix=p --log-level=lib.eal:debug", 1,
					HUGEPAGES_AUTO, &host, NULL),
			       "ternd -l 0,1 --file-prefix=p --log-level=lib.eal:debug");
	CU_ASSERT_STRING_EQUAL(plan.prefix, "p");
	CU_ASSERT_STRING_EQUAL(
		plan_for("-c3 --log-level 8", 1, HUGEPAGES_AUTO, &host, "--file-prefix=q"),
		"ternd -c3 --log-level 8 --file-prefix=q");
	CU_ASSERT_STRING_EQUAL(plan.prefix, "q");
	CU_ASSERT_STRING_EQUAL(plan_for("--lcores=0,1", 1, HUGEPAGES_NO, &host, "-m64"),
			       "ternd --lcores=0,1 -m64 --file-prefix=t --log-level=error "
			       "--no-huge");
	CU_ASSERT_STRING_EQUAL(plan_for("--no-huge -l0,1", 1, HUGEPAGES_YES, &host, NULL),
			       "ternd --no-huge -l0,1 --file-prefix=t --log-level=error -m 314");
	CU_ASSERT(!plan.hugepages);
}

UNIT_CASE(lanes_may_share_cpus)
{
	struct eal_host host = host_with(2, 1000 * MB);

	CU_ASSERT_STRING_EQUAL(plan_for("", 3, HUGEPAGES_YES, &host, NULL),
			       "ternd --file-prefix=t --lcores=0@(0,2),1@2,2@0,3@2 "
			       "--log-level=error");
	CU_ASSERT(strstr(plan.warning, "3 lanes share 2 CPUs") != NULL);
}

UNIT_CASE(too_few_huge_pages)
{
	struct eal_host host = host_with(2, 150 * MB);

	CU_ASSERT(strstr(plan_for("", 2, HUGEPAGES_YES, &host, NULL),
			 "error: hugepages = yes, but 200 MB of huge pages are needed, 150 MB are "
			 "free") == text);
	CU_ASSERT(strstr(plan_for("--in-memory", 2, HUGEPAGES_AUTO, &host, NULL),
			 "error: --in-memory needs huge pages") == text);
	CU_ASSERT(strstr(plan_for("", 2, HUGEPAGES_AUTO, &host, NULL), " --no-huge -m 564") !=
		  NULL);
	CU_ASSERT(!plan.hugepages);
	CU_ASSERT(strstr(plan.note, "200 MB of huge pages are needed, 150 MB are free") != NULL);
	CU_ASSERT(strstr(plan_for("", 2, HUGEPAGES_NO, &host, NULL), "--no-huge") != NULL);
	UNIT_EQ(plan.note[0], '\0');
	host.huge_mounted = false;
	plan_for("", 1, HUGEPAGES_AUTO, &host, NULL);
	CU_ASSERT(strstr(plan.note, "no hugetlbfs is mounted") != NULL);
	/* Whole pages; dpdk-hugepages.py refuses anything else. */
	huge_need = 100 * MB + 1;
	plan_for("", 1, HUGEPAGES_AUTO, &host, NULL);
	CU_ASSERT(strstr(plan.note, "--reserve 102M\"") != NULL);
	huge_need = 100 * MB;
}

/* 200 MB for each lane. */
UNIT_CASE(more_memory_than_there_is)
{
	struct eal_host host = host_with(2, 0);

	host.memory = 400 * MB;
	CU_ASSERT(strstr(plan_for("", 2, HUGEPAGES_AUTO, &host, NULL), "--no-huge") != NULL);
	host.memory = 399 * MB;
	CU_ASSERT_STRING_EQUAL(plan_for("", 2, HUGEPAGES_AUTO, &host, NULL),
			       "error: 400 MB of memory are needed, this machine has 399; lower "
			       "[limits]");
	CU_ASSERT(strstr(plan_for("-m 100", 2, HUGEPAGES_NO, &host, NULL), "--no-huge") != NULL);
	/* In huge pages, of which there are enough. */
	host = host_with(2, 400 * MB);
	host.memory = 399 * MB;
	CU_ASSERT(strstr(plan_for("", 2, HUGEPAGES_AUTO, &host, NULL), "error:") == NULL);
}

UNIT_CASE(pages_count_on_the_node_of_the_lane)
{
	struct eal_host host = host_with(2, 1000 * MB);

	host.cpus[1].node = 1;
	CU_ASSERT(strstr(plan_for("", 1, HUGEPAGES_AUTO, &host, NULL), "--no-huge") != NULL);
	host.huge_free[1] = 100 * MB;
	CU_ASSERT(strstr(plan_for("", 1, HUGEPAGES_AUTO, &host, NULL), "--no-huge") == NULL);
	CU_ASSERT(strstr(plan_for("", 2, HUGEPAGES_AUTO, &host, NULL), "--no-huge") == NULL);
	CU_ASSERT(strstr(plan_for("", 3, HUGEPAGES_AUTO, &host, NULL), "--no-huge") != NULL);
}

/* A memif that does not copy shows its peer one piece of memory, all of it at the start. */
UNIT_CASE(shared_memory_is_there_at_the_start)
{
	static const char memif[] = "--no-pci --vdev=net_memif0,role=client,zero-copy=yes";
	struct eal_host host = host_with(1, 1000 * MB), none = host_with(1, 0);

	CU_ASSERT_PTR_NOT_NULL(strstr(plan_for(memif, 2, HUGEPAGES_AUTO, &host, NULL),
				      " --single-file-segments -m 200"));
	CU_ASSERT_PTR_NOT_NULL(strstr(plan_for(memif, 2, HUGEPAGES_AUTO, &none, NULL),
				      " --single-file-segments --no-huge -m 564"));
	CU_ASSERT_PTR_NULL(
		strstr(plan_for(memif, 2, HUGEPAGES_AUTO, &host, "--socket-mem=300"), " -m "));
	CU_ASSERT_PTR_NULL(strstr(plan_for("--no-pci --vdev=net_memif0,role=server,zero-copy=yes",
					   2, HUGEPAGES_AUTO, &host, NULL),
				  "segments"));
}

UNIT_CASE(this_machine_has_something)
{
	static struct eal_host host;

	eal_survey(&host);
	CU_ASSERT(host.n_cpus >= 1);
	for (unsigned int i = 1; i < host.n_cpus; i++)
		CU_ASSERT(host.cpus[i].id > host.cpus[i - 1].id);
}

UNIT_MAIN(UNIT_RUN(ours_are_added), UNIT_RUN(users_win), UNIT_RUN(lanes_may_share_cpus),
	  UNIT_RUN(too_few_huge_pages), UNIT_RUN(more_memory_than_there_is),
	  UNIT_RUN(pages_count_on_the_node_of_the_lane),
	  UNIT_RUN(shared_memory_is_there_at_the_start), UNIT_RUN(this_machine_has_something))
