/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What each request of a program does: the engine's socket calls, with everything that comes from
 * the program checked first.
 *
 * Before an answer is given the status of the sockets that it concerns is written, so that the
 * program sees both.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include <linux/errqueue.h>

#include "dataplane/gateway_call.h"

enum {
	PORTS_OF_ROOT = 1024, /* are below this one */
	OPTION_BYTES = 1024,  /* longer values are none of an option's */
};

/* ---- Addresses */

static void
endpoint_out(const struct tcp_endpoint *from, int family, struct shm_endpoint *to)
{
	memcpy(to->ip, from->ip.w, sizeof(to->ip));
	to->port = from->port;
	to->family = (uint16_t)family;
}

/* From the front of the payload, of which it may be all. */
static int
endpoint_in(const struct call *call, bool all, struct tcp_endpoint *to)
{
	struct shm_endpoint from;

	if (call->request->bytes < sizeof(from) || (all && call->request->bytes != sizeof(from)))
		return -EINVAL;
	memcpy(&from, call->payload, sizeof(from));
	memcpy(to->ip.w, from.ip, sizeof(to->ip.w));
	to->port = from.port;
	return 0;
}

/* ---- Sockets and slots */

struct gateway_socket *
gateway_socket_take(struct gateway *gateway, struct tcp_conn *c)
{
	struct gateway_socket *socket = gateway->free;

	if (socket == NULL) {
		GATEWAY_COUNT(gateway, no_socket);
		return NULL;
	}
	gateway->free = socket->next_free;
	*socket = (struct gateway_socket){.tcp = c};
	tcp_set_user(c, socket);
	return socket;
}

void
gateway_refer(struct gateway *gateway, struct gateway_program *program, uint32_t slot,
	      struct gateway_socket *socket)
{
	struct gateway_ref *ref = &program->refs[slot];
	uint32_t changes = ref->status.changes, delivered = ref->status.delivered;

	memset(ref, 0, sizeof(*ref));
	ref->socket = socket;
	ref->program = program;
	ref->slot = slot;
	ref->next = socket->refs;
	ref->first_chunk = delivered;
	ref->status.changes = changes;
	ref->status.delivered = ref->status.recalled = delivered;
	ref->status.low_water = 1;
	ref->status.report_bytes = GATEWAY_REPORT_BYTES;
	socket->refs = ref;
	__atomic_store_n(&program->view.control[slot].consumed, 0, __ATOMIC_RELAXED);
	gateway_refresh(gateway, ref);
}

void
gateway_socket_close(struct gateway *gateway, struct gateway_socket *socket)
{
	GATEWAY_COUNT(gateway, closed);
	tcp_close(socket->tcp);
	socket->tcp = NULL;
	socket->next_free = gateway->free;
	gateway->free = socket;
}

void
gateway_drop(struct gateway *gateway, struct gateway_ref *ref)
{
	struct gateway_socket *socket = ref->socket;
	struct gateway_ref **at = &socket->refs;

	if (socket->move != NULL)
		gateway_move_cancel(gateway, socket->move);
	gateway_recall(gateway, ref);
	if (ref->changed)
		TAILQ_REMOVE(&gateway->changed, ref, by_change);
	if (ref->hungry)
		TAILQ_REMOVE(&ref->program->hungry, ref, by_hunger);
	ref->changed = ref->hungry = false;
	while (*at != ref)
		at = &(*at)->next;
	*at = ref->next;
	ref->socket = NULL;
	ref->status.state = SHM_FREE;
	ref->status.poll = 0;
	gateway_publish(gateway, ref);
	if (socket->refs != NULL)
		gateway_changed(gateway, socket->refs); /* may be alone now */
	else if (!socket->held)
		gateway_socket_close(gateway, socket);
}

bool
gateway_slot_is_free(const struct gateway_program *program, uint32_t slot)
{
	return slot < program->header.sockets && program->refs[slot].socket == NULL;
}

/* ---- The calls */

static int
call_open(struct call *call)
{
	struct gateway_socket *socket;
	struct tcp_conn *c;
	int status;

	if (!gateway_slot_is_free(call->program, call->request->socket))
		return -EBADFD;
	status = tcp_open(call->gateway->engine, (int)call->request->arg, &c);
	if (status < 0)
		return status;
	socket = gateway_socket_take(call->gateway, c);
	if (socket == NULL) {
		tcp_close(c);
		return -ENFILE;
	}
	if (call->request->arg2 != 0)
		tcp_smc_enable(c);
	tcp_set_uid(c, gateway_program_uid(call->program));
	gateway_refer(call->gateway, call->program, call->request->socket, socket);
	GATEWAY_COUNT(call->gateway, opened);
	return 0;
}

static int
call_bind(struct call *call)
{
	struct gateway_socket *socket = call->ref->socket;
	struct tcp_bound_as as;
	struct tcp_endpoint local;
	struct shm_bound out = {0};
	int status = endpoint_in(call, true, &local);

	if (status == 0 && local.port != 0 && local.port < PORTS_OF_ROOT &&
	    gateway_program_uid(call->program) != 0)
		status = -EACCES;
	if (status < 0)
		return status;
	socket->part = call->request->arg == SHM_BIND_PART;
	socket->guest = call->request->arg != 0;
	status = tcp_bind(socket->tcp, &local);
	if (status < 0)
		return status;
	if (socket->part || call->request->arg == SHM_BIND_CHOSEN)
		tcp_bound_as_chosen(socket->tcp);
	tcp_bound_as(socket->tcp, &as);
	endpoint_out(&as.local, tcp_family(socket->tcp), &out.local);
	out.chosen = as.chosen;
	out.kind = as.kind;
	memcpy(call->reply->data, &out, sizeof(out));
	call->reply_bytes = sizeof(out);
	return 0;
}

/* Another lane's socket is bound already: it is asked what we have against it. */
static int
call_may_bind(struct call *call)
{
	struct tcp_bound_as as = {0};
	struct shm_bound from;

	if (call->request->bytes != sizeof(from))
		return -EINVAL;
	memcpy(&from, call->payload, sizeof(from));
	memcpy(as.local.ip.w, from.local.ip, sizeof(as.local.ip.w));
	as.local.port = from.local.port;
	as.chosen = from.chosen != 0;
	as.kind = (uint8_t)from.kind;
	return tcp_may_bind(call->gateway->engine, &as, gateway_program_uid(call->program));
}

/* What was delivered and not read is gone with the connection. */
static int
disconnect(struct call *call)
{
	struct gateway_socket *socket = call->ref->socket;

	gateway_recall(call->gateway, call->ref);
	tcp_disconnect(socket->tcp);
	socket->listening = false;
	return 0;
}

static bool
belongs_elsewhere(struct call *call, const struct tcp_endpoint *remote)
{
	struct tcp_conn *c = call->ref->socket->tcp;
	struct shm_elsewhere out;
	struct tcp_bound_as as;
	struct tcp_tuple tuple;

	if (call->gateway->owner == NULL || call->ref->socket->refs->next != NULL ||
	    !tcp_connect_tuple(c, remote, &tuple) ||
	    !gateway_belongs_elsewhere(call->gateway, &tuple, &out.lane))
		return false;
	tcp_bound_as(c, &as);
	out.how = as.chosen ? SHM_BIND_CHOSEN : SHM_BIND_MOVED;
	memcpy(call->reply->data, &out, sizeof(out));
	call->reply_bytes = sizeof(out);
	return true;
}

static int
call_connect(struct call *call)
{
	struct tcp_endpoint remote;
	int status = endpoint_in(call, true, &remote);

	if (status == 0 && call->request->arg == 1)
		return disconnect(call);
	if (status < 0)
		return status;
	if (call->request->arg == 0 && belongs_elsewhere(call, &remote))
		return -EXDEV;
	status = tcp_connect(call->ref->socket->tcp, &remote);
	/* As Linux: with the connection whose end it tells, or told before, goes what came by it.
	 */
	if (tcp_is_unused(call->ref->socket->tcp))
		gateway_recall(call->gateway, call->ref);
	if (call->ref->socket->refs->next != NULL) /* who shares it writes as it is now */
		gateway_notify(call->gateway, call->ref->socket);
	return status;
}

static int
call_listen(struct call *call)
{
	struct gateway_socket *socket = call->ref->socket;
	int status = tcp_listen(socket->tcp, (int)call->request->arg);

	if (status < 0)
		return status;
	socket->listening = true;
	socket->listener = call->request->arg2 & ~SHM_LISTEN_EVERYWHERE;
	tcp_found_everywhere(socket->tcp,
			     socket->part || (call->request->arg2 & SHM_LISTEN_EVERYWHERE) != 0);
	return 0;
}

static int
call_accept(struct call *call)
{
	uint32_t slot = call->request->arg;
	struct gateway_socket *socket;
	struct tcp_endpoint peer;
	struct shm_endpoint out;
	struct tcp_conn *child;
	int status;

	if (!gateway_slot_is_free(call->program, slot))
		return -EBADFD;
	status = tcp_accept(call->ref->socket->tcp, &child);
	if (status < 0)
		return status;
	socket = gateway_socket_take(call->gateway, child);
	if (socket == NULL) {
		tcp_abort(child);
		return -ENFILE;
	}
	tcp_accepted_from(child, &peer);
	endpoint_out(&peer, tcp_family(child), &out);
	memcpy(call->reply->data, &out, sizeof(out));
	call->reply_bytes = sizeof(out);
	gateway_refer(call->gateway, call->program, slot, socket);
	GATEWAY_COUNT(call->gateway, accepted);
	return 0;
}

/*
 * With an address it may connect. Who shares a socket that is deferred no more, hears of it: its
 * other writes wait for the handshake from now on.
 */
static int
send_now(struct call *call, const uint8_t *payload, uint32_t bytes,
	 const struct tcp_endpoint *remote)
{
	struct gateway_socket *socket = call->ref->socket;
	int flags = (int)call->request->arg;
	bool was_deferred = tcp_is_deferred(socket->tcp);
	ssize_t n = tcp_sendto(socket->tcp, payload, bytes, flags, remote);

	if (n > 0)
		GATEWAY_COUNT_N(call->gateway, bytes_out, n);
	if (n > 0 && (flags & MSG_ZEROCOPY) != 0 && n == bytes)
		tcp_sent_zerocopy(socket->tcp);
	if (was_deferred)
		gateway_notify(call->gateway, socket);
	return (int)n;
}

static int
call_send_now(struct call *call)
{
	return send_now(call, call->payload, call->request->bytes, NULL);
}

static int
call_send_to(struct call *call)
{
	struct tcp_endpoint remote;
	int status = endpoint_in(call, false, &remote);

	if (status < 0)
		return status;
	return send_now(call, call->payload + sizeof(struct shm_endpoint),
			call->request->bytes - (uint32_t)sizeof(struct shm_endpoint), &remote);
}

/* The error queue. */
static int
receive_report(struct call *call)
{
	struct sock_extended_err report;
	int status = tcp_recv_report(call->ref->socket->tcp, &report);

	if (status < 0)
		return status;
	memcpy(call->reply->data, &report, sizeof(report));
	call->reply_bytes = sizeof(report);
	return 0;
}

/* Bytes that are delivered come first: the program has not seen them yet, and shall look again. */
static int
call_recv(struct call *call)
{
	struct gateway_ref *ref = call->ref;
	int flags = (int)call->request->arg;
	ssize_t n;

	if (flags & MSG_ERRQUEUE)
		return receive_report(call);
	if (ref->delivered > ref->consumed && (flags & MSG_OOB) == 0)
		return -EAGAIN;
	n = tcp_recv(ref->socket->tcp, call->reply->data,
		     RTE_MIN(call->request->arg2, (uint64_t)SHM_REPLY_DATA), flags);
	if (n < 0)
		return (int)n;
	call->reply_bytes = (uint32_t)n;
	if ((flags & (MSG_PEEK | MSG_OOB)) == 0) {
		ref->consumed += (uint64_t)n;
		ref->delivered += (uint64_t)n;
	}
	GATEWAY_COUNT_N(call->gateway, bytes_in, n);
	return (int)n;
}

static int
call_shutdown(struct call *call)
{
	int status = tcp_shutdown(call->ref->socket->tcp, (int)call->request->arg);

	if (tcp_state(call->ref->socket->tcp) != TCP_LISTEN)
		call->ref->socket->listening = false;
	return status;
}

static int
call_setsockopt(struct call *call)
{
	struct gateway_socket *socket = call->ref->socket;
	bool was_in_repair = tcp_in_repair(socket->tcp);
	uint8_t value[OPTION_BYTES];
	int status;

	if (call->request->bytes > sizeof(value))
		return -EINVAL;
	memcpy(value, call->payload, call->request->bytes);
	/* Whoever shares it may have other rights. */
	tcp_set_privileged(socket->tcp, gateway_program_may_repair(call->program));
	status = tcp_setsockopt(socket->tcp, (int)call->request->arg, (int)call->request->arg2,
				value, call->request->bytes);
	if (tcp_in_repair(socket->tcp) != was_in_repair)
		gateway_repair_turned(call->gateway, socket);
	return status;
}

static int
call_getsockopt(struct call *call)
{
	uint32_t most;
	size_t n;
	int status;

	if (call->request->bytes != sizeof(most))
		return -EINVAL;
	memcpy(&most, call->payload, sizeof(most));
	n = RTE_MIN(most, (uint32_t)SHM_REPLY_DATA);
	status = tcp_getsockopt(call->ref->socket->tcp, (int)call->request->arg,
				(int)call->request->arg2, call->reply->data, &n);
	if (status == 0)
		call->reply_bytes = (uint32_t)n;
	return status;
}

static int
call_ioctl(struct call *call)
{
	int value, status;

	status = tcp_ioctl(call->ref->socket->tcp, (unsigned long)call->request->arg2, &value);
	if (status == 0) {
		memcpy(call->reply->data, &value, sizeof(value));
		call->reply_bytes = sizeof(value);
	}
	return status;
}

static int
answer_name(struct call *call, int status, const struct tcp_endpoint *endpoint)
{
	struct shm_endpoint out;

	if (status < 0)
		return status;
	endpoint_out(endpoint, tcp_family(call->ref->socket->tcp), &out);
	memcpy(call->reply->data, &out, sizeof(out));
	call->reply_bytes = sizeof(out);
	return 0;
}

static int
call_sockname(struct call *call)
{
	struct tcp_endpoint local;

	return answer_name(call, tcp_getsockname(call->ref->socket->tcp, &local), &local);
}

static int
call_peername(struct call *call)
{
	struct tcp_endpoint remote;

	return answer_name(call, tcp_getpeername(call->ref->socket->tcp, &remote), &remote);
}

/* ---- All of them */

static int (*const calls[SHM_OPS])(struct call *call) = {
	[SHM_OPEN] = call_open,
	[SHM_BIND] = call_bind,
	[SHM_CONNECT] = call_connect,
	[SHM_LISTEN] = call_listen,
	[SHM_ACCEPT] = call_accept,
	[SHM_SEND_NOW] = call_send_now,
	[SHM_SEND_TO] = call_send_to,
	[SHM_RECV] = call_recv,
	[SHM_PEEK] = gateway_call_peek,
	[SHM_SHUTDOWN] = call_shutdown,
	[SHM_SETSOCKOPT] = call_setsockopt,
	[SHM_GETSOCKOPT] = call_getsockopt,
	[SHM_IOCTL] = call_ioctl,
	[SHM_SOCKNAME] = call_sockname,
	[SHM_PEERNAME] = call_peername,
	[SHM_CHECKPOINT] = gateway_call_checkpoint,
	[SHM_RESTORE] = gateway_call_restore,
	[SHM_MAY_BIND] = call_may_bind,
};

/* The socket that a request names; NULL if it names none, and then the program is bad. */
static struct gateway_ref *
named(struct call *call)
{
	uint32_t slot = call->request->socket;

	if (slot < call->program->header.sockets && call->program->refs[slot].socket != NULL)
		return &call->program->refs[slot];
	gateway_fault(call->gateway, call->program, "its request names no socket of its own");
	return NULL;
}

/* Answers: the reply's ticket last. */
static void
answer(struct call *call, int result)
{
	struct shm_reply *reply = call->reply;

	reply->result = result;
	reply->bytes = call->reply_bytes;
	__atomic_store_n(&reply->ticket, call->request->ticket, __ATOMIC_RELEASE);
	call->program->news = true;
}

/* ---- Requests without an answer */

static bool
wants_no_answer(uint16_t op)
{
	return op == SHM_SEND || op == SHM_SEND_PLACED || op == SHM_CONSUMED || op == SHM_CLOSE;
}

/* What is to be sent: of the message itself, or of the payload that it names. False: there is none.
 */
static bool
find_bytes(struct call *call, uint32_t *bytes)
{
	*bytes = call->request->bytes;
	if (call->request->op == SHM_SEND)
		return true;
	call->payload = gateway_payload(call->gateway, call->program, call->request->arg2, bytes);
	call->program->news = true; /* somebody may wait for the payload */
	return call->payload != NULL;
}

/* Returns as gateway_call() does. */
static bool
do_silently(struct call *call, uint32_t *send_done)
{
	uint32_t bytes;

	call->ref = named(call);
	if (call->ref == NULL)
		return true;
	if (call->request->op == SHM_CLOSE) {
		if (call->ref->socket->listening || gateway_take_consumed(call->gateway, call->ref))
			gateway_drop(call->gateway, call->ref);
		return true;
	}
	if (!gateway_take_consumed(call->gateway, call->ref) || call->request->op == SHM_CONSUMED ||
	    !find_bytes(call, &bytes))
		return true;
	*send_done += gateway_send(call->gateway, call->ref, call->payload + *send_done,
				   bytes - *send_done, (int)call->request->arg);
	return *send_done == bytes;
}

/* ---- All requests */

/* The others bring a slot for one. */
static bool
names_a_socket(uint16_t op)
{
	return op != SHM_OPEN && op != SHM_RESTORE && op != SHM_MAY_BIND;
}

/* Whether it may make another connection of it than the one whose image is being made. */
static bool
changes(uint16_t op)
{
	switch (op) {
	case SHM_RECV: /* which takes nothing in repair */
	case SHM_PEEK:
	case SHM_GETSOCKOPT:
	case SHM_IOCTL:
	case SHM_SOCKNAME:
	case SHM_PEERNAME:
	case SHM_CHECKPOINT:
		return false;
	default:
		return true;
	}
}

bool
gateway_call(struct gateway *gateway, struct gateway_program *program,
	     const struct shm_request *request, const uint8_t *payload, uint32_t *send_done)
{
	struct call call = {
		.gateway = gateway,
		.program = program,
		.request = request,
		.payload = payload,
	};
	int result;

	if (wants_no_answer(request->op))
		return do_silently(&call, send_done);
	if (request->op >= SHM_OPS || calls[request->op] == NULL ||
	    request->reply >= program->header.replies) {
		gateway_fault(gateway, program, "its request is of no known kind");
		return true;
	}
	call.reply = &program->replies[request->reply];
	if (names_a_socket(request->op)) {
		call.ref = named(&call);
		if (call.ref == NULL ||
		    (!call.ref->socket->listening && !gateway_take_consumed(gateway, call.ref)))
			return true;
		if (call.ref->socket->held) /* of one that ends nobody waits for an answer */
			return program->ends;
		if (call.ref->socket->move != NULL && changes(request->op))
			gateway_move_cancel(gateway, call.ref->socket->move);
	}
	result = calls[request->op](&call);
	if (call.ref != NULL)
		gateway_refresh(gateway, call.ref);
	answer(&call, result);
	return true;
}
