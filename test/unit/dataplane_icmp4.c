/* SPDX-License-Identifier: BSD-3-Clause */
/* dataplane/icmp4.c: echo, errors sent, errors received. */
#include "net_rig.h"

#include <errno.h>

#define FAR "192.0.2.9"

static struct frame
echo(const void *body, unsigned int n)
{
	return frame_icmp(RIG_MAC, PEER_MAC, PEER_IP4, RIG_IP4, 8, 0, 0x12340007, body, n);
}

/* An error that quotes a TCP packet from us to FAR, of `quote` bytes. */
static struct frame
error(uint8_t type, uint8_t code, uint32_t rest, unsigned int quote)
{
	struct frame quoted = frame_tcp(PEER_MAC, RIG_MAC, RIG_IP4, FAR, 80, 4000, 900);

	return frame_icmp(RIG_MAC, PEER_MAC, "203.0.113.5", RIG_IP4, type, code, rest,
			  quoted.b + FRAME_L3, quote);
}

UNIT_CASE(echo_is_answered_with_the_same_bytes)
{
	struct rig *rig = rig_settled();
	struct frame body = {0};

	rig_resolve(rig, PEER_IP4, PEER_MAC);
	for (unsigned int i = 0; i < 1472; i++)
		frame_put(&body, &(uint8_t){(uint8_t)(i * 7)}, 1);
	for (unsigned int n = 0; n <= 1472; n += 23) {
		struct frame f = echo(body.b, n);
		struct ip_addr us = ip(RIG_IP4), peer = ip(PEER_IP4), src, dst;
		const struct frame *reply = &rig->out[0].f;

		rig_in_segments(rig, &f, n % 2 == 0 ? 0 : 100 + n / 10);
		UNIT_EQ(rig->n_out, 1);
		UNIT_EQ(reply->n, f.n);
		src = frame_src(reply);
		dst = frame_dst(reply);
		CU_ASSERT(ip_eq(&src, &us) && ip_eq(&dst, &peer));
		UNIT_EQ(reply->b[FRAME_ICMP4], 0);
		UNIT_EQ(frame_be32(reply, FRAME_ICMP4 + 4), 0x12340007);
		CU_ASSERT(frame_ip4_cksum_ok(reply) && frame_icmp_cksum_ok(reply));
		CU_ASSERT(memcmp(reply->b + FRAME_ICMP4 + 8, body.b, n) == 0);
		rig_forget(rig);
	}
	rig_free(rig);
}

UNIT_CASE(options_of_a_request_are_left_out_of_the_reply)
{
	struct rig *rig = rig_settled();
	struct frame f = echo("abcd", 4), g = f;

	rig_resolve(rig, PEER_IP4, PEER_MAC);
	g.n = FRAME_ICMP4;
	frame_put(&g, "\7\7\4\0\0\0\0\0", 8);
	frame_put(&g, f.b + FRAME_ICMP4, f.n - FRAME_ICMP4);
	g.b[FRAME_L3] = 0x47;
	g.b[FRAME_L3 + 3] = (uint8_t)(g.n - FRAME_L3);
	frame_fix_ip4(&g);
	rig_in(rig, &g);
	UNIT_EQ(rig->n_out, 1);
	UNIT_EQ(rig->out[0].f.n, f.n);
	CU_ASSERT(frame_ip4_cksum_ok(&rig->out[0].f) && frame_icmp_cksum_ok(&rig->out[0].f));
	rig_free(rig);
}

UNIT_CASE(echo_to_everybody_is_ignored)
{
	struct rig *rig = rig_settled();
	struct frame f =
		frame_icmp("ff:ff:ff:ff:ff:ff", PEER_MAC, PEER_IP4, "198.18.0.255", 8, 0, 1, "", 0);

	rig_in(rig, &f);
	f = frame_icmp("01:00:5e:00:00:01", PEER_MAC, PEER_IP4, "224.0.0.1", 8, 0, 1, "", 0);
	rig_in(rig, &f);
	UNIT_EQ(rig->n_out, 0);
	UNIT_EQ(RIG_COUNT(rig, icmp_ignored), 2);
	rig_free(rig);
}

UNIT_CASE(spoilt_messages_are_dropped)
{
	struct rig *rig = rig_settled();
	struct frame f = echo("abcd", 4);

	f.b[FRAME_ICMP4 + 8] ^= 1;
	rig_in(rig, &f);
	UNIT_EQ(RIG_COUNT(rig, drop_icmp_checksum), 1);
	for (unsigned int n = 0; n < 8; n++) {
		f = frame_ip(RIG_MAC, PEER_MAC, PEER_IP4, RIG_IP4, 1, "\10\0\0\0\0\0\0\0", n);
		rig_in(rig, &f);
		UNIT_EQ(RIG_COUNT(rig, drop_icmp_short), n + 1);
	}
	f = frame_icmp(RIG_MAC, PEER_MAC, PEER_IP4, RIG_IP4, 13, 0, 1, "", 0); /* timestamp */
	rig_in(rig, &f);
	f = frame_icmp(RIG_MAC, PEER_MAC, PEER_IP4, RIG_IP4, 0, 0, 1, "", 0); /* a reply */
	rig_in(rig, &f);
	UNIT_EQ(RIG_COUNT(rig, icmp_ignored), 2);
	UNIT_EQ(rig->n_out, 0);
	rig_free(rig);
}

UNIT_CASE(a_closed_udp_port_is_told_with_a_quote)
{
	struct rig *rig = rig_settled();
	struct frame udp = {0}, f;
	const struct frame *e = &rig->out[0].f;

	rig_resolve(rig, PEER_IP4, PEER_MAC);
	frame_put_zeros(&udp, 1000);
	f = frame_ip(RIG_MAC, PEER_MAC, PEER_IP4, RIG_IP4, 17, udp.b, udp.n);
	rig_in_segments(rig, &f, 333);
	UNIT_EQ(rig->n_out, 1);
	UNIT_EQ(e->n, FRAME_L3 + 576);
	UNIT_EQ(frame_be16(e, FRAME_ICMP4), 0x0303);
	CU_ASSERT(frame_ip4_cksum_ok(e) && frame_icmp_cksum_ok(e));
	CU_ASSERT(memcmp(e->b + FRAME_ICMP4 + 8, f.b + FRAME_L3, 548) == 0);
	/* None about fragments, none to a broadcast frame's sender. */
	f.b[FRAME_L3 + 7] = 1;
	frame_fix_ip4(&f);
	rig_in(rig, &f);
	f = frame_ip("ff:ff:ff:ff:ff:ff", PEER_MAC, PEER_IP4, "198.18.0.255", 17, udp.b, 8);
	rig_in(rig, &f);
	UNIT_EQ(rig->n_out, 1);
	rig_free(rig);
}

UNIT_CASE(errors_mean_to_tcp_what_linux_says)
{
	static const struct {
		uint8_t type, code;
		enum tcp_icmp_kind kind;
		int error;
	} rows[] = {
		{3, 0, TCP_ICMP_UNREACHABLE, ENETUNREACH},
		{3, 1, TCP_ICMP_UNREACHABLE, EHOSTUNREACH},
		{3, 2, TCP_ICMP_REFUSED, ENOPROTOOPT},
		{3, 3, TCP_ICMP_REFUSED, ECONNREFUSED},
		{3, 4, TCP_ICMP_PACKET_TOO_BIG, EMSGSIZE},
		{3, 5, TCP_ICMP_UNREACHABLE, EOPNOTSUPP},
		{3, 6, TCP_ICMP_UNREACHABLE, ENETUNREACH},
		{3, 7, TCP_ICMP_UNREACHABLE, EHOSTDOWN},
		{3, 8, TCP_ICMP_UNREACHABLE, ENONET},
		{3, 9, TCP_ICMP_UNREACHABLE, ENETUNREACH},
		{3, 10, TCP_ICMP_UNREACHABLE, EHOSTUNREACH},
		{3, 11, TCP_ICMP_UNREACHABLE, ENETUNREACH},
		{3, 12, TCP_ICMP_UNREACHABLE, EHOSTUNREACH},
		{3, 13, TCP_ICMP_UNREACHABLE, EHOSTUNREACH},
		{3, 14, TCP_ICMP_UNREACHABLE, EHOSTUNREACH},
		{3, 15, TCP_ICMP_UNREACHABLE, EHOSTUNREACH},
		{11, 0, TCP_ICMP_UNREACHABLE, EHOSTUNREACH},
		{12, 0, TCP_ICMP_UNREACHABLE, EPROTO},
	};
	struct rig *rig = rig_settled();
	struct ip_addr us = ip(RIG_IP4), far = ip(FAR);

	for (unsigned int i = 0; i < RTE_DIM(rows); i++) {
		struct frame f = error(rows[i].type, rows[i].code, 1400, 28);

		rig_in_segments(rig, &f, i * 3);
		UNIT_EQ(rig->n_icmp, 1);
		UNIT_EQ(rig->icmp[0].kind, rows[i].kind);
		UNIT_EQ(rig->icmp[0].error, rows[i].error);
		UNIT_EQ(rig->icmp[0].mtu, rows[i].code == 4 ? 1400 : 0);
		UNIT_EQ(rig->icmp[0].seq, 1000);
		CU_ASSERT(ip_eq(&rig->icmp[0].tuple.local, &us));
		CU_ASSERT(ip_eq(&rig->icmp[0].tuple.remote, &far));
		UNIT_EQ(be16_get(rig->icmp[0].tuple.lport), 80);
		UNIT_EQ(be16_get(rig->icmp[0].tuple.rport), 4000);
		rig_forget(rig);
	}
	UNIT_EQ(rig->n_out, 0); /* an error is never answered */
	rig_free(rig);
}

UNIT_CASE(an_old_router_tells_no_mtu)
{
	struct rig *rig = rig_settled();
	struct frame f = error(3, 4, 0, 28);

	rig_in(rig, &f); /* the quoted packet has 940 bytes: the plateau below is 508 */
	UNIT_EQ(rig->n_icmp, 1);
	UNIT_EQ(rig->icmp[0].mtu, 508);
	f = error(3, 4, 67, 28);
	rig_in(rig, &f);
	UNIT_EQ(rig->n_icmp, 1);
	UNIT_EQ(RIG_COUNT(rig, drop_icmp_mtu), 1);
	rig_free(rig);
}

UNIT_CASE(quotes_that_are_not_ours_are_dropped)
{
	struct rig *rig = rig_settled();
	struct frame f;
	unsigned int n = 0;

	for (; n < 28; n++) {
		f = error(3, 1, 0, n);
		rig_in(rig, &f);
		UNIT_EQ(RIG_COUNT(rig, drop_icmp_quote), n + 1);
	}
	f = error(3, 1, 0, 40);
	f.b[FRAME_ICMP4 + 8 + 15]++; /* source */
	frame_fix_icmp(&f);
	rig_in(rig, &f);
	f = error(3, 1, 0, 40);
	f.b[FRAME_ICMP4 + 8 + 9] = 17; /* protocol */
	frame_fix_icmp(&f);
	rig_in(rig, &f);
	f = error(3, 1, 0, 40);
	f.b[FRAME_ICMP4 + 8 + 7] = 1; /* not the first fragment */
	frame_fix_icmp(&f);
	rig_in(rig, &f);
	f = error(3, 1, 0, 40);
	f.b[FRAME_ICMP4 + 8] = 0x4f; /* header longer than the quote */
	frame_fix_icmp(&f);
	rig_in(rig, &f);
	f = error(3, 1, 0, 40);
	f.b[FRAME_ICMP4 + 8] = 0x44; /* and too short */
	frame_fix_icmp(&f);
	rig_in(rig, &f);
	f = error(3, 1, 0, 40);
	f.b[FRAME_ICMP4 + 8] = 0x65; /* another version */
	frame_fix_icmp(&f);
	rig_in(rig, &f);
	UNIT_EQ(RIG_COUNT(rig, drop_icmp_quote), n + 6);
	f = error(3, 16, 0, 40); /* unknown code */
	rig_in(rig, &f);
	f = error(4, 0, 0, 40); /* source quench */
	rig_in(rig, &f);
	UNIT_EQ(RIG_COUNT(rig, icmp_ignored), 2);
	UNIT_EQ(rig->n_icmp, 0);
	rig_free(rig);
}

UNIT_MAIN_EAL(UNIT_RUN(echo_is_answered_with_the_same_bytes),
	      UNIT_RUN(options_of_a_request_are_left_out_of_the_reply),
	      UNIT_RUN(echo_to_everybody_is_ignored), UNIT_RUN(spoilt_messages_are_dropped),
	      UNIT_RUN(a_closed_udp_port_is_told_with_a_quote),
	      UNIT_RUN(errors_mean_to_tcp_what_linux_says), UNIT_RUN(an_old_router_tells_no_mtu),
	      UNIT_RUN(quotes_that_are_not_ours_are_dropped))
