/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How services of every kind read and send: with progress noted, bytes counted, and the engine's
 * answers turned into verdicts.
 *
 * "No room" and "no mbufs" differ: the engine tells when there is room again, but nobody tells when
 * a pool has mbufs again, so such a connection waits for its turn in the set.
 */
#include <errno.h>
#include <sys/socket.h>
#include <time.h>

#include "dataplane/service_kind.h"

enum {
	CHAIN_MBUFS = 16, /* queued at once: up to 512 KiB */
};

uint32_t
service_wall_s(struct service_set *set)
{
	if (set->wall_s == 0 || set->now_us - set->wall_taken_us >= 1000000) {
		set->wall_s = (uint32_t)time(NULL);
		set->wall_taken_us = set->now_us;
	}
	return set->wall_s;
}

static void
note_sent(struct service_conn *conn, size_t bytes)
{
	conn->moved = true;
	SERVICE_COUNT(conn->service->set, bytes_out, bytes);
}

static enum service_verdict
verdict_of(const struct service_conn *conn, ssize_t error)
{
	if (error == -ENOBUFS || error == -ENOMEM)
		return SERVICE_STARVED;
	if (error != -EAGAIN)
		return SERVICE_BROKEN;
	return tcp_send_room(conn->tcp) > 0 ? SERVICE_STARVED : SERVICE_WAIT;
}

ssize_t
service_send(struct service_conn *conn, const void *data, size_t bytes, int flags,
	     enum service_verdict *verdict)
{
	ssize_t n = tcp_send(conn->tcp, data, bytes, flags);

	if (n < 0) {
		*verdict = verdict_of(conn, n);
		return *verdict == SERVICE_BROKEN ? -1 : 0;
	}
	note_sent(conn, (size_t)n);
	if ((size_t)n < bytes)
		*verdict = tcp_send_room(conn->tcp) > 0 ? SERVICE_STARVED : SERVICE_WAIT;
	return n;
}

uint64_t
service_send_blob(struct service_conn *conn, const struct content_blob *blob, uint64_t offset,
		  uint64_t bytes, enum service_verdict *verdict)
{
	struct service_set *set = conn->service->set;
	size_t at = (size_t)(offset % blob->bytes);
	uint64_t sent = 0;

	*verdict = SERVICE_WAIT;
	while (sent < bytes) {
		size_t room = tcp_send_room(conn->tcp);
		struct rte_mbuf *chain;
		ssize_t n;

		/* The engine tells of room only those who asked for it in vain. */
		if (room == 0) {
			n = service_send(conn, blob->data + at, 1, 0, verdict);
			if (n <= 0)
				break;
			sent++;
			at = (at + 1) % blob->bytes;
			continue;
		}
		if (room > bytes - sent)
			room = (size_t)(bytes - sent);
		chain = content_refer(blob, at, room, CHAIN_MBUFS, set->shared, set->ref_pool);
		if (chain == NULL) {
			*verdict = SERVICE_STARVED;
			break;
		}
		n = tcp_send_mbufs(conn->tcp, chain, 0);
		if (n < 0) {
			rte_pktmbuf_free(chain);
			*verdict = verdict_of(conn, n);
			break;
		}
		note_sent(conn, (size_t)n);
		sent += (uint64_t)n;
		at = (size_t)((at + (size_t)n) % blob->bytes);
	}
	return sent;
}

void
service_consume(struct service_conn *conn, size_t bytes)
{
	size_t n = tcp_consume(conn->tcp, bytes);

	conn->moved = true;
	SERVICE_COUNT(conn->service->set, bytes_in, n);
}

enum service_verdict
service_drain(struct service_conn *conn, size_t *bytes)
{
	*bytes = 0;
	for (;;) {
		const struct rte_mbuf *m;
		ssize_t n = tcp_peek_mbufs(conn->tcp, &m);

		if (n == 0)
			return SERVICE_CLOSE;
		if (n < 0)
			return n == -EAGAIN ? SERVICE_WAIT : SERVICE_BROKEN;
		service_consume(conn, (size_t)n);
		*bytes += (size_t)n;
	}
}
