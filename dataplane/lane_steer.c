/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The lane of a 4-tuple: see lane_steer.h.
 *
 * The device's way is Toeplitz' hash, which is linear: the sum (XOR) of what each byte contributes
 * at its place. So a table of those for each place makes a hash nine additions long for IPv4's
 * addresses and ports, which connect() needs several of to find a port that lands on its lane.
 *
 * Our own way is a multilinear hash under a secret, as the flow table's: nobody outside can choose
 * ports so that all his connections are one lane's. Its sum is mixed once more, or a few ports in
 * order, which are a few equal steps of it, could all be one lane's.
 *
 * A device is believed if it tells a key, a table, and that it hashes TCP of both families. If it
 * hashes otherwise than it says, connections still have one lane, that which their SYN came to; of
 * those that we open, what arrives is handed over.
 *
 * Left out: hash functions other than Toeplitz'.
 */
#include <errno.h>
#include <string.h>
#include <sys/random.h>

#include <rte_byteorder.h>
#include <rte_ethdev.h>
#include <rte_malloc.h>

#include "dataplane/lane_steer.h"
#include "dataplane/log.h"

enum {
	KEY_BYTES = 40, /* that INPUT_BYTES take */
	KEY_BYTES_MAX = 64,
	RETA_MAX = 2048,
	INPUT_BYTES = 36, /* IPv6's addresses and the ports */
	INPUT4_BYTES = 12,
	PORT_BYTES = 4, /* of those, at the end */
	WORDS = 10,     /* of our own hash's input, an even number */
};

struct steer_port {
	bool by_device;
	bool ports4, ports6; /* the device's hash takes TCP's ports in */
	uint8_t n_lanes;
	uint8_t lanes[CONFIG_MAX_LANES]; /* its own, by queue */
	uint16_t reta_size;
	uint8_t reta[RETA_MAX];          /* queues */
	uint32_t part[INPUT_BYTES][256]; /* what a byte contributes to the hash, by its place */
};

struct lane_steer {
	uint64_t secret[WORDS + 1];
	unsigned int n_ports;
	bool mixed;
	struct steer_port ports[CONFIG_MAX_PORTS];
};

/* ---- The device's hash */

/* The 32 bits of the key that begin at a bit of it. */
static uint32_t
key_window(const uint8_t *key, unsigned int bit)
{
	uint64_t bits = 0;

	for (unsigned int i = 0; i < 5; i++)
		bits = bits << 8 | key[bit / 8 + i];
	return (uint32_t)(bits >> (8 - bit % 8));
}

static void
take_key(struct steer_port *port, const uint8_t *key)
{
	for (unsigned int place = 0; place < INPUT_BYTES; place++)
		for (unsigned int byte = 0; byte < 256; byte++)
			for (unsigned int bit = 0; bit < 8; bit++)
				if (byte & 0x80u >> bit)
					port->part[place][byte] ^= key_window(key, 8 * place + bit);
}

static uint32_t
device_hash(const struct steer_port *port, const struct tcp_tuple *tuple)
{
	uint8_t input[INPUT_BYTES];
	bool is4 = ip_is4(&tuple->local);
	unsigned int ip = is4 ? 4 : 16, n = 2 * ip;
	uint32_t hash = 0;

	memcpy(input, (const uint8_t *)tuple->remote.w + 16 - ip, ip);
	memcpy(input + ip, (const uint8_t *)tuple->local.w + 16 - ip, ip);
	if (is4 ? port->ports4 : port->ports6) {
		memcpy(input + n, &tuple->rport, 2);
		memcpy(input + n + 2, &tuple->lport, 2);
		n += PORT_BYTES;
	}
	for (unsigned int i = 0; i < n; i++)
		hash ^= port->part[i][input[i]];
	return hash;
}

/* ---- What a device tells */

static bool
is_zero(const uint8_t *bytes, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (bytes[i] != 0)
			return false;
	return true;
}

static bool
take_hash(struct steer_port *port, const struct port_device *device,
	  const struct rte_eth_dev_info *info)
{
	const uint64_t tcp4 = RTE_ETH_RSS_NONFRAG_IPV4_TCP, tcp6 = RTE_ETH_RSS_NONFRAG_IPV6_TCP;
	uint8_t key[KEY_BYTES_MAX] = {0};
	/* Drivers that say nothing of the key's length have Microsoft's. */
	uint8_t bytes = info->hash_key_size != 0 ? info->hash_key_size : KEY_BYTES;
	struct rte_eth_rss_conf conf = {.rss_key = key, .rss_key_len = bytes};

	if (bytes < KEY_BYTES || bytes > KEY_BYTES_MAX ||
	    rte_eth_dev_rss_hash_conf_get(device->id, &conf) < 0 || is_zero(key, sizeof(key)))
		return false;
	if ((conf.rss_hf & (tcp4 | RTE_ETH_RSS_IPV4)) == 0 ||
	    (conf.rss_hf & (tcp6 | RTE_ETH_RSS_IPV6)) == 0)
		return false;
	port->ports4 = (conf.rss_hf & tcp4) != 0;
	port->ports6 = (conf.rss_hf & tcp6) != 0;
	take_key(port, key);
	return true;
}

static bool
take_reta(struct steer_port *port, const struct port_device *device,
	  const struct rte_eth_dev_info *info)
{
	struct rte_eth_rss_reta_entry64 reta[RETA_MAX / RTE_ETH_RETA_GROUP_SIZE];

	if (info->reta_size == 0 || info->reta_size > RETA_MAX)
		return false;
	memset(reta, 0xff, sizeof(reta)); /* all entries are asked for */
	if (rte_eth_dev_rss_reta_query(device->id, reta, info->reta_size) < 0)
		return false;
	port->reta_size = info->reta_size;
	for (unsigned int i = 0; i < info->reta_size; i++) {
		uint16_t queue =
			reta[i / RTE_ETH_RETA_GROUP_SIZE].reta[i % RTE_ETH_RETA_GROUP_SIZE];

		if (queue >= device->queues)
			return false;
		port->reta[i] = (uint8_t)queue;
	}
	return true;
}

static void
take_port(struct steer_port *port, const struct port_device *device)
{
	struct rte_eth_dev_info info;

	port->n_lanes = (uint8_t)device->n_lanes;
	memcpy(port->lanes, device->lanes, sizeof(port->lanes));
	port->by_device = device->n_lanes == 1 ||
			  (device->queues == device->n_lanes && device->rss &&
			   rte_eth_dev_info_get(device->id, &info) == 0 &&
			   take_hash(port, device, &info) && take_reta(port, device, &info));
}

/* Whether two ports would say the same of all tuples. */
static bool
are_alike(const struct steer_port *a, const struct steer_port *b)
{
	return !a->by_device && !b->by_device && a->n_lanes == b->n_lanes &&
	       memcmp(a->lanes, b->lanes, a->n_lanes) == 0;
}

struct lane_steer *
lane_steer_create(const struct port_device *ports, unsigned int n_ports)
{
	struct lane_steer *steer = rte_zmalloc("steer", sizeof(*steer), RTE_CACHE_LINE_SIZE);

	if (steer == NULL) {
		log_line("no memory for steering");
		return NULL;
	}
	if (getrandom(steer->secret, sizeof(steer->secret), 0) != sizeof(steer->secret)) {
		log_line("no random bytes for steering: %s", strerror(errno));
		rte_free(steer);
		return NULL;
	}
	steer->n_ports = n_ports;
	for (unsigned int i = 0; i < n_ports; i++) {
		take_port(&steer->ports[i], &ports[i]);
		steer->mixed =
			steer->mixed || (i > 0 && !are_alike(&steer->ports[0], &steer->ports[i]));
	}
	return steer;
}

void
lane_steer_free(struct lane_steer *steer)
{
	rte_free(steer);
}

/* ---- Questions */

bool
lane_steer_by_device(const struct lane_steer *steer, unsigned int port)
{
	return steer->ports[port].by_device;
}

bool
lane_steer_is_mixed(const struct lane_steer *steer)
{
	return steer->mixed;
}

static uint32_t
own_hash(const struct lane_steer *steer, const struct tcp_tuple *tuple)
{
	static const uint64_t MIX = UINT64_C(0x9e3779b97f4a7c15); /* of the golden ratio, odd */
	const uint64_t *k = steer->secret;
	uint32_t x[WORDS] = {0};
	uint64_t h = k[0];

	memcpy(x, tuple, sizeof(*tuple));
	for (unsigned int i = 0; i < WORDS; i += 2)
		h += (k[i + 1] + x[i]) * (k[i + 2] + x[i + 1]);
	h = (h ^ h >> 32) * MIX;
	h = (h ^ h >> 29) * MIX;
	return (uint32_t)(h >> 32);
}

unsigned int
lane_steer_owner(const struct lane_steer *steer, unsigned int port, const struct tcp_tuple *tuple)
{
	const struct steer_port *p = &steer->ports[port];

	if (p->n_lanes == 1)
		return p->lanes[0];
	if (p->by_device)
		return p->lanes[p->reta[device_hash(p, tuple) % p->reta_size]];
	return p->lanes[(uint64_t)own_hash(steer, tuple) * p->n_lanes >> 32];
}

unsigned int
lane_steer_port(const struct port_device *ports, unsigned int n_ports, const struct ip_addr *local)
{
	for (unsigned int i = 0; i < n_ports; i++)
		for (unsigned int k = 0; k < ports[i].config->n_addresses; k++)
			if (ip_eq(&ports[i].config->addresses[k].ip, local))
				return i;
	return 0;
}
