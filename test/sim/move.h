/* SPDX-License-Identifier: BSD-3-Clause */
/* A connection that is nowhere, between the parts of a move: move.c, move_*.c. */
#ifndef TERN_TEST_MOVE_H
#define TERN_TEST_MOVE_H

#include "sim.h"

enum sim_way {
	SIM_BY_CHECKPOINT,
	SIM_BY_CALLS,
	SIM_FREEZE, /* it stays where it is, in repair */
};

/* As <netinet/tcp.h>'s, which has the names of the states that tcp.h has. */
struct sim_window {
	uint32_t snd_wl1, snd_wnd, max_window, rcv_wnd, rcv_wup;
};

/* What socket calls tell of a connection. */
struct sim_dump {
	struct tcp_endpoint local, remote;
	enum tcp_state state;
	int family, inq, outq, unsent, mss, sndbuf, rcvbuf;
	uint32_t ts, inq_seq, outq_seq;
	uint8_t options, wscales;
	bool corked;
	struct sim_window window;
};

struct sim_away {
	enum sim_way way;
	uint64_t back_us;
	bool new_engine;
	struct tcp_checkpoint saved;
	struct sim_dump dump;
	uint8_t *recvq, *sendq; /* their bytes */
	uint8_t *image;         /* all of it, in another form; NULL: none */
	size_t image_bytes;
	struct tcp_conn *frozen;
	uint16_t mss;
};

/* move.c: out of its engine until then, and back. */
void sim_move_out(struct sim *s, struct sim_user *u, enum sim_way way, uint64_t back_us);
void sim_move_in(struct sim *s, struct sim_user *u);

/* move_when.c: draws a random number that the scenario without moves does not miss. */
bool sim_move_chance(struct sim *s, double probability);

/* move_count.c: what is moved; from when on what is sent again counts, and until when. */
void sim_move_count(struct sim *s, const struct tcp_conn *c);
void sim_move_watch(struct sim_conn *conn);
void sim_move_reckon(struct sim *s, struct sim_conn *conn);

/* move_image.c */
void sim_image_save(struct sim *s, struct sim_user *u, struct sim_away *a);
void sim_image_restore(struct sim *s, struct sim_user *u, const struct sim_away *a);

/* move_calls.c */
/* Whether socket calls can move it: they know no urgent byte, and no FIN of the peer's. */
bool sim_calls_can_move(const struct sim_user *u);
/* Dumps the user's connection, and closes it. */
void sim_calls_dump(struct sim *s, struct sim_user *u, struct sim_away *a);
/* Makes it anew as u->c. */
void sim_calls_restore(struct sim *s, struct sim_user *u, const struct sim_away *a);

#endif
