/* SPDX-License-Identifier: BSD-3-Clause */
/* dataplane/http_date.c against the C library's gmtime and strftime. */
#include <time.h>

#include "unit.h"

#include "dataplane/http_date.h"

static uint32_t
parse(const char *text)
{
	return http_date_parse(text, strlen(text));
}

/* Formats as the C library does and compares with ours; both formats must read back. */
static void
check(uint32_t seconds)
{
	time_t t = (time_t)seconds;
	char expected[64], ours[HTTP_DATE_BYTES + 1] = {0}, other[64];
	struct tm tm;

	gmtime_r(&t, &tm);
	strftime(expected, sizeof(expected), "%a, %d %b %Y %H:%M:%S GMT", &tm);
	http_date_format(seconds, ours);
	CU_ASSERT_STRING_EQUAL(ours, expected);
	UNIT_EQ(parse(ours), seconds);
	strftime(other, sizeof(other), "%a %b %e %H:%M:%S %Y", &tm);
	UNIT_EQ(parse(other), seconds);
}

UNIT_CASE(dates_are_those_of_the_c_library)
{
	for (uint64_t seconds = 1; seconds <= UINT32_MAX; seconds += 86400 * 7 + 86399)
		check((uint32_t)seconds);
	check(951782400);  /* 29 February 2000 */
	check(4107542399); /* the last second of February 2100, which has 28 days */
	check(4107542400);
	check(UINT32_MAX);
}

UNIT_CASE(all_three_formats_are_read)
{
	UNIT_EQ(parse("Sun, 06 Nov 1994 08:49:37 GMT"), 784111777);
	UNIT_EQ(parse("Sunday, 06-Nov-94 08:49:37 GMT"), 784111777);
	UNIT_EQ(parse("Sun Nov  6 08:49:37 1994"), 784111777);
	UNIT_EQ(parse("Monday, 01-Jan-69 00:00:00 GMT"), 3124224000);
}

UNIT_CASE(malformed_dates_are_none)
{
	static const char *const malformed[] = {
		"",
		"Sun",
		",",
		"Sun, 06 Nov 1994 08:49:37",
		"Sun, 06 Nov 1994 08:49:37 CET",
		"Sun, 31 Nov 1994 08:49:37 GMT",
		"Sun, 29 Feb 2100 08:49:37 GMT",
		"Sun, 00 Nov 1994 08:49:37 GMT",
		"Sun, 06 Nov 1969 08:49:37 GMT",
		"Sun, 06 Nov 2107 08:49:37 GMT",
		"Sun, 06 Foo 1994 08:49:37 GMT",
		"Sun, 06 Nov 1994 24:49:37 GMT",
		"Sun, 06 Nov 1994 08:60:37 GMT",
		"Sun, 06 Nov 1994 08:49:3x GMT",
		"Sunday, 06-Nov-94 08:49:37 GMT ",
		"06-Nov-94 08:49:37 GMT",
		"Sun Nov  6 08:49:37 94",
	};

	for (size_t i = 0; i < sizeof(malformed) / sizeof(malformed[0]); i++)
		UNIT_EQ(parse(malformed[i]), 0);
}

UNIT_MAIN(UNIT_RUN(dates_are_those_of_the_c_library), UNIT_RUN(all_three_formats_are_read),
	  UNIT_RUN(malformed_dates_are_none))
