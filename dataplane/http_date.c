/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * HTTP's dates, RFC 9110 §5.6.7: written as IMF-fixdate, read as IMF-fixdate, RFC 850 and asctime.
 *
 * Days are counted in years that start in March, so that the leap day is the last of its year.
 * The name of the weekday is not compared with the date.
 */
#include <stdbool.h>
#include <string.h>

#include "dataplane/http_date.h"

static const char day_names[7][4] = {"Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"};
static const char month_names[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
					"Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

enum {
	DAYS_TO_1970 = 719468, /* from 1 March of the year 0 */
	DAYS_IN_400_YEARS = 146097,
};

struct date {
	uint32_t year;
	uint32_t month; /* 1...12 */
	uint32_t day;   /* 1...31 */
	uint32_t hour;
	uint32_t minute;
	uint32_t second;
};

static void
put2(char *out, uint32_t v)
{
	out[0] = (char)('0' + v / 10);
	out[1] = (char)('0' + v % 10);
}

void
http_date_format(uint32_t seconds, char *out)
{
	uint32_t days = seconds / 86400, rest = seconds % 86400, z = days + DAYS_TO_1970;
	uint32_t era = z / DAYS_IN_400_YEARS, day_of_era = z % DAYS_IN_400_YEARS;
	uint32_t year =
		(day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
	uint32_t day_of_year = day_of_era - (365 * year + year / 4 - year / 100);
	uint32_t from_march = (5 * day_of_year + 2) / 153;
	uint32_t day = day_of_year - (153 * from_march + 2) / 5 + 1;
	uint32_t month = from_march < 10 ? from_march + 2 : from_march - 10; /* 0: January */

	year += era * 400 + (month < 2);
	memcpy(out, "Day, dd Mon yyyy hh:mm:ss GMT", HTTP_DATE_BYTES);
	memcpy(out, day_names[days % 7], 3);
	put2(out + 5, day);
	memcpy(out + 8, month_names[month], 3);
	put2(out + 12, year / 100);
	put2(out + 14, year % 100);
	put2(out + 17, rest / 3600);
	put2(out + 20, rest / 60 % 60);
	put2(out + 23, rest % 60);
}

/* Reads `digits` decimal digits at p. */
static bool
get_number(const char *p, unsigned int digits, uint32_t *v)
{
	*v = 0;
	for (unsigned int i = 0; i < digits; i++) {
		if (p[i] < '0' || p[i] > '9')
			return false;
		*v = *v * 10 + (uint32_t)(p[i] - '0');
	}
	return true;
}

static bool
get_month(const char *p, uint32_t *month)
{
	for (*month = 1; *month <= 12; ++*month)
		if (memcmp(p, month_names[*month - 1], 3) == 0)
			return true;
	return false;
}

static bool
get_time(const char *p, struct date *d)
{
	return get_number(p, 2, &d->hour) && p[2] == ':' && get_number(p + 3, 2, &d->minute) &&
	       p[5] == ':' && get_number(p + 6, 2, &d->second);
}

/* "Sun, 06 Nov 1994 08:49:37 GMT" */
static bool
get_imf(const char *p, size_t n, struct date *d)
{
	return n == HTTP_DATE_BYTES && memcmp(p + 3, ", ", 2) == 0 &&
	       get_number(p + 5, 2, &d->day) && p[7] == ' ' && get_month(p + 8, &d->month) &&
	       p[11] == ' ' && get_number(p + 12, 4, &d->year) && p[16] == ' ' &&
	       get_time(p + 17, d) && memcmp(p + 25, " GMT", 4) == 0;
}

/* "Sunday, 06-Nov-94 08:49:37 GMT"; years before 70 belong to this century. */
static bool
get_rfc850(const char *p, size_t n, struct date *d)
{
	const char *comma = memchr(p, ',', n);

	if (comma == NULL || p + n - comma != 24)
		return false;
	p = comma;
	if (p[1] != ' ' || !get_number(p + 2, 2, &d->day) || p[4] != '-' ||
	    !get_month(p + 5, &d->month) || p[8] != '-' || !get_number(p + 9, 2, &d->year) ||
	    p[11] != ' ' || !get_time(p + 12, d) || memcmp(p + 20, " GMT", 4) != 0)
		return false;
	d->year += d->year < 70 ? 2000 : 1900;
	return true;
}

/* "Sun Nov  6 08:49:37 1994" */
static bool
get_asctime(const char *p, size_t n, struct date *d)
{
	return n == 24 && p[3] == ' ' && get_month(p + 4, &d->month) && p[7] == ' ' &&
	       (p[8] == ' ' ? get_number(p + 9, 1, &d->day) : get_number(p + 8, 2, &d->day)) &&
	       p[10] == ' ' && get_time(p + 11, d) && p[19] == ' ' &&
	       get_number(p + 20, 4, &d->year);
}

static uint32_t
days_of_month(uint32_t year, uint32_t month)
{
	bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);

	if (month == 2)
		return leap ? 29 : 28;
	return month == 4 || month == 6 || month == 9 || month == 11 ? 30 : 31;
}

uint32_t
http_date_parse(const char *text, size_t n)
{
	struct date d;
	uint32_t year, from_march, days;
	uint64_t seconds;

	if (!get_imf(text, n, &d) && !get_rfc850(text, n, &d) && !get_asctime(text, n, &d))
		return 0;
	if (d.year < 1970 || d.day < 1 || d.day > days_of_month(d.year, d.month) || d.hour > 23 ||
	    d.minute > 59 || d.second > 60)
		return 0;
	year = d.month <= 2 ? d.year - 1 : d.year;
	from_march = d.month <= 2 ? d.month + 9 : d.month - 3;
	days = year * 365 + year / 4 - year / 100 + year / 400 + (153 * from_march + 2) / 5 +
	       d.day - 1 - DAYS_TO_1970;
	seconds = (uint64_t)days * 86400 + d.hour * 3600 + d.minute * 60 + d.second;
	return seconds > UINT32_MAX ? 0 : (uint32_t)seconds;
}
