/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The control socket, with the commands of a daemon that has neither lanes nor ports, but for those
 * that ask a lane, which a list in parts stands for: whatever a client sends, each complete line is
 * answered by lines of JSON with "ok" as long as the client is served, and the daemon stays.
 *
 * Input: one byte (pieces of so many bytes), then what the client sends.
 */
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "dataplane/commands.h"
#include "dataplane/daemon.h"
#include "fuzz.h"

static char folder[] = "/tmp/tern-fuzz-XXXXXX";
static struct daemon nobody;

static json_t *
answer(void *ctx, const char *command, const json_t *request, struct control_cursor *cursor,
       const char **error)
{
	if (strcmp(command, "ss") != 0 && strcmp(command, "neighbours") != 0)
		return commands_answer(ctx, command, request, cursor, error);
	cursor->more = ++cursor->at < 5;
	return json_pack("{s:I}", "part", (json_int_t)cursor->at);
}

static void
remove_folder(void)
{
	rmdir(folder);
}

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	FUZZ_CHECK(mkdtemp(folder) != NULL, "no folder");
	atexit(remove_folder);
	strcpy(nobody.config.name, "fuzz");
	return 0;
}

static int
connect_client(void)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);

	snprintf(sun.sun_path, sizeof(sun.sun_path), "%s/t.sock", folder);
	FUZZ_CHECK(connect(fd, (struct sockaddr *)&sun, sizeof(sun)) == 0, "no connection");
	return fd;
}

/* All that the client hears by now; counts whole answers, of which the last is not to be continued.
 */
static unsigned int
hear(struct control *control, int fd)
{
	static char buf[1 << 20];
	size_t have = 0;
	unsigned int n = 0;
	ssize_t got;
	char *line, *end;

	for (unsigned int turn = 0; turn < 4; turn++) {
		control_run(control);
		while ((got = recv(fd, buf + have, sizeof(buf) - 1 - have, 0)) > 0)
			have += (size_t)got;
	}
	buf[have] = '\0';
	for (line = buf; (end = strchr(line, '\n')) != NULL; line = end + 1) {
		json_t *said;

		*end = '\0';
		said = json_loads(line, 0, NULL);
		FUZZ_CHECK(json_is_boolean(json_object_get(said, "ok")), "answer: %s", line);
		n += !json_is_true(json_object_get(said, "more"));
		json_decref(said);
	}
	return n;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	size_t step = n > 0 ? data[0] * 4u + 1 : 1, lines = 0;
	struct control *control;
	unsigned int answers = 0;
	int fd;

	if (n < 2)
		return 0;
	control = control_open(folder, "t", (gid_t)-1);
	FUZZ_CHECK(control != NULL, "no control socket");
	control_serve(control, answer, NULL, &nobody);
	fd = connect_client();
	for (size_t at = 1; at < n; at += step) {
		size_t part = n - at < step ? n - at : step;

		if (send(fd, data + at, part, MSG_NOSIGNAL) != (ssize_t)part)
			break;
		answers += hear(control, fd);
	}
	for (size_t i = 1; i < n; i++)
		lines += data[i] == '\n';
	FUZZ_CHECK(answers <= lines + 1, "%u answers to %zu lines", answers, lines);
	close(fd);
	control_run(control);
	control_close(control);
	return 0;
}
