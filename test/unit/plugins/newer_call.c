/* SPDX-License-Identifier: BSD-3-Clause */
/* A plugin that calls what only a newer ternd has. */
#include <tern_service.h>

void tern_service_of_tomorrow(struct tern_service_conn *conn, void *state);

const struct tern_service_plugin tern_service_plugin = {
	.abi = TERN_SERVICE_ABI,
	.bytes = sizeof(struct tern_service_plugin),
	.readable = tern_service_of_tomorrow,
};
