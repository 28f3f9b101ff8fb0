/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Programs that give up what they do not need any more, and know nothing of Tern, for the interop
 * tests.
 *
 *     confined serve PORT N            N connections, each served by a child without files, user,
 *                                      further descriptors and system calls but a few
 *     confined connect HOST PORT FOLDER   gives up all files but the folder's, and its user, and
 *                                      connects then, as a user's child does
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	NOBODY = 65534,
};

static _Noreturn void
fail(const char *what)
{
	fprintf(stderr, "confined: %s: %s\n", what, strerror(errno));
	_exit(1);
}

static void
give_up_files_and_user(const char *folder)
{
	if (chroot(folder) < 0 || chdir("/") < 0)
		fail("chroot");
	if (setgroups(0, NULL) < 0 || setresgid(NOBODY, NOBODY, NOBODY) < 0 ||
	    setresuid(NOBODY, NOBODY, NOBODY) < 0)
		fail("setresuid");
}

/* Descriptors that are open stay so. */
static void
give_up_descriptors(void)
{
	struct rlimit one = {1, 1};

	if (setrlimit(RLIMIT_NOFILE, &one) < 0)
		fail("setrlimit");
	if (dup(0) >= 0)
		fail("a descriptor beyond the limit");
}

#define ALLOW(name)                                                                                \
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_##name, 0, 1),                                     \
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)

static void
give_up_calls(void)
{
	struct sock_filter rules[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		ALLOW(read),
		ALLOW(write),
		ALLOW(close),
		ALLOW(poll),
		ALLOW(ppoll),
		ALLOW(futex),
		ALLOW(rt_sigprocmask),
		ALLOW(brk),
		ALLOW(mmap),
		ALLOW(munmap),
		ALLOW(clock_gettime),
		ALLOW(exit_group),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
	};
	struct sock_fprog filter = {.len = sizeof(rules) / sizeof(rules[0]), .filter = rules};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) < 0)
		fail("prctl");
}

/* What fails here can only be told by the status. */
static _Noreturn void
serve_confined(int fd)
{
	struct pollfd readable = {.fd = fd, .events = POLLIN};
	char data[10000];
	ssize_t n;

	give_up_files_and_user("/proc/self/fdinfo");
	give_up_descriptors();
	give_up_calls();
	for (;;) {
		if (poll(&readable, 1, -1) != 1)
			_exit(2);
		n = read(fd, data, sizeof(data));
		if (n < 0)
			_exit(3);
		if (n == 0)
			break;
		for (ssize_t done = 0, some; done < n; done += some) {
			some = write(fd, data + done, (size_t)(n - done));
			if (some <= 0)
				_exit(4);
		}
	}
	if (close(fd) < 0)
		_exit(5);
	_exit(0);
}

static void
serve(const char *port, int n)
{
	struct sockaddr_in any = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port))};
	int listener = socket(AF_INET, SOCK_STREAM, 0), on = 1, status;

	if (listener < 0 || setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
	    bind(listener, (struct sockaddr *)&any, sizeof(any)) < 0 || listen(listener, 16) < 0)
		fail("listening");
	for (int i = 0; i < n; i++) {
		int fd = accept(listener, NULL, NULL);
		pid_t child;

		if (fd < 0)
			fail("accept");
		child = fork();
		if (child == 0)
			serve_confined(fd);
		close(fd);
		if (child < 0 || waitpid(child, &status, 0) != child)
			fail("fork");
		if (status != 0) {
			fprintf(stderr, "confined: the child's status is %#x\n", (unsigned)status);
			exit(1);
		}
	}
	close(listener);
}

static void
connect_afterwards(const char *host, const char *port, const char *folder)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port))};
	char said[16] = "";
	int fd;

	if (inet_pton(AF_INET, host, &to.sin_addr) != 1)
		fail(host);
	give_up_files_and_user(folder);
	fd = socket(AF_INET, SOCK_STREAM, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0)
		fail("connect");
	if (write(fd, "hello", 5) != 5 || recv(fd, said, 5, MSG_WAITALL) != 5 ||
	    strcmp(said, "hello") != 0)
		fail("echo");
	close(fd);
}

int
main(int argc, char **argv)
{
	if (argc == 4 && strcmp(argv[1], "serve") == 0)
		serve(argv[2], atoi(argv[3]));
	else if (argc == 5 && strcmp(argv[1], "connect") == 0)
		connect_afterwards(argv[2], argv[3], argv[4]);
	else
		return 2;
	return 0;
}
