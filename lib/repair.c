/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * See repair.h. A queue is looked at in pieces of a payload, each behind those before it. Nothing
 * moves in a frozen queue but by the program's own calls, so the pieces fit together; the first one
 * that is short is the last.
 */
#include <netinet/in.h>

#include "cursor.h"
#include "payload.h"
#include "repair.h"

enum {
	OPT_TCP_REPAIR = 19,
};

bool
repair_is_option(int level, int name)
{
	return level == IPPROTO_TCP && name == OPT_TCP_REPAIR;
}

void
repair_set(const struct file *file, int value)
{
	struct iovec payload = {.iov_base = &value, .iov_len = sizeof(value)};
	struct arena_call call = {
		.lane = file->lane,
		.op = SHM_SETSOCKOPT,
		.socket = file->slot,
		.arg = IPPROTO_TCP,
		.arg2 = OPT_TCP_REPAIR,
		.payload = &payload,
		.bytes = sizeof(value),
	};

	arena_call(&call);
}

ssize_t
repair_peek(const struct file *file, struct cursor *to, int flags)
{
	sigset_t old;
	int index = payload_hold_own(&old), got;
	size_t done = 0, want;

	do {
		struct arena_call call = {
			.lane = file->lane,
			.op = SHM_PEEK,
			.socket = file->slot,
			.arg = (uint32_t)(flags & MSG_TRUNC),
			.offset = (uint32_t)done,
		};

		want = to->left < SHM_PAYLOAD_MAX ? to->left : SHM_PAYLOAD_MAX;
		call.arg2 = (uint64_t)index << 32 | want;
		got = arena_call(&call);
		if (got <= 0)
			break;
		if (flags & MSG_TRUNC)
			cursor_skip(to, (size_t)got);
		else
			cursor_put(to, payload_memory(index), (size_t)got);
		done += (size_t)got;
	} while ((size_t)got == want && to->left > 0);
	payload_let_go(&old);
	return done > 0 ? (ssize_t)done : got;
}
