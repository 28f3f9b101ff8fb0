/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * See polling.h. A socket that the kernel and Tern have both (side.h) is looked at on either side;
 * one that is undecided is the kernel's.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "epoll.h"
#include "kernel.h"
#include "polling.h"
#include "result.h"
#include "stream.h"
#include "tern.h"

enum {
	FEW = 64, /* fit on the stack */
};

/* What is waited for: the files of the descriptors that are Tern's, NULL for the others. */
struct polled {
	struct pollfd *fds;
	struct file **files;
	nfds_t n;
	struct pollfd *others; /* those that the kernel is to look at, in order */
};

static short
found(const struct polled *polled, nfds_t i)
{
	struct file *file = polled->files[i];
	short events;

	if (file->epoll != NULL)
		events = epoll_is_ready(file) ? POLLIN | POLLRDNORM : 0;
	else
		events = stream_events(file);
	return (short)(events & (polled->fds[i].events | POLLERR | POLLHUP));
}

static bool
is_terns(const struct polled *polled, nfds_t i)
{
	return polled->files[i] != NULL;
}

static bool
is_the_kernels(const struct polled *polled, nfds_t i)
{
	return polled->files[i] == NULL || polled->files[i]->side != FILE_TERN ||
	       polled->files[i]->epoll != NULL;
}

static bool
any_is_ready(const struct polled *polled)
{
	for (nfds_t i = 0; i < polled->n; i++)
		if (is_terns(polled, i) && found(polled, i) != 0)
			return true;
	return false;
}

/* What a wait looks at, on the heap: others may do so while its thread has left it. */
struct watched {
	struct file **files; /* arrays of a large poll, which are on the heap, too */
	struct pollfd *others;
	nfds_t n;
	struct {
		struct file *file;
		short events;
	} all[];
};

static bool
any_watched_is_ready(void *arg)
{
	const struct watched *watched = arg;

	for (nfds_t i = 0; i < watched->n; i++)
		if ((stream_events(watched->all[i].file) & watched->all[i].events) != 0)
			return true;
	return false;
}

static void
give_back(void *arg)
{
	struct watched *watched = arg;

	for (nfds_t i = 0; i < watched->n; i++)
		file_put(watched->all[i].file);
	free(watched->files);
	free(watched->others);
	free(watched);
}

/* Of Tern's alone. Returns NULL without memory. */
static struct watched *
watch(const struct polled *polled)
{
	struct watched *watched = malloc(sizeof(*watched) + polled->n * sizeof(watched->all[0]));

	if (watched == NULL)
		return NULL;
	watched->n = 0;
	watched->files = polled->n > FEW ? polled->files : NULL;
	watched->others = polled->n > FEW ? polled->others : NULL;
	for (nfds_t i = 0; i < polled->n; i++) {
		if (!is_terns(polled, i))
			continue;
		watched->all[watched->n].file = polled->files[i];
		watched->all[watched->n++].events =
			(short)(polled->fds[i].events | POLLERR | POLLHUP);
	}
	return watched;
}

/* Fills in all revents. Returns how many have some. */
static int
report(const struct polled *polled)
{
	const struct pollfd *other = polled->others;
	int n = 0;

	for (nfds_t i = 0; i < polled->n; i++) {
		short events = is_terns(polled, i) ? found(polled, i) : 0;

		if (is_the_kernels(polled, i))
			events = (short)(events | (other++)->revents);
		polled->fds[i].revents = events;
		n += events != 0;
	}
	return n;
}

/* Looks, and waits if nothing is ready. Returns 0 when something was, or a negative errno. */
static int
look_and_wait(struct polled *polled, int64_t deadline_ns, const sigset_t *mask)
{
	struct wait wait = {.ready = any_watched_is_ready,
			    .fds = polled->others,
			    .deadline_ns = deadline_ns,
			    .sigmask = mask,
			    .abandon = give_back};
	int status = 0;

	for (nfds_t i = 0; i < polled->n; i++)
		if (is_the_kernels(polled, i))
			polled->others[wait.n_fds++] = (struct pollfd){
				.fd = polled->fds[i].fd, .events = polled->fds[i].events};
	if (!any_is_ready(polled)) {
		wait.arg = wait.held = watch(polled);
		status = wait.arg == NULL ? -ENOMEM : wait_for(&wait);
		free(wait.arg);
	} else if (wait.n_fds > 0)
		status = kernel.poll(polled->others, wait.n_fds, 0) < 0 ? -errno : 0;
	return status;
}

/*
 * What was ready may be so no longer when it is to be reported: the lane has come to what was sent
 * before, and there is no room any more. That is no reason to tell of nothing before the time.
 */
static int
poll_all(struct polled *polled, int64_t deadline_ns, const sigset_t *mask)
{
	int status, n;

	do {
		status = look_and_wait(polled, deadline_ns, mask);
		if (status < 0 && status != -ETIMEDOUT)
			return status;
		n = report(polled);
	} while (n == 0 && status == 0);
	return n;
}

int
poll_until(struct pollfd *fds, nfds_t n, int64_t deadline_ns, const sigset_t *mask)
{
	struct file *few_files[FEW];
	struct pollfd few_others[FEW];
	struct polled polled = {.fds = fds, .n = n, .files = few_files, .others = few_others};
	int status = -ENOMEM;

	pthread_testcancel();
	if (fds == NULL && n > 0)
		return -EFAULT;
	if (n > FEW) {
		polled.files = calloc(n, sizeof(*polled.files));
		polled.others = calloc(n, sizeof(*polled.others));
	}
	if (polled.files != NULL && polled.others != NULL) {
		for (nfds_t i = 0; i < n; i++)
			polled.files[i] = file_get(fds[i].fd);
		status = poll_all(&polled, deadline_ns, mask);
		for (nfds_t i = 0; i < n; i++)
			if (polled.files[i] != NULL)
				file_put(polled.files[i]);
	}
	if (n > FEW) {
		free(polled.files);
		free(polled.others);
	}
	return status;
}

int
tern_poll(struct pollfd *fds, nfds_t n, int timeout_ms)
{
	int64_t deadline_ns = WAIT_FOREVER;

	if (timeout_ms >= 0)
		deadline_ns = wait_now_ns() + timeout_ms * INT64_C(1000000);
	return tern_result(poll_until(fds, n, deadline_ns, NULL));
}

int
tern_ppoll(struct pollfd *fds, nfds_t n, const struct timespec *timeout, const sigset_t *mask)
{
	int64_t deadline_ns = wait_limit_ns(timeout);

	if (deadline_ns < 0)
		return tern_result(-EINVAL);
	return tern_result(poll_until(fds, n, deadline_ns, mask));
}
