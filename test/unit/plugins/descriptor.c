/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Plugins whose descriptors are not as they should be, by what the build defines: ABI, BYTES,
 * CONN_BYTES, and MORE, which stands where a newer header may have something.
 */
#include <tern_service.h>

struct newer_plugin {
	struct tern_service_plugin plugin;
	uint64_t more;
};

extern const struct newer_plugin newer __asm__("tern_service_plugin");
__attribute__((visibility("default"))) const struct newer_plugin newer = {
	.plugin =
		{
			.abi = ABI,
			.bytes = BYTES,
			.conn_bytes = CONN_BYTES,
		},
	.more = MORE,
};
