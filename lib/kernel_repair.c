/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Into repair and out of it. connect(AF_UNSPEC) in repair drops a connection without a packet, as
 * close() would; but it does so although other descriptors refer to the socket, and wakes who waits
 * in it. Their next call answers ECONNABORTED.
 */
#include "kernel_repair_impl.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum {
	INFO_USEC_TS = 64, /* TCPI_OPT_USEC_TS; headers of Linux before 6.7 lack it */
};

static const char *const state_names[] = {
	"?",         "ESTABLISHED", "SYN-SENT",   "SYN-RECEIVED", "FIN-WAIT-1", "FIN-WAIT-2",
	"TIME-WAIT", "CLOSED",      "CLOSE-WAIT", "LAST-ACK",     "LISTEN",     "CLOSING",
};

const char *
kernel_state_name(unsigned int state)
{
	return state_names[state <= KERNEL_CLOSING ? state : 0];
}

bool
kernel_has_fin(unsigned int state)
{
	return state == KERNEL_FIN_WAIT1 || state == KERNEL_FIN_WAIT2 || state == KERNEL_CLOSING ||
	       state == KERNEL_LAST_ACK;
}

bool
kernel_has_peer_fin(unsigned int state)
{
	return state == KERNEL_CLOSE_WAIT || state == KERNEL_CLOSING || state == KERNEL_LAST_ACK;
}

int
kernel_failed(char *why, const char *what)
{
	snprintf(why, KERNEL_WHY_BYTES, "%s: %s", what, strerror(errno));
	return -1;
}

int
kernel_set(int fd, int level, int option, int value, const char *what, char *why)
{
	return setsockopt(fd, level, option, &value, sizeof(value)) < 0 ? kernel_failed(why, what)
									: 0;
}

int
kernel_get(int fd, int level, int option, int *value, const char *what, char *why)
{
	socklen_t bytes = sizeof(*value);

	return getsockopt(fd, level, option, value, &bytes) < 0 ? kernel_failed(why, what) : 0;
}

/* ---- In */

static int
refuse(char *why, const char *what)
{
	snprintf(why, KERNEL_WHY_BYTES, "%s", what);
	return -1;
}

static int
check_kind(int fd, char *why)
{
	int domain, protocol;

	if (kernel_get(fd, SOL_SOCKET, SO_DOMAIN, &domain, "no socket", why) < 0 ||
	    kernel_get(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, "no socket", why) < 0)
		return errno == ENOTSOCK ? refuse(why, "not a socket") : -1;
	if (domain != AF_INET && domain != AF_INET6)
		return refuse(why, "not a TCP socket");
	if (protocol != IPPROTO_TCP)
		return refuse(why, protocol == 262 ? "a socket of Multipath TCP, which cannot move"
						   : "not a TCP socket");
	return 0;
}

/* What no image can hold. */
static int
check_movable(int fd, const struct tcp_info *info, char *why)
{
	struct pollfd urgent = {.fd = fd, .events = POLLPRI};
	char ulp[16] = "";
	socklen_t bytes = sizeof(ulp);

	if (info->tcpi_state == KERNEL_LISTEN)
		return refuse(why, "a listening socket; only connections can move");
	if (info->tcpi_state == KERNEL_CLOSE)
		return refuse(why, "not connected");
	if (info->tcpi_state == KERNEL_SYN_SENT || info->tcpi_state == KERNEL_SYN_RECV)
		return refuse(why, "its handshake is not over; try again then");
	if (info->tcpi_options & INFO_USEC_TS)
		return refuse(why, "its timestamps are microseconds (route feature tcp_usec_ts); "
				   "only milliseconds can move");
	if (getsockopt(fd, IPPROTO_TCP, TCP_ULP, ulp, &bytes) == 0 && bytes > 0 && ulp[0] != '\0') {
		snprintf(why, KERNEL_WHY_BYTES, "the kernel's %.15s works on it, which cannot move",
			 ulp);
		return -1;
	}
	if (poll(&urgent, 1, 0) == 1 && (urgent.revents & POLLPRI))
		return refuse(why, "it has urgent data that is not read");
	return 0;
}

int
kernel_freeze(int fd, struct kernel_frozen *frozen, char why[KERNEL_WHY_BYTES])
{
	struct tcp_info info;
	socklen_t bytes = sizeof(info);
	int on, status;

	memset(frozen, 0, sizeof(*frozen));
	memset(&info, 0, sizeof(info));
	frozen->fd = fd;
	if (check_kind(fd, why) < 0)
		return -1;
	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &bytes) < 0)
		return kernel_failed(why, "TCP_INFO");
	if (check_movable(fd, &info, why) < 0)
		return -1;
	status = endpoints_of(fd, &frozen->ends);
	if (status < 0) {
		errno = -status;
		return kernel_failed(why, "its addresses");
	}
	if (kernel_get(fd, IPPROTO_TCP, TCP_REPAIR, &on, "TCP_REPAIR", why) < 0)
		return -1;
	if (on)
		return refuse(why, "somebody else has it in repair");
	if (kernel_get(fd, SOL_SOCKET, SO_REUSEADDR, &frozen->reuseaddr, "SO_REUSEADDR", why) < 0)
		return -1;
	if (kernel_set(fd, IPPROTO_TCP, TCP_REPAIR, REPAIR_ON, "TCP_REPAIR", why) < 0)
		return errno == EPERM ? refuse(why, "TCP_REPAIR takes CAP_NET_ADMIN") : -1;
	return 0;
}

/* ---- Out */

void
kernel_thaw(const struct kernel_frozen *frozen)
{
	char why[KERNEL_WHY_BYTES];

	kernel_set(frozen->fd, IPPROTO_TCP, TCP_REPAIR, REPAIR_OFF_SILENTLY, "", why);
	/* Linux forgets it with the end of repair. */
	kernel_set(frozen->fd, SOL_SOCKET, SO_REUSEADDR, frozen->reuseaddr, "", why);
}

int
kernel_vanish(const struct kernel_frozen *frozen, char why[KERNEL_WHY_BYTES])
{
	struct sockaddr nobody = {.sa_family = AF_UNSPEC};

	if (connect(frozen->fd, &nobody, sizeof(nobody)) < 0)
		return kernel_failed(why, "closing it silently");
	kernel_thaw(frozen);
	return 0;
}

int
kernel_resume(int fd, const struct image *image, char why[KERNEL_WHY_BYTES])
{
	struct image_rows rows;

	if (!image_rows_read(&rows, &image->message, why) ||
	    kernel_set(fd, IPPROTO_TCP, TCP_REPAIR, REPAIR_OFF, "leaving TCP_REPAIR", why) < 0)
		return -1;
	return kernel_set(fd, SOL_SOCKET, SO_REUSEADDR, rows.reuseaddr, "SO_REUSEADDR", why);
}

/* ---- Addresses of images */

static bool
image_end(const struct image_bytes *address, uint32_t port, union endpoint *end)
{
	memset(end, 0, sizeof(*end));
	if (address->n == sizeof(end->v4.sin_addr)) {
		end->v4.sin_family = AF_INET;
		memcpy(&end->v4.sin_addr, address->at, address->n);
	} else if (address->n == sizeof(end->v6.sin6_addr)) {
		end->v6.sin6_family = AF_INET6;
		memcpy(&end->v6.sin6_addr, address->at, address->n);
		endpoint_unwrap(end);
	} else {
		return false;
	}
	endpoint_set_port(end, (in_port_t)port);
	return port > 0 && port <= UINT16_MAX;
}

bool
kernel_image_ends(const struct image *image, struct endpoints *ends)
{
	const struct image_message *m = &image->message;

	return image_end(&m->local_address, m->local_port, &ends->local) &&
	       image_end(&m->remote_address, m->remote_port, &ends->remote) &&
	       ends->local.any.sa_family == ends->remote.any.sa_family;
}
