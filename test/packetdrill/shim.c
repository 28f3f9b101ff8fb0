/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What packetdrill looks for in the shared object, and the three calls of libc that it makes past
 * it: close() of what a script left open, getsockopt() for assertions in code, and sendfile(). They
 * serve our descriptors and hand all others to the kernel.
 */
#include <sys/syscall.h>
#include <unistd.h>

#include "shim.h"

#define EXPORT __attribute__((visibility("default")))

EXPORT void packetdrill_interface_init(const char *flags, struct packetdrill_interface *ifc);
EXPORT int close(int fd);
/* sendfile(): in a program built for large files, as this one is, C gives that name another symbol.
 */
EXPORT ssize_t send_file(int out, int in, off_t *offset, size_t bytes) __asm__("sendfile");
EXPORT int getsockopt(int fd, int level, int name, void *restrict value, socklen_t *restrict len);

static struct packetdrill_interface interface;

static void
end(void *userdata)
{
	(void)userdata;
	shim_lock();
	shim_files_end();
	shim_stack_end();
	shim_unlock();
}

EXPORT void
packetdrill_interface_init(const char *flags, struct packetdrill_interface *ifc)
{
	(void)flags;
	shim_stack_start();
	shim_calls_fill(&interface);
	shim_transfer_fill(&interface);
	interface.free = end;
	interface.poll = shim_poll;
	interface.epoll_create = shim_epoll_create;
	interface.epoll_ctl = shim_epoll_ctl;
	interface.epoll_wait = shim_epoll_wait;
	interface.netdev_send = shim_netdev_send;
	interface.netdev_receive = shim_netdev_receive;
	interface.usleep = shim_usleep;
	interface.gettimeofday = shim_gettimeofday;
	*ifc = interface;
}

EXPORT int
close(int fd)
{
	if (shim_file(fd) != NULL)
		return interface.close(NULL, fd);
	return (int)syscall(SYS_close, fd);
}

EXPORT int
getsockopt(int fd, int level, int name, void *restrict value, socklen_t *restrict len)
{
	if (shim_file(fd) != NULL)
		return interface.getsockopt(NULL, fd, level, name, value, len);
	return (int)syscall(SYS_getsockopt, fd, level, name, value, len);
}

EXPORT ssize_t
send_file(int out, int in, off_t *offset, size_t bytes)
{
	if (shim_file(out) != NULL)
		return shim_sendfile(out, in, offset, bytes);
	return syscall(SYS_sendfile, out, in, offset, bytes);
}
