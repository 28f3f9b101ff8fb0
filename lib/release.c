/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tern release: the way back, connections become the kernel's, for a program or another one that
 * they are passed to.
 *
 *     1  images        of a file; or of ternd, which holds the connections still
 *     2  lock          packet filter: the kernel answers nothing while it has only half of them
 *     3  addresses     out of ternd's port, onto the kernel's interface, which announces them
 *     4  restore       sockets of the kernel's, in repair
 *     5  resume        they leave ternd; the filter goes, then repair: peers are asked what they
 * have 6  pass          over a Unix socket, or to a program that is executed in place of this one
 *
 * A failure in 1 to 4 undoes what was done before it, from its end.
 */
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
#include "kernel_side.h"
#include "tern_side.h"
#include "worker.h"

enum {
	NOT_EXECUTABLE = 126, /* as the shell says */
	NOT_FOUND = 127,
};

struct release {
	/* what is asked for */
	const char *socket;
	const char *image, *interface, *pass, *service, *local, *remote;
	bool all;
	int pid; /* 0: not by process */
	uint8_t prefix_len;
	char **program;

	/* how far it has come */
	char path[SOCKET_PATH_BYTES];
	struct kernel_side kernel;
	struct tern_side tern;
	int channel; /* to who takes them; -1: nobody */
	void *bytes; /* images */
	size_t n;
	char why[KERNEL_WHY_BYTES]; /* empty: told on stderr already */
};

static int
failed(struct release *r, const char *what)
{
	snprintf(r->why, sizeof(r->why), "%.150s: %s", what, strerror(errno));
	return -1;
}

/* ---- Steps */

/* Reads all of a descriptor; it may be a pipe. */
static int
read_all(struct release *r, int fd, const char *name)
{
	size_t room = 0;

	for (;;) {
		ssize_t step;

		if (r->n == room) {
			void *more = realloc(r->bytes, room * 2 + 65536);

			if (more == NULL)
				return failed(r, name);
			r->bytes = more;
			room = room * 2 + 65536;
		}
		step = read(fd, (uint8_t *)r->bytes + r->n, room - r->n);
		if (step < 0)
			return failed(r, name);
		if (step == 0)
			return 0;
		r->n += (size_t)step;
	}
}

static int
open_images(struct release *r)
{
	json_t *request;

	if (r->image != NULL && strcmp(r->image, "-") == 0)
		return dup(STDIN_FILENO);
	if (r->image != NULL)
		return open(r->image, O_RDONLY | O_CLOEXEC);
	request = json_object();
	if (r->local != NULL) {
		json_object_set_new(request, "local", json_string(r->local));
		json_object_set_new(request, "remote", json_string(r->remote));
	}
	if (r->service != NULL)
		json_object_set_new(request, "service", json_string(r->service));
	if (r->pid > 0)
		json_object_set_new(request, "pid", json_integer(r->pid));
	if (r->all)
		json_object_set_new(request, "all", json_true());
	return tern_side_hold(&r->tern, request);
}

static int
read_images(struct release *r)
{
	const char *name = r->image != NULL ? r->image : "ternd's images";
	char why[KERNEL_WHY_BYTES];
	int fd = open_images(r), status;

	if (fd < 0 && r->image == NULL)
		return -1;
	status = fd < 0 ? failed(r, name) : read_all(r, fd, name);
	if (fd >= 0)
		close(fd);
	if (status == 0 && kernel_side_read(&r->kernel, r->bytes, r->n, why) < 0) {
		snprintf(r->why, sizeof(r->why), "%.80s: %.160s", name, why);
		status = -1;
	}
	if (status == 0 && r->kernel.n == 0) {
		snprintf(r->why, sizeof(r->why), "%.150s: there is no image in it", name);
		status = -1;
	}
	if (status == 0 && r->program != NULL && r->kernel.n > 1) {
		snprintf(r->why, sizeof(r->why),
			 "a program gets one connection; there are %u: --pass them", r->kernel.n);
		status = -1;
	}
	return status;
}

static bool
was_added(const struct release *r, const union endpoint *address)
{
	for (unsigned int i = 0; i < r->kernel.n_added; i++)
		if (endpoint_same_address(&r->kernel.added[i], address))
			return true;
	return false;
}

static uint8_t
prefix_len(const struct release *r, const union endpoint *address)
{
	uint8_t whole = address->any.sa_family == AF_INET6 ? 128 : 32;

	return r->prefix_len != 0 && r->prefix_len < whole ? r->prefix_len : whole;
}

static int
move_addresses(struct release *r)
{
	for (unsigned int i = 0; r->interface != NULL && i < r->kernel.n; i++) {
		const union endpoint *local = &r->kernel.conns[i].frozen.ends.local;
		struct tern_address address = {.address = *local};

		if (was_added(r, local))
			continue;
		if (r->path[0] != '\0' && tern_side_remove_address(&r->tern, &address) < 0)
			return -1;
		if (r->prefix_len != 0 || r->path[0] == '\0')
			address.prefix_len = prefix_len(r, local);
		if (kernel_side_add_address(&r->kernel, r->interface, local, address.prefix_len,
					    r->why) < 0)
			return -1;
	}
	return 0;
}

static int
undo(struct release *r)
{
	if (r->why[0] != '\0')
		fprintf(stderr, "tern: %s\n", r->why);
	kernel_side_undo(&r->kernel);
	tern_side_undo(&r->tern);
	return 1;
}

/* ---- To whom they go */

/* The one that takes them must be there before anything is done that is not undone. */
static int
find_taker(struct release *r)
{
	if (r->pass == NULL)
		return 0;
	r->channel = descriptors_connect(r->pass, r->why, sizeof(r->why));
	return r->channel < 0 ? -1 : 0;
}

static int
pass(struct release *r)
{
	for (unsigned int i = 0; i < r->kernel.n; i++) {
		if (descriptors_pass(r->channel, r->kernel.conns[i].fd, r->why, sizeof(r->why)) < 0)
			return -1;
		close(r->kernel.conns[i].fd);
	}
	close(r->channel);
	return 0;
}

static int
execute(struct release *r)
{
	int fd = r->kernel.conns[0].fd, error;

	if (dup2(fd, STDIN_FILENO) < 0 || dup2(fd, STDOUT_FILENO) < 0) {
		failed(r, r->program[0]);
		fprintf(stderr, "tern: %s\n", r->why);
		return 1;
	}
	close(fd);
	worker_done();
	execvp(r->program[0], r->program);
	error = errno;
	fprintf(stderr, "tern: %s: %s\n", r->program[0], strerror(error));
	return error == ENOENT || error == ENOTDIR ? NOT_FOUND : NOT_EXECUTABLE;
}

/* ---- All of it */

static int
release(void *arg)
{
	struct release *r = arg;

	if (find_taker(r) < 0 || read_images(r) < 0 || kernel_side_lock(&r->kernel, r->why) < 0 ||
	    move_addresses(r) < 0 || kernel_side_restore(&r->kernel, r->why) < 0 ||
	    (r->image == NULL && tern_side_let_leave(&r->tern) < 0))
		return undo(r);
	if (kernel_side_resume(&r->kernel, r->why) < 0 || (r->pass != NULL && pass(r) < 0)) {
		fprintf(stderr, "tern: %s\n", r->why);
		return 1;
	}
	if (r->program != NULL)
		return execute(r);
	kernel_side_free(&r->kernel);
	tern_side_free(&r->tern);
	free(r->bytes);
	return 0;
}

static uint8_t
parse_prefix_len(const char *text, struct argp_state *state)
{
	char *end;
	unsigned long bits = strtoul(text, &end, 10);

	if (end == text || *end != '\0' || bits > 128)
		argp_error(state, "\"%s\" is not the length of a prefix", text);
	return (uint8_t)bits;
}

static int
parse_pid(const char *text, struct argp_state *state)
{
	char *end;
	long pid = strtol(text, &end, 10);

	if (end == text || *end != '\0' || pid <= 0 || pid > INT32_MAX)
		argp_error(state, "\"%s\" is not the number of a process", text);
	return (int)pid;
}

static void
check(const struct release *r, const struct argp_state *state)
{
	int choices = (r->image != NULL) + (r->service != NULL) + (r->pid > 0) + r->all +
		      (r->local != NULL);

	if (choices != 1 || (r->local != NULL && r->remote == NULL))
		argp_error(state, "which connections? Give LOCAL and REMOTE, or one of --service, "
				  "--pid, --all and --image");
	if ((r->program == NULL) == (r->pass == NULL))
		argp_error(state, "who gets it? Give -- PROGRAM, or --pass");
}

static error_t
parse(int key, char *arg, struct argp_state *state)
{
	struct release *r = state->input;

	switch (key) {
	case 'i':
		r->image = arg;
		return 0;
	case 'a':
		r->interface = arg;
		return 0;
	case 'l':
		r->prefix_len = parse_prefix_len(arg, state);
		return 0;
	case 'u':
		r->pass = arg;
		return 0;
	case 's':
		r->socket = arg;
		return 0;
	case 'S':
		r->service = arg;
		return 0;
	case 'p':
		r->pid = parse_pid(arg, state);
		return 0;
	case 'A':
		r->all = true;
		return 0;
	case ARGP_KEY_ARG:
		if (state->quoted > 0 && state->next > state->quoted) {
			r->program = &state->argv[state->next - 1];
			state->next = state->argc; /* the rest is the program's */
		} else if (state->arg_num == 0) {
			r->local = arg;
		} else if (state->arg_num == 1) {
			r->remote = arg;
		} else {
			argp_error(state,
				   "\"%s\"? There are LOCAL and REMOTE, and behind -- a "
				   "program",
				   arg);
		}
		return 0;
	case ARGP_KEY_END:
		check(r, state);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

int
command_release(int argc, char **argv, const char *socket)
{
	static const struct argp_option argp_options[] = {
		{"service", 'S', "NAME", 0, "All connections of a service of ternd's", 0},
		{"pid", 'p', "PID", 0, "All connections of a program on ternd", 0},
		{"all", 'A', NULL, 0, "All connections of ternd", 0},
		{"image", 'i', "FILE", 0, "Those of an image, or of several; - is stdin", 0},
		{"address", 'a', "INTERFACE", 0,
		 "The connections' addresses move from ternd to this interface", 0},
		{"prefix", 'l', "BITS", 0,
		 "The length of their prefix there; by default what it was in ternd", 0},
		{"pass", 'u', "PATH", 0,
		 "Pass them to the program that listens at the Unix socket PATH, each with a byte",
		 0},
		{"socket", 's', "PATH", 0,
		 "Control socket of ternd; by default $TERN_SOCKET, else the only one in /run/tern",
		 0},
		{0},
	};
	static const struct argp argp = {
		.options = argp_options,
		.parser = parse,
		.args_doc = "LOCAL REMOTE -- PROGRAM [ARGUMENT...]\nLOCAL REMOTE --pass PATH",
		.doc = "Gives connections of ternd's to the Linux kernel, in mid-stream: PROGRAM "
		       "is executed with one as its stdin and stdout. Their peers notice nothing; "
		       "a program that had them reads ECONNABORTED.\v"
		       "LOCAL and REMOTE are ends as `tern ss -n` shows them. If anything fails, "
		       "all is as it was. It takes root.",
	};
	struct release r = {.socket = socket, .channel = -1};

	argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, &r);
	/* Of an image, ternd need not know anything. */
	if ((r.image == NULL || r.socket != NULL || getenv("TERN_SOCKET") != NULL) &&
	    client_find(r.socket, CLIENT_FOLDER, r.path, sizeof(r.path)) < 0)
		return 1;
	r.tern.path = r.path;
	return worker_run(release, &r);
}
