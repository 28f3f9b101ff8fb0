/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Floods a listener with SYNs that carry data and a Fast Open cookie, as frames of its own making:
 *
 *     flood INTERFACE MAC TARGET PORT COUNT PER-SECOND [FROM]
 *
 * Without FROM each SYN has another forged source (10.0.0.0/8 or fd99::/64) and a cookie drawn at
 * random. With FROM, an address that leads to INTERFACE and that nobody here has, all come from
 * there, with the cookie that the target gives it when asked, and none is ever finished. MAC is the
 * target's. Prints how many were sent. The numbers are drawn from a fixed seed.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "test/sim/rng.h"

enum {
	FRAME_BYTES = 1600,
	TCP_BYTES = 20,
	COOKIE_BYTES = 8,
	DATA_BYTES = 100,
	BURST = 50,
	PATIENCE_MS = 3000,

	FLAG_SYN = 0x02,
	FLAG_ACK = 0x10,
	KIND_FASTOPEN = 34,
};

static struct {
	int fd;
	uint8_t mac[6], own_mac[6];
	int family;
	uint8_t target[16], from[16];
	size_t address_bytes;
	bool forged;
	uint16_t port;
	struct rng rng;
} flood = {.rng = {.state = 20260101}};

static _Noreturn void
die(const char *what)
{
	fprintf(stderr, "flood: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* ---- Bytes */

struct writer {
	uint8_t bytes[FRAME_BYTES];
	size_t n;
};

static void
put(struct writer *w, const void *bytes, size_t n)
{
	memcpy(w->bytes + w->n, bytes, n);
	w->n += n;
}

static void
put8(struct writer *w, unsigned int value)
{
	w->bytes[w->n++] = (uint8_t)value;
}

static void
put16(struct writer *w, unsigned int value)
{
	put8(w, value >> 8);
	put8(w, value & 0xff);
}

static void
put32(struct writer *w, uint32_t value)
{
	put16(w, value >> 16);
	put16(w, value & 0xffff);
}

static void
set16(uint8_t *at, unsigned int value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static uint32_t
sum(const uint8_t *p, size_t n)
{
	uint32_t total = 0;

	for (size_t i = 0; i < n; i++)
		total += i % 2 == 0 ? (uint32_t)p[i] << 8 : p[i];
	return total;
}

static uint16_t
fold(uint32_t value)
{
	while (value >> 16 != 0)
		value = (value & 0xffff) + (value >> 16);
	return (uint16_t)~value;
}

/* ---- A SYN */

static size_t
put_ip(struct writer *w, const uint8_t *from, size_t payload)
{
	size_t at = w->n;

	if (flood.family == AF_INET) {
		put16(w, 0x4500);
		put16(w, 20 + (unsigned int)payload);
		put32(w, 0);
		put16(w, 64 << 8 | IPPROTO_TCP);
		put16(w, 0);
	} else {
		put32(w, 0x60000000);
		put16(w, (unsigned int)payload);
		put16(w, IPPROTO_TCP << 8 | 64);
	}
	put(w, from, flood.address_bytes);
	put(w, flood.target, flood.address_bytes);
	if (flood.family == AF_INET)
		set16(w->bytes + at + 10, fold(sum(w->bytes + at, 20)));
	return at;
}

/* With that cookie and data; without, when `cookie` is NULL: a request. */
static void
make_syn(struct writer *w, const uint8_t *from, uint16_t port, uint32_t seq, const uint8_t *cookie)
{
	size_t options = cookie != NULL ? 32 : 24, tcp_bytes, tcp, addresses;

	tcp_bytes = TCP_BYTES + options + (cookie != NULL ? DATA_BYTES : 0);
	w->n = 0;
	put(w, flood.mac, 6);
	put(w, flood.own_mac, 6);
	put16(w, flood.family == AF_INET ? ETHERTYPE_IP : ETHERTYPE_IPV6);
	put_ip(w, from, tcp_bytes);
	tcp = w->n;
	addresses = tcp - 2 * flood.address_bytes;
	put16(w, port);
	put16(w, flood.port);
	put32(w, seq);
	put32(w, 0);
	put16(w, (unsigned int)(TCP_BYTES + options) / 4 << 12 | FLAG_SYN);
	put16(w, 64240);
	put32(w, 0);
	put32(w, 0x02040000 | 1400); /* MSS */
	put32(w, 0x0402080a);        /* SACK permitted, timestamps */
	put32(w, (uint32_t)rng_next(&flood.rng));
	put32(w, 0);
	put32(w, 0x01030307); /* window scale */
	put8(w, KIND_FASTOPEN);
	if (cookie != NULL) {
		put8(w, 2 + COOKIE_BYTES);
		put(w, cookie, COOKIE_BYTES);
	} else {
		put8(w, 2);
	}
	put16(w, 0x0101);
	for (int i = 0; cookie != NULL && i < DATA_BYTES; i++)
		put8(w, 'x');
	set16(w->bytes + tcp + 16, fold(sum(w->bytes + tcp, tcp_bytes) +
					sum(w->bytes + addresses, 2 * flood.address_bytes) +
					IPPROTO_TCP + (uint32_t)tcp_bytes));
}

/* ---- The target's cookie for one address */

/* In a SYN-ACK of the target's to that port: its cookie. */
static bool
find_cookie(const uint8_t *frame, size_t bytes, uint16_t port, uint8_t *cookie)
{
	size_t tcp = ETH_HLEN + (flood.family == AF_INET ? 20 : 40), end;

	if (bytes < tcp + TCP_BYTES || frame[tcp + 13] != (FLAG_SYN | FLAG_ACK) ||
	    (frame[tcp] << 8 | frame[tcp + 1]) != flood.port ||
	    (frame[tcp + 2] << 8 | frame[tcp + 3]) != port)
		return false;
	end = tcp + (size_t)(frame[tcp + 12] >> 4) * 4;
	if (end > bytes)
		return false;
	for (size_t at = tcp + TCP_BYTES; at + 1 < end;) {
		if (frame[at] == 1) {
			at++;
			continue;
		}
		if (frame[at] == 0 || frame[at + 1] < 2)
			return false;
		if (frame[at] == KIND_FASTOPEN && frame[at + 1] == 2 + COOKIE_BYTES &&
		    at + 2 + COOKIE_BYTES <= end) {
			memcpy(cookie, frame + at + 2, COOKIE_BYTES);
			return true;
		}
		at += frame[at + 1];
	}
	return false;
}

static void
ask_for_cookie(uint8_t *cookie)
{
	static const uint16_t port = 1999;
	static struct writer w;
	struct pollfd p = {.fd = flood.fd, .events = POLLIN};
	struct timespec begin, now;

	make_syn(&w, flood.from, port, 1000, NULL);
	if (send(flood.fd, w.bytes, w.n, 0) < 0)
		die("send");
	clock_gettime(CLOCK_MONOTONIC, &begin);
	do {
		uint8_t frame[FRAME_BYTES];
		ssize_t n = poll(&p, 1, 100) == 1 ? recv(flood.fd, frame, sizeof(frame), 0) : 0;

		if (n > 0 && find_cookie(frame, (size_t)n, port, cookie))
			return;
		clock_gettime(CLOCK_MONOTONIC, &now);
	} while (now.tv_sec - begin.tv_sec <= PATIENCE_MS / 1000);
	errno = ETIMEDOUT;
	die("no cookie");
}

/* ---- All of them */

static void
draw_source(uint8_t *from)
{
	uint64_t a = rng_next(&flood.rng);

	if (!flood.forged) {
		memcpy(from, flood.from, sizeof(flood.from));
	} else if (flood.family == AF_INET) {
		from[0] = 10;
		memcpy(from + 1, &a, 3);
		from[3] |= 1; /* no broadcast address */
	} else {
		memset(from, 0, 16);
		from[0] = 0xfd;
		from[1] = 0x99;
		memcpy(from + 8, &a, 8);
	}
}

static void
pause_until(struct timespec *next, unsigned int per_second)
{
	next->tv_nsec += 1000000000L / per_second * BURST;
	while (next->tv_nsec >= 1000000000L) {
		next->tv_nsec -= 1000000000L;
		next->tv_sec++;
	}
	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, next, NULL) != 0)
		;
}

static unsigned int
run(unsigned int count, unsigned int per_second)
{
	static struct writer w;
	uint8_t cookie[COOKIE_BYTES], from[16];
	unsigned int sent = 0;
	struct timespec next;

	if (!flood.forged)
		ask_for_cookie(cookie);
	clock_gettime(CLOCK_MONOTONIC, &next);
	for (unsigned int i = 0; i < count; i++) {
		uint64_t drawn = rng_next(&flood.rng);

		if (flood.forged)
			memcpy(cookie, &drawn, sizeof(cookie));
		draw_source(from);
		make_syn(&w, from, (uint16_t)(2000 + i % 60000), (uint32_t)(drawn >> 7), cookie);
		while (send(flood.fd, w.bytes, w.n, 0) < 0) {
			if (errno != ENOBUFS && errno != EAGAIN)
				die("send");
			usleep(1000);
		}
		sent++;
		if (i % BURST == BURST - 1)
			pause_until(&next, per_second);
	}
	return sent;
}

static void
open_interface(const char *name)
{
	struct sockaddr_ll address = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL)};
	struct ifreq request = {0};

	flood.fd = socket(AF_PACKET, SOCK_RAW, 0);
	address.sll_ifindex = (int)if_nametoindex(name);
	if (flood.fd < 0 || address.sll_ifindex == 0 ||
	    bind(flood.fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		die(name);
	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
	if (ioctl(flood.fd, SIOCGIFHWADDR, &request) < 0)
		die(name);
	memcpy(flood.own_mac, request.ifr_hwaddr.sa_data, 6);
}

static bool
read_arguments(int argc, char **argv)
{
	if (argc < 7 || argc > 8 ||
	    sscanf(argv[2], "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", &flood.mac[0], &flood.mac[1],
		   &flood.mac[2], &flood.mac[3], &flood.mac[4], &flood.mac[5]) != 6)
		return false;
	flood.family = strchr(argv[3], ':') != NULL ? AF_INET6 : AF_INET;
	flood.address_bytes = flood.family == AF_INET ? 4 : 16;
	flood.forged = argc == 7;
	flood.port = (uint16_t)atoi(argv[4]);
	return inet_pton(flood.family, argv[3], flood.target) == 1 &&
	       (flood.forged || inet_pton(flood.family, argv[7], flood.from) == 1) &&
	       atoi(argv[5]) > 0 && atoi(argv[6]) > 0;
}

int
main(int argc, char **argv)
{
	if (!read_arguments(argc, argv)) {
		fputs("usage: flood INTERFACE MAC TARGET PORT COUNT PER-SECOND [FROM]\n", stderr);
		return 2;
	}
	open_interface(argv[1]);
	printf("%u sent\n", run((unsigned int)atoi(argv[5]), (unsigned int)atoi(argv[6])));
	close(flood.fd);
	return 0;
}
