/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The rest of tern_service.h: where a callback runs, addresses and options, the end of a
 * connection, its timer, and connecting out.
 */
#include <errno.h>
#include <netinet/in.h>
#include <linux/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "dataplane/service_impl.h"

/* ---- Where am I */

struct tern_service_lane *
tern_service_lane_of(const struct tern_service_conn *conn)
{
	return conn->lane;
}

void *
tern_service_lane_state(const struct tern_service_lane *lane)
{
	return lane->state;
}

void *
tern_service_shared_state(const struct tern_service_lane *lane)
{
	return lane->shared;
}

void *
tern_service_conn_state(struct tern_service_conn *conn)
{
	return conn->state;
}

unsigned int
tern_service_lane_index(const struct tern_service_lane *lane)
{
	return lane->set->index;
}

uint64_t
tern_service_now_us(const struct tern_service_lane *lane)
{
	return lane->set->now_us;
}

uint32_t
tern_service_wall_s(struct tern_service_lane *lane)
{
	struct service_set *set = lane->set;

	if (set->wall_s == 0 || set->now_us - set->wall_taken_us >= 1000000) {
		set->wall_s = (uint32_t)time(NULL);
		set->wall_taken_us = set->now_us;
	}
	return set->wall_s;
}

void
tern_service_count(struct tern_service_lane *lane, unsigned int counter, uint64_t n)
{
	if (counter < lane->n_counts)
		__atomic_store_n(&lane->counts[counter], lane->counts[counter] + n,
				 __ATOMIC_RELAXED);
}

/* ---- Addresses and options */

static void
address_out(const struct tcp_endpoint *from, struct sockaddr_storage *to)
{
	struct sockaddr_in *in = (struct sockaddr_in *)to;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)to;

	memset(to, 0, sizeof(*to));
	if (ip_is4(&from->ip)) {
		in->sin_family = AF_INET;
		in->sin_port = htons(from->port);
		memcpy(&in->sin_addr, &from->ip.w[3], sizeof(in->sin_addr));
	} else {
		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons(from->port);
		memcpy(&in6->sin6_addr, from->ip.w, sizeof(in6->sin6_addr));
	}
}

static int
address_in(const struct sockaddr *from, struct tcp_endpoint *to)
{
	const struct sockaddr_in *in = (const struct sockaddr_in *)from;
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)from;
	be32_t ip4;

	*to = (struct tcp_endpoint){0};
	if (from->sa_family == AF_INET) {
		memcpy(&ip4, &in->sin_addr, sizeof(ip4));
		to->ip = ip_from4(ip4);
		to->port = ntohs(in->sin_port);
	} else if (from->sa_family == AF_INET6) {
		memcpy(to->ip.w, &in6->sin6_addr, sizeof(to->ip.w));
		to->port = ntohs(in6->sin6_port);
	} else {
		return -EAFNOSUPPORT;
	}
	return 0;
}

/* Also while it is about to move. */
static bool
can_ask(const struct tern_service_conn *conn)
{
	return conn->frozen || service_is_here(conn);
}

int
tern_service_local(const struct tern_service_conn *conn, struct sockaddr_storage *address)
{
	struct tcp_endpoint endpoint;
	int status = can_ask(conn) ? tcp_getsockname(conn->tcp, &endpoint) : -EAGAIN;

	if (status == 0)
		address_out(&endpoint, address);
	return status;
}

int
tern_service_remote(const struct tern_service_conn *conn, struct sockaddr_storage *address)
{
	struct tcp_endpoint endpoint;
	int status = can_ask(conn) ? tcp_getpeername(conn->tcp, &endpoint) : -EAGAIN;

	if (status == 0)
		address_out(&endpoint, address);
	return status;
}

int
tern_service_setsockopt(struct tern_service_conn *conn, int level, int name, const void *value,
			size_t bytes)
{
	return can_ask(conn) ? tcp_setsockopt(conn->tcp, level, name, value, bytes) : -EAGAIN;
}

int
tern_service_getsockopt(struct tern_service_conn *conn, int level, int name, void *value,
			size_t *bytes)
{
	return can_ask(conn) ? tcp_getsockopt(conn->tcp, level, name, value, bytes) : -EAGAIN;
}

/* ---- The end */

int
tern_service_shutdown(struct tern_service_conn *conn)
{
	int status = can_ask(conn) ? tcp_shutdown(conn->tcp, SHUT_WR) : -EAGAIN;

	if (status == 0)
		conn->shut = true;
	return status;
}

void
tern_service_close(struct tern_service_conn *conn)
{
	service_end(conn, ENDING_CLOSE, 0);
}

void
tern_service_finish(struct tern_service_conn *conn)
{
	service_end(conn, ENDING_FINISH, 0);
}

void
tern_service_abort(struct tern_service_conn *conn)
{
	service_end(conn, ENDING_ABORT, ECONNABORTED);
}

/* ---- Time and turns */

void
tern_service_yield(struct tern_service_conn *conn)
{
	conn->yielded = true;
	service_wait_for_turn(conn);
}

void
tern_service_timer(struct tern_service_conn *conn, uint64_t delay_us)
{
	uint64_t due_us;

	if (__builtin_add_overflow(conn->lane->set->now_us, delay_us, &due_us))
		due_us = UINT64_MAX;
	if (conn->ending == ENDING_NOT)
		service_timer_set(conn, due_us);
}

/* ---- Connecting out */

/* Returns how many bytes of `first` went with the SYN, or a negative errno. */
static ssize_t
start_connecting(struct tcp_conn *tcp, const struct tcp_endpoint *to, const struct tcp_endpoint *at,
		 const struct iovec *first)
{
	const int on = 1;
	ssize_t status = tcp_setsockopt(tcp, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));

	if (status == 0 && at != NULL)
		status = tcp_bind(tcp, at);
	if (status == 0 && first != NULL)
		status = tcp_sendto(tcp, first->iov_base, first->iov_len, MSG_FASTOPEN, to);
	else if (status == 0)
		status = tcp_connect(tcp, to);
	return status == -EINPROGRESS ? 0 : status;
}

/* Opens a connection, with Fast Open if `first` is not NULL. Returns as start_connecting(). */
static ssize_t
connect_out(struct tern_service_lane *lane, const struct sockaddr *remote,
	    const struct sockaddr *local, const struct iovec *first,
	    struct tern_service_conn **conn)
{
	struct tcp_endpoint to, at;
	struct tcp_conn *tcp;
	ssize_t status = address_in(remote, &to);

	if (status == 0 && local != NULL)
		status = address_in(local, &at);
	if (status < 0)
		return status;
	if (lane->set->closed)
		return -ESHUTDOWN;
	if (tcp_open(lane->set->engine, remote->sa_family, &tcp) < 0)
		return -EAGAIN;
	*conn = service_slot_take(lane, tcp);
	if (*conn == NULL) {
		tcp_close(tcp);
		return -EAGAIN;
	}
	status = start_connecting(tcp, &to, local != NULL ? &at : NULL, first);
	if (status < 0) {
		service_slot_free(*conn);
		tcp_close(tcp);
		return status;
	}
	(*conn)->connecting = true;
	SERVICE_COUNT(lane->set, connects, 1);
	SERVICE_COUNT(lane->set, bytes_out, status);
	return status;
}

int
tern_service_connect(struct tern_service_lane *lane, const struct sockaddr *remote,
		     const struct sockaddr *local, struct tern_service_conn **conn)
{
	return (int)connect_out(lane, remote, local, NULL, conn);
}

ssize_t
tern_service_connect_send(struct tern_service_lane *lane, const struct sockaddr *remote,
			  const struct sockaddr *local, const void *data, size_t bytes,
			  struct tern_service_conn **conn)
{
	const struct iovec first = {(void *)(uintptr_t)data, bytes};

	return connect_out(lane, remote, local, &first, conn);
}
