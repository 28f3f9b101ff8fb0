/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Memory that mbufs refer to, and who is told when they no longer do.
 *
 *     send_memory --mbufs with external buffers--> engine, device
 *                                                     | the last one freed, by any thread
 *     release() <-- service_refs_run(), by the lane <--' set->released
 *
 * Sends that want no release callback count their references in one counter of the set, on a cache
 * line that this lane alone writes in ordinary operation. Nothing happens when that falls to zero,
 * so it does no harm that its 16 bits may wrap.
 *
 * Held bytes are a reference to the receive buffer, which its pool gets back when engine and holder
 * have both let go of it.
 *
 * Invariant: an mbuf refers to bytes of one chunk only, so that one bus address describes it.
 * Chunks are aligned and pages are multiples of them; a device that works by physical addresses
 * needs pages of SERVICE_CHUNK_BYTES at least, which huge pages are.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_malloc.h>
#include <rte_memory.h>
#include <rte_vfio.h>

#include "dataplane/port_memif.h"
#include "dataplane/service_impl.h"

enum {
	CHAIN_MBUFS = 16, /* queued at once: up to 512 KiB */
};

struct tern_service_memory {
	uint8_t *data;
	size_t bytes;
	rte_iova_t *iova; /* of each chunk; NULL: the same as its virtual address */
	bool registered;  /* memory of the plugin's own */
};

/* ---- Memory */

static uintptr_t
chunk_of(const void *p)
{
	return (uintptr_t)p / SERVICE_CHUNK_BYTES;
}

/* Finds out the bus address of each chunk where it is not the virtual one. */
static bool
resolve_chunks(struct tern_service_memory *memory)
{
	uintptr_t first = chunk_of(memory->data);
	size_t n = chunk_of(memory->data + memory->bytes - 1) - first + 1;

	if (rte_eal_iova_mode() == RTE_IOVA_VA)
		return true;
	memory->iova = calloc(n, sizeof(*memory->iova));
	if (memory->iova == NULL)
		return false;
	for (size_t i = 0; i < n; i++) {
		uintptr_t at = (first + i) * SERVICE_CHUNK_BYTES;

		/* The first chunk counts from its own start too, though that may lie before us. */
		if (i == 0)
			at = (uintptr_t)memory->data;
		memory->iova[i] = rte_mem_virt2iova((const void *)at);
		if (i == 0 && memory->iova[i] != RTE_BAD_IOVA)
			memory->iova[i] -= at % SERVICE_CHUNK_BYTES;
	}
	return true;
}

int
tern_service_memory_alloc(size_t bytes, struct tern_service_memory **memory)
{
	struct tern_service_memory *m = calloc(1, sizeof(*m));
	size_t align = RTE_CACHE_LINE_SIZE;

	if (m == NULL)
		return -ENOMEM;
	/* Small ones must not straddle two chunks: they may then be one mbuf. And they pack. */
	while (align < bytes && align < SERVICE_CHUNK_BYTES)
		align *= 2;
	m->bytes = bytes;
	if (bytes > 0) {
		m->data = rte_malloc("service memory", bytes, (unsigned int)align);
		if (m->data == NULL || !resolve_chunks(m)) {
			tern_service_memory_free(m);
			return -ENOMEM;
		}
	}
	*memory = m;
	return 0;
}

/* Whether there is a device whose other side sees EAL's memory, and no other. */
static bool
shares_only_eal(void)
{
	for (uint16_t port = 0; port < RTE_MAX_ETHPORTS; port++) {
		struct rte_eth_dev_info info;

		if (!rte_eth_dev_is_valid_port(port) || rte_eth_dev_info_get(port, &info) < 0)
			continue;
		if (strcmp(info.driver_name, "net_virtio_user") == 0 ||
		    strcmp(info.driver_name, "net_vhost") == 0 || port_memif_zero_copy(&info))
			return true;
	}
	return false;
}

/*
 * Memory that EAL does not know yet: registered, for drivers that look it up, and mapped for
 * devices behind VFIO. Others copy, or the kernel does for them.
 */
static int
map(void *data, size_t bytes)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	uint64_t at = (uintptr_t)data;

	if (rte_extmem_register(data, bytes, NULL, 0, page) < 0)
		return rte_errno == EEXIST ? -EINVAL : -rte_errno;
	if (rte_vfio_is_enabled("vfio") != 0 &&
	    rte_vfio_container_dma_map(RTE_VFIO_DEFAULT_CONTAINER_FD, at, at, bytes) < 0) {
		rte_extmem_unregister(data, bytes);
		return -EOPNOTSUPP;
	}
	return 0;
}

static void
unmap(void *data, size_t bytes)
{
	uint64_t at = (uintptr_t)data;

	if (rte_vfio_is_enabled("vfio") != 0)
		rte_vfio_container_dma_unmap(RTE_VFIO_DEFAULT_CONTAINER_FD, at, at, bytes);
	rte_extmem_unregister(data, bytes);
}

int
tern_service_memory_register(void *data, size_t bytes, struct tern_service_memory **memory)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	struct tern_service_memory *m;
	int status;

	if (bytes == 0 || (uintptr_t)data % page != 0 || bytes % page != 0)
		return -EINVAL;
	if (rte_eal_iova_mode() != RTE_IOVA_VA || shares_only_eal())
		return -EOPNOTSUPP;
	m = calloc(1, sizeof(*m));
	if (m == NULL)
		return -ENOMEM;
	status = map(data, bytes);
	if (status < 0) {
		free(m);
		return status;
	}
	*m = (struct tern_service_memory){.data = data, .bytes = bytes, .registered = true};
	*memory = m;
	return 0;
}

void
tern_service_memory_free(struct tern_service_memory *memory)
{
	if (memory == NULL)
		return;
	if (memory->registered)
		unmap(memory->data, memory->bytes);
	else
		rte_free(memory->data);
	free(memory->iova);
	free(memory);
}

void *
tern_service_memory_data(const struct tern_service_memory *memory)
{
	return memory->data;
}

size_t
tern_service_memory_bytes(const struct tern_service_memory *memory)
{
	return memory->bytes;
}

/* ---- Mbufs that refer to it */

static rte_iova_t
iova_of(const struct tern_service_memory *memory, const uint8_t *p)
{
	rte_iova_t chunk;

	if (memory->iova == NULL)
		return (rte_iova_t)(uintptr_t)p;
	chunk = memory->iova[chunk_of(p) - chunk_of(memory->data)];
	return chunk == RTE_BAD_IOVA ? chunk : chunk + (uintptr_t)p % SERVICE_CHUNK_BYTES;
}

struct rte_mbuf *
service_refer(const struct tern_service_memory *memory, size_t offset, size_t bytes,
	      unsigned int most, struct rte_mbuf_ext_shared_info *shared, struct rte_mempool *pool)
{
	struct rte_mbuf *head = NULL, **link = &head;
	uint8_t *p = memory->data + offset;

	if (bytes > memory->bytes - offset)
		bytes = memory->bytes - offset;
	for (unsigned int segs = 1; bytes > 0 && segs <= most; segs++) {
		size_t n = SERVICE_CHUNK_BYTES - (uintptr_t)p % SERVICE_CHUNK_BYTES;
		struct rte_mbuf *m = rte_pktmbuf_alloc(pool);

		if (m == NULL)
			break;
		if (n > bytes)
			n = bytes;
		rte_mbuf_ext_refcnt_update(shared, 1);
		rte_pktmbuf_attach_extbuf(m, p, iova_of(memory, p), (uint16_t)n, shared);
		m->data_len = (uint16_t)n;
		*link = m;
		link = &m->next;
		head->nb_segs = (uint16_t)segs;
		head->pkt_len = segs == 1 ? (uint32_t)n : head->pkt_len + (uint32_t)n;
		p += n;
		bytes -= n;
	}
	return head;
}

/* ---- Who is told */

static void
nobody_is_told(void *data, void *opaque)
{
	(void)data;
	(void)opaque;
}

/* The last mbuf that referred to a send is freed: by the lane, or by whoever closes a device. */
static void
push_released(struct tern_service_held *ref)
{
	struct tern_service_held **stack = &ref->set->released;

	ref->next = __atomic_load_n(stack, __ATOMIC_RELAXED);
	while (!__atomic_compare_exchange_n(stack, &ref->next, ref, true, __ATOMIC_RELEASE,
					    __ATOMIC_RELAXED))
		;
}

static void
is_released(void *data, void *opaque)
{
	(void)data;
	push_released(opaque);
}

static struct tern_service_held *
ref_take(struct service_set *set)
{
	struct tern_service_held *ref = set->free_refs;

	if (ref != NULL)
		set->free_refs = ref->next;
	else if (set->n_fresh_refs < set->n_refs)
		ref = &set->refs[set->n_fresh_refs++];
	else
		return NULL;
	ref->set = set;
	set->n_used_refs++;
	return ref;
}

static void
ref_free(struct tern_service_held *ref)
{
	struct service_set *set = ref->set;

	ref->release = NULL;
	ref->buffer = NULL;
	ref->next = set->free_refs;
	set->free_refs = ref;
	set->n_used_refs--;
}

bool
service_refs_create(struct service_set *set, uint32_t sends, int socket_id)
{
	set->n_refs = sends + SERVICE_HOLDS;
	set->refs = rte_zmalloc_socket("service refs", set->n_refs * sizeof(*set->refs),
				       RTE_CACHE_LINE_SIZE, socket_id);
	set->shared.free_cb = nobody_is_told;
	rte_mbuf_ext_refcnt_set(&set->shared, 1);
	return set->refs != NULL;
}

void
service_refs_run(struct service_set *set)
{
	struct tern_service_held *ref, *next;

	ref = __atomic_exchange_n(&set->released, NULL, __ATOMIC_ACQUIRE);
	for (; ref != NULL; ref = next) {
		void (*release)(void *arg, size_t bytes) = ref->release;
		void *arg = ref->arg;
		size_t bytes = ref->bytes;

		next = ref->next;
		ref_free(ref);
		SERVICE_COUNT(set, released, 1);
		release(arg, bytes);
	}
}

unsigned int
service_refs_destroy(struct service_set *set)
{
	unsigned int forgotten = 0;

	service_refs_run(set);
	for (uint32_t i = 0; i < set->n_fresh_refs; i++) {
		struct tern_service_held *held = &set->refs[i];

		if (held->release != NULL || held->buffer == NULL)
			continue;
		tern_service_release(held);
		forgotten++;
	}
	/* Whoever still refers to a send would write here: then the table stays. */
	if (set->n_used_refs == 0)
		rte_free(set->refs);
	set->refs = NULL;
	return forgotten;
}

/* ---- Sending and holding */

/* One chain of mbufs. Returns how many bytes are in it, or the engine's error. */
static ssize_t
send_chain(struct tern_service_conn *conn, const struct tern_service_memory *memory, size_t offset,
	   size_t bytes, int flags, struct rte_mbuf_ext_shared_info *shared)
{
	struct rte_mbuf *chain = service_refer(memory, offset, bytes, CHAIN_MBUFS, shared,
					       conn->lane->set->ref_pool);
	ssize_t n;

	if (chain == NULL)
		return -ENOBUFS;
	n = tcp_send_mbufs(conn->tcp, chain, flags & TERN_SERVICE_MORE);
	if (n < 0)
		rte_pktmbuf_free(chain);
	return n;
}

/* As much as there is room for; `shared` counts it. Returns how much, or the engine's error. */
static ssize_t
send_chains(struct tern_service_conn *conn, const struct tern_service_memory *memory, size_t offset,
	    size_t bytes, int flags, struct rte_mbuf_ext_shared_info *shared)
{
	size_t sent = 0;

	while (sent < bytes) {
		size_t room = tcp_send_room(conn->tcp);
		ssize_t n;

		if (room == 0 && sent > 0)
			break;
		/* Without room a byte is offered all the same: the engine says why not. */
		if (room == 0)
			n = tcp_send(conn->tcp, memory->data + offset, 1,
				     flags & TERN_SERVICE_MORE);
		else
			n = send_chain(conn, memory, offset + sent, RTE_MIN(room, bytes - sent),
				       flags, shared);
		if (n < 0)
			return sent > 0 ? (ssize_t)sent : n;
		sent += (size_t)n;
	}
	return (ssize_t)sent;
}

/* The same, with somebody to be told of it. */
static ssize_t
send_told(struct tern_service_conn *conn, const struct tern_service_memory *memory, size_t offset,
	  size_t bytes, int flags, void (*release)(void *arg, size_t bytes), void *arg)
{
	struct service_set *set = conn->lane->set;
	struct tern_service_held *ref = ref_take(set);
	ssize_t n;

	if (ref == NULL)
		return -ENOBUFS;
	/* One reference is ours until all is queued. */
	ref->shared = (struct rte_mbuf_ext_shared_info){is_released, ref, 1};
	ref->release = release;
	ref->arg = arg;
	n = send_chains(conn, memory, offset, bytes, flags, &ref->shared);
	if (n < 0) {
		ref_free(ref);
		return n;
	}
	ref->bytes = (size_t)n;
	if (rte_mbuf_ext_refcnt_update(&ref->shared, -1) == 0)
		push_released(ref);
	return n;
}

ssize_t
tern_service_send_memory(struct tern_service_conn *conn, const struct tern_service_memory *memory,
			 size_t offset, size_t bytes, int flags,
			 void (*release)(void *arg, size_t bytes), void *arg)
{
	ssize_t n;

	if (offset > memory->bytes || bytes > memory->bytes - offset)
		return -EINVAL;
	if (bytes == 0)
		return 0;
	if (!service_is_here(conn))
		n = -EAGAIN;
	else if (release == NULL)
		n = send_chains(conn, memory, offset, bytes, flags, &conn->lane->set->shared);
	else
		n = send_told(conn, memory, offset, bytes, flags, release, arg);
	if (n < 0)
		return service_send_failed(conn, n);
	service_sent(conn, (size_t)n, bytes);
	return n;
}

int
tern_service_hold(struct tern_service_conn *conn, const struct tern_service_data *data,
		  struct tern_service_held **held)
{
	struct service_set *set = conn->lane->set;
	struct tern_service_held *ref;

	if (data->bytes == 0)
		return -EINVAL;
	if (set->n_holds == SERVICE_HOLDS || (ref = ref_take(set)) == NULL) {
		SERVICE_COUNT(set, holds_refused, 1);
		return -ENOBUFS;
	}
	ref->buffer = data->buffer;
	rte_mbuf_refcnt_update(ref->buffer, 1);
	set->n_holds++;
	*held = ref;
	return 0;
}

void
tern_service_release(struct tern_service_held *held)
{
	held->set->n_holds--;
	rte_pktmbuf_free_seg(held->buffer);
	ref_free(held);
}
