/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a process gives up, under libc's names: its root folder, its user and groups, descriptors,
 * system calls. The kernel's sockets need nothing of that once they are there, nor does a first
 * connect() need files. So before, the process gets from ternd what it could not get afterwards: a
 * child its part of the sockets that it inherited, and who is not attached yet is attached. Whoever
 * has given up root for good then is as anybody to ternd, too: ports below 1024 and repair are not
 * his any more.
 *
 * From then on reading, writing and waiting make no system calls but read, write, close, ppoll,
 * futex, rt_sigprocmask, and those of malloc(): what confined programs allow themselves. A wait
 * that a signal interrupts makes rt_sigaction, too.
 *
 * Left out: what is given up by a bare system call, of which the library hears nothing. Filters of
 * system calls are nearly always preceded by prctl(PR_SET_NO_NEW_PRIVS), which it does hear of.
 * Also the first wait of each other thread, which makes an eventfd.
 */
#include <assert.h>
#include <errno.h>
#include <grp.h>
#include <sched.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "arena.h"
#include "descriptors.h"
#include "fork.h"
#include "kernel.h"
#include "wait.h"

static bool is_set_up; /* the sockets that an exec has handed on are taken up */

static bool
is_over(void *unused)
{
	(void)unused;
	return true;
}

/* Without a ternd nothing happens: whoever connects later is told. */
static void
prepare(void)
{
	int error = errno;

	if (is_set_up) {
		fork_take_inheritance();
		/* A thread's first wait makes what it waits with. */
		if (arena_attach() == 0)
			wait_for(&(struct wait){
				.ready = is_over, .deadline_ns = WAIT_FOREVER, .deaf = true});
	}
	errno = error;
}

/* What can be taken back, by seteuid(), is not given up. */
static void
tell_if_given_up(void)
{
	uid_t real = 0, effective = 0, saved = 0;
	int error = errno;

	if (getresuid(&real, &effective, &saved) == 0 && real != 0 && effective != 0 && saved != 0)
		arena_give_up_rights();
	errno = error;
}

/* libc's function of that name, with parameters and arguments that are its own; something is done
 * before and after. */
#define CALL_BETWEEN(before, after, name, parameters, ...)                                         \
	static int(*libc_##name) parameters;                                                       \
                                                                                                   \
	__attribute__((constructor(101))) static void find_##name(void)                            \
	{                                                                                          \
		kernel_look_up(#name, &libc_##name);                                               \
	}                                                                                          \
                                                                                                   \
	int name parameters                                                                        \
	{                                                                                          \
		int status;                                                                        \
                                                                                                   \
		before;                                                                            \
		if (libc_##name == NULL) /* another library's constructor calls */                 \
			kernel_look_up(#name, &libc_##name);                                       \
		status = libc_##name(__VA_ARGS__);                                                 \
		after;                                                                             \
		return status;                                                                     \
	}

#define CALL_AFTER(before, name, parameters, ...)                                                  \
	CALL_BETWEEN(before, (void)0, name, parameters, __VA_ARGS__)

/* Users. */
#define BECOMES(name, parameters, ...)                                                             \
	CALL_BETWEEN(prepare(), tell_if_given_up(), name, parameters, __VA_ARGS__)

#define GIVES_UP(name, parameters, ...) CALL_AFTER(prepare(), name, parameters, __VA_ARGS__)

/* ---- Files, and the network */

GIVES_UP(chroot, (const char *path), path)
GIVES_UP(unshare, (int flags), flags)
GIVES_UP(setns, (int fd, int kind), fd, kind)

/* ---- Users and groups */

BECOMES(setuid, (uid_t user), user)
BECOMES(seteuid, (uid_t user), user)
BECOMES(setreuid, (uid_t user, uid_t effective), user, effective)
BECOMES(setresuid, (uid_t user, uid_t effective, uid_t saved), user, effective, saved)
GIVES_UP(setgid, (gid_t group), group)
GIVES_UP(setegid, (gid_t group), group)
GIVES_UP(setregid, (gid_t group, gid_t effective), group, effective)
GIVES_UP(setresgid, (gid_t group, gid_t effective, gid_t saved), group, effective, saved)
GIVES_UP(setgroups, (size_t n, const gid_t *groups), n, groups)
GIVES_UP(initgroups, (const char *user, gid_t group), user, group)

/* ---- Descriptors */

enum {
	WAITS_WITH = 3, /* descriptors of the library's own */
	FEW = 64,       /* a limit that is meant to confine */
};

static_assert(sizeof(struct rlimit) == sizeof(struct rlimit64), "one limit");

/* Whether a limit on this process's descriptors is to be lower than it is. Most set it higher. */
static bool
is_lower(pid_t pid, __rlimit_resource_t resource, const struct rlimit *limit, struct rlimit *now)
{
	return resource == RLIMIT_NOFILE && limit != NULL && (pid == 0 || pid == getpid()) &&
	       getrlimit(RLIMIT_NOFILE, now) == 0 && limit->rlim_cur < now->rlim_cur;
}

/*
 * poll() takes no more descriptors than the limit allows, and the library polls its own besides the
 * program's. So a small limit is set higher by those, and the numbers between are taken: the
 * program gets no descriptor that it would not get.
 */
static const void *
leave_room(pid_t pid, __rlimit_resource_t resource, const void *given, struct rlimit *raised)
{
	const struct rlimit *limit = given;
	struct rlimit now;

	if (!is_lower(pid, resource, limit, &now))
		return given;
	prepare();
	if (arena.memory == NULL || limit->rlim_cur >= FEW || limit->rlim_cur > limit->rlim_max ||
	    limit->rlim_cur + WAITS_WITH > now.rlim_max)
		return given;
	*raised = *limit;
	raised->rlim_cur += WAITS_WITH;
	if (raised->rlim_max < raised->rlim_cur)
		raised->rlim_max = raised->rlim_cur;
	descriptor_occupy((int)limit->rlim_cur, WAITS_WITH);
	return raised;
}

CALL_AFTER((void)0, setrlimit, (__rlimit_resource_t resource, const struct rlimit *limit), resource,
	   leave_room(0, resource, limit, &(struct rlimit){0}))
CALL_AFTER((void)0, setrlimit64, (__rlimit_resource_t resource, const struct rlimit64 *limit),
	   resource, leave_room(0, resource, limit, &(struct rlimit){0}))
CALL_AFTER((void)0, prlimit,
	   (pid_t pid, __rlimit_resource_t resource, const struct rlimit *limit,
	    struct rlimit *old),
	   pid, resource, leave_room(pid, resource, limit, &(struct rlimit){0}), old)
CALL_AFTER((void)0, prlimit64,
	   (pid_t pid, __rlimit_resource_t resource, const struct rlimit64 *limit,
	    struct rlimit64 *old),
	   pid, resource, leave_room(pid, resource, limit, &(struct rlimit){0}), old)

/* ---- System calls */

static int (*libc_prctl)(int option, ...);

__attribute__((constructor(101))) static void
find_prctl(void)
{
	kernel_look_up("prctl", &libc_prctl);
}

int
prctl(int option, ...)
{
	unsigned long arguments[4];
	va_list list;

	va_start(list, option);
	for (unsigned int i = 0; i < 4; i++)
		arguments[i] = va_arg(list, unsigned long);
	va_end(list);
	if (option == PR_SET_NO_NEW_PRIVS || option == PR_SET_SECCOMP)
		prepare();
	if (libc_prctl == NULL)
		kernel_look_up("prctl", &libc_prctl);
	return libc_prctl(option, arguments[0], arguments[1], arguments[2], arguments[3]);
}

/* Behind those of exec.c and fork.c. */
__attribute__((constructor(104))) static void
be_set_up(void)
{
	is_set_up = true;
}
