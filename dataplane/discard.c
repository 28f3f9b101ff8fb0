/* SPDX-License-Identifier: BSD-3-Clause */
/* discard, RFC 863: reads until the peer's FIN, and answers that with its own. */
#include "dataplane/service_kind.h"

static enum service_verdict
discard_run(struct service_conn *conn)
{
	size_t bytes;

	return service_drain(conn, &bytes);
}

const struct service_ops discard_ops = {.run = discard_run};
