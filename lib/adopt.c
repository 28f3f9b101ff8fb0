/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tern adopt: connections of the kernel's become Tern's, in mid-stream.
 *
 *     1  descriptors       of a process, or passed by it
 *     2  hold              the process stands still
 *     3  take              repair, packet filter, images; the kernel's sockets are still there
 *     4  addresses         out of the kernel's interface, into ternd's port, which announces them
 *     5  restore           ternd has the connections: from here on nothing is undone
 *     6  give up           the kernel's sockets vanish; the filter goes, the process goes on
 *
 * A failure in 1 to 5 undoes what was done before it, from its end. Signals wait until it is over,
 * and if the command is killed, its child brings it to its end (worker.h).
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "client.h"
#include "commands.h"
#include "held.h"
#include "kernel_side.h"
#include "restore_program.h"
#include "tern.h"
#include "tern_side.h"
#include "worker.h"

enum { FDS_MAX = 1024 };

struct adopt {
	/* what is asked for */
	const char *socket;
	const char *from, *interface, *service, *to;
	char **program;
	bool listener;
	int pid, port;
	int fds[FDS_MAX];
	unsigned int n_fds;

	/* how far it has come */
	char path[SOCKET_PATH_BYTES];
	struct descriptors descriptors;
	struct held held;
	struct kernel_side kernel;
	struct tern_side tern;
	struct restored_program restored;
	int channel; /* to who passed; -1: nobody */
	int images;  /* memfd; -1: none yet */
	int status;
	uint64_t began_us;
	char why[KERNEL_WHY_BYTES]; /* empty: told on stderr already */
};

static uint64_t
now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* ---- Steps */

static int
find(struct adopt *a)
{
	if (a->from != NULL)
		return descriptors_receive(&a->descriptors, a->from, &a->channel, a->why,
					   sizeof(a->why));
	if (a->n_fds == 0)
		return descriptors_get_all(&a->descriptors, a->pid, a->why, sizeof(a->why));
	for (unsigned int i = 0; i < a->n_fds; i++)
		if (descriptors_get(&a->descriptors, a->pid, a->fds[i], a->why, sizeof(a->why)) < 0)
			return -1;
	return 0;
}

static int
take(struct adopt *a)
{
	if (a->from == NULL && held_take(&a->held, a->pid, a->why, sizeof(a->why)) < 0)
		return -1;
	a->began_us = now_us();
	if (kernel_side_enter(&a->descriptors, a->why) < 0 ||
	    kernel_side_take(&a->kernel, &a->descriptors, a->why) < 0)
		return -1;
	a->images = kernel_side_images(&a->kernel, a->why);
	return a->images < 0 ? -1 : 0;
}

static int
move_addresses(struct adopt *a)
{
	if (a->interface == NULL)
		return 0;
	if (kernel_side_take_addresses(&a->kernel, a->interface, a->why) < 0)
		return -1;
	for (unsigned int i = 0; i < a->kernel.n_taken && a->to == NULL; i++)
		if (tern_side_add_address(&a->tern, &a->kernel.taken[i].address,
					  a->kernel.taken[i].prefix_len, a->port) < 0)
			return -1;
	return 0;
}

/* Into a file instead of ternd. */
static int
write_file(struct adopt *a)
{
	int to = strcmp(a->to, "-") == 0
			 ? dup(STDOUT_FILENO)
			 : open(a->to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	char bytes[4096];
	ssize_t n = 0;
	bool ok = to >= 0;

	while (ok && (n = read(a->images, bytes, sizeof(bytes))) > 0)
		ok = write(to, bytes, (size_t)n) == n;
	if (!ok || n < 0 || (fsync(to) < 0 && errno != EINVAL && errno != EROFS)) {
		snprintf(a->why, sizeof(a->why), "%.150s: %s", a->to, strerror(errno));
		ok = false;
	}
	if (to >= 0)
		close(to);
	return ok ? 0 : -1;
}

/* A program's is in repair until the kernel's is gone. */
static int
restore(struct adopt *a)
{
	if (a->program != NULL) {
		if (a->kernel.n > 1) {
			snprintf(a->why, sizeof(a->why),
				 "a program gets one connection; there are %u: choose with --fd",
				 a->kernel.n);
			return -1;
		}
		a->status =
			restore_program_begin(&a->restored, a->path, a->images,
					      "the kernel's connection", a->program, TERN_FREEZE);
		return a->status == 0 ? 0 : -1;
	}
	return tern_side_restore(&a->tern, a->images, a->service, a->listener);
}

/* ---- What is told */

static void
tell(const struct adopt *a, uint64_t took_us)
{
	char local[ENDPOINT_TEXT], remote[ENDPOINT_TEXT];
	bool taken = a->program != NULL || (a->to != NULL && strcmp(a->to, "-") == 0);
	FILE *to = taken ? stderr : stdout;

	for (unsigned int i = 0; i < a->kernel.n; i++) {
		const struct kernel_conn *conn = &a->kernel.conns[i];
		const struct image_message *m = &conn->dump.image.message;

		if (!conn->is_dumped)
			continue;
		fprintf(to, "%s - %s: %u bytes unread, %u unacknowledged; held for %llu us\n",
			endpoint_text(&conn->frozen.ends.local, local),
			endpoint_text(&conn->frozen.ends.remote, remote), m->inq_len, m->outq_len,
			(unsigned long long)took_us);
	}
}

/* Who passed the descriptors is told, too. */
static void
answer(const struct adopt *a, const char *text)
{
	if (a->channel < 0)
		return;
	(void)!send(a->channel, text, strlen(text), MSG_NOSIGNAL);
	(void)!send(a->channel, "\n", 1, MSG_NOSIGNAL);
	close(a->channel);
}

/* ---- All of it */

static int
undo(struct adopt *a)
{
	if (a->why[0] != '\0')
		fprintf(stderr, "tern: %s\n", a->why);
	answer(a, a->why[0] != '\0' ? a->why : "refused");
	tern_side_undo(&a->tern);
	kernel_side_undo(&a->kernel);
	held_release(&a->held);
	return a->status != 0 ? a->status : 1;
}

static int
adopt(void *arg)
{
	struct adopt *a = arg;
	uint64_t took_us;
	const int off = 0;

	if (find(a) < 0 || take(a) < 0 || move_addresses(a) < 0 ||
	    (a->to != NULL ? write_file(a) : restore(a)) < 0)
		return undo(a);
	if (kernel_side_give_up(&a->kernel, a->why) < 0) {
		fprintf(stderr, "tern: %s\n", a->why);
		a->status = 1;
	}
	if (a->program != NULL)
		tern_setsockopt(a->restored.conn, IPPROTO_TCP, TCP_REPAIR, &off, sizeof(off));
	took_us = now_us() - a->began_us;
	held_release(&a->held);
	answer(a, "adopted");
	tell(a, took_us);
	kernel_side_free(&a->kernel);
	tern_side_free(&a->tern);
	descriptors_close(&a->descriptors);
	close(a->images);
	if (a->program == NULL)
		return a->status;
	worker_done();
	return restore_program_execute(&a->restored);
}

static int
parse_number(const char *text, const char *what, struct argp_state *state)
{
	char *end;
	long n;

	errno = 0;
	n = strtol(text, &end, 10);
	if (end == text || *end != '\0' || errno != 0 || n < 0 || n > INT32_MAX)
		argp_error(state, "\"%s\" is not the number of a %s", text, what);
	return (int)n;
}

static error_t
parse(int key, char *arg, struct argp_state *state)
{
	struct adopt *a = state->input;

	switch (key) {
	case 'p':
		a->pid = parse_number(arg, "process", state);
		return 0;
	case 'f':
		if (a->n_fds == FDS_MAX)
			argp_error(state, "more than %d descriptors", FDS_MAX);
		a->fds[a->n_fds++] = parse_number(arg, "descriptor", state);
		return 0;
	case 'F':
		a->from = arg;
		return 0;
	case 'a':
		a->interface = arg;
		return 0;
	case 'P':
		a->port = parse_number(arg, "port", state);
		return 0;
	case 'S':
		a->service = arg;
		return 0;
	case 'L':
		a->listener = true;
		return 0;
	case 'o':
		a->to = arg;
		return 0;
	case 's':
		a->socket = arg;
		return 0;
	case ARGP_KEY_ARG:
		a->program = &state->argv[state->next - 1];
		state->next = state->argc; /* the rest is the program's */
		return 0;
	case ARGP_KEY_END:
		if ((a->pid == 0) == (a->from == NULL))
			argp_error(state, "whose connections? Give --pid, or --from");
		if (a->from != NULL && a->n_fds > 0)
			argp_error(state, "--fd is of --pid");
		if ((a->to != NULL) + (a->service != NULL) + a->listener + (a->program != NULL) > 1)
			argp_error(state,
				   "who gets them? --service, --listener, --to or a PROGRAM");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

int
command_adopt(int argc, char **argv, const char *socket)
{
	static const struct argp_option argp_options[] = {
		{"pid", 'p', "PID", 0, "The process that has them: all of its TCP connections, or",
		 0},
		{"fd", 'f', "FD", 0, "this descriptor of it; may be given several times", 0},
		{"from", 'F', "PATH", 0,
		 "Connect to the Unix socket PATH, and take what is passed with the first byte. "
		 "Then the answer is written there: \"adopted\", or why not",
		 0},
		{"address", 'a', "INTERFACE", 0,
		 "The connections' addresses move from this interface to ternd", 0},
		{"port", 'P', "N", 0, "ternd's port that gets them; 0 by default", 0},
		{"service", 'S', "NAME", 0, "A service of ternd's gets them", 0},
		{"listener", 'L', NULL, 0,
		 "Who listens at their addresses in ternd gets them, a service or a program, which "
		 "accepts them; this is the default",
		 0},
		{"to", 'o', "FILE", 0, "Write images to FILE, or - for stdout, instead", 0},
		{"socket", 's', "PATH", 0,
		 "Control socket of ternd; by default $TERN_SOCKET, else the only one in /run/tern",
		 0},
		{0},
	};
	static const struct argp argp = {
		.options = argp_options,
		.parser = parse,
		.args_doc = "[-- PROGRAM [ARGUMENT...]]",
		.doc = "Takes TCP connections that a process has from the Linux kernel, in "
		       "mid-stream, for a service of ternd's, for a program that listens there, or "
		       "for PROGRAM, which is executed with one as its stdin and stdout. Their "
		       "peers notice nothing; the process reads ECONNABORTED.\v"
		       "The process is held still meanwhile, its connections by a packet filter. "
		       "If anything fails, all is as it was. It takes root.",
	};
	struct adopt a = {.socket = socket, .channel = -1, .images = -1};

	argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, &a);
	if (a.to == NULL && client_find(a.socket, CLIENT_FOLDER, a.path, sizeof(a.path)) < 0)
		return 1;
	a.tern.path = a.path;
	return worker_run(adopt, &a);
}
