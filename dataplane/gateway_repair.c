/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Sockets of programs in repair. The engine answers their calls as ever; what is besides:
 *
 * Going into repair takes back what was delivered and not read, and the credit, before the call
 * answers: from then on the program reads and writes by calls, each with the engine's answer. What
 * it posted within its credit before is in the queue, since requests of a socket are taken in their
 * order. Leaving repair opens the fast way again. All programs that share the socket are told.
 *
 * Held is a socket whose connection is moved by another's order. To its programs that is a pause:
 * their calls wait, and so do those who read, since what was delivered is taken back; what they
 * post is taken. Nobody can be asked to stand still for that, so the count of what is read is
 * sealed: each byte is either read, or in the queue whose image is made.
 *
 * Whoever peeks at a long queue gets it in pieces, each into a payload of the program's: nothing
 * comes or goes meanwhile, unless the program itself writes to the queue.
 */
#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "dataplane/gateway_call.h"

enum {
	OPT_TCP_REPAIR = 19,
	REPAIR_ON = 1,
	REPAIR_OFF_SILENTLY = -1,
};

void
gateway_repair_set(struct gateway_socket *socket, bool on)
{
	int value = on ? REPAIR_ON : REPAIR_OFF_SILENTLY;

	tcp_set_privileged(socket->tcp, true);
	tcp_setsockopt(socket->tcp, IPPROTO_TCP, OPT_TCP_REPAIR, &value, sizeof(value));
}

void
gateway_repair_turned(struct gateway *gateway, struct gateway_socket *socket)
{
	for (struct gateway_ref *ref = socket->refs; ref != NULL; ref = ref->next) {
		if (tcp_in_repair(socket->tcp))
			gateway_recall(gateway, ref);
		gateway_refresh(gateway, ref);
	}
}

uint8_t *
gateway_payload(struct gateway *gateway, struct gateway_program *program, uint64_t named,
		uint32_t *bytes)
{
	uint64_t index = named >> 32;

	*bytes = (uint32_t)named;
	if (index >= program->header.payloads || *bytes > SHM_PAYLOAD_MAX) {
		gateway_fault(gateway, program, "its request names no payload");
		return NULL;
	}
	return program->payloads + index * SHM_PAYLOAD_MAX;
}

/* Out of repair there is no such call: what another thread ended is to be seen by looking again. */
int
gateway_call_peek(struct call *call)
{
	struct tcp_conn *c = call->ref->socket->tcp;
	uint32_t bytes;
	uint8_t *to = gateway_payload(call->gateway, call->program, call->request->arg2, &bytes);
	ssize_t n;

	if (to == NULL)
		return -EINVAL;
	if (!tcp_in_repair(c))
		return -ESTALE;
	n = tcp_repair_peek(c, call->request->offset, to, bytes, (int)call->request->arg);
	if (n > 0)
		GATEWAY_COUNT_N(call->gateway, bytes_in, n);
	return (int)n;
}

/* ---- By another's order */

enum {
	UNSEAL_TRIES = 1000, /* of a word that its program writes to */
};

static void
refresh_all(struct gateway *gateway, struct gateway_socket *socket)
{
	for (struct gateway_ref *ref = socket->refs; ref != NULL; ref = ref->next)
		gateway_refresh(gateway, ref);
}

static uint64_t *
consumed_word(const struct gateway_ref *ref)
{
	return &ref->program->view.control[ref->slot].consumed;
}

/* What the program has read until now is read; the rest is taken back, also from who copies it. */
static void
seal(struct gateway *gateway, struct gateway_ref *ref)
{
	__atomic_fetch_or(consumed_word(ref), SHM_CONSUMED_SEAL, __ATOMIC_ACQ_REL);
	gateway_take_consumed(gateway, ref);
	gateway_recall(gateway, ref);
}

static void
unseal(struct gateway *gateway, struct gateway_ref *ref)
{
	uint64_t *at = consumed_word(ref), word = __atomic_load_n(at, __ATOMIC_ACQUIRE), next;

	for (unsigned int i = 0; i < UNSEAL_TRIES && (word & SHM_CONSUMED_SEAL) != 0; i++) {
		next = shm_consumed(word) | ((word + SHM_CONSUMED_EPOCH) & SHM_CONSUMED_EPOCHS);
		if (__atomic_compare_exchange_n(at, &word, next, false, __ATOMIC_ACQ_REL,
						__ATOMIC_ACQUIRE))
			return;
	}
	if (word & SHM_CONSUMED_SEAL)
		gateway_fault(gateway, ref->program, "it writes where it has nothing to write");
}

void
gateway_part_with(struct gateway *gateway, struct gateway_socket *socket)
{
	for (struct gateway_ref *ref = socket->refs; ref != NULL; ref = ref->next)
		gateway_recall(gateway, ref);
	tcp_take_away(socket->tcp);
	refresh_all(gateway, socket);
}

bool
gateway_hold(struct gateway *gateway, void *user)
{
	struct gateway_socket *socket = user;

	if (socket->held || socket->listening)
		return false;
	if (socket->move != NULL)
		gateway_move_cancel(gateway, socket->move);
	socket->was_free = !tcp_in_repair(socket->tcp);
	if (socket->was_free)
		gateway_repair_set(socket, true);
	if (!tcp_in_repair(socket->tcp))
		return false;
	socket->held = true;
	for (struct gateway_ref *ref = socket->refs; ref != NULL; ref = ref->next)
		seal(gateway, ref);
	refresh_all(gateway, socket);
	return true;
}

bool
gateway_is_held(const void *user)
{
	const struct gateway_socket *socket = user;

	return socket->held;
}

/* The pause is over. */
static void
release(struct gateway *gateway, struct gateway_socket *socket)
{
	socket->held = false;
	if (socket->refs == NULL) {
		gateway_socket_close(gateway, socket);
		return;
	}
	refresh_all(gateway, socket);
	for (struct gateway_ref *ref = socket->refs; ref != NULL; ref = ref->next)
		unseal(gateway, ref);
}

void
gateway_let_go(struct gateway *gateway, void *user)
{
	struct gateway_socket *socket = user;

	if (socket->was_free)
		gateway_repair_set(socket, false);
	release(gateway, socket);
}

void
gateway_take_away(struct gateway *gateway, void *user)
{
	struct gateway_socket *socket = user;

	gateway_part_with(gateway, socket);
	release(gateway, socket);
}
