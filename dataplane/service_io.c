/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Receiving and sending of tern_service.h: with progress noted, bytes counted, and the engine's
 * answers turned into what a service is told.
 *
 * "No room" and "no mbufs" differ: the engine tells when there is room again, but nobody tells when
 * a pool has mbufs again, so such a connection waits for its turn in the set.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "dataplane/service_impl.h"

/* ---- Receiving */

static ssize_t
receive_failed(struct tern_service_conn *conn, ssize_t error)
{
	if (error != -EAGAIN)
		service_end(conn, ENDING_BROKEN, (int)-error);
	return error;
}

ssize_t
tern_service_peek(struct tern_service_conn *conn, size_t offset, struct tern_service_data *data)
{
	const struct rte_mbuf *m;
	ssize_t queued = service_is_here(conn) ? tcp_peek_mbufs(conn->tcp, &m) : -EAGAIN;

	if (queued > 0)
		while (unlikely(offset >= m->data_len)) {
			offset -= m->data_len;
			m = m->next;
			if (m == NULL)
				break;
		}
	if (unlikely(queued <= 0 || m == NULL)) {
		*data = (struct tern_service_data){0};
		return queued >= 0 || queued == -EAGAIN ? queued : receive_failed(conn, queued);
	}
	data->data = rte_pktmbuf_mtod_offset(m, const uint8_t *, offset);
	data->bytes = m->data_len - offset;
	data->buffer = (void *)(uintptr_t)m;
	return queued;
}

size_t
tern_service_copy(struct tern_service_conn *conn, size_t offset, void *buffer, size_t bytes)
{
	const struct rte_mbuf *m;
	size_t copied = 0;

	if (!service_is_here(conn) || tcp_peek_mbufs(conn->tcp, &m) <= 0)
		return 0;
	for (; m != NULL && copied < bytes; m = m->next) {
		size_t part;

		if (offset >= m->data_len) {
			offset -= m->data_len;
			continue;
		}
		part = RTE_MIN(m->data_len - offset, bytes - copied);
		memcpy((uint8_t *)buffer + copied,
		       rte_pktmbuf_mtod_offset(m, const uint8_t *, offset), part);
		copied += part;
		offset = 0;
	}
	return copied;
}

static void
note_received(struct tern_service_conn *conn, size_t bytes)
{
	conn->moved = true;
	SERVICE_COUNT(conn->lane->set, bytes_in, bytes);
}

size_t
tern_service_consume(struct tern_service_conn *conn, size_t bytes)
{
	size_t n = service_is_here(conn) ? tcp_consume(conn->tcp, bytes) : 0;

	note_received(conn, n);
	return n;
}

ssize_t
tern_service_read(struct tern_service_conn *conn, void *buffer, size_t bytes)
{
	ssize_t n = service_is_here(conn) ? tcp_recv(conn->tcp, buffer, bytes, 0) : -EAGAIN;

	if (n < 0)
		return receive_failed(conn, n);
	note_received(conn, (size_t)n);
	return n;
}

bool
tern_service_ended(const struct tern_service_conn *conn)
{
	return (conn->frozen || service_is_here(conn)) && (tcp_poll(conn->tcp) & POLLRDHUP) != 0;
}

/* ---- Sending */

/* Nothing more can be taken now. */
static void
wait_for_room(struct tern_service_conn *conn)
{
	conn->wants_room = true;
	if (conn->frozen) /* it is told when it goes on */
		return;
	if (!service_is_here(conn) || tcp_send_room(conn->tcp) > 0) {
		SERVICE_COUNT(conn->lane->set, starved, 1);
		conn->starved = true;
		service_wait_for_turn(conn);
	} else {
		tcp_want_room(conn->tcp);
	}
}

void
service_sent(struct tern_service_conn *conn, size_t n, size_t wanted)
{
	conn->moved = true;
	SERVICE_COUNT(conn->lane->set, bytes_out, n);
	if (n < wanted)
		wait_for_room(conn);
}

ssize_t
service_send_failed(struct tern_service_conn *conn, ssize_t error)
{
	if (error == -EAGAIN || error == -ENOBUFS || error == -ENOMEM) {
		wait_for_room(conn);
		return -EAGAIN;
	}
	if (error != -EPIPE || !conn->shut)
		service_end(conn, ENDING_BROKEN, (int)-error);
	return error;
}

ssize_t
tern_service_send(struct tern_service_conn *conn, const void *data, size_t bytes, int flags)
{
	ssize_t n = service_is_here(conn)
			    ? tcp_send(conn->tcp, data, bytes, flags & TERN_SERVICE_MORE)
			    : -EAGAIN;

	if (n < 0)
		return service_send_failed(conn, n);
	service_sent(conn, (size_t)n, bytes);
	return n;
}

ssize_t
tern_service_sendv(struct tern_service_conn *conn, const struct iovec *iov, unsigned int n,
		   int flags)
{
	size_t sent = 0;

	for (unsigned int i = 0; i < n; i++) {
		ssize_t took;

		if (iov[i].iov_len == 0)
			continue;
		took = tern_service_send(conn, iov[i].iov_base, iov[i].iov_len,
					 i + 1 < n ? TERN_SERVICE_MORE : flags);
		if (took < 0)
			return sent > 0 ? (ssize_t)sent : took;
		sent += (size_t)took;
		if ((size_t)took < iov[i].iov_len)
			break;
	}
	return (ssize_t)sent;
}

size_t
tern_service_room(const struct tern_service_conn *conn)
{
	return conn->frozen || service_is_here(conn) ? tcp_send_room(conn->tcp) : 0;
}

void
tern_service_want_room(struct tern_service_conn *conn)
{
	conn->wants_room = true;
	if ((conn->is_folded && !service_is_here(conn)) || tcp_send_room(conn->tcp) > 0) {
		conn->room_due = true;
		service_wait_for_turn(conn);
	} else {
		tcp_want_room(conn->tcp);
	}
}
