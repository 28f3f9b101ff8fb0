/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ternd's configuration: which sections there are, and how a file is read.
 *
 * Three steps, each of which goes on after an error, so that a user hears of all of them at once:
 * the line checker (config_lines.c), the values of each key by its table (config_keys.c), and the
 * rules between keys (config_rules.c).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <rte_cfgfile.h>

#include "dataplane/config_keys.h"
#include "dataplane/config_lines.h"
#include "dataplane/config_rules.h"
#include "dataplane/config_values.h"
#include "dataplane/service_plugin.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* ---- Sections */

/* The names of keys that there are, the plugin's included. Returns how many. */
static size_t
key_names(const struct config_parser *p, const struct config_keys *keys, const char **names,
	  size_t max)
{
	const char *const *own = p->plugin == NULL ? NULL : service_plugin_ops(p->plugin)->keys;
	size_t n = 0;

	while (n < keys->n && n < max) {
		names[n] = keys->list[n].name;
		n++;
	}
	for (; own != NULL && *own != NULL && n < max; own++)
		names[n++] = *own;
	return n;
}

static void
unknown_key(struct config_parser *p, const struct config_keys *keys)
{
	const char *names[64], *nearest;
	char all[COUNT(names) * 24] = "";
	size_t n = key_names(p, keys, names, COUNT(names)), used = 0;

	for (size_t i = 0; i < n && used < sizeof(all); i++)
		used += (size_t)snprintf(all + used, sizeof(all) - used, "%s%s", i == 0 ? "" : ", ",
					 names[i]);
	nearest = config_nearest(p->key, names, n);
	if (nearest != NULL)
		CONFIG_REFUSE(p, "unknown key; did you mean %s?", nearest);
	else
		CONFIG_REFUSE(p, "unknown key; there are %s", all);
}

/* A key that is not ours: the service's own, or unknown. */
static void
offer_key(struct config_parser *p, const struct config_keys *keys, const char *value)
{
	char why[TERN_SERVICE_WHY_BYTES];
	int status = -ENOENT;

	if (p->plugin != NULL)
		status = service_plugin_configure(p->plugin, p->key, value, why);
	if (status == -ENOENT)
		unknown_key(p, keys);
	else if (status < 0)
		CONFIG_REFUSE(p, "%s", why);
}

/* Takes all keys of one section into the structure at `base`. */
static void
read_keys(struct config_parser *p, struct rte_cfgfile *file, const struct config_keys *keys,
	  void *base)
{
	int n = rte_cfgfile_section_num_entries(file, p->section);
	struct rte_cfgfile_entry *entries = calloc((size_t)(n > 0 ? n : 1), sizeof(*entries));

	if (entries == NULL)
		CONFIG_REFUSE(p, "no memory");
	else
		n = rte_cfgfile_section_entries(file, p->section, entries, n);
	for (int i = 0; entries != NULL && i < n; i++) {
		size_t k = 0;

		p->key = entries[i].name;
		while (k < keys->n && strcmp(keys->list[k].name, p->key) != 0)
			k++;
		if (k == keys->n)
			offer_key(p, keys, entries[i].value);
		else
			keys->list[k].parse(p, &keys->list[k], entries[i].value,
					    (uint8_t *)base + keys->list[k].offset);
	}
	p->key = NULL;
	free(entries);
}

/* [port N]. Its place in the array is N; port_seen tells which are there. */
static void
read_port(struct config_parser *p, struct rte_cfgfile *file, bool *port_seen)
{
	uint64_t number;
	struct config_port *port;

	if (!config_number(p->section + strlen("port "), false, &number) ||
	    number >= CONFIG_MAX_PORTS) {
		CONFIG_REFUSE(p, "a port has a number from 0 to %d; write [port 0]",
			      CONFIG_MAX_PORTS - 1);
		return;
	}
	if (port_seen[number]) {
		CONFIG_REFUSE(p, "port %u is given twice; write its keys in one section",
			      (unsigned int)number);
		return;
	}
	port_seen[number] = true;
	port = &p->config->ports[number];
	config_set_port_defaults(port);
	read_keys(p, file, &config_port_keys, port);
	if (port->n_addresses == 0)
		CONFIG_REFUSE(p, "no address; give ipv4 or ipv6");
}

static void
unknown_service(struct config_parser *p, const char *kind)
{
	const char *names[16], *nearest;
	unsigned int n = 0;

	while (n < COUNT(names) && (names[n] = service_built_in_name(n)) != NULL)
		n++;
	nearest = config_nearest(kind, names, n);
	if (nearest != NULL)
		CONFIG_REFUSE(p, "unknown service; did you mean [service %s]?", nearest);
	else
		CONFIG_REFUSE(
			p, "unknown service; there are http, echo, discard, chargen and bench, or "
			   "give plugin = FILE.so");
}

/* What stands behind a section: a plugin's file, or what is built in. NULL if neither does. */
static struct service_plugin *
open_service(struct config_parser *p, struct rte_cfgfile *file, const char *kind)
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
		CONFIG_REFUSE(p, "%s is built in; give the service another name", kind);
		p->key = NULL;
		return plugin;
	}
	plugin = service_plugin_load(path, why);
	if (plugin == NULL)
		CONFIG_REFUSE(p, "%s %s", path, why);
	p->key = NULL;
	return plugin;
}

/* [service KIND] or [service KIND NAME]. */
static void
read_service(struct config_parser *p, struct rte_cfgfile *file)
{
	struct config *config = p->config;
	const char *kind = p->section + strlen("service ");
	char word[CONFIG_NAME_BYTES], why[TERN_SERVICE_WHY_BYTES];
	struct config_service *service;

	if (config->n_services == CONFIG_MAX_SERVICES) {
		CONFIG_REFUSE(p, "more than %d services; leave this one out", CONFIG_MAX_SERVICES);
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
	read_keys(p, file, &config_service_keys, service);
	if (service->n_listen == 0 && !rte_cfgfile_has_entry(file, p->section, "listen") &&
	    !service_plugin_may_only_connect(p->plugin))
		CONFIG_REFUSE(p, "no endpoint to listen on; give listen, as *:80");
	if (service_plugin_check(p->plugin, why) < 0)
		CONFIG_REFUSE(p, "%s", why);
	p->plugin = NULL;
}

static void
read_section(struct config_parser *p, struct rte_cfgfile *file, bool *port_seen)
{
	static const char *const names[] = {"dataplane", "tcp",    "limits",
					    "programs",  "port 0", "service http"};
	const char *nearest;

	if (strcmp(p->section, "dataplane") == 0)
		read_keys(p, file, &config_dataplane_keys, p->config);
	else if (strcmp(p->section, "tcp") == 0)
		read_keys(p, file, &config_tcp_keys, p->config);
	else if (strcmp(p->section, "limits") == 0)
		read_keys(p, file, &config_limits_keys, p->config);
	else if (strcmp(p->section, "programs") == 0)
		read_keys(p, file, &config_programs_keys, p->config);
	else if (strncmp(p->section, "port ", 5) == 0)
		read_port(p, file, port_seen);
	else if (strncmp(p->section, "service ", 8) == 0)
		read_service(p, file);
	else if ((nearest = config_nearest(p->section, names, COUNT(names))) != NULL)
		CONFIG_REFUSE(p, "unknown section; did you mean [%s]?", nearest);
	else
		CONFIG_REFUSE(
			p, "unknown section; there are [dataplane], [tcp], [limits], [programs], "
			   "[port N] and [service KIND]");
}

/* ---- All of it */

static void
read_values(struct config_parser *p, struct rte_cfgfile *file)
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
	struct config_parser parser = {.config = config, .report = &report, .lines = &lines};
	struct rte_cfgfile *file = NULL;
	char copy[32];

	config_set_defaults(config);
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
