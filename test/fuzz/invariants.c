/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An engine's own consistency: every count against what it counts, every list against its order,
 * every timer against what waits for it, every queued byte against what it must be.
 */
#include "invariants.h"

#include "fuzz.h"

/* What is counted over all connections. */
struct totals {
	uint32_t conns, listeners, orphans, in_flows, held, queued, sent, ranges, bounds, shares,
		dirty, events, accepting, opening, opening_listed, guards;
};

bool fuzz_payload_known;

uint8_t
fuzz_byte(bool ours, uint32_t seq)
{
	uint32_t x = seq * 0x9e3779b1u + ours;

	return (uint8_t)(x >> 24 ^ x >> 11);
}

seq_t
fuzz_read_seq(const struct tcp_conn *c)
{
	/* Its end forgets most flags, and bytes may be left to read. */
	bool fin_known = (c->flags & CONN_FIN_KNOWN) != 0 || c->state == TCP_CLOSED;
	bool fin_taken = fin_known && c->rcv_nxt == c->fin_seq + 1;

	return c->rcv_nxt - c->recvq.bytes - fin_taken;
}

/* A queue's counts, and its bytes, the first of which has this sequence number. */
static void
check_queue(const struct mbufq *q, bool ours, seq_t seq)
{
	uint32_t bytes = 0, charge = 0, bufs = 0;
	const struct rte_mbuf *last = NULL;

	for (const struct rte_mbuf *m = q->head; m != NULL; m = m->next) {
		const uint8_t *b = rte_pktmbuf_mtod(m, const uint8_t *);

		FUZZ_CHECK(m->data_len > 0, "an empty mbuf in a queue");
		FUZZ_CHECK(rte_mbuf_refcnt_read(m) > 0, "a freed mbuf in a queue");
		for (uint32_t i = 0; fuzz_payload_known && i < m->data_len; i++)
			FUZZ_CHECK(b[i] == fuzz_byte(ours, seq + bytes + i),
				   "byte %u of a queue, at %u, is %02x", bytes + i, seq + bytes + i,
				   b[i]);
		bytes += m->data_len;
		charge += mbuf_charge(m);
		bufs++;
		last = m;
	}
	FUZZ_CHECK(q->bytes == bytes && q->bufs == bufs && q->tail == last && q->charge == charge,
		   "a queue of %u bytes, %u mbufs, charge %u says %u, %u, %u", bytes, bufs, charge,
		   q->bytes, q->bufs, q->charge);
}

/* A position in a queue, moved on to the next mbuf from the end of one. */
static void
check_position(const struct tcp_conn *c, const struct rte_mbuf *m, uint32_t off, uint32_t at)
{
	const struct rte_mbuf *q = c->sendq.head;

	while (q != NULL && at >= q->data_len) {
		at -= q->data_len;
		q = q->next;
	}
	FUZZ_CHECK(m != NULL, "bytes without a place");
	if (m->next != NULL && off == (uint32_t)m->data_off + m->data_len) {
		m = m->next;
		off = m->data_off;
	}
	FUZZ_CHECK(m == q && off == (uint32_t)q->data_off + at, "a position is %u off in its mbuf",
		   off - m->data_off);
}

static void
check_record(const struct tcp_conn *c, const struct tcp_sent *s, seq_t seq)
{
	uint8_t repair = s->flags & (SENT_LOST | SENT_RETRANS);
	bool flies = (s->flags & SENT_SACKED) == 0 && repair != SENT_LOST;

	FUZZ_CHECK(s->seq == seq, "a gap in the records: %u, not %u", s->seq, seq);
	FUZZ_CHECK(seq_lt(s->seq, s->end), "an empty record");
	FUZZ_CHECK(s->sent_us <= c->engine->now_us, "sent in the future");
	FUZZ_CHECK(((s->flags & SENT_IN_FLIGHT) != 0) == flies, "flags %02x", s->flags);
}

/* Transmission records against the send queue and their counts. Returns how many. */
static uint32_t
check_sent(const struct tcp_conn *c)
{
	uint32_t n = 0, lost = 0, sacked = 0, retrans = 0, unrepaired = 0, flying = 0, bytes = 0;
	bool repair_found = c->repair_from == NULL;
	const struct tcp_sent *s;
	seq_t seq = c->snd_una;

	TAILQ_FOREACH (s, &c->sent, link) {
		check_record(c, s, seq);
		if (tcp_sent_bytes(s) > 0)
			check_position(c, s->m, s->data_off, bytes);
		bytes += tcp_sent_bytes(s);
		seq = s->end;
		n++;
		lost += (s->flags & SENT_LOST) != 0;
		sacked += (s->flags & SENT_SACKED) != 0;
		retrans += (s->flags & SENT_RETRANS) != 0;
		flying += (s->flags & SENT_IN_FLIGHT) != 0;
		repair_found |= s == c->repair_from;
		if ((s->flags & (SENT_LOST | SENT_RETRANS)) == SENT_LOST) {
			unrepaired++;
			FUZZ_CHECK(repair_found && c->repair_from != NULL,
				   "repair begins behind what is unrepaired");
		}
	}
	FUZZ_CHECK(seq == c->snd_nxt, "records end at %u, not %u", seq, c->snd_nxt);
	FUZZ_CHECK(repair_found, "repair begins nowhere");
	FUZZ_CHECK(n == c->sent_segs && lost == c->lost_segs && retrans == c->retrans_segs &&
			   unrepaired == c->unrepaired_segs,
		   "%u records, %u lost, %u again, %u unrepaired; counted %u, %u, %u, %u", n, lost,
		   retrans, unrepaired, c->sent_segs, c->lost_segs, c->retrans_segs,
		   c->unrepaired_segs);
	FUZZ_CHECK((c->flags & CONN_SACK) == 0 || sacked == c->sacked_segs, "%u SACKed, counted %u",
		   sacked, c->sacked_segs);
	for (s = tcp_flight_oldest(c); s != NULL; s = tcp_flight_later(c, s)) {
		FUZZ_CHECK(s->flags & SENT_IN_FLIGHT, "in flight, and not flying");
		flying--;
	}
	FUZZ_CHECK(flying == 0, "the list by time lacks %u", flying);
	FUZZ_CHECK(bytes + c->unsent_bytes == c->sendq.bytes, "%u sent, %u unsent, %u queued",
		   bytes, c->unsent_bytes, c->sendq.bytes);
	if (c->unsent_bytes > 0)
		check_position(c, c->unsent_m, c->unsent_off, bytes);
	return n;
}

/* What arrived out of order. Returns how many mbufs it holds. */
static uint32_t
check_ranges(const struct tcp_conn *c, struct totals *t)
{
	uint32_t n = 0, bufs = 0, charge = 0;
	const struct tcp_range *r, *news;
	seq_t seq = c->rcv_nxt;

	TAILQ_FOREACH (r, &c->ranges, link) {
		FUZZ_CHECK(r->q.bytes > 0, "an empty range");
		FUZZ_CHECK(seq_gt(r->seq, seq), "a range at %u that touches %u", r->seq, seq);
		FUZZ_CHECK(seq_leq(r->seq, c->rcv_adv), "a range beyond the window");
		check_queue(&r->q, false, r->seq);
		seq = tcp_range_end(r);
		bufs += r->q.bufs;
		charge += r->q.charge;
		n++;
	}
	FUZZ_CHECK(charge == c->ranges_charge, "ranges charge %u, not %u", charge,
		   c->ranges_charge);
	FUZZ_CHECK(n == c->n_ranges, "%u ranges, counted %u", n, c->n_ranges);
	t->ranges += n;
	TAILQ_FOREACH (news, &c->news, by_news)
		n--;
	FUZZ_CHECK(n == 0, "ranges and news differ by %u", n);
	return bufs;
}

static bool
waits_for_network(const struct tcp_conn *c)
{
	if (!TAILQ_EMPTY(&c->sent))
		return true;
	return c->state >= TCP_ESTABLISHED &&
	       (c->unsent_bytes > 0 || (c->flags & (CONN_FIN_DUE | CONN_FIN_SENT)) == CONN_FIN_DUE);
}

static void
check_timers(const struct tcp_conn *c)
{
	uint64_t at_us = RTE_MIN(RTE_MIN(c->rtx_at_us, c->ack_at_us), c->life_at_us);

	if (c->frozen) {
		FUZZ_CHECK(!wheel_is_armed(&c->timer), "in repair, and its time goes on");
		return;
	}
	FUZZ_CHECK(c->rtx_at_us != UINT64_MAX || !waits_for_network(c),
		   "in %s nothing will send again", tcp_state_name(c->state));
	FUZZ_CHECK((c->flags & CONN_ACK_DELAYED) == 0 || c->ack_at_us != UINT64_MAX,
		   "an ACK is delayed for ever");
	FUZZ_CHECK((c->flags & CONN_ORPHAN) == 0 || at_us != UINT64_MAX,
		   "an orphan in %s that nothing ends", tcp_state_name(c->state));
	FUZZ_CHECK(at_us == UINT64_MAX || (wheel_is_armed(&c->timer) && c->timer.at_us <= at_us),
		   "in %s the wheel does not know", tcp_state_name(c->state));
}

/* A Fast Open child and its request. */
static void
check_opening(const struct tcp_conn *c, struct totals *t)
{
	const struct tcp_request *r = c->opening;

	FUZZ_CHECK(r != NULL && r->use == REQUEST_CHILD && r->child == c, "another's request");
	FUZZ_CHECK(c->state == TCP_SYN_RECEIVED || c->state == TCP_FIN_WAIT_1, "opening in %s",
		   tcp_state_name(c->state));
	FUZZ_CHECK(c->rtx_at_us != UINT64_MAX, "a SYN-ACK that is not sent again");
	t->opening++;
	t->opening_listed += r->listener != NULL;
}

static void
check_closed(const struct tcp_conn *c)
{
	FUZZ_CHECK((c->flags & CONN_OPENING) == 0, "a closed connection that opens");
	FUZZ_CHECK(TAILQ_EMPTY(&c->sent) && c->sendq.head == NULL && TAILQ_EMPTY(&c->ranges),
		   "a closed connection with queues");
	FUZZ_CHECK((c->flags & CONN_IN_FLOWS) == 0, "a closed connection in the flow table");
	FUZZ_CHECK((c->flags & CONN_ORPHAN) == 0, "a closed orphan");
	FUZZ_CHECK(!wheel_is_armed(&c->timer), "a closed connection with a timer");
}

static void
check_open(struct tcp_engine *e, const struct tcp_conn *c, struct totals *t)
{
	FUZZ_CHECK(c->flags & CONN_IN_FLOWS, "not in the flow table");
	FUZZ_CHECK(flow_lookup(&e->flows, &c->tuple, flow_hash(&e->flows, &c->tuple)) ==
			   flow_make(c, c->frozen ? FLOW_FROZEN : FLOW_CONN),
		   "the flow table has another");
	FUZZ_CHECK(seq_leq(c->snd_una, c->snd_nxt), "snd_una %u, snd_nxt %u", c->snd_una,
		   c->snd_nxt);
	FUZZ_CHECK(seq_leq(c->rcv_wup, c->rcv_nxt), "rcv_wup %u, rcv_nxt %u", c->rcv_wup,
		   c->rcv_nxt);
	FUZZ_CHECK(c->cwnd > 0 && c->ssthresh > 0, "cwnd %u", c->cwnd);
	FUZZ_CHECK(c->state == TCP_SYN_SENT || c->mss > 0, "mss %u", c->mss);
	t->sent += check_sent(c);
	t->held += check_ranges(c, t);
	if (c->state != TCP_SYN_SENT)
		check_queue(&c->sendq, true,
			    c->snd_una + (c->snd_una == c->iss && c->snd_nxt != c->iss));
	check_timers(c);
}

static void
check_conn(struct tcp_engine *e, const struct tcp_conn *c, struct totals *t)
{
	if (c->state == TCP_LISTEN)
		t->listeners++;
	else if (c->state == TCP_CLOSED)
		check_closed(c);
	else
		check_open(e, c, t);
	check_queue(&c->recvq, false, fuzz_read_seq(c));
	t->conns++;
	t->held += c->recvq.bufs;
	t->queued += c->sendq.bufs;
	t->orphans += (c->flags & CONN_ORPHAN) != 0;
	t->in_flows += (c->flags & CONN_IN_FLOWS) != 0;
	t->bounds += c->bound != NULL;
	t->shares += c->hold != NULL;
	FUZZ_CHECK((c->hold != NULL) == ((c->flags & CONN_IN_FLOWS) != 0 && c->bound == NULL),
		   "a connection without a port, or a port without a connection");
	t->accepting += (c->flags & CONN_ACCEPTING) != 0;
	if (c->flags & CONN_OPENING)
		check_opening(c, t);
	FUZZ_CHECK(c->bound == NULL || c->bound->c == c, "a port that another holds");
}

static void
check_conns(struct tcp_engine *e, struct totals *t)
{
	const struct tcp_conn *c;

	for (uint32_t i = 0; i < e->conns.carved; i++) {
		c = slab_at(&e->conns, i);
		if ((c->flags & CONN_DEAD) == 0)
			check_conn(e, c, t);
		else if (c->flags & (CONN_ON_DIRTY | CONN_ON_EVENTS))
			t->conns++;
	}
	for (c = e->dirty_head; c != NULL; c = c->dirty_next)
		FUZZ_CHECK(c->flags & CONN_ON_DIRTY, "on the list and does not know");
	for (c = e->events_head; c != NULL; c = c->events_next)
		FUZZ_CHECK(c->flags & CONN_ON_EVENTS, "on the list and does not know");
}

/* Who counts towards a listener's limit. */
static void
check_guards(const struct tcp_fastopen_queue *q, struct totals *t)
{
	const struct tcp_request *r, *last = NULL;
	uint32_t n = 0;

	for (r = q->first; r != NULL; r = r->next_guard) {
		FUZZ_CHECK(r->use == REQUEST_GUARD, "a guard that is none");
		FUZZ_CHECK(last == NULL || last->guard_until_us <= r->guard_until_us,
			   "guards out of order");
		last = r;
		n++;
	}
	FUZZ_CHECK(n == q->guards && last == q->last, "%u guards, not %u", n, q->guards);
	t->guards += n;
	t->opening_listed -= q->opening;
}

static uint32_t
check_listener(const struct tcp_bound *b, struct totals *t)
{
	const struct tcp_conn *c, *last = NULL;
	uint32_t waiting = 0, in_clc = 0;

	for (c = b->clc_head; c != NULL; c = c->accept_next) {
		FUZZ_CHECK(c->parent == b && (c->flags & CONN_ACCEPTING) && tcp_clc_is_on(c),
			   "a foreign child, or one that is done with CLC");
		in_clc++;
	}
	FUZZ_CHECK(in_clc == b->in_clc, "%u talk CLC, not %u", in_clc, b->in_clc);
	for (c = b->accept_head; c != NULL; c = c->accept_next) {
		FUZZ_CHECK(c->parent == b && (c->flags & CONN_ACCEPTING) && !tcp_clc_is_on(c),
			   "a foreign child");
		waiting++;
		last = c;
	}
	FUZZ_CHECK(waiting == b->waiting && last == b->accept_tail, "%u wait, not %u", waiting,
		   b->waiting);
	t->accepting -= waiting + in_clc;
	check_guards(&b->fastopen, t);
	return b->requests;
}

static uint32_t
check_bounds(const struct tcp_engine *e, struct totals *t)
{
	uint32_t requests = 0, n = 0;

	for (unsigned int i = 0; i < TCP_BOUND_BUCKETS; i++) {
		for (const struct tcp_bound *b = e->bound_buckets[i]; b != NULL; b = b->next) {
			FUZZ_CHECK(b->local.port % TCP_BOUND_BUCKETS == i, "in another's bucket");
			requests += check_listener(b, t);
			n++;
		}
	}
	FUZZ_CHECK(n == t->bounds && n == e->bounds.used, "%u ports, %u held, %u used", n,
		   t->bounds, e->bounds.used);
	FUZZ_CHECK(t->accepting == 0, "%u wait for no listener", t->accepting);
	return requests;
}

static void
check_holds(const struct tcp_engine *e, const struct totals *t)
{
	uint32_t n = 0, shares = 0, held;

	for (unsigned int i = 0; i < TCP_HOLD_BUCKETS; i++) {
		for (const struct tcp_hold *h = e->hold_buckets[i]; h != NULL; h = h->next) {
			FUZZ_CHECK(h->port % TCP_HOLD_BUCKETS == i, "in another's bucket");
			FUZZ_CHECK(h->shares > 0, "a port that nobody has");
			shares += h->shares;
			n++;
		}
	}
	held = t->shares + e->timewaits.used + e->mutes.slab.used;
	FUZZ_CHECK(n == e->holds.used && shares == held, "%u ports, %u used; %u shares, %u held", n,
		   e->holds.used, shares, held);
}

static void
check_requests(struct tcp_engine *e, uint32_t expected, const struct totals *t)
{
	uint32_t n = 0, fastopen = t->opening + t->guards;

	for (uint32_t i = 0; i < e->requests.carved; i++) {
		const struct tcp_request *r = slab_at(&e->requests, i);

		if (r->listener == NULL || r->use != REQUEST_HALF_OPEN)
			continue;
		FUZZ_CHECK(wheel_is_armed(&r->timer), "a request that nothing ends");
		FUZZ_CHECK(flow_lookup(&e->flows, &r->tuple, flow_hash(&e->flows, &r->tuple)) ==
				   flow_make(r, FLOW_REQUEST),
			   "the flow table has another");
		n++;
	}
	FUZZ_CHECK(n == expected && n + fastopen == e->requests.used,
		   "%u requests, %u counted, %u of Fast Open, %u used", n, expected, fastopen,
		   e->requests.used);
	FUZZ_CHECK(fastopen == e->fastopen_requests && t->opening_listed == 0,
		   "%u of Fast Open, counted %u; %u of no listener", fastopen, e->fastopen_requests,
		   t->opening_listed);
}

static void
check_timewait(struct tcp_engine *e)
{
	const struct tcp_timewait *tw;
	uint64_t before_us = 0;
	uint32_t n = 0;

	TAILQ_FOREACH (tw, &e->timewait_list, link) {
		FUZZ_CHECK(tw->ends_us > 0, "a TIME-WAIT that looks free");
		FUZZ_CHECK(flow_lookup(&e->flows, &tw->tuple, flow_hash(&e->flows, &tw->tuple)) ==
				   flow_make(tw, FLOW_TIMEWAIT),
			   "the flow table has another");
		if (n++ == 0)
			FUZZ_CHECK(e->timewait_next_us <= tw->ends_us, "the first is forgotten");
		before_us = RTE_MAX(before_us, tw->ends_us);
	}
	FUZZ_CHECK(n == e->timewaits.used, "%u in TIME-WAIT, not %u", n, e->timewaits.used);
}

void
fuzz_check_engine(struct tcp_engine *e)
{
	struct totals t = {0};
	uint32_t in_flows, half_open;

	check_conns(e, &t);
	check_requests(e, check_bounds(e, &t), &t);
	check_timewait(e);
	check_holds(e, &t);
	FUZZ_CHECK(t.conns == e->conns.used, "%u connections, not %u", t.conns, e->conns.used);
	FUZZ_CHECK(t.listeners == e->listeners && t.orphans == e->orphans,
		   "%u listeners, %u orphans; counted %u, %u", t.listeners, t.orphans, e->listeners,
		   e->orphans);
	half_open = e->requests.used - e->fastopen_requests;
	in_flows = t.in_flows + half_open + e->timewaits.used + e->mutes.slab.used;
	FUZZ_CHECK(in_flows == flow_count(&e->flows), "%u flows, counted %u", in_flows,
		   flow_count(&e->flows));
	FUZZ_CHECK(t.held == e->held_bufs && t.queued == e->queued_bufs,
		   "%u held, %u queued; counted %u, %u", t.held, t.queued, e->held_bufs,
		   e->queued_bufs);
	FUZZ_CHECK(t.sent == e->sents.used && t.ranges == e->ranges.used,
		   "%u records, %u ranges; used %u, %u", t.sent, t.ranges, e->sents.used,
		   e->ranges.used);
}
