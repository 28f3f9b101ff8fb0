/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Devices of ports: see port_device.h.
 *
 * Those with a key `device` are attached in the order of their ports, each after those before it
 * are there and listen: so both ends of a vhost-user socket may be in one process, where EAL, which
 * probes all before any is configured, would wait for itself.
 */
#include <errno.h>
#include <string.h>

#include <rte_dev.h>
#include <rte_errno.h>
#include <rte_ethdev.h>

#include "dataplane/log.h"
#include "dataplane/port_device.h"

/* The n-th of the devices there are. */
static int
nth(unsigned int n, uint16_t *id)
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

/* A vhost-user socket is listened on when its device is configured, and not before. */
static void
listen_on_vhost(void)
{
	const struct rte_eth_conf none = {0};
	struct rte_eth_dev_info info;

	for (uint16_t id = 0; id < RTE_MAX_ETHPORTS; id++) {
		if (rte_eth_dev_is_valid_port(id) && rte_eth_dev_info_get(id, &info) == 0 &&
		    strcmp(info.driver_name, "net_vhost") == 0)
			rte_eth_dev_configure(id, 1, 1, &none);
	}
}

/* By the arguments of --vdev. Returns 0 or a negative errno. */
static int
attach(const char *device, uint16_t *id)
{
	char name[RTE_ETH_NAME_MAX_LEN];
	size_t n = strcspn(device, ",");
	int status;

	if (n >= sizeof(name))
		return -ENAMETOOLONG;
	memcpy(name, device, n);
	name[n] = '\0';
	listen_on_vhost();
	status = rte_dev_probe(device);
	return status < 0 ? status : rte_eth_dev_get_port_by_name(name, id);
}

int
port_device_find(const struct config *config, unsigned int index, uint16_t *id,
		 struct port_ring *ring)
{
	const char *device = config->ports[index].device;
	unsigned int before = 0;
	int status;

	for (unsigned int i = 0; i < index; i++)
		before += config->ports[i].device[0] == '\0';
	if (device[0] == '\0') {
		if (nth(before, id) == 0)
			return 0;
		log_failure(
			"[port %u] has no device: EAL found %u; check the devices in [dataplane] "
			"eal (\"%s\")",
			index, rte_eth_dev_count_avail(), config->eal);
		return -1;
	}
	if (strncmp(device, "ring,", 5) == 0) {
		status = port_ring_attach(device + 5, ring);
		*id = (uint16_t)status;
	} else {
		status = attach(device, id);
	}
	if (status < 0)
		log_failure("[port %u] device = %s: %s", index, device, rte_strerror(-status));
	return status < 0 ? -1 : 0;
}
