/* SPDX-License-Identifier: BSD-3-Clause */
/* discard, RFC 863: reads until the peer's FIN, and answers that with its own. */
#include "dataplane/service_plugin.h"

void
discard_all(struct tern_service_conn *conn, void *state)
{
	struct tern_service_data in;
	ssize_t queued;

	(void)state;
	while ((queued = tern_service_peek(conn, 0, &in)) > 0)
		tern_service_consume(conn, (size_t)queued);
	if (queued == 0)
		tern_service_close(conn);
}

const struct tern_service_plugin discard_plugin = {
	.abi = TERN_SERVICE_ABI,
	.bytes = sizeof(struct tern_service_plugin),
	.readable = discard_all,
};
