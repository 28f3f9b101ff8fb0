/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The generator's connections: what they send, and what they make of what comes.
 *
 * Requests and answers are counted in bytes, whatever is in them. The time of a request runs from
 * the clock read at which it was queued (crr, fastopen: from its connect()) to that at which the
 * last byte of its answer was read; a request that follows an answer starts with the answer's clock
 * read, so that one costs one.
 *
 *     stamps of a connection, plan.pipeline of them, a ring:   | oldest ... waiting |
 *
 * Requests are queued from run->text: by copy if they are small, else by reference. Those of
 * fastopen begin in the SYN, as far as that takes them; what became of it is known with the
 * SYN-ACK.
 */
#include <errno.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <string.h>

#include <rte_cycles.h>

#include "dataplane/bench_impl.h"

static uint64_t *
stamps_of(const struct bench_flow *flow)
{
	return &flow->run->stamps[(size_t)flow->index * flow->run->plan.pipeline];
}

/* ---- Sending */

/* So many bytes of the text were queued. */
static void
queued(struct bench_flow *flow, uint64_t bytes)
{
	struct bench_run *run = flow->run;

	run->counts.bytes_out += bytes;
	flow->at += (uint32_t)bytes;
	if (flow->unsent != UINT64_MAX)
		flow->unsent -= bytes;
	/* All requests look alike: a new one may begin where the first did. */
	if (flow->at == run->text_bytes || flow->unsent == 0)
		flow->at = run->lead_bytes;
}

/* Queues what there is room for; writable() comes when there is more. */
static void
push(struct tern_service_conn *conn, struct bench_flow *flow)
{
	struct bench_run *run = flow->run;

	while (flow->unsent > 0) {
		uint64_t n = run->text_bytes - flow->at;
		ssize_t took;

		if (n > flow->unsent)
			n = flow->unsent;
		if (n <= BENCH_COPY_BYTES)
			took = tern_service_send(conn, run->text + flow->at, n, 0);
		else
			took = tern_service_send_memory(conn, run->memory, flow->at, n, 0, NULL,
							NULL);
		if (took <= 0)
			return;
		queued(flow, (uint64_t)took);
		if ((uint64_t)took < n)
			return;
	}
}

static void
request(struct tern_service_conn *conn, struct bench_flow *flow, unsigned int n, uint64_t now)
{
	const struct bench_plan *plan = &flow->run->plan;
	uint64_t *stamps = stamps_of(flow);
	unsigned int at = flow->oldest + flow->waiting;

	for (unsigned int i = 0; i < n; i++, at++)
		stamps[at < plan->pipeline ? at : at - plan->pipeline] = now;
	flow->waiting = (uint16_t)(flow->waiting + n);
	flow->unsent += (uint64_t)n * plan->request_bytes;
	push(conn, flow);
}

static void
begin_stream(struct tern_service_conn *conn, struct bench_flow *flow)
{
	if (flow->run->plan.up)
		flow->unsent = UINT64_MAX;
	push(conn, flow);
}

/* Counts what became of a SYN that was to carry a request. */
static void
count_syn(struct tern_service_conn *conn, struct bench_counts *counts)
{
	struct tcp_info info;
	size_t bytes = sizeof(info);

	if (tern_service_getsockopt(conn, IPPROTO_TCP, TCP_INFO, &info, &bytes) < 0)
		return;
	if ((info.tcpi_options & TCPI_OPT_SYN_DATA) != 0)
		counts->syn_data++;
	else if (info.tcpi_fastopen_client_fail == TFO_COOKIE_UNAVAILABLE)
		counts->cookies_asked++;
}

void
bench_flow_connected(struct tern_service_conn *conn, struct bench_flow *flow)
{
	struct bench_run *run = flow->run;

	flow->connected = true;
	bench_run_opened(run, conn);
	if (run->plan.workload == BENCH_FASTOPEN) { /* its request is under way */
		count_syn(conn, &run->counts);
		push(conn, flow);
		return;
	}
	if (run->plan.workload == BENCH_IDLE || run->phase >= BENCH_CLOSING)
		return;
	flow->unsent = run->lead_bytes;
	flow->due = run->plan.answer_bytes;
	if (run->plan.workload == BENCH_STREAM)
		begin_stream(conn, flow);
	else if (run->plan.workload == BENCH_RR)
		request(conn, flow, run->plan.pipeline, rte_rdtsc());
	else /* crr: its stamp is there since it connects */
		request(conn, flow, 1, stamps_of(flow)[0]);
}

void
bench_flow_writable(struct tern_service_conn *conn, struct bench_flow *flow)
{
	push(conn, flow);
}

/* ---- Receiving */

/* Bytes came that end an answer at least. */
static void
answered(struct tern_service_conn *conn, struct bench_flow *flow, uint64_t bytes)
{
	struct bench_run *run = flow->run;
	const struct bench_plan *plan = &run->plan;
	const uint64_t *stamps = stamps_of(flow);
	uint64_t now = rte_rdtsc();
	unsigned int n = 0;

	for (; bytes >= flow->due && n < flow->waiting; n++) {
		uint64_t since = stamps[flow->oldest];

		bytes -= flow->due;
		flow->due = plan->answer_bytes;
		if (++flow->oldest == plan->pipeline)
			flow->oldest = 0;
		bench_hist_add(&run->latency, now > since ? now - since : 0);
	}
	flow->waiting = (uint16_t)(flow->waiting - n);
	run->counts.requests += n;
	if (bytes > 0 && flow->waiting == 0) { /* the peer says more than it was asked */
		bench_run_fail(run, EPROTO);
		return;
	}
	flow->due -= (uint32_t)bytes;
	if (bench_reconnects(plan->workload)) {
		flow->complete = true;
		if (!plan->server_closes)
			tern_service_close(conn);
	} else if (run->phase < BENCH_CLOSING) {
		request(conn, flow, n, now);
	}
}

void
bench_flow_readable(struct tern_service_conn *conn, struct bench_flow *flow)
{
	struct tern_service_data data;
	ssize_t queued = tern_service_peek(conn, 0, &data);
	uint64_t bytes;

	if (queued <= 0)
		return;
	bytes = tern_service_consume(conn, (size_t)queued);
	flow->run->counts.bytes_in += bytes;
	if (flow->due == 0) /* nothing is asked: a stream */
		return;
	if (bytes < flow->due)
		flow->due -= (uint32_t)bytes;
	else
		answered(conn, flow, bytes);
}

/* ---- Opening */

/* Has as much of the request go with the SYN as that takes. Returns 0 or a negative errno. */
static int
open_with_request(struct bench_run *run, struct tern_service_lane *lane, const struct sockaddr *to,
		  struct tern_service_conn **conn)
{
	ssize_t took = tern_service_connect_send(lane, to, NULL, run->text, run->text_bytes, conn);
	struct bench_conn *c;

	if (took < 0)
		return (int)took;
	c = tern_service_conn_state(*conn);
	c->flow.run = run;
	c->flow.unsent = (uint64_t)run->lead_bytes + run->plan.request_bytes;
	c->flow.due = run->plan.answer_bytes;
	c->flow.waiting = 1;
	queued(&c->flow, (uint64_t)took);
	return 0;
}

int
bench_flow_open(struct bench_run *run, struct tern_service_lane *lane, uint32_t index)
{
	struct sockaddr_storage to = run->plan.target;
	in_port_t *port = to.ss_family == AF_INET ? &((struct sockaddr_in *)&to)->sin_port
						  : &((struct sockaddr_in6 *)&to)->sin6_port;
	struct tern_service_conn *conn;
	struct bench_conn *c;
	int status;

	*port = htons((uint16_t)(ntohs(*port) + run->next_port));
	if (run->plan.workload == BENCH_FASTOPEN)
		status = open_with_request(run, lane, (const struct sockaddr *)&to, &conn);
	else
		status = tern_service_connect(lane, (const struct sockaddr *)&to, NULL, &conn);
	if (status < 0)
		return status;
	if (++run->next_port == run->plan.n_ports)
		run->next_port = 0;
	c = tern_service_conn_state(conn);
	c->role = BENCH_FLOW;
	c->flow.run = run;
	c->flow.index = index;
	run->conns[index] = conn;
	if (bench_reconnects(run->plan.workload))
		stamps_of(&c->flow)[0] = rte_rdtsc();
	return 0;
}
