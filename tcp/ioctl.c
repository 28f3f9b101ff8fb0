/* SPDX-License-Identifier: BSD-3-Clause */
/* The ioctls that Linux's TCP knows: how much waits in either queue. */
#include <errno.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "engine.h"

enum { OUTQ_NOT_SENT = 0x894b }; /* SIOCOUTQNSD of <linux/sockios.h> */

/* Bytes to read; the FIN is none. */
static int
unread(const struct tcp_conn *c, int *value)
{
	if (c->state == TCP_LISTEN)
		return -EINVAL;
	*value =
		c->state == TCP_SYN_SENT || c->state == TCP_SYN_RECEIVED ? 0 : tcp_urgent_unread(c);
	return 0;
}

/* Sequence numbers not yet sent: the FIN counts. */
static int
unsent(const struct tcp_conn *c, int *value)
{
	if (c->state == TCP_LISTEN)
		return -EINVAL;
	*value = c->state <= TCP_SYN_RECEIVED
			 ? 0
			 : (int)c->unsent_bytes +
				   ((c->flags & (CONN_FIN_DUE | CONN_FIN_SENT)) == CONN_FIN_DUE);
	return 0;
}

/* Those not yet acknowledged. */
static int
unacknowledged(const struct tcp_conn *c, int *value)
{
	int status = unsent(c, value);

	if (status == 0 && c->state > TCP_SYN_RECEIVED)
		*value += (int)(c->snd_nxt - c->snd_una);
	return status;
}

static int
answer(struct tcp_conn *c, unsigned long request, int *value)
{
	switch (request) {
	case FIONREAD: /* SIOCINQ */
		return unread(c, value);
	case TIOCOUTQ: /* SIOCOUTQ */
		return unacknowledged(c, value);
	case OUTQ_NOT_SENT:
		return unsent(c, value);
	case SIOCATMARK:
		*value = tcp_urgent_at_mark(c);
		return 0;
	default:
		return -ENOTTY;
	}
}

int
tcp_ioctl(struct tcp_conn *c, unsigned long request, int *value)
{
	int status = answer(c, request, value);

	/* What is under way is not the user's. */
	if (status == 0 && tcp_clc_is_on(c))
		*value = 0;
	return status;
}
