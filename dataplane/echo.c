/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * echo, RFC 862: what comes in goes out again. After the peer's FIN the rest is sent, then ours.
 *
 * Back-pressure: what the send queue has no room for stays in the receive queue, whose window
 * closes. Bytes are copied: a reference would let a peer that sends without reading hold the
 * receive buffers that the lane needs to hear acknowledgments.
 */
#include <errno.h>

#include "dataplane/service_kind.h"

static enum service_verdict
echo_run(struct service_conn *conn)
{
	for (;;) {
		const struct rte_mbuf *m;
		enum service_verdict verdict = SERVICE_WAIT;
		ssize_t queued = tcp_peek_mbufs(conn->tcp, &m), sent;

		if (queued <= 0)
			return queued == 0         ? SERVICE_CLOSE
			       : queued == -EAGAIN ? SERVICE_WAIT
						   : SERVICE_BROKEN;
		while (m->data_len == 0)
			m = m->next;
		sent = service_send(conn, rte_pktmbuf_mtod(m, const void *), m->data_len, 0,
				    &verdict);
		if (sent <= 0)
			return verdict;
		service_consume(conn, (size_t)sent);
	}
}

const struct service_ops echo_ops = {.run = echo_run};
