/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A connection as JSON, for `tern ss`. Its members:
 *
 *     lane, state, local, remote, recv_q, send_q, ...   always
 *     users    [{"comm":, "pid":, "fd":}]: programs that have it
 *     service  the name of the service that has it
 *     timer    {"kind":, "ms":, "retries":}, if one runs; of one in repair: since when it is
 *     details  asked for: the members of Linux's struct tcp_info, in its units, without the prefix
 *
 * Addresses are written as ss does: that of an IPv4 peer of an AF_INET6 socket as a mapped one.
 */
#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "dataplane/config_values.h"
#include "dataplane/report.h"

enum { COMM_BYTES = 16 }; /* of a process' name, its NUL included */

static json_t *
endpoint(const struct tcp_listing *c, const struct ip_addr *ip, be16_t be_port)
{
	uint16_t port = be16_get(be_port);
	char text[INET6_ADDRSTRLEN];
	char at[8] = "*";

	if (port != 0)
		snprintf(at, sizeof(at), "%u", port);
	if (!c->ipv6) {
		const be32_t ip4 = ip_to4(ip);

		/* The any-address of an unbound socket is that of IPv6. */
		inet_ntop(AF_INET, ip_is4(ip) ? (const void *)&ip4 : "\0\0\0", text, sizeof(text));
		return json_sprintf("%s:%s", text, at);
	}
	if (ip_is_any(ip) && !ip_is4(ip) && !c->v6only)
		return json_sprintf("*:%s", at);
	inet_ntop(AF_INET6, ip->w, text, sizeof(text));
	return json_sprintf("[%s]:%s", text, at);
}

/* ---- Whose it is */

/* What a process is called; it may have gone, or call itself whatever it likes. */
static void
read_comm(int pid, char comm[COMM_BYTES])
{
	char path[32];
	FILE *file;
	size_t n = 0;

	snprintf(path, sizeof(path), "/proc/%d/comm", pid);
	file = fopen(path, "re");
	if (file != NULL) {
		n = fread(comm, 1, COMM_BYTES - 1, file);
		fclose(file);
	}
	comm[n] = '\0';
	for (size_t i = 0; i < n; i++) {
		if (comm[i] == '\n')
			comm[i] = '\0';
		else if (!isprint((unsigned char)comm[i]) || comm[i] == '"' || comm[i] == '\\')
			comm[i] = '?';
	}
	if (comm[0] == '\0')
		strcpy(comm, "-");
}

static json_t *
users(const struct lane_owner *owner)
{
	json_t *array = json_array();

	for (unsigned int i = 0; i < owner->n; i++) {
		char comm[COMM_BYTES];
		json_t *user;

		read_comm(owner->users[i].pid, comm);
		user = json_pack("{s:s,s:i}", "comm", comm, "pid", (int)owner->users[i].pid);
		if (owner->users[i].fd >= 0)
			json_object_set_new(user, "fd", json_integer(owner->users[i].fd));
		json_array_append_new(array, user);
	}
	return array;
}

/* The service that listens on a connection's local port. */
static const char *
service_of(const struct config *config, const struct tcp_tuple *tuple)
{
	for (unsigned int i = 0; i < config->n_services; i++)
		for (unsigned int k = 0; k < config->services[i].n_listen; k++)
			if (config->services[i].listen[k].port == be16_get(tuple->lport))
				return config->services[i].name;
	return NULL;
}

/* ---- What TCP knows */

static const struct {
	const char *name;
	uint16_t at, bytes;
} members[] = {
#define MEMBER(name)                                                                               \
	{                                                                                          \
#name, offsetof(struct tcp_details, name), sizeof(((struct tcp_details *)0)->name) \
	}
	MEMBER(ca_state),
	MEMBER(retransmits),
	MEMBER(probes),
	MEMBER(backoff),
	MEMBER(options),
	MEMBER(rto),
	MEMBER(ato),
	MEMBER(snd_mss),
	MEMBER(rcv_mss),
	MEMBER(unacked),
	MEMBER(sacked),
	MEMBER(lost),
	MEMBER(retrans),
	MEMBER(fackets),
	MEMBER(last_data_sent),
	MEMBER(last_data_recv),
	MEMBER(last_ack_recv),
	MEMBER(pmtu),
	MEMBER(rcv_ssthresh),
	MEMBER(rtt),
	MEMBER(rttvar),
	MEMBER(snd_ssthresh),
	MEMBER(snd_cwnd),
	MEMBER(advmss),
	MEMBER(reordering),
	MEMBER(rcv_rtt),
	MEMBER(rcv_space),
	MEMBER(total_retrans),
	MEMBER(pacing_rate),
	MEMBER(max_pacing_rate),
	MEMBER(bytes_acked),
	MEMBER(bytes_received),
	MEMBER(segs_out),
	MEMBER(segs_in),
	MEMBER(notsent_bytes),
	MEMBER(min_rtt),
	MEMBER(data_segs_in),
	MEMBER(data_segs_out),
	MEMBER(delivery_rate),
	MEMBER(busy_time),
	MEMBER(rwnd_limited),
	MEMBER(sndbuf_limited),
	MEMBER(delivered),
	MEMBER(delivered_ce),
	MEMBER(bytes_sent),
	MEMBER(bytes_retrans),
	MEMBER(dsack_dups),
	MEMBER(reord_seen),
	MEMBER(rcv_ooopack),
	MEMBER(snd_wnd),
	MEMBER(rcv_wnd),
#undef MEMBER
};

/* Values that stand for none. */
static bool
is_none(uint64_t value, uint16_t bytes)
{
	return bytes == 8 ? value == UINT64_MAX : bytes == 4 && value == UINT32_MAX;
}

static json_t *
details_of(const struct tcp_listing *c)
{
	const uint8_t *from = (const uint8_t *)&c->details;
	json_t *object = json_object();

	for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
		uint64_t value = 0;

		memcpy(&value, from + members[i].at, members[i].bytes); /* little-endian */
		if (value != 0 && !is_none(value, members[i].bytes))
			json_object_set_new(object, members[i].name,
					    json_integer((json_int_t)value));
	}
	json_object_set_new(object, "app_limited", json_boolean(c->details.flags & 1));
	if ((c->details.flags >> 1 & 3) != 0)
		json_object_set_new(object, "fastopen_client_fail",
				    json_integer(c->details.flags >> 1 & 3));
	if (c->congestion != NULL)
		json_object_set_new(object, "congestion", json_string(c->congestion));
	return object;
}

/* ---- All of it */

static json_t *
timer_of(const struct tcp_listing *c)
{
	static const char *const kinds[] = {
		[TCP_LIST_TIMER_OFF] = "off",
		[TCP_LIST_TIMER_ON] = "on",
		[TCP_LIST_TIMER_KEEPALIVE] = "keepalive",
		[TCP_LIST_TIMER_TIMEWAIT] = "timewait",
		[TCP_LIST_TIMER_PERSIST] = "persist",
		[TCP_LIST_TIMER_REPAIR] = "repair",
		[TCP_LIST_TIMER_MUTE] = "mute",
	};

	return json_pack("{s:s,s:I,s:i}", "kind", kinds[c->timer], "ms", (json_int_t)c->timer_ms,
			 "retries", (int)c->timer_retries);
}

static json_t *
basics(const struct lane *lane, const struct tcp_listing *c)
{
	json_t *object = json_pack("{s:i,s:s,s:o,s:o,s:I,s:I}", "lane", (int)lane->index, "state",
				   c->mute ? "MUTE" : tcp_state_name(c->state), "local",
				   endpoint(c, &c->tuple.local, c->tuple.lport), "remote",
				   endpoint(c, &c->tuple.remote, c->tuple.rport), "recv_q",
				   (json_int_t)c->recv_q, "send_q", (json_int_t)c->send_q);
	json_t *more = json_pack("{s:i,s:I,s:I,s:I,s:I,s:I,s:I,s:I}", "family", c->ipv6 ? 6 : 4,
				 "srtt_us", (json_int_t)c->srtt_us, "rttvar_us",
				 (json_int_t)c->rttvar_us, "rto_us", (json_int_t)c->rto_us, "cwnd",
				 (json_int_t)c->cwnd_segs, "mss", (json_int_t)c->mss, "snd_wnd",
				 (json_int_t)c->snd_wnd, "rcv_wnd", (json_int_t)c->rcv_wnd);

	json_object_update_new(object, more);
	if (c->ssthresh_segs != UINT32_MAX)
		json_object_set_new(object, "ssthresh", json_integer(c->ssthresh_segs));
	more = json_pack("{s:I,s:I,s:I,s:i,s:i,s:b,s:b,s:b,s:b}", "retransmits",
			 (json_int_t)c->retransmits, "bytes_acked", (json_int_t)c->bytes_acked,
			 "bytes_received", (json_int_t)c->bytes_received, "snd_wscale",
			 (int)c->snd_wscale_shift, "rcv_wscale", (int)c->rcv_wscale_shift,
			 "timestamps", c->timestamps, "orphan", c->orphan, "smc", c->smc, "repair",
			 c->frozen);
	json_object_update_new(object, more);
	return object;
}

json_t *
report_connection(const struct daemon *daemon, const struct lane *lane,
		  const struct lane_request *request, unsigned int i, bool details)
{
	const struct tcp_listing *c = &request->connections[i];
	const struct lane_owner *owner = &request->owners[i];
	const char *service = owner->is_service ? service_of(&daemon->config, &c->tuple) : NULL;
	json_t *object = basics(lane, c);

	if (owner->n > 0)
		json_object_set_new(object, "users", users(owner));
	if (service != NULL)
		json_object_set_new(object, "service", json_string(service));
	if (c->timer != TCP_LIST_TIMER_OFF)
		json_object_set_new(object, "timer", timer_of(c));
	if (details && c->has_details)
		json_object_set_new(object, "details", details_of(c));
	return object;
}
