/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * See prefixes.h. Own addresses are always Tern's. With `prefixes = auto` so are the prefixes that
 * are on link, and, of a family with a gateway, everything else but what concerns this host alone:
 * loopback, link-local and multicast addresses, and the addresses of the kernel's own. What
 * `except` names is the kernel's. As among routes, the longest prefix decides.
 */
#include <string.h>

#include "dataplane/prefixes.h"

struct list {
	struct shm_prefix *prefixes;
	unsigned int n;
};

static void
add(struct list *list, const struct config_address *a, enum shm_prefix_kind kind)
{
	struct shm_prefix *prefix = &list->prefixes[list->n++];

	memset(prefix, 0, sizeof(*prefix));
	memcpy(prefix->ip, a->ip.w, sizeof(prefix->ip));
	prefix->bits = (uint8_t)(a->prefix_len + (ip_is4(&a->ip) ? 96 : 0));
	prefix->kind = (uint8_t)kind;
}

static void
add_v4(struct list *list, uint8_t first, uint8_t second, uint8_t bits, enum shm_prefix_kind kind)
{
	const uint8_t ip[16] = {[10] = 0xff, [11] = 0xff, [12] = first, [13] = second};

	add(list, &(struct config_address){.ip = ip_from6(ip), .prefix_len = bits}, kind);
}

static void
add_v6(struct list *list, uint8_t first, uint8_t second, uint8_t bits, enum shm_prefix_kind kind)
{
	const uint8_t ip[16] = {first, second};

	add(list, &(struct config_address){.ip = ip_from6(ip), .prefix_len = bits}, kind);
}

static void
add_port(struct list *list, const struct config_port *port, bool automatic)
{
	for (unsigned int i = 0; i < port->n_addresses; i++) {
		struct config_address own = port->addresses[i];

		own.prefix_len = ip_is4(&own.ip) ? 32 : 128;
		add(list, &own, SHM_PREFIX_OWN);
		if (automatic)
			add(list, &port->addresses[i], SHM_PREFIX_TERN);
	}
}

/* What concerns this host alone; longer than a gateway's prefix, shorter than most others. */
static void
add_gateways(struct list *list, bool v4, bool v6)
{
	if (v4) {
		add_v4(list, 0, 0, 0, SHM_PREFIX_DEFAULT);
		add_v4(list, 127, 0, 8, SHM_PREFIX_KERNEL);
		add_v4(list, 169, 254, 16, SHM_PREFIX_KERNEL);
		add_v4(list, 224, 0, 4, SHM_PREFIX_KERNEL);
	}
	if (v6) {
		add_v6(list, 0, 0, 0, SHM_PREFIX_DEFAULT);
		add_v6(list, 0xfe, 0x80, 10, SHM_PREFIX_KERNEL);
		add_v6(list, 0xff, 0, 8, SHM_PREFIX_KERNEL);
		if (!v4) /* mapped addresses are none of IPv6's */
			add_v4(list, 0, 0, 0, SHM_PREFIX_KERNEL);
	}
}

unsigned int
prefixes_make(const struct config *config, struct shm_prefix *prefixes)
{
	struct list list = {.prefixes = prefixes};
	bool v4 = false, v6 = false;

	for (unsigned int i = 0; i < config->program_except.n; i++)
		add(&list, &config->program_except.list[i], SHM_PREFIX_KERNEL);
	for (unsigned int i = 0; i < config->program_prefixes.n; i++)
		add(&list, &config->program_prefixes.list[i], SHM_PREFIX_TERN);
	for (unsigned int i = 0; i < config->n_ports; i++) {
		add_port(&list, &config->ports[i], config->program_auto);
		v4 |= !ip_is_any(&config->ports[i].gateway4);
		v6 |= !ip_is_any(&config->ports[i].gateway6);
	}
	if (config->program_auto)
		add_gateways(&list, v4, v6);
	return list.n;
}
