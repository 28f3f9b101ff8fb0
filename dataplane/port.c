/* SPDX-License-Identifier: BSD-3-Clause */
/* Ports: see port.h. RSS spreads by IP addresses and TCP ports, so that a connection has one lane.
 */
#include <net/if.h>
#include <string.h>

#include <rte_errno.h>

#include "dataplane/log.h"
#include "dataplane/port.h"
#include "tcp/tcp.h"

/* The n-th device there is. */
static int
find_device(unsigned int n, uint16_t *id)
{
	uint64_t i = rte_eth_find_next_owned_by(0, RTE_ETH_DEV_NO_OWNER);

	for (; i < RTE_MAX_ETHPORTS;
	     i = rte_eth_find_next_owned_by((uint16_t)(i + 1), RTE_ETH_DEV_NO_OWNER)) {
		if (n-- == 0) {
			*id = (uint16_t)i;
			return 0;
		}
	}
	return -1;
}

int
port_probe(struct port_device *port, unsigned int index, const struct config *config)
{
	int status;

	memset(port, 0, sizeof(*port));
	port->index = index;
	port->config = &config->ports[index];
	if (find_device(index, &port->id) < 0) {
		log_failure(
			"[port %u] has no device: EAL found %u; check the devices in [dataplane] "
			"eal (\"%s\")",
			index, rte_eth_dev_count_avail(), config->eal);
		return -1;
	}
	status = rte_eth_dev_info_get(port->id, &port->info);
	if (status == 0)
		status = rte_eth_macaddr_get(port->id, &port->mac);
	if (status == 0)
		status = rte_eth_dev_get_name_by_port(port->id, port->name);
	if (status == 0 && port->config->mtu == 0)
		status = rte_eth_dev_get_mtu(port->id, &port->mtu);
	else
		port->mtu = port->config->mtu;
	if (status < 0) {
		log_failure("port %u: cannot ask the device: %s", index, rte_strerror(-status));
		return -1;
	}
	port->driver = port->info.driver_name;
	return 0;
}

/* Offloads that drivers of DPDK 22.11 offer and get wrong. */
static const struct {
	const char *driver;
	uint64_t tx;
} broken[] = {
	/* It sums each mbuf of a packet as if none began at an odd offset. In software, too. */
	{"net_tap", RTE_ETH_TX_OFFLOAD_TCP_CKSUM},
	/* Its segmentation, in software too, spoils segments as long as the MTU lets them be. */
	{"net_tap", RTE_ETH_TX_OFFLOAD_TCP_TSO},
};

enum {
	TSO_MAX_BYTES = 65535, /* IP's length field; no driver says less */
	TSO_MAX_MBUFS = 64,    /* more than that many pieces are not worth one packet */
};

static uint64_t
tx_offloads_of(const struct port_device *port)
{
	uint64_t offered = port->info.tx_offload_capa;

	for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++)
		if (strcmp(port->driver, broken[i].driver) == 0)
			offered &= ~broken[i].tx;
	return offered;
}

/* Whether to have the device cut packets: it must sum what it cuts and take several mbufs. */
static bool
wants_tso(const struct port_device *port)
{
	const uint64_t needed = RTE_ETH_TX_OFFLOAD_TCP_TSO | RTE_ETH_TX_OFFLOAD_MULTI_SEGS;
	uint64_t offered =
		port->config->tso == TSO_YES ? port->info.tx_offload_capa : tx_offloads_of(port);

	return port->config->tso != TSO_NO && port->config->tx_checksum &&
	       (offered & needed) == needed;
}

static struct tcp_tso_limits
tso_limits(const struct port_device *port)
{
	unsigned int mbufs = port->info.tx_desc_lim.nb_seg_max;

	if (mbufs == 0 || mbufs > TSO_MAX_MBUFS)
		mbufs = TSO_MAX_MBUFS;
	/* A packet that needs more descriptors than there are would wait for ever. */
	mbufs = RTE_MIN(mbufs, port->config->tx_desc / 2u);
	return (struct tcp_tso_limits){.max_bytes = TSO_MAX_BYTES, .max_mbufs = (uint8_t)mbufs};
}

/* Asks for what we use of what the device has. */
static void
choose_offloads(struct port_device *port, struct rte_eth_conf *conf, unsigned int lanes,
		uint32_t rx_room)
{
	const struct rte_eth_dev_info *info = &port->info;
	const uint64_t rss = RTE_ETH_RSS_IP | RTE_ETH_RSS_TCP;
	const uint64_t checksums = RTE_ETH_TX_OFFLOAD_IPV4_CKSUM | RTE_ETH_TX_OFFLOAD_TCP_CKSUM;
	uint64_t rx = 0, tx = RTE_ETH_TX_OFFLOAD_MULTI_SEGS, must = 0;

	if (port->config->rx_checksum)
		rx |= RTE_ETH_RX_OFFLOAD_IPV4_CKSUM | RTE_ETH_RX_OFFLOAD_TCP_CKSUM;
	if (port->config->tx_checksum)
		tx |= checksums;
	if (wants_tso(port))
		must |= RTE_ETH_TX_OFFLOAD_TCP_TSO;
	if (lanes > 1 && (info->flow_type_rss_offloads & rss) != 0) {
		conf->rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
		conf->rx_adv_conf.rss_conf.rss_hf = info->flow_type_rss_offloads & rss;
		rx |= RTE_ETH_RX_OFFLOAD_RSS_HASH;
	}
	if (port->mtu + RTE_ETHER_HDR_LEN + 2u * RTE_VLAN_HLEN > rx_room)
		rx |= RTE_ETH_RX_OFFLOAD_SCATTER;
	conf->rxmode.mtu = port->mtu;
	conf->rxmode.offloads = rx & info->rx_offload_capa;
	conf->txmode.offloads = (tx & tx_offloads_of(port)) | must;
	port->multi_seg = (conf->txmode.offloads & RTE_ETH_TX_OFFLOAD_MULTI_SEGS) != 0;
	port->prepare = (conf->txmode.offloads & (checksums | must)) != 0;
	if (conf->txmode.offloads & RTE_ETH_TX_OFFLOAD_IPV4_CKSUM)
		port->path_flags |= TCP_PATH_TX_IP4_CKSUM;
	if (conf->txmode.offloads & RTE_ETH_TX_OFFLOAD_TCP_CKSUM)
		port->path_flags |= TCP_PATH_TX_TCP_CKSUM;
	if (port->multi_seg)
		port->path_flags |= TCP_PATH_TX_MULTI_SEG;
	if (conf->txmode.offloads & RTE_ETH_TX_OFFLOAD_TCP_TSO) {
		port->path_flags |= TCP_PATH_TX_TSO;
		port->tso = tso_limits(port);
	}
}

static int
setup_queues(struct port_device *port, const struct rte_eth_conf *conf, unsigned int lanes,
	     const struct lane_pools *const *pools, const int *socket_ids)
{
	struct rte_eth_rxconf rx = port->info.default_rxconf;
	struct rte_eth_txconf tx = port->info.default_txconf;
	uint16_t n_rx = port->config->rx_desc, n_tx = port->config->tx_desc;
	int status = rte_eth_dev_adjust_nb_rx_tx_desc(port->id, &n_rx, &n_tx);

	rx.offloads = conf->rxmode.offloads;
	tx.offloads = conf->txmode.offloads;
	for (unsigned int i = 0; i < lanes && status == 0; i++) {
		unsigned int socket = (unsigned int)socket_ids[i];

		status = rte_eth_rx_queue_setup(port->id, (uint16_t)i, n_rx, socket, &rx,
						pools[i]->pool[POOL_RX]);
		if (status == 0)
			status = rte_eth_tx_queue_setup(port->id, (uint16_t)i, n_tx, socket, &tx);
	}
	return status;
}

int
port_configure(struct port_device *port, unsigned int lanes, const struct lane_pools *const *pools,
	       const int *socket_ids, enum config_idle idle)
{
	struct rte_eth_conf conf = {0};
	unsigned int queues = RTE_MIN(port->info.max_rx_queues, port->info.max_tx_queues);
	uint32_t room = (uint32_t)(rte_pktmbuf_data_room_size(pools[0]->pool[POOL_RX]) -
				   RTE_PKTMBUF_HEADROOM);
	int status;

	if (queues < lanes) {
		log_failure("port %u (%s) has %u queue%s for %u lanes; set lanes = %u, or give the "
			    "device more",
			    port->index, port->name, queues, queues == 1 ? "" : "s", lanes, queues);
		return -1;
	}
	if (port->config->mtu != 0 &&
	    (port->mtu < port->info.min_mtu || port->mtu > port->info.max_mtu)) {
		log_failure("port %u (%s): mtu = %u; the device takes %u to %u", port->index,
			    port->name, port->mtu, port->info.min_mtu, port->info.max_mtu);
		return -1;
	}
	if (port->config->tso == TSO_YES && !wants_tso(port)) {
		log_failure("port %u (%s) does not cut packets into segments; set tso = auto",
			    port->index, port->name);
		return -1;
	}
	choose_offloads(port, &conf, lanes, room);
	if (*port->info.dev_flags & RTE_ETH_DEV_INTR_LSC)
		conf.intr_conf.lsc = 1;
	conf.intr_conf.rxq = idle == IDLE_ADAPTIVE;
	status = rte_eth_dev_configure(port->id, (uint16_t)lanes, (uint16_t)lanes, &conf);
	port->configured = true;
	if (status == 0 && port->config->mtu != 0)
		status = rte_eth_dev_set_mtu(port->id, port->mtu);
	if (status == 0)
		status = setup_queues(port, &conf, lanes, pools, socket_ids);
	if (status < 0)
		log_failure("port %u (%s) cannot be configured: %s", port->index, port->name,
			    rte_strerror(-status));
	return status < 0 ? -1 : 0;
}

int
port_start(struct port_device *port)
{
	int status = rte_eth_dev_start(port->id);

	if (status < 0) {
		log_failure("port %u (%s) does not start: %s", port->index, port->name,
			    rte_strerror(-status));
		return -1;
	}
	port->started = true;
	/* Solicited-node groups come and go with addresses; one of the two every driver has. */
	if (rte_eth_allmulticast_enable(port->id) < 0 && rte_eth_promiscuous_enable(port->id) < 0)
		log_line("port %u (%s) takes neither all multicast nor everything; IPv6 neighbours "
			 "may not find us",
			 port->index, port->name);
	port_link_changed(port);
	return 0;
}

/*
 * Whether the Linux interface behind a device is not in our network namespace any more. Drivers
 * like net_tap look for it here and say "down", but packets still come and go.
 */
static bool
has_moved_away(const struct port_device *port)
{
	char name[IF_NAMESIZE];

	return port->info.if_index != 0 && if_indextoname(port->info.if_index, name) == NULL;
}

bool
port_link_changed(struct port_device *port)
{
	struct rte_eth_link link;
	bool up;

	if (rte_eth_link_get_nowait(port->id, &link) < 0)
		return false;
	up = link.link_status == RTE_ETH_LINK_UP || has_moved_away(port);
	if (up == port->link_up)
		return false;
	port->link_up = up;
	return true;
}

void
port_close(struct port_device *port)
{
	if (port->started)
		rte_eth_dev_stop(port->id);
	if (port->configured)
		rte_eth_dev_close(port->id);
	port->started = port->configured = false;
}
