/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Dumps a connection and restores it, by Linux's calls alone, in the order that works there: the
 * same program runs on the kernel and on Tern, and what one has dumped the other restores.
 *
 * What these calls cannot say is that the peer's FIN has come: on leaving it is repeated by a raw
 * socket, as if it came from the peer. That our FIN was acknowledged the peer says itself when it
 * is repeated.
 */
#include <errno.h>
#include <linux/sockios.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "repair_move.h"

enum {
	MOST_ROOM = 32 << 20,
	FIN_MS = 20,
	MOST_FINS = 500,
};

static const char magic[16] = "repair_move 1\n";

void
die(const char *what)
{
	fprintf(stderr, "repair_move: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void
set(int fd, int level, int name, int value, const char *what)
{
	if (setsockopt(fd, level, name, &value, sizeof(value)) < 0)
		die(what);
}

static int
get(int fd, int level, int name, const char *what)
{
	int value = 0;
	socklen_t bytes = sizeof(value);

	if (getsockopt(fd, level, name, &value, &bytes) < 0)
		die(what);
	return value;
}

/* Buffers that held the queues there need not hold them here. */
static int
room(int there)
{
	return there < MOST_ROOM / 2 ? 2 * there : MOST_ROOM;
}

static void
repair(int fd, int value)
{
	set(fd, IPPROTO_TCP, TCP_REPAIR, value, "TCP_REPAIR");
}

static void
choose(int fd, int queue)
{
	set(fd, IPPROTO_TCP, TCP_REPAIR_QUEUE, queue, "TCP_REPAIR_QUEUE");
}

int
connection_state(int fd)
{
	struct tcp_info info;
	socklen_t bytes = sizeof(info);

	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &bytes) < 0)
		die("TCP_INFO");
	return info.tcpi_state;
}

int
queued_bytes(int fd, unsigned long request)
{
	int n = -1;

	if (ioctl(fd, request, &n) < 0)
		die("ioctl");
	return n;
}

/* ---- Dump */

static void
dump_info(int fd, struct dump *d)
{
	struct tcp_info info;
	socklen_t bytes = sizeof(info);

	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &bytes) < 0)
		die("TCP_INFO");
	d->state = info.tcpi_state;
	d->options = info.tcpi_options;
	d->snd_wscale = info.tcpi_snd_wscale;
	d->rcv_wscale = info.tcpi_rcv_wscale;
}

static void
dump_queue(int fd, int queue, uint32_t *seq, uint32_t bytes, uint8_t *into)
{
	choose(fd, queue);
	*seq = (uint32_t)get(fd, IPPROTO_TCP, TCP_QUEUE_SEQ, "TCP_QUEUE_SEQ");
	if (bytes > 0 && recv(fd, into, bytes, MSG_PEEK | MSG_DONTWAIT) != (ssize_t)bytes)
		die("a queue's bytes");
}

void
dump_connection(int fd, struct dump *d, uint8_t **queues)
{
	socklen_t bytes = sizeof(d->window);

	memcpy(d->magic, magic, sizeof(magic));
	repair(fd, 1);
	dump_info(fd, d);
	d->send_bytes = (uint32_t)queued_bytes(fd, SIOCOUTQ);
	d->unsent_bytes = (uint32_t)queued_bytes(fd, SIOCOUTQNSD);
	d->receive_bytes = (uint32_t)queued_bytes(fd, SIOCINQ);
	d->maxseg = (uint32_t)get(fd, IPPROTO_TCP, TCP_MAXSEG, "TCP_MAXSEG");
	d->timestamp = (uint32_t)get(fd, IPPROTO_TCP, TCP_TIMESTAMP, "TCP_TIMESTAMP");
	if (getsockopt(fd, IPPROTO_TCP, TCP_REPAIR_WINDOW, &d->window, &bytes) < 0)
		die("TCP_REPAIR_WINDOW");
	d->receive_room = get(fd, SOL_SOCKET, SO_RCVBUF, "SO_RCVBUF");
	d->send_room = get(fd, SOL_SOCKET, SO_SNDBUF, "SO_SNDBUF");
	if (has_own_fin(d->state)) {
		d->send_bytes -= d->send_bytes > 0;
		d->unsent_bytes -= d->unsent_bytes > 0;
	}
	*queues = malloc((size_t)d->receive_bytes + d->send_bytes + 1);
	if (*queues == NULL)
		die("malloc");
	dump_queue(fd, QUEUE_RECEIVE, &d->receive_next, d->receive_bytes, *queues);
	dump_queue(fd, QUEUE_SEND, &d->send_next, d->send_bytes, *queues + d->receive_bytes);
	if (has_own_fin(d->state))
		d->send_next--;
	if (has_peer_fin(d->state)) {
		d->receive_next--;
		d->window.rcv_wup--;
		d->window.rcv_wnd++;
	}
	d->own.bytes = sizeof(d->own.in6);
	if (getsockname(fd, &d->own.any, &d->own.bytes) < 0)
		die("getsockname");
	if (close(fd) < 0)
		die("close");
}

/* ---- Restore */

static void
restore_options(int fd, const struct dump *d)
{
	struct tcp_repair_opt options[4] = {{.opt_code = 2, .opt_val = d->maxseg}};
	size_t n = 1;

	if (d->options & TCPI_OPT_WSCALE)
		options[n++] =
			(struct tcp_repair_opt){3, d->snd_wscale | (uint32_t)d->rcv_wscale << 16};
	if (d->options & TCPI_OPT_SACK)
		options[n++].opt_code = 4;
	if (d->options & TCPI_OPT_TIMESTAMPS)
		options[n++].opt_code = 8;
	if (setsockopt(fd, IPPROTO_TCP, TCP_REPAIR_OPTIONS, options,
		       (socklen_t)(n * sizeof(options[0]))) < 0)
		die("TCP_REPAIR_OPTIONS");
	set(fd, IPPROTO_TCP, TCP_TIMESTAMP, (int)d->timestamp, "TCP_TIMESTAMP");
}

static void
fill(int fd, const uint8_t *from, uint32_t bytes, const char *what)
{
	uint32_t done = 0;

	while (done < bytes) {
		ssize_t n = send(fd, from + done, bytes - done, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n <= 0)
			die(what);
		done += (uint32_t)n;
	}
}

static void
restore_queues(int fd, const struct dump *d, const uint8_t *queues)
{
	const uint8_t *sent = queues + d->receive_bytes;
	uint32_t sent_bytes = d->send_bytes - d->unsent_bytes;

	choose(fd, QUEUE_RECEIVE);
	fill(fd, queues, d->receive_bytes, "the receive queue");
	choose(fd, QUEUE_SEND);
	fill(fd, sent, sent_bytes, "the send queue");
	if (d->unsent_bytes > 0) {
		repair(fd, -1); /* the window is 0 */
		fill(fd, sent + sent_bytes, d->unsent_bytes, "what is unsent");
		repair(fd, 1);
	}
}

static void
set_seq(int fd, int queue, uint32_t seq)
{
	choose(fd, queue);
	set(fd, IPPROTO_TCP, TCP_QUEUE_SEQ, (int)seq, "TCP_QUEUE_SEQ");
}

/* Its SYN goes again, the same as before. */
static void
restore_syn(int fd, const struct dump *d)
{
	set_seq(fd, QUEUE_SEND, d->send_next - 1);
	repair(fd, 0);
	if (connect(fd, &d->peer.any, d->peer.bytes) == 0 || errno != EINPROGRESS)
		die("connect");
	repair(fd, 1);
}

int
restore_connection(const struct dump *d, const uint8_t *queues)
{
	int fd = socket(d->own.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK, 0);

	if (fd < 0)
		die("socket");
	repair(fd, 1);
	set(fd, SOL_SOCKET, SO_RCVBUFFORCE, room(d->receive_room), "SO_RCVBUFFORCE");
	set(fd, SOL_SOCKET, SO_SNDBUFFORCE, room(d->send_room), "SO_SNDBUFFORCE");
	if (bind(fd, &d->own.any, d->own.bytes) < 0)
		die("bind");
	if (d->state == STATE_SYN_SENT) {
		restore_syn(fd, d);
		return fd;
	}
	set_seq(fd, QUEUE_RECEIVE, d->receive_next - d->receive_bytes);
	set_seq(fd, QUEUE_SEND, d->send_next - d->send_bytes);
	if (connect(fd, &d->peer.any, d->peer.bytes) < 0)
		die("connect");
	restore_options(fd, d);
	restore_queues(fd, d, queues);
	if (setsockopt(fd, IPPROTO_TCP, TCP_REPAIR_WINDOW, &d->window, sizeof(d->window)) < 0)
		die("TCP_REPAIR_WINDOW");
	if (has_own_fin(d->state)) {
		/* Only what was acknowledged has surely left; the rest goes again. */
		choose(fd, d->state == STATE_FIN_WAIT_2 ? QUEUE_SEND : 0);
		if (shutdown(fd, SHUT_WR) < 0)
			die("shutdown");
	}
	return fd;
}

/* ---- The peer's FIN */

static uint32_t
sum_words(uint32_t sum, const void *at, size_t bytes)
{
	const uint8_t *from = at;

	for (size_t i = 0; i < bytes; i += 2)
		sum += (uint32_t)(from[i] << 8 | from[i + 1]);
	return sum;
}

/* Both addresses; the ports are in the segment. */
static uint16_t
checksum(const struct dump *d, const struct tcphdr *tcp)
{
	bool is6 = d->own.any.sa_family == AF_INET6;
	size_t bytes = is6 ? 16 : 4;
	const void *own = is6 ? (const void *)&d->own.in6.sin6_addr : &d->own.in.sin_addr;
	const void *peer = is6 ? (const void *)&d->peer.in6.sin6_addr : &d->peer.in.sin_addr;
	uint32_t sum = sum_words(0, own, bytes);

	sum = sum_words(sum, peer, bytes);
	sum = sum_words(sum, tcp, sizeof(*tcp)) + IPPROTO_TCP + sizeof(*tcp);
	while (sum >> 16 != 0)
		sum = (sum & 0xffff) + (sum >> 16);
	return htons((uint16_t)~sum);
}

/* With the addresses in the packet, so that it can say that it comes from the peer. */
static void
send_raw(const struct dump *d, const struct tcphdr *tcp)
{
	bool is6 = d->own.any.sa_family == AF_INET6;
	int fd = socket(d->own.any.sa_family, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);
	struct endpoint to = d->own;
	uint8_t packet[40 + sizeof(*tcp)] = {0};
	size_t head = is6 ? 40 : 20, bytes = head + sizeof(*tcp);

	if (is6) {
		packet[0] = 0x60;
		packet[5] = sizeof(*tcp);
		packet[6] = IPPROTO_TCP;
		packet[7] = 64;
		memcpy(packet + 8, &d->peer.in6.sin6_addr, 16);
		memcpy(packet + 24, &d->own.in6.sin6_addr, 16);
		to.in6.sin6_port = 0;
	} else {
		packet[0] = 0x45; /* length and sum are the kernel's to fill in */
		packet[8] = 64;
		packet[9] = IPPROTO_TCP;
		memcpy(packet + 12, &d->peer.in.sin_addr, 4);
		memcpy(packet + 16, &d->own.in.sin_addr, 4);
	}
	memcpy(packet + head, tcp, sizeof(*tcp));
	if (fd < 0 || sendto(fd, packet, bytes, 0, &to.any, to.bytes) != (ssize_t)bytes)
		die("the peer's FIN");
	close(fd);
}

static void
send_peer_fin(const struct dump *d, uint32_t acked)
{
	struct tcphdr tcp = {0};

	tcp.source = d->peer.in.sin_port; /* at the same place in both families */
	tcp.dest = d->own.in.sin_port;
	tcp.seq = htonl(d->receive_next);
	tcp.ack_seq = htonl(acked);
	tcp.doff = sizeof(tcp) / 4;
	tcp.fin = tcp.ack = 1;
	tcp.window = htons((uint16_t)(d->window.snd_wnd >> d->snd_wscale));
	tcp.check = checksum(d, &tcp);
	send_raw(d, &tcp);
}

static bool
lacks_peer_fin(int fd)
{
	int state = connection_state(fd);

	return state == STATE_ESTABLISHED || state == STATE_FIN_WAIT_1 || state == STATE_FIN_WAIT_2;
}

/* Until it is taken: the peer goes on, and the kernel refuses an acknowledgment a window behind
 * his. */
static void
repeat_peer_fin(int fd, const struct dump *d)
{
	uint32_t end = d->send_next + (has_own_fin(d->state) ? 1 : 0);

	for (int i = 0; i < MOST_FINS && lacks_peer_fin(fd); i++) {
		send_peer_fin(d, end - (uint32_t)queued_bytes(fd, SIOCOUTQ));
		for (int ms = 0; ms < FIN_MS && lacks_peer_fin(fd); ms++)
			usleep(1000);
	}
}

void
leave_repair(int fd, const struct dump *d)
{
	repair(fd, 0);
	if (has_peer_fin(d->state))
		repeat_peer_fin(fd, d);
}

/* ---- The file */

void
write_dump(const char *path, const struct dump *d, const uint8_t *queues)
{
	FILE *file = fopen(path, "w");
	size_t bytes = (size_t)d->receive_bytes + d->send_bytes;

	if (file == NULL || fwrite(d, sizeof(*d), 1, file) != 1 ||
	    fwrite(queues, 1, bytes, file) != bytes || fclose(file) != 0)
		die(path);
}

void
read_dump(const char *path, struct dump *d, uint8_t **queues)
{
	FILE *file = fopen(path, "r");
	size_t bytes;

	errno = 0;
	if (file == NULL || fread(d, sizeof(*d), 1, file) != 1 ||
	    memcmp(d->magic, magic, sizeof(magic)) != 0)
		die(path);
	bytes = (size_t)d->receive_bytes + d->send_bytes;
	*queues = malloc(bytes + 1);
	if (*queues == NULL || fread(*queues, 1, bytes, file) != bytes)
		die(path);
	fclose(file);
}
