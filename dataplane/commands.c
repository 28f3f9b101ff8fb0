/* SPDX-License-Identifier: BSD-3-Clause */
/* See commands.h. A request's other members are options of its command; unknown ones do not count.
 */
#include <string.h>
#include <unistd.h>

#include "dataplane/commands.h"
#include "dataplane/commands_move.h"
#include "dataplane/report.h"

typedef json_t *(*command_fn)(const struct daemon *daemon, const json_t *request,
			      struct control_cursor *cursor);

static json_t *
answer_version(const struct daemon *daemon, const json_t *request, struct control_cursor *cursor)
{
	(void)request;
	(void)cursor;
	return json_pack("{s:s,s:s,s:i,s:i,s:i}", "version", TERN_VERSION, "name",
			 daemon->config.name, "pid", (int)getpid(), "lanes",
			 (int)daemon->config.lanes, "ports", (int)daemon->config.n_ports);
}

static json_t *
answer_stats(const struct daemon *daemon, const json_t *request, struct control_cursor *cursor)
{
	json_t *lanes = json_array(), *ports = json_array(), *answer;

	(void)cursor;
	for (unsigned int i = 0; i < daemon->config.lanes; i++)
		json_array_append_new(lanes, report_counters(daemon, daemon->lanes[i]));
	for (unsigned int i = 0; i < daemon->config.n_ports; i++)
		json_array_append_new(ports, report_port_counters(&daemon->ports[i]));
	answer = json_pack("{s:o,s:o}", "lanes", lanes, "ports", ports);
	if (json_is_true(json_object_get(request, "texts")))
		json_object_set_new(answer, "texts", report_texts(daemon));
	return answer;
}

/* {"key": part}, or NULL if there is no part. */
static json_t *
part_of(const char *key, json_t *part)
{
	return part == NULL ? NULL : json_pack("{s:o}", key, part);
}

static json_t *
answer_ss(const struct daemon *daemon, const json_t *request, struct control_cursor *cursor)
{
	bool details = json_is_true(json_object_get(request, "details"));

	return part_of("connections", report_connections(daemon, cursor, details));
}

static json_t *
answer_neighbours(const struct daemon *daemon, const json_t *request, struct control_cursor *cursor)
{
	(void)request;
	return part_of("neighbours", report_neighbours(daemon, cursor));
}

static json_t *
answer_pools(const struct daemon *daemon, const json_t *request, struct control_cursor *cursor)
{
	json_t *pools = json_array(), *of_lane;

	(void)request;
	(void)cursor;
	for (unsigned int i = 0; i < daemon->config.lanes; i++) {
		of_lane = report_pools(daemon->lanes[i]);
		json_array_extend(pools, of_lane);
		json_decref(of_lane);
	}
	return json_pack("{s:o}", "pools", pools);
}

static json_t *
answer_addresses(const struct daemon *daemon, const json_t *request, struct control_cursor *cursor)
{
	json_t *ports = json_array(), *services = json_array();

	(void)request;
	(void)cursor;
	for (unsigned int i = 0; i < daemon->config.n_ports; i++)
		json_array_append_new(ports, report_port(&daemon->ports[i]));
	for (unsigned int i = 0; i < daemon->config.n_services; i++)
		json_array_append_new(services, report_service(&daemon->config.services[i]));
	return json_pack("{s:o,s:o}", "ports", ports, "services", services);
}

static json_t *
answer_lanes(const struct daemon *daemon, const json_t *request, struct control_cursor *cursor)
{
	json_t *lanes = json_array();

	(void)request;
	(void)cursor;
	for (unsigned int i = 0; i < daemon->config.lanes; i++)
		json_array_append_new(lanes, report_lane(daemon->lanes[i]));
	return json_pack("{s:o}", "lanes", lanes);
}

/* A program's; see programs.h. The answer carries its channel. */
static json_t *
answer_attach(const struct daemon *daemon, const json_t *request, struct control_cursor *cursor,
	      const char **error)
{
	if (json_integer_value(json_object_get(request, "layout")) != SHM_VERSION) {
		*error = "libtern is of another version than ternd; install the same of both";
		return NULL;
	}
	cursor->pass_fd =
		programs_attach(daemon->programs, cursor->client_fd, &cursor->client, error);
	return cursor->pass_fd < 0 ? NULL : json_object();
}

static const struct {
	const char *name;
	command_fn answer;
} commands[] = {
	{"version", answer_version},       {"stats", answer_stats}, {"ss", answer_ss},
	{"neighbours", answer_neighbours}, {"pools", answer_pools}, {"addresses", answer_addresses},
	{"lanes", answer_lanes},
};

static const struct {
	const char *name;
	json_t *(*answer)(struct daemon *daemon, const json_t *request,
			  struct control_cursor *cursor, const char **error);
} changing_commands[] = {
	{"fastopen", commands_fastopen},
	{"fastopen-guard", commands_fastopen_guard},
	{"fastopen-flush", commands_fastopen_flush},
	{"fastopen-key", commands_fastopen_key},
	{"address-add", commands_address_add},
	{"address-del", commands_address_del},
	{"checkpoint", commands_checkpoint},
	{"checkpoint-end", commands_checkpoint_end},
	{"restore", commands_restore},
	{"restore-end", commands_restore_end},
	{"bench-start", commands_bench_start},
	{"bench", commands_bench},
	{"bench-end", commands_bench_end},
};

json_t *
commands_answer(void *ctx, const char *command, const json_t *request,
		struct control_cursor *cursor, const char **error)
{
	if (strcmp(command, "attach") == 0)
		return answer_attach(ctx, request, cursor, error);
	for (size_t i = 0; i < sizeof(changing_commands) / sizeof(changing_commands[0]); i++) {
		if (strcmp(changing_commands[i].name, command) != 0)
			continue;
		*error = "a lane does not answer";
		return changing_commands[i].answer(ctx, request, cursor, error);
	}
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (strcmp(commands[i].name, command) != 0)
			continue;
		*error = "a lane does not answer";
		return commands[i].answer(ctx, request, cursor);
	}
	*error = "unknown command; there are version, stats, ss, neighbours, pools, addresses, "
		 "lanes, fastopen, fastopen-guard, fastopen-flush, fastopen-key, address-add, "
		 "address-del, checkpoint, checkpoint-end, restore, restore-end, bench-start, "
		 "bench, bench-end and attach";
	return NULL;
}
