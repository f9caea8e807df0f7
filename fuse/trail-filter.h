/* SPDX-License-Identifier: Apache-2.0 */
/* Which events are asked for. */
#pragma once

#include <stdbool.h>

#include "fuse/trail.h"

/* NULL, false and zero: not asked for. */
struct trail_filter {
	const char *user; /* name or uid */
	bool has_uid;
	uid_t uid; /* of `user`: its number, or what NSS says */
	const char *role, *zone;
	const char *path;	/* itself and all below, or a glob of the whole path */
	const char *operations; /* a list of globs, with commas */
	bool denied;
	struct timespec since, until; /* inclusive; until.tv_sec 0: no end */
};

bool trail_filter_matches(const struct trail_filter *filter,
			  const struct trail_event *event);

/* Of the filter, only its times. */
bool trail_filter_in_time(const struct trail_filter *filter,
			  const struct trail_event *event);

/* Finds the first item of a list of operations that fits none that is ever recorded.
 * Returns 0 if there is none such, 1 and the caller's copy of it, or -ENOMEM. */
int trail_filter_check_operations(const char *operations, char **ret_item);
