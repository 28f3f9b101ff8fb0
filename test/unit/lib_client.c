/* SPDX-License-Identifier: BSD-3-Clause */
/* lib/client.c: which socket is meant, and what is made of ternd's answers. */
#include <sys/socket.h>
#include <unistd.h>

#include "unit.h"

#include "lib/client.h"

static char folder[] = "/tmp/tern-client-XXXXXX";

static void
make_file(const char *name)
{
	char path[128];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	f = fopen(path, "w");
	CU_ASSERT_PTR_NOT_NULL_FATAL(f);
	fclose(f);
}

static void
remove_file(const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	unlink(path);
}

UNIT_CASE(the_socket_is_found)
{
	char path[128], expected[128];

	strcpy(folder + strlen(folder) - 6, "XXXXXX");
	CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(folder));
	unsetenv("TERN_SOCKET");
	UNIT_EQ(client_find(NULL, "/nonexistent", path, sizeof(path)), -1);
	UNIT_EQ(client_find(NULL, folder, path, sizeof(path)), -1);
	make_file("notes.txt");
	make_file(".sock");
	UNIT_EQ(client_find(NULL, folder, path, sizeof(path)), -1);
	make_file("one.sock");
	UNIT_EQ(client_find(NULL, folder, path, sizeof(path)), 0);
	snprintf(expected, sizeof(expected), "%s/one.sock", folder);
	CU_ASSERT_STRING_EQUAL(path, expected);
	make_file("two.sock");
	UNIT_EQ(client_find(NULL, folder, path, sizeof(path)), -1);
	setenv("TERN_SOCKET", "/from/env", 1);
	UNIT_EQ(client_find(NULL, folder, path, sizeof(path)), 0);
	CU_ASSERT_STRING_EQUAL(path, "/from/env");
	UNIT_EQ(client_find("/given", folder, path, sizeof(path)), 0);
	CU_ASSERT_STRING_EQUAL(path, "/given");
	remove_file("notes.txt");
	remove_file(".sock");
	remove_file("one.sock");
	remove_file("two.sock");
	UNIT_EQ(rmdir(folder), 0);
}

/* A client whose ternd is the other end of a socket pair. */
static int
pair_with(struct client *client)
{
	int fds[2];

	memset(client, 0, sizeof(*client));
	CU_ASSERT_EQUAL_FATAL(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	client->fd = fds[0];
	return fds[1];
}

static void
say(int fd, const char *text)
{
	UNIT_EQ(write(fd, text, strlen(text)), strlen(text));
}

UNIT_CASE(answers_are_taken_line_by_line)
{
	struct client client;
	char request[128];
	json_t *answer;
	int ternd = pair_with(&client);
	ssize_t n;

	UNIT_EQ(client_request(&client, json_pack("{s:s}", "command", "ss")), 0);
	n = read(ternd, request, sizeof(request));
	UNIT_EQ(n, strlen("{\"command\":\"ss\"}\n"));
	CU_ASSERT(n > 0 && memcmp(request, "{\"command\":\"ss\"}\n", (size_t)n) == 0);
	say(ternd, "{\"ok\":true,\"n\":1}\n{\"ok\":true,\"n\":2}\n{\"ok\"");
	for (int i = 1; i <= 2; i++) {
		answer = client_answer(&client);
		UNIT_EQ(json_integer_value(json_object_get(answer, "n")), i);
		json_decref(answer);
	}
	say(ternd, ":true,\"n\":3}\n");
	answer = client_answer(&client);
	UNIT_EQ(json_integer_value(json_object_get(answer, "n")), 3);
	json_decref(answer);
	close(ternd);
	CU_ASSERT_PTR_NULL(client_answer(&client));
	client_close(&client);
}

UNIT_CASE(errors_and_nonsense_are_no_answers)
{
	struct client client;
	int ternd = pair_with(&client);

	say(ternd, "{\"ok\":false,\"error\":\"no\"}\n{\"ok\":false}\n[]\nx\n\n{}\n");
	for (int i = 0; i < 6; i++)
		CU_ASSERT_PTR_NULL(client_answer(&client));
	close(ternd);
	client_close(&client);
}

UNIT_MAIN(UNIT_RUN(the_socket_is_found), UNIT_RUN(answers_are_taken_line_by_line),
	  UNIT_RUN(errors_and_nonsense_are_no_answers))
