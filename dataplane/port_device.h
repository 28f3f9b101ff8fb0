/* SPDX-License-Identifier: BSD-3-Clause */
/* Which device a [port N] has. Main thread, before lanes run. */
#ifndef TERN_DATAPLANE_PORT_DEVICE_H
#define TERN_DATAPLANE_PORT_DEVICE_H

#include <stdint.h>

#include "dataplane/config.h"
#include "dataplane/port_ring.h"

/*
 * Finds the device of [port index]: the one that its key `device` names, which is attached now,
 * else the next of those that EAL was given. A ring's end fills in *ring. Returns 0, or -1 after
 * telling why not.
 */
int port_device_find(const struct config *config, unsigned int index, uint16_t *id,
		     struct port_ring *ring);

#endif
