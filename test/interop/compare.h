/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the files of the comparison test share: checks, and the peer. See compare.c.
 *
 * Each check states what Linux gives. Cases leave their descriptors behind: they are closed when
 * the case ends.
 */
#ifndef TERN_TEST_COMPARE_H
#define TERN_TEST_COMPARE_H

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <time.h>

/* ---- Checks: one each, counted. They return what they got. */

/* The call returns this. */
#define GIVES(expected, call)                                                                      \
	(errno = 0, compare_gives(__FILE_NAME__, __LINE__, #call, (long)(expected), (long)(call)))

/* The call returns -1 with this errno. */
#define FAILS(error, call)                                                                         \
	(errno = 0, compare_fails(__FILE_NAME__, __LINE__, #call, (error), (long)(call)))

/* The condition is true. */
#define HOLDS(condition) compare_holds(__FILE_NAME__, __LINE__, #condition, (condition))

/* poll() of everything says just this, now. */
#define POLLS(expected, fd) compare_polls(__FILE_NAME__, __LINE__, #fd, (expected), (fd))

long compare_gives(const char *file, int line, const char *what, long expected, long got);
long compare_fails(const char *file, int line, const char *what, int error, long got);
bool compare_holds(const char *file, int line, const char *what, bool holds);
short compare_polls(const char *file, int line, const char *what, int expected, int fd);

/* Where Tern differs on purpose: what Linux gives, and what Tern gives. */
#define DIFFERS(on_linux, on_tern) (compare_is_tern() ? (on_tern) : (on_linux))
bool compare_is_tern(void);

/* Of a case that goes through several alike: at which it is. */
void compare_about(const char *what);

/* What poll() says of a stream that can be written, and read. */
enum {
	CAN_WRITE = POLLOUT | POLLWRNORM,
	CAN_READ = POLLIN | POLLRDNORM,
};

/* The case cannot go on: counts as a mismatch, and ends the program. */
_Noreturn void compare_give_up(const char *why);
/* Something moves: a case may take so long again. */
void compare_moves(void);

/* ---- Cases */

struct compare_case {
	const char *name;
	void (*run)(void);
};

/* One table for each file; the last entry has no name. */
extern const struct compare_case compare_open_cases[];
extern const struct compare_case compare_connect_cases[];
extern const struct compare_case compare_accept_cases[];
extern const struct compare_case compare_bytes_cases[];
extern const struct compare_case compare_message_cases[];
extern const struct compare_case compare_end_cases[];
extern const struct compare_case compare_poll_cases[];
extern const struct compare_case compare_epoll_cases[];
extern const struct compare_case compare_options_cases[];
extern const struct compare_case compare_descriptors_cases[];
extern const struct compare_case compare_time_cases[];
extern const struct compare_case compare_family_cases[];
extern const struct compare_case compare_fastopen_cases[];
extern const struct compare_case compare_fastopen_write_cases[];
extern const struct compare_case compare_fastopen_message_cases[];
extern const struct compare_case compare_fastopen_server_cases[];
extern const struct compare_case compare_fastopen_off_cases[];
extern const struct compare_case compare_fastopen_later_cases[];
extern const struct compare_case compare_repair_cases[];
extern const struct compare_case compare_repair_options_cases[];
extern const struct compare_case compare_repair_queue_cases[];
extern const struct compare_case compare_repair_silent_cases[];
extern const struct compare_case compare_repair_leave_cases[];
extern const struct compare_case compare_repair_shared_cases[];
extern const struct compare_case compare_repair_user_cases[];

/* ---- Addresses */

/* Ours and the peer's, of AF_INET or AF_INET6, with a port. Static: copied before the next call. */
struct address {
	socklen_t bytes;
	union {
		struct sockaddr any;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
		struct sockaddr_storage storage;
	};
};

struct address address_own(int family, uint16_t port);
struct address address_peer(int family, uint16_t port);
struct address address_text(const char *ip, uint16_t port);
struct address address_wildcard(int family, uint16_t port);

/* The local port of a socket of ours; 0 if it has none. */
uint16_t port_of(int fd);

/* ---- Our side */

int new_socket(int family, int flags);
int new_listener(int family, int backlog); /* bound to our address, any port */
void set_option(int fd, int level, int name, int value);
int get_option(int fd, int level, int name);

/* Waits up to 3 seconds for one of these events; true if one came. */
bool await(int fd, short events);
void sleep_ms(int ms);

/* SIGUSR1 in so many milliseconds; how many have come since. */
timer_t signal_in(int ms, int sa_flags);
int signals_seen(void);
int64_t now_ms(void);

/* A connection: our descriptor, the peer's handle. Ends the program if it cannot be had. */
struct pair {
	int fd;
	int peer;
};

struct pair connect_pair(int family); /* we connect */
struct pair accept_pair(int family);  /* the peer connects */

/* Sends until there is no room, without waiting. Returns how much. */
size_t fill(int fd);

/* ---- The peer: a process on Linux that does as it is told. Handles are small numbers.

   They return what its call returned, or a negative errno. It waits 3 seconds for what does not
   come at once. */

int peer_listen(int family, int backlog, uint16_t *port);
int peer_accept(int listener);
int peer_connect(const struct address *to);
int peer_send(int handle, int bytes, int flags); /* a pattern: byte i of a connection is i % 251 */
int peer_receive(int handle, int bytes);         /* all of them, or to the end */
int peer_shutdown(int handle, int how);
int peer_close(int handle);
int peer_reset(int handle);
int peer_set(int handle, int level, int name, int value);
int peer_poll(int handle, int events); /* waits; what came */
int peer_at_end(int handle);           /* waits; 0: end of stream, negative: error */
void peer_forget(void);                /* closes everything */
/* With data in the SYN if its side has a cookie, after the handshake otherwise. A handle. */
int peer_fastopen(const struct address *to, int bytes);
int peer_set_bytes(int handle, int level, int name, const void *bytes, size_t n);
int peer_info(int handle);                           /* tcpi_options | fastopen_client_fail << 8 */
int peer_field(int handle, size_t at, size_t bytes); /* of its struct tcp_info, 31 bits of it */
int peer_quiet(int handle, int ms); /* 0: nothing to read or accept for so long; else 1 */

/* Has the script COMPARE_HANDS do something outside of the programs, like "flush own". */
int peer_hands(const char *what);

/* The pattern's byte. */
static inline uint8_t
pattern(size_t i)
{
	return (uint8_t)(i % 251);
}

int peer_reach(const char *path); /* returns the descriptor by which it hears us */

/* compare_peer.c: the peer's process. */
int compare_peer(const char *path);
/* compare_repair_shared.c: what a case executes, with a descriptor's number. */
int compare_repair_exec(const char *word);

/* What is asked of it, and its answer. */
enum peer_op {
	PEER_LISTEN,
	PEER_ACCEPT,
	PEER_CONNECT,
	PEER_SEND,
	PEER_RECEIVE,
	PEER_SHUTDOWN,
	PEER_CLOSE,
	PEER_RESET,
	PEER_SET,
	PEER_POLL,
	PEER_AT_END,
	PEER_FORGET,
	PEER_FASTOPEN,
	PEER_SET_BYTES,
	PEER_INFO,
	PEER_FIELD,
	PEER_QUIET,
	PEER_HANDS,
	PEER_OPS,
};

struct peer_request {
	int32_t op, handle, a, b, c;
	struct address address;
	char bytes[64]; /* a key, or a line for the script */
};

struct peer_answer {
	int32_t result;
	uint16_t port;
};

#endif
