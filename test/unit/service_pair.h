/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Services on one engine, their clients on the other, and the wire of pair.h between them.
 *
 * The left side are the clients, plain sockets of the engine; the right side serves http on port
 * 80, with Fast Open, echo on 7, discard on 9 and chargen on 19, with files in a folder made for
 * the test.
 */
#ifndef TERN_TEST_SERVICE_PAIR_H
#define TERN_TEST_SERVICE_PAIR_H

#include "dataplane/service.h"
#include "dataplane/service_plugin.h"
#include "test/sim/pair.h"

enum {
	SERVICE_PAIR_IDLE_S = 60,
	SERVICE_PAIR_BIG = 200000, /* bytes of /big.bin: byte i is i * 7 + i / 251 */
	SERVICE_PAIR_CONNS = 64,
	SERVICE_PAIR_PORT = 7000, /* where a plugin listens */
};

struct service_pair {
	struct pair pair;
	struct config config;
	struct service_set *set;
	char root[64];
};

/* When connections of those started from now on are folded, tcp_config's; 0: never. */
extern uint32_t service_pair_fold_after_ms;

/* tcp_config's fastopen of both sides from now on, with which the plugin listens, too; 0: as
 * clients that set TCP_FASTOPEN_NO_COOKIE need it, and the plugin without. */
extern uint16_t service_pair_fastopen;

void service_pair_start(struct service_pair *b);

/* The same with one service more, on SERVICE_PAIR_PORT. */
void service_pair_start_with(struct service_pair *b, struct service_plugin *plugin);

/* Takes all down again; false if anything is missing. Clients must be closed. */
bool service_pair_end(struct service_pair *b);

/* Lets virtual time pass, with an iteration of the lane each millisecond. */
void service_pair_run(struct service_pair *b, uint64_t ms);

/* A client connected to a port. */
struct tcp_conn *service_pair_connect(struct service_pair *b, uint16_t port);

/* Sends all of it, running as long as needed. */
void service_pair_send(struct service_pair *b, struct tcp_conn *c, const void *data, size_t bytes);

/*
 * Reads until `bytes` came, the stream ended, or no byte came for a virtual second. Returns how
 * many came; *end, if not NULL: 0 nothing more came, 1 the stream ended, or the negative error.
 */
size_t service_pair_read(struct service_pair *b, struct tcp_conn *c, void *buf, size_t bytes,
			 int *end);

/* A counter of a service's own; the service by its place: http is 0, a plugin 4. */
uint64_t service_pair_own(const struct service_pair *b, unsigned int service, const char *name);

struct service_stats service_pair_stats(const struct service_pair *b);

uint8_t service_pair_big_byte(size_t i);

/* Makes a file of a test's folder. */
void service_pair_file(const char *root, const char *name, const void *data, size_t bytes);

/* Makes a new folder; takes one away with all that is in it. */
void service_pair_make_root(char root[64]);
void service_pair_remove_root(const char *root);

#endif
