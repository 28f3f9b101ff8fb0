/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * [service bench]: a load generator inside a lane, and the server that it talks to.
 *
 * The server needs no more than `listen`. Who connects says in a greeting of BENCH_GREETING_BYTES
 * how many bytes a request has and how many its answer, and whether to send or to take an endless
 * stream. The generator gets its orders from the control socket (commands_bench.c): the main thread
 * makes a run for each lane, hands it over, reads how it goes, and takes it back.
 *
 *     greeting:  "tern bn1"  flags  request  answer  0      numbers little-endian
 *                    8         4       4        4    4      bytes
 *
 * A run's life, by the lane's own clock:
 *
 *     OPENING --all are open--> WARMING --warmup_us--> MEASURING --measure_us--> CLOSING --> DONE
 *        '-- no connection for patience_us, or one fails: error is set --------------^
 *
 * flood has no connections: it opens by finding the next hop (bench_flood.c).
 *
 * Who may call: bench_run_... are the main thread's; bench_start(), bench_read() and bench_end()
 * the lane's, for the main thread (ASK_BENCH). A run in a lane is the lane's alone.
 */
#ifndef TERN_DATAPLANE_BENCH_H
#define TERN_DATAPLANE_BENCH_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "dataplane/bench_hist.h"
#include "dataplane/service.h"

enum {
	BENCH_GREETING_BYTES = 24,
	BENCH_SOURCE = 1 << 0, /* greeting: the server sends without end */
	BENCH_CLOSE = 1 << 1,  /* greeting: the server closes after its first answer */
	BENCH_TEXT_BYTES = 4096,
	BENCH_SIZE_MAX = 1 << 30, /* of a request or an answer */
	BENCH_PIPELINE_MAX = 1024,
	/* Source ports of a flood: below those that connections are given. */
	BENCH_FLOOD_PORT = 1024,
	BENCH_FLOOD_PORTS = TCP_PORT_FIRST - BENCH_FLOOD_PORT,
	BENCH_FLOOD_HOSTS = 1 << 20,
	BENCH_FLOOD_FLOWS = 1 << 24,
	BENCH_FLOOD_RATE = 100000000,
};

enum bench_workload {
	BENCH_RR,       /* request, answer, request, ... on connections that stay */
	BENCH_CRR,      /* a connection for each request */
	BENCH_STREAM,   /* bytes without end, up, down, or both */
	BENCH_IDLE,     /* connections that are open, and nothing else */
	BENCH_FASTOPEN, /* a connection for each request, which is in its SYN */
	BENCH_FLOOD,    /* segments of many flows, without connections */
};

/* Of a flood. */
enum bench_segments {
	BENCH_SYN,
	BENCH_ACK,  /* of connections that nobody has */
	BENCH_DATA, /* likewise, with request_bytes of data */
};

enum bench_phase {
	BENCH_OPENING,
	BENCH_WARMING,
	BENCH_MEASURING,
	BENCH_CLOSING,
	BENCH_DONE,
};

/* What one lane is to do. */
struct bench_plan {
	enum bench_workload workload;
	struct sockaddr_storage target;
	uint16_t n_ports;     /* of the target, from its port on, taken in turn */
	uint32_t connections; /* open at a time */
	uint32_t pipeline;    /* requests under way on each, 1 at least */
	uint32_t request_bytes, answer_bytes;
	bool greets;        /* the peer is a [service bench] */
	bool server_closes; /* crr, fastopen */
	bool up, down;      /* stream */
	/* flood: of `flows` flows each flow_step-th, from flow_first on, is this lane's. */
	enum bench_segments segments;
	uint32_t flows, flow_first, flow_step;
	uint64_t rate;       /* segments a second; 0: as many as can be */
	struct ip_addr from; /* the first of from_hosts source addresses; 0: our own one */
	uint32_t from_hosts;
	uint64_t warmup_us, measure_us, patience_us;
};

/* All of the time that is measured. */
struct bench_counts {
	uint64_t requests;  /* that were answered */
	uint64_t connects;  /* connections that came about */
	uint64_t bytes_in;  /* that were read */
	uint64_t bytes_out; /* that were queued */
	uint64_t errors;    /* connections that ended otherwise than they should */
	uint64_t no_port;   /* times that no source port was free */
	/* Of the connects of fastopen; of the rest the server did not take what the SYN carried, or
	 * it carried nothing, for the guard against black holes was up. */
	uint64_t syn_data;      /* whose SYN-ACK acknowledged what the SYN carried of the request */
	uint64_t cookies_asked; /* whose SYN only asked for a cookie */
	/* Of a flood, and answers to it at our own addresses. */
	uint64_t segments, synacks, rsts, others;
	uint64_t frames_in, frames_out, cycles_busy, turns; /* of the lane's loop */
	uint64_t frames_lost;                               /* that no device took; likewise */
};

struct bench_result {
	enum bench_workload workload;
	enum bench_phase phase;
	int error;        /* positive errno: why it ended early; 0: it did not */
	uint32_t open;    /* connections */
	uint32_t most;    /* that were open at once; fastopen: under way */
	uint64_t open_us; /* that it took until all were open */
	uint64_t measured_us;
	struct bench_counts counts;
	struct bench_hist latency; /* in ticks of the TSC */
};

struct bench_run;

/* Whether it has a connection for each request. */
static inline bool
bench_reconnects(enum bench_workload workload)
{
	return workload == BENCH_CRR || workload == BENCH_FASTOPEN;
}

/* Makes a run of a plan. NULL without memory. */
struct bench_run *bench_run_make(const struct bench_plan *plan);

/* Of a run that no lane has. NULL is ignored. */
void bench_run_free(struct bench_run *run);

/* Whether a lane's services have a [service bench]. */
bool bench_is_there(const struct service_set *set);

/* Begins. Returns 0; -EBUSY while another runs; -ENOENT without [service bench]. */
int bench_start(struct service_set *set, struct bench_run *run);

/* How far it is. Returns 0; -ENOENT if none was begun. */
int bench_read(const struct service_set *set, struct bench_result *result);

/*
 * Gives the run back in *run; NULL if there is none. Returns 0, or -EBUSY while it still has
 * connections: they are being closed, ask again.
 */
int bench_end(struct service_set *set, struct bench_run **run);

#endif
