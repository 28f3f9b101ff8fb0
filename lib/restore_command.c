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
	COPY_BYTES = 1 << 16,
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

/* Where an image of the batch comes from, for what is said of it. */
struct origin {
	char *name;
};

struct restore {
	const struct restore_options *options;
	struct client client;
	int memfd;
	size_t bytes;
	struct origin *origins;
	uint32_t n;
	long long restored, queued, failures;
};

static bool
batch_open(struct restore *r)
{
	if (r->memfd >= 0)
		return true;
	r->memfd = memfd_create("tern-images", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (r->memfd < 0)
		fprintf(stderr, "tern restore: %s\n", strerror(errno));
	return r->memfd >= 0;
}

static void
tell_failures(const struct restore *r, const json_t *answer)
{
	size_t i;
	json_t *one;

	json_array_foreach(json_object_get(answer, "failed"), i, one)
	{
		long long image = client_number(one, "image");

		fprintf(stderr, "tern restore: %s: %s %s: %s\n",
			image >= 0 && image < r->n ? r->origins[image].name : "?",
			client_text(one, "local", "?"), client_text(one, "remote", "?"),
			client_text(one, "error", "?"));
	}
}

static void
batch_clear(struct restore *r)
{
	for (uint32_t i = 0; i < r->n; i++)
		free(r->origins[i].name);
	if (r->memfd >= 0)
		close(r->memfd);
	r->memfd = -1;
	r->n = 0;
	r->bytes = 0;
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
	json_t *answer;

	if (r->n == 0)
		return true;
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

/* ---- Reading */

/* Reads until n bytes are there. Returns how many there are: fewer at the end, or with errno. */
static size_t
read_all(int fd, uint8_t *to, size_t n)
{
	size_t done = 0;

	errno = 0;
	while (done < n) {
		ssize_t got = read(fd, to + done, n - done);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			break;
		done += (size_t)got;
	}
	return done;
}

static bool
append(struct restore *r, const uint8_t *from, size_t n)
{
	while (n > 0) {
		ssize_t done = pwrite(r->memfd, from, n, (off_t)r->bytes);

		if (done < 0) {
			fprintf(stderr, "tern restore: no memory for images: %s\n",
				strerror(errno));
			return false;
		}
		r->bytes += (size_t)done;
		from += done;
		n -= (size_t)done;
	}
	return true;
}

static bool
cut_short(const char *name)
{
	fprintf(stderr, "tern restore: %s: %s\n", name,
		errno != 0 ? strerror(errno) : "it ends in the middle of an image");
	return false;
}

/* Reads one image. Returns 1; 0 at the end; -1 after saying what is wrong. */
static int
read_image(struct restore *r, int fd, const char *name)
{
	static uint8_t head[IMAGE_HEAD_MAX], copy[COPY_BYTES];
	char why[IMAGE_WHY_BYTES];
	struct image image;
	size_t have = 0, wants = IMAGE_FRAME_BYTES;

	while (have < wants) {
		size_t got = read_all(fd, head + have, wants - have);

		if (got == 0 && have == 0 && errno == 0)
			return 0;
		if (got < wants - have)
			return cut_short(name) ? 0 : -1;
		have += got;
		wants = image_head_wants(head, have);
		if (wants > sizeof(head))
			wants = have;
	}
	if (image_read_head(&image, head, have, why) < 0) {
		fprintf(stderr, "tern restore: %s: %s\n", name, why);
		return -1;
	}
	if (!append(r, head, have))
		return -1;
	for (uint64_t left = image_queue_bytes(&image); left > 0;) {
		size_t n = left < sizeof(copy) ? (size_t)left : sizeof(copy);

		if (read_all(fd, copy, n) < n)
			return cut_short(name) ? 0 : -1;
		if (!append(r, copy, n))
			return -1;
		left -= n;
	}
	return 1;
}

/* Adds one image to the batch, or nothing of it. As read_image(). */
static int
add_image(struct restore *r, int fd, const char *name)
{
	struct origin *origins;
	size_t before;
	int status;

	if (!batch_open(r))
		return -1;
	before = r->bytes;
	status = read_image(r, fd, name);
	if (status <= 0) {
		r->bytes = before;
		return ftruncate(r->memfd, (off_t)before) < 0 ? -1 : status;
	}
	origins = reallocarray(r->origins, r->n + 1, sizeof(*origins));
	if (origins == NULL || (origins[r->n].name = strdup(name)) == NULL) {
		fputs("tern restore: no memory\n", stderr);
		exit(1);
	}
	r->origins = origins;
	r->n++;
	return 1;
}

/* All images of a stream. */
static bool
restore_stream(struct restore *r, int fd, const char *name)
{
	int status;

	while ((status = add_image(r, fd, name)) > 0)
		if ((r->bytes >= BATCH_BYTES || r->n >= BATCH_IMAGES) && !batch_send(r))
			return false;
	return status == 0;
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
	ok = batch_send(&r) && ok;
	if (!options->more)
		move_restore_end(&r.client);
	client_close(&r.client);
	free(r.origins);
	printf("%lld connections restored, %lld bytes in their queues\n", r.restored, r.queued);
	return ok && r.failures == 0 ? 0 : 1;
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
