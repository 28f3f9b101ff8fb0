/* SPDX-License-Identifier: BSD-3-Clause */
/* See tern_side.h. */
#include "tern_side.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "address_command.h"
#include "move_client.h"

static int
append(struct tern_address **list, unsigned int *n, const struct tern_address *address)
{
	struct tern_address *more = realloc(*list, (*n + 1) * sizeof(*more));

	if (more == NULL) {
		fputs("tern: no memory\n", stderr);
		return -1;
	}
	*list = more;
	more[(*n)++] = *address;
	return 0;
}

static int
add(const char *path, const struct tern_address *a)
{
	char ip[ENDPOINT_TEXT], text[ENDPOINT_TEXT + 8];
	json_t *answer;

	snprintf(text, sizeof(text), "%s/%u", endpoint_address_text(&a->address, ip),
		 a->prefix_len);
	answer = address_add(path, text, a->port, true);
	json_decref(answer);
	return answer == NULL ? -1 : 0;
}

static int
del(const char *path, struct tern_address *a)
{
	char text[ENDPOINT_TEXT];
	json_t *answer = address_del(path, endpoint_address_text(&a->address, text));

	if (answer == NULL)
		return -1;
	a->port = (int)client_number(answer, "port");
	a->prefix_len = (uint8_t)client_number(answer, "prefix_len");
	json_decref(answer);
	return 0;
}

int
tern_side_add_address(struct tern_side *side, const union endpoint *address, uint8_t prefix_len,
		      int port)
{
	struct tern_address a = {.address = *address, .prefix_len = prefix_len, .port = port};

	return add(side->path, &a) < 0 ? -1 : append(&side->added, &side->n_added, &a);
}

int
tern_side_remove_address(struct tern_side *side, struct tern_address *address)
{
	for (unsigned int i = 0; i < side->n_removed; i++)
		if (endpoint_same_address(&side->removed[i].address, &address->address)) {
			*address = side->removed[i];
			return 0;
		}
	if (del(side->path, address) < 0)
		return -1;
	return append(&side->removed, &side->n_removed, address);
}

void
tern_side_undo(struct tern_side *side)
{
	/* Addresses first: what is let go then sends. */
	while (side->n_added > 0)
		del(side->path, &side->added[--side->n_added]);
	while (side->n_removed > 0)
		add(side->path, &side->removed[--side->n_removed]);
	if (side->is_open)
		client_close(&side->client);
	side->is_open = false;
}

void
tern_side_free(struct tern_side *side)
{
	if (side->is_open)
		client_close(&side->client);
	side->is_open = false;
	free(side->added);
	free(side->removed);
	side->added = side->removed = NULL;
	side->n_added = side->n_removed = 0;
}

/* ---- Connections */

int
tern_side_restore(const struct tern_side *side, int images, const char *service, bool listener)
{
	const struct move_to to = {.service = service, .listener = listener, .together = true};
	struct client client;
	json_t *answer, *one;
	long long failures;
	size_t i;

	if (client_open(&client, side->path) < 0)
		return -1;
	answer = move_restore(&client, images, &to);
	client_close(&client);
	if (answer == NULL)
		return -1;
	failures = client_number(answer, "failures");
	json_array_foreach(json_object_get(answer, "failed"), i, one)
		fprintf(stderr, "tern: ternd refuses %s - %s: %s\n", client_text(one, "local", "?"),
			client_text(one, "remote", "?"), client_text(one, "error", "?"));
	json_decref(answer);
	return failures > 0 ? -1 : 0;
}

static void
tell_failures(const json_t *answer)
{
	json_t *one;
	size_t i;

	json_array_foreach(json_object_get(answer, "failed"), i, one)
		fprintf(stderr, "tern: %s - %s: %s\n", client_text(one, "local", "?"),
			client_text(one, "remote", "?"), client_text(one, "error", "?"));
}

int
tern_side_hold(struct tern_side *side, json_t *which)
{
	json_t *answer;
	int images = -1;

	if (client_open(&side->client, side->path) < 0) {
		json_decref(which);
		return -1;
	}
	side->is_open = true;
	answer = move_checkpoint(&side->client, which, &images);
	if (answer == NULL)
		return -1;
	tell_failures(answer);
	if (json_object_get(answer, "next") != NULL || client_number(answer, "failures") > 0) {
		if (images >= 0)
			close(images);
		images = -1;
		if (json_object_get(answer, "next") != NULL)
			fputs("tern: these are too many at once\n", stderr);
	} else if (images < 0) {
		fputs("tern: there is no such connection; `tern ss` lists those there are, ours "
		      "first\n",
		      stderr);
	}
	json_decref(answer);
	return images;
}

int
tern_side_let_leave(struct tern_side *side)
{
	return move_checkpoint_end(&side->client, true);
}
