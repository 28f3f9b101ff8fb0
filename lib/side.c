/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * See side.h. Of a FILE_BOTH the kernel's socket is bound first, and finds all that is wrong with
 * the address; Tern's then takes the same port. When Tern has no such port free, the kernel's is
 * replaced by a new socket, since none can be unbound; where the port was the kernel's choice, it
 * chooses again.
 *
 * The kernel's part of a FILE_BOTH that listens never blocks: who accepts waits for both.
 *
 * The kernel's network may have Fast Open off where ternd's has it on: TCP_FASTOPEN_CONNECT is
 * taken all the same, and a socket that turns out to be the kernel's connects in the ordinary way.
 *
 * Left out: an option that Tern does not know is the kernel's alone, and says so only when it is
 * set once the socket is Tern's.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "epoll.h"
#include "fork.h"
#include "kept.h"
#include "kernel.h"
#include "lanes.h"
#include "prefix.h"
#include "repair.h"
#include "result.h"
#include "side.h"
#include "socket.h"
#include "stream.h"
#include "tern.h"

enum {
	PORT_TRIES = 64,  /* for a port that is free on both sides */
	KERNEL_TURN = 16, /* of so many connections one is looked for at the kernel first */
};

/* Held while a side is chosen; never while anything waits for a peer. */
static pthread_mutex_t choosing = PTHREAD_MUTEX_INITIALIZER;

static void
hold_choices(void)
{
	pthread_mutex_lock(&choosing);
}

static void
release_choices(void)
{
	pthread_mutex_unlock(&choosing);
}

/* After fork.c's, and so before them in the parent: this one is taken before a file's locks. */
__attribute__((constructor)) static void
watch_forks(void)
{
	pthread_atfork(hold_choices, release_choices, release_choices);
}

static void
set_side(struct file *file, enum file_side side)
{
	__atomic_store_n(&file->side, side, __ATOMIC_RELEASE);
}

/* ---- Options */

static int
set_on_kernel(void *to, int level, int name, const void *value, socklen_t bytes)
{
	return kernel.setsockopt(*(const int *)to, level, name, value, bytes) < 0 ? -errno : 0;
}

static int
set_on_file(void *to, int level, int name, const void *value, socklen_t bytes)
{
	return socket_setsockopt(to, level, name, value, bytes);
}

/* ---- Beginning */

/* The kernel's socket. Without SMC in the kernel it is one of TCP, as it would have become on the
 * way to any peer without SMC. */
static int
kernel_socket(int family, bool smc, int type)
{
	int fd = smc ? kernel.socket(AF_SMC, type, family == AF_INET6) : -1;

	if (smc && (fd >= 0 || errno != EAFNOSUPPORT))
		return fd;
	return kernel.socket(family, type, 0);
}

int
side_socket(int domain, int type, int protocol)
{
	bool smc;
	int family = socket_kind(domain, type, protocol, &smc), fd;
	struct file *file;

	if (family < 0)
		return kernel.socket(domain, type, protocol);
	fd = kernel_socket(family, smc, type);
	if (fd < 0)
		return fd;
	file = file_make_plain();
	if (file != NULL) {
		file->side = FILE_UNDECIDED;
		file->family = family;
		file->smc = smc;
		file->nonblocking = (type & SOCK_NONBLOCK) != 0;
		if (file_install_at(file, fd) == 0)
			return fd;
		file_put(file);
	}
	kernel.close(fd);
	return tern_result(-ENOMEM);
}

/* Another socket of the kernel's, in the place of one that is bound where it must not be. */
static int
renew_kernel(struct file *file, int fd)
{
	int flags = file->nonblocking ? SOCK_NONBLOCK : 0;
	int cloexec = kernel.fcntl(fd, F_GETFD) & FD_CLOEXEC ? O_CLOEXEC : 0;
	int fresh = kernel_socket(file->family, file->smc, SOCK_STREAM | SOCK_CLOEXEC | flags);

	if (fresh < 0 || kernel.dup3(fresh, fd, cloexec) < 0) {
		if (fresh >= 0)
			kernel.close(fresh);
		return -1;
	}
	kernel.close(fresh);
	kept_repeat(file, set_on_kernel, &fd);
	return 0;
}

/* ---- Choosing; under the lock */

static void
close_tern(struct file *file)
{
	if (file->slot == FILE_NO_SLOT)
		return;
	arena_post(file->lane, SHM_CLOSE, file->slot, 0, NULL, 0);
	file_drop_slot(file);
}

/*
 * Opens Tern's socket beside the kernel's, on the lane whose the port is that it is to be bound to;
 * 0: any lane. Returns 0 or a negative errno.
 */
static int
open_tern(struct file *file, uint16_t port)
{
	int status;

	if (file->slot != FILE_NO_SLOT)
		return 0;
	status = socket_attach();
	if (status == 0)
		status = port != 0 ? socket_open_on(file, lanes_of_port(port)) : lanes_open(file);
	if (status < 0)
		return status == -ENXIO || status == -ECONNRESET ? -ENETDOWN : status;
	status = kept_repeat(file, set_on_file, file);
	if (status < 0)
		close_tern(file);
	return status;
}

/* The socket is Tern's. What the kernel has of it holds no port and is in no epoll instance. */
static int
become_terns(struct file *file)
{
	int status = open_tern(file, 0);

	if (status < 0)
		return status;
	if (file_side(file) == FILE_BOTH || !LIST_EMPTY(&file->interests) || file->descriptors > 1)
		file_hide_kernel(file);
	set_side(file, FILE_TERN);
	epoll_look_again(file);
	return 0;
}

static void
become_kernels(struct file *file)
{
	file_release(file);
}

/* ---- Addresses */

enum where {
	NOWHERE, /* no address of the Internet's: the kernel says what is wrong with it */
	LOCAL,   /* this host's loopback */
	ANY,
	ELSEWHERE, /* ternd is to be asked */
};

static enum where
take_address(const struct sockaddr *address, socklen_t length, struct shm_endpoint *out)
{
	struct sockaddr_in in;
	struct sockaddr_in6 in6;

	memset(out, 0, sizeof(*out));
	if (address == NULL || length < sizeof(sa_family_t))
		return NOWHERE;
	if (address->sa_family == AF_INET && length >= sizeof(in)) {
		memcpy(&in, address, sizeof(in));
		out->ip[10] = out->ip[11] = 0xff;
		memcpy(out->ip + 12, &in.sin_addr, 4);
		out->port = ntohs(in.sin_port);
	} else if (address->sa_family == AF_INET6 && length >= sizeof(in6) - sizeof(uint32_t)) {
		memcpy(&in6, address, sizeof(in6) - sizeof(uint32_t));
		memcpy(out->ip, &in6.sin6_addr, 16);
		out->port = ntohs(in6.sin6_port);
	} else {
		return NOWHERE;
	}
	if (prefix_is_any(out))
		return ANY;
	return prefix_is_local(out) ? LOCAL : ELSEWHERE;
}

/* Attaches, to ask ternd. Returns 0, or -ENETDOWN: whose address it is, nobody knows. */
static int
attach(void)
{
	fork_take_inheritance();
	if (arena_attach() < 0 || __atomic_load_n(&arena.dead, __ATOMIC_ACQUIRE))
		return -ENETDOWN;
	return 0;
}

/* ---- bind() */

/* The port that the kernel's socket has got. */
static void
fill_in_port(int fd, struct sockaddr_storage *address)
{
	struct sockaddr_in6 bound = {0};
	socklen_t bytes = sizeof(bound);

	if (kernel.getsockname(fd, (struct sockaddr *)&bound, &bytes) == 0)
		((struct sockaddr_in *)address)->sin_port = bound.sin6_port; /* the same place */
}

static uint16_t
port_of(const struct sockaddr_storage *address)
{
	return ntohs(((const struct sockaddr_in *)address)->sin_port); /* the same place */
}

static int
bind_both(struct file *file, int fd, const struct sockaddr *address, socklen_t length)
{
	struct sockaddr_storage same = {0};
	int status;

	for (unsigned int i = 0; i < PORT_TRIES; i++) {
		if (kernel.bind(fd, address, length) < 0)
			return -errno;
		memcpy(&same, address, length < sizeof(same) ? length : sizeof(same));
		fill_in_port(fd, &same);
		status = open_tern(file, port_of(&same));
		if (status == 0 && tern_bind(fd, (struct sockaddr *)&same, length) < 0)
			status = -errno;
		if (status == 0) {
			set_side(file, FILE_BOTH);
			return 0;
		}
		if (renew_kernel(file, fd) < 0 || status != -EADDRINUSE ||
		    ((const struct sockaddr_in *)address)->sin_port != 0)
			break;
	}
	close_tern(file);
	return status;
}

static int
choose_by_local(struct file *file, int fd, const struct sockaddr *address, socklen_t length)
{
	struct shm_endpoint local;
	enum where where = take_address(address, length, &local);
	int status;

	if (file_side(file) != FILE_UNDECIDED || where == NOWHERE)
		return kernel.bind(fd, address, length) < 0 ? -errno : 0;
	if (where == ANY)
		return bind_both(file, fd, address, length);
	status = where == LOCAL ? 0 : attach();
	if (status < 0)
		return status;
	if (where == ELSEWHERE && prefix_is_own(&local)) {
		status = open_tern(file, local.port);
		if (status == 0 && tern_bind(fd, address, length) < 0) {
			status = -errno;
			close_tern(file);
		}
		return status < 0 ? status : become_terns(file);
	}
	status = kernel.bind(fd, address, length) < 0 ? -errno : 0;
	if (status == 0)
		become_kernels(file);
	return status;
}

int
side_bind(struct file *file, int fd, const struct sockaddr *address, socklen_t length)
{
	int status;

	pthread_mutex_lock(&choosing);
	status = choose_by_local(file, fd, address, length);
	pthread_mutex_unlock(&choosing);
	return tern_result(status);
}

/* ---- connect() */

static int
choose_by_remote(struct file *file, const struct sockaddr *to, socklen_t length)
{
	struct shm_endpoint remote;
	enum where where = take_address(to, length, &remote);
	int status = 0;

	if (file_side(file) == FILE_TERN || where == NOWHERE)
		return 0;
	if (where == ELSEWHERE) {
		status = attach();
		if (status < 0)
			return status;
		if (prefix_is_reached(&remote))
			return become_terns(file);
	}
	become_kernels(file);
	return 0;
}

int
side_choose(struct file *file, const struct sockaddr *to, socklen_t length)
{
	int status;

	pthread_mutex_lock(&choosing);
	status = choose_by_remote(file, to, length);
	pthread_mutex_unlock(&choosing);
	return tern_result(status);
}

/* ---- Listening on both */

static int
listen_on_both(struct file *file, int fd, int backlog)
{
	struct sockaddr_storage any = {.ss_family = (sa_family_t)file->family};
	socklen_t length =
		file->family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
	int status = 0, flags;

	if (file_side(file) == FILE_UNDECIDED)
		status = bind_both(file, fd, (struct sockaddr *)&any, length);
	if (status < 0)
		return status;
	if (kernel.listen(fd, backlog) < 0 || tern_listen(fd, backlog) < 0)
		return -errno;
	flags = kernel.fcntl(fd, F_GETFL);
	if ((flags & O_NONBLOCK) == 0)
		kernel.fcntl(fd, F_SETFL, flags | O_NONBLOCK);
	epoll_look_again(file);
	return 0;
}

int
side_listen(struct file *file, int fd, int backlog)
{
	int status;

	pthread_mutex_lock(&choosing);
	if (file_side(file) == FILE_TERN)
		status = tern_listen(fd, backlog) < 0 ? -errno : 0;
	else
		status = listen_on_both(file, fd, backlog);
	pthread_mutex_unlock(&choosing);
	return tern_result(status);
}

static int
accept_from_kernel(int fd, struct sockaddr *address, socklen_t *length, int flags)
{
	int child = kernel.accept4(fd, address, length, flags);

	return child < 0 ? -errno : child;
}

/* One attempt on each side, the more likely one first. */
static int
accept_from_either(struct file *file, int fd, struct sockaddr *address, socklen_t *length,
		   int flags)
{
	static uint32_t turns; /* atomic */
	bool tern_first = __atomic_fetch_add(&turns, 1, __ATOMIC_RELAXED) % KERNEL_TURN != 0;
	int status = -EAGAIN;

	for (int i = 0; i < 2 && status == -EAGAIN; i++) {
		if ((i == 0) != tern_first)
			status = accept_from_kernel(fd, address, length, flags);
		else if (stream_events(file) != 0)
			status = socket_accept(file, address, length, flags);
	}
	return status;
}

static bool
somebody_calls(void *arg)
{
	return stream_events(arg) != 0;
}

int
side_accept(struct file *file, int fd, struct sockaddr *address, socklen_t *length, int flags)
{
	struct pollfd pollfd = {.fd = fd, .events = POLLIN};
	struct wait wait = {.ready = somebody_calls,
			    .arg = file,
			    .fds = &pollfd,
			    .n_fds = 1,
			    .deadline_ns = WAIT_FOREVER,
			    .restarts = file->receive_ns == WAIT_FOREVER,
			    .abandon = file_put_held,
			    .held = file};
	int status;

	if (file_side(file) == FILE_UNDECIDED)
		return kernel.accept4(fd, address, length, flags);
	if (file->receive_ns != WAIT_FOREVER)
		wait.deadline_ns = wait_now_ns() + file->receive_ns;
	while ((status = accept_from_either(file, fd, address, length, flags)) == -EAGAIN &&
	       !file->nonblocking) {
		status = wait_for(&wait);
		if (status < 0) {
			status = status == -ETIMEDOUT ? -EAGAIN : status;
			break;
		}
	}
	return tern_result(status);
}

/* ---- The rest */

static bool
is_syn_smc(int level, int name)
{
	return level == IPPROTO_TCP && name == TCP_SYN_SMC;
}

/* TCP_SYN_SMC, which the kernel does not know: for Tern's socket, should it become one. */
static int
check_syn_smc(const void *value, socklen_t length)
{
	int v;

	if (value == NULL)
		return tern_result(-EFAULT);
	if (length < sizeof(v))
		return tern_result(-EINVAL);
	memcpy(&v, value, sizeof(v));
	return tern_result(v == 0 || v == 1 ? 0 : -EINVAL);
}

static int
last_syn_smc(const struct file *file)
{
	const struct kept_option *option = kept_find(file, IPPROTO_TCP, TCP_SYN_SMC);
	int v = file->smc;

	if (option != NULL)
		memcpy(&v, option->value, sizeof(v));
	return v;
}

int
side_getsockopt(struct file *file, int fd, int level, int name, void *value, socklen_t *length)
{
	int v, status = 0;

	if (!is_syn_smc(level, name))
		return kernel.getsockopt(fd, level, name, value, length);
	pthread_mutex_lock(&choosing);
	if (file_side(file) != FILE_UNDECIDED) {
		status = tern_getsockopt(fd, level, name, value, length);
	} else if (value == NULL || length == NULL) {
		status = tern_result(-EFAULT);
	} else {
		v = last_syn_smc(file);
		*length = *length < sizeof(v) ? *length : sizeof(v);
		memcpy(value, &v, *length);
	}
	pthread_mutex_unlock(&choosing);
	return status;
}

/* The kernel has answered. What only one of both knows is set there; repair is for both or none. */
static int
set_on_tern(int fd, int level, int name, const void *value, socklen_t length, int status)
{
	const int off = -1;
	int error = errno;

	if (tern_setsockopt(fd, level, name, value, length) == 0)
		return 0;
	if (status < 0 || !repair_is_option(level, name)) {
		errno = error;
		return status;
	}
	error = errno;
	kernel.setsockopt(fd, level, name, &off, sizeof(off));
	errno = error;
	return -1;
}

int
side_setsockopt(struct file *file, int fd, int level, int name, const void *value, socklen_t length)
{
	int status = is_syn_smc(level, name) ? check_syn_smc(value, length)
					     : kernel.setsockopt(fd, level, name, value, length);

	if (status < 0 && errno == EOPNOTSUPP && level == IPPROTO_TCP &&
	    name == TCP_FASTOPEN_CONNECT)
		status = 0;
	pthread_mutex_lock(&choosing);
	if (file_side(file) == FILE_BOTH) {
		status = set_on_tern(fd, level, name, value, length, status);
	} else if (status == 0) {
		kept_add(file, level, name, value, length);
	}
	pthread_mutex_unlock(&choosing);
	return status;
}

int
side_shutdown(struct file *file, int fd, int how)
{
	if (file_side(file) == FILE_BOTH)
		tern_shutdown(fd, how);
	return kernel.shutdown(fd, how);
}

int
side_set_flags(struct file *file, int fd, int flags)
{
	bool never_blocks =
		file_side(file) == FILE_BOTH && file_status(file)->state == SHM_LISTENING;
	int status = kernel.fcntl(fd, F_SETFL, never_blocks ? flags | O_NONBLOCK : flags);

	if (status == 0)
		file->nonblocking = (flags & O_NONBLOCK) != 0;
	return status;
}

int
side_get_flags(const struct file *file, int fd)
{
	int flags = kernel.fcntl(fd, F_GETFL);

	return flags < 0 ? flags : (flags & ~O_NONBLOCK) | (file->nonblocking ? O_NONBLOCK : 0);
}
