/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * exec, vfork and posix_spawn under libc's names: sockets that stay open live on in the image that
 * follows (exec.h).
 *
 * vfork() is fork(): a child that shared its parent's memory would take the parent's sockets apart.
 * What it writes into that memory its parent does not see, nor does the parent wait for it.
 *
 * posix_spawn() executes inside libc, after file actions that only libc sees. So they are noted as
 * they are added, and what they do to descriptors is worked out before. Left out: sockets for an
 * image behind posix_spawn_file_actions_addclosefrom_np(), which closes what would hand them on.
 */
#include <errno.h>
#include <pthread.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "exec.h"
#include "kernel.h"

/* libc's, looked up while the library is loaded: a child of fork() may not look. */
static struct {
	int (*execvpe)(const char *file, char *const argv[], char *const environment[]);
	int (*fexecve)(int fd, char *const argv[], char *const environment[]);
	int (*execveat)(int folder, const char *path, char *const argv[], char *const environment[],
			int flags);
	int (*posix_spawn)(pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions,
			   const posix_spawnattr_t *attributes, char *const argv[],
			   char *const environment[]);
	int (*posix_spawnp)(pid_t *pid, const char *file, const posix_spawn_file_actions_t *actions,
			    const posix_spawnattr_t *attributes, char *const argv[],
			    char *const environment[]);
	int (*init)(posix_spawn_file_actions_t *actions);
	int (*destroy)(posix_spawn_file_actions_t *actions);
	int (*addclose)(posix_spawn_file_actions_t *actions, int fd);
	int (*adddup2)(posix_spawn_file_actions_t *actions, int fd, int to);
	int (*addopen)(posix_spawn_file_actions_t *actions, int fd, const char *path, int flags,
		       mode_t mode);
	int (*addclosefrom_np)(posix_spawn_file_actions_t *actions, int from);
} libc;

__attribute__((constructor(101))) static void
find_libc(void)
{
	kernel_look_up("execvpe", &libc.execvpe);
	kernel_look_up("fexecve", &libc.fexecve);
	kernel_look_up("execveat", &libc.execveat);
	kernel_look_up("posix_spawn", &libc.posix_spawn);
	kernel_look_up("posix_spawnp", &libc.posix_spawnp);
	kernel_look_up("posix_spawn_file_actions_init", &libc.init);
	kernel_look_up("posix_spawn_file_actions_destroy", &libc.destroy);
	kernel_look_up("posix_spawn_file_actions_addclose", &libc.addclose);
	kernel_look_up("posix_spawn_file_actions_adddup2", &libc.adddup2);
	kernel_look_up("posix_spawn_file_actions_addopen", &libc.addopen);
	kernel_look_up("posix_spawn_file_actions_addclosefrom_np", &libc.addclosefrom_np);
}

/* ---- exec */

int
execve(const char *path, char *const argv[], char *const environment[])
{
	struct exec_plan plan;

	exec_begin(&plan, environment, false, NULL, 0);
	kernel.execve(path, argv, plan.environment);
	exec_end(&plan);
	return -1;
}

int
execvpe(const char *file, char *const argv[], char *const environment[])
{
	struct exec_plan plan;

	exec_begin(&plan, environment, false, NULL, 0);
	libc.execvpe(file, argv, plan.environment);
	exec_end(&plan);
	return -1;
}

int
fexecve(int fd, char *const argv[], char *const environment[])
{
	struct exec_plan plan;

	exec_begin(&plan, environment, false, NULL, 0);
	libc.fexecve(fd, argv, plan.environment);
	exec_end(&plan);
	return -1;
}

int
execveat(int folder, const char *path, char *const argv[], char *const environment[], int flags)
{
	struct exec_plan plan;

	exec_begin(&plan, environment, false, NULL, 0);
	libc.execveat(folder, path, argv, plan.environment, flags);
	exec_end(&plan);
	return -1;
}

int
execv(const char *path, char *const argv[])
{
	return execve(path, argv, environ);
}

int
execvp(const char *file, char *const argv[])
{
	return execvpe(file, argv, environ);
}

/* The arguments of execl() and its sisters, up to the NULL, to be freed. */
static char **
gather(const char *first, va_list *rest)
{
	size_t n = 1;
	va_list copy;
	char **argv;

	va_copy(copy, *rest);
	for (const char *at = first; at != NULL; at = va_arg(copy, const char *))
		n++;
	va_end(copy);
	argv = malloc(n * sizeof(*argv));
	if (argv == NULL)
		return NULL;
	argv[0] = (char *)(uintptr_t)first;
	for (size_t i = 1; i < n; i++)
		argv[i] = va_arg(*rest, char *);
	return argv;
}

/* They return only if they fail. */
static int
execute(int (*call)(const char *file, char *const argv[], char *const environment[]),
	const char *file, char **argv, char *const *environment)
{
	int error;

	if (argv != NULL)
		call(file, argv, environment);
	error = argv == NULL ? ENOMEM : errno;
	free(argv);
	errno = error;
	return -1;
}

int
execl(const char *path, const char *argument, ...)
{
	char **argv;
	va_list rest;

	va_start(rest, argument);
	argv = gather(argument, &rest);
	va_end(rest);
	return execute(execve, path, argv, environ);
}

int
execlp(const char *file, const char *argument, ...)
{
	char **argv;
	va_list rest;

	va_start(rest, argument);
	argv = gather(argument, &rest);
	va_end(rest);
	return execute(execvpe, file, argv, environ);
}

int
execle(const char *path, const char *argument, ...)
{
	char *const *environment;
	char **argv;
	va_list rest;

	va_start(rest, argument);
	argv = gather(argument, &rest);
	environment = argv == NULL ? NULL : va_arg(rest, char *const *);
	va_end(rest);
	return execute(execve, path, argv, environment);
}

pid_t
vfork(void)
{
	return fork();
}

/* ---- posix_spawn: the file actions */

/* What is known of a posix_spawn_file_actions_t. */
struct noted {
	const posix_spawn_file_actions_t *of;
	struct noted *next;
	struct exec_action *list;
	size_t n;
	bool forgot; /* there was no memory to note something */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct noted *all_noted;

/* Under the lock. */
static struct noted **
find_noted(const posix_spawn_file_actions_t *actions)
{
	struct noted **at = &all_noted;

	while (*at != NULL && (*at)->of != actions)
		at = &(*at)->next;
	return at;
}

static void
forget(const posix_spawn_file_actions_t *actions)
{
	struct noted **at, *noted;

	pthread_mutex_lock(&lock);
	at = find_noted(actions);
	noted = *at;
	if (noted != NULL) {
		*at = noted->next;
		free(noted->list);
		free(noted);
	}
	pthread_mutex_unlock(&lock);
}

/* Returns the status of libc's function, which has been called before. */
static int
note(const posix_spawn_file_actions_t *actions, int status, struct exec_action action)
{
	struct noted **at, *noted;
	struct exec_action *more;

	if (status != 0)
		return status;
	pthread_mutex_lock(&lock);
	at = find_noted(actions);
	if (*at == NULL) {
		*at = calloc(1, sizeof(**at));
		if (*at != NULL)
			(*at)->of = actions;
	}
	noted = *at;
	if (noted != NULL) {
		more = realloc(noted->list, (noted->n + 1) * sizeof(*more));
		if (more != NULL) {
			noted->list = more;
			noted->list[noted->n++] = action;
		} else {
			noted->forgot = true;
		}
	}
	pthread_mutex_unlock(&lock);
	return status;
}

int
posix_spawn_file_actions_init(posix_spawn_file_actions_t *actions)
{
	forget(actions);
	return libc.init(actions);
}

int
posix_spawn_file_actions_destroy(posix_spawn_file_actions_t *actions)
{
	forget(actions);
	return libc.destroy(actions);
}

int
posix_spawn_file_actions_addclose(posix_spawn_file_actions_t *actions, int fd)
{
	return note(actions, libc.addclose(actions, fd), (struct exec_action){EXEC_CLOSE, 0, fd});
}

int
posix_spawn_file_actions_adddup2(posix_spawn_file_actions_t *actions, int fd, int to)
{
	return note(actions, libc.adddup2(actions, fd, to),
		    (struct exec_action){EXEC_DUP2, fd, to});
}

int
posix_spawn_file_actions_addopen(posix_spawn_file_actions_t *actions, int fd, const char *path,
				 int flags, mode_t mode)
{
	return note(actions, libc.addopen(actions, fd, path, flags, mode),
		    (struct exec_action){EXEC_OPEN, 0, fd});
}

int
posix_spawn_file_actions_addclosefrom_np(posix_spawn_file_actions_t *actions, int from)
{
	return note(actions, libc.addclosefrom_np(actions, from),
		    (struct exec_action){EXEC_CLOSE_FROM, 0, from});
}

/* ---- posix_spawn */

static void
plan_spawn(struct exec_plan *plan, const posix_spawn_file_actions_t *actions,
	   char *const *environment)
{
	static const struct exec_action none = {EXEC_CLOSE_FROM, 0, 0};
	const struct noted *noted = NULL;

	pthread_mutex_lock(&lock);
	if (actions != NULL)
		noted = *find_noted(actions);
	if (noted != NULL && noted->forgot)
		exec_begin(plan, environment, true, &none, 1);
	else if (noted != NULL)
		exec_begin(plan, environment, true, noted->list, noted->n);
	else
		exec_begin(plan, environment, true, NULL, 0);
	pthread_mutex_unlock(&lock);
}

int
posix_spawn(pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions,
	    const posix_spawnattr_t *attributes, char *const argv[], char *const environment[])
{
	struct exec_plan plan;
	int status;

	plan_spawn(&plan, actions, environment);
	status = libc.posix_spawn(pid, path, actions, attributes, argv, plan.environment);
	exec_end(&plan);
	return status;
}

int
posix_spawnp(pid_t *pid, const char *file, const posix_spawn_file_actions_t *actions,
	     const posix_spawnattr_t *attributes, char *const argv[], char *const environment[])
{
	struct exec_plan plan;
	int status;

	plan_spawn(&plan, actions, environment);
	status = libc.posix_spawnp(pid, file, actions, attributes, argv, plan.environment);
	exec_end(&plan);
	return status;
}
