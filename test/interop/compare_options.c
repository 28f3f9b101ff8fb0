/* SPDX-License-Identifier: BSD-3-Clause */
/* The comparison test's cases of options. */
#include <linux/filter.h>
#include <netinet/tcp.h>
#include <string.h>
#include <unistd.h>

#include "compare.h"

enum {
	NO_VALUE = -1, /* the option takes none */
};

/* Numbers: what a fresh socket has, what to set, and what that gives. */
static const struct {
	int level, name, fresh, set, gives;
} numbers[] = {
	{SOL_SOCKET, SO_KEEPALIVE, 0, 1, 1},
	{SOL_SOCKET, SO_REUSEADDR, 0, 5, 1},
	{SOL_SOCKET, SO_REUSEPORT, 0, 5, 1},
	{SOL_SOCKET, SO_OOBINLINE, 0, 5, 1},
	{SOL_SOCKET, SO_BROADCAST, 0, 5, 1},
	{SOL_SOCKET, SO_DONTROUTE, 0, 5, 1},
	{SOL_SOCKET, SO_RCVLOWAT, 1, 0, 1},
	{SOL_SOCKET, SO_RCVLOWAT, 1, 100, 100},
	{SOL_SOCKET, SO_PRIORITY, 0, 3, 3},
	{SOL_SOCKET, SO_SNDBUF, NO_VALUE, 10000, 20000},
	{SOL_SOCKET, SO_RCVBUF, NO_VALUE, 10000, 20000},
	{SOL_SOCKET, SO_SNDBUF, NO_VALUE, 1, 4608},
	{SOL_SOCKET, SO_RCVBUF, NO_VALUE, 1, 2304},
	{SOL_SOCKET, SO_TIMESTAMP, 0, 1, 1},
	{SOL_SOCKET, SO_TIMESTAMPNS, 0, 1, 1},
	{IPPROTO_TCP, TCP_NODELAY, 0, 5, 1},
	{IPPROTO_TCP, TCP_CORK, 0, 5, 1},
	{IPPROTO_TCP, TCP_MAXSEG, 536, 1000, 1000},
	{IPPROTO_TCP, TCP_KEEPIDLE, 7200, 5, 5},
	{IPPROTO_TCP, TCP_KEEPINTVL, 75, 7, 7},
	{IPPROTO_TCP, TCP_KEEPCNT, 9, 3, 3},
	{IPPROTO_TCP, TCP_SYNCNT, 6, 4, 4},
	{IPPROTO_TCP, TCP_LINGER2, NO_VALUE, 10, 10},
	{IPPROTO_TCP, TCP_DEFER_ACCEPT, 0, 2, 3},
	{IPPROTO_TCP, TCP_WINDOW_CLAMP, 0, 100000, 100000},
	{IPPROTO_TCP, TCP_QUICKACK, 1, 0, 0},
	{IPPROTO_TCP, TCP_USER_TIMEOUT, 0, 3000, 3000},
	{IPPROTO_TCP, 36 /* TCP_INQ */, 0, 1, 1},
	{IPPROTO_TCP, 25 /* TCP_NOTSENT_LOWAT */, 0, 5000, 5000},
	{IPPROTO_IP, IP_TTL, 64, 33, 33},
	{IPPROTO_IP, IP_TOS, 0, 0x14, 0x14},
	{IPPROTO_IP, IP_TOS, 0, 0xff, 0xfc},
	{IPPROTO_IP, IP_RECVERR, 0, 1, 1},
	{IPPROTO_IP, IP_FREEBIND, 0, 1, 1},
	{IPPROTO_IP, 24 /* IP_BIND_ADDRESS_NO_PORT */, 0, 1, 1},
	{IPPROTO_IP, IP_MTU_DISCOVER, 1, 2, 2},
};

/* One that is not the kernel's any more, where addresses decide that. */
static int
bound_socket(void)
{
	struct address own = address_own(AF_INET, 0);
	int fd = new_socket(AF_INET, 0);

	if (bind(fd, &own.any, own.bytes) < 0)
		compare_give_up("bind");
	return fd;
}

static void
option_numbers(void)
{
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		int fd = bound_socket(), value = numbers[i].set, before;
		socklen_t bytes = sizeof(value);

		before = get_option(fd, numbers[i].level, numbers[i].name);
		if (numbers[i].fresh != NO_VALUE && before != numbers[i].fresh)
			compare_gives("level, name", numbers[i].level * 1000 + numbers[i].name,
				      "a fresh socket's", numbers[i].fresh, before);
		compare_gives("level, name", numbers[i].level * 1000 + numbers[i].name,
			      "setsockopt", 0,
			      setsockopt(fd, numbers[i].level, numbers[i].name, &value, bytes));
		compare_gives("level, name", numbers[i].level * 1000 + numbers[i].name,
			      "what it gives", numbers[i].gives,
			      get_option(fd, numbers[i].level, numbers[i].name));
		close(fd);
	}
}

/* Numbers that are refused. */
static const struct {
	int level, name, value, error;
} refused[] = {
	{SOL_SOCKET, 9999, 1, ENOPROTOOPT},
	{IPPROTO_TCP, 9999, 1, ENOPROTOOPT},
	{IPPROTO_IP, 9999, 1, ENOPROTOOPT},
	{9999, 1, 1, ENOPROTOOPT},
	{-1, 1, 1, ENOPROTOOPT},
	{IPPROTO_IPV6, IPV6_V6ONLY, 1, ENOPROTOOPT},
	{IPPROTO_UDP, 1, 1, ENOPROTOOPT},
	{SOL_SOCKET, SO_TYPE, 1, ENOPROTOOPT},
	{SOL_SOCKET, SO_ERROR, 1, ENOPROTOOPT},
	{SOL_SOCKET, SO_ACCEPTCONN, 1, ENOPROTOOPT},
	{SOL_SOCKET, SO_SNDLOWAT, 1, ENOPROTOOPT},
	{IPPROTO_TCP, TCP_INFO, 1, ENOPROTOOPT},
	{IPPROTO_TCP, TCP_MAXSEG, 10, EINVAL},
	{IPPROTO_TCP, TCP_MAXSEG, 100000, EINVAL},
	{IPPROTO_TCP, TCP_KEEPIDLE, 0, EINVAL},
	{IPPROTO_TCP, TCP_KEEPIDLE, 32768, EINVAL},
	{IPPROTO_TCP, TCP_KEEPINTVL, 0, EINVAL},
	{IPPROTO_TCP, TCP_KEEPCNT, 128, EINVAL},
	{IPPROTO_TCP, TCP_SYNCNT, 0, EINVAL},
	{IPPROTO_TCP, TCP_SYNCNT, 256, EINVAL},
	{IPPROTO_TCP, TCP_USER_TIMEOUT, -1, EINVAL},
	{IPPROTO_IP, IP_TTL, 0, EINVAL},
	{IPPROTO_IP, IP_TTL, 256, EINVAL},
	{IPPROTO_IP, IP_MTU_DISCOVER, 9, EINVAL},
	{IPPROTO_IP, IP_MTU, 1, ENOPROTOOPT},
};

static void
option_refusals(void)
{
	int fd = bound_socket();

	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		errno = 0;
		compare_fails("level, name", refused[i].level * 1000 + refused[i].name,
			      "setsockopt", refused[i].error,
			      setsockopt(fd, refused[i].level, refused[i].name, &refused[i].value,
					 sizeof(int)));
	}
}

static void
option_lengths(void)
{
	int fd = bound_socket(), value = 1;
	uint8_t bytes[16];
	socklen_t n;

	FAILS(EINVAL, setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &value, 3));
	FAILS(EINVAL, setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &value, 0));
	FAILS(EINVAL, setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &value, (socklen_t)-1));
	FAILS(EFAULT, setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, NULL, 4));
	FAILS(EINVAL, setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &value, 1));
	FAILS(EFAULT, setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, NULL, 4));
	/* One byte does for the options of IP. */
	GIVES(0, setsockopt(fd, IPPROTO_IP, IP_TTL, "\5", 1));
	GIVES(5, get_option(fd, IPPROTO_IP, IP_TTL));
	GIVES(0, setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &(long){1}, 8));
	/* Cut at the room that there is. */
	memset(bytes, 0xee, sizeof(bytes));
	n = 2;
	GIVES(0, getsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, bytes, &n));
	GIVES(2, n);
	GIVES(0xee, bytes[2]);
	n = 16;
	GIVES(0, getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, bytes, &n));
	GIVES(4, n);
	n = 1;
	GIVES(0, getsockopt(fd, IPPROTO_IP, IP_TTL, bytes, &n));
	GIVES(1, n);
	GIVES(5, bytes[0]);
	n = 0;
	GIVES(0, getsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, bytes, &n));
	n = (socklen_t)-1;
	FAILS(EINVAL, getsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, bytes, &n));
	n = 4;
	FAILS(ENOPROTOOPT, getsockopt(fd, SOL_SOCKET, 9999, bytes, &n));
	FAILS(ENOPROTOOPT, getsockopt(fd, IPPROTO_TCP, 9999, bytes, &n));
	FAILS(ENOPROTOOPT, getsockopt(fd, IPPROTO_IP, 9999, bytes, &n));
	FAILS(EOPNOTSUPP, getsockopt(fd, 9999, 1, bytes, &n));
	FAILS(EFAULT, getsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, bytes, NULL));
	FAILS(EBADF, getsockopt(fd + 50, SOL_SOCKET, SO_KEEPALIVE, bytes, &n));
	FAILS(ENOTSOCK, getsockopt(1, SOL_SOCKET, SO_KEEPALIVE, bytes, &n));
}

static void
option_info(void)
{
	struct pair pair = connect_pair(AF_INET);
	struct tcp_info info;
	socklen_t n = sizeof(info);
	char name[32];

	memset(&info, 0, sizeof(info));
	GIVES(0, getsockopt(pair.fd, IPPROTO_TCP, TCP_INFO, &info, &n));
	GIVES(sizeof(info), n);
	GIVES(TCP_ESTABLISHED, info.tcpi_state);
	HOLDS(info.tcpi_rtt > 0);
	HOLDS(info.tcpi_snd_mss > 500);
	HOLDS((info.tcpi_options & (TCPI_OPT_TIMESTAMPS | TCPI_OPT_SACK | TCPI_OPT_WSCALE)) ==
	      (TCPI_OPT_TIMESTAMPS | TCPI_OPT_SACK | TCPI_OPT_WSCALE));
	n = sizeof(name);
	GIVES(0, getsockopt(pair.fd, IPPROTO_TCP, TCP_CONGESTION, name, &n));
	GIVES(16, n);
	GIVES(0, setsockopt(pair.fd, IPPROTO_TCP, TCP_CONGESTION, "reno", 4));
	n = sizeof(name);
	GIVES(0, getsockopt(pair.fd, IPPROTO_TCP, TCP_CONGESTION, name, &n));
	HOLDS(strcmp(name, "reno") == 0);
	FAILS(ENOENT, setsockopt(pair.fd, IPPROTO_TCP, TCP_CONGESTION, "none such", 9));
	HOLDS(get_option(pair.fd, IPPROTO_TCP, TCP_MAXSEG) > 500);
	GIVES(0, close(pair.fd));
	n = sizeof(info);
	FAILS(EBADF, getsockopt(pair.fd, IPPROTO_TCP, TCP_INFO, &info, &n));
}

const struct compare_case compare_options_cases[] = {
	{"option_numbers", option_numbers},
	{"option_refusals", option_refusals},
	{"option_lengths", option_lengths},
	{"option_info", option_info},
	{0},
};
