/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What every unit test program shares. A program defines its cases with UNIT_CASE() and ends with
 *
 *     UNIT_MAIN(UNIT_RUN(first_case), UNIT_RUN(second_case))
 *
 * or UNIT_MAIN_EAL(...) if it needs DPDK's memory (mempools, mbufs, hashes). A name given as
 * argument runs that case alone. The exit status is 0 only if every assertion held and a case ran.
 */
#ifndef TERN_TEST_UNIT_H
#define TERN_TEST_UNIT_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <CUnit/Basic.h>
#include <CUnit/CUnit.h>

struct unit_case {
	const char *name;
	void (*run)(void);
};

#define UNIT_CASE(name) static void name(void)
#define UNIT_RUN(name)                                                                             \
	{                                                                                          \
#name, name                                                                        \
	}

/* Both must be equal; a failure shows both. */
#define UNIT_EQ(actual, expected)                                                                  \
	do {                                                                                       \
		long long unit_a = (long long)(actual), unit_e = (long long)(expected);            \
		if (unit_a != unit_e)                                                              \
			printf("\n  %s:%d: %s is %lld, expected %lld", __FILE__, __LINE__,         \
			       #actual, unit_a, unit_e);                                           \
		CU_ASSERT(unit_a == unit_e);                                                       \
	} while (0)

static inline int
unit_main(int argc, char **argv, const char *suite, const struct unit_case *cases, size_t n)
{
	unsigned int failures, ran;
	CU_pSuite s;

	if (CU_initialize_registry() != CUE_SUCCESS)
		return 2;
	s = CU_add_suite(suite, NULL, NULL);
	for (size_t i = 0; s != NULL && i < n; i++)
		if (argc < 2 || strcmp(argv[1], cases[i].name) == 0)
			CU_add_test(s, cases[i].name, cases[i].run);
	CU_basic_set_mode(CU_BRM_VERBOSE);
	CU_basic_run_tests();
	failures = CU_get_number_of_failures();
	ran = CU_get_number_of_tests_run();
	CU_cleanup_registry();
	return failures != 0 || ran == 0;
}

#define UNIT_MAIN(...)                                                                             \
	int main(int argc, char **argv)                                                            \
	{                                                                                          \
		static const struct unit_case cases[] = {__VA_ARGS__};                             \
                                                                                                   \
		return unit_main(argc, argv, __FILE__, cases, sizeof(cases) / sizeof(cases[0]));   \
	}

#define UNIT_MAIN_EAL(...)                                                                         \
	int main(int argc, char **argv)                                                            \
	{                                                                                          \
		static const struct unit_case cases[] = {__VA_ARGS__};                             \
		int status;                                                                        \
                                                                                                   \
		unit_eal_start();                                                                  \
		status = unit_main(argc, argv, __FILE__, cases, sizeof(cases) / sizeof(cases[0])); \
		unit_eal_stop();                                                                   \
		return status;                                                                     \
	}

/* Starts DPDK's EAL without huge pages, devices or shared files; ends the program if it cannot. */
void unit_eal_start(void);
void unit_eal_stop(void);
/* In a forked child: what it writes to EAL's memory from now on, its parent does not see. */
void unit_eal_unshare(void);

#endif
