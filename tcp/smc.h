/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The SMC-R capability, RFC 7609: what the engine's users see of it. Part of tcp.h.
 *
 * A SYN or SYN-ACK with the option says: I can do SMC-R. When both sides have said so a
 * connection's flag TCP_SYN_SMC reads 1 after the handshake, and whoever set it owes the peer what
 * Linux's peers expect then: CLC messages, before any other byte.
 */
#ifndef TERN_TCP_SMC_H
#define TERN_TCP_SMC_H

#include <stdbool.h>
#include <stdint.h>

struct tcp_conn;

/*
 * A socket option of IPPROTO_TCP, int 0 or 1; lib/tern.h tells programs of it. Linux's numbers are
 * small and have no such option.
 */
enum { TCP_OPT_SYN_SMC = 0x534d43 };

#endif
