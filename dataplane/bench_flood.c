/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * flood: segments without connections behind them, to see what the peer makes of those: SYNs, ACKs
 * or data of many flows, each flow's in turn.
 *
 *     number of a segment:   0  1  2 ... flows - 1 | flows  flows + 1 ...
 *     flow:                  0  1  2 ... flows - 1 | 0      1         ...
 *     its source:            address flow % hosts, port BENCH_FLOOD_PORT + flow / hosts
 *
 * A lane has every flow_step-th flow, from flow_first on. In a later round a SYN is the same one
 * again; data goes on where that of the round before ended.
 *
 * They leave as the engine's packets do, by the same routes, neighbours and offloads. Nothing is
 * sent before the next hop has said its link-layer address, and the other lanes have begun, to
 * which answers may come; and nothing while the device takes none: what it keeps its lane waiting
 * with is not generated.
 *
 * Answers that come to one of our own addresses are counted and go no further, so that the peer's
 * half-open connections stay as those of a real flood; LATE_US after the end they are the engine's
 * again, which resets them, as it does with whatever is no connection's.
 */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include <rte_ip.h>

#include "dataplane/bench_impl.h"
#include "dataplane/lane_stats.h"
#include "tcp/wire.h"
#include "dataplane/service_impl.h"

enum {
	BURST = 64,        /* segments in an iteration */
	SETTLE_US = 20000, /* until all lanes have begun */
	LATE_US = 200000,  /* for what is due still, and then for answers */
	TTL = 64,
	WINDOW = 65535,
};

/* Sequence numbers of neighbouring flows are that far apart. */
#define FLOW_STRIDE 64000u

/* ---- Flows */

/* The source of a flow. */
static struct ip_addr
source_of(const struct bench_plan *plan, const struct tcp_path *path, uint32_t flow)
{
	struct ip_addr ip = plan->from;

	if (plan->from_hosts == 0)
		return path->local;
	ip.w[3] = rte_cpu_to_be_32(rte_be_to_cpu_32(ip.w[3]) + flow % plan->from_hosts);
	return ip;
}

static uint16_t
port_of(const struct bench_plan *plan, uint32_t flow)
{
	return (uint16_t)(BENCH_FLOOD_PORT + flow / RTE_MAX(plan->from_hosts, 1u));
}

/* Goes on to the next flow of this lane. */
static void
advance(struct bench_flood *flood, const struct bench_plan *plan)
{
	flood->flow += plan->flow_step;
	if (flood->flow < plan->flows)
		return;
	flood->flow = plan->flow_first;
	flood->round++;
}

/* ---- Segments */

static void
put_ip(struct rte_mbuf *m, const struct ip_addr *src, const struct ip_addr *dst,
       uint16_t path_flags)
{
	struct ip4_header *ip = rte_pktmbuf_mtod(m, struct ip4_header *);
	struct ip6_header *ip6 = rte_pktmbuf_mtod(m, struct ip6_header *);

	if (!ip_is4(dst)) {
		*ip6 = (struct ip6_header){
			.vtc_flow = be32(6u << 28),
			.payload_len = be16((uint16_t)(m->pkt_len - sizeof(*ip6))),
			.proto = IP_PROTO_TCP,
			.hop_limit = TTL,
		};
		memcpy(ip6->src, src->w, sizeof(ip6->src));
		memcpy(ip6->dst, dst->w, sizeof(ip6->dst));
		m->packet_type = RTE_PTYPE_L3_IPV6 | RTE_PTYPE_L4_TCP;
		m->ol_flags |= RTE_MBUF_F_TX_IPV6;
		return;
	}
	*ip = (struct ip4_header){
		.version_ihl = 0x45,
		.total_len = be16((uint16_t)m->pkt_len),
		.frag = be16(IP4_DF),
		.ttl = TTL,
		.proto = IP_PROTO_TCP,
		.src = ip_to4(src),
		.dst = ip_to4(dst),
	};
	m->packet_type = RTE_PTYPE_L3_IPV4 | RTE_PTYPE_L4_TCP;
	m->ol_flags |= RTE_MBUF_F_TX_IPV4;
	if (path_flags & TCP_PATH_TX_IP4_CKSUM)
		m->ol_flags |= RTE_MBUF_F_TX_IP_CKSUM;
	else
		ip->cksum.raw = rte_ipv4_cksum((const struct rte_ipv4_hdr *)ip);
}

/* The checksum of a segment whose header is complete; that of its data is known. */
static void
put_checksum(struct rte_mbuf *m, struct tcp_header *th, uint16_t data_sum, uint16_t path_flags)
{
	const void *ip = rte_pktmbuf_mtod(m, const void *);
	uint32_t sum = m->l3_len == sizeof(struct ip4_header) ? rte_ipv4_phdr_cksum(ip, 0)
							      : rte_ipv6_phdr_cksum(ip, 0);

	if (path_flags & TCP_PATH_TX_TCP_CKSUM) {
		m->ol_flags |= RTE_MBUF_F_TX_TCP_CKSUM;
		th->cksum.raw = (uint16_t)sum;
		return;
	}
	th->cksum.raw = 0;
	sum += (uint32_t)rte_raw_cksum(th, sizeof(*th)) + data_sum;
	sum = (sum >> 16) + (sum & 0xffff);
	sum += sum >> 16;
	th->cksum.raw = (uint16_t)~sum;
}

/* Makes the next segment. NULL: no mbuf, or none with so much room. */
static struct rte_mbuf *
make(const struct bench_run *run, struct rte_mempool *pool, const struct tcp_path *path)
{
	static const uint8_t flags[] = {
		[BENCH_SYN] = TCP_SYN, [BENCH_ACK] = TCP_ACK, [BENCH_DATA] = TCP_ACK | TCP_PSH};
	const struct bench_flood *flood = &run->flood;
	const struct bench_plan *plan = &run->plan;
	struct ip_addr source = source_of(plan, path, flood->flow);
	uint32_t at = flood->first_seq + flood->flow * FLOW_STRIDE;
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool);
	struct tcp_header *th;

	if (m == NULL)
		return NULL;
	m->l3_len = ip_is4(&flood->to.ip) ? sizeof(struct ip4_header) : sizeof(struct ip6_header);
	m->l4_len = sizeof(*th);
	m->data_len = (uint16_t)(m->l3_len + sizeof(*th) + plan->request_bytes);
	m->pkt_len = m->data_len;
	m->hash.usr = path->hop;
	th = rte_pktmbuf_mtod_offset(m, struct tcp_header *, m->l3_len);
	*th = (struct tcp_header){
		.sport = be16(port_of(plan, flood->flow)),
		.dport = be16(flood->to.port),
		.seq = be32(at + flood->round * plan->request_bytes),
		.ack = be32(plan->segments == BENCH_SYN ? 0 : ~at),
		.data_off = sizeof(*th) / 4 << 4,
		.flags = flags[plan->segments],
		.wnd = be16(WINDOW),
	};
	memcpy(th + 1, run->text, plan->request_bytes);
	put_ip(m, &source, &flood->to.ip, path->flags);
	put_checksum(m, th, flood->data_sum, path->flags);
	return m;
}

/* Whether a segment fits the path, and a buffer. */
static bool
fits(const struct bench_run *run, const struct service_wire *wire, const struct tcp_path *path)
{
	uint32_t bytes = (uint32_t)sizeof(struct ip6_header) + (uint32_t)sizeof(struct tcp_header) +
			 run->plan.request_bytes;

	if (ip_is4(&run->flood.to.ip))
		bytes -= (uint32_t)(sizeof(struct ip6_header) - sizeof(struct ip4_header));
	return bytes <= path->mtu &&
	       bytes + RTE_PKTMBUF_HEADROOM <= rte_pktmbuf_data_room_size(wire->pool);
}

/* ---- Answers */

/* Whether it is one, to a source that the flood has. */
static bool
is_answer(const struct bench_flood *flood, const struct rte_mbuf *m, const struct tcp_header *th)
{
	const struct ip4_header *ip = rte_pktmbuf_mtod(m, const struct ip4_header *);
	const struct ip6_header *ip6 = rte_pktmbuf_mtod(m, const struct ip6_header *);
	uint16_t port = be16_get(th->dport);

	if (be16_get(th->sport) != flood->to.port || port < BENCH_FLOOD_PORT ||
	    port > flood->last_port)
		return false;
	if (RTE_ETH_IS_IPV4_HDR(m->packet_type))
		return ip_is4(&flood->to.ip) && ip->src.raw == flood->to.ip.w[3];
	return memcmp(ip6->src, flood->to.ip.w, sizeof(ip6->src)) == 0;
}

static void
count(struct bench_counts *counts, uint8_t flags)
{
	if (flags & TCP_RST)
		counts->rsts++;
	else if ((flags & (TCP_SYN | TCP_ACK)) == (TCP_SYN | TCP_ACK))
		counts->synacks++;
	else
		counts->others++;
}

/* service_set's `take`. */
static unsigned int
take(void *ctx, struct rte_mbuf **packets, unsigned int n)
{
	struct bench_run *run = ctx;
	unsigned int left = 0;

	for (unsigned int i = 0; i < n; i++) {
		struct rte_mbuf *m = packets[i];
		const struct tcp_header *th;

		th = rte_pktmbuf_mtod_offset(m, const struct tcp_header *, m->l3_len);
		if (m->data_len < m->l3_len + sizeof(*th) || !is_answer(&run->flood, m, th)) {
			packets[left++] = m;
			continue;
		}
		count(&run->counts, th->flags);
		rte_pktmbuf_free(m);
	}
	return left;
}

/* ---- Time */

/* How many segments are to have left in this phase by now. */
static uint64_t
due(const struct bench_run *run, uint64_t now_us)
{
	uint64_t length_us =
		run->phase == BENCH_MEASURING ? run->plan.measure_us : run->plan.warmup_us;
	uint64_t since_us = RTE_MIN(now_us - run->flood.since_us, length_us);

	return run->plan.rate == 0 ? UINT64_MAX : run->plan.rate * since_us / 1000000;
}

static void
begin(struct bench_run *run, uint64_t now_us)
{
	run->flood.since_us = now_us;
	run->flood.sent = 0;
}

/* Whether the device has taken all that it was given. */
static bool
has_room(struct bench_flood *flood, const struct service_set *set)
{
	uint64_t postponed = set->loop == NULL ? 0 : set->loop->tx_postponed;
	bool room = postponed == flood->postponed;

	flood->postponed = postponed;
	return room;
}

/* Sends what is due, as much as an iteration may. */
static void
send_some(struct bench_run *run, struct service_set *set)
{
	static const struct ip_addr any;
	const struct service_wire *wire = set->wire;
	struct bench_flood *flood = &run->flood;
	uint64_t wanted = due(run, set->now_us);
	struct rte_mbuf *packets[BURST];
	struct tcp_path path;
	unsigned int n = 0;

	if (flood->sent >= wanted || !has_room(flood, set) ||
	    wire->path(wire->ctx, &flood->to.ip, &any, &path) < 0 ||
	    !wire->resolve(wire->ctx, path.hop) || !fits(run, wire, &path))
		return;
	wanted -= flood->sent;
	while (n < BURST && n < wanted) {
		packets[n] = make(run, wire->pool, &path);
		if (packets[n] == NULL)
			break;
		advance(flood, &run->plan);
		n++;
	}
	flood->sent += n;
	run->counts.segments += n;
	run->counts.bytes_out += (uint64_t)n * run->plan.request_bytes;
	if (n > 0)
		wire->transmit(wire->ctx, packets, n);
}

/* Without a warm-up, what came to this lane already is an answer to what others have measured. */
static void
measure(struct bench_run *run, const struct service_set *set)
{
	struct bench_counts warm = run->counts;

	bench_run_measure(run, set);
	if (run->plan.warmup_us == 0) {
		run->counts.synacks = warm.synacks;
		run->counts.rsts = warm.rsts;
		run->counts.others = warm.others;
	}
	begin(run, set->now_us);
}

/* Until the next hop has answered. */
static void
open(struct bench_run *run, struct service_set *set)
{
	static const struct ip_addr any;
	const struct service_wire *wire = set->wire;
	struct tcp_path path;
	int status;

	if (wire->is_local(wire->ctx, &run->flood.to.ip)) {
		bench_run_fail(run, ELOOP);
		return;
	}
	status = wire->path(wire->ctx, &run->flood.to.ip, &any, &path);
	if (status == 0 && !fits(run, wire, &path))
		status = -EMSGSIZE;
	if (status < 0) {
		bench_run_fail(run, -status);
	} else if (wire->resolve(wire->ctx, path.hop)) {
		run->open_us = set->now_us - run->begun_us;
		if (run->open_us < SETTLE_US)
			return;
		run->phase = BENCH_WARMING;
		run->due_us = set->now_us + run->plan.warmup_us;
		begin(run, set->now_us);
	} else if (set->now_us >= run->due_us) {
		bench_run_fail(run, EHOSTUNREACH);
	}
}

/* Answers are the engine's again. */
static void
finish(struct bench_run *run, struct service_set *set)
{
	if (set->take_ctx == run)
		set->take = NULL;
	run->phase = BENCH_DONE;
}

/* Whether all that was due has left, as far as it can. */
static bool
has_sent(const struct bench_run *run, uint64_t now_us)
{
	return run->plan.rate == 0 || run->flood.sent >= due(run, now_us) ||
	       now_us >= run->due_us + LATE_US;
}

bool
bench_flood_turn(struct bench_run *run, struct tern_service_lane *lane)
{
	struct service_set *set = lane->set;
	uint64_t now_us = set->now_us;

	switch (run->phase) {
	case BENCH_OPENING:
		open(run, set);
		break;
	case BENCH_WARMING:
		if (now_us >= run->due_us)
			measure(run, set);
		send_some(run, set);
		break;
	case BENCH_MEASURING:
		send_some(run, set);
		if (now_us >= run->due_us && has_sent(run, now_us)) {
			bench_run_measured(run, set);
			run->due_us = now_us + LATE_US;
		}
		break;
	case BENCH_CLOSING:
		if (run->error != 0 || now_us >= run->due_us)
			finish(run, set);
		break;
	case BENCH_DONE:
		break;
	}
	return run->phase != BENCH_DONE;
}

void
bench_flood_begin(struct bench_run *run, struct service_set *set)
{
	struct bench_flood *flood = &run->flood;
	const struct bench_plan *plan = &run->plan;
	const struct sockaddr_in *in = (const struct sockaddr_in *)&plan->target;
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)&plan->target;

	*flood = (struct bench_flood){
		.flow = plan->flow_first,
		.last_port = port_of(plan, plan->flows - 1),
		.first_seq = (uint32_t)set->now_us,
		.data_sum = rte_raw_cksum(run->text, plan->request_bytes),
		.postponed = set->loop == NULL ? 0 : set->loop->tx_postponed,
	};
	if (plan->target.ss_family == AF_INET) {
		flood->to.ip = ip_from4((be32_t){in->sin_addr.s_addr});
		flood->to.port = ntohs(in->sin_port);
	} else {
		flood->to.ip = ip_from6(in6->sin6_addr.s6_addr);
		flood->to.port = ntohs(in6->sin6_port);
	}
	set->take = take;
	set->take_ctx = run;
}

void
bench_flood_end(struct service_set *set, const struct bench_run *run)
{
	if (set->take_ctx != run)
		return;
	set->take = NULL;
	set->take_ctx = NULL;
}
