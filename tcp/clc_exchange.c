/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The CLC exchange on a connection whose SYNs both had the SMC option, for users who leave it to
 * the engine (AF_SMC, services with smc = yes). See smc.h for what is said, clc.h for how.
 *
 *                    client                                server
 *     CLC_BEGIN      its first message is due               -
 *     CLC_WAIT       for an Accept                          for a Proposal, then a Confirm
 *     CLC_TRANSPORT  a transport has taken over             likewise
 *     CLC_OVER       the user sees the connection           it enters the accept queue
 *
 * Messages are looked at where they lie in the receive queue, and taken from it when they are whole
 * and answered: what follows stays for the user, to the byte. A Decline may come in place of any
 * message, and is never answered. It ends the exchange, and so does ours: then all goes on as TCP.
 * After anything else that is wrong there is no agreement on where the user's bytes begin, and so
 * no Decline and no fallback: a client's connect() fails, a server drops the connection.
 *
 *     not a message, or one that is not due; the stream ends inside one      EPROTO
 *     the stream ends before one                                             ECONNRESET
 *     none comes for 6 s, or for 1 s after a transport has failed            ETIMEDOUT
 *
 * The time is the connection's life_at_us, which means nothing else as long as it has a user. What
 * arrives, and the end of a connection, comes here by tcp_deliver_events(), so once in a burst. A
 * listener's children wait in a list of their own, and count as those in its accept queue do.
 *
 * When SYNs cross, both are clients: each says its message and takes the other's, unanswered.
 */
#include <assert.h>
#include <errno.h>

#include "clc.h"
#include "engine.h"

enum {
	WAIT_US = 6 * 1000 * 1000,       /* for a message; Linux's */
	WAIT_SHORT_US = 1 * 1000 * 1000, /* for a Decline after an error */
};

static_assert((int)CLC_MAX_BYTES == (int)TCP_SMC_MESSAGE_BYTES, "one size for both");

/* ---- The transport that there is: none */

static unsigned int
no_device_proposes(void *ctx, struct tcp_conn *c, uint8_t *message, uint32_t *diagnosis)
{
	(void)ctx;
	(void)c;
	(void)message;
	*diagnosis = CLC_NO_DEVICE;
	return 0;
}

static unsigned int
no_device_answers(void *ctx, struct tcp_conn *c, const uint8_t *received, uint8_t *message,
		  uint32_t *diagnosis)
{
	(void)received;
	return no_device_proposes(ctx, c, message, diagnosis);
}

static bool
no_device_starts(void *ctx, struct tcp_conn *c, const uint8_t *confirm)
{
	(void)ctx;
	(void)c;
	(void)confirm;
	return false;
}

const struct tcp_smc_ops tcp_smc_decline = {
	.propose = no_device_proposes,
	.accept = no_device_answers,
	.confirm = no_device_answers,
	.start = no_device_starts,
};

static const struct tcp_smc_ops *
ops_of(const struct tcp_conn *c)
{
	return c->engine->config.smc;
}

/* ---- Ends */

static void
unlink_child(struct tcp_conn *c)
{
	struct tcp_bound *l = c->parent;
	struct tcp_conn **at = &l->clc_head;

	while (*at != c)
		at = &(*at)->accept_next;
	*at = c->accept_next;
	l->in_clc--;
	c->flags &= ~CONN_ACCEPTING;
	c->parent = NULL;
	c->user = NULL;
}

static void
over(struct tcp_conn *c)
{
	c->clc_phase = CLC_OVER;
	c->life_at_us = UINT64_MAX;
	if (c->smc.called && ops_of(c)->over != NULL)
		ops_of(c)->over(ops_of(c)->ctx, c);
	c->smc.called = false;
}

/* The connection is TCP's from here on. */
static void
finish(struct tcp_conn *c)
{
	struct tcp_bound *l = c->parent;

	over(c);
	if ((c->flags & CONN_ACCEPTING) == 0)
		return;
	unlink_child(c);
	tcp_accept_queue_add(l, c);
}

static void
fail(struct tcp_conn *c, int error)
{
	if ((c->flags & CONN_ACCEPTING) == 0) {
		tcp_conn_reset(c, error);
		return;
	}
	over(c);
	unlink_child(c);
	tcp_close(c);
}

void
tcp_clc_ended(struct tcp_conn *c)
{
	over(c);
	if ((c->flags & CONN_ACCEPTING) == 0)
		return;
	unlink_child(c);
	c->flags |= CONN_ORPHAN;
	c->engine->orphans++;
}

void
tcp_clc_drop_all(struct tcp_bound *l)
{
	struct tcp_conn *c;

	while ((c = l->clc_head) != NULL) {
		over(c);
		unlink_child(c);
		tcp_abort(c);
	}
}

/* ---- Waiting */

static void
wait_for(struct tcp_conn *c, enum clc_type type, uint32_t us)
{
	c->clc_phase = CLC_WAIT;
	c->smc.expected = (uint8_t)type;
	c->life_at_us = c->engine->now_us + us;
	tcp_timers_arm(c);
}

/* No mbuf for a message: soon again. */
static void
starve(struct tcp_conn *c)
{
	c->life_at_us = c->engine->now_us + TCP_STARVED_USER_US;
	tcp_timers_arm(c);
}

/* ---- Sending */

/*
 * Sends a message at once, whatever the user wants held back; and no small segment of his waits for
 * its acknowledgment, as Nagle's algorithm would have it: it was none of his. Returns false if
 * there was no mbuf.
 */
static bool
send_message(struct tcp_conn *c, const uint8_t *bytes, unsigned int n)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(c->engine->config.data_pool);
	uint32_t cork = c->flags & CONN_CORK;
	uint8_t phase = c->clc_phase;
	char *room = m != NULL ? rte_pktmbuf_append(m, (uint16_t)n) : NULL;
	ssize_t sent;

	if (room == NULL) {
		rte_pktmbuf_free(m);
		return false;
	}
	memcpy(room, bytes, n);
	c->clc_phase = CLC_OVER; /* the user may not send yet, but this is not he */
	sent = tcp_send_mbufs(c, m, 0);
	c->clc_phase = phase;
	if (sent < 0) {
		rte_pktmbuf_free(m);
		return false;
	}
	c->flags &= ~CONN_CORK;
	tcp_output(c);
	c->flags |= cork;
	if (c->unsent_bytes == 0)
		c->snd_sml = c->snd_una;
	return true;
}

static bool
decline(struct tcp_conn *c, uint8_t version, uint32_t diagnosis)
{
	uint8_t bytes[CLC_DECLINE_V2_BYTES];

	if (!send_message(c, bytes, clc_decline_write(version, diagnosis, bytes)))
		return false;
	TCP_COUNT(c->engine, clc_declines_out);
	return true;
}

/* Sends what a transport has written, or a Decline if it has not. Returns how many bytes of a
 * message left, 0 for a Decline, -1 if there was no mbuf. */
static int
send_or_decline(struct tcp_conn *c, uint8_t version, const uint8_t *bytes, unsigned int n,
		uint32_t diagnosis)
{
	assert(n <= CLC_MAX_BYTES);
	if (n == 0)
		return decline(c, version, diagnosis) ? 0 : -1;
	c->smc.called = true;
	return send_message(c, bytes, n) ? (int)n : -1;
}

/* ---- The steps */

static void
begin(struct tcp_conn *c)
{
	uint32_t diagnosis = CLC_NO_DEVICE;
	uint8_t bytes[CLC_MAX_BYTES];
	int sent;

	if (c->smc.crossed)
		sent = decline(c, 1, diagnosis) ? 0 : -1;
	else
		sent = send_or_decline(c, 1, bytes,
				       ops_of(c)->propose(ops_of(c)->ctx, c, bytes, &diagnosis),
				       diagnosis);
	if (sent < 0)
		starve(c);
	else if (c->smc.crossed)
		wait_for(c, CLC_PROPOSAL, WAIT_US);
	else if (sent > 0)
		wait_for(c, CLC_ACCEPT, WAIT_US);
	else
		finish(c);
}

/* Confirmed on both sides. */
static void
start(struct tcp_conn *c, const uint8_t *confirm)
{
	c->clc_phase = CLC_TRANSPORT;
	c->life_at_us = UINT64_MAX;
	if (!ops_of(c)->start(ops_of(c)->ctx, c, confirm))
		tcp_smc_failed(c);
}

void
tcp_smc_failed(struct tcp_conn *c)
{
	if (c->clc_phase != CLC_TRANSPORT)
		return;
	wait_for(c, CLC_DECLINE, WAIT_SHORT_US);
	tcp_mark_event(c); /* it may have come already */
}

/* The message that was due, other than a Decline. */
static void
message_arrives(struct tcp_conn *c, const struct clc_header *h, const uint8_t *message)
{
	const struct tcp_smc_ops *ops = ops_of(c);
	uint32_t diagnosis = CLC_NO_DEVICE;
	uint8_t reply[CLC_MAX_BYTES];
	unsigned int n = 0;
	int sent;

	if (h->type == CLC_CONFIRM) {
		tcp_consume(c, h->length);
		start(c, message);
		return;
	}
	if (c->smc.crossed) {
		/* Ours is its answer. */
		tcp_consume(c, h->length);
		finish(c);
		return;
	}
	if (h->type == CLC_PROPOSAL)
		n = ops->accept(ops->ctx, c, message, reply, &diagnosis);
	else
		n = ops->confirm(ops->ctx, c, message, reply, &diagnosis);
	sent = send_or_decline(c, h->version, reply, n, diagnosis);
	if (sent < 0) {
		starve(c);
		return;
	}
	tcp_consume(c, h->length);
	if (sent == 0)
		finish(c);
	else if (h->type == CLC_PROPOSAL)
		wait_for(c, CLC_CONFIRM, WAIT_US);
	else
		start(c, NULL);
}

static void
malformed(struct tcp_conn *c)
{
	TCP_COUNT(c->engine, clc_malformed);
	fail(c, EPROTO);
}

/* Whether a message, of which `have` bytes are there, can still become whole. */
static bool
may_come(struct tcp_conn *c, uint32_t have)
{
	if ((c->flags & CONN_PEER_FIN) == 0)
		return true;
	if (have == 0) {
		TCP_COUNT(c->engine, clc_closed);
		fail(c, ECONNRESET);
	} else {
		malformed(c);
	}
	return false;
}

/* Takes a message, if a whole one is there. Returns false if one is still to come. */
static bool
take_message(struct tcp_conn *c)
{
	uint8_t bytes[CLC_MAX_BYTES];
	uint32_t have = c->recvq.bytes;
	struct clc_header h;

	if (have < CLC_HEADER_BYTES)
		return !may_come(c, have);
	mbufq_copy_out(&c->recvq, 0, bytes, CLC_HEADER_BYTES);
	if (!clc_header_read(bytes, &h) ||
	    (h.type != CLC_DECLINE && (uint8_t)h.type != c->smc.expected)) {
		malformed(c);
		return true;
	}
	if (have < h.length)
		return !may_come(c, have);
	mbufq_copy_out(&c->recvq, 0, bytes, h.length);
	if (!clc_message_is_good(bytes, &h)) {
		malformed(c);
	} else if (h.type == CLC_DECLINE) {
		TCP_COUNT(c->engine, clc_declines_in);
		tcp_consume(c, h.length);
		finish(c);
	} else {
		message_arrives(c, &h, bytes);
	}
	return true;
}

void
tcp_clc_begin(struct tcp_conn *c)
{
	if (!c->smc.speaks_clc || !c->smc.syn)
		return;
	c->smc.crossed = c->state == TCP_SYN_RECEIVED;
	c->clc_phase = CLC_BEGIN;
}

bool
tcp_clc_begin_child(struct tcp_bound *l, struct tcp_conn *c)
{
	struct tcp_conn **at = &l->clc_head;

	if (!l->c->smc.speaks_clc || !c->smc.syn)
		return false;
	while (*at != NULL)
		at = &(*at)->accept_next;
	*at = c;
	l->in_clc++;
	c->accept_next = NULL;
	c->parent = l;
	c->flags |= CONN_ACCEPTING;
	c->smc.speaks_clc = true;
	wait_for(c, CLC_PROPOSAL, WAIT_US);
	return true;
}

bool
tcp_clc_step(struct tcp_conn *c)
{
	bool child = (c->flags & CONN_ACCEPTING) != 0;

	if (c->clc_phase == CLC_BEGIN)
		begin(c);
	else if (c->clc_phase == CLC_WAIT)
		take_message(c);
	/* An error has been marked as news of its own. */
	return !child && c->clc_phase == CLC_OVER && c->state != TCP_CLOSED;
}

void
tcp_clc_timeout(struct tcp_conn *c)
{
	c->life_at_us = UINT64_MAX;
	if (c->clc_phase == CLC_BEGIN) {
		begin(c);
	} else if (c->clc_phase == CLC_WAIT && !take_message(c)) {
		TCP_COUNT(c->engine, clc_timeouts);
		fail(c, ETIMEDOUT);
	}
	if (c->flags & CONN_DEAD)
		return;
	if (c->clc_phase == CLC_OVER)
		tcp_mark_event(c);
	if (c->state != TCP_CLOSED)
		tcp_timers_arm(c);
}
