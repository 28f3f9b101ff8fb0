/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The commands of the load generator, which `tern bench` uses: bench-start, bench (how it goes) and
 * bench-end. One load at a time; each lane that takes part has its share of the connections, and
 * goes through its phases by itself: what they measured is added up here.
 *
 * A load is for root alone: it sends to whom it is told.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <rte_cycles.h>

#include "dataplane/commands.h"
#include "dataplane/config_values.h"
#include "dataplane/daemon.h"

enum {
	PATIENCE_MS = 5000,
	SECONDS_MAX = 86400,
};

static const char *const workloads[] = {
	[BENCH_RR] = "rr",     [BENCH_CRR] = "crr",           [BENCH_STREAM] = "stream",
	[BENCH_IDLE] = "idle", [BENCH_FASTOPEN] = "fastopen", [BENCH_FLOOD] = "flood",
};

static const char *const segments[] = {
	[BENCH_SYN] = "syn", [BENCH_ACK] = "ack", [BENCH_DATA] = "data"};

static const char *const phases[] = {[BENCH_OPENING] = "opening",
				     [BENCH_WARMING] = "warming",
				     [BENCH_MEASURING] = "measuring",
				     [BENCH_CLOSING] = "closing",
				     [BENCH_DONE] = "done"};

/* ---- What is asked */

/* A number in a range, or what stands for none. */
static bool
number(const json_t *request, const char *key, json_int_t least, json_int_t most, json_int_t none,
       json_int_t *n)
{
	const json_t *value = json_object_get(request, key);

	*n = value == NULL ? none : json_integer_value(value);
	return (value == NULL || json_is_integer(value)) && *n >= least && *n <= most;
}

static bool
read_target(const json_t *request, unsigned int index, struct bench_plan *plan)
{
	const json_t *list = json_object_get(request, "targets");
	size_t n = json_array_size(list);
	const char *text = n == 0 ? NULL : json_string_value(json_array_get(list, index % n));
	struct sockaddr_in *in = (struct sockaddr_in *)&plan->target;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&plan->target;
	struct tcp_endpoint to;

	if (text == NULL || config_endpoint(text, &to) != NULL ||
	    (ip_is_any(&to.ip) && !ip_is4(&to.ip)))
		return false;
	if (ip_is4(&to.ip)) {
		in->sin_family = AF_INET;
		in->sin_port = htons(to.port);
		memcpy(&in->sin_addr, &to.ip.w[3], sizeof(in->sin_addr));
	} else {
		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons(to.port);
		memcpy(&in6->sin6_addr, to.ip.w, sizeof(in6->sin6_addr));
	}
	return to.port + plan->n_ports - 1 <= UINT16_MAX;
}

/* Which of n names stands there; -1: none. */
static int
read_name(const json_t *request, const char *key, const char *const *names, unsigned int n)
{
	const char *name = json_string_value(json_object_get(request, key));

	for (unsigned int i = 0; name != NULL && i < n; i++)
		if (strcmp(name, names[i]) == 0)
			return (int)i;
	return -1;
}

static struct ip_addr
target_ip(const struct bench_plan *plan)
{
	const struct sockaddr_in *in = (const struct sockaddr_in *)&plan->target;
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)&plan->target;

	if (plan->target.ss_family == AF_INET)
		return ip_from4((be32_t){in->sin_addr.s_addr});
	return ip_from6(in6->sin6_addr.s6_addr);
}

/* The sources of a flood: the hosts of a prefix, without its first address, and IPv4's last.
 * Returns NULL, or what is wrong. */
static const char *
read_sources(const char *text, struct bench_plan *plan)
{
	struct ip_addr target = target_ip(plan);
	struct config_address prefix;
	unsigned int bits;
	uint64_t hosts;
	uint8_t first;

	if (config_network(text, &prefix) != NULL)
		return "the sources are no prefix; write them as 10.0.0.0/8 or 2001:db8:1::/64, "
		       "without bits behind the prefix";
	first = ((const uint8_t *)prefix.ip.w)[12];
	if (ip_is_any(&prefix.ip) || ip_is_multicast(&prefix.ip) ||
	    (ip_is4(&prefix.ip) ? first == 0 || first == 127 || first >= 240
				: prefix.prefix_len < 16))
		return "no host has such source addresses";
	if (ip_is4(&prefix.ip) != ip_is4(&target))
		return "the sources are of another family than the target";
	if (config_on_link(&prefix, &target))
		return "the target is among the sources; give another prefix";
	bits = (ip_is4(&prefix.ip) ? 32u : 128u) - prefix.prefix_len;
	hosts = UINT64_C(1) << RTE_MIN(bits, 32u);
	if (bits > (ip_is4(&prefix.ip) ? 1u : 0u)) {
		hosts -= ip_is4(&prefix.ip) ? 2 : 1;
		prefix.ip.w[3] |= RTE_BE32(1);
	}
	plan->from = prefix.ip;
	plan->from_hosts = (uint32_t)RTE_MIN(hosts, (uint64_t)BENCH_FLOOD_HOSTS);
	return NULL;
}

/* What a flood has besides; the target is known. Returns NULL, or what is wrong. */
static const char *
read_flood(const json_t *request, unsigned int lanes, struct bench_plan *plan)
{
	const json_t *from = json_object_get(request, "from");
	int kind = read_name(request, "segments", segments, RTE_DIM(segments));
	json_int_t flows, rate;
	const char *error;

	if (plan->workload != BENCH_FLOOD)
		return NULL;
	if (kind < 0)
		return "unknown segments; there are syn, ack and data";
	if (!number(request, "flows", 1, BENCH_FLOOD_FLOWS, 16384, &flows))
		return "flows: from 1 to 16777216";
	if (!number(request, "rate", 0, BENCH_FLOOD_RATE, 0, &rate))
		return "rate: up to 100000000 segments a second";
	error = from == NULL            ? NULL
		: !json_is_string(from) ? "the sources are no text"
					: read_sources(json_string_value(from), plan);
	if (error != NULL)
		return error;
	if (flows > (json_int_t)RTE_MAX(plan->from_hosts, 1u) * BENCH_FLOOD_PORTS)
		return "so many flows need more source addresses: each has 31744 ports for them";
	if (flows < lanes || (rate != 0 && rate < lanes))
		return "fewer flows, or segments a second, than lanes to send them";
	plan->segments = (enum bench_segments)kind;
	plan->flows = (uint32_t)flows;
	plan->rate = (uint64_t)rate;
	if (plan->segments != BENCH_DATA)
		plan->request_bytes = 0;
	return NULL;
}

/* All but the target; `connections` are those of all lanes together. */
static bool
read_plan(const json_t *request, struct bench_plan *plan, const char **error)
{
	json_int_t connections, pipeline, asked, answer, ports, warmup, measure, patience;
	int workload;

	*plan = (struct bench_plan){
		.greets = json_is_true(json_object_get(request, "greet")),
		.server_closes = json_is_true(json_object_get(request, "server_closes")),
		.up = json_is_true(json_object_get(request, "up")),
		.down = json_is_true(json_object_get(request, "down")),
	};
	*error = "unknown workload; there are rr, crr, stream, idle, fastopen and flood";
	workload = read_name(request, "workload", workloads, RTE_DIM(workloads));
	if (workload < 0)
		return false;
	plan->workload = (enum bench_workload)workload;
	*error = "a number is missing or out of range";
	if (!number(request, "connections", 1, 16 << 20, 1, &connections) ||
	    !number(request, "pipeline", 1, BENCH_PIPELINE_MAX, 1, &pipeline) ||
	    !number(request, "request", 1, BENCH_SIZE_MAX, 64, &asked) ||
	    !number(request, "answer", 1, BENCH_SIZE_MAX, asked, &answer) ||
	    !number(request, "ports", 1, UINT16_MAX, 1, &ports) ||
	    !number(request, "warmup_ms", 0, SECONDS_MAX * 1000, 1000, &warmup) ||
	    !number(request, "measure_ms", 1, SECONDS_MAX * 1000, 10000, &measure) ||
	    !number(request, "patience_ms", 1, SECONDS_MAX * 1000, PATIENCE_MS, &patience))
		return false;
	plan->connections = (uint32_t)connections;
	plan->pipeline = (uint32_t)pipeline;
	plan->request_bytes = (uint32_t)asked;
	plan->answer_bytes = (uint32_t)answer;
	plan->n_ports = (uint16_t)ports;
	plan->warmup_us = (uint64_t)warmup * 1000;
	plan->measure_us = (uint64_t)measure * 1000;
	plan->patience_us = (uint64_t)patience * 1000;
	return true;
}

/* The lanes that take part, by bit: those of "lanes", or all. 0: there is no such lane. */
static uint64_t
read_lanes(const struct daemon *daemon, const json_t *request)
{
	const json_t *list = json_object_get(request, "lanes"), *value;
	uint64_t lanes = 0;
	size_t i;

	if (list == NULL)
		return UINT64_MAX >> (64 - daemon->config.lanes);
	json_array_foreach(list, i, value)
	{
		json_int_t lane = json_integer_value(value);

		if (!json_is_integer(value) || lane < 0 || lane >= daemon->config.lanes)
			return 0;
		lanes |= UINT64_C(1) << lane;
	}
	return lanes;
}

/* ---- Asking lanes */

/* Has a lane do something. Returns its answer, to be freed; NULL, if it gives none. */
static struct lane_request *
ask(struct daemon *daemon, unsigned int lane, enum lane_request_kind kind, struct bench_run *run)
{
	struct lane_request *request = lane_request_make(kind);

	if (request == NULL)
		return NULL;
	request->bench.run = run;
	return lane_ask(daemon->lanes[lane], request) < 0 ? NULL : request;
}

/* Takes back the runs that are done. Returns whether all were. */
static bool
end_all(struct daemon *daemon)
{
	bool all = true;

	for (unsigned int i = 0; i < daemon->config.lanes; i++) {
		struct lane_request *request;

		if ((daemon->bench_lanes >> i & 1) == 0)
			continue;
		request = ask(daemon, i, ASK_BENCH_END, NULL);
		if (request != NULL && request->status == 0) {
			bench_run_free(request->bench.run);
			daemon->bench_lanes &= ~(UINT64_C(1) << i);
		} else {
			all = false;
		}
		free(request);
	}
	return all;
}

/* Whether a lane has a run that is not done. */
static bool
runs(struct daemon *daemon)
{
	bool running = false;

	for (unsigned int i = 0; i < daemon->config.lanes; i++) {
		struct lane_request *request;

		if ((daemon->bench_lanes >> i & 1) == 0)
			continue;
		request = ask(daemon, i, ASK_BENCH, NULL);
		if (request != NULL && request->status == 0)
			running |= request->bench.result.phase != BENCH_DONE;
		free(request);
	}
	return running;
}

static const char *
why_not(int status)
{
	switch (status) {
	case -ENOENT:
		return "this ternd has no [service bench]; add that section, without keys, to its "
		       "configuration";
	case -EBUSY:
		return "a load is being generated already; wait for its end";
	case -ENOMEM:
		return "no memory for so many connections and requests under way";
	default:
		return "a lane does not answer";
	}
}

/* Gives each lane its part. Returns 0 or a negative errno. */
static int
start_lanes(struct daemon *daemon, const json_t *json, struct bench_plan *plan, uint64_t lanes)
{
	uint32_t n = (uint32_t)__builtin_popcountll(lanes), connections = plan->connections;
	uint64_t rate = plan->rate;

	for (uint32_t k = 0; k < n; k++, lanes &= lanes - 1) {
		unsigned int lane = rte_bsf64(lanes);
		struct lane_request *request;
		struct bench_run *run;
		int status;

		plan->connections = connections / n + (k < connections % n ? 1 : 0);
		plan->rate = rate / n + (k < rate % n ? 1 : 0);
		plan->flow_first = k;
		plan->flow_step = n;
		if (!read_target(json, k, plan))
			return -EINVAL;
		run = bench_run_make(plan);
		if (run == NULL)
			return -ENOMEM;
		request = ask(daemon, lane, ASK_BENCH_START, run);
		status = request != NULL ? request->status : -EIO;
		if (request != NULL && status < 0)
			bench_run_free(run);
		free(request);
		if (status < 0)
			return status;
		daemon->bench_lanes |= UINT64_C(1) << lane;
	}
	return 0;
}

json_t *
commands_bench_start(struct daemon *daemon, const json_t *request, struct control_cursor *cursor,
		     const char **error)
{
	uint64_t lanes = read_lanes(daemon, request);
	struct bench_plan plan;
	int status;

	*error = "only root may do this";
	if (cursor->client.uid != 0 || !read_plan(request, &plan, error))
		return NULL;
	*error = "there is no such lane";
	if (lanes == 0)
		return NULL;
	*error = "no target, or none that can be connected to; write ADDRESS:PORT";
	if (!read_target(request, 0, &plan))
		return NULL;
	*error = read_flood(request, (unsigned int)__builtin_popcountll(lanes), &plan);
	if (*error != NULL)
		return NULL;
	*error = "fewer connections than lanes to open them";
	if (plan.workload != BENCH_FLOOD &&
	    plan.connections < (uint32_t)__builtin_popcountll(lanes))
		return NULL;
	*error = why_not(-ENOENT);
	if (!bench_is_there(daemon->lanes[0]->services))
		return NULL;
	*error = why_not(-EBUSY);
	if (runs(daemon) || !end_all(daemon)) /* that of the one before, if nobody did */
		return NULL;
	status = start_lanes(daemon, request, &plan, lanes);
	*error = why_not(status);
	if (status < 0) {
		end_all(daemon);
		return NULL;
	}
	return json_object();
}

/* ---- What it measured */

/* All lanes' together. */
struct total {
	struct bench_result sum; /* phase: that of the slowest */
	unsigned int lanes;
};

static void
add(struct total *total, const struct bench_result *lane)
{
	struct bench_counts *to = &total->sum.counts;
	const struct bench_counts *from = &lane->counts;

	if (total->lanes++ == 0 || lane->phase < total->sum.phase)
		total->sum.phase = lane->phase;
	total->sum.workload = lane->workload;
	if (total->sum.error == 0)
		total->sum.error = lane->error;
	total->sum.open += lane->open;
	total->sum.most += lane->most;
	total->sum.open_us = RTE_MAX(total->sum.open_us, lane->open_us);
	total->sum.measured_us = RTE_MAX(total->sum.measured_us, lane->measured_us);
	to->requests += from->requests;
	to->connects += from->connects;
	to->bytes_in += from->bytes_in;
	to->bytes_out += from->bytes_out;
	to->errors += from->errors;
	to->no_port += from->no_port;
	to->syn_data += from->syn_data;
	to->cookies_asked += from->cookies_asked;
	to->segments += from->segments;
	to->synacks += from->synacks;
	to->rsts += from->rsts;
	to->others += from->others;
	to->frames_lost += from->frames_lost;
	to->frames_in += from->frames_in;
	to->frames_out += from->frames_out;
	to->cycles_busy += from->cycles_busy;
	to->turns += from->turns;
	bench_hist_merge(&total->sum.latency, &lane->latency);
}

static json_t *
ticks_us(uint64_t ticks)
{
	return json_real((double)ticks * 1e6 / (double)rte_get_tsc_hz());
}

static json_t *
latency(const struct bench_hist *hist)
{
	return json_pack("{s:o,s:o,s:o,s:o,s:o,s:o}", "mean",
			 ticks_us(hist->n == 0 ? 0 : hist->sum / hist->n), "p50",
			 ticks_us(bench_hist_quantile(hist, 500000)), "p90",
			 ticks_us(bench_hist_quantile(hist, 900000)), "p99",
			 ticks_us(bench_hist_quantile(hist, 990000)), "p99.9",
			 ticks_us(bench_hist_quantile(hist, 999000)), "max", ticks_us(hist->max));
}

static json_t *
per(uint64_t n, uint64_t of, double scale)
{
	return json_real(of == 0 ? 0 : (double)n * scale / (double)of);
}

/* Why it ended early, in the words of who looks for the reason. */
static const char *
failure_text(int error)
{
	switch (error) {
	case EAGAIN:
		return "all connections that a lane may have are in use; raise [limits] "
		       "connections";
	case EADDRNOTAVAIL:
		return "all source ports are in use; connect to more ports of the server";
	case EOPNOTSUPP:
		return "Fast Open is off; add client to [tcp] fastopen";
	case EMSGSIZE:
		return "segments of so many bytes are larger than the MTU, or than a buffer";
	case ELOOP:
		return "this is an address of the ternd that is to send; name another host";
	case EPROTO:
		return "the server answers more than it was asked for";
	case EPIPE:
		return "the server closed a connection that it should have kept";
	case ETIMEDOUT:
		return "no more connections came about";
	case EINTR:
		return "ended before its time";
	default:
		return strerror(error);
	}
}

static json_t *
flood(const struct bench_counts *c, uint64_t us)
{
	return json_pack("{s:I,s:o,s:I,s:I,s:I,s:I}", "segments", (json_int_t)c->segments,
			 "segments_per_s", per(c->segments, us, 1e6), "synacks",
			 (json_int_t)c->synacks, "rsts", (json_int_t)c->rsts, "others",
			 (json_int_t)c->others, "frames_lost", (json_int_t)c->frames_lost);
}

static json_t *
report(const struct total *total)
{
	const struct bench_result *r = &total->sum;
	const struct bench_counts *c = &r->counts;
	uint64_t us = r->measured_us, frames = c->frames_in + c->frames_out;
	json_t *json = json_pack("{s:s,s:i,s:I,s:I,s:o,s:o}", "phase", phases[r->phase], "lanes",
				 (int)total->lanes, "open", (json_int_t)r->open, "most_open",
				 (json_int_t)r->most, "open_seconds", per(r->open_us, 1, 1e-6),
				 "seconds", per(us, 1, 1e-6));

	json_object_update_new(
		json,
		json_pack("{s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I}", "requests", (json_int_t)c->requests,
			  "connects", (json_int_t)c->connects, "bytes_in", (json_int_t)c->bytes_in,
			  "bytes_out", (json_int_t)c->bytes_out, "errors", (json_int_t)c->errors,
			  "no_port", (json_int_t)c->no_port, "frames_in", (json_int_t)c->frames_in,
			  "frames_out", (json_int_t)c->frames_out));
	json_object_update_new(json, json_pack("{s:I,s:I}", "syn_data", (json_int_t)c->syn_data,
					       "cookies_asked", (json_int_t)c->cookies_asked));
	if (r->workload == BENCH_FLOOD)
		json_object_update_new(json, flood(c, us));
	json_object_update_new(json, json_pack("{s:o,s:o,s:o,s:o,s:o,s:o,s:o}", "requests_per_s",
					       per(c->requests, us, 1e6), "connects_per_s",
					       per(c->connects, us, 1e6), "gbit_in_per_s",
					       per(c->bytes_in, us, 8e-3), "gbit_out_per_s",
					       per(c->bytes_out, us, 8e-3), "packets_per_s",
					       per(frames, us, 1e6), "cycles_per_packet",
					       per(c->cycles_busy, frames, 1), "cycles_per_request",
					       per(c->cycles_busy, c->requests, 1)));
	if (r->latency.n > 0)
		json_object_set_new(json, "latency_us", latency(&r->latency));
	if (r->error != 0)
		json_object_set_new(json, "failure", json_string(failure_text(r->error)));
	return json;
}

json_t *
commands_bench(struct daemon *daemon, const json_t *request, struct control_cursor *cursor,
	       const char **error)
{
	struct total *total = calloc(1, sizeof(*total));
	json_t *json = NULL;

	(void)request;
	(void)cursor;
	*error = "no load is generated";
	for (unsigned int i = 0; total != NULL && i < daemon->config.lanes; i++) {
		struct lane_request *answer;

		if ((daemon->bench_lanes >> i & 1) == 0)
			continue;
		answer = ask(daemon, i, ASK_BENCH, NULL);
		if (answer != NULL && answer->status == 0)
			add(total, &answer->bench.result);
		free(answer);
	}
	if (total != NULL && total->lanes > 0)
		json = report(total);
	free(total);
	return json;
}

json_t *
commands_bench_end(struct daemon *daemon, const json_t *request, struct control_cursor *cursor,
		   const char **error)
{
	(void)request;
	*error = "only root may do this";
	if (cursor->client.uid != 0)
		return NULL;
	return json_pack("{s:b}", "ended", end_all(daemon));
}
