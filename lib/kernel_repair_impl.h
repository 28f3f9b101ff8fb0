/* SPDX-License-Identifier: BSD-3-Clause */
/* What the files of kernel_repair.h share. */
#ifndef TERN_LIB_KERNEL_REPAIR_IMPL_H
#define TERN_LIB_KERNEL_REPAIR_IMPL_H

#include <stddef.h>
#include <stdint.h>

#include <linux/tcp.h>

#include "kernel_repair.h"

/* States, by their numbers in TCP_INFO; libc's header of them and Linux's exclude each other. */
enum kernel_state {
	KERNEL_ESTABLISHED = 1,
	KERNEL_SYN_SENT,
	KERNEL_SYN_RECV,
	KERNEL_FIN_WAIT1,
	KERNEL_FIN_WAIT2,
	KERNEL_TIME_WAIT,
	KERNEL_CLOSE,
	KERNEL_CLOSE_WAIT,
	KERNEL_LAST_ACK,
	KERNEL_LISTEN,
	KERNEL_CLOSING,
};

/* Values of TCP_REPAIR and TCP_REPAIR_QUEUE. */
enum {
	REPAIR_OFF_SILENTLY = -1,
	REPAIR_OFF,
	REPAIR_ON,
	QUEUE_NONE = 0,
	QUEUE_RECV,
	QUEUE_SEND,
};

const char *kernel_state_name(unsigned int state);

/* Whether we have sent, or are to send, a FIN; whether the peer's has come. */
bool kernel_has_fin(unsigned int state);
bool kernel_has_peer_fin(unsigned int state);

/* Returns 0, or -1 with "WHAT: errno's text". */
int kernel_set(int fd, int level, int option, int value, const char *what, char *why);
int kernel_get(int fd, int level, int option, int *value, const char *what, char *why);

/* Says what failed, with errno. Returns -1. */
int kernel_failed(char *why, const char *what);

/* What users set of a socket: into an image, and from it. What fails is left as it is. */
void kernel_options_save(int fd, struct image_message *message, struct image_rows *rows);
void kernel_options_load(int fd, const struct image_message *message,
			 const struct image_rows *rows);

/* A segment that the peer could have sent. */
struct kernel_segment {
	uint32_t seq, ack;
	uint16_t window;
	bool fin;
};

/* Hands a segment from ends->remote to the kernel's own ends->local. */
int kernel_inject(const struct endpoints *ends, const struct kernel_segment *segment, char *why);

#endif
