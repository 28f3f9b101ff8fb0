/* SPDX-License-Identifier: BSD-3-Clause */
/* See payload.h. */
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>

#include "payload.h"
#include "wait.h"

enum {
	PAYLOADS_MAX = 64, /* that a program fills in, whatever the arena has */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t own = PTHREAD_MUTEX_INITIALIZER; /* whoever uses the library's */
static struct payload {
	enum { UNUSED, FILLED_IN, POSTED } state;
	struct arena_mark mark; /* POSTED: free when the lane has come so far */
} payloads[PAYLOADS_MAX];

/* Those of the program. */
static uint32_t
payloads_count(void)
{
	uint32_t n = arena.header.payloads - 1;

	return n < PAYLOADS_MAX ? n : PAYLOADS_MAX;
}

static bool
is_free(const struct payload *payload)
{
	return payload->state == UNUSED ||
	       (payload->state == POSTED && arena_has_taken(&payload->mark));
}

/* Returns the index of a payload, -EAGAIN if one will be free, -ENOBUFS if all are filled in. */
static int
take(void)
{
	int status = -ENOBUFS;

	pthread_mutex_lock(&lock);
	for (uint32_t i = 0; i < payloads_count() && status < 0; i++) {
		if (payloads[i].state == POSTED)
			status = -EAGAIN;
		if (!is_free(&payloads[i]))
			continue;
		payloads[i].state = FILLED_IN;
		status = (int)i;
	}
	pthread_mutex_unlock(&lock);
	return status;
}

static bool
any_is_free(void *arg)
{
	(void)arg;
	for (uint32_t i = 0; i < payloads_count(); i++)
		if (is_free(&payloads[i]))
			return true;
	return __atomic_load_n(&arena.dead, __ATOMIC_ACQUIRE);
}

/* Waits for the lane alone, which does not keep anybody waiting. */
int
payload_take(void)
{
	struct wait wait = {.ready = any_is_free, .deadline_ns = WAIT_FOREVER, .deaf = true};
	int index;

	while ((index = take()) == -EAGAIN) {
		if (__atomic_load_n(&arena.dead, __ATOMIC_ACQUIRE))
			return -ECONNRESET;
		wait_for(&wait);
	}
	return index;
}

uint8_t *
payload_memory(int index)
{
	return arena.payloads + (size_t)index * SHM_PAYLOAD_MAX;
}

int
payload_find(const void *buffer)
{
	uintptr_t at = (uintptr_t)buffer - (uintptr_t)arena.payloads;
	uintptr_t index = at / SHM_PAYLOAD_MAX;

	if (buffer == NULL || arena.payloads == NULL || at % SHM_PAYLOAD_MAX != 0 ||
	    index >= payloads_count())
		return -1;
	return payloads[index].state == FILLED_IN ? (int)index : -1;
}

void
payload_give_back(int index, const struct arena_mark *mark)
{
	pthread_mutex_lock(&lock);
	payloads[index].state = mark != NULL ? POSTED : UNUSED;
	if (mark != NULL)
		payloads[index].mark = *mark;
	pthread_mutex_unlock(&lock);
}

int
payload_hold_own(sigset_t *old)
{
	sigset_t all;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, old);
	pthread_mutex_lock(&own);
	return (int)arena.header.payloads - 1;
}

void
payload_let_go(const sigset_t *old)
{
	pthread_mutex_unlock(&own);
	pthread_sigmask(SIG_SETMASK, old, NULL);
}

void
payload_reset(void)
{
	pthread_mutex_init(&lock, NULL);
	pthread_mutex_init(&own, NULL);
	memset(payloads, 0, sizeof(payloads));
}
