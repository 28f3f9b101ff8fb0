/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * checkpoint and checkpoint-end: see commands_move.h.
 *
 * The memfd is the client's when it is answered: sealed, so that it is what the lanes wrote. Its
 * pages are there before a lane writes to them, so that no lane faults or meets the end of memory;
 * they are made while it works on the slice before.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/queue.h>
#include <time.h>
#include <unistd.h>

#include "dataplane/commands_move.h"
#include "dataplane/config_values.h"
#include "dataplane/log.h"
#include "dataplane/rights.h"

enum {
	POPULATE_BYTES = LANE_MOVE_BYTES,
	FAILURES_MAX = 1024, /* that an answer lists */
};

/* A client's connections that are held. */
struct commands_batch {
	TAILQ_ENTRY(commands_batch) link;
	int client_fd;
	uint32_t n, size;
	struct tcp_tuple *held;
	uint32_t first[CONFIG_MAX_LANES + 1]; /* of each lane's */
};

TAILQ_HEAD(batches, commands_batch);
static struct batches batches = TAILQ_HEAD_INITIALIZER(batches);

/* What a request is under way with. */
struct out {
	struct daemon *daemon;
	struct lane_moves *moves;
	struct commands_batch *batch;
	int fd;
	uint8_t *map;
	size_t map_bytes, there, used; /* bytes mapped, populated, written */
	uint32_t images;
	uint64_t queued;
	uint32_t n_failed;
	json_t *failed;
	const char *error;
};

/* ---- What both have */

bool
commands_may_move(const struct daemon *daemon, const struct control_cursor *cursor,
		  const char **error)
{
	if (rights_of_peer(cursor->client_fd, &cursor->client, daemon->config.repair_group))
		return true;
	*error = "only root, and the members of [programs] repair_group, may move connections";
	return false;
}

/* Also as `tern ss` shows IPv4 on a socket of both: [::ffff:198.18.0.2]:80. */
static bool
endpoint(const json_t *request, const char *key, struct tcp_endpoint *to)
{
	static const char mapped[] = "[::ffff:";
	const char *text = json_string_value(json_object_get(request, key)), *end;
	char plain[CONFIG_ENDPOINT_TEXT];

	if (text == NULL)
		return false;
	end = strchr(text, ']');
	if (strncmp(text, mapped, sizeof(mapped) - 1) == 0 && strchr(text, '.') != NULL &&
	    end != NULL) {
		text += sizeof(mapped) - 1;
		snprintf(plain, sizeof(plain), "%.*s%s", (int)(end - text), text, end + 1);
		text = plain;
	}
	return config_endpoint(text, to) == NULL && !ip_is_any(&to->ip);
}

bool
commands_tuple(const json_t *request, struct tcp_tuple *tuple, const char **error)
{
	struct tcp_endpoint local, remote;

	if (!endpoint(request, "local", &local) || !endpoint(request, "remote", &remote)) {
		*error = "a connection is named by its two ends, as 198.18.0.2:80 198.18.0.1:4711 "
			 "or [2001:db8::2]:80 [2001:db8::1]:4711, ours first";
		return false;
	}
	*tuple = (struct tcp_tuple){
		.local = local.ip,
		.remote = remote.ip,
		.lport = be16(local.port),
		.rport = be16(remote.port),
	};
	return true;
}

int
commands_service(const struct daemon *daemon, const char *name, const char **error)
{
	for (unsigned int i = 0; i < daemon->config.n_services; i++)
		if (strcmp(daemon->config.services[i].name, name) == 0)
			return (int)i;
	*error = "no service has that name; `tern addresses` lists those there are";
	return -1;
}

json_t *
commands_moved(const struct daemon *daemon, const char *what, const struct lane_moved *moved,
	       unsigned int told)
{
	struct tcp_endpoint local = {moved->tuple.local, be16_get(moved->tuple.lport)};
	struct tcp_endpoint remote = {moved->tuple.remote, be16_get(moved->tuple.rport)};
	char ours[CONFIG_ENDPOINT_TEXT], theirs[CONFIG_ENDPOINT_TEXT];
	const char *why = moved->why[0] != '\0' ? moved->why : strerror(moved->error);

	config_endpoint_text(&local, ours);
	config_endpoint_text(&remote, theirs);
	if (told < COMMANDS_MOVE_TOLD)
		log_line("%s: %s of %s %s refused: %s", daemon->config.name, what, ours, theirs,
			 why);
	return json_pack("{s:s,s:s,s:s}", "local", ours, "remote", theirs, "error", why);
}

int
commands_slice_begin(struct lane *lane, enum lane_request_kind kind, struct lane_moves *moves)
{
	struct lane_request *request = moves->request;

	if (request == NULL)
		request = lane_request_make(kind);
	moves->request = NULL;
	if (request == NULL)
		return -1;
	request->kind = kind;
	request->moves = moves;
	if (lane_ask_begin(lane, request) < 0)
		return -1;
	moves->request = request;
	return 0;
}

int
commands_slice_end(struct lane_moves *moves)
{
	if (lane_ask_end(moves->request) == 0)
		return 0;
	moves->request = NULL;
	return -1;
}

int
commands_slice(struct lane *lane, enum lane_request_kind kind, struct lane_moves *moves)
{
	return commands_slice_begin(lane, kind, moves) < 0 ? -1 : commands_slice_end(moves);
}

void
commands_moves_free(struct lane_moves *moves)
{
	if (moves != NULL)
		free(moves->request);
	free(moves);
}

uint64_t
commands_clock_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* ---- Those that are held */

static struct commands_batch *
batch_of(int client_fd)
{
	struct commands_batch *batch;

	TAILQ_FOREACH (batch, &batches, link)
		if (batch->client_fd == client_fd)
			return batch;
	return NULL;
}

static bool
batch_add(struct commands_batch *batch, const struct tcp_tuple *tuple)
{
	if (batch->n == batch->size) {
		uint32_t size = batch->size == 0 ? LANE_MOVE_CONNS : 2 * batch->size;
		struct tcp_tuple *more = reallocarray(batch->held, size, sizeof(*more));

		if (more == NULL)
			return false;
		batch->held = more;
		batch->size = size;
	}
	batch->held[batch->n++] = *tuple;
	return true;
}

static void
batch_free(struct commands_batch *batch)
{
	if (batch != NULL)
		free(batch->held);
	free(batch);
}

/* Those of a lane. Returns false if it is stuck: it has them for ever. */
static bool
end_lane(struct lane *lane, const struct tcp_tuple *held, uint32_t n, bool leave, uint32_t *gone)
{
	struct lane_moves *moves = calloc(1, sizeof(*moves));

	if (moves == NULL)
		return false;
	moves->leave = leave;
	moves->held = held;
	moves->n_held = n;
	while (moves->next < n)
		if (commands_slice(lane, ASK_CHECKPOINT_END, moves) < 0)
			return false;
	*gone += moves->gone;
	commands_moves_free(moves);
	return true;
}

/* Ends holding them, and the batch. Returns how many were not there any more. */
static uint32_t
batch_end(struct daemon *daemon, struct commands_batch *batch, bool leave)
{
	uint32_t gone = 0;
	bool stuck = false;

	for (unsigned int i = 0; i < daemon->config.lanes; i++) {
		uint32_t n = batch->first[i + 1] - batch->first[i];

		if (n == 0 ||
		    end_lane(daemon->lanes[i], batch->held + batch->first[i], n, leave, &gone))
			continue;
		log_line("%s: lane %u does not answer", daemon->config.name, i);
		stuck = true;
	}
	if (!stuck) /* else a lane looks at it still */
		batch_free(batch);
	return gone;
}

void
commands_client_gone(void *ctx, int client_fd)
{
	struct daemon *daemon = ctx;
	struct commands_batch *batch = batch_of(client_fd);

	if (batch == NULL)
		return;
	log_line("%s: who made a checkpoint of %u connections is gone: they go on",
		 daemon->config.name, batch->n);
	TAILQ_REMOVE(&batches, batch, link);
	batch_end(daemon, batch, false);
}

/* ---- The memfd */

static bool
memfd_open(struct out *o)
{
	const struct config *config = &o->daemon->config;

	/* One image may begin just before there is enough. */
	o->map_bytes = (size_t)COMMANDS_MOVE_BYTES + 2u * config->rmem_max_bytes +
		       2u * config->wmem_max_bytes + 2u * config->rmem_bytes +
		       2u * config->wmem_bytes + (2u << 20);
	o->fd = memfd_create("tern-images", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (o->fd < 0 && (errno == EMFILE || errno == ENFILE))
		o->error = "ternd has as many files open as it may";
	if (o->fd < 0 || ftruncate(o->fd, (off_t)o->map_bytes) < 0)
		return false;
	o->map = mmap(NULL, o->map_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, o->fd, 0);
	return o->map != MAP_FAILED;
}

/* Has room for so many slices more, as far as the map goes; false if there is none for one. */
static bool
memfd_populate(struct out *o, size_t slices)
{
	size_t wants = o->used + slices * LANE_MOVE_BYTES;

	wants = RTE_MIN((wants + POPULATE_BYTES - 1) / POPULATE_BYTES * POPULATE_BYTES,
			o->map_bytes);
	if (wants > o->there &&
	    fallocate(o->fd, 0, (off_t)o->there, (off_t)(wants - o->there)) == 0 &&
	    madvise(o->map + o->there, wants - o->there, MADV_POPULATE_WRITE) == 0)
		o->there = wants;
	return o->used + LANE_MOVE_BYTES <= o->there;
}

/* Nothing can be written to it any more. */
static bool
memfd_seal(struct out *o)
{
	munmap(o->map, o->map_bytes);
	o->map = MAP_FAILED;
	return ftruncate(o->fd, (off_t)o->used) == 0 &&
	       fcntl(o->fd, F_ADD_SEALS,
		     F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) == 0;
}

/* ---- checkpoint */

/* Which connections a request means. */
static bool
take_choice(struct out *o, const json_t *request, const char **error)
{
	const char *service = json_string_value(json_object_get(request, "service"));
	const json_t *pid = json_object_get(request, "pid"), *next;
	struct lane_moves *m = o->moves;
	int index;

	m->keep = json_is_true(json_object_get(request, "keep"));
	if (service != NULL) {
		index = commands_service(o->daemon, service, error);
		m->who = LANE_MOVE_SERVICE;
		m->service = (unsigned int)index;
		return index >= 0;
	}
	if (json_is_integer(pid)) {
		m->who = LANE_MOVE_PROCESS;
		m->pid = (int32_t)json_integer_value(pid);
		return true;
	}
	if (json_is_true(json_object_get(request, "all"))) {
		m->who = LANE_MOVE_ALL;
		return true;
	}
	next = json_object_get(request, "local");
	m->who = LANE_MOVE_TUPLE;
	if (next == NULL) {
		*error = "which connections? give local and remote, service, pid or all";
		return false;
	}
	return commands_tuple(request, &m->tuple, error);
}

/* Takes down what a slice has done. */
static bool
take_slice(struct out *o)
{
	struct lane_moves *m = o->moves;
	bool ok = true;

	for (unsigned int i = 0; i < m->n; i++) {
		const struct lane_moved *moved = &m->moved[i];

		if (moved->error == 0) {
			o->images++;
			o->queued += moved->bytes;
			ok = (m->keep || batch_add(o->batch, &moved->tuple)) && ok;
			continue;
		}
		if (o->n_failed < FAILURES_MAX)
			json_array_append_new(o->failed, commands_moved(o->daemon, "checkpoint",
									moved, o->n_failed));
		o->n_failed++;
	}
	o->used += m->bytes;
	m->enough = o->used >= COMMANDS_MOVE_BYTES || o->images >= COMMANDS_MOVE_CONNS;
	return ok;
}

/* One slice; pages for what comes next are made while the lane works. */
static bool
ask_slice(struct out *o, struct lane *lane)
{
	struct lane_moves *m = o->moves;

	m->to = o->map + o->used;
	if (commands_slice_begin(lane, ASK_CHECKPOINT, m) < 0)
		return false;
	if (o->images > 0)
		memfd_populate(o, 3);
	return commands_slice_end(m) == 0;
}

/* The images of a lane's. Returns false, with the reason, if that must be undone. */
static bool
ask_lane(struct out *o, struct lane *lane)
{
	struct lane_moves *m = o->moves;

	do {
		if (!memfd_populate(o, 1)) {
			o->error = "no memory for so many images; ask for fewer connections";
			if (m->c != NULL) /* held, its image half written */
				batch_add(o->batch, &m->out.saved.tuple);
			return false;
		}
		if (!ask_slice(o, lane)) {
			o->error = "a lane does not answer";
			o->moves = NULL; /* the lane's */
			return false;
		}
		if (!take_slice(o)) {
			o->error = "no memory";
			return false;
		}
	} while (!m->over && !(m->enough && m->c == NULL));
	return true;
}

/* Goes through the lanes from where the request says. *lane is where it ended. */
static bool
ask_lanes(struct out *o, const json_t *request, unsigned int *lane)
{
	const json_t *next = json_object_get(request, "next");
	struct daemon *daemon = o->daemon;
	unsigned int from = (unsigned int)json_integer_value(json_object_get(next, "lane"));

	o->moves->cursor = (uint64_t)json_integer_value(json_object_get(next, "at"));
	for (*lane = 0; *lane < daemon->config.lanes; ++*lane) {
		o->batch->first[*lane] = o->batch->n;
		if (*lane < from || o->moves == NULL || o->error != NULL)
			continue;
		if (!ask_lane(o, daemon->lanes[*lane]) || !o->moves->over)
			break;
		o->moves->cursor = 0;
	}
	for (unsigned int i = *lane + 1; i <= daemon->config.lanes; i++)
		o->batch->first[i] = o->batch->n;
	if (*lane == daemon->config.lanes)
		o->batch->first[*lane] = o->batch->n;
	return o->error == NULL;
}

static void
tell(const struct out *o, const struct ucred *client, uint64_t began_us)
{
	log_line("%s: checkpoint for process %d: %u connections, %llu bytes in queues, %.1f ms%s; "
		 "%u refused",
		 o->daemon->config.name, (int)client->pid, o->images, (unsigned long long)o->queued,
		 (double)(commands_clock_us() - began_us) / 1000, o->moves->keep ? ", kept" : "",
		 o->n_failed);
}

static json_t *
answer_of(struct out *o, struct control_cursor *cursor, unsigned int lane)
{
	json_t *answer = json_pack("{s:I,s:I,s:I,s:O,s:I}", "images", (json_int_t)o->images,
				   "bytes", (json_int_t)o->used, "queued", (json_int_t)o->queued,
				   "failed", o->failed, "failures", (json_int_t)o->n_failed);

	if (lane < o->daemon->config.lanes)
		json_object_set_new(answer, "next",
				    json_pack("{s:i,s:I}", "lane", (int)lane, "at",
					      (json_int_t)o->moves->cursor));
	if (o->images == 0)
		return answer;
	cursor->pass_fd = o->fd;
	o->fd = -1;
	if (!o->moves->keep) {
		o->batch->client_fd = cursor->client_fd;
		TAILQ_INSERT_TAIL(&batches, o->batch, link);
		o->batch = NULL;
	}
	return answer;
}

json_t *
commands_checkpoint(struct daemon *daemon, const json_t *request, struct control_cursor *cursor,
		    const char **error)
{
	struct out o = {.daemon = daemon, .fd = -1, .map = MAP_FAILED};
	uint64_t began_us = commands_clock_us();
	json_t *answer = NULL;
	unsigned int lane;

	if (!commands_may_move(daemon, cursor, error))
		return NULL;
	if (batch_of(cursor->client_fd) != NULL) {
		*error = "the last checkpoint has not ended; say checkpoint-end first";
		return NULL;
	}
	o.moves = calloc(1, sizeof(*o.moves));
	o.batch = calloc(1, sizeof(*o.batch));
	o.failed = json_array();
	o.error = "no memory";
	if (o.moves != NULL && o.batch != NULL && memfd_open(&o) &&
	    take_choice(&o, request, &o.error)) {
		o.error = NULL;
		if (ask_lanes(&o, request, &lane) && !memfd_seal(&o))
			o.error = "no memory";
		if (o.error != NULL) {
			batch_end(daemon, o.batch, false);
			o.batch = NULL;
		} else {
			tell(&o, &cursor->client, began_us);
			answer = answer_of(&o, cursor, lane);
		}
	}
	if (o.map != MAP_FAILED && o.moves != NULL)
		munmap(o.map, o.map_bytes);
	if (o.fd >= 0)
		close(o.fd);
	batch_free(o.batch);
	commands_moves_free(o.moves);
	json_decref(o.failed);
	*error = o.error;
	return answer;
}

json_t *
commands_checkpoint_end(struct daemon *daemon, const json_t *request, struct control_cursor *cursor,
			const char **error)
{
	struct commands_batch *batch = batch_of(cursor->client_fd);
	bool leave = json_is_true(json_object_get(request, "leave"));
	uint64_t began_us = commands_clock_us();
	uint32_t n, gone;

	if (batch == NULL) {
		*error = "there is no checkpoint of this client that has not ended";
		return NULL;
	}
	TAILQ_REMOVE(&batches, batch, link);
	n = batch->n;
	gone = batch_end(daemon, batch, leave);
	log_line("%s: after their checkpoint %u connections %s, %.1f ms", daemon->config.name,
		 n - gone, leave ? "left" : "go on",
		 (double)(commands_clock_us() - began_us) / 1000);
	return json_pack("{s:I,s:I}", "ended", (json_int_t)(n - gone), "gone", (json_int_t)gone);
}
