/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Socket options, by Linux's levels, names, layouts and limits. Each level has its table in a file
 * of its own; a name that is in none is ENOPROTOOPT.
 */
#include <errno.h>
#include <limits.h>
#include <string.h>

#include "sockopt.h"

/* TCP_NODELAY, which is set most, comes first. */
static const struct tcp_option_list *const lists[] = {
	&tcp_tcp_options,  &tcp_socket_options, &tcp_ip_options,       &tcp_life_options,
	&tcp_kept_options, &tcp_repair_options, &tcp_fastopen_options, &tcp_smc_options};

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

/*
 * The number that a caller means: of IP's options by a byte, too, or by nothing; of IPv6's by no
 * pointer, which is 0. 0 or a negative errno.
 */
static int
int_of(int level, int lens, const void *value, size_t len, int *v)
{
	*v = 0;
	if (level == IPPROTO_IP) {
		if ((lens == OPTION_NOT_EMPTY && len == 0) ||
		    (lens == OPTION_EXACT && len != sizeof(*v)))
			return -EINVAL;
		if (len == 0)
			return 0;
	} else if (lens == OPTION_EXACT ? len != sizeof(*v)
					: len < sizeof(*v) && lens != OPTION_ANY) {
		return -EINVAL;
	}
	if (value == NULL)
		return level == IPPROTO_IPV6 ? 0 : -EFAULT;
	if (len >= sizeof(*v))
		memcpy(v, value, sizeof(*v));
	else if (level == IPPROTO_IP)
		*v = *(const uint8_t *)value;
	return 0;
}

static int
set_option(struct tcp_conn *c, int level, int name, const void *value, size_t len)
{
	const struct tcp_int_option *o = find_int(level, name);
	int v = 0, status, lens = o != NULL ? o->lens : 0;
	const struct tcp_block_option *block = NULL;
	bool known = o != NULL && o->set != NULL;
	bool kept = false;

	/* No option is set in two ways. */
	if (!known) {
		block = find_block(level, name);
		known = kept = tcp_kept_switch(level, name, &lens);
	}
	if (len > INT_MAX)
		return -EINVAL;
	if (level == IPPROTO_IPV6 && !tcp_has_flag(c, CONN_FAMILY6))
		return -ENOPROTOOPT;
	if (block != NULL && block->set != NULL)
		return value == NULL && len > 0 ? -EFAULT : block->set(c, value, len);
	/* As Linux: these levels look at the length before the name. */
	if (known || level == SOL_SOCKET || level == IPPROTO_TCP) {
		status = int_of(level, lens, value, len, &v);
		if (status < 0)
			return status;
	}
	if (!known)
		return -ENOPROTOOPT;
	if (!kept)
		return o->set(c, v);
	tcp_kept_set(c, level, name, v);
	return 0;
}

/* Whether it is one of Fast Open's. */
static bool
is_fastopen(int level, int name)
{
	const struct tcp_option_list *l = &tcp_fastopen_options;

	for (size_t i = 0; i < l->n_ints; i++)
		if (l->ints[i].level == level && l->ints[i].name == name)
			return true;
	for (size_t i = 0; i < l->n_blocks; i++)
		if (l->blocks[i].level == level && l->blocks[i].name == name)
			return true;
	return false;
}

int
tcp_setsockopt(struct tcp_conn *c, int level, int name, const void *value, size_t len)
{
	bool early = c->smc.speaks_clc && is_fastopen(level, name);
	int status;

	/* As Linux's AF_SMC: bytes in the SYN, or CLC before all bytes; later is too late. */
	if (early && c->state != TCP_CLOSED)
		return -EINVAL;
	status = set_option(c, level, name, value, len);
	if (early && status == 0)
		tcp_smc_fall_back(c);
	return status;
}

int
tcp_getsockopt(struct tcp_conn *c, int level, int name, void *value, size_t *len)
{
	const struct tcp_block_option *block = find_block(level, name);
	const struct tcp_int_option *o = find_int(level, name);
	int v, lens = 0;
	uint8_t byte;

	if (len == NULL)
		return -EFAULT;
	if (level == IPPROTO_IPV6 && !tcp_has_flag(c, CONN_FAMILY6))
		return -EOPNOTSUPP;
	if (*len > INT_MAX)
		return -EINVAL;
	if (level != SOL_SOCKET && level != IPPROTO_TCP && level != IPPROTO_IP &&
	    level != IPPROTO_IPV6)
		return tcp_has_flag(c, CONN_FAMILY6) ? -ENOPROTOOPT : -EOPNOTSUPP;
	if (block != NULL && block->get != NULL)
		return block->get(c, value, len);
	if (tcp_kept_switch(level, name, &lens))
		v = tcp_kept_get(c, level, name);
	else if (o != NULL && o->get != NULL)
		v = o->get(c);
	else
		return -ENOPROTOOPT;
	/* As Linux: one byte of IP's options, if that is enough. */
	byte = (uint8_t)v;
	if (level == IPPROTO_IP && *len > 0 && *len < sizeof(v) && v == byte)
		return tcp_put_value(&byte, sizeof(byte), value, len);
	return tcp_put_value(&v, sizeof(v), value, len);
}
