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
#include "kernel.h"
#include "wait.h"

enum {
	MAX_FDS = 1 << 20,
};

#define NO_SLOT UINT32_MAX

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

/* ---- fork

   The child gets references of its own to all sockets, by a channel that the parent asks for before
   it forks. It takes them up when it first needs one; until then, and if it never does, the open
   channel keeps them. */

static int inherited_channel = -1; /* atomic; the child's, not taken up yet */
static int highest_fd = -1;        /* atomic; of those ever in the table */

/* All files of the table, each once. */
static void
for_each_file(void (*call)(struct file *file))
{
	static uint32_t marks;
	uint32_t mark = ++marks;

	for (int fd = 0; fd <= highest_fd; fd++) {
		if (table[fd] == NULL || table[fd]->mark == mark)
			continue;
		table[fd]->mark = mark;
		call(table[fd]);
	}
}

static void
hold(struct file *file)
{
	pthread_mutex_lock(&file->reading);
	pthread_mutex_lock(&file->writing);
}

static void
let_go(struct file *file)
{
	pthread_mutex_unlock(&file->writing);
	pthread_mutex_unlock(&file->reading);
}

static void
before_fork(void)
{
	if (arena.memory == NULL && inherited_channel < 0)
		return;
	file_take_inheritance();
	pthread_mutex_lock(&lock);
	for_each_file(hold);
	inherited_channel = descriptor_own(arena_share());
}

/* What was delivered and not read has been recalled. */
static void
resume(struct file *file)
{
	if (file->epoll == NULL)
		file->next_chunk = __atomic_load_n(&file_status(file)->delivered, __ATOMIC_ACQUIRE);
	file->chunk_read = 0;
	let_go(file);
}

static void
after_fork_in_parent(void)
{
	if (arena.memory == NULL)
		return;
	descriptor_close_own(inherited_channel);
	inherited_channel = -1;
	for_each_file(resume);
	pthread_mutex_unlock(&lock);
}

static void
begin_anew(struct file *file)
{
	pthread_mutex_init(&file->reading, NULL);
	pthread_mutex_init(&file->writing, NULL);
	__atomic_store_n(&file->references, 0, __ATOMIC_RELAXED);
	file->consumed = file->reported = file->sent = 0;
	file->next_chunk = 0;
	file->chunk_read = 0;
}

/* Only this thread lives on: references of calls under way are gone, those of descriptors remain.
 */
static void
after_fork_in_child(void)
{
	if (arena.memory == NULL)
		return;
	for_each_file(begin_anew);
	for (int fd = 0; fd <= highest_fd; fd++)
		if (table[fd] != NULL)
			table[fd]->references++;
	for (unsigned int i = 0; i < ARENA_LANES_MAX; i++) {
		free(slots[i].queue);
		slots[i].queue = NULL;
		slots[i].head = slots[i].tail = 0;
	}
	pthread_mutex_init(&lock, NULL);
	arena_forget();
	epoll_reset();
	wait_reset();
}

void
file_take_inheritance(void)
{
	static pthread_mutex_t taking = PTHREAD_MUTEX_INITIALIZER;
	int channel;

	if (__atomic_load_n(&inherited_channel, __ATOMIC_ACQUIRE) < 0)
		return;

	pthread_mutex_lock(&taking);
	channel = inherited_channel;
	if (channel >= 0) {
		if (arena_adopt(channel) == 0)
			epoll_begin_anew();
		__atomic_store_n(&inherited_channel, -1, __ATOMIC_RELEASE);
	}
	pthread_mutex_unlock(&taking);
}

static void
make_table(void)
{
	void *memory = mmap(NULL, MAX_FDS * sizeof(*table), PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
	if (memory != MAP_FAILED)
		__atomic_store_n(&table, memory, __ATOMIC_RELEASE);
}

/* Makes a descriptor name a file. */
static void
enter(int fd, struct file *file)
{
	int highest = __atomic_load_n(&highest_fd, __ATOMIC_RELAXED);

	while (fd > highest && !__atomic_compare_exchange_n(&highest_fd, &highest, fd, false,
							    __ATOMIC_RELAXED, __ATOMIC_RELAXED))
		;
	__atomic_store_n(&table[fd], file, __ATOMIC_RELEASE);
}

/* ---- References */

/* Whether the table has a place for it. After this its file, if there is one, may be used. */
static bool
may_be_ours(int fd)
{
	if (fd < 0 || fd >= MAX_FDS || __atomic_load_n(&table, __ATOMIC_ACQUIRE) == NULL)
		return false;
	if (__atomic_load_n(&inherited_channel, __ATOMIC_ACQUIRE) >= 0 && table[fd] != NULL)
		file_take_inheritance();
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

struct file *
socket_get(int fd)
{
	struct file *file = file_get(fd);

	if (file == NULL || file->epoll == NULL)
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

void
file_discard(struct file *file)
{
	__atomic_store_n(&file->references, 0, __ATOMIC_RELEASE);
	pthread_mutex_lock(&lock);
	if (file->slot != NO_SLOT) {
		__atomic_store_n(&slots[file->lane].files[file->slot], NULL, __ATOMIC_RELEASE);
		free_slot(file->lane, file->slot);
	}
	file->next_free = free_files;
	free_files = file;
	pthread_mutex_unlock(&lock);
}

void
file_put(struct file *file)
{
	if (__atomic_sub_fetch(&file->references, 1, __ATOMIC_ACQ_REL) != 0)
		return;
	if (file->epoll != NULL) {
		epoll_close(file);
	} else {
		epoll_forget_socket(file);
		arena_post(file->lane, SHM_CLOSE, file->slot, 0, NULL, 0);
	}
	file_discard(file);
}

/* ---- Making */

/* A slot that the lane has done with; -1 if there is none. */
static int64_t
take_slot(unsigned int lane)
{
	uint32_t n = arena.header.sockets, slot;

	if (slots[lane].queue == NULL) {
		slots[lane].queue = malloc(n * sizeof(uint32_t));
		if (slots[lane].files == NULL)
			slots[lane].files = calloc(n, sizeof(struct file *));
		if (slots[lane].queue == NULL || slots[lane].files == NULL) {
			free(slots[lane].queue);
			slots[lane].queue = NULL;
			return -1;
		}
		for (uint32_t i = 0; i < n; i++)
			free_slot(lane, i);
	}
	for (uint32_t tries = slots[lane].tail - slots[lane].head; tries > 0; tries--) {
		slot = slots[lane].queue[slots[lane].head++ & (n - 1)];
		if (__atomic_load_n(&arena.views[lane].status[slot].state, __ATOMIC_ACQUIRE) ==
		    SHM_FREE)
			return slot;
		free_slot(lane, slot);
	}
	return -1;
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
		}
		return file;
	}
	free_files = file->next_free;
	return file;
}

struct file *
file_make(unsigned int lane, int *error)
{
	struct file *file;
	int64_t slot;

	pthread_mutex_lock(&lock);
	slot = take_slot(lane);
	file = slot < 0 ? NULL : take_file();
	if (file == NULL && slot >= 0)
		free_slot(lane, (uint32_t)slot);
	pthread_mutex_unlock(&lock);
	*error = slot < 0 ? -ENFILE : -ENOMEM;
	if (file == NULL)
		return NULL;
	file->lane = lane;
	file->slot = (uint32_t)slot;
	file->nonblocking = false;
	file->reset_told = false;
	file->receive_ns = file->send_ns = WAIT_FOREVER;
	file->consumed = file->reported = file->sent = 0;
	file->next_chunk = file_status(file)->delivered;
	file->chunk_read = 0;
	file->epoll = NULL;
	LIST_INIT(&file->interests);
	__atomic_store_n(&slots[lane].files[slot], file, __ATOMIC_RELEASE);
	__atomic_store_n(&file->references, 1, __ATOMIC_RELEASE);
	return file;
}

struct file *
file_make_plain(void)
{
	struct file *file;

	pthread_mutex_lock(&lock);
	file = take_file();
	pthread_mutex_unlock(&lock);
	if (file == NULL)
		return NULL;
	file->slot = NO_SLOT;
	file->epoll = NULL;
	LIST_INIT(&file->interests);
	__atomic_store_n(&file->references, 1, __ATOMIC_RELEASE);
	return file;
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

	if (!may_be_ours(fd))
		return false;
	file = __atomic_exchange_n(&table[fd], NULL, __ATOMIC_ACQ_REL);
	if (file == NULL)
		return false;
	file_put(file);
	return true;
}
