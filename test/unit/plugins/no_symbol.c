/* SPDX-License-Identifier: BSD-3-Clause */
/* A shared object that is no plugin. */
int a_library(void);

int
a_library(void)
{
	return 1;
}
