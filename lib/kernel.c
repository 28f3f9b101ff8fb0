/* SPDX-License-Identifier: BSD-3-Clause */
/* See kernel.h. */
#include <dlfcn.h>
#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kernel.h"

enum {
	SIGNAL_BYTES = 8, /* of the kernel's sigset_t */
};

/* ---- The bare system calls */

/* The kernel writes what is left of the time; libc's function does not. */
static long
timed_ppoll(struct pollfd *fds, nfds_t n, const struct timespec *timeout, const sigset_t *mask)
{
	struct timespec left;

	if (timeout != NULL)
		left = *timeout;
	return syscall(SYS_ppoll, fds, n, timeout != NULL ? &left : NULL, mask, SIGNAL_BYTES);
}

static long
timed_pselect(int n, fd_set *readable, fd_set *writable, fd_set *except,
	      const struct timespec *timeout, const sigset_t *mask)
{
	const struct {
		const sigset_t *mask;
		size_t bytes;
	} masked = {mask, SIGNAL_BYTES};
	struct timespec left;

	if (timeout != NULL)
		left = *timeout;
	return syscall(SYS_pselect6, n, readable, writable, except, timeout != NULL ? &left : NULL,
		       &masked);
}

static int
raw_fcntl(int fd, int command, ...)
{
	va_list args;
	long arg;

	va_start(args, command);
	arg = va_arg(args, long);
	va_end(args);
	return (int)syscall(SYS_fcntl, fd, command, arg);
}

static int
raw_ioctl(int fd, unsigned long request, ...)
{
	va_list args;
	void *arg;

	va_start(args, request);
	arg = va_arg(args, void *);
	va_end(args);
	return (int)syscall(SYS_ioctl, fd, request, arg);
}

#define KERNEL_CALL(type, name, parameters, bare)                                                  \
	static type raw_##name parameters                                                          \
	{                                                                                          \
		return (type)(bare);                                                               \
	}
#include "kernel.def"
#undef KERNEL_CALL

/* ---- libc's functions */

struct kernel kernel = {
#define KERNEL_CALL(type, name, parameters, bare) .name = raw_##name,
#include "kernel.def"
#undef KERNEL_CALL
	.fcntl = raw_fcntl,
	.ioctl = raw_ioctl,
};

void
kernel_look_up(const char *name, void *pointer)
{
	void *found = dlsym(RTLD_NEXT, name);

	if (found != NULL)
		*(void **)pointer = found;
}

__attribute__((constructor(101))) static void
find_libc(void)
{
#define KERNEL_CALL(type, name, parameters, bare) kernel_look_up(#name, &kernel.name);
#include "kernel.def"
#undef KERNEL_CALL
	kernel_look_up("fcntl", &kernel.fcntl);
	kernel_look_up("ioctl", &kernel.ioctl);
}
