/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * See file.h. Files are never given back to the system, only used again, so that a thread that
 * looks at a file while another closes it sees a file: it takes a reference if there is one left to
 * take, and then looks whether the table still says so.
 *
 * Slots are used again in the order in which they were freed, when the lane says that they are
 * free.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "descriptors.h"
#include "epoll.h"
#include "file.h"
#include "linger.h"
#include "fork.h"
#include "kernel.h"
#include "lanes.h"
#include "wait.h"

enum {
	MAX_FDS = 1 << 20,
};

static struct file **table; /* by descriptor; atomic entries */
static pthread_once_t once = PTHREAD_ONCE_INIT;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of what follows */
static struct file *free_files;
static int placeholder = -1;
static struct {
	uint32_t *queue; /* of free slots; arena.header.sockets entries */
	uint32_t head, tail;
	struct file **files; /* by slot; atomic entries */
} slots[ARENA_LANES_MAX];

static struct file *all_files; /* by next_of_all: in use or free */
static int highest_fd = -1;    /* of those ever in the table */

/* While this is held by a thread, no handler of its runs that might want it, too. */
static void
lock_files(sigset_t *old)
{
	sigset_t all;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, old);
	pthread_mutex_lock(&lock);
}

static void
unlock_files(const sigset_t *old)
{
	pthread_mutex_unlock(&lock);
	pthread_sigmask(SIG_SETMASK, old, NULL);
}

/* ---- Standing still, and beginning anew */

static sigset_t held_mask; /* of the thread that has made all stand still */

void
file_hold_all(void)
{
	sigset_t old;

	lock_files(&old);
	held_mask = old;
	for (struct file *file = all_files; file != NULL; file = file->next_of_all) {
		pthread_mutex_lock(&file->reading);
		pthread_mutex_lock(&file->writing);
	}
}

void
file_release_all(void)
{
	sigset_t old = held_mask;

	for (struct file *file = all_files; file != NULL; file = file->next_of_all) {
		pthread_mutex_unlock(&file->writing);
		pthread_mutex_unlock(&file->reading);
	}
	unlock_files(&old);
}

int
file_highest_fd(void)
{
	return highest_fd;
}

struct file *
file_at(int fd)
{
	return table[fd];
}

void
file_begin_anew(void)
{
	sigset_t old = held_mask;

	pthread_mutex_init(&lock, NULL);
	for (struct file *file = all_files; file != NULL; file = file->next_of_all) {
		pthread_mutex_init(&file->reading, NULL);
		pthread_mutex_init(&file->writing, NULL);
		file->references = 0;
		file->consumed = file->reported = file->sent = 0;
		file->next_chunk = 0;
		file->chunk_read = 0;
		file->lent = 0;
	}
	for (unsigned int i = 0; i < ARENA_LANES_MAX; i++) {
		free(slots[i].queue);
		free(slots[i].files);
		memset(&slots[i], 0, sizeof(slots[i]));
	}
	for (int fd = 0; fd <= highest_fd; fd++)
		if (table[fd] != NULL)
			table[fd]->references++;
	free_files = NULL;
	for (struct file *file = all_files; file != NULL; file = file->next_of_all) {
		if (file->references > 0)
			continue;
		if (file->epoll != NULL)
			epoll_close(file);
		else
			epoll_forget_socket(file);
		file->next_free = free_files;
		free_files = file;
	}
	pthread_sigmask(SIG_SETMASK, &old, NULL);
}

static void
make_table(void)
{
	void *memory = mmap(NULL, MAX_FDS * sizeof(*table), PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (memory != MAP_FAILED)
		__atomic_store_n(&table, memory, __ATOMIC_RELEASE);
}

/* Makes a descriptor name a file. */
static void
enter(int fd, struct file *file)
{
	sigset_t old;

	lock_files(&old);
	if (fd > highest_fd)
		__atomic_store_n(&highest_fd, fd, __ATOMIC_RELAXED);
	__atomic_add_fetch(&file->descriptors, 1, __ATOMIC_RELAXED);
	__atomic_store_n(&table[fd], file, __ATOMIC_RELEASE);
	unlock_files(&old);
}

/* ---- References */

/* Whether the table has a place for it. After this its file, if there is one, may be used. */
static bool
may_be_ours(int fd)
{
	if (fd < 0 || fd >= MAX_FDS || __atomic_load_n(&table, __ATOMIC_ACQUIRE) == NULL)
		return false;
	if (table[fd] != NULL)
		fork_take_inheritance();
	return true;
}

struct file *
file_get(int fd)
{
	struct file *file;
	uint32_t n;

	if (!may_be_ours(fd))
		return NULL;
	while ((file = __atomic_load_n(&table[fd], __ATOMIC_ACQUIRE)) != NULL) {
		n = __atomic_load_n(&file->references, __ATOMIC_RELAXED);
		if (n == 0 || !__atomic_compare_exchange_n(&file->references, &n, n + 1, false,
							   __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
			continue;
		if (__atomic_load_n(&table[fd], __ATOMIC_ACQUIRE) == file)
			return file;
		file_put(file);
	}
	return NULL;
}

const struct file *
file_peek(int fd)
{
	struct file **files = __atomic_load_n(&table, __ATOMIC_ACQUIRE);

	if (files == NULL || fd < 0 || fd >= MAX_FDS)
		return NULL;
	return __atomic_load_n(&files[fd], __ATOMIC_ACQUIRE);
}

struct file *
socket_get(int fd)
{
	struct file *file = file_get(fd);

	if (file == NULL || (file->epoll == NULL && file->slot != FILE_NO_SLOT))
		return file;
	file_put(file);
	return NULL;
}

static void
free_slot(unsigned int lane, uint32_t slot)
{
	if (slots[lane].queue == NULL) /* it will begin with all */
		return;
	slots[lane].queue[slots[lane].tail++ & (arena.header.sockets - 1)] = slot;
}

/* Under the lock. */
static void
drop_parts(struct file *file)
{
	for (unsigned int i = 0; file->parts != NULL && i < ARENA_LANES_MAX; i++) {
		if (file->parts[i] == FILE_NO_SLOT || slots[i].files == NULL)
			continue;
		__atomic_store_n(&slots[i].files[file->parts[i]], NULL, __ATOMIC_RELEASE);
		free_slot(i, file->parts[i]);
	}
	free(file->parts);
	file->parts = NULL;
}

/* Under the lock. */
static void
drop_slot(struct file *file)
{
	drop_parts(file);
	if (file->slot == FILE_NO_SLOT)
		return;
	__atomic_store_n(&slots[file->lane].files[file->slot], NULL, __ATOMIC_RELEASE);
	free_slot(file->lane, file->slot);
	file->slot = FILE_NO_SLOT;
}

void
file_drop_slot(struct file *file)
{
	sigset_t old;

	lock_files(&old);
	drop_slot(file);
	unlock_files(&old);
}

void
file_discard(struct file *file)
{
	sigset_t old;

	free(file->lent_copy);
	file->lent_copy = NULL;
	__atomic_store_n(&file->references, 0, __ATOMIC_RELEASE);
	lock_files(&old);
	drop_slot(file);
	free(file->options);
	file->options = NULL;
	file->next_free = free_files;
	free_files = file;
	unlock_files(&old);
}

static void
close_parts(const struct file *file)
{
	for (unsigned int i = 0; file->parts != NULL && i < arena.header.lanes; i++)
		if (file->parts[i] != FILE_NO_SLOT)
			arena_post(i, SHM_CLOSE, file->parts[i], 0, NULL, 0);
}

void
file_put(struct file *file)
{
	if (__atomic_sub_fetch(&file->references, 1, __ATOMIC_ACQ_REL) != 0)
		return;
	if (file->epoll != NULL) {
		epoll_close(file);
	} else if (file->slot == FILE_NO_SLOT) {
		epoll_forget_socket(file);
	} else {
		epoll_forget_socket(file);
		linger(file);
		lanes_shut_listener(file);
		close_parts(file);
		arena_post(file->lane, SHM_CLOSE, file->slot, 0, NULL, 0);
	}
	file_discard(file);
}

void
file_put_held(void *file)
{
	file_put(file);
}

/* ---- Making */

/* The queue of a lane's free slots: at first all that no file has. Returns false without memory. */
static bool
make_slots(unsigned int lane)
{
	uint32_t n = arena.header.sockets;

	if (slots[lane].files == NULL)
		slots[lane].files = calloc(n, sizeof(struct file *));
	slots[lane].queue = malloc(n * sizeof(uint32_t));
	if (slots[lane].queue == NULL || slots[lane].files == NULL) {
		free(slots[lane].queue);
		slots[lane].queue = NULL;
		return false;
	}
	for (uint32_t i = 0; i < n; i++)
		if (slots[lane].files[i] == NULL)
			free_slot(lane, i);
	return true;
}

/* A slot that the lane has done with; -1 if there is none. */
static int64_t
take_slot(unsigned int lane)
{
	uint32_t n = arena.header.sockets, slot;

	if (slots[lane].queue == NULL && !make_slots(lane))
		return -1;
	for (uint32_t tries = slots[lane].tail - slots[lane].head; tries > 0; tries--) {
		slot = slots[lane].queue[slots[lane].head++ & (n - 1)];
		if (__atomic_load_n(&arena.views[lane].status[slot].state, __ATOMIC_ACQUIRE) ==
		    SHM_FREE)
			return slot;
		free_slot(lane, slot);
	}
	return -1;
}

struct file *
file_take_over(int fd, unsigned int lane, uint32_t slot)
{
	struct file *file = file_of_slot(lane, slot);

	if (file != NULL) {
		file_alias(file, fd);
		return file;
	}
	if (slots[lane].files == NULL)
		slots[lane].files = calloc(arena.header.sockets, sizeof(struct file *));
	file = slots[lane].files == NULL ? NULL : file_make_plain();
	if (file == NULL)
		return NULL;
	if (file_install_at(file, fd) < 0) {
		file_discard(file);
		return NULL;
	}
	file->lane = lane;
	file->slot = slot;
	file->taken_over = true;
	slots[lane].files[slot] = file;
	return file;
}

/* Enters a file's slots. */
static void
enter_slots(struct file *file)
{
	if (slots[file->lane].files != NULL)
		slots[file->lane].files[file->slot] = file;
	for (unsigned int i = 0; file->parts != NULL && i < arena.header.lanes; i++)
		if (file->parts[i] != FILE_NO_SLOT && slots[i].files != NULL)
			slots[i].files[file->parts[i]] = file;
}

void
file_match_arena(void)
{
	sigset_t old;

	lock_files(&old);
	for (unsigned int i = 0; i < arena.header.lanes; i++)
		if (slots[i].files == NULL)
			slots[i].files = calloc(arena.header.sockets, sizeof(struct file *));
	for (int fd = 0; fd <= highest_fd; fd++) {
		struct file *file = table[fd];

		if (file != NULL && file->slot != FILE_NO_SLOT)
			enter_slots(file);
	}
	for (unsigned int i = 0; i < arena.header.lanes; i++)
		for (uint32_t slot = 0; slot < arena.header.sockets; slot++)
			if (slots[i].files != NULL && slots[i].files[slot] == NULL &&
			    arena.views[i].status[slot].state != SHM_FREE)
				arena_post(i, SHM_CLOSE, slot, 0, NULL, 0);
	unlock_files(&old);
}

static struct file *
take_file(void)
{
	struct file *file = free_files;

	if (file == NULL) {
		file = calloc(1, sizeof(*file));
		if (file != NULL) {
			pthread_mutex_init(&file->reading, NULL);
			pthread_mutex_init(&file->writing, NULL);
			file->next_of_all = all_files;
			all_files = file;
		}
		return file;
	}
	free_files = file->next_free;
	return file;
}

/* What each new file begins with. */
static void
begin(struct file *file)
{
	file->side = FILE_TERN;
	free(file->options); /* of a parent's file */
	file->options = NULL;
	free(file->parts);
	file->parts = NULL;
	file->descriptors = 0;
	file->lane = 0;
	file->slot = FILE_NO_SLOT;
	file->bound = file->taken_over = false;
	file->nonblocking = false;
	file->reset_told = false;
	file->receive_ns = file->send_ns = WAIT_FOREVER;
	file->linger_s = 0;
	file->lent = 0;
	file->tells_left = false;
	file->epoll = NULL;
	LIST_INIT(&file->interests);
}

/* A socket that nobody has connected: all counts of its stream but the lane's are 0. */
static void
put_at(struct file *file, unsigned int lane, uint32_t slot)
{
	file->lane = lane;
	file->consumed = file->reported = file->sent = 0;
	file->next_chunk =
		__atomic_load_n(&arena.views[lane].status[slot].delivered, __ATOMIC_ACQUIRE);
	file->chunk_read = 0;
	__atomic_store_n(&file->slot, slot, __ATOMIC_RELEASE);
	__atomic_store_n(&slots[lane].files[slot], file, __ATOMIC_RELEASE);
}

void
file_trade_slots(struct file *file, struct file *other)
{
	unsigned int lane = file->lane;
	uint32_t slot = file->slot;
	sigset_t old;

	lock_files(&old);
	pthread_mutex_lock(&file->reading);
	pthread_mutex_lock(&file->writing);
	put_at(file, other->lane, other->slot);
	put_at(other, lane, slot);
	pthread_mutex_unlock(&file->writing);
	pthread_mutex_unlock(&file->reading);
	unlock_files(&old);
}

int
file_take_slot(struct file *file, unsigned int lane)
{
	int64_t slot;
	sigset_t old;

	lock_files(&old);
	slot = take_slot(lane);
	unlock_files(&old);
	if (slot < 0)
		return -ENFILE;
	put_at(file, lane, (uint32_t)slot);
	return 0;
}

int64_t
file_take_part(unsigned int lane)
{
	int64_t slot;
	sigset_t old;

	lock_files(&old);
	slot = take_slot(lane);
	unlock_files(&old);
	return slot < 0 ? -ENFILE : slot;
}

void
file_give_part(unsigned int lane, uint32_t slot)
{
	sigset_t old;

	lock_files(&old);
	free_slot(lane, slot);
	unlock_files(&old);
}

static uint32_t *
make_parts(void)
{
	uint32_t *parts = malloc(ARENA_LANES_MAX * sizeof(*parts));

	for (unsigned int i = 0; parts != NULL && i < ARENA_LANES_MAX; i++)
		parts[i] = FILE_NO_SLOT;
	return parts;
}

bool
file_add_part(struct file *file, unsigned int lane, uint32_t slot)
{
	sigset_t old;
	bool added;

	lock_files(&old);
	if (file->parts == NULL)
		__atomic_store_n(&file->parts, make_parts(), __ATOMIC_RELEASE);
	added = file->parts != NULL && file->parts[lane] == FILE_NO_SLOT;
	if (added) {
		__atomic_store_n(&file->parts[lane], slot, __ATOMIC_RELEASE);
		if (slots[lane].files != NULL) /* over exec: file_match_arena() follows */
			__atomic_store_n(&slots[lane].files[slot], file, __ATOMIC_RELEASE);
	}
	unlock_files(&old);
	return added;
}

struct file *
file_make_plain(void)
{
	struct file *file;
	sigset_t old;

	lock_files(&old);
	file = take_file();
	unlock_files(&old);
	if (file == NULL)
		return NULL;
	begin(file);
	__atomic_store_n(&file->references, 1, __ATOMIC_RELEASE);
	return file;
}

struct file *
file_make(unsigned int lane, int *error)
{
	struct file *file = file_make_plain();

	*error = -ENOMEM;
	if (file == NULL)
		return NULL;
	*error = file_take_slot(file, lane);
	if (*error == 0)
		return file;
	file_discard(file);
	return NULL;
}

struct file *
file_of_slot(unsigned int lane, uint32_t slot)
{
	if (slots[lane].files == NULL || slot >= arena.header.sockets)
		return NULL;
	return __atomic_load_n(&slots[lane].files[slot], __ATOMIC_ACQUIRE);
}

/* ---- Descriptors */

/* The socket that descriptors are duplicates of. */
static int
placeholder_fd(void)
{
	pthread_mutex_lock(&lock);
	if (placeholder < 0)
		placeholder = descriptor_own(kernel.socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
	pthread_mutex_unlock(&lock);
	return placeholder;
}

int
file_install(struct file *file, int flags)
{
	int fd = placeholder_fd();

	pthread_once(&once, make_table);
	if (table == NULL)
		return -ENOMEM;
	if (fd < 0)
		return -errno;
	fd = kernel.fcntl(fd, flags & SOCK_CLOEXEC ? F_DUPFD_CLOEXEC : F_DUPFD, 0);
	if (fd < 0)
		return -errno;
	if (fd >= MAX_FDS) {
		kernel.close(fd);
		return -EMFILE;
	}
	file->nonblocking = (flags & SOCK_NONBLOCK) != 0;
	enter(fd, file);
	return fd;
}

int
file_install_at(struct file *file, int fd)
{
	pthread_once(&once, make_table);
	if (table == NULL)
		return -ENOMEM;
	if (fd >= MAX_FDS)
		return -EMFILE;
	enter(fd, file);
	return 0;
}

void
file_alias(struct file *file, int fd)
{
	__atomic_add_fetch(&file->references, 1, __ATOMIC_RELAXED);
	enter(fd, file);
}

bool
file_remove(int fd)
{
	struct file *file;
	sigset_t old;

	if (!may_be_ours(fd))
		return false;
	if (table[fd] == NULL)
		return false;
	lock_files(&old);
	file = __atomic_exchange_n(&table[fd], NULL, __ATOMIC_ACQ_REL);
	unlock_files(&old);
	if (file == NULL)
		return false;
	__atomic_sub_fetch(&file->descriptors, 1, __ATOMIC_RELAXED);
	file_put(file);
	return true;
}

void
file_release(struct file *file)
{
	for (int fd = 0; fd <= highest_fd && file->descriptors > 0; fd++)
		if (table[fd] == file)
			file_remove(fd);
}

void
file_hide_kernel(struct file *file)
{
	uint32_t left = file->descriptors;
	int hidden = placeholder_fd();

	for (int fd = 0; fd <= highest_fd && left > 0; fd++) {
		if (table[fd] != file)
			continue;
		kernel.dup3(hidden, fd, kernel.fcntl(fd, F_GETFD) & FD_CLOEXEC ? O_CLOEXEC : 0);
		left--;
	}
}
