/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * restore and restore-end: see commands_move.h.
 *
 * Images come in a memfd, one behind the other. It must be sealed: then its bytes stay as they are
 * while they are looked at, and reading them cannot fault. What they say is believed by nobody: the
 * frames are looked at here, for their lengths and addresses, everything else in the lane.
 *
 * A connection belongs to the lane that the device will bring its packets to (lane_steer.c), but
 * for one that a program gets: to the lane that its listener is on.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dataplane/commands_move.h"
#include "dataplane/lane_steer.h"
#include "dataplane/log.h"

enum {
	RESTORE_BYTES_MAX = 256 << 20, /* of a request's images; their pages are mapped at once */
	RESTORE_IMAGES_MAX = 65536,
	FAILURES_MAX = 1024, /* that an answer lists */
	SEALS = F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK,
};

struct in {
	struct daemon *daemon;
	uint8_t *map;
	size_t bytes;
	struct lane_image *images; /* in the order in which they came */
	uint8_t *lane_of;          /* each of them */
	uint32_t n;
	int service; /* that gets them; -1: who listens; SERVICE_NAMED: what each image says */
	bool has_target;
	struct move_target target;
	const char *error;
};

enum { SERVICE_NAMED = -2 };

/* ---- The memfd */

static bool
map_images(struct in *in, int fd)
{
	struct stat st;
	int seals = fcntl(fd, F_GET_SEALS);

	if (fd < 0 || fstat(fd, &st) < 0 || seals < 0 || (seals & SEALS) != SEALS) {
		in->error = "images come in a memfd with the seals WRITE, GROW and SHRINK";
		return false;
	}
	if (st.st_size <= 0 || st.st_size > RESTORE_BYTES_MAX) {
		in->error =
			"images of 1 byte to 256 MiB can be restored at once; send more of them "
			"in several requests";
		return false;
	}
	in->bytes = (size_t)st.st_size;
	in->map = mmap(NULL, in->bytes, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
	if (in->map == MAP_FAILED)
		in->error = "no memory";
	return in->map != MAP_FAILED;
}

/* ---- Whose they are */

static bool
take_choice(struct in *in, const json_t *request)
{
	const char *service = json_string_value(json_object_get(request, "service"));
	json_int_t state = json_integer_value(json_object_get(request, "state"));

	in->service = SERVICE_NAMED;
	if (json_is_true(json_object_get(request, "listener")))
		in->service = -1;
	else if (service != NULL) {
		in->service = commands_service(in->daemon, service, &in->error);
		if (in->service < 0)
			return false;
	}
	in->has_target = json_object_get(request, "local") != NULL;
	/* The wire's name for it is Linux's number; only ESTABLISHED is one that CRIU's images
	 * have. */
	in->target.state = TCP_ESTABLISHED;
	if (state > 1) {
		in->error = "an image that says no state is of an established connection";
		return false;
	}
	return !in->has_target || commands_tuple(request, &in->target.tuple, &in->error);
}

static bool
address_of(const struct image_bytes *from, struct ip_addr *to)
{
	be32_t ip4;

	if (from->n == sizeof(ip4)) {
		memcpy(&ip4, from->at, sizeof(ip4));
		*to = ip_from4(ip4);
	} else if (from->n == sizeof(to->w)) {
		memcpy(to->w, from->at, sizeof(to->w));
	} else {
		return false;
	}
	return true;
}

/* Its addresses, as far as they are known: also for the answer. */
static void
take_tuple(const struct in *in, const struct image *image, struct tcp_tuple *tuple)
{
	const struct image_message *m = &image->message;

	if (in->has_target)
		*tuple = in->target.tuple;
	if (!m->has.local_address || !m->has.remote_address ||
	    !address_of(&m->local_address, &tuple->local) ||
	    !address_of(&m->remote_address, &tuple->remote))
		return;
	tuple->lport = be16((uint16_t)m->local_port);
	tuple->rport = be16((uint16_t)m->remote_port);
}

/* The service that an image names, if it is here. */
static int
service_of(const struct in *in, const struct image *image)
{
	const struct image_bytes *name = &image->message.service;

	for (unsigned int i = 0; i < in->daemon->config.n_services; i++) {
		const char *here = in->daemon->config.services[i].name;

		if (name->n == strlen(here) && memcmp(name->at, here, name->n) == 0)
			return (int)i;
	}
	return -1;
}

static bool
a_service_listens(const struct daemon *daemon, const struct tcp_tuple *tuple)
{
	for (unsigned int i = 0; i < daemon->config.n_services; i++) {
		const struct config_service *service = &daemon->config.services[i];

		for (unsigned int k = 0; k < service->n_listen; k++)
			if (service->listen[k].port == be16_get(tuple->lport))
				return true;
	}
	return false;
}

static unsigned int
lane_of(const struct in *in, const struct lane_image *image)
{
	struct daemon *daemon = in->daemon;
	uint8_t owner;

	if (daemon->config.lanes == 1)
		return 0;
	owner = __atomic_load_n(&daemon->port_lanes[be16_get(image->moved.tuple.lport)],
				__ATOMIC_RELAXED);
	if (image->service < 0 && !a_service_listens(daemon, &image->moved.tuple))
		return owner > 0 ? owner - 1u : 0;
	return lane_steer(daemon->ports, daemon->config.n_ports, daemon->config.lanes,
			  &image->moved.tuple);
}

/* ---- The images */

/* Room for one more image; NULL without memory. */
static struct lane_image *
add_image(struct in *in, uint32_t *size)
{
	if (in->n == *size) {
		uint32_t bigger = *size == 0 ? 64 : 2 * *size;
		void *images = reallocarray(in->images, bigger, sizeof(*in->images)), *lanes;

		if (images == NULL)
			return NULL;
		in->images = images;
		lanes = reallocarray(in->lane_of, bigger, 1);
		if (lanes == NULL)
			return NULL;
		in->lane_of = lanes;
		*size = bigger;
	}
	memset(&in->images[in->n], 0, sizeof(in->images[0]));
	return &in->images[in->n++];
}

/* Finds them all. What cannot be read ends the search, for nobody knows where the next begins. */
static bool
find_images(struct in *in)
{
	uint32_t size = 0;

	for (size_t at = 0; at < in->bytes;) {
		struct lane_image *entry = add_image(in, &size);
		char why[IMAGE_WHY_BYTES];
		struct image image;
		long head;

		if (entry == NULL) {
			in->error = "no memory";
			return false;
		}
		entry->at = in->map + at;
		entry->bytes = in->bytes - at;
		head = image_read_head(&image, entry->at, entry->bytes, why);
		if (head < 0) {
			entry->moved.error = EINVAL;
			snprintf(entry->moved.why, sizeof(entry->moved.why),
				 "image %u, at byte %zu: %s", in->n, at, why);
			return true;
		}
		if ((uint64_t)head + image_queue_bytes(&image) < entry->bytes)
			entry->bytes = (uint64_t)head + image_queue_bytes(&image);
		take_tuple(in, &image, &entry->moved.tuple);
		entry->service =
			in->service == SERVICE_NAMED ? service_of(in, &image) : in->service;
		entry->has_target = in->has_target;
		entry->target = in->target;
		in->lane_of[in->n - 1] = (uint8_t)lane_of(in, entry);
		at += entry->bytes;
		if (in->n == RESTORE_IMAGES_MAX && at < in->bytes) {
			in->error = "65536 images can be restored at once; send more of them in "
				    "several requests";
			return false;
		}
	}
	return true;
}

/* Has a lane take those that are its own: runs of neighbours, for they lie one behind the other. */
static bool
restore_in(struct in *in, unsigned int lane, struct lane_moves *m)
{
	for (uint32_t from = 0, to; from < in->n; from = to) {
		for (to = from;
		     to < in->n && in->lane_of[to] == lane && in->images[to].moved.error == 0;)
			to++;
		if (to == from) {
			to++;
			continue;
		}
		m->images = &in->images[from];
		m->n_images = to - from;
		m->next = 0;
		while (m->next < m->n_images)
			if (commands_slice(in->daemon->lanes[lane], ASK_RESTORE, m) < 0)
				return false;
	}
	return true;
}

/* Asks all lanes about all images. */
static bool
ask_all(struct in *in, enum lane_request_kind kind, struct lane_moves *m)
{
	m->images = in->images;
	m->lane_of = in->lane_of;
	m->n_images = in->n;
	for (unsigned int i = 0; i < in->daemon->config.lanes; i++) {
		m->next = 0;
		while (m->next < m->n_images)
			if (commands_slice(in->daemon->lanes[i], kind, m) < 0)
				return false;
	}
	return true;
}

/* All of the images, or none: what was refused is the reason that the others go again. */
static void
undo(struct in *in)
{
	for (uint32_t i = 0; i < in->n; i++) {
		struct lane_moved *moved = &in->images[i].moved;

		if (moved->error == 0) {
			moved->error = ECANCELED;
			snprintf(moved->why, sizeof(moved->why),
				 "all were to be restored or none, and another was refused");
		}
	}
}

static bool
restore_all(struct in *in, struct lane_moves *m)
{
	bool ok = in->daemon->config.lanes == 1 || ask_all(in, ASK_RESTORE_CHECK, m);

	for (unsigned int i = 0; i < in->daemon->config.lanes && ok; i++)
		ok = restore_in(in, i, m);
	if (!ok || !m->together)
		return ok;
	for (uint32_t i = 0; i < in->n; i++)
		m->leave = m->leave || in->images[i].moved.error != 0;
	/* They go on, or go again. */
	ok = ask_all(in, ASK_RESTORE_END, m);
	if (m->leave)
		undo(in);
	return ok;
}

static json_t *
answer_of(const struct in *in, const struct ucred *client, uint64_t began_us)
{
	json_t *failed = json_array();
	uint32_t restored = 0, failures = 0;
	uint64_t queued = 0;

	for (uint32_t i = 0; i < in->n; i++) {
		const struct lane_moved *moved = &in->images[i].moved;

		if (moved->error == 0) {
			restored++;
			queued += moved->bytes;
			continue;
		}
		if (failures < FAILURES_MAX) {
			json_t *one = commands_moved(in->daemon, "restore", moved, failures);

			json_object_set_new(one, "image", json_integer(i));
			json_array_append_new(failed, one);
		}
		failures++;
	}
	log_line("%s: restore for process %d: %u connections, %llu bytes in queues, %.1f ms; %u "
		 "refused",
		 in->daemon->config.name, (int)client->pid, restored, (unsigned long long)queued,
		 (double)(commands_clock_us() - began_us) / 1000, failures);
	return json_pack("{s:I,s:I,s:o,s:I}", "restored", (json_int_t)restored, "queued",
			 (json_int_t)queued, "failed", failed, "failures", (json_int_t)failures);
}

json_t *
commands_restore(struct daemon *daemon, const json_t *request, struct control_cursor *cursor,
		 const char **error)
{
	struct in in = {.daemon = daemon, .map = MAP_FAILED, .error = NULL};
	uint64_t began_us = commands_clock_us();
	struct lane_moves *moves;
	json_t *answer = NULL;
	bool stuck = false;

	if (!commands_may_move(daemon, cursor, error))
		return NULL;
	moves = calloc(1, sizeof(*moves));
	if (moves == NULL)
		in.error = "no memory";
	if (in.error == NULL && take_choice(&in, request) && map_images(&in, cursor->got_fd) &&
	    find_images(&in)) {
		moves->together = json_is_true(json_object_get(request, "together"));
		stuck = !restore_all(&in, moves);
		if (stuck)
			in.error = "a lane does not answer";
		else
			answer = answer_of(&in, &cursor->client, began_us);
	}
	*error = in.error;
	if (stuck) /* the lane may look at all of it still */
		return NULL;
	if (in.map != MAP_FAILED)
		munmap(in.map, in.bytes);
	free(in.images);
	free(in.lane_of);
	free(moves);
	return answer;
}

json_t *
commands_restore_end(struct daemon *daemon, const json_t *request, struct control_cursor *cursor,
		     const char **error)
{
	(void)request;
	if (!commands_may_move(daemon, cursor, error))
		return NULL;
	return json_pack("{s:b}", "was_restoring", daemon_end_restoring(daemon, "by request"));
}
