/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * See exec.h. The memfd is `struct handover` and its entries, sealed; the environment variable is
 * "TABLE:CHANNEL", two descriptors.
 *
 * The environment is not trusted: both descriptors must be what they should be, of the right
 * version, and meant for this process, which is the one that executed, or a child of the one that
 * spawned it. A number of the table that names another file than it did is not ours. Sockets of the
 * share that no descriptor names any more are closed.
 *
 * Sockets that the next image does not keep (FD_CLOEXEC) are left out of the share: they end with
 * this image, as the kernel's do. The others are shared from the plan on, as after a fork, whether
 * the exec succeeds or not; when it fails, the end of the channel undoes that.
 *
 * Left out: epoll sets (a set that survives has only the kernel's descriptors), and images that
 * libc starts by itself (system(), popen(), wordexp()): they get no sockets.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "descriptors.h"
#include "exec.h"
#include "file.h"
#include "fork.h"
#include "kernel.h"
#include "tern.h"

#define VARIABLE "TERN_HANDOVER"

enum {
	MAGIC = 0x7465726e,
	ENTRIES_MAX = 1 << 20,
	SEALS = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL,
};

struct handover {
	uint32_t magic;
	uint32_t version; /* SHM_VERSION */
	int32_t pid;      /* of who made it */
	uint32_t child;   /* 1: for a child of it */
	uint32_t n;       /* entries that follow */
	uint32_t unused;
};

struct entry {
	int32_t fd;
	int32_t family;
	uint32_t lane;
	uint32_t slot;
	uint32_t nonblocking;
	uint32_t side;
	int32_t linger_s;
	uint32_t tells_left;
	uint32_t part; /* 1: a part of the listener whose entry was before */
	uint32_t unused;
	int64_t receive_ns;
	int64_t send_ns;
	uint64_t device, inode; /* of the descriptor */
};

/* ---- Which descriptors the next image keeps */

struct kept {
	int fd;
	int from; /* whose file it is now */
	struct file *file;
	bool closes; /* FD_CLOEXEC */
};

struct keeps {
	struct kept *all;
	size_t n, room;
};

static void
forget_fd(struct keeps *keeps, int fd)
{
	size_t n = 0;

	for (size_t i = 0; i < keeps->n; i++)
		if (keeps->all[i].fd != fd)
			keeps->all[n++] = keeps->all[i];
	keeps->n = n;
}

static void
keep(struct keeps *keeps, struct kept kept)
{
	if (keeps->n < keeps->room)
		keeps->all[keeps->n++] = kept;
}

static void
act(struct keeps *keeps, const struct exec_action *action)
{
	struct kept found = {.file = NULL};

	switch (action->kind) {
	case EXEC_CLOSE:
	case EXEC_OPEN:
		forget_fd(keeps, action->fd);
		return;
	case EXEC_CLOSE_FROM: /* also what would hand them on */
		keeps->n = 0;
		return;
	case EXEC_DUP2:
		for (size_t i = 0; i < keeps->n; i++)
			if (keeps->all[i].fd == action->from)
				found = keeps->all[i];
		forget_fd(keeps, action->fd);
		found.fd = action->fd;
		found.closes = false;
		if (found.file != NULL)
			keep(keeps, found);
		return;
	}
}

/* Whether ternd knows of it: the others are the kernel's (yet), and live on by themselves. */
static bool
has_slot(const struct file *file)
{
	return file != NULL && file->epoll == NULL && file->slot != FILE_NO_SLOT;
}

/* While all files are held. */
static void
find_kept(struct keeps *keeps, const struct exec_action *actions, size_t n_actions)
{
	size_t n = n_actions;

	for (int fd = 0; fd <= file_highest_fd(); fd++)
		n += file_at(fd) != NULL;
	keeps->all = n == 0 ? NULL : calloc(n, sizeof(*keeps->all));
	keeps->n = 0;
	keeps->room = keeps->all == NULL ? 0 : n;
	for (int fd = 0; fd <= file_highest_fd(); fd++) {
		struct file *file = file_at(fd);
		int flags = has_slot(file) ? kernel.fcntl(fd, F_GETFD) : -1;

		if (flags >= 0)
			keep(keeps, (struct kept){fd, fd, file, (flags & FD_CLOEXEC) != 0});
	}
	for (size_t i = 0; i < n_actions; i++)
		act(keeps, &actions[i]);
	n = 0;
	for (size_t i = 0; i < keeps->n; i++)
		if (!keeps->all[i].closes)
			keeps->all[n++] = keeps->all[i];
	keeps->n = n;
}

/* ---- The share, the table, and the environment */

static void
keep_private(const struct file *file, bool private)
{
	uint32_t slot;

	__atomic_store_n(&file_control(file)->keep_private, private, __ATOMIC_RELEASE);
	for (unsigned int i = 0; i < arena.header.lanes; i++)
		if ((slot = file_part(file, i)) != FILE_NO_SLOT)
			__atomic_store_n(&arena.views[i].control[slot].keep_private, private,
					 __ATOMIC_RELEASE);
}

static void
set_private(bool private)
{
	for (int fd = 0; fd <= file_highest_fd(); fd++)
		if (has_slot(file_at(fd)))
			keep_private(file_at(fd), private);
}

/* A channel with references to what is kept. Returns it, or -1. */
static int
share(const struct keeps *keeps)
{
	int channel;

	set_private(true);
	for (size_t i = 0; i < keeps->n; i++)
		keep_private(keeps->all[i].file, false);
	channel = arena_share();
	set_private(false);
	return descriptor_own(channel);
}

/* A socket's entry, and one for each of its parts. Returns how many, 0 if it cannot be written. */
static uint32_t
write_entries(int to, struct entry *entry, const struct file *file)
{
	uint32_t n = 1;

	if (kernel.write(to, entry, sizeof(*entry)) != sizeof(*entry))
		return 0;
	for (unsigned int i = 0; i < arena.header.lanes; i++) {
		if (file_part(file, i) == FILE_NO_SLOT)
			continue;
		entry->lane = i;
		entry->slot = file_part(file, i);
		entry->part = 1;
		if (kernel.write(to, entry, sizeof(*entry)) != sizeof(*entry))
			return 0;
		n++;
	}
	return n;
}

/* Returns the memfd, or -1. */
static int
write_table(const struct keeps *keeps, bool child)
{
	struct handover head = {
		.magic = MAGIC, .version = SHM_VERSION, .pid = getpid(), .child = child};
	int fd = memfd_create("tern handover", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	bool written = fd >= 0 && kernel.write(fd, &head, sizeof(head)) == sizeof(head);

	for (size_t i = 0; i < keeps->n && written; i++) {
		const struct kept *kept = &keeps->all[i];
		const struct file *file = kept->file;
		struct entry entry = {.fd = kept->fd,
				      .family = file->family,
				      .lane = file->lane,
				      .slot = file->slot,
				      .nonblocking = file->nonblocking,
				      .side = file->side,
				      .linger_s = file->linger_s,
				      .tells_left = file->tells_left,
				      .receive_ns = file->receive_ns,
				      .send_ns = file->send_ns};
		struct stat stat;
		uint32_t n;

		written = fstat(kept->from, &stat) == 0;
		entry.device = stat.st_dev;
		entry.inode = stat.st_ino;
		n = written ? write_entries(fd, &entry, file) : 0;
		written = n > 0;
		head.n += n;
	}
	written = written && pwrite(fd, &head, sizeof(head), 0) == sizeof(head);
	if (written && kernel.fcntl(fd, F_ADD_SEALS, SEALS) == 0)
		return descriptor_own(fd);
	if (fd >= 0)
		kernel.close(fd);
	return -1;
}

static bool
names(const char *setting, const char *name)
{
	size_t n = strlen(name);

	return strncmp(setting, name, n) == 0 && setting[n] == '=';
}

/* An image cannot use its sockets without these: they are passed on even in an environment that is
 * made from nothing. */
static const char *const needed[] = {"LD_PRELOAD", "TERN_SOCKET"};

static bool
make_environment(struct exec_plan *plan, char *const *from)
{
	enum { NEEDED = sizeof(needed) / sizeof(needed[0]) };
	size_t n = 0, at = 0;

	while (from != NULL && from[n] != NULL)
		n++;
	plan->made = calloc(n + NEEDED + 2, sizeof(*plan->made));
	if (plan->made == NULL ||
	    asprintf(&plan->named, VARIABLE "=%d:%d", plan->table, plan->channel) < 0) {
		plan->named = NULL;
		return false;
	}
	for (size_t i = 0; i < n; i++)
		if (!names(from[i], VARIABLE))
			plan->made[at++] = from[i];
	for (size_t i = 0; i < NEEDED; i++) {
		const char *value = getenv(needed[i]);
		bool has = value == NULL || (i == 0 && strstr(value, "libtern") == NULL);

		for (size_t k = 0; k < n && !has; k++)
			has = names(from[k], needed[i]);
		if (!has) /* getenv() points behind the '=' of a setting that is whole */
			plan->made[at++] = (char *)(uintptr_t)(value - strlen(needed[i]) - 1);
	}
	plan->made[at] = plan->named;
	plan->environment = plan->made;
	return true;
}

/* The next image shall have a descriptor, and this one the same as before if there is none. */
static void
pass_on(int fd, bool pass)
{
	kernel.fcntl(fd, F_SETFD, pass ? 0 : FD_CLOEXEC);
}

/* Whether the next image keeps any socket: most keep none, and cost no share. */
static bool
keeps_any(const struct exec_action *actions, size_t n)
{
	struct keeps keeps;

	file_hold_all();
	find_kept(&keeps, actions, n);
	file_release_all();
	free(keeps.all);
	return keeps.n > 0;
}

void
exec_begin(struct exec_plan *plan, char *const *environment, bool child,
	   const struct exec_action *actions, size_t n)
{
	struct keeps keeps;

	*plan = (struct exec_plan){.environment = environment, .table = -1, .channel = -1};
	if (!keeps_any(actions, n))
		return;
	fork_take_inheritance();
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &plan->cancel);
	arena_hold();
	plan->holds = true;
	file_hold_all();
	find_kept(&keeps, actions, n);
	if (keeps.n > 0 && !__atomic_load_n(&arena.dead, __ATOMIC_ACQUIRE)) {
		plan->table = write_table(&keeps, child);
		plan->channel = share(&keeps);
	}
	file_release_all();
	free(keeps.all);
	if (plan->table < 0 || plan->channel < 0 || !make_environment(plan, environment))
		return;
	pass_on(plan->table, true);
	pass_on(plan->channel, true);
}

void
exec_end(struct exec_plan *plan)
{
	int error = errno;

	descriptor_close_own(plan->table);
	descriptor_close_own(plan->channel);
	free(plan->made);
	free(plan->named);
	if (plan->holds) {
		arena_release();
		pthread_setcancelstate(plan->cancel, NULL);
	}
	errno = error;
}

int
tern_execve(const char *path, char *const argv[], char *const environment[])
{
	struct exec_plan plan;

	exec_begin(&plan, environment, false, NULL, 0);
	kernel.execve(path, argv, plan.environment);
	exec_end(&plan);
	return -1;
}

/* ---- In the next image */

/* Whether it is a table, whole and meant for this process; *head is its beginning. */
static bool
is_table(int fd, struct handover *head)
{
	struct stat stat;

	return kernel.fcntl(fd, F_GET_SEALS) == SEALS && fstat(fd, &stat) == 0 &&
	       pread(fd, head, sizeof(*head), 0) == sizeof(*head) && head->magic == MAGIC &&
	       head->version == SHM_VERSION && head->n <= ENTRIES_MAX &&
	       (size_t)stat.st_size == sizeof(*head) + head->n * sizeof(struct entry) &&
	       head->pid == (head->child ? getppid() : getpid());
}

static bool
is_channel(int fd)
{
	int domain, type;
	socklen_t n = sizeof(int);

	return kernel.getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &n) == 0 &&
	       domain == AF_UNIX && kernel.getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &n) == 0 &&
	       type == SOCK_SEQPACKET;
}

/* Whether a descriptor is still what it was, and ternd knows its socket. */
static bool
is_ours(const struct entry *entry)
{
	struct stat stat;

	return entry->fd >= 0 && fstat(entry->fd, &stat) == 0 && stat.st_dev == entry->device &&
	       stat.st_ino == entry->inode && entry->lane < arena.header.lanes &&
	       entry->slot < arena.header.sockets &&
	       arena.views[entry->lane].status[entry->slot].state != SHM_FREE;
}

static void
take_up(int table, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		off_t at = (off_t)(sizeof(struct handover) + i * sizeof(struct entry));
		struct entry entry;
		struct file *file;

		if (pread(table, &entry, sizeof(entry), at) != sizeof(entry) || !is_ours(&entry))
			continue;
		if (entry.part != 0) {
			file = file_get(entry.fd);
			if (file != NULL) {
				file_add_part(file, entry.lane, entry.slot);
				file_put(file);
			}
			continue;
		}
		file = file_take_over(entry.fd, entry.lane, entry.slot);
		if (file == NULL)
			continue;
		file->family = entry.family;
		file->nonblocking = entry.nonblocking != 0;
		file->side = entry.side == FILE_BOTH ? FILE_BOTH : FILE_TERN;
		file->linger_s = entry.linger_s;
		file->tells_left = entry.tells_left != 0;
		file->receive_ns = entry.receive_ns;
		file->send_ns = entry.send_ns;
	}
	file_match_arena();
}

__attribute__((constructor(103))) static void
take_handover(void)
{
	const char *named = getenv(VARIABLE);
	struct handover head;
	int table, channel, end;

	if (named == NULL)
		return;
	if (sscanf(named, "%d:%d%n", &table, &channel, &end) == 2 && named[end] == '\0' &&
	    is_table(table, &head) && is_channel(channel)) {
		pass_on(channel, false);
		if (arena_adopt(channel) == 0)
			take_up(table, head.n);
		kernel.close(table);
	}
	unsetenv(VARIABLE);
}
