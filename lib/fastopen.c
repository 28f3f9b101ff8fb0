/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * See fastopen.h. What goes into a SYN is the lane's to say, so the first write is a call. Blocking
 * or not, it is the same one: who blocks waits afterwards, and sends the rest as ever.
 */
#include <errno.h>
#include <string.h>

#include "address.h"
#include "fastopen.h"
#include "message.h"
#include "wait.h"

enum {
	PIECES = 17, /* the address, and what stream.c gives */
};

int
fastopen_target(const struct file *file, const struct sockaddr *address, socklen_t length,
		struct fastopen_target *target)
{
	*target = (struct fastopen_target){.given = address != NULL};
	if (address == NULL)
		return 0;
	if ((int)length < 0 || length > sizeof(struct sockaddr_storage))
		return -EINVAL;
	if (memory_is_bad(address, length))
		return -EFAULT;
	if (length < sizeof(sa_family_t))
		target->refusal = -EINVAL;
	else if (address->sa_family == AF_UNSPEC)
		target->refusal = -EOPNOTSUPP;
	else
		target->error = address_take(file, address, length, &target->remote);
	return 0;
}

static uint16_t
flags_of(const struct file *file)
{
	return __atomic_load_n(&file_status(file)->flags, __ATOMIC_ACQUIRE);
}

bool
fastopen_is_deferred(const struct file *file)
{
	return (flags_of(file) & SHM_DEFERRED) != 0;
}

/* What is wrong with an address is told only where one is needed: the lane is asked without it. */
ssize_t
fastopen_start(const struct file *file, const struct iovec *iov, size_t n, uint32_t bytes,
	       int flags, const struct fastopen_target *target)
{
	bool named = target != NULL && target->given && (flags & MSG_FASTOPEN) != 0;
	bool right = named && target->error == 0;
	struct iovec pieces[PIECES];
	struct arena_call call = {
		.lane = file->lane,
		.op = right ? SHM_SEND_TO : SHM_SEND_NOW,
		.socket = file->slot,
		.arg = (uint32_t)flags,
		.payload = pieces,
	};
	size_t at = 0;
	int status;

	if (named && target->refusal != 0)
		return target->refusal;
	if (right) {
		/* Only read. */
		pieces[at].iov_base = (void *)(uintptr_t)&target->remote;
		pieces[at++].iov_len = sizeof(target->remote);
		if (bytes > SHM_PAYLOAD_MAX - sizeof(target->remote))
			bytes = SHM_PAYLOAD_MAX - sizeof(target->remote);
		call.bytes = sizeof(target->remote);
	}
	for (size_t i = 0; i < n && at < PIECES; i++)
		pieces[at++] = iov[i];
	call.bytes += bytes;
	status = arena_call(&call);
	return named && !right && status == -EINVAL ? target->error : status;
}

/* ---- Its end */

static bool
is_over(void *arg)
{
	const struct file *const *file = arg;

	return (flags_of(*file) & (SHM_DEFERRED | SHM_CONNECTING)) == 0 ||
	       __atomic_load_n(&arena.dead, __ATOMIC_ACQUIRE);
}

int
fastopen_finish(struct file *file, int64_t limit_ns)
{
	struct wait wait = {
		.ready = is_over,
		.arg = &file,
		.arg_bytes = sizeof(file),
		.deadline_ns = limit_ns == WAIT_FOREVER ? WAIT_FOREVER : wait_now_ns() + limit_ns,
		.restarts = limit_ns == WAIT_FOREVER,
		.abandon = file_put_held,
		.held = file,
	};
	/* Nowhere: the lane looks at it only if the connection has ended, and been told of. */
	struct shm_endpoint nowhere = {.ip = {[10] = 0xff, [11] = 0xff}};
	struct iovec payload = {.iov_base = &nowhere, .iov_len = sizeof(nowhere)};
	struct arena_call call = {
		.lane = file->lane,
		.op = SHM_CONNECT,
		.socket = file->slot,
		.payload = &payload,
		.bytes = sizeof(nowhere),
	};
	int status = wait_for(&wait);

	if (status < 0)
		return status == -ETIMEDOUT ? -EAGAIN : status;
	/* As connect(). */
	pthread_mutex_lock(&file->reading);
	status = arena_call(&call);
	pthread_mutex_unlock(&file->reading);
	return status == -EISCONN ? 0 : status;
}
