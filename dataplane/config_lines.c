/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The line checker: one line in, one error or one entry out. See config_lines.h for why.
 *
 * A line is blank, a comment (';' first), "[section]" or "key = value", each with an optional
 * comment behind, which starts with ';' after white space. What this file does not know is which
 * sections and keys exist; that is config.c's.
 */
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "dataplane/config_lines.h"

enum {
	LINE_BYTES = 1024,       /* a line, its end included */
	MAX_LINE_READ = 1 << 20, /* where a line without end is given up */
	MAX_ENTRIES = 4096,      /* lines with something on them */
	MAX_NAME_BYTES = 64,     /* for config_nearest() */
};

void
config_error(struct config_report *report, unsigned int line, const char *section, const char *key,
	     const char *format, ...)
{
	va_list args;

	report->errors++;
	fputs(report->path, report->stream);
	if (line != 0)
		fprintf(report->stream, ":%u", line);
	fputs(": ", report->stream);
	if (section != NULL && section[0] != '\0') {
		fprintf(report->stream, "[%s]", section);
		if (key != NULL && key[0] != '\0')
			fprintf(report->stream, " %s", key);
		fputs(": ", report->stream);
	}
	va_start(args, format);
	vfprintf(report->stream, format, args);
	va_end(args);
	fputc('\n', report->stream);
}

/* State while reading one file. */
struct reader {
	struct config_lines *lines;
	struct config_report *report;
	FILE *copy;
	char section[CONFIG_NAME_BYTES];
	unsigned int number;  /* of the line at hand */
	bool section_refused; /* its keys are checked for form, but not handed on */
};

static char *
strip(char *s)
{
	char *end;

	while (isspace((unsigned char)*s))
		s++;
	end = s + strlen(s);
	while (end > s && isspace((unsigned char)end[-1]))
		end--;
	*end = '\0';
	return s;
}

/* Cuts a comment off. Returns false, with an error, for a ';' that is none. */
static bool
cut_comment(struct reader *r, char *line)
{
	unsigned int quotes = 0;

	for (char *p = line; *p != '\0'; p++) {
		if (*p == '"')
			quotes++;
		if (*p != ';')
			continue;
		if (p > line && !isspace((unsigned char)p[-1])) {
			config_error(
				r->report, r->number, r->section, NULL,
				"';' inside a value; no value takes one, and a comment needs a "
				"blank before it");
			return false;
		}
		if (quotes % 2 != 0) {
			config_error(r->report, r->number, r->section, NULL,
				     "';' inside quotes begins a comment all the same; leave the "
				     "';' and the quotes out");
			return false;
		}
		*p = '\0';
		return true;
	}
	return true;
}

static bool
add_entry(struct reader *r, const char *key)
{
	struct config_lines *lines = r->lines;
	struct config_line *entry;

	if (lines->n == MAX_ENTRIES) {
		config_error(r->report, r->number, NULL, NULL, "more than %d entries", MAX_ENTRIES);
		return false;
	}
	entry = &lines->lines[lines->n++];
	entry->number = r->number;
	snprintf(entry->section, sizeof(entry->section), "%s", r->section);
	snprintf(entry->key, sizeof(entry->key), "%s", key);
	return true;
}

static const struct config_line *
find_entry(const struct config_lines *lines, const char *section, const char *key)
{
	for (size_t i = 0; i < lines->n; i++)
		if (strcmp(lines->lines[i].section, section) == 0 &&
		    strcmp(lines->lines[i].key, key) == 0)
			return &lines->lines[i];
	return NULL;
}

/* Makes the blanks between a name's words single ones, in place. */
static void
join_words(char *name)
{
	char *out = name;

	for (const char *in = name; *in != '\0'; in++) {
		if (!isspace((unsigned char)*in))
			*out++ = *in;
		else if (out > name && out[-1] != ' ')
			*out++ = ' ';
	}
	*out = '\0';
}

static bool
check_section(struct reader *r, char *line)
{
	char *end = strchr(line, ']'), *name;
	const struct config_line *before;

	r->section[0] = '\0';
	r->section_refused = true;
	if (end == NULL) {
		config_error(r->report, r->number, NULL, NULL,
			     "section without ']'; write \"[name]\"");
		return false;
	}
	if (*strip(end + 1) != '\0') {
		config_error(r->report, r->number, NULL, NULL,
			     "\"%.32s\" after a section's ']'; write keys on lines of their own",
			     strip(end + 1));
		return false;
	}
	*end = '\0';
	name = strip(line + 1);
	join_words(name);
	if (*name == '\0' || strlen(name) >= CONFIG_NAME_BYTES) {
		config_error(r->report, r->number, NULL, NULL,
			     "section name of %zu characters; it has 1 to %d", strlen(name),
			     CONFIG_NAME_BYTES - 1);
		return false;
	}
	snprintf(r->section, sizeof(r->section), "%.*s", CONFIG_NAME_BYTES - 1, name);
	before = find_entry(r->lines, name, "");
	if (before != NULL) {
		config_error(r->report, r->number, name, NULL,
			     "section given before, on line %u; write its keys there",
			     before->number);
		return false;
	}
	r->section_refused = false;
	if (!add_entry(r, ""))
		return false;
	fprintf(r->copy, "[%s]\n", r->section);
	return true;
}

static bool
check_key(struct reader *r, const char *key, const char *value)
{
	const struct config_line *before;

	if (r->section[0] == '\0') {
		if (!r->section_refused)
			config_error(r->report, r->number, NULL, NULL,
				     "\"%.63s\" before any section; begin with \"[dataplane]\"",
				     key);
		return false;
	}
	if (*key == '\0' || strlen(key) >= CONFIG_NAME_BYTES) {
		config_error(r->report, r->number, r->section, NULL,
			     "key of %zu characters; it has 1 to %d", strlen(key),
			     CONFIG_NAME_BYTES - 1);
		return false;
	}
	if (strlen(value) >= CONFIG_VALUE_BYTES) {
		config_error(r->report, r->number, r->section, key,
			     "value of %zu characters; it has at most %d", strlen(value),
			     CONFIG_VALUE_BYTES - 1);
		return false;
	}
	if (strchr(value, '\\') != NULL) {
		config_error(r->report, r->number, r->section, key,
			     "'\\' in a value; there is nothing to escape, leave it out");
		return false;
	}
	before = find_entry(r->lines, r->section, key);
	if (before != NULL) {
		config_error(r->report, r->number, r->section, key,
			     "given before, on line %u; leave one of them out", before->number);
		return false;
	}
	return !r->section_refused && add_entry(r, key);
}

static bool
check_line(struct reader *r, char *line)
{
	char *equals, *key, *value;

	if (!cut_comment(r, line))
		return false;
	line = strip(line);
	if (*line == '\0')
		return false;
	if (*line == '[')
		return check_section(r, line);
	equals = strchr(line, '=');
	if (equals == NULL) {
		config_error(r->report, r->number, r->section, NULL,
			     "\"%.63s\" has no '='; write \"key = value\"%s", line,
			     *line == '#' ? ", or ';' before a comment" : "");
		return false;
	}
	*equals = '\0';
	key = strip(line);
	value = strip(equals + 1);
	if (!check_key(r, key, value))
		return false;
	fprintf(r->copy, "%s = %s\n", key, value);
	return true;
}

/* Reads one line into buf. Returns 1; 0 at the end; -1, with an error, for a line that is unfit. */
static int
read_line(struct reader *r, FILE *file, char *buf, size_t size)
{
	size_t n = 0;
	bool nul = false;
	int ch = EOF;

	while (n < MAX_LINE_READ && (ch = getc(file)) != EOF && ch != '\n') {
		nul |= ch == '\0';
		if (n + 1 < size)
			buf[n] = (char)ch;
		n++;
	}
	if (ch == EOF && n == 0)
		return 0;
	r->number++;
	if (nul || n >= size) {
		config_error(r->report, r->number, r->section, NULL,
			     nul ? "a NUL byte; the file is to be text"
				 : "longer than %zu characters; shorten the value or the comment",
			     size - 1);
		return n < MAX_LINE_READ ? -1 : 0;
	}
	buf[n] = '\0';
	return 1;
}

static int
read_all(struct reader *r, FILE *file)
{
	char buf[LINE_BYTES];
	int got;

	while ((got = read_line(r, file, buf, sizeof(buf))) != 0)
		if (got > 0)
			check_line(r, buf);
	if (ferror(file) || fflush(r->copy) != 0) {
		config_error(r->report, 0, NULL, NULL, "cannot read it: %s", strerror(errno));
		return -1;
	}
	return 0;
}

int
config_lines_read(struct config_lines *lines, struct config_report *report)
{
	struct reader r = {.lines = lines, .report = report};
	FILE *file;
	int status = -1;

	*lines = (struct config_lines){.copy_fd = memfd_create("tern-config", MFD_CLOEXEC)};
	lines->lines = calloc(MAX_ENTRIES, sizeof(*lines->lines));
	r.copy = lines->copy_fd < 0 ? NULL : fdopen(dup(lines->copy_fd), "w");
	file = fopen(report->path, "re");
	if (file == NULL || lines->lines == NULL || r.copy == NULL)
		config_error(report, 0, NULL, NULL, "cannot read it: %s", strerror(errno));
	else
		status = read_all(&r, file);
	if (file != NULL)
		fclose(file);
	if (r.copy != NULL)
		fclose(r.copy);
	return status;
}

void
config_lines_free(struct config_lines *lines)
{
	free(lines->lines);
	if (lines->copy_fd >= 0)
		close(lines->copy_fd);
	*lines = (struct config_lines){.copy_fd = -1};
}

unsigned int
config_lines_find(const struct config_lines *lines, const char *section, const char *key)
{
	const struct config_line *line = find_entry(lines, section, key == NULL ? "" : key);

	if (line == NULL)
		line = find_entry(lines, section, "");
	return line == NULL ? 0 : line->number;
}

/* How many characters must be put in, left out or replaced to make b of a (Levenshtein). */
static unsigned int
distance(const char *a, const char *b)
{
	unsigned int row[MAX_NAME_BYTES + 1];
	size_t nb = strnlen(b, MAX_NAME_BYTES);

	for (unsigned int j = 0; j <= nb; j++)
		row[j] = j;
	for (unsigned int i = 1; a[i - 1] != '\0'; i++) {
		unsigned int diagonal = row[0];

		row[0] = i;
		for (size_t j = 1; j <= nb; j++) {
			unsigned int best = diagonal + (a[i - 1] != b[j - 1]);

			diagonal = row[j];
			if (row[j] + 1 < best)
				best = row[j] + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			row[j] = best;
		}
	}
	return row[nb];
}

const char *
config_nearest(const char *written, const char *const *candidates, size_t n)
{
	const char *nearest = NULL;
	unsigned int least = (unsigned int)strlen(written) / 3 + 2;

	for (size_t i = 0; i < n; i++) {
		unsigned int d = distance(written, candidates[i]);

		if (d < least && d < strlen(candidates[i])) {
			least = d;
			nearest = candidates[i];
		}
	}
	return nearest;
}
