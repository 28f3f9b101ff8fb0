/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What it takes to let connections go and to take them in again, for checkpoint.sh:
 *
 *     checkpoint kernel calls ADDRESS PEER CONNECTIONS BYTES ROUNDS    Linux's TCP_REPAIR
 *     checkpoint tern calls …                                          the same calls on libtern
 *     checkpoint tern once …             tern_checkpoint() and tern_restore(), a call each
 *     checkpoint tern hold …             makes them, BYTES in the send queue, says "ready", and
 * waits checkpoint single ADDRESS PEER BYTES ROUNDS OTHER-SOCKET NETNS INTERFACE
 *
 * single: one connection at a time leaves the ternd of TERN_SOCKET, by tern_checkpoint(), and a
 * second process restores it in the ternd of OTHER-SOCKET. Printed are the microseconds from the
 * call to the moment at which the kernel saw the first packet of it, at the other ternd's
 * INTERFACE: median, best, worst.
 *
 * The connections are made by TCP_REPAIR itself, to a peer that never answers, so no time but the
 * calls' is in what is measured; BYTES are in their queues, half in each. Each round all of them
 * leave and all of them return. Printed are microseconds a connection: median, best and worst round
 * of leaving, then of returning.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <linux/tcp.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netpacket/packet.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tern.h"

enum {
	PORT_FIRST = 20000, /* local; the peer's is one for all */
	PEER_PORT = 5000,
	ROUNDS_MAX = 1000,
	MSS = 1460,
	IMAGE_SPARE = 1024, /* of an image, besides the queues */
	KIND_MSS = 2,       /* of TCP_REPAIR_OPTIONS */
	KIND_WSCALE = 3,
	KIND_SACK = 4,
	KIND_TIMESTAMPS = 8,
	REPAIR_RECV = 1,
	REPAIR_SEND = 2,
};

/* The socket calls, the kernel's or Tern's. */
struct calls {
	int (*socket)(int, int, int);
	int (*bind)(int, const struct sockaddr *, socklen_t);
	int (*connect)(int, const struct sockaddr *, socklen_t);
	int (*set)(int, int, int, const void *, socklen_t);
	int (*get)(int, int, int, void *, socklen_t *);
	ssize_t (*send)(int, const void *, size_t, int);
	ssize_t (*recv)(int, void *, size_t, int);
	int (*name)(int, struct sockaddr *, socklen_t *);
	int (*peer)(int, struct sockaddr *, socklen_t *);
	int (*ioctl)(int, unsigned long, void *);
	int (*close)(int);
};

static int
kernel_ioctl(int fd, unsigned long request, void *argument)
{
	return ioctl(fd, request, argument);
}

static const struct calls kernel = {
	socket, bind,        connect,     setsockopt,   getsockopt, send,
	recv,   getsockname, getpeername, kernel_ioctl, close,
};
static const struct calls tern = {
	tern_socket,      tern_bind,  tern_connect, tern_setsockopt,
	tern_getsockopt,  tern_send,  tern_recv,    tern_getsockname,
	tern_getpeername, tern_ioctl, tern_close,
};

/* All that is known of a connection that nobody has. */
struct conn {
	int fd;
	uint8_t *bytes; /* both queues, or the image */
	size_t room, image_bytes;
	struct sockaddr_in local, remote;
	int inq, outq, unsent;
	uint32_t inq_seq, outq_seq, mss, ts;
	struct tcp_info info;
	struct tcp_repair_window window;
};

static const struct calls *call;
static struct conn *conns;

static _Noreturn void
fail(const char *what)
{
	fprintf(stderr, "checkpoint: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void
ok(long status, const char *what)
{
	if (status < 0)
		fail(what);
}

static double
seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void
set(const struct conn *c, int name, int value)
{
	ok(call->set(c->fd, IPPROTO_TCP, name, &value, sizeof(value)), "setsockopt");
}

static int
get(const struct conn *c, int name)
{
	socklen_t len = sizeof(int);
	int value = 0;

	ok(call->get(c->fd, IPPROTO_TCP, name, &value, &len), "getsockopt");
	return value;
}

static void
fill(const struct conn *c, int queue, const uint8_t *bytes, int n)
{
	set(c, TCP_REPAIR_QUEUE, queue);
	while (n > 0) {
		ssize_t done = call->send(c->fd, bytes, (size_t)n, 0);

		ok(done, "send in repair");
		bytes += done;
		n -= (int)done;
	}
}

static void
set_seq(const struct conn *c, int queue, uint32_t seq)
{
	set(c, TCP_REPAIR_QUEUE, queue);
	set(c, TCP_QUEUE_SEQ, (int)seq);
}

/* In the order that works, on Linux and here. */
static void
restore_by_calls(struct conn *c)
{
	const struct tcp_repair_opt options[] = {
		{KIND_MSS, c->mss},
		{KIND_WSCALE, c->info.tcpi_snd_wscale | (uint32_t)c->info.tcpi_rcv_wscale << 16},
		{KIND_SACK, 0},
		{KIND_TIMESTAMPS, 0},
	};

	c->fd = call->socket(AF_INET, SOCK_STREAM, 0);
	ok(c->fd, "socket");
	set(c, TCP_REPAIR, 1);
	ok(call->bind(c->fd, (struct sockaddr *)&c->local, sizeof(c->local)), "bind");
	set_seq(c, REPAIR_RECV, c->inq_seq - (uint32_t)c->inq);
	set_seq(c, REPAIR_SEND, c->outq_seq - (uint32_t)c->outq);
	ok(call->connect(c->fd, (struct sockaddr *)&c->remote, sizeof(c->remote)), "connect");
	ok(call->set(c->fd, IPPROTO_TCP, TCP_REPAIR_OPTIONS, options, sizeof(options)),
	   "TCP_REPAIR_OPTIONS");
	set(c, TCP_TIMESTAMP, (int)c->ts);
	fill(c, REPAIR_RECV, c->bytes, c->inq);
	fill(c, REPAIR_SEND, c->bytes + c->inq, c->outq - c->unsent);
	ok(call->set(c->fd, IPPROTO_TCP, TCP_REPAIR_WINDOW, &c->window, sizeof(c->window)),
	   "TCP_REPAIR_WINDOW");
	set(c, TCP_REPAIR, 0);
}

static uint32_t
read_queue(const struct conn *c, int queue, uint8_t *to, int n)
{
	uint32_t seq;

	set(c, TCP_REPAIR_QUEUE, queue);
	seq = (uint32_t)get(c, TCP_QUEUE_SEQ);
	if (n > 0 && call->recv(c->fd, to, (size_t)n, MSG_PEEK) < n)
		fail("a queue is shorter than it says");
	return seq;
}

static void
checkpoint_by_calls(struct conn *c)
{
	socklen_t len = sizeof(c->info);

	set(c, TCP_REPAIR, 1);
	ok(call->get(c->fd, IPPROTO_TCP, TCP_INFO, &c->info, &len), "TCP_INFO");
	ok(call->ioctl(c->fd, SIOCOUTQ, &c->outq), "SIOCOUTQ");
	ok(call->ioctl(c->fd, SIOCOUTQNSD, &c->unsent), "SIOCOUTQNSD");
	ok(call->ioctl(c->fd, SIOCINQ, &c->inq), "SIOCINQ");
	c->mss = (uint32_t)get(c, TCP_MAXSEG);
	c->ts = (uint32_t)get(c, TCP_TIMESTAMP);
	len = sizeof(c->window);
	ok(call->get(c->fd, IPPROTO_TCP, TCP_REPAIR_WINDOW, &c->window, &len), "window");
	c->inq_seq = read_queue(c, REPAIR_RECV, c->bytes, c->inq);
	c->outq_seq = read_queue(c, REPAIR_SEND, c->bytes + c->inq, c->outq);
	len = sizeof(c->local);
	ok(call->name(c->fd, (struct sockaddr *)&c->local, &len), "getsockname");
	len = sizeof(c->remote);
	ok(call->peer(c->fd, (struct sockaddr *)&c->remote, &len), "getpeername");
	ok(call->close(c->fd), "close");
}

static void
checkpoint_at_once(struct conn *c)
{
	ssize_t n = tern_checkpoint(c->fd, c->bytes, c->room, TERN_TAKE);

	if (n < 0)
		fail(tern_checkpoint_error());
	c->image_bytes = (size_t)n;
	ok(tern_close(c->fd), "close");
}

static void
restore_at_once(struct conn *c)
{
	c->fd = tern_restore(c->bytes, c->image_bytes, NULL, 0);
	if (c->fd < 0)
		fail(tern_checkpoint_error());
}

/* ---- connections out of nothing */

static struct sockaddr_in
address(const char *text, unsigned int port)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};

	if (inet_pton(AF_INET, text, &a.sin_addr) != 1)
		fail(text);
	return a;
}

static void
make_one(struct conn *c, unsigned int i, const char *local, const char *remote, int inq, int outq)
{
	size_t room = (size_t)inq + (size_t)outq + IMAGE_SPARE;

	*c = (struct conn){
		.bytes = malloc(room),
		.room = room,
		.local = address(local, PORT_FIRST + i),
		.remote = address(remote, PEER_PORT),
		.inq = inq,
		.outq = outq,
		.inq_seq = i * 77777,
		.outq_seq = i * 55555,
		.mss = MSS,
		.ts = 1000,
		.info = {.tcpi_snd_wscale = 7, .tcpi_rcv_wscale = 7},
		.window = {.snd_wl1 = i * 77777,
			   .snd_wnd = 65536,
			   .max_window = 65536,
			   .rcv_wnd = 16384,
			   .rcv_wup = i * 77777},
	};
	if (c->bytes == NULL)
		fail("memory");
	memset(c->bytes, 'x', room);
	restore_by_calls(c);
}

/* ---- the rounds */

static int
by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void
report(double *s, unsigned int rounds, unsigned int n)
{
	qsort(s, rounds, sizeof(*s), by_size);
	printf(" %.2f %.2f %.2f", s[rounds / 2] * 1e6 / n, s[0] * 1e6 / n, s[rounds - 1] * 1e6 / n);
}

static void
measure(unsigned int n, unsigned int rounds, bool once)
{
	static double out[ROUNDS_MAX], in[ROUNDS_MAX];

	for (unsigned int r = 0; r < rounds; r++) {
		double start = seconds(), left;

		for (unsigned int i = 0; i < n; i++)
			once ? checkpoint_at_once(&conns[i]) : checkpoint_by_calls(&conns[i]);
		left = seconds();
		for (unsigned int i = 0; i < n; i++)
			once ? restore_at_once(&conns[i]) : restore_by_calls(&conns[i]);
		out[r] = left - start;
		in[r] = seconds() - left;
	}
	report(out, rounds, n);
	report(in, rounds, n);
	printf("\n");
}

/* What was moved is all there still. */
static void
check(unsigned int n, int bytes)
{
	int inq, outq;

	for (unsigned int i = 0; i < n; i++) {
		ok(call->ioctl(conns[i].fd, SIOCINQ, &inq), "SIOCINQ");
		ok(call->ioctl(conns[i].fd, SIOCOUTQ, &outq), "SIOCOUTQ");
		if (inq != bytes / 2 || outq != bytes - bytes / 2) {
			fprintf(stderr, "checkpoint: %d and %d bytes in the queues\n", inq, outq);
			exit(1);
		}
	}
}

/* ---- one at a time, from a ternd to another */

struct shared {
	ssize_t n;
	int64_t began_ns;
	uint8_t image[1 << 17];
};

static int64_t
wall_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

/* Sees what arrives at an interface of another namespace, and when. */
static int
watch(const char *netns, const char *interface)
{
	struct sockaddr_ll at = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_IP)};
	int fd = open(netns, O_RDONLY), on = 1;

	ok(fd, netns);
	ok(setns(fd, CLONE_NEWNET), "setns");
	close(fd);
	at.sll_ifindex = (int)if_nametoindex(interface);
	fd = socket(AF_PACKET, SOCK_DGRAM, htons(ETH_P_IP));
	ok(fd, "AF_PACKET");
	ok(setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof(on)), "SO_TIMESTAMPNS");
	ok(bind(fd, (struct sockaddr *)&at, sizeof(at)), "bind to the interface");
	return fd;
}

/* When the next packet from a port came. */
static int64_t
first_packet_ns(int fd, uint16_t port)
{
	for (;;) {
		uint8_t packet[128];
		_Alignas(struct cmsghdr) char control[128];
		struct iovec iov = {packet, sizeof(packet)};
		struct msghdr m = {.msg_iov = &iov,
				   .msg_iovlen = 1,
				   .msg_control = control,
				   .msg_controllen = sizeof(control)};
		struct timespec t;

		ok(recvmsg(fd, &m, 0), "no packet");
		if (packet[9] != IPPROTO_TCP || (packet[20] << 8 | packet[21]) != port)
			continue;
		memcpy(&t, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof(t));
		return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
	}
}

static void
receive_one(struct shared *shared, int turn, int packets, uint16_t port, double *us)
{
	struct conn c = {0};
	char byte;

	ok(read(turn, &byte, 1), "read");
	c.fd = tern_restore(shared->image, (size_t)shared->n, NULL, 0);
	if (c.fd < 0)
		fail(tern_checkpoint_error());
	*us = (double)(first_packet_ns(packets, port) - shared->began_ns) / 1000;
	set(&c, TCP_REPAIR, 1);
	ok(tern_close(c.fd), "close");
}

static int
single(char **arg)
{
	int bytes = atoi(arg[2]), turn[2], back[2];
	unsigned int rounds = (unsigned int)atoi(arg[3]);
	struct shared *shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
				     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	static double us[ROUNDS_MAX];
	char byte = 0;

	call = &tern;
	if (shared == MAP_FAILED || pipe(turn) < 0 || pipe(back) < 0 || rounds > ROUNDS_MAX)
		fail("no way to the second process");
	if (fork() == 0) {
		int packets = watch(arg[5], arg[6]);

		ok(setenv("TERN_SOCKET", arg[4], 1), "setenv");
		for (unsigned int i = 0; i < rounds; i++) {
			receive_one(shared, turn[0], packets, (uint16_t)(PORT_FIRST + i), &us[i]);
			ok(write(back[1], &byte, 1), "write");
		}
		report(us, rounds, 1000000);
		printf("\n");
		exit(0);
	}
	for (unsigned int i = 0; i < rounds; i++) {
		make_one(&conns[0], i, arg[0], arg[1], bytes / 2, bytes - bytes / 2);
		shared->began_ns = wall_ns();
		shared->n = tern_checkpoint(conns[0].fd, shared->image, sizeof(shared->image),
					    TERN_TAKE);
		if (shared->n < 0)
			fail(tern_checkpoint_error());
		ok(write(turn[1], &byte, 1), "write");
		ok(tern_close(conns[0].fd), "close");
		if (read(back[0], &byte, 1) != 1)
			fail("the second process");
	}
	wait(NULL);
	return 0;
}

int
main(int argc, char **argv)
{
	struct rlimit files;
	unsigned int n, rounds;
	int bytes;

	if (argc == 9 && strcmp(argv[1], "single") == 0) {
		conns = calloc(1, sizeof(*conns));
		return single(argv + 2);
	}
	if (argc != 8) {
		fprintf(stderr, "usage: see checkpoint.c\n");
		return 2;
	}
	call = strcmp(argv[1], "kernel") == 0 ? &kernel : &tern;
	n = (unsigned int)atoi(argv[5]);
	bytes = atoi(argv[6]);
	rounds = (unsigned int)atoi(argv[7]);
	if (n == 0 || n > 40000 || rounds == 0 || rounds > ROUNDS_MAX)
		fail("numbers");
	ok(getrlimit(RLIMIT_NOFILE, &files), "getrlimit");
	files.rlim_cur = files.rlim_max;
	ok(setrlimit(RLIMIT_NOFILE, &files), "setrlimit");
	conns = calloc(n, sizeof(*conns));
	for (unsigned int i = 0; i < n; i++)
		make_one(&conns[i], i, argv[3], argv[4], bytes / 2, bytes - bytes / 2);
	if (strcmp(argv[2], "hold") == 0) {
		printf("ready\n");
		fflush(stdout);
		for (;;)
			pause();
	}
	measure(n, rounds, strcmp(argv[2], "once") == 0);
	check(n, bytes);
	/* Nothing of them is to be left: they have no peer who would answer a FIN. */
	for (unsigned int i = 0; i < n; i++) {
		set(&conns[i], TCP_REPAIR, 1);
		ok(call->close(conns[i].fd), "close");
	}
	return 0;
}
