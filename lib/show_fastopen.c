/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tern fastopen: the cookies that servers gave, and the guard against black holes.
 * tern fastopen-key: the keys that our own cookies are made with.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client.h"
#include "commands.h"

struct options {
	struct common_options common;
	int lane;
	bool flush, renew;
	const char *address;
	const char *keys[2];
	unsigned int n_keys;
};

/* An answer as it is, or by print(). Returns the exit status. */
static int
show(const struct options *options, json_t *answer, void (*print)(const json_t *answer))
{
	if (answer == NULL)
		return 1;
	json_object_del(answer, "ok"); /* the protocol's */
	json_object_del(answer, "more");
	if (options->common.json) {
		client_print(answer);
	} else {
		print(answer);
	}
	json_decref(answer);
	return 0;
}

/* ---- tern fastopen */

static void
print_entry(const json_t *row)
{
	char kind[16] = "-", lost[32] = "-";

	if (json_object_get(row, "kind") != NULL)
		snprintf(kind, sizeof(kind), "%lld", client_number(row, "kind"));
	if (client_number(row, "losses") > 0)
		snprintf(lost, sizeof(lost), "%lld (%llds ago)", client_number(row, "losses"),
			 client_number(row, "lost_ms_ago") / 1000);
	printf("%-39s %-39s %-4s %-32s %5lld %7llds  %s\n", client_text(row, "address", "-"),
	       client_text(row, "source", "-"), kind, client_text(row, "cookie", "-"),
	       client_number(row, "mss"), client_number(row, "age_ms") / 1000, lost);
}

static void
print_guard(const json_t *guard)
{
	if (client_number(guard, "times") == 0)
		return;
	printf("black holes found: %lld, the last %lld s ago; ", client_number(guard, "times"),
	       client_number(guard, "found_ms_ago") / 1000);
	if (client_number(guard, "off_for_ms") > 0)
		printf("Fast Open is off for %lld s\n",
		       (client_number(guard, "off_for_ms") + 999) / 1000);
	else
		puts("Fast Open is being tried again");
}

static void
take_row(json_t *row, void *arg)
{
	json_array_append(arg, row);
}

static int
list(const struct options *options, const char *path)
{
	json_t *rows = json_array(), *row, *guard;
	int status = client_ask_list(
		path, json_pack("{s:s,s:i}", "command", "fastopen", "lane", options->lane),
		"fastopen", take_row, rows);
	size_t i;

	guard = status < 0 ? NULL
			   : client_ask(path, json_pack("{s:s,s:i}", "command", "fastopen-guard",
							"lane", options->lane));
	if (guard == NULL) {
		json_decref(rows);
		return 1;
	}
	json_object_del(guard, "ok");
	json_object_del(guard, "more");
	if (options->common.json)
		return show(options, json_pack("{s:o,s:o}", "fastopen", rows, "guard", guard),
			    NULL);
	puts("address                                 source                                  kind "
	     "cookie                             mss      age  SYNs lost");
	json_array_foreach(rows, i, row) print_entry(row);
	print_guard(guard);
	json_decref(rows);
	json_decref(guard);
	return 0;
}

static void
print_forgotten(const json_t *answer)
{
	printf("%lld forgotten\n", client_number(answer, "forgotten"));
}

static int
flush(const struct options *options, const char *path)
{
	json_t *request = json_pack("{s:s}", "command", "fastopen-flush");

	if (options->address != NULL)
		json_object_set_new(request, "address", json_string(options->address));
	return show(options, client_ask(path, request), print_forgotten);
}

static error_t
parse(int key, char *arg, struct argp_state *state)
{
	struct options *options = state->input;
	char *end;

	switch (key) {
	case 'l':
		options->lane = (int)strtol(arg, &end, 10);
		if (*end != '\0' || end == arg || options->lane < 0)
			argp_error(state, "\"%s\" is not a lane's number", arg);
		return 0;
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &options->common;
		return 0;
	case ARGP_KEY_ARG:
		if (state->arg_num == 0 && strcmp(arg, "flush") == 0)
			options->flush = true;
		else if (state->arg_num == 1 && options->flush)
			options->address = arg;
		else
			argp_error(state, "\"%s\"? There is \"flush [ADDRESS]\"", arg);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

int
command_fastopen(int argc, char **argv, const char *socket)
{
	static const struct argp_option argp_options[] = {
		{"lane", 'l', "N", 0, "The cache of this lane; 0 by default. All learn the same",
		 0},
		{0},
	};
	static const struct argp_child children[] = {{&common_argp, 0, NULL, 0}, {0}};
	static const struct argp argp = {
		.options = argp_options,
		.parser = parse,
		.args_doc = "[flush [ADDRESS]]",
		.doc = "Shows the cookies that TCP Fast Open has got from servers, or forgets "
		       "them: all, or that of ADDRESS.\v"
		       "\"mss\" is what the server announced, \"SYNs lost\" how many with data "
		       "went unanswered in a row. Only root may flush.",
		.children = children,
	};
	struct options options = {.common.socket = socket};
	char path[SOCKET_PATH_BYTES];

	argp_parse(&argp, argc, argv, 0, NULL, &options);
	if (common_socket(&options.common, path) < 0)
		return 1;
	return options.flush ? flush(&options, path) : list(&options, path);
}

/* ---- tern fastopen-key */

static void
print_keys(const json_t *answer)
{
	static const char *const names[] = {"primary", "backup"};
	const json_t *key;
	size_t i;

	json_array_foreach(json_object_get(answer, "keys"), i, key)
		printf("%-8s %s\n", names[i < 2 ? i : 1], json_string_value(key));
}

static error_t
parse_key(int key, char *arg, struct argp_state *state)
{
	struct options *options = state->input;

	switch (key) {
	case 'n':
		options->renew = true;
		return 0;
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &options->common;
		return 0;
	case ARGP_KEY_ARG:
		if (options->n_keys == 2)
			argp_error(state, "more than a key and a backup");
		options->keys[options->n_keys++] = arg;
		return 0;
	case ARGP_KEY_END:
		if (options->renew && options->n_keys > 0)
			argp_error(state, "either --new or KEY");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

int
command_fastopen_key(int argc, char **argv, const char *socket)
{
	static const struct argp_option argp_options[] = {
		{"new", 'n', NULL, 0,
		 "Draw a new primary key; the one that there was becomes the backup", 0},
		{0},
	};
	static const struct argp_child children[] = {{&common_argp, 0, NULL, 0}, {0}};
	static const struct argp argp = {
		.options = argp_options,
		.parser = parse_key,
		.args_doc = "[KEY [BACKUP]]",
		.doc = "Shows or sets the keys of TCP Fast Open's cookies. Only root may.\v"
		       "A key is 32 hexadecimal digits, or as Linux writes it, "
		       "aabbccdd-aabbccdd-aabbccdd-aabbccdd. Cookies are made with KEY; those "
		       "that BACKUP made are accepted, and renewed. No connection notices. "
		       "Machines that serve one address share a key.",
		.children = children,
	};
	struct options options = {.common.socket = socket};
	char path[SOCKET_PATH_BYTES];
	json_t *request, *keys;

	argp_parse(&argp, argc, argv, 0, NULL, &options);
	if (common_socket(&options.common, path) < 0)
		return 1;
	request = json_pack("{s:s}", "command", "fastopen-key");
	if (options.renew)
		json_object_set_new(request, "new", json_true());
	if (options.n_keys > 0) {
		keys = json_array();
		for (unsigned int i = 0; i < options.n_keys; i++)
			json_array_append_new(keys, json_string(options.keys[i]));
		json_object_set_new(request, "keys", keys);
	}
	return show(&options, client_ask(path, request), print_keys);
}
