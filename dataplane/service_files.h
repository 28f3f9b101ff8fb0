/* SPDX-License-Identifier: BSD-3-Clause */
/* How the files of a root become content; between service_files.c and service_content.c. */
#ifndef TERN_DATAPLANE_SERVICE_FILES_H
#define TERN_DATAPLANE_SERVICE_FILES_H

#include <stdbool.h>
#include <stdio.h>

#include "dataplane/service_content.h"

/* Makes an uninitialised blob; *data is where to write its bytes. False: no memory. */
bool content_blob_make(struct content_blob *blob, size_t bytes, uint8_t **data);
void content_blob_free(struct content_blob *blob);

/* Adds a file, which the site owns then. False: no memory, and the caller keeps it. */
bool content_site_add(struct content_site *site, struct content_file *file);
void content_file_free(struct content_file *file);

/* Reads everything under the service's root. False with a message on `errors`. */
bool content_read_root(struct content_site *site, const struct config_service *service,
		       FILE *errors);

#endif
