/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Socket options, by Linux's levels, names, layouts and limits. Each level has its table in a file
 * of its own; a name that is in none is ENOPROTOOPT.
 */
#include <errno.h>
#include <limits.h>
#include <string.h>

#include "sockopt.h"

static const struct tcp_option_list *const lists[] = {&tcp_socket_options, &tcp_tcp_options,
						      &tcp_ip_options, &tcp_life_options};

enum { LISTS = sizeof(lists) / sizeof(lists[0]) };

static const struct tcp_int_option *
find_int(int level, int name)
{
	for (int i = 0; i < LISTS; i++)
		for (size_t j = 0; j < lists[i]->n_ints; j++)
			if (lists[i]->ints[j].level == level && lists[i]->ints[j].name == name)
				return &lists[i]->ints[j];
	return NULL;
}

static const struct tcp_block_option *
find_block(int level, int name)
{
	for (int i = 0; i < LISTS; i++)
		for (size_t j = 0; j < lists[i]->n_blocks; j++)
			if (lists[i]->blocks[j].level == level && lists[i]->blocks[j].name == name)
				return &lists[i]->blocks[j];
	return NULL;
}

int
tcp_setsockopt(struct tcp_conn *c, int level, int name, const void *value, size_t len)
{
	const struct tcp_block_option *block = find_block(level, name);
	const struct tcp_int_option *o = find_int(level, name);
	int v;

	if (block != NULL && block->set != NULL)
		return block->set(c, value, len);
	if (o == NULL || o->set == NULL)
		return -ENOPROTOOPT;
	/* As Linux: IP's options may be bytes. */
	if (level == IPPROTO_IP && len >= 1 && len < sizeof(v))
		return o->set(c, *(const uint8_t *)value);
	if (len < sizeof(v))
		return -EINVAL;
	memcpy(&v, value, sizeof(v));
	return o->set(c, v);
}

int
tcp_getsockopt(struct tcp_conn *c, int level, int name, void *value, size_t *len)
{
	const struct tcp_block_option *block = find_block(level, name);
	const struct tcp_int_option *o = find_int(level, name);
	int v;

	if (*len > INT_MAX)
		return -EINVAL;
	if (block != NULL && block->get != NULL)
		return block->get(c, value, len);
	if (o == NULL || o->get == NULL)
		return -ENOPROTOOPT;
	v = o->get(c);
	return tcp_put_value(&v, sizeof(v), value, len);
}
