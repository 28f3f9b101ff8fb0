/* SPDX-License-Identifier: BSD-3-Clause */
/* How large a frame a memif carries: see port_memif.h. */
#include <stdlib.h>
#include <string.h>

#include <rte_dev.h>
#include <rte_devargs.h>
#include <rte_ether.h>

#include "dataplane/port_memif.h"

enum {
	BUFFER_BYTES = 2048, /* without `bsize`, as the driver has it */
};

/* The value of `bsize=`, the last if there are several; the driver has taken it already. */
static unsigned long
buffer_bytes(const char *arguments)
{
	static const char key[] = "bsize=";
	unsigned long bytes = BUFFER_BYTES;

	while (arguments != NULL && *arguments != '\0') {
		const char *end = strchr(arguments, ',');

		if (strncmp(arguments, key, sizeof(key) - 1) == 0)
			bytes = strtoul(arguments + sizeof(key) - 1, NULL, 10);
		arguments = end != NULL ? end + 1 : NULL;
	}
	return bytes;
}

uint16_t
port_memif_max_mtu(const char *arguments)
{
	unsigned long bytes = buffer_bytes(arguments);

	if (bytes <= RTE_ETHER_HDR_LEN)
		return 0;
	return (uint16_t)RTE_MIN(bytes - RTE_ETHER_HDR_LEN, (unsigned long)UINT16_MAX);
}

bool
port_memif_correct(struct rte_eth_dev_info *info)
{
	const struct rte_devargs *given;

	if (strcmp(info->driver_name, "net_memif") != 0)
		return false;
	given = rte_dev_devargs(info->device);
	info->max_mtu = port_memif_max_mtu(given != NULL ? given->args : NULL);
	return true;
}
