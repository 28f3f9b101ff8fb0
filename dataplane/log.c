/* SPDX-License-Identifier: BSD-3-Clause */
/* Lines on stderr, and EAL's log behind them; see log.h. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_log.h>

#include "dataplane/log.h"

enum { LINE_BYTES = 1024 };

void
log_line(const char *format, ...)
{
	char line[LINE_BYTES];
	va_list args;

	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	fprintf(stderr, "ternd: %s\n", line); /* one write: stderr's lock is held throughout */
}

/* Drivers' complaints about what we do not use. */
static const char *const harmless[] = {
	"multiq qdisc", /* net_tap: for flow rules only */
};

static FILE *held; /* NULL: not holding back */
static char *held_text;
static size_t held_bytes;

static bool
is_harmless(const char *text, size_t n)
{
	for (size_t i = 0; i < sizeof(harmless) / sizeof(harmless[0]); i++)
		if (memmem(text, n, harmless[i], strlen(harmless[i])) != NULL)
			return true;
	return false;
}

/* Called once for each message of EAL, by the thread that logs, under the stream's lock. */
static ssize_t
take_eal_log(void *cookie, const char *text, size_t n)
{
	(void)cookie;
	if (is_harmless(text, n))
		return (ssize_t)n;
	/* rte_panic(): nobody comes to tell the rest. */
	if (rte_log_cur_msg_loglevel() <= (int)RTE_LOG_CRIT)
		log_eal_release(true);
	if (held != NULL)
		fwrite(text, 1, n, held);
	else
		fprintf(stderr, "ternd: %.*s%s", (int)n, text,
			n > 0 && text[n - 1] == '\n' ? "" : "\n");
	return (ssize_t)n;
}

void
log_failure(const char *format, ...)
{
	char line[LINE_BYTES];
	va_list args;

	log_eal_release(true);
	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	log_line("%s", line);
}

int
log_eal_hold(void)
{
	cookie_io_functions_t functions = {.write = take_eal_log};
	FILE *stream = fopencookie(NULL, "w", functions);

	held = open_memstream(&held_text, &held_bytes);
	if (stream == NULL || held == NULL)
		return -1;
	return rte_openlog_stream(stream);
}

void
log_eal_release(bool show)
{
	char *rest, *line;

	if (held == NULL)
		return;
	fclose(held);
	held = NULL;
	rest = held_text;
	while (show && (line = strsep(&rest, "\n")) != NULL)
		if (line[0] != '\0')
			log_line("%s", line);
	free(held_text);
	held_text = NULL;
}
