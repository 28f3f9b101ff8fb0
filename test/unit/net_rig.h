/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An IP layer on a test bench: its frames, TCP packets and news are recorded, its clock is turned
 * by hand, its random numbers are known.
 *
 * Port 0 has RIG_MAC, 198.18.0.2/24 and 2001:db8:18::2/64, gateway 198.18.0.254, none for IPv6.
 * Every random number is half of its range: duplicate address detection waits 0.5 s before it asks,
 * ReachableTime is 30 s.
 */
#ifndef TERN_TEST_NET_RIG_H
#define TERN_TEST_NET_RIG_H

#include "dataplane/net_impl.h"
#include "frames.h"
#include "unit.h"

#define RIG_MAC "00:16:3e:00:00:02"
#define RIG_IP4 "198.18.0.2"
#define RIG_IP6 "2001:db8:18::2"
#define RIG_LINK_LOCAL "fe80::216:3eff:fe00:2" /* by EUI-64 */
#define PEER_MAC "02:00:00:00:00:01"
#define PEER_IP4 "198.18.0.1"
#define PEER_IP6 "2001:db8:18::1"
#define PEER_LINK_LOCAL "fe80::1"

enum {
	RIG_POOL = 4095,
	RIG_RECORDS = 2048,
	RIG_SECOND = 1000000,
	RIG_SETTLED = 100 * RIG_SECOND, /* the time of a settled rig */
};

struct rig_frame {
	uint64_t at_us;
	uint16_t port;
	uint64_t ol_flags;
	struct frame f;
};

struct rig {
	struct net *net;
	struct rte_mempool *pool;
	uint64_t now_us;
	uint32_t random;

	struct config_port config[CONFIG_MAX_PORTS]; /* to be changed before rig_start() */
	struct net_port ports[CONFIG_MAX_PORTS];
	struct net_config net_config;

	struct rig_frame *out; /* frames sent */
	unsigned int n_out;
	struct rte_mbuf *tcp[RIG_RECORDS]; /* packets for TCP; freed by rig_forget() */
	unsigned int n_tcp;
	unsigned int tcp_bursts;
	struct tcp_icmp icmp[RIG_RECORDS];
	unsigned int n_icmp;
	struct net_neighbour_news news[RIG_RECORDS];
	unsigned int n_news;
	unsigned int paths_changed;
};

/* Sets up the configuration above. */
struct rig *rig_new(void);

/* Makes the layer, at time 0. */
void rig_start(struct rig *rig);

/* The same, and lets it do its detection and announcements and forgets them: RIG_SETTLED. */
struct rig *rig_settled(void);

/* Tears down and asserts that every mbuf is back in its pool. */
void rig_free(struct rig *rig);

/* Lets time pass, stopping at each timer, until `us`. */
void rig_until(struct rig *rig, uint64_t us);

/* A frame arrives on port 0; in mbufs of `segment` bytes. */
void rig_in(struct rig *rig, const struct frame *f);
void rig_in_segments(struct rig *rig, const struct frame *f, unsigned int segment);
void rig_in_flags(struct rig *rig, const struct frame *f, uint64_t ol_flags);

/* TCP sends a packet: an ACK from `src` to `dst`, over a hop. */
void rig_send(struct rig *rig, const char *src, const char *dst, uint32_t hop);

/* The path to an address; its hop. Fails the test if there is none. */
struct tcp_path rig_path(struct rig *rig, const char *remote);

/* Forgets what was recorded. */
void rig_forget(struct rig *rig);

/* A counter's value, and the neighbour state of an address as listed ("" if absent). */
#define RIG_COUNT(rig, name) ((rig)->net->stats.name)
const char *rig_state(struct rig *rig, const char *address);

/* Teaches it a neighbour's MAC address, so that it is REACHABLE, and forgets how. */
void rig_resolve(struct rig *rig, const char *address, const char *mac_text);

#endif
