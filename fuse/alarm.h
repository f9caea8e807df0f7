/* SPDX-License-Identifier: Apache-2.0 */
/* A thread that wakes at a moment of either clock, and whenever the clock is set. */
#pragma once

#include "config/grants.h"

struct alarm;

/* Starts the thread, which calls `ring` at once and then at each moment that the last
 * call gave in *ret_next (INT64_MAX: by this clock never), whenever the wall clock was
 * set, and after alarm_wake(). 0 or -errno. */
int alarm_start(void (*ring)(void *data, struct moment *ret_next), void *data,
		struct alarm **ret);

/* Has it call soon. Any thread. NULL is fine. */
void alarm_wake(struct alarm *alarm);

/* Ends the thread; waits for a call. NULL is fine; returns NULL. */
struct alarm *alarm_stop(struct alarm *alarm);
