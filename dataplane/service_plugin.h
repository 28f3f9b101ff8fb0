/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What is behind a section [service ...]: a descriptor of tern_service.h, from a file or built in,
 * and the state of that service. Main thread, but for what only asks.
 */
#ifndef TERN_DATAPLANE_SERVICE_PLUGIN_H
#define TERN_DATAPLANE_SERVICE_PLUGIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "dataplane/config.h"
#include "dataplane/tern_service.h"

struct service_plugin;

/* The descriptors of what is built in. */
extern const struct tern_service_plugin http_plugin;
extern const struct tern_service_plugin echo_plugin;
extern const struct tern_service_plugin discard_plugin;
extern const struct tern_service_plugin chargen_plugin;
extern const struct tern_service_plugin bench_plugin;

/* A readable callback for who wants nothing of what comes: reads it all, and closes at its end. */
void discard_all(struct tern_service_conn *conn, void *state);

/* The names of what is built in, from 0; NULL behind the last. */
const char *service_built_in_name(unsigned int n);

/* Makes a service of a descriptor in this program. NULL if it is none that can be used. */
struct service_plugin *service_plugin_of(const struct tern_service_plugin *descriptor);

/* Makes a service of what is built in. Returns NULL if nothing of that name is, or no memory. */
struct service_plugin *service_plugin_built_in(const char *name);

/* Makes a service of a file. Returns NULL with the reason in `why`, TERN_SERVICE_WHY_BYTES. */
struct service_plugin *service_plugin_load(const char *file, char *why);

/* Stops a service, and frees it. NULL is ignored. */
void service_plugin_close(struct service_plugin *plugin);

/* As the callbacks: 0, or a negative errno with the reason in `why`, which is never empty then. */
int service_plugin_configure(struct service_plugin *plugin, const char *key, const char *value,
			     char *why);
int service_plugin_check(struct service_plugin *plugin, char *why);

/* Starts every service. Returns 0, or -1 with a message on `errors`. */
int service_plugins_start(const struct config *config, FILE *errors);

/* The descriptor, in which every callback is there. */
const struct tern_service_plugin *service_plugin_ops(const struct service_plugin *plugin);

void *service_plugin_state(const struct service_plugin *plugin);

/* How many counters of its own it has. */
unsigned int service_plugin_counters(const struct service_plugin *plugin);

bool service_plugin_is_built_in(const struct service_plugin *plugin);
/* Whether it can be of use without `listen`: it connects, when it is told to. */
bool service_plugin_may_only_connect(const struct service_plugin *plugin);
/* Whether its connections can go on elsewhere. */
bool service_plugin_can_move(const struct service_plugin *plugin);
bool service_plugin_has_turn(const struct service_plugin *plugin);
bool service_plugin_closes_at_end(const struct service_plugin *plugin);

/* For people: the file and version, if it is from one, and the keys it took. "" if there are none.
 */
const char *service_plugin_text(const struct service_plugin *plugin);

#endif
