/* SPDX-License-Identifier: BSD-3-Clause */
/* See config_rules.h. Each rule is checked although others are broken, so that all are told at
 * once. */
#include "dataplane/config_rules.h"
#include "dataplane/config_values.h"

struct rules {
	struct config *config;
	const char *const *service_sections;
	const struct config_lines *lines;
	struct config_report *report;
	const char *section; /* at hand */
	const char *key;     /* at hand, or NULL */
};

#define REFUSE(r, ...)                                                                             \
	config_error((r)->report, config_lines_find((r)->lines, (r)->section, (r)->key),           \
		     (r)->section, (r)->key, __VA_ARGS__)

static void
check_gateway(struct rules *r, const struct config_port *port, const char *key,
	      const struct ip_addr *gateway)
{
	char text[CONFIG_IP_TEXT];
	bool on_link = ip_is_link_local6(gateway);

	if (ip_is_any(gateway))
		return;
	r->key = key;
	for (unsigned int i = 0; i < port->n_addresses; i++) {
		on_link |= config_on_link(&port->addresses[i], gateway);
		if (ip_eq(&port->addresses[i].ip, gateway))
			REFUSE(r, "%s is this port's own address; give the router's",
			       config_ip_text(gateway, text));
	}
	if (!on_link)
		REFUSE(r,
		       "%s is not on link: in no prefix of this port's addresses; give one that is",
		       config_ip_text(gateway, text));
	r->key = NULL;
}

/* The lanes that have a port, by bit. */
static uint64_t
lanes_of(const struct config *config, unsigned int port)
{
	uint64_t all = UINT64_MAX >> (64 - config->lanes);

	return config->ports[port].lanes != 0 ? config->ports[port].lanes : all;
}

/* Lanes that share one port share all: they tell each other of neighbours, and one announces. */
static void
check_lanes(struct rules *r, unsigned int n)
{
	const struct config *config = r->config;
	uint64_t lanes = lanes_of(config, n);

	r->key = "lanes";
	if (lanes >> (config->lanes - 1) > 1)
		REFUSE(r, "there are %u lanes, from 0 on; raise [dataplane] lanes", config->lanes);
	for (unsigned int o = 0; o < n; o++) {
		uint64_t others = lanes_of(config, o);

		if ((lanes & others) != 0 && lanes != others)
			REFUSE(r,
			       "some of these lanes have [port %u], too, and some have not; give "
			       "both ports the same lanes, or no lane of the other's",
			       o);
	}
	r->key = NULL;
}

/* A lane without a port would have nothing to do. */
static void
check_all_lanes(const struct config *config, struct config_report *report)
{
	uint64_t lanes = 0;

	for (unsigned int n = 0; n < config->n_ports; n++)
		lanes |= lanes_of(config, n);
	for (unsigned int i = 0; i < config->lanes; i++)
		if ((lanes >> i & 1) == 0)
			config_error(report, 0, NULL, NULL,
				     "lane %u has no port; name it in the lanes of one, or lower "
				     "[dataplane] lanes",
				     i);
}

static void
check_port(struct rules *r, unsigned int n)
{
	const struct config *config = r->config;
	const struct config_port *port = &config->ports[n];
	char section[CONFIG_NAME_BYTES], text[CONFIG_IP_TEXT];
	bool v6 = false;

	snprintf(section, sizeof(section), "port %u", n);
	r->section = section;
	check_gateway(r, port, "gateway4", &port->gateway4);
	check_gateway(r, port, "gateway6", &port->gateway6);
	for (unsigned int i = 0; i < port->n_addresses; i++) {
		const struct ip_addr *ip = &port->addresses[i].ip;

		v6 |= !ip_is4(ip);
		for (unsigned int o = 0; o < n; o++)
			for (unsigned int j = 0; j < config->ports[o].n_addresses; j++)
				if (ip_eq(&config->ports[o].addresses[j].ip, ip) &&
				    !ip_is_link_local6(ip))
					REFUSE(r,
					       "%s is an address of [port %u], too; leave one out",
					       config_ip_text(ip, text), o);
	}
	check_lanes(r, n);
	r->key = "mtu";
	if (v6 && port->mtu != 0 && port->mtu < 1280)
		REFUSE(r, "%u is too small for IPv6; write 1280 at least", port->mtu);
	r->key = "tso";
	if (port->tso == TSO_YES && !port->tx_checksum)
		REFUSE(r, "the device sums what it cuts; write tx_checksum = yes, or tso = no");
	r->key = NULL;
}

/* What a SYN brings is taken only where [tcp] allows it. */
static void
check_fastopen(struct rules *r, const struct config_service *service)
{
	r->key = "fastopen";
	if (service->fastopen > 0 && (r->config->fastopen & TCP_FASTOPEN_SERVER) == 0)
		REFUSE(r, "[tcp] fastopen does not allow it; add server there, or write 0");
	r->key = NULL;
}

static bool
is_ours(const struct config *config, const struct ip_addr *ip)
{
	if (ip_is_any(ip) || ip_is_link_local6(ip))
		return true; /* the port may have made its link-local address itself */
	for (unsigned int n = 0; n < config->n_ports; n++)
		for (unsigned int i = 0; i < config->ports[n].n_addresses; i++)
			if (ip_eq(&config->ports[n].addresses[i].ip, ip))
				return true;
	return false;
}

static bool
collide(const struct tcp_endpoint *a, const struct tcp_endpoint *b)
{
	return a->port == b->port &&
	       (ip_is_any(&a->ip) || ip_is_any(&b->ip) || ip_eq(&a->ip, &b->ip));
}

/* Complains if an earlier endpoint already has what the j-th of the s-th service wants. */
static void
check_endpoint(struct rules *r, unsigned int s, unsigned int j)
{
	const struct config *config = r->config;
	const struct tcp_endpoint *endpoint = &config->services[s].listen[j];
	char text[CONFIG_ENDPOINT_TEXT];

	if (!is_ours(config, &endpoint->ip))
		REFUSE(r, "%s is not an address of any [port]; give one of theirs, or *",
		       config_endpoint_text(endpoint, text));
	for (unsigned int o = 0; o <= s; o++) {
		unsigned int end = o == s ? j : config->services[o].n_listen;

		for (unsigned int i = 0; i < end; i++) {
			if (!collide(endpoint, &config->services[o].listen[i]))
				continue;
			REFUSE(r, "%s is taken by [%s]; give another port",
			       config_endpoint_text(endpoint, text), r->service_sections[o]);
			return;
		}
	}
}

void
config_check_rules(struct config *config, const bool *port_seen,
		   const char *const *service_sections, const struct config_lines *lines,
		   struct config_report *report)
{
	struct rules r = {
		.config = config,
		.service_sections = service_sections,
		.lines = lines,
		.report = report,
	};
	unsigned int highest = 0;

	for (unsigned int n = 0; n < CONFIG_MAX_PORTS; n++) {
		config->n_ports += port_seen[n];
		if (port_seen[n])
			highest = n;
	}
	if (config->n_ports == 0)
		config_error(report, 0, NULL, NULL, "no port; add a section [port 0]");
	else if (config->n_ports != highest + 1)
		config_error(report, 0, NULL, NULL,
			     "[port %u], but not all before it; number ports 0, 1, ...", highest);
	else
		for (unsigned int n = 0; n < config->n_ports; n++)
			check_port(&r, n);
	if (config->n_ports > 0 && config->n_ports == highest + 1)
		check_all_lanes(config, report);
	for (unsigned int s = 0; s < config->n_services; s++) {
		r.section = service_sections[s];
		r.key = "listen";
		for (unsigned int j = 0; j < config->services[s].n_listen; j++)
			check_endpoint(&r, s, j);
		check_fastopen(&r, &config->services[s]);
	}
}
