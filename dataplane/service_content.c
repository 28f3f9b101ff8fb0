/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Content of the services, loaded once before the lanes start.
 *
 * Files of an http service's root are read into DPDK's memory and found by normalised path. Names
 * that start with a dot are skipped; everything else must be served or refused aloud: a file that
 * cannot be read or is too large, a link that leads out of the root, and what is neither file nor
 * folder are errors. A folder is found as "/folder/" if it holds index.html, and "/folder" leads
 * there.
 *
 * The stream behind /bytes/N: with j = i mod 65521, byte i is (j xor (j >> 8)) mod 256. The period
 * is a prime, so that bytes lost, repeated or moved show, whatever the sizes of segments and
 * blocks. In Python: bytes((j ^ j >> 8) & 255 for j in range(65521)), over and over.
 *
 * Mbufs refer to content as external buffers. They count their references in one of a few counters,
 * each on a cache line that one lane alone writes. Nothing happens when a count falls to zero, so
 * it does no harm that its 16 bits may wrap: content lives until the main thread frees it, which it
 * does after engines and ports are gone.
 *
 * Invariant: an mbuf refers to bytes of one chunk only, so that one bus address describes it.
 * Chunks are aligned and pages are multiples of them; a device that works by physical addresses
 * needs pages of CONTENT_CHUNK_BYTES at least, which huge pages are.
 */
#include <stdlib.h>
#include <string.h>

#include <rte_eal.h>
#include <rte_malloc.h>
#include <rte_memory.h>

#include "dataplane/service_content.h"
#include "dataplane/service_files.h"

enum {
	CHARGEN_LINE = 74,
	CHARGEN_CHARS = 95,  /* ' ' ... '~' */
	CHARGEN_REPEATS = 9, /* so that a chain needs few mbufs */
	REFERENCES = 64,
};

struct reference {
	struct rte_mbuf_ext_shared_info shared;
} __rte_cache_aligned;

struct service_content {
	struct reference references[REFERENCES];
	uint32_t references_taken;
	struct content_blob pattern;
	struct content_blob chargen;
	struct content_site *sites[CONFIG_MAX_SERVICES];
};

/* ---- Blobs */

static uintptr_t
chunk_of(const void *p)
{
	return (uintptr_t)p / CONTENT_CHUNK_BYTES;
}

/* Finds out the bus address of each chunk where it is not the virtual one. */
static bool
resolve_chunks(struct content_blob *blob)
{
	uintptr_t first = chunk_of(blob->data);
	size_t n = chunk_of(blob->data + blob->bytes - 1) - first + 1;

	if (rte_eal_iova_mode() == RTE_IOVA_VA)
		return true;
	blob->iova = calloc(n, sizeof(*blob->iova));
	if (blob->iova == NULL)
		return false;
	for (size_t i = 0; i < n; i++) {
		uintptr_t at = (first + i) * CONTENT_CHUNK_BYTES;

		/* The first chunk counts from its own start too, though that may lie before us. */
		if (i == 0)
			at = (uintptr_t)blob->data;
		blob->iova[i] = rte_mem_virt2iova((const void *)at);
		if (i == 0 && blob->iova[i] != RTE_BAD_IOVA)
			blob->iova[i] -= at % CONTENT_CHUNK_BYTES;
	}
	return true;
}

bool
content_blob_make(struct content_blob *blob, size_t bytes, uint8_t **data)
{
	size_t align = RTE_CACHE_LINE_SIZE;

	/* A small blob must not straddle two chunks: it may then be one mbuf, and small ones pack.
	 */
	while (align < bytes && align < CONTENT_CHUNK_BYTES)
		align *= 2;
	*blob = (struct content_blob){.bytes = bytes};
	*data = NULL;
	if (bytes == 0)
		return true;
	*data = rte_malloc("content", bytes, (unsigned int)align);
	blob->data = *data;
	if (*data == NULL || !resolve_chunks(blob)) {
		content_blob_free(blob);
		return false;
	}
	return true;
}

void
content_blob_free(struct content_blob *blob)
{
	rte_free((void *)(uintptr_t)blob->data);
	free(blob->iova);
	*blob = (struct content_blob){0};
}

static rte_iova_t
iova_of(const struct content_blob *blob, const uint8_t *p)
{
	rte_iova_t chunk;

	if (blob->iova == NULL)
		return (rte_iova_t)(uintptr_t)p;
	chunk = blob->iova[chunk_of(p) - chunk_of(blob->data)];
	return chunk == RTE_BAD_IOVA ? chunk : chunk + (uintptr_t)p % CONTENT_CHUNK_BYTES;
}

struct rte_mbuf *
content_refer(const struct content_blob *blob, size_t offset, size_t bytes, unsigned int most,
	      struct rte_mbuf_ext_shared_info *shared, struct rte_mempool *pool)
{
	struct rte_mbuf *head = NULL, **link = &head;
	const uint8_t *p = blob->data + offset;

	if (bytes > blob->bytes - offset)
		bytes = blob->bytes - offset;
	for (unsigned int segs = 1; bytes > 0 && segs <= most; segs++) {
		size_t n = CONTENT_CHUNK_BYTES - (uintptr_t)p % CONTENT_CHUNK_BYTES;
		struct rte_mbuf *m = rte_pktmbuf_alloc(pool);

		if (m == NULL)
			break;
		if (n > bytes)
			n = bytes;
		rte_mbuf_ext_refcnt_update(shared, 1);
		rte_pktmbuf_attach_extbuf(m, (void *)(uintptr_t)p, iova_of(blob, p), (uint16_t)n,
					  shared);
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

/* ---- Patterns */

static bool
make_pattern(struct content_blob *blob)
{
	uint8_t *data;

	if (!content_blob_make(blob, CONTENT_PATTERN_BYTES, &data))
		return false;
	for (uint32_t i = 0; i < CONTENT_PATTERN_BYTES; i++)
		data[i] = content_pattern_byte(i);
	return true;
}

static bool
make_chargen(struct content_blob *blob)
{
	uint8_t *data;

	if (!content_blob_make(blob, CHARGEN_REPEATS * CONTENT_CHARGEN_BYTES, &data))
		return false;
	for (uint32_t i = 0; i < CHARGEN_REPEATS * CONTENT_CHARGEN_BYTES; i++) {
		uint32_t column = i % CHARGEN_LINE, line = i / CHARGEN_LINE;

		if (column < CHARGEN_LINE - 2)
			data[i] = (uint8_t)(' ' + (line + column) % CHARGEN_CHARS);
		else
			data[i] = column == CHARGEN_LINE - 2 ? '\r' : '\n';
	}
	return true;
}

/* ---- Sites */

static uint32_t
hash_of(const char *path, size_t bytes)
{
	uint64_t h = 0xcbf29ce484222325; /* FNV-1a: who asks does not choose what is stored */

	for (size_t i = 0; i < bytes; i++)
		h = (h ^ (uint8_t)path[i]) * 0x100000001b3;
	return (uint32_t)(h ^ h >> 32);
}

static bool
site_grow(struct content_site *site)
{
	uint32_t size = site->buckets == NULL ? 64 : 2 * (site->mask + 1);
	struct content_site grown = {calloc(size, sizeof(*grown.buckets)), size - 1, 0};

	if (grown.buckets == NULL)
		return false;
	for (uint32_t i = 0; site->buckets != NULL && i <= site->mask; i++)
		if (site->buckets[i] != NULL)
			content_site_add(&grown, site->buckets[i]);
	free(site->buckets);
	*site = grown;
	return true;
}

bool
content_site_add(struct content_site *site, struct content_file *file)
{
	uint32_t i;

	if ((site->buckets == NULL || site->files >= site->mask / 2) && !site_grow(site))
		return false;
	i = hash_of(file->path, strlen(file->path)) & site->mask;
	while (site->buckets[i] != NULL)
		i = (i + 1) & site->mask;
	site->buckets[i] = file;
	site->files++;
	return true;
}

const struct content_file *
content_find(const struct content_site *site, const char *path, size_t bytes)
{
	if (site == NULL || site->buckets == NULL)
		return NULL;
	for (uint32_t i = hash_of(path, bytes) & site->mask; site->buckets[i] != NULL;
	     i = (i + 1) & site->mask)
		if (strlen(site->buckets[i]->path) == bytes &&
		    memcmp(site->buckets[i]->path, path, bytes) == 0)
			return site->buckets[i];
	return NULL;
}

static void
site_free(struct content_site *site)
{
	if (site == NULL)
		return;
	for (uint32_t i = 0; site->buckets != NULL && i <= site->mask; i++)
		if (site->buckets[i] != NULL)
			content_file_free(site->buckets[i]);
	free(site->buckets);
	free(site);
}

/* ---- All of it */

static void
reference_is_free(void *data, void *opaque)
{
	(void)data;
	(void)opaque;
}

struct service_content *
service_content_load(const struct config *config, FILE *errors)
{
	struct service_content *content =
		aligned_alloc(RTE_CACHE_LINE_SIZE, RTE_CACHE_LINE_ROUNDUP(sizeof(*content)));

	if (content == NULL) {
		fprintf(errors, "services: not enough memory\n");
		return NULL;
	}
	memset(content, 0, sizeof(*content));
	for (unsigned int i = 0; i < REFERENCES; i++) {
		content->references[i].shared.free_cb = reference_is_free;
		rte_mbuf_ext_refcnt_set(&content->references[i].shared, 1);
	}
	if (!make_pattern(&content->pattern) || !make_chargen(&content->chargen)) {
		fprintf(errors, "services: not enough memory for generated data\n");
		service_content_free(content);
		return NULL;
	}
	for (unsigned int i = 0; i < config->n_services; i++) {
		const struct config_service *service = &config->services[i];

		if (service->kind != SERVICE_HTTP || service->root[0] == 0)
			continue;
		content->sites[i] = calloc(1, sizeof(*content->sites[i]));
		if (content->sites[i] == NULL ||
		    !content_read_root(content->sites[i], service, errors)) {
			service_content_free(content);
			return NULL;
		}
	}
	return content;
}

void
service_content_free(struct service_content *content)
{
	if (content == NULL)
		return;
	for (unsigned int i = 0; i < CONFIG_MAX_SERVICES; i++)
		site_free(content->sites[i]);
	content_blob_free(&content->pattern);
	content_blob_free(&content->chargen);
	free(content);
}

const struct content_site *
content_site_of(const struct service_content *content, unsigned int service)
{
	return content->sites[service];
}

const struct content_blob *
content_pattern(const struct service_content *content)
{
	return &content->pattern;
}

const struct content_blob *
content_chargen(const struct service_content *content)
{
	return &content->chargen;
}

struct rte_mbuf_ext_shared_info *
content_take_reference(struct service_content *content)
{
	uint32_t i = __atomic_fetch_add(&content->references_taken, 1, __ATOMIC_RELAXED);

	return &content->references[i % REFERENCES].shared;
}
