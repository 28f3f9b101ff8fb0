/* SPDX-License-Identifier: BSD-3-Clause */
/* What the service bench (bench.c), its generator (bench_client.c, bench_flood.c, bench_run.c) and
 * its server (bench_server.c) share. */
#ifndef TERN_DATAPLANE_BENCH_IMPL_H
#define TERN_DATAPLANE_BENCH_IMPL_H

#include "dataplane/bench.h"
#include "dataplane/tern_service.h"

enum {
	BENCH_PATTERN_BYTES = 256 << 10, /* that streams and answers are sent from */
	/* Up to here copying costs less than a reference: see ARCHITECTURE.md. */
	BENCH_COPY_BYTES = 1500,
	BENCH_GREETINGS = 64, /* different ones that may be under way */
};

/* The service's. */
struct bench {
	struct tern_service_memory *pattern;
	uint32_t request_bytes; /* by configuration; 0: by greeting */
	uint32_t answer_bytes;
};

/* The service's in one lane. */
struct bench_lane {
	struct bench_run *run; /* NULL: none */
};

/* A connection of the server. */
struct bench_served {
	uint32_t flags; /* of the greeting */
	uint32_t request_bytes, answer_bytes;
	uint64_t have; /* bytes of a request that is not complete */
	uint64_t owed; /* bytes of answers that are not queued; UINT64_MAX: no end */
	bool greeted;
	bool closes; /* when it owes nothing */
};

/* A connection of the generator. */
struct bench_flow {
	struct bench_run *run;
	uint64_t unsent;  /* bytes of requests that are not queued; UINT64_MAX: no end */
	uint32_t index;   /* in run->conns */
	uint32_t at;      /* place in run->text of what is queued next */
	uint32_t due;     /* bytes that are missing of the answer under way */
	uint16_t oldest;  /* stamp of the request that is answered next */
	uint16_t waiting; /* requests that are not answered */
	bool connected;
	bool complete; /* crr, fastopen: it was answered */
};

enum bench_role {
	BENCH_SERVED = 1,
	BENCH_FLOW,
};

struct bench_conn {
	union {
		struct bench_served served;
		struct bench_flow flow;
	};
	uint8_t role;
};

/* What a flood has sent, and sends next. */
struct bench_flood {
	struct tcp_endpoint to;
	uint32_t flow, round; /* of the next segment */
	uint32_t first_seq;
	uint16_t last_port; /* of its sources */
	uint16_t data_sum;  /* the checksum of a segment's data, not inverted */
	uint64_t since_us;  /* the begin of this phase */
	uint64_t sent;      /* segments in this phase */
	uint64_t postponed; /* the loop's counter when it was looked at last */
};

struct bench_run {
	struct bench_plan plan;
	enum bench_phase phase;
	int error;
	uint32_t live;   /* connections, of any state */
	uint32_t open;   /* of those, connected */
	uint32_t most;   /* that were open at once; fastopen: that lived */
	uint32_t target; /* how many are to live */
	uint64_t opened; /* connections that came about since the begin */
	uint64_t due_us; /* the next phase, or patience ends */
	uint64_t begun_us;
	uint64_t open_us;
	uint64_t measuring_us; /* since when */
	uint64_t measured_us;
	uint32_t next_port;
	uint32_t n_free;
	uint32_t *free;                   /* indices of conns that are free; a stack */
	struct tern_service_conn **conns; /* by index; NULL: free */
	uint64_t *stamps;                 /* plan.pipeline for each connection */
	uint32_t closing;                 /* conns below are to be closed */
	uint32_t lead_bytes;              /* of text: a greeting, once on each connection */
	uint32_t text_bytes;
	const uint8_t *text;                /* lead, then requests */
	struct tern_service_memory *memory; /* the same, by reference */
	struct bench_counts counts, before;
	struct bench_flood flood;
	struct bench_hist latency;
};

/* ---- bench_run.c */

/* It came about; it is over. */
void bench_run_opened(struct bench_run *run, struct tern_service_conn *conn);
void bench_run_closed(struct bench_run *run, const struct bench_flow *flow, int error);

/* The run cannot go on. */
void bench_run_fail(struct bench_run *run, int error);

/* From now on it is measured; and until now. */
void bench_run_measure(struct bench_run *run, const struct service_set *set);
void bench_run_measured(struct bench_run *run, const struct service_set *set);

/* Once an iteration. Returns false when the run is done. */
bool bench_run_turn(struct bench_run *run, struct tern_service_lane *lane);

/* How it goes. */
void bench_run_read(const struct bench_run *run, const struct service_set *set,
		    struct bench_result *result);

/* ---- bench_client.c */

/* Opens one. Returns 0 or a negative errno. */
int bench_flow_open(struct bench_run *run, struct tern_service_lane *lane, uint32_t index);

void bench_flow_connected(struct tern_service_conn *conn, struct bench_flow *flow);
void bench_flow_readable(struct tern_service_conn *conn, struct bench_flow *flow);
void bench_flow_writable(struct tern_service_conn *conn, struct bench_flow *flow);

/* ---- bench_flood.c */

void bench_flood_begin(struct bench_run *run, struct service_set *set);
bool bench_flood_turn(struct bench_run *run, struct tern_service_lane *lane);

/* The run is about to be freed, in whatever phase. */
void bench_flood_end(struct service_set *set, const struct bench_run *run);

/* ---- bench_server.c */

void bench_serve(struct tern_service_conn *conn, struct bench_served *served);
void bench_served_readable(struct tern_service_conn *conn, struct bench_served *served);
void bench_served_writable(struct tern_service_conn *conn, struct bench_served *served);
void bench_served_ended(struct tern_service_conn *conn, struct bench_served *served);

#endif
