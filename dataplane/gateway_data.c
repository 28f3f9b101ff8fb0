/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What goes between a socket and its program's arena: bytes, and the status that tells of them.
 *
 * Bytes that came in are copied into data blocks, a chunk for each piece of a block. A block is
 * filled by one socket, chunk after chunk, while its last chunk is not read; when it is, the block
 * is free. So an idle connection holds none. The engine's queue keeps the bytes until the program
 * says that it has read them; where they cannot be delivered (the socket is shared or in repair,
 * blocks are short, an urgent byte) the program asks for them by a call.
 *
 * Invariants: status.delivered - first_chunk <= SHM_CHUNKS; consumed <= delivered, and delivered -
 * consumed bytes at the front of the engine's queue are in the arena; ref->status is what the arena
 * says.
 */
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include <rte_cycles.h>

#include "dataplane/gateway_impl.h"

/* ---- Delivery */

static bool
is_shared(const struct gateway_ref *ref)
{
	return ref->socket->refs->next != NULL;
}

static void
free_block(struct gateway_program *program, uint32_t block)
{
	program->free_blocks[program->n_free_blocks++] = block;
	if (!TAILQ_EMPTY(&program->hungry))
		program->fed = true;
}

static void
free_chunk(struct gateway_ref *ref)
{
	struct gateway_chunk *chunk = &ref->chunks[ref->first_chunk++ % SHM_CHUNKS];

	if (chunk->last)
		free_block(ref->program, chunk->block);
	ref->chunk_read = 0;
}

static void
consume(struct gateway_ref *ref, uint64_t bytes)
{
	ref->consumed += bytes;
	tcp_consume(ref->socket->tcp, bytes);
	while (ref->first_chunk != ref->status.delivered && bytes > 0) {
		struct gateway_chunk *chunk = &ref->chunks[ref->first_chunk % SHM_CHUNKS];
		uint16_t left = (uint16_t)(chunk->bytes - ref->chunk_read);

		if (bytes < left) {
			ref->chunk_read = (uint16_t)(ref->chunk_read + bytes);
			return;
		}
		bytes -= left;
		free_chunk(ref);
	}
}

bool
gateway_take_consumed(struct gateway *gateway, struct gateway_ref *ref)
{
	const struct shm_control *control = &ref->program->view.control[ref->slot];
	uint64_t consumed = shm_consumed(__atomic_load_n(&control->consumed, __ATOMIC_ACQUIRE));

	/* Behind us after a read by a call whose answer it has not seen yet. */
	if (consumed <= ref->consumed)
		return true;
	if (consumed > ref->delivered) {
		gateway_fault(gateway, ref->program, "it has read what was not delivered");
		return false;
	}
	consume(ref, consumed - ref->consumed);
	gateway_changed(gateway, ref);
	return true;
}

void
gateway_recall(struct gateway *gateway, struct gateway_ref *ref)
{
	GATEWAY_COUNT_N(gateway, recalled, ref->delivered - ref->consumed);
	while (ref->first_chunk != ref->status.delivered)
		free_chunk(ref);
	ref->delivered = ref->consumed;
	ref->status.recalled = ref->status.delivered;
}

/* Where the next byte goes: behind the last chunk, or into a fresh block. NULL if there is none. */
static uint8_t *
delivery_room(struct gateway_ref *ref, struct gateway_chunk **into, uint32_t *room)
{
	struct gateway_program *program = ref->program;
	uint32_t next = ref->status.delivered, held = next - ref->first_chunk;
	struct gateway_chunk *last = &ref->chunks[(next - 1) % SHM_CHUNKS];
	struct gateway_chunk *chunk = &ref->chunks[next % SHM_CHUNKS];

	if (held == SHM_CHUNKS)
		return NULL;
	if (held > 0 && ref->block_used < SHM_BLOCK_BYTES) {
		last->last = false;
		chunk->block = last->block;
	} else if (program->n_free_blocks > 0) {
		chunk->block = program->free_blocks[--program->n_free_blocks];
		ref->block_used = 0;
	} else {
		if (!ref->hungry)
			TAILQ_INSERT_TAIL(&program->hungry, ref, by_hunger);
		ref->hungry = true;
		return NULL;
	}
	chunk->last = true;
	*into = chunk;
	*room = SHM_BLOCK_BYTES - ref->block_used;
	return program->view.blocks + (size_t)chunk->block * SHM_BLOCK_BYTES + ref->block_used;
}

/* Copies from *m on, *offset bytes into it; moves both on. Returns how much was copied. */
static uint32_t
gather(const struct rte_mbuf **m, uint32_t *offset, uint8_t *to, uint32_t room)
{
	uint32_t done = 0;

	while (*m != NULL && done < room) {
		uint32_t n = RTE_MIN((uint32_t)(*m)->data_len - *offset, room - done);

		memcpy(to + done, rte_pktmbuf_mtod_offset(*m, const uint8_t *, *offset), n);
		done += n;
		*offset += n;
		if (*offset == (*m)->data_len) {
			*m = (*m)->next;
			*offset = 0;
		}
	}
	return done;
}

/* Copies what is in the engine's queue and not in the arena, as far as there is room. */
static void
deliver(struct gateway *gateway, struct gateway_ref *ref)
{
	struct gateway_program *program = ref->program;
	uint64_t here = ref->delivered - ref->consumed;
	struct tcp_conn *c = ref->socket->tcp;
	struct gateway_chunk *chunk;
	const struct rte_mbuf *m;
	uint32_t offset, room;
	uint8_t *to;

	if (is_shared(ref) || tcp_readable(c) <= here || tcp_has_urgent(c) || tcp_in_repair(c))
		return;
	tcp_peek_mbufs(c, &m);
	for (offset = (uint32_t)here; offset >= m->data_len; m = m->next)
		offset -= m->data_len;
	while (m != NULL && (to = delivery_room(ref, &chunk, &room)) != NULL) {
		uint32_t next = ref->status.delivered % SHM_CHUNKS;
		uint32_t n = gather(&m, &offset, to, room);

		chunk->bytes = (uint16_t)n;
		program->view.chunks[ref->slot * SHM_CHUNKS + next] = (struct shm_chunk){
			.block = chunk->block, .offset = ref->block_used, .bytes = (uint16_t)n};
		ref->block_used = (uint16_t)(ref->block_used + n);
		ref->delivered += n;
		ref->status.delivered++;
		GATEWAY_COUNT_N(gateway, bytes_in, n);
	}
	if (ref->hungry)
		GATEWAY_COUNT(gateway, starved);
}

/* ---- Status */

void
gateway_changed(struct gateway *gateway, struct gateway_ref *ref)
{
	if (ref->changed)
		return;
	ref->changed = true;
	TAILQ_INSERT_TAIL(&gateway->changed, ref, by_change);
}

/* What poll() says for other reasons than data, which the program counts itself. */
static uint32_t
poll_without_data(const struct gateway_ref *ref)
{
	const struct tcp_conn *c = ref->socket->tcp;
	short events = tcp_poll(c);

	if (!ref->socket->listening && !tcp_has_urgent(c) &&
	    (events & (POLLERR | POLLHUP | POLLRDHUP)) == 0)
		events &= ~(POLLIN | POLLRDNORM);
	return (uint16_t)events;
}

/* Not a child whose data came in its SYN: it may be written to. */
static bool
is_connecting(const struct tcp_conn *c, uint32_t events)
{
	enum tcp_state state = tcp_state(c);

	return (state == TCP_SYN_SENT || state == TCP_SYN_RECEIVED) &&
	       (events & (POLLOUT | POLLERR | POLLHUP)) == 0;
}

/* What the status should say now. */
static void
take_status(const struct gateway_ref *ref, struct shm_status *status)
{
	struct tcp_conn *c = ref->socket->tcp;
	bool shared = is_shared(ref);

	status->state = ref->socket->listening ? SHM_LISTENING : SHM_OPENED;
	status->poll = poll_without_data(ref);
	status->flags = tcp_has_urgent(c) ? SHM_ASK_TO_READ : 0;
	if (shared)
		status->flags |= SHM_SHARED;
	if (tcp_in_repair(c) && !ref->socket->held)
		status->flags |= SHM_REPAIR;
	if (tcp_is_deferred(c))
		status->flags |= SHM_DEFERRED;
	else if (is_connecting(c, status->poll))
		status->flags |= SHM_CONNECTING;
	if (ref->socket->listening) {
		tcp_accept_news(c, &status->readable, &status->since_us);
		return;
	}
	status->readable = tcp_has_urgent(c) ? ref->delivered : ref->consumed + tcp_readable(c);
	status->send_limit = ref->sent + (shared ? 0 : tcp_send_room(c));
	if ((status->poll & POLLOUT) == 0 || status->send_limit == ref->sent)
		tcp_want_room(c);
}

static void
send_event(struct gateway *gateway, struct gateway_ref *ref)
{
	struct gateway_program *program = ref->program;
	struct shm_lane *lane = program->view.lane;
	uint32_t head = __atomic_load_n(&lane->event_head, __ATOMIC_ACQUIRE);

	if (program->event_tail - head >= program->header.sockets) {
		GATEWAY_COUNT(gateway, events_lost);
		return;
	}
	program->view.events[program->event_tail++ & (program->header.sockets - 1)] =
		shm_event(program->header.lanes > 1 ? rte_rdtsc() : 0, ref->slot);
	__atomic_store_n(&lane->event_tail, program->event_tail, __ATOMIC_RELEASE);
	GATEWAY_COUNT(gateway, events);
}

/* The arena's copy; `changes` last. */
static void
publish(const struct gateway_ref *ref)
{
	const struct shm_status *from = &ref->status;
	struct shm_status *to = &ref->program->view.status[ref->slot];

	__atomic_store_n(&to->state, from->state, __ATOMIC_RELAXED);
	__atomic_store_n(&to->flags, from->flags, __ATOMIC_RELAXED);
	__atomic_store_n(&to->low_water, from->low_water, __ATOMIC_RELAXED);
	__atomic_store_n(&to->report_bytes, from->report_bytes, __ATOMIC_RELAXED);
	__atomic_store_n(&to->send_limit, from->send_limit, __ATOMIC_RELEASE);
	__atomic_store_n(&to->recalled, from->recalled, __ATOMIC_RELEASE);
	__atomic_store_n(&to->delivered, from->delivered, __ATOMIC_RELEASE);
	__atomic_store_n(&to->readable, from->readable, __ATOMIC_RELEASE);
	__atomic_store_n(&to->poll, from->poll, __ATOMIC_RELEASE);
	__atomic_store_n(&to->changes, from->changes, __ATOMIC_RELEASE);
}

void
gateway_publish(struct gateway *gateway, struct gateway_ref *ref)
{
	struct shm_control *control = &ref->program->view.control[ref->slot];

	ref->status.changes++;
	publish(ref);
	ref->program->news = true;
	/* After the status: who arms it after this sees the status, who armed before hears. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (__atomic_load_n(&control->armed, __ATOMIC_RELAXED) != 0 &&
	    __atomic_exchange_n(&control->armed, 0, __ATOMIC_RELAXED) != 0)
		send_event(gateway, ref);
}

/*
 * Whether somebody may wait for what has changed. More credit alone is for the next send to find:
 * who waits for room waits for POLLOUT. So an acknowledgment wakes nobody, and rings no doorbell.
 */
static bool
is_news(const struct shm_status *before, const struct shm_status *now)
{
	return now->state != before->state || now->flags != before->flags ||
	       now->poll != before->poll || now->delivered != before->delivered ||
	       now->recalled != before->recalled || now->readable != before->readable ||
	       now->low_water != before->low_water || now->report_bytes != before->report_bytes;
}

void
gateway_refresh(struct gateway *gateway, struct gateway_ref *ref)
{
	struct shm_status before = ref->status;

	if (!ref->socket->listening) {
		if (!gateway_take_consumed(gateway, ref))
			return;
		deliver(gateway, ref);
	}
	take_status(ref, &ref->status);
	if (ref->socket->listening)
		__atomic_store_n(&ref->program->view.status[ref->slot].since_us,
				 ref->status.since_us, __ATOMIC_RELEASE);
	if (is_news(&before, &ref->status))
		gateway_publish(gateway, ref);
	else if (ref->status.send_limit != before.send_limit)
		publish(ref);
	if (ref->status.send_limit > ref->granted)
		ref->granted = ref->status.send_limit;
}

/* ---- Sending */

uint32_t
gateway_send(struct gateway *gateway, struct gateway_ref *ref, const uint8_t *bytes, uint32_t n,
	     int flags)
{
	ssize_t taken;

	if (n > ref->granted - ref->sent) {
		gateway_fault(gateway, ref->program, "it has sent beyond its credit");
		return n;
	}
	taken = tcp_send_promised(ref->socket->tcp, bytes, n, flags);
	if (taken == n && (flags & MSG_ZEROCOPY))
		tcp_sent_zerocopy(ref->socket->tcp);
	if (taken < 0) /* nobody will read it: the connection's error is what the program hears */
		taken = n;
	ref->sent += (uint64_t)taken;
	GATEWAY_COUNT_N(gateway, bytes_out, taken);
	gateway_changed(gateway, ref);
	return (uint32_t)taken;
}
