/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What users set of a socket. Linux does not tell whether somebody did; what a fresh socket has too
 * counts as not set, and Tern's default takes its place.
 */
#include "kernel_repair_impl.h"

#include <limits.h>
#include <stdbool.h>
#include <sys/time.h>
#include <unistd.h>

#ifndef TCP_RTO_MAX_MS
#define TCP_RTO_MAX_MS 44 /* Linux 6.15 */
#endif

enum { US_IN_MS = 1000, MS_IN_S = 1000 };

/* Options that are an int, in the unit that images have. IPv6's are tried on sockets of IPv6. */
#define INT_OPTIONS(OPTION)                                                                        \
	OPTION(SOL_SOCKET, SO_KEEPALIVE, keepalive)                                                \
	OPTION(SOL_SOCKET, SO_REUSEPORT, reuseport)                                                \
	OPTION(SOL_SOCKET, SO_OOBINLINE, oob_inline)                                               \
	OPTION(SOL_SOCKET, SO_MARK, mark)                                                          \
	OPTION(SOL_SOCKET, SO_PRIORITY, priority)                                                  \
	OPTION(SOL_SOCKET, SO_RCVLOWAT, rcvlowat_bytes)                                            \
	OPTION(IPPROTO_TCP, TCP_KEEPIDLE, keepidle_s)                                              \
	OPTION(IPPROTO_TCP, TCP_KEEPINTVL, keepintvl_s)                                            \
	OPTION(IPPROTO_TCP, TCP_KEEPCNT, keepcnt)                                                  \
	OPTION(IPPROTO_TCP, TCP_USER_TIMEOUT, user_timeout_ms)                                     \
	OPTION(IPPROTO_TCP, TCP_NOTSENT_LOWAT, notsent_lowat_bytes)                                \
	OPTION(IPPROTO_TCP, TCP_LINGER2, linger2_s)                                                \
	OPTION(IPPROTO_TCP, TCP_RTO_MAX_MS, rto_max_ms)                                            \
	OPTION(IPPROTO_TCP, TCP_INQ, wants_inq)                                                    \
	OPTION(IPPROTO_IP, IP_TTL, ttl)                                                            \
	OPTION(IPPROTO_IP, IP_TOS, tos)                                                            \
	OPTION(IPPROTO_IP, IP_MTU_DISCOVER, mtu_discover)                                          \
	OPTION(IPPROTO_IP, IP_RECVERR, recverr)                                                    \
	OPTION(IPPROTO_IPV6, IPV6_UNICAST_HOPS, ttl)                                               \
	OPTION(IPPROTO_IPV6, IPV6_TCLASS, tos)                                                     \
	OPTION(IPPROTO_IPV6, IPV6_MTU_DISCOVER, mtu_discover)                                      \
	OPTION(IPPROTO_IPV6, IPV6_RECVERR, recverr)                                                \
	OPTION(IPPROTO_IPV6, IPV6_V6ONLY, v6only)

/* Whether an option is not what a fresh socket has; its value then. */
static bool
was_set(int fd, int fresh, int level, int option, int *value)
{
	socklen_t bytes = sizeof(*value);
	int usual = 0;

	*value = 0;
	if (getsockopt(fd, level, option, value, &bytes) < 0)
		return false;
	bytes = sizeof(usual);
	return getsockopt(fresh, level, option, &usual, &bytes) == 0 && usual != *value;
}

static bool
get_ms(int fd, int option, int64_t *ms)
{
	struct timeval time;
	socklen_t bytes = sizeof(time);

	if (getsockopt(fd, SOL_SOCKET, option, &time, &bytes) < 0 ||
	    (time.tv_sec == 0 && time.tv_usec == 0))
		return false;
	*ms = time.tv_sec * MS_IN_S + time.tv_usec / US_IN_MS;
	return true;
}

/* Buffers that somebody has chosen; others grow and shrink by themselves. */
static void
save_buffers(int fd, struct image_rows *rows)
{
	int locks = 0, bytes;
	socklen_t n = sizeof(locks);

	if (getsockopt(fd, SOL_SOCKET, SO_BUF_LOCK, &locks, &n) < 0)
		return;
	n = sizeof(bytes);
	if ((locks & 1) && getsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, &n) == 0) {
		IMAGE_SET(rows, sndbuf_bytes, (uint32_t)bytes);
		IMAGE_SET(rows, sndbuf_locked, true);
	}
	n = sizeof(bytes);
	if ((locks & 2) && getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, &n) == 0) {
		IMAGE_SET(rows, rcvbuf_bytes, (uint32_t)bytes);
		IMAGE_SET(rows, rcvbuf_locked, true);
	}
}

static void
save_flags(int fd, struct image_message *m, struct image_rows *rows)
{
	char why[KERNEL_WHY_BYTES];
	struct linger linger;
	socklen_t n = sizeof(linger);
	int64_t ms;
	int value;

	if (kernel_get(fd, IPPROTO_TCP, TCP_NODELAY, &value, "", why) == 0)
		IMAGE_SET(m, nodelay, value != 0);
	if (kernel_get(fd, IPPROTO_TCP, TCP_CORK, &value, "", why) == 0)
		IMAGE_SET(m, cork, value != 0);
	if (getsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, &n) == 0 && linger.l_onoff != 0) {
		IMAGE_SET(rows, linger_on, true);
		IMAGE_SET(rows, linger_s, linger.l_linger);
	}
	if (get_ms(fd, SO_RCVTIMEO, &ms))
		IMAGE_SET(rows, rcvtimeo_ms, ms);
	if (get_ms(fd, SO_SNDTIMEO, &ms))
		IMAGE_SET(rows, sndtimeo_ms, ms);
}

void
kernel_options_save(int fd, struct image_message *message, struct image_rows *rows)
{
	int domain = AF_INET, fresh, value;
	socklen_t n = sizeof(domain);

	getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &n);
	IMAGE_SET(rows, ipv6, domain == AF_INET6);
	save_flags(fd, message, rows);
	save_buffers(fd, rows);
	fresh = socket(domain, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fresh < 0)
		return;
#define SAVE(level, option, field)                                                                 \
	if (was_set(fd, fresh, level, option, &value))                                             \
		IMAGE_SET(rows, field, (__typeof__(rows->field))value);
	INT_OPTIONS(SAVE)
#undef SAVE
	close(fresh);
}

/* ---- Back */

static void
set(int fd, int level, int option, int64_t value)
{
	int number = value > INT_MAX ? INT_MAX : (int)value;

	setsockopt(fd, level, option, &number, sizeof(number));
}

static void
set_ms(int fd, int option, int64_t ms)
{
	struct timeval time = {.tv_sec = ms / MS_IN_S, .tv_usec = ms % MS_IN_S * US_IN_MS};

	if (ms > 0 && ms < INT64_MAX)
		setsockopt(fd, SOL_SOCKET, option, &time, sizeof(time));
}

/*
 * Tern's images name every option. 0 is its word for "the configured one" where Linux has no 0, and
 * refuses it; where Linux has one, it is the default.
 */
void
kernel_options_load(int fd, const struct image_message *m, const struct image_rows *rows)
{
	struct linger linger = {.l_onoff = rows->linger_on, .l_linger = rows->linger_s};

#define LOAD(level, option, field)                                                                 \
	if (rows->has.field)                                                                       \
		set(fd, level, option, rows->field);
	INT_OPTIONS(LOAD)
#undef LOAD
	if (m->has.nodelay)
		set(fd, IPPROTO_TCP, TCP_NODELAY, m->nodelay);
	if (m->has.cork)
		set(fd, IPPROTO_TCP, TCP_CORK, m->cork);
	if (rows->linger_on)
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	set_ms(fd, SO_RCVTIMEO, rows->rcvtimeo_ms);
	set_ms(fd, SO_SNDTIMEO, rows->sndtimeo_ms);
	if (rows->sndbuf_locked)
		set(fd, SOL_SOCKET, SO_SNDBUFFORCE, rows->sndbuf_bytes / 2);
	if (rows->rcvbuf_locked)
		set(fd, SOL_SOCKET, SO_RCVBUFFORCE, rows->rcvbuf_bytes / 2);
	if (m->has.congestion)
		setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, m->congestion.at,
			   (socklen_t)m->congestion.n);
}
