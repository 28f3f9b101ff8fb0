/* SPDX-License-Identifier: BSD-3-Clause */
/* dataplane/gateway_repair.c: programs' sockets in repair. */
#include <errno.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <linux/tcp.h>

#include "gateway_rig.h"
#include "unit.h"

enum {
	LISTENER = 0,
	CONN = 1,
	PORT = 5000,
	MANY = 200000,
	OFF_SILENTLY = -1,
	NO_QUEUE = 0,
	RECV_QUEUE = 1,
	SEND_QUEUE = 2,
};

static struct gateway_rig r;
static uint8_t out[MANY], in[MANY];

/* A program that may repair, with a connection in slot 1; returns the peer. */
static struct tcp_conn *
start(struct rig_program **p)
{
	for (size_t i = 0; i < sizeof(out); i++)
		out[i] = (uint8_t)(i * 13 + i / 257);
	memset(in, 0, sizeof(in));
	return rig_start_repairing(&r, p, LISTENER, CONN, PORT);
}

static void
end(struct tcp_conn *peer)
{
	CU_ASSERT(rig_end_with(&r, peer));
}

static int
set(struct rig_program *p, int name, int value)
{
	return rig_call(&r, p, SHM_SETSOCKOPT, CONN, IPPROTO_TCP, (uint64_t)name, &value,
			sizeof(value));
}

static int
ask(struct rig_program *p, unsigned long request)
{
	int value = -1;

	UNIT_EQ(rig_call(&r, p, SHM_IOCTL, CONN, 0, request, NULL, 0), 0);
	memcpy(&value, p->replies[0].data, sizeof(value));
	return value;
}

static int
receive(struct rig_program *p, int flags, uint64_t bytes)
{
	return rig_call(&r, p, SHM_RECV, CONN, (uint32_t)flags, bytes, NULL, 0);
}

/* SHM_PEEK into payload 1. */
static int
peek(struct rig_program *p, uint32_t offset, uint32_t payload, uint32_t bytes)
{
	struct shm_request request = {.op = SHM_PEEK,
				      .ticket = ++p->tickets,
				      .socket = CONN,
				      .offset = offset,
				      .arg2 = (uint64_t)payload << 32 | bytes};

	rig_post(p, &request, NULL);
	rig_run(&r, 1);
	return p->replies[0].ticket == p->tickets ? p->replies[0].result : -ETIME;
}

static const uint8_t *
payload(const struct rig_program *p, uint32_t index)
{
	struct shm_layout layout;

	shm_lay_out(&p->header, &layout);
	return p->arena + layout.payloads + index * SHM_PAYLOAD_MAX;
}

/* ---- Who may */

UNIT_CASE(who_may_not_repair_is_refused)
{
	struct rig_program *parent, *child;
	struct tcp_conn *peer = start(&parent);

	child = rig_attach(&r, 1, parent);
	UNIT_EQ(set(child, TCP_REPAIR, 1), -EPERM);
	UNIT_EQ(set(parent, TCP_REPAIR, 1), 0);
	/* To leave it is refused, too; the rest needs repair, and no rights. */
	UNIT_EQ(set(child, TCP_REPAIR, 0), -EPERM);
	UNIT_EQ(set(child, TCP_REPAIR_QUEUE, SEND_QUEUE), 0);
	UNIT_EQ(set(parent, TCP_REPAIR, OFF_SILENTLY), 0);
	gateway_program_set_user(parent->gateway, 1000, false);
	UNIT_EQ(set(parent, TCP_REPAIR, 1), -EPERM);
	rig_detach(&r, child);
	end(peer);
}

/* ---- Going in, and out again */

UNIT_CASE(what_was_delivered_is_taken_back_and_comes_again)
{
	struct rig_program *p;
	struct tcp_conn *peer = start(&p);
	const struct shm_status *status = &p->view.status[CONN];

	UNIT_EQ(tcp_send(peer, out, 100, 0), 100);
	rig_run(&r, 5);
	UNIT_EQ(rig_read(p, CONN, in, 30), 30);
	UNIT_EQ(set(p, TCP_REPAIR, 1), 0);
	UNIT_EQ(status->flags, SHM_REPAIR);
	UNIT_EQ(status->recalled, status->delivered);
	UNIT_EQ(status->send_limit, 0);
	UNIT_EQ(status->poll, POLLOUT | POLLWRNORM);
	UNIT_EQ(status->readable, 100);
	UNIT_EQ(rig_stats(&r).recalled, 70);
	UNIT_EQ(ask(p, SIOCINQ), 70);
	UNIT_EQ(receive(p, 0, 100), -EPERM);
	UNIT_EQ(receive(p, MSG_PEEK, 100), -EINVAL);
	UNIT_EQ(set(p, TCP_REPAIR_QUEUE, RECV_QUEUE), 0);
	UNIT_EQ(receive(p, MSG_PEEK, 100), 70);
	CU_ASSERT(memcmp(p->replies[0].data, out + 30, 70) == 0);
	/* Nothing is delivered, and nothing is told. */
	UNIT_EQ(tcp_send(peer, out + 100, 50, 0), 50);
	rig_run(&r, 20);
	UNIT_EQ(status->recalled, status->delivered);
	UNIT_EQ(ask(p, SIOCINQ), 70);
	UNIT_EQ(set(p, TCP_REPAIR, OFF_SILENTLY), 0);
	UNIT_EQ(status->flags, 0);
	CU_ASSERT(status->send_limit > 0);
	p->next_chunk[CONN] = status->recalled;
	p->chunk_read[CONN] = 0;
	rig_run(&r, 1000); /* the peer sends again */
	UNIT_EQ(rig_read(p, CONN, in + 30, 200), 120);
	CU_ASSERT(memcmp(in, out, 150) == 0);
	rig_tell(p, SHM_CONSUMED, CONN, 0, NULL, 0);
	rig_run(&r, 1);
	CU_ASSERT(gateway_program_fault(p->gateway) == NULL);
	end(peer);
}

UNIT_CASE(what_was_posted_before_is_in_the_queue)
{
	struct rig_program *p;
	struct tcp_conn *peer = start(&p);

	rig_tell(p, SHM_SEND, CONN, 0, out, 5000);
	rig_tell(p, SHM_SEND, CONN, 0, out + 5000, 1000);
	UNIT_EQ(set(p, TCP_REPAIR, 1), 0);
	UNIT_EQ(p->view.status[CONN].send_limit, 6000);
	UNIT_EQ(ask(p, SIOCOUTQ), 6000);
	UNIT_EQ(set(p, TCP_REPAIR_QUEUE, SEND_QUEUE), 0);
	UNIT_EQ(peek(p, 0, 1, SHM_PAYLOAD_MAX), 6000);
	CU_ASSERT(memcmp(payload(p, 1), out, 6000) == 0);
	rig_run(&r, 100);
	UNIT_EQ(set(p, TCP_REPAIR, 0), 0);
	rig_run(&r, 1000);
	UNIT_EQ(tcp_recv(peer, in, sizeof(in), 0), 6000);
	CU_ASSERT(memcmp(in, out, 6000) == 0);
	CU_ASSERT(p->view.status[CONN].send_limit > 6000);
	end(peer);
}

UNIT_CASE(whoever_shares_it_sees_it)
{
	struct rig_program *parent, *child;
	struct tcp_conn *peer = start(&parent);

	child = rig_attach(&r, 1, parent);
	UNIT_EQ(set(parent, TCP_REPAIR, 1), 0);
	UNIT_EQ(parent->view.status[CONN].flags, SHM_REPAIR | SHM_SHARED);
	UNIT_EQ(child->view.status[CONN].flags, SHM_REPAIR | SHM_SHARED);
	UNIT_EQ(receive(child, 0, 100), -EPERM);
	UNIT_EQ(rig_call(&r, child, SHM_SEND_NOW, CONN, 0, 0, "x", 1), -EINVAL);
	/* The last one is in repair still. */
	rig_detach(&r, parent);
	rig_run(&r, 2);
	UNIT_EQ(child->view.status[CONN].flags, SHM_REPAIR);
	UNIT_EQ(child->view.status[CONN].send_limit, 0);
	rig_detach(&r, child);
	end(peer);
}

/* ---- Queues */

UNIT_CASE(a_long_queue_is_looked_at_in_pieces)
{
	struct rig_program *p;
	struct tcp_conn *peer = start(&p);
	size_t put = 0, got = 0;

	UNIT_EQ(set(p, TCP_REPAIR, 1), 0);
	UNIT_EQ(set(p, TCP_REPAIR_QUEUE, RECV_QUEUE), 0);
	UNIT_EQ(peek(p, 0, 1, 10), -EAGAIN);
	for (int n = 1; n > 0 && put < sizeof(out);) {
		uint32_t most = (uint32_t)RTE_MIN(sizeof(out) - put, (size_t)SHM_PAYLOAD_MAX);

		n = rig_call(&r, p, SHM_SEND_NOW, CONN, 0, 0, out + put, most);
		put += n > 0 ? (size_t)n : 0;
		CU_ASSERT(n > 0 || n == -ENOBUFS);
	}
	CU_ASSERT(put > SHM_PAYLOAD_MAX);
	UNIT_EQ(p->view.status[CONN].readable, put);
	for (int n = SHM_PAYLOAD_MAX; n == SHM_PAYLOAD_MAX; got += (size_t)n) {
		n = peek(p, (uint32_t)got, 1, SHM_PAYLOAD_MAX);
		if (n <= 0)
			break;
		memcpy(in + got, payload(p, 1), (size_t)n);
	}
	UNIT_EQ(got, put);
	CU_ASSERT(memcmp(in, out, put) == 0);
	UNIT_EQ(peek(p, (uint32_t)put, 1, 10), -EAGAIN);
	UNIT_EQ(peek(p, UINT32_MAX, 1, 10), -EAGAIN);
	UNIT_EQ(set(p, TCP_REPAIR_QUEUE, SEND_QUEUE), 0);
	UNIT_EQ(peek(p, UINT32_MAX, 1, 10), 0);
	UNIT_EQ(set(p, TCP_REPAIR_QUEUE, NO_QUEUE), 0);
	UNIT_EQ(peek(p, 0, 1, 10), -EINVAL);
	UNIT_EQ(set(p, TCP_REPAIR, OFF_SILENTLY), 0);
	UNIT_EQ(peek(p, 0, 1, 10), -ESTALE);
	end(peer);
}

UNIT_CASE(a_payload_that_there_is_not_is_a_fault)
{
	struct rig_program *p;
	struct tcp_conn *peer = start(&p);

	UNIT_EQ(set(p, TCP_REPAIR, 1), 0);
	peek(p, 0, RIG_PAYLOADS, 10);
	CU_ASSERT(gateway_program_fault(p->gateway) != NULL);
	end(peer);
}

/* ---- Ends */

/* Neither a FIN nor a reset, of one who closes or who is killed: his peer goes on asking. */
static void
ends_silently(bool closes, bool unread)
{
	struct rig_program *p;
	struct tcp_conn *peer = start(&p);
	uint64_t sent;

	UNIT_EQ(tcp_send(peer, out, unread ? 100 : 0, 0), unread ? 100 : 0);
	rig_run(&r, 5);
	UNIT_EQ(set(p, TCP_REPAIR, 1), 0);
	sent = r.pair.side[1].transmitted;
	if (closes)
		rig_tell(p, SHM_CLOSE, CONN, 0, NULL, 0);
	else
		rig_detach(&r, p);
	rig_run(&r, 5);
	UNIT_EQ(tcp_send(peer, out, 10, 0), 10);
	rig_run(&r, 3000);
	UNIT_EQ(r.pair.side[1].transmitted, sent);
	UNIT_EQ(tcp_state(peer), TCP_ESTABLISHED);
	end(peer);
}

UNIT_CASE(closing_in_repair_is_silent)
{
	ends_silently(true, false);
	ends_silently(true, true);
}

UNIT_CASE(who_is_killed_in_repair_ends_silently)
{
	ends_silently(false, false);
	ends_silently(false, true);
}

UNIT_MAIN_EAL(UNIT_RUN(who_may_not_repair_is_refused),
	      UNIT_RUN(what_was_delivered_is_taken_back_and_comes_again),
	      UNIT_RUN(what_was_posted_before_is_in_the_queue), UNIT_RUN(whoever_shares_it_sees_it),
	      UNIT_RUN(a_long_queue_is_looked_at_in_pieces),
	      UNIT_RUN(a_payload_that_there_is_not_is_a_fault),
	      UNIT_RUN(closing_in_repair_is_silent),
	      UNIT_RUN(who_is_killed_in_repair_ends_silently))
