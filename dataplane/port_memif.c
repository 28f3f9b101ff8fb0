/* SPDX-License-Identifier: BSD-3-Clause */
/* How large a frame a memif carries, and what one that does not copy needs: see port_memif.h. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include <rte_dev.h>
#include <rte_devargs.h>
#include <rte_errno.h>
#include <rte_ether.h>
#include <rte_memory.h>

#include "dataplane/port_memif.h"

enum {
	BUFFER_BYTES = 2048, /* without `bsize`, as the driver has it */
	RING_BITS = 10,      /* without `rsize` */
	RING_BITS_MAX = 14,
	VALUE_BYTES = 32,
};

/* ---- Arguments */

/* The value of `key=`, the last if there are several; the driver has taken it already. */
static bool
value_of(const char *arguments, const char *key, char value[VALUE_BYTES])
{
	size_t n = strlen(key);
	bool found = false;

	while (arguments != NULL && *arguments != '\0') {
		const char *end = strchr(arguments, ',');

		if (strncmp(arguments, key, n) == 0) {
			snprintf(value, VALUE_BYTES, "%.*s", (int)strcspn(arguments + n, ","),
				 arguments + n);
			found = true;
		}
		arguments = end != NULL ? end + 1 : NULL;
	}
	return found;
}

static const char *
arguments_of(const struct rte_eth_dev_info *info)
{
	const struct rte_devargs *given = rte_dev_devargs(info->device);

	return given != NULL ? given->args : NULL;
}

uint16_t
port_memif_max_mtu(const char *arguments)
{
	unsigned long bytes = BUFFER_BYTES;
	char value[VALUE_BYTES];

	if (value_of(arguments, "bsize=", value))
		bytes = strtoul(value, NULL, 10);
	if (bytes <= RTE_ETHER_HDR_LEN)
		return 0;
	return (uint16_t)RTE_MIN(bytes - RTE_ETHER_HDR_LEN, (unsigned long)UINT16_MAX);
}

/* As the driver has it: who says no role is a client, and a server always copies. */
bool
port_memif_copies_nothing(const char *arguments)
{
	char value[VALUE_BYTES];

	if (value_of(arguments, "role=", value) &&
	    (strstr(value, "server") != NULL || strstr(value, "master") != NULL))
		return false;
	return value_of(arguments, "zero-copy=", value) && strstr(value, "yes") != NULL;
}

bool
port_memif_zero_copy(const struct rte_eth_dev_info *info)
{
	return strcmp(info->driver_name, "net_memif") == 0 &&
	       port_memif_copies_nothing(arguments_of(info));
}

unsigned int
port_memif_ring_frames(const struct rte_eth_dev_info *info)
{
	unsigned long bits = RING_BITS;
	char value[VALUE_BYTES];

	if (value_of(arguments_of(info), "rsize=", value))
		bits = strtoul(value, NULL, 10);
	return 1u << RTE_MIN(bits, (unsigned long)RING_BITS_MAX);
}

bool
port_memif_correct(struct rte_eth_dev_info *info)
{
	if (strcmp(info->driver_name, "net_memif") != 0)
		return false;
	info->max_mtu = port_memif_max_mtu(arguments_of(info));
	return true;
}

/* ---- Memory that a server sees */

/*
 * The driver is found this one instead of EAL's, as the program comes before its libraries; what
 * EAL's gives is EAL's own descriptor, by which it makes its memory larger, and the driver closes
 * what it gets.
 */
int
rte_memseg_get_fd(const struct rte_memseg *ms)
{
	int fd = rte_memseg_get_fd_thread_unsafe(ms); /* its callers walk, which locks */

	return fd < 0 ? fd : fcntl(fd, F_DUPFD_CLOEXEC, 0);
}

struct seen {
	unsigned int lists;
	uint64_t bytes;
	bool holes;
};

static int
look_at_list(const struct rte_memseg_list *list, void *arg)
{
	struct seen *seen = arg;
	struct rte_fbarray *pages = (struct rte_fbarray *)(uintptr_t)&list->memseg_arr; /* asked */

	if (pages->count == 0)
		return 0;
	seen->lists++;
	seen->bytes += pages->count * list->page_sz;
	seen->holes |= rte_fbarray_find_contig_used(pages, 0) != (int)pages->count;
	return 0;
}

static int
refuse_growth(int socket_id, size_t limit, size_t size)
{
	(void)socket_id;
	(void)limit;
	(void)size;
	return -1;
}

/* What came later the server would look for in memory that it has not. */
static bool
forbid_growth(void)
{
	for (unsigned int i = 0; i < rte_socket_count(); i++)
		if (rte_mem_alloc_validator_register("memif", refuse_growth,
						     rte_socket_id_by_idx(i), 0) < 0 &&
		    rte_errno != EEXIST && rte_errno != ENOTSUP)
			return false;
	return true;
}

const char *
port_memif_share_memory(void)
{
	struct seen seen = {0};

	if (!forbid_growth() || rte_memseg_list_walk(look_at_list, &seen) < 0)
		return "cannot keep EAL's memory as it is";
	if (seen.lists != 1 || seen.holes)
		return "EAL's memory is not one piece; give it huge pages of one size, on one node "
		       "(--socket-mem), or none";
	if (seen.bytes > UINT32_MAX)
		return "EAL's memory is more than 4 GB; lower [limits]";
	return NULL;
}
