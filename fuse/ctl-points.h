/* SPDX-License-Identifier: Apache-2.0 */
/* modelguardctl: the places of the tree where two policies can differ. */
#pragma once

#include <stddef.h>

#include "config/policy.h"

/* Where one or both policies begin another zone. The path is written as a zone's is: "*"
 * stands for any name that no zone's path has there. */
struct point {
	char *path;
	const struct zone *old, *new; /* NULL: in no zone; owned by the policies */
};

struct points {
	struct point *items; /* by path; each pair of zones once, and "/" always */
	size_t n_items;
};

/* Finds a path for each pair of zones that some path of the share has; a policy may be
 * NULL. Returns 0, -ENOMEM, or -E2BIG if the "*" of the zones' paths combine to more than
 * a million places. Zero-initialise, then points_fini(), also on failure. */
int points_find(const struct policy *old, const struct policy *new, struct points *ret);
void points_fini(struct points *points);
