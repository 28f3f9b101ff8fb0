/* SPDX-License-Identifier: BSD-3-Clause */
/* tcp/pmtu.c: the table of what was learned of destinations. */
#include "unit.h"

#include <stdlib.h>

#include "tcp/engine.h"

#define SECOND_US UINT64_C(1000000)

static struct tcp_engine e;

static void
start(void)
{
	free(e.pmtus);
	memset(&e, 0, sizeof(e));
	e.now_us = 1000 * SECOND_US;
	e.pmtu_next_us = UINT64_MAX;
	e.pmtus = calloc(1, tcp_pmtu_bytes());
	CU_ASSERT_FATAL(e.pmtus != NULL);
}

static struct ip_addr
destination(uint32_t n)
{
	return ip_from4(be32(0x0a000000 + n));
}

/* An error for a connection to this destination, which is still connecting. */
static void
learn(uint32_t n, uint16_t mtu)
{
	struct tcp_conn c = {
		.engine = &e,
		.state = TCP_SYN_SENT,
		.mtu = 9000,
		.tuple.remote = destination(n),
		.mtu_discover = 1,
	};

	tcp_packet_too_big(&c, mtu);
}

static uint16_t
known(uint32_t n)
{
	struct ip_addr to = destination(n);

	return tcp_pmtu_of(&e, &to, 1500);
}

UNIT_CASE(what_was_learned_is_known)
{
	start();
	UNIT_EQ(known(1), 1500);
	learn(1, 1400);
	UNIT_EQ(known(1), 1400);
	UNIT_EQ(known(2), 1500);
	learn(1, 1300);
	UNIT_EQ(known(1), 1300);
	UNIT_EQ(e.pmtus_used, 1);
	learn(2, 5000); /* more than our own link */
	UNIT_EQ(known(2), 1500);
}

UNIT_CASE(it_ends_after_ten_minutes)
{
	start();
	learn(1, 1400);
	e.now_us += 300 * SECOND_US;
	learn(2, 1400);
	learn(1, 1350); /* lasts from here on */
	UNIT_EQ(e.pmtu_next_us, 1600 * SECOND_US);
	e.now_us = 1600 * SECOND_US;
	tcp_pmtu_advance(&e);
	UNIT_EQ(e.pmtus_used, 2);
	UNIT_EQ(e.paths_generation, 0);
	UNIT_EQ(known(1), 1350);
	e.now_us = e.pmtu_next_us;
	UNIT_EQ(known(1), 1500); /* before it is cleared away, too */
	tcp_pmtu_advance(&e);
	UNIT_EQ(e.pmtus_used, 0);
	UNIT_EQ(e.paths_generation, 1);
	UNIT_EQ(e.pmtu_next_us, UINT64_MAX);
}

/* Ends that follow each other closely are looked for together. */
UNIT_CASE(sweeps_are_rare)
{
	unsigned int sweeps = 0;

	start();
	for (uint32_t i = 0; i < 100; i++) {
		learn(i, 1400);
		e.now_us += SECOND_US / 2;
	}
	while (e.pmtu_next_us != UINT64_MAX && sweeps < 1000) {
		e.now_us = e.pmtu_next_us;
		tcp_pmtu_advance(&e);
		sweeps++;
	}
	UNIT_EQ(e.pmtus_used, 0);
	CU_ASSERT(sweeps <= 7);
	CU_ASSERT(e.paths_generation <= sweeps);
}

/* However many destinations there are, memory stays what it is, and the latest is known. */
UNIT_CASE(a_full_table_forgets_the_oldest)
{
	uint32_t capacity = (uint32_t)(tcp_pmtu_bytes() / sizeof(struct tcp_pmtu)), kept = 0;

	start();
	for (uint32_t i = 0; i < 10 * capacity; i++) {
		learn(i, 1400);
		UNIT_EQ(known(i), 1400);
		if (i % 100 == 0)
			e.now_us += SECOND_US;
	}
	CU_ASSERT(e.pmtus_used <= capacity);
	for (uint32_t i = 9 * capacity; i < 10 * capacity; i++)
		kept += known(i) == 1400;
	CU_ASSERT(kept > capacity / 2);
	free(e.pmtus);
	e.pmtus = NULL;
}

UNIT_MAIN(UNIT_RUN(what_was_learned_is_known), UNIT_RUN(it_ends_after_ten_minutes),
	  UNIT_RUN(sweeps_are_rare), UNIT_RUN(a_full_table_forgets_the_oldest))
