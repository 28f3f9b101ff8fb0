/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The keys of ternd's configuration: for config.c, which goes through the sections of a file and
 * has each key's value taken by its table.
 */
#ifndef TERN_DATAPLANE_CONFIG_KEYS_H
#define TERN_DATAPLANE_CONFIG_KEYS_H

#include <stddef.h>
#include <stdint.h>

#include "dataplane/config_lines.h"

struct service_plugin;

/* Where reading has got to. */
struct config_parser {
	struct config *config;
	struct config_report *report;
	const struct config_lines *lines;
	const char *section;
	const char *key;
	struct service_plugin *plugin; /* of this section: takes keys that are not ours */
	const char *service_sections[CONFIG_MAX_SERVICES]; /* for the rules */
};

struct config_key {
	const char *name;
	void (*parse)(struct config_parser *p, const struct config_key *key, const char *value,
		      void *field);
	size_t offset; /* of the field in its section's structure */
	size_t bytes;  /* of the field */
	uint64_t min, max;
};

/* A section's keys. */
struct config_keys {
	const struct config_key *list;
	size_t n;
};

extern const struct config_keys config_dataplane_keys; /* of a struct config */
extern const struct config_keys config_tcp_keys;
extern const struct config_keys config_limits_keys;
extern const struct config_keys config_programs_keys;
extern const struct config_keys config_port_keys;    /* of a struct config_port */
extern const struct config_keys config_service_keys; /* of a struct config_service */

/* What holds without a file's word. */
void config_set_defaults(struct config *config);
void config_set_port_defaults(struct config_port *port);

/* One line of complaint about the key at hand, or the section. */
#define CONFIG_REFUSE(p, ...)                                                                      \
	config_error((p)->report, config_lines_find((p)->lines, (p)->section, (p)->key),           \
		     (p)->section, (p)->key, __VA_ARGS__)

#endif
