/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Endless streams; see load.c. Counted is what was read, or what the peer has acknowledged.
 */
#include <errno.h>
#include <linux/sockios.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "load.h"

enum {
	EVENTS = 64,
	PATIENCE_MS = 5000,
};

static char *buffer;
static uint64_t moved; /* bytes read, or taken by the send queues */

static void
move(bool up, int fd)
{
	ssize_t n =
		up ? send(fd, buffer, LOAD_BUFFER, MSG_NOSIGNAL) : recv(fd, buffer, LOAD_BUFFER, 0);

	if (n < 0 && errno != EAGAIN)
		load_fail(up ? "send" : "recv");
	if (n == 0)
		load_wrong("the server ended the stream");
	if (n > 0)
		moved += (uint64_t)n;
}

/* What the peers have, or have sent, so far. */
static uint64_t
done(bool up, const int *fds, unsigned int n)
{
	uint64_t queued = 0;

	for (unsigned int i = 0; up && i < n; i++) {
		int bytes = 0;

		if (ioctl(fds[i], SIOCOUTQ, &bytes) < 0)
			load_fail("SIOCOUTQ");
		queued += (uint64_t)bytes;
	}
	return moved - queued;
}

void
load_streams(const struct load_options *options, struct load_result *result)
{
	unsigned int n = options->connections;
	bool up = options->what == LOAD_UP, measuring = false;
	int *fds = calloc(n, sizeof(*fds)), epoll = load_epoll();
	struct epoll_event events[EVENTS];
	int64_t now_ns = load_now_ns(), begin_ns = now_ns + (int64_t)(options->warm_up_s * 1e9);
	int64_t end_ns = begin_ns + (int64_t)(options->seconds * 1e9);

	buffer = calloc(1, LOAD_BUFFER);
	if (fds == NULL || buffer == NULL)
		load_fail("memory");
	for (unsigned int i = 0; i < n; i++) {
		fds[i] = load_socket(options);
		load_watch(epoll, fds[i], up ? EPOLLOUT : EPOLLIN, &fds[i]);
	}
	while ((now_ns = load_now_ns()) < end_ns) {
		int ready = epoll_wait(epoll, events, EVENTS, options->spin ? 0 : PATIENCE_MS);

		if (ready < 0 || (ready == 0 && !options->spin))
			load_wrong("a stream has stopped");
		for (int i = 0; i < ready; i++)
			move(up, *(const int *)events[i].data.ptr);
		if (!measuring && now_ns >= begin_ns) {
			measuring = true;
			begin_ns = load_now_ns();
			result->bytes = done(up, fds, n);
		}
	}
	result->bytes = done(up, fds, n) - result->bytes;
	result->seconds = (double)(load_now_ns() - begin_ns) / 1e9;
	for (unsigned int i = 0; i < n; i++)
		close(fds[i]);
	free(fds);
	free(buffer);
}
