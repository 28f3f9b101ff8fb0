/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runs a harness without libFuzzer: on every file named, and every file of every folder named, in
 * the order of their names.
 *
 *     PROGRAM FILE|FOLDER...
 */
#include <dirent.h>
#include <string.h>
#include <sys/stat.h>

#include "fuzz.h"

static unsigned int ran;

/* In memory of just the input's size. */
static void
run_file(const char *path, size_t size)
{
	uint8_t *data = malloc(size > 0 ? size : 1);
	FILE *f = fopen(path, "rb");

	if (data == NULL || f == NULL || fread(data, 1, size, f) != size) {
		perror(path);
		exit(2);
	}
	fclose(f);
	fprintf(stderr, "%s\n", path);
	LLVMFuzzerTestOneInput(data, size);
	free(data);
	ran++;
}

static int
is_shown(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

static void
run(const char *path)
{
	struct dirent **entries;
	struct stat status;
	char *inside;
	int n;

	if (stat(path, &status) < 0) {
		perror(path);
		exit(2);
	}
	if (!S_ISDIR(status.st_mode)) {
		run_file(path, (size_t)status.st_size);
		return;
	}
	n = scandir(path, &entries, is_shown, alphasort);
	for (int i = 0; i < n; i++) {
		if (asprintf(&inside, "%s/%s", path, entries[i]->d_name) < 0)
			exit(2);
		run(inside);
		free(inside);
		free(entries[i]);
	}
	free(entries);
}

int
main(int argc, char **argv)
{
	LLVMFuzzerInitialize(&argc, &argv);
	for (int i = 1; i < argc; i++)
		run(argv[i]);
	printf("%u inputs\n", ran);
	return ran == 0 ? 2 : 0;
}
