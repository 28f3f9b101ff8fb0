/* SPDX-License-Identifier: BSD-3-Clause */
/* The client side of Fast Open inside the engine: what a connection keeps of it, and who asks what
 * of fastopen_client.c. */
#ifndef TERN_TCP_FASTOPEN_CLIENT_H
#define TERN_TCP_FASTOPEN_CLIENT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct tcp_conn;
struct tcp_segment;

/* Why data in a SYN did not arrive: TCP_INFO's tcpi_fastopen_client_fail. */
enum tcp_fastopen_fail {
	FASTOPEN_FAIL_NONE,
	FASTOPEN_FAIL_NO_COOKIE,
	FASTOPEN_FAIL_NOT_ACKED,
	FASTOPEN_FAIL_SYN_AGAIN, /* the SYN had to be sent again, without its data */
};

struct tcp_fastopen_client {
	bool connect;      /* TCP_FASTOPEN_CONNECT */
	bool no_cookie;    /* TCP_FASTOPEN_NO_COOKIE, of listeners, too */
	bool deferred;     /* connect() has been called and the SYN waits for the first write */
	bool in_syn;       /* this connection's first SYN is to have the option, or data */
	bool option_out;   /* the SYN had the option */
	bool experimental; /* of kind 254 */
	bool data_out;     /* the SYN had data */
	bool data_acked;   /* which the SYN-ACK acknowledged */
	bool probing;      /* its success lifts the guard against black holes */
	uint8_t fail;      /* enum tcp_fastopen_fail */
};

#endif
