/* SPDX-License-Identifier: BSD-3-Clause */
/* See arena.h. */
#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "arena.h"
#include "descriptors.h"
#include "kernel.h"
#include "wait.h"

#define CONTROL_FOLDER "/run/tern"

enum {
	ANSWER_BYTES = 1024,
	SPINS = 2000, /* looks at an answer before sleeping */
};

struct arena arena = {.channel = -1, .doorbell = -1, .bell = -1};

static pthread_mutex_t attaching = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t asking =
	PTHREAD_MUTEX_INITIALIZER; /* who waits for an answer on the channel */

/* One for each ring: who posts holds it. */
static struct ring_lock {
	uintptr_t owner; /* atomic: the thread, by an address of its own; 0: free */
	uint32_t tail;
	uint32_t head; /* as it was when there was last no room: the lane's is on its processor */
} ring_locks[ARENA_LANES_MAX][SHM_RINGS_MAX];

static uint64_t busy_replies; /* atomic: a bit each */
static uint32_t last_ticket;  /* atomic */

static void
complain(const char *what, const char *why)
{
	if (getenv("TERN_DEBUG") != NULL)
		fprintf(stderr, "tern: %s: %s\n", what, why);
}

/* ---- Attaching */

/* The control socket's path. Returns 0, or -ENOENT. */
static int
find_socket(struct sockaddr_un *sun)
{
	const char *given = getenv("TERN_SOCKET");
	struct dirent *entry;
	unsigned int n = 0;
	DIR *dir;

	sun->sun_family = AF_UNIX;
	if (given != NULL && given[0] != '\0') {
		snprintf(sun->sun_path, sizeof(sun->sun_path), "%s", given);
		return 0;
	}
	dir = opendir(CONTROL_FOLDER);
	if (dir == NULL)
		return -ENOENT;
	while ((entry = readdir(dir)) != NULL) {
		size_t length = strlen(entry->d_name);

		if (length < 6 || strcmp(entry->d_name + length - 5, ".sock") != 0)
			continue;
		snprintf(sun->sun_path, sizeof(sun->sun_path), CONTROL_FOLDER "/%.80s",
			 entry->d_name);
		n++;
	}
	closedir(dir);
	return n == 1 ? 0 : -ENOENT;
}

/* Receives a message with up to n descriptors. Returns its length, 0 at the end, or a negative
 * errno. */
static ssize_t
receive_with_fds(int fd, void *buf, size_t bytes, int *fds, unsigned int n)
{
	struct iovec iov = {.iov_base = buf, .iov_len = bytes};
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(4 * sizeof(int))];
	} control;
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes),
	};
	struct cmsghdr *cmsg;
	ssize_t got;

	for (unsigned int i = 0; i < n; i++)
		fds[i] = -1;
	do
		got = kernel.recvmsg(fd, &msg, MSG_CMSG_CLOEXEC);
	while (got < 0 && errno == EINTR);
	if (got < 0)
		return -errno;
	for (cmsg = CMSG_FIRSTHDR(&msg); cmsg != NULL; cmsg = CMSG_NXTHDR(&msg, cmsg)) {
		if (cmsg->cmsg_level != SOL_SOCKET || cmsg->cmsg_type != SCM_RIGHTS)
			continue;
		for (unsigned int i = 0; i < (cmsg->cmsg_len - CMSG_LEN(0)) / sizeof(int); i++) {
			int passed;

			memcpy(&passed, CMSG_DATA(cmsg) + i * sizeof(int), sizeof(int));
			if (i < n)
				fds[i] = passed;
			else
				kernel.close(passed);
		}
	}
	return got;
}

/* Asks the control socket for a channel. Returns it, or a negative errno. */
static int
ask_for_channel(void)
{
	struct sockaddr_un sun = {0};
	char text[ANSWER_BYTES];
	int fd, channel, n, status = find_socket(&sun);
	ssize_t got;

	if (status < 0) {
		complain(CONTROL_FOLDER, "no ternd runs, or several do: set TERN_SOCKET");
		return status;
	}
	fd = kernel.socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (kernel.connect(fd, (struct sockaddr *)&sun, sizeof(sun)) < 0) {
		status = -errno;
		complain(sun.sun_path, strerror(errno));
		kernel.close(fd);
		return status;
	}
	n = snprintf(text, sizeof(text), "{\"command\":\"attach\",\"layout\":%d}\n", SHM_VERSION);
	if (kernel.send(fd, text, (size_t)n, MSG_NOSIGNAL) != n) {
		kernel.close(fd);
		return -EPROTO;
	}
	got = receive_with_fds(fd, text, sizeof(text) - 1, &channel, 1);
	kernel.close(fd);
	if (got > 0 && channel >= 0)
		return channel;
	text[got > 0 ? got : 0] = '\0';
	complain(sun.sun_path, got > 0 ? text : "no answer");
	return -ECONNREFUSED;
}

static void
use_arena(void *memory, const struct shm_header *header, const struct shm_layout *layout)
{
	madvise(memory, layout->bytes, MADV_DONTFORK);
	arena.header = *header;
	arena.shared = memory;
	arena.prefixes = (const struct shm_prefix *)(void *)((uint8_t *)memory + layout->prefixes);
	arena.payloads = (uint8_t *)memory + layout->payloads;
	arena.replies = (struct shm_reply *)(void *)((uint8_t *)memory + layout->replies);
	for (unsigned int i = 0; i < header->lanes; i++)
		shm_view(memory, layout, i, &arena.views[i]);
	__atomic_store_n(&arena.memory, memory, __ATOMIC_RELEASE);
	wait_attached();
}

void
arena_stand_in(const struct shm_header *header)
{
	struct shm_layout layout;
	void *memory;

	shm_lay_out(header, &layout);
	memory = mmap(NULL, layout.bytes, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (memory == MAP_FAILED)
		abort(); /* its sockets are in use, and have no state */
	arena.dead = true;
	use_arena(memory, header, &layout);
}

static int
map_arena(int memfd)
{
	struct shm_header header;
	struct shm_layout layout;
	void *memory;

	if (pread(memfd, &header, sizeof(header), 0) != sizeof(header) ||
	    header.version != SHM_VERSION || header.lanes > ARENA_LANES_MAX)
		return -EPROTO;
	shm_lay_out(&header, &layout);
	if (layout.bytes != header.bytes)
		return -EPROTO;
	memory = mmap(NULL, layout.bytes, PROT_READ | PROT_WRITE, MAP_SHARED, memfd, 0);
	if (memory == MAP_FAILED)
		return -errno;
	use_arena(memory, &header, &layout);
	return 0;
}

/* Says who this process is: the message itself, and the kernel vouches for it. */
static bool
say_who(int channel, enum shm_channel_op op)
{
	struct shm_message message = {.version = SHM_VERSION, .op = op, .pid = getpid()};
	struct ucred who = {.pid = getpid(), .uid = geteuid(), .gid = getegid()};
	struct iovec iov = {.iov_base = &message, .iov_len = sizeof(message)};
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(who))];
	} control = {0};
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes),
	};
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);

	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_CREDENTIALS;
	cmsg->cmsg_len = CMSG_LEN(sizeof(who));
	memcpy(CMSG_DATA(cmsg), &who, sizeof(who));
	return kernel.sendmsg(channel, &msg, MSG_NOSIGNAL) == sizeof(message);
}

/* Takes the channel, on failure, too. */
static int
greet(int channel)
{
	struct shm_message message;
	int fds[3] = {-1, -1, -1}, status = -EPROTO;

	if (say_who(channel, SHM_HELLO)) {
		struct pollfd fd = {.fd = channel, .events = POLLIN};

		while (kernel.poll(&fd, 1, -1) < 0 && errno == EINTR)
			;
		if (receive_with_fds(channel, &message, sizeof(message), fds, 3) ==
			    sizeof(message) &&
		    message.op == SHM_HELLO && fds[1] >= 0 && fds[2] >= 0)
			status = 0;
	}
	/* With the memory come threads that already wait, and need all the rest. */
	arena.channel = descriptor_own(channel);
	arena.doorbell = fds[1] >= 0 ? descriptor_own(fds[1]) : -1;
	arena.bell = fds[2] >= 0 ? descriptor_own(fds[2]) : -1;
	arena.dead = false;
	if (status == 0)
		status = map_arena(fds[0]);
	if (fds[0] >= 0)
		kernel.close(fds[0]);
	if (status < 0) {
		descriptor_close_own(arena.bell);
		descriptor_close_own(arena.doorbell);
		descriptor_close_own(arena.channel);
		arena.channel = arena.doorbell = arena.bell = -1;
	}
	return status;
}

int
arena_attach(void)
{
	int status = 0, cancel;

	if (__atomic_load_n(&arena.memory, __ATOMIC_ACQUIRE) != NULL)
		return 0;
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
	pthread_mutex_lock(&attaching);
	if (arena.memory == NULL) {
		status = ask_for_channel();
		if (status >= 0)
			status = greet(status);
	}
	pthread_mutex_unlock(&attaching);
	pthread_setcancelstate(cancel, NULL);
	return status;
}

int
arena_adopt(int channel)
{
	return greet(channel);
}

/* The answer to a message, and the descriptor with it. Returns as recv() does. */
static ssize_t
ask(enum shm_channel_op op, struct shm_message *answer, int *channel)
{
	struct pollfd fd = {.fd = arena.channel, .events = POLLIN};
	ssize_t n = -1;

	pthread_mutex_lock(&asking);
	if (say_who(arena.channel, op)) {
		while (kernel.poll(&fd, 1, -1) < 0 && errno == EINTR)
			;
		n = receive_with_fds(arena.channel, answer, sizeof(*answer), channel, 1);
	}
	pthread_mutex_unlock(&asking);
	return n;
}

void
arena_give_up_rights(void)
{
	struct shm_message answer;
	int none = -1;

	if (arena.memory != NULL && !__atomic_load_n(&arena.dead, __ATOMIC_ACQUIRE))
		ask(SHM_RIGHTS, &answer, &none);
}

int
arena_share(void)
{
	struct shm_message message;
	int channel = -1;
	ssize_t n = ask(SHM_SHARE, &message, &channel);

	if (n != sizeof(message) || message.op != SHM_SHARE || channel < 0) {
		if (channel >= 0)
			kernel.close(channel);
		return n == sizeof(message) && message.error < 0 ? message.error : -ECONNRESET;
	}
	return channel;
}

void
arena_hold(void)
{
	pthread_mutex_lock(&attaching);
}

void
arena_release(void)
{
	pthread_mutex_unlock(&attaching);
}

void
arena_forget(void)
{
	descriptor_close_own(arena.channel);
	descriptor_close_own(arena.doorbell);
	descriptor_close_own(arena.bell);
	memset(&arena, 0, sizeof(arena));
	arena.channel = arena.doorbell = arena.bell = -1;
	memset(ring_locks, 0, sizeof(ring_locks));
	busy_replies = 0;
	pthread_mutex_init(&attaching, NULL);
	pthread_mutex_init(&asking, NULL);
}

void
arena_take_message(void)
{
	struct pollfd fd = {.fd = arena.channel, .events = POLLIN};
	struct shm_message message;
	ssize_t n = -1;

	if (pthread_mutex_trylock(&asking) != 0) /* it is an answer, for somebody else */
		return;
	/* Calls that confined programs may make. Nobody else reads meanwhile. */
	errno = EAGAIN;
	if (kernel.ppoll(&fd, 1, &(struct timespec){0}, NULL) == 1)
		n = kernel.read(arena.channel, &message, sizeof(message));
	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR) ||
	    (n == sizeof(message) && message.op == SHM_BYE))
		__atomic_store_n(&arena.dead, true, __ATOMIC_RELEASE);
	pthread_mutex_unlock(&asking);
}

/* ---- Posting */

static bool
is_dead(void)
{
	return __atomic_load_n(&arena.dead, __ATOMIC_ACQUIRE);
}

/* The last ring is for signal handlers that find their own thread posting. */
static unsigned int
lock_ring(unsigned int lane, uint32_t socket)
{
	static __thread char mine;
	unsigned int ordinary = arena.header.rings - 1, ring = socket % ordinary;
	uintptr_t me = (uintptr_t)&mine, free;

	if (__atomic_load_n(&ring_locks[lane][ring].owner, __ATOMIC_RELAXED) == me)
		ring = ordinary;
	for (;;) {
		free = 0;
		if (__atomic_compare_exchange_n(&ring_locks[lane][ring].owner, &free, me, false,
						__ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
			return ring;
		sched_yield();
	}
}

static void
unlock_ring(unsigned int lane, unsigned int ring)
{
	__atomic_store_n(&ring_locks[lane][ring].owner, 0, __ATOMIC_RELEASE);
}

struct ring_room {
	const struct shm_ring *ring;
	uint32_t tail;
	uint32_t bytes;
};

static bool
has_room(void *arg)
{
	const struct ring_room *room = arg;
	uint32_t head = __atomic_load_n(&room->ring->head, __ATOMIC_ACQUIRE);

	return SHM_RING_BYTES - (room->tail - head) >= room->bytes || is_dead();
}

/* How often to look before sleeping: a lane that has our own processor works only while we sleep.
 */
static unsigned int
spins(unsigned int lane)
{
	uint32_t theirs = __atomic_load_n(&arena.views[lane].lane->cpu, __ATOMIC_RELAXED);

	return theirs != 0 && theirs == (uint32_t)sched_getcpu() + 1 ? 1 : SPINS;
}

/* Under the ring's lock. */
static void
wait_for_room(unsigned int lane, const struct shm_ring *ring, uint32_t tail, uint32_t bytes)
{
	struct ring_room room = {.ring = ring, .tail = tail, .bytes = bytes};
	struct wait wait = {.ready = has_room,
			    .arg = &room,
			    .arg_bytes = sizeof(room),
			    .deadline_ns = WAIT_FOREVER,
			    .deaf = true};

	for (unsigned int left = spins(lane); left > 0; left--) {
		if (has_room(&room))
			return;
		__builtin_ia32_pause();
	}
	wait_for(&wait);
}

static void
gather(uint8_t *to, const struct iovec *iov, uint32_t bytes)
{
	while (bytes > 0) {
		uint32_t n = iov->iov_len < bytes ? (uint32_t)iov->iov_len : bytes;

		memcpy(to, iov->iov_base, n);
		to += n;
		bytes -= n;
		iov++;
	}
}

static void
ring_bell(void)
{
	const uint64_t one = 1;
	int saved = errno;

	/* If it is full, it rings already. */
	if (kernel.write(arena.bell, &one, sizeof(one)) < 0)
		errno = saved;
}

static struct arena_mark
post(unsigned int lane, const struct shm_request *request, const struct iovec *iov)
{
	struct shm_view *view = &arena.views[lane];
	unsigned int index = lock_ring(lane, request->socket);
	struct shm_ring *ring = &view->rings[index];
	struct ring_lock *mine = &ring_locks[lane][index];
	uint32_t tail = mine->tail;
	uint32_t bytes = (uint32_t)shm_message_bytes(request->bytes);
	uint32_t to_end = SHM_RING_BYTES - (tail & (SHM_RING_BYTES - 1));
	uint32_t skip = bytes > to_end ? to_end : 0;
	uint8_t *at;

	if (SHM_RING_BYTES - (tail - mine->head) < skip + bytes) {
		wait_for_room(lane, ring, tail, skip + bytes);
		mine->head = __atomic_load_n(&ring->head, __ATOMIC_ACQUIRE);
	}
	if (skip > 0) {
		struct shm_request filler = {.bytes = skip - (uint32_t)sizeof(filler),
					     .op = SHM_SKIP};

		memcpy(ring->data + (tail & (SHM_RING_BYTES - 1)), &filler, sizeof(filler));
		tail += skip;
	}
	at = ring->data + (tail & (SHM_RING_BYTES - 1));
	memcpy(at, request, sizeof(*request));
	gather(at + sizeof(*request), iov, request->bytes);
	tail += bytes;
	mine->tail = tail;
	__atomic_store_n(&ring->tail, tail, __ATOMIC_RELEASE);
	__atomic_fetch_or(&view->lane->posted, UINT64_C(1) << index, __ATOMIC_SEQ_CST);
	if (__atomic_load_n(&view->lane->asleep, __ATOMIC_RELAXED) != 0)
		ring_bell();
	unlock_ring(lane, index);
	return (struct arena_mark){.ring = ring, .end = tail};
}

void
arena_post(unsigned int lane, enum shm_op op, uint32_t socket, uint32_t arg,
	   const struct iovec *iov, uint32_t bytes)
{
	struct shm_request request = {.bytes = bytes,
				      .op = (uint16_t)op,
				      .reply = SHM_NO_REPLY,
				      .socket = socket,
				      .arg = arg};

	if (!is_dead())
		post(lane, &request, iov);
}

struct arena_mark
arena_post_placed(unsigned int lane, uint32_t socket, uint32_t arg, uint32_t payload,
		  uint32_t bytes)
{
	struct shm_request request = {.op = SHM_SEND_PLACED,
				      .reply = SHM_NO_REPLY,
				      .socket = socket,
				      .arg = arg,
				      .arg2 = (uint64_t)payload << 32 | bytes};

	return post(lane, &request, NULL);
}

/* ---- Calls */

static uint16_t
take_reply(void)
{
	for (;;) {
		uint64_t busy = __atomic_load_n(&busy_replies, __ATOMIC_RELAXED);
		unsigned int i = busy == UINT64_MAX ? 64 : (unsigned int)__builtin_ctzll(~busy);

		if (i >= arena.header.replies) {
			sched_yield();
			continue;
		}
		if (__atomic_compare_exchange_n(&busy_replies, &busy, busy | UINT64_C(1) << i,
						false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
			return (uint16_t)i;
	}
}

struct answer {
	const struct shm_reply *reply;
	uint32_t ticket;
};

static bool
is_answered(void *arg)
{
	const struct answer *answer = arg;

	return __atomic_load_n(&answer->reply->ticket, __ATOMIC_ACQUIRE) == answer->ticket ||
	       is_dead();
}

static void
wait_for_answer(unsigned int lane, const struct shm_reply *reply, uint32_t ticket)
{
	struct answer answer = {.reply = reply, .ticket = ticket};
	struct wait wait = {.ready = is_answered,
			    .arg = &answer,
			    .arg_bytes = sizeof(answer),
			    .deadline_ns = WAIT_FOREVER,
			    .deaf = true};

	for (unsigned int left = spins(lane); left > 0; left--) {
		if (is_answered(&answer))
			return;
		__builtin_ia32_pause();
	}
	wait_for(&wait);
}

int
arena_call(struct arena_call *call)
{
	uint16_t index = take_reply();
	const struct shm_reply *reply = &arena.replies[index];
	uint32_t ticket = __atomic_add_fetch(&last_ticket, 1, __ATOMIC_RELAXED);
	struct shm_request request = {.bytes = call->bytes,
				      .op = (uint16_t)call->op,
				      .reply = index,
				      .ticket = ticket,
				      .socket = call->socket,
				      .arg = call->arg,
				      .offset = call->offset,
				      .arg2 = call->arg2};
	int result = -ECONNRESET;

	if (!is_dead()) {
		post(call->lane, &request, call->payload);
		wait_for_answer(call->lane, reply, ticket);
	}
	call->data_bytes = 0;
	if (__atomic_load_n(&reply->ticket, __ATOMIC_ACQUIRE) == ticket) {
		result = reply->result;
		call->data_bytes = reply->bytes < call->data_room ? reply->bytes : call->data_room;
		if (call->data_bytes > 0)
			memcpy(call->data, reply->data, call->data_bytes);
	}
	__atomic_fetch_and(&busy_replies, ~(UINT64_C(1) << index), __ATOMIC_RELEASE);
	return result;
}
