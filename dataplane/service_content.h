/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What services serve: read-only bytes that mbufs refer to, loaded once and shared by all lanes.
 */
#ifndef TERN_DATAPLANE_SERVICE_CONTENT_H
#define TERN_DATAPLANE_SERVICE_CONTENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <rte_mbuf.h>

#include "dataplane/config.h"
#include "dataplane/service.h"

enum {
	CONTENT_CHUNK_BYTES = 32768, /* one mbuf refers to bytes of one chunk at most */
	CONTENT_FILES_MAX = 65536,   /* files and folders of one root */
	CONTENT_DEPTH_MAX = 16,      /* folders inside each other */
	CONTENT_PATH_MAX = 1024,     /* bytes of a path, as a URL has it */
};

#define CONTENT_FILE_BYTES_MAX (UINT64_C(1) << 30)

/*
 * Bytes in DPDK's memory. Chunks start at multiples of CONTENT_CHUNK_BYTES of the address space,
 * and each lies in one piece of bus addresses.
 */
struct content_blob {
	const uint8_t *data;
	size_t bytes;
	rte_iova_t *iova; /* of each chunk; NULL: the same as its virtual address */
};

/* A path that can be asked for. */
struct content_file {
	const char *path;     /* normalised: starts with '/', decoded */
	const char *location; /* a folder without its slash: where to go instead; else NULL */
	const char *fields;   /* header fields that never change, each with CRLF */
	uint16_t fields_bytes;
	bool owns_body;           /* a folder shares its index.html's */
	uint32_t modified;        /* seconds since 1970 */
	struct content_blob body; /* bytes 0 for a folder without its slash */
};

/* The files under one root. */
struct content_site {
	struct content_file **buckets; /* open addressing; a power of two, at most half full */
	uint32_t mask;
	uint32_t files;
};

/* Byte i of the stream behind /bytes/N; see service_content.c. */
enum {
	CONTENT_PATTERN_BYTES = 65521,
};

static inline uint8_t
content_pattern_byte(uint64_t i)
{
	uint32_t j = (uint32_t)(i % CONTENT_PATTERN_BYTES);

	return (uint8_t)(j ^ j >> 8);
}

/* RFC 864's pattern: 95 lines of 72 characters and CRLF, each line starting one character later. */
enum {
	CONTENT_CHARGEN_BYTES = 95 * 74,
};

/* The file of that path, or NULL. */
const struct content_file *content_find(const struct content_site *site, const char *path,
					size_t bytes);

/* The site of the configuration's service of that index; NULL if it has no root. */
const struct content_site *content_site_of(const struct service_content *content,
					   unsigned int service);

/* CONTENT_PATTERN_BYTES, and CONTENT_CHARGEN_BYTES several times over. */
const struct content_blob *content_pattern(const struct service_content *content);
const struct content_blob *content_chargen(const struct service_content *content);

/* What a lane's mbufs count their references to content in; a lane takes one for its lifetime. */
struct rte_mbuf_ext_shared_info *content_take_reference(struct service_content *content);

/*
 * Makes a chain of mbufs that refer to up to `bytes` bytes of a blob from `offset` on, of as many
 * as `most` mbufs. Returns NULL when the pool is empty or there is nothing to refer to.
 */
struct rte_mbuf *content_refer(const struct content_blob *blob, size_t offset, size_t bytes,
			       unsigned int most, struct rte_mbuf_ext_shared_info *shared,
			       struct rte_mempool *pool);

#endif
