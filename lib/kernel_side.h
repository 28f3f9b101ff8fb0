/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The kernel's side of a hand-over: connections that it has, taken together, and given up together
 * or not at all.
 *
 *     kernel_side_take()             locked, in repair, dumped: nothing of them moves
 *     kernel_side_take_addresses()   their addresses leave their interface
 *     kernel_side_give_up()          Tern has them: they vanish here; or
 *     kernel_side_undo()             everything is as it was
 *
 * and connections that it gets:
 *
 *     kernel_side_restore()          locked, in repair
 *     kernel_side_resume()           they live; or
 *     kernel_side_undo()             they are gone without a packet
 *
 * Functions return 0, or -1 with a sentence in `why`.
 */
#ifndef TERN_LIB_KERNEL_SIDE_H
#define TERN_LIB_KERNEL_SIDE_H

#include "descriptors_of.h"
#include "kernel_address.h"
#include "kernel_repair.h"
#include "lock.h"

struct kernel_conn {
	struct kernel_frozen frozen;
	struct kernel_dump dump; /* of a restored one only the ends */
	struct image image;      /* of a restored one: points to the caller's bytes */
	int fd;                  /* of a restored one: ours; -1: none */
	bool is_frozen, is_dumped;
};

/* All zero at first. */
struct kernel_side {
	struct lock *lock;
	struct kernel_conn *conns; /* on the heap, as the others */
	unsigned int n;
	struct kernel_address *taken;
	unsigned int n_taken;
	union endpoint *added; /* addresses that an interface got */
	unsigned int n_added;
	const char *interface;
};

/* Moves the calling thread to the network namespace of the sockets: they must have one. */
int kernel_side_enter(const struct descriptors *descriptors, char *why);

/* The descriptors must stay open until the side is undone or given up. */
int kernel_side_take(struct kernel_side *side, const struct descriptors *descriptors, char *why);

/* Their images, one behind the other, in a sealed memfd. Returns it, or -1. */
int kernel_side_images(const struct kernel_side *side, char *why);

int kernel_side_take_addresses(struct kernel_side *side, const char *interface, char *why);

/* Goes on with what can be done, also where something fails. */
void kernel_side_undo(struct kernel_side *side);
int kernel_side_give_up(struct kernel_side *side, char *why);

/* ---- The way back */

/* Reads n bytes of images, which must stay. */
int kernel_side_read(struct kernel_side *side, const void *images, size_t n, char *why);
int kernel_side_lock(struct kernel_side *side, char *why);
int kernel_side_add_address(struct kernel_side *side, const char *interface,
			    const union endpoint *address, uint8_t prefix_len, char *why);
int kernel_side_restore(struct kernel_side *side, char *why);
int kernel_side_resume(struct kernel_side *side, char *why);

/* Frees what it holds; restored descriptors stay open. After undo, give_up or resume. */
void kernel_side_free(struct kernel_side *side);

#endif
