/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Loading plugins, checking their descriptors, and what happens to them on the main thread.
 *
 * A descriptor is copied, with do-nothing callbacks in the place of missing ones. It may be longer
 * than ours if a newer header made it, as long as what we do not know is zero: not used. It may be
 * shorter, down to what the first header had: what is missing is as if it were NULL.
 *
 * Two sections with one file share its code and its globals, and have a state each.
 */
#include <dlfcn.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <rte_common.h>

#include "dataplane/service_plugin.h"

#define SYMBOL "tern_service_plugin"

struct service_plugin {
	struct tern_service_plugin ops;
	void *handle; /* of dlopen(); NULL: built in */
	void *state;
	unsigned int n_counters;
	bool has_turn;
	bool closes_at_end;
	bool movable;
	char text[2 * CONFIG_VALUE_BYTES];
};

static const struct {
	const char *name;
	const struct tern_service_plugin *plugin;
} built_in[] = {
	{"http", &http_plugin},       {"echo", &echo_plugin},   {"discard", &discard_plugin},
	{"chargen", &chargen_plugin}, {"bench", &bench_plugin},
};

enum {
	BUILT_IN = sizeof(built_in) / sizeof(built_in[0]),
	FIRST_BYTES = offsetof(struct tern_service_plugin, save), /* of the first header's */
};

static int say(char *why, int error, const char *format, ...) __attribute__((format(printf, 3, 4)));

static int
say(char *why, int error, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(why, TERN_SERVICE_WHY_BYTES, format, args);
	va_end(args);
	return error;
}

/* ---- Callbacks that are not there */

static int
no_configure(void *service, const char *key, const char *value, char *why)
{
	(void)service;
	(void)key;
	(void)value;
	(void)why;
	return -ENOENT;
}

static int
no_check(void *service, char *why)
{
	(void)service;
	(void)why;
	return 0;
}

static int
no_start(void *service, unsigned int lanes, char *why)
{
	(void)service;
	(void)lanes;
	(void)why;
	return 0;
}

static void
no_stop(void *service)
{
	(void)service;
}

static int
no_lane_start(struct tern_service_lane *lane, void *state, char *why)
{
	(void)lane;
	(void)state;
	(void)why;
	return 0;
}

static void
no_lane_call(struct tern_service_lane *lane, void *state)
{
	(void)lane;
	(void)state;
}

static int
no_accepted(struct tern_service_conn *conn, void *state)
{
	(void)conn;
	(void)state;
	return 0;
}

static void
no_event(struct tern_service_conn *conn, void *state)
{
	(void)conn;
	(void)state;
}

static void
no_closed(struct tern_service_conn *conn, void *state, int error)
{
	(void)conn;
	(void)state;
	(void)error;
}

static ssize_t
no_save(struct tern_service_conn *conn, void *state, void *to, size_t bytes, char *why)
{
	(void)conn;
	(void)state;
	(void)to;
	(void)bytes;
	(void)why;
	return 0;
}

static int
no_restored(struct tern_service_conn *conn, void *state, const void *from, size_t bytes, char *why)
{
	(void)conn;
	(void)state;
	(void)from;
	(void)bytes;
	(void)why;
	return 0;
}

static void
fill_in(struct tern_service_plugin *ops)
{
#define DEFAULT(callback, nothing)                                                                 \
	if (ops->callback == NULL)                                                                 \
	ops->callback = nothing
	DEFAULT(configure, no_configure);
	DEFAULT(check, no_check);
	DEFAULT(start, no_start);
	DEFAULT(stop, no_stop);
	DEFAULT(lane_start, no_lane_start);
	DEFAULT(lane_turn, no_lane_call);
	DEFAULT(lane_stop, no_lane_call);
	DEFAULT(accepted, no_accepted);
	DEFAULT(connected, no_event);
	DEFAULT(readable, no_event);
	DEFAULT(writable, no_event);
	DEFAULT(peer_closed, no_event);
	DEFAULT(timer, no_event);
	DEFAULT(closed, no_closed);
	DEFAULT(save, no_save);
	DEFAULT(restored, no_restored);
#undef DEFAULT
}

/* ---- Descriptors */

/* Whether a descriptor is one that we can use; only what its sizes say is there is read. */
static int
check_descriptor(const struct tern_service_plugin *from, char *why)
{
	const uint8_t *bytes = (const uint8_t *)from;

	if (from->abi != TERN_SERVICE_ABI)
		return say(why, -EINVAL,
			   "is made for version %u of tern_service.h, and this ternd has version "
			   "%u; build it with the header of this ternd",
			   from->abi, TERN_SERVICE_ABI);
	if (from->bytes < FIRST_BYTES)
		return say(why, -EINVAL,
			   "its descriptor says it has %u bytes, and must have %d at least: write "
			   ".bytes = sizeof(struct tern_service_plugin)",
			   from->bytes, FIRST_BYTES);
	for (uint32_t i = sizeof(*from); i < from->bytes; i++)
		if (bytes[i] != 0)
			return say(why, -EINVAL,
				   "is made with a newer tern_service.h, and uses what this ternd "
				   "does not have (its descriptor has %u bytes, and ours %zu)",
				   from->bytes, sizeof(*from));
	if (from->conn_bytes > TERN_SERVICE_CONN_BYTES_MAX)
		return say(why, -EINVAL,
			   "wants %u bytes for each connection, and may have %d: put a pointer "
			   "there",
			   from->conn_bytes, TERN_SERVICE_CONN_BYTES_MAX);
	return 0;
}

static unsigned int
count_counters(const struct tern_service_plugin *ops)
{
	unsigned int n = 0;

	while (ops->counters != NULL && ops->counters[n].name != NULL)
		n++;
	return n;
}

/* Who knows of moving says how, or has nothing to say: no state. */
static bool
can_move(const struct tern_service_plugin *from)
{
	return from->bytes >= sizeof(*from) && (from->save != NULL) == (from->restored != NULL) &&
	       (from->save != NULL || from->conn_bytes == 0);
}

/* Takes over a descriptor. On failure the handle stays the caller's. */
static struct service_plugin *
make(const struct tern_service_plugin *from, void *handle, char *why)
{
	struct service_plugin *plugin;

	if (check_descriptor(from, why) < 0)
		return NULL;
	if (count_counters(from) > TERN_SERVICE_COUNTERS_MAX) {
		say(why, 0, "has %u counters, and may have %d", count_counters(from),
		    TERN_SERVICE_COUNTERS_MAX);
		return NULL;
	}
	plugin = calloc(1, sizeof(*plugin));
	if (plugin != NULL)
		plugin->state = calloc(1, from->service_bytes > 0 ? from->service_bytes : 1);
	if (plugin == NULL || plugin->state == NULL) {
		say(why, 0, "not enough memory for its state");
		free(plugin);
		return NULL;
	}
	memcpy(&plugin->ops, from, RTE_MIN((size_t)from->bytes, sizeof(*from)));
	plugin->movable = can_move(from);
	plugin->handle = handle;
	plugin->n_counters = count_counters(from);
	plugin->has_turn = from->lane_turn != NULL;
	plugin->closes_at_end = from->peer_closed == NULL;
	fill_in(&plugin->ops);
	return plugin;
}

/* ---- From where they come */

const char *
service_built_in_name(unsigned int n)
{
	return n < BUILT_IN ? built_in[n].name : NULL;
}

struct service_plugin *
service_plugin_of(const struct tern_service_plugin *descriptor)
{
	char why[TERN_SERVICE_WHY_BYTES];

	return make(descriptor, NULL, why);
}

struct service_plugin *
service_plugin_built_in(const char *name)
{
	for (unsigned int i = 0; i < BUILT_IN; i++)
		if (strcmp(built_in[i].name, name) == 0)
			return service_plugin_of(built_in[i].plugin);
	return NULL;
}

/* dlopen() would wait for a writer of a FIFO, and look elsewhere for a name without a slash. */
static void *
open_file(const char *file, char *why)
{
	char path[CONFIG_VALUE_BYTES + 2];
	struct stat st;
	const char *error;
	void *handle;

	if (stat(file, &st) < 0) {
		say(why, 0, "cannot be read: %s", strerror(errno));
		return NULL;
	}
	if (!S_ISREG(st.st_mode)) {
		say(why, 0, "is not a file");
		return NULL;
	}
	snprintf(path, sizeof(path), "%s%s", strchr(file, '/') == NULL ? "./" : "", file);
	handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (handle == NULL) {
		error = dlerror();
		/* It begins with the path, which is told already. */
		if (error != NULL && strncmp(error, path, strlen(path)) == 0 &&
		    strncmp(error + strlen(path), ": ", 2) == 0)
			error += strlen(path) + 2;
		say(why, 0, "cannot be loaded: %s", error != NULL ? error : "no reason given");
	}
	return handle;
}

struct service_plugin *
service_plugin_load(const char *file, char *why)
{
	void *handle = open_file(file, why);
	const struct tern_service_plugin *from;
	struct service_plugin *plugin = NULL;

	if (handle == NULL)
		return NULL;
	from = dlsym(handle, SYMBOL);
	if (from == NULL)
		say(why, 0, "is no plugin of ternd: it has no symbol " SYMBOL);
	else
		plugin = make(from, handle, why);
	if (plugin == NULL) {
		dlclose(handle);
		return NULL;
	}
	snprintf(plugin->text, sizeof(plugin->text), "%s%s%s", file,
		 from->version != NULL ? ", version " : "",
		 from->version != NULL ? from->version : "");
	return plugin;
}

void
service_plugin_close(struct service_plugin *plugin)
{
	if (plugin == NULL)
		return;
	plugin->ops.stop(plugin->state);
	if (plugin->handle != NULL)
		dlclose(plugin->handle);
	free(plugin->state);
	free(plugin);
}

/* ---- What they are told */

static int
answer(int status, char *why)
{
	if (status >= 0)
		return 0;
	why[TERN_SERVICE_WHY_BYTES - 1] = '\0';
	if (why[0] == '\0')
		say(why, 0, "%s", strerror(-status));
	return status;
}

int
service_plugin_configure(struct service_plugin *plugin, const char *key, const char *value,
			 char *why)
{
	size_t used = strlen(plugin->text);
	int status;

	why[0] = '\0';
	status = answer(plugin->ops.configure(plugin->state, key, value, why), why);
	if (status == 0)
		snprintf(plugin->text + used, sizeof(plugin->text) - used, "%s%s = %s",
			 used > 0 ? ", " : "", key, value);
	return status;
}

int
service_plugin_check(struct service_plugin *plugin, char *why)
{
	why[0] = '\0';
	return answer(plugin->ops.check(plugin->state, why), why);
}

int
service_plugins_start(const struct config *config, FILE *errors)
{
	char why[TERN_SERVICE_WHY_BYTES];

	for (unsigned int i = 0; i < config->n_services; i++) {
		const struct config_service *service = &config->services[i];
		struct service_plugin *plugin = service->plugin;

		why[0] = '\0';
		if (answer(plugin->ops.start(plugin->state, config->lanes, why), why) < 0) {
			fprintf(errors, "[service %s] %s\n", service->name, why);
			return -1;
		}
	}
	return 0;
}

/* ---- What is asked of them */

const struct tern_service_plugin *
service_plugin_ops(const struct service_plugin *plugin)
{
	return &plugin->ops;
}

void *
service_plugin_state(const struct service_plugin *plugin)
{
	return plugin->state;
}

unsigned int
service_plugin_counters(const struct service_plugin *plugin)
{
	return plugin->n_counters;
}

bool
service_plugin_is_built_in(const struct service_plugin *plugin)
{
	return plugin->handle == NULL;
}

bool
service_plugin_may_only_connect(const struct service_plugin *plugin)
{
	return plugin->ops.lane_turn == bench_plugin.lane_turn;
}

bool
service_plugin_can_move(const struct service_plugin *plugin)
{
	return plugin->movable;
}

bool
service_plugin_has_turn(const struct service_plugin *plugin)
{
	return plugin->has_turn;
}

bool
service_plugin_closes_at_end(const struct service_plugin *plugin)
{
	return plugin->closes_at_end;
}

const char *
service_plugin_text(const struct service_plugin *plugin)
{
	return plugin->text;
}
