/* SPDX-License-Identifier: BSD-3-Clause */
/* dataplane/mld.c: reports of our groups, unasked and asked. */
#include "net_rig.h"

#define ROUTER "fe80::fe"

static bool
is_report(const struct frame *f)
{
	return frame_type(f) == FRAME_IP6 && f->b[FRAME_L3 + 6] == 0 &&
	       f->b[FRAME_ICMP6 + 8] == 143;
}

static struct frame
query(const char *src, uint16_t delay_ms, uint8_t hop_limit, unsigned int n)
{
	uint8_t rest[20] = {0};
	struct frame f = frame_icmp("33:33:00:00:00:01", PEER_MAC, src, "ff02::1", 130, 0,
				    (uint32_t)delay_ms << 16, rest, n);

	f.b[FRAME_L3 + 7] = hop_limit;
	return f;
}

UNIT_CASE(groups_are_reported_at_once_and_again)
{
	struct rig *rig = rig_new();
	struct ip_addr node = ip("ff02::1:ff00:2"), group, src, nobody = {0};
	const struct frame *f;
	unsigned int n = 0;

	rig_start(rig);
	rig_until(rig, 60 * RIG_SECOND);
	for (unsigned int i = 0; i < rig->n_out; i++) {
		f = &rig->out[i].f;
		if (!is_report(f))
			continue;
		UNIT_EQ(rig->out[i].at_us, n++ * RIG_SECOND);
		CU_ASSERT(frame_to(f, "33:33:00:00:00:16"));
		UNIT_EQ(f->b[FRAME_L3 + 7], 1);
		CU_ASSERT(memcmp(f->b + FRAME_ICMP6, "\72\0\5\2\0\0\1\0", 8) == 0);
		src = frame_src(f);
		CU_ASSERT(ip_eq(&src, &nobody)); /* the link-local address is tentative still */
		UNIT_EQ(frame_be32(f, FRAME_ICMP6 + 12), 2);
		UNIT_EQ(f->n, FRAME_ICMP6 + 8 + 8 + 2 * 20);
		UNIT_EQ(f->b[FRAME_ICMP6 + 16], 4);
		group = frame_ip6_at(f, FRAME_ICMP6 + 20);
		CU_ASSERT(ip_eq(&group, &node));
	}
	UNIT_EQ(n, 2);
	rig_free(rig);
}

UNIT_CASE(the_checksum_covers_the_message_behind_the_option)
{
	struct rig *rig = rig_new();
	struct frame f = {0}, g;

	rig_start(rig);
	rig_until(rig, 0);
	for (unsigned int i = 0; i < rig->n_out; i++)
		if (is_report(&rig->out[i].f))
			f = rig->out[i].f;
	CU_ASSERT_FATAL(f.n > 0);
	/* The same without the hop-by-hop header. */
	g = f;
	g.n = FRAME_ICMP6;
	frame_put(&g, f.b + FRAME_ICMP6 + 8, f.n - FRAME_ICMP6 - 8);
	g.b[FRAME_L3 + 6] = 58;
	g.b[FRAME_L3 + 5] = (uint8_t)(g.n - FRAME_ICMP6);
	CU_ASSERT(frame_icmp_cksum_ok(&g));
	rig_free(rig);
}

UNIT_CASE(a_query_is_answered_within_its_delay)
{
	struct rig *rig = rig_settled();
	struct frame f = query(ROUTER, 1000, 1, 20);
	struct ip_addr us = ip(RIG_LINK_LOCAL), src;

	rig_in(rig, &f);
	rig_in(rig, &f); /* one answer for both */
	rig_until(rig, RIG_SETTLED + 500000 - 1);
	UNIT_EQ(rig->n_out, 0);
	rig_until(rig, RIG_SETTLED + 20 * RIG_SECOND);
	UNIT_EQ(rig->n_out, 1);
	UNIT_EQ(rig->out[0].at_us, RIG_SETTLED + 500000);
	CU_ASSERT(is_report(&rig->out[0].f));
	UNIT_EQ(rig->out[0].f.b[FRAME_ICMP6 + 16], 2);
	src = frame_src(&rig->out[0].f);
	CU_ASSERT(ip_eq(&src, &us));
	rig_free(rig);
}

UNIT_CASE(forged_queries_are_dropped)
{
	struct rig *rig = rig_settled();
	struct frame f;

	f = query(PEER_IP6, 1000, 1, 20);
	rig_in(rig, &f);
	f = query(ROUTER, 1000, 2, 20);
	rig_in(rig, &f);
	f = query(ROUTER, 1000, 1, 15);
	rig_in(rig, &f);
	UNIT_EQ(RIG_COUNT(rig, drop_nd_format), 3);
	rig_until(rig, RIG_SETTLED + 20 * RIG_SECOND);
	UNIT_EQ(rig->n_out, 0);
	f = query(ROUTER, 0xffff, 1, 20); /* a wait without end is none */
	rig_in(rig, &f);
	UNIT_EQ(net_next_timer(rig->net), rig->now_us + 5 * RIG_SECOND);
	rig_free(rig);
}

UNIT_MAIN_EAL(UNIT_RUN(groups_are_reported_at_once_and_again),
	      UNIT_RUN(the_checksum_covers_the_message_behind_the_option),
	      UNIT_RUN(a_query_is_answered_within_its_delay), UNIT_RUN(forged_queries_are_dropped))
