/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * restore and restore-end: see commands_move.h.
 *
 * Images come in a memfd, one behind the other. It must be sealed: then its bytes stay as they are
 * while they are looked at, and reading them cannot fault. What they say is believed by nobody:
 * heads are read here, for their lengths and addresses, and the next ones while the lanes work;
 * whether they can be connections is looked at in the lane.
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
	RESTORE_BYTES_MAX = 256 << 20, /* of a request's images */
	RESTORE_IMAGES_MAX = 65536,
	READ_AHEAD = LANE_MOVE_CONNS, /* images */
	POPULATE_BYTES = 256 << 10,
	FAILURES_MAX = 1024, /* that an answer lists */
	SERVICE_NAMED = -2,
	SEALS = F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK,
};

/*
 * Images are read here, and restored in the lanes:
 *
 *     images   done with | the lanes' now | read meanwhile | not looked at
 *                       from             to                n
 */
struct in {
	struct daemon *daemon;
	uint8_t *map;
	size_t bytes, there, at;   /* of the map; of those, populated; where the next image is */
	struct lane_image *images; /* in the order in which they came; room for all, and one more */
	char (*whys)[LANE_MOVE_WHY]; /* theirs: of those that are refused, written to */
	uint32_t n;
	struct image *heads;       /* READ_AHEAD for the lanes, and as many that are read */
	struct lane_moves **moves; /* each lane's */
	uint64_t alive_us;         /* when the last of them went on */
	int service; /* that gets them; -1: who listens; SERVICE_NAMED: what each image says */
	bool has_target;
	struct move_target target;
	const char *error;
};

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
	in->map = mmap(NULL, in->bytes, PROT_READ, MAP_PRIVATE, fd, 0);
	if (in->map == MAP_FAILED)
		in->error = "no memory";
	return in->map != MAP_FAILED;
}

/* Has the pages of the first so many bytes there, so that nobody faults, or meets the end of
 * memory. */
static bool
populate(struct in *in, size_t to)
{
	if (to > in->bytes)
		to = in->bytes;
	if (to <= in->there)
		return true;
	to = RTE_MIN((to + POPULATE_BYTES - 1) / POPULATE_BYTES * POPULATE_BYTES, in->bytes);
	if (madvise(in->map + in->there, to - in->there, MADV_POPULATE_READ) < 0)
		return false;
	in->there = to;
	return true;
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
	if (image->service < 0 && owner > 0 && !a_service_listens(daemon, &image->moved.tuple))
		return owner - 1u;
	return lane_steer_owner(
		daemon->steer,
		lane_steer_port(daemon->ports, daemon->config.n_ports, &image->moved.tuple.local),
		&image->moved.tuple);
}

/* ---- The images */

/* Room for all that there can be, and for who works on them. */
static bool
make_room(struct in *in)
{
	unsigned int lanes = in->daemon->config.lanes;
	size_t most = RTE_MIN(in->bytes / IMAGE_FRAME_BYTES, (size_t)RESTORE_IMAGES_MAX) + 1;
	bool ok;

	/* Cleared when its turn comes: there may be fewer by far. */
	in->images = malloc(most * sizeof(*in->images));
	in->whys = malloc(most * sizeof(*in->whys));
	in->heads = malloc(RTE_MIN(most, 2u * READ_AHEAD) * sizeof(*in->heads));
	in->moves = calloc(lanes, sizeof(struct lane_moves *));
	ok = in->images != NULL && in->whys != NULL && in->heads != NULL && in->moves != NULL;
	for (unsigned int i = 0; i < lanes && ok; i++) {
		in->moves[i] = calloc(1, sizeof(*in->moves[i]));
		ok = in->moves[i] != NULL;
	}
	if (!ok)
		in->error = "no memory";
	return ok;
}

static void
free_room(struct in *in)
{
	for (unsigned int i = 0; in->moves != NULL && i < in->daemon->config.lanes; i++)
		commands_moves_free(in->moves[i]);
	free(in->moves);
	free(in->heads);
	free(in->whys);
	free(in->images);
}

/* It ends the images, for nobody knows where the next begins. */
static void
end_at(struct in *in, struct lane_image *entry, int error, const char *why)
{
	entry->moved.error = error;
	snprintf(entry->moved.why, LANE_MOVE_WHY, "image %u, at byte %zu: %s", in->n, in->at, why);
	in->at = in->bytes;
}

/* Reads the next image, as far as its head says. */
static void
read_image(struct in *in)
{
	struct image *image = &in->heads[in->n % (2 * READ_AHEAD)];
	struct lane_image *entry = &in->images[in->n];
	char why[IMAGE_WHY_BYTES];
	long head;

	*entry = (struct lane_image){.moved.why = in->whys[in->n++]};
	if (in->n > RESTORE_IMAGES_MAX) {
		end_at(in, entry, E2BIG,
		       "65536 can be restored at once; send more of them in several requests");
		return;
	}
	if (!populate(in, in->at + IMAGE_HEAD_MAX)) {
		end_at(in, entry, ENOMEM, "no memory");
		return;
	}
	entry->at = in->map + in->at;
	entry->bytes = in->bytes - in->at;
	head = image_read_head(image, entry->at, entry->bytes, why);
	if (head < 0) {
		end_at(in, entry, EINVAL, why);
		return;
	}
	entry->image = image;
	entry->head_bytes = (uint32_t)head;
	entry->bytes = RTE_MIN(entry->bytes, (uint64_t)head + image_queue_bytes(image));
	take_tuple(in, image, &entry->moved.tuple);
	entry->service = in->service == SERVICE_NAMED ? service_of(in, image) : in->service;
	entry->target = in->has_target ? &in->target : NULL;
	entry->lane = (uint8_t)lane_of(in, entry);
	if (!populate(in, in->at + entry->bytes))
		end_at(in, entry, ENOMEM, "no memory");
	else
		in->at += entry->bytes;
}

static void
read_images(struct in *in, uint32_t to)
{
	while (in->n < to && in->at < in->bytes)
		read_image(in);
}

/*
 * Has all lanes go through some images at the same time, each a slice, until all are through. Those
 * that come next are read meanwhile.
 */
static bool
ask_all(struct in *in, enum lane_request_kind kind, uint32_t from, uint32_t to)
{
	unsigned int lanes = in->daemon->config.lanes, busy = lanes;

	for (unsigned int i = 0; i < lanes; i++) {
		in->moves[i]->images = &in->images[from];
		in->moves[i]->n_images = to - from;
		in->moves[i]->next = 0;
	}
	while (busy > 0) {
		uint64_t asked = 0;

		for (unsigned int i = 0; i < lanes; i++) {
			if (in->moves[i]->next == in->moves[i]->n_images)
				continue;
			if (commands_slice_begin(in->daemon->lanes[i], kind, in->moves[i]) < 0)
				return false;
			asked |= UINT64_C(1) << i;
		}
		if (kind == ASK_RESTORE)
			read_images(in, to + READ_AHEAD);
		busy = 0;
		for (unsigned int i = 0; i < lanes; i++) {
			if ((asked >> i & 1) != 0 && commands_slice_end(in->moves[i]) < 0)
				return false;
			busy += in->moves[i]->next < in->moves[i]->n_images;
		}
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
			snprintf(moved->why, LANE_MOVE_WHY,
				 "all were to be restored or none, and another was refused");
		}
	}
}

/* Those that are to be all or none go on, or go again. */
static bool
end_together(struct in *in)
{
	bool leave = false;

	for (uint32_t i = 0; i < in->n; i++)
		leave = leave || in->images[i].moved.error != 0;
	for (unsigned int i = 0; i < in->daemon->config.lanes; i++)
		in->moves[i]->leave = leave;
	if (!ask_all(in, ASK_RESTORE_END, 0, in->n))
		return false;
	if (leave)
		undo(in);
	return true;
}

/* Returns false if a lane is stuck. */
static bool
restore_all(struct in *in, bool together)
{
	unsigned int lanes = in->daemon->config.lanes;

	for (unsigned int i = 0; i < lanes; i++)
		in->moves[i]->together = together;
	read_images(in, READ_AHEAD);
	for (uint32_t from = 0, to; from < in->n; from = to) {
		to = in->n;
		if ((lanes > 1 && !ask_all(in, ASK_RESTORE_CHECK, from, to)) ||
		    !ask_all(in, ASK_RESTORE, from, to))
			return false;
	}
	if (together && !end_together(in))
		return false;
	in->alive_us = commands_clock_us();
	return ask_all(in, ASK_RESTORE_PEERS, 0, in->n);
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
	log_line("%s: restore for process %d: %u connections, %llu bytes in queues, %.1f ms, all "
		 "peers asked after %.1f ms; %u refused",
		 in->daemon->config.name, (int)client->pid, restored, (unsigned long long)queued,
		 (double)(in->alive_us - began_us) / 1000,
		 (double)(commands_clock_us() - began_us) / 1000, failures);
	return json_pack("{s:I,s:I,s:o,s:I}", "restored", (json_int_t)restored, "queued",
			 (json_int_t)queued, "failed", failed, "failures", (json_int_t)failures);
}

json_t *
commands_restore(struct daemon *daemon, const json_t *request, struct control_cursor *cursor,
		 const char **error)
{
	struct in in = {.daemon = daemon, .map = MAP_FAILED, .error = NULL};
	bool together = json_is_true(json_object_get(request, "together"));
	uint64_t began_us = commands_clock_us();
	json_t *answer = NULL;

	if (!commands_may_move(daemon, cursor, error))
		return NULL;
	if (take_choice(&in, request) && map_images(&in, cursor->got_fd) && make_room(&in)) {
		if (!restore_all(&in, together)) {
			*error = "a lane does not answer";
			return NULL; /* it may look at all of this still */
		}
		answer = answer_of(&in, &cursor->client, began_us);
	}
	*error = in.error;
	if (in.map != MAP_FAILED)
		munmap(in.map, in.bytes);
	free_room(&in);
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
