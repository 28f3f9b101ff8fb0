/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A lane that has nothing to do sleeps, where [dataplane] idle = adaptive.
 *
 *     busy ── nothing for SPIN_US ──▶ armed ── a whole turn, and still nothing ──▶ asleep
 *       ▲                               │                                             │
 *       └────────── work ───────────────┴───────────── a bell, a packet, a timer ─────┘
 *
 * Armed means: whoever has something for the lane rings from now on. Programs and other threads see
 * `asleep` and write to a bell, devices interrupt. The turn that follows sees what came before, so
 * nothing is lost in between.
 *
 * A device whose driver has no receive interrupts is looked after by naps, each twice as long as
 * the one before, up to NAP_MAX_US, while nothing comes. So is a lane of a service with
 * lane_turn().
 *
 * Tests: test/interop/idle.sh.
 */
#include <errno.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include <rte_errno.h>
#include <rte_interrupts.h>

#include "dataplane/lane_impl.h"
#include "dataplane/log.h"

enum {
	SPIN_US = 50, /* about what going to sleep and waking up costs, several times over */
	NAP_MIN_US = 16,
	NAP_MAX_US = 1000,
	SLEEP_MAX_US = 1000000, /* should all else fail */
	EVENTS = 16,
};

static int
watch(struct lane_idle *idle, int fd)
{
	struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data.fd = fd};

	return epoll_ctl(idle->epoll, EPOLL_CTL_ADD, fd, &event);
}

/* Whether every port of the lane tells of packets by itself. */
static bool
add_interrupts(struct lane *lane)
{
	for (unsigned int i = 0; i < lane->n_ports; i++)
		if (lane->ports[i].has_queue &&
		    rte_eth_dev_rx_intr_ctl_q(lane->ports[i].device->id, lane->ports[i].queue,
					      lane->idle.rx, RTE_INTR_EVENT_ADD, NULL) < 0)
			return false;
	return watch(&lane->idle, lane->idle.rx) == 0;
}

int
lane_idle_open(struct lane *lane)
{
	struct lane_idle *idle = &lane->idle;

	idle->epoll = lane->door.bell = idle->rx = -1;
	if (lane->config->idle != IDLE_ADAPTIVE)
		return 0;
	idle->epoll = epoll_create1(EPOLL_CLOEXEC);
	idle->rx = epoll_create1(EPOLL_CLOEXEC);
	lane->door.bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (idle->epoll < 0 || idle->rx < 0 || lane->door.bell < 0 ||
	    watch(idle, lane->door.bell) < 0) {
		log_line("lane %u cannot sleep: %s", lane->index, strerror(errno));
		return -1;
	}
	idle->interrupts = add_interrupts(lane);
	idle->naps = !idle->interrupts || service_set_has_turns(lane->services);
	idle->nap_us = NAP_MIN_US;
	lane->door.sleeps = true;
	return 0;
}

void
lane_idle_close(struct lane *lane)
{
	struct lane_idle *idle = &lane->idle;

	if (!lane->door.sleeps)
		return;
	lane->door.sleeps = false;
	if (idle->interrupts)
		for (unsigned int i = 0; i < lane->n_ports; i++)
			if (lane->ports[i].has_queue)
				rte_eth_dev_rx_intr_ctl_q(lane->ports[i].device->id,
							  lane->ports[i].queue, idle->rx,
							  RTE_INTR_EVENT_DEL, NULL);
	close(idle->epoll);
	close(idle->rx);
	close(lane->door.bell);
}

void
lane_idle_start(struct lane *lane)
{
	if (lane->door.sleeps)
		prctl(PR_SET_TIMERSLACK, 1UL);
}

void
lane_idle_watch(struct lane *lane, int bell)
{
	if (lane->door.sleeps && watch(&lane->idle, bell) < 0)
		log_line("lane %u: a program cannot wake it: %s", lane->index, strerror(errno));
}

void
lane_idle_forget(struct lane *lane, int bell)
{
	if (lane->door.sleeps)
		epoll_ctl(lane->idle.epoll, EPOLL_CTL_DEL, bell, NULL);
}

void
lane_ring(struct lane *lane)
{
	if (!lane->door.sleeps)
		return;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (__atomic_load_n(&lane->door.asleep, __ATOMIC_RELAXED) != 0)
		eventfd_write(lane->door.bell, 1);
}

/* ---- The loop's side */

/* Drivers without a switch have their interrupts always on. */
static void
switch_interrupts(struct lane *lane, bool on)
{
	if (!lane->idle.interrupts)
		return;
	for (unsigned int i = 0; i < lane->n_ports; i++) {
		uint16_t id = lane->ports[i].device->id, queue = lane->ports[i].queue;

		if (!lane->ports[i].has_queue)
			continue;
		if (on)
			rte_eth_dev_rx_intr_enable(id, queue);
		else
			rte_eth_dev_rx_intr_disable(id, queue);
	}
}

static void
set_armed(struct lane *lane, bool armed)
{
	lane->idle.armed = armed;
	__atomic_store_n(&lane->door.asleep, armed, __ATOMIC_RELAXED);
	gateway_doze(lane->gateway, armed);
	switch_interrupts(lane, armed);
	/* Whoever does not see it yet has put down what the next turn sees. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

/* When something is due that nobody rings for; as far as the lane can tell. */
static uint64_t
next_due(const struct lane *lane)
{
	uint64_t due_us = lane->now_us + SLEEP_MAX_US;

	due_us = RTE_MIN(due_us, tcp_next_timer(lane->tcp));
	due_us = RTE_MIN(due_us, net_next_timer(lane->net));
	due_us = RTE_MIN(due_us, service_set_next_timer(lane->services));
	if (lane->idle.naps)
		due_us = RTE_MIN(due_us, lane->now_us + lane->idle.nap_us);
	return due_us;
}

/* Takes what woke us. */
static void
take_events(struct lane_idle *idle)
{
	struct rte_epoll_event packets[EVENTS];
	struct epoll_event events[EVENTS];
	int n = epoll_wait(idle->epoll, events, EVENTS, 0);
	bool rx = false;

	for (int i = 0; i < n; i++)
		rx = rx || events[i].data.fd == idle->rx;
	if (rx)
		rte_epoll_wait(idle->rx, packets, EVENTS, 0);
}

static void
sleep_until(struct lane *lane, uint64_t due_us)
{
	struct lane_idle *idle = &lane->idle;
	struct pollfd fd = {.fd = idle->epoll, .events = POLLIN};
	uint64_t for_us = due_us - lane->now_us;
	struct timespec limit = {.tv_sec = (time_t)(for_us / 1000000),
				 .tv_nsec = (long)(for_us % 1000000) * 1000};

	LANE_COUNT(lane, sleeps);
	if (ppoll(&fd, 1, &limit, NULL) <= 0) {
		idle->nobody_rang = for_us == SLEEP_MAX_US;
		idle->nap_us = RTE_MIN(2 * idle->nap_us, (unsigned int)NAP_MAX_US);
		return;
	}
	LANE_COUNT(lane, wakes);
	take_events(idle);
	idle->since_us = 0;
}

void
lane_idle(struct lane *lane, bool worked)
{
	struct lane_idle *idle = &lane->idle;

	if (unlikely(idle->nobody_rang)) {
		LANE_COUNT_N(lane, overslept, worked);
		idle->nobody_rang = false;
	}
	if (worked) {
		if (idle->armed)
			set_armed(lane, false);
		idle->since_us = lane->now_us;
		idle->nap_us = NAP_MIN_US;
		return;
	}
	if (idle->since_us == 0)
		idle->since_us = lane->now_us;
	if (!idle->armed) {
		if (lane->now_us - idle->since_us >= SPIN_US)
			set_armed(lane, true);
		return;
	}
	if (next_due(lane) > lane->now_us)
		sleep_until(lane, next_due(lane));
	set_armed(lane, false);
}
