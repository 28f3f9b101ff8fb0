/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Loss by counting, RFC 6675 §4's IsLost(), where RACK is switched off: a segment is lost if
 * DupThresh segments behind it have been SACKed, however long ago it was sent. As Linux did it:
 * DupThresh is by how many segments the path is known to reorder, and segments count rather than
 * bytes.
 *
 *     DupThresh 3     .    S    .    S    .    S    S    .        . outstanding, S SACKed
 *                     lost      lost      |--------------  too few behind: may be under way
 *
 * A retransmission that is lost again is not found: that is the time-out's, or RACK's.
 */
#include "engine.h"

/* The last record that DupThresh SACKed ones begin with; NULL: there are not so many. */
static const struct tcp_sent *
threshold(struct tcp_conn *c)
{
	const struct tcp_sent *s = NULL;
	uint32_t n = 0;

	if (c->sacked_segs < c->reordering)
		return NULL;
	for (s = tcp_sent_find(c, c->rack.fack - 1); s != NULL;
	     s = TAILQ_PREV(s, tcp_sent_list, link))
		if ((s->flags & SENT_SACKED) != 0 && ++n == c->reordering)
			break;
	return s;
}

void
tcp_dupthresh_detect_loss(struct tcp_conn *c)
{
	const struct tcp_sent *behind = threshold(c);
	struct tcp_sent *s, *next;

	if (behind == NULL)
		return;
	/* What was sent once is on this list in its sequence, too. */
	for (s = tcp_flight_oldest(c); s != NULL; s = next) {
		next = tcp_flight_later(c, s);
		if (s->flags & SENT_EVER_RETRANS)
			continue;
		if (seq_gt(s->seq, behind->seq))
			break;
		tcp_sent_mark_lost(c, s);
	}
}
