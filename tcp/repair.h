/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Repair, Linux's TCP_REPAIR: what the engine's users see of it besides the socket calls. Part of
 * tcp.h.
 *
 * A connection in repair is frozen: what arrives for it is dropped, its time stands still, and
 * nothing leaves, whatever its user queues. Its queues can be read and written, a closed socket can
 * become an open connection without a packet, and an open one can vanish without one.
 */
#ifndef TERN_TCP_REPAIR_H
#define TERN_TCP_REPAIR_H

#include <sys/types.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tcp_conn;
struct tcp_engine;

/* Whether the socket's user may set TCP_REPAIR; nobody may at first, nor on an accepted one. */
void tcp_set_privileged(struct tcp_conn *c, bool privileged);

/*
 * In repair: what tcp_recv() with MSG_PEEK says of the chosen queue, but of the bytes behind the
 * first `skip`. Where SO_PEEK_OFF is on, its place counts instead.
 */
ssize_t tcp_repair_peek(struct tcp_conn *c, uint32_t skip, void *buf, size_t bytes, int flags);

/*
 * Into repair, whoever its user is: for a connection with a peer that is about to be saved.
 * tcp_resume() and tcp_close_silently() lead out. Returns 0; -EINVAL in CLOSED and LISTEN; -EBUSY
 * while CLC is talked on it, which the two ends then see differently.
 */
int tcp_freeze(struct tcp_conn *c);

/* Whether the connection is frozen. */
bool tcp_in_repair(const struct tcp_conn *c);

/*
 * While on, segments that belong to nobody are not answered, but for SYNs: connections that they
 * may be for are about to be restored. Off at first.
 */
void tcp_set_restoring(struct tcp_engine *engine, bool on);

#endif
