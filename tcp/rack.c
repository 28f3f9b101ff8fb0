/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * RACK-TLP, RFC 8985: a segment is lost if one that was sent later has arrived, and a reordering
 * window has passed since; and a probe at the tail makes the peer tell what arrived.
 *
 *     sent   1    2    3    4    5         2 is lost when the clock passes
 *     arrived     -         4              sent(2) + RACK.rtt + reo_wnd
 *
 * In RFC 8985's names. As in Linux, reo_wnd is 0 until reordering was seen once three segments are
 * SACKed or recovery has begun: then RACK finds at least what three duplicate acknowledgments did.
 */
#include <rte_common.h>

#include "engine.h"

enum {
	DUPACK_THRESHOLD = 3,
	REO_WND_PERSIST = 16, /* recoveries, RFC 8985 §6.2 step 4 */
	TIMER_MIN_US = 2000,  /* what Linux adds to both timers: two ticks of its clock at 1 kHz */
};

/* Whether (t1, end1) was sent after (t2, end2). */
static bool
sent_after(uint64_t t1, seq_t end1, uint64_t t2, seq_t end2)
{
	return t1 > t2 || (t1 == t2 && seq_gt(end1, end2));
}

void
tcp_rack_delivered(struct tcp_conn *c, const struct tcp_sent *s, const struct tcp_ack *ack)
{
	uint64_t rtt_us = ack->now_us - s->sent_us;
	struct tcp_rack *r = &c->rack;

	/* RFC 8985 §6.2 step 2: it may be the original that arrived, not what was sent again. */
	if ((s->flags & SENT_EVER_RETRANS) != 0 && rtt_us < r->min_rtt_us)
		return;
	r->rtt_us = (uint32_t)RTE_MIN(rtt_us, (uint64_t)UINT32_MAX);
	if (sent_after(s->sent_us, s->end, r->xmit_us, r->end_seq)) {
		r->xmit_us = s->sent_us;
		r->end_seq = s->end;
	}
}

/* RFC 8985 §6.2 step 4: what was sent again needlessly was only reordered; wait longer. */
void
tcp_rack_dsack(struct tcp_conn *c)
{
	struct tcp_rack *r = &c->rack;

	r->reordering_seen = true;
	if (r->dsack_in_round && seq_lt(c->snd_una, r->dsack_round))
		return;
	r->dsack_in_round = true;
	r->dsack_round = c->snd_nxt;
	r->reo_wnd_mult = (uint8_t)RTE_MIN(r->reo_wnd_mult + 1, 255);
	r->reo_wnd_persist = REO_WND_PERSIST;
}

void
tcp_rack_recovery_ended(struct tcp_conn *c)
{
	struct tcp_rack *r = &c->rack;

	if (r->reo_wnd_persist > 0)
		r->reo_wnd_persist--;
	else
		r->reo_wnd_mult = 1;
}

static uint32_t
reo_wnd_us(const struct tcp_conn *c)
{
	const struct tcp_rack *r = &c->rack;
	uint64_t wnd;

	if (!r->reordering_seen &&
	    (c->ca_state >= CA_RECOVERY || c->sacked_segs >= DUPACK_THRESHOLD))
		return 0;
	wnd = (uint64_t)r->reo_wnd_mult * r->min_rtt_us / 4;
	return (uint32_t)RTE_MIN(wnd, (uint64_t)c->srtt_us >> 3);
}

void
tcp_rack_detect_loss(struct tcp_conn *c)
{
	uint64_t window_us = (uint64_t)c->rack.rtt_us + reo_wnd_us(c), wait_us = 0;
	uint64_t now_us = c->engine->now_us;
	struct tcp_sent *s, *next;

	for (s = tcp_flight_oldest(c); s != NULL; s = next) {
		uint64_t due_us = s->sent_us + window_us;

		next = tcp_flight_later(c, s);
		if (!sent_after(c->rack.xmit_us, c->rack.end_seq, s->sent_us, s->end))
			break;
		if (due_us <= now_us)
			tcp_sent_mark_lost(c, s);
		else
			wait_us = RTE_MAX(wait_us, due_us - now_us);
	}
	if (wait_us > 0) {
		c->rtx_kind = RTX_REORDER;
		c->rtx_at_us = now_us + wait_us + TIMER_MIN_US;
		tcp_timers_arm(c);
	}
}

/* ---- TLP */

/* RFC 8985 §7.2: two round trips, and the peer's delayed acknowledgment where it has but one
 * segment. */
static uint64_t
probe_timeout_us(const struct tcp_conn *c)
{
	uint64_t pto = c->srtt_us != 0 ? (uint64_t)c->srtt_us >> 2 : TCP_RTO_INITIAL_US;

	if (c->srtt_us != 0)
		pto += c->sent_segs == 1 ? TCP_RTO_MIN_US : TIMER_MIN_US;
	return pto;
}

bool
tcp_tlp_schedule(struct tcp_conn *c, uint64_t rto_at_us)
{
	uint64_t at_us;

	if (!c->engine->config.tlp || (c->flags & CONN_SACK) == 0 ||
	    (c->ca_state != CA_OPEN && c->ca_state != CA_CWR) || c->tlp_sent ||
	    c->sacked_segs != 0 || c->state < TCP_ESTABLISHED || c->backoffs != 0 ||
	    TAILQ_EMPTY(&c->sent))
		return false;
	at_us = c->engine->now_us + tcp_pacing_delay_us(c) + probe_timeout_us(c);
	c->rtx_kind = RTX_TLP;
	c->rtx_at_us = rto_at_us > c->engine->now_us ? RTE_MIN(at_us, rto_at_us) : at_us;
	return true;
}

/* RFC 8985 §7.3: new data if there is some and the peer takes it, else the last segment again. */
bool
tcp_tlp_send(struct tcp_conn *c)
{
	struct tcp_sent *last = TAILQ_LAST(&c->sent, tcp_sent_list);

	if (!tcp_conn_has_path(c))
		return false;
	c->tlp_is_retrans = !tcp_send_one(c);
	if (c->tlp_is_retrans) {
		/* The peer has it: there is nothing to learn from it, and it flies no more. */
		if (last->flags & SENT_SACKED)
			return false;
		/* Only a segment's worth, should the MSS have shrunk. */
		if (tcp_sent_bytes(last) > c->mss &&
		    tcp_sent_split(c, last, tcp_sent_bytes(last) - c->mss))
			last = TAILQ_NEXT(last, link);
		if (!tcp_retransmit(c, last))
			return false;
	}
	TCP_COUNT(c->engine, tlp_probes);
	c->tlp_end_seq = c->snd_nxt;
	c->tlp_sent = true;
	return true;
}

/* RFC 8985 §7.4.2: whether the probe repaired a loss that nothing else showed. */
void
tcp_tlp_ack(struct tcp_conn *c, const struct tcp_segment *seg, const struct tcp_ack *ack)
{
	if (seq_lt(seg->ack, c->tlp_end_seq))
		return;
	if (!c->tlp_is_retrans || ack->tlp_dsacked) {
		/* Nothing was sent twice, or it arrived twice: no loss. */
		c->tlp_sent = false;
	} else if (seq_gt(seg->ack, c->tlp_end_seq)) {
		/* More was acknowledged since, and no DSACK came: only the probe arrived. */
		c->tlp_sent = false;
		TCP_COUNT(c->engine, tlp_recoveries);
		tcp_enter_cwr(c);
	} else if (!ack->una_advanced && ack->is_dup) {
		/* Both copies arrived, and the peer acknowledged each. */
		c->tlp_sent = false;
	}
}
