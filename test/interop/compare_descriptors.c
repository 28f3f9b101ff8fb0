/* SPDX-License-Identifier: BSD-3-Clause */
/* The comparison test's cases of descriptors: dup, fcntl, ioctl, fork. */
#include <fcntl.h>
#include <linux/sockios.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "compare.h"

static void
duplicates(void)
{
	struct pair pair = connect_pair(AF_INET);
	int copy, high, pipes[2];
	char bytes[4];

	HOLDS((copy = dup(pair.fd)) > pair.fd);
	GIVES(0, fcntl(copy, F_GETFD));
	GIVES(3, peer_send(pair.peer, 3, 0));
	HOLDS(await(copy, POLLIN));
	GIVES(1, recv(pair.fd, bytes, 1, 0));
	GIVES(2, recv(copy, bytes, 4, 0));
	/* One O_NONBLOCK for both, one FD_CLOEXEC for each. */
	GIVES(0, fcntl(pair.fd, F_SETFL, O_NONBLOCK));
	GIVES(O_RDWR | O_NONBLOCK, fcntl(copy, F_GETFL));
	FAILS(EAGAIN, recv(copy, bytes, 1, 0));
	GIVES(0, fcntl(copy, F_SETFD, FD_CLOEXEC));
	GIVES(0, fcntl(pair.fd, F_GETFD));
	/* The last one closes. */
	GIVES(0, close(pair.fd));
	POLLS(CAN_WRITE, copy);
	GIVES(1, send(copy, "", 1, 0));
	GIVES(1, peer_receive(pair.peer, 1));
	HOLDS((high = fcntl(copy, F_DUPFD, 90)) >= 90);
	GIVES(0, fcntl(high, F_GETFD));
	GIVES(0, close(copy));
	HOLDS((copy = fcntl(high, F_DUPFD_CLOEXEC, 0)) >= 0);
	GIVES(FD_CLOEXEC, fcntl(copy, F_GETFD));
	GIVES(0, close(copy));
	FAILS(EINVAL, fcntl(high, F_DUPFD, -1));
	FAILS(EBADF, dup(copy));
	/* Over another descriptor, which closes. */
	GIVES(0, pipe(pipes));
	GIVES(pipes[1], dup2(high, pipes[1]));
	GIVES(0, read(pipes[0], bytes, 1));
	GIVES(0, close(high));
	POLLS(CAN_WRITE, pipes[1]);
	GIVES(0, close(pipes[1]));
	GIVES(0, peer_at_end(pair.peer));
}

static void
duplicates_over(void)
{
	struct pair a = connect_pair(AF_INET), b = connect_pair(AF_INET);
	struct address got = {.bytes = sizeof(got.storage)};
	int pipes[2];

	FAILS(EINVAL, dup3(a.fd, a.fd, 0));
	FAILS(EINVAL, dup3(a.fd, b.fd, 1));
	GIVES(0, getpeername(b.fd, &got.any, &got.bytes));
	FAILS(EBADF, dup2(a.fd + 60, a.fd));
	FAILS(EBADF, dup2(a.fd, -1));
	GIVES(a.fd, dup2(a.fd, a.fd));
	FAILS(EBADF, dup2(a.fd + 60, a.fd + 60));
	/* A socket over a socket: the second one closes. */
	GIVES(b.fd, dup3(a.fd, b.fd, O_CLOEXEC));
	GIVES(FD_CLOEXEC, fcntl(b.fd, F_GETFD));
	GIVES(0, peer_at_end(b.peer));
	GIVES(1, send(b.fd, "", 1, 0));
	GIVES(1, peer_receive(a.peer, 1));
	/* A pipe over a socket. */
	GIVES(0, pipe(pipes));
	GIVES(b.fd, dup2(pipes[1], b.fd));
	GIVES(1, write(b.fd, "x", 1));
	FAILS(ENOTSOCK, send(b.fd, "x", 1, 0));
	GIVES(a.fd, dup2(pipes[0], a.fd));
	GIVES(0, peer_at_end(a.peer));
}

static void
flags(void)
{
	struct pair pair = connect_pair(AF_INET);
	int on = 1, off = 0;
	struct stat st;

	GIVES(O_RDWR, fcntl(pair.fd, F_GETFL));
	GIVES(0, ioctl(pair.fd, FIONBIO, &on));
	GIVES(O_RDWR | O_NONBLOCK, fcntl(pair.fd, F_GETFL));
	GIVES(0, ioctl(pair.fd, FIONBIO, &off));
	GIVES(O_RDWR, fcntl(pair.fd, F_GETFL));
	/* Flags of opening, and what makes no sense, are not changed. */
	GIVES(0, fcntl(pair.fd, F_SETFL, O_NONBLOCK | O_WRONLY | O_CREAT));
	GIVES(O_RDWR | O_NONBLOCK, fcntl(pair.fd, F_GETFL));
	GIVES(0, fcntl(pair.fd, F_SETFL, 0));
	GIVES(0, ioctl(pair.fd, FIOCLEX));
	GIVES(FD_CLOEXEC, fcntl(pair.fd, F_GETFD));
	GIVES(0, ioctl(pair.fd, FIONCLEX));
	GIVES(0, fcntl(pair.fd, F_GETFD));
	/* They have no argument: what stands in its place does not matter. */
	GIVES(0, ioctl(pair.fd, FIOCLEX, NULL));
	GIVES(FD_CLOEXEC, fcntl(pair.fd, F_GETFD));
	GIVES(0, ioctl(pair.fd, FIONCLEX, NULL));
	GIVES(0, fcntl(pair.fd, F_GETFD));
	FAILS(EINVAL, fcntl(pair.fd, 9999, 0));
	GIVES(0, fstat(pair.fd, &st));
	HOLDS(S_ISSOCK(st.st_mode));
	GIVES(0, fcntl(pair.fd, F_SETOWN, getpid()));
	GIVES(getpid(), fcntl(pair.fd, F_GETOWN));
}

static void
counts(void)
{
	struct pair pair = connect_pair(AF_INET);
	int value = -1, listener = new_listener(AF_INET, 1), fresh = new_socket(AF_INET, 0);

	GIVES(0, ioctl(pair.fd, FIONREAD, &value));
	GIVES(0, value);
	GIVES(7, peer_send(pair.peer, 7, 0));
	HOLDS(await(pair.fd, POLLIN));
	GIVES(0, ioctl(pair.fd, SIOCINQ, &value));
	GIVES(7, value);
	GIVES(0, ioctl(pair.fd, SIOCOUTQ, &value));
	GIVES(0, value);
	GIVES(0, ioctl(fresh, FIONREAD, &value));
	GIVES(0, value);
	FAILS(EINVAL, ioctl(listener, FIONREAD, &value));
	FAILS(EINVAL, ioctl(listener, SIOCOUTQ, &value));
	FAILS(EFAULT, ioctl(pair.fd, FIONREAD, NULL));
	FAILS(ENOTTY, ioctl(pair.fd, 0x12345, &value));
	GIVES(0, peer_shutdown(pair.peer, SHUT_WR));
	HOLDS(await(pair.fd, POLLRDHUP));
	GIVES(0, ioctl(pair.fd, FIONREAD, &value));
	GIVES(7, value);
}

/* Both have it; it closes when both have closed. */
static void
fork_shares(void)
{
	struct pair pair = connect_pair(AF_INET);
	int status = -1;
	char bytes[8];
	pid_t child;

	GIVES(6, peer_send(pair.peer, 6, 0));
	HOLDS(await(pair.fd, POLLIN));
	GIVES(2, recv(pair.fd, bytes, 2, 0));
	child = fork();
	if (child == 0) {
		alarm(10);
		status = recv(pair.fd, bytes, 2, 0) == 2 && bytes[0] == 2 ? 0 : 1;
		status |= send(pair.fd, "", 1, 0) == 1 ? 0 : 2;
		_exit(status);
	}
	HOLDS(child > 0);
	GIVES(child, waitpid(child, &status, 0));
	GIVES(0, status);
	/* What the child has done is done. */
	GIVES(2, recv(pair.fd, bytes, 8, 0));
	GIVES(4, bytes[0]);
	GIVES(1, peer_receive(pair.peer, 1));
	POLLS(CAN_WRITE, pair.fd);
	child = fork();
	if (child == 0) {
		alarm(10);
		sleep_ms(200);
		_exit(send(pair.fd, "\1", 1, 0) == 1 ? 0 : 1);
	}
	GIVES(0, close(pair.fd));
	GIVES(1, peer_receive(pair.peer, 1));
	GIVES(child, waitpid(child, &status, 0));
	GIVES(0, status);
	GIVES(0, peer_at_end(pair.peer));
}

/* shutdown() is for all who have it. */
static void
fork_shuts(void)
{
	struct pair pair = connect_pair(AF_INET);
	int status = -1;
	pid_t child = fork();

	if (child == 0) {
		alarm(10);
		_exit(shutdown(pair.fd, SHUT_WR) == 0 ? 0 : 1);
	}
	GIVES(child, waitpid(child, &status, 0));
	GIVES(0, status);
	FAILS(EPIPE, send(pair.fd, "x", 1, MSG_NOSIGNAL));
	GIVES(0, peer_at_end(pair.peer));
}

/* Two processes accept from one listener: each connection goes to one. */
static void
fork_accepts(void)
{
	int listener = new_listener(AF_INET, 8), status = -1, peers[4];
	struct address to = address_own(AF_INET, port_of(listener));
	char byte = 0;
	pid_t child = fork();

	if (child == 0) {
		alarm(10);
		for (int i = 0; i < 2; i++) {
			int fd = accept(listener, NULL, NULL);

			if (fd < 0 || send(fd, &byte, 1, 0) != 1)
				_exit(1);
		}
		_exit(0);
	}
	for (int i = 0; i < 2; i++) {
		HOLDS((peers[i] = peer_connect(&to)) >= 0);
		GIVES(1, peer_receive(peers[i], 1));
	}
	GIVES(child, waitpid(child, &status, 0));
	GIVES(0, status);
	/* The child's connections have closed with it, the listener has not. */
	GIVES(0, peer_at_end(peers[0]));
	GIVES(0, peer_at_end(peers[1]));
	HOLDS((peers[2] = peer_connect(&to)) >= 0);
	HOLDS(accept(listener, NULL, NULL) >= 0);
}

const struct compare_case compare_descriptors_cases[] = {
	{"duplicates", duplicates},
	{"duplicates_over", duplicates_over},
	{"flags", flags},
	{"counts", counts},
	{"fork_shares", fork_shares},
	{"fork_shuts", fork_shuts},
	{"fork_accepts", fork_accepts},
	{0},
};
