/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ternd's configuration: which sections and keys there are, their ranges and defaults.
 *
 * Three steps, each of which goes on after an error, so that a user hears of all of them at once:
 * the line checker (config_lines.c), the values of each key by the tables below, and the rules
 * between keys (config_rules.c).
 *
 * Keys that no mechanism stands behind are unknown, not ignored.
 */
#include <ctype.h>
#include <errno.h>
#include <grp.h>
#include <stdlib.h>
#include <string.h>

#include <rte_cfgfile.h>

#include "dataplane/config_lines.h"
#include "dataplane/config_rules.h"
#include "dataplane/config_values.h"
#include "dataplane/service_plugin.h"
#include "tcp/tcp.h"

struct parser {
	struct config *config;
	struct config_report *report;
	const struct config_lines *lines;
	const char *section;
	const char *key;
	struct service_plugin *plugin; /* of this section: takes keys that are not ours */
	const char *service_sections[CONFIG_MAX_SERVICES]; /* for the rules */
};

struct key {
	const char *name;
	void (*parse)(struct parser *p, const struct key *key, const char *value, void *field);
	size_t offset; /* of the field in its section's structure */
	size_t bytes;  /* of the field */
	uint64_t min, max;
};

/* ---- One value each */

#define REFUSE(p, ...)                                                                             \
	config_error((p)->report, config_lines_find((p)->lines, (p)->section, (p)->key),           \
		     (p)->section, (p)->key, __VA_ARGS__)

static void
store(void *field, size_t bytes, uint64_t number)
{
	uint8_t n8 = (uint8_t)number;
	uint16_t n16 = (uint16_t)number;
	uint32_t n32 = (uint32_t)number;

	memcpy(field, bytes == 1 ? (void *)&n8 : bytes == 2 ? (void *)&n16 : (void *)&n32, bytes);
}

static void
parse_uint(struct parser *p, const struct key *key, const char *value, void *field, bool size)
{
	uint64_t number;

	if (!config_number(value, size, &number))
		REFUSE(p, "\"%s\" is not a %s; write %llu to %llu%s", value,
		       size ? "size" : "number", (unsigned long long)key->min,
		       (unsigned long long)key->max, size ? ", or with K or M behind it" : "");
	else if (number < key->min || number > key->max)
		REFUSE(p, "%s is out of range; write %llu to %llu", value,
		       (unsigned long long)key->min, (unsigned long long)key->max);
	else
		store(field, key->bytes, number);
}

static void
parse_number(struct parser *p, const struct key *key, const char *value, void *field)
{
	parse_uint(p, key, value, field, false);
}

static void
parse_size(struct parser *p, const struct key *key, const char *value, void *field)
{
	parse_uint(p, key, value, field, true);
}

static void
parse_bool(struct parser *p, const struct key *key, const char *value, void *field)
{
	(void)key;
	if (!config_boolean(value, field))
		REFUSE(p, "\"%s\" is neither yes nor no; write one of them", value);
}

static void
parse_text(struct parser *p, const struct key *key, const char *value, void *field)
{
	(void)p;
	snprintf(field, key->bytes, "%s", value);
}

static void
parse_name(struct parser *p, const struct key *key, const char *value, void *field)
{
	size_t n = strspn(value, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				 "0123456789_.-");

	if (n < 1 || n > key->max || value[n] != '\0' || !isalnum((unsigned char)value[0]))
		REFUSE(p,
		       "\"%s\" cannot name a socket and files; write 1 to %llu letters, digits, "
		       "'_', '-' and '.', a letter or digit first",
		       value, (unsigned long long)key->max);
	else
		parse_text(p, key, value, field);
}

static void
parse_group(struct parser *p, const struct key *key, const char *value, void *field)
{
	const struct group *group = getgrnam(value);

	if (group == NULL)
		REFUSE(p, "there is no group \"%s\"; write one that is in /etc/group", value);
	else
		store(field, key->bytes, group->gr_gid);
}

/* enum config_hugepages, enum config_tso: in the order of these names. */
static void
parse_choice(struct parser *p, const struct key *key, const char *value, void *field)
{
	static const char *const names[] = {"auto", "yes", "no"};

	for (unsigned int i = 0; i < 3; i++) {
		if (strcmp(value, names[i]) == 0) {
			store(field, key->bytes, i);
			return;
		}
	}
	REFUSE(p, "\"%s\" is not known; write auto, yes or no", value);
}

static void
parse_congestion(struct parser *p, const struct key *key, const char *value, void *field)
{
	const char *name;

	for (unsigned int i = 0; (name = tcp_congestion_name(i)) != NULL; i++)
		if (strcmp(value, name) == 0)
			break;
	if (name == NULL)
		REFUSE(p, "\"%s\" is not a congestion control; there are cubic and newreno", value);
	else
		parse_text(p, key, value, field);
}

/* Calls take() for each part of a list separated by commas; blanks around them do not count. */
static void
each_part(struct parser *p, const char *value,
	  void (*take)(struct parser *p, const char *part, void *arg), void *arg)
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
			REFUSE(p, "an empty part in the list; write one comma between two");
		else
			take(p, part, arg);
	}
}

static void
take_address(struct parser *p, const char *text, struct config_port *port, bool v4)
{
	struct config_address a;
	const char *wrong = config_prefix(text, v4, &a);
	unsigned int of_family = 0;

	if (wrong != NULL) {
		REFUSE(p, "%s %s", text, wrong);
		return;
	}
	for (unsigned int i = 0; i < port->n_addresses; i++) {
		of_family += ip_is4(&port->addresses[i].ip) == v4;
		if (ip_eq(&port->addresses[i].ip, &a.ip)) {
			REFUSE(p, "%s is there twice; leave one out", text);
			return;
		}
	}
	if (of_family == CONFIG_MAX_ADDRESSES)
		REFUSE(p, "more than %d addresses; leave %s out", CONFIG_MAX_ADDRESSES, text);
	else
		port->addresses[port->n_addresses++] = a;
}

static void
take_ipv4(struct parser *p, const char *text, void *arg)
{
	take_address(p, text, arg, true);
}

static void
take_ipv6(struct parser *p, const char *text, void *arg)
{
	take_address(p, text, arg, false);
}

static void
parse_ipv4(struct parser *p, const struct key *key, const char *value, void *port)
{
	(void)key;
	each_part(p, value, take_ipv4, port);
}

static void
parse_ipv6(struct parser *p, const struct key *key, const char *value, void *port)
{
	(void)key;
	each_part(p, value, take_ipv6, port);
}

/* key->max tells the family: 4 or 6. An empty value means none. */
static void
parse_gateway(struct parser *p, const struct key *key, const char *value, void *field)
{
	struct ip_addr ip;

	if (value[0] == '\0')
		return;
	if (!config_ip(value, &ip) || ip_is4(&ip) != (key->max == 4) || ip_is_any(&ip) ||
	    ip_is_multicast(&ip))
		REFUSE(p, "\"%s\" is not a gateway's address; write one as %s, without a prefix",
		       value, key->max == 4 ? "198.18.0.1" : "2001:db8:18::1");
	else
		memcpy(field, &ip, sizeof(ip));
}

static void
take_listen(struct parser *p, const char *text, void *arg)
{
	struct config_service *service = arg;
	struct tcp_endpoint endpoint;
	const char *wrong = config_endpoint(text, &endpoint);

	if (wrong != NULL)
		REFUSE(p, "%s %s", text, wrong);
	else if (service->n_listen == CONFIG_MAX_LISTEN)
		REFUSE(p, "more than %d endpoints; leave %s out", CONFIG_MAX_LISTEN, text);
	else
		service->listen[service->n_listen++] = endpoint;
}

static void
parse_listen(struct parser *p, const struct key *key, const char *value, void *service)
{
	(void)key;
	each_part(p, value, take_listen, service);
}

/* Read before all other keys of its section, by open_service(). */
static void
parse_plugin(struct parser *p, const struct key *key, const char *value, void *service)
{
	(void)p;
	(void)key;
	(void)value;
	(void)service;
}

/* "auto" among the prefixes is those that ternd finds by itself. */
static void
take_network(struct parser *p, const char *text, void *arg)
{
	struct config_networks *networks = arg;
	struct config_address network;
	const char *wrong = config_network(text, &network);

	if (networks == &p->config->program_prefixes && strcmp(text, "auto") == 0)
		p->config->program_auto = true;
	else if (wrong != NULL)
		REFUSE(p, "%s %s", text, wrong);
	else if (networks->n == CONFIG_MAX_PREFIXES)
		REFUSE(p, "more than %d prefixes; leave %s out", CONFIG_MAX_PREFIXES, text);
	else
		networks->list[networks->n++] = network;
}

static void
parse_networks(struct parser *p, const struct key *key, const char *value, void *field)
{
	(void)key;
	if (field == &p->config->program_prefixes)
		p->config->program_auto = false;
	each_part(p, value, take_network, field);
}

/* ---- The tables */

#define FIELD(type, field) offsetof(type, field), sizeof(((type *)NULL)->field)
#define CONFIG(field) FIELD(struct config, field)
#define PORT(field) FIELD(struct config_port, field)
#define SERVICE(field) FIELD(struct config_service, field)
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const struct key dataplane_keys[] = {
	{"name", parse_name, CONFIG(name), 1, 48},
	{"eal", parse_text, CONFIG(eal), 0, 0},
	{"group", parse_group, CONFIG(group), 0, 0},
	{"lanes", parse_number, CONFIG(lanes), 1, CONFIG_MAX_LANES},
	{"hugepages", parse_choice, CONFIG(hugepages), 0, 0},
};

static const struct key tcp_keys[] = {
	{"congestion", parse_congestion, CONFIG(congestion), 0, 0},
	{"timestamps", parse_bool, CONFIG(timestamps), 0, 0},
	{"window_scaling", parse_bool, CONFIG(window_scaling), 0, 0},
	{"rmem", parse_size, CONFIG(rmem_bytes), 4096, 1 << 30},
	{"rmem_max", parse_size, CONFIG(rmem_max_bytes), 4096, 1 << 30},
	{"wmem", parse_size, CONFIG(wmem_bytes), 4096, 1 << 30},
	{"wmem_max", parse_size, CONFIG(wmem_max_bytes), 4096, 1 << 30},
	{"timewait", parse_number, CONFIG(timewait_s), 0, 3600},
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
};

static const struct key limits_keys[] = {
	{"connections", parse_number, CONFIG(connections), 16, 16 << 20},
	{"requests", parse_number, CONFIG(requests), 16, 16 << 20},
	{"timewait", parse_number, CONFIG(timewait), 1, 16 << 20},
	{"buffers", parse_number, CONFIG(buffers), 1024, 16 << 20},
	{"neighbours", parse_number, CONFIG(neighbours), 8, 1 << 20},
	{"programs", parse_number, CONFIG(programs), 1, 1024},
	{"user_programs", parse_number, CONFIG(user_programs), 0, 1024},
	{"program_sockets", parse_number, CONFIG(program_sockets), 16, 1 << 20},
	{"program_blocks", parse_number, CONFIG(program_blocks), 64, 1 << 22},
};

static const struct key programs_keys[] = {
	{"prefixes", parse_networks, CONFIG(program_prefixes), 0, 0},
	{"except", parse_networks, CONFIG(program_except), 0, 0},
};

static const struct key port_keys[] = {
	{"ipv4", parse_ipv4, 0, 0, 0, 0},
	{"ipv6", parse_ipv6, 0, 0, 0, 0},
	{"gateway4", parse_gateway, PORT(gateway4), 4, 4},
	{"gateway6", parse_gateway, PORT(gateway6), 6, 6},
	{"mtu", parse_number, PORT(mtu), 576, 9600},
	{"rx_desc", parse_number, PORT(rx_desc), 32, 32768},
	{"tx_desc", parse_number, PORT(tx_desc), 32, 32768},
	{"rx_checksum", parse_bool, PORT(rx_checksum), 0, 0},
	{"tx_checksum", parse_bool, PORT(tx_checksum), 0, 0},
	{"tso", parse_choice, PORT(tso), 0, 0},
};

static const struct key service_keys[] = {
	{"listen", parse_listen, 0, 0, 0, 0},
	{"backlog", parse_number, SERVICE(backlog), 1, 1 << 20},
	{"idle_timeout", parse_number, SERVICE(idle_timeout_s), 0, 7 * 86400},
	{"plugin", parse_plugin, 0, 0, 0, 0},
};

static void
set_defaults(struct config *config)
{
	*config = (struct config){
		.name = "tern",
		.group = (gid_t)-1,
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
		.connections = 65536,
		.requests = 16384,
		.timewait = 65536,
		.buffers = 32768,
		.neighbours = 1024,
		.programs = 64,
		.program_auto = true,
		.program_sockets = 4096,
		.program_blocks = 4096,
	};
}

static void
set_port_defaults(struct config_port *port)
{
	*port = (struct config_port){
		.rx_desc = 1024,
		.tx_desc = 1024,
		.rx_checksum = true,
		.tx_checksum = true,
	};
}

/* ---- Sections */

/* The names of keys that there are, the plugin's included. Returns how many. */
static size_t
key_names(const struct parser *p, const struct key *keys, size_t n_keys, const char **names,
	  size_t max)
{
	const char *const *own = p->plugin == NULL ? NULL : service_plugin_ops(p->plugin)->keys;
	size_t n = 0;

	while (n < n_keys && n < max) {
		names[n] = keys[n].name;
		n++;
	}
	for (; own != NULL && *own != NULL && n < max; own++)
		names[n++] = *own;
	return n;
}

static void
unknown_key(struct parser *p, const struct key *keys, size_t n_keys)
{
	const char *names[64], *nearest;
	char all[COUNT(names) * 24] = "";
	size_t n = key_names(p, keys, n_keys, names, COUNT(names)), used = 0;

	for (size_t i = 0; i < n && used < sizeof(all); i++)
		used += (size_t)snprintf(all + used, sizeof(all) - used, "%s%s", i == 0 ? "" : ", ",
					 names[i]);
	nearest = config_nearest(p->key, names, n);
	if (nearest != NULL)
		REFUSE(p, "unknown key; did you mean %s?", nearest);
	else
		REFUSE(p, "unknown key; there are %s", all);
}

/* A key that is not ours: the service's own, or unknown. */
static void
offer_key(struct parser *p, const struct key *keys, size_t n_keys, const char *value)
{
	char why[TERN_SERVICE_WHY_BYTES];
	int status = -ENOENT;

	if (p->plugin != NULL)
		status = service_plugin_configure(p->plugin, p->key, value, why);
	if (status == -ENOENT)
		unknown_key(p, keys, n_keys);
	else if (status < 0)
		REFUSE(p, "%s", why);
}

/* Takes all keys of one section into the structure at `base`. */
static void
read_keys(struct parser *p, struct rte_cfgfile *file, const struct key *keys, size_t n_keys,
	  void *base)
{
	int n = rte_cfgfile_section_num_entries(file, p->section);
	struct rte_cfgfile_entry *entries = calloc((size_t)(n > 0 ? n : 1), sizeof(*entries));

	if (entries == NULL)
		REFUSE(p, "no memory");
	else
		n = rte_cfgfile_section_entries(file, p->section, entries, n);
	for (int i = 0; entries != NULL && i < n; i++) {
		size_t k = 0;

		p->key = entries[i].name;
		while (k < n_keys && strcmp(keys[k].name, p->key) != 0)
			k++;
		if (k == n_keys)
			offer_key(p, keys, n_keys, entries[i].value);
		else
			keys[k].parse(p, &keys[k], entries[i].value,
				      (uint8_t *)base + keys[k].offset);
	}
	p->key = NULL;
	free(entries);
}

/* [port N]. Its place in the array is N; port_seen tells which are there. */
static void
read_port(struct parser *p, struct rte_cfgfile *file, bool *port_seen)
{
	uint64_t number;
	struct config_port *port;

	if (!config_number(p->section + strlen("port "), false, &number) ||
	    number >= CONFIG_MAX_PORTS) {
		REFUSE(p, "a port has a number from 0 to %d; write [port 0]", CONFIG_MAX_PORTS - 1);
		return;
	}
	if (port_seen[number]) {
		REFUSE(p, "port %u is given twice; write its keys in one section",
		       (unsigned int)number);
		return;
	}
	port_seen[number] = true;
	port = &p->config->ports[number];
	set_port_defaults(port);
	read_keys(p, file, port_keys, COUNT(port_keys), port);
	if (port->n_addresses == 0)
		REFUSE(p, "no address; give ipv4 or ipv6");
}

static void
unknown_service(struct parser *p, const char *kind)
{
	const char *names[16], *nearest;
	unsigned int n = 0;

	while (n < COUNT(names) && (names[n] = service_built_in_name(n)) != NULL)
		n++;
	nearest = config_nearest(kind, names, n);
	if (nearest != NULL)
		REFUSE(p, "unknown service; did you mean [service %s]?", nearest);
	else
		REFUSE(p, "unknown service; there are http, echo, discard and chargen, or give "
			  "plugin = FILE.so");
}

/* What stands behind a section: a plugin's file, or what is built in. NULL if neither does. */
static struct service_plugin *
open_service(struct parser *p, struct rte_cfgfile *file, const char *kind)
{
	const char *path = rte_cfgfile_get_entry(file, p->section, "plugin");
	struct service_plugin *plugin = service_plugin_built_in(kind);
	char why[TERN_SERVICE_WHY_BYTES];

	if (path == NULL) {
		if (plugin == NULL)
			unknown_service(p, kind);
		return plugin;
	}
	p->key = "plugin";
	if (plugin != NULL) {
		REFUSE(p, "%s is built in; give the service another name", kind);
		p->key = NULL;
		return plugin;
	}
	plugin = service_plugin_load(path, why);
	if (plugin == NULL)
		REFUSE(p, "%s %s", path, why);
	p->key = NULL;
	return plugin;
}

/* [service KIND] or [service KIND NAME]. */
static void
read_service(struct parser *p, struct rte_cfgfile *file)
{
	struct config *config = p->config;
	const char *kind = p->section + strlen("service ");
	char word[CONFIG_NAME_BYTES], why[TERN_SERVICE_WHY_BYTES];
	struct config_service *service;

	if (config->n_services == CONFIG_MAX_SERVICES) {
		REFUSE(p, "more than %d services; leave this one out", CONFIG_MAX_SERVICES);
		return;
	}
	snprintf(word, sizeof(word), "%.*s", (int)strcspn(kind, " "), kind);
	p->plugin = open_service(p, file, word);
	if (p->plugin == NULL)
		return;
	p->service_sections[config->n_services] = p->section;
	service = &config->services[config->n_services++];
	*service = (struct config_service){.plugin = p->plugin, .backlog = 4096};
	snprintf(service->name, sizeof(service->name), "%s", kind);
	service->idle_timeout_s = service_plugin_ops(p->plugin)->idle_timeout_s;
	read_keys(p, file, service_keys, COUNT(service_keys), service);
	if (service->n_listen == 0 && !rte_cfgfile_has_entry(file, p->section, "listen"))
		REFUSE(p, "no endpoint to listen on; give listen, as *:80");
	if (service_plugin_check(p->plugin, why) < 0)
		REFUSE(p, "%s", why);
	p->plugin = NULL;
}

static void
read_section(struct parser *p, struct rte_cfgfile *file, bool *port_seen)
{
	static const char *const names[] = {"dataplane", "tcp",    "limits",
					    "programs",  "port 0", "service http"};
	const char *nearest;

	if (strcmp(p->section, "dataplane") == 0)
		read_keys(p, file, dataplane_keys, COUNT(dataplane_keys), p->config);
	else if (strcmp(p->section, "tcp") == 0)
		read_keys(p, file, tcp_keys, COUNT(tcp_keys), p->config);
	else if (strcmp(p->section, "limits") == 0)
		read_keys(p, file, limits_keys, COUNT(limits_keys), p->config);
	else if (strcmp(p->section, "programs") == 0)
		read_keys(p, file, programs_keys, COUNT(programs_keys), p->config);
	else if (strncmp(p->section, "port ", 5) == 0)
		read_port(p, file, port_seen);
	else if (strncmp(p->section, "service ", 8) == 0)
		read_service(p, file);
	else if ((nearest = config_nearest(p->section, names, COUNT(names))) != NULL)
		REFUSE(p, "unknown section; did you mean [%s]?", nearest);
	else
		REFUSE(p, "unknown section; there are [dataplane], [tcp], [limits], [programs], "
			  "[port N] and [service KIND]");
}

/* ---- All of it */

static void
read_values(struct parser *p, struct rte_cfgfile *file)
{
	int n = rte_cfgfile_num_sections(file, NULL, 0);
	char(*names)[CFG_NAME_LEN] = calloc((size_t)(n > 0 ? n : 1), sizeof(*names));
	char **list = calloc((size_t)(n > 0 ? n : 1), sizeof(*list));
	bool port_seen[CONFIG_MAX_PORTS] = {false};

	if (names == NULL || list == NULL) {
		config_error(p->report, 0, NULL, NULL, "no memory");
		n = 0;
	}
	for (int i = 0; i < n; i++)
		list[i] = names[i];
	if (n > 0)
		rte_cfgfile_sections(file, list, n);
	for (int i = 0; i < n; i++) {
		p->section = names[i];
		read_section(p, file, port_seen);
	}
	config_check_rules(p->config, port_seen, p->service_sections, p->lines, p->report);
	free(list);
	free(names);
}

int
config_read(const char *path, struct config *config, FILE *errors)
{
	struct rte_cfgfile_parameters parameters = {.comment_character =
							    CFG_DEFAULT_COMMENT_CHARACTER};
	struct config_report report = {.path = path, .stream = errors};
	struct config_lines lines;
	struct parser parser = {.config = config, .report = &report, .lines = &lines};
	struct rte_cfgfile *file = NULL;
	char copy[32];

	set_defaults(config);
	if (config_lines_read(&lines, &report) == 0) {
		snprintf(copy, sizeof(copy), "/proc/self/fd/%d", lines.copy_fd);
		file = rte_cfgfile_load_with_params(copy, CFG_FLAG_EMPTY_VALUES, &parameters);
		if (file == NULL)
			config_error(&report, 0, NULL, NULL, "cannot be parsed");
	}
	if (file != NULL) {
		read_values(&parser, file);
		rte_cfgfile_close(file);
	}
	config_lines_free(&lines);
	return report.errors == 0 ? 0 : -1;
}

void
config_free(struct config *config)
{
	for (unsigned int i = config->n_services; i-- > 0;)
		service_plugin_close(config->services[i].plugin);
	config->n_services = 0;
}
