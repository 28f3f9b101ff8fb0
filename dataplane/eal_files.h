/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The files that EAL leaves behind: those in its runtime folder, and one for each huge page.
 *
 * EAL cannot remove the latter itself while secondary processes are to attach (--huge-unlink), and
 * they hold their pages as long as they are there.
 */
#ifndef TERN_DATAPLANE_EAL_FILES_H
#define TERN_DATAPLANE_EAL_FILES_H

/* Calls take() with the folder and the page size of each mounted hugetlbfs. */
void eal_files_each_mount(void (*take)(const char *folder, unsigned long long page_bytes,
				       void *arg),
			  void *arg);

/* Removes all files of a prefix, unless another process still runs with it. */
void eal_files_remove(const char *prefix);

#endif
