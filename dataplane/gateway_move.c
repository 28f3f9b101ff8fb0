/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Programs' connections to images and back: SHM_CHECKPOINT and SHM_RESTORE, over move.h. Whoever
 * may set TCP_REPAIR may do this.
 *
 * An image goes through a payload of the program's, piece by piece if it is longer. What fits in
 * one piece is one request, in one turn: nobody sees it half done, and the connection need not be
 * frozen for it. A longer one freezes the connection from its first piece on; then who changes it,
 * by whatever call, ends the checkpoint, which finds out with its next piece (-EBUSY).
 *
 * One move at a time of each program: a new one ends the one before, and so does the program's end.
 * The state of it is the program's part of this lane, so nothing is allocated.
 */
#include <errno.h>
#include <linux/sockios.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <rte_cycles.h>

#include "dataplane/gateway_call.h"

static const char not_allowed[] = "only root and the members of [programs] repair_group may do it";
static const char changed_meanwhile[] = "the program itself has changed it meanwhile";

/* ---- What the answer says besides */

static struct shm_moved *
moved(struct call *call)
{
	call->reply_bytes = sizeof(struct shm_moved);
	return (struct shm_moved *)(void *)call->reply->data;
}

/* No, and why. The lane writes a whole sentence; the program finds its end. */
static int
refuse(struct call *call, int status, const char *why)
{
	struct shm_moved *out = moved(call);

	memset(out, 0, sizeof(*out));
	strncpy(out->why, why, sizeof(out->why) - 1);
	return status;
}

/* ---- Moves under way */

/* From now on it is as it is. */
static void
freeze(struct gateway *gateway, struct gateway_move *move)
{
	if (tcp_in_repair(move->socket->tcp))
		return;
	gateway_repair_set(move->socket, true);
	move->froze = true;
	gateway_repair_turned(gateway, move->socket);
}

static void
thaw(struct gateway *gateway, struct gateway_move *move)
{
	if (!move->froze)
		return;
	move->froze = false;
	gateway_repair_set(move->socket, false);
	gateway_repair_turned(gateway, move->socket);
}

/* The move is over; the socket stays as it is. */
static void
forget(struct gateway_move *move)
{
	if (move->socket != NULL)
		move->socket->move = NULL;
	move->socket = NULL;
	move->froze = false;
	move->kind = GATEWAY_NO_MOVE;
}

void
gateway_move_cancel(struct gateway *gateway, struct gateway_move *move)
{
	if (move->kind == GATEWAY_MOVE_OUT)
		thaw(gateway, move);
	else if (move->kind == GATEWAY_MOVE_IN)
		move_in_cancel(&move->in);
	forget(move);
}

static uint32_t
us_since(uint64_t began)
{
	return (uint32_t)((rte_rdtsc() - began) * UINT64_C(1000000) / rte_get_tsc_hz());
}

/* A line of ternd's log, to be. */
static void
note(struct call *call, enum gateway_moved_kind kind, const struct tcp_checkpoint *of, int status,
     const char *why)
{
	struct gateway_move *move = &call->program->move;
	struct gateway_moved line = {
		.kind = kind,
		.pid = __atomic_load_n(&call->program->pid, __ATOMIC_RELAXED),
		.status = status,
		.us = us_since(move->began),
	};

	if (of != NULL) {
		line.tuple = of->tuple;
		line.recvq_bytes = of->recvq_bytes;
		line.sendq_bytes = of->sendq_bytes;
	}
	strncpy(line.why, why, sizeof(line.why) - 1);
	gateway_journal_add(call->gateway, &line);
}

/* ---- Out */

static int
refuse_out(struct call *call, int status, const char *why)
{
	GATEWAY_COUNT(call->gateway, checkpoints_refused);
	note(call, GATEWAY_CHECKPOINT_REFUSED, NULL, status, why);
	return refuse(call, status, why);
}

static int
begin_out(struct call *call)
{
	struct gateway_move *move = &call->program->move;
	struct gateway_socket *socket = call->ref->socket;
	int status;

	gateway_move_cancel(call->gateway, move);
	if (socket->move != NULL) /* of another program */
		gateway_move_cancel(call->gateway, socket->move);
	move->began = rte_rdtsc();
	if (!gateway_program_may_repair(call->program))
		return refuse_out(call, -EPERM, not_allowed);
	status = move_out_begin(&move->out, socket->tcp, NULL, call->gateway->moves);
	if (status < 0)
		return refuse_out(call, status,
				  "it is no connection: closed, listening, or about to be opened");
	move->kind = GATEWAY_MOVE_OUT;
	move->socket = socket;
	socket->move = move;
	return 0;
}

/* All of it is with the program: what is to become of the connection? */
static void
end_out(struct call *call)
{
	struct gateway_move *move = &call->program->move;
	struct gateway_socket *socket = move->socket;
	uint32_t how = call->request->arg;

	note(call, how & SHM_MOVE_TAKE ? GATEWAY_TAKEN : GATEWAY_CHECKPOINTED, &move->out.saved, 0,
	     "");
	GATEWAY_COUNT(call->gateway, checkpoints);
	if (how & (SHM_MOVE_TAKE | SHM_MOVE_FREEZE))
		freeze(call->gateway, move);
	else
		thaw(call->gateway, move);
	forget(move);
	if (how & SHM_MOVE_TAKE)
		gateway_part_with(call->gateway, socket);
}

static void
note_leaving(struct call *call, struct tcp_conn *c)
{
	struct tcp_checkpoint at = {.recvq_bytes = (uint32_t)tcp_readable(c)};
	struct tcp_endpoint local, remote = {0};
	int unacked = 0;

	tcp_getsockname(c, &local);
	tcp_getpeername(c, &remote);
	tcp_ioctl(c, SIOCOUTQ, &unacked);
	at.tuple = (struct tcp_tuple){.local = local.ip,
				      .remote = remote.ip,
				      .lport = be16(local.port),
				      .rport = be16(remote.port)};
	at.sendq_bytes = (uint32_t)unacked;
	call->program->move.began = rte_rdtsc();
	note(call, GATEWAY_TAKEN, &at, 0, "");
}

/* The image is where it should be, of a connection that was left frozen for that. */
static int
leave(struct call *call)
{
	struct gateway_socket *socket = call->ref->socket;

	if (!gateway_program_may_repair(call->program))
		return refuse_out(call, -EPERM, not_allowed);
	if (!tcp_in_repair(socket->tcp) || tcp_state(socket->tcp) <= TCP_LISTEN)
		return refuse_out(call, -EBUSY, changed_meanwhile);
	if (socket->move != NULL)
		gateway_move_cancel(call->gateway, socket->move);
	note_leaving(call, socket->tcp);
	gateway_part_with(call->gateway, socket);
	return 0;
}

int
gateway_call_checkpoint(struct call *call)
{
	struct gateway_move *move = &call->program->move;
	uint32_t room, offset = call->request->offset;
	uint8_t *to = gateway_payload(call->gateway, call->program, call->request->arg2, &room);
	int status = 0;
	uint64_t all;
	size_t n;

	if (to == NULL)
		return -EINVAL;
	if (call->request->arg & SHM_MOVE_CANCEL) {
		gateway_move_cancel(call->gateway, move);
		return 0;
	}
	if (call->request->arg & SHM_MOVE_LEAVE)
		return leave(call);
	if (offset == 0)
		status = begin_out(call);
	else if (move->kind != GATEWAY_MOVE_OUT || move->socket != call->ref->socket)
		status = refuse_out(call, -EBUSY, changed_meanwhile);
	if (status < 0)
		return status;
	n = move_out_read(&move->out, offset, to, room);
	all = move_out_bytes(&move->out);
	memset(moved(call), 0, sizeof(struct shm_moved));
	moved(call)->bytes = all;
	if ((call->request->arg & SHM_MOVE_END) != 0 && offset + n >= all)
		end_out(call);
	else if (room == 0) /* only its size is asked for */
		gateway_move_cancel(call->gateway, move);
	else
		freeze(call->gateway, move);
	return (int)n;
}

/* ---- In */

static int
refuse_in(struct call *call, int status, const char *why)
{
	struct gateway_move *move = &call->program->move;

	GATEWAY_COUNT(call->gateway, restores_refused);
	note(call, GATEWAY_RESTORE_REFUSED, NULL, status, why);
	status = refuse(call, status, why);
	forget(move);
	return status;
}

/* Addresses and state that come with the request. Returns 1, 0 if there are none, or -EINVAL. */
static int
take_target(const struct call *call, struct move_target *target)
{
	struct shm_target from;

	if (call->request->bytes == 0)
		return 0;
	if (call->request->bytes != sizeof(from))
		return -EINVAL;
	memcpy(&from, call->payload, sizeof(from));
	memcpy(target->tuple.local.w, from.local.ip, sizeof(from.local.ip));
	memcpy(target->tuple.remote.w, from.remote.ip, sizeof(from.remote.ip));
	target->tuple.lport = be16(from.local.port);
	target->tuple.rport = be16(from.remote.port);
	return move_state_of(from.state, &target->state) ? 1 : -EINVAL;
}

/* It does not fit what is under way, which ends, too. */
static int
refuse_piece(struct call *call, int status, const char *why)
{
	gateway_move_cancel(call->gateway, &call->program->move);
	return refuse_in(call, status, why);
}

/* The head is copied first: the program may write to the payload while it is read. */
static int
begin_in(struct call *call, const uint8_t *from, uint32_t bytes, uint32_t *taken)
{
	struct gateway_move *move = &call->program->move;
	struct move_target target = {0};
	uint32_t n = RTE_MIN(bytes, (uint32_t)sizeof(move->head));
	int status, given;

	gateway_move_cancel(call->gateway, move);
	move->began = rte_rdtsc();
	if (!gateway_program_may_repair(call->program))
		return refuse_in(call, -EPERM, not_allowed);
	given = take_target(call, &target);
	if (given < 0)
		return refuse_in(call, -EINVAL, "the state that is given is none of TCP's");
	memcpy(move->head, from, n);
	status = move_in_begin(&move->in, call->gateway->engine, move->head, n,
			       given ? &target : NULL, call->gateway->moves);
	if (status < 0)
		return refuse_in(call, status, move->in.why);
	if (gateway_belongs_elsewhere(call->gateway, &move->in.saved.tuple, &moved(call)->lane)) {
		move_in_cancel(&move->in);
		return -EXDEV;
	}
	*taken = (uint32_t)image_head_wants(move->head, n);
	move->kind = GATEWAY_MOVE_IN;
	move->slot = call->request->socket;
	move->taken = 0;
	return 0;
}

/* What the library must know of the options that are its to keep. */
static void
tell_options(struct call *call, const struct tcp_checkpoint *saved)
{
	struct shm_moved *out = moved(call);

	out->family = saved->ipv6 ? AF_INET6 : AF_INET;
	out->linger_s = saved->linger_on ? saved->linger_s : 0;
	out->receive_ms = saved->rcvtimeo_ms;
	out->send_ms = saved->sndtimeo_ms;
	out->tells_left = saved->wants_inq;
}

static int
end_in(struct call *call)
{
	struct gateway_move *move = &call->program->move;
	struct gateway_socket *socket;
	struct tcp_conn *c;
	int status;

	if (call->gateway->free == NULL) {
		GATEWAY_COUNT(call->gateway, no_socket);
		move_in_cancel(&move->in);
		return refuse_in(call, -ENFILE, "as many sockets of programs are open as may be");
	}
	status = move_in_end(&move->in, &c);
	if (status < 0)
		return refuse_in(call, status, move->in.why);
	GATEWAY_COUNT(call->gateway, restores);
	note(call, GATEWAY_RESTORED, &move->in.saved, 0, "");
	tell_options(call, &move->in.saved);
	socket = gateway_socket_take(call->gateway, c);
	tcp_set_uid(c, gateway_program_uid(call->program));
	if ((call->request->arg & SHM_MOVE_FREEZE) == 0)
		tcp_resume(c);
	gateway_refer(call->gateway, call->program, move->slot, socket);
	forget(move);
	return 0;
}

int
gateway_call_restore(struct call *call)
{
	struct gateway_move *move = &call->program->move;
	uint32_t bytes, offset = call->request->offset, head = 0;
	const uint8_t *from =
		gateway_payload(call->gateway, call->program, call->request->arg2, &bytes);
	int status = 0;
	ssize_t n;

	if (from == NULL)
		return -EINVAL;
	if (call->request->arg & SHM_MOVE_CANCEL) {
		gateway_move_cancel(call->gateway, move);
		return 0;
	}
	if (!gateway_slot_is_free(call->program, call->request->socket))
		return refuse_piece(call, -EBADFD, "its slot is in use");
	memset(moved(call), 0, sizeof(struct shm_moved));
	if (offset == 0)
		status = begin_in(call, from, bytes, &head);
	else if (move->kind != GATEWAY_MOVE_IN || move->slot != call->request->socket ||
		 move->taken != offset)
		status = refuse_piece(call, -EBUSY, "another one was begun meanwhile");
	if (status < 0)
		return status;
	n = move_in_more(&move->in, from + head, bytes - head);
	if (n < 0) {
		move_in_cancel(&move->in);
		return refuse_in(call, (int)n, "the queues do not fit: mbufs have run out");
	}
	move->taken += head + (uint32_t)n;
	moved(call)->bytes = move_in_wants(&move->in);
	if (move_in_wants(&move->in) == 0)
		status = end_in(call);
	return status < 0 ? status : (int)(head + (uint32_t)n);
}
