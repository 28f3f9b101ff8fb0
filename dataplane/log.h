/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What ternd tells: one line each on stderr, "ternd: " first, without a time (journald has it).
 *
 * EAL and the drivers log here, too. While EAL starts their lines are held back, to be shown if it
 * fails; a start that succeeds is quiet but for warnings worth reading.
 */
#ifndef TERN_DATAPLANE_LOG_H
#define TERN_DATAPLANE_LOG_H

#include <stdbool.h>

void log_line(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The same for why something did not start: after what EAL had to say about it. */
void log_failure(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Routes EAL's log here and holds it back. Returns 0, -1 without memory. */
int log_eal_hold(void);

/* Ends holding back: shows what was held (a start that failed), or forgets it. */
void log_eal_release(bool show);

#endif
