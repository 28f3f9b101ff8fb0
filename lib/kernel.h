/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The kernel's calls, as the library makes them for itself.
 *
 * libtern-preload.so puts functions of its own under libc's names; by these the library reaches
 * past them, so that it never meets itself. They are libc's functions, and so the blocking ones are
 * cancellation points; before the library is set up (other libraries' constructors may come first)
 * they are the bare system calls.
 *
 * Everything under lib/ that takes a descriptor goes through here.
 */
#ifndef TERN_LIB_KERNEL_H
#define TERN_LIB_KERNEL_H

#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>

struct kernel {
#define KERNEL_CALL(type, name, parameters, bare) type(*name) parameters;
#include "kernel.def"
#undef KERNEL_CALL
	int (*fcntl)(int fd, int command, ...);
	int (*ioctl)(int fd, unsigned long request, ...);
};

/* Written once, while the library is loaded. */
extern struct kernel kernel;

/* Finds libc's function of that name, behind ours, for the function pointer at `pointer`; leaves
 * that as it is if there is none. */
void kernel_look_up(const char *name, void *pointer);

#endif
