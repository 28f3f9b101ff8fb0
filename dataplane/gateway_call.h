/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A request on its way through the gateway, for those who answer it: gateway_call.c, which has most
 * of them, and
 *
 *     gateway_repair.c   what concerns sockets in repair
 *     gateway_move.c     images of connections
 *
 * Such a function returns the answer, a value or a negative errno, and perhaps data in the reply;
 * `payload` lies in the arena and may change while it is read.
 */
#ifndef TERN_DATAPLANE_GATEWAY_CALL_H
#define TERN_DATAPLANE_GATEWAY_CALL_H

#include "dataplane/gateway_impl.h"

struct call {
	struct gateway *gateway;
	struct gateway_program *program;
	const struct shm_request *request;
	const uint8_t *payload;
	struct gateway_ref *ref; /* of request->socket */
	struct shm_reply *reply; /* NULL: none is wanted */
	uint32_t reply_bytes;
};

/* SHM_PEEK. */
int gateway_call_peek(struct call *call);

int gateway_call_checkpoint(struct call *call);
int gateway_call_restore(struct call *call);

#endif
