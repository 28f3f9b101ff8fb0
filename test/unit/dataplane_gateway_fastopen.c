/* SPDX-License-Identifier: BSD-3-Clause */
/* dataplane/gateway_call.c, gateway_data.c: connections that wait for their first write. */
#include <errno.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "gateway_rig.h"
#include "unit.h"

enum {
	CONN = 1,
	PORT = 5000,
	BYTES = 100,
};

static struct gateway_rig r;
static struct tcp_conn *listener;

/* The peer's side listens, without Fast Open. */
static void
start(struct rig_program **p)
{
	struct tcp_endpoint any = {.port = PORT};

	rig_start(&r);
	any.ip = r.pair.side[0].ip;
	*p = rig_attach(&r, 0, NULL);
	UNIT_EQ(tcp_open(r.pair.side[0].engine, AF_INET, &listener), 0);
	UNIT_EQ(tcp_bind(listener, &any), 0);
	UNIT_EQ(tcp_listen(listener, 4), 0);
}

static void
end(void)
{
	tcp_close(listener);
	CU_ASSERT(rig_end(&r));
}

static int
set(struct rig_program *p, int name, int value)
{
	return rig_call(&r, p, SHM_SETSOCKOPT, CONN, IPPROTO_TCP, (uint64_t)name, &value,
			sizeof(value));
}

/* What a message to the peer begins with; returns its bytes. */
static uint32_t
address_peer(uint8_t *message)
{
	struct shm_endpoint to = {.port = PORT, .family = AF_INET};

	memcpy(to.ip, r.pair.side[0].ip.w, sizeof(to.ip));
	memcpy(message, &to, sizeof(to));
	return sizeof(to);
}

/* connect() has answered 0, without a packet. */
static void
connect_deferred(struct rig_program *p)
{
	uint8_t to[sizeof(struct shm_endpoint)];
	uint64_t sent = r.pair.side[1].transmitted;

	UNIT_EQ(rig_call(&r, p, SHM_OPEN, CONN, AF_INET, 0, NULL, 0), 0);
	UNIT_EQ(set(p, TCP_FASTOPEN_CONNECT, 1), 0);
	UNIT_EQ(set(p, TCP_FASTOPEN_NO_COOKIE, 1), 0);
	UNIT_EQ(rig_call(&r, p, SHM_CONNECT, CONN, 0, 0, to, address_peer(to)), 0);
	UNIT_EQ(r.pair.side[1].transmitted, sent);
}

static void
peer_has(const uint8_t *bytes, size_t n)
{
	uint8_t got[BYTES * 2];
	struct tcp_conn *child;

	UNIT_EQ(tcp_accept(listener, &child), 0);
	UNIT_EQ(tcp_recv(child, got, sizeof(got), 0), n);
	UNIT_EQ(memcmp(got, bytes, n), 0);
	tcp_close(child);
}

UNIT_CASE(a_deferred_connection_says_so_until_its_first_write)
{
	struct rig_program *p;
	const struct shm_status *status;
	uint8_t bytes[BYTES];

	start(&p);
	memset(bytes, 7, sizeof(bytes));
	status = &p->view.status[CONN];
	connect_deferred(p);
	UNIT_EQ(status->flags, SHM_DEFERRED);
	UNIT_EQ(status->poll, POLLOUT | POLLWRNORM);
	UNIT_EQ(status->send_limit, 0); /* nothing is sent without a call */
	UNIT_EQ(rig_call(&r, p, SHM_SEND_NOW, CONN, 0, 0, bytes, BYTES), BYTES);
	UNIT_EQ(status->flags, SHM_CONNECTING);
	UNIT_EQ(status->poll, 0);
	rig_run(&r, 10);
	UNIT_EQ(status->flags, 0);
	UNIT_EQ(status->poll, POLLOUT | POLLWRNORM);
	CU_ASSERT(status->send_limit > 0);
	peer_has(bytes, BYTES);
	rig_tell(p, SHM_CLOSE, CONN, 0, NULL, 0);
	rig_run(&r, 10);
	end();
}

UNIT_CASE(closing_before_the_first_write_sends_nothing)
{
	struct rig_program *p;
	uint64_t sent;

	start(&p);
	sent = r.pair.side[1].transmitted;
	connect_deferred(p);
	rig_tell(p, SHM_CLOSE, CONN, 0, NULL, 0);
	rig_run(&r, 2000);
	UNIT_EQ(p->view.status[CONN].state, SHM_FREE);
	UNIT_EQ(r.pair.side[1].transmitted, sent);
	end();
}

UNIT_CASE(who_shares_a_deferred_connection_knows)
{
	struct rig_program *p, *child;
	uint8_t bytes[BYTES];

	start(&p);
	memset(bytes, 8, sizeof(bytes));
	connect_deferred(p);
	child = rig_attach(&r, 1, p);
	rig_run(&r, 1);
	UNIT_EQ(child->view.status[CONN].flags, SHM_DEFERRED | SHM_SHARED);
	UNIT_EQ(rig_call(&r, p, SHM_SEND_NOW, CONN, 0, 0, bytes, BYTES), BYTES);
	UNIT_EQ(child->view.status[CONN].flags, SHM_CONNECTING | SHM_SHARED);
	rig_run(&r, 10);
	UNIT_EQ(child->view.status[CONN].flags, SHM_SHARED);
	UNIT_EQ(p->view.status[CONN].flags, SHM_SHARED);
	peer_has(bytes, BYTES);
	rig_tell(p, SHM_CLOSE, CONN, 0, NULL, 0);
	rig_tell(child, SHM_CLOSE, CONN, 0, NULL, 0);
	rig_run(&r, 10);
	end();
}

UNIT_CASE(a_message_connects_to_its_address)
{
	struct rig_program *p;
	uint8_t message[sizeof(struct shm_endpoint) + BYTES];
	uint32_t n;

	start(&p);
	n = address_peer(message);
	memset(message + n, 9, BYTES);
	UNIT_EQ(rig_call(&r, p, SHM_OPEN, CONN, AF_INET, 0, NULL, 0), 0);
	UNIT_EQ(rig_call(&r, p, SHM_SEND_NOW, CONN, MSG_FASTOPEN, 0, "x", 1), -EINVAL);
	/* Without the flag the address is none. */
	UNIT_EQ(rig_call(&r, p, SHM_SEND_TO, CONN, 0, 0, message, n + BYTES), -EPIPE);
	UNIT_EQ(set(p, TCP_FASTOPEN_NO_COOKIE, 1), 0);
	UNIT_EQ(rig_call(&r, p, SHM_SEND_TO, CONN, MSG_FASTOPEN, 0, message, n + BYTES), BYTES);
	rig_run(&r, 10);
	peer_has(message + n, BYTES);
	/* As connect() does: it is told once that the handshake is over. */
	UNIT_EQ(rig_call(&r, p, SHM_SEND_TO, CONN, MSG_FASTOPEN, 0, message, n + BYTES), BYTES);
	UNIT_EQ(rig_call(&r, p, SHM_SEND_TO, CONN, MSG_FASTOPEN, 0, message, n + BYTES), -EISCONN);
	rig_tell(p, SHM_CLOSE, CONN, 0, NULL, 0);
	rig_run(&r, 10);
	end();
}

UNIT_CASE(a_message_without_room_for_its_address_is_refused)
{
	struct rig_program *p;
	uint8_t message[sizeof(struct shm_endpoint)];

	start(&p);
	address_peer(message);
	UNIT_EQ(rig_call(&r, p, SHM_OPEN, CONN, AF_INET, 0, NULL, 0), 0);
	for (uint32_t n = 0; n < sizeof(message); n++)
		UNIT_EQ(rig_call(&r, p, SHM_SEND_TO, CONN, MSG_FASTOPEN, 0, message, n), -EINVAL);
	CU_ASSERT_PTR_NULL(gateway_program_fault(p->gateway));
	rig_tell(p, SHM_CLOSE, CONN, 0, NULL, 0);
	rig_run(&r, 1);
	end();
}

UNIT_MAIN_EAL(UNIT_RUN(a_deferred_connection_says_so_until_its_first_write),
	      UNIT_RUN(closing_before_the_first_write_sends_nothing),
	      UNIT_RUN(who_shares_a_deferred_connection_knows),
	      UNIT_RUN(a_message_connects_to_its_address),
	      UNIT_RUN(a_message_without_room_for_its_address_is_refused))
