/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * JSON to rte_tel_data. Objects become dictionaries, arrays dictionaries by index. A dictionary
 * takes RTE_TEL_MAX_DICT_ENTRIES at most; longer lists are cut, and the control socket has them
 * whole.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <rte_telemetry.h>

#include "dataplane/log.h"
#include "dataplane/report.h"
#include "dataplane/telemetry.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static const struct daemon *daemon_told; /* NULL: nothing to tell */

static void add_value(struct rte_tel_data *data, const char *name, json_t *value);

/* Adds the members of an object, or the elements of an array. */
static void
add_all(struct rte_tel_data *data, json_t *from)
{
	const char *name;
	char number[24];
	json_t *value;
	size_t i;

	json_object_foreach(from, name, value) add_value(data, name, value);
	json_array_foreach(from, i, value)
	{
		if (i == RTE_TEL_MAX_DICT_ENTRIES)
			break;
		snprintf(number, sizeof(number), "%zu", i);
		add_value(data, number, value);
	}
}

static void
add_value(struct rte_tel_data *data, const char *name, json_t *value)
{
	struct rte_tel_data *inner;

	if (json_is_integer(value)) {
		rte_tel_data_add_dict_u64(data, name, (uint64_t)json_integer_value(value));
	} else if (json_is_string(value)) {
		rte_tel_data_add_dict_string(data, name, json_string_value(value));
	} else if (json_is_object(value) || json_is_array(value)) {
		inner = rte_tel_data_alloc();
		if (inner == NULL)
			return;
		rte_tel_data_start_dict(inner);
		add_all(inner, value);
		if (rte_tel_data_add_dict_container(data, name, inner, 0) < 0)
			rte_tel_data_free(inner);
	}
}

/* ---- What is told */

/* The sums over all lanes, or of the lane that `params` names, by group. */
static json_t *
tell_stats(const struct daemon *daemon, const char *params)
{
	json_t *sums = json_object(), *lane, *group, *value, *sum;
	unsigned int first = 0, end = daemon->config.lanes;
	const char *title, *name;
	char *rest;

	if (params != NULL && params[0] != '\0') {
		first = (unsigned int)strtoul(params, &rest, 10);
		if (*rest != '\0' || first >= end) {
			json_decref(sums);
			return NULL;
		}
		end = first + 1;
	}
	for (unsigned int i = first; i < end; i++) {
		lane = report_counters(daemon, daemon->lanes[i]);
		json_object_foreach(lane, title, group)
		{
			if (!json_is_object(group))
				continue;
			if (json_object_get(sums, title) == NULL)
				json_object_set_new(sums, title, json_object());
			sum = json_object_get(sums, title);
			json_object_foreach(group, name, value) json_object_set_new(
				sum, name,
				json_integer(json_integer_value(json_object_get(sum, name)) +
					     json_integer_value(value)));
		}
		json_decref(lane);
	}
	return sums;
}

static json_t *
tell_lanes(const struct daemon *daemon, const char *params)
{
	json_t *lanes = json_array();

	(void)params;
	for (unsigned int i = 0; i < daemon->config.lanes; i++)
		json_array_append_new(lanes, report_lane(daemon->lanes[i]));
	return lanes;
}

/* How many there are of each kind, over all lanes. */
static json_t *
tell_connections(const struct daemon *daemon, const char *params)
{
	static const char *const names[] = {"connections", "listeners", "orphans", "requests",
					    "timewait"};
	json_t *lanes = tell_lanes(daemon, params), *counts = json_object(), *lane;
	size_t i;

	for (size_t k = 0; k < sizeof(names) / sizeof(names[0]); k++) {
		json_int_t sum = 0;

		json_array_foreach(lanes, i, lane) sum +=
			json_integer_value(json_object_get(lane, names[k]));
		json_object_set_new(counts, names[k], json_integer(sum));
	}
	json_decref(lanes);
	return counts;
}

static json_t *
tell_pools(const struct daemon *daemon, const char *params)
{
	json_t *pools = json_array(), *of_lane;

	(void)params;
	for (unsigned int i = 0; i < daemon->config.lanes; i++) {
		of_lane = report_pools(daemon->lanes[i]);
		json_array_extend(pools, of_lane);
		json_decref(of_lane);
	}
	return pools;
}

static json_t *
tell_neighbours(const struct daemon *daemon, const char *params)
{
	struct control_cursor cursor = {.more = true};
	json_t *all = json_array(), *part;

	(void)params;
	while (cursor.more && json_array_size(all) < RTE_TEL_MAX_DICT_ENTRIES) {
		part = report_neighbours(daemon, &cursor);
		json_array_extend(all, part);
		json_decref(part);
	}
	return all;
}

/* ---- Commands */

static const struct {
	const char *command;
	json_t *(*tell)(const struct daemon *daemon, const char *params);
	const char *help;
} commands[] = {
	{"/tern/stats", tell_stats, "Counters, summed over all lanes. Parameters: int lane (one)"},
	{"/tern/lanes", tell_lanes, "What each lane runs on and holds. No parameters"},
	{"/tern/connections", tell_connections, "Numbers of connections. No parameters"},
	{"/tern/pools", tell_pools, "Packet buffers of each lane. No parameters"},
	{"/tern/neighbours", tell_neighbours, "ARP and ND tables, cut if long. No parameters"},
};

static int
call(const char *command, const char *params, struct rte_tel_data *data)
{
	json_t *told = NULL;

	pthread_mutex_lock(&lock);
	for (size_t i = 0; daemon_told != NULL && i < sizeof(commands) / sizeof(commands[0]); i++)
		if (strcmp(commands[i].command, command) == 0)
			told = commands[i].tell(daemon_told, params);
	pthread_mutex_unlock(&lock);
	if (told == NULL)
		return -EINVAL;
	rte_tel_data_start_dict(data);
	add_all(data, told);
	json_decref(told);
	return 0;
}

void
telemetry_start(const struct daemon *daemon)
{
	pthread_mutex_lock(&lock);
	daemon_told = daemon;
	pthread_mutex_unlock(&lock);
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (rte_telemetry_register_cmd(commands[i].command, call, commands[i].help) < 0)
			log_line("no telemetry for %s", commands[i].command);
}

void
telemetry_stop(void)
{
	pthread_mutex_lock(&lock);
	daemon_told = NULL;
	pthread_mutex_unlock(&lock);
}
