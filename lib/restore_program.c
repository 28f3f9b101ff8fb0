/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * See restore_program.h. This process is a program of ternd's itself: it restores the connection by
 * libtern, and hands it over as any program does that executes another (exec.c).
 */
#include "restore_program.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "commands.h"
#include "tern.h"

extern char **environ;

/* Where execvp() would find it. False: nowhere, or it cannot be executed; errno says which. */
static bool
find_program(const char *name, char *path, size_t size)
{
	const char *folders = getenv("PATH"), *end;

	errno = ENOENT;
	if (strchr(name, '/') != NULL) {
		snprintf(path, size, "%s", name);
		return access(path, X_OK) == 0;
	}
	for (; folders != NULL && *folders != '\0'; folders = *end == '\0' ? end : end + 1) {
		end = strchrnul(folders, ':');
		snprintf(path, size, "%.*s/%s", (int)(end - folders), folders, name);
		if (access(path, X_OK) == 0)
			return true;
	}
	return false;
}

int
restore_program_begin(struct restored_program *p, const char *socket, int from, const char *shown,
		      char **program, int flags)
{
	int error;

	p->words = program;
	if (!find_program(program[0], p->path, sizeof(p->path))) {
		fprintf(stderr, "tern: %s: %s\n", program[0], strerror(errno));
		return errno == ENOENT ? RUN_NOT_FOUND : RUN_NOT_EXECUTABLE;
	}
	if (run_prepare(socket, program[0]) < 0)
		return 1;
	p->conn = tern_restore_from(from, NULL, flags);
	if (p->conn < 0) {
		const char *why = tern_checkpoint_error();

		error = errno;
		fprintf(stderr, "tern: %s: %s\n", shown, why[0] != '\0' ? why : strerror(error));
		return 1;
	}
	return 0;
}

int
restore_program_execute(const struct restored_program *p)
{
	if (tern_dup2(p->conn, STDIN_FILENO) < 0 || tern_dup2(p->conn, STDOUT_FILENO) < 0) {
		fprintf(stderr, "tern: %s\n", strerror(errno));
		return 1;
	}
	if (p->conn > STDOUT_FILENO)
		tern_close(p->conn);
	tern_execve(p->path, p->words, environ);
	fprintf(stderr, "tern: %s: %s\n", p->path, strerror(errno));
	return RUN_NOT_EXECUTABLE;
}

int
restore_program(const char *socket, const char *file, char **program)
{
	struct restored_program p;
	int from, status;

	/* The program's standard input is the connection: what this one reads must lie elsewhere.
	 */
	from = strcmp(file, "-") == 0 ? dup(STDIN_FILENO) : open(file, O_RDONLY | O_CLOEXEC);
	if (from < 0) {
		fprintf(stderr, "tern: %s: %s\n", file, strerror(errno));
		return 1;
	}
	status = restore_program_begin(&p, socket, from, file, program, 0);
	close(from);
	return status != 0 ? status : restore_program_execute(&p);
}
