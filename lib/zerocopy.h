/* SPDX-License-Identifier: BSD-3-Clause */
/* Reading and writing in place: tern.h tells of the calls. */
#ifndef TERN_LIB_ZEROCOPY_H
#define TERN_LIB_ZEROCOPY_H

/* In a child, after fork: the payloads are the parent's. */
void zerocopy_reset(void);

#endif
