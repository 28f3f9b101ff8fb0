/* SPDX-License-Identifier: BSD-3-Clause */
/* The socket calls of tern.h that are one request each, and those that only this process knows of.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#include "address.h"
#include "epoll.h"
#include "fastopen.h"
#include "fork.h"
#include "descriptors.h"
#include "kept.h"
#include "kernel.h"
#include "lanes.h"
#include "message.h"
#include "repair.h"
#include "result.h"
#include "socket.h"
#include "stream.h"
#include "tern.h"

/* One request to a socket's lane, with a payload and room for the answer's data. */
static int
ask(const struct file *file, enum shm_op op, uint32_t arg, const void *payload, size_t bytes,
    struct arena_call *answer)
{
	/* The payload is only read. */
	struct iovec iov = {.iov_base = (void *)(uintptr_t)payload, .iov_len = bytes};
	struct arena_call call = {0};

	if (answer != NULL)
		call = *answer;
	call.lane = file->lane;
	call.op = op;
	call.socket = file->slot;
	call.arg = arg;
	call.payload = &iov;
	call.bytes = (uint32_t)bytes;
	int status = arena_call(&call);
	if (answer != NULL)
		*answer = call;
	return status;
}

enum {
	PORT_TRIES = 64,      /* for one that no other lane has something of */
	PORTS_OF_ROOT = 1024, /* are below this one */
	CAPABILITY_OF_THEM = 10,
	OPT_TCP_INFO = 11,
	OPT_TCP_INQ = 36,
	SMC_IPV6 = 1, /* AF_SMC's protocol */
};

/* Whether this thread may bind to a port of root's. ternd looks for itself whose the program is. */
static bool
may_bind_low(void)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];

	return syscall(SYS_capget, &header, data) < 0 ||
	       (data[0].effective & 1u << CAPABILITY_OF_THEM) != 0;
}

/* ---- Addresses */

static int
ask_name(int fd, enum shm_op op, struct sockaddr *address, socklen_t *length)
{
	struct shm_endpoint endpoint;
	struct arena_call answer = {.data = &endpoint, .data_room = sizeof(endpoint)};
	struct file *file = socket_get(fd);
	int status;

	if (file == NULL)
		return tern_result(-EBADF);
	if (address == NULL || length == NULL)
		status = -EFAULT;
	else if ((int)*length < 0)
		status = -EINVAL;
	else
		status = ask(file, op, 0, NULL, 0, &answer);
	if (status == 0)
		address_give(file, &endpoint, address, length);
	file_put(file);
	return tern_result(status);
}

int
tern_getsockname(int fd, struct sockaddr *address, socklen_t *length)
{
	return ask_name(fd, SHM_SOCKNAME, address, length);
}

int
tern_getpeername(int fd, struct sockaddr *address, socklen_t *length)
{
	return ask_name(fd, SHM_PEERNAME, address, length);
}

/* ---- From the first call to the connection */

int
socket_attach(void)
{
	fork_take_inheritance();
	return arena_attach() < 0 ? -ENXIO : 0;
}

int
socket_open_on(struct file *file, unsigned int lane)
{
	struct arena_call answer = {.arg2 = file->smc};
	int status = file_take_slot(file, lane);

	if (status < 0)
		return status;
	status = ask(file, SHM_OPEN, (uint32_t)file->family, NULL, 0, &answer);
	if (status < 0)
		file_drop_slot(file);
	return status;
}

int
socket_kind(int domain, int type, int protocol, bool *smc)
{
	*smc = domain == AF_SMC;
	if (domain != AF_INET && domain != AF_INET6 && !*smc)
		return -EAFNOSUPPORT;
	if ((type & ~(SOCK_NONBLOCK | SOCK_CLOEXEC)) != SOCK_STREAM)
		return -ESOCKTNOSUPPORT;
	if (protocol != 0 && protocol != (*smc ? SMC_IPV6 : IPPROTO_TCP))
		return -EPROTONOSUPPORT;
	if (!*smc)
		return domain;
	return protocol == SMC_IPV6 ? AF_INET6 : AF_INET;
}

int
tern_socket(int domain, int type, int protocol)
{
	struct file *file;
	int status;
	bool smc;

	domain = socket_kind(domain, type, protocol, &smc);
	if (domain < 0)
		return tern_result(domain);
	file = file_make_plain();
	if (file == NULL)
		return tern_result(-ENOMEM);
	file->family = domain;
	file->smc = smc;
	status = socket_attach();
	if (status == 0)
		status = lanes_open(file);
	if (status < 0) {
		file_discard(file);
		return tern_result(status);
	}
	status = file_install(file, type);
	if (status < 0)
		file_put(file);
	return tern_result(status);
}

/* As Linux: AF_UNSPEC with the wildcard is taken for AF_INET, for old programs' sake. */
static bool
is_old_wildcard(const struct file *file, const struct sockaddr *address, socklen_t length)
{
	struct sockaddr_in in;

	if (file->family != AF_INET || length < sizeof(in) ||
	    length > sizeof(struct sockaddr_storage) || memory_is_bad(address, length))
		return false;
	memcpy(&in, address, sizeof(in));
	return in.sin_family == AF_UNSPEC && in.sin_addr.s_addr == INADDR_ANY;
}

/*
 * The same request on the other lanes, as long as each answers that it has no port to choose: ports
 * are theirs in parts.
 */
static int
ask_elsewhere(struct file *file, enum shm_op op, uint32_t arg, const void *payload, size_t bytes,
	      int no_port)
{
	unsigned int first = file->lane;
	int status = no_port;

	for (unsigned int i = 0; i < arena.header.lanes && status == no_port; i++)
		if (i != first && (arena.header.peers >> i & 1) != 0 && lanes_move(file, i) == 0)
			status = ask(file, op, arg, payload, bytes, NULL);
	return status;
}

/*
 * Binds on the lane that the socket is on, if nothing on other lanes is in its way. Then it must be
 * opened again to be unbound; one that others share, or had before, stays bound.
 */
static int
bind_here(struct file *file, const struct shm_endpoint *endpoint)
{
	struct shm_bound bound;
	struct arena_call answer = {.data = &bound, .data_room = sizeof(bound)};
	int status;

	for (unsigned int i = 0; i < PORT_TRIES; i++) {
		status = ask(file, SHM_BIND, 0, endpoint, sizeof(*endpoint), &answer);
		if (status < 0 || !lanes_are_many() || repair_is_on(file) ||
		    lanes_may_bind(file, &bound) || lanes_move(file, file->lane) < 0)
			return status;
		if (endpoint->port != 0)
			break;
	}
	return -EADDRINUSE;
}

/* A port is one lane's. */
static int
bind_where_it_is(struct file *file, const struct shm_endpoint *endpoint)
{
	int status = bind_here(file, endpoint);

	if (status == -EXDEV) {
		status = lanes_move(file, lanes_of_port(endpoint->port));
		if (status == 0)
			status = bind_here(file, endpoint);
		else if (status == -EBUSY)
			status = -EADDRINUSE;
	} else if (status == -EADDRINUSE && endpoint->port == 0 && lanes_are_many()) {
		status = ask_elsewhere(file, SHM_BIND, 0, endpoint, sizeof(*endpoint), -EADDRINUSE);
	}
	if (status == 0)
		file->bound = true;
	return status;
}

int
tern_bind(int fd, const struct sockaddr *address, socklen_t length)
{
	struct file *file = socket_get(fd);
	struct shm_endpoint endpoint;
	struct sockaddr_in in;
	int status;

	if (file == NULL)
		return tern_result(-EBADF);
	if (is_old_wildcard(file, address, length)) {
		memcpy(&in, address, sizeof(in));
		in.sin_family = AF_INET;
		address = (const struct sockaddr *)&in;
	}
	status = address_take(file, address, length, &endpoint);
	if (status == 0 && endpoint.port != 0 && endpoint.port < PORTS_OF_ROOT && !may_bind_low())
		status = -EACCES;
	if (status == 0)
		status = bind_where_it_is(file, &endpoint);
	file_put(file);
	return tern_result(status);
}

int
tern_listen(int fd, int backlog)
{
	struct file *file = socket_get(fd);
	int status;

	if (file == NULL)
		return tern_result(-EBADF);
	status = lanes_are_many() ? lanes_listen(file, (uint32_t)backlog)
				  : ask(file, SHM_LISTEN, (uint32_t)backlog, NULL, 0, NULL);
	if (status == -EADDRINUSE && lanes_may_change(file)) {
		status = ask_elsewhere(file, SHM_LISTEN, (uint32_t)backlog, NULL, 0, -EADDRINUSE);
		if (status == 0)
			status = lanes_listen(file, (uint32_t)backlog);
	}
	file_put(file);
	return tern_result(status);
}

enum {
	CONNECT,
	CONNECT_UNDO,
	CONNECT_HERE,
};

/* What was delivered may be taken back with the connection: nobody reads it meanwhile. */
static int
ask_connect(struct file *file, uint32_t how, const struct shm_endpoint *endpoint,
	    struct arena_call *answer)
{
	int status;

	pthread_mutex_lock(&file->reading);
	status = ask(file, SHM_CONNECT, how, endpoint, sizeof(*endpoint), answer);
	pthread_mutex_unlock(&file->reading);
	return status;
}

/* One that was bound goes to the lane to which its packets come, if it can. */
static int
connect_first(struct file *file, bool undo, const struct shm_endpoint *endpoint)
{
	struct shm_elsewhere to = {0};
	struct arena_call answer = {.data = &to, .data_room = sizeof(to)};
	int status = ask_connect(file, undo ? CONNECT_UNDO : CONNECT, endpoint, &answer);

	if (status != -EXDEV)
		return status;
	lanes_follow(file, &to);
	return ask_connect(file, CONNECT_HERE, endpoint, NULL);
}

int
tern_connect(int fd, const struct sockaddr *address, socklen_t length)
{
	struct file *file = socket_get(fd);
	struct shm_endpoint endpoint = {0};
	bool undo;
	int status, first;

	if (file == NULL)
		return tern_result(-EBADF);
	undo = length >= sizeof(sa_family_t) && length <= sizeof(struct sockaddr_storage) &&
	       !memory_is_bad(address, length) && address->sa_family == AF_UNSPEC;
	status = undo ? 0 : address_take(file, address, length, &endpoint);
	if (status == 0)
		status = connect_first(file, undo, &endpoint);
	if (undo && status == 0)
		lanes_ask_parts(file, SHM_SHUTDOWN, SHUT_RDWR, 0, NULL, 0);
	if (status == -EADDRNOTAVAIL && lanes_may_change(file))
		status = ask_elsewhere(file, SHM_CONNECT, 0, &endpoint, sizeof(endpoint),
				       -EADDRNOTAVAIL);
	if (status == -EINPROGRESS)
		epoll_not_writable(file);
	first = status;
	while (!file->nonblocking && (status == -EINPROGRESS || status == -EALREADY)) {
		status = stream_wait(file, POLLOUT, file->send_ns);
		if (status == -EAGAIN)
			status = first; /* SO_SNDTIMEO */
		if (status < 0)
			break;
		status = ask_connect(file, CONNECT_HERE, &endpoint, NULL);
	}
	if (status == -EISCONN && !file->nonblocking && fastopen_is_deferred(file)) {
		status = fastopen_finish(file, file->send_ns);
		if (status == -EAGAIN)
			status = -EISCONN;
	}
	file_put(file);
	return tern_result(status);
}

/* One attempt on a lane, where the listener or a part of it has a slot. */
static int
accept_on(unsigned int lane, uint32_t slot, struct file **child, struct shm_endpoint *peer)
{
	struct arena_call call = {.lane = lane,
				  .op = SHM_ACCEPT,
				  .socket = slot,
				  .data = peer,
				  .data_room = sizeof(*peer)};
	int status;

	*child = file_make(lane, &status);
	if (*child == NULL)
		return status;
	call.arg = (*child)->slot;
	status = arena_call(&call);
	if (status < 0)
		file_discard(*child);
	return status;
}

/* One attempt. Returns 0 with *child and its peer, or a negative errno. */
static int
accept_once(struct file *listener, struct file **child, struct shm_endpoint *peer)
{
	uint64_t asked = 0;
	unsigned int lane;
	uint32_t slot;
	int status = -EAGAIN;

	if (__atomic_load_n(&arena.dead, __ATOMIC_ACQUIRE)) {
		bool told = __atomic_exchange_n(&listener->reset_told, true, __ATOMIC_RELAXED);

		return told && listener->nonblocking ? -EAGAIN : -ECONNRESET;
	}
	while (status == -EAGAIN && lanes_next_to_accept(listener, &asked, &lane, &slot)) {
		status = accept_on(lane, slot, child, peer);
		if (status == -EINVAL && lane != listener->lane)
			status = -EAGAIN; /* it was shut down just now */
	}
	if (status < 0)
		return status;
	(*child)->family = listener->family;
	(*child)->receive_ns = listener->receive_ns;
	(*child)->send_ns = listener->send_ns;
	(*child)->linger_s = listener->linger_s;
	(*child)->tells_left = listener->tells_left;
	return 0;
}

int
socket_accept(struct file *listener, struct sockaddr *address, socklen_t *length, int flags)
{
	struct shm_endpoint peer;
	struct file *child;
	int status = accept_once(listener, &child, &peer);

	if (status < 0)
		return status;
	/* As Linux: the connection is lost to who cannot say where its address goes. */
	if (address != NULL && (memory_is_bad(length, sizeof(*length)) || (int)*length < 0))
		status = memory_is_bad(length, sizeof(*length)) ? -EFAULT : -EINVAL;
	else if (address != NULL)
		address_give(child, &peer, address, length);
	if (status == 0)
		status = file_install(child, flags);
	if (status < 0)
		file_put(child);
	return status;
}

int
tern_accept4(int fd, struct sockaddr *address, socklen_t *length, int flags)
{
	struct file *file;
	int status;

	pthread_testcancel();
	file = socket_get(fd);
	if (file == NULL)
		return tern_result(-EBADF);
	if ((flags & ~(SOCK_NONBLOCK | SOCK_CLOEXEC)) != 0)
		status = -EINVAL;
	else
		status = socket_accept(file, address, length, flags);
	while (status == -EAGAIN && !file->nonblocking) {
		status = stream_wait(file, POLLIN, file->receive_ns);
		if (status < 0)
			break;
		status = socket_accept(file, address, length, flags);
	}
	file_put(file);
	return tern_result(status);
}

int
tern_accept(int fd, struct sockaddr *address, socklen_t *length)
{
	return tern_accept4(fd, address, length, 0);
}

/* ---- Options */

/* SO_RCVTIMEO and SO_SNDTIMEO: the waiting is ours. The lane has checked the value. */
static void
take_timeout(struct file *file, int name, const void *value)
{
	struct timeval timeout;
	int64_t ns;

	memcpy(&timeout, value, sizeof(timeout));
	ns = timeout.tv_sec < 0 ? 0 : (int64_t)timeout.tv_sec * 1000000000 + timeout.tv_usec * 1000;
	if (timeout.tv_sec > INT64_C(1000000000) || (timeout.tv_sec == 0 && timeout.tv_usec == 0))
		ns = WAIT_FOREVER;
	if (name == SO_RCVTIMEO)
		file->receive_ns = ns;
	else
		file->send_ns = ns;
}

/* What of the lane's options is ours to do. It has checked the value. */
static void
take_option(struct file *file, int level, int name, const void *value, socklen_t length)
{
	struct linger linger;
	int number;

	if (level == SOL_SOCKET && (name == SO_RCVTIMEO || name == SO_SNDTIMEO)) {
		take_timeout(file, name, value);
	} else if (level == SOL_SOCKET && name == SO_LINGER && length >= sizeof(linger)) {
		memcpy(&linger, value, sizeof(linger));
		file->linger_s = linger.l_onoff ? linger.l_linger : 0;
	} else if (level == IPPROTO_TCP && name == OPT_TCP_INQ) {
		memcpy(&number, value, sizeof(number));
		file->tells_left = number != 0;
	}
}

/* While an option takes back what was delivered nobody reads it. */
static int
set_option(struct file *file, int level, int name, const void *value, socklen_t length)
{
	struct arena_call answer = {.arg2 = (uint32_t)name};
	int status;

	if (!repair_is_option(level, name))
		return ask(file, SHM_SETSOCKOPT, (uint32_t)level, value, length, &answer);
	pthread_mutex_lock(&file->reading);
	status = ask(file, SHM_SETSOCKOPT, (uint32_t)level, value, length, &answer);
	pthread_mutex_unlock(&file->reading);
	return status;
}

int
socket_setsockopt(struct file *file, int level, int name, const void *value, socklen_t length)
{
	int status;

	if ((int)length < 0)
		status = -EINVAL;
	else if (value == NULL && length > 0)
		status = -EFAULT;
	else
		status = set_option(file, level, name, value, length);
	if (status == 0)
		take_option(file, level, name, value, length);
	return status;
}

int
tern_setsockopt(int fd, int level, int name, const void *value, socklen_t length)
{
	struct file *file = socket_get(fd);
	int status;

	if (file == NULL)
		return tern_result(-EBADF);
	status = socket_setsockopt(file, level, name, value, length);
	if (status == 0 && lanes_may_listen(file)) {
		pthread_mutex_lock(&file->writing);
		kept_add(file, level, name, value, length);
		pthread_mutex_unlock(&file->writing);
	}
	if (status == 0)
		lanes_ask_parts(file, SHM_SETSOCKOPT, (uint32_t)level, (uint32_t)name, value,
				length);
	file_put(file);
	return tern_result(status);
}

int
tern_getsockopt(int fd, int level, int name, void *value, socklen_t *length)
{
	struct file *file = socket_get(fd);
	struct arena_call answer = {.arg2 = (uint32_t)name, .data = value};
	int status;

	if (file == NULL)
		return tern_result(-EBADF);
	if (value == NULL || length == NULL) {
		status = -EFAULT;
	} else if ((int)*length < 0) {
		status = -EINVAL;
	} else {
		answer.data_room = *length;
		status = ask(file, SHM_GETSOCKOPT, (uint32_t)level, &answer.data_room,
			     sizeof(answer.data_room), &answer);
		if (status >= 0)
			*length = answer.data_bytes;
		if (status >= 0 && level == IPPROTO_TCP && name == OPT_TCP_INFO)
			lanes_add_waiting(file, value, *length);
	}
	file_put(file);
	return tern_result(status);
}

int
tern_ioctl(int fd, unsigned long request, void *argument)
{
	struct file *file = socket_get(fd);
	struct arena_call answer = {.arg2 = request, .data = argument, .data_room = sizeof(int)};
	int status;

	if (file == NULL)
		return tern_result(-EBADF);
	if (request == FIOCLEX || request == FIONCLEX) {
		/* The descriptor's, and that is the kernel's own. */
		status = kernel.ioctl(fd, request, NULL) < 0 ? -errno : 0;
	} else if (argument == NULL) {
		status = -EFAULT;
	} else if (request == FIONBIO) {
		file->nonblocking = *(const int *)argument != 0;
		status = 0;
	} else {
		status = ask(file, SHM_IOCTL, 0, NULL, 0, &answer);
	}
	file_put(file);
	return tern_result(status);
}

/* ---- Ends, and descriptors */

int
tern_shutdown(int fd, int how)
{
	struct file *file = socket_get(fd);
	int status;

	if (file == NULL)
		return tern_result(-EBADF);
	status = ask(file, SHM_SHUTDOWN, (uint32_t)how, NULL, 0, NULL);
	if (status == 0)
		lanes_ask_parts(file, SHM_SHUTDOWN, (uint32_t)how, 0, NULL, 0);
	file_put(file);
	return tern_result(status);
}

int
tern_close(int fd)
{
	if (!file_remove(fd))
		return tern_result(-EBADF);
	return kernel.close(fd);
}

int
tern_fcntl(int fd, int command, long argument)
{
	struct file *file = file_get(fd);
	int status;

	if (file == NULL)
		return tern_result(-EBADF);
	switch (command) {
	case F_GETFL:
		status = O_RDWR | (file->nonblocking ? O_NONBLOCK : 0);
		break;
	case F_SETFL:
		file->nonblocking = (argument & O_NONBLOCK) != 0;
		status = 0;
		break;
	case F_DUPFD:
	case F_DUPFD_CLOEXEC:
		status = kernel.fcntl(fd, command, argument);
		if (status >= 0)
			file_alias(file, status);
		else
			status = -errno;
		break;
	default:
		status = kernel.fcntl(fd, command, argument);
		if (status < 0)
			status = -errno;
		break;
	}
	file_put(file);
	return tern_result(status);
}

int
tern_dup(int fd)
{
	return tern_fcntl(fd, F_DUPFD, 0);
}

int
tern_dup3(int from, int to, int flags)
{
	struct file *file = file_get(from);
	int status;

	if (file == NULL)
		return tern_result(-EBADF);
	if (descriptor_is_own(to)) {
		status = -EBUSY;
	} else {
		if (from != to && to >= 0 && (flags & ~O_CLOEXEC) == 0)
			file_remove(to); /* the kernel will not refuse */
		status = kernel.dup3(from, to, flags);
		if (status < 0)
			status = -errno;
		else
			file_alias(file, status);
	}
	file_put(file);
	return tern_result(status);
}

int
tern_dup2(int from, int to)
{
	struct file *file;

	if (from != to)
		return tern_dup3(from, to, 0);
	file = file_get(from);
	if (file == NULL)
		return tern_result(-EBADF);
	file_put(file);
	return to;
}
