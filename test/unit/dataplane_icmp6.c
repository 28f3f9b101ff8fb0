/* SPDX-License-Identifier: BSD-3-Clause */
/* dataplane/icmp6.c: echo, errors sent, errors received. */
#include "net_rig.h"

#include <errno.h>

#define FAR "2001:db8:99::9"

enum {
	QUOTE = FRAME_ICMP6 + 8,
};

/* An error that quotes n bytes of a packet from us to FAR: `ext` before TCP. */
static struct frame
error(uint8_t type, uint8_t code, uint32_t rest, uint8_t first, const void *ext, unsigned int n_ext,
      unsigned int n)
{
	struct frame tcp = frame_tcp(PEER_MAC, RIG_MAC, RIG_IP6, FAR, 80, 4000, 900), payload = {0},
		     quoted;

	frame_put(&payload, ext, n_ext);
	frame_put(&payload, tcp.b + FRAME_ICMP6, tcp.n - FRAME_ICMP6);
	quoted = frame_ip(PEER_MAC, RIG_MAC, RIG_IP6, FAR, first, payload.b, payload.n);
	return frame_icmp(RIG_MAC, PEER_MAC, "2001:db8:55::5", RIG_IP6, type, code, rest,
			  quoted.b + FRAME_L3, n);
}

UNIT_CASE(echo_is_answered_with_the_same_bytes)
{
	struct rig *rig = rig_settled();
	struct frame body = {0};

	rig_resolve(rig, PEER_IP6, PEER_MAC);
	for (unsigned int i = 0; i < 1452; i++)
		frame_put(&body, &(uint8_t){(uint8_t)(i * 7)}, 1);
	for (unsigned int n = 0; n <= 1452; n += 44) {
		struct frame f = frame_icmp(RIG_MAC, PEER_MAC, PEER_IP6, RIG_IP6, 128, 0,
					    0x12340007, body.b, n);
		struct ip_addr us = ip(RIG_IP6), peer = ip(PEER_IP6), src, dst;
		const struct frame *reply = &rig->out[0].f;

		rig_in_segments(rig, &f, n % 8 == 0 ? 0 : 100 + n / 10);
		UNIT_EQ(rig->n_out, 1);
		UNIT_EQ(reply->n, f.n);
		src = frame_src(reply);
		dst = frame_dst(reply);
		CU_ASSERT(ip_eq(&src, &us) && ip_eq(&dst, &peer));
		UNIT_EQ(reply->b[FRAME_ICMP6], 129);
		CU_ASSERT(frame_icmp_cksum_ok(reply));
		CU_ASSERT(memcmp(reply->b + FRAME_ICMP6 + 4, f.b + FRAME_ICMP6 + 4, 4 + n) == 0);
		rig_forget(rig);
	}
	rig_free(rig);
}

UNIT_CASE(echo_to_all_nodes_is_answered_from_our_own_address)
{
	struct rig *rig = rig_settled();
	struct frame f = frame_icmp("33:33:00:00:00:01", PEER_MAC, PEER_LINK_LOCAL, "ff02::1", 128,
				    0, 1, "ping", 4);
	struct ip_addr us = ip(RIG_LINK_LOCAL), src;

	rig_resolve(rig, PEER_LINK_LOCAL, PEER_MAC);
	rig_in(rig, &f);
	UNIT_EQ(rig->n_out, 1);
	src = frame_src(&rig->out[0].f);
	CU_ASSERT(ip_eq(&src, &us));
	CU_ASSERT(frame_icmp_cksum_ok(&rig->out[0].f));
	rig_free(rig);
}

UNIT_CASE(spoilt_messages_are_dropped)
{
	struct rig *rig = rig_settled();
	struct frame f = frame_icmp(RIG_MAC, PEER_MAC, PEER_IP6, RIG_IP6, 128, 0, 1, "abcd", 4);

	f.b[FRAME_ICMP6 + 9] ^= 1;
	rig_in(rig, &f);
	UNIT_EQ(RIG_COUNT(rig, drop_icmp_checksum), 1);
	for (unsigned int n = 0; n < 8; n++) {
		f = frame_ip(RIG_MAC, PEER_MAC, PEER_IP6, RIG_IP6, 58, "\200\0\0\0\0\0\0\0", n);
		rig_in(rig, &f);
		UNIT_EQ(RIG_COUNT(rig, drop_icmp_short), n + 1);
	}
	f = frame_icmp(RIG_MAC, PEER_MAC, PEER_IP6, RIG_IP6, 200, 0, 1, "", 0);
	rig_in(rig, &f);
	UNIT_EQ(RIG_COUNT(rig, icmp_ignored), 1);
	f = frame_icmp(RIG_MAC, PEER_MAC, RIG_LINK_LOCAL, RIG_IP6, 128, 0, 1, "", 0);
	rig_in(rig, &f); /* in our own name */
	UNIT_EQ(RIG_COUNT(rig, drop_ip_source), 1);
	UNIT_EQ(rig->n_out, 0);
	rig_free(rig);
}

UNIT_CASE(errors_quote_up_to_the_minimum_mtu)
{
	struct rig *rig = rig_settled();
	struct frame udp = {0}, f;
	const struct frame *e = &rig->out[0].f;

	rig_resolve(rig, PEER_IP6, PEER_MAC);
	frame_put_zeros(&udp, 1400);
	f = frame_ip(RIG_MAC, PEER_MAC, PEER_IP6, RIG_IP6, 17, udp.b, udp.n);
	rig_in_segments(rig, &f, 333);
	UNIT_EQ(rig->n_out, 1);
	UNIT_EQ(e->n, FRAME_L3 + 1280);
	UNIT_EQ(frame_be16(e, FRAME_ICMP6), 0x0104);
	CU_ASSERT(frame_icmp_cksum_ok(e));
	CU_ASSERT(memcmp(e->b + QUOTE, f.b + FRAME_L3, 1232) == 0);
	rig_free(rig);
}

UNIT_CASE(no_error_answers_an_error)
{
	static const uint8_t option[] = {58, 0, 0x82, 0, 1, 2, 0, 0}; /* asks for an error */
	struct rig *rig = rig_settled();
	struct frame e = error(1, 0, 0, 6, "", 0, 60), payload = {0}, f;

	rig_resolve(rig, PEER_IP6, PEER_MAC);
	frame_put(&payload, option, sizeof(option));
	frame_put(&payload, e.b + FRAME_ICMP6, e.n - FRAME_ICMP6);
	f = frame_ip(RIG_MAC, PEER_MAC, PEER_IP6, RIG_IP6, 60, payload.b, payload.n);
	rig_in(rig, &f);
	UNIT_EQ(rig->n_out, 0); /* though the header at fault comes before what tells */
	UNIT_EQ(RIG_COUNT(rig, drop_ip_option), 1);
	f.b[QUOTE] = 128; /* the same around an echo request is answered */
	rig_in(rig, &f);
	UNIT_EQ(rig->n_out, 1);
	UNIT_EQ(RIG_COUNT(rig, drop_ip_option), 2);
	rig_forget(rig);
	rig_in(rig, &e);
	UNIT_EQ(rig->n_out, 0);
	UNIT_EQ(rig->n_icmp, 1);
	rig_free(rig);
}

UNIT_CASE(errors_mean_to_tcp_what_linux_says)
{
	static const struct {
		uint8_t type, code;
		enum tcp_icmp_kind kind;
		int error;
	} rows[] = {
		{1, 0, TCP_ICMP_UNREACHABLE, ENETUNREACH},
		{1, 1, TCP_ICMP_UNREACHABLE, EACCES},
		{1, 2, TCP_ICMP_UNREACHABLE, EHOSTUNREACH},
		{1, 3, TCP_ICMP_UNREACHABLE, EHOSTUNREACH},
		{1, 4, TCP_ICMP_REFUSED, ECONNREFUSED},
		{1, 5, TCP_ICMP_UNREACHABLE, EACCES},
		{1, 6, TCP_ICMP_UNREACHABLE, EACCES},
		{2, 0, TCP_ICMP_PACKET_TOO_BIG, EMSGSIZE},
		{3, 0, TCP_ICMP_UNREACHABLE, EHOSTUNREACH},
		{4, 0, TCP_ICMP_UNREACHABLE, EPROTO},
	};
	struct rig *rig = rig_settled();
	struct ip_addr us = ip(RIG_IP6), far = ip(FAR);

	for (unsigned int i = 0; i < RTE_DIM(rows); i++) {
		struct frame f = error(rows[i].type, rows[i].code, 1400, 6, "", 0, 48);

		rig_in_segments(rig, &f, i * 7);
		UNIT_EQ(rig->n_icmp, 1);
		UNIT_EQ(rig->icmp[0].kind, rows[i].kind);
		UNIT_EQ(rig->icmp[0].error, rows[i].error);
		UNIT_EQ(rig->icmp[0].mtu, rows[i].type == 2 ? 1400 : 0);
		UNIT_EQ(rig->icmp[0].seq, 1000);
		CU_ASSERT(ip_eq(&rig->icmp[0].tuple.local, &us));
		CU_ASSERT(ip_eq(&rig->icmp[0].tuple.remote, &far));
		UNIT_EQ(be16_get(rig->icmp[0].tuple.lport), 80);
		rig_forget(rig);
	}
	rig_free(rig);
}

UNIT_CASE(mtus_that_no_link_has_are_dropped)
{
	struct rig *rig = rig_settled();
	struct frame f = error(2, 0, 1279, 6, "", 0, 48);

	rig_in(rig, &f);
	UNIT_EQ(RIG_COUNT(rig, drop_icmp_mtu), 1);
	f = error(2, 0, 0x7fffffff, 6, "", 0, 48);
	rig_in(rig, &f);
	UNIT_EQ(rig->n_icmp, 1);
	UNIT_EQ(rig->icmp[0].mtu, 65535);
	rig_free(rig);
}

UNIT_CASE(quotes_are_walked_within_bounds)
{
	struct rig *rig = rig_settled();
	struct frame f;
	unsigned int dropped = 0;

	f = error(1, 0, 0, 60, "\54\0\1\4\0\0\0\0\6\0\0\1\1\2\3\4", 16, 64); /* first fragment */
	rig_in(rig, &f);
	UNIT_EQ(rig->n_icmp, 1);
	f = error(1, 0, 0, 44, "\6\0\0\10\1\2\3\4", 8, 56); /* a later one */
	rig_in(rig, &f);
	UNIT_EQ(RIG_COUNT(rig, drop_icmp_quote), ++dropped);
	f = error(1, 0, 0, 60, "\6\377\1\4\0\0\0\0", 8, 56); /* past the end */
	rig_in(rig, &f);
	UNIT_EQ(RIG_COUNT(rig, drop_icmp_quote), ++dropped);
	f = error(1, 0, 0, 17, "", 0, 56);
	rig_in(rig, &f);
	UNIT_EQ(RIG_COUNT(rig, drop_icmp_quote), ++dropped);
	for (unsigned int n = 0; n < 48; n++) {
		f = error(1, 0, 0, 6, "", 0, n);
		rig_in(rig, &f);
		UNIT_EQ(RIG_COUNT(rig, drop_icmp_quote), ++dropped);
	}
	f = error(1, 0, 0, 6, "", 0, 56);
	f.b[QUOTE + 23]++; /* not from us */
	frame_fix_icmp(&f);
	rig_in(rig, &f);
	UNIT_EQ(RIG_COUNT(rig, drop_icmp_quote), ++dropped);
	f = error(1, 0, 0, 6, "", 0, 56);
	memcpy(f.b + QUOTE + 8, "\0\0\0\0\0\0\0\0\0\0\377\377\306\22\0\2",
	       16); /* ::ffff:our IPv4 */
	frame_fix_icmp(&f);
	rig_in(rig, &f);
	UNIT_EQ(RIG_COUNT(rig, drop_icmp_quote), ++dropped);
	f = error(1, 9, 0, 6, "", 0, 56);
	rig_in(rig, &f);
	UNIT_EQ(RIG_COUNT(rig, icmp_ignored), 1);
	UNIT_EQ(rig->n_icmp, 1);
	rig_free(rig);
}

UNIT_MAIN_EAL(UNIT_RUN(echo_is_answered_with_the_same_bytes),
	      UNIT_RUN(echo_to_all_nodes_is_answered_from_our_own_address),
	      UNIT_RUN(spoilt_messages_are_dropped), UNIT_RUN(errors_quote_up_to_the_minimum_mtu),
	      UNIT_RUN(no_error_answers_an_error), UNIT_RUN(errors_mean_to_tcp_what_linux_says),
	      UNIT_RUN(mtus_that_no_link_has_are_dropped),
	      UNIT_RUN(quotes_are_walked_within_bounds))
