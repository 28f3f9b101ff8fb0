/* SPDX-License-Identifier: BSD-3-Clause */
/* ICMP and ICMPv6: echo, errors for TCP, errors of our own, and the limit to these. */
#ifndef TERN_DATAPLANE_ICMP_H
#define TERN_DATAPLANE_ICMP_H

#include "dataplane/net_impl.h"

enum {
	ICMP_ERROR_COST_US = 1000, /* a thousand errors a second ... */
	ICMP_ERROR_BURST = 50,     /* ... and so many at once */
	ICMP4_ERROR_BYTES = 576,   /* longest ICMP error that we send (RFC 1812 §4.3.2.3) */
	ICMP6_ERROR_BYTES = 1280,  /* and ICMPv6 (RFC 4443 §2.4 c) */
	ICMP_QUOTE_TCP_BYTES = 8,  /* of TCP's header, that an error must quote: ports and SEQ */
};

/* Take a packet that carries ICMP or ICMPv6 to us. */
void icmp4_input(struct net *net, struct packet *p);
void icmp6_input(struct net *net, struct packet *p);

/* Answer a packet with an error, if they may be answered at all; the packet stays the caller's. */
void icmp4_error(struct net *net, const struct packet *p, uint8_t type, uint8_t code);
void icmp6_error(struct net *net, const struct packet *p, uint8_t type, uint8_t code,
		 uint32_t rest);

/*
 * Makes an echo request's mbuf fit to carry the reply behind an IP header of `ip_bytes`: cuts
 * options and extension headers, forgets what receiving left in it. False: dropped.
 */
bool icmp_reply_prepare(struct net *net, struct packet *p, uint16_t ip_bytes);

/* A new packet with `fixed` bytes to fill in and the first `quote` bytes of m; NULL: no memory. */
struct rte_mbuf *icmp_error_build(struct net *net, const struct rte_mbuf *m, uint16_t fixed,
				  uint32_t quote);

/* Whether the limit lets one more error out; counts it if not. */
bool icmp_may_send(struct net *net);

/* Remembers an error for env.icmp; it is told at the next net_input() or net_advance(). */
void icmp_tell(struct net *net, const struct tcp_icmp *icmp);

/* Tells what icmp_tell() remembered. */
void icmp_tell_all(struct net *net);

/* Tells TCP that a packet of its own could not be sent, and why: a positive errno. */
void icmp_tell_unsent(struct net *net, const struct rte_mbuf *m, int error);

/* Say what an error means to TCP, all but tuple and sequence number; false: nothing. */
bool icmp4_interpret(const struct icmp_header *icmp, const struct ip4_header *quoted,
		     struct tcp_icmp *news);
bool icmp6_interpret(const struct icmp_header *icmp, struct tcp_icmp *news);

/* Fills in tuple and sequence number from the first 8 bytes of a quoted TCP header. */
void icmp_quote_tcp(struct tcp_icmp *icmp, const struct ip_addr *src, const struct ip_addr *dst,
		    const uint8_t *tcp);

#endif
