/* SPDX-License-Identifier: BSD-3-Clause */
/* What the fuzz harnesses share: see fuzz.h. */
#include "fuzz.h"

#include <string.h>

#include <rte_eal.h>
#include <rte_errno.h>

bool fuzz_verbose;
struct rte_mempool *fuzz_pools[FUZZ_POOLS];

static void
give_up(const char *what)
{
	fprintf(stderr, "%s: %s\n", what, rte_strerror(rte_errno));
	exit(2);
}

void
fuzz_start(void)
{
	static const struct {
		const char *name;
		uint16_t room;
	} kinds[FUZZ_POOLS] = {
		{"header", RTE_PKTMBUF_HEADROOM + 512},
		{"data", RTE_MBUF_DEFAULT_BUF_SIZE},
		{"ref", 0},
		{"rx", RTE_MBUF_DEFAULT_BUF_SIZE},
		{"bare", 0},
	};
	char *argv[] = {"fuzz", "--no-huge", "--no-shconf", "--no-pci", "--no-telemetry",
			"-m",   "64",        "-l",          "0",        "--log-level=lib.eal:error",
			NULL};

	fuzz_verbose = getenv("FUZZ_VERBOSE") != NULL;
	if (rte_eal_init((int)(sizeof(argv) / sizeof(argv[0])) - 1, argv) < 0)
		give_up("EAL does not start");
	for (size_t i = 0; i < FUZZ_POOLS; i++) {
		fuzz_pools[i] = rte_pktmbuf_pool_create(kinds[i].name, FUZZ_POOL_BUFS, 0, 0,
							kinds[i].room, SOCKET_ID_ANY);
		if (fuzz_pools[i] == NULL)
			give_up("no memory for the pools");
	}
}

void
fuzz_check_pools(void)
{
	for (size_t i = 0; i < FUZZ_POOLS; i++)
		FUZZ_CHECK(rte_mempool_avail_count(fuzz_pools[i]) == FUZZ_POOL_BUFS,
			   "pool %s: %u of %u mbufs", fuzz_pools[i]->name,
			   rte_mempool_avail_count(fuzz_pools[i]), FUZZ_POOL_BUFS);
}

static struct rte_mbuf *
take(enum fuzz_pool pool)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(fuzz_pools[pool]);

	FUZZ_CHECK(m != NULL, "the harness has no mbuf left");
	return m;
}

struct rte_mbuf *
fuzz_pooled(const uint8_t *bytes, size_t n)
{
	struct rte_mbuf *m = take(FUZZ_POOL_RX);

	FUZZ_CHECK(rte_pktmbuf_tailroom(m) >= n, "%zu bytes do not fit", n);
	if (n > 0)
		memcpy(rte_pktmbuf_append(m, (uint16_t)n), bytes, n);
	return m;
}

static void
free_exact(void *memory, void *info)
{
	free(memory);
	free(info);
}

struct rte_mbuf *
fuzz_exact(const uint8_t *bytes, size_t n)
{
	struct rte_mbuf_ext_shared_info *info = malloc(sizeof(*info));
	struct rte_mbuf *m = take(FUZZ_POOL_BARE);
	uint8_t *memory = malloc(n > 0 ? n : 1);

	FUZZ_CHECK(info != NULL && memory != NULL && n <= UINT16_MAX, "no memory");
	if (n > 0)
		memcpy(memory, bytes, n);
	info->free_cb = free_exact;
	info->fcb_opaque = info;
	rte_mbuf_ext_refcnt_set(info, 1);
	rte_pktmbuf_attach_extbuf(m, memory, 0, (uint16_t)n, info);
	m->data_off = 0;
	m->data_len = (uint16_t)n;
	m->pkt_len = (uint32_t)n;
	return m;
}

struct rte_mbuf *
fuzz_chain(const uint8_t *bytes, size_t n, size_t step, bool exact)
{
	struct rte_mbuf *head = NULL;
	size_t at = 0;

	if (step == 0)
		step = 2000;
	do {
		size_t part = n - at < step ? n - at : step;
		struct rte_mbuf *m =
			exact ? fuzz_exact(bytes + at, part) : fuzz_pooled(bytes + at, part);

		if (head == NULL)
			head = m;
		else
			FUZZ_CHECK(rte_pktmbuf_chain(head, m) == 0, "too many segments");
		at += part;
	} while (at < n);
	return head;
}

uint64_t
fuzz_hash(const struct rte_mbuf *m)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325);

	for (; m != NULL; m = m->next) {
		const uint8_t *b = rte_pktmbuf_mtod(m, const uint8_t *);

		for (uint16_t i = 0; i < m->data_len; i++)
			h = (h ^ b[i]) * UINT64_C(0x100000001b3);
	}
	return h;
}

/* xorshift64 */
void
fuzz_random(void *state, void *buf, size_t bytes)
{
	uint64_t *x = state;
	uint8_t *b = buf;

	while (bytes-- > 0) {
		*x ^= *x << 13;
		*x ^= *x >> 7;
		*x ^= *x << 17;
		*b++ = (uint8_t)(*x >> 32);
	}
}

void *
fuzz_alloc(void *ctx, size_t bytes, size_t align)
{
	void *memory;

	(void)ctx;
	if (align < sizeof(void *))
		align = sizeof(void *);
	memory = aligned_alloc(align, (bytes + align - 1) / align * align);
	if (memory != NULL)
		memset(memory, 0, bytes);
	return memory;
}

void
fuzz_free(void *ctx, void *memory)
{
	(void)ctx;
	free(memory);
}
