/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * longjmp() and its kin under libc's names: a handler that jumps may leave a wait for good, and the
 * other threads' waits must not depend on it.
 *
 * Left out: setcontext(), and jumps made without libc.
 */
#include <setjmp.h>
#include <stdlib.h>

#include "kernel.h"
#include "wait.h"

typedef void (*jump_fn)(struct __jmp_buf_tag *env, int value);

void __longjmp_chk(struct __jmp_buf_tag *env, int value) __attribute__((noreturn));

static jump_fn jumps[4];

static const char *const names[4] = {"longjmp", "_longjmp", "siglongjmp", "__longjmp_chk"};

__attribute__((constructor(101))) static void
find_jumps(void)
{
	for (int i = 0; i < 4; i++)
		kernel_look_up(names[i], &jumps[i]);
}

static _Noreturn void
jump(int which, struct __jmp_buf_tag *env, int value)
{
	if (jumps[which] == NULL)
		find_jumps(); /* before our constructors */
	if (jumps[which] == NULL)
		abort();
	wait_jumping();
	jumps[which](env, value);
	__builtin_unreachable();
}

void
longjmp(jmp_buf env, int value)
{
	jump(0, env, value);
}

void
_longjmp(jmp_buf env, int value)
{
	jump(1, env, value);
}

void
siglongjmp(sigjmp_buf env, int value)
{
	jump(2, env, value);
}

void
__longjmp_chk(struct __jmp_buf_tag *env, int value)
{
	jump(3, env, value);
}
