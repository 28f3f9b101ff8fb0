/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * dataplane/lane_steer.c: beside DPDK's own slow hash and the table of net_null, which tells both
 * and spreads nothing, and by the examples of Microsoft's "Verifying the RSS Hash Calculation".
 */
#include <arpa/inet.h>

#include <rte_dev.h>
#include <rte_thash.h>

#include "dataplane/lane_steer.h"
#include "unit.h"

enum {
	QUEUES_MAX = 64,
	RETA = 128,
	TUPLES = 2000,
	PORTS = 65536,
};

static uint8_t key[] = {
	0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67, 0x25, 0x3d, 0x43, 0xa3,
	0x8f, 0xb0, 0xd0, 0xca, 0x2b, 0xcb, 0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3,
	0x80, 0x30, 0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa,
};

static struct ip_addr
ip_of(const char *text)
{
	struct ip_addr ip;
	be32_t ip4;

	if (inet_pton(AF_INET6, text, ip.w) == 1)
		return ip;
	CU_ASSERT(inet_pton(AF_INET, text, &ip4) == 1);
	return ip_from4(ip4);
}

static struct tcp_tuple
any_tuple(bool is4)
{
	struct tcp_tuple t = {.lport = be16((uint16_t)rand()), .rport = be16((uint16_t)rand())};

	for (unsigned int i = 0; i < 4; i++) {
		t.local.w[i] = (uint32_t)rand() * 2654435761u;
		t.remote.w[i] = (uint32_t)rand() * 2654435761u;
	}
	if (is4) {
		t.local = ip_from4((be32_t){t.local.w[3]});
		t.remote = ip_from4((be32_t){t.remote.w[3]});
	}
	return t;
}

static uint32_t
slow_hash(const struct tcp_tuple *t)
{
	unsigned int n = 0;
	uint32_t words[9];

	for (unsigned int i = ip_is4(&t->local) ? 3 : 0; i < 4; i++)
		words[n++] = rte_be_to_cpu_32(t->remote.w[i]);
	for (unsigned int i = ip_is4(&t->local) ? 3 : 0; i < 4; i++)
		words[n++] = rte_be_to_cpu_32(t->local.w[i]);
	words[n++] = (uint32_t)be16_get(t->rport) << 16 | be16_get(t->lport);
	return rte_softrss(words, n, key);
}

/* A device that has not been asked for anything, of so many lanes and queues. */
static struct port_device
device_of(unsigned int n_lanes, unsigned int queues)
{
	struct port_device device = {.n_lanes = n_lanes, .queues = queues};

	for (unsigned int i = 0; i < n_lanes; i++)
		device.lanes[i] = (uint8_t)i;
	return device;
}

/* net_null with the key and a table of ours; its lanes are those of a port that has not all. */
static struct port_device
make_null(uint16_t queues, uint16_t reta_queues[RETA])
{
	struct rte_eth_conf conf = {.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS};
	struct rte_eth_rss_conf rss = {.rss_key = key, .rss_key_len = sizeof(key)};
	struct rte_eth_rss_reta_entry64 reta[RETA / RTE_ETH_RETA_GROUP_SIZE];
	struct port_device device = device_of(queues, queues);
	struct rte_eth_dev_info info;

	CU_ASSERT_FATAL(rte_eal_hotplug_add("vdev", "net_null0", "") == 0);
	CU_ASSERT_FATAL(rte_eth_dev_get_port_by_name("net_null0", &device.id) == 0);
	CU_ASSERT_FATAL(rte_eth_dev_info_get(device.id, &info) == 0);
	CU_ASSERT_FATAL(info.reta_size == RETA);
	conf.rx_adv_conf.rss_conf.rss_hf = info.flow_type_rss_offloads;
	CU_ASSERT_FATAL(rte_eth_dev_configure(device.id, queues, queues, &conf) == 0);
	rss.rss_hf = info.flow_type_rss_offloads;
	UNIT_EQ(rte_eth_dev_rss_hash_update(device.id, &rss), 0);
	memset(reta, 0xff, sizeof(reta));
	for (unsigned int i = 0; i < RETA; i++)
		reta[i / RTE_ETH_RETA_GROUP_SIZE].reta[i % RTE_ETH_RETA_GROUP_SIZE] =
			reta_queues[i];
	UNIT_EQ(rte_eth_dev_rss_reta_update(device.id, reta, RETA), 0);
	device.rss = true;
	for (unsigned int i = 0; i < queues; i++)
		device.lanes[i] = (uint8_t)(queues - 1 - i);
	return device;
}

UNIT_CASE(a_devices_table_is_honoured)
{
	uint16_t reta[RETA];
	struct port_device device;
	struct lane_steer *steer;

	srand(1);
	for (unsigned int i = 0; i < RETA; i++)
		reta[i] = (uint16_t)(rand() % 5);
	device = make_null(5, reta);
	steer = lane_steer_create(&device, 1);
	CU_ASSERT_FATAL(steer != NULL);
	CU_ASSERT(lane_steer_by_device(steer, 0));
	for (unsigned int i = 0; i < TUPLES; i++) {
		struct tcp_tuple t = any_tuple(i % 2 == 0);

		UNIT_EQ(lane_steer_owner(steer, 0, &t), 4u - reta[slow_hash(&t) % RETA]);
	}
	lane_steer_free(steer);
	/* A table that leads where no lane is, or too few queues: lanes do it themselves. */
	device.queues = 4;
	steer = lane_steer_create(&device, 1);
	CU_ASSERT(!lane_steer_by_device(steer, 0));
	lane_steer_free(steer);
	UNIT_EQ(rte_eal_hotplug_remove("vdev", "net_null0"), 0);
}

UNIT_CASE(hashes_are_as_microsoft_says)
{
	static const struct {
		const char *to, *from;
		uint16_t lport, rport;
		uint32_t hash;
	} examples[] = {
		{"161.142.100.80", "66.9.149.187", 1766, 2794, 0x51ccc178},
		{"65.69.140.83", "199.92.111.2", 4739, 14230, 0xc626b0ea},
		{"3ffe:2501:200:3::1", "3ffe:2501:200:1fff::7", 1766, 2794, 0x40207d3d},
		{"ff02::1", "3ffe:501:8::260:97ff:fe40:efab", 4739, 14230, 0xdde51bbf},
	};
	uint16_t reta[RETA];
	struct port_device device;
	struct lane_steer *steer;

	for (uint16_t i = 0; i < RETA; i++)
		reta[i] = i % QUEUES_MAX;
	device = make_null(QUEUES_MAX, reta);
	steer = lane_steer_create(&device, 1);
	CU_ASSERT_FATAL(steer != NULL);
	for (unsigned int i = 0; i < RTE_DIM(examples); i++) {
		struct tcp_tuple t = {.local = ip_of(examples[i].to),
				      .remote = ip_of(examples[i].from),
				      .lport = be16(examples[i].lport),
				      .rport = be16(examples[i].rport)};

		UNIT_EQ(lane_steer_owner(steer, 0, &t),
			QUEUES_MAX - 1 - examples[i].hash % QUEUES_MAX);
	}
	lane_steer_free(steer);
	UNIT_EQ(rte_eal_hotplug_remove("vdev", "net_null0"), 0);
}

UNIT_CASE(one_lane_has_all)
{
	struct port_device device = device_of(1, 1);
	struct lane_steer *steer;
	struct tcp_tuple t = any_tuple(true);

	device.lanes[0] = 7;
	steer = lane_steer_create(&device, 1);
	CU_ASSERT(lane_steer_by_device(steer, 0));
	UNIT_EQ(lane_steer_owner(steer, 0, &t), 7);
	lane_steer_free(steer);
}

/* Where lanes steer: all ports say the same, and the lanes have about the same. */
UNIT_CASE(lanes_are_balanced)
{
	for (unsigned int n = 2; n <= 16; n++) {
		struct port_device devices[2] = {device_of(n, 1), device_of(n, 2)};
		struct lane_steer *steer = lane_steer_create(devices, 2);
		unsigned int has[16] = {0};
		struct tcp_tuple t = any_tuple(n % 2 == 0);

		CU_ASSERT_FATAL(steer != NULL);
		CU_ASSERT(!lane_steer_by_device(steer, 0));
		CU_ASSERT(!lane_steer_is_mixed(steer));
		/* One client's ports, in order: what connections mostly differ by. */
		for (unsigned int i = 0; i < PORTS; i++) {
			unsigned int lane;

			t.rport = be16((uint16_t)i);
			lane = lane_steer_owner(steer, 0, &t);
			CU_ASSERT_FATAL(lane < n);
			UNIT_EQ(lane_steer_owner(steer, 1, &t), lane);
			has[lane]++;
		}
		for (unsigned int i = 0; i < n; i++)
			CU_ASSERT(has[i] > PORTS / 10 * 9 / n && has[i] < PORTS / 10 * 11 / n);
		lane_steer_free(steer);
	}
}

/* Whatever the secret: a client's next ports do not all go to one lane. */
UNIT_CASE(few_connections_are_balanced)
{
	struct port_device device = device_of(2, 1);

	for (unsigned int k = 0; k < 1000; k++) {
		struct lane_steer *steer = lane_steer_create(&device, 1);
		struct tcp_tuple t = any_tuple(k % 2 == 0);
		unsigned int firsts = 0;

		CU_ASSERT_FATAL(steer != NULL);
		for (unsigned int i = 0; i < 40; i++) {
			t.rport = be16((uint16_t)(32768 + i));
			firsts += lane_steer_owner(steer, 0, &t) == 0;
		}
		CU_ASSERT(firsts >= 3 && firsts <= 37);
		lane_steer_free(steer);
	}
}

UNIT_CASE(ports_of_other_lanes_are_mixed)
{
	struct port_device devices[2] = {device_of(2, 1), device_of(2, 1)};
	struct lane_steer *steer;
	struct tcp_tuple t = any_tuple(true);

	devices[1].lanes[0] = 2;
	devices[1].lanes[1] = 3;
	steer = lane_steer_create(devices, 2);
	CU_ASSERT_FATAL(steer != NULL);
	CU_ASSERT(lane_steer_is_mixed(steer));
	CU_ASSERT(lane_steer_owner(steer, 0, &t) < 2);
	CU_ASSERT(lane_steer_owner(steer, 1, &t) >= 2);
	lane_steer_free(steer);
}

UNIT_MAIN_EAL(UNIT_RUN(a_devices_table_is_honoured), UNIT_RUN(hashes_are_as_microsoft_says),
	      UNIT_RUN(one_lane_has_all), UNIT_RUN(lanes_are_balanced),
	      UNIT_RUN(few_connections_are_balanced), UNIT_RUN(ports_of_other_lanes_are_mixed))
