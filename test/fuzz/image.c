/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Images of connections: any bytes are read, moved into an engine and, if that takes them, live
 * there. What is refused has left nothing and says why; what is not is consistent, sends packets
 * that are some, moves out again as what it is, stands a peer and a user, and can be closed.
 *
 * Input: an image. What follows it are the steps of peer and user, a byte each and its details. The
 * mutator changes fields and rows of images that can be read, so that most of them can.
 */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "dataplane/move_impl.h"
#include "image_world.h"
#include "invariants.h"
#include "tcp/engine.h"

enum { STEPS_MAX = 60, PIECE_MAX = 300 };

static struct image_world world;

static int
env_path(void *ctx, const struct ip_addr *remote, const struct ip_addr *local,
	 struct tcp_path *path)
{
	(void)ctx;
	if (ip_is_any(remote) || ip_is_multicast(remote))
		return -EINVAL;
	*path = (struct tcp_path){.local = *local, .hop = IMAGE_HOP, .mtu = IMAGE_MTU};
	return 0;
}

static bool
env_is_local(void *ctx, const struct ip_addr *local)
{
	(void)ctx;
	return !ip_is_multicast(local);
}

static void
env_random(void *ctx, void *buf, size_t n)
{
	fuzz_random(&((struct image_world *)ctx)->random, buf, n);
}

static void
env_notify(void *ctx, struct tcp_conn *c, void *user)
{
	(void)ctx;
	(void)c;
	(void)user;
}

static void
env_confirm(void *ctx, uint32_t hop)
{
	(void)ctx;
	FUZZ_CHECK(hop == IMAGE_HOP, "hop %u", hop);
}

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	static const struct tcp_env env = {
		.ctx = &world,
		.transmit = image_transmit,
		.path = env_path,
		.is_local = env_is_local,
		.random = env_random,
		.notify = env_notify,
		.confirm = env_confirm,
		.alloc = fuzz_alloc,
		.free = fuzz_free,
	};

	(void)argc;
	(void)argv;
	fuzz_start();
	world.e = fuzz_engine_make(&env);
	return 0;
}

/* ---- Into the engine */

/* What somebody gives with an image that names no addresses. */
static const struct move_target *
given(struct fuzz_input *in)
{
	static struct move_target target;
	uint8_t how = fuzz_u8(in);

	target = (struct move_target){
		.tuple = {.local = ip_from4(be32(0xc6120002)),
			  .remote = ip_from4(be32(0xc6120001)),
			  .lport = be16(80),
			  .rport = be16(4711)},
		.state = (enum tcp_state)(how % TCP_STATES),
	};
	return how == 0 ? NULL : &target;
}

/*
 * The head is in memory of its own size, and so is each piece of the queues. Returns the
 * connection, or NULL after a refusal.
 */
static struct tcp_conn *
move_in(const uint8_t *data, size_t head, size_t n, struct fuzz_input *steps)
{
	static struct move_in in;
	uint8_t *exact = malloc(head);
	struct tcp_conn *c = NULL;
	size_t at = head;
	int status;

	memcpy(exact, data, head);
	memset(&in, 0xa5, sizeof(in));
	status = move_in_begin(&in, world.e, exact, head, given(steps), &world.stats);
	FUZZ_CHECK(status < 0 || move_in_wants(&in) == n - head, "%zu bytes", n);
	while (status == 0 && at < n) {
		size_t piece = RTE_MIN(fuzz_u8(steps) * 4u + 1u, n - at);
		uint8_t *bytes = malloc(piece);

		memcpy(bytes, data + at, piece);
		status = (int)move_in_more(&in, bytes, piece);
		FUZZ_CHECK(status == (int)piece, "%d of %zu", status, piece);
		free(bytes);
		at += piece;
		status = 0;
	}
	if (status == 0)
		status = move_in_end(&in, &c);
	FUZZ_CHECK((status == 0) == (in.why[0] == '\0'), "%d, because \"%s\"", status, in.why);
	FUZZ_SAY("%s\n", status == 0 ? "a connection" : in.why);
	free(exact);
	return status == 0 ? c : NULL;
}

/* As long as it is in repair: its own image is one of the same connection. */
static void
move_out(struct tcp_conn *c)
{
	static struct move_out first, second;
	static struct move_in in;
	int status;

	FUZZ_CHECK(move_out_begin(&first, c, NULL, &world.stats) == 0, "no image of it");
	status = move_in_begin(&in, world.e, first.head, first.head_bytes, NULL, &world.stats);
	FUZZ_CHECK(status == 0, "our own image: %s", in.why);
	in.saved.recvq = first.saved.recvq;
	in.saved.sendq = first.saved.sendq;
	FUZZ_CHECK(tcp_checkpoint_is_sound(&in.saved), "what it became is not sound");
	second.head_bytes = move_out_head(&in.saved, NULL, second.head, sizeof(second.head));
	FUZZ_CHECK(second.head_bytes == first.head_bytes &&
			   memcmp(second.head, first.head, first.head_bytes) == 0,
		   "another image");
}

/* ---- Its life there */

static void
live(struct tcp_conn *c, struct fuzz_input *in)
{
	world.c = c;
	tcp_set_user(c, &world);
	tcp_resume(c);
	tcp_flush(world.e);
	fuzz_check_engine(world.e);
	for (unsigned int i = 0; i < STEPS_MAX && fuzz_left(in) > 0; i++) {
		image_step(&world, in);
		tcp_flush(world.e);
		fuzz_check_engine(world.e);
	}
	if (world.c != NULL)
		tcp_abort(world.c);
	world.c = NULL;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	char why[IMAGE_WHY_BYTES] = "";
	uint8_t *exact = malloc(n + 1);
	struct fuzz_input steps;
	struct image image;
	struct tcp_conn *c;
	long size;

	memcpy(exact, data, n);
	size = image_read(&image, exact, n, why);
	FUZZ_CHECK((size < 0) == (why[0] != '\0') && size <= (long)n, "%ld, \"%s\"", size, why);
	FUZZ_SAY("%ld bytes: %s\n", size, why);
	world.now_us = FUZZ_START_US;
	world.random = 1;
	if (size > 0) {
		steps = (struct fuzz_input){data + size, data + n};
		c = move_in(data, (size_t)size - image_queue_bytes(&image), (size_t)size, &steps);
		if (c != NULL) {
			move_out(c);
			live(c, &steps);
		}
	}
	fuzz_engine_drain(world.e, world.now_us);
	fuzz_engine_restart(world.e);
	fuzz_check_pools();
	free(exact);
	return 0;
}

/* ---- Inputs */

size_t LLVMFuzzerMutate(uint8_t *data, size_t n, size_t most) __attribute__((weak));
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t n, size_t most, unsigned int seed);

static uint64_t
draw(uint64_t *state)
{
	uint64_t v;

	fuzz_random(state, &v, sizeof(v));
	return v;
}

static uint64_t
draw_number(uint64_t *state)
{
	uint64_t v = draw(state);

	switch (draw(state) % 4) {
	case 0:
		return v >> draw(state) % 64;
	case 1:
		return (UINT64_C(1) << draw(state) % 64) - draw(state) % 2;
	case 2:
		return v % 16;
	default:
		return v;
	}
}

/* Changes a field: another value, a little more or less, or none. */
static void
change_field(struct image_message *m, uint64_t *state)
{
	static const unsigned int numbers[] = {
#define IMAGE_NUMBER(rule, kind, type, number, name, value) number,
#include "image_fields.def"
	};
	uint64_t v = draw_number(state), how = draw(state) % 4;

	switch (numbers[draw(state) % RTE_DIM(numbers)]) {
#define IMAGE_NUMBER(rule, kind, type, number, name, value)                                        \
	case number:                                                                               \
		m->has.name = how != 0;                                                            \
		m->name = (type)(how == 1   ? (uint64_t)m->name + 1                                \
				 : how == 2 ? (uint64_t)m->name - 1                                \
					    : v);                                                  \
		break;
#include "image_fields.def"
	default:
		break;
	}
}

static void
change_row(struct image_rows *rows, uint64_t *state)
{
	uint64_t v = draw_number(state), how = draw(state) % 4;

	switch ((enum image_row)(draw(state) % IMAGE_ROWS)) {
#define IMAGE_ROW(type, name_, value)                                                              \
	case IMAGE_ROW_##name_:                                                                    \
		rows->has.name_ = how != 0;                                                        \
		rows->name_ = (type)(how == 1   ? (uint64_t)rows->name_ + 1                        \
				     : how == 2 ? (uint64_t)rows->name_ - 1                        \
						: v);                                              \
		break;
#include "lib/image_rows.def"
	case IMAGE_ROWS:
		break;
	}
}

size_t
LLVMFuzzerCustomMutator(uint8_t *data, size_t n, size_t most, unsigned int seed)
{
	static uint8_t copy[1 << 16], row_bytes[IMAGE_ROWS_MAX], folded[IMAGE_CONNECTION_MAX];
	struct image_rows rows;
	char why[IMAGE_WHY_BYTES];
	uint64_t state = seed + 1ull;
	struct image image;
	size_t bytes, rest;
	long size;

	if (n > sizeof(copy))
		return LLVMFuzzerMutate(data, n, most);
	memcpy(copy, data, n);
	size = image_read(&image, copy, n, why);
	if (size < 0 || draw(&state) % 8 == 0)
		return LLVMFuzzerMutate(data, n, most);
	for (uint64_t changes = draw(&state) % 2; changes > 0; changes--)
		change_field(&image.message, &state);
	if (image_rows_read(&rows, &image.message, why)) {
		for (uint64_t changes = draw(&state) % 3; changes > 0; changes--)
			change_row(&rows, &state);
		IMAGE_SET(&image.message, rows, image_rows_write(&rows, row_bytes));
	}
	if (draw(&state) % 2 == 0)
		image_connection_fold(&image.message, folded);
	/* The queues keep their length, unless that is what is changed. */
	image.message.inq_len = RTE_MIN(image.message.inq_len, (uint32_t)(copy + n - image.recvq));
	image.message.outq_len =
		RTE_MIN(image.message.outq_len, (uint32_t)(copy + n - image.sendq));
	if (image_head_room(&image) + image_queue_bytes(&image) > most)
		return LLVMFuzzerMutate(data, n, most);
	bytes = image_write(&image, data, most);
	rest = RTE_MIN(n - (size_t)size, most - bytes);
	memcpy(data + bytes, copy + size, rest);
	if (draw(&state) % 2 == 0 && most > bytes)
		rest = LLVMFuzzerMutate(data + bytes, rest, most - bytes);
	return bytes + rest;
}
