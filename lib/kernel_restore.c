/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Into the kernel, in the order that Linux's rules leave: numbers before connect(), which opens the
 * connection without a packet; options; queues; windows; then what makes it half-closed.
 *
 *     FIN-WAIT-1   shutdown                  CLOSE-WAIT   FIN
 *     FIN-WAIT-2   shutdown, ACK of it       LAST-ACK     FIN, shutdown
 *                                            CLOSING      shutdown, FIN
 *
 * where FIN and ACK are segments in the peer's name (kernel_inject.c).
 */
#include "kernel_repair_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum {
	PIECE_BYTES = 64 << 10, /* into a queue at once; Linux may take less */
	SPARE_BYTES = 64 << 10, /* of a buffer, for what segments cost besides their bytes */
	STATE_TRIES = 100,      /* for an injected segment to be taken */
	STATE_US = 1000,
	OPTION_MSS = 2,
	OPTION_WSCALE = 3,
	OPTION_SACK = 4,
	OPTION_TIMESTAMPS = 8,
	MAX_OPTIONS = 4,
};

/* A restore under way. */
struct restore {
	int fd;
	const struct image_message *m;
	const struct image *image;
	struct image_rows rows;
	struct endpoints ends;
	bool fin, peer_fin;
	uint32_t rcv_nxt, write_seq; /* behind what was received, and written; FINs do not count */
	char *why;
};

static int
choose_queue(struct restore *r, int queue)
{
	return kernel_set(r->fd, IPPROTO_TCP, TCP_REPAIR_QUEUE, queue, "TCP_REPAIR_QUEUE", r->why);
}

static int
repair(struct restore *r, int value)
{
	return kernel_set(r->fd, IPPROTO_TCP, TCP_REPAIR, value, "TCP_REPAIR", r->why);
}

/* ---- Before it is open */

static int
set_seq(struct restore *r, int queue, uint32_t seq)
{
	if (choose_queue(r, queue) < 0)
		return -1;
	return kernel_set(r->fd, IPPROTO_TCP, TCP_QUEUE_SEQ, (int)seq, "TCP_QUEUE_SEQ", r->why);
}

/* Makes a buffer at least so large; Linux doubles what is set. */
static void
grow(int fd, int option, int force, uint64_t wanted)
{
	char why[KERNEL_WHY_BYTES];
	int present;

	if (wanted > INT32_MAX)
		wanted = INT32_MAX;
	if (kernel_get(fd, SOL_SOCKET, option, &present, "", why) == 0 && present < (int)wanted)
		kernel_set(fd, SOL_SOCKET, force, (int)(wanted / 2), "", why);
}

/* How far receive buffers grow by themselves. */
static uint64_t
max_rcvbuf(void)
{
	FILE *file = fopen("/proc/sys/net/ipv4/tcp_rmem", "re");
	unsigned long long most = 0;

	if (file != NULL) {
		if (fscanf(file, "%*u %*u %llu", &most) != 1)
			most = 0;
		fclose(file);
	}
	return most;
}

/*
 * For what the queues hold, and so that the window which was offered can stay. Half of a fresh
 * buffer is window; a connection that moves often would double its buffer each time, but for the
 * limit.
 */
static void
grow_buffers(struct restore *r)
{
	uint64_t window = 2 * (uint64_t)r->m->rcv_wnd, most = max_rcvbuf();

	grow(r->fd, SO_SNDBUF, SO_SNDBUFFORCE, 2 * (uint64_t)r->m->outq_len + SPARE_BYTES);
	grow(r->fd, SO_RCVBUF, SO_RCVBUFFORCE, window < most ? window : most);
	grow(r->fd, SO_RCVBUF, SO_RCVBUFFORCE, 2 * (uint64_t)r->m->inq_len);
}

static int
bind_local(struct restore *r, const union endpoint *local)
{
	char text[ENDPOINT_TEXT];

	if (bind(r->fd, &local->any, endpoint_bytes(local)) == 0)
		return 0;
	snprintf(r->why, KERNEL_WHY_BYTES, "cannot bind to %s: %s",
		 endpoint_text(&r->ends.local, text),
		 errno == EADDRNOTAVAIL ? "the kernel does not have this address; --address gives "
					  "it to an interface"
					: strerror(errno));
	return -1;
}

static int
connect_remote(struct restore *r, const union endpoint *remote)
{
	char text[ENDPOINT_TEXT];

	if (connect(r->fd, &remote->any, endpoint_bytes(remote)) == 0)
		return 0;
	if (r->m->state == KERNEL_SYN_SENT && errno == EINPROGRESS)
		return 0;
	snprintf(r->why, KERNEL_WHY_BYTES, "cannot connect to %s: %s",
		 endpoint_text(&r->ends.remote, text),
		 errno == EADDRNOTAVAIL ? "the kernel has this connection already"
					: strerror(errno));
	return -1;
}

/* A SYN is sent again, as it was; the filter drops it, and its timer tries once more. */
static int
connect_again(struct restore *r, const union endpoint *remote)
{
	int flags = fcntl(r->fd, F_GETFL);

	if (repair(r, REPAIR_OFF) < 0)
		return -1;
	fcntl(r->fd, F_SETFL, flags | O_NONBLOCK);
	if (connect_remote(r, remote) < 0)
		return -1;
	fcntl(r->fd, F_SETFL, flags);
	return repair(r, REPAIR_ON);
}

static int
open_connection(struct restore *r)
{
	union endpoint local = r->ends.local, remote = r->ends.remote;
	bool syn_sent = r->m->state == KERNEL_SYN_SENT;

	if (r->rows.ipv6) {
		endpoint_wrap(&local);
		endpoint_wrap(&remote);
	}
	grow_buffers(r);
	if (repair(r, REPAIR_ON) < 0 || bind_local(r, &local) < 0 ||
	    set_seq(r, QUEUE_SEND, r->write_seq - r->m->outq_len - syn_sent) < 0)
		return -1;
	if (syn_sent)
		return connect_again(r, &remote);
	if (set_seq(r, QUEUE_RECV, r->rcv_nxt - r->m->inq_len) < 0)
		return -1;
	return connect_remote(r, &remote);
}

/* ---- What the SYNs agreed on */

static int
set_options(struct restore *r)
{
	const struct image_message *m = r->m;
	struct tcp_repair_opt options[MAX_OPTIONS];
	unsigned int n = 0;

	options[n++] = (struct tcp_repair_opt){OPTION_MSS, m->mss_clamp};
	if (m->opt_mask & TCPI_OPT_WSCALE)
		options[n++] =
			(struct tcp_repair_opt){OPTION_WSCALE, m->snd_wscale | m->rcv_wscale << 16};
	if (m->opt_mask & TCPI_OPT_SACK)
		options[n++] = (struct tcp_repair_opt){OPTION_SACK, 0};
	if (m->opt_mask & TCPI_OPT_TIMESTAMPS)
		options[n++] = (struct tcp_repair_opt){OPTION_TIMESTAMPS, 0};
	if (setsockopt(r->fd, IPPROTO_TCP, TCP_REPAIR_OPTIONS, options,
		       (socklen_t)(n * sizeof(options[0]))) < 0)
		return kernel_failed(r->why, "TCP_REPAIR_OPTIONS");
	/* Bit 0 would make Linux's clock one of microseconds. */
	if (m->opt_mask & TCPI_OPT_TIMESTAMPS)
		return kernel_set(r->fd, IPPROTO_TCP, TCP_TIMESTAMP,
				  (int)(m->timestamp & ~UINT32_C(1)), "TCP_TIMESTAMP", r->why);
	return 0;
}

/* ---- Queues */

static int
fill(struct restore *r, const uint8_t *from, size_t n, const char *which)
{
	size_t done = 0;

	while (done < n) {
		size_t piece = n - done < PIECE_BYTES ? n - done : PIECE_BYTES;
		ssize_t step = send(r->fd, from + done, piece, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (step <= 0) {
			snprintf(r->why, KERNEL_WHY_BYTES, "the %s queue took %zu of %zu bytes: %s",
				 which, done, n, strerror(errno));
			return -1;
		}
		done += (size_t)step;
	}
	return 0;
}

static int
fill_queues(struct restore *r)
{
	uint32_t unsent = r->m->unsq_len, sent = r->m->outq_len - unsent;

	if (choose_queue(r, QUEUE_RECV) < 0 ||
	    fill(r, r->image->recvq, r->m->inq_len, "receive") < 0 ||
	    choose_queue(r, QUEUE_SEND) < 0 || fill(r, r->image->sendq, sent, "send") < 0)
		return -1;
	if (unsent == 0)
		return 0;
	/* Outside repair it counts as unsent, and stays: the peer's window is still 0. */
	if (repair(r, REPAIR_OFF_SILENTLY) < 0 ||
	    fill(r, r->image->sendq + sent, unsent, "send") < 0)
		return -1;
	return repair(r, REPAIR_ON);
}

static int
set_windows(struct restore *r)
{
	const struct image_message *m = r->m;
	struct tcp_repair_window window = {
		.snd_wl1 = m->snd_wl1,
		.snd_wnd = m->snd_wnd,
		.max_window = m->max_window,
		.rcv_wnd = m->rcv_wnd + r->peer_fin,
		.rcv_wup = m->rcv_wup - r->peer_fin,
	};

	if (!m->has.rcv_wup)
		return 0; /* an image without them: the peer's next segment tells */
	if (setsockopt(r->fd, IPPROTO_TCP, TCP_REPAIR_WINDOW, &window, sizeof(window)) < 0)
		return kernel_failed(r->why, "TCP_REPAIR_WINDOW");
	return 0;
}

/* ---- Half-closed */

static unsigned int
state_of(int fd)
{
	struct tcp_info info;
	socklen_t bytes = sizeof(info);

	memset(&info, 0, sizeof(info));
	return getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &bytes) == 0 ? info.tcpi_state : 0;
}

static int
await_state(struct restore *r, unsigned int state)
{
	for (unsigned int i = 0; i < STATE_TRIES; i++) {
		if (state_of(r->fd) == state)
			return 0;
		usleep(STATE_US);
	}
	snprintf(r->why, KERNEL_WHY_BYTES, "the kernel's socket is %s, not %s",
		 kernel_state_name(state_of(r->fd)), kernel_state_name(state));
	return -1;
}

/* A FIN that the peer has not acknowledged is one to send, again perhaps. */
static int
shut(struct restore *r, bool acknowledged)
{
	if (choose_queue(r, acknowledged ? QUEUE_SEND : QUEUE_NONE) < 0)
		return -1;
	return shutdown(r->fd, SHUT_WR) < 0 ? kernel_failed(r->why, "shutdown") : 0;
}

static int
inject(struct restore *r, bool fin, uint32_t ack)
{
	struct kernel_segment segment = {
		.seq = r->rcv_nxt,
		.ack = ack,
		.window = (uint16_t)(r->m->snd_wnd >> r->m->snd_wscale),
		.fin = fin,
	};

	return kernel_inject(&r->ends, &segment, r->why);
}

static int
half_close(struct restore *r)
{
	uint32_t snd_una = r->write_seq - r->m->outq_len;
	int status = 0;

	switch (r->m->state) {
	case KERNEL_FIN_WAIT1:
		status = shut(r, false);
		break;
	case KERNEL_FIN_WAIT2:
		status = shut(r, true) < 0 ? -1 : inject(r, false, r->write_seq + 1);
		break;
	case KERNEL_CLOSE_WAIT:
		status = inject(r, true, snd_una);
		break;
	case KERNEL_LAST_ACK:
		status = inject(r, true, snd_una);
		if (status == 0)
			status = await_state(r, KERNEL_CLOSE_WAIT);
		if (status == 0)
			status = shut(r, false);
		break;
	case KERNEL_CLOSING:
		status = shut(r, false) < 0 ? -1 : inject(r, true, snd_una);
		break;
	default:
		break;
	}
	return status < 0 ? -1 : await_state(r, r->m->state);
}

/* ---- All of it */

static int
check(struct restore *r)
{
	const struct image_message *m = r->m;
	bool listed = m->state == KERNEL_ESTABLISHED || m->state == KERNEL_SYN_SENT ||
		      m->state == KERNEL_FIN_WAIT2 || r->fin || r->peer_fin;

	if (!kernel_image_ends(r->image, &r->ends)) {
		snprintf(r->why, KERNEL_WHY_BYTES, "the image names no addresses");
		return -1;
	}
	if (!listed || m->unsq_len > m->outq_len) {
		snprintf(r->why, KERNEL_WHY_BYTES,
			 listed ? "the image has more unsent bytes than bytes in its send queue"
				: "Linux's repair cannot make a connection in %s",
			 kernel_state_name(m->state));
		return -1;
	}
	if (m->state == KERNEL_SYN_SENT && m->outq_len > 0) {
		snprintf(r->why, KERNEL_WHY_BYTES,
			 "Linux's repair cannot make a SYN that has data with it");
		return -1;
	}
	return 0;
}

static int
restore(struct restore *r)
{
	char ignored[KERNEL_WHY_BYTES];
	int locks = r->rows.sndbuf_locked | r->rows.rcvbuf_locked << 1, sndbuf;

	if (kernel_get(r->fd, SOL_SOCKET, SO_SNDBUF, &sndbuf, "SO_SNDBUF", r->why) < 0 ||
	    open_connection(r) < 0)
		return -1;
	if (r->m->state != KERNEL_SYN_SENT &&
	    (set_options(r) < 0 || fill_queues(r) < 0 || set_windows(r) < 0 || half_close(r) < 0))
		return -1;
	kernel_options_load(r->fd, r->m, &r->rows);
	/* Buffers that nobody chose go on growing by themselves, that for sending from its first
	 * size. */
	if (!r->rows.sndbuf_locked)
		kernel_set(r->fd, SOL_SOCKET, SO_SNDBUFFORCE, sndbuf / 2, "", ignored);
	kernel_set(r->fd, SOL_SOCKET, SO_BUF_LOCK, locks, "", ignored);
	return choose_queue(r, QUEUE_NONE);
}

int
kernel_restore(const struct image *image, char why[KERNEL_WHY_BYTES])
{
	const struct image_message *m = &image->message;
	struct restore r = {.m = m, .image = image, .why = why};

	r.fin = kernel_has_fin(m->state);
	r.peer_fin = kernel_has_peer_fin(m->state);
	r.rcv_nxt = m->inq_seq - r.peer_fin;
	r.write_seq = m->outq_seq - r.fin;
	if (check(&r) < 0 || !image_rows_read(&r.rows, m, why))
		return -1;
	r.fd = socket(r.rows.ipv6 ? AF_INET6 : r.ends.local.any.sa_family,
		      SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (r.fd < 0)
		return kernel_failed(why, "a socket");
	if (restore(&r) == 0)
		return r.fd;
	/* In repair, where Linux closes in silence; outside of it there was no connection yet. */
	kernel_set(r.fd, IPPROTO_TCP, TCP_REPAIR, REPAIR_ON, "", (char[KERNEL_WHY_BYTES]){0});
	close(r.fd);
	return -1;
}
