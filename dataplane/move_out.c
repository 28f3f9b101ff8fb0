/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A connection's image: the message made of its checkpoint, and the queues copied from where they
 * are. Each row of tcp/checkpoint.def is one of lib/image_rows.def with its name and type, or one
 * of CRIU's fields. A row with its default is left out: an idle connection's head has about 250
 * bytes. Protobuf takes its time for each field, so there are as few as there can be.
 */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include <rte_common.h>
#include <rte_mbuf.h>

#include "dataplane/move_impl.h"
#include "tcp/info.h"

const char *const move_stats_names[] = {
#define MOVE_STAT(name, text) #name,
#include "dataplane/move_stats.def"
#undef MOVE_STAT
};

const char *const move_stats_texts[] = {
#define MOVE_STAT(name, text) text,
#include "dataplane/move_stats.def"
#undef MOVE_STAT
};

void
move_stats_read(const struct move_stats *from, struct move_stats *to)
{
	const uint64_t *f = (const uint64_t *)from;
	uint64_t *t = (uint64_t *)to;

	for (size_t i = 0; i < MOVE_STATS_COUNT; i++)
		t[i] = __atomic_load_n(&f[i], __ATOMIC_RELAXED);
}

/* ---- The message */

const uint8_t move_linux_states[TCP_STATES] = {
	[TCP_CLOSED] = 7,      [TCP_LISTEN] = 10,    [TCP_SYN_SENT] = 2,   [TCP_SYN_RECEIVED] = 3,
	[TCP_ESTABLISHED] = 1, [TCP_FIN_WAIT_1] = 4, [TCP_FIN_WAIT_2] = 5, [TCP_CLOSE_WAIT] = 8,
	[TCP_CLOSING] = 11,    [TCP_LAST_ACK] = 9,   [TCP_TIME_WAIT] = 6,
};

/* What CRIU knows of a connection, in its terms: behaviour of TCP_REPAIR's options. */
static void
fill_criu(struct image_message *m, const struct tcp_checkpoint *s)
{
	uint32_t fin_unsent = s->fin_due && !s->fin_sent;

	m->inq_len = s->recvq_bytes;
	m->inq_seq = s->rcv_nxt;
	m->outq_len = s->sendq_bytes;
	m->outq_seq = s->snd_nxt + s->unsent_bytes + fin_unsent;
	m->opt_mask = (s->timestamps ? TCP_DETAILS_TIMESTAMPS : 0) |
		      (s->sack ? TCP_DETAILS_SACK : 0) | (s->wscale ? TCP_DETAILS_WSCALE : 0) |
		      (s->ecn != 0 ? TCP_DETAILS_ECN : 0);
	m->snd_wscale = s->snd_wscale_shift;
	m->mss_clamp = s->user_mss != 0 ? RTE_MIN(s->user_mss, s->peer_mss) : s->peer_mss;
	if (s->sendq_bytes > 0)
		IMAGE_SET(m, unsq_len, s->unsent_bytes);
	if (s->wscale)
		IMAGE_SET(m, rcv_wscale, s->rcv_wscale_shift);
	/* Bit 0 is Linux's flag for another clock, and ours is never to go back. */
	if (s->timestamps)
		IMAGE_SET(m, timestamp, (s->ts_now + 1) & ~UINT32_C(1));
	if (s->cork)
		IMAGE_SET(m, cork, true);
	if (s->nodelay)
		IMAGE_SET(m, nodelay, true);
	/* All of TCP_REPAIR_WINDOW's, or none. */
	IMAGE_SET(m, snd_wl1, s->snd_wl1);
	IMAGE_SET(m, snd_wnd, s->snd_wnd);
	IMAGE_SET(m, rcv_wup, s->rcv_wup);
	IMAGE_SET(m, max_window, s->max_wnd);
	IMAGE_SET(m, rcv_wnd, s->rcv_adv - s->rcv_wup);
}

/* Rows of checkpoint.def, and which fields of the image they are: all of them, or this does not
 * compile. */
struct fields {
#define IMAGE_ROW(type, name, value) type name;
#include "lib/image_rows.def"
	bool nodelay, cork; /* those that CRIU has, too */
	uint32_t snd_wl1, snd_wnd, rcv_wup;
};

#define SAME_TYPE(type, name)                                                                      \
	static_assert(                                                                             \
		__builtin_types_compatible_p(__typeof__(((struct fields *)NULL)->name), type),     \
		"a row and its field have one type");
#define KEPT_FLAG(name, flag) SAME_TYPE(bool, name)
#define KEPT_VALUE(type, name, field) SAME_TYPE(type, name)
#define KEPT_DUE_US(name, field) SAME_TYPE(int64_t, name)
#define KEPT_SINCE_US(name, field) SAME_TYPE(int64_t, name)
#define KEPT_SINCE_MS(name, field) SAME_TYPE(uint32_t, name)
#include "tcp/checkpoint.def"
#define IMAGE_ROW(type, name, value)                                                               \
	static_assert(__builtin_types_compatible_p(                                                \
			      __typeof__(((struct tcp_checkpoint *)NULL)->name), type),            \
		      "a field and its row have one type");
#include "lib/image_rows.def"

/* A row with its default is not there. */
static struct image_bytes
put_rows(const struct tcp_checkpoint *s, uint8_t to[IMAGE_ROWS_MAX])
{
	struct image_rows_out out;

	image_rows_begin(&out, to);
#define IMAGE_ROW(type, name, value)                                                               \
	if (s->name != (type)(value))                                                              \
		image_rows_put(&out, IMAGE_ROW_##name, (uint64_t)s->name, sizeof(type));
#include "lib/image_rows.def"
	return image_rows_end(&out);
}

/* An IPv4 address has four bytes. */
static struct image_bytes
address_of(const struct ip_addr *a)
{
	size_t skip = ip_is4(a) ? 12 : 0;

	return (struct image_bytes){(const uint8_t *)a->w + skip, sizeof(a->w) - skip};
}

static void
fill_whose(struct image_message *m, const struct tcp_checkpoint *s,
	   const struct move_service *service)
{
	IMAGE_SET(m, tern, 1);
	IMAGE_SET(m, local_address, address_of(&s->tuple.local));
	IMAGE_SET(m, remote_address, address_of(&s->tuple.remote));
	IMAGE_SET(m, local_port, be16_get(s->tuple.lport));
	IMAGE_SET(m, remote_port, be16_get(s->tuple.rport));
	if (s->state != TCP_ESTABLISHED)
		IMAGE_SET(m, state, move_linux_states[s->state]);
	if (strcmp(s->congestion, "cubic") != 0)
		IMAGE_SET(m, congestion,
			  (struct image_bytes){(const uint8_t *)s->congestion,
					       strlen(s->congestion)});
	if (service == NULL || service->name.n == 0)
		return;
	IMAGE_SET(m, service, service->name);
	if (service->state.n > 0)
		IMAGE_SET(m, service_state, service->state);
}

size_t
move_out_head(const struct tcp_checkpoint *saved, const struct move_service *service, void *to,
	      size_t size)
{
	uint8_t rows[IMAGE_ROWS_MAX], connection[IMAGE_CONNECTION_MAX];
	struct image image;

	image_init(&image);
	fill_criu(&image.message, saved);
	fill_whose(&image.message, saved, service);
	IMAGE_SET(&image.message, rows, put_rows(saved, rows));
	image_connection_fold(&image.message, connection);
	return image_write_head(&image, to, size);
}

int
move_out_begin(struct move_out *out, struct tcp_conn *c, const struct move_service *service,
	       struct move_stats *stats)
{
	int status = tcp_checkpoint(c, &out->saved);

	if (status == 0 && service != NULL &&
	    (service->name.n > IMAGE_SERVICE_NAME_MAX ||
	     service->state.n > IMAGE_SERVICE_STATE_MAX))
		status = -EMSGSIZE;
	if (status < 0) {
		MOVE_COUNT(stats, out_refused, 1);
		return status;
	}
	out->head_bytes = move_out_head(&out->saved, service, out->head, sizeof(out->head));
	assert(out->head_bytes > 0);
	out->at = NULL;
	MOVE_COUNT(stats, out, 1);
	MOVE_COUNT(stats, out_bytes, out->saved.recvq_bytes + out->saved.sendq_bytes);
	return 0;
}

/* ---- The bytes */

uint64_t
move_out_bytes(const struct move_out *out)
{
	return (uint64_t)out->head_bytes + out->saved.recvq_bytes + out->saved.sendq_bytes;
}

/* Finds the mbuf with the byte, which is one of a queue's; on from where the last read ended. */
static void
seek(struct move_out *out, uint64_t offset)
{
	uint64_t sendq_offset = out->head_bytes + out->saved.recvq_bytes;
	bool in_sendq = offset >= sendq_offset;

	if (out->at == NULL || offset < out->at_offset || in_sendq != out->at_sendq) {
		out->at = in_sendq ? out->saved.sendq : out->saved.recvq;
		out->at_offset = in_sendq ? sendq_offset : out->head_bytes;
		out->at_sendq = in_sendq;
	}
	while (offset - out->at_offset >= out->at->data_len) {
		out->at_offset += out->at->data_len;
		out->at = out->at->next;
	}
}

size_t
move_out_read(struct move_out *out, uint64_t offset, void *to, size_t n)
{
	uint64_t all = move_out_bytes(out);
	uint8_t *at = to;
	size_t left;

	if (offset >= all)
		return 0;
	n = RTE_MIN(n, (size_t)(all - offset));
	left = n;
	if (offset < out->head_bytes) {
		size_t here = RTE_MIN(left, out->head_bytes - (size_t)offset);

		memcpy(at, out->head + offset, here);
		at += here;
		offset += here;
		left -= here;
	}
	while (left > 0) {
		size_t skip, here;

		seek(out, offset);
		skip = (size_t)(offset - out->at_offset);
		here = RTE_MIN(left, (size_t)out->at->data_len - skip);
		memcpy(at, rte_pktmbuf_mtod_offset(out->at, const uint8_t *, skip), here);
		at += here;
		offset += here;
		left -= here;
	}
	return n;
}
