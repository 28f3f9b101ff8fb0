/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What programs.sh measures with, on libtern and on the kernel's sockets.
 *
 *     programs wake HOST PORT LANE-CPU N    see below: prints bare and Tern's wake-up, microseconds
 *     programs echo PORT                    echoes on libtern, a connection at a time, for ever
 *     programs idle PORT                    accepts a connection on libtern and waits for its bytes
 *     programs gateway HOST PORT N          a call to the lane that needs an answer and no network
 *                                           (getsockopt(TCP_MAXSEG)) N times; then 64 bytes to
 * another socket of the process, by the lane: prints the medians and the 99th percentiles,
 * microseconds programs latency HOST PORT N          64 bytes there and back N times, on the
 * kernel's sockets: prints the median and the 99th percentile
 *
 * A wake-up is measured as a difference. A thread sends a byte through ternd to a socket of the
 * same process and sleeps; another waits for it:
 *
 *     spinning    send ─ lane ─ lane ─▶ recv()            the way alone
 *     blocked     send ─ lane ─ lane ─ doorbell ─▶ recv() the way and the wake-up
 *     bare        flag ─ as long as the way ─ eventfd ─▶ read()
 *
 * In the last a thread that spins on the lane's processor stands for the lane; ternd is stopped
 * meanwhile. In each the processor of who is to be woken has just gone idle.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "tern.h"

enum {
	MESSAGE = 64,
	SETTLE_US = 200, /* for who waits to fall asleep */
};

static _Noreturn void
fail(const char *what)
{
	perror(what);
	exit(1);
}

static int64_t
now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

static void
sleep_us(long us)
{
	struct timespec t = {.tv_nsec = us * 1000};

	nanosleep(&t, NULL);
}

static int
compare(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

/* Sorts. */
static int64_t
percentile(int64_t *values, size_t n, size_t percent)
{
	qsort(values, n, sizeof(*values), compare);
	return values[(n - 1) * percent / 100];
}

static struct sockaddr_in
address(const char *host, const char *port)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port))};

	if (inet_pton(AF_INET, host, &in.sin_addr) != 1)
		fail(host);
	return in;
}

static int
listen_on(const char *port)
{
	struct sockaddr_in any = address("0.0.0.0", port);
	int fd = tern_socket(AF_INET, SOCK_STREAM, 0), on = 1;

	if (fd < 0 || tern_setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
	    tern_bind(fd, (struct sockaddr *)&any, sizeof(any)) < 0 || tern_listen(fd, 16) < 0)
		fail("listening");
	puts("listening");
	fflush(stdout);
	return fd;
}

static void
pin(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set) < 0)
		fail("sched_setaffinity");
}

/* ---- Wake-ups */

static struct {
	int from, to; /* both ends of a connection through ternd */
	int bell;     /* bare: who sleeps reads it */
	int done;     /* eventfd: the waiter has had what it waited for */
	int lane_cpu;
	size_t n;
	int64_t *took; /* ns, of each round */
	int64_t sent_at;
	int64_t way_ns; /* bare: to pass before the bell */
	uint32_t flag;  /* atomic: ring the bell */
	bool bare;
} wake;

static void *
wait_for_bytes(void *arg)
{
	eventfd_t rings;
	char byte;

	(void)arg;
	pin(0);
	for (size_t i = 0; i < wake.n; i++) {
		if (wake.bare ? eventfd_read(wake.bell, &rings) < 0
			      : tern_recv(wake.to, &byte, 1, 0) != 1)
			fail("waiting");
		wake.took[i] = now_ns() - wake.sent_at;
		eventfd_write(wake.done, 1);
	}
	return NULL;
}

/* Stands for a lane that has a doorbell to ring. */
static void *
ring_bells(void *arg)
{
	(void)arg;
	pin(wake.lane_cpu);
	for (size_t i = 0; i < wake.n; i++) {
		while (__atomic_load_n(&wake.flag, __ATOMIC_ACQUIRE) == 0)
			;
		__atomic_store_n(&wake.flag, 0, __ATOMIC_RELAXED);
		while (now_ns() - wake.sent_at < wake.way_ns)
			;
		eventfd_write(wake.bell, 1);
	}
	return NULL;
}

/* The median of how long it takes until a sleeping thread has a byte. */
static int64_t
measure_sleeping(bool bare)
{
	pthread_t waiter, ringer;
	eventfd_t n;

	wake.bare = bare;
	if (pthread_create(&waiter, NULL, wait_for_bytes, NULL) != 0 ||
	    (bare && pthread_create(&ringer, NULL, ring_bells, NULL) != 0))
		fail("pthread_create");
	for (size_t i = 0; i < wake.n; i++) {
		sleep_us(SETTLE_US);
		wake.sent_at = now_ns();
		if (bare)
			__atomic_store_n(&wake.flag, 1, __ATOMIC_RELEASE);
		else if (tern_send(wake.from, "x", 1, 0) != 1)
			fail("send");
		eventfd_read(wake.done, &n);
	}
	pthread_join(waiter, NULL);
	if (bare)
		pthread_join(ringer, NULL);
	return percentile(wake.took, wake.n, 50);
}

static int64_t
measure_spinning(void)
{
	char byte;

	for (size_t i = 0; i < wake.n; i++) {
		int64_t start;

		sleep_us(SETTLE_US);
		start = now_ns();
		if (tern_send(wake.from, "x", 1, 0) != 1)
			fail("send");
		while (tern_recv(wake.to, &byte, 1, MSG_DONTWAIT) != 1)
			;
		wake.took[i] = now_ns() - start;
	}
	return percentile(wake.took, wake.n, 50);
}

/* ternd's process is in the environment: it is stopped while another has its processor. */
static void
ternd(int signal)
{
	const char *pid = getenv("TERND_PID");

	if (pid == NULL || kill(atoi(pid), signal) < 0)
		fail("TERND_PID");
}

static void
measure_wake_ups(const char *host, const char *port, int lane_cpu, size_t n)
{
	struct sockaddr_in to = address(host, port);
	int listener = listen_on(port), on = 1;
	int64_t blocked, bare;

	wake.lane_cpu = lane_cpu;
	wake.n = n;
	wake.took = calloc(n, sizeof(*wake.took));
	wake.bell = eventfd(0, 0);
	wake.done = eventfd(0, 0);
	wake.from = tern_socket(AF_INET, SOCK_STREAM, 0);
	if (tern_connect(wake.from, (struct sockaddr *)&to, sizeof(to)) < 0)
		fail("connect");
	wake.to = tern_accept(listener, NULL, NULL);
	if (wake.to < 0 || wake.took == NULL ||
	    tern_setsockopt(wake.from, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) < 0)
		fail("a connection");
	pin(0);
	wake.way_ns = measure_spinning();
	blocked = measure_sleeping(false) - wake.way_ns;
	ternd(SIGSTOP);
	bare = measure_sleeping(true) - wake.way_ns;
	ternd(SIGCONT);
	printf("%.3f %.3f %.3f\n", (double)bare / 1e3, (double)blocked / 1e3,
	       (double)wake.way_ns / 1e3);
}

/* ---- Latency */

static _Noreturn void
echo(const char *port)
{
	int listener = listen_on(port), on = 1;
	char bytes[4096];

	for (;;) {
		int fd = tern_accept(listener, NULL, NULL);
		ssize_t n;

		if (fd < 0 || tern_setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) < 0)
			fail("accept");
		while ((n = tern_recv(fd, bytes, sizeof(bytes), 0)) > 0)
			if (tern_send(fd, bytes, (size_t)n, MSG_NOSIGNAL) != n)
				break;
		tern_close(fd);
	}
}

static void
idle(const char *port)
{
	int fd = tern_accept(listen_on(port), NULL, NULL);
	char byte;

	puts("accepted");
	fflush(stdout);
	if (tern_recv(fd, &byte, 1, 0) != 1)
		fail("recv");
}

static void
measure_latency(const char *host, const char *port, size_t n)
{
	struct sockaddr_in to = address(host, port);
	int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;
	int64_t *took = calloc(n, sizeof(*took));
	char out[MESSAGE] = {1}, in[MESSAGE];

	if (took == NULL || connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0 ||
	    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) < 0)
		fail("connect");
	for (size_t i = 0; i < n; i++) {
		int64_t start = now_ns();

		if (send(fd, out, sizeof(out), 0) != sizeof(out) ||
		    recv(fd, in, sizeof(in), MSG_WAITALL) != sizeof(in))
			fail("64 bytes there and back");
		took[i] = now_ns() - start;
	}
	printf("%.2f", (double)percentile(took, n, 50) / 1e3);
	printf(" %.2f\n", (double)percentile(took, n, 99) / 1e3);
	close(fd);
	free(took);
}

/* ---- The gateway, by a program that never sleeps */

static void
print_percentiles(int64_t *took, size_t n)
{
	printf("%.3f ", (double)percentile(took, n, 50) / 1e3);
	printf("%.3f ", (double)percentile(took, n, 99) / 1e3);
}

static void
measure_gateway(const char *host, const char *port, size_t n)
{
	struct sockaddr_in to = address(host, port);
	int listener = listen_on(port), from, other, mss, on = 1;
	int64_t *took = calloc(n, sizeof(*took));
	char out[MESSAGE] = {1}, in[MESSAGE];

	from = tern_socket(AF_INET, SOCK_STREAM, 0);
	if (took == NULL || tern_connect(from, (struct sockaddr *)&to, sizeof(to)) < 0)
		fail("connect");
	other = tern_accept(listener, NULL, NULL);
	if (other < 0 || tern_setsockopt(from, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) < 0)
		fail("a connection");
	for (size_t i = 0; i < n; i++) {
		socklen_t bytes = sizeof(mss);
		int64_t start = now_ns();

		if (tern_getsockopt(from, IPPROTO_TCP, TCP_MAXSEG, &mss, &bytes) < 0 || mss < 536)
			fail("getsockopt");
		took[i] = now_ns() - start;
	}
	print_percentiles(took, n);
	for (size_t i = 0; i < n; i++) {
		int64_t start = now_ns();
		ssize_t got;

		if (tern_send(from, out, sizeof(out), 0) != sizeof(out))
			fail("send");
		while ((got = tern_recv(other, in, sizeof(in), MSG_DONTWAIT)) < 0 &&
		       errno == EAGAIN)
			;
		if (got != sizeof(in) || memcmp(in, out, sizeof(in)) != 0)
			fail("64 bytes to the other socket");
		took[i] = now_ns() - start;
	}
	print_percentiles(took, n);
	printf("\n");
	free(took);
}

int
main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";

	if (argc == 6 && strcmp(what, "wake") == 0)
		measure_wake_ups(argv[2], argv[3], atoi(argv[4]), strtoul(argv[5], NULL, 10));
	else if (argc == 3 && strcmp(what, "echo") == 0)
		echo(argv[2]);
	else if (argc == 3 && strcmp(what, "idle") == 0)
		idle(argv[2]);
	else if (argc == 5 && strcmp(what, "gateway") == 0)
		measure_gateway(argv[2], argv[3], strtoul(argv[4], NULL, 10));
	else if (argc == 5 && strcmp(what, "latency") == 0)
		measure_latency(argv[2], argv[3], strtoul(argv[4], NULL, 10));
	else {
		fprintf(stderr, "usage: see the head of programs.c\n");
		return 2;
	}
	return 0;
}
