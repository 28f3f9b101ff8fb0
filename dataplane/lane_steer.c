/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Receive-side scaling, as the device computes it: Toeplitz hash under the device's key, then its
 * redirection table. See lane_steer.h.
 *
 * Left out: other hash functions, and several ports with one address.
 */
#include <string.h>

#include <rte_byteorder.h>
#include <rte_ethdev.h>
#include <rte_thash.h>

#include "dataplane/lane_steer.h"

enum {
	KEY_BYTES_MAX = 64,
	RETA_MAX = 2048,
};

static uint32_t
word_of(uint32_t v)
{
	return rte_be_to_cpu_32(v);
}

uint32_t
lane_steer_hash(const struct tcp_tuple *tuple, const uint8_t *key, bool with_ports)
{
	uint32_t words[9];
	unsigned int n = 0;
	bool is4 = ip_is4(&tuple->local);

	for (unsigned int i = is4 ? 3 : 0; i < 4; i++)
		words[n++] = word_of(tuple->remote.w[i]);
	for (unsigned int i = is4 ? 3 : 0; i < 4; i++)
		words[n++] = word_of(tuple->local.w[i]);
	if (with_ports)
		words[n++] = (uint32_t)be16_get(tuple->rport) << 16 | be16_get(tuple->lport);
	return rte_softrss(words, n, key);
}

static bool
has_address(const struct port_device *port, const struct ip_addr *ip)
{
	for (unsigned int i = 0; i < port->config->n_addresses; i++)
		if (ip_eq(&port->config->addresses[i].ip, ip))
			return true;
	return false;
}

/* The queue that the device's table has for a hash; 0 if it does not tell. */
static unsigned int
queue_of(uint16_t id, const struct tcp_tuple *tuple)
{
	struct rte_eth_rss_reta_entry64 reta[RETA_MAX / RTE_ETH_RETA_GROUP_SIZE];
	uint8_t key[KEY_BYTES_MAX] = {0};
	struct rte_eth_rss_conf conf = {.rss_key = key, .rss_key_len = sizeof(key)};
	struct rte_eth_dev_info info;
	uint32_t hash;

	if (rte_eth_dev_info_get(id, &info) < 0 || info.reta_size == 0 ||
	    info.reta_size > RETA_MAX || info.hash_key_size > KEY_BYTES_MAX ||
	    rte_eth_dev_rss_hash_conf_get(id, &conf) < 0)
		return 0;
	memset(reta, 0xff, sizeof(reta)); /* all entries are asked for */
	if (rte_eth_dev_rss_reta_query(id, reta, info.reta_size) < 0)
		return 0;
	hash = lane_steer_hash(tuple, key,
			       (conf.rss_hf & (RTE_ETH_RSS_NONFRAG_IPV4_TCP |
					       RTE_ETH_RSS_NONFRAG_IPV6_TCP)) != 0) %
	       info.reta_size;
	return reta[hash / RTE_ETH_RETA_GROUP_SIZE].reta[hash % RTE_ETH_RETA_GROUP_SIZE];
}

unsigned int
lane_steer(const struct port_device *ports, unsigned int n_ports, unsigned int n_lanes,
	   const struct tcp_tuple *tuple)
{
	unsigned int queue = 0;

	if (n_lanes == 1)
		return 0;
	for (unsigned int i = 0; i < n_ports; i++)
		if (has_address(&ports[i], &tuple->local)) {
			queue = queue_of(ports[i].id, tuple);
			break;
		}
	return queue < n_lanes ? queue : 0;
}
