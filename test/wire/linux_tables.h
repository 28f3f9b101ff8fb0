/* SPDX-License-Identifier: BSD-3-Clause */
/* The parts of linux_tables.c: each says how many of its rows the kernel answers otherwise. */
#ifndef TERN_TEST_WIRE_LINUX_TABLES_H
#define TERN_TEST_WIRE_LINUX_TABLES_H

unsigned int linux_ports(void);
unsigned int linux_calls(void);
unsigned int linux_sockopt(void);

#endif
