/* SPDX-License-Identifier: BSD-3-Clause */
/* Programs attached to a ternd without lanes: channels, limits, and arenas that lose their pages.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "unit.h"

#include "dataplane/programs.h"

static struct programs *programs;
static int fault_event;

static void
start(uint32_t max_programs, uint32_t max_of_user)
{
	struct programs_config config = {.max_programs = max_programs,
					 .max_of_user = max_of_user,
					 .sockets = 64,
					 .blocks = 64};

	fault_event = config.fault_event = eventfd(0, EFD_NONBLOCK);
	programs = programs_open(&config);
	CU_ASSERT_FATAL(programs != NULL);
}

static void
end(void)
{
	programs_close(programs);
	close(fault_event);
}

/* Returns a program's end of its channel, or -1. */
static int
attach_as(uid_t uid, const char **error)
{
	struct ucred who = {.pid = getpid(), .uid = uid};

	return programs_attach(programs, -1, &who, error);
}

static int
attach(void)
{
	const char *error;

	return attach_as(1000, &error);
}

static void
say(int channel, const void *what, size_t bytes)
{
	CU_ASSERT_EQUAL(send(channel, what, bytes, 0), (ssize_t)bytes);
	programs_run(programs);
}

static struct shm_message
hear(int channel)
{
	struct shm_message message = {0};

	CU_ASSERT_EQUAL(recv(channel, &message, sizeof(message), MSG_DONTWAIT), sizeof(message));
	return message;
}

static bool
has_ended(int channel)
{
	char byte;

	return recv(channel, &byte, 1, MSG_DONTWAIT) == 0;
}

/* ---- Limits */

UNIT_CASE(programs_are_bounded)
{
	const char *error = NULL;
	int channels[3];

	start(3, 0);
	for (int i = 0; i < 3; i++)
		CU_ASSERT_FATAL((channels[i] = attach()) >= 0);
	CU_ASSERT_EQUAL(attach_as(1001, &error), -1);
	CU_ASSERT_PTR_NOT_NULL(strstr(error, "[limits] programs"));
	close(channels[1]);
	programs_run(programs);
	CU_ASSERT_EQUAL(programs_count(programs), 2);
	CU_ASSERT((channels[1] = attach()) >= 0);
	for (int i = 0; i < 3; i++)
		close(channels[i]);
	end();
}

UNIT_CASE(one_user_leaves_room_for_others)
{
	struct shm_message share = {.version = SHM_VERSION, .op = SHM_SHARE}, answer;
	const char *error = NULL;
	int first, second, other;

	start(8, 2);
	first = attach();
	second = attach();
	CU_ASSERT_EQUAL(attach_as(1000, &error), -1);
	CU_ASSERT_PTR_NOT_NULL(strstr(error, "user_programs"));
	/* A share is a program of the same user. */
	say(first, &share, sizeof(share));
	answer = hear(first);
	CU_ASSERT_EQUAL(answer.op, SHM_SHARE);
	CU_ASSERT_EQUAL(answer.error, -ENOMEM);
	CU_ASSERT((other = attach_as(1001, &error)) >= 0);
	CU_ASSERT_EQUAL(programs_count(programs), 3);
	close(first);
	close(second);
	close(other);
	end();
}

/* ---- Channels */

UNIT_CASE(who_says_nonsense_is_detached)
{
	struct shm_message old = {.version = SHM_VERSION - 1, .op = SHM_HELLO};
	struct shm_message unknown = {.version = SHM_VERSION, .op = 77};
	char garbage[1000];
	int channels[3], good;

	start(8, 0);
	memset(garbage, 0xa5, sizeof(garbage));
	good = attach();
	for (int i = 0; i < 3; i++)
		channels[i] = attach();
	say(channels[0], garbage, sizeof(garbage));
	say(channels[1], &old, sizeof(old));
	say(channels[2], &unknown, sizeof(unknown));
	for (int i = 0; i < 3; i++) {
		CU_ASSERT(has_ended(channels[i]));
		close(channels[i]);
	}
	CU_ASSERT(!has_ended(good));
	CU_ASSERT_EQUAL(programs_count(programs), 1);
	close(good);
	end();
}

/* ---- Pages that do not come back */

/* The last arena that was mapped: where this process has it. */
static uint8_t *
find_arena(size_t *bytes)
{
	FILE *maps = fopen("/proc/self/maps", "r");
	unsigned long begin, after;
	uint8_t *found = NULL;
	char line[512];

	CU_ASSERT_FATAL(maps != NULL);
	while (found == NULL && fgets(line, sizeof(line), maps) != NULL)
		if (strstr(line, "/memfd:tern ") != NULL &&
		    sscanf(line, "%lx-%lx", &begin, &after) == 2) {
			found = (uint8_t *)begin;
			*bytes = after - begin;
		}
	fclose(maps);
	return found;
}

/* A page that is not there gives SIGBUS, as if memory had run out. Returns what must be closed. */
static int
starve(uint8_t *memory, size_t bytes)
{
	struct uffdio_api api = {.api = UFFD_API, .features = UFFD_FEATURE_SIGBUS};
	struct uffdio_register range = {.range = {(uintptr_t)memory, bytes},
					.mode = UFFDIO_REGISTER_MODE_MISSING};
	int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | UFFD_USER_MODE_ONLY);

	if (fd >= 0 &&
	    (ioctl(fd, UFFDIO_API, &api) < 0 || ioctl(fd, UFFDIO_REGISTER, &range) < 0)) {
		close(fd);
		fd = -1;
	}
	return fd;
}

UNIT_CASE(a_page_that_is_gone_detaches_its_program_alone)
{
	struct shm_message hello = {.version = SHM_VERSION, .op = SHM_HELLO, .pid = 4711};
	size_t bytes = 0;
	uint8_t *arena;
	int bad, good, starved;

	start(8, 0);
	bad = attach();
	say(bad, &hello, sizeof(hello));
	CU_ASSERT_EQUAL(hear(bad).op, SHM_HELLO);
	arena = find_arena(&bytes);
	CU_ASSERT_FATAL(arena != NULL);
	good = attach();
	/* What the program can do: the memory is the same for both. */
	CU_ASSERT_EQUAL_FATAL(madvise(arena, bytes, MADV_REMOVE), 0);
	CU_ASSERT_EQUAL(arena[0], 0);
	CU_ASSERT_EQUAL(programs_count(programs), 2);
	starved = starve(arena, bytes);
	if (starved >= 0) {
		volatile uint8_t *page = arena + 3 * 4096 + 17;

		*page = 1; /* SIGBUS, and on */
		CU_ASSERT_EQUAL(*page, 1);
		CU_ASSERT_EQUAL(arena[5 * 4096], 0);
		programs_run(programs);
		CU_ASSERT_EQUAL(hear(bad).op, SHM_BYE);
		CU_ASSERT(has_ended(bad));
		CU_ASSERT(!has_ended(good));
		CU_ASSERT_EQUAL(programs_count(programs), 1);
		close(starved);
	} else {
		printf("(without userfaultfd: no page was gone) ");
	}
	close(bad);
	close(good);
	end();
}

UNIT_MAIN_EAL(UNIT_RUN(programs_are_bounded), UNIT_RUN(one_user_leaves_room_for_others),
	      UNIT_RUN(who_says_nonsense_is_detached),
	      UNIT_RUN(a_page_that_is_gone_detaches_its_program_alone))
