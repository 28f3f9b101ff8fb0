/* SPDX-License-Identifier: BSD-3-Clause */
/* What one user does on its connection, as its script says: writes, reads, sets options, ends. */
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "sim.h"

/* <netinet/tcp.h> has the names of the states that tcp.h has. */
enum {
	OPT_TCP_NODELAY = 1,
	OPT_TCP_CORK = 3,
	OPT_TCP_KEEPIDLE = 4,
	OPT_TCP_KEEPINTVL = 5,
	OPT_TCP_KEEPCNT = 6,
};

uint64_t
sim_pause_until(struct sim *s, uint64_t pause_us)
{
	return pause_us == 0 ? 0 : sim_now(s) + 1 + rng_below(&s->rng, 2 * pause_us);
}

/* The user has no socket any more. */
void
sim_user_finish(struct sim_user *u)
{
	u->c = NULL;
	u->done = true;
	u->ready = false;
}

static void
end_by_error(struct sim *s, struct sim_user *u, int error)
{
	u->error = error;
	if (error == ECONNRESET || error == EPIPE)
		s->events[SIM_RESETS_SEEN]++;
	else if (error == ETIMEDOUT)
		s->events[SIM_TIMED_OUT]++;
	else if (!s->may_time_out)
		sim_fail(s, "side %u's user hears of error %s", u->side, strerror(error));
	tcp_close(u->c);
	sim_user_finish(u);
}

static void
set_option(struct sim *s, struct sim_user *u, int level, int name, int value)
{
	int error = tcp_setsockopt(u->c, level, name, &value, sizeof(value));

	if (error != 0)
		sim_fail(s, "side %u cannot set option %d of level %d to %d: %d", u->side, name,
			 level, value, error);
}

/* ---- Urgent data: one byte of a stream at most */

/* The offset of the byte that the peer's user sends as urgent; UINT64_MAX: of none. */
static uint64_t
urgent_offset(const struct sim_user *u)
{
	return u->conn->script[!u->side].urgent_at - 1;
}

/* Whether the urgent byte is left out of the stream that is read. */
static bool
is_left_out(const struct sim_user *u)
{
	return !u->script->oob_inline && !u->script->by_reference;
}

/* Where in the peer's stream the next byte to be read is. */
static uint64_t
read_offset(const struct sim_user *u)
{
	return u->read + (u->read == urgent_offset(u) && is_left_out(u));
}

static void
read_urgent(struct sim *s, struct sim_user *u)
{
	uint64_t at = urgent_offset(u);
	bool told = (tcp_poll(u->c) & POLLPRI) != 0, here;
	uint8_t byte;

	if (at == UINT64_MAX || u->oob_read || u->script->oob_inline || rng_chance(&s->rng, 0.5))
		return;
	here = tcp_recv(u->c, &byte, 1, MSG_OOB) == 1;
	if (here && byte != *observer_payload(u->conn->seen, !u->side, at))
		sim_fail(s, "side %u reads a wrong urgent byte", u->side);
	if (here && at < u->read)
		sim_fail(s, "side %u has read past an urgent byte that is still there", u->side);
	if (here && !told)
		sim_fail(s, "side %u has an urgent byte that poll() does not tell of", u->side);
	u->oob_read = here;
	s->events[SIM_URGENT_READS] += here;
}

/* ---- Reading */

static void
check_bytes(struct sim *s, struct sim_user *u, const uint8_t *data, size_t n, uint64_t at)
{
	const uint8_t *want = observer_payload(u->conn->seen, !u->side, at);

	if (n > SIM_READ_BYTES || memcmp(data, want, n) != 0)
		sim_fail(s, "side %u reads wrong bytes at %" PRIu64, u->side, at);
	if (at <= urgent_offset(u) && at + n > urgent_offset(u) && is_left_out(u))
		sim_fail(s, "side %u reads its urgent byte in line", u->side);
	if (at + n > u->conn->script[!u->side].bytes)
		sim_fail(s, "side %u reads %" PRIu64 " bytes: the peer has %" PRIu64, u->side,
			 at + n, u->conn->script[!u->side].bytes);
}

static ssize_t
read_by_reference(struct sim *s, struct sim_user *u, size_t bytes)
{
	const struct rte_mbuf *m;
	ssize_t n = tcp_peek_mbufs(u->c, &m);
	size_t done = 0;

	if (n <= 0)
		return n;
	bytes = RTE_MIN(bytes, (size_t)n);
	for (; m != NULL && done < bytes; m = m->next) {
		size_t part = RTE_MIN((size_t)m->data_len, bytes - done);

		check_bytes(s, u, rte_pktmbuf_mtod(m, const uint8_t *), part, u->read + done);
		done += part;
	}
	s->events[SIM_READ_BY_REFERENCE]++;
	if (done != bytes || tcp_consume(u->c, bytes) != bytes)
		sim_fail(s, "side %u is shown %zd bytes, but there are %zu", u->side, n, done);
	return (ssize_t)bytes;
}

static ssize_t
read_some(struct sim *s, struct sim_user *u)
{
	static uint8_t buf[SIM_READ_BYTES];
	size_t bytes = 1 + rng_below(&s->rng, u->script->read_max);
	ssize_t n, peeked = -1;

	if (u->script->by_reference)
		return read_by_reference(s, u, bytes);
	if (u->script->peek_percent > 0 && rng_chance(&s->rng, u->script->peek_percent / 100.0)) {
		peeked = tcp_recv(u->c, buf, bytes, MSG_PEEK);
		if (peeked > 0)
			check_bytes(s, u, buf, (size_t)peeked, read_offset(u));
		s->events[SIM_PEEKS]++;
	}
	n = tcp_recv(u->c, buf, bytes, 0);
	if (n > 0)
		check_bytes(s, u, buf, (size_t)n, read_offset(u));
	if (peeked > 0 && n != peeked)
		sim_fail(s, "side %u peeks at %zd bytes and reads %zd", u->side, peeked, n);
	return n;
}

static void
change_rcvbuf(struct sim *s, struct sim_user *u, uint64_t before)
{
	const struct sim_script *script = u->script;

	if (script->rcvbuf_bytes == 0 || before > script->rcvbuf_at || u->read <= script->rcvbuf_at)
		return;
	set_option(s, u, SOL_SOCKET, SO_RCVBUF, script->rcvbuf_bytes);
	u->conn->seen->may_shrink[u->side] = true;
	s->events[SIM_RCVBUF_CHANGES]++;
}

static void
read_all(struct sim *s, struct sim_user *u)
{
	while (!s->failed && u->c != NULL && !u->at_end && sim_now(s) >= u->read_at_us) {
		uint64_t before = u->read;
		ssize_t n = read_some(s, u);

		if (n == -EAGAIN)
			return;
		if (n < 0) {
			end_by_error(s, u, (int)-n);
			return;
		}
		s->events[SIM_URGENT_SKIPPED] += read_offset(u) != u->read;
		u->read = read_offset(u);
		if (n == 0) {
			u->at_end = true;
			return;
		}
		u->read += (uint64_t)n;
		change_rcvbuf(s, u, before);
		s->events[SIM_BYTES] += (uint64_t)n;
		u->read_at_us = sim_pause_until(s, u->script->read_gap_us);
		if (u->script->stop_us > 0 && before < u->script->stop_at &&
		    u->read >= u->script->stop_at) {
			u->read_at_us = sim_now(s) + u->script->stop_us;
			s->events[SIM_STOPS]++;
		}
	}
}

/* ---- Writing */

static void
change_sndbuf(struct sim *s, struct sim_user *u, uint64_t before)
{
	const struct sim_script *script = u->script;

	if (script->sndbuf_bytes == 0 || before > script->sndbuf_at ||
	    u->written <= script->sndbuf_at)
		return;
	set_option(s, u, SOL_SOCKET, SO_SNDBUF, script->sndbuf_bytes);
	s->events[SIM_SNDBUF_CHANGES]++;
}

/* It may stay corked when all is written: the engine sends what waits after a while. */
static void
change_cork(struct sim *s, struct sim_user *u)
{
	if (u->script->cork_percent == 0 || !rng_chance(&s->rng, u->script->cork_percent / 100.0))
		return;
	u->corked = !u->corked;
	set_option(s, u, IPPROTO_TCP, OPT_TCP_CORK, u->corked);
	s->events[SIM_CORKS] += u->corked;
}

/* How many bytes to write at once: up to the urgent one, or that one alone. */
static uint64_t
draw_write(struct sim *s, const struct sim_user *u)
{
	const struct sim_script *script = u->script;
	uint64_t bytes = 1 + rng_below(&s->rng, script->write_max);

	bytes = RTE_MIN(bytes, script->bytes - u->written);
	if (u->written + 1 == script->urgent_at)
		return 1;
	if (u->written < script->urgent_at)
		bytes = RTE_MIN(bytes, script->urgent_at - 1 - u->written);
	return bytes;
}

static void
write_all(struct sim *s, struct sim_user *u)
{
	const struct sim_script *script = u->script;

	while (!s->failed && u->c != NULL && u->written < script->bytes &&
	       sim_now(s) >= u->write_at_us) {
		uint64_t before = u->written, bytes = draw_write(s, u);
		bool urgent = before + 1 == script->urgent_at, more;
		ssize_t n;

		change_cork(s, u);
		more = bytes < script->bytes - u->written && script->more_percent > 0 &&
		       rng_chance(&s->rng, script->more_percent / 100.0);
		n = tcp_send(u->c, observer_payload(u->conn->seen, u->side, u->written), bytes,
			     (more ? MSG_MORE : 0) | (urgent ? MSG_OOB : 0));
		if (n == -EAGAIN)
			return;
		if (n < 0) {
			end_by_error(s, u, (int)-n);
			return;
		}
		if (n == 0 || (uint64_t)n > bytes)
			sim_fail(s, "side %u writes %zd of %" PRIu64 " bytes", u->side, n, bytes);
		u->written += (uint64_t)n;
		s->events[SIM_MSG_MORE_WRITES] += more;
		s->events[SIM_URGENT_WRITES] += urgent;
		change_sndbuf(s, u, before);
		u->more = more;
		u->write_at_us = sim_pause_until(s, script->pause_us);
	}
}

/* ---- Ending */

static void
abort_user(struct sim *s, struct sim_user *u)
{
	struct linger linger = {.l_onoff = 1};

	s->events[SIM_ABORTS]++;
	if (u->script->ending == SIM_ABORT) {
		tcp_abort(u->c);
	} else {
		tcp_setsockopt(u->c, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
		tcp_close(u->c);
	}
	sim_user_finish(u);
}

/* Where connections are moved some wait before they close: so that they are moved in the last
 * states.
 */
static bool
may_close(struct sim *s, struct sim_user *u)
{
	if (!s->moving.on)
		return true;
	if (u->close_at_us == 0)
		u->close_at_us =
			sim_now(s) +
			(rng_chance(&s->moving.rng, 0.5) ? rng_below(&s->moving.rng, 400000) : 0);
	return u->close_at_us <= sim_now(s);
}

static void
end_user(struct sim *s, struct sim_user *u)
{
	const struct sim_script *script = u->script;
	bool written = u->written == script->bytes;

	switch (script->ending) {
	case SIM_SHUTDOWN:
		if (written && !u->shut) {
			int error = tcp_shutdown(u->c, SHUT_WR);

			/* It may have been reset, which reading will tell. */
			if (error != 0 && error != -ENOTCONN)
				sim_fail(s, "side %u cannot half-close: %d", u->side, error);
			u->shut = true;
			s->events[SIM_HALF_CLOSES]++;
		}
		if (!u->shut || !u->at_end || !may_close(s, u))
			return;
		break;
	case SIM_CLOSE_AT_END:
		if (!written || !u->at_end)
			return;
		break;
	case SIM_CLOSE_AT_ONCE:
		if (!written)
			return;
		s->events[SIM_CLOSED_AT_ONCE] += !u->at_end;
		break;
	case SIM_ABORT:
	case SIM_LINGER_ABORT:
		if (u->written + u->read >= script->abort_at || (written && u->at_end))
			abort_user(s, u);
		return;
	}
	tcp_close(u->c);
	sim_user_finish(u);
}

static bool
is_connected(struct sim *s, struct sim_user *u)
{
	struct tcp_endpoint to = {.ip = s->pair.side[!u->side].ip, .port = OBSERVER_PORT};
	int result;

	if (u->connected)
		return true;
	result = tcp_connect(u->c, &to);
	if (result == -EALREADY)
		return false;
	if (result != 0) {
		end_by_error(s, u, -result);
		return false;
	}
	u->connected = true;
	return true;
}

void
sim_user_run(struct sim *s, struct sim_user *u)
{
	u->ready = false;
	if (u->c == NULL || !is_connected(s, u))
		return;
	read_urgent(s, u);
	read_all(s, u);
	if (u->c != NULL)
		write_all(s, u);
	if (u->c != NULL)
		end_user(s, u);
}

void
sim_user_set_options(struct sim *s, struct sim_user *u)
{
	const struct sim_script *script = u->script;

	tcp_set_user(u->c, u);
	if (script->nodelay)
		set_option(s, u, IPPROTO_TCP, OPT_TCP_NODELAY, 1);
	if (script->oob_inline)
		set_option(s, u, SOL_SOCKET, SO_OOBINLINE, 1);
	if (script->keepidle_s == 0)
		return;
	set_option(s, u, IPPROTO_TCP, OPT_TCP_KEEPIDLE, script->keepidle_s);
	set_option(s, u, IPPROTO_TCP, OPT_TCP_KEEPINTVL, script->keepintvl_s);
	set_option(s, u, IPPROTO_TCP, OPT_TCP_KEEPCNT, script->keepcnt);
	set_option(s, u, SOL_SOCKET, SO_KEEPALIVE, 1);
}
