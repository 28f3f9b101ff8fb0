/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A connection is dumped and restored by socket calls, in the order that works on Linux. They do
 * not know of an urgent byte, nor of a FIN that has arrived.
 */
#include <errno.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "move.h"

/* <netinet/tcp.h> has the names of the states that tcp.h has. */
enum {
	OPT_TCP_MAXSEG = 2,
	OPT_TCP_CORK = 3,
	OPT_TCP_INFO = 11,
	OPT_TCP_REPAIR = 19,
	OPT_TCP_REPAIR_QUEUE = 20,
	OPT_TCP_QUEUE_SEQ = 21,
	OPT_TCP_REPAIR_OPTIONS = 22,
	OPT_TCP_TIMESTAMP = 24,
	OPT_TCP_REPAIR_WINDOW = 29,

	QUEUE_RECV = 1,
	QUEUE_SEND = 2,
};

bool
sim_calls_can_move(const struct sim_user *u)
{
	switch (tcp_state(u->c)) {
	case TCP_SYN_SENT:
	case TCP_ESTABLISHED:
	case TCP_FIN_WAIT_1:
	case TCP_FIN_WAIT_2:
		return u->conn->script[0].urgent_at == 0 && u->conn->script[1].urgent_at == 0;
	default:
		return false;
	}
}

static void
set(struct sim *s, struct sim_user *u, int level, int name, int value)
{
	int status = tcp_setsockopt(u->c, level, name, &value, sizeof(value));

	if (status != 0)
		sim_fail(s, "side %u cannot set option %d of level %d to %d: %d", u->side, name,
			 level, value, status);
}

static int
get(struct sim *s, struct sim_user *u, int level, int name)
{
	size_t len = sizeof(int);
	int value = 0, status = tcp_getsockopt(u->c, level, name, &value, &len);

	if (status != 0)
		sim_fail(s, "side %u cannot get option %d of level %d: %d", u->side, name, level,
			 status);
	return value;
}

static int
queued(struct sim *s, struct sim_user *u, unsigned long request)
{
	int value = -1;

	if (tcp_ioctl(u->c, request, &value) != 0)
		sim_fail(s, "side %u cannot ask for %lx", u->side, request);
	return value;
}

static bool
has_closed(enum tcp_state state)
{
	return state == TCP_FIN_WAIT_1 || state == TCP_FIN_WAIT_2;
}

/* ---- Out */

static uint8_t *
peek(struct sim *s, struct sim_user *u, int queue, int bytes)
{
	uint8_t *all = malloc((size_t)bytes + 1);
	ssize_t n;

	if (all == NULL)
		abort();
	set(s, u, IPPROTO_TCP, OPT_TCP_REPAIR_QUEUE, queue);
	n = bytes > 0 ? tcp_recv(u->c, all, (size_t)bytes + 1, MSG_PEEK) : 0;
	if (n != bytes)
		sim_fail(s, "side %u peeks at %zd of %d bytes in queue %d", u->side, n, bytes,
			 queue);
	return all;
}

void
sim_calls_dump(struct sim *s, struct sim_user *u, struct sim_away *a)
{
	struct sim_dump *d = &a->dump;
	struct tcp_details info = {0};
	size_t len = sizeof(info);

	d->state = tcp_state(u->c);
	d->family = tcp_family(u->c);
	tcp_getsockname(u->c, &d->local);
	tcp_getpeername(u->c, &d->remote);
	d->remote = (struct tcp_endpoint){.ip = s->pair.side[!u->side].ip, .port = d->remote.port};
	if (d->state == TCP_SYN_SENT)
		d->remote.port = OBSERVER_PORT;
	if (tcp_getsockopt(u->c, IPPROTO_TCP, OPT_TCP_INFO, &info, &len) != 0)
		sim_fail(s, "side %u cannot get TCP_INFO", u->side);
	d->options = info.options;
	d->wscales = info.wscales;
	d->inq = queued(s, u, SIOCINQ);
	d->outq = queued(s, u, SIOCOUTQ);
	d->unsent = queued(s, u, SIOCOUTQNSD);
	d->mss = get(s, u, IPPROTO_TCP, OPT_TCP_MAXSEG);
	d->ts = (uint32_t)get(s, u, IPPROTO_TCP, OPT_TCP_TIMESTAMP);
	d->sndbuf = get(s, u, SOL_SOCKET, SO_SNDBUF) / 2;
	d->rcvbuf = get(s, u, SOL_SOCKET, SO_RCVBUF) / 2;
	d->corked = get(s, u, IPPROTO_TCP, OPT_TCP_CORK) != 0;
	len = sizeof(d->window);
	if (tcp_getsockopt(u->c, IPPROTO_TCP, OPT_TCP_REPAIR_WINDOW, &d->window, &len) != 0)
		sim_fail(s, "side %u cannot get its window", u->side);
	set(s, u, IPPROTO_TCP, OPT_TCP_REPAIR_QUEUE, QUEUE_RECV);
	d->inq_seq = (uint32_t)get(s, u, IPPROTO_TCP, OPT_TCP_QUEUE_SEQ);
	set(s, u, IPPROTO_TCP, OPT_TCP_REPAIR_QUEUE, QUEUE_SEND);
	d->outq_seq = (uint32_t)get(s, u, IPPROTO_TCP, OPT_TCP_QUEUE_SEQ);
	/* Sequence numbers count SYN and FIN, lengths do not. */
	if (d->state == TCP_SYN_SENT) {
		d->outq_seq--;
		d->outq = d->unsent = 0;
	} else if (has_closed(d->state)) {
		d->outq_seq--;
		d->outq -= d->outq > 0;
		d->unsent -= d->unsent > 0;
	}
	a->recvq = peek(s, u, QUEUE_RECV, d->inq);
	a->sendq = peek(s, u, QUEUE_SEND, d->outq);
	tcp_close(u->c);
}

/* ---- In */

static bool
put_all(struct sim_user *u, const uint8_t *bytes, int n)
{
	for (int done = 0; done < n;) {
		ssize_t put = tcp_send(u->c, bytes + done, (size_t)(n - done), 0);

		if (put <= 0)
			return false;
		done += (int)put;
	}
	return true;
}

static void
put_options(struct sim *s, struct sim_user *u, const struct sim_dump *d)
{
	struct {
		uint32_t code, value;
	} pairs[4] = {{2, (uint32_t)d->mss}};
	unsigned int n = 1;
	int status;

	if (d->options & TCP_DETAILS_WSCALE) {
		pairs[n].code = 3;
		pairs[n++].value = (d->wscales & 15u) | (uint32_t)(d->wscales >> 4) << 16;
	}
	if (d->options & TCP_DETAILS_SACK)
		pairs[n++].code = 4;
	if (d->options & TCP_DETAILS_TIMESTAMPS)
		pairs[n++].code = 8;
	status = tcp_setsockopt(u->c, IPPROTO_TCP, OPT_TCP_REPAIR_OPTIONS, pairs,
				n * sizeof(pairs[0]));
	if (status != 0)
		sim_fail(s, "side %u cannot set its options: %d", u->side, status);
	set(s, u, IPPROTO_TCP, OPT_TCP_TIMESTAMP, (int)d->ts);
}

/* In repair, bound, with the numbers from which it goes on. */
static void
begin(struct sim *s, struct sim_user *u, const struct sim_dump *d)
{
	int status = tcp_open(s->pair.side[u->side].engine, d->family, &u->c);

	if (status != 0) {
		sim_fail(s, "side %u cannot open a socket: %d", u->side, status);
		return;
	}
	tcp_set_privileged(u->c, true);
	set(s, u, IPPROTO_TCP, OPT_TCP_REPAIR, 1);
	sim_user_set_options(s, u);
	/* More may be queued than they hold now. A SYN that leaves again must offer the same. */
	if (d->state != TCP_SYN_SENT) {
		set(s, u, SOL_SOCKET, SO_SNDBUF, RTE_MAX(d->sndbuf, 4 * d->outq));
		set(s, u, SOL_SOCKET, SO_RCVBUF, RTE_MAX(d->rcvbuf, 4 * d->inq));
	}
	set(s, u, IPPROTO_TCP, OPT_TCP_CORK, d->corked);
	status = tcp_bind(u->c, &d->local);
	if (status != 0)
		sim_fail(s, "side %u cannot bind in repair: %d", u->side, status);
	set(s, u, IPPROTO_TCP, OPT_TCP_REPAIR_QUEUE, QUEUE_RECV);
	set(s, u, IPPROTO_TCP, OPT_TCP_QUEUE_SEQ, (int)d->inq_seq - d->inq);
	set(s, u, IPPROTO_TCP, OPT_TCP_REPAIR_QUEUE, QUEUE_SEND);
	set(s, u, IPPROTO_TCP, OPT_TCP_QUEUE_SEQ, (int)d->outq_seq - d->outq);
}

/* Its SYN leaves once more. */
static void
connect_again(struct sim *s, struct sim_user *u, const struct sim_dump *d)
{
	int status;

	set(s, u, IPPROTO_TCP, OPT_TCP_REPAIR, 0);
	status = tcp_connect(u->c, &d->remote);
	if (status != -EINPROGRESS)
		sim_fail(s, "side %u cannot connect anew: %d", u->side, status);
	set(s, u, IPPROTO_TCP, OPT_TCP_REPAIR, 1);
	set(s, u, IPPROTO_TCP, OPT_TCP_TIMESTAMP, (int)d->ts);
	set(s, u, IPPROTO_TCP, OPT_TCP_REPAIR, -1);
}

static bool
fill(struct sim *s, struct sim_user *u, const struct sim_away *a)
{
	const struct sim_dump *d = &a->dump;
	int sent = d->outq - d->unsent;
	bool whole;

	set(s, u, IPPROTO_TCP, OPT_TCP_REPAIR_QUEUE, QUEUE_RECV);
	whole = put_all(u, a->recvq, d->inq);
	set(s, u, IPPROTO_TCP, OPT_TCP_REPAIR_QUEUE, QUEUE_SEND);
	whole = whole && put_all(u, a->sendq, sent);
	if (!whole || d->unsent == 0)
		return whole;
	set(s, u, IPPROTO_TCP, OPT_TCP_REPAIR, -1);
	whole = put_all(u, a->sendq + sent, d->unsent);
	set(s, u, IPPROTO_TCP, OPT_TCP_REPAIR, 1);
	return whole;
}

void
sim_calls_restore(struct sim *s, struct sim_user *u, const struct sim_away *a)
{
	const struct sim_dump *d = &a->dump;
	int status;

	begin(s, u, d);
	if (s->failed)
		return;
	if (d->state == TCP_SYN_SENT) {
		connect_again(s, u, d);
		return;
	}
	status = tcp_connect(u->c, &d->remote);
	if (status != 0)
		sim_fail(s, "side %u cannot connect in repair: %d", u->side, status);
	put_options(s, u, d);
	if (!fill(s, u, a))
		sim_fail(s,
			 "side %u cannot fill its queues with %d bytes received and %d sent, %d "
			 "not yet; SO_RCVBUF is %d, SO_SNDBUF %d",
			 u->side, d->inq, d->outq, d->unsent, 2 * d->rcvbuf, 2 * d->sndbuf);
	set(s, u, SOL_SOCKET, SO_SNDBUF, d->sndbuf);
	set(s, u, SOL_SOCKET, SO_RCVBUF, d->rcvbuf);
	if (has_closed(d->state)) {
		set(s, u, IPPROTO_TCP, OPT_TCP_REPAIR_QUEUE,
		    d->state == TCP_FIN_WAIT_2 ? QUEUE_SEND : 0);
		if (tcp_shutdown(u->c, SHUT_WR) != 0)
			sim_fail(s, "side %u cannot shut down in repair", u->side);
	}
	status = tcp_setsockopt(u->c, IPPROTO_TCP, OPT_TCP_REPAIR_WINDOW, &d->window,
				sizeof(d->window));
	if (status != 0)
		sim_fail(s, "side %u cannot set its window: %d", u->side, status);
	set(s, u, IPPROTO_TCP, OPT_TCP_REPAIR, 0);
	u->connected = true;
}
