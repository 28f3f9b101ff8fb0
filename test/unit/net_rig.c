/* SPDX-License-Identifier: BSD-3-Clause */
/* An IP layer on a test bench: see net_rig.h. */
#include "net_rig.h"

static struct rte_mempool *pool;

static void
on_send(void *ctx, uint16_t port, struct rte_mbuf **frames, unsigned int n)
{
	struct rig *rig = ctx;

	for (unsigned int i = 0; i < n; i++) {
		CU_ASSERT_FATAL(rig->n_out < RIG_RECORDS);
		rig->out[rig->n_out++] = (struct rig_frame){.at_us = rig->now_us,
							    .port = port,
							    .ol_flags = frames[i]->ol_flags,
							    .f = frame_of_mbuf(frames[i])};
		rte_pktmbuf_free(frames[i]);
	}
}

static void
on_tcp(void *ctx, struct rte_mbuf **packets, unsigned int n)
{
	struct rig *rig = ctx;

	CU_ASSERT_FATAL(rig->n_tcp + n <= RIG_RECORDS);
	memcpy(rig->tcp + rig->n_tcp, packets, n * sizeof(*packets));
	rig->n_tcp += n;
	rig->tcp_bursts++;
}

static void
on_icmp(void *ctx, const struct tcp_icmp *icmp)
{
	struct rig *rig = ctx;

	CU_ASSERT_FATAL(rig->n_icmp < RIG_RECORDS);
	rig->icmp[rig->n_icmp++] = *icmp;
}

static void
on_neighbour(void *ctx, const struct net_neighbour_news *news)
{
	struct rig *rig = ctx;

	CU_ASSERT_FATAL(rig->n_news < RIG_RECORDS);
	rig->news[rig->n_news++] = *news;
}

static void
on_paths_changed(void *ctx)
{
	struct rig *rig = ctx;

	rig->paths_changed++;
}

static void
on_random(void *ctx, void *buf, size_t bytes)
{
	const struct rig *rig = ctx;
	uint8_t *b = buf;

	for (size_t i = 0; i < bytes; i++)
		b[i] = (uint8_t)(rig->random >> i % 4 * 8);
}

struct rig *
rig_new(void)
{
	struct rig *rig = calloc(1, sizeof(*rig));

	if (pool == NULL)
		pool = rte_pktmbuf_pool_create("rig", RIG_POOL, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE,
					       SOCKET_ID_ANY);
	CU_ASSERT_FATAL(rig != NULL && pool != NULL);
	rig->out = calloc(RIG_RECORDS, sizeof(*rig->out));
	rig->pool = pool;
	rig->random = 0x80000000;
	rig->config[0].addresses[0] = (struct config_address){ip(RIG_IP4), 24};
	rig->config[0].addresses[1] = (struct config_address){ip(RIG_IP6), 64};
	rig->config[0].n_addresses = 2;
	rig->config[0].gateway4 = ip("198.18.0.254");
	rig->net_config = (struct net_config){.ports = rig->ports,
					      .n_ports = 1,
					      .max_neighbours = 16,
					      .announce = true,
					      .pool = pool,
					      .socket_id = SOCKET_ID_ANY};
	for (unsigned int i = 0; i < CONFIG_MAX_PORTS; i++) {
		rig->ports[i].mac = mac(RIG_MAC);
		rig->ports[i].mac.addr_bytes[4] = (uint8_t)i;
		rig->ports[i].mtu = 1500;
		rig->ports[i].config = &rig->config[i];
	}
	return rig;
}

void
rig_start(struct rig *rig)
{
	const struct net_env env = {.ctx = rig,
				    .send = on_send,
				    .tcp = on_tcp,
				    .icmp = on_icmp,
				    .neighbour = on_neighbour,
				    .paths_changed = on_paths_changed,
				    .random = on_random};

	CU_ASSERT_FATAL(net_create(&rig->net_config, &env, &rig->net) == 0);
}

struct rig *
rig_settled(void)
{
	struct rig *rig = rig_new();

	rig_start(rig);
	rig_until(rig, RIG_SETTLED);
	rig_forget(rig);
	memset(&rig->net->stats, 0, sizeof(rig->net->stats));
	return rig;
}

void
rig_free(struct rig *rig)
{
	rig_forget(rig);
	net_destroy(rig->net);
	UNIT_EQ(rte_mempool_avail_count(rig->pool), RIG_POOL);
	free(rig->out);
	free(rig);
}

void
rig_until(struct rig *rig, uint64_t us)
{
	uint64_t next;

	while ((next = net_next_timer(rig->net)) <= us) {
		rig->now_us = RTE_MAX(next, rig->now_us);
		net_advance(rig->net, rig->now_us);
	}
	rig->now_us = us;
	net_advance(rig->net, us);
}

static void
input(struct rig *rig, struct rte_mbuf *m)
{
	net_input(rig->net, rig->now_us, 0, &m, 1);
	net_advance(rig->net, rig->now_us);
}

void
rig_in(struct rig *rig, const struct frame *f)
{
	input(rig, frame_mbuf(f, rig->pool, 0));
}

void
rig_in_segments(struct rig *rig, const struct frame *f, unsigned int segment)
{
	input(rig, frame_mbuf(f, rig->pool, segment));
}

void
rig_in_flags(struct rig *rig, const struct frame *f, uint64_t ol_flags)
{
	struct rte_mbuf *m = frame_mbuf(f, rig->pool, 0);

	m->ol_flags |= ol_flags;
	input(rig, m);
}

void
rig_send(struct rig *rig, const char *src, const char *dst, uint32_t hop)
{
	struct frame f = frame_tcp(RIG_MAC, RIG_MAC, src, dst, 80, 4000, 0);
	struct rte_mbuf *m = frame_mbuf(&f, rig->pool, 0);

	rte_pktmbuf_adj(m, FRAME_L3);
	m->l3_len = frame_type(&f) == FRAME_IP4 ? 20 : 40;
	m->l4_len = 20;
	m->hash.usr = hop;
	net_output(rig->net, &m, 1);
}

struct tcp_path
rig_path(struct rig *rig, const char *remote)
{
	struct ip_addr to = ip(remote), any = {0};
	struct tcp_path path = {0};

	UNIT_EQ(net_path(rig->net, &to, &any, &path), 0);
	return path;
}

void
rig_forget(struct rig *rig)
{
	rte_pktmbuf_free_bulk(rig->tcp, rig->n_tcp);
	rig->n_out = rig->n_tcp = rig->tcp_bursts = rig->n_icmp = rig->n_news = 0;
	rig->paths_changed = 0;
}

const char *
rig_state(struct rig *rig, const char *address)
{
	struct net_neighbour_listing listing;
	struct ip_addr a = ip(address);
	uint32_t cursor = 0;

	while (net_list_neighbours(rig->net, &cursor, &listing, 1) == 1)
		if (ip_eq(&listing.ip, &a))
			return listing.state;
	return "";
}

void
rig_resolve(struct rig *rig, const char *address, const char *mac_text)
{
	struct ip_addr a = ip(address);
	struct net_neighbour_news news = {
		.ip = a, .mac = mac(mac_text), .override = true, .solicited = true};

	rig_send(rig, ip_is4(&a) ? RIG_IP4 : RIG_IP6, address, rig_path(rig, address).hop);
	net_neighbour_learn(rig->net, rig->now_us, &news);
	CU_ASSERT_STRING_EQUAL(rig_state(rig, address), "REACHABLE");
	rig_forget(rig);
}
