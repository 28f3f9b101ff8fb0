/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Ends of a transfer both ways for test/interop/adopt.sh: one that stays, and one that changes
 * hands.
 *
 *     handover peer ADDRESS PORT BYTES RATE FILE
 *             connects, sends and receives BYTES, checks each; RATE: MiB/s each way, and the
 *             last piece only when FILE is there. Prints what the kernel sent again, and the
 *             largest window.
 *     handover serve ADDRESS PORT BYTES STATE
 *             the other end: takes one connection
 *     handover go BYTES STATE
 *             goes on with it on stdin, as STATE says
 *     handover take PATH
 *             gets one over a Unix socket, and echoes what comes
 *     handover give PATH ADDRESS PORT
 *             takes one; who connects to PATH gets it
 *     handover hold ADDRESS PORT
 *             would take one
 *
 * When the connection is taken away, which is ECONNABORTED, how far it came is written to STATE:
 * all that the next one has to know. STATE.pid has its process and descriptor meanwhile, STATE.done
 * at the end. Which byte is where follows from its place.
 *
 * Exit status: 0 all is there, 1 it is not, 3 taken away.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <linux/tcp.h>

enum {
	PIECE = 64 << 10,
	PATIENCE_MS = 30000,
	TAKEN_AWAY = 3,
	MS_IN_S = 1000,
};

struct end {
	int fd;
	uint64_t sent, got, total;
	uint64_t rate;     /* bytes a second, each way; 0: as fast as it goes */
	const char *state; /* NULL: it stays */
	const char *last;  /* a file: before it is there the last piece neither goes nor comes */
	bool shut;
	uint32_t window; /* the largest that the other end has offered */
};

static void
give_up(const char *what)
{
	fprintf(stderr, "handover: %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint8_t
byte_at(uint64_t at)
{
	return (uint8_t)(at * 167 + at / 253 + at / 65521);
}

static uint64_t
now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * MS_IN_S + (uint64_t)now.tv_nsec / 1000000;
}

/* ---- State */

static void
write_state(const struct end *end)
{
	char name[4096];
	FILE *file;

	if (end->state == NULL)
		give_up("the connection was taken from who stays");
	snprintf(name, sizeof(name), "%s.new", end->state);
	file = fopen(name, "we");
	if (file == NULL ||
	    fprintf(file, "%llu %llu\n", (unsigned long long)end->sent,
		    (unsigned long long)end->got) < 0 ||
	    fclose(file) != 0 || rename(name, end->state) < 0)
		give_up(name);
	exit(TAKEN_AWAY);
}

/* Its predecessor writes it when it reads the error: perhaps after we have begun. */
static void
read_state(struct end *end)
{
	unsigned long long sent, got;
	uint64_t until = now_ms() + PATIENCE_MS;
	FILE *file;

	while ((file = fopen(end->state, "re")) == NULL)
		if (now_ms() > until)
			give_up(end->state);
		else
			usleep(1000);
	if (fscanf(file, "%llu %llu", &sent, &got) != 2)
		give_up(end->state);
	fclose(file);
	unlink(end->state);
	end->sent = sent;
	end->got = got;
}

/* ---- The transfer */

static void
broken(const struct end *end, const char *what)
{
	if (errno == ECONNABORTED || (errno == EPIPE && !end->shut))
		write_state(end);
	fprintf(stderr, "handover: %s at %llu sent, %llu received: %s\n", what,
		(unsigned long long)end->sent, (unsigned long long)end->got, strerror(errno));
	exit(1);
}

static void
do_send(struct end *end)
{
	uint8_t bytes[PIECE];
	uint64_t left = end->total - end->sent;
	size_t n = left < sizeof(bytes) ? (size_t)left : sizeof(bytes);
	ssize_t step;

	for (size_t i = 0; i < n; i++)
		bytes[i] = byte_at(end->sent + i);
	step = send(end->fd, bytes, n, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (step < 0 && errno != EAGAIN)
		broken(end, "send");
	end->sent += step > 0 ? (uint64_t)step : 0;
}

/* How far from where it should be a piece of the stream is; 0: it is none of it. */
static long long
displaced(const uint8_t *bytes, ssize_t n, uint64_t at)
{
	enum { FAR = 8 << 20, SURE = 32 };

	for (long long by = 1; by < FAR && n >= SURE; by++)
		for (int sign = -1; sign <= 1; sign += 2) {
			ssize_t i = 0;

			while (i < SURE && bytes[i] == byte_at(at + (uint64_t)(sign * by + i)))
				i++;
			if (i == SURE)
				return sign * by;
		}
	return 0;
}

/* Returns false at the end of the stream. */
static bool
do_receive(struct end *end)
{
	uint8_t bytes[PIECE];
	ssize_t step = recv(end->fd, bytes, sizeof(bytes), MSG_DONTWAIT);

	if (step < 0 && errno != EAGAIN)
		broken(end, "recv");
	for (ssize_t i = 0; i < step; i++)
		if (bytes[i] != byte_at(end->got + (uint64_t)i)) {
			fprintf(stderr, "handover: byte %zd of %zd is of another place, by %lld\n",
				i, step, displaced(bytes + i, step - i, end->got + (uint64_t)i));
			errno = EBADMSG;
			broken(end, "a wrong byte");
		}
	end->got += step > 0 ? (uint64_t)step : 0;
	return step != 0;
}

static void
shut(struct end *end)
{
	if (end->shut || end->sent < end->total)
		return;
	/* A predecessor may have done so, and the peer has answered with his own. */
	if (shutdown(end->fd, SHUT_WR) < 0 && errno != ENOTCONN)
		broken(end, "shutdown");
	end->shut = true;
}

/* Tells the test, in STATE.pid, from whom to take the connection; in STATE.done, that all is there.
 */
static void
write_note(const struct end *end, const char *what)
{
	char name[4096];
	FILE *file;

	if (end->state == NULL)
		return;
	snprintf(name, sizeof(name), "%s.%s", end->state, what);
	file = fopen(name, "we");
	if (file == NULL || fprintf(file, "%d %d\n", (int)getpid(), end->fd) < 0 ||
	    fclose(file) != 0)
		give_up(name);
}

static void
transfer(struct end *end)
{
	uint64_t began = now_ms(), may = UINT64_MAX;
	bool more = true;

	write_note(end, "pid");
	while (more || !end->shut) {
		struct pollfd look = {.fd = end->fd};
		struct tcp_info info = {0};
		socklen_t n = sizeof(info);
		int timeout = PATIENCE_MS;

		if (end->rate > 0)
			may = (now_ms() - began) * end->rate / MS_IN_S;
		if (end->last != NULL && may > end->total - PIECE && access(end->last, F_OK) < 0)
			may = end->total - PIECE - 1;
		look.events |= more && end->got <= may ? POLLIN : 0;
		look.events |= end->sent < end->total && end->sent <= may ? POLLOUT : 0;
		if (end->rate > 0 && look.events != (POLLIN | POLLOUT))
			timeout = 2;
		if (getsockopt(end->fd, IPPROTO_TCP, TCP_INFO, &info, &n) == 0 &&
		    info.tcpi_snd_wnd > end->window)
			end->window = info.tcpi_snd_wnd;
		if (poll(&look, 1, timeout) == 0 && timeout == PATIENCE_MS) {
			errno = ETIMEDOUT;
			broken(end, "nothing moves");
		}
		if (look.events & look.revents & (POLLIN | POLLOUT) ||
		    look.revents & (POLLERR | POLLHUP)) {
			if (look.events & POLLOUT)
				do_send(end);
			if (look.events & POLLIN)
				more = do_receive(end);
		}
		shut(end);
	}
	if (end->got != end->total) {
		errno = ENODATA;
		broken(end, "the end");
	}
	write_note(end, "done");
}

/* ---- Ends */

static union address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
} address;

static socklen_t
read_address(const char *ip, const char *port)
{
	if (inet_pton(AF_INET, ip, &address.v4.sin_addr) == 1) {
		address.v4.sin_family = AF_INET;
		address.v4.sin_port = htons((uint16_t)atoi(port));
		return sizeof(address.v4);
	}
	if (inet_pton(AF_INET6, ip, &address.v6.sin6_addr) != 1)
		give_up(ip);
	address.v6.sin6_family = AF_INET6;
	address.v6.sin6_port = htons((uint16_t)atoi(port));
	return sizeof(address.v6);
}

static int
take_one(const char *ip, const char *port)
{
	socklen_t bytes = read_address(ip, port);
	int listener = socket(address.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1, fd;

	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (listener < 0 || bind(listener, &address.any, bytes) < 0 || listen(listener, 1) < 0)
		give_up("listen");
	fd = accept(listener, NULL, NULL);
	if (fd < 0)
		give_up("accept");
	close(listener);
	return fd;
}

static int
be_peer(const char *ip, const char *port, const char *total, const char *rate, const char *last)
{
	struct end end = {.total = strtoull(total, NULL, 10),
			  .rate = strtoull(rate, NULL, 10) << 20,
			  .last = last};
	socklen_t bytes = read_address(ip, port), n = sizeof(struct tcp_info);
	uint64_t until = now_ms() + PATIENCE_MS;
	struct tcp_info info = {0};

	for (;;) {
		end.fd = socket(address.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (connect(end.fd, &address.any, bytes) == 0)
			break;
		close(end.fd);
		if (now_ms() > until)
			give_up("connect");
		usleep(10000);
	}
	transfer(&end);
	getsockopt(end.fd, IPPROTO_TCP, TCP_INFO, &info, &n);
	printf("%llu bytes each way, %llu sent again, window up to %u\n",
	       (unsigned long long)end.got, (unsigned long long)info.tcpi_bytes_retrans,
	       end.window);
	return 0;
}

static int
listen_at(const char *path)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	/* Whoever sees the path can connect. */
	snprintf(at.sun_path, sizeof(at.sun_path), "%s.new", path);
	if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0 || listen(fd, 1) < 0 ||
	    rename(at.sun_path, path) < 0)
		give_up(path);
	return fd;
}

static int
take_passed(int channel)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control;
	char byte;
	struct iovec io = {.iov_base = &byte, .iov_len = 1};
	struct msghdr message = {.msg_iov = &io,
				 .msg_iovlen = 1,
				 .msg_control = control.bytes,
				 .msg_controllen = sizeof(control.bytes)};
	int fd;

	if (recvmsg(channel, &message, MSG_CMSG_CLOEXEC) != 1 || message.msg_controllen == 0)
		give_up("recvmsg");
	memcpy(&fd, CMSG_DATA(&control.header), sizeof(fd));
	return fd;
}

/* Passes a connection to who connects, and waits for his answer. */
static void
pass(int channel, int fd)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = {0};
	char byte = 'c', answer[256] = "";
	struct iovec io = {.iov_base = &byte, .iov_len = 1};
	struct msghdr message = {.msg_iov = &io,
				 .msg_iovlen = 1,
				 .msg_control = control.bytes,
				 .msg_controllen = sizeof(control.bytes)};

	control.header.cmsg_level = SOL_SOCKET;
	control.header.cmsg_type = SCM_RIGHTS;
	control.header.cmsg_len = CMSG_LEN(sizeof(fd));
	memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
	if (sendmsg(channel, &message, MSG_NOSIGNAL) != 1)
		give_up("sendmsg");
	if (recv(channel, answer, sizeof(answer) - 1, MSG_WAITALL) <= 0 ||
	    strcmp(answer, "adopted\n") != 0) {
		fprintf(stderr, "handover: not taken: %s", answer);
		exit(1);
	}
}

static void
echo(int fd)
{
	char bytes[4096];
	ssize_t n;

	while ((n = recv(fd, bytes, sizeof(bytes), 0)) > 0)
		if (send(fd, bytes, (size_t)n, MSG_NOSIGNAL) != n)
			give_up("send");
	if (n < 0)
		give_up("recv");
}

int
main(int argc, char **argv)
{
	struct end end = {0};

	if (argc == 7 && strcmp(argv[1], "peer") == 0)
		return be_peer(argv[2], argv[3], argv[4], argv[5], argv[6]);
	if (argc == 4 && strcmp(argv[1], "hold") == 0) {
		take_one(argv[2], argv[3]);
		pause();
	} else if (argc == 6 && strcmp(argv[1], "serve") == 0) {
		end.fd = take_one(argv[2], argv[3]);
		end.total = strtoull(argv[4], NULL, 10);
		end.state = argv[5];
	} else if (argc == 4 && strcmp(argv[1], "go") == 0) {
		end.total = strtoull(argv[2], NULL, 10);
		end.state = argv[3];
		read_state(&end);
	} else if (argc == 3 && strcmp(argv[1], "take") == 0) {
		echo(take_passed(accept(listen_at(argv[2]), NULL, NULL)));
		return 0;
	} else if (argc == 5 && strcmp(argv[1], "give") == 0) {
		int listener = listen_at(argv[2]);

		end.fd = take_one(argv[3], argv[4]);
		pass(accept(listener, NULL, NULL), end.fd);
		return TAKEN_AWAY;
	} else {
		fputs("handover: see its head\n", stderr);
		return 2;
	}
	transfer(&end);
	return 0;
}
