/* SPDX-License-Identifier: BSD-3-Clause */
/* What must hold between the keys of a configuration: gateways on link, no endpoint twice, ... */
#ifndef TERN_DATAPLANE_CONFIG_RULES_H
#define TERN_DATAPLANE_CONFIG_RULES_H

#include <stdbool.h>

#include "dataplane/config_lines.h"

/*
 * Checks the rules and reports what breaks them. port_seen[N] tells whether there is a [port N];
 * service_sections are the sections of config->services. Sets config->n_ports.
 */
void config_check_rules(struct config *config, const bool *port_seen,
			const char *const *service_sections, const struct config_lines *lines,
			struct config_report *report);

#endif
