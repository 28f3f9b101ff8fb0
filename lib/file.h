/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Open sockets, and the descriptors that name them.
 *
 * A descriptor is a real one of the process, a duplicate of a placeholder socket, so that its
 * number is nobody else's; the table here says which socket it is. Several descriptors may name one
 * socket (dup), as with the kernel's open file descriptions.
 *
 * Threads: any. file_get() keeps a file until file_put(), whoever closes it meanwhile.
 */
#ifndef TERN_LIB_FILE_H
#define TERN_LIB_FILE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "arena.h"

struct epoll;
struct interest;
struct kept_options;

/* Who has a socket. All but FILE_TERN are of libtern-preload.so alone; see side.h. */
enum file_side {
	FILE_TERN,
	FILE_UNDECIDED, /* the kernel, until it is bound or connected */
	FILE_BOTH,
};

struct file {
	uint32_t references; /* atomic: descriptors and calls under way; 0: free */
	struct file *next_free;
	struct file *next_of_all;
	struct epoll *epoll; /* an epoll instance; NULL: a socket, of which the rest tells */
	LIST_HEAD(, interest) interests; /* of epoll instances in it; epoll.c's */
	enum file_side side;             /* atomic */
	struct kept_options *options;    /* set so far, for another lane or side; on the heap */
	uint32_t descriptors;            /* atomic: that name it */
	unsigned int lane;
	uint32_t slot;   /* FILE_NO_SLOT: none */
	uint32_t *parts; /* atomic; of a listener: its slots on other lanes, by lane, atomic entries
			    that stay; NULL: none. On the heap */
	int family;
	bool bound;              /* by bind(): it stays on its lane */
	bool taken_over;         /* from who had it before: not all options may be kept */
	bool smc;                /* opened as AF_SMC */
	bool reset_told;         /* ternd has gone, and the program has heard ECONNRESET */
	bool nonblocking;        /* atomic; O_NONBLOCK */
	int64_t receive_ns;      /* SO_RCVTIMEO; WAIT_FOREVER: none */
	int64_t send_ns;         /* SO_SNDTIMEO */
	int linger_s;            /* SO_LINGER: how long the last close() waits; 0: not at all */
	bool tells_left;         /* TCP_INQ */
	pthread_mutex_t reading; /* held by who moves `consumed` */
	uint64_t consumed;       /* bytes read */
	uint32_t next_chunk;     /* to be read */
	uint16_t chunk_read;     /* bytes of it that are */
	uint64_t reported;       /* bytes read of which ternd knows */
	size_t lent;             /* unread bytes that the program looks at in place */
	uint32_t lent_from;      /* the chunk of the first of them */
	uint8_t *lent_copy;      /* they are there; NULL: in the arena. On the heap */
	pthread_mutex_t writing; /* held by who moves `sent` */
	uint64_t sent;           /* bytes posted by SHM_SEND */
};

#define FILE_NO_SLOT UINT32_MAX

/* What the lane says of it. */
static inline const struct shm_status *
file_status(const struct file *file)
{
	return &arena.views[file->lane].status[file->slot];
}

static inline struct shm_control *
file_control(const struct file *file)
{
	return &arena.views[file->lane].control[file->slot];
}

/* The socket that a descriptor names, to be put back; NULL if it is none of ours. */
struct file *file_get(int fd);
void file_put(struct file *file);

/* The same, for waits that are left: struct wait's `abandon`. */
void file_put_held(void *file);

/* The same for sockets alone. */
struct file *socket_get(int fd);

/* What a descriptor names just now, without a reference: good for no more than a question. */
const struct file *file_peek(int fd);

/*
 * A new file with a free slot on a lane, and one reference. NULL when there is none: *error is
 * -ENOMEM, or -ENFILE when all slots are in use.
 */
struct file *file_make(unsigned int lane, int *error);

/* A new file that is no socket yet, with one reference. NULL without memory. */
struct file *file_make_plain(void);

/* Makes a plain file a socket's, with a free slot. Returns 0, or an error as file_make() does. */
int file_take_slot(struct file *file, unsigned int lane);

/* Undoes it. The lane knows nothing of the slot, or has been told to close it. */
void file_drop_slot(struct file *file);

/* What one file has of a lane the other one has, and the reverse. Both have a slot, and nothing to
 * read. */
void file_trade_slots(struct file *file, struct file *other);

/* Takes all descriptors of a file out of the table: the kernel has them for itself. */
void file_release(struct file *file);

/* Puts a placeholder under all descriptors of a file, in the place of a socket of the kernel's. */
void file_hide_kernel(struct file *file);

/*
 * A listener's part on another lane: a slot for it, which no file has yet, or -ENFILE; then it is
 * the file's until it ends, or given back. file_add_part() returns false if it has one there
 * already, or there is no memory.
 */
int64_t file_take_part(unsigned int lane);
bool file_add_part(struct file *file, unsigned int lane, uint32_t slot);
void file_give_part(unsigned int lane, uint32_t slot);

/* A file's slot on a lane that is not its own; FILE_NO_SLOT: it has no part there. */
static inline uint32_t
file_part(const struct file *file, unsigned int lane)
{
	uint32_t *parts = __atomic_load_n(&file->parts, __ATOMIC_ACQUIRE);

	return parts == NULL ? FILE_NO_SLOT : __atomic_load_n(&parts[lane], __ATOMIC_ACQUIRE);
}

/* The socket that has a slot; NULL if none has. Only while nobody can free it. */
struct file *file_of_slot(unsigned int lane, uint32_t slot);

/* Gives back a file that was made, and of which the lane does not know. */
void file_discard(struct file *file);

/*
 * Gives a file (its caller's reference) a descriptor. flags: SOCK_CLOEXEC, SOCK_NONBLOCK. Returns
 * it, or a negative errno, and then the reference remains the caller's.
 */
int file_install(struct file *file, int flags);

/* The same with a descriptor that exists. Returns 0, or -EMFILE if its number is too large. */
int file_install_at(struct file *file, int fd);

/* Another descriptor for what `fd` names, which has been made by dup(2) and the like. */
void file_alias(struct file *file, int fd);

/* Takes a descriptor out of the table. The caller closes its number. Returns false if it is none of
 * ours. */
bool file_remove(int fd);

/* ---- For those who hand sockets on: fork.c, exec.c

   While all files are held, none is made or ended, no descriptor gets or loses one, nothing is read
   or sent, and no signal is handled by the thread that holds them. */
void file_hold_all(void);
void file_release_all(void);

/* While they are held: the largest descriptor that ever named a file, and what one names. */
int file_highest_fd(void);
struct file *file_at(int fd);

/* In a child whose parent has held them, in place of releasing them: only the calling thread lives
 * on. References of calls under way are gone, those of descriptors remain. */
void file_begin_anew(void);

/* In a fresh image: a descriptor names the socket that has a slot. Returns it; NULL without memory
 * for it, or when the number is too large. file_match_arena() must follow. */
struct file *file_take_over(int fd, unsigned int lane, uint32_t slot);

/* When the arena has come with sockets in it: closes those that no file names. Threads: this one
 * alone uses files. */
void file_match_arena(void);

#endif
