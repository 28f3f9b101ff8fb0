/* SPDX-License-Identifier: BSD-3-Clause */
/* A connection is in nothing but the bytes of its image, written and read in pieces of any size. */
#include <stdlib.h>

#include "dataplane/move.h"
#include "move.h"

static struct move_stats stats;

static size_t
piece(struct sim *s, size_t left)
{
	size_t most = sim_move_chance(s, 0.3) ? 300 : 65536;

	return RTE_MIN(left, (size_t)rng_between(&s->moving.rng, 1, most));
}

void
sim_image_save(struct sim *s, struct sim_user *u, struct sim_away *a)
{
	static struct move_out out;
	size_t n;

	if (move_out_begin(&out, u->c, NULL, &stats) != 0) {
		sim_fail(s, "side %u has no image in %s", u->side, tcp_state_name(tcp_state(u->c)));
		return;
	}
	a->image_bytes = move_out_bytes(&out);
	a->image = malloc(a->image_bytes);
	if (a->image == NULL)
		abort();
	for (size_t at = 0; at < a->image_bytes; at += n) {
		n = piece(s, a->image_bytes - at);
		if (move_out_read(&out, at, a->image + at, n) != n) {
			sim_fail(s, "side %u's image ends early", u->side);
			return;
		}
	}
}

void
sim_image_restore(struct sim *s, struct sim_user *u, const struct sim_away *a)
{
	static struct move_in in;
	size_t at = image_head_wants(a->image, a->image_bytes);
	int status = move_in_begin(&in, s->pair.side[u->side].engine, a->image, at, NULL, &stats);

	while (status == 0 && at < a->image_bytes) {
		ssize_t n = move_in_more(&in, a->image + at, piece(s, a->image_bytes - at));

		if (n <= 0) {
			sim_fail(s, "side %u's image is not read on: %zd", u->side, n);
			move_in_cancel(&in);
			return;
		}
		at += (size_t)n;
	}
	if (status == 0)
		status = move_in_end(&in, &u->c);
	if (status != 0)
		sim_fail(s, "side %u's image is refused: %s", u->side, in.why);
}
