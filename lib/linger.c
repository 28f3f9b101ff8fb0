/* SPDX-License-Identifier: BSD-3-Clause */
/* See linger.h. The lane is asked now and then how much is not acknowledged: nothing else needs to
 * know it, and who lingers does not do so often. */
#include <errno.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>

#include "linger.h"
#include "repair.h"
#include "wait.h"

enum {
	FIRST_NS = 100000, /* between two looks, doubling */
	LAST_NS = 10000000,
};

static int
ask(const struct file *file, enum shm_op op, uint32_t arg, uint64_t arg2, int *value)
{
	struct arena_call call = {
		.lane = file->lane,
		.op = op,
		.socket = file->slot,
		.arg = arg,
		.arg2 = arg2,
		.data = value,
		.data_room = value != NULL ? sizeof(*value) : 0,
	};

	return arena_call(&call);
}

void
linger(const struct file *file)
{
	struct timespec pause = {.tv_nsec = FIRST_NS};
	int64_t deadline_ns;
	int value = 0;

	if (file->linger_s <= 0 || repair_is_on(file) ||
	    __atomic_load_n(&arena.dead, __ATOMIC_ACQUIRE) ||
	    (__atomic_load_n(&file_status(file)->flags, __ATOMIC_ACQUIRE) & SHM_SHARED) != 0 ||
	    __atomic_load_n(&file_status(file)->state, __ATOMIC_ACQUIRE) != SHM_OPENED)
		return;
	if (ask(file, SHM_IOCTL, 0, SIOCINQ, &value) < 0 || value > 0 ||
	    ask(file, SHM_SHUTDOWN, SHUT_WR, 0, NULL) < 0)
		return;
	deadline_ns = wait_now_ns() + file->linger_s * INT64_C(1000000000);
	while (ask(file, SHM_IOCTL, 0, SIOCOUTQ, &value) == 0 && value > 0 &&
	       wait_now_ns() < deadline_ns && nanosleep(&pause, NULL) == 0)
		if (pause.tv_nsec < LAST_NS)
			pause.tv_nsec *= 2;
}
