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

#include <stdbool.h>

struct tcp_conn;
struct tcp_engine;

/* Whether the socket's user may set TCP_REPAIR; nobody may at first, nor on an accepted one. */
void tcp_set_privileged(struct tcp_conn *c, bool privileged);

/* Whether the connection is frozen. */
bool tcp_in_repair(const struct tcp_conn *c);

/*
 * While on, segments that belong to nobody are not answered, but for SYNs: connections that they
 * may be for are about to be restored. Off at first.
 */
void tcp_set_restoring(struct tcp_engine *engine, bool on);

#endif
