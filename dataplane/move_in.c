/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An image's connection: the checkpoint made of the message, the queues copied into mbufs as they
 * come, and the engine asked to make a connection of both. Nothing of it is believed: what is in
 * range for a row is looked at here, what can be a connection by the engine
 * (tcp_checkpoint_fault()), before anything is changed.
 *
 * Of an image that is not Tern's only Linux's terms are known; the engine says what a connection
 * is that has got so far (tcp_checkpoint_init()), and fields of ours that are there say it better.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <rte_common.h>
#include <rte_mbuf.h>

#include "dataplane/move_impl.h"
#include "tcp/info.h"

/* ---- Refusals */

enum { TUPLE_TEXT_BYTES = 2 * INET6_ADDRSTRLEN + 24 };

/* Says why, for the counter's reason; returns the status. */
__attribute__((format(printf, 3, 4))) static int
refuse(struct move_in *in, int status, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(in->why, sizeof(in->why), format, arguments);
	va_end(arguments);
	return status;
}

#define REFUSE(in, reason, status, ...)                                                            \
	(MOVE_COUNT((in)->stats, reason, 1), refuse(in, status, __VA_ARGS__))

static const char *
address_text(const struct ip_addr *a, char text[INET6_ADDRSTRLEN])
{
	bool is4 = ip_is4(a);

	return inet_ntop(is4 ? AF_INET : AF_INET6, is4 ? &a->w[3] : a->w, text, INET6_ADDRSTRLEN);
}

/* "10.0.0.1 port 80 to 10.0.0.2 port 4711" */
static const char *
tuple_text(const struct tcp_tuple *t, char text[TUPLE_TEXT_BYTES])
{
	char local[INET6_ADDRSTRLEN], remote[INET6_ADDRSTRLEN];

	snprintf(text, TUPLE_TEXT_BYTES, "%s port %u to %s port %u", address_text(&t->local, local),
		 be16_get(t->lport), address_text(&t->remote, remote), be16_get(t->rport));
	return text;
}

/* ---- Whose it is */

static bool
take_address(const struct image_bytes *bytes, struct ip_addr *a)
{
	be32_t four;

	if (bytes->n == 4) {
		memcpy(&four, bytes->at, 4);
		*a = ip_from4(four);
	} else if (bytes->n == 16) {
		*a = ip_from6(bytes->at);
	}
	return bytes->n == 4 || bytes->n == 16;
}

/* The addresses that the image names. Returns 1; 0 if it names none. */
static int
named_tuple(struct move_in *in, struct tcp_tuple *t)
{
	const struct image_message *m = &in->image.message;
	unsigned int named = m->has.local_address + m->has.remote_address + m->has.local_port +
			     m->has.remote_port;

	if (named == 0)
		return 0;
	if (named < 4)
		return REFUSE(in, in_field, -EINVAL,
			      "it has %u of the four fields 1001 to 1004, addresses and ports: "
			      "all or none",
			      named);
	if (m->local_port == 0 || m->local_port > UINT16_MAX)
		return REFUSE(in, in_field, -EINVAL, "field 1003, local_port: %u is no port",
			      m->local_port);
	if (m->remote_port == 0 || m->remote_port > UINT16_MAX)
		return REFUSE(in, in_field, -EINVAL, "field 1004, remote_port: %u is no port",
			      m->remote_port);
	if (m->local_address.n != m->remote_address.n ||
	    !take_address(&m->local_address, &t->local) ||
	    !take_address(&m->remote_address, &t->remote))
		return REFUSE(in, in_field, -EINVAL,
			      "fields 1001 and 1002, addresses: %zu and %zu bytes, "
			      "where there are 4 each, or 16",
			      m->local_address.n, m->remote_address.n);
	t->lport = be16((uint16_t)m->local_port);
	t->rport = be16((uint16_t)m->remote_port);
	return 1;
}

static int
take_tuple(struct move_in *in, const struct move_target *target, struct tcp_tuple *tuple)
{
	char named_text[TUPLE_TEXT_BYTES], given_text[TUPLE_TEXT_BYTES];
	int named = named_tuple(in, tuple);

	if (named < 0)
		return named;
	if (named == 0 && target == NULL)
		return REFUSE(in, in_nameless, -EDESTADDRREQ,
			      "it names no addresses, as CRIU's images do: they must be given");
	if (named == 0)
		*tuple = target->tuple;
	else if (target != NULL && memcmp(tuple, &target->tuple, sizeof(*tuple)) != 0)
		return REFUSE(in, in_other, -EINVAL, "it is of %s, not of %s",
			      tuple_text(tuple, named_text),
			      tuple_text(&target->tuple, given_text));
	return 0;
}

bool
move_state_of(uint32_t number, enum tcp_state *state)
{
	for (unsigned int i = 0; i < TCP_STATES; i++)
		if (move_linux_states[i] == number) {
			*state = (enum tcp_state)i;
			return true;
		}
	return false;
}

static int
take_state(struct move_in *in, const struct move_target *target, uint8_t *state)
{
	enum tcp_state known;
	const struct image_message *m = &in->image.message;

	if (!m->has.state && !m->has.tern) {
		*state = (uint8_t)(target != NULL ? target->state : TCP_ESTABLISHED);
		return 0;
	}
	if (move_state_of(m->state, &known)) {
		*state = (uint8_t)known;
		return 0;
	}
	return REFUSE(in, in_field, -EINVAL, "field 1005, state: %u, where there are 1 to 11",
		      m->state);
}

/* ---- The rows */

static int
misfit(struct move_in *in, unsigned int number, const char *name, long long value)
{
	return REFUSE(in, in_field, -EINVAL, "field %u, %s: %lld is out of range", number, name,
		      value);
}

/* Each row with its default: what a row is that an image of Tern's does not name. */
static const struct tcp_checkpoint defaults = {
#define IMAGE_ROW(type, name, value) .name = value,
#include "lib/image_rows.def"
};

/* Rows that are named; of what the others are there is something already. */
static bool
read_rows(struct move_in *in, struct tcp_checkpoint *s)
{
	struct image_rows_in rows;
	uint64_t value;

	if (!image_rows_open(&rows, &in->image.message.rows, in->why))
		return false;
#define IMAGE_ROW(type, name, default)                                                             \
	if (image_rows_have(&rows, IMAGE_ROW_##name)) {                                            \
		if (!image_rows_take(&rows, &value, sizeof(type)))                                 \
			return image_rows_cut(&rows, IMAGE_ROW_##name, in->why);                   \
		s->name = (type)value;                                                             \
	}
#include "lib/image_rows.def"
	return image_rows_close(&rows, in->why);
}

static int
take_rows(struct move_in *in, struct tcp_checkpoint *s)
{
	const struct image_message *m = &in->image.message;

	if (!read_rows(in, s)) {
		MOVE_COUNT(in->stats, in_field, 1);
		return -EINVAL;
	}
	if (!m->has.tern && !m->has.congestion)
		return 0;
	if (m->congestion.n >= sizeof(s->congestion) ||
	    memchr(m->congestion.at, 0, m->congestion.n) != NULL)
		return REFUSE(in, in_field, -EINVAL,
			      "field %u, congestion: no name of at most %zu bytes",
			      IMAGE_FIELD_congestion, sizeof(s->congestion) - 1);
	memset(s->congestion, 0, sizeof(s->congestion));
	memcpy(s->congestion, m->congestion.at, m->congestion.n);
	return 0;
}

/* What Linux tells of a connection. */
static int
take_known(struct move_in *in, struct tcp_known *k)
{
	const struct image_message *m = &in->image.message;

	if (m->mss_clamp > UINT16_MAX)
		return misfit(in, IMAGE_FIELD_mss_clamp, "mss_clamp", m->mss_clamp);
	if (m->snd_wscale > UINT8_MAX)
		return misfit(in, IMAGE_FIELD_snd_wscale, "snd_wscale", m->snd_wscale);
	if (m->rcv_wscale > UINT8_MAX)
		return misfit(in, IMAGE_FIELD_rcv_wscale, "rcv_wscale", m->rcv_wscale);
	k->inq_seq = m->inq_seq;
	k->inq_bytes = m->inq_len;
	k->outq_seq = m->outq_seq;
	k->outq_bytes = m->outq_len;
	k->unsent_bytes = m->unsq_len;
	k->mss = (uint16_t)m->mss_clamp;
	k->options = (uint8_t)m->opt_mask;
	k->snd_wscale = (uint8_t)m->snd_wscale;
	k->rcv_wscale = (uint8_t)m->rcv_wscale;
	/* Bit 0 says that it counts microseconds: ours goes on from there, in milliseconds. */
	k->timestamp = (m->timestamp + 1) & ~UINT32_C(1);
	k->cork = m->cork;
	k->nodelay = m->nodelay;
	k->has_window = m->has.snd_wl1 && m->has.snd_wnd && m->has.max_window && m->has.rcv_wnd &&
			m->has.rcv_wup;
	k->snd_wl1 = m->snd_wl1;
	k->snd_wnd = m->snd_wnd;
	k->max_window = m->max_window;
	k->rcv_wnd = m->rcv_wnd;
	k->rcv_wup = m->rcv_wup;
	return 0;
}

/* What an image of Tern's says besides rows. */
static void
take_plain(const struct image_message *m, const struct tcp_known *known, struct tcp_checkpoint *s)
{
	*s = defaults;
	s->tuple = known->tuple;
	s->state = known->state;
	s->cork = m->cork;
	s->nodelay = m->nodelay;
	s->snd_wl1 = m->snd_wl1;
	s->snd_wnd = m->snd_wnd;
	s->rcv_wup = m->rcv_wup;
}

static int
take_message(struct move_in *in, const struct move_target *target)
{
	const struct image_message *m = &in->image.message;
	struct tcp_known known = {.mss = 0};
	int status = take_tuple(in, target, &known.tuple);

	if (status == 0)
		status = take_state(in, target, &known.state);
	if (status == 0 && m->has.tern && m->tern != 1)
		status = REFUSE(in, in_field, -EINVAL,
				"field 1000, tern: %u is of a later Tern than this", m->tern);
	if (status == 0 && !m->has.tern)
		status = take_known(in, &known);
	if (status < 0)
		return status;
	if (m->has.tern)
		take_plain(m, &known, &in->saved);
	else
		tcp_checkpoint_init(in->engine, &known, &in->saved);
	in->saved.recvq_bytes = m->inq_len;
	in->saved.sendq_bytes = m->outq_len;
	in->saved.unsent_bytes = m->unsq_len;
	return take_rows(in, &in->saved);
}

/* ---- The call's steps */

static int
begin(struct move_in *in, struct tcp_engine *engine, const struct move_target *target,
      struct move_stats *stats)
{
	in->engine = engine;
	in->stats = stats;
	in->tail = NULL;
	in->why[0] = '\0';
	in->recvq_left = in->image.message.inq_len;
	in->sendq_left = in->image.message.outq_len;
	return take_message(in, target);
}

int
move_in_begin(struct move_in *in, struct tcp_engine *engine, const void *head, size_t n,
	      const struct move_target *target, struct move_stats *stats)
{
	if (image_read_head(&in->image, head, n, in->why) < 0) {
		MOVE_COUNT(stats, in_image, 1);
		return -EINVAL;
	}
	return begin(in, engine, target, stats);
}

int
move_in_begin_read(struct move_in *in, struct tcp_engine *engine, const struct image *image,
		   const struct move_target *target, struct move_stats *stats)
{
	in->image = *image;
	return begin(in, engine, target, stats);
}

/* Copies what fits behind the tail. Returns how much. */
static size_t
fill_tail(struct rte_mbuf *tail, const uint8_t *bytes, size_t n)
{
	if (tail == NULL)
		return 0;
	n = RTE_MIN(n, (size_t)rte_pktmbuf_tailroom(tail));
	memcpy(rte_pktmbuf_mtod_offset(tail, void *, tail->data_len), bytes, n);
	tail->data_len = (uint16_t)(tail->data_len + n);
	return n;
}

/* Copies bytes behind a queue. Returns how many. */
static size_t
fill(struct move_in *in, struct rte_mbuf **head, uint32_t *left, const uint8_t *bytes, size_t n)
{
	struct rte_mbuf *more;
	size_t done;

	n = RTE_MIN(n, (size_t)*left);
	done = fill_tail(in->tail, bytes, n);
	if (done < n) {
		more = tcp_copy_bytes(in->engine, bytes + done, n - done);
		if (more != NULL) {
			*(in->tail != NULL ? &in->tail->next : head) = more;
			for (in->tail = more; in->tail->next != NULL; in->tail = in->tail->next)
				;
			done = n;
		}
	}
	*left -= (uint32_t)done;
	if (*left == 0)
		in->tail = NULL;
	return done;
}

ssize_t
move_in_more(struct move_in *in, const void *bytes, size_t n)
{
	const uint8_t *at = bytes;
	size_t done = 0;

	if (in->recvq_left > 0)
		done = fill(in, &in->saved.recvq, &in->recvq_left, at, n);
	if (in->recvq_left == 0 && in->sendq_left > 0)
		done += fill(in, &in->saved.sendq, &in->sendq_left, at + done, n - done);
	return done == 0 && n > 0 && move_in_wants(in) > 0 ? -ENOBUFS : (ssize_t)done;
}

uint64_t
move_in_wants(const struct move_in *in)
{
	return (uint64_t)in->recvq_left + in->sendq_left;
}

/* What the engine's answer means. */
static int
refused_by_engine(struct move_in *in, int status)
{
	char text[TUPLE_TEXT_BYTES];

	switch (status) {
	case -EINVAL:
		return REFUSE(in, in_unsound, status, "no connection is like that: %s",
			      tcp_checkpoint_fault(&in->saved));
	case -ENOENT:
		return REFUSE(in, in_congestion, status,
			      "field 1008: there is no congestion control \"%s\" here",
			      in->saved.congestion);
	case -EADDRNOTAVAIL:
		return REFUSE(in, in_taken, status, "%s: %s", tuple_text(&in->saved.tuple, text),
			      tcp_find(in->engine, &in->saved.tuple) != NULL
				      ? "it is in use here"
				      : "its address is not ternd's, or its port is another's");
	case -ENOBUFS:
		return REFUSE(in, in_no_memory, status, "mbufs or connections have run out");
	default:
		return REFUSE(in, in_no_path, status, "%s: %s", tuple_text(&in->saved.tuple, text),
			      strerror(-status));
	}
}

static void
give_up(struct move_in *in)
{
	rte_pktmbuf_free(in->saved.recvq);
	rte_pktmbuf_free(in->saved.sendq);
	in->saved.recvq = in->saved.sendq = in->tail = NULL;
}

int
move_in_end(struct move_in *in, struct tcp_conn **c)
{
	int status;

	if (move_in_wants(in) > 0) {
		status = REFUSE(in, in_ended, -EINVAL,
				"it ends %llu bytes before the end of its queues",
				(unsigned long long)move_in_wants(in));
		give_up(in);
		return status;
	}
	status = tcp_restore(in->engine, &in->saved, c);
	if (status < 0) {
		refused_by_engine(in, status);
		give_up(in);
		return status;
	}
	in->saved.recvq = in->saved.sendq = NULL;
	MOVE_COUNT(in->stats, in, 1);
	MOVE_COUNT(in->stats, in_bytes, image_queue_bytes(&in->image));
	MOVE_COUNT(in->stats, in_foreign, !in->image.message.has.tern);
	return 0;
}

void
move_in_cancel(struct move_in *in)
{
	MOVE_COUNT(in->stats, in_ended, 1);
	give_up(in);
}
