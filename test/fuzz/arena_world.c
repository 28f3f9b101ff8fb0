/* SPDX-License-Identifier: BSD-3-Clause */
/* One engine that talks to itself, the programs of its gateway, and the good one of them; arena.h.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include "arena.h"
#include "engine.h"
#include "invariants.h"

struct arena_world arena_world;

static struct shm_header header = {
	.version = SHM_VERSION,
	.lanes = 1,
	.rings = RINGS,
	.sockets = SLOTS,
	.blocks = BLOCKS,
	.replies = REPLIES,
	.payloads = PAYLOADS,
};
/* ---- The engine's surroundings */

struct ip_addr
arena_address(void)
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
		if (arena_world.n_wire < WIRE &&
		    rte_mempool_avail_count(fuzz_pools[FUZZ_POOL_RX]) > 0) {
			struct rte_mbuf *m =
				fuzz_pooled(rte_pktmbuf_read(packets[i], 0, length, bytes), length);

			m->packet_type = RTE_PTYPE_L3_IPV4_EXT_UNKNOWN;
			m->l2_len = 0;
			m->l3_len = packets[i]->l3_len;
			arena_world.wire[arena_world.n_wire++] = m;
		}
		rte_pktmbuf_free(packets[i]);
	}
}

static int
path(void *ctx, const struct ip_addr *remote, const struct ip_addr *local, struct tcp_path *out)
{
	struct ip_addr own = arena_address();

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
	struct ip_addr own = arena_address();

	(void)ctx;
	return ip_eq(local, &own);
}

static void
fill(void *ctx, void *buf, size_t bytes)
{
	(void)ctx;
	fuzz_random(&arena_world.random, buf, bytes);
}

static void
notify(void *ctx, struct tcp_conn *c, void *user)
{
	(void)ctx;
	(void)c;
	if (arena_world.gateway != NULL && gateway_owns(arena_world.gateway, user))
		gateway_notify(arena_world.gateway, user);
}

/* ---- Programs */

void
arena_attach(unsigned int i, const struct program *from)
{
	struct program *p = &arena_world.programs[i];
	struct shm_layout layout;

	shm_lay_out(&header, &layout);
	header.bytes = layout.bytes;
	memset(p->arena, 0, layout.bytes);
	memcpy(p->arena, &header, sizeof(header));
	shm_view(p->arena, &layout, 0, &p->view);
	p->replies = (struct shm_reply *)(void *)(p->arena + layout.replies);
	p->tickets = 0;
	p->gateway = gateway_program_create(p->arena, &header, 0, arena_world.event, i);
	FUZZ_CHECK(p->gateway != NULL, "no memory");
	gateway_program_set_user(p->gateway, i, i != GOOD);
	gateway_attach(arena_world.gateway, p->gateway);
	if (from != NULL)
		gateway_share(arena_world.gateway, from->gateway, p->gateway);
}

void
arena_detach(unsigned int i)
{
	struct program *p = &arena_world.programs[i];

	if (p->gateway == NULL)
		return;
	gateway_detach(arena_world.gateway, p->gateway);
	gateway_program_destroy(p->gateway);
	p->gateway = NULL;
}

/* Behind the last message of a ring, wherever that ends. */
void
arena_post(struct program *p, uint32_t ring, const struct shm_request *request, const void *payload,
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

void
arena_deliver_wire(void)
{
	struct rte_mbuf *burst[WIRE];
	unsigned int n = arena_world.n_wire;

	memcpy(burst, arena_world.wire, n * sizeof(burst[0]));
	arena_world.n_wire = 0;
	if (n > 0)
		tcp_input(arena_world.e, arena_world.now_us, burst, n);
	tcp_advance(arena_world.e, arena_world.now_us);
}

/* What the good program's peer does: it sends back what comes. */
static void
echo(void)
{
	uint8_t bytes[PIECE];
	struct tcp_conn *c;
	ssize_t n;

	while (tcp_accept(arena_world.listener, &c) == 0) {
		unsigned int i = 0;

		if (arena_world.echo == NULL) {
			arena_world.echo = c;
			continue;
		}
		while (i < BAD_PEERS && arena_world.peers[i] != NULL)
			i++;
		if (i < BAD_PEERS)
			arena_world.peers[i] = c;
		else
			tcp_abort(c);
	}
	while (arena_world.echo != NULL && (tcp_poll(arena_world.echo) & POLLOUT) != 0 &&
	       (n = tcp_recv(arena_world.echo, bytes, sizeof(bytes), 0)) > 0)
		FUZZ_CHECK(tcp_send(arena_world.echo, bytes, (size_t)n, 0) == n,
			   "the echo does not take it");
}

/* One iteration of the lane; what the main thread does comes after it. */
void
arena_turn(uint64_t us)
{
	arena_world.now_us += us;
	arena_deliver_wire();
	echo();
	gateway_turn(arena_world.gateway);
	tcp_flush(arena_world.e);
	gateway_tell(arena_world.gateway);
	gateway_wake(arena_world.gateway);
	arena_check_gateway(arena_world.gateway);
	fuzz_check_engine(arena_world.e);
	for (unsigned int i = 0; i < PROGRAMS; i++) {
		const char *fault;

		if (arena_world.programs[i].gateway == NULL)
			continue;
		fault = gateway_program_fault(arena_world.programs[i].gateway);
		if (fault == NULL)
			continue;
		FUZZ_SAY("program %u: %s\n", i, fault);
		FUZZ_CHECK(i != GOOD, "the good program is blamed: %s", fault);
		arena_detach(i);
	}
}

void
arena_turns(unsigned int n)
{
	while (n-- > 0)
		arena_turn(1000);
}

/* ---- The good program */

int
arena_ask(struct program *p, enum shm_op op, uint32_t slot, uint32_t arg, const void *payload,
	  uint32_t bytes)
{
	struct shm_request request = {.bytes = bytes,
				      .op = (uint16_t)op,
				      .ticket = ++p->tickets,
				      .socket = slot,
				      .arg = arg};

	arena_post(p, 0, &request, payload, bytes);
	for (unsigned int i = 0; i < 20; i++) {
		arena_turn(1000);
		if (p->gateway == NULL)
			return -ECONNRESET;
		if (p->replies[0].ticket == p->tickets)
			return p->replies[0].result;
	}
	return -ETIME;
}

struct shm_endpoint
arena_endpoint(uint16_t port)
{
	struct shm_endpoint to = {.port = port, .family = AF_INET};
	struct ip_addr own = arena_address();

	memcpy(to.ip, own.w, sizeof(to.ip));
	return to;
}

void
arena_good_starts(void)
{
	struct program *p = &arena_world.programs[GOOD];
	struct shm_endpoint to = arena_endpoint(ECHO_PORT);
	int status;

	arena_attach(GOOD, NULL);
	status = arena_ask(p, SHM_OPEN, GOOD_SLOT, AF_INET, NULL, 0);
	FUZZ_CHECK(status == 0, "open: %d", status);
	status = arena_ask(p, SHM_CONNECT, GOOD_SLOT, 0, &to, sizeof(to));
	FUZZ_CHECK(status == -EINPROGRESS, "connect: %d", status);
	arena_turns(4);
	FUZZ_CHECK(arena_world.echo != NULL, "no connection");
	arena_world.good_sent = arena_world.good_read = 0;
	arena_world.good_chunk = p->view.status[GOOD_SLOT].delivered;
}

static uint8_t
good_byte(uint64_t at)
{
	return (uint8_t)(at * 31 + at / 253);
}

void
arena_good_sends(void)
{
	struct program *p = &arena_world.programs[GOOD];
	uint64_t room = p->view.status[GOOD_SLOT].send_limit - arena_world.good_sent;
	struct shm_request request = {.op = SHM_SEND, .reply = SHM_NO_REPLY, .socket = GOOD_SLOT};
	uint8_t bytes[PIECE];

	request.bytes = (uint32_t)RTE_MIN(room, (uint64_t)PIECE);
	for (uint32_t i = 0; i < request.bytes; i++)
		bytes[i] = good_byte(arena_world.good_sent++);
	if (request.bytes > 0)
		arena_post(p, 1, &request, bytes, request.bytes);
}

void
arena_good_reads(void)
{
	struct program *p = &arena_world.programs[GOOD];
	const struct shm_status *status = &p->view.status[GOOD_SLOT];
	struct shm_request request = {
		.op = SHM_CONSUMED, .reply = SHM_NO_REPLY, .socket = GOOD_SLOT};

	if (arena_world.good_chunk == status->delivered)
		return;
	while (arena_world.good_chunk != status->delivered) {
		const struct shm_chunk *c = &p->view.chunks[GOOD_SLOT * SHM_CHUNKS +
							    arena_world.good_chunk++ % SHM_CHUNKS];
		const uint8_t *at = p->view.blocks + c->block * SHM_BLOCK_BYTES + c->offset;

		for (uint16_t i = 0; i < c->bytes; i++, arena_world.good_read++)
			FUZZ_CHECK(at[i] == good_byte(arena_world.good_read),
				   "byte %lu is another one", (unsigned long)arena_world.good_read);
	}
	p->view.control[GOOD_SLOT].consumed = arena_world.good_read;
	arena_post(p, 1, &request, NULL, 0);
}

/* What is left of a stream whose other end may have no room for now. */
void
arena_good_finishes(void)
{
	for (unsigned int i = 0;
	     i < TURNS_TO_FINISH && arena_world.good_read < arena_world.good_sent; i++) {
		arena_good_reads();
		arena_turn(10000);
	}
	FUZZ_CHECK(arena_world.good_read == arena_world.good_sent, "%lu of %lu bytes came back",
		   (unsigned long)arena_world.good_read, (unsigned long)arena_world.good_sent);
}

/* ---- The beginning */

void
arena_make(void)
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

	fuzz_start();
	arena_world.random = 0x2545f4914f6cdd1d;
	arena_world.e = fuzz_engine_make(&env);
	arena_world.event = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	shm_lay_out(&header, &layout);
	for (unsigned int i = 0; i < PROGRAMS; i++) {
		arena_world.programs[i].arena = aligned_alloc(4096, layout.bytes);
		FUZZ_CHECK(arena_world.programs[i].arena != NULL, "no memory");
	}
}
