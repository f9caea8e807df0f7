/* SPDX-License-Identifier: Apache-2.0 */
/* Times as people type them: "2026-11-23 10:00", "today", "2h", "@1795444162". */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuse/trail-time.h"

#define LAST_NSEC   999999999
#define EPOCH_MAX   253402300799 /* the year 9999 */
#define SECONDS_MAX (100L * 366 * 86400)

int trail_time_compare(const struct timespec *one, const struct timespec *other)
{
	if (one->tv_sec != other->tv_sec)
		return one->tv_sec < other->tv_sec ? -1 : 1;
	return one->tv_nsec < other->tv_nsec ? -1 : one->tv_nsec > other->tv_nsec;
}

/* A whole unit of time that begins at tm: its begin or its end. */
static int within(const struct tm *tm, const struct tm *next, bool end,
		  struct timespec *ret)
{
	struct tm begin = *tm, after = *next;
	time_t seconds;

	begin.tm_isdst = after.tm_isdst = -1;
	seconds = mktime(end ? &after : &begin);
	if (seconds == (time_t)-1)
		return -EINVAL;
	*ret = end ? (struct timespec){ seconds - 1, LAST_NSEC }
		   : (struct timespec){ seconds, 0 };
	return 0;
}

static int day(struct tm tm, int offset, bool end, struct timespec *ret)
{
	struct tm next;

	tm.tm_hour = tm.tm_min = tm.tm_sec = 0;
	tm.tm_mday += offset;
	next = tm;
	next.tm_mday++;
	return within(&tm, &next, end, ret);
}

static int ago(const char *text, time_t now, struct timespec *ret)
{
	static const struct {
		char letter;
		long seconds;
	} units[] = {
		{ 's', 1 }, { 'm', 60 }, { 'h', 3600 }, { 'd', 86400 }, { 'w', 604800 },
	};
	char *unit;
	long n;

	if (*text < '0' || *text > '9')
		return -EINVAL;
	errno = 0;
	n = strtol(text, &unit, 10);
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (unit[0] != units[i].letter || unit[1] != '\0')
			continue;
		if (errno != 0 || n > SECONDS_MAX / units[i].seconds)
			return -EINVAL;
		*ret = (struct timespec){ now - n * units[i].seconds, 0 };
		return 0;
	}
	return -EINVAL;
}

/* @seconds, with a fraction if it has one. */
static int epoch(const char *text, struct timespec *ret)
{
	long long seconds;
	char digits[10] = "000000000";
	char *rest;
	size_t n;

	if (*text < '0' || *text > '9')
		return -EINVAL;
	errno = 0;
	seconds = strtoll(text, &rest, 10);
	if (errno != 0 || seconds > EPOCH_MAX)
		return -EINVAL;
	if (*rest == '.') {
		rest++;
		n = strspn(rest, "0123456789");
		if (n == 0 || n > 9)
			return -EINVAL;
		memcpy(digits, rest, n);
		rest += n;
	}
	if (*rest != '\0')
		return -EINVAL;
	*ret = (struct timespec){ (time_t)seconds, strtol(digits, NULL, 10) };
	return 0;
}

/* mktime() would make the 3rd of March of the 31st of February. */
static bool is_a_date(const struct tm *tm)
{
	struct tm noon = *tm;

	noon.tm_hour = 12;
	noon.tm_min = noon.tm_sec = 0;
	noon.tm_isdst = -1;
	return mktime(&noon) != (time_t)-1 && noon.tm_mday == tm->tm_mday &&
	       noon.tm_mon == tm->tm_mon && noon.tm_year == tm->tm_year;
}

static int date_and_time(const char *text, const struct tm *today, bool end,
			 struct timespec *ret)
{
	static const struct {
		const char *form;
		bool has_date, has_time, has_seconds;
	} forms[] = {
		{ "%Y-%m-%d", true, false, false },
		{ "%Y-%m-%d %H:%M", true, true, false },
		{ "%Y-%m-%dT%H:%M", true, true, false },
		{ "%Y-%m-%d %H:%M:%S", true, true, true },
		{ "%Y-%m-%dT%H:%M:%S", true, true, true },
		{ "%H:%M", false, true, false },
		{ "%H:%M:%S", false, true, true },
	};

	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		struct tm tm = *today, next;
		const char *rest;

		tm.tm_hour = tm.tm_min = tm.tm_sec = 0;
		rest = strptime(text, forms[i].form, &tm);
		if (!rest || *rest != '\0')
			continue;
		if (!is_a_date(&tm))
			return -EINVAL;
		if (!forms[i].has_time)
			return day(tm, 0, end, ret);
		next = tm;
		next.tm_sec += forms[i].has_seconds ? 1 : 0;
		next.tm_min += forms[i].has_seconds ? 0 : 1;
		return within(&tm, &next, end, ret);
	}
	return -EINVAL;
}

int trail_time_parse(const char *text, bool end, time_t now, struct timespec *ret)
{
	struct tm today;

	if (!localtime_r(&now, &today))
		return -EINVAL;
	if (strcmp(text, "now") == 0) {
		*ret = (struct timespec){ now, end ? LAST_NSEC : 0 };
		return 0;
	}
	if (strcmp(text, "today") == 0)
		return day(today, 0, end, ret);
	if (strcmp(text, "yesterday") == 0)
		return day(today, -1, end, ret);
	if (text[0] == '@')
		return epoch(text + 1, ret);
	if (ago(text, now, ret) == 0)
		return 0;
	return date_and_time(text, &today, end, ret);
}
