/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a program sees of a connection's life: rows that run on the engine (calls_linux.c) and on
 * the kernel (linux_tables.c), with the kernel's answers. A row is a list of steps about one
 * socket, which does not block:
 *
 *     listening       listens; peer: somebody connects to it; accept: takes him, as the socket
 *     connecting      connect() that nobody answers yet
 *     refused         connect() that is refused
 *     open            connected
 *     fin rst         the peer sends it; fin comes behind his data
 *     data:N oob      the peer sends N bytes; one urgent byte
 *     recv:N[:FLAG]   FLAG is peek, trunc, peektrunc, waitall, oob, dontwait or errq
 *     send:N          the peer acknowledges at once
 *     rd wr rdwr      shutdown()
 *     lowat:N         SO_RCVLOWAT; notsent:N  TCP_NOTSENT_LOWAT; inline  SO_OOBINLINE
 *     error           SO_ERROR
 *     poll            of I(n) O(ut) P(ri) E(rr) H(up) R(dhup)
 *     connect accept listen name peername              the calls
 *     STEP=ANSWER     a number or the error without its E; nothing: 0
 */
#ifndef TERN_TEST_WIRE_CALLS_TABLE_H
#define TERN_TEST_WIRE_CALLS_TABLE_H

static const char *const call_rows[] = {
	/* before and while connecting */
	"new poll=OH recv:9=NOTCONN recv:0=NOTCONN send:1=PIPE rd=NOTCONN wr=NOTCONN "
	"peername=NOTCONN",
	"new accept=INVAL error poll=OH",
	"connecting poll recv:9=AGAIN send:1=AGAIN connect=ALREADY peername=NOTCONN listen=INVAL",
	"connecting rdwr poll=OEH error=CONNRESET poll=OH connect=INPROGRESS",
	"connecting rd poll=OEH recv:9=CONNRESET recv:9=NOTCONN",
	"connecting wr poll=OEH connect=INPROGRESS send:1=AGAIN",
	"open connect rst connect=ISCONN recv:9=CONNRESET connect=ISCONN",
	"refused poll=IOEHR error=CONNREFUSED error poll=IOHR recv:9 send:1=PIPE",
	"refused recv:9=CONNREFUSED recv:9 error send:1=PIPE poll=IOHR",
	"refused send:1=CONNREFUSED send:1=PIPE recv:9 error",
	"refused connect=CONNREFUSED poll=OH recv:9=NOTCONN send:1=PIPE",
	"refused error=CONNREFUSED connect=CONNABORTED connect=INPROGRESS",
	"refused wr=NOTCONN peername=NOTCONN listen=INVAL error=CONNREFUSED listen=INVAL",
	"refused rdwr=NOTCONN rd=NOTCONN error=CONNREFUSED",
	/* listening */
	"listening poll recv:9=NOTCONN send:1=PIPE connect=ISCONN accept=AGAIN error",
	"listening peer poll=I rd poll=OH accept=INVAL",
	"listening peer wr poll=I accept poll=O",
	"listening rdwr poll=OH accept=INVAL listen poll",
	"listening wr poll peername=NOTCONN listen",
	"listening peer fin accept poll=IOR recv:9 poll=IOR",
	"listening peer data:5 rst accept poll=IOEHR peername=NOTCONN recv:9=5 recv:9=CONNRESET",
	"listening peer data:5 fin accept recv:9=5 recv:9",
	/* open */
	"open poll=O recv:9=AGAIN send:1=1 listen=INVAL accept=INVAL",
	"open connect connect=ISCONN",
	"open data:5 poll=IO recv:3=3 poll=IO recv:9=2 poll=O recv:9=AGAIN",
	"open data:5 recv:0 poll=IO",
	"open data:5 rd poll=IOR recv:9=5 recv:9 send:1=1",
	"open rd poll=IOR recv:9 send:1=1 data:5 poll=IOR recv:9=5 recv:9",
	"open rd rd wr poll=IOHR",
	"open wr poll=O send:1=PIPE recv:9=AGAIN wr data:5 poll=IO recv:9=5",
	"open rdwr poll=IOHR recv:9 send:1=PIPE rdwr",
	/* the peer is done */
	"open fin poll=IOR recv:9 recv:9 send:1=1 poll=IOR",
	"open data:5 fin poll=IOR recv:3=3 poll=IOR recv:9=2 recv:9",
	"open fin wr poll=IOHR send:1=PIPE recv:9 error",
	"open fin rd poll=IOR recv:9 send:1=1",
	"open fin rdwr poll=IOHR peername=NOTCONN",
	"open wr fin poll=IOHR recv:9 send:1=PIPE wr=NOTCONN peername=NOTCONN connect=ISCONN",
	"open wr data:5 fin poll=IOHR recv:9=5 recv:9 poll=IOHR",
	"open data:5 fin wr recv:9=5 recv:9 send:1=PIPE",
	"open fin connect connect=ISCONN",
	/* resets: once, and to whom it is told first */
	"open rst poll=IOEHR recv:9=CONNRESET poll=IOHR recv:9 send:1=PIPE error",
	"open rst send:1=CONNRESET send:1=PIPE recv:9 error",
	"open rst error=CONNRESET error recv:9 send:1=PIPE poll=IOHR",
	"open rst connect=CONNRESET",
	"open rst wr=NOTCONN rd=NOTCONN peername=NOTCONN error=CONNRESET",
	"open rst recv:0=CONNRESET poll=IOHR recv:0 recv:9",
	"open rst send:0=CONNRESET poll=IOHR send:0=PIPE",
	"open data:5 rst poll=IOEHR recv:9=5 recv:9=CONNRESET recv:9",
	"open data:5 rst recv:9:peek=5 recv:3=3 error=CONNRESET recv:9=2 recv:9",
	"open data:5 rst connect=CONNRESET poll=OH recv:9=NOTCONN error",
	"open data:5 rst error=CONNRESET connect=CONNABORTED poll=OH recv:9=NOTCONN",
	"open data:5 fin rst connect=PIPE poll=OH recv:9=NOTCONN connect=INPROGRESS",
	"open data:5 rst send:1=CONNRESET recv:9=5 recv:9",
	"open fin rst poll=IOEHR recv:9 poll=IOEHR send:1=PIPE poll=IOHR send:1=PIPE",
	"open fin rst send:1=PIPE error",
	"open fin rst error=PIPE error recv:9 send:1=PIPE",
	"open data:5 fin rst recv:9=5 recv:9 error=PIPE",
	"open wr rst poll=IOEHR recv:9=CONNRESET recv:9 send:1=PIPE",
	"open wr rst send:1=CONNRESET",
	"open wr rst error=CONNRESET poll=IOHR",
	"open fin wr rst poll=IOHR error",
	"open wr data:5 rst recv:9=5 recv:9=CONNRESET recv:9",
	"open data:5 rst send:0=CONNRESET recv:9=5 recv:9",
	"open fin rst connect=PIPE",
	"open rd rst poll=IOEHR recv:9=CONNRESET recv:9",
	"open rdwr rst poll=IOEHR error=CONNRESET",
	"open wr fin rst poll=IOHR error",
	/* looking at data */
	"open data:9 recv:5:peek=5 recv:5:peek=5 recv:20:peek=9 recv:20=9",
	"open data:9 recv:5:trunc=5 recv:20=4",
	"open data:9 recv:20:trunc=9 recv:20=AGAIN",
	"open data:9 recv:5:peektrunc=5 recv:20=9",
	"open data:9 recv:20:waitall=9 recv:20:waitall=AGAIN",
	"open data:9 fin recv:20:waitall=9 recv:20:waitall",
	"open data:9 recv:5:dontwait=5 recv:5:errq=AGAIN recv:5=4 recv:5:errq=AGAIN",
	"open recv:5:peek=AGAIN fin recv:5:peek recv:5:trunc",
	"open rst recv:5:peek=CONNRESET recv:5:peek",
	"open rst recv:5:errq=AGAIN poll=IOEHR",
	"open data:9 rst recv:5:peek=5 recv:5:trunc=5 recv:5=4 recv:5=CONNRESET",
	/* urgent data */
	"open oob poll=OP recv:5:oob=1 poll=O recv:5:oob=INVAL",
	"open oob recv:5=AGAIN poll=O recv:1:oob=INVAL fin poll=IOR recv:5",
	"open data:4 oob poll=IOP recv:9=4 poll=OP recv:1:oob=1 poll=O recv:9=AGAIN",
	"open inline oob poll=IOP recv:1:oob=INVAL recv:5=1 poll=O",
	"open recv:1:oob=INVAL fin recv:1:oob=INVAL",
	"open fin recv:1:oob=INVAL wr recv:1:oob=INVAL",
	"open oob rst poll=IOPEHR recv:1:oob=NOTCONN poll=IOPEHR recv:9=CONNRESET poll=IOHR",
	"new recv:1:oob=INVAL",
	/* thresholds */
	"open lowat:10 data:9 poll=O recv:4=4 data:5 poll=IO recv:99=10",
	"open lowat:10 data:4 lowat:4 poll=IO",
	"open lowat:10 data:4 fin poll=IOR recv:9=4",
	"open lowat:10 data:4 rst poll=IOEHR recv:9=4",
	"open lowat:10 rd poll=IOR",
	"open lowat:2 oob poll=OP data:1 poll=OP data:1 poll=IOP",
	"open lowat:0 poll=O data:1 poll=IO",
	"listening lowat:10 peer poll=I accept data:9 poll=O data:1 poll=IO",
	"open notsent:1 poll=O send:100=100 poll=O",
	"open notsent:0 poll=O send:100=100 poll=O",
};

#endif
