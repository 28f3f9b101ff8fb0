/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Out of the kernel. Linux's repair does not freeze a connection; a packet filter does, but for
 * what was beyond it already. So its numbers are read before and after everything else, until they
 * are the same.
 */
#include "kernel_repair_impl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <linux/sockios.h>

enum {
	TRIES = 50, /* for it to stand still */
	TRY_US = 200,
	INFO_OPTIONS = TCPI_OPT_TIMESTAMPS | TCPI_OPT_SACK | TCPI_OPT_WSCALE | TCPI_OPT_ECN,
};

/* What changes with each segment. */
struct moment {
	uint32_t rcv_nxt, write_seq;
	int inq, outq, unsent; /* as ioctl() tells: with a FIN */
	struct tcp_repair_window window;
};

static int
queue_seq(int fd, int queue, uint32_t *seq, char *why)
{
	int value = 0;

	if (kernel_set(fd, IPPROTO_TCP, TCP_REPAIR_QUEUE, queue, "TCP_REPAIR_QUEUE", why) < 0 ||
	    kernel_get(fd, IPPROTO_TCP, TCP_QUEUE_SEQ, &value, "TCP_QUEUE_SEQ", why) < 0)
		return -1;
	*seq = (uint32_t)value;
	return 0;
}

static int
look(int fd, struct moment *moment, char *why)
{
	socklen_t bytes = sizeof(moment->window);

	memset(moment, 0, sizeof(*moment));
	if (ioctl(fd, SIOCINQ, &moment->inq) < 0 || ioctl(fd, SIOCOUTQ, &moment->outq) < 0 ||
	    ioctl(fd, SIOCOUTQNSD, &moment->unsent) < 0)
		return kernel_failed(why, "the length of its queues");
	if (getsockopt(fd, IPPROTO_TCP, TCP_REPAIR_WINDOW, &moment->window, &bytes) < 0)
		return kernel_failed(why, "TCP_REPAIR_WINDOW");
	if (queue_seq(fd, QUEUE_RECV, &moment->rcv_nxt, why) < 0)
		return -1;
	return queue_seq(fd, QUEUE_SEND, &moment->write_seq, why);
}

/* ---- Queues */

/* Copies the n bytes of a queue; one more would show that there are others. */
static int
read_queue(int fd, int queue, uint8_t *to, size_t n, char *why)
{
	ssize_t got;

	if (kernel_set(fd, IPPROTO_TCP, TCP_REPAIR_QUEUE, queue, "TCP_REPAIR_QUEUE", why) < 0)
		return -1;
	got = recv(fd, to, n + 1, MSG_PEEK | MSG_DONTWAIT);
	if (got < 0 && errno != EAGAIN)
		return kernel_failed(why, "reading a queue");
	if (got < 0)
		got = 0;
	if ((size_t)got == n)
		return 0;
	snprintf(why, KERNEL_WHY_BYTES, "its %s queue gave %zd bytes instead of %zu",
		 queue == QUEUE_RECV ? "receive" : "send", got, n);
	return -1;
}

static int
read_queues(int fd, struct kernel_dump *dump, char *why)
{
	struct image_message *m = &dump->image.message;
	size_t inq = m->inq_len, outq = m->outq_len;

	free(dump->queues);
	dump->queues = malloc(inq + outq + 2);
	if (dump->queues == NULL)
		return kernel_failed(why, "its queues");
	dump->image.recvq = dump->queues;
	dump->image.sendq = dump->queues + inq + 1;
	if (read_queue(fd, QUEUE_RECV, dump->queues, inq, why) < 0)
		return -1;
	return read_queue(fd, QUEUE_SEND, dump->queues + inq + 1, outq, why);
}

/* ---- Numbers */

static void
put_address(const union endpoint *end, struct image_bytes *address, uint32_t *port)
{
	bool v6 = end->any.sa_family == AF_INET6;

	address->at = v6 ? (const uint8_t *)&end->v6.sin6_addr : (const uint8_t *)&end->v4.sin_addr;
	address->n = v6 ? sizeof(end->v6.sin6_addr) : sizeof(end->v4.sin_addr);
	*port = endpoint_port(end);
}

static void
put_ends(struct kernel_dump *dump)
{
	struct image_message *m = &dump->image.message;

	put_address(&dump->ends.local, &m->local_address, &m->local_port);
	put_address(&dump->ends.remote, &m->remote_address, &m->remote_port);
	m->has.local_address = m->has.remote_address = true;
	m->has.local_port = m->has.remote_port = true;
}

static void
put_numbers(struct kernel_dump *dump, const struct moment *now, const struct tcp_info *info)
{
	struct image_message *m = &dump->image.message;
	struct image_rows *rows = &dump->rows;
	bool fin = kernel_has_fin(info->tcpi_state);
	uint32_t outq = (uint32_t)now->outq, unsent = (uint32_t)now->unsent;

	m->inq_len = (uint32_t)now->inq;
	m->inq_seq = now->rcv_nxt;
	m->outq_len = outq - (fin && outq > 0);
	m->outq_seq = now->write_seq;
	IMAGE_SET(m, unsq_len, unsent - (fin && unsent > 0));
	IMAGE_SET(m, state, info->tcpi_state);
	IMAGE_SET(rows, fin_due, fin);
	IMAGE_SET(rows, fin_sent, fin && unsent == 0);
	IMAGE_SET(rows, peer_fin, kernel_has_peer_fin(info->tcpi_state));
	IMAGE_SET(m, snd_wl1, now->window.snd_wl1);
	IMAGE_SET(m, snd_wnd, now->window.snd_wnd);
	IMAGE_SET(m, max_window, now->window.max_window);
	IMAGE_SET(m, rcv_wnd, now->window.rcv_wnd);
	IMAGE_SET(m, rcv_wup, now->window.rcv_wup);
}

/* What is known of the path, and what of its life. */
static void
put_info(struct kernel_dump *dump, const struct tcp_info *info)
{
	struct image_message *m = &dump->image.message;
	struct image_rows *rows = &dump->rows;

	m->opt_mask = info->tcpi_options & INFO_OPTIONS;
	m->snd_wscale = info->tcpi_snd_wscale;
	if (m->opt_mask & TCPI_OPT_WSCALE)
		IMAGE_SET(m, rcv_wscale, info->tcpi_rcv_wscale);
	if (m->opt_mask & TCPI_OPT_ECN)
		IMAGE_SET(rows, ecn, TCPI_OPT_ECN);
	if (info->tcpi_rtt > 0) {
		IMAGE_SET(rows, srtt_us, info->tcpi_rtt);
		IMAGE_SET(rows, rttvar_us, info->tcpi_rttvar);
		IMAGE_SET(rows, mdev_us, info->tcpi_rttvar);
		IMAGE_SET(rows, mdev_max_us, info->tcpi_rttvar);
		IMAGE_SET(rows, rto_us, info->tcpi_rto);
	}
	if (info->tcpi_min_rtt != UINT32_MAX)
		IMAGE_SET(rows, min_rtt_us, info->tcpi_min_rtt);
	IMAGE_SET(rows, cwnd, info->tcpi_snd_cwnd);
	if (info->tcpi_snd_ssthresh < INT32_MAX)
		IMAGE_SET(rows, ssthresh, info->tcpi_snd_ssthresh);
	IMAGE_SET(rows, reordering, info->tcpi_reordering);
	IMAGE_SET(rows, rcv_mss, (uint16_t)info->tcpi_rcv_mss);
	IMAGE_SET(rows, bytes_acked, info->tcpi_bytes_acked);
	IMAGE_SET(rows, bytes_received, info->tcpi_bytes_received);
	IMAGE_SET(rows, bytes_sent, info->tcpi_bytes_sent);
	IMAGE_SET(rows, bytes_retrans, info->tcpi_bytes_retrans);
	IMAGE_SET(rows, segs_in, info->tcpi_segs_in);
	IMAGE_SET(rows, segs_out, info->tcpi_segs_out);
	IMAGE_SET(rows, data_segs_in, info->tcpi_data_segs_in);
	IMAGE_SET(rows, data_segs_out, info->tcpi_data_segs_out);
	IMAGE_SET(rows, retransmits, info->tcpi_total_retrans);
	IMAGE_SET(rows, heard_ms, info->tcpi_last_ack_recv);
	IMAGE_SET(rows, last_data_sent_ms, info->tcpi_last_data_sent);
	IMAGE_SET(rows, last_data_recv_ms, info->tcpi_last_data_recv);
}

static int
put_negotiated(int fd, struct kernel_dump *dump, char *why)
{
	struct image_message *m = &dump->image.message;
	socklen_t bytes = sizeof(dump->congestion);
	int mss, ts;

	if (kernel_get(fd, IPPROTO_TCP, TCP_MAXSEG, &mss, "TCP_MAXSEG", why) < 0 ||
	    kernel_get(fd, IPPROTO_TCP, TCP_TIMESTAMP, &ts, "TCP_TIMESTAMP", why) < 0)
		return -1;
	m->mss_clamp = (uint32_t)mss;
	if (m->opt_mask & TCPI_OPT_TIMESTAMPS)
		IMAGE_SET(m, timestamp, (uint32_t)ts & ~UINT32_C(1));
	/* Others that Linux has, such as bbr, Tern may not have: its own choice then. */
	if (getsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, dump->congestion, &bytes) == 0 &&
	    (strcmp(dump->congestion, "cubic") == 0 || strcmp(dump->congestion, "reno") == 0)) {
		m->congestion.at = (const uint8_t *)dump->congestion;
		m->congestion.n = strlen(dump->congestion);
		m->has.congestion = true;
	}
	return 0;
}

/* ---- All of it */

static int
dump_state(const struct moment *before, int fd, struct kernel_dump *dump, char *why)
{
	struct tcp_info info;
	socklen_t bytes = sizeof(info);

	memset(&info, 0, sizeof(info));
	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &bytes) < 0)
		return kernel_failed(why, "TCP_INFO");
	image_init(&dump->image);
	image_rows_init(&dump->rows);
	put_ends(dump);
	put_numbers(dump, before, &info);
	put_info(dump, &info);
	if (info.tcpi_state == KERNEL_CLOSE) {
		snprintf(why, KERNEL_WHY_BYTES, "the connection has ended");
		return -1;
	}
	return 0;
}

int
kernel_dump(const struct kernel_frozen *frozen, struct kernel_dump *dump,
	    char why[KERNEL_WHY_BYTES])
{
	int fd = frozen->fd, status = -1;
	struct moment before, after;

	memset(dump, 0, sizeof(*dump));
	dump->ends = frozen->ends;
	why[0] = '\0';
	for (unsigned int i = 0; i < TRIES && status < 0; i++) {
		if (look(fd, &before, why) < 0 || dump_state(&before, fd, dump, why) < 0 ||
		    put_negotiated(fd, dump, why) < 0)
			break;
		if (read_queues(fd, dump, why) == 0 && look(fd, &after, why) == 0 &&
		    memcmp(&before, &after, sizeof(before)) == 0)
			status = 0;
		else
			usleep(TRY_US);
	}
	if (status < 0 && why[0] == '\0')
		snprintf(why, KERNEL_WHY_BYTES,
			 "it does not stand still: is it behind a packet filter?");
	if (status == 0)
		why[0] = '\0'; /* of an earlier try */
	kernel_options_save(fd, &dump->image.message, &dump->rows);
	if (frozen->reuseaddr)
		IMAGE_SET(&dump->rows, reuseaddr, true);
	IMAGE_SET(&dump->image.message, rows, image_rows_write(&dump->rows, dump->row_bytes));
	if (status < 0)
		kernel_dump_free(dump);
	return status;
}

void
kernel_dump_free(struct kernel_dump *dump)
{
	free(dump->queues);
	dump->queues = NULL;
}
