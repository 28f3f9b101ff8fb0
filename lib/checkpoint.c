/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tern_checkpoint(): connections to images, in memory or to a descriptor. The lane writes an image
 * through the library's own payload, piece by piece; see restore.c for the way back.
 *
 * What goes to a descriptor is on the heap first: whoever reads at the other end may take his time,
 * and nothing is held meanwhile.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "checkpoint.h"
#include "kernel.h"
#include "repair.h"
#include "result.h"
#include "tern.h"

__thread char checkpoint_reason[IMAGE_WHY_BYTES];

const char *
tern_checkpoint_error(void)
{
	return checkpoint_reason;
}

int
checkpoint_refuse(int status, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(checkpoint_reason, sizeof(checkpoint_reason), format, arguments);
	va_end(arguments);
	return status;
}

/* What has no sentence of its own. */
int
checkpoint_refuse_plainly(int status)
{
	return checkpoint_refuse(status, "%s", strerror(-status));
}

/* ---- Pieces. The library's payload is held. */

int
checkpoint_piece(const struct file *file, enum shm_op op, uint32_t how, size_t offset,
		 uint64_t piece, const struct shm_target *target, struct shm_moved *moved)
{
	struct iovec payload = {.iov_base = (void *)(uintptr_t)target, /* only read */
				.iov_len = target != NULL ? sizeof(*target) : 0};
	struct arena_call call = {
		.lane = file->lane,
		.op = op,
		.socket = file->slot,
		.arg = how,
		.offset = (uint32_t)offset,
		.arg2 = piece,
		.payload = &payload,
		.bytes = (uint32_t)payload.iov_len,
		.data = moved,
		.data_room = sizeof(*moved),
	};
	int status;

	memset(moved, 0, sizeof(*moved));
	status = arena_call(&call);
	if (status < 0 && moved->why[0] != '\0')
		return checkpoint_refuse(status, "%.*s", (int)sizeof(moved->why) - 1, moved->why);
	return status < 0 ? checkpoint_refuse_plainly(status) : status;
}

void
checkpoint_cancel(const struct file *file, enum shm_op op, int index)
{
	char kept[sizeof(checkpoint_reason)];
	struct shm_moved moved;

	memcpy(kept, checkpoint_reason, sizeof(kept));
	checkpoint_piece(file, op, SHM_MOVE_CANCEL, 0, checkpoint_piece_of(index, 0), NULL, &moved);
	memcpy(checkpoint_reason, kept, sizeof(kept));
}

/* ---- Out */

/* Where an image goes: the caller's memory, or some of the heap. */
struct room {
	uint8_t *at;
	size_t bytes;
	bool grows;
};

/* The whole image is so large. Returns 0 or a negative errno. */
static int
make_room(struct room *room, uint64_t all)
{
	uint8_t *more;

	if (all <= room->bytes)
		return 0;
	if (!room->grows)
		return checkpoint_refuse(-ENOBUFS,
					 "its image has %llu bytes, and there is room for %zu",
					 (unsigned long long)all, room->bytes);
	more = realloc(room->at, all);
	if (more == NULL)
		return checkpoint_refuse_plainly(-ENOMEM);
	room->at = more;
	room->bytes = all;
	return 0;
}

/* Returns the image's bytes, all of which are in the room; or a negative errno, and then the
 * connection is as it was. */
static ssize_t
fetch(const struct file *file, struct room *room, uint32_t how, int index)
{
	struct shm_moved moved;
	size_t done = 0;
	int n, status;

	do {
		size_t left = room->grows ? SHM_PAYLOAD_MAX : room->bytes - done;

		n = checkpoint_piece(file, SHM_CHECKPOINT, how | SHM_MOVE_END, done,
				     checkpoint_piece_of(index, left), NULL, &moved);
		if (n < 0)
			return n;
		status = make_room(room, moved.bytes);
		if (status == 0 && n == 0 && done < moved.bytes)
			status = checkpoint_refuse(-EPROTO, "ternd gives no more of it");
		if (status < 0) {
			checkpoint_cancel(file, SHM_CHECKPOINT, index);
			return status;
		}
		memcpy(room->at + done, payload_memory(index), (size_t)n);
		done += (size_t)n;
	} while (done < moved.bytes);
	return (ssize_t)done;
}

/* How large the image would be. */
static ssize_t
measure(const struct file *file, int index)
{
	struct shm_moved moved;
	int n = checkpoint_piece(file, SHM_CHECKPOINT, 0, 0, checkpoint_piece_of(index, 0), NULL,
				 &moved);

	return n < 0 ? n : (ssize_t)moved.bytes;
}

/* Into the room, or, without any, only its size. Nobody reads meanwhile what is taken back. */
static ssize_t
checkpoint(struct file *file, struct room *room, uint32_t how)
{
	sigset_t old;
	ssize_t n;
	int index;

	pthread_mutex_lock(&file->reading);
	index = payload_hold_own(&old);
	n = room != NULL ? fetch(file, room, how, index) : measure(file, index);
	payload_let_go(&old);
	pthread_mutex_unlock(&file->reading);
	return n;
}

/* Returns SHM_MOVE_... bits, or -EINVAL. */
static int
what_becomes(int flags)
{
	switch (flags) {
	case 0:
		return 0;
	case TERN_FREEZE:
		return SHM_MOVE_FREEZE;
	case TERN_TAKE:
		return SHM_MOVE_TAKE;
	default:
		return checkpoint_refuse(-EINVAL, "flags: 0, TERN_FREEZE or TERN_TAKE");
	}
}

/* The socket that a descriptor names; NULL with *status. */
static struct file *
find_socket(int fd, int *status)
{
	struct file *file = *status < 0 ? NULL : socket_get(fd);

	if (file == NULL && *status >= 0)
		*status = checkpoint_refuse(-EBADF, "the descriptor names no socket of Tern's");
	return file;
}

ssize_t
tern_checkpoint(int fd, void *buffer, size_t bytes, int flags)
{
	struct room room = {.at = buffer, .bytes = bytes};
	int status;
	struct file *file;
	ssize_t n;

	checkpoint_reason[0] = '\0';
	status = what_becomes(flags);
	file = find_socket(fd, &status);
	if (file == NULL)
		return tern_result(status);
	n = checkpoint(file, buffer != NULL ? &room : NULL, (uint32_t)status);
	file_put(file);
	return tern_result_bytes(n);
}

/* Of ours or the kernel's, whatever the descriptor names. */
static ssize_t
write_some(int fd, const void *from, size_t bytes)
{
	struct file *file = socket_get(fd);

	if (file == NULL)
		return kernel.write(fd, from, bytes);
	file_put(file);
	return tern_write(fd, from, bytes);
}

static int
write_all(int fd, const uint8_t *from, size_t bytes)
{
	ssize_t n;

	for (; bytes > 0; from += n, bytes -= (size_t)n) {
		n = write_some(fd, from, bytes);
		if (n < 0 && errno == EINTR)
			n = 0;
		if (n < 0)
			return checkpoint_refuse(-errno, "the image cannot be written: %s",
						 strerror(errno));
	}
	return 0;
}

/* The image is where it should be: now the connection may leave. */
static int
take_away(const struct file *file)
{
	struct shm_moved moved;
	sigset_t old;
	int index = payload_hold_own(&old), status;

	status = checkpoint_piece(file, SHM_CHECKPOINT, SHM_MOVE_LEAVE, 0,
				  checkpoint_piece_of(index, 0), NULL, &moved);
	payload_let_go(&old);
	return status;
}

/* Frozen while it is written, if it is to be taken away: nothing is lost if that fails. */
static ssize_t
checkpoint_to(struct file *file, int to, uint32_t how)
{
	bool was_in_repair = repair_is_on(file);
	struct room room = {.grows = true};
	ssize_t n = checkpoint(file, &room, how == SHM_MOVE_TAKE ? SHM_MOVE_FREEZE : how);
	int status = n < 0 ? (int)n : write_all(to, room.at, (size_t)n);

	free(room.at);
	if (status == 0 && how == SHM_MOVE_TAKE)
		status = take_away(file);
	if (n >= 0 && status < 0 && how != 0 && !was_in_repair)
		repair_set(file, REPAIR_OFF_SILENTLY);
	return status < 0 ? status : n;
}

ssize_t
tern_checkpoint_to(int fd, int to, int flags)
{
	int status;
	struct file *file;
	ssize_t n;

	checkpoint_reason[0] = '\0';
	status = what_becomes(flags);
	file = find_socket(fd, &status);
	if (file == NULL)
		return tern_result(status);
	n = checkpoint_to(file, to, (uint32_t)status);
	file_put(file);
	return tern_result_bytes(n);
}
