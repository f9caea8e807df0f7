/* SPDX-License-Identifier: Apache-2.0 */
/* modelguardctl: what the verbs that read the trail share. */
#pragma once

#include <stdbool.h>

#include "fuse/ctl.h"
#include "fuse/trail-filter.h"
#include "fuse/trail.h"

enum { CTL_TRAIL_INPUT = CTL_LONG + 100, CTL_TRAIL_SINCE, CTL_TRAIL_UNTIL };

/* Rows of a verb's table of options. */
#define CTL_TRAIL_OPTION_INPUT                                           \
	{                                                                \
		CTL_TRAIL_INPUT, "input", "FILE",                        \
			"read FILE, a directory of logs, or - for stdin" \
	}
#define CTL_TRAIL_OPTION_SINCE                             \
	{                                                  \
		CTL_TRAIL_SINCE, "since", "TIME",          \
			"from then on: '2026-11-23 10:00'" \
			", today, 2h, @EPOCH"              \
	}
#define CTL_TRAIL_OPTION_UNTIL                                                    \
	{                                                                         \
		CTL_TRAIL_UNTIL, "until", "TIME", "until then; a day is included" \
	}

/* Takes one of these options. Returns CTL_OK or CTL_USAGE. */
int ctl_trail_option(const struct ctl_verb *verb, int code, const char **input,
		     struct trail_filter *filter);

/* After all options: since must not be after until. Returns CTL_OK or CTL_USAGE. */
int ctl_trail_check_times(const struct ctl_verb *verb, const struct trail_filter *filter);

/* Opens a trail. Returns CTL_OK, or CTL_FAILED, having said why. */
int ctl_trail_open(const char *input, bool follow, struct trail **ret);

/* Calls with each event up to the end, showing the progress on a terminal if `silent`
 * (nothing is printed meanwhile) or if stdout is a file. Returns CTL_OK, or CTL_FAILED,
 * having said why; so does a callback, which returns CTL_TRAIL_STOP if nobody listens any
 * more: that ends it with CTL_OK. */
#define CTL_TRAIL_STOP (-1)
int ctl_trail_each(struct trail *trail, bool silent,
		   int (*on_event)(struct trail_event *event, void *user), void *user);

/* One line on stderr, if anything had to be skipped. */
void ctl_trail_print_skipped(const struct trail *trail);
