/* SPDX-License-Identifier: BSD-3-Clause */
#include "gateway_rig.h"

#include <errno.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <CUnit/CUnit.h>

static void
notify(void *ctx, struct tcp_conn *c, void *user)
{
	struct gateway_rig *r = ctx;

	(void)c;
	if (gateway_owns(r->gateway, user))
		gateway_notify(r->gateway, user);
}

void
rig_start(struct gateway_rig *r)
{
	struct tcp_config tcp;
	struct gateway_config config = {
		.moves = &r->moves, .max_sockets = RIG_GATEWAY_SOCKETS, .numa_node = SOCKET_ID_ANY};

	memset(r, 0, sizeof(*r));
	tcp_config_defaults(&tcp);
	tcp.sndbuf_max_bytes = tcp.sndbuf_bytes; /* tests fill it */
	tcp.max_conns = 256;
	tcp.max_requests = 64;
	tcp.max_timewait = 256;
	tcp.max_held_bufs = 8192;
	tcp.timewait_ms = 1000;
	pair_start(&r->pair, &tcp);
	r->fault_event = eventfd(0, EFD_NONBLOCK);
	config.engine = r->pair.side[1].engine;
	config.fault_event = r->fault_event;
	r->gateway = gateway_create(&config);
	if (r->gateway == NULL)
		exit(2);
	r->pair.side[1].notify = notify;
	r->pair.side[1].notify_ctx = r;
	rig_run(r, 1);
}

bool
rig_end(struct gateway_rig *r)
{
	bool good;

	for (unsigned int i = 0; i < RIG_PROGRAMS; i++)
		if (r->programs[i].gateway != NULL)
			rig_detach(r, &r->programs[i]);
	r->pair.side[1].notify = NULL;
	pair_run_until(&r->pair, r->pair.now_us + 120 * 1000000ull);
	gateway_destroy(r->gateway);
	good = pair_end(&r->pair);
	close(r->fault_event);
	return good;
}

void
rig_run(struct gateway_rig *r, uint64_t ms)
{
	for (uint64_t i = 0; i < ms; i++) {
		pair_run_until(&r->pair, r->pair.now_us + 1000);
		gateway_turn(r->gateway);
		tcp_flush(r->pair.side[1].engine);
		gateway_tell(r->gateway);
		gateway_wake(r->gateway);
		tcp_flush(r->pair.side[0].engine);
	}
}

struct rig_program *
rig_attach(struct gateway_rig *r, unsigned int i, struct rig_program *from)
{
	struct rig_program *p = &r->programs[i];
	struct shm_layout layout;

	memset(p, 0, sizeof(*p));
	p->header = (struct shm_header){.version = SHM_VERSION,
					.lanes = 1,
					.rings = RIG_RINGS,
					.sockets = RIG_SOCKETS,
					.blocks = RIG_BLOCKS,
					.replies = RIG_REPLIES,
					.payloads = RIG_PAYLOADS};
	shm_lay_out(&p->header, &layout);
	p->header.bytes = layout.bytes;
	p->arena = aligned_alloc(4096, layout.bytes);
	memset(p->arena, 0, layout.bytes);
	memcpy(p->arena, &p->header, sizeof(p->header));
	shm_view(p->arena, &layout, 0, &p->view);
	p->replies = (struct shm_reply *)(void *)(p->arena + layout.replies);
	p->doorbell = eventfd(0, EFD_NONBLOCK);
	p->gateway = gateway_program_create(p->arena, &p->header, 0, p->doorbell, i);
	if (p->gateway == NULL)
		exit(2);
	gateway_attach(r->gateway, p->gateway);
	if (from != NULL)
		gateway_share(r->gateway, from->gateway, p->gateway);
	return p;
}

void
rig_detach(struct gateway_rig *r, struct rig_program *p)
{
	gateway_detach(r->gateway, p->gateway);
	gateway_program_destroy(p->gateway);
	p->gateway = NULL;
	free(p->arena);
	close(p->doorbell);
}

void
rig_post(struct rig_program *p, const struct shm_request *request, const void *payload)
{
	struct shm_ring *ring = &p->view.rings[0];
	uint32_t at = ring->tail & (SHM_RING_BYTES - 1);
	size_t bytes = shm_message_bytes(request->bytes);

	if (at + bytes > SHM_RING_BYTES) {
		struct shm_request skip = {.op = SHM_SKIP,
					   .bytes = SHM_RING_BYTES - at - (uint32_t)sizeof(skip)};

		memcpy(ring->data + at, &skip, sizeof(skip));
		ring->tail += SHM_RING_BYTES - at;
		at = 0;
	}
	memcpy(ring->data + at, request, sizeof(*request));
	if (request->bytes > 0)
		memcpy(ring->data + at + sizeof(*request), payload, request->bytes);
	ring->tail += (uint32_t)bytes;
	p->view.lane->posted |= 1;
}

int
rig_call(struct gateway_rig *r, struct rig_program *p, enum shm_op op, uint32_t slot, uint32_t arg,
	 uint64_t arg2, const void *payload, uint32_t bytes)
{
	struct shm_request request = {.bytes = bytes,
				      .op = (uint16_t)op,
				      .reply = 0,
				      .ticket = ++p->tickets,
				      .socket = slot,
				      .arg = arg,
				      .arg2 = arg2};

	rig_post(p, &request, payload);
	rig_run(r, 1);
	return p->replies[0].ticket == p->tickets ? p->replies[0].result : -ETIME;
}

void
rig_tell(struct rig_program *p, enum shm_op op, uint32_t slot, uint32_t arg, const void *payload,
	 uint32_t bytes)
{
	struct shm_request request = {.bytes = bytes,
				      .op = (uint16_t)op,
				      .reply = SHM_NO_REPLY,
				      .socket = slot,
				      .arg = arg};

	rig_post(p, &request, payload);
}

void
rig_listen(struct gateway_rig *r, struct rig_program *p, uint32_t slot, uint16_t port)
{
	struct shm_endpoint any = {.port = port, .family = AF_INET};

	any.ip[10] = any.ip[11] = 0xff;
	if (rig_call(r, p, SHM_OPEN, slot, AF_INET, 0, NULL, 0) != 0 ||
	    rig_call(r, p, SHM_BIND, slot, 0, 0, &any, sizeof(any)) != 0 ||
	    rig_call(r, p, SHM_LISTEN, slot, 16, 0, NULL, 0) != 0) {
		fprintf(stderr, "cannot listen\n");
		exit(2);
	}
}

struct tcp_conn *
rig_connect(struct gateway_rig *r, uint16_t port)
{
	struct tcp_endpoint to = {r->pair.side[1].ip, port};
	struct tcp_conn *c = NULL;
	const int on = 1;

	if (tcp_open(r->pair.side[0].engine, AF_INET, &c) < 0 ||
	    tcp_setsockopt(c, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) < 0 ||
	    tcp_connect(c, &to) != -EINPROGRESS) {
		fprintf(stderr, "a peer cannot connect\n");
		exit(2);
	}
	tcp_flush(r->pair.side[0].engine);
	rig_run(r, 4);
	return c;
}

int
rig_accept(struct gateway_rig *r, struct rig_program *p, uint32_t listener, uint32_t slot)
{
	/* What came before is delivered with the answer. */
	p->next_chunk[slot] = p->view.status[slot].delivered;
	p->chunk_read[slot] = 0;
	return rig_call(r, p, SHM_ACCEPT, listener, slot, 0, NULL, 0);
}

struct tcp_conn *
rig_start_repairing(struct gateway_rig *r, struct rig_program **p, uint32_t listener, uint32_t slot,
		    uint16_t port)
{
	struct tcp_conn *peer;

	rig_start(r);
	*p = rig_attach(r, 0, NULL);
	gateway_program_set_user((*p)->gateway, 0, true);
	rig_listen(r, *p, listener, port);
	peer = rig_connect(r, port);
	CU_ASSERT_EQUAL(rig_accept(r, *p, listener, slot), 0);
	return peer;
}

bool
rig_end_with(struct gateway_rig *r, struct tcp_conn *peer)
{
	if (peer != NULL)
		tcp_abort(peer);
	return rig_end(r);
}

size_t
rig_read(struct rig_program *p, uint32_t slot, void *to, size_t bytes)
{
	const struct shm_chunk *chunks = p->view.chunks + slot * SHM_CHUNKS;
	size_t done = 0;

	while (done < bytes && p->next_chunk[slot] != p->view.status[slot].delivered) {
		const struct shm_chunk *chunk = &chunks[p->next_chunk[slot] % SHM_CHUNKS];
		size_t n = RTE_MIN(bytes - done, (size_t)(chunk->bytes - p->chunk_read[slot]));

		memcpy((uint8_t *)to + done,
		       p->view.blocks + chunk->block * SHM_BLOCK_BYTES + chunk->offset +
			       p->chunk_read[slot],
		       n);
		done += n;
		p->chunk_read[slot] = (uint16_t)(p->chunk_read[slot] + n);
		if (p->chunk_read[slot] == chunk->bytes) {
			p->chunk_read[slot] = 0;
			p->next_chunk[slot]++;
		}
	}
	p->view.control[slot].consumed += done;
	return done;
}

struct gateway_stats
rig_stats(const struct gateway_rig *r)
{
	struct gateway_stats stats;

	gateway_stats_read(r->gateway, &stats);
	return stats;
}
