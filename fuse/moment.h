/* SPDX-License-Identifier: Apache-2.0 */
/* Now, by the two clocks that grants end by. */
#pragma once

#include <time.h>

#include "config/grants.h"

/* Not time(2), which lags behind by up to a tick. */
static inline struct moment moment_now(void)
{
	struct timespec wall, boot;

	clock_gettime(CLOCK_REALTIME, &wall);
	clock_gettime(CLOCK_BOOTTIME, &boot);
	return (struct moment){ wall.tv_sec, boot.tv_sec };
}
