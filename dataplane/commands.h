/* SPDX-License-Identifier: BSD-3-Clause */
/* The commands of the control socket: version, stats, ss, neighbours, pools, addresses, lanes. */
#ifndef TERN_DATAPLANE_COMMANDS_H
#define TERN_DATAPLANE_COMMANDS_H

#include <jansson.h>

#include "dataplane/control.h"

/* A control_handler; ctx is the struct daemon. */
json_t *commands_answer(void *ctx, const char *command, const json_t *request,
			struct control_cursor *cursor, const char **error);

#endif
