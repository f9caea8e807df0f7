/* SPDX-License-Identifier: Apache-2.0 */
/* Times as people type them: "2026-11-23 10:00", "today", "2h", "@1795444162". */
#pragma once

#include <stdbool.h>
#include <time.h>

#define TRAIL_TIME_FORMS                                                               \
	"'2026-11-23 10:00', '2026-11-23', '10:00', today, yesterday, now, 2h (m, h, " \
	"d, w) or @EPOCH"

/* In the local time zone, relative to `now`. A day stands for its begin, or, with `end`,
 * for its last nanosecond. Returns 0, or -EINVAL. */
int trail_time_parse(const char *text, bool end, time_t now, struct timespec *ret);

/* Less than, equal to or greater than 0, as strcmp(3). */
int trail_time_compare(const struct timespec *one, const struct timespec *other);
