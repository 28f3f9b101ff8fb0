/* SPDX-License-Identifier: BSD-3-Clause */
/* tcp/mbufq.c: against a flat array that does the same. */
#include "unit.h"

#include <time.h>

#include "tcp/mbufq.h"

static struct rte_mempool *
make_pool(void)
{
	struct rte_mempool *pool = rte_pktmbuf_pool_create(
		"mbufq", 1023, 0, 0, RTE_PKTMBUF_HEADROOM + 512, SOCKET_ID_ANY);

	CU_ASSERT_FATAL(pool != NULL);
	return pool;
}

static void
end_pool(struct rte_mempool *pool)
{
	UNIT_EQ(rte_mempool_in_use_count(pool), 0);
	rte_mempool_free(pool);
}

static struct rte_mbuf *
filled(struct rte_mempool *pool, uint32_t n, uint8_t first)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool);
	uint8_t *p;

	CU_ASSERT_FATAL(m != NULL);
	p = (uint8_t *)rte_pktmbuf_append(m, (uint16_t)n);
	for (uint32_t i = 0; i < n; i++)
		p[i] = (uint8_t)(first + i);
	return m;
}

UNIT_CASE(empty_mbufs_are_not_kept)
{
	struct rte_mempool *pool = make_pool();
	struct mbufq q = {0};
	struct rte_mbuf *m = filled(pool, 0, 0);

	m->next = filled(pool, 3, 1);
	m->next->next = filled(pool, 0, 0);
	m->nb_segs = 3;
	mbufq_append(&q, m);
	UNIT_EQ(q.bytes, 3);
	UNIT_EQ(q.bufs, 1);
	CU_ASSERT(q.head == q.tail);
	mbufq_trim_front(&q, 3);
	CU_ASSERT(q.head == NULL && q.tail == NULL && q.charge == 0 && q.bufs == 0);
	end_pool(pool);
}

UNIT_CASE(small_payloads_share_a_buffer)
{
	struct rte_mempool *pool = make_pool();
	struct mbufq q = {0};
	uint8_t out[8];
	uint32_t charge;

	CU_ASSERT(!mbufq_coalesce(&q, NULL, 0, 512));
	mbufq_append(&q, filled(pool, 4, 0));
	charge = q.charge;
	CU_ASSERT(mbufq_coalesce(&q, filled(pool, 4, 4), 4, 512));
	UNIT_EQ(q.bytes, 8);
	UNIT_EQ(q.charge, charge);
	mbufq_copy_out(&q, 0, out, 8);
	CU_ASSERT(memcmp(out, "\0\1\2\3\4\5\6\7", 8) == 0);
	mbufq_clear(&q);
	end_pool(pool);
}

UNIT_CASE(a_buffer_that_others_see_is_not_written)
{
	struct rte_mempool *pool = make_pool();
	struct mbufq q = {0};
	struct rte_mbuf *m = filled(pool, 4, 0), *more = filled(pool, 4, 4);

	mbufq_append(&q, m);
	rte_mbuf_refcnt_update(m, 1);
	CU_ASSERT(!mbufq_coalesce(&q, more, 4, 512));
	rte_pktmbuf_free(more);
	mbufq_clear(&q);
	rte_pktmbuf_free(m);
	end_pool(pool);
}

static uint32_t
draw(uint32_t *state)
{
	*state = *state * 1103515245u + 12345u;
	return *state >> 8;
}

UNIT_CASE(agrees_with_a_flat_array)
{
	static uint8_t twin[1 << 16], out[1 << 16];
	uint32_t seed = (uint32_t)time(NULL), state = seed, n = 0;
	unsigned int before = CU_get_number_of_failures();
	struct rte_mempool *pool = make_pool();
	struct mbufq q = {0};

	for (int step = 0; step < 20000; step++) {
		uint32_t k = draw(&state) % 300, cut = n > 0 ? draw(&state) % (n + 1) : 0;
		uint8_t first = (uint8_t)draw(&state);
		struct rte_mbuf *m;

		switch (draw(&state) % 4) {
		case 0:
		case 1:
			if (n + k > 20000)
				break;
			m = filled(pool, k, first);
			for (uint32_t i = 0; i < k; i++)
				twin[n + i] = (uint8_t)(first + i);
			n += k;
			if (!mbufq_coalesce(&q, m, k, 512))
				mbufq_append(&q, m);
			break;
		case 2:
			mbufq_trim_front(&q, cut);
			n -= cut;
			memmove(twin, twin + cut, n);
			break;
		default:
			cut %= 200;
			mbufq_trim_back(&q, cut);
			n -= cut;
			break;
		}
		CU_ASSERT_FATAL(q.bytes == n);
		mbufq_copy_out(&q, 0, out, n);
		CU_ASSERT(memcmp(out, twin, n) == 0);
		CU_ASSERT((n == 0) == (q.head == NULL) && (n == 0) == (q.tail == NULL));
		UNIT_EQ(rte_mempool_in_use_count(pool), q.bufs);
	}
	mbufq_clear(&q);
	if (CU_get_number_of_failures() != before)
		printf("\n  seed %u\n", seed);
	end_pool(pool);
}

UNIT_MAIN_EAL(UNIT_RUN(empty_mbufs_are_not_kept), UNIT_RUN(small_payloads_share_a_buffer),
	      UNIT_RUN(a_buffer_that_others_see_is_not_written), UNIT_RUN(agrees_with_a_flat_array))
