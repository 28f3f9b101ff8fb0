/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tern stats: counters. By default the sum over all lanes of each counter that is not 0, with its
 * explanation, which ternd sends along: the list is kept in one place, next to the counters.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client.h"
#include "commands.h"

struct stats_options {
	struct common_options common;
	bool all;
	bool lanes;
};

static error_t
parse(int key, char *arg, struct argp_state *state)
{
	struct stats_options *options = state->input;

	(void)arg;
	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &options->common;
		return 0;
	case 'a':
		options->all = true;
		return 0;
	case 'l':
		options->lanes = true;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* Prints one group of counters; texts may be NULL. */
static void
print_group(const char *title, json_t *counters, json_t *texts, bool all)
{
	const char *name, *text;
	json_t *value;
	bool begun = false;

	json_object_foreach(counters, name, value)
	{
		if (!all && json_integer_value(value) == 0)
			continue;
		if (!begun)
			printf("%s\n", title);
		begun = true;
		text = json_string_value(json_object_get(texts, name));
		printf("  %-26s %16lld  %s\n", name, (long long)json_integer_value(value),
		       text == NULL ? "" : text);
	}
}

/* Adds the counters of `more` to `sum`. */
static void
add_group(json_t *sum, json_t *more)
{
	const char *name;
	json_t *value;

	json_object_foreach(more, name, value)
		json_object_set_new(sum, name,
				    json_integer(json_integer_value(json_object_get(sum, name)) +
						 json_integer_value(value)));
}

static void
print_stats(json_t *answer, const struct stats_options *options)
{
	json_t *texts = json_object_get(answer, "texts"), *lanes = json_object_get(answer, "lanes");
	json_t *lane, *port, *group_texts;
	const char *group;
	char title[256];
	size_t i;

	json_object_foreach(texts, group, group_texts)
	{
		json_t *sum = json_object();

		json_array_foreach(lanes, i, lane)
		{
			json_t *counters = json_object_get(lane, group);

			add_group(sum, counters);
			snprintf(title, sizeof(title), "%s, lane %zu", group, i);
			if (options->lanes)
				print_group(title, counters, group_texts, options->all);
		}
		if (!options->lanes)
			print_group(group, sum, group_texts, options->all);
		json_decref(sum);
	}
	json_array_foreach(json_object_get(answer, "ports"), i, port)
	{
		const char *name = json_string_value(json_object_get(port, "name"));

		snprintf(title, sizeof(title), "port %zu, %s", i, name == NULL ? "?" : name);
		print_group(title, json_object_get(port, "counters"), NULL, options->all);
	}
}

int
command_stats(int argc, char **argv, const char *socket)
{
	static const struct argp_option argp_options[] = {
		{"all", 'a', NULL, 0, "Counters that are 0, too", 0},
		{"lanes", 'l', NULL, 0, "Each lane by itself instead of their sum", 0},
		{0},
	};
	static const struct argp_child children[] = {{&common_argp, 0, NULL, 0}, {0}};
	static const struct argp argp = {
		.options = argp_options,
		.parser = parse,
		.doc = "Shows what ternd has counted.",
		.children = children,
	};
	struct stats_options options = {.common.socket = socket};
	char path[SOCKET_PATH_BYTES];
	json_t *answer;

	argp_parse(&argp, argc, argv, 0, NULL, &options);
	if (common_socket(&options.common, path) < 0)
		return 1;
	answer = client_ask(
		path, json_pack("{s:s,s:b}", "command", "stats", "texts", !options.common.json));
	if (answer == NULL)
		return 1;
	if (options.common.json) {
		client_print(answer);
	} else {
		print_stats(answer, &options);
	}
	json_decref(answer);
	return 0;
}
