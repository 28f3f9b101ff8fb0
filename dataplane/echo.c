/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * echo, RFC 862: what comes in goes out again. After the peer's FIN the rest is sent, then ours.
 *
 * Back-pressure: what the send queue has no room for stays in the receive queue, whose window
 * closes. Bytes are copied: a reference would let a peer that sends without reading hold the
 * receive buffers that the lane needs to hear acknowledgments.
 */
#include "dataplane/service_plugin.h"

static void
echo_on(struct tern_service_conn *conn, void *state)
{
	struct tern_service_data in;
	ssize_t queued, sent;

	(void)state;
	while ((queued = tern_service_peek(conn, 0, &in)) > 0) {
		sent = tern_service_send(conn, in.data, in.bytes, 0);
		if (sent <= 0)
			return;
		tern_service_consume(conn, (size_t)sent);
	}
	if (queued == 0)
		tern_service_close(conn);
}

const struct tern_service_plugin echo_plugin = {
	.abi = TERN_SERVICE_ABI,
	.bytes = sizeof(struct tern_service_plugin),
	.readable = echo_on,
	.writable = echo_on,
};
