/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Attaching and detaching; see programs.h.
 *
 * An arena is a memfd of ordinary pages, sealed against a change of its size. Its owner can punch
 * holes into it, which come back as zeros; should a page not come back at all, because memory is
 * short, the kernel sends SIGBUS to whoever touched it. The handler puts anonymous memory in the
 * page's place, so that the lane goes on, and notes whose arena it was.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "dataplane/log.h"
#include "dataplane/programs.h"
#include "dataplane/programs_log.h"
#include "dataplane/rights.h"

enum {
	MAX_PROGRAMS = 1024,
	RINGS = 8, /* of each lane and program */
	REPLIES = 64,
	PAYLOADS = 16 + 1, /* that a program fills in at once, and one of libtern's */
	EVENTS = 16,       /* looked at in one go */
	/* Of the epoll instance, besides places in the table. */
	FAULT_EVENT = MAX_PROGRAMS,
	JOURNAL_TIMER,
};

struct program {
	bool used;
	struct ucred who;
	bool may_repair;
	int channel;
	int memfd;
	int doorbell;
	int bell; /* with which it wakes lanes */
	uint8_t *arena;
	size_t bytes;
	struct gateway_program *parts[CONFIG_MAX_LANES];
};

struct programs {
	struct programs_config config;
	int epoll;
	int journal_timer; /* a gateway's journal has lines */
	unsigned int n;
	struct programs_log log;
	struct program *table; /* config.max_programs */
};

/* ---- Pages that do not come back */

/* Read by the SIGBUS handler, in any thread. */
static struct {
	uint8_t *arena; /* atomic; NULL: none */
	size_t bytes;
	int spoiled; /* atomic */
} arenas[MAX_PROGRAMS];

static int spoiled_event = -1;

static void
take_sigbus(int number, siginfo_t *info, void *context)
{
	uint8_t *at = info->si_addr;
	long page = sysconf(_SC_PAGESIZE);

	(void)context;
	for (size_t i = 0; i < MAX_PROGRAMS; i++) {
		uint8_t *arena = __atomic_load_n(&arenas[i].arena, __ATOMIC_ACQUIRE);

		if (arena == NULL || at < arena || at >= arena + arenas[i].bytes)
			continue;
		at = arena + (at - arena) / page * page;
		if (mmap(at, (size_t)page, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED)
			break;
		__atomic_store_n(&arenas[i].spoiled, 1, __ATOMIC_RELEASE);
		eventfd_write(spoiled_event, 1);
		return;
	}
	/* Not an arena's: as if nobody had looked. */
	signal(number, SIG_DFL);
}

/* ---- Making and ending a program */

/* The memory, with its header filled in. Returns 0, or -1 with errno. */
static int
make_arena(struct program *program, const struct programs *programs, struct shm_header *header)
{
	const int seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
	struct shm_layout layout;

	*header = (struct shm_header){
		.version = SHM_VERSION,
		.lanes = programs->config.n_lanes,
		.rings = RINGS,
		.sockets = programs->config.sockets,
		.blocks = programs->config.blocks,
		.replies = REPLIES,
		.payloads = PAYLOADS,
		.prefixes = programs->config.n_prefixes,
		.peers = programs->config.peers,
	};
	shm_lay_out(header, &layout);
	header->bytes = layout.bytes;
	program->memfd = memfd_create("tern", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (program->memfd < 0 || ftruncate(program->memfd, (off_t)layout.bytes) < 0 ||
	    fcntl(program->memfd, F_ADD_SEALS, seals) < 0)
		return -1;
	program->arena =
		mmap(NULL, layout.bytes, PROT_READ | PROT_WRITE, MAP_SHARED, program->memfd, 0);
	if (program->arena == MAP_FAILED) {
		program->arena = NULL;
		return -1;
	}
	program->bytes = layout.bytes;
	memcpy(program->arena, header, sizeof(*header));
	if (header->prefixes > 0)
		memcpy(program->arena + layout.prefixes, programs->config.prefixes,
		       header->prefixes * sizeof(struct shm_prefix));
	return 0;
}

/* What the lanes know nothing of (any more). */
static void
free_program(struct programs *programs, struct program *program)
{
	size_t index = (size_t)(program - programs->table);

	for (unsigned int i = 0; i < programs->config.n_lanes; i++)
		gateway_program_destroy(program->parts[i]);
	__atomic_store_n(&arenas[index].arena, NULL, __ATOMIC_RELEASE);
	if (program->arena != NULL)
		munmap(program->arena, program->bytes);
	if (program->memfd >= 0)
		close(program->memfd);
	if (program->doorbell >= 0)
		close(program->doorbell);
	if (program->bell >= 0)
		close(program->bell);
	if (program->channel >= 0)
		close(program->channel);
	*program = (struct program){.channel = -1, .memfd = -1, .doorbell = -1, .bell = -1};
	programs->n--;
}

/* Has a lane do something with a program's part. Returns 0, or -1 if it does not answer. */
static int
ask(const struct programs *programs, unsigned int lane, enum lane_request_kind kind,
    const struct program *program, const struct program *from)
{
	struct lane_request *request = lane_request_make(kind);

	if (request == NULL)
		return -1;
	request->program = program->parts[lane];
	request->share_from = from != NULL ? from->parts[lane] : NULL;
	request->bell = program->bell;
	if (lane_ask(programs->config.lanes[lane], request) < 0)
		return -1;
	free(request);
	return 0;
}

/* A lane that has stopped holds nothing of it any more that anybody will touch. */
static void
detach(struct programs *programs, struct program *program, const char *why)
{
	bool safe = true;

	if (why != NULL)
		log_line("process %d is detached: %s", (int)program->who.pid, why);
	if (program->channel >= 0)
		epoll_ctl(programs->epoll, EPOLL_CTL_DEL, program->channel, NULL);
	for (unsigned int i = 0; i < programs->config.n_lanes; i++) {
		struct lane *lane = programs->config.lanes[i];

		if (program->parts[i] != NULL && ask(programs, i, ASK_DETACH, program, NULL) < 0 &&
		    !lane_has_stopped(lane))
			safe = false;
	}
	if (safe) {
		free_program(programs, program);
	} else {
		log_line("a lane does not answer: process %d's memory is not given back",
			 (int)program->who.pid);
		if (program->channel >= 0)
			close(program->channel);
		program->channel = -1;
	}
}

/* Also bounds what forks share and nobody takes up: those have no end but their channel's, since a
 * child that has been stopped may come to it any time. Returns NULL with *error. */
static struct program *
free_entry(struct programs *programs, uid_t uid, const char **error)
{
	struct program *found = NULL;
	uint32_t of_user = 0;

	for (uint32_t i = 0; i < programs->config.max_programs; i++) {
		if (!programs->table[i].used)
			found = &programs->table[i];
		else if (programs->table[i].who.uid == uid)
			of_user++;
	}
	*error = "as many programs are attached as [limits] programs allows";
	if (programs->config.max_of_user == 0 || of_user < programs->config.max_of_user)
		return found;
	*error = "as many programs of this user are attached as [limits] user_programs allows";
	return NULL;
}

/*
 * A program with its arena and its parts, whose user and rights are those of `like`; with
 * references to another's sockets, if that is given.
 */
static struct program *
make_program(struct programs *programs, const struct program *like, int channel,
	     const struct program *from, const char **error)
{
	struct program *program = free_entry(programs, like->who.uid, error);
	struct epoll_event event = {.events = EPOLLIN};
	struct shm_header header;
	size_t index;

	if (program == NULL)
		return NULL;
	index = (size_t)(program - programs->table);
	*program = (struct program){.used = true,
				    .who = like->who,
				    .may_repair = like->may_repair,
				    .channel = -1,
				    .memfd = -1};
	programs->n++;
	program->doorbell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	program->bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	*error = "no memory for another program";
	if (program->doorbell < 0 || program->bell < 0 ||
	    make_arena(program, programs, &header) < 0)
		goto failed;
	arenas[index].bytes = program->bytes;
	arenas[index].spoiled = 0;
	__atomic_store_n(&arenas[index].arena, program->arena, __ATOMIC_RELEASE);
	for (unsigned int i = 0; i < header.lanes; i++) {
		program->parts[i] = gateway_program_create(program->arena, &header, i,
							   program->doorbell, like->who.uid);
		if (program->parts[i] == NULL)
			goto failed;
		gateway_program_set_user(program->parts[i], like->who.uid, like->may_repair);
		gateway_program_set_pid(program->parts[i], like->who.pid);
	}
	event.data.u32 = (uint32_t)index;
	if (epoll_ctl(programs->epoll, EPOLL_CTL_ADD, channel, &event) < 0)
		goto failed;
	program->channel = channel;
	*error = "a lane does not answer";
	for (unsigned int i = 0; i < header.lanes; i++) {
		if (ask(programs, i, ASK_ATTACH, program, from) == 0)
			continue;
		epoll_ctl(programs->epoll, EPOLL_CTL_DEL, channel, NULL);
		program->channel = -1; /* remains the caller's */
		detach(programs, program, *error);
		return NULL;
	}
	return program;
failed:
	free_program(programs, program);
	return NULL;
}

/* Makes a channel and a program at its end. Returns the other end, or -1. */
static int
open_channel(struct programs *programs, const struct program *like, const struct program *from,
	     const char **error)
{
	const int on = 1;
	int ends[2];

	*error = "no descriptors for another program";
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) < 0)
		return -1;
	/* With what a program says comes who it is. */
	if (setsockopt(ends[0], SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) < 0 ||
	    make_program(programs, like, ends[0], from, error) == NULL) {
		close(ends[0]);
		close(ends[1]);
		return -1;
	}
	return ends[1];
}

int
programs_attach(struct programs *programs, int fd, const struct ucred *who, const char **error)
{
	struct program like = {.who = *who};

	like.may_repair = rights_of_peer(fd, who, programs->config.repair_group);
	return open_channel(programs, &like, NULL, error);
}

void
programs_set_prefixes(struct programs *programs, unsigned int n)
{
	programs->config.n_prefixes = n;
}

unsigned int
programs_count(const struct programs *programs)
{
	return programs->n;
}

/* ---- Channels */

static void
say(int channel, uint32_t op, int error, const int *fds, unsigned int n)
{
	struct shm_message message = {.version = SHM_VERSION, .op = op, .error = error};
	struct iovec iov = {.iov_base = &message, .iov_len = sizeof(message)};
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(3 * sizeof(int))];
	} control = {0};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};

	if (n > 0) {
		struct cmsghdr *cmsg;

		msg.msg_control = control.bytes;
		msg.msg_controllen = CMSG_SPACE(n * sizeof(int));
		cmsg = CMSG_FIRSTHDR(&msg);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(n * sizeof(int));
		memcpy(CMSG_DATA(cmsg), fds, n * sizeof(int));
	}
	sendmsg(channel, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void
share(struct programs *programs, struct program *program)
{
	const char *error;
	int end = open_channel(programs, program, program, &error);

	if (end < 0) {
		log_line("process %d forks or executes, and its sockets cannot be shared: %s",
			 (int)program->who.pid, error);
		say(program->channel, SHM_SHARE, -ENOMEM, NULL, 0);
		return;
	}
	say(program->channel, SHM_SHARE, 0, &end, 1);
	close(end);
}

/*
 * Whoever made the channel may have handed it to its child, which may have given up its user or its
 * groups, or has done so itself since. It can have less than its parent had, but not more: who
 * finds such a channel among its descriptors and writes to it shall lend nobody its rights.
 */
static void
take_up(const struct programs *programs, struct program *program, pid_t pid,
	const struct ucred *sender)
{
	gid_t group = programs->config.repair_group;

	program->may_repair = program->may_repair && rights_of_sender(sender, group);
	if (program->who.uid == 0)
		program->who.uid = sender->uid;
	if (pid > 0)
		program->who.pid = pid;
	for (unsigned int i = 0; i < programs->config.n_lanes; i++) {
		gateway_program_set_user(program->parts[i], program->who.uid, program->may_repair);
		gateway_program_set_pid(program->parts[i], program->who.pid);
	}
}

/* Reads a message, and who has sent it. Returns as recv() does: the length of what was said. */
static ssize_t
receive(int channel, struct shm_message *message, struct ucred *sender)
{
	struct iovec iov = {.iov_base = message, .iov_len = sizeof(*message)};
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(struct ucred))];
	} control = {0};
	struct msghdr msg = {.msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = control.bytes,
			     .msg_controllen = sizeof(control.bytes)};
	ssize_t n = recvmsg(channel, &msg, MSG_DONTWAIT | MSG_TRUNC | MSG_CMSG_CLOEXEC);
	struct cmsghdr *cmsg = n < 0 ? NULL : CMSG_FIRSTHDR(&msg);

	/* Nobody. There is no room for descriptors: they are closed. */
	*sender = (struct ucred){.uid = (uid_t)-1, .gid = (gid_t)-1};
	if (cmsg != NULL && cmsg->cmsg_level == SOL_SOCKET && cmsg->cmsg_type == SCM_CREDENTIALS &&
	    cmsg->cmsg_len == CMSG_LEN(sizeof(*sender)))
		memcpy(sender, CMSG_DATA(cmsg), sizeof(*sender));
	return n;
}

/* One message of a program. Returns why it is to be detached, NULL if it is not. */
static const char *
take_message(struct programs *programs, struct program *program)
{
	struct shm_message message;
	struct ucred sender;
	ssize_t n = receive(program->channel, &message, &sender);
	int fds[3] = {program->memfd, program->doorbell, program->bell};

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return NULL;
	if (n <= 0)
		return "";
	if (n != sizeof(message))
		return "its channel says what no program says";
	if (message.version != SHM_VERSION)
		return "its libtern is of another version than ternd";
	switch (message.op) {
	case SHM_HELLO:
		take_up(programs, program, message.pid, &sender);
		say(program->channel, SHM_HELLO, 0, fds, 3);
		return NULL;
	case SHM_SHARE:
		share(programs, program);
		return NULL;
	case SHM_RIGHTS:
		take_up(programs, program, 0, &sender);
		say(program->channel, SHM_RIGHTS, 0, NULL, 0);
		return NULL;
	default:
		return "its channel says what no program says";
	}
}

/* Why a program is to be detached by what its lanes or its memory say. */
static const char *
fault_of(const struct programs *programs, const struct program *program)
{
	const char *fault;

	if (__atomic_load_n(&arenas[program - programs->table].spoiled, __ATOMIC_ACQUIRE))
		return "pages of its arena are gone";
	for (unsigned int i = 0; i < programs->config.n_lanes; i++) {
		fault = gateway_program_fault(program->parts[i]);
		if (fault != NULL)
			return fault;
	}
	return NULL;
}

static void
look_for_faults(struct programs *programs)
{
	eventfd_t n;

	eventfd_read(programs->config.fault_event, &n);
	for (uint32_t i = 0; i < programs->config.max_programs; i++) {
		struct program *program = &programs->table[i];
		const char *why;

		if (!program->used || program->channel < 0)
			continue;
		why = fault_of(programs, program);
		if (why == NULL)
			continue;
		say(program->channel, SHM_BYE, -EPROTO, NULL, 0);
		detach(programs, program, why);
	}
}

static void
read_journals(struct programs *programs)
{
	struct gateway *gateways[CONFIG_MAX_LANES];
	uint64_t n;

	if (read(programs->journal_timer, &n, sizeof(n)) < 0 && errno != EAGAIN)
		log_line("the journals' timer: %s", strerror(errno));
	for (unsigned int i = 0; i < programs->config.n_lanes; i++)
		gateways[i] = programs->config.lanes[i]->gateway;
	programs_log_moves(&programs->log, gateways, programs->config.n_lanes);
}

void
programs_run(struct programs *programs)
{
	struct epoll_event events[EVENTS];
	int n = epoll_wait(programs->epoll, events, EVENTS, 0);

	for (int i = 0; i < n; i++) {
		uint32_t index = events[i].data.u32;
		const char *why;

		if (index == FAULT_EVENT) {
			look_for_faults(programs);
			continue;
		}
		if (index == JOURNAL_TIMER) {
			read_journals(programs);
			continue;
		}
		if (!programs->table[index].used || programs->table[index].channel < 0)
			continue;
		why = take_message(programs, &programs->table[index]);
		if (why != NULL)
			detach(programs, &programs->table[index], why[0] != '\0' ? why : NULL);
	}
}

int
programs_fd(const struct programs *programs)
{
	return programs->epoll;
}

/* ---- All of it */

static void
tell_gateways(const struct programs *programs, int timer)
{
	for (unsigned int i = 0; i < programs->config.n_lanes; i++)
		gateway_journal_tells(programs->config.lanes[i]->gateway, timer);
}

static int
listen_to(const struct programs *programs, int fd, uint32_t index)
{
	struct epoll_event event = {.events = EPOLLIN, .data.u32 = index};

	return epoll_ctl(programs->epoll, EPOLL_CTL_ADD, fd, &event);
}

struct programs *
programs_open(const struct programs_config *config)
{
	struct sigaction action = {.sa_sigaction = take_sigbus, .sa_flags = SA_SIGINFO};
	struct programs *programs = calloc(1, sizeof(*programs));

	if (programs == NULL) {
		log_line("no memory for programs");
		return NULL;
	}
	programs->config = *config;
	programs->config.max_programs = RTE_MIN(config->max_programs, (uint32_t)MAX_PROGRAMS);
	programs->table = calloc(programs->config.max_programs, sizeof(*programs->table));
	programs->epoll = epoll_create1(EPOLL_CLOEXEC);
	programs->journal_timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	spoiled_event = config->fault_event;
	if (programs->table == NULL || programs->epoll < 0 || programs->journal_timer < 0 ||
	    listen_to(programs, config->fault_event, FAULT_EVENT) < 0 ||
	    listen_to(programs, programs->journal_timer, JOURNAL_TIMER) < 0 ||
	    sigaction(SIGBUS, &action, NULL) < 0) {
		log_line("programs cannot attach: %s", strerror(errno));
		programs_close(programs);
		return NULL;
	}
	tell_gateways(programs, programs->journal_timer);
	return programs;
}

void
programs_close(struct programs *programs)
{
	if (programs == NULL)
		return;
	for (uint32_t i = 0; programs->table != NULL && i < programs->config.max_programs; i++)
		if (programs->table[i].used)
			detach(programs, &programs->table[i], NULL);
	tell_gateways(programs, -1);
	if (programs->journal_timer >= 0) {
		read_journals(programs);
		close(programs->journal_timer);
	}
	signal(SIGBUS, SIG_DFL);
	if (programs->epoll >= 0)
		close(programs->epoll);
	free(programs->table);
	free(programs);
}
