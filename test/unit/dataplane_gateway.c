/* SPDX-License-Identifier: BSD-3-Clause */
/* dataplane/gateway.c, gateway_call.c, gateway_data.c between two engines, with arenas written by
 * hand. */
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include "gateway_rig.h"
#include "unit.h"

enum {
	LISTENER = 0,
	CONN = 1,
	PORT = 5000,
	MANY = 1 << 20,
};

static struct gateway_rig r;
static uint8_t out[MANY], in[MANY];

static void
fill_out(void)
{
	for (size_t i = 0; i < sizeof(out); i++)
		out[i] = (uint8_t)(i * 13 + i / 257);
	memset(in, 0, sizeof(in));
}

/* A program with a listener in slot 0 and a connection in slot 1; returns the peer. */
static struct tcp_conn *
start_with_connection(struct rig_program **p)
{
	struct tcp_conn *peer;

	rig_start(&r);
	fill_out();
	*p = rig_attach(&r, 0, NULL);
	rig_listen(&r, *p, LISTENER, PORT);
	peer = rig_connect(&r, PORT);
	UNIT_EQ(rig_accept(&r, *p, LISTENER, CONN), 0);
	return peer;
}

static void
end(struct tcp_conn *peer)
{
	if (peer != NULL)
		tcp_close(peer);
	CU_ASSERT(rig_end(&r));
}

static uint64_t
credit(const struct rig_program *p, uint32_t slot, uint64_t sent)
{
	return p->view.status[slot].send_limit - sent;
}

/* Who has the same one sleeps at once, for the lane works only then. */
UNIT_CASE(a_program_is_told_the_lanes_processor)
{
	struct rig_program *p;
	cpu_set_t all, one;
	int cpu = sched_getcpu();

	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	UNIT_EQ(sched_getaffinity(0, sizeof(all), &all), 0);
	UNIT_EQ(sched_setaffinity(0, sizeof(one), &one), 0);
	rig_start(&r);
	p = rig_attach(&r, 0, NULL);
	UNIT_EQ(p->view.lane->cpu, cpu + 1);
	end(NULL);
	UNIT_EQ(sched_setaffinity(0, sizeof(all), &all), 0);
}

UNIT_CASE(bytes_come_in_whole_and_in_order)
{
	struct rig_program *p;
	struct tcp_conn *peer = start_with_connection(&p);
	size_t sent = 0, got = 0;

	for (unsigned int i = 0; i < 5000 && got < MANY; i++) {
		ssize_t n = sent < MANY ? tcp_send(peer, out + sent, MANY - sent, 0) : 0;

		if (n > 0)
			sent += (size_t)n;
		got += rig_read(p, CONN, in + got, i % 7 == 0 ? 1 : 70000);
		rig_tell(p, SHM_CONSUMED, CONN, 0, NULL, 0);
		rig_run(&r, 1);
	}
	UNIT_EQ(got, MANY);
	CU_ASSERT(memcmp(in, out, MANY) == 0);
	UNIT_EQ(rig_stats(&r).bytes_in, MANY);
	UNIT_EQ(p->view.status[CONN].readable, MANY);
	end(peer);
}

UNIT_CASE(bytes_go_out_within_the_credit)
{
	struct rig_program *p;
	struct tcp_conn *peer = start_with_connection(&p);
	size_t sent = 0, got = 0;

	for (unsigned int i = 0; i < 20000 && got < MANY; i++) {
		uint64_t room = credit(p, CONN, sent);
		uint32_t n = (uint32_t)RTE_MIN(RTE_MIN(room, (uint64_t)(MANY - sent)),
					       (uint64_t)SHM_PAYLOAD_MAX);
		ssize_t read;

		if (n > 0)
			rig_tell(p, SHM_SEND, CONN, 0, out + sent, n);
		sent += n;
		rig_run(&r, 1);
		read = tcp_recv(peer, in + got, MANY - got, 0);
		if (read > 0)
			got += (size_t)read;
	}
	UNIT_EQ(got, MANY);
	CU_ASSERT(memcmp(in, out, MANY) == 0);
	UNIT_EQ(rig_stats(&r).bytes_out, MANY);
	CU_ASSERT(gateway_program_fault(p->gateway) == NULL);
	end(peer);
}

/* The credit runs out while the peer does not read, and comes back when it does. */
UNIT_CASE(credit_is_the_send_buffer)
{
	struct rig_program *p;
	struct tcp_conn *peer = start_with_connection(&p);
	size_t sent = 0, got = 0;

	for (unsigned int i = 0; i < 300; i++) {
		uint32_t n = (uint32_t)RTE_MIN(credit(p, CONN, sent), (uint64_t)SHM_PAYLOAD_MAX);

		if (n > 0)
			rig_tell(p, SHM_SEND, CONN, 0, out, n);
		sent += n;
		rig_run(&r, 1);
	}
	UNIT_EQ(credit(p, CONN, sent), 0);
	CU_ASSERT((p->view.status[CONN].poll & POLLOUT) == 0);
	for (unsigned int i = 0; i < 3000 && got < sent; i++) {
		ssize_t n = tcp_recv(peer, in, sizeof(in), 0);

		if (n > 0)
			got += (size_t)n;
		rig_run(&r, 1);
	}
	UNIT_EQ(got, sent);
	CU_ASSERT(credit(p, CONN, sent) > 0);
	CU_ASSERT((p->view.status[CONN].poll & POLLOUT) != 0);
	end(peer);
}

/* A program that stops at the end of POLLOUT, with credit left, hears when it holds again. */
UNIT_CASE(room_is_told_to_who_only_polls)
{
	struct rig_program *p;
	struct tcp_conn *peer = start_with_connection(&p);
	size_t sent = 0, got = 0;

	for (unsigned int i = 0; i < 3000 && (p->view.status[CONN].poll & POLLOUT) != 0; i++) {
		rig_tell(p, SHM_SEND, CONN, 0, out, 1000);
		sent += 1000;
		rig_run(&r, 1);
	}
	CU_ASSERT((p->view.status[CONN].poll & POLLOUT) == 0);
	CU_ASSERT(credit(p, CONN, sent) > 0);
	for (unsigned int i = 0; i < 3000 && got < sent; i++) {
		ssize_t n = tcp_recv(peer, in, sizeof(in), 0);

		if (n > 0)
			got += (size_t)n;
		rig_run(&r, 1);
	}
	UNIT_EQ(got, sent);
	CU_ASSERT((p->view.status[CONN].poll & POLLOUT) != 0);
	end(peer);
}

/* Unread bytes are the engine's: closing resets, as on Linux, though they lie in the arena. */
UNIT_CASE(closing_with_unread_bytes_resets)
{
	struct rig_program *p;
	struct tcp_conn *peer = start_with_connection(&p);

	UNIT_EQ(tcp_send(peer, "unread", 6, 0), 6);
	rig_run(&r, 5);
	UNIT_EQ(p->view.status[CONN].readable, 6);
	rig_tell(p, SHM_CLOSE, CONN, 0, NULL, 0);
	rig_run(&r, 5);
	UNIT_EQ(p->view.status[CONN].state, SHM_FREE);
	UNIT_EQ(tcp_recv(peer, in, 1, 0), -ECONNRESET);
	end(peer);
}

UNIT_CASE(closing_with_all_read_says_fin)
{
	struct rig_program *p;
	struct tcp_conn *peer = start_with_connection(&p);

	UNIT_EQ(tcp_send(peer, "read", 4, 0), 4);
	rig_run(&r, 5);
	UNIT_EQ(rig_read(p, CONN, in, 100), 4);
	rig_tell(p, SHM_CLOSE, CONN, 0, NULL, 0); /* says that all is read, too */
	rig_run(&r, 5);
	UNIT_EQ(tcp_recv(peer, in, 1, 0), 0);
	end(peer);
}

/* The end of the stream and errors come by a call, exactly once where the engine says so. */
UNIT_CASE(ends_and_errors_are_the_engines)
{
	struct rig_program *p;
	struct tcp_conn *peer = start_with_connection(&p), *other;

	UNIT_EQ(rig_call(&r, p, SHM_RECV, CONN, 0, 100, NULL, 0), -EAGAIN);
	UNIT_EQ(tcp_shutdown(peer, SHUT_WR), 0);
	rig_run(&r, 5);
	CU_ASSERT((p->view.status[CONN].poll & POLLRDHUP) != 0);
	UNIT_EQ(rig_call(&r, p, SHM_RECV, CONN, 0, 100, NULL, 0), 0);
	other = rig_connect(&r, PORT);
	UNIT_EQ(rig_accept(&r, p, LISTENER, 2), 0);
	tcp_abort(other);
	rig_run(&r, 5);
	CU_ASSERT((p->view.status[2].poll & (POLLERR | POLLHUP)) == (POLLERR | POLLHUP));
	UNIT_EQ(rig_call(&r, p, SHM_RECV, 2, 0, 100, NULL, 0), -ECONNRESET);
	UNIT_EQ(rig_call(&r, p, SHM_RECV, 2, 0, 100, NULL, 0), 0);
	UNIT_EQ(rig_call(&r, p, SHM_SEND_NOW, 2, 0, 0, "x", 1), -EPIPE);
	end(peer);
}

/* What was promised before the connection broke is taken, and the error stays for the next call. */
UNIT_CASE(sending_into_a_broken_connection_keeps_its_error)
{
	struct rig_program *p;
	struct tcp_conn *peer = start_with_connection(&p);

	tcp_abort(peer);
	rig_run(&r, 5);
	rig_tell(p, SHM_SEND, CONN, 0, "late", 4);
	rig_run(&r, 1);
	CU_ASSERT(gateway_program_fault(p->gateway) == NULL);
	UNIT_EQ(rig_call(&r, p, SHM_SEND_NOW, CONN, 0, 0, "x", 1), -ECONNRESET);
	end(NULL);
}

/* ---- Events and doorbells */

static uint32_t
events(struct rig_program *p)
{
	uint32_t n = p->view.lane->event_tail - p->view.lane->event_head;

	p->view.lane->event_head = p->view.lane->event_tail;
	return n;
}

UNIT_CASE(an_event_for_each_time_it_was_armed)
{
	struct rig_program *p;
	struct tcp_conn *peer = start_with_connection(&p);

	events(p);
	UNIT_EQ(tcp_send(peer, "a", 1, 0), 1);
	rig_run(&r, 5);
	UNIT_EQ(events(p), 0);
	p->view.control[CONN].armed = 1;
	UNIT_EQ(tcp_send(peer, "b", 1, 0), 1);
	rig_run(&r, 5);
	UNIT_EQ(p->view.events[0], CONN);
	UNIT_EQ(events(p), 1);
	UNIT_EQ(p->view.control[CONN].armed, 0);
	UNIT_EQ(tcp_send(peer, "c", 1, 0), 1);
	rig_run(&r, 5);
	UNIT_EQ(events(p), 0);
	end(peer);
}

UNIT_CASE(who_arms_and_never_looks_loses_its_own_events)
{
	struct rig_program *p;
	struct tcp_conn *peer = start_with_connection(&p);

	for (unsigned int i = 0; i < RIG_SOCKETS + 5; i++) {
		p->view.control[CONN].armed = 1;
		UNIT_EQ(tcp_send(peer, "a", 1, 0), 1);
		rig_run(&r, 4);
	}
	UNIT_EQ(events(p), RIG_SOCKETS);
	CU_ASSERT(rig_stats(&r).events_lost >= 5);
	end(peer);
}

UNIT_CASE(only_sleepers_are_rung_for)
{
	struct rig_program *p;
	struct tcp_conn *peer = start_with_connection(&p);
	struct shm_header *shared = (struct shm_header *)(void *)p->arena;
	eventfd_t n;

	UNIT_EQ(tcp_send(peer, "a", 1, 0), 1);
	rig_run(&r, 5);
	CU_ASSERT(eventfd_read(p->doorbell, &n) < 0);
	shared->sleepers = 1;
	rig_run(&r, 5);
	CU_ASSERT(eventfd_read(p->doorbell, &n) < 0); /* nothing new */
	UNIT_EQ(tcp_send(peer, "a", 1, 0), 1);
	rig_run(&r, 5);
	CU_ASSERT(eventfd_read(p->doorbell, &n) == 0);
	end(peer);
}

/* ---- Blocks */

/* Two connections fill all blocks; both get everything, once blocks come free. */
/* That what was sent is acknowledged is no news: the next send finds more credit. */
UNIT_CASE(credit_alone_wakes_nobody)
{
	struct rig_program *p;
	struct tcp_conn *peer = start_with_connection(&p);
	struct shm_header *shared = (void *)p->arena;
	uint64_t limit = p->view.status[CONN].send_limit;
	struct gateway_stats before = rig_stats(&r);
	eventfd_t rings;

	eventfd_read(p->doorbell, &rings);
	shared->sleepers = 1;
	p->view.control[CONN].armed = 1;
	rig_tell(p, SHM_SEND, CONN, 0, out, 1000);
	rig_run(&r, 100);
	UNIT_EQ(tcp_recv(peer, in, sizeof(in), 0), 1000);
	rig_run(&r, 100);
	CU_ASSERT(p->view.status[CONN].send_limit != limit);
	UNIT_EQ(rig_stats(&r).wakeups, before.wakeups);
	UNIT_EQ(p->view.control[CONN].armed, 1);
	/* A byte that comes in is. */
	UNIT_EQ(tcp_send(peer, out, 1, 0), 1);
	rig_run(&r, 100);
	UNIT_EQ(rig_stats(&r).wakeups, before.wakeups + 1);
	UNIT_EQ(p->view.control[CONN].armed, 0);
	shared->sleepers = 0;
	end(peer);
}

UNIT_CASE(short_blocks_delay_and_lose_nothing)
{
	struct rig_program *p;
	struct tcp_conn *peers[4];
	size_t got[4] = {0}, total = 100000;

	peers[0] = start_with_connection(&p);
	for (unsigned int i = 1; i < 4; i++) {
		peers[i] = rig_connect(&r, PORT);
		UNIT_EQ(rig_accept(&r, p, LISTENER, CONN + i), 0);
	}
	for (unsigned int i = 0; i < 4; i++)
		UNIT_EQ(tcp_send(peers[i], out, total, 0), (ssize_t)total);
	rig_run(&r, 50);
	CU_ASSERT(rig_stats(&r).starved > 0);
	for (unsigned int turn = 0; turn < 500; turn++) {
		for (unsigned int i = 0; i < 4; i++) {
			size_t n = rig_read(p, CONN + i, in, 5000);

			CU_ASSERT(memcmp(in, out + got[i], n) == 0);
			got[i] += n;
			rig_tell(p, SHM_CONSUMED, CONN + i, 0, NULL, 0);
		}
		rig_run(&r, 1);
	}
	for (unsigned int i = 0; i < 4; i++) {
		UNIT_EQ(got[i], total);
		tcp_close(peers[i]);
	}
	end(NULL);
}

/* ---- Sharing, as after a fork */

UNIT_CASE(a_shared_socket_lives_until_its_last_reference)
{
	struct rig_program *parent, *child;
	struct tcp_conn *peer = start_with_connection(&parent);

	child = rig_attach(&r, 1, parent);
	rig_tell(parent, SHM_CLOSE, CONN, 0, NULL, 0);
	rig_run(&r, 5);
	UNIT_EQ(tcp_recv(peer, in, 1, 0), -EAGAIN);
	UNIT_EQ(rig_call(&r, child, SHM_SEND_NOW, CONN, 0, 0, "still here", 10), 10);
	rig_run(&r, 5);
	UNIT_EQ(tcp_recv(peer, in, 100, 0), 10);
	rig_detach(&r, child);
	rig_run(&r, 5);
	UNIT_EQ(tcp_recv(peer, in, 1, 0), 0);
	end(peer);
}

/* Delivered bytes are recalled: whoever reads gets them, in order, and nobody gets them twice. */
UNIT_CASE(sharing_recalls_what_is_not_read)
{
	struct rig_program *parent, *child;
	struct tcp_conn *peer = start_with_connection(&parent);

	UNIT_EQ(tcp_send(peer, "0123456789", 10, 0), 10);
	rig_run(&r, 5);
	UNIT_EQ(rig_read(parent, CONN, in, 3), 3);
	child = rig_attach(&r, 1, parent);
	UNIT_EQ(rig_stats(&r).recalled, 7);
	UNIT_EQ(rig_call(&r, child, SHM_RECV, CONN, 0, 2, NULL, 0), 2);
	CU_ASSERT(memcmp(child->replies[0].data, "34", 2) == 0);
	UNIT_EQ(rig_call(&r, parent, SHM_RECV, CONN, 0, 2, NULL, 0), 2);
	CU_ASSERT(memcmp(parent->replies[0].data, "56", 2) == 0);
	/* No credit for either: their writes are calls. */
	UNIT_EQ(child->view.status[CONN].send_limit, 0);
	/* The last one has the fast way again. */
	rig_detach(&r, child);
	rig_run(&r, 2);
	parent->next_chunk[CONN] = parent->view.status[CONN].delivered - 1;
	parent->chunk_read[CONN] = 0;
	UNIT_EQ(rig_read(parent, CONN, in, 100), 3);
	CU_ASSERT(memcmp(in, "789", 3) == 0);
	end(peer);
}

UNIT_CASE(a_shared_listener_gives_each_connection_once)
{
	struct rig_program *parent, *child;
	struct tcp_conn *peer = start_with_connection(&parent), *second;

	child = rig_attach(&r, 1, parent);
	second = rig_connect(&r, PORT);
	CU_ASSERT((parent->view.status[LISTENER].poll & POLLIN) != 0);
	CU_ASSERT((child->view.status[LISTENER].poll & POLLIN) != 0);
	UNIT_EQ(rig_accept(&r, child, LISTENER, 7), 0);
	UNIT_EQ(rig_accept(&r, parent, LISTENER, 7), -EAGAIN);
	CU_ASSERT((parent->view.status[LISTENER].poll & POLLIN) == 0);
	tcp_close(second);
	end(peer);
}

/* It may send, and exit before the lane has looked. */
UNIT_CASE(what_an_ended_program_posted_is_done)
{
	struct rig_program *p;
	struct tcp_conn *peer = start_with_connection(&p);

	for (unsigned int i = 0; i < 3 * 64; i++)
		rig_tell(p, SHM_SEND, CONN, 0, out, 10);
	rig_detach(&r, p);
	rig_run(&r, 5);
	UNIT_EQ(tcp_recv(peer, in, sizeof(in), 0), 3 * 64 * 10);
	UNIT_EQ(tcp_recv(peer, in, 1, 0), 0);
	end(peer);
}

UNIT_CASE(an_ended_program_closes_what_it_held)
{
	struct rig_program *p;
	struct tcp_conn *peer = start_with_connection(&p), *refused;

	rig_detach(&r, p);
	rig_run(&r, 5);
	UNIT_EQ(tcp_recv(peer, in, 1, 0), 0);
	refused = rig_connect(&r, PORT);
	CU_ASSERT((tcp_poll(refused) & POLLHUP) != 0);
	tcp_close(refused);
	UNIT_EQ(rig_stats(&r).closed, 2);
	end(peer);
}

/* ---- Programs that are not honest */

/* After `what`, the program is bad, and another one is served as before. */
static void
expect_fault(struct rig_program *p, const char *what)
{
	struct rig_program *other;
	eventfd_t n;

	rig_run(&r, 1);
	CU_ASSERT_PTR_NOT_NULL_FATAL(gateway_program_fault(p->gateway));
	CU_ASSERT_STRING_EQUAL(gateway_program_fault(p->gateway), what);
	CU_ASSERT(eventfd_read(r.fault_event, &n) == 0);
	other = rig_attach(&r, 2, NULL);
	UNIT_EQ(rig_call(&r, other, SHM_OPEN, 3, AF_INET6, 0, NULL, 0), 0);
	rig_detach(&r, other);
}

UNIT_CASE(a_strangers_socket_is_a_fault)
{
	struct rig_program *p;
	struct tcp_conn *peer = start_with_connection(&p);

	rig_tell(p, SHM_SEND, 5, 0, "x", 1);
	expect_fault(p, "its request names no socket of its own");
	end(peer);
}

UNIT_CASE(a_slot_beyond_all_is_a_fault)
{
	struct rig_program *p;
	struct tcp_conn *peer = start_with_connection(&p);

	rig_tell(p, SHM_CLOSE, 0xffffff00, 0, NULL, 0);
	expect_fault(p, "its request names no socket of its own");
	end(peer);
}

UNIT_CASE(sending_beyond_the_credit_is_a_fault)
{
	struct rig_program *p;
	struct tcp_conn *peer = start_with_connection(&p);

	while (gateway_program_fault(p->gateway) == NULL && rig_stats(&r).bytes_out < 64 << 20) {
		rig_tell(p, SHM_SEND, CONN, 0, out, SHM_PAYLOAD_MAX);
		rig_run(&r, 1);
	}
	expect_fault(p, "it has sent beyond its credit");
	end(peer);
}

UNIT_CASE(reading_what_was_not_delivered_is_a_fault)
{
	struct rig_program *p;
	struct tcp_conn *peer = start_with_connection(&p);

	p->view.control[CONN].consumed = 1;
	rig_tell(p, SHM_CONSUMED, CONN, 0, NULL, 0);
	expect_fault(p, "it has read what was not delivered");
	end(peer);
}

UNIT_CASE(an_unknown_request_is_a_fault)
{
	struct rig_program *p;
	struct tcp_conn *peer = start_with_connection(&p);

	rig_tell(p, (enum shm_op)SHM_OPS, CONN, 0, NULL, 0);
	expect_fault(p, "its request is of no known kind");
	end(peer);
}

UNIT_CASE(a_reply_slot_beyond_all_is_a_fault)
{
	struct rig_program *p;
	struct tcp_conn *peer = start_with_connection(&p);
	struct shm_request request = {.op = SHM_SOCKNAME, .reply = RIG_REPLIES, .socket = CONN};

	rig_post(p, &request, NULL);
	expect_fault(p, "its request is of no known kind");
	end(peer);
}

UNIT_CASE(a_ring_fuller_than_it_can_be_is_a_fault)
{
	struct rig_program *p;
	struct tcp_conn *peer = start_with_connection(&p);

	p->view.rings[0].tail += SHM_RING_BYTES + SHM_REQUEST_ALIGN;
	p->view.lane->posted = 1;
	expect_fault(p, "its ring holds more than a ring can");
	end(peer);
}

UNIT_CASE(a_request_longer_than_the_ring_says_is_a_fault)
{
	struct rig_program *p;
	struct tcp_conn *peer = start_with_connection(&p);
	struct shm_request request = {.op = SHM_SEND, .socket = CONN, .reply = SHM_NO_REPLY};
	struct shm_ring *ring = &p->view.rings[0];

	request.bytes = 1000;
	memcpy(ring->data + (ring->tail & (SHM_RING_BYTES - 1)), &request, sizeof(request));
	ring->tail += SHM_REQUEST_ALIGN;
	p->view.lane->posted = 1;
	expect_fault(p, "its request is too long");
	end(peer);
}

UNIT_CASE(rings_that_do_not_exist_are_not_looked_at)
{
	struct rig_program *p;
	struct tcp_conn *peer = start_with_connection(&p);

	p->view.lane->posted = ~UINT64_C(0);
	rig_run(&r, 2);
	CU_ASSERT(gateway_program_fault(p->gateway) == NULL);
	end(peer);
}

/* Whatever lies in rings, control words and event head: the lane goes on, and nothing is missing
 * after it. */
UNIT_CASE(garbage_harms_its_program_alone)
{
	unsigned int seed = 20261121;

	printf("seed %u ", seed);
	srandom(seed);
	for (unsigned int round = 0; round < 40; round++) {
		struct rig_program *p;
		struct tcp_conn *peer = start_with_connection(&p);
		struct shm_ring *ring = &p->view.rings[0];

		tcp_send(peer, out, 20000, 0);
		rig_run(&r, 5);
		for (unsigned int i = 0; i < 200; i++) {
			struct shm_request request = {
				.bytes = (uint32_t)random() % (random() % 8 == 0 ? 70000 : 64),
				.op = (uint16_t)(random() % (SHM_OPS + 1)),
				.reply = (uint16_t)(random() % RIG_REPLIES),
				.ticket = (uint32_t)random(),
				.socket = (uint32_t)random() % 4,
				.arg = (uint32_t)random() % 8,
				.arg2 = (uint64_t)random() % 64,
			};

			if (ring->tail - ring->head > SHM_RING_BYTES / 2)
				break;
			rig_post(p, &request, out);
			if (random() % 16 == 0)
				p->view.control[random() % 4].consumed += (uint64_t)random() % 100;
			if (random() % 16 == 0)
				p->view.lane->event_head = (uint32_t)random();
			p->view.control[random() % RIG_SOCKETS].armed = 1;
			if (random() % 4 == 0)
				rig_run(&r, 1);
		}
		if (round % 2 == 0)
			for (unsigned int i = 0; i < 2000; i++)
				((uint8_t *)ring->data)[random() % SHM_RING_BYTES] =
					(uint8_t)random();
		p->view.lane->posted = (uint64_t)random();
		ring->tail += (uint32_t)random() % 4096 * SHM_REQUEST_ALIGN;
		rig_run(&r, 20);
		rig_detach(&r, p);
		end(peer);
	}
}

/* What the program has put into a payload is sent from there. */
UNIT_CASE(payloads_are_sent_from_where_they_lie)
{
	struct rig_program *p;
	struct tcp_conn *peer = start_with_connection(&p);
	struct shm_layout layout;
	struct shm_request request = {.op = SHM_SEND_PLACED,
				      .reply = SHM_NO_REPLY,
				      .socket = CONN,
				      .arg2 = UINT64_C(1) << 32 | 3000};

	shm_lay_out(&p->header, &layout);
	memcpy(p->arena + layout.payloads + SHM_PAYLOAD_MAX, out, 3000);
	rig_post(p, &request, NULL);
	rig_run(&r, 10);
	UNIT_EQ(tcp_recv(peer, in, sizeof(in), 0), 3000);
	UNIT_EQ(memcmp(in, out, 3000), 0);
	CU_ASSERT(gateway_program_fault(p->gateway) == NULL);
	request.arg2 = (uint64_t)RIG_PAYLOADS << 32 | 1;
	rig_post(p, &request, NULL);
	rig_run(&r, 1);
	expect_fault(p, "its request names no payload");
	end(peer);
}

UNIT_CASE(a_payload_has_an_end)
{
	struct rig_program *p;
	struct tcp_conn *peer = start_with_connection(&p);
	struct shm_request request = {.op = SHM_SEND_PLACED,
				      .reply = SHM_NO_REPLY,
				      .socket = CONN,
				      .arg2 = SHM_PAYLOAD_MAX + 1};

	rig_post(p, &request, NULL);
	rig_run(&r, 1);
	expect_fault(p, "its request names no payload");
	end(peer);
}

/* Who waits for room in a ring sleeps while more than half of it is full, which two turns of less
 * may have emptied: taking much from it is told. */
UNIT_CASE(taking_much_from_a_ring_rings_the_doorbell)
{
	struct rig_program *p;
	struct tcp_conn *peer = start_with_connection(&p);
	struct shm_header *shared = (struct shm_header *)(void *)p->arena;
	eventfd_t n;

	rig_run(&r, 5);
	eventfd_read(p->doorbell, &n);
	shared->sleepers = 1;
	rig_tell(p, SHM_SEND, CONN, 0, out, 50000);
	rig_run(&r, 1);
	CU_ASSERT((p->view.status[CONN].poll & POLLOUT) != 0);
	CU_ASSERT(eventfd_read(p->doorbell, &n) == 0);
	shared->sleepers = 0;
	end(peer);
}

UNIT_MAIN_EAL(UNIT_RUN(a_program_is_told_the_lanes_processor),
	      UNIT_RUN(payloads_are_sent_from_where_they_lie), UNIT_RUN(a_payload_has_an_end),
	      UNIT_RUN(taking_much_from_a_ring_rings_the_doorbell),
	      UNIT_RUN(bytes_come_in_whole_and_in_order), UNIT_RUN(bytes_go_out_within_the_credit),
	      UNIT_RUN(credit_is_the_send_buffer), UNIT_RUN(room_is_told_to_who_only_polls),
	      UNIT_RUN(closing_with_unread_bytes_resets), UNIT_RUN(closing_with_all_read_says_fin),
	      UNIT_RUN(ends_and_errors_are_the_engines),
	      UNIT_RUN(sending_into_a_broken_connection_keeps_its_error),
	      UNIT_RUN(an_event_for_each_time_it_was_armed),
	      UNIT_RUN(who_arms_and_never_looks_loses_its_own_events),
	      UNIT_RUN(only_sleepers_are_rung_for), UNIT_RUN(credit_alone_wakes_nobody),
	      UNIT_RUN(short_blocks_delay_and_lose_nothing),
	      UNIT_RUN(a_shared_socket_lives_until_its_last_reference),
	      UNIT_RUN(sharing_recalls_what_is_not_read),
	      UNIT_RUN(a_shared_listener_gives_each_connection_once),
	      UNIT_RUN(what_an_ended_program_posted_is_done),
	      UNIT_RUN(an_ended_program_closes_what_it_held),
	      UNIT_RUN(a_strangers_socket_is_a_fault), UNIT_RUN(a_slot_beyond_all_is_a_fault),
	      UNIT_RUN(sending_beyond_the_credit_is_a_fault),
	      UNIT_RUN(reading_what_was_not_delivered_is_a_fault),
	      UNIT_RUN(an_unknown_request_is_a_fault), UNIT_RUN(a_reply_slot_beyond_all_is_a_fault),
	      UNIT_RUN(a_ring_fuller_than_it_can_be_is_a_fault),
	      UNIT_RUN(a_request_longer_than_the_ring_says_is_a_fault),
	      UNIT_RUN(rings_that_do_not_exist_are_not_looked_at),
	      UNIT_RUN(garbage_harms_its_program_alone))
