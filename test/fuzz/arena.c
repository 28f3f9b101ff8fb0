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
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "arena.h"
#include "engine.h"
#include "invariants.h"

enum {
	BAD,   /* written by the input */
	CHILD, /* shares BAD's sockets, and is written by the input as well */
	GOOD,
	PROGRAMS,
	SLOTS = 16,
	BLOCKS = 12,
	RINGS = 3,
	REPLIES = 4,
	SOCKETS = 12, /* of the gateway */
	WIRE = 128,   /* packets under way */
	ECHO_PORT = 7,
	BAD_PORT = 9,
	BAD_PEERS = 3,
	GOOD_SLOT = 5,
	PIECE = 700, /* bytes that the good program sends at once */
	TURNS_TO_FINISH = 4000,
};

struct program {
	struct gateway_program *gateway; /* NULL: not attached */
	uint8_t *arena;
	struct shm_view view;
	struct shm_reply *replies;
	uint32_t tickets;
};

static struct shm_header header = {
	.version = SHM_VERSION,
	.lanes = 1,
	.rings = RINGS,
	.sockets = SLOTS,
	.blocks = BLOCKS,
	.replies = REPLIES,
};

static struct {
	struct tcp_engine *e;
	struct gateway *gateway;
	uint64_t random, now_us;
	int event; /* every program's doorbell, and the gateway's word of faults */
	struct rte_mbuf *wire[WIRE];
	unsigned int n_wire;
	struct program programs[PROGRAMS];
	struct tcp_conn *listener, *echo; /* echo: the good program's peer */
	struct tcp_conn *peers[BAD_PEERS];
	uint64_t good_sent, good_read; /* bytes of its stream */
	uint32_t good_chunk;
} w;

/* ---- The engine's surroundings */

static struct ip_addr
address(void)
{
	return ip_from4(be32(0xc6120002));
}

static void
transmit(void *ctx, struct rte_mbuf **packets, unsigned int n)
{
	static uint8_t bytes[2048];

	(void)ctx;
	for (unsigned int i = 0; i < n; i++) {
		uint32_t length = packets[i]->pkt_len;

		FUZZ_CHECK(length <= sizeof(bytes), "a packet of %u bytes", length);
		if (w.n_wire < WIRE && rte_mempool_avail_count(fuzz_pools[FUZZ_POOL_RX]) > 0) {
			struct rte_mbuf *m =
				fuzz_pooled(rte_pktmbuf_read(packets[i], 0, length, bytes), length);

			m->packet_type = RTE_PTYPE_L3_IPV4_EXT_UNKNOWN;
			m->l2_len = 0;
			m->l3_len = packets[i]->l3_len;
			w.wire[w.n_wire++] = m;
		}
		rte_pktmbuf_free(packets[i]);
	}
}

static int
path(void *ctx, const struct ip_addr *remote, const struct ip_addr *local, struct tcp_path *out)
{
	struct ip_addr own = address();

	(void)ctx;
	(void)local;
	if (!ip_eq(remote, &own))
		return -ENETUNREACH;
	*out = (struct tcp_path){.local = own, .mtu = 1500, .flags = TCP_PATH_TX_MULTI_SEG};
	return 0;
}

static bool
is_local(void *ctx, const struct ip_addr *local)
{
	struct ip_addr own = address();

	(void)ctx;
	return ip_eq(local, &own);
}

static void
fill(void *ctx, void *buf, size_t bytes)
{
	(void)ctx;
	fuzz_random(&w.random, buf, bytes);
}

static void
notify(void *ctx, struct tcp_conn *c, void *user)
{
	(void)ctx;
	(void)c;
	if (w.gateway != NULL && gateway_owns(w.gateway, user))
		gateway_notify(w.gateway, user);
}

/* ---- Programs */

static void
attach(unsigned int i, const struct program *from)
{
	struct program *p = &w.programs[i];
	struct shm_layout layout;

	shm_lay_out(&header, &layout);
	header.bytes = layout.bytes;
	memset(p->arena, 0, layout.bytes);
	memcpy(p->arena, &header, sizeof(header));
	shm_view(p->arena, &layout, 0, &p->view);
	p->replies = (struct shm_reply *)(void *)(p->arena + layout.replies);
	p->tickets = 0;
	p->gateway = gateway_program_create(p->arena, &header, 0, w.event, i);
	FUZZ_CHECK(p->gateway != NULL, "no memory");
	gateway_attach(w.gateway, p->gateway);
	if (from != NULL)
		gateway_share(w.gateway, from->gateway, p->gateway);
}

static void
detach(unsigned int i)
{
	struct program *p = &w.programs[i];

	if (p->gateway == NULL)
		return;
	gateway_detach(w.gateway, p->gateway);
	gateway_program_destroy(p->gateway);
	p->gateway = NULL;
}

/* Behind the last message of a ring, wherever that ends. */
static void
post(struct program *p, uint32_t ring, const struct shm_request *request, const void *payload,
     uint32_t bytes)
{
	struct shm_ring *r = &p->view.rings[ring];
	uint32_t at = r->tail & (SHM_RING_BYTES - 1), left = SHM_RING_BYTES - at;

	if (sizeof(*request) + bytes > left) {
		struct shm_request skip = {.op = SHM_SKIP, .bytes = left - (uint32_t)sizeof(skip)};

		if (left >= sizeof(skip))
			memcpy(r->data + at, &skip, sizeof(skip));
		r->tail += left;
		at = 0;
	}
	memcpy(r->data + at, request, sizeof(*request));
	if (bytes > 0)
		memcpy(r->data + at + sizeof(*request), payload, bytes);
	r->tail += (uint32_t)shm_message_bytes(bytes);
	p->view.lane->posted |= UINT64_C(1) << ring;
}

/* ---- Time */

static void
deliver_wire(void)
{
	struct rte_mbuf *burst[WIRE];
	unsigned int n = w.n_wire;

	memcpy(burst, w.wire, n * sizeof(burst[0]));
	w.n_wire = 0;
	if (n > 0)
		tcp_input(w.e, w.now_us, burst, n);
	tcp_advance(w.e, w.now_us);
}

/* What the good program's peer does: it sends back what comes. */
static void
echo(void)
{
	uint8_t bytes[PIECE];
	struct tcp_conn *c;
	ssize_t n;

	while (tcp_accept(w.listener, &c) == 0) {
		unsigned int i = 0;

		if (w.echo == NULL) {
			w.echo = c;
			continue;
		}
		while (i < BAD_PEERS && w.peers[i] != NULL)
			i++;
		if (i < BAD_PEERS)
			w.peers[i] = c;
		else
			tcp_abort(c);
	}
	while (w.echo != NULL && (tcp_poll(w.echo) & POLLOUT) != 0 &&
	       (n = tcp_recv(w.echo, bytes, sizeof(bytes), 0)) > 0)
		FUZZ_CHECK(tcp_send(w.echo, bytes, (size_t)n, 0) == n, "the echo does not take it");
}

/* One iteration of the lane; what the main thread does comes after it. */
static void
turn(uint64_t us)
{
	w.now_us += us;
	deliver_wire();
	echo();
	gateway_turn(w.gateway);
	tcp_flush(w.e);
	gateway_tell(w.gateway);
	arena_check_gateway(w.gateway);
	fuzz_check_engine(w.e);
	for (unsigned int i = 0; i < PROGRAMS; i++) {
		const char *fault;

		if (w.programs[i].gateway == NULL)
			continue;
		fault = gateway_program_fault(w.programs[i].gateway);
		if (fault == NULL)
			continue;
		FUZZ_SAY("program %u: %s\n", i, fault);
		FUZZ_CHECK(i != GOOD, "the good program is blamed: %s", fault);
		detach(i);
	}
}

static void
turns(unsigned int n)
{
	while (n-- > 0)
		turn(1000);
}

/* ---- The good program */

static int
ask(struct program *p, enum shm_op op, uint32_t slot, uint32_t arg, const void *payload,
    uint32_t bytes)
{
	struct shm_request request = {.bytes = bytes,
				      .op = (uint16_t)op,
				      .ticket = ++p->tickets,
				      .socket = slot,
				      .arg = arg};

	post(p, 0, &request, payload, bytes);
	for (unsigned int i = 0; i < 20; i++) {
		turn(1000);
		if (p->gateway == NULL)
			return -ECONNRESET;
		if (p->replies[0].ticket == p->tickets)
			return p->replies[0].result;
	}
	return -ETIME;
}

static struct shm_endpoint
endpoint(uint16_t port)
{
	struct shm_endpoint to = {.port = port, .family = AF_INET};
	struct ip_addr own = address();

	memcpy(to.ip, own.w, sizeof(to.ip));
	return to;
}

static void
good_starts(void)
{
	struct program *p = &w.programs[GOOD];
	struct shm_endpoint to = endpoint(ECHO_PORT);
	int status;

	attach(GOOD, NULL);
	status = ask(p, SHM_OPEN, GOOD_SLOT, AF_INET, NULL, 0);
	FUZZ_CHECK(status == 0, "open: %d", status);
	status = ask(p, SHM_CONNECT, GOOD_SLOT, 0, &to, sizeof(to));
	FUZZ_CHECK(status == -EINPROGRESS, "connect: %d", status);
	turns(4);
	FUZZ_CHECK(w.echo != NULL, "no connection");
	w.good_sent = w.good_read = 0;
	w.good_chunk = p->view.status[GOOD_SLOT].delivered;
}

static uint8_t
good_byte(uint64_t at)
{
	return (uint8_t)(at * 31 + at / 253);
}

static void
good_sends(void)
{
	struct program *p = &w.programs[GOOD];
	uint64_t room = p->view.status[GOOD_SLOT].send_limit - w.good_sent;
	struct shm_request request = {.op = SHM_SEND, .reply = SHM_NO_REPLY, .socket = GOOD_SLOT};
	uint8_t bytes[PIECE];

	request.bytes = (uint32_t)RTE_MIN(room, (uint64_t)PIECE);
	for (uint32_t i = 0; i < request.bytes; i++)
		bytes[i] = good_byte(w.good_sent++);
	if (request.bytes > 0)
		post(p, 1, &request, bytes, request.bytes);
}

static void
good_reads(void)
{
	struct program *p = &w.programs[GOOD];
	const struct shm_status *status = &p->view.status[GOOD_SLOT];
	struct shm_request request = {
		.op = SHM_CONSUMED, .reply = SHM_NO_REPLY, .socket = GOOD_SLOT};

	if (w.good_chunk == status->delivered)
		return;
	while (w.good_chunk != status->delivered) {
		const struct shm_chunk *c =
			&p->view.chunks[GOOD_SLOT * SHM_CHUNKS + w.good_chunk++ % SHM_CHUNKS];
		const uint8_t *at = p->view.blocks + c->block * SHM_BLOCK_BYTES + c->offset;

		for (uint16_t i = 0; i < c->bytes; i++, w.good_read++)
			FUZZ_CHECK(at[i] == good_byte(w.good_read), "byte %lu is another one",
				   (unsigned long)w.good_read);
	}
	p->view.control[GOOD_SLOT].consumed = w.good_read;
	post(p, 1, &request, NULL, 0);
}

/* ---- The bad one */

/* It begins as a program does: with a listener, a connection that it made and one that it took. */
static void
bad_starts(void)
{
	struct program *p = &w.programs[BAD];
	struct shm_endpoint to = endpoint(ECHO_PORT), own = endpoint(BAD_PORT);
	struct tcp_endpoint remote = {address(), BAD_PORT};

	attach(BAD, NULL);
	FUZZ_CHECK(ask(p, SHM_OPEN, 0, AF_INET, NULL, 0) == 0 &&
			   ask(p, SHM_BIND, 0, 0, &own, sizeof(own)) == 0 &&
			   ask(p, SHM_LISTEN, 0, 4, NULL, 0) == 0 &&
			   ask(p, SHM_OPEN, 1, AF_INET, NULL, 0) == 0 &&
			   ask(p, SHM_CONNECT, 1, 0, &to, sizeof(to)) == -EINPROGRESS,
		   "the bad program cannot begin");
	turns(4);
	FUZZ_CHECK(w.peers[0] != NULL && tcp_open(w.e, AF_INET, &w.peers[1]) == 0 &&
			   tcp_connect(w.peers[1], &remote) == -EINPROGRESS,
		   "nobody connects to it");
	turns(4);
	FUZZ_CHECK(ask(p, SHM_ACCEPT, 0, 2, NULL, 0) == 0, "it accepts nobody");
}

/* A program that the input writes for; NULL if it is not attached. */
static struct program *
writer(struct fuzz_input *in)
{
	struct program *p = &w.programs[fuzz_u8(in) & 1 ? CHILD : BAD];

	return p->gateway != NULL ? p : NULL;
}

/* Mostly a number that may be, sometimes one that may not. */
static uint8_t
number(struct fuzz_input *in, uint8_t good, uint8_t all)
{
	uint8_t n = fuzz_u8(in);

	return n < 250 ? n % good : (uint8_t)(n % (all + 1));
}

/* A request as a program could make it, with numbers that need not be right. */
static void
bad_request(struct fuzz_input *in)
{
	static const uint16_t ports[] = {ECHO_PORT, BAD_PORT, 0, 4711};
	struct program *p = writer(in);
	uint8_t payload[2048];
	struct shm_request request = {.op = number(in, SHM_OPS, SHM_OPS)};
	struct shm_endpoint to = endpoint(ports[fuzz_u8(in) % 4]);

	request.reply = number(in, REPLIES, REPLIES);
	request.socket = request.op == SHM_OPEN ? number(in, 5, SLOTS) : number(in, 3, SLOTS);
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
	case SHM_SEND:
	case SHM_SEND_NOW:
	case SHM_SETSOCKOPT:
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
		post(p, fuzz_u8(in) % RINGS, &request, payload, request.bytes);
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
		post(p, ring, &request, bytes, sizeof(bytes));
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
		memset(p->arena, (int)(value & 0xff), sizeof(header));
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
		post(p, 0, &request, NULL, 0);
}

/* The other ends of its connections. */
static void
peer_acts(struct fuzz_input *in)
{
	struct tcp_endpoint to = {address(), BAD_PORT};
	struct tcp_conn **c = &w.peers[fuzz_u8(in) % BAD_PEERS];
	uint8_t act = fuzz_u8(in) % 6, bytes[1500];

	memset(bytes, act, sizeof(bytes));
	if (*c == NULL) {
		if (tcp_open(w.e, AF_INET, c) < 0)
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

	if (w.programs[i].gateway != NULL)
		detach(i);
	else
		attach(i, i == CHILD && w.programs[BAD].gateway != NULL ? &w.programs[BAD] : NULL);
}

static void
good_acts(struct fuzz_input *in)
{
	if (fuzz_u8(in) & 1)
		good_sends();
	else
		good_reads();
}

static void
time_passes(struct fuzz_input *in)
{
	turn(UINT64_C(1) << (fuzz_u8(in) % 22));
}

/* What ends the bad program, as a rule. */
static void
rare(struct fuzz_input *in)
{
	switch (fuzz_u8(in) % 3) {
	case 0:
		raw_request(in);
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
	struct gateway_config config = {.engine = w.e,
					.max_sockets = SOCKETS,
					.numa_node = SOCKET_ID_ANY,
					.fault_event = w.event};
	struct tcp_endpoint any = {ip_from4(be32(0)), ECHO_PORT};

	w.now_us = FUZZ_START_US;
	w.random = 0x2545f4914f6cdd1d;
	w.gateway = gateway_create(&config);
	FUZZ_CHECK(w.gateway != NULL && tcp_open(w.e, AF_INET, &w.listener) == 0 &&
			   tcp_bind(w.listener, &any) == 0 && tcp_listen(w.listener, 4) == 0,
		   "no start");
	good_starts();
	bad_starts();
}

/* What is left of a stream whose other end may have no room for now. */
static void
good_finishes(void)
{
	for (unsigned int i = 0; i < TURNS_TO_FINISH && w.good_read < w.good_sent; i++) {
		good_reads();
		turn(10000);
	}
	FUZZ_CHECK(w.good_read == w.good_sent, "%lu of %lu bytes came back",
		   (unsigned long)w.good_read, (unsigned long)w.good_sent);
}

static void
hang_up(void)
{
	for (unsigned int i = 0; i < BAD_PEERS; i++) {
		if (w.peers[i] != NULL)
			tcp_abort(w.peers[i]);
		w.peers[i] = NULL;
	}
}

static void
end(void)
{
	eventfd_t n;

	detach(BAD);
	detach(CHILD);
	hang_up();
	good_sends();
	good_finishes();
	hang_up(); /* those that were accepted meanwhile */
	detach(GOOD);
	tcp_close(w.echo);
	tcp_close(w.listener);
	w.echo = w.listener = NULL;
	arena_check_empty(w.gateway);
	gateway_destroy(w.gateway);
	w.gateway = NULL;
	tcp_flush(w.e);
	while (w.n_wire > 0) {
		w.now_us += 1000;
		deliver_wire();
		tcp_flush(w.e);
	}
	w.now_us = fuzz_engine_drain(w.e, w.now_us);
	for (unsigned int i = 0; i < w.n_wire; i++)
		rte_pktmbuf_free(w.wire[i]);
	w.n_wire = 0;
	fuzz_check_pools();
	fuzz_engine_restart(w.e);
	eventfd_read(w.event, &n);
}

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	const struct tcp_env env = {
		.transmit = transmit,
		.path = path,
		.is_local = is_local,
		.random = fill,
		.notify = notify,
		.alloc = fuzz_alloc,
		.free = fuzz_free,
	};
	struct shm_layout layout;

	(void)argc;
	(void)argv;
	fuzz_start();
	w.random = 0x2545f4914f6cdd1d;
	w.e = fuzz_engine_make(&env);
	w.event = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	shm_lay_out(&header, &layout);
	for (unsigned int i = 0; i < PROGRAMS; i++) {
		w.programs[i].arena = aligned_alloc(4096, layout.bytes);
		FUZZ_CHECK(w.programs[i].arena != NULL, "no memory");
	}
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
