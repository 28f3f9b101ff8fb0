/* SPDX-License-Identifier: BSD-3-Clause */
/* dataplane/gateway_move.c, gateway_journal.c, and holding of gateway_repair.c: programs'
 * connections to images and back. */
#include <errno.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "gateway_rig.h"
#include "unit.h"

#include "lib/image.h"

enum {
	LISTENER = 0,
	CONN = 1,
	AGAIN = 2, /* slot of what is restored */
	PORT = 5000,
	MANY = 200000,
	OWN = RIG_PAYLOADS - 1, /* the payload that is used */
};

static struct gateway_rig r;
static uint8_t out[MANY], in[MANY], image[MANY];

/* A program that may repair, with a connection in slot 1; returns the peer. */
static struct tcp_conn *
start(struct rig_program **p)
{
	for (size_t i = 0; i < sizeof(out); i++)
		out[i] = (uint8_t)(i * 13 + i / 257);
	memset(in, 0, sizeof(in));
	return rig_start_repairing(&r, p, LISTENER, CONN, PORT);
}

static void
end(struct tcp_conn *peer)
{
	CU_ASSERT(rig_end_with(&r, peer));
}

static uint8_t *
payload(const struct rig_program *p)
{
	struct shm_layout layout;

	shm_lay_out(&p->header, &layout);
	return p->arena + layout.payloads + OWN * SHM_PAYLOAD_MAX;
}

static const struct shm_moved *
moved(const struct rig_program *p)
{
	return (const struct shm_moved *)(const void *)p->replies[0].data;
}

static int
move_piece(struct rig_program *p, enum shm_op op, uint32_t slot, uint32_t how, uint32_t offset,
	   uint32_t bytes, const struct shm_target *target)
{
	struct shm_request request = {.op = (uint16_t)op,
				      .ticket = ++p->tickets,
				      .socket = slot,
				      .arg = how,
				      .offset = offset,
				      .bytes = target != NULL ? sizeof(*target) : 0,
				      .arg2 = (uint64_t)OWN << 32 | bytes};

	rig_post(p, &request, target);
	rig_run(&r, 1);
	return p->replies[0].ticket == p->tickets ? p->replies[0].result : -ETIME;
}

/* The whole image, in pieces of so many bytes; returns its bytes, or what went wrong. */
static long
checkpoint(struct rig_program *p, uint32_t piece, uint32_t how)
{
	uint32_t done = 0;
	int n;

	do {
		n = move_piece(p, SHM_CHECKPOINT, CONN, how | SHM_MOVE_END, done, piece, NULL);
		if (n < 0)
			return n;
		memcpy(image + done, payload(p), (size_t)n);
		done += (uint32_t)n;
	} while (n > 0 && done < moved(p)->bytes);
	return done;
}

static long
restore(struct rig_program *p, uint32_t bytes, uint32_t piece, uint32_t how)
{
	uint32_t done = 0;
	int n;

	do {
		uint32_t most = RTE_MIN(piece, bytes - done);

		memcpy(payload(p), image + done, most);
		n = move_piece(p, SHM_RESTORE, AGAIN, how, done, most, NULL);
		if (n < 0)
			return n;
		done += (uint32_t)n;
	} while (n > 0 && moved(p)->bytes > 0 && done < bytes);
	return moved(p)->bytes == 0 ? (long)done : -EAGAIN;
}

static int
receive(struct rig_program *p, uint32_t slot)
{
	return rig_call(&r, p, SHM_RECV, slot, 0, 1000, NULL, 0);
}

/* ---- Out, and in again */

UNIT_CASE(what_fits_in_one_piece_goes_on)
{
	struct rig_program *p;
	struct tcp_conn *peer = start(&p);
	char why[IMAGE_WHY_BYTES];
	struct tcp_stats stats;
	struct image read;
	long n;

	UNIT_EQ(tcp_send(peer, out, 500, 0), 500);
	rig_run(&r, 5);
	n = checkpoint(p, SHM_PAYLOAD_MAX, 0);
	UNIT_EQ(image_read(&read, image, (size_t)n, why), n);
	UNIT_EQ(read.message.inq_len, 500);
	CU_ASSERT(memcmp(read.recvq, out, 500) == 0);
	/* Nothing has happened: what was delivered is still there, nothing was frozen. */
	UNIT_EQ(p->view.status[CONN].flags, 0);
	UNIT_EQ(rig_stats(&r).recalled, 0);
	UNIT_EQ(rig_stats(&r).checkpoints, 1);
	UNIT_EQ(rig_read(p, CONN, in, 1000), 500);
	tcp_stats_read(r.pair.side[1].engine, &stats);
	UNIT_EQ(stats.repairs, 0);
	/* And so it can stay frozen. */
	CU_ASSERT(checkpoint(p, SHM_PAYLOAD_MAX, SHM_MOVE_FREEZE) > 0);
	UNIT_EQ(p->view.status[CONN].flags, SHM_REPAIR);
	end(peer);
}

static bool
loses_all(void *ctx, const struct rte_mbuf *packet)
{
	(void)ctx;
	(void)packet;
	return true;
}

/* Taken away, in pieces, and restored, in others; nothing is lost of either queue. */
static void
moves(uint32_t unread, uint32_t unsent, uint32_t piece)
{
	struct rig_program *p;
	struct tcp_conn *peer = start(&p);
	uint64_t sent;
	long n;

	UNIT_EQ(tcp_send(peer, out, unread, 0), unread);
	rig_run(&r, 30);
	r.pair.loses = loses_all;
	for (uint32_t at = 0; at < unsent; at += 10000)
		UNIT_EQ(rig_call(&r, p, SHM_SEND_NOW, CONN, 0, 0, out + at, 10000), 10000);
	n = checkpoint(p, piece, SHM_MOVE_TAKE);
	sent = r.pair.side[1].transmitted;
	CU_ASSERT_FATAL(n > (long)(unread + unsent));
	UNIT_EQ(p->view.status[CONN].poll,
		POLLIN | POLLRDNORM | POLLRDHUP | POLLOUT | POLLWRNORM | POLLERR | POLLHUP);
	UNIT_EQ(receive(p, CONN), -ECONNABORTED);
	UNIT_EQ(receive(p, CONN), 0);
	UNIT_EQ(rig_call(&r, p, SHM_SEND_NOW, CONN, 0, 0, "x", 1), -EPIPE);
	rig_tell(p, SHM_CLOSE, CONN, 0, NULL, 0);
	rig_run(&r, 100);
	UNIT_EQ(r.pair.side[1].transmitted, sent);
	r.pair.loses = NULL;
	p->next_chunk[AGAIN] = p->view.status[AGAIN].delivered;
	UNIT_EQ(restore(p, (uint32_t)n, piece, 0), n);
	UNIT_EQ(moved(p)->family, AF_INET);
	UNIT_EQ(moved(p)->receive_ms, INT64_MAX);
	UNIT_EQ(p->view.status[AGAIN].state, SHM_OPENED);
	UNIT_EQ(p->view.status[AGAIN].flags, 0);
	for (uint32_t got = 0, read = 0, turn = 0; turn < 3000 && got + read < unread + unsent;
	     turn++) {
		ssize_t m = tcp_recv(peer, in + MANY / 2 + got, MANY / 2 - got, 0);

		got += m > 0 ? (uint32_t)m : 0;
		read += (uint32_t)rig_read(p, AGAIN, in + read, MANY / 2 - read);
		rig_tell(p, SHM_CONSUMED, AGAIN, 0, NULL, 0);
		rig_run(&r, 1);
	}
	CU_ASSERT(memcmp(in, out, unread) == 0);
	CU_ASSERT(memcmp(in + MANY / 2, out, unsent) == 0);
	UNIT_EQ(tcp_state(peer), TCP_ESTABLISHED);
	CU_ASSERT(gateway_program_fault(p->gateway) == NULL);
	end(peer);
}

UNIT_CASE(a_connection_is_taken_away_and_comes_back)
{
	moves(0, 0, SHM_PAYLOAD_MAX);
	moves(700, 0, SHM_PAYLOAD_MAX);
	moves(0, 20000, SHM_PAYLOAD_MAX);
	moves(60000, 60000, SHM_PAYLOAD_MAX);
	moves(5000, 10000, 1024);
}

UNIT_CASE(only_who_may_repair_may)
{
	struct rig_program *p;
	struct tcp_conn *peer = start(&p);
	long n = checkpoint(p, SHM_PAYLOAD_MAX, 0);

	gateway_program_set_user(p->gateway, 1000, false);
	UNIT_EQ(checkpoint(p, SHM_PAYLOAD_MAX, 0), -EPERM);
	CU_ASSERT(strstr(moved(p)->why, "repair_group") != NULL);
	UNIT_EQ(restore(p, (uint32_t)n, SHM_PAYLOAD_MAX, 0), -EPERM);
	UNIT_EQ(move_piece(p, SHM_CHECKPOINT, CONN, SHM_MOVE_LEAVE, 0, 0, NULL), -EPERM);
	UNIT_EQ(rig_stats(&r).checkpoints_refused, 2);
	UNIT_EQ(rig_stats(&r).restores_refused, 1);
	end(peer);
}

/* ---- What goes wrong */

UNIT_CASE(what_changes_meanwhile_ends_it)
{
	struct rig_program *p;
	struct tcp_conn *peer = start(&p);
	const int on = 1;

	UNIT_EQ(move_piece(p, SHM_CHECKPOINT, CONN, 0, 0, 100, NULL), 100);
	UNIT_EQ(p->view.status[CONN].flags, SHM_REPAIR);
	/* To look at it changes nothing. */
	UNIT_EQ(rig_call(&r, p, SHM_IOCTL, CONN, 0, FIONREAD, NULL, 0), 0);
	UNIT_EQ(move_piece(p, SHM_CHECKPOINT, CONN, 0, 100, 50, NULL), 50);
	UNIT_EQ(rig_call(&r, p, SHM_SETSOCKOPT, CONN, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)),
		0);
	UNIT_EQ(p->view.status[CONN].flags, 0);
	UNIT_EQ(move_piece(p, SHM_CHECKPOINT, CONN, 0, 150, 50, NULL), -EBUSY);
	/* It may close, too. */
	UNIT_EQ(move_piece(p, SHM_CHECKPOINT, CONN, 0, 0, 100, NULL), 100);
	rig_tell(p, SHM_CLOSE, CONN, 0, NULL, 0);
	rig_run(&r, 5);
	UNIT_EQ(tcp_recv(peer, in, 1, 0), 0);
	end(peer);
}

UNIT_CASE(who_ends_leaves_nothing_half_done)
{
	struct rig_program *p;
	struct tcp_conn *peer = start(&p);
	long n;

	n = checkpoint(p, SHM_PAYLOAD_MAX, SHM_MOVE_TAKE);
	memcpy(payload(p), image, (size_t)n);
	image[8] = 0;
	rig_detach(&r, p);
	p = rig_attach(&r, 0, NULL);
	gateway_program_set_user(p->gateway, 0, true);
	UNIT_EQ(restore(p, (uint32_t)n, SHM_PAYLOAD_MAX, 0), -EINVAL);
	CU_ASSERT(moved(p)->why[0] != '\0');
	UNIT_EQ(p->view.status[AGAIN].state, SHM_FREE);
	UNIT_EQ(rig_stats(&r).restores_refused, 1);
	end(peer);
}

UNIT_CASE(pieces_must_follow_each_other)
{
	struct rig_program *p;
	struct tcp_conn *peer = start(&p);
	long n;

	UNIT_EQ(tcp_send(peer, out, 5000, 0), 5000);
	rig_run(&r, 5);
	n = checkpoint(p, SHM_PAYLOAD_MAX, SHM_MOVE_TAKE);
	memcpy(payload(p), image, (size_t)n);
	UNIT_EQ(move_piece(p, SHM_RESTORE, AGAIN, 0, 0, 1000, NULL), 1000);
	UNIT_EQ(moved(p)->bytes, (uint64_t)n - 1000);
	UNIT_EQ(move_piece(p, SHM_RESTORE, AGAIN, 0, 2000, 100, NULL), -EBUSY);
	UNIT_EQ(move_piece(p, SHM_RESTORE, AGAIN, 0, 0, 1000, NULL), 1000);
	UNIT_EQ(move_piece(p, SHM_RESTORE, AGAIN, SHM_MOVE_CANCEL, 0, 0, NULL), 0);
	UNIT_EQ(move_piece(p, SHM_RESTORE, AGAIN, 0, 1000, 100, NULL), -EBUSY);
	/* A slot that is in use, and one that there is not. */
	UNIT_EQ(move_piece(p, SHM_RESTORE, CONN, 0, 0, 1000, NULL), -EBADFD);
	UNIT_EQ(move_piece(p, SHM_RESTORE, RIG_SOCKETS, 0, 0, 1000, NULL), -EBADFD);
	UNIT_EQ(restore(p, (uint32_t)n, 1000, SHM_MOVE_FREEZE), n);
	UNIT_EQ(p->view.status[AGAIN].flags, SHM_REPAIR);
	/* The address is in use now. */
	rig_tell(p, SHM_CLOSE, CONN, 0, NULL, 0);
	rig_run(&r, 1);
	memcpy(payload(p), image, (size_t)n);
	UNIT_EQ(move_piece(p, SHM_RESTORE, CONN, 0, 0, (uint32_t)n, NULL), -EADDRNOTAVAIL);
	end(peer);
}

UNIT_CASE(the_log_hears_of_each)
{
	struct rig_program *p;
	struct tcp_conn *peer = start(&p);
	int timer = timerfd_create(CLOCK_MONOTONIC, 0);
	struct gateway_moved line;
	struct itimerspec left;
	long n;

	gateway_journal_tells(r.gateway, timer);
	gateway_program_set_pid(p->gateway, 4711);
	UNIT_EQ(tcp_send(peer, out, 500, 0), 500);
	rig_run(&r, 5);
	n = checkpoint(p, SHM_PAYLOAD_MAX, SHM_MOVE_TAKE);
	UNIT_EQ(restore(p, (uint32_t)n, SHM_PAYLOAD_MAX, 0), n);
	UNIT_EQ(move_piece(p, SHM_CHECKPOINT, LISTENER, 0, 0, 100, NULL), -EINVAL);
	/* It runs, or has run out, which it says until it is read. */
	CU_ASSERT(timerfd_gettime(timer, &left) == 0);
	CU_ASSERT(left.it_value.tv_nsec > 0 || read(timer, &(uint64_t){0}, 8) == 8);
	CU_ASSERT_FATAL(gateway_journal_take(r.gateway, &line));
	UNIT_EQ(line.kind, GATEWAY_TAKEN);
	UNIT_EQ(line.pid, 4711);
	UNIT_EQ(line.recvq_bytes, 500);
	UNIT_EQ(be16_get(line.tuple.lport), PORT);
	CU_ASSERT_FATAL(gateway_journal_take(r.gateway, &line));
	UNIT_EQ(line.kind, GATEWAY_RESTORED);
	CU_ASSERT_FATAL(gateway_journal_take(r.gateway, &line));
	UNIT_EQ(line.kind, GATEWAY_CHECKPOINT_REFUSED);
	UNIT_EQ(line.status, -EINVAL);
	CU_ASSERT(line.why[0] != '\0');
	CU_ASSERT(!gateway_journal_take(r.gateway, &line));
	/* What finds no room is counted. */
	for (int i = 0; i < 70; i++)
		move_piece(p, SHM_CHECKPOINT, LISTENER, 0, 0, 100, NULL);
	UNIT_EQ(gateway_journal_lost(r.gateway), 6);
	gateway_journal_tells(r.gateway, -1);
	close(timer);
	end(peer);
}

/* ---- By another's order */

/* The user that the engine knows of the program's only connection. */
static void *
user_of(uint16_t port)
{
	uint64_t cursor = 0;
	struct tcp_listing c;

	while (tcp_list(r.pair.side[1].engine, &cursor, &c, 1) == 1)
		if (c.user != NULL && c.state != TCP_LISTEN && be16_get(c.tuple.lport) == port)
			return (void *)(uintptr_t)c.user;
	return NULL;
}

UNIT_CASE(what_is_held_waits_and_goes_on)
{
	struct rig_program *p;
	struct tcp_conn *peer = start(&p);
	void *user = user_of(PORT);

	CU_ASSERT_FATAL(user != NULL);
	UNIT_EQ(tcp_send(peer, out, 500, 0), 500);
	rig_run(&r, 5);
	/* What it has read counts, also where it has not said so; the rest is taken back. */
	UNIT_EQ(rig_read(p, CONN, in, 200), 200);
	CU_ASSERT(gateway_hold(r.gateway, user));
	CU_ASSERT(!gateway_hold(r.gateway, user));
	UNIT_EQ(p->view.control[CONN].consumed, SHM_CONSUMED_SEAL | 200);
	UNIT_EQ(p->view.status[CONN].flags, 0);
	UNIT_EQ(p->view.status[CONN].recalled, p->view.status[CONN].delivered);
	UNIT_EQ(rig_stats(&r).recalled, 300);
	/* It writes on, and a call waits. */
	rig_tell(p, SHM_SEND, CONN, 0, out, 100);
	UNIT_EQ(rig_call(&r, p, SHM_IOCTL, CONN, 0, FIONREAD, NULL, 0), -ETIME);
	rig_run(&r, 10);
	CU_ASSERT(p->replies[0].ticket != p->tickets);
	UNIT_EQ(tcp_recv(peer, in, 1000, 0), -EAGAIN);
	gateway_let_go(r.gateway, user);
	rig_run(&r, 10);
	UNIT_EQ(p->replies[0].ticket, p->tickets);
	UNIT_EQ(p->replies[0].data[0] | p->replies[0].data[1] << 8, 300);
	UNIT_EQ(p->view.control[CONN].consumed, SHM_CONSUMED_EPOCH | 200);
	p->next_chunk[CONN] = p->view.status[CONN].recalled;
	p->chunk_read[CONN] = 0;
	UNIT_EQ(rig_read(p, CONN, in, 1000), 300);
	rig_tell(p, SHM_CONSUMED, CONN, 0, NULL, 0);
	rig_run(&r, 1);
	UNIT_EQ(rig_call(&r, p, SHM_IOCTL, CONN, 0, FIONREAD, NULL, 0), 0);
	UNIT_EQ(p->replies[0].data[0] | p->replies[0].data[1], 0);
	CU_ASSERT(memcmp(in, out + 200, 300) == 0);
	UNIT_EQ(tcp_recv(peer, in, 1000, 0), 100);
	CU_ASSERT(gateway_program_fault(p->gateway) == NULL);
	end(peer);
}

UNIT_CASE(what_is_held_may_be_taken_away)
{
	struct rig_program *p;
	struct tcp_conn *peer = start(&p);
	void *user = user_of(PORT);
	uint64_t sent;

	UNIT_EQ(tcp_send(peer, out, 500, 0), 500);
	rig_run(&r, 60);
	CU_ASSERT(gateway_hold(r.gateway, user));
	sent = r.pair.side[1].transmitted;
	gateway_take_away(r.gateway, user);
	UNIT_EQ(p->view.control[CONN].consumed, SHM_CONSUMED_EPOCH);
	UNIT_EQ(receive(p, CONN), -ECONNABORTED);
	UNIT_EQ(receive(p, CONN), 0);
	CU_ASSERT(gateway_program_fault(p->gateway) == NULL);
	rig_run(&r, 100);
	UNIT_EQ(r.pair.side[1].transmitted, sent);
	end(peer);
}

/* The epochs come round, without the seal or the count being touched. */
UNIT_CASE(epochs_come_round)
{
	struct rig_program *p;
	struct tcp_conn *peer = start(&p);
	void *user = user_of(PORT);

	UNIT_EQ(tcp_send(peer, out, 500, 0), 500);
	rig_run(&r, 5);
	UNIT_EQ(rig_read(p, CONN, in, 500), 500);
	for (uint64_t i = 1; i < 600; i++) {
		CU_ASSERT(gateway_hold(r.gateway, user));
		gateway_let_go(r.gateway, user);
		if (p->view.control[CONN].consumed != (i % 256 * SHM_CONSUMED_EPOCH | 500))
			UNIT_EQ(i, 0);
	}
	CU_ASSERT(gateway_program_fault(p->gateway) == NULL);
	end(peer);
}

/* The program is gone meanwhile: its connection ends when it may. */
UNIT_CASE(what_is_held_outlives_its_program)
{
	for (int taken = 0; taken < 2; taken++) {
		struct rig_program *p;
		struct tcp_conn *peer = start(&p);
		void *user = user_of(PORT);

		CU_ASSERT(gateway_hold(r.gateway, user));
		rig_tell(p, SHM_SEND, CONN, 0, out, 100);
		rig_detach(&r, p);
		rig_run(&r, 5);
		UNIT_EQ(tcp_recv(peer, in, 1000, 0), -EAGAIN);
		if (taken)
			gateway_take_away(r.gateway, user);
		else
			gateway_let_go(r.gateway, user);
		rig_run(&r, 10);
		UNIT_EQ(tcp_recv(peer, in, 1000, 0), taken ? -EAGAIN : 100);
		if (!taken)
			UNIT_EQ(tcp_recv(peer, in, 1000, 0), 0);
		end(peer);
	}
}

UNIT_MAIN_EAL(UNIT_RUN(what_fits_in_one_piece_goes_on),
	      UNIT_RUN(a_connection_is_taken_away_and_comes_back),
	      UNIT_RUN(only_who_may_repair_may), UNIT_RUN(what_changes_meanwhile_ends_it),
	      UNIT_RUN(who_ends_leaves_nothing_half_done), UNIT_RUN(pieces_must_follow_each_other),
	      UNIT_RUN(the_log_hears_of_each), UNIT_RUN(what_is_held_waits_and_goes_on),
	      UNIT_RUN(what_is_held_may_be_taken_away), UNIT_RUN(epochs_come_round),
	      UNIT_RUN(what_is_held_outlives_its_program))
