/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which keys there are in ternd's configuration, what each takes, and what holds without it.
 *
 * Keys that no mechanism stands behind are unknown, not ignored.
 */
#include <ctype.h>
#include <grp.h>
#include <string.h>

#include "dataplane/config_keys.h"
#include "dataplane/config_values.h"
#include "tcp/tcp.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* ---- One value each */

static void
store(void *field, size_t bytes, uint64_t number)
{
	uint8_t n8 = (uint8_t)number;
	uint16_t n16 = (uint16_t)number;
	uint32_t n32 = (uint32_t)number;

	memcpy(field, bytes == 1 ? (void *)&n8 : bytes == 2 ? (void *)&n16 : (void *)&n32, bytes);
}

static void
parse_uint(struct config_parser *p, const struct config_key *key, const char *value, void *field,
	   bool size)
{
	uint64_t number;

	if (!config_number(value, size, &number))
		CONFIG_REFUSE(p, "\"%s\" is not a %s; write %llu to %llu%s", value,
			      size ? "size" : "number", (unsigned long long)key->min,
			      (unsigned long long)key->max,
			      size ? ", or with K or M behind it" : "");
	else if (number < key->min || number > key->max)
		CONFIG_REFUSE(p, "%s is out of range; write %llu to %llu", value,
			      (unsigned long long)key->min, (unsigned long long)key->max);
	else
		store(field, key->bytes, number);
}

static void
parse_number(struct config_parser *p, const struct config_key *key, const char *value, void *field)
{
	parse_uint(p, key, value, field, false);
}

static void
parse_queues(struct config_parser *p, const struct config_key *key, const char *value, void *field)
{
	if (strcmp(value, "auto") != 0)
		parse_uint(p, key, value, field, false);
}

static void
parse_size(struct config_parser *p, const struct config_key *key, const char *value, void *field)
{
	parse_uint(p, key, value, field, true);
}

static void
parse_bool(struct config_parser *p, const struct config_key *key, const char *value, void *field)
{
	(void)key;
	if (!config_boolean(value, field))
		CONFIG_REFUSE(p, "\"%s\" is neither yes nor no; write one of them", value);
}

static void
parse_text(struct config_parser *p, const struct config_key *key, const char *value, void *field)
{
	(void)p;
	snprintf(field, key->bytes, "%s", value);
}

static void
parse_name(struct config_parser *p, const struct config_key *key, const char *value, void *field)
{
	size_t n = strspn(value, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				 "0123456789_.-");

	if (n < 1 || n > key->max || value[n] != '\0' || !isalnum((unsigned char)value[0]))
		CONFIG_REFUSE(
			p,
			"\"%s\" cannot name a socket and files; write 1 to %llu letters, digits, "
			"'_', '-' and '.', a letter or digit first",
			value, (unsigned long long)key->max);
	else
		parse_text(p, key, value, field);
}

static void
parse_group(struct config_parser *p, const struct config_key *key, const char *value, void *field)
{
	const struct group *group = getgrnam(value);

	if (group == NULL)
		CONFIG_REFUSE(p, "there is no group \"%s\"; write one that is in /etc/group",
			      value);
	else
		store(field, key->bytes, group->gr_gid);
}

/* enum config_hugepages, enum config_tso: in the order of these names. */
static void
parse_choice(struct config_parser *p, const struct config_key *key, const char *value, void *field)
{
	static const char *const names[] = {"auto", "yes", "no"};

	for (unsigned int i = 0; i < 3; i++) {
		if (strcmp(value, names[i]) == 0) {
			store(field, key->bytes, i);
			return;
		}
	}
	CONFIG_REFUSE(p, "\"%s\" is not known; write auto, yes or no", value);
}

/* In the order of enum config_idle. */
static void
parse_idle(struct config_parser *p, const struct config_key *key, const char *value, void *field)
{
	if (strcmp(value, "poll") == 0)
		store(field, key->bytes, IDLE_POLL);
	else if (strcmp(value, "adaptive") == 0)
		store(field, key->bytes, IDLE_ADAPTIVE);
	else
		CONFIG_REFUSE(p, "\"%s\" is not known; write poll or adaptive", value);
}

static void
parse_congestion(struct config_parser *p, const struct config_key *key, const char *value,
		 void *field)
{
	const char *name;

	for (unsigned int i = 0; (name = tcp_congestion_name(i)) != NULL; i++)
		if (strcmp(value, name) == 0)
			break;
	if (name == NULL)
		CONFIG_REFUSE(p, "\"%s\" is not a congestion control; there are cubic and newreno",
			      value);
	else
		parse_text(p, key, value, field);
}

/* Calls take() for each part of a list separated by commas; blanks around them do not count. */
static void
each_part(struct config_parser *p, const char *value,
	  void (*take)(struct config_parser *p, const char *part, void *arg), void *arg)
{
	char copy[CONFIG_VALUE_BYTES], *rest = copy, *part, *end;

	snprintf(copy, sizeof(copy), "%s", value);
	if (copy[0] == '\0')
		return;
	while ((part = strsep(&rest, ",")) != NULL) {
		while (isspace((unsigned char)*part))
			part++;
		for (end = part + strlen(part); end > part && isspace((unsigned char)end[-1]);)
			*--end = '\0';
		if (*part == '\0')
			CONFIG_REFUSE(p, "an empty part in the list; write one comma between two");
		else
			take(p, part, arg);
	}
}

static void
take_address(struct config_parser *p, const char *text, struct config_port *port, bool v4)
{
	struct config_address a;
	const char *wrong = config_prefix(text, v4, &a);
	unsigned int of_family = 0;

	if (wrong != NULL) {
		CONFIG_REFUSE(p, "%s %s", text, wrong);
		return;
	}
	for (unsigned int i = 0; i < port->n_addresses; i++) {
		of_family += ip_is4(&port->addresses[i].ip) == v4;
		if (ip_eq(&port->addresses[i].ip, &a.ip)) {
			CONFIG_REFUSE(p, "%s is there twice; leave one out", text);
			return;
		}
	}
	if (of_family == CONFIG_MAX_ADDRESSES)
		CONFIG_REFUSE(p, "more than %d addresses; leave %s out", CONFIG_MAX_ADDRESSES,
			      text);
	else
		port->addresses[port->n_addresses++] = a;
}

static void
take_ipv4(struct config_parser *p, const char *text, void *arg)
{
	take_address(p, text, arg, true);
}

static void
take_ipv6(struct config_parser *p, const char *text, void *arg)
{
	take_address(p, text, arg, false);
}

static void
parse_ipv4(struct config_parser *p, const struct config_key *key, const char *value, void *port)
{
	(void)key;
	each_part(p, value, take_ipv4, port);
}

static void
parse_ipv6(struct config_parser *p, const struct config_key *key, const char *value, void *port)
{
	(void)key;
	each_part(p, value, take_ipv6, port);
}

/* key->max tells the family: 4 or 6. An empty value means none. */
static void
parse_gateway(struct config_parser *p, const struct config_key *key, const char *value, void *field)
{
	struct ip_addr ip;

	if (value[0] == '\0')
		return;
	if (!config_ip(value, &ip) || ip_is4(&ip) != (key->max == 4) || ip_is_any(&ip) ||
	    ip_is_multicast(&ip))
		CONFIG_REFUSE(
			p, "\"%s\" is not a gateway's address; write one as %s, without a prefix",
			value, key->max == 4 ? "198.18.0.1" : "2001:db8:18::1");
	else
		memcpy(field, &ip, sizeof(ip));
}

static void
take_listen(struct config_parser *p, const char *text, void *arg)
{
	struct config_service *service = arg;
	struct tcp_endpoint endpoint;
	const char *wrong = config_endpoint(text, &endpoint);

	if (wrong != NULL)
		CONFIG_REFUSE(p, "%s %s", text, wrong);
	else if (service->n_listen == CONFIG_MAX_LISTEN)
		CONFIG_REFUSE(p, "more than %d endpoints; leave %s out", CONFIG_MAX_LISTEN, text);
	else
		service->listen[service->n_listen++] = endpoint;
}

static void
parse_listen(struct config_parser *p, const struct config_key *key, const char *value,
	     void *service)
{
	(void)key;
	each_part(p, value, take_listen, service);
}

/* Read before all other keys of its section, by open_service(). */
static void
parse_plugin(struct config_parser *p, const struct config_key *key, const char *value,
	     void *service)
{
	(void)p;
	(void)key;
	(void)value;
	(void)service;
}

/* "auto" among the prefixes is those that ternd finds by itself. */
static void
take_network(struct config_parser *p, const char *text, void *arg)
{
	struct config_networks *networks = arg;
	struct config_address network;
	const char *wrong = config_network(text, &network);

	if (networks == &p->config->program_prefixes && strcmp(text, "auto") == 0)
		p->config->program_auto = true;
	else if (wrong != NULL)
		CONFIG_REFUSE(p, "%s %s", text, wrong);
	else if (networks->n == CONFIG_MAX_PREFIXES)
		CONFIG_REFUSE(p, "more than %d prefixes; leave %s out", CONFIG_MAX_PREFIXES, text);
	else
		networks->list[networks->n++] = network;
}

static void
parse_networks(struct config_parser *p, const struct config_key *key, const char *value,
	       void *field)
{
	(void)key;
	if (field == &p->config->program_prefixes)
		p->config->program_auto = false;
	each_part(p, value, take_network, field);
}

static void
take_lane(struct config_parser *p, const char *text, void *arg)
{
	uint64_t *lanes = arg, lane;

	if (!config_number(text, false, &lane) || lane >= CONFIG_MAX_LANES)
		CONFIG_REFUSE(p, "%s is not a lane; lanes have numbers from 0 to %d", text,
			      CONFIG_MAX_LANES - 1);
	else
		*lanes |= UINT64_C(1) << lane;
}

static void
parse_lanes(struct config_parser *p, const struct config_key *key, const char *value, void *field)
{
	uint64_t lanes = 0;

	(void)key;
	each_part(p, value, take_lane, &lanes);
	memcpy(field, &lanes, sizeof(lanes));
}

/* Fast Open's names, and the bits that they stand for in Linux's tcp_fastopen. */
static const struct {
	const char *name;
	uint16_t bits;
} fastopen_names[] = {
	{"none", 0},
	{"client", TCP_FASTOPEN_CLIENT},
	{"server", TCP_FASTOPEN_SERVER},
	{"client-no-cookie", TCP_FASTOPEN_CLIENT_BARE},
	{"server-no-cookie", TCP_FASTOPEN_SERVER_BARE},
	{"all-listeners", TCP_FASTOPEN_EVERY_LISTENER},
};

static void
take_fastopen(struct config_parser *p, const char *text, void *arg)
{
	const char *names[COUNT(fastopen_names)], *nearest;
	uint16_t *bits = arg;

	for (size_t i = 0; i < COUNT(fastopen_names); i++) {
		names[i] = fastopen_names[i].name;
		if (strcmp(text, names[i]) == 0) {
			*bits |= fastopen_names[i].bits;
			return;
		}
	}
	nearest = config_nearest(text, names, COUNT(names));
	if (nearest != NULL)
		CONFIG_REFUSE(p, "\"%s\" is not known; did you mean %s?", text, nearest);
	else
		CONFIG_REFUSE(p,
			      "\"%s\" is not known; there are none, client, server, "
			      "client-no-cookie, server-no-cookie and all-listeners",
			      text);
}

static void
parse_fastopen(struct config_parser *p, const struct config_key *key, const char *value,
	       void *field)
{
	uint16_t bits = 0;

	(void)key;
	each_part(p, value, take_fastopen, &bits);
	memcpy(field, &bits, sizeof(bits));
}

static void
take_fastopen_key(struct config_parser *p, const char *text, void *arg)
{
	struct tcp_fastopen_keys *keys = arg;
	uint8_t key[TCP_FASTOPEN_KEY_BYTES];
	const char *wrong = config_fastopen_key(text, key);

	/* The text is a secret, whatever is wrong with it. */
	if (wrong != NULL)
		CONFIG_REFUSE(p, "what stands there %s", wrong);
	else if (keys->n == COUNT(keys->key))
		CONFIG_REFUSE(p, "more than %zu keys; write the primary one and a backup",
			      COUNT(keys->key));
	else
		memcpy(keys->key[keys->n++], key, sizeof(key));
}

static void
parse_fastopen_key(struct config_parser *p, const struct config_key *key, const char *value,
		   void *field)
{
	(void)key;
	each_part(p, value, take_fastopen_key, field);
}

/* ---- The tables */

#define FIELD(type, field) offsetof(type, field), sizeof(((type *)NULL)->field)
#define CONFIG(field) FIELD(struct config, field)
#define PORT(field) FIELD(struct config_port, field)
#define SERVICE(field) FIELD(struct config_service, field)

static const struct config_key dataplane_keys[] = {
	{"name", parse_name, CONFIG(name), 1, 48},
	{"eal", parse_text, CONFIG(eal), 0, 0},
	{"group", parse_group, CONFIG(group), 0, 0},
	{"lanes", parse_number, CONFIG(lanes), 1, CONFIG_MAX_LANES},
	{"hugepages", parse_choice, CONFIG(hugepages), 0, 0},
	{"idle", parse_idle, CONFIG(idle), 0, 0},
};

static const struct config_key tcp_keys[] = {
	{"congestion", parse_congestion, CONFIG(congestion), 0, 0},
	{"timestamps", parse_bool, CONFIG(timestamps), 0, 0},
	{"window_scaling", parse_bool, CONFIG(window_scaling), 0, 0},
	{"rmem", parse_size, CONFIG(rmem_bytes), 4096, 1 << 30},
	{"rmem_max", parse_size, CONFIG(rmem_max_bytes), 4096, 1 << 30},
	{"wmem", parse_size, CONFIG(wmem_bytes), 4096, 1 << 30},
	{"wmem_max", parse_size, CONFIG(wmem_max_bytes), 4096, 1 << 30},
	{"timewait", parse_number, CONFIG(timewait_s), 0, 3600},
	{"fold_after", parse_number, CONFIG(fold_after_s), 0, 86400},
	{"user_timeout", parse_number, CONFIG(user_timeout_s), 0, 86400},
	{"tw_reuse", parse_bool, CONFIG(tw_reuse), 0, 0},
	{"pacing", parse_bool, CONFIG(pacing), 0, 0},
	{"min_rtt_wlen", parse_number, CONFIG(min_rtt_wlen), 0, 86400},
	{"syn_retries", parse_number, CONFIG(syn_retries), 1, 127},
	{"syn_linear_timeouts", parse_number, CONFIG(syn_linear_timeouts), 0, 127},
	{"synack_retries", parse_number, CONFIG(synack_retries), 1, 127},
	{"retries", parse_number, CONFIG(retries), 1, 127},
	{"orphan_retries", parse_number, CONFIG(orphan_retries), 1, 127},
	{"mtu_probing", parse_number, CONFIG(mtu_probing), 0, 2},
	{"base_mss", parse_number, CONFIG(base_mss), 88, 9000},
	{"probe_threshold", parse_number, CONFIG(probe_threshold), 0, 9000},
	{"probe_interval", parse_number, CONFIG(probe_interval_s), 0, 86400},
	{"initial_cwnd", parse_number, CONFIG(initial_cwnd), 1, 1000},
	{"slow_start_after_idle", parse_bool, CONFIG(slow_start_after_idle), 0, 0},
	{"ecn", parse_number, CONFIG(ecn), 0, 2},
	{"ecn_fallback", parse_bool, CONFIG(ecn_fallback), 0, 0},
	{"syncookies", parse_number, CONFIG(syncookies), 0, 2},
	{"sack", parse_bool, CONFIG(sack), 0, 0},
	{"dsack", parse_bool, CONFIG(dsack), 0, 0},
	{"frto", parse_bool, CONFIG(frto), 0, 0},
	{"tlp", parse_bool, CONFIG(tlp), 0, 0},
	{"rack", parse_bool, CONFIG(rack), 0, 0},
	{"reordering", parse_number, CONFIG(reordering), 1, 300},
	{"max_reordering", parse_number, CONFIG(max_reordering), 1, 60000},
	{"keepalive_time", parse_number, CONFIG(keepalive_time_s), 1, 32767},
	{"keepalive_intvl", parse_number, CONFIG(keepalive_intvl_s), 1, 32767},
	{"keepalive_probes", parse_number, CONFIG(keepalive_probes), 1, 127},
	{"fastopen", parse_fastopen, CONFIG(fastopen), 0, 0},
	{"fastopen_key", parse_fastopen_key, CONFIG(fastopen_keys), 0, 0},
	{"fastopen_blackhole_timeout", parse_number, CONFIG(fastopen_blackhole_s), 0, 7 * 86400},
};

static const struct config_key limits_keys[] = {
	{"connections", parse_number, CONFIG(connections), 16, 16 << 20},
	{"requests", parse_number, CONFIG(requests), 16, 16 << 20},
	{"timewait", parse_number, CONFIG(timewait), 1, 16 << 20},
	{"mutes", parse_number, CONFIG(mutes), 16, 16 << 20},
	{"unfolded", parse_number, CONFIG(unfolded), 0, 16 << 20},
	{"buffers", parse_number, CONFIG(buffers), 1024, 16 << 20},
	{"neighbours", parse_number, CONFIG(neighbours), 8, 1 << 20},
	{"programs", parse_number, CONFIG(programs), 1, 1024},
	{"user_programs", parse_number, CONFIG(user_programs), 0, 1024},
	{"program_sockets", parse_number, CONFIG(program_sockets), 16, 1 << 20},
	{"program_blocks", parse_number, CONFIG(program_blocks), 64, 1 << 22},
};

static const struct config_key programs_keys[] = {
	{"prefixes", parse_networks, CONFIG(program_prefixes), 0, 0},
	{"except", parse_networks, CONFIG(program_except), 0, 0},
	{"repair_group", parse_group, CONFIG(repair_group), 0, 0},
};

static const struct config_key port_keys[] = {
	{"ipv4", parse_ipv4, 0, 0, 0, 0},
	{"ipv6", parse_ipv6, 0, 0, 0, 0},
	{"gateway4", parse_gateway, PORT(gateway4), 4, 4},
	{"gateway6", parse_gateway, PORT(gateway6), 6, 6},
	{"device", parse_text, PORT(device), 0, 0},
	{"mtu", parse_number, PORT(mtu), 576, 9600},
	{"rx_desc", parse_number, PORT(rx_desc), 32, 32768},
	{"tx_desc", parse_number, PORT(tx_desc), 32, 32768},
	{"rx_checksum", parse_bool, PORT(rx_checksum), 0, 0},
	{"tx_checksum", parse_bool, PORT(tx_checksum), 0, 0},
	{"tso", parse_choice, PORT(tso), 0, 0},
	{"lanes", parse_lanes, PORT(lanes), 0, 0},
	{"queues", parse_queues, PORT(queues), 1, CONFIG_MAX_LANES},
};

static const struct config_key service_keys[] = {
	{"listen", parse_listen, 0, 0, 0, 0},
	{"backlog", parse_number, SERVICE(backlog), 1, 1 << 20},
	{"fastopen", parse_number, SERVICE(fastopen), 0, 1 << 20},
	{"smc", parse_bool, SERVICE(smc), 0, 0},
	{"idle_timeout", parse_number, SERVICE(idle_timeout_s), 0, 7 * 86400},
	{"plugin", parse_plugin, 0, 0, 0, 0},
};

const struct config_keys config_dataplane_keys = {dataplane_keys, COUNT(dataplane_keys)};
const struct config_keys config_tcp_keys = {tcp_keys, COUNT(tcp_keys)};
const struct config_keys config_limits_keys = {limits_keys, COUNT(limits_keys)};
const struct config_keys config_programs_keys = {programs_keys, COUNT(programs_keys)};
const struct config_keys config_port_keys = {port_keys, COUNT(port_keys)};
const struct config_keys config_service_keys = {service_keys, COUNT(service_keys)};

/* ---- Defaults */

void
config_set_defaults(struct config *config)
{
	*config = (struct config){
		.name = "tern",
		.group = (gid_t)-1,
		.repair_group = (gid_t)-1,
		.lanes = 1,
		.hugepages = HUGEPAGES_AUTO,
		.congestion = "cubic",
		.timestamps = true,
		.window_scaling = true,
		.rmem_bytes = 128 << 10,
		.rmem_max_bytes = 6 << 20,
		.wmem_bytes = 1 << 20,
		.wmem_max_bytes = 4 << 20,
		.timewait_s = 60,
		.fold_after_s = 5,
		.user_timeout_s = 0,
		.syn_retries = 6,
		.syn_linear_timeouts = 4,
		.min_rtt_wlen = 300,
		.synack_retries = 5,
		.retries = 15,
		.orphan_retries = 8,
		.base_mss = 1024,
		.probe_threshold = 8,
		.probe_interval_s = 600,
		.initial_cwnd = 10,
		.ecn = 2,
		.ecn_fallback = true,
		.syncookies = 1,
		.sack = true,
		.dsack = true,
		.frto = true,
		.tlp = true,
		.rack = true,
		.reordering = 3,
		.max_reordering = 300,
		.keepalive_time_s = 7200,
		.keepalive_intvl_s = 75,
		.keepalive_probes = 9,
		.fastopen = TCP_FASTOPEN_CLIENT | TCP_FASTOPEN_SERVER,
		.fastopen_blackhole_s = 3600,
		.connections = 65536,
		.requests = 16384,
		.timewait = 65536,
		.mutes = 16384,
		.buffers = 32768,
		.neighbours = 1024,
		.programs = 64,
		.program_auto = true,
		.program_sockets = 4096,
		.program_blocks = 4096,
	};
}

void
config_set_port_defaults(struct config_port *port)
{
	*port = (struct config_port){
		.rx_desc = 1024,
		.tx_desc = 1024,
		.rx_checksum = true,
		.tx_checksum = true,
	};
}
