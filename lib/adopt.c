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
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "client.h"
#include "commands.h"
#include "held.h"
#include "kernel_side.h"
#include "tern_side.h"
#include "worker.h"

enum { FDS_MAX = 1024 };

struct adopt {
	/* what is asked for */
	const char *socket;
	const char *from, *interface, *service, *to;
	bool listener;
	int pid, port;
	int fds[FDS_MAX];
	unsigned int n_fds;
	char **program;

	/* how far it has come */
	char path[SOCKET_PATH_BYTES];
	struct descriptors descriptors;
	struct held held;
	struct kernel_side kernel;
	struct tern_side tern;
	int channel; /* to who passed; -1: nobody */
	int images;  /* memfd; -1: none yet */
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

/* ---- What is told */

static void
tell(const struct adopt *a, uint64_t took_us)
{
	char local[ENDPOINT_TEXT], remote[ENDPOINT_TEXT];
	FILE *to =
		a->program != NULL || (a->to != NULL && strcmp(a->to, "-") == 0) ? stderr : stdout;

	for (unsigned int i = 0; i < a->kernel.n; i++) {
		const struct kernel_conn *conn = &a->kernel.conns[i];
		const struct image_message *m = &conn->dump.image.message;

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
	return 1;
}

static int
adopt(void *arg)
{
	struct adopt *a = arg;
	uint64_t took_us;
	int status = 0;

	if (find(a) < 0 || take(a) < 0 || move_addresses(a) < 0 || write_file(a) < 0)
		return undo(a);
	if (kernel_side_give_up(&a->kernel, a->why) < 0) {
		fprintf(stderr, "tern: %s\n", a->why);
		status = 1;
	}
	took_us = now_us() - a->began_us;
	held_release(&a->held);
	answer(a, "adopted");
	tell(a, took_us);
	kernel_side_free(&a->kernel);
	tern_side_free(&a->tern);
	descriptors_close(&a->descriptors);
	close(a->images);
	return status;
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
	case 'o':
		a->to = arg;
		return 0;
	case 's':
		a->socket = arg;
		return 0;
	case ARGP_KEY_END:
		if ((a->pid == 0) == (a->from == NULL))
			argp_error(state, "whose connections? Give --pid, or --from");
		if (a->from != NULL && a->n_fds > 0)
			argp_error(state, "--fd is of --pid");
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
		{"to", 'o', "FILE", 0, "Write images to FILE, or - for stdout, instead", 0},
		{"socket", 's', "PATH", 0,
		 "Control socket of ternd; by default $TERN_SOCKET, else the only one in /run/tern",
		 0},
		{0},
	};
	static const struct argp argp = {
		.options = argp_options,
		.parser = parse,
		.args_doc = "",
		.doc = "Takes TCP connections that a process has from the Linux kernel, in "
		       "mid-stream. Their peers notice nothing; the process reads ECONNABORTED.\v"
		       "The process is held still meanwhile, its connections by a packet filter. "
		       "If anything fails, all is as it was. It takes root.",
	};
	struct adopt a = {.socket = socket, .channel = -1, .images = -1};

	argp_parse(&argp, argc, argv, 0, NULL, &a);
	if (a.to == NULL && client_find(a.socket, CLIENT_FOLDER, a.path, sizeof(a.path)) < 0)
		return 1;
	a.tern.path = a.path;
	return worker_run(adopt, &a);
}
