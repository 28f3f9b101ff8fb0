/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * epoll for Tern's sockets and the kernel's descriptors in one set.
 *
 * An instance's descriptor is a real epoll descriptor: it holds the kernel's members. Tern's are
 * held here, each with its interest. A lane sends an event when the status of an armed socket has
 * changed; whoever waits, of all threads, drains the event rings, arms the socket again, and puts
 * its interests on the ready lists of their instances. On a ready list a socket is a candidate:
 * epoll_wait() looks what holds now.
 *
 * Level-triggered interests leave the ready list when nothing of theirs holds; since the socket is
 * armed, the next change brings them back. Edge-triggered ones leave it when they are looked at,
 * and are reported if something has come since they last were: more bytes, or a condition that did
 * not hold. Who was told that there is no room is told when there is, even if that came before
 * anybody looked.
 *
 * A set may be a member of another one. Its descriptor is one of the kernel's there, too, for what
 * it has of the kernel's; the kernel also finds loops. A set's candidate is the outer set's.
 *
 * EPOLLEXCLUSIVE spares threads of this process; of several processes that share a socket, one is
 * woken in each.
 *
 * One lock covers everything here; it is taken after wait.c's, never before.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/queue.h>
#include <unistd.h>

#include "epoll.h"
#include "kernel.h"
#include "result.h"
#include "stream.h"
#include "tern.h"

struct interest {
	struct epoll *epoll;
	struct file *file;
	int fd; /* by which it was added */
	struct epoll_event event;
	uint64_t readable; /* edges: as last reported */
	short events;      /* edges: what held then */
	bool ready;        /* on the ready list */
	TAILQ_ENTRY(interest) by_ready;
	TAILQ_ENTRY(interest) by_epoll;
	LIST_ENTRY(interest) by_file;
};

TAILQ_HEAD(interests, interest);

struct epoll {
	struct file *file;
	struct interests all;
	struct interests ready;
	bool has_kernel;      /* members of the kernel's were added at some time */
	bool has_sets;        /* and other sets were */
	bool orphaned;        /* all were put on the ready list because ternd has gone */
	unsigned int waiters; /* threads */
	uint64_t news;        /* candidates that there were, as a member's edges need it */
	LIST_ENTRY(epoll) entry;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static LIST_HEAD(, epoll) epolls = LIST_HEAD_INITIALIZER(epolls);

/* ---- Candidates; under the lock */

static void
make_candidate(struct interest *interest)
{
	struct interest *outer;

	if (interest->ready)
		return;
	interest->ready = true;
	TAILQ_INSERT_TAIL(&interest->epoll->ready, interest, by_ready);
	interest->epoll->news++;
	LIST_FOREACH (outer, &interest->epoll->file->interests, by_file)
		make_candidate(outer);
}

static void
drop_candidate(struct interest *interest)
{
	if (!interest->ready)
		return;
	interest->ready = false;
	TAILQ_REMOVE(&interest->epoll->ready, interest, by_ready);
}

static void
arm(const struct file *file)
{
	uint32_t slot;

	if (file->slot != FILE_NO_SLOT)
		__atomic_store_n(&file_control(file)->armed, 1, __ATOMIC_SEQ_CST);
	for (unsigned int i = 0; file->parts != NULL && i < arena.header.lanes; i++)
		if ((slot = file_part(file, i)) != FILE_NO_SLOT)
			__atomic_store_n(&arena.views[i].control[slot].armed, 1, __ATOMIC_SEQ_CST);
}

/*
 * The socket has changed. As Linux: of the sets that want it for themselves, those before the first
 * one in which somebody waits, and that one; it is the last one next time.
 */
static void
make_candidates(struct file *file)
{
	struct interest *interest, *chosen = NULL, *last = NULL;

	LIST_FOREACH (interest, &file->interests, by_file) {
		last = interest;
		if ((interest->event.events & EPOLLEXCLUSIVE) == 0) {
			make_candidate(interest);
		} else if (chosen == NULL) {
			make_candidate(interest);
			if (interest->epoll->waiters > 0)
				chosen = interest;
		}
	}
	if (chosen != NULL && chosen != last) {
		LIST_REMOVE(chosen, by_file);
		LIST_INSERT_AFTER(last, chosen, by_file);
	}
}

/* Events of each lane: those from `head` on, before `tail`. */
struct heard {
	uint32_t head, tail;
};

static uint64_t
event_at(unsigned int lane, uint32_t head)
{
	return arena.views[lane].events[head & (arena.header.sockets - 1)];
}

/* The lane whose next event is the oldest; -1: none has one. */
static int
oldest(const struct heard *heard)
{
	uint64_t first = 0, event;
	int lane = -1;

	for (unsigned int i = 0; i < arena.header.lanes; i++) {
		if (heard[i].head == heard[i].tail)
			continue;
		event = event_at(i, heard[i].head);
		if (lane < 0 || (int64_t)(event - first) < 0) {
			lane = (int)i;
			first = event;
		}
	}
	return lane;
}

/* Takes the events of all lanes, in their order. */
static void
drain(void)
{
	struct heard heard[ARENA_LANES_MAX];
	int lane;

	if (arena.memory == NULL)
		return;
	for (unsigned int i = 0; i < arena.header.lanes; i++) {
		heard[i].head = arena.views[i].lane->event_head;
		heard[i].tail = __atomic_load_n(&arena.views[i].lane->event_tail, __ATOMIC_ACQUIRE);
	}
	while ((lane = oldest(heard)) >= 0) {
		uint64_t event = event_at((unsigned int)lane, heard[lane].head++);
		struct file *file = file_of_slot((unsigned int)lane, shm_event_slot(event));

		if (file == NULL || LIST_EMPTY(&file->interests))
			continue;
		arm(file); /* before anybody looks */
		make_candidates(file);
	}
	for (unsigned int i = 0; i < arena.header.lanes; i++)
		if (heard[i].head != arena.views[i].lane->event_head)
			__atomic_store_n(&arena.views[i].lane->event_head, heard[i].head,
					 __ATOMIC_RELEASE);
}

static bool has_candidate(struct epoll *epoll);

/* What grows when there is more to tell of a member. */
static uint64_t
progress_of(const struct file *file)
{
	uint64_t progress;
	uint32_t slot;

	if (file->epoll != NULL)
		return file->epoll->news;
	if (file->slot == FILE_NO_SLOT)
		return 0;
	progress = __atomic_load_n(&file_status(file)->readable, __ATOMIC_ACQUIRE);
	for (unsigned int i = 0; file->parts != NULL && i < arena.header.lanes; i++)
		if ((slot = file_part(file, i)) != FILE_NO_SLOT)
			progress += __atomic_load_n(&arena.views[i].status[slot].readable,
						    __ATOMIC_ACQUIRE);
	return progress;
}

/* What holds of a candidate now; nothing once its one shot is spent. */
static uint32_t
holds(const struct interest *interest)
{
	struct epoll *inner = interest->file->epoll;
	uint32_t found;

	if (inner != NULL)
		found = has_candidate(inner) ? EPOLLIN | EPOLLRDNORM : 0;
	else
		found = (uint16_t)stream_events(interest->file);
	return found & interest->event.events;
}

/* Whether that is to be reported; if not, it may leave the list. */
static bool
is_news(const struct interest *interest, uint32_t found)
{
	return found != 0 && ((interest->event.events & EPOLLET) == 0 ||
			      progress_of(interest->file) > interest->readable ||
			      (found & ~(uint32_t)(uint16_t)interest->events) != 0);
}

/* Reports up to n candidates. Returns how many. */
static int
collect(struct epoll *epoll, struct epoll_event *events, int n)
{
	struct interest *interest, *last = TAILQ_LAST(&epoll->ready, interests);
	int found = 0;

	while (found < n && (interest = TAILQ_FIRST(&epoll->ready)) != NULL) {
		uint32_t what = holds(interest);
		bool was_last = interest == last;

		drop_candidate(interest);
		if (is_news(interest, what)) {
			events[found++] =
				(struct epoll_event){.events = what, .data = interest->event.data};
			interest->readable = progress_of(interest->file);
			if (interest->event.events & EPOLLONESHOT)
				interest->event.events &= EPOLLONESHOT | EPOLLET;
			else if ((interest->event.events & EPOLLET) == 0)
				make_candidate(interest); /* at the end: others have their turn */
		}
		interest->events = (short)what;
		if (was_last)
			break;
	}
	return found;
}

static bool
has_candidate(struct epoll *epoll)
{
	struct interest *interest, *next;

	if (arena.dead && !epoll->orphaned) {
		epoll->orphaned = true;
		TAILQ_FOREACH (interest, &epoll->all, by_epoll)
			make_candidate(interest);
	}
	for (interest = TAILQ_FIRST(&epoll->ready); interest != NULL; interest = next) {
		uint32_t what = holds(interest);

		next = TAILQ_NEXT(interest, by_ready);
		if (is_news(interest, what))
			return true;
		interest->events = (short)what;
		drop_candidate(interest);
	}
	return false;
}

/* ---- An instance's life */

static void
remove_interest(struct interest *interest)
{
	drop_candidate(interest);
	TAILQ_REMOVE(&interest->epoll->all, interest, by_epoll);
	LIST_REMOVE(interest, by_file);
	free(interest);
}

void
epoll_forget_socket(struct file *file)
{
	struct interest *interest;

	pthread_mutex_lock(&lock);
	while ((interest = LIST_FIRST(&file->interests)) != NULL)
		remove_interest(interest);
	pthread_mutex_unlock(&lock);
}

void
epoll_close(struct file *file)
{
	struct interest *interest;

	pthread_mutex_lock(&lock);
	while ((interest = TAILQ_FIRST(&file->epoll->all)) != NULL)
		remove_interest(interest);
	while ((interest = LIST_FIRST(&file->interests)) != NULL)
		remove_interest(interest);
	LIST_REMOVE(file->epoll, entry);
	pthread_mutex_unlock(&lock);
	free(file->epoll);
	file->epoll = NULL;
}

void
epoll_look_again(struct file *file)
{
	struct interest *interest;

	pthread_mutex_lock(&lock);
	LIST_FOREACH (interest, &file->interests, by_file) {
		arm(file);
		make_candidate(interest);
	}
	pthread_mutex_unlock(&lock);
}

void
epoll_not_writable(struct file *file)
{
	struct interest *interest;

	pthread_mutex_lock(&lock);
	LIST_FOREACH (interest, &file->interests, by_file) {
		if ((interest->event.events & EPOLLET) == 0)
			continue;
		interest->events &= (short)~(POLLOUT | POLLWRNORM);
		arm(file);
		make_candidate(interest);
	}
	pthread_mutex_unlock(&lock);
}

void
epoll_begin_anew(void)
{
	struct interest *interest;
	struct epoll *epoll;

	pthread_mutex_lock(&lock);
	LIST_FOREACH (epoll, &epolls, entry)
		TAILQ_FOREACH (interest, &epoll->all, by_epoll) {
			interest->readable = 0;
			interest->events = 0;
			arm(interest->file);
			make_candidate(interest);
		}
	pthread_mutex_unlock(&lock);
}

void
epoll_hold(void)
{
	pthread_mutex_lock(&lock);
}

void
epoll_release(void)
{
	pthread_mutex_unlock(&lock);
}

void
epoll_reset(void)
{
	struct epoll *epoll;

	pthread_mutex_init(&lock, NULL);
	LIST_FOREACH (epoll, &epolls, entry)
		epoll->waiters = 0;
}

int
tern_epoll_create1(int flags)
{
	int fd = kernel.epoll_create1(flags), status;
	struct epoll *epoll;
	struct file *file;

	if (fd < 0)
		return -1;
	epoll = calloc(1, sizeof(*epoll));
	file = epoll == NULL ? NULL : file_make_plain();
	if (file == NULL) {
		free(epoll);
		kernel.close(fd);
		return tern_result(-ENOMEM);
	}
	TAILQ_INIT(&epoll->all);
	TAILQ_INIT(&epoll->ready);
	epoll->file = file;
	file->epoll = epoll;
	pthread_mutex_lock(&lock);
	LIST_INSERT_HEAD(&epolls, epoll, entry);
	pthread_mutex_unlock(&lock);
	status = file_install_at(file, fd);
	if (status < 0) {
		file_put(file);
		kernel.close(fd);
	}
	return tern_result(status < 0 ? status : fd);
}

/* ---- epoll_ctl */

/* Under the lock. */
static struct interest *
find(const struct epoll *epoll, const struct file *file, int fd)
{
	struct interest *interest;

	LIST_FOREACH (interest, &file->interests, by_file)
		if (interest->epoll == epoll && interest->fd == fd)
			return interest;
	return NULL;
}

static int
add(struct epoll *epoll, struct file *file, int fd, const struct epoll_event *event)
{
	struct interest *interest;

	if (find(epoll, file, fd) != NULL)
		return -EEXIST;
	interest = calloc(1, sizeof(*interest));
	if (interest == NULL)
		return -ENOMEM;
	interest->epoll = epoll;
	interest->file = file;
	interest->fd = fd;
	interest->event = *event;
	interest->event.events |= EPOLLERR | EPOLLHUP;
	TAILQ_INSERT_TAIL(&epoll->all, interest, by_epoll);
	LIST_INSERT_HEAD(&file->interests, interest, by_file);
	arm(file);
	if (holds(interest) != 0)
		make_candidate(interest); /* in the order in which they become ready */
	return 0;
}

static int
control(struct epoll *epoll, int operation, struct file *file, int fd,
	const struct epoll_event *event)
{
	struct interest *interest = find(epoll, file, fd);

	if (operation == EPOLL_CTL_ADD)
		return event == NULL ? -EFAULT : add(epoll, file, fd, event);
	if (operation != EPOLL_CTL_MOD && operation != EPOLL_CTL_DEL)
		return -EINVAL;
	if (interest == NULL)
		return -ENOENT;
	if (operation == EPOLL_CTL_DEL) {
		remove_interest(interest);
		return 0;
	}
	if (event == NULL)
		return -EFAULT;
	if ((event->events & EPOLLEXCLUSIVE) || (interest->event.events & EPOLLEXCLUSIVE))
		return -EINVAL;
	interest->event = *event;
	interest->event.events |= EPOLLERR | EPOLLHUP;
	interest->readable = 0;
	interest->events = 0;
	arm(file);
	if (holds(interest) != 0)
		make_candidate(interest); /* in the order in which they become ready */
	return 0;
}

int
tern_epoll_ctl(int epfd, int operation, int fd, struct epoll_event *event)
{
	struct file *set = file_get(epfd), *file = file_get(fd);
	int status = 0;

	if (set == NULL || set->epoll == NULL) {
		status = set == NULL ? -EBADF : -EINVAL;
	} else if (file == NULL || file->epoll != NULL || file->side != FILE_TERN) {
		if (operation == EPOLL_CTL_ADD)
			__atomic_store_n(&set->epoll->has_kernel, true, __ATOMIC_RELAXED);
		if (operation == EPOLL_CTL_ADD && file != NULL && file->epoll != NULL)
			set->epoll->has_sets = true;
		status = kernel.epoll_ctl(epfd, operation, fd, event) < 0 ? -errno : 0;
	}
	if (status == 0 && file != NULL) {
		pthread_mutex_lock(&lock);
		status = control(set->epoll, operation, file, fd, event);
		pthread_mutex_unlock(&lock);
		if (status == 0 && operation != EPOLL_CTL_DEL)
			wait_look_again();
	}
	if (set != NULL)
		file_put(set);
	if (file != NULL)
		file_put(file);
	return tern_result(status);
}

/* ---- epoll_wait */

bool
epoll_is_ready(struct file *file)
{
	bool ready;

	pthread_mutex_lock(&lock);
	drain();
	ready = has_candidate(file->epoll);
	pthread_mutex_unlock(&lock);
	return ready;
}

static bool
is_ready(void *arg)
{
	struct epoll *epoll = arg;

	return epoll_is_ready(epoll->file);
}

/* A set within the set may have something of both kinds to tell: that is one event. */
static int
merge(struct epoll_event *events, int n, int others)
{
	int all = n;

	for (int i = n; i < n + others; i++) {
		int j = 0;

		while (j < n && events[j].data.u64 != events[i].data.u64)
			j++;
		if (j < n)
			events[j].events |= events[i].events;
		else
			events[all++] = events[i];
	}
	return all;
}

/* What there is now, Tern's and, if it is worth a look, the kernel's. */
static int
take_all(struct epoll *epoll, int epfd, struct epoll_event *events, int n, bool look)
{
	int found, others = 0;

	pthread_mutex_lock(&lock);
	drain();
	found = collect(epoll, events, n);
	pthread_mutex_unlock(&lock);
	if (look && found < n && __atomic_load_n(&epoll->has_kernel, __ATOMIC_RELAXED))
		others = kernel.epoll_wait(epfd, events + found, n - found, 0);
	if (others <= 0)
		return found;
	return epoll->has_sets ? merge(events, found, others) : found + others;
}

static void
count_waiter(struct epoll *epoll, int n)
{
	pthread_mutex_lock(&lock);
	epoll->waiters += (unsigned int)n;
	pthread_mutex_unlock(&lock);
}

/* A wait is left for good. */
static void
abandon_set(void *held)
{
	struct file *set = held;

	count_waiter(set->epoll, -1);
	file_put_held(set);
}

static int
wait_in(struct file *set, int epfd, struct epoll_event *events, int n, int64_t deadline_ns,
	const sigset_t *mask)
{
	struct pollfd fd = {.fd = epfd, .events = POLLIN, .revents = POLLIN};
	struct epoll *epoll = set->epoll;

	for (;;) {
		struct wait wait = {.ready = is_ready,
				    .arg = epoll,
				    .fds = &fd,
				    .n_fds = 1, /* it may get its first member meanwhile */
				    .deadline_ns = deadline_ns,
				    .sigmask = mask,
				    .abandon = abandon_set,
				    .held = set};
		/* Once it has slept it knows whether the kernel has something. */
		int found = take_all(epoll, epfd, events, n, fd.revents != 0), status;

		if (found > 0)
			return found;
		fd.revents = 0;
		count_waiter(set->epoll, 1);
		status = wait_for(&wait);
		count_waiter(set->epoll, -1);
		if (status < 0)
			return status == -ETIMEDOUT ? 0 : status;
	}
}

int
epoll_wait_until(int epfd, struct epoll_event *events, int n, int64_t deadline_ns,
		 const sigset_t *mask)
{
	struct file *set;
	int status;

	pthread_testcancel();
	set = file_get(epfd);
	if (set == NULL)
		return -EBADF;
	if (set->epoll == NULL || n <= 0)
		status = -EINVAL;
	else
		status = wait_in(set, epfd, events, n, deadline_ns, mask);
	file_put(set);
	return status;
}

int
tern_epoll_pwait(int epfd, struct epoll_event *events, int n, int timeout_ms, const sigset_t *mask)
{
	int64_t deadline_ns = WAIT_FOREVER;

	if (timeout_ms >= 0)
		deadline_ns = wait_now_ns() + timeout_ms * INT64_C(1000000);
	return tern_result(epoll_wait_until(epfd, events, n, deadline_ns, mask));
}

int
tern_epoll_wait(int epfd, struct epoll_event *events, int n, int timeout_ms)
{
	return tern_epoll_pwait(epfd, events, n, timeout_ms, NULL);
}

int
tern_epoll_pwait2(int epfd, struct epoll_event *events, int n, const struct timespec *timeout,
		  const sigset_t *mask)
{
	int64_t deadline_ns = wait_limit_ns(timeout);

	if (deadline_ns < 0)
		return tern_result(-EINVAL);
	return tern_result(epoll_wait_until(epfd, events, n, deadline_ns, mask));
}
