/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * See reachable.h. An ELF file without an interpreter is not linked dynamically; the dynamic linker
 * ignores LD_PRELOAD where the program gains privileges; and the Go tool chain's programs, known by
 * the section with their build's description, make system calls without libc.
 *
 * Left out: 32-bit programs, which the linker itself complains of, file capabilities, and what a
 * script's interpreter or a program's children are.
 */
#include <elf.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "reachable.h"

enum {
	MAX_HEADERS = 256, /* looked at, of each kind */
};

static bool
read_at(int fd, void *to, size_t bytes, uint64_t at)
{
	return at <= INT64_MAX && pread(fd, to, bytes, (off_t)at) == (ssize_t)bytes;
}

static bool
has_interpreter(int fd, const Elf64_Ehdr *elf)
{
	Elf64_Phdr header;

	for (unsigned int i = 0; i < elf->e_phnum && i < MAX_HEADERS; i++)
		if (read_at(fd, &header, sizeof(header), elf->e_phoff + i * sizeof(header)) &&
		    header.p_type == PT_INTERP)
			return true;
	return false;
}

static bool
has_section(int fd, const Elf64_Ehdr *elf, const char *wanted)
{
	Elf64_Shdr names, header;
	char name[32];

	if (!read_at(fd, &names, sizeof(names), elf->e_shoff + elf->e_shstrndx * sizeof(names)))
		return false;
	for (unsigned int i = 0; i < elf->e_shnum && i < MAX_HEADERS; i++)
		if (read_at(fd, &header, sizeof(header), elf->e_shoff + i * sizeof(header)) &&
		    read_at(fd, name, strlen(wanted) + 1, names.sh_offset + header.sh_name) &&
		    memcmp(name, wanted, strlen(wanted) + 1) == 0)
			return true;
	return false;
}

static const char *
why_not(int fd)
{
	Elf64_Ehdr elf;
	struct stat status;

	if (fstat(fd, &status) == 0 &&
	    (((status.st_mode & S_ISUID) && status.st_uid != geteuid()) ||
	     ((status.st_mode & S_ISGID) && status.st_gid != getegid())))
		return "gains privileges (set-user-ID or set-group-ID)";
	if (!read_at(fd, &elf, sizeof(elf), 0) || memcmp(elf.e_ident, ELFMAG, SELFMAG) != 0 ||
	    elf.e_ident[EI_CLASS] != ELFCLASS64 || elf.e_phentsize != sizeof(Elf64_Phdr))
		return NULL;
	if (elf.e_shentsize == sizeof(Elf64_Shdr) && has_section(fd, &elf, ".go.buildinfo"))
		return "is written in Go, whose programs do without libc";
	return has_interpreter(fd, &elf) ? NULL : "is statically linked";
}

/* The file that execvp() would take. Returns a descriptor, or -1. */
static int
open_program(const char *program)
{
	const char *at = getenv("PATH"), *end;
	char path[PATH_MAX];
	int n;

	if (strchr(program, '/') != NULL)
		return open(program, O_RDONLY | O_CLOEXEC);
	for (at = at == NULL ? "/bin:/usr/bin" : at;; at = end + 1) {
		end = strchrnul(at, ':');
		n = snprintf(path, sizeof(path), "%.*s%s%s", (int)(end - at), at,
			     end == at ? "" : "/", program);
		if (n > 0 && (size_t)n < sizeof(path) && access(path, X_OK) == 0)
			return open(path, O_RDONLY | O_CLOEXEC);
		if (*end == '\0')
			return -1;
	}
}

const char *
reachable_why_not(const char *program)
{
	int fd = open_program(program);
	const char *why = fd < 0 ? NULL : why_not(fd);

	if (fd >= 0)
		close(fd);
	return why;
}
