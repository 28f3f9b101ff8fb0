/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Setting ternd up and taking it down. The order matters, and down is up reversed:
 *
 *     devices probed -> pools -> queues configured -> services started -> devices started ->
 *     IP layers, engines, services of each lane -> lanes run
 *
 * Devices give their buffers back when they are closed; only then are services in lanes ended, and
 * pools checked and freed, and only after them the services stopped whose memory buffers refer to.
 */
#include <errno.h>
#include <inttypes.h>
#include <sched.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include <rte_cycles.h>
#include <rte_lcore.h>
#include <rte_pdump.h>

#include "dataplane/config_values.h"
#include "dataplane/daemon.h"
#include "dataplane/log.h"
#include "dataplane/service_plugin.h"

/* ---- Up */

/* A driver's thread calls this when a link changed; the main thread looks. */
static int
take_link_event(uint16_t id, enum rte_eth_event_type type, void *arg, void *ret)
{
	const struct daemon *daemon = arg;

	(void)id;
	(void)type;
	(void)ret;
	eventfd_write(daemon->link_event, 1);
	return 0;
}

static int
probe_ports(struct daemon *daemon, uint16_t *max_mtu)
{
	unsigned int n = rte_eth_dev_count_avail();

	*max_mtu = 0;
	for (unsigned int i = 0; i < daemon->config.n_ports; i++) {
		if (port_probe(&daemon->ports[i], i, &daemon->config) < 0)
			return -1;
		if (daemon->ports[i].mtu > *max_mtu)
			*max_mtu = daemon->ports[i].mtu;
	}
	if (n > daemon->config.n_ports)
		log_line("EAL found %u devices; %u without a section [port N] are not used", n,
			 n - daemon->config.n_ports);
	return 0;
}

/* Whether another lane, or the main thread and whoever else needs a CPU, has this lane's only one.
 */
static bool
shares_cpu(const struct daemon *daemon, unsigned int index)
{
	rte_cpuset_t mine = rte_lcore_cpuset(daemon->lanes[index]->lcore), other, both;
	rte_cpuset_t main_set = rte_lcore_cpuset(rte_get_main_lcore());

	if (CPU_EQUAL(&mine, &main_set))
		return true;
	for (unsigned int i = 0; i < daemon->config.lanes; i++) {
		if (i == index)
			continue;
		other = rte_lcore_cpuset(daemon->lanes[i]->lcore);
		CPU_AND(&both, &mine, &other);
		if (CPU_COUNT(&both) != 0)
			return true;
	}
	return false;
}

static int
create_lanes(struct daemon *daemon, bool hugepages, uint16_t max_mtu)
{
	unsigned int lcore = rte_get_next_lcore(UINT32_MAX, 1, 0);

	for (unsigned int i = 0; i < daemon->config.lanes; i++) {
		int socket_id = hugepages ? (int)rte_lcore_to_socket_id(lcore) : SOCKET_ID_ANY;

		daemon->lanes[i] = lane_create(&daemon->config, i, lcore, socket_id, max_mtu);
		if (daemon->lanes[i] == NULL)
			return -1;
		lcore = rte_get_next_lcore(lcore, 1, 0);
	}
	for (unsigned int i = 0; i < daemon->config.lanes; i++)
		daemon->lanes[i]->shares_cpu = shares_cpu(daemon, i);
	return 0;
}

static int
configure_ports(struct daemon *daemon)
{
	const struct lane_pools *pools[CONFIG_MAX_LANES];
	int socket_ids[CONFIG_MAX_LANES];

	for (unsigned int i = 0; i < daemon->config.lanes; i++) {
		pools[i] = &daemon->lanes[i]->pools;
		socket_ids[i] = daemon->lanes[i]->socket_id;
	}
	for (unsigned int i = 0; i < daemon->config.n_ports; i++) {
		struct port_device *port = &daemon->ports[i];

		if (port_configure(port, daemon->config.lanes, pools, socket_ids,
				   daemon->config.idle) < 0)
			return -1;
		rte_eth_dev_callback_register(port->id, RTE_ETH_EVENT_INTR_LSC, take_link_event,
					      daemon);
	}
	return 0;
}

static int
start_ports(struct daemon *daemon)
{
	for (unsigned int i = 0; i < daemon->config.n_ports; i++)
		if (port_start(&daemon->ports[i]) < 0)
			return -1;
	return 0;
}

static int
steer_create(struct daemon *daemon)
{
	daemon->steer = lane_steer_create(daemon->ports, daemon->config.n_ports);
	return daemon->steer == NULL ? -1 : 0;
}

static int
launch_lanes(struct daemon *daemon)
{
	struct lane_setup setup = {
		.config = &daemon->config,
		.ports = daemon->ports,
		.lanes = daemon->lanes,
		.n_lanes = daemon->config.lanes,
		.tsc_base = rte_rdtsc(),
		.port_lanes = daemon->port_lanes,
		.steer = daemon->steer,
		.fault_event = daemon->fault_event,
		.restoring = daemon->restoring,
	};

	for (unsigned int i = 0; i < daemon->config.lanes; i++)
		if (lane_build(daemon->lanes[i], &setup) < 0)
			return -1;
	for (unsigned int i = 0; i < daemon->config.lanes; i++)
		if (lane_launch(daemon->lanes[i]) < 0)
			return -1;
	return 0;
}

static int
open_programs(struct daemon *daemon)
{
	struct programs_config config = {
		.lanes = daemon->lanes,
		.n_lanes = daemon->config.lanes,
		.peers = daemon->lanes[0]->peers,
		.max_programs = daemon->config.programs,
		.max_of_user = daemon->config.user_programs,
		.repair_group = daemon->config.repair_group,
		.sockets = rte_align32pow2(daemon->config.program_sockets),
		.blocks = daemon->config.program_blocks,
		.prefixes = daemon->prefixes,
		.n_prefixes = prefixes_make(&daemon->config, daemon->prefixes),
		.fault_event = daemon->fault_event,
	};

	daemon->programs = programs_open(&config);
	return daemon->programs == NULL ? -1 : 0;
}

/* All lanes make the same cookies. */
static int
draw_fastopen_key(struct tcp_fastopen_keys *keys)
{
	if (keys->n > 0)
		return 0;
	if (getrandom(keys->key[0], sizeof(keys->key[0]), 0) != sizeof(keys->key[0])) {
		log_line("no random bytes for a Fast Open key: %s", strerror(errno));
		return -1;
	}
	keys->n = 1;
	return 0;
}

int
daemon_start(struct daemon *daemon, bool hugepages)
{
	uint16_t max_mtu;

	if (draw_fastopen_key(&daemon->config.fastopen_keys) < 0)
		return -1;

	daemon->link_event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (daemon->link_event < 0) {
		log_line("eventfd: %s", strerror(errno));
		return -1;
	}
	daemon->fault_event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (daemon->fault_event < 0) {
		log_line("eventfd: %s", strerror(errno));
		return -1;
	}
	if (probe_ports(daemon, &max_mtu) < 0 || create_lanes(daemon, hugepages, max_mtu) < 0 ||
	    configure_ports(daemon) < 0)
		return -1;
	if (service_plugins_start(&daemon->config, stderr) < 0 || start_ports(daemon) < 0 ||
	    steer_create(daemon) < 0 || launch_lanes(daemon) < 0)
		return -1;
	if (open_programs(daemon) < 0)
		return -1;
	if (rte_pdump_init() < 0)
		log_line("dpdk-dumpcap will find nothing to attach to");
	return 0;
}

/* ---- What is told */

static void
tell_lane(const struct daemon *daemon, const struct lane *lane)
{
	rte_cpuset_t cpus = rte_lcore_cpuset(lane->lcore);
	int cpu = 0;

	while (cpu < CPU_SETSIZE - 1 && !CPU_ISSET(cpu, &cpus))
		cpu++;
	if (CPU_COUNT(&cpus) == 1)
		log_line("%s: lane %u on CPU %d", daemon->config.name, lane->index, cpu);
	else
		log_line("%s: lane %u on lcore %u, which has %d CPUs", daemon->config.name,
			 lane->index, lane->lcore, CPU_COUNT(&cpus));
}

static void
tell_port(const struct daemon *daemon, const struct port_device *port)
{
	char mac[RTE_ETHER_ADDR_FMT_SIZE], ip[CONFIG_IP_TEXT], text[1024];
	size_t n = 0;

	rte_ether_format_addr(mac, sizeof(mac), &port->mac);
	for (unsigned int i = 0; i < port->config->n_addresses && n < sizeof(text) - 64; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%s/%u", i == 0 ? "" : ", ",
				      config_ip_text(&port->config->addresses[i].ip, ip),
				      port->config->addresses[i].prefix_len);
	log_line("%s: port %u is %s (%s), MAC %s, MTU %u, link %s: %s", daemon->config.name,
		 port->index, port->name, port->driver, mac, port->mtu,
		 port->link_up ? "up" : "down", text);
	if (port->n_lanes > 1)
		log_line("%s: port %u: %u queue%s for %u lanes, %s", daemon->config.name,
			 port->index, port->queues, port->queues == 1 ? "" : "s", port->n_lanes,
			 lane_steer_by_device(daemon->steer, port->index)
				 ? "spread by the device"
				 : "which hand packets to the one whose they are");
}

static void
tell_service(const struct daemon *daemon, const struct config_service *service)
{
	char text[CONFIG_MAX_LISTEN * (CONFIG_ENDPOINT_TEXT + 2)], endpoint[CONFIG_ENDPOINT_TEXT];
	const char *own = service_plugin_text(service->plugin);
	size_t n = 0;

	text[0] = '\0';
	for (unsigned int i = 0; i < service->n_listen; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%s", i == 0 ? "" : ", ",
				      config_endpoint_text(&service->listen[i], endpoint));
	/* Some need not listen, as a generator of load. */
	log_line("%s: %s%s%s%s%s", daemon->config.name, service->name,
		 n > 0 ? " on " : " listens nowhere", text, own[0] != '\0' ? ": " : "", own);
}

void
daemon_tell(const struct daemon *daemon)
{
	for (unsigned int i = 0; i < daemon->config.lanes; i++)
		tell_lane(daemon, daemon->lanes[i]);
	for (unsigned int i = 0; i < daemon->config.n_ports; i++)
		tell_port(daemon, &daemon->ports[i]);
	for (unsigned int i = 0; i < daemon->config.n_services; i++)
		tell_service(daemon, &daemon->config.services[i]);
}

void
daemon_check_links(struct daemon *daemon)
{
	eventfd_t events;

	eventfd_read(daemon->link_event, &events);
	for (unsigned int i = 0; i < daemon->config.n_ports; i++) {
		struct port_device *port = &daemon->ports[i];

		if (!port_link_changed(port))
			continue;
		log_line("%s: port %u (%s): link %s", daemon->config.name, i, port->name,
			 port->link_up ? "up" : "down");
		for (unsigned int l = 0; l < daemon->config.lanes; l++) {
			struct lane_request *request = lane_request_make(ASK_LINK);

			if (request == NULL)
				continue;
			request->port = (uint16_t)i;
			request->up = port->link_up;
			if (lane_ask(daemon->lanes[l], request) == 0)
				free(request);
		}
	}
}

static void
stop_restoring(struct daemon *daemon)
{
	daemon->restoring = false;
	for (unsigned int i = 0; i < daemon->config.lanes; i++) {
		struct lane_request *request = lane_request_make(ASK_RESTORING);

		if (request == NULL)
			continue;
		request->up = false;
		if (lane_ask(daemon->lanes[i], request) == 0)
			free(request);
	}
}

static uint64_t
seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec;
}

void
daemon_tell_restoring(struct daemon *daemon)
{
	if (!daemon->restoring)
		return;
	daemon->restoring_until = seconds() + DAEMON_RESTORING_S;
	log_line("%s: waits for connections to be restored, and answers no others meanwhile, for "
		 "%d s or until `tern restore` ends it",
		 daemon->config.name, DAEMON_RESTORING_S);
}

bool
daemon_end_restoring(struct daemon *daemon, const char *why)
{
	if (!daemon->restoring)
		return false;
	stop_restoring(daemon);
	log_line("%s: waits for restored connections no longer: %s", daemon->config.name, why);
	return true;
}

void
daemon_check_restoring(struct daemon *daemon)
{
	if (daemon->restoring && seconds() >= daemon->restoring_until)
		daemon_end_restoring(daemon, "time is up");
}

void
daemon_check_services(struct daemon *daemon)
{
	for (unsigned int i = 0; i < daemon->config.lanes; i++) {
		char names[256] = "";
		uint32_t services;
		uint64_t longest_us = service_set_take_slow(daemon->lanes[i]->services, &services);
		size_t n = 0;

		if (longest_us == 0)
			continue;
		for (; services != 0 && n < sizeof(names); services &= services - 1)
			n += (size_t)snprintf(
				names + n, sizeof(names) - n, "%s%s", n == 0 ? "" : ", ",
				daemon->config.services[__builtin_ctz(services)].name);
		log_line("%s: lane %u: an iteration took %" PRIu64 " ms; what ran in it: %s",
			 daemon->config.name, i, longest_us / 1000, names);
	}
}

/* ---- Down */

void
daemon_order(struct daemon *daemon, enum lane_order order)
{
	for (unsigned int i = 0; i < daemon->config.lanes; i++)
		if (daemon->lanes[i] != NULL)
			lane_order(daemon->lanes[i], order);
}

bool
daemon_has_stopped(const struct daemon *daemon)
{
	for (unsigned int i = 0; i < daemon->config.lanes; i++)
		if (daemon->lanes[i] != NULL && !lane_has_stopped(daemon->lanes[i]))
			return false;
	return true;
}

void
daemon_detach_programs(struct daemon *daemon)
{
	programs_close(daemon->programs);
	daemon->programs = NULL;
}

void
daemon_stop(struct daemon *daemon)
{
	daemon_detach_programs(daemon);
	daemon_order(daemon, LANE_STOP);
	for (unsigned int i = 0; i < daemon->config.lanes; i++)
		lane_dismantle(daemon->lanes[i]);
	rte_pdump_uninit();
	for (unsigned int i = 0; i < daemon->config.n_ports; i++) {
		if (daemon->ports[i].configured)
			rte_eth_dev_callback_unregister(daemon->ports[i].id, RTE_ETH_EVENT_INTR_LSC,
							take_link_event, daemon);
		port_close(&daemon->ports[i]);
	}
	for (unsigned int i = 0; i < daemon->config.lanes; i++)
		if (daemon->lanes[i] != NULL)
			lane_inbox_clear(daemon->lanes[i]);
	for (unsigned int i = 0; i < daemon->config.lanes; i++) {
		lane_destroy(daemon->lanes[i]);
		daemon->lanes[i] = NULL;
	}
	lane_steer_free(daemon->steer);
	daemon->steer = NULL;
	config_free(&daemon->config);
	if (daemon->fault_event >= 0)
		close(daemon->fault_event);
	if (daemon->link_event >= 0)
		close(daemon->link_event);
}
