/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * chargen, RFC 864: sends lines of printable characters as fast as the peer takes them, until the
 * peer's FIN. What the peer sends is dropped. The pattern lies in memory once; mbufs refer to it.
 */
#include "dataplane/service_kind.h"

static enum service_verdict
chargen_run(struct service_conn *conn)
{
	const struct content_blob *blob = content_chargen(conn->service->set->content);
	size_t bytes;
	enum service_verdict verdict = service_drain(conn, &bytes);
	uint64_t sent;

	if (verdict != SERVICE_WAIT)
		return verdict;
	sent = service_send_blob(conn, blob, conn->chargen.at, UINT64_MAX, &verdict);
	conn->chargen.at = (uint32_t)((conn->chargen.at + sent) % blob->bytes);
	return verdict;
}

const struct service_ops chargen_ops = {.run = chargen_run};
