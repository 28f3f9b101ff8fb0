/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The commands that give addresses to a port, and take them away, while all runs. For root alone.
 * Every lane gets the change; the configuration in memory too, of which ternd tells who asks, and
 * programs that attach from then on. The file stays as it is.
 */
#include <stdlib.h>
#include <string.h>

#include "dataplane/commands.h"
#include "dataplane/config_values.h"
#include "dataplane/daemon.h"
#include "dataplane/log.h"

static bool
is_root(const struct control_cursor *cursor, const char **error)
{
	*error = "only root may do this";
	return cursor->client.uid == 0;
}

/* Reads "address", with a prefix length or without; then it is the whole address. */
static bool
read_address(const json_t *request, struct config_address *address, const char **error)
{
	const char *text = json_string_value(json_object_get(request, "address")), *slash;
	char ip[CONFIG_IP_TEXT];
	char *end = NULL;
	unsigned long bits;

	*error = "not an address; write it as 198.18.0.1/24 or 2001:db8:18::1/64";
	slash = text == NULL ? NULL : strchr(text, '/');
	if (text == NULL || snprintf(ip, sizeof(ip), "%.*s",
				     slash == NULL ? (int)strlen(text) : (int)(slash - text),
				     text) >= (int)sizeof(ip))
		return false;
	if (!config_ip(ip, &address->ip))
		return false;
	bits = ip_is4(&address->ip) ? 32 : 128;
	if (slash != NULL) {
		unsigned long most = bits;

		bits = strtoul(slash + 1, &end, 10);
		if (end == slash + 1 || *end != '\0' || slash[1] == '-' || bits > most)
			return false;
	}
	address->prefix_len = (uint8_t)bits;
	return true;
}

/*
 * Tells all lanes. Returns 0 if all that have the port take an address, or if any gives one up;
 * else an error of theirs; INT_MIN when one does not answer.
 */
static int
tell_lanes(struct daemon *daemon, const struct lane_request *change)
{
	int status = change->add ? 0 : -ENOENT;

	for (unsigned int i = 0; i < daemon->config.lanes; i++) {
		struct lane_request *ask = lane_request_make(ASK_ADDRESS);

		if (ask == NULL)
			return INT_MIN;
		ask->port = change->port;
		ask->address = change->address;
		ask->add = change->add;
		ask->taken_over = change->taken_over;
		if (lane_ask(daemon->lanes[i], ask) < 0)
			return INT_MIN;
		if (change->add ? ask->status < 0 : ask->status == 0)
			status = ask->status;
		free(ask);
	}
	return status;
}

static const char *
why_not(int status)
{
	switch (status) {
	case -EEXIST:
		return "this address is ternd's already";
	case -ENOENT:
		return "ternd does not have this address";
	case -ENOSPC:
		return "this port has 16 addresses of this family already";
	case -EINVAL:
		return "no station can have this address";
	default:
		return "a lane does not answer";
	}
}

static void
tell_programs(struct daemon *daemon)
{
	programs_set_prefixes(daemon->programs, prefixes_make(&daemon->config, daemon->prefixes));
}

json_t *
commands_address_add(struct daemon *daemon, const json_t *request, struct control_cursor *cursor,
		     const char **error)
{
	json_int_t port = json_integer_value(json_object_get(request, "port"));
	struct lane_request change = {
		.add = true,
		.taken_over = json_is_true(json_object_get(request, "taken_over")),
	};
	struct config_port *config;
	char text[CONFIG_IP_TEXT];
	int status;

	if (!is_root(cursor, error) || !read_address(request, &change.address, error))
		return NULL;
	*error = "there is no such port";
	if (port < 0 || port >= daemon->config.n_ports)
		return NULL;
	config = &daemon->config.ports[port];
	change.port = (uint16_t)port;
	*error = why_not(-ENOSPC);
	if (config->n_addresses == RTE_DIM(config->addresses))
		return NULL;
	status = tell_lanes(daemon, &change);
	*error = why_not(status);
	if (status < 0)
		return NULL;
	config->addresses[config->n_addresses++] = change.address;
	tell_programs(daemon);
	log_line("port %d has another address: %s/%u", (int)port,
		 config_ip_text(&change.address.ip, text), change.address.prefix_len);
	return json_pack("{s:i,s:i}", "port", (int)port, "prefix_len",
			 (int)change.address.prefix_len);
}

/* Takes an address out of what ternd tells. Returns what it was. */
static bool
forget(struct daemon *daemon, const struct ip_addr *ip, struct config_address *was, int *port)
{
	for (*port = 0; *port < (int)daemon->config.n_ports; ++*port) {
		struct config_port *config = &daemon->config.ports[*port];

		for (unsigned int i = 0; i < config->n_addresses; i++) {
			if (!ip_eq(&config->addresses[i].ip, ip))
				continue;
			*was = config->addresses[i];
			config->n_addresses--;
			memmove(&config->addresses[i], &config->addresses[i + 1],
				(config->n_addresses - i) * sizeof(*was));
			return true;
		}
	}
	return false;
}

json_t *
commands_address_del(struct daemon *daemon, const json_t *request, struct control_cursor *cursor,
		     const char **error)
{
	struct lane_request change = {.add = false};
	struct config_address was = {0};
	char text[CONFIG_IP_TEXT];
	int status, port;

	if (!is_root(cursor, error) || !read_address(request, &change.address, error))
		return NULL;
	status = tell_lanes(daemon, &change);
	*error = why_not(status);
	if (status < 0)
		return NULL;
	*error = why_not(-ENOENT);
	if (!forget(daemon, &change.address.ip, &was, &port))
		return NULL;
	tell_programs(daemon);
	log_line("port %d has no longer %s/%u", port, config_ip_text(&was.ip, text),
		 was.prefix_len);
	return json_pack("{s:i,s:i}", "port", port, "prefix_len", (int)was.prefix_len);
}
