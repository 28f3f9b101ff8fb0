/* SPDX-License-Identifier: BSD-3-Clause */
/* See descriptors_of.h: pidfd_getfd(), which takes the right to trace the process, and SCM_RIGHTS.
 */
#include "descriptors_of.h"
#include "pass.h"

#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <linux/tcp.h>
#include <netinet/in.h>

enum {
	PASSED_MAX = 253, /* SCM_MAX_FD */
	STATE_CLOSE = 7,  /* TCP_INFO's */
	STATE_LISTEN = 10,
	PATIENCE_S = 10, /* for the program that passes */
};

static int
failed(char *why, size_t size, const char *what, const char *reason)
{
	snprintf(why, size, "%s: %s", what, reason);
	return -1;
}

static int
append(struct descriptors *descriptors, int fd, int theirs)
{
	if (descriptors->n == descriptors->room) {
		unsigned int room = descriptors->room * 2 + 16;
		struct borrowed *more = realloc(descriptors->list, room * sizeof(*more));

		if (more == NULL)
			return -1;
		descriptors->list = more;
		descriptors->room = room;
	}
	descriptors->list[descriptors->n++] = (struct borrowed){.fd = fd, .theirs = theirs};
	return 0;
}

/* ---- Of a process */

static int
open_process(pid_t pid, char *why, size_t size)
{
	int process = (int)syscall(SYS_pidfd_open, pid, 0);
	char what[32];

	snprintf(what, sizeof(what), "process %d", (int)pid);
	if (process < 0)
		return failed(why, size, what, errno == ESRCH ? "there is none" : strerror(errno));
	return process;
}

/* A duplicate; -1 with errno. */
static int
duplicate(int process, int number)
{
	return (int)syscall(SYS_pidfd_getfd, process, number, 0);
}

int
descriptors_get(struct descriptors *descriptors, pid_t pid, int number, char *why, size_t size)
{
	int process = open_process(pid, why, size), fd;
	char what[64];

	if (process < 0)
		return -1;
	fd = duplicate(process, number);
	snprintf(what, sizeof(what), "descriptor %d of process %d", number, (int)pid);
	if (fd < 0)
		failed(why, size, what,
		       errno == EBADF   ? "there is none"
		       : errno == EPERM ? "that takes the right to trace the process"
					: strerror(errno));
	close(process);
	if (fd >= 0 && append(descriptors, fd, number) < 0) {
		close(fd);
		return failed(why, size, what, "no memory");
	}
	return fd < 0 ? -1 : 0;
}

static bool
is_connection(int fd)
{
	struct tcp_info info;
	socklen_t bytes = sizeof(info), n = sizeof(int);
	int protocol = 0;

	memset(&info, 0, sizeof(info));
	return getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &n) == 0 &&
	       protocol == IPPROTO_TCP &&
	       getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &bytes) == 0 &&
	       info.tcpi_state != STATE_CLOSE && info.tcpi_state != STATE_LISTEN;
}

/* Descriptors of one socket have the same inode. */
static bool
is_there(const struct descriptors *descriptors, int fd)
{
	struct stat one, other;

	if (fstat(fd, &one) < 0)
		return true;
	for (unsigned int i = 0; i < descriptors->n; i++)
		if (fstat(descriptors->list[i].fd, &other) == 0 && one.st_ino == other.st_ino)
			return true;
	return false;
}

static int
take_number(struct descriptors *descriptors, int process, const char *name)
{
	char *end;
	long number = strtol(name, &end, 10);
	int fd;

	if (end == name || *end != '\0')
		return 0;
	fd = duplicate(process, (int)number);
	if (fd < 0)
		return errno == EBADF ? 0 : -1; /* closed meanwhile */
	if (is_connection(fd) && !is_there(descriptors, fd))
		return append(descriptors, fd, (int)number);
	close(fd);
	return 0;
}

int
descriptors_get_all(struct descriptors *descriptors, pid_t pid, char *why, size_t size)
{
	int process = open_process(pid, why, size), status = 0;
	struct dirent *entry;
	char path[64];
	DIR *dir;

	if (process < 0)
		return -1;
	snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	dir = opendir(path);
	if (dir == NULL)
		status = -1;
	while (status == 0 && (entry = readdir(dir)) != NULL)
		status = take_number(descriptors, process, entry->d_name);
	if (status < 0)
		failed(why, size, path, strerror(errno));
	else if (descriptors->n == 0)
		status = failed(why, size, path, "there is no connection of TCP among them");
	if (dir != NULL)
		closedir(dir);
	close(process);
	return status;
}

/* ---- Over a Unix socket */

int
descriptors_connect(const char *path, char *why, size_t size)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	struct timeval patience = {.tv_sec = PATIENCE_S};
	int fd;

	if (strlen(path) >= sizeof(to.sun_path))
		return failed(why, size, path, "too long for the path of a socket");
	strcpy(to.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0) {
		failed(why, size, path, strerror(errno));
		if (fd >= 0)
			close(fd);
		return -1;
	}
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	return fd;
}

static int
take_passed(struct descriptors *descriptors, struct msghdr *message)
{
	struct cmsghdr *control = CMSG_FIRSTHDR(message);
	int status = 0;

	for (; control != NULL; control = CMSG_NXTHDR(message, control)) {
		size_t n = (control->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		int fd;

		if (control->cmsg_level != SOL_SOCKET || control->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < n; i++) {
			memcpy(&fd, CMSG_DATA(control) + i * sizeof(fd), sizeof(fd));
			if (append(descriptors, fd, -1) < 0) {
				close(fd);
				status = -1;
			}
		}
	}
	return status;
}

int
descriptors_receive(struct descriptors *descriptors, const char *path, int *channel, char *why,
		    size_t size)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(PASSED_MAX * sizeof(int))];
	} control;
	char byte;
	struct iovec io = {.iov_base = &byte, .iov_len = 1};
	struct msghdr message = {
		.msg_iov = &io,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes),
	};
	ssize_t n;

	*channel = descriptors_connect(path, why, size);
	if (*channel < 0)
		return -1;
	n = recvmsg(*channel, &message, MSG_CMSG_CLOEXEC);
	if (n < 0)
		return failed(why, size, path,
			      errno == EAGAIN ? "nothing comes from there" : strerror(errno));
	if (n > 0 && take_passed(descriptors, &message) < 0)
		return failed(why, size, path, "no memory");
	if (descriptors->n == 0)
		return failed(why, size, path, "no descriptor came with the first byte");
	return 0;
}

int
descriptors_pass(int channel, int fd, char *why, size_t size)
{
	if (pass_fd(channel, "c", 1, fd) != 1)
		return failed(why, size, "passing a connection", strerror(errno));
	return 0;
}

void
descriptors_close(struct descriptors *descriptors)
{
	for (unsigned int i = 0; i < descriptors->n; i++)
		close(descriptors->list[i].fd);
	free(descriptors->list);
	memset(descriptors, 0, sizeof(*descriptors));
}
