/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tern restore: connections of images, from files, folders and pipes.
 *
 * Images are read by their own lengths, and go to ternd in memory that nobody can change any more,
 * many at once. A bad one ends what is read of its file; the others go on.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client.h"
#include "commands.h"
#include "image.h"
#include "move_client.h"
#include "restore_program.h"

enum {
	BATCH_BYTES = 64 << 20, /* after which a request is sent */
	BATCH_IMAGES = 8192,
	PIECE_BYTES = 64 << 10, /* that are read at once */
	GROW_MAX = 16 << 20,
};

struct restore_options {
	struct common_options common;
	const char *service;
	const char *local, *remote;
	bool listener, more;
	char **sources;
	int n_sources;
	char **program; /* what stands behind "--"; NULL: nothing */
};

static const struct argp_option restore_options[] = {
	{"service", 'S', "NAME", 0, "The service of ternd's that gets the connections", 0},
	{"listener", 'l', NULL, 0,
	 "Who listens at a connection's address gets it, whatever service it had", 0},
	{"local", 'L', "ADDRESS:PORT", 0, "Our end, of an image that names none (CRIU's)", 0},
	{"remote", 'R', "ADDRESS:PORT", 0, "The peer's, likewise", 0},
	{"more", 'm', NULL, 0,
	 "More will be restored: a ternd that was started with --restoring goes on waiting", 0},
	{0},
};

static error_t
parse_restore(int key, char *arg, struct argp_state *state)
{
	struct restore_options *options = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &options->common;
		return 0;
	case 'S':
		options->service = arg;
		return 0;
	case 'l':
		options->listener = true;
		return 0;
	case 'L':
		options->local = arg;
		return 0;
	case 'R':
		options->remote = arg;
		return 0;
	case 'm':
		options->more = true;
		return 0;
	case ARGP_KEY_ARGS:
		options->sources = state->argv + state->next;
		options->n_sources = state->argc - state->next;
		return 0;
	case ARGP_KEY_NO_ARGS:
		argp_error(state, "nothing to restore; give files, folders, or \"-\"");
		return 0;
	case ARGP_KEY_END:
		if (options->service != NULL && options->listener)
			argp_error(state, "either a service gets them, or who listens");
		if ((options->local != NULL) != (options->remote != NULL))
			argp_error(state, "--local and --remote go together");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* ---- Batches */

/* Where images come from, for what is said of them: those from `first` on, until the next's. */
struct origin {
	char *name;
	uint32_t first;
};

/*
 * Images lie in a memfd that is mapped here, and are read right into it:
 *
 *     0                bytes           have            room
 *     | whole images   | what is read  | what is mapped |
 *
 */
struct restore {
	const struct restore_options *options;
	struct client client;
	int memfd;
	uint8_t *map;
	size_t room, bytes, have;
	uint64_t wants; /* of the image behind `bytes`, before it is worth a look */
	struct origin *origins;
	uint32_t n_origins, n;
	long long restored, queued, failures;
};

/* Has room for so many bytes more. */
static bool
batch_grow(struct restore *r, size_t more)
{
	size_t room = r->have + more + (r->room < GROW_MAX ? r->room : GROW_MAX);
	void *map;

	if (r->room - r->have >= more)
		return true;
	if (r->memfd < 0)
		r->memfd = memfd_create("tern-images", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (r->memfd >= 0 && ftruncate(r->memfd, (off_t)room) == 0) {
		map = r->map == NULL
			      ? mmap(NULL, room, PROT_READ | PROT_WRITE, MAP_SHARED, r->memfd, 0)
			      : mremap(r->map, r->room, room, MREMAP_MAYMOVE);
		if (map != MAP_FAILED) {
			r->map = map;
			r->room = room;
			return true;
		}
	}
	fprintf(stderr, "tern restore: no memory for images: %s\n", strerror(errno));
	return false;
}

static const char *
origin_of(const struct restore *r, long long image)
{
	uint32_t i = r->n_origins;

	while (i > 0 && r->origins[i - 1].first > image)
		i--;
	return i > 0 && image < r->n ? r->origins[i - 1].name : "?";
}

/* What is read from here on comes from there. */
static void
begin_origin(struct restore *r, const char *name)
{
	struct origin *more = reallocarray(r->origins, r->n_origins + 1, sizeof(*more));

	if (more == NULL || (more[r->n_origins].name = strdup(name)) == NULL) {
		fputs("tern restore: no memory\n", stderr);
		exit(1);
	}
	r->origins = more;
	r->origins[r->n_origins++].first = r->n;
}

static void
tell_failures(const struct restore *r, const json_t *answer)
{
	size_t i;
	json_t *one;

	json_array_foreach(json_object_get(answer, "failed"), i, one)
		fprintf(stderr, "tern restore: %s: %s %s: %s\n",
			origin_of(r, client_number(one, "image")), client_text(one, "local", "?"),
			client_text(one, "remote", "?"), client_text(one, "error", "?"));
}

static void
batch_clear(struct restore *r)
{
	for (uint32_t i = 0; i < r->n_origins; i++)
		free(r->origins[i].name);
	if (r->map != NULL)
		munmap(r->map, r->room);
	if (r->memfd >= 0)
		close(r->memfd);
	r->memfd = -1;
	r->map = NULL;
	r->n = r->n_origins = 0;
	r->room = r->bytes = r->have = 0;
}

/* Has ternd make connections of what is there. */
static bool
batch_send(struct restore *r)
{
	const struct restore_options *options = r->options;
	struct move_to to = {
		.service = options->service,
		.listener = options->listener,
		.local = options->local,
		.remote = options->remote,
	};
	json_t *answer = NULL;

	if (r->n == 0)
		return true;
	/* Nobody can change it any more, we neither. */
	munmap(r->map, r->room);
	r->map = NULL;
	if (ftruncate(r->memfd, (off_t)r->bytes) < 0)
		fprintf(stderr, "tern restore: %s\n", strerror(errno));
	else
		answer = move_restore(&r->client, r->memfd, &to);
	if (answer != NULL) {
		r->restored += client_number(answer, "restored");
		r->queued += client_number(answer, "queued");
		r->failures += client_number(answer, "failures");
		tell_failures(r, answer);
	}
	json_decref(answer);
	batch_clear(r);
	return answer != NULL;
}

/* The same in the middle of a stream: what is read of the next image begins the next batch. */
static bool
batch_send_full(struct restore *r, const char *name)
{
	size_t left = r->have - r->bytes;
	uint8_t *next = malloc(left + 1);
	bool ok;

	if (next == NULL) {
		fputs("tern restore: no memory\n", stderr);
		return false;
	}
	memcpy(next, r->map + r->bytes, left);
	ok = batch_send(r);
	ok = ok && (left == 0 || batch_grow(r, left));
	if (ok && left > 0)
		memcpy(r->map, next, left);
	r->have = ok ? left : 0;
	free(next);
	begin_origin(r, name);
	return ok;
}

/* ---- Reading */

/* Reads a piece. Returns 1, 0 at the end, or -1 after saying what is wrong. */
static int
read_piece(struct restore *r, int fd, const char *name)
{
	ssize_t n;

	if (!batch_grow(r, PIECE_BYTES))
		return -1;
	do
		n = read(fd, r->map + r->have, PIECE_BYTES);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		fprintf(stderr, "tern restore: %s: %s\n", name, strerror(errno));
	else
		r->have += (size_t)n;
	return n > 0 ? 1 : (int)n;
}

/* Adds an image to the batch. Returns 1; 0 if not all of it is there; -1 after saying what is
 * wrong. */
static int
take_image(struct restore *r, const char *name)
{
	size_t n = r->have - r->bytes;
	const uint8_t *at;
	char why[IMAGE_WHY_BYTES];
	struct image image;
	long head;

	if (n == 0 || n < r->wants)
		return 0;
	at = r->map + r->bytes;
	r->wants = image_head_wants(at, n);
	if (n < r->wants)
		return 0;
	head = image_read_head(&image, at, n, why);
	if (head < 0) {
		fprintf(stderr, "tern restore: %s: %s\n", name, why);
		return -1;
	}
	r->wants = (uint64_t)head + image_queue_bytes(&image);
	if (n < r->wants)
		return 0;
	r->bytes += (size_t)r->wants;
	r->wants = 0;
	r->n++;
	return 1;
}

/* All images of a stream, of which there is one at least. */
static bool
restore_stream(struct restore *r, int fd, const char *name)
{
	bool any = false;
	int status;

	begin_origin(r, name);
	r->wants = 0;
	r->have = r->bytes;
	do {
		while ((status = take_image(r, name)) > 0) {
			any = true;
			if ((r->bytes >= BATCH_BYTES || r->n >= BATCH_IMAGES) &&
			    !batch_send_full(r, name))
				return false;
		}
		if (status == 0)
			status = read_piece(r, fd, name);
	} while (status > 0);
	if (status == 0 && r->have > r->bytes)
		fprintf(stderr, "tern restore: %s: it ends in the middle of an image\n", name);
	else if (status == 0 && !any)
		fprintf(stderr, "tern restore: %s: it is empty\n", name);
	return status == 0 && any && r->have == r->bytes;
}

static bool
restore_file(struct restore *r, int folder, const char *name, const char *shown)
{
	int fd = openat(folder, name, O_RDONLY | O_CLOEXEC);
	bool ok;

	if (fd < 0) {
		fprintf(stderr, "tern restore: %s: %s\n", shown, strerror(errno));
		return false;
	}
	ok = restore_stream(r, fd, shown);
	close(fd);
	return ok;
}

static int
is_image(const struct dirent *entry)
{
	size_t n = strlen(entry->d_name);

	return entry->d_name[0] != '.' && n > 4 && strcmp(entry->d_name + n - 4, ".img") == 0;
}

static bool
restore_folder(struct restore *r, const char *path)
{
	struct dirent **entries;
	int n = scandir(path, &entries, is_image, alphasort);
	bool ok = n > 0;

	if (n < 0)
		fprintf(stderr, "tern restore: %s: %s\n", path, strerror(errno));
	if (n == 0)
		fprintf(stderr, "tern restore: %s: there is no *.img in it\n", path);
	for (int i = 0; i < n; i++) {
		char file[SOCKET_PATH_BYTES];

		snprintf(file, sizeof(file), "%s/%s", path, entries[i]->d_name);
		ok = restore_file(r, AT_FDCWD, file, file) && ok;
		free(entries[i]);
	}
	if (n >= 0)
		free(entries);
	return ok;
}

static bool
restore_source(struct restore *r, const char *path)
{
	struct stat st;

	if (strcmp(path, "-") == 0)
		return restore_stream(r, STDIN_FILENO, "the standard input");
	if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
		return restore_folder(r, path);
	return restore_file(r, AT_FDCWD, path, path);
}

static int
run_restore(const struct restore_options *options, const char *path)
{
	struct restore r = {.options = options, .memfd = -1};
	bool ok = true;

	if (client_open(&r.client, path) < 0)
		return 1;
	for (int i = 0; i < options->n_sources; i++)
		ok = restore_source(&r, options->sources[i]) && ok;
	ok = batch_send(&r) && ok && r.failures == 0;
	/* Else the next try may find the rest. */
	if (!options->more && ok)
		move_restore_end(&r.client);
	client_close(&r.client);
	free(r.origins);
	printf("%lld connections restored, %lld bytes in their queues\n", r.restored, r.queued);
	if (!ok)
		fputs("tern restore: not all; a ternd that was started with --restoring goes on "
		      "waiting for the rest, for 60 s in all\n",
		      stderr);
	return ok ? 0 : 1;
}

int
command_restore(int argc, char **argv, const char *socket)
{
	static const struct argp_child children[] = {{&common_argp, 0, NULL, 0}, {0}};
	static const struct argp argp = {
		.options = restore_options,
		.parser = parse_restore,
		.args_doc = "FILE|DIR|-...\nFILE -- PROGRAM [ARGUMENT...]",
		.doc = "Makes connections of the images that `tern checkpoint` wrote, and has them "
		       "go "
		       "on. An image names the service that had it: that one gets it, or else who "
		       "listens at its address, as a connection to be accepted. With PROGRAM, that "
		       "is "
		       "run on Tern, and has the connection as its standard input and output.\v"
		       "The connections' own addresses must be ternd's. Files stay; each is good "
		       "for "
		       "one restore only. The exit status is 1 if any could not be restored; the "
		       "others are. Only root, and the members of [programs] repair_group, may do "
		       "this.",
		.children = children,
	};
	struct restore_options options = {.common.socket = socket};
	char path[SOCKET_PATH_BYTES];
	int ours = 0;

	while (ours < argc && strcmp(argv[ours], "--") != 0)
		ours++;
	if (ours < argc)
		options.program = argv + ours + 1;
	argp_parse(&argp, ours, argv, 0, NULL, &options);
	if (options.program != NULL && (options.program[0] == NULL || options.n_sources != 1 ||
					options.service != NULL || options.listener)) {
		fputs("tern restore: a program gets one connection: FILE -- PROGRAM "
		      "[ARGUMENT...]\n",
		      stderr);
		return 2;
	}
	if (common_socket(&options.common, path) < 0)
		return 1;
	if (options.program != NULL)
		return restore_program(path, options.sources[0], options.program);
	return run_restore(&options, path);
}
