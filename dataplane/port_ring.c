/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Two devices over two rings: see port_ring.h. The rings are found by name, so that who comes
 * second finds what the first has made; they live as long as the process.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <rte_errno.h>
#include <rte_eth_ring.h>
#include <rte_ethdev.h>

#include "dataplane/port_ring.h"

enum {
	FRAMES = 512, /* under way in each direction: they stay in the cache */
	DONE = 4096,  /* no less than can be under way, copied and not reaped */
	BURST = 64,
	ONE_EACH = RING_F_SP_ENQ | RING_F_SC_DEQ,
};

/* A ring of the pair, made if it is not there. */
static struct rte_ring *
ring(const char *name, const char *what, unsigned int side, unsigned int size)
{
	char text[RTE_RING_NAMESIZE];
	struct rte_ring *r;

	if (snprintf(text, sizeof(text), "%s%u%s", what, side, name) >= (int)sizeof(text))
		return NULL;
	r = rte_ring_lookup(text);
	return r != NULL ? r : rte_ring_create(text, size, SOCKET_ID_ANY, ONE_EACH);
}

int
port_ring_attach(const char *name, struct port_ring *end)
{
	char text[RTE_ETH_NAME_MAX_LEN], device[RTE_ETH_NAME_MAX_LEN + 16];
	struct rte_ring *in, *out;
	unsigned int side = 0;
	uint16_t id;
	int status;

	do {
		snprintf(text, sizeof(text), "%u%s", side, name);
		snprintf(device, sizeof(device), "net_ring_%s", text);
	} while (rte_eth_dev_get_port_by_name(device, &id) == 0 && ++side < 2);
	if (side == 2)
		return -EEXIST;
	in = ring(name, "f", !side, FRAMES);
	out = ring(name, "f", side, FRAMES);
	end->back = ring(name, "d", side, DONE);
	end->done = ring(name, "d", !side, DONE);
	if (in == NULL || out == NULL || end->back == NULL || end->done == NULL)
		return -ENOMEM;
	status = rte_eth_from_rings(text, &in, 1, &out, 1, 0);
	return status < 0 ? -rte_errno : status;
}

uint16_t
port_ring_copy(const struct port_ring *end, struct rte_mempool *pool, struct rte_mbuf **frames,
	       uint16_t n)
{
	struct rte_mbuf *copied[BURST];
	uint16_t kept = 0, taken = 0;
	unsigned int given;

	for (; taken < n && taken < BURST; taken++) {
		struct rte_mbuf *copy = rte_pktmbuf_copy(frames[taken], pool, 0, UINT32_MAX);

		copied[taken] = frames[taken];
		if (copy != NULL) {
			copy->ol_flags = 0;
			frames[kept++] = copy;
		}
	}
	given = rte_ring_enqueue_burst(end->back, (void **)copied, taken, NULL);
	for (; given < taken; given++) /* never: there is room for all that can be under way */
		rte_pktmbuf_free(copied[given]);
	return kept;
}

void
port_ring_reap(const struct port_ring *end)
{
	struct rte_mbuf *frames[BURST];
	unsigned int n;

	do {
		n = rte_ring_dequeue_burst(end->done, (void **)frames, BURST, NULL);
		rte_pktmbuf_free_bulk(frames, n);
	} while (n == BURST);
}

void
port_ring_clear(const struct port_ring *end, uint16_t id)
{
	struct rte_mbuf *frames[BURST];
	uint16_t n;

	while ((n = rte_eth_rx_burst(id, 0, frames, BURST)) != 0)
		rte_pktmbuf_free_bulk(frames, n);
	port_ring_reap(end);
}
