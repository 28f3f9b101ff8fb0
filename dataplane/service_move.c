/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Connections of services that go on elsewhere, or come from there.
 *
 *     freeze -> save -> leave: closed(ECONNABORTED), and not a packet
 *                    -> thaw:  nothing has happened
 *     restore: restored(), with the connection in repair; readable(), writable() when it goes on
 *
 * While it is frozen no callback comes for it, its timers and its time of idleness wait, and what
 * other connections' callbacks want to read from it or send to it is "not now".
 *
 * What is saved: a version, flags, and what the service has written behind them. A connection that
 * lingers has no service any more that would have something to write. A connection that its service
 * has closed for good is nobody's, and is not here.
 */
#include <errno.h>
#include <linux/sockios.h>
#include <poll.h>
#include <string.h>

#include "dataplane/service_impl.h"
#include "dataplane/service_plugin.h"

enum {
	SAVED_VERSION = 1,
	SAVED_HEAD_BYTES = 2,

	SAVED_LINGERS = 1 << 0, /* its service has finished it */
	SAVED_SHUT = 1 << 1,    /* its service sends no more */
	SAVED_FLAGS = SAVED_LINGERS | SAVED_SHUT,
};

static_assert(SAVED_HEAD_BYTES + TERN_SERVICE_SAVED_BYTES_MAX == SERVICE_SAVED_BYTES_MAX,
	      "what a service writes has room");

/* ---- Whose is it */

static bool
is_listener(const struct service_set *set, const void *user)
{
	const struct service_listener *listener = user;

	return listener >= set->listeners && listener < set->listeners + set->n_listeners;
}

int
service_set_owner(const struct service_set *set, const void *user)
{
	const struct tern_service_conn *conn = user;

	return user == NULL || is_listener(set, user) ? -1 : (int)conn->lane->index;
}

int
service_set_listens(const struct service_set *set, const struct tcp_endpoint *local)
{
	int found = -1;

	for (unsigned int i = 0; i < set->n_listeners; i++) {
		const struct service_listener *listener = &set->listeners[i];
		struct tcp_endpoint at;

		if (tcp_getsockname(listener->tcp, &at) < 0 || at.port != local->port)
			continue;
		if (ip_eq(&at.ip, &local->ip))
			return (int)listener->lane->index;
		if (ip_is_any(&at.ip) && ip_is4(&at.ip) <= ip_is4(&local->ip))
			found = (int)listener->lane->index;
	}
	return found;
}

int
service_set_movable(const struct service_set *set, unsigned int service, char *why)
{
	if (service_plugin_can_move(set->services[service].plugin))
		return 0;
	snprintf(why, TERN_SERVICE_WHY_BYTES,
		 "its service has state that it cannot save; a plugin can with save and restored "
		 "of tern_service.h");
	return -EOPNOTSUPP;
}

static int
answer(int status, char *why)
{
	why[TERN_SERVICE_WHY_BYTES - 1] = '\0';
	if (why[0] == '\0')
		snprintf(why, TERN_SERVICE_WHY_BYTES, "%s", strerror(-status));
	return status;
}

/* ---- Leaving */

void
service_set_freeze(struct service_set *set, void *user)
{
	struct tern_service_conn *conn = user;

	(void)set;
	conn->frozen = true;
}

void
service_set_thaw(struct service_set *set, void *user)
{
	struct tern_service_conn *conn = user;

	(void)set;
	conn->frozen = false;
	conn->room_due = conn->wants_room;
	service_wait_for_turn(conn);
}

bool
service_set_is_frozen(const void *user)
{
	const struct tern_service_conn *conn = user;

	return conn->frozen;
}

ssize_t
service_set_save(struct service_set *set, void *user, uint8_t *to, char *why)
{
	struct tern_service_conn *conn = user;
	ssize_t n = 0;

	why[0] = '\0';
	if (conn->ending != ENDING_NOT || conn->connecting) {
		snprintf(why, TERN_SERVICE_WHY_BYTES, "its service is just %s it",
			 conn->connecting ? "opening" : "closing");
		return -EBUSY;
	}
	to[0] = SAVED_VERSION;
	to[1] = (uint8_t)((conn->lingering ? SAVED_LINGERS : 0) | (conn->shut ? SAVED_SHUT : 0));
	if (conn->lingering)
		return SAVED_HEAD_BYTES;
	if (service_set_movable(set, conn->lane->index, why) < 0)
		return -EOPNOTSUPP;
	n = conn->lane->ops->save(conn, conn->state, to + SAVED_HEAD_BYTES,
				  TERN_SERVICE_SAVED_BYTES_MAX, why);
	if (n >= 0 && n <= TERN_SERVICE_SAVED_BYTES_MAX)
		return SAVED_HEAD_BYTES + n;
	if (n >= 0) {
		snprintf(why, TERN_SERVICE_WHY_BYTES,
			 "its service says that it has saved %zd "
			 "bytes, and may save %d",
			 n, TERN_SERVICE_SAVED_BYTES_MAX);
		return -EOVERFLOW;
	}
	return answer((int)n, why);
}

void
service_set_leave(struct service_set *set, void *user)
{
	struct tern_service_conn *conn = user;

	SERVICE_COUNT(set, left, 1);
	service_gone(conn);
}

/* ---- Coming */

/* Hands over what was saved, or a connection of another's; the slot is the service's then. */
static int
hand_over(struct tern_service_conn *conn, const uint8_t *from, size_t bytes, char *why)
{
	struct service_set *set = conn->lane->set;
	int status;

	conn->frozen = true; /* until it goes on nothing can be read or sent */
	set->running = conn;
	set->ran |= 1u << conn->lane->index;
	if (bytes > 0) {
		conn->shut = (from[1] & SAVED_SHUT) != 0;
		status = conn->lane->ops->restored(conn, conn->state, from + SAVED_HEAD_BYTES,
						   bytes - SAVED_HEAD_BYTES, why);
	} else {
		status = conn->lane->ops->accepted(conn, conn->state);
		if (status > 0)
			status = -ECONNREFUSED;
	}
	set->running = NULL;
	conn->frozen = false;
	return status < 0 ? answer(status, why) : 0;
}

static void
take_back(struct tern_service_conn *conn)
{
	service_timer_set(conn, UINT64_MAX);
	if (conn->waiting)
		STAILQ_REMOVE(&conn->lane->set->waiting, conn, tern_service_conn, by_turn);
	conn->waiting = false;
	tcp_set_user(conn->tcp, NULL);
	service_slot_free(conn);
}

int
service_set_restore(struct service_set *set, unsigned int service, struct tcp_conn *c,
		    const uint8_t *from, size_t bytes, char *why)
{
	struct tern_service_lane *lane = &set->services[service];
	struct tern_service_conn *conn;
	int status = bytes > 0 ? service_set_movable(set, service, why) : 0;

	if (status < 0)
		return status;
	why[0] = '\0';
	if (bytes > 0 && (bytes < SAVED_HEAD_BYTES || from[0] != SAVED_VERSION ||
			  (from[1] & ~SAVED_FLAGS) != 0)) {
		snprintf(why, TERN_SERVICE_WHY_BYTES,
			 "what its service has saved is damaged, or of another version of ternd");
		return -EINVAL;
	}
	conn = service_slot_take(lane, c);
	if (conn == NULL) {
		snprintf(why, TERN_SERVICE_WHY_BYTES,
			 "the services have as many connections as [limits] connections allows");
		return -ENOBUFS;
	}
	if (bytes > 0 && (from[1] & SAVED_LINGERS) != 0)
		service_linger_on(conn);
	else
		status = hand_over(conn, from, bytes, why);
	if (status < 0) {
		take_back(conn);
		return status;
	}
	conn->wants_room = !conn->lingering;
	conn->room_due = conn->wants_room;
	conn->yielded = !conn->lingering;
	service_wait_for_turn(conn);
	SERVICE_COUNT(set, came, 1);
	return 0;
}
