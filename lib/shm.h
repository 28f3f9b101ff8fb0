/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The arena: the memory that ternd and one program share. This is its whole layout.
 *
 *     shm_header | prefixes | payloads | replies | for each lane: { shm_lane | rings | events |
 * status | control | chunks | blocks }
 *
 * Each word has one writer, named below. The program posts requests into rings (a byte stream of
 * messages; several rings a lane, so that threads do not wait for each other); the lane answers
 * those that ask for it in a reply slot, and keeps the status of each socket. ternd trusts nothing
 * that it reads here and reads nothing that it wrote; a program may trust ternd.
 *
 * A socket is named by a slot that the program chooses (below header.sockets) when it opens or
 * accepts it. The same number on another lane is another socket. A local port is one lane's, with
 * all that is bound to it: shm_lane_of_port(). But a socket that listens may have parts on the
 * other lanes, each a socket that listens there and accepts what comes there.
 */
#ifndef TERN_LIB_SHM_H
#define TERN_LIB_SHM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	SHM_VERSION = 13,         /* of this layout, the requests and the channel's messages */
	SHM_LINE = 64,            /* bytes that one core owns at a time */
	SHM_RINGS_MAX = 64,       /* of a lane, at most */
	SHM_RING_BYTES = 1 << 18, /* of a request ring */
	SHM_REQUEST_ALIGN = 32,   /* of each message in a ring */
	SHM_PAYLOAD_MAX = 1 << 16,
	SHM_BLOCK_BYTES = 4096, /* of a data block */
	SHM_CHUNKS = 32,        /* delivered and not yet read, at most, of a socket */
	SHM_REPLY_DATA = 4096 - SHM_LINE,
	SHM_NO_REPLY = UINT16_MAX,
};

/* ---- Requests */

enum shm_op {
	SHM_SKIP, /* filler up to the end of the ring */

	/* Without an answer. */
	SHM_SEND,        /* payload: bytes within the credit; arg: MSG_... flags */
	SHM_CONSUMED,    /* control.consumed has moved */
	SHM_CLOSE,       /* the status says SHM_FREE when it is done */
	SHM_SEND_PLACED, /* SHM_SEND of what lies in a payload; arg2: its index << 32 | bytes */

	/* With an answer: a value >= 0 or a negative errno, and perhaps data. */
	SHM_OPEN,       /* arg: family; arg2: 1 for AF_SMC, else 0 */
	SHM_BIND,       /* payload: shm_endpoint; arg: SHM_BIND_...; -EXDEV: the port is another
			   lane's; data: shm_bound */
	SHM_CONNECT,    /* payload: shm_endpoint; arg: 1 for AF_UNSPEC, which undoes it, 2: here;
			   else -EXDEV: a socket that is bound had better be on another lane, to
			   which its packets come; data: shm_elsewhere */
	SHM_LISTEN,     /* arg: backlog; arg2: what names it and all its parts, and no other of the
			   program's; + SHM_LISTEN_EVERYWHERE: it has a part on each other lane */
	SHM_ACCEPT,     /* arg: slot of the child; data: shm_endpoint of its peer */
	SHM_SEND_NOW,   /* payload, arg as SHM_SEND; how many bytes were taken */
	SHM_SEND_TO,    /* the same; an shm_endpoint before the bytes; for MSG_FASTOPEN */
	SHM_RECV,       /* arg: MSG_... flags; arg2: bytes at most; data: the bytes, or with
			   MSG_ERRQUEUE a struct sock_extended_err */
	SHM_PEEK,       /* in repair: SHM_RECV with MSG_PEEK, behind the first `offset` bytes, into
			   a payload; arg: flags; arg2: its index << 32 | bytes at most */
	SHM_SHUTDOWN,   /* arg: how */
	SHM_SETSOCKOPT, /* arg: level; arg2: name; payload: the value */
	SHM_GETSOCKOPT, /* arg: level; arg2: name; payload: uint32_t, bytes at most; data: the value
			 */
	SHM_IOCTL,      /* arg2: request; data: int */
	SHM_SOCKNAME,   /* data: shm_endpoint */
	SHM_PEERNAME,   /* data: shm_endpoint */
	SHM_CHECKPOINT, /* the connection's image from `offset` on, into a payload; arg:
			   SHM_MOVE_...; arg2: its index << 32 | bytes at most; how many were
			   written; data: shm_moved */
	SHM_RESTORE,    /* an image's bytes from `offset` on, in a payload; the first ones with its
			   whole head; arg, arg2 likewise; payload: shm_target, or nothing; how many
			   were taken; data: shm_moved. With the last the socket has the slot;
			   -EXDEV: it belongs to the lane that is told */
	SHM_MAY_BIND,   /* no socket; payload: shm_bound, of one that another lane has;
			   -EADDRINUSE: somebody here is in its way */
	SHM_OPS,
};

/* A message: this, then `bytes` of payload, then filler up to SHM_REQUEST_ALIGN. */
struct shm_request {
	uint32_t bytes; /* of payload, at most SHM_PAYLOAD_MAX; of SHM_SKIP: any */
	uint16_t op;
	uint16_t reply;  /* slot, or SHM_NO_REPLY */
	uint32_t ticket; /* comes back in the reply */
	uint32_t socket; /* slot */
	uint32_t arg;
	uint32_t offset;
	uint64_t arg2;
};

/* Both families; IPv4 addresses as IPv4-mapped ones (RFC 4291 §2.5.5.2). */
struct shm_endpoint {
	uint8_t ip[16];
	uint16_t port;   /* host byte order */
	uint16_t family; /* AF_INET, AF_INET6: what the socket calls show */
};

/* Of SHM_BIND: where a port may be another lane's. */
enum {
	SHM_BIND_PART = 1,   /* a part of a socket that another lane has */
	SHM_BIND_MOVED = 2,  /* one that was another lane's, and has the port there */
	SHM_BIND_CHOSEN = 3, /* the same, and that lane chose the port */
};

#define SHM_LISTEN_EVERYWHERE UINT64_C(1)

/* Where a bound socket had better be, and how to bind it there. */
struct shm_elsewhere {
	uint32_t lane;
	uint32_t how; /* SHM_BIND_... */
};

/* What a socket is bound to, and what the lanes say to each other of it. */
struct shm_bound {
	struct shm_endpoint local; /* port 0: it is not bound yet */
	uint32_t chosen;           /* 1: by the lane */
	uint32_t kind;
};

/* Of SHM_CHECKPOINT and SHM_RESTORE. */
enum {
	SHM_MOVE_END = 1 << 0,    /* done when all of it was written, and the connection then: */
	SHM_MOVE_FREEZE = 1 << 1, /* in repair; else as it was before; restored: going on */
	SHM_MOVE_TAKE = 1 << 2,   /* gone, without a packet */
	SHM_MOVE_LEAVE = 1 << 3,  /* no image: in repair, it is gone now */
	SHM_MOVE_CANCEL = 1 << 4, /* no image: what was begun is not to be */
	SHM_WHY_BYTES = 192,
};

struct shm_moved {
	uint64_t bytes;          /* of the whole image; of SHM_RESTORE: that it still wants */
	char why[SHM_WHY_BYTES]; /* of a refusal, a sentence; NUL-terminated */
	/* Of a connection that is restored, what the program keeps of its options. */
	int64_t receive_ms, send_ms; /* INT64_MAX: none */
	int32_t linger_s;
	uint16_t family;
	uint16_t tells_left;
	uint32_t lane; /* to which it belongs, with -EXDEV */
};

/* Where an image belongs that does not say so. */
struct shm_target {
	struct shm_endpoint local, remote;
	uint32_t state; /* Linux's TCP_... */
};

struct shm_ring {
	/* Program: bytes posted, counts up and around. */
	_Alignas(SHM_LINE) uint32_t tail;
	/* Lane: bytes taken. */
	_Alignas(SHM_LINE) uint32_t head;
	_Alignas(SHM_LINE) uint8_t data[SHM_RING_BYTES];
};

/* Lane. `ticket` is written last: the answer to the request that had it is complete. */
struct shm_reply {
	_Alignas(SHM_LINE) uint32_t ticket;
	int32_t result;
	uint32_t bytes;                            /* of data */
	_Alignas(16) uint8_t data[SHM_REPLY_DATA]; /* most answers end in the first line */
};

/* ---- Sockets */

enum shm_state {
	SHM_FREE, /* the slot may be used */
	SHM_OPENED,
	SHM_LISTENING,
};

enum {
	/* More can be read than `readable` says, by a call: end of stream, error, urgent data. */
	SHM_ASK_TO_READ = 1 << 0,
	/* Another program has the socket, too. */
	SHM_SHARED = 1 << 1,
	/* connect() has answered, and the first write is to start the handshake: RFC 7413. */
	SHM_DEFERRED = 1 << 2,
	/* A handshake of its own runs. */
	SHM_CONNECTING = 1 << 3,
	/* It is in repair: reads and writes are calls, and none of them waits. */
	SHM_REPAIR = 1 << 4,
};

/* Lane. */
struct shm_status {
	_Alignas(SHM_LINE) uint32_t changes; /* counts up with each change of what follows */
	uint16_t state;                      /* enum shm_state */
	uint16_t flags;
	uint32_t poll;         /* POLL... as Linux's poll() would say; POLLIN for other than data */
	uint32_t delivered;    /* chunks, counts up */
	uint64_t readable;     /* bytes that came in, over the socket's life; of a listener:
				  connections */
	uint64_t send_limit;   /* bytes of SHM_SEND that may have been posted, over its life */
	uint32_t low_water;    /* SO_RCVLOWAT: bytes from which on it is readable */
	uint32_t report_bytes; /* say SHM_CONSUMED when as many are read, or all */
	uint32_t recalled;     /* chunks before this one are taken back, if they are not read */
	uint64_t since_us;     /* of a listener: when the first came that waits */
};

/*
 * The program counts what it has read up in shm_control.consumed. The lane may seal it: what is not
 * read by then is taken back, and whoever is just copying it has copied nothing: his compare and
 * exchange of the word fails, as it does when the seal has come and gone meanwhile.
 *
 *      63     62 to 55   54 to 0
 *     | seal | epoch    | bytes read, over the socket's life |
 */
#define SHM_CONSUMED_SEAL (UINT64_C(1) << 63)
#define SHM_CONSUMED_EPOCH (UINT64_C(1) << 55)
#define SHM_CONSUMED_EPOCHS (SHM_CONSUMED_SEAL - SHM_CONSUMED_EPOCH)

static inline uint64_t
shm_consumed(uint64_t word)
{
	return word & (SHM_CONSUMED_EPOCH - 1);
}

/* Program, but for what stands above. */
struct shm_control {
	uint64_t consumed;
	uint32_t armed;        /* an event at the next change, please; the lane clears it */
	uint32_t keep_private; /* SHM_SHARE shares it not */
};

/* Lane. Bytes of the stream, in its order: chunk i is at chunks[i % SHM_CHUNKS]. */
struct shm_chunk {
	uint32_t block;
	uint16_t offset;
	uint16_t bytes;
};

/* ---- Addresses

   Whose a program's sockets are, by the address that they are bound or connected to. Of the entries
   that an address matches the longest decides, of those the first; without one it is the kernel's.
 */

enum shm_prefix_kind {
	SHM_PREFIX_KERNEL,
	SHM_PREFIX_OWN,     /* an address of ternd's */
	SHM_PREFIX_TERN,    /* reached by Tern */
	SHM_PREFIX_DEFAULT, /* the same, unless it is an address of the kernel's own */
	SHM_PREFIX_KINDS,
};

struct shm_prefix {
	uint8_t ip[16]; /* as in shm_endpoint */
	uint8_t bits;   /* 0 to 128; of an IPv4 prefix 96 more than it has */
	uint8_t kind;   /* enum shm_prefix_kind */
	uint8_t unused[6];
};

/* ---- The arena */

/*
 * An event: the slot that it is of, and above it when that was, in ticks of one clock for all
 * lanes; where there is one lane, 0. Which of two was first, their difference says.
 */
enum {
	SHM_EVENT_SLOT_BITS = 20,
};

static inline uint64_t
shm_event(uint64_t when, uint32_t slot)
{
	return when << SHM_EVENT_SLOT_BITS | slot;
}

static inline uint32_t
shm_event_slot(uint64_t event)
{
	return (uint32_t)event & ((1u << SHM_EVENT_SLOT_BITS) - 1);
}

struct shm_lane {
	/* Program: a bit for each ring that has news; the lane takes them. */
	_Alignas(SHM_LINE) uint64_t posted;
	/* Lane: events, counts up. */
	_Alignas(SHM_LINE) uint32_t event_tail;
	/* Program: events taken. */
	_Alignas(SHM_LINE) uint32_t event_head;
	/* Lane: it is, or is about to be; who has posted something rings its bell. */
	_Alignas(SHM_LINE) uint32_t asleep;
	/* Lane, as the program attaches: the processor it is on, and 1; 0: not known. A hint. */
	uint32_t cpu;
};

struct shm_header {
	/* ternd, before the program sees it. */
	uint32_t version;
	uint32_t lanes;
	uint32_t rings;   /* of each lane, at most SHM_RINGS_MAX */
	uint32_t sockets; /* slots of each lane, a power of 2, and entries of its event ring */
	uint32_t blocks;  /* of each lane */
	uint32_t replies;
	uint32_t prefixes;
	uint32_t payloads; /* of SHM_PAYLOAD_MAX bytes, the program's to share out */
	uint64_t bytes;    /* of the arena */
	uint64_t peers;    /* lanes on which sockets may be opened, a bit each */
	/* Program: threads that sleep, or are about to, on the doorbell. */
	_Alignas(SHM_LINE) uint32_t sleepers;
};

/* The lane whose a local port is, when it is a program's. */
static inline unsigned int
shm_lane_of_port(uint64_t peers, uint16_t port)
{
	unsigned int n = (unsigned int)__builtin_popcountll(peers);

	if (n <= 1)
		return n == 0 ? 0 : (unsigned int)__builtin_ctzll(peers);
	for (n = port % n; n > 0; n--)
		peers &= peers - 1;
	return (unsigned int)__builtin_ctzll(peers);
}

/* Where things are: offsets in bytes, those of a lane from its beginning. */
struct shm_layout {
	size_t prefixes, payloads, replies, lanes, bytes;
	size_t rings, events, status, control, chunks, blocks, lane_bytes;
};

static inline size_t
shm_place(size_t *at, size_t bytes)
{
	size_t here = *at;

	*at += (bytes + 4095) & ~(size_t)4095; /* each part on pages of its own */
	return here;
}

/* Computes the places from the header's numbers. */
static inline void
shm_lay_out(const struct shm_header *h, struct shm_layout *l)
{
	size_t at = 0;

	shm_place(&at, sizeof(struct shm_lane));
	l->rings = shm_place(&at, h->rings * sizeof(struct shm_ring));
	l->events = shm_place(&at, h->sockets * sizeof(uint64_t));
	l->status = shm_place(&at, h->sockets * sizeof(struct shm_status));
	l->control = shm_place(&at, h->sockets * sizeof(struct shm_control));
	l->chunks = shm_place(&at, h->sockets * SHM_CHUNKS * sizeof(struct shm_chunk));
	l->blocks = shm_place(&at, (size_t)h->blocks * SHM_BLOCK_BYTES);
	l->lane_bytes = at;
	at = 0;
	shm_place(&at, sizeof(struct shm_header));
	l->prefixes = shm_place(&at, h->prefixes * sizeof(struct shm_prefix));
	l->payloads = shm_place(&at, (size_t)h->payloads * SHM_PAYLOAD_MAX);
	l->replies = shm_place(&at, h->replies * sizeof(struct shm_reply));
	l->lanes = shm_place(&at, h->lanes * l->lane_bytes);
	l->bytes = at;
}

/* One lane's part of the arena, as either side sees it. */
struct shm_view {
	struct shm_lane *lane;
	struct shm_ring *rings;
	uint64_t *events;
	struct shm_status *status;
	struct shm_control *control;
	struct shm_chunk *chunks;
	uint8_t *blocks;
};

static inline void
shm_view(void *arena, const struct shm_layout *l, unsigned int lane, struct shm_view *v)
{
	uint8_t *base = (uint8_t *)arena + l->lanes + lane * l->lane_bytes;

	v->lane = (struct shm_lane *)(void *)base;
	v->rings = (struct shm_ring *)(void *)(base + l->rings);
	v->events = (uint64_t *)(void *)(base + l->events);
	v->status = (struct shm_status *)(void *)(base + l->status);
	v->control = (struct shm_control *)(void *)(base + l->control);
	v->chunks = (struct shm_chunk *)(void *)(base + l->chunks);
	v->blocks = base + l->blocks;
}

static inline size_t
shm_message_bytes(uint32_t payload)
{
	return (sizeof(struct shm_request) + payload + SHM_REQUEST_ALIGN - 1) &
	       ~(size_t)(SHM_REQUEST_ALIGN - 1);
}

_Static_assert(sizeof(struct shm_request) == SHM_REQUEST_ALIGN, "a message's head fits anywhere");
_Static_assert(sizeof(struct shm_status) == SHM_LINE, "one line a socket");
_Static_assert(sizeof(struct shm_reply) == 4096, "a page each");

/* ---- The channel

   The control socket hands a program one end of a SOCK_SEQPACKET pair; these are its messages. */

enum shm_channel_op {
	SHM_HELLO,  /* program: here I am; ternd: memfd, doorbell and the bell that wakes
		       lanes, in this order */
	SHM_SHARE,  /* program: make a second channel with references to my sockets; ternd: here it
		       is */
	SHM_RIGHTS, /* program: I have given up rights, as who sends this shows; ternd: so be it */
	SHM_BYE,    /* ternd: you are detached; `error` says why */
};

struct shm_message {
	uint32_t version;
	uint32_t op;
	int32_t error; /* negative errno, 0: none */
	int32_t pid;   /* SHM_HELLO of a program: who it is */
};

#endif
