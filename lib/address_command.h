/* SPDX-License-Identifier: BSD-3-Clause */
/* Addresses of a running ternd, changed over its control socket at `path`. */
#ifndef TERN_LIB_ADDRESS_COMMAND_H
#define TERN_LIB_ADDRESS_COMMAND_H

#include <stdbool.h>

#include <jansson.h>

/*
 * Gives "198.18.0.9/24" to a port; one that another station has had until now is in use at once.
 * Both return ternd's answer, with "port" and "prefix_len"; NULL after telling why not.
 */
json_t *address_add(const char *path, const char *address, int port, bool taken_over);
json_t *address_del(const char *path, const char *address);

#endif
