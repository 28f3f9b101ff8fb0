/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * See stream.h. Two ways lead to the stream: the fast one through the arena, where nothing can go
 * wrong, and a call, which has the engine's answer. Readable bytes that are not delivered, the end,
 * errors and urgent data take a call; so does sending without credit.
 */
#include <errno.h>
#include <limits.h>
#include <time.h>

#include <linux/errqueue.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>

#include "cursor.h"
#include "epoll.h"
#include "fastopen.h"
#include "repair.h"
#include "result.h"
#include "stream.h"

/* ---- Readiness */

/* ternd has gone. A connection's end can be read for ever; of a listener nothing comes any more
 * once its owner knows: it would turn in its loop. */
static short
events_of_orphan(const struct file *file)
{
	bool listens =
		__atomic_load_n(&file_status(file)->state, __ATOMIC_ACQUIRE) == SHM_LISTENING;

	if (file->side != FILE_TERN) /* what the kernel has of it, too, remains */
		return 0;
	if (listens && __atomic_load_n(&file->reset_told, __ATOMIC_RELAXED))
		return 0;
	return POLLIN | POLLOUT | POLLERR | POLLHUP | POLLRDHUP;
}

/* What there is to accept on other lanes. */
static uint32_t
events_of_parts(const struct file *file)
{
	uint32_t events = 0, slot;

	for (unsigned int i = 0; i < arena.header.lanes; i++) {
		const struct shm_status *status;

		slot = file_part(file, i);
		if (slot == FILE_NO_SLOT)
			continue;
		status = &arena.views[i].status[slot];
		if (__atomic_load_n(&status->state, __ATOMIC_ACQUIRE) == SHM_LISTENING)
			events |= __atomic_load_n(&status->poll, __ATOMIC_ACQUIRE);
	}
	return events;
}

short
stream_events(const struct file *file)
{
	const struct shm_status *status;
	uint32_t slot = __atomic_load_n(&file->slot, __ATOMIC_ACQUIRE), events, low;
	uint64_t readable, consumed;

	if (slot == FILE_NO_SLOT)
		return 0;
	if (__atomic_load_n(&arena.dead, __ATOMIC_ACQUIRE))
		return events_of_orphan(file);
	status = file_status(file);
	events = __atomic_load_n(&status->poll, __ATOMIC_ACQUIRE);
	if (__atomic_load_n(&file->parts, __ATOMIC_RELAXED) != NULL)
		events |= events_of_parts(file);
	if (__atomic_load_n(&status->state, __ATOMIC_ACQUIRE) == SHM_LISTENING)
		return (short)events;
	readable = __atomic_load_n(&status->readable, __ATOMIC_ACQUIRE);
	low = __atomic_load_n(&status->low_water, __ATOMIC_RELAXED);
	consumed = __atomic_load_n(&file->consumed, __ATOMIC_RELAXED);
	if (readable > consumed && readable - consumed >= low)
		events |= POLLIN | POLLRDNORM;
	return (short)events;
}

struct readiness {
	const struct file *file;
	short events;
	bool out_of_repair; /* it is not ready in repair */
};

static bool
is_ready(void *arg)
{
	const struct readiness *readiness = arg;

	return (stream_events(readiness->file) & (readiness->events | POLLERR | POLLHUP)) != 0 &&
	       !(readiness->out_of_repair && repair_is_on(readiness->file));
}

static int
wait_ready(struct file *file, short events, int64_t limit_ns, bool out_of_repair)
{
	struct readiness readiness = {
		.file = file, .events = events, .out_of_repair = out_of_repair};
	struct wait wait = {
		.ready = is_ready,
		.arg = &readiness,
		.arg_bytes = sizeof(readiness),
		.deadline_ns = limit_ns == WAIT_FOREVER ? WAIT_FOREVER : wait_now_ns() + limit_ns,
		.restarts = limit_ns == WAIT_FOREVER,
		.abandon = file_put_held,
		.held = file,
	};
	int status = wait_for(&wait);

	return status == -ETIMEDOUT ? -EAGAIN : status;
}

int
stream_wait(struct file *file, short events, int64_t limit_ns)
{
	return wait_ready(file, events, limit_ns, false);
}

/*
 * For a call that waits: what another thread may do in repair is no answer to it. As Linux, it
 * began before, and goes on when repair has ended.
 */
static int
wait_to_go_on(struct file *file, short events, int64_t limit_ns)
{
	return wait_ready(file, events, limit_ns, true);
}

/* Whether that is the answer that a call which did not begin in repair got because of it. */
static bool
is_interrupted(const struct file *file, bool in_repair, ssize_t status)
{
	return !in_repair && (status == -EPERM || status == -EINVAL) && repair_is_on(file);
}

/* ---- Reading */

/* Passes over chunks that were taken back. Returns one beyond the last. */
static uint32_t
find_delivered(struct file *file)
{
	uint32_t delivered = __atomic_load_n(&file_status(file)->delivered, __ATOMIC_ACQUIRE);
	uint32_t recalled = __atomic_load_n(&file_status(file)->recalled, __ATOMIC_ACQUIRE);

	if ((int32_t)(recalled - file->next_chunk) > 0) {
		file->next_chunk = recalled;
		file->chunk_read = 0;
	}
	return delivered;
}

/* A chunk that may be overwritten while it is looked at: then it is none, or not what it was. */
static bool
is_chunk(const struct shm_chunk *chunk, uint16_t skip)
{
	return chunk->block < arena.header.blocks && chunk->bytes > skip &&
	       chunk->offset + chunk->bytes <= SHM_BLOCK_BYTES;
}

/* Copies delivered chunks, and moves on behind them. Returns the bytes. */
static size_t
copy_chunks(struct file *file, struct cursor *to, bool drop)
{
	const struct shm_view *view = &arena.views[file->lane];
	const struct shm_chunk *chunks = view->chunks + (size_t)file->slot * SHM_CHUNKS;
	uint32_t delivered = find_delivered(file), next = file->next_chunk;
	uint16_t skip = file->chunk_read;
	size_t done = 0;

	while (next != delivered && to->left > 0) {
		struct shm_chunk chunk = chunks[next % SHM_CHUNKS];
		size_t n;

		if (!is_chunk(&chunk, skip))
			break;
		n = (size_t)(chunk.bytes - skip);
		if (n > to->left)
			n = to->left;
		if (drop)
			cursor_skip(to, n);
		else
			cursor_put(to,
				   view->blocks + (size_t)chunk.block * SHM_BLOCK_BYTES +
					   chunk.offset + skip,
				   n);
		done += n;
		skip = (uint16_t)(skip + n);
		if (skip == chunk.bytes) {
			skip = 0;
			next++;
		}
	}
	file->next_chunk = next;
	file->chunk_read = skip;
	return done;
}

/* Bytes were read: says so to the lane when it has waited long enough for it. */
static void
note_read(struct file *file, size_t bytes, bool by_call)
{
	const struct shm_status *status = file_status(file);

	__atomic_store_n(&file->consumed, file->consumed + bytes, __ATOMIC_RELAXED);
	if (by_call) {
		__atomic_fetch_add(&file_control(file)->consumed, bytes, __ATOMIC_RELEASE);
		file->reported = file->consumed;
	} else if (file->consumed - file->reported >= status->report_bytes ||
		   file->next_chunk == __atomic_load_n(&status->delivered, __ATOMIC_ACQUIRE)) {
		arena_post(file->lane, SHM_CONSUMED, file->slot, 0, NULL, 0);
		file->reported = file->consumed;
	}
}

/* Whether what was copied since the word was `seen` is the reader's; then it counts as read. */
static bool
claim(struct file *file, uint64_t seen, size_t bytes)
{
	uint64_t *word = &file_control(file)->consumed;

	return __atomic_compare_exchange_n(word, &seen, seen + bytes, false, __ATOMIC_ACQ_REL,
					   __ATOMIC_RELAXED);
}

/*
 * Reads delivered chunks. With MSG_PEEK they stay. Returns the bytes; none also if the lane took
 * them back while they were copied: then they are to be asked for.
 */
static size_t
read_chunks(struct file *file, struct cursor *to, int flags)
{
	uint64_t seen = __atomic_load_n(&file_control(file)->consumed, __ATOMIC_ACQUIRE);
	uint32_t next = file->next_chunk;
	uint16_t skip = file->chunk_read;
	struct cursor before = *to;
	bool peek = (flags & MSG_PEEK) != 0;
	size_t done;

	if (seen & SHM_CONSUMED_SEAL)
		return 0;
	done = copy_chunks(file, to, flags & MSG_TRUNC);
	if (done == 0)
		return 0;
	if (!claim(file, seen, peek ? 0 : done)) {
		*to = before;
		done = 0;
	}
	if (peek || done == 0) {
		file->next_chunk = next;
		file->chunk_read = skip;
	} else {
		note_read(file, done, false);
	}
	return done;
}

int
stream_left(const struct file *file)
{
	uint64_t readable = __atomic_load_n(&file_status(file)->readable, __ATOMIC_ACQUIRE);
	uint64_t consumed = __atomic_load_n(&file->consumed, __ATOMIC_RELAXED);

	if (readable > consumed)
		return readable - consumed < INT_MAX ? (int)(readable - consumed) : INT_MAX;
	return (stream_events(file) & POLLRDHUP) != 0;
}

int
stream_report(const struct file *file, struct sock_extended_err *report)
{
	struct arena_call call = {
		.lane = file->lane,
		.op = SHM_RECV,
		.socket = file->slot,
		.arg = MSG_ERRQUEUE,
		.data = report,
		.data_room = sizeof(*report),
	};
	int status = arena_call(&call);

	return status == -ECONNRESET ? -EAGAIN : status;
}

/* ternd has gone: as if every peer had reset its connection. */
static ssize_t
orphaned(struct file *file, ssize_t afterwards)
{
	if (__atomic_exchange_n(&file->reset_told, true, __ATOMIC_RELAXED))
		return afterwards;
	return -ECONNRESET;
}

/* What a call returns that did something before it failed: that, and the error is the next one's.
 */
static ssize_t
outcome(struct file *file, ssize_t done, ssize_t status)
{
	if (done <= 0)
		return status;
	if (status == -ECONNRESET)
		__atomic_store_n(&file->reset_told, false, __ATOMIC_RELAXED);
	return done;
}

/* One read by a call. Returns as recv(). */
static ssize_t
read_by_call(struct file *file, struct cursor *to, int flags)
{
	uint8_t data[SHM_REPLY_DATA];
	struct arena_call call = {
		.lane = file->lane,
		.op = SHM_RECV,
		.socket = file->slot,
		.arg = (uint32_t)(flags & (MSG_PEEK | MSG_OOB)),
		.arg2 = to->left,
		.data = data,
		.data_room = sizeof(data),
	};
	int n = arena_call(&call);

	if (n <= 0)
		return n;
	if (flags & MSG_TRUNC)
		cursor_skip(to, (size_t)n);
	else
		cursor_put(to, data, (size_t)n);
	if ((flags & (MSG_PEEK | MSG_OOB)) == 0)
		note_read(file, (size_t)n, true);
	return n;
}

/* The engine says what it thinks of it; a long look into a queue takes several calls. */
static ssize_t
read_in_repair(struct file *file, struct cursor *to, int flags)
{
	if (__atomic_load_n(&arena.dead, __ATOMIC_ACQUIRE))
		return orphaned(file, 0);
	if ((flags & MSG_OOB) != 0 || (flags & MSG_PEEK) == 0 || to->left <= SHM_REPLY_DATA)
		return read_by_call(file, to, flags);
	return repair_peek(file, to, flags);
}

/*
 * Behind what was delivered there may be more in the engine's queue. Whoever knows that the peer
 * has ended takes a short read for the last one, as on Linux it is: then the rest is read, too.
 */
static size_t
read_rest(struct file *file, struct cursor *to, int flags)
{
	const struct shm_status *status = file_status(file);
	size_t done = 0;
	ssize_t got;

	while (to->left > 0 &&
	       (__atomic_load_n(&status->poll, __ATOMIC_ACQUIRE) & (POLLRDHUP | POLLHUP)) != 0 &&
	       __atomic_load_n(&status->readable, __ATOMIC_ACQUIRE) > file->consumed) {
		/* The lane has delivered more meanwhile, or it answers, or delivers instead. */
		got = (ssize_t)read_chunks(file, to, flags & MSG_TRUNC);
		if (got <= 0)
			got = read_by_call(file, to, flags);
		if (got > 0)
			done += (size_t)got;
		else if (got != -EAGAIN ||
			 __atomic_load_n(&status->delivered, __ATOMIC_ACQUIRE) == file->next_chunk)
			break;
	}
	return done;
}

/* One attempt. Returns bytes, 0 at the end of the stream, -EAGAIN when there is nothing now. */
static ssize_t
read_once(struct file *file, struct cursor *to, int flags)
{
	const struct shm_status *status = file_status(file);
	size_t n;
	ssize_t got;

	if (repair_is_on(file) && (got = read_in_repair(file, to, flags)) != -ESTALE)
		return got;
	if (flags & MSG_OOB)
		return read_by_call(file, to, flags);
	for (;;) {
		n = read_chunks(file, to, flags & (MSG_PEEK | MSG_TRUNC));
		if (n > 0) {
			if ((flags & MSG_PEEK) == 0)
				n += read_rest(file, to, flags);
			return (ssize_t)n;
		}
		if (to->left > 0 && (stream_events(file) & (POLLIN | POLLERR | POLLHUP)) == 0 &&
		    __atomic_load_n(&status->readable, __ATOMIC_ACQUIRE) == file->consumed &&
		    (__atomic_load_n(&status->poll, __ATOMIC_ACQUIRE) & POLLOUT) != 0)
			return -EAGAIN;
		if (__atomic_load_n(&arena.dead, __ATOMIC_ACQUIRE))
			return orphaned(file, 0);
		got = read_by_call(file, to, flags);
		/* Delivered meanwhile: look again. */
		if (got == -EAGAIN &&
		    __atomic_load_n(&status->delivered, __ATOMIC_ACQUIRE) != file->next_chunk)
			continue;
		return got;
	}
}

size_t
stream_lend(struct file *file, struct iovec *pieces, size_t n)
{
	const struct shm_view *view = &arena.views[file->lane];
	const struct shm_chunk *chunks = view->chunks + (size_t)file->slot * SHM_CHUNKS;
	uint32_t delivered = find_delivered(file), next = file->next_chunk;
	uint16_t skip = file->chunk_read;
	size_t bytes = 0;

	file->lent_from = next;
	for (size_t i = 0; i < n; i++) {
		const struct shm_chunk *chunk = &chunks[next % SHM_CHUNKS];

		pieces[i] = (struct iovec){0};
		if (next == delivered)
			continue;
		pieces[i].iov_base = view->blocks + (size_t)chunk->block * SHM_BLOCK_BYTES +
				     chunk->offset + skip;
		pieces[i].iov_len = (size_t)(chunk->bytes - skip);
		bytes += pieces[i].iov_len;
		skip = 0;
		next++;
	}
	return bytes;
}

ssize_t
stream_peek(struct file *file, const struct iovec *piece)
{
	struct cursor to = cursor_at(piece, 1);

	return read_once(file, &to, MSG_PEEK);
}

int
stream_drop(struct file *file, size_t bytes)
{
	struct iovec nowhere = {.iov_len = bytes};
	struct cursor to = cursor_at(&nowhere, 1);

	while (to.left > 0) {
		ssize_t got = read_once(file, &to, MSG_TRUNC);

		if (got <= 0)
			return got < 0 ? (int)got : -ESTALE;
	}
	return 0;
}

ssize_t
stream_receive(struct file *file, const struct iovec *iov, size_t n, int flags)
{
	struct cursor to = cursor_at(iov, n);
	bool wait = !file->nonblocking && (flags & MSG_DONTWAIT) == 0;
	bool in_repair = repair_is_on(file);
	ssize_t got, done = 0;

	pthread_mutex_lock(&file->reading);
	for (;;) {
		got = file->lent > 0 ? -EBUSY : read_once(file, &to, flags);
		if (got > 0)
			done += got;
		if (got > 0 && (flags & MSG_WAITALL) != 0 && (flags & MSG_PEEK) == 0 && to.left > 0)
			continue;
		if (is_interrupted(file, in_repair, got))
			got = -EAGAIN;
		if (got != -EAGAIN || !wait || in_repair || (flags & MSG_OOB) != 0)
			break;
		if (done > 0 && (flags & MSG_WAITALL) == 0)
			break;
		pthread_mutex_unlock(&file->reading);
		got = wait_to_go_on(file, POLLIN | POLLRDHUP, file->receive_ns);
		pthread_mutex_lock(&file->reading);
		if (got < 0)
			break;
	}
	pthread_mutex_unlock(&file->reading);
	return outcome(file, done, got);
}

/* ---- Writing */

enum { /* The others are ours. */
       LANES_FLAGS = MSG_MORE | MSG_EOR | MSG_OOB | MSG_ZEROCOPY | MSG_FASTOPEN,
};

/* One attempt. Returns bytes taken, or a negative errno. */
static ssize_t
write_once(struct file *file, struct cursor *from, int flags)
{
	uint64_t limit = __atomic_load_n(&file_status(file)->send_limit, __ATOMIC_ACQUIRE);
	struct iovec pieces[CURSOR_PIECES];
	struct arena_call call;
	uint32_t n;
	int taken, more;

	if (__atomic_load_n(&arena.dead, __ATOMIC_ACQUIRE))
		return orphaned(file, -EPIPE);
	if (limit > file->sent && from->left > 0) {
		n = cursor_pieces(from, pieces, limit - file->sent);
		/* What follows at once belongs together; the end of a record is the last piece's.
		 */
		more = n < from->left ? MSG_MORE : flags & LANES_FLAGS;
		arena_post(file->lane, SHM_SEND, file->slot, (uint32_t)more, pieces, n);
		file->sent += n;
		return n;
	}
	n = cursor_pieces(from, pieces, from->left);
	call = (struct arena_call){
		.lane = file->lane,
		.op = SHM_SEND_NOW,
		.socket = file->slot,
		.arg = (uint32_t)(n < from->left ? MSG_MORE : flags & LANES_FLAGS),
		.payload = pieces,
		.bytes = n,
	};
	taken = arena_call(&call);
	return taken;
}

/*
 * The write that starts the handshake. Blocking, it is to wait for the end of that, too. Returns
 * bytes, with *over if nothing is to follow them, or a negative errno.
 */
static ssize_t
write_first(struct file *file, const struct cursor *from, int flags, bool wait,
	    const struct fastopen_target *target, bool *over)
{
	struct iovec pieces[CURSOR_PIECES] = {0};
	uint32_t n = cursor_pieces(from, pieces, from->left);
	ssize_t taken;
	int status;

	if (n < from->left)
		flags = MSG_MORE | (flags & MSG_FASTOPEN);
	*over = true;
	if (__atomic_load_n(&arena.dead, __ATOMIC_ACQUIRE))
		return orphaned(file, -EPIPE);
	taken = fastopen_start(file, pieces, CURSOR_PIECES, n, flags & LANES_FLAGS, target);
	if (taken >= 0 || taken == -EINPROGRESS)
		epoll_not_writable(file);
	if (!wait || (taken < 0 && taken != -EINPROGRESS))
		return taken;
	pthread_mutex_unlock(&file->writing);
	status = fastopen_finish(file, file->send_ns);
	pthread_mutex_lock(&file->writing);
	*over = status < 0;
	if (status == 0)
		return taken < 0 ? 0 : taken;
	/* As Linux: a signal is told instead of what went into the SYN, a limit's end is not. */
	return status == -EAGAIN ? taken : status;
}

ssize_t
stream_send(struct file *file, const struct iovec *iov, size_t n, int flags,
	    const struct fastopen_target *target)
{
	struct cursor from = cursor_at(iov, n);
	bool wait = !file->nonblocking && (flags & MSG_DONTWAIT) == 0;
	bool in_repair = repair_is_on(file);
	bool first = !in_repair && ((flags & MSG_FASTOPEN) != 0 || fastopen_is_deferred(file));
	bool over = false;
	ssize_t taken, done = 0;

	pthread_mutex_lock(&file->writing);
	do {
		if (first)
			taken = write_first(file, &from, flags, wait, target, &over);
		else
			taken = write_once(file, &from, flags & ~MSG_FASTOPEN);
		first = false;
		if (taken >= 0) {
			done += taken;
			cursor_skip(&from, (size_t)taken);
			continue;
		}
		if (taken == -EAGAIN)
			epoll_not_writable(file);
		if (is_interrupted(file, in_repair, taken))
			taken = -EAGAIN;
		if (taken != -EAGAIN || !wait || in_repair)
			break;
		pthread_mutex_unlock(&file->writing);
		taken = wait_to_go_on(file, POLLOUT, file->send_ns);
		pthread_mutex_lock(&file->writing);
		if (taken < 0)
			break;
	} while (from.left > 0 && !over);
	/* In pieces, of which the last one failed: what there is of it is a send, too. */
	if ((flags & MSG_ZEROCOPY) != 0 && done > 0 && from.left > 0)
		arena_post(file->lane, SHM_SEND, file->slot, MSG_ZEROCOPY, NULL, 0);
	pthread_mutex_unlock(&file->writing);
	return outcome(file, done, taken);
}

ssize_t
stream_sent(ssize_t taken, int flags)
{
	if (taken == -EPIPE && (flags & MSG_NOSIGNAL) == 0)
		pthread_kill(pthread_self(), SIGPIPE);
	return tern_result_bytes(taken);
}
