/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Descriptors of the shim: sockets and epoll instances, and waiting for them. Linux's semantics of
 * level, edge (EPOLLET) and one shot; an edge is a notification of the engine.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "shim.h"

static struct shim_file files[SHIM_FILES];

struct shim_file *
shim_file(int fd)
{
	return fd >= 0 && fd < SHIM_FILES && files[fd].kind != FILE_NONE ? &files[fd] : NULL;
}

int
shim_file_new(int kind)
{
	/* Our own close() must not see it. */
	int fd = (int)syscall(SYS_openat, AT_FDCWD, "/dev/null", O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return -1;
	if (fd >= SHIM_FILES) {
		syscall(SYS_close, fd);
		errno = EMFILE;
		return -1;
	}
	memset(&files[fd], 0, sizeof(files[fd]));
	files[fd].kind = kind == FILE_EPOLL ? FILE_EPOLL : FILE_SOCKET;
	files[fd].flags = O_RDWR;
	for (int i = 0; i < SHIM_WATCHES; i++)
		files[fd].watches[i].fd = -1;
	return fd;
}

void
shim_file_close(int fd)
{
	struct shim_file *f = &files[fd];

	if (f->kind == FILE_SOCKET && f->c != NULL)
		tcp_close(f->c);
	for (int i = 0; i < SHIM_FILES; i++)
		for (int j = 0; j < SHIM_WATCHES && files[i].kind == FILE_EPOLL; j++)
			if (files[i].watches[j].fd == fd)
				files[i].watches[j].fd = -1;
	memset(f, 0, sizeof(*f));
	syscall(SYS_close, fd);
}

void
shim_files_end(void)
{
	for (int fd = 0; fd < SHIM_FILES; fd++)
		if (files[fd].kind != FILE_NONE)
			shim_file_close(fd);
}

void
shim_notify(struct tcp_conn *c, void *user)
{
	struct shim_file *f = user;

	(void)c;
	if (f != NULL)
		f->news++;
}

static uint64_t
deadline(int timeout_ms)
{
	return timeout_ms < 0 ? UINT64_MAX : shim_now_us() + (uint64_t)timeout_ms * 1000;
}

int
shim_poll(void *userdata, struct pollfd *fds, nfds_t n, int timeout_ms)
{
	uint64_t until_us;
	int ready = 0;

	(void)userdata;
	shim_lock();
	until_us = deadline(timeout_ms);
	do {
		shim_settle();
		for (nfds_t i = 0; i < n; i++) {
			struct shim_file *f = shim_file(fds[i].fd);

			fds[i].revents = POLLNVAL;
			if (f != NULL && f->c != NULL)
				fds[i].revents = (short)(tcp_poll(f->c) &
							 (fds[i].events | POLLERR | POLLHUP));
			ready += fds[i].revents != 0;
		}
	} while (ready == 0 && shim_wait(until_us));
	shim_unlock();
	return ready;
}

int
shim_epoll_create(void *userdata, int size)
{
	int fd;

	(void)userdata;
	if (size <= 0) {
		errno = EINVAL;
		return -1;
	}
	shim_lock();
	fd = shim_file_new(FILE_EPOLL);
	shim_unlock();
	return fd;
}

static struct shim_watch *
find_watch(struct shim_file *epoll, int fd)
{
	for (int i = 0; i < SHIM_WATCHES; i++)
		if (epoll->watches[i].fd == fd)
			return &epoll->watches[i];
	return NULL;
}

static int
change_watch(struct shim_file *epoll, int op, int fd, const struct epoll_event *event)
{
	struct shim_watch *w = find_watch(epoll, fd);

	if (op == EPOLL_CTL_ADD) {
		if (w != NULL)
			return EEXIST;
		w = find_watch(epoll, -1);
		if (w == NULL)
			return ENOSPC;
	} else if (w == NULL) {
		return ENOENT;
	}
	if (op == EPOLL_CTL_DEL)
		w->fd = -1;
	else if (op == EPOLL_CTL_ADD || op == EPOLL_CTL_MOD)
		*w = (struct shim_watch){.fd = fd, .event = *event};
	else
		return EINVAL;
	return 0;
}

int
shim_epoll_ctl(void *userdata, int epfd, int op, int fd, struct epoll_event *event)
{
	struct shim_file *epoll, *f;
	int error = EBADF;

	(void)userdata;
	shim_lock();
	epoll = shim_file(epfd);
	f = shim_file(fd);
	if (epoll != NULL && f != NULL)
		error = epoll->kind != FILE_EPOLL || f == epoll || f->c == NULL
				? EINVAL
				: change_watch(epoll, op, fd, event);
	shim_unlock();
	errno = error;
	return error == 0 ? 0 : -1;
}

/* What a watch has to report now; 0: nothing. */
static uint32_t
watch_events(struct shim_watch *w)
{
	const struct shim_file *f = shim_file(w->fd);
	uint32_t events;

	if (f == NULL || w->off)
		return 0;
	events = (uint32_t)(uint16_t)tcp_poll(f->c) & (w->event.events | EPOLLERR | EPOLLHUP);
	if (events == 0)
		return 0;
	if ((w->event.events & EPOLLET) && w->seen == f->news + 1)
		return 0;
	w->seen = f->news + 1;
	w->off = (w->event.events & EPOLLONESHOT) != 0;
	return events;
}

int
shim_epoll_wait(void *userdata, int epfd, struct epoll_event *events, int n, int timeout_ms)
{
	struct shim_file *epoll;
	uint64_t until_us;
	int ready = 0;

	(void)userdata;
	shim_lock();
	until_us = deadline(timeout_ms);
	do {
		shim_settle();
		epoll = shim_file(epfd);
		if (epoll == NULL || epoll->kind != FILE_EPOLL || n <= 0) {
			shim_unlock();
			errno = epoll == NULL ? EBADF : EINVAL;
			return -1;
		}
		for (int i = 0; i < SHIM_WATCHES && ready < n; i++) {
			struct shim_watch *w = &epoll->watches[i];
			uint32_t now = w->fd < 0 ? 0 : watch_events(w);

			if (now == 0)
				continue;
			events[ready] = w->event;
			events[ready++].events = now;
		}
	} while (ready == 0 && shim_wait(until_us));
	shim_unlock();
	return ready;
}
