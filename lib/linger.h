/* SPDX-License-Identifier: BSD-3-Clause */
/* SO_LINGER's close(), which waits. */
#ifndef TERN_LIB_LINGER_H
#define TERN_LIB_LINGER_H

#include "file.h"

/*
 * A socket's last descriptor has gone: ends the stream and waits until the peer has acknowledged
 * all of it, SO_LINGER's time is over, or a signal comes; as Linux whether or not the socket blocks
 * otherwise. Does nothing where close() does not wait: without SO_LINGER, with unread data, and
 * while another process has the socket, too.
 */
void linger(const struct file *file);

#endif
