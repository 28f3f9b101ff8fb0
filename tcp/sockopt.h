/* SPDX-License-Identifier: BSD-3-Clause */
/* How the files of socket options work together; for these alone. */
#ifndef TERN_TCP_SOCKOPT_H
#define TERN_TCP_SOCKOPT_H

#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "engine.h"

/* An option whose value is an int. */
struct tcp_int_option {
	int level, name;
	int (*set)(struct tcp_conn *c, int v); /* 0 or a negative errno; NULL: read only */
	int (*get)(struct tcp_conn *c);        /* the value; NULL: write only */
	int lens;                              /* OPTION_…: not those of its level */
};

/* How many bytes setsockopt() takes. */
enum {
	OPTION_NOT_EMPTY = 1, /* of IP: at least one */
	OPTION_EXACT,         /* just an int */
	OPTION_ANY,           /* of IPv6: less than an int is 0 */
};

/* An option of any other type. */
struct tcp_block_option {
	int level, name;
	int (*set)(struct tcp_conn *c, const void *value, size_t len); /* NULL: read only */
	int (*get)(struct tcp_conn *c, void *value, size_t *len);      /* NULL: write only */
};

struct tcp_option_list {
	const struct tcp_int_option *ints;
	size_t n_ints;
	const struct tcp_block_option *blocks;
	size_t n_blocks;
};

extern const struct tcp_option_list tcp_socket_options;   /* sockopt_socket.c */
extern const struct tcp_option_list tcp_tcp_options;      /* sockopt_tcp.c */
extern const struct tcp_option_list tcp_ip_options;       /* sockopt_ip.c */
extern const struct tcp_option_list tcp_life_options;     /* sockopt_life.c */
extern const struct tcp_option_list tcp_kept_options;     /* sockopt_kept.c */
extern const struct tcp_option_list tcp_fastopen_options; /* sockopt_fastopen.c */
extern const struct tcp_option_list tcp_repair_options;   /* sockopt_repair.c */
extern const struct tcp_option_list tcp_smc_options;      /* smc.c */

/* Switches that are only kept, sockopt_kept.c: whether this is one, and what it is. */
bool tcp_kept_switch(int level, int name, int *lens);
void tcp_kept_set(struct tcp_conn *c, int level, int name, int v);
int tcp_kept_get(const struct tcp_conn *c, int level, int name);

static inline void
tcp_set_flag(struct tcp_conn *c, uint32_t flag, bool on)
{
	c->flags = on ? c->flags | flag : c->flags & ~flag;
}

static inline bool
tcp_has_flag(const struct tcp_conn *c, uint32_t flag)
{
	return (c->flags & flag) != 0;
}

/* Writes as much of a value as the caller has room for, and says how much that was. */
static inline int
tcp_put_value(const void *from, size_t size, void *value, size_t *len)
{
	if (*len > size)
		*len = size;
	if (value == NULL && *len > 0)
		return -EFAULT;
	if (*len > 0)
		memcpy(value, from, *len);
	return 0;
}

#endif
