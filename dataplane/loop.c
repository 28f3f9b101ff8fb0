/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Packets to ourselves: sockets of one ternd talk to each other through its addresses, and nothing
 * of it gets to a port.
 *
 *     net_send ─ loop_put ─▶ [ oldest ... newest ] ─ net_advance ─ loop_input ─ ip4_input ─ env.tcp
 *                             net->loop, a ring         in the next iteration
 *
 * A packet is copied into the buffers that devices receive into, as it comes out of the queue. What
 * a receive queue holds then is what it always holds: buffers of its own lane, of their full size,
 * with room to join small segments. By reference it would hold the senders' buffers, header mbufs
 * among them, for as long as its reader likes, and without those no acknowledgment can leave; and
 * bytes that a sender can still change (a program's arena, a file) would be delivered while they
 * change. Linux copies such bytes on lo, too.
 *
 * Segments are as large as one packet carries by reference: PACKET_MBUFS buffers. Linux's lo has an
 * MTU of 65,536.
 *
 * Invariants: checksums are neither made nor looked at; no iteration takes in more than
 * BURST_PACKETS packets and a little over BURST_BYTES bytes, so that ports get their turn; what is
 * sent while packets are taken in waits for the next iteration. A full queue, or no buffer, loses a
 * packet, counted, and TCP sends it again.
 */
#include "dataplane/loop.h"

enum {
	BURST_PACKETS = 64,   /* as many as from a device */
	BURST_BYTES = 262144, /* of IP packets */
	PACKET_MBUFS = 7,     /* that one packet refers to at most */
	MBUF_BYTES = 2048,    /* of payload in each, if it is full */
	TCP_HEADER_BYTES = 32 /* with timestamps */
};

void
loop_put(struct net *net, struct rte_mbuf *m)
{
	if (net->n_loop == NET_LOOP_PACKETS) {
		NET_DROP(net, m, drop_loop_full);
		return;
	}
	net->loop[(net->loop_head + net->n_loop++) & (NET_LOOP_PACKETS - 1)] = m;
}

static struct rte_mbuf *
take_oldest(struct net *net)
{
	struct rte_mbuf *m = net->loop[net->loop_head];

	net->loop_head = (net->loop_head + 1) & (NET_LOOP_PACKETS - 1);
	net->n_loop--;
	return m;
}

/* The packet as a device would deliver it; NULL: dropped. */
static struct rte_mbuf *
receive(struct net *net, struct rte_mbuf *sent)
{
	struct rte_mbuf *m = rte_pktmbuf_copy(sent, net->pool, 0, UINT32_MAX);

	if (m == NULL) {
		NET_DROP(net, sent, drop_no_mbuf);
		return NULL;
	}
	rte_pktmbuf_free(sent);
	m->ol_flags = RTE_MBUF_F_RX_IP_CKSUM_GOOD | RTE_MBUF_F_RX_L4_CKSUM_GOOD;
	return m;
}

/* Takes one in. Returns the packet if it is one for env.tcp. */
static struct rte_mbuf *
input(struct net *net, struct rte_mbuf *sent)
{
	struct packet p = {.port = &net->ports[0], .looped = true};
	uint8_t version;

	p.m = receive(net, sent);
	if (p.m == NULL)
		return NULL;
	/* It had an IP header: by its address it came here. */
	version = *rte_pktmbuf_mtod(p.m, const uint8_t *) >> 4;
	return version == 4 ? ip4_input(net, &p) : ip6_input(net, &p);
}

void
loop_input(struct net *net)
{
	uint32_t n = RTE_MIN(net->n_loop, (uint32_t)BURST_PACKETS), bytes = 0, taken;
	struct rte_mbuf *packets[BURST_PACKETS];
	unsigned int n_tcp = 0;

	for (taken = 0; taken < n && bytes < BURST_BYTES; taken++) {
		struct rte_mbuf *m = take_oldest(net);

		bytes += rte_pktmbuf_pkt_len(m);
		m = input(net, m);
		if (m != NULL)
			packets[n_tcp++] = m;
	}
	NET_COUNT_N(net, looped, taken);
	net_hand_to_tcp(net, packets, n_tcp);
}

void
loop_path(const struct ip_addr *remote, struct tcp_path *path)
{
	uint32_t header_bytes =
		ip_is4(remote) ? sizeof(struct ip4_header) : sizeof(struct ip6_header);

	path->hop = 0;
	path->mtu = (uint16_t)(PACKET_MBUFS * MBUF_BYTES + header_bytes + TCP_HEADER_BYTES);
	path->flags = TCP_PATH_TX_IP4_CKSUM | TCP_PATH_TX_TCP_CKSUM | TCP_PATH_TX_MULTI_SEG;
	path->tso = (struct tcp_tso_limits){0};
}

void
loop_clear(struct net *net)
{
	while (net->n_loop != 0)
		rte_pktmbuf_free(take_oldest(net));
}
