/* SPDX-License-Identifier: BSD-3-Clause */
/* The comparison test's peer, seen from the program: each function asks it for one thing. */
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

#include "compare.h"

static int control = -1; /* the peer hears us there */

int
peer_reach(const char *path)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};

	snprintf(sun.sun_path, sizeof(sun.sun_path), "%s", path);
	control = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (connect(control, (struct sockaddr *)&sun, sizeof(sun)) < 0)
		compare_give_up("the peer");
	return control;
}

static int
ask(struct peer_request request, uint16_t *port)
{
	struct peer_answer answer;

	if (send(control, &request, sizeof(request), MSG_NOSIGNAL) != sizeof(request) ||
	    recv(control, &answer, sizeof(answer), 0) != sizeof(answer))
		compare_give_up("the peer has gone");
	if (port != NULL)
		*port = answer.port;
	return answer.result;
}

int
peer_listen(int family, int backlog, uint16_t *port)
{
	return ask((struct peer_request){.op = PEER_LISTEN,
					 .a = backlog,
					 .address = address_peer(family, 0)},
		   port);
}

int
peer_accept(int listener)
{
	return ask((struct peer_request){.op = PEER_ACCEPT, .handle = listener}, NULL);
}

int
peer_connect(const struct address *to)
{
	return ask((struct peer_request){.op = PEER_CONNECT, .address = *to}, NULL);
}

int
peer_send(int handle, int bytes, int flags)
{
	return ask((struct peer_request){.op = PEER_SEND, .handle = handle, .a = bytes, .b = flags},
		   NULL);
}

int
peer_receive(int handle, int bytes)
{
	return ask((struct peer_request){.op = PEER_RECEIVE, .handle = handle, .a = bytes}, NULL);
}

int
peer_shutdown(int handle, int how)
{
	return ask((struct peer_request){.op = PEER_SHUTDOWN, .handle = handle, .a = how}, NULL);
}

int
peer_close(int handle)
{
	return ask((struct peer_request){.op = PEER_CLOSE, .handle = handle}, NULL);
}

int
peer_reset(int handle)
{
	return ask((struct peer_request){.op = PEER_RESET, .handle = handle}, NULL);
}

int
peer_set(int handle, int level, int name, int value)
{
	return ask(
		(struct peer_request){
			.op = PEER_SET, .handle = handle, .a = level, .b = name, .c = value},
		NULL);
}

int
peer_poll(int handle, int events)
{
	return ask((struct peer_request){.op = PEER_POLL, .handle = handle, .a = events}, NULL);
}

int
peer_at_end(int handle)
{
	return ask((struct peer_request){.op = PEER_AT_END, .handle = handle}, NULL);
}

int
peer_fastopen(const struct address *to, int bytes)
{
	return ask((struct peer_request){.op = PEER_FASTOPEN, .address = *to, .a = bytes}, NULL);
}

int
peer_set_bytes(int handle, int level, int name, const void *bytes, size_t n)
{
	struct peer_request request = {
		.op = PEER_SET_BYTES, .handle = handle, .a = level, .b = name, .c = (int)n};

	memcpy(request.bytes, bytes, n);
	return ask(request, NULL);
}

int
peer_info(int handle)
{
	return ask((struct peer_request){.op = PEER_INFO, .handle = handle}, NULL);
}

int
peer_field(int handle, size_t at, size_t bytes)
{
	return ask(
		(struct peer_request){
			.op = PEER_FIELD, .handle = handle, .a = (int)at, .b = (int)bytes},
		NULL);
}

int
peer_quiet(int handle, int ms)
{
	return ask((struct peer_request){.op = PEER_QUIET, .handle = handle, .a = ms}, NULL);
}

int
peer_hands(const char *what)
{
	struct peer_request request = {.op = PEER_HANDS};

	snprintf(request.bytes, sizeof(request.bytes), "%s", what);
	return ask(request, NULL);
}

void
peer_forget(void)
{
	ask((struct peer_request){.op = PEER_FORGET}, NULL);
}
