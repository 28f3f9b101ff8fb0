/* SPDX-License-Identifier: BSD-3-Clause */
/* Asks the kernel about the options of sockopt_table.h. */
#include <unistd.h>

#include "linux_tables.h"
#include "sockopt_probe.h"
#include "sockopt_table.h"

struct ctx {
	int fd, family;
};

static void
renew(void *ctx)
{
	struct ctx *c = ctx;

	if (c->fd >= 0)
		close(c->fd);
	c->fd = socket(c->family, SOCK_STREAM, 0);
}

static int
get(void *ctx, int level, int name, void *value, long *len)
{
	socklen_t n = (socklen_t)*len;

	if (getsockopt(((struct ctx *)ctx)->fd, level, name, value, &n) < 0)
		return -errno;
	*len = n;
	return 0;
}

static int
set(void *ctx, int level, int name, const void *value, long len)
{
	return setsockopt(((struct ctx *)ctx)->fd, level, name, value, (socklen_t)len) < 0 ? -errno
											   : 0;
}

unsigned int
linux_sockopt(void)
{
	struct ctx ctx = {.fd = -1};
	const struct probe p = {&ctx, renew, get, set};
	unsigned int wrong = 0;
	struct probe_text t;

	for (size_t i = 0; i < sizeof(sockopt_rows) / sizeof(sockopt_rows[0]); i++) {
		const struct sockopt_row *r = &sockopt_rows[i];

		ctx.family = r->family;
		probe_option(&p, r->level, r->name, &t);
		if (strcmp(t.text, r->answers) != 0) {
			printf("%s\n      %s\n  not %s\n", r->label, t.text, r->answers);
			wrong++;
		}
	}
	close(ctx.fd);
	return wrong;
}
