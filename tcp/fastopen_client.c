/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Fast Open, the client's side, as on Linux: RFC 7413 §4.2.1 and §5.
 *
 * The SYN that opens a connection carries, by what is known of the server:
 *
 *     its cookie, and the first write's bytes        there is one
 *     the bytes alone                                TCP_FASTOPEN_NO_COOKIE, or configured so
 *     a request for a cookie, and no bytes           there is none
 *     neither                                        the guard against black holes is up
 *
 * With TCP_FASTOPEN_CONNECT connect() only prepares the connection if bytes may go with the SYN:
 * it is deferred until the first write. With MSG_FASTOPEN a write connects. In both cases the write
 * takes what the SYN carries and no more; only that SYN has the option and the bytes, those that
 * follow it after a time-out have neither (§4.1.3.1: what swallowed the first might swallow them).
 *
 * The SYN-ACK tells the rest: what it does not acknowledge is sent again at once, as data like any
 * other, and what it says of cookie and MSS is kept.
 */
#include <errno.h>
#include <sys/socket.h>

#include <rte_common.h>

#include "engine.h"

bool
tcp_is_deferred(const struct tcp_conn *c)
{
	return c->fastopen.deferred;
}

void
tcp_expect_write(struct tcp_conn *c)
{
	c->write_expected = c->state == TCP_SYN_SENT;
}

void
tcp_fastopen_reset(struct tcp_conn *c)
{
	c->fastopen = (struct tcp_fastopen_client){
		.connect = c->fastopen.connect,
		.no_cookie = c->fastopen.no_cookie,
		.retransmits_before = c->retransmits,
	};
}

/* ---- What the SYN is to carry */

struct plan {
	bool option, data;
	struct tcp_fastopen_cookie cookie; /* while option */
	uint16_t mss;                      /* of the server's last SYN-ACK; 0: not known */
};

static struct plan
make_plan(struct tcp_conn *c)
{
	const struct tcp_engine *e = c->engine;
	const struct tcp_fastopen_entry *known =
		fastopen_cache_find(e, &c->tuple.local, &c->tuple.remote);
	struct plan plan = {.mss = known != NULL ? known->mss : 0};

	if (fastopen_guard_forbids(e, &c->fastopen.probing))
		return plan;
	if (c->fastopen.no_cookie || (e->config.fastopen & TCP_FASTOPEN_CLIENT_BARE)) {
		plan.data = true;
		return plan;
	}
	plan.option = true;
	if (known != NULL && known->cookie.len > 0) {
		plan.data = true;
		plan.cookie = known->cookie;
		return plan;
	}
	/* Of the two kinds the one that was not tried yet; if both were, the standard's. */
	plan.cookie.experimental = known != NULL && known->kinds_tried == 1;
	c->fastopen.fail = FASTOPEN_FAIL_NO_COOKIE;
	return plan;
}

/* As Linux: room is left for all the options there may be, ours or a middle box's. */
static uint32_t
syn_room(const struct tcp_conn *c, uint16_t known_mss)
{
	uint16_t mss = tcp_announced_mss(c->mtu, ip_is4(&c->tuple.remote), c->user_mss);

	if (known_mss != 0 && known_mss < mss)
		mss = known_mss;
	return (uint32_t)RTE_MAX(mss, (uint16_t)TCP_MSS_MIN) - TCP_MAX_OPTION_BYTES;
}

/* ---- Sending it */

/* Copies bytes to the end of an empty send queue; fewer while mbufs are short. */
static uint32_t
queue_copy(struct tcp_conn *c, const uint8_t *from, uint32_t bytes)
{
	struct rte_mempool *pool = c->engine->config.data_pool;
	uint32_t done = 0, n;

	while (done < bytes) {
		struct rte_mbuf *m = rte_pktmbuf_alloc(pool);

		if (m == NULL)
			break;
		m->packet_type = 0;
		n = RTE_MIN((uint32_t)rte_pktmbuf_tailroom(m), bytes - done);
		memcpy(rte_pktmbuf_mtod(m, void *), from + done, n);
		m->data_len = (uint16_t)n;
		mbufq_append(&c->sendq, m);
		c->engine->queued_bufs++;
		done += n;
	}
	return done;
}

/* Sends the SYN with the first `len` bytes of the send queue. 0 or -ENOBUFS. */
static int
send_syn(struct tcp_conn *c, const struct plan *plan, uint32_t len)
{
	struct tcp_syn_load load = {
		.cookie = plan->option ? &plan->cookie : NULL,
		.m = c->sendq.head,
		.data_off = c->sendq.head != NULL ? c->sendq.head->data_off : 0,
		.len = len,
	};
	int status = tcp_connect_send(c, &load);

	if (status < 0)
		return status;
	c->fastopen.deferred = false;
	c->fastopen.option_out = plan->option;
	c->fastopen.experimental = plan->cookie.experimental;
	c->fastopen.data_out = len > 0;
	if (len > 0)
		tcp_chrono_start(c, CHRONO_BUSY);
	return 0;
}

/* The SYN with what it takes of a write: how much that was, or a negative errno. */
static ssize_t
write_syn(struct tcp_conn *c, const void *buf, size_t bytes, int flags)
{
	struct plan plan = make_plan(c);
	uint32_t n = 0;
	int status;

	if (plan.data)
		n = queue_copy(c, buf, (uint32_t)RTE_MIN(bytes, (size_t)syn_room(c, plan.mss)));
	if (plan.data && n == 0 && bytes > 0)
		plan.cookie.len = 0; /* for want of an mbuf: it may as well be renewed */
	status = send_syn(c, &plan, n);
	if (status < 0) {
		c->engine->queued_bufs -= c->sendq.bufs;
		mbufq_clear(&c->sendq);
		return status;
	}
	if (n == bytes && n > 0 && (flags & MSG_EOR)) {
		c->sendq.tail->packet_type |= MBUF_EOR;
		c->eor_used = true;
	}
	return n > 0 ? (ssize_t)n : -EINPROGRESS;
}

/* Whether a deferred connection may send its SYN now. */
static int
may_write(struct tcp_conn *c)
{
	if ((c->engine->config.fastopen & TCP_FASTOPEN_CLIENT) == 0)
		return -EOPNOTSUPP;
	if (tcp_conn_has_path(c))
		return 0;
	tcp_conn_end(c, 0);
	tcp_forget_connection(c);
	return -ECONNABORTED;
}

ssize_t
tcp_fastopen_first_write(struct tcp_conn *c, const void *buf, size_t bytes, int flags)
{
	int status = may_write(c);

	return status < 0 ? status : write_syn(c, buf, bytes, flags);
}

/* All of a chain is taken, as always: what the SYN does not carry follows it. Without a cookie none
 * is, and the handshake runs. */
ssize_t
tcp_fastopen_first_mbufs(struct tcp_conn *c, struct rte_mbuf *chain)
{
	int status = may_write(c);
	struct plan plan;
	uint32_t n, bytes;

	if (status < 0)
		return status;
	plan = make_plan(c);
	if (!plan.data) {
		status = send_syn(c, &plan, 0);
		return status < 0 ? status : -EAGAIN;
	}
	for (struct rte_mbuf *m = chain; m != NULL; m = m->next)
		m->packet_type = 0;
	mbufq_append(&c->sendq, chain);
	c->engine->queued_bufs += c->sendq.bufs;
	n = RTE_MIN(c->sendq.bytes, syn_room(c, plan.mss));
	bytes = c->sendq.bytes;
	status = send_syn(c, &plan, n);
	if (status < 0) {
		tcp_conn_end(c, -status); /* the chain is no longer as it was given */
		return (ssize_t)bytes;
	}
	c->unsent_bytes = bytes - n;
	if (c->unsent_bytes > 0) {
		c->unsent_m = c->sendq.head;
		c->unsent_off = c->sendq.head->data_off;
		tcp_position_advance(&c->unsent_m, &c->unsent_off, n);
	}
	return (ssize_t)bytes;
}

int
tcp_fastopen_connect(struct tcp_conn *c)
{
	struct plan plan = make_plan(c);
	int status;

	if (plan.data) {
		c->fastopen.deferred = true;
		return 0;
	}
	status = send_syn(c, &plan, 0);
	if (status < 0)
		tcp_connect_undo(c);
	return status < 0 ? status : -EINPROGRESS;
}

ssize_t
tcp_sendto(struct tcp_conn *c, const void *buf, size_t bytes, int flags,
	   const struct tcp_endpoint *remote)
{
	ssize_t status;

	if ((flags & MSG_FASTOPEN) == 0 || c->fastopen.deferred || c->frozen)
		return tcp_send(c, buf, bytes, flags);
	if ((c->engine->config.fastopen & TCP_FASTOPEN_CLIENT) == 0)
		return -EOPNOTSUPP;
	status = tcp_connect_again(c);
	if (status < 0)
		return status;
	if (status == 0)
		return tcp_send(c, buf, bytes, flags);
	if (remote == NULL)
		return -EINVAL;
	tcp_smc_fall_back(c);
	status = tcp_connect_prepare(c, remote);
	if (status < 0)
		return status;
	status = write_syn(c, buf, bytes, flags);
	if (status < 0 && status != -EINPROGRESS)
		tcp_connect_undo(c);
	return status;
}
