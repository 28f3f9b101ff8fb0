/* SPDX-License-Identifier: BSD-3-Clause */
/* dataplane/bench_flood.c: what it sends, when, and what it makes of answers; services of
 * service_pair.h are what it is sent to. */
#include "service_pair.h"
#include "unit.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include <rte_ip.h>

#include "dataplane/bench.h"

enum {
	ECHO = 7,
	NOBODY = 99,
	KEPT = 33, /* half-open ones of a listener: its backlog, and one */
	SENT_MAX = 4096,
};

/* A segment as it was handed over. */
struct sent {
	struct ip_addr source;
	struct tcp_header tcp;
	uint32_t data_bytes;
	uint64_t at_us;
};

struct rig {
	struct service_pair pair;
	struct config config; /* the generator's side */
	struct service_set *set;
	struct service_wire wire;
	struct bench_result result;
	struct ip_addr own; /* the generator's address of the target's family */
	uint16_t path_flags;
	uint16_t mtu;
	unsigned int unresolved; /* times that the next hop is not known yet */
	bool sink;               /* nobody gets it */
	unsigned int n;
	struct sent sent[SENT_MAX];
};

static struct rig rig;

/* ---- The way out */

static bool
is_local(void *ctx, const struct ip_addr *ip)
{
	return ip_eq(ip, &((struct rig *)ctx)->own);
}

static bool
resolve(void *ctx, uint32_t hop)
{
	struct rig *r = ctx;

	UNIT_EQ(hop, 77);
	if (r->unresolved == 0)
		return true;
	r->unresolved--;
	return false;
}

static int
path(void *ctx, const struct ip_addr *remote, const struct ip_addr *local, struct tcp_path *out)
{
	struct rig *r = ctx;

	CU_ASSERT(ip_is_any(local));
	CU_ASSERT(ip_is4(remote) == ip_is4(&r->own));
	*out = (struct tcp_path){.local = r->own, .hop = 77, .mtu = r->mtu, .flags = r->path_flags};
	return 0;
}

/* Both checksums, with themselves all ones, or what the device is asked for. */
static void
check_sums(const struct rig *r, const struct rte_mbuf *m, const struct tcp_header *th)
{
	const void *ip = rte_pktmbuf_mtod(m, const void *);
	bool is4 = ip_is4(&r->own);
	uint32_t sum;

	if (r->path_flags & TCP_PATH_TX_TCP_CKSUM) {
		CU_ASSERT((m->ol_flags & RTE_MBUF_F_TX_L4_MASK) == RTE_MBUF_F_TX_TCP_CKSUM);
		CU_ASSERT((m->ol_flags & RTE_MBUF_F_TX_IP_CKSUM) != 0);
		UNIT_EQ(th->cksum.raw, is4 ? rte_ipv4_phdr_cksum(ip, m->ol_flags)
					   : rte_ipv6_phdr_cksum(ip, m->ol_flags));
		return;
	}
	UNIT_EQ(m->ol_flags & (RTE_MBUF_F_TX_L4_MASK | RTE_MBUF_F_TX_IP_CKSUM), 0);
	if (is4)
		UNIT_EQ(rte_raw_cksum(ip, sizeof(struct ip4_header)), 0xffff);
	sum = is4 ? rte_ipv4_phdr_cksum(ip, 0) : rte_ipv6_phdr_cksum(ip, 0);
	sum += (uint32_t)rte_raw_cksum(th, m->pkt_len - m->l3_len);
	UNIT_EQ((sum >> 16) + (sum & 0xffff), 0xffff);
}

static void
look_at(struct rig *r, const struct rte_mbuf *m)
{
	const struct ip4_header *ip = rte_pktmbuf_mtod(m, const struct ip4_header *);
	const struct ip6_header *ip6 = rte_pktmbuf_mtod(m, const struct ip6_header *);
	const struct tcp_header *th;
	struct sent *s = &r->sent[r->n++];

	CU_ASSERT_FATAL(r->n < SENT_MAX);
	UNIT_EQ(tcp_packet_hop(m), 77);
	UNIT_EQ(m->nb_segs, 1);
	UNIT_EQ(m->data_len, m->pkt_len);
	th = rte_pktmbuf_mtod_offset(m, const struct tcp_header *, m->l3_len);
	if (ip_is4(&r->own)) {
		UNIT_EQ(be16_get(ip->total_len), m->pkt_len);
		s->source = ip_from4(ip->src);
	} else {
		UNIT_EQ(be16_get(ip6->payload_len), m->pkt_len - sizeof(*ip6));
		s->source = ip_from6(ip6->src);
	}
	s->tcp = *th;
	s->data_bytes = m->pkt_len - m->l3_len - m->l4_len;
	s->at_us = r->pair.pair.now_us;
	check_sums(r, m, th);
}

static void
transmit(void *ctx, struct rte_mbuf **packets, unsigned int n)
{
	struct rig *r = ctx;

	for (unsigned int i = 0; i < n; i++) {
		look_at(r, packets[i]);
		packets[i]->ol_flags = 0;
		if (r->sink)
			rte_pktmbuf_free(packets[i]);
		else
			link_put(&r->pair.pair.side[0].link, packets[i], r->pair.pair.now_us);
	}
}

/* What comes back is offered to the generator before the engine. */
static bool
takes(void *ctx, const struct rte_mbuf *packet)
{
	struct rig *r = ctx;
	struct rte_mbuf *copy = rte_pktmbuf_copy(packet, r->wire.pool, 0, UINT32_MAX);

	CU_ASSERT_FATAL(copy != NULL);
	copy->packet_type = packet->packet_type;
	if (service_set_take(r->set, &copy, 1) == 0)
		return true;
	rte_pktmbuf_free(copy);
	return false;
}

/* ---- The rig */

static void
start(void)
{
	struct service_set_config set = {.config = &rig.config, .socket_id = SOCKET_ID_ANY};

	memset(&rig, 0, sizeof(rig));
	service_pair_start(&rig.pair);
	rig.config.connections = SERVICE_PAIR_CONNS;
	rig.config.lanes = 1;
	strcpy(rig.config.services[0].name, "bench");
	rig.config.services[0].plugin = service_plugin_built_in("bench");
	rig.config.n_services = 1;
	CU_ASSERT_FATAL(service_plugins_start(&rig.config, stderr) == 0);
	rig.own = rig.pair.pair.side[0].ip;
	rig.mtu = 1500;
	rig.wire = (struct service_wire){
		.ctx = &rig,
		.is_local = is_local,
		.resolve = resolve,
		.transmit = transmit,
		.path = path,
		.pool = rig.pair.pair.pools.data,
	};
	set.engine = rig.pair.pair.side[0].engine;
	set.ref_pool = rig.pair.pair.pools.ref;
	set.wire = &rig.wire;
	rig.set = service_set_create(&set, stderr);
	CU_ASSERT_FATAL(rig.set != NULL);
	rig.pair.pair.loses = takes;
	rig.pair.pair.loss_ctx = &rig;
}

static void
run(uint64_t ms)
{
	for (uint64_t i = 0; i < ms; i++) {
		service_pair_run(&rig.pair, 1);
		service_set_begin(rig.set, rig.pair.pair.now_us);
		service_set_advance(rig.set, rig.pair.pair.now_us);
		tcp_flush(rig.pair.pair.side[0].engine);
	}
}

static void
end(void)
{
	service_set_close(rig.set);
	run(1);
	rig.pair.pair.loses = NULL;
	service_set_destroy(rig.set, stderr);
	CU_ASSERT(service_pair_end(&rig.pair));
	service_plugin_close(rig.config.services[0].plugin);
}

/* 100 segments in 100 ms. */
static struct bench_plan
plan_of(enum bench_segments segments, uint16_t port)
{
	struct bench_plan plan = {
		.workload = BENCH_FLOOD,
		.connections = 1,
		.pipeline = 1,
		.n_ports = 1,
		.segments = segments,
		.flows = 100,
		.flow_step = 1,
		.rate = 1000,
		.request_bytes = segments == BENCH_DATA ? 77 : 0,
		.measure_us = 100000,
		.patience_us = 500000,
	};
	struct sockaddr_in *to = (struct sockaddr_in *)&plan.target;

	to->sin_family = AF_INET;
	to->sin_port = htons(port);
	memcpy(&to->sin_addr, &rig.pair.pair.side[1].ip.w[3], sizeof(to->sin_addr));
	return plan;
}

/* Runs a plan to its end; what it counted is in rig.result, what it sent in rig.sent. */
static void
flood(const struct bench_plan *plan)
{
	struct bench_run *flood_run = bench_run_make(plan);

	rig.n = 0;
	CU_ASSERT_FATAL(flood_run != NULL);
	UNIT_EQ(bench_start(rig.set, flood_run), 0);
	CU_ASSERT(service_set_has_turns(rig.set));
	for (unsigned int i = 0; i < 3000; i++) {
		run(1);
		UNIT_EQ(bench_read(rig.set, &rig.result), 0);
		if (rig.result.phase == BENCH_DONE)
			break;
	}
	UNIT_EQ(rig.result.phase, BENCH_DONE);
	UNIT_EQ(rig.result.counts.segments, rig.n);
	CU_ASSERT(!service_set_has_turns(rig.set));
	UNIT_EQ(bench_end(rig.set, &flood_run), 0);
	CU_ASSERT_FATAL(flood_run != NULL);
	bench_run_free(flood_run);
}

static struct tcp_stats
stats_of(unsigned int side)
{
	struct tcp_stats stats;

	tcp_stats_read(rig.pair.pair.side[side].engine, &stats);
	return stats;
}

static void
check_counts(uint64_t synacks, uint64_t rsts)
{
	UNIT_EQ(rig.result.error, 0);
	UNIT_EQ(rig.result.counts.synacks, synacks);
	UNIT_EQ(rig.result.counts.rsts, rsts);
	UNIT_EQ(rig.result.counts.others, 0);
}

/* ---- Tests */

UNIT_CASE(each_flow_has_its_syn_and_the_answers_are_not_reset_while_it_lasts)
{
	struct bench_plan plan;
	struct tcp_usage usage;

	start();
	plan = plan_of(BENCH_SYN, ECHO);
	rig.unresolved = 20;
	flood(&plan);
	UNIT_EQ(rig.n, 100);
	UNIT_EQ(rig.result.measured_us, 100000);
	UNIT_EQ(rig.result.counts.bytes_out, 0);
	for (unsigned int i = 0; i < rig.n; i++) {
		UNIT_EQ(be16_get(rig.sent[i].tcp.sport), BENCH_FLOOD_PORT + i);
		UNIT_EQ(be16_get(rig.sent[i].tcp.dport), ECHO);
		UNIT_EQ(rig.sent[i].tcp.flags, TCP_SYN);
		UNIT_EQ(be32_get(rig.sent[i].tcp.ack), 0);
		UNIT_EQ(rig.sent[i].data_bytes, 0);
		UNIT_EQ(rig.sent[i].at_us, rig.sent[0].at_us + i * 1000);
		CU_ASSERT(ip_eq(&rig.sent[i].source, &rig.own));
	}
	check_counts(100, 0);
	UNIT_EQ(stats_of(1).segs_in, 100);
	tcp_usage(rig.pair.pair.side[1].engine, &usage);
	UNIT_EQ(usage.requests, KEPT);
	UNIT_EQ(stats_of(1).syncookies_sent, 100 - KEPT);
	UNIT_EQ(stats_of(0).segs_in, 0); /* the engine has heard of none */
	run(2000);                       /* and now of those that are sent again */
	UNIT_EQ(stats_of(0).rsts_out, KEPT);
	tcp_usage(rig.pair.pair.side[1].engine, &usage);
	UNIT_EQ(usage.requests, 0);
	end();
}

UNIT_CASE(who_has_no_such_connection_resets_each_segment)
{
	struct bench_plan plan;

	start();
	plan = plan_of(BENCH_ACK, ECHO);
	flood(&plan);
	UNIT_EQ(rig.sent[5].tcp.flags, TCP_ACK);
	check_counts(0, 100);
	plan = plan_of(BENCH_DATA, ECHO);
	flood(&plan);
	UNIT_EQ(rig.sent[5].tcp.flags, TCP_ACK | TCP_PSH);
	UNIT_EQ(rig.sent[5].data_bytes, 77);
	UNIT_EQ(rig.result.counts.bytes_out, 7700);
	check_counts(0, 100);
	plan = plan_of(BENCH_SYN, NOBODY);
	flood(&plan);
	check_counts(0, 100);
	UNIT_EQ(stats_of(1).segs_in, 300);
	UNIT_EQ(stats_of(1).rsts_out, 300);
	end();
}

/* The flow's next data follows what it had; a SYN is the same one. */
UNIT_CASE(flows_begin_anew_when_each_had_its_turn)
{
	struct bench_plan plan;

	start();
	plan = plan_of(BENCH_DATA, ECHO);
	plan.flows = 40;
	flood(&plan);
	UNIT_EQ(rig.n, 100);
	for (unsigned int i = 40; i < rig.n; i++) {
		UNIT_EQ(be16_get(rig.sent[i].tcp.sport), BENCH_FLOOD_PORT + i % 40);
		UNIT_EQ(be32_get(rig.sent[i].tcp.seq), be32_get(rig.sent[i - 40].tcp.seq) + 77);
		UNIT_EQ(rig.sent[i].tcp.ack.raw, rig.sent[i - 40].tcp.ack.raw);
	}
	plan = plan_of(BENCH_SYN, NOBODY);
	plan.flows = 40;
	flood(&plan);
	UNIT_EQ(rig.sent[99].tcp.seq.raw, rig.sent[19].tcp.seq.raw);
	CU_ASSERT(rig.sent[98].tcp.seq.raw != rig.sent[19].tcp.seq.raw);
	end();
}

UNIT_CASE(lanes_share_the_flows)
{
	static const uint16_t flows[] = {1, 4, 7, 1, 4};
	struct bench_plan plan;

	start();
	plan = plan_of(BENCH_ACK, ECHO);
	plan.flows = 10;
	plan.flow_first = 1;
	plan.flow_step = 3;
	flood(&plan);
	for (unsigned int i = 0; i < RTE_DIM(flows); i++)
		UNIT_EQ(be16_get(rig.sent[i].tcp.sport), BENCH_FLOOD_PORT + flows[i]);
	end();
}

UNIT_CASE(sources_of_a_prefix_come_hosts_first)
{
	struct bench_plan plan;

	start();
	plan = plan_of(BENCH_SYN, ECHO);
	plan.from = ip_from4(be32(0x0a0000fe)); /* 10.0.0.254 */
	plan.from_hosts = 3;
	flood(&plan);
	for (unsigned int i = 0; i < rig.n; i++) {
		struct ip_addr source = ip_from4(be32(0x0a0000fe + i % 3));

		CU_ASSERT(ip_eq(&rig.sent[i].source, &source));
		UNIT_EQ(be16_get(rig.sent[i].tcp.sport), BENCH_FLOOD_PORT + i / 3);
	}
	check_counts(0, 0);
	end();
}

UNIT_CASE(checksums_are_right_of_either_family_and_any_size)
{
	static const uint32_t sizes[] = {1, 2, 64, 1301, 1440};
	struct bench_plan plan;
	struct sockaddr_in6 *to = (struct sockaddr_in6 *)&plan.target;

	start();
	rig.sink = true;
	for (unsigned int i = 0; i < 2 * RTE_DIM(sizes); i++) {
		plan = plan_of(BENCH_DATA, ECHO);
		plan.request_bytes = sizes[i / 2];
		rig.path_flags = i % 2 == 0 ? 0 : TCP_PATH_TX_TCP_CKSUM | TCP_PATH_TX_IP4_CKSUM;
		flood(&plan);
		UNIT_EQ(rig.n, 100);
		UNIT_EQ(rig.sent[99].data_bytes, sizes[i / 2]);
	}
	rig.path_flags = 0;
	rig.own = (struct ip_addr){{RTE_BE32(0x20010db8), 0, 0, RTE_BE32(1)}};
	for (unsigned int i = 0; i < RTE_DIM(sizes); i++) {
		plan = plan_of(BENCH_DATA, ECHO);
		plan.request_bytes = sizes[i];
		*to = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = htons(ECHO)};
		memcpy(to->sin6_addr.s6_addr, (uint32_t[4]){RTE_BE32(0x20010db8), 0, 0, ~0u}, 16);
		flood(&plan);
		UNIT_EQ(rig.n, 100);
		CU_ASSERT(ip_eq(&rig.sent[50].source, &rig.own));
	}
	end();
}

/* No more leaves in an iteration than a burst; without a rate no less. */
UNIT_CASE(a_rate_that_cannot_be_kept_is_caught_up_with_for_a_moment)
{
	struct bench_plan plan;

	start();
	rig.sink = true;
	plan = plan_of(BENCH_ACK, ECHO);
	plan.rate = 0;
	plan.measure_us = 10000;
	flood(&plan);
	CU_ASSERT(rig.n >= 10 * 64 && rig.n <= 12 * 64);
	plan.rate = 66000; /* 66 a turn: the rest comes after the end */
	flood(&plan);
	UNIT_EQ(rig.n, 660);
	CU_ASSERT(rig.result.measured_us > 10000 && rig.result.measured_us < 20000);
	end();
}

/* What is wrong sends nothing. */
static void
fails(const struct bench_plan *plan, int error)
{
	flood(plan);
	UNIT_EQ(rig.result.error, error);
	UNIT_EQ(rig.n, 0);
	UNIT_EQ(rig.result.measured_us, 0);
}

UNIT_CASE(a_flood_that_cannot_be_says_why)
{
	struct bench_plan plan;

	start();
	plan = plan_of(BENCH_SYN, ECHO);
	rig.unresolved = UINT32_MAX;
	fails(&plan, EHOSTUNREACH);
	rig.unresolved = 0;
	plan = plan_of(BENCH_DATA, ECHO);
	plan.request_bytes = 1461;
	fails(&plan, EMSGSIZE);
	rig.mtu = 9000; /* longer than a buffer */
	plan.request_bytes = 8900;
	fails(&plan, EMSGSIZE);
	rig.own = rig.pair.pair.side[1].ip;
	plan = plan_of(BENCH_SYN, ECHO);
	fails(&plan, ELOOP);
	end();
}

/* What comes later, SYN-ACKs that are sent again, is the engine's, which resets them. */
UNIT_CASE(a_flood_can_be_ended)
{
	struct bench_plan plan;
	struct bench_run *back;

	start();
	plan = plan_of(BENCH_SYN, ECHO);
	plan.measure_us = UINT32_MAX;
	UNIT_EQ(bench_start(rig.set, bench_run_make(&plan)), 0);
	run(100);
	UNIT_EQ(bench_end(rig.set, &back), -EBUSY);
	run(1);
	UNIT_EQ(bench_end(rig.set, &back), 0);
	CU_ASSERT_FATAL(back != NULL);
	bench_run_free(back);
	rig.n = 0;
	run(1200);
	UNIT_EQ(rig.n, 0);
	UNIT_EQ(stats_of(0).rsts_out, KEPT);
	/* And one that runs when all ends. */
	UNIT_EQ(bench_start(rig.set, bench_run_make(&plan)), 0);
	run(100);
	CU_ASSERT(rig.n > 0);
	end();
}

UNIT_MAIN_EAL(UNIT_RUN(each_flow_has_its_syn_and_the_answers_are_not_reset_while_it_lasts),
	      UNIT_RUN(who_has_no_such_connection_resets_each_segment),
	      UNIT_RUN(flows_begin_anew_when_each_had_its_turn), UNIT_RUN(lanes_share_the_flows),
	      UNIT_RUN(sources_of_a_prefix_come_hosts_first),
	      UNIT_RUN(checksums_are_right_of_either_family_and_any_size),
	      UNIT_RUN(a_rate_that_cannot_be_kept_is_caught_up_with_for_a_moment),
	      UNIT_RUN(a_flood_that_cannot_be_says_why), UNIT_RUN(a_flood_can_be_ended))
