/* SPDX-License-Identifier: BSD-3-Clause */
/* See eal_files.h. Paths are those of DPDK's eal_filesystem.h, as root. */
#include <ctype.h>
#include <dirent.h>
#include <mntent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_eal.h>

#include "dataplane/eal_files.h"

#define RUNTIME_FOLDER "/var/run/dpdk"

/* The default huge page size, 0 if the kernel has none. */
static unsigned long long
default_page_bytes(void)
{
	FILE *f = fopen("/proc/meminfo", "re");
	char line[128];
	unsigned long long kb = 0;

	while (f != NULL && fgets(line, sizeof(line), f) != NULL)
		if (sscanf(line, "Hugepagesize: %llu kB", &kb) == 1)
			break;
	if (f != NULL)
		fclose(f);
	return kb << 10;
}

static unsigned long long
page_bytes(const struct mntent *mount)
{
	char *option = hasmntopt(mount, "pagesize"), *end;
	unsigned long long n;

	if (option == NULL)
		return default_page_bytes();
	n = strtoull(option + strlen("pagesize="), &end, 10);
	switch (toupper((unsigned char)*end)) {
	case 'G':
		return n << 30;
	case 'M':
		return n << 20;
	case 'K':
		return n << 10;
	default:
		return n;
	}
}

void
eal_files_each_mount(void (*take)(const char *folder, unsigned long long page_bytes, void *arg),
		     void *arg)
{
	FILE *mounts = setmntent("/proc/mounts", "re");
	struct mntent *mount;

	while (mounts != NULL && (mount = getmntent(mounts)) != NULL)
		if (strcmp(mount->mnt_type, "hugetlbfs") == 0)
			take(mount->mnt_dir, page_bytes(mount), arg);
	if (mounts != NULL)
		endmntent(mounts);
}

/* Removes the files of a folder whose names begin with `start`. */
static void
remove_files(const char *folder, const char *start)
{
	DIR *dir = opendir(folder);
	struct dirent *entry;

	while (dir != NULL && (entry = readdir(dir)) != NULL)
		if (entry->d_name[0] != '.' && strncmp(entry->d_name, start, strlen(start)) == 0)
			unlinkat(dirfd(dir), entry->d_name, 0);
	if (dir != NULL)
		closedir(dir);
}

static void
remove_pages(const char *folder, unsigned long long page_bytes, void *prefix)
{
	char start[128];

	(void)page_bytes;
	snprintf(start, sizeof(start), "%smap_", (const char *)prefix);
	remove_files(folder, start);
}

void
eal_files_remove(const char *prefix)
{
	char path[256], name[128];

	snprintf(path, sizeof(path), RUNTIME_FOLDER "/%s/config", prefix);
	if (access(path, F_OK) == 0 && rte_eal_primary_proc_alive(path))
		return;
	snprintf(name, sizeof(name), "%s", prefix);
	eal_files_each_mount(remove_pages, name);
	snprintf(path, sizeof(path), RUNTIME_FOLDER "/%s", prefix);
	remove_files(path, "");
	rmdir(path);
}
