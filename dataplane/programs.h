/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The programs that are attached: their channels, arenas and ends. The main thread's part of the
 * gateway.
 *
 * A program asks the control socket to attach and gets its channel, one end of a SOCK_SEQPACKET
 * pair (lib/shm.h); by the channel it gets the arena. The end of the channel is the end of the
 * program.
 *
 * A second channel for a child to come (SHM_SHARE) is a program too, with references to all sockets
 * of the first.
 */
#ifndef TERN_DATAPLANE_PROGRAMS_H
#define TERN_DATAPLANE_PROGRAMS_H

#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

#include "dataplane/lane.h"
#include "lib/shm.h"

struct programs;

struct programs_config {
	struct lane **lanes;
	unsigned int n_lanes;
	uint64_t peers; /* lanes that share the first one's networks, which are the programs' */
	uint32_t max_programs;
	uint32_t max_of_user;              /* programs of one user; 0: max_programs */
	gid_t repair_group;                /* whose members may set TCP_REPAIR; (gid_t)-1: none */
	uint32_t sockets;                  /* slots of each, on each lane; a power of 2 */
	uint32_t blocks;                   /* data blocks of each, on each lane */
	const struct shm_prefix *prefixes; /* what they are told of addresses */
	unsigned int n_prefixes;
	int fault_event; /* eventfd that the gateways write to */
};

/* Returns NULL after telling why. */
struct programs *programs_open(const struct programs_config *config);

/* To be watched for reading; then programs_run() does what there is to do. */
int programs_fd(const struct programs *programs);
void programs_run(struct programs *programs);

/*
 * Attaches a process, the other end of `fd`. Returns the channel's end for it, which the caller
 * sends and closes; or -1 with *error set to a static string.
 */
int programs_attach(struct programs *programs, int fd, const struct ucred *who, const char **error);

/* Has programs that attach from now on told of other prefixes; those that did before keep theirs.
 */
void programs_set_prefixes(struct programs *programs, unsigned int n);

unsigned int programs_count(const struct programs *programs);

/* Detaches all. Lanes must still run, or have ended. NULL is ignored. */
void programs_close(struct programs *programs);

#endif
