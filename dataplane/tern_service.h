/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Services of your own inside ternd: a shared object whose callbacks run to completion in the lane
 * that has the connection, between a packet's arrival and its answer's departure. ternd's own
 * services (http, echo, discard, chargen) are written against this header and nothing else.
 *
 *     [service greeting]
 *     plugin = /usr/lib/greeting.so
 *     listen = *:7000
 *     text   = Hello            ; a key that ternd does not know is the plugin's
 *
 * A plugin exports one symbol, the struct tern_service_plugin below, named tern_service_plugin:
 *
 *     cc -std=c11 -O2 -shared -fPIC $(pkg-config --cflags tern-service) greeting.c -o greeting.so
 *
 * The functions here are ternd's; they are found when it loads the plugin, there is nothing to
 * link. conf/plugins/greeting.c is a whole example.
 *
 * A service's life, and which thread runs it
 *
 *     main thread     the file is loaded, its descriptor checked, its state made
 *                     configure() for each key, then check()          `ternd --check` ends here
 *                     start(), with memory and devices there
 *     each lane       lane_start(), before the lane's first packet
 *                     accepted(), readable(), writable(), ..., lane_turn()
 *                     at the end: closed() for every connection that is left
 *                     lane_stop(), when the lane has sent its last packet
 *     main thread     stop(), when all lanes have; then the file is unloaded
 *
 * Lanes are threads that share nothing: a connection belongs to one lane, its callbacks run there,
 * and every function below that takes a connection or a lane must be called from that lane's
 * callbacks, unless it says otherwise. So state of a lane and of a connection needs no lock. State
 * of the service is seen by all lanes: write it in configure(), check(), start() and stop(), and
 * read it anywhere; or use atomics.
 *
 * A callback must not wait: no lock that others hold for long, no file, no DNS. While it runs, no
 * packet of the whole lane is looked at. An iteration of a lane longer than 10 ms is counted
 * (service.slow_turns in `tern stats`) and told on ternd's log with the services that ran in it. A
 * plugin is trusted as ternd itself is: it runs in its process, with its privileges.
 *
 * Functions answer as Linux's non-blocking socket calls do, with a value >= 0 or a negative errno,
 * and never set errno. Once a call on a connection failed with another error than the ones listed
 * there, the connection is over: closed() is called with that error when the callback has returned,
 * and there is nothing else to do. Counters of all services are in `tern stats`, group service.
 *
 * Left out: datagrams, TLS, handing a connection to another lane, and connecting out while ternd
 * has several lanes.
 */
#ifndef TERN_SERVICE_H
#define TERN_SERVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * The version of this header. It changes when a plugin made for the one before would no longer
 * work; what is merely added at the end of struct tern_service_plugin, or a new function, does not
 * change it.
 */
#define TERN_SERVICE_ABI 1

/* One service in one lane; valid from lane_start() to the end of lane_stop(). */
struct tern_service_lane;

/*
 * A connection; valid from accepted(), restored(), tern_service_connect() or
 * tern_service_connect_send() to the end of closed(). If accepted() or restored() refuses it, to
 * the end of that.
 */
struct tern_service_conn;

/* Bytes that devices may read; see "Sending by reference". */
struct tern_service_memory;

/* Received bytes that are kept beyond the callback; see tern_service_hold(). */
struct tern_service_held;

/* The size of every buffer `why`: a callback that fails leaves the reason there, as text. */
#define TERN_SERVICE_WHY_BYTES 512

/* A counter of the plugin's own. */
struct tern_service_counter {
	const char *name; /* in `tern stats`: service.KIND_NAME, KIND being [service KIND]'s */
	const char *text; /* what it counts */
};

#define TERN_SERVICE_COUNTERS_MAX 32

/*
 * What a plugin exports. Callbacks that are NULL are left out. Those that return int return 0, or a
 * negative errno with the reason in `why`, a sentence without its full stop; an empty one stands
 * for the errno's text.
 */
struct tern_service_plugin {
	uint32_t abi;   /* TERN_SERVICE_ABI */
	uint32_t bytes; /* sizeof(struct tern_service_plugin) */

	const char *version;     /* of the plugin, for the log; NULL: none */
	const char *const *keys; /* of its own, ended by NULL: for "did you mean"; NULL: none */
	const struct tern_service_counter *counters; /* ended by a NULL name; NULL: none */

	/* Bytes of state, each zeroed at first and aligned to 16; 0: none. */
	uint32_t service_bytes; /* the service's: one for each section of the configuration */
	uint32_t lane_bytes;    /* of each service in each lane */
	uint32_t conn_bytes;    /* of each connection: TERN_SERVICE_CONN_BYTES_MAX at most */

	uint32_t idle_timeout_s; /* default of the key idle_timeout; 0: never */

	/* ---- Main thread */

	/*
	 * A key that ternd does not know (it knows plugin, listen, backlog and idle_timeout), in
	 * the order of the file; value is without blanks around it, and may be empty. -ENOENT: the
	 * key is unknown, and ternd says which there are; other errors: the value is wrong. What is
	 * in `why` comes out as "FILE:LINE: [SECTION] KEY: WHY". Pointers are valid during the
	 * call. Not to be done here: what costs time, or changes anything outside.
	 */
	int (*configure)(void *service, const char *key, const char *value, char *why);

	/* All keys are there. What is in `why` comes out as "FILE:LINE: [SECTION]: WHY". */
	int (*check)(void *service, char *why);

	/*
	 * ternd starts, with so many lanes. The place to allocate and register memory, read files,
	 * start threads. On an error ternd says why, and does not start.
	 */
	int (*start)(void *service, unsigned int lanes, char *why);

	/*
	 * The end, called once for each service's state that was made, whether or not start() was
	 * called or succeeded. No lane runs any more, every release callback was called.
	 */
	void (*stop)(void *service);

	/* ---- The lane */

	/* Before the first connection. On an error ternd says why, and does not start. */
	int (*lane_start)(struct tern_service_lane *lane, void *state, char *why);

	/*
	 * Once in every iteration of the lane, that is up to millions of times a second: to look
	 * into a queue that other threads fill, say. It must find out cheaply that there is nothing
	 * to do.
	 */
	void (*lane_turn)(struct tern_service_lane *lane, void *state);

	/* The end; called if lane_start() succeeded. All connections are gone. */
	void (*lane_stop)(struct tern_service_lane *lane, void *state);

	/* ---- The connection, in its lane; `state` is the connection's */

	/*
	 * A connection was accepted. 0 takes it; another value refuses it: it is reset, nothing
	 * else is called for it, and holds and sends of this callback count for nothing. Bytes may
	 * have come with it: readable() follows.
	 */
	int (*accepted)(struct tern_service_conn *conn, void *state);

	/* What tern_service_connect() or tern_service_connect_send() began has succeeded: there is
	 * a connection. If it fails: closed(). */
	void (*connected)(struct tern_service_conn *conn, void *state);

	/*
	 * There are bytes to read, or the end of the stream (tern_service_ended()), or both. Called
	 * after each burst of packets with news while that is so, also if the bytes are those that
	 * were left last time: what is not consumed stays, and the window closes behind it, so that
	 * the peer waits. It is not called again only because bytes were left: where more could be
	 * done at once but others should have their turn, tern_service_yield() has it called in the
	 * next iteration.
	 */
	void (*readable)(struct tern_service_conn *conn, void *state);

	/*
	 * There is room in the send queue again. Called once after a send took fewer bytes than it
	 * was given, or -EAGAIN, or after tern_service_want_room().
	 */
	void (*writable)(struct tern_service_conn *conn, void *state);

	/*
	 * The peer has sent its FIN: what is in the receive queue is all that will come. Called
	 * once, after readable(). Sending may go on. Without this callback the connection is closed
	 * when all has been read, so that nothing stays open for ever: a service that may have to
	 * send for longer than that must have it.
	 */
	void (*peer_closed)(struct tern_service_conn *conn, void *state);

	/* The time given to tern_service_timer() has come. */
	void (*timer)(struct tern_service_conn *conn, void *state);

	/*
	 * The connection is over; called once, as the last for this connection, whatever ended it.
	 * error, positive: 0 if this service closed it or both sides did in order; ECONNABORTED if
	 * this service aborted it, or if it goes on elsewhere; ECONNRESET, ETIMEDOUT, ECONNREFUSED,
	 * EHOSTUNREACH, ... as Linux; ETIMEDOUT, too, if nothing moved for idle_timeout; ESHUTDOWN
	 * if ternd ends, which resets a connection that has not sent everything. Only what asks
	 * (the addresses, the lane) may be called on this connection. Bytes received and not
	 * consumed are gone; what was queued when the service closed is still being sent; what was
	 * sent by reference is released when that is over.
	 */
	void (*closed)(struct tern_service_conn *conn, void *state, int error);

	/* ---- Connections that move (`tern checkpoint`, `tern restore`). A plugin made for a
	 * header without these two has connections that stay; so has one whose connections have
	 * state (conn_bytes) and that leaves them out.
	 */

	/*
	 * The connection may go on elsewhere, in another ternd, of another version, on another
	 * machine: writes what the service there needs to know, at most `bytes`
	 * (TERN_SERVICE_SAVED_BYTES_MAX) into `to`. Both queues move with the connection and need
	 * not be saved: what was not consumed is read again there, what was queued is sent. Returns
	 * how many bytes it wrote; a negative errno if this connection cannot move now, with the
	 * reason in `why`. Nothing else may be called here, but what asks. Afterwards the
	 * connection may go on all the same, and be asked again; if it leaves, closed() is called
	 * with ECONNABORTED.
	 */
	ssize_t (*save)(struct tern_service_conn *conn, void *state, void *to, size_t bytes,
			char *why);

	/*
	 * A connection has come from elsewhere; called instead of accepted(), with the state zeroed
	 * and with what save() wrote there. That came from outside: it may be anything, also cut
	 * short, and save() of another version may have written it. So look at each length, index
	 * and number before using it. 0 takes the connection; a negative errno refuses it, with the
	 * reason in `why`: nothing else is called for it, and it has not been touched, so that it
	 * may be restored elsewhere. Nothing can be read or sent yet; options and the timer may be
	 * set. readable() and writable() follow, once at least, and peer_closed() if the peer has
	 * sent its FIN, whether or not that was told before.
	 */
	int (*restored)(struct tern_service_conn *conn, void *state, const void *from, size_t bytes,
			char *why);
};

#define TERN_SERVICE_CONN_BYTES_MAX 4096
#define TERN_SERVICE_SAVED_BYTES_MAX 4096

/* The plugin's one symbol, which it defines. */
#if defined(__GNUC__)
__attribute__((visibility("default")))
#endif
extern const struct tern_service_plugin tern_service_plugin;

/* ---- Where am I */

/* The lane of a connection; its state, the service's state. */
struct tern_service_lane *tern_service_lane_of(const struct tern_service_conn *conn);
void *tern_service_lane_state(const struct tern_service_lane *lane);
void *tern_service_shared_state(const struct tern_service_lane *lane);

/* The connection's state, which callbacks get as an argument. */
void *tern_service_conn_state(struct tern_service_conn *conn);

/* The lane's number, from 0. */
unsigned int tern_service_lane_index(const struct tern_service_lane *lane);

/*
 * The lane's clock in microseconds: monotonic, read once an iteration, the same for all lanes. Its
 * zero is ternd's start.
 */
uint64_t tern_service_now_us(const struct tern_service_lane *lane);

/* Seconds since 1970, read from the system once a second at most. */
uint32_t tern_service_wall_s(struct tern_service_lane *lane);

/* Adds n to a counter of the plugin's own, by its place in the descriptor's list. */
void tern_service_count(struct tern_service_lane *lane, unsigned int counter, uint64_t n);

/*
 * The connection's own and its peer's address: a struct sockaddr_in, also for IPv4 on a listener of
 * both, or a struct sockaddr_in6. Return 0; remote -ENOTCONN without a peer.
 */
int tern_service_local(const struct tern_service_conn *conn, struct sockaddr_storage *address);
int tern_service_remote(const struct tern_service_conn *conn, struct sockaddr_storage *address);

/*
 * Socket options by Linux's levels, names and layouts; FEATURES.md lists them. Return 0;
 * -ENOPROTOOPT for an unknown option, -EINVAL for a value or length out of range; neither ends the
 * connection. TCP_NODELAY is on at first. getsockopt cuts the value at *bytes and sets *bytes to
 * what it wrote.
 */
int tern_service_setsockopt(struct tern_service_conn *conn, int level, int name, const void *value,
			    size_t bytes);
int tern_service_getsockopt(struct tern_service_conn *conn, int level, int name, void *value,
			    size_t *bytes);

/* ---- Receiving
 *
 *     receive queue:  |<-------------------- tern_service_peek() returns ------------------->|
 *                     |      one piece of memory     |      the next        |      ...       |
 *                     offset 0 ...                  data->bytes at that offset
 *                     |-- tern_service_consume() -->|
 */

/* A piece of the receive queue, in place. */
struct tern_service_data {
	const void *data;
	size_t bytes; /* of this piece; 0 behind the last */
	void *buffer; /* for tern_service_hold() */
};

/*
 * Looks at received bytes in place: fills in *data with what lies in one piece from `offset` on.
 * The bytes stay in the queue. The pointer is valid until they are consumed, or the callback
 * returns, whichever is first. Returns the number of all bytes in the queue; 0 at the end of the
 * stream; -EAGAIN when there are none now.
 */
ssize_t tern_service_peek(struct tern_service_conn *conn, size_t offset,
			  struct tern_service_data *data);

/*
 * Copies up to `bytes` bytes of the receive queue from `offset` on, wherever pieces end. They stay
 * in the queue. Returns how many, which are fewer only at the end of the queue.
 */
size_t tern_service_copy(struct tern_service_conn *conn, size_t offset, void *buffer, size_t bytes);

/*
 * Removes the first bytes of the receive queue, at most as many as it holds; returns how many. This
 * is what opens the window for the peer.
 */
size_t tern_service_consume(struct tern_service_conn *conn, size_t bytes);

/* Copies and consumes, as recv(2). Returns as tern_service_peek(), with the bytes copied. */
ssize_t tern_service_read(struct tern_service_conn *conn, void *buffer, size_t bytes);

/* Whether the peer has sent its FIN: nothing follows behind the receive queue. */
bool tern_service_ended(const struct tern_service_conn *conn);

/*
 * Keeps a piece beyond the callback, without a copy: `data` is as tern_service_peek() filled it in,
 * and not consumed yet. data->data then stays valid, consumed or not, until
 * tern_service_release(*held), also when the connection is gone. Bytes held are packet buffers that
 * the lane cannot receive into: hold them for a short time only. Returns 0; -EINVAL for an empty
 * piece; -ENOBUFS when the services of this lane hold as many as they may (1024 pieces): copy them
 * then. Neither ends the connection.
 */
int tern_service_hold(struct tern_service_conn *conn, const struct tern_service_data *data,
		      struct tern_service_held **held);

/*
 * Gives back what was held: in the same lane, before lane_stop() ends. What is forgotten is
 * counted, told on ternd's log, and freed then.
 */
void tern_service_release(struct tern_service_held *held);

/* ---- Sending */

/* flags of all of them: more follows at once, hold back a segment that is not full (cork). */
#define TERN_SERVICE_MORE MSG_MORE

/*
 * Queues bytes for sending, copying them. Returns how many, possibly fewer than given; -EAGAIN when
 * none could be taken now, for there is no room, or packet buffers are short; writable() is called
 * when it is worth trying again. -EPIPE after tern_service_shutdown(); this does not end the
 * connection.
 */
ssize_t tern_service_send(struct tern_service_conn *conn, const void *data, size_t bytes,
			  int flags);

/* The same for bytes in several places, gathered into one stream. */
ssize_t tern_service_sendv(struct tern_service_conn *conn, const struct iovec *iov, unsigned int n,
			   int flags);

/* Bytes that a send would take now. */
size_t tern_service_room(const struct tern_service_conn *conn);

/* Has writable() called when there is room; in the next iteration if there is already. */
void tern_service_want_room(struct tern_service_conn *conn);

/*
 * Sending by reference
 *
 * Bytes that are sent as they lie in memory, without a copy, must not change until the peer has
 * acknowledged them, and must lie where devices can read: in memory of ternd's, which
 * tern_service_memory_alloc() gives, or in memory of the plugin's own that
 * tern_service_memory_register() was told of. Worth it from some kilobytes on; below, copying costs
 * less.
 */

/*
 * Queues bytes of such memory, from `offset` on. Returns how many, possibly fewer than given, or
 * -EAGAIN, -EPIPE, as tern_service_send(); -EINVAL outside of the memory, which does not end the
 * connection.
 *
 * If it took any, and release is not NULL, release(arg, bytes) is called exactly once for this
 * call, when these bytes are acknowledged or dropped and no device reads them any more: by the
 * lane's own thread, from the lane's loop and never from inside another callback or function of
 * this header; after closed(), if the connection ends earlier; by the main thread before stop(), if
 * the lane has ended. It may call everything, but the connection may be gone: arg is what knows.
 * With NULL nobody tells, and the memory must not change or go before stop().
 */
ssize_t tern_service_send_memory(struct tern_service_conn *conn,
				 const struct tern_service_memory *memory, size_t offset,
				 size_t bytes, int flags, void (*release)(void *arg, size_t bytes),
				 void *arg);

/*
 * Takes `bytes` of ternd's own memory, which every device can read; contents undefined. From
 * start() on, by any thread; it may wait for a lock, so it is not for the connection's callbacks.
 * Returns 0 with *memory set, -ENOMEM.
 */
int tern_service_memory_alloc(size_t bytes, struct tern_service_memory **memory);

/*
 * Makes memory of the plugin's own known to devices: a file that is mapped, say. It must be whole
 * pages, and stay mapped until tern_service_memory_free(). From start(), main thread. Returns 0
 * with *memory set; -EINVAL if it is not whole pages, or known already; -EOPNOTSUPP if a device of
 * this ternd cannot read such memory (virtio_user; devices that work by physical addresses, or for
 * which VFIO cannot map it): take it from tern_service_memory_alloc() then; -ENOMEM.
 */
int tern_service_memory_register(void *data, size_t bytes, struct tern_service_memory **memory);

/* Where it lies, and how much it is. */
void *tern_service_memory_data(const struct tern_service_memory *memory);
size_t tern_service_memory_bytes(const struct tern_service_memory *memory);

/*
 * Gives it back, or makes devices forget it. Nothing of it may be on its way: in stop(), or when
 * all sends of it have been released. NULL is ignored.
 */
void tern_service_memory_free(struct tern_service_memory *memory);

/* ---- The end of a connection
 *
 * close, finish and abort may be called from any callback of the lane, for any of its connections:
 * closed() follows, when the callback that is running has returned, never from inside these. A
 * second call changes nothing.
 */

/* Sends what is queued, then FIN; reading goes on. Returns 0; -ENOTCONN without a connection. */
int tern_service_shutdown(struct tern_service_conn *conn);

/*
 * Closes as close(2): what is queued is sent, then FIN; but bytes that came and were not consumed,
 * or that come later, reset the connection, and what is queued may be lost with it.
 */
void tern_service_close(struct tern_service_conn *conn);

/*
 * Closes as a server should that answers before it has read everything (RFC 9112 §9.6): sends what
 * is queued, then FIN; reads and drops what the peer still sends, for 10 seconds and 16 MiB at
 * most; then closes.
 */
void tern_service_finish(struct tern_service_conn *conn);

/* Resets the connection; what is queued is dropped. */
void tern_service_abort(struct tern_service_conn *conn);

/* ---- Time and turns */

/*
 * Has readable() called again in the lane's next iteration, when others have had their turn, though
 * there be no news.
 */
void tern_service_yield(struct tern_service_conn *conn);

/*
 * Has timer() called once when so many microseconds have passed, no earlier and at most an
 * iteration later; a second call moves it. 0: as soon as possible, in the next iteration.
 * UINT64_MAX: never. One for each connection.
 */
void tern_service_timer(struct tern_service_conn *conn, uint64_t delay_us);

/* ---- Connecting out */

/*
 * Opens a connection from this lane, with callbacks as for one that was accepted, but connected()
 * instead of accepted(): a proxy's other side. remote and, if not NULL, local are addresses as of
 * connect(2) and bind(2). From a callback of the lane. Returns 0 with *conn set, whose state is
 * zeroed; -EAGAIN when the lane's connections ([limits] connections) are all in use; -EINVAL,
 * -EAFNOSUPPORT for addresses; -EADDRNOTAVAIL, -EADDRINUSE, -ENETUNREACH as connect(2) and bind(2).
 * With several lanes the port is one whose answers come to this one; a local port of the caller's
 * choice costs each packet a way from lane to lane, and is one lane's at a time.
 */
int tern_service_connect(struct tern_service_lane *lane, const struct sockaddr *remote,
			 const struct sockaddr *local, struct tern_service_conn **conn);

/*
 * The same with TCP Fast Open (RFC 7413): if the server gave a cookie before, the first bytes go
 * with the SYN, copied, as many as it has room for; else it asks for a cookie. Returns how many
 * went; what did not is to be sent from connected() on. connected() comes with the SYN-ACK; what
 * that did not take of the SYN's bytes is sent again by itself, and TCP_INFO tells of it
 * (TCPI_OPT_SYN_DATA, tcpi_fastopen_client_fail). Errors as above, and -EOPNOTSUPP unless [tcp]
 * fastopen has client.
 */
ssize_t tern_service_connect_send(struct tern_service_lane *lane, const struct sockaddr *remote,
				  const struct sockaddr *local, const void *data, size_t bytes,
				  struct tern_service_conn **conn);

#ifdef __cplusplus
}
#endif

#endif
