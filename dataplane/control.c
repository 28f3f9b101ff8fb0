/* SPDX-License-Identifier: BSD-3-Clause */
/* The control socket's server; see control.h for the protocol and its bounds. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "dataplane/control.h"
#include "dataplane/log.h"

struct client {
	int fd; /* -1: free */
	char in[CONTROL_REQUEST_BYTES];
	size_t in_used;
	char *out; /* the answer under way; NULL: none */
	size_t out_bytes, out_sent;
	json_t *request; /* whose list is not at its end; NULL: none */
	struct control_cursor cursor;
	int pass_fd;  /* goes along with `out`; -1: none */
	int got_fd;   /* came with what it sent; -1: none */
	bool closing; /* at the end of `out`: it sent what we do not read on */
	bool half;    /* it has shut down its side; answer what it asked, then close */
};

struct control {
	int listener, epoll;
	gid_t group;
	struct sockaddr_un sun;
	dev_t dev; /* of the socket file, so that we remove ours only */
	ino_t ino;
	control_handler handler;
	control_gone gone;
	void *ctx;
	unsigned int n_clients;
	struct client clients[CONTROL_CLIENTS];
};

static const struct client no_client = {.fd = -1, .pass_fd = -1, .got_fd = -1};

/* ---- Taking the socket */

/* Says who has the socket, if somebody listens on it. Returns whether it may be replaced. */
static bool
is_stale(const struct sockaddr_un *sun, const char *name)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct ucred peer = {0};
	socklen_t n = sizeof(peer);
	bool stale = true;

	if (fd >= 0 &&
	    (connect(fd, (const struct sockaddr *)sun, sizeof(*sun)) == 0 || errno == EAGAIN)) {
		stale = false;
		getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &n);
		if (peer.pid > 0)
			log_line("another ternd named \"%s\" runs: process %d holds %s; end it, or "
				 "choose another name",
				 name, (int)peer.pid, sun->sun_path);
		else
			log_line("another ternd named \"%s\" runs: %s is taken; end it, or choose "
				 "another name",
				 name, sun->sun_path);
	} else if (errno != ECONNREFUSED && errno != ENOENT) {
		stale = false;
		log_line("%s: %s", sun->sun_path, strerror(errno));
	}
	if (fd >= 0)
		close(fd);
	return stale;
}

/* Binds and listens. Returns 0, or -1 after telling why not. */
static int
take_socket(struct control *control, const char *name)
{
	struct stat st;

	if (!is_stale(&control->sun, name))
		return -1;
	unlink(control->sun.sun_path);
	control->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (control->listener < 0 ||
	    bind(control->listener, (struct sockaddr *)&control->sun, sizeof(control->sun)) < 0 ||
	    stat(control->sun.sun_path, &st) < 0) {
		log_line("%s: %s", control->sun.sun_path, strerror(errno));
		return -1;
	}
	control->dev = st.st_dev;
	control->ino = st.st_ino;
	if (chown(control->sun.sun_path, (uid_t)-1, control->group) < 0 ||
	    chmod(control->sun.sun_path, 0660) < 0 || listen(control->listener, 16) < 0) {
		log_line("%s: %s", control->sun.sun_path, strerror(errno));
		return -1;
	}
	return 0;
}

/* The same under a lock on the folder, so that of two that start at once one hears of the other. */
static int
take_socket_alone(struct control *control, const char *folder, const char *name)
{
	int lock, status;

	if (mkdir(folder, 0755) < 0 && errno != EEXIST) {
		log_line("%s: %s", folder, strerror(errno));
		return -1;
	}
	lock = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (lock < 0 || flock(lock, LOCK_EX) < 0) {
		log_line("%s: %s", folder, strerror(errno));
		if (lock >= 0)
			close(lock);
		return -1;
	}
	status = take_socket(control, name);
	close(lock);
	return status;
}

static int
watch(struct control *control, int op, int fd, uint32_t events, uint32_t index)
{
	struct epoll_event event = {.events = events, .data.u32 = index};

	return epoll_ctl(control->epoll, op, fd, &event);
}

struct control *
control_open(const char *folder, const char *name, gid_t group)
{
	struct control *control = calloc(1, sizeof(*control));

	if (control == NULL) {
		log_line("no memory");
		return NULL;
	}
	control->listener = -1;
	control->group = group;
	for (unsigned int i = 0; i < CONTROL_CLIENTS; i++)
		control->clients[i] = no_client;
	control->sun.sun_family = AF_UNIX;
	control->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (snprintf(control->sun.sun_path, sizeof(control->sun.sun_path), "%s/%s.sock", folder,
		     name) >= (int)sizeof(control->sun.sun_path)) {
		log_line("%s/%s.sock: path too long for a socket", folder, name);
	} else if (control->epoll < 0) {
		log_line("epoll: %s", strerror(errno));
	} else if (take_socket_alone(control, folder, name) == 0) {
		return control;
	}
	control_close(control);
	return NULL;
}

void
control_serve(struct control *control, control_handler handler, control_gone gone, void *ctx)
{
	control->handler = handler;
	control->gone = gone;
	control->ctx = ctx;
	watch(control, EPOLL_CTL_ADD, control->listener, EPOLLIN, CONTROL_CLIENTS);
}

int
control_fd(const struct control *control)
{
	return control->epoll;
}

/* ---- Clients */

static void
drop_client(struct control *control, struct client *client)
{
	if (client->fd < 0)
		return;
	if (control->n_clients == CONTROL_CLIENTS) /* there is room again */
		watch(control, EPOLL_CTL_MOD, control->listener, EPOLLIN, CONTROL_CLIENTS);
	control->n_clients--;
	if (control->gone != NULL)
		control->gone(control->ctx, client->fd);
	close(client->fd);
	if (client->pass_fd >= 0)
		close(client->pass_fd);
	if (client->got_fd >= 0)
		close(client->got_fd);
	free(client->out);
	json_decref(client->request);
	*client = no_client;
}

static void
accept_clients(struct control *control)
{
	int fd;

	while (control->n_clients < CONTROL_CLIENTS &&
	       (fd = accept4(control->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
		uint32_t i = 0;

		while (control->clients[i].fd >= 0)
			i++;
		control->clients[i].fd = fd;
		control->n_clients++;
		if (watch(control, EPOLL_CTL_ADD, fd, EPOLLIN, i) < 0)
			drop_client(control, &control->clients[i]);
	}
	if (control->n_clients == CONTROL_CLIENTS) /* the rest waits in the backlog */
		watch(control, EPOLL_CTL_MOD, control->listener, 0, CONTROL_CLIENTS);
}

/* Makes `answer` (taken; NULL: an error) the one under way. Returns false without memory. */
static bool
put_answer(struct client *client, json_t *answer, const char *error)
{
	size_t n;

	if (answer == NULL) {
		answer = json_pack("{s:b,s:s}", "ok", 0, "error", error);
	} else {
		json_object_set_new(answer, "ok", json_true());
		if (client->request != NULL)
			json_object_set_new(answer, "more", json_boolean(client->cursor.more));
	}
	client->out = json_dumps(answer, JSON_COMPACT | JSON_PRESERVE_ORDER);
	json_decref(answer);
	if (client->out == NULL)
		return false;
	n = strlen(client->out);
	client->out[n] = '\n'; /* in the place of the final NUL */
	client->out_bytes = n + 1;
	client->out_sent = 0;
	return true;
}

static struct ucred
peer_of(int fd)
{
	struct ucred peer = {0};
	socklen_t n = sizeof(peer);

	getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &n);
	return peer;
}

/* The first answer to client->request, or its next part. */
static bool
answer_request(struct control *control, struct client *client)
{
	const char *error = "out of memory";
	const char *command = json_string_value(json_object_get(client->request, "command"));
	json_t *answer;
	bool put;

	client->cursor.more = false;
	client->cursor.pass_fd = -1;
	client->cursor.client = peer_of(client->fd);
	client->cursor.client_fd = client->fd;
	client->cursor.got_fd = client->got_fd;
	answer = control->handler(control->ctx, command, client->request, &client->cursor, &error);
	client->pass_fd = client->cursor.pass_fd;
	put = put_answer(client, answer, error);
	if (!client->cursor.more) {
		json_decref(client->request);
		client->request = NULL;
		if (client->got_fd >= 0)
			close(client->got_fd);
		client->got_fd = -1;
	}
	return put;
}

/* A whole line has come. */
static bool
take_request(struct control *control, struct client *client, size_t bytes)
{
	json_error_t error;
	json_t *request = json_loadb(client->in, bytes, JSON_REJECT_DUPLICATES, &error);

	if (!json_is_object(request) ||
	    json_string_value(json_object_get(request, "command")) == NULL) {
		json_decref(request);
		return put_answer(client, NULL,
				  "not a request; one line of JSON with a \"command\"");
	}
	client->request = request;
	memset(&client->cursor, 0, sizeof(client->cursor));
	return answer_request(control, client);
}

/* Finds out what to do next when nothing waits to be sent. Returns false to drop the client. */
static bool
next_answer(struct control *control, struct client *client)
{
	char *end;
	size_t line;
	bool ok;

	if (client->closing)
		return false;
	if (client->request != NULL)
		return answer_request(control, client);
	end = memchr(client->in, '\n', client->in_used);
	if (end == NULL && client->in_used == sizeof(client->in)) {
		client->closing = true;
		return put_answer(client, NULL, "request too long");
	}
	if (end == NULL)
		return !client->half;
	line = (size_t)(end - client->in) + 1;
	ok = take_request(control, client, line - 1);
	client->in_used -= line;
	memmove(client->in, client->in + line, client->in_used);
	return ok;
}

/* What comes along is kept: the last one, if there are several. */
static ssize_t
receive_bytes(struct client *client)
{
	struct iovec iov = {
		.iov_base = client->in + client->in_used,
		.iov_len = sizeof(client->in) - client->in_used,
	};
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))]; /* the kernel closes what does not fit */
	} control = {0};
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes),
	};
	ssize_t n = recvmsg(client->fd, &msg, MSG_CMSG_CLOEXEC);
	struct cmsghdr *cmsg = n < 0 ? NULL : CMSG_FIRSTHDR(&msg);

	if (cmsg == NULL || cmsg->cmsg_level != SOL_SOCKET || cmsg->cmsg_type != SCM_RIGHTS)
		return n;
	/* With its padding there is room for two. */
	for (size_t at = CMSG_LEN(0); at + sizeof(int) <= cmsg->cmsg_len; at += sizeof(int)) {
		if (client->got_fd >= 0)
			close(client->got_fd);
		memcpy(&client->got_fd, (const uint8_t *)cmsg + at, sizeof(int));
	}
	return n;
}

/* Reads what fits. Returns false when the client has gone. */
static bool
receive(struct client *client)
{
	ssize_t n;

	if (client->half || client->in_used == sizeof(client->in))
		return true;
	n = receive_bytes(client);
	if (n > 0)
		client->in_used += (size_t)n;
	if (n == 0)
		client->half = true;
	return n >= 0 || errno == EAGAIN || errno == EINTR;
}

/* The beginning of an answer, with the descriptor that goes along. */
static ssize_t
send_with_fd(const struct client *client)
{
	struct iovec iov = {.iov_base = client->out, .iov_len = client->out_bytes};
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = {0};
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes),
	};
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);

	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(cmsg), &client->pass_fd, sizeof(int));
	return sendmsg(client->fd, &msg, MSG_NOSIGNAL);
}

/* Sends what it can. Returns 1 when all is sent, 0 when the client does not read, -1 when gone. */
static int
transmit(struct client *client)
{
	ssize_t n = client->pass_fd >= 0 ? send_with_fd(client)
					 : send(client->fd, client->out + client->out_sent,
						client->out_bytes - client->out_sent, MSG_NOSIGNAL);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -1;
	if (client->pass_fd >= 0)
		close(client->pass_fd);
	client->pass_fd = -1;
	client->out_sent += (size_t)n;
	if (client->out_sent < client->out_bytes)
		return 0;
	free(client->out);
	client->out = NULL;
	return 1;
}

static bool
wants_more(const struct client *client)
{
	return !client->half && client->in_used < sizeof(client->in);
}

/* Whether something is to be sent, or the next answer can be made as soon as there is room. */
static bool
has_work(const struct client *client)
{
	return client->out != NULL || client->request != NULL || client->closing || client->half ||
	       client->in_used == sizeof(client->in) ||
	       memchr(client->in, '\n', client->in_used) != NULL;
}

/* One turn of a client: an answer at most, so that none keeps the others waiting. */
static void
serve_client(struct control *control, struct client *client, uint32_t events)
{
	bool alive = true;
	int sent = 1;

	if (events & (EPOLLIN | EPOLLHUP | EPOLLERR))
		alive = receive(client);
	if (client->out != NULL)
		sent = transmit(client);
	if (alive && sent > 0) {
		alive = next_answer(control, client);
		if (alive && client->out != NULL)
			sent = transmit(client);
	}
	if (!alive || sent < 0) {
		drop_client(control, client);
		return;
	}
	watch(control, EPOLL_CTL_MOD, client->fd,
	      (wants_more(client) ? EPOLLIN : 0) | (has_work(client) ? EPOLLOUT : 0),
	      (uint32_t)(client - control->clients));
}

void
control_run(struct control *control)
{
	struct epoll_event events[CONTROL_CLIENTS + 1];
	int n = epoll_wait(control->epoll, events, CONTROL_CLIENTS + 1, 0);

	for (int i = 0; i < n; i++) {
		if (events[i].data.u32 == CONTROL_CLIENTS)
			accept_clients(control);
		else if (control->clients[events[i].data.u32].fd >= 0)
			serve_client(control, &control->clients[events[i].data.u32],
				     events[i].events);
	}
}

void
control_stop(struct control *control)
{
	for (unsigned int i = 0; i < CONTROL_CLIENTS; i++)
		drop_client(control, &control->clients[i]);
	epoll_ctl(control->epoll, EPOLL_CTL_DEL, control->listener, NULL);
}

void
control_close(struct control *control)
{
	struct stat st;

	if (control == NULL)
		return;
	control_stop(control);
	if (control->listener >= 0) {
		if (control->ino != 0 && stat(control->sun.sun_path, &st) == 0 &&
		    st.st_dev == control->dev && st.st_ino == control->ino)
			unlink(control->sun.sun_path);
		close(control->listener);
	}
	if (control->epoll >= 0)
		close(control->epoll);
	free(control);
}
