/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Who may have which port: rows that run on the engine (ports.c) and on the kernel
 * (linux_tables.c), with the kernel's answers. A row is a list of steps, each about the socket
 * chosen last:
 *
 *     4a 6b Fc         opens a socket: IPv4, IPv6, the run's family; u4a: of another user
 *     @a               goes back to one
 *     reuse noreuse rport v6only noport freebind range      SO_REUSEADDR 1 and 0, SO_REUSEPORT,
 *                      IPV6_V6ONLY, IP_BIND_ADDRESS_NO_PORT, IP_FREEBIND, IP_LOCAL_PORT_RANGE of
 *                      one port
 *     bind:*  bind:L  bind:M  bind:W  bind:X     any address, ours, ours as IPv4-mapped, IPv4's any
 *                      address as IPv4-mapped, a foreign one; the row's port, or
 *     bind:*:0  bind:*:a                         one that is chosen, or socket a's
 *     listen connect   the latter to the row's peer, and completed
 *     accept:b         a peer connects to the chosen listener: b
 *     end reset        closes, to TIME-WAIT; the peer resets
 *     stop             shutdown(SHUT_RD)
 *     close
 *     port             getsockname(): =0, =P (the row's), =+ (another)
 *     STEP=ERROR       the answer, without E; nothing: 0
 */
#ifndef TERN_TEST_WIRE_PORTS_TABLE_H
#define TERN_TEST_WIRE_PORTS_TABLE_H

/* Over both families. */
static const char *const port_rows[] = {
	/* one port, one socket */
	"Fa bind:* Fb bind:*=ADDRINUSE bind:L=ADDRINUSE",
	"Fa bind:L Fb bind:*=ADDRINUSE bind:L=ADDRINUSE",
	"Fa bind:* close Fb bind:*",
	"Fa bind:X=ADDRNOTAVAIL bind:L port=P",
	"Fa freebind bind:X Fb bind:L Fc bind:*=ADDRINUSE",
	"Fa bind:* bind:*=INVAL bind:L=INVAL",
	"Fa bind:* listen bind:L=INVAL",
	/* SO_REUSEADDR: both, and who was first does not listen */
	"Fa reuse bind:* Fb bind:*=ADDRINUSE",
	"Fa bind:* Fb reuse bind:*=ADDRINUSE",
	"Fa reuse bind:* Fb reuse bind:* Fc reuse bind:L",
	"Fa reuse bind:* listen Fb reuse bind:*=ADDRINUSE bind:L=ADDRINUSE",
	"Fa reuse bind:* Fb reuse bind:* listen @a listen=ADDRINUSE",
	"Fa bind:* Fb reuse @a reuse @b bind:*",
	"Fa reuse bind:* noreuse Fb bind:*=ADDRINUSE",
	"Fa reuse bind:* listen stop Fb reuse bind:*",
	"Fa reuse bind:* Fb reuse bind:* @a listen close @b listen",
	/* SO_REUSEPORT: both, and of one user */
	"Fa rport bind:* listen Fb rport bind:* listen",
	"Fa rport bind:* Fb bind:*=ADDRINUSE",
	"Fa bind:* Fb rport bind:*=ADDRINUSE",
	"Fa rport bind:* listen uFb rport bind:*=ADDRINUSE",
	"uFa rport bind:* listen uFb rport bind:* listen",
	"Fa rport reuse bind:* listen uFb rport reuse bind:*=ADDRINUSE",
	"Fa rport bind:* Fb reuse bind:*=ADDRINUSE",
	"Fa rport bind:L listen Fb rport bind:* listen Fc rport bind:L",
	/* accepted connections hold their listener's port */
	"Fa bind:* listen accept:b @a close Fc bind:*=ADDRINUSE bind:L=ADDRINUSE",
	"Fa bind:* listen accept:b @a close Fc reuse bind:*=ADDRINUSE",
	"Fa reuse bind:* listen accept:b @a close Fc bind:*=ADDRINUSE reuse bind:*",
	"Fa bind:* listen accept:b @a close @b reuse Fc reuse bind:* listen",
	"Fa reuse bind:* listen accept:b @a close @b noreuse Fc reuse bind:*=ADDRINUSE",
	"Fa bind:* listen accept:b @a close @b reset Fc bind:*",
	"Fa bind:* listen accept:b @a close @b reset close Fc bind:*",
	"Fa rport bind:* listen accept:b @a close Fc rport bind:* listen",
	"Fa rport bind:* listen accept:b @a close uFc rport bind:*=ADDRINUSE",
	"Fa bind:* listen accept:b @a close Fc freebind bind:X",
	/* TIME-WAIT does, too */
	"Fa bind:* listen accept:b @a close @b end Fc bind:*=ADDRINUSE bind:L=ADDRINUSE",
	"Fa bind:* listen accept:b @a close @b end Fc reuse bind:*=ADDRINUSE",
	"Fa reuse bind:* listen accept:b @a close @b end Fc bind:*=ADDRINUSE reuse bind:* listen",
	"Fa rport bind:* listen accept:b @a close @b end Fc rport bind:* listen",
	"Fa rport bind:* listen accept:b @a close @b end uFc rport bind:* listen",
	"Fa bind:* connect end Fb bind:*=ADDRINUSE",
	"Fa reuse bind:* connect end Fb reuse bind:* listen",
	"Fa bind:* listen accept:b @b end @a close Fc freebind bind:X",
	/* connections from a bound port */
	"Fa bind:* connect port=P Fb bind:L=ADDRINUSE bind:*=ADDRINUSE",
	"Fa bind:* connect Fb freebind bind:X",
	"Fa reuse bind:* connect Fb reuse bind:* listen",
	"Fa reuse bind:* connect Fb reuse bind:* connect=ADDRNOTAVAIL",
	"Fa reuse bind:L Fb reuse bind:L @a connect @b connect=ADDRNOTAVAIL",
	"Fa bind:* connect reset Fb bind:*=ADDRINUSE",
	"Fa bind:* connect reset close Fb bind:*",
	"Fa bind:*:0 connect reset Fb bind:*:a",
	"Fa bind:* connect bind:*=INVAL listen=INVAL",
	/* and from one that connect() chose */
	"Fa connect Fb bind:*:a=ADDRINUSE bind:L:a=ADDRINUSE",
	"Fa connect Fb reuse bind:*:a=ADDRINUSE",
	"Fa reuse connect Fb reuse bind:*:a listen",
	"Fa connect Fb freebind bind:X:a",
	"Fa range connect end Fb bind:*=ADDRINUSE",
	"Fa connect reset Fb bind:*:a",
	"Fa range connect reset close Fb bind:*",
	"Fa range connect port=P Fb range connect=ADDRNOTAVAIL",
	"Fa range connect end Fb range connect=ADDRNOTAVAIL",
	"Fa range connect end Fb range bind:*:0=ADDRINUSE",
	"Fa reuse bind:* Fb range connect=ADDRNOTAVAIL",
	"Fa bind:* listen accept:b @a close Fc range connect=ADDRNOTAVAIL",
	/* ports that are chosen */
	"Fa bind:*:0 port=+ Fb bind:*:a=ADDRINUSE",
	"Fa range bind:*:0 port=P Fb range bind:*:0=ADDRINUSE",
	"Fa range reuse bind:*:0 Fb range reuse bind:*:0=ADDRINUSE",
	"Fa range rport bind:*:0 Fb range rport bind:*:0=ADDRINUSE",
	"Fa range bind:L:0 Fb range freebind bind:X:0 port=P",
	"Fa range connect Fb range bind:*:0=ADDRINUSE",
	"Fa listen port=+ Fb bind:*:a=ADDRINUSE",
	"Fa range listen port=P Fb range listen=ADDRINUSE",
	"Fa listen stop Fb bind:*:a",
	/* IP_BIND_ADDRESS_NO_PORT: the port comes with connect() */
	"Fa noport bind:L:0 port=0 connect port=+ Fb bind:*:a=ADDRINUSE",
	"Fa noport bind:L:0 bind:*:0 bind:L port=P bind:L=INVAL",
	"Fa noport bind:L:0 listen port=+",
	"Fa noport range bind:L:0 Fb noport range bind:L:0 connect @a connect=ADDRNOTAVAIL",
	"Fa noport range bind:L:0 Fb range bind:*:0 @a connect=ADDRNOTAVAIL",
};

/* IPv4 and IPv6 beside each other; no connections. */
static const char *const port_rows_mixed[] = {
	"6a bind:* 4b bind:*=ADDRINUSE bind:L=ADDRINUSE",
	"6a v6only bind:* 4b bind:*",
	"6a v6only bind:* 6b bind:*=ADDRINUSE",
	"6a bind:* v6only=INVAL",
	"4a bind:* 6b bind:*=ADDRINUSE v6only bind:*",
	"4a bind:L 6b bind:*=ADDRINUSE v6only bind:*",
	"4a bind:* 6b bind:L",
	"6a bind:L 4b bind:* 4c bind:L=ADDRINUSE",
	"6a v6only bind:L 4b bind:*",
	"6a bind:M 4b bind:L=ADDRINUSE bind:*=ADDRINUSE 6c bind:*=ADDRINUSE",
	"6a bind:M 6b bind:L 6c v6only bind:*=ADDRINUSE",
	"6a bind:W 4b bind:*=ADDRINUSE 6c bind:L",
	"4a bind:L 6b bind:M=ADDRINUSE bind:W=ADDRINUSE bind:L",
	"6a v6only bind:M=INVAL bind:W=INVAL bind:L",
	"6a reuse bind:* 4b reuse bind:*",
	"6a reuse bind:* listen 4b reuse bind:*=ADDRINUSE",
	"6a rport bind:* listen 4b rport bind:* listen",
	"6a bind:X=ADDRNOTAVAIL 4b bind:X=ADDRNOTAVAIL",
	"4a range listen 6b range listen=ADDRINUSE v6only listen",
	"6a range bind:L:0 4b range bind:*:0",
	"4a range bind:*:0 6b range bind:L:0",
};

/* IPv4 peers of IPv6 sockets. */
static const char *const port_rows_mapped[] = {
	"6a bind:* listen accept:b @a close 4c bind:*=ADDRINUSE bind:L=ADDRINUSE",
	"6a bind:* listen accept:b @a close 6c bind:*=ADDRINUSE bind:L",
	"6a bind:* listen accept:b @a close 6c v6only bind:*",
	"6a reuse bind:* listen accept:b @a close @b end 4c bind:*=ADDRINUSE reuse bind:*",
	"6a connect 4b bind:*:a=ADDRINUSE",
	"6a connect 6b bind:L:a",
};

#endif
