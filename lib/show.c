/* SPDX-License-Identifier: BSD-3-Clause */
/* tern neighbours, pools, addresses and version: short tables of one answer each. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client.h"
#include "commands.h"

static error_t
parse(int key, char *arg, struct argp_state *state)
{
	(void)arg;
	if (key != ARGP_KEY_INIT)
		return ARGP_ERR_UNKNOWN;
	state->child_inputs[0] = state->input;
	return 0;
}

/* Takes the arguments that every command has, and finds the socket. */
static int
begin(int argc, char **argv, const char *doc, struct common_options *options, char *path)
{
	static const struct argp_child children[] = {{&common_argp, 0, NULL, 0}, {0}};
	const struct argp argp = {.parser = parse, .doc = doc, .children = children};

	argp_parse(&argp, argc, argv, 0, NULL, options);
	return common_socket(options, path);
}

/* A table's rows, gathered for --json, or printed as they come. */
struct table {
	json_t *gathered; /* NULL: print */
	const char *header;
	void (*print)(json_t *row);
};

static void
take_row(json_t *row, void *arg)
{
	struct table *table = arg;

	if (table->gathered != NULL) {
		json_array_append(table->gathered, row);
		return;
	}
	if (table->header != NULL)
		puts(table->header);
	table->header = NULL;
	table->print(row);
}

static int
show_table(const char *path, const struct common_options *options, const char *command,
	   struct table *table)
{
	int status;

	if (options->json)
		table->gathered = json_array();
	status = client_ask_list(path, json_pack("{s:s}", "command", command), command, take_row,
				 table);
	if (status == 0 && table->gathered != NULL) {
		client_print(table->gathered);
	}
	json_decref(table->gathered);
	return status == 0 ? 0 : 1;
}

static void
print_neighbour(json_t *row)
{
	printf("%4lld %4lld  %-40s %-17s  %-10s %lld\n", client_number(row, "lane"),
	       client_number(row, "port"), client_text(row, "ip", "?"),
	       client_text(row, "mac", "?"), client_text(row, "state", "?"),
	       client_number(row, "waiting"));
}

int
command_neighbours(int argc, char **argv, const char *socket)
{
	struct common_options options = {.socket = socket};
	struct table table = {.header = "lane port  address                                  "
					"link-layer address state      waiting",
			      .print = print_neighbour};
	char path[SOCKET_PATH_BYTES];

	if (begin(argc, argv, "Shows the ARP and Neighbour Discovery tables of all lanes.",
		  &options, path) < 0)
		return 1;
	return show_table(path, &options, "neighbours", &table);
}

static void
print_pool(json_t *row)
{
	printf("%4lld  %-8s %10lld %10lld %10lld %10lld\n", client_number(row, "lane"),
	       client_text(row, "pool", "?"), client_number(row, "size"),
	       client_number(row, "available"), client_number(row, "in_use"),
	       client_number(row, "cached"));
}

int
command_pools(int argc, char **argv, const char *socket)
{
	struct common_options options = {.socket = socket};
	struct table table = {.header =
				      "lane  pool           size  available     in use     cached",
			      .print = print_pool};
	char path[SOCKET_PATH_BYTES];

	if (begin(argc, argv,
		  "Shows the packet buffers of all lanes.\v"
		  "\"available\" counts those in lanes' caches (\"cached\"), too. In use are "
		  "those that devices hold for receiving, queues, and packets under way.",
		  &options, path) < 0)
		return 1;
	return show_table(path, &options, "pools", &table);
}

static void
print_addresses(json_t *answer)
{
	json_t *port, *service, *item;
	size_t i, j;

	json_array_foreach(json_object_get(answer, "ports"), i, port)
	{
		printf("port %lld: %s, link %s, MAC %s, MTU %lld\n", client_number(port, "port"),
		       client_text(port, "name", "?"), client_text(port, "link", "?"),
		       client_text(port, "mac", "?"), client_number(port, "mtu"));
		json_array_foreach(json_object_get(port, "addresses"), j, item)
			printf("    %s\n", json_string_value(item));
	}
	json_array_foreach(json_object_get(answer, "services"), i, service)
	{
		printf("service %s:", client_text(service, "name", "?"));
		json_array_foreach(json_object_get(service, "listen"), j, item)
			printf(" %s", json_string_value(item));
		putchar('\n');
	}
}

static void
print_version(json_t *answer)
{
	printf("ternd %s \"%s\", process %lld, %lld lane%s\n", client_text(answer, "version", "?"),
	       client_text(answer, "name", "?"), client_number(answer, "pid"),
	       client_number(answer, "lanes"), client_number(answer, "lanes") == 1 ? "" : "s");
}

static int
show_answer(const char *path, const struct common_options *options, const char *command,
	    void (*print)(json_t *answer))
{
	json_t *answer = client_ask(path, json_pack("{s:s}", "command", command));

	if (answer == NULL)
		return 1;
	if (options->json) {
		client_print(answer);
	} else {
		print(answer);
	}
	json_decref(answer);
	return 0;
}

int
command_addresses(int argc, char **argv, const char *socket)
{
	struct common_options options = {.socket = socket};
	char path[SOCKET_PATH_BYTES];

	if (begin(argc, argv, "Shows ports, their addresses, and what is served.", &options, path) <
	    0)
		return 1;
	return show_answer(path, &options, "addresses", print_addresses);
}

int
command_version(int argc, char **argv, const char *socket)
{
	struct common_options options = {.socket = socket};
	char path[SOCKET_PATH_BYTES];

	if (begin(argc, argv, "Shows which ternd answers.", &options, path) < 0)
		return 1;
	return show_answer(path, &options, "version", print_version);
}
