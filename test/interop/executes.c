/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A server that knows nothing of Tern and hands its sockets to other programs, for the interop
 * tests.
 *
 *     executes HOW PORT N     N connections, each served by `cat`, which is started by fork and
 *                             exec, vfork and exec, posix_spawn, or posix_spawnp; HOW: fork, vfork,
 *                             spawn, spawnp
 *     executes environ PORT 1 the same with an environment that names nothing
 *     executes itself PORT    serves a connection until it says "again", executes itself, and goes
 *                             on with it, and with one more of the same listener
 *     executes keep PORT      a child executes `sleep 30` while a connection ends that closes on
 *                             exec
 *     executes options PORT   executes itself with a connection that has SO_LINGER and TCP_INQ
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static _Noreturn void
fail(const char *what)
{
	fprintf(stderr, "executes: %s: %s\n", what, strerror(errno));
	_exit(1);
}

static int
listen_on(const char *port)
{
	struct sockaddr_in any = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port))};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
	    bind(fd, (struct sockaddr *)&any, sizeof(any)) < 0 || listen(fd, 16) < 0)
		fail("listening");
	return fd;
}

static int
accept_one(int listener, int flags)
{
	int fd = accept4(listener, NULL, NULL, flags);

	if (fd < 0)
		fail("accept");
	return fd;
}

/* In the child: a connection is its input and output, and nothing else is open. */
static void
take_as_stdio(int fd)
{
	if (dup2(fd, 0) < 0 || dup2(fd, 1) < 0)
		fail("dup2");
	close(fd);
}

static pid_t
fork_cat(int fd, pid_t child, int with_environment)
{
	char *empty[] = {NULL};

	if (child != 0)
		return child;
	take_as_stdio(fd);
	if (with_environment)
		execlp("cat", "cat", "-u", (char *)NULL);
	else
		execle("/bin/cat", "cat", "-u", (char *)NULL, empty);
	fail("cat");
}

static pid_t
vfork_cat(int fd)
{
	pid_t child = vfork();

	return child == 0 ? fork_cat(fd, child, 1) : child;
}

static pid_t
spawn_cat(int fd, int by_path)
{
	char *argv[] = {(char *)"cat", (char *)"-u", NULL};
	posix_spawn_file_actions_t actions;
	pid_t child = -1;
	int status;

	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, fd, 0);
	posix_spawn_file_actions_adddup2(&actions, 0, 1);
	posix_spawn_file_actions_addclose(&actions, fd);
	if (by_path)
		status = posix_spawn(&child, "/bin/cat", &actions, NULL, argv, environ);
	else
		status = posix_spawnp(&child, "cat", &actions, NULL, argv, environ);
	errno = status;
	if (status != 0)
		fail("posix_spawn");
	posix_spawn_file_actions_destroy(&actions);
	return child;
}

static void
serve(const char *how, const char *port, int n)
{
	int listener = listen_on(port), status;

	while (n-- > 0) {
		int fd = accept_one(listener, 0);
		pid_t child;

		if (strncmp(how, "spawn", 5) == 0)
			child = spawn_cat(fd, how[5] == '\0');
		else if (strcmp(how, "vfork") == 0)
			child = vfork_cat(fd);
		else
			child = fork_cat(fd, fork(), strcmp(how, "environ") != 0);
		if (child < 0)
			fail("no child");
		close(fd);
		if (waitpid(child, &status, 0) != child || status != 0)
			fail("cat's status");
	}
}

static void
echo_until_end(int fd)
{
	char buffer[65536];
	ssize_t n;

	while ((n = read(fd, buffer, sizeof(buffer))) > 0)
		if (write(fd, buffer, (size_t)n) != n)
			fail("write");
	if (n < 0)
		fail("read");
	close(fd);
}

/* Says which image it speaks for, once it hears from its peer. */
static void
answer(int fd, const char *image)
{
	char byte;

	if (read(fd, &byte, 1) != 1 || write(fd, image, strlen(image)) != (ssize_t)strlen(image))
		fail(image);
}

static void
execute_itself(char **argv)
{
	char *again[] = {argv[0], (char *)"again", NULL, NULL, NULL};
	int listener = listen_on(argv[2]), fd;
	char numbers[2][12];

	fd = accept_one(listener, 0);
	answer(fd, "first");
	fcntl(listener, F_SETFD, 0);
	for (int i = 0; i < 2; i++) {
		snprintf(numbers[i], sizeof(numbers[i]), "%d", i == 0 ? listener : fd);
		again[2 + i] = numbers[i];
	}
	if (execv("/nowhere", again) == 0 || errno != ENOENT)
		fail("exec of nothing");
	answer(fd, "still");
	execv("/proc/self/exe", again);
	fail("exec");
}

static void
keep(const char *port)
{
	int listener = listen_on(port), fd = accept_one(listener, SOCK_CLOEXEC);
	int other = accept_one(listener, 0);
	pid_t child = fork();

	if (child == 0) {
		execlp("sleep", "sleep", "30", (char *)NULL);
		fail("sleep");
	}
	close(fd); /* its peer hears of it; that of the other does not */
	close(other);
	waitpid(child, NULL, 0);
}

/* Options that the library keeps itself: how long close() waits, and that a read tells what is
 * left. The next image must find them. */
static void
execute_with_options(char **argv)
{
	struct linger linger = {1, 1};
	int listener = listen_on(argv[2]), fd = accept_one(listener, 0), on = 1;
	char number[12];

	if (setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)) < 0 ||
	    setsockopt(fd, IPPROTO_TCP, TCP_INQ, &on, sizeof(on)) < 0)
		fail("setsockopt");
	snprintf(number, sizeof(number), "%d", fd);
	execl("/proc/self/exe", argv[0], "has-options", number, (char *)NULL);
	fail("exec");
}

static int64_t
now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * INT64_C(1000) + now.tv_nsec / 1000000;
}

/* The peer reads nothing. */
static void
find_options(int fd)
{
	static char data[65536];
	char control[64];
	struct iovec iov = {data, 1};
	struct msghdr message = {.msg_iov = &iov,
				 .msg_iovlen = 1,
				 .msg_control = control,
				 .msg_controllen = sizeof(control)};
	const struct cmsghdr *cmsg;
	int64_t start_ms;

	if (recvmsg(fd, &message, 0) != 1)
		fail("recvmsg");
	cmsg = CMSG_FIRSTHDR(&message);
	if (cmsg == NULL || cmsg->cmsg_level != IPPROTO_TCP || cmsg->cmsg_type != TCP_CM_INQ)
		fail("TCP_INQ");
	for (int idle = 0; idle < 20; idle++) /* until what can be taken is */
		while (send(fd, data, sizeof(data), MSG_DONTWAIT) > 0)
			idle = 0;
	start_ms = now_ms();
	close(fd);
	if (now_ms() - start_ms < 900)
		fail("close() does not wait");
}

int
main(int argc, char **argv)
{
	if (argc == 3 && strcmp(argv[1], "options") == 0) {
		execute_with_options(argv);
	} else if (argc == 3 && strcmp(argv[1], "has-options") == 0) {
		find_options(atoi(argv[2]));
	} else if (argc == 4 && strcmp(argv[1], "again") == 0) {
		answer(atoi(argv[3]), "second");
		echo_until_end(atoi(argv[3]));
		echo_until_end(accept_one(atoi(argv[2]), 0));
	} else if (argc == 3 && strcmp(argv[1], "itself") == 0) {
		execute_itself(argv);
	} else if (argc == 3 && strcmp(argv[1], "keep") == 0) {
		keep(argv[2]);
	} else if (argc == 4) {
		serve(argv[1], argv[2], atoi(argv[3]));
	} else {
		return 2;
	}
	return 0;
}
