/* SPDX-License-Identifier: BSD-3-Clause */
/* Talking to ternd's control socket. Blocking, with a time limit on silence; see client.h. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "client.h"
#include "pass.h"

enum {
	SILENCE_S = 30, /* ternd answers at once, or says after seconds that a lane is stuck */
	MAX_ANSWER = 64 << 20, /* bytes of one line */
	READ_BYTES = 64 << 10,
};

static bool
is_socket_name(const char *name)
{
	size_t n = strlen(name);

	return n > 5 && name[0] != '.' && strcmp(name + n - 5, ".sock") == 0;
}

int
client_find(const char *given, const char *folder, char *path, size_t size)
{
	const char *from_env = getenv("TERN_SOCKET");
	struct dirent *entry;
	unsigned int found = 0;
	DIR *dir;

	if (given == NULL && from_env != NULL && from_env[0] != '\0')
		given = from_env;
	if (given != NULL) {
		snprintf(path, size, "%s", given);
		return 0;
	}
	dir = opendir(folder);
	while (dir != NULL && (entry = readdir(dir)) != NULL)
		if (is_socket_name(entry->d_name) && ++found == 1)
			snprintf(path, size, "%s/%s", folder, entry->d_name);
	if (dir != NULL)
		closedir(dir);
	if (found == 1)
		return 0;
	if (found == 0)
		fprintf(stderr,
			"tern: no ternd runs here: no socket in %s; start one, or give "
			"--socket\n",
			folder);
	else
		fprintf(stderr, "tern: %u sockets in %s; choose one with --socket or TERN_SOCKET\n",
			found, folder);
	return -1;
}

static const char *
why_not(int error)
{
	switch (error) {
	case ECONNREFUSED:
		return "no ternd answers there";
	case ENOENT:
		return "no such socket: does ternd run?";
	case ENAMETOOLONG:
		return "path too long for a socket";
	case EACCES:
		return "permission denied: only root and the members of [dataplane] group may use "
		       "it";
	default:
		return strerror(error);
	}
}

int
client_try(struct client *client, const char *path)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	struct timeval silence = {.tv_sec = SILENCE_S};
	int error;

	memset(client, 0, sizeof(*client));
	client->got_fd = -1;
	if (strlen(path) >= sizeof(sun.sun_path))
		return -ENAMETOOLONG;
	strcpy(sun.sun_path, path);
	client->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (client->fd < 0 || connect(client->fd, (struct sockaddr *)&sun, sizeof(sun)) < 0) {
		error = errno;
		if (client->fd >= 0)
			close(client->fd);
		return -error;
	}
	setsockopt(client->fd, SOL_SOCKET, SO_RCVTIMEO, &silence, sizeof(silence));
	setsockopt(client->fd, SOL_SOCKET, SO_SNDTIMEO, &silence, sizeof(silence));
	return 0;
}

int
client_open(struct client *client, const char *path)
{
	int status = client_try(client, path);

	if (status == 0)
		return 0;
	fprintf(stderr, "tern: %s: %s\n", path, why_not(-status));
	return -1;
}

void
client_close(struct client *client)
{
	close(client->fd);
	if (client->got_fd >= 0)
		close(client->got_fd);
	free(client->buf);
}

int
client_request(struct client *client, json_t *request)
{
	return client_request_fd(client, request, -1);
}

int
client_request_fd(struct client *client, json_t *request, int fd)
{
	char *text = request == NULL ? NULL : json_dumps(request, JSON_COMPACT);
	size_t n = text == NULL ? 0 : strlen(text), sent = 0;
	ssize_t step = 0;

	json_decref(request);
	if (text == NULL) {
		fputs("tern: no memory\n", stderr);
		return -1;
	}
	text[n++] = '\n'; /* in the place of the final NUL */
	if (fd >= 0 && (step = pass_fd(client->fd, text, n, fd)) > 0)
		sent = (size_t)step;
	while (sent < n && step >= 0 &&
	       (step = send(client->fd, text + sent, n - sent, MSG_NOSIGNAL)) > 0)
		sent += (size_t)step;
	free(text);
	if (sent < n)
		fprintf(stderr, "tern: cannot send the request: %s\n", strerror(errno));
	return sent < n ? -1 : 0;
}

static ssize_t
receive(struct client *client)
{
	struct iovec iov = {
		.iov_base = client->buf + client->used,
		.iov_len = client->size - client->used,
	};
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control;
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes),
	};
	ssize_t n = recvmsg(client->fd, &msg, MSG_CMSG_CLOEXEC);
	struct cmsghdr *cmsg = n < 0 ? NULL : CMSG_FIRSTHDR(&msg);

	if (cmsg != NULL && cmsg->cmsg_type == SCM_RIGHTS &&
	    cmsg->cmsg_len == CMSG_LEN(sizeof(int))) {
		if (client->got_fd >= 0)
			close(client->got_fd);
		memcpy(&client->got_fd, CMSG_DATA(cmsg), sizeof(int));
	}
	return n;
}

/* Makes room for more, and reads. Returns what recv() does; -1 with errno set. */
static ssize_t
read_more(struct client *client)
{
	ssize_t n;

	if (client->size - client->used < READ_BYTES) {
		size_t size = client->size * 2 + READ_BYTES;
		char *bigger = size > MAX_ANSWER ? NULL : realloc(client->buf, size);

		if (bigger == NULL) {
			errno = ENOMEM;
			return -1;
		}
		client->buf = bigger;
		client->size = size;
	}
	n = receive(client);
	if (n > 0)
		client->used += (size_t)n;
	return n;
}

/* Parses a line; says what is wrong with it, or what it says is wrong. */
static json_t *
parse_answer(const char *line, size_t bytes)
{
	json_error_t error;
	json_t *answer = json_loadb(line, bytes, 0, &error);
	const char *reason;

	if (!json_is_object(answer)) {
		fprintf(stderr, "tern: ternd's answer is not understood: %s\n", error.text);
		json_decref(answer);
		return NULL;
	}
	if (json_is_true(json_object_get(answer, "ok")))
		return answer;
	reason = json_string_value(json_object_get(answer, "error"));
	fprintf(stderr, "tern: %s\n", reason != NULL ? reason : "ternd refused, without a reason");
	json_decref(answer);
	return NULL;
}

json_t *
client_answer(struct client *client)
{
	char *end;
	json_t *answer;
	size_t line, searched = 0;

	while ((end = client->used == searched ? NULL
					       : memchr(client->buf + searched, '\n',
							client->used - searched)) == NULL) {
		ssize_t n;

		searched = client->used;
		n = read_more(client);
		if (n > 0)
			continue;
		fprintf(stderr, "tern: %s\n",
			n == 0            ? "ternd closed the connection"
			: errno == EAGAIN ? "ternd does not answer"
					  : strerror(errno));
		return NULL;
	}
	line = (size_t)(end - client->buf) + 1;
	answer = parse_answer(client->buf, line - 1);
	client->used -= line;
	memmove(client->buf, client->buf + line, client->used);
	return answer;
}

json_t *
client_ask(const char *path, json_t *request)
{
	struct client client;
	json_t *answer = NULL;

	if (client_open(&client, path) < 0) {
		json_decref(request);
		return NULL;
	}
	if (client_request(&client, request) == 0)
		answer = client_answer(&client);
	client_close(&client);
	return answer;
}

int
client_ask_list(const char *path, json_t *request, const char *key,
		void (*each)(json_t *element, void *arg), void *arg)
{
	struct client client;
	bool more = true;
	int status;

	if (client_open(&client, path) < 0) {
		json_decref(request);
		return -1;
	}
	status = client_request(&client, request);
	while (status == 0 && more) {
		json_t *answer = client_answer(&client), *element;
		size_t i;

		status = answer == NULL ? -1 : 0;
		json_array_foreach(json_object_get(answer, key), i, element) each(element, arg);
		more = json_is_true(json_object_get(answer, "more"));
		json_decref(answer);
	}
	client_close(&client);
	return status;
}

long long
client_number(const json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

const char *
client_text(const json_t *object, const char *key, const char *none)
{
	const char *s = json_string_value(json_object_get(object, key));

	return s == NULL ? none : s;
}

void
client_print(const json_t *answer)
{
	json_dumpf(answer, stdout, JSON_INDENT(1) | JSON_PRESERVE_ORDER);
	putchar('\n');
}

int
client_take_fd(struct client *client)
{
	int fd = client->got_fd;

	client->got_fd = -1;
	return fd;
}
