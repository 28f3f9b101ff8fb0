/* SPDX-License-Identifier: BSD-3-Clause */
/* Programs, their rings, turns and doorbells; see gateway.h and lib/shm.h. */
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

#include <rte_malloc.h>
#include <rte_prefetch.h>

#include "dataplane/gateway_impl.h"

enum {
	TURN_REQUESTS = 64, /* of one ring, before others have their turn */
	/* In a ring before a turn. Who waits for room has filled more than half of it, within two
	   turns; so one of the two saw as much as this. */
	BULK_BYTES = 4096,
	/* Turns in which a full ring is emptied. */
	LAST_TURNS = SHM_RING_BYTES / SHM_REQUEST_ALIGN / TURN_REQUESTS + 1,
};

const char *const gateway_stats_names[] = {
#define GATEWAY_STAT(name, text) #name,
#include "dataplane/gateway_stats.def"
#undef GATEWAY_STAT
};

const char *const gateway_stats_texts[] = {
#define GATEWAY_STAT(name, text) text,
#include "dataplane/gateway_stats.def"
#undef GATEWAY_STAT
};

void
gateway_stats_read(const struct gateway *gateway, struct gateway_stats *stats)
{
	const uint64_t *from = (const uint64_t *)&gateway->stats;
	uint64_t *to = (uint64_t *)stats;

	for (size_t i = 0; i < GATEWAY_STATS_COUNT; i++)
		to[i] = __atomic_load_n(&from[i], __ATOMIC_RELAXED);
}

/* ---- A gateway's life */

struct gateway *
gateway_create(const struct gateway_config *config)
{
	struct gateway *gateway = rte_zmalloc_socket("gateway", sizeof(*gateway),
						     RTE_CACHE_LINE_SIZE, config->numa_node);

	if (gateway == NULL)
		return NULL;
	gateway->sockets = rte_zmalloc_socket("gateway sockets",
					      config->max_sockets * sizeof(*gateway->sockets),
					      RTE_CACHE_LINE_SIZE, config->numa_node);
	if (gateway->sockets == NULL) {
		rte_free(gateway);
		return NULL;
	}
	gateway->engine = config->engine;
	gateway->moves = config->moves;
	gateway->fault_event = config->fault_event;
	gateway->journal_timer = -1;
	gateway->owner = config->owner;
	gateway->owner_ctx = config->owner_ctx;
	gateway->lane = config->lane;
	gateway->n_sockets = config->max_sockets;
	TAILQ_INIT(&gateway->programs);
	TAILQ_INIT(&gateway->changed);
	for (uint32_t i = config->max_sockets; i-- > 0;) {
		gateway->sockets[i].next_free = gateway->free;
		gateway->free = &gateway->sockets[i];
	}
	return gateway;
}

void
gateway_destroy(struct gateway *gateway)
{
	if (gateway == NULL)
		return;
	rte_free(gateway->sockets);
	rte_free(gateway);
}

/* ---- Programs */

struct gateway_program *
gateway_program_create(void *arena, const struct shm_header *header, unsigned int lane,
		       int doorbell, uint32_t uid)
{
	struct gateway_program *program = calloc(1, sizeof(*program));
	struct shm_layout layout;

	if (program == NULL)
		return NULL;
	program->refs = calloc(header->sockets, sizeof(*program->refs));
	program->free_blocks = calloc(header->blocks, sizeof(*program->free_blocks));
	if (program->refs == NULL || program->free_blocks == NULL) {
		gateway_program_destroy(program);
		return NULL;
	}
	program->header = *header;
	program->shared = arena;
	program->doorbell = doorbell;
	program->uid = uid;
	TAILQ_INIT(&program->hungry);
	shm_lay_out(header, &layout);
	shm_view(arena, &layout, lane, &program->view);
	program->payloads = (uint8_t *)arena + layout.payloads;
	program->replies = (struct shm_reply *)(void *)((uint8_t *)arena + layout.replies);
	for (uint32_t i = header->blocks; i-- > 0;)
		program->free_blocks[program->n_free_blocks++] = i;
	return program;
}

void
gateway_program_destroy(struct gateway_program *program)
{
	if (program == NULL)
		return;
	free(program->refs);
	free(program->free_blocks);
	free(program);
}

void
gateway_program_set_user(struct gateway_program *program, uint32_t uid, bool may_repair)
{
	__atomic_store_n(&program->uid, uid, __ATOMIC_RELAXED);
	__atomic_store_n(&program->may_repair, may_repair, __ATOMIC_RELAXED);
}

void
gateway_program_set_pid(struct gateway_program *program, int32_t pid)
{
	__atomic_store_n(&program->pid, pid, __ATOMIC_RELAXED);
}

const char *
gateway_program_fault(const struct gateway_program *program)
{
	return __atomic_load_n(&program->fault, __ATOMIC_ACQUIRE);
}

void
gateway_fault(struct gateway *gateway, struct gateway_program *program, const char *why)
{
	if (program->fault != NULL)
		return;
	__atomic_store_n(&program->fault, why, __ATOMIC_RELEASE);
	GATEWAY_COUNT(gateway, faults);
	eventfd_write(gateway->fault_event, 1);
}

void
gateway_attach(struct gateway *gateway, struct gateway_program *program)
{
	int cpu = sched_getcpu();

	__atomic_store_n(&program->view.lane->cpu, cpu < 0 ? 0 : (uint32_t)cpu + 1,
			 __ATOMIC_RELAXED);
	TAILQ_INSERT_TAIL(&gateway->programs, program, entry);
	program->attached = true;
	GATEWAY_COUNT(gateway, attached);
}

void
gateway_share(struct gateway *gateway, struct gateway_program *from, struct gateway_program *to)
{
	for (uint32_t i = 0; i < from->header.sockets; i++) {
		struct gateway_ref *ref = &from->refs[i];

		if (ref->socket == NULL ||
		    __atomic_load_n(&from->view.control[i].keep_private, __ATOMIC_ACQUIRE) != 0)
			continue;
		if (!ref->socket->listening && !gateway_take_consumed(gateway, ref))
			return;
		gateway_recall(gateway, ref);
		gateway_refer(gateway, to, i, ref->socket);
		gateway_refresh(gateway, ref);
	}
}

/* ---- Requests */

/* Takes what is in a ring, up to a turn's share. Returns how many, *more whether some are left. */
static unsigned int
take_ring(struct gateway *gateway, struct gateway_program *program, uint32_t index, bool *more)
{
	struct shm_ring *shared = &program->view.rings[index];
	struct gateway_ring *ring = &program->rings[index];
	uint32_t tail = __atomic_load_n(&shared->tail, __ATOMIC_ACQUIRE), begin = ring->head;
	unsigned int n = 0;

	*more = false;
	while (ring->head != tail && program->fault == NULL) {
		uint32_t at = ring->head & (SHM_RING_BYTES - 1), left = tail - ring->head;
		struct shm_request request;
		size_t bytes;

		if (n == TURN_REQUESTS) {
			*more = true;
			break;
		}
		if (left > SHM_RING_BYTES || left % SHM_REQUEST_ALIGN != 0) {
			gateway_fault(gateway, program, "its ring holds more than a ring can");
			break;
		}
		memcpy(&request, shared->data + at, sizeof(request));
		bytes = request.bytes > SHM_RING_BYTES ? SIZE_MAX
						       : shm_message_bytes(request.bytes);
		if (bytes > left || bytes > SHM_RING_BYTES - at ||
		    (request.op != SHM_SKIP && request.bytes > SHM_PAYLOAD_MAX)) {
			gateway_fault(gateway, program, "its request is too long");
			break;
		}
		if (request.op != SHM_SKIP &&
		    !gateway_call(gateway, program, &request, shared->data + at + sizeof(request),
				  &ring->send_done)) {
			*more = true;
			break;
		}
		ring->send_done = 0;
		ring->head += (uint32_t)bytes;
		n++;
	}
	__atomic_store_n(&shared->head, ring->head, __ATOMIC_RELEASE);
	if (tail - begin > BULK_BYTES) /* somebody may wait for room */
		program->news = true;
	return n;
}

/*
 * Whoever calls waits for each line that goes from its processor to ours: let them come together.
 * Most programs' requests are in one ring.
 */
static void
prefetch_first(const struct gateway_program *program)
{
	uint64_t posted = __atomic_load_n(&program->view.lane->posted, __ATOMIC_RELAXED);
	uint32_t index = posted == 0 ? 0 : (uint32_t)__builtin_ctzll(posted);
	const struct shm_ring *ring;

	if (index >= program->header.rings)
		return;
	ring = &program->view.rings[index];
	rte_prefetch0(&ring->tail);
	rte_prefetch0(ring->data + (program->rings[index].head & (SHM_RING_BYTES - 1)));
}

static unsigned int
take_requests(struct gateway *gateway, struct gateway_program *program)
{
	uint64_t posted = program->left_over;
	unsigned int n = 0;

	if (__atomic_load_n(&program->view.lane->posted, __ATOMIC_RELAXED) != 0) {
		prefetch_first(program);
		posted |= __atomic_exchange_n(&program->view.lane->posted, 0, __ATOMIC_ACQUIRE);
	}
	program->left_over = 0;
	while (posted != 0) {
		uint32_t index = (uint32_t)__builtin_ctzll(posted);
		bool more = false;

		posted &= posted - 1;
		if (index < program->header.rings && program->fault == NULL)
			n += take_ring(gateway, program, index, &more);
		if (more)
			program->left_over |= UINT64_C(1) << index;
	}
	if (n == 0 && program->left_over != 0)
		n = 1;
	return n;
}

/*
 * What a program posted before it ended: it may have sent, and exited. Its memory may be another
 * process's too, which goes on posting: no more than what fits is taken.
 */
static void
take_last_requests(struct gateway *gateway, struct gateway_program *program)
{
	if (!program->attached)
		return;
	program->ends = true;
	program->left_over = ~UINT64_C(0);
	for (unsigned int i = 0; i < LAST_TURNS && program->left_over != 0; i++)
		take_requests(gateway, program);
}

void
gateway_detach(struct gateway *gateway, struct gateway_program *program)
{
	take_last_requests(gateway, program);
	gateway_move_cancel(gateway, &program->move);
	for (uint32_t i = 0; i < program->header.sockets; i++)
		if (program->refs[i].socket != NULL)
			gateway_drop(gateway, &program->refs[i]);
	if (program->attached)
		TAILQ_REMOVE(&gateway->programs, program, entry);
	program->attached = false;
	GATEWAY_COUNT(gateway, detached);
}

unsigned int
gateway_turn(struct gateway *gateway)
{
	struct gateway_program *program;
	unsigned int n = 0;

	TAILQ_FOREACH (program, &gateway->programs, entry)
		n += take_requests(gateway, program);
	if (n != 0)
		GATEWAY_COUNT_N(gateway, requests, n);
	return n;
}

void
gateway_doze(struct gateway *gateway, bool doze)
{
	struct gateway_program *program;

	TAILQ_FOREACH (program, &gateway->programs, entry)
		__atomic_store_n(&program->view.lane->asleep, doze, __ATOMIC_RELAXED);
}

/* ---- News */

bool
gateway_owns(const struct gateway *gateway, const void *user)
{
	const struct gateway_socket *socket = user;

	return socket >= gateway->sockets && socket < gateway->sockets + gateway->n_sockets;
}

bool
gateway_is_guest(const struct gateway *gateway, const void *user)
{
	const struct gateway_socket *socket = user;

	return gateway_owns(gateway, user) && socket->guest;
}

bool
gateway_is_part(const struct gateway *gateway, const void *user)
{
	const struct gateway_socket *socket = user;

	return gateway_owns(gateway, user) && socket->part;
}

uint64_t
gateway_listener(const struct gateway *gateway, const void *user)
{
	const struct gateway_socket *socket = user;

	return gateway_owns(gateway, user) && socket->listening ? socket->listener : 0;
}

struct listener {
	const struct gateway *gateway;
	uint64_t listener;
};

static bool
is_part_of(const void *ctx, const void *user)
{
	const struct listener *l = ctx;

	return gateway_is_part(l->gateway, user) &&
	       gateway_listener(l->gateway, user) == l->listener;
}

uint32_t
gateway_waiting(const struct gateway *gateway, uint16_t port, uint64_t listener)
{
	return tcp_waiting_at(gateway->engine, port, is_part_of,
			      &(struct listener){gateway, listener});
}

unsigned int
gateway_users(const void *user, struct gateway_user *users, unsigned int n)
{
	const struct gateway_socket *socket = user;
	unsigned int i = 0;

	for (const struct gateway_ref *ref = socket->refs; ref != NULL && i < n; ref = ref->next) {
		const struct gateway_program *program = ref->program;

		users[i++] = (struct gateway_user){
			.pid = __atomic_load_n(&program->pid, __ATOMIC_RELAXED),
			.fd = -1,
		};
	}
	return i;
}

void
gateway_notify(struct gateway *gateway, void *user)
{
	struct gateway_socket *socket = user;

	for (struct gateway_ref *ref = socket->refs; ref != NULL; ref = ref->next)
		gateway_changed(gateway, ref);
}

/* Blocks have come free: sockets that wait for one look again, the longest waiting first. */
static void
feed(struct gateway *gateway, struct gateway_program *program)
{
	struct gateway_ref *ref;
	uint32_t n = program->n_free_blocks;

	program->fed = false;
	while (n-- > 0 && (ref = TAILQ_FIRST(&program->hungry)) != NULL) {
		TAILQ_REMOVE(&program->hungry, ref, by_hunger);
		ref->hungry = false;
		gateway_changed(gateway, ref);
	}
}

static void
refresh_changed(struct gateway *gateway)
{
	struct gateway_ref *ref;

	while ((ref = TAILQ_FIRST(&gateway->changed)) != NULL) {
		TAILQ_REMOVE(&gateway->changed, ref, by_change);
		ref->changed = false;
		gateway_refresh(gateway, ref);
	}
}

void
gateway_tell(struct gateway *gateway)
{
	struct gateway_program *program;

	refresh_changed(gateway);
	TAILQ_FOREACH (program, &gateway->programs, entry)
		if (program->fed)
			feed(gateway, program);
}

void
gateway_wake(struct gateway *gateway)
{
	struct gateway_program *program;
	bool fenced = false;

	TAILQ_FOREACH (program, &gateway->programs, entry) {
		if (!program->news)
			continue;
		program->news = false;
		if (!fenced)
			__atomic_thread_fence(__ATOMIC_SEQ_CST);
		fenced = true;
		if (__atomic_load_n(&program->shared->sleepers, __ATOMIC_RELAXED) == 0)
			continue;
		eventfd_write(program->doorbell, 1);
		GATEWAY_COUNT(gateway, wakeups);
	}
}
