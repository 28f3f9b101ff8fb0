/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The gateway with a program that writes anything into its arena, and a good one beside it. The bad
 * one may be detached, as soon as it does what no honest program does, and its child goes on; the
 * good one never is, its stream arrives whole, and nothing is left of any in the end.
 *
 * One engine talks to itself: the peers of the programs' connections are plain sockets of it.
 *
 * Input: commands of one byte, each with what it needs; see commands[].
 */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include "arena.h"
#include "dataplane/gateway_impl.h"
#include "dataplane/move.h"
#include "engine.h"

/* ---- The bad one */

/* It begins as a program does: with a listener, a connection that it made and one that it took. */
static void
bad_starts(void)
{
	struct program *p = &arena_world.programs[BAD];
	struct shm_endpoint to = arena_endpoint(ECHO_PORT), own = arena_endpoint(BAD_PORT);
	struct tcp_endpoint remote = {arena_address(), BAD_PORT};

	arena_attach(BAD, NULL);
	FUZZ_CHECK(arena_ask(p, SHM_OPEN, 0, AF_INET, NULL, 0) == 0 &&
			   arena_ask(p, SHM_BIND, 0, 0, &own, sizeof(own)) == 0 &&
			   arena_ask(p, SHM_LISTEN, 0, 4, NULL, 0) == 0 &&
			   arena_ask(p, SHM_OPEN, 1, AF_INET, NULL, 0) == 0 &&
			   arena_ask(p, SHM_CONNECT, 1, 0, &to, sizeof(to)) == -EINPROGRESS,
		   "the bad program cannot begin");
	arena_turns(4);
	FUZZ_CHECK(arena_world.peers[0] != NULL &&
			   tcp_open(arena_world.e, AF_INET, &arena_world.peers[1]) == 0 &&
			   tcp_connect(arena_world.peers[1], &remote) == -EINPROGRESS,
		   "nobody connects to it");
	arena_turns(4);
	FUZZ_CHECK(arena_ask(p, SHM_ACCEPT, 0, 2, NULL, 0) == 0, "it accepts nobody");
}

/* A program that the input writes for; NULL if it is not attached. */
static struct program *
writer(struct fuzz_input *in)
{
	struct program *p = &arena_world.programs[fuzz_u8(in) & 1 ? CHILD : BAD];

	return p->gateway != NULL ? p : NULL;
}

/* Mostly a number that may be, sometimes one that may not. */
static uint8_t
number(struct fuzz_input *in, uint8_t good, uint8_t all)
{
	uint8_t n = fuzz_u8(in);

	return (uint8_t)(n < 250 ? n % good : n % (all + 1));
}

/* One of repair's: most often TCP_REPAIR itself, or a queue, with a value that may be right. */
static bool
repair_option(uint32_t value, struct shm_request *request, uint8_t *payload)
{
	/* TCP_REPAIR, _QUEUE, TCP_QUEUE_SEQ, TCP_REPAIR_OPTIONS, TCP_TIMESTAMP, _WINDOW. */
	static const uint8_t names[] = {19, 19, 19, 20, 20, 20, 21, 21, 22, 24, 29};

	request->arg = IPPROTO_TCP;
	request->arg2 = names[value % sizeof(names)];
	request->bytes = request->arg2 == 29 ? 20 : request->arg2 == 22 ? 16 : 4;
	memset(payload, 0, 32);
	payload[0] = (uint8_t)(value / sizeof(names) % 3);
	return true;
}

/* One of Fast Open's options or of repair's, now and then. */
static bool
early_option(struct fuzz_input *in, struct shm_request *request, uint8_t *payload)
{
	/* TCP_FASTOPEN, TCP_FASTOPEN_CONNECT, TCP_FASTOPEN_KEY, TCP_FASTOPEN_NO_COOKIE. */
	enum { KEY = 33 };
	static const uint8_t names[] = {23, 30, KEY, 34};
	uint32_t value = fuzz_u8(in);

	if (value >= 192)
		return false;
	if (value >= 128)
		return repair_option(value - 128, request, payload);
	request->arg = IPPROTO_TCP;
	request->arg2 = names[value % 4];
	request->bytes = request->arg2 == KEY ? value : sizeof(value);
	memset(payload, 1, 128);
	value /= 4;
	value = value < 24 ? 1 : value;
	memcpy(payload, &value, sizeof(value));
	return true;
}

/* A request as a program could make it, with numbers that need not be right. */
static void
bad_request(struct fuzz_input *in)
{
	static const uint16_t ports[] = {ECHO_PORT, BAD_PORT, 0, 4711};
	struct program *p = writer(in);
	uint8_t payload[2048];
	struct shm_request request = {.op = number(in, SHM_OPS, SHM_OPS)};
	struct shm_endpoint to = arena_endpoint(ports[fuzz_u8(in) % 4]);

	request.reply = number(in, REPLIES, REPLIES);
	request.socket = request.op == SHM_OPEN || request.op == SHM_RESTORE ? number(in, 5, SLOTS)
									     : number(in, 3, SLOTS);
	request.arg = fuzz_u8(in);
	request.arg2 = fuzz_u8(in);
	switch (request.op) {
	case SHM_OPEN:
		request.arg = request.arg & 1 ? AF_INET : request.arg;
		break;
	case SHM_BIND:
	case SHM_CONNECT:
		request.bytes = sizeof(to);
		memcpy(payload, &to, sizeof(to));
		break;
	case SHM_PEEK:
		request.offset = fuzz_u8(in) % 4 * 1000;
		/* fall through */
	case SHM_SEND_PLACED:
		request.arg2 = (uint64_t)number(in, PAYLOADS, PAYLOADS) << 32 | fuzz_u16(in) % 2048;
		break;
	case SHM_CHECKPOINT:
	case SHM_RESTORE: /* of what the other one wrote there, if it is let be */
		request.arg &=
			fuzz_u8(in) < 32 ? 0xff : SHM_MOVE_END | SHM_MOVE_FREEZE | SHM_MOVE_TAKE;
		request.offset = fuzz_u8(in) < 192 ? 0 : fuzz_u16(in) % 2048;
		request.arg2 = (uint64_t)number(in, PAYLOADS, PAYLOADS) << 32 | fuzz_u16(in) % 4096;
		break;
	case SHM_SEND_TO:
		request.arg |= request.arg & 1 ? MSG_FASTOPEN : 0;
		request.bytes = fuzz_u16(in) % sizeof(payload);
		memset(payload, request.arg2 & 0xff, sizeof(payload));
		memcpy(payload, &to, sizeof(to));
		break;
	case SHM_SETSOCKOPT:
		if (early_option(in, &request, payload))
			break;
		/* fall through */
	case SHM_SEND:
	case SHM_SEND_NOW:
	case SHM_GETSOCKOPT:
		request.bytes = fuzz_u16(in) % sizeof(payload);
		memset(payload, fuzz_u8(in), sizeof(payload));
		break;
	default:
		break;
	}
	FUZZ_SAY("request %u of slot %u: %u, %lu, %u bytes\n", request.op, request.socket,
		 request.arg, (unsigned long)request.arg2, request.bytes);
	if (p != NULL)
		arena_post(p, fuzz_u8(in) % RINGS, &request, payload, request.bytes);
}

/* A request of which every bit is the input's. */
static void
raw_request(struct fuzz_input *in)
{
	struct program *p = writer(in);
	uint32_t ring = fuzz_u8(in) % RINGS;
	uint8_t bytes[sizeof(struct shm_request)];
	struct shm_request request;

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = fuzz_u8(in);
	memcpy(&request, bytes, sizeof(request));
	if (p != NULL)
		arena_post(p, ring, &request, bytes, sizeof(bytes));
}

/* Anything into a place of the arena that somebody looks at. */
static void
scribble(struct fuzz_input *in)
{
	struct program *p = writer(in);
	uint8_t where = fuzz_u8(in) % 8;
	uint32_t slot = fuzz_u8(in) % 4, value = fuzz_u32(in);

	if (p == NULL)
		return;
	switch (where) {
	case 0:
		p->view.rings[slot % RINGS].tail = value;
		p->view.lane->posted = UINT64_MAX;
		break;
	case 1:
		p->view.rings[slot % RINGS].head = value;
		break;
	case 2:
		p->view.lane->event_head = value;
		break;
	case 3:
		p->view.control[slot].consumed = value;
		break;
	case 4:
		p->view.control[slot].consumed += value & 0xfff;
		break;
	case 5:
		p->view.control[slot].armed = value;
		break;
	case 6:
		memset(&p->view.status[slot], (int)(value & 0xff), sizeof(p->view.status[slot]));
		memset(&p->view.chunks[slot * SHM_CHUNKS], (int)(value & 0xff),
		       SHM_CHUNKS * sizeof(struct shm_chunk));
		break;
	default:
		memset(p->arena, (int)(value & 0xff), sizeof(struct shm_header));
		break;
	}
}

/* It reads as an honest program does. */
static void
reads(struct fuzz_input *in)
{
	struct program *p = writer(in);
	uint32_t slot = fuzz_u8(in) % 3, part = fuzz_u8(in);
	struct shm_request request = {.op = SHM_CONSUMED, .reply = SHM_NO_REPLY, .socket = slot};
	uint64_t left;

	if (p == NULL)
		return;
	left = p->view.status[slot].readable - p->view.control[slot].consumed;
	p->view.control[slot].consumed += part < 128 ? left : left * part / 256;
	if (p->view.status[slot].state == SHM_OPENED)
		arena_post(p, 0, &request, NULL, 0);
}

/* The other ends of its connections. */
static void
peer_acts(struct fuzz_input *in)
{
	struct tcp_endpoint to = {arena_address(), BAD_PORT};
	struct tcp_conn **c = &arena_world.peers[fuzz_u8(in) % BAD_PEERS];
	uint8_t act = fuzz_u8(in) % 6, bytes[1500];

	memset(bytes, act, sizeof(bytes));
	if (*c == NULL) {
		if (tcp_open(arena_world.e, AF_INET, c) < 0)
			*c = NULL;
		else
			tcp_connect(*c, &to);
		return;
	}
	switch (act) {
	case 0:
		tcp_close(*c);
		*c = NULL;
		break;
	case 1:
		tcp_abort(*c);
		*c = NULL;
		break;
	case 2:
		tcp_shutdown(*c, SHUT_WR);
		break;
	case 3:
		tcp_recv(*c, bytes, sizeof(bytes), 0);
		break;
	case 4:
		tcp_send(*c, bytes, 1, MSG_OOB);
		break;
	default:
		tcp_send(*c, bytes, fuzz_u16(in) % sizeof(bytes), 0);
		break;
	}
}

/* It forks, attaches anew, or ends. */
static void
come_and_go(struct fuzz_input *in)
{
	unsigned int i = fuzz_u8(in) & 1 ? CHILD : BAD;

	if (arena_world.programs[i].gateway != NULL)
		arena_detach(i);
	else
		arena_attach(i, i == CHILD && arena_world.programs[BAD].gateway != NULL
					? &arena_world.programs[BAD]
					: NULL);
}

static void
good_acts(struct fuzz_input *in)
{
	if (fuzz_u8(in) & 1)
		arena_good_sends();
	else
		arena_good_reads();
}

static void
time_passes(struct fuzz_input *in)
{
	arena_turn(UINT64_C(1) << (fuzz_u8(in) % 22));
}

/* Somebody moves one of its connections, or does not after all. */
static void
holds(struct fuzz_input *in)
{
	const struct gateway_program *good = arena_world.programs[GOOD].gateway;
	uint8_t what = fuzz_u8(in);
	uint64_t cursor = 0;

	if (arena_world.held != NULL) {
		if (what & 1)
			gateway_let_go(arena_world.gateway, arena_world.held);
		else
			gateway_take_away(arena_world.gateway, arena_world.held);
		arena_world.held = NULL;
		return;
	}
	while (cursor != TCP_LIST_END) {
		struct tcp_conn *c = tcp_walk(arena_world.e, &cursor);
		void *user = c != NULL ? tcp_user(c) : NULL;

		if (user == NULL || !gateway_owns(arena_world.gateway, user) ||
		    user == good->refs[GOOD_SLOT].socket || what-- % 4 != 0)
			continue;
		if (gateway_hold(arena_world.gateway, user))
			arena_world.held = user;
		return;
	}
}

/* What ends the bad program, as a rule. */
static void
rare(struct fuzz_input *in)
{
	switch (fuzz_u8(in) % 5) {
	case 0:
		raw_request(in);
		break;
	case 3:
	case 4:
		holds(in);
		break;
	case 1:
		scribble(in);
		break;
	default:
		come_and_go(in);
		break;
	}
}

static void (*const commands[])(struct fuzz_input *in) = {
	bad_request, bad_request, bad_request, bad_request, bad_request, bad_request,
	reads,       reads,       peer_acts,   peer_acts,   peer_acts,   peer_acts,
	good_acts,   time_passes, time_passes, rare,
};

/* ---- An input */

static void
start(void)
{
	static struct move_stats moves;
	struct gateway_config config = {.engine = arena_world.e,
					.moves = &moves,
					.max_sockets = SOCKETS,
					.numa_node = SOCKET_ID_ANY,
					.fault_event = arena_world.event};
	struct tcp_endpoint any = {ip_from4(be32(0)), ECHO_PORT};

	arena_world.now_us = FUZZ_START_US;
	arena_world.random = 0x2545f4914f6cdd1d;
	arena_world.gateway = gateway_create(&config);
	FUZZ_CHECK(arena_world.gateway != NULL &&
			   tcp_open(arena_world.e, AF_INET, &arena_world.listener) == 0 &&
			   tcp_bind(arena_world.listener, &any) == 0 &&
			   tcp_listen(arena_world.listener, 4) == 0,
		   "no start");
	arena_good_starts();
	bad_starts();
}

static void
hang_up(void)
{
	for (unsigned int i = 0; i < BAD_PEERS; i++) {
		if (arena_world.peers[i] != NULL)
			tcp_abort(arena_world.peers[i]);
		arena_world.peers[i] = NULL;
	}
}

static void
end(void)
{
	eventfd_t n;

	if (arena_world.held != NULL)
		gateway_let_go(arena_world.gateway, arena_world.held);
	arena_world.held = NULL;
	arena_detach(BAD);
	arena_detach(CHILD);
	hang_up();
	arena_good_sends();
	arena_good_finishes();
	hang_up(); /* those that were accepted meanwhile */
	arena_detach(GOOD);
	tcp_close(arena_world.echo);
	tcp_close(arena_world.listener);
	arena_world.echo = arena_world.listener = NULL;
	arena_check_empty(arena_world.gateway);
	gateway_destroy(arena_world.gateway);
	arena_world.gateway = NULL;
	tcp_flush(arena_world.e);
	while (arena_world.n_wire > 0) {
		arena_world.now_us += 1000;
		arena_deliver_wire();
		tcp_flush(arena_world.e);
	}
	arena_world.now_us = fuzz_engine_drain(arena_world.e, arena_world.now_us);
	for (unsigned int i = 0; i < arena_world.n_wire; i++)
		rte_pktmbuf_free(arena_world.wire[i]);
	arena_world.n_wire = 0;
	fuzz_check_pools();
	fuzz_engine_restart(arena_world.e);
	eventfd_read(arena_world.event, &n);
}

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	arena_make();
	return 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct fuzz_input in = {data, data + n};

	start();
	while (fuzz_left(&in) > 0)
		commands[fuzz_u8(&in) % (sizeof(commands) / sizeof(commands[0]))](&in);
	end();
	return 0;
}
