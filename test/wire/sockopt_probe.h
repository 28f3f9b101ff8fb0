/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Asks a socket option everything that a caller can: its value on a new socket, what comes back
 * into buffers of odd lengths and without a buffer, which lengths and values it takes, and what
 * they become. The answer is a text, the same for the engine and for the kernel:
 *
 *     get 0/4      value and length given a buffer of 4 bytes, or the error
 *     to 0:0 1:1 … lengths (or errors) for buffers of 0, 1, 2, 3, 5 and 300 bytes; -: without one
 *     set 0:INVAL… the answers to 1 in 0, 1, 2, 3, 4, 5, 16 and 64 bytes; -1: a negative length;
 *                  -: 4 bytes of nothing
 *     as -1>1 …    the value that each becomes, on a new socket; or the error
 */
#ifndef TERN_TEST_WIRE_SOCKOPT_PROBE_H
#define TERN_TEST_WIRE_SOCKOPT_PROBE_H

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

struct probe {
	void *ctx;
	void (*renew)(void *ctx); /* a new socket */
	int (*get)(void *ctx, int level, int name, void *value, long *len);
	int (*set)(void *ctx, int level, int name, const void *value, long len);
};

struct probe_text {
	char text[800];
	int n;
};

static inline void
probe_add(struct probe_text *t, const char *before, long v, int error)
{
	t->n += error < 0 ? sprintf(t->text + t->n, "%s%s", before, strerrorname_np(-error) + 1)
			  : sprintf(t->text + t->n, "%s%ld", before, v);
}

static inline void
probe_gets(const struct probe *p, int level, int name, struct probe_text *t)
{
	static const long lens[] = {0, 1, 2, 3, 5, 300};
	char buf[300], before[16];
	long len = 4;
	int v = 0, error = p->get(p->ctx, level, name, &v, &len);

	probe_add(t, "get ", v, error);
	if (error < 0)
		return;
	probe_add(t, "/", len, 0);
	t->n += sprintf(t->text + t->n, " to");
	for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
		len = lens[i];
		snprintf(before, sizeof(before), " %ld:", lens[i]);
		error = p->get(p->ctx, level, name, buf, &len);
		probe_add(t, before, len, error);
	}
	len = 4;
	error = p->get(p->ctx, level, name, NULL, &len);
	probe_add(t, " -:", len, error);
}

static inline void
probe_values(const struct probe *p, int level, int name, struct probe_text *t)
{
	static const int values[] = {INT_MIN, -1, 0, 1, 2, 3, 5, 6, 128, 255, 256, 1000, INT_MAX};
	char before[16];

	t->n += sprintf(t->text + t->n, " as");
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		int v = values[i], got = 0, error;
		long len = sizeof(got);

		p->renew(p->ctx);
		error = p->set(p->ctx, level, name, &v, sizeof(v));
		snprintf(before, sizeof(before), " %d%s", v, error < 0 ? ":" : ">");
		if (error == 0)
			error = p->get(p->ctx, level, name, &got, &len);
		probe_add(t, before, got, error);
	}
}

static inline void
probe_option(const struct probe *p, int level, int name, struct probe_text *t)
{
	static const long lens[] = {0, 1, 2, 3, 4, 5, 16, 64, -1};
	static const int one[16] = {1};
	char before[16];
	int error;

	t->n = 0;
	p->renew(p->ctx);
	probe_gets(p, level, name, t);
	p->renew(p->ctx);
	t->n += sprintf(t->text + t->n, " set");
	for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
		snprintf(before, sizeof(before), " %ld:", lens[i]);
		error = p->set(p->ctx, level, name, one, lens[i]);
		probe_add(t, before, 0, error);
	}
	error = p->set(p->ctx, level, name, NULL, 4);
	probe_add(t, " -:", 0, error);
	probe_values(p, level, name, t);
}

#endif
