/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The line checker of ternd's configuration: what a line may look like, before any value counts.
 *
 * rte_cfgfile cuts names at 63 and values at 255 characters, drops lines without '=', keeps
 * duplicates, cuts at ';' wherever it stands and ignores what follows a section's ']'. Here each of
 * these is an error with its line. What passed is handed on as a clean copy, without comments, for
 * rte_cfgfile to read, and as a list that tells the line of each section and key.
 */
#ifndef TERN_DATAPLANE_CONFIG_LINES_H
#define TERN_DATAPLANE_CONFIG_LINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "dataplane/config.h"

/* Where complaints go, and how many there were. */
struct config_report {
	const char *path;
	FILE *stream;
	unsigned int errors;
};

/* "PATH:LINE: [SECTION] KEY: MESSAGE"; line 0, section and key NULL or "" are left out. */
void config_error(struct config_report *report, unsigned int line, const char *section,
		  const char *key, const char *format, ...) __attribute__((format(printf, 5, 6)));

struct config_line {
	unsigned int number;
	char section[CONFIG_NAME_BYTES];
	char key[CONFIG_NAME_BYTES]; /* "": the section's own line */
};

struct config_lines {
	struct config_line *lines;
	size_t n;
	int copy_fd; /* memfd: the accepted lines, one for one */
};

/*
 * Reads and checks the lines of report->path. Returns 0, also when lines were refused (they are
 * missing from the copy, and counted in the report), or -1 if the file could not be read at all.
 * config_lines_free() in either case.
 */
int config_lines_read(struct config_lines *lines, struct config_report *report);
void config_lines_free(struct config_lines *lines);

/* The line of a key, or of the section if the key is not there or NULL; 0: neither is. */
unsigned int config_lines_find(const struct config_lines *lines, const char *section,
			       const char *key);

/* The candidate nearest to what was written, NULL if none is near enough to be meant. */
const char *config_nearest(const char *written, const char *const *candidates, size_t n);

#endif
