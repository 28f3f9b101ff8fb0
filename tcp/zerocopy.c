/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * MSG_ZEROCOPY as Linux answers it where it copied nevertheless: the user may write to his buffer
 * again at once, and still learns, by number, when the peer has acknowledged what he sent.
 *
 *     send 0   send 1   send 2      each such send() has the next number
 *     |--------|--------|-----|
 *            ^ SND.UNA              when the last byte of a send is acknowledged, its number joins
 *                                   the range to report: one report for many sends, as on Linux
 *
 * At most TCP_ZEROCOPY_ENDS sends are told apart; what is sent beyond that is reported together
 * with the last of them, so that memory does not depend on the user. Sends without bytes have no
 * number. Not here: leaving the bytes where they are. That is what tcp_send_mbufs() does.
 */
#include <errno.h>
#include <time.h>

#include <linux/errqueue.h> /* needs <time.h> */

#include "engine.h"

static void
report(struct tcp_zerocopy *z, uint32_t sends)
{
	if (!z->due)
		z->report_first = z->reported;
	z->reported += sends;
	z->due = true;
}

void
tcp_zerocopy_acked(struct tcp_conn *c)
{
	struct tcp_zerocopy *z = &c->zerocopy;
	uint8_t n = 0;

	while (n < z->n && seq_leq(z->ends[n].end, c->snd_una))
		report(z, z->ends[n++].sends);
	if (n == 0)
		return;
	z->n -= n;
	memmove(z->ends, z->ends + n, z->n * sizeof(z->ends[0]));
	tcp_mark_event(c);
}

void
tcp_zerocopy_over(struct tcp_conn *c)
{
	struct tcp_zerocopy *z = &c->zerocopy;

	for (uint8_t i = 0; i < z->n; i++)
		report(z, z->ends[i].sends);
	z->n = 0;
}

void
tcp_sent_zerocopy(struct tcp_conn *c)
{
	struct tcp_zerocopy *z = &c->zerocopy;
	seq_t end = c->snd_nxt + c->unsent_bytes;

	if (!z->on)
		return;
	if (z->n == TCP_ZEROCOPY_ENDS) {
		z->ends[z->n - 1].end = end;
		z->ends[z->n - 1].sends++;
	} else {
		z->ends[z->n].end = end;
		z->ends[z->n++].sends = 1;
	}
	/* A call that had to wait for room may find all acknowledged. */
	tcp_zerocopy_acked(c);
}

int
tcp_recv_report(struct tcp_conn *c, struct sock_extended_err *out)
{
	struct tcp_zerocopy *z = &c->zerocopy;

	if (!z->due)
		return -EAGAIN;
	*out = (struct sock_extended_err){
		.ee_origin = SO_EE_ORIGIN_ZEROCOPY,
		.ee_code = SO_EE_CODE_ZEROCOPY_COPIED,
		.ee_info = z->report_first,
		.ee_data = z->reported - 1,
	};
	z->due = false;
	return 0;
}
