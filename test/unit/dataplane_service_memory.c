/* SPDX-License-Identifier: BSD-3-Clause */
/* dataplane/service_memory.c: memory, and the mbufs that refer to it. dataplane_plugin.c has who is
 * told.
 */
#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "unit.h"

#include <rte_eal.h>

#include "dataplane/service_impl.h"

static void
nothing(void *data, void *opaque)
{
	(void)data;
	(void)opaque;
}

/* Every reference says what it refers to, in pieces that devices can take. */
static void
check_chain(const struct tern_service_memory *memory, size_t offset, size_t bytes,
	    struct rte_mempool *pool, struct rte_mbuf_ext_shared_info *shared)
{
	const uint8_t *data = tern_service_memory_data(memory);
	struct rte_mbuf *chain = service_refer(memory, offset, bytes, 64, shared, pool);
	size_t at = offset;

	CU_ASSERT_FATAL(chain != NULL);
	UNIT_EQ(rte_mbuf_check(chain, 1, &(const char *){NULL}), 0);
	for (const struct rte_mbuf *m = chain; m != NULL; m = m->next) {
		const uint8_t *p = rte_pktmbuf_mtod(m, const uint8_t *);

		CU_ASSERT(p == data + at);
		CU_ASSERT(m->data_len > 0 && m->data_len <= SERVICE_CHUNK_BYTES);
		UNIT_EQ((uintptr_t)p / SERVICE_CHUNK_BYTES,
			(uintptr_t)(p + m->data_len - 1) / SERVICE_CHUNK_BYTES);
		if (rte_eal_iova_mode() == RTE_IOVA_VA)
			UNIT_EQ(rte_pktmbuf_iova(m), (uintptr_t)p);
		at += m->data_len;
	}
	UNIT_EQ(at, offset + bytes);
	UNIT_EQ(chain->pkt_len, bytes);
	rte_pktmbuf_free(chain);
}

UNIT_CASE(references_stay_within_chunks)
{
	struct rte_mempool *pool = rte_pktmbuf_pool_create("refs", 63, 0, 0, 0, SOCKET_ID_ANY);
	struct rte_mbuf_ext_shared_info shared = {.free_cb = nothing, .refcnt = 1};
	struct tern_service_memory *big, *small;
	struct rte_mbuf *chain;

	UNIT_EQ(tern_service_memory_alloc(300000, &big), 0);
	UNIT_EQ(tern_service_memory_alloc(700, &small), 0);
	UNIT_EQ(tern_service_memory_bytes(big), 300000);
	check_chain(big, 0, 300000, pool, &shared);
	check_chain(big, 1, 299999, pool, &shared);
	check_chain(big, 32767, 2, pool, &shared);
	check_chain(big, 299999, 1, pool, &shared);
	check_chain(small, 0, 700, pool, &shared);
	UNIT_EQ(rte_mempool_in_use_count(pool), 0);
	UNIT_EQ(rte_mbuf_ext_refcnt_read(&shared), 1);
	chain = service_refer(big, 299000, 5000, 64, &shared, pool);
	UNIT_EQ(chain->pkt_len, 1000);
	rte_pktmbuf_free(chain);
	chain = service_refer(big, 0, 300000, 2, &shared, pool);
	UNIT_EQ(chain->nb_segs, 2);
	rte_pktmbuf_free(chain);
	CU_ASSERT(service_refer(big, 300000, 1, 64, &shared, pool) == NULL);
	rte_mempool_free(pool);
	tern_service_memory_free(big);
	tern_service_memory_free(small);
	tern_service_memory_free(NULL);
}

UNIT_CASE(memory_that_there_is_not_is_refused)
{
	struct tern_service_memory *memory;

	UNIT_EQ(tern_service_memory_alloc((size_t)900 << 20, &memory), -ENOMEM);
	UNIT_EQ(tern_service_memory_alloc(0, &memory), 0);
	UNIT_EQ(tern_service_memory_bytes(memory), 0);
	tern_service_memory_free(memory);
}

UNIT_CASE(memory_of_ones_own_is_registered_in_whole_pages)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	uint8_t *own =
		mmap(NULL, 4 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct tern_service_memory *memory, *again;

	UNIT_EQ(tern_service_memory_register(own + 1, page, &memory), -EINVAL);
	UNIT_EQ(tern_service_memory_register(own, page + 1, &memory), -EINVAL);
	UNIT_EQ(tern_service_memory_register(own, 0, &memory), -EINVAL);
	if (rte_eal_iova_mode() != RTE_IOVA_VA) {
		UNIT_EQ(tern_service_memory_register(own, 4 * page, &memory), -EOPNOTSUPP);
		return;
	}
	UNIT_EQ(tern_service_memory_register(own, 4 * page, &memory), 0);
	UNIT_EQ(tern_service_memory_register(own, 4 * page, &again), -EINVAL);
	CU_ASSERT(tern_service_memory_data(memory) == own);
	tern_service_memory_free(memory);
	UNIT_EQ(tern_service_memory_register(own, 4 * page, &memory), 0);
	tern_service_memory_free(memory);
	munmap(own, 4 * page);
}

UNIT_MAIN_EAL(UNIT_RUN(references_stay_within_chunks),
	      UNIT_RUN(memory_that_there_is_not_is_refused),
	      UNIT_RUN(memory_of_ones_own_is_registered_in_whole_pages))
