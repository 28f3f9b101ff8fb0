/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * dataplane/move_out.c and move_in.c: each row of a checkpoint survives its image, and each field
 * of the image is for something; a connection that was in nothing but an image goes on, whether it
 * has our fields or CRIU's alone; what is out of range or missing is refused and leaves nothing.
 */
#include "unit.h"

#include <errno.h>
#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/ioctl.h>

#include "dataplane/move_impl.h"
#include "transfer.h"

enum {
	ROUNDS = 2000,
	SEEDS = 4,
	IMAGE_BYTES_MAX = 16 << 20,
	OURS = 1000, /* the first number that CRIU does not know */
};

static struct move_stats stats;

/* ---- Rows */

/* Small ones, large ones, and those at the edges. */
static uint64_t
draw_number(struct rng *r)
{
	uint64_t v = rng_next(r);

	switch (rng_below(r, 4)) {
	case 0:
		return v >> rng_below(r, 64);
	case 1:
		return (UINT64_C(1) << rng_below(r, 64)) - rng_below(r, 2);
	case 2:
		return 0;
	default:
		return v;
	}
}

/* Any value in each row: so no connection, but what an image must carry. */
static void
draw_checkpoint(struct rng *r, struct tcp_checkpoint *s)
{
	memset(s, 0, sizeof(*s));
#define KEPT_FLAG(name, flag) s->name = rng_below(r, 2) != 0;
#define KEPT_VALUE(type, name, field)                                                              \
	s->name = (type)(sizeof(type) == 1 && (type)2 == 1 ? rng_below(r, 2) : draw_number(r));
#define KEPT_DUE_US(name, field) s->name = (int64_t)(draw_number(r) - 1);
#define KEPT_SINCE_US(name, field) s->name = (int64_t)(draw_number(r) - 1);
#define KEPT_SINCE_MS(name, field) s->name = (uint32_t)draw_number(r);
#include "tcp/checkpoint.def"
	s->tuple.local = s->tuple.remote = ip_from4(be32(0x0a000001));
	s->tuple.remote.w[3] = (uint32_t)rng_next(r);
	if (rng_below(r, 2) == 0)
		s->tuple.local.w[0] = s->tuple.remote.w[1] = (uint32_t)rng_next(r) | 1;
	s->tuple.lport = be16((uint16_t)rng_between(r, 1, UINT16_MAX));
	s->tuple.rport = be16((uint16_t)rng_between(r, 1, UINT16_MAX));
	s->state = (uint8_t)rng_below(r, TCP_STATES);
	s->ts_now = (uint32_t)draw_number(r);
	s->ts_recent_age = (uint32_t)draw_number(r);
	s->orphan = rng_below(r, 2) != 0;
	strcpy(s->congestion, rng_below(r, 2) == 0 ? "cubic" : "reno");
	s->recvq_bytes = (uint32_t)rng_below(r, IMAGE_QUEUE_MAX);
	s->sendq_bytes = (uint32_t)rng_below(r, IMAGE_QUEUE_MAX);
	s->unsent_bytes = (uint32_t)rng_below(r, s->sendq_bytes + UINT64_C(1));
}

static void
same_checkpoint(const struct tcp_checkpoint *a, const struct tcp_checkpoint *b)
{
#define SAME(name)                                                                                 \
	if (a->name != b->name)                                                                    \
		printf("\n  %s", #name);                                                           \
	CU_ASSERT(a->name == b->name);
#define KEPT_FLAG(name, flag) SAME(name)
#define KEPT_VALUE(type, name, field) SAME(name)
#define KEPT_DUE_US(name, field) SAME(name)
#define KEPT_SINCE_US(name, field) SAME(name)
#define KEPT_SINCE_MS(name, field) SAME(name)
#include "tcp/checkpoint.def"
	SAME(state)
	SAME(ts_now)
	SAME(ts_recent_age)
	SAME(orphan)
	SAME(recvq_bytes)
	SAME(sendq_bytes)
	SAME(unsent_bytes)
	UNIT_EQ(memcmp(&a->tuple, &b->tuple, sizeof(a->tuple)), 0);
	UNIT_EQ(memcmp(a->congestion, b->congestion, sizeof(a->congestion)), 0);
}

UNIT_CASE(each_row_survives)
{
	static uint8_t head[IMAGE_HEAD_MAX];
	static struct move_in in;
	struct tcp_checkpoint saved;
	struct rng r = {.state = 7};

	for (unsigned int i = 0; i < ROUNDS; i++) {
		size_t n;

		draw_checkpoint(&r, &saved);
		n = move_out_head(&saved, NULL, head, sizeof(head));
		CU_ASSERT_FATAL(n > 0);
		UNIT_EQ(move_in_begin(&in, NULL, head, n, NULL, &stats), 0);
		if (in.why[0] != '\0')
			printf("\n  %s", in.why);
		same_checkpoint(&saved, &in.saved);
	}
}

/* A row that no row of a checkpoint is would be read and forgotten. */
UNIT_CASE(each_row_is_for_something)
{
	static const char *const kept[] = {
#define KEPT_FLAG(name, flag) #name,
#define KEPT_VALUE(type, name, field) #name,
#define KEPT_DUE_US(name, field) #name,
#define KEPT_SINCE_US(name, field) #name,
#define KEPT_SINCE_MS(name, field) #name,
#include "tcp/checkpoint.def"
		"ts_now",
		"ts_recent_age",
		"orphan",
	};

	for (unsigned int i = 0; i < IMAGE_ROWS; i++) {
		unsigned int uses = 0;

		for (unsigned int k = 0; k < RTE_DIM(kept); k++)
			uses += strcmp(kept[k], image_rows_names[i]) == 0;
		if (uses != 1)
			printf("\n  %s is used %u times", image_rows_names[i], uses);
		UNIT_EQ(uses, 1);
	}
	/* cork, nodelay, snd_wl1, snd_wnd and rcv_wup are CRIU's. */
	UNIT_EQ(RTE_DIM(kept), IMAGE_ROWS + 5);
}

/* All of it, each row as long as it can be, with the largest of texts. */
UNIT_CASE(the_largest_head_fits)
{
	static uint8_t head[IMAGE_HEAD_MAX], text[IMAGE_SERVICE_STATE_MAX];
	static struct move_in in;
	struct tcp_checkpoint saved;
	struct rng r = {.state = 7};
	size_t n;

	draw_checkpoint(&r, &saved);
	saved.tuple.local.w[0] = saved.tuple.remote.w[0] = 1;
#define KEPT_VALUE(type, name, field) saved.name = (type)-2;
#define KEPT_DUE_US(name, field) saved.name = INT64_MIN;
#define KEPT_SINCE_US(name, field) saved.name = INT64_MIN;
#define KEPT_SINCE_MS(name, field) saved.name = UINT32_MAX;
#include "tcp/checkpoint.def"
	n = move_out_head(
		&saved,
		&(struct move_service){{text, IMAGE_SERVICE_NAME_MAX}, {text, sizeof(text)}}, head,
		sizeof(head));
	CU_ASSERT(n > sizeof(text));
	UNIT_EQ(move_in_begin(&in, NULL, head, n, NULL, &stats), 0);
	UNIT_EQ(in.image.message.service.n, IMAGE_SERVICE_NAME_MAX);
	UNIT_EQ(in.image.message.service_state.n, sizeof(text));
	same_checkpoint(&saved, &in.saved);
}

/* ---- Connections */

static uint8_t image_bytes[IMAGE_BYTES_MAX];

/* The image of a connection, read in pieces of any size; its bytes. */
static size_t
out(struct transfer *t, struct tcp_conn *c)
{
	static struct move_out m;
	uint64_t size, at = 0;
	uint8_t piece[4096];

	CU_ASSERT_FATAL(move_out_begin(&m, c, NULL, &stats) == 0);
	size = move_out_bytes(&m);
	CU_ASSERT_FATAL(size <= sizeof(image_bytes));
	while (at < size)
		at += move_out_read(&m, at, image_bytes + at, rng_between(&t->rng, 1, 65536));
	UNIT_EQ(at, size);
	UNIT_EQ(move_out_read(&m, size, piece, 1), 0);
	/* And anywhere else, in any order. */
	for (unsigned int i = 0; i < 20; i++) {
		uint64_t from = rng_below(&t->rng, size);
		size_t n = rng_below(&t->rng, sizeof(piece)), got;

		got = move_out_read(&m, from, piece, n);
		UNIT_EQ(got, RTE_MIN(n, size - from));
		UNIT_EQ(memcmp(piece, image_bytes + from, got), 0);
	}
	return (size_t)size;
}

/* Takes out what CRIU does not know. Returns the bytes. */
static size_t
make_foreign(size_t n)
{
	static uint8_t whole[IMAGE_BYTES_MAX];
	char why[IMAGE_WHY_BYTES];
	struct image image;

	memcpy(whole, image_bytes, n);
	CU_ASSERT_FATAL(image_read(&image, whole, n, why) == (long)n);
#define IMAGE_NUMBER(rule, kind, type, number, name, value)                                        \
	if (number >= OURS)                                                                        \
		image.message.has.name = false;
#define IMAGE_BYTES(rule, kind, number, name, text)                                                \
	if (number >= OURS)                                                                        \
		image.message.has.name = false;
#include "image_fields.def"
	return image_write(&image, image_bytes, sizeof(image_bytes));
}

/* A connection of the first bytes of image_bytes, which are given in pieces of any size. */
static int
back(struct transfer *t, struct tcp_engine *e, size_t n, const struct move_target *target,
     struct tcp_conn **c)
{
	static struct move_in m;
	size_t at = image_head_wants(image_bytes, n);
	int status = move_in_begin(&m, e, image_bytes, at, target, &stats);

	UNIT_EQ(status == 0, m.why[0] == '\0');
	if (status < 0)
		return status;
	while (at < n) {
		size_t piece = rng_between(&t->rng, 1, rng_below(&t->rng, 2) == 0 ? 100 : 65536);
		ssize_t got;

		UNIT_EQ(move_in_wants(&m), n - at);
		got = move_in_more(&m, image_bytes + at, RTE_MIN(piece, n - at));
		CU_ASSERT_FATAL(got > 0);
		at += (size_t)got;
	}
	UNIT_EQ(move_in_wants(&m), 0);
	/* What comes behind is another's. */
	UNIT_EQ(move_in_more(&m, image_bytes, 5), 0);
	status = move_in_end(&m, c);
	UNIT_EQ(status == 0, m.why[0] == '\0');
	return status;
}

/* One end is in nothing but an image for a while, of ours or as of CRIU. */
static void
move_by_image(struct transfer *t, unsigned int side)
{
	struct tcp_engine *e = t->pair.side[side].engine;
	struct transfer_end *end = &t->end[side];
	struct move_target target = {.state = tcp_state(end->c)};
	bool foreign = *(const bool *)t->ctx;
	size_t n;

	n = out(t, end->c);
	if (foreign) {
		struct tcp_endpoint local, remote;

		UNIT_EQ(tcp_getsockname(end->c, &local), 0);
		UNIT_EQ(tcp_getpeername(end->c, &remote), 0);
		target.tuple = (struct tcp_tuple){.local = local.ip,
						  .remote = remote.ip,
						  .lport = be16(local.port),
						  .rport = be16(remote.port)};
		n = make_foreign(n);
	}
	tcp_close_silently(end->c);
	end->c = NULL;
	t->connected = false;
	pair_run_until(&t->pair, t->pair.now_us + rng_below(&t->rng, 100000));
	t->connected = true;
	CU_ASSERT_FATAL(back(t, e, n, foreign ? &target : NULL, &end->c) == 0);
	tcp_resume(end->c);
	tcp_flush(e);
}

UNIT_CASE(a_connection_goes_on_after_its_image)
{
	bool foreign = false;

	memset(&stats, 0, sizeof(stats));
	for (uint64_t seed = 1; seed <= SEEDS; seed++)
		transfer_run(seed, move_by_image, &foreign);
	CU_ASSERT(stats.out > SEEDS);
	UNIT_EQ(stats.in, stats.out);
	UNIT_EQ(stats.in_bytes, stats.out_bytes);
	UNIT_EQ(stats.in_foreign, 0);
}

/* CRIU's fields and the state are enough: in the middle of the stream, and half-closed. */
UNIT_CASE(a_connection_goes_on_after_an_image_of_crius)
{
	bool foreign = true;

	memset(&stats, 0, sizeof(stats));
	for (uint64_t seed = 1; seed <= SEEDS; seed++)
		transfer_run(seed, move_by_image, &foreign);
	UNIT_EQ(stats.in, stats.out);
	UNIT_EQ(stats.in_foreign, stats.in);
}

/* ---- Refusals */

/* A connection between two engines, and its image in image_bytes. */
struct stage {
	struct transfer t;
	struct tcp_engine *e;
	struct tcp_endpoint local, remote;
	size_t n, head;
};

static struct stage *
stage_begin(void)
{
	struct stage *s = malloc(sizeof(*s));

	CU_ASSERT_FATAL(s != NULL);
	transfer_begin(&s->t, 4);
	s->e = s->t.pair.side[0].engine;
	pair_run_until(&s->t.pair, s->t.pair.now_us + 20000);
	s->t.connected = false;
	UNIT_EQ(tcp_getsockname(s->t.end[0].c, &s->local), 0);
	UNIT_EQ(tcp_getpeername(s->t.end[0].c, &s->remote), 0);
	s->n = out(&s->t, s->t.end[0].c);
	s->head = image_head_wants(image_bytes, s->n);
	memset(&stats, 0, sizeof(stats));
	return s;
}

static void
stage_end(struct stage *s)
{
	for (unsigned int i = 0; i < 2; i++)
		if (s->t.end[i].c != NULL)
			tcp_abort(s->t.end[i].c);
	tcp_close(s->t.listener);
	pair_run_until(&s->t.pair, s->t.pair.now_us + 200 * UINT64_C(1000000));
	CU_ASSERT(pair_end(&s->t.pair));
	free(s);
}

/* Writes the head anew, one field changed; behind it nothing. */
#define CHANGED(s, change)                                                                         \
	do {                                                                                       \
		static uint8_t copy[IMAGE_HEAD_MAX];                                               \
		char why_[IMAGE_WHY_BYTES];                                                        \
		struct image image_;                                                               \
		struct image_message *m = &image_.message;                                         \
		uint8_t bytes_[IMAGE_ROWS_MAX];                                                    \
		struct image_rows rows_, *rows = &rows_;                                           \
                                                                                                   \
		memcpy(copy, good, (s)->head);                                                     \
		CU_ASSERT_FATAL(image_read_head(&image_, copy, (s)->head, why_) > 0);              \
		CU_ASSERT_FATAL(image_rows_read(rows, m, why_));                                   \
		IMAGE_SET(m, rows, (struct image_bytes){NULL, 0});                                 \
		change;                                                                            \
		if (m->rows.n == 0)                                                                \
			m->rows = image_rows_write(rows, bytes_);                                  \
		(s)->n = image_write_head(&image_, image_bytes, sizeof(image_bytes));              \
	} while (0)

/* An image is refused with a status, a counter and a sentence. */
#define REFUSED(s, target, status, counter, sentence)                                              \
	do {                                                                                       \
		static struct move_in in_;                                                         \
		uint64_t before_ = stats.counter;                                                  \
                                                                                                   \
		UNIT_EQ(move_in_begin(&in_, (s)->e, image_bytes, (s)->n, target, &stats), status); \
		UNIT_EQ(stats.counter, before_ + 1);                                               \
		if (strstr(in_.why, sentence) == NULL)                                             \
			printf("\n  \"%s\", not \"%s\"", in_.why, sentence);                       \
		CU_ASSERT_PTR_NOT_NULL(strstr(in_.why, sentence));                                 \
	} while (0)

UNIT_CASE(heads_are_refused_with_their_reason)
{
	static uint8_t good[IMAGE_HEAD_MAX];
	static const uint8_t long_name[] = "a name that is too long";
	struct stage *s = stage_begin();
	struct move_target other = {.state = TCP_ESTABLISHED};

	memcpy(good, image_bytes, s->head);
	s->n = s->head - 1;
	REFUSED(s, NULL, -EINVAL, in_image, "it ends after");
	CHANGED(s, m->has.local_port = false);
	REFUSED(s, NULL, -EINVAL, in_field, "it has 3 of the four fields 1001 to 1004");
	CHANGED(s, m->local_port = 0);
	REFUSED(s, NULL, -EINVAL, in_field, "field 1003, local_port: 0 is no port");
	CHANGED(s, m->remote_port = 65536);
	REFUSED(s, NULL, -EINVAL, in_field, "field 1004, remote_port: 65536 is no port");
	CHANGED(s, m->local_address.n = 3);
	REFUSED(s, NULL, -EINVAL, in_field, "3 and 4 bytes, where there are 4 each, or 16");
	CHANGED(s, IMAGE_SET(m, state, 12));
	REFUSED(s, NULL, -EINVAL, in_field, "field 1005, state: 12, where there are 1 to 11");
	CHANGED(s, m->tern = 2);
	REFUSED(s, NULL, -EINVAL, in_field, "field 1000, tern: 2 is of a later Tern than this");
	CHANGED(s, IMAGE_SET(m, rows, (struct image_bytes){(const uint8_t *)"\x01\x01", 2}));
	REFUSED(s, NULL, -EINVAL, in_field, "field 1009, rows: it ends inside row 0, ipv6");
	CHANGED(s, IMAGE_SET(m, congestion, (struct image_bytes){long_name, 16}));
	REFUSED(s, NULL, -EINVAL, in_field, "field 1008, congestion: no name of at most 15 bytes");
	CHANGED(s, IMAGE_SET(m, congestion, (struct image_bytes){(const uint8_t *)"r\0o", 3}));
	REFUSED(s, NULL, -EINVAL, in_field, "field 1008, congestion: no name of at most 15 bytes");
	CHANGED(s, m->has.tern = false; m->mss_clamp = 65536);
	REFUSED(s, NULL, -EINVAL, in_field, "field 7, mss_clamp: 65536 is out of range");
	CHANGED(s, m->has.tern = false; m->snd_wscale = 256);
	REFUSED(s, NULL, -EINVAL, in_field, "field 6, snd_wscale: 256 is out of range");
	CHANGED(s, m->has.local_address = m->has.remote_address = m->has.local_port =
			   m->has.remote_port = false);
	REFUSED(s, NULL, -EDESTADDRREQ, in_nameless, "it names no addresses");
	CHANGED(s, (void)m);
	other.tuple.local = other.tuple.remote = ip_from4(be32(0x01020304));
	other.tuple.lport = be16(7);
	REFUSED(s, &other, -EINVAL, in_other, "not of 1.2.3.4 port 7 to 1.2.3.4 port 0");
	stage_end(s);
}

/* What the engine refuses, and what is not all there: nothing is left but the reason. */
UNIT_CASE(connections_are_refused_with_their_reason)
{
	static uint8_t good[IMAGE_HEAD_MAX];
	static struct move_in in;
	struct stage *s = stage_begin();
	struct tcp_usage before, after;
	struct tcp_conn *c = NULL;
	size_t all = s->n;

	CU_ASSERT_FATAL(all > s->head + 1000);
	memcpy(good, image_bytes, s->head);
	tcp_usage(s->e, &before);
	/* The connection lives. */
	UNIT_EQ(back(&s->t, s->e, all, NULL, &c), -EADDRNOTAVAIL);
	UNIT_EQ(stats.in_taken, 1);
	/* Its queues do not come, or not all. */
	UNIT_EQ(move_in_begin(&in, s->e, image_bytes, s->head, NULL, &stats), 0);
	UNIT_EQ(move_in_more(&in, image_bytes, 1000), 1000);
	UNIT_EQ(move_in_end(&in, &c), -EINVAL);
	CU_ASSERT_PTR_NOT_NULL(strstr(in.why, "bytes before the end of its queues"));
	UNIT_EQ(stats.in_ended, 1);
	UNIT_EQ(move_in_begin(&in, s->e, image_bytes, s->head, NULL, &stats), 0);
	UNIT_EQ(move_in_more(&in, image_bytes, 1000), 1000);
	move_in_cancel(&in);
	UNIT_EQ(stats.in_ended, 2);
	/* It is none, or none for this engine. */
	CHANGED(s, m->inq_len = m->outq_len = m->unsq_len = 0);
	UNIT_EQ(move_in_begin(&in, s->e, image_bytes, s->n, NULL, &stats), 0);
	UNIT_EQ(move_in_end(&in, &c), -EINVAL);
	UNIT_EQ(stats.in_unsound, 1);
	CHANGED(s, m->outq_len = m->unsq_len = m->inq_len = 0;
		IMAGE_SET(rows, snd_nxt, rows->snd_una);
		IMAGE_SET(m, congestion, (struct image_bytes){(const uint8_t *)"none", 4}));
	UNIT_EQ(move_in_begin(&in, s->e, image_bytes, s->n, NULL, &stats), 0);
	UNIT_EQ(move_in_end(&in, &c), -ENOENT);
	CU_ASSERT_PTR_NOT_NULL(strstr(in.why, "no congestion control \"none\" here"));
	UNIT_EQ(stats.in_congestion, 1);
	tcp_usage(s->e, &after);
	UNIT_EQ(memcmp(&before, &after, sizeof(after)), 0);
	CU_ASSERT_PTR_NULL(c);
	UNIT_EQ(stats.in, 0);
	stage_end(s);
}

/* Without mbufs it is told so, and goes on when there are some; or is given up. */
UNIT_CASE(mbufs_run_out)
{
	static struct rte_mbuf *taken[PAIR_POOL_MBUFS];
	static struct move_in in;
	struct stage *s = stage_begin();
	struct rte_mempool *pool = s->t.pair.pools_of[0]->data;
	unsigned int n = 0;

	while (n < PAIR_POOL_MBUFS && (taken[n] = rte_pktmbuf_alloc(pool)) != NULL)
		n++;
	UNIT_EQ(move_in_begin(&in, s->e, image_bytes, s->head, NULL, &stats), 0);
	UNIT_EQ(move_in_more(&in, image_bytes, 1000), -ENOBUFS);
	while (n > 0)
		rte_pktmbuf_free(taken[--n]);
	UNIT_EQ(move_in_more(&in, image_bytes, 1000), 1000);
	move_in_cancel(&in);
	UNIT_EQ(stats.in_ended, 1);
	stage_end(s);
}

/* There is no image of what is no connection, nor with a service's state beyond all measure. */
UNIT_CASE(no_image_is_made_of_it)
{
	static uint8_t state[IMAGE_SERVICE_STATE_MAX + 1];
	static struct move_out m;
	struct stage *s = stage_begin();
	struct move_service service = {{(const uint8_t *)"echo", 4}, {state, sizeof(state)}};

	UNIT_EQ(move_out_begin(&m, s->t.listener, NULL, &stats), -EINVAL);
	UNIT_EQ(move_out_begin(&m, s->t.end[0].c, &service, &stats), -EMSGSIZE);
	UNIT_EQ(stats.out_refused, 2);
	service.state.n--;
	UNIT_EQ(move_out_begin(&m, s->t.end[0].c, &service, &stats), 0);
	UNIT_EQ(stats.out, 1);
	stage_end(s);
}

/* ---- What CRIU's reader wants, and would have read from the connection itself */

static long
repair_get(struct tcp_conn *c, int name)
{
	size_t len = sizeof(int);
	int v = -1;

	UNIT_EQ(tcp_getsockopt(c, IPPROTO_TCP, name, &v, &len), 0);
	return (long)(uint32_t)v;
}

static long
repair_seq(struct tcp_conn *c, int queue)
{
	UNIT_EQ(tcp_setsockopt(c, IPPROTO_TCP, TCP_REPAIR_QUEUE, &queue, sizeof(queue)), 0);
	return repair_get(c, TCP_QUEUE_SEQ);
}

static long
repair_queued(struct tcp_conn *c, unsigned long request)
{
	int v = -1;

	UNIT_EQ(tcp_ioctl(c, request, &v), 0);
	return v;
}

UNIT_CASE(crius_fields_are_what_the_socket_tells)
{
	struct stage *s = stage_begin();
	struct tcp_conn *c = s->t.end[0].c;
	struct tcp_repair_window window = {0};
	size_t len = sizeof(window);
	char why[IMAGE_WHY_BYTES];
	struct image image;
	const struct image_message *m = &image.message;
	int on = 1, off = -1;

	CU_ASSERT_FATAL(image_read(&image, image_bytes, s->n, why) == (long)s->n);
	tcp_set_privileged(c, true);
	UNIT_EQ(tcp_setsockopt(c, IPPROTO_TCP, TCP_REPAIR, &on, sizeof(on)), 0);
	UNIT_EQ(m->inq_seq, repair_seq(c, 1));
	UNIT_EQ(m->outq_seq, repair_seq(c, 2));
	UNIT_EQ(m->inq_len, repair_queued(c, SIOCINQ));
	UNIT_EQ(m->outq_len, repair_queued(c, SIOCOUTQ));
	UNIT_EQ(m->unsq_len, repair_queued(c, SIOCOUTQNSD));
	CU_ASSERT(m->outq_len > m->unsq_len && m->unsq_len > 0);
	UNIT_EQ(m->mss_clamp, repair_get(c, TCP_MAXSEG));
	UNIT_EQ(m->timestamp, repair_get(c, TCP_TIMESTAMP));
	UNIT_EQ(tcp_getsockopt(c, IPPROTO_TCP, TCP_REPAIR_WINDOW, &window, &len), 0);
	UNIT_EQ(m->snd_wl1, window.snd_wl1);
	UNIT_EQ(m->snd_wnd, window.snd_wnd);
	UNIT_EQ(m->max_window, window.max_window);
	UNIT_EQ(m->rcv_wnd, window.rcv_wnd);
	UNIT_EQ(m->rcv_wup, window.rcv_wup);
	UNIT_EQ(m->opt_mask & 7, 7);
	/* Without these it refuses the image. */
	CU_ASSERT(m->has.unsq_len && m->has.rcv_wscale && m->has.timestamp && m->has.snd_wl1 &&
		  m->has.snd_wnd && m->has.max_window && m->has.rcv_wnd && m->has.rcv_wup);
	UNIT_EQ(tcp_setsockopt(c, IPPROTO_TCP, TCP_REPAIR, &off, sizeof(off)), 0);
	stage_end(s);
}

UNIT_MAIN_EAL(UNIT_RUN(each_row_survives), UNIT_RUN(each_row_is_for_something),
	      UNIT_RUN(the_largest_head_fits), UNIT_RUN(a_connection_goes_on_after_its_image),
	      UNIT_RUN(a_connection_goes_on_after_an_image_of_crius),
	      UNIT_RUN(heads_are_refused_with_their_reason),
	      UNIT_RUN(connections_are_refused_with_their_reason), UNIT_RUN(mbufs_run_out),
	      UNIT_RUN(no_image_is_made_of_it), UNIT_RUN(crius_fields_are_what_the_socket_tells))
