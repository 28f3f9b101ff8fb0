/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * connect() to AF_UNSPEC, as Linux: the connection is reset or the listener ends, what was received
 * is gone, and the socket is a fresh one again that keeps its options and its address. Who reads or
 * asks for SO_ERROR next hears ECONNRESET if there was a connection.
 */
#include <errno.h>

#include "engine.h"

static void
end_connection(struct tcp_conn *c)
{
	switch (c->state) {
	case TCP_LISTEN:
		tcp_listener_close(c);
		break;
	case TCP_CLOSED:
		break;
	case TCP_SYN_SENT:
		tcp_conn_end(c, ECONNRESET);
		break;
	case TCP_SYN_RECEIVED:
	case TCP_ESTABLISHED:
	case TCP_FIN_WAIT_1:
	case TCP_FIN_WAIT_2:
	case TCP_CLOSE_WAIT:
		tcp_conn_reset(c, ECONNRESET);
		break;
	default: /* both ends have said all that they had to say */
		tcp_conn_end(c, 0);
		break;
	}
}

void
tcp_disconnect(struct tcp_conn *c)
{
	if (c->frozen && c->state > TCP_LISTEN)
		tcp_repair_end(c);
	else
		end_connection(c);
	tcp_forget_connection(c);
	tcp_mark_event(c);
}
