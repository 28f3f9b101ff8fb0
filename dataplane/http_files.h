/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What http serves: the files under a root, read once into memory that devices can read, and found
 * by their path. Read-only then, and shared by all lanes.
 */
#ifndef TERN_DATAPLANE_HTTP_FILES_H
#define TERN_DATAPLANE_HTTP_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dataplane/tern_service.h"

enum {
	HTTP_FILES_MAX = 65536,    /* files and folders of one root */
	HTTP_FILE_DEPTH_MAX = 16,  /* folders inside each other */
	HTTP_FILE_PATH_MAX = 1024, /* bytes of a path, as a URL has it */
};

#define HTTP_FILE_BYTES_MAX (UINT64_C(1) << 30)

/* A path that can be asked for. */
struct http_file {
	const char *path;     /* normalised: starts with '/', decoded */
	const char *location; /* a folder without its slash: where to go instead; else NULL */
	const char *fields;   /* header fields that never change, each with CRLF */
	uint16_t fields_bytes;
	bool owns_body;                   /* a folder shares its index.html's */
	uint32_t modified;                /* seconds since 1970 */
	struct tern_service_memory *body; /* NULL for a folder without its slash */
};

/* The files under one root. */
struct http_site {
	struct http_file **buckets; /* open addressing; a power of two, at most half full */
	uint32_t mask;
	uint32_t files;
};

/* Reads everything under a root. Returns 0, or a negative errno with the reason in `why`. */
int http_site_read(struct http_site *site, const char *root, char *why);
void http_site_free(struct http_site *site);

/* The file of that path, or NULL. */
const struct http_file *http_site_find(const struct http_site *site, const char *path,
				       size_t bytes);

#endif
