/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The configuration: arbitrary files are read, or refused with a message for each error, each on a
 * line of its own, and none is accepted in silence and refused in silence. Reading twice gives the
 * same.
 *
 * Input: the file.
 */
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "dataplane/config.h"
#include "fuzz.h"

static char path[64];
static int file = -1;

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	file = memfd_create("fuzz", 0);
	FUZZ_CHECK(file >= 0, "no memfd");
	snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
	return 0;
}

/* Returns the messages, to be freed. */
static char *
read_config(struct config *config, int *status)
{
	char *errors = NULL;
	size_t bytes;
	FILE *stream = open_memstream(&errors, &bytes);

	*status = config_read(path, config, stream);
	fclose(stream);
	return errors;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static struct config first, second;
	int status, again;
	char *errors, *more;

	FUZZ_CHECK(ftruncate(file, 0) == 0 && pwrite(file, data, n, 0) == (ssize_t)n, "memfd");
	errors = read_config(&first, &status);
	more = read_config(&second, &again);
	FUZZ_CHECK(status == 0 || status == -1, "%d", status);
	FUZZ_CHECK(status == again && strcmp(errors, more) == 0, "%s---\n%s", errors, more);
	FUZZ_CHECK((status == 0) == (errors[0] == '\0'), "%d, and says: %s", status, errors);
	FUZZ_CHECK(status == 0 || errors[strlen(errors) - 1] == '\n', "%s", errors);
	if (status == 0)
		FUZZ_CHECK(first.n_ports > 0 && first.n_ports <= CONFIG_MAX_PORTS &&
				   first.lanes > 0 && first.lanes <= CONFIG_MAX_LANES &&
				   first.n_services <= CONFIG_MAX_SERVICES,
			   "out of range");
	config_free(&first);
	config_free(&second);
	free(errors);
	free(more);
	return 0;
}
