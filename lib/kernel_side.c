/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * See kernel_side.h. The order of undoing is the reverse of that of doing: the filter goes last, so
 * that no segment meets a kernel that has the address but not yet the connection, and answers with
 * a reset.
 */
#include "kernel_side.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <linux/sockios.h>

static int
failed(char *why, const char *what)
{
	snprintf(why, KERNEL_WHY_BYTES, "%s: %s", what, strerror(errno));
	return -1;
}

/* Says of which connection a sentence is. */
static int
name_conn(const struct endpoints *ends, char *why)
{
	char local[ENDPOINT_TEXT], remote[ENDPOINT_TEXT], sentence[KERNEL_WHY_BYTES];

	if (ends->local.any.sa_family == AF_UNSPEC)
		return -1;
	snprintf(sentence, sizeof(sentence), "%s", why);
	snprintf(why, KERNEL_WHY_BYTES, "%s - %s: %.120s", endpoint_text(&ends->local, local),
		 endpoint_text(&ends->remote, remote), sentence);
	return -1;
}

/* ---- Namespaces */

static ino_t
inode_of(int fd)
{
	struct stat file;

	return fd >= 0 && fstat(fd, &file) == 0 ? file.st_ino : 0;
}

int
kernel_side_enter(const struct descriptors *descriptors, char *why)
{
	int here = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC), status = 0, there;
	ino_t ours = inode_of(here), first = 0;

	for (unsigned int i = 0; i < descriptors->n && status == 0; i++) {
		ino_t inode;

		there = ioctl(descriptors->list[i].fd, SIOCGSKNS);
		inode = inode_of(there);
		/* What is no socket at all is refused later, by name. */
		if (there < 0)
			continue;
		if (first == 0 && inode != ours && setns(there, CLONE_NEWNET) < 0)
			status = failed(why, "entering the socket's network namespace");
		if (first == 0)
			first = inode;
		if (status == 0 && inode != first) {
			snprintf(why, KERNEL_WHY_BYTES,
				 "the sockets are of several network namespaces: take them one by "
				 "one");
			status = -1;
		}
		close(there);
	}
	if (here >= 0)
		close(here);
	return status;
}

/* ---- Taking */

static int
make_conns(struct kernel_side *side, unsigned int n, char *why)
{
	side->conns = calloc(n == 0 ? 1 : n, sizeof(*side->conns));
	if (side->conns == NULL)
		return failed(why, "connections");
	for (unsigned int i = 0; i < n; i++)
		side->conns[i].fd = -1;
	side->n = n;
	return 0;
}

int
kernel_side_lock(struct kernel_side *side, char *why)
{
	struct endpoints *ends = calloc(side->n == 0 ? 1 : side->n, sizeof(*ends));

	if (ends == NULL)
		return failed(why, "connections");
	for (unsigned int i = 0; i < side->n; i++)
		ends[i] = side->conns[i].frozen.ends;
	side->lock = lock_take(ends, side->n, why, KERNEL_WHY_BYTES);
	free(ends);
	return side->lock == NULL ? -1 : 0;
}

static int
name_descriptor(const struct borrowed *from, char *why)
{
	char sentence[KERNEL_WHY_BYTES];

	snprintf(sentence, sizeof(sentence), "%s", why);
	if (from->theirs >= 0)
		snprintf(why, KERNEL_WHY_BYTES, "descriptor %d: %.200s", from->theirs, sentence);
	return -1;
}

/* Every socket is looked at before any is changed; then repair, then filter, then images. */
int
kernel_side_take(struct kernel_side *side, const struct descriptors *descriptors, char *why)
{
	if (make_conns(side, descriptors->n, why) < 0)
		return -1;
	for (unsigned int i = 0; i < side->n; i++) {
		struct kernel_conn *conn = &side->conns[i];

		if (kernel_freeze(descriptors->list[i].fd, &conn->frozen, why) < 0)
			return name_descriptor(&descriptors->list[i], why);
		conn->is_frozen = true;
	}
	if (kernel_side_lock(side, why) < 0)
		return -1;
	for (unsigned int i = 0; i < side->n; i++) {
		struct kernel_conn *conn = &side->conns[i];

		if (kernel_dump(&conn->frozen, &conn->dump, why) < 0)
			return name_conn(&conn->frozen.ends, why);
		conn->is_dumped = true;
	}
	return 0;
}

static int
write_all(int fd, const void *from, size_t n)
{
	const uint8_t *at = from;

	while (n > 0) {
		ssize_t step = write(fd, at, n);

		if (step <= 0)
			return -1;
		at += step;
		n -= (size_t)step;
	}
	return 0;
}

static int
write_image(int fd, const struct image *image)
{
	uint8_t head[IMAGE_HEAD_MAX];
	size_t n = image_write_head(image, head, sizeof(head));

	if (n == 0 || write_all(fd, head, n) < 0 ||
	    write_all(fd, image->recvq, image->message.inq_len) < 0)
		return -1;
	return write_all(fd, image->sendq, image->message.outq_len);
}

int
kernel_side_images(const struct kernel_side *side, char *why)
{
	int fd = memfd_create("tern-images", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	for (unsigned int i = 0; fd >= 0 && i < side->n; i++)
		if (write_image(fd, &side->conns[i].dump.image) < 0) {
			failed(why, "writing the images");
			close(fd);
			return -1;
		}
	if (fd < 0 || lseek(fd, 0, SEEK_SET) < 0 ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) < 0)
		return failed(why, "a memfd for the images");
	return fd;
}

/* ---- Addresses */

static bool
is_taken(const struct kernel_side *side, const union endpoint *address)
{
	for (unsigned int i = 0; i < side->n_taken; i++)
		if (endpoint_same_address(&side->taken[i].address, address))
			return true;
	return false;
}

int
kernel_side_take_addresses(struct kernel_side *side, const char *interface, char *why)
{
	side->taken = calloc(side->n, sizeof(*side->taken));
	if (side->taken == NULL)
		return failed(why, "addresses");
	for (unsigned int i = 0; i < side->n; i++) {
		const union endpoint *local = &side->conns[i].frozen.ends.local;

		if (is_taken(side, local))
			continue;
		if (kernel_address_take(&side->taken[side->n_taken], interface, local, why) < 0)
			return -1;
		side->n_taken++;
	}
	return 0;
}

int
kernel_side_add_address(struct kernel_side *side, const char *interface,
			const union endpoint *address, uint8_t prefix_len, char *why)
{
	union endpoint *more = realloc(side->added, (side->n_added + 1) * sizeof(*more));

	if (more == NULL)
		return failed(why, "addresses");
	side->added = more;
	side->interface = interface;
	if (kernel_address_add(interface, address, prefix_len, why) < 0)
		return -1;
	side->added[side->n_added++] = *address;
	return 0;
}

/* ---- Done, or undone */

static void
unlock(struct kernel_side *side)
{
	lock_release(side->lock);
	side->lock = NULL;
}

void
kernel_side_undo(struct kernel_side *side)
{
	char why[KERNEL_WHY_BYTES];
	struct kernel_address gone;

	for (unsigned int i = 0; i < side->n; i++) {
		if (side->conns[i].fd >= 0)
			close(side->conns[i].fd);
		side->conns[i].fd = -1;
	}
	while (side->n_added > 0)
		if (kernel_address_take(&gone, side->interface, &side->added[--side->n_added],
					why) == 0)
			kernel_address_free(&gone);
	while (side->n_taken > 0) {
		if (kernel_address_return(&side->taken[--side->n_taken], why) < 0)
			fprintf(stderr, "tern: %s\n", why);
		kernel_address_free(&side->taken[side->n_taken]);
	}
	for (unsigned int i = 0; i < side->n; i++) {
		if (side->conns[i].is_frozen)
			kernel_thaw(&side->conns[i].frozen);
		side->conns[i].is_frozen = false;
	}
	unlock(side);
}

int
kernel_side_give_up(struct kernel_side *side, char *why)
{
	int status = 0;

	for (unsigned int i = 0; i < side->n; i++) {
		struct kernel_conn *conn = &side->conns[i];

		if (conn->is_frozen && kernel_vanish(&conn->frozen, why) < 0)
			status = name_conn(&conn->frozen.ends, why);
		conn->is_frozen = false;
	}
	unlock(side);
	return status;
}

void
kernel_side_free(struct kernel_side *side)
{
	for (unsigned int i = 0; i < side->n; i++)
		if (side->conns[i].is_dumped)
			kernel_dump_free(&side->conns[i].dump);
	while (side->n_taken > 0)
		kernel_address_free(&side->taken[--side->n_taken]);
	free(side->conns);
	free(side->taken);
	free(side->added);
	memset(side, 0, sizeof(*side));
}

/* ---- The way back */

int
kernel_side_read(struct kernel_side *side, const void *images, size_t n, char *why)
{
	const uint8_t *at = images;
	unsigned int count = 0;
	struct image image;
	long bytes;

	for (size_t read = 0; read < n; read += (size_t)bytes, count++) {
		bytes = image_read(&image, at + read, n - read, why);
		if (bytes <= 0)
			return -1;
	}
	if (make_conns(side, count, why) < 0)
		return -1;
	for (unsigned int i = 0; i < count; i++, at += bytes) {
		struct kernel_conn *conn = &side->conns[i];

		bytes = image_read(&conn->image, at, n, why);
		n -= (size_t)bytes;
		if (!kernel_image_ends(&conn->image, &conn->frozen.ends)) {
			snprintf(why, KERNEL_WHY_BYTES, "image %u names no addresses", i + 1);
			return -1;
		}
	}
	return 0;
}

int
kernel_side_restore(struct kernel_side *side, char *why)
{
	for (unsigned int i = 0; i < side->n; i++) {
		struct kernel_conn *conn = &side->conns[i];

		conn->fd = kernel_restore(&conn->image, why);
		if (conn->fd < 0)
			return name_conn(&conn->frozen.ends, why);
	}
	return 0;
}

/* The filter goes first: what leaving repair asks the peer must come to him. */
int
kernel_side_resume(struct kernel_side *side, char *why)
{
	int status = 0;

	unlock(side);
	for (unsigned int i = 0; i < side->n; i++)
		if (kernel_resume(side->conns[i].fd, &side->conns[i].image, why) < 0)
			status = name_conn(&side->conns[i].frozen.ends, why);
	return status;
}
