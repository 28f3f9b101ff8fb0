/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Loss recovery: what an acknowledgment means for the state, and how fast to send meanwhile.
 *
 *     OPEN <--> DISORDER --loss seen--> RECOVERY --all of it acknowledged--> OPEN
 *       \________________ time-out ___> LOSS ______________________________/
 *       \________________ ECN, TLP ___> CWR  ______________________________/
 *
 * Which segments are lost RACK finds (rack.c) or, without SACK, duplicate and partial
 * acknowledgments (reno.c). How many may be in flight in RECOVERY and CWR follows
 * from what was delivered: proportional rate reduction, RFC 6937. After a time-out F-RTO (RFC 5682)
 * sends new data first, to see whether the old is lost at all. A reduction that turns out to be
 * unfounded is taken back (undo.c).
 */
#include <rte_common.h>

#include "engine.h"

static bool
has_sack(const struct tcp_conn *c)
{
	return (c->flags & CONN_SACK) != 0;
}

/* ---- proportional rate reduction */

static void
reduction_begin(struct tcp_conn *c)
{
	c->recover = c->snd_nxt;
	c->tlp_sent = false;
	c->prr = (struct tcp_prr){.prior_cwnd = c->cwnd};
	c->cwnd_count = 0;
	c->ssthresh = c->cc->ssthresh(c);
	tcp_ecn_reduced(c);
}

/*
 * RFC 6937 §3.1 with its slow start reduction bound; `speedup`: SND.UNA moved, and nothing more is
 * lost. `repair`: what was found lost leaves whatever the window says.
 */
static void
reduction_step(struct tcp_conn *c, uint32_t delivered, bool speedup, bool repair)
{
	uint32_t flight = tcp_flight_segs(c);
	int64_t send;

	if (delivered == 0 || c->prr.prior_cwnd == 0 || c->cc->control != NULL)
		return;
	c->prr.delivered += delivered;
	if (flight > c->ssthresh) {
		uint64_t share = (uint64_t)c->ssthresh * c->prr.delivered;

		send = (int64_t)((share + c->prr.prior_cwnd - 1) / c->prr.prior_cwnd) -
		       (int64_t)c->prr.out;
	} else {
		send = RTE_MAX((int64_t)c->prr.delivered - (int64_t)c->prr.out, (int64_t)delivered);
		send += speedup;
		send = RTE_MIN(send, (int64_t)c->ssthresh - (int64_t)flight);
	}
	c->cwnd = flight + (uint32_t)RTE_MAX(send, (int64_t)(c->prr.out == 0 || repair));
}

static void
reduction_end(struct tcp_conn *c)
{
	/* A threshold that was taken back, or never set, is none to go to. */
	if (c->cc->control == NULL && c->ssthresh != UINT32_MAX &&
	    (c->ca_state == CA_CWR || c->undo.possible))
		c->cwnd = c->ssthresh;
	c->prr = (struct tcp_prr){0};
	tcp_cwnd_touched(c);
}

/* ---- states */

static void
leave(struct tcp_conn *c)
{
	if (c->ca_state == CA_RECOVERY)
		tcp_rack_recovery_ended(c);
	c->ca_state = CA_OPEN;
	c->frto = false;
}

/* Whether anything is known to be out of order. */
static void
open_or_disorder(struct tcp_conn *c)
{
	if (c->ca_state >= CA_CWR)
		return;
	c->ca_state = c->sacked_segs > 0 || c->lost_segs > 0 || c->retrans_segs > 0 ? CA_DISORDER
										    : CA_OPEN;
	if (c->retrans_segs == 0)
		tcp_undo_forget(c);
}

void
tcp_enter_cwr(struct tcp_conn *c)
{
	if (c->ca_state >= CA_CWR)
		return;
	c->undo.possible = false;
	reduction_begin(c);
	c->ca_state = CA_CWR;
}

static void
enter_recovery(struct tcp_conn *c, bool ece)
{
	TCP_COUNT(c->engine, recoveries);
	tcp_undo_begin(c);
	c->undo.forbidden = ece || c->ca_state == CA_CWR;
	/* What was lost behind a time-out, or to a smaller MTU, is no reduction of its own. */
	if (c->ca_state != CA_CWR && c->ca_state != CA_RECOVERY)
		reduction_begin(c);
	c->ca_state = CA_RECOVERY;
}

/* ---- losses */

static void
detect_loss(struct tcp_conn *c, const struct tcp_ack *ack)
{
	if (TAILQ_EMPTY(&c->sent))
		return;
	if (has_sack(c) && !c->engine->config.rack)
		tcp_dupthresh_detect_loss(c);
	else if (has_sack(c))
		tcp_rack_detect_loss(c);
	else
		tcp_reno_detect_loss(c, ack);
}

/* RFC 6582 §3.2: without SACK duplicates of the last retransmission must not begin a new recovery.
 */
static bool
must_stay(const struct tcp_conn *c)
{
	return !has_sack(c) && c->snd_una == c->recover && c->ca_state != CA_OPEN;
}

/* ---- what an acknowledgment does in each state */

/*
 * Everything outstanding when RECOVERY or CWR began is acknowledged: that state ends. Returns false
 * where RECOVERY must last, and nothing else is to be done.
 */
static bool
recover_reached(struct tcp_conn *c, const struct tcp_segment *seg)
{
	if (c->ca_state == CA_CWR && c->snd_una != c->recover) {
		/* Only what was sent since shows the new rate. */
		reduction_end(c);
		leave(c);
	} else if (c->ca_state == CA_RECOVERY) {
		if (!has_sack(c))
			tcp_reno_forget(c);
		if (tcp_undo_is_due(c, seg))
			tcp_undo(c, false);
		if (must_stay(c))
			return false;
		reduction_end(c);
		leave(c);
	}
	return true;
}

/* Without loss: OPEN, DISORDER, or CWR if the network says that it is congested. */
static void
try_to_open(struct tcp_conn *c, bool ece)
{
	if (ece && c->ca_state < CA_CWR) {
		TCP_COUNT(c->engine, ecn_reductions);
		tcp_enter_cwr(c);
	}
	open_or_disorder(c);
}

static void
ack_in_recovery(struct tcp_conn *c, struct tcp_ack *ack, const struct tcp_segment *seg)
{
	if (!ack->una_advanced) {
		if (!has_sack(c) && ack->is_dup)
			tcp_reno_duplicate(c, ack);
	} else if (tcp_undo_is_due_in_part(c, seg)) {
		/* The original arrived: nothing is lost, but what was sent again is still out. */
		if (c->retrans_segs > 0)
			return;
		tcp_undo(c, true);
		leave(c);
		open_or_disorder(c);
	}
	if (ack->dsack && tcp_undo_is_due_by_dsack(c)) {
		tcp_undo(c, false);
		leave(c);
		try_to_open(c, ack->ece);
	}
	detect_loss(c, ack);
	/* Some may be lost all the same. */
	if (c->ca_state != CA_RECOVERY && c->unrepaired_segs > 0)
		enter_recovery(c, ack->ece);
}

/* RFC 5682 §3.2 steps 2 and 3. Returns whether the time-out was spurious. */
static bool
frto_step(struct tcp_conn *c, const struct tcp_ack *ack)
{
	if (ack->original_arrived)
		return true;
	if (seq_gt(c->snd_nxt, c->recover)) {
		/* New data is out, and a duplicate comes back: the losses are real. */
		if (ack->is_dup || ack->sacked_segs > 0)
			c->frto = false;
	} else if (ack->una_advanced && seq_lt(c->snd_una, c->recover)) {
		/* Step 2b: new data instead of old, if there is any: output does that. */
		c->recover = c->snd_nxt;
		c->frto_new_first = true;
	}
	return false;
}

/* Returns whether LOSS goes on. */
static bool
process_loss(struct tcp_conn *c, const struct tcp_segment *seg, struct tcp_ack *ack)
{
	bool spurious = ack->una_advanced && tcp_undo_is_due(c, seg);

	if (!spurious && c->frto)
		spurious = frto_step(c, ack);
	if (spurious) {
		tcp_undo(c, true);
		c->backoffs = c->retries = 0;
	} else if (seq_lt(c->snd_una, c->recover)) {
		if (has_sack(c) || c->frto_new_first)
			return true;
		/* What the new data behind the losses brings back tells how much has left. */
		if (ack->is_dup && seq_gt(c->snd_nxt, c->recover))
			tcp_reno_duplicate(c, ack);
		else if (ack->una_advanced)
			tcp_reno_forget(c);
		return true;
	}
	if (must_stay(c))
		return true;
	leave(c);
	open_or_disorder(c);
	return false;
}

static void
ack_in_open(struct tcp_conn *c, struct tcp_ack *ack)
{
	if (!has_sack(c)) {
		if (ack->una_advanced)
			tcp_reno_forget(c);
		if (ack->is_dup)
			tcp_reno_duplicate(c, ack);
	}
	if (ack->dsack && c->ca_state <= CA_DISORDER && tcp_undo_is_due_by_dsack(c))
		tcp_undo(c, false);
	detect_loss(c, ack);
	if (c->unrepaired_segs == 0)
		try_to_open(c, ack->ece);
	else if (!tcp_mtu_probe_lost(c))
		enter_recovery(c, ack->ece);
}

/* Losses after LOSS was left; and in it those of retransmissions: the network is still congested.
 */
static void
ack_in_loss(struct tcp_conn *c, const struct tcp_segment *seg, struct tcp_ack *ack)
{
	bool goes_on = process_loss(c, seg, ack);
	uint32_t again = c->retrans_segs;

	detect_loss(c, ack);
	if (!goes_on || (has_sack(c) && c->retrans_segs < again))
		ack_in_open(c, ack);
}

static void
process(struct tcp_conn *c, const struct tcp_segment *seg, struct tcp_ack *ack)
{
	if (c->ca_state != CA_OPEN && seq_geq(c->snd_una, c->recover) && !recover_reached(c, seg))
		return;
	if (c->ca_state < CA_RECOVERY)
		ack_in_open(c, ack);
	else if (c->ca_state == CA_RECOVERY)
		ack_in_recovery(c, ack, seg);
	else
		ack_in_loss(c, seg, ack);
}

void
tcp_recovery_ack(struct tcp_conn *c, const struct tcp_segment *seg, struct tcp_ack *ack)
{
	bool quiet = c->ca_state == CA_OPEN && !ack->is_dup && !ack->ece && ack->sacked_segs == 0 &&
		     !ack->dsack && c->sacked_segs == 0 && c->lost_segs == 0;
	uint32_t before = c->unrepaired_segs;
	bool lost;

	if (quiet) {
		if (ack->una_advanced)
			tcp_undo_forget(c);
		return;
	}
	if (ack->ece)
		c->undo.forbidden = true;
	tcp_mark_dirty(c);
	process(c, seg, ack);
	lost = c->unrepaired_segs > before;
	/*
	 * DEVIATION: RFC 6582 §3.2 step 3 repairs at each partial acknowledgment; Linux only as far
	 * as PRR lets it, and so needs a time-out where more than half was lost
	 * (fast_retransmit_of_a_lost_half).
	 */
	if (c->ca_state == CA_CWR || c->ca_state == CA_RECOVERY)
		reduction_step(c, ack->delivered_segs, ack->una_advanced && !lost,
			       lost && !has_sack(c));
}

/* ---- timers */

void
tcp_recovery_reorder_timeout(struct tcp_conn *c)
{
	uint32_t before = c->unrepaired_segs;

	tcp_rack_detect_loss(c);
	if (c->unrepaired_segs == before)
		return;
	if (c->ca_state != CA_RECOVERY) {
		enter_recovery(c, false);
		/* As if one had been delivered, as Linux: it lets the first repair out. */
		reduction_step(c, 1, false, false);
	}
	tcp_mark_dirty(c);
}

/* RFC 6298 §5.4, RFC 8985 §6.3: what was sent less than a round trip ago may still be under way. */
static void
mark_all_lost(struct tcp_conn *c, bool reneged)
{
	struct tcp_sent *s;

	TAILQ_FOREACH (s, &c->sent, link) {
		bool recent = s->sent_us + c->rack.rtt_us > c->engine->now_us;

		if (reneged)
			tcp_sent_forget_sack(c, s);
		else if (has_sack(c) && c->engine->config.rack && recent &&
			 s != TAILQ_FIRST(&c->sent))
			continue;
		tcp_sent_mark_lost(c, s);
	}
}

void
tcp_recovery_timeout(struct tcp_conn *c)
{
	/* RFC 2018 §8: the peer's first missing byte is one that it had reported. */
	const struct tcp_sent *first = TAILQ_FIRST(&c->sent);
	bool reneged = first != NULL && (first->flags & SENT_SACKED) != 0;
	bool again = c->retries > 0, fresh = c->ca_state < CA_RECOVERY;

	/* RFC 5681 §3.1: the threshold falls once for each window of data. */
	if (c->ca_state <= CA_DISORDER || seq_geq(c->snd_una, c->recover) ||
	    (c->ca_state == CA_LOSS && !again)) {
		tcp_undo_begin(c);
		c->ssthresh = c->cc->ssthresh(c);
	}
	if (!has_sack(c))
		tcp_reno_forget(c);
	if (reneged) {
		TCP_COUNT(c->engine, sack_reneged);
		c->rate.reneged = true;
	}
	mark_all_lost(c, reneged);
	/* So many segments arrived and a time-out came all the same: it was not reordering. */
	if (c->ca_state <= CA_DISORDER && c->sacked_segs >= c->engine->config.reordering)
		c->reordering = RTE_MIN(c->reordering, (uint32_t)c->engine->config.reordering);
	c->cwnd = tcp_flight_segs(c) + 1;
	c->cwnd_count = 0;
	tcp_cwnd_touched(c);
	c->prr = (struct tcp_prr){0};
	c->tlp_sent = false;
	c->recover = c->snd_nxt;
	c->frto = c->engine->config.frto && (fresh || again) && !reneged;
	c->frto_new_first = false;
	c->ca_state = CA_LOSS;
	tcp_ecn_reduced(c);
	if (c->cc->timeout != NULL)
		c->cc->timeout(c);
}

void
tcp_recovery_handshake_over(struct tcp_conn *c, const struct tcp_segment *seg)
{
	if (c->ca_state == CA_LOSS && TAILQ_EMPTY(&c->sent)) {
		if (tcp_undo_is_due(c, seg))
			tcp_undo(c, false);
		leave(c);
	}
	tcp_undo_forget(c);
}
