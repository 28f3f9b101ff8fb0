/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The way to a peer: the answer to tcp_env.path, by routes, addresses and neighbours. Each
 * connection asks when it begins, and TIME-WAIT when it answers: so answers are kept, until
 * whatever they came from may have changed.
 *
 * Invariants: what is kept is what would be found; nothing is kept while paths_dirty says that the
 * engine has yet to hear of a change.
 */
#include "dataplane/path.h"

#include <errno.h>

#include "dataplane/address.h"
#include "dataplane/loop.h"
#include "dataplane/neighbour.h"
#include "dataplane/route.h"

/* Whether no TCP connection can lead there, whatever the routes. */
static bool
is_no_peer(const struct net *net, const struct ip_addr *ip)
{
	const struct own *own = own_find(net, ip);
	uint8_t first = ip_bytes(ip)[12];

	if (ip_is_any(ip) || ip_is_multicast(ip) || (own != NULL && own->kind != OWN_UNICAST))
		return true;
	if (ip_is4(ip))
		return first == 0 || first == 127 || first >= 240;
	return ip->w[0] == 0 && ip->w[1] == 0 && ip->w[2] == 0 && ip->w[3] == RTE_BE32(1);
}

static int
find(struct net *net, const struct ip_addr *remote, const struct ip_addr *local,
     struct tcp_path *path, bool *keep)
{
	const struct address *source = NULL;
	struct neighbour *n;
	struct route route;

	if (is_no_peer(net, remote))
		return -EINVAL;
	if (!ip_is_any(local)) {
		if (ip_is4(local) != ip_is4(remote))
			return -EINVAL;
		source = address_find(net, local);
		if (source == NULL || source->state != NET_ADDRESS_PREFERRED)
			return -EADDRNOTAVAIL;
	}
	if (route_find(net, remote, source != NULL ? source->port : NET_NO_PORT, &route) < 0)
		return -ENETUNREACH;
	if (source == NULL)
		source = route_source(net, remote, &route);
	if (source == NULL)
		return -EADDRNOTAVAIL;
	*path = (struct tcp_path){
		.local = source->ip,
		.mtu = net->ports[route.port].mtu,
		.flags = net->ports[route.port].path_flags,
		.tso = net->ports[route.port].tso,
	};
	if (route.local) {
		loop_path(remote, path);
		*keep = true;
		return 0;
	}
	n = neighbour_obtain(net, route.port, &route.next_hop);
	if (n != NULL)
		path->hop = neighbour_hop(net, n);
	/* Which of several routers is best depends on who answers. */
	*keep = n != NULL && (ip_is4(remote) || ip_eq(&route.next_hop, remote));
	return 0;
}

static struct kept_path *
place_of(struct net *net, const struct ip_addr *remote)
{
	uint32_t h = (remote->w[0] ^ remote->w[1] ^ remote->w[2] ^ remote->w[3]) * 0x9e3779b1u;

	return &net->kept_paths[h >> 24 & (NET_KEPT_PATHS - 1)];
}

int
net_path(struct net *net, const struct ip_addr *remote, const struct ip_addr *local,
	 struct tcp_path *path)
{
	struct kept_path *kept = place_of(net, remote);
	bool keep = false;
	int status;

	if (kept->generation == net->paths_generation && !net->paths_dirty &&
	    ip_eq(&kept->remote, remote) && ip_eq(&kept->local, local)) {
		*path = kept->path;
		return 0;
	}
	status = find(net, remote, local, path, &keep);
	if (status == 0 && keep && !net->paths_dirty)
		*kept = (struct kept_path){*remote, *local, net->paths_generation, *path};
	return status;
}

void
paths_forget(struct net *net)
{
	if (++net->paths_generation == 0) { /* once in a long life */
		memset(net->kept_paths, 0, sizeof(net->kept_paths));
		net->paths_generation = 1;
	}
}
