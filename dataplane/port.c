/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Ports: see port.h. RSS spreads by IP addresses and TCP ports, so that a connection has one lane;
 * a device that has none, or too few queues, leaves that to lanes (lane_steer.c).
 */
#include <errno.h>
#include <net/if.h>
#include <semaphore.h>
#include <string.h>

#include <rte_alarm.h>
#include <rte_errno.h>

#include "dataplane/cut.h"
#include "dataplane/log.h"
#include "dataplane/port.h"
#include "dataplane/port_device.h"
#include "dataplane/port_memif.h"
#include "dataplane/port_tap.h"
#include "tcp/tcp.h"

int
port_probe(struct port_device *port, unsigned int index, const struct config *config)
{
	int status;

	memset(port, 0, sizeof(*port));
	port->index = index;
	port->config = &config->ports[index];
	if (port_device_find(config, index, &port->id, &port->ring) < 0)
		return -1;
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
	port->untold_mtu = port_memif_correct(&port->info) || port->ring.done != NULL;
	if (port_memif_zero_copy(&port->info)) {
		port->tx_most = PORT_MEMIF_BURST;
		port->keeps_sent = true;
		port->kept = port_memif_ring_frames(&port->info);
	}
	if (port->ring.done != NULL) /* its driver has none */
		rte_eth_random_addr(port->mac.addr_bytes);
	return 0;
}

/* What drivers of DPDK 22.11 offer and get wrong. */
static const struct quirk {
	const char *driver;
	uint64_t rx, tx;        /* offloads that it is not asked for */
	uint16_t tso_max_bytes; /* of a packet to cut; 0: as large as IP allows */
	uint16_t max_queues;    /* of each kind; 0: as many as it says */
	bool cut;               /* large sends are cut before it has them: cut.h */
	bool deaf;              /* receive interrupts do not arrive */
	bool unlocked;          /* what its interrupts do, no other thread may do meanwhile */
} quirks[] = {
	/*
	 * It sums each mbuf of a packet as if none began at an odd offset. In software, too, as the
	 * IPv4 header, which it copies for that. And its segmentation, also in software, spoils
	 * segments as long as the MTU lets them be: the lane does it. What comes in it sums at a
	 * quarter of our own speed. When it starts it writes a descriptor for
	 * each queue into a message that has room for RTE_MP_MAX_FD_NUM, and does not count.
	 */
	{"net_tap", RTE_ETH_RX_OFFLOAD_IPV4_CKSUM | RTE_ETH_RX_OFFLOAD_TCP_CKSUM,
	 RTE_ETH_TX_OFFLOAD_IPV4_CKSUM | RTE_ETH_TX_OFFLOAD_TCP_CKSUM | RTE_ETH_TX_OFFLOAD_TCP_TSO,
	 0, RTE_MP_MAX_FD_NUM / 2, true, false, false},
	/* A descriptor has 14 bits for the length of an mbuf; the rest of it would not be sent. */
	{"net_vmxnet3", 0, 0, 16383, 0, false, false, false},
	/* Of an 82574, which QEMU's e1000e is, none was ever seen. */
	{"net_e1000_em", 0, 0, 0, 0, false, true, false},
	/*
	 * When the peer has gone the interrupt thread frees what closing frees at the same time;
	 * the peer may be another port of ours that was closed a moment ago.
	 */
	{"net_memif", 0, 0, 0, 0, false, false, true},
};

static const struct quirk *
quirk_of(const struct port_device *port)
{
	static const struct quirk none = {0};

	for (size_t i = 0; i < sizeof(quirks) / sizeof(quirks[0]); i++)
		if (strcmp(port->driver, quirks[i].driver) == 0)
			return &quirks[i];
	return &none;
}

enum {
	PORT_TX_RING = 1024,   /* frames of other lanes that wait for one's queue; a power of 2 */
	FRONT_BYTES = 12,      /* that virtio puts before a frame, and counts */
	TSO_MAX_BYTES = 65535, /* IP's length field; no driver says less */
	TSO_MAX_MBUFS = 64,    /* more than that many pieces are not worth one packet */
};

static uint64_t
tx_offloads_of(const struct port_device *port)
{
	return port->info.tx_offload_capa & ~quirk_of(port)->tx;
}

static uint64_t
rx_offloads_of(const struct port_device *port)
{
	return port->info.rx_offload_capa & ~quirk_of(port)->rx;
}

/* Whether to cut packets for the device. */
static bool
wants_cut(const struct port_device *port)
{
	return quirk_of(port)->cut && port->config->tso != TSO_NO;
}

/* Whether to have the device cut packets: it must sum what it cuts and take several mbufs. */
static bool
wants_tso(const struct port_device *port)
{
	const uint64_t needed = RTE_ETH_TX_OFFLOAD_TCP_TSO | RTE_ETH_TX_OFFLOAD_MULTI_SEGS;
	uint64_t offered =
		port->config->tso == TSO_YES ? port->info.tx_offload_capa : tx_offloads_of(port);

	return port->config->tso != TSO_NO && !quirk_of(port)->cut && port->config->tx_checksum &&
	       (offered & needed) == needed;
}

static struct tcp_tso_limits
tso_limits(const struct port_device *port)
{
	unsigned int mbufs = port->info.tx_desc_lim.nb_seg_max;
	uint16_t bytes = quirk_of(port)->tso_max_bytes;

	if (mbufs == 0 || mbufs > TSO_MAX_MBUFS)
		mbufs = TSO_MAX_MBUFS;
	/* A packet that needs more descriptors than there are would wait for ever. */
	mbufs = RTE_MIN(mbufs, port->config->tx_desc / 2u);
	return (struct tcp_tso_limits){.max_bytes = bytes != 0 ? bytes : TSO_MAX_BYTES,
				       .max_mbufs = (uint8_t)mbufs};
}

/* Asks for what we use of what the device has. */
static void
choose_offloads(struct port_device *port, struct rte_eth_conf *conf, uint32_t rx_room)
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
	if (port->queues > 1 && (info->flow_type_rss_offloads & rss) != 0) {
		port->rss = true;
		conf->rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
		conf->rx_adv_conf.rss_conf.rss_hf = info->flow_type_rss_offloads & rss;
		rx |= RTE_ETH_RX_OFFLOAD_RSS_HASH;
	}
	if (port->mtu + RTE_ETHER_HDR_LEN + 2u * RTE_VLAN_HLEN + FRONT_BYTES > rx_room)
		rx |= RTE_ETH_RX_OFFLOAD_SCATTER;
	conf->rxmode.mtu =
		port->untold_mtu ? RTE_MIN(port->mtu, (uint16_t)RTE_ETHER_MTU) : port->mtu;
	conf->rxmode.offloads = rx & rx_offloads_of(port);
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
	} else if (wants_cut(port)) {
		port->cut = true;
		port->path_flags |= TCP_PATH_TX_TSO;
		port->tso = (struct tcp_tso_limits){.max_bytes = TSO_MAX_BYTES,
						    .max_mbufs = TSO_MAX_MBUFS,
						    .max_segs = CUT_MAX_SEGS};
	}
}

/* As many queues as lanes, as far as there are so many. */
static void
choose_queues(struct port_device *port, unsigned int lanes)
{
	unsigned int most = port->config->queues == 0 ? CONFIG_MAX_LANES : port->config->queues;

	most = RTE_MIN(most, port->info.max_rx_queues);
	most = RTE_MIN(most, port->info.max_tx_queues);
	if (quirk_of(port)->max_queues != 0)
		most = RTE_MIN(most, quirk_of(port)->max_queues);
	port->n_lanes = 0;
	for (unsigned int i = 0; i < lanes; i++)
		if (port->config->lanes == 0 || (port->config->lanes >> i & 1) != 0)
			port->lanes[port->n_lanes++] = (uint8_t)i;
	port->queues = RTE_MIN(most, port->n_lanes);
}

/* Where lanes without a queue put their frames. */
static int
make_rings(struct port_device *port, const int *socket_ids)
{
	char name[RTE_RING_NAMESIZE];

	for (unsigned int i = 0; i < port->queues && port->queues < port->n_lanes; i++) {
		snprintf(name, sizeof(name), "tx%u.%u", port->index, i);
		port->tx_rings[i] = rte_ring_create(name, PORT_TX_RING, socket_ids[port->lanes[i]],
						    RING_F_MP_RTS_ENQ | RING_F_SC_DEQ);
		if (port->tx_rings[i] == NULL)
			return -rte_errno;
	}
	return 0;
}

static int
setup_queues(struct port_device *port, const struct rte_eth_conf *conf,
	     const struct lane_pools *const *pools, const int *socket_ids)
{
	struct rte_eth_rxconf rx = port->info.default_rxconf;
	struct rte_eth_txconf tx = port->info.default_txconf;
	uint16_t n_rx = port->config->rx_desc, n_tx = port->config->tx_desc;
	int status = rte_eth_dev_adjust_nb_rx_tx_desc(port->id, &n_rx, &n_tx);

	rx.offloads = conf->rxmode.offloads;
	tx.offloads = conf->txmode.offloads;
	for (unsigned int i = 0; i < port->queues && status == 0; i++) {
		unsigned int lane = port->lanes[i], socket = (unsigned int)socket_ids[lane];

		status = rte_eth_rx_queue_setup(port->id, (uint16_t)i, n_rx, socket, &rx,
						pools[lane]->pool[POOL_RX]);
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
	uint32_t room = (uint32_t)(rte_pktmbuf_data_room_size(pools[0]->pool[POOL_RX]) -
				   RTE_PKTMBUF_HEADROOM);
	int status;

	choose_queues(port, lanes);
	if (port->queues == 0) {
		log_failure("port %u (%s) has no queues", port->index, port->name);
		return -1;
	}
	if (port->config->mtu != 0 &&
	    (port->mtu < port->info.min_mtu || port->mtu > port->info.max_mtu)) {
		log_failure("port %u (%s): mtu = %u; the device takes %u to %u%s", port->index,
			    port->name, port->mtu, port->info.min_mtu, port->info.max_mtu,
			    port->untold_mtu ? "; its bsize= in eal says how much" : "");
		return -1;
	}
	if (port->config->tso == TSO_YES && !wants_tso(port) && !wants_cut(port)) {
		log_failure("port %u (%s) does not cut packets into segments; set tso = auto",
			    port->index, port->name);
		return -1;
	}
	if (port->keeps_sent && port->kept < PORT_MEMIF_RING_MIN) {
		log_failure("port %u (%s): zero-copy=yes: no frame comes in through a ring of %u; "
			    "rsize= must be 6 at least",
			    port->index, port->name, port->kept);
		return -1;
	}
	if (port->kept > (unsigned int)RTE_MIN(port->config->rx_desc, port->config->tx_desc)) {
		log_failure("port %u (%s): zero-copy=yes: the driver keeps the %u frames of a "
			    "ring; set rx_desc and tx_desc to as many, or a smaller rsize=",
			    port->index, port->name, port->kept);
		return -1;
	}
	choose_offloads(port, &conf, room);
	if (*port->info.dev_flags & RTE_ETH_DEV_INTR_LSC)
		conf.intr_conf.lsc = 1;
	conf.intr_conf.rxq = idle == IDLE_ADAPTIVE && !quirk_of(port)->deaf;
	status = rte_eth_dev_configure(port->id, (uint16_t)port->queues, (uint16_t)port->queues,
				       &conf);
	port->configured = true;
	if (status == 0 && port->config->mtu != 0 && !port->untold_mtu) {
		status = rte_eth_dev_set_mtu(port->id, port->mtu);
		if (status ==
		    -ENOTSUP) /* it knows the MTU since it was configured, or needs none */
			status = 0;
	}
	if (status == 0)
		status = setup_queues(port, &conf, pools, socket_ids);
	if (status == 0)
		status = make_rings(port, socket_ids);
	if (strcmp(port->driver, "net_tap") == 0)
		port_tap_stop_signals();
	if (status < 0)
		log_failure("port %u (%s) cannot be configured: %s", port->index, port->name,
			    rte_strerror(-status));
	return status < 0 ? -1 : 0;
}

int
port_start(struct port_device *port)
{
	const char *error = port->keeps_sent ? port_memif_share_memory() : NULL;
	int status;

	if (error != NULL) {
		log_failure("port %u (%s): zero-copy=yes: %s", port->index, port->name, error);
		return -1;
	}
	status = rte_eth_dev_start(port->id);
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

/* Lanes have ended: what waits in their rings goes. */
static void
free_rings(struct port_device *port)
{
	void *frame;

	for (unsigned int i = 0; i < port->queues; i++) {
		while (port->tx_rings[i] != NULL &&
		       rte_ring_dequeue(port->tx_rings[i], &frame) == 0)
			rte_pktmbuf_free(frame);
		rte_ring_free(port->tx_rings[i]);
		port->tx_rings[i] = NULL;
	}
}

/* ---- Closing */

struct closing {
	const struct port_device *port;
	sem_t done;
};

static void
stop_and_close(const struct port_device *port)
{
	if (port->started)
		rte_eth_dev_stop(port->id);
	if (port->configured)
		rte_eth_dev_close(port->id);
}

static void
close_there(void *arg)
{
	struct closing *closing = arg;

	stop_and_close(closing->port);
	sem_post(&closing->done);
}

/* EAL's interrupt thread does it, between interrupts. Returns when it is done. */
static void
close_by_interrupt_thread(const struct port_device *port)
{
	struct closing closing = {.port = port};

	sem_init(&closing.done, 0, 0);
	if (rte_eal_alarm_set(1, close_there, &closing) < 0)
		stop_and_close(port);
	else
		while (sem_wait(&closing.done) < 0 && errno == EINTR)
			continue;
	sem_destroy(&closing.done);
}

void
port_close(struct port_device *port)
{
	free_rings(port);
	if (port->started && port->ring.done != NULL)
		port_ring_clear(&port->ring, port->id);
	if (port->configured && quirk_of(port)->unlocked)
		close_by_interrupt_thread(port);
	else
		stop_and_close(port);
	port->started = port->configured = false;
}
