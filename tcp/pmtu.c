/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Path MTU: what routers tell of it, what becomes of the segments that were too big, and how long
 * it is remembered. RFC 1191, RFC 8201; RFC 5927 §7.
 *
 *     link_mtu   the first hop's, by env.path: our announced MSS goes by it
 *     mtu        what goes through to the peer: link_mtu, or less if an ICMP error said so
 *
 * What was learned is kept for each destination, for ten minutes: connections made meanwhile begin
 * with it, and when it ends those that live on may try larger segments again (RFC 1191 §6.3). There
 * are PMTU_ENTRIES of them; where a set is full, what ends first gives way: forgetting costs one
 * ICMP error more, so nothing is gained by filling it.
 *
 * As Linux, what was in flight and is too big is taken for lost and sent again at once, cut
 * smaller, and the congestion window is not blamed: the state is LOSS, so that it grows as in slow
 * start from where it is, and no reduction is to be undone.
 *
 * DEVIATION: below 552 bytes Linux pins the MTU and clears DF; here DF is always set, and a path
 * that is narrower than that carries nothing (RFC 791 asks for 68, no link in use has less than
 * 576). Test: test/wire/pmtu.c:below_the_minimum.
 */
#include <errno.h>
#include <netinet/in.h>

#include <rte_common.h>

#include "engine.h"

enum {
	PMTU_SETS = 512,
	PMTU_WAYS = 4,
	PMTU_ENTRIES = PMTU_SETS * PMTU_WAYS,
	PMTU_LIFE_S = 600,
	PMTU_SWEEP_S = 10, /* what has ended is looked for no oftener */

	/* Below these no path goes: Linux's ip_rt_min_pmtu, and RFC 8200 §5. */
	MTU_MIN_IP4 = 552,
	MTU_MIN_IP6 = 1280,
};

/* ---- What was learned of destinations */

size_t
tcp_pmtu_bytes(void)
{
	return sizeof(struct tcp_pmtu) * PMTU_ENTRIES;
}

static struct tcp_pmtu *
set_of(const struct tcp_engine *e, const struct ip_addr *remote)
{
	return e->pmtus + tcp_pmtu_hash(e, remote) % PMTU_SETS * PMTU_WAYS;
}

uint16_t
tcp_pmtu_of(const struct tcp_engine *e, const struct ip_addr *remote, uint16_t link_mtu)
{
	const struct tcp_pmtu *p;

	if (e->pmtus_used == 0)
		return link_mtu;
	p = set_of(e, remote);
	for (unsigned int i = 0; i < PMTU_WAYS; i++)
		if (p[i].mtu != 0 && p[i].until_s > tcp_now_s(e) && ip_eq(&p[i].remote, remote))
			return p[i].mtu < link_mtu ? p[i].mtu : link_mtu;
	return link_mtu;
}

static void
remember(struct tcp_engine *e, const struct ip_addr *remote, uint16_t mtu)
{
	struct tcp_pmtu *set = set_of(e, remote), *p = &set[0];

	for (unsigned int i = 0; i < PMTU_WAYS; i++) {
		if (set[i].mtu != 0 && ip_eq(&set[i].remote, remote)) {
			p = &set[i];
			break;
		}
		/* Unused ones have 0 in both. */
		if (set[i].until_s < p->until_s)
			p = &set[i];
	}
	e->pmtus_used += p->mtu == 0;
	*p = (struct tcp_pmtu){*remote, tcp_now_s(e) + PMTU_LIFE_S, mtu};
	e->pmtu_next_us = RTE_MIN(e->pmtu_next_us, e->now_us + PMTU_LIFE_S * UINT64_C(1000000));
}

void
tcp_pmtu_advance(struct tcp_engine *e)
{
	uint32_t now_s = tcp_now_s(e), before = e->pmtus_used, next_s = UINT32_MAX;

	for (unsigned int i = 0; i < PMTU_ENTRIES; i++) {
		struct tcp_pmtu *p = &e->pmtus[i];

		if (p->mtu == 0)
			continue;
		if (p->until_s > now_s) {
			next_s = RTE_MIN(next_s, p->until_s);
			continue;
		}
		*p = (struct tcp_pmtu){0};
		e->pmtus_used--;
	}
	next_s = RTE_MAX(next_s, now_s + PMTU_SWEEP_S);
	e->pmtu_next_us = e->pmtus_used == 0 ? UINT64_MAX : next_s * UINT64_C(1000000);
	/* Each connection looks at its path again before it sends next. */
	if (e->pmtus_used != before)
		tcp_paths_changed(e);
}

/* ---- What was too big */

void
tcp_resend_smaller(struct tcp_conn *c, uint32_t fits)
{
	struct tcp_sent *s;

	TAILQ_FOREACH (s, &c->sent, link)
		if (tcp_sent_bytes(s) > fits)
			tcp_sent_mark_lost(c, s);
	if (c->lost_segs == 0)
		return;
	if (!(c->flags & CONN_SACK) && c->sacked_segs + c->lost_segs > c->sent_segs)
		c->sacked_segs = c->sent_segs - c->lost_segs;
	if (c->ca_state != CA_LOSS) {
		if (c->ca_state < CA_CWR)
			c->ssthresh = RTE_MAX(c->ssthresh, (c->cwnd >> 1) + (c->cwnd >> 2));
		c->recover = c->snd_nxt;
		c->undo.possible = false;
		c->prr = (struct tcp_prr){0};
		c->frto = c->frto_new_first = false;
		c->ca_state = CA_LOSS;
		if (c->cc->timeout != NULL)
			c->cc->timeout(c);
	}
	tcp_rtx_restart(c);
	tcp_mark_dirty(c);
}

void
tcp_packet_too_big(struct tcp_conn *c, uint16_t mtu)
{
	bool is4 = ip_is4(&c->tuple.remote);

	if (c->mtu_discover >= IP_PMTUDISC_INTERFACE)
		return;
	if (mtu < MTU_MIN_IP6 && !is4)
		return; /* RFC 8201 §4: no IPv6 link is so narrow */
	if (mtu < MTU_MIN_IP4)
		mtu = MTU_MIN_IP4;
	if (mtu >= c->mtu)
		return;
	TCP_COUNT(c->engine, pmtu_lowered);
	remember(c->engine, &c->tuple.remote, mtu);
	c->mtu = mtu;
	if (c->state == TCP_SYN_SENT) {
		if (c->fastopen.data_out)
			tcp_fastopen_too_big(c);
		return;
	}
	tcp_conn_set_mss(c);
	/* A probe under way is larger than the others, and may fit. */
	tcp_resend_smaller(c, tcp_mss_of_mtu(c, mtu));
}

/* ---- Socket options */

/*
 * IP_MTU_DISCOVER, and IPV6_MTU_DISCOVER with the same values. DF is always set; IP_PMTUDISC_DONT,
 * _WANT, _DO and _PROBE are the same to TCP here, _INTERFACE and _OMIT believe no ICMP error.
 */
int
tcp_pmtu_set_discover(struct tcp_conn *c, int how)
{
	if (how < IP_PMTUDISC_DONT || how > IP_PMTUDISC_OMIT)
		return -EINVAL;
	c->mtu_discover = (uint8_t)how;
	return 0;
}

/* IP_MTU, IPV6_MTU. */
int
tcp_pmtu_get(const struct tcp_conn *c, int *mtu)
{
	if (c->state < TCP_SYN_SENT || c->mtu == 0)
		return -ENOTCONN;
	*mtu = c->mtu;
	return 0;
}
