/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Fast Open, the client's side: RFC 7413 §4.2.1 and §5.
 */
#include <errno.h>
#include <sys/socket.h>

#include "engine.h"

bool
tcp_is_deferred(const struct tcp_conn *c)
{
	return c->fastopen.deferred;
}

ssize_t
tcp_sendto(struct tcp_conn *c, const void *buf, size_t bytes, int flags,
	   const struct tcp_endpoint *remote)
{
	int status;

	if ((flags & MSG_FASTOPEN) == 0)
		return tcp_send(c, buf, bytes, flags);
	if ((c->engine->config.fastopen & TCP_FASTOPEN_CLIENT) == 0)
		return -EOPNOTSUPP;
	if (remote == NULL && c->state == TCP_CLOSED)
		return -EINVAL;
	status = tcp_connect(c, remote);
	return status < 0 ? status : tcp_send(c, buf, bytes, flags);
}
