/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tern_restore(): connections from images. An image is read by lib/image.h before the lane sees it,
 * which believes nothing all the same, and gets it through the library's own payload, piece by
 * piece.
 *
 * From a descriptor just the image is read, not a byte more: the next one may follow.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "address.h"
#include "checkpoint.h"
#include "fork.h"
#include "kernel.h"
#include "lanes.h"
#include "repair.h"
#include "result.h"
#include "tern.h"
#include "wait.h"

enum {
	FLAGS = SOCK_CLOEXEC | SOCK_NONBLOCK | TERN_FREEZE,
	ESTABLISHED = 1, /* Linux's number */
	NS_PER_MS = 1000000,
};

/* ---- Where it is to be */

/* Returns 0 with *out, 1 if nothing is given, or a negative errno. */
static int
take_target(struct file *file, const struct tern_restore_target *target, struct shm_target *out)
{
	socklen_t bytes;
	int status;

	if (target == NULL)
		return 1;
	if (target->local == NULL || target->remote == NULL)
		return checkpoint_refuse(-EINVAL, "a target has both addresses");
	file->family = target->local->sa_family;
	if (target->remote->sa_family != file->family ||
	    (file->family != AF_INET && file->family != AF_INET6))
		return checkpoint_refuse(-EINVAL,
					 "the addresses given are not of AF_INET or AF_INET6 both");
	bytes = file->family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
	memset(out, 0, sizeof(*out));
	status = address_take(file, target->local, bytes, &out->local);
	if (status == 0)
		status = address_take(file, target->remote, bytes, &out->remote);
	out->state = target->state != 0 ? (uint32_t)target->state : ESTABLISHED;
	return status < 0 ? checkpoint_refuse_plainly(status) : 0;
}

/* ---- An image in memory */

static int64_t
limit_ns(int64_t ms)
{
	if (ms < 0)
		return 0;
	return ms > INT64_MAX / NS_PER_MS ? WAIT_FOREVER : ms * NS_PER_MS;
}

/* The options that are the library's to keep. */
static void
take_options(struct file *file, const struct shm_moved *moved)
{
	file->family = moved->family;
	file->linger_s = moved->linger_s;
	file->receive_ns = limit_ns(moved->receive_ms);
	file->send_ns = limit_ns(moved->send_ms);
	file->tells_left = moved->tells_left != 0;
}

/* The whole image, in pieces. Returns 0 or a negative errno; -EXDEV: *lane is whose it is. */
static int
give(struct file *file, const struct shm_target *target, const uint8_t *from, size_t bytes,
     uint32_t how, uint32_t *lane)
{
	struct shm_moved moved;
	sigset_t old;
	int index = payload_hold_own(&old), n;
	size_t done = 0;

	do {
		uint64_t piece = checkpoint_piece_of(index, bytes - done);

		memcpy(payload_memory(index), from + done, (uint32_t)piece);
		n = checkpoint_piece(file, SHM_RESTORE, how, done, piece, done == 0 ? target : NULL,
				     &moved);
		if (n > 0)
			done += (size_t)n;
	} while (n > 0 && moved.bytes > 0 && done < bytes);
	if (n >= 0 && moved.bytes > 0) {
		checkpoint_cancel(file, SHM_RESTORE, index);
		n = checkpoint_refuse(-EPROTO, "ternd takes no more of it");
	}
	payload_let_go(&old);
	*lane = moved.lane;
	if (n < 0)
		return n;
	take_options(file, &moved);
	return 0;
}

/* No number is left for it: it goes as it came, without a packet. */
static void
put_away(struct file *file)
{
	repair_set(file, REPAIR_ON);
	file_put(file);
}

/* The local port that an image tells; 0 if it tells none, and then ternd refuses it. */
static uint16_t
port_of(const struct image *image)
{
	uint32_t port = image->message.local_port;

	return port <= UINT16_MAX ? (uint16_t)port : 0;
}

static int
take_slot(struct file *file, unsigned int lane)
{
	int status = file_take_slot(file, lane);

	return status < 0 ? checkpoint_refuse_plainly(status) : 0;
}

/* On the lane to which its packets come, which the first one that is asked names. */
static int
give_where_it_belongs(struct file *file, uint16_t port, const struct shm_target *target,
		      const uint8_t *from, size_t bytes, uint32_t how)
{
	uint32_t lane;
	int status = take_slot(file, lanes_of_port(port));

	if (status < 0)
		return status;
	status = give(file, target, from, bytes, how, &lane);
	if (status != -EXDEV || lane >= arena.header.lanes)
		return status;
	checkpoint_reason[0] = '\0';
	file_drop_slot(file);
	status = take_slot(file, lane);
	return status < 0 ? status : give(file, target, from, bytes, how, &lane);
}

/* Returns a descriptor or a negative errno. The image is sound as such, and of this port. */
static int
restore(const uint8_t *image, size_t bytes, uint16_t port, const struct tern_restore_target *target,
	int flags)
{
	struct shm_target given;
	struct file *file;
	int status, named;

	fork_take_inheritance();
	if (arena_attach() < 0)
		return checkpoint_refuse(-ENXIO, "no ternd can be found, or it refuses us");
	file = file_make_plain();
	if (file == NULL)
		return checkpoint_refuse_plainly(-ENOMEM);
	status = named = take_target(file, target, &given);
	if (status >= 0)
		status = give_where_it_belongs(file, named == 0 ? given.local.port : port,
					       named == 0 ? &given : NULL, image, bytes,
					       flags & TERN_FREEZE ? SHM_MOVE_FREEZE : 0);
	if (status < 0) {
		file_discard(file);
		return status;
	}
	status = file_install(file, flags);
	if (status < 0) {
		put_away(file);
		checkpoint_refuse_plainly(status);
	}
	return status;
}

static int
check_flags(int flags)
{
	checkpoint_reason[0] = '\0';
	if ((flags & ~FLAGS) == 0)
		return 0;
	return checkpoint_refuse(-EINVAL, "flags: SOCK_CLOEXEC, SOCK_NONBLOCK and TERN_FREEZE");
}

int
tern_restore(const void *image, size_t bytes, const struct tern_restore_target *target, int flags)
{
	int status = check_flags(flags);
	struct image read;
	long n;

	if (status < 0)
		return tern_result(status);
	n = image_read(&read, image, bytes, checkpoint_reason);
	if (n < 0)
		return tern_result(-EINVAL);
	if ((size_t)n != bytes)
		return tern_result(
			checkpoint_refuse(-EINVAL, "%zu bytes follow its end", bytes - (size_t)n));
	return tern_result(restore(image, bytes, port_of(&read), target, flags));
}

/* ---- An image from a descriptor */

struct inflow {
	int fd;
	uint8_t *at;
	size_t have, room;
};

static ssize_t
read_some(int fd, void *to, size_t bytes)
{
	struct file *file = socket_get(fd);

	if (file == NULL)
		return kernel.read(fd, to, bytes);
	file_put(file);
	return tern_read(fd, to, bytes);
}

/* Reads until so many bytes are there. Returns 0 or a negative errno. */
static int
read_until(struct inflow *in, size_t bytes)
{
	while (in->have < bytes) {
		ssize_t n;

		if (in->room < bytes) {
			uint8_t *more = realloc(in->at, bytes);

			if (more == NULL)
				return checkpoint_refuse_plainly(-ENOMEM);
			in->at = more;
			in->room = bytes;
		}
		n = read_some(in->fd, in->at + in->have, bytes - in->have);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return checkpoint_refuse(-errno, "the image cannot be read: %s",
						 strerror(errno));
		if (n == 0 && in->have == 0)
			return checkpoint_refuse(-ENODATA, "there is no image any more");
		if (n == 0)
			return checkpoint_refuse(-EINVAL,
						 "it ends after %zu bytes, of at least %zu",
						 in->have, bytes);
		in->have += (size_t)n;
	}
	return 0;
}

static int
read_image(struct inflow *in, uint16_t *port)
{
	struct image image;
	size_t wants = IMAGE_FRAME_BYTES;
	int status = 0;
	long head;

	while (status == 0 && in->have < wants) {
		status = read_until(in, wants);
		if (status == 0)
			wants = image_head_wants(in->at, in->have);
		if (status == 0 && wants > IMAGE_HEAD_MAX)
			break; /* it says why */
	}
	if (status < 0)
		return status;
	head = image_read_head(&image, in->at, in->have, checkpoint_reason);
	if (head < 0)
		return -EINVAL;
	*port = port_of(&image);
	return read_until(in, (size_t)head + (size_t)image_queue_bytes(&image));
}

int
tern_restore_from(int from, const struct tern_restore_target *target, int flags)
{
	struct inflow in = {.fd = from};
	int status = check_flags(flags);
	uint16_t port = 0;

	if (status == 0)
		status = read_image(&in, &port);
	if (status == 0)
		status = restore(in.at, in.have, port, target, flags);
	free(in.at);
	return tern_result(status);
}
