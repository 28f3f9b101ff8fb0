/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Our addresses. IPv6: a link-local address for each port (RFC 4291 §2.5.6), duplicate address
 * detection (RFC 4862 §5.4, with RFC 7527's nonce), announcement (RFC 4861 §7.2.6). IPv4:
 * announcement (RFC 5227 §2.3).
 *
 *     TENTATIVE: DELAYED ─ 0...1 s ─▶ PROBING ─ 1 s ─▶ PREFERRED: ANNOUNCE ─ 2 × 2 s ─▶ QUIET
 *                   └──────────┬──────────┘ somebody objects
 *                              ▼
 *                          DUPLICATE
 *
 * A link-local address is made from the MAC address: as it is (RFC 2464 §4) where that is
 * universal, as a hash of it (in RFC 7217's manner) where it is locally administered, and so may
 * not be alone. That is no theory: a tap device gives the same MAC address to both of its ends, and
 * the kernel's end would lose its own address to ours. One that is a duplicate nevertheless is
 * replaced up to three times by other hashes (RFC 7217 §6; without its secret, since link-local
 * addresses leave no trace beyond the link, and every lane must come to the same).
 *
 * A lane that does not announce goes through the same states in silence.
 *
 * Invariant: `own` holds every address that is not a duplicate, all broadcast addresses, and all
 * groups.
 *
 * Left out: SLAAC, DHCP, RFC 5227's probing before an IPv4 address is used.
 */
#include "dataplane/address.h"

#include <errno.h>

#include <sodium.h>

#include "dataplane/arp.h"
#include "dataplane/mld.h"
#include "dataplane/nd.h"
#include "dataplane/path.h"

enum {
	DAD_DELAY_US = NET_SECOND_US,    /* MAX_RTR_SOLICITATION_DELAY */
	DAD_WAIT_US = NET_SECOND_US,     /* RetransTimer */
	ANNOUNCEMENTS = 2,               /* ANNOUNCE_NUM */
	ANNOUNCE_US = 2 * NET_SECOND_US, /* ANNOUNCE_INTERVAL */
	LINK_LOCAL_TRIES = 3,            /* IDGEN_RETRIES */
};

/* ---- What is ours */

static uint32_t
own_slot(const struct ip_addr *ip)
{
	uint64_t h = ip->w[0] * UINT64_C(0x9e3779b97f4a7c15);

	h = (h ^ ip->w[1]) * UINT64_C(0xff51afd7ed558ccd);
	h = (h ^ ip->w[2]) * UINT64_C(0x9e3779b97f4a7c15);
	h = (h ^ ip->w[3]) * UINT64_C(0xff51afd7ed558ccd);
	return (uint32_t)(h >> 32) & (OWN_SLOTS - 1);
}

const struct own *
own_find(const struct net *net, const struct ip_addr *ip)
{
	uint32_t i = own_slot(ip);

	for (; net->own[i].kind != OWN_NONE; i = (i + 1) & (OWN_SLOTS - 1))
		if (ip_eq(&net->own[i].ip, ip))
			return &net->own[i];
	return NULL;
}

/* Adds an entry, unless there is one: what comes first counts. */
static void
own_add(struct net *net, const struct ip_addr *ip, enum own_kind kind, uint16_t address)
{
	uint32_t i = own_slot(ip);

	if (own_find(net, ip) != NULL)
		return;
	while (net->own[i].kind != OWN_NONE)
		i = (i + 1) & (OWN_SLOTS - 1);
	net->own[i] = (struct own){.ip = *ip, .address = address, .kind = (uint8_t)kind};
}

static void
group_join(struct net *net, uint16_t port_index, const struct ip_addr *group)
{
	struct port *port = &net->ports[port_index];
	struct rte_ether_addr mac = net_group_mac(group);

	own_add(net, group, OWN_GROUP, 0);
	for (unsigned int i = 0; i < port->n_groups; i++)
		if (rte_is_same_ether_addr(&port->groups[i], &mac))
			return;
	if (port->n_groups < NET_GROUPS)
		port->groups[port->n_groups++] = mac;
}

static void
own_add_groups(struct net *net, const struct address *a)
{
	struct ip_addr all4 = ip_from4(be32(0xe0000001)), limited = ip_from4(be32(0xffffffff));
	struct ip_addr all6 = {{RTE_BE32(0xff020000), 0, 0, RTE_BE32(1)}};
	struct ip_addr node;

	if (ip_is4(&a->ip)) {
		group_join(net, a->port, &all4);
		own_add(net, &limited, OWN_BROADCAST, 0);
		if (a->prefix_len < 31) {
			uint32_t host = UINT32_MAX >> a->prefix_len;

			limited = ip_from4(be32(be32_get(ip_to4(&a->ip)) | host));
			own_add(net, &limited, OWN_BROADCAST, 0);
		}
		return;
	}
	node = address_solicited_node(&a->ip);
	group_join(net, a->port, &all6);
	group_join(net, a->port, &node);
}

/* Builds the table of what is ours anew, and the ports' groups. */
static void
own_rebuild(struct net *net)
{
	memset(net->own, 0, sizeof(net->own));
	for (uint16_t i = 0; i < net->n_ports; i++)
		net->ports[i].n_groups = 0;
	for (uint16_t i = 0; i < net->n_addresses; i++)
		if (net->addresses[i].state != NET_ADDRESS_DUPLICATE)
			own_add(net, &net->addresses[i].ip, OWN_UNICAST, i);
	for (uint16_t i = 0; i < net->n_addresses; i++)
		if (net->addresses[i].state != NET_ADDRESS_DUPLICATE)
			own_add_groups(net, &net->addresses[i]);
	mld_changed(net);
}

struct address *
address_find(struct net *net, const struct ip_addr *ip)
{
	const struct own *own = own_find(net, ip);

	return own != NULL && own->kind == OWN_UNICAST ? &net->addresses[own->address] : NULL;
}

bool
net_is_local(const struct net *net, const struct ip_addr *local)
{
	return own_is_usable(net, own_find(net, local));
}

struct ip_addr
address_solicited_node(const struct ip_addr *ip)
{
	return (struct ip_addr){
		{RTE_BE32(0xff020000), 0, RTE_BE32(1), ip->w[3] | RTE_BE32(0xff000000)}};
}

bool
address_shares_prefix(const struct ip_addr *a, const struct ip_addr *b, uint8_t bits)
{
	unsigned int n = ip_is4(a) ? 96u + bits : bits, whole = n / 8;
	uint8_t mask = (uint8_t)(0xff00 >> n % 8);

	if (ip_is4(a) != ip_is4(b) || memcmp(a, b, whole) != 0)
		return false;
	return mask == 0 || ((ip_bytes(a)[whole] ^ ip_bytes(b)[whole]) & mask) == 0;
}

/* ---- Creation */

static bool
config_address_is_valid(const struct config_address *c)
{
	uint8_t first = ip_bytes(&c->ip)[12];

	if (ip_is_any(&c->ip) || ip_is_multicast(&c->ip))
		return false;
	if (ip_is4(&c->ip))
		return c->prefix_len <= 32 && first != 0 && first != 127 && first < 224;
	return c->prefix_len <= 128;
}

static void
address_append(struct net *net, const struct ip_addr *ip, uint8_t prefix_len, uint16_t port)
{
	net->addresses[net->n_addresses++] = (struct address){
		.ip = *ip,
		.prefix_len = prefix_len,
		.port = port,
		.state = ip_is4(ip) ? NET_ADDRESS_PREFERRED : NET_ADDRESS_TENTATIVE,
		.due_us = UINT64_MAX,
	};
}

/* RFC 2464 §4: the interface identifier is the MAC address with ff:fe in its middle. */
static struct ip_addr
link_local_eui64(const struct rte_ether_addr *mac)
{
	const uint8_t *m = mac->addr_bytes;
	const uint8_t b[16] = {0xfe,     0x80, 0,    0,    0,    0,    0,    0,
			       m[0] ^ 2, m[1], m[2], 0xff, 0xfe, m[3], m[4], m[5]};

	return ip_from6(b);
}

static struct ip_addr
link_local_hashed(const struct rte_ether_addr *mac, uint8_t dad_counter)
{
	static const uint8_t key[crypto_shorthash_KEYBYTES] = "tern link-local";
	uint8_t input[RTE_ETHER_ADDR_LEN + 1], b[16] = {0xfe, 0x80};

	memcpy(input, mac->addr_bytes, RTE_ETHER_ADDR_LEN);
	input[RTE_ETHER_ADDR_LEN] = dad_counter;
	crypto_shorthash(b + 8, input, sizeof(input), key);
	return ip_from6(b);
}

/* The first choice of a port's link-local address. */
static struct ip_addr
link_local(const struct rte_ether_addr *mac)
{
	return rte_is_local_admin_ether_addr(mac) ? link_local_hashed(mac, 0)
						  : link_local_eui64(mac);
}

/* Takes over one port's addresses. Returns 0, -EINVAL. */
static int
port_addresses(struct net *net, uint16_t port, const struct config_port *config)
{
	unsigned int n_v6 = 0;
	bool has_link_local = false;
	struct ip_addr ip;

	if (config->n_addresses > RTE_DIM(config->addresses))
		return -EINVAL;
	for (unsigned int i = 0; i < config->n_addresses; i++) {
		const struct config_address *c = &config->addresses[i];

		if (!config_address_is_valid(c))
			return -EINVAL;
		for (unsigned int j = 0; j < net->n_addresses; j++)
			if (ip_eq(&net->addresses[j].ip, &c->ip))
				return -EINVAL;
		n_v6 += !ip_is4(&c->ip);
		has_link_local |= ip_is_link_local6(&c->ip);
		address_append(net, &c->ip, c->prefix_len, port);
	}
	if (n_v6 > CONFIG_MAX_ADDRESSES)
		return -EINVAL;
	if (has_link_local)
		return 0;
	ip = link_local(&net->ports[port].mac);
	address_append(net, &ip, 64, port);
	net->addresses[net->n_addresses - 1].generated = true;
	return 0;
}

/* Sorts by prefix length, longest first; stable, so that the first port wins. */
static void
sort_by_prefix(struct net *net)
{
	for (uint16_t i = 0; i < net->n_addresses; i++) {
		uint16_t at = i;

		for (; at > 0 && net->addresses[net->by_prefix[at - 1]].prefix_len <
					 net->addresses[i].prefix_len;
		     at--)
			net->by_prefix[at] = net->by_prefix[at - 1];
		net->by_prefix[at] = i;
	}
}

int
addresses_create(struct net *net, const struct net_config *config)
{
	for (uint16_t i = 0; i < net->n_ports; i++) {
		int status = port_addresses(net, i, config->ports[i].config);

		if (status < 0)
			return status;
	}
	for (uint16_t i = 0; config->taken_over && i < net->n_addresses; i++)
		if (!net->addresses[i].generated)
			net->addresses[i].state = NET_ADDRESS_PREFERRED;
	sort_by_prefix(net);
	own_rebuild(net);
	return 0;
}

/* ---- Duplicate address detection and announcements */

static void
schedule(struct net *net, struct address *a, enum address_step step, uint64_t due_us)
{
	a->step = step;
	a->due_us = due_us;
	net_wake_at(net, due_us);
}

static void
start(struct net *net, struct address *a)
{
	if (a->state == NET_ADDRESS_PREFERRED) {
		a->announcements_left = ANNOUNCEMENTS;
		schedule(net, a, ADDRESS_ANNOUNCE, net->now_us);
		return;
	}
	a->state = NET_ADDRESS_TENTATIVE;
	paths_forget(net);
	schedule(net, a, ADDRESS_DELAYED, net->now_us + net_random_below(net, DAD_DELAY_US));
}

void
addresses_start(struct net *net, uint16_t port)
{
	for (uint16_t i = 0; i < net->n_addresses; i++)
		if (port == NET_NO_PORT || net->addresses[i].port == port)
			start(net, &net->addresses[i]);
	own_rebuild(net);
}

void
addresses_stop(struct net *net, uint16_t port)
{
	for (uint16_t i = 0; i < net->n_addresses; i++)
		if (net->addresses[i].port == port)
			schedule(net, &net->addresses[i], ADDRESS_QUIET, UINT64_MAX);
	net->ports[port].rs_due_us = UINT64_MAX;
}

void
address_is_duplicate(struct net *net, struct address *a)
{
	NET_COUNT(net, dad_duplicates);
	net->paths_dirty = true;
	a->state = NET_ADDRESS_DUPLICATE;
	schedule(net, a, ADDRESS_QUIET, UINT64_MAX);
	if (a->generated && a->dad_counter < LINK_LOCAL_TRIES) {
		a->ip = link_local_hashed(&net->ports[a->port].mac, ++a->dad_counter);
		start(net, a);
	} else if (a->generated) {
		nd_seek_router(net, &net->ports[a->port]);
	}
	own_rebuild(net);
}

static void
announce(struct net *net, struct address *a)
{
	if (net->announce && ip_is4(&a->ip))
		arp_announce(net, a);
	else if (net->announce)
		nd_announce(net, a);
	if (--a->announcements_left > 0)
		schedule(net, a, ADDRESS_ANNOUNCE, net->now_us + ANNOUNCE_US);
	else
		schedule(net, a, ADDRESS_QUIET, UINT64_MAX);
}

static void
step(struct net *net, struct address *a)
{
	switch (a->step) {
	case ADDRESS_DELAYED:
		net->env.random(net->env.ctx, a->nonce, sizeof(a->nonce));
		if (net->announce)
			nd_probe_duplicate(net, a);
		schedule(net, a, ADDRESS_PROBING, net->now_us + DAD_WAIT_US);
		break;
	case ADDRESS_PROBING:
		a->state = NET_ADDRESS_PREFERRED;
		paths_forget(net);
		a->announcements_left = ANNOUNCEMENTS;
		if (ip_is_link_local6(&a->ip))
			nd_seek_router(net, &net->ports[a->port]);
		announce(net, a);
		break;
	case ADDRESS_ANNOUNCE:
		announce(net, a);
		break;
	default:
		a->due_us = UINT64_MAX;
	}
}

uint64_t
addresses_advance(struct net *net)
{
	uint64_t due_us = UINT64_MAX;

	for (unsigned int i = 0; i < net->n_addresses; i++) {
		if (net->addresses[i].due_us <= net->now_us)
			step(net, &net->addresses[i]);
		due_us = RTE_MIN(due_us, net->addresses[i].due_us);
	}
	return due_us;
}

/* ---- While running */

static void
changed(struct net *net)
{
	sort_by_prefix(net);
	own_rebuild(net);
	net->paths_dirty = true;
	net_wake_at(net, net->now_us);
}

int
net_address_add(struct net *net, uint64_t now_us, uint16_t port,
		const struct config_address *address, bool taken_over)
{
	unsigned int n = 0;
	struct address *a;

	if (port >= net->n_ports || !config_address_is_valid(address))
		return -EINVAL;
	for (unsigned int i = 0; i < net->n_addresses; i++) {
		a = &net->addresses[i];
		if (ip_eq(&a->ip, &address->ip))
			return -EEXIST;
		n += a->port == port && ip_is4(&a->ip) == ip_is4(&address->ip) && !a->generated;
	}
	if (n >= CONFIG_MAX_ADDRESSES)
		return -ENOSPC;
	net->now_us = now_us;
	address_append(net, &address->ip, address->prefix_len, port);
	a = &net->addresses[net->n_addresses - 1];
	if (taken_over)
		a->state = NET_ADDRESS_PREFERRED;
	start(net, a);
	changed(net);
	return 0;
}

int
net_address_del(struct net *net, uint64_t now_us, const struct ip_addr *ip)
{
	unsigned int i = 0;

	while (i < net->n_addresses &&
	       (net->addresses[i].generated || !ip_eq(&net->addresses[i].ip, ip)))
		i++;
	if (i == net->n_addresses)
		return -ENOENT;
	net->now_us = now_us;
	net->n_addresses--;
	memmove(&net->addresses[i], &net->addresses[i + 1],
		(net->n_addresses - i) * sizeof(net->addresses[0]));
	changed(net);
	return 0;
}

/* ---- Looking at it */

enum net_address_state
net_address_state(const struct net *net, const struct ip_addr *ip)
{
	for (unsigned int i = 0; i < net->n_addresses; i++)
		if (ip_eq(&net->addresses[i].ip, ip))
			return net->addresses[i].state;
	return NET_ADDRESS_NONE;
}

unsigned int
net_list_addresses(const struct net *net, uint32_t *cursor, struct net_address_listing *listing,
		   unsigned int n)
{
	unsigned int written = 0;

	for (; *cursor < net->n_addresses && written < n; ++*cursor) {
		const struct address *a = &net->addresses[*cursor];

		listing[written++] = (struct net_address_listing){.ip = a->ip,
								  .prefix_len = a->prefix_len,
								  .port = a->port,
								  .state = a->state};
	}
	return written;
}
