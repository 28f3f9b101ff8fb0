/* SPDX-License-Identifier: BSD-3-Clause */
/* Building the JSON of report.h. Names of members are what `tern` and telemetry's users rely on. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_ether.h>
#include <rte_lcore.h>

#include "dataplane/config_values.h"
#include "dataplane/report.h"
#include "dataplane/service_plugin.h"

/* ---- Counters */

static json_t *
counters(const void *stats, const char *const *names, size_t n)
{
	const uint64_t *values = stats;
	json_t *object = json_object();

	for (size_t i = 0; i < n; i++)
		json_object_set_new(object, names[i], json_integer((json_int_t)values[i]));
	return object;
}

static json_t *
texts(const char *const *names, const char *const *explained, size_t n)
{
	json_t *object = json_object();

	for (size_t i = 0; i < n; i++)
		json_object_set_new(object, names[i], json_string(explained[i]));
	return object;
}

/* The name of a service's own counter: KIND_NAME, KIND being the first word of [service KIND]. */
static void
own_name(const struct config_service *service, unsigned int counter, char *name, size_t bytes)
{
	snprintf(name, bytes, "%.*s_%s", (int)strcspn(service->name, " "), service->name,
		 service_plugin_ops(service->plugin)->counters[counter].name);
}

/* Services of one kind share their counters' names: sums. */
static json_t *
service_counters(const struct daemon *daemon, const struct lane *lane)
{
	struct service_stats stats;
	json_t *object;

	service_stats_read(lane->services, &stats);
	object = counters(&stats, service_stats_names, SERVICE_STATS_COUNT);
	for (unsigned int i = 0; i < daemon->config.n_services; i++) {
		const struct config_service *service = &daemon->config.services[i];
		unsigned int n = service_plugin_counters(service->plugin);

		for (unsigned int k = 0; k < n; k++) {
			uint64_t value = service_counter_read(lane->services, i, k);
			char name[2 * CONFIG_NAME_BYTES];

			own_name(service, k, name, sizeof(name));
			json_object_set_new(
				object, name,
				json_integer((json_int_t)value +
					     json_integer_value(json_object_get(object, name))));
		}
	}
	return object;
}

static json_t *
service_texts(const struct daemon *daemon)
{
	json_t *object = texts(service_stats_names, service_stats_texts, SERVICE_STATS_COUNT);

	for (unsigned int i = 0; i < daemon->config.n_services; i++) {
		const struct config_service *service = &daemon->config.services[i];
		unsigned int n = service_plugin_counters(service->plugin);

		for (unsigned int k = 0; k < n; k++) {
			const char *text = service_plugin_ops(service->plugin)->counters[k].text;
			char name[2 * CONFIG_NAME_BYTES];

			own_name(service, k, name, sizeof(name));
			json_object_set_new(object, name, json_string(text != NULL ? text : ""));
		}
	}
	return object;
}

json_t *
report_counters(const struct daemon *daemon, const struct lane *lane)
{
	struct tcp_stats tcp;
	struct net_stats net;
	struct gateway_stats gateway;
	struct lane_stats loop;
	struct move_stats move;

	tcp_stats_read(lane->tcp, &tcp);
	net_stats_read(lane->net, &net);
	gateway_stats_read(lane->gateway, &gateway);
	lane_stats_read(lane, &loop);
	move_stats_read(&lane->moves, &move);
	return json_pack("{s:i,s:o,s:o,s:o,s:o,s:o,s:o}", "lane", (int)lane->index, "tcp",
			 counters(&tcp, tcp_stats_names, TCP_STATS_COUNT), "net",
			 counters(&net, net_stats_names, NET_STATS_COUNT), "service",
			 service_counters(daemon, lane), "gateway",
			 counters(&gateway, gateway_stats_names, GATEWAY_STATS_COUNT), "loop",
			 counters(&loop, lane_stats_names, LANE_STATS_COUNT), "move",
			 counters(&move, move_stats_names, MOVE_STATS_COUNT));
}

json_t *
report_texts(const struct daemon *daemon)
{
	return json_pack("{s:o,s:o,s:o,s:o,s:o,s:o}", "tcp",
			 texts(tcp_stats_names, tcp_stats_texts, TCP_STATS_COUNT), "net",
			 texts(net_stats_names, net_stats_texts, NET_STATS_COUNT), "service",
			 service_texts(daemon), "gateway",
			 texts(gateway_stats_names, gateway_stats_texts, GATEWAY_STATS_COUNT),
			 "loop", texts(lane_stats_names, lane_stats_texts, LANE_STATS_COUNT),
			 "move", texts(move_stats_names, move_stats_texts, MOVE_STATS_COUNT));
}

json_t *
report_port_counters(const struct port_device *port)
{
	json_t *object = json_object();
	int n = rte_eth_xstats_get(port->id, NULL, 0), got, named;
	struct rte_eth_xstat *values = calloc((size_t)(n > 0 ? n : 1), sizeof(*values));
	struct rte_eth_xstat_name *names = calloc((size_t)(n > 0 ? n : 1), sizeof(*names));

	if (n > 0 && values != NULL && names != NULL) {
		got = rte_eth_xstats_get(port->id, values, (unsigned int)n);
		named = rte_eth_xstats_get_names(port->id, names, (unsigned int)n);
		for (int i = 0; i < got && i < named && i < n; i++)
			if (values[i].id < (uint64_t)n)
				json_object_set_new(object, names[values[i].id].name,
						    json_integer((json_int_t)values[i].value));
	}
	free(values);
	free(names);
	return json_pack("{s:i,s:s,s:o}", "port", (int)port->index, "name", port->name, "counters",
			 object);
}

/* ---- What there is */

static json_t *
mac_text(const struct rte_ether_addr *mac)
{
	char text[RTE_ETHER_ADDR_FMT_SIZE];

	rte_ether_format_addr(text, sizeof(text), mac);
	return json_string(text);
}

json_t *
report_port(const struct port_device *port)
{
	json_t *addresses = json_array();
	char ip[CONFIG_IP_TEXT];

	for (unsigned int i = 0; i < port->config->n_addresses; i++)
		json_array_append_new(
			addresses,
			json_sprintf("%s/%u", config_ip_text(&port->config->addresses[i].ip, ip),
				     port->config->addresses[i].prefix_len));
	return json_pack("{s:i,s:s,s:s,s:s,s:o,s:i,s:o}", "port", (int)port->index, "name",
			 port->name, "driver", port->driver, "link", port->link_up ? "up" : "down",
			 "mac", mac_text(&port->mac), "mtu", (int)port->mtu, "addresses",
			 addresses);
}

json_t *
report_service(const struct config_service *service)
{
	json_t *listen = json_array();
	char text[CONFIG_ENDPOINT_TEXT];

	for (unsigned int i = 0; i < service->n_listen; i++)
		json_array_append_new(listen,
				      json_string(config_endpoint_text(&service->listen[i], text)));
	return json_pack("{s:s,s:o,s:s}", "name", service->name, "listen", listen, "about",
			 service_plugin_text(service->plugin));
}

json_t *
report_lane(struct lane *lane)
{
	struct lane_request *request = lane_request_make(ASK_USAGE);
	const struct tcp_usage *tcp;
	json_t *object;

	if (request == NULL || lane_ask(lane, request) < 0)
		return NULL;
	tcp = &request->usage.tcp;
	object = json_pack("{s:i,s:i,s:i}", "lane", (int)lane->index, "lcore", (int)lane->lcore,
			   "cpu", rte_lcore_to_cpu_id((int)lane->lcore));
	json_object_update_new(
		object,
		json_pack("{s:I,s:I,s:I,s:I,s:I,s:I,s:I}", "connections", (json_int_t)tcp->conns,
			  "folded", (json_int_t)tcp->folded, "listeners",
			  (json_int_t)tcp->listeners, "orphans", (json_int_t)tcp->orphans,
			  "requests", (json_int_t)tcp->requests, "timewait",
			  (json_int_t)tcp->timewait, "flows", (json_int_t)tcp->flows));
	json_object_update_new(object,
			       json_pack("{s:I,s:I,s:I,s:I,s:I,s:I}", "received_buffers",
					 (json_int_t)tcp->held_bufs, "sending_buffers",
					 (json_int_t)tcp->queued_bufs, "sent_records",
					 (json_int_t)tcp->sent_records, "out_of_order_ranges",
					 (json_int_t)tcp->ranges, "neighbour_buffers",
					 (json_int_t)request->usage.neighbour_bufs,
					 "device_buffers", (json_int_t)request->usage.tx_bufs));
	free(request);
	return object;
}

json_t *
report_pools(const struct lane *lane)
{
	json_t *array = json_array();
	struct pool_count count;

	for (unsigned int k = 0; k < POOL_KINDS; k++) {
		pool_count(lane->pools.pool[k], &count);
		json_array_append_new(
			array, json_pack("{s:i,s:s,s:I,s:I,s:I,s:I}", "lane", (int)lane->index,
					 "pool", pool_name(k), "size", (json_int_t)count.size,
					 "available", (json_int_t)count.available, "in_use",
					 (json_int_t)count.size - (json_int_t)count.available,
					 "cached", (json_int_t)count.cached));
	}
	return array;
}

/* ---- Lists */

static json_t *
neighbour(const struct lane *lane, const struct net_neighbour_listing *n)
{
	char ip[CONFIG_IP_TEXT];

	return json_pack("{s:i,s:i,s:s,s:o,s:s,s:I}", "lane", (int)lane->index, "port",
			 (int)n->port, "ip", config_ip_text(&n->ip, ip), "mac", mac_text(&n->mac),
			 "state", n->state, "waiting", (json_int_t)n->waiting);
}

/* A listener's own lane knows those that wait there; so do its parts' lanes. */
static void
add_waiting(const struct daemon *daemon, unsigned int own, struct lane_request *listed,
	    unsigned int i)
{
	for (unsigned int k = 0; k < daemon->config.lanes; k++) {
		struct lane_request *request = k != own ? lane_request_make(ASK_WAITING) : NULL;

		if (request == NULL)
			continue;
		request->port = be16_get(listed->connections[i].tuple.lport);
		request->listener = listed->owners[i].listener;
		if (lane_ask(daemon->lanes[k], request) < 0)
			continue;
		listed->connections[i].recv_q += request->n;
		free(request);
	}
}

static json_t *
connection(const struct daemon *daemon, unsigned int lane, struct lane_request *request,
	   unsigned int i, bool details)
{
	if (request->owners[i].listener != 0)
		add_waiting(daemon, lane, request, i);
	return report_connection(daemon, daemon->lanes[lane], request, i, details);
}

/* Asks the lane where the cursor stands for its next part; goes to the next lane at its end. */
static json_t *
next_part(const struct daemon *daemon, struct control_cursor *cursor, enum lane_request_kind kind,
	  bool details)
{
	struct lane_request *request = lane_request_make(kind);
	struct lane *lane = daemon->lanes[cursor->lane];
	json_t *array;

	cursor->more = false;
	if (request == NULL)
		return NULL;
	request->cursor = cursor->at;
	if (lane_ask(lane, request) < 0)
		return NULL;
	array = json_array();
	for (unsigned int i = 0; i < request->n; i++)
		json_array_append_new(
			array, kind == ASK_CONNECTIONS
				       ? connection(daemon, cursor->lane, request, i, details)
				       : neighbour(lane, &request->neighbours[i]));
	cursor->at = request->cursor;
	if (request->over) {
		cursor->at = 0;
		cursor->lane++;
	}
	cursor->more = cursor->lane < daemon->config.lanes;
	free(request);
	return array;
}

json_t *
report_connections(const struct daemon *daemon, struct control_cursor *cursor, bool details)
{
	return next_part(daemon, cursor, ASK_CONNECTIONS, details);
}

json_t *
report_neighbours(const struct daemon *daemon, struct control_cursor *cursor)
{
	return next_part(daemon, cursor, ASK_NEIGHBOURS, false);
}
