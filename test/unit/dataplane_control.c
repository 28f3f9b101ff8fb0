/* SPDX-License-Identifier: BSD-3-Clause */
/* dataplane/control.c: requests, answers, parts of lists, and clients that misbehave. */
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "unit.h"

#include "dataplane/control.h"

enum { PARTS = 500, PART_BYTES = 4096 };

static char folder[] = "/tmp/tern-control-XXXXXX";
static struct control *control;
static unsigned int parts_made;

/* "hello", "list" in PARTS parts, everything else is unknown. */
static json_t *
handle(void *ctx, const char *command, const json_t *request, struct control_cursor *cursor,
       const char **error)
{
	static char filler[PART_BYTES];

	CU_ASSERT_PTR_EQUAL(ctx, &parts_made);
	if (strcmp(command, "hello") == 0)
		return json_pack("{s:O}", "to", json_object_get(request, "from"));
	if (strcmp(command, "list") == 0) {
		parts_made++;
		memset(filler, 'x', sizeof(filler) - 1);
		cursor->at++;
		cursor->more = cursor->at < PARTS;
		return json_pack("{s:I,s:s}", "part", (json_int_t)cursor->at, "filler", filler);
	}
	*error = "unknown command";
	return NULL;
}

static void
path_of(char *path, size_t size, const char *name)
{
	snprintf(path, size, "%s/%s.sock", folder, name);
}

static int
connect_client(void)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);

	path_of(sun.sun_path, sizeof(sun.sun_path), "t");
	UNIT_EQ(connect(fd, (struct sockaddr *)&sun, sizeof(sun)), 0);
	return fd;
}

static void
turn(unsigned int times)
{
	while (times-- > 0)
		control_run(control);
}

/* What the server has sent by now, after some turns; "" for nothing, "<end>" at the end. */
static const char *
hear(int fd)
{
	static char buf[8192];
	ssize_t n;

	turn(8);
	n = recv(fd, buf, sizeof(buf) - 1, 0);
	if (n == 0 || (n < 0 && errno != EAGAIN))
		return "<end>";
	buf[n < 0 ? 0 : n] = '\0';
	return buf;
}

static void
say(int fd, const char *text)
{
	UNIT_EQ(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

/* The number of the client that went last. */
static int gone_fd;

static void
gone(void *ctx, int client_fd)
{
	(void)ctx;
	gone_fd = client_fd;
}

static void
begin(void)
{
	strcpy(folder + strlen(folder) - 6, "XXXXXX");
	CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(folder));
	control = control_open(folder, "t", (gid_t)-1);
	CU_ASSERT_PTR_NOT_NULL_FATAL(control);
	control_serve(control, handle, gone, &parts_made);
	parts_made = 0;
}

/* The socket file must be gone: rmdir() holds us to it. */
static void
end(void)
{
	control_close(control);
	UNIT_EQ(rmdir(folder), 0);
}

UNIT_CASE(requests_are_answered_in_order)
{
	int fd;

	begin();
	fd = connect_client();
	say(fd, "{\"command\":\"hello\",\"from\":1}\n{\"command\":\"he");
	CU_ASSERT_STRING_EQUAL(hear(fd), "{\"to\":1,\"ok\":true,\"more\":false}\n");
	say(fd, "llo\",\"from\":2}\n{\"command\":\"hello\",\"from\":3}\n");
	CU_ASSERT_STRING_EQUAL(hear(fd), "{\"to\":2,\"ok\":true,\"more\":false}\n"
					 "{\"to\":3,\"ok\":true,\"more\":false}\n");
	say(fd, "{\"command\":\"frob\"}\n");
	CU_ASSERT_STRING_EQUAL(hear(fd), "{\"ok\":false,\"error\":\"unknown command\"}\n");
	close(fd);
	turn(4);
	end();
}

UNIT_CASE(nonsense_is_refused_and_survived)
{
	static const char *const nonsense[] = {
		"\n",        "x\n", "[]\n", "{}\n", "{\"command\":1}\n", "{\"command\":\"hello\"\n",
		"\x01\xff\n"};
	char flood[CONTROL_REQUEST_BYTES];
	int fd;

	begin();
	fd = connect_client();
	for (size_t i = 0; i < sizeof(nonsense) / sizeof(nonsense[0]); i++) {
		say(fd, nonsense[i]);
		CU_ASSERT(strstr(hear(fd), "{\"ok\":false,\"error\":\"not a request") != NULL);
	}
	memset(flood, '[', sizeof(flood));
	flood[sizeof(flood) - 1] = '\n'; /* the longest line: refused by its depth alone */
	UNIT_EQ(send(fd, flood, sizeof(flood), MSG_NOSIGNAL), sizeof(flood));
	CU_ASSERT(strstr(hear(fd), "not a request") != NULL);
	flood[sizeof(flood) - 1] = '[';
	UNIT_EQ(send(fd, flood, sizeof(flood), MSG_NOSIGNAL), sizeof(flood));
	CU_ASSERT_STRING_EQUAL(hear(fd), "{\"ok\":false,\"error\":\"request too long\"}\n");
	CU_ASSERT_STRING_EQUAL(hear(fd), "<end>");
	close(fd);
	end();
}

UNIT_CASE(a_list_waits_for_a_slow_reader)
{
	int slow, other;
	char buf[PART_BYTES];
	size_t got = 0, lines = 0;
	ssize_t n;

	begin();
	slow = connect_client();
	other = connect_client();
	say(slow, "{\"command\":\"list\"}\n");
	turn(2 * PARTS);
	CU_ASSERT(parts_made > 1 && parts_made < PARTS); /* what the socket's buffer takes */
	say(other, "{\"command\":\"hello\",\"from\":1}\n");
	CU_ASSERT_STRING_EQUAL(hear(other), "{\"to\":1,\"ok\":true,\"more\":false}\n");
	while (lines < PARTS && (n = recv(slow, buf, sizeof(buf), 0)) != 0) {
		for (ssize_t i = 0; i < n; i++)
			lines += buf[i] == '\n';
		got += n > 0 ? (size_t)n : 0;
		turn(1);
	}
	UNIT_EQ(parts_made, PARTS);
	UNIT_EQ(lines, PARTS);
	CU_ASSERT(got > (size_t)PARTS * PART_BYTES);
	say(slow, "{\"command\":\"hello\",\"from\":1}\n");
	CU_ASSERT_STRING_EQUAL(hear(slow), "{\"to\":1,\"ok\":true,\"more\":false}\n");
	close(slow);
	close(other);
	end();
}

UNIT_CASE(a_client_may_go_at_any_time)
{
	int fd;

	begin();
	fd = connect_client();
	say(fd, "{\"command\":\"list\"}\n");
	turn(3);
	close(fd);
	turn(2 * PARTS);
	CU_ASSERT(parts_made < PARTS);
	fd = connect_client();
	say(fd, "{\"command\":\"hello\",\"from\":1}\n");
	shutdown(fd, SHUT_WR); /* asks, and will say no more */
	CU_ASSERT_STRING_EQUAL(hear(fd), "{\"to\":1,\"ok\":true,\"more\":false}\n");
	CU_ASSERT_STRING_EQUAL(hear(fd), "<end>");
	close(fd);
	end();
}

UNIT_CASE(clients_beyond_the_bound_wait)
{
	int fds[CONTROL_CLIENTS + 2];

	begin();
	for (int i = 0; i < CONTROL_CLIENTS + 2; i++) {
		fds[i] = connect_client();
		say(fds[i], "{\"command\":\"hello\",\"from\":1}\n");
		turn(4);
	}
	CU_ASSERT(hear(fds[CONTROL_CLIENTS - 1])[0] == '{');
	CU_ASSERT_STRING_EQUAL(hear(fds[CONTROL_CLIENTS]), "");
	close(fds[0]);
	close(fds[1]);
	CU_ASSERT(hear(fds[CONTROL_CLIENTS])[0] == '{');
	CU_ASSERT(hear(fds[CONTROL_CLIENTS + 1])[0] == '{');
	for (int i = 2; i < CONTROL_CLIENTS + 2; i++)
		close(fds[i]);
	end();
}

/* A request with descriptors: the handler gets the last, and nobody keeps any. */
static void
say_with(int fd, const char *text, const int *fds, unsigned int n)
{
	struct iovec iov = {.iov_base = (void *)(uintptr_t)text, .iov_len = strlen(text)};
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(4 * sizeof(int))];
	} control_bytes = {0};
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control_bytes.bytes,
		.msg_controllen = CMSG_SPACE(n * sizeof(int)),
	};
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);

	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(n * sizeof(int));
	memcpy(CMSG_DATA(cmsg), fds, n * sizeof(int));
	UNIT_EQ(sendmsg(fd, &msg, MSG_NOSIGNAL), (ssize_t)strlen(text));
}

UNIT_CASE(descriptors_come_along_and_none_is_kept)
{
	int fd, pipes[2], three[3];
	char byte;

	begin();
	gone_fd = -1;
	fd = connect_client();
	UNIT_EQ(pipe(pipes), 0);
	for (unsigned int n = 1; n <= 3; n++) {
		for (unsigned int i = 0; i < 3; i++)
			three[i] = pipes[1];
		say_with(fd, "{\"command\":\"hello\",\"from\":1}\n", three, n);
		CU_ASSERT_STRING_EQUAL(hear(fd), "{\"to\":1,\"ok\":true,\"more\":false}\n");
	}
	say_with(fd, "{\"comm", &pipes[1], 1);
	turn(4);
	close(pipes[1]);
	UNIT_EQ(gone_fd, -1);
	close(fd);
	turn(4);
	CU_ASSERT(gone_fd >= 0);
	/* The pipe has no writer left. */
	UNIT_EQ(read(pipes[0], &byte, 1), 0);
	close(pipes[0]);
	end();
}

UNIT_CASE(a_name_has_one_owner)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	struct stat st;
	int stale;

	begin();
	CU_ASSERT_PTR_NULL(control_open(folder, "t", (gid_t)-1));
	path_of(sun.sun_path, sizeof(sun.sun_path), "t");
	UNIT_EQ(stat(sun.sun_path, &st), 0);
	UNIT_EQ(st.st_mode & 07777, 0660);
	control_close(control);
	stale = socket(AF_UNIX, SOCK_STREAM, 0); /* what a killed process leaves behind */
	UNIT_EQ(bind(stale, (struct sockaddr *)&sun, sizeof(sun)), 0);
	close(stale);
	/* Root may give it to any group, others to their own. */
	control = control_open(folder, "t", geteuid() == 0 ? 4711 : getegid());
	CU_ASSERT_PTR_NOT_NULL(control);
	UNIT_EQ(stat(sun.sun_path, &st), 0);
	UNIT_EQ(st.st_gid, geteuid() == 0 ? 4711 : getegid());
	end();
}

UNIT_MAIN(UNIT_RUN(requests_are_answered_in_order), UNIT_RUN(nonsense_is_refused_and_survived),
	  UNIT_RUN(a_list_waits_for_a_slow_reader), UNIT_RUN(a_client_may_go_at_any_time),
	  UNIT_RUN(clients_beyond_the_bound_wait),
	  UNIT_RUN(descriptors_come_along_and_none_is_kept), UNIT_RUN(a_name_has_one_owner))
