/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tern checkpoint: connections into files, or into a pipe.
 *
 * ternd passes images in memory, many at once, and holds their connections until it hears that the
 * images are safe; then they leave without a packet. If anything could not be written none of those
 * leaves: they go on as if nothing had been. So do those of a tool that is killed.
 *
 * A file gets its name when all of it is written, and replaces nothing. What is written is not
 * forced to the disk: a machine that loses it loses the connection, too.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
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

enum {
	WORDS_MAX = 3,
	NAME_BYTES = 128,
};

struct checkpoint_options {
	struct common_options common;
	const char *service;
	const char *pid;
	bool all, keep;
	const char *words[WORDS_MAX]; /* [LOCAL REMOTE] DIR|- */
	unsigned int n_words;
};

static const struct argp_option checkpoint_options[] = {
	{"service", 'S', "NAME", 0, "All connections of a service of ternd's", 0},
	{"pid", 'p', "PID", 0, "All connections of a program", 0},
	{"all", 'a', NULL, 0, "All connections", 0},
	{"keep", 'k', NULL, 0, "The connections go on: the images are only to look at", 0},
	{0},
};

static error_t
parse_checkpoint(int key, char *arg, struct argp_state *state)
{
	struct checkpoint_options *options = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &options->common;
		return 0;
	case 'S':
		options->service = arg;
		return 0;
	case 'p':
		options->pid = arg;
		return 0;
	case 'a':
		options->all = true;
		return 0;
	case 'k':
		options->keep = true;
		return 0;
	case ARGP_KEY_ARG:
		if (options->n_words == WORDS_MAX)
			argp_error(state, "\"%s\"? There are LOCAL, REMOTE and DIR at most", arg);
		options->words[options->n_words++] = arg;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* The request; exits if the arguments make none. */
static json_t *
make_request(const struct checkpoint_options *options, const char **to)
{
	unsigned int choices = (options->service != NULL) + (options->pid != NULL) + options->all;
	json_t *request = json_pack("{s:b}", "keep", options->keep);
	char *end;

	if (choices > 1 || options->n_words != (choices == 1 ? 1 : 3)) {
		fputs("tern checkpoint: say which connections, and where to: LOCAL REMOTE DIR, or "
		      "one of --service NAME, --pid PID and --all with DIR; \"-\" for DIR is the "
		      "standard output\n",
		      stderr);
		exit(2);
	}
	*to = options->words[options->n_words - 1];
	if (options->service != NULL)
		json_object_set_new(request, "service", json_string(options->service));
	if (options->pid != NULL) {
		long long pid = strtoll(options->pid, &end, 10);

		if (end == options->pid || *end != '\0' || pid <= 0) {
			fprintf(stderr, "tern checkpoint: \"%s\" is no process's number\n",
				options->pid);
			exit(2);
		}
		json_object_set_new(request, "pid", json_integer(pid));
	}
	if (options->all)
		json_object_set_new(request, "all", json_true());
	if (choices == 0) {
		json_object_set_new(request, "local", json_string(options->words[0]));
		json_object_set_new(request, "remote", json_string(options->words[1]));
	}
	return request;
}

/* ---- Writing */

/* Where images go. */
struct target {
	const char *path; /* "-": the standard output */
	int folder;       /* -1: it is that */
	bool made;        /* the folder was not there */
	char (*names)[NAME_BYTES];
	uint32_t n_names; /* files of this batch */
};

static int
target_open(struct target *target, const char *path)
{
	*target = (struct target){.path = path, .folder = -1};
	if (strcmp(path, "-") == 0) {
		if (!isatty(STDOUT_FILENO))
			return 0;
		fputs("tern checkpoint: images are nothing for a terminal; give a folder, or a "
		      "pipe\n",
		      stderr);
		return -1;
	}
	/* What was received and is to be sent is nobody else's to read. */
	target->made = mkdir(path, 0700) == 0;
	if (!target->made && errno != EEXIST) {
		fprintf(stderr, "tern checkpoint: cannot make the folder %s: %s\n", path,
			strerror(errno));
		return -1;
	}
	target->folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (target->folder < 0)
		fprintf(stderr, "tern checkpoint: %s: %s; give a folder\n", path, strerror(errno));
	return target->folder < 0 ? -1 : 0;
}

/* A folder that is ours and has got nothing goes again. */
static void
target_close(struct target *target)
{
	if (target->folder >= 0)
		close(target->folder);
	if (target->made)
		rmdir(target->path);
	free(target->names);
}

static bool
write_all(int fd, const uint8_t *from, size_t bytes)
{
	while (bytes > 0) {
		ssize_t n = write(fd, from, bytes);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		from += n;
		bytes -= (size_t)n;
	}
	return true;
}

static const char *
address_text(const struct image_bytes *address, char text[INET6_ADDRSTRLEN])
{
	return inet_ntop(address->n == 4 ? AF_INET : AF_INET6, address->at, text, INET6_ADDRSTRLEN);
}

/* By address, then port, ours first: 198.18.0.2.00080-198.18.0.1.41234.img */
static void
name_image(const struct image_message *m, char name[NAME_BYTES])
{
	char local[INET6_ADDRSTRLEN], remote[INET6_ADDRSTRLEN];

	snprintf(name, NAME_BYTES, "%s.%05u-%s.%05u.img", address_text(&m->local_address, local),
		 m->local_port, address_text(&m->remote_address, remote), m->remote_port);
}

/* Says why not, on failure. */
static bool
write_file(struct target *target, const char *name, const uint8_t *image, size_t bytes)
{
	char part[NAME_BYTES + 8];
	bool ok;
	int fd;

	snprintf(part, sizeof(part), ".%s.part", name);
	fd = openat(target->folder, part, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC,
		    0600);
	ok = fd >= 0 && write_all(fd, image, bytes);
	if (fd >= 0)
		ok = close(fd) == 0 && ok;
	ok = ok && renameat2(target->folder, part, target->folder, name, RENAME_NOREPLACE) == 0;
	if (ok)
		return true;
	if (errno == EEXIST)
		fprintf(stderr,
			"tern checkpoint: %s/%s is there already, and is not replaced; choose "
			"another folder\n",
			target->path, name);
	else
		fprintf(stderr, "tern checkpoint: %s/%s: %s\n", target->path, name,
			strerror(errno));
	unlinkat(target->folder, part, 0);
	return false;
}

static bool
write_files(struct target *target, const uint8_t *images, size_t bytes, uint32_t n)
{
	free(target->names);
	target->n_names = 0;
	target->names = calloc(n, sizeof(*target->names));
	if (target->names == NULL) {
		fputs("tern checkpoint: no memory\n", stderr);
		return false;
	}
	for (size_t at = 0; at < bytes && target->n_names < n;) {
		char *name = target->names[target->n_names], why[IMAGE_WHY_BYTES];
		struct image image;
		long size = image_read(&image, images + at, bytes - at, why);

		if (size < 0) {
			fprintf(stderr, "tern checkpoint: ternd's image is not understood: %s\n",
				why);
			return false;
		}
		name_image(&image.message, name);
		if (!write_file(target, name, images + at, (size_t)size))
			return false;
		target->n_names++;
		at += (size_t)size;
	}
	return true;
}

/* Writes a batch of images. Returns false, after saying why, with nothing of it left. */
static bool
write_images(struct target *target, int fd, size_t bytes, uint32_t n)
{
	const uint8_t *images = mmap(NULL, bytes, PROT_READ, MAP_PRIVATE, fd, 0);
	bool ok = false;

	if (images == MAP_FAILED) {
		fprintf(stderr, "tern checkpoint: %s\n", strerror(errno));
		return false;
	}
	if (target->folder >= 0) {
		ok = write_files(target, images, bytes, n);
		for (uint32_t i = 0; !ok && i < target->n_names; i++)
			unlinkat(target->folder, target->names[i], 0);
	} else {
		ok = write_all(STDOUT_FILENO, images, bytes);
		if (!ok)
			fprintf(stderr, "tern checkpoint: cannot write the images: %s\n",
				strerror(errno));
	}
	munmap((void *)(uintptr_t)images, bytes);
	return ok;
}

/* ---- Batches */

struct progress {
	long long images, queued, failures;
};

static void
tell_failures(const json_t *answer)
{
	size_t i;
	json_t *one;

	json_array_foreach(json_object_get(answer, "failed"), i, one) fprintf(
		stderr, "tern checkpoint: %s %s goes on: %s\n", client_text(one, "local", "?"),
		client_text(one, "remote", "?"), client_text(one, "error", "?"));
}

/* One request. *next is what the following one continues with; NULL: there is none. */
static bool
take_batch(struct client *client, json_t *request, struct target *target, bool keep,
	   struct progress *progress, json_t **next)
{
	long long images;
	bool ok = true;
	int fd;
	json_t *answer = move_checkpoint(client, request, &fd);

	*next = NULL;
	if (answer == NULL)
		return false;
	images = client_number(answer, "images");
	if (images > 0) {
		ok = fd >= 0 && write_images(target, fd, (size_t)client_number(answer, "bytes"),
					     (uint32_t)images);
		if (!ok)
			fprintf(stderr, "tern checkpoint: its %lld connections go on\n", images);
		if (!keep)
			ok = move_checkpoint_end(client, ok) == 0 && ok;
	}
	if (fd >= 0)
		close(fd);
	tell_failures(answer);
	if (ok) {
		progress->images += images;
		progress->queued += client_number(answer, "queued");
		*next = json_incref(json_object_get(answer, "next"));
	}
	progress->failures += client_number(answer, "failures");
	json_decref(answer);
	return ok;
}

static void
tell_none(const json_t *request)
{
	const char *service = client_text(request, "service", NULL);

	fputs("tern checkpoint: ", stderr);
	if (service != NULL)
		fprintf(stderr, "service %s has no connection", service);
	else if (json_object_get(request, "pid") != NULL)
		fprintf(stderr, "process %lld has no connection on this ternd",
			client_number(request, "pid"));
	else if (json_object_get(request, "all") != NULL)
		fputs("no service and no program has a connection", stderr);
	else
		fputs("there is no such connection", stderr);
	fputs("; `tern ss` lists those there are, ours first\n", stderr);
}

static int
run_checkpoint(const char *path, json_t *request, struct target *target, bool keep)
{
	FILE *out = target->folder >= 0 ? stdout : stderr;
	struct progress progress = {0};
	struct client client;
	bool ok;

	if (client_open(&client, path) < 0)
		return 1;
	do {
		json_t *next;

		ok = take_batch(&client, json_deep_copy(request), target, keep, &progress, &next);
		if (next == NULL)
			break;
		json_object_set_new(request, "next", next);
	} while (ok);
	client_close(&client);
	if (ok && progress.images == 0 && progress.failures == 0) {
		tell_none(request);
		return 1;
	}
	if (progress.images > 0)
		fprintf(out, "%lld connections, %lld bytes in their queues, in %s\n",
			progress.images, progress.queued,
			target->folder >= 0 ? target->path : "the pipe");
	return ok && progress.failures == 0 ? 0 : 1;
}

int
command_checkpoint(int argc, char **argv, const char *socket)
{
	static const struct argp_child children[] = {{&common_argp, 0, NULL, 0}, {0}};
	static const struct argp argp = {
		.options = checkpoint_options,
		.parser = parse_checkpoint,
		.args_doc = "LOCAL REMOTE DIR\n--service NAME DIR\n--pid PID DIR\n--all DIR",
		.doc = "Takes connections out of ternd and writes them to files, one each, in the "
		       "folder DIR, or, with \"-\", to the standard output. Their peers are told "
		       "nothing: `tern restore` goes on with them, in this ternd or another.\v"
		       "LOCAL and REMOTE are ends as `tern ss -n` shows them: 198.18.0.2:80 "
		       "198.18.0.1:41234, or [2001:db8::2]:80 [2001:db8::1]:41234. A program's "
		       "socket reads ECONNABORTED afterwards. For a minute ternd answers nothing "
		       "that comes for the connections; by then they should be restored. "
		       "Connections that cannot be saved are told, and go on; the exit status is 1 "
		       "then. Only root, and the members of [programs] repair_group, may do this.",
		.children = children,
	};
	struct checkpoint_options options = {.common.socket = socket};
	char path[SOCKET_PATH_BYTES];
	struct target target;
	json_t *request;
	const char *to;
	int status = 1;

	argp_parse(&argp, argc, argv, 0, NULL, &options);
	request = make_request(&options, &to);
	/* Who reads the pipe may go: that is a failed write. */
	signal(SIGPIPE, SIG_IGN);
	if (common_socket(&options.common, path) == 0 && target_open(&target, to) == 0) {
		status = run_checkpoint(path, request, &target, options.keep);
		target_close(&target);
	}
	json_decref(request);
	return status;
}
