/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Connections out of a lane and into it; see lane_moves.h.
 *
 * Out: a connection is held before its image is made. Its service hears nothing of it, or its
 * programs' requests wait; it is in repair, so nothing comes and nothing leaves. Until somebody
 * says that the image is safe it can go on as if nothing had been. Who cannot be held (in repair by
 * its program, or its service cannot save it) is reported, and goes on.
 *
 * In: a connection is made in repair. Only when a service or a listener has taken it is the peer
 * asked what it has. If nobody takes it, its address is mute: it can be restored elsewhere. Who was
 * idle asks when all others go on: a packet may cost the device's driver more than a connection
 * costs us, and whose peer speaks first is to be there.
 *
 * Nobody's connections move, too: one that waits to be accepted is withdrawn while it is held, and
 * put back, behind the others, if it goes on; one that its user has closed, and that is still to
 * finish, is closed again where it is restored.
 *
 * A held connection ends only here: a program that goes leaves it to be let go.
 */
#include <errno.h>
#include <string.h>

#include <netinet/in.h>
#include <linux/tcp.h>

#include "dataplane/lane_impl.h"
#include "dataplane/lane_moves.h"

enum {
	REPAIR_OFF_SILENTLY = -1,
	WAITS_MAX = 1000, /* for packet buffers, a question each */
	END_CONNS = 256,
	PREFETCH_BYTES = 512, /* of an image: an idle connection's */
};

/* Out of repair, without a word to the peer. */
static void
unfreeze(struct tcp_conn *c)
{
	const int off = REPAIR_OFF_SILENTLY;

	tcp_set_privileged(c, true);
	tcp_setsockopt(c, IPPROTO_TCP, TCP_REPAIR, &off, sizeof(off));
	tcp_set_privileged(c, false);
}

static uint64_t
queued(const struct tcp_checkpoint *saved)
{
	return (uint64_t)saved->recvq_bytes + saved->sendq_bytes;
}

/* ---- Holding */

static bool
is_program(const struct lane *lane, const void *user)
{
	return gateway_owns(lane->gateway, user);
}

/* As if nothing had been. `silently`: nothing can have come meanwhile. */
static void
let_go_on(struct lane *lane, struct tcp_conn *c, bool silently)
{
	if (tcp_user(c) == NULL) {
		if (silently)
			unfreeze(c);
		else
			tcp_resume(c);
		if (!tcp_is_orphan(c))
			tcp_put_back(c);
		return;
	}
	if (is_program(lane, tcp_user(c))) {
		gateway_let_go(lane->gateway, tcp_user(c));
		return;
	}
	if (silently)
		unfreeze(c);
	else
		tcp_resume(c);
	service_set_thaw(lane->services, tcp_user(c));
}

static void
let_leave(struct lane *lane, struct tcp_conn *c)
{
	if (tcp_user(c) == NULL)
		tcp_close_silently(c);
	else if (is_program(lane, tcp_user(c)))
		gateway_take_away(lane->gateway, tcp_user(c));
	else
		service_set_leave(lane->services, tcp_user(c));
}

static bool
is_held(const struct lane *lane, struct tcp_conn *c)
{
	const void *user = tcp_user(c);

	if (!tcp_in_repair(c))
		return false;
	if (user == NULL)
		return tcp_waits_at(c) == NULL;
	return is_program(lane, user) ? gateway_is_held(user) : service_set_is_frozen(user);
}

static bool
has_process(const void *user, int32_t pid)
{
	struct gateway_user users[LANE_OWNERS];
	unsigned int n = gateway_users(user, users, LANE_OWNERS);

	for (unsigned int i = 0; i < n; i++)
		if (users[i].pid == pid)
			return true;
	return false;
}

/* Of a program is also what waits to be accepted by it, and nobody's what it has closed. */
static bool
is_wanted_of_nobody(const struct lane *lane, const struct lane_moves *m, const struct tcp_conn *c)
{
	const void *listener = tcp_waits_at(c);

	if (listener == NULL && !tcp_is_orphan(c))
		return false; /* it is being restored */
	if (m->who == LANE_MOVE_PROCESS)
		return listener != NULL && is_program(lane, listener) &&
		       has_process(listener, m->pid);
	return m->who != LANE_MOVE_SERVICE;
}

static bool
is_wanted(const struct lane *lane, const struct lane_moves *m, struct tcp_conn *c)
{
	const void *user = tcp_user(c);
	bool program = user != NULL && is_program(lane, user);

	if (user == NULL)
		return is_wanted_of_nobody(lane, m, c);
	if (!program && service_set_owner(lane->services, user) < 0)
		return false;
	switch (m->who) {
	case LANE_MOVE_SERVICE:
		return !program && service_set_owner(lane->services, user) == (int)m->service;
	case LANE_MOVE_PROCESS:
		return program && has_process(user, m->pid);
	case LANE_MOVE_TUPLE:
	case LANE_MOVE_ALL:
		break;
	}
	return true;
}

/* ---- Checkpoint */

static struct lane_moved *
note(struct lane_moves *m, struct tcp_conn *c)
{
	struct lane_moved *moved = &m->moved[m->n];

	moved->tuple = tcp_tuple_of(c);
	moved->bytes = 0;
	moved->error = 0;
	moved->why = m->whys[m->n++];
	return moved;
}

static void
note_refused(struct lane_moves *m, struct tcp_conn *c, int error, const char *why)
{
	struct lane_moved *moved = note(m, c);

	moved->error = -error;
	snprintf(moved->why, LANE_MOVE_WHY, "%s", why);
}

static const char *
busy_text(int error)
{
	return error == -EBUSY ? "it is just being opened; try again in a moment"
			       : "it is not open, or has ended";
}

static int
hold_nobodys(struct tcp_conn *c, char *why)
{
	int status = tcp_freeze(c);

	if (status < 0)
		snprintf(why, LANE_MOVE_WHY, "%s", busy_text(status));
	else if (!tcp_is_orphan(c))
		tcp_withdraw(c);
	return status;
}

/* Holds it. Returns 0, or a negative errno with the reason; nothing has changed then. */
static int
hold(struct lane *lane, struct tcp_conn *c, struct move_service *service, uint8_t *state, char *why)
{
	void *user = tcp_user(c);
	unsigned int index;
	const char *name;
	int status;
	ssize_t n;

	if (tcp_in_repair(c)) {
		snprintf(why, LANE_MOVE_WHY,
			 is_held(lane, c) ? "another checkpoint holds it, and has not ended"
					  : "its program has it in repair");
		return -EBUSY;
	}
	if (user == NULL)
		return hold_nobodys(c, why);
	if (is_program(lane, user)) {
		if (gateway_hold(lane->gateway, user))
			return 0;
		snprintf(why, LANE_MOVE_WHY, "it has ended");
		return -EINVAL;
	}
	index = (unsigned int)service_set_owner(lane->services, user);
	n = service_set_save(lane->services, user, state, why);
	if (n < 0)
		return (int)n;
	status = tcp_freeze(c);
	if (status < 0) {
		snprintf(why, LANE_MOVE_WHY, "%s", busy_text(status));
		return status;
	}
	name = lane->config->services[index].name;
	service->name = (struct image_bytes){(const uint8_t *)name, strlen(name)};
	service->state = (struct image_bytes){state, (size_t)n};
	service_set_freeze(lane->services, user);
	return 0;
}

/* Begins the image of a connection. */
static void
begin(struct lane *lane, struct lane_moves *m, struct tcp_conn *c)
{
	uint8_t state[SERVICE_SAVED_BYTES_MAX];
	struct move_service service = {0};
	char why[LANE_MOVE_WHY] = "";
	int status = hold(lane, c, &service, state, why);

	if (status < 0) {
		note_refused(m, c, status, why);
		return;
	}
	status = move_out_begin(&m->out, c, service.name.n > 0 ? &service : NULL, &lane->moves);
	if (status < 0) {
		let_go_on(lane, c, true);
		note_refused(m, c, status, busy_text(status));
		return;
	}
	m->c = c;
	m->image_bytes = move_out_bytes(&m->out);
	m->image_done = 0;
	m->one_slice = true;
}

/* Writes on. Returns whether the image is complete. */
static bool
write_on(struct lane_moves *m)
{
	size_t room = LANE_MOVE_BYTES - m->bytes;
	size_t n = move_out_read(&m->out, m->image_done, m->to + m->bytes, room);

	m->bytes += n;
	m->image_done += n;
	return m->image_done == m->image_bytes;
}

/* The next that is wanted; NULL when none is left, or for this slice (then not `over`). */
static struct tcp_conn *
next_conn(struct lane *lane, struct lane_moves *m)
{
	struct tcp_conn *c;

	if (m->who == LANE_MOVE_TUPLE) {
		c = m->cursor == TCP_LIST_END ? NULL : tcp_find(lane->tcp, &m->tuple);
		m->cursor = TCP_LIST_END;
		m->over = c == NULL || !is_wanted(lane, m, c);
		return m->over ? NULL : c;
	}
	while (m->cursor != TCP_LIST_END) {
		c = tcp_walk(lane->tcp, &m->cursor);
		if (c == NULL)
			break;
		if (is_wanted(lane, m, c))
			return c;
	}
	m->over = m->cursor == TCP_LIST_END;
	return NULL;
}

void
lane_moves_checkpoint(struct lane *lane, struct lane_moves *m)
{
	m->n = 0;
	m->bytes = 0;
	m->over = false;
	while (m->n < LANE_MOVE_CONNS && m->bytes < LANE_MOVE_BYTES) {
		if (m->c == NULL) {
			struct tcp_conn *c = m->enough ? NULL : next_conn(lane, m);

			if (c == NULL)
				return;
			begin(lane, m, c);
			continue;
		}
		if (!write_on(m))
			break;
		note(m, m->c)->bytes = queued(&m->out.saved);
		if (m->keep)
			let_go_on(lane, m->c, m->one_slice);
		m->c = NULL;
	}
	m->one_slice = false;
}

void
lane_moves_undo(struct lane *lane, struct lane_moves *m)
{
	if (m->c != NULL)
		let_go_on(lane, m->c, false);
	for (unsigned int i = 0; i < m->n && !m->keep; i++) {
		struct tcp_conn *c = tcp_find(lane->tcp, &m->moved[i].tuple);

		if (m->moved[i].error == 0 && c != NULL && is_held(lane, c))
			let_go_on(lane, c, false);
	}
}

/* ---- Its end */

/* While one is worked on. */
static void
prefetch_next(const struct tcp_conn *c)
{
	if (c != NULL)
		tcp_checkpoint_prefetch(c);
}

static void
end_one(struct lane *lane, struct lane_moves *m)
{
	struct tcp_conn *c = tcp_find(lane->tcp, &m->held[m->next++]);

	if (c == NULL || !is_held(lane, c))
		m->gone++;
	else if (m->leave)
		let_leave(lane, c);
	else
		let_go_on(lane, c, false);
}

/* A connection is looked for twice: who ends one may end others, so nothing but its lines is kept.
 */
void
lane_moves_end(struct lane *lane, struct lane_moves *m)
{
	for (unsigned int done = 0; done < END_CONNS && m->next < m->n_held;) {
		unsigned int n = RTE_MIN(m->n_held - m->next, (uint32_t)TCP_FIND_AHEAD);
		const struct tcp_tuple *tuples[TCP_FIND_AHEAD];
		const struct tcp_conn *at[TCP_FIND_AHEAD + 1] = {NULL};

		for (unsigned int i = 0; i < n; i++)
			tuples[i] = &m->held[m->next + i];
		tcp_find_ahead(lane->tcp, tuples, n, at);
		for (unsigned int i = 0; i < n; i++, done++) {
			prefetch_next(at[i + 1]);
			end_one(lane, m);
		}
	}
}

/* ---- Restore */

/* With an empty `why` it is the error's. */
static int
refuse(struct lane_image *image, int error, const char *why)
{
	image->moved.error = -error;
	snprintf(image->moved.why, LANE_MOVE_WHY, "%s", why);
	return error;
}

void
lane_moves_restore_check(struct lane *lane, struct lane_moves *m)
{
	for (unsigned int i = 0; i < END_CONNS && m->next < m->n_images; i++) {
		struct lane_image *image = &m->images[m->next++];

		if (image->lane != lane->index && image->moved.error == 0 &&
		    tcp_find(lane->tcp, &image->moved.tuple) != NULL)
			refuse(image, -EADDRNOTAVAIL, "it is in use here, in another lane");
	}
}

static const char *
offer_error_text(int error)
{
	switch (error) {
	case -ECONNREFUSED:
		return "nobody listens at its address; start who does first, or give --service";
	case -EAGAIN:
		return "the backlog of who listens there is full";
	case -EINVAL:
		return "it is not open yet, and no listener can have it; give --service";
	default:
		return strerror(-error);
	}
}

/* Gives a new connection to its service, or to who listens. */
static int
place(struct lane *lane, const struct image *from, struct lane_image *image, struct tcp_conn *c)
{
	const struct image_bytes *state = &from->message.service_state;
	char why[LANE_MOVE_WHY];
	int status;

	if (image->orphan)
		return 0; /* nobody's, here as there */
	if (image->service < 0) {
		status = tcp_offer(c);
		return status < 0 ? refuse(image, status, offer_error_text(status)) : 0;
	}
	status = service_set_restore(lane->services, (unsigned int)image->service, c, state->at,
				     state->n, why);
	if (status < 0)
		return refuse(image, status, why);
	service_set_freeze(lane->services, tcp_user(c)); /* until it goes on */
	return 0;
}

static void
go_on(struct lane *lane, struct lane_image *image, struct tcp_conn *c)
{
	image->asks = image->moved.bytes == 0 && !image->orphan;
	if (image->asks)
		tcp_go_on(c);
	else
		tcp_resume(c);
	if (image->orphan)
		tcp_close(c);
	else if (tcp_user(c) != NULL && !is_program(lane, tcp_user(c)))
		service_set_thaw(lane->services, tcp_user(c));
}

static void
complete(struct lane *lane, struct lane_moves *m, struct lane_image *image)
{
	struct tcp_conn *c;
	int status = move_in_end(&m->in, &c);

	if (status < 0) {
		refuse(image, status, m->in.why);
		return;
	}
	image->moved.tuple = tcp_tuple_of(c);
	image->moved.bytes = image_queue_bytes(&m->in.image);
	image->orphan = m->in.saved.orphan;
	if (place(lane, &m->in.image, image, c) < 0)
		tcp_close_silently(c);
	else if (!m->together)
		go_on(lane, image, c);
}

/* Begins to read an image. Returns false if it is refused. */
static bool
begin_reading(struct lane *lane, struct lane_moves *m, struct lane_image *image)
{
	int status =
		move_in_begin_read(&m->in, lane->tcp, image->image, image->target, &lane->moves);

	if (status < 0) {
		refuse(image, status, m->in.why);
		return false;
	}
	m->done = image->head_bytes;
	m->waits = 0;
	return true;
}

/* Reads on, *budget bytes at most. Returns whether the image is done with. */
static bool
read_on(struct lane *lane, struct lane_moves *m, struct lane_image *image, uint64_t *budget)
{
	while (move_in_wants(&m->in) > 0) {
		uint64_t left = image->bytes - m->done;
		ssize_t n;

		if (left == 0) { /* cut short: it says so */
			complete(lane, m, image);
			return true;
		}
		if (*budget == 0)
			return false;
		n = move_in_more(&m->in, image->at + m->done, RTE_MIN(left, *budget));
		if (n > 0) {
			m->done += (uint64_t)n;
			*budget -= (uint64_t)n;
			continue;
		}
		if (m->waits++ < WAITS_MAX)
			return false;
		move_in_cancel(&m->in);
		refuse(image, -ENOBUFS, "packet buffers ran out; raise [limits] buffers");
		return true;
	}
	complete(lane, m, image);
	return true;
}

/* Whose images are the next, as far as one slice goes: their places in the flow table. */
static void
restore_ahead(struct lane *lane, const struct lane_moves *m)
{
	const struct tcp_tuple *tuples[TCP_FIND_AHEAD];
	const struct tcp_conn *at[TCP_FIND_AHEAD];
	uint64_t bytes = 0;
	unsigned int n = 0;

	for (uint32_t i = m->next; i < m->n_images && n < TCP_FIND_AHEAD && bytes < LANE_MOVE_BYTES;
	     i++) {
		const struct lane_image *image = &m->images[i];

		if (image->lane != lane->index || image->moved.error != 0)
			continue;
		tuples[n++] = &image->moved.tuple;
		bytes += image->bytes;
	}
	tcp_find_ahead(lane->tcp, tuples, n, at);
}

/* What another thread has read comes while the image before is worked on. */
static void
prefetch_image(const struct lane_moves *m, uint32_t i)
{
	const struct lane_image *image = &m->images[i];

	if (i >= m->n_images || image->image == NULL)
		return;
	for (size_t at = 0; at < sizeof(*image->image); at += RTE_CACHE_LINE_SIZE)
		__builtin_prefetch((const uint8_t *)image->image + at);
	for (size_t at = 0; at < image->head_bytes && at < PREFETCH_BYTES;
	     at += RTE_CACHE_LINE_SIZE)
		__builtin_prefetch(image->at + at);
}

void
lane_moves_restore(struct lane *lane, struct lane_moves *m)
{
	uint64_t budget = LANE_MOVE_BYTES;

	restore_ahead(lane, m);
	for (unsigned int n = 0; n < LANE_MOVE_CONNS && m->next < m->n_images;) {
		struct lane_image *image = &m->images[m->next];

		if (image->lane != lane->index || image->moved.error != 0) {
			m->next++;
			continue;
		}
		n++;
		prefetch_image(m, m->next + 1);
		m->reading = (m->reading || begin_reading(lane, m, image)) &&
			     !read_on(lane, m, image, &budget);
		if (m->reading)
			return;
		m->next++;
	}
}

/* Goes again: nobody has had anything of it. */
static void
go_away(struct lane *lane, struct tcp_conn *c)
{
	void *user = tcp_user(c);

	if (user == NULL) /* it waits to be accepted, or finishes */
		tcp_close_silently(c);
	else
		let_leave(lane, c);
}

void
lane_moves_restore_end(struct lane *lane, struct lane_moves *m)
{
	for (unsigned int i = 0; i < END_CONNS && m->next < m->n_images; i++) {
		struct lane_image *image = &m->images[m->next++];
		const struct lane_moved *moved = &image->moved;
		struct tcp_conn *c = moved->error != 0 ? NULL : tcp_find(lane->tcp, &moved->tuple);

		if (c == NULL || !tcp_in_repair(c))
			continue;
		if (m->leave)
			go_away(lane, c);
		else
			go_on(lane, image, c);
	}
}

void
lane_moves_restore_peers(struct lane *lane, struct lane_moves *m)
{
	const struct tcp_tuple *tuples[TCP_FIND_AHEAD];
	const struct tcp_conn *at[TCP_FIND_AHEAD + 1] = {NULL};
	unsigned int n = 0;

	for (unsigned int i = 0; i < END_CONNS && n < LANE_MOVE_CONNS && m->next < m->n_images;
	     i++) {
		const struct lane_image *image = &m->images[m->next++];

		if (image->asks && image->lane == lane->index)
			tuples[n++] = &image->moved.tuple;
	}
	tcp_find_ahead(lane->tcp, tuples, n, at);
	for (unsigned int i = 0; i < n; i++) {
		struct tcp_conn *c = tcp_find(lane->tcp, tuples[i]);

		prefetch_next(at[i + 1]);
		if (c != NULL) /* else it has ended meanwhile */
			tcp_ask(c);
	}
}
