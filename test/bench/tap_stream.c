/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a tap carries at most of a stream of TCP: a sender on net_tap that is hardly any TCP. It
 * shakes hands with whoever connects to its port, and fills the window with full segments that were
 * laid out before: of each only the sequence number and the checksum are written. So what is left
 * of the time is the driver's, and the kernel's that receives: testpmd's datagrams, most of which
 * the kernel drops at a full socket, cost it less.
 *
 * Nothing is retransmitted but from the start, when acknowledgments have stopped for a while; one
 * connection at a time; IPv4; who sends to it is not checked. A tool for measuring, no server.
 *
 *     tap_stream [EAL OPTIONS] -- PORT        the device is EAL's first, its second lcore works;
 *                                             ends when its input does
 */
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_ethdev.h>
#include <rte_launch.h>

#include "dataplane/port_tap.h"
#include "tcp/checksum.h"
#include "tcp/options.h"
#include "tcp/wire.h"

enum {
	MTU = 1500,
	HEADERS = sizeof(struct ip4_header) + sizeof(struct tcp_header) +
		  TCP_TIMESTAMPS_ALIGNED_BYTES,
	PAYLOAD = MTU - HEADERS,
	FRAME = RTE_ETHER_HDR_LEN + MTU,
	BUFS = 4095,
	BUF_BYTES = 2048 + RTE_PKTMBUF_HEADROOM,
	BURST = 64,
	STUCK_MS = 50,
};

struct frame {
	struct rte_ether_hdr eth;
	struct ip4_header ip;
	struct tcp_header tcp;
	uint8_t rest[TCP_MAX_OPTION_BYTES];
} __attribute__((packed, aligned(2)));

static struct {
	struct rte_mempool *rx_pool, *small_pool, *full_pool;
	struct frame model; /* of what we send on this connection */
	struct ip_addr local, remote;
	bool open;
	be16_t peer_port;
	uint8_t wscale;
	uint32_t una, nxt, wnd; /* as in RFC 9293 */
	uint32_t iss;
	uint16_t sum; /* of a full segment without its sequence number */
	uint64_t acked_tsc;
} stream = {.iss = 1};

static uint16_t port; /* listened on */
static volatile bool over;

static void
die(const char *what)
{
	fprintf(stderr, "tap_stream: %s\n", what);
	exit(1);
}

/* ---- What is sent */

static void
put_sums(struct frame *f, unsigned int tcp_len)
{
	f->ip.total_len = be16((uint16_t)(sizeof(f->ip) + tcp_len));
	f->ip.cksum = be16(0);
	f->ip.cksum.raw = rte_ipv4_cksum((const struct rte_ipv4_hdr *)&f->ip);
	f->tcp.cksum = be16(0);
	f->tcp.cksum.raw = rte_ipv4_udptcp_cksum((const struct rte_ipv4_hdr *)&f->ip, &f->tcp);
}

/* A segment without payload. */
static void
send_small(uint8_t flags, uint32_t seq, const uint8_t *options, unsigned int options_len)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(stream.small_pool);
	unsigned int tcp_len = (unsigned int)sizeof(struct tcp_header) + options_len;
	struct frame *f;

	if (m == NULL)
		return;
	f = (struct frame *)rte_pktmbuf_append(
		m, (uint16_t)(RTE_ETHER_HDR_LEN + sizeof(struct ip4_header) + tcp_len));
	memcpy(f, &stream.model, offsetof(struct frame, rest));
	memcpy(f->rest, options, options_len);
	f->tcp.seq = be32(seq);
	f->tcp.flags = flags;
	f->tcp.data_off = (uint8_t)(tcp_len / 4 << 4);
	put_sums(f, tcp_len);
	if (rte_eth_tx_burst(0, 0, &m, 1) == 0)
		rte_pktmbuf_free(m);
}

/* Lays a full segment out in a buffer of the pool. */
static void
lay_out(struct rte_mempool *pool, void *opaque, void *object, unsigned int index)
{
	struct rte_mbuf *m = object;
	uint8_t *at = (uint8_t *)m->buf_addr + RTE_PKTMBUF_HEADROOM;

	(void)pool;
	(void)index;
	memcpy(at, opaque, FRAME);
}

static void
lay_out_all(void)
{
	static uint8_t bytes[FRAME] __rte_aligned(2);
	struct frame *f = (struct frame *)bytes;

	memcpy(f, &stream.model, sizeof(*f));
	f->tcp.data_off = (uint8_t)((sizeof(f->tcp) + TCP_TIMESTAMPS_ALIGNED_BYTES) / 4 << 4);
	f->tcp.flags = TCP_ACK;
	for (unsigned int i = RTE_ETHER_HDR_LEN + HEADERS; i < FRAME; i++)
		bytes[i] = (uint8_t)i;
	f->tcp.seq = be32(0);
	put_sums(f, MTU - sizeof(f->ip));
	stream.sum = (uint16_t)~f->tcp.cksum.raw;
	rte_mempool_obj_iter(stream.full_pool, lay_out, bytes);
}

static struct rte_mbuf *
next_segment(void)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(stream.full_pool);
	struct frame *f;
	uint32_t sum;

	if (m == NULL)
		return NULL;
	m->data_len = FRAME;
	m->pkt_len = FRAME;
	f = rte_pktmbuf_mtod(m, struct frame *);
	f->tcp.seq = be32(stream.nxt);
	sum = stream.sum + (uint32_t)(f->tcp.seq.raw & 0xffff) + (f->tcp.seq.raw >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	f->tcp.cksum.raw = (uint16_t) ~(uint16_t)((sum & 0xffff) + (sum >> 16));
	stream.nxt += PAYLOAD;
	return m;
}

static void
fill_window(void)
{
	while (stream.una + stream.wnd - stream.nxt >= PAYLOAD &&
	       stream.una + stream.wnd - stream.nxt < UINT32_MAX / 2) {
		struct rte_mbuf *burst[BURST];
		uint16_t n = 0, sent;

		while (n < BURST && stream.una + stream.wnd - stream.nxt >= PAYLOAD &&
		       stream.una + stream.wnd - stream.nxt < UINT32_MAX / 2) {
			burst[n] = next_segment();
			if (burst[n] == NULL)
				break;
			n++;
		}
		sent = rte_eth_tx_burst(0, 0, burst, n);
		if (sent == n)
			continue;
		stream.nxt -= (uint32_t)(n - sent) * PAYLOAD;
		rte_pktmbuf_free_bulk(burst + sent, n - sent);
		return;
	}
}

/* ---- What comes */

static void
take_syn(const struct frame *f, const struct tcp_options *syn, const struct rte_ether_addr *mac)
{
	struct tcp_options answer = {.has_mss = true,
				     .mss = MTU - sizeof(struct ip4_header) -
					    sizeof(struct tcp_header),
				     .has_timestamps = true,
				     .has_wscale = true,
				     .wscale_shift = 7,
				     .ts_val = 1,
				     .ts_ecr = syn->ts_val};
	uint8_t options[TCP_MAX_OPTION_BYTES];
	struct frame *model = &stream.model;

	*model = (struct frame){
		.eth = {.dst_addr = f->eth.src_addr,
			.src_addr = *mac,
			.ether_type = f->eth.ether_type},
		.ip = {.version_ihl = 0x45,
		       .frag = be16(IP4_DF),
		       .ttl = 64,
		       .proto = IP_PROTO_TCP,
		       .src = f->ip.dst,
		       .dst = f->ip.src},
		.tcp = {.sport = f->tcp.dport,
			.dport = f->tcp.sport,
			.ack = be32(be32_get(f->tcp.seq) + 1),
			.wnd = be16(UINT16_MAX)},
	};
	tcp_options_encode_timestamps(1, syn->ts_val, model->rest);
	stream.peer_port = f->tcp.sport;
	stream.wscale = syn->wscale_shift;
	stream.iss += 1u << 30;
	stream.una = stream.iss;
	stream.open = false;
	send_small(TCP_SYN | TCP_ACK, stream.iss, options,
		   tcp_options_encode_syn(&answer, options));
}

static void
take_ack(const struct frame *f)
{
	uint32_t ack = be32_get(f->tcp.ack);

	if (!stream.open) {
		if (ack != stream.iss + 1)
			return;
		lay_out_all();
		stream.open = true;
		stream.nxt = stream.una = ack;
	}
	if (ack - stream.una < UINT32_MAX / 2) {
		if (ack != stream.una)
			stream.acked_tsc = rte_rdtsc();
		stream.una = ack;
		stream.wnd = (uint32_t)be16_get(f->tcp.wnd) << stream.wscale;
	}
}

static void
take(struct rte_mbuf *m, const struct rte_ether_addr *mac)
{
	const struct frame *f = rte_pktmbuf_mtod(m, const struct frame *);
	unsigned int options_len;
	struct tcp_options syn;

	if (m->data_len < offsetof(struct frame, rest) ||
	    f->eth.ether_type != rte_cpu_to_be_16(RTE_ETHER_TYPE_IPV4) ||
	    f->ip.version_ihl != 0x45 || f->ip.proto != IP_PROTO_TCP ||
	    be16_get(f->tcp.dport) != port)
		return;
	options_len = (f->tcp.data_off >> 4) * 4u - (unsigned int)sizeof(f->tcp);
	if (f->tcp.flags & TCP_SYN) {
		if (options_len > sizeof(f->rest) ||
		    m->data_len < offsetof(struct frame, rest) + options_len ||
		    !tcp_options_decode(f->rest, options_len, true, &syn) || !syn.has_wscale ||
		    !syn.has_timestamps)
			die("no SYN with timestamps and window scale");
		take_syn(f, &syn, mac);
		return;
	}
	if (f->tcp.sport.raw != stream.peer_port.raw)
		return;
	if (f->tcp.flags & TCP_FIN)
		send_small(TCP_RST | TCP_ACK, stream.nxt, NULL, 0);
	if (f->tcp.flags & (TCP_FIN | TCP_RST)) {
		stream.open = false;
		stream.peer_port = be16(0);
	} else if (f->tcp.flags & TCP_ACK) {
		take_ack(f);
	}
}

static int
run(void *unused)
{
	uint64_t patience = rte_get_tsc_hz() / 1000 * STUCK_MS;
	struct rte_ether_addr mac;

	(void)unused;
	rte_eth_macaddr_get(0, &mac);
	while (!over) {
		struct rte_mbuf *burst[BURST];
		uint16_t n = rte_eth_rx_burst(0, 0, burst, BURST);

		for (uint16_t i = 0; i < n; i++)
			take(burst[i], &mac);
		rte_pktmbuf_free_bulk(burst, n);
		if (!stream.open)
			continue;
		if (stream.nxt != stream.una && rte_rdtsc() - stream.acked_tsc > patience) {
			stream.nxt = stream.una;
			stream.acked_tsc = rte_rdtsc();
		}
		fill_window();
	}
	return 0;
}

static struct rte_mempool *
pool(const char *name)
{
	struct rte_mempool *made =
		rte_pktmbuf_pool_create(name, BUFS, 256, 0, BUF_BYTES, SOCKET_ID_ANY);

	if (made == NULL)
		die("no memory");
	return made;
}

int
main(int argc, char **argv)
{
	struct rte_eth_conf conf = {.txmode.offloads = RTE_ETH_TX_OFFLOAD_MULTI_SEGS};
	unsigned int worker;
	int used;
	char byte;

	port_tap_block_signals();
	used = rte_eal_init(argc, argv);
	if (used < 0 || argc - used != 2)
		die("usage: tap_stream [EAL OPTIONS] -- PORT");
	port = (uint16_t)atoi(argv[used + 1]);
	worker = rte_get_next_lcore(-1, 1, 0);
	stream.rx_pool = pool("rx");
	stream.small_pool = pool("small");
	stream.full_pool = pool("full");
	if (worker == RTE_MAX_LCORE || rte_eth_dev_count_avail() == 0 ||
	    rte_eth_dev_configure(0, 1, 1, &conf) < 0 ||
	    rte_eth_rx_queue_setup(0, 0, 1024, 0, NULL, stream.rx_pool) < 0 ||
	    rte_eth_tx_queue_setup(0, 0, 1024, 0, NULL) < 0)
		die("no second lcore, or no device");
	port_tap_stop_signals();
	if (rte_eth_dev_start(0) < 0)
		die("the device does not start");
	rte_eal_remote_launch(run, NULL, worker);
	printf("ready\n");
	fflush(stdout);
	while (read(STDIN_FILENO, &byte, 1) > 0)
		;
	over = true;
	rte_eal_wait_lcore(worker);
	rte_eth_dev_stop(0);
	rte_eth_dev_close(0);
	return 0;
}
