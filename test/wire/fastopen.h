/* SPDX-License-Identifier: BSD-3-Clause */
/* Fast Open's client in the wire tests: a cookie to begin with. */
#ifndef TERN_TEST_WIRE_FASTOPEN_H
#define TERN_TEST_WIRE_FASTOPEN_H

#include "wire.h"

/* As they leave without timestamps, MSS and window scale left to the line. */
#define FO_COOKIE "a1b2c3d4e5f60718"
#define FO_SYN "<mss 1460,sackOK,TS val * ecr 0,nop,wscale *>"
#define FO_SYN_REQUEST "<mss 1460,sackOK,TS val * ecr 0,nop,wscale *,FO,nop,nop>"
#define FO_SYN_COOKIE "<mss 1460,sackOK,TS val * ecr 0,nop,wscale *,FO " FO_COOKIE ",nop,nop>"
/* The server's options, with an MSS. */
#define FO_ANSWER "<mss 1460,sackOK>"

enum { FO_FLOW = 250 };

static inline void
fo_abort(struct wire *w)
{
	wire_abort(w);
	wire_skip(w);
}

/* A connection of another port asks for a cookie and gets it, with this MSS. */
static inline void
fo_learn(struct wire *w, unsigned int mss)
{
	wire_flow(w, FO_FLOW);
	wire_open(w);
	w->flow->local.port = 0;
	wire_set(w, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, 1);
	wire_connect(w, -EINPROGRESS);
	wire_out(w, "S 0:0(0) " FO_SYN_REQUEST);
	wire_in(w, "+10ms S. 0:0(0) ack 1 win 65535 <mss %u,FO " FO_COOKIE ">", mss);
	wire_out(w, ". 1:1(0) ack 1");
	fo_abort(w);
	wire_flow(w, 0);
}

/* A socket with TCP_FASTOPEN_CONNECT, for the flow. */
static inline void
fo_open(struct wire *w)
{
	wire_open(w);
	w->flow->local.port = 0;
	wire_set(w, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, 1);
}

/* And connected as far as it goes without a packet. */
static inline void
fo_defer(struct wire *w)
{
	fo_open(w);
	wire_connect(w, 0);
	wire_idle(w);
}

static inline struct tcp_info
fo_info(struct wire *w)
{
	struct tcp_info info = {0};
	size_t len = sizeof(info);

	WIRE_EQ(w, tcp_getsockopt(w->flow->c, IPPROTO_TCP, TCP_INFO, &info, &len), 0);
	return info;
}

static inline int
fo_ioctl(struct wire *w, unsigned long request)
{
	int value = -1;

	WIRE_EQ(w, tcp_ioctl(w->flow->c, request, &value), 0);
	return value;
}

#endif
