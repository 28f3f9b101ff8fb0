/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A lane's set of services: how it is made and ended, and what is read of it from outside.
 *
 * It ends in two steps: service_set_close() closes listeners and connections, in the lane; what
 * they have queued is still being sent then, and sends by reference are still being released.
 * service_set_destroy() comes when engine and devices have given back every mbuf.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include <rte_malloc.h>

#include "dataplane/service_impl.h"
#include "dataplane/service_plugin.h"

enum {
	SLOW_US = 10000, /* an iteration with plugins that takes so long is told */
};

const char *const service_stats_names[] = {
#define SERVICE_STAT(name, text) #name,
#include "dataplane/service_stats.def"
#undef SERVICE_STAT
};

const char *const service_stats_texts[] = {
#define SERVICE_STAT(name, text) text,
#include "dataplane/service_stats.def"
#undef SERVICE_STAT
};

/* ---- Iterations that took too long */

void
service_set_begin(struct service_set *set, uint64_t now_us)
{
	uint64_t took_us = now_us - set->begun_us;
	uint32_t ran = set->ran & ~set->trusted;

	set->begun_us = now_us;
	set->now_us = now_us;
	set->ran = 0;
	if (likely(took_us < SLOW_US) || ran == 0)
		return;
	SERVICE_COUNT(set, slow_turns, 1);
	__atomic_fetch_or(&set->slow_ran, ran, __ATOMIC_RELAXED);
	if (took_us > __atomic_load_n(&set->slow_us, __ATOMIC_RELAXED))
		__atomic_store_n(&set->slow_us, took_us, __ATOMIC_RELEASE);
}

uint64_t
service_set_take_slow(struct service_set *set, uint32_t *services)
{
	uint64_t longest_us = __atomic_exchange_n(&set->slow_us, 0, __ATOMIC_ACQUIRE);

	*services = __atomic_exchange_n(&set->slow_ran, 0, __ATOMIC_RELAXED);
	return longest_us;
}

/* ---- Counters */

void
service_stats_read(const struct service_set *set, struct service_stats *stats)
{
	const uint64_t *from = (const uint64_t *)&set->stats;
	uint64_t *to = (uint64_t *)stats;

	for (size_t i = 0; i < SERVICE_STATS_COUNT; i++)
		to[i] = __atomic_load_n(&from[i], __ATOMIC_RELAXED);
}

uint64_t
service_counter_read(const struct service_set *set, unsigned int service, unsigned int counter)
{
	return __atomic_load_n(&set->services[service].counts[counter], __ATOMIC_RELAXED);
}

/* ---- Creation */

static const char *
endpoint_text(const struct tcp_endpoint *e, char *out, size_t bytes)
{
	char ip[INET6_ADDRSTRLEN];

	if (ip_is_any(&e->ip) && !ip_is4(&e->ip))
		snprintf(out, bytes, "*:%u", e->port);
	else if (ip_is4(&e->ip))
		snprintf(out, bytes, "%s:%u", inet_ntop(AF_INET, &e->ip.w[3], ip, sizeof(ip)),
			 e->port);
	else
		snprintf(out, bytes, "[%s]:%u", inet_ntop(AF_INET6, e->ip.w, ip, sizeof(ip)),
			 e->port);
	return out;
}

static const char *
listen_error_text(int error)
{
	switch (error) {
	case -EADDRINUSE:
		return "another service listens there already";
	case -EADDRNOTAVAIL:
		return "no port has this address";
	case -ENOBUFS:
		return "[limits] connections leaves no room for the listener";
	default:
		return strerror(-error);
	}
}

/* Small answers leave at once: a service never waits for more of its own data. */
static int
open_listener(struct service_listener *listener, const struct tcp_endpoint *at,
	      const struct config_service *config)
{
	struct service_set *set = listener->lane->set;
	const int on = 1, fastopen = (int)config->fastopen;
	int error = tcp_open(set->engine, ip_is4(&at->ip) ? AF_INET : AF_INET6, &listener->tcp);

	if (error < 0)
		return error;
	tcp_set_user(listener->tcp, listener);
	error = tcp_setsockopt(listener->tcp, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (error == 0)
		error = tcp_bind(listener->tcp, at);
	if (error == 0 && fastopen > 0)
		error = tcp_setsockopt(listener->tcp, IPPROTO_TCP, TCP_FASTOPEN, &fastopen,
				       sizeof(fastopen));
	/* After the options of Fast Open, which would undo it on a socket of AF_SMC's. */
	if (error == 0 && config->smc)
		tcp_smc_enable(listener->tcp);
	if (error == 0)
		error = tcp_listen(listener->tcp, (int)config->backlog);
	if (error == 0)
		tcp_found_everywhere(listener->tcp, true);
	if (error < 0)
		tcp_close(listener->tcp);
	return error;
}

static bool
open_listeners(struct tern_service_lane *lane, const struct config_service *config, FILE *errors)
{
	struct service_set *set = lane->set;

	for (unsigned int i = 0; i < config->n_listen; i++) {
		struct service_listener *listener = &set->listeners[set->n_listeners];
		char where[INET6_ADDRSTRLEN + 16];
		int error;

		listener->lane = lane;
		error = open_listener(listener, &config->listen[i], config);
		if (error == -EADDRNOTAVAIL && set->n_lanes > 1)
			continue; /* an address of a port that other lanes have */
		if (error < 0) {
			fprintf(errors, "[service %s] listen: %s: %s\n", config->name,
				endpoint_text(&config->listen[i], where, sizeof(where)),
				listen_error_text(error));
			return false;
		}
		set->n_listeners++;
	}
	return true;
}

static void *
state_alloc(size_t bytes, int socket_id)
{
	return rte_zmalloc_socket("service state", RTE_MAX(bytes, (size_t)1), RTE_CACHE_LINE_SIZE,
				  socket_id);
}

static bool
start_lane(struct tern_service_lane *lane, const struct config_service *config, int socket_id,
	   FILE *errors)
{
	char why[TERN_SERVICE_WHY_BYTES] = "";
	int error;

	lane->n_counts = service_plugin_counters(lane->plugin);
	lane->state = state_alloc(lane->ops->lane_bytes, socket_id);
	lane->counts = state_alloc(lane->n_counts * sizeof(uint64_t), socket_id);
	if (lane->state == NULL || lane->counts == NULL) {
		fprintf(errors, "[service %s] not enough memory\n", config->name);
		return false;
	}
	error = lane->ops->lane_start(lane, lane->state, why);
	if (error < 0) {
		fprintf(errors, "[service %s] %s\n", config->name,
			why[0] != '\0' ? why : strerror(-error));
		return false;
	}
	lane->started = true;
	return open_listeners(lane, config, errors);
}

static bool
open_service(struct service_set *set, const struct service_set_config *config, unsigned int index,
	     FILE *errors)
{
	const struct config_service *service = &config->config->services[index];
	struct tern_service_lane *lane = &set->services[index];

	lane->plugin = service->plugin;
	lane->ops = service_plugin_ops(lane->plugin);
	lane->shared = service_plugin_state(lane->plugin);
	lane->closes_at_end = service_plugin_closes_at_end(lane->plugin);
	lane->set = set;
	lane->index = index;
	lane->idle.timeout_us = service->idle_timeout_s * UINT64_C(1000000);
	TAILQ_INIT(&lane->idle.conns);
	set->n_services = index + 1;
	if (service_plugin_is_built_in(lane->plugin))
		set->trusted |= 1u << index;
	if (service_plugin_has_turn(lane->plugin))
		set->turners |= 1u << index;
	return start_lane(lane, service, config->socket_id, errors);
}

/* Of a slot: what the service takes whose connections have the most state. */
static uint32_t
slot_bytes(const struct config *config)
{
	uint32_t state = 0;

	for (unsigned int i = 0; i < config->n_services; i++)
		state = RTE_MAX(state, service_plugin_ops(config->services[i].plugin)->conn_bytes);
	return RTE_CACHE_LINE_ROUNDUP((uint32_t)sizeof(struct tern_service_conn) + state);
}

uint32_t
service_conn_bytes(const struct config *config)
{
	return slot_bytes(config) +
	       (uint32_t)(sizeof(struct tern_service_held) + sizeof(struct service_timer));
}

static void
set_free(struct service_set *set)
{
	for (unsigned int i = 0; i < set->n_services; i++) {
		rte_free(set->services[i].state);
		rte_free(set->services[i].counts);
	}
	rte_free(set->conns);
	rte_free(set->timers);
	rte_free(set);
}

static struct service_set *
set_alloc(const struct service_set_config *config)
{
	uint32_t n = config->config->connections;
	struct service_set *set = rte_zmalloc_socket("services", sizeof(*set), RTE_CACHE_LINE_SIZE,
						     config->socket_id);

	if (set == NULL)
		return NULL;
	set->slot_bytes = slot_bytes(config->config);
	set->conns = rte_zmalloc_socket("service slots", (size_t)n * set->slot_bytes,
					RTE_CACHE_LINE_SIZE, config->socket_id);
	set->timers = rte_zmalloc_socket("service timers", (n + 1) * sizeof(*set->timers),
					 RTE_CACHE_LINE_SIZE, config->socket_id);
	if (set->conns == NULL || set->timers == NULL ||
	    !service_refs_create(set, n, config->socket_id)) {
		set_free(set);
		return NULL;
	}
	set->engine = config->engine;
	set->ref_pool = config->ref_pool;
	set->loop = config->loop;
	set->wire = config->wire;
	set->index = config->lane;
	set->n_lanes = config->config->lanes;
	set->sweep_us = UINT64_MAX;
	set->n_conns = n;
	set->lingering.timeout_us = SERVICE_LINGER_US;
	TAILQ_INIT(&set->free);
	STAILQ_INIT(&set->waiting);
	TAILQ_INIT(&set->lingering.conns);
	return set;
}

struct service_set *
service_set_create(const struct service_set_config *config, FILE *errors)
{
	struct service_set *set = set_alloc(config);

	if (set == NULL) {
		fprintf(errors, "services: not enough memory for %u connections\n",
			config->config->connections);
		return NULL;
	}
	for (unsigned int i = 0; i < config->config->n_services; i++) {
		if (!open_service(set, config, i, errors)) {
			service_set_close(set);
			service_set_destroy(set, errors);
			return NULL;
		}
	}
	return set;
}

/* ---- The end */

void
service_set_close(struct service_set *set)
{
	if (set == NULL || set->closed)
		return;
	set->closed = true;
	for (unsigned int i = 0; i < set->n_listeners; i++)
		tcp_close(set->listeners[i].tcp);
	set->n_listeners = 0;
	STAILQ_INIT(&set->waiting);
	for (uint32_t i = 0; i < set->n_fresh; i++)
		if (service_slot_at(set, i)->tcp != NULL)
			service_shut_down(service_slot_at(set, i));
	STAILQ_INIT(&set->waiting);
}

void
service_set_destroy(struct service_set *set, FILE *errors)
{
	unsigned int forgotten;

	if (set == NULL)
		return;
	service_set_close(set);
	service_refs_run(set);
	for (unsigned int i = set->n_services; i-- > 0;) {
		struct tern_service_lane *lane = &set->services[i];

		if (lane->started)
			lane->ops->lane_stop(lane, lane->state);
	}
	forgotten = service_refs_destroy(set);
	if (forgotten > 0)
		fprintf(errors,
			"services: lane %u: %u pieces of received data were held to the "
			"end, and are freed now\n",
			set->index, forgotten);
	set_free(set);
}
