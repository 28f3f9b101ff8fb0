/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Moves Ethernet frames between two interfaces, and treats them as a bad network does: it loses,
 * delays, reorders and duplicates them, and lets no more than so many through in a second. Both
 * directions alike, each with random numbers of its own from one seed: the same frames in the same
 * order are treated the same. FILE gets every frame as it came, for Wireshark.
 *
 *     forwarder IF-A IF-B [--loss SHARE] [--delay MS] [--jitter MS] [--reorder SHARE] [--late MS]
 *                         [--duplicate SHARE] [--rate MBIT] [--queue BYTES] [--seed N]
 *                         [--middlebox KIND] [--capture FILE]
 *                         [--linger MS]
 *
 * SHARE is of 1; KIND one of middlebox.c's, which treat SYNs; --delay is one way; a reordered frame
 * takes --late longer (1 ms). It prints "ready" when it works, and at SIGTERM or SIGINT what it did
 * to the frames. The interfaces must hand over what fits their MTU, with checksums: their offloads
 * are to be off.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "middlebox.h"
#include "test/sim/rng.h"

enum {
	FRAME_BYTES = 9216,
	SOCKET_BYTES = 16 * 1024 * 1024,
	MAX_HELD = 65536,
	BURST = 64,
};

#define SECOND_NS UINT64_C(1000000000)

struct frame {
	uint64_t at_ns, serial;
	size_t bytes;
	uint8_t data[];
};

/* From one interface to the other. */
struct direction {
	const char *name;
	int from, to;
	struct rng rng;
	uint64_t free_ns;             /* when the line is free again */
	uint64_t order_ns;            /* when the last that keeps its place leaves */
	struct frame *held[MAX_HELD]; /* a heap by at_ns and serial */
	unsigned int n_held;
	uint64_t serial;
	uint64_t frames, lost, reordered, duplicated, queue_full, not_sent, touched, resets;
};

static struct {
	double loss, reorder, duplicate;
	double delay_ms, jitter_ms, late_ms, linger_ms;
	double rate_mbit;
	double queue_bytes;
	double seed;
	enum middlebox middlebox;
	const char *capture;
} settings = {.late_ms = 1, .queue_bytes = 1e6, .seed = 1};

static const struct {
	const char *name;
	double *value, most;
} options[] = {
	{"--loss", &settings.loss, 1},           {"--reorder", &settings.reorder, 1},
	{"--duplicate", &settings.duplicate, 1}, {"--delay", &settings.delay_ms, 1e5},
	{"--jitter", &settings.jitter_ms, 1e5},  {"--late", &settings.late_ms, 1e5},
	{"--rate", &settings.rate_mbit, 1e6},    {"--queue", &settings.queue_bytes, 1e9},
	{"--seed", &settings.seed, 1e15},        {"--linger", &settings.linger_ms, 1e4},
};

static volatile sig_atomic_t ending;
static uint64_t last_ns; /* when a frame came last */

static void
end(int signal)
{
	(void)signal;
	ending = 1;
}

static _Noreturn void
die(const char *what)
{
	fprintf(stderr, "forwarder: %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint64_t
now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * SECOND_NS + (uint64_t)t.tv_nsec;
}

static uint64_t
ms_to_ns(double ms)
{
	return (uint64_t)(ms * 1e6);
}

/* ---- What came, as a file of the old pcap format, with nanoseconds */

static FILE *capture;

static void
capture_open(void)
{
	static const uint32_t head[6] = {0xa1b23c4d, 4 << 16 | 2, 0, 0, FRAME_BYTES, 1};

	capture = fopen(settings.capture, "w");
	if (capture == NULL || fwrite(head, sizeof(head), 1, capture) != 1)
		die(settings.capture);
}

static void
capture_frame(const uint8_t *data, size_t bytes)
{
	struct timespec t;
	uint32_t head[4];

	if (capture == NULL)
		return;
	clock_gettime(CLOCK_REALTIME, &t);
	head[0] = (uint32_t)t.tv_sec;
	head[1] = (uint32_t)t.tv_nsec;
	head[2] = head[3] = (uint32_t)bytes;
	if (fwrite(head, sizeof(head), 1, capture) != 1 || fwrite(data, bytes, 1, capture) != 1)
		die(settings.capture);
}

/* ---- Frames that wait */

static bool
is_earlier(const struct frame *a, const struct frame *b)
{
	return a->at_ns != b->at_ns ? a->at_ns < b->at_ns : a->serial < b->serial;
}

static void
hold(struct direction *d, const uint8_t *data, size_t bytes, uint64_t at_ns)
{
	struct frame *f = d->n_held < MAX_HELD ? malloc(sizeof(*f) + bytes) : NULL;
	unsigned int i;

	if (f == NULL) {
		d->queue_full++;
		return;
	}
	f->at_ns = at_ns;
	f->serial = d->serial++;
	f->bytes = bytes;
	memcpy(f->data, data, bytes);
	for (i = d->n_held++; i > 0 && is_earlier(f, d->held[(i - 1) / 2]); i = (i - 1) / 2)
		d->held[i] = d->held[(i - 1) / 2];
	d->held[i] = f;
}

static struct frame *
unhold(struct direction *d)
{
	struct frame *first = d->held[0], *last = d->held[--d->n_held];
	unsigned int i = 0, child;

	while ((child = 2 * i + 1) < d->n_held) {
		if (child + 1 < d->n_held && is_earlier(d->held[child + 1], d->held[child]))
			child++;
		if (!is_earlier(d->held[child], last))
			break;
		d->held[i] = d->held[child];
		i = child;
	}
	d->held[i] = last;
	return first;
}

/* ---- What happens to a frame */

/* When the bottleneck lets it go; 0: its queue is full. */
static uint64_t
pass_bottleneck(struct direction *d, size_t bytes, uint64_t now)
{
	double ns_per_byte = 8e3 / settings.rate_mbit;

	if (settings.rate_mbit <= 0)
		return now;
	if (d->free_ns < now)
		d->free_ns = now;
	if ((double)(d->free_ns - now) + (double)bytes * ns_per_byte >
	    settings.queue_bytes * ns_per_byte)
		return 0;
	d->free_ns += (uint64_t)((double)bytes * ns_per_byte);
	return d->free_ns;
}

/* A TCP segment that says RST, behind no extension header. */
static bool
is_reset(const uint8_t *frame, size_t bytes)
{
	size_t ip = 14, tcp;

	if (bytes < ip + 40)
		return false;
	if (frame[12] == 0x08 && frame[13] == 0x00 && frame[ip + 9] == IPPROTO_TCP)
		tcp = ip + (frame[ip] & 15u) * 4;
	else if (frame[12] == 0x86 && frame[13] == 0xdd && frame[ip + 6] == IPPROTO_TCP)
		tcp = ip + 40;
	else
		return false;
	return tcp + 20 <= bytes && (frame[tcp + 13] & 4) != 0;
}

static void
treat(struct direction *d, uint8_t *data, size_t bytes, uint64_t now)
{
	/* Drawn for each frame, used or not: what one does does not move another's. */
	bool lost = rng_chance(&d->rng, settings.loss);
	bool late = rng_chance(&d->rng, settings.reorder);
	bool twice = rng_chance(&d->rng, settings.duplicate);
	double jitter = rng_unit(&d->rng);
	uint64_t at_ns;

	d->frames++;
	d->resets += is_reset(data, bytes);
	if (!middlebox_treat(settings.middlebox, data, &bytes, &d->touched))
		return;
	if (lost) {
		d->lost++;
		return;
	}
	at_ns = pass_bottleneck(d, bytes, now);
	if (at_ns == 0) {
		d->queue_full++;
		return;
	}
	at_ns += ms_to_ns(settings.delay_ms + jitter * settings.jitter_ms);
	if (late) {
		d->reordered++;
		at_ns += ms_to_ns(settings.late_ms);
	} else {
		/* Jitter alone does not reorder. */
		if (at_ns < d->order_ns)
			at_ns = d->order_ns;
		d->order_ns = at_ns;
	}
	hold(d, data, bytes, at_ns);
	if (twice) {
		d->duplicated++;
		hold(d, data, bytes, at_ns);
	}
}

static void
receive(struct direction *d)
{
	static uint8_t data[FRAME_BYTES];

	for (unsigned int i = 0; i < BURST; i++) {
		ssize_t n = recv(d->from, data, sizeof(data), MSG_DONTWAIT | MSG_TRUNC);

		if (n < 0) {
			if (errno != EAGAIN && errno != EINTR && errno != ENETDOWN)
				die("recv");
			return;
		}
		if ((size_t)n > sizeof(data)) {
			fprintf(stderr, "forwarder: a frame of %zd bytes: is an offload on?\n", n);
			exit(1);
		}
		capture_frame(data, (size_t)n);
		last_ns = now_ns();
		treat(d, data, (size_t)n, last_ns);
	}
}

static void
send_due(struct direction *d, uint64_t now)
{
	while (d->n_held > 0 && d->held[0]->at_ns <= now) {
		struct frame *f = unhold(d);

		if (send(d->to, f->data, f->bytes, MSG_DONTWAIT) < 0)
			d->not_sent++;
		free(f);
	}
}

/* ---- Start and end */

static int
open_interface(const char *name)
{
	struct sockaddr_ll address = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL)};
	int fd = socket(AF_PACKET, SOCK_RAW, 0), bytes = SOCKET_BYTES, on = 1;

	if (fd < 0)
		die("socket");
	address.sll_ifindex = (int)if_nametoindex(name);
	if (address.sll_ifindex == 0)
		die(name);
	/* Its own frames are not to come back. */
	if (setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof(on)) != 0)
		die("PACKET_IGNORE_OUTGOING");
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes)) != 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof(bytes)) != 0)
		die("buffers");
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) != 0)
		die(name);
	return fd;
}

static bool
read_options(int argc, char **argv)
{
	for (int i = 3; i < argc; i += 2) {
		size_t known = 0;
		char *stop;

		if (strcmp(argv[i], "--middlebox") == 0 && i + 1 < argc &&
		    middlebox_named(argv[i + 1], &settings.middlebox))
			continue;
		if (strcmp(argv[i], "--capture") == 0 && i + 1 < argc) {
			settings.capture = argv[i + 1];
			continue;
		}
		while (known < sizeof(options) / sizeof(options[0]) &&
		       strcmp(options[known].name, argv[i]) != 0)
			known++;
		if (known == sizeof(options) / sizeof(options[0]) || i + 1 == argc)
			return false;
		*options[known].value = strtod(argv[i + 1], &stop);
		if (stop == argv[i + 1] || *stop != '\0' || !(*options[known].value >= 0) ||
		    *options[known].value > options[known].most)
			return false;
	}
	return argc >= 3;
}

static void
wait_for_work(const struct direction *d)
{
	struct pollfd fds[2] = {{d[0].from, POLLIN, 0}, {d[1].from, POLLIN, 0}};
	uint64_t next = UINT64_MAX, now = now_ns();
	struct timespec wait;

	for (int i = 0; i < 2; i++)
		if (d[i].n_held > 0 && d[i].held[0]->at_ns < next)
			next = d[i].held[0]->at_ns;
	next = next == UINT64_MAX ? (ending ? SECOND_NS / 100 : SECOND_NS)
	       : next > now       ? next - now
				  : 0;
	wait = (struct timespec){(time_t)(next / SECOND_NS), (long)(next % SECOND_NS)};
	ppoll(fds, 2, &wait, NULL);
}

int
main(int argc, char **argv)
{
	static struct direction d[2];
	int a, b;

	if (!read_options(argc, argv)) {
		fputs("usage: forwarder IF-A IF-B [--loss SHARE] [--delay MS] [--jitter MS]\n"
		      "       [--reorder SHARE] [--late MS] [--duplicate SHARE] [--rate MBIT]\n"
		      "       [--queue BYTES] [--seed N] [--middlebox KIND]\n"
		      "       [--capture FILE] [--linger MS]\n",
		      stderr);
		return 2;
	}
	/* Sleeps end when they should, not 50 us later. */
	prctl(PR_SET_TIMERSLACK, 1UL);
	signal(SIGTERM, end);
	signal(SIGINT, end);
	a = open_interface(argv[1]);
	b = open_interface(argv[2]);
	for (int i = 0; i < 2; i++) {
		d[i].name = argv[1 + i];
		d[i].from = i == 0 ? a : b;
		d[i].to = i == 0 ? b : a;
		d[i].rng.state = (uint64_t)settings.seed * 2 + (unsigned int)i;
	}
	if (settings.capture != NULL)
		capture_open();
	puts("ready");
	fflush(stdout);
	while (!ending || now_ns() < last_ns + ms_to_ns(settings.linger_ms)) {
		wait_for_work(d);
		for (int i = 0; i < 2; i++) {
			receive(&d[i]);
			send_due(&d[i], now_ns());
		}
	}
	for (int i = 0; i < 2; i++) {
		printf("from %s: %" PRIu64 " frames, %" PRIu64 " lost, %" PRIu64
		       " reordered, %" PRIu64 " duplicated, %" PRIu64 " beyond the queue, %" PRIu64
		       " not sent, %" PRIu64 " touched, %" PRIu64 " resets\n",
		       d[i].name, d[i].frames, d[i].lost, d[i].reordered, d[i].duplicated,
		       d[i].queue_full, d[i].not_sent, d[i].touched, d[i].resets);
		while (d[i].n_held > 0)
			free(unhold(&d[i]));
	}
	if (capture != NULL && fclose(capture) != 0)
		die(settings.capture);
	close(a);
	close(b);
	return 0;
}
