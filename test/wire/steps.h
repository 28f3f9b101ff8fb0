/* SPDX-License-Identifier: BSD-3-Clause */
/* Reading rows of steps: "NAME[:ARGUMENT[:SECOND]][=ANSWER]", separated by blanks. */
#ifndef TERN_TEST_WIRE_STEPS_H
#define TERN_TEST_WIRE_STEPS_H

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

struct step {
	char name[16], first[16], second[16], answer[24];
};

/* Moves *row behind the next step; false: there is none. */
static inline bool
step_read(const char **row, struct step *s)
{
	char text[64], *at, *answer;
	int n = 0;

	if (sscanf(*row, " %63s%n", text, &n) != 1)
		return false;
	*row += n;
	memset(s, 0, sizeof(*s));
	answer = strchr(text, '=');
	if (answer != NULL) {
		*answer = 0;
		snprintf(s->answer, sizeof(s->answer), "%s", answer + 1);
	}
	at = strtok(text, ":");
	if (at != NULL)
		snprintf(s->name, sizeof(s->name), "%s", at);
	at = strtok(NULL, ":");
	if (at != NULL)
		snprintf(s->first, sizeof(s->first), "%s", at);
	at = strtok(NULL, ":");
	if (at != NULL)
		snprintf(s->second, sizeof(s->second), "%s", at);
	return true;
}

/* An answer as rows have it: nothing for 0, the error's name without its E, or a number. */
static inline const char *
step_answer(long answer)
{
	static char text[24];

	text[0] = 0;
	if (answer < 0)
		snprintf(text, sizeof(text), "%s", strerrorname_np((int)-answer) + 1);
	else if (answer > 0)
		snprintf(text, sizeof(text), "%ld", answer);
	return text;
}

#endif
