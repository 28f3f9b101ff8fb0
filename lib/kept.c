/* SPDX-License-Identifier: BSD-3-Clause */
/* See kept.h. What is switched to and fro takes one place: TCP_CORK around each answer. */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "kept.h"
#include "repair.h"

enum {
	MAX_OPTIONS = 128,
};

struct kept_options {
	uint32_t n, room;
	struct kept_option list[];
};

/* Returns a place behind the others; NULL without one. */
static struct kept_option *
next_place(struct file *file)
{
	struct kept_options *options = file->options;

	if (options != NULL && options->n == MAX_OPTIONS)
		return NULL;
	if (options == NULL || options->n == options->room) {
		uint32_t room = options == NULL ? 4 : options->room * 2;
		struct kept_options *more =
			realloc(options, sizeof(*more) + room * sizeof(more->list[0]));

		if (more == NULL)
			return NULL;
		if (options == NULL)
			more->n = 0;
		more->room = room;
		file->options = options = more;
	}
	return &options->list[options->n++];
}

static struct kept_option *
last_of(const struct file *file)
{
	return file->options == NULL || file->options->n == 0
		       ? NULL
		       : &file->options->list[file->options->n - 1];
}

/* Whether all that it did is undone by setting it once more. */
static bool
replaces(const struct kept_option *option, int level, int name, socklen_t bytes)
{
	return option != NULL && option->level == level && option->name == name &&
	       option->bytes == sizeof(int) && bytes == sizeof(int) &&
	       !repair_is_option(level, name);
}

void
kept_add(struct file *file, int level, int name, const void *value, socklen_t bytes)
{
	struct kept_option *option = last_of(file);

	if (bytes > KEPT_BYTES)
		return;
	if (!replaces(option, level, name, bytes))
		option = next_place(file);
	if (option == NULL)
		return;
	option->level = level;
	option->name = name;
	option->bytes = bytes;
	memcpy(option->value, value, bytes);
}

const struct kept_option *
kept_find(const struct file *file, int level, int name)
{
	uint32_t n = file->options == NULL ? 0 : file->options->n;

	while (n-- > 0)
		if (file->options->list[n].level == level && file->options->list[n].name == name)
			return &file->options->list[n];
	return NULL;
}

int
kept_repeat(const struct file *file,
	    int (*set)(void *to, int level, int name, const void *value, socklen_t bytes), void *to)
{
	int status = 0;

	for (uint32_t i = 0; file->options != NULL && i < file->options->n; i++) {
		const struct kept_option *option = &file->options->list[i];

		if (set(to, option->level, option->name, option->value, option->bytes) == -EPERM &&
		    repair_is_option(option->level, option->name))
			status = -EPERM;
	}
	return status;
}
