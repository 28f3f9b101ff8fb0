/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * lib/kernel_repair.c and its files: from a socket of Linux's to another, behind a filter, over
 * loopback. The other end notices nothing.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include <linux/sockios.h>

#include "kernel_net.h"
#include "lib/kernel_repair_impl.h"
#include "lib/lock.h"
#include "unit.h"

enum { PATIENCE_MS = 5000 };

static char why[KERNEL_WHY_BYTES];

#define MUST(call)                                                                                 \
	do {                                                                                       \
		bool must = (call);                                                                \
		if (!must)                                                                         \
			printf("\n  %s:%d: %s: %s", __FILE__, __LINE__, #call, why);               \
		CU_ASSERT_FATAL(must);                                                             \
	} while (0)

static unsigned int
state_of(int fd)
{
	struct tcp_info info = {0};
	socklen_t bytes = sizeof(info);

	getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &bytes);
	return info.tcpi_state;
}

/* Moves a connection into another socket, in the place of its descriptor; the old one sees it go.
 */
static void
move(int *fd)
{
	static uint8_t file[48 << 20];
	struct kernel_frozen frozen;
	struct kernel_dump dump;
	struct endpoints ends;
	struct image image;
	struct lock *lock;
	size_t bytes;
	int to;

	CU_ASSERT_FATAL(endpoints_of(*fd, &ends) == 0);
	lock = lock_take(&ends, 1, why, sizeof(why));
	MUST(lock != NULL);
	MUST(kernel_freeze(*fd, &frozen, why) == 0);
	MUST(kernel_dump(&frozen, &dump, why) == 0);
	bytes = image_write(&dump.image, file, sizeof(file));
	CU_ASSERT_FATAL(bytes > 0);
	MUST(kernel_vanish(&frozen, why) == 0);
	CU_ASSERT(recv(*fd, &(char){0}, 1, MSG_DONTWAIT) < 0);
	UNIT_EQ(errno, ECONNABORTED);
	kernel_dump_free(&dump);
	close(*fd);
	MUST(image_read(&image, file, bytes, why) == (long)bytes);
	to = kernel_restore(&image, why);
	MUST(to >= 0);
	MUST(kernel_resume(to, &image, why) == 0);
	lock_release(lock);
	*fd = to;
}

/* Whether a state is reached; acknowledgments may be delayed. */
static bool
becomes(int fd, unsigned int state)
{
	for (unsigned int i = 0; i < PATIENCE_MS && state_of(fd) != state; i++)
		usleep(1000);
	return state_of(fd) == state;
}

static bool
readable(int fd)
{
	struct pollfd look = {.fd = fd, .events = POLLIN};

	return poll(&look, 1, PATIENCE_MS) == 1;
}

/* Whether a text that one end sends comes to the other, and nothing else. */
static void
says(int from, int to, const char *text)
{
	char got[64] = "";
	size_t n = strlen(text), have = 0;
	ssize_t step;

	CU_ASSERT(send(from, text, n, MSG_NOSIGNAL) == (ssize_t)n);
	while (have < n && readable(to) && (step = recv(to, got + have, n - have, 0)) > 0)
		have += (size_t)step;
	CU_ASSERT_STRING_EQUAL(got, text);
}

static void
ends_after(int fd, const char *text)
{
	char got[64] = "";
	size_t have = 0;
	ssize_t step = -1;

	while (readable(fd) && (step = recv(fd, got + have, sizeof(got) - 1 - have, 0)) > 0)
		have += (size_t)step;
	UNIT_EQ(step, 0);
	CU_ASSERT_STRING_EQUAL(got, text);
}

/* ---- The states */

static void
idle(int family, bool wrapped)
{
	struct kernel_pair pair = kernel_pair_make(family, wrapped);

	says(pair.client, pair.server, "before");
	move(&pair.client);
	says(pair.client, pair.server, "there");
	says(pair.server, pair.client, "back");
	move(&pair.server);
	says(pair.server, pair.client, "again");
	says(pair.client, pair.server, "and back");
	kernel_pair_close(&pair);
}

UNIT_CASE(established)
{
	idle(AF_INET, false);
	idle(AF_INET6, false);
	idle(AF_INET, true);
}

UNIT_CASE(unread_bytes)
{
	struct kernel_pair pair = kernel_pair_make(AF_INET, false);

	CU_ASSERT(send(pair.client, "unread", 6, 0) == 6 && readable(pair.server));
	move(&pair.server);
	CU_ASSERT(send(pair.client, " bytes", 6, 0) == 6);
	shutdown(pair.client, SHUT_WR);
	ends_after(pair.server, "unread bytes");
	kernel_pair_close(&pair);
}

/* The peer's window is full, so that bytes are sent, and unsent behind them. */
UNIT_CASE(bytes_that_wait)
{
	enum { TOTAL = 6 << 20 };
	struct kernel_pair pair = kernel_pair_make(AF_INET6, false);
	static uint8_t out[TOTAL], in[TOTAL];
	size_t sent = 0, got = 0;
	int waiting = 0, unsent = 0;
	ssize_t n;

	for (unsigned int i = 0; i < TOTAL; i++)
		out[i] = (uint8_t)(i * 31 + i / 251);
	while (sent < TOTAL && (n = send(pair.client, out + sent, TOTAL - sent, MSG_DONTWAIT)) > 0)
		sent += (size_t)n;
	usleep(50000);
	ioctl(pair.client, SIOCOUTQ, &waiting);
	ioctl(pair.client, SIOCOUTQNSD, &unsent);
	CU_ASSERT(waiting > 0 && unsent > 0);
	move(&pair.client);
	move(&pair.server);
	shutdown(pair.client, SHUT_WR);
	while (readable(pair.server) && (n = recv(pair.server, in + got, TOTAL - got, 0)) > 0)
		got += (size_t)n;
	UNIT_EQ(got, sent);
	CU_ASSERT(memcmp(in, out, sent) == 0);
	kernel_pair_close(&pair);
}

UNIT_CASE(after_our_fin)
{
	struct kernel_pair pair = kernel_pair_make(AF_INET, false);

	CU_ASSERT(send(pair.client, "last", 4, 0) == 4);
	shutdown(pair.client, SHUT_WR);
	CU_ASSERT(becomes(pair.client, 5 /* FIN-WAIT-2 */));
	move(&pair.client);
	UNIT_EQ(state_of(pair.client), 5);
	ends_after(pair.server, "last");
	says(pair.server, pair.client, "answer");
	shutdown(pair.server, SHUT_WR);
	ends_after(pair.client, "");
	kernel_pair_close(&pair);
}

UNIT_CASE(after_the_peers_fin)
{
	struct kernel_pair pair = kernel_pair_make(AF_INET6, false);

	CU_ASSERT(send(pair.client, "last", 4, 0) == 4);
	shutdown(pair.client, SHUT_WR);
	CU_ASSERT(becomes(pair.server, 8 /* CLOSE-WAIT */));
	move(&pair.server);
	UNIT_EQ(state_of(pair.server), 8);
	ends_after(pair.server, "last");
	says(pair.server, pair.client, "answer");
	shutdown(pair.server, SHUT_WR);
	ends_after(pair.client, "");
	kernel_pair_close(&pair);
}

/* One end's segments are held while both close: FIN-WAIT-1, LAST-ACK, CLOSING. */
UNIT_CASE(fins_on_their_way)
{
	struct kernel_pair pair = kernel_pair_make(AF_INET, false);
	struct lock *lock = lock_take(&pair.ends, 1, why, sizeof(why));

	shutdown(pair.client, SHUT_WR);
	UNIT_EQ(state_of(pair.client), 4 /* FIN-WAIT-1 */);
	move(&pair.client);
	UNIT_EQ(state_of(pair.client), 4);
	shutdown(pair.server, SHUT_WR);
	lock_release(lock);
	ends_after(pair.client, "");
	ends_after(pair.server, "");
	kernel_pair_close(&pair);
}

UNIT_CASE(last_ack)
{
	struct kernel_pair pair = kernel_pair_make(AF_INET6, false);
	struct lock *lock;

	shutdown(pair.client, SHUT_WR);
	CU_ASSERT(becomes(pair.server, 8));
	lock = lock_take(&pair.ends, 1, why, sizeof(why));
	CU_ASSERT(send(pair.server, "rest", 4, 0) == 4);
	shutdown(pair.server, SHUT_WR);
	UNIT_EQ(state_of(pair.server), 9 /* LAST-ACK */);
	move(&pair.server);
	UNIT_EQ(state_of(pair.server), 9);
	lock_release(lock);
	ends_after(pair.client, "rest");
	kernel_pair_close(&pair);
}

/* Both FINs cross: each end has the other's, but not the acknowledgment of its own. */
UNIT_CASE(closing)
{
	struct kernel_pair pair = kernel_pair_make(AF_INET, false);
	struct kernel_segment fin = {.fin = true, .window = 100};
	struct kernel_frozen frozen;
	struct kernel_dump dump;
	struct lock *lock = lock_take(&pair.ends, 1, why, sizeof(why));

	MUST(kernel_freeze(pair.client, &frozen, why) == 0);
	MUST(kernel_dump(&frozen, &dump, why) == 0);
	kernel_dump_free(&dump);
	kernel_thaw(&frozen);
	fin.seq = dump.image.message.inq_seq;
	fin.ack = dump.image.message.outq_seq;
	shutdown(pair.client, SHUT_WR);
	MUST(kernel_inject(&pair.ends, &fin, why) == 0);
	CU_ASSERT(becomes(pair.client, 11 /* CLOSING */));
	move(&pair.client);
	UNIT_EQ(state_of(pair.client), 11);
	shutdown(pair.server, SHUT_WR);
	lock_release(lock);
	ends_after(pair.server, "");
	ends_after(pair.client, "");
	kernel_pair_close(&pair);
}

/* A SYN that nobody has answered; Linux does not tell where its own go, so that images of them are
 * others'. */
UNIT_CASE(syn_sent)
{
	union endpoint to = {.v4 = {.sin_family = AF_INET, .sin_port = htons(7777)}};
	int listener = socket(AF_INET, SOCK_STREAM, 0), fd, accepted;
	struct image image;

	to.v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	CU_ASSERT(bind(listener, &to.any, sizeof(to.v4)) == 0 && listen(listener, 1) == 0);
	image_init(&image);
	image.message.local_address.at = (const uint8_t *)&to.v4.sin_addr;
	image.message.local_address.n = sizeof(to.v4.sin_addr);
	image.message.remote_address = image.message.local_address;
	image.message.local_port = 7778;
	image.message.remote_port = 7777;
	image.message.state = 2;
	image.message.outq_seq = 12346; /* behind the SYN */
	fd = kernel_restore(&image, why);
	MUST(fd >= 0);
	MUST(kernel_resume(fd, &image, why) == 0);
	CU_ASSERT(readable(listener));
	accepted = accept(listener, NULL, NULL);
	says(fd, accepted, "greetings");
	close(fd);
	close(accepted);
	close(listener);
}

/* ---- At random moments */

/* Bytes that go one way: which they are follows from where they are. */
struct stream {
	int *from, *to;
	uint64_t sent, got;
	bool wrong;
};

static uint8_t
byte_at(uint64_t at)
{
	return (uint8_t)(at * 167 + at / 253 + at / 65521);
}

static void
stream_send(struct stream *stream, size_t n)
{
	static uint8_t bytes[1 << 16];
	ssize_t step;

	n = n < sizeof(bytes) ? n : sizeof(bytes);
	for (size_t i = 0; i < n; i++)
		bytes[i] = byte_at(stream->sent + i);
	step = send(*stream->from, bytes, n, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (step > 0)
		stream->sent += (uint64_t)step;
}

static bool
stream_receive(struct stream *stream, size_t n, int ms)
{
	static uint8_t bytes[1 << 16];
	struct pollfd look = {.fd = *stream->to, .events = POLLIN};
	ssize_t step;

	n = n < sizeof(bytes) ? n : sizeof(bytes);
	if (poll(&look, 1, ms) < 1)
		return false;
	step = recv(*stream->to, bytes, n, MSG_DONTWAIT);
	for (ssize_t i = 0; i < step; i++)
		stream->wrong |= bytes[i] != byte_at(stream->got + (uint64_t)i);
	stream->got += step > 0 ? (uint64_t)step : 0;
	return step > 0;
}

static void
random_moments(int family, unsigned int seed)
{
	enum { MOVES = 100, STEPS = 24 };
	struct kernel_pair pair = kernel_pair_make(family, false);
	struct stream streams[2] = {{.from = &pair.client, .to = &pair.server},
				    {.from = &pair.server, .to = &pair.client}};

	printf("\n  family %d, seed %u: ", family, seed);
	srandom(seed);
	for (unsigned int i = 0; i < MOVES; i++) {
		for (long steps = random() % STEPS; steps > 0; steps--) {
			struct stream *stream = &streams[random() % 2];

			/* One reads less than the other writes: windows close now and then. */
			if (random() % 2 == 0)
				stream_send(stream, (size_t)random() % 200000);
			else
				stream_receive(stream, (size_t)random() % 60000, 0);
		}
		move(random() % 2 == 0 ? &pair.client : &pair.server);
	}
	for (unsigned int i = 0; i < 2; i++) {
		while (streams[i].got < streams[i].sent &&
		       stream_receive(&streams[i], SIZE_MAX, PATIENCE_MS))
			;
		UNIT_EQ(streams[i].got, streams[i].sent);
		CU_ASSERT(!streams[i].wrong);
		printf("%llu bytes ", (unsigned long long)streams[i].got);
	}
	says(pair.client, pair.server, "still there");
	kernel_pair_close(&pair);
}

UNIT_CASE(hundreds_at_random_moments)
{
	const char *given = getenv("SEED");
	unsigned int seed =
		given != NULL ? (unsigned int)strtoul(given, NULL, 10) : (unsigned int)time(NULL);

	random_moments(AF_INET, seed);
	random_moments(AF_INET6, seed + 1);
}

/* ---- What users set */

UNIT_CASE(options_stay)
{
	struct kernel_pair pair = kernel_pair_make(AF_INET, false);
	int values[] = {1, 55, 16384, 1, 1}, got;
	socklen_t bytes = sizeof(got);
	const struct {
		int level, option;
	} rows[] = {{SOL_SOCKET, SO_KEEPALIVE},
		    {IPPROTO_TCP, TCP_KEEPIDLE},
		    {SOL_SOCKET, SO_SNDBUF},
		    {IPPROTO_TCP, TCP_NODELAY},
		    {SOL_SOCKET, SO_REUSEADDR}};

	for (unsigned int i = 0; i < 5; i++)
		setsockopt(pair.client, rows[i].level, rows[i].option, &values[i], bytes);
	move(&pair.client);
	for (unsigned int i = 0; i < 5; i++) {
		CU_ASSERT(getsockopt(pair.client, rows[i].level, rows[i].option, &got, &bytes) ==
			  0);
		UNIT_EQ(got, values[i] * (rows[i].option == SO_SNDBUF ? 2 : 1));
	}
	kernel_pair_close(&pair);
}

UNIT_CASE(thawed_it_is_as_it_was)
{
	struct kernel_pair pair = kernel_pair_make(AF_INET, false);
	struct kernel_frozen frozen;
	struct kernel_dump dump;
	int on = 1;
	socklen_t bytes = sizeof(on);

	setsockopt(pair.client, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	MUST(kernel_freeze(pair.client, &frozen, why) == 0);
	MUST(kernel_dump(&frozen, &dump, why) == 0);
	kernel_dump_free(&dump);
	kernel_thaw(&frozen);
	getsockopt(pair.client, SOL_SOCKET, SO_REUSEADDR, &on, &bytes);
	UNIT_EQ(on, 1);
	says(pair.client, pair.server, "as before");
	says(pair.server, pair.client, "likewise");
	kernel_pair_close(&pair);
}

/* ---- Refusals */

static void
refused(int fd, const char *reason)
{
	struct kernel_frozen frozen;

	why[0] = '\0';
	CU_ASSERT(kernel_freeze(fd, &frozen, why) < 0);
	if (strstr(why, reason) == NULL)
		printf("\n  \"%s\" has no \"%s\"", why, reason);
	CU_ASSERT(strstr(why, reason) != NULL);
	close(fd);
}

UNIT_CASE(what_is_no_connection)
{
	struct kernel_pair pair = kernel_pair_make(AF_INET, false);
	struct kernel_frozen frozen;
	int listener = socket(AF_INET, SOCK_STREAM, 0);
	struct pollfd urgent = {.fd = pair.server, .events = POLLPRI};

	listen(listener, 1);
	refused(listener, "listening");
	refused(socket(AF_INET, SOCK_STREAM, 0), "not connected");
	refused(socket(AF_INET, SOCK_DGRAM, 0), "not a TCP socket");
	refused(socket(AF_UNIX, SOCK_STREAM, 0), "not a TCP socket");
	refused(open("/dev/null", O_RDONLY), "not a socket");
	refused(999, "Bad file descriptor");
	CU_ASSERT(send(pair.client, "u", 1, MSG_OOB) == 1);
	CU_ASSERT(poll(&urgent, 1, PATIENCE_MS) == 1);
	refused(dup(pair.server), "urgent");
	MUST(kernel_freeze(pair.client, &frozen, why) == 0);
	refused(dup(pair.client), "somebody else");
	kernel_thaw(&frozen);
	kernel_pair_close(&pair);
}

UNIT_CASE(images_that_cannot_be)
{
	struct image image;
	struct kernel_pair pair = kernel_pair_make(AF_INET, false);

	image_init(&image);
	CU_ASSERT(kernel_restore(&image, why) < 0 && strstr(why, "addresses") != NULL);
	image.message.local_address.at = image.message.remote_address.at =
		(const uint8_t *)&pair.ends.local.v4.sin_addr;
	image.message.local_address.n = image.message.remote_address.n = 4;
	image.message.local_port = endpoint_port(&pair.ends.local);
	image.message.remote_port = endpoint_port(&pair.ends.remote);
	image.message.state = 3;
	CU_ASSERT(kernel_restore(&image, why) < 0 && strstr(why, "SYN-RECEIVED") != NULL);
	image.message.state = 1;
	CU_ASSERT(kernel_restore(&image, why) < 0 && strstr(why, "already") != NULL);
	image.message.local_port++;
	image.message.unsq_len = 1;
	CU_ASSERT(kernel_restore(&image, why) < 0 && strstr(why, "unsent") != NULL);
	image.message.unsq_len = 0;
	image.message.snd_wscale = 15;
	image.message.opt_mask = TCPI_OPT_WSCALE;
	CU_ASSERT(kernel_restore(&image, why) < 0 && strstr(why, "OPTIONS") != NULL);
	says(pair.client, pair.server, "untouched");
	kernel_pair_close(&pair);
}

static const struct unit_case cases[] = {
	UNIT_RUN(established),
	UNIT_RUN(unread_bytes),
	UNIT_RUN(bytes_that_wait),
	UNIT_RUN(after_our_fin),
	UNIT_RUN(after_the_peers_fin),
	UNIT_RUN(fins_on_their_way),
	UNIT_RUN(last_ack),
	UNIT_RUN(closing),
	UNIT_RUN(hundreds_at_random_moments),
	UNIT_RUN(syn_sent),
	UNIT_RUN(options_stay),
	UNIT_RUN(thawed_it_is_as_it_was),
	UNIT_RUN(what_is_no_connection),
	UNIT_RUN(images_that_cannot_be),
};

int
main(int argc, char **argv)
{
	kernel_net_make();
	return unit_main(argc, argv, __FILE__, cases, sizeof(cases) / sizeof(cases[0]));
}
